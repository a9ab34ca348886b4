// Differential cases: the filter grpc_web over HTTP/1.1, alone and beside cors and grpc_stats.
import type { Case, Group, Reply } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter, http, route, textLog } from '../config.ts';
import { chunk, chunked, get, head, lastChunk, request, response } from '../messages.ts';
import { answer, base64, message, ok, trailersOnly, typed } from './grpc-messages.ts';
import { trailersDownstream, trailersUpstream } from './grpc-stats.ts';

const WEB = filter('envoy.filters.http.grpc_web', 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb');
const STATS = filter('envoy.filters.http.grpc_stats', 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig', {
  stats_for_all_methods: true,
  emit_filter_state: true,
});
const CORS = filter('envoy.filters.http.cors', 'envoy.extensions.filters.http.cors.v3.Cors');
const LOG =
  'grpc=%GRPC_STATUS% code=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% flags=%RESPONSE_FLAGS% ' +
  'rx=%BYTES_RECEIVED% tx=%BYTES_SENT% type=%REQ(CONTENT-TYPE)% ' +
  'counts=%FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)% status=%TRAILER(GRPC-STATUS)%\n';
const CORS_POLICY: Fields = {
  allow_origin_string_match: [{ exact: 'https://app.example' }],
  allow_methods: 'POST',
  allow_headers: 'content-type, x-grpc-web, x-user-agent, grpc-timeout',
  expose_headers: 'grpc-status, grpc-message',
};

function listener(name: string, filters: readonly Fields[], around: Fields = {}): Fields {
  return http({
    name,
    filters,
    routes: [
      direct({ prefix: '/local' }, 403, 'no ~ way\n'),
      route('/refused/', 'refused'),
      route('/late/', 'a', { timeout: '0.2s' }),
      route('/retry/', 'a', { retry_policy: { retry_on: 'unavailable,5xx', num_retries: 2 } }),
      { match: { prefix: '/grpc/', grpc: {} }, route: { cluster: 'b' } },
      route(
        '/',
        'a',
        {},
        {
          typed_per_filter_config: {
            'envoy.filters.http.cors': any('envoy.extensions.filters.http.cors.v3.CorsPolicy', CORS_POLICY),
          },
        },
      ),
    ],
    hcm: trailersDownstream,
    log: [textLog(LOG)],
    listener: around,
  });
}

const config = bootstrap({
  listeners: [
    listener('web', [CORS, WEB]),
    listener('counted', [WEB, STATS]),
    listener('small', [WEB], { per_connection_buffer_limit_bytes: 1000 }),
  ],
  clusters: [
    cluster('a', ['a'], trailersUpstream),
    cluster('b', ['b'], trailersUpstream),
    cluster('refused', ['free.refused'], trailersUpstream),
  ],
});

const PATH = '/pkg.Service/Method';
const BINARY = 'application/grpc-web+proto';
const TEXT = 'application/grpc-web-text+proto';
const ACCEPT_TEXT = `accept: ${TEXT}`;
const PING = message('ping');
const PONG = ok(message('pong'));

function seen(name: string, send: Case['send'], upstream: readonly Reply[] = [PONG], more: Partial<Case> = {}): Case {
  const sent = send === undefined ? {} : { send };
  return {
    name,
    to: 'web',
    ...sent,
    upstream,
    stats: ['^cluster\\.[^.]+\\.grpc'],
    probeMs: 5,
    timeoutMs: 1500,
    ...more,
  };
}

function binary(name: string, upstream: Reply, ...headers: string[]): Case {
  return seen(`binary: ${name}`, typed(BINARY, PATH, PING, ...headers), [upstream]);
}

function text(name: string, upstream: Reply, ...headers: string[]): Case {
  return seen(`text: ${name}`, typed(TEXT, PATH, base64(PING), ACCEPT_TEXT, ...headers), [upstream]);
}

const types: readonly Case[] = [
  'application/grpc-web',
  BINARY,
  'application/grpc-web-text',
  TEXT,
  'application/grpc-web+json',
  'application/grpc-web;charset=utf-8',
  'application/grpc-web+proto; charset=utf-8',
  'Application/grpc-web',
  'application/grpc-webx',
  'application/grpc',
  'text/plain',
].flatMap((type) => [
  seen(`request of ${type}`, typed(type, PATH, type.includes('text+') || type.endsWith('-text') ? base64(PING) : PING)),
  seen(`accepts ${type}`, typed(BINARY, PATH, PING, `accept: ${type}`)),
]);

