// Differential cases: options of HTTP/1 on both sides, what ends a connection, and how broken messages end.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, http, route } from '../config.ts';
import { get, head, post, request, response } from '../messages.ts';

const PRESERVE = 'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';

function preserving(fields: Fields): Fields {
  return {
    header_key_format: {
      stateful_formatter: { name: 'preserve_case', typed_config: any(PRESERVE, fields) },
    },
  };
}

function http1Cluster(name: string, options: Fields, common: Fields = {}): Fields {
  return cluster(name, ['a'], {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        { common_http_protocol_options: common, explicit_http_config: { http_protocol_options: options } },
      ),
    },
  });
}

const ROUTES = [
  route('/full', 'full'),
  route('/preserve', 'preserve'),
  route('/reason', 'reason'),
  route('/envoy-names', 'envoy-names'),
  direct({ prefix: '/direct' }, 200, 'd'),
  { match: { prefix: '/redirect' }, redirect: { path_redirect: '/to' } },
  route('/refused', 'refused'),
  route('/rewrite', 'full', { prefix_rewrite: '/new', host_rewrite_literal: 'other.example' }),
  route('/tolerant', 'tolerant'),
  route('/strict', 'strict'),
  route('/', 'a'),
];

function listener(name: string, http1: Fields, hcm: Fields = {}): Fields {
  return http({
    name,
    routes: ROUTES,
    hcm: { http_protocol_options: http1, upgrade_configs: [{ upgrade_type: 'websocket' }], ...hcm },
  });
}

const listeners: readonly Fields[] = [
  listener('main', {}),
  listener(
    'ignores',
    { ignore_http_11_upgrade: [{ prefix: 'TLS/' }, { exact: 'h2c' }, { suffix: 'x', ignore_case: true }] },
    { upgrade_configs: ['websocket', 'a,b', 'a, b', 'b,a'].map((upgrade_type) => ({ upgrade_type })) },
  ),
  listener('preserve', preserving({})),
  listener('reason', preserving({ forward_reason_phrase: true })),
  listener('envoy-default', preserving({ formatter_type_on_envoy_headers: 'DEFAULT' })),
  listener('envoy-proper', preserving({ formatter_type_on_envoy_headers: 'PROPER_CASE' })),
  listener('proper', { header_key_format: { proper_case_words: {} } }),
  listener('stream-error', {}, { stream_error_on_invalid_http_message: true }),
  listener('stream-error-over', { override_stream_error_on_invalid_http_message: true }),
  listener(
    'stream-error-not',
    { override_stream_error_on_invalid_http_message: false },
    { stream_error_on_invalid_http_message: true },
  ),
  listener('overload', {}, { append_local_overload: true }),
  listener('resolution', {}, { record_route_resolution_stats: true }),
];

const odd = request('GET', '/', [
  'X-CamelCase: Value',
  'X-Forwarded-Proto: http',
  'x_under: 1',
  'ACCEPT: a',
  'accept: b',
]);
const oddAnswer = 'HTTP/1.1 200 Very Fine\r\nX-Answer-CASE: v\r\nSERVER: own\r\ncontent-LENGTH: 2\r\n\r\nok';

const spellingCases: readonly Case[] = [
  ...['main', 'preserve', 'reason', 'envoy-default', 'envoy-proper', 'proper'].flatMap((to): Case[] => [
    { name: `${to}: request and answer`, to, send: odd, upstream: [oddAnswer] },
    { name: `${to}: answer without reason`, to, send: odd, upstream: ['HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok'] },
    {
      name: `${to}: unknown status`,
      to,
      send: odd,
      upstream: ['HTTP/1.1 299 Strange And Long\r\nContent-Length: 0\r\n\r\n'],
    },
    { name: `${to}: local answer`, to, send: get('/direct') },
    { name: `${to}: local failure`, to, send: get('/refused') },
    { name: `${to}: a broken request`, to, send: 'GET / HTTP/1.1\r\nbad header: x\r\n\r\n' },
  ]),
  ...['/preserve', '/reason', '/envoy-names'].flatMap((path): Case[] => [
    ...['main', 'preserve', 'reason', 'envoy-proper'].map(
      (to): Case => ({
        name: `${to} to ${path}: request and answer`,
        to,
        send: odd.replace('GET /', `GET ${path}`),
        upstream: [oddAnswer],
      }),
    ),
  ]),
].map(
  (test): Case => ({
    ...test,
    view: ({ clients, upstream, log }) => ({
      answers: clients.map(({ responses, fate }) => [
        responses.map(({ line, headers, body }) => [line, headers, body]),
        fate,
      ]),
      forwarded: Object.values(upstream).map((seen) => seen.map(({ line, headers }) => [line, headers])),
      log,
    }),
  }),
);

