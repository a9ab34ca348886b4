// Differential cases: gRPC without filters of its own: replies of the proxy, deadlines, retries, counts, logs.
import type { Case, Group, Observation, Reply } from '../case.ts';
import { bootstrap, cluster, direct, filter, http, match, route, textLog } from '../config.ts';
import { chunked, request, response } from '../messages.ts';
import { answer, call, message, ok, trailersOnly, typed } from './grpc-messages.ts';
import { trailersDownstream, trailersUpstream } from './grpc-stats.ts';

const LOG =
  'grpc=%GRPC_STATUS% number=%GRPC_STATUS_NUMBER% snake=%GRPC_STATUS(SNAKE_STRING)% code=%RESPONSE_CODE% ' +
  'details=%RESPONSE_CODE_DETAILS% flags=%RESPONSE_FLAGS% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% ' +
  'resp=%RESP(GRPC-STATUS)% message=%RESP(GRPC-MESSAGE)% trailer=%TRAILER(GRPC-STATUS)%\n';
const FAULT = 'envoy.extensions.filters.http.fault.v3.HTTPFault';

const STATUSES = ['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'];
const NUMBERS = ['0', '1', '2', '4', '8', '13', '14', '16'];

const main = http({
  name: 'main',
  routes: [
    ...[400, 401, 403, 404, 408, 409, 413, 418, 426, 429, 500, 501, 502, 503, 504, 599].map((status) =>
      direct({ prefix: `/local/${status}` }, status, `is ${status}\n`),
    ),
    direct({ prefix: '/odd' }, 503, 'tilde ~ percent % tab \t umlaut \u00fc smile \u{1f600} end'),
    direct({ prefix: '/empty' }, 503),
    direct({ prefix: '/fine' }, 200, 'all is well'),
    { match: { prefix: '/redirect' }, redirect: { path_redirect: '/there' } },
    route('/refused/', 'refused'),
    route('/none/', 'none'),
    { match: { prefix: '/header' }, route: { cluster_header: 'x-cluster' } },
    route('/headers/', 'a', {}, { response_headers_to_add: [{ header: { key: 'x-added', value: 'yes' } }] }),
    route('/late/', 'a', { timeout: '0.2s' }),
    match({ prefix: '/grpc-only/', grpc: {} }, 'a'),
    route('/', 'a'),
  ],
  hcm: trailersDownstream,
  log: [textLog(LOG)],
});

const mapped = http({
  name: 'mapped',
  routes: [
    direct({ prefix: '/local' }, 503, 'down\n'),
    direct({ prefix: '/json' }, 429, 'much'),
    route('/refused/', 'refused'),
  ],
  hcm: {
    local_reply_config: {
      mappers: [
        {
          filter: {
            status_code_filter: { comparison: { op: 'EQ', value: { default_value: 429, runtime_key: 'none' } } },
          },
          status_code: 403,
          body: { inline_string: 'mapped' },
          body_format_override: { json_format: { text: '%LOCAL_REPLY_BODY%', code: '%RESPONSE_CODE%' } },
        },
      ],
      body_format: { text_format_source: { inline_string: 'text %LOCAL_REPLY_BODY%\n' } },
    },
  },
  log: [textLog(LOG)],
});

const retries = http({
  name: 'retries',
  routes: [
    ...STATUSES.map((status) =>
      route(`/${status}`, 'a', { timeout: '0s', retry_policy: { retry_on: status, num_retries: 2 } }),
    ),
    route('/several', 'a', { timeout: '0s', retry_policy: { retry_on: 'cancelled,unavailable,5xx', num_retries: 3 } }),
    route('/try', 'a', {
      timeout: '5s',
      retry_policy: { retry_on: 'deadline-exceeded,unavailable', num_retries: 2, per_try_timeout: '0.15s' },
    }),
    route('/5xx', 'a', { retry_policy: { retry_on: '5xx,reset', num_retries: 2, per_try_timeout: '0.15s' } }),
    route('/', 'a'),
  ],
  hcm: {
    ...trailersDownstream,
    use_remote_address: true,
    internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
  },
  log: [textLog(LOG)],
});

