// A pod under capture: the built proxy as its own user, rules by the command, and servers that say whom they see.
import { spawnSync } from 'node:child_process';
import * as dgram from 'node:dgram';
import { chmodSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import * as http from 'node:http';
import type * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import type { Address } from '../../src/base/byte-stream.ts';
import { bindSocket, IPV6_V6ONLY, makeSocket, setSocketOption, SOL_IPV6 } from '../../src/net/native.ts';
import { makeCertificate } from '../support/certificates.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import type { Lab, Namespace } from './lab.ts';

export type Family = 'ipv4' | 'ipv6';
export type Way = 'outbound' | 'inbound';
export type Mode = 'REDIRECT' | 'TPROXY';
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
export const WAYS: readonly Way[] = ['outbound', 'inbound'];

const HOSTS = {
  ipv4: { home: '10.99.0.1', far: '10.99.0.2', other: '10.99.0.3', passedOn: '127.0.0.6' },
  ipv6: { home: 'fd99::1', far: 'fd99::2', other: 'fd99::3', passedOn: '::6' },
};
export type Host = keyof (typeof HOSTS)['ipv4'];

/** How long a listener waits for what a client would say first. */
export const INSPECTION_MS = 300;
export const PORTS = { http: 7001, tls: 7002, greeting: 7003, quickGreeting: 3305, halfClose: 7005 };
export const LONG_ANSWER = 'x'.repeat(256 * 1024);
export const TLS_NAME = 'app.example';
export const certificate = makeCertificate({ subject: [['CN', TLS_NAME]], sans: [{ dns: TLS_NAME }] });

export function at(family: Family, host: Host, port: number): Address {
  return { family, address: HOSTS[family][host], port };
}

/** Runs the built command; what it says is thrown when it fails. */
export function intercept(...args: string[]): void {
  const { status, stderr } = spawnSync(join(PROJECT_ROOT, 'bin/heddle'), ['intercept', ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`heddle intercept ${args.join(' ')}: ${stderr}`);
}

export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-matrix-'));
  // The proxy is another user.
  chmodSync(folder, 0o777);
  return folder;
}

// ─── The proxy ────────────────────────────────────────────────────────────────────────────────────────────────────

const TYPE = 'type.googleapis.com/envoy.extensions';
const USER = 'setpriv --reuid 1337 --regid 1337 --clear-groups --inh-caps=+net_admin --ambient-caps=+net_admin';
const FROM_TO = '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% to %DOWNSTREAM_LOCAL_ADDRESS%';
const LOG = `${FROM_TO}, dialled %UPSTREAM_HOST%, %REQUESTED_SERVER_NAME%`;

function accessLog(name: string, path: string): object[] {
  const log_format = { text_format_source: { inline_string: `${name}: ${LOG}\n` } };
  const type = `${TYPE}.access_loggers.file.v3.FileAccessLog`;
  return [{ name: 'file', typed_config: { '@type': type, path, log_format } }];
}

function relay(cluster: Way, name: string, path: string): object {
  const type = `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`;
  const access_log = accessLog(`${cluster} ${name}`, path);
  return { name: 'tcp', typed_config: { '@type': type, stat_prefix: `${cluster}_${name}`, cluster, access_log } };
}

function httpManager(cluster: Way, path: string): object {
  const router = { name: 'router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } };
  const routes = [{ match: { prefix: '/' }, route: { cluster } }];
  return {
    name: 'http',
    typed_config: {
      '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: `${cluster}_http`,
      access_log: accessLog(`${cluster} http`, path),
      http_filters: [router],
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    },
  };
}

function listener(way: Way, mode: Mode, path: string): object {
  const transparent = mode === 'TPROXY' && way === 'inbound';
  const filter = (name: string, type: string, more: object = {}): object => ({
    name,
    typed_config: { '@type': `${TYPE}.filters.listener.${name}.v3.${type}`, ...more },
  });
  // As istiod does for ports that are known to have servers that speak first: MySQL's, and ours beside it.
  const filter_disabled = { destination_port_range: { start: PORTS.quickGreeting, end: 3307 } };
  return {
    name: way,
    address: {
      socket_address: { address: '::', port_value: way === 'outbound' ? 15001 : 15006, ipv4_compat: true },
    },
    ...(transparent ? { transparent: true } : {}),
    listener_filters: [
      filter('original_dst', 'OriginalDst'),
      ...(transparent ? [filter('original_src', 'OriginalSrc', { mark: 1337 })] : []),
      { ...filter('tls_inspector', 'TlsInspector'), filter_disabled },
      { ...filter('http_inspector', 'HttpInspector'), filter_disabled },
    ],
    listener_filters_timeout: `${INSPECTION_MS / 1000}s`,
    continue_on_listener_filters_timeout: true,
    filter_chains: [
      { filter_chain_match: { application_protocols: ['http/1.1'] }, filters: [httpManager(way, path)] },
      { filter_chain_match: { transport_protocol: 'tls' }, filters: [relay(way, 'tls', path)] },
      { filters: [relay(way, 'tcp', path)] },
    ],
  };
}

function cluster(name: Way, bind: object): object {
  return { name, type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '2s', ...bind };
}

export class Pod {
  readonly #proxy: ProxyProcess;
  readonly #path: string;
  #read = 0;

  private constructor(proxy: ProxyProcess, path: string) {
    this.#proxy = proxy;
    this.#path = path;
  }

  static async start(mode: Mode, folder: string, dnsPort: number): Promise<Pod> {
    const path = join(folder, `${mode}.log`);
    const source = (address: string): object => ({ address, port_value: 0 });
    const extra_source_addresses = [{ address: source(HOSTS.ipv6.passedOn) }];
    const upstream_bind_config = { source_address: source(HOSTS.ipv4.passedOn), extra_source_addresses };
    const bootstrap = {
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
      static_resources: {
        listeners: [listener('outbound', mode, path), listener('inbound', mode, path)],
        clusters: [cluster('outbound', {}), cluster('inbound', mode === 'REDIRECT' ? { upstream_bind_config } : {})],
      },
    };
    const flags = ['--dns-address', '127.0.0.1:15053', '--dns-address', '[::1]:15053'];
    const before = process.env['HEDDLE_COMMAND'];
    process.env['HEDDLE_COMMAND'] = `${USER} ${before ?? `${process.execPath} ${join(PROJECT_ROOT, 'bin/heddle')}`}`;
    try {
      const upstream = ['--dns-upstream', `127.0.0.1:${dnsPort}`];
      return new Pod(await startProxy('heddle', JSON.stringify(bootstrap), folder, [...flags, ...upstream]), path);
    } finally {
      if (before === undefined) delete process.env['HEDDLE_COMMAND'];
      else process.env['HEDDLE_COMMAND'] = before;
    }
  }

  stop(): Promise<void> {
    return this.#proxy.stop();
  }

  /** How many connections waited in vain for what a client would say. */
  async timeouts(): Promise<number> {
    const { body } = await this.#proxy.admin('/stats?filter=downstream_pre_cx_timeout');
    return [...body.matchAll(/_pre_cx_timeout: (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** What the proxy logged since it was asked last, once there are as many lines; sorted. */
  async logged(count: number): Promise<readonly string[]> {
    const deadline = Date.now() + 3000;
    for (;;) {
      const text = existsSync(this.#path) ? readFileSync(this.#path, 'utf8') : '';
      const lines = text.split('\n').slice(this.#read, -1);
      if (lines.length >= count || Date.now() > deadline) {
        this.#read += lines.length;
        return lines.sort();
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

// ─── Servers ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whom a server sees, and where it was found. */
function facts({ localAddress, localPort, remoteAddress }: net.Socket): string {
  return `${localAddress} ${localPort} for ${remoteAddress}`;
}

/** All servers at the host's addresses; returns how to close them. */
export async function serve(where: Namespace, host: Host): Promise<() => void> {
  const web = http.createServer((request, response) => response.end(facts(request.socket)));
  const { pem, key } = certificate;
  const secure = http.createServer((request, response) => {
    const socket = request.socket as tls.TLSSocket & { readonly raw: string };
    response.end(`${socket.raw} as ${(socket as { servername?: unknown }).servername}`);
  });
  const onSocket: Readonly<Record<keyof typeof PORTS, (socket: net.Socket) => unknown>> = {
    http: (socket) => web.emit('connection', socket),
    tls: (socket) => {
      const options = { isServer: true, cert: pem, key: key.export({ type: 'pkcs8', format: 'pem' }) };
      const wrapped = new tls.TLSSocket(socket, options).on('error', () => undefined);
      secure.emit('connection', Object.assign(wrapped, { raw: facts(socket) }));
    },
    greeting: (socket) => socket.end(facts(socket)),
    quickGreeting: (socket) => socket.end(facts(socket)),
    halfClose: (socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      // Long after the client's end has arrived.
      socket.on('end', () => setTimeout(() => socket.end(`${facts(socket)} asked ${text}${LONG_ANSWER}`), 50));
    },
  };
  const servers: net.Server[] = [];
  for (const family of FAMILIES) {
    for (const [name, take] of Object.entries(onSocket)) {
      const address = at(family, host, PORTS[name as keyof typeof PORTS]);
      servers.push(await where.listen(address, (socket) => take(socket.on('error', () => undefined))));
    }
  }
  return () => {
    for (const server of servers) server.close();
  };
}

/** A socket of UDP, made in a namespace. */
export function datagrams(where: Namespace, on: Address): Promise<dgram.Socket> {
  const fd = where.run(() => makeSocket(on.family, 'datagram'));
  if (typeof fd === 'string') throw new Error(fd);
  if (on.family === 'ipv6') setSocketOption(fd, { level: SOL_IPV6, name: IPV6_V6ONLY, value: 1 });
  const errno = bindSocket(fd, on);
  if (errno !== null) throw new Error(`bind ${on.address}: ${errno}`);
  const socket = dgram.createSocket(on.family === 'ipv6' ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    socket.bind({ fd }, () => resolve(socket));
  });
}

/** An application that serves DNS itself: what is asked from outside is its own affair. */
export async function serveDatagrams(lab: Lab, family: Family): Promise<dgram.Socket> {
  const socket = await datagrams(lab.home, at(family, 'home', 53));
  return socket.on('message', (_, { address, port }) => socket.send(`application for ${address}`, port, address));
}
