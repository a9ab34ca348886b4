// The server's side of a connection: requests come, answers go.
import { failure } from '../../base/failure.ts';
import type { Headers } from '../headers.ts';
import { Http2Connection } from './connection.ts';
import type { Http2Events } from './events.ts';
import { DEFAULT_WINDOW, ERROR, SETTING } from './frames/constants.ts';
import type { Http2Sink } from './frames/output.ts';
import type { Http2Options } from './options.ts';
import { Http2Stream } from './stream.ts';
import { INVALID_MESSAGE } from './wording.ts';

export class Http2Server<U> extends Http2Connection<U> {
  constructor(sink: Http2Sink, options: Http2Options, events: Http2Events<U>) {
    super('server', sink, options, events);
    const settings: number[] = [SETTING.maxConcurrentStreams, options.maxConcurrentStreams];
    if (options.allowConnect) settings.push(SETTING.enableConnect, 1);
    this.begin(settings);
  }

  protected isIdle(streamId: number): boolean {
    return streamId > this.lastPeerStreamId || (streamId & 1) === 0;
  }

  onHeaderBlock(
    streamId: number,
    buf: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    dependency: number,
    wireBytes: number,
  ): void {
    const { heads } = this;
    const stream = this.streams.get(streamId);
    // Whatever becomes of the stream, the table has to follow.
    const broken = heads.decode(buf, start, end, stream === undefined ? 'request' : 'trailers');
    if (broken !== null) {
      this.fail(ERROR.compression, broken);
      return;
    }
    if (stream === undefined) this.#request(streamId, endStream, dependency, wireBytes);
    else this.#trailers(stream, endStream, dependency, wireBytes);
  }

  #request(streamId: number, endStream: boolean, dependency: number, wireBytes: number): void {
    if (!this.isIdle(streamId)) {
      if (this.isIgnored(streamId)) return;
      if (this.endingOf(streamId) === 'known') this.fail(ERROR.streamClosed, 'HEADERS: stream closed');
      else this.fail(ERROR.protocol, 'HEADERS: stream identifier is not larger than those before');
      return;
    }
    if ((streamId & 1) === 0) {
      this.fail(ERROR.protocol, 'HEADERS: invalid stream identifier');
      return;
    }
    this.lastPeerStreamId = streamId;
    if (streamId > this.lastAcceptedId) return;
    this.guard.openedStreams++;
    const stream = new Http2Stream<U>(streamId, null, this.options.initialStreamWindow);
    stream.wireBytesReceived = stream.headerBytesReceived = wireBytes;
    // RFC 9113 §6.9.2: who does not know of a smaller window yet may use the usual one.
    if (!this.areSettingsAcked) stream.receiveWindow = Math.max(stream.receiveWindow, DEFAULT_WINDOW);
    if (this.streams.size >= this.options.maxConcurrentStreams) {
      this.events.count('stream_refused_errors');
      this.#refuseAlone(stream, ERROR.refusedStream);
      return;
    }
    this.#accept(stream, endStream, dependency);
  }

  #accept(stream: Http2Stream<U>, endStream: boolean, dependency: number): void {
    const { heads } = this;
    const { headers } = heads;
    headers.wireBytes = headers.fieldBytes = stream.wireBytesReceived;
    if (heads.isOverLimit) {
      const isCount = heads.detail === 'http2.too_many_headers';
      this.events.count(isCount ? 'header_overflow' : 'header_list_size_too_large');
      const code = isCount ? 'too_many_headers' : 'headers_too_large';
      this.events.onRefused(stream, headers, failure(code, 'downstream', 'stream', heads.detail));
      this.#refuseAlone(stream, ERROR.internal);
      return;
    }
    if (heads.malformed === '' && endStream && heads.contentLength > 0) {
      this.#refuse(stream, headers, 'content-length without a body', 'http2.violation.of.messaging.rule');
      return;
    }
    if (heads.malformed !== '') {
      this.#refuse(stream, headers, heads.malformed, heads.detail);
      return;
    }
    if (dependency === stream.id) {
      this.#refuseAlone(stream, ERROR.protocol);
      return;
    }
    stream.hasHead = true;
    stream.isRemoteClosed = endStream;
    stream.expected = heads.contentLength;
    this.streams.set(stream.id, stream);
    this.events.onHead(stream, headers, endStream);
    if (endStream) this.afterRemoteEnd(stream);
  }

  /** A request that breaks the rules of messages: an error of its stream, or, as Envoy has it, of all. */
  #refuse(stream: Http2Stream<U>, headers: Headers, text: string, detail: string): void {
    this.events.count('rx_messaging_error');
    const isStreamError = this.options.streamErrorOnInvalidMessage;
    this.events.onRefused(
      stream,
      headers,
      failure('bad_header', 'downstream', isStreamError ? 'stream' : 'connection', detail),
    );
    if (isStreamError) this.#refuseAlone(stream, ERROR.protocol);
    else {
      stream.isClosed = true;
      this.events.onClosed(stream);
      this.fail(ERROR.protocol, text, INVALID_MESSAGE);
    }
  }

  /** Ends a stream that the owner was not told of, or only to refuse it. */
  #refuseAlone(stream: Http2Stream<U>, code: number): void {
    this.events.count('tx_reset');
    this.output.rstStream(stream.id, code);
    this.forget(stream, true);
    this.events.onClosed(stream);
    this.countReset();
  }

  #trailers(stream: Http2Stream<U>, endStream: boolean, dependency: number, wireBytes: number): void {
    const { heads } = this;
    // Good or bad; Envoy counts those of answers nowhere.
    if (!stream.isRemoteClosed) this.events.count('trailers');
    stream.wireBytesReceived += wireBytes;
    stream.headerBytesReceived += wireBytes;
    if (stream.isRemoteClosed) {
      this.failStream(stream, ERROR.streamClosed, this.violation('HEADERS behind END_STREAM'));
    } else if (dependency === stream.id) {
      this.failStream(stream, ERROR.protocol, this.violation('HEADERS depends on itself'));
    } else if (heads.isOverLimit) this.failOverLimit(stream);
    else if (!endStream || stream.expected > 0) this.failMessage(stream, 'http2.violation.of.messaging.rule');
    else if (heads.malformed !== '') this.failMessage(stream, heads.detail);
    else this.deliverTrailers(stream);
  }

  /** Answers with a head of 1xx. */
  sendInterimHead(stream: Http2Stream<U>, headers: Headers): void {
    if (stream.hasSentHead || stream.isLocalClosed || stream.isClosed) return;
    this.sending.head(stream, headers, false);
  }
}
