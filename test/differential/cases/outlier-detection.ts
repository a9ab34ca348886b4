// Differential cases: outlier detection — what counts as an error of a host, and what comes of it.
import type { Case, Group, Observation, Reply } from '../case.ts';
import { address, bootstrap, cluster, type Fields, filter, http, route } from '../config.ts';
import { chunk, get, head, lastChunk, post, response } from '../messages.ts';
import {
  DECIDED,
  errorMatcher,
  inTurn,
  statsOf,
  type Watched,
  watched,
  watchedCase,
  watchedCluster,
  watchedListener,
  withFlags,
} from './outlier-config.ts';

const OK = response(200, 'ok');
const many = (count: number, reply: Reply): Reply[] => Array.from({ length: count }, () => reply);
const errors = (...statuses: readonly number[]): Reply[] => statuses.map((status) => response(status, 'no'));
const HANG: Reply = [{ wait: 2000 }];
const RESET: Reply = ['rst'];
const TRIES = { retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' } };

// ─── Codes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const codes: readonly Watched[] = [
  watched('five', {}, errors(500, 500, 500, 500, 500)),
  watched('interrupted', {}, [...errors(500, 500, 500, 500), OK, ...errors(500, 500, 500, 500)]),
  watched('other-codes', { consecutive_5xx: 2 }, errors(400, 429, 404, 499, 302, 600)),
  watched('beyond-codes', { consecutive_5xx: 2 }, errors(599, 599)),
  watched(
    'gateway',
    { consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100 },
    errors(502, 503, 504),
  ),
  watched(
    'gateway-interrupted',
    { consecutive_5xx: 50, consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100 },
    errors(502, 500, 503, 501, 504),
  ),
  watched(
    'gateway-first',
    { consecutive_5xx: 2, consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100 },
    errors(503, 503),
  ),
  watched('gateway-noted', { consecutive_5xx: 4, consecutive_gateway_failure: 2 }, errors(503, 503, 503, 503)),
  watched('never', { consecutive_5xx: 0 }, errors(500, 500, 500, 500, 500, 500)),
  watched('not-enforced', { consecutive_5xx: 2, enforcing_consecutive_5xx: 0 }, errors(500, 500, 500, 500)),
  watched('ten-percent', { consecutive_5xx: 2, max_ejection_percent: 10 }, errors(500, 500)),
  watched('no-percent', { consecutive_5xx: 2, max_ejection_percent: 0 }, errors(500, 500)),
  watched('always-one', { consecutive_5xx: 2, max_ejection_percent: 0, always_eject_one_host: true }, errors(500, 500)),
];

// ─── No answer ──────────────────────────────────────────────────────────────────────────────────────────────────────

const silences: readonly Watched[] = [
  watched('refused', { consecutive_5xx: 2, consecutive_gateway_failure: 2 }, many(2, OK), { endpoints: ['free.dead'] }),
  watched('resets', { consecutive_5xx: 2, consecutive_gateway_failure: 2 }, many(2, RESET)),
  watched('closes', { consecutive_5xx: 2 }, many(2, ['fin'])),
  watched('malformed', { consecutive_5xx: 2, consecutive_gateway_failure: 2 }, many(2, 'no HTTP at all\r\n\r\n')),
  watched('timeouts', { consecutive_5xx: 2, consecutive_gateway_failure: 2 }, many(2, HANG), {
    action: { timeout: '0.05s' },
  }),
  watched('alternative', { consecutive_5xx: 2 }, many(2, HANG), {
    action: { timeout: '0.05s' },
    requests: many(2, '').map(() => get('/alternative/', 'x-envoy-upstream-rq-timeout-alt-response: 1')),
  }),
  watched('per-try', { consecutive_5xx: 3, consecutive_gateway_failure: 3 }, [HANG, HANG, HANG], {
    action: { retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '0.05s', ...TRIES } },
    requests: [get('/per-try/')],
  }),
  watched('per-try-idle', { consecutive_5xx: 2 }, [HANG, HANG], {
    action: { retry_policy: { retry_on: '5xx', num_retries: 1, per_try_idle_timeout: '0.05s', ...TRIES } },
    requests: [get('/per-try-idle/')],
  }),
  watched('retries', { consecutive_5xx: 3 }, errors(500, 503, 500), {
    action: { retry_policy: { retry_on: '5xx', num_retries: 2, ...TRIES } },
    requests: [get('/retries/')],
  }),
  watched('reset-retries', { consecutive_5xx: 3 }, many(3, RESET), {
    action: { retry_policy: { retry_on: 'reset', num_retries: 2, ...TRIES } },
    requests: [get('/reset-retries/')],
  }),
  watched(
    'hedged',
    { consecutive_5xx: 2 },
    [
      [{ wait: 400 }, OK],
      [{ wait: 400 }, OK],
    ],
    {
      action: {
        timeout: '0.2s',
        hedge_policy: { hedge_on_per_try_timeout: true },
        retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.05s', ...TRIES },
      },
      requests: [get('/hedged/')],
      fields: { view: ({ stats, log }) => ({ stats, log }) },
    },
  ),
  watched('max-duration', { consecutive_5xx: 2 }, many(2, HANG), {
    cluster: { common_http_protocol_options: { max_stream_duration: '0.05s' } },
  }),
  watched('too-many', { consecutive_5xx: 2 }, [], {
    cluster: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } },
    requests: many(3, '').map(() => get('/too-many/')),
  }),
];

