// A position of a chain where now this filter stands, now that one, and mostly none.
import type { Headers } from '../../../../wire/headers.ts';
import type { BodyData, DataStatus, FilterStream, HeadersStatus, HttpFilter, TrailersStatus } from '../../filter.ts';

/** What stands at each position of a composite filter, counted from its first. */
export type Standing = readonly (HttpFilter | undefined)[];

/** Passes on to what stands here for the exchange: `stream.slot[choiceSlot]` says what, absent for nothing. */
export class Forwarder implements HttpFilter {
  readonly #choiceSlot: number;
  readonly #at: number;

  constructor(choiceSlot: number, at: number) {
    this.#choiceSlot = choiceSlot;
    this.#at = at;
  }

  #standing(stream: FilterStream): HttpFilter | undefined {
    const standing = stream.slot[this.#choiceSlot] as Standing | undefined;
    return standing === undefined ? undefined : standing[this.#at];
  }

  decodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus {
    return this.#standing(stream)?.decodeHeaders?.(stream, headers, endStream) ?? 'continue';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    return this.#standing(stream)?.decodeData?.(stream, data, endStream) ?? 'continue';
  }

  decodeTrailers(stream: FilterStream, trailers: Headers): TrailersStatus {
    return this.#standing(stream)?.decodeTrailers?.(stream, trailers) ?? 'continue';
  }

  encode1xx(stream: FilterStream, headers: Headers): void {
    this.#standing(stream)?.encode1xx?.(stream, headers);
  }

  encodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus {
    return this.#standing(stream)?.encodeHeaders?.(stream, headers, endStream) ?? 'continue';
  }

  encodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    return this.#standing(stream)?.encodeData?.(stream, data, endStream) ?? 'continue';
  }

  encodeTrailers(stream: FilterStream, trailers: Headers): TrailersStatus {
    return this.#standing(stream)?.encodeTrailers?.(stream, trailers) ?? 'continue';
  }

  onDestroy(stream: FilterStream): void {
    this.#standing(stream)?.onDestroy?.(stream);
  }
}
