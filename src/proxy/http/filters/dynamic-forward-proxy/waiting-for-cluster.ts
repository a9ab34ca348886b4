// A request of a dynamic forward proxy that waits for its sub cluster, and for how long.
import type { Timer } from '../../../../base/clock.ts';
import type { ClusterWaiter, SubClusterName, SubClusters } from '../../../cluster/cluster.ts';
import type { FilterStream } from '../../filter.ts';

export class WaitingForCluster implements ClusterWaiter {
  readonly #stream: FilterStream;
  readonly #slot: number;
  readonly #clusters: SubClusters;
  readonly #name: SubClusterName;
  #timer: Timer | null = null;

  constructor(stream: FilterStream, slot: number, clusters: SubClusters, name: SubClusterName) {
    this.#stream = stream;
    this.#slot = slot;
    this.#clusters = clusters;
    this.#name = name;
  }

  wait(timeoutMs: number): void {
    this.#timer = this.#stream.clock.timer(timedOut, this);
    this.#timer.arm(timeoutMs);
  }

  onCluster(): void {
    this.#end();
    if (!this.#stream.isDestroyed) this.#stream.continueDecoding(this.#slot);
  }

  onTimeout(): void {
    this.cancel();
    const body = 'Sub cluster warming timeout';
    this.#stream.sendLocalReply({ status: 503, body, details: 'sub_cluster_warming_timeout' });
  }

  cancel(): void {
    this.#end();
    this.#clusters.giveUp(this.#name, this);
  }

  #end(): void {
    this.#timer?.disarm();
    this.#timer = null;
    this.#stream.slot[this.#slot] = undefined;
  }
}

function timedOut(waiting: WaitingForCluster): void {
  waiting.onTimeout();
}
