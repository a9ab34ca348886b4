// Differential cases: how streams of HTTP/2 end before their time, several at once, and what flow control lets through.
import type { Case, Group, Http2Action, Http2Field, Http2Reply, Http2Step } from '../case.ts';
import { bootstrap, direct, type Fields, route } from '../config.ts';
import { get, post as h1Post, response } from '../messages.ts';
import { anyVersion, h2Head, http1Cluster, http2Cluster, scripted } from './http2-exchange.ts';

const OK_HEAD: Http2Action = { head: [[':status', '200']] };
const OK: readonly Http2Action[] = [OK_HEAD, { data: 'ok', end: true }];
const NEVER: Http2Reply = { on: 'head', actions: [] };
const END: Http2Step = { until: 'end' };
const SECOND: readonly Http2Step[] = [
  { head: h2Head('GET', '/h2'), on: 3, end: true },
  { until: 'end', on: 3 },
];

const ask = (path: string, on = 1, ...headers: Http2Field[]): Http2Step => ({
  head: h2Head('GET', path, headers),
  on,
  end: true,
});
const post = (path: string, on = 1, ...headers: Http2Field[]): Http2Step => ({
  head: h2Head('POST', path, headers),
  on,
});

function streams(
  name: string,
  steps: readonly Http2Step[],
  replies: readonly Http2Reply[],
  around: Partial<Case> = {},
): Case {
  return { name, http2: steps, upstream: scripted(replies), settleMs: 15, ...around };
}

const CLIENT_CODES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'HTTP_1_1_REQUIRED',
  99,
] as const;

const clientResets: readonly Case[] = [
  ...CLIENT_CODES.map((code) =>
    streams(`client resets with ${code}`, [post('/h2'), { awaitUpstream: 1 }, { reset: code }, ...SECOND], [NEVER, OK]),
  ),
  streams(
    'client resets after its end',
    [ask('/h2'), { awaitUpstream: 1 }, { reset: 'CANCEL' }, ...SECOND],
    [NEVER, OK],
  ),
  streams(
    'client resets after the head',
    [ask('/h2'), { until: 'head' }, { reset: 'CANCEL' }, ...SECOND],
    [{ on: 'head', actions: [OK_HEAD, { data: 'part' }] }, OK],
  ),
  streams(
    'client resets while it sends',
    [post('/h2'), { data: 1000 }, { awaitUpstream: 1 }, { data: 1000 }, { reset: 'CANCEL' }, ...SECOND],
    [NEVER, OK],
  ),
  streams('client resets before a connection is there', [ask('/h2'), { reset: 'CANCEL' }, { wait: 20 }], [OK], {
    standardStats: false,
    view: ({ clients, log }) => ({ clients, log }),
  }),
  {
    name: 'client resets, HTTP/1 upstream',
    http2: [post('/h1'), { awaitUpstream: 1 }, { reset: 'CANCEL' }, { wait: 15 }],
    upstream: { a: [{ on: 'head', actions: [] }] },
    upstreamFate: true,
  },
  {
    name: 'client resets after the head, HTTP/1 upstream',
    http2: [ask('/h1'), { until: 'head' }, { reset: 'CANCEL' }, { wait: 15 }],
    upstream: { a: [{ on: 'head', actions: ['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart'] }] },
    upstreamFate: true,
  },
  {
    name: 'client of HTTP/1 leaves',
    send: [get('/h2'), { awaitUpstream: 1 }, 'close', { wait: 15 }],
    upstream: scripted([NEVER]),
  },
  {
    name: 'client of HTTP/1 leaves within its body',
    send: [h1Post('/h2', 'part', 'content-length: 10'), { awaitUpstream: 1 }, 'reset', { wait: 15 }],
    upstream: scripted([NEVER]),
  },
  streams(
    'client closes with streams open',
    [ask('/h2'), ask('/h2', 3), { awaitUpstream: 2 }, 'close', { wait: 15 }],
    [NEVER, NEVER],
  ),
  streams(
    'client resets the connection',
    [ask('/h2'), { awaitUpstream: 1 }, 'reset-connection', { wait: 15 }],
    [NEVER],
  ),
  streams('client ends its side', [ask('/h2'), { awaitUpstream: 1 }, 'half-close', { wait: 15 }], [NEVER]),
  streams('client resets an idle stream', [ask('/h2'), END, { frame: [3, 0, 3, '\0\0\0\x08'] }, { wait: 10 }], [OK]),
  streams('client resets a closed stream', [ask('/h2'), END, { reset: 'CANCEL' }, { wait: 10 }, ...SECOND], [OK, OK]),
];

