// Differential cases: the decompressor filter with all its libraries, and bodies that are not what they say.
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Case, ClientStep, Group, Reply } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter, http, route, textLog } from '../config.ts';
import { ZSTD_DICTIONARY } from '../zstd-dictionary.ts';
import { chunk, get, head, lastChunk, post, request, response } from '../messages.ts';

const TYPE = 'envoy.extensions.filters.http.decompressor.v3.Decompressor';
const library = (kind: string, fields: Fields = {}, name = kind): Fields => ({
  name,
  typed_config: any(
    `envoy.extensions.compression.${kind}.decompressor.v3.${kind[0]!.toUpperCase()}${kind.slice(1)}`,
    fields,
  ),
});
const decompressor = (kind: string, fields: Fields = {}, options: Fields = {}, name = kind): Fields =>
  filter(name, TYPE, { decompressor_library: library(kind, options, name), ...fields });
const log = [
  textLog(
    'code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ' +
      'gzip=%TRAILER(X-ENVOY-DECOMPRESSOR-GZIP-UNCOMPRESSED-BYTES)% ' +
      'br=%TRAILER(X-ENVOY-DECOMPRESSOR-BROTLI-UNCOMPRESSED-BYTES)%\n',
  ),
];
const listen = (name: string, filters: readonly Fields[]): Fields =>
  http({
    name,
    filters,
    routes: [direct({ prefix: '/direct' }, 200, 'direct'), route('/', 'a')],
    log,
    hcm: { http_protocol_options: { enable_trailers: true } },
  });
const off = { common_config: { enabled: { default_value: false, runtime_key: 'no' } } };

const listeners: readonly Fields[] = [
  listen('gzip', [decompressor('gzip')]),
  listen('brotli', [decompressor('brotli')]),
  listen('zstd', [decompressor('zstd')]),
  listen('all', [decompressor('gzip'), decompressor('brotli'), decompressor('zstd')]),
  listen('silent', [decompressor('gzip', { request_direction_config: { advertise_accept_encoding: false } })]),
  listen('no-request', [decompressor('gzip', { request_direction_config: off })]),
  listen('no-response', [decompressor('gzip', { response_direction_config: off })]),
  listen('transforms', [
    decompressor('gzip', {
      request_direction_config: { common_config: { ignore_no_transform_header: true } },
      response_direction_config: { common_config: { ignore_no_transform_header: true } },
    }),
  ]),
  listen('careful', [decompressor('gzip', {}, { window_bits: 9, chunk_size: 4096, max_inflate_ratio: 3 })]),
  listen('lenient', [decompressor('gzip', {}, { max_inflate_ratio: 1032, chunk_size: 65_536 })]),
  listen('Odd.Name', [decompressor('gzip', {}, {}, 'Odd.Name')]),
  listen('dictionary', [decompressor('zstd', {}, { dictionaries: [{ inline_bytes: ZSTD_DICTIONARY }] })]),
  listen('back', [
    filter('compressor', 'envoy.extensions.filters.http.compressor.v3.Compressor', {
      compressor_library: {
        name: 'br',
        typed_config: any('envoy.extensions.compression.brotli.compressor.v3.Brotli'),
      },
    }),
    decompressor('gzip'),
  ]),
];

const TEXT = 'some text that is repeated, '.repeat(20);
const latin1 = (bytes: Buffer): string => bytes.toString('latin1');
const pack: Readonly<Record<string, (body: string) => string>> = {
  gzip: (body) => latin1(gzipSync(Buffer.from(body, 'latin1'), { windowBits: 15 })),
  brotli: (body) => latin1(brotliCompressSync(Buffer.from(body, 'latin1'))),
  zstd: (body) =>
    latin1(zstdCompressSync(Buffer.from(body, 'latin1'), { params: { [constants.ZSTD_c_checksumFlag]: 1 } })),
};
const ENCODINGS: Readonly<Record<string, string>> = { gzip: 'gzip', brotli: 'br', zstd: 'zstd' };
const gz = pack['gzip']!(TEXT);

