// What a TcpProxy message means, and which of it is supported.
import type { Random } from '../../../../base/clock.ts';
import { hasIp } from '../../../../base/ip.ts';
import type { HashPolicy, TcpProxy as TcpProxyPb } from '../../../../proto/generated/types.d.ts';
import type { AccessLog } from '../../../access-log/access-log.ts';
import { decodeAccessLogs } from '../../../access-log/decode.ts';
import type { ClusterDemand } from '../../../cluster/cluster.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { withoutPort } from '../../../formatter/address-text.ts';
import { xxHash64 } from '../../../route/xxhash64.ts';
import { type ConnectionInfo, findFilterState, type StreamInfo } from '../../../stream-info.ts';
import { decodeTunneling, type TunnelConfig, TUNNELING_FIELDS } from './tunnel-config.ts';

const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

export const TCP_PROXY_FIELDS = {
  [TCP_PROXY]: `
    stat_prefix cluster weighted_clusters hash_policy idle_timeout max_downstream_connection_duration
    max_downstream_connection_duration_jitter_percentage max_connect_attempts backoff_options access_log
    access_log_flush_interval flush_access_log_on_connected access_log_options upstream_connect_mode
    max_early_data_bytes check_drain_close tunneling_config downstream_idle_timeout upstream_idle_timeout on_demand`,
  ...TUNNELING_FIELDS,
  [`${TCP_PROXY}.TcpAccessLogOptions`]:
    'access_log_flush_interval flush_access_log_on_connected flush_access_log_on_start',
  [`${TCP_PROXY}.OnDemand`]: 'odcds_config timeout',
  [`${TCP_PROXY}.WeightedCluster`]: 'clusters',
  [`${TCP_PROXY}.WeightedCluster.ClusterWeight`]: 'name weight',
  'envoy.config.core.v3.BackoffStrategy': 'base_interval max_interval',
  'envoy.type.v3.HashPolicy': 'source_ip filter_state',
  'envoy.type.v3.HashPolicy.SourceIp': '',
  'envoy.type.v3.HashPolicy.FilterState': 'key',
  'envoy.type.v3.Percent': 'value',
};

/** Times in ms; 0 = none unless said otherwise. */
export type TcpProxyConfig = {
  readonly statPrefix: string;
  /** '' when the clusters are weighted. */
  readonly cluster: string;
  readonly weighted: readonly { readonly name: string; readonly weight: number }[];
  readonly totalWeight: number;
  /** Consistent hash of a connection; null without a policy. */
  readonly hash: ((info: StreamInfo) => number | null) | null;
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  /** The longest addition to it. */
  readonly maxJitterMs: number;
  readonly maxConnectAttempts: number;
  readonly backOff: { readonly baseMs: number; readonly maxMs: number } | null;
  readonly accessLogs: readonly AccessLog[];
  readonly logIntervalMs: number;
  readonly logsStart: boolean;
  readonly logsConnected: boolean;
  /** The upstream is dialled when the first byte came. */
  readonly connectsOnData: boolean;
  /** Bytes that are read before the upstream stands; null: the client is not read until then. */
  readonly maxEarlyBytes: number | null;
  readonly checksDrain: boolean;
  /** The upstream is an HTTP proxy, which is asked to carry the connection on; null: it is the destination. */
  readonly tunnel: TunnelConfig | null;
  /** Null: clusters are not asked for. */
  readonly demand: ClusterDemand | null;
};

/** Source: Envoy TcpProxy.idle_timeout. */
const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
/** Source: Envoy TcpProxy.OnDemand.timeout. */
const DEFAULT_DEMAND_TIMEOUT_MS = 60_000;
/** Source: Envoy BackoffStrategy.max_interval. */
const DEFAULT_BACK_OFF_FACTOR = 10;

export function decodeTcpProxy(message: TcpProxyPb, d: ConfigDecoder): TcpProxyConfig {
  const weighted = (message.weighted_clusters?.clusters ?? []).map(({ name = '', weight = 0 }) => ({ name, weight }));
  const maxDurationMs = Math.trunc(d.durationMs(message.max_downstream_connection_duration, 0));
  for (const field of ['downstream_idle_timeout', 'upstream_idle_timeout'] as const) {
    if (message[field] !== undefined) d.reject(field, 'Envoy does nothing with it: use idle_timeout');
  }
  const jitter = message.max_downstream_connection_duration_jitter_percentage?.value ?? 0;
  const mode = message.upstream_connect_mode ?? 'IMMEDIATE';
  if (mode !== 'IMMEDIATE' && message.max_early_data_bytes === undefined) {
    d.reject('max_early_data_bytes', 'must be set when upstream_connect_mode is not IMMEDIATE');
  }
  return Object.freeze({
    statPrefix: message.stat_prefix ?? '',
    cluster: message.cluster ?? '',
    weighted: message.cluster === undefined ? weighted : [],
    totalWeight: weighted.reduce((sum, { weight }) => sum + weight, 0),
    hash: decodeHash(message.hash_policy ?? [], d),
    idleTimeoutMs: Math.trunc(d.durationMs(message.idle_timeout, DEFAULT_IDLE_TIMEOUT_MS)),
    maxDurationMs,
    maxJitterMs: Math.ceil((maxDurationMs * jitter) / 100),
    maxConnectAttempts: message.max_connect_attempts ?? 1,
    backOff: decodeBackOff(message, d),
    accessLogs: decodeAccessLogs(message.access_log ?? [], d.at('access_log')),
    ...decodeLogOptions(message, d),
    connectsOnData: mode === 'ON_DOWNSTREAM_DATA',
    maxEarlyBytes: message.max_early_data_bytes ?? null,
    checksDrain: message.check_drain_close ?? false,
    tunnel:
      message.tunneling_config === undefined
        ? null
        : decodeTunneling(message.tunneling_config, d.at('tunneling_config')),
    demand: decodeDemand(message.on_demand, d.at('on_demand')),
  });
}

