// Brings an HTTP/1 request head into the common form: :path, :authority and :scheme; hop-by-hop fields go.
import { type Failure, failure } from '../../base/failure.ts';
import { H, headerKey, headerName } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import { trimBlanks } from '../../wire/http1/tables.ts';

/** Fields that a Connection header may name at most; more is taken for an attack. Source: Envoy utility.cc. */
const MAX_NOMINATED = 10;
const MAX_TE_BYTES = 256;

/** 1 for characters of an authority: RFC 3986 host characters, brackets, colon, percent and at. */
const AUTHORITY = new Uint8Array(256);
for (const c of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:[]%@") {
  AUTHORITY[c.charCodeAt(0)] = 1;
}

/**
 * Turns the request target and the Host field into path, authority and scheme. Returns why it is not acceptable.
 * A missing Host leaves authority '' and `hasAuthority` tells the two apart by the entry's absence.
 * Source: RFC 9112 §3.2; details as Envoy's.
 */
export function acceptTarget(headers: Headers, allowAbsoluteUrl: boolean): Failure | null {
  // RFC 9112 §3.2: more than one Host is an error. The parser makes the first the authority and leaves others.
  if (headers.mayHave(H.host)) return reject('bad_target', 'http1.codec_error');
  const target = headers.path;
  const first = target.charCodeAt(0);
  if (headers.method === 'CONNECT') {
    const port = /^[^/?#@]+:(\d{1,5})$/.exec(target)?.[1];
    if (port === undefined || Number(port) > MAX_PORT) return reject('bad_target', 'http1.invalid_url');
    // What follows the head is the tunnel's.
    if ((headers.get(H['content-length']) ?? '0') !== '0') return reject('bad_framing', 'http1.body_disallowed');
    headers.authority = target;
    headers.hasAuthority = true;
    headers.path = '';
  } else if (first === SLASH) {
    // origin-form
  } else if (target === '*') {
    if (headers.method !== 'OPTIONS') return reject('bad_target', 'http1.invalid_url');
  } else if (/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\//.test(target)) {
    const bad = absoluteForm(headers, target, allowAbsoluteUrl);
    if (bad !== null) return bad;
  } else return reject('bad_target', 'http1.codec_error');
  const authority = headers.authority;
  for (let i = 0; i < authority.length; i++) {
    if (AUTHORITY[authority.charCodeAt(i)] !== 1) return reject('bad_target', 'http.invalid_authority');
  }
  return null;
}

const SLASH = 0x2f;
const MAX_PORT = 65_535;

function absoluteForm(headers: Headers, target: string, allowAbsoluteUrl: boolean): Failure | null {
  if (!allowAbsoluteUrl) return null;
  const match = /^(https?):\/\/(?:[^/?#@]*@)?([^/?#@]+)(\/[^#]*|\?[^#]*)?$/i.exec(target);
  if (match === null || !hasGoodPort(match[2] as string)) {
    const isHttp = /^https?:\/\//i.test(target);
    return reject('bad_target', isHttp ? 'http1.invalid_url' : 'http1.invalid_scheme');
  }
  headers.scheme = (match[1] as string).toLowerCase();
  headers.authority = match[2] as string;
  headers.hasAuthority = true;
  const rest = match[3] ?? '';
  headers.path = rest === '' ? '/' : rest;
  return null;
}

/** No port, or a number below 65536. */
function hasGoodPort(authority: string): boolean {
  const match = /^(?:\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(authority);
  if (match === null) return false;
  const port = match[1];
  return port === undefined || (/^\d{1,5}$/.test(port) && Number(port) <= MAX_PORT);
}

function reject(code: Failure['code'], detail: string): Failure {
  return failure(code, 'downstream', 'connection', detail);
}

export function hasUnderscores(headers: Headers): boolean {
  const kv = headers.kv;
  for (let i = 0; i < kv.length; i += 2) {
    const key = kv[i];
    if (typeof key === 'string' && key.includes('_')) return true;
  }
  return false;
}

/**
 * Removes the fields that Connection names (RFC 9110 §7.6.1), keeping `TE: trailers`. False when it names what must
 * not be removed by a client: then the request is refused.
 */
export function nominatedHeaders(headers: Headers, isUpgrade: boolean): boolean {
  const connection = headers.get(H.connection);
  if (connection === undefined || connection === '' || connection === 'keep-alive' || connection === 'close')
    return true;
  const tokens = connection.split(',');
  if (tokens.length > MAX_NOMINATED) return false;
  for (const token of tokens) {
    const name = trimBlanks(token).toLowerCase();
    if (name === '' || name === 'close' || name === 'keep-alive' || name === 'upgrade') continue;
    if (name.startsWith(':') || PROTECTED.has(name)) return false;
    if (name === 'te') {
      if (!keepTrailersOnly(headers)) return false;
      continue;
    }
    if (isUpgrade && name === 'http2-settings') continue;
    headers.remove(headerKey(name));
  }
  return true;
}

const PROTECTED = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'cookie', 'host']);

/** TE is hop-by-hop, but 'trailers' is what gRPC needs from end to end. False when the value is suspiciously long. */
export function keepTrailersOnly(headers: Headers): boolean {
  const te = headers.get(H.te);
  if (te === undefined || te === 'trailers') return true;
  if (te.length > MAX_TE_BYTES) return false;
  for (const token of te.split(',')) {
    const name = token.split(';', 1)[0] as string;
    if (trimBlanks(name).toLowerCase() === 'trailers') {
      headers.set(H.te, 'trailers');
      return true;
    }
  }
  headers.remove(H.te);
  return true;
}

/** Drops fields with an underscore in their name; returns how many. */
export function dropUnderscores(headers: Headers): number {
  const before = headers.count;
  headers.removeIf((key) => headerName(key).includes('_'));
  return before - headers.count;
}
