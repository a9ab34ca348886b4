// The exchanges of a downstream HTTP/2 connection: each is a stream of the wire below and one of filters above.
import type { Timer } from '../../base/clock.ts';
import { type Failure, failure } from '../../base/failure.ts';
import type { Headers } from '../../wire/headers.ts';
import type { Http2Events } from '../../wire/http2/events.ts';
import type { Http2Counter } from '../../wire/http2/flood-guard.ts';
import { ERROR } from '../../wire/http2/frames/constants.ts';
import type { Http2Stream } from '../../wire/http2/stream.ts';
import { isExtendedConnect, requestFromConnect } from '../../wire/http2/upgrade.ts';
import { countHttp2 } from '../codec/http2-stats.ts';
import { BodyData } from './filter.ts';
import { hasUnderscores } from './http1-request.ts';
import { Http2Exchange } from './http2-exchange.ts';
import type { Http2ServerConnection } from './http2-server.ts';
import type { HttpStream } from './stream.ts';

/** Envoy logs what it refuses for a limit or a rule of the configuration as a reset. */
const UNDERSCORE = failure('downstream_reset', 'downstream', 'stream', 'http2.unexpected_underscore');

type Wire = Http2Stream<Http2Exchange>;

export class Http2Streams implements Http2Events<Http2Exchange> {
  readonly #connection: Http2ServerConnection;
  readonly #data = new BodyData();
  /** Their answers were given before all of the request was read; each stream at most once. */
  #cutShort: Http2Exchange[] = [];
  /** Answers that were given and have not left. */
  #flushing: Set<Http2Exchange> | null = null;
  #flushTimer: Timer | null = null;
  #flushTimerDueMs = 0;

  constructor(connection: Http2ServerConnection) {
    this.#connection = connection;
  }

  close(): void {
    this.#flushTimer?.disarm();
  }

  onOutput(): void {
    this.#connection.socket.announceTurnEnd();
  }

  // ─── Requests ───────────────────────────────────────────────────────────────────────────────────────────────────

  onHead(wire: Wire, headers: Headers, endStream: boolean): void {
    const { http2 } = this.#connection;
    const exchange = new Http2Exchange(this, http2, wire);
    const stream = this.#begin(exchange);
    if (this.#refusesUnderscores(headers)) {
      stream.onReset(UNDERSCORE);
      http2.resetStream(wire, ERROR.internal);
      return;
    }
    if (headers.method === 'CONNECT') {
      exchange.isUpgradeRequest = true;
      if (isExtendedConnect(headers)) exchange.upgrade = requestFromConnect(headers);
    }
    stream.decodeHeaders(headers, endStream);
  }

