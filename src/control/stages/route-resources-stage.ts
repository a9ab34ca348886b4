// Route configurations of sidecars, and their virtual hosts as resources of their own for proxies that take them.
import type { Collection, Memo, Reader } from '../../base/collection.ts';
import { ROUTE_URL, VIRTUAL_HOST_URL } from '../../xds/server/order.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { encodedResource } from '../../xds/server/resource.ts';
import { unknownInTunnel } from '../generate/explicit/routes.ts';
import { catchAllHost, defaultOutboundRoute } from '../generate/route/default-route.ts';
import type { RouteContext, SeenService } from '../generate/route/route-context.ts';
import { buildRoutes } from '../generate/route/routes.ts';
import {
  HTTP_PROXY,
  libraryNamesOf,
  listenerFor,
  type RouteName,
  parseRouteName,
  routeNamesOf,
} from '../generate/route/sidecar-names.ts';
import {
  type PlannedHost,
  type PlanRoutes,
  type PlanService,
  planRoutes,
  planService,
  planVirtualHosts,
} from '../generate/route/sidecar-plan.ts';
import { serviceHashOf } from '../generate/route/hashes.ts';
import { countsAttempts, emptyTable, tableHeader } from '../generate/route/tables.ts';
import { encodeHostBody, type HostBody, joinHost, joinTable } from '../generate/route/virtual-host-bytes.ts';
import type { Mesh } from '../model/mesh.ts';
import { parseClass, pickClass, type ProxyClass } from '../model/proxy.ts';
import type { RouteSet } from '../model/route.ts';
import { type Scope, scopeKey } from '../model/scope.ts';
import type { Service } from '../model/service.ts';
import type { Inputs } from './inputs.ts';
import { explicitRoutes, type ExplicitRouteParts } from './explicit-routes-stage.ts';
import { firstService, hashLookup, policyOfHost, seenServices } from './route-lookups.ts';
import { sameResources } from './endpoint-resources-stage.ts';
import type { RoutesStage } from './routes-stage.ts';
import type { ScopesStage } from './scopes-stage.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';
import type { TrafficPolicyStage } from './traffic-policy-stage.ts';

/** What of a class a sidecar's routes depend on. */
const TABLE_FIELDS = [
  ...(['kind', 'namespace', 'dnsDomain', 'sidecar', 'labels', 'families', 'dnsCapture', 'explicit'] as const),
] as const;
/** And what the rules behind one host do. */
const BODY_FIELDS = ['namespace', 'labels'] as const;
type TableFacts = Pick<ProxyClass, (typeof TABLE_FIELDS)[number]>;
type BodyFacts = Pick<ProxyClass, (typeof BODY_FIELDS)[number]>;

export type RouteResources = {
  /** One table; key: `routeKey`. */
  readonly routeConfigurations: Memo<EncodedResource>;
  /** For proxies of ours: the virtual hosts of that table, none if it holds them itself; key: `routeKey`. */
  readonly virtualHosts: Memo<readonly EncodedResource[]>;
  /** All tables that listeners of a class can ask for; key: `tablesKey`. */
  readonly tables: Memo<readonly EncodedResource[]>;
  /** And all virtual hosts of theirs that come by themselves; key: `tablesKey`. */
  readonly tableHosts: Memo<readonly EncodedResource[]>;
  /** Tables that listeners of a scope can ask for, sorted; key: `scopeKey`. */
  readonly routeNames: Memo<readonly string[]>;
  /** Names of labels by which routes of a scope tell its proxies apart, sorted: they belong into the class. */
  readonly selectingLabels: Memo<readonly string[]>;
};

/** Key of a sidecar's table. `labels` are only those by which something selects. */
export function routeKey(facts: TableFacts, routeName: string): string {
  return `${pickClass(facts, ...TABLE_FIELDS)}${SEPARATOR}${routeName}`;
}

/** Key of all tables of a class. */
export function tablesKey(facts: TableFacts): string {
  return pickClass(facts, ...TABLE_FIELDS);
}

/** In no name, and in JSON only escaped. */
const SEPARATOR = '\n';
const MESH: ReadonlySet<string> = new Set(['mesh']);

type Parts = {
  readonly services: ServicesStage;
  readonly policies: TrafficPolicyStage;
  readonly routes: RoutesStage;
  readonly scopes: ScopesStage;
};

