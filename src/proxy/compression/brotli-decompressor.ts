// Reads brotli as Envoy does: nothing may follow the end, and a piece unfolds to a hundred times its length at most.
import { createBrotliDecompress } from 'node:zlib';
import { type DecompressionError, type Decompressor, type DecompressorPool, Unfolding } from './decompressor.ts';
import { IdleHandles, ZlibHandle } from './zlib-handle.ts';

/** Envoy: MaxInflateRatio of its brotli decompressor. */
const MAX_INFLATE_RATIO = 100;

export class BrotliDecompressorPool implements DecompressorPool {
  readonly chunkBytes: number;
  readonly failed: (error: DecompressionError) => void;
  readonly unfolding = new Unfolding();
  readonly #idle = new IdleHandles();

  constructor(chunkBytes: number, failed: (error: DecompressionError) => void) {
    this.chunkBytes = chunkBytes;
    this.failed = failed;
  }

  take(): Decompressor {
    return new BrotliDecompressor(this, this.#idle.take() ?? new ZlibHandle(createBrotliDecompress()));
  }

  give(handle: ZlibHandle): void {
    this.#idle.give(handle);
  }
}

class BrotliDecompressor implements Decompressor {
  readonly #pool: BrotliDecompressorPool;
  readonly #handle: ZlibHandle;

  constructor(pool: BrotliDecompressorPool, handle: ZlibHandle) {
    this.#pool = pool;
    this.#handle = handle;
  }

  read(input: Buffer, start: number, end: number): Buffer {
    const { unfolding, chunkBytes, failed } = this.#pool;
    unfolding.begin();
    if (start === end) return unfolding.end();
    if (this.#handle.error !== '') {
      failed('brotli_error');
      return unfolding.end();
    }
    // The limit is looked at whenever a chunk is full and another one begins.
    const tooMany = (Math.floor((MAX_INFLATE_RATIO * (end - start)) / chunkBytes) + 1) * chunkBytes;
    const at = unfolding.fill(this.#handle, input, start, end, tooMany + chunkBytes);
    if (this.#handle.error !== '') failed('brotli_error');
    else if (unfolding.bytes > tooMany) {
      failed('brotli_error');
      failed('brotli_output_overflow');
    } else if (at < end) {
      failed('brotli_error');
      failed('brotli_redundant_input');
    }
    return unfolding.end();
  }

  drop(): void {
    this.#pool.give(this.#handle);
  }
}