const UPSTREAM_CODES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'STREAM_CLOSED',
  'REFUSED_STREAM',
  'CANCEL',
  'ENHANCE_YOUR_CALM',
  'CONNECT_ERROR',
  'HTTP_1_1_REQUIRED',
  99,
] as const;

const upstreamResets: readonly Case[] = [
  ...UPSTREAM_CODES.map((rst) => streams(`upstream resets with ${rst}`, [ask('/h2'), END, ...SECOND], [[{ rst }], OK])),
  ...(['NO_ERROR', 'INTERNAL_ERROR', 'REFUSED_STREAM'] as const).flatMap((rst): Case[] => [
    streams(
      `upstream resets with ${rst} after its head`,
      [ask('/h2'), END, ...SECOND],
      [[{ head: [[':status', '200']] }, { data: 'part' }, { wait: 10 }, { rst }], OK],
    ),
    {
      name: `upstream resets with ${rst}, HTTP/1 client`,
      send: [get('/h2'), { read: 1 }],
      upstream: scripted([[{ rst }]]),
    },
  ]),
  {
    name: 'upstream resets after its head, HTTP/1 client',
    send: [get('/h2'), 'read-close'],
    upstream: scripted([[OK_HEAD, { data: 'part' }, { wait: 10 }, { rst: 'INTERNAL_ERROR' }]]),
  },
  streams(
    'upstream resets within a request',
    [post('/h2'), { data: 'part' }, { awaitUpstream: 1 }, END],
    [{ on: 'head', actions: [{ awaitBytes: 4 }, { rst: 'INTERNAL_ERROR' }] }],
  ),
  streams(
    'early answer, then NO_ERROR',
    [post('/h2'), { data: 'part' }, END, { wait: 10 }, ...SECOND],
    [{ on: 'head', actions: [{ awaitBytes: 4 }, ...OK, { rst: 'NO_ERROR' }] }, OK],
  ),
  streams(
    'early answer, and the client goes on',
    [post('/h2'), { data: 'part' }, END, { wait: 10 }, { data: 'rest', end: true }, { wait: 10 }, ...SECOND],
    [{ on: 'head', actions: [{ awaitBytes: 4 }, ...OK] }, OK],
  ),
  {
    name: 'early answer, HTTP/1 client',
    send: [`${h1Post('/h2', '').replace('content-length: 0', 'content-length: 8')}part`, { read: 1 }, { wait: 10 }],
    upstream: scripted([{ on: 'head', actions: [{ awaitBytes: 4 }, ...OK] }]),
    settleMs: 15,
  },
  {
    name: 'early answer of an HTTP/1 upstream',
    http2: [post('/h1'), { data: 'part' }, END, { wait: 10 }],
    upstream: { a: [{ on: 'head', actions: [{ awaitBytes: 4 }, response(200, 'ok')] }] },
    settleMs: 15,
  },
  streams('upstream closes', [ask('/h2'), END], [['fin']]),
  streams('upstream resets the connection', [ask('/h2'), END], [['reset-connection']]),
  streams('upstream closes after its head', [ask('/h2'), END], [[OK_HEAD, { data: 'part' }, { wait: 10 }, 'fin']]),
  streams(
    'upstream closes with several streams',
    [ask('/h2'), ask('/h2', 3), ask('/h2', 5), END, { until: 'end', on: 3 }, { until: 'end', on: 5 }],
    [NEVER, NEVER, { on: 'head', actions: [{ awaitStreams: 3 }, 'fin'] }],
  ),
  {
    name: 'HTTP/1 upstream closes within its body',
    http2: [ask('/h1'), END],
    upstream: { a: [['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart', { wait: 10 }, 'fin']] },
  },
  {
    name: 'HTTP/1 upstream closes before its head',
    http2: [ask('/h1'), END],
    upstream: { a: [['fin']] },
  },
  {
    name: 'HTTP/1 upstream breaks the protocol',
    http2: [ask('/h1'), END],
    upstream: { a: [['nonsense\r\n\r\n']] },
  },
  {
    name: 'HTTP/2 upstream that speaks HTTP/1',
    http2: [ask('/h2'), END],
    upstream: { a: { replies: [], onConnect: ['HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'] } },
  },
];

/** What a retry policy makes of the first answer; the second is good. */
function retried(name: string, path: string, first: Http2Reply, steps: readonly Http2Step[] = [ask(path), END]): Case {
  return streams(`retry: ${name}`, steps, [first, OK]);
}

