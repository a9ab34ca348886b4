// TLS contexts of listeners: the mesh's own identity, and what servers of gateways and Sidecars are given.
import type {
  CommonTlsContext,
  DownstreamTlsContext,
  SdsSecretConfig,
  StringMatcher,
  TransportSocket,
} from '../../../proto/generated/types.d.ts';
import { NO_TIMEOUT, typed } from './any.ts';
import type { ListenerSettings } from './settings.ts';

const CIPHERS = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
];

export const HTTP_ALPN: readonly string[] = ['h2', 'http/1.1'];
/** A peer that offers the first exchanges metadata. */
export const EXCHANGE_ALPN: readonly string[] = ['istio-peer-exchange', 'h2', 'http/1.1'];

/** The agent beside the proxy has the workload's identity and the roots of the mesh. */
const AGENT = {
  api_config_source: {
    api_type: 'GRPC',
    grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
    set_node_on_first_message_only: true,
    transport_api_version: 'V3',
  },
  resource_api_version: 'V3',
} as const;

/** Identity and roots, once the agent has them; until then the listener waits. */
export const OWN_IDENTITY: SdsSecretConfig = {
  name: 'default',
  sds_config: {
    ...AGENT,
    api_config_source: { ...AGENT.api_config_source, grpc_services: [...AGENT.api_config_source.grpc_services] },
    initial_fetch_timeout: NO_TIMEOUT,
  },
};
export const MESH_ROOTS: SdsSecretConfig = { ...OWN_IDENTITY, name: 'ROOTCA' };

/** A secret in files that the agent reads ('file-cert:CERT~KEY', 'file-root:PATH'). */
export function agentFile(name: string): SdsSecretConfig {
  const { initial_fetch_timeout: _, ...sds_config } = OWN_IDENTITY.sds_config ?? {};
  return { name, sds_config };
}

/** A secret that the control plane hands out over the stream of everything else. */
export function controlSecret(name: string): SdsSecretConfig {
  return { name, sds_config: { ads: {}, resource_api_version: 'V3' } };
}

export function mutualContext(
  certificate: SdsSecretConfig,
  roots: SdsSecretConfig,
  sans: readonly StringMatcher[],
  alpn: readonly string[],
): CommonTlsContext {
  return {
    alpn_protocols: [...alpn],
    tls_certificate_sds_secret_configs: [certificate],
    combined_validation_context: {
      default_validation_context: sans.length === 0 ? {} : { match_subject_alt_names: [...sans] },
      validation_context_sds_secret_config: roots,
    },
  };
}

/** What workloads of the mesh offer each other: callers of all its trust domains, and nobody else. */
export function inboundMutualTls(settings: ListenerSettings, alpn: readonly string[]): TransportSocket {
  const sans = settings.trustDomains.map((domain) => ({ prefix: `spiffe://${domain}/` }));
  return tlsSocket({
    common_tls_context: {
      ...mutualContext(OWN_IDENTITY, MESH_ROOTS, sans, alpn),
      tls_params: {
        cipher_suites: CIPHERS,
        tls_minimum_protocol_version: settings.minTlsVersion === 'TLSV1_3' ? 'TLSv1_3' : 'TLSv1_2',
        tls_maximum_protocol_version: 'TLSv1_3',
      },
    },
    require_client_certificate: true,
  });
}

export function tlsSocket(context: DownstreamTlsContext): TransportSocket {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: typed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', context),
  };
}
