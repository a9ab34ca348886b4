// A control plane as a process of its own on a folder that a test fills, and clients that a test makes behave or not.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { dirname, join } from 'node:path';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { MessageReader } from '../../bench/control/delta-wire.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { scratchFolder, until } from './heddle.ts';

const TYPE = 'type.googleapis.com/envoy.';
export const CDS = `${TYPE}config.cluster.v3.Cluster`;
export const EDS = `${TYPE}config.endpoint.v3.ClusterLoadAssignment`;
export const LDS = `${TYPE}config.listener.v3.Listener`;
export const RDS = `${TYPE}config.route.v3.RouteConfiguration`;
export const VHDS = `${TYPE}config.route.v3.VirtualHost`;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const START_MS = 60_000;
/** What a push may take while others misbehave, and so many times what it takes at the beginning; and how often. */
const FAIR_MS = 3000;
const FAIR_TIMES = 4;
const FAIR_TRIES = 5;
const STOP_MS = 30_000;

/** `heddle control` with these arguments. */
export function spawnControl(args: readonly string[]): ChildProcess {
  const child = spawn(join(PROJECT_ROOT, 'bin/heddle'), ['control', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

export type Ports = { readonly plain: number; readonly secure: number; readonly http: number };

export async function freePorts(): Promise<Ports> {
  return { plain: await freePort(), secure: await freePort(), http: await freePort() };
}

export function portFlags({ plain, secure, http }: Ports): string[] {
  const at = (port: number): string => `127.0.0.1:${port}`;
  return ['--grpc-address', at(plain), '--secure-address', at(secure), '--http-address', at(http)];
}

export type Page = { readonly status: number; readonly body: string };

export class ControlProcess {
  readonly folder: string;
  readonly state: string;
  readonly ports: Ports;
  readonly #flags: readonly string[];
  #child: ChildProcess | null = null;
  /** Everything that it has written so far. */
  log = '';

  constructor(ports: Ports, flags: readonly string[] = ['--trust-loopback']) {
    const place = scratchFolder();
    this.folder = join(place, 'config');
    this.state = join(place, 'state');
    this.ports = ports;
    this.#flags = flags;
    mkdirSync(this.folder);
  }

  static async start(files: Readonly<Record<string, string>>, flags?: readonly string[]): Promise<ControlProcess> {
    const control = new ControlProcess(await freePorts(), flags);
    for (const [name, text] of Object.entries(files)) control.write(name, text);
    await control.start();
    return control;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }
  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async start(): Promise<void> {
    const child = spawnControl([
      '--config',
      this.folder,
      '--state-dir',
      this.state,
      ...portFlags(this.ports),
      ...this.#flags,
    ]);
    this.#child = child;
    for (const output of [child.stdout, child.stderr]) {
      output?.on('data', (chunk: Buffer) => {
        this.log += chunk.toString();
      });
    }
    await until('the control plane serves', () => this.#answers(), START_MS).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log}`);
    });
  }

  async #answers(): Promise<boolean> {
    if (!this.isRunning) throw new Error('the control plane ended');
    return (await this.get('/ready').catch(() => null))?.status === 200;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null || !this.isRunning) return;
    const over = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await over;
    clearTimeout(timer);
  }

  /** In one step, as an editor or a sync tool does it. */
  write(name: string, text: string | Uint8Array): void {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const temporary = join(this.folder, `.${name.replaceAll('/', '-')}.part`);
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  }

  remove(name: string): void {
    rmSync(join(this.folder, name), { recursive: true, force: true });
  }

  /** Kilobytes. */
  get rss(): number {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1] ?? 0);
  }

  get(path: string, options: { method?: string; host?: string; body?: string } = {}): Promise<Page> {
    const { method = 'GET', host, body } = options;
    return new Promise((resolve, reject) => {
      const headers = host === undefined ? {} : { host };
      const asked = request(
        { host: '127.0.0.1', port: this.ports.http, path, method, headers, agent: false },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
          answer.on('error', reject);
        },
      );
      asked.on('error', reject);
      asked.setTimeout(60_000, () => asked.destroy(new Error(`${path}: no answer`)));
      asked.end(body);
    });
  }

  async json<T>(path: string): Promise<T> {
    return JSON.parse((await this.get(path)).body) as T;
  }

  /** Sum of a metric's samples whose labels contain `labels`. */
  async metric(name: string, labels = ''): Promise<number> {
    const { body } = await this.get('/metrics');
    const lines = body.split('\n').filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)));
    return lines.filter((line) => line.includes(labels)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async findings(): Promise<Finding[]> {
    return (await this.json<{ findings: Finding[] }>('/api/v1/findings')).findings;
  }

  has(text: string): boolean {
    return this.log.includes(text);
  }
}

