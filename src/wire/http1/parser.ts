// An HTTP/1 parser (RFC 9112): bytes in, events out; knows no sockets and never throws because of its input.
import { type Failure, failure } from '../../base/failure.ts';
import type { StringMatcher } from '../../base/matcher.ts';
import { H, type HeaderKey, headerKey } from '../header-names.ts';
import { Headers } from '../headers.ts';
import { MERGED_IN_REQUESTS, MERGED_IN_RESPONSES } from '../inline-headers.ts';
import { type Framing, HeadMemory, MAX_REMEMBERED_BYTES, MAX_REMEMBERED_FIELDS } from './head-memory.ts';
import { FIELD_BYTE, HEX_VALUE, lookupKnown, TARGET_BYTE, TOKEN_LOWER, trimBlanks } from './tables.ts';

/** Receives what the parser finds, in order: head, body…, trailers?, complete. Body bytes are borrowed. */
export type Http1Events = {
  onHead(headers: Headers, parser: Http1Parser): void;
  onBody(chunk: Buffer, start: number, end: number): void;
  onTrailers(trailers: Headers): void;
  onComplete(): void;
};

export type Http1Limits = {
  /** Bytes of a head, or of a trailer section. Envoy: max_request_headers_kb, 60. */
  readonly maxHeadBytes: number;
  /** Fields of a head. Envoy: max_headers_count, 100. */
  readonly maxHeaders: number;
  /** Accepts Content-Length beside chunked, which wins (allow_chunked_length). */
  readonly allowChunkedLength: boolean;
  readonly keepSpelling: boolean;
  /** With keepSpelling: fields that are added to the message are written in proper case. */
  readonly spellsAddedProperly?: boolean;
  /** Answers keep their reason phrase. */
  readonly keepReason?: boolean;
  /** Protocols that a request offers in vain: as if it did not offer them (ignore_http_11_upgrade). */
  readonly ignoredUpgrades?: StringMatcher | null;
  /** Any token is a method; otherwise those of the registry (allow_custom_methods). */
  readonly allowCustomMethods: boolean;
  readonly enableTrailers: boolean;
};

/** Bytes of one chunk-size line, extensions included. */
const MAX_CHUNK_LINE_BYTES = 4096;
/** Content-Length and chunk sizes above this are refused: 2^53 - 1. */
const MAX_BODY_BYTES = Number.MAX_SAFE_INTEGER;
const MAX_FIELDS = 1024;

// State of the message being read:
//
//   HEAD ──► (no body) ─────────────────────────► complete ──► HEAD
//     ├────► FIXED ─────────────────────────────►   │
//     ├────► CHUNK_SIZE ◄─► CHUNK_DATA ◄─ CHUNK_END │
//     │          └─► TRAILERS ──────────────────►   │
//     ├────► UNTIL_CLOSE ── end of the stream ──►   │
//     └────► TUNNEL (upgrade, CONNECT): bytes until the end of the stream
const HEAD = 0;
const FIXED = 1;
const CHUNK_SIZE = 2;
const CHUNK_DATA = 3;
const CHUNK_END = 4;
const TRAILERS = 5;
const UNTIL_CLOSE = 6;
const TUNNEL = 7;
const FAILED = 8;

const METHODS = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'ACL',
  'BIND',
  'CHECKOUT',
  'COPY',
  'LINK',
  'LOCK',
  'MERGE',
  'MKACTIVITY',
  'MKCALENDAR',
  'MKCOL',
  'MOVE',
  'MSEARCH',
  'NOTIFY',
  'PROPFIND',
  'PROPPATCH',
  'PURGE',
  'REBIND',
  'REPORT',
  'SEARCH',
  'SOURCE',
  'SUBSCRIBE',
  'UNBIND',
  'UNLINK',
  'UNLOCK',
  'UNSUBSCRIBE',
]);

const FORBIDDEN_TRAILERS = [H.host, H['content-length'], H['transfer-encoding'], H.trailer, H.connection, H.upgrade];

/** Where chunks of one read are joined; one parser at a time has it. */
let scratch: Buffer | null = null;
let isScratchTaken = false;
const SCRATCH_BYTES = 64 * 1024;

/**
 * Field positions of the head being scanned: name start, name end, hash, value start, value end. Shared, because no
 * head is scanned inside another.
 */
const marks = new Int32Array(MAX_FIELDS * 5);

export class Http1Parser {
  readonly #isRequest: boolean;
  readonly #merged: Uint8Array;
  readonly #limits: Http1Limits;
  readonly #maxFields: number;
  #events: Http1Events;
  #state = HEAD;
  /** The latest head, once there was more than one. */
  #memory: HeadMemory | null = null;
  #hasReadHead = false;
  /** Bytes of the body or chunk still to come. */
  #remaining = 0;
  /** Of chunks that were read at once and are told as one: where the first lies in what is read; -1: there are none. */
  #bodyStart = -1;
  #bodyEnd = -1;
  /** Null: there is one chunk, which lies where it was read. */
  #joined: Buffer | null = null;
  /** A head, chunk line or trailer section that did not arrive whole. */
  #partial: Buffer | null = null;
  #partialLength = 0;
  /** Where the search for the end of a partial head goes on. */
  #searchedTo = 0;