function one(
  to: string,
  name: string,
  send: string | readonly ClientStep[],
  reply: Reply,
  more: Partial<Case> = {},
): Case {
  return { name: `${to}: ${name}`, to, send, upstream: [reply], stats: ['decompressor\\.'], probeMs: 5, ...more };
}
const both = (to: string, name: string, body: string, encoding: string, ...headers: string[]): readonly Case[] => [
  one(to, `${name}, response`, get('/x'), response(200, body, `content-encoding: ${encoding}`, ...headers)),
  one(to, `${name}, request`, post('/x', body, `content-encoding: ${encoding}`, ...headers), response(200, 'ok')),
];
/** Both directions in chunks, a piece each. */
function inPieces(
  to: string,
  name: string,
  bodies: readonly string[],
  encoding: string,
  trailers: readonly string[] = [],
): readonly Case[] {
  const fields = [`content-encoding: ${encoding}`, 'transfer-encoding: chunked'];
  const last = lastChunk(trailers);
  const sent = bodies.flatMap((body): ClientStep[] => [chunk(body), { wait: 15 }]);
  return [
    one(to, `${name}, response`, get('/x'), [
      head(200, ...fields),
      ...bodies.flatMap((body) => [chunk(body), { wait: 15 }]),
      last,
    ]),
    one(to, `${name}, request`, [request('POST', '/x', fields), ...sent, last, { read: 1 }], response(200, 'ok')),
  ];
}
const flip = (text: string, at: number): string => {
  const i = at < 0 ? text.length + at : at;
  return text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) ^ 0xff) + text.slice(i + 1);
};
const halves = (text: string): readonly string[] => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)];
const bytewise = (text: string): readonly string[] => [
  text.slice(0, 1),
  text.slice(1, 5),
  text.slice(5, 11),
  text.slice(11),
];
const named = (bytes: Buffer, flags: number, extra: Buffer): string =>
  latin1(Buffer.concat([bytes.subarray(0, 3), Buffer.of(flags), bytes.subarray(4, 10), extra, bytes.subarray(10)]));
const member = gzipSync(Buffer.from(TEXT));

// Envoy names its trailers once, after the library that it uses first: a group is about one kind.
const KINDS = ['gzip', 'brotli', 'zstd'];
const kinds = KINDS.map((kind): readonly Case[] => {
  const encoding = ENCODINGS[kind]!;
  const packed = pack[kind]!(TEXT);
  return [
    ...both(kind, 'plain', packed, encoding),
    ...both(kind, 'another encoding', packed, 'x-other'),
    ...both(kind, 'in capitals', packed, encoding.toUpperCase()),
    ...both(kind, 'first of two', packed, `${encoding}, other`),
    ...both(kind, 'second of two', packed, `other,${encoding}`),
    ...both(kind, 'no-transform', packed, encoding, 'cache-control: No-Transform'),
    ...both(kind, 'garbage', 'this is no compressed body', encoding),
    ...both(kind, 'cut off', packed.slice(0, -9), encoding),
    ...both(kind, 'something behind', `${packed}behind`, encoding),
    ...both(kind, 'twice', packed + packed, encoding),
    ...both(kind, 'of nothing', pack[kind]!(''), encoding),
    ...both(
      kind,
      'large',
      pack[kind]!(Array.from({ length: 3000 }, (_, i) => `line ${i * 7919}\n`).join('')),
      encoding,
    ),
    ...inPieces(kind, 'halves', halves(packed), encoding),
    ...inPieces(kind, 'small pieces', bytewise(packed), encoding),
    ...inPieces(kind, 'trailers', [packed], encoding, ['x-t: 1']),
    ...inPieces(kind, 'garbage in pieces', ['this is', 'no body'], encoding),
    ...inPieces(kind, 'something behind in a piece', [packed, 'behind', 'more'], encoding),
  ];
});

const bombs = (to: string, kind: string): readonly Case[] => {
  const encoding = ENCODINGS[kind]!;
  return [
    ...both(to, 'zeros', pack[kind]!('\0'.repeat(500_000)), encoding),
    ...inPieces(to, 'zeros in pieces', halves(pack[kind]!('\0'.repeat(500_000))), encoding),
    ...both(to, 'a bit too good', pack[kind]!('abcdefghijklmnopqrstuvwxyz'.repeat(300)), encoding),
    ...both(to, 'good', pack[kind]!('abcdefghijklmnopqrstuvwxyz'.repeat(160)), encoding),
  ];
};

const gzips: readonly Case[] = [
  ...both('gzip', 'wrong checksum', flip(gz, -8), 'gzip'),
  ...both('gzip', 'wrong length', flip(gz, -1), 'gzip'),
  ...both('gzip', 'with a name', named(member, 8, Buffer.from('name\0')), 'gzip'),
  ...both(
    'gzip',
    'with everything',
    named(member, 4 | 8 | 16, Buffer.from('\x03\0xyzname\0comment\0', 'latin1')),
    'gzip',
  ),
  ...both('gzip', 'with a wrong checksum of its head', named(member, 2, Buffer.from('xx')), 'gzip'),
  ...both('gzip', 'reserved flags', named(member, 0x20, Buffer.alloc(0)), 'gzip'),
  ...both('gzip', 'zlib', latin1(deflateSync(TEXT)), 'gzip'),
  ...both('gzip', 'wrong method', flip(gz, 2), 'gzip'),
  ...both(
    'careful',
    'a window of 15 bits',
    pack['gzip']!(
      Array.from({ length: 400 }, (_, i) => `${i} of `)
        .join('')
        .repeat(2),
    ),
    'gzip',
  ),
];

