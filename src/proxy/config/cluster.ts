// Decodes a cluster: discovery, load balancing, circuit breakers, connections.
import type {
  CircuitBreakers_Thresholds,
  Cluster,
  LeastRequest,
  LocalityLbConfig,
  RoundRobin,
  RuntimeDouble,
  SlowStartConfig as SlowStartMessage,
} from '../../proto/generated/types.d.ts';
import { RETRY_BUDGET_MIN_CONCURRENCY, RETRY_BUDGET_PERCENT } from '../cluster/breaker-runtime.ts';
import { type BreakerLimits, DEFAULT_LIMITS } from '../cluster/circuit-breaker.ts';
import {
  type ClusterConfig,
  DEFAULT_BUFFER_LIMIT_BYTES,
  DEFAULT_CONNECT_TIMEOUT_MS,
  type DiscoveryConfig,
  type EdsHealth,
  type EndpointsConfig,
  type LoadBalancerConfig,
  type SlowStartConfig,
} from '../cluster/cluster-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { CLUSTER_HTTP_FIELDS, decodeClusterHttp } from './cluster-http.ts';
import { CLUSTER_FILTER_FIELDS, decodeClusterFilters } from './cluster-filters.ts';
import { DIAL_FIELDS, decodeDial } from './cluster-dial.ts';
import { CLUSTER_DISCOVERY, DISCOVERY_FIELDS, decodeDiscovery } from './cluster-discovery.ts';
import { decodeSubClusters, fitForwardProxy, fitHttp } from './cluster-forward-proxy.ts';
import { CLUSTER_TRANSPORT_FIELDS, decodeTransports } from './cluster-transport.ts';
import { decodeOutliers, OUTLIER_FIELDS } from './outlier-detection.ts';
import { decodeEndpoints, decodeMetadata, decodePolicy, ENDPOINT_FIELDS } from './endpoint.ts';

export const CLUSTER_FIELDS = {
  'envoy.config.cluster.v3.Cluster': `
    name alt_stat_name connect_timeout per_connection_buffer_limit_bytes lb_policy load_assignment
    max_requests_per_connection circuit_breakers http_protocol_options http2_protocol_options
    common_http_protocol_options typed_extension_protocol_options upstream_bind_config common_lb_config
    round_robin_lb_config least_request_lb_config load_balancing_policy upstream_connection_options metadata
    transport_socket
    transport_socket_matches protocol_selection preconnect_policy filters lrs_report_endpoint_metrics
    outlier_detection
    ${CLUSTER_DISCOVERY}`,
  'envoy.config.cluster.v3.Cluster.PreconnectPolicy': 'per_upstream_preconnect_ratio',
  'envoy.config.cluster.v3.CircuitBreakers': 'thresholds per_host_thresholds',
  'envoy.config.cluster.v3.CircuitBreakers.Thresholds': `
    priority max_connections max_pending_requests max_requests max_retries retry_budget track_remaining
    max_connection_pools`,
  'envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget': 'budget_percent min_retry_concurrency',
  'envoy.config.cluster.v3.Cluster.CommonLbConfig':
    'healthy_panic_threshold locality_weighted_lb_config zone_aware_lb_config override_host_status',
  'envoy.config.core.v3.HealthStatusSet': 'statuses',
  'envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig': '',
  // Routing by zone needs cluster_manager.local_cluster_name; without it Envoy ignores all but fail_traffic_on_panic.
  'envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig':
    'routing_enabled min_cluster_size fail_traffic_on_panic',
  'envoy.config.cluster.v3.Cluster.RoundRobinLbConfig': 'slow_start_config',
  'envoy.config.cluster.v3.Cluster.SlowStartConfig': 'slow_start_window aggression min_weight_percent',
  'envoy.config.cluster.v3.Cluster.LeastRequestLbConfig': 'choice_count active_request_bias slow_start_config',
  'envoy.config.cluster.v3.LoadBalancingPolicy': 'policies',
  'envoy.config.cluster.v3.LoadBalancingPolicy.Policy': 'typed_extension_config',
  'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin': 'locality_lb_config slow_start_config',
  'envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig':
    'slow_start_window aggression min_weight_percent',
  'envoy.extensions.load_balancing_policies.random.v3.Random': 'locality_lb_config',
  'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest':
    'choice_count active_request_bias locality_lb_config selection_method enable_full_scan slow_start_config',
  'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig':
    'locality_weighted_lb_config zone_aware_lb_config',
  'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig': '',
  'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig':
    'routing_enabled min_cluster_size fail_traffic_on_panic',
  'envoy.config.core.v3.RuntimeDouble': 'default_value runtime_key',
  ...ENDPOINT_FIELDS,
  ...CLUSTER_HTTP_FIELDS,
  ...DISCOVERY_FIELDS,
  ...DIAL_FIELDS,
  ...CLUSTER_TRANSPORT_FIELDS,
  ...CLUSTER_FILTER_FIELDS,
  ...OUTLIER_FIELDS,
} as const;

