// Outbound listeners as messages.
import type { Filter, FilterChain, HttpFilter, Listener } from '../../../../proto/generated/types.d.ts';
import { type ProxyClass, wildcardAddresses } from '../../../model/proxy.ts';
import type { Scope } from '../../../model/scope.ts';
import { outboundCluster } from '../../route/cluster-names.ts';
import { listenerAccessLogs } from '../access-log.ts';
import { addressesOf } from '../address.ts';
import { NO_TIMEOUT, typed } from '../any.ts';
import { httpInspector, tlsInspector } from '../filters.ts';
import { httpManager } from '../http-manager.ts';
import type { ListenerSettings, TraceIdentity } from '../settings.ts';
import { blackholeFilters, plainTarget, tcpFilters } from '../tcp-proxy.ts';
import { chainMatch, type HttpTarget, isHttpTarget, isMatchAll, type OutboundEntry } from './chain.ts';

/** Where a connection goes that nothing matches: as the mesh, or the Sidecar, says. */
export type Fallback = 'PassthroughCluster' | 'BlackHoleCluster' | (string & {});

export function fallbackCluster(scope: Pick<Scope, 'outboundTrafficPolicy' | 'egressProxy'>): Fallback {
  if (scope.outboundTrafficPolicy === 'REGISTRY_ONLY') return 'BlackHoleCluster';
  if (scope.egressProxy === null) return 'PassthroughCluster';
  const { host, subset, port } = scope.egressProxy;
  return outboundCluster(port, subset, host);
}

/** A transport socket may take so long to be ready, as istiod allows it. */
const CONNECT_TIMEOUT = { seconds: 15, nanos: 0 };

/** `identity` is read for listeners that have HTTP, and by no other. */
export function outboundListener(
  entry: OutboundEntry,
  fallback: Fallback,
  settings: ListenerSettings,
  identity: TraceIdentity,
): Listener {
  const listener: Listener = {
    name: entry.name,
    ...addressesOf(entry.binds, entry.port),
    traffic_direction: 'OUTBOUND',
    continue_on_listener_filters_timeout: true,
    listener_filters_timeout: timeoutOf(entry, settings),
  };
  if (entry.bindToPort) listener.max_connections_to_accept_per_socket_event = 1;
  else listener.bind_to_port = false;
  const inspectors = inspectorsOf(entry);
  if (inspectors.length > 0) listener.listener_filters = inspectors;
  const chains: FilterChain[] = [];
  let rest: FilterChain | null = null;
  for (const chain of entry.chains) {
    const message: FilterChain = {
      filters: filtersOf(entry, chain.target, settings, identity),
      transport_socket_connect_timeout: CONNECT_TIMEOUT,
    };
    if (chain.reference !== '') message.metadata = { filter_metadata: { istio: { config: chain.reference } } };
    if (isMatchAll(chain)) rest = message;
    else chains.push({ filter_chain_match: chainMatch(chain), ...message });
  }
  if (chains.length === 0 && rest !== null) return { ...listener, filter_chains: [rest] };
  return { ...listener, filter_chains: chains, default_filter_chain: rest ?? passthroughChain(fallback, settings) };
}

function timeoutOf(entry: OutboundEntry, settings: ListenerSettings): Listener['listener_filters_timeout'] {
  if (!entry.chains.some((chain) => chain.applicationProtocols.length > 0)) return NO_TIMEOUT;
  const seconds = Math.trunc(settings.detectionTimeoutMs / 1000);
  return { seconds, nanos: (settings.detectionTimeoutMs % 1000) * 1e6 };
}

function inspectorsOf(entry: OutboundEntry): NonNullable<Listener['listener_filters']> {
  const filters = [];
  if (entry.chains.some((chain) => chain.sniHosts.length > 0)) filters.push(tlsInspector());
  if (entry.chains.some((chain) => chain.applicationProtocols.length > 0)) filters.push(httpInspector());
  return filters;
}

