// One HTTP exchange: a request on its way through the filters to the router, and the answer on its way back.
import type { Clock, Random } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import { H } from '../../wire/header-names.ts';
import { parseGrpcTimeout } from '../../wire/grpc/timeout.ts';
import { Headers } from '../../wire/headers.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import type { ForwardAction, Route } from '../route/route.ts';
import { Flag, StreamInfo } from '../stream-info.ts';
import type { RequestDecoder, ResponseEncoder } from './codec.ts';
import type { HttpConnection } from './connection-manager.ts';
import { BodyData, type DataStatus, type LocalReply, type TerminalStream } from './filter.ts';
import type { FilterChain } from './filter-chain.ts';
import { buildLocalReply, headersOnly, replyForFailure } from './local-reply.ts';
import type { RouteSlots } from './route-slots.ts';
import { Stop } from './stop.ts';

/** What a stream without a head has. */
const NO_HEADERS = new Headers();

// Life of a stream: new ─► decodeHeaders ─► (data, trailers, in both directions) ─► #finish (logged, destroyed)
//                      └─► sendLocalReply at any time before the response started ─► #finish
//                      └─► onReset (below) or resetStream (above) ─► #finish
export class HttpStream implements TerminalStream, RequestDecoder, FormatContext {
  readonly connection: HttpConnection;
  readonly chain: FilterChain;
  readonly info: StreamInfo;
  readonly slot: unknown[];
  #encoder: ResponseEncoder;

  /** Empty, and shared, until a head has been read. */
  requestHeaders: Headers = NO_HEADERS;
  responseHeaders: Headers | null = null;
  requestTrailers: Headers | null = null;
  responseTrailers: Headers | null = null;
  localReplyBody = '';
  readonly accessLogType = 'DownstreamEnd';

  #route: Route | null = null;
  #routeIsFresh = false;
  #slots: RouteSlots | null = null;

  isGrpc = false;
  isUpgrade = false;
  isDestroyed = false;
  /** The codec has handed over the end of the request. */
  isRequestComplete = false;
  isResponseStarted = false;
  /** The end of the response has gone to the codec. */
  isResponseComplete = false;
  /** A local reply has been made: what the request still brings goes nowhere. */
  #isAnswered = false;
  #isChainRunning = false;
  #isEncodingHeaders = false;
  #decodeStop: Stop | null = null;
  #encodeStop: Stop | null = null;
  #pendingDecoded: Buffer | null = null;
  #pendingEncoded: Buffer | null = null;
  #pauses = 0;
  #responsePauses = 0;
  #isAboveWatermark = false;
  responseWatermarks: TerminalStream['responseWatermarks'] = null;
  /** For the connection's activity timer. */
  lastActivityMs: number;
  idleTimeoutMs: number;

  constructor(connection: HttpConnection, encoder: ResponseEncoder) {
    this.connection = connection;
    this.#encoder = encoder;
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
  get bufferLimitBytes(): number {
    return this.connection.config.bufferLimitBytes;
  }

  // ─── Route ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get route(): Route | null {
    if (!this.#routeIsFresh) this.#findRoute();
    return this.#route;
  }

  /** The route as far as it has been looked for. */
  get resolvedRoute(): Route | null {
    return this.#route;
  }

  #findRoute(): void {
    this.#routeIsFresh = true;
    if (!this.hasHead) return;
    const table = this.connection.config.routes.current;
    const route = table === null ? null : table.match(this.requestHeaders, this.connection.matchContext(this));
    this.#route = route;
    this.#slots = null;
    if (route !== null) {
      this.info.routeName = route.name;
      this.info.virtualHostName = route.virtualHostName;
      this.info.clusterName = route.clusterName;
      this.info.routeMetadata = route.metadata;
      this.info.virtualHostMetadata = route.virtualHost.metadata;
      const idle = route.forward?.idleTimeoutMs;
      if (idle !== undefined) {
        this.idleTimeoutMs = idle;
        this.connection.watchActivity(this);
      }
      if (route.forward !== null) this.#limitDuration(route.forward);
    }
  }

