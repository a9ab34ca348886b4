// The upstream side of HTTP/2: one connection, its bytes, and how it ends; it carries many exchanges at a time.
import type { ByteStream, ByteStreamHandler } from '../../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../../base/clock.ts';
import type { Headers } from '../../../wire/headers.ts';
import { Http2Client } from '../../../wire/http2/client.ts';
import type { Http2Stream } from '../../../wire/http2/stream.ts';
import { Http2Keepalive, type KeepaliveOwner } from '../../codec/http2-keepalive.ts';
import type { Http2Settings } from '../../codec/http2-settings.ts';
import type { Http2CodecScope } from '../../codec/http2-stats.ts';
import { ReadingBreak } from '../../codec/reading-break.ts';
import type { ResponseDecoder } from '../../http/codec.ts';
import type { ConnectTimes } from '../cluster.ts';
import { TERMINATION } from '../failures.ts';
import type { ClusterScope } from '../stats.ts';
import type { EndedBy } from './dialing.ts';
import { Http2ClientEvents } from './http2-client-events.ts';
import { Http2Exchange } from './http2-exchange.ts';

/** The pool, as its connections see it. */
export type Http2ClientOwner = {
  readonly stats: ClusterScope;
  readonly codecStats: Http2CodecScope;
  readonly http2: Http2Settings;
  readonly clock: Clock;
  readonly random: Random;
  /** Streams that the host took at a time when it last spoke of them; at least 1. */
  peerStreams: number;
  /** An exchange was answered or given up; its stream may still be open. */
  onExchangeOver(): void;
  /** A stream ended, or the peer changed how many there may be: perhaps there is room, or nothing left to do. */
  onRoom(client: Http2ClientConnection): void;
  /** The connection is closed; called once, exchanges in progress are told afterwards. */
  onHttp2Closed(client: Http2ClientConnection, by: EndedBy, hadRequest: boolean): void;
  /** The ends of all its exchanges have been told. */
  onExchangeTold(): void;
};

/** What nghttp2 opens before it knows the peer's limit. Source: NGHTTP2_INITIAL_MAX_CONCURRENT_STREAMS. */
const STREAMS_BEFORE_SETTINGS = 100;

export class Http2ClientConnection implements ByteStreamHandler, KeepaliveOwner {
  readonly socket: ByteStream;
  readonly times: ConnectTimes;
  readonly stats: ClusterScope;
  readonly codecStats: Http2CodecScope;
  readonly http2: Http2Client<Http2Exchange>;
  readonly keepalive: Http2Keepalive | null;
  readonly #owner: Http2ClientOwner;
  /** For max_connection_duration and idle_timeout; the pool makes them. */
  durationTimer: Timer | null = null;
  idleTimer: Timer | null = null;
  idleSinceMs = 0;
  /** In the pool's list of those that have room. */
  isReady = false;
  /** Takes no further exchange, and ends with the last one. */
  isDraining = false;
  isClosed = false;
  /** GOAWAY is written: the connection ends once it has left. */
  hasFailed = false;
  requestCount = 0;
  /** Exchanges whose stream is not over. */
  activeStreams = 0;
  #isReceiving = false;
  #break: ReadingBreak | null = null;
  #lastReceivedMs: number;
  #rxCounted = 0;
  #txCounted = 0;
  /** As told to the gauge. */
  #pendingBytes = 0;

  constructor(socket: ByteStream, owner: Http2ClientOwner, times: ConnectTimes) {
    this.socket = socket;
    this.#owner = owner;
    this.stats = owner.stats;
    this.codecStats = owner.codecStats;
    this.times = times;
    this.#lastReceivedMs = owner.clock.nowMs;
    socket.handler = this;
    const { wire, keepalive } = owner.http2;
    this.codecStats.inc(this.codecStats.i.nghttp2_upstream_connections);
    this.http2 = new Http2Client(socket, wire, new Http2ClientEvents(this));
    this.keepalive = keepalive === null ? null : new Http2Keepalive(keepalive, owner.clock, owner.random, this);
  }

  /** How many streams there may be at a time, as far as that is known. */
  get maxStreams(): number {
    const { http2, peerStreams } = this.#owner;
    const { peer } = this.http2;
    const most = peer.isKnown ? peer.maxConcurrentStreams : Math.min(peerStreams, STREAMS_BEFORE_SETTINGS);
    return Math.min(http2.wire.maxConcurrentStreams, most);
  }

  /** Exchanges that may begin now. */
  get freeStreams(): number {
    const { isDead, isGoingAway } = this.http2;
    if (this.isClosed || this.isDraining || isDead || isGoingAway) return 0;
    return Math.max(0, this.maxStreams - this.activeStreams);
  }

