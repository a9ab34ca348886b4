// Decodes ClusterLoadAssignment: endpoints with their addresses, weights, health, priorities and localities.
import type {
  ClusterLoadAssignment,
  Endpoint,
  LbEndpoint,
  LocalityLbEndpoints,
  Metadata as MetadataPb,
} from '../../proto/generated/types.d.ts';
import type { EndpointConfig, EndpointsConfig, HealthStatus } from '../cluster/cluster-config.ts';
import { addressName } from '../cluster/host.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Metadata } from '../stream-info.ts';
import { decodeAddress } from './address.ts';

export const ENDPOINT_FIELDS = {
  'envoy.config.endpoint.v3.ClusterLoadAssignment': 'cluster_name endpoints policy',
  'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy': 'overprovisioning_factor',
  'envoy.config.endpoint.v3.LocalityLbEndpoints': 'locality lb_endpoints load_balancing_weight priority metadata',
  'envoy.config.endpoint.v3.LbEndpoint': 'endpoint health_status metadata load_balancing_weight',
  'envoy.config.endpoint.v3.Endpoint': 'address hostname health_check_config',
  'envoy.config.endpoint.v3.Endpoint.HealthCheckConfig': 'port_value hostname address disable_active_health_check',
  'envoy.config.core.v3.Locality': 'region zone sub_zone',
  'envoy.config.core.v3.Metadata': 'filter_metadata',
} as const;

/** Source: Envoy ClusterLoadAssignment.Policy. */
const OVERPROVISIONING_FACTOR = 140;
/** Source: Envoy Cluster: the weights of a cluster's endpoints must not add up to more. */
const MAX_TOTAL_WEIGHT = 4_294_967_295;

const HEALTH: Readonly<Record<EndpointConfig['edsHealth'], HealthStatus>> = {
  UNKNOWN: 'HEALTHY',
  HEALTHY: 'HEALTHY',
  DEGRADED: 'DEGRADED',
  UNHEALTHY: 'UNHEALTHY',
  DRAINING: 'UNHEALTHY',
  TIMEOUT: 'UNHEALTHY',
};

export function decodeEndpoints(message: ClusterLoadAssignment, d: ConfigDecoder): EndpointsConfig {
  const endpoints: EndpointConfig[] = [];
  for (const [i, locality] of (message.endpoints ?? []).entries()) {
    const dl = d.at('endpoints', i);
    for (const [j, endpoint] of (locality.lb_endpoints ?? []).entries()) {
      const decoded = decodeEndpoint(endpoint, locality, dl.at('lb_endpoints', j));
      if (decoded !== null) endpoints.push(decoded);
    }
  }
  if (endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0) > MAX_TOTAL_WEIGHT) {
    d.reject('endpoints', `the weights add up to more than ${MAX_TOTAL_WEIGHT}`);
  }
  return Object.freeze({
    endpoints: Object.freeze(endpoints),
    overprovisioningFactor: message.policy?.overprovisioning_factor ?? OVERPROVISIONING_FACTOR,
  });
}

function decodeEndpoint(message: LbEndpoint, locality: LocalityLbEndpoints, d: ConfigDecoder): EndpointConfig | null {
  const endpoint = message.endpoint;
  if (endpoint === undefined) {
    d.reject('endpoint', 'is required');
    return null;
  }
  const de = d.at('endpoint');
  const address = decodeAddress(endpoint.address, de.at('address'), 'any');
  if (address === null) return null;
  const edsHealth = (message.health_status ?? 'UNKNOWN') as EndpointConfig['edsHealth'];
  return Object.freeze({
    address: Object.freeze(address),
    hostname: endpoint.hostname ?? '',
    healthCheckAddress: healthCheckAddress(endpoint, addressName(address), de),
    weight: message.load_balancing_weight ?? 1,
    health: HEALTH[edsHealth] ?? 'HEALTHY',
    edsHealth,
    metadata: decodeMetadata(message.metadata),
    locality: Object.freeze({
      region: locality.locality?.region ?? '',
      zone: locality.locality?.zone ?? '',
      subZone: locality.locality?.sub_zone ?? '',
    }),
    localityWeight: locality.load_balancing_weight ?? 0,
    priority: locality.priority ?? 0,
  });
}

/** '' when health checks go to the endpoint's own address. */
function healthCheckAddress(endpoint: Endpoint, own: string, d: ConfigDecoder): string {
  const config = endpoint.health_check_config;
  if (config?.address !== undefined) {
    const address = decodeAddress(config.address, d.at('health_check_config').at('address'));
    return address === null ? '' : addressName(address);
  }
  if (config?.port_value === undefined) return '';
  return own.includes(':') ? `${own.slice(0, own.lastIndexOf(':'))}:${config.port_value}` : '';
}

/** Filter name → values, or null for none. */
export function decodeMetadata(message: MetadataPb | undefined): Metadata | null {
  const fields = Object.entries(message?.filter_metadata ?? {});
  return fields.length === 0 ? null : new Map(fields);
}
