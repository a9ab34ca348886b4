// What a gRPC service is: methods by path, and what each of them makes of a call.
import type { Address, TlsFacts } from '../base/byte-stream.ts';
import type { MessageType } from '../proto/message-type.ts';
import type { Headers } from '../wire/headers.ts';
import { type GrpcStatus, OK } from './status.ts';

/** A method as it is called and answered; `start` is called with each call and says who hears of it. */
export type GrpcServerMethod<Request, Response> = {
  /** '/grpc.health.v1.Health/Check'. */
  readonly path: string;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
  /** `onMessage` gets encoded messages, each in memory of its own: see raw-method.ts. */
  readonly isRaw?: true;
  start(call: ServerCall<Response>): ServerCallHandler<Request>;
};

/** Methods of different messages stand in one table. */
export type AnyServerMethod = GrpcServerMethod<unknown, unknown>;

/** The client gave up, its time is over, or its connection ended. */
export type CancelReason = 'cancelled' | 'deadline' | 'closed';

/** Hears what a client does in one call. Nothing comes after `onCancelled` or after the call was ended. */
export type ServerCallHandler<Request> = {
  onMessage(message: Request): void;
  /** The client sends no more messages. */
  onEnd(): void;
  /** The client gave up, is gone, or the deadline passed: what the call does may stop. */
  onCancelled?(reason: CancelReason): void;
  /** `isAboveWatermark` is false again. */
  onDrain?(): void;
};

/** The server's side of one call. */
export type ServerCall<Response> = {
  /** Metadata of the client. */
  readonly headers: Headers;
  readonly remoteAddress: Address;
  readonly tls: TlsFacts | null;
  /** What the client left of its time, ms; Infinity without a deadline. */
  readonly remainingMs: number;
  readonly isOver: boolean;
  /** Messages wait for the client to read them: whoever has more to say should wait for `onDrain`. */
  readonly isAboveWatermark: boolean;
  /** Of messages that wait for the client's window. */
  readonly bufferedBytes: number;
  /** Metadata that goes before the first message; before anything else is sent. */
  setMetadata(headers: Headers): void;
  send(message: Response): void;
  /** As `send`, of an encoded message. */
  sendBytes(message: Uint8Array): void;
  /** As `sendBytes`, of a message in pieces that calls may share: they go out from where they lie and never change. */
  sendBuffers(pieces: readonly Buffer[]): void;
  /** Ends the call; `trailers` are metadata besides the status. */
  end(status?: GrpcStatus, trailers?: Headers): void;
  /** Counted: stops and restarts the messages of the client. */
  pauseReading(): void;
  resumeReading(): void;
};

/**
 * Answers a call that brings one message and takes one: call `reply` once, now or later. What it returns is called when
 * the client gives up before that.
 */
export type UnaryFunction<Request, Response> = (
  request: Request,
  call: ServerCall<Response>,
  reply: (answer: Response | null, status?: GrpcStatus) => void,
) => ((reason: CancelReason) => void) | undefined;

/** A method of one message each way. */
export function unaryMethod<Request, Response>(
  path: string,
  request: MessageType<Request>,
  response: MessageType<Response>,
  answer: UnaryFunction<Request, Response>,
): GrpcServerMethod<Request, Response> {
  return { path, request, response, start: (call) => new UnaryCall(call, answer) };
}

class UnaryCall<Request, Response> implements ServerCallHandler<Request> {
  readonly #call: ServerCall<Response>;
  readonly #answer: UnaryFunction<Request, Response>;
  #request: Request | null = null;
  #count = 0;
  #onCancelled: ((reason: CancelReason) => void) | undefined;

  constructor(call: ServerCall<Response>, answer: UnaryFunction<Request, Response>) {
    this.#call = call;
    this.#answer = answer;
  }

  onMessage(message: Request): void {
    this.#count++;
    this.#request = message;
  }

  onEnd(): void {
    const call = this.#call;
    if (this.#count !== 1) {
      // Source: gRPC "Status codes and their use in gRPC": the cardinality of a method was violated.
      call.end({ code: 12, message: `expected one request message, got ${this.#count}` });
      return;
    }
    this.#onCancelled = this.#answer(this.#request as Request, call, (answer, status = OK) => {
      if (answer !== null) call.send(answer);
      call.end(status);
    });
  }

  onCancelled(reason: CancelReason): void {
    this.#onCancelled?.(reason);
  }
}
