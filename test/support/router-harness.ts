// Fakes around the router and the pools: sockets that a test feeds by hand, streams that note what reaches them.
import type { Address, ByteStream, ByteStreamHandler } from '../../src/base/byte-stream.ts';
import { Clock, Random } from '../../src/base/clock.ts';
import { type Failure, failure } from '../../src/base/failure.ts';
import type { LookupFamily, ResolveCallback, Resolver } from '../../src/net/resolver/resolver.ts';
import { DEFAULT_LIMITS } from '../../src/proxy/cluster/circuit-breaker.ts';
import {
  type ClusterConfig,
  DEFAULT_DIAL,
  DEFAULT_HTTP_CONFIG,
  type EndpointConfig,
} from '../../src/proxy/cluster/cluster-config.ts';
import { ClusterTable } from '../../src/proxy/cluster/cluster-manager.ts';
import type { Dialer } from '../../src/proxy/cluster/pool/dialing.ts';
import { BodyData, type FilterContext, type LocalReply } from '../../src/proxy/http/filter.ts';
import { makeRouter, type RouterStream } from '../../src/proxy/http/filters/router/router.ts';
import type { RouterMessage } from '../../src/proxy/http/filters/router/router-config.ts';
import type { ForwardAction, RetryPolicy, Route, VirtualHost } from '../../src/proxy/route/route.ts';
import { type FilterStateObject, StreamInfo } from '../../src/proxy/stream-info.ts';
import type { TransportServices } from '../../src/proxy/transport/transport.ts';
import { StatStore } from '../../src/telemetry/metrics.ts';
import { Headers } from '../../src/wire/headers.ts';
import { decodeOrThrow, FakeRuntime, linesOf, makeConnection, requestHeaders } from './filter-harness.ts';

const LOCAL: Address = { family: 'ipv4', address: '127.0.0.1', port: 50_000 };
const NO_HANDLER: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
let nextId = 1;

/** A socket whose other end is the test. */
export class FakeSocket implements ByteStream {
  handler: ByteStreamHandler = NO_HANDLER;
  readonly id = nextId++;
  readonly localAddress = LOCAL;
  readonly remoteAddress: Address;
  readonly tls = null;
  bytesRead = 0;
  bytesWritten = 0;
  bufferedBytes = 0;
  isAboveHighWatermark = false;
  isClosed = false;
  /** Everything written and not yet taken, as latin1. */
  sent = '';
  pauses = 0;
  isEnded = false;

  constructor(remoteAddress: Address) {
    this.remoteAddress = remoteAddress;
  }

  writeLatin1(text: string): void {
    this.sent += text;
    this.bytesWritten += text.length;
  }
  write(chunk: Uint8Array): void {
    this.writeLatin1(Buffer.from(chunk).toString('latin1'));
  }
  writeBorrowed(chunk: Buffer, start: number, end: number): void {
    this.writeLatin1(chunk.latin1Slice(start, end));
  }
  flush(): void {}
  announceTurnEnd(): void {}
  pause(): void {
    this.pauses++;
  }
  resume(): void {
    this.pauses--;
  }
  unread(): void {}
  end(): void {
    this.isEnded = true;
  }
  close(): void {
    this.isClosed = true;
  }
  destroy(): void {
    this.isClosed = true;
  }
  setWatermarks(): void {}

  /** What was sent since the last call. */
  take(): string {
    const sent = this.sent;
    this.sent = '';
    return sent;
  }

  /** Bytes from the peer. */
  feed(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.handler.onData(bytes, 0, bytes.length);
  }
  fin(): void {
    this.handler.onEnd();
  }
  reset(): void {
    this.isClosed = true;
    this.handler.onClose(failure('upstream_reset', 'upstream', 'connection', 'read: Connection reset by peer'));
  }
}

type Dialled = {
  readonly address: Address;
  readonly callback: (stream: ByteStream | null, failure: Failure | null) => void;
  isCancelled: boolean;
};

/** Dials that wait until the test lets them through. */
export class FakeDialer implements Dialer {
  readonly dials: Dialled[] = [];
  readonly sockets: FakeSocket[] = [];
  cancelled = 0;

