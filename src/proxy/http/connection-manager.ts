// The HTTP connection manager: owns a downstream connection, its codec and streams, and the rules between them.
import type { ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import { H } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConnectionOwner, NetworkConnection } from '../network/filter.ts';
import type { MatchContext } from '../route/route.ts';
import { type ConnectionInfo, Flag } from '../stream-info.ts';
import type { ClientCertTexts } from './client-cert-header.ts';
import type { ResponseEncoder, ServerCodec } from './codec.ts';
import { couldBeHttp2, isHttp2 } from './codec-choice.ts';
import type { LocalReply } from './filter.ts';
import { mutateResponseHeaders } from './headers-policy.ts';
import { Http1ServerConnection } from './http1-server.ts';
import { Http2ServerConnection } from './http2-server.ts';
import { dropUnderscores } from './http1-request.ts';
import type { HttpConfig } from './http-config.ts';
import type { HttpManager } from './manager.ts';
import { PrematureResets } from './premature-resets.ts';
import { setProxyStatus } from './proxy-status.ts';
import { countStatus, type HttpScope } from './stats.ts';
import { HttpStream } from './stream.ts';
import { recordTimes, StreamList } from './stream-ends.ts';
import { checkTimes } from './stream-times.ts';
import { countTracing, decorateResponse } from './tracing.ts';

/** HTTP/1: 'draining' closes with the next answer. HTTP/2: 'draining' was announced, 'closing' takes no stream more. */
type DrainState = 'none' | 'draining' | 'closing';

export class HttpConnection implements ByteStreamHandler, ConnectionOwner {
  manager: HttpManager;
  config: HttpConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: HttpScope;
  readonly info: ConnectionInfo;
  readonly #connection: NetworkConnection;
  readonly #socket: ByteStream;
  /** Null until the first bytes say what is spoken. */
  #codec: ServerCodec | null = null;
  #isHttp2 = false;
  /** First bytes that may become HTTP/2's preface. */
  #undecided: Buffer | null = null;
  readonly #startMs: number;
  readonly streams = new StreamList();
  #requests = 0;
  #drainState: DrainState = 'none';
  /** HTTP/1: it has lasted long enough, and waits for a request to say so in the answer. */
  #endsWithNextExchange = false;
  /** HTTP/1: the close need not wait for the client (it asked for it). */
  #clientWantsClose = false;
  #closedLocally = false;
  /** Serves all that may last too long here: armed late, it looks at every stream when it fires. */
  readonly #timer: Timer;
  #timerDueMs = 0;
  #idleSinceMs: number;
  #delayTimer: Timer | null = null;
  /** Bytes that had left when that timer was armed: a client that still reads gets more time. */
  #writtenAtDelay = 0;
  #durationTimer: Timer | null = null;
  #drainTimer: Timer | null = null;
  #prematureResets: PrematureResets | null = null;
  clientCert: ClientCertTexts | null = null;
  #upgrades = 0;
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
    this.#timer = this.clock.timer(onTimer, this);
    socket.handler = this;
    socket.setWatermarks(this.config.bufferLimitBytes);
    manager.connections.add(this);
    connection.owner = this;
    const { stats } = this;
    stats.inc(stats.i.downstream_cx_total);
    stats.inc(stats.i.downstream_cx_active);
    if (manager.isSecure) {
      stats.inc(stats.i.downstream_cx_ssl_total);
      stats.inc(stats.i.downstream_cx_ssl_active);
    }
    stats.set(stats.i.downstream_cx_rx_bytes_buffered, 0);
    if (this.config.idleTimeoutMs > 0) this.watch(this.#idleSinceMs + this.config.idleTimeoutMs);
    if (this.config.maxConnectionDurationMs > 0) {
      this.#durationTimer = this.clock.timer(onMaxDuration, this);
      const { maxConnectionDurationMs, durationJitterPercent } = this.config;
      this.#durationTimer.arm(this.random.lengthened(maxConnectionDurationMs, durationJitterPercent));
    }
  }

