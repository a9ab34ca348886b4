// Runs `heddle up` as its users do, on a copy of a mesh's directory, and sees to it that nothing is left behind.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { MeshLocation } from '../../src/up/location.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { isAlive, killTree, processesNaming, treeOf, type ProcessId } from './process-tree.ts';

export const HEDDLE = join(PROJECT_ROOT, 'bin/heddle');
const NOBODY = 65_534;
/** Of the state that a test need not see again. */
const NOT_COPIED = /(?:^|\/)(?:\.heddle|node_modules)(?:\/|$)/;
const COMMAND_MS = 90_000;

export const isRoot = process.geteuid?.() === 0;

/** Who runs the mesh: this user, or root's stand-in for an ordinary one. */
export type MeshUser = 'self' | 'nobody';

export type Finished = { readonly code: number | null; readonly output: string; readonly ms: number };

/** Why a mesh cannot be run as an ordinary user here, or null. */
export function whyNotNobody(): string | null {
  if (!isRoot) return null;
  for (let at = PROJECT_ROOT; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o005) !== 0o005) return `${at} may not be read by other users`;
    if (at === dirname(at)) return null;
  }
}

/** A copy that the user owns, and that others may read: workloads run as users of their own. */
export function copyMesh(from: string, user: MeshUser): string {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-up-test-'));
  chmodSync(directory, 0o755);
  cpSync(from, directory, { recursive: true, filter: (path) => !NOT_COPIED.test(path.slice(from.length)) });
  symlinkSync(join(PROJECT_ROOT, 'node_modules'), join(directory, 'node_modules'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }\n');
  mkdirSync(join(directory, 'home'));
  if (user === 'nobody' && isRoot) giveAway(directory);
  return directory;
}

function giveAway(path: string): void {
  chownSync(path, NOBODY, NOBODY);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) giveAway(join(path, entry.name));
    else if (entry.isFile()) chownSync(join(path, entry.name), NOBODY, NOBODY);
  }
}

export class UpMesh {
  readonly directory: string;
  readonly #user: MeshUser;
  #location: MeshLocation | null = null;
  #processes: readonly ProcessId[] = [];

  constructor(directory: string, user: MeshUser) {
    this.directory = directory;
    this.#user = user;
  }

  /** `heddle up -d`, until all is ready. */
  async start(args: readonly string[]): Promise<Finished> {
    const finished = await this.heddle('up', '--detach', '--plain', ...args, this.directory);
    if (finished.code !== 0) {
      throw new Error(`heddle up ended with ${finished.code}: ${finished.output}\n${this.log('heddle')}`);
    }
    this.#location = JSON.parse(readFileSync(join(this.directory, '.heddle/up.json'), 'utf8')) as MeshLocation;
    this.noteProcesses();
    return finished;
  }

  get location(): MeshLocation {
    if (this.#location === null) throw new Error('the mesh was not started');
    return this.#location;
  }

  /** All that run now count when it is asked what is left. */
  noteProcesses(): readonly ProcessId[] {
    this.#processes = treeOf(this.location.pid);
    return this.#processes;
  }

  /** A command of `heddle`, as the mesh's user, in the mesh's directory. */
  heddle(...args: readonly string[]): Promise<Finished> {
    const isOther = this.#user === 'nobody' && isRoot;
    const as = isOther ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];
    const [program = '', ...rest] = [...as, HEDDLE, ...args];
    const env: NodeJS.ProcessEnv = { ...process.env, ...(isOther ? { HOME: join(this.directory, 'home') } : {}) };
    // What the runner of the tests sets is not for the programs of a mesh.
    for (const name of ['NODE_COMPILE_CACHE', 'NODE_TEST_CONTEXT', 'NODE_OPTIONS']) delete env[name];
    return run(program, rest, this.directory, env);
  }

  /** Asks the control plane. */
  async api<Answer>(path: string): Promise<Answer> {
    const { control, token } = this.location;
    const answer = await fetch(`${control}${path}`, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok && answer.status !== 408) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Answer;
  }

  log(name: string): string {
    const path = join(this.directory, '.heddle/logs', `${name}.log`);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Where the ingress gateway answers on this machine. */
  get urls(): { readonly https: string; readonly http: string } {
    const said = this.log('heddle');
    const of = (scheme: string): string => new RegExp(`${scheme}://localhost:\\d+`).exec(said)?.[0] ?? '';
    return { https: of('https'), http: of('http') };
  }

  /** What there still is of the mesh; empty when nothing is. */
  leftovers(): string[] {
    const { runtime } = this.location;
    const left = this.#processes.filter(isAlive).map(({ pid, command }) => `process ${pid}: ${command}`);
    for (const { pid, command } of processesNaming([runtime, this.directory])) left.push(`process ${pid}: ${command}`);
    for (const path of [runtime, join(this.directory, '.heddle/up.json')]) if (existsSync(path)) left.push(path);
    return [...left, ...meshDevices()];
  }

  /** Milliseconds until nothing is left, or what is left when the time is over. */
  async goneWithin(limitMs: number): Promise<number | readonly string[]> {
    const startMs = performance.now();
    for (;;) {
      const left = this.leftovers();
      const ms = performance.now() - startMs;
      if (left.length === 0) return ms;
      if (ms > limitMs) return left;
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }

  /** Ends it whatever happened, and removes the directory. */
  async dispose(): Promise<void> {
    const path = join(this.directory, '.heddle/up.json');
    if (existsSync(path)) await this.heddle('down', this.directory);
    killTree([...this.#processes, ...processesNaming([this.directory])]);
    if (this.#location !== null) rmSync(this.#location.runtime, { recursive: true, force: true });
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** In this machine's own network there is never one. */
function meshDevices(): string[] {
  const { stdout } = spawnSync('ip', ['-o', 'link'], { encoding: 'utf8' });
  return [...(stdout ?? '').matchAll(/^\d+: ((?:heddle|pod)\d+)/gm)].map(([, name]) => `network device ${name}`);
}

/** Runs a program to its end. */
export function run(
  program: string,
  args: readonly string[],
  directory: string,
  env: NodeJS.ProcessEnv,
): Promise<Finished> {
  const startMs = performance.now();
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: COMMAND_MS });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output, ms: performance.now() - startMs }));
  });
}
