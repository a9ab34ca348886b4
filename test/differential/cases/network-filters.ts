// Network filters beside tcp_proxy and the connection manager: who gets in, who answers, what is written down.
import type { ClientStep } from '../../support/raw-client.ts';
import type { Case, Group } from '../case.ts';
import { address, bootstrap, cluster, direct, type Fields, filter, http, match, route, textLog } from '../config.ts';
import { networkTcpGroups } from './network-filters-tcp.ts';
import { rbacNetworkGroups } from './network-rbac.ts';

const PACKAGE = 'envoy.extensions.filters.network';

export const NETWORK_STATS = [
  '^[a-z-]+\\.rbac\\.',
  '^connection_limit\\.',
  '^local_rate_limit\\.',
  '^listener\\..*downstream_cx_(total|active|destroy)$',
];

const LOG =
  '%ACCESS_LOG_TYPE% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% ' +
  'term=%CONNECTION_TERMINATION_DETAILS% closed=%DOWNSTREAM_LOCAL_CLOSE_REASON% how=%DOWNSTREAM_DETECTED_CLOSE_TYPE% ' +
  'rx=%BYTES_RECEIVED% tx=%BYTES_SENT% wire=%DOWNSTREAM_WIRE_BYTES_RECEIVED%/%DOWNSTREAM_WIRE_BYTES_SENT% ' +
  'proto=%PROTOCOL% chain=%FILTER_CHAIN_NAME% listener=%LISTENER_NAME% sni=%REQUESTED_SERVER_NAME% ' +
  'to=%DOWNSTREAM_LOCAL_ADDRESS% from=%DOWNSTREAM_REMOTE_ADDRESS% direct=%DOWNSTREAM_DIRECT_LOCAL_ADDRESS% ' +
  'host=%UPSTREAM_HOST% cluster=%UPSTREAM_CLUSTER%\n';

type Chain = {
  readonly name: string;
  readonly filters: readonly Fields[];
  readonly log?: string;
  readonly around?: Fields;
};

/** A listener with one chain of network filters; its statistics prefix is its name. */
export function network({ name, filters, log = LOG, around = {} }: Chain): Fields {
  return {
    name,
    address: address(`listen.${name}`),
    stat_prefix: name,
    filter_chains: [{ name: `${name}-chain`, filters, metadata: { filter_metadata: { place: { is: 'chain' } } } }],
    metadata: { filter_metadata: { place: { is: 'listener' } } },
    access_log: [textLog(log)],
    ...around,
  };
}

export const echo = filter('echo', `${PACKAGE}.echo.v3.Echo`);
const say = (response?: Fields): Fields =>
  filter('say', `${PACKAGE}.direct_response.v3.Config`, response === undefined ? {} : { response });
const limit = (fields: Fields): Fields =>
  filter('limit', `${PACKAGE}.connection_limit.v3.ConnectionLimit`, { stat_prefix: 'p', ...fields });
const rate = (fields: Fields = {}): Fields =>
  filter('rate', `${PACKAGE}.local_ratelimit.v3.LocalRateLimit`, {
    stat_prefix: 'p',
    token_bucket: { max_tokens: 2, tokens_per_fill: 1, fill_interval: '60s' },
    ...fields,
  });

/** One client. */
const test = (to: string, name: string, send: readonly ClientStep[], fields: Partial<Case> = {}): Case => {
  return { name, to, send, stats: NETWORK_STATS, settleMs: 20, ...fields };
};

/** Several clients, one after the other: each but the last stays until all have come. */
function crowd(to: string, name: string, count: number, fields: Partial<Case> = {}): Case {
  const clients = Array.from({ length: count }, (_, i) => ({
    to,
    steps: [{ awaitClients: i }, { wait: 10 }, 'hello', { wait: 30 }] as ClientStep[],
  }));
  return { name, clients, stats: NETWORK_STATS, settleMs: 20, ...fields };
}

/** A client that holds its connection while another comes. */
function two(to: string, name: string, fields: Partial<Case> = {}): Case {
  const clients = [
    { to, steps: ['one', { readRaw: 3 }, { awaitClients: 1 }, 'close'] as ClientStep[] },
    { to, steps: [{ wait: 60 }, 'two', { wait: 400 }] as ClientStep[] },
  ];
  return { name, clients, stats: NETWORK_STATS, settleMs: 30, ...fields };
}

