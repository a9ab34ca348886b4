// The HTTP/1 connections to one host at one priority: idle ones, connecting ones, and the requests that wait.
import type { Address, ByteStream } from '../../../base/byte-stream.ts';
import type { Clock, Timer } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import type { StreamCallbacks } from '../../http/codec.ts';
import type { Breaker } from '../circuit-breaker.ts';
import type { StreamRequest } from '../cluster.ts';
import type { ClusterConfig, UpstreamHttpConfig } from '../cluster-config.ts';
import { ACTIVE_OVERFLOW, CONNECT_TIMEOUT, PENDING_OVERFLOW } from '../failures.ts';
import type { HostCounts } from '../host.ts';
import { type ClusterScope, makeCodecStats } from '../stats.ts';
import { type ClientOwner, Http1Client } from './http1-client.ts';

export type Cancel = { cancel(): void };

export type DialOptions = { readonly localAddress?: Address; readonly keepAliveS?: number };

/** Opens connections: the socket engine, or a transport over it. The callback never runs inside `connect`. */
export type Dialer = {
  connect(
    address: Address,
    options: DialOptions,
    callback: (stream: ByteStream | null, failure: Failure | null) => void,
  ): Cancel;
};

/** What the pools of one cluster have in common. */
export type PoolContext = {
  readonly config: ClusterConfig;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly stats: ClusterScope;
};

/** Dials at most for one event, so that a recovered host is not flooded. Source: Envoy conn_pool_base.cc. */
const MAX_CONNECTS_AT_ONCE = 3;

/** A request that waits for a connection; a list, oldest first. */
class Pending implements StreamRequest {
  readonly pool: Http1Pool;
  readonly callbacks: StreamCallbacks;
  next: Pending | null = null;
  prev: Pending | null = null;
  isQueued = true;

  constructor(pool: Http1Pool, callbacks: StreamCallbacks) {
    this.pool = pool;
    this.callbacks = callbacks;
  }

  cancel(): void {
    this.pool.cancel(this);
  }
}

/** A connection on its way. */
class Dial {
  readonly pool: Http1Pool;
  readonly startedMs: number;
  handle: Cancel | null = null;
  timer: Timer | null = null;

  constructor(pool: Http1Pool, startedMs: number) {
    this.pool = pool;
    this.startedMs = startedMs;
  }
}

export class Http1Pool implements ClientOwner {
  readonly http: UpstreamHttpConfig;
  readonly stats: ClusterScope;
  readonly #context: PoolContext;
  readonly #address: Address;
  readonly #host: HostCounts;
  readonly #breaker: Breaker;
  /** The most recently used last. */
  readonly #idle: Http1Client[] = [];
  /** Idle and busy. */
  readonly #clients = new Set<Http1Client>();
  readonly #dials = new Set<Dial>();
  #first: Pending | null = null;
  #last: Pending | null = null;
  #pendingCount = 0;
  /** Removed from the pool while its failure is being told. */
  #purged: Pending | null = null;
  readonly #idleTimer: Timer;
  isDraining = false;
  /** Told when a draining pool has no connection left. */
  onDrained: (() => void) | null = null;

  constructor(context: PoolContext, address: Address, host: HostCounts, breaker: Breaker) {
    this.#context = context;
    this.#address = address;
    this.#host = host;
    this.#breaker = breaker;
    this.http = context.config.http;
    this.stats = context.stats;
    this.#idleTimer = context.clock.timer(closeIdle, this);
  }

  get connectionCount(): number {
    return this.#clients.size + this.#dials.size;
  }

  /** Null when the answer came during the call. */
  newStream(callbacks: StreamCallbacks): StreamRequest | null {
    const idle = this.#idle;
    if (idle.length > 0) {
      if (!this.#breaker.requests.canCreate) {
        this.#refuse(callbacks);
        return null;
      }
      this.#attach(idle.pop() as Http1Client, callbacks);
      return null;
    }
    const stats = this.stats;
    if (!this.#breaker.pending.canCreate) {
      stats.inc(stats.i.upstream_rq_pending_overflow);
      callbacks.onPoolFailure(PENDING_OVERFLOW);
      return null;
    }
    const pending = new Pending(this, callbacks);
    pending.prev = this.#last;
    if (this.#last === null) this.#first = pending;
    else this.#last.next = pending;
    this.#last = pending;
    this.#pendingCount++;
    this.#breaker.pending.inc();
    stats.inc(stats.i.upstream_rq_pending_total);
    stats.inc(stats.i.upstream_rq_pending_active);
    this.#host.rqPendingActive++;
    this.#connectMore();
    return pending;
  }

  #refuse(callbacks: StreamCallbacks): void {
    this.stats.inc(this.stats.i.upstream_rq_active_overflow);
    callbacks.onPoolFailure(ACTIVE_OVERFLOW);
  }

