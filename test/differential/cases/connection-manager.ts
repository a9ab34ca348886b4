// Differential cases: the options of the HTTP connection manager.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { bootstrap, cluster, direct, http, route } from '../config.ts';
import { get, post, request, response } from '../messages.ts';

const LOOPBACK_IS_INTERNAL: Fields = {
  internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
};
const FORWARD = ['x-forwarded-for: 203.0.113.9, 198.51.100.2', 'x-forwarded-proto: https'];
const ENVOY_HEADERS = [
  ...[
    'x-envoy-internal: true',
    'x-envoy-external-address: 1.1.1.1',
    'x-envoy-downstream-service-cluster: c',
    'x-envoy-downstream-service-node: n',
  ],
  ...[
    'x-envoy-force-trace: 1',
    'x-envoy-retry-on: 5xx',
    'x-envoy-max-retries: 3',
    'x-envoy-upstream-rq-timeout-ms: 5000',
  ],
  ...[
    'x-envoy-upstream-alt-stat-name: alt',
    'x-envoy-expected-rq-timeout-ms: 7',
    'x-envoy-decorator-operation: o',
    'x-envoy-ip-tags: t',
  ],
  ...[
    'x-envoy-hedge-on-per-try-timeout: true',
    'x-envoy-original-path: /o',
    'x-envoy-original-url: u',
    'x-envoy-other: kept',
    'x-envoy-is-timeout-retry: true',
  ],
];

// ── addresses and trust ──
const trustListeners = [
  http({ name: 'edge', hcm: { use_remote_address: true } }),
  http({ name: 'edge-internal', hcm: { use_remote_address: true, ...LOOPBACK_IS_INTERNAL } }),
  http({ name: 'edge-hops', hcm: { use_remote_address: true, xff_num_trusted_hops: 1 } }),
  http({ name: 'hops-1', hcm: { xff_num_trusted_hops: 1 } }),
  http({ name: 'hops-2', hcm: { xff_num_trusted_hops: 2 } }),
  http({ name: 'skip-append', hcm: { use_remote_address: true, skip_xff_append: true } }),
  http({ name: 'internal-config', hcm: { ...LOOPBACK_IS_INTERNAL } }),
  http({
    name: 'represent',
    hcm: { use_remote_address: true, represent_ipv4_remote_address_as_ipv4_mapped_ipv6: true },
  }),
];
const trustCases: readonly Case[] = [
  ...[
    'main',
    'edge',
    'edge-internal',
    'edge-hops',
    'hops-1',
    'hops-2',
    'skip-append',
    'internal-config',
    'represent',
  ].flatMap((to): Case[] => [
    { name: `${to}: no forwarded headers`, to, send: get('/') },
    { name: `${to}: forwarded headers`, to, send: get('/', ...FORWARD) },
    { name: `${to}: x-envoy headers`, to, send: get('/', ...ENVOY_HEADERS) },
  ]),
  {
    name: 'internal-config: private client in x-forwarded-for',
    to: 'internal-config',
    send: get('/', 'x-forwarded-for: 10.0.0.1', ...ENVOY_HEADERS),
  },
  {
    name: 'internal-config: loopback client in x-forwarded-for',
    to: 'internal-config',
    send: get('/', 'x-forwarded-for: 127.0.0.1', ...ENVOY_HEADERS),
  },
  {
    name: 'main: private client in x-forwarded-for',
    send: get('/', 'x-forwarded-for: 10.0.0.1', 'x-envoy-retry-on: 5xx'),
  },
  { name: 'main: malformed x-forwarded-for', send: get('/', 'x-forwarded-for: nonsense') },
  { name: 'main: x-forwarded-for with ports', send: get('/', 'x-forwarded-for: 203.0.113.9:1234') },
  { name: 'main: IPv6 x-forwarded-for', send: get('/', 'x-forwarded-for: 2001:db8::1') },
  {
    name: 'main: two x-forwarded-for lines',
    send: get('/', 'x-forwarded-for: 203.0.113.9', 'x-forwarded-for: 198.51.100.2'),
  },
  { name: 'main: x-forwarded-proto unknown', send: get('/', 'x-forwarded-proto: gopher') },
  { name: 'edge: x-forwarded-proto https', to: 'edge', send: get('/', 'x-forwarded-proto: https') },
  { name: 'edge: x-forwarded-host and port', to: 'edge', send: get('/', 'x-forwarded-host: h', 'x-forwarded-port: 1') },
  { name: 'edge-hops: one hop', to: 'edge-hops', send: get('/', 'x-forwarded-for: 203.0.113.9') },
  { name: 'hops-1: one address', to: 'hops-1', send: get('/', 'x-forwarded-for: 203.0.113.9') },
].map((test): Case => ({ ...test }));