  /** max_stream_duration of the route, or the gRPC deadline. Source: Envoy ActiveStream::refreshDurationTimeout. */
  #limitDuration(forward: ForwardAction): void {
    const fallbackMs = this.connection.config.maxStreamDurationMs;
    const { grpcTimeoutHeaderMaxMs, maxStreamDurationMs } = forward;
    let ms = maxStreamDurationMs ?? fallbackMs;
    const header = grpcTimeoutHeaderMaxMs === undefined ? undefined : this.requestHeaders.get(H['grpc-timeout']);
    const deadlineMs = parseGrpcTimeout(header);
    if (deadlineMs > 0 && grpcTimeoutHeaderMaxMs !== undefined) {
      ms = grpcTimeoutHeaderMaxMs > 0 ? Math.min(deadlineMs, grpcTimeoutHeaderMaxMs) : deadlineMs;
      ms = Math.max(1, ms - forward.grpcTimeoutHeaderOffsetMs);
    } else if (maxStreamDurationMs === undefined && fallbackMs === 0) return;
    const used = this.connection.clock.nowMs - this.info.startMs;
    this.connection.limitDuration(ms === 0 ? 0 : Math.max(1, ms - used));
  }

  clearRouteCache(): void {
    this.#routeIsFresh = false;
    this.#slots = null;
  }

  /** Per-route configuration and switches of the chain for the present route. */
  #routeSlots(): RouteSlots {
    const route = this.route;
    this.#slots ??= this.connection.routeSlots(route);
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

  #disabled(): readonly boolean[] | null {
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
    if (!this.connection.acceptRequest(this, headers)) return;
    this.#findRoute();
    if (this.isUpgrade && !this.connection.acceptUpgrade(this, this.#route)) return;
    this.#isChainRunning = true;
    this.#iterateDecodeHeaders(0, endStream);
  }

  decodeData(data: BodyData, endStream: boolean): void {
    const length = data.end - data.start;
    this.info.bytesReceived += length;
    this.info.downstreamWireBytesReceived += length;
    this.#active();
    if (endStream) this.#requestEnds();
    if (this.#isAnswered || this.isDestroyed) return;
    this.#iterateDecodeData(0, data, endStream);
  }

  decodeTrailers(trailers: Headers): void {
    this.requestTrailers = trailers;
    this.info.downstreamWireBytesReceived += trailers.wireBytes;
    this.#active();
    this.#requestEnds();
    if (this.#isAnswered || this.isDestroyed) return;
    this.#iterateDecodeTrailers(0, trailers);
  }

  #requestEnds(): void {
    this.isRequestComplete = true;
    this.info.lastDownstreamRxMs = this.connection.clock.nowMs;
    this.connection.onRequestComplete(this);
  }

  #active(): void {
    this.lastActivityMs = this.connection.clock.nowMs;
  }

  // ─── Decoder filters ────────────────────────────────────────────────────────────────────────────────────────────

  #iterateDecodeHeaders(from: number, endStream: boolean): void {
    const filters = this.chain.filters;
    const disabled = this.#disabled();
    let end = endStream;
    for (let i = from; i < filters.length; i++) {
      const filter = filters[i] as (typeof filters)[number];
      if (filter.decodeHeaders === undefined || (disabled !== null && disabled[i] === true)) continue;
      const status = filter.decodeHeaders(this, this.requestHeaders, end);
      if (this.#isAnswered || this.isDestroyed) return;
      if (this.#pendingDecoded !== null) end = false;
      if (status !== 'continue') {
        this.#decodeStop = new Stop(i, status, true, end);
        if (endStream) this.#decodeStop.ended = true;
        if (this.#decodeStop.pausesSender) this.pauseRequest();
        this.#takePendingDecoded(this.#decodeStop);
        return;
      }
      if (this.#pendingDecoded !== null && i + 1 < filters.length) {
        // The filter made a body out of a bare head: the rest of the chain sees headers and then data.
        const body = this.#pendingDecoded;
        this.#pendingDecoded = null;
        this.#iterateDecodeHeaders(i + 1, false);
        if (!this.#isAnswered && !this.isDestroyed) this.#iterateDecodeData(i + 1, new BodyData().set(body), endStream);
        return;
      }
    }
  }

  #iterateDecodeData(from: number, data: BodyData, endStream: boolean): void {
    const filters = this.chain.filters;
    const disabled = this.#disabled();
    let end = endStream;
    for (let i = from; i < filters.length; i++) {
      const stop = this.#decodeStop;
      if (stop !== null && stop.filter === i && stop.holdsAll) {
        this.#holdDecoded(stop, data, end);
        return;
      }
      const filter = filters[i] as (typeof filters)[number];
      const isOff = disabled !== null && disabled[i] === true;
      if (filter.decodeData === undefined || isOff) {
        if (stop !== null && stop.filter === i) {
          this.#holdDecoded(stop, data, end);
          return;
        }
        continue;
      }
      const status = filter.decodeData(this, data, end);
      if (this.#isAnswered || this.isDestroyed) return;
      if (status === 'continue') {
        if (this.#decodeStop === null || this.#decodeStop.filter !== i) continue;
        // The filter lets go: headers first, then what waited, then this.
        const waiting = this.#decodeStop;
        this.#decodeStop = null;
        if (waiting.pausesSender) this.resumeRequest();
        if (waiting.headersWait) this.#iterateDecodeHeaders(i + 1, false);
        if (this.#isAnswered || this.isDestroyed) return;
        const body = waiting.takeBody();
        if (body !== null) this.#iterateDecodeData(i + 1, new BodyData().set(body), false);
        if (this.#isAnswered || this.isDestroyed) return;
        end = endStream;
        continue;
      }
      this.#stopDecodeData(i, status, data, end);
      return;
    }
  }

  #stopDecodeData(i: number, status: DataStatus, data: BodyData, endStream: boolean): void {
    let stop = this.#decodeStop;
    if (stop === null || stop.filter !== i) {
      stop = new Stop(i, status, false, false);
      this.#decodeStop = stop;
      if (stop.pausesSender) this.pauseRequest();
    }
    if (status === 'stop-no-buffer') {
      if (endStream) stop.ended = true;
      return;
    }
    this.#holdDecoded(stop, data, endStream);
  }

  #holdDecoded(stop: Stop, data: BodyData, endStream: boolean): void {
    stop.keep(data);
    if (endStream) stop.ended = true;
    if (stop.bytes > this.bufferLimitBytes && !stop.pausesSender) {
      this.connection.onRequestTooLarge();
      this.sendLocalReply({
        status: 413,
        body: 'Payload Too Large',
        details: 'request_payload_too_large',
      });
    }
  }

  #iterateDecodeTrailers(from: number, trailers: Headers): void {
    const filters = this.chain.filters;
    const disabled = this.#disabled();
    for (let i = from; i < filters.length; i++) {
      const stop = this.#decodeStop;
      const filter = filters[i] as (typeof filters)[number];
      const isOff = disabled !== null && disabled[i] === true;
      if (stop !== null && stop.filter === i && (stop.holdsAll || filter.decodeTrailers === undefined)) {
        stop.trailers = trailers;
        return;
      }
      if (filter.decodeTrailers === undefined || isOff) continue;
      const status = filter.decodeTrailers(this, trailers);
      if (this.#isAnswered || this.isDestroyed) return;
      if (status === 'stop') {
        this.#decodeStop ??= new Stop(i, 'stop', false, false);
        this.#decodeStop.trailers = trailers;
        return;
      }
      if (stop !== null && stop.filter === i) {
        stop.trailers = trailers;
        this.continueDecoding();
        return;
      }
    }
  }

  continueDecoding(): void {
    const stop = this.#decodeStop;
    if (stop === null || this.isDestroyed || this.#isAnswered) return;
    this.#decodeStop = null;
    if (stop.pausesSender) this.resumeRequest();
    const next = stop.filter + 1;
    const body = stop.takeBody();
    const hasMore = body !== null || stop.trailers !== null;
    if (stop.headersWait) {
      this.#iterateDecodeHeaders(next, stop.ended && !hasMore);
      if (this.#isAnswered || this.isDestroyed) return;
      if (stop.ended && !hasMore) return;
    }
    const dataFrom = stop.holdsAll ? stop.filter : next;
    if (body !== null || (stop.ended && !stop.headersWait && stop.trailers === null)) {
      const data = new BodyData();
      if (body !== null) data.set(body);
      this.#iterateDecodeData(dataFrom, data, stop.ended && stop.trailers === null);
      if (this.#isAnswered || this.isDestroyed) return;
    }
    if (stop.trailers !== null) this.#iterateDecodeTrailers(dataFrom, stop.trailers);
  }

  addDecodedData(data: Buffer): void {
    if (this.#decodeStop !== null) {
      this.#decodeStop.chunks.push(data);
      this.#decodeStop.bytes += data.length;
      return;
    }
    this.#pendingDecoded = this.#pendingDecoded === null ? data : Buffer.concat([this.#pendingDecoded, data]);
  }

  #takePendingDecoded(stop: Stop): void {
    if (this.#pendingDecoded === null) return;
    stop.chunks.push(this.#pendingDecoded);
    stop.bytes += this.#pendingDecoded.length;
    this.#pendingDecoded = null;
  }

  pauseRequest(): void {
    if (this.#pauses++ === 0 && !this.isRequestComplete) {
      this.connection.stats.inc(this.connection.stats.i.downstream_flow_control_paused_reading_total);
    }
    this.#encoder.pauseReading();
  }

  resumeRequest(): void {
    if (this.#pauses === 0) return;
    if (--this.#pauses === 0 && !this.isRequestComplete) {
      this.connection.stats.inc(this.connection.stats.i.downstream_flow_control_resumed_reading_total);
    }
    this.#encoder.resumeReading();
  }

  // ─── Response: from the router or a local reply ─────────────────────────────────────────────────────────────────

  encode1xx(headers: Headers): void {
    if (this.isDestroyed || this.isResponseStarted) return;
    // Envoy passes on 100 alone, and that only when the proxy does not answer the expectation itself.
    if (headers.status !== 100 || !this.connection.config.proxy100Continue) return;
    for (const i of this.chain.encode1xx) this.chain.filters[i]?.encode1xx?.(this, headers);
    this.sendContinue(headers);
  }

  /** Sends 100 Continue, the proxy's own or the upstream's. */
  sendContinue(headers: Headers): void {
    this.connection.countStatus(headers.status);
    this.#encoder.encode1xx(headers);
  }

  encodeHeaders(headers: Headers, endStream: boolean): void {
    if (this.isDestroyed) return;
    this.#active();
    this.responseHeaders = headers;
    this.info.responseCode = headers.status;
    this.#iterateEncodeHeaders(0, headers, endStream);
  }

  #iterateEncodeHeaders(from: number, headers: Headers, endStream: boolean): void {
    const order = this.chain.encodeHeaders;
    if (from < order.length) {
      const disabled = this.#disabled();
      for (let position = from; position < order.length; position++) {
        const i = order[position] as number;
        if (disabled !== null && disabled[i] === true) continue;
        this.#isEncodingHeaders = true;
        const status = this.chain.filters[i]?.encodeHeaders?.(this, headers, endStream);
        this.#isEncodingHeaders = false;
        if (this.isDestroyed || this.responseHeaders !== headers) return;
        if (status !== undefined && status !== 'continue') {
          // Data phases count in their own order: remember the slot.
          this.#encodeStop = new Stop(i, status, true, endStream);
          this.#encodeStop.ended = endStream;
          if (this.#pendingEncoded !== null) {
            this.#encodeStop.chunks.push(this.#pendingEncoded);
            this.#pendingEncoded = null;
          }
          return;
        }
      }
    }
    if (this.#pendingEncoded !== null) {
      const body = this.#pendingEncoded;
      this.#pendingEncoded = null;
      this.#sendHeaders(headers, false);
      this.#sendData(new BodyData().set(body), endStream);
      return;
    }
    this.#sendHeaders(headers, endStream);
  }

  encodeData(data: BodyData, endStream: boolean): void {
    if (this.isDestroyed) return;
    this.#active();
    if (this.#encodeStop === null && this.chain.encodeData.length === 0) {
      this.#sendData(data, endStream);
      return;
    }
    this.#iterateEncodeData(this.chain.filters.length - 1, data, endStream);
  }

  /** From slot `from` down to 0. */
  #iterateEncodeData(from: number, data: BodyData, endStream: boolean): void {
    const disabled = this.#disabled();
    for (let i = from; i >= 0; i--) {
      const stop = this.#encodeStop;
      const filter = this.chain.filters[i];
      const isStopped = stop !== null && stop.filter === i;
      const isOff = filter?.encodeData === undefined || (disabled !== null && disabled[i] === true);
      if (isStopped && (stop.holdsAll || isOff)) {
        this.#holdEncoded(stop, data, endStream);
        return;
      }
      if (isOff) continue;
      const status = filter?.encodeData?.(this, data, endStream) ?? 'continue';
      if (this.isDestroyed) return;
      if (status === 'continue') {
        if (!isStopped) continue;
        this.#encodeStop = null;
        if (stop.headersWait) this.#continueEncodeHeaders(i, false);
        if (this.isDestroyed) return;
        const body = stop.takeBody();
        if (body !== null) this.#iterateEncodeData(i - 1, new BodyData().set(body), false);
        if (this.isDestroyed) return;
        continue;
      }
      const at = isStopped ? stop : new Stop(i, status, false, false);
      this.#encodeStop = at;
      if (status === 'stop-no-buffer') {
        if (endStream) at.ended = true;
      } else this.#holdEncoded(at, data, endStream);
      return;
    }
    this.#sendData(data, endStream);
  }

  #holdEncoded(stop: Stop, data: BodyData, endStream: boolean): void {
    stop.keep(data);
    if (endStream) stop.ended = true;
    if (stop.bytes <= this.bufferLimitBytes || stop.pausesSender) return;
    this.connection.stats.inc(this.connection.stats.i.rs_too_large);
    if (this.isResponseStarted) {
      this.resetStream('response_payload_too_large');
      return;
    }
    this.#encodeStop = null;
    this.sendLocalReply({ status: 500, body: 'Internal Server Error', details: 'response_payload_too_large' });
  }

  encodeTrailers(trailers: Headers): void {
    if (this.isDestroyed) return;
    this.#active();
    this.responseTrailers = trailers;
    this.#iterateEncodeTrailers(this.chain.filters.length - 1, trailers);
  }

  #iterateEncodeTrailers(from: number, trailers: Headers): void {
    const disabled = this.#disabled();
    for (let i = from; i >= 0; i--) {
      const stop = this.#encodeStop;
      const filter = this.chain.filters[i];
      const isOff = filter?.encodeTrailers === undefined || (disabled !== null && disabled[i] === true);
      if (stop !== null && stop.filter === i && (stop.holdsAll || isOff)) {
        stop.trailers = trailers;
        return;
      }
      if (isOff) continue;
      const status = filter?.encodeTrailers?.(this, trailers) ?? 'continue';
      if (this.isDestroyed) return;
      if (status === 'stop') {
        this.#encodeStop ??= new Stop(i, 'stop', false, false);
        this.#encodeStop.trailers = trailers;
        return;
      }
      if (stop !== null && stop.filter === i) {
        stop.trailers = trailers;
        this.continueEncoding();
        return;
      }
    }
    this.isResponseComplete = true;
    this.#encoder.encodeTrailers(trailers);
    this.#finish();
  }

  #continueEncodeHeaders(slot: number, endStream: boolean): void {
    const position = this.chain.encodeHeaders.indexOf(slot);
    this.#iterateEncodeHeaders(position + 1, this.responseHeaders as Headers, endStream);
  }

  continueEncoding(): void {
    const stop = this.#encodeStop;
    if (stop === null || this.isDestroyed) return;
    this.#encodeStop = null;
    const body = stop.takeBody();
    const hasMore = body !== null || stop.trailers !== null;
    if (stop.headersWait) {
      this.#continueEncodeHeaders(stop.filter, stop.ended && !hasMore);
      if (this.isDestroyed || (stop.ended && !hasMore)) return;
    }
    const dataFrom = stop.holdsAll ? stop.filter : stop.filter - 1;
    if (body !== null || (stop.ended && !stop.headersWait && stop.trailers === null)) {
      const data = new BodyData();
      if (body !== null) data.set(body);
      this.#iterateEncodeData(dataFrom, data, stop.ended && stop.trailers === null);
      if (this.isDestroyed) return;
    }
    if (stop.trailers !== null) this.#iterateEncodeTrailers(dataFrom, stop.trailers);
  }

  addEncodedData(data: Buffer): void {
    if (this.#encodeStop !== null) {
      this.#encodeStop.chunks.push(data);
      this.#encodeStop.bytes += data.length;
      return;
    }
    this.#pendingEncoded = this.#pendingEncoded === null ? data : Buffer.concat([this.#pendingEncoded, data]);
  }

  injectEncodedData(slot: number, data: Buffer, endStream: boolean): void {
    if (this.isDestroyed) return;
    const stop = this.#encodeStop;
    if (stop !== null && stop.filter === slot) this.#encodeStop = null;
    this.#iterateEncodeData(slot - 1, new BodyData().set(data), endStream);
    if (!endStream && !this.isDestroyed && stop !== null && this.#encodeStop === null) this.#encodeStop = stop;
  }

  pauseResponse(): void {
    if (this.#responsePauses++ === 0) this.responseWatermarks?.onAboveWatermark();
  }

  resumeResponse(): void {
    if (this.#responsePauses > 0 && --this.#responsePauses === 0) this.responseWatermarks?.onBelowWatermark();
  }

  // ─── Response: to the codec ─────────────────────────────────────────────────────────────────────────────────────

  #sendHeaders(headers: Headers, endStream: boolean): void {
    const info = this.info;
    info.responseCode = headers.status;
    info.firstDownstreamTxMs = this.connection.clock.nowMs;
    this.isResponseStarted = true;
    this.connection.finalizeResponse(this, headers, endStream);
    this.isResponseComplete = endStream;
    this.#encoder.encodeHeaders(headers, endStream);
    if (endStream) this.#finish();
  }

  #sendData(data: BodyData, endStream: boolean): void {
    const length = data.end - data.start;
    this.info.bytesSent += length;
    this.info.downstreamWireBytesSent += length;
    this.isResponseComplete = endStream;
    this.#encoder.encodeData(data, endStream);
    if (endStream) this.#finish();
  }

  /** Whether a request head was read at all. */
  get hasHead(): boolean {
    return this.requestHeaders !== NO_HEADERS;
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
    this.#isAnswered = true;
    const info = this.info;
    info.responseCodeDetails = reply.details;
    if (reply.flags !== undefined) info.flags |= reply.flags;
    this.connection.onLocalReply(this, reply);
    this.#encodeStop = null;
    const isHead = this.requestHeaders.method === 'HEAD';
    const direct = this.#isEncodingHeaders;
    if (reply.isHeadersOnly === true) {
      this.encodeHeaders(headersOnly(reply), true);
      return;
    }
    const { headers, body } = buildLocalReply(reply, this, this.connection.config);
    const endStream = body === '' || isHead;
    if (direct) {
      this.#sendHeaders(headers, endStream);
      if (!endStream) this.#sendData(new BodyData().set(Buffer.from(body, 'utf8')), true);
      return;
    }
    this.encodeHeaders(headers, endStream);
    if (!endStream) this.encodeData(new BodyData().set(Buffer.from(body, 'utf8')), true);
  }

  /** The codec could not make sense of the request: answers if nothing was sent, else ends the connection. */
  onProtocolError(reason: Failure): void {
    if (this.isResponseStarted) {
      this.info.flags |= Flag.DPE;
      this.resetStream(reason.detail);
    } else this.sendLocalReply(replyForFailure(reason));
  }

  resetStream(details: string): void {
    if (this.isDestroyed) return;
    if (this.info.responseCodeDetails === '' || this.isResponseStarted) this.info.responseCodeDetails = details;
    this.connection.stats.inc(this.connection.stats.i.downstream_rq_tx_reset);
    this.#encoder.resetStream();
    this.#finish();
  }

  onReset(reason: Failure): void {
    if (this.isDestroyed) return;
    this.connection.onStreamReset(this, reason);
    this.#finish();
  }

  recreateStream(): boolean {
    // Only a request that is complete and wholly held by the chain can start over.
    const stop = this.#decodeStop;
    if (!this.isRequestComplete || this.isResponseStarted || this.isDestroyed) return false;
    const body = stop === null ? null : stop.takeBody();
    const encoder = this.#encoder;
    const { requestHeaders, requestTrailers, connection } = this;
    this.isDestroyed = true;
    this.#destroyFilters();
    connection.onStreamEnd(this);
    const successor = connection.replaceStream(encoder, this);
    const hasMore = body !== null || requestTrailers !== null;
    successor.decodeHeaders(requestHeaders, !hasMore);
    if (body !== null) successor.decodeData(new BodyData().set(body), requestTrailers === null);
    if (requestTrailers !== null) successor.decodeTrailers(requestTrailers);
    return true;
  }

  #finish(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    const info = this.info;
    info.endMs = this.connection.clock.nowMs;
    info.lastDownstreamTxMs = info.endMs;
    this.#destroyFilters();
    this.connection.onStreamEnd(this);
    this.#encoder.finish();
  }

  #destroyFilters(): void {
    if (!this.#isChainRunning) return;
    for (const i of this.chain.onDestroy) this.chain.filters[i]?.onDestroy?.(this);
  }

  /** Whether the request is gRPC, from its content type. */
  static isGrpcRequest(headers: Headers): boolean {
    const type = headers.get(H['content-type']);
    return (
      type !== undefined &&
      type.startsWith('application/grpc') &&
      (type.length === 16 || type[16] === '+' || type[16] === ';')
    );
  }
}

const NONE: readonly unknown[] = Object.freeze([]);
