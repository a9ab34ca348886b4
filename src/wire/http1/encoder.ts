// Writes HTTP/1 heads and chunks as latin1 text; all values are byte-exact, one char code per byte.
import { H, type HeaderKey, headerName, knownHeaderNames } from '../header-names.ts';
import type { Headers } from '../headers.ts';
import { reasonPhrase } from './reason.ts';

/** '\r\nname: ' of every known name, so that a field costs two concatenations. */
const FIELD_PREFIX: readonly string[] = knownHeaderNames.map((name) => `\r\n${name}: `);
const PROPER_PREFIX: readonly string[] = knownHeaderNames.map((name) => `\r\n${properCase(name)}: `);

/** How names are written of messages that do not remember how theirs were spelled. */
export type Spelling = 'lower' | 'proper-case';

/** Upper-cases the first letter and every letter behind a non-letter (Envoy: ProperCaseHeaderKeyFormatter). */
export function properCase(name: string): string {
  return name.replace(/(^|[^a-zA-Z0-9])([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase());
}

function fields(headers: Headers, spelling: Spelling): string {
  const kv = headers.kv;
  if (headers.spelled !== null) return spelledFields(headers, headers.spelled);
  let text = '';
  if (spelling === 'lower') {
    for (let i = 0; i < kv.length; i += 2) {
      const key = kv[i] as number | string;
      if (typeof key === 'number') text += (FIELD_PREFIX[key] as string) + (kv[i + 1] as string);
      else text += `\r\n${key}: ${kv[i + 1] as string}`;
    }
    return text;
  }
  for (let i = 0; i < kv.length; i += 2) {
    const key = kv[i] as number | string;
    const value = kv[i + 1] as string;
    if (typeof key === 'number') text += (PROPER_PREFIX[key] as string) + value;
    else text += `\r\n${properCase(key)}: ${value}`;
  }
  return text;
}

/** Fields of one name are all spelled as the first of them came. */
function spelledFields(headers: Headers, spelled: ReadonlyMap<HeaderKey, string>): string {
  const { kv, spellsAddedProperly: isProper } = headers;
  let text = '';
  for (let i = 0; i < kv.length; i += 2) {
    const key = kv[i] as HeaderKey;
    const name = spelled.get(key) ?? (isProper ? properCase(headerName(key)) : headerName(key));
    text += `\r\n${name}: ${kv[i + 1] as string}`;
  }
  return text;
}

/**
 * Returns a request head. `host` comes first, as Envoy writes it; `tail` is what the framing adds, e.g.
 * '\r\ntransfer-encoding: chunked', and may be ''; `isFullUrl`: the target is in absolute form (RFC 9112 §3.2.2).
 */
export function encodeRequestHead(headers: Headers, spelling: Spelling, tail: string, isFullUrl = false): string {
  const { hostSpelling } = headers;
  let host = spelling === 'proper-case' || headers.spellsAddedProperly ? '\r\nHost: ' : '\r\nhost: ';
  if (hostSpelling !== '') host = `\r\n${hostSpelling}: `;
  // RFC 9112 §3.2.3: the target of CONNECT is an authority.
  let target = headers.method === 'CONNECT' ? headers.authority : headers.path;
  if (isFullUrl && headers.method !== 'CONNECT') target = `${headers.scheme}://${headers.authority}${target}`;
  const line = `${headers.method} ${target} HTTP/1.1`;
  const rest = `${host}${headers.authority}${fields(headers, spelling)}${tail}`;
  headFieldBytes = rest.length;
  return `${line}${rest}\r\n\r\n`;
}

/** Returns a response head, with the standard reason phrase if it has none; `tail` as in encodeRequestHead. */
export function encodeResponseHead(headers: Headers, minorVersion: number, spelling: Spelling, tail: string): string {
  const status = headers.status;
  const isUsual = status === 200 && minorVersion === 1 && headers.reason === '';
  const line = isUsual ? 'HTTP/1.1 200 OK' : statusLine(minorVersion, status, headers.reason);
  const rest = fields(headers, spelling) + tail;
  headFieldBytes = rest.length;
  return `${line}${rest}\r\n\r\n`;
}

function statusLine(minorVersion: number, status: number, reason: string): string {
  return `HTTP/1.${minorVersion === 0 ? 0 : 1} ${status} ${reason === '' ? reasonPhrase(status) : reason}`;
}

/** Bytes of the field lines of the head that was encoded last: without its first line and the empty one. */
export let headFieldBytes = 0;

/** Returns the trailer section with the zero chunk before it. */
export function encodeTrailers(trailers: Headers | null, spelling: Spelling): string {
  if (trailers === null || trailers.count === 0) return '0\r\n\r\n';
  return `0${fields(trailers, spelling)}\r\n\r\n`;
}

export const LAST_CHUNK = '0\r\n\r\n';
export const CHUNK_END = '\r\n';

/** The size line in front of a chunk of `length` > 0 bytes. */
export function chunkHeader(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** Tails of heads: no body follows, or one of unknown length. */
export const NO_CONTENT = `${FIELD_PREFIX[H['content-length']]}0`;
export const CHUNKED = `${FIELD_PREFIX[H['transfer-encoding']]}chunked`;
/** Behind the data of the last chunk. */
export const LAST_DATA = `${CHUNK_END}${LAST_CHUNK}`;
