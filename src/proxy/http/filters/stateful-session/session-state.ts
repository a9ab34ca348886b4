// How a client remembers its host: in a cookie, in a header, or in a header of the application that is wrapped.
import type { Clock } from '../../../../base/clock.ts';
import { bytesOf } from '../../../../base/matcher-text.ts';
import { H, headerKey, type HeaderKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { parseCookies } from '../../../config/matcher.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { decodeSessionCookie, encodeSessionCookie } from './session-cookie.ts';

const PACKAGE = 'envoy.extensions.http.stateful_session';
const COOKIE = `${PACKAGE}.cookie.v3.CookieBasedSessionState`;
const HEADER = `${PACKAGE}.header.v3.HeaderBasedSessionState`;
const ENVELOPE = `${PACKAGE}.envelope.v3.EnvelopeSessionState`;

export const SESSION_STATE_FIELDS = {
  [COOKIE]: 'cookie',
  [HEADER]: 'name',
  [ENVELOPE]: 'header',
  [`${ENVELOPE}.Header`]: 'name',
  'envoy.type.http.v3.Cookie': 'name ttl path attributes',
  'envoy.type.http.v3.CookieAttribute': 'name value',
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
} as const;

export type SessionState = {
  /** False: requests like this one have no session. */
  takes(headers: Headers): boolean;
  /** The address that the request asks for, '' for none. May take its own part out of the headers. */
  read(headers: Headers, clock: Clock): string;
  /** Tells the client its host, unless that is `asked`, where it was. Returns whether it is another one. */
  write(headers: Headers, host: string, asked: string, clock: Clock): boolean;
};

type CookiePb = {
  name?: string;
  ttl?: { seconds: number | bigint; nanos: number };
  path?: string;
  attributes?: readonly { name?: string; value?: string }[];
};

/** Null after rejecting it. */
export function decodeSessionState(type: string, message: object, d: ConfigDecoder): SessionState | null {
  switch (type) {
    case COOKIE:
      return cookieState((message as { cookie?: CookiePb }).cookie ?? {}, d.at('cookie'));
    case HEADER:
      return headerState(headerKey((message as { name?: string }).name ?? ''));
    case ENVELOPE:
      return envelopeState(headerKey((message as { header?: { name?: string } }).header?.name ?? ''));
    default:
      d.reject('', `${type} is not supported as a session state`);
      return null;
  }
}

function cookieState(message: CookiePb, d: ConfigDecoder): SessionState {
  const name = bytesOf(message.name ?? '');
  if (name === '') d.reject('name', 'Cookie key cannot be empty for cookie based stateful sessions');
  const path = bytesOf(message.path ?? '');
  const ttl = Number(message.ttl?.seconds ?? 0);
  let rest = ttl === 0 ? '' : `; Max-Age=${ttl}`;
  if (path !== '') rest += `; Path=${path}`;
  for (const { name: attribute = '', value = '' } of message.attributes ?? []) {
    rest += value === '' ? `; ${bytesOf(attribute)}` : `; ${bytesOf(attribute)}=${bytesOf(value)}`;
  }
  rest += '; HttpOnly';
  return {
    takes: (headers) => isWithin(headers.path, path),
    read(headers, clock) {
      const bytes = decodeBase64(parseCookies(headers).get(name) ?? '');
      const cookie = decodeSessionCookie(bytes);
      // Cookies of old carry the address alone.
      if (cookie === null) return bytes.toString('latin1');
      return cookie.expires !== 0 && Math.floor(clock.bootMs / 1000) > cookie.expires ? '' : cookie.address;
    },
    write(headers, host, asked, clock) {
      if (host === asked) return false;
      const expires = ttl === 0 ? 0 : Math.floor(clock.bootMs / 1000 + ttl);
      headers.add(H['set-cookie'], `${name}="${encodeSessionCookie({ address: host, expires })}"${rest}`);
      return true;
    },
  };
}

/** Source: Envoy CookieBasedSessionStateFactory. */
function isWithin(requestPath: string, path: string): boolean {
  if (path === '' || path === '/') return true;
  if (!requestPath.startsWith(path)) return false;
  if (path.endsWith('/') || requestPath.length === path.length) return true;
  const next = requestPath[path.length];
  return next === '/' || next === '?' || next === '#';
}

function headerState(key: HeaderKey): SessionState {
  return {
    takes: () => true,
    read: (headers) => decodeBase64(headers.get(key) ?? '').toString('latin1'),
    write(headers, host, asked) {
      if (host === asked) return false;
      headers.set(key, encodeBase64(host));
      return true;
    },
  };
}

/** The upstream's own value goes with the address of the host, and comes back without it. */
function envelopeState(key: HeaderKey): SessionState {
  return {
    takes: () => true,
    read(headers) {
      const parts = (headers.get(key) ?? '').split(';').filter((part) => part !== '');
      const own = parts.slice(1).find((part) => part.startsWith('UV:'));
      const value = decodeBase64(own?.slice('UV:'.length) ?? '');
      if (value.length === 0) return '';
      headers.set(key, value.toString('latin1'));
      return decodeBase64(parts[0] as string).toString('latin1');
    },
    // The upstream says with each answer whether there is a session.
    write(headers, host, asked) {
      const value = onlyValue(headers, key);
      if (value === null) return false;
      headers.set(key, `${encodeBase64(host)};UV:${encodeBase64(value)}`);
      return host !== asked;
    },
  };
}

function onlyValue({ kv }: Headers, key: HeaderKey): string | null {
  let found: string | null = null;
  for (let i = 0; i < kv.length; i += 2) {
    if (kv[i] !== key) continue;
    if (found !== null) return null;
    found = kv[i + 1] as string;
  }
  return found;
}
