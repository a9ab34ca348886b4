// Decodes ClusterLoadAssignment: endpoints with their addresses, weights, health, priorities and localities.
import { addressText } from '../../net/address.ts';
import type { Address } from '../../base/byte-stream.ts';
import { hasIp } from '../../base/ip.ts';
import type {
  ClusterLoadAssignment,
  Endpoint,
  LbEndpoint,
  LocalityLbEndpoints,
  Metadata as MetadataPb,
} from '../../proto/generated/types.d.ts';
import {
  type DnsName,
  type EndpointConfig,
  type EndpointsConfig,
  type HealthStatus,
  type Locality,
  NOWHERE,
} from '../cluster/cluster-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Metadata } from '../stream-info.ts';
import { decodeAddress } from './address.ts';
import type { FractionalPercentPb } from './matcher.ts';

export const ENDPOINT_FIELDS = {
  'envoy.config.endpoint.v3.ClusterLoadAssignment': 'cluster_name endpoints policy',
  'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy': 'overprovisioning_factor drop_overloads',
  'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload': 'category drop_percentage',
  'envoy.config.endpoint.v3.LocalityLbEndpoints': 'locality lb_endpoints load_balancing_weight priority metadata',
  'envoy.config.endpoint.v3.LbEndpoint': 'endpoint health_status metadata load_balancing_weight',
  'envoy.config.endpoint.v3.Endpoint': 'address hostname health_check_config additional_addresses',
  'envoy.config.endpoint.v3.Endpoint.AdditionalAddress': 'address',
  'envoy.config.endpoint.v3.Endpoint.HealthCheckConfig': 'port_value hostname address disable_active_health_check',
  'envoy.type.v3.FractionalPercent': 'numerator denominator',
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
  for (const { endpoint, locality, d: de } of endpointsOf(message, d)) {
    const decoded = decodeEndpoint(endpoint, locality, de);
    if (decoded !== null) endpoints.push(decoded);
  }
  checkWeights(endpoints, d);
  return Object.freeze({ endpoints: Object.freeze(endpoints), ...decodePolicy(message, d) });
}

/** The endpoints of a DNS cluster: names instead of addresses. */
export function decodeDnsNames(message: ClusterLoadAssignment, kind: string, d: ConfigDecoder): readonly DnsName[] {
  const names: DnsName[] = [];
  for (const { endpoint, locality, d: de } of endpointsOf(message, d)) {
    const decoded = decodeDnsName(endpoint, locality, kind, de);
    if (decoded !== null) names.push(decoded);
  }
  checkWeights(
    names.map((name) => name.endpoint),
    d,
  );
  return Object.freeze(names);
}

/** All of an assignment but its endpoints. */
export function decodePolicy(message: ClusterLoadAssignment, d: ConfigDecoder): Omit<EndpointsConfig, 'endpoints'> {
  const { overprovisioning_factor, drop_overloads: drops = [] } = message.policy ?? {};
  const overprovisioningFactor = overprovisioning_factor ?? OVERPROVISIONING_FACTOR;
  const [drop] = drops;
  if (drop === undefined) return { overprovisioningFactor };
  const dd = d.at('policy').at('drop_overloads');
  if (drops.length > 1) {
    dd.reject('', `Cluster drop_overloads config has ${drops.length} categories. Envoy only support one.`);
  }
  const { numerator, denominator } = d.fraction(drop.drop_percentage as FractionalPercentPb | undefined);
  const ratio = numerator / denominator;
  if (ratio > 1) {
    const parts = `drop_ratio=${ratio}(Numerator ${numerator} / Denominator ${denominator})`;
    dd.reject('', `Cluster drop_overloads config is invalid. ${parts}. The valid range is 0~1.`);
  }
  return { overprovisioningFactor, dropOverload: Object.freeze({ category: drop.category ?? '', ratio }) };
}

function* endpointsOf(message: ClusterLoadAssignment, d: ConfigDecoder) {
  for (const [i, locality] of (message.endpoints ?? []).entries()) {
    const dl = d.at('endpoints', i);
    for (const [j, endpoint] of (locality.lb_endpoints ?? []).entries()) {
      yield { endpoint, locality, d: dl.at('lb_endpoints', j) };
    }
  }
}

