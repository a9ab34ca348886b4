// Which tables each connected proxy is served from: its class, and the resources of every type under that class's key.
import type { Collection } from '../../base/collection.ts';
import { familiesOf, type ProxyClass, type ProxyNode } from '../model/proxy.ts';
import { scopeKey } from '../model/scope.ts';
import type { ProxyPlan } from '../views.ts';
import type { Inputs } from './inputs.ts';
import { type RouteResources, tablesKey } from './route-resources-stage.ts';
import { type ScopesStage, sidecarKey } from './scopes-stage.ts';
import type { TrafficPolicyStage } from './traffic-policy-stage.ts';

export type PlanParts = {
  readonly scopes: ScopesStage;
  readonly policies: TrafficPolicyStage;
  readonly routes: RouteResources;
};

const ENVOY = 'type.googleapis.com/envoy.config';

export function plansStage(inputs: Inputs, proxies: Collection<ProxyNode>, parts: PlanParts): Collection<ProxyPlan> {
  return inputs.graph.map<ProxyNode, ProxyPlan>('plans', proxies, (_key, node, read) => {
    const sidecar = read.get(parts.scopes.sidecarOf, sidecarKey(node.namespace, node.labels));
    const facts = classOf(node, sidecar, (scope) => [
      ...read.get(parts.policies.selectingLabels, node.namespace),
      ...read.get(parts.routes.selectingLabels, scope),
    ]);
    const routes = tablesKey(facts);
    return {
      [`${ENVOY}.route.v3.RouteConfiguration`]: [{ memo: parts.routes.tables, key: routes }],
      [`${ENVOY}.route.v3.VirtualHost`]:
        facts.kind === 'heddle' ? [{ memo: parts.routes.tableHosts, key: routes }] : [],
    };
  });
}

/** `selecting`: names of labels by which something that the scope sees tells proxies apart. */
function classOf(node: ProxyNode, sidecar: string, selecting: (scope: string) => readonly string[]): ProxyClass {
  const { role, kind, namespace, dnsDomain, interception, locality, network, cluster, dnsCapture, http10 } = node;
  // Gateways see what their namespace sees.
  const applied = role === 'sidecar' ? sidecar : '';
  const labels: Record<string, string> = {};
  for (const name of selecting(scopeKey({ namespace, sidecar: applied }))) {
    const value = node.labels[name];
    if (value !== undefined) labels[name] = value;
  }
  return {
    ...{ role, kind, namespace, dnsDomain, sidecar: applied, labels, families: familiesOf(node.addresses) },
    ...{ interception, locality, network, cluster, dnsCapture, http10 },
  };
}
