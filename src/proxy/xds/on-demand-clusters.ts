// Clusters that are asked for when traffic first needs them (ODCDS), of one worker: who waits, and for how long.
import type { Clock, Timer } from '../../base/clock.ts';
import type { ClusterAsker, ClusterDemand, ClusterDemands, ClusterOutcome, ClusterWaiter } from '../cluster/cluster.ts';
import type { Want, WantSink } from './holders.ts';
import { ADS_KEY, type ConfigPlace } from './place.ts';
import { CLUSTER_TYPE } from './types.ts';

/** Names that servers are asked to watch: clients may choose them, by a header. */
const MAX_ASKED = 10_000;

const STAT_PREFIX = 'cluster_manager.odcds.';

/** Clusters as they serve. */
export type ServingClusters = {
  get(name: string): object | null;
  awaitCluster(name: string, waiter: ClusterWaiter): void;
  giveUp(name: string, waiter: ClusterWaiter): void;
};

export class OnDemandClusters implements ClusterDemands {
  readonly #sink: WantSink;
  readonly #clock: Clock;
  readonly #clusters: ServingClusters;
  /** By name, whomever it is asked of. */
  readonly #pending = new Map<string, Pending>();
  /** What servers were asked to watch, by place and name, the oldest first. */
  readonly #asked = new Map<string, Want>();
  /** Keys of places that may be asked. */
  readonly #places = new Set<string>();

  constructor(sink: WantSink, clock: Clock, clusters: ServingClusters) {
    this.#sink = sink;
    this.#clock = clock;
    this.#clusters = clusters;
  }

  announce({ place }: ClusterDemand): void {
    // On the ADS stream each question is counted for itself, from when it is asked.
    if (place.key === ADS_KEY || this.#places.has(place.key)) return;
    this.#places.add(place.key);
    this.#sink.want(wantOf('', place));
  }

  /** Source: Envoy ClusterManagerImpl::requestOnDemandClusterDiscovery. */
  ask(name: string, demand: ClusterDemand, asker: ClusterAsker): boolean {
    const known = this.#pending.get(name);
    if (known !== undefined) {
      known.askers.add(asker);
      return true;
    }
    // That would be a question for all there are.
    if (name === '*') return false;
    if (!this.#watch(name, demand.place)) return false;
    const pending = new Pending(this, name, this.#clock);
    pending.askers.add(asker);
    this.#pending.set(name, pending);
    this.#clusters.awaitCluster(name, pending);
    pending.timer.arm(demand.timeoutMs);
    return true;
  }

  #watch(name: string, place: ConfigPlace): boolean {
    const key = `${place.key} ${name}`;
    const known = this.#asked.get(key);
    if (known !== undefined) {
      // Only counted: there is nothing new to ask.
      if (place.key !== ADS_KEY) this.#sink.want(known);
      return true;
    }
    if (this.#asked.size >= MAX_ASKED && !this.#forgetOne()) return false;
    this.announce({ place, timeoutMs: 0 });
    const want = wantOf(name, place);
    this.#asked.set(key, want);
    this.#sink.want(want);
    return true;
  }

  /** The oldest that leads nowhere and that nobody waits for. */
  #forgetOne(): boolean {
    for (const [key, want] of this.#asked) {
      if (this.#pending.has(want.name) || this.#clusters.get(want.name) !== null) continue;
      this.#asked.delete(key);
      this.#sink.unwant(want);
      return true;
    }
    return false;
  }

  giveUp(name: string, asker: ClusterAsker): void {
    // The question stays: whoever asks next is told with its answer.
    this.#pending.get(name)?.askers.delete(asker);
  }

  /** The server says that there is none, or that it had one. */
  missing(name: string): void {
    this.#pending.get(name)?.end('missing');
  }

  /** Nothing was heard for as long as a first answer is waited for. Source: Envoy XdstpOdCdsApiImpl, of ADS alone. */
  fetchTimedOut(name: string, placeKey: string): void {
    if (placeKey === ADS_KEY) this.missing(name);
  }

  /** For what is pending. */
  ended(pending: Pending): void {
    this.#pending.delete(pending.name);
    this.#clusters.giveUp(pending.name, pending);
  }
}

class Pending implements ClusterWaiter {
  readonly name: string;
  readonly askers = new Set<ClusterAsker>();
  readonly timer: Timer;
  readonly #all: OnDemandClusters;

  constructor(all: OnDemandClusters, name: string, clock: Clock) {
    this.#all = all;
    this.name = name;
    this.timer = clock.timer(timedOut, this as Pending);
  }

  onCluster(): void {
    this.end('available');
  }

  end(outcome: ClusterOutcome): void {
    this.timer.disarm();
    this.#all.ended(this);
    for (const asker of this.askers) asker.onClusterOutcome(outcome);
  }
}

function timedOut(pending: Pending): void {
  pending.end('timeout');
}

/** `name` '': only that there may be questions. */
function wantOf(name: string, place: ConfigPlace): Want {
  return { type: CLUSTER_TYPE, name, place, statPrefix: STAT_PREFIX };
}
