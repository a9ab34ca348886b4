// Which virtual hosts a sidecar's route configuration has: names, domains, and whose rules stand behind each.
import { isHostWithin } from '../../model/hosts.ts';
import type { HttpMatch, RouteSet } from '../../model/route.ts';
import { isHttp, type Protocol, type Service } from '../../model/service.ts';
import { domainOf, hostPort, type NamedService, type NamingCaller, plainDomains, serviceDomains } from './domains.ts';
import { type Caller, concerns } from './route-context.ts';

/** What of a service the plan depends on. */
export type PlanService = NamedService & {
  readonly key: string;
  readonly namespace: string;
  readonly ports: readonly { readonly number: number; readonly protocol: Protocol }[];
};

/** What of a route set it depends on: rules may change without it. */
export type PlanRoutes = {
  readonly key: string;
  readonly namespace: string;
  readonly hosts: readonly string[];
  /** The conditions that decide whether anything of it is for a caller, each once. */
  readonly gates: readonly Gate[];
  /** Its hosts are services of its own or the caller's namespace, and wildcards stand for themselves (Gateway API). */
  readonly isStrict: boolean;
};

export type Gate = Pick<HttpMatch, 'port' | 'parents' | 'sourceLabels' | 'sourceNamespace'>;

export type PlannedHost = {
  /** 'HOST:PORT'. */
  readonly name: string;
  readonly domains: readonly string[];
  /** Key of the route set; '' for the default route to `host`. */
  readonly routes: string;
  readonly host: string;
  readonly port: number;
};

export type PlanInput = {
  /** 0: one listener for all ports. */
  readonly port: number;
  /** Domains are also written with the port: the table is not one that ignores it. */
  readonly writesPorts: boolean;
  /** Of the egress listener, each host once; for a port those that have it. */
  readonly services: readonly PlanService[];
  /** In order of precedence. */
  readonly routes: readonly PlanRoutes[];
  readonly caller: Caller & NamingCaller;
};

/** Rules of one set for some hosts, on one port. */
type Group = {
  readonly port: number;
  readonly routes: string;
  readonly hosts: readonly string[];
  readonly services: readonly PlanService[];
};

const MESH: ReadonlySet<string> = new Set(['mesh']);
/** Hosts that are no services have virtual hosts here; and elsewhere only beside a service of the same rules. */
const PLAIN_PORT = 80;
const NO_GATE: Gate = { port: 0, parents: [], sourceLabels: {}, sourceNamespace: '' };

export function planService(service: Service): PlanService {
  const { key, namespace, hostname, aliases, addresses, autoAddresses, registry, resolution, isHeadless } = service;
  const ports = service.ports.map(({ number, protocol }) => ({ number, protocol }));
  return { key, namespace, hostname, aliases, addresses, autoAddresses, registry, resolution, isHeadless, ports };
}

/** Undefined: it has no HTTP rules for callers in the mesh. */
export function planRoutes(set: RouteSet): PlanRoutes | undefined {
  if (set.http.length === 0 || !set.parents.includes('mesh')) return undefined;
  const { key, namespace, hosts, isStrict } = set;
  return { key, namespace, hosts, gates: gatesOf(set), isStrict };
}

export function gatesOf(set: Pick<RouteSet, 'http'>): readonly Gate[] {
  const gates = new Map<string, Gate>();
  for (const { matches } of set.http) {
    if (matches.length === 0) gates.set('', NO_GATE);
    for (const { port, parents, sourceLabels, sourceNamespace } of matches) {
      const gate = { port, parents, sourceLabels, sourceNamespace };
      gates.set(JSON.stringify(gate), gate);
    }
  }
  return [...gates.values()];
}

/** Protocols that the proxy routes as HTTP, or looks at. */
export function isRouted(protocol: Protocol): boolean {
  return isHttp(protocol) || protocol === 'UNSUPPORTED';
}

