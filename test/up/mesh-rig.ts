// Small meshes in directories of their own, started as a user starts them, and what they leave behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT_ROOT } from '../support/find-envoy.ts';

/** A short one: names of sockets have little room. */
const TEMPORARY = mkdtempSync('/tmp/hm-');
chmodSync(TEMPORARY, 0o1777);
/** In the environment of whatever a mesh starts. */
const MARK = `MESH_RIG=${process.pid}`;
const START_MS = 90_000;
const END_MS = 30_000;

process.on('exit', () => {
  for (const pid of markedProcesses()) kill(pid);
  rmSync(TEMPORARY, { recursive: true, force: true });
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

/** Another build can be tested: HEDDLE_COMMAND, words parted by spaces. */
export const HEDDLE = (process.env['HEDDLE_COMMAND'] ?? '').split(' ').filter((word) => word !== '');
if (HEDDLE.length === 0) HEDDLE.push(join(PROJECT_ROOT, 'bin/heddle'));

/** Answers with $WORD and its own pid. */
export const WEB = `import { createServer } from 'node:http';
const text = () => (process.env.WORD ?? 'hello') + ' ' + process.pid + '\\n';
createServer((request, response) => response.end(text())).listen(process.env.PORT, process.env.HOST);
`;

/** An ingress gateway whose requests all go to \`web\`. */
export const TO_WEB = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ingress, namespace: default }
spec:
  selector: { app: ingress }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: default }
spec:
  hosts: ['*']
  gateways: [ingress]
  http: [{ route: [{ destination: { host: web } }] }]
`;

/** heddle.yaml of \`web\` behind a gateway on the port; more lines belong to the workloads. */
export function webManifest(port: number, more = ''): string {
  return `name: tiny
gateways:
  ingress:
    ports: [{ port: 80, protocol: http, host: ${port} }]
workloads:
  web:
    command: node web.mjs
    ports: [{ port: 8000, protocol: http }]
${more}`;
}

export type Files = Readonly<Record<string, string>>;

/** A directory that others may read, with the files; it goes with the test. */
export function directoryWith(t: TestContext, files: Files, name = ''): string {
  const own = mkdtempSync(join(TEMPORARY, 'dir-'));
  chmodSync(own, 0o755);
  const directory = join(own, name);
  mkdirSync(directory, { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  }
  t.after(() => rmSync(own, { recursive: true, force: true }));
  return directory;
}

export type RunOptions = {
  readonly cwd?: string;
  /** Words before the command. */
  readonly wrap?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly stdin?: 'ignore' | 'pipe' | 'closed';
};

export type Ended = { readonly code: number | null; readonly signal: string | null };

export class Started {
  readonly child: ChildProcess;
  readonly end: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.end = new Promise((resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get printed(): string {
    return this.stdout + this.stderr;
  }

  /** Waits until it has printed what fits. */
  async said(pattern: RegExp, timeoutMs = START_MS): Promise<RegExpMatchArray> {
    for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(20)) {
      const found = pattern.exec(this.printed);
      if (found !== null) return found;
      if (this.child.exitCode !== null) break;
    }
    throw new Error(`it did not say ${pattern} (its status: ${this.child.exitCode}):\n${this.printed}`);
  }

  async ready(): Promise<void> {
    await this.said(/ is up: /);
  }

  /** Ends it with the signal; its status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal);
    const ended = await Promise.race([this.end, sleep(END_MS, null, { ref: false })]);
    if (ended === null) throw new Error(`it did not end on ${signal}:\n${this.printed}`);
    return ended;
  }
}

export function start(t: TestContext, args: readonly string[], options: RunOptions = {}): Started {
  const { cwd, wrap = [], environment = {}, stdin = 'ignore' } = options;
  const [program = '', ...words] = [...wrap, ...HEDDLE, ...args];
  const [name = '', value = ''] = MARK.split('=');
  const { XDG_RUNTIME_DIR: _, ...inherited } = process.env;
  const child = spawn(program, words, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...inherited, TMPDIR: TEMPORARY, [name]: value, ...environment },
    stdio: [stdin === 'closed' ? 'ignore' : stdin, 'pipe', 'pipe'],
    // Its own group, as a shell makes one of each command.
    detached: true,
  });
  const started = new Started(child);
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) await started.stop();
  });
  return started;
}

/** Runs it to its end. */
export async function run(t: TestContext, args: readonly string[], options: RunOptions = {}): Promise<Ended & Started> {
  const started = start(t, args, options);
  const timer = setTimeout(() => started.child.kill('SIGKILL'), START_MS);
  const ended = await started.end;
  clearTimeout(timer);
  return Object.assign(started, ended);
}

/** Whatever of a mesh is still there: processes, files where it ran, marks in its directory. */
export async function leftBehind(directory: string): Promise<string[]> {
  let left: string[] = [];
  // A process that was killed takes a moment to go.
  for (const end = Date.now() + 3000; Date.now() < end; await sleep(50)) {
    left = [
      ...markedProcesses().map((pid) => `process ${pid}: ${commandOf(pid)}`),
      ...readdirSync(TEMPORARY).filter((name) => /^heddle-\w{6}$/.test(name)),
      ...registered().map((name) => `registered ${name}`),
      ...stateOf(directory).filter((name) => name.startsWith('up.')),
    ];
    if (left.length === 0) break;
  }
  return left;
}

export function stateOf(directory: string): string[] {
  try {
    return readdirSync(join(directory, '.heddle'));
  } catch {
    return [];
  }
}

function registered(): string[] {
  return readdirSync(TEMPORARY)
    .filter((name) => /^heddle-\d+$/.test(name))
    .flatMap((name) => readdirSync(join(TEMPORARY, name, 'heddle-meshes')));
}

/** Processes of this system that a mesh of this test file started. */
export function markedProcesses(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const variables = readFileSync(`/proc/${name}/environ`, 'latin1').split('\0');
      return variables.includes(MARK) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

export type Answer = { readonly status: number; readonly body: string };

/** GET of a port of this machine, on a connection of its own; status 0 for none. */
export function get(port: number, path = '/'): Promise<Answer> {
  return new Promise((resolve) => {
    const ask = request({ host: '127.0.0.1', port, path, agent: false, timeout: 5000 }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    ask.on('timeout', () => ask.destroy());
    ask.on('error', (error) => resolve({ status: 0, body: error.message }));
    ask.end();
  });
}

/** Asks until the answer fits; the last one otherwise. */
export async function getUntil(port: number, fits: (answer: Answer) => boolean, timeoutMs = 30_000): Promise<Answer> {
  let answer = await get(port);
  for (const end = Date.now() + timeoutMs; !fits(answer) && Date.now() < end; await sleep(50)) answer = await get(port);
  return answer;
}
