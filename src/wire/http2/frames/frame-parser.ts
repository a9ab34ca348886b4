// Cuts a stream of bytes into HTTP/2 frames (RFC 9113 §4, §6); pieces may have any size, payloads are borrowed.
import {
  ERROR,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME,
  FRAME_HEAD_BYTES,
  PREFACE,
} from './constants.ts';

/** Receives frames that are whole and have the right size and scope; DATA comes as it arrives. */
export type FrameHandler = {
  /** A frame of a type that limits count; `payloadBytes` without padding. Called before the frame's own method. */
  onFrame(type: number, payloadBytes: number, flags: number, streamId: number): void;
  /** Begins a DATA frame: `bytes` count against the windows, padding included. Returns whether its data is wanted. */
  onDataFrame(streamId: number, bytes: number, paddingBytes: number, endStream: boolean): boolean;
  /** A piece of the DATA frame that began last; `isLast` ends the stream. Empty only with `isLast`. */
  onDataPiece(buf: Buffer, start: number, end: number, isLast: boolean): void;
  /** A whole header block. `wireBytes` counts its frames; `dependency` is the stream that its priority names, or -1. */
  onHeaderBlock(
    streamId: number,
    buf: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    dependency: number,
    wireBytes: number,
  ): void;
  onPriority(streamId: number, dependency: number): void;
  onRstStream(streamId: number, code: number): void;
  onSettings(buf: Buffer, start: number, end: number): void;
  onSettingsAck(): void;
  onPing(isAck: boolean, buf: Buffer, start: number): void;
  onGoaway(lastStreamId: number, code: number, buf: Buffer, start: number, end: number): void;
  onWindowUpdate(streamId: number, increment: number): void;
  onStreamError(streamId: number, code: number, detail: string): void;
  /** Nothing is read afterwards. */
  onConnectionError(code: number, detail: string): void;
};

export type FrameLimits = {
  /** What this side announces as SETTINGS_MAX_FRAME_SIZE. */
  readonly maxFrameBytes: number;
  /** Bytes of one compressed header block, over all its frames. */
  readonly maxBlockBytes: number;
  /** CONTINUATION frames behind one HEADERS. */
  readonly maxContinuations: number;
};

/** Bytes of a header block that a buffer kept for the next one may have. */
const KEPT_BYTES = 4096;
/** Memory that the first piece of a payload gets. */
const FIRST_BYTES = 512;

// State of the frame being read:
//
//   PREFACE ──► HEAD ──► PAYLOAD (collected unless it is whole) ──► HEAD
//                ├─────► PAD_LENGTH ──► DATA ──► SKIP (padding) ──► HEAD
//                └─────► SKIP (unknown types)
const STATE_PREFACE = 0;
const STATE_HEAD = 1;
const STATE_PAYLOAD = 2;
const STATE_PAD_LENGTH = 3;
const STATE_DATA = 4;
const STATE_SKIP = 5;

export class FrameParser {
  readonly #handler: FrameHandler;
  readonly #limits: FrameLimits;
  #state: number;
  #prefaceRead = 0;
  /** SETTINGS come first on both sides. */
  #sawSettings = false;
  /** A head that did not arrive whole. */
  #head: Buffer | null = null;
  #headRead = 0;
  #length = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Bytes still to come of the payload, of the data before its padding, or to be skipped. */
  #remaining = 0;
  #padding = 0;
  #isWanted = false;
  /** A payload that did not arrive whole. */
  #partial: Buffer | null = null;
  #partialLength = 0;
  /** A header block over several frames; its stream is not 0 while it is open. */
  #block: Buffer | null = null;
  #blockLength = 0;
  #blockStream = 0;
  #blockEndsStream = false;
  #blockDependency = -1;
  #blockWireBytes = 0;
  #continuations = 0;
  /** Set by the handler or a connection error: nothing is read any more. */
  isStopped = false;

  constructor(side: 'server' | 'client', limits: FrameLimits, handler: FrameHandler) {
    this.#handler = handler;
    this.#limits = limits;
    this.#state = side === 'server' ? STATE_PREFACE : STATE_HEAD;
  }

