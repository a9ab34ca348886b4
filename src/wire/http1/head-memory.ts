// What a connection's latest head looked like: lines that come again byte for byte need not be read again.
import type { HeaderKey } from '../header-names.ts';
import { Headers } from '../headers.ts';

/** Heads beyond these sizes are not remembered: bytes, fields. */
export const MAX_REMEMBERED_BYTES = 1024;
export const MAX_REMEMBERED_FIELDS = 32;

/** What a head says of the message behind it, and of what that depended on besides: the request that it answers. */
export type Framing = {
  readonly requestMethod: string;
  readonly keepAlive: boolean;
  readonly hasCloseOption: boolean;
  readonly isChunked: boolean;
  readonly contentLength: number;
  readonly endStream: boolean;
};

/** Below this, comparing here is cheaper than a call into the runtime. */
const FEW_BYTES = 80;

/**
 * The bytes of one head and what each of its lines meant. Heads of one connection resemble each other (an upstream's
 * differ in Date, a client's in the path), and comparing a line costs a third of reading it and makes no strings.
 */
export class HeadMemory {
  bytes = Buffer.allocUnsafe(256);
  #words = wordsOf(this.bytes);
  /** Where each field's line starts; the entry behind the last is where the fields end. The first line ends at [0]. */
  readonly starts: number[] = [0];
  readonly keys: HeaderKey[] = [];
  readonly values: string[] = [];
  /** Name, value and three, as Envoy counts header bytes. */
  readonly sizes: number[] = [];
  count = 0;
  /** Bytes of the whole head. */
  length = 0;
  /** The latest head was the same as the one before: the next is likely to be, too. */
  isRepeating = false;
  /** What the head became. */
  headers = new Headers();
  /** How its message was framed, once that has been found out; null before. */
  framing: Framing | null = null;
  minorVersion = 0;

  /** Keeps the bytes buf[start, end). */
  keepBytes(buf: Buffer, start: number, end: number): void {
    this.length = end - start;
    if (this.bytes.length < this.length) {
      this.bytes = Buffer.allocUnsafe(Math.min(MAX_REMEMBERED_BYTES, this.length * 2));
      this.#words = wordsOf(this.bytes);
    }
    buf.copy(this.bytes, 0, start, end);
  }

  /** Whether buf[pos, end) begins with the whole head; only asked where heads repeat. */
  matchHead(buf: Buffer, pos: number, end: number): boolean {
    const { length } = this;
    if (end - pos < length) return false;
    if ((pos & 3) === 0 && this.#words !== null) {
      const words = knownWords(buf);
      if (words !== null) return this.#isAtWords(this.#words, length, buf, words, pos);
    }
    if (length < FEW_BYTES) return this.#isAt(0, length, buf, pos);
    return buf.compare(this.bytes, 0, length, pos, pos + length) === 0;
  }

  /** The length of that field's remembered line if buf[pos, …) is it, with nothing folded behind; else 0. */
  matchField(field: number, buf: Uint8Array, pos: number, end: number): number {
    const from = this.starts[field] as number;
    const length = (this.starts[field + 1] as number) - from;
    if (pos + length >= end || !this.#isAt(from, length, buf, pos)) return 0;
    const next = buf[pos + length];
    return next === 0x20 || next === 0x09 ? 0 : length;
  }

  /** Whether buf[pos, …) begins with the remembered first line. Returns its length, or 0. */
  matchFirstLine(buf: Uint8Array, pos: number, end: number): number {
    const length = this.starts[0] as number;
    return length > 0 && pos + length <= end && this.#isAt(0, length, buf, pos) ? length : 0;
  }

  /** As #isAt from the beginning, four bytes at a time: half of what a call into the runtime takes. */
  #isAtWords(own: Int32Array, length: number, buf: Uint8Array, words: Int32Array, pos: number): boolean {
    const whole = length >> 2;
    const from = pos >> 2;
    for (let i = 0; i < whole; i++) if (own[i] !== words[from + i]) return false;
    for (let i = whole << 2; i < length; i++) if (this.bytes[i] !== buf[pos + i]) return false;
    return true;
  }

  #isAt(from: number, length: number, buf: Uint8Array, pos: number): boolean {
    const { bytes } = this;
    // Lines differ at their end first, if at all.
    for (let i = length - 1; i >= 0; i--) if (buf[pos + i] !== bytes[from + i]) return false;
    return true;
  }
}

/** A buffer that is read into again and again is worth a view of its words: it is made at the second look. */
type Seen = { buf: Buffer | null; words: Int32Array | null; isUseless: boolean };
let latest: Seen = { buf: null, words: null, isUseless: false };
let earlier: Seen = { buf: null, words: null, isUseless: false };

/** Null when the buffer is not one of the two that came last, or begins at no word. */
function knownWords(buf: Buffer): Int32Array | null {
  const seen = buf === latest.buf ? latest : earlier;
  if (buf !== seen.buf) {
    seen.buf = buf;
    seen.words = null;
    seen.isUseless = buf.byteOffset % 4 !== 0;
    earlier = latest;
    latest = seen;
    return null;
  }
  if (seen.words === null && !seen.isUseless) seen.words = wordsOf(buf);
  return seen.words;
}

/** Null when the buffer does not begin at a word. */
function wordsOf(buf: Buffer): Int32Array | null {
  return buf.byteOffset % 4 === 0 ? new Int32Array(buf.buffer, buf.byteOffset, buf.length >> 2) : null;
}
