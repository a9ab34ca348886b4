// A proxy with HTTPS listeners whose secrets come from an SDS server of the test.
import { createServer, connect, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { join } from 'node:path';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import type { AdsServer } from '../support/ads-server.ts';
import { makeCa, makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type ClientResult, type ClientStep, runClient } from '../support/raw-client.ts';
import type { TlsClientOptions } from '../support/tls-client.ts';
import { type Json, scratchFolder } from './heddle.ts';

export const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const DOWNSTREAM = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const REQUEST = 'GET / HTTP/1.1\r\nhost: test.example\r\n\r\n';
const TIMEOUT_MS = 4000;
const RETRY = { retry_back_off: { base_interval: '0.05s', max_interval: '0.2s' } };

export const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });
const always = async (): Promise<boolean> => true;

export const ca = makeCa('SDS CA');
export const issue = (name: string, issuer = ca): TestCertificate =>
  makeCertificate({ issuer, subject: name, sans: [{ dns: 'test.example' }] });

export const certificate = (name: string, of: Pick<TestCertificate, 'chainPem' | 'keyPem'>): Json => ({
  name,
  tls_certificate: { certificate_chain: { inline_string: of.chainPem }, private_key: { inline_string: of.keyPem } },
});
export const trust = (name: string, ...roots: TestCertificate[]): Json => ({
  name,
  validation_context: { trusted_ca: { inline_string: roots.map(({ pem }) => pem).join('') } },
});

/** JSON as configurations are written → a Secret. */
export function put(server: AdsServer, name: string, json: Json): void {
  const report = new Report();
  const made = fromJson(registry.message(SECRET) as never, json, report);
  if (!report.isEmpty) throw new Error(report.toString());
  server.put(SECRET, name, made as object);
}

export type Way = 'GRPC' | 'DELTA_GRPC' | 'ADS' | 'UNIX';

/** sds_config that asks the rig's server. */
export function sdsConfig(way: Way, timeout = '15s'): Json {
  const common = { resource_api_version: 'V3', initial_fetch_timeout: timeout };
  if (way === 'ADS') return { ads: {}, ...common };
  return { api_config_source: apiSource(way === 'DELTA_GRPC' ? way : 'GRPC', 'sds-grpc'), ...common };
}

export function apiSource(type: string, cluster: string): Json {
  const grpc = { envoy_grpc: { cluster_name: cluster, retry_policy: RETRY } };
  return { api_type: type, transport_api_version: 'V3', grpc_services: [grpc] };
}

export const named = (name: string, way: Way, timeout?: string): Json => ({
  name,
  sds_config: sdsConfig(way, timeout),
});

/** `tls` null: plain text. Answers by itself, or has `cluster` answer. */
export type ListenerSpec = { readonly name: string; readonly tls: Json | null; readonly cluster?: string };

export function httpsListener({ name, tls, cluster }: ListenerSpec, port: number): Json {
  const action = cluster === undefined ? { direct_response: answer } : { route: { cluster } };
  const hosts = [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...action }] }];
  const manager = typed(HCM, {
    stat_prefix: name,
    route_config: { name: 'local', virtual_hosts: hosts },
    http_filters: [{ name: 'router', typed_config: typed(ROUTER) }],
  });
  const socket = tls === null ? {} : { transport_socket: { name: 'tls', typed_config: typed(DOWNSTREAM, tls) } };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }], ...socket }],
  };
}

const answer = { status: 200, body: { inline_string: 'ok' } };

export function http2Cluster(name: string, address: Json): Json {
  const http2 = typed(HTTP_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } });
  return {
    name,
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    typed_extension_protocol_options: { [HTTP_OPTIONS]: http2 },
  };
}

export const local = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

export type RigOptions = {
  readonly way: Way;
  readonly listeners: readonly ListenerSpec[];
  readonly kind?: ProxyKind;
  readonly arguments?: readonly string[];
  /** Over the bootstrap. */
  readonly more?: Json;
  readonly clusters?: readonly Json[] | ((port: (listener: string) => number) => readonly Json[]);
};

export class SdsRig {
  readonly proxy: ProxyProcess;
  readonly server: AdsServer;
  readonly #ports: ReadonlyMap<string, number>;
  readonly #pipe: Server | null;

