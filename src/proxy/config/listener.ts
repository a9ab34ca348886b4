// Decodes listeners: protobuf → frozen configuration.
import { createHash } from 'node:crypto';
import type {
  AdditionalAddress,
  Address as AddressPb,
  Filter,
  FilterChain,
  Listener as ListenerPb,
  ListenerFilter,
} from '../../proto/generated/types.d.ts';
import { packAny } from '../../proto/any.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { addressText, internalAddress } from '../../net/address.ts';
import { fastOpen, freebind, keepAlive, listenerTransparent } from '../../net/socket-options.ts';
import { decodeAccessLogs } from '../access-log/decode.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeChainMatcher } from '../listener/chain-matcher.ts';
import type { ListenerFilterFactory } from '../listener/filter.ts';
import type { FollowListenerFilter } from '../listener/filter-discovery.ts';
import { decodeFilterPredicate } from '../listener/filter-predicate.ts';
import type {
  ListenAddress,
  ListenerConfig,
  ListenerFilterConfig,
  MatchedChainConfig,
} from '../listener/listener-config.ts';
import type { NetworkFilterFactory } from '../network/filter.ts';
import { decodeFilterDiscovery } from './filter-discovery.ts';
import type { FilterChainConfig, NetworkFilterConfig } from '../network/filter-chain.ts';
import type { DownstreamTransport, DownstreamTransportFactory, TransportConfig } from '../transport/transport.ts';
import { terminalRefusal } from '../xds/followed-extension.ts';
import { listenerWithoutChains } from '../xds/leaving-listeners.ts';
import { decodeAddress } from './address.ts';
import { decodeMetadata } from './endpoint.ts';
import { decodeFilterChainMatch, rejectOverlaps } from './filter-chain-match.ts';
import { decodeSocketOptions } from './socket-options.ts';
import { decodeUdpListener, isUdpListener } from './udp-listener.ts';

/** Source: listener.proto: per_connection_buffer_limit_bytes, 1 MiB. */
export const BUFFER_LIMIT_BYTES = 1024 * 1024;
/** Source: listener.proto: listener_filters_timeout. */
const LISTENER_FILTERS_TIMEOUT_MS = 15_000;

export const LISTENER_FIELDS = {
  'envoy.config.listener.v3.Listener': `
    name address additional_addresses filter_chains default_filter_chain filter_chain_matcher use_original_dst
    per_connection_buffer_limit_bytes access_log tcp_backlog_size stat_prefix metadata ignore_global_conn_limit
    deprecated_v1 bind_to_port drain_type listener_filters listener_filters_timeout
    continue_on_listener_filters_timeout transparent freebind tcp_fast_open_queue_length socket_options tcp_keepalive
    traffic_direction connection_balance_config reuse_port enable_reuse_port udp_listener_config internal_listener`,
  'envoy.config.listener.v3.Listener.InternalListenerConfig': '',
  'envoy.config.listener.v3.AdditionalAddress': 'address socket_options tcp_keepalive',
  'envoy.config.core.v3.SocketOptionsOverride': 'socket_options',
  'envoy.config.core.v3.TcpKeepalive': 'keepalive_time keepalive_interval keepalive_probes',
  'envoy.config.listener.v3.Listener.DeprecatedV1': 'bind_to_port',
  'envoy.config.listener.v3.Listener.ConnectionBalanceConfig': 'exact_balance',
  'envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance': '',
  'envoy.config.listener.v3.ListenerFilter': 'name typed_config filter_disabled config_discovery',
  'envoy.config.listener.v3.FilterChain':
    'filter_chain_match filters name metadata use_proxy_proto transport_socket transport_socket_connect_timeout',
  'envoy.config.listener.v3.Filter': 'name typed_config config_discovery',
  'envoy.config.core.v3.Metadata': '*',
  'envoy.config.core.v3.TransportSocket': 'name typed_config',
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': '',
} as const;

