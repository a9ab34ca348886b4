// Differential cases: tunnels of HTTP/2 — CONNECT and POST that the proxy ends, and tcp_proxy that asks for them.
import type { Case, ClientStep, Group, Http2Action, Http2Field, Http2Reply, Http2Step, Observation } from '../case.ts';
import { address, bootstrap, cluster, type Fields, filter, http, textLog } from '../config.ts';
import { http2Cluster } from './http2-exchange.ts';
import { undated, without } from './connect-config.ts';
import { TUNNEL_LOG, TUNNEL_STATS } from './tunnel-config.ts';

const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const LOG =
  '%PROTOCOL% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% rx=%BYTES_RECEIVED% ' +
  'tx=%BYTES_SENT% cluster=%UPSTREAM_CLUSTER% upstream=%UPSTREAM_PROTOCOL% ' +
  'up=%UPSTREAM_WIRE_BYTES_SENT%/%UPSTREAM_WIRE_BYTES_RECEIVED% %REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)%\n';

const STATS = [
  '^http\\.[^.]+\\.downstream_(cx_upgrades_.*|rq_(ws_on|rx_reset|tx_reset|active))',
  '^cluster\\.[^.]+\\.upstream_(cx|rq|flow)_.*$',
];

type Tunnelled = { readonly hcm?: Fields; readonly connect?: Fields };

const enabled = { upgrade_configs: [{ upgrade_type: 'CONNECT' }] };

function ending(name: string, to: string, { hcm = enabled, connect = {} }: Tunnelled = {}): Fields {
  const upgrade = { upgrade_type: 'CONNECT', connect_config: connect };
  const post = [{ name: ':method', string_match: { exact: 'POST' } }];
  const action = { cluster: to, upgrade_configs: [upgrade] };
  return http({
    name,
    log: [textLog(LOG)],
    hcm: { codec_type: 'HTTP2', http2_protocol_options: { allow_connect: true }, ...hcm },
    routes: [
      { match: { connect_matcher: {} }, route: action },
      { match: { prefix: '/', headers: post }, route: action },
      { match: { prefix: '/' }, direct_response: { status: 200 } },
    ],
  });
}

function asking(name: string, tunneling: Fields = {}, proxy: Fields = {}): Fields {
  const terminal = filter('envoy.filters.network.tcp_proxy', TCP_PROXY, {
    stat_prefix: name,
    cluster: 'http2',
    access_log: [textLog(TUNNEL_LOG)],
    tunneling_config: { hostname: 'one.example:443', ...tunneling },
    ...proxy,
  });
  return { name, stat_prefix: name, address: address(`listen.${name}`), filter_chains: [{ filters: [terminal] }] };
}

const config = bootstrap({
  listeners: [
    ending('ends', 'raw'),
    ending('ends-v1', 'raw', { connect: { proxy_protocol_config: { version: 'V1' } } }),
    ending('posts', 'raw', { connect: { allow_post: true } }),
    ending('refused', 'refused'),
    ending('disallowed', 'raw', { hcm: { ...enabled, http2_protocol_options: {} } }),
    ending('not-enabled', 'raw', { hcm: {} }),
    asking('asks'),
    asking('asks-post', { use_post: true, post_path: '/tunnel' }),
    asking('propagates', { propagate_response_headers: true, propagate_response_trailers: true }),
    asking('twice', {}, { max_connect_attempts: 2 }),
    asking('idle', {}, { idle_timeout: '0.2s' }),
    asking('through', {}, { cluster: 'to-ends' }),
  ],
  clusters: [
    cluster('raw', ['raw']),
    cluster('refused', ['free.refused']),
    http2Cluster('http2'),
    http2Cluster('to-ends', {}, {}, toEnds()),
  ],
});

function toEnds(): Fields {
  const endpoint = { endpoint: { address: address('listen.ends') } };
  return { load_assignment: { cluster_name: 'to-ends', endpoints: [{ lb_endpoints: [endpoint] }] } };
}

