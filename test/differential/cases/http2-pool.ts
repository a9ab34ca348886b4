// Differential cases: HTTP/1 in, HTTP/2 out — what becomes of requests, answers, resets, GOAWAY and limits of streams.
import type { Case, ClientStep, Group, Http2Action, Http2Field, Http2Script } from '../case.ts';
import { any, bootstrap, cluster, type Fields, http, route } from '../config.ts';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const options = (fields: Fields): Fields => ({
  typed_extension_protocol_options: { [OPTIONS]: any(OPTIONS, fields) },
});
const http2 = (fields: Fields = {}, more: Fields = {}): Fields =>
  options({ explicit_http_config: { http2_protocol_options: fields }, ...more });

const GET = 'GET /x HTTP/1.1\r\nhost: up.example\r\n\r\n';
const POST = 'POST /x HTTP/1.1\r\nhost: up.example\r\ncontent-length: 5\r\n\r\nhello';
const WEBSOCKET =
  'GET /chat HTTP/1.1\r\nhost: up.example\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n' +
  'sec-websocket-key: a2V5\r\n\r\n';
const head = (status: number, ...fields: Http2Field[]): Http2Field[] => [[':status', String(status)], ...fields];
const STATS = [
  '^cluster\\.[^.]+\\.upstream_(cx_destroy.*|rq_rx_reset_no_error|rq_active_overflow|flow_control_.*|cx_active)$',
  '^cluster\\.[^.]+\\.http2\\.(streams_active|nghttp2_.*)$',
];

/** One client of HTTP/1 that says `send` and reads one answer, and an upstream that answers by `script`. */
function one(
  name: string,
  script: Http2Script,
  send: readonly ClientStep[] = [GET, { read: 1 }],
  more: Partial<Case> = {},
): Case {
  return {
    name,
    send,
    upstream: { a: { replies: [], http2: script } },
    stats: STATS,
    settleMs: 60,
    upstreamFate: true,
    ...more,
  };
}
const replies = (...actions: (readonly Http2Action[])[]): Http2Script => ({ replies: actions });
const early = (...actions: Http2Action[]): Http2Script => ({ replies: [{ on: 'head', actions }] });
const TWO: ClientStep[] = [GET, { read: 1 }, GET, { read: 1 }];
const STALLED = [POST.slice(0, -2), { read: 1 }, { wait: 50 }];

const exchanges: readonly Case[] = [
  one('GET', {}),
  one('two on one connection', {}, TWO),
  one('HEAD', replies([{ head: head(200, ['content-length', '5']), end: true }]), [
    GET.replace('GET', 'HEAD'),
    { read: 1 },
  ]),
  one('POST', {}, [POST, { read: 1 }]),
  one('POST, chunked, with trailers', {}, [
    'POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n' +
      '5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n',
    { read: 1 },
  ]),
  one(
    'answer with a body and trailers',
    replies([{ head: head(200, ['x-a', '1'], ['x-a', '2']) }, { data: 'abc' }, { trailers: [['x-t', '1']] }]),
  ),
  one('answer of headers alone', replies([{ head: head(204), end: true }])),
  one('empty DATA ends the answer', replies([{ head: head(200) }, { data: '', end: true }])),
  one(
    '100 by the upstream',
    early({ head: head(100) }, { await: 'request' }, { head: head(200) }, { data: 'ok', end: true }),
    [
      'POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n',
      { readInterim: 1 },
      'hello',
      { read: 1 },
    ],
  ),
  one('103, then 200', replies([{ head: head(103, ['link', 'x']) }, { head: head(200) }, { data: 'ok', end: true }])),
  one('cookies and te', {}, [
    'GET /x HTTP/1.1\r\nhost: a\r\ncookie: a=1\r\ncookie: b=2\r\nte: trailers, gzip\r\n' +
      'connection: te, x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nproxy-connection: x\r\n\r\n',
    { read: 1 },
  ]),
  one('host and absolute target', {}, ['GET http://other.example/y HTTP/1.1\r\nhost: a\r\n\r\n', { read: 1 }]),
  one('large body there and back', replies([{ head: head(200) }, { data: 200_000, end: true }]), [
    `POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n${'y'.repeat(200_000)}`,
    { read: 1 },
  ]),
];

