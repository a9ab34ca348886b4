// Differential cases: options of HTTP/2 on both sides, the choice of a codec, and protections with low limits.
import type { Case, Group, Http2Action, Http2Field, Http2Reply, Http2Step } from '../case.ts';
import { any, bootstrap, direct, type Fields, route } from '../config.ts';
import { get } from '../messages.ts';
import {
  anyVersion,
  asks,
  h2Head,
  http1Cluster,
  http2Cluster,
  protocolOptions,
  scripted,
  type Version,
} from './http2-exchange.ts';
import { ca, downstreamTls, server } from './tls-fixtures.ts';

const OK_HEAD: Http2Action = { head: [[':status', '200']] };
const OK: readonly Http2Action[] = [OK_HEAD, { data: 'ok', end: true }];
const NEVER: Http2Reply = { on: 'head', actions: [] };
const END: Http2Step = { until: 'end' };
const END_3: Http2Step = { until: 'end', on: 3 };
const CLOSE: Http2Step = { until: 'close' };
const ask = (path = '/', on = 1, ...headers: Http2Field[]): Http2Step => ({
  head: h2Head('GET', path, headers),
  on,
  end: true,
});
const post: Http2Step = { head: h2Head('POST', '/') };

function http2(
  name: string,
  to: string,
  steps: readonly Http2Step[],
  replies: readonly Http2Reply[] = [OK],
  around: Partial<Case> = {},
): Case {
  return { name, to, http2: steps, upstream: scripted(replies), ...around };
}

/** Listeners by name with `http2_protocol_options`. */
const LISTENERS: Readonly<Record<string, Fields>> = {
  plain: {},
  tuned: {
    hpack_table_size: 0,
    max_concurrent_streams: 2,
    initial_stream_window_size: 70_000,
    initial_connection_window_size: 80_000,
    allow_connect: true,
  },
  custom: {
    custom_settings_parameters: [{ identifier: 0x10, value: 5 }],
  },
  'short-field': { max_header_field_size_kb: 64 },
  'no-obs-text': { disallow_obs_text: true },
  empty: { max_consecutive_inbound_frames_with_empty_payload: 2 },
  priority: { max_inbound_priority_frames_per_stream: 2 },
  updates: { max_inbound_window_update_frames_per_data_frame_sent: 1 },
  control: { max_outbound_control_frames: 10 },
  frames: { max_outbound_frames: 10 },
  resets: { stream_reset_burst: 3, stream_reset_rate: 1 },
  keepalive: { connection_keepalive: { interval: '0.1s', timeout: '0.05s', interval_jitter: { value: 0 } } },
  'keepalive-idle': {
    connection_keepalive: { interval: '10s', timeout: '0.05s', connection_idle_interval: '0.05s' },
  },
};

const settings: readonly Case[] = ['plain', 'tuned', 'custom'].map((to) =>
  http2(`settings of a listener: ${to}`, to, [{ until: 'settings-ack' }, ask(), END], [OK], { http2Settings: true }),
);
const clusterSettings: readonly Case[] = ['tuned', 'custom'].map((name) =>
  http2(`settings of a cluster: ${name}`, 'plain', [ask(`/${name}`), END], [OK], {
    http2Settings: true,
    view: ({ clients, upstreamHttp2 }) => ({ clients: clients[0]?.streams, upstreamHttp2 }),
  }),
);

