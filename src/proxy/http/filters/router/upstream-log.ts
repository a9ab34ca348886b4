// Access logs of attempts (upstream_log): stands between an attempt and its upstream stream, and notes what passes.
import type { Clock, Timer } from '../../../../base/clock.ts';
import type { Failure } from '../../../../base/failure.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { AccessLog } from '../../../access-log/access-log.ts';
import type { Cluster, ConnectTimes, Host, StreamRequest } from '../../../cluster/cluster.ts';
import type { FormatContext } from '../../../formatter/format-context.ts';
import type { ForwardAction } from '../../../route/route.ts';
import { type Protocol, StreamInfo } from '../../../stream-info.ts';
import type { RequestEncoder, UpstreamConnectionInfo } from '../../codec.ts';
import type { BodyData } from '../../filter.ts';
import { noteBytes, noteConnection } from './attempt-info.ts';
import type { Asking } from './open-stream.ts';
import { resetReason } from './reset-reason.ts';
import type { RouterStream } from './router.ts';

export type UpstreamLogConfig = {
  readonly logs: readonly AccessLog[];
  /** Also when the attempt has its stream. */
  readonly atReady: boolean;
  /** Also each time that so many ms have gone by since; 0 = never. */
  readonly intervalMs: number;
};

/**
 * One attempt as its logs see it: an exchange of its own, with the upstream’s answer as it came. It has received
 * what the answer’s body is, and sent what the request’s is.
 */
export class LoggedAttempt implements Asking, RequestEncoder, StreamRequest, FormatContext {
  readonly #config: UpstreamLogConfig;
  readonly #clock: Clock;
  readonly #asking: Asking;
  readonly #stream: RouterStream;
  readonly info: StreamInfo;
  readonly requestHeaders: Headers;
  responseHeaders: Headers | null = null;
  responseTrailers: Headers | null = null;
  readonly localReplyBody = '';
  accessLogType = 'UpstreamEnd';
  readonly #wishedMs: number;
  #request: StreamRequest | null = null;
  #inner: RequestEncoder | null = null;
  #timer: Timer | null = null;
  #isOver = false;

  /** Filters of the attempt say what of the body goes to the upstream. */
  readonly #isFiltered: boolean;

  constructor(
    config: UpstreamLogConfig,
    clock: Clock,
    asking: Asking,
    stream: RouterStream,
    host: Host,
    isFiltered = false,
  ) {
    this.#isFiltered = isFiltered;
    this.#config = config;
    this.#clock = clock;
    this.#asking = asking;
    this.#stream = stream;
    this.requestHeaders = asking.headers;
    this.#wishedMs = clock.nowMs;
    const of = asking.info;
    const info = new StreamInfo(of.connection, clock.nowMs, clock.wallMs);
    info.remoteAddress = of.remoteAddress;
    info.routeName = of.routeName;
    info.virtualHostName = of.virtualHostName;
    info.virtualClusterName = of.virtualClusterName;
    info.routeMetadata = of.routeMetadata;
    info.virtualHostMetadata = of.virtualHostMetadata;
    info.clusterName = of.clusterName;
    info.clusterAltStatName = of.clusterAltStatName;
    info.clusterMetadata = of.clusterMetadata;
    info.requestId = of.requestId;
    info.upstream = host;
    info.upstreamHostMetadata = host.metadata;
    this.info = info;
  }

  get requestTrailers(): Headers | null {
    return this.#stream.requestTrailers;
  }

  // ─── As who asks for a stream ───────────────────────────────────────────────────────────────────────────────────

  get cluster(): Cluster {
    return this.#asking.cluster;
  }
  get forward(): ForwardAction {
    return this.#asking.forward;
  }
  get headers(): Headers {
    return this.#asking.headers;
  }

  /** The wish as who asked may take it back. */
  pending(request: StreamRequest | null): StreamRequest | null {
    this.#request = request;
    return request === null ? null : this;
  }

  cancel(): void {
    this.#request?.cancel();
    this.#leave();
  }

