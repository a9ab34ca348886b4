// What a connection tells its owner.
import type { Failure } from '../../base/failure.ts';
import type { Headers } from '../headers.ts';
import type { Http2Counter } from './flood-guard.ts';
import type { Http2Stream } from './stream.ts';

/**
 * Events of one connection. Of a stream: a head, then data and trailers, until `endStream` or trailers; or `onReset`,
 * after which nothing comes; `onClosed` is the last in any case. A handler may call every method of the connection but
 * `receive` and `flush`.
 */
export type Http2Events<U> = {
  /** Output waits, for the first time since the last flush: `flush` is to be called when the turn ends. */
  onOutput(): void;
  /** Server: a request on a new stream, whose `user` is null. Client: the final head of an answer. */
  onHead(stream: Http2Stream<U>, headers: Headers, endStream: boolean): void;
  /** Client: a head of 1xx. */
  onInterimHead(stream: Http2Stream<U>, headers: Headers): void;
  /** Borrowed bytes buf[start, end); empty only with `endStream`. Their credit is the owner's to return. */
  onData(stream: Http2Stream<U>, buf: Buffer, start: number, end: number, endStream: boolean): void;
  /** Ends the stream. */
  onTrailers(stream: Http2Stream<U>, trailers: Headers): void;
  /**
   * Server: a request that is not accepted, for the log; its stream has no user yet and ends at once, by onClosed.
   * `headers` are as far as they were read.
   */
  onRefused(stream: Http2Stream<U>, headers: Headers, reason: Failure): void;
  /** The stream failed: RST_STREAM of the peer or for its fault, or the end of the connection. */
  onReset(stream: Http2Stream<U>, reason: Failure, code: number): void;
  /** The stream is over in both directions, and its number free for another. */
  onClosed(stream: Http2Stream<U>): void;
  /** More waits to be sent than `streamBufferBytes`; and: less than half of it. */
  onAboveWatermark(stream: Http2Stream<U>): void;
  onBelowWatermark(stream: Http2Stream<U>): void;
  /** The peer takes no further streams; those above `lastStreamId` have been reset (REFUSED_STREAM). */
  onGoaway(lastStreamId: number, code: number, debug: string): void;
  /** The eight bytes of a PING that was answered: buf[at, at + 8). */
  onPingAck(buf: Buffer, at: number): void;
  /** The peer's SETTINGS came. */
  onSettings(): void;
  /** The connection is of no more use. GOAWAY waits to be flushed; all streams have been reset. The owner closes. */
  onFailed(reason: Failure, code: number): void;
  count(counter: Http2Counter): void;
};
