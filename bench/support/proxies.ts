// Starts Envoy, nginx, HAProxy and Heddle with the same task, each on the proxies' core.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EnvoyConfigName, envoyConfig } from './envoy-config.ts';
import { freePort, type Program, startProgram, stopProgram, waitForPort } from './process.ts';

export const PEER_NAMES = ['envoy', 'nginx', 'haproxy', 'heddle'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

export type Proxy = {
  readonly name: PeerName;
  readonly program: Program;
  readonly port: number;
  readonly accessLogPath: string;
  readonly stop: () => Promise<void>;
};

export type ProxyPlace = {
  readonly core: number;
  readonly scratch: string;
  readonly upstreamPort: number;
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
  const command = await writeCommand(name, config, place, directory, port, accessLogPath, threads.concurrency);
  const program = startProgram(threads.cores, command, join(directory, 'output.log'), {
    HEDDLE_NODE: process.execPath,
  });
  try {
    await waitForPort(program, port);
  } catch (error) {
    await stopProgram(program);
    throw new Error(`${name} ${error instanceof Error ? error.message : String(error)}`);
  }
  return { name, program, port, accessLogPath, stop: () => stopProgram(program) };
}

async function writeCommand(
  name: PeerName,
  config: EnvoyConfigName,
  { upstreamPort, programs }: ProxyPlace,
  directory: string,
  port: number,
  accessLogPath: string,
  concurrency: number,
): Promise<readonly string[]> {
  const path = join(directory, name === 'nginx' ? 'nginx.conf' : name === 'haproxy' ? 'haproxy.cfg' : 'envoy.yaml');
  if (name === 'nginx') {
    writeFileSync(path, nginxConfig(directory, port, upstreamPort));
    return [programs.nginx, '-c', path, '-p', directory, '-e', join(directory, 'error.log')];
  }
  if (name === 'haproxy') {
    writeFileSync(path, haproxyConfig(config, port, upstreamPort));
    return [programs.haproxy, '-db', '-q', '-f', path];
  }
  const adminPort = await freePort();
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(envoyConfig(config, { port, adminPort, upstreamPort, accessLogPath })));
  const flags = ['-c', path, '--concurrency', String(concurrency), '--disable-hot-restart', '-l', 'error'];
  return name === 'envoy' ? [programs.envoy, ...flags] : [programs.heddle, 'proxy', ...flags];
}

function nginxConfig(directory: string, port: number, upstreamPort: number): string {
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
    listen 127.0.0.1:${port};
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}

function haproxyConfig(config: EnvoyConfigName, port: number, upstreamPort: number): string {
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
  bind 127.0.0.1:${port}
  default_backend backend
backend backend
  server upstream 127.0.0.1:${upstreamPort}
`;
}