/** Source: Envoy Cluster.CommonLbConfig, per cent. */
const HEALTHY_PANIC_THRESHOLD = 50;
/** Source: Envoy Cluster.LeastRequestLbConfig. */
const LEAST_REQUEST_CHOICES = 2;
const ACTIVE_REQUEST_BIAS = 1;
/** Source: Envoy Cluster.SlowStartConfig. */
const SLOW_START_AGGRESSION = 1;
const SLOW_START_PERCENT = 10;
/** Source: Envoy CircuitBreakers.Thresholds.RetryBudget. */

/** Returns null when nothing can be made of the message; reasons are in `d`. */
export function decodeCluster(message: Cluster, d: ConfigDecoder): ClusterConfig | null {
  const name = message.name ?? '';
  const found = decodeDiscovery(message, d);
  if (found === null) return null;
  const transports = decodeTransports(message, d);
  const plainHttp = decodeClusterHttp(message, d);
  const http = found.kind === 'FORWARD_PROXY' ? fitHttp(message, plainHttp, found, d) : plainHttp;
  const discovery =
    found.kind === 'FORWARD_PROXY'
      ? fitForwardProxy(
          found,
          transports,
          decodeSubClusters(message, http, d, (own) => decodeCluster(own, d)),
        )
      : found;
  const common = message.common_lb_config;
  const lb = decodeLoadBalancer(message, discovery, d);
  const breakers = message.circuit_breakers;
  const db = d.at('circuit_breakers');
  return Object.freeze({
    name,
    statName: message.alt_stat_name || name,
    discovery,
    connectTimeoutMs: d.durationMs(message.connect_timeout, DEFAULT_CONNECT_TIMEOUT_MS),
    bufferLimitBytes: message.per_connection_buffer_limit_bytes ?? DEFAULT_BUFFER_LIMIT_BYTES,
    lb: lb.policy,
    panicThreshold:
      common?.healthy_panic_threshold === undefined
        ? HEALTHY_PANIC_THRESHOLD
        : (common.healthy_panic_threshold.value ?? 0),
    failTrafficOnPanic: lb.failTrafficOnPanic ?? common?.zone_aware_lb_config?.fail_traffic_on_panic ?? false,
    localityWeighted: lb.localityWeighted ?? common?.locality_weighted_lb_config !== undefined,
    breakers: {
      DEFAULT: decodeLimits(breakers?.thresholds, 'DEFAULT', db),
      HIGH: decodeLimits(breakers?.thresholds, 'HIGH', db),
    },
    maxConnectionsPerHost: perHostLimit(breakers?.per_host_thresholds, db),
    preconnectRatio: message.preconnect_policy?.per_upstream_preconnect_ratio ?? 1,
    http,
    endpoints: decodeHosts(message, discovery, d),
    dial: decodeDial(message, d),
    ...transports,
    filters: decodeClusterFilters(message.filters as never, d),
    ...loadMetrics(message),
    ...decodeOutliers(message, d),
    ...wishedHealth(common?.override_host_status?.statuses),
    metadata: decodeMetadata(message.metadata),
    addedViaApi: false,
  });
}

