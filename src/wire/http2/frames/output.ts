// What a connection has to say, frame by frame, until its owner lets it go: one write for a turn's small frames.
import { type Block, dropBlock, type Lender, leaveBlock, noteLender, takeBlock } from './blocks.ts';
import {
  DEFAULT_FRAME_BYTES,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME,
  FRAME_HEAD_BYTES,
} from './constants.ts';

/** Where frames go: a byte stream. */
export type Http2Sink = {
  /** The memory is the sink's until `bufferedBytes` is 0 again. */
  write(chunk: Uint8Array): void;
  /** Bytes that are valid during the call of the owner that brought them; see `ByteStream`. */
  writeBorrowed(chunk: Buffer, start: number, end: number): void;
  /** Sends what was written now, as far as it goes. */
  flush(): void;
  /** Bytes that were written and have not left yet. */
  readonly bufferedBytes: number;
  /** DATA waits in its streams while it is true. */
  readonly isAboveHighWatermark: boolean;
};

export type OutputLimits = {
  /** Frames that may wait for a peer that does not read them (Envoy: max_outbound_frames). */
  readonly maxOutboundFrames: number;
  /** The same of PING, SETTINGS and RST_STREAM alone (Envoy: max_outbound_control_frames). */
  readonly maxOutboundControlFrames: number;
};

export type OutputOwner = {
  /** There is something to flush, for the first time since the last flush. */
  onOutput(): void;
  /** The peer makes this side speak and does not listen. */
  onOutboundFlood(isControl: boolean): void;
};

/** DATA up to this size is copied behind its head; larger goes out from where it lies. */
const MAX_COPIED_BYTES = 4096;
/** Blocks that are waited for until they can be used again; of a slower reader the oldest are left to the collector. */
const MAX_LENT = 16;

export class Http2Output implements Lender {
  readonly #sink: Http2Sink;
  readonly #limits: OutputLimits;
  readonly #owner: OutputOwner;
  /** Frames are written at buffer[pos, …) after `reserve`. */
  buffer: Buffer = NONE;
  pos = 0;
  #start = 0;
  #block: Block | null = null;
  /** Blocks with bytes of ours that may not have left yet. */
  #lent: Block[] = [];
  #isLender = false;
  #isPending = false;
  /** Since the last flush. */
  #wasOffered = false;
  /** Bytes and DATA frames since the connection began. */
  bytesWritten = 0;
  dataFrames = 0;
  /** Larger frames are not made, whatever the peer takes: streams share the connection frame by frame. */
  readonly maxFrameBytes = DEFAULT_FRAME_BYTES;
  /**
   * Frames that may still be on their way to the kernel: those before and since the mark, a position in the stream.
   * Once everything before the mark has left, the mark moves on.
   */
  #framesBefore = 0;
  #framesSince = 0;
  #controlBefore = 0;
  #controlSince = 0;
  #mark = 0;

  constructor(sink: Http2Sink, limits: OutputLimits, owner: OutputOwner) {
    this.#sink = sink;
    this.#limits = limits;
    this.#owner = owner;
  }

  /** Bytes that were given to the sink and have not left. */
  get waitingBytes(): number {
    return this.#sink.bufferedBytes;
  }

