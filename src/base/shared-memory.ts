// Shared cells of a proxy with several workers: one shared memory, counted with Atomics, a table from name to cell.
//
// Counting takes no lock. Naming does (a configuration is made, a host is met): the lock's word holds its owner, so
// that the supervisor can free it when that worker died; each step leaves a table that the next owner can use.
import { LocalCells } from './local-cells.ts';
import type { SharedCells, SharedCounter, SharedPair } from './shared-cells.ts';

/** Names at once, of all workers together; those beyond it are counted per worker, and `overflows` tells. */
export const MAX_SHARED_CELLS = 65_536;
/** Slots that a name may lie away from where its hash points. */
const MAX_PROBES = 256;
/** Waiting for the lock: its owner holds it for microseconds, unless its thread died or got no processor. */
const LOCK_WAIT_MS = 5;
const LOCK_TRIES = 40;

const LOCK = 0;
const OVERFLOWS = 1;
const USED = 2;
const HEADER_BYTES = 64;
const NOBODY = 0;
const FREE = 0n;

/** Memory for `owners` threads: the supervisor is owner 0, worker N is owner N + 1. Untouched pages cost nothing. */
export function allocateSharedMemory(owners: number, cells: number = MAX_SHARED_CELLS): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + cells * (8 + 8 + 4 + owners * 8));
}

/** A slot that is held until `release`. */
export type SharedPlace = { readonly slot: number; release(): void };

type Ledger = { readonly counts: Int32Array; readonly references: Int32Array };

/** One thread's view of the memory. */
export class SharedMemory implements SharedCells {
  readonly isLocal = false;
  readonly #owner: number;
  readonly #cells: number;
  readonly #header: Int32Array;
  /** 64-bit hashes; FREE ends a probe. A slot whose references are 0 is a gap that any name may take. */
  readonly #keys: BigInt64Array;
  readonly #words: BigInt64Array;
  /** The same bytes: a counter is the low half of its word. */
  readonly #halves: Int32Array;
  readonly #references: Int32Array;
  /** What each thread has counted and holds, so that it can be taken back when that thread dies. */
  readonly #ledgers: readonly Ledger[];
  readonly #local = new LocalCells();
  readonly #onClaim: ((slot: number) => void) | null;
  /** Owners without an end of their own (filters of a configuration that was replaced) never release. */
  readonly #collected = new FinalizationRegistry<Hold>((hold) => hold.release());

