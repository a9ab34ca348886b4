// Inbound clusters of a proxy: the application's ports, as its services or its Sidecar name them.
import type { ExplicitMode, Place as Bound } from '../../../base/explicit-mode.ts';
import type { Cluster } from '../../../proto/generated/types.d.ts';
import type { Mesh } from '../../model/mesh.ts';
import { configReference } from '../../model/origin.ts';
import { loopbackAddresses } from '../../model/proxy.ts';
import type { Scope } from '../../model/scope.ts';
import type { Protocol, Service } from '../../model/service.ts';
import type { ServicePolicy, TrafficPolicy } from '../../model/traffic-policy.ts';
import { effectivePolicy } from '../effective-policy.ts';
import { statName } from '../listener/outbound/stat-name.ts';
import { applyConnectionPool, applyPortProtocol } from './connection-pool.ts';
import { type ClusterShape, type Draft, finish, istioMetadata } from './draft.ts';
import { inboundName, statPrefix } from './names.ts';
import { type NamedCluster, serviceMetadata } from './outbound.ts';
import { ownAddress } from './static.ts';

/** A port of the workload that serves a port of a service. */
export type InboundTarget = {
  readonly service: Service;
  readonly policy: ServicePolicy | null;
  readonly servicePort: number;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly targetPort: number;
};

export type InboundFacts = {
  readonly mesh: Mesh;
  readonly shape: ClusterShape;
  readonly addresses: readonly string[];
  readonly isIntercepted: boolean;
  /** Without redirect: where the application listens, by the port that others call; null for every other way. */
  readonly explicit: ExplicitMode['inbound'] | null;
  readonly scope: Pick<Scope, 'ingress' | 'inboundConnectionPool'>;
  /** In order of precedence. */
  readonly targets: readonly InboundTarget[];
};

/** About 292 years: the longest that Envoy can wait before it forgets unused hosts. */
const NEVER = { seconds: 9_223_372_035, nanos: 0 };
const UNIX = 'unix://';

export function inboundClusters(facts: InboundFacts): NamedCluster[] {
  const { scope, targets, shape } = facts;
  if (shape.role !== 'sidecar' || shape.kind === 'grpc') return [];
  if (scope.ingress.length > 0) {
    return unique(scope.ingress.map((listener) => ingressCluster(facts, listener)).filter((made) => made !== null));
  }
  if (facts.explicit !== null) return explicitClusters(facts, facts.explicit);
  // Without interception nothing can listen in the application's place unless a Sidecar says where.
  if (!facts.isIntercepted) return [];
  const ports = [...new Set(targets.map((target) => target.targetPort))].sort((a, b) => a - b);
  const local = facts.mesh.inboundTrafficPolicy === 'LOCALHOST' ? loopbackAddresses(shape.families)[0]! : '';
  return ports.map((port) => {
    const own = targets.filter((target) => target.targetPort === port);
    const place = local === '' ? null : { socket_address: { address: local, port_value: port } };
    return inboundCluster(
      facts,
      port,
      place,
      own[0]!.servicePort,
      own[0]!.protocol,
      own,
      facts.scope.inboundConnectionPool,
    );
  });
}

function explicitClusters(facts: InboundFacts, inbound: ExplicitMode['inbound']): NamedCluster[] {
  const pool = facts.scope.inboundConnectionPool;
  return Object.entries(inbound).map(([key, bound]) => {
    const port = Number(key);
    const own = facts.targets.filter((target) => target.targetPort === port);
    const [first] = own;
    const place = socketPlace(bound);
    return inboundCluster(facts, port, place, first?.servicePort ?? port, first?.protocol ?? 'UNSUPPORTED', own, pool);
  });
}

function socketPlace({ address, port }: Bound): Place {
  return { socket_address: { address, port_value: port } };
}

type Place = { socket_address: { address: string; port_value: number } } | { pipe: { path: string } };

function ingressCluster(facts: InboundFacts, listener: Scope['ingress'][number]): NamedCluster | null {
  const { port, defaultEndpoint } = listener;
  const place = placeOf(facts, port.number, defaultEndpoint);
  if (place === undefined) return null;
  const serving = facts.targets.find((target) => target.targetPort === port.number);
  const own = serving === undefined ? [] : [{ ...serving, servicePort: port.number, protocol: port.protocol }];
  const pool = listener.connectionPool ?? facts.scope.inboundConnectionPool;
  return inboundCluster(facts, port.number, place, port.number, port.protocol, own, pool);
}

