// Differential cases: gRPC, its filters, deadlines, retries and replies where HTTP/2 is spoken on one side or on both.
import type { Case, Group, Http2Action, Http2Field } from '../case.ts';
import { bootstrap, cluster, direct, type Fields, filter, route, textLog } from '../config.ts';
import { base64, message } from './grpc-messages.ts';
import {
  answers,
  anyVersion,
  asks,
  h2Head,
  http1Cluster,
  http2Cluster,
  type Request,
  type Response,
  scripted,
  type Version,
} from './http2-exchange.ts';

const LOG =
  '%PROTOCOL% up=%UPSTREAM_PROTOCOL% grpc=%GRPC_STATUS% code=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% ' +
  'flags=%RESPONSE_FLAGS% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ' +
  'counts=%FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)% status=%RESP(GRPC-STATUS)%/%TRAILER(GRPC-STATUS)%\n';

const PACKAGE = 'envoy.extensions.filters.http';
const FILTERS: Readonly<Record<string, readonly Fields[]>> = {
  plain: [],
  stats: [
    filter('envoy.filters.http.grpc_stats', `${PACKAGE}.grpc_stats.v3.FilterConfig`, {
      stats_for_all_methods: true,
      emit_filter_state: true,
      enable_upstream_stats: true,
    }),
  ],
  web: [filter('envoy.filters.http.grpc_web', `${PACKAGE}.grpc_web.v3.GrpcWeb`)],
  bridge: [
    filter('envoy.filters.http.grpc_http1_bridge', `${PACKAGE}.grpc_http1_bridge.v3.Config`, {
      upgrade_protobuf_to_grpc: true,
      ignore_query_parameters: true,
    }),
  ],
};

function listener(kind: string, upstream: Version): Fields {
  return anyVersion({
    name: `${kind}-${upstream}`,
    filters: FILTERS[kind] ?? [],
    routes: [
      direct({ prefix: '/local' }, 503, 'no ~ way\n'),
      route('/refused/', 'refused'),
      route('/late/', upstream, { timeout: '0.15s' }),
      route('/deadline/', upstream, { max_stream_duration: { grpc_timeout_header_max: '0.2s' } }),
      route('/max/', upstream, { max_grpc_timeout: '1s' }),
      route('/retry/', upstream, { retry_policy: { retry_on: 'unavailable,internal,reset,5xx', num_retries: 2 } }),
      route('/try/', upstream, {
        retry_policy: { retry_on: 'unavailable,5xx', num_retries: 1, per_try_timeout: '0.15s' },
      }),
      route('/', upstream),
    ],
    log: [textLog(LOG)],
  });
}

const VERSIONS: readonly Version[] = ['h1', 'h2'];
const config = bootstrap({
  listeners: Object.keys(FILTERS).flatMap((kind) => VERSIONS.map((version) => listener(kind, version))),
  clusters: [http1Cluster('h1'), http2Cluster('h2'), cluster('refused', ['free.refused'])],
});

/** From the client's version to the upstream's; HTTP/1.1 on both sides has tables of its own. */
const WAYS: readonly (readonly [Version, Version])[] = [
  ['h2', 'h2'],
  ['h2', 'h1'],
  ['h1', 'h2'],
];

const PATH = '/pkg.Service/Method';
const GRPC: Http2Field = ['content-type', 'application/grpc'];
const PING: Request = { method: 'POST', path: PATH, headers: [GRPC, ['te', 'trailers']], body: [message('ping')] };
const PONG: Response = { headers: [GRPC], body: [message('pong')], trailers: [['grpc-status', '0']] };

function status(code: number | string, ...headers: Http2Field[]): Response {
  return { headers: [GRPC, ['grpc-status', String(code)], ...headers] };
}

function failed(code: number | string, ...trailers: Http2Field[]): Response {
  return { headers: [GRPC], body: [], trailers: [['grpc-status', String(code)], ...trailers] };
}

const SETTINGS: Partial<Case> = { stats: ['^cluster\\.[^.]+\\.grpc'], probeMs: 5, timeoutMs: 1500 };

