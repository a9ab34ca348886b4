// The way out of a connection: windows of the peer, whose turn it is, and what has to wait.
import type { Headers } from '../headers.ts';
import { DEFAULT_WINDOW, FRAME_HEAD_BYTES, MAX_WINDOW } from './frames/constants.ts';
import type { Http2Output } from './frames/output.ts';
import type { HpackEncoder } from './hpack/encoder.ts';
import { SendQueue } from './send-queue.ts';
import { type Http2Stream, StreamList } from './stream.ts';

export type SendOwner<U> = {
  /** END_STREAM is written. */
  onEndSent(stream: Http2Stream<U>): void;
  onAboveWatermark(stream: Http2Stream<U>): void;
  onBelowWatermark(stream: Http2Stream<U>): void;
};

// Where a stream with DATA is:
//
//   (no queue) ──no window, or others wait──► waiting ──its window is used up──► stalled
//        ▲────────all sent────────────────────┘  ▲──────WINDOW_UPDATE, SETTINGS────┘
//
// While nothing waits, DATA goes on to the sink as it comes, also somewhat above the sink's watermark: there it is not
// copied, and its source is told to pause (`throttled`). Beyond that it waits here.
// `waiting` is served in turns of one frame while the connection's window and the sink have room.
export class SendSide<U> {
  readonly #output: Http2Output;
  readonly #encoder: HpackEncoder;
  readonly #owner: SendOwner<U>;
  readonly #highBytes: number;
  readonly #waiting = new StreamList<U>();
  readonly #stalled = new StreamList<U>();
  /** Told to pause because the sink was full. */
  #throttled: Http2Stream<U>[] = [];
  /** What may still be sent on the connection, and SETTINGS_INITIAL_WINDOW_SIZE for streams. */
  connectionWindow = DEFAULT_WINDOW;
  initialWindow = DEFAULT_WINDOW;
  /** Bytes that wait in all streams (Envoy: pending_send_bytes). */
  pendingBytes = 0;
  /** No stream's `sendCredit` has been above this. */
  #mostCredit = 0;

  constructor(output: Http2Output, encoder: HpackEncoder, highBytes: number, owner: SendOwner<U>) {
    this.#output = output;
    this.#encoder = encoder;
    this.#highBytes = highBytes;
    this.#owner = owner;
  }

  /** Whether some stream could send if the connection's window or the sink had room. */
  get isWaiting(): boolean {
    return this.#waiting.first !== null;
  }

  head(stream: Http2Stream<U>, headers: Headers, endStream: boolean): void {
    const output = this.#output;
    const encoder = this.#encoder;
    output.reserve(encoder.bound(headers) + FRAME_HEAD_BYTES);
    const start = output.pos + FRAME_HEAD_BYTES;
    output.pos = encoder.encode(headers, output.buffer, start);
    const bytes = output.headerBlock(stream.id, start, endStream);
    stream.wireBytesSent += bytes;
    stream.headerBytesSent += bytes;
    if (endStream) this.#owner.onEndSent(stream);
  }

  trailers(stream: Http2Stream<U>, trailers: Headers): void {
    const { queue } = stream;
    if (queue === null || queue.isEmpty) {
      this.head(stream, trailers, true);
      return;
    }
    queue.hasEnd = true;
    queue.trailers = trailers;
  }

  /** Sends what it may and keeps the rest; borrowed bytes that have to wait are copied. */
  data(stream: Http2Stream<U>, chunk: Buffer, start: number, end: number, isOwned: boolean, endStream: boolean): void {
    const { queue } = stream;
    let pos = start;
    if (queue?.hasEnd === true) return;
    if (queue === null || queue.isEmpty) {
      if (start === end) {
        if (endStream) this.#write(stream, chunk, start, end, true, true);
        return;
      }
      const output = this.#output;
      while (pos < end && this.#waiting.first === null && !this.#isOverfull) {
        const bytes = Math.min(end - pos, this.#room(stream));
        if (bytes <= 0) break;
        const from = pos;
        pos += bytes;
        this.#write(stream, chunk, from, pos, isOwned, endStream && pos === end);
      }
      if (pos === end) {
        if (!endStream && output.isFull) this.#throttle(stream);
        return;
      }
    }
    this.#keep(stream, chunk, pos, end, isOwned, endStream);
  }

  get #isOverfull(): boolean {
    const output = this.#output;
    return output.isFull && (output.isCrowded || output.waitingBytes > 2 * this.#highBytes);
  }

  #throttle(stream: Http2Stream<U>): void {
    if (stream.isAboveWatermark) return;
    stream.isAboveWatermark = true;
    this.#throttled.push(stream);
    this.#owner.onAboveWatermark(stream);
  }

  /** The sink has room again. */
  #unthrottle(): void {
    const throttled = this.#throttled;
    this.#throttled = [];
    for (const stream of throttled) {
      // Those that have more waiting hear of it once that is sent.
      if (stream.isClosed || !stream.isAboveWatermark || stream.bufferedBytes * 2 > this.#highBytes) continue;
      stream.isAboveWatermark = false;
      this.#owner.onBelowWatermark(stream);
    }
  }

