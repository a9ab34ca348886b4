// Earliest deadline first: picks entries in proportion to their weights, evenly spread.

type Entry<T> = { item: T; deadline: number; order: number };

/** A binary heap of entries by deadline; equal deadlines in order of insertion. */
export class EdfScheduler<T> {
  readonly #heap: Entry<T>[] = [];
  #time = 0;
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  add(weight: number, item: T): void {
    this.#push({ item, deadline: this.#time + 1 / weight, order: this.#order++ });
  }

  /** Returns the next item and puts it back, with its weight as it is now. */
  pick(weightOf: (item: T) => number): T | null {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return null;
    this.#time = first.deadline;
    first.deadline = this.#time + 1 / weightOf(first.item);
    first.order = this.#order++;
    this.#sink(0);
    return first.item;
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry<T>)) break;
      heap[at] = heap[parent] as Entry<T>;
      at = parent;
    }
    heap[at] = entry;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const entry = heap[from] as Entry<T>;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry<T>, heap[child] as Entry<T>)) child++;
      if (!isBefore(heap[child] as Entry<T>, entry)) break;
      heap[at] = heap[child] as Entry<T>;
      at = child;
    }
    heap[at] = entry;
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
