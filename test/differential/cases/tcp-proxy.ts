// Differential cases: tcp_proxy — bytes that wait, times, failures to connect, ways to an upstream, logs.
import type { Case, Group, Observation, RelayStep } from '../case.ts';
import { JOINED, relay, tcpProxyConfig, without } from './tcp-config.ts';

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

/** How much of it the kernel took is left to chance. */
function withoutSizes(observation: Observation): unknown {
  const seen = without('cluster.large.upstream_cx_tx_bytes_total')(observation) as Observation;
  return { ...(withoutCounts(seen) as Observation), relay: null };
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
      ['wait', 200],
      ['c', 'resume'],
      ['u', 'resume'],
      ['c', 'gets', MUCH],
      ['u', 'gets', MUCH],
      ['u', 'fin'],
      ['c', 'sees', 'fin'],
      ['c', 'fin'],
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
      ['u', 'fin'],
      ['c', 'sees', 'fin'],
      ['wait', 300],
      ['c', 'fin'],
      ['wait', 50],
      ['u', 'resume'],
      ['u', 'gets', MUCH],
      ['u', 'sees', 'fin'],
    ],
    { view: withoutCounts },
  ),
  relay(
    'the last end is the upstream’s, which has not read yet',
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
    { view: withoutCounts, timeoutMs: 1000 },
  ),
  relay(
    'the upstream never reads what a client left',
    [
      ['c', 'connect', 'large-idle'],
      ['u', 'pause'],
      ['c', 'fill', MUCH],
      ['u', 'fin'],
      ['c', 'sees', 'fin'],
      ['wait', 200],
      ['c', 'fin'],
      ['wait', 1000],
    ],
    { view: withoutSizes, settleMs: 50 },
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
  relay(
    'one connection per host: the second waits',
    [
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
    ],
    { view: without('cluster.per-host.upstream_cx_overflow') },
  ),
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

const hello = (name: string, listener: string, around: Partial<Case> = {}): Case =>
  relay(
    name,
    [
      ['c', 'connect', listener],
      ['c', 'send', 'hello'],
      ['u', 'gets', 5],
      ['u', 'send', 'hi'],
      ['c', 'gets', 2],
      ['c', 'fin'],
      ['u', 'sees', 'fin'],
      ['u', 'fin'],
      ['c', 'sees', 'fin'],
    ],
    around,
  );

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
    ['wait', 280],
    ['u', 'send', 'more'],
    ['c', 'gets', 4],
    ['wait', 150],
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
  relay(
    'connect on data: FIN comes with the bytes',
    [
      ['c', 'connect', 'on-data'],
      ['c', 'send', 'all'],
      ['c', 'fin'],
      ['u', 'gets', 3],
      ['u', 'sees', 'fin'],
      ['u', 'send', 'ok'],
      ['u', 'fin'],
      ['c', 'gets', 2],
      ['c', 'sees', 'fin'],
    ],
    { view: without('tcp.on-data.early_data_received_count_total') },
  ),
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
  hello('connect after a TLS handshake that there is not', 'on-tls', {
    view: without('tcp.on-tls.early_data_received_count_total'),
  }),
];

// ─── Drain ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What leaves while a connection closes is not counted in Envoy. */
const drains = (name: string, listener: string, steps: readonly RelayStep[]): Case =>
  relay(
    name,
    [
      ['c', 'connect', listener],
      ['c', 'send', 'question'],
      ['u', 'gets', 8],
      ['admin', 'POST /healthcheck/fail'],
      ...steps,
      ['wait', 60],
      ['admin', 'POST /healthcheck/ok'],
    ],
    { view: without('cluster.a.upstream_cx_tx_bytes_total') },
  );

const draining: readonly Case[] = [
  drains('draining: a connection ends with the next bytes of its upstream', 'drain', [
    ['u', 'send', 'answer'],
    ['c', 'gets', 6],
    ['c', 'sees', 'end'],
  ]),
  drains('draining: a connection ends with the next bytes of its client', 'drain', [
    ['c', 'send', 'more'],
    ['c', 'sees', 'end'],
  ]),
  drains('draining: an idle connection stays', 'drain', []),
  drains('draining: a connection stays where it is not asked to go', 'main', [
    ['u', 'send', 'answer'],
    ['c', 'gets', 6],
  ]),
];

export const tcpProxyGroups: readonly Group[] = [
  { name: 'tcp_proxy', config: tcpProxyConfig, cases: [...waiting, ...times, ...failures, ...ways, ...draining] },
];
