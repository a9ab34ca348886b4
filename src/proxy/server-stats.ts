// Statistics of the process as a whole, by Envoy's names.
import type { ScopeOf } from '../telemetry/metrics.ts';

/** Under 'server.'. Source: Envoy "Server, statistics". */
export const SERVER_STATS = {
  uptime: 'gauge', concurrency: 'gauge', memory_allocated: 'gauge', memory_heap_size: 'gauge',
  memory_physical_size: 'gauge', live: 'gauge', state: 'gauge', parent_connections: 'gauge', total_connections: 'gauge',
  version: 'gauge', days_until_first_cert_expiring: 'gauge', seconds_until_first_ocsp_response_expiring: 'gauge',
  hot_restart_epoch: 'gauge', hot_restart_generation: 'gauge', debug_assertion_failures: 'counter',
  envoy_bug_failures: 'counter', static_unknown_fields: 'counter', dynamic_unknown_fields: 'counter',
  wip_protos: 'counter', dropped_stat_flushes: 'counter', initialization_time_ms: 'histogram',
  fips_mode: 'gauge', stats_recent_lookups: 'gauge',
} as const; // biome-ignore format: a table.

export type ServerScope = ScopeOf<typeof SERVER_STATS>;

/** Under 'runtime.'. */
export const RUNTIME_STATS = {
  deprecated_feature_use: 'counter', load_error: 'counter', load_success: 'counter', override_dir_exists: 'counter',
  override_dir_not_exists: 'counter', admin_overrides_active: 'gauge',
  deprecated_feature_seen_since_process_start: 'gauge',
  num_keys: 'gauge', num_layers: 'gauge',
} as const; // biome-ignore format: a table.

/** Under 'heddle.', of a proxy with several workers; Envoy has nothing of the kind, because its workers end with it. */
export const CREW_STATS = { worker_restarts: 'counter' } as const;

export type CrewScope = ScopeOf<typeof CREW_STATS>;