const retries: readonly Case[] = [
  retried('refused-stream, REFUSED_STREAM', '/refused', [{ rst: 'REFUSED_STREAM' }]),
  retried('refused-stream, INTERNAL_ERROR', '/refused', [{ rst: 'INTERNAL_ERROR' }]),
  retried(
    'refused-stream with a body',
    '/refused',
    [{ rst: 'REFUSED_STREAM' }],
    [post('/refused'), { data: 'hello', end: true }, END],
  ),
  retried('refused-stream, GOAWAY before it', '/refused', [{ goaway: 'NO_ERROR', last: 'before' }]),
  retried('reset, INTERNAL_ERROR', '/reset', [{ rst: 'INTERNAL_ERROR' }]),
  retried('reset, CANCEL', '/reset', [{ rst: 'CANCEL' }]),
  retried('reset, REFUSED_STREAM', '/reset', [{ rst: 'REFUSED_STREAM' }]),
  retried('reset after the head', '/reset', [OK_HEAD, { wait: 10 }, { rst: 'INTERNAL_ERROR' }]),
  retried('reset, close', '/reset', ['fin']),
  retried('reset, broken head', '/reset', [{ head: [['x-a', '1']] }]),
  retried('reset-before-request', '/before', [{ rst: 'INTERNAL_ERROR' }]),
  retried('connect-failure, REFUSED_STREAM', '/connect', [{ rst: 'REFUSED_STREAM' }]),
  retried('5xx, REFUSED_STREAM', '/5xx', [{ rst: 'REFUSED_STREAM' }]),
  retried('5xx, 503', '/5xx', [{ head: [[':status', '503']], end: true }]),
  retried('http3-post-connect-failure', '/http3', [{ rst: 'INTERNAL_ERROR' }]),
  retried(
    'gRPC unavailable, trailers only',
    '/grpc',
    [
      {
        head: [
          [':status', '200'],
          ['content-type', 'application/grpc'],
          ['grpc-status', '14'],
        ],
        end: true,
      },
    ],
    [ask('/grpc', 1, ['content-type', 'application/grpc']), END],
  ),
];

const goaways: readonly Case[] = [
  streams('GOAWAY after the answer', [ask('/h2'), END, { wait: 15 }, ...SECOND], [[...OK, { goaway: 'NO_ERROR' }], OK]),
  streams(
    'GOAWAY before the answer',
    [ask('/h2'), { awaitUpstream: 1 }, { wait: 10 }, ...SECOND, END],
    [{ on: 'head', actions: [{ goaway: 'NO_ERROR' }, { wait: 40 }, ...OK] }, OK],
  ),
  streams(
    'GOAWAY that leaves this stream out',
    [ask('/h2'), END, ...SECOND],
    [[{ goaway: 'NO_ERROR', last: 'before' }], OK],
  ),
  streams(
    'GOAWAY with an error',
    [ask('/h2'), END, ...SECOND],
    [{ on: 'head', actions: [{ goaway: 'ENHANCE_YOUR_CALM' }, { wait: 10 }, ...OK] }, OK],
  ),
  streams(
    'GOAWAY twice',
    [ask('/h2'), END, { wait: 15 }, ...SECOND],
    [[{ goaway: 'NO_ERROR', last: 2 ** 31 - 1 }, { wait: 10 }, { goaway: 'NO_ERROR' }, ...OK], OK],
  ),
  streams('GOAWAY and FIN', [ask('/h2'), END, ...SECOND], [[{ goaway: 'NO_ERROR' }, ...OK, 'fin'], OK]),
  streams('GOAWAY of the client', [ask('/h2'), { goaway: 'NO_ERROR' }, END, { wait: 10 }], [OK]),
  streams('GOAWAY of the client, then a request', [{ goaway: 'NO_ERROR' }, ask('/h2'), END], [OK]),
  streams('GOAWAY of the client with an error', [ask('/h2'), { goaway: 'INTERNAL_ERROR' }, END, { wait: 10 }], [OK]),
];

