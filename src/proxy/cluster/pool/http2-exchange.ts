// One exchange of an upstream HTTP/2 connection: the request goes down into a stream, the response comes up.
import type { Failure } from '../../../base/failure.ts';
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import { ERROR } from '../../../wire/http2/frames/constants.ts';
import type { Http2Stream } from '../../../wire/http2/stream.ts';
import { isUpgrade, requestToConnect, responseFromConnect } from '../../../wire/http2/upgrade.ts';
import type { RequestEncoder, ResponseDecoder, UpstreamConnectionInfo } from '../../http/codec.ts';
import type { BodyData } from '../../http/filter.ts';
import type { ConnectTimes } from '../cluster.ts';
import { TERMINATION } from '../failures.ts';
import type { Http2ClientConnection } from './http2-client.ts';

const EMPTY = Buffer.alloc(0);
/** Of a stream that this side gives up. Source: Envoy, whose reason LocalReset it is. */
const LOCAL_RESET_CODE = ERROR.internal;

//   waiting ──encodeHeaders──► open ──both ends──► over
//      └──────resetStream────────┴──reset, either side──┘
export class Http2Exchange implements RequestEncoder {
  readonly protocol = 'HTTP/2';
  readonly #client: Http2ClientConnection;
  #decoder: ResponseDecoder | null;
  #stream: Http2Stream<Http2Exchange> | null = null;
  /** What the request asked to upgrade to; '' when it did not. */
  #upgrade = '';
  #isRequestComplete = false;
  /** Each direction ends for itself. */
  #isConnection = false;
  /** Of a connection: the response has ended, the request has not. */
  #isHalfOver = false;
  /** The end of the response was told, or nobody waits for it. */
  #isOver = false;
  #pauses = 0;
  /** Received while paused: the peer gets it back when reading goes on. */
  #heldBytes = 0;
  isAboveWatermark = false;

  constructor(client: Http2ClientConnection, decoder: ResponseDecoder) {
    this.#client = client;
    this.#decoder = decoder;
  }

  get connection(): UpstreamConnectionInfo {
    return this.#client.socket;
  }
  get times(): ConnectTimes {
    return this.#client.times;
  }
  get wireBytesSent(): number {
    return this.#stream === null ? 0 : this.#stream.wireBytesSent;
  }
  get wireBytesReceived(): number {
    return this.#stream === null ? 0 : this.#stream.wireBytesReceived;
  }
  get headerBytesSent(): number {
    return this.#stream === null ? 0 : this.#stream.headerBytesSent;
  }
  get headerBytesReceived(): number {
    return this.#stream === null ? 0 : this.#stream.headerBytesReceived;
  }

  // ─── The request ────────────────────────────────────────────────────────────────────────────────────────────────

  carryConnection(): void {
    this.#isConnection = true;
  }

  encodeHeaders(headers: Headers, endStream: boolean): void {
    if (this.#isOver || this.#stream !== null) return;
    this.#isRequestComplete = endStream;
    const stream = this.#client.open(this, this.#requestHead(headers), endStream);
    if (stream === null) this.onReset(TERMINATION);
    else {
      this.#stream = stream;
      stream.wasSlow = this.#pauses > 0;
    }
  }

  /** What HTTP/2 says of it. The head may be needed again as it is, for another attempt. */
  #requestHead(headers: Headers): Headers {
    if (headers.mayHave(H['transfer-encoding'])) headers.remove(H['transfer-encoding']);
    if (headers.method === 'CONNECT' && headers.protocol === '') {
      const head = headers.clone();
      head.path = head.scheme = '';
      return head;
    }
    if (!isUpgrade(headers)) return headers;
    const head = headers.clone();
    this.#upgrade = requestToConnect(head);
    return head;
  }

