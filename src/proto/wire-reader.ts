// Cursor over protobuf wire bytes for the descriptor parser and the rule compiler: allocation-free, bounds checked.

/** Wire types of the protobuf encoding. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

/**
 * Walks the fields of one message whose bytes are trusted to be well formed (our own descriptor set).
 * Use: `while (cursor.next()) switch (cursor.number) …`; reading a value is optional, `next` skips what was left.
 */
export class FieldCursor {
  readonly bytes: Buffer;
  readonly end: number;
  number = 0;
  wireType = 0;
  /** Start and end of the value of the current field (the payload of length-delimited ones). */
  valueStart = 0;
  valueEnd = 0;

  #position: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.end = end;
    this.#position = start;
  }

  /** Moves to the next field; false at the end. */
  next(): boolean {
    if (this.#position >= this.end) return false;
    const tag = this.#varintAt(this.#position);
    if (tag === Number.POSITIVE_INFINITY) {
      this.number = 0;
      this.valueEnd = tag;
      this.#position = this.end;
      return true;
    }
    this.number = tag >>> 3;
    this.wireType = tag & 7;
    let start = this.#position;
    switch (this.wireType) {
      case WIRE.varint:
        this.#varintAt(start);
        this.valueEnd = this.#position;
        break;
      case WIRE.fixed64:
        this.valueEnd = start + 8;
        break;
      case WIRE.fixed32:
        this.valueEnd = start + 4;
        break;
      case WIRE.bytes: {
        const length = this.#varintAt(start);
        start = this.#position;
        this.valueEnd = start + length;
        break;
      }
      default:
        this.valueEnd = this.end;
    }
    this.valueStart = start;
    this.#position = this.valueEnd;
    return true;
  }

  /** The varint of the current field as an unsigned 32-bit number (higher bits are dropped). */
  uint32(): number {
    const position = this.#position;
    const value = this.#varintAt(this.valueStart);
    this.#position = position;
    return value;
  }

  text(): string {
    return this.bytes.utf8Slice(this.valueStart, this.valueEnd);
  }

  /** A cursor over the current field's payload. */
  sub(): FieldCursor {
    return new FieldCursor(this.bytes, this.valueStart, this.valueEnd);
  }

  /** Infinity for one that is too long to be one: what is so long does not end within its message. */
  #varintAt(position: number): number {
    let value = 0;
    let shift = 0;
    let at = position;
    for (;;) {
      const byte = at < this.bytes.length ? (this.bytes[at++] as number) : 0;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) break;
      if (shift >= 70) {
        this.#position = at;
        return Number.POSITIVE_INFINITY;
      }
    }
    this.#position = at;
    return value >>> 0;
  }
}
