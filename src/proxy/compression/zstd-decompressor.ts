// Reads zstd as Envoy does: frame after frame, each with the dictionary that its head names.
import { createZstdDecompress } from 'node:zlib';
import { type DecompressionError, type Decompressor, type DecompressorPool, Unfolding } from './decompressor.ts';
import { IdleHandles, ZlibHandle } from './zlib-handle.ts';

export type ZstdReading = {
  readonly dictionaries: readonly Buffer[];
  /** What is read at once, which the limit is looked at after. */
  readonly chunkBytes: number;
};

/** Envoy: MaxInflateRatio of its zstd decompressor. */
const MAX_INFLATE_RATIO = 100;

const DICTIONARY_MAGIC = 0xec30a437;
const FRAME_MAGIC = 0xfd2fb528;

export class ZstdDecompressorPool implements DecompressorPool {
  readonly chunkBytes: number;
  readonly failed: (error: DecompressionError) => void;
  readonly unfolding = new Unfolding();
  readonly #dictionaries: ReadonlyMap<number, Buffer>;
  readonly #idle = new IdleHandles();

  constructor({ dictionaries, chunkBytes }: ZstdReading, failed: (error: DecompressionError) => void) {
    this.chunkBytes = chunkBytes;
    this.failed = failed;
    this.#dictionaries = new Map(dictionaries.map((dictionary) => [dictionaryId(dictionary), dictionary]));
  }

  get hasDictionaries(): boolean {
    return this.#dictionaries.size > 0;
  }

  take(): Decompressor {
    return new ZstdDecompressor(this);
  }

  /** Of a frame that names that dictionary, 0: none. Null: there is no such one. */
  handle(id: number): ZlibHandle | null {
    if (id === 0) return this.#idle.take() ?? new ZlibHandle(createZstdDecompress());
    const dictionary = this.#dictionaries.get(id);
    return dictionary === undefined ? null : new ZlibHandle(createZstdDecompress({ dictionary }));
  }

  give(handle: ZlibHandle, isPlain: boolean): void {
    if (isPlain) this.#idle.give(handle);
    else handle.close();
  }
}

class ZstdDecompressor implements Decompressor {
  readonly #pool: ZstdDecompressorPool;
  /** Null before the first bytes. */
  #handle: ZlibHandle | null = null;
  #id = 0;

  constructor(pool: ZstdDecompressorPool) {
    this.#pool = pool;
  }

  read(input: Buffer, start: number, end: number): Buffer {
    const { unfolding, chunkBytes, failed } = this.#pool;
    unfolding.begin();
    if (start === end) return unfolding.end();
    const isFirst = this.#handle === null;
    const handle = this.#handle ?? this.#begin(input, start, end);
    if (handle === null) {
      failed('zstd_dictionary_error');
      // What comes now is read as if it began here, which fails.
      this.#handle = this.#pool.handle(0);
      return unfolding.end();
    }
    if (!isFirst && handle.error !== '') {
      failed(errorOf(handle.error));
      return unfolding.end();
    }
    const limit = MAX_INFLATE_RATIO * (end - start);
    const tooMany = (Math.floor(limit / chunkBytes) + 1) * chunkBytes;
    let at = start;
    while (at < end && handle.error === '' && unfolding.bytes < tooMany) {
      at = unfolding.fill(handle, input, at, end, tooMany);
    }
    if (handle.error !== '') failed(errorOf(handle.error));
    else if (unfolding.bytes > limit) failed('zstd_generic_error');
    return unfolding.end();
  }

  #begin(input: Buffer, start: number, end: number): ZlibHandle | null {
    this.#id = this.#pool.hasDictionaries ? frameDictionaryId(input, start, end) : 0;
    this.#handle = this.#pool.handle(this.#id);
    return this.#handle;
  }

  drop(): void {
    if (this.#handle !== null) this.#pool.give(this.#handle, this.#id === 0);
    this.#handle = null;
  }
}

function errorOf(code: string): DecompressionError {
  if (code.includes('dictionary')) return 'zstd_dictionary_error';
  if (code.includes('checksum')) return 'zstd_checksum_wrong_error';
  return code.includes('memory') ? 'zstd_memory_error' : 'zstd_generic_error';
}

/** 0 for bare content, which no frame can name. RFC 8878 §5. */
export function dictionaryId(dictionary: Buffer): number {
  return dictionary.length >= 8 && dictionary.readUInt32LE(0) === DICTIONARY_MAGIC ? dictionary.readUInt32LE(4) : 0;
}

/** Of the frame that begins here; 0 when it names none or is cut off. RFC 8878 §3.1.1.1. */
function frameDictionaryId(input: Buffer, start: number, end: number): number {
  if (end - start < 5 || input.readUInt32LE(start) !== FRAME_MAGIC) return 0;
  const descriptor = input[start + 4] as number;
  const bytes = [0, 1, 2, 4][descriptor & 3] as number;
  const at = start + 5 + ((descriptor & 0x20) === 0 ? 1 : 0);
  return bytes === 0 || at + bytes > end ? 0 : input.readUIntLE(at, bytes);
}
