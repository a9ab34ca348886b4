// What a worker uses by name and others fetch for it: endpoints, routes, secrets and filters.
import type { EndpointsConfig } from '../cluster/cluster-config.ts';
import type { HttpExtension } from '../http/filter-discovery.ts';
import type { NetworkExtension } from '../network/filter-discovery.ts';
import type { RouteTable } from '../route/route.ts';
import type { NamedSecret } from '../tls/tls-config.ts';
import { ConfigRecord } from './config-record.ts';
import { Holders, WantBox } from './holders.ts';
import { ENDPOINTS_TYPE, EXTENSION_TYPE, ROUTE_TYPE, SECRET_TYPE } from './types.ts';

export type WorkerHolders = {
  readonly wants: WantBox;
  /** What has come, where it is fetched; empty in worker threads. */
  readonly record: ConfigRecord;
  readonly endpoints: Holders<EndpointsConfig>;
  readonly routes: Holders<RouteTable>;
  readonly secrets: Holders<NamedSecret>;
  readonly extensions: Holders<HttpExtension>;
  readonly networkExtensions: Holders<NetworkExtension>;
};

/** `wallMs`: the time, ms since 1970. */
export function makeHolders(wallMs: () => number): WorkerHolders {
  const wants = new WantBox();
  return {
    wants,
    record: new ConfigRecord(wallMs),
    endpoints: new Holders(ENDPOINTS_TYPE, wants),
    routes: new Holders(ROUTE_TYPE, wants),
    secrets: new Holders(SECRET_TYPE, wants),
    extensions: new Holders(EXTENSION_TYPE, wants),
    networkExtensions: new Holders(EXTENSION_TYPE, wants),
  };
}