/** The answer is broken off: each request ends its client's connection. */
const broken: Case = {
  name: 'broken off',
  clients: [0, 1, 2].map((i) => ({ steps: [{ wait: 150 * i }, get('/broken/'), { read: 1 }] })),
  upstream: { a: many(3, [head(200, 'content-length: 100'), 'part', { wait: 20 }, 'rst']) },
  stats: statsOf('broken'),
  settleMs: 150,
  isRepeatable: false,
  view: ({ stats }) => stats,
};

// ─── External errors and those of local origin ──────────────────────────────────────────────────────────────────────

const SPLIT: Fields = {
  split_external_local_origin_errors: true,
  consecutive_local_origin_failure: 2,
  consecutive_5xx: 2,
};

const split: readonly Watched[] = [
  watched('split-codes', SPLIT, errors(500, 500)),
  watched('split-refused', SPLIT, many(2, OK), { endpoints: ['free.dead'] }),
  watched('split-refused-noted', { ...SPLIT, enforcing_consecutive_local_origin_failure: 0 }, many(2, OK), {
    endpoints: ['free.dead'],
  }),
  watched('split-resets', SPLIT, many(4, RESET)),
  watched('split-timeouts', SPLIT, many(4, HANG), { action: { timeout: '0.05s' } }),
  watched('split-mixed', SPLIT, [response(500, 'no'), RESET, response(500, 'no')]),
];

// ─── gRPC ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const grpcRequest = (name: string): string => post(`/${name}/`, 'x', 'content-type: application/grpc', 'te: trailers');
const grpcHead = (status: number | string): string =>
  response(200, '', 'content-type: application/grpc', `grpc-status: ${status}`);
const grpcTail = (status: number): string =>
  head(200, 'content-type: application/grpc', 'transfer-encoding: chunked') +
  chunk('x') +
  lastChunk([`grpc-status: ${status}`]);

function grpc(name: string, detection: Fields, replies: readonly Reply[], more: Partial<Watched> = {}): Watched {
  return watched(name, detection, replies, { requests: replies.map(() => grpcRequest(name)), ...more });
}

const GATEWAY: Fields = {
  consecutive_gateway_failure: 2,
  consecutive_5xx: 50,
  enforcing_consecutive_gateway_failure: 100,
};

const calls: readonly Watched[] = [
  grpc('grpc-unavailable', GATEWAY, [grpcHead(14), grpcHead(14)]),
  grpc('grpc-internal', { consecutive_5xx: 6 }, [2, 13, 15, 12, 4, 99].map(grpcHead)),
  grpc('grpc-odd', { consecutive_5xx: 2 }, [grpcHead('x'), grpcHead(-1)]),
  grpc('grpc-codes-of-clients', { consecutive_5xx: 1 }, [0, 1, 3, 5, 6, 7, 8, 9, 10, 11, 16].map(grpcHead)),
  grpc('grpc-trailers', { consecutive_5xx: 2 }, [grpcTail(13), grpcTail(13)], {
    cluster: { http_protocol_options: { enable_trailers: true } },
  }),
  grpc('grpc-over-500', { consecutive_5xx: 2 }, [
    response(500, '', 'grpc-status: 0'),
    response(500, '', 'grpc-status: 0'),
  ]),
  watched('no-grpc', { consecutive_5xx: 2 }, [grpcHead(13), grpcHead(13)]),
];

// ─── Answers that are errors by rule ────────────────────────────────────────────────────────────────────────────────

const statusIs = (status: string): Fields => ({
  http_response_headers_match: { headers: [{ name: ':status', string_match: { exact: status } }] },
});
const hasHeader = (name: string): Fields => ({
  http_response_headers_match: { headers: [{ name, present_match: true }] },
});

