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

export type TcpProxyScope = ScopeOf<typeof TCP_PROXY_STATS>;
