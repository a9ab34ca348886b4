// Differential cases: heads and bodies of HTTP/2 that break a rule or bend one, from clients and from upstreams.
import type { Case, Group, Http2Action, Http2Field, Http2Reply, Http2Step } from '../case.ts';
import { bootstrap, type Fields, match, route } from '../config.ts';
import { anyVersion, AUTHORITY, h2Head, http2Cluster, scripted } from './http2-exchange.ts';

const OK: readonly Http2Action[] = [{ head: [[':status', '200']] }, { data: 'ok', end: true }];
const GET = h2Head('GET', '/');
const METHOD = GET[0]!;
const SCHEME = GET[1]!;
const PATH = GET[2]!;
const HOST = GET[3]!;
const long = (length: number): string => 'v'.repeat(length);
const many = (count: number): Http2Field[] =>
  Array.from({ length: count }, (_, i): Http2Field => [`x-${i}`, String(i)]);

/** Heads of a GET that ends with them. */
const REQUEST_HEADS: Readonly<Record<string, readonly Http2Field[]>> = {
  'upper case name': [...GET, ['X-Upper', '1']],
  'empty name': [...GET, ['', '1']],
  'blank in a name': [...GET, ['x y', '1']],
  'colon in a name': [...GET, ['x:y', '1']],
  'NUL in a name': [...GET, ['x\0y', '1']],
  'obs-text in a name': [...GET, ['x\xe9', '1']],
  'NUL in a value': [...GET, ['x-a', 'a\0b']],
  'CR in a value': [...GET, ['x-a', 'a\rb']],
  'LF in a value': [...GET, ['x-a', 'a\nb']],
  'CR LF in a value': [...GET, ['x-a', 'a\r\nx-b: 1']],
  'DEL in a value': [...GET, ['x-a', 'a\x7fb']],
  'a control character in a value': [...GET, ['x-a', 'a\x01b']],
  'a tab in a value': [...GET, ['x-a', 'a\tb']],
  'obs-text in a value': [...GET, ['x-a', 'caf\xe9']],
  'blanks around a value': [...GET, ['x-a', '  b  ']],
  'a tab around a value': [...GET, ['x-a', '\tb\t']],
  'a value of blanks': [...GET, ['x-a', '   ']],
  connection: [...GET, ['connection', 'keep-alive']],
  'connection: close': [...GET, ['connection', 'close']],
  'keep-alive': [...GET, ['keep-alive', '5']],
  'proxy-connection': [...GET, ['proxy-connection', 'keep-alive']],
  'transfer-encoding': [...GET, ['transfer-encoding', 'chunked']],
  upgrade: [...GET, ['upgrade', 'websocket']],
  'http2-settings': [...GET, ['http2-settings', 'AAMAAABk']],
  'te: trailers': [...GET, ['te', 'trailers']],
  'te: Trailers': [...GET, ['te', 'Trailers']],
  'te: gzip': [...GET, ['te', 'gzip']],
  'te: trailers, gzip': [...GET, ['te', 'trailers, gzip']],
  'no method': [SCHEME, PATH, HOST],
  'no scheme': [METHOD, PATH, HOST],
  'no path': [METHOD, SCHEME, HOST],
  'no authority': [METHOD, SCHEME, PATH],
  'no authority, host': [METHOD, SCHEME, PATH, ['host', 'host.example']],
  'no pseudo field': [['x-a', '1']],
  nothing: [],
  'host as the authority': [...GET, ['host', AUTHORITY]],
  'host unlike the authority': [...GET, ['host', 'other.example']],
  'host twice': [METHOD, SCHEME, PATH, ['host', 'a'], ['host', 'b']],
  'method twice': [METHOD, ...GET],
  'path twice': [...GET, PATH],
  'authority twice': [...GET, HOST],
  'scheme twice': [...GET, SCHEME],
  'empty method': [[':method', ''], SCHEME, PATH, HOST],
  'empty scheme': [METHOD, [':scheme', ''], PATH, HOST],
  'empty path': [METHOD, SCHEME, [':path', ''], HOST],
  'empty authority': [METHOD, SCHEME, PATH, [':authority', '']],
  'method with a blank': [[':method', 'GE T'], SCHEME, PATH, HOST],
  'lower case method': [[':method', 'get'], SCHEME, PATH, HOST],
  'unknown method': [[':method', 'BREW'], SCHEME, PATH, HOST],
  'scheme https': [METHOD, [':scheme', 'https'], PATH, HOST],
  'scheme ftp': [METHOD, [':scheme', 'ftp'], PATH, HOST],
  'scheme with odd characters': [METHOD, [':scheme', 'ht tp'], PATH, HOST],
  'scheme in upper case': [METHOD, [':scheme', 'HTTP'], PATH, HOST],
  'scheme https in upper case': [METHOD, [':scheme', 'HTTPS'], PATH, HOST],
  'pseudo field behind others': [METHOD, SCHEME, PATH, ['x-a', '1'], HOST],
  'unknown pseudo field': [...GET, [':unknown', '1']],
  'status in a request': [...GET, [':status', '200']],
  'protocol without CONNECT': [...GET, [':protocol', 'websocket']],
  'a lone colon': [...GET, [':', '1']],
  'path *': [METHOD, SCHEME, [':path', '*'], HOST],
  'OPTIONS *': [[':method', 'OPTIONS'], SCHEME, [':path', '*'], HOST],
  'path without slash': [METHOD, SCHEME, [':path', 'a/b'], HOST],
  'absolute path': [METHOD, SCHEME, [':path', 'http://other.example/a'], HOST],
  'path with a blank': [METHOD, SCHEME, [':path', '/a b'], HOST],
  'path with a fragment': [METHOD, SCHEME, [':path', '/a#b'], HOST],
  'path with obs-text': [METHOD, SCHEME, [':path', '/caf\xe9'], HOST],
  'path with a control character': [METHOD, SCHEME, [':path', '/a\x01'], HOST],
  'path with NUL': [METHOD, SCHEME, [':path', '/a\0'], HOST],
  'path with DEL': [METHOD, SCHEME, [':path', '/a\x7f'], HOST],
  'path with a backslash': [METHOD, SCHEME, [':path', '/a\\b'], HOST],
  'path with quotes and brackets': [METHOD, SCHEME, [':path', '/a"<>^`{|}'], HOST],
  'path with a query alone': [METHOD, SCHEME, [':path', '?a=b'], HOST],
  'authority with userinfo': [METHOD, SCHEME, PATH, [':authority', 'me@test.example']],
  'authority with a blank': [METHOD, SCHEME, PATH, [':authority', 'a b']],
  'authority with a slash': [METHOD, SCHEME, PATH, [':authority', 'a/b']],
  'authority with a port': [METHOD, SCHEME, PATH, [':authority', 'test.example:80']],
  'authority with a bad port': [METHOD, SCHEME, PATH, [':authority', 'test.example:x']],
  'authority of IPv6': [METHOD, SCHEME, PATH, [':authority', '[::1]:80']],
  'authority with obs-text': [METHOD, SCHEME, PATH, [':authority', 'caf\xe9']],
  'cookies in crumbs': [...GET, ['cookie', 'a=1'], ['cookie', 'b=2'], ['cookie', '']],
  'content-length that is no number': [...GET, ['content-length', 'x']],
  'content-length with a sign': [...GET, ['content-length', '+1']],
  'content-length twice': [...GET, ['content-length', '0'], ['content-length', '0']],
  'content-length twice, different': [...GET, ['content-length', '0'], ['content-length', '1']],
  'content-length with a comma': [...GET, ['content-length', '0, 0']],
  'content-length empty': [...GET, ['content-length', '']],
  'content-length 0': [...GET, ['content-length', '0']],
  'content-length without body': [...GET, ['content-length', '5']],
  'content-length 2^64': [...GET, ['content-length', '18446744073709551616']],
  'trailer field': [...GET, ['trailer', 'x-end']],
  'GET with an underscore': [...GET, ['x_under', '1']],
};

