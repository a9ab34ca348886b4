// Differential cases: tcp_proxy — ends and resets in every order, limits, times, failures to connect, logs.
import type { Case, Group, Observation, RelayStep } from '../case.ts';
import { address, bootstrap, cluster, type Fields, filter, textLog } from '../config.ts';

const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const NETWORK = 'envoy.filters.network';

const LOG =
  'flags=%RESPONSE_FLAGS% long=%RESPONSE_FLAGS_LONG% details=%RESPONSE_CODE_DETAILS% ' +
  'term=%CONNECTION_TERMINATION_DETAILS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ' +
  'down=%DOWNSTREAM_WIRE_BYTES_RECEIVED%/%DOWNSTREAM_WIRE_BYTES_SENT% ' +
  'up=%UPSTREAM_WIRE_BYTES_RECEIVED%/%UPSTREAM_WIRE_BYTES_SENT% cluster=%UPSTREAM_CLUSTER% host=%UPSTREAM_HOST% ' +
  'local=%UPSTREAM_LOCAL_ADDRESS% remote=%UPSTREAM_REMOTE_ADDRESS% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% ' +
  'hosts=%UPSTREAM_HOSTS_ATTEMPTED% failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  'closed=%UPSTREAM_LOCAL_CLOSE_REASON%/%DOWNSTREAM_LOCAL_CLOSE_REASON% ' +
  'seen=%UPSTREAM_DETECTED_CLOSE_TYPE%/%DOWNSTREAM_DETECTED_CLOSE_TYPE% type=%ACCESS_LOG_TYPE% ' +
  'protocol=%PROTOCOL% code=%RESPONSE_CODE% id=%STREAM_ID% route=%ROUTE_NAME% request=%REQUEST_DURATION% ' +
  'response=%RESPONSE_DURATION% ms=%DURATION%\n';

const STATS = [
  '^tcp\\.',
  '^cluster\\.[^.]+\\.(upstream_(cx|rq|flow)_.*|circuit_breakers\\..*|lb_healthy_panic)$',
  '^listener\\.[^.]+\\.downstream_cx_',
];

function tcp(name: string, fields: Fields = {}, listener: Fields = {}, before: readonly Fields[] = []): Fields {
  const specifier = 'weighted_clusters' in fields || 'cluster' in fields ? {} : { cluster: 'a' };
  const proxy = filter(`${NETWORK}.tcp_proxy`, TCP_PROXY, {
    stat_prefix: name,
    ...specifier,
    access_log: [textLog(LOG)],
    ...fields,
  });
  return {
    name,
    stat_prefix: name,
    address: address(`listen.${name}`),
    filter_chains: [{ filters: [...before, proxy] }],
    ...listener,
  };
}

function relay(name: string, steps: readonly RelayStep[], around: Partial<Case> = {}): Case {
  return { name, relay: steps, stats: STATS, ...around };
}

/** A client with its upstream. */
const JOINED: readonly RelayStep[] = [
  ['c', 'connect'],
  ['u', 'gets', 0],
];
const TALK: readonly RelayStep[] = [
  ...JOINED,
  ['c', 'send', 'question'],
  ['u', 'gets', 8],
  ['u', 'send', 'answer'],
  ['c', 'gets', 6],
];

// ─── Ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type End = 'fin' | 'reset' | 'close';
const ENDS: readonly End[] = ['fin', 'reset', 'close'];
const FOLLOW_UPS: Readonly<Record<string, (who: string, other: string) => readonly RelayStep[]>> = {
  nothing: () => [],
  fin: (who) => [[who, 'fin']],
  'data and fin': (who, other) => [
    [who, 'send', 'more'],
    ['wait', 15],
    [who, 'fin'],
    [other, 'sees', 'end'],
  ],
  reset: (who) => [[who, 'reset']],
  close: (who) => [[who, 'close']],
};

