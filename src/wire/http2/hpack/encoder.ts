// The encoder of HPACK (RFC 7541): heads and trailers in, blocks of bytes out.
import { H, type HeaderKey, headerName, knownHeaderNames } from '../../header-names.ts';
import type { Headers } from '../../headers.ts';
import { INITIAL_TABLE_BYTES } from './decoder.ts';
import { EncoderTable } from './encoder-table.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';
import { STATIC_INDEX_BY_ID, STATIC_RUN, STATIC_VALUES, staticNameIndex } from './static-table.ts';

// What becomes of a field that no table has.
const ADAPTIVE = 0;
/** Hardly ever the same twice: an entry would only push others out. */
const WITHOUT_ENTRY = 1;
/** Secret: no proxy on the way may put it into a table, so that nobody can guess it there (RFC 7541 §7.1.3). */
const NEVER_INDEXED = 2;
/** Belongs to HTTP/1 connections and must not leave here (RFC 9113 §8.2.2). */
const LEFT_OUT = 3;
const POLICY = new Uint8Array(knownHeaderNames.length);
for (const name of [
  ...(['x-request-id', 'traceparent', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'etag'] as const),
  ...(['if-none-match', 'if-modified-since', 'last-modified', 'location', 'age', 'range', 'content-range'] as const),
]) {
  POLICY[H[name]] = WITHOUT_ENTRY;
}
for (const name of ['authorization', 'cookie', 'set-cookie'] as const) POLICY[H[name]] = NEVER_INDEXED;
for (const name of [
  ...(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'http2-settings'] as const),
]) {
  POLICY[H[name]] = LEFT_OUT;
}
const PROXY_AUTHORIZATION = 'proxy-authorization';

const NAME_BYTES = Uint8Array.from(knownHeaderNames, (name) => name.length);
/** Two integers, two lengths and a type: what a field may take beside its name and value. */
const FIELD_OVERHEAD = 16;
/** Two table size updates. */
const BLOCK_OVERHEAD = 16;
/** Longer texts are written by the runtime. */
const SHORT_TEXT = 16;
/** The text being written; longer ones are not worth their Huffman code's time. */
const textBytes = Buffer.allocUnsafeSlow(4096);
const STATUS_TEXTS = Array.from({ length: 1000 }, (_, status) => String(status));

/** Longer blocks are not remembered: bytes. After so many without a repetition only every n-th is. */
const MAX_REMEMBERED_BYTES = 128;
const MOST_MISSES = 8;
const LOOK_AGAIN = 32;

export class HpackEncoder {
  readonly #table = new EncoderTable(INITIAL_TABLE_BYTES);
  readonly #mostTableBytes: number;
  readonly #useHuffman: boolean;
  /** Table sizes that the peer has not been told of: the smallest since then, and the one that holds; -1 for none. */
  #smallest = -1;
  #memory: EncodedHead | null = null;
  #misses = 0;
  #wait = 0;

  /** `mostTableBytes`: what this side is willing to keep, whatever the peer allows. */
  constructor(mostTableBytes: number = INITIAL_TABLE_BYTES, useHuffman = true) {
    this.#mostTableBytes = mostTableBytes;
    this.#useHuffman = useHuffman;
    if (mostTableBytes < INITIAL_TABLE_BYTES) this.setLimit(INITIAL_TABLE_BYTES);
  }

