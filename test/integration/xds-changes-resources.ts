// The resources of the test of many changes: what may change about each is a number or a name here.
import type { TestCertificate } from '../support/certificates.ts';
import type { Json } from './heddle.ts';
import { certificate, trust } from './sds-rig.ts';
import { ADS, cluster, mutation, typed } from './xds-types-rig.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const UPSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const DOWNSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

export const SERVER_SECRET = 'server';
export const TRUST_SECRET = 'trust';

// ─── Clusters ───────────────────────────────────────────────────────────────────────────────────────────────────────

export type ClusterLook = {
  readonly lb: 'ROUND_ROBIN' | 'LEAST_REQUEST' | 'RANDOM';
  readonly isHttp2: boolean;
  readonly isSecure: boolean;
  readonly maxRequests: number;
  /** 0: no limit. */
  readonly requestsPerConnection: number;
  readonly bufferBytes: number;
  readonly connectTimeoutS: number;
};

export const PLAIN: ClusterLook = {
  lb: 'ROUND_ROBIN',
  isHttp2: false,
  isSecure: false,
  maxRequests: 1024,
  requestsPerConnection: 0,
  bufferBytes: 1 << 20,
  connectTimeoutS: 2,
};

/** Idle connections go soon, so that what is left when all is quiet can be counted. */
const IDLE = '0.5s';

export function clusterOf(name: string, look: ClusterLook): Json {
  const protocol = look.isHttp2 ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  const common = {
    idle_timeout: IDLE,
    ...(look.requestsPerConnection > 0 ? { max_requests_per_connection: look.requestsPerConnection } : {}),
  };
  const limits = { max_requests: look.maxRequests, max_connections: 1024, max_pending_requests: 1024 };
  const tls = {
    common_tls_context: {
      alpn_protocols: [look.isHttp2 ? 'h2' : 'http/1.1'],
      validation_context_sds_secret_config: { name: TRUST_SECRET, sds_config: ADS },
    },
    sni: 'test.example',
  };
  return cluster(name, {
    connect_timeout: `${look.connectTimeoutS}s`,
    lb_policy: look.lb,
    per_connection_buffer_limit_bytes: look.bufferBytes,
    circuit_breakers: { thresholds: [limits] },
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: typed(HTTP_OPTIONS, { common_http_protocol_options: common, explicit_http_config: protocol }),
    },
    ...(look.isSecure ? { transport_socket: { name: 'tls', typed_config: typed(UPSTREAM_TLS, tls) } } : {}),
  });
}

export type Endpoint = { readonly port: number; readonly weight: number; readonly isHealthy: boolean };

export function endpointsOf(name: string, all: readonly Endpoint[]): Json {
  const lb_endpoints = all.map(({ port, weight, isHealthy }) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    load_balancing_weight: weight,
    ...(isHealthy ? {} : { health_status: 'UNHEALTHY' }),
  }));
  return { cluster_name: name, endpoints: [{ lb_endpoints }] };
}

// ─── Routes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export type RoutesLook = {
  /** Seen by clients in x-generation. */
  readonly generation: number;
  readonly weights: readonly (readonly [string, number])[];
  readonly rewrite: string | null;
  readonly headers: readonly string[];
  readonly timeoutS: number;
  /** Routes and virtual hosts that nobody asks for. */
  readonly others: number;
};

/** Streams end when they like: their routes have no time limit. */
const ENDLESS: Json = { timeout: '0s', idle_timeout: '0s' };

export function routesOf(name: string, look: RoutesLook): Json {
  const { weights, rewrite, others } = look;
  const weighted = { clusters: weights.map(([to, weight]) => ({ name: to, weight })) };
  const others_ = Array.from({ length: others }, (_, i) => i);
  return {
    name,
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          { match: { prefix: '/ws' }, route: { cluster: 'ws', ...ENDLESS } },
          { match: { prefix: '/test.Echo/' }, route: { cluster: 'grpc', ...ENDLESS } },
          ...others_.map((i) => ({ match: { prefix: `/other-${i}` }, redirect: { path_redirect: `/o${i}` } })),
          {
            match: { prefix: '/' },
            route: {
              weighted_clusters: weighted,
              timeout: `${look.timeoutS}s`,
              ...(rewrite === null ? {} : { prefix_rewrite: rewrite }),
            },
            request_headers_to_add: look.headers.map((value, i) => ({ header: { key: `x-added-${i}`, value } })),
          },
        ],
        response_headers_to_add: [
          { header: { key: 'x-generation', value: String(look.generation) } },
          { header: { key: 'x-details', value: '%UPSTREAM_CLUSTER% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%' } },
        ],
      },
      ...others_.map((i) => ({
        name: `other-${i}`,
        domains: [`other-${i}.example`],
        routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
      })),
    ],
  };
}

