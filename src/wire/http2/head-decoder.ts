// Makes heads and trailers of header blocks, and says whether they are well-formed (RFC 9113 §8).
import { H, type HeaderKey, knownHeaderNames, MASKED_LIMIT, PSEUDO_LIMIT } from '../header-names.ts';
import { Headers } from '../headers.ts';
import { MERGED_IN_REQUESTS, MERGED_IN_RESPONSES } from '../inline-headers.ts';
import { BlockMemory } from './block-memory.ts';
import { type FieldReader, HpackDecoder } from './hpack/decoder.ts';
import {
  BAD_NAME,
  BAD_VALUE,
  HAS_BLANK,
  HAS_OBS_TEXT,
  NOT_AUTHORITY,
  NOT_DIGITS,
  NOT_TOKEN,
} from './hpack/field-traits.ts';

export type HeadKind = 'request' | 'response' | 'trailers';

export type HeadLimits = {
  /** Bytes of all names and values (Envoy: max_request_headers_kb, as HeaderMap::byteSize counts). */
  readonly maxHeadBytes: number;
  /** Fields, pseudo-headers included (Envoy: max_headers_count). */
  readonly maxHeaders: number;
  /** The side that reads requests takes `:protocol` (RFC 8441). */
  readonly allowConnect: boolean;
  /** Refuses values with bytes above 7F. */
  readonly disallowObsText: boolean;
  /** Bytes of one field's name and value; 0 = no limit of its own. */
  readonly maxFieldBytes: number;
};

// What is special about a known name.
const PLAIN = 0;
const CONNECTION_SPECIFIC = 1;
const TE = 2;
const CONTENT_LENGTH = 3;
const HOST = 4;
const COOKIE = 5;
const SPECIAL = new Uint8Array(knownHeaderNames.length);
for (const name of ['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'] as const) {
  SPECIAL[H[name]] = CONNECTION_SPECIFIC;
}
SPECIAL[H.te] = TE;
SPECIAL[H['content-length']] = CONTENT_LENGTH;
SPECIAL[H.host] = HOST;
SPECIAL[H.cookie] = COOKIE;

/** Digits of a content-length: all below 2^53 - 1. */
const MAX_LENGTH_DIGITS = 15;

export class HeadDecoder implements FieldReader {
  readonly hpack: HpackDecoder;
  readonly #limits: HeadLimits;
  readonly #memory = new BlockMemory();
  /** The head being read; also the result of `decode`. */
  headers: Headers = new Headers();
  /** Why the head is malformed, else ''; `detail` is then Envoy's word for it. */
  malformed = '';
  detail = '';
  /** The head is larger than the limits allow; `detail` says in which way. */
  isOverLimit = false;
  /** Declared length of the body, or -1. */
  contentLength = -1;
  #kind: HeadKind = 'request';
  #merged: Uint8Array = MERGED_IN_REQUESTS;
  #bytes = 0;
  #count = 0;
  #hasRegular = false;
  #pseudo = 0;
  #cookie = '';
  #hasCookie = false;
  #hasHost = false;

  constructor(tableBytes: number, limits: HeadLimits) {
    this.hpack = new HpackDecoder(tableBytes);
    this.#limits = limits;
  }

  get isFull(): boolean {
    return this.isOverLimit;
  }

  /**
   * Decodes the whole block buf[start, end). Returns why its compression is broken, which ends the connection, or null;
   * then `headers`, `malformed`, `isOverLimit` and `contentLength` say what it holds.
   */
  decode(buf: Buffer, start: number, end: number, kind: HeadKind): string | null {
    const memory = this.#memory;
    const { generation } = this.hpack;
    if (memory.matches(buf, start, end, kind, generation)) {
      if (memory.headers !== null) {
        this.headers = memory.headers.clone();
        this.contentLength = memory.contentLength;
        this.malformed = '';
        this.isOverLimit = false;
        return null;
      }
      const broken = this.#read(buf, start, end, kind);
      if (broken === null && this.malformed === '' && !this.isOverLimit && generation === this.hpack.generation) {
        memory.headers = this.headers.clone();
        memory.contentLength = this.contentLength;
      }
      return broken;
    }
    const broken = this.#read(buf, start, end, kind);
    if (generation === this.hpack.generation) memory.remember(buf, start, end, kind, generation);
    return broken;
  }

  #read(buf: Buffer, start: number, end: number, kind: HeadKind): string | null {
    this.#kind = kind;
    if (kind !== 'trailers') this.#merged = kind === 'request' ? MERGED_IN_REQUESTS : MERGED_IN_RESPONSES;
    this.headers = new Headers();
    this.malformed = '';
    this.isOverLimit = false;
    this.contentLength = -1;
    this.#bytes = 0;
    this.#count = 0;
    this.#hasRegular = false;
    this.#pseudo = 0;
    this.#hasCookie = false;
    this.#hasHost = false;
    const broken = this.hpack.decode(buf, start, end, this);
    if (broken !== null) return broken;
    if (this.#hasCookie) {
      this.headers.add(H.cookie, this.#cookie);
      this.#cookie = '';
    }
    if (this.malformed === '' && !this.isOverLimit && kind !== 'trailers') this.#checkHead(kind);
    return null;
  }

