// One exchange of a downstream HTTP/2 connection: what the stream above writes its answer to.
import type { Headers } from '../../wire/headers.ts';
import { ERROR } from '../../wire/http2/frames/constants.ts';
import type { Http2Server } from '../../wire/http2/server.ts';
import type { Http2Stream } from '../../wire/http2/stream.ts';
import { responseToConnect } from '../../wire/http2/upgrade.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { ResetReason, ResponseEncoder } from './codec.ts';
import type { BodyData } from './filter.ts';
import type { Http2Streams } from './http2-streams.ts';
import type { HttpStream } from './stream.ts';

const RESET_CODES = { local: ERROR.internal, protocol: ERROR.protocol, connect: ERROR.connect } as const;

export class Http2Exchange implements ResponseEncoder {
  readonly protocol = 'HTTP/2';
  readonly wire: Http2Stream<Http2Exchange>;
  /** Null once it is over above; the wire may still have bytes of its answer. */
  stream: HttpStream | null = null;
  isUpgradeRequest = false;
  /** What an extended CONNECT asks for; '' for anything else. */
  upgrade = '';
  pauses = 0;
  /** What its stream is reset with when the answer is over before the request. */
  cutCode: number = ERROR.noError;
  /** Of an answer that waits to leave: bytes at the last look, and until when there must be fewer. */
  unsentBytes = 0;
  flushDueMs = 0;
  flushTimeoutMs = 0;
  readonly #streams: Http2Streams;
  readonly #http2: Http2Server<Http2Exchange>;
  #isAnswered = false;

  constructor(streams: Http2Streams, http2: Http2Server<Http2Exchange>, wire: Http2Stream<Http2Exchange>) {
    this.#streams = streams;
    this.#http2 = http2;
    this.wire = wire;
  }

  isTunnelAnswer(status: number): boolean {
    if (!this.isUpgradeRequest) return false;
    return this.upgrade !== '' ? status === 101 : status >= 200 && status < 300;
  }

  replaceStream(stream: HttpStream): void {
    this.stream = stream;
  }

  encode1xx(headers: Headers): void {
    this.#http2.sendInterimHead(this.wire, headers);
  }

  encodeHeaders(headers: Headers, endStream: boolean): void {
    this.#isAnswered = endStream;
    let head = headers;
    if (this.upgrade !== '') {
      // What filters and logs look at keeps its form.
      head = headers.clone();
      responseToConnect(head);
    }
    this.#http2.sendHead(this.wire, head, endStream);
  }

  encodeData(data: BodyData, endStream: boolean): void {
    this.#isAnswered = endStream;
    this.#http2.sendData(this.wire, data.buffer, data.start, data.end, data.owned, endStream);
  }

  encodeTrailers(trailers: Headers): void {
    this.#isAnswered = true;
    this.#http2.sendTrailers(this.wire, trailers);
  }

  resetStream(reason: ResetReason): void {
    this.#http2.resetStream(this.wire, RESET_CODES[reason]);
  }

  pauseReading(): void {
    this.pauses++;
    this.wire.wasSlow = true;
  }

  resumeReading(): void {
    if (this.pauses > 0 && --this.pauses === 0) this.#http2.returnCredit(this.wire, this.wire.unreturned);
  }

  tellBytes(info: StreamInfo): void {
    const { wire } = this;
    info.downstreamHeaderBytesReceived = wire.headerBytesReceived;
    info.downstreamWireBytesReceived = wire.wireBytesReceived;
    info.downstreamHeaderBytesSent = wire.headerBytesSent;
    info.downstreamWireBytesSent = wire.wireBytesSent;
  }

  finish(): void {
    const { wire, stream } = this;
    this.stream = null;
    if (wire.isClosed) return;
    this.pauses = 0;
    if (wire.unreturned > 0) this.#http2.returnCredit(wire, wire.unreturned);
    if (!this.#isAnswered) return;
    if (stream?.isConnectFailure === true) this.cutCode = ERROR.connect;
    if (!wire.isRemoteClosed) this.#streams.cutShort(this);
    if (stream !== null && !wire.isClosed && !wire.isLocalClosed) {
      this.#streams.watchFlush(this, stream.flushTimeoutMs);
    }
  }
}
