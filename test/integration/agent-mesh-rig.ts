// A mesh of processes: `heddle control`, and agents with proxies that joined it by tokens.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock } from '../../src/base/clock.ts';
import { JoinTokens } from '../../src/ca/authenticate/join-tokens.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { type AgentPlace, TestAgent } from './agent-rig.ts';

const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export class TestMesh implements AgentPlace {
  readonly directory = mkdtempSync(join(tmpdir(), 'heddle-mesh-'));
  readonly #state = join(this.directory, 'state');
  readonly #config = join(this.directory, 'config');
  readonly #ports: { readonly plain: number; readonly secure: number; readonly http: number };
  #child: ChildProcess | null = null;
  #tokens = 0;
  output = '';

  private constructor(ports: { readonly plain: number; readonly secure: number; readonly http: number }) {
    this.#ports = ports;
    mkdirSync(this.#config);
  }

  static async start(objects: string): Promise<TestMesh> {
    const mesh = new TestMesh({ plain: await freePort(), secure: await freePort(), http: await freePort() });
    mesh.write(objects);
    await mesh.startControl();
    return mesh;
  }

  write(objects: string, name = 'mesh.yaml'): void {
    writeFileSync(join(this.#config, name), objects);
  }

  async startControl(): Promise<void> {
    const { plain, secure, http } = this.#ports;
    const child = spawn(
      join(PROJECT_ROOT, 'bin', 'heddle'),
      [
        ...['control', '--config', this.#config, '--state-dir', this.#state],
        ...['--grpc-address', `127.0.0.1:${plain}`, '--secure-address', `127.0.0.1:${secure}`],
        ...['--http-address', `127.0.0.1:${http}`],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    live.add(child);
    child.once('exit', () => live.delete(child));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    for (let i = 0; !existsSync(this.rootPath) || (await this.page('/ready')) !== 200; i++) {
      if (i > 400) throw new Error(`heddle control does not start\n${this.output}`);
      await sleep(25);
    }
  }

  async stopControl(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async page(path: string): Promise<number> {
    try {
      return (await fetch(`http://127.0.0.1:${this.#ports.http}${path}`)).status;
    } catch {
      return 0;
    }
  }

  get rootPath(): string {
    return join(this.#state, 'root-cert.pem');
  }
  get discovery(): string {
    return `localhost:${this.#ports.secure}`;
  }
  get authorityAddress(): string {
    return this.discovery;
  }

  /** A file with a join token for 'namespace/account'. */
  token(who: string): string {
    const [namespace = '', account = ''] = who.split('/');
    const tokens = new JoinTokens(join(this.#state, 'join-tokens'), 'cluster.local', new Clock());
    const made = tokens.create({ namespace, account, workload: null });
    if (typeof made === 'string') throw new Error(made);
    const path = join(this.directory, `join-token-${this.#tokens++}`);
    writeFileSync(path, made.reveal());
    return path;
  }

  agent(name: string, options: Parameters<typeof TestAgent.start>[2] = {}): Promise<TestAgent> {
    const flags = ['--join-token', this.token(`shop/${name}`), ...(options.flags ?? [])];
    return TestAgent.start(this, name, { ...options, token: null, flags });
  }

  async stop(): Promise<void> {
    await this.stopControl();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
