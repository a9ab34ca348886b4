// Starts Envoy, nginx, HAProxy and Heddle with the same task, each on the proxies' core.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EnvoyConfigName, envoyConfig, isTlsUpstream } from './envoy-config.ts';
import { nginxClientTls, nginxServerTls, type TlsFiles } from './tls-files.ts';
import { freePort, type Program, startProgram, stopProgram, waitForPort } from './process.ts';

export const PEER_NAMES = ['envoy', 'nginx', 'haproxy', 'heddle'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

export type Proxy = {
  readonly name: PeerName;
  readonly program: Program;
  readonly port: number;
  /** 0 for those that have none. */
  readonly adminPort: number;
  readonly accessLogPath: string;
  readonly stop: () => Promise<void>;
};

export type ProxyPlace = {
  readonly core: number;
  readonly scratch: string;
  readonly upstreamPort: number;
  /** Where an upstream speaks mutual TLS. */
  readonly tlsUpstreamPort: number;
  readonly tls: TlsFiles;
  readonly programs: Readonly<Record<PeerName, string>>;
};

let started = 0;

/** Starts one proxy and waits until it listens. nginx knows only the minimal configuration, HAProxy the TCP one too. */
export async function startProxy(
  name: PeerName,
  config: EnvoyConfigName,
  place: ProxyPlace,
  threads: { readonly concurrency: number; readonly cores: string } = { concurrency: 1, cores: String(place.core) },
): Promise<Proxy> {
  started += 1;
  const directory = join(place.scratch, `${started}-${name}`);
  mkdirSync(directory);
  const port = await freePort();
  const accessLogPath = join(directory, 'access.log');
  const adminPort = name === 'envoy' || name === 'heddle' ? await freePort() : 0;
  const files = { directory, port, adminPort, accessLogPath };
  const command = writeCommand(name, config, place, files, threads.concurrency);
  const program = startProgram(threads.cores, command, join(directory, 'output.log'), {
    HEDDLE_NODE: process.execPath,
  });
  try {
    await waitForPort(program, port);
  } catch (error) {
    await stopProgram(program);
    throw new Error(`${name} ${error instanceof Error ? error.message : String(error)}`);
  }
  return { name, program, port, adminPort, accessLogPath, stop: () => stopProgram(program) };
}

type ProxyFiles = Pick<Proxy, 'port' | 'adminPort' | 'accessLogPath'> & { readonly directory: string };

function writeCommand(
  name: PeerName,
  config: EnvoyConfigName,
  place: ProxyPlace,
  { directory, port, adminPort, accessLogPath }: ProxyFiles,
  concurrency: number,
): readonly string[] {
  const { programs, tls } = place;
  const upstreamPort = isTlsUpstream(config) ? place.tlsUpstreamPort : place.upstreamPort;
  const path = join(directory, name === 'nginx' ? 'nginx.conf' : name === 'haproxy' ? 'haproxy.cfg' : 'envoy.yaml');
  if (name === 'nginx') {
    writeFileSync(path, nginxConfig(config, tls, { directory, port, upstreamPort }));
    return [programs.nginx, '-c', path, '-p', directory, '-e', join(directory, 'error.log')];
  }
  if (name === 'haproxy') {
    writeFileSync(path, haproxyConfig(config, port, upstreamPort));
    return [programs.haproxy, '-db', '-q', '-f', path];
  }
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(envoyConfig(config, { port, adminPort, upstreamPort, accessLogPath, tls })));
  const flags = ['-c', path, '--concurrency', String(concurrency), '--disable-hot-restart', '-l', 'error'];
  return name === 'envoy' ? [programs.envoy, ...flags] : [programs.heddle, 'proxy', ...flags];
}

function nginxConfig(
  config: EnvoyConfigName,
  tls: TlsFiles,
  { directory, port, upstreamPort }: { directory: string; port: number; upstreamPort: number },
): string {
  const [scheme, client] = config === 'mtls' ? ['https', nginxClientTls(tls)] : ['http', ''];
  const [listen, server] =
    config === 'mtlsIngress' ? [' ssl', nginxServerTls(tls)] : [config === 'http2' ? ' http2' : '', ''];
  // Of all its kinds of upstreams only those for gRPC speak HTTP/2, and they take any request.
  const pass =
    config === 'http2'
      ? 'grpc_pass grpc://backend; '
      : `proxy_pass ${scheme}://backend; proxy_http_version 1.1; proxy_set_header Connection ""; ${client}`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(directory, name)};`)
    .join('\n  ');
  return `
daemon off; master_process off; worker_processes 1; pid ${join(directory, 'pid')};
events { worker_connections 8192; }
http {
  ${temporary}
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_buffer_size 256k; proxy_request_buffering off; proxy_max_temp_file_size 0;
  proxy_buffer_size 16k; proxy_buffers 16 16k; proxy_busy_buffers_size 64k;
  upstream backend { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port}${listen};
    ${server}
    location / { ${pass} }
  }
}
`;
}

function haproxyConfig(config: EnvoyConfigName, port: number, upstreamPort: number): string {
  const protocol = config === 'http2' ? ' proto h2' : '';
  const mode = config === 'tcp' ? 'mode tcp' : 'mode http\n  http-reuse always';
  return `
global
  nbthread 1
  maxconn 8192
defaults
  ${mode}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend ingress
  bind 127.0.0.1:${port}${protocol}
  default_backend backend
backend backend
  server upstream 127.0.0.1:${upstreamPort}${protocol}
`;
}
