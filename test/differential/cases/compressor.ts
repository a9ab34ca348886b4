// Differential cases: the compressor filter with all its libraries, alone and several in a chain.
import type { Case, ClientStep, Group, Reply } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter, http, route, textLog } from '../config.ts';
import { chunk, chunked, get, head, lastChunk, post, request, response } from '../messages.ts';
import { ZSTD_DICTIONARY } from '../zstd-dictionary.ts';
import { unfolded } from '../unfolded.ts';

const TYPE = 'envoy.extensions.filters.http.compressor.v3.Compressor';
const ROUTE = 'envoy.extensions.filters.http.compressor.v3.CompressorPerRoute';
const NAME = 'envoy.filters.http.compressor';
const library = (kind: string, fields: Fields = {}, name = kind): Fields => ({
  name,
  typed_config: any(
    `envoy.extensions.compression.${kind}.compressor.v3.${kind[0]!.toUpperCase()}${kind.slice(1)}`,
    fields,
  ),
});
const gzip = library('gzip');
const compressor = (fields: Fields, name = NAME, around: Fields = {}): Fields =>
  filter(name, TYPE, { compressor_library: gzip, ...fields }, around);
/** Without sizes, which depend on how a compressor packs. */
const log = [
  textLog('code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% %REQ(:METHOD)% %REQ(:PATH)%\n'),
];
const perRoute = (prefix: string, config: Fields, name = NAME): Fields =>
  route(prefix, 'a', {}, { typed_per_filter_config: { [name]: any(ROUTE, config) } });

const TEXT = '{"some":"json"},'.repeat(16);
const RECORD = '{"id": 4711, "name": "user number 4711", "mail": "user4711@example.com", "tags": ["a1","b7"]}';
const JSON_TYPE = 'content-type: application/json';
const CHUNKED = 'transfer-encoding: chunked';
const GZIP = 'accept-encoding: gzip';

const plainRoutes: readonly Fields[] = [
  perRoute('/disabled', { disabled: true }),
  perRoute('/enabled', { overrides: { response_direction_config: {} } }),
  perRoute('/empty', { overrides: {} }),
  perRoute('/removes', { overrides: { response_direction_config: { remove_accept_encoding_header: true } } }),
  perRoute('/keeps', { overrides: { response_direction_config: { remove_accept_encoding_header: false } } }),
  perRoute('/brotli', { overrides: { compressor_library: library('brotli') } }),
  direct({ prefix: '/direct' }, 200, TEXT),
  route('/', 'a'),
];
const listen = (name: string, filters: readonly Fields[], more: Partial<Parameters<typeof http>[0]> = {}): Fields =>
  http({ name, filters, routes: plainRoutes, log, hcm: { http_protocol_options: { enable_trailers: true } }, ...more });

