// Differential cases: the Proxy-Status header (RFC 9209) of local replies and failures.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter, http, match, route } from '../config.ts';
import { get, post, request, response } from '../messages.ts';

const ALL: Fields = { numerator: 100 };

function faulty(prefix: string, fault: Fields): Fields {
  const typed_per_filter_config = { fault: any('envoy.extensions.filters.http.fault.v3.HTTPFault', fault) };
  return match({ prefix }, 'a', {}, { typed_per_filter_config });
}

const ROUTES: readonly Fields[] = [
  route('/refused', 'refused'),
  route('/empty', 'empty'),
  route('/overflow', 'overflow'),
  route('/none-404', 'not-there', { cluster_not_found_response_code: 'NOT_FOUND' }),
  route('/none', 'not-there'),
  route('/timeout', 'a', { timeout: '0.1s' }),
  route('/per-try', 'a', { retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.05s' } }),
  route('/retries', 'a', { retry_policy: { retry_on: '5xx', num_retries: 1 } }),
  route('/duration', 'a', { max_stream_duration: { max_stream_duration: '0.1s' } }),
  route('/idle', 'a', { idle_timeout: '0.1s' }),
  route('/maintenance', 'maintained'),
  direct({ prefix: '/direct-403' }, 403, 'denied'),
  direct({ prefix: '/direct-200' }, 200, 'fine'),
  { match: { prefix: '/redirect' }, redirect: { path_redirect: '/to' } },
  route('/dropped', 'dropped'),
  route('/always-dropped', 'always-dropped'),
  route('/upstream-duration', 'short'),
  faulty('/delayed-aborted', {
    delay: { fixed_delay: '0.01s', percentage: ALL },
    abort: { http_status: 429, percentage: ALL },
  }),
  faulty('/delayed', { delay: { fixed_delay: '0.01s', percentage: ALL } }),
  match(
    { prefix: '/limited' },
    'a',
    {},
    {
      typed_per_filter_config: {
        limit: any('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', {
          stat_prefix: 'limited',
          token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '600s' },
          filter_enabled: { default_value: { numerator: 100 } },
          filter_enforced: { default_value: { numerator: 100 } },
        }),
      },
    },
  ),
  match(
    { prefix: '/aborted' },
    'a',
    {},
    {
      typed_per_filter_config: {
        fault: any('envoy.extensions.filters.http.fault.v3.HTTPFault', {
          abort: { http_status: 503, percentage: { numerator: 100 } },
        }),
      },
    },
  ),
  route('/a', 'a'),
];

const router: Fields = { strict_check_headers: ['x-envoy-max-retries'] };
const routeConfig: Fields = { validate_clusters: false };
const filters: readonly Fields[] = [
  filter('fault', 'envoy.extensions.filters.http.fault.v3.HTTPFault'),
  filter('limit', 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'limits' }),
];

function listener(name: string, status: Fields, hcm: Fields = {}): Fields {
  return http({ name, router, routes: ROUTES, filters, routeConfig, hcm: { proxy_status_config: status, ...hcm } });
}

const listeners: readonly Fields[] = [
  http({ name: 'main', routes: ROUTES, filters, routeConfig }),
  listener('plain', {}),
  listener('named', {}, { server_name: 'my-server' }),
  listener('node', { use_node_id: true }),
  listener('node-not', { use_node_id: false }, { server_name: 'my-server' }),
  listener('literal', { literal_proxy_name: 'edge"1\\2; x=y' }),
  listener('no-details', { remove_details: true }),
  listener('no-termination', { remove_connection_termination_details: true }),
  listener('no-flags', { remove_response_flags: true }),
  listener('codes', { set_recommended_response_code: true }),
  listener('all', {
    remove_details: true,
    remove_connection_termination_details: true,
    remove_response_flags: true,
    set_recommended_response_code: true,
    literal_proxy_name: '',
  }),
  listener(
    'mapped',
    { set_recommended_response_code: true },
    {
      local_reply_config: {
        mappers: [
          {
            filter: { response_flag_filter: { flags: ['UF', 'NR'] } },
            status_code: 418,
            body_format_override: { text_format_source: { inline_string: '%RESPONSE_CODE% %LOCAL_REPLY_BODY%' } },
          },
        ],
      },
    },
  ),
  listener('via', { set_recommended_response_code: true }, { via: 'edge', always_set_request_id_in_response: true }),
  listener('idle', { set_recommended_response_code: true }, { stream_idle_timeout: '0.1s' }),
  listener('limits', {}, { request_timeout: '0.1s', request_headers_timeout: '0.1s' }),
];

const SLOW = {
  a: [
    [{ wait: 400 }, response(200, 'late')],
    [{ wait: 400 }, response(200, 'late')],
  ],
} as const;