const earlyEnds: readonly Case[] = [
  one('answer before the request is complete', early({ head: head(200) }, { data: 'early', end: true }), STALLED),
  one(
    'answer, then RST NO_ERROR',
    early({ head: head(200) }, { data: 'early', end: true }, { wait: 20 }, { rst: 'NO_ERROR' }),
    STALLED,
  ),
  one(
    'answer, then RST CANCEL',
    early({ head: head(200) }, { data: 'early', end: true }, { wait: 20 }, { rst: 'CANCEL' }),
    STALLED,
  ),
  one('413 before the request is complete', early({ head: head(413), end: true }), STALLED),
];

const resets: readonly Case[] = [
  ...(
    [
      'NO_ERROR',
      'PROTOCOL_ERROR',
      'INTERNAL_ERROR',
      'REFUSED_STREAM',
      'CANCEL',
      'CONNECT_ERROR',
      'ENHANCE_YOUR_CALM',
      'HTTP_1_1_REQUIRED',
    ] as const
  ).flatMap((code) => [
    one(`RST ${code} before the answer`, replies([{ rst: code }])),
    one(`RST ${code} in the answer`, replies([{ head: head(200) }, { data: 'part' }, { rst: code }])),
  ]),
  one('client leaves before the answer', early({ await: 'reset' }), [GET, { awaitUpstream: 1 }, { wait: 20 }, 'close']),
  one('client leaves in the answer', early({ head: head(200) }, { data: 'part' }, { await: 'reset' }), [
    GET,
    { readHead: 1 },
    { wait: 20 },
    'close',
  ]),
  one('timeout', early({ await: 'reset' }), [GET.replace('/x', '/slow'), { read: 1 }]),
  one('timeout in the answer', early({ head: head(200) }, { data: 'part' }, { await: 'reset' }), [
    GET.replace('/x', '/slow'),
    { read: 1 },
    { wait: 20 },
  ]),
  one('FIN before the answer', replies(['fin'])),
  one('FIN in the answer', replies([{ head: head(200) }, { data: 'part' }, { wait: 20 }, 'fin'])),
  one('reset of the connection', replies(['reset-connection'])),
  one('two exchanges die with their connection', { replies: [[{ wait: 500 }], ['fin']] }, undefined, {
    send: undefined as never,
    clients: [{ steps: [GET, { read: 1 }] }, { steps: [{ awaitUpstream: 1 }, GET, { read: 1 }] }],
  } as Partial<Case>),
];

const retries: readonly Case[] = (['REFUSED_STREAM', 'CANCEL', 'NO_ERROR'] as const).flatMap((code) =>
  ['refused', 'reset', 'connect-failure', 'reset-before-request', 'http3-post-connect-failure'].map((on) =>
    one(`RST ${code}, retry on ${on}`, replies([{ rst: code }]), [GET.replace('/x', `/retry-${on}`), { read: 1 }]),
  ),
);

const goaways: readonly Case[] = [
  one('GOAWAY behind the answer', replies([{ head: head(200) }, { data: 'ok', end: true }, { goaway: 'NO_ERROR' }]), [
    GET,
    { read: 1 },
    { wait: 30 },
    GET,
    { read: 1 },
  ]),
  one(
    'GOAWAY in the answer',
    replies([{ head: head(200) }, { goaway: 'NO_ERROR' }, { wait: 20 }, { data: 'ok', end: true }]),
    [GET, { read: 1 }, { wait: 30 }, GET, { read: 1 }],
  ),
  one('GOAWAY before the stream', replies([{ goaway: 'NO_ERROR', last: 'before' }])),
  one('GOAWAY before the stream, retry on refused', replies([{ goaway: 'NO_ERROR', last: 'before' }]), [
    GET.replace('/x', '/retry-refused'),
    { read: 1 },
  ]),
  one('GOAWAY with an error before the stream', replies([{ goaway: 'INTERNAL_ERROR', last: 'before' }])),
  one('GOAWAY and FIN', replies([{ goaway: 'NO_ERROR' }, 'fin'])),
  one(
    'two GOAWAYs',
    replies([
      { goaway: 'NO_ERROR', last: 0x7fff_ffff },
      { wait: 20 },
      { goaway: 'NO_ERROR' },
      { head: head(200) },
      { data: 'ok', end: true },
    ]),
  ),
];

