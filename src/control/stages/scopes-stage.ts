// What proxies of a namespace may see: the services and routes exported to it, narrowed by a Sidecar.
import type { Collection, Memo, Reader } from '../../base/collection.ts';
import { byAge, hostsMeet, isHostWithin, isVisible } from '../model/hosts.ts';
import { parseWorkloadKey, selects } from '../model/labels.ts';
import type { RouteSet } from '../model/route.ts';
import { type EgressListener, type Scope, scopeKey } from '../model/scope.ts';
import type { Service } from '../model/service.ts';
import type { ConfigObject } from '../source/object.ts';
import { type EgressRule, type HostPattern, type SidecarRule, translateSidecar } from '../translate/istio/sidecar.ts';
import type { Inputs } from './inputs.ts';

export type ScopesStage = {
  /** By `scopeKey`. */
  readonly scopes: Memo<Scope>;
  /** Their `services` alone: rules that come and go leave them as they are. */
  readonly services: Memo<readonly string[]>;
  /** The Sidecar ('NAMESPACE/NAME') that applies to a workload, '' for none; key: `workloadKey`. */
  readonly sidecarOf: Memo<string>;
  readonly sidecars: Collection<SidecarRule>;
};

type Seen = {
  readonly key: string;
  readonly hostname: string;
  readonly namespace: string;
  readonly name: string;
  readonly exportTo: ReadonlySet<string>;
  readonly creationMs: number;
  readonly isKubernetes: boolean;
  readonly ports: readonly number[];
};

type SeenRoutes = {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly creationMs: number;
  readonly hosts: readonly string[];
  readonly exportTo: ReadonlySet<string>;
  readonly destinations: readonly string[];
};

export function scopesStage(
  inputs: Inputs,
  parts: { readonly services: Collection<Service>; readonly routeSets: Collection<RouteSet> },
): ScopesStage {
  const { graph, mesh } = inputs;
  // Only what visibility depends on: an endpoint or a weight that changes leaves scopes alone.
  const seen = graph.map<Service, Seen>(
    'visible services',
    parts.services,
    (key, { hostname, namespace, name, exportTo, creationMs, ...service }) => ({
      ...{ key, hostname, namespace, name, exportTo, creationMs },
      isKubernetes: service.registry === 'Kubernetes',
      ports: service.ports.map((port) => port.number),
    }),
  );
  const seenRoutes = graph.map<RouteSet, SeenRoutes>('visible routes', parts.routeSets, (key, set) =>
    set.parents.includes('mesh') ? routeFacts(key, set) : undefined,
  );
  const servicesByAge = graph.memo('services by age', (_key, read) => [...read.all(seen).values()].sort(byAge));
  const routesByAge = graph.memo('routes by age', (_key, read) => [...read.all(seenRoutes).values()].sort(byAge));
  const sidecars = graph.map<ConfigObject, SidecarRule>('sidecars', inputs.kind('Sidecar'), (key, object) =>
    translateSidecar(object, key),
  );
  const sidecarsByNamespace = sidecars.index('sidecars by namespace', (_key, rule) => [rule.namespace]);

  const sidecarOf = graph.memo('sidecar of workload', (key, read) => {
    const { namespace, labels } = parseWorkloadKey(key);
    const own = [...read.lookup(sidecarsByNamespace, namespace)].sort(byAge);
    const selected = own.find((rule) => rule.selector !== null && selects(rule.selector, labels));
    if (selected !== undefined) return selected.key;
    const ofNamespace = own.find((rule) => rule.selector === null);
    if (ofNamespace !== undefined) return ofNamespace.key;
    const root = read.get(mesh, '')?.rootNamespace ?? '';
    const ofMesh = [...read.lookup(sidecarsByNamespace, root)].sort(byAge).find((rule) => rule.selector === null);
    return ofMesh?.key ?? '';
  });

  const sidecarsByKey = sidecars.index('sidecars by name', (_key, rule) => [rule.key]);
  const scopes = graph.memo<Scope>('scopes', (key, read) => {
    const bar = key.indexOf('|');
    const namespace = bar < 0 ? key : key.slice(0, bar);
    const sidecar = bar < 0 ? '' : key.slice(bar + 1);
    const rule = sidecar === '' ? undefined : read.lookup(sidecarsByKey, sidecar)[0];
    const visible = read.get(servicesByAge, '').filter((s) => isVisible(s.exportTo, s.namespace, namespace));
    const routes = routesFor(read, routesByAge, namespace);
    const policy = read.get(mesh, '')?.outboundTrafficPolicy ?? 'ALLOW_ANY';
    const egress =
      rule?.egress == null
        ? [everything(oneForEachHost(visible), routes)]
        : rule.egress.map((listener) => egressListener(listener, visible, routes));
    return {
      key: scopeKey({ namespace, sidecar }),
      namespace,
      hasSidecar: rule !== undefined,
      services: clusterServices(namespace, egress, visible, routes),
      egress,
      ingress: rule?.ingress ?? [],
      outboundTrafficPolicy: (rule?.outboundTrafficPolicy ?? '') || policy,
      egressProxy: rule?.egressProxy ?? null,
      inboundConnectionPool: rule?.inboundConnectionPool ?? null,
    };
  });
  const services = graph.memo<readonly string[]>(
    'services of scopes',
    (key, read) => read.get(scopes, key).services,
    (a, b) => a.length === b.length && a.every((service, index) => service === b[index]),
  );
  return { scopes, services, sidecarOf, sidecars };
}