const limits: readonly Case[] = [
  http2(
    'more streams than max_concurrent_streams',
    'tuned',
    [
      ask(),
      ask('/', 3),
      { awaitUpstream: 2 },
      ask('/', 5),
      { until: 'reset', on: 5 },
      { reset: 'CANCEL' },
      ask('/', 7),
      { until: 'end', on: 7 },
    ],
    [NEVER, NEVER, OK],
  ),
  http2(
    'DATA beyond the window of a stream',
    'tuned',
    [
      post,
      { awaitUpstream: 1 },
      ...Array.from({ length: 5 }, (): Http2Step => ({ frame: [0, 0, 1, 'x'.repeat(16_000)] })),
      { wait: 20 },
    ],
    [{ on: 'head', actions: ['stop-reading'] }],
    { view: ({ clients, log }) => ({ clients, log: log.map((line) => line.replace(/rx=\d+/, '')) }) },
  ),
  http2('a field of 63 KiB', 'short-field', [ask('/', 1, ['x-long', 'v'.repeat(50_000)]), END]),
  http2('obs-text refused', 'no-obs-text', [ask('/', 1, ['x-a', 'caf\xe9']), END]),
  http2('obs-text refused in a path', 'no-obs-text', [ask('/caf\xe9'), END]),
  http2(
    'a cluster with one stream for each connection',
    'plain',
    [ask('/single'), { awaitUpstream: 1 }, ask('/single', 3), END_3, END],
    [{ on: 'head', actions: [{ wait: 40 }, ...OK] }, OK],
  ),
  {
    name: 'an upstream that takes one stream at once',
    to: 'plain',
    http2: [ask('/first'), END, ask('/h2', 3), { awaitUpstream: 2 }, ask('/h2', 5), { until: 'end', on: 5 }, END_3],
    upstream: {
      a: {
        replies: [],
        http2: {
          settings: { MAX_CONCURRENT_STREAMS: 1 },
          replies: [OK, { on: 'head', actions: [{ wait: 40 }, ...OK] }, OK],
        },
      },
    },
  },
  {
    name: 'an upstream that takes no streams',
    to: 'plain',
    http2: [ask('/brief'), END],
    upstream: { a: { replies: [], http2: { settings: { MAX_CONCURRENT_STREAMS: 0 } } } },
    standardStats: false,
    view: ({ clients, log }) => ({ clients, log }),
  },
];

