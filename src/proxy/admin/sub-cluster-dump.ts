// Clusters that dynamic forward proxies made, as /config_dump shows them: their parents' messages with one name each.
import type { Cluster } from '../../proto/generated/types.d.ts';
import { asSubCluster } from '../dns-cache/sub-cluster-message.ts';
import type { ClusterStatus } from '../workers/crew.ts';
import { CLUSTER_TYPE } from '../xds/types.ts';
import type { JsonObject } from './dump-json.ts';
import { decodeResource, messageJson, timeText } from './dynamic-dump.ts';
import type { AdminContext } from './handlers.ts';

const FORWARD_PROXY = 'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';

type Proxy = Pick<AdminContext['proxy'], 'bootstrap' | 'record'>;

/** Whether there may be such clusters. */
export function hasForwardProxy({ bootstrap, record }: Proxy): boolean {
  const statics = bootstrap.static_resources?.clusters ?? [];
  if (statics.some(({ cluster_type: type }) => type?.typed_config?.type_url?.endsWith(FORWARD_PROXY))) return true;
  for (const { active } of record.of(CLUSTER_TYPE)) {
    if (
      active !== null &&
      Buffer.from(active.bytes.buffer, active.bytes.byteOffset, active.bytes.length).includes(FORWARD_PROXY)
    )
      return true;
  }
  return false;
}

export function* subClusterEntries(
  proxy: Proxy,
  clusters: Iterable<ClusterStatus>,
  isWanted: (name: string) => boolean,
): Generator<JsonObject> {
  const parents = new Map<string, Cluster | null>();
  for (const { name, origin } of clusters) {
    if (origin === undefined || !isWanted(name)) continue;
    const { parent: parentName, host, port, lbPolicy, wallMs } = origin;
    let parent = parents.get(parentName);
    if (parent === undefined) {
      parent = findParent(proxy, parentName);
      parents.set(parentName, parent);
    }
    if (parent === null) continue;
    const message = asSubCluster(parent, host, port, lbPolicy as NonNullable<Cluster['lb_policy']>);
    yield { cluster: messageJson(CLUSTER_TYPE, message), last_updated: timeText(wallMs) };
  }
}

function findParent({ bootstrap, record }: Proxy, name: string): Cluster | null {
  const own = bootstrap.static_resources?.clusters?.find((cluster) => cluster.name === name);
  if (own !== undefined) return own;
  for (const { name: known, active } of record.of(CLUSTER_TYPE)) {
    if (known === name && active !== null) return decodeResource(CLUSTER_TYPE, active.bytes) as Cluster;
  }
  return null;
}