/** Both on a connection that dies of bad messages and on one that outlives them. */
const requestHeads: readonly Case[] = Object.entries(REQUEST_HEADS).flatMap(([name, head]): Case[] => [
  { name: `request: ${name}`, http2: [{ head, end: true }, { until: 'end' }], upstream: scripted([OK]) },
  {
    name: `request, tolerant: ${name}`,
    to: 'tolerant',
    http2: [{ head, end: true }, { until: 'end' }, { head: GET, on: 3, end: true }, { until: 'end', on: 3 }],
    upstream: scripted([OK, OK]),
  },
]);

function request(name: string, steps: readonly Http2Step[], to = 'main', replies: readonly Http2Reply[] = [OK]): Case {
  return { name, to, http2: steps, upstream: scripted(replies) };
}

const post = (...headers: Http2Field[]): Http2Step => ({ head: h2Head('POST', '/', headers) });
const END: Http2Step = { until: 'end' };

const requestBodies: readonly Case[] = ['main', 'tolerant'].flatMap((to): Case[] => [
  request(`${to}: body shorter than its length`, [post(['content-length', '5']), { data: 'abc', end: true }, END], to),
  request(`${to}: body longer than its length`, [post(['content-length', '2']), { data: 'abc', end: true }, END], to),
  request(
    `${to}: body longer than its length, later`,
    [post(['content-length', '2']), { data: 'ab' }, { awaitUpstream: 1 }, { data: 'c', end: true }, END],
    to,
    [],
  ),
  request(
    `${to}: trailers before the length is reached`,
    [post(['content-length', '5']), { data: 'ab' }, { trailers: [['x-end', '1']] }, END],
    to,
  ),
  request(`${to}: pseudo field in trailers`, [post(), { data: 'ab' }, { trailers: [[':path', '/']] }, END], to),
  request(`${to}: upper case in trailers`, [post(), { data: 'ab' }, { trailers: [['X-End', '1']] }, END], to),
  request(`${to}: connection in trailers`, [post(), { data: 'ab' }, { trailers: [['connection', 'close']] }, END], to),
  request(
    `${to}: content-length and host in trailers`,
    [
      post(),
      { data: 'ab' },
      {
        trailers: [
          ['content-length', '2'],
          ['host', 'x'],
        ],
      },
      END,
    ],
    to,
  ),
  request(`${to}: empty trailers`, [post(), { data: 'ab' }, { trailers: [] }, END], to),
  request(`${to}: trailers without END_STREAM`, [post(), { data: 'ab' }, { head: [['x-end', '1']] }, END], to),
  request(`${to}: CR LF in trailers`, [post(), { data: 'ab' }, { trailers: [['x-end', 'a\r\nb: c']] }, END], to),
]);

