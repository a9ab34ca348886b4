// Differential cases: retries, timeouts, pools, circuit breakers and load balancing.
import type { Case, Group, Observation, Reply } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, http, route } from '../config.ts';
import { chunked, get, head, post, request, response } from '../messages.ts';

const FAIL = response(503, 'fail');
const OK = response(200, 'ok');
const RETRY_STATS = [
  '^cluster\\.[^.]+\\.(circuit_breakers\\.default\\.(rq_retry_open|remaining_retries)|retry|upstream_rq_retry).*$',
];

function retryRoute(name: string, policy: Fields, action: Fields = {}): Fields {
  return route(`/${name}`, 'a', {
    ...action,
    retry_policy: { retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' }, ...policy },
  });
}

const retryRoutes = (
  [
    retryRoute('5xx', { retry_on: '5xx' }),
    retryRoute('twice', { retry_on: '5xx', num_retries: 2 }),
    retryRoute('zero', { retry_on: '5xx', num_retries: 0 }),
    retryRoute('gateway', { retry_on: 'gateway-error', num_retries: 1 }),
    retryRoute('connect', { retry_on: 'connect-failure', num_retries: 1 }),
    retryRoute('reset-before', { retry_on: 'reset-before-request', num_retries: 1 }),
    retryRoute('reset', { retry_on: 'reset', num_retries: 1 }),
    retryRoute('4xx', { retry_on: 'retriable-4xx', num_retries: 1 }),
    retryRoute('codes', { retry_on: 'retriable-status-codes', retriable_status_codes: [418, 200], num_retries: 1 }),
    retryRoute('headers', {
      retry_on: 'retriable-headers',
      retriable_headers: [{ name: 'x-again', present_match: true }],
      num_retries: 1,
    }),
    retryRoute('request-headers', {
      retry_on: '5xx',
      retriable_request_headers: [{ name: ':method', string_match: { exact: 'GET' } }],
      num_retries: 1,
    }),
    retryRoute('refused', { retry_on: 'refused-stream', num_retries: 1 }),
    retryRoute('envoy-ratelimited', { retry_on: 'envoy-ratelimited', num_retries: 1 }),
    retryRoute('mixed', {
      retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
      retriable_status_codes: [503],
      num_retries: 2,
    }),
    retryRoute('per-try', { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.12s' }),
    retryRoute('per-try-idle', { retry_on: '5xx', num_retries: 1, per_try_idle_timeout: '0.12s' }),
    retryRoute('global', { retry_on: '5xx', num_retries: 3, per_try_timeout: '0.15s' }, { timeout: '0.4s' }),
    retryRoute('no-policy-match', { retry_on: 'connect-failure', num_retries: 3 }),
    route('/none', 'a'),
    {
      ...route('/refused-cluster', 'refused'),
      route: {
        cluster: 'refused',
        retry_policy: { retry_on: 'connect-failure', num_retries: 2, retry_back_off: { base_interval: '0.001s' } },
      },
    },
    {
      ...route('/two-hosts', 'two'),
      route: {
        cluster: 'two',
        retry_policy: { retry_on: 'connect-failure', num_retries: 3, retry_back_off: { base_interval: '0.001s' } },
      },
    },
  ] as { match: { prefix: string } }[]
).toSorted((a, b) => b.match.prefix.length - a.match.prefix.length) as unknown as readonly Fields[];

function retryCase(
  name: string,
  path: string,
  replies: readonly Reply[],
  headers: string[] = [],
  around: Partial<Case> = {},
): Case {
  return {
    name: `retry ${name}`,
    to: 'retries',
    send: [get(path, ...headers), { read: 1 }],
    upstream: replies,
    stats: RETRY_STATS,
    ...around,
  };
}

const retryCases: readonly Case[] = [
  retryCase('5xx then ok', '/5xx', [FAIL, OK]),
  retryCase('5xx twice with one retry', '/5xx', [FAIL, FAIL]),
  retryCase('5xx twice with two retries', '/twice', [FAIL, FAIL, OK]),
  retryCase('5xx exhausted with two retries', '/twice', [FAIL, FAIL, FAIL, OK]),
  retryCase('num_retries 0', '/zero', [FAIL, OK]),
  retryCase('500 is not a gateway error', '/gateway', [response(500, 'x'), OK]),
  retryCase('502 is a gateway error', '/gateway', [response(502, 'x'), OK]),
  retryCase('504 is a gateway error', '/gateway', [response(504, 'x'), OK]),
  retryCase('409 is retriable-4xx', '/4xx', [response(409, 'x'), OK]),
  retryCase('404 is not retriable-4xx', '/4xx', [response(404, 'x'), OK]),
  retryCase('status codes 418', '/codes', [response(418, 'x'), OK]),
  retryCase('status codes 200', '/codes', [OK, OK]),
  retryCase(
    'status codes from a header',
    '/codes',
    [response(444, 'x'), response(201, 'ok')],
    ['x-envoy-retriable-status-codes: 444,445'],
  ),
  retryCase('retriable response header', '/headers', [response(200, 'x', 'x-again: 1'), OK]),
  retryCase('retriable request header matches', '/request-headers', [FAIL, OK]),
  {
    ...retryCase('retriable request header does not match', '/request-headers', [FAIL, OK]),
    send: [post('/request-headers', 'b'), { read: 1 }],
  },
  retryCase('reset, upstream closes', '/reset', [['fin'], OK]),
  retryCase('reset, upstream resets', '/reset', [['rst'], OK]),
  retryCase('5xx covers a close', '/5xx', [['fin'], OK]),
  retryCase('5xx covers garbage', '/5xx', ['garbage\r\n\r\n', OK]),
  retryCase('gateway-error covers a close', '/gateway', [['fin'], OK]),
  retryCase('reset-before-request after the request', '/reset-before', [['fin'], OK]),
  retryCase('connect-failure does not cover a close', '/connect', [['fin'], OK]),
  retryCase('close twice', '/reset', [['fin'], ['fin'], OK]),
  retryCase('body failure is not retried', '/5xx', [[head(200, 'content-length: 5'), 'ab', { wait: 5 }, 'fin'], OK]),
  retryCase('connection refused', '/refused-cluster', []),
  retryCase('a policy that does not match', '/no-policy-match', [FAIL, OK]),
  retryCase('no policy', '/none', [FAIL, OK]),
  retryCase('policy from headers', '/none', [FAIL, FAIL, OK], ['x-envoy-retry-on: 5xx', 'x-envoy-max-retries: 2']),
  retryCase(
    'policy from headers, internal',
    '/none',
    [FAIL, FAIL, OK],
    ['x-envoy-retry-on: 5xx', 'x-envoy-max-retries: 2'],
    { to: 'retries-internal' },
  ),
  retryCase('max-retries header lowers', '/twice', [FAIL, FAIL, OK], ['x-envoy-max-retries: 1'], {
    to: 'retries-internal',
  }),
  retryCase('max-retries header 0', '/twice', [FAIL, FAIL, OK], ['x-envoy-max-retries: 0'], { to: 'retries-internal' }),
  retryCase('retry-on header joins the policy', '/gateway', [response(500, 'x'), OK], ['x-envoy-retry-on: 5xx'], {
    to: 'retries-internal',
  }),
  retryCase('x-envoy-ratelimited stops', '/5xx', [response(503, 'x', 'x-envoy-ratelimited: true'), OK]),
  retryCase('envoy-ratelimited policy', '/envoy-ratelimited', [response(429, 'x', 'x-envoy-ratelimited: true'), OK]),
  retryCase('mixed list, 503', '/mixed', [FAIL, FAIL, OK]),
  retryCase('post with body', '/5xx', [FAIL, OK], [], { send: [post('/5xx', 'the body'), { read: 1 }] }),
  retryCase('chunked post', '/5xx', [FAIL, OK], [], { send: [chunked('/5xx', ['the', ' body']), { read: 1 }] }),
  retryCase('response while the body is arriving', '/5xx', [{ on: 'head', actions: [FAIL] }, OK], [], {
    send: [request('POST', '/5xx', ['content-length: 6'], 'abc'), { wait: 30 }, 'def', { read: 1 }],
  }),
  retryCase('per_try_timeout', '/per-try', [[{ wait: 400 }, OK], OK]),
  retryCase('per_try_timeout twice', '/per-try', [
    [{ wait: 600 }, OK],
    [{ wait: 600 }, OK],
  ]),
  retryCase('per_try_idle_timeout', '/per-try-idle', [[{ wait: 400 }, OK], OK]),
  retryCase(
    'global timeout cuts retries',
    '/global',
    [
      [{ wait: 900 }, OK],
      [{ wait: 900 }, OK],
      [{ wait: 900 }, OK],
      [{ wait: 900 }, OK],
    ],
    [],
    { view: withoutExpectedTimeouts },
  ),
  retryCase('one of two hosts is refused', '/two-hosts', [OK], [], {
    to: 'retries-hosts',
    stats: [],
    standardStats: false,
    view: (seen) => seen.clients[0]!.responses.map(({ line, body }) => [line, body]),
  }),
];

function withoutExpectedTimeouts(observation: Observation): unknown {
  for (const requests of Object.values(observation.upstream)) {
    for (const seen of requests) delete seen.headers['x-envoy-expected-rq-timeout-ms'];
  }
  return observation;
}

// ── timeouts ──
const timeoutRoutes = [
  route('/short', 'a', { timeout: '0.15s' }),
  route('/zero', 'a', { timeout: '0s' }),
  route('/idle', 'a', { idle_timeout: '0.15s' }),
  route('/stream', 'a', { max_stream_duration: { max_stream_duration: '0.2s' } }),
  route('/grpc', 'a', { max_stream_duration: { grpc_timeout_header_max: '0.2s' } }),
  route('/', 'a'),
];
const slow: Reply = [{ wait: 700 }, OK];
const dripping: Reply = [head(200, 'content-length: 30'), 'abc', { wait: 600 }, 'def', 'fin'];
const timeoutCases: readonly Case[] = [
  { name: 'route timeout', to: 'timeouts', send: get('/short'), upstream: [slow] },
  { name: 'route timeout after the head', to: 'timeouts', send: get('/short'), upstream: [dripping] },
  {
    name: 'route timeout is not running while the request arrives',
    to: 'timeouts',
    send: [request('POST', '/short', ['content-length: 6'], 'abc'), { wait: 250 }, 'def', { read: 1 }],
  },
  { name: 'route timeout 0', to: 'timeouts', send: get('/zero'), upstream: [[{ wait: 200 }, OK]] },
  {
    name: 'timeout header from outside is dropped',
    to: 'timeouts',
    send: get('/', 'x-envoy-upstream-rq-timeout-ms: 100'),
    upstream: [[{ wait: 250 }, OK]],
  },
  {
    name: 'timeout header from inside',
    to: 'timeouts-internal',
    send: get('/', 'x-envoy-upstream-rq-timeout-ms: 100'),
    upstream: [slow],
  },
  {
    name: 'per-try timeout header from inside',
    to: 'timeouts-internal',
    send: get('/', 'x-envoy-upstream-rq-per-try-timeout-ms: 100'),
    upstream: [slow],
  },
  {
    name: 'timeout alternative response header',
    to: 'timeouts-internal',
    send: get('/short', 'x-envoy-upstream-rq-timeout-alt-response: 1'),
    upstream: [slow],
  },
  {
    name: 'expected timeout header from inside',
    to: 'timeouts-internal',
    send: get('/', 'x-envoy-expected-rq-timeout-ms: 100'),
  },
  { name: 'route idle timeout before the head', to: 'timeouts', send: get('/idle'), upstream: [slow] },
  { name: 'route idle timeout after the head', to: 'timeouts', send: get('/idle'), upstream: [dripping] },
  {
    name: 'route idle timeout while the request arrives',
    to: 'timeouts',
    send: [request('POST', '/idle', ['content-length: 6'], 'abc'), { read: 1 }],
  },
  { name: 'max_stream_duration of the route', to: 'timeouts', send: get('/stream'), upstream: [slow] },
  { name: 'max_stream_duration after the head', to: 'timeouts', send: get('/stream'), upstream: [dripping] },
  {
    name: 'grpc-timeout header',
    to: 'timeouts',
    send: [
      request('POST', '/grpc', ['content-type: application/grpc', 'grpc-timeout: 100m', 'content-length: 0']),
      { read: 1 },
    ],
    upstream: [slow],
  },
  { name: 'connect timeout', to: 'timeouts-full', send: get('/'), timeoutMs: 3000 },
];

// ── pools and circuit breakers ──
const hold: Reply = [{ wait: 150 }, OK];
const breakerCases: readonly Case[] = [
  { name: 'max_pending_requests 0 refuses even the first request', to: 'breakers', send: get('/cx-0') },
  {
    name: 'max_connections queues',
    to: 'breakers',
    clients: [{ steps: [get('/cx-1'), { read: 1 }] }, { steps: [{ awaitUpstream: 1 }, get('/cx-1'), { read: 1 }] }],
    upstream: [hold, OK],
  },
  {
    name: 'max_pending_requests',
    to: 'breakers',
    clients: [
      { steps: [get('/pending'), { read: 1 }] },
      { steps: [{ awaitUpstream: 1 }, get('/pending', 'x-n: 2'), { read: 1 }] },
      { steps: [{ awaitUpstream: 1 }, { wait: 40 }, get('/pending', 'x-n: 3'), { read: 1 }] },
    ],
    upstream: [hold, OK],
    stats: ['^cluster\\.pending\\.circuit_breakers\\.default\\.(rq|remaining_(rq|pending))'],
  },
  {
    name: 'max_requests',
    to: 'breakers',
    clients: [
      { steps: [get('/requests'), { read: 1 }] },
      { steps: [{ awaitUpstream: 1 }, get('/requests', 'x-n: 2'), { read: 1 }] },
    ],
    upstream: [hold],
    stats: ['^cluster\\.requests\\.circuit_breakers\\.default\\.(rq|remaining_(rq|pending))'],
  },
  { name: 'max_retries 0', to: 'breakers', send: get('/retries'), upstream: [FAIL, OK], stats: RETRY_STATS },
  { name: 'retry budget', to: 'breakers', send: get('/budget'), upstream: [FAIL, OK], stats: RETRY_STATS },
  { name: 'no endpoints', to: 'breakers', send: get('/empty') },
  { name: 'no endpoints, post', to: 'breakers', send: post('/empty', 'x') },
  { name: 'connection refused', to: 'breakers', send: get('/refused') },
  { name: 'connection refused, grpc', to: 'breakers', send: post('/refused', '', 'content-type: application/grpc') },
  {
    name: 'max_requests_per_connection',
    to: 'breakers',
    send: [get('/one/1'), { read: 1 }, get('/one/2'), { read: 2 }, get('/one/3'), { read: 3 }],
    upstreamFate: true,
  },
  {
    name: 'two requests at once need two connections',
    to: 'breakers',
    clients: [
      { steps: [get('/a', 'x-n: 1'), { read: 1 }] },
      { steps: [{ awaitUpstream: 1 }, get('/a', 'x-n: 2'), { read: 1 }] },
    ],
    upstream: [hold, OK],
  },
  {
    name: 'connection is reused',
    to: 'breakers',
    send: [get('/a/1'), { read: 1 }, { wait: 10 }, get('/a/2'), { read: 2 }],
    upstreamFate: true,
  },
  {
    name: 'upstream idle timeout',
    to: 'breakers',
    send: [get('/idle/1'), { read: 1 }, { wait: 250 }, get('/idle/2'), { read: 2 }],
    upstreamFate: true,
  },
  {
    name: 'upstream closes an idle connection',
    to: 'breakers',
    send: [get('/a/1'), { read: 1 }, { wait: 40 }, get('/a/2'), { read: 2 }],
    upstream: [[OK, { wait: 10 }, 'fin']],
  },
  {
    name: 'upstream max_connection_duration',
    to: 'breakers',
    send: [get('/duration/1'), { read: 1 }, { wait: 250 }, get('/duration/2'), { read: 2 }],
    upstreamFate: true,
  },
];

function thresholds(fields: Fields): Fields {
  return { circuit_breakers: { thresholds: [{ track_remaining: true, ...fields }] } };
}

function commonOptions(fields: Fields): Fields {
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        {
          common_http_protocol_options: fields,
          explicit_http_config: { http_protocol_options: {} },
        },
      ),
    },
  };
}

