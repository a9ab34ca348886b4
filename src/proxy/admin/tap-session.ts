// A client of /tap: traces go to it as they come, or all together once there are enough of them or time is up.
import type { Clock, Timer } from '../../base/clock.ts';
import type { LiveBody, LiveOutput } from './admin-handler.ts';

/** Bytes of traces that are kept until all of them are sent; then they are sent, however few. */
const MOST_BUFFERED_BYTES = 16 * 1024 * 1024;

/** buffered_admin; `timeoutMs` 0: none. */
export type TraceBuffer = { readonly mostTraces: number; readonly timeoutMs: number };

export type TapSessionParts = {
  readonly clock: Clock;
  readonly warn: (text: string) => void;
  /** No more traces are wanted. */
  readonly detach: () => void;
  /** The client has had everything, or is gone. */
  readonly over: () => void;
};

type Piece = { readonly bytes: Uint8Array; readonly taken: () => void };

export class TapSession implements LiveBody {
  readonly #buffer: TraceBuffer | null;
  readonly #parts: TapSessionParts;
  #output: LiveOutput | null = null;
  #timer: Timer | null = null;
  /** What the client has not read yet, or what is still collected. */
  #waiting: Piece[] = [];
  #waitingBytes = 0;
  #isCollecting: boolean;
  #isPaused = false;
  #isLast = false;
  #isOver = false;

  constructor(buffer: TraceBuffer | null, parts: TapSessionParts) {
    this.#buffer = buffer;
    this.#parts = parts;
    this.#isCollecting = buffer !== null;
  }

  start(output: LiveOutput): void {
    this.#output = output;
    output.onDrain = () => {
      this.#isPaused = false;
      this.#send();
    };
    const { timeoutMs = 0 } = this.#buffer ?? {};
    if (timeoutMs > 0 && this.#isCollecting) {
      this.#timer = this.#parts.clock.timer(() => this.#finish(), null);
      this.#timer.arm(timeoutMs);
    }
    this.#send();
  }

  /** `taken` is called once the piece takes no room on the way any more. */
  take(bytes: Uint8Array, taken: () => void): void {
    if (this.#isLast || this.#isOver) return;
    if (!this.#isCollecting) {
      this.#waiting.push({ bytes, taken });
      this.#send();
      return;
    }
    taken();
    this.#waiting.push({ bytes, taken: () => undefined });
    this.#waitingBytes += bytes.length;
    if (this.#waiting.length >= (this.#buffer?.mostTraces ?? 0)) this.#finish();
    else if (this.#waitingBytes > MOST_BUFFERED_BYTES) {
      const { warn } = this.#parts;
      warn(`/tap: ${this.#waiting.length} traces of ${this.#waitingBytes} bytes are sent before max_traces is reached`);
      this.#finish();
    }
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.disarm();
    this.#waiting = [];
    if (!this.#isLast) this.#parts.detach();
    this.#parts.over();
  }

  #finish(): void {
    if (this.#isLast || this.#isOver) return;
    this.#isLast = true;
    this.#isCollecting = false;
    this.#timer?.disarm();
    this.#parts.detach();
    this.#send();
  }

  #send(): void {
    const output = this.#output;
    if (output === null || this.#isCollecting || this.#isOver) return;
    while (!this.#isPaused && !this.#isOver) {
      // Writing may come back here, when the client has caught up.
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#isPaused = !output.write(next.bytes);
      next.taken();
    }
    if (!this.#isLast || this.#isOver || this.#waiting.length > 0) return;
    this.#isOver = true;
    this.#parts.over();
    output.end();
  }
}