  #refusesUnderscores(headers: Headers): boolean {
    const { owner } = this.#connection;
    return owner.config.headersWithUnderscores !== 'ALLOW' && hasUnderscores(headers) && owner.onUnderscores(headers);
  }

  #begin(exchange: Http2Exchange): HttpStream {
    const { owner, stats } = this.#connection;
    const stream = owner.newStream(exchange);
    exchange.wire.user = exchange;
    exchange.stream = stream;
    stats.inc(stats.i.streams_active);
    return stream;
  }

  onInterimHead(): void {}

  onRefused(wire: Wire, _headers: Headers, reason: Failure): void {
    this.#connection.noteFailure(reason);
    this.#begin(new Http2Exchange(this, this.#connection.http2, wire)).onReset(asReset(reason));
  }

  onData(wire: Wire, chunk: Buffer, start: number, end: number, endStream: boolean): void {
    const exchange = wire.user as Http2Exchange;
    const { stream } = exchange;
    if (stream !== null) {
      const data = this.#data;
      data.buffer = chunk;
      data.start = start;
      data.end = end;
      data.owned = false;
      stream.decodeData(data, endStream);
    }
    // Whoever is slow keeps the credit until it reads on.
    if (exchange.pauses === 0) this.#connection.http2.returnCredit(wire, end - start);
  }

  onTrailers(wire: Wire, trailers: Headers): void {
    const stream = wire.user?.stream;
    if (stream === null || stream === undefined) return;
    if (this.#refusesUnderscores(trailers)) {
      stream.onReset(UNDERSCORE);
      this.#connection.http2.resetStream(wire, ERROR.internal);
    } else stream.decodeTrailers(trailers);
  }

  onReset(wire: Wire, reason: Failure, code: number): void {
    this.#connection.noteFailure(reason);
    // A client that resets because of the protocol has, as Envoy sees it, broken it.
    const isProtocol = code === ERROR.protocol && reason.code === 'downstream_reset' && reason.scope === 'stream';
    const told = isProtocol ? failure('bad_framing', 'downstream', 'stream', reason.detail) : asReset(reason);
    wire.user?.stream?.onReset(told);
  }

  onClosed(wire: Wire): void {
    const exchange = wire.user;
    if (exchange === null) return;
    const { stats, isClosing, socket } = this.#connection;
    this.#flushing?.delete(exchange);
    stats.dec(stats.i.streams_active);
    if (isClosing) socket.announceTurnEnd();
  }

  onAboveWatermark(wire: Wire): void {
    wire.user?.stream?.onAboveWatermark();
  }

  onBelowWatermark(wire: Wire): void {
    wire.user?.stream?.onBelowWatermark();
  }

  /** The rest of the request is not wanted; perhaps this turn brings it all the same. */
  cutShort(exchange: Http2Exchange): void {
    this.#cutShort.push(exchange);
  }

  /** RFC 9113 §8.1: resets what is cut short, once the whole answer has left. */
  onTurnEnd(): void {
    if (this.#cutShort.length === 0) return;
    const cut = this.#cutShort;
    this.#cutShort = [];
    for (const { wire, cutCode } of cut) {
      if (!wire.isClosed && !wire.isRemoteClosed) this.#connection.http2.resetAfterEnd(wire, cutCode);
    }
  }

  // ─── Answers that wait to leave ─────────────────────────────────────────────────────────────────────────────────

  /** The answer was given, and waits for the client to take it; 0: as long as that takes. */
  watchFlush(exchange: Http2Exchange, timeoutMs: number): void {
    const { clock } = this.#connection.owner;
    if (timeoutMs === 0) return;
    this.#flushing ??= new Set();
    this.#flushing.add(exchange);
    exchange.unsentBytes = exchange.wire.bufferedBytes;
    exchange.flushTimeoutMs = timeoutMs;
    exchange.flushDueMs = clock.nowMs + timeoutMs;
    this.#flushTimer ??= clock.timer(onFlushTimer, this);
    // Routes have time-outs of their own: the first that is due counts.
    if (!this.#flushTimer.isArmed || exchange.flushDueMs < this.#flushTimerDueMs) this.#armFlush(timeoutMs);
  }

  /** For the timer: gives up answers of which nothing has left for so long. */
  onFlushTimer(): void {
    const { http2, owner, stats } = this.#connection;
    const { nowMs } = owner.clock;
    let dueMs = Number.POSITIVE_INFINITY;
    for (const exchange of this.#flushing ?? []) {
      const { wire } = exchange;
      if (wire.bufferedBytes < exchange.unsentBytes) {
        exchange.unsentBytes = wire.bufferedBytes;
        exchange.flushDueMs = nowMs + exchange.flushTimeoutMs;
      } else if (exchange.flushDueMs <= nowMs) {
        stats.inc(stats.i.tx_flush_timeout);
        http2.resetStream(wire, ERROR.internal);
        continue;
      }
      dueMs = Math.min(dueMs, exchange.flushDueMs);
    }
    if (dueMs < Number.POSITIVE_INFINITY) this.#armFlush(dueMs - nowMs);
  }

  #armFlush(inMs: number): void {
    this.#flushTimerDueMs = this.#connection.owner.clock.nowMs + inMs;
    this.#flushTimer?.arm(inMs);
  }

  // ─── The connection ─────────────────────────────────────────────────────────────────────────────────────────────

  onGoaway(): void {}

  onSettings(): void {}

  onPingAck(): void {
    this.#connection.keepalive?.onAck();
  }

  onFailed(): void {
    this.#connection.hasFailed = true;
    this.#connection.socket.announceTurnEnd();
  }

  count(counter: Http2Counter): void {
    if (counter.endsWith('_flood')) this.#connection.isFlooded = true;
    countHttp2(this.#connection.stats, counter);
  }
}

function asReset(reason: Failure): Failure {
  if (reason.code !== 'headers_too_large' && reason.code !== 'too_many_headers') return reason;
  return failure('downstream_reset', 'downstream', 'stream', reason.detail);
}

function onFlushTimer(streams: Http2Streams): void {
  streams.onFlushTimer();
}
