// Two sidecars as Istio configures them, one before a client and one before a server, over mutual TLS between them.
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import { openCapture } from '../captures/captures.ts';
import { makeCa, makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, scratchFolder } from './heddle.ts';

export const CLIENT_ID = 'spiffe://cluster.local/ns/bookinfo/sa/bookinfo-productpage';
export const SERVER_ID = 'spiffe://cluster.local/ns/bookinfo/sa/bookinfo-reviews';
export const SERVICE = 'reviews.bookinfo.svc.cluster.local';

const ca = makeCa('mesh root');
const clientCertificate = makeCertificate({ issuer: ca, subject: [['O', 'client']], sans: [{ uri: CLIENT_ID }] });
const serverCertificate = makeCertificate({ issuer: ca, subject: [['O', 'server']], sans: [{ uri: SERVER_ID }] });

const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });
/** As istiod sends most of Istio's filters. */
const struct = (type: string, value: Json): Json =>
  typed('udpa.type.v1.TypedStruct', { type_url: `type.googleapis.com/${type}`, value });
const address = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

const EXCHANGE = {
  name: 'istio.metadata_exchange',
  typed_config: struct('envoy.tcp.metadataexchange.config.MetadataExchange', {
    protocol: 'istio-peer-exchange',
    enable_discovery: true,
  }),
};
const DISCOVERY = [{ istio_headers: {} }, { workload_discovery: {} }];
const PROPAGATION = [{ istio_headers: {} }];
const OUTBOUND_PEER = { upstream_discovery: DISCOVERY, upstream_propagation: PROPAGATION };
const INBOUND_PEER = { downstream_discovery: DISCOVERY, downstream_propagation: PROPAGATION };
const ALPN = {
  name: 'istio.alpn',
  typed_config: typed('istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', {
    alpn_override: [
      { alpn_override: ['istio-http/1.0', 'istio', 'http/1.0'] },
      { upstream_protocol: 'HTTP11', alpn_override: ['istio-http/1.1', 'istio', 'http/1.1'] },
      { upstream_protocol: 'HTTP2', alpn_override: ['istio-h2', 'istio', 'h2'] },
    ],
  }),
};
const METADATA = {
  filter_metadata: { istio: { services: [{ host: SERVICE, name: 'reviews', namespace: 'bookinfo' }] } },
};

function stats(reportMs: number, more: Json = {}): Json {
  const config = { tcp_reporting_duration: `${reportMs / 1000}s`, ...more };
  return { name: 'istio.stats', typed_config: typed('stats.PluginConfig', config) };
}

function manager(filters: readonly Json[], cluster: string): Json {
  return {
    name: 'hcm',
    typed_config: typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
      stat_prefix: cluster,
      route_config: {
        name: 'local',
        virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }],
      },
      http_filters: [
        ...filters,
        { name: 'envoy.filters.http.router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router') },
      ],
    }),
  };
}

function tcpProxy(cluster: string): Json {
  const type = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
  return { name: 'tcp', typed_config: typed(type, { stat_prefix: cluster, cluster }) };
}

function peerFilter(config: Json): Json {
  return { name: 'istio.metadata_exchange', typed_config: struct('io.istio.http.peer_metadata.Config', config) };
}

function commonTls(of: TestCertificate, alpn: readonly string[], peer: string): Json {
  return {
    alpn_protocols: alpn,
    tls_certificates: [
      { certificate_chain: { inline_string: of.chainPem }, private_key: { inline_string: of.keyPem } },
    ],
    validation_context: {
      trusted_ca: { inline_string: ca.pem },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: peer } }],
    },
  };
}

function downstreamTls(alpn: readonly string[]): Json {
  const type = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
  const common_tls_context = commonTls(serverCertificate, alpn, CLIENT_ID);
  return { name: 'tls', typed_config: typed(type, { common_tls_context, require_client_certificate: true }) };
}

function upstreamTls(alpn: readonly string[]): Json {
  const type = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  return {
    name: 'tls',
    typed_config: typed(type, { common_tls_context: commonTls(clientCertificate, alpn, SERVER_ID) }),
  };
}

function listener(name: string, port: number, direction: string, filters: readonly Json[], tls: Json | null): Json {
  const chain = tls === null ? { filters } : { filters, transport_socket: tls };
  return { name, traffic_direction: direction, address: address(port), filter_chains: [chain] };
}

function cluster(name: string, port: number, more: Json = {}): Json {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }];
  return { name, connect_timeout: '2s', load_assignment: { cluster_name: name, endpoints }, ...more };
}

function bootstrap(capture: string, listeners: readonly Json[], clusters: readonly Json[]): string {
  const { metadata, id, cluster: service } = openCapture(capture).node as Json;
  const node = { id, cluster: service, metadata, locality: { region: 'region1', zone: 'zone1' } };
  return JSON.stringify({ node, admin: { address: address(0) }, static_resources: { listeners, clusters } });
}

type Ports = Readonly<Record<'http' | 'tcp' | 'httpIn' | 'tcpIn' | 'app' | 'echo', number>>;

