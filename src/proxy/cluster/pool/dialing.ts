// What all pools of one host have in common: wishes that wait, dials under way, their limits and their statistics.
import type { Address, ByteStream } from '../../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import type { SocketOption } from '../../../net/engine.ts';
import { isBindFailure } from '../../../net/prepared-socket.ts';
import { dialTransparent, mark } from '../../../net/socket-options.ts';
import type { Http2CodecScope } from '../../codec/http2-stats.ts';
import type { Runtime } from '../../http/filter.ts';
import type { UpstreamSource } from '../../stream-info.ts';
import type { Breaker } from '../circuit-breaker.ts';
import type { StreamRequest } from '../cluster.ts';
import type { ConnectTimes } from '../cluster.ts';
import type { ClusterConfig } from '../cluster-config.ts';
import { CONNECT_TIMEOUT, PENDING_OVERFLOW } from '../failures.ts';
import type { HostCounts } from '../host.ts';
import type { ClusterScope } from '../stats.ts';
import { filterUpstream, type UpstreamFilter } from '../upstream-filter.ts';
import { dialHost } from './happy-eyeballs.ts';

export type Cancel = { cancel(): void };

export type DialOptions = {
  readonly localAddress?: Address;
  readonly keepAliveS?: number;
  readonly keepAliveIntervalS?: number;
  readonly keepAliveProbes?: number;
  /** What an internal listener gets to know. */
  readonly left?: unknown;
  readonly socketOptions?: readonly SocketOption[];
};

/** How a connection leaves that shows the address of the downstream peer; null: as the cluster's do. */
export function dialFrom(source: UpstreamSource | null): DialOptions | null {
  if (source === null) return null;
  const { address, isTransparent } = source;
  const socketOptions = isTransparent ? dialTransparent(address.family) : [];
  if (source.mark !== 0) socketOptions.push(mark(source.mark));
  return socketOptions.length === 0 ? { localAddress: address } : { localAddress: address, socketOptions };
}

/** Exactly one of the first two is not null. `socketMs`: when the socket stood; absent where that is now. */
export type DialCallback = (stream: ByteStream | null, failure: Failure | null, socketMs?: number) => void;

/** Opens connections: the socket engine, or a transport over it. The callback never runs inside `connect`. */
export type Dialer = {
  connect(address: Address, options: DialOptions, callback: DialCallback): Cancel;
};

/** What the pools of one cluster have in common. */
export type PoolContext = {
  readonly config: ClusterConfig;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: ClusterScope;
  /** Absent: there are none. */
  readonly filters?: readonly UpstreamFilter[];
  /** Made when first asked for. */
  readonly http2Stats: () => Http2CodecScope;
};

/** Who ended a connection. */
export type EndedBy = 'local' | 'remote';

/** Dials at most for one event, so that a recovered host is not flooded. Source: Envoy conn_pool_base.cc. */
const MAX_CONNECTS_AT_ONCE = 3;

/** A wish that waits for a connection; a list, oldest first. `C` is whom the pool tells. */
export class Pending<C> implements StreamRequest {
  readonly pool: DialingPool<C>;
  readonly callbacks: C;
  next: Pending<C> | null = null;
  prev: Pending<C> | null = null;
  isQueued = true;

  constructor(pool: DialingPool<C>, callbacks: C) {
    this.pool = pool;
    this.callbacks = callbacks;
  }

  cancel(): void {
    this.pool.cancel(this);
  }
}

/** A connection on its way. */
class Dial<C> {
  readonly pool: DialingPool<C>;
  readonly startedMs: number;
  handle: Cancel | null = null;
  timer: Timer | null = null;

  constructor(pool: DialingPool<C>, startedMs: number) {
    this.pool = pool;
    this.startedMs = startedMs;
  }
}

/**
 * The first connection that stands serves the oldest wish, whichever wish it was dialled for; a failed dial fails all
 * that wait. Source: Envoy ConnPoolImplBase.
 */
export abstract class DialingPool<C> {
  readonly stats: ClusterScope;
  isDraining = false;
  /** Told when a draining pool has no connection left. */
  onDrained: (() => void) | null = null;
  /** Told when a pool that does not drain has no connection left and no wish. */
  onEmpty: (() => void) | null = null;
  protected readonly context: PoolContext;
  protected readonly address: Address;
  protected readonly host: HostCounts;
  protected readonly breaker: Breaker;
  protected first: Pending<C> | null = null;
  readonly #dials = new Set<Dial<C>>();
  #last: Pending<C> | null = null;
  #pendingCount = 0;
  #active = 0;
  /** Removed from the pool while their failure is being told. */
  #purged: Pending<C> | null = null;

