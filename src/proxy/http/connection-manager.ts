// The HTTP connection manager: owns a downstream connection, its codec and streams, and the rules between them.
import type { ByteStream } from '../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import { H } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { DrainDecision, NetworkConnection } from '../network/filter.ts';
import type { MatchContext, Route } from '../route/route.ts';
import { type ConnectionInfo, Flag } from '../stream-info.ts';
import { type ClientCertTexts, mutateClientCert } from './client-cert-header.ts';
import type { ResponseEncoder } from './codec.ts';
import type { LocalReply, Runtime } from './filter.ts';
import { mutateRequestHeaders, mutateResponseHeaders } from './headers-policy.ts';
import { continueHeaders, Http1ServerConnection } from './http1-server.ts';
import { dropUnderscores } from './http1-request.ts';
import type { HttpConfig } from './http-config.ts';
import { normalizeAuthority, normalizePath } from './path-policy.ts';
import { makeRouteSlots, type RouteSlots } from './route-slots.ts';
import type { Http1CodecScope, HttpScope, ListenerHttpScope } from './stats.ts';
import { HttpStream } from './stream.ts';

/** What all connections of one filter chain share. */
export type HttpManager = {
  readonly config: HttpConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: HttpScope;
  readonly listenerStats: ListenerHttpScope;
  readonly codecStats: Http1CodecScope;
  /** 'draining' once the listener or the process drains: connections close after their exchange. */
  readonly drain: DrainDecision;
  /** The Date header's value for now; one string per second. */
  dateText(): string;
  readonly isSecure: boolean;
  readonly routeSlotCache: WeakMap<Route, RouteSlots>;
  /** Live connections, for drain and shutdown. */
  readonly connections: Set<HttpConnection>;
};

export class HttpConnection {
  readonly manager: HttpManager;
  readonly config: HttpConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: HttpScope;
  readonly info: ConnectionInfo;
  readonly #connection: NetworkConnection;
  readonly #socket: ByteStream;
  readonly #codec: Http1ServerConnection;
  readonly #startMs: number;
  #stream: HttpStream | null = null;
  #requests = 0;
  /** The response in progress is the connection's last. */
  #isDraining = false;
  /** The close need not wait for the client (it asked for it). */
  #clientWantsClose = false;
  #closedLocally = false;
  readonly #activityTimer: Timer;
  #idleSinceMs: number;
  #delayTimer: Timer | null = null;
  /** Bytes that had left when that timer was armed: a client that still reads gets more time. */
  #writtenAtDelay = 0;
  #durationTimer: Timer | null = null;
  #drainTimer: Timer | null = null;
  #requestTimer: Timer | null = null;
  #streamDurationTimer: Timer | null = null;
  #matchContext: MatchContext | null = null;
  #clientCert: ClientCertTexts | null = null;
  #upgraded = false;
  #rxCounted = 0;
  #txCounted = 0;

  constructor(manager: HttpManager, connection: NetworkConnection) {
    const socket = connection.stream;
    this.#connection = connection;
    this.manager = manager;
    this.config = manager.config;
    this.clock = manager.clock;
    this.random = manager.random;
    this.stats = manager.stats;
    this.info = connection.connection;
    this.#socket = socket;
    this.#startMs = this.clock.nowMs;
    this.#idleSinceMs = this.clock.nowMs;
    this.#activityTimer = this.clock.timer(onActivity, this);
    this.#codec = new Http1ServerConnection(socket, this);
    socket.handler = this.#codec;
    socket.setWatermarks(this.config.bufferLimitBytes);
    manager.connections.add(this);
    const { stats } = this;
    stats.inc(stats.i.downstream_cx_total);
    stats.inc(stats.i.downstream_cx_active);
    if (manager.isSecure) {
      stats.inc(stats.i.downstream_cx_ssl_total);
      stats.inc(stats.i.downstream_cx_ssl_active);
    }
    stats.set(stats.i.downstream_cx_rx_bytes_buffered, 0);
    if (this.config.idleTimeoutMs > 0) this.#activityTimer.arm(this.config.idleTimeoutMs);
    if (this.config.maxConnectionDurationMs > 0) {
      this.#durationTimer = this.clock.timer(onMaxDuration, this);
      this.#durationTimer.arm(this.config.maxConnectionDurationMs);
    }
  }

