// Decodes how sockets to a cluster leave: source addresses, socket options, keep-alive, order of further addresses.
import type {
  BindConfig,
  Cluster,
  SocketAddress,
  SocketOption as SocketOptionPb,
} from '../../proto/generated/types.d.ts';
import type { Address } from '../../base/byte-stream.ts';
import { hasIp } from '../../base/ip.ts';
import type { SocketOption } from '../../net/engine.ts';
import { DEFAULT_DIAL, type DialConfig } from '../cluster/cluster-config.ts';
import type { DialOptions } from '../cluster/pool/dialing.ts';
import { freebind } from '../../net/socket-options.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeAddress } from './address.ts';
import { decodeSocketOptions, SOCKET_OPTION_FIELDS } from './socket-options.ts';

const SELECTOR = 'envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector';

export const DIAL_FIELDS = {
  'envoy.config.core.v3.BindConfig': `source_address freebind socket_options additional_source_addresses
    extra_source_addresses local_address_selector`,
  'envoy.config.core.v3.ExtraSourceAddress': 'address socket_options',
  'envoy.config.core.v3.SocketOptionsOverride': 'socket_options',
  [SELECTOR]: '',
  'envoy.config.cluster.v3.UpstreamConnectionOptions': 'tcp_keepalive happy_eyeballs_config',
  'envoy.config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig':
    'first_address_family_version first_address_family_count',
  'envoy.config.core.v3.TcpKeepalive': 'keepalive_time keepalive_interval keepalive_probes',
  ...SOCKET_OPTION_FIELDS,
} as const;

/** Source: Linux net.ipv4.tcp_keepalive_time, what Envoy leaves to the system. */
const SYSTEM_KEEPALIVE_S = 7200;

type Family = Address['family'];

/** One address to leave from; null where only the socket options are given. */
type Source = { readonly address: Address | null; readonly options: readonly SocketOptionPb[] | undefined };

export function decodeDial(message: Cluster, d: ConfigDecoder): DialConfig {
  const bind = message.upstream_bind_config ?? d.environment.clusterBind;
  const connection = message.upstream_connection_options;
  if (bind === undefined && connection === undefined) return DEFAULT_DIAL;
  const keepAlive = keepAliveOptions(connection);
  const db = d.at('upstream_bind_config');
  const sources = bind === undefined ? [] : decodeSources(bind, db);
  const optionsFor = (family: Family): DialOptions => {
    // Source: Envoy default_local_address_selector: of the family that is dialled, or else the first.
    const source = sources.find(({ address }) => address?.family === family) ?? sources[0];
    if (source === undefined || !hasIp({ family })) return keepAlive;
    const socketOptions: SocketOption[] = [
      ...(bind?.freebind === undefined ? [] : freebind(family, bind.freebind)),
      ...decodeSocketOptions(source.options, { family, type: 'stream' }, db.at('socket_options')),
    ];
    return Object.freeze({
      ...keepAlive,
      ...(source.address === null ? {} : { localAddress: source.address }),
      ...(socketOptions.length === 0 ? {} : { socketOptions: Object.freeze(socketOptions) }),
    });
  };
  const eyeballs = connection?.happy_eyeballs_config;
  return Object.freeze({
    ipv4: optionsFor('ipv4'),
    ipv6: optionsFor('ipv6'),
    unix: optionsFor('unix'),
    internal: DEFAULT_DIAL.internal,
    firstFamily: (eyeballs?.first_address_family_version ?? 'DEFAULT') as DialConfig['firstFamily'],
    firstFamilyCount: eyeballs?.first_address_family_count ?? 1,
  });
}

function decodeSources(bind: BindConfig, d: ConfigDecoder): Source[] {
  const selector = bind.local_address_selector?.typed_config;
  if (selector !== undefined) {
    const ds = d.at('local_address_selector').at('typed_config');
    const unpacked = d.environment.unpack(selector, ds);
    if (unpacked !== null && unpacked.type !== SELECTOR) ds.reject('', `${unpacked.type} is not supported`);
  }
  const extra = bind.extra_source_addresses ?? [];
  const additional = bind.additional_source_addresses ?? [];
  if (extra.length > 0 && additional.length > 0) {
    d.reject('additional_source_addresses', 'cannot be set beside extra_source_addresses');
  }
  if (extra.length + additional.length > 1) {
    const field = extra.length > 0 ? 'extra_source_addresses' : 'additional_source_addresses';
    d.reject(field, 'only one extra/additional source can be supported');
  }
  if (bind.source_address === undefined) {
    for (const field of ['extra_source_addresses', 'additional_source_addresses'] as const) {
      if ((bind[field] ?? []).length > 0) d.reject(field, 'takes no effect without source_address');
    }
    return [{ address: null, options: bind.socket_options }];
  }
  const sources: Source[] = [];
  const add = (
    address: SocketAddress | undefined,
    options: readonly SocketOptionPb[] | undefined,
    da: ConfigDecoder,
  ) => {
    const decoded = decodeAddress({ socket_address: address }, da);
    if (decoded === null) return;
    if (sources.some((other) => other.address?.family === decoded.family)) {
      da.reject('', 'two source addresses must be of different IP versions');
    }
    sources.push({ address: Object.freeze(decoded), options });
  };
  add(bind.source_address, bind.socket_options, d.at('source_address'));
  for (const [i, one] of extra.entries()) {
    const own = one.socket_options?.socket_options;
    add(one.address, own ?? bind.socket_options, d.at('extra_source_addresses', i).at('address'));
  }
  for (const [i, one] of additional.entries()) {
    add(one, bind.socket_options, d.at('additional_source_addresses', i));
  }
  return sources;
}

function keepAliveOptions(connection: Cluster['upstream_connection_options']): DialOptions {
  const keepAlive = connection?.tcp_keepalive;
  if (keepAlive === undefined) return Object.freeze({});
  const { keepalive_interval: interval, keepalive_probes: probes } = keepAlive;
  return Object.freeze({
    keepAliveS: keepAlive.keepalive_time ?? SYSTEM_KEEPALIVE_S,
    ...(interval === undefined ? {} : { keepAliveIntervalS: interval }),
    ...(probes === undefined ? {} : { keepAliveProbes: probes }),
  });
}
