// Decodes listeners: protobuf → frozen configuration.
import type { Address } from '../../base/byte-stream.ts';
import { addressText } from '../../net/address.ts';
import type { FilterChain, HttpConnectionManager, Listener as ListenerPb } from '../../proto/generated/types.d.ts';
import { decodeAccessLogs } from '../access-log/decode.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeAddress } from './address.ts';
import {
  decodeHttpConnectionManager,
  type HttpManagerConfig,
  type HttpManagerEnvironment,
} from './http-connection-manager.ts';

/** Source: listener.proto: per_connection_buffer_limit_bytes, 1 MiB. */
const BUFFER_LIMIT_BYTES = 1024 * 1024;
const HTTP_CONNECTION_MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export const LISTENER_FIELDS = {
  'envoy.config.listener.v3.Listener': `
    name address filter_chains default_filter_chain per_connection_buffer_limit_bytes access_log tcp_backlog_size
    stat_prefix metadata ignore_global_conn_limit`,
  'envoy.config.listener.v3.FilterChain': 'filters name metadata',
  'envoy.config.listener.v3.Filter': 'name typed_config',
  'envoy.config.core.v3.Metadata': '*',
} as const;

export type FilterChainConfig = {
  readonly name: string;
  readonly http: HttpManagerConfig;
};

export type ListenerConfig = {
  readonly name: string;
  readonly address: Address;
  readonly ipv4Compat: boolean;
  readonly pipeMode: number;
  readonly bufferLimitBytes: number;
  readonly backlog: number;
  /** What statistics call it: stat_prefix, or the address. */
  readonly statPrefix: string;
  readonly ignoreGlobalConnectionLimit: boolean;
  readonly accessLogs: readonly AccessLog[];
  readonly chain: FilterChainConfig;
};

export function decodeListener(
  message: ListenerPb,
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
): ListenerConfig | null {
  const before = d.reasons.length;
  const address = decodeAddress(message.address, d.at('address'));
  const bufferLimitBytes = message.per_connection_buffer_limit_bytes ?? BUFFER_LIMIT_BYTES;
  const chains = message.filter_chains ?? [];
  if (chains.length > 1) d.reject('filter_chains', 'more than one filter chain is not supported yet');
  const field = chains.length > 0 ? d.at('filter_chains', 0) : d.at('default_filter_chain');
  const chainPb = chains[0] ?? message.default_filter_chain;
  if (chains.length > 0 && message.default_filter_chain !== undefined) {
    d.reject('default_filter_chain', 'beside another filter chain is not supported yet');
  }
  if (chainPb === undefined) d.reject('filter_chains', 'is required: a listener needs a filter chain');
  const chain = chainPb === undefined ? null : decodeChain(chainPb, field, environment, bufferLimitBytes);
  const accessLogs = decodeAccessLogs(message.access_log ?? [], d.at('access_log'));
  if (address === null || chain === null || d.reasons.length > before) return null;
  return {
    name: message.name || addressText(address),
    address,
    ipv4Compat: message.address?.socket_address?.ipv4_compat ?? false,
    pipeMode: message.address?.pipe?.mode ?? 0,
    bufferLimitBytes,
    backlog: message.tcp_backlog_size ?? 0,
    statPrefix: message.stat_prefix ?? '',
    ignoreGlobalConnectionLimit: message.ignore_global_conn_limit ?? false,
    accessLogs,
    chain,
  };
}

function decodeChain(
  message: FilterChain,
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
  bufferLimitBytes: number,
): FilterChainConfig | null {
  const filters = message.filters ?? [];
  const filter = filters[0];
  if (filter === undefined) {
    d.reject('filters', 'is required: a filter chain needs a network filter');
    return null;
  }
  if (filters.length > 1) {
    d.at('filters', 1).reject('', 'more than one network filter is not supported yet');
    return null;
  }
  const df = d.at('filters', 0).at('typed_config');
  if (filter.typed_config === undefined) {
    df.reject('', 'is required');
    return null;
  }
  const unpacked = d.environment.unpack(filter.typed_config, df);
  if (unpacked === null) return null;
  if (unpacked.type !== HTTP_CONNECTION_MANAGER) {
    df.reject('', `no network filter of type ${unpacked.type} (named ${JSON.stringify(filter.name ?? '')})`);
    return null;
  }
  const http = decodeHttpConnectionManager(
    unpacked.message as HttpConnectionManager,
    df,
    environment,
    bufferLimitBytes,
  );
  return { name: message.name ?? '', http };
}
