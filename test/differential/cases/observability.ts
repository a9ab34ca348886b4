// Differential cases: access log formats and operators, statistics.
import type { Case, Group, Observation } from '../case.ts';
import type { Fields } from '../config.ts';
import { bootstrap, cluster, direct, fileLog, http, route, textLog } from '../config.ts';
import { get, post, response } from '../messages.ts';

// ── access log ──
/** One operator per field, so that a difference names its operator. */
const OPERATORS = [
  ...[
    'PROTOCOL',
    'RESPONSE_CODE',
    'RESPONSE_CODE_DETAILS',
    'RESPONSE_FLAGS',
    'RESPONSE_FLAGS_LONG',
    'CONNECTION_TERMINATION_DETAILS',
  ],
  ...[
    'BYTES_RECEIVED',
    'BYTES_SENT',
    'UPSTREAM_CLUSTER',
    'UPSTREAM_CLUSTER_RAW',
    'UPSTREAM_HOST',
    'UPSTREAM_HOST_NAME',
  ],
  ...[
    'UPSTREAM_HOST_NAME_WITHOUT_PORT',
    'UPSTREAM_REMOTE_ADDRESS',
    'UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
    'UPSTREAM_REMOTE_PORT',
  ],
  ...[
    'UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
    'UPSTREAM_TRANSPORT_FAILURE_REASON',
    'UPSTREAM_REQUEST_ATTEMPT_COUNT',
    'UPSTREAM_PROTOCOL',
  ],
  ...[
    'DOWNSTREAM_REMOTE_ADDRESS',
    'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
    'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT',
  ],
  ...[
    'DOWNSTREAM_LOCAL_ADDRESS',
    'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
    'DOWNSTREAM_LOCAL_PORT',
    'DOWNSTREAM_TRANSPORT_FAILURE_REASON',
  ],
  ...[
    'DOWNSTREAM_WIRE_BYTES_RECEIVED',
    'UPSTREAM_WIRE_BYTES_SENT',
    'DOWNSTREAM_HEADER_BYTES_RECEIVED',
    'UPSTREAM_WIRE_BYTES_RECEIVED',
  ],
  ...[
    'UPSTREAM_HEADER_BYTES_RECEIVED',
    'REQUEST_HEADERS_BYTES',
    'RESPONSE_TRAILERS_BYTES',
    'ROUTE_NAME',
    'VIRTUAL_CLUSTER_NAME',
  ],
  ...[
    'FILTER_CHAIN_NAME',
    'REQUESTED_SERVER_NAME',
    'DYNAMIC_METADATA(x:y)',
    'CLUSTER_METADATA(x:y)',
    'UPSTREAM_METADATA(x:y)',
  ],
  ...[
    'FILTER_STATE(none)',
    'UPSTREAM_FILTER_STATE(none)',
    'REQ(:METHOD)',
    'REQ(:PATH)',
    'REQ(:AUTHORITY)',
    'REQ(:SCHEME)',
    'REQ(USER-AGENT)',
  ],
  ...[
    'REQ(X-MISSING)',
    'REQ(X-MISSING?:PATH)',
    'REQ(X-LONG):4',
    'REQ(X-REPEATED)',
    'RESP(CONTENT-TYPE)',
    'RESP(SERVER)',
    'RESP(X-MISSING):2',
  ],
  ...[
    'RESP(:STATUS)',
    'TRAILER(X-T)',
    'LOCAL_REPLY_BODY',
    'ACCESS_LOG_TYPE',
    'ENVIRONMENT(HEDDLE_UNSET):3',
    'GRPC_STATUS',
    'GRPC_STATUS_NUMBER',
  ],
  ...[
    'DOWNSTREAM_PEER_SUBJECT',
    'DOWNSTREAM_TLS_VERSION',
    'DOWNSTREAM_LOCAL_URI_SAN',
    'DOWNSTREAM_PEER_URI_SAN',
    'UPSTREAM_TLS_VERSION',
  ],
  ...[
    'PATH(WQ)',
    'PATH(NQ)',
    'QUERY_PARAM(q)',
    'QUERY_PARAMS(ORIG)',
    'TRACE_ID',
    'STREAM_ID',
    'UPSTREAM_DETECTED_CLOSE_TYPE',
  ],
  ...['METADATA(ROUTE:x:y)', 'METADATA(CLUSTER:x:y)', 'METADATA(LISTENER:x:y)'],
];
const TIMES = [
  'START_TIME',
  'DURATION',
  'REQUEST_DURATION',
  'RESPONSE_DURATION',
  'RESPONSE_TX_DURATION',
  'REQUEST_TX_DURATION',
  'ROUNDTRIP_DURATION',
];
const shape = TIMES.map((name) => `${name.toLowerCase()}=%${name}%`).join(' ');

