// One HTTP exchange of the proxy's own: a request over a cluster that no client asked for.
import type { Random, Timer } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import { hasGrpcContentType } from '../../../wire/grpc/request.ts';
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { RequestEncoder, StreamCallbacks } from '../../http/codec.ts';
import { BodyData } from '../../http/filter.ts';
import type { ConnectionInfo, StreamInfo } from '../../stream-info.ts';
import type { TransportWishes } from '../../transport/transport.ts';
import type { Cluster, Host, LoadBalancerContext, StreamRequest } from '../cluster.ts';
import { NO_POOL, PENDING_OVERFLOW } from '../failures.ts';
import { type CallFailure, failureOf, NO_CLUSTER, NO_HOST, TIMED_OUT } from './call-failure.ts';
import { CallRetry, type CallRetryPolicy } from './call-retry.ts';
import type { HttpClient } from './http-client.ts';

/** Hears of one call: a head, then data and trailers until `endStream` or trailers; or a failure, which is the last. */
export type CallHandler = {
  onHeaders(headers: Headers, endStream: boolean): void;
  /** Borrowed bytes. */
  onData(data: BodyData, endStream: boolean): void;
  onTrailers(trailers: Headers): void;
  onFailure(failure: CallFailure): void;
  /** More waits to be sent than the limit; and: there is room again. */
  onAboveWatermark(): void;
  onBelowWatermark(): void;
};

export type CallOptions = {
  /** From the end of the request to the end of the response; 0 for none. */
  readonly timeoutMs: number;
  /** Body that may wait for a connection or for a retry. Default `DEFAULT_BUFFER_BYTES`. */
  readonly bufferLimitBytes?: number;
  /** Consistent hash; absent or null: none. */
  readonly hash?: number | null;
  /** Without x-envoy-internal and x-forwarded-for (EnvoyGrpc.skip_envoy_headers). */
  readonly skipsEnvoyHeaders?: boolean;
  /** The exchange on whose behalf the call is made; null: none. */
  readonly info?: StreamInfo | null;
  readonly wishes?: TransportWishes | null;
  readonly retry?: CallRetryPolicy | null;
};

/** Source: Envoy AsyncStreamImpl::kDefaultDecoderBufferLimit. */
export const DEFAULT_BUFFER_BYTES = 64 * 1024;

// choose a host ─► wait for a connection ─► request goes out ─► response comes in ─► over
//       ▲                  └──────────────────────┴── failure ──► retry? ── no ──► onFailure
//       └───────────────────────── back-off ◄─────────────────────── yes
export class HttpCall implements StreamCallbacks, LoadBalancerContext {
  readonly #client: HttpClient;
  readonly #clusterName: string;
  readonly #handler: CallHandler;
  readonly #options: CallOptions;
  readonly #limitBytes: number;
  readonly headers: Headers;
  #cluster: Cluster | null = null;
  #host: Host | null = null;
  #pending: StreamRequest | null = null;
  #encoder: RequestEncoder | null = null;
  /** Body that waits for a connection, or that a retry needs again. */
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #trailers: Headers | null = null;
  /** The request is complete, and since when (-1: it is not). */
  #isEnded = false;
  #completeMs = -1;
  #wasSent = false;
  #isAttempting = false;
  #reachedHost = false;
  #isRetry = false;
  #hasHead = false;
  #isAbove = false;
  #pauses = 0;
  #retry: CallRetry | null = null;
  #timer: Timer | null = null;
  #retryTimer: Timer | null = null;
  /** Over, however it ended: the handler hears nothing more. */
  isOver = false;

  constructor(client: HttpClient, clusterName: string, headers: Headers, handler: CallHandler, options: CallOptions) {
    this.#client = client;
    this.#clusterName = clusterName;
    this.headers = headers;
    this.#handler = handler;
    this.#options = options;
    this.#limitBytes = options.bufferLimitBytes ?? DEFAULT_BUFFER_BYTES;
  }

  // ─── What the load balancer asks ────────────────────────────────────────────────────────────────────────────────

