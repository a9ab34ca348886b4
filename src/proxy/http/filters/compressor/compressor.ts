// The compressor filter (envoy.filters.http.compressor): compresses responses that the client accepts so, and requests.
import type { Compressor, CompressorPool } from '../../../compression/compressor.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { isOn } from '../../../runtime-flag.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { BodyData, DataStatus, FilterContext, FilterStream, HttpFilter } from '../../filter.ts';
import { chooseEncoding, type Choice, type Offer } from './accept-encoding.ts';
import {
  COMPRESSOR_FIELDS,
  COMPRESSOR_ROUTE_TYPE,
  COMPRESSOR_TYPE,
  type CompressorConfig,
  type CompressorPb,
  type CompressorRoute,
  type CompressorRoutePb,
  decodeCompressor,
  decodeCompressorRoute,
  type Direction,
} from './compressor-config.ts';
import type { CompressorLibrary } from './libraries.ts';
import { hasToken, isCompressedTransfer, isUpgrade, sanitizeEtag, varyByEncoding } from './response-headers.ts';

const DIRECTION_STATS = {
  compressed: 'counter',
  not_compressed: 'counter',
  total_uncompressed_bytes: 'counter',
  total_compressed_bytes: 'counter',
  content_length_too_small: 'counter',
} as const;
const RESPONSE_STATS = {
  no_accept_header: 'counter',
  header_identity: 'counter',
  header_compressor_used: 'counter',
  header_compressor_overshadowed: 'counter',
  header_wildcard: 'counter',
  header_not_valid: 'counter',
  not_compressed_etag: 'counter',
} as const;

const CONTENT_TYPE = H['content-type'];
const CONTENT_LENGTH = H['content-length'];
const CONTENT_ENCODING = H['content-encoding'];
const ACCEPT_ENCODING = H['accept-encoding'];
/** Tells what became of a response, once for each compressor of the chain. */
const STATUS = 'x-envoy-compression-status';
const TOO_SMALL = 'ContentLengthTooSmall';
const NO_BYTES = Buffer.alloc(0);

/** The compressors of each chain, by slot. */
const chains = new WeakMap<object, Map<number, CompressorFilter>>();

/** One exchange as a compressor knows it. */
class CompressedStream {
  /** What the client accepts, as it came; null: it does not say. */
  readonly accepted: string | null;
  request: Compressor | null = null;
  response: Compressor | null = null;
  /** The first compressor that a response meets decides for all of them. */
  choice: Choice | null = null;

  constructor(accepted: string | null) {
    this.accepted = accepted;
  }
}

class CompressorFilter implements HttpFilter {
  readonly #config: CompressorConfig;
  readonly #library: CompressorLibrary;
  readonly #context: FilterContext;
  readonly #slot: number;
  readonly #pool: CompressorPool;
  /** Of routes that have a library of their own. */
  readonly #routePools = new Map<CompressorLibrary, CompressorPool>();
  readonly #peers: Map<number, CompressorFilter>;
  readonly #requestStats;
  readonly #responseStats;
  readonly #stats;