  connect(address: Address, _options: object, callback: Dialled['callback']) {
    const dial: Dialled = { address, callback, isCancelled: false };
    this.dials.push(dial);
    return {
      cancel: () => {
        dial.isCancelled = true;
        this.cancelled++;
      },
    };
  }

  /** Lets the oldest dial succeed. */
  accept(): FakeSocket {
    const dial = this.#next();
    const socket = new FakeSocket(dial.address);
    this.sockets.push(socket);
    dial.callback(socket, null);
    return socket;
  }

  refuse(): void {
    const detail = 'delayed connect error: Connection refused';
    this.#next().callback(null, failure('connect_failed', 'upstream', 'connection', detail));
  }

  #next(): Dialled {
    for (;;) {
      const dial = this.dials.shift();
      if (dial === undefined) throw new Error('nobody dials');
      if (!dial.isCancelled) return dial;
    }
  }
}

type Asked = {
  readonly name: string;
  readonly family: LookupFamily;
  readonly tell: ResolveCallback;
  isCancelled: boolean;
};

/** Names that wait until the test answers. */
export class FakeResolver implements Resolver {
  readonly asked: Asked[] = [];

  resolve(name: string, family: LookupFamily, tell: ResolveCallback) {
    const asked: Asked = { name, family, tell, isCancelled: false };
    this.asked.push(asked);
    return {
      cancel: () => {
        asked.isCancelled = true;
      },
    };
  }
  isClosed = false;

  close(): void {
    this.isClosed = true;
  }

  /** Answers the oldest question with IPv4 addresses; null fails it. */
  answer(addresses: readonly string[] | null, ttlS = 0): void {
    const asked = this.asked.shift();
    if (asked === undefined) throw new Error('nothing was asked');
    if (asked.isCancelled) return;
    const list = (addresses ?? []).map((address) => ({ family: 'ipv4', address, ttlS }) as const);
    asked.tell({ isFailed: addresses === null, details: '', addresses: list });
  }
}

export function endpoint(port: number, change: Partial<EndpointConfig> = {}): EndpointConfig {
  return {
    address: { family: 'ipv4', address: '10.0.0.1', port },
    hostname: '',
    healthCheckAddress: '',
    weight: 1,
    health: 'HEALTHY',
    edsHealth: 'UNKNOWN',
    metadata: null,
    locality: { region: '', zone: '', subZone: '' },
    localityWeight: 0,
    priority: 0,
    ...change,
  };
}

export function clusterConfig(change: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name: 'up',
    statName: change.name ?? 'up',
    discovery: { kind: 'STATIC' },
    connectTimeoutMs: 1000,
    bufferLimitBytes: 1 << 20,
    lb: { kind: 'round-robin' },
    panicThreshold: 50,
    failTrafficOnPanic: false,
    localityWeighted: false,
    breakers: { DEFAULT: DEFAULT_LIMITS, HIGH: DEFAULT_LIMITS },
    maxConnectionsPerHost: Number.POSITIVE_INFINITY,
    preconnectRatio: 1,
    http: DEFAULT_HTTP_CONFIG,
    endpoints: { endpoints: [endpoint(1)], overprovisioningFactor: 140 },
    dial: DEFAULT_DIAL,
    transport: null,
    transportMatches: [],
    metadata: null,
    addedViaApi: false,
    ...change,
  };
}

export function retryPolicy(change: Partial<RetryPolicy> = {}): RetryPolicy {
  return {
    on: 0,
    numRetries: 1,
    perTryTimeoutMs: 0,
    perTryIdleTimeoutMs: 0,
    retriableStatusCodes: [],
    retriableHeaders: [],
    retriableRequestHeaders: [],
    baseIntervalMs: 25,
    maxIntervalMs: 250,
    avoidPreviousHosts: false,
    previousPriorities: 0,
    hostSelectionMaxAttempts: 1,
    omits: null,
    refreshesCluster: false,
    rateLimitedBackOff: null,
    ...change,
  };
}

export type RouteChange = {
  readonly forward?: Partial<ForwardAction>;
  readonly virtualHost?: Partial<VirtualHost>;
  readonly route?: Partial<Route>;
};