const urlCases: readonly Case[] = [
  { name: 'full: origin form', send: get('/full/x?y=1') },
  { name: 'full: absolute form', send: get('http://given.example/full?z') },
  { name: 'full: forwarded as https', send: get('/full', 'x-forwarded-proto: https') },
  { name: 'full: rewritten', send: get('/rewrite/x') },
  { name: 'full: OPTIONS *', send: request('OPTIONS', '*') },
  {
    name: 'full: websocket',
    send: get('/full', 'connection: upgrade', 'upgrade: websocket'),
    upstream: [head('101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket')],
  },
  { name: 'full: post', send: post('/full', 'body') },
  { name: 'full: host with a port', send: get('/full', 'host: h.example:8080') },
  { name: 'full: empty host', send: request('GET', '/full', ['host:']) },
];

const UPGRADES = [
  'a, TLS/1.2, b',
  'b,a',
  'TLS/1.2',
  'tls/1.2',
  'TLS/1.2, websocket',
  'websocket, TLS/1.2',
  'h2c',
  'H2C',
  'fooX',
  'websocket',
  'foo',
  'TLS/1.2, h2c',
  ' h2c ',
  'h2c,h2c',
  'h2c, foo',
];
const upgradeCases: readonly Case[] = UPGRADES.flatMap((name): Case[] => [
  {
    name: `ignores: ${name}`,
    to: 'ignores',
    send: get('/', 'connection: upgrade', `upgrade: ${name}`),
    upstream: [response(200, 'x')],
  },
  {
    name: `ignores: ${name}, among other connection options`,
    to: 'ignores',
    send: get(
      '/',
      'connection: keep-alive, Upgrade, http2-settings',
      `upgrade: ${name}`,
      'http2-settings: AAMAAABkAARAAAAAAAIAAAAA',
    ),
    upstream: [response(200, 'x')],
  },
]);

const BROKEN: readonly [string, string][] = [
  ['bad header', 'GET / HTTP/1.1\r\nbad header: x\r\n\r\n'],
  ['no host', 'GET / HTTP/1.1\r\n\r\n'],
  ['bad authority', request('GET', '/', ['host: a b'])],
  ['both lengths', request('POST', '/', ['content-length: 3', 'transfer-encoding: chunked'], '0\r\n\r\n')],
  ['bad chunk', request('POST', '/', ['transfer-encoding: chunked'], 'zz\r\n')],
  ['fragment', get('/#f')],
  ['unsupported coding', request('POST', '/', ['transfer-encoding: gzip'])],
  ['underscore in method', request('G_T', '/')],
  ['relative path', request('OPTIONS', '*')],
];
/** Whether a client that goes on gets FIN or RST is a matter of who reads what it sent. */
const withoutFate: NonNullable<Case['view']> = ({ clients, upstream, log, stats }) => ({
  answers: clients.map(({ responses }) => responses),
  ...{ upstream, log, stats },
});
const brokenCases: readonly Case[] = ['main', 'stream-error', 'stream-error-over', 'stream-error-not'].flatMap((to) =>
  BROKEN.map(
    ([name, bytes]): Case => ({
      name: `${to}: ${name}, then another`,
      to,
      send: [bytes, { read: 1 }, get('/after'), { read: 2 }],
      timeoutMs: 250,
      view: withoutFate,
    }),
  ),
);
const answerCases: readonly Case[] = ['/tolerant', '/strict'].flatMap((path): Case[] => [
  {
    name: `${path}: bad answer, then another`,
    send: [get(path), { read: 1 }, get(path), { read: 2 }],
    upstream: ['HTTP/1.1 200 OK\r\nbad header: 1\r\n\r\n', response(200, 'ok')],
  },
  {
    name: `${path}: two lengths in the answer`,
    send: [get(path), { read: 1 }, get(path), { read: 2 }],
    upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx', response(200, 'ok')],
  },
]);

// ── ends of connections ──
const lasting = (name: string, common: Fields, hcm: Fields = {}): Fields =>
  http({ name, routes: ROUTES, hcm: { common_http_protocol_options: common, ...hcm } });