// ─── Tunnels that end here ────────────────────────────────────────────────────────────────────────────────────────

const CONNECT: readonly Http2Field[] = [
  [':method', 'CONNECT'],
  [':authority', 'one.example:443'],
];
const POST: readonly Http2Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/tunnel'],
  [':authority', 'one.example'],
];

type Server = readonly (string | { wait: number } | { echo: true } | 'fin' | 'rst')[];

/** A raw server that says `server`, and a client of HTTP/2. */
function ends(name: string, to: string, server: Server, http2: readonly Http2Step[]): Case {
  return {
    name,
    to,
    http2,
    upstream: { raw: { replies: [], onConnect: server } },
    stats: STATS,
    settleMs: 60,
    view: undated,
  };
}

const ending_: readonly Case[] = [
  ends(
    'a word each way',
    'ends',
    [{ echo: true }],
    [{ head: CONNECT }, { until: 'head' }, { data: 'ping' }, { untilBytes: 4 }],
  ),
  ends(
    'data with the head',
    'ends',
    [{ echo: true }],
    [{ head: CONNECT }, { data: 'ping' }, { until: 'head' }, { untilBytes: 4 }],
  ),
  ends('the server speaks first', 'ends', ['220 hello'], [{ head: CONNECT }, { untilBytes: 9 }]),
  ends('the server ends', 'ends', ['bye', 'fin'], [{ head: CONNECT }, { until: 'end' }, { wait: 40 }]),
  ends(
    'the server ends, then the client',
    'ends',
    ['bye', 'fin'],
    [{ head: CONNECT }, { until: 'end' }, { wait: 30 }, { data: 'late', end: true }, { wait: 40 }],
  ),
  ends(
    'the server resets',
    'ends',
    ['bye', { wait: 40 }, 'rst'],
    [{ head: CONNECT }, { untilBytes: 3 }, { until: 'reset' }],
  ),
  ends(
    'the client ends, then the server',
    'ends',
    [{ wait: 60 }, 'bye', 'fin'],
    [{ head: CONNECT }, { until: 'head' }, { data: 'x', end: true }, { until: 'end' }],
  ),
  ends(
    'the client ends with the head',
    'ends',
    [{ wait: 40 }, 'bye', 'fin'],
    [{ head: CONNECT, end: true }, { until: 'end' }],
  ),
  ends(
    'the client resets',
    'ends',
    ['hello'],
    [{ head: CONNECT }, { untilBytes: 5 }, { reset: 'CANCEL' }, { wait: 40 }],
  ),
  ends('the client leaves', 'ends', ['hello'], [{ head: CONNECT }, { untilBytes: 5 }, 'close']),
  ends(
    'two at once',
    'ends',
    ['hello'],
    [
      { head: CONNECT, on: 1 },
      { head: CONNECT, on: 3 },
      { untilBytes: 5, on: 1 },
      { untilBytes: 5, on: 3 },
      { reset: 'CANCEL', on: 1 },
      { data: 'x', on: 3 },
      { wait: 40 },
    ],
  ),
  ends('PROXY header', 'ends-v1', [{ wait: 20 }, 'hello'], [{ head: CONNECT }, { untilBytes: 5 }]),
  ends(
    'POST, a word each way',
    'posts',
    [{ echo: true }],
    [{ head: POST }, { until: 'head' }, { data: 'ping' }, { untilBytes: 4 }],
  ),
  ends(
    'POST, the client ends, then the server',
    'posts',
    [{ wait: 60 }, 'bye', 'fin'],
    [{ head: POST }, { data: 'x', end: true }, { until: 'end' }],
  ),
  ends('POST, the server ends', 'posts', ['bye', 'fin'], [{ head: POST }, { until: 'end' }, { wait: 40 }]),
  ends(
    'POST with trailers',
    'posts',
    [{ wait: 60 }, 'bye', 'fin'],
    [{ head: POST }, { data: 'x' }, { trailers: [['x-t', '1']] }, { until: 'end' }],
  ),
  ends('refused', 'refused', [], [{ head: CONNECT }, { until: 'end' }]),
  ends('not allowed by the codec', 'disallowed', [{ echo: true }], [{ head: CONNECT }, { data: 'ping' }, { wait: 60 }]),
  ends('not enabled', 'not-enabled', [], [{ head: CONNECT }, { until: 'end' }, { wait: 30 }]),
  ends('without an authority', 'ends', [], [{ head: [[':method', 'CONNECT']] }, { wait: 60 }]),
  ends(
    'authority without a port',
    'ends',
    ['hello'],
    [
      {
        head: [
          [':method', 'CONNECT'],
          [':authority', 'one.example'],
        ],
      },
      { wait: 60 },
    ],
  ),
  ends('with a path', 'ends', ['hello'], [{ head: [...CONNECT, [':path', '/x'], [':scheme', 'http']] }, { wait: 60 }]),
  ends(
    'protocol of bytes',
    'ends',
    [{ echo: true }],
    [
      {
        head: [
          [':method', 'CONNECT'],
          [':protocol', 'bytestream'],
          [':scheme', 'http'],
          [':path', '/'],
          [':authority', 'one.example:443'],
        ],
      },
      { data: 'ping' },
      { wait: 60 },
    ],
  ),
];