  /** The first byte came, and it is not HTTP/2. */
  onCodecStart(): void {
    this.stats.inc(this.stats.i.downstream_cx_http1_total);
    this.stats.inc(this.stats.i.downstream_cx_http1_active);
  }

  // ─── Streams ────────────────────────────────────────────────────────────────────────────────────────────────────

  newStream(encoder: ResponseEncoder): HttpStream {
    const { stats, config } = this;
    stats.inc(stats.i.downstream_rq_total);
    stats.inc(stats.i.downstream_rq_http1_total);
    stats.inc(stats.i.downstream_rq_active);
    const stream = new HttpStream(this, encoder);
    stream.info.protocol = 'HTTP/1.1';
    this.#stream = stream;
    this.#requests++;
    if (config.maxRequestsPerConnection > 0 && this.#requests >= config.maxRequestsPerConnection) {
      stats.inc(stats.i.downstream_cx_max_requests_reached);
      this.#isDraining = true;
    }
    if (stream.idleTimeoutMs > 0) this.watchActivity(stream);
    if (config.requestTimeoutMs > 0) {
      this.#requestTimer ??= this.clock.timer(onRequestTimeout, this);
      this.#requestTimer.arm(config.requestTimeoutMs);
    }
    if (config.maxStreamDurationMs > 0) this.limitDuration(config.maxStreamDurationMs);
    return stream;
  }

  /** Ends the stream in progress after so long; 0 lifts the limit. */
  limitDuration(ms: number): void {
    if (ms === 0) {
      this.#streamDurationTimer?.disarm();
      return;
    }
    this.#streamDurationTimer ??= this.clock.timer(onStreamDuration, this);
    this.#streamDurationTimer.arm(ms);
  }

  replaceStream(encoder: ResponseEncoder, _old: HttpStream): HttpStream {
    const stream = new HttpStream(this, encoder);
    this.#codec.replaceStream(stream);
    this.stats.inc(this.stats.i.downstream_rq_total);
    this.stats.inc(this.stats.i.downstream_rq_active);
    this.#stream = stream;
    return stream;
  }

