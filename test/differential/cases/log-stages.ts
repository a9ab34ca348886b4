// Differential cases: when access logs are written (stages of exchanges and their attempts), and for which exchanges.
import type { Case, Group } from '../case.ts';
import { bootstrap, cluster, direct, type Fields, filter, http, route, textLog } from '../config.ts';
import { chunk, get, head, post, request, response } from '../messages.ts';

const OPERATORS =
  '%ACCESS_LOG_TYPE% code=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% flags=%RESPONSE_FLAGS% ' +
  'rx=%BYTES_RECEIVED% tx=%BYTES_SENT% host=%UPSTREAM_HOST% cluster=%UPSTREAM_CLUSTER% route=%ROUTE_NAME% ' +
  'attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% %PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% %REQ(X-ADDED)% %RESP(:STATUS)% ' +
  '%RESP(X-ANSWER)% fail=%UPSTREAM_TRANSPORT_FAILURE_REASON%\n';
const UPSTREAM_OPERATORS =
  'up %ACCESS_LOG_TYPE% code=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% flags=%RESPONSE_FLAGS% ' +
  'rx=%BYTES_RECEIVED% tx=%BYTES_SENT% host=%UPSTREAM_HOST% cluster=%UPSTREAM_CLUSTER% route=%ROUTE_NAME% ' +
  'attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% %PROTOCOL%/%UPSTREAM_PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% ' +
  '%REQ(X-ADDED)% %REQ(X-ENVOY-ATTEMPT-COUNT)% %RESP(:STATUS)% %RESP(X-ANSWER)% %TRAILER(X-T)% ' +
  'remote=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% local=%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% ' +
  'cx=%UPSTREAM_REMOTE_ADDRESS% vh=%VIRTUAL_CLUSTER_NAME% sni=%REQUESTED_SERVER_NAME% ' +
  'fail=%UPSTREAM_TRANSPORT_FAILURE_REASON%\n';

const log = [textLog(OPERATORS)];
const upstreamLog = [textLog(UPSTREAM_OPERATORS)];
const ROUTES: readonly Fields[] = [
  route('/refused', 'refused', {}, { name: 'refused' }),
  route('/empty', 'empty', {}, { name: 'empty' }),
  route('/retry', 'a', { retry_policy: { retry_on: '5xx,reset,connect-failure', num_retries: 2 } }, { name: 'retry' }),
  route('/timeout', 'a', { timeout: '0.1s' }, { name: 'timeout' }),
  route('/per-try', 'a', { retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.08s' } }),
  direct({ prefix: '/direct' }, 200, 'd', { name: 'direct' }),
  {
    match: { connect_matcher: {} },
    route: { cluster: 'a', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
  },
  route(
    '/a',
    'a',
    {},
    {
      name: 'a',
      request_headers_to_add: [{ header: { key: 'x-added', value: 'yes' } }],
      response_headers_to_add: [{ header: { key: 'x-answer', value: 'down' } }],
    },
  ),
];

type Parts = { readonly hcm?: Fields; readonly router?: Fields; readonly log?: readonly Fields[] };
function listener(name: string, parts: Parts): Fields {
  return http({
    name,
    routes: ROUTES,
    virtualHosts: [{ name: 'all', domains: ['*'], include_request_attempt_count: true, routes: ROUTES }],
    log: parts.log ?? log,
    ...(parts.router === undefined ? {} : { router: parts.router }),
    hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'CONNECT' }], ...parts.hcm },
  });
}
const options = (fields: Fields): Fields => ({ access_log_options: fields });

const filtered = (which: Fields): Fields => ({ ...textLog(OPERATORS), filter: which });
const TYPES = [
  'DownstreamStart',
  'DownstreamPeriodic',
  'DownstreamEnd',
  'DownstreamTunnelSuccessfullyEstablished',
  'UpstreamPoolReady',
  'UpstreamEnd',
];
const typed = (types: readonly string[], exclude = false): Fields => filtered({ log_type_filter: { types, exclude } });

