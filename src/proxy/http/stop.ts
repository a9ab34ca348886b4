// A place where the iteration of filters waits, and the list of those of one direction.
import type { Headers } from '../../wire/headers.ts';
import type { BodyData, DataStatus, HeadersStatus } from './filter.ts';

/** What waits at one filter, which has seen the headers, and the data too unless `holdsAll`. */
export class Stop {
  /** Another filter that holds up the same direction. */
  next: Stop | null = null;
  /** The filter's slot. */
  readonly slot: number;
  /** Data and trailers wait in front of the filter. */
  readonly holdsAll: boolean;
  readonly headersWait: boolean;
  /** Too much data pauses the sender instead of failing the stream. */
  isWatermark: boolean;
  /** The sender is paused because of what waits here. */
  hasPaused = false;
  bytes = 0;
  /** The last data has arrived (and waits here). */
  ended: boolean;
  trailers: Headers | null = null;
  #chunks: Buffer[] | null = null;

  constructor(slot: number, status: HeadersStatus | DataStatus, headersWait: boolean, ended: boolean) {
    this.slot = slot;
    this.holdsAll = status === 'stop-all-and-buffer' || status === 'stop-all-and-watermark';
    this.isWatermark = status === 'stop-all-and-watermark' || status === 'stop-and-watermark';
    this.headersWait = headersWait;
    this.ended = ended;
  }

  keep(data: BodyData): void {
    if (data.length > 0) this.add(data.copy());
  }

  add(bytes: Buffer): void {
    if (this.#chunks === null) this.#chunks = [bytes];
    else this.#chunks.push(bytes);
    this.bytes += bytes.length;
  }

  takeBody(): Buffer | null {
    const chunks = this.#chunks;
    if (chunks === null) return null;
    this.#chunks = null;
    this.bytes = 0;
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  }
}

/** The stop of a filter, or null. */
export function stopAt(first: Stop | null, slot: number): Stop | null {
  for (let stop = first; stop !== null; stop = stop.next) if (stop.slot === slot) return stop;
  return null;
}

/** The list without one of its members. */
export function without(first: Stop | null, gone: Stop): Stop | null {
  if (first === gone) return gone.next;
  for (let stop = first; stop !== null; stop = stop.next) if (stop.next === gone) stop.next = gone.next;
  return first;
}