  /** Bytes that one frame of the stream may have now. */
  #room(stream: Http2Stream<U>): number {
    const window = Math.min(this.connectionWindow, this.initialWindow + stream.sendCredit);
    return Math.min(window, this.#output.maxFrameBytes);
  }

  #write(
    stream: Http2Stream<U>,
    chunk: Buffer,
    start: number,
    end: number,
    isOwned: boolean,
    endStream: boolean,
  ): void {
    const bytes = end - start;
    this.connectionWindow -= bytes;
    stream.sendCredit -= bytes;
    stream.wireBytesSent += bytes + FRAME_HEAD_BYTES;
    this.#output.data(stream.id, chunk, start, end, isOwned, endStream);
    if (endStream) this.#owner.onEndSent(stream);
  }

  #keep(stream: Http2Stream<U>, chunk: Buffer, start: number, end: number, isOwned: boolean, endStream: boolean): void {
    stream.queue ??= new SendQueue();
    const { queue } = stream;
    queue.push(chunk, start, end, isOwned);
    this.pendingBytes += end - start;
    if (endStream) queue.hasEnd = true;
    if (stream.list === null) this.#enlist(stream);
    if (queue.bytes > this.#highBytes && !stream.isAboveWatermark) {
      stream.isAboveWatermark = true;
      this.#owner.onAboveWatermark(stream);
    }
  }

  #enlist(stream: Http2Stream<U>): void {
    if (this.initialWindow + stream.sendCredit > 0) this.#waiting.push(stream);
    else this.#stalled.push(stream);
  }

  /** Sends what waits, one frame of each stream in turn, as far as there is room. */
  pump(): void {
    const output = this.#output;
    for (;;) {
      const stream = this.#waiting.first;
      if (stream === null || this.connectionWindow <= 0 || output.isFull) break;
      this.#next(stream, stream.queue as SendQueue);
    }
    if (this.#throttled.length > 0 && !output.isFull) this.#unthrottle();
  }

  #next(stream: Http2Stream<U>, queue: SendQueue): void {
    this.#waiting.remove(stream);
    const room = this.#room(stream);
    if (room <= 0) {
      // The peer has made its windows smaller.
      this.#stalled.push(stream);
      return;
    }
    queue.peek(room);
    const { chunk, start, end } = queue;
    queue.drop();
    this.pendingBytes -= end - start;
    const isEnd = queue.bytes === 0 && queue.hasEnd;
    const { trailers } = queue;
    if (queue.bytes === 0) stream.queue = null;
    // The queue's blocks are never written over, so what goes out of them needs no copy.
    this.#write(stream, chunk, start, end, true, isEnd && trailers === null);
    if (queue.bytes > 0) {
      // A frame that the connection's window cut short was not the stream's whole turn.
      if (this.connectionWindow === 0 && end - start < this.#output.maxFrameBytes) this.#waiting.pushFirst(stream);
      else this.#enlist(stream);
    }
    if (isEnd && trailers !== null) this.head(stream, trailers, true);
    if (stream.isAboveWatermark && queue.bytes * 2 <= this.#highBytes) {
      stream.isAboveWatermark = false;
      if (!stream.isClosed) this.#owner.onBelowWatermark(stream);
    }
  }

  /** The stream is over: what waits of it is dropped. */
  drop(stream: Http2Stream<U>): void {
    if (stream.list !== null) stream.list.remove(stream);
    this.pendingBytes -= stream.bufferedBytes;
    stream.queue = null;
  }

  /** WINDOW_UPDATE of the connection; false when the window becomes too large. */
  addConnectionWindow(increment: number): boolean {
    this.connectionWindow += increment;
    if (this.connectionWindow > MAX_WINDOW) return false;
    this.pump();
    return true;
  }

  /** WINDOW_UPDATE of a stream; false when the window becomes too large. */
  addStreamWindow(stream: Http2Stream<U>, increment: number): boolean {
    stream.sendCredit += increment;
    if (this.initialWindow + stream.sendCredit > MAX_WINDOW) return false;
    if (stream.sendCredit > this.#mostCredit) this.#mostCredit = stream.sendCredit;
    if (stream.list === this.#stalled) {
      this.#stalled.remove(stream);
      this.#enlist(stream);
      this.pump();
    }
    return true;
  }

  /** The peer's SETTINGS_INITIAL_WINDOW_SIZE; false when the window of one of the streams becomes too large. */
  setInitialWindow(bytes: number, streams: Iterable<Http2Stream<U>>): boolean {
    const isLarger = bytes > this.initialWindow;
    this.initialWindow = bytes;
    if (bytes + this.#mostCredit > MAX_WINDOW) {
      this.#mostCredit = 0;
      for (const { sendCredit } of streams) this.#mostCredit = Math.max(this.#mostCredit, sendCredit);
      if (bytes + this.#mostCredit > MAX_WINDOW) return false;
    }
    if (isLarger) this.#wakeStalled();
    return true;
  }

  #wakeStalled(): void {
    let stream = this.#stalled.first;
    while (stream !== null) {
      const { next } = stream;
      if (this.initialWindow + stream.sendCredit > 0) {
        this.#stalled.remove(stream);
        this.#waiting.push(stream);
      }
      stream = next;
    }
    this.pump();
  }
}
