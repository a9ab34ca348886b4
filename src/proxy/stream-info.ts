// What is known of one exchange (HTTP request or TCP connection): times, sizes, flags, names; for logs and filters.
import type { Address, TlsFacts } from '../base/byte-stream.ts';

/** Envoy's response flags: bit number → short name (access log), long name. Source: Envoy stream_info/utility.h. */
export const RESPONSE_FLAGS = [
  ['LH', 'FailedLocalHealthCheck'], ['UH', 'NoHealthyUpstream'], ['UT', 'UpstreamRequestTimeout'],
  ['LR', 'LocalReset'], ['UR', 'UpstreamRemoteReset'], ['UF', 'UpstreamConnectionFailure'],
  ['UC', 'UpstreamConnectionTermination'], ['UO', 'UpstreamOverflow'], ['NR', 'NoRouteFound'],
  ['DI', 'DelayInjected'], ['FI', 'FaultInjected'], ['RL', 'RateLimited'],
  ['UAEX', 'UnauthorizedExternalService'], ['RLSE', 'RateLimitServiceError'],
  ['DC', 'DownstreamConnectionTermination'], ['URX', 'UpstreamRetryLimitExceeded'], ['SI', 'StreamIdleTimeout'],
  ['IH', 'InvalidEnvoyRequestHeaders'], ['DPE', 'DownstreamProtocolError'],
  ['UMSDR', 'UpstreamMaxStreamDurationReached'],
  ['RFCF', 'ResponseFromCacheFilter'], ['NFCF', 'NoFilterConfigFound'], ['DT', 'DurationTimeout'],
  ['UPE', 'UpstreamProtocolError'], ['NC', 'NoClusterFound'], ['OM', 'OverloadManager'], ['DF', 'DnsResolutionFailed'],
  ['DO', 'DropOverload'], ['DR', 'DownstreamRemoteReset'], ['UDO', 'UnconditionalDropOverload'],
] as const; // biome-ignore format: a table.

type FlagName = (typeof RESPONSE_FLAGS)[number][0];
/** Bit masks of the response flags by short name: `info.flags |= Flag.UF`. */
export const Flag = Object.fromEntries(RESPONSE_FLAGS.map(([name], bit) => [name, 2 ** bit])) as {
  readonly [name in FlagName]: number;
};

/** Why an exchange is traced: 'forced' by x-envoy-force-trace, 'client' by x-client-trace-id. */
export type TraceReason = 'none' | 'sampled' | 'forced' | 'client';

export type Protocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | 'HTTP/3';

export type CloseType = 'Normal' | 'LocalReset' | 'RemoteReset';

/** How upstream connections of a downstream connection leave (original_src). */
export type UpstreamSource = {
  readonly address: Address;
  /** SO_MARK; 0 for none. */
  readonly mark: number;
  /** IP_TRANSPARENT is needed, because the address is not this machine's. */
  readonly isTransparent: boolean;
};

/** The downstream connection as an exchange sees it. */
export type ConnectionInfo = {
  readonly id: number;
  readonly localAddress: Address;
  /** The peer as the listener established it (PROXY protocol, original source). */
  readonly remoteAddress: Address;
  /** The socket's peer. */
  readonly directRemoteAddress: Address;
  readonly tls: TlsFacts | null;
  readonly requestedServerName: string;
  readonly listenerName: string;
  readonly filterChainName: string;
  readonly terminationDetails: string;
  /** Why this side closed ('rbac_deny_close'); absent or '' when it did not. */
  readonly localCloseReason?: string;
  /** How it ended: 'Normal' when absent. */
  readonly detectedCloseType?: CloseType;
  readonly listenerMetadata?: Metadata | null;
  /** The socket's own address, before anything was restored; absent: `localAddress`. */
  readonly directLocalAddress?: Address;
  /** `localAddress` is where the client wanted to go, not the socket's own address (original_dst, proxy_protocol). */
  readonly isLocalAddressRestored?: boolean;
  /** 'tls' or 'raw_buffer' as detected from the first bytes; '' or absent when nobody looked. */
  readonly transportProtocol?: string;
  /** ALPN as the client offered it (listener filters), in its order. */
  readonly applicationProtocols?: readonly string[];
  readonly ja3Hash?: string;
  readonly ja4Hash?: string;
  readonly filterChainMetadata?: Metadata | null;
  readonly trafficDirection?: 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';
  /** Source address for dialling upstream (original_src). */
  readonly upstreamSource?: UpstreamSource | null;
  /**
   * What listener and network filters wrote. Filter state of a connection is seen by its exchanges too (Envoy: life
   * span CONNECTION is the parent of REQUEST); dynamic metadata is not.
   */
  readonly filterState?: ReadonlyMap<string, FilterStateObject> | null;
  readonly dynamicMetadata?: ReadonlyMap<string, Record<string, unknown>> | null;
};

