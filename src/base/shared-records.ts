// Records of numbers that all workers of a process read and write where they lie, found by name.
import { allocateSharedMemory, SharedMemory } from './shared-memory.ts';

/** The same bytes seen twice; a new record is zero. Whoever has come to the end of it calls `release` once. */
export type SharedRecord = { readonly ints: Int32Array; readonly doubles: Float64Array; release(): void };

/** Records of one size. The same name gives the same record in every worker, as long as one of them holds it. */
export type Records = { record(name: string): SharedRecord };

/** Names at once, of all workers together; each worker has those beyond it for itself. */
export const MAX_SHARED_RECORDS = 16_384;

/** What all threads are given. */
export type RecordBuffers = { readonly names: SharedArrayBuffer; readonly values: SharedArrayBuffer };

/** Memory for `owners` threads, as of `allocateSharedMemory`; `recordBytes` is a multiple of 8. */
export function allocateRecords(owners: number, recordBytes: number, most: number = MAX_SHARED_RECORDS): RecordBuffers {
  return { names: allocateSharedMemory(owners, most), values: new SharedArrayBuffer(most * recordBytes) };
}

/** With one worker: every record is its owner's alone. */
export class LocalRecords implements Records {
  readonly #recordBytes: number;

  constructor(recordBytes: number) {
    this.#recordBytes = recordBytes;
  }

  record(): SharedRecord {
    const buffer = new ArrayBuffer(this.#recordBytes);
    return { ints: new Int32Array(buffer), doubles: new Float64Array(buffer), release: () => {} };
  }
}

/** One thread's view. */
export class SharedRecords implements Records {
  readonly #names: SharedMemory;
  readonly #values: SharedArrayBuffer;
  readonly #recordBytes: number;
  readonly #local: LocalRecords;

  constructor({ names, values }: RecordBuffers, owner: number, owners: number, recordBytes: number) {
    this.#values = values;
    this.#recordBytes = recordBytes;
    this.#local = new LocalRecords(recordBytes);
    this.#names = new SharedMemory(names, owner, owners, (slot) => this.#ints(slot).fill(0));
  }

  #ints(slot: number): Int32Array {
    return new Int32Array(this.#values, slot * this.#recordBytes, this.#recordBytes / 4);
  }

  record(name: string): SharedRecord {
    const place = this.#names.place(name);
    if (place === null) return this.#local.record();
    const { slot } = place;
    const doubles = new Float64Array(this.#values, slot * this.#recordBytes, this.#recordBytes / 8);
    return { ints: this.#ints(slot), doubles, release: () => place.release() };
  }

  /** As `SharedMemory.forget`: what the dead thread held is held no longer, and what it wrote stays. */
  forget(owner: number): void {
    this.#names.forget(owner);
  }
}
