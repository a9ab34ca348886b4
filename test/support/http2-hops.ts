// Proxies in front of a server that speaks HTTP/1.1 or HTTP/2, one or two of them, with or without TLS.
import { ca, client, server } from '../differential/cases/tls-fixtures.ts';
import { freePort } from './free-ports.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from './proxy-process.ts';

type Json = Readonly<Record<string, unknown>>;

export type Pem = { readonly chainPem: string; readonly keyPem: string };

export type Hop = {
  readonly kind?: ProxyKind;
  /** How the upstream is spoken to. */
  readonly upstream: 'http1' | 'http2';
  /** What the listener shows; it serves cleartext when absent. */
  readonly certificate?: Pem;
  /** PEM of those who may sign clients' certificates; clients show none when absent. */
  readonly clientCa?: string;
  readonly alpn?: readonly string[];
  /** The upstream is dialed with TLS; it is trusted when this PEM signed it. */
  readonly upstreamCa?: string;
  /** Of the connection manager. */
  readonly manager?: Json;
  /** Of the only route's action. */
  readonly route?: Json;
  /** Of the cluster. */
  readonly cluster?: Json;
  /** In front of the router. */
  readonly filters?: readonly Json[];
  readonly http2Options?: Json;
  /** The same of the cluster, and the buffer limit of both. */
  readonly upstreamHttp2?: Json;
  readonly buffers?: number;
};

export type RunningHop = { readonly port: number; readonly proxy: ProxyProcess; stop(): Promise<void> };

const TYPE = 'type.googleapis.com/envoy.extensions';
/** Interop servers sleep, and clients wait for it: nothing here is about the proxy's own timeouts. */
const ROUTE_TIMEOUT = '0s';
const MANY = 10_000;

export async function startHop(hop: Hop, upstreamPort: number, directory: string): Promise<RunningHop> {
  const port = await freePort();
  const config = JSON.stringify(hopConfig(hop, port, upstreamPort));
  const proxy = await startProxy(hop.kind ?? 'heddle', config, directory);
  return { port, proxy, stop: () => proxy.stop() };
}

/** Two proxies with mutual TLS and HTTP/2 between them. `outer` is what clients see, `inner` what the server sees. */
export async function startTwoHops(
  outer: Omit<Hop, 'upstream' | 'upstreamCa'>,
  inner: Omit<Hop, 'certificate' | 'clientCa' | 'alpn'>,
  upstreamPort: number,
  directories: readonly [string, string],
): Promise<RunningHop> {
  const last = await startHop(
    { ...inner, certificate: server, clientCa: ca.pem, alpn: ['h2'] },
    upstreamPort,
    directories[1],
  );
  try {
    const first = await startHop({ ...outer, upstream: 'http2', upstreamCa: ca.pem }, last.port, directories[0]);
    const stop = async (): Promise<void> => {
      await first.stop();
      await last.stop();
    };
    return { ...first, stop };
  } catch (error) {
    await last.stop();
    throw error;
  }
}

export function typed(type: string, fields: Json = {}): Json {
  return { '@type': `${TYPE}.${type}`, ...fields };
}

function hopConfig(hop: Hop, port: number, upstreamPort: number): Json {
  const address = (of: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: of } });
  const route = { cluster: 'up', timeout: ROUTE_TIMEOUT, ...hop.route };
  const manager = typed('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'test',
    route_config: {
      name: 'local',
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }],
    },
    http_filters: [...(hop.filters ?? []), { name: 'router', typed_config: typed('filters.http.router.v3.Router') }],
    ...(hop.http2Options === undefined ? {} : { http2_protocol_options: hop.http2Options }),
    ...hop.manager,
  });
  const chain = { filters: [{ name: 'hcm', typed_config: manager }], ...listenerTls(hop) };
  const buffers = hop.buffers === undefined ? {} : { per_connection_buffer_limit_bytes: hop.buffers };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }];
  const cluster = {
    name: 'up',
    connect_timeout: '2s',
    load_assignment: { cluster_name: 'up', endpoints },
    circuit_breakers: { thresholds: [{ max_connections: MANY, max_pending_requests: MANY, max_requests: MANY }] },
    ...(hop.upstream === 'http2' ? { typed_extension_protocol_options: http2Protocol(hop.upstreamHttp2) } : {}),
    ...buffers,
    ...upstreamTls(hop),
    ...hop.cluster,
  };
  return {
    admin: { address: address(0) },
    static_resources: {
      listeners: [{ name: 'front', address: address(port), filter_chains: [chain], ...buffers }],
      clusters: [cluster],
    },
  };
}

function http2Protocol(http2: Json = {}): Json {
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed('upstreams.http.v3.HttpProtocolOptions', {
      explicit_http_config: { http2_protocol_options: http2 },
    }),
  };
}

function listenerTls({ certificate, clientCa, alpn = ['h2', 'http/1.1'] }: Hop): Json {
  if (certificate === undefined) return {};
  const common = {
    alpn_protocols: alpn,
    tls_certificates: [pair(certificate)],
    ...(clientCa === undefined ? {} : { validation_context: { trusted_ca: { inline_string: clientCa } } }),
  };
  const context = { common_tls_context: common, require_client_certificate: clientCa !== undefined };
  return { transport_socket: tlsSocket('DownstreamTlsContext', context) };
}

function upstreamTls({ upstreamCa, upstream }: Hop): Json {
  if (upstreamCa === undefined) return {};
  const common = {
    alpn_protocols: upstream === 'http2' ? ['h2'] : ['http/1.1'],
    tls_certificates: [pair(client)],
    validation_context: { trusted_ca: { inline_string: upstreamCa } },
  };
  return { transport_socket: tlsSocket('UpstreamTlsContext', { sni: 'test.example', common_tls_context: common }) };
}

function tlsSocket(type: string, context: Json): Json {
  const name = 'envoy.transport_sockets.tls';
  return { name, typed_config: typed(`transport_sockets.tls.v3.${type}`, context) };
}

function pair({ chainPem, keyPem }: Pem): Json {
  return { certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } };
}
