// The table behind HTTP_PROXY of proxies without redirect, and the names of all tables that their listeners ask for.
import type { Collection, Memo, Reader } from '../../base/collection.ts';
import { ROUTE_URL } from '../../xds/server/order.ts';
import { type EncodedResource, encodedResource } from '../../xds/server/resource.ts';
import { type AskedPort, askedPorts, isUnreachable, PLAIN } from '../generate/explicit/ports.ts';
import {
  connectionsOnlyRoutes,
  refusedTunnel,
  tunnelRoute,
  unknownHost,
  unreachableRoutes,
} from '../generate/explicit/routes.ts';
import { planTable, type TableHost, type TablePort } from '../generate/explicit/table.ts';
import { hostPort, type NamingCaller } from '../generate/route/domains.ts';
import type { Caller } from '../generate/route/route-context.ts';
import { HTTP_PROXY, listenerFor } from '../generate/route/sidecar-names.ts';
import type { PlanRoutes, PlanService } from '../generate/route/sidecar-plan.ts';
import { countsAttempts, tableHeader } from '../generate/route/tables.ts';
import { encodeHostBody, type HostBody, joinTable } from '../generate/route/virtual-host-bytes.ts';
import { hostsMeet } from '../model/hosts.ts';
import type { Mesh } from '../model/mesh.ts';
import type { ProxyKind } from '../model/proxy.ts';
import type { RouteSet } from '../model/route.ts';
import { type Scope, scopeKey } from '../model/scope.ts';
import { isHttp } from '../model/service.ts';
import type { Inputs } from './inputs.ts';
import type { RoutesStage } from './routes-stage.ts';
import type { ScopesStage } from './scopes-stage.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';

export type ExplicitRouteParts = {
  readonly services: ServicesStage;
  readonly routes: RoutesStage;
  readonly scopes: ScopesStage;
  /** What of services and routes plans depend on. */
  readonly planServices: Collection<PlanService>;
  readonly planRoutes: Collection<PlanRoutes>;
};

export type TableCaller = Caller & NamingCaller & { readonly kind: ProxyKind; readonly sidecar: string };

export type ExplicitRoutes = {
  /** `bodyOf`: the routes behind a host that is planned as in every other table. */
  table(read: Reader, caller: TableCaller, bodyOf: (host: TableHost) => HostBody): EncodedResource;
  /** Sorted; key: `scopeKey`. */
  readonly names: Memo<readonly string[]>;
};

export function explicitRoutes(inputs: Inputs, parts: ExplicitRouteParts): ExplicitRoutes {
  const { graph } = inputs;
  const asked = graph.memo<ReadonlyMap<string, AskedPort>>('ports of explicit tables', (key, read) =>
    askedPorts(read.get(parts.scopes.scopes, key), (service) => read.get(parts.services.services, service)),
  );
  const connectionHosts = graph.map<RouteSet, readonly string[]>(
    'hosts of rules for connections',
    parts.routes.routeSets,
    (_key, { l4, parents, hosts }) => (l4.length > 0 && parents.includes('mesh') ? hosts : undefined),
  );
  const tablePort = (read: Reader, { service, port, routes }: AskedPort): TablePort | null => {
    const planned = read.get(parts.planServices, service.key);
    if (planned === undefined) return null;
    const hasRule = (): boolean =>
      routes.some((key) => read.get(connectionHosts, key)?.some((host) => hostsMeet(host, service.hostname)));
    return { service: planned, port, isUnreachable: isUnreachable(service) && !hasRule() };
  };
  return {
    table: (read, caller, bodyOf) => {
      const scope = read.get(parts.scopes.scopes, scopeKey(caller));
      const mesh = meshOf(inputs, read);
      const ports = new Map<string, TablePort>();
      for (const [name, one] of read.get(asked, scopeKey(caller))) {
        const port = tablePort(read, one);
        if (port !== null) ports.set(name, port);
      }
      const hosts = planTable({ ports, caller, ofPort: (port) => planParts(read, parts, scope, port) });
      const pieces = hosts.map((host) => {
        const { name, domains } = host;
        return { name, domains, body: wholeBody(host, caller.kind, mesh, () => bodyOf(host)) };
      });
      // The port is part of whom a request means: several services may share a name.
      const header = { ...tableHeader(HTTP_PROXY), ignore_port_in_host_matching: false };
      const last = unknownHost(scope, countsAttempts(mesh), caller.kind, mesh);
      return encodedResource(ROUTE_URL, HTTP_PROXY, joinTable(header, pieces, last));
    },
    names: graph.memo<readonly string[]>('route names without redirect', (key, read) => {
      const names = new Set([HTTP_PROXY, String(PLAIN.number)]);
      for (const { service, port } of read.get(asked, key).values()) {
        if (isHttp(port.protocol)) names.add(String(port.number));
        else if (port.protocol !== 'UNSUPPORTED') continue;
        names.add(hostPort(service.hostname, port.number));
      }
      return [...names].sort();
    }),
  };
}

function planParts(
  read: Reader,
  parts: ExplicitRouteParts,
  scope: Scope,
  port: number,
): { services: PlanService[]; routes: PlanRoutes[] } {
  const listener = listenerFor(scope, { port, bind: '', host: '' });
  if (listener === null) return { services: [], routes: [] };
  const services = listener.services.flatMap((key) => read.get(parts.planServices, key) ?? []);
  return {
    services: services.filter(({ ports }) => ports.some(({ number }) => number === port)),
    routes: listener.routes.flatMap((key) => read.get(parts.planRoutes, key) ?? []),
  };
}

/** Routes of one virtual host, encoded in parts, are one list when they are read. */
function wholeBody(host: TableHost, kind: ProxyKind, mesh: Mesh, routed: () => HostBody): HostBody {
  if (host.requests === 'unreachable') return encodeHostBody(unreachableRoutes(), {});
  const tunnel = encodeHostBody([host.tunnel === '' ? refusedTunnel() : tunnelRoute(host.tunnel, kind, mesh)], {});
  const requests = host.requests === 'routed' ? routed() : encodeHostBody(connectionsOnlyRoutes(), {});
  return Buffer.concat([tunnel, requests]);
}
