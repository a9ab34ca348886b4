// Differential cases: timers of HTTP/2, connections that are drained, and what is logged.
import type { Case, Group, Http2Action, Http2Field, Http2Reply, Http2Step } from '../case.ts';
import { bootstrap, direct, type Fields, route, textLog } from '../config.ts';
import { get, response } from '../messages.ts';
import { anyVersion, h2Head, http1Cluster, http2Cluster, scripted } from './http2-exchange.ts';

const OK_HEAD: Http2Action = { head: [[':status', '200']] };
const OK: readonly Http2Action[] = [OK_HEAD, { data: 'ok', end: true }];
const NEVER: Http2Reply = { on: 'head', actions: [] };
const HALF: Http2Reply = { on: 'head', actions: [OK_HEAD, { data: 'part' }] };
const END: Http2Step = { until: 'end' };
const CLOSE: Http2Step = { until: 'close' };

const ask = (path = '/h2', on = 1, ...headers: Http2Field[]): Http2Step => ({
  head: h2Head('GET', path, headers),
  on,
  end: true,
});
const post = (path = '/h2', on = 1): Http2Step => ({ head: h2Head('POST', path), on });

function http2(
  name: string,
  to: string,
  steps: readonly Http2Step[],
  replies: readonly Http2Reply[] = [OK, OK, OK],
  around: Partial<Case> = {},
): Case {
  return { name, to, http2: steps, upstream: scripted(replies), settleMs: 15, ...around };
}

const GRPC: Http2Field = ['content-type', 'application/grpc'];
const timers: readonly Case[] = [
  http2('route timeout', 'main', [ask('/timeout'), END], [NEVER]),
  http2('route timeout after the head', 'main', [ask('/timeout'), END], [HALF]),
  http2('route timeout, gRPC', 'main', [ask('/timeout', 1, GRPC), END], [NEVER]),
  http2('route timeout counts from the end of the request', 'main', [
    post('/timeout'),
    { wait: 150 },
    { data: 'x', end: true },
    END,
  ]),
  http2('per-try timeout', 'main', [ask('/per-try'), END], [NEVER, OK]),
  http2('route idle timeout', 'main', [ask('/idle'), END], [NEVER]),
  http2('route idle timeout after the head', 'main', [ask('/idle'), END], [HALF]),
  http2('max_stream_duration of a route', 'main', [ask('/duration'), END], [NEVER]),
  http2('max_stream_duration of a route after the head', 'main', [ask('/duration'), END], [HALF]),
  http2('grpc-timeout', 'main', [ask('/grpc', 1, GRPC, ['grpc-timeout', '100m'], ['te', 'trailers']), END], [NEVER]),
  http2('timeout of an HTTP/1 upstream', 'main', [ask('/h1'), END], [], {
    upstream: { a: [{ on: 'head', actions: [] }] },
  }),
  {
    name: 'timeout of an HTTP/2 upstream, HTTP/1 client',
    send: [get('/timeout'), { read: 1 }],
    upstream: scripted([NEVER]),
    settleMs: 15,
  },
  http2('stream_idle_timeout without a request body', 'stream-idle', [post(), END], [NEVER]),
  http2('stream_idle_timeout without an answer', 'stream-idle', [ask(), END], [NEVER]),
  http2('stream_idle_timeout within an answer', 'stream-idle', [ask(), END], [HALF]),
  http2(
    'stream_idle_timeout while the client does not read',
    'stream-idle',
    [
      { hello: { returnsCredit: false, settings: { INITIAL_WINDOW_SIZE: 10 } } },
      ...[ask(), { untilBytes: 10 }, { until: 'reset' as const }],
    ],
    [[OK_HEAD, { data: 1000, end: true }]],
    { standardStats: false, view: ({ clients }) => clients },
  ),
  http2('request_timeout', 'request', [post(), { data: 'x' }, END], [NEVER]),
  http2(
    'request_headers_timeout',
    'headers',
    [{ hello: { acksSettings: false } }, { frame: [1, 1, 1, '\x82'] }, CLOSE],
    [],
  ),
  http2('max_stream_duration', 'duration', [ask(), END], [NEVER]),
  http2('max_stream_duration after the head', 'duration', [ask(), END], [HALF]),
  http2('max_stream_duration of a cluster', 'main', [ask('/cluster-duration'), END], [NEVER]),
];

