// The workers as the supervisor and the admin interface see them, whether they are this thread or several others.
import type { Address } from '../../base/byte-stream.ts';
import type { StatSource } from '../../telemetry/metrics.ts';
import type { BreakerLimits } from '../cluster/circuit-breaker.ts';
import type { SubClusterOrigin } from '../cluster/cluster-config.ts';
import type { RuntimeChanges } from '../runtime.ts';
import type { RuntimeEntry } from '../runtime-values.ts';
import type { WantSink } from '../xds/holders.ts';
import type { LoadAnswer, LoadQuestion } from '../xds/load-report/loads.ts';
import type { Inquiry, ThreadAnswer } from './inquiry.ts';
import type { ConfigUpdate, FirstComing, UpdateOutcome } from './contract.ts';
import type { TapAnswer, TapAttachment, TookTrace } from './taps.ts';

export type Crew = {
  /** The statistics of the whole process. */
  readonly stats: ProxyStats;
  /** Connections of all listeners. */
  readonly connectionCount: number;
  /** Every worker lets connections in: its clusters have had their first answers. */
  readonly isInitialized: boolean;
  /** Brings what `stats` shows up to now; `done` may be called at once. */
  refresh(done: () => void): void;
  /** Ends the interval of all histograms. */
  flush(): void;
  /** All clusters with the counts of their hosts, made whenever they are read; `done` may be called at once. */
  clusters(done: (clusters: Iterable<ClusterStatus>) => void): void;
  /**
   * What clusters did since the last question, of all threads: `took` is called with each piece (`isLate`: of an
   * earlier question, perhaps after `done`), `done` once, later.
   */
  loads(question: LoadQuestion, took: (answer: LoadAnswer, isLate: boolean) => void, done: () => void): void;
  listeners(): readonly ListenerStatus[];
  /** Asks the threads that know; `done` is called once, later, without those that did not answer in time. */
  inquire(inquiry: Inquiry, done: (answers: readonly ThreadAnswer[]) => void): void;
  /**
   * Attaches a tap in all threads, in place of another one; `done` is called once, later. Pieces of traces come to
   * `took` until `detachTap`, and `taken` is due for each, or threads send no more after a while.
   */
  attachTap(attachment: TapAttachment, took: TookTrace, done: (answers: readonly TapAnswer[]) => void): void;
  detachTap(): void;
  /** Runtime values were changed in the supervisor's runtime: changes them everywhere else. */
  modifyRuntime(values: ReadonlyMap<string, RuntimeEntry | null>): void;
  /** As it, for layers in directories. */
  setRuntimeDisks(disks: RuntimeChanges['disks']): void;
  resetCounters(): void;
  reopenLogs(): void;
  /** Levels were changed in the supervisor's log: changes them everywhere else. */
  changeLogLevels(query: string): void;
  /** `/drain_listeners?graceful` began, or a health check was failed or passed by hand. */
  startDrain(): void;
  /** `/drain_listeners?graceful&inboundonly`: of listeners whose traffic_direction is INBOUND. */
  drainInbound(): void;
  failHealthCheck(failed: boolean): void;
  /** Also for good: a worker that takes a dead one's place does not open them again. */
  stopListeners(inboundOnly?: boolean): void;
  /** Changes configuration in all workers; `done` is called when all of it serves everywhere, or is refused. */
  update(update: ConfigUpdate, done: (outcome: UpdateOutcome) => void): void;
  /** Resources that workers use by name: from now on `sink` hears of them, those of before first. */
  attachWants(sink: WantSink): void;
  /** The first of that kind that come from elsewhere are there, or were waited for long enough. */
  firstCame(kind: FirstComing): void;
  /** Calls back once, perhaps now: every cluster of the start has its hosts, in all workers. */
  whenClustersReady(ready: () => void): void;
  /** The process is about to go: listeners close, logs are written; bounded in time. */
  end(done: () => void): void;
};

export type ProxyStats = StatSource & { find(fullName: string): number | undefined };

export type ListenerStatus = { readonly name: string; readonly addresses: readonly Address[] };

/** What `/clusters` shows; plain data, so that it can cross threads. */
export type ClusterStatus = {
  readonly name: string;
  readonly statName: string;
  readonly addedViaApi: boolean;
  readonly limits: { readonly DEFAULT: BreakerLimits; readonly HIGH: BreakerLimits };
  readonly hosts: readonly HostStatus[];
  /** What outlier detection found; absent: there is none. */
  readonly outliers?: { readonly external: SuccessRates; readonly local: SuccessRates };
  /** Of one that a dynamic forward proxy made. */
  readonly origin?: Omit<SubClusterOrigin, 'fingerprint'>;
};

/** Of a cluster, in per cent; -1: none. */
export type SuccessRates = { readonly average: number; readonly threshold: number };

export type HostStatus = {
  readonly name: string;
  readonly address: Address;
  readonly hostname: string;
  readonly healthFlags: string;
  /** In per cent; -1: none. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
  readonly edsHealth: string;
  readonly weight: number;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly isCanary: boolean;
  readonly priority: number;
  /** In the order of HOST_COUNTS. */
  readonly counts: readonly number[];
};

/** Counts of a host by Envoy's names, and whether they are gauges. */
export const HOST_COUNTS = [
  ['cx_active', true],
  ['cx_connect_fail', false],
  ['cx_total', false],
  ['rq_active', true],
  ['rq_error', false],
  ['rq_pending_active', true],
  ['rq_success', false],
  ['rq_timeout', false],
  ['rq_total', false],
] as const;

/** All workers' lists as one, made while it is read: hosts of the same name count together. */
export function mergeClusters(lists: readonly (readonly ClusterStatus[])[]): Iterable<ClusterStatus> {
  const byName = new Map<string, ClusterStatus[]>();
  for (const list of lists) {
    for (const cluster of list) {
      const known = byName.get(cluster.name);
      if (known === undefined) byName.set(cluster.name, [cluster]);
      else known.push(cluster);
    }
  }
  return {
    *[Symbol.iterator]() {
      for (const same of byName.values()) yield same.reduce(mergePair);
    },
  };
}

function mergePair(a: ClusterStatus, b: ClusterStatus): ClusterStatus {
  return { ...a, hosts: mergeHosts(a, b) };
}

function mergeHosts(a: ClusterStatus, b: ClusterStatus): HostStatus[] {
  const key = (host: HostStatus): string => `${host.priority} ${host.name} ${host.hostname}`;
  const hosts = new Map(a.hosts.map((host) => [key(host), host]));
  for (const host of b.hosts) {
    const known = hosts.get(key(host));
    const counts = known?.counts.map((count, i) => count + (host.counts[i] ?? 0)) ?? host.counts;
    hosts.set(key(host), { ...(known ?? host), counts });
  }
  return [...hosts.values()];
}