function* endCases(): Generator<Case> {
  for (const [who, other, label] of [
    ['c', 'u', 'client'],
    ['u', 'c', 'upstream'],
  ] as const) {
    for (const end of ENDS) {
      for (const [what, follow] of Object.entries(FOLLOW_UPS)) {
        // Whoever closed answers further bytes with RST, and how soon the proxy learns of it is left to chance.
        if (end === 'close' && what === 'data and fin') continue;
        const steps: RelayStep[] = [...TALK, [who, end], [other, 'sees', 'end'], ...follow(other, who), ['wait', 40]];
        yield relay(`${label} ${end}, then from the other side ${what}`, steps);
      }
      yield relay(`${label} ${end} before any byte`, [...JOINED, [who, end], [other, 'sees', 'end'], ['wait', 40]]);
    }
    for (const second of ['reset', 'close'] as const) {
      const steps: RelayStep[] = [...TALK, [who, 'fin'], [other, 'sees', 'fin'], [who, second], ['wait', 40]];
      yield relay(`${label} fin, then ${second}`, steps);
    }
    yield relay(`${label} sends and ends at once`, [
      ...JOINED,
      [who, 'send', 'everything'],
      [who, 'fin'],
      [other, 'gets', 10],
      [other, 'sees', 'fin'],
      [other, 'send', 'reply'],
      [other, 'fin'],
      [who, 'gets', 5],
      [who, 'sees', 'fin'],
    ]);
  }
  yield relay('both end at once', [...TALK, ['c', 'fin'], ['u', 'fin'], ['c', 'sees', 'fin'], ['u', 'sees', 'fin']]);
}

const otherEnds: readonly Case[] = [
  relay('server speaks first', [
    ['c', 'connect'],
    ['u', 'send', '220 hello'],
    ['c', 'gets', 9],
    ['c', 'send', 'HELO'],
  ]),
  relay('many small messages', [
    ...JOINED,
    ...Array.from({ length: 20 }, (_, i): RelayStep[] => [
      ['c', 'send', `m${i % 10}`],
      ['u', 'gets', 2 * (i + 1)],
      ['u', 'send', `r${i % 10}`],
      ['c', 'gets', 2 * (i + 1)],
    ]).flat(),
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
    ['u', 'fin'],
    ['c', 'sees', 'fin'],
  ]),
  relay('three connections', [
    ['c', 'connect'],
    ['c', 'send', 'one'],
    ['u', 'gets', 3],
    ['c2', 'connect'],
    ['c2', 'send', 'two'],
    ['u2', 'gets', 3],
    ['c3', 'connect'],
    ['c3', 'send', 'three'],
    ['u3', 'gets', 5],
    ['u2', 'fin'],
    ['c2', 'sees', 'fin'],
    ['c3', 'reset'],
    ['u3', 'sees', 'end'],
  ]),
];

// ─── Bytes that wait ──────────────────────────────────────────────────────────────────────────────────────────────

/** More than the kernel keeps for a connection. */
const MUCH = 20 << 20;

/** How often a side was stopped is left to chance; that it was, is not. */
function withoutCounts(observation: Observation): unknown {
  const stats = Object.fromEntries(
    Object.entries(observation.stats).map(([name, value]) => [name, name.includes('flow_control') ? value > 0 : value]),
  );
  return { ...observation, stats };
}

const waiting: readonly Case[] = [
  relay(
    'upstream reads late',
    [
      ...JOINED,
      ['u', 'pause'],
      ['c', 'fill', MUCH],
      ['c', 'fin'],
      ['wait', 200],
      ['u', 'resume'],
      ['u', 'gets', MUCH],
      ['u', 'sees', 'fin'],
      ['u', 'send', 'done'],
      ['u', 'fin'],
      ['c', 'gets', 4],
      ['c', 'sees', 'fin'],
    ],
    { view: withoutCounts },
  ),
  relay(
    'client reads late',
    [
      ...JOINED,
      ['c', 'pause'],
      ['u', 'fill', MUCH],
      ['u', 'fin'],
      ['wait', 200],
      ['c', 'resume'],
      ['c', 'gets', MUCH],
      ['c', 'sees', 'fin'],
      ['c', 'fin'],
      ['u', 'sees', 'fin'],
    ],
    { view: withoutCounts },
  ),
  relay(
    'both read late through small buffers',
    [
      ['c', 'connect', 'small'],
      ['u', 'pause'],
      ['c', 'pause'],
      ['u', 'fill', MUCH],
      ['c', 'fill', MUCH],
      ['u', 'fin'],
      ['c', 'fin'],
      ['wait', 200],
      ['c', 'resume'],
      ['u', 'resume'],
      ['c', 'gets', MUCH],
      ['u', 'gets', MUCH],
      ['c', 'sees', 'fin'],
      ['u', 'sees', 'fin'],
    ],
    { view: withoutCounts },
  ),
  relay(
    'the client is gone before the upstream has read',
    [
      ['c', 'connect', 'large'],
      ['u', 'pause'],
      ['c', 'fill', MUCH],
      ['c', 'fin'],
      ['wait', 300],
      ['u', 'fin'],
      ['c', 'sees', 'fin'],
      ['wait', 50],
      ['u', 'resume'],
      ['u', 'gets', MUCH],
      ['u', 'sees', 'fin'],
    ],
    { view: withoutCounts },
  ),
  relay(
    'the upstream never reads what a client left',
    [
      ['c', 'connect', 'large-idle'],
      ['u', 'pause'],
      ['c', 'fill', MUCH],
      ['c', 'fin'],
      ['wait', 100],
      ['u', 'fin'],
      ['c', 'sees', 'fin'],
      ['wait', 900],
    ],
    { view: (observation) => ({ ...(withoutCounts(observation) as Observation), relay: null }), settleMs: 50 },
  ),
];

