// A channel's connection to its server: HTTP/2 on a stream of bytes, calls in its streams, signs of life.
import type { ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { type Failure, failure } from '../../base/failure.ts';
import { Http2Client } from '../../wire/http2/client.ts';
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../wire/http2/options.ts';
import type { ClientCall } from './client-call.ts';
import { ClientCalls } from './client-calls.ts';

export type ConnectionOwner = {
  readonly clock: Clock;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /** It takes no more calls; those that it has go on. */
  onConnectionGoing(connection: ClientConnection): void;
  onConnectionClosed(connection: ClientConnection): void;
  onCallOver(connection: ClientConnection): void;
};

const CLOSED = failure('upstream_closed', 'upstream', 'connection', 'the connection to the server ended');
const SILENT = failure('upstream_closed', 'upstream', 'connection', 'the server does not answer');
const KEEPALIVE_PING = Buffer.from('\0\0\0alive', 'latin1');

const HTTP2: Http2Options = {
  ...DEFAULT_HTTP2_OPTIONS,
  // Whoever is asked has configuration for a whole mesh to tell.
  maxHeadBytes: 64 * 1024,
  initialStreamWindow: 1024 * 1024,
};

export class ClientConnection implements ByteStreamHandler {
  readonly http2: Http2Client<ClientCall>;
  readonly #stream: ByteStream;
  readonly #owner: ConnectionOwner;
  readonly #keepalive: Timer;
  #lastReadMs: number;
  #isAsking = false;
  #hasFailed = false;
  /** Takes no more calls. */
  isGoing = false;
  #isClosed = false;

  constructor(stream: ByteStream, owner: ConnectionOwner) {
    this.#stream = stream;
    this.#owner = owner;
    this.#lastReadMs = owner.clock.nowMs;
    stream.handler = this;
    this.http2 = new Http2Client(stream, HTTP2, new ClientCalls(this));
    this.#keepalive = owner.clock.timer((connection: ClientConnection) => connection.#askAlive(), this);
    this.#keepalive.arm(owner.keepaliveMs);
  }

  get activeCalls(): number {
    return this.http2.activeStreams;
  }

  /** False: it takes no more. */
  start(call: ClientCall): boolean {
    const wire = this.isGoing ? null : this.http2.openStream(call, call.head, false);
    if (wire === null) return false;
    call.open(this, wire);
    return true;
  }

  /** Ends it at once, and its calls with it. */
  close(): void {
    if (this.#isClosed) return;
    this.http2.close(CLOSED);
    this.#stream.close();
  }

  // ─── Bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    const { nowMs } = this.#owner.clock;
    this.#lastReadMs = nowMs;
    this.http2.receive(chunk, start, end, nowMs);
  }

  onEnd(): void {
    this.http2.close(CLOSED);
    this.#stream.close();
  }

  onDrain(): void {
    this.http2.onDrain();
  }

  onTurnEnd(): void {
    if (this.#isClosed) return;
    this.http2.flush();
    if (this.#hasFailed || (this.isGoing && this.activeCalls === 0)) this.#stream.close();
  }

  onClose(reason: Failure | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#keepalive.disarm();
    this.#going();
    this.http2.close(reason ?? CLOSED);
    this.#owner.onConnectionClosed(this);
  }

  #askAlive(): void {
    if (this.#isClosed) return;
    const { clock, keepaliveMs, keepaliveTimeoutMs } = this.#owner;
    const silentMs = clock.nowMs - this.#lastReadMs;
    if (this.#isAsking && silentMs >= keepaliveTimeoutMs) {
      this.http2.close(SILENT);
      this.#stream.destroy();
      return;
    }
    const isSilent = silentMs >= keepaliveMs;
    this.#isAsking = isSilent && this.activeCalls > 0;
    if (this.#isAsking) this.http2.ping(KEEPALIVE_PING);
    this.#keepalive.arm(this.#isAsking ? keepaliveTimeoutMs : isSilent ? keepaliveMs : keepaliveMs - silentMs);
  }

  // ─── For its calls ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Something waits to be sent, or the connection may be over: the end of the turn will tell. */
  announce(): void {
    this.#stream.announceTurnEnd();
  }

  onCallOver(): void {
    this.#owner.onCallOver(this);
    this.announce();
  }

  onGoaway(): void {
    this.#going();
    this.announce();
  }

  /** The server broke the protocol: GOAWAY is written, and the connection ends once it has left. */
  onFailed(): void {
    this.#hasFailed = true;
    this.onGoaway();
  }

  #going(): void {
    if (this.isGoing) return;
    this.isGoing = true;
    this.#owner.onConnectionGoing(this);
  }
}