  /** Why the parser gave up; nothing is read afterwards. */
  failure: Failure | null = null;
  /** What the latest head said. */
  minorVersion = 1;
  endStream = false;
  keepAlive = true;
  /** Connection: close was said, not merely implied by the version. */
  hasCloseOption = false;
  isUpgrade = false;
  isChunked = false;
  /** Declared length, or -1. */
  contentLength = -1;
  /** Set by the user of a response parser before the head: the request was HEAD, CONNECT, or asked for an upgrade. */
  requestMethod = '';
  expectsUpgrade = false;
  /** True while a message is incomplete: the end of the stream now would truncate it. */
  get isInMessage(): boolean {
    return this.#state !== HEAD || this.#partialLength > 0;
  }
  get isInHead(): boolean {
    return this.#state === HEAD && this.#partialLength > 0;
  }
  /** Set by an event handler to stop after the present event; cleared by the next execute. */
  isPaused = false;

  constructor(kind: 'request' | 'response', limits: Http1Limits, events: Http1Events) {
    this.#isRequest = kind === 'request';
    this.#merged = this.#isRequest ? MERGED_IN_REQUESTS : MERGED_IN_RESPONSES;
    this.#limits = limits;
    this.#maxFields = Math.min(limits.maxHeaders, MAX_FIELDS - 1);
    this.#events = events;
  }

