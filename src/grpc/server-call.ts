// The server's side of one call: messages out of DATA and into it, a deadline, and the status at the end.
import type { Address, TlsFacts } from '../base/byte-stream.ts';
import type { Timer } from '../base/clock.ts';
import { decodeBinary } from '../proto/binary-decode.ts';
import { encodeBinary } from '../proto/binary-encode.ts';
import { frameMessage, GrpcMessageReader, MESSAGE_HEAD_BYTES, writeMessageHead } from '../wire/grpc/framing.ts';
import { GRPC } from '../wire/grpc/status.ts';
import { parseGrpcTimeout } from '../wire/grpc/timeout.ts';
import { H } from '../wire/header-names.ts';
import { Headers } from '../wire/headers.ts';
import { ERROR } from '../wire/http2/frames/constants.ts';
import type { Http2Stream } from '../wire/http2/stream.ts';
import type { GrpcConnection } from './connection.ts';
import type { AnyServerMethod, ServerCall, ServerCallHandler } from './service.ts';
import { type GrpcStatus, grpcStatus, OK, writeStatus } from './status.ts';

// open ──client's END_STREAM──► half closed ──end()──► over
//   └────────── end(), deadline, reset ────────────────►
export class GrpcServerCall implements ServerCall<unknown> {
  readonly headers: Headers;
  readonly #connection: GrpcConnection;
  readonly #wire: Http2Stream<GrpcServerCall>;
  readonly #method: AnyServerMethod;
  readonly #reader: GrpcMessageReader;
  #handler: ServerCallHandler<unknown> | null = null;
  #metadata: Headers | null = null;
  #hasSentHead = false;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #timer: Timer | null = null;
  #pauses = 0;
  /** What came while reading was paused: no more than the stream's window. */
  #held: Buffer[] | null = null;
  #isEndHeld = false;
  #isReading = false;
  isOver = false;