const connections: readonly Case[] = [
  http2('idle_timeout after a request', 'idle', [ask(), END, CLOSE]),
  http2('idle_timeout without a request', 'idle', [CLOSE], []),
  http2(
    'idle_timeout with a stream open',
    'idle',
    [ask(), { awaitUpstream: 1 }, { wait: 150 }, { reset: 'CANCEL' }, CLOSE],
    [NEVER],
  ),
  http2('max_connection_duration', 'connection', [ask(), END, CLOSE]),
  http2('max_connection_duration without a request', 'connection', [CLOSE], []),
  http2(
    'max_connection_duration with a stream open',
    'connection',
    [ask(), { until: 'goaway' }, END, CLOSE],
    [{ on: 'head', actions: [{ wait: 220 }, ...OK] }],
    // Whether the close is FIN or RST depends on what has not been read.
    { view: ({ clients, log, stats }) => ({ clients: clients[0]?.streams, said: clients[0]?.http2, log, stats }) },
  ),
  http2('max_requests_per_connection', 'two', [ask(), END, ask('/h2', 3), { until: 'end', on: 3 }, CLOSE]),
  http2('max_requests_per_connection, a third request', 'two', [
    ...[ask(), END, ask('/h2', 3), { until: 'end', on: 3 } as const, ask('/h2', 5), { until: 'end', on: 5 } as const],
    CLOSE,
  ]),
  http2('requests of an upstream connection', 'main', [ask('/one'), END, ask('/one', 3), { until: 'end', on: 3 }]),
  http2('idle upstream connection', 'main', [
    ask('/upstream-idle'),
    END,
    { wait: 150 },
    ask('/upstream-idle', 3),
    { until: 'end', on: 3 },
  ]),
  http2(
    'old upstream connection',
    'main',
    [ask('/upstream-old'), END, { wait: 150 }, ask('/upstream-old', 3), { until: 'end', on: 3 }],
    [OK, OK],
    // The second connection grows old, too, if this takes its time.
    { probeMs: 5, settleMs: 5, view: ({ clients, upstream, log }) => ({ clients, upstream, log }) },
  ),
  http2(
    'old upstream connection with a stream',
    'main',
    [ask('/upstream-old'), { awaitUpstream: 1 }, { wait: 200 }, ask('/upstream-old', 3), { until: 'end', on: 3 }, END],
    [{ on: 'head', actions: [{ wait: 240 }, ...OK] }, OK],
    // What is counted while the second connection is closed by this test depends on the moment.
    { probeMs: 5, settleMs: 5, view: ({ clients, upstream, log }) => ({ clients, upstream, log }) },
  ),
];