const status: Fields = { status_header_enabled: true };
const listeners: readonly Fields[] = [
  listen('plain', [compressor({ response_direction_config: status })]),
  listen('older', [
    compressor({
      content_length: 100,
      content_type: ['text/one', 'TEXT/two'],
      disable_on_etag_header: true,
      remove_accept_encoding_header: true,
    }),
  ]),
  listen('off', [
    compressor({
      response_direction_config: { ...status, common_config: { enabled: { default_value: false, runtime_key: 'no' } } },
    }),
  ]),
  listen('etag-off', [compressor({ response_direction_config: { ...status, disable_on_etag_header: true } })]),
  listen('weaken', [
    compressor({
      response_direction_config: { ...status, disable_on_etag_header: true, weaken_etag_on_compress: true },
    }),
  ]),
  listen('codes', [
    compressor({ response_direction_config: { ...status, uncompressible_response_codes: [206, 404] } }),
  ]),
  listen('told', [
    compressor({
      response_direction_config: {
        ...status,
        disable_on_etag_header: true,
        uncompressible_response_codes: [404],
        common_config: { min_content_length: 100 },
      },
    }),
  ]),
  listen('removes', [
    compressor({
      response_direction_config: {
        ...status,
        remove_accept_encoding_header: true,
        common_config: { min_content_length: 100 },
      },
    }),
  ]),
  listen('matcher', [
    compressor({
      response_direction_config: {
        ...status,
        common_config: {
          content_type_matcher: [{ prefix: 'text/' }, { exact: 'Image/X' }, { safe_regex: { regex: '.*json' } }],
        },
      },
    }),
  ]),
  listen('matcher-and-type', [
    compressor({
      response_direction_config: {
        ...status,
        common_config: { content_type: ['a/b'], content_type_matcher: [{ suffix: 'xml' }] },
      },
    }),
  ]),
  listen('request', [
    compressor({
      request_direction_config: { common_config: { min_content_length: 40 } },
      response_direction_config: status,
    }),
  ]),
  listen('request-off', [
    compressor({ request_direction_config: { common_config: { enabled: { default_value: false } } } }),
  ]),
  listen('three', [
    compressor({ compressor_library: library('zstd'), response_direction_config: status }, 'zstd'),
    compressor({ compressor_library: library('brotli'), response_direction_config: status }, 'brotli'),
    compressor({ response_direction_config: status }, 'gzip'),
  ]),
  listen('prefers', [
    compressor({ compressor_library: library('zstd') }, 'zstd'),
    compressor({ compressor_library: library('brotli'), choose_first: true }, 'brotli'),
    compressor({}, 'gzip'),
  ]),
  listen('by-type', [
    compressor({ response_direction_config: { ...status, common_config: { content_type: ['text/html'] } } }, 'gzip'),
    compressor(
      {
        compressor_library: library('brotli'),
        response_direction_config: { ...status, common_config: { content_type: ['text/css'] } },
      },
      'brotli',
    ),
  ]),
  listen('twice', [
    compressor(
      {
        compressor_library: library('gzip', { compression_level: 'BEST_SPEED' }, 'small'),
        response_direction_config: { ...status, common_config: { min_content_length: 200 } },
      },
      'small',
    ),
    compressor(
      {
        compressor_library: library('gzip', { compression_level: 'COMPRESSION_LEVEL_9' }, 'large'),
        response_direction_config: { ...status, common_config: { min_content_length: 1000 } },
      },
      'large',
    ),
  ]),
  listen('zstd-only', [
    compressor({
      compressor_library: library('zstd', { compression_level: 7, enable_checksum: true, strategy: 'BTOPT' }),
      response_direction_config: status,
    }),
  ]),
  listen('dictionary', [
    compressor({
      compressor_library: library('zstd', { dictionary: { inline_bytes: ZSTD_DICTIONARY } }),
      request_direction_config: {},
    }),
  ]),
  listen('br-only', [
    compressor({
      compressor_library: library('brotli', {
        quality: 5,
        window_bits: 12,
        input_block_bits: 16,
        encoder_mode: 'TEXT',
        disable_literal_context_modeling: true,
      }),
      response_direction_config: status,
    }),
  ]),
  listen('off-by-default', [compressor({ response_direction_config: status }, NAME, { disabled: true })], {
    routes: [perRoute('/on', { overrides: { response_direction_config: {} } }), route('/', 'a')],
  }),
];

/** A response in chunks; trailers end it. */
function pieces(headers: readonly string[], bodies: readonly string[], trailers: readonly string[] = []): Reply {
  return head(200, ...headers, CHUNKED) + bodies.map(chunk).join('') + lastChunk(trailers);
}
function one(
  to: string,
  name: string,
  send: string | readonly ClientStep[],
  reply: Reply,
  more: Partial<Case> = {},
): Case {
  return {
    name: `${to}: ${name}`,
    to,
    send,
    upstream: [reply],
    view: unfolded,
    stats: ['compressor\\.'],
    probeMs: 5,
    ...more,
  };
}
const ok = (...headers: string[]): string => response(200, TEXT, JSON_TYPE, ...headers);