  get tableBytes(): number {
    return this.#table.tableBytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setLimit(limitBytes: number): void {
    const bytes = Math.min(limitBytes, this.#mostTableBytes);
    if (bytes === this.#table.maxBytes) return;
    this.#smallest = this.#smallest < 0 ? bytes : Math.min(this.#smallest, bytes);
    this.#table.resize(bytes);
  }

  /** At least as many bytes as `encode` will write. */
  bound(headers: Headers): number {
    const { kv } = headers;
    let bytes = BLOCK_OVERHEAD + 6 * FIELD_OVERHEAD + 64;
    bytes += headers.method.length + headers.path.length + headers.authority.length;
    bytes += headers.scheme.length + headers.protocol.length;
    for (let i = 0; i < kv.length; i += 2) {
      const key = kv[i] as HeaderKey;
      bytes += typeof key === 'number' ? (NAME_BYTES[key] as number) : key.length;
      bytes += (kv[i + 1] as string).length + FIELD_OVERHEAD;
    }
    return bytes;
  }

  /**
   * Writes the block of a head or trailers at out[at, …), which has room for `bound` bytes; returns the position behind
   * it. Fields that HTTP/2 does not know are left out.
   */
  encode(headers: Headers, out: Buffer, at: number): number {
    const memory = this.#memory;
    const table = this.#table;
    const { generation } = table;
    if (memory !== null && memory.generation === generation && this.#smallest < 0 && memory.isOf(headers)) {
      this.#misses = 0;
      const { bytes, length } = memory;
      for (let i = 0; i < length; i++) out[at + i] = bytes[i] as number;
      return at + length;
    }
    const start = at;
    if (this.#smallest >= 0) at = this.#announce(out, at);
    if (headers.status !== 0) at = this.#field(H[':status'], statusText(headers.status), out, at);
    else if (headers.method !== '') at = this.#request(headers, out, at);
    const { kv } = headers;
    for (let i = 0; i < kv.length; i += 2) at = this.#field(kv[i] as HeaderKey, kv[i + 1] as string, out, at);
    if (generation === table.generation) this.#remember(headers, out, start, at);
    return at;
  }

  #request(headers: Headers, out: Buffer, start: number): number {
    let at = this.#field(H[':method'], headers.method, out, start);
    if (headers.scheme !== '') at = this.#field(H[':scheme'], headers.scheme, out, at);
    if (headers.hasAuthority || headers.authority !== '') {
      at = this.#field(H[':authority'], headers.authority, out, at);
    }
    if (headers.path !== '') at = this.#field(H[':path'], headers.path, out, at);
    if (headers.protocol !== '') at = this.#field(H[':protocol'], headers.protocol, out, at);
    return at;
  }

  #remember(headers: Headers, out: Buffer, start: number, end: number): void {
    if (this.#misses >= MOST_MISSES) {
      if (++this.#wait < LOOK_AGAIN) return;
      this.#wait = 0;
    } else this.#misses++;
    if (end - start > MAX_REMEMBERED_BYTES) return;
    this.#memory ??= new EncodedHead();
    this.#memory.set(headers, out, start, end, this.#table.generation);
  }

  #announce(out: Buffer, start: number): number {
    const { maxBytes } = this.#table;
    let at = start;
    if (this.#smallest < maxBytes) at = writeInteger(out, at, 0x20, 0x1f, this.#smallest);
    this.#smallest = -1;
    return writeInteger(out, at, 0x20, 0x1f, maxBytes);
  }

  #field(key: HeaderKey, value: string, out: Buffer, at: number): number {
    let nameIndex = 0;
    let policy = ADAPTIVE;
    let nameLength: number;
    if (typeof key === 'number') {
      policy = POLICY[key] as number;
      if (policy === LEFT_OUT || (key === H.te && value !== 'trailers')) return at;
      nameIndex = STATIC_INDEX_BY_ID[key] as number;
      nameLength = NAME_BYTES[key] as number;
      if (nameIndex !== 0) {
        for (let index = nameIndex, run = STATIC_RUN[nameIndex] as number; run > 0; run--, index++) {
          if (STATIC_VALUES[index] !== value) continue;
          out[at] = 0x80 | index;
          return at + 1;
        }
      }
    } else {
      nameLength = key.length;
      if (key === PROXY_AUTHORIZATION) policy = NEVER_INDEXED;
    }
    const table = this.#table;
    if (policy === ADAPTIVE) {
      const index = table.find(key, value);
      if (index !== 0) {
        if (index < 0x7f) {
          out[at] = 0x80 | index;
          return at + 1;
        }
        return writeInteger(out, at, 0x80, 0x7f, index);
      }
      if (nameIndex === 0) nameIndex = table.nameIndex;
    }
    if (nameIndex === 0 && typeof key === 'string') nameIndex = staticNameIndex(key);
    const size = nameLength + value.length;
    if (policy === ADAPTIVE && table.isWorth(key, size)) {
      at = writeInteger(out, at, 0x40, 0x3f, nameIndex);
      table.insert(key, value, size);
    } else at = writeInteger(out, at, policy === NEVER_INDEXED ? 0x10 : 0, 0x0f, nameIndex);
    if (nameIndex === 0) at = this.#text(headerName(key), out, at);
    return this.#text(value, out, at);
  }

  #text(text: string, out: Buffer, start: number): number {
    const { length } = text;
    let at = start;
    if (this.#useHuffman && length <= textBytes.length) {
      // From bytes twice is faster than from the text once.
      writeText(text, textBytes, 0);
      const coded = huffmanLength(textBytes, length);
      if (coded < length) return encodeHuffman(textBytes, length, out, writeInteger(out, at, 0x80, 0x7f, coded));
    }
    at = writeInteger(out, at, 0, 0x7f, length);
    writeText(text, out, at);
    return at + length;
  }
}

function writeText(text: string, out: Buffer, at: number): void {
  const { length } = text;
  if (length > SHORT_TEXT) out.latin1Write(text, at, length);
  else for (let i = 0; i < length; i++) out[at + i] = text.charCodeAt(i);
}

/** The latest head and its block, which stays valid while the table does. */
class EncodedHead {
  readonly bytes = Buffer.allocUnsafe(MAX_REMEMBERED_BYTES);
  length = 0;
  generation = -1;
  #kv: readonly HeaderKey[] = [];
  #method = '';
  #path = '';
  #authority = '';
  #scheme = '';
  #protocol = '';
  #status = 0;
  #hasAuthority = false;

  set(headers: Headers, out: Buffer, start: number, end: number, generation: number): void {
    this.length = end - start;
    for (let i = start; i < end; i++) this.bytes[i - start] = out[i] as number;
    this.generation = generation;
    this.#kv = headers.kv.slice();
    this.#method = headers.method;
    this.#path = headers.path;
    this.#authority = headers.authority;
    this.#scheme = headers.scheme;
    this.#protocol = headers.protocol;
    this.#status = headers.status;
    this.#hasAuthority = headers.hasAuthority;
  }

  isOf(headers: Headers): boolean {
    const { kv } = headers;
    const mine = this.#kv;
    if (kv.length !== mine.length || headers.status !== this.#status || headers.method !== this.#method) return false;
    // What changes from request to request sits behind, where filters add it.
    for (let i = kv.length - 1; i >= 0; i--) if (kv[i] !== mine[i]) return false;
    return (
      headers.path === this.#path &&
      headers.authority === this.#authority &&
      headers.scheme === this.#scheme &&
      headers.protocol === this.#protocol &&
      headers.hasAuthority === this.#hasAuthority
    );
  }
}

function statusText(status: number): string {
  return STATUS_TEXTS[status] ?? String(status);
}

/** Writes an integer behind the type bits `first`, with a prefix whose largest value is `prefix` (RFC 7541 §5.1). */
function writeInteger(out: Buffer, start: number, first: number, prefix: number, value: number): number {
  let at = start;
  if (value < prefix) {
    out[at++] = first | value;
    return at;
  }
  out[at++] = first | prefix;
  let rest = value - prefix;
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}
