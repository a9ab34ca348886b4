// The latest header block and what it meant: clients and servers say the same again and again.
import type { Headers } from '../headers.ts';
import type { HeadKind } from './head-decoder.ts';

/** Longer blocks are not remembered: bytes. */
export const MAX_REMEMBERED_BYTES = 256;
/** After so many blocks without a repetition only every n-th is looked at. */
const MOST_MISSES = 8;
const LOOK_AGAIN = 32;

export class BlockMemory {
  #bytes: Buffer | null = null;
  #length = 0;
  #kind: HeadKind = 'request';
  #generation = -1;
  #misses = 0;
  #wait = 0;
  /** What the block became; set by the owner once it has come twice. It holds while the dynamic table stays. */
  headers: Headers | null = null;
  contentLength = -1;

  /** Whether buf[start, end) is the remembered block and still means the same. */
  matches(buf: Buffer, start: number, end: number, kind: HeadKind, generation: number): boolean {
    const length = end - start;
    if (length !== this.#length || kind !== this.#kind || generation !== this.#generation) return false;
    const bytes = this.#bytes as Buffer;
    // Blocks differ at their end first, if at all.
    for (let i = length - 1; i >= 0; i--) if (bytes[i] !== buf[start + i]) return false;
    this.#misses = 0;
    return true;
  }

  remember(buf: Buffer, start: number, end: number, kind: HeadKind, generation: number): void {
    const length = end - start;
    if (this.#misses >= MOST_MISSES) {
      if (++this.#wait < LOOK_AGAIN) return;
      this.#wait = 0;
    } else this.#misses++;
    this.headers = null;
    this.#length = 0;
    if (length > MAX_REMEMBERED_BYTES || length === 0) return;
    if (this.#bytes === null || this.#bytes.length < length) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.min(MAX_REMEMBERED_BYTES, Math.max(64, length * 2)));
    }
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) bytes[i] = buf[start + i] as number;
    this.#length = length;
    this.#kind = kind;
    this.#generation = generation;
  }
}