// ─── Tunnels that tcp_proxy asks for ──────────────────────────────────────────────────────────────────────────────

/** A client of bytes, and an upstream of HTTP/2 that answers the wish for a tunnel so. */
function asks(name: string, to: string, send: readonly ClientStep[], ...replies: readonly Http2Reply[]): Case {
  return {
    name,
    to,
    send,
    upstream: { a: { replies: [], http2: { replies } } },
    stats: TUNNEL_STATS,
    settleMs: 60,
    view: undated,
  };
}

const status = (code: number, ...more: Http2Field[]): Http2Action => ({ head: [[':status', String(code)], ...more] });
const from = (...actions: Http2Action[]): Http2Reply => ({ on: 'head', actions });

/** Two Envoys and two Heddles compress their heads differently. */
function unsized(seen: Observation): unknown {
  const log = seen.log.map((line) => line.replace(/ (up|head)=\S+/g, ''));
  const stats = Object.entries(seen.stats).filter(([name]) => !name.includes('_bytes_'));
  return { ...seen, log, stats: Object.fromEntries(stats) };
}

const asking_: readonly Case[] = [
  asks('a word each way', 'asks', ['ping', { readRaw: 4 }], from(status(200), { echo: true })),
  asks(
    'the server speaks first',
    'asks',
    [{ readRaw: 5 }, 'ping', { wait: 30 }],
    from(status(200), { data: 'hello' }, { awaitBytes: 4 }),
  ),
  asks('POST', 'asks-post', ['ping', { readRaw: 4 }], from(status(200), { echo: true })),
  asks(
    'the server ends, then the client',
    'asks',
    [{ readRaw: 3 }, { wait: 30 }, 'late', { wait: 30 }, 'half-close', { wait: 40 }],
    from(status(200), { data: 'bye', end: true }, { await: 'request' }),
  ),
  asks(
    'the server ends with trailers',
    'propagates',
    [{ readRaw: 3 }, { wait: 30 }, 'late', { wait: 30 }, 'half-close', { wait: 40 }],
    from(status(200, ['x-a', '1']), { data: 'bye' }, { trailers: [['x-t', '2']] }),
  ),
  asks(
    'the client ends, then the server',
    'asks',
    ['ping', { wait: 30 }, 'half-close', { readRaw: 3 }, 'read-close'],
    from(status(200), { await: 'request' }, { wait: 30 }, { data: 'bye', end: true }),
  ),
  asks(
    'the server resets',
    'asks',
    [{ readRaw: 3 }, 'read-close'],
    from(status(200), { data: 'bye' }, { wait: 30 }, { rst: 'CANCEL' }),
  ),
  ...(['NO_ERROR', 'CONNECT_ERROR', 'REFUSED_STREAM', 'INTERNAL_ERROR'] as const).map((code) =>
    asks(
      `the server resets by ${code}`,
      'asks',
      [{ readRaw: 3 }, 'read-close'],
      from(status(200), { data: 'bye' }, { wait: 30 }, { rst: code }),
    ),
  ),
  asks(
    'the server ends, and wants no more',
    'asks',
    [{ readRaw: 3 }, 'read-close'],
    from(status(200), { data: 'bye', end: true }, { wait: 30 }, { rst: 'NO_ERROR' }),
  ),
  asks(
    'the client resets',
    'asks',
    [{ readRaw: 5 }, 'reset'],
    from(status(200), { data: 'hello' }, { await: 'reset' }),
  ),
  asks(
    'the client leaves',
    'asks',
    [{ readRaw: 5 }, 'close'],
    from(status(200), { data: 'hello' }, { await: 'request' }),
  ),
  asks(
    'the connection ends',
    'asks',
    [{ readRaw: 3 }, 'read-close'],
    from(status(200), { data: 'bye' }, { wait: 30 }, 'fin'),
  ),
  asks(
    'the connection is reset',
    'asks',
    [{ readRaw: 3 }, 'read-close'],
    from(status(200), { data: 'bye' }, { wait: 30 }, 'reset-connection'),
  ),
  asks(
    'GOAWAY while the tunnel is open',
    'asks',
    [{ readRaw: 3 }, { wait: 40 }, 'more', { readRaw: 6 }],
    from(status(200), { data: 'bye' }, { wait: 20 }, { goaway: 'NO_ERROR' }, { awaitBytes: 4 }, { data: 'end' }),
  ),
  asks('answered 201', 'asks', ['ping', 'read-close'], from(status(201))),
  asks(
    'answered 403',
    'propagates',
    ['ping', 'read-close'],
    from(status(403, ['x-a', '1']), { data: 'no', end: true }),
  ),
  asks(
    'answered 403 and nothing else',
    'asks',
    ['ping', 'read-close'],
    from({ head: [[':status', '403']], end: true }),
  ),
  asks(
    'answered 200 and nothing else',
    'asks',
    ['ping', 'read-close'],
    from({ head: [[':status', '200']], end: true }),
  ),
  asks('refused as a stream', 'asks', ['ping', 'read-close'], from({ rst: 'REFUSED_STREAM' })),
  asks(
    'answered 503, then 200',
    'twice',
    ['ping', { readRaw: 4 }],
    from(status(503), { data: '', end: true }),
    from(status(200), { echo: true }),
  ),
  asks('answered 100, then 200', 'asks', ['ping', { readRaw: 4 }], from(status(100), status(200), { echo: true })),
  asks('idle', 'idle', ['ping', { readRaw: 4 }, 'read-close'], from(status(200), { echo: true })),
  {
    ...asks('two on one connection', 'asks', []),
    // Whether the second wish finds the connection ready is left to chance.
    view: without('cluster.http2.upstream_rq_pending_total'),
    clients: [
      { to: 'asks', steps: ['one', { readRaw: 3 }, 'half-close', 'read-close'] },
      { to: 'asks', steps: [{ awaitUpstream: 1 }, { wait: 30 }, 'two', { readRaw: 3 }] },
    ],
    upstream: {
      a: { replies: [], http2: { replies: [from(status(200), { echo: true }), from(status(200), { echo: true })] } },
    },
  },
  {
    ...asks('to an end of tunnels', 'through', ['ping', { readRaw: 4 }, 'half-close', 'read-close']),
    upstream: { raw: { replies: [], onConnect: [{ echo: true }] } },
    view: unsized,
  },
];

export const tunnelHttp2Groups: readonly Group[] = [
  { name: 'tunnel http2 ends', config, cases: ending_ },
  { name: 'tunnel http2 asks', config, cases: asking_ },
];