// ─── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const times: readonly Case[] = [
  relay('idle before any byte', [
    ['c', 'connect', 'idle'],
    ['c', 'sees', 'end'],
  ]),
  relay('idle after an exchange', [
    ['c', 'connect', 'idle'],
    ['c', 'send', 'question'],
    ['u', 'gets', 8],
    ['u', 'send', 'answer'],
    ['c', 'gets', 6],
    ['c', 'sees', 'end'],
  ]),
  relay('idle after half a close', [
    ['c', 'connect', 'idle'],
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
    ['c', 'sees', 'end'],
  ]),
  relay('bytes keep a connection from idling', [
    ['c', 'connect', 'idle'],
    ['c', 'send', 'a'],
    ['wait', 150],
    ['u', 'send', 'b'],
    ['wait', 150],
    ['c', 'send', 'c'],
    ['wait', 150],
    ['u', 'send', 'd'],
    ['c', 'gets', 2],
    ['u', 'gets', 2],
  ]),
  relay('idle timeout of a connection by filter state', [
    ['c', 'connect', 'own-idle'],
    ['c', 'sees', 'end'],
  ]),
  relay('longest duration', [
    ['c', 'connect', 'duration'],
    ['c', 'send', 'a'],
    ['u', 'gets', 1],
    ['c', 'sees', 'end'],
  ]),
  relay('longest duration with jitter', [
    ['c', 'connect', 'jitter'],
    ['c', 'sees', 'end'],
  ]),
  relay('idle while connecting', [
    ['c', 'connect', 'idle-full'],
    ['c', 'sees', 'end'],
  ]),
];

// ─── Failures ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether the end of a connection is FIN or RST depends on whether its first bytes came before it. */
const FAILED: readonly RelayStep[] = [
  ['c', 'sees', 'end'],
  ['wait', 20],
];
const fails = (name: string, listener: string, around: Partial<Case> = {}): Case =>
  relay(name, [['c', 'connect', listener], ...FAILED], around);

const failures: readonly Case[] = [
  fails('refused', 'refused'),
  fails('refused three times', 'refused-3'),
  fails('refused with back-off', 'refused-backoff'),
  fails('no cluster', 'no-cluster'),
  fails('no cluster of that weight', 'no-weighted'),
  fails('no host', 'no-host'),
  fails('no healthy host', 'unhealthy'),
  fails('connect timeout', 'full'),
  fails('connect timeout twice', 'full-2'),
  fails('no pending requests', 'no-pending'),
  relay('client leaves while the upstream connects', [
    ['c', 'connect', 'full'],
    ['wait', 60],
    ['c', 'close'],
    ['wait', 700],
  ]),
  relay('client resets while the upstream connects', [
    ['c', 'connect', 'full'],
    ['wait', 60],
    ['c', 'reset'],
    ['wait', 700],
  ]),
  relay('one connection too many', [
    ['c', 'connect', 'one'],
    ['u', 'gets', 0],
    ['c2', 'connect', 'one'],
    ['c2', 'sees', 'end'],
    ['c', 'send', 'still here'],
    ['u', 'gets', 10],
    ['c', 'close'],
    ['u', 'sees', 'end'],
    ['u', 'close'],
    ['wait', 30],
    ['c3', 'connect', 'one'],
    ['c3', 'send', 'now'],
    ['u2', 'gets', 3],
  ]),
  relay('no requests allowed', [
    ['c', 'connect', 'no-requests'],
    ['c', 'send', 'x'],
    ['u', 'gets', 1],
  ]),
  relay('no pools allowed', [
    ['c', 'connect', 'no-pools'],
    ['c', 'send', 'x'],
    ['u', 'gets', 1],
  ]),
  relay('one connection per host: the second waits', [
    ['c', 'connect', 'per-host'],
    ['u', 'gets', 0],
    ['c2', 'connect', 'per-host'],
    ['c2', 'send', 'second'],
    ['wait', 60],
    ['c', 'close'],
    ['u', 'sees', 'end'],
    ['u', 'close'],
    ['u2', 'gets', 6],
    ['u2', 'send', 'ok'],
    ['c2', 'gets', 2],
  ]),
  relay(
    'a filter refuses',
    [
      ['c', 'connect', 'rbac'],
      ['c', 'send', 'let me in'],
      ['c', 'sees', 'end'],
      ['wait', 30],
    ],
    {
      view: (observation) => ({ ...observation, relay: null }),
    },
  ),
];

