// A connection of tcp_proxy that waits for its cluster, which was not there and is asked for.
import type { ClusterAsker, ClusterDemand, ClusterDemands, ClusterOutcome } from '../../../cluster/cluster.ts';
import type { StreamRequest } from '../../../cluster/cluster.ts';
import { type OnDemandScope, OUTCOME_STATS } from './stats.ts';

export type ClusterWaitParts = {
  readonly onDemandClusters: ClusterDemands;
  readonly onDemandStats: OnDemandScope | null;
};

/** `isThere`: it may serve now. */
export type ClusterWaiter = { onClusterAnswer(name: string, isThere: boolean): void };

/** Source: Envoy Filter::onClusterDiscoveryCompletion. */
export class ClusterWait implements ClusterAsker, StreamRequest {
  readonly #name: string;
  readonly #parts: ClusterWaitParts;
  readonly #waiter: ClusterWaiter;

  constructor(name: string, parts: ClusterWaitParts, waiter: ClusterWaiter) {
    this.#name = name;
    this.#parts = parts;
    this.#waiter = waiter;
  }

  /** Null when nobody can be asked, which the waiter has been told then. */
  static start(
    name: string,
    demand: ClusterDemand,
    parts: ClusterWaitParts,
    waiter: ClusterWaiter,
  ): StreamRequest | null {
    const { onDemandClusters, onDemandStats } = parts;
    onDemandStats?.inc(onDemandStats.i.on_demand_cluster_attempt);
    const wait = new ClusterWait(name, parts, waiter);
    if (onDemandClusters.ask(name, demand, wait)) return wait;
    wait.onClusterOutcome('missing');
    return null;
  }

  onClusterOutcome(outcome: ClusterOutcome): void {
    const { onDemandStats } = this.#parts;
    onDemandStats?.inc(onDemandStats.i[OUTCOME_STATS[outcome]]);
    this.#waiter.onClusterAnswer(this.#name, outcome === 'available');
  }

  cancel(): void {
    this.#parts.onDemandClusters.giveUp(this.#name, this);
  }
}
