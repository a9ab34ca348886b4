// What Heddle's own proxy does not do yet is left out of its clusters: the service works on, and a complaint says so.
import type { NamedCluster } from './outbound.ts';

/** `docs/supported-fields.md` has the same list; rules that ask for it are complained of. */
export function withinHeddle(cluster: NamedCluster): NamedCluster {
  const { ring_hash_lb_config: _ring, maglev_lb_config: _table, ...kept } = cluster;
  if (kept.lb_policy === 'RING_HASH' || kept.lb_policy === 'MAGLEV') kept.lb_policy = 'LEAST_REQUEST';
  return kept as NamedCluster;
}
