// Differential cases: grpc_stats and grpc_web for clients that speak HTTP/1, to upstreams of either version: bodies in
// pieces of any size, trailers that there are and are not, broken messages, names of methods.
import type { Case, Group, Reply } from '../case.ts';
import { bootstrap, cluster, type Fields, filter, http, route, textLog } from '../config.ts';
import { chunk, chunked, get, head, lastChunk, request, response } from '../messages.ts';
import { answer, base64, call, message, ok, trailersOnly, typed } from './grpc-messages.ts';
import { trailersDownstream } from './grpc-stats.ts';
import {
  answers,
  h1Response,
  h2Response,
  http1Cluster,
  http2Cluster,
  type Response,
  scripted,
} from './http2-exchange.ts';

const STATS_NAME = 'envoy.filters.http.grpc_stats';
const STATS_TYPE = 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig';
const WEB = filter('envoy.filters.http.grpc_web', 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb');
const stats = (fields: Fields): Fields => filter(STATS_NAME, STATS_TYPE, { emit_filter_state: true, ...fields });

const LOG =
  '%PROTOCOL% up=%UPSTREAM_PROTOCOL% grpc=%GRPC_STATUS% code=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% ' +
  'flags=%RESPONSE_FLAGS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ' +
  `counts=%FILTER_STATE(${STATS_NAME}:PLAIN)% status=%RESP(GRPC-STATUS)%/%TRAILER(GRPC-STATUS)%\n`;

const UPSTREAMS = ['h1', 'h2', 'bare'] as const;

const listed = (...services: readonly (readonly [string, readonly string[]])[]): Fields => ({
  individual_method_stats_allowlist: {
    services: services.map(([name, methods]) => ({ name, method_names: methods })),
  },
});

const ALL: Fields = { stats_for_all_methods: true, enable_upstream_stats: true };
const FILTERS: Readonly<Record<string, readonly Fields[]>> = {
  stats: [stats(ALL)],
  web: [WEB, stats(ALL)],
  // The counts of what is not gRPC yet.
  behind: [stats(ALL), WEB],
};

function listener(
  name: string,
  filters: readonly Fields[],
  upstream: string,
  hcm: Fields = trailersDownstream,
): Fields {
  return http({ name, filters, routes: [route('/', upstream)], hcm, log: [textLog(LOG)] });
}

const config = bootstrap({
  listeners: [
    ...Object.entries(FILTERS).flatMap(([kind, filters]) =>
      UPSTREAMS.map((upstream) => listener(`${kind}-${upstream}`, filters, upstream)),
    ),
    // As a configuration that says nothing of trailers has it.
    listener('web-plain', FILTERS['web'] ?? [], 'bare', {}),
    listener('stats-plain', FILTERS['stats'] ?? [], 'h1', {}),
    listener('web-old', FILTERS['web'] ?? [], 'h1', { http_protocol_options: { accept_http_10: true } }),
    listener('list', [stats(listed(['pkg.Service', ['Known', 'Also']], ['pkg.Service', ['More']]))], 'named'),
    listener(
      'list-dots',
      [stats({ ...listed(['pkg.v1.Service', ['Known']]), replace_dots_in_grpc_service_name: true })],
      'dotted',
    ),
    listener('list-odd', [stats(listed(['a/b', ['c']], ['Twice', ['M', 'M']]))], 'odd'),
    listener('dots', [stats({ ...ALL, replace_dots_in_grpc_service_name: true })], 'h2'),
    listener('unsaid', [stats({})], 'unsaid'),
  ],
  clusters: [
    http1Cluster('h1'),
    http2Cluster('h2'),
    cluster('bare', ['a']),
    ...['named', 'dotted', 'odd', 'unsaid'].map((name) => http1Cluster(name)),
  ],
});

const PATH = '/pkg.Service/Known';
const GRPC = 'content-type: application/grpc';
const WEB_TYPE = 'content-type: application/grpc-web+proto';
const TEXT_TYPE = 'content-type: application/grpc-web-text';
const ACCEPT_TEXT = 'accept: application/grpc-web-text';
const PONG: Response = {
  headers: [['content-type', 'application/grpc']],
  body: [message('pong')],
  trailers: [['grpc-status', '0']],
};
const ANSWER = ok(message('pong'));

function seen(
  to: string,
  name: string,
  send: Case['send'],
  upstream?: Case['upstream'],
  more: Partial<Case> = {},
): Case {
  return {
    name: `${to}: ${name}`,
    to,
    ...(send === undefined ? {} : { send }),
    upstream: upstream ?? answers(PONG),
    stats: ['^cluster\\.[^.]+\\.grpc'],
    probeMs: 5,
    timeoutMs: 1500,
    ...more,
  };
}

/** An answer of either version whose body comes in pieces. */
function pieces(...body: string[]): Case['upstream'] {
  return answers({ ...PONG, body });
}

const cutAt = (text: string, at: number): string[] => [text.slice(0, at), text.slice(at)];
const bytewise = (text: string): string[] => [...text];
const TWO = message('ab') + message('') + message('c');

/** The client waits between pieces, so that each is read on its own. */
function slowly(path: string, headers: readonly string[], texts: readonly string[]): Case['send'] {
  return [
    request('POST', path, [...headers, 'transfer-encoding: chunked']),
    ...texts.flatMap((text) => [{ wait: 15 }, chunk(text)]),
    { wait: 15 },
    lastChunk(),
    { read: 1 },
  ];
}

const counts: readonly Case[] = (['h1', 'h2'] as const).flatMap((upstream) => {
  const to = `stats-${upstream}`;
  return [
    ...Array.from({ length: TWO.length - 1 }, (_, i) =>
      seen(to, `cut after ${i + 1}`, chunked(PATH, cutAt(TWO, i + 1), [GRPC]), pieces(...cutAt(TWO, i + 1))),
    ),
    seen(to, 'a byte a chunk', chunked(PATH, bytewise(TWO), [GRPC]), pieces(...bytewise(TWO))),
    seen(to, 'read bit by bit', slowly(PATH, [GRPC], cutAt(TWO, 3)), pieces(TWO)),
    seen(to, 'a large message', call(PATH, message('x'.repeat(100_000)))),
    seen(to, 'the length says more than there is', call(PATH, message('abc').slice(0, -1)), pieces('\0\0\0\0\x09a')),
    seen(to, 'a length of 4 GB', call(PATH, '\0\xff\xff\xff\xffabc'), pieces('\0\xff\xff\xff\xffabc')),
    seen(to, 'bytes behind the message', call(PATH, `${message('a')}\0\0`), pieces(`${message('a')}\x01`)),
    seen(to, 'flags of no meaning', call(PATH, message('a', 0x7f)), pieces(message('a', 0xff))),
    seen(to, 'no message at all', call(PATH, ''), answers({ ...PONG, body: [] })),
    seen(to, 'a body that is text', call(PATH, 'hello, world'), pieces('hello, client')),
    seen(to, 'request trailers', chunked(PATH, [TWO], [GRPC], ['x-t: 1', 'grpc-status: 5'])),
    seen(to, 'trailers without a body', chunked(PATH, [], [GRPC], ['x-t: 1'])),
    seen(
      to,
      'a status that the trailers say twice',
      call(PATH, TWO),
      answers({
        ...PONG,
        trailers: [
          ['grpc-status', '0'],
          ['grpc-status', '5'],
        ],
      }),
    ),
    seen(to, 'an interim answer', call(PATH, TWO, 'expect: 100-continue')),
    seen(to, 'HEAD', request('HEAD', PATH, [GRPC]), answers({ headers: [['content-type', 'application/grpc']] })),
    seen(
      to,
      'five calls on a connection',
      [
        call(PATH, TWO),
        { read: 1 },
        call('/pkg.Service/Also', TWO),
        { read: 2 },
        get('/plain'),
        { read: 3 },
        call(PATH, ''),
        { read: 4 },
        call('/one', TWO),
        { read: 5 },
      ],
      answers(PONG, PONG, PONG, PONG, PONG),
    ),
  ];
});

/** What only HTTP/1 upstreams say. */
const ends: readonly Case[] = ['stats-h1', 'stats-plain', 'stats-bare', 'web-h1', 'web-bare', 'web-plain'].flatMap(
  (to) => {
    const send = to.startsWith('web')
      ? typed('application/grpc-web', PATH, message('ping'))
      : call(PATH, message('ping'));
    const say = (name: string, reply: Reply): Case => seen(to, name, send, [reply]);
    return [
      say('a call', ANSWER),
      say('a failed call', answer([], ['grpc-status: 5', 'grpc-message: not%20here'])),
      say('trailers only', trailersOnly(7)),
      say('no trailers', response(200, message('pong'), GRPC)),
      say('until it closes', [head(200, GRPC, 'connection: close') + message('pong'), 'fin']),
      say('too little', [head(200, GRPC, 'content-length: 20') + message('pong'), { wait: 20 }, 'fin']),
      say('cut in a chunk', [
        `${head(200, GRPC, 'transfer-encoding: chunked')}9\r\n${message('pong').slice(0, 6)}`,
        { wait: 20 },
        'fin',
      ]),
      say('cut before the trailers', [
        head(200, GRPC, 'transfer-encoding: chunked') + chunk(message('pong')),
        { wait: 20 },
        'fin',
      ]),
      say(
        'broken trailers',
        `${head(200, GRPC, 'transfer-encoding: chunked') + chunk(message('pong'))}0\r\nbad line\r\n\r\n`,
      ),
      say(
        'odd trailers',
        answer([message('pong')], ['Grpc-Status:  0 ', 'grpc-message:', 'x-a: 1', 'X-A: 2', 'x-c:a:b']),
      ),
      say('a status with the headers', answer([message('pong')], ['x-t: 1'], 'grpc-status: 3')),
      say(
        'chunks with extensions',
        `${head(200, GRPC, 'transfer-encoding: chunked')}9;a=b\r\n${message('pong')}\r\n` +
          lastChunk(['grpc-status: 0']),
      ),
      say('an empty body, chunked, and no trailers', head(200, GRPC, 'transfer-encoding: chunked') + lastChunk()),
    ];
  },
);

const QUADS = base64(TWO);
const SEVERAL = base64(message('a')) + base64(message('bc')) + base64(message(''));
// An upstream without trailers ends no text response in Envoy: see the intended differences.
const web: readonly Case[] = (['h1', 'h2'] as const).flatMap((upstream) => {
  const to = `web-${upstream}`;
  const text = (name: string, body: readonly string[], answered?: Case['upstream'], ...headers: string[]): Case =>
    seen(to, `text: ${name}`, chunked(PATH, body, [TEXT_TYPE, ACCEPT_TEXT, ...headers]), answered);
  return [
    seen(to, 'a call', typed('application/grpc-web', PATH, TWO), pieces(TWO)),
    seen(to, 'a call in chunks', chunked(PATH, cutAt(TWO, 4), [WEB_TYPE]), pieces(...cutAt(TWO, 4))),
    seen(to, 'a call with request trailers', chunked(PATH, [TWO], [WEB_TYPE], ['x-t: 1'])),
    seen(to, 'read bit by bit', slowly(PATH, [WEB_TYPE], cutAt(TWO, 3)), pieces(TWO)),
    seen(to, 'a frame of trailers in the request', typed('application/grpc-web', PATH, TWO + message('a:b\r\n', 0x80))),
    seen(to, 'expect', typed('application/grpc-web', PATH, TWO, 'expect: 100-continue')),
    seen(to, 'connection: te', typed('application/grpc-web', PATH, TWO, 'connection: te', 'te: trailers')),
    ...Array.from({ length: 12 }, (_, i) =>
      text(`cut after ${i + 1}`, cutAt(QUADS, i + 1), pieces(...cutAt(TWO, i + 1))),
    ),
    text('a digit a chunk', bytewise(QUADS), pieces(...bytewise(TWO))),
    seen(to, 'text: with a length', typed('application/grpc-web-text', PATH, QUADS, ACCEPT_TEXT), pieces(TWO)),
    seen(to, 'text: read bit by bit', slowly(PATH, [TEXT_TYPE], cutAt(QUADS, 5)), pieces(TWO)),
    text('messages padded each', [SEVERAL]),
    text('messages padded each, in chunks', [base64(message('a')), base64(message('bc'))]),
    text('padding split', cutAt(base64(message('bc')), base64(message('bc')).length - 1)),
    text('a line break', [`${QUADS.slice(0, 8)}\r\n${QUADS.slice(8)}`]),
    text('a bad digit late', ['AAAAAAAA!AAA']),
    text('a bad length late', ['AAAA', 'AAA']),
    text('no chunk', []),
    seen(to, 'text: trailers behind an open quad', chunked(PATH, ['AAAA', 'AA'], [TEXT_TYPE], ['x-t: 1'])),
    seen(to, 'text: trailers behind all', chunked(PATH, [QUADS], [TEXT_TYPE, ACCEPT_TEXT], ['x-t: 1'])),
    text('an answer that is cut off', [QUADS], pieces(TWO.slice(0, -1), message('abc').slice(0, 7))),
    text('an answer of broken messages', [QUADS], pieces('\0\xff\xff\xff\xffab', 'cd')),
    text('an answer of flags', [QUADS], pieces(message('a', 1) + message('b', 0x80))),
    text('an answer without messages', [QUADS], answers({ ...PONG, body: [] })),
    text('a large answer', [QUADS], pieces(message('x'.repeat(50_000)))),
    text('no trailers', [QUADS], answers({ headers: [['content-type', 'application/grpc']], body: ['\0\0\0\0\x01a'] })),
    text(
      'trailers only',
      [QUADS],
      answers({
        headers: [
          ['content-type', 'application/grpc'],
          ['grpc-status', '9'],
        ],
      }),
    ),
    text('not gRPC', [QUADS], answers({ status: 404, headers: [['content-type', 'text/html']], body: ['<a>', '<b>'] })),
    text('not gRPC but 200', [QUADS], answers({ headers: [['content-type', 'text/html']], body: ['<a>', '%'] })),
    text('not gRPC, with trailers', [QUADS], answers({ status: 500, body: ['a'], trailers: [['grpc-status', '0']] })),
    text(
      'many trailers',
      [QUADS],
      answers({
        ...PONG,
        trailers: [
          ['grpc-status', '13'],
          ['grpc-message', 'a%20b'],
          ['x-a', '1'],
          ['x-a', '2'],
          ['y-bin', 'AAE'],
        ],
      }),
    ),
  ];
});

const behind: readonly Case[] = ['behind-h1', 'behind-h2'].flatMap((to) => [
  seen(to, 'binary', typed('application/grpc-web', PATH, TWO), pieces(TWO)),
  seen(to, 'text', typed('application/grpc-web-text', PATH, QUADS, ACCEPT_TEXT), pieces(TWO)),
  seen(to, 'gRPC', call(PATH, TWO), pieces(TWO)),
  seen(
    to,
    'a failed call',
    typed('application/grpc-web', PATH, TWO),
    answers({ ...PONG, trailers: [['grpc-status', '3']] }),
  ),
  seen(
    to,
    'trailers only',
    typed('application/grpc-web', PATH, TWO),
    answers({
      headers: [
        ['content-type', 'application/grpc'],
        ['grpc-status', '9'],
      ],
    }),
  ),
]);

const oldText = (text: string): string => text.replace('HTTP/1.1', 'HTTP/1.0');
const old: readonly Case[] = [
  seen('web-old', 'HTTP/1.0', oldText(typed('application/grpc-web', PATH, TWO)), pieces(TWO)),
  seen('web-old', 'HTTP/1.0, text', oldText(typed('application/grpc-web-text', PATH, QUADS, ACCEPT_TEXT)), pieces(TWO)),
  seen('web-old', 'HTTP/1.0, gRPC', oldText(call(PATH, TWO)), pieces(TWO)),
  seen('web-old', 'HTTP/1.0, kept open', oldText(typed('application/grpc-web', PATH, TWO, 'connection: keep-alive'))),
  seen('web-old', 'HTTP/1.0, trailers only', oldText(typed('application/grpc-web', PATH, TWO)), [trailersOnly(5)]),
];

const NAMES: readonly string[] = [
  '/pkg.Service/Known',
  '/pkg.Service/Also',
  '/pkg.Service/More',
  '/pkg.Service/known',
  '/pkg.service/Known',
  '/pkg.v1.Service/Known',
  '/pkg_v1_Service/Known',
  '/.a..b./Known',
  '/Known',
  '//Known',
  '/a/b/c',
  '/Twice/M',
  '/None/M',
  '/pkg.Service/Known?x=/y',
  '/pkg.Service/Known/',
  '/pkg.Service/Known#f',
  '/pkg%2EService/Known',
];
const names: readonly Case[] = ['list', 'list-dots', 'list-odd', 'dots', 'unsaid'].flatMap((to) =>
  NAMES.map((path) => seen(to, `method of ${path}`, call(path, TWO))),
);

/** Which histograms there are, and not what the machine's times are. */
const times: readonly Case[] = ['stats-h1', 'stats-h2', 'unsaid'].map((to) => ({
  ...seen(to, 'a time at the upstream', call('/times.S/M', TWO)),
  admin: ['GET /stats?histogram_buckets=none&filter=grpc.*rq_time'],
  view: (all) =>
    Object.values(all.admin ?? {}).map(({ body }) =>
      body
        .split('\n')
        .map((line) => line.split(':')[0])
        .filter((line) => /times/.test(line ?? '')),
    ),
}));

/** The answer is over, and the request is not: the time is not counted, the messages are. */
const early: readonly Case[] = (['h1', 'h2'] as const).map((upstream) =>
  seen(
    `stats-${upstream}`,
    'a request that never ends',
    [request('POST', PATH, [GRPC, 'transfer-encoding: chunked']), chunk(message('a')), { wait: 30 }, { read: 1 }],
    scripted([{ on: 'head', actions: h2Response(PONG) }], [{ on: 'head', actions: [h1Response(PONG)] }]),
  ),
);

/** What is refused before filters see it is told as gRPC, too. */
const refused: readonly Case[] = [
  seen('unsaid', 'no host', call(PATH, TWO).replace('host: test.example\r\n', '')),
  seen('unsaid', 'a path that is relative', call('pkg.Service/Known', TWO)),
  seen('unsaid', 'an upgrade', call(PATH, TWO, 'connection: upgrade', 'upgrade: websocket')),
];

export const grpcOverHttp1Groups: readonly Group[] = [
  {
    name: 'grpc over http1',
    config,
    cases: [...counts, ...ends, ...web, ...behind, ...old, ...names, ...times, ...early, ...refused],
  },
];
