// All clusters of a worker by name; a swap takes effect at the next request.
import type { Address } from '../../base/byte-stream.ts';
import type { Resolver, ResolverSettings } from '../../net/resolver/resolver.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { DnsCaches } from '../dns-cache/dns-caches.ts';
import type { ClusterManager, ClusterWaiter } from './cluster.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { type ClusterContext, type ClusterDependencies, ClusterEntry } from './cluster-entry.ts';

const MANAGER_STATS = {
  cluster_added: 'counter-once',
  cluster_modified: 'counter-once',
  cluster_removed: 'counter-once',
  cluster_updated: 'counter-once',
  cluster_updated_via_merge: 'counter-once',
  update_merge_cancelled: 'counter-once',
  update_out_of_merge_window: 'counter-once',
  active_clusters: 'gauge-once',
  warming_clusters: 'gauge-once',
} as const;

//  set ─► in use at once (start of the process), or warming beside the old one ─► initialised ─► takes its place
export class ClusterTable implements ClusterManager {
  readonly #context: ClusterContext;
  readonly #clusters = new Map<string, ClusterEntry>();
  /** New versions that wait for their first hosts. */
  readonly #warming = new Map<string, ClusterEntry>();
  /** Who waits for a cluster to serve, by its name. */
  readonly #awaited = new Map<string, Set<ClusterWaiter>>();
  /** By their settings, with the number of clusters that use them. */
  readonly #resolvers = new Map<string, { readonly resolver: Resolver; users: number }>();
  readonly #stats: ReturnType<typeof managerScope>;
  /** Clusters of the start that are not initialised yet, and what waits for them. */
  readonly #initializing = new Set<ClusterEntry>();
  #onInitialized: (() => void)[] = [];
  /** Who will still bring clusters of the start. */
  #holds = 0;
  #isStarting = true;
  /** Whether a listener of this proxy is bound to the address; the worker sets it. */
  isOwnAddress: (address: Address) => boolean = () => false;

