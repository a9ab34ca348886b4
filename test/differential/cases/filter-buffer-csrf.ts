// Differential cases: the filters buffer and csrf.
import type { Case, Group, Observation } from '../case.ts';
import { any, bootstrap, cluster, type Fields, filter, http, route, textLog } from '../config.ts';
import { chunk, chunked, get, lastChunk, post, request, response } from '../messages.ts';

const BUFFER = 'envoy.extensions.filters.http.buffer.v3.Buffer';
const BUFFER_ROUTE = 'envoy.extensions.filters.http.buffer.v3.BufferPerRoute';
const CSRF = 'envoy.extensions.filters.http.csrf.v3.CsrfPolicy';
const BUFFER_NAME = 'envoy.filters.http.buffer';
const CSRF_NAME = 'envoy.filters.http.csrf';

const per = (prefix: string, name: string, type: string, config: Fields): Fields =>
  route(prefix, 'a', {}, { typed_per_filter_config: { [name]: any(type, config) } });
const ALL = { default_value: { numerator: 100 } };
const NONE = { default_value: { numerator: 0 } };

const bufferListener = http({
  name: 'buffer',
  log: [textLog('code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% host=%UPSTREAM_HOST%\n')],
  filters: [filter(BUFFER_NAME, BUFFER, { max_request_bytes: 20 })],
  hcm: { http_protocol_options: { enable_trailers: true } },
  routes: [
    per('/disabled', BUFFER_NAME, BUFFER_ROUTE, { disabled: true }),
    per('/large', BUFFER_NAME, BUFFER_ROUTE, { buffer: { max_request_bytes: 100 } }),
    per('/small', BUFFER_NAME, BUFFER_ROUTE, { buffer: { max_request_bytes: 5 } }),
    route('/', 'a'),
  ],
});
/** Without how the connection ends: what a client still sends into it may reset it. */
function unfated({ clients, ...rest }: Observation): unknown {
  return { ...rest, responses: clients.map((client) => client.responses) };
}
const ten = '0123456789';
const bufferCases: readonly Case[] = ['/plain', '/disabled', '/large', '/small']
  .flatMap((path): Case[] => [
    { name: `buffer ${path} no body`, send: get(path) },
    { name: `buffer ${path} 4 bytes`, send: post(path, 'four') },
    { name: `buffer ${path} 10 bytes`, send: post(path, ten) },
    { name: `buffer ${path} 20 bytes`, send: post(path, ten + ten) },
    { name: `buffer ${path} 21 bytes`, send: post(path, `${ten}${ten}x`) },
    { name: `buffer ${path} 3 chunks`, send: chunked(path, ['a', 'b', 'c']) },
    { name: `buffer ${path} chunks and trailers`, send: chunked(path, ['a', 'b'], [], ['x-t: 1']) },
    { name: `buffer ${path} no chunks but trailers`, send: chunked(path, [], [], ['x-t: 1']) },
    { name: `buffer ${path} no chunks`, send: chunked(path, []) },
    { name: `buffer ${path} chunks over the limit`, send: chunked(path, [ten, ten, ten]) },
    {
      name: `buffer ${path} pieces`,
      send: [
        request('POST', path, ['transfer-encoding: chunked']),
        chunk('one'),
        { wait: 20 },
        chunk('two'),
        { wait: 20 },
        lastChunk(),
        { read: 1 },
      ],
    },
    {
      name: `buffer ${path} pieces over the limit`,
      send: [
        request('POST', path, ['transfer-encoding: chunked']),
        chunk(ten),
        { wait: 20 },
        chunk(`${ten}abcdefgh`),
        { wait: 20 },
        chunk(ten),
        { read: 1 },
      ],
    },
  ])
  .map((test) => ({ ...test, to: 'buffer', view: unfated }));

const csrfListener = http({
  name: 'csrf',
  filters: [filter(CSRF_NAME, CSRF, { filter_enabled: ALL })],
  routes: [
    per('/off', CSRF_NAME, CSRF, { filter_enabled: NONE }),
    per('/shadow', CSRF_NAME, CSRF, { filter_enabled: NONE, shadow_enabled: ALL }),
    per('/both', CSRF_NAME, CSRF, { filter_enabled: ALL, shadow_enabled: ALL }),
    per('/more', CSRF_NAME, CSRF, {
      filter_enabled: ALL,
      additional_origins: [{ exact: 'other.example' }, { suffix: '.trusted.example:8443' }],
    }),
    { match: { prefix: '/direct' }, direct_response: { status: 200 } },
    route('/', 'a'),
  ],
});
const origins: readonly string[] = [
  'origin: http://test.example',
  'origin: https://test.example',
  'origin: http://test.example:80',
  'origin: http://test.example/path?q#f',
  'origin: http://user@test.example',
  'origin: http://evil.example',
  'origin: test.example',
  'origin: null',
  'origin:',
  'origin: http://',
  'origin: HTTP://TEST.example',
  'origin: ftp://test.example',
  'origin: http://other.example',
  'origin: https://a.trusted.example:8443',
  'referer: http://test.example/page',
  'referer: http://evil.example/page',
  'referer: http://test.example?x',
  'x-none: 1',
];
const csrfCases: readonly Case[] = [
  ...origins.flatMap((origin) =>
    ['/plain', '/more'].map(
      (path): Case => ({
        name: `csrf POST ${path} ${origin}`,
        send: request('POST', path, [origin, 'content-length: 0']),
      }),
    ),
  ),
  ...['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'post', 'X'].map(
    (method): Case => ({ name: `csrf method ${method}`, send: request(method, '/x', ['origin: http://evil.example']) }),
  ),
  ...['/off', '/shadow', '/both', '/direct'].flatMap((path) =>
    ['origin: http://evil.example', 'origin: http://test.example', 'x-none: 1'].map(
      (origin): Case => ({
        name: `csrf ${path} ${origin}`,
        send: request('POST', path, [origin, 'content-length: 0']),
      }),
    ),
  ),
  {
    name: 'csrf origin and referer',
    send: request('POST', '/', ['origin: http://evil.example', 'referer: http://test.example/']),
  },
  { name: 'csrf empty origin and referer', send: request('POST', '/', ['origin:', 'referer: http://test.example/']) },
  {
    name: 'csrf two origins',
    send: request('POST', '/', ['origin: http://test.example', 'origin: http://evil.example']),
  },
  {
    name: 'csrf host with a port',
    send: request('POST', '/', ['host: test.example:81', 'origin: http://test.example:81']),
  },
  { name: 'csrf host in capitals', send: request('POST', '/', ['host: Test.Example', 'origin: http://test.example']) },
  { name: 'csrf grpc', send: request('POST', '/', ['content-type: application/grpc', 'origin: http://evil.example']) },
  { name: 'csrf names', send: get('/'), admin: ['GET /stats?filter=http.csrf.csrf'] },
].map((test): Case => ({ ...test, to: 'csrf', stats: ['csrf\\.'] }));

const config = bootstrap({ listeners: [bufferListener, csrfListener], clusters: [cluster('a')] });
const quick = (cases: readonly Case[]): readonly Case[] =>
  cases.map((test) => ({ probeMs: 5, upstream: [response(200, 'ok')], ...test }));

export const bufferCsrfGroups: readonly Group[] = [
  { name: 'filter buffer', config, cases: quick(bufferCases) },
  { name: 'filter csrf', config, cases: quick(csrfCases) },
];