/** What decoding takes from the process around it: filters by the type of their configuration. */
export type ListenerEnvironment = {
  readonly networkFilterFactory: (type: string) => NetworkFilterFactory | null;
  /** Stand where a filter's configuration is only named, at the end of a chain and before it. */
  readonly discoveredTerminal: NetworkFilterFactory;
  readonly discoveredFilter: NetworkFilterFactory;
  readonly followListenerFilter: FollowListenerFilter;
  readonly listenerFilterFactory: (type: string) => ListenerFilterFactory | null;
  readonly downstreamTransportFactory: (type: string) => DownstreamTransportFactory | null;
  /** Of the bootstrap extension; null: there are no internal listeners. */
  readonly internalBufferBytes: number | null;
};

const ORIGINAL_DST = 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst';
const PROXY_PROTOCOL = 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';
const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';

export function decodeListener(
  message: ListenerPb,
  d: ConfigDecoder,
  environment: ListenerEnvironment,
): ListenerConfig | null {
  const before = d.reasons.length;
  const isUdp = isUdpListener(message);
  const isInternal = message.internal_listener !== undefined;
  const addresses = isInternal ? decodeInternal(message, d, environment) : decodeAddresses(message, d, isUdp);
  const bufferLimitBytes = message.per_connection_buffer_limit_bytes ?? BUFFER_LIMIT_BYTES;
  const udp = isUdp ? decodeUdpListener(message, d) : null;
  if (!isUdp && message.udp_listener_config !== undefined) {
    d.reject('udp_listener_config', 'is for UDP listeners, and the address is not UDP');
  }
  const chains = isUdp ? NO_CHAINS : decodeChains(message, d, environment, bufferLimitBytes);
  const listenerFilters = isUdp ? [] : decodeListenerFilters(message, d, environment);
  const matcherPb = message.filter_chain_matcher;
  const names = chains.matched.map(({ chain }) => chain.name);
  const chainMatcher =
    matcherPb === undefined ? null : decodeChainMatcher(matcherPb, d.at('filter_chain_matcher'), names);
  const accessLogs = decodeAccessLogs(message.access_log ?? [], d.at('access_log'));
  const first = addresses[0]?.address;
  if (first === undefined || d.reasons.length > before) return null;
  return Object.freeze({
    name: message.name || addressText(first),
    fingerprint: digest(listenerWithoutChains(message)),
    addresses,
    internal: isInternal ? { bufferBytes: environment.internalBufferBytes ?? 0 } : null,
    // Source: Envoy: neither has an effect on an internal listener, save that use_original_dst stands for its filter.
    bindToPort: isInternal || (message.bind_to_port ?? message.deprecated_v1?.bind_to_port ?? true),
    handsOff: !isInternal && (message.use_original_dst ?? false),
    reusePort: message.enable_reuse_port ?? true,
    backlog: message.tcp_backlog_size ?? 0,
    bufferLimitBytes,
    statPrefix: message.stat_prefix ?? '',
    ignoreGlobalConnectionLimit: message.ignore_global_conn_limit ?? false,
    accessLogs,
    listenerFilters,
    listenerFiltersTimeoutMs: d.durationMs(message.listener_filters_timeout, LISTENER_FILTERS_TIMEOUT_MS),
    continueOnListenerFiltersTimeout: message.continue_on_listener_filters_timeout ?? false,
    chains: chains.matched,
    defaultChain: chains.byDefault,
    chainMatcher,
    isExactBalance: message.connection_balance_config?.exact_balance !== undefined,
    drainsOnModifyOnly: message.drain_type === 'MODIFY_ONLY',
    metadata: decodeMetadata(message.metadata),
    trafficDirection: (message.traffic_direction ?? 'UNSPECIFIED') as ListenerConfig['trafficDirection'],
    udp,
  });
}

// ─── Addresses ────────────────────────────────────────────────────────────────────────────────────────────────────

