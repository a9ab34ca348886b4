// One attempt as the filters behind the router see it: the exchange, with a way there and back of its own.
import type { Clock, Random } from '../../../../../base/clock.ts';
import type { Headers } from '../../../../../wire/headers.ts';
import type { Route } from '../../../../route/route.ts';
import { Flag, type StreamInfo } from '../../../../stream-info.ts';
import type { RequestEncoder } from '../../../codec.ts';
import { BodyData, type FilterStream, type LocalReply } from '../../../filter.ts';
import type { FilterChain } from '../../../filter-chain.ts';
import { FilterIteration } from '../../../filter-iteration.ts';
import { type RouteSlots, routeSlotsOf } from '../../../route-slots.ts';
import { unsendableField } from '../attempt-info.ts';

/** The exchange that the attempt is of. */
export type AttemptExchange = {
  readonly info: StreamInfo;
  readonly requestTrailers: Headers | null;
  readonly route: Route | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly isGrpc: boolean;
  readonly bufferLimitBytes: number;
  /** Counted. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** Ends the exchange without an answer. */
  resetStream(details: string): void;
};

/** Where what comes out of the filters goes. */
export type AttemptEnds = {
  /** Null until there is a connection, and after the end of the response. */
  readonly encoder: RequestEncoder | null;
  receiveHeaders(headers: Headers, endStream: boolean): void;
  receiveData(data: BodyData, endStream: boolean): void;
  receiveTrailers(trailers: Headers): void;
  /** So much body goes to the upstream. */
  countSent(bytes: number): void;
  /** A filter answers the request in place of the upstream. */
  answer(reply: LocalReply): void;
};

/** The head that cannot be written for want of a field. Source: Envoy HeaderUtility::checkRequiredRequestHeaders. */
function missingField({ method, path, authority }: Headers): string | null {
  if (method === '') return ':method';
  if (method === 'CONNECT') return authority === '' ? ':authority' : null;
  return path === '' ? ':path' : null;
}

export class UpstreamStream extends FilterIteration implements FilterStream {
  readonly chain: FilterChain;
  readonly slot: unknown[];
  readonly #exchange: AttemptExchange;
  readonly #ends: AttemptEnds;
  readonly #route: Route | null;
  #slots: RouteSlots | null = null;
  requestHeaders: Headers;
  responseHeaders: Headers | null = null;
  #ownTrailers: Headers | null = null;
  responseTrailers: Headers | null = null;
  readonly localReplyBody = '';
  readonly accessLogType = 'NotSet';
  readonly isLocalReply = false;
  #limitBytes: number | null = null;
  #requestPauses = 0;
  #isStarted = false;
  /** The head has come to the end of the chain, and waits there for a connection. */
  #waits = false;
  #waitsBare = false;
  /** What filters let go of a body meanwhile. */
  #waiting: Buffer[] | null = null;
  #waitingEnd: 'data' | Headers | null = null;
  #waitingBytes = 0;
  #isTooMuchWaiting = false;

  constructor(chain: FilterChain, exchange: AttemptExchange, headers: Headers, ends: AttemptEnds) {
    super();
    this.chain = chain;
    this.slot = new Array(chain.filters.length);
    this.#exchange = exchange;
    this.#ends = ends;
    this.#route = exchange.route;
    this.requestHeaders = headers;
  }

  get info(): StreamInfo {
    return this.#exchange.info;
  }
  get clock(): Clock {
    return this.#exchange.clock;
  }
  get random(): Random {
    return this.#exchange.random;
  }
  get isGrpc(): boolean {
    return this.#exchange.isGrpc;
  }
  get requestTrailers(): Headers | null {
    return this.#ownTrailers ?? this.#exchange.requestTrailers;
  }
  set requestTrailers(trailers: Headers | null) {
    this.#ownTrailers = trailers;
  }
  get bufferLimitBytes(): number {
    return this.#limitBytes ?? this.#exchange.bufferLimitBytes;
  }
  limitBuffer(bytes: number): void {
    this.#limitBytes = bytes;
  }

