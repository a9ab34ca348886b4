// Lets a response body through at a set rate: holds what came, and sends what the tokens allow every 50 ms.
import type { Timer } from '../../../../base/clock.ts';
import type { FilterStream } from '../../filter.ts';

/** Envoy: StreamRateLimiter::DefaultFillInterval. */
const FILL_INTERVAL_MS = 50;
/** Bytes held before the sender of the response is stopped, and those at which it goes on. */
const HIGH_WATERMARK = 1024 * 1024;
const LOW_WATERMARK = HIGH_WATERMARK / 2;

export class ResponseLimiter {
  readonly #stream: FilterStream;
  readonly #slot: number;
  readonly #bytesPerSecond: number;
  readonly #timer: Timer;
  #chunks: Buffer[] = [];
  #heldBytes = 0;
  #tokens: number;
  #filledAtMs: number;
  #hasEnded = false;
  #hasTrailers = false;
  #isPaused = false;

  constructor(stream: FilterStream, slot: number, kbps: number) {
    this.#stream = stream;
    this.#slot = slot;
    this.#bytesPerSecond = kbps * 1024;
    this.#timer = stream.clock.timer(sendAllowed, this);
    this.#tokens = Math.floor((this.#bytesPerSecond * FILL_INTERVAL_MS) / 1000);
    this.#filledAtMs = stream.clock.nowMs;
  }

  /** Takes over a chunk that the caller owns. */
  write(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    this.#hasEnded = endStream;
    if (this.#heldBytes > HIGH_WATERMARK && !this.#isPaused) {
      this.#isPaused = true;
      this.#stream.pauseResponse();
    }
    if (!this.#timer.isArmed) this.#timer.arm(0);
  }

  /** Whether the trailers must wait for the body. */
  onTrailers(): boolean {
    this.#hasEnded = true;
    this.#hasTrailers = true;
    if (this.#heldBytes > 0) return true;
    this.#timer.disarm();
    return false;
  }

  /** Sends as much as there are tokens for. */
  send(): void {
    const stream = this.#stream;
    if (stream.isDestroyed) return;
    const data = this.#next(this.#take(this.#heldBytes, stream.clock.nowMs));
    if (this.#heldBytes > 0) this.#timer.arm(FILL_INTERVAL_MS);
    if (this.#isPaused && this.#heldBytes <= LOW_WATERMARK) {
      this.#isPaused = false;
      stream.resumeResponse();
    }
    const isLast = this.#hasEnded && this.#heldBytes === 0;
    if (data.length > 0 || (isLast && !this.#hasTrailers)) {
      stream.injectEncodedData(this.#slot, data, isLast && !this.#hasTrailers);
    }
    if (isLast && this.#hasTrailers && !stream.isDestroyed) stream.continueEncoding(this.#slot);
  }

  destroy(): void {
    this.#timer.disarm();
    this.#chunks = [];
    this.#heldBytes = 0;
  }

  #take(wanted: number, nowMs: number): number {
    const limit = this.#bytesPerSecond;
    this.#tokens = Math.min(limit, this.#tokens + ((nowMs - this.#filledAtMs) * limit) / 1000);
    this.#filledAtMs = nowMs;
    const taken = Math.min(wanted, Math.floor(this.#tokens));
    this.#tokens -= taken;
    return taken;
  }

  /** The next `length` bytes of what is held. */
  #next(length: number): Buffer {
    this.#heldBytes -= length;
    const parts: Buffer[] = [];
    let missing = length;
    let whole = 0;
    for (; whole < this.#chunks.length; whole++) {
      const chunk = this.#chunks[whole] as Buffer;
      if (chunk.length > missing) break;
      parts.push(chunk);
      missing -= chunk.length;
    }
    if (whole > 0) this.#chunks.splice(0, whole);
    const first = this.#chunks[0];
    if (missing > 0 && first !== undefined) {
      parts.push(first.subarray(0, missing));
      this.#chunks[0] = first.subarray(missing);
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, length);
  }
}

function sendAllowed(limiter: ResponseLimiter): void {
  limiter.send();
}
