// Request body that waits for a connection, or that a retry may need again.
import type { Headers } from '../../../../wire/headers.ts';
import type { RequestEncoder } from '../../codec.ts';
import { BodyData } from '../../filter.ts';

/** Used by one call at a time. */
const data = new BodyData();
const EMPTY = Buffer.alloc(0);

export class KeptBody {
  readonly #chunks: Buffer[] = [];
  bytes = 0;

  keep(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.bytes += chunk.length;
  }

  /** What was kept, in order; the caller may keep it. */
  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Sends all of it; `isOver` tells that the encoder is not to be used any more. */
  sendTo(encoder: RequestEncoder, endStream: boolean, isOver: () => boolean): void {
    const last = this.#chunks.length - 1;
    for (const [i, chunk] of this.#chunks.entries()) {
      encoder.encodeData(data.set(chunk), endStream && i === last);
      if (isOver()) return;
    }
  }
}

/** Ends a request of which nothing is left to send but its end. */
export function sendEnd(encoder: RequestEncoder, trailers: Headers | null): void {
  if (trailers !== null) encoder.encodeTrailers(trailers);
  else encoder.encodeData(data.set(EMPTY), true);
}

/** Sends a chunk whose memory nobody changes any more. */
export function sendOwned(encoder: RequestEncoder, chunk: Buffer, endStream: boolean): void {
  encoder.encodeData(data.set(chunk), endStream);
}