function decodeDemand(message: TcpProxyPb['on_demand'], d: ConfigDecoder): TcpProxyConfig['demand'] {
  // Without a source Envoy asks nobody either.
  if (message?.odcds_config === undefined) return null;
  const asked = { source: message.odcds_config, timeout: message.timeout };
  return d.environment.clusterDemand?.(asked, 'odcds_config', DEFAULT_DEMAND_TIMEOUT_MS, d) ?? null;
}

/** Only the first policy counts (Envoy accepts one). */
function decodeHash(policies: readonly HashPolicy[], d: ConfigDecoder): TcpProxyConfig['hash'] {
  const policy = policies[0];
  if (policy === undefined) return null;
  if (policy.source_ip !== undefined) {
    return ({ connection: { remoteAddress } }) =>
      hasIp(remoteAddress) ? shorten(xxHash64(withoutPort(remoteAddress))) : null;
  }
  if (policy.filter_state !== undefined) {
    const key = policy.filter_state.key ?? '';
    return (info) => {
      const object = findFilterState(info, key);
      return object?.isHashable === true ? shorten(xxHash64(object.value)) : null;
    };
  }
  d.at('hash_policy', 0).reject('', 'policy_specifier is required');
  return null;
}

/** The bits that a number can hold. */
function shorten(hash: bigint): number {
  return Number(hash >> 11n);
}

function decodeBackOff(message: TcpProxyPb, d: ConfigDecoder): TcpProxyConfig['backOff'] {
  if (message.backoff_options === undefined) return null;
  const baseMs = Math.trunc(d.durationMs(message.backoff_options.base_interval, 0));
  const maxMs = Math.trunc(d.durationMs(message.backoff_options.max_interval, baseMs * DEFAULT_BACK_OFF_FACTOR));
  if (maxMs < baseMs) d.at('backoff_options').reject('max_interval', 'must not be less than base_interval');
  return Object.freeze({ baseMs, maxMs });
}

type LogOptions = Pick<TcpProxyConfig, 'logIntervalMs' | 'logsStart' | 'logsConnected'>;

function decodeLogOptions(message: TcpProxyPb, d: ConfigDecoder): LogOptions {
  const options = message.access_log_options;
  if (options === undefined) {
    return {
      logIntervalMs: Math.trunc(d.durationMs(message.access_log_flush_interval, 0)),
      logsStart: false,
      logsConnected: message.flush_access_log_on_connected ?? false,
    };
  }
  for (const field of ['flush_access_log_on_connected', 'access_log_flush_interval'] as const) {
    if (message[field] !== undefined && message[field] !== false) {
      d.reject(field, 'cannot be set beside access_log_options');
    }
  }
  return {
    logIntervalMs: Math.trunc(d.durationMs(options.access_log_flush_interval, 0)),
    logsStart: options.flush_access_log_on_start ?? false,
    logsConnected: options.flush_access_log_on_connected ?? false,
  };
}

/** The cluster of a connection. A filter before this one may have named it, unless clusters are weighted. */
export function pickCluster(config: TcpProxyConfig, connection: ConnectionInfo, random: Random): string {
  const { weighted } = config;
  if (weighted.length === 0) return connection.filterState?.get('envoy.tcp_proxy.cluster')?.value ?? config.cluster;
  let rest = random.below(config.totalWeight);
  for (const { name, weight } of weighted) {
    if (rest < weight) return name;
    rest -= weight;
  }
  return '';
}

/** The idle timeout of a connection, ms; null for none. A filter before this one may have set it, 0 included. */
export function idleTimeoutOf(config: TcpProxyConfig, connection: ConnectionInfo): number | null {
  const own = connection.filterState?.get('envoy.tcp_proxy.per_connection_idle_timeout_ms');
  if (own !== undefined) return Number(own.value);
  return config.idleTimeoutMs === 0 ? null : config.idleTimeoutMs;
}

/** How a proxy is asked to carry the connection on; null: not at all. A filter before this one may have said so. */
export function tunnelOf({ tunnel }: TcpProxyConfig, connection: ConnectionInfo): TunnelConfig | null {
  if (tunnel === null) return null;
  return connection.filterState?.get('envoy.tcp_proxy.disable_tunneling')?.value === 'true' ? null : tunnel;
}