const everything = textLog(`${OPERATORS.map((name) => `${name}=%${name}%`).join('|')}\n`);
const startTimes = textLog('%START_TIME(%Y/%m/%d)%|%EMIT_TIME(%Y)%\n');
const json = fileLog({
  log_format: {
    json_format: {
      number: '%RESPONSE_CODE%',
      text: 'code=%RESPONSE_CODE%',
      missing: '%REQ(X-MISSING)%',
      mixed: '-%REQ(X-MISSING)%-',
      nested: { path: '%REQ(:PATH)%', deeper: { flags: '%RESPONSE_FLAGS%', bytes: '%BYTES_SENT%' } },
      list: ['%REQ(:METHOD)%', 'fixed', '%PROTOCOL%'],
      fixed: 'plain',
      quote: 'say "%REQ(X-QUOTE)%"\\\n',
      unicode: '%REQ(X-UNICODE)%',
      boolean: true,
      zero: 0,
      metadata: '%DYNAMIC_METADATA(x)%',
      z: 'last',
      a: 'first',
    },
  },
});
const jsonOmit = fileLog({
  log_format: {
    omit_empty_values: true,
    json_format: {
      code: '%RESPONSE_CODE%',
      missing: '%REQ(X-MISSING)%',
      mixed: '-%REQ(X-MISSING)%-',
      nested: { gone: '%REQ(X-MISSING)%' },
    },
  },
});
const jsonSorted = fileLog({
  log_format: { json_format: { z: '1', a: '2' }, json_format_options: { sort_properties: true } },
});
const textOmit = fileLog({
  log_format: {
    omit_empty_values: true,
    text_format_source: { inline_string: '[%REQ(X-MISSING)%] [%RESPONSE_FLAGS%]\n' },
  },
});
const byDefault = fileLog({});
const legacy = fileLog({ log_format: { text_format: 'legacy %RESPONSE_CODE%\n' } });

function logIf(name: string, when: Fields): Fields {
  return { ...textLog(`${name} %REQ(:PATH)% %RESPONSE_CODE%\n`), filter: when };
}
function comparison(op: string, value: number): Fields {
  return { comparison: { op, value: { default_value: value, runtime_key: 'none' } } };
}
const filters = [
  logIf('eq', { status_code_filter: comparison('EQ', 404) }),
  logIf('ge', { status_code_filter: comparison('GE', 400) }),
  logIf('le', { status_code_filter: comparison('LE', 299) }),
  logIf('ne', { status_code_filter: comparison('NE', 200) }),
  logIf('duration', { duration_filter: comparison('GE', 50) }),
  logIf('not-health', { not_health_check_filter: {} }),
  logIf('header', { header_filter: { header: { name: 'x-log', present_match: true } } }),
  logIf('flags', { response_flag_filter: {} }),
  logIf('flag-nr', { response_flag_filter: { flags: ['NR'] } }),
  logIf('flag-uf', { response_flag_filter: { flags: ['UF', 'UH'] } }),
  logIf('and', {
    and_filter: {
      filters: [
        { status_code_filter: comparison('GE', 400) },
        { header_filter: { header: { name: 'x-log', present_match: true } } },
      ],
    },
  }),
  logIf('or', {
    or_filter: {
      filters: [
        { status_code_filter: comparison('EQ', 404) },
        { header_filter: { header: { name: 'x-log', present_match: true } } },
      ],
    },
  }),
  logIf('runtime-all', { runtime_filter: { runtime_key: 'all', percent_sampled: { numerator: 100 } } }),
  logIf('runtime-none', { runtime_filter: { runtime_key: 'none2', percent_sampled: { numerator: 0 } } }),
  logIf('metadata', {
    metadata_filter: {
      matcher: { filter: 'x', path: [{ key: 'y' }], value: { string_match: { exact: 'z' } } },
      match_if_key_not_found: true,
    },
  }),
  logIf('grpc', { grpc_status_filter: { statuses: ['UNAVAILABLE'] } }),
  logIf('log-type', { log_type_filter: { types: ['DownstreamEnd'] } }),
];