  // ─── Route ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get route(): Route | null {
    return this.#route;
  }

  #routeSlots(): RouteSlots {
    this.#slots ??= routeSlotsOf(this.chain, this.#route);
    return this.#slots;
  }

  routeConfig(slot: number): unknown {
    return this.#routeSlots().mostSpecific[slot] ?? null;
  }

  routeConfigs(slot: number): readonly unknown[] {
    return this.#routeSlots().all[slot] ?? [];
  }

  protected override disabledFilters(): readonly boolean[] | null {
    return this.#routeSlots().disabled;
  }

  /** The route is chosen: only filters in front of the router have a say in it. */
  askForRoute(): null {
    return null;
  }
  clearRouteCache(): void {}
  recreateStream(): boolean {
    return false;
  }

  // ─── There ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** The attempt is to go to a host. Filters that only look at that decide before anything is asked of it. */
  announceHost(): void {
    const slots = this.chain.hostSelected;
    if (slots.length === 0) return;
    const disabled = this.disabledFilters();
    for (const i of slots) {
      if (disabled !== null && disabled[i] === true) continue;
      this.chain.filters[i]?.hostSelected?.(this);
      if (this.isDestroyed) return;
    }
  }

  start(endStream: boolean): void {
    this.#isStarted = true;
    try {
      this.iterateDecodeHeaders(0, endStream);
    } catch (error) {
      throw this.#struck(error);
    }
  }

  decodeData(data: BodyData, endStream: boolean): void {
    if (this.isDestroyed) return;
    try {
      this.iterateDecodeData(0, data, endStream);
    } catch (error) {
      throw this.#struck(error);
    }
  }

  decodeTrailers(trailers: Headers): void {
    if (this.isDestroyed) return;
    try {
      this.iterateDecodeTrailers(0, trailers);
    } catch (error) {
      throw this.#struck(error);
    }
  }

  /** There is a connection: what waits for it goes. */
  release(): void {
    if (!this.#waits) return;
    this.#waits = false;
    const chunks = this.#waiting ?? [];
    const end = this.#waitingEnd;
    this.#waiting = null;
    if (this.#isTooMuchWaiting) this.resumeRequest();
    this.writeHeaders(this.#waitsBare && chunks.length === 0 && end === null);
    for (const [i, chunk] of chunks.entries()) {
      this.writeData(new BodyData().set(chunk), end === 'data' && i === chunks.length - 1);
    }
    if (end !== null && end !== 'data') this.writeTrailers(end);
  }

  writeHeaders(endStream: boolean): void {
    const { encoder } = this.#ends;
    const headers = this.requestHeaders;
    if (encoder === null) {
      this.#waits = true;
      this.#waitsBare = endStream;
      return;
    }
    const missing = missingField(headers);
    if (missing !== null) return this.#refuse(`missing required header: ${missing}`);
    if (headers.unsendable === null) encoder.encodeHeaders(headers, endStream);
    else this.#refuse(unsendableField(headers.unsendable)[0]);
  }

  #refuse(body: string): void {
    const details = `filter_removed_required_request_headers{${body.replaceAll(' ', '_')}}`;
    this.#ends.answer({ status: 503, body, details, flags: Flag.DPE });
  }

  writeData(data: BodyData, endStream: boolean): void {
    const { encoder } = this.#ends;
    if (this.#waits) this.#wait(data, endStream);
    else if (encoder !== null) {
      this.#ends.countSent(data.length);
      encoder.encodeData(data, endStream);
    }
  }

  #wait(data: BodyData, endStream: boolean): void {
    (this.#waiting ??= []).push(data.copy());
    this.#waitingBytes += data.length;
    if (endStream) this.#waitingEnd = 'data';
    if (this.#isTooMuchWaiting || this.#waitingBytes <= this.bufferLimitBytes) return;
    this.#isTooMuchWaiting = true;
    this.pauseRequest();
  }

  writeTrailers(trailers: Headers): void {
    if (this.#waits) this.#waitingEnd = trailers;
    else this.#ends.encoder?.encodeTrailers(trailers);
  }

  // ─── And back ───────────────────────────────────────────────────────────────────────────────────────────────────

  receive1xx(headers: Headers): void {
    for (const i of this.chain.encode1xx) this.chain.filters[i]?.encode1xx?.(this, headers);
  }

  receiveHeaders(headers: Headers, endStream: boolean): void {
    this.responseHeaders = headers;
    try {
      this.iterateEncodeHeaders(0, headers, endStream);
    } catch (error) {
      throw this.#struck(error);
    }
  }

  receiveData(data: BodyData, endStream: boolean): void {
    if (this.isDestroyed) return;
    if (this.isEncodingBare) return this.sendData(data, endStream);
    try {
      this.iterateEncodeData(this.chain.filters.length - 1, data, endStream);
    } catch (error) {
      throw this.#struck(error);
    }
  }

  receiveTrailers(trailers: Headers): void {
    if (this.isDestroyed) return;
    this.responseTrailers = trailers;
    try {
      this.iterateEncodeTrailers(this.chain.filters.length - 1, trailers);
    } catch (error) {
      throw this.#struck(error);
    }
  }

  protected override sendHeaders(headers: Headers, endStream: boolean): void {
    this.#ends.receiveHeaders(headers, endStream);
  }

  protected override sendData(data: BodyData, endStream: boolean): void {
    this.#ends.receiveData(data, endStream);
  }

  protected override sendTrailers(trailers: Headers): void {
    this.#ends.receiveTrailers(trailers);
  }

  // ─── What the filters do to it ──────────────────────────────────────────────────────────────────────────────────

  protected override get self(): this {
    return this;
  }

  pauseRequest(): void {
    this.#requestPauses++;
    this.#exchange.pauseRequest();
  }

  resumeRequest(): void {
    if (this.#requestPauses === 0) return;
    this.#requestPauses--;
    this.#exchange.resumeRequest();
  }

  pauseResponse(): void {
    this.#ends.encoder?.pauseReading();
  }

  resumeResponse(): void {
    this.#ends.encoder?.resumeReading();
  }

  /** Unlike in front of the router, nobody counts these. */
  protected override requestTooLarge(): void {
    this.sendLocalReply({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
  }

  protected override responseTooLarge(): void {
    this.sendLocalReply({ status: 500, body: 'Internal Server Error', details: 'response_payload_too_large' });
  }

  sendLocalReply(reply: LocalReply): void {
    if (!this.isDestroyed) this.#ends.answer(reply);
  }

  resetStream(details: string): void {
    if (!this.isDestroyed) this.#exchange.resetStream(details);
  }

  protected override strike(): void {
    this.resetStream('internal_error');
  }

  /** A bug in a filter ends the exchange, which would wait for ever otherwise. */
  #struck(error: unknown): unknown {
    this.strike();
    return error;
  }

  /** The attempt is over, however it ended. */
  destroy(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    while (this.#requestPauses > 0) this.resumeRequest();
    if (this.#isStarted) this.destroyFilters();
  }
}