export function routeResourcesStage(inputs: Inputs, parts: Parts): RouteResources {
  const { graph } = inputs;
  const { scopes } = parts.scopes;
  const plans = planParts(inputs, parts);
  const planned = plannedHosts(inputs, parts, plans);
  const bodies = hostBodies(inputs, parts);
  const hostResources = graph.memo<EncodedResource>('virtual hosts', (key, read) => {
    const { resource, name, domains, body } = JSON.parse(key) as HostKey;
    return encodedResource(VIRTUAL_HOST_URL, resource, joinHost(name, domains, read.get(bodies, body)));
  });
  const explicit = explicitRoutes(inputs, { ...parts, ...plans });
  const routeConfigurations = graph.memo<EncodedResource>(
    'route configurations',
    (key, read) => {
      const { facts, routeName } = splitKey(key);
      const scope = read.get(scopes, scopeKey(facts));
      const parsed = parseRouteName(routeName);
      if (facts.explicit && routeName === HTTP_PROXY) {
        return explicit.table(read, facts, (host) => read.get(bodies, bodyKey(facts, host, host.port)));
      }
      if (parsed === null || listenerFor(scope, parsed) === null) {
        return encodedResource(ROUTE_URL, routeName, emptyTable(routeName));
      }
      const last = parsed.host === '' ? lastHost(facts, scope, meshOf(inputs, read)) : null;
      if (comeAlone(facts, parsed)) {
        return encodedResource(ROUTE_URL, routeName, joinTable(vhdsHeader(routeName), [], last));
      }
      const header = facts.kind === 'grpc' ? { name: routeName } : tableHeader(routeName);
      const hosts = read.get(planned, key).map(({ name, domains, body }) => {
        return { name, domains, body: read.get(bodies, body) };
      });
      return encodedResource(ROUTE_URL, routeName, joinTable(header, hosts, last));
    },
    sameResource,
  );
  const virtualHosts = graph.memo<readonly EncodedResource[]>(
    'virtual hosts of tables',
    (key, read) => {
      const { facts, routeName } = splitKey(key);
      const parsed = parseRouteName(routeName);
      if (parsed === null || !comeAlone(facts, parsed)) return [];
      return read.get(planned, key).map((host) => read.get(hostResources, host.resource));
    },
    sameResources,
  );
  const { services } = parts.services;
  const routeNames = graph.memo<readonly string[]>('route names', (key, read) => {
    const { egress } = read.get(scopes, key);
    const listeners = egress.map((listener) => ({ listener, services: valuesOf(read, services, listener.services) }));
    return routeNamesOf(listeners, meshOf(inputs, read).proxyHttpPort);
  });
  const labelNames = selectingLabels(inputs, parts);
  const namesOf = (facts: TableFacts): Memo<readonly string[]> => (facts.explicit ? explicit.names : routeNames);
  const keysOf = tableKeys(inputs, parts, namesOf, labelNames);
  return {
    ...{ routeConfigurations, virtualHosts, routeNames },
    tables: graph.memo(
      'tables of routes',
      (key, read) => keysOf(read, key).map((one) => read.get(routeConfigurations, one)),
      sameResources,
    ),
    tableHosts: graph.memo(
      'virtual hosts of classes',
      (key, read) => keysOf(read, key).flatMap((one) => read.get(virtualHosts, one)),
      sameResources,
    ),
    selectingLabels: labelNames,
  };
}

/** Keys of all tables of a class. Labels that only other resources depend on are left out: they part no tables. */
function tableKeys(
  inputs: Inputs,
  { services, policies, scopes }: Parts,
  namesOf: (facts: TableFacts) => Memo<readonly string[]>,
  labelNames: Memo<readonly string[]>,
): (read: Reader, key: string) => string[] {
  const libraryNames = inputs.graph.memo<readonly string[]>('route names of libraries', (key, read) => {
    const { egress } = read.get(scopes.scopes, key);
    return libraryNamesOf(egress.flatMap((listener) => valuesOf(read, services.services, listener.services)));
  });
  return (read, key) => {
    const facts = parseClass<keyof TableFacts>(key);
    const scope = scopeKey(facts);
    const known = new Set([...read.get(labelNames, scope), ...read.get(policies.selectingLabels, facts.namespace)]);
    const labels = Object.fromEntries(Object.entries(facts.labels).filter(([label]) => known.has(label)));
    const narrow = tablesKey({ ...facts, labels });
    const names = read.get(facts.kind === 'grpc' ? libraryNames : namesOf(facts), scope);
    return names.map((name) => `${narrow}${SEPARATOR}${name}`);
  };
}

