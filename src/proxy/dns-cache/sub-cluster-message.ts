// What a dynamic forward proxy makes its sub clusters of: its own message, with one name instead of all.
import type { Cluster } from '../../proto/generated/types.d.ts';
import { subClusterName } from './host-key.ts';

/** What a dynamic forward proxy asks of TLS by itself; typed options go first. */
const OWN_NAMES = Object.freeze({ auto_sni: true, auto_san_validation: true });

/** Source: Envoy Cluster::createSubClusterConfig. */
export function asSubCluster(
  parent: Cluster,
  host: string,
  port: number,
  policy: NonNullable<Cluster['lb_policy']>,
): Cluster {
  const { cluster_type: _type, lb_policy: _policy, ...rest } = parent;
  const name = subClusterName(host, port);
  const endpoint = { address: { socket_address: { address: host, port_value: port } } };
  return {
    ...rest,
    name,
    type: 'STRICT_DNS',
    ...(policy === 'ROUND_ROBIN' ? {} : { lb_policy: policy }),
    upstream_http_protocol_options: parent.upstream_http_protocol_options ?? OWN_NAMES,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  } as Cluster;
}
