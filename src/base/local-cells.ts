// Shared cells of a proxy with one worker: plain fields behind the same interface, found by name.
import type { SharedCells, SharedCounter, SharedPair } from './shared-cells.ts';

/** Cells that only this thread sees. What nobody releases goes when it is garbage, so that names do not pile up. */
export class LocalCells implements SharedCells {
  readonly isLocal = true;
  readonly #counters = new Named<LocalCounter>();
  readonly #pairs = new Named<LocalPair>();

  counter(name: string): LocalCounter {
    return this.#counters.find(name, (cells) => new LocalCounter(name, cells));
  }

  pair(name: string): LocalPair {
    return this.#pairs.find(name, (cells) => new LocalPair(name, cells));
  }

  /** Names in use, or not yet collected. For tests. */
  get size(): number {
    return this.#counters.size + this.#pairs.size;
  }
}

type Counted = { references: number };

/** Cells by name; weak, because owners without an end of their own (filters) never release. */
class Named<T extends Counted & object> {
  readonly #cells = new Map<string, WeakRef<T>>();
  readonly #collected = new FinalizationRegistry<string>((name) => {
    if (this.#cells.get(name)?.deref() === undefined) this.#cells.delete(name);
  });

  get size(): number {
    return this.#cells.size;
  }

  find(name: string, make: (cells: Named<T>) => T): T {
    let cell = this.#cells.get(name)?.deref();
    if (cell === undefined) {
      cell = make(this);
      this.#cells.set(name, new WeakRef(cell));
      this.#collected.register(cell, name);
    }
    cell.references++;
    return cell;
  }

  release(name: string, cell: T): void {
    if (--cell.references === 0 && this.#cells.get(name)?.deref() === cell) this.#cells.delete(name);
  }
}

export class LocalCounter implements SharedCounter {
  value = 0;
  references = 0;
  readonly #name: string;
  readonly #cells: Named<LocalCounter> | null;

  /** Without `cells` it is nobody else's. */
  constructor(name = '', cells: Named<LocalCounter> | null = null) {
    this.#name = name;
    this.#cells = cells;
  }

  inc(): number {
    return ++this.value;
  }

  dec(): number {
    return --this.value;
  }

  giveUp(): void {}

  takeOver(): void {}

  release(): void {
    this.#cells?.release(this.#name, this);
  }
}

export class LocalPair implements SharedPair {
  references = 0;
  #value = 0n;
  readonly #name: string;
  readonly #cells: Named<LocalPair> | null;

  constructor(name = '', cells: Named<LocalPair> | null = null) {
    this.#name = name;
    this.#cells = cells;
  }

  load(): bigint {
    return this.#value;
  }

  replace(expected: bigint, next: bigint): boolean {
    if (this.#value !== expected) return false;
    this.#value = BigInt.asIntN(64, next);
    return true;
  }

  release(): void {
    this.#cells?.release(this.#name, this);
  }
}