export type Finding = {
  readonly severity: string;
  readonly key: string;
  readonly file: string;
  readonly line: number;
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
};

type Resource = { readonly name: string; readonly version: string; readonly bytes: Buffer };
export type Response = {
  readonly type_url: string;
  readonly nonce: string;
  readonly resources?: readonly { name?: string; version?: string; resource?: { value?: Uint8Array } }[];
  readonly removed_resources?: readonly string[];
};

const FRAME_BYTES = 5;

export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(FRAME_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export function nodeOf(name: string, namespace: string, address: string, metadata: object = {}): object {
  return {
    id: `sidecar~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: `${name}.${namespace}`,
    metadata: {
      NAMESPACE: namespace,
      CLUSTER_ID: 'Kubernetes',
      INSTANCE_IPS: address,
      ISTIO_VERSION: '1.30.0',
      ...metadata,
    },
  };
}

const REQUEST = registry.message('envoy.service.discovery.v3.DeltaDiscoveryRequest');
const RESPONSE = registry.message('envoy.service.discovery.v3.DeltaDiscoveryResponse');

/** A delta ADS client: what it has, and why its stream ended. It acknowledges what `judge` says nothing against. */
export class AdsClient {
  readonly have = new Map<string, Map<string, Resource>>();
  readonly responses: Response[] = [];
  readonly session: ClientHttp2Session;
  stream: ClientHttp2Stream;
  /** Resources by type, that came since the test set it to zero. */
  received = 0;
  isOver = false;
  status = -1;
  message = '';
  /** A text refuses the response. */
  judge: (response: Response) => string | null = () => null;
  answers = true;
  readonly #node: object;
  #hasSentNode = false;

  constructor(port: number, node: object, session: ClientHttp2Session | null = null) {
    this.#node = node;
    this.session =
      session ?? connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 16 * 1024 * 1024 } });
    if (session === null) this.session.on('error', () => undefined);
    this.stream = openStream(this.session);
    const reader = new MessageReader();
    this.stream.on('data', (chunk: Buffer) =>
      reader.push(chunk, (message) => this.#take(decodeBinary(RESPONSE, message) as Response)),
    );
    const take = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] === undefined) return;
      this.status = Number(headers['grpc-status']);
      this.message = decodeURIComponent(String(headers['grpc-message'] ?? ''));
    };
    this.stream.on('response', take);
    this.stream.on('trailers', take);
    this.stream.on('error', () => undefined);
    this.stream.on('close', () => {
      this.isOver = true;
    });
  }

  ask(typeUrl: string, names: readonly string[] = [], more: object = {}): void {
    this.send({ type_url: typeUrl, resource_names_subscribe: [...names], ...more });
  }

  send(message: object): void {
    if (this.isOver) return;
    const first = this.#hasSentNode ? {} : { node: this.#node };
    this.#hasSentNode = true;
    this.stream.write(frame(encodeBinary(REQUEST, { ...first, ...message })));
  }

  #take(response: Response): void {
    this.responses.push(response);
    const type = this.have.get(response.type_url) ?? new Map<string, Resource>();
    this.have.set(response.type_url, type);
    const refusal = this.judge(response);
    for (const { name = '', version = '', resource } of response.resources ?? []) {
      this.received++;
      if (refusal === null) type.set(name, { name, version, bytes: Buffer.from(resource?.value ?? []) });
    }
    for (const name of response.removed_resources ?? []) type.delete(name);
    if (!this.answers) return;
    const error = refusal === null ? {} : { error_detail: { code: 13, message: refusal } };
    this.send({ type_url: response.type_url, response_nonce: response.nonce, ...error });
  }

  names(typeUrl: string): string[] {
    return [...(this.have.get(typeUrl)?.keys() ?? [])].sort();
  }

  /** 'NAME VERSION BYTES' of every resource, by type: what another tenant must not change. */
  snapshot(): Record<string, string[]> {
    return Object.fromEntries(
      [...this.have].map(([type, resources]) => [
        type,
        [...resources.values()].map(({ name, version, bytes }) => `${name} ${version} ${bytes.length}`).sort(),
      ]),
    );
  }

  get bytes(): number {
    let sum = 0;
    for (const resources of this.have.values()) for (const { bytes } of resources.values()) sum += bytes.length;
    return sum;
  }

  /** Whether some resource of the type contains the text. */
  sees(typeUrl: string, text: string): boolean {
    for (const { bytes } of this.have.get(typeUrl)?.values() ?? []) if (bytes.includes(text)) return true;
    return false;
  }

  versions(typeUrl: string): Record<string, string> {
    return Object.fromEntries(
      [...(this.have.get(typeUrl)?.values() ?? [])].map(({ name, version }) => [name, version]),
    );
  }

  close(): void {
    this.stream.close();
    this.session.destroy();
  }
}

export function openStream(session: ClientHttp2Session): ClientHttp2Stream {
  return session.request({
    ':method': 'POST',
    ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
}

/** A sidecar that has asked for everything that it is told of, and for route configurations of these names. */
export async function settledSidecar(
  port: number,
  node: object,
  routes: readonly string[] = ['80'],
): Promise<AdsClient> {
  const client = new AdsClient(port, node);
  client.ask(CDS, ['*']);
  client.ask(LDS, ['*']);
  await until('clusters and listeners come', () => client.have.has(CDS) && client.have.has(LDS));
  const endpoints = client.names(CDS).filter((name) => name.startsWith('outbound|'));
  if (endpoints.length > 0) client.ask(EDS, endpoints);
  client.ask(RDS, routes);
  await until(
    'endpoints and routes come',
    () => client.have.has(RDS) && (endpoints.length === 0 || client.have.has(EDS)),
  );
  return client;
}

export function service(name: string, namespace: string, more = ''): string {
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}${more}}
spec:
  selector: {app: ${name}}
  ports: [{name: http, port: 80}]
`;
}

export function istio(kind: string, name: string, namespace: string, spec: object, group = 'networking'): string {
  const version = group === 'networking' || group === 'security' ? 'v1' : 'v1';
  return JSON.stringify({ apiVersion: `${group}.istio.io/${version}`, kind, metadata: { name, namespace }, spec });
}

/** Milliseconds from the change of a file until the client has seen it. */
export class Probe {
  readonly #control: ControlProcess;
  readonly #client: AdsClient;
  readonly #namespace: string;
  #count = 0;

  constructor(control: ControlProcess, client: AdsClient, namespace: string) {
    this.#control = control;
    this.#client = client;
    this.#namespace = namespace;
  }

  async push(timeoutMs = 30_000): Promise<number> {
    const name = `probe-${++this.#count}-of`;
    const startMs = performance.now();
    this.#control.write('probe.yaml', service(name, this.#namespace));
    await until(`${name} arrives`, () => this.#client.sees(CDS, name), timeoutMs);
    return performance.now() - startMs;
  }

  /** The middle one of some. */
  async middle(count = 3): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      times.push(await this.push());
      // Followers of a change are gathered for a while.
      await new Promise((resolve) => setTimeout(resolve, 120));
    }
    return times.sort((a, b) => a - b)[count >> 1] as number;
  }

  /** A push comes through in time; a machine that others load holds it back now and then, an attack each time. */
  async isFair(usualMs: number, count = 3): Promise<void> {
    const mostMs = FAIR_MS + FAIR_TIMES * usualMs;
    const times: number[] = [];
    while (times.length < FAIR_TRIES && (times.at(-1) ?? Infinity) >= mostMs) times.push(await this.middle(count));
    const words = times.map((ms) => Math.round(ms)).join(', ');
    assert.ok((times.at(-1) as number) < mostMs, `${words} ms, usually ${usualMs}`);
  }
}