  cancel(pending: Pending): void {
    if (!pending.isQueued) return;
    this.#unlink(pending);
    this.stats.inc(this.stats.i.upstream_rq_cancelled);
    this.#checkDrained();
  }

  #unlink(pending: Pending): void {
    pending.isQueued = false;
    if (pending.prev !== null) pending.prev.next = pending.next;
    else if (this.#first === pending) this.#first = pending.next;
    else if (this.#purged === pending) this.#purged = pending.next;
    if (pending.next !== null) pending.next.prev = pending.prev;
    else if (this.#last === pending) this.#last = pending.prev;
    this.#pendingCount--;
    this.#breaker.pending.dec();
    this.stats.dec(this.stats.i.upstream_rq_pending_active);
    this.#host.rqPendingActive--;
  }

  /** `client` is in no list. */
  #attach(client: Http1Client, callbacks: StreamCallbacks): void {
    const stats = this.stats;
    const host = this.#host;
    client.isIdle = false;
    host.rqTotal++;
    host.rqActive++;
    stats.inc(stats.i.upstream_rq_total);
    stats.inc(stats.i.upstream_rq_active);
    this.#breaker.requests.inc();
    client.start(callbacks);
    const max = this.http.maxRequestsPerConnection;
    if (max > 0 && client.requestCount >= max) {
      stats.inc(stats.i.upstream_cx_max_requests);
      client.isDraining = true;
    }
    callbacks.onPoolReady(client);
  }

  #exchangeOver(): void {
    this.#host.rqActive--;
    this.stats.dec(this.stats.i.upstream_rq_active);
    this.#breaker.requests.dec();
  }

  // ─── Connections ────────────────────────────────────────────────────────────────────────────────────────────────

  /** As many connections as requests wait for, within the limits. */
  #connectMore(): void {
    for (let i = 0; i < MAX_CONNECTS_AT_ONCE; i++) {
      if (this.#pendingCount <= this.#dials.size) return;
      const stats = this.stats;
      const mayConnect =
        this.#breaker.connections.canCreate && this.#host.cxActive < this.#context.config.maxConnectionsPerHost;
      if (!mayConnect) {
        stats.inc(stats.i.upstream_cx_overflow);
        // One connection is always allowed, or nothing would ever serve what waits here.
        if (this.connectionCount > 0) return;
      }
      this.#connect();
      if (!mayConnect) return;
    }
  }

