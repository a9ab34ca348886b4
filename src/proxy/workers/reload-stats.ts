// Envoy's statistics of configurations that took effect: under 'cluster_manager.cds.' and 'http.PREFIX.rds.NAME.'.
import type { Clock } from '../../base/clock.ts';
import type { StatStore } from '../../telemetry/metrics.ts';

/** All workers take the same: one counts. */
const RELOAD_STATS = { config_reload: 'counter-once', config_reload_time_ms: 'gauge-once' } as const;

/** Something under that prefix changed; what was resent as it is does not count. */
export function countReload(
  { stats, clock }: { readonly stats: StatStore; readonly clock: Clock },
  prefix: string,
): void {
  const scope = stats.scope(prefix, RELOAD_STATS);
  scope.inc(scope.i.config_reload);
  scope.set(scope.i.config_reload_time_ms, Math.floor(clock.wallMs));
}