const timeouts = http({
  name: 'timeouts',
  routes: [
    route('/max', 'a', { max_grpc_timeout: '0.3s' }),
    route('/any', 'a', { max_grpc_timeout: '0s', timeout: '0.25s' }),
    route('/offset', 'a', { max_grpc_timeout: '10s', grpc_timeout_offset: '0.05s' }),
    route('/large-offset', 'a', { max_grpc_timeout: '10s', grpc_timeout_offset: '9s' }),
    route('/header-max', 'a', { max_stream_duration: { grpc_timeout_header_max: '0.3s' } }),
    route('/header-any', 'a', { max_stream_duration: { grpc_timeout_header_max: '0s' } }),
    route('/header-offset', 'a', {
      max_stream_duration: { grpc_timeout_header_max: '10s', grpc_timeout_header_offset: '0.05s' },
    }),
    route('/no-duration', 'a', { max_stream_duration: {}, timeout: '0.2s', max_grpc_timeout: '0.2s' }),
    route('/only-offset', 'a', { max_stream_duration: { grpc_timeout_header_offset: '0.05s' }, timeout: '0.2s' }),
    route('/duration', 'a', { max_stream_duration: { max_stream_duration: '0.2s', grpc_timeout_header_max: '10s' } }),
    route('/both', 'a', { max_grpc_timeout: '0.2s', max_stream_duration: { grpc_timeout_header_max: '10s' } }),
    route('/try', 'a', {
      max_grpc_timeout: '2s',
      retry_policy: { retry_on: 'unavailable,5xx', num_retries: 1, per_try_timeout: '0.2s' },
    }),
    route('/', 'a', { timeout: '0.25s' }),
  ],
  hcm: trailersDownstream,
  log: [textLog(LOG)],
});

const suppressed = http({
  name: 'suppressed',
  router: { suppress_grpc_request_failure_code_stats: true },
  routes: [direct({ prefix: '/local' }, 503, 'no'), route('/refused/', 'refused'), route('/', 'a')],
  hcm: trailersDownstream,
  log: [textLog(LOG)],
});

const logged = http({
  name: 'logged',
  filters: [filter('envoy.filters.http.fault', FAULT, { abort: { header_abort: {}, percentage: { numerator: 100 } } })],
  routes: [direct({ prefix: '/local' }, 403, 'no'), route('/', 'a')],
  hcm: trailersDownstream,
  log: [
    { ...textLog('unavailable\n'), filter: { grpc_status_filter: { statuses: ['UNAVAILABLE'] } } },
    { ...textLog('not ok\n'), filter: { grpc_status_filter: { statuses: ['OK'], exclude: true } } },
    {
      ...textLog('denied or gone\n'),
      filter: { grpc_status_filter: { statuses: ['PERMISSION_DENIED', 'NOT_FOUND'] } },
    },
    textLog(LOG),
  ],
});

const config = bootstrap({
  listeners: [main, mapped, retries, timeouts, suppressed, logged],
  clusters: [
    cluster('a', ['a'], trailersUpstream),
    cluster('refused', ['free.refused'], trailersUpstream),
    cluster('none', [], trailersUpstream),
  ],
});

const PATH = '/pkg.Service/Method';
const PING = message('ping');
const PONG = ok(message('pong'));

function seen(
  to: string,
  name: string,
  send: Case['send'],
  upstream: readonly Reply[] = [],
  more: Partial<Case> = {},
): Case {
  const sent = send === undefined ? {} : { send };
  return { name: `${to}: ${name}`, to, ...sent, upstream, probeMs: 5, ...more };
}

const localReplies: readonly Case[] = [
  ...[400, 401, 403, 404, 408, 409, 413, 418, 426, 429, 500, 501, 502, 503, 504, 599].map((status) =>
    seen('main', `direct response ${status}`, call(`/local/${status}`, PING)),
  ),
  ...['/odd', '/empty', '/fine', '/redirect', '/refused/m', '/none/m', '/header', '/headers/m'].map((path) =>
    seen('main', `reply of ${path}`, call(path, PING), path === '/headers/m' ? [PONG] : []),
  ),
  ...[
    'application/grpc+proto',
    'application/grpc;charset=utf-8',
    'application/grpc; charset=utf-8',
    'application/grpc-web',
    'application/grpc+',
    'APPLICATION/GRPC',
  ].map((type) => seen('main', `reply to ${type}`, typed(type, '/local/503', PING))),
  seen('main', 'reply to HEAD', request('HEAD', '/local/503', ['content-type: application/grpc'])),
  seen('main', 'reply to GET', request('GET', '/local/503', ['content-type: application/grpc'])),
  seen('main', 'no route', call('/grpc-only/m', PING).replace('application/grpc', 'application/grpc-web')),
  seen('main', 'a late answer', call('/late/m', PING), [[{ wait: 400 }, PONG]]),
  seen('main', 'a reset before the answer', call(PATH, PING), [['rst']]),
  seen('main', 'a reset in the answer', call(PATH, PING), [
    ['HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n', { wait: 30 }, 'rst'],
  ]),
  seen('main', 'an answer that is no HTTP', call(PATH, PING), ['nonsense\r\n\r\n']),
  ...['/local', '/json', '/refused/m'].flatMap((path) => [
    seen('mapped', `gRPC ${path}`, call(path, PING)),
    seen('mapped', `HTTP ${path}`, typed('text/plain', path, PING)),
  ]),
  ...['1', '5', '7', '14', '16', '0', '17', 'x'].map((status) =>
    seen('logged', `fault of status ${status}`, call(PATH, PING, `x-envoy-fault-abort-grpc-request: ${status}`), [
      PONG,
    ]),
  ),
];

