// Network filters before tcp_proxy, and what formats say of a connection that it relays.
import { clientHello } from '../../support/client-hello.ts';
import type { ClientStep } from '../../support/raw-client.ts';
import type { Case, Group } from '../case.ts';
import { address, any, bootstrap, cluster, type Fields, fileLog, filter, textLog } from '../config.ts';

const PACKAGE = 'envoy.extensions.filters.network';
const STATS = ['^tcp\\.t\\.', '^p\\.rbac\\.', '^connection_limit\\.', '^local_rate_limit\\.'];

/** Commands whose values do not depend on the clock, on chance or on counters of the process. */
const COMMANDS = [
  ...['ACCESS_LOG_TYPE', 'BYTES_RECEIVED', 'BYTES_SENT', 'CLUSTER_METADATA(m:k)', 'CONNECTION_TERMINATION_DETAILS'],
  ...['COMMON_DURATION(DS_RX_BEG:DS_RX_END:ms)', 'COMMON_DURATION(US_TX_BEG:US_TX_END:ms)', 'CUSTOM_FLAGS'],
  ...['COMMON_DURATION(US_RX_BEG:US_RX_END:ms)', 'COMMON_DURATION(DS_TX_BEG:DS_TX_END:ms)'],
  ...['DOWNSTREAM_DETECTED_CLOSE_TYPE', 'DOWNSTREAM_DIRECT_LOCAL_ADDRESS', 'DOWNSTREAM_DIRECT_LOCAL_PORT'],
  ...['DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT', 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT(16)'],
  ...['DOWNSTREAM_HEADER_BYTES_RECEIVED', 'DOWNSTREAM_HEADER_BYTES_SENT', 'DOWNSTREAM_LOCAL_ADDRESS'],
  ...['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(8)', 'DOWNSTREAM_LOCAL_CLOSE_REASON', 'DOWNSTREAM_LOCAL_PORT'],
  ...['DOWNSTREAM_REMOTE_ADDRESS', 'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', 'DOWNSTREAM_TLS_VERSION'],
  ...['DOWNSTREAM_TRANSPORT_FAILURE_REASON', 'DOWNSTREAM_WIRE_BYTES_RECEIVED', 'DOWNSTREAM_WIRE_BYTES_SENT'],
  ...['DYNAMIC_METADATA(envoy.filters.network.rbac)', 'FILTER_CHAIN_NAME', 'FILTER_STATE(k:PLAIN)', 'FILTER_STATE(k)'],
  ...['GRPC_STATUS', 'LISTENER_NAME', 'LOCAL_REPLY_BODY', 'METADATA(LISTENER:m:k)', 'METADATA(CLUSTER:m:k)'],
  ...['METADATA(LISTENER_FILTER_CHAIN:m:k)', 'METADATA(UPSTREAM_HOST:m:k)', 'METADATA(ROUTE:m:k)', 'PATH', 'PROTOCOL'],
  ...['QUERY_PARAMS', 'REQ(:METHOD)', 'REQUESTED_SERVER_NAME', 'REQUESTED_SERVER_NAME(HOST_FIRST)'],
  ...['REQUEST_DURATION', 'REQUEST_HEADERS_BYTES', 'REQUEST_TX_DURATION', 'RESP(a)', 'RESPONSE_CODE'],
  ...['RESPONSE_CODE_DETAILS', 'RESPONSE_DURATION', 'RESPONSE_FLAGS', 'RESPONSE_FLAGS_LONG', 'RESPONSE_HEADERS_BYTES'],
  ...['RESPONSE_TRAILERS_BYTES', 'RESPONSE_TX_DURATION', 'ROUNDTRIP_DURATION', 'ROUTE_NAME', 'SPAN_ID'],
  ...['TLS_JA3_FINGERPRINT', 'TLS_JA4_FINGERPRINT', 'TRACE_ID', 'TRAILER(a)', 'UPSTREAM_CLUSTER'],
  ...['UPSTREAM_CLUSTER_RAW', 'UPSTREAM_DETECTED_CLOSE_TYPE', 'UPSTREAM_FILTER_STATE(k:PLAIN)'],
  ...['UPSTREAM_FILTER_STATE(s:PLAIN)', 'UPSTREAM_HEADER_BYTES_SENT', 'UPSTREAM_HOST', 'UPSTREAM_HOSTS_ATTEMPTED'],
  ...['UPSTREAM_HOST_NAME', 'UPSTREAM_HOST_NAMES_ATTEMPTED', 'UPSTREAM_HOST_NAME_WITHOUT_PORT'],
  ...['UPSTREAM_LOCAL_ADDRESS', 'UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', 'UPSTREAM_LOCAL_CLOSE_REASON'],
  ...['UPSTREAM_METADATA(m:k)', 'UPSTREAM_PROTOCOL', 'UPSTREAM_REMOTE_ADDRESS', 'UPSTREAM_REMOTE_PORT'],
  ...['UPSTREAM_REQUEST_ATTEMPT_COUNT', 'UPSTREAM_TLS_VERSION', 'UPSTREAM_TRANSPORT_FAILURE_REASON'],
  ...['UPSTREAM_WIRE_BYTES_RECEIVED', 'UPSTREAM_WIRE_BYTES_SENT', 'VIRTUAL_CLUSTER_NAME'],
];

function logOf(commands: readonly string[]): Fields {
  return fileLog({ log_format: { json_format: Object.fromEntries(commands.map((name) => [name, `%${name}%`])) } });
}
const jsonLog = logOf(COMMANDS);
/** Envoy says how an upstream connection ended that there never was. */
const refusedLog = logOf(COMMANDS.filter((name) => name !== 'UPSTREAM_DETECTED_CLOSE_TYPE'));
const relayLog = textLog(
  '%ACCESS_LOG_TYPE% flags=%RESPONSE_FLAGS% term=%CONNECTION_TERMINATION_DETAILS% ' +
    'closed=%DOWNSTREAM_LOCAL_CLOSE_REASON% tx=%BYTES_SENT% ' +
    'host=%UPSTREAM_HOST% cluster=%UPSTREAM_CLUSTER% sni=%REQUESTED_SERVER_NAME% ' +
    'state=%FILTER_STATE(envoy.tcp_proxy.cluster:PLAIN)% rbac=%DYNAMIC_METADATA(envoy.filters.network.rbac)%\n',
);

const ANY = [{ any: true }];
const rbac = (action: string, permissions: readonly Fields[] = ANY): Fields =>
  filter('rbac', `${PACKAGE}.rbac.v3.RBAC`, {
    stat_prefix: 'p',
    rules: { action, policies: { named: { permissions, principals: ANY } } },
  });
const limit = filter('limit', `${PACKAGE}.connection_limit.v3.ConnectionLimit`, {
  stat_prefix: 'p',
  max_connections: 1,
});
const rate = filter('rate', `${PACKAGE}.local_ratelimit.v3.LocalRateLimit`, {
  stat_prefix: 'p',
  token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '60s' },
});
const sni = filter('sni', `${PACKAGE}.sni_cluster.v3.SniCluster`);
const mongo = filter('mongo', `${PACKAGE}.mongo_proxy.v3.MongoProxy`, { stat_prefix: 'm' });

