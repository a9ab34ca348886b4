// The upstream side of HTTP/1: one connection, which carries one exchange at a time.
import type { ByteStream, ByteStreamHandler } from '../../../base/byte-stream.ts';
import type { Timer } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import * as encode from '../../../wire/http1/encoder.ts';
import { type Http1Events, Http1Parser } from '../../../wire/http1/parser.ts';
import type { RequestEncoder, ResponseDecoder, UpstreamConnectionInfo } from '../../http/codec.ts';
import { BodyData } from '../../http/filter.ts';
import type { ConnectTimes } from '../cluster.ts';
import type { UpstreamHttpConfig } from '../cluster-config.ts';
import { PROTOCOL_ERROR, TERMINATION } from '../failures.ts';
import type { ClusterScope } from '../stats.ts';

/** The pool, as its connections see it. */
export type ClientOwner = {
  readonly http: UpstreamHttpConfig;
  readonly stats: ClusterScope;
  /** The exchange is over and the connection clean: it may serve again. Must not start an exchange yet. */
  onReusable(client: Http1Client): void;
  /** The connection is closed; called once, the exchange in progress (if any) is told afterwards. */
  onClosed(client: Http1Client, by: 'local' | 'remote', hadRequest: boolean): void;
  /** The end of the exchange has been told: waiting requests may start. */
  onExchangeTold(): void;
};

const EMPTY = Buffer.alloc(0);

/** What Envoy counts for a head without fields. */
const BARE_HEAD_BYTES = 3;

/** '408' where the status of a response stands. */
const TIMEOUT_STATUS = [0x34, 0x30, 0x38];

//   idle ──start──► open ──response complete, request complete, no byte left──► idle
//                    └─ anything else ──► closed
export class Http1Client implements RequestEncoder, ByteStreamHandler, Http1Events {
  readonly protocol = 'HTTP/1.1';
  readonly socket: ByteStream;
  readonly #owner: ClientOwner;
  readonly #stats: ClusterScope;
  readonly #parser: Http1Parser;
  readonly #data = new BodyData();
  /** For max_connection_duration. */
  durationTimer: Timer | null = null;
  readonly times: ConnectTimes;
  /** Since when it has been idle, ms of the clock; for the pool. */
  idleSinceMs = 0;
  requestCount = 0;
  /** In the pool's stack; the pool sets it. */
  isIdle = false;
  /** No further exchange: limit of requests or duration reached, or the pool drains. */
  isDraining = false;
  isClosed = false;

  #decoder: ResponseDecoder | null = null;
  #requestComplete = true;
  #responseComplete = true;
  #isChunkedRequest = false;
  #isExecuting = false;
  /** The response's last event, told once the connection is put away: a head, trailers, or else the body's end. */
  #lastHead: Headers | null = null;
  #lastTrailers: Headers | null = null;
  #isInterim = false;
  /** Bytes of a body of known length still to come, else -1. */
  #bodyLeft = -1;
  #isTunnel = false;
  /** The end of the request ends the connection. */
  #endsWithRequest = false;
  #isAbove = false;
  #pauses = 0;
  #txCounted = 0;

  wireBytesSent = 0;
  wireBytesReceived = 0;
  headerBytesSent = 0;
  headerBytesReceived = 0;

  constructor(socket: ByteStream, owner: ClientOwner, times: ConnectTimes) {
    this.socket = socket;
    this.#owner = owner;
    this.#stats = owner.stats;
    this.times = times;
    this.#parser = new Http1Parser('response', owner.http.limits, this);
    socket.handler = this;
  }

  get connection(): UpstreamConnectionInfo {
    return this.socket;
  }

  get isAboveWatermark(): boolean {
    return this.#isAbove;
  }

  /** Begins an exchange; the connection must be idle. */
  start(decoder: ResponseDecoder): void {
    this.#decoder = decoder;
    this.#requestComplete = false;
    this.#responseComplete = false;
    this.#isChunkedRequest = false;
    this.#isTunnel = false;
    this.#endsWithRequest = false;
    this.wireBytesSent = 0;
    this.wireBytesReceived = 0;
    this.headerBytesSent = 0;
    this.headerBytesReceived = 0;
    this.requestCount++;
  }

  // ─── The request ────────────────────────────────────────────────────────────────────────────────────────────────

  carryConnection(): void {
    this.#endsWithRequest = true;
  }

