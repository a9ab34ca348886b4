// Decodes the network filters of a cluster, which look at every connection to its hosts.
import type { Filter } from '../../proto/generated/types.d.ts';
import type { UpstreamFilterConfig } from '../cluster/upstream-filter.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

export const CLUSTER_FILTER_FIELDS = {
  'envoy.config.cluster.v3.Filter': 'name typed_config',
} as const;

/** `d` is at the cluster. */
export function decodeClusterFilters(
  messages: readonly Pick<Filter, 'name' | 'typed_config'>[] | undefined,
  d: ConfigDecoder,
): readonly UpstreamFilterConfig[] {
  const filters: UpstreamFilterConfig[] = [];
  for (const [i, { typed_config: any }] of (messages ?? []).entries()) {
    const dc = d.at('filters', i).at('typed_config');
    if (any === undefined) {
      dc.reject('', 'is required');
      continue;
    }
    const unpacked = d.environment.unpack(any, dc);
    if (unpacked === null) continue;
    const factory = d.environment.upstreamFilter?.(unpacked.type) ?? null;
    if (factory === null) dc.reject('', `no network filter of type ${unpacked.type} for clusters`);
    else filters.push({ factory, config: factory.decode(unpacked.message as never, dc) });
  }
  return Object.freeze(filters);
}
