// The compressor libraries (envoy.compression.*.compressor): what each is called and how its pool is made.
import { constants } from 'node:zlib';
import { CompressorPool } from '../../../compression/compressor.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { DATA_SOURCE_FIELDS, type DataSourcePb } from '../../../formatter/data-source.ts';
import { type LibraryPb, unpackLibrary } from './library.ts';
import { readZstdDictionary } from './zstd-dictionary.ts';

/** A compressor library as configured. */
export type CompressorLibrary = {
  readonly name: string;
  /** Last part of the prefix of its statistics: 'gzip', 'brotli', 'zstd'. */
  readonly kind: string;
  /** As in content-encoding: 'gzip', 'br', 'zstd'. */
  readonly encoding: string;
  readonly makePool: () => CompressorPool;
};

const GZIP = 'envoy.extensions.compression.gzip.compressor.v3.Gzip';
const BROTLI = 'envoy.extensions.compression.brotli.compressor.v3.Brotli';
const ZSTD = 'envoy.extensions.compression.zstd.compressor.v3.Zstd';

export const COMPRESSOR_LIBRARY_FIELDS = {
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  [GZIP]: 'memory_level compression_level compression_strategy window_bits',
  [BROTLI]: 'quality encoder_mode window_bits input_block_bits disable_literal_context_modeling',
  [ZSTD]: 'compression_level enable_checksum strategy dictionary',
  ...DATA_SOURCE_FIELDS,
} as const;

/** Envoy: GzipCompressorFactory, BrotliCompressorFactory, ZstdCompressorFactory. */
const DEFAULT_MEMORY_LEVEL = 5;
const DEFAULT_GZIP_WINDOW_BITS = 12;
const DEFAULT_BROTLI_QUALITY = 3;
const DEFAULT_BROTLI_WINDOW_BITS = 18;
const DEFAULT_INPUT_BLOCK_BITS = 24;
const DEFAULT_ZSTD_LEVEL = 3;

const GZIP_STRATEGIES: Readonly<Record<string, number>> = {
  DEFAULT_STRATEGY: constants.Z_DEFAULT_STRATEGY,
  FILTERED: constants.Z_FILTERED,
  HUFFMAN_ONLY: constants.Z_HUFFMAN_ONLY,
  RLE: constants.Z_RLE,
  FIXED: constants.Z_FIXED,
};
const BROTLI_MODES: Readonly<Record<string, number>> = {
  GENERIC: constants.BROTLI_MODE_GENERIC,
  TEXT: constants.BROTLI_MODE_TEXT,
  FONT: constants.BROTLI_MODE_FONT,
};
const ZSTD_STRATEGIES = [
  'DEFAULT',
  'FAST',
  'DFAST',
  'GREEDY',
  'LAZY',
  'LAZY2',
  'BTLAZY2',
  'BTOPT',
  'BTULTRA',
  'BTULTRA2',
];

type GzipPb = {
  memory_level?: number;
  compression_level?: string;
  compression_strategy?: string;
  window_bits?: number;
};
type BrotliPb = {
  quality?: number;
  encoder_mode?: string;
  window_bits?: number;
  input_block_bits?: number;
  disable_literal_context_modeling?: boolean;
};
type ZstdPb = { compression_level?: number; enable_checksum?: boolean; strategy?: string; dictionary?: DataSourcePb };

export function decodeCompressorLibrary(message: LibraryPb | undefined, d: ConfigDecoder): CompressorLibrary | null {
  const library = unpackLibrary(message, d, 'compresses');
  if (library === null) return null;
  const { name, type } = library;
  switch (type) {
    case GZIP:
      return { name, kind: 'gzip', encoding: 'gzip', makePool: gzip(library.message as GzipPb) };
    case BROTLI:
      return { name, kind: 'brotli', encoding: 'br', makePool: brotli(library.message as BrotliPb) };
    case ZSTD:
      return { name, kind: 'zstd', encoding: 'zstd', makePool: zstd(library.message as ZstdPb, library.d) };
    default:
      library.d.reject('', `there is no compressor library of type ${type}: use gzip, brotli or zstd`);
      return null;
  }
}

function gzip(message: GzipPb): () => CompressorPool {
  const options = {
    level: gzipLevel(message.compression_level ?? ''),
    strategy: GZIP_STRATEGIES[message.compression_strategy ?? ''] ?? constants.Z_DEFAULT_STRATEGY,
    windowBits: message.window_bits ?? DEFAULT_GZIP_WINDOW_BITS,
    memoryLevel: message.memory_level ?? DEFAULT_MEMORY_LEVEL,
  };
  return () => CompressorPool.gzip(options);
}

/** 'COMPRESSION_LEVEL_4' is 4. */
function gzipLevel(name: string): number {
  if (name === 'BEST_SPEED') return constants.Z_BEST_SPEED;
  if (name === 'BEST_COMPRESSION') return constants.Z_BEST_COMPRESSION;
  const level = /^COMPRESSION_LEVEL_(\d)$/.exec(name);
  return level === null ? constants.Z_DEFAULT_COMPRESSION : Number(level[1]);
}

function brotli(message: BrotliPb): () => CompressorPool {
  const options = {
    quality: message.quality ?? DEFAULT_BROTLI_QUALITY,
    mode: BROTLI_MODES[message.encoder_mode ?? ''] ?? constants.BROTLI_MODE_GENERIC,
    windowBits: message.window_bits ?? DEFAULT_BROTLI_WINDOW_BITS,
    inputBlockBits: message.input_block_bits ?? DEFAULT_INPUT_BLOCK_BITS,
    disablesLiteralContext: message.disable_literal_context_modeling ?? false,
  };
  return () => CompressorPool.brotli(options);
}

function zstd(message: ZstdPb, d: ConfigDecoder): () => CompressorPool {
  const options = {
    level: message.compression_level ?? DEFAULT_ZSTD_LEVEL,
    hasChecksum: message.enable_checksum ?? false,
    strategy: Math.max(0, ZSTD_STRATEGIES.indexOf(message.strategy ?? '')),
    dictionary: message.dictionary === undefined ? null : readZstdDictionary(message.dictionary, d.at('dictionary')),
  };
  return () => CompressorPool.zstd(options);
}
