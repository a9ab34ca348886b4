// Statistics of the DNS server: Istio's, under the names that its agent exports, and our own.
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';

/** Under 'istiocustom.', which Prometheus does not see. Source: Istio pkg/dns/client; its agent adds `istio_agent_`. */
export const ISTIO_DNS_STATS = {
  istio_agent_dns_requests_total: 'counter',
  istio_agent_dns_upstream_requests_total: 'counter',
  istio_agent_dns_upstream_failures_total: 'counter',
  // Of this kind fractions are kept: it is recorded in microseconds and shown in seconds.
  istio_agent_dns_upstream_request_duration_seconds: 'histogram-percent',
} as const;

/** Under 'dns.server.'. */
export const DNS_SERVER_STATS = {
  table_answers: 'counter', cache_hits: 'counter', cache_misses: 'counter', cache_evictions: 'counter',
  queries_malformed: 'counter', queries_ignored: 'counter', queries_overflow: 'counter', queries_early: 'counter',
  answers_truncated: 'counter', answers_spoofed: 'counter', tcp_connections: 'counter', tcp_overflow: 'counter',
  table_names: 'gauge', table_updates: 'counter', cache_entries: 'gauge', cache_bytes: 'gauge',
  upstream_active: 'gauge', tcp_active: 'gauge',
} as const; // biome-ignore format: a table.

export type DnsStats = {
  readonly istio: ScopeOf<typeof ISTIO_DNS_STATS>;
  readonly own: ScopeOf<typeof DNS_SERVER_STATS>;
};

export function dnsStats(stats: StatStore): DnsStats {
  return {
    istio: stats.scope('istiocustom.', ISTIO_DNS_STATS),
    own: stats.scope('dns.server.', DNS_SERVER_STATS),
  };
}
