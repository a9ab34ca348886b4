// An attempt with filters of its own: stands between who asks for an upstream stream and that stream.
import type { Failure } from '../../../../../base/failure.ts';
import type { Headers } from '../../../../../wire/headers.ts';
import type { Cluster, ConnectTimes, StreamRequest } from '../../../../cluster/cluster.ts';
import type { ForwardAction } from '../../../../route/route.ts';
import type { Protocol, StreamInfo } from '../../../../stream-info.ts';
import type { RequestEncoder, UpstreamConnectionInfo } from '../../../codec.ts';
import type { BodyData, LocalReply } from '../../../filter.ts';
import type { FilterChain } from '../../../filter-chain.ts';
import type { Asking } from '../open-stream.ts';
import { type AttemptEnds, type AttemptExchange, UpstreamStream } from './upstream-stream.ts';

/** Hears when a filter answers in place of the upstream: the attempt, and all that there would be, is over. */
export type Answered = { answer(reply: LocalReply): void };

/** Counts the body that goes to the upstream. */
export type SentCounter = { countSent(bytes: number): void };

// The request: start ─► filters ─► (waits for a connection) ─► the encoder
// The response: from the encoder ─► filters ─► who asked. It may end there long after the encoder is another's.
export class FilteredAttempt implements Asking, RequestEncoder, StreamRequest, AttemptEnds {
  readonly #asking: Asking;
  readonly #answered: Answered;
  readonly #sent: SentCounter | null;
  readonly #stream: UpstreamStream;
  #request: StreamRequest | null = null;
  encoder: RequestEncoder | null = null;
  /** The encoder of whose bytes and connection is told: also once it serves another. */
  #told: Told | null = null;
  #isOver = false;

  constructor(
    chain: FilterChain,
    asking: Asking,
    exchange: AttemptExchange,
    answered: Answered,
    sent: SentCounter | null,
  ) {
    this.#asking = asking;
    this.#answered = answered;
    this.#sent = sent;
    this.#stream = new UpstreamStream(chain, exchange, asking.headers, this);
  }

  /** There is a host. False: a filter has answered, and nothing is to be asked of it. */
  announceHost(): boolean {
    this.#stream.announceHost();
    return !this.#isOver;
  }

  /** What the host gave for the wish, which may have been granted already. */
  opened(request: StreamRequest | null): void {
    if (this.#isOver) request?.cancel();
    else if (this.encoder === null) this.#request = request;
  }

  /** The request has gone into the filters. */
  get hasRequest(): boolean {
    return this.#stream.isStarted;
  }

  /** The request goes in before there is a connection, unless that was there at once. */
  start(endStream: boolean): void {
    if (!this.#isOver && !this.#stream.isStarted) this.#stream.start(endStream);
  }

  cancel(): void {
    const request = this.#request;
    this.#end();
    request?.cancel();
  }

  #end(): void {
    this.#isOver = true;
    this.#request = null;
    this.#leaveEncoder();
    this.#stream.destroy();
  }

  /** The response is complete: the encoder goes its own way. */
  #leaveEncoder(): void {
    if (this.encoder === null) return;
    this.#told = new Told(this.encoder);
    this.encoder = null;
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
  get info(): StreamInfo {
    return this.#asking.info;
  }

  onPoolReady(encoder: RequestEncoder): void {
    this.#request = null;
    this.encoder = encoder;
    this.#asking.onPoolReady(this);
  }

  onPoolFailure(reason: Failure): void {
    this.#end();
    this.#asking.onPoolFailure(reason);
  }

  onReset(reason: Failure): void {
    this.#end();
    this.#asking.onReset(reason);
  }

  decode1xx(headers: Headers): void {
    this.#stream.receive1xx(headers);
    if (!this.#isOver) this.#asking.decode1xx(headers);
  }

  decodeHeaders(headers: Headers, endStream: boolean): void {
    if (endStream) this.#leaveEncoder();
    this.#stream.receiveHeaders(headers, endStream);
  }

  decodeData(data: BodyData, endStream: boolean): void {
    if (endStream) this.#leaveEncoder();
    this.#stream.receiveData(data, endStream);
  }

  decodeTrailers(trailers: Headers): void {
    this.#leaveEncoder();
    this.#stream.receiveTrailers(trailers);
  }

  onAboveWatermark(): void {
    this.#asking.onAboveWatermark();
  }

  onBelowWatermark(): void {
    this.#asking.onBelowWatermark();
  }

  // ─── What comes out of the filters ──────────────────────────────────────────────────────────────────────────────

  receiveHeaders(headers: Headers, endStream: boolean): void {
    if (endStream) this.#end();
    this.#asking.decodeHeaders(headers, endStream);
  }

  receiveData(data: BodyData, endStream: boolean): void {
    if (endStream) this.#end();
    this.#asking.decodeData(data, endStream);
  }

  receiveTrailers(trailers: Headers): void {
    this.#end();
    this.#asking.decodeTrailers(trailers);
  }

  countSent(bytes: number): void {
    this.#sent?.countSent(bytes);
  }

  answer(reply: LocalReply): void {
    this.#answered.answer(reply);
  }

  // ─── As the stream ──────────────────────────────────────────────────────────────────────────────────────────────

  get #facts(): RequestEncoder | Told {
    return this.encoder ?? (this.#told as Told);
  }
  get protocol(): Protocol | '' {
    return this.#facts.protocol;
  }
  get connection(): UpstreamConnectionInfo {
    return this.#facts.connection;
  }
  get times(): ConnectTimes {
    return this.#facts.times;
  }
  get isAboveWatermark(): boolean {
    return this.encoder?.isAboveWatermark ?? false;
  }
  get wireBytesSent(): number {
    return this.#facts.wireBytesSent;
  }
  get wireBytesReceived(): number {
    return this.#facts.wireBytesReceived;
  }
  get headerBytesSent(): number {
    return this.#facts.headerBytesSent;
  }
  get headerBytesReceived(): number {
    return this.#facts.headerBytesReceived;
  }

  carryConnection(): void {
    this.encoder?.carryConnection?.();
  }

  encodeHeaders(_headers: Headers, endStream: boolean): void {
    if (this.#stream.isStarted) this.#stream.release();
    else this.#stream.start(endStream);
  }

  encodeData(data: BodyData, endStream: boolean): void {
    this.#stream.decodeData(data, endStream);
  }

  encodeTrailers(trailers: Headers): void {
    this.#stream.decodeTrailers(trailers);
  }

  resetStream(): void {
    const { encoder } = this;
    this.#end();
    encoder?.resetStream();
  }

  pauseReading(): void {
    this.encoder?.pauseReading();
  }

  resumeReading(): void {
    this.encoder?.resumeReading();
  }
}

/** What an encoder last said of one exchange. */
class Told {
  readonly protocol: Protocol | '';
  readonly connection: UpstreamConnectionInfo;
  readonly times: ConnectTimes;
  readonly wireBytesSent: number;
  readonly wireBytesReceived: number;
  readonly headerBytesSent: number;
  readonly headerBytesReceived: number;

  constructor(encoder: RequestEncoder) {
    this.protocol = encoder.protocol;
    this.connection = encoder.connection;
    this.times = encoder.times;
    this.wireBytesSent = encoder.wireBytesSent;
    this.wireBytesReceived = encoder.wireBytesReceived;
    this.headerBytesSent = encoder.headerBytesSent;
    this.headerBytesReceived = encoder.headerBytesReceived;
  }
}