function value(key: string, text: string, more: Fields = {}): Fields {
  const format = { text_format_source: { inline_string: text } };
  return { object_key: key, factory_key: 'envoy.string', format_string: format, ...more };
}
const put = (...list: readonly Fields[]): Fields =>
  filter('put', `${PACKAGE}.set_filter_state.v3.Config`, { on_new_connection: list });
const choose = (name: string): Fields =>
  put(value('envoy.tcp_proxy.cluster', name, { factory_key: 'envoy.tcp_proxy.cluster' }));

function relay(fields: Fields = {}, log: Fields = relayLog): Fields {
  return filter('relay', `${PACKAGE}.tcp_proxy.v3.TcpProxy`, {
    stat_prefix: 't',
    cluster: 'a',
    access_log: [log],
    ...fields,
  });
}

const MARK = { filter_metadata: { m: { k: 'here' } } };
const INSPECTOR = {
  name: 'tls',
  typed_config: any('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {
    enable_ja3_fingerprinting: true,
    enable_ja4_fingerprinting: true,
  }),
};

function listener(name: string, filters: readonly Fields[], log: Fields = relayLog, around: Fields = {}): Fields {
  return {
    name,
    address: address(`listen.${name}`),
    stat_prefix: name,
    filter_chains: [{ name: 'chain', filters, metadata: MARK }],
    metadata: MARK,
    access_log: [log],
    ...around,
  };
}

const ECHO = { a: { replies: [], onConnect: [{ echo: true as const }] } };
const BANNER = { a: { replies: [], onConnect: ['welcome'] } };

function test(to: string, name: string, send: readonly ClientStep[], fields: Partial<Case> = {}): Case {
  return { name, to, send, upstream: ECHO, stats: STATS, settleMs: 30, ...fields };
}