const outcomes: readonly Case[] = ['suppressed', 'main'].flatMap((to) => [
  seen(to, 'answers and the host', call(PATH, PING), [PONG], { admin: ['GET /clusters'], view: hostCounts }),
  ...NUMBERS.map((status) =>
    seen(to, `trailers of status ${status} and the host`, call(PATH, PING), [answer([], [`grpc-status: ${status}`])], {
      admin: ['GET /clusters'],
      view: hostCounts,
    }),
  ),
  ...['0', '5', '12', '14', 'x'].map((status) =>
    seen(to, `trailers only of status ${status} and the host`, call(PATH, PING), [trailersOnly(status)], {
      admin: ['GET /clusters'],
      view: hostCounts,
    }),
  ),
  seen(
    to,
    'no trailers and the host',
    call(PATH, PING),
    [response(200, message('x'), 'content-type: application/grpc')],
    { admin: ['GET /clusters'], view: hostCounts },
  ),
  seen(to, 'HTTP 503 and the host', call(PATH, PING), [response(503, 'x')], {
    admin: ['GET /clusters'],
    view: hostCounts,
  }),
  seen(to, 'HTTP 404 and the host', call(PATH, PING), [response(404, 'x')], {
    admin: ['GET /clusters'],
    view: hostCounts,
  }),
  seen(to, 'a refused connection and its counts', call('/refused/m', PING), [], {
    admin: ['GET /clusters'],
    view: hostCounts,
  }),
]);

/** What /clusters says of the hosts' requests, besides everything else. */
function hostCounts(observation: Observation): unknown {
  const { admin, ...rest } = observation;
  const lines = (admin?.['GET /clusters']?.body ?? '')
    .split('\n')
    .filter((line) => /::rq_(success|error|timeout|total)::/.test(line));
  return { ...rest, hosts: lines.filter((line) => /^(a|refused)::/.test(line)).sort() };
}

const retryCases: readonly Case[] = [
  ...STATUSES.flatMap((on) =>
    NUMBERS.map((status) =>
      seen('retries', `${on}, status ${status}`, call(`/${on}/m`, PING), [trailersOnly(status), PONG]),
    ),
  ),
  ...STATUSES.map((on, i) =>
    seen('retries', `header asks for ${on}`, call('/none/m', PING, `x-envoy-retry-grpc-on: ${on}`), [
      trailersOnly(['1', '4', '13', '8', '14'][i] as string),
      PONG,
    ]),
  ),
  seen('retries', 'header with an unknown name', call('/none/m', PING, 'x-envoy-retry-grpc-on: unknown,unavailable'), [
    trailersOnly(14),
    PONG,
  ]),
  seen('retries', 'header of HTTP with a name of gRPC', call('/none/m', PING, 'x-envoy-retry-on: unavailable'), [
    trailersOnly(14),
    PONG,
  ]),
  seen(
    'retries',
    'header in vain',
    call('/none/m', PING, 'x-envoy-retry-grpc-on: unavailable', 'x-envoy-max-retries: 2'),
    [trailersOnly(14), trailersOnly(14), trailersOnly(14), PONG],
  ),
  seen('retries', 'header with a policy of 5xx', call('/5xx/m', PING, 'x-envoy-retry-grpc-on: internal'), [
    trailersOnly(13),
    response(503, 'x'),
    PONG,
  ]),
  seen('retries', 'status in trailers', call('/unavailable/m', PING), [answer([], ['grpc-status: 14']), PONG]),
  seen('retries', 'status in headers with a body', call('/unavailable/m', PING), [
    response(200, message('x'), 'content-type: application/grpc', 'grpc-status: 14'),
    PONG,
  ]),
  seen('retries', 'several', call('/several/m', PING), [trailersOnly(1), response(500, 'x'), trailersOnly(14), PONG]),
  seen('retries', 'HTTP 503 and a policy of unavailable', call('/unavailable/m', PING), [response(503, 'x'), PONG]),
  seen('retries', 'a request that is no gRPC', typed('text/plain', '/unavailable/m', PING), [trailersOnly(14), PONG]),
  seen(
    'retries',
    'a body in pieces',
    chunked('/unavailable/m', [PING.slice(0, 3), PING.slice(3)], ['content-type: application/grpc'], ['x-t: 1']),
    [trailersOnly(14), PONG],
  ),
  seen('retries', 'per try timeout', call('/try/m', PING), [[{ wait: 400 }, PONG], trailersOnly(14), PONG]),
  seen('retries', 'per try timeout, 5xx', call('/5xx/m', PING), [[{ wait: 400 }, PONG], PONG]),
  seen('retries', 'per try timeout to the end', call('/5xx/m', PING), [
    [{ wait: 600 }, PONG],
    [{ wait: 600 }, PONG],
    [{ wait: 600 }, PONG],
  ]),
  seen('retries', 'unknown statuses', call('/several/m', PING), [trailersOnly('014'), PONG]),
];

