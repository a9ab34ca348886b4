// Writes protobuf by hand: entries of log services are made for every request.
import { textOf } from './utf8.ts';

const FIRST_BYTES = 4096;
/** A buffer that grew beyond this is given back. */
const KEEP_BYTES = 65_536;

/** Up to this length a loop is faster than a call of the runtime. */
const SHORT = 40;
const HIGH = /[\x80-\uffff]/;

/** Fields are written in the order of the calls; what is 0, '' or false is left out, as in proto3. */
export class ProtoWriter {
  private buffer = Buffer.allocUnsafe(FIRST_BYTES);
  private pos = 0;

  /** Begins a message; what was written before is forgotten. */
  start(): void {
    this.pos = 0;
    if (this.buffer.length > KEEP_BYTES) this.buffer = Buffer.allocUnsafe(FIRST_BYTES);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    const copy = Buffer.allocUnsafe(this.pos);
    this.buffer.copy(copy, 0, 0, this.pos);
    return copy;
  }

  private reserve(bytes: number): void {
    if (this.pos + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.pos + bytes));
    this.buffer.copy(grown, 0, 0, this.pos);
    this.buffer = grown;
  }

  private varint(value: number): void {
    const buffer = this.buffer;
    let rest = value;
    while (rest > 0x7f) {
      buffer[this.pos++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    buffer[this.pos++] = rest;
  }

  /** An integer below 2^53, an enum's number or a bool. */
  number(field: number, value: number): void {
    if (value <= 0) return;
    this.reserve(16);
    this.varint(field * 8);
    this.varint(value);
  }

  /** As `number`, of a field that tells 0 from nothing. */
  wrapped(field: number, value: number): void {
    const start = this.open(field);
    this.number(1, value);
    this.close(start);
  }

  flag(field: number, isSet: boolean): void {
    if (isSet) this.number(field, 1);
  }

  /** Bytes of a message, one per char code: `textOf` them. */
  text(field: number, bytes: string): void {
    const { length } = bytes;
    if (length === 0) return;
    const before = this.pos;
    this.head(field, length);
    if (length <= SHORT) {
      const { buffer } = this;
      let pos = this.pos;
      for (let i = 0; i < length; i++) {
        const code = bytes.charCodeAt(i);
        if (code > 0x7f) {
          this.pos = before;
          this.unicode(field, textOf(bytes));
          return;
        }
        buffer[pos++] = code;
      }
      this.pos = pos;
    } else if (HIGH.test(bytes)) {
      this.pos = before;
      this.unicode(field, textOf(bytes));
    } else {
      this.buffer.latin1Write(bytes, this.pos, length);
      this.pos += length;
    }
  }

  /** As other strings of the program have it. */
  unicode(field: number, text: string): void {
    if (text === '') return;
    const length = Buffer.byteLength(text, 'utf8');
    this.head(field, length);
    this.buffer.write(text, this.pos, length, 'utf8');
    this.pos += length;
  }

  bytes(field: number, value: Uint8Array): void {
    this.head(field, value.length);
    this.buffer.set(value, this.pos);
    this.pos += value.length;
  }

  private head(field: number, length: number): void {
    this.reserve(16 + length);
    this.varint(field * 8 + 2);
    this.varint(length);
  }

  /** Begins a message in a field; `close` gets what this returns. */
  open(field: number): number {
    this.reserve(8);
    this.varint(field * 8 + 2);
    return ++this.pos;
  }

  close(start: number): void {
    const length = this.pos - start;
    if (length < 0x80) {
      this.buffer[start - 1] = length;
      return;
    }
    const extra = length < 0x4000 ? 1 : length < 0x20_0000 ? 2 : 3;
    this.reserve(extra);
    this.buffer.copyWithin(start + extra, start, this.pos);
    const end = this.pos + extra;
    this.pos = start - 1;
    this.varint(length);
    this.pos = end;
  }
}