const responders: Group = {
  name: 'network responders',
  config: bootstrap({
    listeners: [
      network({ name: 'main', filters: [say({ inline_string: 'hello\n' })] }),
      network({ name: 'nothing', filters: [say()] }),
      network({ name: 'bytes', filters: [say({ inline_bytes: 'AAH/gA==' })] }),
      network({ name: 'format', filters: [say({ inline_string: '%PROTOCOL%' })] }),
      network({ name: 'variable', filters: [say({ environment_variable: 'HOME' })] }),
      network({ name: 'large', filters: [say({ inline_string: 'x'.repeat(200_000) })] }),
      network({ name: 'echo', filters: [echo] }),
    ],
    clusters: [],
  }),
  cases: [
    test('main', 'said to who is silent', ['read-close']),
    test('main', 'said to who speaks later', [{ wait: 30 }, 'hello', 'read-close']),
    test('main', 'said to who half-closes', ['half-close', 'read-close']),
    test('nothing', 'nothing to say', ['read-close']),
    test('bytes', 'bytes', ['read-close']),
    test('format', 'no format', ['read-close']),
    test('variable', 'from a variable', ['read-close']),
    test('large', 'much', ['read-close']),
    test('echo', 'echo', ['a', { readRaw: 1 }, 'bc', { readRaw: 3 }, 'half-close', 'read-close']),
    test('echo', 'echo of nothing', ['half-close', 'read-close']),
    test('echo', 'echo of much', ['x'.repeat(300_000), { readRaw: 300_000 }, 'close']),
    test('echo', 'echo to who resets', ['a', { readRaw: 1 }, 'reset']),
    test('echo', 'echo to who goes', ['a', { readRaw: 1 }, 'close']),
  ],
};

const limits: Group = {
  name: 'network limits',
  config: bootstrap({
    listeners: [
      network({ name: 'main', filters: [limit({ max_connections: 1 }), echo] }),
      network({ name: 'again', filters: [limit({ max_connections: 1 }), echo] }),
      network({ name: 'wide', filters: [limit({ max_connections: 3 }), echo] }),
      network({ name: 'delay', filters: [limit({ max_connections: 1, delay: '0.2s' }), echo] }),
      network({
        name: 'off',
        filters: [limit({ max_connections: 1, runtime_enabled: { default_value: false, runtime_key: 'no' } }), echo],
      }),
      network({
        name: 'on',
        filters: [limit({ max_connections: 1, runtime_enabled: { default_value: false, runtime_key: 'on' } }), echo],
      }),
      network({ name: 'both', filters: [limit({ max_connections: 2 }), limit({ max_connections: 1 }), echo] }),
      network({ name: 'rate', filters: [rate(), echo] }),
      network({ name: 'twice', filters: [rate(), rate(), echo] }),
      network({ name: 'shared', filters: [rate({ share_key: 'a' }), rate({ share_key: 'a' }), echo] }),
      network({ name: 'one', filters: [rate({ share_key: 'b' }), echo] }),
      network({ name: 'other', filters: [rate({ share_key: 'b' }), echo] }),
      network({
        name: 'ratesoff',
        filters: [rate({ runtime_enabled: { default_value: false, runtime_key: 'no' } }), echo],
      }),
      network({
        name: 'fills',
        filters: [rate({ token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '0.2s' } }), echo],
      }),
      network({ name: 'said', filters: [limit({ max_connections: 1 }), say({ inline_string: 'hello' })] }),
    ],
    clusters: [],
    around: { layered_runtime: { layers: [{ name: 'static', static_layer: { on: true } }] } },
  }),
  cases: [
    two('main', 'one connection too many'),
    test('main', 'a place that was given back', ['a', { readRaw: 1 }, 'close']),
    two('again', 'another listener counts for itself'),
    crowd('wide', 'three of five', 5),
    two('delay', 'a delay before the end'),
    two('off', 'switched off'),
    two('on', 'switched on by the runtime'),
    two('both', 'two limits'),
    test('said', 'before a direct response', ['read-close']),
    crowd('rate', 'two tokens for four', 4),
    crowd('twice', 'two buckets of one connection', 4),
    crowd('shared', 'one bucket, taken from twice', 3),
    crowd('one', 'a bucket of two listeners: the first', 1),
    crowd('other', 'a bucket of two listeners: the second', 3),
    crowd('ratesoff', 'no rate', 4),
    {
      name: 'a bucket that fills',
      clients: [
        { to: 'fills', steps: ['a', { wait: 50 }] },
        { to: 'fills', steps: [{ wait: 60 }, 'b', { wait: 50 }] },
        { to: 'fills', steps: [{ wait: 400 }, 'c', { wait: 50 }] },
      ],
      stats: NETWORK_STATS,
      settleMs: 20,
    },
  ],
};

