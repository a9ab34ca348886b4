// Which listeners callers of a class have, before they are encoded: one walk over what they may call.
import type { Collection, Memo } from '../../../base/collection.ts';
import type { OutboundEntry } from '../../generate/listener/outbound/chain.ts';
import type { L4Routes } from '../../generate/listener/outbound/l4-chains.ts';
import { outboundPlan } from '../../generate/listener/outbound/plan.ts';
import { parseClass } from '../../model/proxy.ts';
import type { RouteSet } from '../../model/route.ts';
import { scopeKey } from '../../model/scope.ts';
import type { Endpoint } from '../../model/service.ts';
import type { Inputs } from '../inputs.ts';
import { meshOf } from '../services-stage.ts';
import { policyQuery, readPolicy } from '../traffic-policy-stage.ts';
import { type ListenerParts, OWN_PORTS, type PlanFacts } from './parts.ts';

/** Only rules for connections: those for requests are routes, and change no listener. */
export function connectionRules({ graph }: Inputs, { routeSets }: Pick<ListenerParts, 'routeSets'>): Rules {
  return graph.map<RouteSet, L4Routes>('rules for connections', routeSets, (_key, set) => {
    const { key, namespace, name, reference, hosts, parents, l4, ports } = set;
    return l4.length === 0 ? undefined : { key, namespace, name, reference, hosts, parents, l4, ports };
  });
}

export type Rules = Collection<L4Routes>;

/** By name of the listener; key: a class by `PLAN_FIELDS`. */
export function outboundPlans(
  inputs: Inputs,
  parts: ListenerParts,
  rules: Rules,
): Memo<ReadonlyMap<string, OutboundEntry>> {
  const { graph } = inputs;
  const pods = graph.map<readonly Endpoint[], Readonly<Record<string, readonly string[]>>>(
    'pods of headless services',
    parts.services.endpoints,
    (key, endpoints, read) =>
      read.get(parts.services.services, key)?.resolution === 'Passthrough' ? podsByPort(endpoints) : undefined,
  );
  return graph.memo<ReadonlyMap<string, OutboundEntry>>('plans of outbound listeners', (key, read) => {
    const facts = parseClass<keyof PlanFacts>(key);
    const mesh = meshOf(inputs, read);
    return outboundPlan({
      facts,
      scope: read.get(parts.scopes.scopes, scopeKey(facts)),
      reservedPorts: new Set([mesh.proxyListenPort, mesh.proxyInboundListenPort, ...OWN_PORTS]),
      service: (serviceKey) => read.get(parts.services.services, serviceKey),
      routes: (routeKey) => read.get(rules, routeKey),
      policyOf: (service) => {
        const query = policyQuery(facts.namespace, service.key, facts.labels);
        return readPolicy(parts.policies, read, read.get(parts.policies.refs, query));
      },
      podAddresses: (service, number) => {
        const port = service.ports.find((one) => one.number === number);
        return port === undefined ? [] : (read.get(pods, service.key)?.[port.name] ?? []);
      },
      statPattern: mesh.outboundClusterStatName,
    });
  });
}

function podsByPort(endpoints: readonly Endpoint[]): Readonly<Record<string, readonly string[]>> {
  const ports = new Map<string, Set<string>>();
  for (const { portName, address, isUnixSocket, health } of endpoints) {
    if (isUnixSocket || health === 'unhealthy' || !/^[\d.]+$|:/.test(address)) continue;
    const addresses = ports.get(portName) ?? new Set();
    ports.set(portName, addresses.add(address));
  }
  return Object.fromEntries([...ports].map(([name, addresses]) => [name, [...addresses]]));
}