const broken: readonly Case[] = [
  one('no status', replies([{ head: [['x-a', '1']] }])),
  one('status of two digits', replies([{ head: [[':status', '20']] }])),
  one('status 101', replies([{ head: head(101) }])),
  one('connection-specific header', replies([{ head: head(200, ['connection', 'close']), end: true }])),
  one('header in upper case', replies([{ head: head(200, ['X-A', '1']), end: true }])),
  one('header with a line break', replies([{ head: head(200, ['x-a', 'a\r\nb']), end: true }])),
  one(
    'body longer than its length',
    replies([{ head: head(200, ['content-length', '2']) }, { data: 'abc', end: true }]),
  ),
  one(
    'body shorter than its length',
    replies([{ head: head(200, ['content-length', '4']) }, { data: 'abc', end: true }]),
  ),
  one('DATA before the head', replies([{ data: 'abc', end: true }])),
  one('trailers without END_STREAM', replies([{ head: head(200) }, { head: [['x-t', '1']] }])),
  one('pseudo-header in trailers', replies([{ head: head(200) }, { trailers: [[':status', '200']] }])),
  one(
    'too many headers',
    replies([{ head: head(200, ...Array.from({ length: 120 }, (_, i): Http2Field => [`x-${i}`, '1'])), end: true }]),
  ),
  one(
    'too large headers',
    replies([{ head: head(200, ['x-a', 'a'.repeat(50_000)], ['x-b', 'a'.repeat(50_000)]), end: true }]),
  ),
  one('no HTTP/2 at all', {}, [GET, { read: 1 }], {
    upstream: { a: { replies: [], http2: { onConnect: [{ frame: [72, 84, 0, 'TP'] }] } } },
  }),
  one('PUSH_PROMISE', replies([{ frame: [5, 4, 'this', '\0\0\0\x02'] }])),
  one('frame that is too large', replies([{ frame: [0, 0, 'this', 'x'.repeat(20_000)] }])),
  one('bad header block', replies([{ frame: [1, 4, 'this', '\xff\xff\xff\xff\xff'] }])),
  one('WINDOW_UPDATE of nothing', replies([{ frame: [8, 0, 'this', '\0\0\0\0'] }])),
  one('RST on a stream that is idle', replies([{ frame: [3, 0, 77, '\0\0\0\x08'] }])),
];