const RECORD = Buffer.from(
  '{"id": 4711, "name": "user number 4711", "mail": "user4711@example.com", "tags": ["a1","b7"]}',
);
const dictionary = Buffer.from(ZSTD_DICTIONARY, 'base64');
const other = Buffer.from(dictionary);
other.writeUInt32LE(78, 4);
const accepts: readonly string[] = [
  'gzip',
  'br',
  'gzip;q=0.3',
  'br, gzip;q=0, zstd',
  '',
  ' , ,',
  'GZIP',
  'identity',
  'gzip,gzip',
  '*',
  'x-gzip',
  'br;q=1;gzip',
];
const zstds: readonly Case[] = [
  ...both('zstd', 'wrong checksum', flip(pack['zstd']!(TEXT), -1), 'zstd'),
  ...both('dictionary', 'no dictionary', pack['zstd']!(TEXT), 'zstd'),
  ...both('dictionary', 'its dictionary', latin1(zstdCompressSync(RECORD, { dictionary })), 'zstd'),
  ...both('dictionary', 'another dictionary', latin1(zstdCompressSync(RECORD, { dictionary: other })), 'zstd'),
  ...inPieces(
    'dictionary',
    'another dictionary in pieces',
    halves(latin1(zstdCompressSync(RECORD, { dictionary: other }))),
    'zstd',
  ),
  ...both('zstd', 'a dictionary', latin1(zstdCompressSync(RECORD, { dictionary })), 'zstd'),
];
const rest: readonly Case[] = [
  ...accepts.flatMap((accept) =>
    ['gzip', 'all'].map((to) =>
      one(to, `accepts '${accept}'`, get('/x', `accept-encoding: ${accept}`), response(200, 'x')),
    ),
  ),
  ...['gzip', 'all', 'silent', 'no-request', 'no-response', 'transforms', 'back', 'Odd.Name'].flatMap((to) => [
    one(to, 'nothing accepted', get('/x'), response(200, 'x')),
    one(to, 'two headers', get('/x', 'accept-encoding: a', 'accept-encoding: b'), response(200, 'x')),
    ...both(to, 'packed', gz, 'gzip'),
    ...both(to, 'packed, no-transform', gz, 'gzip', 'cache-control: no-transform'),
    one(to, 'not packed', post('/x', 'body'), response(200, 'x')),
  ]),
  one('gzip', 'head', request('HEAD', '/x'), head(200, 'content-encoding: gzip', 'content-length: 100')),
  one('gzip', 'no content', get('/x'), head(204, 'content-encoding: gzip')),
  one('gzip', 'an empty body', get('/x'), response(200, '', 'content-encoding: gzip')),
  one(
    'gzip',
    'two content-encoding headers',
    get('/x'),
    response(200, gz, 'content-encoding: gzip', 'content-encoding: br'),
  ),
  one('gzip', 'empty content-encoding', get('/x'), response(200, gz, 'content-encoding:')),
  one('gzip', 'content-encoding with a parameter', get('/x'), response(200, gz, 'content-encoding: gzip;q=1')),
  one('gzip', 'cut off by the upstream', get('/x'), [
    head(200, 'content-encoding: gzip', 'content-length: 1000'),
    gz,
    'fin',
  ]),
  one('gzip', 'until the end of the connection', get('/x'), [head(200, 'content-encoding: gzip'), gz, 'fin']),
  one('gzip', 'direct response', get('/direct'), response(200, '')),
  {
    ...one('all', 'names of the statistics', get('/x'), response(200, ''), {
      admin: ['GET /stats?filter=decompressor'],
    }),
    view: ({ admin }) => admin?.['GET /stats?filter=decompressor']?.body.split('\n').map((line) => line.split(':')[0]),
  },
];

const config = bootstrap({ listeners, clusters: [cluster('a')] });

export const decompressorGroups: readonly Group[] = [
  {
    name: 'decompressor gzip',
    config,
    cases: [...kinds[0]!, ...['gzip', 'careful', 'lenient'].flatMap((to) => bombs(to, 'gzip')), ...gzips, ...rest],
  },
  { name: 'decompressor brotli', config, cases: [...kinds[1]!, ...bombs('brotli', 'brotli')] },
  { name: 'decompressor zstd', config, cases: [...kinds[2]!, ...bombs('zstd', 'zstd'), ...zstds] },
];
