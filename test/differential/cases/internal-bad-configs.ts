// Configurations of internal listeners that both proxies must refuse or accept, and those that Heddle alone refuses.
import { any, bootstrap, cluster, type Fields } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import {
  bootstrapExtension,
  inner,
  INTERNAL_EXTENSION,
  networkState,
  outer,
  passing,
  tcpProxy,
  toInternal,
} from './internal-config.ts';

const EXTENSION = 'InternalListener bootstrap extension is mandatory';
const ADDRESS = 'address should not be used when an internal listener config is provided';
const FEATURE = 'unsupported tcp listener feature';

type Parts = { readonly listener?: Fields; readonly to?: Fields; readonly around?: Fields; readonly state?: Fields };

function config({ listener = {}, to = toInternal('to', 'in', passing()), around, state }: Parts = {}): Fields {
  return bootstrap({
    listeners: [outer('main', 'to', state === undefined ? [] : [state]), inner('in', [tcpProxy('in', 'a')], listener)],
    clusters: [cluster('a', ['free.a']), to],
    around: around ?? INTERNAL_EXTENSION,
  });
}

const withListener = (listener: Fields): Fields => config({ listener });
const withTo = (around: Fields, endpoint: Fields = {}): Fields =>
  config({ to: toInternal('to', 'in', around, endpoint) });
const socketAddress = { socket_address: { address: '127.0.0.1', port_value: '{{free.x}}' } };
const internalAddress = { envoy_internal_address: { server_listener_name: 'in' } };
const passingFrom = (source: Fields): Fields => {
  const { transport_socket: socket } = passing() as { transport_socket: { name: string; typed_config: Fields } };
  return { transport_socket: { ...socket, typed_config: { ...socket.typed_config, passthrough_metadata: [source] } } };
};
const noInner = (): Fields => {
  const { transport_socket: socket } = passing() as { transport_socket: { name: string; typed_config: Fields } };
  const { transport_socket: _, ...typed_config } = socket.typed_config;
  return { transport_socket: { ...socket, typed_config } };
};

const good: Readonly<Record<string, Fields>> = {
  'internal listener': config(),
  'internal listener with use_original_dst': withListener({ use_original_dst: true }),
  'internal listener with bind_to_port': withListener({ bind_to_port: false }),
  'internal listener with a direction': withListener({ traffic_direction: 'INBOUND', drain_type: 'MODIFY_ONLY' }),
  'internal buffer of 1 KiB': config({ around: bootstrapExtension({ buffer_size_kb: 1 }) }),
  'internal buffer of 8 MiB': config({ around: bootstrapExtension({ buffer_size_kb: 8192 }) }),
  'internal extension twice': config({
    around: {
      bootstrap_extensions: [
        ...(bootstrapExtension()['bootstrap_extensions'] as Fields[]),
        ...(bootstrapExtension({ buffer_size_kb: 2 })['bootstrap_extensions'] as Fields[]),
      ],
    },
  }),
  'internal endpoint that nobody listens for': config({ to: toInternal('to', 'nobody') }),
  'internal_upstream to a socket': config({ to: cluster('to', ['free.a'], passing(['host.x'])) }),
  'internal_upstream, the same metadata twice': withTo(passing(['host.x', 'host.x'])),
  'internal endpoint without a name': config({ to: toInternal('to', '') }),
};