  encodeHeaders(headers: Headers, endStream: boolean): void {
    if (this.isClosed) return;
    const method = headers.method;
    if (method === 'CONNECT') this.#endsWithRequest = true;
    this.#parser.requestMethod = method;
    const isUpgrade = headers.mayHave(H.upgrade) && headers.has(H.upgrade);
    this.#parser.expectsUpgrade = isUpgrade;
    if (headers.mayHave(H['transfer-encoding'])) headers.remove(H['transfer-encoding']);
    let tail = '';
    if (!headers.mayHave(H['content-length']) || !headers.has(H['content-length'])) {
      if (endStream) {
        if (method !== 'GET' && method !== 'HEAD' && !isBodiless(method)) tail = encode.NO_CONTENT;
      } else if (method !== 'CONNECT' && !isUpgrade) {
        tail = encode.CHUNKED;
        this.#isChunkedRequest = true;
      }
    }
    const { spelling, sendsFullUrl } = this.#owner.http;
    const text = encode.encodeRequestHead(headers, spelling, tail, sendsFullUrl);
    this.headerBytesSent = encode.headFieldBytes;
    this.wireBytesSent += text.length;
    this.socket.writeLatin1(text);
    if (endStream) this.#requestComplete = true;
    else if (this.socket.isAboveHighWatermark) this.#checkWatermark();
  }

