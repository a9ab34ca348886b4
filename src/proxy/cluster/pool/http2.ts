// The HTTP/2 connections to one host at one priority; where ALPN decides, also those that speak HTTP/1 after all.
import type { Address, ByteStream } from '../../../base/byte-stream.ts';
import type { Clock, Random } from '../../../base/clock.ts';
import type { StreamCallbacks } from '../../http/codec.ts';
import type { UpstreamSource } from '../../stream-info.ts';
import type { Http2Settings } from '../../codec/http2-settings.ts';
import type { Http2CodecScope } from '../../codec/http2-stats.ts';
import type { Breaker } from '../circuit-breaker.ts';
import type { ConnectTimes, StreamRequest } from '../cluster.ts';
import type { HostCounts } from '../host.ts';
import type { EndedBy, PoolContext } from './dialing.ts';
import { Http1Pool } from './http1.ts';
import { Http2ClientConnection, type Http2ClientOwner } from './http2-client.ts';

/** 'alpn': a connection speaks HTTP/2 if its handshake agreed on that. */
export type Http2Choice = 'always' | 'alpn';

export class Http2Pool extends Http1Pool implements Http2ClientOwner {
  readonly http2: Http2Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly #choice: Http2Choice;
  #codecStats: Http2CodecScope | null = null;
  readonly #connections = new Set<Http2ClientConnection>();
  /** Those with room, as far as is known; the last one is used until it is full. */
  readonly #ready: Http2ClientConnection[] = [];
  /** What the host last said of streams: a new connection begins with that until it hears otherwise. */
  peerStreams = Number.POSITIVE_INFINITY;

  constructor(
    context: PoolContext,
    address: Address,
    host: HostCounts,
    breaker: Breaker,
    choice: Http2Choice,
    source: UpstreamSource | null = null,
  ) {
    super(context, address, host, breaker, source);
    this.http2 = this.http.http2;
    this.clock = context.clock;
    this.random = context.random;
    this.#choice = choice;
  }

  /** Made with the first connection: that is when Envoy's statistics appear. */
  get codecStats(): Http2CodecScope {
    this.#codecStats ??= this.context.http2Stats();
    return this.#codecStats;
  }

  protected override get clientCount(): number {
    return super.clientCount + this.#connections.size;
  }

  protected override get streamsPerDial(): number {
    const streams = Math.min(this.http2.wire.maxConcurrentStreams, this.peerStreams);
    const most = this.http.maxRequestsPerConnection;
    return most > 0 ? Math.min(most, streams) : streams;
  }

  protected override get freeStreams(): number {
    let free = super.freeStreams;
    for (const client of this.#connections) free += client.freeStreams;
    return free;
  }

  protected override get promisedStreams(): number {
    let promised = 0;
    for (const client of this.#connections) promised += Math.max(0, client.promisedStreams - client.freeStreams);
    return promised;
  }

  override newStream(callbacks: StreamCallbacks): StreamRequest | null {
    const client = this.#pick();
    if (client === null) return super.newStream(callbacks);
    if (this.breaker.requests.canCreate) this.#begin(client, callbacks);
    else this.refuse(callbacks);
    if (this.preconnectRatio > 1) this.connectMore();
    return null;
  }

  #pick(): Http2ClientConnection | null {
    const ready = this.#ready;
    while (ready.length > 0) {
      const client = ready[ready.length - 1] as Http2ClientConnection;
      if (client.freeStreams > 0) return client;
      client.isReady = false;
      ready.pop();
    }
    return null;
  }

  #begin(client: Http2ClientConnection, callbacks: StreamCallbacks): void {
    this.exchangeStarts();
    const exchange = client.start(callbacks);
    const max = this.http.maxRequestsPerConnection;
    if (max > 0 && client.requestCount >= max) {
      this.stats.inc(this.stats.i.upstream_cx_max_requests);
      client.isDraining = true;
    }
    callbacks.onPoolReady(exchange);
  }