function timed(path: string, timeout: string, waitMs: number): Case {
  const header = timeout === '' ? [] : [`grpc-timeout: ${timeout}`];
  return seen(
    'timeouts',
    `${path}, ${timeout === '' ? 'none' : timeout}, answer after ${waitMs} ms`,
    call(`${path}/m`, PING, ...header),
    [[{ wait: waitMs }, PONG]],
  );
}

const timeoutCases: readonly Case[] = [
  ...[
    '/max',
    '/any',
    '/offset',
    '/large-offset',
    '/header-max',
    '/header-any',
    '/header-offset',
    '/both',
    '/plain',
  ].flatMap((path) =>
    ['100m', '600000u', '', '2S', 'nonsense', '0m'].map((timeout) =>
      timed(path, timeout, timeout === '100m' ? 180 : timeout === '0m' ? 40 : 0),
    ),
  ),
  timed('/max', '10S', 500),
  timed('/any', '100000000n', 150),
  timed('/header-max', '10S', 500),
  timed('/header-any', '1S', 300),
  timed('/no-duration', '', 400),
  timed('/no-duration', '100m', 400),
  timed('/only-offset', '', 400),
  timed('/only-offset', '100m', 400),
  timed('/duration', '1H', 400),
  timed('/duration', '', 400),
  timed('/plain', '', 400),
  timed('/offset', '99999999H', 0),
  timed('/any', '100000000m', 0),
  timed('/any', '1M', 0),
  timed('/any', '-1S', 0),
  timed('/any', '1500001u', 0),
  timed('/any', '99999999S', 0),
  timed('/any', '99999999M', 0),
  seen('timeouts', 'per try, the first too late', call('/try/m', PING, 'grpc-timeout: 1S'), [
    [{ wait: 500 }, PONG],
    PONG,
  ]),
  seen('timeouts', 'per try larger than the deadline', call('/try/m', PING, 'grpc-timeout: 100m'), [
    [{ wait: 300 }, PONG],
  ]),
  seen('timeouts', 'no gRPC', typed('text/plain', '/max/m', PING, 'grpc-timeout: 100m'), [
    [{ wait: 200 }, response(200, 'x')],
  ]),
  seen(
    'timeouts',
    'no gRPC with a deadline of the stream',
    typed('text/plain', '/header-max/m', PING, 'grpc-timeout: 100m'),
    [[{ wait: 300 }, response(200, 'x')]],
  ),
  seen('timeouts', 'while the answer comes', call('/header-max/m', PING, 'grpc-timeout: 150m'), [
    [
      'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n',
      { wait: 400 },
      '0\r\n\r\n',
    ],
  ]),
];

export const grpcBehaviourGroups: readonly Group[] = [
  { name: 'grpc replies', config, cases: localReplies },
  { name: 'grpc outcomes', config, cases: outcomes },
  { name: 'grpc retries', config, cases: retryCases },
  { name: 'grpc timeouts', config, cases: timeoutCases },
];