function checkWeights(endpoints: readonly { readonly weight: number }[], d: ConfigDecoder): void {
  if (endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0) <= MAX_TOTAL_WEIGHT) return;
  d.reject('endpoints', `the weights add up to more than ${MAX_TOTAL_WEIGHT}`);
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
  const additional: Address[] = [];
  for (const [i, { address: one }] of (endpoint.additional_addresses ?? []).entries()) {
    const decoded = decodeAddress(one, de.at('additional_addresses', i).at('address'), 'any');
    if (decoded !== null) additional.push(Object.freeze(decoded));
  }
  return Object.freeze({
    ...decodeRest(message, endpoint, locality),
    address: Object.freeze(address),
    healthCheckAddress: healthCheckAddress(endpoint, address, de),
    ...(additional.length === 0 ? {} : { additionalAddresses: Object.freeze(additional) }),
  });
}

function decodeDnsName(
  message: LbEndpoint,
  locality: LocalityLbEndpoints,
  kind: string,
  d: ConfigDecoder,
): DnsName | null {
  const de = d.at('endpoint');
  const endpoint = message.endpoint ?? {};
  const socket = endpoint.address?.socket_address;
  if (socket === undefined) {
    de.reject('address', `a ${kind} cluster needs a socket_address`);
    return null;
  }
  if (endpoint.additional_addresses !== undefined) {
    de.reject('additional_addresses', `a ${kind} cluster takes all addresses from DNS`);
  }
  const name = socket.address ?? '';
  const rest = decodeRest(message, endpoint, locality);
  return Object.freeze({
    name,
    port: socket.port_value ?? 0,
    endpoint: Object.freeze({
      ...rest,
      hostname: rest.hostname === '' ? name : rest.hostname,
      healthCheckAddress: healthCheckAddress(endpoint, null, de),
    }),
  });
}

/** What an endpoint is besides its addresses. */
function decodeRest(
  message: LbEndpoint,
  endpoint: Endpoint,
  locality: LocalityLbEndpoints,
): Omit<EndpointConfig, 'address' | 'healthCheckAddress'> {
  const edsHealth = (message.health_status ?? 'UNKNOWN') as EndpointConfig['edsHealth'];
  return {
    hostname: endpoint.hostname ?? '',
    weight: message.load_balancing_weight ?? 1,
    health: HEALTH[edsHealth] ?? 'HEALTHY',
    edsHealth,
    metadata: decodeMetadata(message.metadata),
    ...localityMetadata(locality),
    locality: decodeLocality(locality),
    localityWeight: locality.load_balancing_weight ?? 0,
    priority: locality.priority ?? 0,
  };
}

function localityMetadata({ metadata }: LocalityLbEndpoints): Pick<EndpointConfig, 'localityMetadata'> {
  const decoded = decodeMetadata(metadata);
  return decoded === null ? {} : { localityMetadata: decoded };
}

/** Most endpoints are nowhere: they share one object. */
function decodeLocality({ locality }: LocalityLbEndpoints): Locality {
  const { region = '', zone = '', sub_zone: subZone = '' } = locality ?? {};
  return region === '' && zone === '' && subZone === '' ? NOWHERE : Object.freeze({ region, zone, subZone });
}

/** '' when health checks go to the endpoint's own address. */
function healthCheckAddress(endpoint: Endpoint, own: Address | null, d: ConfigDecoder): string {
  const config = endpoint.health_check_config;
  if (config?.address !== undefined) {
    const address = decodeAddress(config.address, d.at('health_check_config').at('address'));
    return address === null ? '' : addressText(address);
  }
  if (config?.port_value === undefined) return '';
  if (own?.family === 'internal') {
    d.at('health_check_config').reject('port_value', 'an internal listener has no port');
    return '';
  }
  return own === null || !hasIp(own) ? '' : addressText({ ...own, port: config.port_value });
}

/** Filter name → values, or null for none. */
export function decodeMetadata(message: MetadataPb | undefined): Metadata | null {
  const fields = Object.entries(message?.filter_metadata ?? {});
  return fields.length === 0 ? null : new Map(fields);
}