const upgrades: readonly Case[] = [
  one('upgrade agreed', early({ head: head(200) }, { data: 'hi' }, { echo: true }), [
    WEBSOCKET,
    { readHead: 1 },
    'ping',
    { readBytes: 6 },
  ]),
  one(
    'upgrade agreed by a peer that says it can',
    {
      settings: { ENABLE_CONNECT_PROTOCOL: 1 },
      replies: [{ on: 'head', actions: [{ head: head(200) }, { echo: true }] }],
    } as Http2Script,
    [WEBSOCKET, { readHead: 1 }, 'ping', { readBytes: 4 }],
  ),
  one('upgrade, data before the answer', early({ wait: 80 }, { head: head(200) }, { echo: true }), [
    `${WEBSOCKET}ping`,
    { readBytes: 4 },
  ]),
  one('upgrade answered 101', early({ head: head(101) }), [WEBSOCKET, { read: 1 }]),
  one('CONNECT, data before the answer', early({ wait: 80 }, { head: head(200) }, { echo: true }), [
    'CONNECT up.example:80 HTTP/1.1\r\nhost: up.example:80\r\n\r\nping',
    { readBytes: 4 },
  ]),
  one('CONNECT, data before a refusal', early({ wait: 80 }, { head: head(403) }, { data: 'no', end: true }), [
    'CONNECT up.example:80 HTTP/1.1\r\nhost: up.example:80\r\n\r\nping',
    { read: 1 },
  ]),
  one('upgrade refused', early({ head: head(403) }, { data: 'no', end: true }), [WEBSOCKET, { read: 1 }]),
  one('upgrade answered 201', early({ head: head(201) }, { data: 'no', end: true }), [WEBSOCKET, { read: 1 }]),
  one('upgrade that the upstream ends', early({ head: head(200) }, { data: 'hi', end: true }), [
    WEBSOCKET,
    { readHead: 1 },
    { wait: 40 },
  ]),
  one('upgrade that the upstream resets', early({ head: head(200) }, { data: 'hi' }, { wait: 20 }, { rst: 'CANCEL' }), [
    WEBSOCKET,
    { readHead: 1 },
    { wait: 60 },
  ]),
  one('upgrade that the client ends', early({ head: head(200) }, { await: 'request' }, { data: 'bye', end: true }), [
    WEBSOCKET,
    { readHead: 1 },
    'ping',
    { wait: 20 },
    'half-close',
    { wait: 60 },
  ]),
  one('CONNECT', early({ head: head(200) }, { echo: true }), [
    'CONNECT up.example:80 HTTP/1.1\r\nhost: up.example:80\r\n\r\n',
    { readHead: 1 },
    'ping',
    { readBytes: 4 },
  ]),
];

const both = (first: readonly ClientStep[], second: readonly ClientStep[]): Partial<Case> => ({
  clients: [{ steps: first }, { steps: [{ awaitUpstream: 1 }, { wait: 20 }, ...second] }],
});
const limits: readonly Case[] = [
  one(
    'peer allows one stream',
    {
      settings: { MAX_CONCURRENT_STREAMS: 1 },
      replies: [[{ wait: 80 }, { head: head(200), end: true }]],
    } as Http2Script,
    [],
    both([GET, { read: 1 }], [GET, { read: 1 }]),
  ),
  one(
    'one stream configured',
    replies([{ wait: 80 }, { head: head(200), end: true }]),
    [],
    both([GET.replace('/x', '/one'), { read: 1 }], [GET.replace('/x', '/one'), { read: 1 }]),
  ),
  one('one request per connection', {}, [
    GET.replace('/x', '/once'),
    { read: 1 },
    GET.replace('/x', '/once'),
    { read: 1 },
  ]),
  one(
    'breaker of requests',
    replies([{ wait: 80 }, { head: head(200), end: true }]),
    [],
    both([GET.replace('/x', '/few'), { read: 1 }], [GET.replace('/x', '/few'), { read: 1 }]),
  ),
  one('idle timeout', {}, [GET.replace('/x', '/idle'), { read: 1 }, { wait: 200 }]),
  one('connection duration', replies([{ wait: 150 }, { head: head(200), end: true }]), [
    GET.replace('/x', '/short'),
    { read: 1 },
  ]),
  one('keepalive answered', replies([{ wait: 200 }, { head: head(200), end: true }]), [
    GET.replace('/x', '/alive'),
    { read: 1 },
  ]),
  one(
    'keepalive not answered',
    { acksPings: false, replies: [[{ wait: 400 }, { head: head(200), end: true }]] } as never,
    [GET.replace('/x', '/alive'), { read: 1 }],
  ),
];

