// Exact connection balance: an accepted socket goes to the worker with the fewest connections of its listener.
import type { ByteStream } from '../../base/byte-stream.ts';
import type { SharedCells, SharedCounter, SharedPair } from '../../base/shared-cells.ts';
import { fileDescriptor } from '../../net/engine.ts';
import { duplicateDescriptor } from '../../net/native.ts';
import type { ConnectionBalancer } from './contract.ts';
import type { HandOver } from './messages.ts';

/** How often a choice is made again because another worker chose at the same time; then it stands. */
const MAX_TRIES = 16;

/** Connections of one listening address, by worker. */
type Tally = { readonly counts: readonly SharedCounter[]; readonly choices: SharedPair };

/** Source: Envoy ExactConnectionBalancerImpl, which locks; here a choice counts if nobody chose since it looked. */
export class ExactBalancer implements ConnectionBalancer {
  readonly #index: number;
  readonly #concurrency: number;
  readonly #shared: SharedCells;
  readonly #handOver: (to: number, key: string, handover: HandOver) => void;
  readonly #tallies = new Map<string, Tally>();

  /** `handOver` sends an accepted socket away; the descriptor goes with it. */
  constructor(
    index: number,
    concurrency: number,
    shared: SharedCells,
    handOver: (to: number, key: string, handover: HandOver) => void,
  ) {
    this.#index = index;
    this.#concurrency = concurrency;
    this.#shared = shared;
    this.#handOver = handOver;
  }

  giveAway(key: string, stream: ByteStream): boolean {
    const tally = this.#tally(key);
    const target = this.#choose(tally);
    if (target === this.#index) return false;
    const fd = duplicateDescriptor(fileDescriptor(stream));
    if (typeof fd === 'string') {
      // No descriptor left: better here than nowhere.
      tally.counts[target]?.dec();
      tally.counts[this.#index]?.inc();
      return false;
    }
    const { family } = stream.localAddress;
    stream.destroy();
    tally.counts[target]?.giveUp();
    this.#handOver(target, key, { fd, family });
    return true;
  }

  /** A socket came from another worker, which has counted it for this one. */
  adopted(key: string): void {
    this.#tally(key).counts[this.#index]?.takeOver();
  }

  closed(key: string): void {
    this.#tally(key).counts[this.#index]?.dec();
  }

  /** The worker with the fewest connections, which has one more now. */
  #choose({ counts, choices }: Tally): number {
    for (let tries = 1; ; tries++) {
      const seen = choices.load();
      let target = this.#index;
      for (let i = 0; i < counts.length; i++) if (valueOf(counts, i) < valueOf(counts, target)) target = i;
      counts[target]?.inc();
      if (choices.replace(seen, seen + 1n) || tries === MAX_TRIES) return target;
      counts[target]?.dec();
    }
  }

  #tally(key: string): Tally {
    let tally = this.#tallies.get(key);
    if (tally === undefined) {
      const counts = Array.from({ length: this.#concurrency }, (_, i) => this.#shared.counter(balanceName(i, key)));
      tally = { counts, choices: this.#shared.pair(`balance ${key}`) };
      this.#tallies.set(key, tally);
    }
    return tally;
  }
}

/** What the connections of worker `index` on one address are counted as. */
export function balanceName(index: number, key: string): string {
  return `balance ${index} ${key}`;
}

function valueOf(counts: readonly SharedCounter[], index: number): number {
  return counts[index]?.value ?? 0;
}
