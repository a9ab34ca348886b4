// The head of a gzip member, read byte by byte. RFC 1952 §2.3.
import { crc32 } from 'node:zlib';

const FIXED_BYTES = 10;
const FLAG_CRC = 2;
const FLAG_EXTRA = 4;
const FLAG_NAME = 8;
const FLAG_COMMENT = 16;
const RESERVED = 0xe0;

// fixed ─► extra length ─► extra ─► name ─► comment ─► crc ─► done; what the flags do not name is skipped.
type Part = 'fixed' | 'extra-length' | 'extra' | 'name' | 'comment' | 'crc' | 'done' | 'bad';

export class GzipHead {
  #part: Part = 'fixed';
  #flags = 0;
  /** Bytes of the part so far. */
  #count = 0;
  /** A number of the part, lowest byte first. */
  #value = 0;
  #extraBytes = 0;
  /** Of all bytes so far, where it is asked for. */
  #crc = 0;

  get isDone(): boolean {
    return this.#part === 'done';
  }

  get isBad(): boolean {
    return this.#part === 'bad';
  }

  /** Returns where the rest begins. */
  read(input: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#part !== 'done' && this.#part !== 'bad') {
      const hasCrc = (this.#flags & FLAG_CRC) !== 0 && this.#part !== 'crc';
      if (hasCrc) this.#crc = crc32(input.subarray(at, at + 1), this.#crc);
      this.#take(input[at] as number);
      at++;
    }
    return at;
  }

  #take(byte: number): void {
    const count = this.#count++;
    switch (this.#part) {
      case 'fixed':
        if ((count === 0 && byte !== 0x1f) || (count === 1 && byte !== 0x8b) || (count === 2 && byte !== 8)) {
          this.#part = 'bad';
        } else if (count === 3) {
          this.#flags = byte;
          if ((byte & RESERVED) !== 0) this.#part = 'bad';
          this.#crc = crc32(Uint8Array.of(0x1f, 0x8b, 8, byte));
        } else if (count === FIXED_BYTES - 1) this.#enter('extra-length');
        break;
      case 'extra-length':
        this.#value |= byte << (8 * count);
        if (count < 1) break;
        this.#extraBytes = this.#value;
        this.#enter(this.#extraBytes === 0 ? 'name' : 'extra');
        break;
      case 'extra':
        if (count === this.#extraBytes - 1) this.#enter('name');
        break;
      case 'name':
        if (byte === 0) this.#enter('comment');
        break;
      case 'comment':
        if (byte === 0) this.#enter('crc');
        break;
      default:
        this.#value |= byte << (8 * count);
        if (count === 1) this.#part = this.#value === (this.#crc & 0xffff) ? 'done' : 'bad';
    }
  }

  #enter(wanted: Part): void {
    let part = wanted;
    if (part === 'extra-length' && (this.#flags & FLAG_EXTRA) === 0) part = 'name';
    if (part === 'name' && (this.#flags & FLAG_NAME) === 0) part = 'comment';
    if (part === 'comment' && (this.#flags & FLAG_COMMENT) === 0) part = 'crc';
    if (part === 'crc' && (this.#flags & FLAG_CRC) === 0) part = 'done';
    this.#part = part;
    this.#count = 0;
    this.#value = 0;
  }
}