const rules: readonly Watched[] = [
  watched('rule-matches', { consecutive_5xx: 2, consecutive_gateway_failure: 2 }, errors(404, 404), {
    cluster: errorMatcher(statusIs('404')),
  }),
  watched('rule-does-not', { consecutive_5xx: 2 }, errors(500, 503), { cluster: errorMatcher(statusIs('404')) }),
  watched('rule-any-of', { consecutive_5xx: 2 }, errors(404, 403), {
    cluster: errorMatcher({ or_match: { rules: [statusIs('404'), statusIs('403')] } }),
  }),
  watched(
    'rule-all-of',
    { consecutive_5xx: 2 },
    [response(500, '', 'x-bad: 1'), response(500, ''), response(500, '', 'x-bad: 1')],
    {
      cluster: errorMatcher({ and_match: { rules: [statusIs('500'), hasHeader('x-bad')] } }),
    },
  ),
  watched('rule-none-of', { consecutive_5xx: 2 }, errors(201, 201), {
    cluster: errorMatcher({ not_match: statusIs('200') }),
  }),
  watched('rule-any', { consecutive_5xx: 2 }, [OK, OK], { cluster: errorMatcher({ any_match: true }) }),
  watched('rule-and-resets', { consecutive_5xx: 2 }, many(2, RESET), { cluster: errorMatcher(statusIs('404')) }),
  grpc('rule-and-grpc', { consecutive_5xx: 2 }, [grpcHead(13), grpcHead(13)], {
    cluster: errorMatcher(statusIs('404')),
  }),
  grpc('rule-matches-grpc', { consecutive_5xx: 2 }, [grpcHead(0), grpcHead(0)], {
    cluster: errorMatcher(hasHeader('grpc-status')),
  }),
  watched('rule-and-split', { ...SPLIT }, errors(404, 404), { cluster: errorMatcher(statusIs('404')) }),
];

// ─── Degraded hosts ─────────────────────────────────────────────────────────────────────────────────────────────────

const TIRED = response(200, 'tired', 'x-envoy-degraded: true');
const DEGRADED: Fields = { detect_degraded_hosts: true, consecutive_5xx: 3 };

const degraded: readonly Watched[] = [
  watched('degraded', DEGRADED, [TIRED]),
  watched('degraded-any-value', DEGRADED, [response(200, '', 'x-envoy-degraded: false')]),
  watched('degraded-empty', DEGRADED, [response(200, '', 'x-envoy-degraded:')]),
  watched('degraded-not-asked', { consecutive_5xx: 3 }, [TIRED]),
  watched('degraded-errors', DEGRADED, many(3, response(500, '', 'x-envoy-degraded: true'))),
  watched('degraded-between', DEGRADED, [...errors(500, 500), TIRED, ...errors(500, 500)]),
  watched('degraded-and-out', DEGRADED, [TIRED, ...errors(500, 500, 500)], {
    fields: {
      // Longer than Envoy's update_merge_window.
      send: [
        ...inTurn([get('/degraded-and-out/')]),
        ...DECIDED,
        { wait: 1200 },
        ...inTurn(
          many(4, '').map(() => get('/degraded-and-out/')),
          1,
        ).toSpliced(6, 0, ...DECIDED),
      ],
    },
  }),
  watched('degraded-without-share', { ...DEGRADED, max_ejection_percent: 0 }, [TIRED]),
  watched('degraded-by-rule', DEGRADED, [TIRED, TIRED, TIRED], { cluster: errorMatcher(statusIs('404')) }),
  watched('degraded-but-error-by-rule', DEGRADED, [TIRED, TIRED, TIRED], { cluster: errorMatcher(statusIs('200')) }),
  watched('degraded-error-but-not-by-rule', DEGRADED, many(1, response(500, '', 'x-envoy-degraded: true')), {
    cluster: errorMatcher(statusIs('404')),
  }),
  watched('degraded-split', { ...DEGRADED, ...SPLIT }, [TIRED]),
  grpc('degraded-grpc', DEGRADED, [response(200, '', 'grpc-status: 13', 'x-envoy-degraded: 1')]),
];

// ─── Several hosts ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Which host is first is chance; how many requests each gets is not. */
function counts(observation: Observation): unknown {
  const { upstream, stats, clients } = observation;
  const answers = clients.flatMap(({ responses }) => responses.map(({ line }) => line)).sort();
  const { admin } = withFlags(observation) as { admin: unknown };
  const gets = Object.entries(upstream).map(([name, requests]) => [name, requests.length]);
  return { answers, admin, stats, upstream: Object.fromEntries(gets) };
}