const several: readonly Case[] = [
  streams(
    'three requests, answered in turn',
    [ask('/h2'), ask('/h2', 3), ask('/h2', 5), END, { until: 'end', on: 3 }, { until: 'end', on: 5 }],
    [OK, OK, OK],
  ),
  streams(
    'three requests, answered backwards',
    [ask('/h2'), ask('/h2', 3), ask('/h2', 5), END, { until: 'end', on: 3 }, { until: 'end', on: 5 }],
    [[{ awaitStreams: 3 }, { wait: 20 }, ...OK], [{ awaitStreams: 3 }, { wait: 10 }, ...OK], OK],
  ),
  {
    name: 'three requests to HTTP/1',
    http2: [
      ...[ask('/h1'), { awaitUpstream: 1 }, ask('/h1', 3), { awaitUpstream: 2 }, ask('/h1', 5)],
      ...[END, { until: 'end', on: 3 } as const, { until: 'end', on: 5 } as const],
    ],
    upstream: { a: [[{ wait: 30 }, response(200, '1')], [{ wait: 30 }, response(200, '2')], response(200, '3')] },
  },
  streams(
    'skipped stream numbers',
    [ask('/h2', 5), { until: 'end', on: 5 }, ask('/h2', 101), { until: 'end', on: 101 }],
    [OK, OK],
  ),
  streams('an even stream number', [ask('/h2', 2), { until: 'close' }], [OK]),
  streams(
    'a lower stream number',
    [ask('/h2', 5), { until: 'end', on: 5 }, ask('/h2', 3), { until: 'close' }],
    [OK, OK],
  ),
  streams('DATA on a closed stream', [ask('/h2'), END, { data: 'x' }, { wait: 15 }], [OK]),
  streams('DATA on an idle stream', [{ data: 'x', on: 3 }, { until: 'close' }], []),
  streams('HEADERS behind the end', [ask('/h2'), { awaitUpstream: 1 }, ask('/h2'), { until: 'reset' }], [NEVER]),
  streams('PING', [{ ping: '12345678' }, { until: 'pong' }, ask('/h2'), END], [OK]),
  streams(
    'SETTINGS later',
    [ask('/h2'), END, { settings: { INITIAL_WINDOW_SIZE: 100 } }, ...SECOND],
    [OK, [OK_HEAD, { data: 50, end: true }]],
  ),
  streams('an unknown frame', [{ frame: [0xfe, 0xff, 1, 'abc'] }, ask('/h2'), END], [OK]),
  streams('PRIORITY', [{ frame: [2, 0, 3, '\0\0\0\0\x0f'] }, ask('/h2'), END], [OK]),
  streams('PRIORITY_UPDATE', [{ frame: [16, 0, 0, '\0\0\0\x01u=1'] }, ask('/h2'), END], [OK]),
  streams('upstream PING', [ask('/h2'), END], [[{ ping: '12345678' }, { wait: 10 }, ...OK]]),
];

const SHUT = { returnsCredit: false } as const;
const flow: readonly Case[] = [
  streams(
    'a client that gives credit bit by bit',
    [
      { hello: { ...SHUT, settings: { INITIAL_WINDOW_SIZE: 10 } } },
      ...[ask('/h2'), { untilBytes: 10 }, { wait: 20 }, { credit: 5, on: 1 }, { untilBytes: 15 }, { wait: 10 }],
      ...[{ credit: 1000, on: 1 }, END],
    ],
    [[OK_HEAD, { data: 100, end: true }]],
  ),
  streams(
    'a client without credit',
    [
      { hello: { ...SHUT, settings: { INITIAL_WINDOW_SIZE: 0 } } },
      ...[ask('/h2'), { until: 'head' } as const, { wait: 20 }, { settings: { INITIAL_WINDOW_SIZE: 1000 } }, END],
    ],
    [[OK_HEAD, { data: 100, end: true }]],
  ),
  streams(
    'a client whose connection has no credit',
    [
      { hello: SHUT },
      ask('/h2'),
      { untilBytes: 65_535 },
      { wait: 20 },
      { credit: 50_000 },
      { credit: 50_000, on: 1 },
      END,
    ],
    [[OK_HEAD, { data: 100_000, end: true }]],
  ),
  streams(
    'a client that does not read one stream reads another',
    [
      { hello: { ...SHUT, settings: { INITIAL_WINDOW_SIZE: 1000 } } },
      ...[ask('/h2'), { untilBytes: 1000 }, ask('/h2', 3), { until: 'end', on: 3 } as const],
    ],
    [[OK_HEAD, { data: 50_000, end: true }], OK],
  ),
  streams(
    'a client that lowers its window below zero',
    [
      { hello: { ...SHUT, settings: { INITIAL_WINDOW_SIZE: 1000 } } },
      ...[
        ask('/h2'),
        { untilBytes: 1000 },
        { settings: { INITIAL_WINDOW_SIZE: 100 } },
        { until: 'settings-ack' } as const,
      ],
      ...[{ credit: 950, on: 1 }, { untilBytes: 1050 }, { wait: 10 }, { credit: 5000, on: 1 }, END],
    ],
    [[OK_HEAD, { data: 3000, end: true }]],
  ),
  streams('credit of 0 for the connection', [ask('/h2'), END, { credit: 0 }, { until: 'close' }], [OK]),
  streams('credit of 0 for a stream', [post('/h2'), { credit: 0, on: 1 }, { until: 'reset' }, { wait: 10 }], [NEVER]),
  streams('credit beyond 2^31 for the connection', [{ credit: 2 ** 31 - 1 }, { until: 'close' }], []),
  streams(
    'credit beyond 2^31 for a stream',
    [post('/h2'), { awaitUpstream: 1 }, { credit: 2 ** 31 - 1, on: 1 }, { until: 'reset' }, { wait: 10 }],
    [NEVER],
  ),
  {
    name: 'an upstream that gives credit bit by bit',
    http2: [post('/h2'), { data: 1000, end: true }, END],
    upstream: {
      a: {
        replies: [],
        http2: {
          ...SHUT,
          settings: { INITIAL_WINDOW_SIZE: 10 },
          replies: [
            {
              on: 'head',
              actions: [
                { awaitBytes: 10 },
                { frame: [8, 0, 'this', '\0\0\0\x05'] },
                { awaitBytes: 15 },
                { wait: 10 },
                { settings: { INITIAL_WINDOW_SIZE: 5000 } },
                { await: 'request' },
                ...OK,
              ],
            },
          ],
        },
      },
    },
  },
  {
    name: 'an upstream without credit stalls one stream alone',
    http2: [post('/h2'), { data: 1000, end: true }, { awaitUpstream: 1 }, ask('/h2', 3), { until: 'end', on: 3 }],
    upstream: { a: { replies: [], http2: { ...SHUT, settings: { INITIAL_WINDOW_SIZE: 10 }, replies: [NEVER, OK] } } },
  },
];