  /** Reads all of buf[start, end). */
  execute(buf: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end && !this.isStopped) {
      switch (this.#state) {
        case STATE_HEAD:
          if (this.#headRead === 0 && end - pos >= FRAME_HEAD_BYTES) {
            this.#readHead(buf, pos);
            pos += FRAME_HEAD_BYTES;
          } else {
            this.#head ??= Buffer.allocUnsafeSlow(FRAME_HEAD_BYTES);
            while (pos < end && this.#headRead < FRAME_HEAD_BYTES) this.#head[this.#headRead++] = buf[pos++] as number;
            if (this.#headRead < FRAME_HEAD_BYTES) return;
            this.#headRead = 0;
            this.#readHead(this.#head, 0);
          }
          if ((this.#state as number) === STATE_PAYLOAD && end - pos >= this.#length) {
            this.#state = STATE_HEAD;
            this.#payload(buf, pos, pos + this.#length);
            pos += this.#length;
          }
          break;
        case STATE_PAYLOAD:
          pos = this.#collect(buf, pos, end);
          break;
        case STATE_PAD_LENGTH:
          this.#beginPaddedData(buf[pos++] as number);
          break;
        case STATE_DATA:
          pos = this.#data(buf, pos, end);
          break;
        case STATE_SKIP: {
          const bytes = Math.min(this.#remaining, end - pos);
          this.#remaining -= bytes;
          pos += bytes;
          if (this.#remaining === 0) this.#state = STATE_HEAD;
          break;
        }
        default:
          pos = this.#preface(buf, pos, end);
      }
    }
  }

  /** A header block has begun and is not complete. */
  get isInBlock(): boolean {
    return this.#blockStream !== 0 || (this.#state === STATE_PAYLOAD && this.#type === FRAME.headers);
  }

  /** Bytes held of frames and blocks that are not complete. */
  get heldBytes(): number {
    return this.#partialLength + this.#blockLength + this.#headRead;
  }

  #fail(code: number, detail: string): void {
    this.isStopped = true;
    this.#partial = null;
    this.#block = null;
    this.#partialLength = 0;
    this.#blockLength = 0;
    this.#handler.onConnectionError(code, detail);
  }

  #preface(buf: Buffer, start: number, end: number): number {
    let pos = start;
    while (pos < end && this.#prefaceRead < PREFACE.length) {
      if (buf[pos] !== PREFACE[this.#prefaceRead]) {
        this.#fail(ERROR.protocol, 'bad client connection preface');
        return end;
      }
      pos++;
      this.#prefaceRead++;
    }
    if (this.#prefaceRead === PREFACE.length) this.#state = STATE_HEAD;
    return pos;
  }

  #readHead(buf: Buffer, at: number): void {
    const length = ((buf[at] as number) << 16) | ((buf[at + 1] as number) << 8) | (buf[at + 2] as number);
    const type = buf[at + 3] as number;
    const flags = buf[at + 4] as number;
    // The reserved bit is ignored.
    const streamId =
      (((buf[at + 5] as number) & 0x7f) << 24) |
      ((buf[at + 6] as number) << 16) |
      ((buf[at + 7] as number) << 8) |
      (buf[at + 8] as number);
    this.#length = length;
    this.#type = type;
    this.#flags = flags;
    this.#streamId = streamId;
    if (!this.#sawSettings) {
      if (type !== FRAME.settings || (flags & FLAG_ACK) !== 0) {
        this.#fail(ERROR.protocol, 'SETTINGS expected');
        return;
      }
      this.#sawSettings = true;
    }
    if (length > this.#limits.maxFrameBytes) {
      this.#fail(ERROR.frameSize, 'too large frame size');
      return;
    }
    if (this.#blockStream !== 0 && (type !== FRAME.continuation || streamId !== this.#blockStream)) {
      this.#fail(ERROR.protocol, 'CONTINUATION expected');
      return;
    }
    if (type === FRAME.data) {
      this.#beginData();
      return;
    }
    if (this.#isRightSize(type, length, flags, streamId)) this.#state = STATE_PAYLOAD;
  }

  /** Checks what the head says. Otherwise the frame is skipped, or the parser has failed. */
  #isRightSize(type: number, length: number, flags: number, streamId: number): boolean {
    switch (type) {
      case FRAME.headers:
        return streamId !== 0 || this.#wrongStream('HEADERS');
      case FRAME.priority:
        if (streamId === 0) return this.#wrongStream('PRIORITY');
        if (length === 5) return true;
        this.#skip(length);
        this.#handler.onStreamError(streamId, ERROR.frameSize, 'PRIORITY has a wrong size');
        return false;
      case FRAME.rstStream:
        return streamId === 0 ? this.#wrongStream('RST_STREAM') : length === 4 || this.#wrongSize('RST_STREAM');
      case FRAME.settings:
        if (streamId !== 0) return this.#wrongStream('SETTINGS');
        if ((flags & FLAG_ACK) !== 0 ? length !== 0 : length % 6 !== 0) return this.#wrongSize('SETTINGS');
        return true;
      case FRAME.pushPromise:
        this.#fail(ERROR.protocol, 'PUSH_PROMISE is not allowed');
        return false;
      case FRAME.ping:
        return streamId !== 0 ? this.#wrongStream('PING') : length === 8 || this.#wrongSize('PING');
      case FRAME.goaway:
        return streamId !== 0 ? this.#wrongStream('GOAWAY') : length >= 8 || this.#wrongSize('GOAWAY');
      case FRAME.windowUpdate:
        return length === 4 || this.#wrongSize('WINDOW_UPDATE');
      case FRAME.continuation:
        if (this.#blockStream !== 0) return true;
        this.#fail(ERROR.protocol, 'CONTINUATION without HEADERS');
        return false;
      default:
        this.#skip(length);
        return false;
    }
  }

  #wrongStream(name: string): false {
    this.#fail(ERROR.protocol, `${name} on a wrong stream`);
    return false;
  }

  #wrongSize(name: string): false {
    this.#fail(ERROR.frameSize, `${name} has a wrong size`);
    return false;
  }

  #skip(bytes: number): void {
    this.#remaining = bytes;
    this.#state = bytes === 0 ? STATE_HEAD : STATE_SKIP;
  }

  // ─── DATA ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #beginData(): void {
    if (this.#streamId === 0) {
      this.#wrongStream('DATA');
      return;
    }
    if ((this.#flags & FLAG_PADDED) !== 0) {
      if (this.#length === 0) this.#fail(ERROR.frameSize, 'padded DATA without a length of its padding');
      else this.#state = STATE_PAD_LENGTH;
      return;
    }
    this.#announceData(this.#length, 0);
  }

  #beginPaddedData(padding: number): void {
    if (padding >= this.#length) {
      this.#fail(ERROR.protocol, 'padding is too long');
      return;
    }
    this.#announceData(this.#length - 1 - padding, padding);
  }

  #announceData(dataBytes: number, padding: number): void {
    this.#padding = padding;
    this.#remaining = dataBytes;
    const endStream = (this.#flags & FLAG_END_STREAM) !== 0;
    const handler = this.#handler;
    handler.onFrame(FRAME.data, dataBytes, this.#flags, this.#streamId);
    if (this.isStopped) return;
    this.#isWanted = handler.onDataFrame(this.#streamId, this.#length, this.#length - dataBytes, endStream);
    if (dataBytes > 0) {
      this.#state = STATE_DATA;
      return;
    }
    this.#skip(padding);
    if (endStream && this.#isWanted && !this.isStopped) handler.onDataPiece(EMPTY, 0, 0, true);
  }

  #data(buf: Buffer, start: number, end: number): number {
    const bytes = Math.min(this.#remaining, end - start);
    this.#remaining -= bytes;
    const isDone = this.#remaining === 0;
    if (isDone) this.#skip(this.#padding);
    if (this.#isWanted) {
      this.#handler.onDataPiece(buf, start, start + bytes, isDone && (this.#flags & FLAG_END_STREAM) !== 0);
    }
    return start + bytes;
  }

  /** The rest of the DATA frame being read is not wanted any more: its stream has ended. */
  discardData(): void {
    this.#isWanted = false;
  }

  // ─── Other frames ───────────────────────────────────────────────────────────────────────────────────────────────

  #collect(buf: Buffer, start: number, end: number): number {
    const length = this.#length;
    const bytes = Math.min(length - this.#partialLength, end - start);
    this.#makeRoom(this.#partialLength + bytes);
    buf.copy(this.#partial as Buffer, this.#partialLength, start, start + bytes);
    this.#partialLength += bytes;
    if (this.#partialLength === length) {
      const payload = this.#partial as Buffer;
      this.#partial = null;
      this.#partialLength = 0;
      this.#state = STATE_HEAD;
      this.#payload(payload, 0, length);
    }
    return start + bytes;
  }

  /** Memory for a payload grows with what arrives of it, not with what its head promises. */
  #makeRoom(bytes: number): void {
    const partial = this.#partial;
    if (partial !== null && partial.length >= bytes) return;
    const grown = Buffer.allocUnsafe(Math.min(this.#length, Math.max(FIRST_BYTES, bytes * 2)));
    if (partial !== null) partial.copy(grown, 0, 0, this.#partialLength);
    this.#partial = grown;
  }

  #payload(buf: Buffer, start: number, end: number): void {
    const handler = this.#handler;
    const streamId = this.#streamId;
    switch (this.#type) {
      case FRAME.headers:
        this.#headers(buf, start, end);
        return;
      case FRAME.continuation:
        handler.onFrame(FRAME.continuation, end - start, this.#flags, streamId);
        if (!this.isStopped) this.#continuation(buf, start, end);
        return;
      case FRAME.settings:
        if ((this.#flags & FLAG_ACK) !== 0) handler.onSettingsAck();
        else handler.onSettings(buf, start, end);
        return;
      case FRAME.ping:
        handler.onPing((this.#flags & FLAG_ACK) !== 0, buf, start);
        return;
      case FRAME.windowUpdate:
        handler.onFrame(FRAME.windowUpdate, 4, 0, streamId);
        if (!this.isStopped) handler.onWindowUpdate(streamId, readUint31(buf, start));
        return;
      case FRAME.rstStream:
        handler.onRstStream(streamId, readUint32(buf, start));
        return;
      case FRAME.priority:
        handler.onFrame(FRAME.priority, 5, 0, streamId);
        if (!this.isStopped) handler.onPriority(streamId, readUint31(buf, start));
        return;
      default:
        handler.onGoaway(readUint31(buf, start), readUint32(buf, start + 4), buf, start + 8, end);
    }
  }

  #headers(buf: Buffer, start: number, end: number): void {
    const flags = this.#flags;
    let from = start;
    let to = end;
    if ((flags & FLAG_PADDED) !== 0) {
      if (from === to) {
        this.#fail(ERROR.frameSize, 'padded HEADERS without a length of its padding');
        return;
      }
      to -= buf[from++] as number;
    }
    let dependency = -1;
    if ((flags & FLAG_PRIORITY) !== 0) {
      if (end - from >= 5) dependency = readUint31(buf, from);
      from += 5;
    }
    if (from > to) {
      const isShort = (flags & FLAG_PRIORITY) !== 0 && from > end;
      this.#fail(isShort ? ERROR.frameSize : ERROR.protocol, 'HEADERS is shorter than its padding and priority');
      return;
    }
    this.#handler.onFrame(FRAME.headers, to - from, flags, this.#streamId);
    if (this.isStopped) return;
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    const wireBytes = end - start + FRAME_HEAD_BYTES;
    if ((flags & FLAG_END_HEADERS) !== 0) {
      this.#handler.onHeaderBlock(this.#streamId, buf, from, to, endStream, dependency, wireBytes);
      return;
    }
    this.#blockStream = this.#streamId;
    this.#blockEndsStream = endStream;
    this.#blockDependency = dependency;
    this.#blockWireBytes = wireBytes;
    this.#blockLength = 0;
    this.#continuations = 0;
    this.#append(buf, from, to);
  }

  #continuation(buf: Buffer, start: number, end: number): void {
    if (++this.#continuations > this.#limits.maxContinuations) {
      this.#fail(ERROR.enhanceYourCalm, 'Too many CONTINUATION frames following a HEADER frame');
      return;
    }
    this.#blockWireBytes += end - start + FRAME_HEAD_BYTES;
    if (!this.#append(buf, start, end)) return;
    if ((this.#flags & FLAG_END_HEADERS) === 0) return;
    const block = this.#block ?? EMPTY;
    const length = this.#blockLength;
    const streamId = this.#blockStream;
    this.#blockStream = 0;
    this.#blockLength = 0;
    if (block.length > KEPT_BYTES) this.#block = null;
    this.#handler.onHeaderBlock(
      streamId,
      block,
      0,
      length,
      this.#blockEndsStream,
      this.#blockDependency,
      this.#blockWireBytes,
    );
  }

  /** Adds a piece to the header block; false when that makes it too large. */
  #append(buf: Buffer, start: number, end: number): boolean {
    const length = this.#blockLength + end - start;
    if (length > this.#limits.maxBlockBytes) {
      this.#fail(ERROR.enhanceYourCalm, 'header block is too large');
      return false;
    }
    if (this.#block === null) this.#block = Buffer.allocUnsafeSlow(Math.max(KEPT_BYTES, length));
    else if (this.#block.length < length) {
      const grown = Buffer.allocUnsafeSlow(length * 2);
      this.#block.copy(grown, 0, 0, this.#blockLength);
      this.#block = grown;
    }
    buf.copy(this.#block, this.#blockLength, start, end);
    this.#blockLength = length;
    return true;
  }
}

const EMPTY = Buffer.alloc(0);

function readUint32(buf: Buffer, at: number): number {
  return readUint31(buf, at) + ((buf[at] as number) >= 0x80 ? 0x8000_0000 : 0);
}

function readUint31(buf: Buffer, at: number): number {
  return (
    (((buf[at] as number) & 0x7f) << 24) |
    ((buf[at + 1] as number) << 16) |
    ((buf[at + 2] as number) << 8) |
    (buf[at + 3] as number)
  );
}