const timeListeners: readonly Fields[] = [
  http({ name: 'main' }),
  lasting(
    'safe',
    { max_connection_duration: '0.2s' },
    { http1_safe_max_connection_duration: true, drain_timeout: '0.1s' },
  ),
  lasting('unsafe', { max_connection_duration: '0.2s' }, { drain_timeout: '0.1s' }),
  lasting(
    'safe-jitter',
    { max_connection_duration: '0.2s', max_connection_duration_jitter: { value: 0 } },
    { http1_safe_max_connection_duration: true, drain_timeout: '0.1s' },
  ),
  lasting(
    'drain-jitter',
    { max_connection_duration: '0.2s' },
    { drain_timeout: '0.1s', drain_timeout_jitter: { value: 0 } },
  ),
  lasting(
    'safe-idle',
    { max_connection_duration: '0.15s', idle_timeout: '0.4s' },
    { http1_safe_max_connection_duration: true, drain_timeout: '0.1s' },
  ),
  http({
    name: 'flush',
    routes: ROUTES,
    hcm: { stream_flush_timeout: '0.2s' },
    listener: { per_connection_buffer_limit_bytes: 4096 },
  }),
];
const timeCases: readonly Case[] = [
  {
    name: 'safe: idle, then a request',
    to: 'safe',
    send: [get('/1'), { read: 1 }, { wait: 350 }, get('/2'), { read: 2 }, 'read-close'],
  },
  { name: 'safe: never a request', to: 'safe', send: [{ wait: 350 }, get('/1'), { read: 1 }] },
  {
    name: 'safe: during a request',
    to: 'safe',
    send: [get('/1'), { read: 1 }],
    upstream: [[{ wait: 350 }, response(200, 'x')]],
  },
  {
    name: 'safe: two pipelined',
    to: 'safe',
    send: [get('/1'), { read: 1 }, { wait: 350 }, get('/2') + get('/3'), { read: 3 }],
    timeoutMs: 900,
  },
  {
    name: 'safe: idle for long',
    to: 'safe',
    send: [get('/1'), { read: 1 }, 'read-close'],
    timeoutMs: 600,
    admin: ['GET /stats?filter=soft_drain'],
  },
  {
    name: 'safe-idle: the idle timeout still counts',
    to: 'safe-idle',
    send: [get('/1'), { read: 1 }, 'read-close'],
    timeoutMs: 1500,
  },
  { name: 'unsafe: idle', to: 'unsafe', send: [get('/1'), { read: 1 }, 'read-close'] },
  {
    name: 'safe-jitter: idle, then a request',
    to: 'safe-jitter',
    send: [get('/1'), { read: 1 }, { wait: 350 }, get('/2'), { read: 2 }, 'read-close'],
  },
  { name: 'drain-jitter: idle', to: 'drain-jitter', send: [get('/1'), { read: 1 }, 'read-close'] },
].map((test): Case => ({ elapsedToleranceMs: 250, stats: ['soft_drain', 'max_duration'], ...test }) as Case);

const quick = (cases: readonly Case[]): Case[] => cases.map((test): Case => ({ probeMs: 5, ...test }));

const clusters = [
  cluster('a'),
  cluster('refused', ['free.refused']),
  http1Cluster('full', { send_fully_qualified_url: true }),
  http1Cluster('preserve', preserving({})),
  http1Cluster('reason', preserving({ forward_reason_phrase: true })),
  http1Cluster('envoy-names', preserving({ formatter_type_on_envoy_headers: 'PROPER_CASE' })),
  http1Cluster('tolerant', { override_stream_error_on_invalid_http_message: true }),
  http1Cluster('strict', { override_stream_error_on_invalid_http_message: false }),
];
const config = bootstrap({ listeners, clusters });

export const hcmHttp1Groups: readonly Group[] = [
  { name: 'hcm spelling', config, cases: quick(spellingCases) },
  { name: 'hcm full url', config, cases: quick(urlCases) },
  { name: 'hcm ignored upgrades', config, cases: quick(upgradeCases) },
  { name: 'hcm broken messages', config, cases: [...brokenCases, ...answerCases] },
  {
    name: 'hcm counters',
    config: bootstrap({ listeners, clusters, around: { stats_flush_interval: '0.1s' } }),
    cases: quick([
      { name: 'append_local_overload without overload', to: 'overload', send: get('/refused') },
      {
        name: 'route resolution',
        to: 'resolution',
        send: get('/direct'),
        settleMs: 800,
        admin: ['GET /stats?filter=http.*route_resolutions'],
        // Whether the last interval has values is a matter of when it ended.
        view: ({ admin, log }) => [log, Object.values(admin ?? {}).map(({ body }) => body.replace(/\([^,]*,/g, '('))],
      },
    ]),
  },
  { name: 'hcm ends', config: bootstrap({ listeners: timeListeners, clusters }), cases: timeCases },
];
