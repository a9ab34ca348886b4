// A real Kubernetes API server with the custom resources that Heddle reads: asked what it thinks of documents.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCrds } from '../../../scripts/generate/schemas.ts';
import { KINDS, splitApiVersion } from '../../../src/control/source/kinds.ts';
import { freePort } from '../../support/free-ports.ts';

/** Where etcd and kube-apiserver are: programs, no containers. */
const PROGRAMS = process.env['HEDDLE_KUBE_BIN'] ?? join(homedir(), '.cache', 'kube-rig', 'bin');
const ROOT = join(import.meta.dirname, '../../../');
const START_MS = 60_000;

type Json = Readonly<Record<string, unknown>>;
export type Answer = { readonly status: number; readonly body: Json };

export function isApiServerThere(): boolean {
  return ['etcd', 'kube-apiserver'].every((name) => existsSync(join(PROGRAMS, name)));
}

export class ApiServer {
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false, maxSockets: 8 });
  readonly #folder = mkdtempSync(join(tmpdir(), 'heddle-kube-'));
  readonly #children: ChildProcess[] = [];
  #port = 0;
  readonly #plurals = new Map<string, string>();

  async start(): Promise<void> {
    const [api, etcd, peer] = [await freePort(), await freePort(), await freePort()];
    this.#port = api;
    const key = join(this.#folder, 'sa.key');
    execFileSync('openssl', ['genrsa', '-out', key, '2048'], { stdio: 'ignore' });
    writeFileSync(join(this.#folder, 'tokens'), 'secret,tester,1,system:masters\n');
    this.#spawn('etcd', [
      ...['--data-dir', join(this.#folder, 'etcd'), '--unsafe-no-fsync'],
      ...['--listen-client-urls', `http://127.0.0.1:${etcd}`, '--advertise-client-urls', `http://127.0.0.1:${etcd}`],
      ...['--listen-peer-urls', `http://127.0.0.1:${peer}`],
      ...['--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`],
      ...['--initial-cluster', `default=http://127.0.0.1:${peer}`],
    ]);
    this.#spawn('kube-apiserver', [
      ...['--etcd-servers', `http://127.0.0.1:${etcd}`, '--bind-address', '127.0.0.1', '--secure-port', `${api}`],
      ...['--cert-dir', join(this.#folder, 'certs'), '--token-auth-file', join(this.#folder, 'tokens')],
      ...['--service-account-issuer', 'https://test', '--api-audiences', 'test', '--service-account-key-file', key],
      ...['--service-account-signing-key-file', key, '--authorization-mode', 'AlwaysAllow'],
      ...['--service-cluster-ip-range', '10.96.0.0/16', '--disable-admission-plugins', 'ServiceAccount'],
    ]);
    await this.#until('ready', async () => (await this.ask('GET', '/readyz')).status === 200);
    const crds = readCrds(ROOT);
    for (const crd of crds) {
      const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      const { status, body } = await this.ask('POST', path, withoutStatus(crd));
      if (status !== 201) throw new Error(`${crd.spec.names.plural}: ${JSON.stringify(body)}`);
      this.#plurals.set(`${crd.spec.group}/${crd.spec.names.kind}`, crd.spec.names.plural);
    }
    for (const { spec } of crds) {
      for (const { name, served } of spec.versions as readonly { readonly name: string; readonly served?: boolean }[]) {
        if (served === false) continue;
        const path = `/apis/${spec.group}/${name}/${spec.names.plural}`;
        await this.#until(path, async () => (await this.ask('GET', path)).status === 200);
      }
    }
  }

  /** What it says of creating the object: nothing is stored. */
  create(object: Json): Promise<Answer> {
    return this.ask('POST', `${this.#collection(object)}?dryRun=All&fieldValidation=Strict`, object);
  }

  /** What it says of `after` in the place of `before`, which is stored for that. */
  async update(before: Json, after: Json): Promise<Answer> {
    const collection = this.#collection(before);
    const { name } = before['metadata'] as { readonly name: string };
    const stored = await this.ask('POST', `${collection}?fieldValidation=Strict`, before);
    if (stored.status !== 201) return stored;
    const { resourceVersion } = stored.body['metadata'] as { readonly resourceVersion: string };
    const metadata = { ...(after['metadata'] as Json), resourceVersion };
    const path = `${this.#collection(after)}/${name}?dryRun=All&fieldValidation=Strict`;
    const answer = await this.ask('PUT', path, { ...after, metadata });
    await this.ask('DELETE', `${collection}/${name}`);
    return answer;
  }

  #collection(object: Json): string {
    const { apiVersion, kind, metadata } = object;
    const { group, version } = splitApiVersion(String(apiVersion));
    const known = KINDS.find((one) => one.group === group && one.kind === kind);
    const plural = this.#plurals.get(`${group}/${String(kind)}`) ?? `${String(kind).toLowerCase()}s`;
    const namespace = (metadata as Json | undefined)?.['namespace'] ?? 'default';
    const place = known?.isNamespaced === false ? '' : `/namespaces/${String(namespace)}`;
    return `${group === '' ? '/api' : `/apis/${group}`}/${version}${place}/${plural}`;
  }

  ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: 'Bearer secret', 'content-type': 'application/json' };
      const asked = request(
        { host: '127.0.0.1', port: this.#port, agent: this.#agent, method, path, headers },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: jsonOf(Buffer.concat(chunks)) }));
        },
      );
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    for (const child of this.#children.reverse()) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(name: string, args: readonly string[]): void {
    this.#children.push(spawn(join(PROGRAMS, name), args, { stdio: 'ignore' }));
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + START_MS;
    while (!(await holds().catch(() => false))) {
      if (performance.now() > end) throw new Error(`the API server is not: ${what}`);
      await sleep(50);
    }
  }
}

function jsonOf(bytes: Buffer): Json {
  try {
    return JSON.parse(bytes.toString()) as Json;
  } catch {
    return { message: bytes.toString() };
  }
}

/** Published definitions have an empty status, which is not theirs to set. */
function withoutStatus(crd: object): Json {
  const { status: _, ...rest } = crd as Json;
  return rest;
}
