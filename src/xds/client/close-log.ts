// What is logged of a stream that ends: loudly if it matters, quietly while it may pass.
import { GRPC } from '../../wire/grpc/status.ts';

export type CloseLine = { readonly level: 'debug' | 'warning'; readonly text: string };

/** These are likely to pass. Source: Envoy GrpcStream::isNonRetriableFailure (whose name says the opposite). */
const PASSING: ReadonlySet<number> = new Set([GRPC.deadlineExceeded, GRPC.resourceExhausted, GRPC.unavailable]);

/** Source: Envoy JitteredExponentialBackOffStrategy::isOverTimeLimit: the longest wait between two tries. */
const QUIET_MS = 30_000;

/** Source: Envoy GrpcStream::logClose. */
export class CloseLog {
  readonly #what: string;
  #status = -1;
  #message = '';
  #sinceMs = 0;

  /** 'StreamAggregatedResources gRPC config stream to CLUSTER closed'. */
  constructor(method: string, destination: string) {
    this.#what = `${method} gRPC config stream to ${destination} closed`;
  }

  closed(status: number, message: string, nowMs: number): CloseLine {
    const text = `${this.#what}: ${status}, ${message}`;
    if (status === GRPC.ok) return { level: 'debug', text };
    if (!PASSING.has(status)) return { level: 'warning', text };
    const before = this.#status;
    const seconds = Math.floor((nowMs - this.#sinceMs) / 1000);
    if (before < 0) {
      this.#remember(status, message, nowMs);
      return { level: 'debug', text };
    }
    if (before !== status) {
      const more = ` (previously ${before}, ${this.#message} since ${seconds}s ago)`;
      this.#remember(status, message, nowMs);
      return { level: 'warning', text: text + more };
    }
    this.#message = message;
    if (nowMs - this.#sinceMs <= QUIET_MS) return { level: 'debug', text };
    return { level: 'warning', text: `${this.#what} since ${seconds}s ago: ${status}, ${message}` };
  }

  #remember(status: number, message: string, nowMs: number): void {
    this.#status = status;
    this.#message = message;
    this.#sinceMs = nowMs;
  }

  /** The stream carries messages: whatever was, is over. */
  clear(): void {
    this.#status = -1;
  }
}
