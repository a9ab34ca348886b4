// A gRPC stream that is to stand all the time: opened again with back-off whenever it ends.
import type { Timer } from '../../../base/clock.ts';
import { type BackOffConfig, JitteredBackOff } from '../../../base/back-off.ts';
import type { GrpcCall, GrpcMethod, GrpcOptions } from './grpc-call.ts';
import type { GrpcClient } from './grpc-client.ts';

export type LongLivedHandler<Response> = {
  /** A new stream stands open (its connection may still be made): what begins every stream is to be sent. */
  onOpen(): void;
  onMessage(message: Response): void;
  /** The stream ended; another one is opened after `retryMs`. `isRemote`: the server said so. */
  onClose(status: number, message: string, retryMs: number, isRemote: boolean): void;
  onDrain?(): void;
};

/** Source: Envoy Config::SubscriptionFactory::RetryInitialDelayMs, RetryMaxDelayMs. */
export const STREAM_BACK_OFF: BackOffConfig = Object.freeze({ baseMs: 500, maxMs: 30_000 });

type Closed = { readonly status: number; readonly message: string; readonly isRemote: boolean };

// idle ──start──► open ──ends──► waiting ──timer──► open
export class LongLivedStream<Request, Response> {
  readonly #client: GrpcClient;
  readonly #method: GrpcMethod<Request, Response>;
  readonly #handler: LongLivedHandler<Response>;
  readonly #options: GrpcOptions;
  readonly #backOff: JitteredBackOff;
  readonly #timer: Timer;
  #call: GrpcCall<Request, Response> | null = null;
  #isStopped = true;
  #generation = 0;

  constructor(
    client: GrpcClient,
    method: GrpcMethod<Request, Response>,
    handler: LongLivedHandler<Response>,
    options: GrpcOptions = {},
    backOff: BackOffConfig = client.target.streamBackOff ?? STREAM_BACK_OFF,
  ) {
    this.#client = client;
    this.#method = method;
    this.#handler = handler;
    this.#options = options;
    this.#backOff = new JitteredBackOff(backOff, client.http.random);
    this.#timer = client.http.clock.timer(reopen, this as LongLivedStream<unknown, unknown>);
  }

  get isOpen(): boolean {
    return this.#call !== null;
  }

  get isAboveWatermark(): boolean {
    return this.#call?.isAboveWatermark ?? false;
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.open();
  }

  /** For the timer. */
  open(): void {
    if (this.#isStopped || this.#call !== null) return;
    const handler = this.#handler;
    const generation = ++this.#generation;
    let closed: Closed | null = null;
    let isStarting = true;
    const call = this.#client.stream(
      this.#method,
      {
        onMessage: (message) => {
          // The other side serves: the next failure begins with a short wait again.
          this.#backOff.reset();
          handler.onMessage(message);
        },
        onClose: (status, message, trailers) => {
          const end = { status, message, isRemote: trailers !== null };
          if (isStarting) closed = end;
          else if (generation === this.#generation) this.#closed(end);
        },
        onDrain: () => handler.onDrain?.(),
      },
      this.#options,
    );
    isStarting = false;
    const failed = closed as Closed | null;
    if (failed !== null) {
      this.#closed(failed);
      return;
    }
    this.#call = call;
    handler.onOpen();
  }

  #closed({ status, message, isRemote }: Closed): void {
    this.#call = null;
    if (this.#isStopped) return;
    const retryMs = this.#backOff.nextMs();
    this.#timer.arm(retryMs);
    this.#handler.onClose(status, message, retryMs, isRemote);
  }

  /** False when there is no stream to send on. */
  send(message: Request): boolean {
    if (this.#call === null) return false;
    this.#call.send(message);
    return true;
  }

  pauseReading(): void {
    this.#call?.pauseReading();
  }

  resumeReading(): void {
    this.#call?.resumeReading();
  }

  /** Ends the stream for good. */
  stop(): void {
    this.#isStopped = true;
    this.#generation++;
    this.#timer.disarm();
    this.#call?.cancel();
    this.#call = null;
  }
}

function reopen(stream: LongLivedStream<unknown, unknown>): void {
  stream.open();
}