function wishedHealth(statuses: readonly unknown[] | undefined): Pick<ClusterConfig, 'wishedHealth'> {
  return statuses === undefined ? {} : { wishedHealth: new Set(statuses as readonly EdsHealth[]) };
}

/** Names that mean nothing are passed over, as in Envoy. */
function loadMetrics({ lrs_report_endpoint_metrics: names = [] }: Cluster): Pick<ClusterConfig, 'loadMetrics'> {
  return names.length === 0 ? {} : { loadMetrics: Object.freeze([...names]) };
}

/** The endpoints that are there before any discovery. */
function decodeHosts(message: Cluster, discovery: DiscoveryConfig, d: ConfigDecoder): EndpointsConfig {
  const assignment = message.load_assignment ?? {};
  if (discovery.kind === 'STATIC') return decodeEndpoints(assignment, d.at('load_assignment'));
  return Object.freeze({ endpoints: [], ...decodePolicy(assignment, d.at('load_assignment')) });
}

type DecodedLoadBalancer = {
  readonly policy: LoadBalancerConfig;
  /** Undefined: as common_lb_config says. */
  readonly localityWeighted: boolean | undefined;
  readonly failTrafficOnPanic: boolean | undefined;
};

const ROUND_ROBIN: DecodedLoadBalancer = {
  policy: { kind: 'round-robin' },
  localityWeighted: undefined,
  failTrafficOnPanic: undefined,
};

function decodeLoadBalancer(message: Cluster, discovery: DiscoveryConfig, d: ConfigDecoder): DecodedLoadBalancer {
  if (message.load_balancing_policy !== undefined) return decodePolicies(message, d);
  switch (message.lb_policy ?? 'ROUND_ROBIN') {
    case 'ROUND_ROBIN':
      return { ...ROUND_ROBIN, policy: roundRobin(message.round_robin_lb_config ?? {}, d) };
    case 'LEAST_REQUEST':
      return { ...ROUND_ROBIN, policy: leastRequest(message.least_request_lb_config ?? {}, d) };
    case 'RANDOM':
      return { ...ROUND_ROBIN, policy: { kind: 'random' } };
    case 'CLUSTER_PROVIDED':
      if (discovery.kind !== 'ORIGINAL_DST' && discovery.kind !== 'FORWARD_PROXY') {
        const name = message.name ?? '';
        d.reject(
          'lb_policy',
          `cluster manager: cluster provided LB specified but cluster '${name}' did not provide one. ` +
            'Check cluster documentation.',
        );
      }
      return { ...ROUND_ROBIN, policy: { kind: 'cluster-provided' } };
    default:
      d.reject('lb_policy', `${message.lb_policy} is not supported yet`);
      return ROUND_ROBIN;
  }
}

/** load_balancing_policy: the first policy that is known counts, as in Envoy. */
function decodePolicies(message: Cluster, d: ConfigDecoder): DecodedLoadBalancer {
  const unknown: string[] = [];
  for (const [i, { typed_extension_config: extension }] of (message.load_balancing_policy?.policies ?? []).entries()) {
    const dp = d.at('load_balancing_policy').at('policies', i).at('typed_extension_config').at('typed_config');
    const unpacked = d.environment.unpack(extension?.typed_config, dp);
    if (unpacked === null) return ROUND_ROBIN;
    const locality = (unpacked.message as { locality_lb_config?: LocalityLbConfig }).locality_lb_config;
    const result = {
      localityWeighted: locality?.locality_weighted_lb_config !== undefined,
      failTrafficOnPanic: locality?.zone_aware_lb_config?.fail_traffic_on_panic ?? false,
    };
    switch (unpacked.type) {
      case 'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin':
        return { policy: roundRobin(unpacked.message as RoundRobin, d), ...result };
      case 'envoy.extensions.load_balancing_policies.random.v3.Random':
        return { policy: { kind: 'random' }, ...result };
      case 'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest': {
        const config = unpacked.message as LeastRequest;
        const isFullScan = config.selection_method === 'FULL_SCAN' || (config.enable_full_scan ?? false);
        return { policy: { ...leastRequest(config, d), isFullScan }, ...result };
      }
      default:
        unknown.push(unpacked.type);
    }
  }
  d.reject('load_balancing_policy', `none of its policies is supported yet: ${unknown.join(', ')}`);
  return ROUND_ROBIN;
}

