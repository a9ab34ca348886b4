// Full names of the messages that xDS brings.
export const CLUSTER_TYPE = 'envoy.config.cluster.v3.Cluster';
export const ENDPOINTS_TYPE = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
export const LISTENER_TYPE = 'envoy.config.listener.v3.Listener';
export const ROUTE_TYPE = 'envoy.config.route.v3.RouteConfiguration';
export const SECRET_TYPE = 'envoy.extensions.transport_sockets.tls.v3.Secret';