  constructor(context: PoolContext, address: Address, host: HostCounts, breaker: Breaker) {
    this.context = context;
    this.address = address;
    this.host = host;
    this.breaker = breaker;
    this.stats = context.stats;
  }

  /** Connections that stand. */
  protected abstract readonly clientCount: number;
  /** How this pool's dials differ from the cluster's. */
  protected abstract readonly source: DialOptions | null;
  /** How many wishes one dial is for. */
  protected get streamsPerDial(): number {
    return 1;
  }
  /** Exchanges that connections could take at once. */
  protected get freeStreams(): number {
    return 0;
  }
  /** How many streams there shall be room for, for each that there is; 1: nothing is dialled ahead. */
  protected preconnectRatio = 1;
  /** How many more wishes connections that stand will probably serve soon. */
  protected get promisedStreams(): number {
    return 0;
  }
  /** Counts a connection of the pool's protocol. */
  protected abstract countConnection(): void;
  /** A connection stands; the pool serves wishes with it. */
  protected abstract dialled(stream: ByteStream, times: ConnectTimes): void;
  protected abstract tellFailure(callbacks: C, reason: Failure): void;
  /** The last connection of a draining pool is gone. */
  protected abstract drained(): void;

  get connectionCount(): number {
    return this.clientCount + this.#dials.size;
  }

  /** Nothing is there, or under way. */
  get isEmpty(): boolean {
    return this.connectionCount === 0 && this.first === null;
  }

