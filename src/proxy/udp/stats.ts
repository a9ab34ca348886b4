// Statistics of UDP by Envoy's names: of listeners, of udp_proxy, and what clusters count of sessions.
import type { Scope, ScopeOf } from '../../telemetry/metrics.ts';
import type { Cluster } from '../cluster/cluster.ts';

/** Under 'listener.ADDRESS.udp.'. */
export const UDP_LISTENER_STATS = { downstream_rx_datagram_dropped: 'counter' } as const;

/** Under 'udp.STAT_PREFIX.'. Source: Envoy "UDP proxy, statistics". */
export const UDP_PROXY_STATS = {
  downstream_sess_no_route: 'counter',
  downstream_sess_rx_bytes: 'counter',
  downstream_sess_rx_datagrams: 'counter',
  downstream_sess_rx_errors: 'counter',
  downstream_sess_total: 'counter',
  downstream_sess_tx_bytes: 'counter',
  downstream_sess_tx_datagrams: 'counter',
  downstream_sess_tx_errors: 'counter',
  idle_timeout: 'counter',
  session_filter_config_missing: 'counter',
  downstream_sess_active: 'gauge',
} as const;

export type UdpProxyScope = ScopeOf<typeof UDP_PROXY_STATS>;

/** Under 'cluster.NAME.udp.'; those of tunnels stay 0. */
const CLUSTER_NAMES = [
  'sess_rx_datagrams',
  'sess_rx_datagrams_dropped',
  'sess_rx_errors',
  'sess_tunnel_buffer_overflow',
  'sess_tunnel_failure',
  'sess_tunnel_success',
  'sess_tx_datagrams',
  'sess_tx_errors',
] as const;

/** Cells of a cluster's scope. */
export type UdpClusterCells = { readonly [name in (typeof CLUSTER_NAMES)[number]]: number };

const cellsOf = new WeakMap<Scope, UdpClusterCells>();

/** They appear with the first udp_proxy that names the cluster. */
export function udpClusterCells(cluster: Cluster): UdpClusterCells {
  const { scope } = cluster;
  let cells = cellsOf.get(scope);
  if (cells === undefined) {
    const entries = CLUSTER_NAMES.map((name) => [name, scope.dynamicCounter(`udp.${name}`)]);
    cells = Object.fromEntries(entries) as UdpClusterCells;
    cellsOf.set(scope, cells);
  }
  return cells;
}
