// The decompressor libraries (envoy.compression.*.decompressor): what each counts and how its pool is made.
import { BrotliDecompressorPool } from '../../../compression/brotli-decompressor.ts';
import type { DecompressionError, DecompressorPool } from '../../../compression/decompressor.ts';
import { GzipDecompressorPool } from '../../../compression/gzip-decompressor.ts';
import { ZstdDecompressorPool } from '../../../compression/zstd-decompressor.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { DATA_SOURCE_FIELDS, type DataSourcePb } from '../../../formatter/data-source.ts';
import { type LibraryPb, unpackLibrary } from '../compressor/library.ts';
import { readZstdDictionary } from '../compressor/zstd-dictionary.ts';

type Failed = (error: DecompressionError) => void;

export type DecompressorLibrary = {
  readonly name: string;
  /** Last part of the prefix of its statistics. */
  readonly kind: 'gzip' | 'brotli' | 'zstd';
  /** As in content-encoding. */
  readonly encoding: string;
  readonly makePool: (failed: Failed) => DecompressorPool;
};

const GZIP = 'envoy.extensions.compression.gzip.decompressor.v3.Gzip';
const BROTLI = 'envoy.extensions.compression.brotli.decompressor.v3.Brotli';
const ZSTD = 'envoy.extensions.compression.zstd.decompressor.v3.Zstd';

export const DECOMPRESSOR_LIBRARY_FIELDS = {
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  [GZIP]: 'window_bits chunk_size max_inflate_ratio',
  [BROTLI]: 'chunk_size',
  [ZSTD]: 'dictionaries chunk_size',
  ...DATA_SOURCE_FIELDS,
} as const;

/** What goes wrong is counted by kind; the names that never occur here are Envoy's all the same. */
export const DECOMPRESSION_STATS = {
  gzip: {
    zlib_errno: 'counter',
    zlib_stream_error: 'counter',
    zlib_data_error: 'counter',
    zlib_mem_error: 'counter',
    zlib_buf_error: 'counter',
    zlib_version_error: 'counter',
  },
  brotli: { brotli_error: 'counter', brotli_output_overflow: 'counter', brotli_redundant_input: 'counter' },
  zstd: {
    zstd_memory_error: 'counter',
    zstd_dictionary_error: 'counter',
    zstd_checksum_wrong_error: 'counter',
    zstd_generic_error: 'counter',
  },
} as const;

/** Envoy: its decompressor factories. */
const DEFAULT_WINDOW_BITS = 15;
const DEFAULT_CHUNK_BYTES = 4096;
const DEFAULT_INFLATE_RATIO = 100;

/** ZSTD_DStreamOutSize. */
const DEFAULT_ZSTD_CHUNK_BYTES = 128 * 1024;

type ZstdPb = { dictionaries?: readonly DataSourcePb[]; chunk_size?: number };
type GzipPb = { window_bits?: number; chunk_size?: number; max_inflate_ratio?: number };

export function decodeDecompressorLibrary(
  message: LibraryPb | undefined,
  d: ConfigDecoder,
): DecompressorLibrary | null {
  const library = unpackLibrary(message, d, 'decompresses');
  if (library === null) return null;
  const { name, type } = library;
  switch (type) {
    case GZIP:
      return { name, kind: 'gzip', encoding: 'gzip', makePool: gzip(library.message as GzipPb) };
    case BROTLI: {
      const { chunk_size: chunkBytes = DEFAULT_CHUNK_BYTES } = library.message as { chunk_size?: number };
      const makePool = (failed: Failed) => new BrotliDecompressorPool(chunkBytes, failed);
      return { name, kind: 'brotli', encoding: 'br', makePool };
    }
    case ZSTD: {
      const { dictionaries = [], chunk_size: chunkBytes = DEFAULT_ZSTD_CHUNK_BYTES } = library.message as ZstdPb;
      const read = dictionaries.map((source, i) => readZstdDictionary(source, library.d.at('dictionaries', i)));
      const found = read.filter((dictionary) => dictionary !== null);
      const makePool = (failed: Failed) => new ZstdDecompressorPool({ dictionaries: found, chunkBytes }, failed);
      return { name, kind: 'zstd', encoding: 'zstd', makePool };
    }
    default:
      library.d.reject('', `there is no decompressor library of type ${type}: use gzip, brotli or zstd`);
      return null;
  }
}

function gzip(message: GzipPb): DecompressorLibrary['makePool'] {
  const options = {
    windowBits: message.window_bits ?? DEFAULT_WINDOW_BITS,
    chunkBytes: message.chunk_size ?? DEFAULT_CHUNK_BYTES,
    maxInflateRatio: message.max_inflate_ratio ?? DEFAULT_INFLATE_RATIO,
  };
  return (failed) => new GzipDecompressorPool(options, failed);
}
