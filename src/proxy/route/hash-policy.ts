// Hash policies: what of a request decides its place on a consistent-hash ring.
import type { Headers } from '../../wire/headers.ts';
import { hasIp } from '../../base/ip.ts';
import { withoutPort, withPort } from '../formatter/address-text.ts';
import type { MatchContext } from './route.ts';
import { xxHash64 } from './xxhash64.ts';

export type SetCookie = (setCookieValue: string) => void;

export type HashPolicy = {
  readonly terminal: boolean;
  hash(headers: Headers, context: MatchContext, setCookie: SetCookie | undefined): bigint | null;
};

/** Combines the policies' hashes in order; null when none gives one. Source: Envoy HashPolicyImpl::generateHash. */
export function combinedHash(
  policies: readonly HashPolicy[],
  headers: Headers,
  context: MatchContext,
  setCookie: SetCookie | undefined,
): bigint | null {
  let hash: bigint | null = null;
  for (const policy of policies) {
    const next = policy.hash(headers, context, setCookie);
    if (next !== null) {
      // Rotate the old one by a bit so that the order of policies counts.
      const old: bigint = hash === null ? 0n : ((hash << 1n) | (hash >> 63n)) & MASK;
      hash = old ^ next;
    }
    if (policy.terminal && hash !== null) break;
  }
  return hash;
}

const MASK = 0xffff_ffff_ffff_ffffn;

export type CookieAttribute = { readonly name: string; readonly value: string };

/** The set-cookie value for a generated cookie; its value is a hash of the connection's two addresses. */
export function makeCookie(
  name: string,
  context: MatchContext,
  ttlSeconds: number,
  path: string,
  attributes: readonly CookieAttribute[],
): { readonly value: string; readonly header: string } {
  const { info } = context.format;
  const addresses = withPort(info.connection.remoteAddress) + withPort(info.connection.localAddress);
  const value = xxHash64(addresses).toString(16).padStart(16, '0');
  let header = `${name}="${value}"`;
  if (ttlSeconds !== 0) header += `; Max-Age=${ttlSeconds}`;
  if (path !== '') header += `; Path=${path}`;
  for (const attribute of attributes) {
    header += attribute.value === '' ? `; ${attribute.name}` : `; ${attribute.name}=${attribute.value}`;
  }
  return { value, header: `${header}; HttpOnly` };
}

/** connection_properties.source_ip. */
export function sourceIpHash(context: MatchContext): bigint | null {
  const { remoteAddress } = context.format.info;
  return hasIp(remoteAddress) ? xxHash64(withoutPort(remoteAddress)) : null;
}
