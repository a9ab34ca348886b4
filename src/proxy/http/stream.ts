// One HTTP exchange: a request on its way through the filters to the router, and the answer on its way back.
import type { Clock, Random } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import { H } from '../../wire/header-names.ts';
import { hasGrpcContentType } from '../../wire/grpc/request.ts';
import { grpcTimeout, readGrpcTimeout } from '../../wire/grpc/timeout.ts';
import { Headers } from '../../wire/headers.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import type { ForwardAction, Route } from '../route/route.ts';
import { Flag, StreamInfo } from '../stream-info.ts';
import type { RequestDecoder, ResponseEncoder } from './codec.ts';
import { acceptRequest, acceptTarget, acceptUpgrade } from './admission.ts';
import type { HttpConnection } from './connection-manager.ts';
import { BodyData, type LocalReply, type TerminalStream } from './filter.ts';
import type { FilterChain } from './filter-chain.ts';
import { FilterIteration } from './filter-iteration.ts';
import { buildLocalReply, headersOnly, replyForFailure } from './local-reply.ts';
import { type RouteSlots, routeSlotsOf } from './route-slots.ts';
import { noteReset } from './stream-ends.ts';
import { decideTracing, decorateRequest, type TracingConfig } from './tracing.ts';

/** What a stream without a head has. */
const NO_HEADERS = new Headers();

// Life of a stream: new ─► decodeHeaders ─► (data, trailers, in both directions) ─► #finish (logged, destroyed)
//                      └─► sendLocalReply at any time before the response started ─► #finish
//                      └─► onReset (below) or resetStream (above) ─► #finish
export class HttpStream extends FilterIteration implements TerminalStream, RequestDecoder, FormatContext {
  readonly connection: HttpConnection;
  chain: FilterChain;
  readonly info: StreamInfo;
  slot: unknown[];
  readonly encoder: ResponseEncoder;
  /** In the connection's list of those in progress. */
  next: HttpStream | null = null;
  previous: HttpStream | null = null;

  /** Empty, and shared, until a head has been read. */
  requestHeaders: Headers = NO_HEADERS;
  /** What it was before the router changed it, if it did and somebody may ask. */
  #askedHead: Headers | null = null;
  responseHeaders: Headers | null = null;
  requestTrailers: Headers | null = null;
  responseTrailers: Headers | null = null;
  localReplyBody = '';
  /** Of the logs that are being written; formats in headers know of none. */
  accessLogType = 'NotSet';

  #route: Route | null = null;
  #routeIsFresh = false;
  #slots: RouteSlots | null = null;
  /** By slot, for the route with which the chain began: another one later changes nothing. Undefined: it has not. */
  #disabled: readonly boolean[] | null | undefined = undefined;

  /** With record_route_resolution_stats: how often a route was looked for, and how long all that took. */
  routeResolutions = 0;
  routeResolutionMs = 0;

  #bufferLimitBytes: number | null = null;
  isGrpc = false;
  isUpgrade = false;
  /** The codec has handed over the end of the request. */
  isRequestComplete = false;
  isResponseStarted = false;
  /** What is answered is that the codec could not make sense of the request. */
  isUnreadable = false;
  /** The end of the response has gone to the codec. */
  isResponseComplete = false;
  #isChainRunning = false;
  #pauses = 0;
  #responsePauses = 0;
  #isAboveWatermark = false;
  responseWatermarks: TerminalStream['responseWatermarks'] = null;
  /** What the answer says of the operation's name; '' for nothing. */
  decoratedOperation = '';
  /** Counted as an upgrade of its connection. */
  isUpgradeCounted = false;
  /** For the connection's timer; times of the clock, 0 = none. */
  lastActivityMs: number;
  idleTimeoutMs: number;
  requestDueMs = 0;
  /** The next periodic entry of its access logs. */
  logDueMs = 0;
  /** Told behind the logs of a stream that is over. */
  afterLogs: TerminalStream['afterLogs'] = null;
  durationDueMs = 0;

