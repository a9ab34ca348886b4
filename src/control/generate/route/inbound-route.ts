// The route configuration inside an inbound listener: everything goes to one port of the workload.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import { defaultInboundRoute } from './default-route.ts';
import { hostPort } from './domains.ts';

/**
 * `cluster` ('inbound|9080||', 'InboundPassthroughCluster') is also its name; `host` is the service's, '' without one,
 * and `port` its port (0 for the pass-through chains): traces show them.
 */
export function inboundRouteConfiguration(
  cluster: string,
  host: string,
  port: number,
): MessageTypes['envoy.config.route.v3.RouteConfiguration'] {
  const operation = `${host === '' ? `:${port}` : hostPort(host, port)}/*`;
  const routes = [defaultInboundRoute(cluster, operation)];
  return {
    name: cluster,
    virtual_hosts: [{ name: `inbound|http|${port}`, domains: ['*'], routes }],
    validate_clusters: false,
  };
}