const retry: Fields = { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' } };
const routes: readonly Fields[] = [
  route('/timeout', 'h2', { timeout: '0.1s' }),
  route('/per-try', 'h2', { retry_policy: { ...retry, per_try_timeout: '0.1s' } }),
  route('/idle', 'h2', { idle_timeout: '0.1s' }),
  route('/duration', 'h2', { max_stream_duration: { max_stream_duration: '0.1s' } }),
  route('/grpc', 'h2', { max_stream_duration: { grpc_timeout_header_max: '0s' } }),
  route('/h1', 'h1', { timeout: '0.1s' }),
  route('/cluster-duration', 'duration'),
  route('/one', 'one'),
  route('/upstream-idle', 'idle'),
  route('/upstream-old', 'old'),
  direct({ prefix: '/direct' }, 200, 'here'),
  route('/h2', 'h2'),
];

const HCMS: Readonly<Record<string, Fields>> = {
  main: {},
  'stream-idle': { stream_idle_timeout: '0.1s' },
  request: { request_timeout: '0.1s' },
  headers: { request_headers_timeout: '0.1s' },
  duration: { common_http_protocol_options: { max_stream_duration: '0.1s' } },
  idle: { common_http_protocol_options: { idle_timeout: '0.1s' }, drain_timeout: '0.05s' },
  connection: { common_http_protocol_options: { max_connection_duration: '0.1s' }, drain_timeout: '0.05s' },
  two: { common_http_protocol_options: { max_requests_per_connection: 2 }, drain_timeout: '0.1s' },
};

const clusters: readonly Fields[] = [
  http1Cluster('h1'),
  http2Cluster('h2'),
  http2Cluster('duration', {}, { common_http_protocol_options: { max_stream_duration: '0.1s' } }),
  http2Cluster('one', {}, { common_http_protocol_options: { max_requests_per_connection: 1 } }),
  http2Cluster('idle', {}, { common_http_protocol_options: { idle_timeout: '0.1s' } }),
  http2Cluster('old', {}, { common_http_protocol_options: { max_connection_duration: '0.1s' } }),
];

/** Each ends what the whole proxy does, so each has one of its own. */
function drained(name: string, steps: readonly Http2Step[], around: Partial<Case> = {}): Group {
  return {
    name: `http2 ${name}`,
    config: bootstrap({
      listeners: [anyVersion({ name: 'main', routes, hcm: { drain_timeout: '0.1s' } })],
      clusters,
    }),
    arguments: ['--drain-time-s', '1', '--drain-strategy', 'immediate'],
    cases: [{ name, http2: steps, upstream: scripted([OK, OK]), settleMs: 15, ...around }],
  };
}

const drains: readonly Group[] = [
  drained('healthcheck fail', [
    ask(),
    END,
    { admin: 'POST /healthcheck/fail' },
    ask('/h2', 3),
    { until: 'end', on: 3 },
    CLOSE,
  ]),
  drained('drain listeners gracefully', [
    ...[ask(), END, { admin: 'POST /drain_listeners?graceful' }, ask('/h2', 3), { until: 'end', on: 3 } as const],
    CLOSE,
  ]),
];

const LOG = [
  '%PROTOCOL% up=%UPSTREAM_PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%',
  'rx=%BYTES_RECEIVED% tx=%BYTES_SENT% wire=%DOWNSTREAM_WIRE_BYTES_RECEIVED% upwire=%UPSTREAM_WIRE_BYTES_RECEIVED%',
  'head=%DOWNSTREAM_HEADER_BYTES_RECEIVED% uphead=%UPSTREAM_HEADER_BYTES_RECEIVED% bytes=%REQUEST_HEADERS_BYTES%',
  '%RESPONSE_HEADERS_BYTES% %RESPONSE_TRAILERS_BYTES% grpc=%GRPC_STATUS% %GRPC_STATUS_NUMBER%',
  '%REQ(:METHOD)% %REQ(:SCHEME)% %REQ(:AUTHORITY)% %REQ(:PATH)% %REQ(HOST)% %REQ(COOKIE)% %RESP(:STATUS)% %RESP(X-A)%',
  'trailer=%TRAILER(X-END)% term=%CONNECTION_TERMINATION_DETAILS% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%\n',
].join(' ');

const TRAILERS: readonly Http2Field[] = [
  ['x-end', 'over'],
  ['grpc-status', '3'],
];
const logs: readonly Case[] = [
  http2(
    'log of a GET',
    'log',
    [ask('/h2', 1, ['cookie', 'a=1'], ['cookie', 'b=2']), END],
    [
      [
        {
          head: [
            [':status', '200'],
            ['x-a', '1'],
            ['x-a', '2'],
          ],
        },
        { data: 'ok', end: true },
      ],
    ],
  ),
  http2(
    'log of a POST in pieces with trailers',
    'log',
    [...[post(), { data: 'abc' }, { data: 100 }, { trailers: TRAILERS }], END],
    [[OK_HEAD, { data: 'abc' }, { data: 200 }, { trailers: TRAILERS }]],
  ),
  http2(
    'log of gRPC, trailers only',
    'log',
    [ask('/h2', 1, GRPC), END],
    [[{ head: [[':status', '200'], GRPC, ['grpc-status', '5']], end: true }]],
  ),
  http2('log of a direct response', 'log', [ask('/direct'), END], []),
  http2('log of a reset', 'log', [ask(), END], [[{ rst: 'INTERNAL_ERROR' }]]),
  http2(
    'log of a client that resets',
    'log',
    [post(), { data: 'abc' }, { awaitUpstream: 1 }, { reset: 'CANCEL' }, { wait: 15 }],
    [NEVER],
  ),
  {
    name: 'log of an HTTP/1 upstream',
    to: 'log',
    http2: [ask('/h1'), END],
    upstream: { a: [response(200, 'ok', 'x-a: 1')] },
  },
  { name: 'log of an HTTP/1 client', to: 'log', send: get('/h2'), upstream: scripted([OK]) },
];

export const http2TimeGroups: readonly Group[] = [
  {
    name: 'http2 times',
    config: bootstrap({
      listeners: [
        ...Object.entries(HCMS).map(([name, hcm]) => anyVersion({ name, routes, hcm })),
        // The time in x-envoy-upstream-service-time has one digit or two, which %RESPONSE_HEADERS_BYTES% tells.
        anyVersion({ name: 'log', routes, log: [textLog(LOG)], router: { suppress_envoy_headers: true } }),
      ],
      clusters,
    }),
    cases: [...timers, ...connections, ...logs],
  },
  ...drains,
];
