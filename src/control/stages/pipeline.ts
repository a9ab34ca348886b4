// All stages in their order: objects → services and rules → scopes → resources → what each proxy gets.
import type { Collection } from '../../base/collection.ts';
import type { Mesh } from '../model/mesh.ts';
import type { ProxyNode } from '../model/proxy.ts';
import type { ProxyPlan } from '../views.ts';
import type { Inputs } from './inputs.ts';
import { plansStage } from './plans-stage.ts';
import { type RouteResources, routeResourcesStage } from './route-resources-stage.ts';
import { type RoutesStage, routesStage } from './routes-stage.ts';
import { type ScopesStage, scopesStage } from './scopes-stage.ts';
import { type ServicesStage, servicesStage } from './services-stage.ts';
import { type TrafficPolicyStage, trafficPolicyStage } from './traffic-policy-stage.ts';

export type Pipeline = {
  readonly mesh: Collection<Mesh>;
  readonly services: ServicesStage;
  readonly policies: TrafficPolicyStage;
  readonly routes: RoutesStage;
  readonly scopes: ScopesStage;
  readonly routeResources: RouteResources;
  readonly plans: Collection<ProxyPlan>;
};

export function pipeline(inputs: Inputs, proxies: Collection<ProxyNode>): Pipeline {
  const services = servicesStage(inputs);
  const policies = trafficPolicyStage(inputs, services);
  const routes = routesStage(inputs, services);
  const scopes = scopesStage(inputs, { services: services.services, routeSets: routes.routeSets });
  const routeResources = routeResourcesStage(inputs, { services, policies, routes, scopes });
  const plans = plansStage(inputs, proxies, { scopes, policies, routes: routeResources });
  return { mesh: inputs.mesh, services, policies, routes, scopes, routeResources, plans };
}