  /**
   * What every request passes before the filters; false when it has been answered already. Order as in Envoy's
   * ConnectionManagerImpl::ActiveStream::decodeHeaders.
   */
  acceptRequest(stream: HttpStream, headers: Headers): boolean {
    const { config, info } = this;
    const minor = this.#codec.minorVersion;
    stream.info.protocol = minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
    this.#clientWantsClose = this.#codec.clientWantsClose;
    if (this.#codec.willClose) this.#isDraining = true;
    if (headers.mayHave(H.expect) && !config.proxy100Continue) {
      if (headers.get(H.expect)?.toLowerCase() === '100-continue') {
        headers.remove(H.expect);
        stream.sendContinue(continueHeaders());
      }
    }
    if (minor === 0 && !headers.hasAuthority && config.http1.defaultHostForHttp10 !== '') {
      headers.authority = config.http1.defaultHostForHttp10;
      headers.hasAuthority = true;
    }
    if (!headers.hasAuthority) {
      stream.sendLocalReply({ status: 400, body: '', details: 'missing_host_header' });
      return false;
    }
    const path = headers.path;
    if (path !== '' && path.charCodeAt(0) !== 0x2f) {
      this.stats.inc(this.stats.i.downstream_rq_non_relative_path);
      stream.sendLocalReply({ status: 404, body: '', details: 'absolute_path_rejected' });
      return false;
    }
    if (!this.#normalize(stream, headers, path)) return false;
    stream.isUpgrade = this.#codec.isUpgradeRequest;
    const table = config.routes.current;
    stream.info.remoteAddress = mutateRequestHeaders(
      headers,
      config,
      info,
      this.random,
      stream.isUpgrade && headers.method !== 'CONNECT',
      table === null ? NO_NAMES : table.internalOnlyHeaders,
    );
    this.#clientCert = mutateClientCert(headers, config.clientCert, stream.info, this.#clientCert);
    if (headers.mayHave(H['x-request-id'])) stream.info.requestId = headers.get(H['x-request-id']) ?? '';
    stream.isGrpc = HttpStream.isGrpcRequest(headers);
    return true;
  }

  #normalize(stream: HttpStream, headers: Headers, path: string): boolean {
    const { config } = this;
    if (config.stripMatchingHostPort || config.stripAnyHostPort || config.stripTrailingHostDot) {
      headers.authority = normalizeAuthority(headers.authority, config, this.info.localAddress.port);
    }
    if (path.includes('#')) {
      this.stats.inc(this.stats.i.downstream_rq_failed_path_normalization);
      stream.sendLocalReply({ status: 400, body: '', details: 'path_normalization_failed' });
      return false;
    }
    if (!config.normalizePath && !config.mergeSlashes && config.escapedSlashes === 'KEEP_UNCHANGED') return true;
    const result = normalizePath(path, config);
    if (result.action === 'reject') {
      headers.path = result.path;
      this.stats.inc(this.stats.i.downstream_rq_failed_path_normalization);
      stream.sendLocalReply({ status: 400, body: '', details: 'path_normalization_failed' });
      return false;
    }
    headers.path = result.path;
    if (result.action === 'redirect') {
      this.stats.inc(this.stats.i.downstream_rq_redirected_with_normalized_path);
      stream.sendLocalReply({
        status: 307,
        body: '',
        details: 'path_normalization_failed',
        modifyHeaders: (reply) => reply.set(H.location, result.path),
      });
      return false;
    }
    return true;
  }

  /** Whether an upgrade (or CONNECT) is allowed here; answers 403 when it is not. */
  acceptUpgrade(stream: HttpStream, route: Route | null): boolean {
    const headers = stream.requestHeaders;
    if (headers.method === 'CONNECT') return true;
    const type = (headers.get(H.upgrade) ?? '').toLowerCase();
    const byRoute = route?.forward?.upgrades.get(type);
    const allowed = byRoute ?? this.config.upgrades.get(type) ?? false;
    if (allowed) {
      this.#upgraded = true;
      this.stats.inc(this.stats.i.downstream_cx_upgrades_total);
      this.stats.inc(this.stats.i.downstream_cx_upgrades_active);
      return true;
    }
    this.stats.inc(this.stats.i.downstream_rq_ws_on_non_ws_route);
    stream.sendLocalReply({ status: 403, body: '', details: 'upgrade_failed' });
    return false;
  }

  matchContext(stream: HttpStream): MatchContext {
    const context = this.#matchContext as { format: HttpStream } | null;
    if (context !== null) {
      context.format = stream;
      return this.#matchContext as MatchContext;
    }
    this.#matchContext = { random: this.random, runtime: this.manager.runtime, format: stream };
    return this.#matchContext;
  }

  routeSlots(route: Route | null): RouteSlots {
    if (route === null) return makeRouteSlots(this.config.chain, null);
    let slots = this.manager.routeSlotCache.get(route);
    if (slots === undefined) {
      slots = makeRouteSlots(this.config.chain, route);
      this.manager.routeSlotCache.set(route, slots);
    }
    return slots;
  }

  // ─── Responses ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The last changes to a response head before it is written. */
  finalizeResponse(stream: HttpStream, headers: Headers, endStream: boolean): void {
    const { config, stats } = this;
    mutateResponseHeaders(headers, config, stream.requestHeaders, stream.isUpgrade);
    if (!headers.mayHave(H.date) || !headers.has(H.date)) headers.add(H.date, this.manager.dateText());
    if (config.serverHeaderTransformation === 'OVERWRITE') headers.set(H.server, config.serverName);
    else if (config.serverHeaderTransformation === 'APPEND_IF_ABSENT' && !headers.has(H.server)) {
      headers.add(H.server, config.serverName);
    }
    const isTunnel = this.#codec.isTunnelAnswer(headers.status);
    if (!stream.isRequestComplete && !isTunnel) {
      // Nobody will read the rest of this request.
      this.#isDraining = true;
      stats.inc(stats.i.downstream_rq_response_before_rq_complete);
    } else if (!this.#isDraining && this.manager.drain.isDraining && this.manager.drain.shouldDrainClose()) {
      stats.inc(stats.i.downstream_cx_drain_close);
      this.#isDraining = true;
    }
    if (isTunnel) {
      // The connection is the stream's from here on.
    } else {
      // HTTP/1.0 has no other end for a body of unknown length than the end of the connection.
      const isHttp10 = stream.info.protocol === 'HTTP/1.0';
      if (isHttp10 && !endStream && !headers.has(H['content-length'])) this.#isDraining = true;
      if (this.#isDraining) headers.set(H.connection, 'close');
      else if (isHttp10) headers.set(H.connection, 'keep-alive');
    }
    this.countStatus(headers.status);
  }

  countStatus(status: number): void {
    const { stats } = this;
    const listener = this.manager.listenerStats;
    stats.inc(stats.i.downstream_rq_completed);
    listener.inc(listener.i.downstream_rq_completed);
    if (status >= 200 && status < 300) {
      stats.inc(stats.i.downstream_rq_2xx);
      listener.inc(listener.i.downstream_rq_2xx);
    } else if (status >= 300 && status < 400) {
      stats.inc(stats.i.downstream_rq_3xx);
      listener.inc(listener.i.downstream_rq_3xx);
    } else if (status >= 400 && status < 500) {
      stats.inc(stats.i.downstream_rq_4xx);
      listener.inc(listener.i.downstream_rq_4xx);
    } else if (status >= 500 && status < 600) {
      stats.inc(stats.i.downstream_rq_5xx);
      listener.inc(listener.i.downstream_rq_5xx);
    } else if (status < 200) {
      stats.inc(stats.i.downstream_rq_1xx);
      listener.inc(listener.i.downstream_rq_1xx);
    }
  }

  onHeadSent(bytes: number, fieldBytes: number): void {
    this.#stream?.onHeadSent(bytes, fieldBytes);
  }

  onLocalReply(stream: HttpStream, reply: LocalReply): void {
    // A broken message leaves HTTP/1 without a place to go on from.
    if (reply.status === 400 && !this.config.streamErrorOnInvalidHttpMessage) this.#isDraining = true;
    if (!stream.hasHead) this.#isDraining = true;
  }

  onRequestTooLarge(): void {
    this.stats.inc(this.stats.i.downstream_rq_too_large);
  }

  // ─── Ends of streams ────────────────────────────────────────────────────────────────────────────────────────────

  onRequestComplete(_stream: HttpStream): void {
    this.#requestTimer?.disarm();
  }

  onStreamReset(stream: HttpStream, reason: Failure): void {
    if (reason.code === 'downstream_closed' || reason.code === 'downstream_reset') {
      stream.info.flags |= Flag.DC;
      stream.info.responseCodeDetails = 'downstream_remote_disconnect';
    } else if (reason.code === 'drain' || reason.code === 'local_close') {
      stream.info.responseCodeDetails = reason.detail;
    } else {
      stream.info.flags |= Flag.DPE;
      stream.info.responseCodeDetails = reason.detail;
    }
  }

  onStreamEnd(stream: HttpStream): void {
    const { stats, config } = this;
    stats.dec(stats.i.downstream_rq_active);
    stats.record(stats.i.downstream_rq_time, Math.round(stream.info.endMs - stream.info.startMs));
    if (!stream.isRequestComplete || !stream.isResponseComplete) {
      stats.inc(stats.i.downstream_rq_rx_reset);
    }
    this.#stream = null;
    this.#requestTimer?.disarm();
    this.#streamDurationTimer?.disarm();
    const logs = config.accessLogs;
    for (let i = 0; i < logs.length; i++) logs[i]?.log(stream);
    this.#countBytes();
  }

  onExchangeComplete(): void {
    this.#idleSinceMs = this.clock.nowMs;
    if (this.config.idleTimeoutMs > 0 && !this.#activityTimer.isArmed) {
      this.#activityTimer.arm(this.config.idleTimeoutMs);
    }
  }

  /** After an exchange: whether the connection must go. */
  shouldClose(): boolean {
    return this.#isDraining;
  }

  /** Whether the close waits for the client to read the answer (delayed_close_timeout). */
  get needsDelayedClose(): boolean {
    return !this.#clientWantsClose;
  }

  // ─── The connection ─────────────────────────────────────────────────────────────────────────────────────────────

  onProtocolError(stream: HttpStream, reason: Failure): void {
    this.stats.inc(this.stats.i.downstream_cx_protocol_error);
    if (this.#connection.isLogged) this.#connection.info.flags |= Flag.DPE;
    stream.onProtocolError(reason);
  }

  /** Fields with underscores: true when the request is refused. */
  onUnderscores(headers: Headers): boolean {
    const { codecStats } = this.manager;
    if (this.config.headersWithUnderscores === 'REJECT_REQUEST') {
      codecStats.inc(codecStats.i.requests_rejected_with_underscores_in_headers);
      return true;
    }
    codecStats.add(codecStats.i.dropped_headers_with_underscores, dropUnderscores(headers));
    return false;
  }

  onHeadTimeout(stream: HttpStream): void {
    this.stats.inc(this.stats.i.downstream_rq_header_timeout);
    this.#isDraining = true;
    stream.sendLocalReply({ status: 408, body: 'request header timeout', details: 'request_header_timeout' });
  }

  /** Flushes, then waits for the client to close, delayed_close_timeout at most. */
  closeDelayed(): void {
    if (this.config.delayedCloseTimeoutMs === 0) {
      this.#closedLocally = true;
      this.closeSocket();
      return;
    }
    this.#armDelayTimer(this.config.delayedCloseTimeoutMs);
  }

  /** Closes once everything is written, which a client that does not read must not put off for ever. */
  closeSocket(): void {
    this.#socket.close();
    const { delayedCloseTimeoutMs, idleTimeoutMs } = this.config;
    if (this.#socket.bufferedBytes > 0) this.#armDelayTimer(delayedCloseTimeoutMs || idleTimeoutMs);
  }

  #armDelayTimer(ms: number): void {
    if (ms === 0) return;
    this.#writtenAtDelay = this.#socket.bytesWritten;
    this.#delayTimer ??= this.clock.timer(onDelayedClose, this);
    this.#delayTimer.arm(ms);
  }

  onDelayedCloseTimeout(): void {
    const socket = this.#socket;
    const isUnwritten = socket.bufferedBytes > 0;
    if (isUnwritten && socket.bytesWritten > this.#writtenAtDelay) {
      this.#armDelayTimer(this.config.delayedCloseTimeoutMs || this.config.idleTimeoutMs);
      return;
    }
    this.stats.inc(this.stats.i.downstream_cx_delayed_close_timeout);
    this.#closedLocally = true;
    this.#connection.close(isUnwritten ? 'no-flush' : 'flush', 'triggered_delayed_close_timeout');
  }

  onCodecClosed(reason: Failure | null): void {
    const { stats, manager } = this;
    manager.connections.delete(this);
    this.#activityTimer.disarm();
    this.#delayTimer?.disarm();
    this.#durationTimer?.disarm();
    this.#drainTimer?.disarm();
    this.#requestTimer?.disarm();
    this.#streamDurationTimer?.disarm();
    this.#countBytes();
    stats.dec(stats.i.downstream_cx_active);
    if (manager.isSecure) stats.dec(stats.i.downstream_cx_ssl_active);
    if (this.#codec.hasStarted) stats.dec(stats.i.downstream_cx_http1_active);
    if (this.#upgraded) stats.dec(stats.i.downstream_cx_upgrades_active);
    stats.inc(stats.i.downstream_cx_destroy);
    const isLocal = this.#closedLocally || this.#codec.closedLocally;
    stats.inc(isLocal ? stats.i.downstream_cx_destroy_local : stats.i.downstream_cx_destroy_remote);
    stats.record(stats.i.downstream_cx_length_ms, Math.round(this.clock.nowMs - this.#startMs));
    if (this.#connection.isLogged && this.#codec.hasStarted) this.#connection.info.protocol = 'HTTP/1.1';
    this.#connection.closed(reason);
  }

  /** The client left, or was made to leave, while an exchange was in progress. */
  onClosedInsideExchange(isLocal: boolean): void {
    const { stats } = this;
    stats.inc(stats.i.downstream_cx_destroy_active_rq);
    stats.inc(isLocal ? stats.i.downstream_cx_destroy_local_active_rq : stats.i.downstream_cx_destroy_remote_active_rq);
  }

  #countBytes(): void {
    const { stats } = this;
    const rx = this.#socket.bytesRead;
    const tx = this.#socket.bytesWritten;
    stats.add(stats.i.downstream_cx_rx_bytes_total, rx - this.#rxCounted);
    stats.add(stats.i.downstream_cx_tx_bytes_total, tx - this.#txCounted);
    this.#rxCounted = rx;
    this.#txCounted = tx;
  }

  // ─── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes sure that the activity timer fires no later than the stream's idle time-out. */
  watchActivity(stream: HttpStream): void {
    if (stream.idleTimeoutMs === 0) return;
    const timer = this.#activityTimer;
    if (timer.isArmed && this.clock.remainingMs(timer) <= stream.idleTimeoutMs) return;
    timer.arm(stream.idleTimeoutMs);
  }

  /** One timer serves all idle time-outs: it is armed late and looks at the time of the last activity. */
  onActivityTimer(): void {
    const now = this.clock.nowMs;
    const stream = this.#stream;
    if (stream !== null) {
      if (stream.idleTimeoutMs === 0) return;
      const left = stream.lastActivityMs + stream.idleTimeoutMs - now;
      if (left > 0) this.#activityTimer.arm(left);
      else this.#onStreamIdle(stream);
      return;
    }
    if (this.config.idleTimeoutMs === 0) return;
    const left = this.#idleSinceMs + this.config.idleTimeoutMs - now;
    if (left > 0) {
      this.#activityTimer.arm(left);
      return;
    }
    this.stats.inc(this.stats.i.downstream_cx_idle_timeout);
    this.#startDrain();
  }

  /**
   * The connection has lasted long enough: it ends now if it never spoke, else after drain_timeout or with its next
   * answer. Source: Envoy ConnectionManagerImpl::startDrainSequence.
   */
  #startDrain(): void {
    if (!this.#codec.hasStarted) {
      this.drainNow();
      return;
    }
    this.#isDraining = true;
    this.#drainTimer ??= this.clock.timer(onDrainTimeout, this);
    this.#drainTimer.arm(this.config.drainTimeoutMs);
  }

  onDrainTimeout(): void {
    if (this.#stream === null) this.drainNow();
  }

  #onStreamIdle(stream: HttpStream): void {
    this.stats.inc(this.stats.i.downstream_rq_idle_timeout);
    stream.info.flags |= Flag.SI;
    if (stream.isResponseStarted) {
      stream.resetStream('stream_idle_timeout');
      return;
    }
    const status = stream.isRequestComplete ? 504 : 408;
    stream.sendLocalReply({ status, body: 'stream timeout', details: 'stream_idle_timeout' });
  }

  onMaxDuration(): void {
    this.stats.inc(this.stats.i.downstream_cx_max_duration_reached);
    this.#startDrain();
  }

  onRequestTimeout(): void {
    const stream = this.#stream;
    if (stream === null || stream.isRequestComplete) return;
    this.stats.inc(this.stats.i.downstream_rq_timeout);
    stream.sendLocalReply({ status: 408, body: 'request timeout', details: 'request_overall_timeout' });
  }

  onStreamDuration(): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.stats.inc(this.stats.i.downstream_rq_max_duration_reached);
    if (stream.isResponseStarted) stream.resetStream('max_duration_timeout');
    else {
      const status = stream.isRequestComplete ? 504 : 408;
      const body = 'downstream duration timeout';
      stream.sendLocalReply({ status, body, details: 'max_duration_timeout', grpcStatus: DEADLINE_EXCEEDED });
    }
  }

  /** The process or the listener goes away: ends idle connections now, others after their exchange. */
  drainNow(): void {
    this.#isDraining = true;
    if (this.#stream === null) {
      this.#closedLocally = true;
      this.#codec.closeWhenIdle();
    }
  }
}

/** Source: gRPC status codes. */
const DEADLINE_EXCEEDED = 4;
const NO_NAMES: readonly string[] = [];

const onActivity = (connection: HttpConnection): void => connection.onActivityTimer();
const onDelayedClose = (connection: HttpConnection): void => connection.onDelayedCloseTimeout();
const onMaxDuration = (connection: HttpConnection): void => connection.onMaxDuration();
const onDrainTimeout = (connection: HttpConnection): void => connection.onDrainTimeout();
const onRequestTimeout = (connection: HttpConnection): void => connection.onRequestTimeout();
const onStreamDuration = (connection: HttpConnection): void => connection.onStreamDuration();