  field(key: HeaderKey, value: string, size: number, traits: number): void {
    if (this.isOverLimit) return;
    const limits = this.#limits;
    this.#bytes += size;
    this.#count++;
    if (this.#count > limits.maxHeaders) {
      this.#overflow('http2.too_many_headers');
      return;
    }
    if (this.#bytes > limits.maxHeadBytes || (limits.maxFieldBytes > 0 && size > limits.maxFieldBytes)) {
      this.#overflow('http2.header_list_size_too_large');
      return;
    }
    if ((traits & (BAD_NAME | BAD_VALUE)) !== 0 || (limits.disallowObsText && (traits & HAS_OBS_TEXT) !== 0)) {
      this.#refuse((traits & BAD_NAME) !== 0 ? 'invalid header name' : 'invalid header value');
      return;
    }
    const headers = this.headers;
    if (typeof key !== 'number') {
      this.#hasRegular = true;
      headers.kv.push(key, value);
      return;
    }
    if (key < PSEUDO_LIMIT) {
      this.#readPseudo(key, value, traits);
      return;
    }
    this.#hasRegular = true;
    if (SPECIAL[key] !== PLAIN && !this.#special(key, value, traits)) return;
    if (key < MASKED_LIMIT) {
      const isKnown = headers.mayHave(key);
      if (isKnown && this.#merged[key] === 1 && headers.has(key)) {
        headers.appendValue(key, value);
        return;
      }
      if (key < 31) headers.bits0 |= 1 << key;
      else headers.bits1 |= 1 << (key - 31);
    } else if (this.#merged[key] === 1 && headers.has(key)) {
      headers.appendValue(key, value);
      return;
    }
    headers.kv.push(key, value);
  }

  #overflow(detail: string): void {
    this.isOverLimit = true;
    this.detail = detail;
  }

  #refuse(reason: string): void {
    if (this.malformed !== '') return;
    this.malformed = reason;
    this.detail = 'http2.invalid.header.field';
  }

  #violate(reason: string): void {
    this.malformed = reason;
    this.detail = 'http2.violation.of.messaging.rule';
  }

  /** Returns whether the field is added as it is. */
  #special(id: number, value: string, traits: number): boolean {
    switch (SPECIAL[id]) {
      case CONNECTION_SPECIFIC:
        this.#refuse('connection-specific header');
        return false;
      case TE:
        if (value.toLowerCase() !== 'trailers') this.#refuse('te other than trailers');
        return true;
      case CONTENT_LENGTH:
        // RFC 9110 §6.5.1: what frames or routes a message has no meaning behind it, and is dangerous if believed.
        if (this.#kind === 'trailers') return false;
        if (this.contentLength >= 0 || value === '' || (traits & NOT_DIGITS) !== 0)
          this.#refuse('invalid content-length');
        else if (value.length > MAX_LENGTH_DIGITS) this.#refuse('invalid content-length');
        else this.contentLength = Number(value);
        return true;
      case HOST: {
        if (this.#kind !== 'request') return this.#kind === 'response';
        // Two of them would let two readers see two hosts (RFC 9112 §3.2, which HTTP/2 takes over).
        if (this.#hasHost) this.#refuse('host twice');
        this.#hasHost = true;
        // The same thing as :authority, which wins where both are.
        const { headers } = this;
        if (!headers.hasAuthority) {
          headers.authority = value;
          headers.hasAuthority = true;
        }
        return false;
      }
      default:
        if (this.#kind !== 'request') return true;
        // RFC 9113 §8.2.3: crumbs become one field again; it stands behind the others, as Envoy has it.
        this.#cookie = this.#hasCookie ? `${this.#cookie}; ${value}` : value;
        this.#hasCookie = true;
        return false;
    }
  }

  #readPseudo(id: number, value: string, traits: number): void {
    const bit = 1 << id;
    if (this.#hasRegular || (this.#pseudo & bit) !== 0 || this.#kind === 'trailers') {
      this.#refuse('misplaced pseudo-header');
      return;
    }
    this.#pseudo |= bit;
    const headers = this.headers;
    if (this.#kind === 'response') {
      if (id !== H[':status'] || value.length !== 3 || (traits & NOT_DIGITS) !== 0)
        this.#refuse('invalid pseudo-header');
      else headers.status = Number(value);
      return;
    }
    switch (id) {
      case H[':method']:
        if (value === '' || (traits & NOT_TOKEN) !== 0) this.#refuse('invalid method');
        headers.method = value;
        return;
      case H[':path']:
        if (value === '' || (traits & HAS_BLANK) !== 0) this.#refuse('invalid path');
        headers.path = value;
        return;
      case H[':scheme']:
        if (value === '' || (traits & HAS_BLANK) !== 0) this.#refuse('invalid scheme');
        headers.scheme = value;
        return;
      case H[':authority']:
        if (value === '' || (traits & NOT_AUTHORITY) !== 0) this.#refuse('invalid authority');
        headers.authority = value;
        headers.hasAuthority = true;
        return;
      case H[':protocol']:
        if (value === '' || !this.#limits.allowConnect) this.#refuse('unexpected :protocol');
        headers.protocol = value;
        return;
      default:
        this.#refuse('invalid pseudo-header');
    }
  }

  /** RFC 9113 §8.3: what a head must have, and what it must not. */
  #checkHead(kind: HeadKind): void {
    const headers = this.headers;
    if (kind === 'response') {
      if (headers.status < 100 || headers.status === 101) this.#violate('invalid status');
      return;
    }
    const { method, path, scheme, protocol } = headers;
    if (method === 'CONNECT' && protocol === '') {
      if (path !== '' || scheme !== '' || headers.authority === '') this.#violate('invalid CONNECT');
      return;
    }
    if (method === '' || path === '' || scheme === '') this.#violate('missing pseudo-header');
    else if (!headers.hasAuthority) this.#violate('neither :authority nor host');
    else if (protocol !== '' && method !== 'CONNECT') this.#violate('unexpected :protocol');
    else if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) this.#violate('invalid path');
  }
}