  constructor(connection: HttpConnection, encoder: ResponseEncoder) {
    super();
    this.connection = connection;
    this.encoder = encoder;
    const { clock, config } = connection;
    this.chain = config.chain;
    this.slot = new Array(this.chain.filters.length);
    this.info = new StreamInfo(connection.info, clock.nowMs, clock.wallMs);
    this.lastActivityMs = clock.nowMs;
    this.idleTimeoutMs = config.streamIdleTimeoutMs;
  }

  get clock(): Clock {
    return this.connection.clock;
  }
  get random(): Random {
    return this.connection.random;
  }
  get isLocalReply(): boolean {
    return this.isAnswered;
  }
  get bufferLimitBytes(): number {
    return this.#bufferLimitBytes ?? this.connection.streamBufferBytes;
  }
  limitBuffer(bytes: number): void {
    this.#bufferLimitBytes = bytes;
  }

  get schemeMatchesUpstream(): boolean {
    return this.connection.config.schemeMatchesUpstream;
  }

  /** What follows is for the logs of its end, which know nothing of bodies of local replies, as in Envoy. */
  beginEndLog(): void {
    this.accessLogType = 'DownstreamEnd';
    this.localReplyBody = '';
  }

  // ─── Route ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get route(): Route | null {
    if (!this.#routeIsFresh) this.#findRoute();
    return this.#route;
  }

  #findRoute(): void {
    this.#routeIsFresh = true;
    if (!this.hasHead) return;
    const { config, clock } = this.connection;
    const table = config.routes.current;
    const startMs = config.recordsRouteResolution ? clock.preciseMs : 0;
    // Envoy’s routes match nothing without it: a request that is answered before it gets one has no route.
    const isForwarded = this.requestHeaders.has(H['x-forwarded-proto']);
    const route =
      table !== null && isForwarded ? table.match(this.requestHeaders, this.connection.matchContext(this)) : null;
    if (config.recordsRouteResolution) {
      this.routeResolutions++;
      this.routeResolutionMs += clock.preciseMs - startMs;
    }
    if (this.#route !== null) this.#forgetRoute();
    this.#route = route;
    this.#slots = null;
    if (route === null && table !== null) {
      const host = table.virtualHost(this.requestHeaders);
      if (host !== null) {
        this.info.virtualHostName = host.name;
        this.info.virtualHostMetadata = host.metadata;
      }
    }
    if (route !== null) {
      this.info.hasRoute = true;
      this.info.routeName = route.name;
      this.info.virtualHostName = route.virtualHostName;
      this.info.clusterName = this.#nameOf(route.clusterName);
      this.info.routeMetadata = route.metadata;
      this.info.virtualHostMetadata = route.virtualHost.metadata;
      const idle = route.forward?.idleTimeoutMs;
      if (idle !== undefined) {
        this.idleTimeoutMs = idle;
        if (idle > 0) this.connection.watch(this.lastActivityMs + idle);
      }
      if (route.forward !== null) this.#limitDuration(route.forward);
    }
  }

  /** How long an answer waits for the client to take it, 0: for ever. An idle time-out of the route changes nothing. */
  get flushTimeoutMs(): number {
    return this.#route?.forward?.flushTimeoutMs ?? this.connection.config.flushTimeoutMs;
  }