const listeners: readonly Fields[] = [
  listener('main', {}),
  listener('start', { hcm: options({ flush_access_log_on_new_request: true }) }),
  listener('start-old', { hcm: { flush_access_log_on_new_request: true } }),
  listener('periodic', { hcm: options({ access_log_flush_interval: '0.3s' }) }),
  listener('periodic-old', { hcm: { access_log_flush_interval: '0.3s' } }),
  listener('tunnel', { hcm: options({ flush_log_on_tunnel_successfully_established: true }) }),
  listener('all', {
    hcm: options({
      flush_access_log_on_new_request: true,
      access_log_flush_interval: '0.3s',
      flush_log_on_tunnel_successfully_established: true,
    }),
  }),
  listener('two', {
    hcm: options({ flush_access_log_on_new_request: true, flush_log_on_tunnel_successfully_established: true }),
    log: [typed(['DownstreamStart']), typed(['DownstreamStart'], true), typed(TYPES)],
  }),
  listener('up', { router: { upstream_log: upstreamLog } }),
  listener('up-ready', {
    router: { upstream_log: upstreamLog, upstream_log_options: { flush_upstream_log_on_upstream_stream: true } },
  }),
  listener('up-periodic', {
    router: { upstream_log: upstreamLog, upstream_log_options: { upstream_log_flush_interval: '0.3s' } },
  }),
  listener('up-filtered', {
    log: null as never,
    router: {
      upstream_log_options: { flush_upstream_log_on_upstream_stream: true },
      upstream_log: [
        { ...textLog(`ready ${UPSTREAM_OPERATORS}`), filter: { log_type_filter: { types: ['UpstreamPoolReady'] } } },
        {
          ...textLog(`failed ${UPSTREAM_OPERATORS}`),
          filter: {
            and_filter: {
              filters: [
                { status_code_filter: { comparison: { op: 'GE', value: { default_value: 500, runtime_key: 'x' } } } },
                { log_type_filter: { types: ['UpstreamEnd'] } },
              ],
            },
          },
        },
      ],
    },
  }),
];

/** Between two intervals. */
const SLOW = [[{ wait: 750 }, response(200, 'late')]] as const;
const answer = response(200, 'ok', 'x-answer: up');
const exchanges: readonly Omit<Case, 'to'>[] = [
  { name: 'a request', send: get('/a'), upstream: [answer] },
  { name: 'a post', send: post('/a', 'body'), upstream: [answer] },
  { name: 'a direct answer', send: get('/direct') },
  { name: 'refused', send: get('/refused') },
  { name: 'no route', send: get('/nothing') },
  { name: 'no host', send: get('/empty') },
  { name: 'a broken request', send: 'GET /a HTTP/1.1\r\nbad header: x\r\n\r\n' },
  { name: 'no authority', send: 'GET /a HTTP/1.1\r\n\r\n' },
  { name: 'upgrade refused', send: get('/a', 'connection: upgrade', 'upgrade: x') },
  { name: 'retried', send: get('/retry'), upstream: [response(503, 'x'), ['fin'], answer] },
  { name: 'timeout', send: get('/timeout'), upstream: SLOW },
  { name: 'upstream closes', send: get('/a'), upstream: [['fin']] },
  { name: 'upstream closes in the body', send: get('/a'), upstream: [[head(200, 'content-length: 9'), 'ab', 'fin']] },
  { name: 'two', send: [get('/a'), { read: 1 }, get('/direct'), { read: 2 }], upstream: [answer] },
  {
    name: 'with trailers',
    send: get('/a'),
    upstream: [`${head(200, 'transfer-encoding: chunked')}${chunk('x')}0\r\nx-t: 1\r\n\r\n`],
  },
];
const tunnels: readonly Omit<Case, 'to'>[] = [
  {
    name: 'websocket',
    send: [get('/a', 'connection: upgrade', 'upgrade: websocket'), { readHead: 1 }, 'ping', { readBytes: 4 }],
    upstream: [
      [head('101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket'), 'pong', { wait: 30 }, 'fin'],
    ],
  },
  {
    name: 'websocket, declined',
    send: get('/a', 'connection: upgrade', 'upgrade: websocket'),
    upstream: [response(403, 'no')],
  },
];
const slow: readonly Omit<Case, 'to'>[] = [
  { name: 'a slow answer', send: get('/a'), upstream: SLOW },
  {
    name: 'a slow request',
    send: [request('POST', '/a', ['content-length: 4'], 'ab'), { wait: 750 }, 'cd', { read: 1 }],
  },
  { name: 'a quick one', send: get('/a') },
];