export function makeRoute(change: RouteChange = {}): Route {
  const virtualHost: VirtualHost = {
    name: 'host',
    domains: ['*'],
    requireTls: 'NONE',
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    includeIsTimeoutRetryHeader: false,
    retry: null,
    metadata: null,
    virtualCluster: () => null,
    ...change.virtualHost,
  };
  const forward: ForwardAction = {
    clusterName: 'up',
    specifier: null,
    clusterNotFoundCode: 503,
    timeoutMs: 15_000,
    idleTimeoutMs: undefined,
    hasStreamDuration: false,
    maxStreamDurationMs: undefined,
    grpcTimeoutHeaderMaxMs: undefined,
    grpcTimeoutHeaderOffsetMs: 0,
    maxGrpcTimeoutMs: undefined,
    grpcTimeoutOffsetMs: 0,
    flushTimeoutMs: undefined,
    priority: 'DEFAULT',
    retry: null,
    mirrors: [],
    autoHostRewrite: false,
    appendXForwardedHost: false,
    upgrades: new Map(),
    redirects: null,
    hedges: false,
    connect: null,
    hash: () => null,
    hash64: () => null,
    metadataMatch: null,
    ...change.forward,
  };
  return {
    name: '',
    virtualHost,
    virtualHostName: virtualHost.name,
    index: 0,
    forward,
    redirect: null,
    direct: null,
    statPrefix: '',
    clusterName: 'up',
    filterConfigs: new Map(),
    metadata: null,
    decorator: null,
    tracing: null,
    rateLimits: null,
    requestBufferLimitBytes: undefined,
    requestBufferLimitIsCapped: false,
    finalizeRequest() {},
    finalizeResponse() {},
    hasRequestMutations: false,
    hasResponseMutations: false,
    ...change.route,
  };
}

/** A worker with clusters and a router, whose upstreams are the test. */
export class RouterHarness {
  readonly stats = new StatStore();
  readonly clock = new Clock({ manual: true });
  readonly random = new Random(7);
  readonly runtime = new FakeRuntime();
  readonly dialer = new FakeDialer();
  readonly resolver = new FakeResolver();
  readonly clusters: ClusterTable;
  readonly router: ReturnType<typeof createRouter>;

  constructor(clusters: readonly ClusterConfig[] = [clusterConfig()], message: RouterMessage = {}) {
    const { dialer, clock, random, stats, runtime } = this;
    this.clusters = new ClusterTable({
      ...{ dialer, clock, random, stats, runtime },
      makeResolver: () => this.resolver,
      // Fakes ask nothing of them.
      transports: { stats, clock, random, runtime } as unknown as TransportServices,
    });
    for (const config of clusters) this.clusters.set(config);
    this.router = createRouter(this, message);
  }

  stat(name: string): number {
    return this.stats.find(name) ?? 0;
  }

  /** Starts a request; the body, if any, is sent by the test. */
  request(
    path = '/',
    lines: readonly string[] = [],
    options: { route?: Route | null; body?: boolean; filterState?: Map<string, FilterStateObject> } = {},
  ): FakeRequest {
    const route = options.route === undefined ? makeRoute() : options.route;
    const request = new FakeRequest(this, requestHeaders(path, lines), route, options.filterState ?? null);
    request.start(options.body !== true);
    return request;
  }
}

function createRouter(harness: RouterHarness, message: RouterMessage) {
  const factory = makeRouter({ clusters: harness.clusters, localAddress: '192.0.2.2' });
  const context: FilterContext = {
    slot: 0,
    statPrefix: 'http.test.',
    stats: harness.stats,
    scope: harness.stats.scope('http.test.', {}),
    clock: harness.clock,
    random: harness.random,
    runtime: harness.runtime,
  };
  const filter = factory.create(decodeOrThrow((d) => factory.decode(message as never, d)) as never, context);
  if (filter === null) throw new Error('no router');
  return filter;
}

/** One request and what came back. */
export class FakeRequest implements RouterStream {
  readonly harness: RouterHarness;
  readonly info: StreamInfo;
  readonly requestHeaders: Headers;
  readonly route: Route | null;
  responseHeaders: Headers | null = null;
  requestTrailers: Headers | null = null;
  responseTrailers: Headers | null = null;
  localReplyBody = '';
  readonly accessLogType = 'DownstreamEnd';
  readonly slot: unknown[] = [];
  readonly clock: Clock;
  readonly random: Random;
  isGrpc = false;
  isUpgrade = false;
  isLocalReply = false;
  schemeMatchesUpstream = false;
  afterLogs: RouterStream['afterLogs'] = null;
  isDestroyed = false;
  isResponseStarted = false;
  isRequestComplete = false;
  bufferLimitBytes = 1 << 20;
  responseWatermarks: RouterStream['responseWatermarks'] = null;

