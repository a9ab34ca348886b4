// How a stream goes through its filters: towards the router and back, with every filter free to hold it up.
import { Headers } from '../../wire/headers.ts';
import { BodyData, type DataStatus, type FilterStream, type HttpFilter, type LocalReply } from './filter.ts';
import type { FilterChain } from './filter-chain.ts';
import { Stop, stopAt, without } from './stop.ts';

/**
 * The two directions of one stream. Each filter may hold either up on its own; what waits, waits with the filter that
 * held it. The stream itself (`HttpStream`) is what the filters see and what the router's answer goes to.
 */
export abstract class FilterIteration {
  abstract readonly chain: FilterChain;
  abstract requestHeaders: Headers;
  abstract responseHeaders: Headers | null;
  abstract requestTrailers: Headers | null;
  abstract responseTrailers: Headers | null;
  abstract readonly bufferLimitBytes: number;
  isDestroyed = false;
  /** A local reply has been made: what the request still brings goes nowhere. */
  protected isAnswered = false;
  private decodeStops: Stop | null = null;
  private encodeStops: Stop | null = null;
  /** Body that a filter added while it was called, until its call returns. */
  private addedDecoded: Buffer | null = null;
  private addedEncoded: Buffer | null = null;
  /** Trailers that a filter added to the body's end, until its call returns. */
  private addedDecodedTrailers: Headers | null = null;
  private addedEncodedTrailers: Headers | null = null;

  /** The stream as its filters see it. */
  protected abstract readonly self: FilterStream;
  /** Switches by slot, or null when every filter is on. */
  protected abstract disabledFilters(): readonly boolean[] | null;
  abstract pauseRequest(): void;
  abstract resumeRequest(): void;
  abstract pauseResponse(): void;
  abstract resumeResponse(): void;
  abstract sendLocalReply(reply: LocalReply): void;
  /** Ends the stream because of a bug in a filter that was called outside of the stream's own entries. */
  protected abstract strike(): void;
  protected abstract requestTooLarge(): void;
  protected abstract responseTooLarge(): void;
  protected abstract sendHeaders(headers: Headers, endStream: boolean): void;
  protected abstract sendData(data: BodyData, endStream: boolean): void;
  protected abstract sendTrailers(trailers: Headers): void;

  /** Each filter gives its own back, whatever happens to another; whom the route leaves out has nothing. */
  protected destroyFilters(from = 0): void {
    const slots = this.chain.onDestroy;
    const disabled = slots.length === 0 ? null : this.disabledFilters();
    for (let at = from; at < slots.length; at++) {
      const slot = slots[at] as number;
      if (disabled?.[slot] === true) continue;
      try {
        this.chain.filters[slot]?.onDestroy?.(this.self);
      } catch (error) {
        this.destroyFilters(at + 1);
        throw error;
      }
    }
  }

  // ─── Towards the router ─────────────────────────────────────────────────────────────────────────────────────────