function at(to: string, cases: readonly Omit<Case, 'to'>[]): Case[] {
  return cases.map((test) => ({
    ...test,
    name: `${to}: ${test.name}`,
    to,
    probeMs: 5,
    view: ({ clients, log: lines }) => ({
      answers: clients.map(({ responses }) => responses.map(({ line, body }) => [line, body])),
      lines,
    }),
  }));
}

// ── which exchanges ──
const percent = (numerator: number, denominator = 'HUNDRED'): Fields => ({ numerator, denominator });
const comparison = (op: string, value: number, key = 'none'): Fields => ({
  comparison: { op, value: { default_value: value, runtime_key: key } },
});
const ID = '00000032-2222-4333-8444-555555555555';
const FILTERS: readonly [string, Fields][] = [
  ...['EQ', 'GE', 'LE', 'NE'].map((op): [string, Fields] => [
    `status ${op} 404`,
    { status_code_filter: comparison(op, 404) },
  ]),
  ['status by runtime', { status_code_filter: comparison('EQ', 404, 'log.status') }],
  ['duration GE 0', { duration_filter: comparison('GE', 0) }],
  ['duration GE 60000', { duration_filter: comparison('GE', 60_000) }],
  ['duration by runtime', { duration_filter: comparison('GE', 0, 'log.long') }],
  ['not health check', { not_health_check_filter: {} }],
  ['traceable', { traceable_filter: {} }],
  ['runtime none', { runtime_filter: { runtime_key: 'log.none' } }],
  ['runtime all', { runtime_filter: { runtime_key: 'log.all', percent_sampled: percent(0) } }],
  ['runtime no key, 100', { runtime_filter: { runtime_key: 'log.missing', percent_sampled: percent(100) } }],
  ['runtime no key, 49', { runtime_filter: { runtime_key: 'log.missing', percent_sampled: percent(49) } }],
  ['runtime no key, 51', { runtime_filter: { runtime_key: 'log.missing', percent_sampled: percent(51) } }],
  ['runtime 5000 of 10000', { runtime_filter: { runtime_key: 'x', percent_sampled: percent(51, 'TEN_THOUSAND') } }],
  ['runtime 50 of a million', { runtime_filter: { runtime_key: 'x', percent_sampled: percent(50, 'MILLION') } }],
  [
    'runtime all, independent',
    { runtime_filter: { runtime_key: 'x', percent_sampled: percent(100), use_independent_randomness: true } },
  ],
  [
    'runtime none, independent',
    { runtime_filter: { runtime_key: 'x', percent_sampled: percent(0), use_independent_randomness: true } },
  ],
  ['flags any', { response_flag_filter: {} }],
  ['flags NR', { response_flag_filter: { flags: ['NR'] } }],
  ['flags UF or UH', { response_flag_filter: { flags: ['UF', 'UH'] } }],
  ['header present', { header_filter: { header: { name: 'x-log', present_match: true } } }],
  ['header exact', { header_filter: { header: { name: 'x-log', string_match: { exact: 'yes' } } } }],
  ['header missing', { header_filter: { header: { name: 'x-log', present_match: true, invert_match: true } } }],
  ['grpc OK', { grpc_status_filter: { statuses: ['OK'] } }],
  ['grpc not OK', { grpc_status_filter: { statuses: ['OK'], exclude: true } }],
  ['grpc UNIMPLEMENTED', { grpc_status_filter: { statuses: ['UNIMPLEMENTED'] } }],
  ['grpc none', { grpc_status_filter: {} }],
  ['metadata', { metadata_filter: metadata('shadow_engine_result', 'denied') }],
  ['metadata, missing counts', { metadata_filter: { ...metadata('unseen', 'yes'), match_if_key_not_found: true } }],
  ['metadata, missing does not', { metadata_filter: { ...metadata('unseen', 'yes'), match_if_key_not_found: false } }],
  [
    'metadata inverted',
    { metadata_filter: { matcher: { ...metadata('shadow_engine_result', 'denied')['matcher'], invert: true } } },
  ],
  ['metadata without matcher', { metadata_filter: {} }],
  ['type end', { log_type_filter: { types: ['DownstreamEnd'] } }],
  ['type others', { log_type_filter: { types: ['DownstreamEnd'], exclude: true } }],
  ['type none', { log_type_filter: {} }],
  [
    'and',
    {
      and_filter: {
        filters: [
          { status_code_filter: comparison('EQ', 404) },
          { header_filter: { header: { name: 'x-log', present_match: true } } },
        ],
      },
    },
  ],
  [
    'or',
    {
      or_filter: {
        filters: [
          { status_code_filter: comparison('EQ', 404) },
          { header_filter: { header: { name: 'x-log', present_match: true } } },
        ],
      },
    },
  ],
];
function metadata(key: string, exact: string): Record<string, Fields> {
  return { matcher: { filter: 'envoy.filters.http.rbac', path: [{ key }], value: { string_match: { exact } } } };
}
/** Leaves `denied` for requests with x-seen: yes, else `allowed`. */
const seen = filter('rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC', {
  shadow_rules: {
    action: 'DENY',
    policies: {
      seen: {
        permissions: [{ header: { name: 'x-seen', string_match: { exact: 'yes' } } }],
        principals: [{ any: true }],
      },
    },
  },
});
const filterLog = FILTERS.map(([name, which]) => ({ ...textLog(`${name}\n`), filter: which }));
const asked: readonly Omit<Case, 'to'>[] = [
  ['a success', get('/a', `x-request-id: ${ID}`)],
  ['another id', get('/a', 'x-request-id: 00000031-2222-4333-8444-555555555555')],
  ['an id of letters', get('/a', 'x-request-id: ffffffff-2222-4333-8444-555555555555')],
  ['not found', get('/nothing', `x-request-id: ${ID}`)],
  ['refused', get('/refused', `x-request-id: ${ID}`)],
  ['a header', get('/a', 'x-log: yes', `x-request-id: ${ID}`)],
  ['another header', get('/nothing', 'x-log: no', `x-request-id: ${ID}`)],
  ['metadata', get('/a', 'x-seen: yes', `x-request-id: ${ID}`)],
  ['other metadata', get('/a', 'x-seen: no', `x-request-id: ${ID}`)],
  ['gRPC', post('/a', '', 'content-type: application/grpc', `x-request-id: ${ID}`)],
  ['gRPC not found', post('/nothing', '', 'content-type: application/grpc', `x-request-id: ${ID}`)],
  ['forced trace', get('/a', 'x-envoy-force-trace: 1', `x-request-id: ${ID}`)],
].map(([name = '', send = '']) => ({
  name,
  send,
  ...(name === 'gRPC' ? { upstream: [response(200, '', 'content-type: application/grpc', 'grpc-status: 12')] } : {}),
}));

const clusters = [cluster('a'), cluster('refused', ['free.refused']), cluster('empty', [])];
const config = bootstrap({ listeners, clusters });

export const logStageGroups: readonly Group[] = [
  {
    name: 'log stages',
    config,
    cases: [
      ...['start', 'up', 'up-ready'].flatMap((to) => at(to, exchanges)),
      ...['start-old', 'two', 'tunnel', 'up-filtered'].flatMap((to) => at(to, exchanges.slice(0, 4))),
      ...['start', 'tunnel', 'two', 'up', 'up-ready', 'main'].flatMap((to) => at(to, tunnels)),
      ...['periodic', 'periodic-old', 'all', 'up-periodic'].flatMap((to) => at(to, slow)),
    ],
  },
  {
    name: 'log filters',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          routes: ROUTES,
          filters: [seen],
          log: filterLog,
          hcm: { internal_address_config: {}, tracing: {} },
        }),
      ],
      clusters,
      around: {
        layered_runtime: {
          layers: [{ name: 'static', static_layer: { log: { status: 503, long: 60_000, none: 0, all: 100 } } }],
        },
      },
    }),
    cases: at('main', asked),
  },
];
