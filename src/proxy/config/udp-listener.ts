// Decodes what is special of UDP listeners: datagram sizes and the one listener filter.
import type { Listener as ListenerPb } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { UdpFilterFactory } from '../udp/filter.ts';
import { receiveLimit } from '../udp/receive-limit.ts';
import type { UdpListenerConfig } from '../udp/udp-listener.ts';
import { udpProxy } from '../udp/udp-proxy.ts';

const DEFAULT_WRITER = 'envoy.extensions.udp_packet_writer.v3.UdpDefaultWriterFactory';

/** Every UDP listener filter there is. */
const FILTERS: readonly UdpFilterFactory[] = [udpProxy as UdpFilterFactory];

export const UDP_LISTENER_FIELDS: Readonly<Record<string, string>> = {
  'envoy.config.listener.v3.Listener': 'udp_listener_config listener_filters',
  'envoy.config.listener.v3.ListenerFilter': 'name typed_config',
  'envoy.config.listener.v3.UdpListenerConfig': 'downstream_socket_config udp_packet_packet_writer_config',
  'envoy.config.core.v3.UdpSocketConfig': 'max_rx_datagram_size prefer_gro',
  [DEFAULT_WRITER]: '',
  ...udpProxy.fields,
};

/** Fields of Listener that Envoy accepts on a UDP listener, where they do nothing. */
const WITHOUT_EFFECT = [
  'use_original_dst',
  'listener_filters_timeout',
  'continue_on_listener_filters_timeout',
  'tcp_backlog_size',
  'tcp_fast_open_queue_length',
  'tcp_keepalive',
  'per_connection_buffer_limit_bytes',
  'connection_balance_config',
  'filter_chain_matcher',
  'max_connections_to_accept_per_socket_event',
  'ignore_global_conn_limit',
  'access_log',
] as const;

export function isUdpListener(message: ListenerPb): boolean {
  return message.address?.socket_address?.protocol === 'UDP';
}

/** What `ListenerConfig.udp` is; null after rejecting. Addresses, names and the like are the caller's to decode. */
export function decodeUdpListener(message: ListenerPb, d: ConfigDecoder): UdpListenerConfig | null {
  const before = d.reasons.length;
  const chains = message.filter_chains?.length ?? 0;
  // Envoy counts `filter_chains` only, and says so of the default chain as well.
  if (chains > 0 || message.default_filter_chain !== undefined) {
    const field = chains > 0 ? 'filter_chains' : 'default_filter_chain';
    d.reject(field, `${chains} filter chain(s) specified for connection-less UDP listener.`);
  }
  if (message.bind_to_port === false) d.reject('bind_to_port', 'false is not supported for UDP listeners');
  for (const field of WITHOUT_EFFECT) {
    if (isSet(message[field as keyof ListenerPb])) d.reject(field, 'has no effect on a UDP listener');
  }
  for (const [i, { address }] of (message.additional_addresses ?? []).entries()) {
    if (address?.socket_address?.protocol === 'UDP') continue;
    d.at('additional_addresses', i).reject('address', 'has different socket type: all addresses must be UDP');
  }
  const maxRxDatagramBytes = decodeUdpConfig(message, d);
  const filter = decodeFilter(message, d);
  if (filter === null || d.reasons.length > before) return null;
  return { maxRxDatagramBytes, filter };
}

function isSet(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}

function decodeUdpConfig(message: ListenerPb, d: ConfigDecoder): number {
  const config = message.udp_listener_config;
  const du = d.at('udp_listener_config');
  if (config?.quic_options !== undefined) du.reject('quic_options', 'QUIC is not supported');
  const writer = config?.udp_packet_packet_writer_config;
  if (writer !== undefined) {
    const dw = du.at('udp_packet_packet_writer_config').at('typed_config');
    const unpacked = d.environment.unpack(writer.typed_config, dw);
    if (unpacked !== null && unpacked.type !== DEFAULT_WRITER) {
      dw.reject('', `no UDP packet writer of type ${unpacked.type}: only the default one is supported`);
    }
  }
  return receiveLimit(config?.downstream_socket_config, false);
}

function decodeFilter(message: ListenerPb, d: ConfigDecoder): UdpListenerConfig['filter'] | null {
  const filters = message.listener_filters ?? [];
  const [filter] = filters;
  if (filter === undefined) {
    d.reject('listener_filters', 'is required: a UDP listener needs a listener filter');
    return null;
  }
  if (filters.length > 1)
    d.at('listener_filters', 1).reject('', 'no datagram would reach a second UDP listener filter');
  const df = d.at('listener_filters', 0);
  if (filter.filter_disabled !== undefined) df.reject('filter_disabled', 'has no effect on a UDP listener filter');
  if (filter.config_discovery !== undefined) {
    df.reject('config_discovery', 'is not supported yet for filters of UDP listeners');
    return null;
  }
  if (filter.typed_config === undefined) {
    df.reject('typed_config', 'is required');
    return null;
  }
  const dt = df.at('typed_config');
  const unpacked = d.environment.unpack(filter.typed_config, dt);
  if (unpacked === null) return null;
  const factory = FILTERS.find((one) => one.configType === unpacked.type);
  if (factory === undefined) {
    dt.reject('', `no UDP listener filter of type ${unpacked.type} (named ${JSON.stringify(filter.name ?? '')})`);
    return null;
  }
  const config = factory.decode(unpacked.message, dt);
  return config === null ? null : { factory, config };
}