/** Round robin starts anywhere: what is compared is the order relative to the first host. */
function relativeOrder(observation: Observation): unknown {
  const bodies = observation.clients[0]!.responses.map(({ headers }) => headers['x-backend']?.[0] ?? '?');
  const names = ['a', 'b', 'c'];
  const first = names.indexOf(bodies[0]!);
  return bodies.map((name) => (names.indexOf(name) - first + names.length) % names.length);
}

function countPerHost(observation: Observation): unknown {
  const counts: Record<string, number> = {};
  for (const { headers } of observation.clients[0]!.responses) {
    const name = headers['x-backend']?.[0] ?? '?';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const balance = (path: string, count: number): string => Array.from({ length: count }, () => get(path)).join('');
const balanceCases: readonly Case[] = [
  { name: 'round robin over three hosts', to: 'balance', send: [balance('/rr', 9), { read: 9 }], view: relativeOrder },
  { name: 'weighted round robin', to: 'balance', send: [balance('/weighted', 12), { read: 12 }], view: countPerHost },
  {
    name: 'least request over idle hosts',
    to: 'balance',
    send: [balance('/least', 4), { read: 4 }],
    view: (seen) => seen.clients[0]!.responses.length,
  },
  {
    name: 'least request avoids the busy host',
    to: 'balance',
    clients: [
      { steps: [get('/least-two', 'x-n: 1'), { read: 1 }] },
      { steps: [{ awaitUpstream: 1 }, balance('/least-two', 3), { read: 3 }] },
    ],
    upstream: { a: [hold, hold, hold], b: [hold, hold, hold] },
    view: leastView,
    timeoutMs: 6000,
  },
  {
    name: 'unhealthy endpoint is not used',
    to: 'balance',
    send: [balance('/unhealthy', 4), { read: 4 }],
    view: countPerHost,
  },
  { name: 'only unhealthy endpoints', to: 'balance', send: get('/all-unhealthy') },
  {
    name: 'degraded endpoint is not used',
    to: 'balance',
    send: [balance('/degraded', 6), { read: 6 }],
    view: countPerHost,
  },
  { name: 'priority 0 first', to: 'balance', send: [balance('/priority', 3), { read: 3 }], view: countPerHost },
];

function leastView(observation: Observation): unknown {
  return observation.clients.map(({ responses }) => responses.length);
}

function endpoints(name: string, list: readonly Fields[], fields: Fields = {}): Fields {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: list },
    ...fields,
  };
}

