// The discovery services of the xDS API: which type comes from which methods and paths.

export const CLUSTER_TYPE = 'envoy.config.cluster.v3.Cluster';
export const ENDPOINT_TYPE = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
export const LOCALITY_ENDPOINT_TYPE = 'envoy.config.endpoint.v3.LbEndpoint';
export const LISTENER_TYPE = 'envoy.config.listener.v3.Listener';
export const ROUTE_TYPE = 'envoy.config.route.v3.RouteConfiguration';
export const SCOPED_ROUTE_TYPE = 'envoy.config.route.v3.ScopedRouteConfiguration';
export const VIRTUAL_HOST_TYPE = 'envoy.config.route.v3.VirtualHost';
export const SECRET_TYPE = 'envoy.extensions.transport_sockets.tls.v3.Secret';
export const RUNTIME_TYPE = 'envoy.service.runtime.v3.Runtime';
export const EXTENSION_TYPE = 'envoy.config.core.v3.TypedExtensionConfig';

export type DiscoveryService = {
  /** '/package.Service/Method': state of the world and delta; '' where there is none. */
  readonly stream: string;
  readonly delta: string;
  /** For REST: '/v3/discovery:clusters'. */
  readonly path: string;
};

/** All types on one stream. */
export const AGGREGATED_SERVICE: DiscoveryService = {
  stream: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  path: '',
};

function service(name: string, methods: string, path: string, hasStream = true): DiscoveryService {
  return {
    stream: hasStream ? `/envoy.service.${name}/Stream${methods}` : '',
    delta: `/envoy.service.${name}/Delta${methods}`,
    path: path === '' ? '' : `/v3/discovery:${path}`,
  };
}

/** By full name of the resource's message. Source: Envoy, source/common/config/type_to_endpoint. */
export const SERVICES: ReadonlyMap<string, DiscoveryService> = new Map([
  [CLUSTER_TYPE, service('cluster.v3.ClusterDiscoveryService', 'Clusters', 'clusters')],
  [ENDPOINT_TYPE, service('endpoint.v3.EndpointDiscoveryService', 'Endpoints', 'endpoints')],
  [LISTENER_TYPE, service('listener.v3.ListenerDiscoveryService', 'Listeners', 'listeners')],
  [ROUTE_TYPE, service('route.v3.RouteDiscoveryService', 'Routes', 'routes')],
  [SCOPED_ROUTE_TYPE, service('route.v3.ScopedRoutesDiscoveryService', 'ScopedRoutes', 'scoped-routes')],
  [VIRTUAL_HOST_TYPE, service('route.v3.VirtualHostDiscoveryService', 'VirtualHosts', '', false)],
  [SECRET_TYPE, service('secret.v3.SecretDiscoveryService', 'Secrets', 'secrets')],
  [RUNTIME_TYPE, service('runtime.v3.RuntimeDiscoveryService', 'Runtime', 'runtime')],
  [EXTENSION_TYPE, service('extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs', 'extension_configs')],
]);

/** Types of which state of the world means all there are. */
export const COMPLETE_TYPES: ReadonlySet<string> = new Set([CLUSTER_TYPE, LISTENER_TYPE, SCOPED_ROUTE_TYPE]);

/** Types whose names begin with the name of what they are for: 'SPACE/…'. */
const SPACED_TYPES: ReadonlySet<string> = new Set([VIRTUAL_HOST_TYPE]);

/** Whether the name stands for many: '*' for all there are; 'SPACE/' for those of a space, asked for with all. */
export function isWhole(type: string, name: string): boolean {
  return name === '*' || (SPACED_TYPES.has(type) && name.endsWith('/'));
}

/** 'SPACE/', of which a resource is; the name has no space: ''. Source: Envoy WatchMap, namespaceFromName. */
export function spaceOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/') + 1);
}