  /** `onClaim` is called, under the lock, when a slot gets a new name. */
  constructor(
    buffer: SharedArrayBuffer,
    owner: number,
    owners: number,
    onClaim: ((slot: number) => void) | null = null,
  ) {
    this.#onClaim = onClaim;
    const cells = (buffer.byteLength - HEADER_BYTES) / (8 + 8 + 4 + owners * 8);
    this.#owner = owner;
    this.#cells = cells;
    let at = HEADER_BYTES;
    const take = (bytes: number): number => {
      at += bytes;
      return at - bytes;
    };
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.#keys = new BigInt64Array(buffer, take(cells * 8), cells);
    const words = take(cells * 8);
    this.#words = new BigInt64Array(buffer, words, cells);
    this.#halves = new Int32Array(buffer, words, cells * 2);
    this.#references = new Int32Array(buffer, take(cells * 4), cells);
    this.#ledgers = Array.from({ length: owners }, () => ({
      counts: new Int32Array(buffer, take(cells * 4), cells),
      references: new Int32Array(buffer, take(cells * 4), cells),
    }));
  }

  counter(name: string): SharedCounter {
    const slot = this.#acquire(`c ${name}`);
    if (slot < 0) return this.#local.counter(name);
    const hold = new Hold(this, slot);
    const { counts } = this.#ledgers[this.#owner] as Ledger;
    const counter = new AtomicCounter(this.#halves, slot * 2, counts, slot, hold);
    this.#collected.register(counter, hold);
    return counter;
  }

  pair(name: string): SharedPair {
    const slot = this.#acquire(`p ${name}`);
    if (slot < 0) return this.#local.pair(name);
    const hold = new Hold(this, slot);
    const pair = new AtomicPair(this.#words, slot, hold);
    this.#collected.register(pair, hold);
    return pair;
  }

  /** A name whose slot numbers something else of its user; null when there is no room. To be released. */
  place(name: string): SharedPlace | null {
    const slot = this.#acquire(`r ${name}`);
    return slot < 0 ? null : new Hold(this, slot);
  }

  /** How many names found no room, and are counted by each worker for itself. */
  get overflows(): number {
    return Atomics.load(this.#header, OVERFLOWS);
  }

  /** Names in use. */
  get size(): number {
    return Atomics.load(this.#header, USED);
  }

  /**
   * Takes back what a thread that has died had counted and held; called by the supervisor before another takes its
   * number. A thread is ended between two instructions, so a count may be off by the one that it was about to write.
   */
  forget(owner: number): void {
    Atomics.compareExchange(this.#header, LOCK, owner + 1, NOBODY);
    const { counts, references } = this.#ledgers[owner] as Ledger;
    const locked = this.#lock();
    for (let slot = 0; slot < this.#cells; slot++) {
      const count = counts[slot] as number;
      const held = references[slot] as number;
      if (count !== 0) Atomics.sub(this.#halves, slot * 2, count);
      counts[slot] = 0;
      references[slot] = 0;
      if (held > 0 && Atomics.sub(this.#references, slot, held) <= held) this.#emptied(slot);
    }
    if (locked) this.#unlock();
  }

  /** For Hold. */
  release(slot: number): void {
    const locked = this.#lock();
    const { references } = this.#ledgers[this.#owner] as Ledger;
    references[slot]! -= 1;
    if (Atomics.sub(this.#references, slot, 1) === 1 && locked) this.#emptied(slot);
    if (locked) this.#unlock();
  }

  /** Returns the slot of a name with one reference more, or -1 when there is no room. */
  #acquire(name: string): number {
    const key = hash64(name);
    if (!this.#lock()) return this.#overflow();
    const slot = this.#find(key);
    if (slot >= 0) {
      const { references } = this.#ledgers[this.#owner] as Ledger;
      if (Atomics.add(this.#references, slot, 1) === 0) this.#claim(slot, key);
      references[slot]! += 1;
    }
    this.#unlock();
    return slot < 0 ? this.#overflow() : slot;
  }

  /** The slot that has the key, else the first gap on its way, else -1. */
  #find(key: bigint): number {
    const start = Number(BigInt.asUintN(32, key)) % this.#cells;
    let gap = -1;
    for (let probe = 0; probe < Math.min(MAX_PROBES, this.#cells); probe++) {
      const slot = (start + probe) % this.#cells;
      const found = this.#keys[slot];
      if (found === key) return slot;
      if (gap < 0 && this.#references[slot] === 0) gap = slot;
      if (found === FREE) return gap;
    }
    return gap;
  }

  #claim(slot: number, key: bigint): void {
    Atomics.store(this.#words, slot, 0n);
    for (const { counts } of this.#ledgers) counts[slot] = 0;
    this.#onClaim?.(slot);
    this.#keys[slot] = key;
    Atomics.add(this.#header, USED, 1);
  }

  /** Nobody holds it any more: gaps at the end of a run of slots end the run earlier. */
  #emptied(slot: number): void {
    Atomics.sub(this.#header, USED, 1);
    const before = (at: number): number => (at === 0 ? this.#cells : at) - 1;
    if (this.#keys[(slot + 1) % this.#cells] !== FREE) return;
    for (let at = slot; this.#references[at] === 0 && this.#keys[at] !== FREE; at = before(at)) this.#keys[at] = FREE;
  }

  #overflow(): number {
    Atomics.add(this.#header, OVERFLOWS, 1);
    return -1;
  }

  /** False when it could not be had in time. */
  #lock(): boolean {
    const mine = this.#owner + 1;
    for (let tries = 0; tries < LOCK_TRIES; tries++) {
      const holder = Atomics.compareExchange(this.#header, LOCK, NOBODY, mine);
      if (holder === NOBODY) return true;
      Atomics.wait(this.#header, LOCK, holder, LOCK_WAIT_MS);
    }
    return false;
  }

  #unlock(): void {
    Atomics.store(this.#header, LOCK, NOBODY);
    Atomics.notify(this.#header, LOCK);
  }
}

/** One reference to a slot; given back once, by its owner or by the collector. */
class Hold implements SharedPlace {
  readonly #memory: SharedMemory;
  readonly slot: number;
  #isHeld = true;

  constructor(memory: SharedMemory, slot: number) {
    this.#memory = memory;
    this.slot = slot;
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#memory.release(this.slot);
  }
}

class AtomicCounter implements SharedCounter {
  private readonly halves: Int32Array;
  private readonly at: number;
  private readonly counts: Int32Array;
  private readonly slot: number;
  private readonly hold: Hold;

  constructor(halves: Int32Array, at: number, counts: Int32Array, slot: number, hold: Hold) {
    this.halves = halves;
    this.at = at;
    this.counts = counts;
    this.slot = slot;
    this.hold = hold;
  }

  get value(): number {
    return Atomics.load(this.halves, this.at);
  }

  inc(): number {
    this.counts[this.slot]! += 1;
    return Atomics.add(this.halves, this.at, 1) + 1;
  }

  dec(): number {
    this.counts[this.slot]! -= 1;
    return Atomics.sub(this.halves, this.at, 1) - 1;
  }

  giveUp(): void {
    this.counts[this.slot]! -= 1;
  }

  takeOver(): void {
    this.counts[this.slot]! += 1;
  }

  release(): void {
    this.hold.release();
  }
}

class AtomicPair implements SharedPair {
  readonly #words: BigInt64Array;
  readonly #slot: number;
  readonly #hold: Hold;

  constructor(words: BigInt64Array, slot: number, hold: Hold) {
    this.#words = words;
    this.#slot = slot;
    this.#hold = hold;
  }

  load(): bigint {
    return Atomics.load(this.#words, this.#slot);
  }

  replace(expected: bigint, next: bigint): boolean {
    return Atomics.compareExchange(this.#words, this.#slot, expected, next) === BigInt.asIntN(64, expected);
  }

  release(): void {
    this.#hold.release();
  }
}

/** 64 bits of a name, never FREE. Two lanes of multiply-and-mix; a clash among all names has odds of 1 in 10^10. */
export function hash64(text: string): bigint {
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  a = Math.imul(a ^ (b >>> 16), 0x7feb352d);
  b = Math.imul(b ^ (a >>> 15), 0x846ca68b);
  a ^= b >>> 14;
  const key = (BigInt(b | 0) << 32n) | BigInt(a >>> 0);
  return key === FREE ? 1n : key;
}