  get hash(): number | null {
    return this.#options.hash ?? null;
  }
  get random(): Random {
    return this.#client.random;
  }
  get requestHeaders(): Headers {
    return this.headers;
  }
  get connection(): ConnectionInfo | null {
    return this.#options.info?.connection ?? null;
  }
  get info(): StreamInfo | null {
    return this.#options.info ?? null;
  }
  get hostSelectionMaxAttempts(): number {
    return 0;
  }
  shouldSelectAnother(): boolean {
    return false;
  }

  // ─── The request ────────────────────────────────────────────────────────────────────────────────────────────────

  start(endStream: boolean): void {
    const { headers } = this;
    const { parts, scope } = this.#client;
    const { skipsEnvoyHeaders, retry, timeoutMs } = this.#options;
    const cluster = parts.clusters.get(this.#clusterName);
    if (cluster === null) {
      this.#fail({ status: 503, text: NO_CLUSTER, isAfterStart: false });
      return;
    }
    this.#cluster = cluster;
    if (skipsEnvoyHeaders !== true) {
      headers.set(H['x-envoy-internal'], 'true');
      if (parts.localAddress !== '') headers.appendValue(H['x-forwarded-for'], parts.localAddress);
    }
    // Source: Envoy Router::FilterUtility::finalTimeout.
    if (timeoutMs > 0) headers.set(H['x-envoy-expected-rq-timeout-ms'], String(Math.ceil(timeoutMs)));
    scope.inc(scope.i.rq_total);
    if (retry !== undefined && retry !== null) this.#retry = new CallRetry(retry, this.random);
    this.#isEnded = endStream;
    this.#connect();
    if (endStream) this.#requestEnds();
  }

  #connect(): void {
    const cluster = this.#cluster as Cluster;
    const host = cluster.lb.chooseHost(this);
    if (host === null) {
      this.#noHost(cluster);
      return;
    }
    this.#host = host;
    this.#reachedHost = false;
    this.#isAttempting = true;
    const pending = host.newStream('DEFAULT', this, this.#options.wishes ?? null);
    // The answer may have come already, and the call may even be over.
    if (this.#isAttempting && this.#encoder === null) this.#pending = pending;
  }

  #noHost(cluster: Cluster): void {
    cluster.scope.inc(cluster.scope.i.upstream_cx_none_healthy);
    this.#charge(503, null);
    this.#fail({ status: 503, text: NO_HOST, isAfterStart: false });
  }

  /** The bytes are the call's from now on. */
  sendData(bytes: Buffer, endStream: boolean): void {
    if (this.isOver || this.#isEnded) return;
    const encoder = this.#encoder;
    this.#isEnded = endStream;
    if (this.#retry !== null && this.#keptBytes + bytes.length > this.#limitBytes) this.#giveUpRetry();
    if (encoder === null || this.#retry !== null) this.#keep(bytes);
    if (encoder !== null) encoder.encodeData(outgoing.set(bytes), endStream);
    if (endStream && !this.isOver) this.#requestEnds();
  }

  sendTrailers(trailers: Headers): void {
    if (this.isOver || this.#isEnded) return;
    this.#isEnded = true;
    this.#trailers = trailers;
    this.#encoder?.encodeTrailers(trailers);
    if (!this.isOver) this.#requestEnds();
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    if (this.#encoder === null && this.#keptBytes > this.#limitBytes) this.onAboveWatermark();
  }

  /** Too much was sent to be kept for another try. */
  #giveUpRetry(): void {
    const { scope } = this.#cluster as Cluster;
    scope.inc(scope.i.retry_or_shadow_abandoned);
    this.#dropRetry();
  }

  #dropRetry(): void {
    this.#retry?.release();
    this.#retry = null;
    if (this.#encoder !== null) this.#dropKept();
  }

  #dropKept(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #requestEnds(): void {
    const { clock } = this.#client;
    this.#completeMs = clock.nowMs;
    const { timeoutMs } = this.#options;
    if (this.isOver || timeoutMs <= 0) return;
    this.#timer = clock.timer(callTimedOut, this);
    this.#timer.arm(timeoutMs);
  }

  /** More waits to be sent than the limit allows: whoever has more to say waits, or leaves it. */
  get isAboveWatermark(): boolean {
    return this.#isAbove;
  }

  pauseReading(): void {
    this.#pauses++;
    this.#encoder?.pauseReading();
  }

  resumeReading(): void {
    if (this.#pauses === 0) return;
    this.#pauses--;
    this.#encoder?.resumeReading();
  }

  /** Gives the call up. Nothing more is heard of it. */
  cancel(): void {
    if (this.isOver) return;
    const pending = this.#pending;
    const encoder = this.#encoder;
    this.#end();
    pending?.cancel();
    encoder?.resetStream();
  }

  #end(): void {
    this.isOver = true;
    this.#isAttempting = false;
    this.#pending = null;
    this.#encoder = null;
    this.#retry?.release();
    this.#retry = null;
    this.#dropKept();
    this.#timer?.disarm();
    this.#retryTimer?.disarm();
  }

  #fail(failure: CallFailure): void {
    this.#end();
    this.#handler.onFailure(failure);
  }

  // ─── The way out ────────────────────────────────────────────────────────────────────────────────────────────────

  onPoolReady(encoder: RequestEncoder): void {
    this.#pending = null;
    this.#encoder = encoder;
    this.#reachedHost = true;
    this.#host?.outlier?.connected();
    this.#wasSent = true;
    for (let i = 0; i < this.#pauses; i++) encoder.pauseReading();
    const kept = this.#kept;
    const trailers = this.#trailers;
    const endsWithHead = this.#isEnded && kept.length === 0 && trailers === null;
    const endsWithBody = this.#isEnded && trailers === null;
    // Codecs may change the head, and another try needs it as it is.
    encoder.encodeHeaders(this.#retry === null ? this.headers : this.headers.clone(), endsWithHead);
    for (let i = 0; i < kept.length && this.#encoder === encoder; i++) {
      encoder.encodeData(outgoing.set(kept[i] as Buffer), endsWithBody && i === kept.length - 1);
    }
    if (this.#encoder !== encoder) return;
    if (trailers !== null) encoder.encodeTrailers(trailers);
    if (this.#retry === null) this.#dropKept();
    if (this.#isAbove && !encoder.isAboveWatermark) this.onBelowWatermark();
  }

  onPoolFailure(reason: Failure): void {
    this.#pending = null;
    if (reason === NO_POOL) {
      this.#isAttempting = false;
      this.#noHost(this.#cluster as Cluster);
      return;
    }
    this.#reachedHost = reason !== PENDING_OVERFLOW;
    this.#attemptFailed(reason);
  }

  onReset(reason: Failure): void {
    this.#attemptFailed(reason);
  }

  #attemptFailed(reason: Failure): void {
    this.#encoder = null;
    this.#isAttempting = false;
    const { scope } = this.#client;
    if (this.#reachedHost && reason.code !== 'upstream_overflow') this.#host?.outlier?.failed();
    if (!this.#hasHead && this.#retryAfter(reason)) return;
    const failure = failureOf(reason, this.#hasHead, this.#isRetry);
    if (!this.#hasHead) {
      const host = this.#reachedHost ? this.#host : null;
      this.#charge(failure.status, host);
      if (reason.code === 'upstream_overflow') (this.#cluster as Cluster).codes.dropped++;
    } else scope.inc(scope.i.rq_reset_after_downstream_response_started);
    this.#fail(failure);
  }

  onAboveWatermark(): void {
    if (this.#isAbove) return;
    this.#isAbove = true;
    this.#handler.onAboveWatermark();
  }

  onBelowWatermark(): void {
    if (!this.#isAbove) return;
    this.#isAbove = false;
    this.#handler.onBelowWatermark();
  }

  /** For the timer. */
  onTimeout(): void {
    if (this.isOver) return;
    const { scope } = this.#cluster as Cluster;
    if (this.#isAttempting) {
      scope.inc(scope.i.upstream_rq_timeout);
      if (this.#host !== null && this.#reachedHost) this.#host.rqTimeout++;
      if (!this.#hasHead) {
        if (this.#reachedHost) this.#host?.outlier?.timedOut();
        this.#charge(504, this.#reachedHost ? this.#host : null);
      }
    }
    const isAfterStart = this.#hasHead;
    this.cancel();
    this.#handler.onFailure({ status: 504, text: TIMED_OUT, isAfterStart });
  }

  // ─── Retries ────────────────────────────────────────────────────────────────────────────────────────────────────

  #retryAfter(reason: Failure): boolean {
    const retry = this.#retry;
    if (retry === null) return false;
    if (!retry.decide(retry.wantsAfterFailure(reason, this.#wasSent), this.#cluster as Cluster)) return false;
    if (this.#reachedHost && this.#host !== null) this.#host.rqError++;
    this.#waitForRetry(retry);
    return true;
  }

  #retryResponse(headers: Headers): boolean {
    const retry = this.#retry;
    if (retry === null) return false;
    const cluster = this.#cluster as Cluster;
    if (!retry.decide(retry.wantsAfterResponse(headers), cluster)) {
      this.#dropRetry();
      return false;
    }
    if (this.#host !== null) this.#host.rqError++;
    cluster.codes.retry.charge(headers.status);
    const encoder = this.#encoder;
    this.#encoder = null;
    this.#isAttempting = false;
    encoder?.resetStream();
    this.#waitForRetry(retry);
    return true;
  }

  #waitForRetry(retry: CallRetry): void {
    this.#retryTimer ??= this.#client.clock.timer(callRetries, this);
    this.#retryTimer.arm(retry.nextDelayMs());
  }

  /** For the timer. */
  onRetryTimer(): void {
    if (this.isOver) return;
    this.#isRetry = true;
    const cluster = this.#client.parts.clusters.get(this.#clusterName);
    if (cluster !== null) this.#cluster = cluster;
    if (cluster === null) this.#noHost(this.#cluster as Cluster);
    else this.#connect();
  }

  // ─── The response ───────────────────────────────────────────────────────────────────────────────────────────────

  decode1xx(): void {}

  decodeHeaders(headers: Headers, endStream: boolean): void {
    this.#host?.outlier?.answered(headers, hasGrpcContentType(this.headers));
    if (this.#retryResponse(headers)) return;
    this.#hasHead = true;
    const host = this.#host as Host;
    this.#charge(headers.status, host);
    if (headers.status < 500) host.rqSuccess++;
    if (endStream) this.#complete();
    this.#handler.onHeaders(headers, endStream);
  }

  decodeData(data: BodyData, endStream: boolean): void {
    if (endStream) this.#complete();
    this.#handler.onData(data, endStream);
  }

  decodeTrailers(trailers: Headers): void {
    this.#complete();
    this.#handler.onTrailers(trailers);
  }

  /** The response is all there: so is the call, whether or not the request was. */
  #complete(): void {
    const encoder = this.#encoder;
    const isCut = !this.#isEnded;
    const host = this.#host as Host;
    if (this.#completeMs >= 0) this.#chargeTime((this.#client.clock.nowMs - this.#completeMs) | 0, host);
    this.#end();
    if (isCut) encoder?.resetStream();
  }

  // ─── What is counted ────────────────────────────────────────────────────────────────────────────────────────────

  /** Source: Envoy Router::Filter::chargeUpstreamCode. */
  #charge(status: number, host: Host | null): void {
    const { codes } = this.#cluster as Cluster;
    codes.plain.charge(status);
    (this.#options.skipsEnvoyHeaders === true ? codes.external : codes.internal).charge(status);
    if (host === null) return;
    if (host.isCanary) codes.canary.charge(status);
    this.#zone(host)?.charge(status);
    if (status >= 500) host.rqError++;
  }

  #chargeTime(ms: number, host: Host): void {
    const { codes } = this.#cluster as Cluster;
    codes.plain.chargeTime(ms);
    (this.#options.skipsEnvoyHeaders === true ? codes.external : codes.internal).chargeTime(ms);
    if (host.isCanary) codes.canary.chargeTime(ms);
    this.#zone(host)?.chargeTime(ms);
  }

  #zone(host: Host) {
    const { zone } = this.#client.parts;
    const to = host.locality.zone;
    return zone === '' || to === '' ? null : (this.#cluster as Cluster).codes.other(`zone.${zone}.${to}.`);
  }
}

const outgoing = new BodyData();

function callTimedOut(call: HttpCall): void {
  call.onTimeout();
}

function callRetries(call: HttpCall): void {
  call.onRetryTimer();
}