/** Everything that says whether a connection outlives bad messages. */
const TOLERANCE: Readonly<Record<string, Fields>> = {
  'tolerant-manager': { stream_error_on_invalid_http_message: true },
  'tolerant-manager-only': {
    stream_error_on_invalid_http_message: true,
    http2_protocol_options: { override_stream_error_on_invalid_http_message: false },
  },
  'tolerant-codec-only': {
    stream_error_on_invalid_http_message: false,
    http2_protocol_options: { override_stream_error_on_invalid_http_message: true },
  },
  'tolerant-old': { http2_protocol_options: { stream_error_on_invalid_http_messaging: true } },
  'tolerant-old-only': {
    stream_error_on_invalid_http_message: false,
    http2_protocol_options: { stream_error_on_invalid_http_messaging: true },
  },
};
const tolerance: readonly Case[] = Object.keys(TOLERANCE).map((to) => ({
  name: `request, ${to}: upper case name`,
  to,
  http2: [
    { head: [...GET, ['X-Upper', '1']], end: true },
    { until: 'end' },
    { head: GET, on: 3, end: true },
    { until: 'end', on: 3 },
  ],
  upstream: scripted([OK]),
}));

const get = (...headers: Http2Field[]): Http2Step => ({ head: h2Head('GET', '/', headers), end: true });
const limits: readonly Case[] = [
  request('a head of 59 KiB', [get(...many(59).map(([name]): Http2Field => [name, long(1000)])), END]),
  request('a head of 70 KiB', [get(...many(70).map(([name]): Http2Field => [name, long(1000)])), END]),
  request('one field of 70 KiB', [get(['x-long', long(70_000)]), END]),
  request('96 fields', [get(...many(96)), END]),
  request('97 fields', [get(...many(97)), END]),
  request('101 fields', [get(...many(101)), END]),
  request('few fields: at the limit', [get(...many(6)), END], 'limited'),
  request('few fields: above the limit', [get(...many(7)), END], 'limited'),
  request('few fields: above the limit by crumbs', [get(...many(5), ['cookie', 'a'], ['cookie', 'b']), END], 'limited'),
  request('short head: below the limit', [get(['x-long', long(1800)]), END], 'limited'),
  request('short head: above the limit', [get(['x-long', long(2100)]), END], 'limited'),
  request('short head: a path above the limit', [{ head: h2Head('GET', `/${long(2100)}`), end: true }, END], 'limited'),
  request('short head: trailers above the limit', [post(), { trailers: [['x-long', long(2100)]] }, END], 'limited'),
  request('few fields: trailers above the limit', [post(), { trailers: many(12) }, END], 'limited'),
  request('underscore rejected', [get(['x_under', '1']), END], 'underscores-rejected'),
  request('underscore dropped', [get(['x_under', '1'], ['x-not', '1']), END], 'underscores-dropped'),
  request('underscore in trailers rejected', [post(), { trailers: [['x_under', '1']] }, END], 'underscores-rejected'),
  request('underscore in trailers dropped', [post(), { trailers: [['x_under', '1']] }, END], 'underscores-dropped'),
  request('path normalised', [{ head: h2Head('GET', '/a/../b//c/%2e%2e/%41?x=/../'), end: true }, END], 'normalised'),
  request('path with escaped slash', [{ head: h2Head('GET', '/a%2fb'), end: true }, END], 'normalised'),
  request('path that leaves the root', [{ head: h2Head('GET', '/../..'), end: true }, END], 'normalised'),
];

