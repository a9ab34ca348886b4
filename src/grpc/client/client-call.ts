// The client's side of one call: messages as bytes both ways, until the server tells its status.
import type { Timer } from '../../base/clock.ts';
import { frameMessage, GrpcMessageReader } from '../../wire/grpc/framing.ts';
import { decodeGrpcMessage, GRPC, grpcStatusOf, parseGrpcStatus } from '../../wire/grpc/status.ts';
import { H } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import { ERROR } from '../../wire/http2/frames/constants.ts';
import type { Http2Stream } from '../../wire/http2/stream.ts';
import type { GrpcStatus } from '../status.ts';
import type { ClientConnection } from './client-connection.ts';

/** Hears what the server says in one call; nothing follows `onClose`, which comes once unless the call is cancelled. */
export type ClientCallHandler = {
  /** The call has a connection and its head is on its way. */
  onOpen?(): void;
  /** An encoded message buf[start, end), borrowed. */
  onMessage(buf: Buffer, start: number, end: number): void;
  onClose(status: GrpcStatus): void;
  /** `isAboveWatermark` is false again. */
  onDrain?(): void;
};

//  waiting ──connection──► open ──end()──► half closed ──trailers──► over
export class ClientCall {
  readonly head: Headers;
  readonly #handler: ClientCallHandler;
  readonly #reader: GrpcMessageReader;
  readonly #maxMessageBytes: number;
  #connection: ClientConnection | null = null;
  #wire: Http2Stream<ClientCall> | null = null;
  /** Before there is a connection. */
  #waiting: Uint8Array[] = [];
  #isEnded = false;
  #pauses = 0;
  #held: Buffer[] | null = null;
  /** What the server ended with while its messages are held back. */
  #heldStatus: GrpcStatus | null = null;
  #isBroken = false;
  deadline: Timer | null = null;
  isOver = false;

  constructor(head: Headers, handler: ClientCallHandler, maxMessageBytes: number) {
    this.head = head;
    this.#handler = handler;
    this.#maxMessageBytes = maxMessageBytes;
    this.#reader = new GrpcMessageReader(maxMessageBytes, {
      onMessage: (flags, buf, start, end) => this.#message(flags, buf, start, end),
    });
  }

  get isAboveWatermark(): boolean {
    return this.#wire?.isAboveWatermark ?? false;
  }

  sendBytes(message: Uint8Array): void {
    if (this.isOver || this.#isEnded) return;
    if (this.#wire === null) this.#waiting.push(message);
    else this.#write(frameMessage(message), false);
  }

  /** No message follows. */
  end(): void {
    if (this.isOver || this.#isEnded) return;
    this.#isEnded = true;
    if (this.#wire !== null) this.#write(NOTHING, true);
  }

  /** Gives the call up: its handler hears nothing more. */
  cancel(): void {
    if (this.isOver) return;
    this.#over();
    if (this.#wire !== null) this.#connection?.http2.resetStream(this.#wire, ERROR.cancel);
  }

  /** Counted. */
  pauseReading(): void {
    this.#pauses++;
    if (this.#wire !== null) this.#wire.wasSlow = true;
  }

  resumeReading(): void {
    if (this.#pauses === 0 || --this.#pauses > 0) return;
    const held = this.#held;
    while (held !== null && held.length > 0 && this.#pauses === 0 && !this.isOver) {
      const bytes = held.shift() as Buffer;
      this.#read(bytes, 0, bytes.length);
    }
    if (held !== null && held.length > 0) return;
    this.#held = null;
    if (this.#heldStatus !== null && this.#pauses === 0) this.close(this.#heldStatus);
  }

  // ─── For the connection ─────────────────────────────────────────────────────────────────────────────────────────

  open(connection: ClientConnection, wire: Http2Stream<ClientCall>): void {
    this.#connection = connection;
    this.#wire = wire;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.#write(frameMessage(message), false);
    if (this.#isEnded) this.#write(NOTHING, true);
    this.#handler.onOpen?.();
  }

  onHead(headers: Headers, endStream: boolean): void {
    if (this.isOver) return;
    if (endStream || headers.status !== 200) this.#ended(headers, grpcStatusOf(headers.status));
  }

  onData(buf: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.isOver) {
      this.#returnCredit(end - start);
      return;
    }
    if (this.#pauses > 0 || this.#held !== null) {
      this.#held ??= [];
      this.#held.push(Buffer.from(buf.subarray(start, end)));
    } else this.#read(buf, start, end);
    if (endStream) this.#tell({ code: GRPC.unknown, message: 'the server ended the call without a status' });
  }

  onTrailers(trailers: Headers): void {
    if (!this.isOver) this.#ended(trailers, GRPC.unknown);
  }

  /** The stream is gone without a word. */
  onGone(why: string): void {
    this.#tell({ code: GRPC.unavailable, message: why });
  }

  onDrain(): void {
    if (!this.isOver) this.#handler.onDrain?.();
  }

  /** Ends the call; the handler is told. */
  close(status: GrpcStatus): void {
    if (this.isOver) return;
    this.#over();
    this.#handler.onClose(status);
  }

  /** For the timer. */
  onDeadline(): void {
    this.close({ code: GRPC.deadlineExceeded, message: 'the deadline passed' });
    this.#reset();
  }

  #read(buf: Buffer, start: number, end: number): void {
    const isFine = this.#reader.read(buf, start, end);
    this.#returnCredit(end - start);
    if ((isFine && !this.#isBroken) || this.isOver) return;
    const why = this.#isBroken
      ? { code: GRPC.internal, message: 'compressed messages are not supported' }
      : { code: GRPC.resourceExhausted, message: `a message is larger than ${this.#maxMessageBytes} bytes` };
    this.close(why);
    this.#reset();
  }

  #message(flags: number, buf: Buffer, start: number, end: number): void {
    if (this.isOver || this.#isBroken) return;
    if (flags !== 0 && end > start) this.#isBroken = true;
    else this.#handler.onMessage(buf, start, end);
  }

  #ended(headers: Headers, otherwise: number): void {
    const code = parseGrpcStatus(headers.get(H['grpc-status'])) ?? otherwise;
    this.#tell({ code, message: decodeGrpcMessage(headers.get(H['grpc-message']) ?? '') });
  }

  /** What was held back comes first. The server has said all; what this side might still say is of no use. */
  #tell(status: GrpcStatus): void {
    if (this.isOver || this.#heldStatus !== null) return;
    if (this.#held === null) this.close(status);
    else this.#heldStatus = status;
    this.#reset();
  }

  #write(framed: Buffer, endStream: boolean): void {
    const wire = this.#wire;
    if (wire !== null) this.#connection?.http2.sendData(wire, framed, 0, framed.length, true, endStream);
  }

  #returnCredit(bytes: number): void {
    if (this.#wire !== null) this.#connection?.http2.returnCredit(this.#wire, bytes);
  }

  #reset(): void {
    if (this.#wire !== null) this.#connection?.http2.resetStream(this.#wire, ERROR.cancel);
  }

  #over(): void {
    this.isOver = true;
    this.#held = null;
    this.#waiting = [];
    this.deadline?.disarm();
  }
}

const NOTHING = Buffer.alloc(0);
