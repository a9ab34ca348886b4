// The bootstrap of a proxy beside the agent: as Istio's, in what a stock Envoy takes.
import { parseIp } from '../../base/ip.ts';
import type { AgentSettings } from '../config/settings.ts';
import { nodeOf, type ProxyKind } from './node.ts';
import { statsConfig } from './stats-config.ts';

export type BootstrapOptions = {
  readonly proxy: ProxyKind;
  /** Where secrets are served. */
  readonly sdsSocket: string;
  /** Where the agent serves xDS; null: the proxy asks the control plane itself, with the secrets that it has. */
  readonly xdsSocket: string | null;
};

const TYPE = 'type.googleapis.com/envoy.';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Protobuf's JSON, with the names of the .proto. */
export function makeBootstrap(settings: AgentSettings, options: BootstrapOptions): object {
  const { ports } = settings;
  return {
    node: nodeOf(settings, options.proxy),
    layered_runtime: {
      layers: [
        { name: 'global config', static_layer: runtimeFlags(settings) },
        { name: 'admin', admin_layer: {} },
      ],
    },
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: {
          '@type': `${TYPE}extensions.bootstrap.internal_listener.v3.InternalListener`,
          buffer_size_kb: 64,
        },
      },
    ],
    stats_config: statsConfig(settings),
    admin: { address: adminAddress(settings) },
    ...(settings.proxyMark === null ? {} : { cluster_manager: { upstream_bind_config: markOf(settings.proxyMark) } }),
    dynamic_resources: dynamicResources(),
    static_resources: {
      clusters: [
        localCluster('prometheus_stats', adminAddress(settings, false)),
        localCluster('agent', socketAddress(statusHost(settings), ports.status)),
        agentCluster('sds-grpc', options.sdsSocket, {}),
        options.xdsSocket === null
          ? controlCluster(settings)
          : agentCluster('xds-grpc', options.xdsSocket, XDS_CLUSTER),
      ],
      listeners: [
        relayListener(settings, ports.proxyPrometheus, 'stats', '/stats/prometheus', 'prometheus_stats'),
        relayListener(settings, ports.proxyStatus, 'agent', '/healthz/ready', 'agent'),
      ],
    },
  };
}

/** SO_MARK of SOL_SOCKET, by which rules of capture tell the proxy's own connections. */
function markOf(int_value: number): object {
  return { socket_options: [{ description: 'mark', level: 1, name: 36, int_value, state: 'STATE_PREBIND' }] };
}

function isIpv6Only({ addresses }: AgentSettings): boolean {
  return addresses.every((address) => address.includes(':'));
}

/** As the proxy's administration and the agent are reached. */
export function loopback(settings: AgentSettings): string {
  return isIpv6Only(settings) ? '::1' : '127.0.0.1';
}

/** Where the agent and the proxy tell of themselves: without redirect, on the one address that no neighbour has. */
export function statusHost(settings: AgentSettings): string {
  if (settings.explicit === null) return loopback(settings);
  return settings.explicit.bind || (settings.addresses[0] ?? loopback(settings));
}

/** For its owner alone. */
const ADMIN_MODE = 0o600;

function adminAddress(settings: AgentSettings, listens = true): object {
  const { adminSocket: path, ports } = settings;
  if (path === '') return socketAddress(loopback(settings), ports.admin);
  return { pipe: { path, ...(listens ? { mode: ADMIN_MODE } : {}) } };
}

/** Source: istio pkg/bootstrap, extractRuntimeFlags; what this Envoy does not know any more is left out. */
function runtimeFlags({ proxyConfig }: AgentSettings): Readonly<Record<string, unknown>> {
  const flags: Record<string, unknown> = {
    're2.max_program_size.error_level': '32768',
    'envoy.reloadable_features.http_reject_path_with_fragment': false,
  };
  for (const [name, value] of Object.entries(proxyConfig.runtimeValues)) {
    if (value === '') delete flags[name];
    else flags[name] = value === 'true' ? true : value === 'false' ? false : value;
  }
  return flags;
}

