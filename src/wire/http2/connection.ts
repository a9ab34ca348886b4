// One HTTP/2 connection (RFC 9113) without its socket: bytes in, events out; what servers and clients have in common.
import { type Failure, failure } from '../../base/failure.ts';
import type { Headers } from '../headers.ts';
import { ClosedStreams, type Ending } from './closed-streams.ts';
import type { Http2Events } from './events.ts';
import { FloodGuard, type Http2Counter } from './flood-guard.ts';
import { DEFAULT_WINDOW, ERROR, FRAME_HEAD_BYTES, MAX_STREAM_ID, SETTING } from './frames/constants.ts';
import { type FrameHandler, FrameParser } from './frames/frame-parser.ts';
import { Http2Output, type Http2Sink, type OutputOwner } from './frames/output.ts';
import { HeadDecoder } from './head-decoder.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { frameLimits, type Http2Options, REMEMBERED_CLOSED } from './options.ts';
import { PeerSettings } from './peer-settings.ts';
import { type SendOwner, SendSide } from './send-side.ts';
import type { Http2Stream } from './stream.ts';
import { codecError, FLOOD_TEXTS, INVALID_MESSAGE } from './wording.ts';

/**
 * Created when the bytes may flow: its SETTINGS are output at once. The owner feeds `receive`, calls `flush` when the
 * turn ends in which `onOutput` came, `onDrain` when the sink has room again, and `close` when the socket is gone.
 */
export abstract class Http2Connection<U> implements FrameHandler, OutputOwner, SendOwner<U> {
  readonly options: Http2Options;
  protected readonly events: Http2Events<U>;
  protected readonly side: 'downstream' | 'upstream';
  protected readonly parser: FrameParser;
  protected readonly output: Http2Output;
  protected readonly sending: SendSide<U>;
  protected readonly heads: HeadDecoder;
  protected readonly encoder: HpackEncoder;
  protected readonly guard: FloodGuard;
  protected readonly streams = new Map<number, Http2Stream<U>>();
  /** The last stream that the peer opened, and the last one whose frames are taken after our GOAWAY. */
  protected lastPeerStreamId = 0;
  protected lastAcceptedId = MAX_STREAM_ID;
  #closed: ClosedStreams | null = null;
  /** What the peer may still send on the connection; what was returned by the owner and not told the peer yet. */
  #receiveWindow: number;
  #returned = 0;
  #nowMs = 0;
  /** Of the DATA frame being read. */
  #dataStream: Http2Stream<U> | null = null;
  #flood: Http2Counter | null = null;
  /** No stream can begin or go on: the connection failed or was closed. */
  isDead = false;
  /** The peer said GOAWAY. */
  isGoingAway = false;
  /** Before that, what the peer sends may go by what SETTINGS are without a word. */
  protected areSettingsAcked = false;
  readonly peer = new PeerSettings();

  protected constructor(side: 'server' | 'client', sink: Http2Sink, options: Http2Options, events: Http2Events<U>) {
    this.options = options;
    this.events = events;
    this.side = side === 'server' ? 'downstream' : 'upstream';
    this.parser = new FrameParser(side, frameLimits(options), this);
    this.output = new Http2Output(sink, options, this);
    this.encoder = new HpackEncoder(options.hpackTableBytes, options.useHuffman);
    this.sending = new SendSide(this.output, this.encoder, options.streamBufferBytes, this);
    this.heads = new HeadDecoder(options.hpackTableBytes, options);
    this.guard = new FloodGuard(options);
    this.#receiveWindow = options.initialConnectionWindow;
  }

  /** The first frames of this side; the subclass calls it once it is made. */
  protected begin(settings: number[]): void {
    const { hpackTableBytes, initialStreamWindow, initialConnectionWindow, customSettings } = this.options;
    settings.push(SETTING.headerTableSize, hpackTableBytes, SETTING.initialWindowSize, initialStreamWindow);
    this.output.settings([...settings, ...customSettings]);
    const more = initialConnectionWindow - DEFAULT_WINDOW;
    if (more > 0) this.output.windowUpdate(0, more);
    else this.#receiveWindow = DEFAULT_WINDOW;
  }

