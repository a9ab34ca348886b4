// Where a connection goes that no HTTP rule looks into: one cluster, or several by weight, with the service's limits.
import { durationMs } from '../../../model/duration.ts';
import type { Destination, WeightedBackend } from '../../../model/route.ts';
import type { Protocol, Service } from '../../../model/service.ts';
import type { ServicePolicy } from '../../../model/traffic-policy.ts';
import { outboundCluster } from '../../route/cluster-names.ts';
import { plainTarget, type TcpTarget } from '../tcp-proxy.ts';
import { statName } from './stat-name.ts';

export type TargetLookup = {
  /** The visible service of that host. */
  serviceOf(host: string): Service | undefined;
  /** What the caller's policy says of it. */
  policyOf(service: Service): ServicePolicy | null;
  readonly statPattern: string;
};

type Port = { readonly number: number; readonly name: string; readonly protocol: Protocol };

/** To a service on the listener's port; a service with one port is reached on that one, whatever the listener's is. */
export function serviceTarget(service: Service, listened: Port, lookup: TargetLookup): TcpTarget {
  const [only] = service.ports;
  const port = service.ports.length === 1 && only !== undefined ? only.number : listened.number;
  const cluster = outboundCluster(port, '', service.hostname);
  return {
    ...limits(lookup.policyOf(service), ''),
    clusters: [{ name: cluster, weight: 1 }],
    statPrefix: statPrefix(cluster, service.hostname, '', { ...listened, number: port }, service, lookup),
    isMongo: listened.protocol === 'MONGO',
    dynamic:
      service.resolution === 'DynamicDNS' ? { cache: dynamicCache(service.hostname), port: listened.number } : null,
  };
}

/** To the backends of a rule. What cannot be resolved, or weighs nothing at all, takes nobody anywhere else. */
export function ruleTarget(
  backends: readonly WeightedBackend[],
  owner: { readonly name: string; readonly namespace: string },
  listened: Port,
  lookup: TargetLookup,
): TcpTarget {
  const [first] = backends;
  const service = first === undefined ? undefined : lookup.serviceOf(first.destination.host);
  const policy = service === undefined ? null : lookup.policyOf(service);
  const isMongo = listened.protocol === 'MONGO';
  if (backends.length === 1 && first !== undefined) {
    const { destination } = first;
    const cluster = destinationCluster(destination, service, listened.number);
    const prefix = statPrefix(cluster, destination.host, destination.subset, listened, service ?? null, lookup);
    return {
      ...limits(policy, destination.subset),
      clusters: [{ name: cluster, weight: 1 }],
      statPrefix: prefix,
      isMongo,
    };
  }
  const clusters = backends
    .filter(({ weight }) => weight > 0)
    .map(({ destination, weight }) => ({
      name: destinationCluster(destination, lookup.serviceOf(destination.host), listened.number),
      weight,
    }));
  if (clusters.length === 0) return plainTarget(BLACK_HOLE);
  return { ...limits(policy, ''), clusters, statPrefix: `${owner.name}.${owner.namespace}`, isMongo };
}

const BLACK_HOLE = 'BlackHoleCluster';

export function destinationCluster(
  destination: Destination,
  service: Service | undefined,
  listenedPort: number,
): string {
  if (destination.unresolved !== null || destination.host === '') return BLACK_HOLE;
  const [only] = service?.ports ?? [];
  const single = service?.ports.length === 1 ? only?.number : undefined;
  const port = destination.port !== 0 ? destination.port : (single ?? listenedPort);
  return outboundCluster(port, destination.subset, destination.host);
}

export function dynamicCache(hostname: string): string {
  return `${hostname}_dfp_dns_cache`;
}

function statPrefix(
  cluster: string,
  host: string,
  subset: string,
  port: Port,
  service: Service | null,
  { statPattern }: TargetLookup,
): string {
  if (statPattern === '' || service === null) return cluster;
  return statName(statPattern, { host, subset, port: port.number, portName: port.name, service });
}

type Limits = Pick<TcpTarget, 'idleTimeoutMs' | 'maxDurationMs' | 'isHashedBySource' | 'tunnel' | 'dynamic'>;

/** From the rule's general policy; a named subset may hash or tunnel in its own way. */
function limits(policy: ServicePolicy | null, subsetName: string): Limits {
  const general = policy?.trafficPolicy ?? null;
  const subset = subsetName === '' ? undefined : policy?.subsets.find(({ name }) => name === subsetName);
  const tcp = record(general?.connectionPool?.['tcp']);
  const hash = record(subset?.trafficPolicy?.loadBalancer ?? general?.loadBalancer)['consistentHash'];
  return {
    idleTimeoutMs: duration(tcp['idleTimeout']),
    maxDurationMs: duration(tcp['maxConnectionDuration']),
    isHashedBySource: record(hash)['useSourceIp'] === true,
    tunnel: tunnelOf(record(subset?.trafficPolicy?.tunnel ?? general?.tunnel)),
    dynamic: null,
  };
}

function tunnelOf(tunnel: Readonly<Record<string, unknown>>): TcpTarget['tunnel'] {
  const { targetHost, targetPort, protocol } = tunnel;
  if (typeof targetHost !== 'string' || typeof targetPort !== 'number') return null;
  return { host: targetHost, port: targetPort, protocol: typeof protocol === 'string' ? protocol : 'CONNECT' };
}

function duration(value: unknown): number | null {
  return typeof value === 'string' ? durationMs(value) : null;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