type HostKey = {
  readonly resource: string;
  readonly name: string;
  readonly domains: readonly string[];
  readonly body: string;
};

function sameResource(a: EncodedResource, b: EncodedResource): boolean {
  return a.version === b.version && a.name === b.name;
}

function splitKey(key: string): { readonly facts: TableFacts; readonly routeName: string } {
  const at = key.indexOf(SEPARATOR);
  return { facts: parseClass<keyof TableFacts>(key.slice(0, at)), routeName: key.slice(at + 1) };
}

/** Proxies of ours take hosts of tables for many services one by one. */
function comeAlone(facts: TableFacts, { host, port }: RouteName): boolean {
  return facts.kind === 'heddle' && host === '' && port !== 0;
}

function lastHost(facts: TableFacts, scope: Scope, mesh: Mesh): ReturnType<typeof catchAllHost> {
  const counts = countsAttempts(mesh);
  return facts.explicit ? unknownInTunnel(scope, counts, facts.kind, mesh) : catchAllHost(scope, counts);
}

function vhdsHeader(name: string): ReturnType<typeof tableHeader> {
  return { ...tableHeader(name), vhds: { config_source: { ads: {}, resource_api_version: 'V3' } } };
}

type Plans = Pick<ExplicitRouteParts, 'planServices' | 'planRoutes'>;

function planParts({ graph }: Inputs, { services, routes }: Parts): Plans {
  return {
    planServices: graph.map<Service, PlanService>('services in route plans', services.services, (_key, service) =>
      planService(service),
    ),
    planRoutes: graph.map<RouteSet, PlanRoutes>('routes in route plans', routes.routeSets, (_key, set) =>
      planRoutes(set),
    ),
  };
}

/** Which hosts a table has; key: `routeKey`. */
function plannedHosts(
  inputs: Inputs,
  parts: Parts,
  { planServices: seen, planRoutes: routes }: Plans,
): Memo<readonly KeyedHost[]> {
  const { graph } = inputs;
  // One walk over a listener's services for all of its ports.
  const listeners = graph.memo<ListenerParts>(
    'listeners in route plans',
    (key, read) => {
      const [scope = '', index = ''] = key.split(SEPARATOR);
      const listener = read.get(parts.scopes.scopes, scope).egress[Number(index)];
      if (listener === undefined) return { services: [], byPort: new Map(), routes: [] };
      const services = valuesOf(read, seen, listener.services);
      const byPort = new Map<number, PlanService[]>();
      for (const service of services) {
        for (const { number } of service.ports) {
          const others = byPort.get(number);
          if (others === undefined) byPort.set(number, [service]);
          else others.push(service);
        }
      }
      return { services, byPort, routes: valuesOf(read, routes, listener.routes) };
    },
    () => false,
  );
  return graph.memo<readonly KeyedHost[]>('route plans', (key, read) => {
    const { facts, routeName } = splitKey(key);
    const parsed = parseRouteName(routeName);
    if (parsed === null) return [];
    const scope = read.get(parts.scopes.scopes, scopeKey(facts));
    const listener = listenerFor(scope, parsed);
    if (listener === null) return [];
    const found = read.get(listeners, `${scope.key}${SEPARATOR}${scope.egress.indexOf(listener)}`);
    const port = listener.port?.protocol === 'HTTP_PROXY' ? 0 : parsed.port;
    const services = port === 0 ? found.services : (found.byPort.get(port) ?? []);
    const writesPorts = port === 0 || facts.kind === 'grpc';
    const hosts = planVirtualHosts({ port, writesPorts, services, routes: found.routes, caller: facts });
    const own = parsed.host === '' ? hosts : hostsOfService(hosts, parsed, facts);
    const place = { port, routeName, isAlone: comeAlone(facts, parsed) };
    return withKeys(own, facts, place);
  });
}

/** With the keys of what stands behind it, so that a table is lined up without making them anew. */
type KeyedHost = PlannedHost & {
  /** Key of its routes. */
  readonly body: string;
  /** Key of its own resource; '' where the table holds it. */
  readonly resource: string;
};

