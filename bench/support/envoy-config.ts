// The Envoy configurations of the bench, which Envoy and Heddle both run.
import type { TlsFiles } from './tls-files.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';

export type EnvoyConfigOptions = {
  readonly port: number;
  readonly adminPort: number;
  readonly upstreamPort: number;
  readonly accessLogPath: string;
  readonly tls: TlsFiles;
};

/**
 * 'mtls' and 'http2Egress' dial their upstreams with TLS, the names with 'Ingress' serve their clients with it; all
 * show and want certificates. Upstreams speak HTTP/2 where the name says so, but for 'http2IngressTo1'.
 */
export type EnvoyConfigName =
  | 'minimal'
  | 'allFeatures'
  | 'gzip'
  | 'tcp'
  | 'clusters'
  | 'mtls'
  | 'mtlsIngress'
  | 'http2'
  | 'http2Egress'
  | 'http2Ingress'
  | 'http2IngressTo1';

const TLS_UPSTREAM: ReadonlySet<EnvoyConfigName> = new Set(['mtls', 'http2Egress']);
const TLS_CLIENTS: ReadonlySet<EnvoyConfigName> = new Set(['mtlsIngress', 'http2Ingress', 'http2IngressTo1']);
const HTTP2_UPSTREAM: ReadonlySet<EnvoyConfigName> = new Set(['http2', 'http2Egress', 'http2Ingress']);

export function isTlsUpstream(name: EnvoyConfigName): boolean {
  return TLS_UPSTREAM.has(name);
}

/** Of the configuration 'clusters': so many clusters, each with a route. */
export const CLUSTERS = 1000;

export function envoyConfig(name: EnvoyConfigName, options: EnvoyConfigOptions): unknown {
  const more = name === 'clusters' ? Array.from({ length: CLUSTERS - 1 }, (_, i) => meshCluster(i)) : [];
  const alpn = name.startsWith('http2') ? ['h2'] : [];
  return {
    admin: { address: socketAddress(options.adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'ingress',
          address: socketAddress(options.port),
          filter_chains: [
            {
              ...(TLS_CLIENTS.has(name) ? { transport_socket: downstreamTls(options.tls, alpn) } : {}),
              filters: [
                name === 'tcp' ? TCP_PROXY : connectionManager(name, options.accessLogPath, more.map(meshRoute)),
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'upstream',
          type: 'STATIC',
          connect_timeout: '1s',
          // The bench measures requests, not refusals.
          circuit_breakers: { thresholds: [{ max_connections: 4096, max_pending_requests: 4096, max_requests: 4096 }] },
          load_assignment: {
            cluster_name: 'upstream',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(options.upstreamPort) } }] }],
          },
          ...(isTlsUpstream(name) ? { transport_socket: upstreamTls(options.tls, alpn) } : {}),
          ...(HTTP2_UPSTREAM.has(name) ? { typed_extension_protocol_options: HTTP2_PROTOCOL } : {}),
        },
        ...more,
      ],
    },
  };
}

const HTTP2_PROTOCOL = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  },
};

function upstreamTls({ ca, client }: TlsFiles, alpn: readonly string[]): unknown {
  return tlsSocket('UpstreamTlsContext', { sni: 'server.bench', common_tls_context: commonTls(ca, client, alpn) });
}

function downstreamTls({ ca, server }: TlsFiles, alpn: readonly string[]): unknown {
  const common = commonTls(ca, server, alpn);
  return tlsSocket('DownstreamTlsContext', { require_client_certificate: true, common_tls_context: common });
}

function tlsSocket(type: string, config: object): unknown {
  const typed = { '@type': `${TYPE}.transport_sockets.tls.v3.${type}`, ...config };
  return { name: 'envoy.transport_sockets.tls', typed_config: typed };
}

function commonTls(ca: string, { chain, key }: TlsFiles['server'], alpn: readonly string[]): unknown {
  return {
    ...(alpn.length === 0 ? {} : { alpn_protocols: alpn }),
    tls_certificates: [{ certificate_chain: { filename: chain }, private_key: { filename: key } }],
    validation_context: { trusted_ca: { filename: ca } },
  };
}

type MeshCluster = { readonly name: string };

/** As a mesh names its services; nobody is at the address. */
function meshCluster(index: number): MeshCluster {
  const name = `outbound|8080||service-${index}.default.svc.cluster.local`;
  const address = { socket_address: { address: `10.0.${index >> 8}.${index & 255}`, port_value: 8080 } };
  const cluster = {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
  return cluster;
}

function meshRoute({ name }: MeshCluster, index: number): unknown {
  return { match: { prefix: `/service-${index}/` }, route: { cluster: name } };
}

const TCP_PROXY = {
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: {
    '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'ingress',
    cluster: 'upstream',
  },
};

function connectionManager(name: EnvoyConfigName, accessLogPath: string, routes: readonly unknown[]): unknown {
  const features = name === 'allFeatures';
  const filters = features ? FEATURE_FILTERS : name === 'gzip' ? [COMPRESSOR] : [];
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'ingress',
      route_config: routeConfiguration(features, routes),
      http_filters: [...filters, ROUTER],
      ...(features ? { access_log: [jsonAccessLog(accessLogPath)] } : {}),
    },
  };
}

