// Rules of routing from all objects that give some, as one collection.
import type { Collection, Index } from '../../base/collection.ts';
import type { RouteSet } from '../model/route.ts';
import type { ConfigObject } from '../source/object.ts';
import type { Complaint } from '../translate/complaint.ts';
import {
  isDelegate,
  resolveNames,
  translateVirtualService,
  type VirtualService,
} from '../translate/istio/virtual-service.ts';
import type { VirtualServiceSpec } from '../translate/istio/virtual-service-spec.ts';
import type { GatewayParent } from '../translate/gateway-api/route-parents.ts';
import { gatewayApiRoutesStage } from './gateway-api-routes-stage.ts';
import type { Inputs } from './inputs.ts';
import { type CheckedRoutes, checkRoutes, missingSubsets, shadowed, whyUnusable } from './route-checks.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';
import type { TrafficPolicyStage } from './traffic-policy-stage.ts';

export type RoutesStage = {
  /** By the key of the object, or of the merged objects. */
  readonly routeSets: Collection<RouteSet>;
  /** By each host as it is written, wildcards too. */
  readonly routesByHost: Index<RouteSet>;
  /** By 'mesh' and keys of gateways. */
  readonly routesByParent: Index<RouteSet>;
  /** Those of the Gateway API alone: no VirtualService joins its listeners. */
  readonly apiRoutesByParent: Index<RouteSet>;
  /** By the key of the object that is complained of. */
  readonly complaints: Collection<readonly Complaint[]>;
};

/**
 * `parents`: listeners of the Gateway API that take a route, by the route's object key; none without. `policies` are
 * only asked for subsets, to complain of those that there are not.
 */
export function routesStage(
  inputs: Inputs,
  services: ServicesStage,
  parents?: Collection<readonly GatewayParent[]>,
  policies?: TrafficPolicyStage,
): RoutesStage {
  const { graph } = inputs;
  const none = graph.input<readonly GatewayParent[]>('no listeners of routes');
  const ofGatewayApi = gatewayApiRoutesStage(inputs, services, parents ?? none);
  const named = graph.map<ConfigObject, VirtualService>(
    'virtual services',
    inputs.kind('VirtualService'),
    (_key, object, read) =>
      resolveNames(object as ConfigObject<VirtualServiceSpec>, meshOf(inputs, read).clusterDomain),
  );
  const translated = graph.map<VirtualService, CheckedRoutes>(
    'virtual services as routes',
    named,
    (_key, object, read) =>
      isDelegate(object)
        ? undefined
        : checkRoutes(
            translateVirtualService(object, {
              mesh: meshOf(inputs, read),
              delegate: (namespace, name) => read.get(named, `VirtualService/${namespace}/${name}`),
              check: (namespace, host, _subset, port) => whyUnusable(read, services, namespace, host, port),
            }),
          ),
  );
  const ofVirtualServices = graph.map<CheckedRoutes, RouteSet>(
    'routes of virtual services',
    translated,
    (_key, one) => one.routes ?? undefined,
  );
  const routeSets = graph.union('routes', ofVirtualServices, ofGatewayApi.routeSets);
  const byMeshHost = ofVirtualServices.index('by host of the mesh', (_key, set) =>
    set.parents.includes('mesh') && set.http.length > 0 ? new Set(set.hosts) : [],
  );
  const ownComplaints = graph.map<CheckedRoutes, readonly Complaint[]>(
    'complaints of virtual services',
    translated,
    (_key, { routes, complaints: own }, read) => {
      const rivals = routes === null ? [] : shadowed(routes, (host) => read.lookup(byMeshHost, host));
      const subsets =
        routes === null || policies === undefined ? [] : missingSubsets(read, { services, policies }, routes);
      const all = [...own, ...rivals, ...subsets];
      return all.length === 0 ? undefined : all;
    },
  );
  const complaints = graph.union('complaints of routes', ownComplaints, ofGatewayApi.complaints);
  return {
    routeSets,
    routesByHost: routeSets.index('by host', (_key, set) => new Set(set.hosts)),
    routesByParent: routeSets.index('by parent', (_key, set) => new Set(set.parents)),
    apiRoutesByParent: ofGatewayApi.routeSets.index('of the API by parent', (_key, set) => new Set(set.parents)),
    complaints,
  };
}
