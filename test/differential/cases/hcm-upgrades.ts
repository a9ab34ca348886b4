// Differential cases: upgrades with filters of their own, by listener and by route; heads that grow on their way.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter, http, route } from '../config.ts';
import { get, head, response } from '../messages.ts';

const MUTATION = 'envoy.extensions.filters.http.header_mutation.v3';
const mutation = (name: string, value: string): Fields =>
  filter(name, `${MUTATION}.HeaderMutation`, {
    mutations: {
      request_mutations: [{ append: { header: { key: 'x-through', value } } }],
      response_mutations: [{ append: { header: { key: 'x-back', value } } }],
    },
  });
const perRoute = (value: string): Fields =>
  any(`${MUTATION}.HeaderMutationPerRoute`, {
    mutations: { request_mutations: [{ append: { header: { key: 'x-route', value } } }] },
  });
const router: Fields = {
  name: 'envoy.filters.http.router',
  typed_config: any('envoy.extensions.filters.http.router.v3.Router'),
};

type Upgrade = { readonly type: string; readonly filters?: readonly Fields[]; readonly enabled?: boolean };
function upgrades(...list: readonly Upgrade[]): Fields {
  return {
    upgrade_configs: list.map(({ type, filters, enabled }) => ({
      upgrade_type: type,
      ...(filters === undefined ? {} : { filters: [...filters, router] }),
      ...(enabled === undefined ? {} : { enabled }),
    })),
  };
}

const ROUTES = [
  route('/off', 'a', { upgrade_configs: [{ upgrade_type: 'WebSocket', enabled: false }] }),
  route('/on', 'a', { upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'other' }] }),
  route('/configured', 'a', {}, { typed_per_filter_config: { own: perRoute('own'), plain: perRoute('plain') } }),
  direct({ prefix: '/direct' }, 200, 'd'),
  route('/', 'a'),
];

function listener(name: string, hcm: Fields): Fields {
  return http({ name, routes: ROUTES, filters: [mutation('plain', 'plain')], hcm });
}

const listeners: readonly Fields[] = [
  listener('main', upgrades({ type: 'websocket' })),
  listener('own', upgrades({ type: 'WebSocket', filters: [mutation('own', 'own')] })),
  listener('own-empty', upgrades({ type: 'websocket', filters: [] })),
  listener('own-off', upgrades({ type: 'websocket', filters: [mutation('own', 'own')], enabled: false })),
  listener('several', upgrades({ type: 'websocket', filters: [mutation('own', 'own')] }, { type: 'other' })),
  listener('connect', upgrades({ type: 'CONNECT', filters: [mutation('own', 'own')] })),
  listener('none', {}),
];

const AGREED = [
  head('101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket'),
  { wait: 20 },
  'fin',
] as const;
const cases: readonly Case[] = listeners
  .map(({ name }) => String(name))
  .flatMap((to) =>
    ['/', '/off', '/on', '/configured', '/direct', '/none-upgrade'].flatMap((path): Case[] => {
      const plain = { name: `${to} ${path}: no upgrade`, to, send: get(path), upstream: [response(200, 'x')] };
      if (path === '/none-upgrade') return [plain];
      return ['websocket', 'other'].map((type) => ({
        name: `${to} ${path}: ${type}`,
        to,
        send: [get(path, 'connection: upgrade', `upgrade: ${type}`), { readHead: 1 }],
        upstream: [AGREED],
      }));
    }),
  )
  .map(
    (test): Case => ({
      probeMs: 5,
      ...test,
      view: ({ clients, upstream, log }) => ({
        answers: clients.map(({ responses }) => responses.map(({ line, headers }) => [line, headers['x-back']])),
        forwarded: Object.values(upstream).map((all) =>
          all.map(({ line, headers }) => [line, headers['x-through'], headers['x-route'], headers['upgrade']]),
        ),
        log: log.map((line) => line.replace(/ (flags|details|term|rx|tx)=\S*/g, '')),
      }),
    }),
  );