/** Metadata of configuration or of a stream: namespace → JSON object. */
export type Metadata = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** The endpoint that was chosen, as logs name it. */
export type UpstreamInfo = {
  readonly address: Address;
  readonly hostname: string;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly endpoint?: { readonly localityMetadata?: Metadata };
};

/** A host that is wished for by its address, 'ip:port'. */
export type WantedHost = {
  readonly address: string;
  /** No other one will do. */
  readonly isStrict: boolean;
  /** The answer where the cluster has no such host and no other one will do. */
  readonly missingStatus: number;
};

/** What few exchanges have. */
class RareFacts {
  /** The host that the first attempt is to go to, set by a filter; null: whoever the load balancer chooses. */
  wantedHost: WantedHost | null = null;
  /** The connection takes no more requests: a filter said so. */
  drainsConnection = false;
  isHealthCheck = false;
  virtualClusterName = '';
  upstreamTransportFailureReason = '';
  /** Of a connection that tcp_proxy relays: how the upstream's ended, and why this side closed it; '' is not known. */
  upstreamDetectedCloseType: CloseType | '' = '';
  upstreamLocalCloseReason = '';
  /** Of a connection as a whole: why its first bytes are no TLS. Its exchanges do not tell it. */
  downstreamTransportFailureReason = '';
  /** Upstreams of attempts before the present one, with their connections' ids; made at the first retry. */
  earlierUpstreams: UpstreamInfo[] | null = null;
  earlierUpstreamConnectionIds: number[] | null = null;
  /** What filters of the cluster know of the upstream connection, and may go on learning. */
  upstreamFilterState: ReadonlyMap<string, FilterStateObject> | null = null;
  traceId = '';
  spanId = '';
  /** Custom access-log fields (CUSTOM_FLAGS). */
  customFlags = '';
}
const NOTHING_RARE: Readonly<RareFacts> = Object.freeze(new RareFacts());

/** When the upstream connection was dialled, stood, and had shaken hands. */
export type UpstreamTimes = { readonly startMs: number; readonly endMs: number; readonly handshakeEndMs: number };
const NEVER: UpstreamTimes = Object.freeze({ startMs: 0, endMs: 0, handshakeEndMs: 0 });

/** All times are monotonic ms of base/clock; 0 means that it did not happen. */
export class StreamInfo {
  readonly connection: ConnectionInfo;
  /** Wall clock, ms since 1970. */
  startWallMs: number;
  startMs: number;
  lastDownstreamRxMs = 0;
  firstUpstreamTxMs = 0;
  lastUpstreamTxMs = 0;
  firstUpstreamRxMs = 0;
  lastUpstreamRxMs = 0;
  firstDownstreamTxMs = 0;
  lastDownstreamTxMs = 0;
  endMs = 0;
  protocol: Protocol | '' = '';
  responseCode = 0;
  /** Null: nobody said how the answer came about; '' is what a filter said so. */
  responseCodeDetails: string | null = null;
  flags = 0;
  /** Body bytes. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Bytes of this exchange on the downstream and upstream wires, headers included. */
  downstreamWireBytesReceived = 0;
  downstreamWireBytesSent = 0;
  upstreamWireBytesReceived = 0;
  upstreamWireBytesSent = 0;
  downstreamHeaderBytesReceived = 0;
  downstreamHeaderBytesSent = 0;
  upstreamHeaderBytesReceived = 0;
  upstreamHeaderBytesSent = 0;
  /** A route was found; `routeName` may be empty all the same. */
  hasRoute = false;
  routeName = '';
  virtualHostName = '';
  clusterName = '';
  clusterAltStatName = '';
  upstream: UpstreamInfo | null = null;
  upstreamLocalAddress: Address | null = null;
  /** Of the connection: one of the addresses of its host. */
  upstreamRemoteAddress: Address | null = null;
  upstreamConnectionId = 0;
  upstreamProtocol: Protocol | '' = '';
  upstreamTls: TlsFacts | null = null;
  /** How long the request waited for its upstream connection: a duration, not a time. */
  upstreamConnectionPoolReadyMs = 0;
  /** Of the connection that carries the request, also when other requests used it before. */
  upstreamTimes: UpstreamTimes = NEVER;
  attemptCount = 0;
  requestId = '';
  traceReason: TraceReason = 'none';
  /** The downstream peer by Envoy's rules for x-forwarded-for; the connection's until the HCM decided otherwise. */
  remoteAddress: Address;
  /** Namespace → JSON object; made when first written. */
  dynamicMetadata: Map<string, Record<string, unknown>> | null = null;
  filterState: Map<string, FilterStateObject> | null = null;
  /** Metadata of the configuration objects that the exchange met, as formats and matchers read it. */
  clusterMetadata: Metadata | null = null;
  upstreamHostMetadata: Metadata | null = null;
  routeMetadata: Metadata | null = null;
  virtualHostMetadata: Metadata | null = null;