  /** DATA should wait. What this turn has written may only look like much: it is offered to the kernel first, once. */
  get isFull(): boolean {
    const sink = this.#sink;
    if (!sink.isAboveHighWatermark || this.#wasOffered) return sink.isAboveHighWatermark;
    this.#wasOffered = true;
    this.#handOver();
    sink.flush();
    return sink.isAboveHighWatermark;
  }

  /** Half of the frames that a peer who does not read may make wait. */
  get isCrowded(): boolean {
    return this.waitingFrames * 2 > this.#limits.maxOutboundFrames;
  }

  /** Frames that the kernel may not have taken yet. */
  get waitingFrames(): number {
    return this.#framesBefore + this.#framesSince;
  }

  /** Makes buffer[pos, pos + bytes) writable. */
  reserve(bytes: number): void {
    if (this.buffer.length - this.pos >= bytes) return;
    this.#handOver();
    this.#leave();
    const block = takeBlock(bytes);
    this.#block = block;
    this.buffer = block.memory;
    this.#start = this.pos = block.used;
  }

  /**
   * Gives everything to the sink. Not to be called from within an event: memory is used again from here on, and a sink
   * in memory may still have its reader look at bytes that it counts as gone.
   */
  flush(): void {
    this.#isPending = false;
    this.#wasOffered = false;
    if (this.#block === null) return;
    if (this.#sink.bufferedBytes === 0) this.#drop();
    this.#handOver();
    this.#leave();
    noteLender(this.#isLender ? null : this);
    this.#isLender = true;
  }

  /** See `Lender`: nothing waits in the sink any more, so it has let go of our memory. */
  settle(): boolean {
    if (this.#sink.bufferedBytes > 0) return false;
    this.#drop();
    this.#isLender = false;
    return true;
  }

  #drop(): void {
    for (const block of this.#lent) dropBlock(block);
    this.#lent.length = 0;
  }

  #handOver(): void {
    if (this.pos === this.#start) return;
    this.bytesWritten += this.pos - this.#start;
    this.#sink.write(this.buffer.subarray(this.#start, this.pos));
    this.#start = this.pos;
  }

  #leave(): void {
    const block = this.#block;
    if (block === null) return;
    block.used = this.pos;
    leaveBlock(block);
    if (this.#lent.push(block) > MAX_LENT) this.#lent.shift();
    this.#block = null;
    this.buffer = NONE;
    this.#start = this.pos = 0;
  }

  /** Counts a frame and tells the owner that there is output. */
  #count(isControl: boolean): void {
    if (!this.#isPending) {
      this.#isPending = true;
      this.#forgetSent();
      this.#owner.onOutput();
    }
    this.#framesSince++;
    if (isControl) this.#controlSince++;
    const { maxOutboundFrames, maxOutboundControlFrames } = this.#limits;
    if (this.#controlBefore + this.#controlSince > maxOutboundControlFrames) {
      if (isControl) this.#owner.onOutboundFlood(true);
    } else if (this.#framesBefore + this.#framesSince > maxOutboundFrames) this.#owner.onOutboundFlood(false);
  }

  #forgetSent(): void {
    const waiting = this.#sink.bufferedBytes;
    if (waiting === 0) {
      this.#framesBefore = this.#framesSince = this.#controlBefore = this.#controlSince = 0;
    } else if (this.bytesWritten - waiting >= this.#mark) {
      this.#framesBefore = this.#framesSince;
      this.#controlBefore = this.#controlSince;
      this.#framesSince = this.#controlSince = 0;
      this.#mark = this.bytesWritten;
    }
  }

  /** Writes a frame's head at buffer[pos, …), which must be reserved. */
  head(length: number, type: number, flags: number, streamId: number): void {
    const { buffer, pos } = this;
    buffer[pos] = length >>> 16;
    buffer[pos + 1] = length >>> 8;
    buffer[pos + 2] = length;
    buffer[pos + 3] = type;
    buffer[pos + 4] = flags;
    this.pos = pos + 5;
    this.uint32(streamId);
  }

  uint32(value: number): void {
    const { buffer, pos } = this;
    buffer[pos] = value >>> 24;
    buffer[pos + 1] = value >>> 16;
    buffer[pos + 2] = value >>> 8;
    buffer[pos + 3] = value;
    this.pos = pos + 4;
  }

  // ─── Frames ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** DATA of at most `maxFrameBytes`; borrowed unless `isOwned`. */
  data(streamId: number, chunk: Buffer, start: number, end: number, isOwned: boolean, endStream: boolean): void {
    const length = end - start;
    this.#count(false);
    this.dataFrames++;
    const isCopied = length <= MAX_COPIED_BYTES;
    this.reserve(FRAME_HEAD_BYTES + (isCopied ? length : 0));
    this.head(length, FRAME.data, endStream ? FLAG_END_STREAM : 0, streamId);
    if (length === 0) return;
    if (isCopied) {
      chunk.copy(this.buffer, this.pos, start, end);
      this.pos += length;
      return;
    }
    this.#handOver();
    this.bytesWritten += length;
    if (isOwned) this.#sink.write(chunk.subarray(start, end));
    else this.#sink.writeBorrowed(chunk, start, end);
  }

  /**
   * Sends the header block that was written at buffer[start, pos), with nine bytes for a frame's head before it;
   * what the peer would find too long goes on in CONTINUATION frames. Returns the bytes of all of them.
   */
  headerBlock(streamId: number, start: number, endStream: boolean): number {
    const { buffer, maxFrameBytes } = this;
    const blockEnd = this.pos;
    const length = blockEnd - start;
    const first = Math.min(length, maxFrameBytes);
    const flags = (endStream ? FLAG_END_STREAM : 0) | (first === length ? FLAG_END_HEADERS : 0);
    this.#count(false);
    this.pos = start - FRAME_HEAD_BYTES;
    this.head(first, FRAME.headers, flags, streamId);
    if (first === length) {
      this.pos = blockEnd;
      return length + FRAME_HEAD_BYTES;
    }
    const rest = Buffer.from(buffer.subarray(start + first, blockEnd));
    this.pos = start + first;
    let at = 0;
    let frames = 1;
    while (at < rest.length) {
      const piece = Math.min(rest.length - at, maxFrameBytes);
      const isLast = at + piece === rest.length;
      this.#count(false);
      this.reserve(FRAME_HEAD_BYTES + piece);
      this.head(piece, FRAME.continuation, isLast ? FLAG_END_HEADERS : 0, streamId);
      rest.copy(this.buffer, this.pos, at, at + piece);
      this.pos += piece;
      at += piece;
      frames++;
    }
    return length + frames * FRAME_HEAD_BYTES;
  }

  rstStream(streamId: number, code: number): void {
    this.#count(true);
    this.reserve(FRAME_HEAD_BYTES + 4);
    this.head(4, FRAME.rstStream, 0, streamId);
    this.uint32(code);
  }

  /** Pairs of identifier and value. */
  settings(pairs: readonly number[]): void {
    this.#count(true);
    this.reserve(FRAME_HEAD_BYTES + pairs.length * 3);
    this.head(pairs.length * 3, FRAME.settings, 0, 0);
    for (let i = 0; i < pairs.length; i += 2) {
      const id = pairs[i] as number;
      this.buffer[this.pos] = id >>> 8;
      this.buffer[this.pos + 1] = id;
      this.pos += 2;
      this.uint32(pairs[i + 1] as number);
    }
  }

  settingsAck(): void {
    this.#count(true);
    this.reserve(FRAME_HEAD_BYTES);
    this.head(0, FRAME.settings, FLAG_ACK, 0);
  }

  /** The payload are eight bytes of `payload` from `at` on. */
  ping(isAck: boolean, payload: Uint8Array, at: number): void {
    this.#count(true);
    this.reserve(FRAME_HEAD_BYTES + 8);
    this.head(8, FRAME.ping, isAck ? FLAG_ACK : 0, 0);
    for (let i = 0; i < 8; i++) this.buffer[this.pos++] = payload[at + i] as number;
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    this.#count(false);
    const length = 8 + debug.length;
    this.reserve(FRAME_HEAD_BYTES + length);
    this.head(length, FRAME.goaway, 0, 0);
    this.uint32(lastStreamId);
    this.uint32(code);
    this.pos += this.buffer.latin1Write(debug, this.pos, debug.length);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#count(false);
    this.reserve(FRAME_HEAD_BYTES + 4);
    this.head(4, FRAME.windowUpdate, 0, streamId);
    this.uint32(increment);
  }

  bytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.pos);
    this.pos += bytes.length;
  }
}

const NONE = Buffer.alloc(0);
