// Tells from the first bytes of a connection whether it speaks HTTP, and which version: as Envoy's http_inspector does.
import { TOKEN_LOWER } from './http1/tables.ts';

/** 'more': it may become one of them. 'none': it is no HTTP. 'http/1.0' stands for every version 1 but 1.1. */
export type HttpGuess = 'more' | 'none' | 'http/1.0' | 'http/1.1' | 'h2c';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const LF = 0x0a;
const BLANK = 0x20;

/** 1: alphanumeric or one of !$%&'()*+,-./:;=?@[]_~, what Envoy's parser takes in an authority. */
const AUTHORITY_BYTE = bytesOf("!$%&'()*+,-.:;=@[]_~");
const SCHEME_BYTE = bytesOf('+-.');
/** 1: visible ASCII. Blanks and controls end a part of the line. */
const PATH_BYTE = new Uint8Array(256).fill(1, 0x21, 0x7f);

function bytesOf(marks: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let c = 0x30; c < 0x7b; c++) if (/[0-9A-Za-z]/.test(String.fromCharCode(c))) table[c] = 1;
  for (const mark of marks) table[mark.charCodeAt(0)] = 1;
  return table;
}

/** Looks at the bytes of one connection as they come; what it has gone through it does not look at twice. */
export class HttpInspection {
  /** Bytes gone through without finding the end of the first line. */
  #at = 0;
  #isMethodOver = false;

  /** `bytes` are all bytes so far. The caller limits how many there may be. */
  read(bytes: Buffer): HttpGuess {
    const { length } = bytes;
    if (length === 0) return 'more';
    if (startsLikePreface(bytes)) return length < PREFACE.length ? 'more' : 'h2c';
    if (!this.#isMethodOver && !this.#readMethod(bytes)) return 'none';
    const lineEnd = bytes.indexOf(LF, this.#at);
    this.#at = length;
    return lineEnd < 0 ? 'more' : guessLine(bytes, lineEnd);
  }

  /** Token characters up to the first blank; told early, so that other protocols need not wait for a line. */
  #readMethod(bytes: Buffer): boolean {
    const { length } = bytes;
    let at = this.#at;
    while (at < length && TOKEN_LOWER[bytes[at] as number] !== 0) at++;
    this.#at = at;
    if (at === length) return true;
    this.#isMethodOver = true;
    return at > 0 && isSpace(bytes[at] as number);
  }
}

function startsLikePreface(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, PREFACE.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== PREFACE[i]) return false;
  return true;
}

/** HTAB, LF, VT, FF, CR, SP. */
function isSpace(byte: number): boolean {
  return byte === BLANK || (byte >= 9 && byte <= 13);
}

/** METHOD target [version], divided by any bytes up to the blank. */
function guessLine(bytes: Buffer, lineEnd: number): HttpGuess {
  const methodEnd = partEnd(bytes, 0, lineEnd);
  const targetAt = partStart(bytes, methodEnd, lineEnd);
  const targetEnd = partEnd(bytes, targetAt, lineEnd);
  const versionAt = partStart(bytes, targetEnd, lineEnd);
  let end = lineEnd;
  while (end > versionAt && (bytes[end - 1] as number) <= BLANK) end--;
  const isConnect = bytes.latin1Slice(0, methodEnd) === 'CONNECT';
  if (!isTarget(bytes, targetAt, targetEnd, isConnect)) return 'none';
  // Versions before 1.0 had none.
  if (versionAt >= end) return 'http/1.0';
  if (end - versionAt !== 8) return 'none';
  const version = bytes.latin1Slice(versionAt, end);
  if (version === 'HTTP/1.1') return 'http/1.1';
  return /^HTTP\/[0-9]\.[0-9]$/.test(version) ? 'http/1.0' : 'none';
}

function partEnd(bytes: Buffer, at: number, end: number): number {
  while (at < end && (bytes[at] as number) > BLANK) at++;
  return at;
}

function partStart(bytes: Buffer, at: number, end: number): number {
  while (at < end && (bytes[at] as number) <= BLANK) at++;
  return at;
}

/** Whether bytes[at, end) is a path, an absolute URL or, for CONNECT, an authority. Source: Envoy's BalsaParser. */
function isTarget(bytes: Buffer, at: number, end: number, isConnect: boolean): boolean {
  if (at === end) return false;
  const first = bytes[at] as number;
  if (first === 0x2f || first === 0x2a) return areAll(bytes, at, end, PATH_BYTE);
  if (!isConnect) {
    let schemeEnd = at;
    while (schemeEnd < end && SCHEME_BYTE[bytes[schemeEnd] as number] === 1) schemeEnd++;
    const startsWithLetter = (first | BLANK) >= 0x61 && (first | BLANK) <= 0x7a;
    if (!startsWithLetter || bytes.latin1Slice(schemeEnd, Math.min(schemeEnd + 3, end)) !== '://') return false;
    at = schemeEnd + 3;
  }
  let authorityEnd = at;
  while (authorityEnd < end && bytes[authorityEnd] !== 0x2f && bytes[authorityEnd] !== 0x3f) authorityEnd++;
  return areAll(bytes, at, authorityEnd, AUTHORITY_BYTE) && areAll(bytes, authorityEnd, end, PATH_BYTE);
}

function areAll(bytes: Buffer, start: number, end: number, table: Uint8Array): boolean {
  for (let at = start; at < end; at++) if (table[bytes[at] as number] !== 1) return false;
  return true;
}
