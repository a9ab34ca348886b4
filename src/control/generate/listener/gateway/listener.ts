// A gateway's listener: one for each port that the proxy binds, with a chain for each of its servers.
import type { Filter, FilterChain, Listener } from '../../../../proto/generated/types.d.ts';
import { type Families, wildcardAddresses } from '../../../model/proxy.ts';
import { listenerAccessLogs } from '../access-log.ts';
import { addressesOf } from '../address.ts';
import { metadataExchangeTcp, proxyProtocol, tlsInspector } from '../filters.ts';
import { gatewayBase, httpManager } from '../http-manager.ts';
import type { AccessFilters } from '../inbound/listener.ts';
import type { ListenerSettings, TraceIdentity } from '../settings.ts';
import { tcpFilters } from '../tcp-proxy.ts';
import { tlsSocket } from '../tls-context.ts';
import type { GatewayChain } from './chains.ts';
import { serverTlsContext } from './server-tls.ts';

export type GatewayListenerInput = {
  /** '' for the wildcard addresses. */
  readonly bind: string;
  readonly port: number;
  readonly families: Families;
  readonly chains: readonly GatewayChain[];
  readonly access: AccessFilters;
  readonly settings: ListenerSettings;
  readonly identity: TraceIdentity;
};

/** Null without chains: Envoy takes no such listener. */
export function gatewayListener(input: GatewayListenerInput): Listener | null {
  const { bind, port, families, chains, settings } = input;
  if (chains.length === 0) return null;
  const binds = bind === '' ? wildcardAddresses(families) : [bind];
  const name = `${binds[0]}_${port}`;
  const listener: Listener = {
    name,
    ...addressesOf(binds, port),
    traffic_direction: 'OUTBOUND',
    max_connections_to_accept_per_socket_event: 1,
    access_log: listenerAccessLogs(settings.accessLog),
    filter_chains: chains.map((chain) => filterChain(chain, name, input)),
  };
  const inspected = chains.some((chain) => chain.sniHosts.length > 0 || chain.tls !== null);
  const filters = [
    ...(settings.gateway.takesProxyProtocol ? [proxyProtocol()] : []),
    ...(inspected ? [tlsInspector()] : []),
  ];
  if (filters.length > 0) listener.listener_filters = filters;
  return listener;
}

const CONNECT_TIMEOUT = { seconds: 15, nanos: 0 };

function filterChain(chain: GatewayChain, name: string, input: GatewayListenerInput): FilterChain {
  const { settings } = input;
  const message: FilterChain = {
    filters: filtersOf(chain, name, input),
    transport_socket_connect_timeout: CONNECT_TIMEOUT,
  };
  const isAnyName = chain.sniHosts.length === 0 || chain.sniHosts.includes('*');
  if (!isAnyName || chain.applicationProtocols.length > 0) {
    message.filter_chain_match = {
      ...(isAnyName ? {} : { server_names: [...chain.sniHosts].sort() }),
      ...(chain.applicationProtocols.length === 0 ? {} : { application_protocols: [...chain.applicationProtocols] }),
    };
  }
  const carries = 'rds' in chain.target ? 'http' : 'bytes';
  const context = chain.tls === null ? null : serverTlsContext(chain.tls, carries, settings);
  if (context !== null) message.transport_socket = tlsSocket(context);
  return message;
}

function filtersOf(chain: GatewayChain, name: string, input: GatewayListenerInput): Filter[] {
  const { settings, identity, access } = input;
  const { target } = chain;
  if (!('rds' in target)) {
    const guards = chain.isGuarded ? access.tcp : [];
    const exchange = chain.isExchanged && settings.hasIstioFilters ? [metadataExchangeTcp()] : [];
    return [...exchange, ...tcpFilters(target, 'gateway', settings, guards)];
  }
  const manager = {
    direction: 'gateway',
    statPrefix: `outbound_${name}`,
    route: { rds: target.rds },
    protocol: 'HTTP',
    access: access.http,
    base: gatewayBase(settings),
  } as const;
  return [httpManager(manager, settings, identity)];
}
