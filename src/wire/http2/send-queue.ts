// DATA of one stream that has to wait for windows or for the connection's way out.
import type { Headers } from '../headers.ts';

/** Small pieces are collected in blocks that grow up to this size, so that no piece costs more than its bytes. */
const MAX_BLOCK_BYTES = 16 * 1024;
const FIRST_BLOCK_BYTES = 512;
/** Owned chunks from this size on are kept as they are. */
const MIN_KEPT_BYTES = 2048;

export class SendQueue {
  /** Bytes waiting. */
  bytes = 0;
  /** The stream ends behind the bytes, with `trailers` if there are any. */
  hasEnd = false;
  trailers: Headers | null = null;
  readonly #chunks: Buffer[] = [];
  /** The first chunk's bytes from here on are still to be sent. */
  #at = 0;
  /** The last chunk when it has room: its bytes so far; -1 when it is not this queue's own. */
  #filled = -1;

  get isEmpty(): boolean {
    return this.bytes === 0 && !this.hasEnd;
  }

  push(chunk: Buffer, start: number, end: number, isOwned: boolean): void {
    const length = end - start;
    if (length === 0) return;
    this.bytes += length;
    if (isOwned && length >= MIN_KEPT_BYTES) {
      this.#seal();
      this.#chunks.push(chunk.subarray(start, end));
      return;
    }
    let from = start;
    if (length >= MAX_BLOCK_BYTES) {
      // One copy of its own costs less than several blocks.
      this.#seal();
      const copy = Buffer.allocUnsafeSlow(length);
      chunk.copy(copy, 0, start, end);
      this.#chunks.push(copy);
      return;
    }
    while (from < end) {
      if (this.#filled < 0) this.#open(end - from);
      const block = this.#chunks[this.#chunks.length - 1] as Buffer;
      const copied = Math.min(block.length - this.#filled, end - from);
      chunk.copy(block, this.#filled, from, from + copied);
      this.#filled += copied;
      from += copied;
      if (this.#filled === block.length) this.#filled = -1;
    }
  }

  /** The first piece that can be sent, at most `most` bytes: of `chunk`, from `start` to `end`. */
  chunk: Buffer = NONE;
  start = 0;
  end = 0;
  peek(most: number): void {
    const chunk = this.#chunks[0] as Buffer;
    const filled = this.#filled >= 0 && this.#chunks.length === 1 ? this.#filled : chunk.length;
    this.chunk = chunk;
    this.start = this.#at;
    this.end = Math.min(filled, this.#at + most);
  }

  /** Takes the piece that `peek` showed. */
  drop(): void {
    const length = this.end - this.start;
    this.bytes -= length;
    this.#at = this.end;
    if (this.bytes === 0) {
      this.#chunks.length = 0;
      this.#filled = -1;
      this.#at = 0;
    } else if (this.#at === this.chunk.length) {
      this.#chunks.shift();
      this.#at = 0;
    }
    this.chunk = NONE;
  }

  #open(wanted: number): void {
    const grown = Math.max(FIRST_BLOCK_BYTES, this.bytes, wanted);
    this.#chunks.push(Buffer.allocUnsafeSlow(Math.min(MAX_BLOCK_BYTES, grown)));
    this.#filled = 0;
  }

  /** Cuts the room off the last block, before something else comes behind it. */
  #seal(): void {
    if (this.#filled < 0) return;
    const last = this.#chunks.length - 1;
    this.#chunks[last] = (this.#chunks[last] as Buffer).subarray(0, this.#filled);
    this.#filled = -1;
  }
}

const NONE = Buffer.alloc(0);