  /** Exchanges that may begin once the peer has said how many it takes, if it takes as many as are configured. */
  get promisedStreams(): number {
    if (this.http2.peer.isKnown || this.isClosed || this.isDraining) return 0;
    const { http2, peerStreams } = this.#owner;
    return Math.max(0, Math.min(http2.wire.maxConcurrentStreams, peerStreams) - this.activeStreams);
  }

  /** Begins an exchange; there must be a free stream. */
  start(decoder: ResponseDecoder): Http2Exchange {
    this.activeStreams++;
    this.requestCount++;
    this.#break?.end();
    this.keepalive?.beforeStream(this.#lastReceivedMs);
    return new Http2Exchange(this, decoder);
  }

  /** For an exchange: opens its stream. Null when the connection has gone meanwhile. */
  open(exchange: Http2Exchange, head: Headers, endStream: boolean): Http2Stream<Http2Exchange> | null {
    const stream = this.http2.openStream(exchange, head, endStream);
    if (stream !== null) this.codecStats.inc(this.codecStats.i.streams_active);
    return stream;
  }

  /** For an exchange: its reader is slow. While all are, and nobody sends, the connection is not read. */
  onPaused(): void {
    if (!this.http2.everyStream(isOnlyHeld)) return;
    this.#break ??= new ReadingBreak(this.socket, this.#owner.clock);
    this.#break.begin();
  }

  onResumed(): void {
    this.#break?.end();
  }

  /** For an exchange: it is answered or given up. */
  onExchangeOver(): void {
    this.#owner.onExchangeOver();
  }

  /** For an exchange: its stream is over, or never was. */
  onStreamGone(): void {
    this.activeStreams--;
    if (this.isClosed) return;
    this.#owner.onRoom(this);
    // Envoy's codec takes it for an error that its connection goes while it reads.
    if (this.isClosed && this.#isReceiving) this.stats.inc(this.stats.i.upstream_cx_protocol_error);
  }

  onSettings(): void {
    this.#owner.peerStreams = Math.max(1, this.http2.peer.maxConcurrentStreams);
    this.onRoom();
  }

  /** SETTINGS or GOAWAY came. */
  onRoom(): void {
    if (!this.isClosed) this.#owner.onRoom(this);
  }

  // ─── Bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.isClosed) return;
    const { nowMs } = this.#owner.clock;
    this.#lastReceivedMs = nowMs;
    this.#isReceiving = true;
    this.http2.receive(chunk, start, end, nowMs);
    this.#isReceiving = false;
  }

  /** What came up during this turn leaves together. */
  onTurnEnd(): void {
    if (this.isClosed) return;
    this.http2.flush();
    this.#countBytes();
    if (!this.hasFailed) return;
    this.socket.flush();
    // Those that died with it were told of the protocol, not of the connection.
    this.#close('local', false);
    this.#owner.onExchangeTold();
  }

  onDrain(): void {
    if (!this.isClosed) this.http2.onDrain();
  }

  #countBytes(): void {
    const { stats } = this;
    const { bytesRead, bytesWritten } = this.socket;
    if (bytesRead !== this.#rxCounted) stats.add(stats.i.upstream_cx_rx_bytes_total, bytesRead - this.#rxCounted);
    if (bytesWritten !== this.#txCounted) {
      stats.add(stats.i.upstream_cx_tx_bytes_total, bytesWritten - this.#txCounted);
    }
    this.#rxCounted = bytesRead;
    this.#txCounted = bytesWritten;
    const { pendingBytes } = this.http2;
    if (pendingBytes === this.#pendingBytes) return;
    this.codecStats.add(this.codecStats.i.pending_send_bytes, pendingBytes - this.#pendingBytes);
    this.#pendingBytes = pendingBytes;
  }

  // ─── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  sendPing(payload: Uint8Array): void {
    this.http2.ping(payload);
  }

  onKeepaliveTimeout(): void {
    this.codecStats.inc(this.codecStats.i.keepalive_timeout);
    this.#terminate('local');
  }

  onEnd(): void {
    this.#terminate('remote');
  }

  onClose(): void {
    this.#terminate('remote');
  }

  /** Closes at once; exchanges in progress hear of it. */
  close(): void {
    this.#terminate('local');
  }

  #terminate(by: EndedBy): void {
    if (this.isClosed) return;
    this.#close(by, this.activeStreams > 0);
    this.http2.close(TERMINATION);
    this.#countBytes();
    this.#owner.onExchangeTold();
  }

  #close(by: EndedBy, hadRequest: boolean): void {
    this.isClosed = true;
    this.durationTimer?.disarm();
    this.idleTimer?.disarm();
    this.keepalive?.stop();
    this.#break?.end();
    this.socket.destroy();
    this.#countBytes();
    this.#owner.onHttp2Closed(this, by, hadRequest);
  }
}

/** Its request is complete, so it waits for no credit; and its reader is slow. */
function isOnlyHeld(stream: Http2Stream<Http2Exchange>): boolean {
  return stream.isLocalClosed && stream.user?.isPaused === true;
}
