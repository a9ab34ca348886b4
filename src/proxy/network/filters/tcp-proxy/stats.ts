// Statistics of tcp_proxy by Envoy's names.
import type { ScopeOf } from '../../../../telemetry/metrics.ts';

/** Under 'tcp.STAT_PREFIX.'. Source: Envoy tcp_proxy.h, ALL_TCP_PROXY_STATS. */
export const TCP_PROXY_STATS = {
  downstream_cx_drain_close: 'counter', downstream_cx_no_route: 'counter', downstream_cx_overload_close: 'counter',
  downstream_cx_rx_bytes_total: 'counter', downstream_cx_total: 'counter', downstream_cx_tx_bytes_total: 'counter',
  downstream_flow_control_paused_reading_total: 'counter', downstream_flow_control_resumed_reading_total: 'counter',
  early_data_received_count_total: 'counter', idle_timeout: 'counter', max_downstream_connection_duration: 'counter',
  route_delayed_total: 'counter', upstream_flush_total: 'counter',
  downstream_cx_rx_bytes_buffered: 'gauge', downstream_cx_tx_bytes_buffered: 'gauge', upstream_flush_active: 'gauge',
} as const; // biome-ignore format: a table.

/** Those of a proxy that asks for clusters, under the same. Source: Envoy ON_DEMAND_TCP_PROXY_STATS. */
export const ON_DEMAND_STATS = {
  on_demand_cluster_attempt: 'counter', on_demand_cluster_missing: 'counter', on_demand_cluster_success: 'counter',
  on_demand_cluster_timeout: 'counter',
} as const; // biome-ignore format: a table.

export const OUTCOME_STATS = {
  available: 'on_demand_cluster_success',
  missing: 'on_demand_cluster_missing',
  timeout: 'on_demand_cluster_timeout',
} as const;

export type OnDemandScope = ScopeOf<typeof ON_DEMAND_STATS>;
export type TcpProxyScope = ScopeOf<typeof TCP_PROXY_STATS>;