// ── server, via, request id ──
const identityListeners = [
  http({ name: 'server-append', hcm: { server_header_transformation: 'APPEND_IF_ABSENT', server_name: 'mine' } }),
  http({ name: 'server-pass', hcm: { server_header_transformation: 'PASS_THROUGH', server_name: 'mine' } }),
  http({ name: 'server-name', hcm: { server_name: 'mine' } }),
  http({ name: 'via', routes: [direct({ prefix: '/direct' }, 200, 'd'), route('/', 'a')], hcm: { via: 'edge-1' } }),
  http({ name: 'no-id', hcm: { generate_request_id: false } }),
  http({ name: 'preserve-id', hcm: { preserve_external_request_id: true, use_remote_address: true } }),
  http({ name: 'preserve-id-local', hcm: { preserve_external_request_id: true } }),
  http({ name: 'edge-id', hcm: { use_remote_address: true } }),
  http({
    name: 'id-in-response',
    routes: [direct({ prefix: '/direct' }, 200, 'd'), route('/', 'a')],
    hcm: { always_set_request_id_in_response: true },
  }),
  http({ name: 'suppress', router: { suppress_envoy_headers: true } }),
  http({ name: 'add-user-agent', hcm: { add_user_agent: true } }),
  http({ name: 'forwarded-port', hcm: { append_x_forwarded_port: true, use_remote_address: true } }),
  http({ name: 'no-forwarded-proto', hcm: { scheme_header_transformation: { scheme_to_overwrite: 'https' } } }),
];
const ID = '11111111-2222-4333-8444-555555555555';
const identityCases: readonly Case[] = [
  ...['main', 'server-append', 'server-pass', 'server-name'].flatMap((to): Case[] => [
    { name: `${to}: upstream with server`, to, send: get('/'), upstream: [response(200, 'x', 'server: own')] },
    { name: `${to}: upstream without server`, to, send: get('/'), upstream: [response(200, 'x')] },
    { name: `${to}: local reply`, to, send: get('/', 'connection: upgrade', 'upgrade: foo') },
  ]),
  {
    name: 'via: request and response',
    to: 'via',
    send: get('/', 'via: 1.1 other'),
    upstream: [response(200, 'x', 'via: 1.1 up')],
  },
  { name: 'via: local reply', to: 'via', send: get('/direct') },
  ...['main', 'no-id', 'preserve-id', 'preserve-id-local', 'edge-id', 'id-in-response'].flatMap((to): Case[] => [
    { name: `${to}: no request id`, to, send: get('/') },
    { name: `${to}: own request id`, to, send: get('/', `x-request-id: ${ID}`) },
    { name: `${to}: odd request id`, to, send: get('/', 'x-request-id: odd') },
  ]),
  {
    name: 'id-in-response: upstream sends one',
    to: 'id-in-response',
    send: get('/', `x-request-id: ${ID}`),
    upstream: [response(200, 'x', 'x-request-id: upstream')],
  },
  { name: 'id-in-response: local reply', to: 'id-in-response', send: get('/direct', `x-request-id: ${ID}`) },
  {
    name: 'suppress: request and response',
    to: 'suppress',
    send: get('/', 'x-envoy-other: kept'),
    upstream: [response(200, 'x', 'x-envoy-upstream-service-time: 1', 'x-envoy-other: kept')],
  },
  { name: 'add_user_agent: without', to: 'add-user-agent', send: get('/') },
  { name: 'add_user_agent: with', to: 'add-user-agent', send: get('/', 'user-agent: u') },
  { name: 'append_x_forwarded_port', to: 'forwarded-port', send: get('/') },
  { name: 'scheme overwritten', to: 'no-forwarded-proto', send: get('/') },
];

