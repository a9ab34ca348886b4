// Statistics of the HTTP/2 codec by Envoy's names: 'http2.…' downstream, 'cluster.NAME.http2.…' upstream.
import type { Scope, ScopeOf } from '../../telemetry/metrics.ts';
import type { Http2Counter } from '../../wire/http2/flood-guard.ts';

/**
 * One scope for all connections of a side; made with the first of them, which is when Envoy's appear. What the wire
 * counts has the wire's names (`Http2Counter`). Source: Envoy Http2::CodecStats.
 */
export const HTTP2_CODEC_STATS = {
  cookies_total_bytes_too_large: 'counter', dropped_headers_with_underscores: 'counter', goaway_sent: 'counter',
  header_list_size_too_large: 'counter', header_overflow: 'counter', headers_cb_no_stream: 'counter',
  inbound_empty_frames_flood: 'counter', inbound_priority_frames_flood: 'counter',
  inbound_window_update_frames_flood: 'counter', keepalive_timeout: 'counter', metadata_empty_frames: 'counter',
  nghttp2_downstream_connections: 'counter', nghttp2_upstream_connections: 'counter',
  oghttp2_downstream_connections: 'counter', oghttp2_upstream_connections: 'counter',
  outbound_control_flood: 'counter', outbound_flood: 'counter',
  requests_rejected_with_underscores_in_headers: 'counter', rx_messaging_error: 'counter', rx_reset: 'counter',
  stream_refused_errors: 'counter', trailers: 'counter', tx_flush_timeout: 'counter', tx_reset: 'counter',
  deferred_stream_close: 'gauge', outbound_control_frames_active: 'gauge', outbound_frames_active: 'gauge',
  pending_send_bytes: 'gauge', streams_active: 'gauge',
  // Envoy makes these and, with its defaults, records nothing.
  cookie_count: 'histogram', cookie_size: 'histogram', header_count: 'histogram', header_list_size: 'histogram',
} as const; // biome-ignore format: a table.

export type Http2CodecScope = ScopeOf<typeof HTTP2_CODEC_STATS>;

/** The codec's statistics beside those of `scope`, a cluster or the root. Whoever asks releases it. */
export function http2StatsOf(scope: Scope): Http2CodecScope {
  return scope.store.scope(`${scope.prefix}http2.`, HTTP2_CODEC_STATS);
}

/** For `Http2Events.count`. */
export function countHttp2(stats: Http2CodecScope, counter: Http2Counter): void {
  stats.inc(stats.i[counter]);
}