// ─── Ways to an upstream ──────────────────────────────────────────────────────────────────────────────────────────

const hello = (name: string, listener: string): Case =>
  relay(name, [
    ['c', 'connect', listener],
    ['c', 'send', 'hello'],
    ['u', 'gets', 5],
    ['u', 'send', 'hi'],
    ['c', 'gets', 2],
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
    ['u', 'fin'],
    ['c', 'sees', 'fin'],
  ]);

const ways: readonly Case[] = [
  hello('weighted clusters', 'weighted'),
  hello('cluster by filter state', 'own-cluster'),
  hello('weights come before filter state', 'own-weighted'),
  hello('hash by source address', 'hash'),
  hello('access log when connected and at the start', 'log-moments'),
  hello('deprecated: access log when connected', 'log-connected'),
  relay('access log at intervals', [
    ['c', 'connect', 'log-interval'],
    ['c', 'send', 'one'],
    ['u', 'gets', 3],
    ['wait', 330],
    ['u', 'send', 'more'],
    ['c', 'gets', 4],
    ['wait', 200],
  ]),
  relay('connect when the first byte comes', [
    ['c', 'connect', 'on-data'],
    ['wait', 60],
    ['c', 'send', 'first'],
    ['u', 'gets', 5],
    ['c', 'send', 'second'],
    ['u', 'gets', 11],
    ['u', 'send', 'ok'],
    ['c', 'gets', 2],
  ]),
  relay('connect on data: bytes beyond the limit wait', [
    ['c', 'connect', 'on-data'],
    ['c', 'fill', 100_000],
    ['u', 'gets', 100_000],
  ]),
  relay('connect on data: FIN comes with the bytes', [
    ['c', 'connect', 'on-data'],
    ['c', 'send', 'all'],
    ['c', 'fin'],
    ['u', 'gets', 3],
    ['u', 'sees', 'fin'],
    ['u', 'send', 'ok'],
    ['u', 'fin'],
    ['c', 'gets', 2],
    ['c', 'sees', 'fin'],
  ]),
  relay('connect on data: FIN without bytes', [
    ['c', 'connect', 'on-data'],
    ['c', 'fin'],
    ['wait', 60],
  ]),
  relay('connect on data: the client resets first', [
    ['c', 'connect', 'on-data'],
    ['c', 'reset'],
    ['wait', 60],
  ]),
  relay('early data while the upstream does not answer', [
    ['c', 'connect', 'early-full'],
    ['c', 'send', 'early'],
    ['c', 'sees', 'end'],
  ]),
  hello('connect after a TLS handshake that there is not', 'on-tls'),
];

// ─── Configuration ────────────────────────────────────────────────────────────────────────────────────────────────

const breakers = (fields: Fields): Fields => ({ circuit_breakers: { thresholds: [fields] } });
const HUGE = 64 << 20;
const large: Fields = { per_connection_buffer_limit_bytes: HUGE };

function state(key: string, value: string): Fields {
  const type = 'envoy.extensions.filters.network.set_filter_state.v3.Config';
  const format = { text_format_source: { inline_string: value } };
  return filter(`${NETWORK}.set_filter_state`, type, {
    on_new_connection: [{ object_key: key, format_string: format }],
  });
}

const denyAll = filter(`${NETWORK}.rbac`, 'envoy.extensions.filters.network.rbac.v3.RBAC', {
  stat_prefix: 'deny',
  rules: { action: 'DENY', policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } },
});

