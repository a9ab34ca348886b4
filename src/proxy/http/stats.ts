// Statistics of the HTTP connection manager and of the HTTP/1 codec, by Envoy's names.
import type { ScopeOf } from '../../telemetry/metrics.ts';

/** Under 'http.STAT_PREFIX.'. Source: Envoy "HTTP connection manager, statistics". */
export const HTTP_STATS = {
  downstream_cx_total: 'counter', downstream_cx_http1_total: 'counter', downstream_cx_http2_total: 'counter',
  downstream_cx_http3_total: 'counter', downstream_cx_upgrades_total: 'counter', downstream_cx_ssl_total: 'counter',
  downstream_cx_destroy: 'counter', downstream_cx_destroy_local: 'counter', downstream_cx_destroy_remote: 'counter',
  downstream_cx_destroy_active_rq: 'counter', downstream_cx_destroy_local_active_rq: 'counter',
  downstream_cx_destroy_remote_active_rq: 'counter', downstream_cx_delayed_close_timeout: 'counter',
  downstream_cx_drain_close: 'counter', downstream_cx_idle_timeout: 'counter',
  downstream_cx_max_duration_reached: 'counter', downstream_cx_max_requests_reached: 'counter',
  downstream_cx_overload_disable_keepalive: 'counter', downstream_cx_protocol_error: 'counter',
  downstream_cx_rx_bytes_total: 'counter', downstream_cx_tx_bytes_total: 'counter',
  downstream_cx_http1_soft_drain: 'gauge',
  downstream_flow_control_paused_reading_total: 'counter', downstream_flow_control_resumed_reading_total: 'counter',
  downstream_rq_total: 'counter', downstream_rq_http1_total: 'counter', downstream_rq_http2_total: 'counter',
  downstream_rq_http3_total: 'counter', downstream_rq_completed: 'counter', downstream_rq_1xx: 'counter',
  downstream_rq_2xx: 'counter', downstream_rq_3xx: 'counter', downstream_rq_4xx: 'counter',
  downstream_rq_5xx: 'counter',
  downstream_rq_failed_path_normalization: 'counter', downstream_rq_idle_timeout: 'counter',
  downstream_rq_header_timeout: 'counter', downstream_rq_max_duration_reached: 'counter',
  downstream_rq_non_relative_path: 'counter', downstream_rq_overload_close: 'counter',
  downstream_rq_redirected_with_normalized_path: 'counter', downstream_rq_rejected_via_ip_detection: 'counter',
  downstream_rq_response_before_rq_complete: 'counter', downstream_rq_rx_reset: 'counter',
  downstream_rq_timeout: 'counter', downstream_rq_too_large: 'counter', downstream_rq_tx_reset: 'counter',
  downstream_rq_too_many_premature_resets: 'counter', downstream_rq_ws_on_non_ws_route: 'counter',
  rs_too_large: 'counter',
  downstream_cx_active: 'gauge', downstream_cx_http1_active: 'gauge', downstream_cx_http2_active: 'gauge',
  downstream_cx_http3_active: 'gauge', downstream_cx_ssl_active: 'gauge', downstream_cx_upgrades_active: 'gauge',
  downstream_cx_rx_bytes_buffered: 'gauge', downstream_cx_tx_bytes_buffered: 'gauge', downstream_rq_active: 'gauge',
  downstream_cx_length_ms: 'histogram', downstream_rq_time: 'histogram',
} as const; // biome-ignore format: a table.

/** Under 'http.STAT_PREFIX.', with record_route_resolution_stats. */
export const ROUTE_RESOLUTION_STATS = {
  downstream_rq_route_resolution_time_us: 'histogram',
  downstream_rq_route_resolutions: 'histogram',
} as const;

/** Under 'http.STAT_PREFIX.tracing.'. */
export const TRACING_STATS = {
  client_enabled: 'counter',
  health_check: 'counter',
  not_traceable: 'counter',
  random_sampling: 'counter',
  service_forced: 'counter',
} as const;

/** Under 'http1.' of the whole process. */
export const HTTP1_CODEC_STATS = {
  dropped_headers_with_underscores: 'counter',
  metadata_not_supported_error: 'counter',
  requests_rejected_with_underscores_in_headers: 'counter',
  response_flood: 'counter',
} as const;

/** Under 'listener.ADDRESS.http.STAT_PREFIX.'. */
export const LISTENER_HTTP_STATS = {
  downstream_rq_completed: 'counter',
  downstream_rq_1xx: 'counter',
  downstream_rq_2xx: 'counter',
  downstream_rq_3xx: 'counter',
  downstream_rq_4xx: 'counter',
  downstream_rq_5xx: 'counter',
} as const;

export type RouteResolutionScope = ScopeOf<typeof ROUTE_RESOLUTION_STATS>;
export type HttpScope = ScopeOf<typeof HTTP_STATS>;
export type Http1CodecScope = ScopeOf<typeof HTTP1_CODEC_STATS>;
export type ListenerHttpScope = ScopeOf<typeof LISTENER_HTTP_STATS>;

/** Counts an answer by its class, for the connection manager and its listener. */
export function countStatus(status: number, stats: HttpScope, listener: ListenerHttpScope): void {
  stats.inc(stats.i.downstream_rq_completed);
  listener.inc(listener.i.downstream_rq_completed);
  if (status >= 200 && status < 300) {
    stats.inc(stats.i.downstream_rq_2xx);
    listener.inc(listener.i.downstream_rq_2xx);
  } else if (status >= 300 && status < 400) {
    stats.inc(stats.i.downstream_rq_3xx);
    listener.inc(listener.i.downstream_rq_3xx);
  } else if (status >= 400 && status < 500) {
    stats.inc(stats.i.downstream_rq_4xx);
    listener.inc(listener.i.downstream_rq_4xx);
  } else if (status >= 500 && status < 600) {
    stats.inc(stats.i.downstream_rq_5xx);
    listener.inc(listener.i.downstream_rq_5xx);
  } else if (status < 200) {
    stats.inc(stats.i.downstream_rq_1xx);
    listener.inc(listener.i.downstream_rq_1xx);
  }
}
