// What reads a compressed body piece by piece, and the loop that all kinds share.
import type { ZlibHandle } from './zlib-handle.ts';

/** Counts that Envoy keeps of what is wrong with compressed bodies. */
export type DecompressionError =
  | 'zlib_data_error'
  | 'zlib_buf_error'
  | 'zlib_mem_error'
  | 'brotli_error'
  | 'brotli_output_overflow'
  | 'brotli_redundant_input'
  | 'zstd_generic_error'
  | 'zstd_dictionary_error'
  | 'zstd_checksum_wrong_error'
  | 'zstd_memory_error';

/** One body on its way. */
export type Decompressor = {
  /**
   * What the bytes unfold to. What cannot be read is counted and left out, as in Envoy: the body goes on without it.
   * Owns: nothing; the result is valid until the next call to any decompressor of the pool.
   */
  read(input: Buffer, start: number, end: number): Buffer;
  /** The body is over, or nobody wants it. */
  drop(): void;
};

/** The decompressors of one configuration. */
export type DecompressorPool = { take(): Decompressor };

const OUTPUT_BYTES = 32 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** Where decompressors of one configuration put what they read. */
export class Unfolding {
  #output: Buffer = NO_BYTES;
  #earlier: Buffer[] = [];
  #earlierBytes = 0;
  #at = 0;

  /** Bytes so far. */
  get bytes(): number {
    return this.#earlierBytes + this.#at;
  }

  begin(): void {
    if (this.#output.length === 0) this.#output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
    this.#at = 0;
    if (this.#earlierBytes === 0) return;
    this.#earlier = [];
    this.#earlierBytes = 0;
  }

  /**
   * Decompresses until the input is used up, the compressed data has ended, `maxBytes` are there or something fails.
   * Returns where the rest of the input begins.
   */
  fill(handle: ZlibHandle, input: Buffer, start: number, end: number, maxBytes: number): number {
    let at = start;
    for (;;) {
      const room = Math.min(this.#output.length - this.#at, maxBytes - this.bytes);
      const until = this.#at + room;
      const output = until === this.#output.length ? this.#output : this.#output.subarray(0, until);
      handle.write(0, input, at, end - at, output, this.#at);
      if (handle.error !== '') return end;
      at = end - handle.inputLeft;
      this.#at = until - handle.outputLeft;
      if (handle.outputLeft > 0 || this.bytes >= maxBytes) return at;
      this.#keep();
    }
  }

  #keep(): void {
    this.#earlier.push(Buffer.from(this.#output.subarray(0, this.#at)));
    this.#earlierBytes += this.#at;
    this.#at = 0;
  }

  /** The bytes that `fill` made since the number of them was `from`, as they lie in memory now; for checksums. */
  since(from: number): Buffer[] {
    const parts = this.#earlierBytes === 0 ? [] : [...this.#earlier];
    parts.push(this.#output.subarray(0, this.#at));
    let skipped = from;
    const wanted: Buffer[] = [];
    for (const part of parts) {
      if (skipped >= part.length) skipped -= part.length;
      else {
        wanted.push(skipped === 0 ? part : part.subarray(skipped));
        skipped = 0;
      }
    }
    return wanted;
  }

  end(): Buffer {
    const last = this.#output.subarray(0, this.#at);
    if (this.#earlierBytes === 0) return last;
    return Buffer.concat([...this.#earlier, last]);
  }
}
