// The encoder's dynamic table (RFC 7541 §2.3.2), searched by name.
import type { HeaderKey } from '../../header-names.ts';
import { ENTRY_OVERHEAD } from './decoder.ts';
import { STATIC_COUNT } from './static-table.ts';

const FIRST_ENTRIES = 8;
/** Entries of one name that are looked at, the newest first. */
const MOST_SEARCHED = 8;
/** Other values of a name that pass by before the next takes the place of an entry that nobody asked for. */
const MISSES_BEFORE_REPLACING = 3;

export class EncoderTable {
  /** A ring: the entry with sequence number n sits at n & #mask; the newest has #next - 1. */
  #keys: HeaderKey[] = [];
  #values: string[] = [];
  #sizes: number[] = [];
  /** The entry before it of the same name: its sequence number, 0 for none. */
  #earlier: number[] = [];
  /** 0 when the entry was never used again, else 1. */
  #used: number[] = [];
  #misses: number[] = [];
  #mask = -1;
  #next = 1;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;
  /** Sequence numbers; of names that are known they may be of entries that have gone. */
  readonly #newest = new Map<HeaderKey, number>();
  /** Grows with every change. */
  generation = 0;
  /** After `find` without success: the index of an entry with that name, else 0. */
  nameIndex = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }
  get tableBytes(): number {
    return this.#bytes;
  }

  resize(maxBytes: number): void {
    this.generation++;
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  /** The index of the field, or 0. */
  find(key: HeaderKey, value: string): number {
    this.nameIndex = 0;
    let entry = this.#newest.get(key) ?? 0;
    const oldest = this.#next - this.#count;
    if (entry < oldest) return 0;
    this.nameIndex = STATIC_COUNT + this.#next - entry;
    for (let i = 0; i < MOST_SEARCHED && entry >= oldest; i++) {
      const slot = entry & this.#mask;
      if (this.#values[slot] === value) {
        this.#used[slot] = 1;
        return STATIC_COUNT + this.#next - entry;
      }
      entry = this.#earlier[slot] as number;
    }
    return 0;
  }

  /**
   * Whether a field that was not found is worth an entry: not if it would push most others out, and not yet if the
   * latest value of that name has been no use.
   */
  isWorth(key: HeaderKey, size: number): boolean {
    if (size + ENTRY_OVERHEAD > this.#maxBytes * 0.75) return false;
    const newest = this.#newest.get(key) ?? 0;
    if (newest < this.#next - this.#count) return true;
    const slot = newest & this.#mask;
    if (this.#used[slot] === 1 || (this.#misses[slot] as number) >= MISSES_BEFORE_REPLACING) return true;
    (this.#misses[slot] as number)++;
    return false;
  }

  /** Adds a field that fits. */
  insert(key: HeaderKey, value: string, size: number): void {
    this.generation++;
    const cost = size + ENTRY_OVERHEAD;
    this.#evict(this.#maxBytes - cost);
    if (this.#count > this.#mask) this.#grow();
    const entry = this.#next++;
    const slot = entry & this.#mask;
    const earlier = this.#newest.get(key) ?? 0;
    this.#newest.set(key, entry);
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#sizes[slot] = size;
    this.#earlier[slot] = earlier;
    this.#used[slot] = 0;
    this.#misses[slot] = 0;
    this.#count++;
    this.#bytes += cost;
  }

  #evict(bytes: number): void {
    while (this.#bytes > bytes && this.#count > 0) {
      const entry = this.#next - this.#count;
      const slot = entry & this.#mask;
      const key = this.#keys[slot] as HeaderKey;
      if (typeof key === 'string' && this.#newest.get(key) === entry) this.#newest.delete(key);
      this.#values[slot] = '';
      this.#bytes -= (this.#sizes[slot] as number) + ENTRY_OVERHEAD;
      this.#count--;
    }
  }

  #grow(): void {
    const capacity = Math.max(FIRST_ENTRIES, (this.#mask + 1) * 2);
    const oldest = this.#next - this.#count;
    const mask = this.#mask;
    const next = this.#next;
    const reorder = <T>(from: readonly T[], none: T): T[] => {
      const to: T[] = new Array<T>(capacity).fill(none);
      for (let entry = oldest; entry < next; entry++) to[entry & (capacity - 1)] = from[entry & mask] as T;
      return to;
    };
    this.#keys = reorder(this.#keys, 0);
    this.#values = reorder(this.#values, '');
    this.#sizes = reorder(this.#sizes, 0);
    this.#earlier = reorder(this.#earlier, 0);
    this.#used = reorder(this.#used, 0);
    this.#misses = reorder(this.#misses, 0);
    this.#mask = capacity - 1;
  }
}