const heads: readonly (readonly [string, string])[] = [
  ['plain', ok()],
  ['short', response(200, 'x'.repeat(29), JSON_TYPE)],
  ['just long enough', response(200, 'x'.repeat(30), JSON_TYPE)],
  ['no type', response(200, TEXT)],
  ['type with a parameter', response(200, TEXT, 'content-type: Text/HTML ; charset=utf-8')],
  ['image', response(200, TEXT, 'content-type: image/png')],
  ['empty type', response(200, TEXT, 'content-type:')],
  ['grpc', response(200, TEXT, 'content-type: application/grpc')],
  ['grpc-web', response(200, TEXT, 'content-type: application/grpc-web+proto')],
  ['no-transform', ok('cache-control: public, No-Transform')],
  ['other cache-control', ok('cache-control: public')],
  ['strong etag', ok('etag: "abc"')],
  ['weak etag', ok('etag: W/"abc"')],
  ['weak etag in lower case', ok('etag: w/"abc"')],
  ['short etag', ok('etag: ""')],
  ['etag of one character', ok('etag: x')],
  ['etag of two characters', ok('etag: xy')],
  ['empty etag', ok('etag:')],
  ['encoded', ok('content-encoding: br')],
  ['encoded as identity', ok('content-encoding: identity')],
  ['vary', ok('vary: Cookie')],
  ['vary has it', ok('vary: Cookie, Accept-Encoding')],
  ['vary has it in lower case', ok('vary: accept-encoding')],
  ['vary twice', ok('vary: a', 'vary: b')],
  ['vary star', ok('vary: *')],
  ['not found', response(404, TEXT, JSON_TYPE)],
  ['no content', head(204, JSON_TYPE)],
  ['not modified', head(304, JSON_TYPE, 'etag: "abc"')],
  ['partial', response(206, TEXT, JSON_TYPE, 'content-range: bytes 0-255/1000')],
  ['empty', response(200, '', JSON_TYPE)],
];
const headCases = heads.map(([name, reply]) => one('plain', name, get('/x', GZIP), reply));

const accepts: readonly string[] = [
  'gzip', 'br', 'zstd', 'deflate', 'identity', '*', '', ' ', ',', 'GZIP', 'gzip, br, zstd', 'br, gzip',
  'zstd;q=0.1, gzip;q=0.5, br;q=0.4', 'gzip;q=0', 'gzip;q=0, *', 'gzip;q=0,br;q=0,zstd;q=0,*', '*;q=0',
  'gzip;q=0.000', 'gzip; q=0.5 , br ;q= 0.6', 'gzip;q=x, br', 'gzip;q=, br;q=1', 'gzip;Q=0.2, br;q=0.3',
  'gzip;level=9', 'gzip;q=1;x=2, br;q=0.1', 'identity;q=0.9, gzip;q=0.8', 'identity, gzip', 'gzip, identity',
  '*;q=0.5, identity', '*, identity', '*,*', 'gzip;q=-1', 'gzip;q=2, br;q=1', 'gzip;q=1e-3, br;q=0.01',
  'gzip;q=nan', 'gzip;q=0.5, *;q=0.5', 'x, y;q=0.3', 'gzip;', ';q=1', 'gzip;q',
  'br;q=0.123456789, gzip;q=0.123456788',
]; // biome-ignore format: a table.
const acceptCases = ['three', 'prefers'].flatMap((to) =>
  accepts.map((accept) => one(to, `accepts '${accept}'`, get('/x', `accept-encoding: ${accept}`), ok())),
);