function filtersOf(
  entry: OutboundEntry,
  target: OutboundEntry['chains'][number]['target'],
  settings: ListenerSettings,
  identity: TraceIdentity,
): Filter[] {
  if (!isHttpTarget(target)) return tcpFilters(target, 'outbound', settings);
  const manager = {
    direction: 'outbound',
    statPrefix: `outbound_${entry.name}`,
    route: { rds: target.rds },
    protocol: target.protocol,
    access: [],
    beforeRouter: forwardFilters(target),
  } as const;
  return [httpManager(manager, settings, identity)];
}

function forwardFilters({ dynamicCaches }: HttpTarget): HttpFilter[] {
  return dynamicCaches.map((name) => forwardFilter({ name, dns_lookup_family: 'V4_ONLY' }));
}

type DnsCacheName = { readonly name: string; readonly dns_lookup_family: 'V4_ONLY' | 'V4_PREFERRED' };

function forwardFilter(cache: DnsCacheName): HttpFilter {
  return {
    name: 'envoy.filters.http.dynamic_forward_proxy',
    typed_config: typed('envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig', {
      dns_cache_config: cache,
    }),
  };
}

function passthroughChain(fallback: Fallback, settings: ListenerSettings): FilterChain {
  return {
    name: 'PassthroughFilterChain',
    filter_chain_match: {},
    filters: tcpFilters(plainTarget(fallback), 'outbound', settings),
  };
}

/** What iptables redirect to: passes connections on to the listener of their original destination. */
export function virtualOutbound(
  facts: Pick<ProxyClass, 'families' | 'interception'>,
  fallback: Fallback,
  settings: ListenerSettings,
): Listener {
  const listener: Listener = {
    name: 'virtualOutbound',
    ...addressesOf(wildcardAddresses(facts.families), settings.listenPort),
    traffic_direction: 'OUTBOUND',
    use_original_dst: true,
    max_connections_to_accept_per_socket_event: 1,
    access_log: listenerAccessLogs(settings.accessLog),
    filter_chains: [
      {
        name: 'virtualOutbound-blackhole',
        filter_chain_match: { destination_port: settings.listenPort },
        filters: blackholeFilters('outbound', settings),
      },
      {
        name: 'virtualOutbound-catchall-tcp',
        filters: tcpFilters(plainTarget(fallback), 'outbound', settings),
      },
    ],
  };
  if (facts.interception === 'TPROXY') listener.transparent = true;
  return listener;
}

/** What a listener for HTTP_PROXY does besides: it takes CONNECT; it looks names up in that cache, null for none. */
export type HttpProxyWays = { readonly tunnels: boolean; readonly cache: DnsCacheName | null };

const REQUESTS_ONLY: HttpProxyWays = { tunnels: false, cache: null };

/** The listener for applications that are told to use an HTTP proxy (`proxyHttpPort`). */
export function httpProxyListener(
  bind: string,
  port: number,
  settings: ListenerSettings,
  identity: TraceIdentity,
  { tunnels, cache }: HttpProxyWays = REQUESTS_ONLY,
): Listener {
  const name = `${bind}_${port}`;
  const manager = {
    direction: 'outbound',
    statPrefix: `outbound_${name}`,
    route: { rds: 'http_proxy' },
    protocol: 'HTTP_PROXY',
    access: [],
    base: { http_protocol_options: { allow_absolute_url: true } },
    tunnels,
    ...(cache === null ? {} : { beforeRouter: [forwardFilter(cache)] }),
  } as const;
  return {
    name,
    ...addressesOf([bind], port),
    traffic_direction: 'OUTBOUND',
    continue_on_listener_filters_timeout: true,
    listener_filters_timeout: NO_TIMEOUT,
    max_connections_to_accept_per_socket_event: 1,
    filter_chains: [
      { filters: [httpManager(manager, settings, identity)], transport_socket_connect_timeout: CONNECT_TIMEOUT },
    ],
  };
}
