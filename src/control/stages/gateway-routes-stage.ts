// Route configurations of gateways: servers that share one, and the routes that join their hosts.
import type { Memo, Reader } from '../../base/collection.ts';
import { ROUTE_URL } from '../../xds/server/order.ts';
import { type EncodedResource, encodedResource } from '../../xds/server/resource.ts';
import {
  type BoundServer,
  type GatewayHost,
  type GatewayRoutes,
  gatewayRoutes,
  planGatewayHosts,
  type RouteSource,
} from '../generate/route/gateway-route.ts';
import { takesAll } from '../generate/route/matches.ts';
import type { RouteContext, SeenService } from '../generate/route/route-context.ts';
import { buildRoutes, type Route } from '../generate/route/routes.ts';
import { countsAttempts, emptyTable, tableHeader } from '../generate/route/tables.ts';
import { encodeHostBody, type HostBody, joinTable } from '../generate/route/virtual-host-bytes.ts';
import { byAge, isVisible } from '../model/hosts.ts';
import { parseClass, type ProxyClass, pickClass } from '../model/proxy.ts';
import type { RouteSet } from '../model/route.ts';
import type { Inputs } from './inputs.ts';
import { firstService, hashLookup, type LookupParts, seenServices } from './route-lookups.ts';
import type { RoutesStage } from './routes-stage.ts';
import { meshOf } from './services-stage.ts';

/** What of a gateway's class its routes depend on. */
const FIELDS = ['namespace', 'labels'] as const;
export type GatewayRouteFacts = Pick<ProxyClass, (typeof FIELDS)[number]>;

const SEPARATOR = '\n';

/** Key of a table: `servers` is whatever tells the proxy's merged gateways apart, and has no line break. */
export function gatewayRouteKey(facts: GatewayRouteFacts, servers: string, routeName: string): string {
  return [pickClass(facts, ...FIELDS), servers, routeName].join(SEPARATOR);
}

/**
 * The tables by `gatewayRouteKey`. `serversOf` gives the servers of one, in order; its key is 'SERVERS\nROUTE NAME',
 * the last two parts of that key. Without servers (the gateway is gone, a draining listener still asks) it is empty.
 */
export function gatewayRoutesStage(
  inputs: Inputs,
  parts: LookupParts & { readonly routes: RoutesStage },
  serversOf: Memo<readonly BoundServer[]>,
): Memo<EncodedResource> {
  const { graph } = inputs;
  const routes = graph.map<RouteSet, GatewayRoutes>('routes of gateways', parts.routes.routeSets, (_key, set) =>
    gatewayRoutes(set),
  );
  const byParent = routes.index('by gateway', (_key, set) => new Set(set.parents));
  const plans = graph.memo<readonly GatewayHost[]>('route plans of gateways', (key, read) => {
    const { facts, servers } = splitKey(key);
    const routesOf = (gateway: string): GatewayRoutes[] => visibleRoutes(read.lookup(byParent, gateway), facts);
    return planGatewayHosts(read.get(serversOf, servers), routesOf, facts);
  });
  const pieces = routePieces(inputs, parts);
  return graph.memo<EncodedResource>(
    'route configurations of gateways',
    (key, read) => {
      const { facts, servers, routeName } = splitKey(key);
      if (read.get(serversOf, servers).length === 0)
        return encodedResource(ROUTE_URL, routeName, emptyTable(routeName));
      const caller = pickClass(facts, ...FIELDS);
      const others = { include_request_attempt_count: countsAttempts(meshOf(inputs, read)) };
      const hosts = read.get(plans, key).map((host) => {
        const switches = host.sources.length === 0 && !host.requiresTls ? {} : others;
        const tail = encodeHostBody([], host.requiresTls ? { ...switches, require_tls: 'ALL' } : switches);
        return { name: host.name, domains: host.domains, body: joinBody(read, pieces, caller, host.sources, tail) };
      });
      return encodedResource(ROUTE_URL, routeName, joinTable(tableHeader(routeName), hosts, null));
    },
    (a, b) => a.version === b.version,
  );
}

function splitKey(key: string): {
  readonly facts: GatewayRouteFacts;
  readonly servers: string;
  readonly routeName: string;
} {
  const [facts = '', ...servers] = key.split(SEPARATOR);
  return {
    facts: parseClass<keyof GatewayRouteFacts>(facts),
    servers: servers.join(SEPARATOR),
    routeName: servers.at(-1) ?? '',
  };
}

/** The namespace's own private ones, those exported to it, those for everyone; each oldest first. */
function visibleRoutes(sets: readonly GatewayRoutes[], { namespace }: GatewayRouteFacts): GatewayRoutes[] {
  const rank = (set: GatewayRoutes): number => (set.exportTo.has('*') ? 2 : set.namespace === namespace ? 0 : 1);
  const visible = sets.filter((set) => isVisible(set.exportTo, set.namespace, namespace));
  return visible.sort((a, b) => rank(a) - rank(b) || byAge(a, b));
}

/** Encoded routes of one set: those that take everything stand behind those of all other sets of a host. */
type Pieces = { readonly first: HostBody; readonly last: HostBody };

function joinBody(
  read: Reader,
  pieces: Memo<Pieces>,
  caller: string,
  sources: readonly RouteSource[],
  tail: HostBody,
): HostBody {
  const found = sources.map((source) => read.get(pieces, `${caller}${SEPARATOR}${JSON.stringify(source)}`));
  return Buffer.concat([...found.map(({ first }) => first), ...found.map(({ last }) => last), tail]);
}

function routePieces(inputs: Inputs, parts: LookupParts & { readonly routes: RoutesStage }): Memo<Pieces> {
  return inputs.graph.memo<Pieces>('routes of sets on gateways', (key, read) => {
    const [facts = '', sourceText = ''] = key.split(SEPARATOR);
    const caller = parseClass<keyof GatewayRouteFacts>(facts);
    const { routes, gateway, port, isTls } = JSON.parse(sourceText) as RouteSource;
    const set = read.get(parts.routes.routeSets, routes);
    const context: RouteContext = {
      ...{ mesh: meshOf(inputs, read), port, parents: new Set([gateway]), isTls, isLibrary: false, caller },
      serviceOf: (host) => preferOwn(seenServices(read, parts, caller, host), set?.namespace ?? ''),
      hashOf: hashLookup(read, parts, caller),
    };
    const made: readonly Route[] = set === undefined ? [] : buildRoutes(set, context);
    const isLast = (route: Route): boolean => takesAll(route.match!);
    return {
      first: encodeHostBody(
        made.filter((route) => !isLast(route)),
        {},
      ),
      last: encodeHostBody(made.filter(isLast), {}),
    };
  });
}

/** The service of the rules' own namespace, where several have the name. */
function preferOwn(services: ReturnType<typeof seenServices>, namespace: string): SeenService | undefined {
  const service = services.find((candidate) => candidate.namespace === namespace) ?? firstService(services);
  if (service === undefined) return undefined;
  return { externalName: service.externalName, ports: service.ports.map(({ number }) => number) };
}
