// Bodies that say of every byte where it belongs, whoever sends them in whatever pieces, and who checks them.
import { Random } from '../../src/base/clock.ts';

/** A prime: no buffer of any size on the way repeats it. */
const NOISE_BYTES = 65_521;

const NOISE = Buffer.alloc(NOISE_BYTES);
{
  const random = new Random(7);
  for (let i = 0; i < NOISE_BYTES; i++) NOISE[i] = random.below(256);
}

/** Where the body of that number begins in the noise. */
function startOf(body: number): number {
  return (body * 7_919) % NOISE_BYTES;
}

/** Bytes [at, at + length) of the body of that number. */
export function bodyBytes(body: number, at: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const from = (startOf(body) + at + done) % NOISE_BYTES;
    done += NOISE.copy(bytes, done, from, Math.min(NOISE_BYTES, from + length - done));
  }
  return bytes;
}

/** Whether chunk[start, end) are bytes of the body from `at` on. */
export function isBody(body: number, at: number, chunk: Buffer, start: number, end: number): boolean {
  for (let pos = start; pos < end; ) {
    const from = (startOf(body) + at + pos - start) % NOISE_BYTES;
    const length = Math.min(NOISE_BYTES - from, end - pos);
    if (NOISE.compare(chunk, pos, pos + length, from, from + length) !== 0) return false;
    pos += length;
  }
  return true;
}

/** Where a body goes. `data` and `trailers` may be the last. */
export type BodySink = {
  readonly isGone: boolean;
  data(bytes: Buffer, isLast: boolean): void;
  trailers(): void;
};

/** Sends a body bit by bit. */
export class BodySender {
  readonly #body: number;
  readonly #total: number;
  readonly #hasTrailers: boolean;
  readonly #sink: BodySink;
  #at = 0;
  isDone = false;

  constructor(body: number, total: number, hasTrailers: boolean, sink: BodySink) {
    this.#body = body;
    this.#total = total;
    this.#hasTrailers = hasTrailers;
    this.#sink = sink;
  }

  get isOver(): boolean {
    return this.isDone || this.#sink.isGone;
  }

  /** So many bytes more; after the last of them, perhaps later, the end. */
  send(most: number, isEndTogether: boolean): void {
    if (this.isOver) return;
    const length = Math.min(most, this.#total - this.#at);
    const isWhole = this.#at + length === this.#total;
    const isLast = isWhole && isEndTogether && !this.#hasTrailers;
    if (length > 0 || isLast) this.#sink.data(bodyBytes(this.#body, this.#at, length), isLast);
    this.#at += length;
    if (isLast) this.isDone = true;
    else if (isWhole && (length === 0 || (isEndTogether && this.#hasTrailers))) {
      this.isDone = true;
      if (this.#hasTrailers) this.#sink.trailers();
      else this.#sink.data(Buffer.alloc(0), true);
    }
  }
}

/** Checks a body that comes bit by bit. */
export class BodyChecker {
  readonly #body: number;
  bytes = 0;
  /** Where it first was not what it must be; -1 for nowhere. */
  wrongAt = -1;

  constructor(body: number) {
    this.#body = body;
  }

  check(chunk: Buffer, start: number, end: number): void {
    if (this.wrongAt < 0 && !isBody(this.#body, this.bytes, chunk, start, end)) this.wrongAt = this.bytes;
    this.bytes += end - start;
  }
}
