// The proxy as a child of the agent: started once, drained, ended, and never left behind.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock, Timer } from '../../base/clock.ts';
import type { HttpOutcome } from '../../net/http-request.ts';
import type { AgentSettings, DrainSettings } from '../config/settings.ts';

export type ProxyExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type ProxyProcessParts = {
  readonly clock: Clock;
  readonly log: (level: 'info' | 'warning' | 'error', text: string) => void;
  /** Asks the proxy's admin interface. */
  readonly ask: (method: 'GET' | 'POST', path: string) => Promise<HttpOutcome | { readonly error: string }>;
  /** Called once, however it ended. */
  readonly onExit: (exit: ProxyExit) => void;
};

export type ProxyCommand = {
  readonly path: string;
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string | undefined>>;
};

/** Between questions whether connections are left. */
const CONNECTIONS_POLL_MS = 1000;
/** What a proxy may take to end by itself. */
const KILL_AFTER_MS = 5000;
const ACTIVE_CONNECTIONS = /^listener\.(.+)\.downstream_cx_active: (\d+)$/gm;

//  running ──drain()──► draining ──time, or no connection──► ending ──exit, or SIGKILL──► over
export class ProxyProcess {
  readonly #parts: ProxyProcessParts;
  readonly #command: ProxyCommand;
  readonly #timer: Timer;
  #child: ChildProcess | null = null;
  #isOver = false;
  #isDraining = false;

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
    const child = spawn(path, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...variables } });
    this.#child = child;
    child.once('error', (error) => {
      this.#parts.log('error', `${path} cannot be run: ${error.message}`);
      this.#exited({ code: 127, signal: null });
    });
    child.once('exit', (code, signal) => this.#exited({ code, signal }));
  }

  #exited(exit: ProxyExit): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer.disarm();
    this.#parts.onExit(exit);
  }

  /**
   * Asks it to take nothing new, waits for what is in progress, and ends it. Source: istio pkg/envoy, Agent.terminate.
   * `isSidecar`: what the workload itself still wants to say goes out until the end.
   */
  async drain(drain: DrainSettings, isSidecar: boolean): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    const { ask, log } = this.#parts;
    const which = isSidecar ? 'inboundonly&graceful' : 'graceful';
    const answer = await ask('POST', `/drain_listeners?${which}&skip_exit`);
    if ('error' in answer) log('warning', `the proxy was not asked to drain: ${answer.error}`);
    if (drain.exitsOnZeroConnections) await this.#waitForConnections(drain);
    else {
      log('info', `draining for ${drain.terminationMs} ms`);
      await this.#wait(drain.terminationMs);
    }
    this.stop();
  }

  /** As long as it takes; who asked for the end has a limit of their own. */
  async #waitForConnections({ minimumMs }: DrainSettings): Promise<void> {
    const { ask, log } = this.#parts;
    await this.#wait(minimumMs);
    while (!this.#isOver) {
      const answer = await ask('GET', '/stats?usedonly&filter=downstream_cx_active$');
      if ('error' in answer) return;
      const active = activeConnections(answer.body.toString('latin1'));
      log('info', `${active} connections are active`);
      if (active === 0) return;
      await this.#wait(CONNECTIONS_POLL_MS);
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.#parts;
      // Nobody but turns of the event loop keeps the clock up to date.
      clock.update();
      if (this.#isOver) resolve();
      else clock.timer(resolve as () => void, null).arm(ms);
    });
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

/** Those of listeners; the ones of probes and of administration do not count. Source: istio pkg/envoy. */
export function activeConnections(stats: string): number {
  let active = 0;
  for (const [, listener = '', count] of stats.matchAll(ACTIVE_CONNECTIONS)) {
    if (!/^admin$|_15(?:000|020|021|090)$|worker_|\.worker_/.test(listener)) active += Number(count);
  }
  return active;
}

/** Source: istio pkg/envoy, proxy.args. */
export function envoyArguments(settings: AgentSettings, bootstrapPath: string): readonly string[] {
  const { proxyConfig, concurrency, proxyLogLevel, proxyComponentLogLevel, addresses } = settings;
  const [level = 'warning', ...scopes] = proxyLogLevel.split(',');
  const isPlain = !level.includes(':');
  const components = [...(isPlain ? scopes : [level, ...scopes]), proxyComponentLogLevel].filter((one) => one !== '');
  const isIpv6 = addresses[0]?.includes(':') === true;
  return [
    ...['-c', bootstrapPath, '--drain-time-s', String(proxyConfig.drainDurationS), '--drain-strategy', 'immediate'],
    ...['--local-address-ip-version', isIpv6 ? 'v6' : 'v4', '--file-flush-interval-msec', '1000'],
    ...['--disable-hot-restart', '--allow-unknown-static-fields', '--skip-deprecated-logs'],
    ...['-l', isPlain ? level : 'warning'],
    ...(components.length > 0 ? ['--component-log-level', components.join(',')] : []),
    ...(concurrency === null ? [] : ['--concurrency', String(concurrency)]),
  ];
}