  // ─── What the owner calls ───────────────────────────────────────────────────────────────────────────────────────

  /** Reads buf[start, end), borrowed. `nowMs` is any clock that does not run backwards; rates are measured with it. */
  receive(buf: Buffer, start: number, end: number, nowMs: number): void {
    if (this.isDead) return;
    this.#nowMs = nowMs;
    this.parser.execute(buf, start, end);
    this.#checkFlood();
  }

  /** Gives all output to the sink. */
  flush(): void {
    this.#checkFlood();
    this.output.flush();
  }

  /** The sink has room again. */
  onDrain(): void {
    if (!this.isDead) this.sending.pump();
  }

  /** Whether the test holds for all streams that are open. */
  everyStream(test: (stream: Http2Stream<U>) => boolean): boolean {
    for (const stream of this.streams.values()) if (!test(stream)) return false;
    return true;
  }

  get activeStreams(): number {
    return this.streams.size;
  }

  /** Bytes of all streams that wait to be sent. */
  get pendingBytes(): number {
    return this.sending.pendingBytes;
  }

  /** A header block has begun and is not complete. */
  get isInBlock(): boolean {
    return this.parser.isInBlock;
  }

  /** The owner closes: what was read already is not looked at. */
  stopReading(): void {
    this.parser.isStopped = true;
  }

  /** The peer asks too much: ends the connection with GOAWAY, as for a flood. */
  giveUp(debug: string): void {
    this.fail(ERROR.enhanceYourCalm, debug);
  }

  /** Bytes held of frames that are not complete, for those who watch memory. */
  get heldBytes(): number {
    return this.parser.heldBytes;
  }

  sendHead(stream: Http2Stream<U>, headers: Headers, endStream: boolean): void {
    if (stream.isLocalClosed || stream.isClosed) return;
    stream.hasSentHead = true;
    this.sending.head(stream, headers, endStream);
  }

  sendData(
    stream: Http2Stream<U>,
    buf: Buffer,
    start: number,
    end: number,
    isOwned: boolean,
    endStream: boolean,
  ): void {
    if (stream.isLocalClosed || stream.isClosed) return;
    this.sending.data(stream, buf, start, end, isOwned, endStream);
  }

  /** Ends the stream. */
  sendTrailers(stream: Http2Stream<U>, trailers: Headers): void {
    if (stream.isLocalClosed || stream.isClosed) return;
    this.sending.trailers(stream, trailers);
  }

  /** Gives the stream up in both directions; only `onClosed` follows. */
  resetStream(stream: Http2Stream<U>, code: number): void {
    if (stream.isClosed) return;
    this.events.count('tx_reset');
    this.output.rstStream(stream.id, code);
    stream.wireBytesSent += FRAME_HEAD_BYTES + 4;
    this.#drop(stream, true);
    this.events.onClosed(stream);
  }

  /** Resets the stream as soon as its END_STREAM has been sent: the peer need not send the rest of its own. */
  resetAfterEnd(stream: Http2Stream<U>, code: number): void {
    if (stream.isLocalClosed) this.resetStream(stream, code);
    else stream.resetAtEnd = code;
  }

  /**
   * Says that `bytes` of the stream's data have left towards the other side, so that the peer may send as many more.
   * Also after the stream's end. What a reset stream still owes is returned by itself. An owner that lets the peer wait
   * on purpose says so in `stream.wasSlow`.
   */
  returnCredit(stream: Http2Stream<U>, bytes: number): void {
    const returned = Math.min(bytes, stream.unreturned);
    if (returned === 0 || this.isDead) return;
    stream.unreturned -= returned;
    if (!this.options.returnsConnectionCreditEarly) this.#returnConnectionCredit(returned);
    if (stream.isRemoteClosed || stream.isClosed) return;
    stream.returned += returned;
    // As nghttp2 does: half a window is worth a frame.
    if (stream.returned * 2 < stream.windowBytes) return;
    const more = stream.returned + this.#growth(stream);
    stream.receiveWindow += more;
    this.output.windowUpdate(stream.id, more);
    stream.returned = 0;
  }

