// Clusters of a proxy without redirect that lead to its own internal listeners, where tunnels are looked into.
import { protoDuration } from '../../model/duration.ts';
import type { Mesh } from '../../model/mesh.ts';
import { statPrefix } from '../cluster/names.ts';
import type { NamedCluster } from '../cluster/outbound.ts';

export function tunnelCluster(name: string, mesh: Pick<Mesh, 'connectTimeoutMs'>): NamedCluster {
  const address = { envoy_internal_address: { server_listener_name: name } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: protoDuration(mesh.connectTimeoutMs),
    alt_stat_name: statPrefix(name),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}
