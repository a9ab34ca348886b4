// All stages in their order: objects → services and rules → scopes → resources → what each proxy gets.
import type { Collection } from '../../base/collection.ts';
import type { Mesh } from '../model/mesh.ts';
import type { Complaint } from '../translate/complaint.ts';
import type { ProxyPlan } from '../views.ts';
import { accessLogsStage } from './access-logs-stage.ts';
import { callersStage } from './callers-stage.ts';
import { clusterResourcesStage } from './cluster-resources-stage.ts';
import { type CredentialsStage, credentialsStage } from './credentials-stage.ts';
import { endpointResourcesStage } from './endpoint-resources-stage.ts';
import { explicitNotesStage } from './explicit-notes-stage.ts';
import { gatewayApiGateways, gatewayApiStage } from './gateway-api-stage.ts';
import { gatewayListenerStage } from './gateway-listener-stage.ts';
import { gatewayRoutesStage } from './gateway-routes-stage.ts';
import { type GatewaysStage, gatewaysStage } from './gateways-stage.ts';
import { grpcListenerStage } from './grpc-listener-stage.ts';
import type { Inputs } from './inputs.ts';
import { listenerStage } from './listener-stage.ts';
import { nameTableStage } from './name-table-stage.ts';
import { plainStage } from './plain-stage.ts';
import { type ConnectedProxy, plansStage } from './plans-stage.ts';
import { routeResourcesStage } from './route-resources-stage.ts';
import { type RoutesStage, routesStage } from './routes-stage.ts';
import { type ScopesStage, scopesStage } from './scopes-stage.ts';
import { type SecurityStage, securityStage } from './security-stage.ts';
import { type ServicesStage, servicesStage } from './services-stage.ts';
import { type TrafficPolicyStage, trafficPolicyStage } from './traffic-policy-stage.ts';

export type Pipeline = {
  readonly mesh: Collection<Mesh>;
  readonly services: ServicesStage;
  readonly policies: TrafficPolicyStage;
  readonly routes: RoutesStage;
  readonly security: SecurityStage;
  readonly credentials: CredentialsStage;
  readonly gateways: GatewaysStage;
  readonly scopes: ScopesStage;
  readonly plans: Collection<ProxyPlan>;
  /** What translators have to say, by object key. */
  readonly complaints: readonly Collection<readonly Complaint[]>[];
};

export function pipeline(inputs: Inputs, proxies: Collection<ConnectedProxy>): Pipeline {
  // The model.
  const services = servicesStage(inputs);
  const policies = trafficPolicyStage(inputs, services);
  const gatewayApi = gatewayApiStage(inputs, services);
  const routes = routesStage(inputs, services, gatewayApi.parents, policies);
  const security = securityStage(inputs);
  const apiGateways = gatewayApiGateways(inputs, gatewayApi, routes.apiRoutesByParent);
  const gateways = gatewaysStage(inputs, services, [apiGateways]);
  const credentials = credentialsStage(inputs, gatewayApi.listeners);
  const { routeSets } = routes;
  const scopes = scopesStage(inputs, { services: services.services, routeSets });

  // Resources, by the cache keys that their stages declare.
  const callers = callersStage(inputs, { services, policies, scopes });
  const plain = plainStage(inputs, security.lookup);
  const endpointParts = { services, policies, scopes, callers, plain };
  const clusters = clusterResourcesStage(inputs, endpointParts);
  const endpoints = endpointResourcesStage(inputs, endpointParts);
  const accessLogs = accessLogsStage(inputs);
  const listenerParts = { services, policies, routeSets, scopes, security, accessLogs };
  const listeners = listenerStage(inputs, listenerParts);
  const gatewayListeners = gatewayListenerStage(inputs, { ...listenerParts, gateways });
  const grpcListeners = grpcListenerStage(inputs, { services, scopes, security });
  const routeResources = routeResourcesStage(inputs, { services, policies, routes, scopes });
  const gatewayRoutes = gatewayRoutesStage(inputs, { services, policies, routes }, gateways.serversOf);
  const names = nameTableStage(inputs, { services, scopes });

  const parts = {
    scopes,
    policies,
    callers,
    clusters,
    endpoints,
    listeners,
    gatewayListeners,
    grpcListeners,
    routes: routeResources,
    names,
    credentials,
    gateways,
    gatewayRoutes,
  };
  const plans = plansStage(inputs, proxies, parts);
  const ofSecrets = inputs.graph.map<string, readonly Complaint[]>(
    'complaints of secrets',
    credentials.problems,
    (objectKey, message) => [
      { objectKey, fieldPath: 'data', message, remedy: 'put in a certificate and its key, as PEM', severity: 'error' },
    ],
  );
  const complaints = [
    ...[services, policies, gatewayApi, routes, security, gateways].map((stage) => stage.complaints),
    ofSecrets,
    explicitNotesStage(inputs, proxies, { services, scopes }),
  ];
  return { complaints, mesh: inputs.mesh, services, policies, routes, security, credentials, gateways, scopes, plans };
}
