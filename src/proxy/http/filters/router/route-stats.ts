// Statistics of virtual clusters and of routes with a stat_prefix.
import type { Scope, StatStore } from '../../../../telemetry/metrics.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { CodeStats } from '../../../cluster/stats.ts';
import type { Route } from '../../../route/route.ts';
import type { StreamInfo } from '../../../stream-info.ts';

const STATS = {
  upstream_rq_retry: 'counter',
  upstream_rq_retry_limit_exceeded: 'counter',
  upstream_rq_retry_overflow: 'counter',
  upstream_rq_retry_success: 'counter',
  upstream_rq_timeout: 'counter',
  upstream_rq_total: 'counter',
} as const;

export type RouteStatName = keyof typeof STATS;

export type RouteStats = {
  readonly scope: Scope & { readonly i: { readonly [name in RouteStatName]: number } };
  readonly codes: CodeStats;
};

/** Scopes by prefix; as many as virtual clusters and route prefixes are configured. */
export class RouteStatsTable {
  readonly #store: StatStore;
  readonly #byPrefix = new Map<string, RouteStats>();

  constructor(store: StatStore) {
    this.#store = store;
  }

  /** Of the virtual cluster that the request belongs to, whose name is noted; null when there is none. */
  ofVirtualCluster(route: Route, headers: Headers, info: StreamInfo): RouteStats | null {
    const name = route.virtualHost.virtualCluster(headers);
    if (name === null) return null;
    info.virtualClusterName = name;
    return this.#get(route.virtualHostName, 'vcluster', name);
  }

  /** Null when the route has no stat_prefix. */
  ofRoute(route: Route): RouteStats | null {
    return route.statPrefix === '' ? null : this.#get(route.virtualHostName, 'route', route.statPrefix);
  }

  #get(virtualHost: string, kind: 'vcluster' | 'route', name: string): RouteStats {
    const prefix = `vhost.${virtualHost}.${kind}.${name}.`;
    let stats = this.#byPrefix.get(prefix);
    if (stats === undefined) {
      const scope = this.#store.scope(prefix, STATS);
      stats = { scope, codes: new CodeStats(scope, '') };
      this.#byPrefix.set(prefix, stats);
    }
    return stats;
  }
}

/** Counts on the virtual cluster and the route of a request, where there are statistics of them. */
export function countRoute(
  request: { readonly virtualCluster: RouteStats | null; readonly routeStats: RouteStats | null },
  name: RouteStatName,
): void {
  const { virtualCluster, routeStats } = request;
  if (virtualCluster !== null) virtualCluster.scope.inc(virtualCluster.scope.i[name]);
  if (routeStats !== null) routeStats.scope.inc(routeStats.scope.i[name]);
}
