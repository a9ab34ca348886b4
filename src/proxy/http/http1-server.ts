// The downstream side of HTTP/1: reads requests off a byte stream one at a time and writes their responses.
import type { ByteStream } from '../../base/byte-stream.ts';
import { type Failure, failure } from '../../base/failure.ts';
import type { Timer } from '../../base/clock.ts';
import { H } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import * as encode from '../../wire/http1/encoder.ts';
import { type Http1Events, Http1Parser } from '../../wire/http1/parser.ts';
import type { ResponseEncoder, ServerCodec } from './codec.ts';
import type { HttpConnection } from './connection-manager.ts';
import { BodyData } from './filter.ts';
import type { HttpStream } from './stream.ts';
import { acceptTarget, hasUnderscores, nominatedHeaders } from './http1-request.ts';

/** Pipelined bytes that may wait for the response in progress. */
const MAX_PIPELINED_BYTES = 64 * 1024;

// One exchange after another:
//
//   idle ──request head──► open ──request complete and response complete──► idle
//                           └─ response complete first, or a failure ──► closing (input is discarded)
export class Http1ServerConnection implements ServerCodec, Http1Events, ResponseEncoder {
  readonly #socket: ByteStream;
  readonly #owner: HttpConnection;
  readonly #parser: Http1Parser;
  /** The exchange in progress, as the stream above sees it. */
  #stream: HttpStream | null = null;
  #requestComplete = true;
  #responseComplete = true;
  #isChunkedResponse = false;
  #isHeadRequest = false;
  #isTunnel = false;
  /** The answer said yes: both directions are raw bytes now. */
  #isTunnelAgreed = false;
  /** Between a request's head and the end of its exchange. */
  #isOpen = false;
  /** Of the request in progress; raised for answers to versions that are not spoken. */
  #minorVersion = 1;
  /** This side closed first. */
  closedLocally = false;
  /** The client or the protocol wants the connection closed after this exchange. */
  #closeAfterResponse = false;
  #isClosing = false;
  #isParsing = false;
  #pipelined: Buffer | null = null;
  #pausedForPipeline = false;
  #pauses = 0;
  readonly #data = new BodyData();
  #headTimer: Timer | null = null;