function endpoint(backend: string, around: Fields = {}): Fields {
  return {
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: `{{backend.${backend}}}` } } },
    ...around,
  };
}

const INTERNAL: Fields = {
  use_remote_address: true,
  internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
};
const attemptHosts = (routes: readonly Fields[]): readonly Fields[] => [
  { name: 'all', domains: ['*'], include_request_attempt_count: true, include_attempt_count_in_response: true, routes },
];

export const upstreamGroups: readonly Group[] = [
  {
    name: 'retries',
    config: bootstrap({
      listeners: [
        http({ name: 'retries', virtualHosts: attemptHosts(retryRoutes) }),
        http({ name: 'retries-internal', virtualHosts: attemptHosts(retryRoutes), hcm: INTERNAL }),
        http({ name: 'retries-hosts', virtualHosts: attemptHosts(retryRoutes) }),
      ],
      clusters: [cluster('a'), cluster('refused', ['free.refused']), cluster('two', ['a', 'free.refused'])],
    }),
    cases: retryCases.map((test): Case => ({ probeMs: 5, ...test })),
  },
  {
    name: 'timeouts',
    config: bootstrap({
      listeners: [
        http({ name: 'timeouts', routes: timeoutRoutes }),
        http({ name: 'timeouts-internal', routes: timeoutRoutes, hcm: INTERNAL }),
        http({ name: 'timeouts-full', routes: [route('/', 'full')] }),
      ],
      clusters: [cluster('a'), cluster('full', ['full.a'], { connect_timeout: '0.2s' })],
    }),
    cases: timeoutCases.map((test): Case => ({ elapsedToleranceMs: 200, ...test })),
  },
  {
    name: 'clusters',
    config: bootstrap({
      listeners: [
        http({
          name: 'breakers',
          routes: [
            ...['cx-0', 'cx-1', 'pending', 'requests', 'empty', 'refused', 'one', 'idle', 'duration'].map((name) =>
              route(`/${name}`, name),
            ),
            route('/retries', 'retries', { retry_policy: { retry_on: '5xx' } }),
            route('/budget', 'budget', { retry_policy: { retry_on: '5xx' } }),
            route('/', 'a'),
          ],
        }),
        http({
          name: 'balance',
          routes: [
            ...['rr', 'weighted', 'least-two', 'least', 'unhealthy', 'all-unhealthy', 'degraded', 'priority'].map(
              (name) => route(`/${name}`, name),
            ),
          ],
        }),
      ],
      clusters: [
        cluster('a'),
        cluster('cx-0', ['a'], thresholds({ max_connections: 1, max_pending_requests: 0 })),
        cluster('cx-1', ['a'], thresholds({ max_connections: 1 })),
        cluster('pending', ['a'], thresholds({ max_connections: 1, max_pending_requests: 1 })),
        cluster('requests', ['a'], thresholds({ max_requests: 1 })),
        cluster('retries', ['a'], thresholds({ max_retries: 0 })),
        cluster(
          'budget',
          ['a'],
          thresholds({ retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 1 } }),
        ),
        cluster('empty', []),
        cluster('refused', ['free.refused']),
        cluster('one', ['a'], commonOptions({ max_requests_per_connection: 1 })),
        cluster('idle', ['a'], commonOptions({ idle_timeout: '0.1s' })),
        cluster('duration', ['a'], commonOptions({ max_connection_duration: '0.1s' })),
        cluster('rr', ['a', 'b', 'c']),
        endpoints('weighted', [
          { lb_endpoints: [endpoint('a', { load_balancing_weight: 3 }), endpoint('b', { load_balancing_weight: 1 })] },
        ]),
        cluster('least', ['a', 'b', 'c'], { lb_policy: 'LEAST_REQUEST' }),
        cluster('least-two', ['a', 'b'], { lb_policy: 'LEAST_REQUEST', least_request_lb_config: { choice_count: 2 } }),
        endpoints('unhealthy', [{ lb_endpoints: [endpoint('a', { health_status: 'UNHEALTHY' }), endpoint('b')] }], {
          common_lb_config: { healthy_panic_threshold: {} },
        }),
        endpoints('all-unhealthy', [{ lb_endpoints: [endpoint('a', { health_status: 'UNHEALTHY' })] }], {
          common_lb_config: { healthy_panic_threshold: {} },
        }),
        endpoints(
          'degraded',
          [
            {
              lb_endpoints: [endpoint('a', { health_status: 'DEGRADED' }), endpoint('b'), endpoint('c'), endpoint('d')],
            },
          ],
          { common_lb_config: { healthy_panic_threshold: {} } },
        ),
        endpoints('priority', [
          { priority: 0, lb_endpoints: [endpoint('a')] },
          { priority: 1, lb_endpoints: [endpoint('b')] },
        ]),
      ],
    }),
    cases: [...breakerCases, ...balanceCases].map((test): Case => ({ probeMs: 5, ...test })),
  },
];