const everything = (name: string, filters: readonly Fields[], around: Fields = {}): Fields =>
  listener(name, [...filters, relay({}, jsonLog)], jsonLog, around);
const objects = put(value('k', 'v'), value('s', 'shared', { shared_with_upstream: 'ONCE' }));

const facts: Group = {
  name: 'network tcp facts',
  config: bootstrap({
    listeners: [
      everything('main', [objects]),
      everything('tls', [objects], { listener_filters: [INSPECTOR] }),
      listener('limited', [objects, limit, relay({}, refusedLog)], refusedLog),
      everything('denied', [objects, rbac('DENY')]),
      listener('nobody', [objects, relay({ cluster: 'refused' }, jsonLog)], jsonLog),
      listener('unknown', [objects, relay({ cluster: 'no-such' }, jsonLog)], jsonLog),
      listener('idle', [objects, relay({ idle_timeout: '0.1s' }, jsonLog)], jsonLog),
      listener('lasting', [objects, relay({ max_downstream_connection_duration: '0.1s' }, jsonLog)], jsonLog),
    ],
    clusters: [{ ...cluster('a'), metadata: MARK }, cluster('refused', ['free.x'])],
  }),
  cases: [
    test('main', 'a relayed connection', ['hello', { readRaw: 5 }, 'close']),
    test('main', 'a client that half-closes', ['hello', { readRaw: 5 }, 'half-close', 'read-close']),
    test('main', 'a client that resets', ['hello', { readRaw: 5 }, 'reset']),
    test('main', 'a server that speaks first', [{ readRaw: 7 }, 'close'], { upstream: BANNER }),
    test('main', 'a server that resets', ['read-close'], {
      upstream: { a: { replies: [], onConnect: [{ wait: 20 }, 'rst'] } },
    }),
    test('main', 'a server that ends', ['read-close'], { upstream: { a: { replies: [], onConnect: ['bye', 'fin'] } } }),
    test('tls', 'a name from a ClientHello', [
      clientHello({ serverName: 'a.example', alpn: ['h2'] }).toString('latin1'),
      { readRaw: 100 },
      'close',
    ]),
    test('nobody', 'nobody listens', ['read-close']),
    test('unknown', 'no such cluster', ['read-close']),
    test('idle', 'idle', ['hello', { readRaw: 5 }, 'read-close']),
    test('lasting', 'too long', ['hello', { readRaw: 5 }, 'read-close']),
    {
      name: 'over a limit',
      clients: [
        { to: 'limited', steps: ['one', { readRaw: 3 }, { awaitClients: 1 }, 'close'] },
        { to: 'limited', steps: [{ wait: 60 }, 'read-close'] },
      ],
      upstream: ECHO,
      stats: STATS,
      settleMs: 30,
    },
    test('denied', 'denied', ['hello', 'read-close']),
  ],
};

const guarded: Group = {
  name: 'network tcp',
  config: bootstrap({
    listeners: [
      listener('main', [rbac('ALLOW'), relay()]),
      listener('rated', [rate, relay()]),
      listener('chosen', [choose('b'), relay()]),
      listener('nowhere', [choose('no-such'), relay()]),
      listener('weighted', [
        choose('b'),
        relay({ cluster: undefined, weighted_clusters: { clusters: [{ name: 'a', weight: 1 }] } }),
      ]),
      listener('sni', [sni, relay()], relayLog, { listener_filters: [INSPECTOR] }),
      listener('named', [rbac('ALLOW', [{ requested_server_name: { exact: 'b.example' } }]), sni, relay()], relayLog, {
        listener_filters: [INSPECTOR],
      }),
      listener('inert', [mongo, relay()]),
      listener('waiting', [
        put(value('envoy.tcp_proxy.per_connection_idle_timeout_ms', '100', { factory_key: undefined })),
        relay(),
      ]),
      listener('late', [
        filter('put', `${PACKAGE}.set_filter_state.v3.Config`, {
          on_downstream_data: [value('envoy.tcp_proxy.cluster', 'no-such', { factory_key: undefined })],
        }),
        relay(),
      ]),
    ],
    clusters: [cluster('a'), cluster('b', ['b']), cluster('b.example', ['b'])],
  }),
  cases: [
    test('main', 'let in', ['hello', { readRaw: 5 }, 'close']),
    {
      name: 'one token',
      clients: [
        { to: 'rated', steps: ['one', { readRaw: 3 }, { awaitClients: 1 }, 'close'] },
        { to: 'rated', steps: [{ wait: 60 }, 'read-close'] },
      ],
      upstream: ECHO,
      stats: STATS,
      settleMs: 30,
    },
    test('chosen', 'a cluster from filter state', [{ readRaw: 1 }, 'close'], {
      upstream: { b: { replies: [], onConnect: ['b'] } },
    }),
    test('nowhere', 'a cluster from filter state that there is not', ['read-close']),
    test('weighted', 'weights go before filter state', ['hello', { readRaw: 5 }, 'close']),
    test(
      'sni',
      'the cluster of the name',
      [clientHello({ serverName: 'b.example' }).toString('latin1'), { readRaw: 1 }, 'close'],
      {
        upstream: { b: { replies: [], onConnect: ['b'] } },
      },
    ),
    test('sni', 'a name without cluster', [clientHello({ serverName: 'x.example' }).toString('latin1'), 'read-close']),
    test('sni', 'no name', [clientHello().toString('latin1'), { readRaw: 100 }, 'close']),
    test('sni', 'no TLS', ['hello', { readRaw: 5 }, 'close']),
    test(
      'named',
      'a name that is let in',
      [clientHello({ serverName: 'B.example' }).toString('latin1'), { readRaw: 1 }, 'close'],
      {
        upstream: { b: { replies: [], onConnect: ['b'] } },
      },
    ),
    test('inert', 'past mongo_proxy', ['\x10\0\0\0abc', { readRaw: 7 }, 'close'], { stats: ['^tcp\\.t\\.'] }),
    test('waiting', 'an idle timeout of its own', ['hello', { readRaw: 5 }, 'read-close']),
    test('late', 'a cluster that comes too late', ['hello', { readRaw: 5 }, 'close']),
  ],
};