function decodeAddresses(message: ListenerPb, d: ConfigDecoder, isUdp: boolean): ListenAddress[] {
  const all: [AddressPb | undefined, AdditionalAddress | null, ConfigDecoder][] = [
    [message.address, null, d.at('address')],
  ];
  for (const [i, more] of (message.additional_addresses ?? []).entries()) {
    all.push([more.address, more, d.at('additional_addresses', i).at('address')]);
  }
  const decoded: ListenAddress[] = [];
  for (const [addressPb, own, da] of all) {
    if ((addressPb?.socket_address?.protocol === 'UDP') !== isUdp) {
      da.reject('', 'all addresses of a listener must have the same protocol');
      continue;
    }
    const address = decodeAddress(addressPb, da, isUdp ? 'UDP' : 'TCP');
    if (address === null) continue;
    if (decoded.some((other) => addressText(other.address) === addressText(address) && address.port !== 0)) {
      da.reject('', `duplicate address ${addressText(address)}`);
    }
    const { family } = address;
    const kind = { family, type: isUdp ? 'datagram' : 'stream' } as const;
    const listed = own?.socket_options?.socket_options ?? message.socket_options;
    const alive = own?.tcp_keepalive ?? message.tcp_keepalive;
    const { transparent, freebind: isFree, tcp_fast_open_queue_length: queueLength } = message;
    const isTcp = family !== 'unix' && !isUdp;
    decoded.push({
      address,
      ipv4Compat: addressPb?.socket_address?.ipv4_compat ?? false,
      pipeMode: addressPb?.pipe?.mode ?? 0,
      socketOptions: [
        ...(transparent === undefined ? [] : listenerTransparent(family, transparent)),
        ...(isFree === undefined ? [] : freebind(family, isFree)),
        ...(queueLength === undefined || !isTcp ? [] : [fastOpen(queueLength)]),
        ...(alive === undefined || !isTcp
          ? []
          : keepAlive(alive.keepalive_time, alive.keepalive_interval, alive.keepalive_probes)),
        ...decodeSocketOptions(listed, kind, d.at('socket_options')),
      ],
    });
  }
  return decoded;
}

/** Source: Envoy ListenerImpl::validateConfig, ListenerManagerImpl::setupSocketFactoryForListener. */
const NOT_INTERNAL = [
  'transparent',
  'freebind',
  'tcp_fast_open_queue_length',
  'enable_reuse_port',
  'connection_balance_config',
  'tcp_backlog_size',
] as const;

/** The one address of a listener without a socket. */
function decodeInternal(
  message: ListenerPb,
  d: ConfigDecoder,
  { internalBufferBytes }: ListenerEnvironment,
): ListenAddress[] {
  const { name = '' } = message;
  if (internalBufferBytes === null) {
    d.reject('internal_listener', 'InternalListener bootstrap extension is mandatory (bootstrap_extensions)');
  }
  if (name === '') d.reject('name', 'is required: connections come by the name of an internal listener');
  for (const field of ['address', 'additional_addresses'] as const) {
    if (message[field] !== undefined) {
      d.reject(field, 'address should not be used when an internal listener config is provided');
    }
  }
  for (const field of NOT_INTERNAL) {
    if (message[field] !== undefined) d.reject(field, 'an internal listener has unsupported tcp listener feature');
  }
  if (message.socket_options !== undefined) {
    d.reject('socket_options', 'an internal listener does not support socket options');
  }
  for (const field of ['tcp_keepalive', 'udp_listener_config'] as const) {
    if (message[field] !== undefined) d.reject(field, 'takes no effect on an internal listener');
  }
  return [{ address: Object.freeze(internalAddress(name)), ipv4Compat: false, pipeMode: 0, socketOptions: [] }];
}

// ─── Filter chains ────────────────────────────────────────────────────────────────────────────────────────────────

type Chains = { readonly matched: readonly MatchedChainConfig[]; readonly byDefault: FilterChainConfig | null };
const NO_CHAINS: Chains = { matched: [], byDefault: null };