function dynamicResources(): object {
  const ads = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };
  return {
    lds_config: ads,
    cds_config: ads,
    ads_config: {
      api_type: 'DELTA_GRPC',
      set_node_on_first_message_only: true,
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
    },
  };
}

// ─── Clusters ───────────────────────────────────────────────────────────────────────────────────────────────────────

const UNLIMITED = { max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 };

const XDS_CLUSTER = {
  circuit_breakers: {
    thresholds: [
      { priority: 'DEFAULT', ...UNLIMITED },
      { priority: 'HIGH', ...UNLIMITED },
    ],
  },
  upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } },
  // A stream that begins anew begins with a connection of its own.
  max_requests_per_connection: 1,
};

function localCluster(name: string, address: object): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '0.250s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: assignment(name, address),
  };
}

function agentCluster(name: string, path: string, more: object): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: assignment(name, { pipe: { path } }),
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: {
        '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    ...more,
  };
}

/** With the workload's certificate; the server's must be under the mesh's roots, or those of the file. */
function controlCluster({ discovery, authority }: AgentSettings): object {
  const at = discovery.address.lastIndexOf(':');
  const host = discovery.address.slice(0, at).replaceAll(/^\[|\]$/g, '');
  const isIp = parseIp(host) !== null;
  // What signs workloads signs the control plane, unless somebody else signs.
  const isMeshRoot = authority.address === discovery.address;
  const names = [
    { san_type: parseIp(discovery.san) === null ? 'DNS' : 'IP_ADDRESS', matcher: { exact: discovery.san } },
  ];
  const validation = isMeshRoot
    ? {
        combined_validation_context: {
          default_validation_context: { match_typed_subject_alt_names: names },
          validation_context_sds_secret_config: agentSecret('ROOTCA'),
        },
      }
    : {
        validation_context: {
          trusted_ca: { filename: discovery.rootPath },
          match_typed_subject_alt_names: names,
        },
      };
  return {
    ...agentCluster('xds-grpc', '', {}),
    type: isIp ? 'STATIC' : 'STRICT_DNS',
    ...(isIp ? {} : { dns_lookup_family: 'V4_PREFERRED', respect_dns_ttl: true }),
    load_assignment: assignment('xds-grpc', socketAddress(host, Number(discovery.address.slice(at + 1)))),
    upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': `${TYPE}extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
        ...(parseIp(discovery.san) === null ? { sni: discovery.san } : {}),
        common_tls_context: {
          alpn_protocols: ['h2'],
          tls_certificate_sds_secret_configs: [agentSecret('default')],
          ...validation,
        },
      },
    },
  };
}

function agentSecret(name: string): object {
  return {
    name,
    sds_config: {
      initial_fetch_timeout: '0s',
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
    },
  };
}

function assignment(cluster_name: string, address: object): object {
  return { cluster_name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}

function socketAddress(address: string, port_value: number): object {
  return { socket_address: { address, port_value } };
}

// ─── Listeners ──────────────────────────────────────────────────────────────────────────────────────────────────────

function statusAddress(settings: AgentSettings): string {
  if (settings.explicit !== null) return statusHost(settings);
  return isIpv6Only(settings) ? '::' : '0.0.0.0';
}

/** A port of the pod behind which one path leads to a cluster on this machine. */
function relayListener(settings: AgentSettings, port: number, name: string, prefix: string, cluster: string): object {
  const route = { match: { prefix }, route: { cluster } };
  return {
    address: socketAddress(statusAddress(settings), port),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              codec_type: 'AUTO',
              stat_prefix: name,
              route_config: { virtual_hosts: [{ name: 'backend', domains: ['*'], routes: [route] }] },
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: { '@type': `${TYPE}extensions.filters.http.router.v3.Router` },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}