  constructor(dependencies: ClusterDependencies) {
    this.#context = {
      ...dependencies,
      resolverFor: (settings) => this.#resolverFor(settings),
      releaseResolver: (settings) => this.#releaseResolver(settings),
      isOwnAddress: (address) => this.isOwnAddress(address),
      table: this,
    };
    this.#stats = managerScope(dependencies.stats);
    this.#stats.set(this.#stats.i.warming_clusters, 0);
  }

  /** Of its dynamic forward proxies. */
  get dnsCaches(): DnsCaches | undefined {
    return this.#context.dnsCaches;
  }

  get(name: string): ClusterEntry | null {
    return this.#clusters.get(name) ?? null;
  }

  /** Whether it serves, or will once it is warm. */
  knows(name: string): boolean {
    return this.#clusters.has(name) || this.#warming.has(name);
  }

  /** The one of that name that was set last. */
  latest(name: string): ClusterEntry | null {
    return this.#warming.get(name) ?? this.get(name);
  }

  /** `waiter` is told when a cluster of that name comes to serve, unless it gives up. */
  awaitCluster(name: string, waiter: ClusterWaiter): void {
    const known = this.#awaited.get(name);
    if (known === undefined) this.#awaited.set(name, new Set([waiter]));
    else known.add(waiter);
  }

  giveUp(name: string, waiter: ClusterWaiter): void {
    const known = this.#awaited.get(name);
    if (known?.delete(waiter) === true && known.size === 0) this.#awaited.delete(name);
  }

  /** In order of their names' first addition. */
  all(): IterableIterator<ClusterEntry> {
    return this.#clusters.values();
  }

  /** Another worker's outlier detection has put hosts of it out or back. */
  healthChanged(name: string): void {
    this.#clusters.get(name)?.detector?.look();
    this.#warming.get(name)?.detector?.look();
  }

  /** Runtime values have changed: reads them again, so that no request has to. */
  readRuntime(): void {
    for (const cluster of this.#clusters.values()) cluster.readRuntime();
    for (const cluster of this.#warming.values()) cluster.readRuntime();
  }

  /**
   * Adds a cluster or replaces the one of that name, whose connections end with their requests. After the start a new
   * version serves only once it is initialised.
   */
  set(config: ClusterConfig, version = 0): ClusterEntry {
    const stats = this.#stats;
    const { name } = config;
    stats.inc(this.#clusters.has(name) ? stats.i.cluster_modified : stats.i.cluster_added);
    const cluster = new ClusterEntry(config, this.#context, version);
    if (this.#isStarting) {
      this.#initializing.add(cluster);
      this.#install(cluster);
    } else {
      this.#warming.get(name)?.close();
      this.#warming.set(name, cluster);
    }
    cluster.scope.set(cluster.scope.i.warming_state, 1);
    cluster.start(() => this.#initialized(cluster));
    stats.set(stats.i.warming_clusters, this.#warming.size);
    return cluster;
  }

  #install(cluster: ClusterEntry): void {
    const old = this.#clusters.get(cluster.name);
    if (old !== undefined) {
      this.#initializing.delete(old);
      old.close();
    }
    this.#clusters.set(cluster.name, cluster);
    this.#stats.set(this.#stats.i.active_clusters, this.#clusters.size);
  }

  #initialized(cluster: ClusterEntry): void {
    const stats = this.#stats;
    if (this.#warming.get(cluster.name) === cluster) {
      this.#warming.delete(cluster.name);
      stats.set(stats.i.warming_clusters, this.#warming.size);
      this.#install(cluster);
    }
    cluster.scope.set(cluster.scope.i.warming_state, 0);
    cluster.onHostsChanged = this.#countUpdate;
    if (this.#initializing.delete(cluster)) this.#checkStarted();
    const waiters = this.#awaited.get(cluster.name);
    if (waiters === undefined) return;
    this.#awaited.delete(cluster.name);
    for (const waiter of waiters) waiter.onCluster();
  }

  /** For clusters in use: one function for all of them. */
  readonly #countUpdate = (): void => this.#stats.inc(this.#stats.i.cluster_updated);

  /** Every cluster of the start has had its first answer. */
  get isInitialized(): boolean {
    return !this.#isStarting;
  }

  /**
   * Calls back, perhaps now, once every cluster that was set is initialised: a DNS cluster with its first answer,
   * whatever it is. Nothing but the resolver's own time-outs bounds the wait, as in Envoy.
   */
  whenInitialized(callback: () => void): void {
    this.#onInitialized.push(callback);
    this.#checkStarted();
  }

  /** Puts the end of the start off: more clusters come. The caller says once when that is over. */
  hold(): () => void {
    this.#holds++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#holds--;
      this.#checkStarted();
    };
  }

  #checkStarted(): void {
    if (this.#initializing.size > 0 || this.#holds > 0 || this.#onInitialized.length === 0) return;
    this.#isStarting = false;
    const callbacks = this.#onInitialized;
    this.#onInitialized = [];
    for (const callback of callbacks) callback();
  }

  remove(name: string): boolean {
    this.#warming.get(name)?.close();
    this.#warming.delete(name);
    this.#stats.set(this.#stats.i.warming_clusters, this.#warming.size);
    const old = this.#clusters.get(name);
    if (old === undefined) return false;
    this.#clusters.delete(name);
    this.#initializing.delete(old);
    old.close();
    this.#stats.inc(this.#stats.i.cluster_removed);
    this.#stats.set(this.#stats.i.active_clusters, this.#clusters.size);
    this.#checkStarted();
    return true;
  }

  #resolverFor(settings: ResolverSettings): Resolver {
    const key = JSON.stringify(settings);
    let known = this.#resolvers.get(key);
    if (known === undefined) {
      known = { resolver: this.#context.makeResolver(settings), users: 0 };
      this.#resolvers.set(key, known);
    }
    known.users++;
    return known.resolver;
  }

  #releaseResolver(settings: ResolverSettings): void {
    const key = JSON.stringify(settings);
    const known = this.#resolvers.get(key);
    if (known === undefined || --known.users > 0) return;
    this.#resolvers.delete(key);
    known.resolver.close();
  }
}

function managerScope(stats: StatStore) {
  return stats.scope('cluster_manager.', MANAGER_STATS);
}