/** Undefined for an endpoint that cannot be understood. */
function placeOf(
  { addresses, shape, explicit }: InboundFacts,
  listened: number,
  endpoint: string,
): Place | null | undefined {
  const own = explicit?.[listened];
  if (endpoint === '') return own === undefined ? null : socketPlace(own);
  if (endpoint.startsWith(UNIX)) return { pipe: { path: endpoint.slice(UNIX.length) } };
  const at = endpoint.lastIndexOf(':');
  const host = endpoint.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(endpoint.slice(at + 1));
  if (at < 0 || !Number.isInteger(port) || port <= 0) return undefined;
  // The port that the application would have in a pod stands for the one that it was given here.
  const given = isOwnHost(host) ? (explicit?.[port] ?? own) : undefined;
  if (given !== undefined) return socketPlace(given);
  return { socket_address: { address: resolveHost(host, addresses, shape), port_value: port } };
}

function isOwnHost(host: string): boolean {
  return host === '127.0.0.1' || host === '::1' || host === '0.0.0.0' || host === '::';
}

/** '0.0.0.0' and '::' are the workload's own address, loop-back is of the family that it has. */
function resolveHost(host: string, addresses: readonly string[], shape: ClusterShape): string {
  const loopback = loopbackAddresses(shape.families);
  switch (host) {
    case '0.0.0.0':
      return addresses.find((address) => !address.includes(':')) ?? '127.0.0.1';
    case '::':
      return addresses.find((address) => address.includes(':')) ?? '::1';
    case '127.0.0.1':
    case '::1':
      return loopback.includes(host) ? host : loopback[0]!;
    default:
      return host;
  }
}

function inboundCluster(
  facts: InboundFacts,
  port: number,
  place: Place | null,
  servicePort: number,
  protocol: Protocol,
  targets: readonly InboundTarget[],
  pool: TrafficPolicy['connectionPool'] | null,
): NamedCluster {
  const { mesh, shape } = facts;
  const name = inboundName(port);
  const cluster: NamedCluster = { name, alt_stat_name: statOf(mesh, name, port, targets[0]), common_lb_config: {} };
  if (place === null) {
    cluster.type = 'ORIGINAL_DST';
    cluster.lb_policy = 'CLUSTER_PROVIDED';
    cluster.cleanup_interval = NEVER;
  } else {
    cluster.type = 'STATIC';
    const endpoints = [{ lb_endpoints: [{ endpoint: { address: place } }] }];
    cluster.load_assignment = { cluster_name: name, endpoints };
  }
  const draft: Draft = { cluster, http: null };
  applyPortProtocol(draft, mesh, protocol, true);
  addServices(draft, targets, servicePort);
  const policy = targets[0]?.policy ?? null;
  const effective = effectivePolicy(policy, servicePort, '');
  if (policy?.trafficPolicy != null && draft.cluster.metadata !== undefined) {
    const reference = configReference('networking.istio.io', 'DestinationRule', policy.namespace, policy.name);
    istioMetadata(draft)['config'] = reference;
  }
  applyConnectionPool(draft, mesh, pool ?? effective?.connectionPool, effective?.retryBudget);
  // Without redirect no rule would have to leave it alone.
  if (!isLoopback(place) && facts.explicit === null) cluster.upstream_bind_config = ownAddress(shape.families);
  return finish(draft);
}

function addServices(draft: Draft, targets: readonly InboundTarget[], servicePort: number): void {
  const services = new Map<string, Service>();
  for (const target of targets) {
    if (target.servicePort === servicePort) services.set(target.service.hostname, target.service);
  }
  if (services.size === 0) return;
  istioMetadata(draft)['services'] = [...services.values()].map(serviceMetadata);
}

function statOf(mesh: Mesh, name: string, port: number, target: InboundTarget | undefined): string {
  const pattern = mesh.inboundClusterStatName;
  if (pattern === '' || target === undefined) return statPrefix(name);
  const at = { host: target.service.hostname, subset: '', port: target.servicePort, portName: target.portName };
  return statPrefix(statName(pattern.replaceAll('%TARGET_PORT%', String(port)), { ...at, service: target.service }));
}

function isLoopback(place: Place | null): boolean {
  if (place === null || !('socket_address' in place)) return false;
  return place.socket_address.address === '127.0.0.1' || place.socket_address.address === '::1';
}

function unique(clusters: readonly NamedCluster[]): NamedCluster[] {
  return [...new Map<string, NamedCluster & Cluster>(clusters.map((cluster) => [cluster.name, cluster])).values()];
}