  /** What came. */
  interim: number[] = [];
  body = '';
  isComplete = false;
  reply: LocalReply | null = null;
  resetDetails = '';
  requestPauses = 0;

  constructor(
    harness: RouterHarness,
    headers: Headers,
    route: Route | null,
    filterState: Map<string, FilterStateObject> | null = null,
  ) {
    this.harness = harness;
    this.clock = harness.clock;
    this.random = harness.random;
    this.requestHeaders = headers;
    this.route = route;
    this.info = new StreamInfo(makeConnection({ filterState }), harness.clock.nowMs, harness.clock.wallMs);
  }

  start(endStream: boolean): void {
    this.isRequestComplete = endStream;
    this.harness.router.decodeHeaders?.(this, this.requestHeaders, endStream);
  }

  send(text: string, endStream: boolean): void {
    this.isRequestComplete = endStream;
    this.harness.router.decodeData?.(this, bodyData(Buffer.from(text, 'latin1')), endStream);
  }

  sendTrailers(trailers: Headers): void {
    this.requestTrailers = trailers;
    this.isRequestComplete = true;
    this.harness.router.decodeTrailers?.(this, trailers);
  }

  /** The client went away, or the exchange ended. */
  destroy(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.harness.router.onDestroy?.(this);
  }

  get status(): number {
    return this.responseHeaders?.status ?? 0;
  }
  get lines(): string[] {
    return this.responseHeaders === null ? [] : linesOf(this.responseHeaders);
  }

  encode1xx(headers: Headers): void {
    this.interim.push(headers.status);
  }
  mayIdle(): void {}

  encodeHeaders(headers: Headers, endStream: boolean): void {
    this.responseHeaders = headers;
    this.isResponseStarted = true;
    if (endStream) this.#complete();
  }
  encodeData(data: BodyData, endStream: boolean): void {
    this.body += data.buffer.latin1Slice(data.start, data.end);
    if (endStream) this.#complete();
  }
  encodeTrailers(trailers: Headers): void {
    this.responseTrailers = trailers;
    this.#complete();
  }
  #complete(): void {
    this.isComplete = true;
    this.destroy();
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.isResponseStarted) {
      this.resetStream(reply.details);
      return;
    }
    this.reply = reply;
    this.info.flags |= reply.flags ?? 0;
    this.info.responseCodeDetails = reply.details;
    const headers = requestHeaders('/');
    headers.method = '';
    headers.path = '';
    headers.authority = '';
    headers.scheme = '';
    headers.status = reply.status;
    reply.modifyHeaders?.(headers);
    this.body = reply.body;
    this.encodeHeaders(headers, true);
  }
  resetStream(details: string): void {
    this.info.responseCodeDetails = details;
    this.resetDetails = details;
    this.destroy();
  }

  keepHead(): void {}
  redirect(): boolean {
    return false;
  }
  pauseRequest(): void {
    this.requestPauses++;
  }
  resumeRequest(): void {
    this.requestPauses--;
  }

  routeConfig(): unknown {
    return null;
  }
  routeConfigs(): readonly unknown[] {
    return [];
  }
  continueDecoding(): void {}
  continueEncoding(): void {}
  addDecodedData(): void {}
  addEncodedData(): void {}

  limitBuffer(): void {}

  addDecodedTrailers(): Headers {
    return new Headers();
  }

  addEncodedTrailers(): Headers {
    return new Headers();
  }
  takeDecodedData(): null {
    return null;
  }
  takeEncodedData(): null {
    return null;
  }
  heldEncodedBytes(): number {
    return 0;
  }
  injectEncodedData(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}
  clearRouteCache(): void {}
  askForRoute(): null {
    return null;
  }
  recreateStream(): boolean {
    return false;
  }
}

function bodyData(buffer: Buffer): BodyData {
  return borrowed.set(buffer, 0, buffer.length, false);
}
const borrowed = new BodyData();