/** Heads of answers; the stream goes on with `ok` and ends. */
const RESPONSE_HEADS: Readonly<Record<string, readonly Http2Field[]>> = {
  'no status': [['x-a', '1']],
  nothing: [],
  'status twice': [
    [':status', '200'],
    [':status', '201'],
  ],
  'status behind others': [
    ['x-a', '1'],
    [':status', '200'],
  ],
  'status of two digits': [[':status', '20']],
  'status 0': [[':status', '0']],
  'status 1000': [[':status', '1000']],
  'status with letters': [[':status', 'abc']],
  'status with a sign': [[':status', '+200']],
  'empty status': [[':status', '']],
  'status 101': [[':status', '101']],
  'status 999': [[':status', '999']],
  'path in an answer': [
    [':status', '200'],
    [':path', '/'],
  ],
  'unknown pseudo field': [
    [':status', '200'],
    [':unknown', '1'],
  ],
  'upper case name': [
    [':status', '200'],
    ['X-Upper', '1'],
  ],
  'empty name': [
    [':status', '200'],
    ['', '1'],
  ],
  'blank in a name': [
    [':status', '200'],
    ['x y', '1'],
  ],
  'NUL in a value': [
    [':status', '200'],
    ['x-a', 'a\0b'],
  ],
  'CR LF in a value': [
    [':status', '200'],
    ['x-a', 'a\r\nx-b: 1'],
  ],
  'a control character in a value': [
    [':status', '200'],
    ['x-a', 'a\x01b'],
  ],
  'obs-text in a value': [
    [':status', '200'],
    ['x-a', 'caf\xe9'],
  ],
  'blanks around a value': [
    [':status', '200'],
    ['x-a', '  b '],
  ],
  connection: [
    [':status', '200'],
    ['connection', 'close'],
  ],
  'keep-alive': [
    [':status', '200'],
    ['keep-alive', '5'],
  ],
  'transfer-encoding': [
    [':status', '200'],
    ['transfer-encoding', 'chunked'],
  ],
  upgrade: [
    [':status', '200'],
    ['upgrade', 'h2c'],
  ],
  te: [
    [':status', '200'],
    ['te', 'gzip'],
  ],
  'content-length that is no number': [
    [':status', '200'],
    ['content-length', 'x'],
  ],
  'content-length twice': [
    [':status', '200'],
    ['content-length', '2'],
    ['content-length', '2'],
  ],
  'content-length twice, different': [
    [':status', '200'],
    ['content-length', '2'],
    ['content-length', '3'],
  ],
  'content-length too long': [
    [':status', '200'],
    ['content-length', '5'],
  ],
  'content-length too short': [
    [':status', '200'],
    ['content-length', '1'],
  ],
  'a head of 61 KiB': [[':status', '200'], ...many(60).map(([name]): Http2Field => [name, long(1000)])],
  'a head of 59 KiB': [[':status', '200'], ...many(58).map(([name]): Http2Field => [name, long(1000)])],
  '101 fields': [[':status', '200'], ...many(101)],
};

const responseHeads: readonly Case[] = Object.entries(RESPONSE_HEADS).flatMap(([name, head]): Case[] =>
  ['/', '/tolerant'].map(
    (path): Case => ({
      name: `answer${path === '/' ? '' : ', tolerant'}: ${name}`,
      http2: [
        { head: h2Head('GET', path), end: true },
        { until: 'end' },
        { head: h2Head('GET', path), on: 3, end: true },
        { until: 'end', on: 3 },
      ],
      upstream: scripted([[{ head }, { data: 'ok', end: true }], OK]),
      settleMs: 10,
    }),
  ),
);