  /** A window whose reader keeps up doubles, so that distance does not limit long bodies. */
  #growth(stream: Http2Stream<U>): number {
    const { windowBytes, wasSlow } = stream;
    stream.wasSlow = false;
    if (wasSlow) return 0;
    stream.windowBytes = Math.max(windowBytes, Math.min(windowBytes * 2, this.options.largestStreamWindow));
    return stream.windowBytes - windowBytes;
  }

  #returnConnectionCredit(bytes: number): void {
    this.#returned += bytes;
    if (this.#returned * 2 < this.options.initialConnectionWindow) return;
    this.#receiveWindow += this.#returned;
    this.output.windowUpdate(0, this.#returned);
    this.#returned = 0;
  }

  /** Sends PING with eight bytes of `payload`; `onPingAck` brings them back. */
  ping(payload: Uint8Array): void {
    if (!this.isDead) this.output.ping(false, payload, 0);
  }

  /** Says that the connection will take no more streams soon; those on their way are still taken. */
  announceShutdown(): void {
    if (this.isDead || this.lastAcceptedId < MAX_STREAM_ID) return;
    this.output.goaway(MAX_STREAM_ID, ERROR.noError, '');
  }

  /** Takes no more streams; those that are open go on. */
  shutdown(code: number = ERROR.noError): void {
    if (this.isDead || this.lastAcceptedId < MAX_STREAM_ID) return;
    this.lastAcceptedId = this.lastPeerStreamId;
    this.events.count('goaway_sent');
    this.output.goaway(this.lastPeerStreamId, code, '');
  }

  /** The socket is gone: all streams fail with `reason`. */
  close(reason: Failure): void {
    if (this.isDead) return;
    this.isDead = true;
    this.parser.isStopped = true;
    this.#failStreams(reason, ERROR.cancel);
  }

  // ─── Failures ───────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Ends the connection with GOAWAY. `detail` is what logs say of its streams, by default Envoy's words for `debug`;
   * of the stream whose fault it is they say `culpritDetail`.
   */
  protected fail(
    code: number,
    debug: string,
    detail = codecError(debug),
    culprit: Http2Stream<U> | null = null,
    culpritDetail = '',
  ): void {
    if (this.isDead) return;
    this.isDead = true;
    this.parser.isStopped = true;
    this.output.goaway(this.lastPeerStreamId, code, debug);
    const failureCode = this.side === 'downstream' ? 'bad_framing' : 'upstream_protocol';
    const reason = failure(failureCode, this.side, 'connection', detail);
    if (culprit !== null && !culprit.isClosed) {
      this.#failStream(culprit, failure(failureCode, this.side, 'connection', culpritDetail), code);
    }
    this.#failStreams(reason, code);
    this.events.onFailed(reason, code);
  }

  #failStreams(reason: Failure, code: number): void {
    for (const stream of this.streams.values()) if (!stream.isClosed) this.#failStream(stream, reason, code);
  }

  #failStream(stream: Http2Stream<U>, reason: Failure, code: number): void {
    this.#drop(stream, false);
    this.events.onReset(stream, reason, code);
    this.events.onClosed(stream);
  }

  /** The peer broke a rule that ends one stream. */
  protected failStream(stream: Http2Stream<U>, code: number, reason: Failure): void {
    this.events.count('tx_reset');
    this.output.rstStream(stream.id, code);
    this.#drop(stream, true);
    this.events.onReset(stream, reason, code);
    this.events.onClosed(stream);
    this.countReset();
  }

  /** Streams that end by fault or wish of a client are limited in time: each cost this side a request. */
  protected countReset(): void {
    if (this.side === 'downstream' && !this.guard.onReset(this.#nowMs))
      this.fail(ERROR.enhanceYourCalm, 'too many streams were reset');
  }

  protected violation(text: string): Failure {
    const code = this.side === 'downstream' ? 'bad_framing' : 'upstream_protocol';
    return failure(code, this.side, 'stream', `http2: ${text}`);
  }

  /** Trailers or an answer's head that break the rules of messages. */
  protected failMessage(stream: Http2Stream<U>, detail: string, code: number = ERROR.protocol): void {
    this.events.count('rx_messaging_error');
    const reason = failure(
      this.side === 'downstream' ? 'bad_header' : 'upstream_protocol',
      this.side,
      'stream',
      detail,
    );
    if (this.options.streamErrorOnInvalidMessage) this.failStream(stream, code, reason);
    else this.fail(code, 'invalid message', INVALID_MESSAGE, stream, detail);
  }

  protected failOverLimit(stream: Http2Stream<U>): void {
    const { detail } = this.heads;
    const isCount = detail === 'http2.too_many_headers';
    this.events.count(isCount ? 'header_overflow' : 'header_list_size_too_large');
    const code = isCount ? 'too_many_headers' : 'headers_too_large';
    this.failStream(stream, ERROR.internal, failure(code, this.side, 'stream', detail));
  }

  protected deliverTrailers(stream: Http2Stream<U>): void {
    stream.isRemoteClosed = true;
    this.events.onTrailers(stream, this.heads.headers);
    this.afterRemoteEnd(stream);
  }

  #checkFlood(): void {
    const flood = this.#flood;
    if (flood === null || this.isDead) return;
    this.events.count(flood);
    this.fail(ERROR.enhanceYourCalm, FLOOD_TEXTS[flood] ?? flood);
  }

  onOutboundFlood(isControl: boolean): void {
    // Told while a frame is being written: acted upon when the caller is done.
    this.#flood ??= isControl ? 'outbound_control_flood' : 'outbound_flood';
    this.parser.isStopped = true;
  }

  onOutput(): void {
    this.events.onOutput();
  }

  onConnectionError(code: number, detail: string): void {
    this.fail(code, detail);
  }

  // ─── Streams ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether nobody can have used that stream yet. */
  protected abstract isIdle(streamId: number): boolean;

  protected endingOf(streamId: number): Ending {
    return this.#closed === null ? 'unknown' : this.#closed.endingOf(streamId);
  }

  protected forget(stream: Http2Stream<U>, isReset: boolean): void {
    stream.isClosed = true;
    stream.isReset = isReset;
    this.streams.delete(stream.id);
    this.#closed ??= new ClosedStreams(REMEMBERED_CLOSED);
    this.#closed.add(stream.id, isReset);
  }

  #drop(stream: Http2Stream<U>, byUs: boolean): void {
    this.sending.drop(stream);
    this.forget(stream, byUs);
    stream.isReset = true;
    const owed = stream.unreturned;
    stream.unreturned = 0;
    if (owed > 0 && !this.isDead && !this.options.returnsConnectionCreditEarly) this.#returnConnectionCredit(owed);
  }

  /** The peer's END_STREAM was delivered. */
  protected afterRemoteEnd(stream: Http2Stream<U>): void {
    if (stream.isLocalClosed && !stream.isClosed) this.#finish(stream);
  }

  onEndSent(stream: Http2Stream<U>): void {
    stream.isLocalClosed = true;
    if (stream.isClosed) return;
    if (stream.isRemoteClosed) this.#finish(stream);
    else if (stream.resetAtEnd >= 0) this.resetStream(stream, stream.resetAtEnd);
  }

  #finish(stream: Http2Stream<U>): void {
    this.forget(stream, false);
    this.events.onClosed(stream);
  }

  onAboveWatermark(stream: Http2Stream<U>): void {
    this.events.onAboveWatermark(stream);
  }

  onBelowWatermark(stream: Http2Stream<U>): void {
    this.events.onBelowWatermark(stream);
  }

  // ─── Frames ─────────────────────────────────────────────────────────────────────────────────────────────────────

  onFrame(type: number, payloadBytes: number, flags: number, streamId: number): void {
    const flood = this.guard.onFrame(type, payloadBytes, flags, this.output.dataFrames);
    if (flood === null) return;
    this.events.count(flood);
    const text = FLOOD_TEXTS[flood] ?? flood;
    // Envoy names the stream's own fault only for this one.
    const culprit = flood === 'inbound_empty_frames_flood' ? (this.streams.get(streamId) ?? null) : null;
    this.fail(ERROR.enhanceYourCalm, text, codecError(text), culprit, `http2.${flood}`);
  }

  abstract onHeaderBlock(
    streamId: number,
    buf: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    dependency: number,
    wireBytes: number,
  ): void;

  onDataFrame(streamId: number, bytes: number, paddingBytes: number, endStream: boolean): boolean {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) {
      this.fail(ERROR.flowControl, 'DATA exceeds the connection window');
      return false;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#strayData(streamId);
      if (!this.isDead) this.#returnConnectionCredit(bytes);
      return false;
    }
    if (this.options.returnsConnectionCreditEarly) this.#returnConnectionCredit(bytes);
    stream.wireBytesReceived += bytes + FRAME_HEAD_BYTES;
    stream.receiveWindow -= bytes;
    stream.unreturned += bytes;
    this.#dataStream = stream;
    if (stream.isRemoteClosed) this.failStream(stream, ERROR.streamClosed, this.violation('DATA behind END_STREAM'));
    else if (stream.receiveWindow < 0) {
      this.failStream(stream, ERROR.flowControl, this.violation('DATA exceeds the stream window'));
    } else if (!stream.hasHead) this.fail(ERROR.protocol, 'DATA: stream not opened');
    else if (stream.expected >= 0 && !this.#isExpected(stream, bytes - paddingBytes, endStream)) {
      this.failStream(stream, ERROR.protocol, this.#wrongLength());
    } else {
      if (paddingBytes > 0) this.returnCredit(stream, paddingBytes);
      return true;
    }
    return false;
  }

  /** Whether the data fits what the content-length promised. */
  #isExpected(stream: Http2Stream<U>, bytes: number, endStream: boolean): boolean {
    stream.expected -= bytes;
    return endStream ? stream.expected === 0 : stream.expected >= 0;
  }

  /** Envoy counts it nowhere, and has no other word for it. */
  #wrongLength(): Failure {
    const code = this.side === 'downstream' ? 'bad_framing' : 'upstream_protocol';
    return failure(code, this.side, 'stream', 'http2.remote_reset');
  }

  #strayData(streamId: number): void {
    if (this.isIdle(streamId)) {
      this.fail(ERROR.protocol, 'DATA: stream in idle');
      return;
    }
    if (this.isIgnored(streamId)) return;
    if (this.endingOf(streamId) === 'known') this.fail(ERROR.streamClosed, 'DATA: stream is closed');
    else {
      this.output.rstStream(streamId, ERROR.streamClosed);
      this.countReset();
    }
  }

  /** Frames of streams that were refused or reset may still come; they mean nothing. */
  protected isIgnored(streamId: number): boolean {
    return this.endingOf(streamId) === 'reset' || streamId > this.lastAcceptedId;
  }

  onDataPiece(buf: Buffer, start: number, end: number, isLast: boolean): void {
    const stream = this.#dataStream as Http2Stream<U>;
    if (stream.isClosed) {
      this.parser.discardData();
      return;
    }
    if (isLast) stream.isRemoteClosed = true;
    this.events.onData(stream, buf, start, end, isLast);
    if (isLast) this.afterRemoteEnd(stream);
  }

  onPriority(streamId: number, dependency: number): void {
    if (streamId !== dependency) return;
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.failStream(stream, ERROR.protocol, this.violation('PRIORITY depends on itself'));
    else if (this.isIdle(streamId)) this.fail(ERROR.protocol, 'PRIORITY depends on itself');
  }

  onStreamError(streamId: number, code: number, detail: string): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.failStream(stream, code, this.violation(detail));
    else this.fail(code, detail);
  }

  onRstStream(streamId: number, code: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.fail(ERROR.protocol, 'RST_STREAM: stream in idle');
      return;
    }
    this.events.count('rx_reset');
    stream.wireBytesReceived += FRAME_HEAD_BYTES + 4;
    this.#drop(stream, false);
    const isRefused = code === ERROR.refusedStream;
    const reason = failure(
      this.side === 'downstream' ? 'downstream_reset' : 'upstream_reset',
      this.side,
      'stream',
      isRefused ? 'http2.remote_refuse' : 'http2.remote_reset',
    );
    this.events.onReset(stream, reason, code);
    this.events.onClosed(stream);
    this.countReset();
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (streamId === 0) {
      if (increment === 0) this.fail(ERROR.protocol, 'WINDOW_UPDATE: window_size_increment == 0');
      else if (!this.sending.addConnectionWindow(increment)) {
        this.fail(ERROR.flowControl, 'WINDOW_UPDATE: window size overflow');
      }
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.fail(ERROR.protocol, 'WINDOW_UPDATE to idle stream');
      return;
    }
    // RFC 9113 §6.9 lets it be an error of all: nobody means it well, and each stream that it ends costs a request.
    if (increment === 0) this.fail(ERROR.protocol, 'WINDOW_UPDATE: window_size_increment == 0');
    else if (!this.sending.addStreamWindow(stream, increment)) {
      this.failStream(stream, ERROR.flowControl, this.violation('WINDOW_UPDATE makes the window too large'));
    }
  }

  onPing(isAck: boolean, buf: Buffer, start: number): void {
    if (isAck) this.events.onPingAck(buf, start);
    else this.output.ping(true, buf, start);
  }

  onGoaway(lastStreamId: number, code: number, buf: Buffer, start: number, end: number): void {
    this.isGoingAway = true;
    this.onPeerGoaway(lastStreamId);
    this.events.onGoaway(lastStreamId, code, buf.latin1Slice(start, end));
  }

  protected onPeerGoaway(_lastStreamId: number): void {}

  protected refuseUnseen(lastStreamId: number): void {
    const reason = failure('upstream_reset', 'upstream', 'stream', 'http2.remote_refuse');
    for (const stream of this.streams.values()) {
      if (stream.id <= lastStreamId || stream.isClosed) continue;
      this.#drop(stream, true);
      this.events.onReset(stream, reason, ERROR.refusedStream);
      this.events.onClosed(stream);
    }
  }

  // ─── SETTINGS ───────────────────────────────────────────────────────────────────────────────────────────────────

  onSettingsAck(): void {
    this.areSettingsAcked = true;
    this.heads.hpack.setLimit(this.options.hpackTableBytes);
  }

  onSettings(buf: Buffer, start: number, end: number): void {
    const { peer } = this;
    const fault = peer.read(buf, start, end, this.side === 'downstream');
    if (fault !== null) {
      this.fail(fault.code, fault.text);
      return;
    }
    if (peer.headerTableBytes >= 0) {
      this.encoder.setLimit(peer.smallestTableBytes);
      this.encoder.setLimit(peer.headerTableBytes);
    }
    this.output.settingsAck();
    // Once for the whole frame: a list of changes would let a few bytes move all streams many times.
    const window = peer.initialWindow;
    if (window >= 0 && !this.sending.setInitialWindow(window, this.streams.values())) {
      this.fail(ERROR.flowControl, 'SETTINGS: a window becomes too large');
      return;
    }
    this.events.onSettings();
  }
}
