// Statistics of outlier detection by Envoy's names, under 'cluster.NAME.outlier_detection.'.
import type { ScopeOf } from '../../../telemetry/metrics.ts';
import type { EjectionType } from './outlier-config.ts';

/** Source: Envoy ALL_OUTLIER_DETECTION_STATS. The worker that decides counts. */
export const OUTLIER_STATS = {
  ejections_consecutive_5xx: 'counter',
  ejections_detected_consecutive_5xx: 'counter',
  ejections_detected_consecutive_gateway_failure: 'counter',
  ejections_detected_consecutive_local_origin_failure: 'counter',
  ejections_detected_degradation: 'counter',
  ejections_detected_failure_percentage: 'counter',
  ejections_detected_local_origin_failure_percentage: 'counter',
  ejections_detected_local_origin_success_rate: 'counter',
  ejections_detected_success_rate: 'counter',
  ejections_enforced_consecutive_5xx: 'counter',
  ejections_enforced_consecutive_gateway_failure: 'counter',
  ejections_enforced_consecutive_local_origin_failure: 'counter',
  ejections_enforced_failure_percentage: 'counter',
  ejections_enforced_local_origin_failure_percentage: 'counter',
  ejections_enforced_local_origin_success_rate: 'counter',
  ejections_enforced_success_rate: 'counter',
  ejections_enforced_total: 'counter',
  ejections_overflow: 'counter',
  ejections_success_rate: 'counter',
  ejections_total: 'counter',
  ejections_active: 'gauge-once',
} as const;

export type OutlierScope = ScopeOf<typeof OUTLIER_STATS>;

/** How 'ejections_detected_' and 'ejections_enforced_' go on. */
export const STAT_NAMES = {
  CONSECUTIVE_5XX: 'consecutive_5xx',
  CONSECUTIVE_GATEWAY_FAILURE: 'consecutive_gateway_failure',
  CONSECUTIVE_LOCAL_ORIGIN_FAILURE: 'consecutive_local_origin_failure',
  SUCCESS_RATE: 'success_rate',
  SUCCESS_RATE_LOCAL_ORIGIN: 'local_origin_success_rate',
  FAILURE_PERCENTAGE: 'failure_percentage',
  FAILURE_PERCENTAGE_LOCAL_ORIGIN: 'local_origin_failure_percentage',
} as const satisfies Readonly<Record<Exclude<EjectionType, 'DEGRADED'>, string>>;
