// Differential cases: the HTTP/1.1 codec on both sides of the proxy, its options and its upgrades.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, direct, http, route } from '../config.ts';
import { chunk, get, head, lastChunk, post, request, response } from '../messages.ts';
import { keepAliveCases, requestBodyCases } from './http1-requests.ts';
import { responseCases } from './http1-responses.ts';

const http10: readonly Case[] = [
  { name: '1.0 refused by default', send: 'GET / HTTP/1.0\r\nhost: test.example\r\n\r\n' },
  { name: '1.0 accepted', to: 'http10', send: 'GET / HTTP/1.0\r\nhost: test.example\r\n\r\n' },
  {
    name: '1.0 accepted, keep-alive',
    to: 'http10',
    send: [
      'GET / HTTP/1.0\r\nhost: test.example\r\nconnection: keep-alive\r\n\r\n',
      { read: 1 },
      'GET /2 HTTP/1.0\r\nhost: test.example\r\n\r\n',
      { read: 2 },
    ],
  },
  { name: '1.0 accepted, without host', to: 'http10', send: 'GET / HTTP/1.0\r\n\r\n' },
  { name: '1.0 accepted, without host and default', to: 'http10-no-default', send: 'GET / HTTP/1.0\r\n\r\n' },
  {
    name: '1.0 accepted, chunked response',
    to: 'http10',
    send: 'GET / HTTP/1.0\r\nhost: test.example\r\n\r\n',
    upstream: [[head(200, 'transfer-encoding: chunked'), chunk('hello'), lastChunk()]],
  },
  {
    name: '1.0 accepted, keep-alive and chunked response',
    to: 'http10',
    send: 'GET / HTTP/1.0\r\nhost: test.example\r\nconnection: keep-alive\r\n\r\n',
    upstream: [[head(200, 'transfer-encoding: chunked'), chunk('hello'), lastChunk()]],
  },
  {
    name: '1.0 accepted, post',
    to: 'http10',
    send: 'POST / HTTP/1.0\r\nhost: test.example\r\ncontent-length: 3\r\n\r\nabc',
  },
  {
    name: '1.0 accepted, chunked request',
    to: 'http10',
    send: 'POST / HTTP/1.0\r\nhost: test.example\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
  },
  {
    name: '1.0 accepted, expect 100',
    to: 'http10',
    send: 'POST / HTTP/1.0\r\nhost: test.example\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc',
  },
  {
    name: '1.0 accepted, interim response from upstream',
    to: 'http10',
    send: 'GET / HTTP/1.0\r\nhost: test.example\r\n\r\n',
    upstream: [['HTTP/1.1 103 Early Hints\r\n\r\n', response(200, 'x')]],
  },
  { name: '1.1 on the 1.0 listener', to: 'http10', send: get('/') },
];

const websocket = [
  'connection: Upgrade',
  'upgrade: websocket',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version: 13',
];
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: x\r\n\r\n';