// ── what grows, and what would split ──
const adding = (key: string, value: string, times = 1): Fields => ({
  request_headers_to_add: Array.from({ length: times }, (_, i) => ({
    header: { key: `${key}${times === 1 ? '' : i}`, value },
  })),
});
const large = 'v'.repeat(4000);
/** A value that no header can have, from a place where anything can be. */
const splitting = filter('state', 'envoy.extensions.filters.http.set_filter_state.v3.Config', {
  on_request_headers: [
    {
      object_key: 'split',
      factory_key: 'envoy.string',
      format_string: { text_format_source: { inline_string: 'a\r\nx-split: 1' } },
    },
  ],
});
const SPLIT = '%FILTER_STATE(split:PLAIN)%';
const growing: readonly Fields[] = [
  http({
    name: 'split',
    filters: [
      splitting,
      filter('mutation', `${MUTATION}.HeaderMutation`, {
        mutations: { response_mutations: [{ append: { header: { key: 'x-filter', value: SPLIT } } }] },
      }),
    ],
    routes: [
      route('/request', 'a', {}, { request_headers_to_add: [{ header: { key: 'x-value', value: SPLIT } }] }),
      route('/answer', 'a', {}, { response_headers_to_add: [{ header: { key: 'x-value', value: SPLIT } }] }),
      route(
        '/host',
        'a',
        { host_rewrite_header: 'x-value' },
        {
          request_headers_to_add: [{ header: { key: 'x-value', value: SPLIT } }],
        },
      ),
      direct({ prefix: '/direct' }, 200, 'd', {
        response_headers_to_add: [{ header: { key: 'x-value', value: SPLIT } }],
      }),
      route('/', 'a'),
    ],
    hcm: {
      local_reply_config: {
        mappers: [
          {
            filter: {
              status_code_filter: { comparison: { op: 'GE', value: { default_value: 200, runtime_key: 'x' } } },
            },
            headers_to_add: [{ header: { key: 'x-mapped', value: SPLIT } }],
          },
        ],
      },
    },
  }),
  http({
    name: 'main',
    routes: [
      route('/beyond-size', 'a', {}, adding('x-large', large)),
      route('/beyond-count', 'a', {}, adding('x-many-', '1', 20)),
      route(
        '/both-sides',
        'a',
        {},
        {
          ...adding('x-large', large),
          response_headers_to_add: [{ header: { key: 'x-large', value: large } }],
        },
      ),
      route(
        '/copied',
        'a',
        {},
        {
          ...adding('x-copy', '%REQ(X-GIVEN)%'),
          response_headers_to_add: [
            { header: { key: 'x-copy', value: '%REQ(X-GIVEN)%' } },
            { header: { key: 'x-path', value: '%PATH(WQ:PATH)%' } },
          ],
        },
      ),
      route('/literal', 'a', {}, adding('x-two', 'a%%0d%%0ax-split: 1')),
      route('/', 'a'),
    ],
    hcm: { max_request_headers_kb: 2, common_http_protocol_options: { max_headers_count: 10 } },
  }),
];
const growingCases: readonly Case[] = [
  { name: 'beyond max_request_headers_kb', send: get('/beyond-size') },
  { name: 'beyond max_headers_count', send: get('/beyond-count') },
  { name: 'answers too', send: get('/both-sides') },
  { name: 'escapes in a value', send: get('/copied?%0d%0ax-split:1', 'x-given: a%0d%0ax-split: 1') },
  { name: 'a tab in a value', send: get('/copied', 'x-given: a\tb') },
  { name: 'bytes in a value', send: get('/copied', 'x-given: \xe9\xff') },
  ...['/request', '/answer', '/host', '/direct', '/'].map((path) => ({
    name: `a line end: ${path}`,
    to: 'split',
    send: get(path),
  })),
  { name: 'percent signs in a format', send: get('/literal') },
];

const quick = (list: readonly Case[]): Case[] => list.map((test): Case => ({ probeMs: 5, ...test }));

export const hcmUpgradeGroups: readonly Group[] = [
  { name: 'hcm upgrades', config: bootstrap({ listeners, clusters: [cluster('a')] }), cases },
  {
    name: 'hcm growing heads',
    config: bootstrap({ listeners: growing, clusters: [cluster('a')] }),
    cases: quick(growingCases),
  },
];
