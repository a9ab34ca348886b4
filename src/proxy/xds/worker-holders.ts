// What a worker uses by name and others fetch for it: endpoints, routes, secrets and filters.
import type { EndpointsConfig } from '../cluster/cluster-config.ts';
import type { HttpExtension } from '../http/filter-discovery.ts';
import type { ListenerExtension } from '../listener/filter-discovery.ts';
import type { NetworkExtension } from '../network/filter-discovery.ts';
import type { RouteTable } from '../route/route.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { NamedSecret } from '../tls/tls-config.ts';
import { ConfigRecord } from './config-record.ts';
import { Holders, WantBox } from './holders.ts';
import { RouteFeeds } from './route-feeds.ts';
import { ScopeSets } from './scope-sets.ts';
import { VirtualHosts } from './virtual-hosts.ts';
import { ENDPOINTS_TYPE, EXTENSION_TYPE, ROUTE_TYPE, SECRET_TYPE } from './types.ts';

export type WorkerHolders = {
  readonly wants: WantBox;
  /** What has come, where it is fetched; empty in worker threads. */
  readonly record: ConfigRecord;
  readonly endpoints: Holders<EndpointsConfig>;
  readonly routes: Holders<RouteTable>;
  readonly virtualHosts: VirtualHosts;
  readonly routeFeeds: RouteFeeds;
  readonly scopes: ScopeSets;
  readonly secrets: Holders<NamedSecret>;
  readonly extensions: Holders<HttpExtension>;
  readonly networkExtensions: Holders<NetworkExtension>;
  readonly listenerExtensions: Holders<ListenerExtension>;
};

/** `wallMs`: the time, ms since 1970. */
export function makeHolders(wallMs: () => number, stats: StatStore): WorkerHolders {
  const wants = new WantBox();
  const routes = new Holders<RouteTable>(ROUTE_TYPE, wants);
  const virtualHosts = new VirtualHosts(wants, stats);
  return {
    wants,
    record: new ConfigRecord(wallMs),
    endpoints: new Holders(ENDPOINTS_TYPE, wants),
    ...{ routes, virtualHosts, routeFeeds: new RouteFeeds(routes, virtualHosts) },
    scopes: new ScopeSets(wants, routes, stats, wallMs),
    secrets: new Holders(SECRET_TYPE, wants),
    extensions: new Holders(EXTENSION_TYPE, wants),
    networkExtensions: new Holders(EXTENSION_TYPE, wants),
    listenerExtensions: new Holders(EXTENSION_TYPE, wants),
  };
}