const RETRY_ON: Fields = {
  refused: 'refused-stream',
  reset: 'reset',
  'connect-failure': 'connect-failure',
  'reset-before-request': 'reset-before-request',
  'http3-post-connect-failure': 'http3-post-connect-failure',
};
const routes = [
  route('/slow', 'a', { timeout: '0.1s' }),
  ...Object.entries(RETRY_ON).map(([name, on]) =>
    route(`/retry-${name}`, 'a', { retry_policy: { retry_on: on, num_retries: 1 } }),
  ),
  route('/once', 'once'),
  route('/one', 'one'),
  route('/few', 'few'),
  route('/idle', 'idle'),
  route('/short', 'short'),
  route('/alive', 'alive'),
  { match: { connect_matcher: {} }, route: { cluster: 'a' } },
  route('/', 'a'),
];

const config = bootstrap({
  listeners: [
    http({
      name: 'main',
      routes,
      hcm: {
        upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'CONNECT' }],
        http_protocol_options: { enable_trailers: true },
      },
    }),
  ],
  clusters: [
    cluster('a', ['a'], http2()),
    cluster('once', ['a'], http2({}, { common_http_protocol_options: { max_requests_per_connection: 1 } })),
    cluster('one', ['a'], http2({ max_concurrent_streams: 1 })),
    cluster('few', ['a'], { ...http2(), circuit_breakers: { thresholds: [{ max_requests: 1 }] } }),
    cluster('idle', ['a'], http2({}, { common_http_protocol_options: { idle_timeout: '0.1s' } })),
    cluster('short', ['a'], http2({}, { common_http_protocol_options: { max_connection_duration: '0.1s' } })),
    cluster(
      'alive',
      ['a'],
      http2({ connection_keepalive: { interval: '0.06s', timeout: '0.1s', interval_jitter: { value: 0 } } }),
    ),
  ],
});

const AHEAD_STATS = ['^cluster\\.[^.]+\\.upstream_cx_(active|total|preconnect_skipped|destroy.*|overflow)$'];
const get = (path: string): string => GET.replace('/x', path);
const RATIOS = [
  ['1_2', 1.2],
  ['1_5', 1.5],
  ['2', 2],
  ['3', 3],
] as const;
/** Connections that are dialled ahead, with one and with two requests at a time. */
const ahead = RATIOS.flatMap(([ratio]): Case[] => [
  { name: `ratio ${ratio}`, send: [get(`/h1-${ratio}`), { read: 1 }], stats: AHEAD_STATS, settleMs: 60 },
  {
    name: `ratio ${ratio}, two at a time`,
    clients: [
      { steps: [get(`/h1-${ratio}`), { read: 1 }] },
      { steps: [{ awaitUpstream: 1 }, { wait: 30 }, get(`/h1-${ratio}`), { read: 1 }] },
    ],
    upstream: [{ on: 'head', actions: [{ wait: 100 }, 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'] }],
    stats: AHEAD_STATS,
    settleMs: 60,
  },
  {
    name: `ratio ${ratio}, HTTP/2`,
    send: [get(`/h2-${ratio}`), { read: 1 }],
    stats: AHEAD_STATS,
    settleMs: 60,
    upstream: { a: { replies: [], http2: {} } },
  },
]);
const aheadConfig = bootstrap({
  listeners: [
    http({
      name: 'main',
      routes: RATIOS.flatMap(([ratio]) => [route(`/h1-${ratio}`, `h1-${ratio}`), route(`/h2-${ratio}`, `h2-${ratio}`)]),
    }),
  ],
  clusters: RATIOS.flatMap(([ratio, value]) => {
    const policy = { preconnect_policy: { per_upstream_preconnect_ratio: value } };
    return [
      cluster(`h1-${ratio}`, ['a'], policy),
      cluster(`h2-${ratio}`, ['a'], { ...http2({ max_concurrent_streams: 1 }), ...policy }),
    ];
  }),
});

export const http2PoolGroups: readonly Group[] = [
  {
    name: 'http2 pool',
    config,
    cases: [...exchanges, ...earlyEnds, ...resets, ...retries, ...goaways, ...broken, ...upgrades, ...limits],
  },
  { name: 'connections ahead', config: aheadConfig, cases: ahead },
];