  encodeData(data: BodyData, endStream: boolean): void {
    if (this.isClosed) return;
    const socket = this.socket;
    const length = data.end - data.start;
    if (length > 0) {
      this.wireBytesSent += length;
      if (this.#isChunkedRequest) {
        const header = encode.chunkHeader(length);
        this.wireBytesSent += header.length + (endStream ? encode.LAST_DATA.length : 2);
        socket.writeLatin1(header);
      }
      if (data.owned) socket.write(data.buffer.subarray(data.start, data.end));
      else socket.writeBorrowed(data.buffer, data.start, data.end);
      if (this.#isChunkedRequest) socket.writeLatin1(endStream ? encode.LAST_DATA : encode.CHUNK_END);
    } else if (endStream && this.#isChunkedRequest) {
      this.wireBytesSent += encode.LAST_CHUNK.length;
      socket.writeLatin1(encode.LAST_CHUNK);
    }
    if (endStream) this.#requestEnds();
    else if (socket.isAboveHighWatermark) this.#checkWatermark();
  }

  encodeTrailers(trailers: Headers): void {
    if (this.isClosed) return;
    if (this.#isChunkedRequest) {
      const { limits, spelling } = this.#owner.http;
      const text = limits.enableTrailers ? encode.encodeTrailers(trailers, spelling) : encode.LAST_CHUNK;
      this.wireBytesSent += text.length;
      this.socket.writeLatin1(text);
    }
    this.#requestEnds();
  }

  #requestEnds(): void {
    this.#requestComplete = true;
    if (this.#endsWithRequest) this.socket.close();
    else if (this.#isTunnel) this.socket.end();
  }

  #checkWatermark(): void {
    if (this.#isAbove) return;
    this.#isAbove = true;
    this.#stats.inc(this.#stats.i.upstream_flow_control_backed_up_total);
    this.#decoder?.onAboveWatermark();
  }

  onDrain(): void {
    if (!this.#isAbove) return;
    this.#isAbove = false;
    this.#stats.inc(this.#stats.i.upstream_flow_control_drained_total);
    this.#decoder?.onBelowWatermark();
  }

  resetStream(): void {
    if (this.isClosed || this.#decoder === null) return;
    this.#decoder = null;
    this.close();
  }

  pauseReading(): void {
    if (this.isClosed) return;
    if (this.#pauses++ === 0) this.#stats.inc(this.#stats.i.upstream_flow_control_paused_reading_total);
    this.socket.pause();
  }

  resumeReading(): void {
    if (this.isClosed || this.#pauses === 0) return;
    if (--this.#pauses === 0) this.#stats.inc(this.#stats.i.upstream_flow_control_resumed_reading_total);
    this.socket.resume();
  }

  // ─── Bytes in ───────────────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.isClosed) return;
    const stats = this.#stats;
    stats.add(stats.i.upstream_cx_rx_bytes_total, end - start);
    if (this.#responseComplete) {
      this.#unasked(chunk, start, end);
      return;
    }
    this.wireBytesReceived += end - start;
    const parser = this.#parser;
    let pos = start;
    this.#isExecuting = true;
    do {
      pos = parser.execute(chunk, pos, end);
    } while (pos < end && !this.isClosed && !this.#responseComplete && parser.failure === null);
    this.#isExecuting = false;
    if (this.isClosed) return;
    if (parser.failure !== null) this.#protocolError();
    else if (this.#responseComplete) this.#exchangeEnds('local', pos < end);
  }

  /** Bytes that no request asked for. A server that gives up waiting may say 408, which is no error. */
  #unasked(chunk: Buffer, start: number, end: number): void {
    const isTimeout = end - start >= 12 && TIMEOUT_STATUS.every((byte, i) => chunk[start + 9 + i] === byte);
    if (!isTimeout) this.#stats.inc(this.#stats.i.upstream_cx_protocol_error);
    this.close();
  }

  onHead(headers: Headers, parser: Http1Parser): void {
    this.headerBytesReceived += headers.fieldBytes || BARE_HEAD_BYTES;
    const status = headers.status;
    if (status < 200 && status !== 101) {
      this.#isInterim = true;
      this.#decoder?.decode1xx(headers);
      return;
    }
    if (status !== 101 && saysClose(parser)) this.#stats.inc(this.#stats.i.upstream_cx_close_notify);
    if (parser.endStream) {
      this.#lastHead = headers;
      return;
    }
    this.#isTunnel = (status === 101 && parser.expectsUpgrade) || (parser.requestMethod === 'CONNECT' && status < 300);
    this.#bodyLeft = parser.isChunked ? -1 : parser.contentLength;
    this.#decoder?.decodeHeaders(headers, false);
  }

  onBody(chunk: Buffer, start: number, end: number): void {
    const decoder = this.#decoder;
    if (decoder === null) return;
    const data = this.#data;
    data.buffer = chunk;
    data.start = start;
    data.end = end;
    data.owned = false;
    if (this.#bodyLeft > 0) {
      this.#bodyLeft -= end - start;
      // The last bytes and the end are told together, in #exchangeEnds.
      if (this.#bodyLeft === 0) return;
    }
    decoder.decodeData(data, false);
  }

  onTrailers(trailers: Headers): void {
    this.#lastTrailers = trailers;
  }

  onComplete(): void {
    if (this.#isInterim) {
      this.#isInterim = false;
      return;
    }
    this.#responseComplete = true;
  }

  /** The response is complete: puts the connection away, then tells its end. */
  #exchangeEnds(by: 'local' | 'remote', hasLeftover: boolean): void {
    const decoder = this.#decoder;
    const head = this.#lastHead;
    const trailers = this.#lastTrailers;
    this.#decoder = null;
    this.#lastHead = null;
    this.#lastTrailers = null;
    while (this.#pauses > 0) this.resumeReading();
    if (hasLeftover) this.#stats.inc(this.#stats.i.upstream_cx_protocol_error);
    const isClean = this.#requestComplete && this.#parser.keepAlive && !hasLeftover && !this.isDraining;
    if (isClean) {
      this.#countSent();
      this.#owner.onReusable(this);
    } else this.#close(by, !this.#requestComplete);
    if (decoder !== null) {
      if (head !== null) decoder.decodeHeaders(head, true);
      else if (trailers !== null) decoder.decodeTrailers(trailers);
      else {
        if (this.#bodyLeft !== 0) this.#data.set(EMPTY, 0, 0, true);
        decoder.decodeData(this.#data, true);
      }
    }
    this.#owner.onExchangeTold();
  }

  // ─── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #protocolError(): void {
    this.#stats.inc(this.#stats.i.upstream_cx_protocol_error);
    this.#fail('local', PROTOCOL_ERROR);
  }

  onEnd(): void {
    this.#onGone(this.#endsWithRequest ? 'local' : 'remote');
  }

  onClose(failure: Failure | null): void {
    this.#onGone(this.#endsWithRequest && failure === null ? 'local' : 'remote');
  }

  /**
   * The peer will send nothing more: that may be how the body ends, or cut the response off. It closes the connection,
   * but one of CONNECT may be half open until this side does.
   */
  #onGone(by: 'local' | 'remote'): void {
    if (this.isClosed) return;
    if (this.#responseComplete) {
      this.#close('remote', false);
      return;
    }
    if (this.#isTunnel || (this.#endsWithRequest && this.#requestComplete)) {
      this.#fail(by, TERMINATION);
      return;
    }
    const cut = this.#parser.finish();
    if (cut !== null) {
      this.#stats.inc(this.#stats.i.upstream_cx_protocol_error);
      this.#fail(by, PROTOCOL_ERROR);
    } else if (this.#responseComplete) this.#exchangeEnds(by, false);
    else this.#fail(by, TERMINATION);
  }

  /** Ends connection and exchange together. */
  #fail(by: 'local' | 'remote', reason: Failure): void {
    const decoder = this.#decoder;
    this.#decoder = null;
    this.#close(by, true);
    decoder?.onReset(reason);
    this.#owner.onExchangeTold();
  }

  /** Closes at once; an exchange in progress hears nothing. */
  close(): void {
    this.#close('local', !this.#responseComplete);
  }

  #close(by: 'local' | 'remote', hadRequest: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.#isExecuting) this.#parser.isPaused = true;
    this.durationTimer?.disarm();
    this.socket.destroy();
    this.#countSent();
    this.#owner.onClosed(this, by, hadRequest);
  }

  #countSent(): void {
    const sent = this.socket.bytesWritten;
    this.#stats.add(this.#stats.i.upstream_cx_tx_bytes_total, sent - this.#txCounted);
    this.#txCounted = sent;
  }
}

/** As against a body that only the end of the connection ends. */
function saysClose({ hasCloseOption, keepAlive, minorVersion }: Http1Parser): boolean {
  return hasCloseOption || (minorVersion === 0 && !keepAlive);
}

/** Methods besides GET and HEAD whose requests get no 'content-length: 0'. Source: Envoy http1/codec_impl.cc. */
function isBodiless(method: string): boolean {
  return method === 'DELETE' || method === 'TRACE' || method === 'CONNECT';
}