/** Where chance decides which of them is put out, or who comes first. */
function withoutWho(observation: Observation): unknown {
  const kept = /ejections_(active|enforced)|membership/;
  const stats = Object.entries(observation.stats).filter(([name]) => kept.test(name));
  return { answers: observation.clients.map(({ responses }) => responses.length), stats: Object.fromEntries(stats) };
}

function shared(name: string, requests: number, fields: Partial<Case> = {}): Case {
  const gets = (count: number) => Array.from({ length: count }, () => get(`/${name}/`));
  return {
    name,
    send: [...inTurn(gets(requests)), ...DECIDED, ...inTurn(gets(4), requests)],
    upstream: { a: many(20, response(500, 'no')) },
    stats: statsOf(name),
    admin: [`GET /clusters?filter=^${name}$`],
    view: counts,
    isRepeatable: false,
    ...fields,
  };
}

const severalClusters: readonly Watched[] = [
  watched('two', { consecutive_5xx: 3 }, [], { endpoints: ['a', 'b'] }),
  watched('half', { consecutive_5xx: 2, max_ejection_percent: 50 }, [], { endpoints: ['a', 'b'] }),
  watched('less-than-half', { consecutive_5xx: 2, max_ejection_percent: 49 }, [], { endpoints: ['a', 'b'] }),
  // Half of the hosts are well, which is too few: all are used again.
  watched('panics', { consecutive_5xx: 2 }, [], {
    endpoints: ['a', 'b'],
    cluster: { common_lb_config: { healthy_panic_threshold: { value: 60 } } },
  }),
  watched('mirrored', { consecutive_5xx: 2 }, []),
];

const several: readonly Case[] = [
  shared('two', 6),
  shared('half', 4, {
    upstream: { a: many(20, response(500, 'no')), b: many(20, response(500, 'no')) },
    view: withoutWho,
  }),
  shared('less-than-half', 4, { view: withoutWho }),
  shared('panics', 4, { view: withoutWho }),
  {
    name: 'mirrored',
    send: [get('/from/'), { read: 1 }, { wait: 100 }, get('/from/'), { read: 2 }, { wait: 250 }],
    upstream: { a: errors(500, 500), b: [OK, OK] },
    isRepeatable: false,
    stats: statsOf('mirrored'),
    admin: ['GET /clusters?filter=^mirrored$'],
    view: withoutWho,
  },
];

// ─── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Envoy gathers changes that follow each other within a second (update_merge_window), and Heddle does not. */
const SOON: Fields = { interval: '0.1s', base_ejection_time: '1.3s', max_ejection_time: '10s' };

const timed: readonly Watched[] = [
  watched('back-again', { ...SOON, consecutive_5xx: 2 }, errors(500, 500)),
  watched('degraded-again', { ...SOON, ...DEGRADED }, [TIRED]),
];

const back: readonly Case[] = timed.map((one) => {
  const { name, replies = [] } = one;
  const sent = replies.map(() => get(`/${name}/`));
  const admin = `GET /clusters?filter=^${name}$`;
  // Out, back when its time is over, and out again; whether it is back once more is left to chance.
  return {
    name,
    send: [
      ...inTurn(sent),
      ...DECIDED,
      { admin, until: /health_flags::healthy/ },
      { wait: 40 },
      get(`/${name}/`),
      { read: sent.length + 1 },
      ...inTurn(sent, sent.length + 1),
      ...DECIDED,
    ],
    upstream: { a: [...replies, OK, ...replies] },
    stats: [`^cluster\\.${name}\\.outlier_detection\\.ejections_(detected|enforced|total)`],
    isRepeatable: false,
    timeoutMs: 8000,
  };
});

const watchedAll = [...codes, ...silences, ...split, ...calls, ...rules, ...degraded];

const main = bootstrap({
  listeners: [watchedListener(watchedAll)],
  clusters: watchedAll.map(watchedCluster),
});

const others = bootstrap({
  listeners: [
    http({
      name: 'main',
      routes: [
        route('/broken/', 'broken'),
        ...[...severalClusters, ...timed].map(({ name }) => route(`/${name}/`, name)),
        route('/from/', 'plain', { request_mirror_policies: [{ cluster: 'mirrored' }] }),
      ],
    }),
  ],
  clusters: [
    cluster('plain', ['b']),
    watchedCluster(watched('broken', { consecutive_5xx: 2 }, [])),
    ...[...severalClusters, ...timed].map(watchedCluster),
  ],
});

