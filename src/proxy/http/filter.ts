// The interface between the HTTP engine and its filters; a filter imports this and nothing of the engine.
import type { DescriptorSource } from './filters/local-rate-limit/rate-limit-actions.ts';
import type { Clock, Random } from '../../base/clock.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import type { Headers } from '../../wire/headers.ts';
import type { Scope, StatStore } from '../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { FilterDiscovery } from './filter-discovery.ts';

/**
 * 'continue' goes on to the next filter; 'stop' holds the headers here, data still comes to this filter;
 * 'stop-all-and-buffer' and 'stop-all-and-watermark' hold everything here and keep the body (with a limit that answers
 * 413 or 500, or that pauses the sender). Resume with continueDecoding/continueEncoding.
 */
export type HeadersStatus = 'continue' | 'stop' | 'stop-all-and-buffer' | 'stop-all-and-watermark';
/** 'stop-no-buffer': the filter has taken the data. */
export type DataStatus = 'continue' | 'stop-and-buffer' | 'stop-and-watermark' | 'stop-no-buffer';
export type TrailersStatus = 'continue' | 'stop';

/**
 * Body bytes buffer[start, end) on their way. Borrowed unless `owned`: valid during the call only. A filter may narrow
 * or replace them.
 */
export class BodyData {
  buffer: Buffer = EMPTY;
  start = 0;
  end = 0;
  owned = false;

  get length(): number {
    return this.end - this.start;
  }

  set(buffer: Buffer, start = 0, end = buffer.length, owned = true): this {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    this.owned = owned;
    return this;
  }

  /** The bytes in memory of the caller's own. */
  copy(): Buffer {
    return this.owned
      ? this.buffer.subarray(this.start, this.end)
      : Buffer.from(this.buffer.subarray(this.start, this.end));
  }
}
const EMPTY = Buffer.alloc(0);

/** A reply that the proxy makes itself. */
export type LocalReply = {
  readonly status: number;
  readonly body: string;
  /** Envoy's response-code details, e.g. 'rbac_access_denied_matched_policy[none]'. */
  readonly details: string;
  /** gRPC status for gRPC requests; by default derived from `status`. */
  readonly grpcStatus?: number;
  /** Response flag bits to set (`Flag.RL`). */
  readonly flags?: number;
  /** Adds headers before the reply goes through the encoder filters. */
  readonly modifyHeaders?: (headers: Headers) => void;
  /** Sent as it is, headers alone, neither mapped by local_reply_config nor made gRPC (Envoy: own encodeHeaders). */
  readonly isHeadersOnly?: boolean;
};

/** The route that a request took, as filters may see it. */
export type RouteView = {
  readonly name: string;
  readonly virtualHostName: string;
  /** Name of the upstream cluster, '' for redirects and direct responses. */
  readonly clusterName: string;
  /** Null for redirects and direct responses; filters that only act on forwarded requests ask for it. */
  readonly forward: object | null;
  /** Metadata of the route by filter name, for matchers; absent means none. */
  readonly metadata?: ReadonlyMap<string, Readonly<Record<string, unknown>>> | null;
  /** What its requests are counted under; absent or null: nothing. */
  readonly rateLimits?: RouteRateLimits | null;
};

/** rate_limits of a route and of its virtual host. */
export type RouteRateLimits = {
  readonly own: readonly DescriptorSource[];
  readonly virtualHost: readonly DescriptorSource[];
  readonly includesVirtualHost: boolean;
};

