// Maps envoy.config.core.v3.GrpcService.GoogleGrpc: a cluster of its own takes the place of the gRPC library.
import type {
  Cluster,
  GrpcService_GoogleGrpc,
  GrpcService_GoogleGrpc_ChannelCredentials,
} from '../../proto/generated/types.d.ts';
import { packAny } from '../../proto/any.ts';
import { MAX_MESSAGE_BYTES } from '../../proto/binary-decode.ts';
import { registry } from '../../proto/registry.ts';
import { parseIp } from '../../base/ip.ts';
import { DEFAULT_MESSAGE_BYTES, type GrpcTarget } from '../cluster/upstream-client/grpc-call.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { CALL_CREDENTIALS_FIELDS, decodeCallCredentials } from './call-credentials.ts';
import { decodeCluster } from './cluster.ts';

export const GOOGLE_GRPC_FIELDS = {
  'envoy.config.core.v3.GrpcService.GoogleGrpc': `
    target_uri channel_credentials call_credentials stat_prefix credentials_factory_name
    per_stream_buffer_limit_bytes channel_args`,
  'envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelCredentials': 'ssl_credentials local_credentials',
  'envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials': 'root_certs private_key cert_chain',
  'envoy.config.core.v3.GrpcService.GoogleGrpc.GoogleLocalCredentials': '',
  'envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs': 'args',
  'envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs.Value': 'string_value int_value',
  ...CALL_CREDENTIALS_FIELDS,
} as const;

/** Source: gRPC's channel argument keys. */
const MAX_MESSAGE_ARG = 'grpc.max_receive_message_length';
const AUTHORITY_ARG = 'grpc.default_authority';

type Target = { readonly host: string; readonly port: number; readonly isUnix: boolean };

/** What envoy_grpc and google_grpc have in common. */
export type CommonTarget = Pick<GrpcTarget, 'timeoutMs' | 'addMetadata' | 'retry'>;

/** Returns null when nothing can be made of the message; reasons are in `d`. */
export function decodeGoogleGrpc(
  message: GrpcService_GoogleGrpc,
  common: CommonTarget,
  d: ConfigDecoder,
): GrpcTarget | null {
  const target = parseTarget(message.target_uri ?? '');
  if (target === null) {
    d.reject('target_uri', 'only host:port, dns:host:port, ipv4:, ipv6: and unix: are supported');
    return null;
  }
  const settings = readArgs(message, d.at('channel_args'));
  const { channel_credentials: credentials } = message;
  const name = `google_grpc ${message.stat_prefix ?? ''} ${message.target_uri ?? ''}`;
  const cluster = makeCluster(name, message, target, d);
  if (credentials?.local_credentials !== undefined && !target.isUnix) {
    d.at('channel_credentials').reject('local_credentials', 'are for unix sockets');
  }
  const callCredentials = decodeCallCredentials(message, d);
  const own = cluster === null ? null : decodeCluster(cluster, d);
  if (own === null) return null;
  const authority = target.isUnix ? 'localhost' : `${target.host}:${target.port}`;
  return Object.freeze({
    ...common,
    callCredentials,
    clusterName: name,
    authority: settings.authority || authority,
    maxMessageBytes: settings.maxMessageBytes,
    skipsEnvoyHeaders: true,
    streamBackOff: null,
    ownCluster: own,
    counts: message.stat_prefix ?? '',
  });
}

/** Source: gRPC naming; a name alone is one of DNS. */
function parseTarget(uri: string): Target | null {
  const unix = /^unix:(?:\/\/)?(\/.+)$/.exec(uri);
  if (unix !== null) return { host: unix[1] as string, port: 0, isUnix: true };
  const plain = uri.replace(/^(?:dns:(?:\/\/[^/]*\/)?|ipv4:|ipv6:)/, '');
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(plain);
  if (match === null) return null;
  const port = Number(match[3]);
  return port === 0 || port > 65_535 ? null : { host: (match[1] ?? match[2]) as string, port, isUnix: false };
}

function makeCluster(name: string, message: GrpcService_GoogleGrpc, target: Target, d: ConfigDecoder): Cluster | null {
  const { host, port, isUnix } = target;
  const isName = !isUnix && parseIp(host) === null;
  const address = isUnix ? { pipe: { path: host } } : { socket_address: { address: host, port_value: port } };
  const socket = transportOf(message.channel_credentials, target, isName, d.at('channel_credentials'));
  if (socket === null) return null;
  const limit = message.per_stream_buffer_limit_bytes;
  const options = registry.message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions');
  return {
    name,
    alt_stat_name: `google_grpc_${message.stat_prefix ?? ''}`,
    type: isName ? 'LOGICAL_DNS' : 'STATIC',
    // As gRPC does: one host, at whichever of its addresses answers.
    ...(isName ? { dns_lookup_family: 'ALL' } : {}),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': packAny(options, {
        explicit_http_config: { http2_protocol_options: {} },
      }),
    },
    ...(limit === undefined ? {} : { per_connection_buffer_limit_bytes: limit }),
    ...socket,
  } as Cluster;
}

/** What the channel's credentials are as a transport socket: {} for none; null after rejecting them. */
function transportOf(
  credentials: GrpcService_GoogleGrpc_ChannelCredentials | undefined,
  { host, isUnix }: Target,
  isName: boolean,
  d: ConfigDecoder,
): Pick<Cluster, 'transport_socket'> | null {
  if (credentials === undefined || credentials.local_credentials !== undefined) return {};
  const ssl = credentials.ssl_credentials;
  if (ssl === undefined) {
    d.reject('', 'only ssl_credentials and local_credentials are supported');
    return null;
  }
  if (ssl.root_certs === undefined) {
    d.at('ssl_credentials').reject(
      'root_certs',
      'is required: there are no trusted CAs but those of the configuration',
    );
    return null;
  }
  const type = registry.message('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext');
  const { cert_chain: certificate_chain, private_key } = ssl;
  const context = {
    ...(isName ? { sni: host } : {}),
    common_tls_context: {
      alpn_protocols: ['h2'],
      ...(certificate_chain === undefined ? {} : { tls_certificates: [{ certificate_chain, private_key }] }),
      validation_context: {
        trusted_ca: ssl.root_certs,
        ...(isUnix
          ? {}
          : {
              match_typed_subject_alt_names: [{ san_type: isName ? 'DNS' : 'IP_ADDRESS', matcher: { exact: host } }],
            }),
      },
    },
  };
  return { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: packAny(type, context as never) } };
}

function readArgs(
  message: GrpcService_GoogleGrpc,
  d: ConfigDecoder,
): { readonly authority: string; readonly maxMessageBytes: number } {
  let authority = '';
  let maxMessageBytes = DEFAULT_MESSAGE_BYTES;
  for (const [key, value] of Object.entries(message.channel_args?.args ?? {})) {
    if (key === AUTHORITY_ARG && value.string_value !== undefined) authority = value.string_value;
    else if (key === MAX_MESSAGE_ARG && value.int_value !== undefined) {
      const bytes = Number(value.int_value);
      maxMessageBytes = bytes < 0 ? MAX_MESSAGE_BYTES : bytes;
    } else
      d.at('args', key).reject(
        '',
        `channel arguments other than ${AUTHORITY_ARG} and ${MAX_MESSAGE_ARG} are not supported`,
      );
  }
  return { authority, maxMessageBytes };
}
