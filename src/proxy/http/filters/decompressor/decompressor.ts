// The decompressor filter (envoy.filters.http.decompressor): unfolds bodies, and tells upstreams that it can.
import type { Decompressor, DecompressorPool } from '../../../compression/decompressor.ts';
import { H, type HeaderKey, headerKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import {
  decodeRuntimeFlag,
  isOn,
  RUNTIME_FLAG_FIELDS,
  type RuntimeFlag,
  type RuntimeFlagPb,
} from '../../../runtime-flag.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { BodyData, FilterContext, FilterStream, HttpFilter } from '../../filter.ts';
import {
  decodeDecompressorLibrary,
  DECOMPRESSION_STATS,
  DECOMPRESSOR_LIBRARY_FIELDS,
  type DecompressorLibrary,
} from './decompressor-libraries.ts';
import type { LibraryPb } from '../compressor/library.ts';

const TYPE = 'envoy.extensions.filters.http.decompressor.v3.Decompressor';
const DIRECTION_STATS = {
  decompressed: 'counter',
  not_decompressed: 'counter',
  total_uncompressed_bytes: 'counter',
  total_compressed_bytes: 'counter',
} as const;
const ACCEPT_ENCODING = H['accept-encoding'];
const CONTENT_ENCODING = H['content-encoding'];

type CommonPb = { enabled?: RuntimeFlagPb; ignore_no_transform_header?: boolean };
type DecompressorPb = {
  decompressor_library?: LibraryPb;
  request_direction_config?: { common_config?: CommonPb; advertise_accept_encoding?: boolean };
  response_direction_config?: { common_config?: CommonPb };
};

type Direction = { readonly enabled: RuntimeFlag | null; readonly ignoresNoTransform: boolean };
type DecompressorConfig = {
  readonly library: DecompressorLibrary | null;
  readonly request: Direction;
  readonly response: Direction;
  readonly advertises: boolean;
};

/** One body that is unfolded. */
class Unfolded {
  readonly decompressor: Decompressor;
  compressedBytes = 0;
  uncompressedBytes = 0;

  constructor(decompressor: Decompressor) {
    this.decompressor = decompressor;
  }
}
type DecompressedStream = { request: Unfolded | null; response: Unfolded | null };

class DecompressorFilter implements HttpFilter {
  readonly #config: DecompressorConfig;
  readonly #encoding: string;
  readonly #context: FilterContext;
  readonly #slot: number;
  readonly #library: DecompressorLibrary;
  /** Made for the first body, and its statistics with it, as in Envoy. */
  #pool: DecompressorPool | null = null;
  readonly #requestStats;
  readonly #responseStats;
  readonly #compressedBytes: HeaderKey;
  readonly #uncompressedBytes: HeaderKey;

  constructor(config: DecompressorConfig, library: DecompressorLibrary, context: FilterContext) {
    this.#config = config;
    this.#library = library;
    this.#encoding = library.encoding;
    this.#context = context;
    this.#slot = context.slot;
    const prefix = `${context.statPrefix}decompressor.${library.name}.${library.kind}.`;
    this.#requestStats = context.stats.scope(`${prefix}request.`, DIRECTION_STATS);
    this.#responseStats = context.stats.scope(`${prefix}response.`, DIRECTION_STATS);
    const trailer = `x-envoy-decompressor-${library.name.toLowerCase()}`;
    this.#compressedBytes = headerKey(`${trailer}-compressed-bytes`);
    this.#uncompressedBytes = headerKey(`${trailer}-uncompressed-bytes`);
  }

  decodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): 'continue' {
    const { request, response, advertises } = this.#config;
    if (advertises && isOn(response.enabled, this.#context.runtime)) {
      headers.set(ACCEPT_ENCODING, withEncoding(headers.getAll(ACCEPT_ENCODING), this.#encoding));
    }
    if (endStream) return 'continue';
    if (this.#begins(request, headers)) {
      this.#requestStats.inc(this.#requestStats.i.decompressed);
      this.#state(stream).request = new Unfolded(this.#take());
    } else this.#requestStats.inc(this.#requestStats.i.not_decompressed);
    return 'continue';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): 'continue' | 'stop-no-buffer' {
    const body = (stream.slot[this.#slot] as DecompressedStream | undefined)?.request ?? null;
    if (body === null) return 'continue';
    unfold(body, data, this.#requestStats);
    if (endStream) this.#report(body, stream.addDecodedTrailers());
    return data.length === 0 && !endStream ? 'stop-no-buffer' : 'continue';
  }

  decodeTrailers(stream: FilterStream, trailers: Headers): 'continue' {
    const body = (stream.slot[this.#slot] as DecompressedStream | undefined)?.request ?? null;
    if (body !== null) this.#report(body, trailers);
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): 'continue' {
    if (endStream) return 'continue';
    if (this.#begins(this.#config.response, headers)) {
      this.#responseStats.inc(this.#responseStats.i.decompressed);
      this.#state(stream).response = new Unfolded(this.#take());
    } else this.#responseStats.inc(this.#responseStats.i.not_decompressed);
    return 'continue';
  }

  encodeData(stream: FilterStream, data: BodyData, endStream: boolean): 'continue' | 'stop-no-buffer' {
    const body = (stream.slot[this.#slot] as DecompressedStream | undefined)?.response ?? null;
    if (body === null) return 'continue';
    unfold(body, data, this.#responseStats);
    if (endStream) this.#report(body, stream.addEncodedTrailers());
    return data.length === 0 && !endStream ? 'stop-no-buffer' : 'continue';
  }

  encodeTrailers(stream: FilterStream, trailers: Headers): 'continue' {
    const body = (stream.slot[this.#slot] as DecompressedStream | undefined)?.response ?? null;
    if (body !== null) this.#report(body, trailers);
    return 'continue';
  }

  onDestroy(stream: FilterStream): void {
    const state = stream.slot[this.#slot] as DecompressedStream | undefined;
    state?.request?.decompressor.drop();
    state?.response?.decompressor.drop();
  }

  /** Whether the body is to be unfolded; then the head already says what it will be. */
  #begins(direction: Direction, headers: Headers): boolean {
    const encodings = headers.getAll(CONTENT_ENCODING);
    if (encodings === undefined || !isOn(direction.enabled, this.#context.runtime)) return false;
    if (!direction.ignoresNoTransform && forbidsTransform(headers.getAll(H['cache-control']))) return false;
    const at = encodings.indexOf(',');
    const first = (at < 0 ? encodings : encodings.slice(0, at)).trim();
    if (first.toLowerCase() !== this.#encoding) return false;
    headers.remove(H['content-length']);
    if (at < 0) headers.remove(CONTENT_ENCODING);
    else headers.set(CONTENT_ENCODING, encodings.slice(at + 1).trim());
    return true;
  }

  #take(): Decompressor {
    this.#pool ??= this.#makePool();
    return this.#pool.take();
  }

  #makePool(): DecompressorPool {
    const { name, kind, makePool } = this.#library;
    const schema: Readonly<Record<string, 'counter'>> = DECOMPRESSION_STATS[kind];
    const prefix = `${this.#context.statPrefix}decompressor.${name}.${kind}.decompressor_library.`;
    const errors = this.#context.stats.scope(prefix, schema);
    return makePool((error) => errors.inc(errors.i[error] as number));
  }

  #state(stream: FilterStream): DecompressedStream {
    let state = stream.slot[this.#slot] as DecompressedStream | undefined;
    if (state === undefined) {
      state = { request: null, response: null };
      stream.slot[this.#slot] = state;
    }
    return state;
  }

  #report({ compressedBytes, uncompressedBytes }: Unfolded, trailers: Headers): void {
    trailers.set(this.#compressedBytes, String(compressedBytes));
    trailers.set(this.#uncompressedBytes, String(uncompressedBytes));
  }
}

type DirectionStats = ReturnType<FilterContext['stats']['scope']> & {
  readonly i: { readonly [name in keyof typeof DIRECTION_STATS]: number };
};

function unfold(body: Unfolded, data: BodyData, stats: DirectionStats): void {
  const bytes = data.length;
  const unfolded = body.decompressor.read(data.buffer, data.start, data.end);
  body.compressedBytes += bytes;
  body.uncompressedBytes += unfolded.length;
  stats.add(stats.i.total_compressed_bytes, bytes);
  stats.add(stats.i.total_uncompressed_bytes, unfolded.length);
  data.set(unfolded, 0, unfolded.length, false);
}

function forbidsTransform(cacheControl: string | undefined): boolean {
  return cacheControl?.split(',').some((token) => token.trim().toLowerCase() === 'no-transform') ?? false;
}

/** The header with this encoding once, at its end and without a quality. Source: Envoy addEncodingToAcceptEncoding. */
function withEncoding(header: string | undefined, encoding: string): string {
  if (header === undefined) return encoding;
  let others = '';
  for (const token of header.split(',')) {
    const member = token.trim();
    const at = member.indexOf(';');
    if (member !== '' && (at < 0 ? member : member.slice(0, at)) !== encoding) others += `${member},`;
  }
  return others + encoding;
}

function decodeDirection(message: CommonPb | undefined): Direction {
  return {
    enabled: decodeRuntimeFlag(message?.enabled),
    ignoresNoTransform: message?.ignore_no_transform_header ?? false,
  };
}

function decode(message: DecompressorPb, d: ConfigDecoder): DecompressorConfig {
  return Object.freeze({
    library: decodeDecompressorLibrary(message.decompressor_library, d.at('decompressor_library')),
    request: decodeDirection(message.request_direction_config?.common_config),
    response: decodeDirection(message.response_direction_config?.common_config),
    advertises: message.request_direction_config?.advertise_accept_encoding ?? true,
  });
}

export const decompressor = defineHttpFilter<DecompressorConfig, unknown, DecompressorPb>({
  name: 'envoy.filters.http.decompressor',
  configType: TYPE,
  fields: {
    [TYPE]: 'decompressor_library request_direction_config response_direction_config',
    [`${TYPE}.CommonDirectionConfig`]: 'enabled ignore_no_transform_header',
    [`${TYPE}.RequestDirectionConfig`]: 'common_config advertise_accept_encoding',
    [`${TYPE}.ResponseDirectionConfig`]: 'common_config',
    ...RUNTIME_FLAG_FIELDS,
    ...DECOMPRESSOR_LIBRARY_FIELDS,
  },
  decode,
  create: (config, context) =>
    config.library === null ? null : new DecompressorFilter(config, config.library, context),
});