/** One exchange as a filter sees it. */
export type FilterStream = {
  readonly info: StreamInfo;
  readonly requestHeaders: Headers;
  /** Null until the response started. */
  readonly responseHeaders: Headers | null;
  readonly requestTrailers: Headers | null;
  readonly responseTrailers: Headers | null;
  /** These two make the stream a FormatContext, so that header values with operators need no other object. */
  readonly localReplyBody: string;
  readonly accessLogType: string;
  /** Null when no route matched. */
  readonly route: RouteView | null;
  /** Per-stream state of the filter with that slot number. */
  readonly slot: unknown[];
  readonly clock: Clock;
  readonly random: Random;
  /** Whether the request is gRPC (content-type application/grpc…). */
  readonly isGrpc: boolean;
  /** The response is one that the proxy makes itself. */
  readonly isLocalReply: boolean;
  /** True after the stream ended: asynchronous work that comes back does nothing then. */
  readonly isDestroyed: boolean;

  /** The most specific per-route configuration of a filter (weighted cluster, route, virtual host, config), or null. */
  routeConfig(slot: number): unknown;
  /** All of them, the least specific first; for filters that merge. */
  routeConfigs(slot: number): readonly unknown[];
  /** Goes on from the filter with that slot. Several may hold a stream up at the same time: each lets go for itself. */
  continueDecoding(slot: number): void;
  continueEncoding(slot: number): void;
  /** Adds to the body behind what is buffered; during decodeTrailers it creates the body. */
  addDecodedData(slot: number, data: Buffer): void;
  addEncodedData(slot: number, data: Buffer): void;
  /**
   * During decodeData or encodeData with endStream: the message ends with these trailers instead, which the filters
   * behind and the receiver see.
   */
  addDecodedTrailers(): Headers;
  addEncodedTrailers(): Headers;
  /** What waits of a body may be so large; more of a request gets 413. For the whole stream. */
  limitBuffer(bytes: number): void;
  /** Takes what waits of the body at the filter with that slot, which changes it as a whole; null for nothing. */
  takeDecodedData(slot: number): Buffer | null;
  takeEncodedData(slot: number): Buffer | null;
  /** Bytes that wait of the response's body at the filter with that slot. */
  heldEncodedBytes(slot: number): number;
  /**
   * Sends response body on from behind the filter with that slot, outside of an encode call: for a filter that took the
   * data ('stop-no-buffer', also with endStream) and lets it go later. `endStream` ends the response.
   */
  injectEncodedData(slot: number, data: Buffer, endStream: boolean): void;
  /** Stops and restarts the sender of the response (counted), for a filter that holds body itself. */
  pauseResponse(): void;
  resumeResponse(): void;
  sendLocalReply(reply: LocalReply): void;
  /**
   * Of a request without a route: asks elsewhere for one. `told` is called once, later, with whether there are routes
   * for it now; the function that is returned gives up. Null: there is nobody to ask, or a route was found at once.
   */
  askForRoute(told: (isThere: boolean) => void): (() => void) | null;
  /** Chooses the route again at the next need, from the headers as they are then. */
  clearRouteCache(): void;
  /** Starts the request over with the buffered request and the present headers; false when that is impossible. */
  recreateStream(): boolean;
  /** Ends the stream without an answer. */
  resetStream(details: string): void;
};

/** What the router may do besides: it answers, and it holds the request back when the upstream is full. */
export type TerminalStream = FilterStream & {
  encode1xx(headers: Headers): void;
  encodeHeaders(headers: Headers, endStream: boolean): void;
  encodeData(data: BodyData, endStream: boolean): void;
  encodeTrailers(trailers: Headers): void;
  /** Counted: stops and restarts the reading of the request body. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** Told when the way to the client is full or free again; set by the router, null when it does not care. */
  responseWatermarks: { onAboveWatermark(): void; onBelowWatermark(): void } | null;
  /** However long nothing happens, it stays. */
  mayIdle(): void;
  /** Bytes that may be buffered for this stream in each direction. */
  readonly bufferLimitBytes: number;
  /**
   * Starts the request over with its head as it is now, and this body: the upstream's answer sent it elsewhere. The
   * exchange so far is logged on its own, with that answer. False when that is impossible.
   */
  redirect(response: Headers, body: readonly Buffer[]): boolean;
  /** Before the request's head is changed: guards that judge it again want it as it came. */
  keepHead(): void;
  /** True once response headers have gone to the codec. */
  readonly isResponseStarted: boolean;
  /** True once the whole request has arrived. */
  readonly isRequestComplete: boolean;
  /** Upgrade or CONNECT: bodies are raw bytes both ways. */
  readonly isUpgrade: boolean;
  /** The request's scheme becomes that of its upstream connection. */
  readonly schemeMatchesUpstream: boolean;
  /** Told when the stream is over and logged; set by the router, null when it does not care. */
  afterLogs: { afterLogs(): void } | null;
};

/** A request that was let in, for guards that judge it again. */
export type AskedRequest = {
  readonly info: StreamInfo;
  /** As they came, before the router changed them. */
  readonly requestHeaders: Headers;
  /** Of the routes of now. */
  readonly route: RouteView | null;
  routeConfig(slot: number): unknown;
};

