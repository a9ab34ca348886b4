// One stream of a connection: windows, what waits to be sent, and how far both directions are.
import type { SendQueue } from './send-queue.ts';

/** `U` is what the connection's owner hangs on a stream to find its own state again. */
export class Http2Stream<U> {
  readonly id: number;
  user: U | null;
  /** What may be sent beyond the peer's initial window: negative once something was sent. */
  sendCredit = 0;
  /** What the peer may still send, and what it may send at once when all credit is returned. */
  receiveWindow: number;
  windowBytes: number;
  /** Set by the owner when it makes the peer wait: the window does not grow before the next update. */
  wasSlow = false;
  /** Bytes that were delivered and whose credit the owner has not returned yet. */
  unreturned = 0;
  /** Returned by the owner, and not told the peer yet. */
  returned = 0;
  /** Bytes of the body that the content-length still promises, -1 when it says nothing. */
  expected = -1;
  /** DATA and trailers that have to wait. */
  queue: SendQueue | null = null;
  isAboveWatermark = false;
  /** A final head came, or went. */
  hasHead = false;
  hasSentHead = false;
  /** The peer's, or our END_STREAM is through. */
  isRemoteClosed = false;
  isLocalClosed = false;
  /** The code of the RST_STREAM that follows our END_STREAM if the peer has not ended by then; -1 for none. */
  resetAtEnd = -1;
  /** Neither side says anything any more; the connection has forgotten it. */
  isClosed = false;
  /** It ended by RST_STREAM, ours or theirs. */
  isReset = false;
  /** The request was HEAD: an answer's content-length promises nothing. */
  isHeadRequest = false;
  wireBytesReceived = 0;
  wireBytesSent = 0;
  headerBytesReceived = 0;
  headerBytesSent = 0;
  /** In the list of those that wait. */
  list: StreamList<U> | null = null;
  next: Http2Stream<U> | null = null;
  previous: Http2Stream<U> | null = null;

  constructor(id: number, user: U | null, receiveWindow: number) {
    this.id = id;
    this.user = user;
    this.receiveWindow = this.windowBytes = receiveWindow;
  }

  /** Bytes that wait to be sent. */
  get bufferedBytes(): number {
    return this.queue === null ? 0 : this.queue.bytes;
  }
}

/** Streams in the order in which they are served; each is in one list at most. */
export class StreamList<U> {
  first: Http2Stream<U> | null = null;
  last: Http2Stream<U> | null = null;

  push(stream: Http2Stream<U>): void {
    stream.list = this;
    stream.previous = this.last;
    stream.next = null;
    if (this.last === null) this.first = stream;
    else this.last.next = stream;
    this.last = stream;
  }

  pushFirst(stream: Http2Stream<U>): void {
    stream.list = this;
    stream.previous = null;
    stream.next = this.first;
    if (this.first === null) this.last = stream;
    else this.first.previous = stream;
    this.first = stream;
  }

  remove(stream: Http2Stream<U>): void {
    const { next, previous } = stream;
    if (previous === null) this.first = next;
    else previous.next = next;
    if (next === null) this.last = previous;
    else next.previous = previous;
    stream.list = stream.next = stream.previous = null;
  }
}