const upgrades: readonly Case[] = [
  { name: 'websocket not allowed', send: get('/', ...websocket) },
  {
    name: 'websocket allowed',
    to: 'upgrade',
    send: [get('/ws', ...websocket), { readHead: 1 }, 'hello', { readBytes: 5 }, 'half-close', 'read-close'],
    upstream: [[switching, { echo: true }]],
  },
  {
    name: 'websocket allowed, data sent with the head',
    to: 'upgrade',
    send: [get('/ws', ...websocket) + 'early', { readHead: 1 }, { readBytes: 5 }],
    upstream: [[switching, { echo: true }]],
  },
  {
    name: 'websocket allowed, upstream closes',
    to: 'upgrade',
    send: [get('/ws', ...websocket), { readHead: 1 }, 'read-close'],
    upstream: [[switching, 'bye', { wait: 10 }, 'fin']],
  },
  {
    name: 'websocket allowed, upstream refuses',
    to: 'upgrade',
    send: [get('/ws', ...websocket), { read: 1 }],
    upstream: [response(403, 'no')],
  },
  {
    name: 'websocket allowed, upstream answers 200',
    to: 'upgrade',
    send: [get('/ws', ...websocket), { read: 1 }],
    upstream: [response(200, 'plain')],
  },
  {
    name: 'websocket allowed, upstream answers without a length',
    to: 'upgrade',
    send: [get('/ws', ...websocket), { read: 1 }],
    upstream: [[head(200), 'plain', 'fin']],
  },
  { name: 'websocket allowed, plain request', to: 'upgrade', send: get('/plain') },
  {
    name: 'websocket upper case token',
    to: 'upgrade',
    send: [get('/ws', 'connection: keep-alive, UPGRADE', 'upgrade: WebSocket'), { readHead: 1 }, 'x', { readBytes: 1 }],
    upstream: [[switching, { echo: true }]],
  },
  { name: 'upgrade without connection header', to: 'upgrade', send: get('/ws', 'upgrade: websocket') },
  { name: 'another upgrade type', to: 'upgrade', send: get('/ws', 'connection: upgrade', 'upgrade: foo') },
  { name: 'websocket disabled on the route', to: 'upgrade', send: get('/off', ...websocket) },
  {
    name: 'websocket enabled on the route only',
    to: 'upgrade-route',
    send: [get('/on', ...websocket), { readHead: 1 }, 'x', { readBytes: 1 }],
    upstream: [[switching, { echo: true }]],
  },
  { name: 'websocket not enabled on the other route', to: 'upgrade-route', send: get('/off', ...websocket) },
  { name: 'websocket to a direct response', to: 'upgrade', send: get('/direct', ...websocket) },
  {
    name: 'websocket post with length',
    to: 'upgrade',
    send: [request('POST', '/ws', [...websocket, 'content-length: 3'], 'abc'), { readHead: 1 }],
    upstream: [[switching, { echo: true }]],
  },
  {
    name: 'h2c upgrade is ignored',
    send: get('/', 'connection: Upgrade, HTTP2-Settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAARAAAAAAAIAAAAA'),
  },
  {
    name: 'h2c upgrade on the upgrade listener',
    to: 'upgrade',
    send: get('/', 'connection: Upgrade, HTTP2-Settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAARAAAAAAAIAAAAA'),
  },
  {
    name: 'http2-settings in connection only',
    send: get('/', 'connection: HTTP2-Settings', 'http2-settings: AAMAAABkAARAAAAAAAIAAAAA'),
  },
  { name: 'upgrade to TLS is refused', send: get('/', 'connection: upgrade', 'upgrade: TLS/1.2') },
  {
    name: 'connect upgrade configured without connect matcher',
    to: 'upgrade',
    send: 'CONNECT test.example:443 HTTP/1.1\r\nhost: test.example:443\r\n\r\n',
  },
];

const limits: readonly Case[] = [
  { name: 'max_request_headers_kb, under', to: 'limits', send: get('/', `x-big: ${'v'.repeat(900)}`) },
  { name: 'max_request_headers_kb, over', to: 'limits', send: get('/', `x-big: ${'v'.repeat(1100)}`) },
  { name: 'max_request_headers_kb, long path', to: 'limits', send: get(`/${'p'.repeat(1100)}`) },
  {
    name: 'max_headers_count, equal',
    to: 'limits',
    send: get('/', ...Array.from({ length: 9 }, (_, i) => `x-${i}: v`)),
  },
  {
    name: 'max_headers_count, over',
    to: 'limits',
    send: get('/', ...Array.from({ length: 10 }, (_, i) => `x-${i}: v`)),
  },
  {
    name: 'limits, second request over',
    to: 'limits',
    send: [get('/1'), { read: 1 }, get('/2', `x-big: ${'v'.repeat(1100)}`), { read: 2 }],
  },
  { name: 'underscores rejected', to: 'underscore-reject', send: get('/', 'x_a: 1') },
  { name: 'underscores dropped', to: 'underscore-drop', send: get('/', 'x_a: 1', 'x-b: 2') },
  {
    name: 'underscores rejected on a keep-alive connection',
    to: 'underscore-reject',
    send: [get('/1'), { read: 1 }, get('/2', 'x_a: 1'), { read: 2 }],
  },
  {
    name: 'preserve case',
    to: 'preserve-case',
    send: get('/', 'X-Custom-Header: v', 'x-lower: v', 'USER-AGENT: z'),
    upstream: [response(200, 'x', 'X-Response-Header: v', 'x-lower: w')],
  },
  {
    name: 'preserve case, repeated header',
    to: 'preserve-case',
    send: get('/', 'X-Rep: 1', 'x-rep: 2'),
    upstream: [response(200, 'x', 'Set-Cookie: a', 'set-cookie: b')],
  },
  {
    name: 'proper case',
    to: 'proper-case',
    send: get('/', 'x-custom-header: v', 'X-OTHER: v'),
    upstream: [response(200, 'x', 'x-response-header: v')],
  },
  { name: 'allow_absolute_url false', to: 'no-absolute', send: request('GET', 'http://other.example/path') },
  {
    name: 'allow_chunked_length',
    to: 'chunked-length',
    send: request('POST', '/', ['content-length: 3', 'transfer-encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
  },
  { name: 'buffered body over the limit of the router', to: 'small-buffer', send: post('/retry', 'x'.repeat(3000)) },
  { name: 'max request bytes under the limit', to: 'small-buffer', send: post('/retry', 'x'.repeat(500)) },
  {
    name: 'upstream max_response_headers_kb over',
    send: get('/small/'),
    upstream: { small: [response(200, 'x', `x-big: ${'v'.repeat(1100)}`)] },
  },
  {
    name: 'upstream max_headers_count over',
    send: get('/small/'),
    upstream: { small: [response(200, 'x', ...Array.from({ length: 12 }, (_, i) => `x-${i}: v`))] },
  },
];

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const PRESERVE = {
  stateful_formatter: {
    name: 'preserve_case',
    typed_config: any('envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig'),
  },
};

function upstreamOptions(http1: object, common: object = {}): Readonly<Record<string, unknown>> {
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(HTTP_OPTIONS, {
        common_http_protocol_options: common,
        explicit_http_config: { http_protocol_options: http1 },
      }),
    },
  };
}