const bad: Readonly<Record<string, readonly [Fields, ...string[]]>> = {
  'internal listener without extension': [config({ around: {} }), 'internal_listener', EXTENSION],
  'internal listener at a socket': [withListener({ address: socketAddress }), 'address', ADDRESS],
  'internal listener at an internal address': [withListener({ address: internalAddress }), 'address', ADDRESS],
  'internal listener with more addresses': [
    withListener({ additional_addresses: [{ address: socketAddress }] }),
    'additional_addresses',
    ADDRESS,
  ],
  'internal address without internal_listener': [
    withListener({ internal_listener: undefined, address: internalAddress }),
    'internal_listener',
  ],
  'internal listener, transparent': [withListener({ transparent: true }), 'transparent', FEATURE],
  'internal listener, freebind': [withListener({ freebind: true }), 'freebind', FEATURE],
  'internal listener, fast open': [withListener({ tcp_fast_open_queue_length: 3 }), 'tcp_fast_open', FEATURE],
  'internal listener, reuse_port': [withListener({ enable_reuse_port: true }), 'enable_reuse_port', FEATURE],
  'internal listener, balance': [
    withListener({ connection_balance_config: { exact_balance: {} } }),
    'connection_balance_config',
    FEATURE,
  ],
  'internal listener, backlog': [withListener({ tcp_backlog_size: 4 }), 'tcp_backlog_size', FEATURE],
  'internal listener, socket options': [
    withListener({ socket_options: [{ level: 1, name: 2, int_value: 3 }] }),
    'socket_options',
  ],
  'internal buffer of 0': [config({ around: bootstrapExtension({ buffer_size_kb: 0 }) }), 'buffer_size_kb'],
  'internal buffer too large': [config({ around: bootstrapExtension({ buffer_size_kb: 8193 }) }), 'buffer_size_kb'],
  'internal endpoint without specifier': [
    withTo({
      load_assignment: {
        cluster_name: 'to',
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { envoy_internal_address: { endpoint_id: 'x' } } } }] }],
      },
    }),
    'envoy_internal_address',
    'address_name_specifier',
  ],
  'internal_upstream without inner socket': [withTo(noInner()), 'transport_socket'],
  'internal_upstream metadata without kind': [withTo(passingFrom({ name: 'x' })), 'kind'],
  'internal_upstream metadata of an empty kind': [withTo(passingFrom({ kind: {}, name: 'x' })), 'kind'],
  'internal_upstream metadata without name': [withTo(passingFrom({ kind: { host: {} } })), 'name'],
  'internal_upstream metadata of the route': [withTo(passing(['route.x'])), 'kind', 'metadata type is not supported'],
  'internal_upstream metadata of the request': [
    withTo(passing(['request.x'])),
    'kind',
    'metadata type is not supported',
  ],
  'internal_upstream on a listener': [
    withListener({ filter_chains: [{ filters: [tcpProxy('in', 'a')], ...passing() }] }),
    'transport_socket',
  ],
  'shared object of an unknown kind': [
    config({ state: networkState(['x.y', 'no.such.factory', 'x', 'ONCE']) }),
    'object factory',
  ],
};

const stricter: Readonly<Record<string, readonly [Fields, string, string]>> = {
  'internal listener without a name': [withListener({ name: '' }), 'nobody could reach it', 'name: is required'],
  'internal listener with keep-alive': [
    withListener({ tcp_keepalive: {} }),
    'there is no socket to keep alive',
    'tcp_keepalive',
  ],
  'internal listener with UDP configuration': [
    withListener({ udp_listener_config: {} }),
    'it has no effect',
    'udp_listener_config',
  ],
  'admin interface on an internal address': [
    config({ around: { ...INTERNAL_EXTENSION, admin: { address: internalAddress } } }),
    'nobody could reach it',
    'admin.address',
  ],
  'internal endpoint of a DNS cluster': [withTo({ type: 'STRICT_DNS' }), 'there is no name to resolve', 'STRICT_DNS'],
  'unknown bootstrap extension': [
    config({
      around: {
        bootstrap_extensions: [
          ...(INTERNAL_EXTENSION['bootstrap_extensions'] as Fields[]),
          {
            name: 'other',
            typed_config: any('envoy.extensions.network.socket_interface.v3.DefaultSocketInterface'),
          },
        ],
      },
    }),
    'it is not built',
    'no bootstrap extension of type',
  ],
};

export const internalConfigCases: readonly ConfigCase[] = [
  ...Object.entries(good).map(([name, config]) => ({ name, config, isGood: true })),
  ...Object.entries(bad).map(([name, [config, ...mentions]]) => ({ name, config, mentions })),
  ...Object.entries(stricter).map(([name, [config, why, mention]]) => ({
    name,
    config,
    stricter: why,
    mentions: [mention],
  })),
];
