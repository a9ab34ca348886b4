// Who may ask the admin interface: the paths of allow_paths, and nothing that a web page of another origin could send.
import type { Address } from '../../base/byte-stream.ts';
import type { StringMatcher } from '../../base/matcher.ts';
import { parseIp } from '../../base/ip.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { AdminResponse } from './admin-handler.ts';

const ORIGIN = headerKey('origin');
const FETCH_SITE = headerKey('sec-fetch-site');

/** Source: Envoy, admin.allow_paths: matched with the query, after the path was normalised. */
export function refusedPath(path: string, allowed: readonly StringMatcher[]): AdminResponse | null {
  if (allowed.length === 0 || allowed.some((matcher) => matcher.matches(path))) return null;
  return { status: 403, body: `request to path ${path} not allowed` };
}

/**
 * A page that somebody on this machine reads in a browser can send requests here. It cannot read the answers unless
 * its own name leads here (DNS rebinding), which the host tells; and what changes something must come of no page but
 * ours. Tools send neither header.
 */
export function refusedOrigin(headers: Headers, changes: boolean, address: Address): AdminResponse | null {
  const { authority: host } = headers;
  if (isLoopback(address) && !isOwnName(hostOf(host))) {
    const what = `The host ${JSON.stringify(host)} is not this machine's loopback address`;
    return { status: 403, body: `${what}: ask for 127.0.0.1, [::1] or localhost.\n` };
  }
  if (!changes) return null;
  const site = headers.get(FETCH_SITE) ?? 'none';
  if ((site === 'same-origin' || site === 'none') && !isOtherOrigin(headers.get(ORIGIN), host)) return null;
  return { status: 403, body: 'A page of another origin may not change anything here.\n' };
}

function isOtherOrigin(origin: string | undefined, host: string): boolean {
  if (origin === undefined) return false;
  const at = origin.indexOf('://');
  return at < 0 || origin.slice(at + 3).toLowerCase() !== host.toLowerCase();
}

function isLoopback(address: Address): boolean {
  return address.family !== 'unix' && (address.address.startsWith('127.') || address.address === '::1');
}

/** An address, or a name that nobody elsewhere can own: those of one label lead to what this machine says they are. */
function isOwnName(name: string): boolean {
  return !/[.:]/.test(name) || name.endsWith('.localhost') || parseIp(name) !== null;
}

function hostOf(host: string): string {
  const text = host.toLowerCase();
  if (text.startsWith('[')) return text.slice(1, text.indexOf(']'));
  const colon = text.lastIndexOf(':');
  return colon < 0 ? text : text.slice(0, colon);
}