function withKeys(
  hosts: readonly PlannedHost[],
  facts: TableFacts,
  { port, routeName, isAlone }: { readonly port: number; readonly routeName: string; readonly isAlone: boolean },
): readonly KeyedHost[] {
  return hosts.map((host) => {
    const body = bodyKey(facts, host, port);
    const { name, domains } = host;
    const key: HostKey = { resource: `${routeName}/${name}`, name, domains, body };
    return { ...host, body, resource: isAlone ? JSON.stringify(key) : '' };
  });
}

/** Key of `hostBodies`; `port`: of the listener. */
function bodyKey(facts: TableFacts, host: PlannedHost, port: number): string {
  const caller = pickClass(facts, ...BODY_FIELDS);
  if (host.routes === '') return [caller, host.port, host.host, '', ''].join(SEPARATOR);
  return [caller, port, '', host.routes, facts.kind === 'grpc' ? 'grpc' : ''].join(SEPARATOR);
}

type ListenerParts = {
  readonly services: readonly PlanService[];
  readonly byPort: ReadonlyMap<number, readonly PlanService[]>;
  readonly routes: readonly PlanRoutes[];
};

/** A table of one service takes every host; where several claim the name, each keeps its own. */
function hostsOfService(
  hosts: readonly PlannedHost[],
  { host, port }: RouteName,
  { kind }: TableFacts,
): readonly PlannedHost[] {
  const own = hosts.filter(({ domains }) => domains.includes(host) || domains.includes(`${host}:${port}`));
  // Libraries look for the name that they dial.
  return own.length === 1 && kind !== 'grpc' ? [{ ...own[0]!, domains: ['*'] }] : own;
}

function valuesOf<V>(read: Reader, collection: Collection<V>, keys: readonly string[]): V[] {
  return keys.map((key) => read.get(collection, key)).filter((value) => value !== undefined);
}

/** The encoded routes of a set for a caller and port, or of the default route to a service; key: `KeyedHost.body`. */
function hostBodies(inputs: Inputs, parts: Parts): Memo<HostBody> {
  return inputs.graph.memo<HostBody>('routes of virtual hosts', (key, read) => {
    const [facts = '', portText = '', host = '', setKey = '', library = ''] = key.split(SEPARATOR);
    const caller = parseClass<keyof BodyFacts>(facts);
    const port = Number(portText);
    const mesh = meshOf(inputs, read);
    const others = { include_request_attempt_count: countsAttempts(mesh) };
    if (setKey === '') {
      const hash = serviceHashOf(policyOfHost(read, parts, caller, host), port);
      return encodeHostBody([defaultOutboundRoute(host, port, mesh, hash)], others);
    }
    const set = read.get(parts.routes.routeSets, setKey);
    if (set === undefined) return encodeHostBody([], others);
    const context: RouteContext = {
      ...{ mesh, port, parents: MESH, isTls: false, isLibrary: library !== '', caller },
      serviceOf: (name) => seenService(seenServices(read, parts, caller, name), port),
      hashOf: hashLookup(read, parts, caller),
    };
    return encodeHostBody(buildRoutes(set, context), others);
  });
}

/** On a listener of one port, a service is there if it has that port, and with that port alone. */
function seenService(services: readonly Service[], port: number): SeenService | undefined {
  const on = port === 0 ? services : services.filter((s) => s.ports.some(({ number }) => number === port));
  const service = firstService(on);
  if (service === undefined) return undefined;
  const ports = port === 0 ? service.ports.map(({ number }) => number) : [port];
  return { externalName: service.externalName, ports };
}

function selectingLabels(inputs: Inputs, parts: Parts): Memo<readonly string[]> {
  const labels = inputs.graph.map<RouteSet, readonly string[]>(
    'labels in routes',
    parts.routes.routeSets,
    (_key, set) => {
      const matches = [...set.http.flatMap((rule) => rule.matches), ...set.l4.flatMap((rule) => rule.matches)];
      const names = new Set(matches.flatMap((match) => Object.keys(match.sourceLabels)));
      return names.size === 0 ? undefined : [...names].sort();
    },
  );
  return inputs.graph.memo<readonly string[]>('labels that routes select by', (key, read) => {
    const scope: Scope = read.get(parts.scopes.scopes, key);
    const known = new Set(read.keys(labels));
    const keys = new Set(scope.egress.flatMap((listener) => listener.routes).filter((set) => known.has(set)));
    return [...new Set([...keys].flatMap((set) => read.get(labels, set) ?? []))].sort();
  });
}