// ── paths and hosts ──
const pathListeners = [
  http({ name: 'normalize', hcm: { normalize_path: true } }),
  http({ name: 'merge', hcm: { normalize_path: true, merge_slashes: true } }),
  http({ name: 'escaped-reject', hcm: { path_with_escaped_slashes_action: 'REJECT_REQUEST' } }),
  http({
    name: 'escaped-redirect',
    hcm: { path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT', normalize_path: true },
  }),
  http({
    name: 'escaped-forward',
    hcm: { path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD', normalize_path: true },
  }),
  http({ name: 'escaped-keep', hcm: { path_with_escaped_slashes_action: 'KEEP_UNCHANGED', normalize_path: true } }),
  http({ name: 'strip-matching', hcm: { strip_matching_host_port: true } }),
  http({ name: 'strip-any', hcm: { strip_any_host_port: true } }),
  http({ name: 'strip-dot', hcm: { strip_trailing_host_dot: true } }),
  http({ name: 'strip-dot-port', hcm: { strip_trailing_host_dot: true, strip_any_host_port: true } }),
];
const PATHS = [
  '/a/../b',
  '/a/./b',
  '/../a',
  '/a/b/..',
  '/a//b',
  '//a',
  '/%2e%2e/a',
  '/a%2Fb',
  '/a%2fb%5Cc',
  '/a\\b',
  '/%41',
  '/%7Ea?x=/../y',
  '/a/%2e./b',
  '/a;p/../b',
  '/a/..%2fb',
  '/%zz',
  '/a/.../b',
  '/a/b/.',
  '/a%00b',
  '/caf%C3%A9',
];
const pathCases: readonly Case[] = [
  ...PATHS.map((path): Case => ({ name: `normalize ${path}`, to: 'normalize', send: get(path) })),
  ...['/a//b', '//a', '/a///../b', '/a/%2f/b', '/a?b=//c', '///'].map(
    (path): Case => ({ name: `merge_slashes ${path}`, to: 'merge', send: get(path) }),
  ),
  ...['escaped-reject', 'escaped-redirect', 'escaped-forward', 'escaped-keep'].flatMap((to) =>
    ['/a%2Fb', '/a%5cb?x=%2f', '/plain', '/a%2f..%2fb'].map(
      (path): Case => ({ name: `${to} ${path}`, to, send: get(path) }),
    ),
  ),
  { name: 'escaped-redirect post', to: 'escaped-redirect', send: post('/a%2Fb', 'x') },
  ...['strip-matching', 'strip-any'].flatMap((to) =>
    ['h.example:80', 'h.example:8080', 'h.example', `h.example:{{listen.${to}}}`, '[::1]:80', 'h.example:'].map(
      (host): Case => ({ name: `${to} host ${host}`, to, send: get('/', `host: ${host}`) }),
    ),
  ),
  ...['h.example.', 'h.example.:80', 'h.example', '.', 'h.example..'].flatMap((host): Case[] => [
    { name: `strip-dot host ${host}`, to: 'strip-dot', send: get('/', `host: ${host}`) },
    { name: `strip-dot-port host ${host}`, to: 'strip-dot-port', send: get('/', `host: ${host}`) },
  ]),
];

// ── local replies ──
function statusFilter(op: string, value: number): Fields {
  return { status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: 'none' } } } };
}
const localReplyRoutes = [
  route('/refused', 'refused'),
  route('/empty', 'empty'),
  direct({ prefix: '/direct-403' }, 403, 'denied'),
  direct({ prefix: '/direct-200' }, 200, 'fine'),
  route('/a', 'a'),
];
const localReplyListeners = [
  http({
    name: 'reply-json',
    routes: localReplyRoutes,
    hcm: {
      local_reply_config: {
        body_format: {
          json_format: {
            code: '%RESPONSE_CODE%',
            text: '%LOCAL_REPLY_BODY%',
            flags: '%RESPONSE_FLAGS%',
            path: '%REQ(:path)%',
            none: '%REQ(x-none)%',
          },
        },
      },
    },
  }),
  http({
    name: 'reply-mappers',
    routes: localReplyRoutes,
    hcm: {
      local_reply_config: {
        mappers: [
          {
            filter: { header_filter: { header: { name: 'x-map', string_match: { exact: 'header' } } } },
            status_code: 418,
            headers_to_add: [{ header: { key: 'x-mapped', value: '%RESPONSE_CODE%' } }],
          },
          {
            filter: { response_flag_filter: { flags: ['UF'] } },
            status_code: 599,
            body: { inline_string: 'upstream failed' },
          },
          {
            filter: statusFilter('EQ', 404),
            body_format_override: {
              text_format_source: { inline_string: 'nothing at %REQ(:path)% (%LOCAL_REPLY_BODY%)\n' },
              content_type: 'text/html; charset=UTF-8',
            },
          },
          {
            filter: statusFilter('GE', 500),
            body: { inline_string: 'server error' },
            body_format_override: { text_format_source: { inline_string: '[%LOCAL_REPLY_BODY%]' } },
          },
        ],
        body_format: { text_format_source: { inline_string: '%RESPONSE_CODE%: %LOCAL_REPLY_BODY%' } },
      },
    },
  }),
];
const localReplyCases: readonly Case[] = ['reply-json', 'reply-mappers'].flatMap((to): Case[] => [
  ...['/refused', '/empty', '/direct-403', '/direct-200', '/none', '/a'].map(
    (path): Case => ({ name: `${to} ${path}`, to, send: get(path) }),
  ),
  { name: `${to} header`, to, send: get('/direct-403', 'x-map: header') },
  { name: `${to} grpc`, to, send: post('/refused', '', 'content-type: application/grpc') },
  { name: `${to} head`, to, send: request('HEAD', '/refused') },
  { name: `${to} upstream's own error`, to, send: get('/a'), upstream: [response(503, 'own')] },
  { name: `${to} bad request`, to, send: 'GET / HTTP/1.1\r\nbad header: x\r\n\r\n' },
]);