  /** Logs name a cluster only that there is. */
  #nameOf(cluster: string): string {
    return cluster === '' || this.connection.config.hasCluster?.(cluster) !== false ? cluster : '';
  }

  /** There was one, and now another is looked for. */
  #forgetRoute(): void {
    const { info } = this;
    info.routeName = info.virtualHostName = info.clusterName = info.clusterAltStatName = '';
    info.routeMetadata = info.virtualHostMetadata = null;
  }

  /**
   * max_stream_duration of the route, or the gRPC deadline; the upstream of a gRPC call is told of either.
   * Source: Envoy ActiveStream::refreshDurationTimeout.
   */
  #limitDuration(forward: ForwardAction): void {
    const { grpcTimeoutHeaderMaxMs: maxMs, maxStreamDurationMs } = forward;
    const { connection, requestHeaders } = this;
    let ms = maxMs === undefined ? null : readGrpcTimeout(requestHeaders.get(H['grpc-timeout']));
    if (ms === null) {
      const fallbackMs = connection.config.maxStreamDurationMs;
      if (maxStreamDurationMs === undefined && fallbackMs === 0) return;
      ms = maxStreamDurationMs ?? fallbackMs;
      if (ms === 0) {
        connection.limitDuration(this, 0);
        return;
      }
    } else {
      if (maxMs !== undefined && maxMs > 0) ms = Math.min(ms, maxMs);
      ms = Math.max(0, ms - forward.grpcTimeoutHeaderOffsetMs);
    }
    const tellsUpstream = forward.hasStreamDuration && hasGrpcContentType(requestHeaders);
    if (tellsUpstream) requestHeaders.set(H['grpc-timeout'], grpcTimeout(ms));
    connection.limitDuration(this, Math.max(1, ms - (connection.clock.nowMs - this.info.startMs)));
  }

  /** Before the first filter: the stream is an upgrade that has filters of its own. */
  useChain(chain: FilterChain): void {
    this.chain = chain;
    this.slot = new Array(chain.filters.length);
    this.#slots = null;
    this.#disabled = undefined;
  }

  askForRoute(told: (isThere: boolean) => void): (() => void) | null {
    return this.connection.config.routes.current?.onDemand?.ask(this.requestHeaders, told) ?? null;
  }

  clearRouteCache(): void {
    this.#routeIsFresh = false;
    this.#slots = null;
  }

  /** Per-route configuration and switches of the chain for the present route. */
  #routeSlots(): RouteSlots {
    const route = this.route;
    this.#slots ??= routeSlotsOf(this.chain, route);
    return this.#slots;
  }

  routeConfig(slot: number): unknown {
    const route = this.route;
    if (route === null || route.filterConfigs.size === 0) return null;
    return this.#routeSlots().mostSpecific[slot] ?? null;
  }

  routeConfigs(slot: number): readonly unknown[] {
    const route = this.route;
    if (route === null || route.filterConfigs.size === 0) return NONE;
    return this.#routeSlots().all[slot] ?? NONE;
  }

  protected override disabledFilters(): readonly boolean[] | null {
    if (this.#disabled === undefined) this.#disabled = this.#findDisabled();
    return this.#disabled;
  }

  #findDisabled(): readonly boolean[] | null {
    const route = this.#route;
    if (!this.chain.hasDisabledByDefault && (route === null || route.filterConfigs.size === 0)) return null;
    return this.#routeSlots().disabled;
  }

  // ─── Request: from the codec ────────────────────────────────────────────────────────────────────────────────────

  decodeHeaders(headers: Headers, endStream: boolean): void {
    this.requestHeaders = headers;
    this.isRequestComplete = endStream;
    const info = this.info;
    info.downstreamHeaderBytesReceived = headers.fieldBytes;
    info.downstreamWireBytesReceived = headers.wireBytes;
    if (endStream) info.lastDownstreamRxMs = info.startMs;
    if (!acceptRequest(this.connection, this, headers)) return;
    this.#findRoute();
    const { tracing } = this.connection.config;
    if (tracing !== null) this.#decideTracing(tracing);
    this.#enterChain(endStream);
  }

  #enterChain(endStream: boolean): void {
    const { connection } = this;
    if (connection.config.logStages.start) connection.logStage(this, 'DownstreamStart');
    if (this.isUpgrade && !acceptUpgrade(connection, this, this.#route)) return;
    if (connection.config.tracing !== null) {
      this.decoratedOperation = decorateRequest(this.requestHeaders, this.#route, connection.info);
    }
    this.#isChainRunning = true;
    this.iterateDecodeHeaders(0, endStream);
  }

  /** Begins anew with the request of another: what the edge does to a request was done to it. */
  #startOver(before: HttpStream, endStream: boolean): void {
    const { info } = this;
    this.requestHeaders = before.requestHeaders;
    // The codec has handed it over, whatever of its body is still on the way through the filters.
    this.isRequestComplete = true;
    this.isUpgrade = before.isUpgrade;
    this.isUpgradeCounted = before.isUpgradeCounted;
    this.isGrpc = before.isGrpc;
    info.protocol = before.info.protocol;
    info.remoteAddress = before.info.remoteAddress;
    info.requestId = before.info.requestId;
    info.traceReason = before.info.traceReason;
    info.downstreamHeaderBytesReceived = before.requestHeaders.fieldBytes;
    info.downstreamWireBytesReceived = before.requestHeaders.wireBytes;
    info.lastDownstreamRxMs = before.info.lastDownstreamRxMs;
    if (!acceptTarget(this.connection, this, this.requestHeaders)) return;
    this.#findRoute();
    this.#enterChain(endStream);
  }

  #decideTracing(tracing: TracingConfig): void {
    const { info, requestHeaders, connection } = this;
    info.traceReason = decideTracing(requestHeaders, tracing, this.#route, connection.manager.runtime, this.random);
    info.requestId = requestHeaders.get(H['x-request-id']) ?? '';
  }

  decodeData(data: BodyData, endStream: boolean): void {
    const length = data.end - data.start;
    this.info.bytesReceived += length;
    this.info.downstreamWireBytesReceived += length;
    this.#active();
    if (endStream) this.#requestEnds();
    if (this.isAnswered || this.isDestroyed) return;
    this.iterateDecodeData(0, data, endStream);
  }

  decodeTrailers(trailers: Headers): void {
    this.requestTrailers = trailers;
    this.info.downstreamWireBytesReceived += trailers.wireBytes;
    this.#active();
    this.#requestEnds();
    if (this.isAnswered || this.isDestroyed) return;
    this.iterateDecodeTrailers(0, trailers);
  }

  #requestEnds(): void {
    this.isRequestComplete = true;
    this.info.lastDownstreamRxMs = this.connection.clock.nowMs;
  }

  #active(): void {
    this.lastActivityMs = this.connection.clock.nowMs;
  }

  // ─── What the filters do to it ──────────────────────────────────────────────────────────────────────────────────

  protected override get self(): this {
    return this;
  }

  protected override requestTooLarge(): void {
    this.connection.onRequestTooLarge();
    this.sendLocalReply({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
  }

  protected override responseTooLarge(): void {
    this.connection.stats.inc(this.connection.stats.i.rs_too_large);
    if (this.isResponseStarted) this.resetStream('response_payload_too_large');
    else this.sendLocalReply({ status: 500, body: 'Internal Server Error', details: 'response_payload_too_large' });
  }

  pauseRequest(): void {
    if (this.#pauses++ === 0 && !this.isRequestComplete) {
      this.connection.stats.inc(this.connection.stats.i.downstream_flow_control_paused_reading_total);
    }
    this.encoder.pauseReading();
  }

  resumeRequest(): void {
    if (this.#pauses === 0) return;
    if (--this.#pauses === 0 && !this.isRequestComplete) {
      this.connection.stats.inc(this.connection.stats.i.downstream_flow_control_resumed_reading_total);
    }
    this.encoder.resumeReading();
  }

  // ─── Response: from the router or a local reply ─────────────────────────────────────────────────────────────────

  encode1xx(headers: Headers): void {
    if (this.isDestroyed || this.isAnswered || this.isResponseStarted) return;
    // Envoy passes on 100 alone, and that only when the proxy does not answer the expectation itself.
    if (headers.status !== 100 || !this.connection.config.proxy100Continue) return;
    for (const i of this.chain.encode1xx) this.chain.filters[i]?.encode1xx?.(this, headers);
    this.sendContinue(headers);
  }

  /** Sends 100 Continue, the proxy's own or the upstream's. */
  sendContinue(headers: Headers): void {
    this.connection.countStatus(headers.status);
    this.encoder.encode1xx(headers);
  }

  encodeHeaders(headers: Headers, endStream: boolean): void {
    // The router may not know yet that the request has been answered without it.
    if (!this.isAnswered) this.#respond(headers, endStream);
  }

  #respond(headers: Headers, endStream: boolean): void {
    if (this.isDestroyed) return;
    this.#active();
    this.responseHeaders = headers;
    this.info.responseCode = headers.status;
    try {
      this.iterateEncodeHeaders(0, headers, endStream);
    } catch (error) {
      this.strike();
      throw error;
    }
  }

  encodeData(data: BodyData, endStream: boolean): void {
    if (!this.isAnswered) this.#respondData(data, endStream);
  }

  #respondData(data: BodyData, endStream: boolean): void {
    if (this.isDestroyed) return;
    this.#active();
    if (this.isEncodingBare) {
      this.sendData(data, endStream);
      return;
    }
    try {
      this.iterateEncodeData(this.chain.filters.length - 1, data, endStream);
    } catch (error) {
      this.strike();
      throw error;
    }
  }

  encodeTrailers(trailers: Headers): void {
    if (this.isDestroyed || this.isAnswered) return;
    this.#active();
    this.responseTrailers = trailers;
    try {
      this.iterateEncodeTrailers(this.chain.filters.length - 1, trailers);
    } catch (error) {
      this.strike();
      throw error;
    }
  }

  /**
   * A bug came to light while another's entry was served (an upstream's, a timer's): what contains it there cannot
   * know this exchange, which would wait for ever.
   */
  protected override strike(): void {
    this.resetStream('internal_error');
  }

  pauseResponse(): void {
    if (this.#responsePauses++ === 0) this.responseWatermarks?.onAboveWatermark();
  }

  resumeResponse(): void {
    if (this.#responsePauses > 0 && --this.#responsePauses === 0) this.responseWatermarks?.onBelowWatermark();
  }

  // ─── Response: to the codec ─────────────────────────────────────────────────────────────────────────────────────

  protected override sendHeaders(headers: Headers, endStream: boolean): void {
    const info = this.info;
    info.responseCode = headers.status;
    info.firstDownstreamTxMs = this.connection.clock.nowMs;
    this.isResponseStarted = true;
    this.connection.finalizeResponse(this, headers, endStream);
    this.isResponseComplete = endStream;
    this.encoder.encodeHeaders(headers, endStream);
    if (this.isUpgrade && this.connection.config.logStages.tunnel && this.encoder.isTunnelAnswer(headers.status)) {
      this.connection.logStage(this, 'DownstreamTunnelSuccessfullyEstablished');
    }
    if (endStream) this.#finish();
  }

  protected override sendData(data: BodyData, endStream: boolean): void {
    const length = data.end - data.start;
    this.info.bytesSent += length;
    this.info.downstreamWireBytesSent += length;
    this.isResponseComplete = endStream;
    this.encoder.encodeData(data, endStream);
    if (endStream) this.#finish();
  }

  protected override sendTrailers(trailers: Headers): void {
    this.isResponseComplete = true;
    this.encoder.encodeTrailers(trailers);
    this.#finish();
  }

  /** Whether a request head was read at all. */
  get hasHead(): boolean {
    return this.requestHeaders !== NO_HEADERS;
  }

  mayIdle(): void {
    this.idleTimeoutMs = 0;
  }

  keepHead(): void {
    if (this.chain.guards.length > 0) this.#askedHead ??= this.requestHeaders.clone();
  }

  get headAsAsked(): Headers {
    return this.#askedHead ?? this.requestHeaders;
  }

  /** The codec wrote a head of so many bytes, so many of them in its fields. */
  onHeadSent(bytes: number, fieldBytes: number): void {
    this.info.downstreamHeaderBytesSent += fieldBytes;
    this.info.downstreamWireBytesSent += bytes;
  }

  onAboveWatermark(): void {
    if (this.#isAboveWatermark) return;
    this.#isAboveWatermark = true;
    this.pauseResponse();
  }

  onBelowWatermark(): void {
    if (!this.#isAboveWatermark) return;
    this.#isAboveWatermark = false;
    this.resumeResponse();
  }

  // ─── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  sendLocalReply(reply: LocalReply): void {
    if (this.isDestroyed) return;
    if (this.isResponseStarted) {
      this.resetStream(reply.details);
      return;
    }
    this.isAnswered = true;
    const info = this.info;
    info.responseCodeDetails = reply.details;
    if (reply.flags !== undefined) info.flags |= reply.flags;
    this.connection.onLocalReply(this, reply);
    this.dropHeldResponse();
    const isHead = this.requestHeaders.method === 'HEAD';
    // In place of a response that the filters have begun to see: not through them again (Envoy: sendDirectLocalReply).
    const direct = this.responseHeaders !== null;
    if (reply.isHeadersOnly === true) {
      this.#respond(headersOnly(reply), true);
      return;
    }
    const { headers, body } = buildLocalReply(reply, this, this.connection.config);
    const endStream = body === '' || isHead;
    if (direct) {
      this.responseHeaders = headers;
      this.sendHeaders(headers, endStream);
      if (!endStream) this.sendData(new BodyData().set(Buffer.from(body, 'utf8')), true);
      return;
    }
    this.#respond(headers, endStream);
    if (!endStream) this.#respondData(new BodyData().set(Buffer.from(body, 'utf8')), true);
  }

  /** The codec could not make sense of the request: answers if nothing was sent, else ends the connection. */
  onProtocolError(reason: Failure): void {
    if (this.isResponseStarted) {
      this.info.flags |= Flag.DPE;
      this.resetStream(reason.detail);
    } else {
      this.isUnreadable = true;
      this.sendLocalReply(replyForFailure(reason));
    }
  }

  /** An upgrade or CONNECT whose upstream could not be reached, or ended. */
  get isConnectFailure(): boolean {
    return this.isUpgrade && (this.info.flags & (Flag.UF | Flag.UC)) !== 0;
  }

  resetStream(details: string): void {
    if (this.isDestroyed) return;
    if (this.info.responseCodeDetails === null || this.isResponseStarted) this.info.responseCodeDetails = details;
    this.connection.stats.inc(this.connection.stats.i.downstream_rq_tx_reset);
    this.encoder.resetStream(this.isConnectFailure ? 'connect' : 'local');
    this.#finish();
  }

  onReset(reason: Failure): void {
    if (this.isDestroyed) return;
    noteReset(this.info, reason);
    this.#finish();
  }

  recreateStream(): boolean {
    // Only a request that is complete and wholly held by the chain can start over.
    if (!this.isRequestComplete || this.isResponseStarted || this.isDestroyed) return false;
    const { bytesReceived } = this.info;
    const body = this.takeHeldRequest(bytesReceived);
    if (body === null && bytesReceived > 0) return false;
    const { connection, encoder } = this;
    this.isDestroyed = true;
    encoder.tellBytes(this.info);
    this.destroyFilters();
    this.#handOver(connection.replaceStream(this, encoder), body === null ? [] : [body], this.requestTrailers);
    return true;
  }

  redirect(response: Headers, body: readonly Buffer[]): boolean {
    if (!this.isRequestComplete || this.isResponseStarted || this.isDestroyed) return false;
    const { connection, encoder, info } = this;
    this.responseHeaders = response;
    info.responseCode = response.status;
    info.responseCodeDetails = 'internal_redirect';
    this.isDestroyed = true;
    info.endMs = this.connection.clock.nowMs;
    info.lastDownstreamTxMs = info.endMs;
    encoder.tellBytes(info);
    this.destroyFilters();
    connection.onRedirect(this);
    const successor = connection.replaceStream(this, encoder);
    successor.info.bytesReceived = info.bytesReceived;
    for (const [key, object] of info.filterState ?? []) {
      if (object.lifeSpan !== 'filter-chain') (successor.info.filterState ??= new Map()).set(key, object);
    }
    // Source: Envoy ActiveStream::recreateStream.
    this.#handOver(successor, body, null);
    return true;
  }

  /** The request goes on with another. */
  #handOver(successor: HttpStream, body: readonly Buffer[], trailers: Headers | null): void {
    successor.#startOver(this, body.length === 0 && trailers === null);
    for (const [i, chunk] of body.entries()) {
      successor.decodeData(new BodyData().set(chunk), trailers === null && i === body.length - 1);
    }
    if (trailers !== null) successor.decodeTrailers(trailers);
  }

  #finish(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    const info = this.info;
    info.endMs = this.connection.clock.nowMs;
    info.lastDownstreamTxMs = info.endMs;
    // Filters that measure exchanges look at the sizes when they are destroyed.
    this.encoder.tellBytes(info);
    try {
      if (this.#isChainRunning) this.destroyFilters();
    } finally {
      this.connection.onStreamEnd(this);
      this.afterLogs?.afterLogs();
      this.encoder.finish();
    }
  }
}

const NONE: readonly unknown[] = Object.freeze([]);