const times = (count: number, frame: readonly [number, number, number, string?]): Http2Step => ({
  frame,
  times: count,
});
const WINDOW_UPDATE = '\0\0\0\x01';
const floods: readonly Case[] = [
  http2('empty DATA: at the limit', 'empty', [post, times(2, [0, 0, 1]), { data: 'x', end: true }, END]),
  http2('empty DATA: above the limit', 'empty', [post, { awaitUpstream: 1 }, times(3, [0, 0, 1]), CLOSE], [NEVER]),
  http2(
    'empty DATA: above the default limit',
    'plain',
    [post, { awaitUpstream: 1 }, times(2, [0, 0, 1]), CLOSE],
    [NEVER],
  ),
  http2(
    'empty DATA with padding',
    'empty',
    [post, { awaitUpstream: 1 }, times(3, [0, 8, 1, '\x03\0\0\0']), CLOSE],
    [NEVER],
  ),
  http2('empty CONTINUATION', 'empty', [{ frame: [1, 1, 1] }, times(3, [9, 0, 1]), CLOSE]),
  http2('PRIORITY: at the limit', 'priority', [times(2, [2, 0, 1, '\0\0\0\0\x0f']), ask(), END]),
  http2('PRIORITY: above the limit', 'priority', [times(3, [2, 0, 1, '\0\0\0\0\x0f']), CLOSE]),
  http2('PRIORITY: above the limit with a stream', 'priority', [
    ask(),
    END,
    times(5, [2, 0, 1, '\0\0\0\0\x0f']),
    CLOSE,
  ]),
  http2('WINDOW_UPDATE: at the limit', 'updates', [times(5, [8, 0, 0, WINDOW_UPDATE]), ask(), END]),
  http2('WINDOW_UPDATE: above the limit', 'updates', [times(30, [8, 0, 0, WINDOW_UPDATE]), CLOSE]),
  http2('PING: few', 'control', [times(5, [6, 0, 0, '12345678']), { until: 'pong' }, ask(), END], [OK], {
    view: ({ clients, log }) => ({ streams: clients[0]?.streams, log }),
  }),
  http2(
    'PING: many at once',
    'control',
    [ask(), { awaitUpstream: 1 }, times(100, [6, 0, 0, '12345678']), CLOSE],
    [NEVER],
    {
      view: ({ clients, stats, log }) => ({
        fate: clients[0]?.fate !== 'open',
        log,
        flood: stats['http2.outbound_control_flood'],
      }),
    },
  ),
  http2('SETTINGS: many at once', 'control', [ask(), { awaitUpstream: 1 }, times(100, [4, 0, 0]), CLOSE], [NEVER], {
    view: ({ clients, stats, log }) => ({
      fate: clients[0]?.fate !== 'open',
      log,
      flood: stats['http2.outbound_control_flood'],
    }),
  }),
  {
    name: 'answers: many at once',
    to: 'frames',
    http2: [...Array.from({ length: 60 }, (_, i) => ask('/direct', 2 * i + 1)), CLOSE],
    view: ({ clients, stats }) => ({ fate: clients[0]?.fate !== 'open', flood: stats['http2.outbound_flood'] }),
  },
  http2('METADATA', 'plain', [post, { frame: [0x4d, 4, 1, '\0\x01a\x01b'] }, { data: 'x', end: true }, END]),
  http2('METADATA: many without payload', 'empty', [
    post,
    { awaitUpstream: 1 },
    times(20, [0x4d, 4, 1]),
    { data: '', end: true },
    END,
  ]),
  http2(
    'rapid resets: above the burst',
    'resets',
    [...[1, 3, 5, 7, 9].flatMap((on): Http2Step[] => [ask('/', on), { reset: 'CANCEL', on }]), CLOSE],
    [],
    {
      view: ({ clients, stats }) => ({
        fate: clients[0]?.fate !== 'open',
        protocol: stats['http.resets.downstream_cx_protocol_error'],
      }),
    },
  ),
  http2(
    'rapid resets: within the burst',
    'resets',
    [
      ask(),
      { awaitUpstream: 1 },
      { reset: 'CANCEL' },
      ask('/', 3),
      { awaitUpstream: 2 },
      { reset: 'CANCEL', on: 3 },
      ask('/', 5),
      { until: 'end', on: 5 },
    ],
    [NEVER, NEVER, OK],
  ),
  http2('keepalive answered', 'keepalive', [{ until: 'ping' }, { wait: 80 }, ask(), END]),
  http2('keepalive not answered', 'keepalive', [{ hello: { acksPings: false } }, CLOSE], []),
  http2(
    'keepalive not answered with a stream',
    'keepalive',
    [{ hello: { acksPings: false } }, ask(), { awaitUpstream: 1 }, CLOSE],
    [NEVER],
  ),
  http2('keepalive when idle', 'keepalive-idle', [
    { hello: { acksPings: false } },
    ask(),
    END,
    { wait: 90 },
    ask('/', 3),
    CLOSE,
  ]),
  {
    name: 'keepalive of a cluster not answered',
    to: 'plain',
    http2: [ask('/keepalive'), END],
    upstream: { a: { replies: [], http2: { acksPings: false, replies: [NEVER] } } },
  },
  {
    name: 'keepalive of a cluster answered',
    to: 'plain',
    http2: [ask('/keepalive'), END],
    upstream: scripted([{ on: 'head', actions: [{ wait: 250 }, ...OK] }]),
  },
];

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const codecs: readonly Case[] = [
  ...(['h1', 'h2'] as const).flatMap((version: Version): Case[] => [
    { name: `codec AUTO: ${version}`, to: 'plain', ...asks(version, { path: '/direct' }) },
    { name: `codec HTTP1: ${version}`, to: 'http1', ...asks(version, { path: '/direct' }) },
    { name: `codec HTTP2: ${version}`, to: 'http2', ...asks(version, { path: '/direct' }) },
  ]),
  {
    name: 'the preface in pieces',
    to: 'plain',
    http2: [
      { hello: { preface: PREFACE.slice(0, 3), sendsSettings: false } },
      { wait: 20 },
      { raw: PREFACE.slice(3) },
      { settings: {} },
      ask('/direct'),
      END,
    ],
  },
  {
    name: 'half a preface',
    to: 'plain',
    http2: [{ hello: { preface: PREFACE.slice(0, 10), sendsSettings: false } }, { wait: 30 }, 'half-close', CLOSE],
  },
  { name: 'a preface that goes wrong', to: 'plain', send: ['PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', { read: 1 }] },
  {
    name: 'a preface that goes wrong at HTTP2',
    to: 'http2',
    http2: [{ hello: { preface: 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n' } }, CLOSE],
  },
  {
    name: 'a preface and nothing',
    to: 'plain',
    http2: [{ hello: { sendsSettings: false } }, { until: 'settings' }, 'half-close', CLOSE],
  },
  {
    name: 'a preface and no SETTINGS',
    to: 'plain',
    http2: [{ hello: { sendsSettings: false } }, ask('/direct'), CLOSE],
  },
  { name: 'a preface twice', to: 'plain', http2: [ask('/direct'), END, { raw: PREFACE }, CLOSE] },
  {
    name: 'HTTP/1 after HTTP/2',
    to: 'plain',
    http2: [ask('/direct'), END, { raw: 'GET / HTTP/1.1\r\nhost: x\r\n\r\n' }, CLOSE],
  },
  {
    name: 'upgrade to h2c',
    to: 'plain',
    send: get('/direct', 'connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQAAP__'),
  },
  ...[['h2', 'http/1.1'], ['http/1.1'], ['h2'], undefined].flatMap((alpn): Case[] => {
    const tls = { tls: { ...(alpn === undefined ? {} : { alpn }) } };
    const offer = alpn?.join(' ') ?? 'nothing';
    return [
      { name: `TLS, client offers ${offer}, speaks HTTP/2`, to: 'secure', http2: [tls, ask('/direct'), END] },
      { name: `TLS, client offers ${offer}, speaks HTTP/1`, to: 'secure', send: [tls, get('/direct'), { read: 1 }] },
    ];
  }),
  ...[['h2', 'http/1.1'], ['http/1.1'], ['h2'], undefined].map(
    (alpn): Case => ({
      name: `TLS, upstream takes ${alpn?.join(' ') ?? 'nothing'}`,
      to: 'plain',
      upstreamTls: {
        s: { cert: server.chainPem, key: server.keyPem, ...(alpn === undefined ? {} : { ALPNProtocols: alpn }) },
      },
      http2: [ask('/secure'), END],
      upstream: { s: { replies: [], http2: { replies: [OK] } } },
    }),
  ),
];

const connect = (...headers: Http2Field[]): Http2Step => ({ head: [[':method', 'CONNECT'], ...headers] });
const webSocket = (path: string): Http2Step =>
  connect(
    [':protocol', 'websocket'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'test.example'],
    ['sec-websocket-version', '13'],
  );
const connects: readonly Case[] = [
  http2('CONNECT without a route for it', 'plain', [connect([':authority', 'a.example:80']), END], []),
  http2('CONNECT with a path', 'plain', [connect([':authority', 'a.example:80'], [':path', '/']), END], []),
  http2('CONNECT with a scheme', 'plain', [connect([':authority', 'a.example:80'], [':scheme', 'http']), END], []),
  http2('CONNECT without authority', 'plain', [connect(), END], []),
  http2('extended CONNECT where it is off', 'plain', [webSocket('/h2'), END], []),
  http2('extended CONNECT without an upgrade for it', 'tuned', [webSocket('/h2'), END], []),
  http2(
    'extended CONNECT to HTTP/2',
    'upgrades',
    [webSocket('/connects'), { until: 'head' }, { data: 'hello' }, { untilBytes: 5 }, { data: '', end: true }, END],
    [{ on: 'head', actions: [OK_HEAD, { echo: true }] }],
    { settleMs: 15 },
  ),
  http2(
    'extended CONNECT to an HTTP/2 upstream that refuses',
    'upgrades',
    [webSocket('/connects'), END],
    [{ on: 'head', actions: [{ head: [[':status', '403']], end: true }] }],
  ),
  {
    name: 'extended CONNECT to HTTP/1',
    to: 'upgrades',
    http2: [
      webSocket('/h1'),
      { until: 'head' },
      { data: 'hello' },
      { untilBytes: 5 },
      { reset: 'CANCEL' },
      { wait: 15 },
    ],
    upstream: {
      a: [
        {
          on: 'head',
          actions: [
            'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
            { echo: true },
          ],
        },
      ],
    },
  },
  {
    name: 'upgrade of HTTP/1 to HTTP/2',
    to: 'upgrades',
    send: [get('/connects', 'connection: upgrade', 'upgrade: websocket'), { readHead: 1 }, 'hello', { readBytes: 5 }],
    upstream: scripted([{ on: 'head', actions: [OK_HEAD, { echo: true }] }]),
    settleMs: 15,
  },
  {
    name: 'upgrade of HTTP/1 to an HTTP/2 upstream without CONNECT',
    to: 'upgrades',
    send: [get('/h2', 'connection: upgrade', 'upgrade: websocket'), { readHead: 1 }],
    upstream: scripted([{ on: 'head', actions: [OK_HEAD, { echo: true }] }]),
    settleMs: 15,
  },
];

const retry = { retry_policy: { retry_on: 'connect-failure', num_retries: 0 } };
const routes: readonly Fields[] = [
  direct({ prefix: '/direct' }, 200, 'here'),
  route('/brief', 'h2', { timeout: '0.1s' }),
  route('/h1', 'h1'),
  route('/single', 'single', retry),
  route('/tuned', 'tuned'),
  route('/custom', 'custom'),
  route('/connects', 'tuned'),
  route('/keepalive', 'keepalive', { timeout: '1s' }),
  route('/secure', 'secure'),
  route('/', 'h2'),
];

const listeners: readonly Fields[] = [
  ...Object.entries(LISTENERS).map(([name, options]) =>
    anyVersion({ name, routes: routes, hcm: { http2_protocol_options: options, max_request_headers_kb: 90 } }),
  ),
  anyVersion({ name: 'http1', routes: routes, hcm: { codec_type: 'HTTP1' } }),
  anyVersion({ name: 'http2', routes: routes, hcm: { codec_type: 'HTTP2' } }),
  anyVersion({
    name: 'upgrades',
    routes: routes,
    hcm: { http2_protocol_options: { allow_connect: true }, upgrade_configs: [{ upgrade_type: 'websocket' }] },
  }),
  secured(),
];

function secured(): Fields {
  const listener = anyVersion({ name: 'secure', routes: routes }) as { filter_chains: readonly Fields[] };
  const [chain = {}] = listener.filter_chains;
  const transport_socket = downstreamTls({ validation: null, common: { alpn_protocols: ['h2', 'http/1.1'] } });
  return { ...listener, filter_chains: [{ ...chain, transport_socket }] };
}

const clusters: readonly Fields[] = [
  http1Cluster('h1'),
  http2Cluster('h2'),
  http2Cluster('single', { max_concurrent_streams: 1 }),
  http2Cluster('tuned', { ...LISTENERS['tuned'], max_concurrent_streams: 100 }),
  http2Cluster('custom', { custom_settings_parameters: [{ identifier: 0x10, value: 5 }] }),
  http2Cluster('keepalive', LISTENERS['keepalive']),
  {
    ...http2Cluster('secure'),
    ...protocolOptions({ auto_config: { http_protocol_options: {}, http2_protocol_options: {} } }),
    load_assignment: {
      cluster_name: 'secure',
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: '{{backend.s}}' } } } },
          ],
        },
      ],
    },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
        common_tls_context: { validation_context: { trusted_ca: { inline_string: ca.pem } } },
      }),
    },
  },
];

export const http2OptionGroups: readonly Group[] = [
  {
    name: 'http2 options',
    config: bootstrap({ listeners, clusters }),
    upstreamTls: { s: { cert: server.chainPem, key: server.keyPem } },
    cases: [...settings, ...clusterSettings, ...limits, ...floods, ...codecs, ...connects],
  },
];