/** One exchange in every way. */
function each(kind: string, name: string, request: Request, ...responses: Response[]): Case[] {
  return WAYS.map(([from, to]) => ({
    ...SETTINGS,
    name: `${kind}: ${name}, ${from} to ${to}`,
    to: `${kind}-${to}`,
    ...asks(from, request),
    upstream: answers(...responses),
  }));
}

/** What only HTTP/2 can say, from a client of either version. */
function told(kind: string, name: string, request: Request, ...replies: (readonly Http2Action[])[]): Case[] {
  return VERSIONS.map((from) => ({
    ...SETTINGS,
    name: `${kind}: ${name}, from ${from}`,
    to: `${kind}-h2`,
    ...asks(from, request),
    upstream: scripted(replies),
  }));
}

const calls: readonly Case[] = ['plain', 'stats', 'web', 'bridge'].flatMap((kind) => [
  ...each(kind, 'a call', PING, PONG),
  ...each(kind, 'a failed call', PING, failed(5, ['grpc-message', 'not%20here'], ['x-more', '1'])),
  ...each(kind, 'trailers only', PING, status(12)),
  ...each(
    kind,
    'messages both ways',
    { ...PING, body: [message('a') + message(''), message('c')] },
    {
      ...PONG,
      body: [message('x'), message('y') + message('z').slice(0, 3), message('z').slice(3)],
    },
  ),
  ...each(kind, 'an HTTP failure', PING, { status: 503, body: ['down'], isMeasured: true }),
  ...each(kind, 'no trailers', PING, { headers: [GRPC], body: [message('x')], endsEmpty: true }),
  ...each(kind, 'an own reply', { ...PING, path: '/local' }),
  ...each(kind, 'a refused connection', { ...PING, path: '/refused/m' }),
  ...each(kind, 'request trailers', { ...PING, trailers: [['x-t', '1']] }, PONG),
]);

const behaviour: readonly Case[] = [
  ...each('plain', 'retry on a status', { ...PING, path: '/retry/m' }, status(14), PONG),
  ...each('plain', 'retry in vain', { ...PING, path: '/retry/m' }, status(14), status(13), status(14)),
  ...each('plain', 'no retry on trailers', { ...PING, path: '/retry/m' }, failed(14), PONG),
  ...each(
    'plain',
    'deadline to the upstream',
    {
      ...PING,
      path: '/max/m',
      headers: [GRPC, ['grpc-timeout', '300000u']],
    },
    PONG,
  ),
  ...each(
    'plain',
    'deadline that is cut',
    {
      ...PING,
      path: '/deadline/m',
      headers: [GRPC, ['grpc-timeout', '5S']],
    },
    PONG,
  ),
  ...told('plain', 'a late answer', { ...PING, path: '/late/m' }, [{ wait: 400 }, { head: [[':status', '200']] }]),
  ...told(
    'plain',
    'a deadline that passes',
    {
      ...PING,
      path: '/deadline/m',
      headers: [GRPC, ['grpc-timeout', '100m']],
    },
    [{ wait: 400 }, { head: [[':status', '200']] }],
  ),
  ...told(
    'plain',
    'a per try timeout',
    { ...PING, path: '/try/m' },
    [{ wait: 600 }],
    [{ head: [[':status', '200'], GRPC, ['grpc-status', '0']], end: true }],
  ),
  ...told('plain', 'a reset before the answer', PING, [{ rst: 'INTERNAL_ERROR' }]),
  ...told('plain', 'a refused stream', PING, [{ rst: 'REFUSED_STREAM' }]),
  ...told(
    'plain',
    'a reset that is tried again',
    { ...PING, path: '/retry/m' },
    [{ rst: 'CANCEL' }],
    [{ head: [[':status', '200'], GRPC, ['grpc-status', '0']], end: true }],
  ),
  ...told('plain', 'a reset in the answer', PING, [
    { head: [[':status', '200'], GRPC] },
    { data: message('x') },
    { wait: 30 },
    { rst: 'INTERNAL_ERROR' },
  ]),
  ...told('stats', 'a reset in the answer', PING, [
    { head: [[':status', '200'], GRPC] },
    { data: message('x') },
    { wait: 30 },
    { rst: 'CANCEL' },
  ]),
  ...told('stats', 'DATA without a body', PING, [
    { head: [[':status', '200'], GRPC] },
    { data: '' },
    { data: message('a').slice(0, 1) },
    { data: message('a').slice(1) },
    { trailers: [['grpc-status', '0']] },
  ]),
];

