// What several workers use by name, as one: asked for with the first of them, let go with the last.
import { isWhole } from '../../xds/client/services.ts';
import type { Want, WantSink } from './holders.ts';
import { CLUSTER_TYPE, VIRTUAL_HOST_TYPE } from './types.ts';

type Shared = {
  readonly want: Want;
  readonly workers: Set<number>;
  /** Workers have been told something of it since it was last asked for: who comes later has not heard that. */
  isAnswered: boolean;
};

export class SharedWants {
  readonly #wants = new Map<string, Shared>();
  #sink: WantSink | null = null;

  /** From now on `sink` hears of them, those of before first. */
  attach(sink: WantSink): void {
    this.#sink = sink;
    for (const { want } of this.#wants.values()) sink.want(want);
  }

  want(worker: number, want: Want): void {
    const key = keyOfWant(want);
    const known = this.#wants.get(key);
    if (known === undefined) {
      this.#wants.set(key, { want, workers: new Set([worker]), isAnswered: false });
      this.#sink?.want(want);
      return;
    }
    // Who has it already asks again; all workers do, and one question is enough.
    const isAgain = known.workers.has(worker) ? Math.min(...known.workers) === worker : known.isAnswered;
    known.workers.add(worker);
    if (!isAgain && !isOnDemand(want)) return;
    known.isAnswered = false;
    this.#sink?.want(want);
  }

  /** Workers are being told of it from now on: that there is one, or none, or that no answer came. */
  answered(type: string, name: string, placeKey: string): void {
    const known = this.#wants.get(keyOf(type, name, placeKey));
    if (known !== undefined) known.isAnswered = true;
  }

  unwant(worker: number, want: Want): void {
    const key = keyOfWant(want);
    const known = this.#wants.get(key);
    if (known === undefined || !known.workers.delete(worker) || known.workers.size > 0) return;
    this.#wants.delete(key);
    this.#sink?.unwant(known.want);
  }

  /** A worker is gone. */
  gone(worker: number): void {
    for (const { want } of [...this.#wants.values()]) {
      // Clusters serve in all workers, whoever asked for one.
      if (want.type !== CLUSTER_TYPE) this.unwant(worker, want);
    }
  }
}

/**
 * Requests wait for the answer: whoever asks for such a host needs one, whatever others have heard. What is said of a
 * cluster all workers hear, but each question counts.
 */
function isOnDemand({ type, name }: Want): boolean {
  return type === CLUSTER_TYPE || (type === VIRTUAL_HOST_TYPE && !isWhole(type, name));
}

function keyOfWant({ type, name, place }: Want): string {
  return keyOf(type, name, place.key);
}

function keyOf(type: string, name: string, placeKey: string): string {
  return `${type} ${placeKey} ${name}`;
}
