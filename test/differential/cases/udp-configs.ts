// Configurations of UDP listeners that both proxies must refuse or accept, and those that Heddle alone refuses.
import { any, bootstrap, cluster, type Fields, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const UDP_PROXY = 'envoy.extensions.filters.udp.udp_proxy.v3';
const WRITER = 'envoy.extensions.udp_packet_writer.v3';
const NETWORK_INPUT = 'envoy.extensions.matching.common_inputs.network.v3';

const ROUTE: Fields = { action: { name: 'route', typed_config: any(`${UDP_PROXY}.Route`, { cluster: 'a' }) } };
const ADDRESS: Fields = { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: '{{listen.main}}' } };

function proxyFilter(proxy: Fields): Fields {
  const config = any(`${UDP_PROXY}.UdpProxyConfig`, { stat_prefix: 'u', matcher: { on_no_match: ROUTE }, ...proxy });
  return { name: 'udp', typed_config: config };
}

function withListener(fields: Fields, more: readonly Fields[] = []): Fields {
  const listener = { name: 'main', address: ADDRESS, listener_filters: [proxyFilter({})], ...fields };
  return bootstrap({ listeners: [listener, ...more], clusters: [cluster('a', ['free.a'])] });
}

function withProxy(proxy: Fields): Fields {
  return withListener({ listener_filters: [proxyFilter(proxy)] });
}

function withSocket(fields: Fields): Fields {
  return withListener({ udp_listener_config: { downstream_socket_config: fields } });
}

function withWriter(name: string): Fields {
  return withListener({
    udp_listener_config: { udp_packet_packet_writer_config: { name, typed_config: any(`${WRITER}.${name}`) } },
  });
}

function withInput(name: string, fields: Fields = {}): Fields {
  const input = { name, typed_config: any(`${NETWORK_INPUT}.${name}`, fields) };
  return withProxy({ matcher: { matcher_tree: { input, exact_match_map: { map: { x: ROUTE } } } } });
}

const good: Readonly<Record<string, Fields>> = {
  'udp_proxy with a matcher': withListener({}),
  'udp_proxy with a cluster': withProxy({ matcher: undefined, cluster: 'a' }),
  'udp_proxy to an unknown cluster': withProxy({ matcher: undefined, cluster: 'nobody' }),
  'udp idle timeout 0': withProxy({ idle_timeout: '0s' }),
  'udp listener and TCP listener on one port': withListener({}, [
    {
      ...http({ name: 'tcp', log: null }),
      address: { socket_address: { address: '127.0.0.1', port_value: '{{listen.main}}' } },
    },
  ]),
  'udp with the default packet writer': withWriter('UdpDefaultWriterFactory'),
  'udp datagrams of 65535': withSocket({ max_rx_datagram_size: 65_535 }),
  'udp with GRO': withSocket({ prefer_gro: true }),
  'udp by source port': withInput('SourcePortInput'),
  'udp hash of the source': withProxy({ hash_policies: [{ source_ip: true }] }),
  'udp with freebind': withListener({ freebind: true }),
};

const bad: Readonly<Record<string, readonly [Fields, ...string[]]>> = {
  'udp_proxy without route': [withProxy({ matcher: undefined }), 'route_specifier'],
  'udp_proxy with cluster and matcher': [withProxy({ cluster: 'a' }), 'matcher'],
  'udp_proxy without stat_prefix': [withProxy({ stat_prefix: undefined }), 'stat_prefix'],
  'udp datagrams of 0': [withSocket({ max_rx_datagram_size: 0 }), 'max_rx_datagram_size'],
  'udp datagrams of 65536': [withSocket({ max_rx_datagram_size: 65_536 }), 'max_rx_datagram_size'],
  'udp with two hash policies': [withProxy({ hash_policies: [{ source_ip: true }, { key: 'x' }] }), 'hash_policies'],
  'udp hash of false': [withProxy({ hash_policies: [{ source_ip: false }] }), 'source_ip'],
  'udp hash of an empty key': [withProxy({ hash_policies: [{ key: '' }] }), 'key'],
  'udp hash of nothing': [withProxy({ hash_policies: [{}] }), 'policy_specifier'],
  'udp log interval of half a millisecond': [
    withProxy({ access_log_options: { access_log_flush_interval: '0.0005s' } }),
    'access_log_flush_interval',
  ],
  'udp by server name': [withInput('ServerNameInput'), 'ServerNameInput'],
  'udp by direct source': [withInput('DirectSourceIPInput'), 'DirectSourceIPInput'],
  'udp by transport protocol': [withInput('TransportProtocolInput'), 'TransportProtocolInput'],
  'udp by filter state': [withInput('FilterStateInput', { key: 'k' }), 'FilterStateInput'],
  'udp with a filter chain': [withListener({ filter_chains: [{ filters: [] }] }), 'connection-less UDP listener'],
  'udp with a default chain': [withListener({ default_filter_chain: {} }), 'connection-less UDP listener'],
  'udp without a socket': [withListener({ bind_to_port: false }), 'bind_to_port'],
  'udp with a further TCP address': [
    withListener({
      additional_addresses: [{ address: { socket_address: { address: '127.0.0.1', port_value: '{{listen.b}}' } } }],
    }),
    'additional_addresses[0]',
  ],
  'udp with a filter for connections': [
    withListener({
      listener_filters: [
        { name: 'tls', typed_config: any('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') },
      ],
    }),
    'TlsInspector',
  ],
  'udp_proxy on a TCP listener': [
    withListener({
      address: { socket_address: { address: '127.0.0.1', port_value: '{{listen.main}}' } },
      filter_chains: [{}],
    }),
    'UdpProxyConfig',
  ],
  'udp with a Route that is none': [
    withProxy({
      matcher: {
        on_no_match: { action: { name: 'x', typed_config: any('google.protobuf.StringValue', { value: 'a' }) } },
      },
    }),
    'StringValue',
  ],
};

/** What Envoy takes and Heddle does not, and why. */
const stricter: Readonly<Record<string, readonly [Fields, string, ...string[]]>> = {
  'udp without filters': [withListener({ listener_filters: [] }), 'every datagram would be lost', 'listener_filters'],
  'udp with two filters': [
    withListener({ listener_filters: [proxyFilter({}), proxyFilter({ stat_prefix: 'v' })] }),
    'no datagram would reach the second',
    'listener_filters[1]',
  ],
  'udp with a packet writer of its own': [
    withWriter('UdpGsoBatchWriterFactory'),
    'not built',
    'UdpGsoBatchWriterFactory',
  ],
  'udp with a disabled filter': [
    withListener({ listener_filters: [{ ...proxyFilter({}), filter_disabled: { any_match: true } }] }),
    'the predicate has no effect there',
    'filter_disabled',
  ],
  ...Object.fromEntries(
    Object.entries({
      use_original_dst: true,
      listener_filters_timeout: '1s',
      tcp_backlog_size: 10,
      per_connection_buffer_limit_bytes: 10,
      connection_balance_config: { exact_balance: {} },
    }).map(([field, value]) => [
      `udp with ${field}`,
      [withListener({ [field]: value }), 'it has no effect', field] as const,
    ]),
  ),
};

export const udpConfigCases: readonly ConfigCase[] = [
  ...Object.entries(good).map(([name, config]) => ({ name, config, isGood: true })),
  ...Object.entries(bad).map(([name, [config, ...mentions]]) => ({ name, config, mentions })),
  ...Object.entries(stricter).map(([name, [config, reason, ...mentions]]) => ({
    name,
    config,
    mentions,
    stricter: reason,
  })),
];