const others: readonly Case[] = [
  one('plain', 'nothing accepted', get('/x'), ok()),
  one('plain', 'two headers', get('/x', 'accept-encoding: br', GZIP), ok()),
  one('plain', 'head', request('HEAD', '/x', [GZIP]), head(200, JSON_TYPE, 'content-length: 300')),
  one('plain', 'head without a length', request('HEAD', '/x', [GZIP]), head(200, JSON_TYPE, 'etag: "a"')),
  one('plain', 'pieces', get('/x', GZIP), pieces([JSON_TYPE], ['one', 'two', 'three'])),
  one('plain', 'trailers', get('/x', GZIP), pieces([JSON_TYPE], ['one', 'two'], ['x-t: 1'])),
  one('plain', 'an empty body in chunks', get('/x', GZIP), pieces([JSON_TYPE], [])),
  one('plain', 'no body but trailers', get('/x', GZIP), pieces([JSON_TYPE], [], ['x-t: 1'])),
  one('plain', 'a piece now, a piece later', get('/x', GZIP), [
    head(200, JSON_TYPE, CHUNKED),
    chunk('one'),
    { wait: 30 },
    chunk('two'),
    { wait: 30 },
    lastChunk(),
  ]),
  one('plain', 'until the end of the connection', get('/x', GZIP), [head(200, JSON_TYPE), TEXT, 'fin']),
  one('plain', 'cut off', get('/x', GZIP), [head(200, JSON_TYPE, 'content-length: 1000'), TEXT, 'fin']),
  one('plain', 'direct response', get('/direct', GZIP), ok()),
  one('plain', 'large', get('/x', GZIP), response(200, TEXT.repeat(700), JSON_TYPE)),
  one('plain', 'http/1.0', `GET /x HTTP/1.0\r\n${GZIP}\r\n\r\n`, ok()),
  one('plain', 'large and http/1.0', `GET /x HTTP/1.0\r\n${GZIP}\r\n\r\n`, response(200, TEXT.repeat(700), JSON_TYPE)),
  one(
    'plain',
    'several exchanges',
    [get('/1', GZIP), { read: 1 }, get('/2', GZIP), { read: 2 }, get('/3'), { read: 3 }],
    ok(),
    {
      upstream: [ok(), pieces([JSON_TYPE], ['one', 'two']), ok()],
    },
  ),
  ...['/disabled', '/enabled', '/empty', '/removes', '/keeps', '/brotli'].flatMap((path) =>
    ['plain', 'off', 'removes', 'request'].flatMap((to) => [
      one(to, `route ${path}`, get(path, 'accept-encoding: gzip, br'), ok()),
    ]),
  ),
  one('plain', 'route /brotli, brotli alone', get('/brotli', 'accept-encoding: br'), ok()),
  one('plain', 'route /brotli, gzip alone', get('/brotli', GZIP), ok()),
  one('request', 'a body on the route /brotli', post('/brotli', TEXT, JSON_TYPE), ok()),
  ...['plain', 'off', 'removes', 'older', 'etag-off', 'weaken', 'codes'].flatMap((to) => [
    one(to, 'json', get('/x', GZIP), ok()),
    one(to, 'text/one', get('/x', GZIP), response(200, TEXT, 'content-type: text/ONE')),
    one(to, 'text/two, short', get('/x', GZIP), response(200, 'x'.repeat(99), 'content-type: text/two')),
    one(to, 'etag', get('/x', GZIP), response(200, TEXT, 'content-type: text/one', 'etag: "strong"')),
    one(to, 'weak etag', get('/x', GZIP), ok('etag: W/"weak"')),
    one(to, 'not found', get('/x', GZIP), response(404, TEXT, JSON_TYPE)),
    one(
      to,
      'not found, etag, image',
      get('/x', GZIP),
      response(404, TEXT, 'content-type: image/png', 'etag: "x"', 'cache-control: no-transform'),
    ),
  ]),
  ...[
    'short',
    'typed',
    'tagged',
    'coded',
    'short typed',
    'short tagged',
    'short coded',
    'typed tagged',
    'typed coded',
    'tagged coded',
    'short transformed',
    'typed transformed',
    'short encoded',
    'short unaccepted',
    'typed unaccepted',
    'short ended',
    'typed ended',
  ].map((what) => {
    const has = (word: string): boolean => what.includes(word);
    const body = has('ended') ? '' : has('short') ? 'short' : TEXT;
    const reply = response(
      has('coded') ? 404 : 200,
      body,
      ...(has('typed') ? ['content-type: image/png'] : []),
      ...(has('tagged') ? ['etag: "x"'] : []),
      ...(has('transformed') ? ['cache-control: no-transform'] : []),
      ...(has('encoded') ? ['content-encoding: br'] : []),
    );
    return one('told', what, get('/x', has('unaccepted') ? 'accept-encoding: br' : GZIP), reply);
  }),
  one('weaken', 'short etag', get('/x', GZIP), ok('etag: x')),
  one('weaken', 'empty etag', get('/x', GZIP), ok('etag:')),
  one('weaken', 'not accepted', get('/x', 'accept-encoding: br'), ok('etag: "x"')),
  ...[
    'text/x',
    'TEXT/x',
    'image/x',
    'Image/X',
    'application/json; a=b',
    'a/b',
    'A/b',
    'image/svg+xml',
    'application/xml',
  ].flatMap((type) =>
    ['matcher', 'matcher-and-type'].map((to) =>
      one(to, type, get('/x', GZIP), response(200, TEXT, `content-type: ${type}`)),
    ),
  ),
  ...['request', 'request-off', 'plain'].flatMap((to) => [
    one(to, 'a request', post('/x', TEXT, JSON_TYPE), ok()),
    one(to, 'a short request', post('/x', 'short', JSON_TYPE), ok()),
    one(to, 'a request in pieces', chunked('/x', ['one', 'two', 'three'], [JSON_TYPE]), ok()),
    one(to, 'a request with trailers', chunked('/x', ['one', 'two'], [JSON_TYPE], ['x-t: 1']), ok()),
    one(to, 'an encoded request', post('/x', TEXT, JSON_TYPE, 'content-encoding: br'), ok()),
    one(to, 'an image in a request', post('/x', TEXT, 'content-type: image/png'), ok()),
    one(to, 'a request of no type', post('/x', TEXT), ok()),
    one(to, 'a request without a body', get('/x'), ok()),
    one(to, 'a request with no-transform', post('/x', TEXT, JSON_TYPE, 'cache-control: no-transform'), ok()),
  ]),
  one('request', 'both directions', post('/x', TEXT, JSON_TYPE, GZIP), ok()),
  ...['text/html', 'text/css', 'text/plain', ''].flatMap((type) =>
    ['gzip, br', 'br;q=0.9, gzip', '*', 'gzip'].map((accept) =>
      one(
        'by-type',
        `${type} accepts '${accept}'`,
        get('/x', `accept-encoding: ${accept}`),
        response(200, TEXT, ...(type === '' ? [] : [`content-type: ${type}`])),
      ),
    ),
  ),
  ...[100, 300, 2000].map((bytes) =>
    one('twice', `${bytes} bytes`, get('/x', GZIP), response(200, 'x'.repeat(bytes), JSON_TYPE)),
  ),
  ...['zstd', '*', 'identity', '*, identity', '*,*', 'identity, *'].map((accept) =>
    one('zstd-only', `accepts '${accept}'`, get('/x', `accept-encoding: ${accept}`), ok()),
  ),
  one('zstd-only', 'pieces', get('/x', 'accept-encoding: zstd'), pieces([JSON_TYPE], ['one', 'two'], ['x-t: 1'])),
  one('dictionary', 'both directions', post('/x', RECORD, 'accept-encoding: zstd'), response(200, RECORD)),
  one('br-only', 'plain', get('/x', 'accept-encoding: br'), ok()),
  one('br-only', 'pieces', get('/x', 'accept-encoding: br'), pieces([JSON_TYPE], ['one', 'two'], ['x-t: 1'])),
  one('off-by-default', 'off', get('/x', GZIP), ok()),
  one('off-by-default', 'on', get('/on', GZIP), ok()),
  one(
    'plain',
    'a websocket',
    [request('GET', '/x', [GZIP, 'connection: Upgrade', 'upgrade: websocket']), { read: 1 }],
    response(200, TEXT, JSON_TYPE),
  ),
  {
    ...one('plain', 'names of the statistics', get('/x', GZIP), ok(), { admin: ['GET /stats?filter=compressor'] }),
    view: ({ admin }) => admin?.['GET /stats?filter=compressor']?.body.split('\n').map((line) => line.split(':')[0]),
  },
];

const config = bootstrap({ listeners, clusters: [cluster('a')] });

export const compressorGroups: readonly Group[] = [
  { name: 'compressor responses', config, cases: headCases },
  { name: 'compressor accept-encoding', config, cases: acceptCases },
  { name: 'compressor rest', config, cases: others },
];