type SlowStartPb = { readonly slow_start_config?: SlowStartMessage | undefined };

function roundRobin(config: SlowStartPb, d: ConfigDecoder): LoadBalancerConfig {
  return { kind: 'round-robin', ...slowStart(config, d) };
}

/** Without a window there is none. */
function slowStart({ slow_start_config: slow }: SlowStartPb, d: ConfigDecoder): { slowStart?: SlowStartConfig } {
  const windowMs = d.durationMs(slow?.slow_start_window, 0);
  if (slow === undefined || windowMs <= 0) return {};
  const { aggression, min_weight_percent } = slow;
  return {
    slowStart: Object.freeze({
      windowMs,
      aggression: aggression === undefined ? SLOW_START_AGGRESSION : (aggression.default_value ?? 0),
      aggressionRuntimeKey: aggression?.runtime_key ?? '',
      minWeight: (min_weight_percent === undefined ? SLOW_START_PERCENT : (min_weight_percent.value ?? 0)) / 100,
    }),
  };
}

function leastRequest(
  config: {
    choice_count?: number | undefined;
    active_request_bias?: RuntimeDouble | undefined;
  } & SlowStartPb,
  d: ConfigDecoder,
) {
  return {
    kind: 'least-request',
    choiceCount: config.choice_count ?? LEAST_REQUEST_CHOICES,
    isFullScan: false,
    activeRequestBias:
      config.active_request_bias === undefined ? ACTIVE_REQUEST_BIAS : (config.active_request_bias.default_value ?? 0),
    biasRuntimeKey: config.active_request_bias?.runtime_key ?? '',
    ...slowStart(config, d),
  } as const;
}

function decodeLimits(
  thresholds: readonly CircuitBreakers_Thresholds[] | undefined,
  priority: 'DEFAULT' | 'HIGH',
  d: ConfigDecoder,
): BreakerLimits {
  const index = (thresholds ?? []).findIndex((one) => (one.priority ?? 'DEFAULT') === priority);
  const one = thresholds?.[index];
  if (one === undefined) return DEFAULT_LIMITS;
  const budget = one.retry_budget;
  if (budget?.budget_interval !== undefined) {
    d.at('thresholds', index).at('retry_budget').reject('budget_interval', 'is not supported yet');
  }
  return Object.freeze({
    maxConnections: one.max_connections ?? DEFAULT_LIMITS.maxConnections,
    maxPendingRequests: one.max_pending_requests ?? DEFAULT_LIMITS.maxPendingRequests,
    maxRequests: one.max_requests ?? DEFAULT_LIMITS.maxRequests,
    maxRetries: one.max_retries ?? DEFAULT_LIMITS.maxRetries,
    maxConnectionPools: one.max_connection_pools ?? DEFAULT_LIMITS.maxConnectionPools,
    retryBudget:
      budget === undefined
        ? null
        : Object.freeze({
            percent: budget.budget_percent === undefined ? RETRY_BUDGET_PERCENT : (budget.budget_percent.value ?? 0),
            minConcurrency: budget.min_retry_concurrency ?? RETRY_BUDGET_MIN_CONCURRENCY,
          }),
    trackRemaining: one.track_remaining ?? false,
  });
}

/** per_host_thresholds: only max_connections, as in Envoy. */
function perHostLimit(thresholds: readonly CircuitBreakers_Thresholds[] | undefined, d: ConfigDecoder): number {
  for (const [i, one] of (thresholds ?? []).entries()) {
    for (const field of ['max_pending_requests', 'max_requests', 'max_retries', 'retry_budget'] as const) {
      if (one[field] !== undefined)
        d.at('per_host_thresholds', i).reject(field, 'only max_connections counts per host');
    }
  }
  return (
    thresholds?.find((one) => (one.priority ?? 'DEFAULT') === 'DEFAULT')?.max_connections ?? Number.POSITIVE_INFINITY
  );
}
