// Which virtual hosts a gateway's route configuration has: where hosts of its servers and of routes meet.
import { isHostWithin } from '../../model/hosts.ts';
import type { GatewayServer } from '../../model/gateway.ts';
import type { RouteSet } from '../../model/route.ts';
import { hostPort } from './domains.ts';
import { type Caller, concerns } from './route-context.ts';
import { type Gate, gatesOf } from './sidecar-plan.ts';

/** A server of a gateway, as far as its routes go. */
export type BoundServer = {
  /** Key of the gateway: the parent that routes name. */
  readonly gateway: string;
  readonly port: number;
  readonly isTls: boolean;
  readonly httpsRedirect: boolean;
  readonly hosts: GatewayServer['hosts'];
  /** Keys of the route sets that may join; null: all that name the gateway. */
  readonly attached: ReadonlySet<string> | null;
};

/** What of a route set the plan depends on. */
export type GatewayRoutes = Pick<
  RouteSet,
  'key' | 'namespace' | 'name' | 'creationMs' | 'hosts' | 'exportTo' | 'parents'
> & {
  readonly gates: readonly Gate[];
};

/** Rules of a set as they hold for requests that come by one gateway's server. */
export type RouteSource = {
  readonly routes: string;
  readonly gateway: string;
  readonly port: number;
  readonly isTls: boolean;
};

export type GatewayHost = {
  readonly name: string;
  readonly domains: readonly string[];
  /** One set after the other; what takes everything comes last of all. */
  readonly sources: readonly RouteSource[];
  readonly requiresTls: boolean;
};

export function gatewayServer(gateway: string, server: GatewayServer): BoundServer {
  return {
    gateway,
    port: server.port.number,
    isTls: server.tls !== null,
    httpsRedirect: server.tls?.httpsRedirect ?? false,
    hosts: server.hosts,
    attached: server.attached,
  };
}

/** Undefined: it has no HTTP rules, or none for gateways. */
export function gatewayRoutes(set: RouteSet): GatewayRoutes | undefined {
  const { key, namespace, name, creationMs, hosts, exportTo, parents } = set;
  if (set.http.length === 0 || !parents.some((parent) => parent !== 'mesh')) return undefined;
  return { key, namespace, name, creationMs, hosts, exportTo, parents, gates: gatesOf(set) };
}

type Draft = { readonly port: number; readonly sources: RouteSource[]; requiresTls: boolean };

/**
 * Of the servers that share the table. `routesOf`: sets that name a gateway and that the proxy may see, in order of
 * precedence. Sorted by name; hosts with the very same rules share one virtual host.
 */
export function planGatewayHosts(
  servers: readonly BoundServer[],
  routesOf: (gateway: string) => readonly GatewayRoutes[],
  caller: Caller,
): GatewayHost[] {
  const drafts = new Map<string, Draft>();
  for (const server of servers) {
    addRoutes(drafts, server, routesOf(server.gateway), caller);
    if (!server.httpsRedirect) continue;
    for (const { host } of server.hosts) {
      const draft = drafts.get(host.toLowerCase());
      if (draft === undefined) drafts.set(host.toLowerCase(), { port: server.port, sources: [], requiresTls: true });
      else draft.requiresTls = true;
    }
  }
  if (drafts.size > 0) return collapse(drafts);
  // Without routes nothing is found: every request is answered 404.
  const port = servers[0]?.port ?? 0;
  return [{ name: hostPort('blackhole', port), domains: ['*'], sources: [], requiresTls: false }];
}

function addRoutes(
  drafts: Map<string, Draft>,
  server: BoundServer,
  sets: readonly GatewayRoutes[],
  caller: Caller,
): void {
  const { gateway, port, isTls, attached } = server;
  const context = { port, parents: new Set([gateway]), caller };
  for (const set of sets) {
    if (attached !== null && !attached.has(set.key)) continue;
    const hosts = meetingHosts(server, set);
    if (hosts.length === 0 || !set.gates.some((gate) => concerns(gate, context))) continue;
    for (const host of hosts) {
      const draft = drafts.get(host) ?? { port, sources: [], requiresTls: false };
      drafts.set(host, draft);
      draft.sources.push({ routes: set.key, gateway, port, isTls });
      draft.requiresTls ||= server.httpsRedirect;
    }
  }
}

/** The narrower one of each pair that meets. */
function meetingHosts(server: BoundServer, set: GatewayRoutes): string[] {
  const found = new Set<string>();
  for (const { namespace, host } of server.hosts) {
    if (namespace !== '*' && namespace !== set.namespace) continue;
    const own = host.toLowerCase();
    for (const other of set.hosts) {
      if (isHostWithin(own, other)) found.add(own);
      else if (isHostWithin(other, own)) found.add(other);
    }
  }
  return [...found];
}

/** The longest host gives the name; one that stands for many comes after all others. */
function collapse(drafts: ReadonlyMap<string, Draft>): GatewayHost[] {
  const shared = new Map<string, { readonly name: string; readonly domains: string[]; readonly draft: Draft }>();
  for (const [host, draft] of [...drafts].sort(([a], [b]) => bySpecificity(a, b))) {
    const sources = draft.sources.map(({ gateway, routes }) => `${gateway} ${routes}`);
    const key = JSON.stringify([draft.requiresTls, sources]);
    const known = shared.get(key);
    if (known === undefined) shared.set(key, { name: hostPort(host, draft.port), domains: [host], draft });
    else known.domains.push(host);
  }
  const hosts = [...shared.values()].map(({ name, domains, draft }): GatewayHost => {
    return { name, domains, sources: draft.sources, requiresTls: draft.requiresTls };
  });
  return hosts.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function bySpecificity(a: string, b: string): number {
  const [aMany, bMany] = [a.startsWith('*'), b.startsWith('*')];
  if (aMany !== bMany) return aMany ? 1 : -1;
  return b.length - a.length || (a < b ? -1 : 1);
}
