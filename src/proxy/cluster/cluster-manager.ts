// All clusters of a worker by name; a swap takes effect at the next request.
import type { StatStore } from '../../telemetry/metrics.ts';
import type { ClusterManager } from './cluster.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { type ClusterDependencies, ClusterEntry } from './cluster-entry.ts';

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

export class ClusterTable implements ClusterManager {
  readonly #dependencies: ClusterDependencies;
  readonly #clusters = new Map<string, ClusterEntry>();
  readonly #stats: ReturnType<typeof managerScope>;

  constructor(dependencies: ClusterDependencies) {
    this.#dependencies = dependencies;
    this.#stats = managerScope(dependencies.stats);
    this.#stats.set(this.#stats.i.warming_clusters, 0);
  }

  get(name: string): ClusterEntry | null {
    return this.#clusters.get(name) ?? null;
  }

  /** In order of their names' first addition. */
  all(): IterableIterator<ClusterEntry> {
    return this.#clusters.values();
  }

  /** Adds a cluster or replaces the one of that name, whose connections end with their requests. */
  set(config: ClusterConfig): ClusterEntry {
    const stats = this.#stats;
    const old = this.#clusters.get(config.name);
    const cluster = new ClusterEntry(config, this.#dependencies);
    this.#clusters.set(config.name, cluster);
    if (old === undefined) stats.inc(stats.i.cluster_added);
    else {
      stats.inc(stats.i.cluster_modified);
      old.close();
    }
    stats.set(stats.i.active_clusters, this.#clusters.size);
    return cluster;
  }

  remove(name: string): boolean {
    const old = this.#clusters.get(name);
    if (old === undefined) return false;
    this.#clusters.delete(name);
    old.close();
    this.#stats.inc(this.#stats.i.cluster_removed);
    this.#stats.set(this.#stats.i.active_clusters, this.#clusters.size);
    return true;
  }
}

function managerScope(stats: StatStore) {
  return stats.scope('cluster_manager.', MANAGER_STATS);
}
