// Full names of the messages that xDS brings.
export const CLUSTER_TYPE = 'envoy.config.cluster.v3.Cluster';
export const ENDPOINTS_TYPE = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
export const LISTENER_TYPE = 'envoy.config.listener.v3.Listener';
export const ROUTE_TYPE = 'envoy.config.route.v3.RouteConfiguration';
/** Which route configuration requests with a key go by (SRDS). */
export const SCOPE_TYPE = 'envoy.config.route.v3.ScopedRouteConfiguration';
/** A virtual host of a route configuration, named 'ROUTE CONFIGURATION/…' (VHDS). */
export const VIRTUAL_HOST_TYPE = 'envoy.config.route.v3.VirtualHost';
export const SECRET_TYPE = 'envoy.extensions.transport_sockets.tls.v3.Secret';
/** An extension by name (ECDS). */
export const EXTENSION_TYPE = 'envoy.config.core.v3.TypedExtensionConfig';
export const RUNTIME_TYPE = 'envoy.service.runtime.v3.Runtime';
/** What workers take on: in this order resources come that others refer to, and they go in the opposite one. */
export const APPLIED_TYPES: readonly string[] = [
  ...[RUNTIME_TYPE, SECRET_TYPE, CLUSTER_TYPE, ENDPOINTS_TYPE, EXTENSION_TYPE, LISTENER_TYPE, ROUTE_TYPE],
  ...[SCOPE_TYPE, VIRTUAL_HOST_TYPE],
];

/** Istio's table of names for a DNS server (NDS). */
export const NAME_TABLE_TYPE = 'istio.networking.nds.v1.NameTable';
export const PROXY_CONFIG_TYPE = 'istio.mesh.v1alpha1.ProxyConfig';
