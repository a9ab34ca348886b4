// Label sets of metrics, made once: a repeated request finds its cells by its cluster and one number.
import type { Clock, Timer } from '../../base/clock.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { Metadata } from '../stream-info.ts';
import type { MetricFamily, Series } from './metric-family.ts';
import type { JsonObject } from './node.ts';
import type { Peer } from './peer.ts';
import { type EndFacts, endLabels, type LocalLabels, needsHost, type Service, serviceOf } from './telemetry-labels.ts';
import { isSpecialRoute } from './telemetry-labels.ts';

/** Label sets of one configuration; beyond that the oldest are forgotten, and begin anew when they are used again. */
export const MAX_LABEL_SETS = 10_000;
/** Series of one pair of ends and one family. */
export const MAX_SERIES = 2000;
/** What the limits took away. */
const TABLE_STATS = { label_sets_dropped: 'counter', series_dropped: 'counter' } as const;
/** What is found without making a text of what is known: clusters, peers of a cluster, facts of a peer. */
const MAX_CLUSTERS = 10_000;
const MAX_PEERS = 1000;
const MAX_RECENT = 8;
const UNUSED_CHECKS = 4;
const MIN_CHECK_MS = 1000;

export type Security = 'mutual_tls' | 'none' | 'unknown';

/** What is known of the ends, before the cluster's own part of it. */
export type SeenFacts = Omit<EndFacts, 'service'>;

/** What the labels of single exchanges come to: a number, or a text where expressions say more. */
export type SeriesKey = number | string;

/** The labels of one pair of ends, and the series that they have with the labels of single exchanges. */
export class LabelSet {
  readonly labels: readonly string[];
  readonly security: Security;
  /** Those of the last look, by family. */
  readonly #series = new Map<MetricFamily, Map<SeriesKey, Series>>();
  isForgotten = false;

  constructor(labels: readonly string[], security: Security) {
    this.labels = labels;
    this.security = security;
  }

  get(family: MetricFamily, key: SeriesKey): Series | undefined {
    const found = this.#series.get(family)?.get(key);
    if (found !== undefined) found.isFresh = true;
    return found;
  }

  /** `more`: labels of the exchange; `values`: of expressions. */
  open(
    family: MetricFamily,
    key: SeriesKey,
    store: StatStore,
    more: readonly string[],
    values: readonly string[],
  ): Series {
    let ofFamily = this.#series.get(family);
    if (ofFamily === undefined) {
      ofFamily = new Map();
      this.#series.set(family, ofFamily);
    }
    if (ofFamily.size >= MAX_SERIES) {
      for (const [oldest, series] of ofFamily) {
        series.release();
        ofFamily.delete(oldest);
        const stats = tableStats(store);
        stats.inc(stats.i.series_dropped);
        break;
      }
    }
    const series = family.open(store, [...this.labels, ...more], values);
    ofFamily.set(key, series);
    return series;
  }

  /** Forgets series that have been unused for so long; true when none is left. */
  expire(passedMs: number, expiryMs: number): boolean {
    let left = 0;
    for (const ofFamily of this.#series.values()) {
      for (const [key, series] of ofFamily) {
        series.idleMs = series.isFresh ? 0 : series.idleMs + passedMs;
        series.isFresh = false;
        if (series.idleMs < expiryMs) continue;
        series.release();
        ofFamily.delete(key);
      }
      left += ofFamily.size;
    }
    return left === 0;
  }

  forget(): void {
    this.isForgotten = true;
    for (const ofFamily of this.#series.values()) for (const series of ofFamily.values()) series.release();
    this.#series.clear();
  }
}

type Recent = { readonly facts: EndFacts; readonly set: LabelSet };

/** What a cluster's name led to; made anew when the cluster's metadata change. */
class ClusterFacts {
  readonly metadata: Metadata | null;
  readonly service: Service | null;
  /** The latest facts of each peer. */
  readonly recent = new Map<Peer | null, Recent[]>();

  constructor(metadata: Metadata | null) {
    this.metadata = metadata;
    this.service = serviceOf(metadata?.get('istio') as JsonObject | undefined);
  }
}

export class LabelTable {
  readonly store: StatStore;
  readonly #local: LocalLabels;
  readonly #clusters = new Map<string, ClusterFacts>();
  /** By their labels. */
  readonly #sets = new Map<string, LabelSet>();
  readonly #expiryMs: number;
  /** How often to look. */
  readonly #checkMs: number;
  readonly #timer: Timer | null;