/** One filter of one chain: a frozen object made per (chain, configuration). Absent methods cost nothing. */
export type HttpFilter = {
  decodeHeaders?(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus;
  decodeData?(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus;
  decodeTrailers?(stream: FilterStream, trailers: Headers): TrailersStatus;
  encode1xx?(stream: FilterStream, headers: Headers): void;
  encodeHeaders?(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus;
  encodeData?(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus;
  encodeTrailers?(stream: FilterStream, trailers: Headers): TrailersStatus;
  /** Behind the router: the attempt has its host, and nothing was asked of it yet. It may answer. */
  hostSelected?(stream: FilterStream): void;
  /** Of a filter that guards: whether it would turn the request away. Counts only when it would. */
  denies?(asked: AskedRequest): boolean;
  /** The stream is over; called once for every filter that may hold state. */
  onDestroy?(stream: FilterStream): void;
};

/** What a filter gets when its chain is built. */
export type FilterContext = {
  /** The filter's slot in `stream.slot` and for `routeConfig`. */
  readonly slot: number;
  /** The filter's name in its chain; absent where there is none. */
  readonly name?: string;
  /** The same object for all filters of one chain, for those that must know of each other; absent: it is alone. */
  readonly chain?: object;
  /** 'http.STAT_PREFIX.' of the connection manager. */
  readonly statPrefix: string;
  readonly stats: StatStore;
  /** Statistics of the connection manager's scope, or of the cluster's. */
  readonly scope: Scope;
  /** The chain is one behind the router; absent: it is not. */
  readonly isUpstream?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  /** Counts of all workers; absent where there is one. */
  readonly shared?: SharedCells;
  /** Whether the proxy as a whole is to fail health checks; absent: never. */
  readonly health?: { readonly healthCheckFailed?: boolean };
  /** Follows a filter that is only named, for one that holds others; absent where all is written in place. */
  readonly follow?: FollowFilter;
  /**
   * `ended` is called when the chain ends; absent where chains stay for good. Who uses the chain first waits until
   * `whenSettled` called back, if it is given.
   */
  readonly atEnd?: (ended: () => void, whenSettled?: (settled: () => void) => void) => void;
};

/**
 * `refusal` tells why one that came cannot stand there, or null; `changed` is called whenever it is another one. What
 * follows ends with the chain.
 */
export type FollowFilter = (
  discovery: FilterDiscovery,
  refusal: (factory: HttpFilterFactory) => string | null,
  changed: () => void,
) => { readonly current: { readonly factory: HttpFilterFactory; readonly config: unknown } | null };

/** Runtime values (layered_runtime). */
export type Runtime = {
  /** Returns the whole number under `key`, or the default. */
  number(key: string, fallback: number): number;
  /** Returns the number under `key`, or the default. */
  double(key: string, fallback: number): number;
  boolean(key: string, fallback: boolean): boolean;
  /** Whether a fractional percent holds for this draw: value numerator/denominator, overridden by `key`. */
  featureEnabled(key: string, fallback: FractionalPercent, random: Pick<Random, 'below'>): boolean;
};

export type FractionalPercent = { readonly numerator: number; readonly denominator: 100 | 10_000 | 1_000_000 };

/** A kind of HTTP filter; `extensions.ts` lists them all. */
export type HttpFilterFactory = {
  /** Envoy's extension name, e.g. 'envoy.filters.http.cors'; for messages only: the type URL decides. */
  readonly name: string;
  /** Full protobuf name of its configuration, e.g. 'envoy.extensions.filters.http.cors.v3.Cors'. */
  readonly configType: string;
  /** Full protobuf name of its per-route configuration, when it differs. */
  readonly routeConfigType?: string;
  /** Fields that take effect, per message full name: 'field field …'. Everything else that is set gets refused. */
  readonly fields: Readonly<Record<string, string>>;
  /** Whether it must end the chain (router). */
  readonly isTerminal?: boolean;
  /** Where it may stand: absent, in the chains of listeners alone. */
  readonly stands?: 'anywhere' | 'upstream';
  /** It is not built: 'inert' passes everything on instead, 'deny' lets nobody in. */
  standsIn?(config: never): 'inert' | 'deny' | undefined;
  /** Protobuf object (snake_case) → frozen runtime configuration; reasons go to `d.reject`. */
  decode(message: never, d: ConfigDecoder): unknown;
  decodeRoute?(message: never, d: ConfigDecoder): unknown;
  /** Null when the configuration does nothing. */
  create(config: never, context: FilterContext): HttpFilter | null;
  /** Of a filter that holds others: how many positions of the chain it fills; absent: one. */
  positions?(config: never): number;
  /** Instead of `create`: what stands at each of these positions, the first of them with `context.slot`. */
  createAll?(config: never, context: FilterContext): readonly PlacedFilter[];
};

/** A filter at a position of a chain. */
export type PlacedFilter = {
  readonly filter: HttpFilter;
  /** Full names of the messages that configure it per route; null: any. */
  readonly routeTypes: ReadonlySet<string> | null;
};

export function positionsOf(factory: HttpFilterFactory, config: unknown): number {
  return factory.positions?.(config as never) ?? 1;
}

/** The filters of one configured filter, from `context.slot` on; empty when it does nothing. */
export function placeFilter(
  factory: HttpFilterFactory,
  config: unknown,
  context: FilterContext,
): readonly PlacedFilter[] {
  if (factory.createAll !== undefined) return factory.createAll(config as never, context);
  const filter = factory.create(config as never, context);
  if (filter === null) return [];
  const { configType, routeConfigType = configType } = factory;
  return [{ filter, routeTypes: new Set([configType, routeConfigType]) }];
}

/** Types a factory while keeping its own configuration types. */
export function defineHttpFilter<Config, RouteConfig = unknown, Message = never, RouteMessage = never>(factory: {
  name: string;
  configType: string;
  routeConfigType?: string;
  fields: Readonly<Record<string, string>>;
  isTerminal?: boolean;
  stands?: 'anywhere' | 'upstream';
  decode(message: Message, d: ConfigDecoder): Config;
  decodeRoute?(message: RouteMessage, d: ConfigDecoder): RouteConfig;
  create(config: Config, context: FilterContext): HttpFilter | null;
}): HttpFilterFactory {
  return factory as unknown as HttpFilterFactory;
}
