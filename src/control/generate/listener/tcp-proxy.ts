// What stands in a chain that carries bytes: metadata exchange, access, counting, and the proxy itself.
import type { Filter, TcpProxy } from '../../../proto/generated/types.d.ts';
import { protoDuration } from '../../model/duration.ts';
import { accessLogs } from './access-log.ts';
import { typed } from './any.ts';
import { type Direction, istioStats, metadataExchangeTcp } from './filters.ts';
import type { ListenerSettings } from './settings.ts';

/** Where the bytes of a connection go, and for how long. */
export type TcpTarget = {
  readonly statPrefix: string;
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  readonly idleTimeoutMs: number | null;
  readonly maxDurationMs: number | null;
  readonly isHashedBySource: boolean;
  readonly tunnel: { readonly host: string; readonly port: number; readonly protocol: string } | null;
  /** MONGO: its commands are counted. */
  readonly isMongo: boolean;
  /** A service that is resolved per SNI: its port and the cache it shares with the cluster. */
  readonly dynamic: { readonly cache: string; readonly port: number } | null;
};

export function plainTarget(cluster: string): TcpTarget {
  return {
    statPrefix: cluster,
    clusters: [{ name: cluster, weight: 1 }],
    idleTimeoutMs: null,
    maxDurationMs: null,
    isHashedBySource: false,
    tunnel: null,
    isMongo: false,
    dynamic: null,
  };
}

/** The filters of one chain. Peer metadata is exchanged inbound only: outbound it is the cluster's. */
export function tcpFilters(
  target: TcpTarget,
  direction: Direction,
  settings: ListenerSettings,
  access: readonly Filter[] = [],
): Filter[] {
  const filters: Filter[] = [];
  if (direction === 'inbound' && settings.hasIstioFilters) filters.push(metadataExchangeTcp());
  filters.push(...access);
  if (settings.hasStats) filters.push(istioStats(direction));
  if (target.isMongo) filters.push(mongoFilter(target.statPrefix));
  if (target.dynamic !== null) filters.push(sniForwardFilter(target.dynamic));
  filters.push(tcpProxy(target, settings, true));
  return filters;
}

/** The chain for connections to the proxy's own port, which would otherwise call itself for ever. */
export function blackholeFilters(direction: Direction, settings: ListenerSettings): Filter[] {
  const filters: Filter[] = [];
  if (direction === 'inbound' && settings.hasIstioFilters) filters.push(metadataExchangeTcp());
  if (settings.hasStats) filters.push(istioStats(direction));
  filters.push(tcpProxy(plainTarget('BlackHoleCluster'), settings, false));
  return filters;
}

function tcpProxy(target: TcpTarget, settings: ListenerSettings, isLogged: boolean): Filter {
  const [only] = target.clusters;
  const message: TcpProxy = { stat_prefix: target.statPrefix };
  if (target.clusters.length === 1 && only !== undefined) message.cluster = only.name;
  else message.weighted_clusters = { clusters: target.clusters.map(({ name, weight }) => ({ name, weight })) };
  if (isLogged) message.access_log = accessLogs(settings.accessLog);
  if (target.idleTimeoutMs !== null) message.idle_timeout = protoDuration(target.idleTimeoutMs);
  if (target.maxDurationMs !== null) message.max_downstream_connection_duration = protoDuration(target.maxDurationMs);
  if (target.isHashedBySource) message.hash_policy = [{ source_ip: {} }];
  if (target.tunnel !== null) message.tunneling_config = tunnelOf(target.tunnel);
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', message),
  };
}

function tunnelOf({ host, port, protocol }: NonNullable<TcpTarget['tunnel']>): TcpProxy['tunneling_config'] {
  const hostname = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return protocol === 'POST' ? { hostname, use_post: true } : { hostname };
}

function mongoFilter(statPrefix: string): Filter {
  return {
    name: 'envoy.filters.network.mongo_proxy',
    typed_config: typed('envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy', { stat_prefix: statPrefix }),
  };
}

function sniForwardFilter({ cache, port }: NonNullable<TcpTarget['dynamic']>): Filter {
  return {
    name: 'envoy.extensions.filters.network.sni_dynamic_forward_proxy',
    typed_config: typed('envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig', {
      dns_cache_config: { name: cache, dns_lookup_family: 'V4_ONLY' },
      port_value: port,
    }),
  };
}
