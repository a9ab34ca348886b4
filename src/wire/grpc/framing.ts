// Length-prefixed messages of gRPC (gRPC over HTTP/2, "Length-Prefixed-Message"): cut out of DATA and put into it.

/** A flag byte and four bytes of length stand before each message. */
export const MESSAGE_HEAD_BYTES = 5;
/** The flag's bits: the message is compressed; it is no message but trailers (gRPC-Web). */
export const MESSAGE_COMPRESSED = 1;
export const MESSAGE_TRAILERS = 0x80;

export type MessageHandler = {
  /** A whole message buf[start, end), borrowed. `flags` is its first byte. */
  onMessage(flags: number, buf: Buffer, start: number, end: number): void;
};

/** Memory that the first piece of a message gets. */
const FIRST_BYTES = 512;

/** Reads heads of messages from pieces of any size. */
class HeadReader {
  flags = 0;
  length = 0;
  #read = 0;

  get isPartial(): boolean {
    return this.#read > 0;
  }

  /** Reads up to the end of a head; returns the position behind what it used. `isComplete` says whether it is all. */
  isComplete = false;
  read(buf: Uint8Array, start: number, end: number): number {
    let pos = start;
    while (pos < end && this.#read < MESSAGE_HEAD_BYTES) {
      const byte = buf[pos++] as number;
      if (this.#read === 0) {
        this.flags = byte;
        this.length = 0;
      } else this.length = this.length * 256 + byte;
      this.#read++;
    }
    this.isComplete = this.#read === MESSAGE_HEAD_BYTES;
    if (this.isComplete) this.#read = 0;
    return pos;
  }
}

/** Cuts a body into messages; one that arrives whole is handed on where it lies. */
export class GrpcMessageReader {
  readonly #handler: MessageHandler;
  readonly #maxMessageBytes: number;
  readonly #head = new HeadReader();
  #isInMessage = false;
  #partial: Buffer | null = null;
  #partialLength = 0;
  /** Why nothing is read any more: a message is larger than allowed. */
  isTooLarge = false;
  /** Messages so far. */
  messages = 0;

  /** `maxMessageBytes`: a longer message stops the reader. */
  constructor(maxMessageBytes: number, handler: MessageHandler) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#handler = handler;
  }

  /** The body may end here: no message is cut off. */
  get isBetweenMessages(): boolean {
    return !this.#isInMessage && !this.#head.isPartial;
  }

  /** Bytes held of a message that is not complete. */
  get heldBytes(): number {
    return this.#partialLength;
  }

  /** Reads all of buf[start, end), borrowed; returns false when a message is too large. */
  read(buf: Buffer, start: number, end: number): boolean {
    let pos = start;
    while (!this.isTooLarge) {
      if (!this.#isInMessage) {
        pos = this.#head.read(buf, pos, end);
        if (!this.#head.isComplete) return true;
        if (this.#head.length > this.#maxMessageBytes) {
          this.isTooLarge = true;
          break;
        }
        this.#isInMessage = true;
      }
      pos = this.#message(buf, pos, end);
      if (this.#isInMessage) return true;
    }
    return false;
  }

  #message(buf: Buffer, start: number, end: number): number {
    const { flags, length } = this.#head;
    const partial = this.#partialLength;
    if (partial === 0 && end - start >= length) {
      this.#finish();
      this.#handler.onMessage(flags, buf, start, start + length);
      return start + length;
    }
    const bytes = Math.min(length - partial, end - start);
    this.#keep(buf, start, bytes, length);
    if (this.#partialLength === length) {
      const message = this.#partial as Buffer;
      this.#finish();
      this.#handler.onMessage(flags, message, 0, length);
    }
    return start + bytes;
  }

  #finish(): void {
    this.#isInMessage = false;
    this.#partial = null;
    this.#partialLength = 0;
    this.messages++;
  }

  /** Memory grows with what arrives, not with what the head promises. */
  #keep(buf: Buffer, start: number, bytes: number, length: number): void {
    const needed = this.#partialLength + bytes;
    let partial = this.#partial;
    if (partial === null || partial.length < needed) {
      const grown = Buffer.allocUnsafe(Math.min(length, Math.max(FIRST_BYTES, needed * 2)));
      if (partial !== null) partial.copy(grown, 0, 0, this.#partialLength);
      this.#partial = partial = grown;
    }
    buf.copy(partial, this.#partialLength, start, start + bytes);
    this.#partialLength = needed;
  }
}

/** Counts the messages of a body that only passes by. */
export class GrpcMessageCounter {
  readonly #head = new HeadReader();
  #remaining = 0;
  /** Messages of which a byte has come, and those that have come whole. */
  started = 0;
  completed = 0;

  count(buf: Uint8Array, start: number, end: number): void {
    let pos = start;
    while (pos < end) {
      if (this.#remaining > 0) {
        const bytes = Math.min(this.#remaining, end - pos);
        this.#remaining -= bytes;
        pos += bytes;
        if (this.#remaining === 0) this.completed++;
        continue;
      }
      if (!this.#head.isPartial) this.started++;
      pos = this.#head.read(buf, pos, end);
      if (!this.#head.isComplete) return;
      this.#remaining = this.#head.length;
      if (this.#remaining === 0) this.completed++;
    }
  }
}

/** Writes the head of a message at out[at, at + 5). */
export function writeMessageHead(out: Uint8Array, at: number, flags: number, length: number): void {
  out[at] = flags;
  out[at + 1] = length >>> 24;
  out[at + 2] = length >>> 16;
  out[at + 3] = length >>> 8;
  out[at + 4] = length;
}

/** A message with its head, in memory of its own. */
export function frameMessage(message: Uint8Array, flags = 0): Buffer {
  return frameStart(message, message.length, flags);
}

/** The first part of a message of `length` bytes with its head, in memory of its own; the others follow as they are. */
export function frameStart(part: Uint8Array, length: number, flags = 0): Buffer {
  const framed = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES + part.length);
  writeMessageHead(framed, 0, flags, length);
  framed.set(part, MESSAGE_HEAD_BYTES);
  return framed;
}