function decodeChains(
  message: ListenerPb,
  d: ConfigDecoder,
  environment: ListenerEnvironment,
  bufferLimitBytes: number,
): Chains {
  const chainPbs = message.filter_chains ?? [];
  if (chainPbs.length === 0 && message.default_filter_chain === undefined) {
    d.reject('filter_chains', 'is required: a listener needs a filter chain');
  }
  const matched: MatchedChainConfig[] = [];
  const known: { name: string; message: FilterChain['filter_chain_match']; match: MatchedChainConfig['match'] }[] = [];
  for (const [i, chainPb] of chainPbs.entries()) {
    const dc = d.at('filter_chains', i);
    const match = decodeFilterChainMatch(chainPb.filter_chain_match, dc.at('filter_chain_match'));
    known.push({ name: chainPb.name ?? '', message: chainPb.filter_chain_match, match });
    const chain = decodeChain(chainPb, dc, environment, bufferLimitBytes);
    if (chain !== null) matched.push({ match, chain });
  }
  if (message.filter_chain_matcher === undefined) rejectOverlaps(known, d);
  else rejectUnnamed(chainPbs, d);
  const defaultPb = message.default_filter_chain;
  if (Object.keys(defaultPb?.filter_chain_match ?? {}).length > 0) {
    d.at('default_filter_chain').reject('filter_chain_match', 'has no effect: the default chain takes what is left');
  }
  const byDefault =
    defaultPb === undefined
      ? null
      : decodeChain(defaultPb, d.at('default_filter_chain'), environment, bufferLimitBytes);
  return { matched, byDefault };
}

/** A matcher chooses by name, so each chain needs one of its own. */
function rejectUnnamed(chains: readonly FilterChain[], d: ConfigDecoder): void {
  const names = new Set<string>();
  for (const [i, { name = '', filter_chain_match: match = {} }] of chains.entries()) {
    const dc = d.at('filter_chains', i);
    if (Object.keys(match).length > 0) dc.reject('filter_chain_match', 'has no effect beside filter_chain_matcher');
    if (name === '') dc.reject('name', 'is required where filter_chain_matcher chooses the chain');
    else if (names.has(name)) dc.reject('name', `duplicate filter chain name ${JSON.stringify(name)}`);
    names.add(name);
  }
}

function decodeChain(
  message: FilterChain,
  d: ConfigDecoder,
  environment: ListenerEnvironment,
  bufferLimitBytes: number,
): FilterChainConfig | null {
  const transport = decodeTransport(message, d, environment);
  const filterPbs = message.filters ?? [];
  if (filterPbs.length === 0) {
    d.reject('filters', 'is required: a filter chain needs a network filter');
    return null;
  }
  const filters: NetworkFilterConfig[] = [];
  for (const [i, filter] of filterPbs.entries()) {
    const isLast = i === filterPbs.length - 1;
    const decoded = decodeNetworkFilter(filter, d.at('filters', i), environment, bufferLimitBytes, isLast);
    if (decoded === null) return null;
    if (decoded.factory.isTerminal === true && !isLast) {
      d.at('filters', i).reject('', `${decoded.name} ends its chain and must be the last filter`);
    } else if (decoded.factory.isTerminal !== true && isLast) {
      d.at('filters', i).reject('', `${decoded.name} does not end a chain, and the last filter must`);
    }
    filters.push(decoded);
  }
  const type = registry.message('envoy.config.listener.v3.FilterChain');
  return Object.freeze({
    name: message.name ?? '',
    fingerprint: digest(encodeBinary(type as never, message as never)),
    metadata: decodeMetadata(message.metadata),
    transport,
    transportTimeoutMs: d.durationMs(message.transport_socket_connect_timeout, 0),
    filters,
  });
}

/** Null for plain text. */
function decodeTransport(
  message: FilterChain,
  d: ConfigDecoder,
  environment: ListenerEnvironment,
): TransportConfig<DownstreamTransport> | null {
  const socket = message.transport_socket;
  if (socket === undefined) return null;
  const dt = d.at('transport_socket').at('typed_config');
  if (socket.typed_config === undefined) {
    dt.reject('', 'is required');
    return null;
  }
  const unpacked = d.environment.unpack(socket.typed_config, dt);
  if (unpacked === null || unpacked.type === RAW_BUFFER) return null;
  const factory = environment.downstreamTransportFactory(unpacked.type);
  if (factory === null) {
    dt.reject('', `no transport socket of type ${unpacked.type} for listeners`);
    return null;
  }
  return { factory, config: factory.decode(unpacked.message as never, dt) };
}

