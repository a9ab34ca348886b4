// A host that a filter asks for by its address, before the load balancer is asked.
import type { Cluster, Host, LoadBalancerContext } from '../../../cluster/cluster.ts';
import type { WantedHost } from '../../../stream-info.ts';

/** Only hosts of the cluster: whoever may say which address it is cannot leave it. Source: Envoy selectOverrideHost. */
export function chooseWanted(
  context: LoadBalancerContext & { readonly cluster: Cluster },
  wanted: WantedHost,
): Host | null {
  const { cluster } = context;
  const found = cluster.hostAt?.(wanted.address) ?? null;
  if (found !== null && found !== 'unusable') return found;
  return wanted.isStrict ? null : cluster.lb.chooseHost(context);
}

/** The status of an answer where no host was chosen. */
export function missingStatus(cluster: Cluster, wanted: WantedHost): number {
  return wanted.isStrict && (cluster.hostAt?.(wanted.address) ?? null) === null ? wanted.missingStatus : 503;
}