  protected override countConnection(): void {
    // Which protocol it will be is known later.
    if (this.#choice === 'always') this.stats.inc(this.stats.i.upstream_cx_http2_total);
  }

  protected override dialled(stream: ByteStream, times: ConnectTimes): void {
    if (this.#choice === 'alpn') {
      if (stream.tls?.alpn !== 'h2') {
        super.countConnection();
        super.dialled(stream, times);
        return;
      }
      this.stats.inc(this.stats.i.upstream_cx_http2_total);
    }
    const client = new Http2ClientConnection(stream, this, times);
    this.#connections.add(client);
    const { maxConnectionDurationMs: maxMs, durationJitterPercent } = this.http;
    if (maxMs > 0) {
      client.durationTimer = this.clock.timer(durationReached, { pool: this, client });
      client.durationTimer.arm(this.random.lengthened(maxMs, durationJitterPercent));
    }
    this.onRoom(client);
    this.onExchangeTold();
    if (!this.isDraining || client.isClosed) return;
    client.isDraining = true;
    this.onRoom(client);
  }

  // ─── What connections report ────────────────────────────────────────────────────────────────────────────────────

  onExchangeOver(): void {
    this.exchangeOver();
  }

  onRoom(client: Http2ClientConnection): void {
    if (client.activeStreams === 0) {
      if (client.isDraining && !client.hasFailed) {
        client.close();
        return;
      }
      this.#beginsIdle(client);
    }
    if (client.isReady || client.freeStreams === 0) return;
    client.isReady = true;
    this.#ready.push(client);
    if (this.first !== null) this.onExchangeTold();
  }

  #beginsIdle(client: Http2ClientConnection): void {
    const idleMs = this.http.idleTimeoutMs;
    if (idleMs <= 0) return;
    client.idleSinceMs = this.clock.nowMs;
    client.idleTimer ??= this.clock.timer(idleTooLong, { pool: this, client });
    if (!client.idleTimer.isArmed) client.idleTimer.arm(idleMs);
  }

  /** For the idle timer. */
  onIdleTimer(client: Http2ClientConnection): void {
    // The next idle time arms it again.
    if (client.activeStreams > 0) return;
    const restMs = client.idleSinceMs + this.http.idleTimeoutMs - this.clock.nowMs;
    if (restMs > 0) {
      client.idleTimer?.arm(restMs);
      return;
    }
    this.stats.inc(this.stats.i.upstream_cx_idle_timeout);
    client.close();
  }

  onHttp2Closed(client: Http2ClientConnection, by: EndedBy, hadRequest: boolean): void {
    this.#connections.delete(client);
    if (client.isReady) {
      client.isReady = false;
      this.#ready.splice(this.#ready.indexOf(client), 1);
    }
    this.countClosed(client.times.startMs, by, hadRequest);
    this.stats.record(this.stats.i.upstream_rq_per_cx, client.requestCount);
    if (this.first !== null) this.connectMore();
    this.checkDrained();
  }

  protected override get hasRoom(): boolean {
    return this.#pick() !== null || super.hasRoom;
  }

  protected override attachNext(callbacks: StreamCallbacks): void {
    const client = this.#pick();
    if (client === null) super.attachNext(callbacks);
    else this.#begin(client, callbacks);
  }

  /** For the duration timer. */
  onHttp2DurationReached(client: Http2ClientConnection): void {
    this.stats.inc(this.stats.i.upstream_cx_max_duration_reached);
    client.isDraining = true;
    if (client.activeStreams === 0) client.close();
  }

  // ─── Drain ──────────────────────────────────────────────────────────────────────────────────────────────────────

  override drain(onDrained: () => void): void {
    // While requests wait, what is there may still serve them.
    if (this.first === null) {
      for (const client of [...this.#connections]) {
        client.isDraining = true;
        if (client.activeStreams === 0) client.close();
      }
    }
    super.drain(onDrained);
  }

  protected override closeAllIdle(): void {
    super.closeAllIdle();
    for (const client of [...this.#connections]) {
      client.isDraining = true;
      if (client.activeStreams === 0) client.close();
    }
  }
}

function idleTooLong(owner: { pool: Http2Pool; client: Http2ClientConnection }): void {
  owner.pool.onIdleTimer(owner.client);
}

function durationReached(owner: { pool: Http2Pool; client: Http2ClientConnection }): void {
  owner.pool.onHttp2DurationReached(owner.client);
}
