// What several workers use by name, as one: asked for with the first of them, let go with the last.
import type { Want, WantSink } from './holders.ts';

type Shared = { readonly want: Want; readonly workers: Set<number> };

export class SharedWants {
  readonly #wants = new Map<string, Shared>();
  #sink: WantSink | null = null;

  /** From now on `sink` hears of them, those of before first. */
  attach(sink: WantSink): void {
    this.#sink = sink;
    for (const { want } of this.#wants.values()) sink.want(want);
  }

  want(worker: number, want: Want): void {
    const key = keyOf(want);
    const known = this.#wants.get(key);
    if (known === undefined) {
      this.#wants.set(key, { want, workers: new Set([worker]) });
      this.#sink?.want(want);
      return;
    }
    // Who has it already asks again; all workers do, and one question is enough.
    const isAgain = known.workers.has(worker) && Math.min(...known.workers) === worker;
    known.workers.add(worker);
    if (isAgain) this.#sink?.want(want);
  }

  unwant(worker: number, want: Want): void {
    const key = keyOf(want);
    const known = this.#wants.get(key);
    if (known === undefined || !known.workers.delete(worker) || known.workers.size > 0) return;
    this.#wants.delete(key);
    this.#sink?.unwant(known.want);
  }

  /** A worker is gone. */
  gone(worker: number): void {
    for (const { want } of [...this.#wants.values()]) this.unwant(worker, want);
  }
}

function keyOf({ type, name, place }: Want): string {
  return `${type} ${place.key} ${name}`;
}
