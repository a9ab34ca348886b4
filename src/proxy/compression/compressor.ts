// Compresses bodies piece by piece: gzip, brotli and zstd, with native compressors that are used again.
import { constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib';
import { MAX_IDLE, ZlibHandle } from './zlib-handle.ts';

export type GzipOptions = {
  readonly level: number;
  readonly strategy: number;
  readonly windowBits: number;
  readonly memoryLevel: number;
};
export type BrotliOptions = {
  readonly quality: number;
  readonly mode: number;
  readonly windowBits: number;
  readonly inputBlockBits: number;
  readonly disablesLiteralContext: boolean;
};
export type ZstdOptions = {
  readonly level: number;
  readonly hasChecksum: boolean;
  /** 0: by the level. */
  readonly strategy: number;
  readonly dictionary: Buffer | null;
};

const DEFAULT_ZSTD_LEVEL = 3;
const OUTPUT_BYTES = 32 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** One body on its way; `finish` or `drop` gives it back. */
export type Compressor = {
  /**
   * Everything that came until now, and that the receiver can make use of at once.
   * Owns: nothing; the result is valid until the next call to any compressor of the pool.
   */
  write(input: Buffer, start: number, end: number): Buffer;
  /** The same, and the end of the body. */
  finish(input: Buffer, start: number, end: number): Buffer;
  /** The body will not be finished. */
  drop(): void;
};

/** The compressors of one configuration. */
export class CompressorPool {
  readonly #make: () => ZlibHandle;
  readonly #flush: number;
  readonly #end: number;
  /** Whether a reset keeps what the handle was made with. */
  readonly #canReset: boolean;
  readonly #idle: PooledCompressor[] = [];
  #output: Buffer = NO_BYTES;

  private constructor(make: () => ZlibHandle, flush: number, end: number, canReset: boolean) {
    this.#make = make;
    this.#flush = flush;
    this.#end = end;
    this.#canReset = canReset;
  }

  static gzip({ level, strategy, windowBits, memoryLevel: memLevel }: GzipOptions): CompressorPool {
    const options = { level, strategy, windowBits, memLevel };
    return new CompressorPool(
      () => new ZlibHandle(createGzip(options)),
      constants.Z_SYNC_FLUSH,
      constants.Z_FINISH,
      true,
    );
  }

  static brotli(options: BrotliOptions): CompressorPool {
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: options.quality,
      [constants.BROTLI_PARAM_MODE]: options.mode,
      [constants.BROTLI_PARAM_LGWIN]: options.windowBits,
      [constants.BROTLI_PARAM_LGBLOCK]: options.inputBlockBits,
      [constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING]: options.disablesLiteralContext,
    };
    return new CompressorPool(
      () => new ZlibHandle(createBrotliCompress({ params })),
      constants.BROTLI_OPERATION_FLUSH,
      constants.BROTLI_OPERATION_FINISH,
      false,
    );
  }

  static zstd({ level, hasChecksum, strategy, dictionary }: ZstdOptions): CompressorPool {
    const params: Record<number, number | boolean> = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: hasChecksum,
    };
    if (strategy > 0) params[constants.ZSTD_c_strategy] = strategy;
    const isPlain = level === DEFAULT_ZSTD_LEVEL && !hasChecksum && strategy === 0 && dictionary === null;
    const options = dictionary === null ? { params } : { params, dictionary };
    return new CompressorPool(
      () => new ZlibHandle(createZstdCompress(options)),
      constants.ZSTD_e_flush,
      constants.ZSTD_e_end,
      isPlain,
    );
  }

  take(): Compressor {
    return this.#idle.pop() ?? new PooledCompressor(this, this.#make());
  }

  give(compressor: PooledCompressor, handle: ZlibHandle): void {
    if (this.#canReset && this.#idle.length < MAX_IDLE) {
      handle.reset();
      this.#idle.push(compressor);
    } else handle.close();
  }

  run(handle: ZlibHandle, input: Buffer, start: number, end: number, isLast: boolean): Buffer {
    if (this.#output.length === 0) this.#output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
    const output = this.#output;
    const flush = isLast ? this.#end : this.#flush;
    let earlier: Buffer[] | null = null;
    let at = start;
    for (;;) {
      handle.write(flush, input, at, end - at, output, 0);
      at = end - handle.inputLeft;
      const bytes = output.length - handle.outputLeft;
      if (handle.outputLeft > 0) {
        const last = output.subarray(0, bytes);
        return earlier === null ? last : Buffer.concat([...earlier, last]);
      }
      earlier ??= [];
      earlier.push(Buffer.from(output));
    }
  }
}

class PooledCompressor implements Compressor {
  readonly #pool: CompressorPool;
  readonly #handle: ZlibHandle;

  constructor(pool: CompressorPool, handle: ZlibHandle) {
    this.#pool = pool;
    this.#handle = handle;
  }

  write(input: Buffer, start: number, end: number): Buffer {
    // A flush of nothing would add an empty block.
    return start === end ? NO_BYTES : this.#pool.run(this.#handle, input, start, end, false);
  }

  finish(input: Buffer, start: number, end: number): Buffer {
    const rest = this.#pool.run(this.#handle, input, start, end, true);
    this.drop();
    return rest;
  }

  drop(): void {
    this.#pool.give(this, this.#handle);
  }
}
