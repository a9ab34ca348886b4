// The client's side of a connection: requests go, answers come.
import { H } from '../header-names.ts';
import type { Headers } from '../headers.ts';
import { Http2Connection } from './connection.ts';
import type { Http2Events } from './events.ts';
import { ERROR, MAX_STREAM_ID, PREFACE, SETTING } from './frames/constants.ts';
import type { Http2Sink } from './frames/output.ts';
import type { Http2Options } from './options.ts';
import { Http2Stream } from './stream.ts';

export class Http2Client<U> extends Http2Connection<U> {
  #nextStreamId = 1;

  constructor(sink: Http2Sink, options: Http2Options, events: Http2Events<U>) {
    super('client', sink, options, events);
    this.output.bytes(PREFACE);
    // A client has no use for the last two; Envoy says them all the same.
    const { allowConnect, maxConcurrentStreams } = options;
    this.begin([
      ...[SETTING.enablePush, 0, SETTING.enableConnect, allowConnect ? 1 : 0],
      ...[SETTING.maxConcurrentStreams, maxConcurrentStreams],
    ]);
  }

  protected isIdle(streamId: number): boolean {
    return streamId >= this.#nextStreamId || (streamId & 1) === 0;
  }

  /** How many streams may be opened now. */
  get freeStreams(): number {
    if (this.isDead || this.isGoingAway || this.#nextStreamId > MAX_STREAM_ID) return 0;
    const most = Math.min(this.peer.maxConcurrentStreams, this.options.maxConcurrentStreams);
    return Math.max(0, most - this.streams.size);
  }

  /** Opens a stream with a request's head; null when there is none free. */
  openStream(user: U, headers: Headers, endStream: boolean): Http2Stream<U> | null {
    if (this.freeStreams === 0) return null;
    const id = this.#nextStreamId;
    this.#nextStreamId += 2;
    const stream = new Http2Stream<U>(id, user, this.options.initialStreamWindow);
    stream.isHeadRequest = headers.method === 'HEAD';
    stream.hasSentHead = true;
    this.guard.openedStreams++;
    this.streams.set(id, stream);
    this.sending.head(stream, headers, endStream);
    return stream;
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
    const broken = heads.decode(buf, start, end, stream?.hasHead === true ? 'trailers' : 'response');
    if (broken !== null) {
      this.fail(ERROR.compression, broken);
      return;
    }
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.fail(ERROR.protocol, 'HEADERS: stream in idle');
      else if (this.endingOf(streamId) === 'known') this.fail(ERROR.streamClosed, 'HEADERS: stream closed');
      return;
    }
    stream.wireBytesReceived += wireBytes;
    stream.headerBytesReceived += wireBytes;
    heads.headers.wireBytes = heads.headers.fieldBytes = wireBytes;
    if (stream.isRemoteClosed) {
      this.failStream(stream, ERROR.streamClosed, this.violation('HEADERS behind END_STREAM'));
    } else if (dependency === streamId) {
      this.failStream(stream, ERROR.protocol, this.violation('HEADERS depends on itself'));
    } else if (heads.isOverLimit) this.failOverLimit(stream);
    else if (heads.malformed !== '') this.failMessage(stream, heads.detail);
    else if (!stream.hasHead) this.#head(stream, heads.headers, endStream);
    else if (!endStream || stream.expected > 0) this.failMessage(stream, 'http2.violation.of.messaging.rule');
    else this.deliverTrailers(stream);
  }

  #head(stream: Http2Stream<U>, headers: Headers, endStream: boolean): void {
    const { status } = headers;
    if (status < 200) {
      if (endStream) this.failMessage(stream, 'http2.violation.of.messaging.rule');
      else this.events.onInterimHead(stream, headers);
      return;
    }
    const length = this.heads.contentLength;
    // An answer that has no body must not smuggle one to a next hop where it would begin another answer.
    stream.expected = stream.isHeadRequest || status === 204 || status === 304 ? 0 : length;
    if (status === 204 && length >= 0) {
      if (length > 0) {
        this.failMessage(stream, 'http2.violation.of.messaging.rule');
        return;
      }
      headers.remove(H['content-length']);
    }
    if (endStream && stream.expected > 0) {
      this.failMessage(stream, 'http2.violation.of.messaging.rule');
      return;
    }
    stream.hasHead = true;
    stream.isRemoteClosed = endStream;
    this.events.onHead(stream, headers, endStream);
    if (endStream) this.afterRemoteEnd(stream);
  }

  protected override onPeerGoaway(lastStreamId: number): void {
    this.refuseUnseen(lastStreamId);
  }
}
