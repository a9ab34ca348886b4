// Pods of a mesh under our control plane: network namespaces, captured by Heddle's rules, with an agent beside the real
// Envoy or inside Heddle's proxy, and an application that tells what it saw.
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { chownSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { Server as NetServer, Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nftText } from '../../src/intercept/plan/nft-text.ts';
import { findEnvoy, PROJECT_ROOT } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { planOf } from './intercept-cases.ts';
import type { Lab, Namespace } from './lab.ts';

const PROXY_USER = 1337;
/** Of the proxy in its namespace. */
export const ADMIN_PORT = 15_000;
const READY_PORT = 15_021;

const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

/** A program that goes with the test, and what it printed. */
export class Program {
  readonly child: ChildProcess;
  output = '';

  constructor(child: ChildProcess) {
    this.child = child;
    live.add(child);
    child.once('exit', () => live.delete(child));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.hasExited) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await ended;
  }
}

export type PodFacts = {
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly role: 'sidecar' | 'router';
  readonly kind: ProxyKind;
};

export type JoinFacts = {
  readonly folder: string;
  readonly rootPath: string;
  readonly discovery: string;
  token(namespace: string, account: string): string;
};

export class Pod {
  readonly facts: PodFacts;
  readonly place: Namespace;
  #agent: Program | null = null;
  #logPath = '';

  constructor(lab: Lab, facts: PodFacts) {
    this.facts = facts;
    this.place = lab.addPod(facts.address);
    if (facts.role === 'sidecar') this.place.nft(nftText(planOf('-u 1337 -d 15090,15021,15020,15000 --ipv6 off').plan));
    // Ports below 1024 are for everybody, as in a pod.
    this.place.sysctl('net/ipv4/ip_unprivileged_port_start', '0');
  }

  get agent(): Program {
    if (this.#agent === null) throw new Error(`${this.facts.name} has no agent yet`);
    return this.#agent;
  }

  /** What agent and proxy printed. */
  get log(): string {
    return readFileSync(this.#logPath, 'utf8');
  }

  start(join_: JoinFacts): void {
    const { facts } = this;
    const directory = join(join_.folder, `${facts.namespace}-${facts.name}`);
    mkdirSync(directory);
    const token = join(directory, 'join-token');
    writeFileSync(token, join_.token(facts.namespace, facts.account));
    this.#logPath = join(directory, 'log');
    // Not a pipe of Node's, which is a socket: Envoy could not open it by its name.
    const out = openSync(this.#logPath, 'a');
    for (const path of [directory, token, this.#logPath]) chownSync(path, PROXY_USER, PROXY_USER);
    const envoy = findEnvoy();
    const args = [
      ...['agent', 'proxy', facts.role],
      ...(facts.kind === 'envoy' ? ['--envoy', envoy.path ?? ''] : []),
      ...['--discovery', join_.discovery, '--root-ca', join_.rootPath, '--join-token', token],
      ...['--uds', join(directory, 'uds'), '--configPath', join(directory, 'proxy')],
    ];
    const env = {
      ...process.env,
      HOME: directory,
      POD_NAME: facts.name,
      POD_NAMESPACE: facts.namespace,
      SERVICE_ACCOUNT: facts.account,
      INSTANCE_IP: facts.address,
      ISTIOD_SAN: 'istiod.istio-system.svc',
      ISTIO_METAJSON_LABELS: JSON.stringify(facts.labels),
      PROXY_CONFIG: JSON.stringify({ concurrency: 1, terminationDrainDuration: '1s' }),
    };
    const options: SpawnOptions = {
      ...{ cwd: directory, env, uid: PROXY_USER, gid: PROXY_USER },
      stdio: ['ignore', out, out],
    };
    this.#agent = new Program(this.place.run(() => spawn(join(PROJECT_ROOT, 'bin', 'heddle'), args, options)));
    closeSync(out);
  }

  async ready(timeoutMs = 40_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    while ((await this.get(READY_PORT, '/healthz/ready')).status !== 200) {
      if (Date.now() > end || this.agent.hasExited) {
        throw new Error(`${this.facts.namespace}/${this.facts.name} is not ready\n${this.log.slice(-6000)}`);
      }
      await sleep(50);
    }
  }

  /** Asks a port of the pod itself; status 0: nobody answers. */
  get(port: number, path: string, method = 'GET'): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve) => {
      const failed = (error: Error): void => resolve({ status: 0, body: error.message });
      const createConnection = () =>
        this.place.connect({ family: 'ipv4', address: '127.0.0.1', port }).on('error', failed);
      request({ method, path, host: '127.0.0.1', createConnection, timeout: 5000 }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      })
        .on('error', failed)
        .end();
    });
  }

  /** Values of statistics whose names match. */
  async stats(pattern: string): Promise<Map<string, number>> {
    const { body } = await this.get(ADMIN_PORT, `/stats?filter=${encodeURIComponent(pattern)}`);
    const found = new Map<string, number>();
    for (const line of body.split('\n')) {
      const match = /^(.+): (\d+)$/.exec(line);
      if (match !== null) found.set(match[1] as string, Number(match[2]));
    }
    return found;
  }
}

/** How often a request with one key came, by who saw it. */
export type Hits = Map<string, Map<string, number>>;

/**
 * Answers HTTP with what it saw, as JSON; the query says what else: `status`, `times` (so often only, then 200) and
 * `delay` in milliseconds. Other ports take bytes and send them back behind its name.
 */
export class Application {
  readonly #name: string;
  readonly #hits: Hits;
  readonly #http: Server;
  readonly #sockets = new Set<Socket>();
  readonly #servers: NetServer[] = [];

  constructor(name: string, hits: Hits) {
    this.#name = name;
    this.#hits = hits;
    this.#http = createServer((request, response) => void this.#answer(request, response));
    this.#http.keepAliveTimeout = 120_000;
  }

  async listen(place: Namespace, address: string, ports: { readonly http: number; readonly bytes?: number }) {
    await this.#listen(place, address, ports.http, (socket) => this.#http.emit('connection', socket));
    if (ports.bytes === undefined) return;
    await this.#listen(place, address, ports.bytes, (socket) => {
      socket.on('end', () => socket.end());
      socket.once('data', () => socket.write(`${this.#name}:`));
      socket.on('data', (chunk) => socket.write(chunk));
    });
  }

  async #listen(place: Namespace, address: string, port: number, serve: (socket: Socket) => void): Promise<void> {
    const server = await place.listen({ family: 'ipv4', address, port }, (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
      serve(socket);
    });
    this.#servers.push(server);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://x');
    const key = String(request.headers['x-key'] ?? '');
    const of = this.#hits.get(key) ?? new Map<string, number>();
    this.#hits.set(key, of);
    const before = [...of.values()].reduce((sum, count) => sum + count, 0);
    of.set(this.#name, (of.get(this.#name) ?? 0) + 1);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const delay = Number(url.searchParams.get('delay') ?? 0);
    if (delay > 0) await sleep(delay);
    const times = Number(url.searchParams.get('times') ?? Number.POSITIVE_INFINITY);
    const status = before < times ? Number(url.searchParams.get('status') ?? 200) : 200;
    const { method, url: path, httpVersion: version, headers } = request;
    response.writeHead(status, { 'content-type': 'application/json', 'x-pod': this.#name });
    response.end(JSON.stringify({ pod: this.#name, method, path, version, headers, body }));
  }
}
