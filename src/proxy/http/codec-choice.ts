// Which HTTP a connection of codec type AUTO speaks: what ALPN agreed on, else whether it begins with HTTP/2's preface.
import type { ConnectionInfo } from '../stream-info.ts';

/** What tells an HTTP/2 preface (RFC 9113 §3.4) from any HTTP/1 request. */
const PREFACE = Buffer.from('PRI * HTTP/2', 'latin1');

/** Whether buf[start, end) is all of the preface so far, and too short to tell. */
export function couldBeHttp2(info: ConnectionInfo, buf: Buffer, start: number, end: number): boolean {
  if (end - start >= PREFACE.length || alpnOf(info) !== '') return false;
  return PREFACE.compare(buf, start, end, 0, end - start) === 0;
}

export function isHttp2(info: ConnectionInfo, buf: Buffer, start: number, end: number): boolean {
  const alpn = alpnOf(info);
  if (alpn !== '') return alpn === 'h2';
  if (end - start < PREFACE.length) return false;
  // Most requests differ in their first byte.
  return buf[start] === PREFACE[0] && PREFACE.compare(buf, start, start + PREFACE.length) === 0;
}

function alpnOf(info: ConnectionInfo): string {
  return info.tls?.alpn ?? '';
}