  /**
   * Reads buf[start, end) up to the end of one message, or until a handler sets `isPaused`, or to its end.
   * Returns the position up to which bytes were used; the caller keeps the rest. Check `failure` afterwards.
   */
  execute(buf: Buffer, start: number, end: number): number {
    this.isPaused = false;
    let pos = start;
    while (pos < end) {
      switch (this.#state) {
        case HEAD:
          pos = this.#partial === null ? this.#freshHead(buf, pos, end) : this.#partialHead(buf, pos, end);
          break;
        case FIXED: {
          const n = Math.min(end - pos, this.#remaining);
          this.#remaining -= n;
          const last = this.#remaining === 0;
          this.#events.onBody(buf, pos, pos + n);
          pos += n;
          if (last && this.#state === FIXED) this.#complete();
          break;
        }
        case CHUNK_SIZE:
          pos = this.#chunkSize(buf, pos, end);
          break;
        case CHUNK_DATA: {
          const n = Math.min(end - pos, this.#remaining);
          this.#remaining -= n;
          if (this.#remaining === 0) this.#state = CHUNK_END;
          if (this.#bodyStart < 0) {
            this.#bodyStart = pos;
            this.#bodyEnd = pos + n;
          } else this.#join(buf, pos, n, end);
          pos += n;
          break;
        }
        case CHUNK_END:
          pos = this.#chunkEnd(buf, pos);
          break;
        case TRAILERS:
          if (this.#bodyStart >= 0) this.#tellBody(buf);
          else pos = this.#trailers(buf, pos, end);
          break;
        case UNTIL_CLOSE:
        case TUNNEL:
          this.#events.onBody(buf, pos, end);
          pos = end;
          break;
        default:
          if (this.#bodyStart >= 0) this.#tellBody(buf);
          return pos;
      }
      if (this.isPaused) return pos;
      if (this.#state === HEAD && this.#partial === null) return pos;
    }
    if (this.#bodyStart >= 0) this.#tellBody(buf);
    return pos;
  }

  /** The stream ended: completes a body that lasts until then, else says whether a message was cut off. */
  finish(): Failure | null {
    if (this.#state === UNTIL_CLOSE || this.#state === TUNNEL) {
      this.#complete();
      return null;
    }
    if (!this.isInMessage || this.#state === FAILED) return null;
    return failure('truncated', this.#side(), 'connection', 'connection closed inside a message');
  }

  #side(): 'downstream' | 'upstream' {
    return this.#isRequest ? 'downstream' : 'upstream';
  }

  /** Another chunk of the same read, behind those that wait. */
  #join(buf: Buffer, pos: number, length: number, end: number): void {
    if (this.#joined === null) {
      const most = end - this.#bodyStart;
      const isFree = !isScratchTaken && most <= SCRATCH_BYTES;
      if (isFree) isScratchTaken = true;
      this.#joined = isFree ? (scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES)) : Buffer.allocUnsafe(most);
      buf.copy(this.#joined, 0, this.#bodyStart, this.#bodyEnd);
      this.#bodyEnd -= this.#bodyStart;
      this.#bodyStart = 0;
    }
    buf.copy(this.#joined, this.#bodyEnd, pos, pos + length);
    this.#bodyEnd += length;
  }

  /** Source: Envoy ConnectionImpl::dispatchBufferedBody. */
  #tellBody(buf: Buffer): void {
    const joined = this.#joined;
    const start = this.#bodyStart;
    this.#bodyStart = -1;
    this.#joined = null;
    try {
      this.#events.onBody(joined ?? buf, start, this.#bodyEnd);
    } finally {
      if (joined !== null && joined === scratch) isScratchTaken = false;
    }
  }

  #fail(code: Failure['code'], detail: string): number {
    this.failure = failure(code, this.#side(), 'connection', detail);
    this.#state = FAILED;
    this.#partial = null;
    this.#partialLength = 0;
    return -1;
  }

  #complete(): void {
    this.#state = HEAD;
    this.#events.onComplete();
  }

  // ─── Head ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #freshHead(buf: Buffer, start: number, end: number): number {
    let pos = start;
    // RFC 9112 §2.2: empty lines before a request line are skipped.
    while (this.#isRequest && pos < end && (buf[pos] === 0x0d || buf[pos] === 0x0a)) pos++;
    if (pos === end) return end;
    const headEnd = this.#parseHead(buf, pos, end);
    if (headEnd >= 0) return headEnd;
    if (this.#state === FAILED) return end;
    if (end - pos > this.#limits.maxHeadBytes) {
      this.#fail('headers_too_large', 'http1.headers_too_large');
      return end;
    }
    if (!this.#mayBeginHead(buf, pos, end)) return end;
    this.#keep(buf, pos, end);
    this.#searchedTo = Math.max(0, end - pos - 3);
    return end;
  }

  /** Refuses at once what no method or protocol begins with (TLS, for one), instead of waiting for a line's end. */
  #mayBeginHead(buf: Buffer, start: number, end: number): boolean {
    for (let pos = start; pos < end; pos++) {
      const c = buf[pos] as number;
      if (c === 0x20 || c === 0x09 || c === 0x0a || (c === 0x0d && pos > start)) return true;
      if (TOKEN_LOWER[c] === 0 && (this.#isRequest || c !== 0x2f)) return this.#reject('bad_request_line');
    }
    return true;
  }

  #partialHead(buf: Buffer, start: number, end: number): number {
    const before = this.#partialLength;
    this.#keep(buf, start, end);
    const partial = this.#partial as Buffer;
    const length = this.#partialLength;
    const terminator = findHeadEnd(partial, this.#searchedTo, length);
    if (terminator < 0) {
      this.#searchedTo = Math.max(0, length - 3);
      if (length > this.#limits.maxHeadBytes) this.#fail('headers_too_large', 'http1.headers_too_large');
      return end;
    }
    this.#partial = null;
    this.#partialLength = 0;
    const headEnd = this.#parseHead(partial, 0, terminator);
    if (headEnd < 0) {
      if (this.#state !== FAILED) this.#fail('bad_header', 'http1.codec_error');
      return end;
    }
    return start + (terminator - before);
  }

  #keep(buf: Buffer, start: number, end: number): void {
    const needed = this.#partialLength + end - start;
    if (this.#partial === null) this.#partial = Buffer.allocUnsafeSlow(Math.max(1024, needed));
    else if (this.#partial.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#partial.length * 2));
      this.#partial.copy(grown, 0, 0, this.#partialLength);
      this.#partial = grown;
    }
    buf.copy(this.#partial, this.#partialLength, start, end);
    this.#partialLength = needed;
  }

  /** Returns the position after the head, or -1: incomplete, or failed (see state). */
  #parseHead(buf: Buffer, start: number, end: number): number {
    const memory = this.#memory;
    let headers: Headers | null;
    if (memory?.isRepeating === true && memory.matchHead(buf, start, end)) {
      headers = memory.headers.clone();
      this.minorVersion = memory.minorVersion;
      if (!this.#frameAsBefore(memory.framing) && !this.#frameAndRemember(headers, memory)) return -1;
    } else {
      headers = this.#readHead(buf, start, end, memory);
      if (headers === null || !this.#frame(headers)) return -1;
    }
    const headEnd = start + headers.wireBytes;
    if (this.endStream) {
      this.#events.onHead(headers, this);
      if ((this.#state as number) === HEAD) this.#events.onComplete();
    } else {
      if (this.isUpgrade || headers.method === 'CONNECT' || headers.status === 101) this.#state = TUNNEL;
      else this.#state = this.isChunked ? CHUNK_SIZE : this.contentLength >= 0 ? FIXED : UNTIL_CLOSE;
      this.#remaining = this.contentLength;
      this.#events.onHead(headers, this);
    }
    return headEnd;
  }

  /** Takes the framing of the same head before, if it answers the same kind of request. */
  #frameAsBefore(framing: Framing | null): boolean {
    if (framing === null || framing.requestMethod !== this.requestMethod || this.expectsUpgrade) return false;
    this.isUpgrade = false;
    this.keepAlive = framing.keepAlive;
    this.hasCloseOption = framing.hasCloseOption;
    this.isChunked = framing.isChunked;
    this.contentLength = framing.contentLength;
    this.endStream = framing.endStream;
    return true;
  }

  #frameAndRemember(headers: Headers, memory: HeadMemory): boolean {
    if (!this.#frame(headers)) return false;
    if (this.isUpgrade || this.expectsUpgrade) return true;
    const { requestMethod, keepAlive, hasCloseOption, isChunked, contentLength, endStream } = this;
    memory.framing = { requestMethod, keepAlive, hasCloseOption, isChunked, contentLength, endStream };
    // Framing may take fields away.
    memory.headers = headers.clone();
    return true;
  }

  /** Reads a head line by line; null when it is incomplete or the parser failed. */
  #readHead(buf: Buffer, start: number, end: number, memory: HeadMemory | null): Headers | null {
    // First pass: find and check the lines.
    const known = memory === null ? 0 : memory.matchFirstLine(buf, start, end);
    let lineEnd = start + known - 1;
    if (known === 0) {
      lineEnd = start;
      while (lineEnd < end && buf[lineEnd] !== 0x0a) lineEnd++;
      if (lineEnd === end) return null;
    }
    const fields = this.#scanFields(buf, lineEnd + 1, end, memory);
    if (fields < 0) return null;
    const headEnd = scanEnd;
    if (headEnd - start > this.#limits.maxHeadBytes) {
      this.#fail('headers_too_large', 'http1.headers_too_large');
      return null;
    }
    if (fields > this.#maxFields) {
      this.#fail('too_many_headers', 'http1.too_many_headers');
      return null;
    }

    // Second pass: cut the strings out of one copy of the head.
    const isNew = known === 0 || scanNew > 0;
    const text = isNew ? buf.latin1Slice(start, headEnd) : '';
    const headers = new Headers();
    headers.wireBytes = headEnd - start;
    const startLineEnd = buf[lineEnd - 1] === 0x0d ? lineEnd - 1 : lineEnd;
    if (known > 0) {
      const { headers: former, minorVersion } = memory as HeadMemory;
      headers.method = former.method;
      headers.path = former.path;
      headers.status = former.status;
      this.minorVersion = minorVersion;
    } else if (this.#isRequest) {
      if (!this.#requestLine(buf, start, startLineEnd, text, headers)) return null;
    } else if (!this.#statusLine(buf, start, startLineEnd, headers)) return null;
    this.#cutFields(buf, start, text, fields, headers, memory);
    if (isNew || fields !== (memory as HeadMemory).count) this.#remember(buf, start, headEnd, fields, headers);
    else (memory as HeadMemory).isRepeating = true;
    return headers;
  }

  /**
   * Marks the fields of buf[start, …) up to the empty line; returns their number, -1 when more bytes are needed or the
   * parser failed. Leaves the position after the empty line in `scanEnd`.
   */
  #scanFields(buf: Buffer, start: number, end: number, memory: HeadMemory | null): number {
    const remembered = memory === null ? 0 : memory.count;
    let pos = start;
    let count = 0;
    scanNew = 0;
    scanFolds = false;
    for (;;) {
      if (pos >= end) return -1;
      const first = buf[pos] as number;
      if (first === 0x0a) {
        scanEnd = pos + 1;
        return count;
      }
      if (first === 0x0d) {
        if (pos + 1 >= end) return -1;
        if (buf[pos + 1] !== 0x0a) return this.#fail('bad_header', 'http1.codec_error');
        scanEnd = pos + 2;
        return count;
      }
      if (first === 0x20 || first === 0x09) {
        // obs-fold (RFC 9112 §5.2): the value goes on; line break and white space become spaces when it is cut out.
        if (count === 0) return this.#fail('bad_header', 'http1.codec_error');
        scanFolds = true;
        pos = this.#scanValue(buf, pos, end, count - 1, true);
        if (pos < 0) return -1;
        continue;
      }
      if (count >= MAX_FIELDS - 1) return this.#fail('too_many_headers', 'http1.too_many_headers');
      if (count < remembered) {
        const length = (memory as HeadMemory).matchField(count, buf, pos, end);
        if (length > 0) {
          marks[count * 5] = pos;
          marks[count * 5 + 1] = REMEMBERED;
          pos += length;
          count++;
          continue;
        }
      }
      scanNew++;
      let hash = 0;
      let c: number;
      const nameStart = pos;
      while (pos < end && (c = TOKEN_LOWER[buf[pos] as number] as number) !== 0) {
        hash = (Math.imul(hash, 31) + c) | 0;
        pos++;
      }
      if (pos >= end) return -1;
      if (buf[pos] !== 0x3a || pos === nameStart) {
        return this.#fail('bad_header', buf[pos] === 0 ? 'http1.invalid_characters' : 'http1.codec_error');
      }
      const mark = count * 5;
      marks[mark] = nameStart;
      marks[mark + 1] = pos;
      marks[mark + 2] = hash;
      pos = this.#scanValue(buf, pos + 1, end, count, false);
      if (pos < 0) return -1;
      count++;
    }
  }

  #scanValue(buf: Buffer, start: number, end: number, field: number, isFold: boolean): number {
    let pos = start;
    while (pos < end && (buf[pos] === 0x20 || buf[pos] === 0x09)) pos++;
    const valueStart = pos;
    while (pos < end && FIELD_BYTE[buf[pos] as number] === 1) pos++;
    if (pos >= end) return -1;
    let next: number;
    if (buf[pos] === 0x0d) {
      if (pos + 1 >= end) return -1;
      if (buf[pos + 1] !== 0x0a) return this.#fail('bad_header', 'http1.codec_error');
      next = pos + 2;
    } else if (buf[pos] === 0x0a) next = pos + 1;
    else return this.#fail('bad_header', 'http1.invalid_characters');
    let valueEnd = pos;
    while (valueEnd > valueStart && (buf[valueEnd - 1] === 0x20 || buf[valueEnd - 1] === 0x09)) valueEnd--;
    const mark = field * 5;
    if (isFold) {
      // A negative end marks a value with a line break inside.
      if (valueEnd > valueStart) marks[mark + 4] = -valueEnd;
    } else {
      marks[mark + 3] = valueStart;
      marks[mark + 4] = valueEnd;
    }
    return next;
  }

  #cutFields(
    buf: Buffer,
    start: number,
    text: string,
    fields: number,
    headers: Headers,
    memory: HeadMemory | null,
  ): void {
    const keepSpelling = this.#limits.keepSpelling;
    const spelled = keepSpelling ? new Map<HeaderKey, string>() : null;
    headers.spelled = spelled;
    headers.spellsAddedProperly = keepSpelling && this.#limits.spellsAddedProperly === true;
    const isRequestHead = this.#isRequest && this.#state === HEAD;
    let bytes = 0;
    for (let i = 0; i < fields; i++) {
      const mark = i * 5;
      const nameStart = marks[mark] as number;
      const nameEnd = marks[mark + 1] as number;
      let key: HeaderKey;
      let value: string;
      if (nameEnd === REMEMBERED) {
        const known = memory as HeadMemory;
        key = known.keys[i] as HeaderKey;
        value = known.values[i] as string;
        bytes += known.sizes[i] as number;
      } else {
        const id = lookupKnown(buf, nameStart, nameEnd, marks[mark + 2] as number);
        key = id >= 0 ? id : headerKey(text.substring(nameStart - start, nameEnd - start));
        const valueEnd = marks[mark + 4] as number;
        value = text.substring((marks[mark + 3] as number) - start, (valueEnd < 0 ? -valueEnd : valueEnd) - start);
        if (valueEnd < 0) value = trimBlanks(value.replace(/\r?\n/g, ''));
        const size = nameEnd - nameStart + value.length + 3;
        bytes += size;
        if (memory !== null && i < MAX_REMEMBERED_FIELDS) {
          memory.keys[i] = key;
          memory.values[i] = value;
          memory.sizes[i] = size;
        }
      }
      if (typeof key === 'number') {
        const id = key;
        if (id === H.host && isRequestHead && !headers.hasAuthority) {
          headers.authority = value;
          headers.hasAuthority = true;
          if (keepSpelling) headers.hostSpelling = text.substring(nameStart - start, nameEnd - start);
          continue;
        }
        if (this.#merged[id] === 1 && headers.mayHave(id) && headers.has(id)) {
          // A second framing field must not hide behind an empty first one.
          if (isFraming(id)) headers.set(id, `${headers.get(id)},${value}`);
          else headers.appendValue(id, value);
          continue;
        }
        headers.add(id, value);
      } else headers.add(key, value);
      if (spelled?.has(key) === false) spelled.set(key, text.substring(nameStart - start, nameEnd - start));
    }
    headers.fieldBytes = bytes;
  }

  /** Keeps a head for comparison with the next one; not the first two, because many connections have no more. */
  #remember(buf: Buffer, start: number, headEnd: number, fields: number, headers: Headers): void {
    const memory = this.#memory;
    if (memory === null) {
      if (this.#hasReadHead && !this.#limits.keepSpelling) this.#memory = new HeadMemory();
      this.#hasReadHead = true;
      return;
    }
    memory.count = 0;
    memory.starts[0] = 0;
    memory.isRepeating = false;
    memory.framing = null;
    if (headEnd - start > MAX_REMEMBERED_BYTES || fields > MAX_REMEMBERED_FIELDS || scanFolds) return;
    memory.keepBytes(buf, start, headEnd);
    for (let i = 0; i < fields; i++) memory.starts[i] = (marks[i * 5] as number) - start;
    const blank = buf[headEnd - 2] === 0x0d ? 2 : 1;
    memory.starts[fields] = headEnd - blank - start;
    memory.count = fields;
    memory.headers = headers.clone();
    memory.minorVersion = this.minorVersion;
  }

  #requestLine(buf: Buffer, start: number, end: number, text: string, headers: Headers): boolean {
    let pos = start;
    while (pos < end && TOKEN_LOWER[buf[pos] as number] !== 0) pos++;
    const method = text.substring(0, pos - start);
    if (pos === start || pos === end) return this.#reject('bad_request_line');
    if (!METHODS.has(method) && !this.#limits.allowCustomMethods) return this.#reject('bad_request_line');
    if (buf[pos] !== 0x20 && buf[pos] !== 0x09) return this.#reject('bad_request_line');
    while (pos < end && (buf[pos] === 0x20 || buf[pos] === 0x09)) pos++;
    const targetStart = pos;
    while (pos < end && TARGET_BYTE[buf[pos] as number] === 1) pos++;
    const targetEnd = pos;
    while (pos < end && (buf[pos] === 0x20 || buf[pos] === 0x09)) pos++;
    if (targetEnd === targetStart) return this.#reject('bad_request_line');
    if (targetEnd < end && targetEnd === pos) {
      return (buf[pos] as number) > 0x7f
        ? this.#reject('bad_target')
        : this.#fail('bad_target', 'http1.invalid_characters') > 0;
    }
    headers.method = method;
    headers.path = text.substring(targetStart - start, targetEnd - start);
    this.minorVersion = -1;
    if (pos === end) return true;
    // Envoy takes blanks behind the version; they change nothing.
    let versionEnd = end;
    while (versionEnd > pos && (buf[versionEnd - 1] === 0x20 || buf[versionEnd - 1] === 0x09)) versionEnd--;
    const version = text.substring(pos - start, versionEnd - start);
    if (version === 'HTTP/1.1') this.minorVersion = 1;
    else if (version === 'HTTP/1.0') this.minorVersion = 0;
    else if (!/^HTTP\/\d\.\d$/.test(version)) return this.#reject('bad_request_line');
    return true;
  }

  #statusLine(buf: Buffer, start: number, end: number, headers: Headers): boolean {
    // HTTP/1.x SP 3DIGIT [SP reason]
    if (end - start < 12 || !startsWithHttp1(buf, start)) return this.#reject('bad_response');
    const minor = (buf[start + 7] as number) - 0x30;
    if ((minor !== 0 && minor !== 1) || buf[start + 8] !== 0x20) return this.#reject('bad_response');
    let status = 0;
    for (let i = start + 9; i < start + 12; i++) {
      const digit = (buf[i] as number) - 0x30;
      if (digit < 0 || digit > 9) return this.#reject('bad_response');
      status = status * 10 + digit;
    }
    if (status < 100 || (end - start > 12 && buf[start + 12] !== 0x20)) return this.#reject('bad_response');
    for (let i = start + 12; i < end; i++) {
      if (FIELD_BYTE[buf[i] as number] !== 1) return this.#reject('bad_response');
    }
    headers.status = status;
    if (this.#limits.keepReason === true) headers.reason = buf.latin1Slice(start + 13, end).trimEnd();
    this.minorVersion = minor;
    return true;
  }

  #reject(code: Failure['code']): false {
    this.#fail(code, 'http1.codec_error');
    return false;
  }

  /** Decides once how the message ends (RFC 9112 §6). */
  #frame(headers: Headers): boolean {
    this.isChunked = false;
    this.contentLength = -1;
    this.isUpgrade = false;
    this.hasCloseOption = false;
    this.keepAlive = this.minorVersion === 1;
    if (headers.mayHave(H.connection)) this.#connection(headers);
    if (this.isUpgrade && this.#isRequest) this.#requestUpgrade(headers);
    if (headers.mayHave(H['content-length']) && !this.#readContentLength(headers)) return false;
    if (headers.mayHave(H['transfer-encoding']) && !this.#readTransferEncoding(headers)) return false;
    if (this.#isRequest) {
      if (headers.method === 'CONNECT') this.endStream = false;
      else this.endStream = !this.isChunked && this.contentLength <= 0 && !this.isUpgrade;
      return true;
    }
    const status = headers.status;
    // A server may announce upgrades in any response (RFC 9110 §7.8); only 101 performs one.
    if (status !== 101) this.isUpgrade = false;
    const isTunnel = this.requestMethod === 'CONNECT' && status >= 200 && status < 300;
    const bodyless = status < 200 || status === 204 || status === 304 || this.requestMethod === 'HEAD';
    if (bodyless && !isTunnel) {
      if ((status < 200 || status === 204) && this.contentLength >= 0) {
        // RFC 9110 §8.6: no length here; a positive one would promise a body that cannot come.
        if (this.contentLength > 0) return this.#reject('bad_framing');
        headers.remove(H['content-length']);
        this.contentLength = -1;
      }
      this.isChunked = false;
      this.endStream = status !== 101 || !this.expectsUpgrade;
      return true;
    }
    if (isTunnel) {
      this.endStream = false;
      this.isChunked = false;
      this.contentLength = -1;
      return true;
    }
    if (!this.isChunked && this.contentLength < 0) this.keepAlive = false;
    this.endStream = !this.isChunked && this.contentLength === 0;
    return true;
  }

  #connection(headers: Headers): void {
    const value = headers.get(H.connection);
    if (value === undefined) return;
    const lower = value.toLowerCase();
    if (lower === 'keep-alive') {
      this.keepAlive = true;
      return;
    }
    if (lower === 'close') {
      this.keepAlive = false;
      this.hasCloseOption = true;
      return;
    }
    for (const token of lower.split(',')) {
      const option = trimBlanks(token);
      if (option === 'close') {
        this.keepAlive = false;
        this.hasCloseOption = true;
      } else if (option === 'keep-alive') this.keepAlive = !this.hasCloseOption;
      else if (option === 'upgrade') this.isUpgrade = headers.has(H.upgrade);
    }
  }

  /** An upgrade to h2c is not offered to anybody; any other turns the connection into a tunnel if it is agreed on. */
  #requestUpgrade(headers: Headers): void {
    const ignored = this.#limits.ignoredUpgrades ?? null;
    if (headers.get(H.upgrade)?.toLowerCase() === 'h2c') {
      this.isUpgrade = false;
      headers.remove(H.upgrade);
      headers.remove(H['http2-settings']);
    } else if (ignored !== null) this.#ignoreUpgrades(headers, ignored);
  }

  #ignoreUpgrades(headers: Headers, ignored: StringMatcher): void {
    const offered = (headers.get(H.upgrade) as string).split(',').map(trimBlanks);
    const kept = offered.filter((name) => name !== '' && !ignored.matches(name));
    if (kept.length === offered.length) return;
    if (kept.length > 0) {
      headers.set(H.upgrade, kept.join(','));
      return;
    }
    this.isUpgrade = false;
    headers.remove(H.upgrade);
  }

  #readContentLength(headers: Headers): boolean {
    const value = headers.get(H['content-length']);
    if (value === undefined) return true;
    if (value.length === 0 || value.length > 16) return this.#reject('bad_framing');
    let length = 0;
    for (let i = 0; i < value.length; i++) {
      const digit = value.charCodeAt(i) - 0x30;
      if (digit < 0 || digit > 9) return this.#reject('bad_framing');
      length = length * 10 + digit;
    }
    if (length > MAX_BODY_BYTES) return this.#reject('bad_framing');
    this.contentLength = length;
    return true;
  }

  #readTransferEncoding(headers: Headers): boolean {
    const value = headers.get(H['transfer-encoding']);
    if (value === undefined) return true;
    if (this.contentLength >= 0 && !this.#limits.allowChunkedLength) {
      this.#fail('bad_framing', 'http1.content_length_and_chunked_not_allowed');
      return false;
    }
    if (value.toLowerCase() !== 'chunked' || headers.method === 'CONNECT') {
      this.#fail('bad_framing', 'http1.invalid_transfer_encoding');
      return false;
    }
    if (this.#isRequest) {
      // RFC 9112 §6.1: HTTP/1.0 knows no codings; nothing behind such a message can be trusted.
      if (this.minorVersion < 1) this.keepAlive = false;
    } else if (headers.status < 200 || headers.status === 204) {
      this.#fail('bad_framing', 'http1.transfer_encoding_not_allowed');
      return false;
    }
    if (this.contentLength >= 0) {
      headers.remove(H['content-length']);
      this.contentLength = -1;
    }
    this.isChunked = true;
    return true;
  }

  // ─── Chunked body (RFC 9112 §7.1) ───────────────────────────────────────────────────────────────────────────────

  #chunkSize(buf: Buffer, start: number, end: number): number {
    let lineEnd = start;
    while (lineEnd < end && buf[lineEnd] !== 0x0a) lineEnd++;
    if (lineEnd === end || this.#partial !== null) {
      const upTo = Math.min(lineEnd + 1, end);
      if (this.#partialLength + upTo - start > MAX_CHUNK_LINE_BYTES) return this.#failAt('bad_chunk', end);
      this.#keep(buf, start, upTo);
      if (lineEnd === end) return end;
      const line = this.#partial as Buffer;
      const length = this.#partialLength;
      this.#partial = null;
      this.#partialLength = 0;
      return this.#chunkLine(line, 0, length - 1) ? lineEnd + 1 : end;
    }
    if (lineEnd - start >= MAX_CHUNK_LINE_BYTES) return this.#failAt('bad_chunk', end);
    return this.#chunkLine(buf, start, lineEnd) ? lineEnd + 1 : end;
  }

  #chunkLine(buf: Buffer, start: number, lineFeed: number): boolean {
    if (lineFeed === start || buf[lineFeed - 1] !== 0x0d) return this.#reject('bad_chunk');
    const end = lineFeed - 1;
    let pos = start;
    let size = 0;
    while (pos < end) {
      const digit = HEX_VALUE[buf[pos] as number] as number;
      if (digit === 255) break;
      size = size * 16 + digit;
      if (size > MAX_BODY_BYTES) return this.#reject('bad_chunk');
      pos++;
    }
    if (pos === start) return this.#reject('bad_chunk');
    while (pos < end && (buf[pos] === 0x20 || buf[pos] === 0x09)) pos++;
    if (pos < end && buf[pos] !== 0x3b) return this.#reject('bad_chunk');
    for (; pos < end; pos++) if (FIELD_BYTE[buf[pos] as number] !== 1) return this.#reject('bad_chunk');
    this.#remaining = size;
    this.#searchedTo = 0;
    this.#state = size === 0 ? TRAILERS : CHUNK_DATA;
    return true;
  }

  /** CRLF after chunk data; byte by byte, because it may be cut anywhere. */
  #chunkEnd(buf: Buffer, pos: number): number {
    const c = buf[pos] as number;
    if (this.#remaining === 0 && c === 0x0d) {
      this.#remaining = -1;
      return pos + 1;
    }
    if (this.#remaining === -1 && c === 0x0a) {
      this.#remaining = 0;
      this.#state = CHUNK_SIZE;
      return pos + 1;
    }
    return this.#failAt('bad_chunk', pos + 1);
  }

  #failAt(code: Failure['code'], pos: number): number {
    this.#reject(code);
    return pos;
  }

  #trailers(buf: Buffer, start: number, end: number): number {
    // The usual case: no trailers.
    if (this.#partial === null && end - start >= 2 && buf[start] === 0x0d && buf[start + 1] === 0x0a) {
      this.#complete();
      return start + 2;
    }
    const before = this.#partialLength;
    this.#keep(buf, start, end);
    const partial = this.#partial as Buffer;
    const length = this.#partialLength;
    // Unlike in heads every line ends with CRLF: what ends a message must be the same to everybody.
    if (partial[0] === 0x0a) return this.#failAt('bad_chunk', end);
    const terminator = partial[0] === 0x0d ? 2 : findHeadEnd(partial, this.#searchedTo, length);
    if ((terminator < 0 ? length : terminator) > this.#limits.maxHeadBytes) {
      this.#fail('headers_too_large', 'http1.headers_too_large');
      return end;
    }
    if (terminator < 0 || length < 2) {
      this.#searchedTo = Math.max(0, length - 3);
      return end;
    }
    const fields = this.#scanFields(partial, 0, length, null);
    if (fields < 0 || hasBareLineFeed(partial, scanEnd)) {
      if (this.#state !== FAILED) this.#fail('bad_header', 'http1.codec_error');
      return end;
    }
    if (fields > this.#maxFields) {
      this.#fail('too_many_headers', 'http1.too_many_trailers');
      return end;
    }
    this.#partial = null;
    this.#partialLength = 0;
    const used = scanEnd - before;
    if (fields > 0 && this.#limits.enableTrailers) {
      const trailers = new Headers();
      trailers.wireBytes = scanEnd;
      this.#cutFields(partial, 0, partial.latin1Slice(0, scanEnd), fields, trailers, null);
      // RFC 9110 §6.5.1: what frames or routes a message has no meaning behind it, and is dangerous if believed.
      for (const id of FORBIDDEN_TRAILERS) trailers.remove(id);
      this.#events.onTrailers(trailers);
    }
    this.#complete();
    return start + used;
  }
}

/** Where #scanFields stopped: after the empty line; how many lines were new to it, and whether one was folded. */
let scanEnd = 0;
let scanNew = 0;
let scanFolds = false;
/** In `marks`, instead of the name's end: the line is in the memory. */
const REMEMBERED = -1;

const HTTP1 = Buffer.from('HTTP/1.', 'latin1');

function startsWithHttp1(buf: Uint8Array, start: number): boolean {
  for (let i = 0; i < HTTP1.length; i++) if (buf[start + i] !== HTTP1[i]) return false;
  return true;
}

function isFraming(id: number): boolean {
  return id === H['content-length'] || id === H['transfer-encoding'];
}

function hasBareLineFeed(buf: Buffer, length: number): boolean {
  for (let pos = buf.indexOf(0x0a); pos >= 0 && pos < length; pos = buf.indexOf(0x0a, pos + 1)) {
    if (buf[pos - 1] !== 0x0d) return true;
  }
  return false;
}

/** Position after the empty line that ends a head, searching from `from`; -1 when it is not there yet. */
function findHeadEnd(buf: Buffer, from: number, length: number): number {
  for (let pos = from; pos < length; pos++) {
    if (buf[pos] !== 0x0a) continue;
    if (buf[pos + 1] === 0x0a && pos + 1 < length) return pos + 2;
    if (pos + 2 < length && buf[pos + 1] === 0x0d && buf[pos + 2] === 0x0a) return pos + 3;
  }
  return -1;
}
