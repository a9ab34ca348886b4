// The HTTP/1 connections to one host at one priority: idle ones, connecting ones, and the requests that wait.
import type { Address, ByteStream } from '../../../base/byte-stream.ts';
import type { Timer } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import type { StreamCallbacks } from '../../http/codec.ts';
import type { UpstreamSource } from '../../stream-info.ts';
import type { Breaker } from '../circuit-breaker.ts';
import type { ConnectTimes, StreamRequest } from '../cluster.ts';
import type { UpstreamHttpConfig } from '../cluster-config.ts';
import { ACTIVE_OVERFLOW } from '../failures.ts';
import type { HostCounts } from '../host.ts';
import { makeCodecStats } from '../stats.ts';
import { dialFrom, type DialOptions, DialingPool, type EndedBy, type Pending, type PoolContext } from './dialing.ts';
import { type ClientOwner, Http1Client } from './http1-client.ts';

export class Http1Pool extends DialingPool<StreamCallbacks> implements ClientOwner {
  readonly http: UpstreamHttpConfig;
  protected readonly source: DialOptions | null;
  /** The most recently used last. */
  readonly #idle: Http1Client[] = [];
  /** Idle and busy. */
  readonly #clients = new Set<Http1Client>();
  readonly #idleTimer: Timer;

  constructor(
    context: PoolContext,
    address: Address,
    host: HostCounts,
    breaker: Breaker,
    source: UpstreamSource | null = null,
  ) {
    super(context, address, host, breaker);
    this.source = dialFrom(source);
    this.http = context.config.http;
    this.preconnectRatio = context.config.preconnectRatio;
    this.#idleTimer = context.clock.timer(closeIdle, this);
  }

  protected get clientCount(): number {
    return this.#clients.size;
  }

  /** Null when the answer came during the call. */
  newStream(callbacks: StreamCallbacks): StreamRequest | null {
    const idle = this.#idle;
    if (idle.length === 0) return this.wait(callbacks);
    if (this.breaker.requests.canCreate) this.#attach(idle.pop() as Http1Client, callbacks);
    else this.refuse(callbacks);
    if (this.preconnectRatio > 1) this.connectMore();
    return null;
  }

  protected refuse(callbacks: StreamCallbacks): void {
    this.stats.inc(this.stats.i.upstream_rq_active_overflow);
    callbacks.onPoolFailure(ACTIVE_OVERFLOW);
  }

  protected tellFailure(callbacks: StreamCallbacks, reason: Failure): void {
    callbacks.onPoolFailure(reason);
  }

  /** `client` is in no list. */
  #attach(client: Http1Client, callbacks: StreamCallbacks): void {
    client.isIdle = false;
    this.exchangeStarts();
    client.start(callbacks);
    const max = this.http.maxRequestsPerConnection;
    if (max > 0 && client.requestCount >= max) {
      this.stats.inc(this.stats.i.upstream_cx_max_requests);
      client.isDraining = true;
    }
    callbacks.onPoolReady(client);
  }

  protected countConnection(): void {
    const stats = this.stats;
    if (stats.value(stats.i.upstream_cx_http1_total) === 0) makeCodecStats(stats);
    stats.inc(stats.i.upstream_cx_http1_total);
  }

  protected dialled(stream: ByteStream, times: ConnectTimes): void {
    const { clock, random } = this.context;
    const client = new Http1Client(stream, this, times);
    const { maxConnectionDurationMs: maxMs, durationJitterPercent } = this.http;
    if (maxMs > 0) {
      client.durationTimer = clock.timer(durationReached, { pool: this, client });
      client.durationTimer.arm(random.lengthened(maxMs, durationJitterPercent));
    }
    this.onReusable(client, true);
    this.onExchangeTold();
  }

  // ─── What connections report ────────────────────────────────────────────────────────────────────────────────────

  onReusable(client: Http1Client, isNew = false): void {
    if (isNew) this.#clients.add(client);
    else this.exchangeOver();
    client.isIdle = true;
    client.idleSinceMs = this.context.clock.nowMs;
    this.#idle.push(client);
    const idleMs = this.http.idleTimeoutMs;
    if (idleMs > 0 && !this.#idleTimer.isArmed) this.#idleTimer.arm(idleMs);
  }

  onExchangeTold(): void {
    while (this.first !== null && this.hasRoom) {
      const pending: Pending<StreamCallbacks> = this.first;
      this.unlink(pending);
      if (!this.breaker.requests.canCreate) this.refuse(pending.callbacks);
      else this.attachNext(pending.callbacks);
    }
    if (this.first !== null || this.preconnectRatio > 1) this.connectMore();
    if (this.first === null && this.isDraining) this.closeAllIdle();
  }

  /** Whether a connection can take an exchange now. */
  protected get hasRoom(): boolean {
    return this.#idle.length > 0;
  }

  protected override get freeStreams(): number {
    return this.#idle.length;
  }

  protected attachNext(callbacks: StreamCallbacks): void {
    this.#attach(this.#idle.pop() as Http1Client, callbacks);
  }

  onClosed(client: Http1Client, by: EndedBy, hadRequest: boolean): void {
    this.#clients.delete(client);
    if (client.isIdle) this.#idle.splice(this.#idle.indexOf(client), 1);
    else this.exchangeOver();
    this.countClosed(client.times.startMs, by, hadRequest);
    this.stats.record(this.stats.i.upstream_rq_per_cx, client.requestCount);
    if (this.first !== null) this.connectMore();
    this.checkDrained();
  }

  /** For the idle timer: closes what has been idle too long; the stack's bottom is the oldest. */
  closeIdle(): void {
    const idleMs = this.http.idleTimeoutMs;
    const now = this.context.clock.nowMs;
    const idle = this.#idle;
    while (idle.length > 0 && now - (idle[0] as Http1Client).idleSinceMs >= idleMs) {
      this.stats.inc(this.stats.i.upstream_cx_idle_timeout);
      (idle[0] as Http1Client).close();
    }
    if (idle.length > 0) this.#idleTimer.arm((idle[0] as Http1Client).idleSinceMs + idleMs - now);
  }

  /** For the duration timer. */
  onDurationReached(client: Http1Client): void {
    this.stats.inc(this.stats.i.upstream_cx_max_duration_reached);
    if (client.isIdle) client.close();
    else client.isDraining = true;
  }

  // ─── Drain ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends every connection as soon as its exchange is over; requests that wait are still served. */
  drain(onDrained: () => void): void {
    this.isDraining = true;
    this.onDrained = onDrained;
    for (const client of this.#clients) client.isDraining = true;
    if (this.first === null) this.closeAllIdle();
    this.checkDrained();
  }

  protected closeAllIdle(): void {
    while (this.#idle.length > 0) (this.#idle[this.#idle.length - 1] as Http1Client).close();
  }

  protected drained(): void {
    this.#idleTimer.disarm();
  }
}

function closeIdle(pool: Http1Pool): void {
  pool.closeIdle();
}

function durationReached(owner: { pool: Http1Pool; client: Http1Client }): void {
  owner.pool.onDurationReached(owner.client);
}