function routeFacts(key: string, set: RouteSet): SeenRoutes {
  const destinations = new Set<string>();
  const backends = [
    ...set.http.flatMap((rule) => (rule.action.kind === 'forward' ? rule.action.backends : [])),
    ...set.l4.flatMap((rule) => rule.backends),
  ];
  for (const { destination } of backends) destinations.add(destination.host);
  for (const { destination } of set.http.flatMap((rule) => rule.mirrors)) destinations.add(destination.host);
  const { namespace, name, creationMs, hosts, exportTo } = set;
  return { key, namespace, name, creationMs, hosts, exportTo, destinations: [...destinations].sort() };
}

/** The namespace's own private ones first, then those exported to it by name, then those for everyone; oldest first. */
function routesFor(read: Reader, routesByAge: Memo<SeenRoutes[]>, namespace: string): SeenRoutes[] {
  const rank = (set: SeenRoutes): number => (set.exportTo.has('*') ? 2 : set.namespace === namespace ? 0 : 1);
  const visible = read.get(routesByAge, '').filter((set) => isVisible(set.exportTo, set.namespace, namespace));
  return visible.sort((a, b) => rank(a) - rank(b));
}

/** Of several services of one host the oldest; but one of Kubernetes before those that only claim the name. */
function oneForEachHost(services: readonly Seen[]): Seen[] {
  const taken = new Map<string, Seen>();
  for (const service of services) {
    const other = taken.get(service.hostname);
    if (other === undefined || (!other.isKubernetes && service.isKubernetes)) taken.set(service.hostname, service);
  }
  return services.filter((service) => taken.get(service.hostname) === service);
}

function everything(services: readonly Seen[], routes: readonly SeenRoutes[]): EgressListener {
  const keys = { services: services.map(({ key }) => key), routes: routes.map(({ key }) => key) };
  return { port: null, bind: '', captureMode: 'DEFAULT', ...keys };
}

function egressListener(rule: EgressRule, services: readonly Seen[], routes: readonly SeenRoutes[]): EgressListener {
  const port = rule.port?.number ?? 0;
  const imported = services.filter(
    (s) =>
      rule.hosts.some((p) => takes(p, s.namespace, s.hostname, isHostWithin)) && (port === 0 || s.ports.includes(port)),
  );
  const importedRoutes = routes.filter((set) =>
    set.hosts.some((host) => rule.hosts.some((p) => takes(p, set.namespace, host, hostsMeet))),
  );
  const { bind, captureMode } = rule;
  return { ...everything(oneForEachHost(imported), importedRoutes), port: rule.port, bind, captureMode };
}

function takes(
  pattern: HostPattern,
  namespace: string,
  host: string,
  matches: (host: string, pattern: string) => boolean,
): boolean {
  return (pattern.namespace === '*' || pattern.namespace === namespace) && matches(host, pattern.host);
}

/** In the order of the services' age, whatever listener brought them; what routes lead to is found in any namespace. */
function clusterServices(
  namespace: string,
  egress: readonly EgressListener[],
  visible: readonly Seen[],
  routes: readonly SeenRoutes[],
): readonly string[] {
  const wanted = new Set(egress.flatMap((listener) => listener.services));
  const byKey = new Map(visible.map((service) => [service.key, service]));
  const hosts = new Set([...wanted].map((key) => byKey.get(key)?.hostname));
  const routeKeys = new Set(egress.flatMap((listener) => listener.routes));
  for (const set of routes) {
    if (!routeKeys.has(set.key)) continue;
    for (const host of set.destinations) {
      if (hosts.has(host)) continue;
      const candidates = oneForEachHost(visible.filter((service) => service.hostname === host));
      const found = visible.find((s) => s.hostname === host && s.namespace === namespace) ?? candidates[0];
      if (found === undefined) continue;
      hosts.add(host);
      wanted.add(found.key);
    }
  }
  return visible.filter(({ key }) => wanted.has(key)).map(({ key }) => key);
}
