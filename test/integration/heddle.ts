// Runs the command line of Heddle as its users do: to its end, or as a server with a configuration of one listener.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, proxyCommand, startProxy } from '../support/proxy-process.ts';

export type Json = Readonly<Record<string, unknown>>;

/** A program that runs longer than this hangs. */
const LONGEST_RUN_MS = 60_000;

const folders: string[] = [];
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder of its own that goes with the process. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-integration-'));
  folders.push(folder);
  return folder;
}

export function writeConfig(config: Json | string, name = 'envoy.yaml'): string {
  const path = join(scratchFolder(), name);
  writeFileSync(path, typeof config === 'string' ? config : JSON.stringify(config));
  return path;
}

export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs `heddle proxy` with `args` to its end. */
export async function runHeddle(...args: string[]): Promise<Finished> {
  const child = spawnHeddle(args);
  const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_RUN_MS);
  const finished = await ended(child);
  clearTimeout(timer);
  return finished;
}

/** Starts `heddle proxy` without waiting for anything. */
export function spawnHeddle(args: readonly string[]): ChildProcess {
  const [command, leading] = proxyCommand('heddle');
  const child = spawn(command, [...leading, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  return child;
}

export function ended(child: ChildProcess): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => {
    child.once('close', (code) => {
      children.delete(child);
      resolve({ code, stdout, stderr });
    });
  });
}

/** Listener fields for one connection manager that sends everything to one cluster. */
export function bootstrap(ports: { listener: number; upstream: number; admin?: number }, hcm: Json = {}): Json {
  const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });
  const address = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const manager = typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'test',
    route_config: {
      name: 'local',
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'up' } }] }],
    },
    http_filters: [{ name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router') }],
    ...hcm,
  });
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(ports.upstream) } }] }];
  return {
    admin: { address: address(ports.admin ?? 0) },
    static_resources: {
      listeners: [
        {
          name: 'front',
          address: address(ports.listener),
          filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }],
        },
      ],
      clusters: [{ name: 'up', connect_timeout: '1s', load_assignment: { cluster_name: 'up', endpoints } }],
    },
  };
}

export type Running = { readonly proxy: ProxyProcess; readonly port: number; readonly upstream: Upstream };

/** A proxy in front of an upstream of its own. */
export async function startHeddle(hcm: Json = {}, ...args: string[]): Promise<Running> {
  const upstream = await startUpstream();
  const port = await freePort();
  const config = JSON.stringify(bootstrap({ listener: port, upstream: upstream.port }, hcm));
  const proxy = await startProxy('heddle', config, scratchFolder(), args);
  return { proxy, port, upstream };
}

export async function stopHeddle({ proxy, upstream }: Running): Promise<void> {
  await proxy.stop();
  await upstream.stop();
}

export type Upstream = { readonly port: number; stop(): Promise<void> };

/** Answers a whole request with its path; `/slow` after a while, `/slower` after a longer one. */
export async function startUpstream(): Promise<Upstream> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      if (request.url === '/slow') setTimeout(() => response.end('slow'), 300).unref();
      else if (request.url === '/slower') setTimeout(() => response.end('slower'), 1_500).unref();
      else response.end(request.url);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port, stop };
}

/** A raw connection that notes what it gets. */
export class RawConnection {
  readonly socket: Socket;
  text = '';
  isClosed = false;

  constructor(port: number, localAddress?: string) {
    this.socket = connect({ port, host: '127.0.0.1', ...(localAddress === undefined ? {} : { localAddress }) });
    this.socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  send(text: string): void {
    if (!this.isClosed) this.socket.write(Buffer.from(text, 'latin1'));
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }
}

/** Waits until `holds` does; throws when it does not in time. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline; await sleep(10)) {
    if (await holds()) return;
  }
  throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
}

/** Value of a statistic by its full name. */
export async function stat(proxy: ProxyProcess, name: string): Promise<number> {
  const { body } = await proxy.admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`);
  const line = body.split('\n').find((text) => text.startsWith(`${name}: `));
  if (line === undefined) throw new Error(`no statistic ${name}: ${body}`);
  return Number(line.slice(name.length + 2));
}

/** Number of open descriptors of a process; -1 where the system does not tell. */
export function openDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return -1;
  }
}

export function get(path: string, ...lines: string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n');
}
