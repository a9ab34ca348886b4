// Connections and filter chain matches for tests, made of what a test is about and nothing else.
import { parseCidr } from '../../src/base/ip.ts';
import type { Cidr } from '../../src/base/ip.ts';
import type { Address } from '../../src/base/byte-stream.ts';
import { MATCH_ALL } from '../../src/proxy/listener/filter-chain-match.ts';
import type { ChainFacts, FilterChainMatch } from '../../src/proxy/listener/filter-chain-match.ts';

/** '1.2.3.4:80', '[::1]:80', or a path. */
export function addressOf(text: string): Address {
  if (text.startsWith('/')) return { family: 'unix', address: text, port: 0 };
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  return { family: host.includes(':') ? 'ipv6' : 'ipv4', address: host, port: Number(text.slice(colon + 1)) };
}

export type FactsText = {
  readonly to?: string;
  readonly from?: string;
  /** The socket's own peer; `from` when absent. */
  readonly direct?: string;
  readonly transport?: string;
  readonly name?: string;
  readonly alpn?: readonly string[];
};

export function factsOf(text: FactsText = {}): ChainFacts {
  const from = text.from ?? '10.9.9.9:40000';
  return {
    localAddress: addressOf(text.to ?? '10.0.0.1:443'),
    remoteAddress: addressOf(from),
    directRemoteAddress: addressOf(text.direct ?? from),
    transportProtocol: text.transport ?? '',
    serverName: text.name ?? '',
    applicationProtocols: text.alpn ?? [],
  };
}

export function ranges(...texts: readonly string[]): readonly Cidr[] {
  return texts.map((text) => parseCidr(text) as Cidr);
}

export function matchOf(change: Partial<FilterChainMatch> = {}): FilterChainMatch {
  return { ...MATCH_ALL, ...change };
}