const config = bootstrap({
  listeners: [
    http({ name: 'main', routes: [route('/small/', 'small'), route('/', 'a')] }),
    http({
      name: 'trailers',
      routes: [route('/', 'trailers')],
      hcm: { http_protocol_options: { enable_trailers: true } },
    }),
    http({ name: 'continue', hcm: { proxy_100_continue: true } }),
    http({ name: 'direct', routes: [direct({ prefix: '/direct' }, 200, 'local'), route('/a/', 'a')] }),
    http({
      name: 'http10',
      hcm: { http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'default.example' } },
    }),
    http({ name: 'http10-no-default', hcm: { http_protocol_options: { accept_http_10: true } } }),
    http({
      name: 'upgrade',
      routes: [
        route('/off', 'a', { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] }),
        direct({ prefix: '/direct' }, 200, 'direct'),
        route('/', 'a'),
      ],
      hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
    }),
    http({
      name: 'upgrade-route',
      routes: [route('/on', 'a', { upgrade_configs: [{ upgrade_type: 'websocket' }] }), route('/', 'a')],
    }),
    http({
      name: 'limits',
      hcm: { max_request_headers_kb: 1, common_http_protocol_options: { max_headers_count: 10 } },
    }),
    http({
      name: 'underscore-reject',
      hcm: { common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' } },
    }),
    http({
      name: 'underscore-drop',
      hcm: { common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' } },
    }),
    http({
      name: 'preserve-case',
      routes: [route('/', 'preserve')],
      hcm: { http_protocol_options: { header_key_format: PRESERVE } },
    }),
    http({
      name: 'proper-case',
      routes: [route('/', 'proper')],
      hcm: { http_protocol_options: { header_key_format: { proper_case_words: {} } } },
    }),
    http({ name: 'no-absolute', hcm: { http_protocol_options: { allow_absolute_url: false } } }),
    http({ name: 'chunked-length', hcm: { http_protocol_options: { allow_chunked_length: true } } }),
    http({
      name: 'small-buffer',
      routes: [route('/retry', 'a', { retry_policy: { retry_on: '5xx' } })],
      listener: { per_connection_buffer_limit_bytes: 1024 },
    }),
  ],
  clusters: [
    cluster('a'),
    cluster('trailers', ['a'], upstreamOptions({ enable_trailers: true })),
    cluster('preserve', ['a'], upstreamOptions({ header_key_format: PRESERVE })),
    cluster('proper', ['a'], upstreamOptions({ header_key_format: { proper_case_words: {} } })),
    cluster('small', ['small'], upstreamOptions({}, { max_response_headers_kb: 1, max_headers_count: 10 })),
  ],
});

export const http1Groups: readonly Group[] = [
  { name: 'http1 requests', config, cases: [...keepAliveCases, ...requestBodyCases] },
  { name: 'http1 responses', config, cases: responseCases },
  { name: 'http1 options', config, cases: [...http10, ...upgrades, ...limits] },
];
