// Numbers that all workers of a process share: counted with Atomics, found by name, so that no worker asks another.

/**
 * Memory of named 32-bit cells. The same name gives the same cell in every worker. With one worker there is no shared
 * memory, and counting is plain.
 */
export type SharedCells = {
  /** One worker: what has one owner anyway need not be found by name. */
  readonly isLocal: boolean;
  /** The counter of that name, starting at 0 when nobody uses it yet; release it when its owner goes. */
  counter(name: string): SharedCounter;
  /** A lock-free token bucket's state: two cells that are read and replaced together. */
  pair(name: string): SharedPair;
};

/** A count that limits something. */
export type SharedCounter = {
  readonly value: number;
  /** Adds one and returns the new value. */
  inc(): number;
  /** Takes one away and returns the new value. */
  dec(): number;
  /** One unit passes to another thread, which calls `takeOver`: it no longer counts as this thread's, should it die. */
  giveUp(): void;
  takeOver(): void;
  /** Its owner is gone, and has taken away all that it added. Owners without an end of their own need not call it. */
  release(): void;
};

/** 64 bits that change together. */
export type SharedPair = {
  /** The present value; feed it to `replace`. */
  load(): bigint;
  /** Writes `next` if the value is still `expected`; says whether it was. */
  replace(expected: bigint, next: bigint): boolean;
  release(): void;
};
