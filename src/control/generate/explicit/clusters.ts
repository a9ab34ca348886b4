// Clusters of a proxy without redirect that lead to its own internal listeners, where tunnels are looked into.
import { protoDuration } from '../../model/duration.ts';
import type { Mesh } from '../../model/mesh.ts';
import { statPrefix } from '../cluster/names.ts';
import type { NamedCluster } from '../cluster/outbound.ts';

/** No limit, where absence would mean Envoy's small defaults: those of the services hold behind it. */
const UNLIMITED = 4_294_967_295;
const THRESHOLDS = {
  ...{ max_connections: UNLIMITED, max_pending_requests: UNLIMITED, max_requests: UNLIMITED, max_retries: UNLIMITED },
};

export function tunnelCluster(name: string, mesh: Pick<Mesh, 'connectTimeoutMs'>): NamedCluster {
  const address = { envoy_internal_address: { server_listener_name: name } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: protoDuration(mesh.connectTimeoutMs),
    alt_stat_name: statPrefix(name),
    circuit_breakers: { thresholds: [THRESHOLDS] },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}