const WEB: Http2Field = ['content-type', 'application/grpc-web+proto'];
const TEXT: Http2Field = ['content-type', 'application/grpc-web-text+proto'];
const ASKS_TEXT: Http2Field = ['accept', 'application/grpc-web-text+proto'];
const BINARY: Request = { method: 'POST', path: PATH, headers: [WEB, ['x-grpc-web', '1']], body: [message('ping')] };
const TEXTUAL: Request = { ...BINARY, headers: [TEXT, ASKS_TEXT], body: [base64(message('ping'))] };

const web: readonly Case[] = (
  [
    ['binary', BINARY],
    ['text', TEXTUAL],
  ] as const
).flatMap(([form, request]) => [
  ...each('web', `${form}: a call`, request, PONG),
  ...each('web', `${form}: a measured call`, { ...request, isMeasured: true }, PONG),
  ...each('web', `${form}: a failed call`, request, failed(7, ['grpc-message', 'no'])),
  ...each('web', `${form}: trailers only`, request, status(16, ['grpc-message', 'who'])),
  ...each('web', `${form}: an HTTP failure`, request, { status: 500, body: ['one', 'two'] }),
  ...each('web', `${form}: an HTTP failure with trailers`, request, {
    status: 500,
    body: ['one'],
    trailers: [['grpc-status', '3']],
  }),
  ...each('web', `${form}: an HTTP failure without a body`, request, { status: 404 }),
  ...each('web', `${form}: an own reply`, { ...request, path: '/local' }),
  ...each('web', `${form}: retried`, { ...request, path: '/retry/m' }, status(14), PONG),
  ...each('web', `${form}: a deadline`, { ...request, path: '/max/m' }, PONG),
]);
const webOddities: readonly Case[] = [
  ...each('web', 'text in pieces', { ...TEXTUAL, body: ['AAAA', 'AAR', 'wa', 'W5n'], endsEmpty: true }, PONG),
  ...each('web', 'text of a bad length', { ...TEXTUAL, body: ['AAAAA'], endsEmpty: true }, PONG),
  ...each('web', 'text of bad digits', { ...TEXTUAL, body: ['AA*A'] }, PONG),
];

const PROTOBUF: Request = { ...PING, headers: [['content-type', 'application/x-protobuf']], body: ['ping'] };
const bridge: readonly Case[] = [
  ...each('bridge', 'protobuf', PROTOBUF, PONG),
  ...each('bridge', 'protobuf with a query', { ...PROTOBUF, path: `${PATH}?a=b` }, PONG),
  ...each('bridge', 'gRPC with a query', { ...PING, path: `${PATH}?a=b` }, PONG),
  ...each('bridge', 'protobuf in pieces', { ...PROTOBUF, body: ['pi', 'ng'], endsEmpty: true }, failed(5)),
  ...each('bridge', 'protobuf, trailers only', PROTOBUF, status(3)),
];

/** Calls of one connection beside each other. */
const streams: readonly Case[] = VERSIONS.map((to) => ({
  ...SETTINGS,
  name: `three streams to ${to}`,
  to: `stats-${to}`,
  http2: [
    ...[1, 3, 5].map((on) => ({ head: h2Head('POST', `/s/m${on}`, [GRPC]), on })),
    ...[5, 1, 3].map((on) => ({ data: message(`from ${on}`), on, end: true })),
    ...[1, 3, 5].map((on) => ({ until: 'end' as const, on })),
  ],
  upstream: answers(PONG, PONG, PONG),
  view: (seen) => ({ stats: seen.stats, log: [...seen.log].sort() }),
}));

export const grpcHttp2Groups: readonly Group[] = [
  { name: 'grpc http2', config, cases: [...calls, ...behaviour, ...web, ...webOddities, ...bridge, ...streams] },
];