  /** `expiryMs`: series that nobody used for so long are forgotten; 0: never. */
  constructor(store: StatStore, local: LocalLabels, clock: Clock, expiryMs: number) {
    this.store = store;
    this.#local = local;
    this.#expiryMs = expiryMs;
    this.#checkMs = Math.max(MIN_CHECK_MS, expiryMs / UNUSED_CHECKS);
    this.#timer = expiryMs === 0 ? null : clock.timer(expire, this);
  }

  /** Label sets that are known. */
  get size(): number {
    return this.#sets.size;
  }

  /** `metadata`: the cluster's. The facts are kept when they are new, so the caller makes them anew each time. */
  find(seen: SeenFacts, metadata: Metadata | null): LabelSet {
    let cluster = this.#clusters.get(seen.clusterName);
    if (cluster === undefined || cluster.metadata !== metadata) {
      if (this.#clusters.size >= MAX_CLUSTERS) this.#clusters.clear();
      cluster = new ClusterFacts(metadata);
      this.#clusters.set(seen.clusterName, cluster);
    }
    const { service } = cluster;
    const recent = cluster.recent.get(seen.peer);
    if (recent === undefined) return this.#remember(cluster, { ...seen, service });
    const hostCounts =
      service === null || service.host === null || needsHost(service, seen.clusterName, seen.routeName);
    for (let i = 0; i < recent.length; i++) {
      const { facts, set } = recent[i] as Recent;
      if (isAlike(facts, seen, hostCounts) && !set.isForgotten) return set;
    }
    return this.#remember(cluster, { ...seen, service });
  }

  #remember(cluster: ClusterFacts, facts: EndFacts): LabelSet {
    const labels = endLabels(facts, this.#local);
    const security = securityOf(facts);
    const key = `${security}\0${labels.join('\0')}`;
    let set = this.#sets.get(key);
    if (set === undefined) {
      this.#makeRoom();
      set = new LabelSet(labels, security);
      this.#sets.set(key, set);
      if (this.#timer?.isArmed === false) this.#timer.arm(this.#checkMs);
    }
    let recent = cluster.recent.get(facts.peer);
    if (recent === undefined) {
      if (cluster.recent.size >= MAX_PEERS) cluster.recent.clear();
      recent = [];
      cluster.recent.set(facts.peer, recent);
    }
    recent.unshift({ facts, set });
    if (recent.length > MAX_RECENT) recent.pop();
    return set;
  }

  #makeRoom(): void {
    if (this.#sets.size < MAX_LABEL_SETS) return;
    for (const [key, set] of this.#sets) {
      set.forget();
      this.#sets.delete(key);
      const stats = tableStats(this.store);
      stats.inc(stats.i.label_sets_dropped);
      return;
    }
  }

  /** For the timer. */
  expire(): void {
    for (const [key, set] of this.#sets) {
      if (!set.expire(this.#checkMs, this.#expiryMs)) continue;
      set.isForgotten = true;
      this.#sets.delete(key);
    }
    if (this.#sets.size > 0) this.#timer?.arm(this.#checkMs);
    else this.#clusters.clear();
  }
}

function isAlike(a: EndFacts, b: SeenFacts, hostCounts: boolean): boolean {
  return (
    a.endpoint === b.endpoint &&
    a.reporter === b.reporter &&
    a.peerPrincipal === b.peerPrincipal &&
    a.localPrincipal === b.localPrincipal &&
    (a.routeName === b.routeName || (!isSpecialRoute(a.routeName) && !isSpecialRoute(b.routeName))) &&
    (!hostCounts || a.host === b.host)
  );
}

/** Made when first needed: most proxies never come to their limits. */
function tableStats(store: StatStore) {
  return store.scope('istio_stats.', TABLE_STATS);
}

/** Of a source nothing is said, because the other side knows better. */
function securityOf({ reporter, peerPrincipal, localPrincipal }: EndFacts): Security {
  if (reporter === 'source') return 'unknown';
  return peerPrincipal !== '' && localPrincipal !== '' ? 'mutual_tls' : 'none';
}

function expire(table: LabelTable): void {
  table.expire();
}