/** Access-log filters that were thought out for requests. */
const LOG_FILTERS: readonly (readonly [name: string, filter: Fields])[] = [
  ['status-is-0', { status_code_filter: { comparison: { op: 'EQ', value: { default_value: 0, runtime_key: 'r' } } } }],
  ['status-400', { status_code_filter: { comparison: { op: 'GE', value: { default_value: 400, runtime_key: 'r' } } } }],
  ['long', { duration_filter: { comparison: { op: 'GE', value: { default_value: 60_000, runtime_key: 'r' } } } }],
  ['short', { duration_filter: { comparison: { op: 'LE', value: { default_value: 60_000, runtime_key: 'r' } } } }],
  ['healthy', { not_health_check_filter: {} }],
  ['traceable', { traceable_filter: {} }],
  ['none', { runtime_filter: { runtime_key: 'r', percent_sampled: { numerator: 0 } } }],
  ['all', { runtime_filter: { runtime_key: 'r', percent_sampled: { numerator: 100 } } }],
  ['header', { header_filter: { header: { name: 'a', present_match: true } } }],
  ['no-header', { header_filter: { header: { name: 'a', present_match: true, invert_match: true } } }],
  ['flags', { response_flag_filter: {} }],
  ['flag', { response_flag_filter: { flags: ['UF'] } }],
  ['grpc-unknown', { grpc_status_filter: { statuses: ['UNKNOWN'] } }],
  ['grpc-ok', { grpc_status_filter: { statuses: ['OK'] } }],
  ['grpc-not-ok', { grpc_status_filter: { statuses: ['OK'], exclude: true } }],
  ['metadata', { metadata_filter: { matcher: { filter: 'm', path: [{ key: 'k' }], value: { present_match: true } } } }],
  [
    'metadata-found',
    {
      metadata_filter: {
        matcher: { filter: 'm', path: [{ key: 'k' }], value: { present_match: true } },
        match_if_key_not_found: false,
      },
    },
  ],
  ['end', { log_type_filter: { types: ['TcpConnectionEnd'] } }],
  ['not-end', { log_type_filter: { types: ['TcpConnectionEnd'], exclude: true } }],
  ['both', { and_filter: { filters: [{ not_health_check_filter: {} }, { response_flag_filter: { flags: ['UF'] } }] } }],
];

function filtered(name: string, only: Fields): Fields {
  const log = { ...textLog(`${name} %ACCESS_LOG_TYPE% %RESPONSE_FLAGS%\n`), filter: only };
  return listener(name, [relay({ cluster: 'refused' }, log)], log);
}

const logFilters: Group = {
  name: 'network tcp log filters',
  config: bootstrap({
    listeners: LOG_FILTERS.map(([name, only]) => filtered(name, only)),
    clusters: [cluster('refused', ['free.x'])],
  }),
  cases: LOG_FILTERS.map(([name]) => test(name, name, ['read-close'])),
};

export const networkTcpGroups: readonly Group[] = [facts, guarded, logFilters];
