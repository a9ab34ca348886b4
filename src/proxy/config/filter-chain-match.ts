// Decodes when a filter chain is taken, and refuses chains of one listener between which nothing decides.
import type { Cidr } from '../../base/ip.ts';
import { asciiLower, bytesOf } from '../../base/matcher-text.ts';
import type { FilterChainMatch as FilterChainMatchPb } from '../../proto/generated/types.d.ts';
import { toJson } from '../../proto/json-encode.ts';
import { registry } from '../../proto/registry.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { findOverlap } from '../listener/filter-chain-match.ts';
import type { FilterChainMatch, SourceType } from '../listener/filter-chain-match.ts';
import { decodeCidrs } from './matcher.ts';
import type { CidrRangePb } from './matcher.ts';

const MESSAGE = 'envoy.config.listener.v3.FilterChainMatch';

/** Supported fields; `address_suffix` and `suffix_len` are refused by Envoy too: "contains unimplemented fields". */
export const FILTER_CHAIN_MATCH_FIELDS = {
  [MESSAGE]: `
    destination_port prefix_ranges server_names transport_protocol application_protocols direct_source_prefix_ranges
    source_type source_prefix_ranges source_ports`,
  'envoy.config.core.v3.CidrRange': 'address_prefix prefix_len',
} as const;

/** Returns the match; null when there is none, which takes everything. Reasons have Envoy's words. */
export function decodeFilterChainMatch(
  message: FilterChainMatchPb | undefined,
  d: ConfigDecoder,
): FilterChainMatch | null {
  if (message === undefined) return null;
  return Object.freeze({
    destinationPort: message.destination_port ?? 0,
    prefixRanges: decodeRanges(message, d, 'prefix_ranges'),
    serverNames: decodeServerNames(message.server_names ?? [], d),
    transportProtocol: message.transport_protocol ?? '',
    applicationProtocols: (message.application_protocols ?? []).map(bytesOf),
    directSourcePrefixRanges: decodeRanges(message, d, 'direct_source_prefix_ranges'),
    sourceType: (message.source_type ?? 'ANY') as SourceType,
    sourcePrefixRanges: decodeRanges(message, d, 'source_prefix_ranges'),
    sourcePorts: message.source_ports ?? [],
  });
}

type RangeField = 'prefix_ranges' | 'direct_source_prefix_ranges' | 'source_prefix_ranges';

function decodeRanges(message: FilterChainMatchPb, d: ConfigDecoder, field: RangeField): readonly Cidr[] {
  return decodeCidrs(message[field] as readonly CidrRangePb[] | undefined, d, field);
}

/** Wildcards lose their star: '*.example.com' is kept as '.example.com'. */
function decodeServerNames(names: readonly string[], d: ConfigDecoder): string[] {
  return names.map((name, i) => {
    const isWildcard = name.startsWith('*.');
    if (!isWildcard && name.includes('*')) {
      d.at('server_names', i).reject('', 'partial wildcards are not supported in "server_names"');
    }
    return asciiLower(bytesOf(name)).slice(isWildcard ? 1 : 0);
  });
}

export type MatchedChain = {
  readonly name: string;
  readonly message: FilterChainMatchPb | undefined;
  readonly match: FilterChainMatch | null;
};

/** Refuses chains that ask for the same, in whole or in part; `d` is the listener's decoder. */
export function rejectOverlaps(chains: readonly MatchedChain[], d: ConfigDecoder): void {
  const type = registry.message(MESSAGE);
  const seen = new Map<string, string>();
  for (const [i, { name, message = {} }] of chains.entries()) {
    const text = JSON.stringify(toJson(type, message, { preserveProtoFieldNames: true }));
    const other = seen.get(text);
    if (other !== undefined) {
      const reason = `filter chain '${name}' has the same matching rules defined as '${other}'`;
      d.at('filter_chains', i).reject('filter_chain_match', `${reason}. duplicate matcher is: ${text}`);
      return;
    }
    seen.set(text, name);
  }
  const overlap = findOverlap(chains.map(({ match }) => match));
  if (overlap < 0) return;
  const reason = 'multiple filter chains with overlapping matching rules are defined';
  d.at('filter_chains', overlap).reject('filter_chain_match', reason);
}