// ─── Listeners ──────────────────────────────────────────────────────────────────────────────────────────────────────

export type ChainLook = {
  readonly statPrefix: string;
  /** Values of headers that filters of the chain add. */
  readonly mutations: readonly string[];
  readonly requestTimeoutS: number;
};

export const PLAIN_CHAIN: ChainLook = { statPrefix: 'plain', mutations: [], requestTimeoutS: 30 };

export type ListenerLook = {
  readonly chain: ChainLook;
  readonly bufferBytes: number;
  readonly backlog: number;
  /** Chains for clients from 127.0.0.N. */
  readonly sides: ReadonlyMap<number, ChainLook>;
  readonly isSecure: boolean;
  /** Bytes go to the cluster of WebSockets, which speaks HTTP/1 always. */
  readonly isTcp: boolean;
};

export const PLAIN_LISTENER: ListenerLook = {
  chain: PLAIN_CHAIN,
  bufferBytes: 1 << 20,
  backlog: 512,
  sides: new Map(),
  isSecure: false,
  isTcp: false,
};

function manager(look: ChainLook, routeName: string): Json {
  return typed(HCM, {
    stat_prefix: look.statPrefix,
    codec_type: 'AUTO',
    request_timeout: `${look.requestTimeoutS}s`,
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    rds: { route_config_name: routeName, config_source: ADS },
    http_filters: [
      ...look.mutations.map((value, i) => mutation(`mutation-${i}`, value)),
      { name: 'router', typed_config: typed(ROUTER) },
    ],
  });
}

function tcpProxy({ statPrefix, requestTimeoutS }: ChainLook): Json {
  return typed(TCP_PROXY, { stat_prefix: statPrefix, cluster: 'ws', idle_timeout: `${requestTimeoutS}s` });
}

export function listenerOf(name: string, port: number, routeName: string, look: ListenerLook): Json {
  const tls = {
    common_tls_context: { tls_certificate_sds_secret_configs: [{ name: SERVER_SECRET, sds_config: ADS }] },
  };
  const chain = (of: ChainLook, more: Json): Json => ({
    filters: [{ name: 'last', typed_config: look.isTcp ? tcpProxy(of) : manager(of, routeName) }],
    ...(look.isSecure ? { transport_socket: { name: 'tls', typed_config: typed(DOWNSTREAM_TLS, tls) } } : {}),
    ...more,
  });
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    per_connection_buffer_limit_bytes: look.bufferBytes,
    tcp_backlog_size: look.backlog,
    filter_chains: [
      chain(look.chain, { name: 'main' }),
      ...[...look.sides].map(([last, of]) => {
        const prefix = { address_prefix: `127.0.0.${last}`, prefix_len: 32 };
        return chain(of, { name: `side-${last}`, filter_chain_match: { source_prefix_ranges: [prefix] } });
      }),
    ],
  };
}

// ─── Secrets ────────────────────────────────────────────────────────────────────────────────────────────────────────

export const serverSecret = (of: TestCertificate): Json => certificate(SERVER_SECRET, of);
export const trustSecret = (...roots: readonly TestCertificate[]): Json => trust(TRUST_SECRET, ...roots);

// ─── What is refused ────────────────────────────────────────────────────────────────────────────────────────────────

/** Wrong by the rules of the API, so every proxy refuses it. */
export const badCluster = (name: string): Json => cluster(name, { connect_timeout: '0s' });
export const badRoutes = (name: string): Json => ({
  name,
  virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { safe_regex: { regex: '(' } }, redirect: {} }] }],
});
export const badListener = (name: string, port: number): Json => {
  const whole = listenerOf(name, port, 'main', PLAIN_LISTENER);
  const [first] = whole['filter_chains'] as readonly Json[];
  return { ...whole, filter_chains: [first, { ...first, name: 'again' }] };
};
export const badSecret = (name: string): Json => ({
  name,
  tls_certificate: { certificate_chain: { inline_string: 'no' }, private_key: { inline_string: 'no' } },
});