  constructor(
    connection: GrpcConnection,
    wire: Http2Stream<GrpcServerCall>,
    method: AnyServerMethod,
    headers: Headers,
  ) {
    this.headers = headers;
    this.#connection = connection;
    this.#wire = wire;
    this.#method = method;
    this.#reader = new GrpcMessageReader(connection.options.maxMessageBytes, {
      onMessage: (flags, buf, start, end) => this.#message(flags, buf, start, end),
    });
  }

  start(): void {
    const { clock } = this.#connection;
    const timeout = this.headers.get(H['grpc-timeout']);
    const timeoutMs = parseGrpcTimeout(timeout);
    if (timeout !== undefined && timeoutMs === 0 && !/^0{1,8}[HMSmun]$/.test(timeout)) {
      this.end(grpcStatus(GRPC.internal, 'malformed grpc-timeout'));
      return;
    }
    if (timeout !== undefined) {
      this.#deadlineMs = clock.nowMs + timeoutMs;
      this.#timer = clock.timer(deadlinePassed, this as GrpcServerCall);
      this.#timer.arm(timeoutMs);
    }
    this.#handler = this.#method.start(this);
  }

  get remoteAddress(): Address {
    return this.#connection.remoteAddress;
  }
  get tls(): TlsFacts | null {
    return this.#connection.tls;
  }
  get remainingMs(): number {
    return Math.max(0, this.#deadlineMs - this.#connection.clock.nowMs);
  }
  get isAboveWatermark(): boolean {
    return this.#wire.isAboveWatermark;
  }
  get bufferedBytes(): number {
    return this.#wire.bufferedBytes;
  }

  // ─── The way in ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Borrowed bytes of the client. */
  onData(buf: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.isOver) {
      this.#connection.http2.returnCredit(this.#wire, end - start);
      return;
    }
    if (this.#pauses > 0 || this.#held !== null) {
      this.#held ??= [];
      if (end > start) this.#held.push(Buffer.from(buf.subarray(start, end)));
      this.#isEndHeld ||= endStream;
      return;
    }
    this.#read(buf, start, end);
    if (endStream) this.#endsReading();
  }

  #read(buf: Buffer, start: number, end: number): void {
    this.#isReading = true;
    const isFine = this.#reader.read(buf, start, end);
    this.#isReading = false;
    this.#connection.http2.returnCredit(this.#wire, end - start);
    if (isFine || this.isOver) return;
    const { maxMessageBytes } = this.#connection.options;
    this.end(grpcStatus(GRPC.resourceExhausted, `the message is larger than ${maxMessageBytes} bytes`));
  }

  #message(flags: number, buf: Buffer, start: number, end: number): void {
    if (this.isOver) return;
    if (flags !== 0 && end > start) {
      this.end(grpcStatus(GRPC.unimplemented, 'compressed messages are not supported'));
      return;
    }
    const bytes = buf.subarray(start, end);
    const message = this.#method.isRaw ? Buffer.from(bytes) : decodeBinary(this.#method.request, bytes);
    if (message === undefined) this.end(grpcStatus(GRPC.internal, 'the message cannot be decoded'));
    else this.#handler?.onMessage(message);
  }

  #endsReading(): void {
    if (this.isOver) return;
    if (this.#reader.isBetweenMessages) this.#handler?.onEnd();
    else this.end(grpcStatus(GRPC.internal, 'the last message is cut off'));
  }

  onTrailers(): void {
    this.onData(NOTHING, 0, 0, true);
  }

  pauseReading(): void {
    this.#pauses++;
    this.#wire.wasSlow = true;
  }

  resumeReading(): void {
    if (this.#pauses === 0 || --this.#pauses > 0 || this.#isReading) return;
    const held = this.#held;
    if (held === null) return;
    while (held.length > 0 && this.#pauses === 0 && !this.isOver) {
      const bytes = held.shift() as Buffer;
      this.#read(bytes, 0, bytes.length);
    }
    if (held.length > 0 && !this.isOver) return;
    this.#held = null;
    if (this.#isEndHeld && !this.isOver) this.#endsReading();
  }

  // ─── The way out ────────────────────────────────────────────────────────────────────────────────────────────────

  setMetadata(headers: Headers): void {
    this.#metadata = headers;
  }

  send(message: unknown): void {
    if (!this.isOver) this.sendBytes(encodeBinary(this.#method.response, message));
  }

  sendBytes(message: Uint8Array): void {
    if (this.isOver) return;
    if (!this.#hasSentHead) this.#sendHead();
    const framed = frameMessage(message);
    this.#connection.http2.sendData(this.#wire, framed, 0, framed.length, true, false);
  }

  sendBuffers(pieces: readonly Buffer[]): void {
    if (this.isOver) return;
    if (!this.#hasSentHead) this.#sendHead();
    const { http2 } = this.#connection;
    let length = 0;
    for (const piece of pieces) length += piece.length;
    // Small pieces at the beginning travel in one frame with the message's head.
    let joined = 0;
    let bytes = MESSAGE_HEAD_BYTES;
    while (joined < pieces.length && bytes + (pieces[joined] as Buffer).length <= MAX_JOINED_BYTES) {
      bytes += (pieces[joined++] as Buffer).length;
    }
    const first = Buffer.allocUnsafe(bytes);
    writeMessageHead(first, 0, 0, length);
    let pos = MESSAGE_HEAD_BYTES;
    for (let index = 0; index < joined; index++) pos += (pieces[index] as Buffer).copy(first, pos);
    http2.sendData(this.#wire, first, 0, bytes, true, false);
    for (let index = joined; index < pieces.length; index++) {
      const piece = pieces[index] as Buffer;
      http2.sendData(this.#wire, piece, 0, piece.length, true, false);
    }
  }

  #sendHead(): void {
    this.#hasSentHead = true;
    this.#connection.http2.sendHead(this.#wire, responseHead(this.#metadata), false);
  }

  end(status: GrpcStatus = OK, trailers: Headers | null = null): void {
    if (this.isOver) return;
    const { http2 } = this.#connection;
    const wire = this.#wire;
    this.#close();
    if (this.#hasSentHead) {
      const last = trailers ?? new Headers();
      writeStatus(last, status);
      http2.sendTrailers(wire, last);
    } else {
      const head = responseHead(this.#metadata);
      trailers?.forEach((name, value) => head.add(name, value));
      writeStatus(head, status);
      http2.sendHead(wire, head, true);
    }
    if (wire.isClosed) return;
    if (wire.unreturned > 0) http2.returnCredit(wire, wire.unreturned);
    // RFC 9113 §8.1: what the client still sends is not wanted.
    if (!wire.isRemoteClosed) http2.resetAfterEnd(wire, ERROR.noError);
  }

  #close(): void {
    this.isOver = true;
    this.#held = null;
    this.#timer?.disarm();
    this.#timer = null;
  }

  /** For the timer. */
  onDeadline(): void {
    if (this.isOver) return;
    const handler = this.#handler;
    this.end(grpcStatus(GRPC.deadlineExceeded, 'the deadline passed'));
    handler?.onCancelled?.('deadline');
  }

  /** The client gave up, or is gone. */
  onReset(isGone: boolean): void {
    if (this.isOver) return;
    this.#close();
    this.#handler?.onCancelled?.(isGone ? 'closed' : 'cancelled');
  }

  onDrain(): void {
    if (!this.isOver) this.#handler?.onDrain?.();
  }
}

const NOTHING = Buffer.alloc(0);
/** Copying so much costs less than a frame. */
const MAX_JOINED_BYTES = 4096;

export function responseHead(metadata: Headers | null): Headers {
  const head = new Headers();
  head.status = 200;
  head.add(H['content-type'], 'application/grpc');
  metadata?.forEach((name, value) => head.add(name, value));
  return head;
}

function deadlinePassed(call: GrpcServerCall): void {
  call.onDeadline();
}
