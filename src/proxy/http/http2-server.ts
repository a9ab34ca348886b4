// The downstream side of HTTP/2: the connection, its bytes, and how it ends; its exchanges are in http2-streams.ts.
import type { ByteStream } from '../../base/byte-stream.ts';
import type { Timer } from '../../base/clock.ts';
import { type Failure, failure } from '../../base/failure.ts';
import { Http2Server } from '../../wire/http2/server.ts';
import { Http2Keepalive, type KeepaliveOwner } from '../codec/http2-keepalive.ts';
import type { Http2CodecScope } from '../codec/http2-stats.ts';
import type { ServerCodec } from './codec.ts';
import type { HttpConnection } from './connection-manager.ts';
import type { Http2Exchange } from './http2-exchange.ts';
import { Http2Streams } from './http2-streams.ts';

const PING_TIMEOUT = failure(
  'downstream_closed',
  'local',
  'connection',
  'downstream_local_disconnect(http2_ping_timeout)',
);
const CLIENT_GONE = failure('downstream_closed', 'downstream', 'connection', 'downstream_remote_disconnect');

/** Bytes that are read and thrown away while a connection waits for its client to close. */
const MOST_DISCARDED_BYTES = 16 * 1024;

export class Http2ServerConnection implements ServerCodec, KeepaliveOwner {
  readonly protocol = 'HTTP/2';
  readonly socket: ByteStream;
  readonly owner: HttpConnection;
  readonly stats: Http2CodecScope;
  readonly http2: Http2Server<Http2Exchange>;
  readonly keepalive: Http2Keepalive | null;
  readonly #streams: Http2Streams;
  closedLocally = false;
  /** Takes no further stream, and ends with the last one. */
  isClosing = false;
  /** GOAWAY is written: the connection ends once it has left. */
  hasFailed = false;
  isFlooded = false;
  #discarded = 0;
  #headTimer: Timer | null = null;
  /** An exchange was under way when the connection failed. */
  #hasFailedInside = false;
  /** As told to the gauge. */
  #pendingBytes = 0;

  constructor(socket: ByteStream, owner: HttpConnection) {
    this.socket = socket;
    this.owner = owner;
    this.stats = owner.manager.http2Stats();
    this.stats.inc(this.stats.i.nghttp2_downstream_connections);
    const { wire, keepalive } = owner.config.http2;
    this.#streams = new Http2Streams(this);
    this.http2 = new Http2Server(socket, wire, this.#streams);
    this.keepalive = keepalive === null ? null : new Http2Keepalive(keepalive, owner.clock, owner.random, this);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.http2.isDead) {
      this.#discard(end - start);
      return;
    }
    this.http2.receive(chunk, start, end, this.owner.clock.nowMs);
    if (this.owner.config.requestHeadersTimeoutMs > 0) this.#watchHead(this.owner.config.requestHeadersTimeoutMs);
  }

  /** What a client sends that has been told GOAWAY is soon not read any more: it may be a flood. */
  #discard(bytes: number): void {
    if (this.#discarded > MOST_DISCARDED_BYTES) return;
    this.#discarded += bytes;
    if (this.#discarded > MOST_DISCARDED_BYTES) this.socket.pause();
  }

  stopReading(): void {
    this.http2.stopReading();
  }

  /** request_headers_timeout: a head that comes in pieces holds up all that the connection brings. */
  #watchHead(ms: number): void {
    if (!this.http2.isInBlock) {
      this.#headTimer?.disarm();
      return;
    }
    this.#headTimer ??= this.owner.clock.timer(onHeadTimeout, this);
    if (!this.#headTimer.isArmed) this.#headTimer.arm(ms);
  }

  /** For the timer. */
  onHeadTimeout(): void {
    this.owner.countHeadTimeout();
    this.http2.giveUp('request header timeout');
  }

  /** What came up during this turn leaves together. */
  onTurnEnd(): void {
    this.#streams.onTurnEnd();
    this.http2.flush();
    this.#countPending(this.http2.pendingBytes);
    if (this.hasFailed) {
      this.hasFailed = false;
      this.closedLocally = true;
      this.owner.onConnectionError(this.isFlooded);
    } else if (this.isClosing && this.http2.activeStreams === 0 && !this.closedLocally) {
      this.closedLocally = true;
      this.owner.closeDelayed();
    }
  }

  #countPending(bytes: number): void {
    if (bytes === this.#pendingBytes) return;
    this.stats.add(this.stats.i.pending_send_bytes, bytes - this.#pendingBytes);
    this.#pendingBytes = bytes;
  }

  onDrain(): void {
    this.http2.onDrain();
  }

  onEnd(): void {
    this.#tellGone(CLIENT_GONE);
    this.owner.closeSocket();
  }

  onClose(reason: Failure | null): void {
    this.keepalive?.stop();
    this.#headTimer?.disarm();
    this.#tellGone(reason ?? CLIENT_GONE);
    this.#streams.close();
    this.#countPending(0);
    this.owner.onCodecClosed(reason);
  }

  #tellGone(reason: Failure): void {
    if (this.owner.streams.first !== null || this.#hasFailedInside)
      this.owner.onClosedInsideExchange(this.closedLocally);
    this.#hasFailedInside = false;
    this.http2.close(reason);
  }

  /** A stream ends for this reason. */
  noteFailure(reason: Failure): void {
    if (reason.scope === 'connection' && reason.code !== 'downstream_closed') this.#hasFailedInside = true;
  }

  announceShutdown(): void {
    this.http2.announceShutdown();
  }

  closeWhenIdle(): void {
    this.isClosing = true;
    this.http2.shutdown();
    this.socket.announceTurnEnd();
  }

  sendPing(payload: Uint8Array): void {
    this.http2.ping(payload);
  }

  onKeepaliveTimeout(): void {
    this.stats.inc(this.stats.i.keepalive_timeout);
    // Envoy counts it as an end by the client.
    this.#tellGone(PING_TIMEOUT);
    this.closedLocally = true;
    this.owner.closeAtOnce('http2_ping_timeout');
  }
}

function onHeadTimeout(connection: Http2ServerConnection): void {
  connection.onHeadTimeout();
}