const logRoutes = [
  route('/refused', 'refused'),
  route('/empty', 'empty'),
  direct({ prefix: '/direct' }, 200, 'direct'),
  direct({ prefix: '/404' }, 404),
  route('/a', 'a', {}, { name: 'route-a', metadata: { filter_metadata: { x: { y: 'z' } } } }),
];
function logListener(name: string, log: readonly Fields[]): Fields {
  return http({ name, log, routes: logRoutes });
}
const REQUESTS: readonly (readonly [string, Partial<Case>])[] = [
  [
    'get',
    {
      send: get(
        '/a?q=v&r=',
        'user-agent: agent',
        'x-long: abcdefgh',
        'x-repeated: 1',
        'x-repeated: 2',
        'x-quote: a"b\\c',
        'x-unicode: \xc3\xa9',
      ),
    },
  ],
  ['post', { send: post('/a', 'some body'), upstream: [response(201, 'created', 'content-type: text/plain')] }],
  ['direct response', { send: get('/direct') }],
  ['no route', { send: get('/none') }],
  ['refused', { send: get('/refused') }],
  ['no host', { send: get('/empty') }],
  ['bad request', { send: 'nonsense\r\n\r\n' }],
  ['upstream reset', { send: get('/a'), upstream: [['rst']] }],
  [
    'client gone',
    { send: [get('/a'), { awaitUpstream: 1 }, 'close', { wait: 40 }], upstream: [[{ wait: 60 }, response(200, 'x')]] },
  ],
  [
    'grpc',
    {
      send: post('/a', '', 'content-type: application/grpc'),
      upstream: [response(200, '', 'content-type: application/grpc', 'grpc-status: 5')],
    },
  ],
];
/** Parts a line of the listener `everything` into its operators. */
function byOperator(observation: Observation): unknown {
  return observation.log.map((line) =>
    Object.fromEntries(
      line.split('|').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
    ),
  );
}
const logCases: readonly Case[] = [
  ...['everything', 'json', 'by-default'].flatMap((to) =>
    REQUESTS.map(([name, rest]): Case => {
      const view = to === 'everything' ? { view: byOperator } : {};
      return { name: `log ${to}: ${name}`, to, standardStats: false, ...rest, ...view };
    }),
  ),
  ...['json-omit', 'json-sorted', 'text-omit', 'legacy', 'start-times', 'two-logs'].map(
    (to): Case => ({ name: `log ${to}`, to, send: get('/a') }),
  ),
  { name: 'log filters: 200', to: 'filters', send: get('/a') },
  { name: 'log filters: 200 with header', to: 'filters', send: get('/a', 'x-log: 1') },
  { name: 'log filters: 404', to: 'filters', send: get('/404') },
  { name: 'log filters: 404 with header', to: 'filters', send: get('/404', 'x-log: 1') },
  { name: 'log filters: no route', to: 'filters', send: get('/none') },
  { name: 'log filters: refused', to: 'filters', send: get('/refused') },
  { name: 'log filters: slow', to: 'filters', send: get('/a'), upstream: [[{ wait: 90 }, response(200, 'x')]] },
  {
    name: 'log filters: grpc unavailable',
    to: 'filters',
    send: post('/a', '', 'content-type: application/grpc'),
    upstream: [response(200, '', 'grpc-status: 14')],
  },
  {
    name: 'log durations have the right shape',
    to: 'durations',
    send: get('/a'),
    view: (seen) => seen.log.map((line) => line.replace(/=\d+/g, '=<n>')),
  },
  {
    name: 'log durations of a local reply',
    to: 'durations',
    send: get('/direct'),
    view: (seen) => seen.log.map((line) => line.replace(/=\d+/g, '=<n>')),
  },
];

const logConfig = bootstrap({
  listeners: [
    logListener('everything', [everything]),
    logListener('json', [json]),
    logListener('json-omit', [jsonOmit]),
    logListener('json-sorted', [jsonSorted]),
    logListener('text-omit', [textOmit]),
    logListener('by-default', [byDefault]),
    logListener('legacy', [legacy]),
    logListener('start-times', [startTimes]),
    logListener('two-logs', [textLog('one %RESPONSE_CODE%\n'), textLog('two %RESPONSE_CODE%\n')]),
    logListener('filters', filters),
    logListener('durations', [textLog(`${shape}\n`)]),
  ],
  clusters: [cluster('a'), cluster('refused', ['free.refused']), cluster('empty', [])],
});