const STATE_KEYS = ['k', 'j', 'envoy.tcp_proxy.cluster', 'envoy.network.upstream_server_name'];
const STATE_LOG =
  `${STATE_KEYS.map((key) => `${key}=%FILTER_STATE(${key}:PLAIN)%/%FILTER_STATE(${key})%`).join(' ')} ` +
  'ip=%FILTER_STATE(k:FIELD:ip)% port=%FILTER_STATE(k:FIELD:port)% up=%UPSTREAM_FILTER_STATE(k:PLAIN)% ' +
  'listener=%METADATA(LISTENER:place:is)% chain=%METADATA(LISTENER_FILTER_CHAIN:place:is)% ' +
  'dynamic=%METADATA(DYNAMIC:a)%\n';

function value(key: string, text: string, kind = '', more: Fields = {}): Fields {
  return {
    object_key: key,
    ...(kind === '' ? {} : { factory_key: kind }),
    format_string: { text_format_source: { inline_string: text } },
    ...more,
  };
}
const put = (fields: Fields): Fields => filter('put', `${PACKAGE}.set_filter_state.v3.Config`, fields);
const state = (name: string, fields: Fields): Fields => network({ name, filters: [put(fields), echo], log: STATE_LOG });

/** Listener name, kind, text. */
const KINDS: readonly (readonly [name: string, kind: string, text: string])[] = [
  ['string', 'envoy.string', 'abc'],
  ['empty', 'envoy.string', ''],
  ['hashable', 'envoy.hashable_string', 'q'],
  ['boolean', 'envoy.bool', 'yes'],
  ['boolean-none', 'envoy.bool', 'x'],
  ['cluster', 'envoy.tcp_proxy.cluster', 'u'],
  ['protocols', 'envoy.network.application_protocols', 'h2,http/1.1'],
  ['sans', 'envoy.network.upstream_subject_alt_names', 'a,b'],
  ['server', 'envoy.network.upstream_server_name', 'a.com'],
  ['tunnel', 'envoy.tcp_proxy.disable_tunneling', 'true'],
  ['tunnel-none', 'envoy.tcp_proxy.disable_tunneling', 'yes'],
  ['idle', 'envoy.tcp_proxy.per_connection_idle_timeout_ms', '100'],
  ['idle-none', 'envoy.tcp_proxy.per_connection_idle_timeout_ms', '-1'],
  ['hits', 'envoy.ratelimit.hits_addend', '5'],
  ['host', 'envoy.upstream.dynamic_host', 'h'],
  ['port', 'envoy.upstream.dynamic_port', '70000'],
  ['port-none', 'envoy.upstream.dynamic_port', '80x'],
  ['port-blanks', 'envoy.upstream.dynamic_port', ' 80 '],
  ['port-plus', 'envoy.upstream.dynamic_port', '+80'],
  ['ip4', 'envoy.network.ip', '1.2.3.4'],
  ['ip6', 'envoy.network.ip', '2001:db8:0::1'],
  ['ip-none', 'envoy.network.ip', '1.2.3'],
  ['address', 'envoy.network.transport_socket.original_dst_address', '1.2.3.4:80'],
  ['address6', 'envoy.network.transport_socket.original_dst_address', '[2001:db8:0::1]:80'],
  ['address-none', 'envoy.network.transport_socket.original_dst_address', '1.2.3.4:70000'],
  ['local', 'envoy.filters.listener.original_dst.local_ip', '1.2.3.4:80'],
  ['remote', 'envoy.filters.listener.original_dst.remote_ip', '1.2.3.4:80'],
];