  // ─── Wishes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Queues a wish and dials; null when it was refused. */
  protected wait(callbacks: C): Pending<C> | null {
    const stats = this.stats;
    if (!this.breaker.pending.canCreate) {
      stats.inc(stats.i.upstream_rq_pending_overflow);
      this.tellFailure(callbacks, PENDING_OVERFLOW);
      return null;
    }
    const pending = new Pending(this, callbacks);
    pending.prev = this.#last;
    if (this.#last === null) this.first = pending;
    else this.#last.next = pending;
    this.#last = pending;
    this.#pendingCount++;
    this.breaker.pending.inc();
    stats.inc(stats.i.upstream_rq_pending_total);
    stats.inc(stats.i.upstream_rq_pending_active);
    this.host.rqPendingActive++;
    this.connectMore();
    return pending;
  }

  cancel(pending: Pending<C>): void {
    if (!pending.isQueued) return;
    this.unlink(pending);
    this.stats.inc(this.stats.i.upstream_rq_cancelled);
    this.cancelled();
    this.checkDrained();
  }

  /** A wish was given up; a dial that it was for goes on, or not. */
  protected cancelled(): void {}

  protected unlink(pending: Pending<C>): void {
    pending.isQueued = false;
    if (pending.prev !== null) pending.prev.next = pending.next;
    else if (this.first === pending) this.first = pending.next;
    else if (this.#purged === pending) this.#purged = pending.next;
    if (pending.next !== null) pending.next.prev = pending.prev;
    else if (this.#last === pending) this.#last = pending.prev;
    this.#pendingCount--;
    this.breaker.pending.dec();
    this.stats.dec(this.stats.i.upstream_rq_pending_active);
    this.host.rqPendingActive--;
  }

  /** A wish has its connection. */
  protected exchangeStarts(): void {
    const { stats, host } = this;
    this.#active++;
    host.rqTotal++;
    host.rqActive++;
    stats.inc(stats.i.upstream_rq_total);
    stats.inc(stats.i.upstream_rq_active);
    this.breaker.requests.inc();
  }

  protected exchangeOver(): void {
    this.#active--;
    this.host.rqActive--;
    this.stats.dec(this.stats.i.upstream_rq_active);
    this.breaker.requests.dec();
  }

  // ─── Dials ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Dials as many connections as wishes wait for, within the limits; `isAhead`: also some for wishes to come, if that
   * is configured. Source: Envoy ConnPoolImplBase::shouldConnect.
   */
  protected connectMore(isAhead = true): void {
    for (let i = 0; i < MAX_CONNECTS_AT_ONCE; i++) {
      if (!this.#needsMore(isAhead)) return;
      const stats = this.stats;
      const mayConnect =
        this.breaker.connections.canCreate && this.host.cxActive < this.context.config.maxConnectionsPerHost;
      if (!mayConnect) {
        stats.inc(stats.i.upstream_cx_overflow);
        // One connection is always allowed, or nothing would ever serve what waits here.
        if (this.connectionCount > 0) return;
      }
      this.#connect();
      if (!mayConnect) return;
    }
  }

  #needsMore(isAhead: boolean): boolean {
    const pending = this.#pendingCount;
    const coming = this.#dials.size * this.streamsPerDial + this.promisedStreams;
    if (pending > coming) return true;
    const ratio = this.preconnectRatio;
    if (ratio <= 1 || !isAhead || this.isDraining || !this.host.isHealthy) return false;
    return (pending + this.#active) * ratio > coming + this.freeStreams + this.#active;
  }

  #connect(): void {
    const { config, clock } = this.context;
    const stats = this.stats;
    stats.set(stats.i.upstream_cx_rx_bytes_buffered, 0);
    this.countConnection();
    stats.inc(stats.i.upstream_cx_total);
    stats.inc(stats.i.upstream_cx_active);
    this.host.cxTotal++;
    this.host.cxActive++;
    this.breaker.connections.inc();
    const dial = new Dial(this, clock.nowMs);
    this.#dials.add(dial);
    dial.timer = clock.timer(connectTimedOut, dial as Dial<unknown>);
    dial.timer.arm(config.connectTimeoutMs);
    dial.handle = dialHost(this.context, this.address, this.host, this.source, (stream, reason, socketMs) => {
      if (stream !== null) this.#connected(dial, stream, socketMs);
      else this.#refused(dial, reason as Failure);
    });
  }

  #connected(dial: Dial<C>, stream: ByteStream, socketMs: number | undefined): void {
    dial.timer?.disarm();
    if (!this.#dials.delete(dial)) {
      stream.destroy();
      return;
    }
    const stats = this.stats;
    const { nowMs } = this.context.clock;
    const { startedMs: startMs } = dial;
    stats.record(stats.i.upstream_cx_connect_ms, Math.round(nowMs - startMs));
    stream.setWatermarks(this.context.config.bufferLimitBytes);
    const { filters } = this.context;
    const filtered = filters === undefined ? stream : filterUpstream(stream, filters);
    this.dialled(filtered, { startMs, endMs: socketMs ?? nowMs, handshakeEndMs: stream.tls === null ? 0 : nowMs });
  }

  /** For the connect timer. */
  timedOut(dial: Dial<C>): void {
    dial.handle?.cancel();
    this.stats.inc(this.stats.i.upstream_cx_connect_timeout);
    this.#connectFailed(dial, CONNECT_TIMEOUT, 'local');
  }

  #refused(dial: Dial<C>, reason: Failure): void {
    if (isBindFailure(reason)) this.stats.inc(this.stats.i.bind_errors);
    this.#connectFailed(dial, reason, reason.side === 'local' ? 'local' : 'remote');
  }

  #connectFailed(dial: Dial<C>, reason: Failure, by: EndedBy): void {
    dial.timer?.disarm();
    if (!this.#dials.delete(dial)) return;
    const stats = this.stats;
    stats.inc(stats.i.upstream_cx_connect_fail);
    this.host.cxConnectFail++;
    this.countClosed(dial.startedMs, by, false);
    // All that wait now fail; what they ask for anew meanwhile waits for another connection.
    this.#purged = this.first;
    this.first = null;
    this.#last = null;
    while (this.#purged !== null) {
      const pending: Pending<C> = this.#purged;
      this.unlink(pending);
      stats.inc(stats.i.upstream_rq_pending_failure_eject);
      this.tellFailure(pending.callbacks, reason);
    }
    // Nothing ahead: it would fail as fast, again and again.
    this.connectMore(false);
    this.checkDrained();
  }

  /** Gives up dials that no wish waits for. */
  protected dropExcessDials(): void {
    for (const dial of this.#dials) {
      if (this.#dials.size <= this.#pendingCount) return;
      dial.timer?.disarm();
      dial.handle?.cancel();
      this.#dials.delete(dial);
      this.countClosed(dial.startedMs, 'local', false);
    }
  }

  protected countClosed(startedMs: number, by: EndedBy, hadRequest: boolean): void {
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
    stats.record(i.upstream_cx_length_ms, Math.round(this.context.clock.nowMs - startedMs));
    this.host.cxActive--;
    this.breaker.connections.dec();
  }

  protected checkDrained(): void {
    if (!this.isEmpty) return;
    if (!this.isDraining) {
      this.onEmpty?.();
      return;
    }
    this.drained();
    const told = this.onDrained;
    this.onDrained = null;
    told?.();
  }
}

function connectTimedOut(dial: Dial<unknown>): void {
  dial.pool.timedOut(dial);
}
