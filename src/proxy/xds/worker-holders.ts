// What a worker uses by name and others fetch for it: endpoints, routes and secrets.
import type { EndpointsConfig } from '../cluster/cluster-config.ts';
import type { RouteTable } from '../route/route.ts';
import type { NamedSecret } from '../tls/tls-config.ts';
import { Holders, WantBox } from './holders.ts';
import { ENDPOINTS_TYPE, ROUTE_TYPE, SECRET_TYPE } from './types.ts';

export type WorkerHolders = {
  readonly wants: WantBox;
  readonly endpoints: Holders<EndpointsConfig>;
  readonly routes: Holders<RouteTable>;
  readonly secrets: Holders<NamedSecret>;
};

export function makeHolders(): WorkerHolders {
  const wants = new WantBox();
  return {
    wants,
    endpoints: new Holders(ENDPOINTS_TYPE, wants),
    routes: new Holders(ROUTE_TYPE, wants),
    secrets: new Holders(SECRET_TYPE, wants),
  };
}
