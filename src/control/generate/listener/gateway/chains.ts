// What a gateway's server does with connections: HTTP by a table of routes, or bytes by the first rule that fits.
import { hostsMeet, isHostWithin } from '../../../model/hosts.ts';
import type { GatewayServer, ServerTls } from '../../../model/gateway.ts';
import type { L4Rule, RouteSet, TlsMatch } from '../../../model/route.ts';
import { isHttp, type Protocol, type Service } from '../../../model/service.ts';
import type { ServicePolicy } from '../../../model/traffic-policy.ts';
import { endsTls, type MergedListener, type MergedServer } from '../../gateway/merge.ts';
import { ruleTarget, serviceTarget, type TargetLookup } from '../outbound/l4-target.ts';
import type { TcpTarget } from '../tcp-proxy.ts';

export type GatewayChain = {
  readonly sniHosts: readonly string[];
  readonly applicationProtocols: readonly string[];
  /** TLS that ends here; null: there is none, or it is passed through. */
  readonly tls: ServerTls | null;
  readonly target: { readonly rds: string } | TcpTarget;
  /** Whether access rules hold: what is passed to proxies of the mesh, those decide. */
  readonly isGuarded: boolean;
  /** mTLS of the mesh ends here: peers tell who they are. */
  readonly isExchanged: boolean;
};

export type GatewayRoutes = Pick<RouteSet, 'key' | 'namespace' | 'name' | 'hosts' | 'parents' | 'l4'>;

export type ChainContext = {
  /** Route sets that name the gateway and that the proxy may see, in order of precedence. */
  readonly routesOf: (gateway: string) => readonly GatewayRoutes[];
  readonly lookup: TargetLookup;
  /** For servers that pass on by SNI whatever the mesh has. */
  readonly services: () => readonly Service[];
};

/** Servers without any rule have no chain: a port on which all are so has no listener. */
export function gatewayChains(listener: MergedListener, context: ChainContext): GatewayChain[] {
  const { servers, protocol } = listener;
  const [first] = servers;
  if (first !== undefined && isHttp(protocol)) return [httpChain(first.routeName, [], null)];
  const seen = new Set<string>();
  return servers.flatMap((listening) => serverChains(listening, context, seen));
}

/** `seen`: names that chains of the port match already; a second chain for one would refuse the whole listener. */
function serverChains(listening: MergedServer, context: ChainContext, seen: Set<string>): GatewayChain[] {
  const { server, routeName } = listening;
  const { tls } = server;
  const sniHosts = sniHostsOf(server);
  if (routeName !== '') return [httpChain(routeName, sniHosts, tls)];
  if (tls === null) return bytesChains(listening, context, [], null);
  if (endsTls(server)) return bytesChains(listening, context, sniHosts, tls);
  if (tls.mode === 'AUTO_PASSTHROUGH') return automaticChains(sniHosts, context);
  return passedChains(listening, context, seen);
}

/** Each host once, without its namespace. */
function sniHostsOf({ hosts }: GatewayServer): readonly string[] {
  return [...new Set(hosts.map(({ host }) => host))];
}

function httpChain(rds: string, sniHosts: readonly string[], tls: ServerTls | null): GatewayChain {
  return { sniHosts, applicationProtocols: [], tls, target: { rds }, isGuarded: true, isExchanged: false };
}

/** The first rule for plain connections that fits; behind ended TLS also the first for TLS (TLSRoute). */
function bytesChains(
  listening: MergedServer,
  context: ChainContext,
  sniHosts: readonly string[],
  tls: ServerTls | null,
): GatewayChain[] {
  for (const set of joiningRoutes(listening, context)) {
    const plain = set.l4.find((rule) => !rule.isTls && rule.backends.length > 0 && fits(rule, listening));
    const ended = set.key.startsWith('TLSRoutes/')
      ? set.l4.find((rule) => rule.isTls && tls !== null && fits(rule, listening))
      : undefined;
    const rule = plain ?? ended;
    if (rule === undefined) continue;
    const target = targetOf(rule, set, listening, context);
    const isExchanged = tls?.mode === 'ISTIO_MUTUAL';
    return [{ sniHosts, applicationProtocols: [], tls, target, isGuarded: true, isExchanged }];
  }
  return [];
}

function passedChains(listening: MergedServer, context: ChainContext, seen: Set<string>): GatewayChain[] {
  const chains: GatewayChain[] = [];
  const { bind } = listening.server;
  for (const set of joiningRoutes(listening, context)) {
    for (const rule of set.l4) {
      if (!rule.isTls || rule.backends.length === 0) continue;
      for (const match of rule.matches) {
        const names = match.sniHosts.map((host) => `${bind}|${host}`);
        if (!matchFits(match, listening) || names.some((name) => seen.has(name))) continue;
        for (const name of names) seen.add(name);
        const target = targetOf(rule, set, listening, context);
        chains.push({
          ...{ sniHosts: match.sniHosts, applicationProtocols: [], tls: null, target },
          ...{ isGuarded: true, isExchanged: false },
        });
      }
    }
  }
  return chains;
}

/** What proxies of the mesh offer: whoever comes without is none of them. */
const MESH_ANY = ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'];

/** A chain for each service, port and subset, found by the name that proxies of the mesh put into SNI. */
function automaticChains(hosts: readonly string[], { services, lookup }: ChainContext): GatewayChain[] {
  const chains: GatewayChain[] = [];
  for (const service of services()) {
    if (service.isMeshExternal || !hosts.some((host) => isHostWithin(service.hostname, host))) continue;
    const policy = lookup.policyOf(service);
    for (const port of service.ports) {
      if (port.protocol === 'UDP') continue;
      for (const subset of ['', ...subsetsOf(policy)]) {
        const name = `outbound_.${port.number}_.${subset}_.${service.hostname}`;
        const own = serviceTarget(service, port, lookup);
        const target = { ...own, tunnel: null, dynamic: null, clusters: [{ name, weight: 1 }], statPrefix: name };
        chains.push({
          ...{ sniHosts: [name], applicationProtocols: MESH_ANY, tls: null, target },
          ...{ isGuarded: false, isExchanged: false },
        });
      }
    }
  }
  return chains;
}

function subsetsOf(policy: ServicePolicy | null): string[] {
  return policy?.subsets.map(({ name }) => name) ?? [];
}

function joiningRoutes({ gateway, server }: MergedServer, { routesOf }: ChainContext): GatewayRoutes[] {
  return routesOf(gateway).filter((set) => {
    if (server.attached !== null && !server.attached.has(set.key)) return false;
    return server.hosts.some(
      ({ namespace, host }) =>
        (namespace === '*' || namespace === set.namespace) && set.hosts.some((own) => hostsMeet(own, host)),
    );
  });
}

function fits(rule: L4Rule, listening: MergedServer): boolean {
  return rule.matches.length === 0 || rule.matches.some((match) => matchFits(match, listening));
}

function matchFits(match: TlsMatch, { gateway, server }: MergedServer): boolean {
  return (
    (match.port === 0 || match.port === server.port.number) &&
    (match.parents.length === 0 || match.parents.includes(gateway))
  );
}

function targetOf(rule: L4Rule, set: GatewayRoutes, { server }: MergedServer, { lookup }: ChainContext): TcpTarget {
  const { number, name, protocol } = server.port;
  return ruleTarget(rule.backends, set, { number, name, protocol: protocol as Protocol }, lookup);
}