function clientConfig(ports: Ports, reportMs: number, statsFields: Json): string {
  const filters = [peerFilter(OUTBOUND_PEER), ALPN, stats(reportMs, statsFields)];
  const exchanging = { metadata: METADATA, filters: [EXCHANGE] };
  return bootstrap(
    '01-plain-sidecar/client',
    [
      listener('http', ports.http, 'OUTBOUND', [manager(filters, 'out-http')], null),
      listener('tcp', ports.tcp, 'OUTBOUND', [stats(reportMs), tcpProxy('out-tcp')], null),
    ],
    [
      cluster('out-http', ports.httpIn, { ...exchanging, transport_socket: upstreamTls(['istio']) }),
      cluster('out-tcp', ports.tcpIn, {
        ...exchanging,
        transport_socket: upstreamTls(['istio-peer-exchange', 'istio']),
      }),
    ],
  );
}

function serverConfig(ports: Ports, reportMs: number): string {
  const filters = [peerFilter(INBOUND_PEER), stats(reportMs, { disable_host_header_fallback: true })];
  const tcpFilters = [EXCHANGE, stats(reportMs), tcpProxy('in-tcp')];
  return bootstrap(
    '01-plain-sidecar/server',
    [
      listener('http', ports.httpIn, 'INBOUND', [manager(filters, 'in-http')], downstreamTls(['istio-http/1.1'])),
      listener('tcp', ports.tcpIn, 'INBOUND', tcpFilters, downstreamTls(['istio-peer-exchange', 'h2', 'http/1.1'])),
    ],
    [cluster('in-http', ports.app, { metadata: METADATA }), cluster('in-tcp', ports.echo, { metadata: METADATA })],
  );
}

export class IstioRig {
  readonly ports: Ports;
  readonly client: ProxyProcess;
  readonly server: ProxyProcess;
  /** Heads that came to the application. */
  readonly seen: NodeJS.Dict<string | string[]>[];
  readonly #servers: readonly Server[];

  private constructor(
    ports: Ports,
    client: ProxyProcess,
    server: ProxyProcess,
    seen: NodeJS.Dict<string | string[]>[],
    servers: readonly Server[],
  ) {
    this.ports = ports;
    this.client = client;
    this.server = server;
    this.seen = seen;
    this.#servers = servers;
  }

  /** `args`: of both proxies; `statsFields`: of the client's istio.stats for HTTP. */
  static async start(
    options: { reportMs?: number; args?: readonly string[]; statsFields?: Json } = {},
  ): Promise<IstioRig> {
    const { reportMs = 100, args = [], statsFields = {} } = options;
    const names = ['http', 'tcp', 'httpIn', 'tcpIn', 'app', 'echo'] as const;
    const ports = {} as Record<(typeof names)[number], number>;
    for (const name of names) ports[name] = await freePort();
    const seen: NodeJS.Dict<string | string[]>[] = [];
    const app = createHttpServer((request, response) => {
      seen.push(request.headers);
      request.resume();
      response.end(request.url);
    });
    const echo = createServer((socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    await Promise.all([listening(app, ports.app), listening(echo, ports.echo)]);
    const server = await startProxy('heddle', serverConfig(ports, reportMs), scratchFolder(), args);
    const client = await startProxy('heddle', clientConfig(ports, reportMs, statsFields), scratchFolder(), args);
    return new IstioRig(ports, client, server, seen, [app, echo]);
  }

  async get(path: string): Promise<{ status: number; headers: Headers; body: string }> {
    const answer = await fetch(`http://127.0.0.1:${this.ports.http}${path}`);
    return { status: answer.status, headers: answer.headers, body: await answer.text() };
  }

  /** Sends a text over TCP and waits for as much to come back; the connection ends with `end`. */
  async talk(text: string): Promise<{ answer: string; end(): Promise<void> }> {
    const socket = connect(this.ports.tcp, '127.0.0.1');
    let answer = '';
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`closed after ${JSON.stringify(answer)}`)));
      socket.on('data', (chunk: Buffer) => {
        answer += chunk.toString();
        if (answer.length >= text.length) resolve();
      });
      socket.write(text);
    });
    const end = (): Promise<void> =>
      new Promise((resolve) => {
        socket.removeAllListeners('close');
        socket.once('close', () => resolve());
        socket.end();
      });
    return { answer, end };
  }

  async stop(): Promise<void> {
    await Promise.all([this.client.stop(), this.server.stop()]);
    for (const server of this.#servers) server.close();
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
}

/** Lines of Prometheus' format of one metric. */
export async function metric(proxy: ProxyProcess, name: string): Promise<string[]> {
  const { body } = await proxy.admin('/stats/prometheus');
  return body.split('\n').filter((line) => line.startsWith(`${name}{`));
}

/** Labels of a line by their names. */
export function labelsOf(line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name, value] of line.matchAll(/([a-z_]+)="([^"]*)"/g)) labels[name as string] = value as string;
  return labels;
}

export function valueOf(line: string | undefined): number {
  return Number(line?.slice(line.lastIndexOf(' ') + 1) ?? Number.NaN);
}