  constructor(config: CompressorConfig, library: CompressorLibrary, context: FilterContext) {
    this.#config = config;
    this.#library = library;
    this.#context = context;
    this.#slot = context.slot;
    this.#pool = library.makePool();
    const prefix = `${context.statPrefix}compressor.${library.name}.${library.kind}.`;
    this.#requestStats = context.stats.scope(`${prefix}request.`, DIRECTION_STATS);
    const responsePrefix = config.hasResponsePrefix ? `${prefix}response.` : prefix;
    this.#responseStats = context.stats.scope(responsePrefix, DIRECTION_STATS);
    this.#stats = context.stats.scope(prefix, RESPONSE_STATS);
    const chain = context.chain ?? {};
    this.#peers = chains.get(chain) ?? new Map();
    this.#peers.set(this.#slot, this);
    chains.set(chain, this.#peers);
  }

  decodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): 'continue' {
    const state = new CompressedStream(headers.getAll(ACCEPT_ENCODING) ?? null);
    stream.slot[this.#slot] = state;
    const route = stream.routeConfig(this.#slot) as CompressorRoute | null;
    const removes = route?.removeAcceptEncoding ?? this.#config.response.removeAcceptEncoding;
    if (removes && this.#isResponseEnabled(route)) headers.remove(ACCEPT_ENCODING);
    if (endStream || !this.#takesRequest(headers)) {
      this.#requestStats.inc(this.#requestStats.i.not_compressed);
      return 'continue';
    }
    const library = route?.library ?? this.#library;
    headers.remove(CONTENT_LENGTH);
    headers.set(CONTENT_ENCODING, library.encoding);
    this.#requestStats.inc(this.#requestStats.i.compressed);
    state.request = this.#poolOf(library).take();
    return 'continue';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    const state = stream.slot[this.#slot] as CompressedStream;
    if (state.request === null) return 'continue';
    const status = compress(state.request, data, endStream, this.#requestStats);
    if (endStream) state.request = null;
    return status;
  }

  decodeTrailers(stream: FilterStream): 'continue' {
    const state = stream.slot[this.#slot] as CompressedStream;
    if (state.request === null) return 'continue';
    stream.addDecodedData(this.#slot, rest(state.request, this.#requestStats));
    state.request = null;
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): 'continue' {
    const state = (stream.slot[this.#slot] as CompressedStream | undefined) ?? null;
    const { response } = this.#config;
    const route = stream.routeConfig(this.#slot) as CompressorRoute | null;
    const isEnabled = this.#isResponseEnabled(route);
    const isOutOfReach = !isEnabled || forbidsCompression(headers);
    // Where nobody is told, the length is looked at first, and counted.
    const isMeasured = isEnabled && (!isOutOfReach || endStream || !response.hasStatusHeader);
    const isWanted = isMeasured && this.#isLongEnough(response, headers, this.#responseStats);
    const whyNot = isOutOfReach ? '' : isWanted ? this.#whyNot(headers) : TOO_SMALL;
    const library = route?.library ?? this.#library;
    const isTold = response.hasStatusHeader && whyNot !== null;
    if (isTold && whyNot !== '' && !endStream) this.#tell(headers, library, whyNot);
    const isChosen = !endStream && isWanted && !isTold && this.#isChosen(stream, state, headers, library);
    const isCompressed = isChosen && whyNot === null && !isCompressedTransfer(headers);
    if (isCompressed && state !== null) this.#begin(state, headers, library);
    else this.#responseStats.inc(this.#responseStats.i.not_compressed);
    // Also when this one is not compressed: a cache in front must know that another client's may be.
    if (whyNot === null) varyByEncoding(headers);
    return 'continue';
  }

  #begin(state: CompressedStream, headers: Headers, library: CompressorLibrary): void {
    const { response } = this.#config;
    if (response.hasStatusHeader) {
      const length = headers.get(CONTENT_LENGTH) ?? '';
      headers.add(STATUS, `${library.encoding};Compressed;OriginalLength=${length}`);
    }
    sanitizeEtag(headers, response.weakenEtag);
    headers.remove(CONTENT_LENGTH);
    headers.set(CONTENT_ENCODING, library.encoding);
    this.#responseStats.inc(this.#responseStats.i.compressed);
    state.response = this.#poolOf(library).take();
  }

  encodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    const state = stream.slot[this.#slot] as CompressedStream | undefined;
    if (state === undefined || state.response === null) return 'continue';
    const status = compress(state.response, data, endStream, this.#responseStats);
    if (endStream) state.response = null;
    return status;
  }

  encodeTrailers(stream: FilterStream): 'continue' {
    const state = stream.slot[this.#slot] as CompressedStream | undefined;
    if (state === undefined || state.response === null) return 'continue';
    stream.addEncodedData(this.#slot, rest(state.response, this.#responseStats));
    state.response = null;
    return 'continue';
  }

  onDestroy(stream: FilterStream): void {
    const state = stream.slot[this.#slot] as CompressedStream | undefined;
    state?.request?.drop();
    state?.response?.drop();
  }

  #isResponseEnabled(route: CompressorRoute | null): boolean {
    return route?.isResponseEnabled ?? isOn(this.#config.response.enabled, this.#context.runtime);
  }

  #takesRequest(headers: Headers): boolean {
    const { request } = this.#config;
    return (
      request !== null &&
      isOn(request.enabled, this.#context.runtime) &&
      !isUpgrade(headers) &&
      this.#isLongEnough(request, headers, this.#requestStats) &&
      takesType(request, headers) &&
      !headers.has(CONTENT_ENCODING) &&
      !isCompressedTransfer(headers)
    );
  }

  #isLongEnough(direction: Direction, headers: Headers, stats: DirectionStats): boolean {
    const length = headers.get(CONTENT_LENGTH);
    if (length === undefined || Number(length) >= direction.minContentLength) return true;
    stats.inc(stats.i.content_length_too_small);
    return false;
  }

  #tell(headers: Headers, library: CompressorLibrary, whyNot: string): void {
    // Envoy looks at the length a second time.
    if (whyNot === TOO_SMALL) this.#isLongEnough(this.#config.response, headers, this.#responseStats);
    headers.add(STATUS, `${library.encoding};${whyNot}`);
  }

  /** What keeps a response that is long enough from being compressed. */
  #whyNot(headers: Headers): string | null {
    const { response } = this.#config;
    if (!takesType(response, headers)) return 'ContentTypeNotAllowed';
    if (response.disableOnEtag && !response.weakenEtag && headers.has(H.etag)) {
      this.#stats.inc(this.#stats.i.not_compressed_etag);
      return 'EtagNotAllowed';
    }
    return response.uncompressibleCodes?.has(headers.status) === true ? 'StatusCodeNotAllowed' : null;
  }

  /** Whether the client's choice among the chain's compressors is this one; counted. */
  #isChosen(
    stream: FilterStream,
    state: CompressedStream | null,
    headers: Headers,
    library: CompressorLibrary,
  ): boolean {
    const stats = this.#stats;
    if (state === null || state.accepted === null) {
      stats.inc(stats.i.no_accept_header);
      return false;
    }
    const { encoding, because } = this.#choice(stream, state.accepted, headers);
    const isThis = encoding === library.encoding;
    if (because === 'compressor') {
      stats.inc(isThis ? stats.i.header_compressor_used : stats.i.header_compressor_overshadowed);
    } else if (because === 'identity') stats.inc(stats.i.header_identity);
    else stats.inc(because === 'wildcard' ? stats.i.header_wildcard : stats.i.header_not_valid);
    return isThis;
  }

  #choice(stream: FilterStream, accepted: string, headers: Headers): Choice {
    const type = headers.get(CONTENT_TYPE);
    const offers: Offer[] = [];
    let first: CompressedStream | null = null;
    for (const [slot, peer] of this.#peers) {
      const state = stream.slot[slot] as CompressedStream | undefined;
      if (state === undefined) continue;
      first ??= state;
      if (first.choice !== null) return first.choice;
      const config = peer.#config;
      if (type !== undefined && type !== '' && !config.response.contentTypes.has(type)) continue;
      const route = stream.routeConfig(slot) as CompressorRoute | null;
      offers.push({ encoding: (route?.library ?? peer.#library).encoding, chooseFirst: config.chooseFirst });
    }
    const choice = chooseEncoding(accepted, offers);
    if (first !== null) first.choice = choice;
    return choice;
  }

  #poolOf(library: CompressorLibrary): CompressorPool {
    if (library === this.#library) return this.#pool;
    let pool = this.#routePools.get(library);
    if (pool === undefined) {
      pool = library.makePool();
      this.#routePools.set(library, pool);
    }
    return pool;
  }
}

type DirectionStats = ReturnType<FilterContext['stats']['scope']> & {
  readonly i: { readonly [name in keyof typeof DIRECTION_STATS]: number };
};

/** What is no body of its own, is compressed, or must stay as it is. */
function forbidsCompression(headers: Headers): boolean {
  if (isUpgrade(headers) || headers.has(CONTENT_ENCODING)) return true;
  const cacheControl = headers.getAll(H['cache-control']);
  return cacheControl !== undefined && hasToken(cacheControl, 'no-transform', true);
}

function takesType(direction: Direction, headers: Headers): boolean {
  const type = headers.get(CONTENT_TYPE);
  return type === undefined || direction.contentTypes.has(type);
}

function compress(compressor: Compressor, data: BodyData, endStream: boolean, stats: DirectionStats): DataStatus {
  const { buffer, start, end } = data;
  stats.add(stats.i.total_uncompressed_bytes, end - start);
  const compressed = endStream ? compressor.finish(buffer, start, end) : compressor.write(buffer, start, end);
  stats.add(stats.i.total_compressed_bytes, compressed.length);
  data.set(compressed, 0, compressed.length, false);
  return compressed.length === 0 && !endStream ? 'stop-no-buffer' : 'continue';
}

/** What is still to come when trailers end the body. */
function rest(compressor: Compressor, stats: DirectionStats): Buffer {
  const last = Buffer.from(compressor.finish(NO_BYTES, 0, 0));
  stats.add(stats.i.total_compressed_bytes, last.length);
  return last;
}

export const compressor = defineHttpFilter<CompressorConfig, CompressorRoute, CompressorPb, CompressorRoutePb>({
  name: 'envoy.filters.http.compressor',
  configType: COMPRESSOR_TYPE,
  routeConfigType: COMPRESSOR_ROUTE_TYPE,
  fields: COMPRESSOR_FIELDS,
  stands: 'anywhere',
  decode: decodeCompressor,
  decodeRoute: decodeCompressorRoute,
  create: (config, context) => (config.library === null ? null : new CompressorFilter(config, config.library, context)),
});