  #connect(): void {
    const { config, clock, dialer } = this.#context;
    const stats = this.stats;
    if (stats.value(stats.i.upstream_cx_total) === 0) makeCodecStats(stats);
    stats.inc(stats.i.upstream_cx_total);
    stats.set(stats.i.upstream_cx_rx_bytes_buffered, 0);
    stats.inc(stats.i.upstream_cx_http1_total);
    stats.inc(stats.i.upstream_cx_active);
    this.#host.cxTotal++;
    this.#host.cxActive++;
    this.#breaker.connections.inc();
    const dial = new Dial(this, clock.nowMs);
    this.#dials.add(dial);
    dial.timer = clock.timer(connectTimedOut, dial);
    dial.timer.arm(config.connectTimeoutMs);
    const options: { localAddress?: Address; keepAliveS?: number } = {};
    if (config.localAddress !== null) options.localAddress = config.localAddress;
    if (config.keepAliveS > 0) options.keepAliveS = config.keepAliveS;
    dial.handle = dialer.connect(this.#address, options, (stream, reason) => {
      if (stream !== null) this.#connected(dial, stream);
      else this.#connectFailed(dial, reason as Failure, 'remote');
    });
  }

  #connected(dial: Dial, stream: ByteStream): void {
    dial.timer?.disarm();
    if (!this.#dials.delete(dial)) {
      stream.destroy();
      return;
    }
    const { clock, config } = this.#context;
    const stats = this.stats;
    stats.record(stats.i.upstream_cx_connect_ms, Math.round(clock.nowMs - dial.startedMs));
    stream.setWatermarks(config.bufferLimitBytes);
    const client = new Http1Client(stream, this, dial.startedMs, clock.nowMs);
    const maxMs = this.http.maxConnectionDurationMs;
    if (maxMs > 0) {
      client.durationTimer = clock.timer(durationReached, { pool: this, client });
      client.durationTimer.arm(maxMs);
    }
    this.onReusable(client, true);
    this.onExchangeTold();
  }

  /** For the connect timer. */
  timedOut(dial: Dial): void {
    dial.handle?.cancel();
    this.stats.inc(this.stats.i.upstream_cx_connect_timeout);
    this.#connectFailed(dial, CONNECT_TIMEOUT, 'local');
  }

  #connectFailed(dial: Dial, reason: Failure, by: 'local' | 'remote'): void {
    dial.timer?.disarm();
    if (!this.#dials.delete(dial)) return;
    const stats = this.stats;
    stats.inc(stats.i.upstream_cx_connect_fail);
    this.#host.cxConnectFail++;
    this.#countClosed(dial.startedMs, by, false);
    // All that wait now fail; what they ask for anew meanwhile waits for another connection.
    this.#purged = this.#first;
    this.#first = null;
    this.#last = null;
    while (this.#purged !== null) {
      const pending: Pending = this.#purged;
      this.#unlink(pending);
      stats.inc(stats.i.upstream_rq_pending_failure_eject);
      pending.callbacks.onPoolFailure(reason);
    }
    this.#connectMore();
    this.#checkDrained();
  }

  #countClosed(startedMs: number, by: 'local' | 'remote', hadRequest: boolean): void {
    const stats = this.stats;
    const { i } = stats;
    stats.dec(i.upstream_cx_active);
    stats.inc(i.upstream_cx_destroy);
    stats.inc(by === 'local' ? i.upstream_cx_destroy_local : i.upstream_cx_destroy_remote);
    if (hadRequest) {
      stats.inc(i.upstream_cx_destroy_with_active_rq);
      const { upstream_cx_destroy_local_with_active_rq: local, upstream_cx_destroy_remote_with_active_rq: remote } = i;
      stats.inc(by === 'local' ? local : remote);
    }
    stats.record(i.upstream_cx_length_ms, Math.round(this.#context.clock.nowMs - startedMs));
    this.#host.cxActive--;
    this.#breaker.connections.dec();
  }

  // ─── What connections report ────────────────────────────────────────────────────────────────────────────────────

  onReusable(client: Http1Client, isNew = false): void {
    if (isNew) this.#clients.add(client);
    else this.#exchangeOver();
    client.isIdle = true;
    client.idleSinceMs = this.#context.clock.nowMs;
    this.#idle.push(client);
    const idleMs = this.http.idleTimeoutMs;
    if (idleMs > 0 && !this.#idleTimer.isArmed) this.#idleTimer.arm(idleMs);
  }

  onExchangeTold(): void {
    while (this.#first !== null && this.#idle.length > 0) {
      const pending: Pending = this.#first;
      this.#unlink(pending);
      if (!this.#breaker.requests.canCreate) this.#refuse(pending.callbacks);
      else this.#attach(this.#idle.pop() as Http1Client, pending.callbacks);
    }
    if (this.#first !== null) this.#connectMore();
    else if (this.isDraining) this.#closeAllIdle();
  }

  onClosed(client: Http1Client, by: 'local' | 'remote', hadRequest: boolean): void {
    this.#clients.delete(client);
    if (client.isIdle) this.#idle.splice(this.#idle.indexOf(client), 1);
    else this.#exchangeOver();
    this.#countClosed(client.connectStartMs, by, hadRequest);
    this.stats.record(this.stats.i.upstream_rq_per_cx, client.requestCount);
    if (this.#first !== null) this.#connectMore();
    this.#checkDrained();
  }

  /** For the idle timer: closes what has been idle too long; the stack's bottom is the oldest. */
  closeIdle(): void {
    const idleMs = this.http.idleTimeoutMs;
    const now = this.#context.clock.nowMs;
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
  drain(): void {
    this.isDraining = true;
    for (const client of this.#clients) client.isDraining = true;
    if (this.#first === null) this.#closeAllIdle();
    this.#checkDrained();
  }

  #closeAllIdle(): void {
    while (this.#idle.length > 0) (this.#idle[this.#idle.length - 1] as Http1Client).close();
  }

  #checkDrained(): void {
    if (!this.isDraining || this.connectionCount > 0 || this.#first !== null) return;
    this.#idleTimer.disarm();
    const told = this.onDrained;
    this.onDrained = null;
    told?.();
  }
}

function connectTimedOut(dial: Dial): void {
  dial.pool.timedOut(dial);
}

function closeIdle(pool: Http1Pool): void {
  pool.closeIdle();
}

function durationReached(owner: { pool: Http1Pool; client: Http1Client }): void {
  owner.pool.onDurationReached(owner.client);
}
