// Differential cases: which exchanges the tap filter takes, by every predicate, whole and in pieces.
import type { Case, Group } from '../case.ts';
import { bootstrap, cluster, direct, type Fields, filter, http, route } from '../config.ts';
import { chunk, get, lastChunk, post, request, response } from '../messages.ts';

const TAP = 'envoy.extensions.filters.http.tap.v3.Tap';

const headers = (part: string, name: string, exact: string): Fields => ({
  [`http_${part}_match`]: { headers: [{ name, string_match: { exact } }] },
});
const body = (side: string, patterns: Fields[], more: Fields = {}): Fields => ({
  [`http_${side}_generic_body_match`]: { patterns, ...more },
});
const text = (string_match: string): Fields => ({ string_match });
const yes = headers('request_headers', 'x-tap', 'yes');

const predicates: Readonly<Record<string, Fields>> = {
  any: { any_match: true },
  never: { not_match: { any_match: true } },
  header: yes,
  'no-header': { not_match: yes },
  'two-headers': {
    http_request_headers_match: {
      headers: [
        { name: 'x-tap', present_match: true },
        { name: ':method', exact_match: 'POST' },
      ],
    },
  },
  'request-trailer': headers('request_trailers', 'x-t', 'yes'),
  'no-request-trailer': { not_match: headers('request_trailers', 'x-t', 'yes') },
  status: headers('response_headers', ':status', '200'),
  'response-trailer': headers('response_trailers', 'x-t', 'yes'),
  or: { or_match: { rules: [yes, headers('response_headers', ':status', '503')] } },
  and: { and_match: { rules: [yes, headers('response_headers', ':status', '200')] } },
  'and-not': { and_match: { rules: [{ not_match: yes }, headers('response_headers', ':status', '200')] } },
  'request-body': body('request', [text('lo wo')]),
  'request-body-binary': body('request', [{ binary_match: Buffer.from('world').toString('base64') }]),
  'request-body-all': body('request', [text('hello'), text('world')]),
  'request-body-limit': body('request', [text('world')], { bytes_limit: 8 }),
  'request-body-limit-enough': body('request', [text('world')], { bytes_limit: 11 }),
  'response-body': body('response', [text('answer')]),
  'no-response-body': { not_match: body('response', [text('answer')]) },
};
const output = (more: Fields): Fields => ({
  sinks: [{ format: 'PROTO_BINARY', file_per_tap: { path_prefix: '{{dir}}/tap' } }],
  ...more,
});
const tapped = (name: string, match: Fields, more: Fields = {}, around: Fields = {}): Fields =>
  http({
    name,
    filters: [
      filter('tap', TAP, { common_config: { static_config: { match, output_config: output(more), ...around } } }),
    ],
    routes: [direct({ prefix: '/direct' }, 200, 'answer'), route('/', 'a')],
    hcm: { http_protocol_options: { enable_trailers: true } },
  });
const modes: readonly (readonly [string, Fields])[] = [
  ['buffered', {}],
  ['streamed', { streaming: true }],
];
const named = (mode: string, predicate: string): string => `${mode}-${predicate}`;
const stats = ['tap\\.rq'];
const answer = { a: [[response(200, 'the answer')]] };
const cases = modes.flatMap(([mode]) =>
  Object.keys(predicates).flatMap((predicate): Case[] => {
    const to = named(mode, predicate);
    return [
      { name: `${to}: plain`, to, send: get('/'), stats, upstream: answer },
      { name: `${to}: header and body`, to, send: post('/', 'hello world', 'x-tap: yes'), stats, upstream: answer },
      {
        name: `${to}: body in pieces, trailers`,
        to,
        send: [
          `${request('POST', '/', ['transfer-encoding: chunked'])}${chunk('hel')}`,
          { wait: 20 },
          chunk('lo w'),
          { wait: 20 },
          chunk('orld') + lastChunk(['x-t: yes']),
          { read: 1 },
        ],
        stats,
      },
      { name: `${to}: failing`, to, send: get('/', 'x-tap: yes'), upstream: { a: [[response(503, 'no')]] }, stats },
      { name: `${to}: direct response`, to, send: get('/direct'), stats },
    ];
  }),
);
const samples: Readonly<Record<string, Fields>> = {
  'sampled-none': { tap_enabled: { default_value: { numerator: 0 } } },
  'sampled-all': { tap_enabled: { default_value: { numerator: 100 } } },
};
const sampleCases = Object.keys(samples).map((to): Case => ({ name: to, to, send: get('/'), stats }));

export const tapGroups: readonly Group[] = [
  {
    name: 'tap',
    config: bootstrap({
      listeners: [
        ...modes.flatMap(([mode, more]) =>
          Object.entries(predicates).map(([name, match]) => tapped(named(mode, name), match, more)),
        ),
        ...Object.entries(samples).map(([name, around]) => tapped(name, { any_match: true }, {}, around)),
      ],
      clusters: [cluster('a')],
    }),
    cases: [...cases, ...sampleCases],
  },
];
