// Hedging: an attempt that takes long is not given up; a retry runs beside it, and the first good answer wins.
import type { Failure } from '../../../../base/failure.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { Cluster, Host, StreamRequest } from '../../../cluster/cluster.ts';
import { PENDING_OVERFLOW } from '../../../cluster/failures.ts';
import type { ForwardAction } from '../../../route/route.ts';
import type { StreamInfo } from '../../../stream-info.ts';
import type { RequestEncoder, StreamCallbacks } from '../../codec.ts';
import type { BodyData } from '../../filter.ts';
import { type ResetReason, resetReason } from './reset-reason.ts';

/** The forwarded request, as its hedged attempts see it. */
export type HedgedRequest = StreamCallbacks & {
  readonly cluster: Cluster;
  readonly forward: ForwardAction;
  readonly headers: Headers;
  readonly info: StreamInfo;
  readonly isGrpc: boolean;
  /** Writes the request once more. */
  sendAgain(encoder: RequestEncoder): void;
  /** Whether an answer of this kind would be worth a retry. */
  wouldRetry(response: Headers): boolean;
  /** An attempt of now waits for its answer, or one is about to begin. */
  readonly isWaiting: boolean;
  /** This attempt is the only one from now on. */
  adopt(host: Host, encoder: RequestEncoder): void;
  takeResponse(headers: Headers, endStream: boolean): void;
  /** An attempt that was left has failed; `isLast`: there is nothing else to wait for. */
  leftFailed(host: Host | null, reason: ResetReason, isLast: boolean): void;
};

/** Whether attempts are hedged: as the route says, or the request. Source: Envoy FilterUtility::finalHedgingParams. */
export function hedgesOnTimeout(forward: ForwardAction, headers: Headers): boolean {
  if (!headers.mayHave(H['x-envoy-hedge-on-per-try-timeout'])) return forward.hedges;
  const asked = headers.get(H['x-envoy-hedge-on-per-try-timeout']);
  if (asked === 'true') return true;
  return asked === 'false' ? false : forward.hedges;
}

// An attempt:   current ─► (its time is up, and a retry begins) left ─► adopted: current again, all others end
//                                                                  └──► failed, or its answer is worth a retry: over
export class Hedge {
  readonly request: HedgedRequest;
  #current: HedgedAttempt | null = null;
  readonly #left: HedgedAttempt[] = [];

  constructor(request: HedgedRequest) {
    this.request = request;
  }

  /** Some attempt that was left may still answer. */
  get isWaiting(): boolean {
    return this.#left.length > 0;
  }

  get leftHosts(): readonly (Host | null)[] {
    return this.#left.map(({ host, encoder }) => (encoder === null ? null : host));
  }

  /** A new attempt: who hears what comes of it. */
  begin(host: Host): HedgedAttempt {
    this.#current = new HedgedAttempt(this, host);
    return this.#current;
  }

  isCurrent(attempt: HedgedAttempt): boolean {
    return attempt === this.#current;
  }

  /** The attempt of now goes on beside those to come. */
  leave(pending: StreamRequest | null, encoder: RequestEncoder | null): void {
    const attempt = this.#current;
    if (attempt === null) return;
    attempt.pending = pending;
    attempt.encoder = encoder;
    this.#left.push(attempt);
    this.#current = null;
  }

  /** Its place among those that were left is free; false when it had none. */
  drop(attempt: HedgedAttempt): boolean {
    const at = this.#left.indexOf(attempt);
    if (at >= 0) this.#left.splice(at, 1);
    return at >= 0;
  }

  /** An attempt that was left is the one that answers. */
  adopt(attempt: HedgedAttempt, encoder: RequestEncoder): void {
    this.drop(attempt);
    this.end();
    this.#current = attempt;
    this.request.adopt(attempt.host, encoder);
  }

  /** Breaks all off that were left. */
  end(): void {
    for (const attempt of this.#left.splice(0)) attempt.abandon();
  }
}

export class HedgedAttempt implements StreamCallbacks {
  readonly #hedge: Hedge;
  readonly host: Host;
  pending: StreamRequest | null = null;
  encoder: RequestEncoder | null = null;

  constructor(hedge: Hedge, host: Host) {
    this.#hedge = hedge;
    this.host = host;
  }

  get cluster(): Cluster {
    return this.#hedge.request.cluster;
  }
  get forward(): ForwardAction {
    return this.#hedge.request.forward;
  }
  get headers(): Headers {
    return this.#hedge.request.headers;
  }
  get info(): StreamInfo {
    return this.#hedge.request.info;
  }
  get #isCurrent(): boolean {
    return this.#hedge.isCurrent(this);
  }

  abandon(): void {
    const { pending, encoder } = this;
    this.pending = null;
    this.encoder = null;
    pending?.cancel();
    encoder?.resetStream();
  }

  onPoolReady(encoder: RequestEncoder): void {
    const { request } = this.#hedge;
    if (this.#isCurrent) return request.onPoolReady(encoder);
    this.pending = null;
    this.encoder = encoder;
    this.host.outlier?.connected();
    request.sendAgain(encoder);
  }

  onPoolFailure(reason: Failure): void {
    if (this.#isCurrent) this.#hedge.request.onPoolFailure(reason);
    else this.#failed(resetReason(reason), reason !== PENDING_OVERFLOW);
  }

  onReset(reason: Failure): void {
    if (this.#isCurrent) this.#hedge.request.onReset(reason);
    else this.#failed(resetReason(reason), true);
  }

  #failed(reason: ResetReason, reachedHost: boolean): void {
    const hedge = this.#hedge;
    if (!hedge.drop(this)) return;
    if (reachedHost && !reason.isOverflow) this.host.outlier?.failed();
    const isLast = !hedge.isWaiting && !hedge.request.isWaiting;
    hedge.request.leftFailed(reachedHost ? this.host : null, reason, isLast);
  }

  decode1xx(headers: Headers): void {
    if (!this.#isCurrent && this.encoder !== null) this.#hedge.adopt(this, this.encoder);
    this.#hedge.request.decode1xx(headers);
  }

  decodeHeaders(headers: Headers, endStream: boolean): void {
    const hedge = this.#hedge;
    const { request } = hedge;
    if (this.#isCurrent) return request.decodeHeaders(headers, endStream);
    const { encoder } = this;
    if (encoder === null) return;
    this.host.outlier?.answered(headers, request.isGrpc);
    // It was retried already: what is worth a retry only waits for a better answer, if one may come.
    hedge.drop(this);
    if (request.wouldRetry(headers) && (hedge.isWaiting || request.isWaiting)) {
      this.host.rqError++;
      this.abandon();
      return;
    }
    hedge.adopt(this, encoder);
    request.takeResponse(headers, endStream);
  }

  decodeData(data: BodyData, endStream: boolean): void {
    if (this.#isCurrent) this.#hedge.request.decodeData(data, endStream);
  }

  decodeTrailers(trailers: Headers): void {
    if (this.#isCurrent) this.#hedge.request.decodeTrailers(trailers);
  }

  onAboveWatermark(): void {
    if (this.#isCurrent) this.#hedge.request.onAboveWatermark();
  }
  onBelowWatermark(): void {
    if (this.#isCurrent) this.#hedge.request.onBelowWatermark();
  }
}