// ── timeouts and limits of connections ──
const timerListeners = [
  http({ name: 'stream-idle', hcm: { stream_idle_timeout: '0.15s' } }),
  http({ name: 'request-timeout', hcm: { request_timeout: '0.15s' } }),
  http({ name: 'headers-timeout', hcm: { request_headers_timeout: '0.15s' } }),
  http({
    name: 'duration',
    hcm: { drain_timeout: '0.1s', common_http_protocol_options: { max_connection_duration: '0.15s' } },
  }),
  http({ name: 'idle', hcm: { drain_timeout: '0.1s', common_http_protocol_options: { idle_timeout: '0.15s' } } }),
  http({ name: 'stream-duration', hcm: { common_http_protocol_options: { max_stream_duration: '0.15s' } } }),
  http({ name: 'max-requests', hcm: { common_http_protocol_options: { max_requests_per_connection: 2 } } }),
  http({ name: 'delayed-close', hcm: { delayed_close_timeout: '0.3s' } }),
  http({ name: 'no-delayed-close', hcm: { delayed_close_timeout: '0s' } }),
  http({
    name: 'drain',
    hcm: { drain_timeout: '0.6s', common_http_protocol_options: { max_connection_duration: '0.15s' } },
  }),
];
const timerCases: readonly Case[] = [
  {
    name: 'stream idle before the response',
    to: 'stream-idle',
    send: get('/'),
    upstream: [[{ wait: 500 }, response(200, 'x')]],
  },
  {
    name: 'stream idle in the request body',
    to: 'stream-idle',
    send: [request('POST', '/', ['content-length: 5'], 'ab'), { read: 1 }],
  },
  {
    name: 'stream idle in the request head',
    to: 'stream-idle',
    send: ['GET / HTTP/1.1\r\nhost: t', { read: 1 }],
    timeoutMs: 700,
  },
  {
    name: 'request timeout in the head',
    to: 'request-timeout',
    send: ['GET / HTTP/1.1\r\nhost: t', { read: 1 }],
    timeoutMs: 700,
  },
  {
    name: 'request timeout in the body',
    to: 'request-timeout',
    send: [request('POST', '/', ['content-length: 5'], 'ab'), { read: 1 }],
  },
  {
    name: 'request timeout does not cover the response',
    to: 'request-timeout',
    send: get('/'),
    upstream: [[{ wait: 300 }, response(200, 'x')]],
  },
  {
    name: 'request headers timeout',
    to: 'headers-timeout',
    send: ['GET / HTTP/1.1\r\nhost: t', { read: 1 }],
    timeoutMs: 700,
  },
  {
    name: 'request headers timeout does not cover the body',
    to: 'headers-timeout',
    send: [request('POST', '/', ['content-length: 4'], 'ab'), { wait: 250 }, 'cd', { read: 1 }],
  },
  {
    name: 'request headers timeout on the second request',
    to: 'headers-timeout',
    send: [get('/'), { read: 1 }, 'GET /2 HTT', { read: 2 }],
    timeoutMs: 700,
  },
  { name: 'connection duration while idle', to: 'duration', send: [get('/'), { read: 1 }, 'read-close'] },
  {
    name: 'connection duration during a request',
    to: 'duration',
    send: [get('/'), { read: 1 }],
    upstream: [[{ wait: 300 }, response(200, 'x')]],
  },
  {
    name: 'connection duration with drain timeout, next request',
    to: 'drain',
    send: [get('/1'), { read: 1 }, { wait: 200 }, get('/2'), { read: 2 }],
  },
  { name: 'idle timeout after a request', to: 'idle', send: [get('/'), { read: 1 }, 'read-close'] },
  { name: 'idle timeout without a request', to: 'idle', send: ['read-close'] },
  {
    name: 'idle timeout does not run during a request',
    to: 'idle',
    send: get('/'),
    upstream: [[{ wait: 300 }, response(200, 'x')]],
  },
  {
    name: 'max stream duration',
    to: 'stream-duration',
    send: get('/'),
    upstream: [[{ wait: 500 }, response(200, 'x')]],
  },
  { name: 'max requests per connection', to: 'max-requests', send: [get('/1'), { read: 1 }, get('/2'), { read: 2 }] },
  {
    name: 'max requests per connection, pipelined',
    to: 'max-requests',
    send: [get('/1') + get('/2') + get('/3'), { read: 3 }],
  },
  { name: 'delayed close after an error', to: 'delayed-close', send: ['bad\r\n\r\n', { read: 1 }] },
  {
    name: 'delayed close after connection: close',
    to: 'delayed-close',
    send: [get('/', 'connection: close'), { read: 1 }],
  },
  { name: 'no delayed close', to: 'no-delayed-close', send: ['bad\r\n\r\n', { read: 1 }] },
];

const config = bootstrap({
  listeners: [
    http({ name: 'main' }),
    ...trustListeners,
    ...identityListeners,
    ...pathListeners,
    ...localReplyListeners,
    ...timerListeners,
  ],
  clusters: [cluster('a'), cluster('refused', ['free.refused']), cluster('empty', [])],
});

function quick(cases: readonly Case[]): readonly Case[] {
  return cases.map((test): Case => ({ probeMs: 5, ...test }));
}

export const connectionManagerGroups: readonly Group[] = [
  { name: 'hcm addresses', config, cases: quick(trustCases) },
  { name: 'hcm identity', config, cases: quick(identityCases) },
  { name: 'hcm paths', config, cases: quick(pathCases) },
  { name: 'hcm local replies', config, cases: quick(localReplyCases) },
  { name: 'hcm timers', config, cases: timerCases.map((test): Case => ({ elapsedToleranceMs: 200, ...test })) },
];