  constructor(socket: ByteStream, owner: HttpConnection) {
    this.#socket = socket;
    this.#owner = owner;
    this.#parser = new Http1Parser('request', owner.config.http1, this);
  }

  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' {
    return this.#minorVersion === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get isUpgradeRequest(): boolean {
    return this.#isTunnel;
  }

  // ─── Bytes in ───────────────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#isClosing) return;
    if (this.#mustWait) this.#keepPipelined(chunk, start, end, false);
    else this.#read(chunk, start, end, false);
  }

  /** The next request waits for the end of the one in progress, and for a client that does not read its answers. */
  get #mustWait(): boolean {
    return this.#stream === null ? this.#socket.isAboveHighWatermark : this.#requestComplete;
  }

  /** `isOwned`: the bytes are this connection's own and need no copy to be kept. */
  #read(chunk: Buffer, start: number, end: number, isOwned: boolean): void {
    this.#isParsing = true;
    let pos = start;
    while (pos < end && !this.#isClosing) {
      pos = this.#parser.execute(chunk, pos, end);
      if (this.#parser.failure !== null) {
        this.#protocolError(this.#parser.failure);
        break;
      }
      if (this.#mustWait) {
        if (pos < end) this.#keepPipelined(chunk, pos, end, isOwned);
        break;
      }
    }
    this.#isParsing = false;
    // A head that comes in pieces is a stream from its first byte on, so that time-outs hold for it.
    if (this.#stream === null && !this.#isClosing && this.#parser.isInHead) {
      this.#begin();
      this.#armHeadTimer();
    }
  }

  #keepPipelined(chunk: Buffer, start: number, end: number, isOwned: boolean): void {
    const bytes = chunk.subarray(start, end);
    if (this.#pipelined !== null) this.#pipelined = Buffer.concat([this.#pipelined, bytes]);
    else this.#pipelined = isOwned ? bytes : Buffer.from(bytes);
    if (this.#pipelined.length >= MAX_PIPELINED_BYTES && !this.#pausedForPipeline) {
      this.#pausedForPipeline = true;
      this.#socket.pause();
    }
  }

  /** The exchange is over on both sides: reads what was pipelined behind it. */
  #next(): void {
    if (this.#mustWait) return;
    if (this.#pausedForPipeline) {
      this.#pausedForPipeline = false;
      this.#socket.resume();
    }
    while (this.#pipelined !== null && !this.#mustWait && !this.#isClosing) {
      const bytes = this.#pipelined;
      this.#pipelined = null;
      this.#read(bytes, 0, bytes.length, true);
    }
  }

  onEnd(): void {
    if (this.#isClosing) {
      this.#owner.closeSocket();
      return;
    }
    // The client closes; there is nothing to wait for.
    this.#isClosing = true;
    this.#fail(failure('downstream_closed', 'downstream', 'connection', 'downstream_remote_disconnect'));
    this.#owner.closeSocket();
  }

  onClose(reason: Failure | null): void {
    this.#isClosing = true;
    this.#headTimer?.disarm();
    this.#fail(reason ?? failure('downstream_closed', 'downstream', 'connection', 'downstream_remote_disconnect'));
    this.#owner.onCodecClosed(reason);
  }

  onDrain(): void {
    if (this.#stream === null) this.#next();
    else this.#stream.onBelowWatermark();
  }

  #fail(reason: Failure): void {
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null) return;
    this.#owner.onClosedInsideExchange(this.closedLocally);
    stream.onReset(reason);
  }

  // ─── What the parser finds ──────────────────────────────────────────────────────────────────────────────────────

  onHead(headers: Headers, parser: Http1Parser): void {
    this.#headTimer?.disarm();
    const stream = this.#stream ?? this.#begin();
    const config = this.#owner.config;
    this.#minorVersion = parser.minorVersion;
    this.#requestComplete = parser.endStream;
    this.#closeAfterResponse = !parser.keepAlive;
    this.#isHeadRequest = headers.method === 'HEAD';
    this.#isTunnel = parser.isUpgrade || headers.method === 'CONNECT';
    if (config.headersWithUnderscores !== 'ALLOW' && hasUnderscores(headers)) {
      if (this.#owner.onUnderscores(headers)) {
        this.#reject(failure('underscore_in_header', 'downstream', 'stream', 'http1.unexpected_underscore'));
        return;
      }
    }
    if (headers.mayHave(H.connection) && !nominatedHeaders(headers, parser.isUpgrade)) {
      this.#reject(failure('bad_header', 'downstream', 'connection', 'http1.connection_header_rejected'));
      return;
    }
    let bad = acceptTarget(headers, config.http1.allowAbsoluteUrl);
    if (headers.scheme === 'https' && config.http1.refusesPlainHttps && this.#owner.info.tls === null) {
      bad ??= failure('bad_target', 'downstream', 'connection', 'http1.https_url_on_plaintext_connection');
    }
    if (bad !== null) {
      this.#reject(bad);
      return;
    }
    const minor = parser.minorVersion;
    if (minor !== 1 && (minor !== 0 || !config.http1.acceptHttp10)) {
      this.#minorVersion = 1;
      this.#reject(failure('version_not_accepted', 'downstream', 'connection', 'low_version'));
      return;
    }
    this.#owner.onHttp1Head(this.#closeAfterResponse, parser.hasCloseOption);
    stream.decodeHeaders(headers, parser.endStream);
  }

  onBody(chunk: Buffer, start: number, end: number): void {
    const stream = this.#stream;
    if (stream === null) return;
    const data = this.#data;
    data.buffer = chunk;
    data.start = start;
    data.end = end;
    data.owned = false;
    stream.decodeData(data, false);
  }

  onTrailers(trailers: Headers): void {
    // With trailers the request ends here and not with onComplete.
    this.#requestComplete = true;
    this.#stream?.decodeTrailers(trailers);
  }

  onComplete(): void {
    const hadEnd = this.#requestComplete;
    this.#requestComplete = true;
    const stream = this.#stream;
    if (stream !== null && !hadEnd && !this.#parser.endStream) {
      this.#data.set(EMPTY, 0, 0, true);
      stream.decodeData(this.#data, true);
    }
  }

  #begin(): HttpStream {
    this.#isOpen = true;
    this.#requestComplete = false;
    this.#responseComplete = false;
    this.#isChunkedResponse = false;
    this.#isHeadRequest = false;
    this.#isTunnel = false;
    this.#isTunnelAgreed = false;
    const stream = this.#owner.newStream(this);
    this.#stream = stream;
    return stream;
  }

  replaceStream(stream: HttpStream): void {
    this.#stream = stream;
  }

  /** A head that is well-formed but not acceptable. */
  #reject(reason: Failure): void {
    this.#protocolError(reason);
    this.#parser.isPaused = true;
  }

  #protocolError(reason: Failure): void {
    this.#closeAfterResponse = true;
    const stream = this.#stream ?? this.#begin();
    this.#owner.onProtocolError(stream, reason);
  }

  #armHeadTimer(): void {
    const ms = this.#owner.config.requestHeadersTimeoutMs;
    if (ms === 0 || this.#headTimer?.isArmed === true) return;
    this.#headTimer ??= this.#owner.clock.timer(onHeadTimeout, this);
    this.#headTimer.arm(ms);
  }

  /** request_headers_timeout: the head did not arrive in time. */
  onHeadTimeout(): void {
    if (this.#isClosing) return;
    this.#closeAfterResponse = true;
    if (this.#stream !== null) this.#owner.onHeadTimeout(this.#stream);
  }

  // ─── The response ───────────────────────────────────────────────────────────────────────────────────────────────

  encode1xx(headers: Headers): void {
    const { spelling } = this.#owner.config.http1;
    this.#socket.writeLatin1(encode.encodeResponseHead(headers, this.#minorVersion, spelling, ''));
  }

  encodeHeaders(headers: Headers, endStream: boolean): void {
    const status = headers.status;
    let tail = '';
    this.#isChunkedResponse = false;
    this.#isTunnelAgreed = this.isTunnelAnswer(status);
    if (!headers.has(H['content-length'])) {
      const isBodyless = status < 200 || status === 204 || status === 304;
      if (endStream && !this.#isHeadRequest) {
        if (!isBodyless) tail = encode.NO_CONTENT;
      } else if (!isBodyless && this.#minorVersion !== 0 && !this.#isTunnelAgreed) {
        this.#isChunkedResponse = !this.#isHeadRequest;
        tail = encode.CHUNKED;
      } else if (!isBodyless && this.#minorVersion === 0) this.#closeAfterResponse = true;
    }
    const text = encode.encodeResponseHead(headers, this.#minorVersion, this.#owner.config.http1.spelling, tail);
    this.#stream?.onHeadSent(text.length, encode.headFieldBytes);
    this.#socket.writeLatin1(text);
    if (endStream) this.#endResponse();
  }

  isTunnelAnswer(status: number): boolean {
    if (!this.#isTunnel) return false;
    return this.#parser.isUpgrade ? status === 101 : status >= 200 && status < 300;
  }

  encodeData(data: BodyData, endStream: boolean): void {
    const length = data.end - data.start;
    const socket = this.#socket;
    if (length > 0 && !this.#isHeadRequest) {
      if (this.#isChunkedResponse) socket.writeLatin1(encode.chunkHeader(length));
      if (data.owned) socket.write(data.buffer.subarray(data.start, data.end));
      else socket.writeBorrowed(data.buffer, data.start, data.end);
      if (this.#isChunkedResponse) socket.writeLatin1(endStream ? encode.LAST_DATA : encode.CHUNK_END);
      if (socket.isAboveHighWatermark && !endStream) this.#stream?.onAboveWatermark();
    } else if (endStream && this.#isChunkedResponse) socket.writeLatin1(encode.LAST_CHUNK);
    if (endStream) this.#endResponse();
  }

  encodeTrailers(trailers: Headers): void {
    if (this.#isChunkedResponse) {
      const { enableTrailers, spelling } = this.#owner.config.http1;
      this.#socket.writeLatin1(enableTrailers ? encode.encodeTrailers(trailers, spelling) : encode.LAST_CHUNK);
    }
    this.#endResponse();
  }

  resetStream(): void {
    this.#stream = null;
    this.#closeNow();
  }

  pauseReading(): void {
    if (this.#pauses++ === 0) this.#socket.pause();
  }

  resumeReading(): void {
    if (--this.#pauses === 0) this.#socket.resume();
  }

  #endResponse(): void {
    this.#responseComplete = true;
  }

  finish(): void {
    this.#stream = null;
    if (this.#isClosing) return;
    if (this.#requestComplete && this.#responseComplete && !this.#isTunnel) {
      this.#finishExchange();
      return;
    }
    // The request goes on behind its answer: there is no way to find the next one.
    this.#isOpen = false;
    if (this.#isTunnelAgreed) this.#closeNow();
    else this.#closeDelayed();
  }

  #finishExchange(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    while (this.#pauses > 0) this.resumeReading();
    if (this.#closeAfterResponse || this.#owner.shouldClose()) {
      if (this.#owner.needsDelayedClose) this.#closeDelayed();
      else this.#closeNow();
      return;
    }
    this.#owner.onExchangeComplete();
    if (!this.#isParsing) this.#next();
  }

  #closeNow(): void {
    this.#isClosing = true;
    this.closedLocally = true;
    this.#owner.closeSocket();
  }

  #closeDelayed(): void {
    this.#isClosing = true;
    while (this.#pauses > 0) this.resumeReading();
    this.#owner.closeDelayed();
  }

  tellBytes(): void {}

  announceShutdown(): void {}

  stopReading(): void {
    this.#isClosing = true;
  }

  closeWhenIdle(): void {
    this.#closeAfterResponse = true;
    if (this.#stream === null && !this.#isClosing) this.#closeNow();
  }
}

const EMPTY = Buffer.alloc(0);

function onHeadTimeout(connection: Http1ServerConnection): void {
  connection.onHeadTimeout();
}