// ─── TCP ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const tcpAll: readonly Watched[] = [
  watched('tcp-refused', { consecutive_5xx: 2, consecutive_gateway_failure: 2 }, [], { endpoints: ['free.dead'] }),
  watched('tcp-split', SPLIT, [], { endpoints: ['free.dead'] }),
  watched('tcp-late', { consecutive_5xx: 2 }, [], {
    endpoints: ['full.late'],
    cluster: { connect_timeout: '0.1s' },
  }),
  watched('tcp-well', { consecutive_5xx: 2 }, []),
];

const tcp = bootstrap({
  listeners: tcpAll.map(({ name }) => ({
    name,
    address: address(`listen.${name}`),
    filter_chains: [
      {
        filters: [
          filter('tcp', 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: name, cluster: name }),
        ],
      },
    ],
  })),
  clusters: tcpAll.map(watchedCluster),
});

/** All connect at once: how many of them still find the host is left to chance. */
const connections: readonly Case[] = tcpAll.map(({ name }) => ({
  name,
  clients: [0, 1, 2].map(() => ({
    to: name,
    steps: name === 'tcp-well' ? [get('/'), { read: 1 }, 'close'] : ['read-close'],
  })),
  stats: statsOf(name),
  settleMs: 150,
  isRepeatable: false,
  view: ({ stats }) => Object.entries(stats).filter(([name]) => name.includes('outlier_detection')),
}));

// ─── Runtime values, the log of events, the admin interface ─────────────────────────────────────────────────────────

const byRuntime: readonly Watched[] = [
  watched('runtime-in-row', {}, errors(500, 500, 500)),
  watched('runtime-gateway', { enforcing_consecutive_5xx: 0 }, errors(503, 503)),
];

const runtime = bootstrap({
  listeners: [watchedListener(byRuntime)],
  clusters: byRuntime.map(watchedCluster),
  around: {
    layered_runtime: {
      layers: [
        {
          name: 'static',
          static_layer: {
            outlier_detection: {
              consecutive_5xx: 3,
              consecutive_gateway_failure: 2,
              enforcing_consecutive_gateway_failure: 100,
            },
          },
        },
      ],
    },
  },
});

const logged: readonly Watched[] = [
  watched('logged', { consecutive_5xx: 2 }, errors(500, 500)),
  watched('logged-not-enforced', { consecutive_5xx: 2, enforcing_consecutive_5xx: 0 }, errors(500, 500)),
  watched('logged-gateway', GATEWAY, errors(503, 503)),
  watched('logged-degraded', DEGRADED, [TIRED]),
  watched('logged-local', SPLIT, [OK, OK], { endpoints: ['free.dead'] }),
  watched('logged-overflow', { consecutive_5xx: 2, max_ejection_percent: 0 }, errors(500, 500)),
  watched('logged-back', { ...SOON, consecutive_5xx: 2 }, errors(500, 500), {
    fields: {
      send: [
        ...inTurn([get('/logged-back/'), get('/logged-back/')]),
        ...DECIDED,
        { admin: 'GET /clusters?filter=^logged-back$', until: /flags::healthy/ },
      ],
    },
  }),
];

const eventLog = bootstrap({
  listeners: [watchedListener(logged)],
  clusters: logged.map(watchedCluster),
  around: { cluster_manager: { outlier_detection: { event_log_path: '{{log}}' } } },
});

const logCases: readonly Case[] = logged.map((one) => ({
  ...watchedCase(one),
  view: ({ log }) =>
    log.map((line) => line.replace(/"timestamp":"[^"]*"/, '"timestamp":…')).filter((line) => line.startsWith('{')),
}));

const shown: Case = {
  name: 'as JSON',
  admin: ['GET /clusters?filter=^five$&format=json'],
  view: ({ admin }) => {
    const { body } = Object.values(admin ?? {})[0] as { body: string };
    const [status] = (JSON.parse(body) as { cluster_statuses: { host_statuses: { stats?: unknown }[] }[] })
      .cluster_statuses;
    for (const host of status?.host_statuses ?? []) delete host.stats;
    return status;
  },
};

export const outlierGroups: readonly Group[] = [
  { name: 'outlier detection', config: main, cases: [...watchedAll.map(watchedCase), shown] },
  { name: 'outlier detection of several', config: others, cases: [broken, ...several, ...back] },
  { name: 'outlier detection of TCP', config: tcp, cases: connections },
  { name: 'outlier detection by runtime', config: runtime, cases: byRuntime.map(watchedCase) },
  { name: 'outlier event log', config: eventLog, cases: logCases },
];