  onPoolReady(encoder: RequestEncoder): void {
    const { info } = this;
    this.#inner = encoder;
    info.protocol = encoder.protocol;
    noteConnection(info, encoder, this.#wishedMs, this.#clock.nowMs);
    const { intervalMs, atReady } = this.#config;
    if (atReady) this.#log('UpstreamPoolReady');
    if (intervalMs > 0) {
      this.#timer = this.#clock.timer(onInterval, this);
      this.#timer.arm(intervalMs);
    }
    this.#asking.onPoolReady(this);
  }

  onPoolFailure(reason: Failure): void {
    this.info.flags |= resetReason(reason).flag;
    if (reason.code === 'connect_failed') this.info.upstreamTransportFailureReason = reason.detail;
    this.#end();
    this.#asking.onPoolFailure(reason);
  }

  onReset(reason: Failure): void {
    this.info.flags |= resetReason(reason).flag;
    this.#end();
    this.#asking.onReset(reason);
  }

  decode1xx(headers: Headers): void {
    this.#asking.decode1xx(headers);
  }

  decodeHeaders(headers: Headers, endStream: boolean): void {
    // What goes on to the client is changed on its way.
    this.responseHeaders = headers.clone();
    this.info.responseCode = headers.status;
    this.#received();
    if (endStream) this.#end();
    this.#asking.decodeHeaders(headers, endStream);
  }

  decodeData(data: BodyData, endStream: boolean): void {
    this.info.bytesReceived += data.length;
    this.#received();
    if (endStream) this.#end();
    this.#asking.decodeData(data, endStream);
  }

  decodeTrailers(trailers: Headers): void {
    this.responseTrailers = trailers.clone();
    this.#received();
    this.#end();
    this.#asking.decodeTrailers(trailers);
  }

  onAboveWatermark(): void {
    this.#asking.onAboveWatermark();
  }

  onBelowWatermark(): void {
    this.#asking.onBelowWatermark();
  }

  #received(): void {
    const { info } = this;
    const now = this.#clock.nowMs;
    if (info.firstUpstreamRxMs === 0) info.firstUpstreamRxMs = now;
    info.lastUpstreamRxMs = now;
  }

  // ─── As the stream ──────────────────────────────────────────────────────────────────────────────────────────────

  get #encoder(): RequestEncoder {
    return this.#inner as RequestEncoder;
  }
  get protocol(): Protocol | '' {
    return this.#encoder.protocol;
  }
  get connection(): UpstreamConnectionInfo {
    return this.#encoder.connection;
  }
  get times(): ConnectTimes {
    return this.#encoder.times;
  }
  get isAboveWatermark(): boolean {
    return this.#encoder.isAboveWatermark;
  }
  get wireBytesSent(): number {
    return this.#encoder.wireBytesSent;
  }
  get wireBytesReceived(): number {
    return this.#encoder.wireBytesReceived;
  }
  get headerBytesSent(): number {
    return this.#encoder.headerBytesSent;
  }
  get headerBytesReceived(): number {
    return this.#encoder.headerBytesReceived;
  }

  get hasRequest(): boolean {
    return this.#encoder.hasRequest ?? false;
  }

  carryConnection(): void {
    this.#encoder.carryConnection?.();
  }

  encodeHeaders(headers: Headers, endStream: boolean): void {
    this.#encoder.encodeHeaders(headers, endStream);
  }

  encodeData(data: BodyData, endStream: boolean): void {
    if (!this.#isFiltered) this.countSent(data.length);
    this.#encoder.encodeData(data, endStream);
  }

  countSent(bytes: number): void {
    this.info.bytesSent += bytes;
    this.info.lastUpstreamTxMs = this.#clock.nowMs;
  }

  encodeTrailers(trailers: Headers): void {
    this.#encoder.encodeTrailers(trailers);
  }

  resetStream(): void {
    this.#encoder.resetStream();
    this.#leave();
  }

  pauseReading(): void {
    this.#encoder.pauseReading();
  }

  resumeReading(): void {
    this.#encoder.resumeReading();
  }

  // ─── The logs ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** A client that is gone is logged first. */
  #leave(): void {
    if (this.#stream.isDestroyed) this.#stream.afterLogs = this;
    else this.#end();
  }

  afterLogs(): void {
    this.#end();
  }

  onInterval(): void {
    this.#log('UpstreamPeriodic');
    this.#timer?.arm(this.#config.intervalMs);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.disarm();
    this.info.endMs = this.#clock.nowMs;
    if (this.#inner !== null) noteBytes(this.info, this.#inner);
    this.#log('UpstreamEnd');
  }

  #log(type: string): void {
    this.accessLogType = type;
    const { logs } = this.#config;
    for (let i = 0; i < logs.length; i++) logs[i]?.log(this);
  }
}

const onInterval = (attempt: LoggedAttempt): void => attempt.onInterval();