/** Sorted by name; no name and no domain twice, ignoring case. */
export function planVirtualHosts(input: PlanInput): PlannedHost[] {
  const groups = groupsOf(input);
  const known = new Set(groups.flatMap((g) => g.services.flatMap((s) => [s.hostname, hostPort(s.hostname, g.port)])));
  const names = new Set<string>();
  // Everything else is the catch-all's: a second one would make proxies refuse the table.
  const taken = new Set<string>(['*']);
  const planned: PlannedHost[] = [];
  const add = (group: Group, host: string, service: PlanService | null): void => {
    const name = hostPort(host, group.port);
    if (names.has(name)) return;
    names.add(name);
    const plain = input.port !== 0 && input.writesPorts ? [domainOf(host), name] : [domainOf(host)];
    const { domains, ids, shortForms } =
      service === null
        ? plainDomains(plain)
        : serviceDomains(service, input.writesPorts ? group.port : 0, input.caller);
    const isFree = (domain: string, index: number): boolean => {
      if (taken.has(ids[index]!) || (shortForms.has(domain) && known.has(domain))) return false;
      taken.add(ids[index]!);
      return true;
    };
    const unclaimed = domains.filter(isFree);
    const free = unclaimed.length === domains.length ? domains : unclaimed;
    // Where all ports share one listener, names alone are the plain port's.
    const isMixed = input.port === 0 && group.port !== PLAIN_PORT;
    const kept = isMixed ? free.filter((domain) => domain.includes(':')) : free;
    if (kept.length > 0) planned.push({ name, domains: kept, routes: group.routes, host, port: group.port });
  };
  for (const group of groups) {
    for (const host of group.hosts) add(group, host, null);
    for (const service of group.services) add(group, service.hostname, service);
  }
  const ofPort = planned.filter((host) => input.port === 0 || host.port === input.port);
  return ofPort.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function groupsOf(input: PlanInput): Group[] {
  const registry = new Map(input.services.map((service) => [service.hostname, service]));
  const wildcards = input.services.filter(({ hostname }) => hostname.startsWith('*'));
  const selected =
    input.port === PLAIN_PORT
      ? input.routes
      : input.routes.filter(({ hosts }) => hosts.some((host) => concernsService(host, registry, wildcards)));
  const owners = wildcardOwners(input.routes, input.services);
  const groups: Group[] = [];
  for (const routes of selected) {
    const context = { port: input.port, parents: MESH, caller: input.caller };
    if (!routes.gates.some((gate) => concerns(gate, context))) continue;
    groups.push(...groupsOfRoutes(routes, input, registry, owners));
  }
  const routed = new Set(groups.flatMap((group) => group.services));
  for (const service of input.services) {
    if (routed.has(service) || service.resolution === 'Alias') continue;
    for (const port of portsOf(service, input.port)) {
      groups.push({ port, routes: '', hosts: [], services: [service] });
    }
  }
  return groups;
}

function concernsService(
  host: string,
  registry: ReadonlyMap<string, PlanService>,
  wildcards: readonly PlanService[],
): boolean {
  if (registry.has(host)) return true;
  const others = host.startsWith('*') ? [...registry.values()] : wildcards;
  return others.some(({ hostname }) => isHostWithin(hostname, host) || isHostWithin(host, hostname));
}

function groupsOfRoutes(
  routes: PlanRoutes,
  input: PlanInput,
  registry: ReadonlyMap<string, PlanService>,
  owners: ReadonlyMap<PlanService, string>,
): Group[] {
  const { hosts, services } = splitHosts(routes, input, registry, owners);
  const mayBe = (service: PlanService): boolean =>
    service.namespace === routes.namespace || input.caller.namespace === routes.namespace;
  const allowed = routes.isStrict ? services.filter(mayBe) : services;
  if (routes.isStrict && allowed.length === 0) return [];
  const byPort = new Map<number, PlanService[]>();
  for (const service of allowed) {
    for (const port of portsOf(service, input.port)) byPort.set(port, [...(byPort.get(port) ?? []), service]);
  }
  if (byPort.size === 0 && input.port === PLAIN_PORT) byPort.set(PLAIN_PORT, []);
  return [...byPort].map(([port, group]) => ({ port, routes: routes.key, hosts, services: group }));
}

/** The hosts that are services, and those that are not. */
function splitHosts(
  routes: PlanRoutes,
  input: PlanInput,
  registry: ReadonlyMap<string, PlanService>,
  owners: ReadonlyMap<PlanService, string>,
): { readonly hosts: string[]; readonly services: PlanService[] } {
  const hosts: string[] = [];
  const services: PlanService[] = [];
  for (const host of routes.hosts.filter((name) => !name.startsWith('*'))) {
    const service = registry.get(host);
    if (service === undefined) hosts.push(host);
    else services.push(service);
  }
  for (const host of routes.hosts.filter((name) => name.startsWith('*'))) {
    const within = routes.isStrict ? [] : input.services.filter(({ hostname }) => isHostWithin(hostname, host));
    if (within.length === 0) hosts.push(host);
    services.push(...within.filter((service) => owners.get(service) === routes.key && !services.includes(service)));
  }
  return { hosts, services };
}

/** Where routes have wildcards: for each service those whose host says most of its name, the first of equals. */
function wildcardOwners(
  all: readonly PlanRoutes[],
  services: readonly PlanService[],
): ReadonlyMap<PlanService, string> {
  const owners = new Map<PlanService, string>();
  const keys = new Map<string, string>();
  for (const { hosts, key } of all) for (const host of hosts) if (!keys.has(host)) keys.set(host, key);
  const wildcards = [...keys.keys()].filter((host) => host.startsWith('*')).sort((a, b) => b.length - a.length);
  if (wildcards.length === 0) return owners;
  for (const service of services) {
    const { hostname } = service;
    const host = keys.has(hostname) ? hostname : wildcards.find((wildcard) => isHostWithin(hostname, wildcard));
    if (host !== undefined) owners.set(service, keys.get(host)!);
  }
  return owners;
}

function portsOf(service: PlanService, port: number): number[] {
  const ports = service.ports.filter(({ number, protocol }) => isRouted(protocol) && (port === 0 || number === port));
  return ports.map(({ number }) => number);
}
