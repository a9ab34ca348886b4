// What rules look up while they become routes: the services that a host stands for, and how those are called.
import type { Reader } from '../../base/collection.ts';
import { consistentHashOf } from '../generate/route/hashes.ts';
import type { Caller, RouteContext } from '../generate/route/route-context.ts';
import { byAge, isVisible } from '../model/hosts.ts';
import type { Service } from '../model/service.ts';
import type { ServicePolicy } from '../model/traffic-policy.ts';
import type { ServicesStage } from './services-stage.ts';
import { policyQuery, readPolicy, type TrafficPolicyStage } from './traffic-policy-stage.ts';

export type LookupParts = { readonly services: ServicesStage; readonly policies: TrafficPolicyStage };

/** Services of that host which the caller may see. */
export function seenServices(read: Reader, { services }: LookupParts, caller: Caller, host: string): Service[] {
  const all = read.lookup(services.servicesByHost, host);
  return all.filter((service) => isVisible(service.exportTo, service.namespace, caller.namespace));
}

/** Of several services of one host: Kubernetes' before others, then the oldest. */
export function firstService(services: readonly Service[]): Service | undefined {
  const sorted = [...services].sort(byAge);
  return sorted.find(({ registry }) => registry === 'Kubernetes') ?? sorted[0];
}

/** The policy by which the caller calls the host's service; null for none. */
export function policyOfHost(read: Reader, parts: LookupParts, caller: Caller, host: string): ServicePolicy | null {
  const service = firstService(seenServices(read, parts, caller, host));
  if (service === undefined) return null;
  const query = policyQuery(caller.namespace, service.key, caller.labels);
  return readPolicy(parts.policies, read, read.get(parts.policies.refs, query));
}

export function hashLookup(read: Reader, parts: LookupParts, caller: Caller): RouteContext['hashOf'] {
  return (destination) => consistentHashOf(policyOfHost(read, parts, caller, destination.host), destination);
}