  encodeData(data: BodyData, endStream: boolean): void {
    const stream = this.#stream;
    if (stream === null || this.#isOver) return;
    if (endStream) this.#isRequestComplete = true;
    this.#client.http2.sendData(stream, data.buffer, data.start, data.end, data.owned, endStream);
    if (endStream && this.#isHalfOver) this.#finish();
  }

  encodeTrailers(trailers: Headers): void {
    const stream = this.#stream;
    if (stream === null || this.#isOver) return;
    this.#isRequestComplete = true;
    if (trailers.count > 0) this.#client.http2.sendTrailers(stream, trailers);
    else this.#client.http2.sendData(stream, EMPTY, 0, 0, true, true);
  }

  resetStream(): void {
    if (this.#isOver) return;
    this.#decoder = null;
    this.#isOver = true;
    const { stats } = this.#client;
    stats.inc(stats.i.upstream_rq_tx_reset);
    this.#client.onExchangeOver();
    this.#endStream();
  }

  /** Whatever is left of the stream goes. */
  #endStream(): void {
    if (this.#stream === null) this.#client.onStreamGone();
    else this.#client.http2.resetStream(this.#stream, LOCAL_RESET_CODE);
  }

  onAboveWatermark(): void {
    if (this.isAboveWatermark) return;
    this.isAboveWatermark = true;
    const { stats } = this.#client;
    stats.inc(stats.i.upstream_flow_control_backed_up_total);
    this.#decoder?.onAboveWatermark();
  }

  onBelowWatermark(): void {
    if (!this.isAboveWatermark) return;
    this.isAboveWatermark = false;
    const { stats } = this.#client;
    stats.inc(stats.i.upstream_flow_control_drained_total);
    this.#decoder?.onBelowWatermark();
  }

  // ─── Back-pressure ──────────────────────────────────────────────────────────────────────────────────────────────

  pauseReading(): void {
    if (this.#isOver) return;
    if (this.#pauses++ > 0) return;
    const { stats } = this.#client;
    stats.inc(stats.i.upstream_flow_control_paused_reading_total);
    if (this.#stream === null) return;
    this.#stream.wasSlow = true;
    this.#client.onPaused();
  }

  get isPaused(): boolean {
    return this.#pauses > 0;
  }

  resumeReading(): void {
    if (this.#isOver || this.#pauses === 0) return;
    if (--this.#pauses === 0) this.#readsAgain();
  }

  #readsAgain(): void {
    const { stats, http2 } = this.#client;
    stats.inc(stats.i.upstream_flow_control_resumed_reading_total);
    this.#client.onResumed();
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    if (bytes > 0 && this.#stream !== null) http2.returnCredit(this.#stream, bytes);
  }

  // ─── The response ───────────────────────────────────────────────────────────────────────────────────────────────

  onInterimHead(headers: Headers): void {
    this.#decoder?.decode1xx(headers);
  }

  onHead(headers: Headers, endStream: boolean): void {
    if (this.#upgrade !== '') responseFromConnect(headers, this.#upgrade);
    if (!endStream) {
      this.#decoder?.decodeHeaders(headers, false);
      return;
    }
    this.#finish()?.decodeHeaders(headers, true);
    this.#settle();
  }

  onData(data: BodyData, endStream: boolean): void {
    if (endStream && this.#isConnection && !this.#isRequestComplete) this.#isHalfOver = true;
    else if (endStream) {
      this.#finish()?.decodeData(data, true);
      this.#settle();
      return;
    }
    const bytes = data.end - data.start;
    this.#decoder?.decodeData(data, endStream);
    if (this.#pauses > 0 && !this.#isOver) this.#heldBytes += bytes;
    else this.#client.http2.returnCredit(this.#stream as Http2Stream<Http2Exchange>, bytes);
  }

  onTrailers(trailers: Headers): void {
    if (this.#isConnection && !this.#isRequestComplete) {
      this.#isHalfOver = true;
      this.#decoder?.decodeTrailers(trailers);
      return;
    }
    this.#finish()?.decodeTrailers(trailers);
    this.#settle();
  }

  /** The response is complete: counts that before it is told. Returns whom to tell. */
  #finish(): ResponseDecoder | null {
    const decoder = this.#decoder;
    this.#decoder = null;
    if (this.#isOver) return null;
    if (this.#pauses > 0) {
      this.#pauses = 0;
      this.#readsAgain();
    }
    this.#isOver = true;
    if (!this.#isRequestComplete) {
      const { stats } = this.#client;
      stats.inc(stats.i.upstream_rq_tx_reset);
    }
    this.#client.onExchangeOver();
    return decoder;
  }

  /** The rest of a request whose response is complete is of no use. */
  #settle(): void {
    const stream = this.#stream as Http2Stream<Http2Exchange>;
    const { http2 } = this.#client;
    if (stream.unreturned > 0) http2.returnCredit(stream, stream.unreturned);
    if (!this.#isRequestComplete) http2.resetStream(stream, LOCAL_RESET_CODE);
  }

  /** The stream died below, or could not be opened. */
  onReset(reason: Failure): void {
    const decoder = this.#decoder;
    this.#decoder = null;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#client.onExchangeOver();
    if (this.#stream === null) this.#client.onStreamGone();
    decoder?.onReset(reason);
  }
}
