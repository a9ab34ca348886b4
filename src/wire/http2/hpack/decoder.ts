// The decoder of HPACK (RFC 7541): blocks of bytes in, header keys and values out.
import { type HeaderKey, headerKey, headerName, PSEUDO_LIMIT } from '../../header-names.ts';
import { lookupKnown, TOKEN_LOWER } from '../../http1/tables.ts';
import { BAD_NAME, VALUE_TRAITS, valueTraits } from './field-traits.ts';
import { decodeHuffman, HUFFMAN_MOST_GROWTH } from './huffman.ts';
import { STATIC_COUNT, STATIC_KEYS, STATIC_VALUES } from './static-table.ts';

/** Receives the fields of a block in their order. */
export type FieldReader = {
  /** `size` is the bytes of name and value, `traits` the bits of `field-traits.ts`. */
  field(key: HeaderKey, value: string, size: number, traits: number): void;
  /** Nothing more is wanted: values that the table does not need are not even made. */
  readonly isFull: boolean;
};

/** What every entry costs beside its name and value (RFC 7541 §4.1). */
export const ENTRY_OVERHEAD = 32;
/** Both sides begin with a table of this size (RFC 9113 §6.5.2). */
export const INITIAL_TABLE_BYTES = 4096;
/** Integers beyond this are refused: no length or index of a block comes near it. */
const MAX_INTEGER = 1 << 28;
const FIRST_ENTRIES = 16;
/** Scratch memory that is kept from string to string. */
const KEPT_SCRATCH_BYTES = 64 * 1024;

const STATIC_SIZES = STATIC_KEYS.map((key, i) => headerName(key).length + (STATIC_VALUES[i] as string).length);
const STATIC_TRAITS = STATIC_VALUES.map(valueTraits);

// What the latest integer, name or value was; no block is decoded inside another.
let at = 0;
let traitsRead = 0;
let keyRead: HeaderKey = 0;
let nameBytes = 0;

let scratch = Buffer.allocUnsafeSlow(1024);

export class HpackDecoder {
  /** The dynamic table as a ring: entry n (the newest is 0) sits at (#next - 1 - n) & #mask. */
  #keys: HeaderKey[] = [];
  #values: string[] = [];
  #sizes: number[] = [];
  #traits: number[] = [];
  #mask = -1;
  #next = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;
  #limitBytes: number;
  /** Grows with every change of the dynamic table: the same bytes mean the same fields while it stays. */
  generation = 0;

  /** `limitBytes`: what this side allows in its SETTINGS; the peer may use the initial size until it has seen that. */
  constructor(limitBytes: number) {
    this.#limitBytes = Math.max(limitBytes, INITIAL_TABLE_BYTES);
    this.#maxBytes = INITIAL_TABLE_BYTES;
  }

  /** Bytes of the dynamic table as the RFC counts them, and its entries. */
  get tableBytes(): number {
    return this.#bytes;
  }
  get tableCount(): number {
    return this.#count;
  }

