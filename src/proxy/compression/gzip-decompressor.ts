// Reads gzip as Envoy does: one member, and nothing behind it.
import { crc32, createInflateRaw } from 'node:zlib';
import { type DecompressionError, type Decompressor, type DecompressorPool, Unfolding } from './decompressor.ts';
import { GzipHead } from './gzip-head.ts';
import { IdleHandles, ZlibHandle } from './zlib-handle.ts';

export type GzipReading = {
  readonly windowBits: number;
  /** What is read at once, which the limit is looked at after. */
  readonly chunkBytes: number;
  /** A piece may unfold to so many times its length. */
  readonly maxInflateRatio: number;
};

/** Checksum and length, four bytes each. */
const TRAILER_BYTES = 8;

export class GzipDecompressorPool implements DecompressorPool {
  readonly options: GzipReading;
  readonly failed: (error: DecompressionError) => void;
  readonly unfolding = new Unfolding();
  readonly #idle = new IdleHandles();

  constructor(options: GzipReading, failed: (error: DecompressionError) => void) {
    this.options = options;
    this.failed = failed;
  }

  take(): Decompressor {
    const handle = this.#idle.take() ?? new ZlibHandle(createInflateRaw({ windowBits: this.options.windowBits }));
    return new GzipDecompressor(this, handle);
  }

  give(handle: ZlibHandle): void {
    this.#idle.give(handle);
  }
}

// head ─► body ─► trailer ─► done; bad from each of them: every further piece is an error too.
type Part = 'head' | 'body' | 'trailer' | 'done' | 'bad';

class GzipDecompressor implements Decompressor {
  readonly #pool: GzipDecompressorPool;
  readonly #handle: ZlibHandle;
  readonly #head = new GzipHead();
  #part: Part = 'head';
  #crc = 0;
  #bytes = 0;
  #trailer: number[] = [];

  constructor(pool: GzipDecompressorPool, handle: ZlibHandle) {
    this.#pool = pool;
    this.#handle = handle;
  }

  read(input: Buffer, start: number, end: number): Buffer {
    const { unfolding } = this.#pool;
    unfolding.begin();
    let at = start;
    if (this.#part === 'head' && at < end) {
      at = this.#head.read(input, at, end);
      if (this.#head.isBad) this.#part = 'bad';
      else if (this.#head.isDone) this.#part = 'body';
    }
    if (this.#part === 'body' && at < end) at = this.#inflate(input, at, end, end - start);
    if (this.#part === 'trailer') this.#readTrailer(input, at, end);
    if (this.#part === 'bad' && start < end) this.#pool.failed('zlib_data_error');
    return unfolding.end();
  }

  #inflate(input: Buffer, start: number, end: number, pieceBytes: number): number {
    const { unfolding, options, failed } = this.#pool;
    const { chunkBytes, maxInflateRatio } = options;
    const limit = maxInflateRatio * pieceBytes;
    const tooMany = (Math.floor(limit / chunkBytes) + 1) * chunkBytes;
    const before = unfolding.bytes;
    const at = unfolding.fill(this.#handle, input, start, end, tooMany);
    for (const part of unfolding.since(before)) this.#crc = crc32(part, this.#crc);
    this.#bytes += unfolding.bytes - before;
    if (this.#handle.error !== '') this.#part = 'bad';
    else if (unfolding.bytes >= tooMany) {
      failed('zlib_data_error');
      return end;
    } else if (at < end) this.#part = 'trailer';
    return at;
  }

  #readTrailer(input: Buffer, start: number, end: number): void {
    for (let at = start; at < end && this.#trailer.length < TRAILER_BYTES; at++)
      this.#trailer.push(input[at] as number);
    if (this.#trailer.length < TRAILER_BYTES) return;
    const trailer = Buffer.from(this.#trailer);
    const isRight = trailer.readUInt32LE(0) === this.#crc && trailer.readUInt32LE(4) === this.#bytes % 2 ** 32;
    this.#part = isRight ? 'done' : 'bad';
  }

  drop(): void {
    this.#pool.give(this.#handle);
  }
}