function decodeNetworkFilter(
  filter: Filter,
  d: ConfigDecoder,
  environment: ListenerEnvironment,
  bufferLimitBytes: number,
  isLast: boolean,
): NetworkFilterConfig | null {
  const { discoveredFilter, discoveredTerminal, networkFilterFactory } = environment;
  if (filter.config_discovery !== undefined) {
    const dd = d.at('config_discovery');
    const config = decodeFilterDiscovery(filter.name ?? '', filter.config_discovery, dd, {
      factoryOf: networkFilterFactory,
      decode: (factory, message, de) => factory.decode(message as never, de, { bufferLimitBytes }),
      whyNot: (extension) => terminalRefusal(extension, isLast, 'network'),
    });
    const factory = isLast ? discoveredTerminal : discoveredFilter;
    return config === null ? null : { name: config.name, factory, config };
  }
  const dc = d.at('typed_config');
  if (filter.typed_config === undefined) {
    dc.reject('', 'is required');
    return null;
  }
  const unpacked = d.environment.unpack(filter.typed_config, dc);
  if (unpacked === null) return null;
  const factory = networkFilterFactory(unpacked.type);
  const name = filter.name ?? '';
  if (factory === null) {
    dc.reject('', `no network filter of type ${unpacked.type} (named ${JSON.stringify(name)})`);
    return null;
  }
  return { name, factory, config: factory.decode(unpacked.message as never, dc, { bufferLimitBytes }) };
}

// ─── Listener filters ─────────────────────────────────────────────────────────────────────────────────────────────

type Follow = Extract<ListenerFilterConfig, { factory: null }>['follow'];

function decodeListenerFilters(
  message: ListenerPb,
  d: ConfigDecoder,
  environment: ListenerEnvironment,
): ListenerFilterConfig[] {
  const decoded: ListenerFilterConfig[] = [];
  const add = (filter: ListenerFilter, df: ConfigDecoder): void => {
    const { name = '', filter_disabled: disabled } = filter;
    const isDisabled = disabled === undefined ? null : decodeFilterPredicate(disabled, df.at('filter_disabled'));
    if (filter.config_discovery !== undefined) {
      const discovery = decodeFilterDiscovery(name, filter.config_discovery, df.at('config_discovery'), {
        factoryOf: environment.listenerFilterFactory,
        decode: (factory, config, de) => factory.decode(config as never, de),
      });
      if (discovery === null) return;
      const follow: Follow = (context) => environment.followListenerFilter(discovery, context);
      decoded.push({ name, isDisabled, factory: null, follow });
      return;
    }
    const dc = df.at('typed_config');
    if (filter.typed_config === undefined) {
      dc.reject('', 'is required');
      return;
    }
    const unpacked = d.environment.unpack(filter.typed_config, dc);
    if (unpacked === null) return;
    const factory = environment.listenerFilterFactory(unpacked.type);
    if (factory === null) {
      dc.reject('', `no listener filter of type ${unpacked.type} (named ${JSON.stringify(name)})`);
      return;
    }
    decoded.push({ name, isDisabled, factory, config: factory.decode(unpacked.message as never, dc) });
  };
  for (const [i, filter] of (message.listener_filters ?? []).entries()) add(filter, d.at('listener_filters', i));
  // Both fields stand for a filter. Source: Envoy ListenerImpl::buildOriginalDstListenerFilter and its neighbour.
  if (message.use_original_dst === true && !decoded.some(({ factory }) => factory?.configType === ORIGINAL_DST)) {
    add(implied('envoy.filters.listener.original_dst', ORIGINAL_DST), d.at('use_original_dst'));
  }
  if (message.filter_chains?.[0]?.use_proxy_proto === true) {
    add(implied('envoy.filters.listener.proxy_protocol', PROXY_PROTOCOL), d.at('filter_chains', 0));
  }
  return decoded;
}

function implied(name: string, type: string): ListenerFilter {
  return { name, typed_config: packAny(registry.message(type), {}) };
}

// ─── Fingerprints ─────────────────────────────────────────────────────────────────────────────────────────────────

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}