const local: readonly Case[] = [
  { name: 'no route', http2: [ask('/none'), END] },
  { name: 'no route, with a body', http2: [post('/none'), { data: 'part' }, END, { wait: 10 }] },
  { name: 'no route, HEAD', http2: [{ head: h2Head('HEAD', '/none'), end: true }, END] },
  { name: 'no route, gRPC', http2: [ask('/none', 1, ['content-type', 'application/grpc']), END] },
  {
    name: 'no route, gRPC with a body',
    http2: [post('/none', 1, ['content-type', 'application/grpc+proto']), { data: 'x' }, END],
  },
  { name: 'no route, grpc-web', http2: [ask('/none', 1, ['content-type', 'application/grpc-web']), END] },
  { name: 'direct response', http2: [ask('/direct'), END] },
  {
    name: 'direct response, with a body',
    http2: [post('/direct'), { data: 'part' }, END, { data: 'rest', end: true }, { wait: 10 }],
  },
  { name: 'direct response, gRPC', http2: [ask('/direct', 1, ['content-type', 'application/grpc']), END] },
  { name: 'direct 204', http2: [ask('/empty'), END] },
  { name: 'redirect', http2: [ask('/away?a=b'), END] },
  { name: 'no cluster', http2: [ask('/nowhere'), END] },
  { name: 'connection refused', http2: [ask('/free'), END] },
  { name: 'connection refused, gRPC', http2: [ask('/free', 1, ['content-type', 'application/grpc']), END] },
];

const retryRoute = (name: string, on: string): Fields =>
  route(`/${name}`, 'h2', {
    retry_policy: { retry_on: on, num_retries: 1, retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' } },
  });

const routes: readonly Fields[] = [
  route('/h1', 'h1'),
  route('/h2', 'h2'),
  retryRoute('refused', 'refused-stream'),
  retryRoute('reset', 'reset'),
  retryRoute('before', 'reset-before-request'),
  retryRoute('connect', 'connect-failure'),
  retryRoute('5xx', '5xx'),
  retryRoute('http3', 'http3-post-connect-failure'),
  retryRoute('grpc', 'unavailable'),
  route('/free', 'free'),
  { match: { prefix: '/nowhere' }, route: { cluster_header: 'x-cluster' } },
  direct({ prefix: '/direct' }, 200, 'here'),
  direct({ prefix: '/empty' }, 204),
  { match: { prefix: '/away' }, redirect: { path_redirect: '/there' } },
];

export const http2StreamGroups: readonly Group[] = [
  {
    name: 'http2 streams',
    config: bootstrap({
      listeners: [anyVersion({ name: 'main', routes })],
      clusters: [http1Cluster('h1'), http2Cluster('h2'), { ...http2Cluster('free'), load_assignment: freeEndpoint() }],
    }),
    cases: [...clientResets, ...upstreamResets, ...retries, ...goaways, ...several, ...flow, ...local],
  },
];

function freeEndpoint(): Fields {
  const address = { socket_address: { address: '127.0.0.1', port_value: '{{free.nobody}}' } };
  return { cluster_name: 'free', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}
