// Several workers: limits, balance and statistics are those of the proxy, whichever worker a connection comes to.
import type { ClientStep } from '../../support/raw-client.ts';
import type { Case, Group, Observation } from '../case.ts';
import { bootstrap, cluster, direct, type Fields, filter, http } from '../config.ts';

const EVEN: Fields = { connection_balance_config: { exact_balance: {} } };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const STATS = [
  '^listener\\.[^.]+\\.downstream_cx_(total|active|overflow)$',
  '^cluster\\..*\\.circuit_breakers\\.default\\.(rq|rq_pending|cx)_open$',
  '^cluster\\..*remaining_(rq|cx|pending)$',
  '^connection_limit\\.',
  '^http\\..*fault\\.',
];
/** Where all workers have the same; which of them is first is chance. */
const EACH_WORKER = ['^listener\\..*worker_\\d\\.downstream_cx_total$'];
/** Answered after the last client has come. */
const LATE = [{ wait: 150 }, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'] as const;

type Spot = { readonly to: string; readonly name: string };

/** So many connections with a request each; all stay until the last has come. */
function crowd({ to, name }: Spot, count: number, fields: Partial<Case> = {}): Case {
  const clients = Array.from({ length: count }, (_, i) => ({
    to,
    steps: [{ wait: 40 * i }, GET, { read: 1 }, { wait: 40 * (count - i) }, 'close'] as ClientStep[],
  }));
  return { name, clients, stats: STATS, settleMs: 40, ...fields };
}

/** One connection after another. */
function queue({ to, name }: Spot, count: number, fields: Partial<Case> = {}): Case {
  const clients = Array.from({ length: count }, (_, i) => ({
    to,
    steps: [{ wait: 40 * i }, GET, { read: 1 }, 'close'] as ClientStep[],
  }));
  return { name, clients, stats: STATS, settleMs: 40, ...fields };
}

/** All connect at once: which of them is one too many is chance. */
function howMany({ clients, stats }: Observation): unknown {
  return { answered: clients.filter(({ responses }) => responses.length > 0).length, stats };
}

const limit = filter('limit', 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', {
  stat_prefix: 'limit',
  token_bucket: { max_tokens: 3, tokens_per_fill: 1, fill_interval: '600s' },
  filter_enabled: { default_value: { numerator: 100 } },
  filter_enforced: { default_value: { numerator: 100 } },
});
const fault = filter('fault', 'envoy.extensions.filters.http.fault.v3.HTTPFault', {
  delay: { fixed_delay: '0.3s', percentage: { numerator: 100 } },
  max_active_faults: 2,
});
const guarded = http({ name: 'guarded' });
const [chain] = guarded['filter_chains'] as [{ filters: Fields[] }];
const connectionLimit = filter('limit', 'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit', {
  stat_prefix: 'guard',
  max_connections: 2,
});

const several: Group = {
  name: 'workers',
  arguments: ['--concurrency', '3'],
  config: bootstrap({
    listeners: [
      // Answers of their own: how many upstream connections there are depends on the worker.
      http({ name: 'even', routes: [direct({ prefix: '/' }, 200, 'here')], listener: EVEN }),
      http({ name: 'plain', routes: [direct({ prefix: '/' }, 200, 'here')] }),
      http({
        name: 'one-socket',
        routes: [direct({ prefix: '/' }, 200, 'here')],
        listener: { enable_reuse_port: false },
      }),
      http({ name: 'few', routes: [{ match: { prefix: '/' }, route: { cluster: 'few' } }], listener: EVEN }),
      http({
        name: 'limited',
        filters: [limit],
        routes: [direct({ prefix: '/' }, 200, 'here')],
        listener: EVEN,
      }),
      http({ name: 'faulty', filters: [fault], listener: EVEN }),
      { ...guarded, ...EVEN, filter_chains: [{ filters: [connectionLimit, ...chain.filters] }] },
      http({ name: 'capped', listener: EVEN }),
    ],
    clusters: [
      cluster('a'),
      cluster('few', ['few'], { circuit_breakers: { thresholds: [{ max_requests: 2, track_remaining: true }] } }),
    ],
    around: {
      layered_runtime: {
        layers: [{ name: 's', static_layer: { 'envoy.resource_limits.listener.capped.connection_limit': 2 } }],
      },
    },
  }),
  cases: [
    crowd({ to: 'even', name: 'exact balance spreads six connections over three workers' }, 6, { stats: EACH_WORKER }),
    crowd({ to: 'even', name: 'and does so again when they have gone' }, 3, { stats: EACH_WORKER }),
    queue({ to: 'plain', name: 'each connection is served' }, 6, { stats: [] }),
    queue({ to: 'one-socket', name: 'without SO_REUSEPORT too' }, 6, { stats: [] }),
    crowd({ to: 'few', name: 'the third of three requests finds two in progress' }, 3, {
      upstream: { few: { replies: [[...LATE], [...LATE], [...LATE]] } },
    }),
    queue({ to: 'limited', name: 'three tokens serve three of five, whichever worker they come to' }, 5),
    crowd({ to: 'faulty', name: 'two faults may be active' }, 3),
    crowd({ to: 'guarded', name: 'two connections are let in by the connection limit' }, 3, { view: howMany }),
    crowd({ to: 'capped', name: 'two connections are let in by the limit of the listener' }, 3, { view: howMany }),
    {
      name: 'what all workers count alike is shown once',
      to: 'plain',
      send: GET,
      stats: [],
      admin: [
        'GET /stats?filter=^listener_manager',
        'GET /stats?filter=^cluster_manager',
        'GET /stats?filter=^cluster\\..*\\.(membership|warming|max_host|default\\.|update_|assignment)',
        'GET /stats?filter=^server\\.(live|state|concurrency)$',
        'GET /listeners',
      ],
    },
  ],
};

export const workerGroups: readonly Group[] = [several];