const attempts = (name: string, clusterName: string, count: number, fields: Fields = {}): Fields =>
  tcp(name, { cluster: clusterName, max_connect_attempts: count, ...fields });

const weighted = (...names: string[]): Fields => ({
  weighted_clusters: { clusters: names.map((name) => ({ name, weight: 1 })) },
});

const listeners: readonly Fields[] = [
  tcp('main'),
  tcp('small', { cluster: 'small' }, { per_connection_buffer_limit_bytes: 4096 }),
  tcp('large', { cluster: 'large' }, large),
  tcp('large-idle', { cluster: 'large', idle_timeout: '0.4s' }, large),
  tcp('idle', { idle_timeout: '0.25s' }),
  tcp('own-idle', {}, {}, [state('envoy.tcp_proxy.per_connection_idle_timeout_ms', '200')]),
  tcp('idle-full', { cluster: 'full', idle_timeout: '0.15s' }),
  tcp('duration', { max_downstream_connection_duration: '0.2s' }),
  tcp('jitter', {
    max_downstream_connection_duration: '0.2s',
    max_downstream_connection_duration_jitter_percentage: { value: 50 },
  }),
  attempts('refused', 'refused', 1),
  attempts('refused-3', 'refused', 3),
  attempts('refused-backoff', 'refused', 3, {
    backoff_options: { base_interval: '0.02s', max_interval: '0.05s' },
  }),
  attempts('full', 'full', 1),
  attempts('full-2', 'full', 2),
  tcp('no-cluster', { cluster: 'nobody' }),
  tcp('no-weighted', weighted('nobody')),
  tcp('no-host', { cluster: 'empty' }),
  tcp('unhealthy', { cluster: 'unhealthy' }),
  ...['no-pending', 'one', 'no-requests', 'no-pools', 'per-host'].map((name) => tcp(name, { cluster: name })),
  tcp('rbac', {}, {}, [denyAll]),
  tcp('weighted', weighted('a')),
  tcp('own-cluster', { cluster: 'nobody' }, {}, [state('envoy.tcp_proxy.cluster', 'small')]),
  tcp('own-weighted', weighted('a'), {}, [state('envoy.tcp_proxy.cluster', 'small')]),
  tcp('hash', { hash_policy: [{ source_ip: {} }] }),
  tcp('log-moments', {
    access_log_options: { flush_access_log_on_connected: true, flush_access_log_on_start: true },
  }),
  tcp('log-connected', { flush_access_log_on_connected: true }),
  tcp('log-interval', { access_log_options: { access_log_flush_interval: '0.15s' } }),
  tcp('on-data', { upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 1024 }),
  tcp('on-tls', { upstream_connect_mode: 'ON_DOWNSTREAM_TLS_HANDSHAKE', max_early_data_bytes: 0 }),
  tcp('early-full', { cluster: 'full', max_early_data_bytes: 1024 }),
];

const TIMEOUT = { connect_timeout: '0.3s' };

export const tcpProxyGroups: readonly Group[] = [
  {
    name: 'tcp_proxy',
    config: bootstrap({
      listeners,
      clusters: [
        cluster('a'),
        cluster('small', ['a'], { per_connection_buffer_limit_bytes: 4096 }),
        cluster('large', ['a'], large),
        cluster('refused', ['free.refused']),
        cluster('full', ['full.f'], TIMEOUT),
        { name: 'empty', type: 'STATIC', load_assignment: { cluster_name: 'empty' } },
        cluster('unhealthy', [], {
          load_assignment: {
            cluster_name: 'unhealthy',
            endpoints: [
              { lb_endpoints: [{ endpoint: { address: address('backend.a') }, health_status: 'UNHEALTHY' }] },
            ],
          },
          common_lb_config: { healthy_panic_threshold: { value: 0 } },
        }),
        cluster('no-pending', ['a'], breakers({ max_pending_requests: 0 })),
        cluster('one', ['a'], breakers({ max_connections: 1 })),
        cluster('no-requests', ['a'], breakers({ max_requests: 0 })),
        cluster('no-pools', ['a'], breakers({ max_connection_pools: 0 })),
        cluster('per-host', ['a'], { circuit_breakers: { per_host_thresholds: [{ max_connections: 1 }] } }),
      ],
    }),
    cases: [...endCases(), ...otherEnds, ...waiting, ...times, ...failures, ...ways],
  },
];
