// How a cluster chooses among its endpoints, and when it gives one up for a while.
import type { Cluster, Cluster_SlowStartConfig, OutlierDetection } from '../../../proto/generated/types.d.ts';
import { durationMs, protoDuration } from '../../model/duration.ts';
import { isMaglevTable, MAX_RING, percentWithin } from '../../model/limits.ts';
import type { TrafficPolicy } from '../../model/traffic-policy.ts';
import type { LocalitySetting } from '../endpoint/locality.ts';

type Json = Readonly<Record<string, unknown>>;

const DEFAULT_RING = 1024;

/** `locality`: what holds for this service, of the rule, the service itself or the mesh. */
export function applyLoadBalancer(
  cluster: Cluster,
  settings: TrafficPolicy['loadBalancer'],
  locality: LocalitySetting,
): void {
  const mayFailOver = locality.isFailoverForced || cluster.outlier_detection !== undefined;
  const { setting } = locality;
  if (
    setting !== null &&
    (setting['distribute'] != null ||
      (mayFailOver && (setting['failover'] != null || setting['failoverPriority'] != null)))
  ) {
    cluster.common_lb_config = { ...cluster.common_lb_config, locality_weighted_lb_config: {} };
  }
  if (cluster.type === 'ORIGINAL_DST') {
    cluster.lb_policy = 'CLUSTER_PROVIDED';
    return;
  }
  applySimple(cluster, settings ?? {});
  applyConsistentHash(cluster, json(settings?.['consistentHash']));
}

function applySimple(cluster: Cluster, settings: Json): void {
  const slowStart = slowStartOf(settings);
  switch (settings['simple']) {
    case 'RANDOM':
      cluster.lb_policy = 'RANDOM';
      return;
    case 'ROUND_ROBIN':
      cluster.lb_policy = 'ROUND_ROBIN';
      if (slowStart !== null) cluster.round_robin_lb_config = { slow_start_config: slowStart };
      return;
    case 'PASSTHROUGH':
      cluster.lb_policy = 'CLUSTER_PROVIDED';
      cluster.type = 'ORIGINAL_DST';
      delete cluster.load_assignment;
      return;
    default:
      cluster.lb_policy = 'LEAST_REQUEST';
      if (slowStart !== null) cluster.least_request_lb_config = { slow_start_config: slowStart };
  }
}

function slowStartOf(settings: Json): Cluster_SlowStartConfig | null {
  const warmup = json(settings['warmup']);
  if (warmup !== null) {
    const { duration, aggression, minimumPercent } = warmup;
    return {
      slow_start_window: protoDuration(durationMs(String(duration)) ?? 0),
      // The key must not be empty, and nobody sets such a one at run time.
      aggression: {
        default_value: typeof aggression === 'number' && aggression > 0 ? aggression : 1,
        runtime_key: '(',
      },
      min_weight_percent: { value: typeof minimumPercent === 'number' ? percentWithin(minimumPercent) : 10 },
    };
  }
  const window = settings['warmupDurationSecs'];
  return typeof window === 'string' ? { slow_start_window: protoDuration(durationMs(window) ?? 0) } : null;
}

function applyConsistentHash(cluster: Cluster, hash: Json | null): void {
  if (hash === null) return;
  const maglev = json(hash['maglev']);
  const ring = json(hash['ringHash']);
  delete cluster.round_robin_lb_config;
  delete cluster.least_request_lb_config;
  if (maglev !== null) {
    cluster.lb_policy = 'MAGLEV';
    const size = number(maglev['tableSize']);
    if (isMaglevTable(size)) cluster.maglev_lb_config = { table_size: size };
    return;
  }
  cluster.lb_policy = 'RING_HASH';
  const size = ring === null ? number(hash['minimumRingSize']) || DEFAULT_RING : number(ring['minimumRingSize']);
  if (size > 0) cluster.ring_hash_lb_config = { minimum_ring_size: Math.min(size, MAX_RING) };
}

/** Ejection by success rate is always off: Istio has no setting for it. */
export function applyOutlierDetection(cluster: Cluster, settings: TrafficPolicy['outlierDetection']): void {
  if (settings == null) return;
  const detection: OutlierDetection = { enforcing_success_rate: 0 };
  const errors = settings['consecutive5xxErrors'];
  if (typeof errors === 'number') {
    detection.consecutive_5xx = errors;
    detection.enforcing_consecutive_5xx = errors > 0 ? 100 : 0;
  }
  const gatewayErrors = settings['consecutiveGatewayErrors'];
  if (typeof gatewayErrors === 'number') {
    detection.consecutive_gateway_failure = gatewayErrors;
    detection.enforcing_consecutive_gateway_failure = gatewayErrors > 0 ? 100 : 0;
  }
  const interval = settings['interval'];
  if (typeof interval === 'string') detection.interval = protoDuration(durationMs(interval) ?? 0);
  const ejection = settings['baseEjectionTime'];
  if (typeof ejection === 'string') detection.base_ejection_time = protoDuration(durationMs(ejection) ?? 0);
  const percent = number(settings['maxEjectionPercent']);
  if (percent > 0) detection.max_ejection_percent = percentWithin(percent);
  if (settings['splitExternalLocalOriginErrors'] === true) {
    detection.split_external_local_origin_errors = true;
    const failures = number(settings['consecutiveLocalOriginFailures']);
    if (failures > 0) {
      detection.consecutive_local_origin_failure = failures;
      detection.enforcing_consecutive_local_origin_failure = 100;
    }
    detection.enforcing_local_origin_success_rate = 0;
  }
  cluster.outlier_detection = detection;
}

function json(value: unknown): Json | null {
  return typeof value === 'object' && value !== null ? (value as Json) : null;
}

/** 64-bit numbers are strings in YAML that was made of protobuf messages. */
function number(value: unknown): number {
  return typeof value === 'number' || typeof value === 'string' ? Number(value) || 0 : 0;
}
