// The proxy as a child of the agent: started once, ended, and never left behind.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Clock, Timer } from '../../base/clock.ts';
import type { AgentSettings } from '../config/settings.ts';

export type ProxyExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type ProxyProcessParts = {
  readonly clock: Clock;
  readonly log: (level: 'info' | 'warning' | 'error', text: string) => void;
  /** Called once, however it ended. */
  readonly onExit: (exit: ProxyExit) => void;
};

export type ProxyCommand = {
  readonly path: string;
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string | undefined>>;
};

/** What a proxy may take to end by itself. */
const KILL_AFTER_MS = 5000;
/** As shells say it. */
const CANNOT_RUN = 127;

export class ProxyProcess {
  readonly #parts: ProxyProcessParts;
  readonly #command: ProxyCommand;
  readonly #timer: Timer;
  #child: ChildProcess | null = null;
  #isOver = false;

  constructor(command: ProxyCommand, parts: ProxyProcessParts) {
    this.#command = command;
    this.#parts = parts;
    this.#timer = parts.clock.timer((proxy: ProxyProcess) => proxy.#child?.kill('SIGKILL'), this);
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  start(): void {
    const { path, args, variables } = this.#command;
    this.#parts.log('info', `starting ${[path, ...args].join(' ')}`);
    const problem = pathProblem(path);
    if (problem !== null) {
      this.#cannotRun(problem);
      return;
    }
    const [command = '', ...all] = [...dyingWithParent(), path, ...args];
    const child = spawn(command, all, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...variables } });
    this.#child = child;
    child.once('error', (error) => this.#cannotRun(error.message));
    child.once('exit', (code, signal) => this.#exited({ code, signal }));
  }

  #cannotRun(why: string): void {
    this.#parts.log('error', `${this.#command.path} cannot be run: ${why}`);
    this.#exited({ code: CANNOT_RUN, signal: null });
  }

  #exited(exit: ProxyExit): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer.disarm();
    this.#parts.onExit(exit);
  }

  /** Asks it to end, and kills it if it does not. */
  stop(): void {
    if (this.#isOver || this.#child === null) return;
    this.#child.kill('SIGTERM');
    this.#parts.clock.update();
    this.#timer.arm(KILL_AFTER_MS);
  }

  /** For the last moment of the agent. */
  kill(): void {
    if (!this.#isOver) this.#child?.kill('SIGKILL');
  }
}

/** Null: it may be run, or is to be looked for. */
function pathProblem(path: string): string | null {
  if (!path.includes('/')) return null;
  try {
    accessSync(path, constants.X_OK);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * What stands before a command so that the kernel ends it with the agent, however that ends: util-linux's setpriv sets
 * PR_SET_PDEATHSIG and becomes the command. Nothing where there is none.
 */
function dyingWithParent(): readonly string[] {
  const prefix = ['--pdeathsig', 'KILL', '--'];
  const works = process.platform === 'linux' && spawnSync('setpriv', [...prefix, 'true']).status === 0;
  return works ? ['setpriv', ...prefix] : [];
}

/** Source: istio pkg/envoy, proxy.args. */
export function envoyArguments(settings: AgentSettings, bootstrapPath: string): readonly string[] {
  const { proxyConfig, concurrency, proxyLogLevel, proxyComponentLogLevel, addresses } = settings;
  const [level = 'warning', ...scopes] = proxyLogLevel.split(',');
  const isPlain = !level.includes(':');
  const components = [...(isPlain ? scopes : [level, ...scopes]), proxyComponentLogLevel].filter((one) => one !== '');
  const { fileFlushIntervalMs: flushMs, fileFlushMinSizeKb: flushKb } = proxyConfig;
  const isIpv6 = addresses[0]?.includes(':') === true;
  return [
    ...['-c', bootstrapPath, '--drain-time-s', String(proxyConfig.drainDurationS), '--drain-strategy', 'immediate'],
    ...['--local-address-ip-version', isIpv6 ? 'v6' : 'v4', '--file-flush-interval-msec', String(flushMs)],
    ...(flushKb === null ? [] : ['--file-flush-min-size-kb', String(flushKb)]),
    ...['--disable-hot-restart', '--allow-unknown-static-fields', '--skip-deprecated-logs'],
    ...['-l', isPlain ? level : 'warning'],
    ...(components.length > 0 ? ['--component-log-level', components.join(',')] : []),
    ...(concurrency === null ? [] : ['--concurrency', String(concurrency)]),
  ];
}