  private constructor(proxy: ProxyProcess, server: AdsServer, ports: ReadonlyMap<string, number>, pipe: Server | null) {
    this.proxy = proxy;
    this.server = server;
    this.#ports = ports;
    this.#pipe = pipe;
  }

  /** `server` serves what it has already. */
  static async start(server: AdsServer, options: RigOptions): Promise<SdsRig> {
    const { way, listeners, clusters = [], more = {} } = options;
    const directory = scratchFolder();
    const path = join(directory, 'sds.sock');
    const pipe = way === 'UNIX' ? await forward(path, server.port) : null;
    const ports = new Map<string, number>();
    for (const { name } of listeners) ports.set(name, await freePort());
    const others = typeof clusters === 'function' ? clusters((name) => ports.get(name) as number) : clusters;
    const address = way === 'UNIX' ? { pipe: { path } } : local(server.port);
    const config = {
      node: { id: 'proxy', cluster: 'test' },
      admin: { address: local(0) },
      ...(way === 'ADS' ? { dynamic_resources: { ads_config: apiSource('GRPC', 'sds-grpc') } } : {}),
      static_resources: {
        clusters: [http2Cluster('sds-grpc', address), ...others],
        listeners: listeners.map((one) => httpsListener(one, ports.get(one.name) as number)),
      },
      ...more,
    };
    const proxy = await startProxy(options.kind ?? 'heddle', JSON.stringify(config), directory, options.arguments);
    return new SdsRig(proxy, server, ports, pipe);
  }

  port(listener: string): number {
    return this.#ports.get(listener) as number;
  }

  run(listener: string, steps: readonly ClientStep[]): Promise<ClientResult> {
    const options = {
      timeoutMs: TIMEOUT_MS,
      probeMs: 0,
      sessions: new Map(),
      awaitUpstream: always,
      awaitClients: always,
    };
    return runClient(this.port(listener), steps, options);
  }

  /** Whom the server says to be, after one request; '' when there was no answer. */
  async ask(listener: string, tls: TlsClientOptions = {}): Promise<string> {
    const result = await this.run(listener, [{ tls }, REQUEST, { read: 1 }]);
    return result.responses.length === 1 ? (result.tls?.server ?? '') : '';
  }

  /** The status of an answer in plain text; 0 when there was none. */
  async plain(listener: string): Promise<number> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.port(listener)}/`, { headers: { connection: 'close' } });
      await response.text();
      return response.status;
    } catch {
      return 0;
    }
  }

  /** All statistics whose name begins so, with the rest of the name. */
  async stats(prefix: string): Promise<Record<string, string>> {
    const { body } = await this.proxy.admin(`/stats?filter=^${prefix.replaceAll('.', '\\.')}`);
    const lines = body.split('\n').filter((line) => line.startsWith(prefix) && !/P0\(|No recorded/.test(line));
    return Object.fromEntries(lines.map((line) => line.slice(prefix.length).split(': ') as [string, string]));
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    this.#pipe?.close();
    this.server.stop();
  }
}

const UPSTREAM = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

/** A cluster that reaches a listener by mutual TLS, a connection for each request. */
export function mutualCluster(name: string, port: number, common: Json): Json {
  const tls = { common_tls_context: common, max_session_keys: 0 };
  return {
    name,
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: local(port) } }] }] },
    max_requests_per_connection: 1,
    transport_socket: { name: 'tls', typed_config: typed(UPSTREAM, tls) },
  };
}

/** Ends mutual TLS in front of a port; resolves to its own port. */
export async function mutualGate(port: number, own: TestCertificate, root: TestCertificate): Promise<TlsServer> {
  const options = { cert: own.chainPem, key: own.keyPem, ca: root.pem, requestCert: true, rejectUnauthorized: true };
  const server = createTlsServer(options, (from) => relay(from, connect(port, '127.0.0.1')));
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return server;
}

function relay(from: Socket, to: Socket): void {
  for (const [a, b] of [
    [from, to],
    [to, from],
  ] as const) {
    a.on('error', () => b.destroy());
    a.on('close', () => b.destroy());
    a.pipe(b);
  }
}

/** A unix socket that leads to a port. */
async function forward(path: string, port: number): Promise<Server> {
  const server = createServer((from) => relay(from, connect(port, '127.0.0.1')));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  server.unref();
  return server;
}