const answers: readonly Case[] = [binary, text].flatMap((make) => [
  make('a call', PONG),
  make(
    'as grpc-web calls',
    PONG,
    'x-grpc-web: 1',
    'x-user-agent: grpc-web-javascript/0.1',
    'origin: https://app.example',
  ),
  make('a failed call', answer([], ['grpc-status: 5', 'grpc-message: not%20here'])),
  make(
    'more trailers',
    answer([message('a'), message('b')], ['grpc-status: 0', 'x-One: 1', 'x-one: 2', 'x-bin: AAE=', 'x-empty:']),
  ),
  make('trailers only', trailersOnly(16, 'grpc-message: who')),
  make('trailers only with another code', head(503, 'grpc-status: 14', 'content-length: 0')),
  make('no trailers', response(200, message('pong'), 'content-type: application/grpc')),
  make('trailers without messages', answer([], ['grpc-status: 0'])),
  make('empty message', ok(message(''))),
  make('a response with a format', response(200, message('pong'), 'content-type: application/grpc+proto')),
  make(
    'an upstream that speaks gRPC-Web',
    response(
      200,
      message('pong') + message('grpc-status:0\r\n', 0x80),
      'content-type: application/grpc-web+proto; charset=utf-8',
    ),
  ),
  make('HTTP failure with a body', response(503, 'the upstream is ~100% down\n')),
  make('HTTP failure without a body', response(404)),
  make('HTTP success that is no gRPC', response(200, '<html>\xe9</html>', 'content-type: text/html')),
  make('HTTP failure in pieces', head(500, 'transfer-encoding: chunked') + chunk('one ') + chunk('two') + lastChunk()),
  make('HTTP failure with trailers', head(500, 'transfer-encoding: chunked') + chunk('one') + lastChunk(['x-t: 1'])),
  make('HTTP failure with trailers alone', head(500, 'transfer-encoding: chunked') + lastChunk(['x-t: 1'])),
  make('HTTP failure with a large body', response(500, 'x'.repeat(40_000))),
  make(
    'HTTP failure with a large chunked body',
    head(500, 'transfer-encoding: chunked') + chunk('y'.repeat(20_000)) + chunk('z'.repeat(20_000)) + lastChunk(),
  ),
  make('HTTP failure with a status of gRPC', response(503, 'x', 'grpc-status: 8')),
  make(
    'headers that the response has',
    answer([message('a')], ['grpc-status: 0'], 'x-custom: 1', 'grpc-encoding: identity'),
  ),
  make('a client that knows codings', PONG, 'grpc-accept-encoding: gzip', 'te: gzip'),
  make('a reset after the headers', [
    head(200, 'content-type: application/grpc', 'transfer-encoding: chunked') + chunk(message('a')),
    { wait: 50 },
    'rst',
  ]),
]);