const STRING = 'envoy.string';
const OTHER_STATES: readonly (readonly [name: string, fields: Fields])[] = [
  ['key-is-kind', { on_new_connection: [value('envoy.network.upstream_server_name', 'a.b')] }],
  ['formats', { on_new_connection: [value('k', '%DOWNSTREAM_LOCAL_ADDRESS%|%PROTOCOL%|%REQ(a)%|é', STRING)] }],
  ['in-order', { on_new_connection: [value('j', '1', STRING), value('k', '%FILTER_STATE(j:PLAIN)%2', STRING)] }],
  ['overwritten', { on_new_connection: [value('k', '1', STRING), value('k', '2', STRING)] }],
  ['no-such-text', { on_new_connection: [value('k', '1', STRING), value('k', 'x', 'envoy.upstream.dynamic_port')] }],
  ['read-only', { on_new_connection: [value('k', '1', STRING, { read_only: true }), value('k', '2', STRING)] }],
  ['dash', { on_new_connection: [value('k', '%REQUESTED_SERVER_NAME%', STRING, { skip_if_empty: true })] }],
  [
    'skipped',
    {
      on_new_connection: [
        {
          ...value('k', '', STRING, { skip_if_empty: true }),
          format_string: {
            text_format_source: { inline_string: '%REQUESTED_SERVER_NAME%' },
            omit_empty_values: true,
          },
        },
      ],
    },
  ],
  ['with-data', { on_downstream_data: [value('k', '%FILTER_STATE(k:PLAIN)%1', STRING)] }],
  ['with-tls', { on_downstream_tls_handshake: [value('k', '1', STRING)] }],
  ['with-nothing', {}],
];

const states: Group = {
  name: 'network filter state',
  config: bootstrap({
    listeners: [
      ...KINDS.map(([name, kind, text]) => state(name, { on_new_connection: [value('k', text, kind)] })),
      ...OTHER_STATES.map(([name, fields]) => state(name, fields)),
    ],
    clusters: [],
  }),
  cases: [
    ...[...KINDS, ...OTHER_STATES].map(([name]) =>
      test(name, name, ['a', { readRaw: 1 }, 'b', { readRaw: 2 }, 'close']),
    ),
    test('with-data', 'data that never came', ['half-close', 'read-close']),
  ],
};

const principal = { filter_state: { key: 'k', string_match: { exact: 'v' } } };
const rbacOf = (fields: Fields): Fields => filter('rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC', fields);
const seen: Group = {
  name: 'network filter state in requests',
  config: bootstrap({
    listeners: [
      {
        ...http({
          name: 'main',
          log: [
            textLog(
              '%FILTER_STATE(k:PLAIN)% %FILTER_STATE(k)% ' +
                'term=%CONNECTION_TERMINATION_DETAILS% ip=%FILTER_STATE(ip:PLAIN)% ' +
                'md=%DYNAMIC_METADATA(envoy.filters.network.rbac)%\n',
            ),
          ],
          filters: [
            rbacOf({
              rules: { policies: { known: { permissions: [{ any: true }], principals: [principal] } } },
              shadow_rules: {
                policies: {
                  ranged: {
                    permissions: [{ any: true }],
                    principals: [
                      {
                        filter_state: {
                          key: 'ip',
                          address_match: { ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
                        },
                      },
                    ],
                  },
                },
              },
            }),
          ],
          routes: [
            match({ prefix: '/s', filter_state: [{ key: 'k', string_match: { exact: 'v' } }] }, 'a'),
            direct({ prefix: '/s' }, 404),
            route(
              '/',
              'a',
              {},
              { request_headers_to_add: [{ header: { key: 'x-k', value: '%FILTER_STATE(k:PLAIN)%' } }] },
            ),
          ],
        }),
      },
    ].map((listener) => {
      const chains = (listener as { filter_chains: { filters: Fields[] }[] }).filter_chains;
      const [manager] = chains[0]?.filters ?? [];
      const list = [value('k', 'v', STRING), value('ip', '10.1.2.3', 'envoy.network.ip')];
      return { ...listener, filter_chains: [{ filters: [put({ on_new_connection: list }), manager as Fields] }] };
    }),
    clusters: [cluster('a')],
  }),
  cases: [
    {
      name: 'rules, headers and logs see it',
      send: 'GET / HTTP/1.1\r\nhost: h\r\n\r\n',
      stats: ['^http\\.main\\.rbac\\.'],
    },
    { name: 'routes see it', send: 'GET /s HTTP/1.1\r\nhost: h\r\n\r\n', stats: ['^http\\.main\\.rbac\\.'] },
  ],
};

export const networkFilterGroups: readonly Group[] = [
  responders,
  limits,
  states,
  seen,
  ...rbacNetworkGroups,
  ...networkTcpGroups,
];