/** Each kind of failure, once. */
const FAILURES: readonly Omit<Case, 'to'>[] = [
  { name: 'connection refused', send: get('/refused') },
  { name: 'no healthy host', send: get('/empty') },
  { name: 'no cluster', send: get('/none') },
  { name: 'no cluster, 404', send: get('/none-404') },
  { name: 'no route', send: get('/x-nothing') },
  { name: 'overflow', send: get('/overflow') },
  { name: 'response timeout', send: get('/timeout'), upstream: SLOW },
  { name: 'per try timeout', send: get('/per-try'), upstream: SLOW },
  { name: 'upstream resets', send: get('/a'), upstream: [['rst']] },
  { name: 'upstream closes', send: get('/a'), upstream: [['fin']] },
  { name: 'upstream speaks nonsense', send: get('/a'), upstream: [['nonsense\r\n\r\n']] },
  { name: 'retries are over', send: get('/retries'), upstream: { a: [['fin'], ['fin']] } },
  { name: 'retries end with 503', send: get('/retries'), upstream: [response(503, 'x'), response(503, 'x')] },
  { name: 'stream duration', send: get('/duration'), upstream: SLOW },
  { name: 'idle', send: get('/idle'), upstream: SLOW },
  { name: 'direct 403', send: get('/direct-403') },
  { name: 'direct 200', send: get('/direct-200') },
  { name: 'redirect', send: get('/redirect') },
  { name: 'upstream’s own 503', send: get('/a'), upstream: [response(503, 'own')] },
  { name: 'upstream’s own 200', send: get('/a') },
  {
    name: 'upstream’s own header',
    send: get('/a'),
    upstream: [response(502, 'own', 'proxy-status: other; error=dns_error')],
  },
  { name: 'limited', send: [get('/limited'), { read: 1 }, get('/limited'), { read: 2 }] },
  { name: 'aborted', send: get('/aborted') },
  { name: 'delayed', send: get('/delayed') },
  { name: 'delayed and aborted', send: get('/delayed-aborted') },
  { name: 'delayed, then refused', send: get('/delayed'), upstream: [['fin']] },
  { name: 'dropped', send: get('/dropped') },
  { name: 'always dropped', send: get('/always-dropped') },
  { name: 'upstream stream duration', send: get('/upstream-duration'), upstream: SLOW },
  { name: 'strict header', send: get('/a', 'x-envoy-max-retries: x') },
  { name: 'bad request', send: 'GET /a HTTP/1.1\r\nbad header: x\r\n\r\n' },
  { name: 'HTTP/1.0', send: 'GET /a HTTP/1.0\r\nhost: x\r\n\r\n' },
  { name: 'no host', send: 'GET /a HTTP/1.1\r\n\r\n' },
  { name: 'upgrade refused', send: get('/a', 'connection: upgrade', 'upgrade: x') },
  { name: 'head too large', send: get('/a', `x-large: ${'v'.repeat(70_000)}`) },
  { name: 'gRPC, refused', send: post('/refused', '', 'content-type: application/grpc') },
  { name: 'HEAD, refused', send: request('HEAD', '/refused') },
];
const FEW = /^(connection refused|no route|upstream closes|response timeout|bad request|upstream’s own 200)$/;

function at(to: string, cases: readonly Omit<Case, 'to'>[]): Case[] {
  return cases.map((test) => ({ ...test, name: `${to}: ${test.name}`, to, probeMs: 5 }));
}

const few = FAILURES.filter(({ name }) => FEW.test(name));
const tight: Fields = {
  circuit_breakers: { thresholds: [{ max_connections: 0, max_pending_requests: 0, max_requests: 0 }] },
};

function dropping(name: string, denominator: string, numerator: number): Fields {
  const plain = cluster(name, ['a']);
  const policy = { drop_overloads: [{ category: 'x', drop_percentage: { numerator, denominator } }] };
  return { ...plain, load_assignment: { ...(plain['load_assignment'] as Fields), policy } };
}

export const hcmProxyStatusGroups: readonly Group[] = [
  {
    name: 'hcm proxy status',
    config: bootstrap({
      listeners,
      clusters: [
        cluster('a'),
        cluster('refused', ['free.refused']),
        cluster('empty', []),
        cluster('overflow', ['a'], tight),
        cluster('maintained', ['a']),
        dropping('dropped', 'MILLION', 999_999),
        dropping('always-dropped', 'HUNDRED', 100),
        cluster('short', ['a'], { common_http_protocol_options: { max_stream_duration: '0.1s' } }),
      ],
    }),
    cases: [
      ...at('plain', FAILURES),
      ...at('codes', FAILURES),
      ...[
        ...['main', 'named', 'node', 'node-not', 'literal', 'no-details', 'no-termination', 'no-flags', 'all'],
        ...['mapped', 'via'],
      ].flatMap((to) => at(to, few)),
      ...at('idle', [
        { name: 'before the answer', send: get('/a'), upstream: SLOW },
        { name: 'in the body', send: [request('POST', '/a', ['content-length: 5'], 'ab'), { read: 1 }] },
      ]),
      ...at('limits', [
        { name: 'request timeout', send: [request('POST', '/a', ['content-length: 5'], 'ab'), { read: 1 }] },
        { name: 'headers timeout', send: ['GET / HTTP/1.1\r\nhost: t', { read: 1 }], timeoutMs: 700 },
      ]),
    ],
  },
];