  // ─── Before the protocol is known ───────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    let [buf, from, to] = [chunk, start, end];
    if (this.#undecided !== null) {
      buf = Buffer.concat([this.#undecided, chunk.subarray(start, end)]);
      [from, to] = [0, buf.length];
      this.#undecided = null;
    }
    const { codecType } = this.config;
    if (codecType === 'AUTO' && couldBeHttp2(this.info, buf, from, to)) {
      this.#undecided = Buffer.from(buf.subarray(from, to));
      return;
    }
    this.#isHttp2 = codecType === 'AUTO' ? isHttp2(this.info, buf, from, to) : codecType === 'HTTP2';
    const { stats } = this;
    let codec: ServerCodec;
    if (this.#isHttp2) {
      stats.inc(stats.i.downstream_cx_http2_total);
      stats.inc(stats.i.downstream_cx_http2_active);
      codec = new Http2ServerConnection(this.#socket, this);
    } else {
      stats.inc(stats.i.downstream_cx_http1_total);
      stats.inc(stats.i.downstream_cx_http1_active);
      codec = new Http1ServerConnection(this.#socket, this);
    }
    this.#codec = codec;
    this.#socket.handler = codec;
    codec.onData(buf, from, to);
  }

  onEnd(): void {
    this.closeSocket();
  }

  onDrain(): void {}

  onClose(reason: Failure | null): void {
    this.onCodecClosed(reason);
  }

  // ─── Streams ────────────────────────────────────────────────────────────────────────────────────────────────────

  newStream(encoder: ResponseEncoder): HttpStream {
    const { stats, config } = this;
    stats.inc(stats.i.downstream_rq_total);
    stats.inc(this.#isHttp2 ? stats.i.downstream_rq_http2_total : stats.i.downstream_rq_http1_total);
    stats.inc(stats.i.downstream_rq_active);
    const stream = this.#begin(encoder);
    this.#requests++;
    if (this.#endsWithNextExchange) this.#drainState = 'closing';
    if (config.maxRequestsPerConnection > 0 && this.#requests >= config.maxRequestsPerConnection) {
      stats.inc(stats.i.downstream_cx_max_requests_reached);
      this.startDrain();
    }
    return stream;
  }

  #begin(encoder: ResponseEncoder): HttpStream {
    const { config } = this;
    const stream = new HttpStream(this, encoder);
    stream.info.protocol = this.#isHttp2 ? 'HTTP/2' : 'HTTP/1.1';
    this.streams.add(stream);
    const now = this.clock.nowMs;
    if (stream.idleTimeoutMs > 0) this.watch(now + stream.idleTimeoutMs);
    if (config.requestTimeoutMs > 0) {
      stream.requestDueMs = now + config.requestTimeoutMs;
      this.watch(stream.requestDueMs);
    }
    if (config.maxStreamDurationMs > 0) this.limitDuration(stream, config.maxStreamDurationMs);
    if (config.logStages.intervalMs > 0) {
      stream.logDueMs = now + config.logStages.intervalMs;
      this.watch(stream.logDueMs);
    }
    return stream;
  }

  /** What filters may hold of one body. Source: Envoy: of an HTTP/2 stream that is its window. */
  get streamBufferBytes(): number {
    return this.#isHttp2 ? this.config.http2.wire.largestStreamWindow : this.config.bufferLimitBytes;
  }

  /**
   * Another version of its chain serves it from now on; what is in progress keeps its filters and its route. It goes on
   * counting where it has counted, for gauges go down where they went up.
   */
  moveTo(manager: HttpManager): void {
    this.manager.connections.delete(this);
    manager.connections.add(this);
    this.manager = manager;
    this.config = manager.config;
    if (this.config.idleTimeoutMs > 0) this.watch(this.#idleSinceMs + this.config.idleTimeoutMs);
  }

  /** Ends the stream after so long; 0 lifts the limit. */
  limitDuration(stream: HttpStream, ms: number): void {
    stream.durationDueMs = ms === 0 ? 0 : this.clock.nowMs + ms;
    if (ms > 0) this.watch(stream.durationDueMs);
  }

  /** An entry of a stream that goes on. */
  logStage(stream: HttpStream, type: string): void {
    const logs = this.config.accessLogs;
    stream.accessLogType = type;
    for (let i = 0; i < logs.length; i++) logs[i]?.log(stream);
    stream.accessLogType = 'NotSet';
  }

  /** The exchange starts over at another place: what it was so far is logged, and it counts as another request. */
  onRedirect(stream: HttpStream): void {
    const { stats, config } = this;
    stats.inc(stats.i.downstream_rq_total);
    stats.inc(this.#isHttp2 ? stats.i.downstream_rq_http2_total : stats.i.downstream_rq_http1_total);
    recordTimes(stream, stats, this.manager.resolutionStats);
    if (stream.info.isHealthCheck) this.manager.tracingStats.inc(this.manager.tracingStats.i.health_check);
    const logs = config.accessLogs;
    stream.beginEndLog();
    for (let i = 0; i < logs.length; i++) logs[i]?.log(stream);
  }

  /** For an exchange that starts over: it is one and the same in counts, logs and times. */
  replaceStream(before: HttpStream, encoder: ResponseEncoder): HttpStream {
    this.streams.remove(before);
    const stream = this.#begin(encoder);
    stream.info.startMs = before.info.startMs;
    stream.info.startWallMs = before.info.startWallMs;
    encoder.replaceStream(stream);
    return stream;
  }

  /** An HTTP/1 head: whether its connection ends with its answer, and whether the client wishes so. */
  onHttp1Head(willClose: boolean, clientWantsClose: boolean): void {
    this.#clientWantsClose = clientWantsClose;
    if (willClose) this.#drainState = 'closing';
  }

  countUpgrade(stream: HttpStream): void {
    const { stats } = this;
    stream.isUpgradeCounted = true;
    this.#upgrades++;
    stats.inc(stats.i.downstream_cx_upgrades_total);
    stats.inc(stats.i.downstream_cx_upgrades_active);
  }

  matchContext(stream: HttpStream): MatchContext {
    const { matchContext } = this.manager;
    matchContext.format = stream;
    return matchContext;
  }

  // ─── Responses ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The last changes to a response head before it is written. */
  finalizeResponse(stream: HttpStream, headers: Headers, endStream: boolean): void {
    const { config, stats } = this;
    mutateResponseHeaders(headers, config, stream.requestHeaders, stream.isUpgrade);
    if (config.proxyStatus !== null) {
      // Envoy notes that a request could not be read when it has answered.
      const flags = stream.isUnreadable ? stream.info.flags & ~Flag.DPE : stream.info.flags;
      setProxyStatus(headers, stream.info, flags, config.proxyStatus);
      stream.info.responseCode = headers.status;
    }
    if (!headers.mayHave(H.date) || !headers.has(H.date)) headers.add(H.date, this.manager.dateText());
    if (config.serverHeaderTransformation === 'OVERWRITE') headers.set(H.server, config.serverName);
    else if (config.serverHeaderTransformation === 'APPEND_IF_ABSENT' && !headers.has(H.server)) {
      headers.add(H.server, config.serverName);
    }
    const { drain } = this.manager;
    const isDrained = this.#drainState === 'none' && drain.isDraining && drain.shouldDrainClose();
    const isLast = this.#drainState === 'none' && stream.info.drainsConnection;
    if (this.#isHttp2) {
      if (!stream.isRequestComplete) stats.inc(stats.i.downstream_rq_response_before_rq_complete);
      if (isDrained) {
        stats.inc(stats.i.downstream_cx_drain_close);
        this.startDrain();
      } else if (isLast) this.startDrain();
    } else if (!isTunnel(stream, headers.status)) {
      if (!stream.isRequestComplete) {
        // Nobody will read the rest of this request.
        this.#drainState = 'closing';
        stats.inc(stats.i.downstream_rq_response_before_rq_complete);
      } else if (isDrained) {
        stats.inc(stats.i.downstream_cx_drain_close);
        this.#drainState = 'closing';
      } else if (isLast) this.#drainState = 'closing';
      this.#setConnectionField(stream, headers, endStream);
    } else if (isDrained) {
      stats.inc(stats.i.downstream_cx_drain_close);
      this.#drainState = 'closing';
    }
    if (config.tracing !== null) {
      decorateResponse(headers, stream.decoratedOperation, this.info);
      countTracing(stream.info, this.manager.tracingStats);
    }
    if (!stream.info.isHealthCheck) this.countStatus(headers.status);
  }

  /** HTTP/1.0 has no other end for a body of unknown length than the end of the connection. */
  #setConnectionField(stream: HttpStream, headers: Headers, endStream: boolean): void {
    const isHttp10 = stream.info.protocol === 'HTTP/1.0';
    if (isHttp10 && !endStream && !headers.has(H['content-length'])) this.#drainState = 'closing';
    if (this.#drainState !== 'none') headers.set(H.connection, 'close');
    else if (isHttp10) headers.set(H.connection, 'keep-alive');
  }

  countStatus(status: number): void {
    countStatus(status, this.stats, this.manager.listenerStats);
  }

  onLocalReply(stream: HttpStream, reply: LocalReply): void {
    if (this.#isHttp2) return;
    // A broken message leaves HTTP/1 without a place to go on from.
    if (reply.status === 400 && !this.config.streamErrorOnInvalidHttpMessage) this.#drainState = 'closing';
    if (!stream.hasHead) this.#drainState = 'closing';
  }

  onRequestTooLarge(): void {
    this.stats.inc(this.stats.i.downstream_rq_too_large);
  }

  // ─── Ends of streams ────────────────────────────────────────────────────────────────────────────────────────────

  onStreamEnd(stream: HttpStream): void {
    const { stats, config } = this;
    stats.dec(stats.i.downstream_rq_active);
    recordTimes(stream, stats, this.manager.resolutionStats);
    if (stream.info.isHealthCheck) this.manager.tracingStats.inc(this.manager.tracingStats.i.health_check);
    const isCutOff = !stream.isRequestComplete || !stream.isResponseComplete;
    if (isCutOff) stats.inc(stats.i.downstream_rq_rx_reset);
    this.streams.remove(stream);
    if (stream.isUpgradeCounted && this.#isHttp2) this.#upgradeEnds();
    const logs = config.accessLogs;
    stream.beginEndLog();
    for (let i = 0; i < logs.length; i++) logs[i]?.log(stream);
    this.#countBytes();
    if (this.#isHttp2) this.#afterHttp2Stream(stream, isCutOff);
  }

  #upgradeEnds(): void {
    this.#upgrades--;
    this.stats.dec(this.stats.i.downstream_cx_upgrades_active);
  }

  #afterHttp2Stream(stream: HttpStream, isCutOff: boolean): void {
    if (this.streams.first === null) {
      this.#idleSinceMs = this.clock.nowMs;
      if (this.config.idleTimeoutMs > 0) this.watch(this.#idleSinceMs + this.config.idleTimeoutMs);
    }
    this.#prematureResets ??= new PrematureResets(this.manager.runtime);
    if (!this.#prematureResets.isTooMany(stream.info, isCutOff) || this.#closedLocally) return;
    this.stats.inc(this.stats.i.downstream_rq_too_many_premature_resets);
    this.closeAtOnce('too_many_premature_resets');
  }

  /** HTTP/1: an exchange is over, and the connection free for the next. */
  onExchangeComplete(): void {
    this.#idleSinceMs = this.clock.nowMs;
    if (this.config.idleTimeoutMs > 0) this.watch(this.#idleSinceMs + this.config.idleTimeoutMs);
  }

  /** HTTP/1: after an exchange: whether the connection must go. */
  shouldClose(): boolean {
    return this.#drainState !== 'none';
  }

  /** Whether the close waits for the client to read the answer (delayed_close_timeout). */
  get needsDelayedClose(): boolean {
    return !this.#clientWantsClose;
  }

  // ─── The connection ─────────────────────────────────────────────────────────────────────────────────────────────

  onProtocolError(stream: HttpStream, reason: Failure): void {
    this.#countProtocolError();
    stream.onProtocolError(reason);
  }

  #countProtocolError(): void {
    this.stats.inc(this.stats.i.downstream_cx_protocol_error);
    if (this.#connection.isLogged) this.#connection.info.flags |= Flag.DPE;
  }

  /** HTTP/2: the client broke the protocol, or floods; its streams have been told, and GOAWAY is written. */
  onConnectionError(isFlood: boolean): void {
    if (!isFlood) this.#countProtocolError();
    this.#drainState = 'closing';
    this.closeDelayed();
  }

  /** Fields with underscores: true when the request is refused. */
  onUnderscores(headers: Headers): boolean {
    const codecStats = this.#isHttp2 ? this.manager.http2Stats() : this.manager.codecStats;
    if (this.config.headersWithUnderscores === 'REJECT_REQUEST') {
      codecStats.inc(codecStats.i.requests_rejected_with_underscores_in_headers);
      return true;
    }
    codecStats.add(codecStats.i.dropped_headers_with_underscores, dropUnderscores(headers));
    return false;
  }

  countHeadTimeout(): void {
    this.stats.inc(this.stats.i.downstream_rq_header_timeout);
  }

  /** HTTP/1: the head of the stream in progress did not come in time. */
  onHeadTimeout(stream: HttpStream): void {
    this.countHeadTimeout();
    this.#drainState = 'closing';
    stream.sendLocalReply({ status: 408, body: 'request header timeout', details: 'request_header_timeout' });
  }

  closeAtOnce(reason: string): void {
    this.#closedLocally = true;
    this.#codec?.stopReading();
    this.#connection.close('no-flush', reason);
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
    this.#timer.disarm();
    this.#delayTimer?.disarm();
    this.#durationTimer?.disarm();
    this.#drainTimer?.disarm();
    this.#countBytes();
    stats.dec(stats.i.downstream_cx_active);
    if (manager.isSecure) stats.dec(stats.i.downstream_cx_ssl_active);
    const codec = this.#codec;
    if (codec !== null) {
      stats.dec(this.#isHttp2 ? stats.i.downstream_cx_http2_active : stats.i.downstream_cx_http1_active);
    }
    while (this.#upgrades > 0) this.#upgradeEnds();
    if (this.#endsWithNextExchange) stats.dec(stats.i.downstream_cx_http1_soft_drain);
    stats.inc(stats.i.downstream_cx_destroy);
    const isLocal = this.#closedLocally || codec?.closedLocally === true;
    stats.inc(isLocal ? stats.i.downstream_cx_destroy_local : stats.i.downstream_cx_destroy_remote);
    stats.record(stats.i.downstream_cx_length_ms, Math.round(this.clock.nowMs - this.#startMs));
    if (this.#connection.isLogged && codec !== null) {
      this.#connection.info.protocol = this.#isHttp2 ? 'HTTP/2' : 'HTTP/1.1';
    }
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

  /** Makes sure that the timer fires at `dueMs`, or before. */
  watch(dueMs: number): void {
    const timer = this.#timer;
    if (timer.isArmed && this.#timerDueMs <= dueMs) return;
    this.#timerDueMs = dueMs;
    timer.arm(dueMs - this.clock.nowMs);
  }

  onTimer(): void {
    const now = this.clock.nowMs;
    let stream = this.streams.first;
    if (stream === null) {
      this.#checkIdle(now);
      return;
    }
    while (stream !== null) {
      const { next }: HttpStream = stream;
      const due = checkTimes(stream, now, this.stats);
      if (due > 0) this.watch(due);
      stream = next;
    }
  }

  #checkIdle(now: number): void {
    const { idleTimeoutMs } = this.config;
    if (idleTimeoutMs === 0) return;
    const due = this.#idleSinceMs + idleTimeoutMs;
    if (due > now) {
      this.watch(due);
      return;
    }
    this.stats.inc(this.stats.i.downstream_cx_idle_timeout);
    this.#startDrainSequence();
  }

  /** The next answer is the last: HTTP/1 says so with it, HTTP/2 now and once more when drain_timeout is over. */
  startDrain(): void {
    if (this.#isHttp2) this.#startDrainSequence();
    else this.#drainState = 'closing';
  }

  /**
   * The connection has lasted long enough: it ends now if it never spoke, else after drain_timeout or with its next
   * answer. Source: Envoy ConnectionManagerImpl::startDrainSequence.
   */
  #startDrainSequence(): void {
    if (this.#codec === null) {
      this.drainNow();
      return;
    }
    if (this.#drainState !== 'none') return;
    this.#drainState = 'draining';
    this.#codec.announceShutdown();
    this.#drainTimer ??= this.clock.timer(onDrainTimeout, this);
    this.#drainTimer.arm(this.random.lengthened(this.config.drainTimeoutMs, this.config.drainJitterPercent));
  }

  onDrainTimeout(): void {
    if (this.#isHttp2) {
      this.#drainState = 'closing';
      this.#codec?.closeWhenIdle();
    } else if (this.streams.first === null) this.drainNow();
  }

  onMaxDuration(): void {
    this.stats.inc(this.stats.i.downstream_cx_max_duration_reached);
    const waits = this.config.endsWithNextExchange && this.#codec !== null && !this.#isHttp2;
    if (!waits) this.#startDrainSequence();
    else if (this.#drainState === 'none') {
      this.#endsWithNextExchange = true;
      this.stats.inc(this.stats.i.downstream_cx_http1_soft_drain);
    }
  }

  /** The process or the listener goes away: ends idle connections now, others after their exchange. */
  drainNow(): void {
    this.#drainState = 'closing';
    const codec = this.#codec;
    if (codec !== null && (this.#isHttp2 || this.streams.first === null)) {
      this.#closedLocally ||= this.streams.first === null;
      codec.closeWhenIdle();
    } else if (codec === null) {
      this.#closedLocally = true;
      this.closeSocket();
    }
  }
}

const onTimer = (connection: HttpConnection): void => connection.onTimer();
const onDelayedClose = (connection: HttpConnection): void => connection.onDelayedCloseTimeout();
const onMaxDuration = (connection: HttpConnection): void => connection.onMaxDuration();
const onDrainTimeout = (connection: HttpConnection): void => connection.onDrainTimeout();

/**
 * Whether what follows that answer is HTTP no more, so that its head says nothing of the connection. Any 2xx opens a
 * CONNECT's tunnel, but Envoy's HeaderUtility::isConnectResponse knows 200 alone.
 */
function isTunnel({ encoder }: HttpStream, status: number): boolean {
  return (status === 101 || status === 200) && encoder.isTunnelAnswer(status);
}
