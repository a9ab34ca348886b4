// Outbound listeners without redirect: one for HTTP_PROXY, internal ones behind its tunnels, one per TCP peer.
import type { Place } from '../../../base/explicit-mode.ts';
import type { Listener } from '../../../proto/generated/types.d.ts';
import type { Scope } from '../../model/scope.ts';
import { isHttp, isTls, type Service } from '../../model/service.ts';
import type { ServicePolicy } from '../../model/traffic-policy.ts';
import { BLACK_HOLE } from '../cluster/names.ts';
import { passthroughCache } from '../cluster/static.ts';
import { shortNames } from '../listener/outbound/addresses.ts';
import type { HttpTarget, OutboundChain, OutboundEntry } from '../listener/outbound/chain.ts';
import { type L4Routes, l4Chains } from '../listener/outbound/l4-chains.ts';
import type { TargetLookup } from '../listener/outbound/l4-target.ts';
import { type Fallback, httpProxyListener, outboundListener } from '../listener/outbound/listener.ts';
import type { OutboundFacts } from '../listener/outbound/plan.ts';
import type { ListenerSettings, TraceIdentity } from '../listener/settings.ts';
import { outboundCluster } from '../route/cluster-names.ts';
import { hostPort } from '../route/domains.ts';
import { type AskedPort, PLAIN, tunnelName } from './ports.ts';
import { looksNamesUp } from './routes.ts';

export type ExplicitInput = {
  readonly facts: Pick<OutboundFacts, 'namespace' | 'dnsDomain' | 'labels' | 'http10'>;
  readonly scope: Pick<Scope, 'outboundTrafficPolicy' | 'egressProxy'>;
  readonly ports: ReadonlyMap<string, AskedPort>;
  /** Rules for connections of a route set; undefined for sets that have HTTP rules only. */
  readonly routes: (key: string) => L4Routes | undefined;
  readonly policyOf: (service: Service) => ServicePolicy | null;
  readonly serviceOf: (host: string) => Service | undefined;
  readonly statPattern: string;
};

/** A listener to be, and where connections go that none of its chains is for. */
export type ExplicitEntry = { readonly entry: OutboundEntry; readonly fallback: Fallback };

/** Internal listeners by name. */
export function tunnelEntries(input: ExplicitInput): ReadonlyMap<string, ExplicitEntry> {
  const entries = new Map<string, ExplicitEntry>();
  entries.set(tunnelName('', PLAIN), ofRequests(PLAIN, input));
  for (const asked of input.ports.values()) {
    const name = tunnelName(asked.service.hostname, asked.port);
    if (entries.has(name)) continue;
    const { port } = asked;
    entries.set(name, isHttp(port.protocol) ? ofRequests(port, input) : ofConnections(name, [], asked, input));
  }
  return entries;
}

/** As behind redirect, all services of a port share a table, and the request's host tells them apart. */
function ofRequests(port: AskedPort['port'], input: ExplicitInput): ExplicitEntry {
  const chains = [httpChain(String(port.number), port, input)];
  return { entry: entryOf(tunnelName('', port), [], port, chains), fallback: BLACK_HOLE };
}

function ofConnections(name: string, binds: readonly string[], asked: AskedPort, input: ExplicitInput): ExplicitEntry {
  const { service, port } = asked;
  // TLS for a name that no rule has is still for this service.
  const isOpen = input.scope.outboundTrafficPolicy === 'ALLOW_ANY';
  const fallback = isOpen ? outboundCluster(port.number, '', service.hostname) : BLACK_HOLE;
  return { entry: entryOf(name, binds, port, connectionChains(asked, input)), fallback };
}

/** The listener for one service alone: whatever a request calls itself, it is for that one. */
export function peerEntry(asked: AskedPort, place: Place, input: ExplicitInput): ExplicitEntry {
  const { service, port } = asked;
  const name = `${place.address}_${place.port}`;
  const binds = [place.address];
  if (!isHttp(port.protocol)) {
    const made = ofConnections(name, binds, asked, input);
    return { ...made, entry: { ...made.entry, port: place.port } };
  }
  const chains = [httpChain(hostPort(service.hostname, port.number), port, input)];
  return { entry: { ...entryOf(name, binds, port, chains), port: place.port }, fallback: BLACK_HOLE };
}

function entryOf(
  name: string,
  binds: readonly string[],
  { number, protocol }: AskedPort['port'],
  chains: readonly OutboundChain[],
): OutboundEntry {
  return { name, binds, port: number, bindToPort: true, protocol, podAddress: '', chains };
}

function connectionChains({ service, port, routes }: AskedPort, input: ExplicitInput): OutboundChain[] {
  const { namespace, labels, dnsDomain } = input.facts;
  const { serviceOf, policyOf, statPattern } = input;
  const lookup: TargetLookup = { serviceOf, policyOf, statPattern };
  const aliases = isTls(port.protocol)
    ? service.aliases.flatMap((alias) => [alias, ...shortNames(alias, dnsDomain)])
    : [];
  const sets = routes.flatMap((key) => {
    const set = input.routes(key);
    return set?.parents.includes('mesh') === true ? [set] : [];
  });
  const all = l4Chains({
    ...{ service, port, cidr: '', needsSni: false, aliases, routes: sets, namespace, labels, lookup },
  });
  // A rule for a range of addresses never holds: the caller had a name, and no address.
  const chains = all.filter(({ cidrs }) => cidrs.length === 0);
  if (port.protocol === 'UNSUPPORTED') {
    chains.push(httpChain(hostPort(service.hostname, port.number), port, input));
  }
  return chains;
}

function httpChain(rds: string, { protocol }: AskedPort['port'], { facts }: ExplicitInput): OutboundChain {
  const target: HttpTarget = { rds, protocol, dynamicCaches: [] };
  return {
    ...{ sniHosts: [], cidrs: [], reference: '', target, transportProtocol: 'raw_buffer' },
    applicationProtocols: facts.http10 ? ['http/1.0', 'http/1.1', 'h2c'] : ['http/1.1', 'h2c'],
  };
}

/** It has no socket: a cluster of the same proxy names it. */
export function tunnelListener(
  { entry, fallback }: ExplicitEntry,
  settings: ListenerSettings,
  identity: TraceIdentity,
): Listener {
  const {
    address: _address,
    max_connections_to_accept_per_socket_event: _accepts,
    ...listener
  } = outboundListener(entry, fallback, settings, identity);
  return { ...listener, internal_listener: {} };
}

export function peerListener(
  { entry, fallback }: ExplicitEntry,
  settings: ListenerSettings,
  identity: TraceIdentity,
): Listener {
  return outboundListener(entry, fallback, settings, identity);
}

/** Where HTTP_PROXY points: requests with whole URLs, and CONNECT, which the table ends inside. */
export function requestListener(
  place: Place,
  settings: ListenerSettings,
  identity: TraceIdentity,
  scope: Pick<Scope, 'outboundTrafficPolicy' | 'egressProxy'>,
): Listener {
  const cache = looksNamesUp(scope) ? passthroughCache() : null;
  return httpProxyListener(place.address, place.port, settings, identity, { tunnels: true, cache });
}
