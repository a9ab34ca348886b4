// Starts Envoy or Heddle as a black box on a configuration file, and ends it by its pid.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT_ROOT, findEnvoy } from './find-envoy.ts';

export type ProxyKind = 'envoy' | 'heddle';

/** Until it answers, on a machine that others load. */
const START_MS = 60_000;

const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

/** The command and its leading arguments. Heddle may be replaced by HEDDLE_COMMAND (words parted by spaces). */
export function proxyCommand(kind: ProxyKind): [string, string[]] {
  if (kind === 'envoy') {
    const envoy = findEnvoy();
    if (envoy.path === null) throw new Error(envoy.reason);
    return [envoy.path, []];
  }
  const named = process.env['HEDDLE_COMMAND'];
  if (named !== undefined && named !== '') {
    const [command, ...rest] = named.split(' ');
    return [command!, [...rest, 'proxy']];
  }
  const binary = join(PROJECT_ROOT, 'bin', 'heddle');
  if (existsSync(binary)) return [binary, ['proxy']];
  return [process.execPath, [join(PROJECT_ROOT, 'src', 'main.ts'), 'proxy']];
}

export function canStartHeddle(): boolean {
  return (
    (process.env['HEDDLE_COMMAND'] ?? '') !== '' ||
    existsSync(join(PROJECT_ROOT, 'bin', 'heddle')) ||
    existsSync(join(PROJECT_ROOT, 'src', 'main.ts'))
  );
}

export type AdminResponse = { status: number; headers: string[]; body: string };

export class ProxyProcess {
  readonly kind: ProxyKind;
  readonly adminPort: number;
  readonly #child: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #output: () => string;

  constructor(kind: ProxyKind, child: ChildProcess, adminPort: number, output: () => string) {
    this.kind = kind;
    this.#child = child;
    this.adminPort = adminPort;
    this.#output = output;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get output(): string {
    return this.#output();
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  admin(path: string, method = 'GET'): Promise<AdminResponse> {
    return adminRequest(this.adminPort, this.#agent, path, method);
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await stopChild(this.#child);
  }
}

/**
 * Starts a proxy; resolves when its admin interface says that it is live, rejects with its log when it ends first.
 * `wrapper` is a program with arguments that becomes the proxy: another user, for instance.
 */
export async function startProxy(
  kind: ProxyKind,
  config: string,
  directory: string,
  extraArguments: readonly string[] = [],
  wrapper: readonly string[] = [],
): Promise<ProxyProcess> {
  const configPath = join(directory, `${kind}.yaml`);
  const adminPath = join(directory, `${kind}.admin`);
  writeFileSync(configPath, config);
  rmSync(adminPath, { force: true });
  const [program, leading] = proxyCommand(kind);
  const [command, ...words] = [...wrapper, program, ...leading] as [string, ...string[]];
  const child = spawn(
    command,
    [
      ...words,
      '-c',
      configPath,
      ...(extraArguments.includes('--concurrency') ? [] : ['--concurrency', '1']),
      ...['--disable-hot-restart', '-l', 'warning'],
      ...['--admin-address-path', adminPath, '--file-flush-interval-msec', '10'],
      ...extraArguments,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  live.add(child);
  let output = '';
  const collect = (chunk: Buffer): void => {
    if (output.length < 1 << 20) output += chunk.toString('utf8');
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  let failure = '';
  child.on('error', (error) => {
    failure = error.message;
  });
  const agent = new Agent();
  for (const deadline = performance.now() + START_MS; performance.now() < deadline; ) {
    if (failure !== '' || child.exitCode !== null || child.signalCode !== null) {
      live.delete(child);
      throw new Error(`${kind} ended with ${failure || (child.exitCode ?? child.signalCode)}:\n${output}`);
    }
    const adminPort = existsSync(adminPath) ? Number(readFileSync(adminPath, 'utf8').split(':').at(-1)) : 0;
    if (adminPort > 0 && (await isReady(adminPort, agent))) {
      return new ProxyProcess(kind, child, adminPort, () => output);
    }
    await sleep(10);
  }
  const waits = await waitsFor(adminPath, agent);
  await stopChild(child);
  throw new Error(`${kind} was not ready in time:\n${waits}\n${output}`);
}

/** Runs a proxy to its end (validation, or a start that must fail) and returns its exit code and output. */
export async function runToEnd(
  kind: ProxyKind,
  config: string,
  directory: string,
  flags: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const configPath = join(directory, `${kind}-bad.yaml`);
  writeFileSync(configPath, config);
  const [command, leading] = proxyCommand(kind);
  const child = spawn(command, [...leading, '-c', configPath, '--disable-hot-restart', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  live.add(child);
  let output = '';
  const collect = (chunk: Buffer): void => {
    if (output.length < 1 << 20) output += chunk.toString('utf8');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', (exitCode) => resolve(exitCode));
  });
  clearTimeout(timer);
  live.delete(child);
  return { code, output: output.replaceAll(configPath, 'CONFIG') };
}

/** What it waits for, for the one who reads that it was not ready. */
async function waitsFor(adminPath: string, agent: Agent): Promise<string> {
  try {
    const port = Number(readFileSync(adminPath, 'utf8').split(':').at(-1));
    const dump = await adminRequest(port, agent, '/init_dump', 'GET');
    const stats = await adminRequest(
      port,
      agent,
      '/stats?usedonly&filter=init_fetch|warming|initialized|server.state|listener_manager|cluster_manager',
      'GET',
    );
    const clusters = await adminRequest(port, agent, '/clusters', 'GET');
    const listeners = await adminRequest(port, agent, '/listeners', 'GET');
    return [dump, stats, clusters, listeners].map(({ body }) => body).join('\n');
  } catch (error) {
    return String(error);
  }
}

async function isReady(port: number, agent: Agent): Promise<boolean> {
  try {
    return (await adminRequest(port, agent, '/ready', 'GET')).status === 200;
  } catch {
    return false;
  }
}

function adminRequest(port: number, agent: Agent, path: string, method: string): Promise<AdminResponse> {
  return new Promise((resolve, reject) => {
    const message = request({ host: '127.0.0.1', port, path, method, agent, timeout: 30_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.rawHeaders, body }));
      response.on('error', reject);
    });
    message.on('timeout', () => message.destroy(new Error(`admin ${path} timed out`)));
    message.on('error', reject);
    message.end();
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
    await ended;
    clearTimeout(timer);
  }
  live.delete(child);
}
