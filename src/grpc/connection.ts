// One client's connection to a gRPC server: HTTP/2 on a stream of bytes, calls in its streams, and how it ends.
import type { Address, ByteStream, ByteStreamHandler, TlsFacts } from '../base/byte-stream.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { type Failure, failure } from '../base/failure.ts';
import type { Http2Options } from '../wire/http2/options.ts';
import { Http2Server } from '../wire/http2/server.ts';
import type { GrpcServerOptions } from './options.ts';
import type { GrpcServerCall } from './server-call.ts';
import { ServerCalls } from './server-calls.ts';
import type { AnyServerMethod } from './service.ts';

/** What a connection belongs to. */
export type ConnectionOwner = {
  readonly clock: Clock;
  readonly options: GrpcServerOptions;
  method(path: string): AnyServerMethod | null;
  onConnectionClosed(connection: GrpcConnection): void;
  onCallStarted(): void;
};

const GONE = failure('downstream_closed', 'downstream', 'connection', 'the client is gone');
const NO_ANSWER = failure('downstream_closed', 'downstream', 'connection', 'the client does not answer');
/** 'drain'. */
const DRAIN_PING = Buffer.from('\0\0\0drain', 'latin1');
const KEEPALIVE_PING = Buffer.from('\0\0\0alive', 'latin1');
/** How long a client has to take note of GOAWAY before the number of the last stream is said. */
const DRAIN_NOTICE_MS = 1000;

//  open ──drain()──► announced ──PING answered──► draining ──last call──► closed
export class GrpcConnection implements ByteStreamHandler {
  readonly options: GrpcServerOptions;
  readonly clock: Clock;
  readonly http2: Http2Server<GrpcServerCall>;
  readonly #owner: ConnectionOwner;
  readonly #stream: ByteStream;
  readonly #keepalive: Timer;
  /** Ends the notice of a drain, or the connection that outlives its grace. */
  #drainTimer: Timer | null = null;
  #ageTimer: Timer | null = null;
  #lastReadMs: number;
  #isAsking = false;
  #state: 'open' | 'announced' | 'draining' | 'closed' = 'open';
  #graceMs = 0;
  #hasFailed = false;

  constructor(stream: ByteStream, owner: ConnectionOwner, http2: Http2Options) {
    this.#stream = stream;
    this.#owner = owner;
    this.options = owner.options;
    this.clock = owner.clock;
    this.#lastReadMs = this.clock.nowMs;
    stream.handler = this;
    this.http2 = new Http2Server(stream, http2, new ServerCalls(this, owner));
    this.#keepalive = this.clock.timer(askAlive, this as GrpcConnection);
    if (this.options.keepaliveMs > 0) this.#keepalive.arm(this.options.keepaliveMs);
  }

  /** Ends the connection with its last call; after `graceMs` without further ado. */
  limitAge(ageMs: number, graceMs: number): void {
    this.#graceMs = graceMs;
    this.#ageTimer = this.clock.timer(tooOld, this as GrpcConnection);
    this.#ageTimer.arm(ageMs);
  }

  get remoteAddress(): Address {
    return this.#stream.remoteAddress;
  }
  get tls(): TlsFacts | null {
    return this.#stream.tls;
  }
  get activeCalls(): number {
    return this.http2.activeStreams;
  }

  // ─── Bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    this.#lastReadMs = this.clock.nowMs;
    this.http2.receive(chunk, start, end, this.clock.nowMs);
  }

  onEnd(): void {
    this.http2.close(GONE);
    this.#stream.close();
  }

  onDrain(): void {
    this.http2.onDrain();
  }

  onTurnEnd(): void {
    this.http2.flush();
    if (this.#state === 'closed') return;
    if (this.#hasFailed) {
      this.#hasFailed = false;
      this.#stream.close();
    } else if (this.#state === 'draining' && this.http2.activeStreams === 0) this.#stream.close();
  }

  onClose(reason: Failure | null): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#keepalive.disarm();
    this.#drainTimer?.disarm();
    this.#ageTimer?.disarm();
    this.http2.close(reason ?? GONE);
    this.#owner.onConnectionClosed(this);
  }

  /** Something waits to be sent, or the connection may be over: the end of the turn will tell. */
  announce(): void {
    this.#stream.announceTurnEnd();
  }

  /** The client broke the protocol: GOAWAY is written, and the connection ends once it has left. */
  onFailed(): void {
    this.#hasFailed = true;
    this.announce();
  }

  // ─── Signs of life ──────────────────────────────────────────────────────────────────────────────────────────────

  /** For the timer: asks a client from which nothing came, and gives one up that did not answer. */
  onKeepalive(): void {
    if (this.#state === 'closed') return;
    const { keepaliveMs, keepaliveTimeoutMs } = this.options;
    const silentMs = this.clock.nowMs - this.#lastReadMs;
    if (this.#isAsking) {
      // Any byte is an answer.
      if (silentMs >= keepaliveTimeoutMs) {
        this.http2.close(NO_ANSWER);
        this.#stream.destroy();
        return;
      }
      this.#isAsking = false;
    }
    if (silentMs >= keepaliveMs) {
      this.#isAsking = true;
      this.http2.ping(KEEPALIVE_PING);
      this.#keepalive.arm(keepaliveTimeoutMs);
    } else this.#keepalive.arm(keepaliveMs - silentMs);
  }

  onPingAck(buf: Buffer, at: number): void {
    if (this.#state === 'announced' && buf.compare(DRAIN_PING, 0, 8, at, at + 8) === 0) this.#lastStreams();
  }

  // ─── The end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes no further calls; ends with the last one, or after `graceMs` whatever goes on. */
  drain(graceMs: number): void {
    if (this.#state !== 'open') return;
    this.#state = 'announced';
    this.#graceMs = graceMs;
    // Calls that are on their way still find a server: the client answers the PING behind them.
    this.http2.announceShutdown();
    this.http2.ping(DRAIN_PING);
    this.#drainTimer = this.clock.timer(drainGoesOn, this as GrpcConnection);
    this.#drainTimer.arm(Math.min(DRAIN_NOTICE_MS, graceMs));
  }

  #lastStreams(): void {
    this.#state = 'draining';
    this.http2.shutdown();
    this.#drainTimer?.arm(this.#graceMs);
    this.announce();
  }

  /** For the timer. */
  onDrainTimer(): void {
    if (this.#state === 'announced') this.#lastStreams();
    else this.destroy();
  }

  /** For the timer. */
  onTooOld(): void {
    this.drain(this.#graceMs);
  }

  /** Ends the connection and its calls at once. */
  destroy(): void {
    if (this.#state === 'closed') return;
    this.http2.close(GONE);
    this.#stream.destroy();
  }
}

function askAlive(connection: GrpcConnection): void {
  connection.onKeepalive();
}

function drainGoesOn(connection: GrpcConnection): void {
  connection.onDrainTimer();
}

function tooOld(connection: GrpcConnection): void {
  connection.onTooOld();
}
