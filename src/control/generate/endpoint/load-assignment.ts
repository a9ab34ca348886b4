// Endpoints of one cluster as Envoy wants them: in localities, with their identity for telemetry and for mTLS.
import type {
  Address,
  ClusterLoadAssignment,
  HealthStatus,
  JsonObject,
  LbEndpoint,
  LocalityLbEndpoints,
} from '../../../proto/generated/types.d.ts';
import { canonicalName, canonicalRevision, selects } from '../../model/labels.ts';
import type { Endpoint, Locality, Service } from '../../model/service.ts';
import type { ServicePolicy } from '../../model/traffic-policy.ts';
import type { LocalityGroup } from './locality.ts';

/** A service with one of these labels keeps sessions with endpoints that are on their way out. */
const PERSISTENT = ['istio.io/persistent-session', 'istio.io/persistent-session-header'] as const;

const HEALTH: Readonly<Record<Endpoint['health'], HealthStatus>> = {
  healthy: 'HEALTHY',
  unhealthy: 'UNHEALTHY',
  draining: 'DRAINING',
  unknown: 'UNKNOWN',
};

export function keepsDraining(service: Pick<Service, 'labels'>): boolean {
  return PERSISTENT.some((label) => (service.labels[label] ?? '') !== '');
}

/** Endpoints that serve the port, for the subset ('' for all). */
export function chooseEndpoints(
  endpoints: readonly Endpoint[],
  service: Service,
  portName: string,
  policy: ServicePolicy | null,
  subset: string,
): readonly Endpoint[] {
  const labels = (subset === '' ? undefined : policy?.subsets.find(({ name }) => name === subset)?.labels) ?? {};
  const withDraining = keepsDraining(service);
  return endpoints.filter(
    (endpoint) =>
      endpoint.portName === portName &&
      (endpoint.health !== 'draining' || withDraining) &&
      selects(labels, endpoint.labels),
  );
}

/** `takesMtls` says for which endpoints the proxy speaks mTLS. */
export function localityEndpoints(
  groups: readonly LocalityGroup[],
  takesMtls: (endpoint: Endpoint) => boolean,
): LocalityLbEndpoints[] {
  return groups.map((group) => {
    const message: LocalityLbEndpoints = {
      locality: localityOf(group.locality),
      lb_endpoints: group.endpoints.map((endpoint) => lbEndpoint(endpoint, takesMtls(endpoint))),
      load_balancing_weight: group.weight,
    };
    if (group.priority > 0) message.priority = group.priority;
    return message;
  });
}

export function loadAssignment(name: string, endpoints: LocalityLbEndpoints[]): ClusterLoadAssignment {
  return endpoints.length === 0 ? { cluster_name: name } : { cluster_name: name, endpoints };
}

function localityOf({ region, zone, subZone }: Locality): NonNullable<LocalityLbEndpoints['locality']> {
  return {
    ...(region === '' ? {} : { region }),
    ...(zone === '' ? {} : { zone }),
    ...(subZone === '' ? {} : { sub_zone: subZone }),
  };
}

function lbEndpoint(endpoint: Endpoint, takesMtls: boolean): LbEndpoint {
  const metadata: { [key: string]: JsonObject } = { istio: { workload: workloadName(endpoint) } };
  if (takesMtls) metadata['envoy.transport_socket_match'] = { tlsMode: 'istio' };
  const message: LbEndpoint = {
    endpoint: { address: addressOf(endpoint) },
    metadata: { filter_metadata: metadata },
    load_balancing_weight: endpoint.weight,
  };
  if (endpoint.health !== 'unknown') message.health_status = HEALTH[endpoint.health];
  return message;
}

function addressOf({ address, port, isUnixSocket }: Endpoint): Address {
  if (isUnixSocket) return { pipe: { path: address } };
  return { socket_address: { address, port_value: port } };
}

/** 'NAME;NAMESPACE;SERVICE;REVISION;CLUSTER': what Istio's telemetry makes of a peer that does not speak for itself. */
function workloadName({ workloadName, namespace, labels, cluster }: Endpoint): string {
  const revision = canonicalRevision(labels);
  const shown = revision === 'latest' ? '' : revision;
  return `${workloadName};${namespace};${canonicalName(labels, workloadName)};${shown};${cluster}`;
}