function answer(name: string, actions: readonly Http2Action[], path = '/', around: Partial<Case> = {}): Case {
  return {
    name: `answer: ${name}`,
    http2: [{ head: h2Head('GET', path), end: true }, { until: 'end' }],
    upstream: scripted([actions]),
    settleMs: 10,
    ...around,
  };
}

const okHead: Http2Action = { head: [[':status', '200']] };
const responseBodies: readonly Case[] = [
  answer('pseudo field in trailers', [okHead, { data: 'x' }, { trailers: [[':status', '200']] }]),
  answer('upper case in trailers', [okHead, { data: 'x' }, { trailers: [['X-End', '1']] }]),
  answer('connection in trailers', [okHead, { data: 'x' }, { trailers: [['connection', 'close']] }]),
  answer('trailers without END_STREAM', [okHead, { data: 'x' }, { head: [['x-end', '1']] }]),
  answer('empty trailers', [okHead, { data: 'x' }, { trailers: [] }]),
  answer('DATA before the head', [{ data: 'x', end: true }]),
  answer('100 with END_STREAM', [{ head: [[':status', '100']], end: true }]),
  answer('103 with END_STREAM', [{ head: [[':status', '103']], end: true }]),
  answer('103 between head and DATA', [okHead, { head: [[':status', '103']] }, { data: 'x', end: true }]),
  answer('many 103', [
    ...Array.from(
      { length: 20 },
      (): Http2Action => ({
        head: [
          [':status', '103'],
          ['link', 'x'],
        ],
      }),
    ),
    okHead,
    { data: 'x', end: true },
  ]),
  answer('HEADERS behind END_STREAM', [{ head: [[':status', '200']], end: true }, okHead]),
  answer('DATA behind END_STREAM', [okHead, { data: 'x', end: true }, { data: 'y' }]),
  answer('few fields: at the limit', [{ head: [[':status', '200'], ...many(9)], end: true }], '/limited'),
  answer('few fields: above the limit', [{ head: [[':status', '200'], ...many(11)], end: true }], '/limited'),
  answer(
    'short head: above the limit',
    [
      {
        head: [
          [':status', '200'],
          ['x-long', long(2100)],
        ],
        end: true,
      },
    ],
    '/limited',
  ),
  answer(
    'short head: below the limit',
    [
      {
        head: [
          [':status', '200'],
          ['x-long', long(1900)],
        ],
        end: true,
      },
    ],
    '/limited',
  ),
];

const pathOptions: Fields = {
  normalize_path: true,
  merge_slashes: true,
  path_with_escaped_slashes_action: 'REJECT_REQUEST',
};

export const http2HeadGroups: readonly Group[] = [
  {
    name: 'http2 heads',
    config: bootstrap({
      listeners: [
        anyVersion({ name: 'main', routes: headRoutes() }),
        anyVersion({
          name: 'tolerant',
          routes: headRoutes(),
          hcm: { http2_protocol_options: { override_stream_error_on_invalid_http_message: true } },
        }),
        ...Object.entries(TOLERANCE).map(([name, hcm]) => anyVersion({ name, routes: headRoutes(), hcm })),
        anyVersion({
          name: 'limited',
          hcm: { max_request_headers_kb: 2, common_http_protocol_options: { max_headers_count: 10 } },
        }),
        anyVersion({
          name: 'underscores-rejected',
          hcm: { common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' } },
        }),
        anyVersion({
          name: 'underscores-dropped',
          hcm: { common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' } },
        }),
        anyVersion({ name: 'normalised', hcm: pathOptions }),
      ],
      clusters: [
        http2Cluster('a'),
        http2Cluster('tolerant', { override_stream_error_on_invalid_http_message: true }),
        http2Cluster(
          'limited',
          {},
          { common_http_protocol_options: { max_headers_count: 10, max_response_headers_kb: 2 } },
        ),
      ],
    }),
    cases: [...requestHeads, ...tolerance, ...requestBodies, ...limits, ...responseHeads, ...responseBodies],
  },
];

function headRoutes(): readonly Fields[] {
  return [
    route('/tolerant', 'tolerant'),
    route('/limited', 'limited'),
    route('/', 'a'),
    match({ connect_matcher: {} }, 'a'),
  ];
}