  /** The peer has agreed to our SETTINGS_HEADER_TABLE_SIZE. */
  setLimit(limitBytes: number): void {
    this.#limitBytes = limitBytes;
    if (this.#maxBytes > limitBytes) this.#resize(limitBytes);
  }

  /** Decodes one whole block. Returns why it is broken (a connection error, COMPRESSION_ERROR), or null. */
  decode(buf: Buffer, start: number, end: number, reader: FieldReader): string | null {
    let pos = start;
    let mayResize = true;
    while (pos < end) {
      const byte = buf[pos++] as number;
      if (byte >= 0x80) {
        let index = byte & 0x7f;
        if (index === 0x7f) {
          index = readInteger(buf, pos, end, 0x7f);
          pos = at;
        }
        if (index <= STATIC_COUNT) {
          if (index <= 0) return 'invalid index';
          const value = STATIC_VALUES[index] as string;
          reader.field(
            STATIC_KEYS[index] as HeaderKey,
            value,
            STATIC_SIZES[index] as number,
            STATIC_TRAITS[index] as number,
          );
        } else {
          const slot = this.#slot(index);
          if (slot < 0) return 'invalid index';
          reader.field(
            this.#keys[slot] as HeaderKey,
            this.#values[slot] as string,
            this.#sizes[slot] as number,
            this.#traits[slot] as number,
          );
        }
        mayResize = false;
        continue;
      }
      if ((byte & 0xe0) === 0x20) {
        let size = byte & 0x1f;
        if (size === 0x1f) {
          size = readInteger(buf, pos, end, 0x1f);
          pos = at;
        }
        if (!mayResize || size < 0 || size > this.#limitBytes) return 'invalid table size update';
        this.#resize(size);
        continue;
      }
      mayResize = false;
      pos = this.#literal(buf, pos, end, byte, reader);
      if (pos < 0) return 'invalid literal';
    }
    return null;
  }

  /** A field that is spelled out; returns the position behind it, or -1. */
  #literal(buf: Buffer, start: number, end: number, byte: number, reader: FieldReader): number {
    const isIndexed = byte >= 0x40;
    const prefix = isIndexed ? 0x3f : 0x0f;
    let index = byte & prefix;
    let pos = start;
    if (index === prefix) {
      index = readInteger(buf, pos, end, prefix);
      if (index < 0) return -1;
      pos = at;
    }
    let key: HeaderKey;
    let nameTraits = 0;
    let nameLength: number;
    if (index === 0) {
      if (!readName(buf, pos, end)) return -1;
      pos = at;
      key = keyRead;
      nameTraits = traitsRead & BAD_NAME;
      nameLength = nameBytes;
    } else if (index <= STATIC_COUNT) {
      key = STATIC_KEYS[index] as HeaderKey;
      nameLength = headerName(key).length;
    } else {
      const slot = this.#slot(index);
      if (slot < 0) return -1;
      key = this.#keys[slot] as HeaderKey;
      nameTraits = (this.#traits[slot] as number) & BAD_NAME;
      nameLength = headerName(key).length;
    }
    if (pos >= end) return -1;
    const first = buf[pos++] as number;
    let length = first & 0x7f;
    if (length === 0x7f) {
      length = readInteger(buf, pos, end, 0x7f);
      if (length < 0) return -1;
      pos = at;
    }
    const valueEnd = pos + length;
    if (valueEnd > end) return -1;
    if (!isIndexed && reader.isFull) return valueEnd;
    const value = readString(buf, pos, valueEnd, first >= 0x80);
    if (value === null) return -1;
    const traits = traitsRead | nameTraits;
    const size = nameLength + value.length;
    if (isIndexed) this.#insert(key, value, size, traits);
    reader.field(key, value, size, traits);
    return valueEnd;
  }

  /** Where the dynamic table has that index, or -1. */
  #slot(index: number): number {
    const entry = index - STATIC_COUNT - 1;
    return entry >= 0 && entry < this.#count ? (this.#next - 1 - entry) & this.#mask : -1;
  }

  #insert(key: HeaderKey, value: string, size: number, traits: number): void {
    this.generation++;
    const cost = size + ENTRY_OVERHEAD;
    this.#evict(this.#maxBytes - cost);
    // RFC 7541 §4.4: what is larger than the table empties it, and is not an error.
    if (cost > this.#maxBytes) return;
    if (this.#count > this.#mask) this.#grow();
    const slot = this.#next;
    this.#next = (slot + 1) & this.#mask;
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#sizes[slot] = size;
    this.#traits[slot] = traits;
    this.#count++;
    this.#bytes += cost;
  }

  /** Drops the oldest entries until the table has at most `bytes`. */
  #evict(bytes: number): void {
    while (this.#bytes > bytes && this.#count > 0) {
      const slot = (this.#next - this.#count) & this.#mask;
      this.#bytes -= (this.#sizes[slot] as number) + ENTRY_OVERHEAD;
      this.#values[slot] = '';
      this.#count--;
    }
  }

  #resize(bytes: number): void {
    this.generation++;
    this.#maxBytes = bytes;
    this.#evict(bytes);
  }

  #grow(): void {
    const capacity = Math.max(FIRST_ENTRIES, (this.#mask + 1) * 2);
    const count = this.#count;
    const oldest = this.#next - count;
    const mask = this.#mask;
    const reorder = <T>(from: readonly T[]): T[] => {
      const to: T[] = [];
      for (let i = 0; i < count; i++) to.push(from[(oldest + i) & mask] as T);
      return to;
    };
    this.#keys = reorder(this.#keys);
    this.#values = reorder(this.#values);
    this.#sizes = reorder(this.#sizes);
    this.#traits = reorder(this.#traits);
    this.#mask = capacity - 1;
    this.#next = count;
  }
}

/** Reads the rest of an integer (RFC 7541 §5.1) whose prefix was full; -1 when it is cut off or too large. */
function readInteger(buf: Buffer, start: number, end: number, prefix: number): number {
  let value = prefix;
  let pos = start;
  for (let shift = 0; shift < 28 && pos < end; shift += 7) {
    const byte = buf[pos++] as number;
    value += (byte & 0x7f) << shift;
    if (byte < 0x80) {
      at = pos;
      return value <= MAX_INTEGER ? value : -1;
    }
  }
  at = pos;
  return -1;
}

/** Reads a name with its length in front, into `keyRead`, `nameBytes`, `traitsRead` and `at`; false: broken. */
function readName(buf: Buffer, start: number, end: number): boolean {
  if (start >= end) return false;
  let pos = start;
  const first = buf[pos++] as number;
  let length = first & 0x7f;
  if (length === 0x7f) {
    length = readInteger(buf, pos, end, 0x7f);
    if (length < 0) return false;
    pos = at;
  }
  const nameEnd = pos + length;
  if (nameEnd > end) return false;
  at = nameEnd;
  if (first < 0x80) {
    keyOf(buf, pos, nameEnd);
    return true;
  }
  const out = scratchFor(length);
  const decoded = decodeHuffman(buf, pos, nameEnd, out);
  if (decoded < 0) return false;
  keyOf(out, 0, decoded);
  return true;
}

function keyOf(buf: Buffer, start: number, end: number): void {
  nameBytes = end - start;
  traitsRead = start === end ? BAD_NAME : 0;
  const isPseudo = start < end && buf[start] === 0x3a;
  let hash = 0;
  for (let pos = isPseudo ? start + 1 : start; pos < end; pos++) {
    const c = buf[pos] as number;
    if (TOKEN_LOWER[c] !== c || c === 0) traitsRead = BAD_NAME;
    hash = (Math.imul(hash, 31) + c) | 0;
  }
  if (traitsRead === 0 && !isPseudo) {
    const id = lookupKnown(buf, start, end, hash);
    if (id >= 0) {
      keyRead = id;
      return;
    }
  }
  const text = buf.latin1Slice(start, end);
  if (traitsRead === 0) {
    keyRead = headerKey(text);
    if (isPseudo && (typeof keyRead !== 'number' || keyRead >= PSEUDO_LIMIT)) traitsRead = BAD_NAME;
    // A name that is refused anyway is not made a key: it must not take room among those that are interned.
  } else keyRead = text;
}

/** Reads a value, with its traits in `traitsRead`; null: a broken Huffman code. */
function readString(buf: Buffer, start: number, end: number, isHuffman: boolean): string | null {
  let from = buf;
  let first = start;
  let last = end;
  if (isHuffman) {
    from = scratchFor(end - start);
    first = 0;
    last = decodeHuffman(buf, start, end, from);
    if (last < 0) return null;
  }
  let traits = 0;
  for (let pos = first; pos < last; pos++) traits |= VALUE_TRAITS[from[pos] as number] as number;
  traitsRead = traits;
  return first === last ? '' : from.latin1Slice(first, last);
}

/** Memory for what `bytes` of Huffman code become. */
function scratchFor(bytes: number): Buffer {
  const needed = Math.ceil(bytes * HUFFMAN_MOST_GROWTH) + 1;
  if (needed <= scratch.length) return scratch;
  const grown = Buffer.allocUnsafeSlow(needed * 2);
  if (grown.length <= KEPT_SCRATCH_BYTES) scratch = grown;
  return grown;
}
