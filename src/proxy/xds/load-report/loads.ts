// Loads: what clusters and their hosts did since they were last asked, as one thread knows it.
import type { Address } from '../../../base/byte-stream.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Locality } from '../../cluster/cluster-config.ts';
import type { ClusterEntry } from '../../cluster/cluster-entry.ts';
import { type HostEntry, hostKey, type LoadMetric } from '../../cluster/host.ts';
import type { LocalityHosts } from '../../cluster/priority-set.ts';

/** What a thread is asked. */
export type LoadQuestion = {
  /** Clusters whose loads are reported already. */
  readonly tracked: readonly string[];
  /** Whether their loads are wanted now. */
  readonly isReport: boolean;
  /** Clusters whose loads count from now on; null: all but `tracked`. */
  readonly begins: readonly string[] | null;
  /** report_endpoint_granularity. */
  readonly withHosts: boolean;
};

/** An answer, or a piece of it. */
export type LoadAnswer = {
  /** Of each cluster of `tracked` that there is. */
  readonly loads: readonly ClusterLoad[];
  /** Clusters whose loads count from now on. */
  readonly begun: readonly string[];
};

export type ClusterLoad = {
  readonly name: string;
  /** eds_cluster_config.service_name. */
  readonly serviceName: string;
  readonly dropped: number;
  /** Of these, those that drop_overloads refused. */
  readonly droppedByPolicy: number;
  /** The category of drop_overloads; '' for none. */
  readonly category: string;
  readonly localities: readonly LocalityLoad[];
};

export type LocalityLoad = {
  readonly priority: number;
  readonly locality: Locality;
  readonly counts: LoadCounts;
  /** What its endpoints said of themselves; names may occur more than once. */
  readonly metrics: readonly LoadMetric[];
  /** Those that have any; empty unless they are asked for. */
  readonly hosts: readonly HostLoad[];
};

export type HostLoad = {
  readonly key: string;
  readonly address: Address;
  readonly counts: LoadCounts;
  readonly metrics: readonly LoadMetric[];
};

/** Of requests. */
export type LoadCounts = {
  readonly success: number;
  readonly error: number;
  /** On their way now. */
  readonly active: number;
  readonly issued: number;
};

/** Clusters in one piece. */
const CLUSTERS_PER_PIECE = 200;

/** Counts of a host that were told already. */
type Told = { readonly success: number; readonly error: number; readonly issued: number };

type Dropped = Pick<ClusterLoad, 'dropped' | 'droppedByPolicy'>;

const NOTHING_DROPPED: Dropped = Object.freeze({ dropped: 0, droppedByPolicy: 0 });
const NO_COUNTS: LoadCounts = Object.freeze({ success: 0, error: 0, active: 0, issued: 0 });
const NOTHING_TOLD: Told = Object.freeze({ success: 0, error: 0, issued: 0 });

/** Hosts and clusters that are gone take what was not told of them along, as in Envoy. */
export class LoadBook {
  /** Only of hosts that did anything. */
  readonly #hosts = new WeakMap<HostEntry, Told>();
  readonly #dropped = new WeakMap<ClusterEntry, Dropped>();

  /** The answer in pieces, between which the event loop may turn. */
  *answer(
    clusters: Iterable<ClusterEntry>,
    { tracked, isReport, begins, withHosts }: LoadQuestion,
  ): Generator<LoadAnswer> {
    const known = new Set(tracked);
    const beginning = begins === null ? null : new Set(begins);
    let loads: ClusterLoad[] = [];
    let begun: string[] = [];
    for (const cluster of clusters) {
      const { name } = cluster;
      if (known.has(name)) {
        if (isReport) loads.push(this.#take(cluster, withHosts));
      } else if (beginning === null || beginning.has(name)) {
        this.#begin(cluster);
        begun.push(name);
      }
      if (loads.length + begun.length < CLUSTERS_PER_PIECE) continue;
      yield { loads, begun };
      loads = [];
      begun = [];
    }
    yield { loads, begun };
  }

  /** Envoy keeps what endpoints said of themselves before. */
  #begin(cluster: ClusterEntry): void {
    for (const host of cluster.hosts) this.#takeHost(host);
    this.#takeDropped(cluster);
  }

  #take(cluster: ClusterEntry, withHosts: boolean): ClusterLoad {
    const localities: LocalityLoad[] = [];
    for (const { priority, localities: all } of cluster.priorities) {
      for (const one of all) {
        const load = this.#takeLocality(one, priority, withHosts);
        if (load !== null) localities.push(load);
      }
    }
    const { discovery, name } = cluster.config;
    const serviceName = discovery.kind === 'EDS' ? discovery.statedName : '';
    return { name, serviceName, ...this.#takeDropped(cluster), category: cluster.dropCategory, localities };
  }

  #takeDropped(cluster: ClusterEntry): Dropped {
    const before = this.#dropped.get(cluster) ?? NOTHING_DROPPED;
    const { dropped, droppedByPolicy } = cluster.codes;
    if (dropped === before.dropped && droppedByPolicy === before.droppedByPolicy) return NOTHING_DROPPED;
    this.#dropped.set(cluster, { dropped, droppedByPolicy });
    return { dropped: dropped - before.dropped, droppedByPolicy: droppedByPolicy - before.droppedByPolicy };
  }

  #takeLocality({ hosts }: LocalityHosts, priority: number, withHosts: boolean): LocalityLoad | null {
    let sum: LoadCounts | null = null;
    const all: LoadMetric[] = [];
    const told: HostLoad[] = [];
    for (const host of hosts) {
      const metrics = host.takeLoadMetrics();
      const counts = this.#takeHost(host) ?? (metrics.length > 0 ? NO_COUNTS : null);
      if (counts === null) continue;
      sum = sum === null ? counts : addCounts(sum, counts);
      all.push(...metrics);
      if (withHosts) told.push({ key: hostKey(host.endpoint), address: host.address, counts, metrics });
    }
    const first = hosts[0];
    if (sum === null || first === undefined) return null;
    const { region, zone, subZone } = first.locality;
    return { priority, locality: { region, zone, subZone }, counts: sum, metrics: all, hosts: told };
  }

  /** Null: it did nothing. */
  #takeHost(host: HostEntry): LoadCounts | null {
    const { rqSuccess, rqError, rqActive, rqTotal } = host;
    if (rqSuccess === 0 && rqError === 0 && rqTotal === 0 && rqActive === 0) return null;
    const before = this.#hosts.get(host) ?? NOTHING_TOLD;
    const success = rqSuccess - before.success;
    const error = rqError - before.error;
    const issued = rqTotal - before.issued;
    if (success !== 0 || error !== 0 || issued !== 0) {
      this.#hosts.set(host, { success: rqSuccess, error: rqError, issued: rqTotal });
    } else if (rqActive === 0) return null;
    return { success, error, active: rqActive, issued };
  }
}

/** One piece in each turn of the event loop. */
export function inTurns<T>(clock: Clock, pieces: Iterator<T>, took: (piece: T) => void, done: () => void): void {
  const next = (): void => {
    const { done: isOver, value } = pieces.next();
    if (isOver === true) done();
    else {
      took(value);
      clock.defer(next);
    }
  };
  next();
}

export function addCounts(a: LoadCounts, b: LoadCounts): LoadCounts {
  return {
    success: a.success + b.success,
    error: a.error + b.error,
    active: a.active + b.active,
    issued: a.issued + b.issued,
  };
}