  #rare: Readonly<RareFacts> = NOTHING_RARE;

  constructor(connection: ConnectionInfo, startMs: number, startWallMs: number) {
    this.connection = connection;
    this.remoteAddress = connection.remoteAddress;
    this.startMs = startMs;
    this.startWallMs = startWallMs;
  }

  /** Merges values into a metadata namespace (Envoy: setDynamicMetadata). */
  setMetadata(namespace: string, values: Record<string, unknown>): void {
    this.dynamicMetadata ??= new Map();
    const old = this.dynamicMetadata.get(namespace);
    this.dynamicMetadata.set(namespace, old === undefined ? { ...values } : { ...old, ...values });
  }

  // What few exchanges have is made when it is first set: an exchange pays for each field that it is made with.

  get wantedHost(): WantedHost | null {
    return this.#rare.wantedHost;
  }
  set wantedHost(value: WantedHost | null) {
    if (value !== this.#rare.wantedHost) this.#makeRare().wantedHost = value;
  }
  get drainsConnection(): boolean {
    return this.#rare.drainsConnection;
  }
  set drainsConnection(value: boolean) {
    if (value !== this.#rare.drainsConnection) this.#makeRare().drainsConnection = value;
  }
  get isHealthCheck(): boolean {
    return this.#rare.isHealthCheck;
  }
  set isHealthCheck(value: boolean) {
    if (value !== this.#rare.isHealthCheck) this.#makeRare().isHealthCheck = value;
  }
  get virtualClusterName(): string {
    return this.#rare.virtualClusterName;
  }
  set virtualClusterName(value: string) {
    if (value !== this.#rare.virtualClusterName) this.#makeRare().virtualClusterName = value;
  }
  get upstreamTransportFailureReason(): string {
    return this.#rare.upstreamTransportFailureReason;
  }
  set upstreamTransportFailureReason(value: string) {
    if (value !== this.#rare.upstreamTransportFailureReason) this.#makeRare().upstreamTransportFailureReason = value;
  }
  get upstreamDetectedCloseType(): CloseType | '' {
    return this.#rare.upstreamDetectedCloseType;
  }
  set upstreamDetectedCloseType(value: CloseType | '') {
    if (value !== this.#rare.upstreamDetectedCloseType) this.#makeRare().upstreamDetectedCloseType = value;
  }
  get upstreamLocalCloseReason(): string {
    return this.#rare.upstreamLocalCloseReason;
  }
  set upstreamLocalCloseReason(value: string) {
    if (value !== this.#rare.upstreamLocalCloseReason) this.#makeRare().upstreamLocalCloseReason = value;
  }
  get downstreamTransportFailureReason(): string {
    return this.#rare.downstreamTransportFailureReason;
  }
  set downstreamTransportFailureReason(value: string) {
    if (value !== this.#rare.downstreamTransportFailureReason)
      this.#makeRare().downstreamTransportFailureReason = value;
  }
  get earlierUpstreams(): UpstreamInfo[] | null {
    return this.#rare.earlierUpstreams;
  }
  set earlierUpstreams(value: UpstreamInfo[] | null) {
    if (value !== this.#rare.earlierUpstreams) this.#makeRare().earlierUpstreams = value;
  }
  get earlierUpstreamConnectionIds(): number[] | null {
    return this.#rare.earlierUpstreamConnectionIds;
  }
  set earlierUpstreamConnectionIds(value: number[] | null) {
    if (value !== this.#rare.earlierUpstreamConnectionIds) this.#makeRare().earlierUpstreamConnectionIds = value;
  }
  get upstreamFilterState(): ReadonlyMap<string, FilterStateObject> | null {
    return this.#rare.upstreamFilterState;
  }
  set upstreamFilterState(value: ReadonlyMap<string, FilterStateObject> | null) {
    if (value !== this.#rare.upstreamFilterState) this.#makeRare().upstreamFilterState = value;
  }
  get traceId(): string {
    return this.#rare.traceId;
  }
  set traceId(value: string) {
    if (value !== this.#rare.traceId) this.#makeRare().traceId = value;
  }
  get spanId(): string {
    return this.#rare.spanId;
  }
  set spanId(value: string) {
    if (value !== this.#rare.spanId) this.#makeRare().spanId = value;
  }
  get customFlags(): string {
    return this.#rare.customFlags;
  }
  set customFlags(value: string) {
    if (value !== this.#rare.customFlags) this.#makeRare().customFlags = value;
  }

  #makeRare(): RareFacts {
    if (this.#rare === NOTHING_RARE) this.#rare = new RareFacts();
    return this.#rare as RareFacts;
  }
}

export type FilterStateObject = {
  /** As %FILTER_STATE(key:PLAIN)% prints it and matchers see it; bytes, one per char code. */
  readonly value: string;
  /** As %FILTER_STATE(key:TYPED)% prints it, in JSON; null when the kind has no such form. */
  readonly typed: unknown;
  readonly isReadOnly: boolean;
  readonly lifeSpan: 'filter-chain' | 'request' | 'connection';
  /** As %FILTER_STATE(key:FIELD:name)% prints it; absent: the members of `typed`. */
  readonly fields?: Readonly<Record<string, string | number>>;
  /** The kinds that expressions see as a JSON object. */
  readonly struct?: Readonly<Record<string, unknown>>;
  /** The kinds that are addresses. */
  readonly address?: Address;
  /** The kind has no text: only who knows the key reads `value`. */
  readonly isOpaque?: boolean;
  /** A number of 64 bits, which JSON has as text. */
  readonly isUint64?: boolean;
  /** Hash policies may name it. */
  readonly isHashable?: boolean;
  /** Upstream connections carry it too: 'once', or further through internal listeners. */
  readonly sharing?: 'once' | 'transitive';
};

/** An object of the exchange, or else of its connection: one life span is the parent of the other. */
export function findFilterState(info: StreamInfo, key: string): FilterStateObject | undefined {
  return info.filterState?.get(key) ?? info.connection.filterState?.get(key);
}

/** Renders flags as the access log does: short names joined by ',', '-' for none. `isTcp`: of a whole connection. */
export function responseFlagsText(flags: number, long = false, isTcp = false): string {
  if (flags === 0) return '-';
  const texts = flagTexts[(long ? 1 : 0) + (isTcp ? 2 : 0)] as Map<number, string>;
  const known = texts.get(flags);
  if (known !== undefined) return known;
  const set = RESPONSE_FLAGS.filter(([name]) => (flags & Flag[name]) !== 0);
  // Envoy prints flags in the order in which they were set: filters' first, then why there was no retry, then the rest.
  const early = (isTcp ? TCP_SET_EARLY : SET_EARLY).flatMap((name) => set.filter(([short]) => short === name));
  const ordered = [...early, ...set.filter((pair) => !early.includes(pair))];
  const text = ordered.map((pair) => pair[long ? 1 : 0]).join(',');
  if (texts.size < MAX_FLAG_TEXTS) texts.set(flags, text);
  return text;
}
const SET_EARLY: readonly FlagName[] = ['DI', 'FI', 'URX', 'UO'];
/** Connecting comes before everything else. */
const TCP_SET_EARLY: readonly FlagName[] = ['UF'];
/** Few combinations occur. */
const MAX_FLAG_TEXTS = 256;
/** By short or long names, for HTTP and for TCP. */
const flagTexts = Array.from({ length: 4 }, () => new Map<number, string>());
