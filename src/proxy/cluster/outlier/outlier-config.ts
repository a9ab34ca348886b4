// Outlier detection of a cluster at run time: frozen, with Envoy's defaults. Times in ms, shares in per cent.
import type { Headers } from '../../../wire/headers.ts';

export type OutlierConfig = {
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly consecutiveLocalOriginFailure: number;
  /** split_external_local_origin_errors. */
  readonly isSplit: boolean;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionJitterMs: number;
  readonly maxEjectionPercent: number;
  readonly alwaysEjectsOne: boolean;
  /** detect_degraded_hosts. */
  readonly detectsDegraded: boolean;
  readonly enforcing: Readonly<Record<Exclude<EjectionType, 'DEGRADED'>, number>>;
  readonly successRate: { readonly minimumHosts: number; readonly requestVolume: number; readonly stdevFactor: number };
  readonly failurePercentage: {
    readonly minimumHosts: number;
    readonly requestVolume: number;
    readonly threshold: number;
  };
};

/** Which answers are errors, instead of their codes; null: the codes say so. */
export type ErrorMatcher = (response: Headers) => boolean;

/** Source: Envoy envoy.data.cluster.v3.OutlierEjectionType. */
export type EjectionType =
  | 'CONSECUTIVE_5XX'
  | 'CONSECUTIVE_GATEWAY_FAILURE'
  | 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE'
  | 'SUCCESS_RATE'
  | 'SUCCESS_RATE_LOCAL_ORIGIN'
  | 'FAILURE_PERCENTAGE'
  | 'FAILURE_PERCENTAGE_LOCAL_ORIGIN'
  | 'DEGRADED';

/** Runtime keys. Source: Envoy outlier_detection_impl.h. */
export const OUTLIER_KEYS = {
  consecutive5xx: 'outlier_detection.consecutive_5xx',
  consecutiveGatewayFailure: 'outlier_detection.consecutive_gateway_failure',
  consecutiveLocalOriginFailure: 'outlier_detection.consecutive_local_origin_failure',
  intervalMs: 'outlier_detection.interval_ms',
  baseEjectionMs: 'outlier_detection.base_ejection_time_ms',
  maxEjectionMs: 'outlier_detection.max_ejection_time_ms',
  maxEjectionJitterMs: 'outlier_detection.max_ejection_time_jitter_ms',
  maxEjectionPercent: 'outlier_detection.max_ejection_percent',
  successRateMinimumHosts: 'outlier_detection.success_rate_minimum_hosts',
  successRateRequestVolume: 'outlier_detection.success_rate_request_volume',
  successRateStdevFactor: 'outlier_detection.success_rate_stdev_factor',
  failurePercentageMinimumHosts: 'outlier_detection.failure_percentage_minimum_hosts',
  failurePercentageRequestVolume: 'outlier_detection.failure_percentage_request_volume',
  failurePercentageThreshold: 'outlier_detection.failure_percentage_threshold',
} as const;

export const ENFORCING_KEYS: Readonly<Record<Exclude<EjectionType, 'DEGRADED'>, string>> = {
  CONSECUTIVE_5XX: 'outlier_detection.enforcing_consecutive_5xx',
  CONSECUTIVE_GATEWAY_FAILURE: 'outlier_detection.enforcing_consecutive_gateway_failure',
  CONSECUTIVE_LOCAL_ORIGIN_FAILURE: 'outlier_detection.enforcing_consecutive_local_origin_failure',
  SUCCESS_RATE: 'outlier_detection.enforcing_success_rate',
  SUCCESS_RATE_LOCAL_ORIGIN: 'outlier_detection.enforcing_local_origin_success_rate',
  FAILURE_PERCENTAGE: 'outlier_detection.enforcing_failure_percentage',
  FAILURE_PERCENTAGE_LOCAL_ORIGIN: 'outlier_detection.enforcing_failure_percentage_local_origin',
};