const QUAD = base64(PING);
const requests: readonly Case[] = [
  seen('text request, binary answer', typed(TEXT, PATH, QUAD)),
  seen('binary request, text answer', typed(BINARY, PATH, PING, ACCEPT_TEXT)),
  seen(
    'text of three messages',
    typed(TEXT, PATH, base64(message('a') + message('bb') + message('ccc')), ACCEPT_TEXT),
    [ok(message('a') + message('bb'), message('ccc').slice(0, 3), message('ccc').slice(3))],
  ),
  seen(
    'text in pieces',
    chunked(PATH, [QUAD.slice(0, 1), QUAD.slice(1, 3), QUAD.slice(3, 9), QUAD.slice(9)], [`content-type: ${TEXT}`]),
  ),
  seen('text in waiting pieces', [
    request('POST', PATH, [`content-type: ${TEXT}`, `content-length: ${QUAD.length}`], QUAD.slice(0, 2)),
    { wait: 30 },
    QUAD.slice(2, 7),
    { wait: 30 },
    QUAD.slice(7),
    { read: 1 },
  ]),
  seen('text with trailers', chunked(PATH, [QUAD], [`content-type: ${TEXT}`], ['x-t: 1'])),
  seen('text of no bytes', typed(TEXT, PATH, '')),
  seen('text without a body', request('POST', PATH, [`content-type: ${TEXT}`])),
  seen('text of a bad length', typed(TEXT, PATH, QUAD.slice(0, -1))),
  seen('text of a bad length, chunked', chunked(PATH, [QUAD, 'A'], [`content-type: ${TEXT}`])),
  seen('text of bad digits', typed(TEXT, PATH, 'AAA*AAAA')),
  seen('text of URL-safe digits', typed(TEXT, PATH, 'AA-_AAAA')),
  seen('text with a bad last bit', typed(TEXT, PATH, 'AAAAAA==').replace('AAAAAA==', 'AAAAAB==')),
  seen('text with blanks', typed(TEXT, PATH, 'AA AAAA\n')),
  seen('text with dots', typed(TEXT, PATH, 'AAAAAAA.')),
  seen('text of padding alone', typed(TEXT, PATH, '====')),
  seen('text with three pads', typed(TEXT, PATH, 'AAAAA===')),
  seen('text with one pad too early', typed(TEXT, PATH, 'AAAAA=A=')),
  seen('text as a large message', typed(TEXT, PATH, base64(message('m'.repeat(70_000))), ACCEPT_TEXT), [
    ok(message('m'.repeat(70_000))),
  ]),
  seen('binary without a body', request('POST', PATH, [`content-type: ${BINARY}`])),
  seen('a GET', get(PATH, `content-type: ${BINARY}`)),
  seen('another path', typed(BINARY, '/only', PING)),
  seen('path with a query', typed(BINARY, `${PATH}?a=b`, PING)),
  seen(
    'a preflight',
    request('OPTIONS', PATH, [
      'origin: https://app.example',
      'access-control-request-method: POST',
      'access-control-request-headers: x-grpc-web',
    ]),
  ),
  seen('a route for gRPC alone', typed(BINARY, '/grpc/Method', PING)),
];

const replies: readonly Case[] = ['/local/Method', '/refused/Method', '/none'].flatMap((path) => [
  seen(`binary: own reply of ${path}`, typed(BINARY, path, PING)),
  seen(`text: own reply of ${path}`, typed(TEXT, path, QUAD, ACCEPT_TEXT)),
]);

const together: readonly Case[] = [
  seen('own reply to a late answer', typed(BINARY, '/late/Method', PING), [[{ wait: 400 }, PONG]]),
  seen('retry on a gRPC status', typed(BINARY, '/retry/Method', PING), [trailersOnly(14), PONG]),
  seen('retry on an HTTP status', typed(TEXT, '/retry/Method', QUAD, ACCEPT_TEXT), [response(503, 'x'), PONG]),
  seen('with grpc_stats', typed(BINARY, PATH, PING), [PONG], { to: 'counted' }),
  seen(
    'text with grpc_stats',
    typed(TEXT, PATH, QUAD, ACCEPT_TEXT),
    [answer([message('a'), message('b')], ['grpc-status: 9'])],
    { to: 'counted' },
  ),
  seen('trailers only with grpc_stats', typed(TEXT, PATH, QUAD, ACCEPT_TEXT), [trailersOnly(3)], { to: 'counted' }),
  seen('HTTP failure with grpc_stats', typed(BINARY, PATH, PING), [response(503, 'down')], { to: 'counted' }),
  seen('HTTP failure beyond the buffer', typed(BINARY, PATH, PING), [response(500, 'x'.repeat(3000))], { to: 'small' }),
  seen(
    'HTTP failure beyond the buffer in pieces',
    typed(BINARY, PATH, PING),
    [[head(500, 'content-length: 3000') + 'x'.repeat(800), { wait: 50 }, 'x'.repeat(2200)]],
    { to: 'small' },
  ),
  seen(
    'three calls on a connection',
    [
      typed(BINARY, PATH, PING),
      { read: 1 },
      typed(TEXT, PATH, QUAD, ACCEPT_TEXT),
      { read: 2 },
      get('/plain'),
      { read: 3 },
    ],
    [PONG, PONG],
  ),
];

export const grpcWebGroups: readonly Group[] = [
  { name: 'grpc web', config, cases: [...types, ...answers, ...requests, ...replies, ...together] },
];
