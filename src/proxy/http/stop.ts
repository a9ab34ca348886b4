// A place where the iteration of filters waits.
import type { Headers } from '../../wire/headers.ts';
import type { BodyData, DataStatus, HeadersStatus } from './filter.ts';

/**
 * Where iteration in one direction is held up, and what waits there. `filter` is a position in the phase's order; it
 * has seen the headers, and the data too unless `holdsAll`.
 */
export class Stop {
  readonly filter: number;
  readonly holdsAll: boolean;
  readonly headersWait: boolean;
  readonly pausesSender: boolean;
  headersEndStream: boolean;
  chunks: Buffer[] = [];
  bytes = 0;
  /** The last data has arrived (and waits here). */
  ended = false;
  trailers: Headers | null = null;

  constructor(filter: number, status: HeadersStatus | DataStatus, headersWait: boolean, headersEndStream: boolean) {
    this.filter = filter;
    this.holdsAll = status === 'stop-all-and-buffer' || status === 'stop-all-and-watermark';
    this.pausesSender = status === 'stop-all-and-watermark' || status === 'stop-and-watermark';
    this.headersWait = headersWait;
    this.headersEndStream = headersEndStream;
  }

  keep(data: BodyData): void {
    if (data.length === 0) return;
    this.chunks.push(data.copy());
    this.bytes += data.length;
  }

  takeBody(): Buffer | null {
    if (this.chunks.length === 0) return null;
    const body = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
    this.chunks = [];
    this.bytes = 0;
    return body;
  }
}