function socketAddress(port: number): unknown {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function routeConfiguration(features: boolean, more: readonly unknown[]): unknown {
  const retryPolicy = { retry_on: '5xx,connect-failure,reset', num_retries: 2, per_try_timeout: '5s' };
  return {
    name: 'local_route',
    virtual_hosts: [
      {
        name: 'local_service',
        domains: ['*'],
        routes: [
          ...more,
          {
            match: { prefix: '/' },
            route: { cluster: 'upstream', ...(features ? { retry_policy: retryPolicy } : {}) },
          },
        ],
        ...(features ? { typed_per_filter_config: { 'envoy.filters.http.cors': CORS_POLICY } } : {}),
      },
    ],
  };
}

const CORS_POLICY = {
  '@type': `${TYPE}.filters.http.cors.v3.CorsPolicy`,
  allow_origin_string_match: [{ suffix: '.example.com' }],
  allow_methods: 'GET, POST',
  expose_headers: 'x-request-id',
};

function httpFilter(name: string, type: string, config: object): unknown {
  return {
    name: `envoy.filters.http.${name}`,
    typed_config: { '@type': `${TYPE}.filters.http.${name}.v3.${type}`, ...config },
  };
}

const ROUTER = httpFilter('router', 'Router', {});
const GZIP = { '@type': `${TYPE}.compression.gzip.compressor.v3.Gzip` };
const COMPRESSOR = httpFilter('compressor', 'Compressor', { compressor_library: { name: 'gzip', typed_config: GZIP } });
const ALWAYS = { default_value: { numerator: 100, denominator: 'HUNDRED' } };

const FEATURE_FILTERS: readonly unknown[] = [
  httpFilter('rbac', 'RBAC', {
    rules: {
      action: 'ALLOW',
      policies: {
        editors: {
          permissions: [{ header: { name: ':method', string_match: { exact: 'DELETE' } } }],
          principals: [{ header: { name: 'x-role', string_match: { exact: 'editor' } } }],
        },
        readers: {
          permissions: [
            {
              and_rules: {
                rules: [
                  { header: { name: ':method', string_match: { exact: 'GET' } } },
                  { not_rule: { url_path: { path: { prefix: '/internal' } } } },
                ],
              },
            },
          ],
          principals: [{ direct_remote_ip: { address_prefix: '127.0.0.0', prefix_len: 8 } }],
        },
      },
    },
  }),
  httpFilter('cors', 'Cors', {}),
  httpFilter('fault', 'HTTPFault', {
    delay: { fixed_delay: '1s', percentage: { numerator: 0, denominator: 'HUNDRED' } },
    abort: { http_status: 503, percentage: { numerator: 0, denominator: 'HUNDRED' } },
  }),
  httpFilter('local_ratelimit', 'LocalRateLimit', {
    stat_prefix: 'local',
    token_bucket: { max_tokens: 1_000_000_000, tokens_per_fill: 1_000_000_000, fill_interval: '1s' },
    filter_enabled: ALWAYS,
    filter_enforced: ALWAYS,
  }),
  httpFilter('header_mutation', 'HeaderMutation', {
    mutations: {
      request_mutations: [{ append: { header: { key: 'x-mesh', value: 'bench' } } }],
      response_mutations: [
        {
          append: {
            header: { key: 'x-served-by', value: 'mesh' },
            append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
        },
      ],
    },
  }),
];

/** The fields that a mesh logs of every request: 17 of them. */
function jsonAccessLog(path: string): unknown {
  return {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': `${TYPE}.access_loggers.file.v3.FileAccessLog`,
      path,
      log_format: {
        json_format: {
          start_time: '%START_TIME%',
          method: '%REQ(:METHOD)%',
          path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
          protocol: '%PROTOCOL%',
          response_code: '%RESPONSE_CODE%',
          response_flags: '%RESPONSE_FLAGS%',
          response_code_details: '%RESPONSE_CODE_DETAILS%',
          bytes_received: '%BYTES_RECEIVED%',
          bytes_sent: '%BYTES_SENT%',
          duration: '%DURATION%',
          upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
          user_agent: '%REQ(USER-AGENT)%',
          request_id: '%REQ(X-REQUEST-ID)%',
          authority: '%REQ(:AUTHORITY)%',
          upstream_host: '%UPSTREAM_HOST%',
          upstream_cluster: '%UPSTREAM_CLUSTER%',
          downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
        },
      },
    },
  };
}
