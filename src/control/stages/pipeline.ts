// All stages in their order: objects → services and rules → scopes → resources → what each proxy gets.
import type { Collection } from '../../base/collection.ts';
import type { Mesh } from '../model/mesh.ts';
import type { ProxyNode } from '../model/proxy.ts';
import type { ProxyPlan } from '../views.ts';
import type { Inputs } from './inputs.ts';
import { type ServicesStage, servicesStage } from './services-stage.ts';
import { type TrafficPolicyStage, trafficPolicyStage } from './traffic-policy-stage.ts';

export type Pipeline = {
  readonly mesh: Collection<Mesh>;
  readonly services: ServicesStage;
  readonly trafficPolicies: TrafficPolicyStage;
  readonly plans: Collection<ProxyPlan>;
};

export function pipeline(inputs: Inputs, proxies: Collection<ProxyNode>): Pipeline {
  const services = servicesStage(inputs);
  const trafficPolicies = trafficPolicyStage(inputs, services);
  const plans = inputs.graph.map<ProxyNode, ProxyPlan>('plans', proxies, () => ({}));
  return { mesh: inputs.mesh, services, trafficPolicies, plans };
}