// ── statistics ──
const statConfig = bootstrap({
  listeners: [
    http({
      name: 'main',
      virtualHosts: [
        {
          name: 'vh',
          domains: ['vh.example'],
          virtual_clusters: [{ name: 'one', headers: [{ name: ':path', string_match: { prefix: '/one' } }] }],
          routes: [route('/', 'a', {}, { stat_prefix: 'route-stat' })],
        },
        {
          name: 'rest',
          domains: ['*'],
          routes: [
            direct({ prefix: '/direct' }, 200, 'd'),
            { match: { prefix: '/redirect' }, redirect: { path_redirect: '/x' } },
            route('/empty', 'empty'),
            route('/alt', 'alt'),
            route('/a', 'a'),
          ],
        },
      ],
    }),
  ],
  clusters: [cluster('a'), cluster('empty', []), cluster('alt', ['a'], { alt_stat_name: 'other.name' })],
});
/** Everything that counts up per request or connection; gauges and histograms move with time. */
const ALL_STATS = ['^(http|cluster|vhost|listener|http1)\\.'];
const UNSTEADY = new RegExp(
  '_bytes|_ms|rq_time|length_ms|_active|active$|memory|buffer|worker_\\d|main_thread|assignment|update|version|' +
    'membership|circuit_breakers|lb_|max_host_weight|flow_control',
);
function steady(observation: Observation): unknown {
  return Object.fromEntries(Object.entries(observation.stats).filter(([name]) => !UNSTEADY.test(name)));
}
const statCases: readonly Case[] = [
  { name: 'stats of a request', send: get('/a'), stats: ALL_STATS, view: steady },
  { name: 'stats of a second request', send: get('/a'), stats: ALL_STATS, view: steady },
  {
    name: 'stats of two on a connection',
    send: [get('/a'), { read: 1 }, get('/a'), { read: 2 }],
    stats: ALL_STATS,
    view: steady,
  },
  { name: 'stats of a virtual cluster', send: get('/one/x', 'host: vh.example'), stats: ALL_STATS, view: steady },
  { name: 'stats of the other virtual cluster', send: get('/two', 'host: vh.example'), stats: ALL_STATS, view: steady },
  { name: 'stats of a direct response', send: get('/direct'), stats: ALL_STATS, view: steady },
  { name: 'stats of a redirect', send: get('/redirect'), stats: ALL_STATS, view: steady },
  { name: 'stats of no route', send: get('/none'), stats: ALL_STATS, view: steady },
  { name: 'stats of no host', send: get('/empty'), stats: ALL_STATS, view: steady },
  { name: 'stats of alt_stat_name', send: get('/alt'), stats: ALL_STATS, view: steady },
  { name: 'stats of a bad request', send: 'bad\r\n\r\n', stats: ALL_STATS, view: steady },
  { name: 'stats of an upstream 503', send: get('/a'), upstream: [response(503, 'x')], stats: ALL_STATS, view: steady },
  { name: 'stats of an upstream 404', send: get('/a'), upstream: [response(404, 'x')], stats: ALL_STATS, view: steady },
  { name: 'stats of an upstream reset', send: get('/a'), upstream: [['rst']], stats: ALL_STATS, view: steady },
  {
    name: 'stats of a canary answer',
    send: get('/a'),
    upstream: [response(200, 'x', 'x-envoy-upstream-canary: true')],
    stats: ALL_STATS,
    view: steady,
  },
  {
    name: 'stats of a client that leaves',
    send: [get('/a'), { awaitUpstream: 1 }, 'close', { wait: 60 }],
    upstream: [[{ wait: 30 }, response(200, 'x')]],
    stats: ALL_STATS,
    view: steady,
  },
  { name: 'stats of an empty connection', send: [{ wait: 5 }, 'close'], stats: ALL_STATS, view: steady },
];

export const observabilityGroups: readonly Group[] = [
  { name: 'access log', config: logConfig, cases: logCases.map((test): Case => ({ probeMs: 5, ...test })) },
  {
    name: 'statistics',
    config: statConfig,
    cases: statCases.map((test): Case => ({ probeMs: 5, settleMs: 5, ...test })),
  },
];
