// Filter chains of outbound listeners before they are messages: what they match, and what becomes of a connection.
import { formatCidr, formatIp, maskIp, parseCidr, parseIp } from '../../../../base/ip.ts';
import type { CidrRange, FilterChainMatch } from '../../../../proto/generated/types.d.ts';
import type { Protocol } from '../../../model/service.ts';
import type { TcpTarget } from '../tcp-proxy.ts';

export type OutboundChain = {
  readonly sniHosts: readonly string[];
  readonly cidrs: readonly string[];
  readonly applicationProtocols: readonly string[];
  readonly transportProtocol: '' | 'raw_buffer' | 'tls';
  /** The object that asked for it, as metadata shows it; '' for what a service alone brings. */
  readonly reference: string;
  readonly target: TcpTarget | HttpTarget;
};

export type HttpTarget = {
  readonly rds: string;
  readonly protocol: Protocol;
  /** Caches of services that are resolved per request. */
  readonly dynamicCaches: readonly string[];
};

/** One listener to be: where it binds, and its chains in order. */
export type OutboundEntry = {
  readonly name: string;
  /** The first names the listener. */
  readonly binds: readonly string[];
  readonly port: number;
  readonly bindToPort: boolean;
  readonly protocol: Protocol;
  /** Made for one pod of a headless service; its own proxy leaves it out. */
  readonly podAddress: string;
  readonly chains: readonly OutboundChain[];
};

export function isHttpTarget(target: OutboundChain['target']): target is HttpTarget {
  return 'rds' in target;
}

export function hasHttp(entry: OutboundEntry): boolean {
  return entry.chains.some((chain) => isHttpTarget(chain.target));
}

export function isMatchAll(chain: OutboundChain): boolean {
  return (
    (chain.sniHosts.length === 0 || chain.sniHosts.includes('*')) &&
    chain.applicationProtocols.length === 0 &&
    chain.transportProtocol === '' &&
    chain.cidrs.length === 0
  );
}

export function chainMatch(chain: OutboundChain): FilterChainMatch {
  const match: FilterChainMatch = {};
  if (chain.applicationProtocols.length > 0) match.application_protocols = [...chain.applicationProtocols];
  if (chain.transportProtocol !== '') match.transport_protocol = chain.transportProtocol;
  if (chain.sniHosts.length > 0 && !chain.sniHosts.includes('*')) match.server_names = [...chain.sniHosts].sort();
  const ranges = [...chain.cidrs].sort().flatMap((text) => {
    const range = cidrRange(text);
    return range === null || range.address_prefix === '0.0.0.0' ? [] : [range];
  });
  if (ranges.length > 0) match.prefix_ranges = ranges;
  return match;
}

/** An address or a range; the address keeps its host bits, as istiod leaves them. Null for what is neither. */
export function cidrRange(text: string): CidrRange | null {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const ip = parseIp(address);
  if (ip === null || (slash >= 0 && parseCidr(text) === null)) return null;
  const length = slash < 0 ? (address.includes(':') ? 128 : 32) : Number(text.slice(slash + 1));
  return { address_prefix: formatIp(ip), prefix_len: length };
}

/** Two chains that a proxy could not tell apart. The order of names and ranges does not matter. */
export function isSameMatch(a: OutboundChain, b: OutboundChain): boolean {
  return (
    a.transportProtocol === b.transportProtocol &&
    a.applicationProtocols.join() === b.applicationProtocols.join() &&
    sameSet(a.sniHosts.filter(isNoWildcard), b.sniHosts.filter(isNoWildcard)) &&
    sameSet(networks(a.cidrs), networks(b.cidrs))
  );
}

function isNoWildcard(host: string): boolean {
  return host !== '*';
}

function networks(cidrs: readonly string[]): string[] {
  return cidrs.flatMap((text) => {
    const range = cidrRange(text);
    const ip = range === null ? null : parseIp(range.address_prefix as string);
    if (range === null || ip === null || range.address_prefix === '0.0.0.0') return [];
    const length = range.prefix_len as number;
    return [formatCidr({ ip: maskIp(ip, length), length })];
  });
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const left = new Set(a);
  const right = new Set(b);
  return left.size === right.size && [...left].every((value) => right.has(value));
}