  get #isDecodingOver(): boolean {
    return this.isAnswered || this.isDestroyed;
  }

  protected iterateDecodeHeaders(from: number, endStream: boolean): void {
    const filters = this.chain.filters;
    const disabled = this.disabledFilters();
    const last = filters.length - 1;
    for (let i = from; i <= last; i++) {
      const filter = filters[i] as HttpFilter;
      if (filter.decodeHeaders === undefined || (disabled !== null && disabled[i] === true)) continue;
      const status = filter.decodeHeaders(this.self, this.requestHeaders, endStream);
      // Nothing waits at the last filter: it is where the request was going.
      if (this.#isDecodingOver || i === last) return;
      if (status === 'continue' && this.addedDecoded === null) continue;
      const added = this.#takeAddedDecoded();
      if (status !== 'continue') {
        const stop = this.#stopDecoding(new Stop(i, status, true, endStream));
        if (added !== null) this.#holdDecoded(stop, added);
        return;
      }
      // The filter made a body out of a bare head: the rest of the chain sees headers and then data.
      this.iterateDecodeHeaders(i + 1, false);
      if (!this.#isDecodingOver) this.iterateDecodeData(i + 1, new BodyData().set(added as Buffer), endStream);
      return;
    }
  }

  protected iterateDecodeData(from: number, data: BodyData, endStream: boolean): void {
    const filters = this.chain.filters;
    const disabled = this.disabledFilters();
    const last = filters.length - 1;
    for (let i = from; i <= last; i++) {
      const stop = this.decodeStops === null ? null : stopAt(this.decodeStops, i);
      const filter = filters[i] as HttpFilter;
      const isOff = filter.decodeData === undefined || (disabled !== null && disabled[i] === true);
      if (stop !== null && (stop.holdsAll || isOff)) {
        if (endStream) stop.ended = true;
        this.#holdDecoded(stop, data);
        return;
      }
      if (isOff) continue;
      const status = filter.decodeData?.(this.self, data, endStream) ?? 'continue';
      if (this.#isDecodingOver || i === last) return;
      if (status !== 'continue') {
        this.#stopDecodingData(i, status, data, endStream);
        return;
      }
      if (stop !== null || this.addedDecoded !== null) this.#releaseDecoded(i);
      if (this.#isDecodingOver) return;
      if (this.addedDecodedTrailers !== null) {
        this.#endWithDecodedTrailers(i + 1, data);
        return;
      }
    }
  }

  addDecodedTrailers(): Headers {
    this.addedDecodedTrailers ??= new Headers();
    return this.addedDecodedTrailers;
  }

  #endWithDecodedTrailers(from: number, data: BodyData): void {
    const trailers = this.addedDecodedTrailers as Headers;
    this.addedDecodedTrailers = null;
    this.requestTrailers = trailers;
    this.iterateDecodeData(from, data, false);
    if (!this.#isDecodingOver) this.iterateDecodeTrailers(from, trailers);
  }

  /** The filter lets data go: before it go the headers, what waited, and what the filter added. */
  #releaseDecoded(i: number): void {
    const stop = stopAt(this.decodeStops, i);
    const added = this.#takeAddedDecoded();
    if (stop !== null) {
      if (added !== null) stop.add(added);
      this.#endDecodeStop(stop);
      if (stop.headersWait) this.iterateDecodeHeaders(i + 1, false);
    }
    const body = stop === null ? added : stop.takeBody();
    if (body !== null && !this.#isDecodingOver) this.iterateDecodeData(i + 1, new BodyData().set(body), false);
  }

  #stopDecodingData(i: number, status: DataStatus, data: BodyData, endStream: boolean): void {
    const stop = stopAt(this.decodeStops, i) ?? this.#stopDecoding(new Stop(i, status, false, false));
    if (status === 'stop-and-watermark') stop.isWatermark = true;
    if (endStream) stop.ended = true;
    const added = this.#takeAddedDecoded();
    if (added !== null) stop.add(added);
    if (status !== 'stop-no-buffer') this.#holdDecoded(stop, data);
  }

  protected iterateDecodeTrailers(from: number, trailers: Headers): void {
    const filters = this.chain.filters;
    const disabled = this.disabledFilters();
    const last = filters.length - 1;
    for (let i = from; i <= last; i++) {
      let stop = stopAt(this.decodeStops, i);
      const filter = filters[i] as HttpFilter;
      const isOff = filter.decodeTrailers === undefined || (disabled !== null && disabled[i] === true);
      if (stop !== null && (stop.holdsAll || isOff)) {
        stop.trailers = trailers;
        return;
      }
      if (isOff) continue;
      const status = filter.decodeTrailers?.(this.self, trailers) ?? 'continue';
      if (this.#isDecodingOver || i === last) return;
      stop = stopAt(this.decodeStops, i);
      const added = this.#takeAddedDecoded();
      if (status === 'stop') stop ??= this.#stopDecoding(new Stop(i, 'stop', false, false));
      if (stop !== null) {
        if (added !== null) stop.add(added);
        stop.trailers = trailers;
        if (status === 'continue') this.continueDecoding(i);
        return;
      }
      if (added !== null) this.iterateDecodeData(i + 1, new BodyData().set(added), false);
      if (this.#isDecodingOver) return;
    }
  }

  continueDecoding(slot: number): void {
    try {
      this.#goOnDecoding(slot);
    } catch (error) {
      this.strike();
      throw error;
    }
  }

  #goOnDecoding(slot: number): void {
    const stop = stopAt(this.decodeStops, slot);
    if (stop === null || this.#isDecodingOver) return;
    this.#endDecodeStop(stop);
    const body = stop.takeBody();
    const isBare = stop.ended && body === null && stop.trailers === null;
    if (stop.headersWait) {
      this.iterateDecodeHeaders(slot + 1, isBare);
      if (isBare || this.#isDecodingOver) return;
    }
    const dataFrom = stop.holdsAll ? slot : slot + 1;
    if (body !== null || isBare) {
      const data = new BodyData();
      if (body !== null) data.set(body);
      this.iterateDecodeData(dataFrom, data, stop.ended && stop.trailers === null);
      if (this.#isDecodingOver) return;
    }
    if (stop.trailers !== null) this.iterateDecodeTrailers(dataFrom, stop.trailers);
  }

  addDecodedData(slot: number, data: Buffer): void {
    const stop = stopAt(this.decodeStops, slot);
    if (stop !== null) this.#holdDecoded(stop, data);
    else this.addedDecoded = this.addedDecoded === null ? data : Buffer.concat([this.addedDecoded, data]);
  }

  takeDecodedData(slot: number): Buffer | null {
    return stopAt(this.decodeStops, slot)?.takeBody() ?? null;
  }

  #takeAddedDecoded(): Buffer | null {
    const added = this.addedDecoded;
    if (added !== null) this.addedDecoded = null;
    return added;
  }

  #stopDecoding(stop: Stop): Stop {
    stop.next = this.decodeStops;
    this.decodeStops = stop;
    return stop;
  }

  #endDecodeStop(stop: Stop): void {
    this.decodeStops = without(this.decodeStops, stop);
    if (stop.hasPaused) this.resumeRequest();
  }

  #holdDecoded(stop: Stop, data: BodyData | Buffer): void {
    if (data instanceof BodyData) stop.keep(data);
    else stop.add(data);
    if (stop.bytes <= this.bufferLimitBytes || stop.hasPaused) return;
    if (stop.isWatermark) {
      stop.hasPaused = true;
      this.pauseRequest();
    } else this.requestTooLarge();
  }

  /** The body that waits at one filter, for a request that starts over; null unless all `bytes` of it wait there. */
  protected takeHeldRequest(bytes: number): Buffer | null {
    const stop = this.decodeStops;
    if (stop === null || stop.bytes < bytes) return null;
    return stop.takeBody();
  }

  // ─── From the router ────────────────────────────────────────────────────────────────────────────────────────────

  /** From position `from` of the phase's own order. */
  protected iterateEncodeHeaders(from: number, headers: Headers, endStream: boolean): void {
    const order = this.chain.encodeHeaders;
    if (from < order.length) {
      const disabled = this.disabledFilters();
      for (let position = from; position < order.length; position++) {
        const i = order[position] as number;
        if (disabled !== null && disabled[i] === true) continue;
        const status = this.chain.filters[i]?.encodeHeaders?.(this.self, headers, endStream) ?? 'continue';
        if (this.isDestroyed || this.responseHeaders !== headers) return;
        if (status === 'continue' && this.addedEncoded === null) continue;
        const added = this.#takeAddedEncoded();
        if (status !== 'continue') {
          const stop = this.#stopEncoding(new Stop(i, status, true, endStream));
          if (added !== null) this.#holdEncoded(stop, added);
          return;
        }
        this.iterateEncodeHeaders(position + 1, headers, false);
        if (!this.isDestroyed) this.iterateEncodeData(i - 1, new BodyData().set(added as Buffer), endStream);
        return;
      }
    }
    this.sendHeaders(headers, endStream);
  }

  /** Whether no filter looks at or holds the response's body. */
  protected get isEncodingBare(): boolean {
    return this.encodeStops === null && this.chain.encodeData.length === 0;
  }

  /** From slot `from` down to 0. */
  protected iterateEncodeData(from: number, data: BodyData, endStream: boolean): void {
    const disabled = this.disabledFilters();
    for (let i = from; i >= 0; i--) {
      const stop = this.encodeStops === null ? null : stopAt(this.encodeStops, i);
      const filter = this.chain.filters[i] as HttpFilter;
      const isOff = filter.encodeData === undefined || (disabled !== null && disabled[i] === true);
      if (stop !== null && (stop.holdsAll || isOff)) {
        if (endStream) stop.ended = true;
        this.#holdEncoded(stop, data);
        return;
      }
      if (isOff) continue;
      const status = filter.encodeData?.(this.self, data, endStream) ?? 'continue';
      if (this.isDestroyed) return;
      if (status !== 'continue') {
        this.#stopEncodingData(i, status, data, endStream);
        return;
      }
      if (stop !== null || this.addedEncoded !== null) this.#releaseEncoded(i);
      if (this.isDestroyed) return;
      if (this.addedEncodedTrailers !== null) {
        this.#endWithEncodedTrailers(i - 1, data);
        return;
      }
    }
    this.sendData(data, endStream);
  }

  addEncodedTrailers(): Headers {
    this.addedEncodedTrailers ??= new Headers();
    return this.addedEncodedTrailers;
  }

  #endWithEncodedTrailers(from: number, data: BodyData): void {
    const trailers = this.addedEncodedTrailers as Headers;
    this.addedEncodedTrailers = null;
    this.responseTrailers = trailers;
    this.iterateEncodeData(from, data, false);
    if (!this.isDestroyed) this.iterateEncodeTrailers(from, trailers);
  }

  #releaseEncoded(i: number): void {
    const stop = stopAt(this.encodeStops, i);
    const added = this.#takeAddedEncoded();
    if (stop !== null) {
      if (added !== null) stop.add(added);
      this.#endEncodeStop(stop);
      if (stop.headersWait) this.#continueEncodeHeaders(i, false);
    }
    const body = stop === null ? added : stop.takeBody();
    if (body !== null && !this.isDestroyed) this.iterateEncodeData(i - 1, new BodyData().set(body), false);
  }

  #stopEncodingData(i: number, status: DataStatus, data: BodyData, endStream: boolean): void {
    const stop = stopAt(this.encodeStops, i) ?? this.#stopEncoding(new Stop(i, status, false, false));
    if (status === 'stop-and-watermark') stop.isWatermark = true;
    if (endStream) stop.ended = true;
    const added = this.#takeAddedEncoded();
    if (added !== null) stop.add(added);
    if (status !== 'stop-no-buffer') this.#holdEncoded(stop, data);
  }

  protected iterateEncodeTrailers(from: number, trailers: Headers): void {
    const disabled = this.disabledFilters();
    for (let i = from; i >= 0; i--) {
      let stop = stopAt(this.encodeStops, i);
      const filter = this.chain.filters[i] as HttpFilter;
      const isOff = filter.encodeTrailers === undefined || (disabled !== null && disabled[i] === true);
      if (stop !== null && (stop.holdsAll || isOff)) {
        stop.trailers = trailers;
        return;
      }
      if (isOff) continue;
      const status = filter.encodeTrailers?.(this.self, trailers) ?? 'continue';
      if (this.isDestroyed) return;
      stop = stopAt(this.encodeStops, i);
      const added = this.#takeAddedEncoded();
      if (status === 'stop') stop ??= this.#stopEncoding(new Stop(i, 'stop', false, false));
      if (stop !== null) {
        if (added !== null) stop.add(added);
        stop.trailers = trailers;
        if (status === 'continue') this.continueEncoding(i);
        return;
      }
      if (added !== null) this.iterateEncodeData(i - 1, new BodyData().set(added), false);
      if (this.isDestroyed) return;
    }
    this.sendTrailers(trailers);
  }

  #continueEncodeHeaders(slot: number, endStream: boolean): void {
    const position = this.chain.encodeHeaders.indexOf(slot);
    this.iterateEncodeHeaders(position + 1, this.responseHeaders as Headers, endStream);
  }

  continueEncoding(slot: number): void {
    try {
      this.#goOnEncoding(slot);
    } catch (error) {
      this.strike();
      throw error;
    }
  }

  #goOnEncoding(slot: number): void {
    const stop = stopAt(this.encodeStops, slot);
    if (stop === null || this.isDestroyed) return;
    this.#endEncodeStop(stop);
    const body = stop.takeBody();
    const isBare = stop.ended && body === null && stop.trailers === null;
    if (stop.headersWait) {
      this.#continueEncodeHeaders(slot, isBare);
      if (isBare || this.isDestroyed) return;
    }
    const dataFrom = stop.holdsAll ? slot : slot - 1;
    if (body !== null || isBare) {
      const data = new BodyData();
      if (body !== null) data.set(body);
      this.iterateEncodeData(dataFrom, data, stop.ended && stop.trailers === null);
      if (this.isDestroyed) return;
    }
    if (stop.trailers !== null) this.iterateEncodeTrailers(dataFrom, stop.trailers);
  }

  addEncodedData(slot: number, data: Buffer): void {
    const stop = stopAt(this.encodeStops, slot);
    if (stop !== null) this.#holdEncoded(stop, data);
    else this.addedEncoded = this.addedEncoded === null ? data : Buffer.concat([this.addedEncoded, data]);
  }

  takeEncodedData(slot: number): Buffer | null {
    return stopAt(this.encodeStops, slot)?.takeBody() ?? null;
  }

  heldEncodedBytes(slot: number): number {
    return stopAt(this.encodeStops, slot)?.bytes ?? 0;
  }

  injectEncodedData(slot: number, data: Buffer, endStream: boolean): void {
    if (this.isDestroyed) return;
    const stop = stopAt(this.encodeStops, slot);
    if (stop !== null && endStream) this.#endEncodeStop(stop);
    try {
      this.iterateEncodeData(slot - 1, new BodyData().set(data), endStream);
    } catch (error) {
      this.strike();
      throw error;
    }
  }

  #takeAddedEncoded(): Buffer | null {
    const added = this.addedEncoded;
    if (added !== null) this.addedEncoded = null;
    return added;
  }

  #stopEncoding(stop: Stop): Stop {
    stop.next = this.encodeStops;
    this.encodeStops = stop;
    return stop;
  }

  #endEncodeStop(stop: Stop): void {
    this.encodeStops = without(this.encodeStops, stop);
    if (stop.hasPaused) this.resumeResponse();
  }

  #holdEncoded(stop: Stop, data: BodyData | Buffer): void {
    if (data instanceof BodyData) stop.keep(data);
    else stop.add(data);
    if (stop.bytes <= this.bufferLimitBytes || stop.hasPaused) return;
    if (stop.isWatermark) {
      stop.hasPaused = true;
      this.pauseResponse();
    } else this.responseTooLarge();
  }

  /** What was held of a response gives way to another one. */
  protected dropHeldResponse(): void {
    this.encodeStops = null;
    this.addedEncoded = null;
  }
}
