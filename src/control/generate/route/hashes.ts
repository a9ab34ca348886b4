// By what requests to a service are hashed, where its policy balances them consistently.
import type { Destination } from '../../model/route.ts';
import type { ServicePolicy, TrafficPolicy } from '../../model/traffic-policy.ts';

type ConsistentHash = Readonly<Record<string, unknown>>;

/** Of a service that is called without a rule: its port's setting goes before the general one. */
export function serviceHashOf(policy: ServicePolicy | null, port: number): ConsistentHash | null {
  const traffic = policy?.trafficPolicy ?? null;
  return portHash(traffic, port) ?? hashIn(traffic);
}

/** Of a rule's destination: the subset's port, the subset, the port, the service. */
export function consistentHashOf(policy: ServicePolicy | null, destination: Destination): ConsistentHash | null {
  if (policy === null) return null;
  const { port } = destination;
  const subset = policy.subsets.find(({ name }) => name === destination.subset)?.trafficPolicy ?? null;
  const { trafficPolicy } = policy;
  return portHash(subset, port) ?? hashIn(subset) ?? portHash(trafficPolicy, port) ?? hashIn(trafficPolicy);
}

function portHash(policy: TrafficPolicy | null, port: number): ConsistentHash | null {
  if (port === 0) return null;
  const settings = policy?.portLevelSettings?.find((setting) => setting.port?.number === port);
  return settings === undefined ? null : hashIn(settings);
}

function hashIn(policy: Readonly<Record<string, unknown>> | null): ConsistentHash | null {
  const balancer = policy?.['loadBalancer'] as { consistentHash?: ConsistentHash } | undefined;
  return balancer?.consistentHash ?? null;
}
