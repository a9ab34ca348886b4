// Differential cases: access log formats and operators, statistics, and the admin interface.
import type { Case, Group, Observation } from '../case.ts';
import type { Fields } from '../config.ts';
import { bootstrap, cluster, direct, fileLog, http, route, textLog } from '../config.ts';
import { get, post, request, response } from '../messages.ts';

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

// ── admin ──
function admin(
  name: string,
  requests: readonly string[],
  view?: (answers: NonNullable<Observation['admin']>) => unknown,
): Case {
  return {
    name: `admin ${name}`,
    admin: requests,
    view: (seen) => (view === undefined ? seen.admin : view(seen.admin!)),
    standardStats: false,
  };
}
type Answers = NonNullable<Observation['admin']>;
function only(answers: Answers): Answers[string] {
  return Object.values(answers)[0]!;
}
/** The names in a plain statistics dump that the listeners and clusters of the tables give rise to. */
function statNames(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .map((line) => line.slice(0, line.lastIndexOf(': ')))
    .filter((name) => /^(http\.main\.|cluster\.a\.|listener\.main\.|vhost\.|http1\.)/.test(name))
    .toSorted();
}
function keysOf(value: unknown, depth: number): unknown {
  if (depth === 0 || typeof value !== 'object' || value === null) return typeof value;
  if (Array.isArray(value)) return value.length === 0 ? [] : [keysOf(value[0], depth - 1)];
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, keysOf(child, depth - 1)]));
}
function jsonShape(depth: number): (answers: Answers) => unknown {
  return (answers) => {
    const { status, headers, body } = only(answers);
    return { status, type: headers['content-type'], shape: keysOf(JSON.parse(body) as unknown, depth) };
  };
}
function prometheusTypes(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .filter((line) => /^# TYPE envoy_(http|cluster|listener|vhost)_/.test(line))
    .toSorted();
}
function prometheusLines(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .filter(
      (line) =>
        /^envoy_(http_downstream_rq|cluster_upstream_rq)[a-z_]*\{.*(main|"a")/.test(line) &&
        !/_bucket|_sum|_count|time/.test(line),
    )
    .map((line) => line.replace(/ \d+$/, ''))
    .toSorted();
}
function clusterLines(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .filter((line) => line.startsWith('a::') || line.startsWith('empty::'))
    .toSorted();
}
const adminCases: readonly Case[] = [
  { name: 'traffic before the dumps', settleMs: 300, send: [get('/a'), { read: 1 }, get('/none'), { read: 2 }] },
  admin('ready', ['GET /ready']),
  admin('unknown path', ['GET /nothing-here'], (answers) => ({
    status: only(answers).status,
    first: only(answers).body.split('\n')[0],
  })),
  admin('home', ['GET /'], (answers) => [only(answers).status, only(answers).headers['content-type']]),
  admin('help', ['GET /help'], (answers) =>
    only(answers)
      .body.split('\n')
      .map((line) => line.match(/^ {2}(\/\S*)/)?.[1])
      .filter(Boolean),
  ),
  { name: 'admin head of ready', to: 'admin', send: [request('HEAD', '/ready'), { read: 1 }], standardStats: false },
  ...[
    '/quitquitquit',
    '/reset_counters',
    '/drain_listeners',
    '/healthcheck/fail',
    '/healthcheck/ok',
    '/logging',
    '/runtime_modify',
    '/cpuprofiler',
    '/heapprofiler',
    '/reopen_logs',
  ].map((path) =>
    admin(`GET of ${path}`, [`GET ${path}`], (answers) => ({
      status: only(answers).status,
      body: only(answers).body.split('\n')[0],
    })),
  ),
  admin('POST of ready', ['POST /ready']),
  admin('PUT of stats', ['PUT /stats'], (answers) => only(answers).status),
  admin('server_info', ['GET /server_info'], jsonShape(1)),
  admin(
    'server_info state',
    ['GET /server_info'],
    (answers) => (JSON.parse(only(answers).body) as { state: string }).state,
  ),
  admin('server_info options', ['GET /server_info'], (answers) =>
    Object.keys((JSON.parse(only(answers).body) as { command_line_options: object }).command_line_options).toSorted(),
  ),
  admin('stats names', ['GET /stats'], statNames),
  admin('stats usedonly names', ['GET /stats?usedonly'], statNames),
  admin('stats filter', ['GET /stats?filter=^http\\.main\\.downstream_rq_(total|2xx|4xx)$']),
  admin('stats filter invalid', ['GET /stats?filter=(']),
  admin('stats type counters', ['GET /stats?type=Counters&filter=^cluster\\.a\\.upstream_rq_(total|active)$']),
  admin('stats type gauges', ['GET /stats?type=Gauges&filter=^cluster\\.a\\.upstream_(rq_active|cx_active)$']),
  admin('stats type invalid', ['GET /stats?type=Nothing']),
  admin('stats json', ['GET /stats?format=json&filter=^http\\.main\\.downstream_rq_(total|2xx|4xx)$']),
  admin('stats json histogram shape', ['GET /stats?format=json&filter=^cluster\\.a\\.upstream_rq_time$'], jsonShape(7)),
  admin('stats text histogram shape', ['GET /stats?filter=^cluster\\.a\\.upstream_rq_time$'], (answers) =>
    only(answers)
      .body.replace(/[\d.]+(e[+-]\d+)?/g, 'n')
      .replaceAll('nan', 'n'),
  ),
  admin('stats format invalid', ['GET /stats?format=nonsense']),
  admin('prometheus types', ['GET /stats/prometheus'], prometheusTypes),
  admin('prometheus lines', ['GET /stats/prometheus'], prometheusLines),
  admin('prometheus by format', ['GET /stats?format=prometheus&usedonly&filter=^cluster\\.a\\.upstream_rq_total$']),
  admin('prometheus content type', ['GET /stats/prometheus'], (answers) => [
    only(answers).status,
    only(answers).headers['content-type'],
  ]),
  admin('clusters', ['GET /clusters'], clusterLines),
  admin('clusters json', ['GET /clusters?format=json'], (answers) => {
    const statuses = (JSON.parse(only(answers).body) as { cluster_statuses: { name: string }[] }).cluster_statuses;
    return statuses.toSorted((one, two) => one.name.localeCompare(two.name)).map((status) => keysOf(status, 5));
  }),
  admin('listeners', ['GET /listeners'], (answers) => only(answers).body.split('\n').toSorted()),
  admin('listeners json', ['GET /listeners?format=json'], jsonShape(6)),
  admin('config_dump shape', ['GET /config_dump'], (answers) => {
    const { configs } = JSON.parse(only(answers).body) as { configs: Record<string, unknown>[] };
    return configs.map((config) => [
      config['@type'],
      Object.keys(config)
        .filter((key) => key !== '@type')
        .toSorted(),
    ]);
  }),
  admin('config_dump by resource', ['GET /config_dump?resource=static_clusters'], jsonShape(4)),
  admin(
    'config_dump by name',
    ['GET /config_dump?resource=static_clusters&name_regex=^empty$'],
    (answers) => (JSON.parse(only(answers).body) as { configs: unknown[] }).configs.length,
  ),
  admin('config_dump by mask', ['GET /config_dump?resource=static_clusters&mask=cluster.name'], (answers) =>
    keysOf(JSON.parse(only(answers).body), 5),
  ),
  admin('config_dump unknown resource', ['GET /config_dump?resource=nothing']),
  admin('config_dump routes', ['GET /config_dump?resource=static_route_configs'], jsonShape(4)),
  admin('certs', ['GET /certs']),
  admin('runtime', ['GET /runtime'], (answers) => keysOf(JSON.parse(only(answers).body), 2)),
  admin('memory', ['GET /memory'], jsonShape(1)),
  admin('hot_restart_version', ['GET /hot_restart_version'], (answers) => only(answers).status),
  admin('contention', ['GET /contention'], (answers) => only(answers).status),
  admin('init_dump', ['GET /init_dump'], (answers) => [only(answers).status, only(answers).body]),
  admin('logging levels', ['POST /logging'], (answers) => [only(answers).status, only(answers).body.split('\n')[0]]),
  admin('logging level of all', ['POST /logging?level=error'], (answers) => [
    only(answers).status,
    only(answers).body.split('\n')[0],
  ]),
  admin('logging unknown level', ['POST /logging?level=loud'], (answers) => only(answers).status),
  admin('logging unknown component', ['POST /logging?nothing=debug'], (answers) => only(answers).status),
  admin('reset_counters', ['POST /reset_counters']),
  { ...admin('counters after the reset', ['GET /stats?filter=^cluster\\.a\\.upstream_rq_total$']) },
  admin('reopen_logs', ['POST /reopen_logs']),
  admin('healthcheck fail', ['POST /healthcheck/fail', 'GET /ready', 'POST /healthcheck/ok']),
  { name: 'admin answer to a raw request', to: 'admin', send: [get('/ready'), { read: 1 }], standardStats: false },
  {
    name: 'admin raw with a body',
    to: 'admin',
    send: [request('POST', '/healthcheck/ok', ['content-length: 3'], 'abc'), { read: 1 }],
    standardStats: false,
  },
  { name: 'healthcheck fail changes answers', admin: ['POST /healthcheck/fail'] },
  { name: 'answer while failed', timeoutMs: 500, send: [get('/a'), { read: 1 }] },
  { name: 'healthcheck ok again', admin: ['POST /healthcheck/ok', 'GET /ready'] },
  { name: 'answer while ok again', send: [get('/a'), { read: 1 }] },
  admin('drain_listeners graceful', ['POST /drain_listeners?graceful&skip_exit'], (answers) => only(answers)),
  {
    name: 'answer while draining',
    timeoutMs: 500,
    send: [get('/a'), { read: 1 }],
    view: (seen) => seen.clients[0]!.responses.map(({ line }) => line),
  },
];
const adminConfig = bootstrap({
  listeners: [http({ name: 'main', routes: [route('/a', 'a')] })],
  clusters: [cluster('a'), cluster('empty', [])],
  around: {
    node: { id: 'node-id', cluster: 'node-cluster', locality: { region: 'r', zone: 'z' } },
    // Histograms show what was flushed.
    stats_flush_interval: '0.1s',
  },
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
  { name: 'admin', config: adminConfig, cases: adminCases },
];
