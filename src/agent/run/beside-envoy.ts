// The whole agent beside a stock Envoy: servers for it, the process itself, what is told of it, and its end.
import type { Clock } from '../../base/clock.ts';
import { askHttpOnce } from '../../net/http-request.ts';
import { Agent, type AgentParts } from '../agent.ts';
import { loopback, makeBootstrap } from '../bootstrap/bootstrap.ts';
import type { AgentSettings } from '../config/settings.ts';
import { drainProxy } from '../process/drain.ts';
import { envoyArguments, type ProxyExit, ProxyProcess } from '../process/proxy-process.ts';
import { type AskProxy, Readiness } from '../status/readiness.ts';
import { type RunningStatus, startStatus } from './status.ts';

export type BesideOptions = {
  readonly envoyPath: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** The proxy has ended, and nothing of the agent is left: with this status the process ends. */
  readonly onOver: (status: number) => void;
};

const ADMIN_TIMEOUT_MS = 3000;
const MAX_ADMIN_BYTES = 16 * 1024 * 1024;

/** Asks the admin interface of a proxy on this machine. */
export function askAdmin(settings: AgentSettings): AskProxy {
  const { adminSocket, ports } = settings;
  const where = {
    ...{ host: loopback(settings), port: ports.admin },
    ...(adminSocket === '' ? {} : { socketPath: adminSocket }),
  };
  return (method, path) =>
    askHttpOnce({ ...where, path, method, timeoutMs: ADMIN_TIMEOUT_MS, maxBytes: MAX_ADMIN_BYTES });
}

export class BesideEnvoy {
  readonly #settings: AgentSettings;
  readonly #parts: AgentParts;
  readonly #options: BesideOptions;
  readonly #clock: Clock;
  readonly #agent: Agent;
  readonly #readiness: Readiness;
  readonly #ask: AskProxy;
  #proxy: ProxyProcess | null = null;
  #status: RunningStatus | null = null;
  #isEnding = false;
  #isOver = false;

  constructor(settings: AgentSettings, parts: AgentParts, options: BesideOptions) {
    this.#settings = settings;
    this.#parts = parts;
    this.#options = options;
    this.#clock = parts.clock;
    this.#agent = new Agent(settings, parts);
    this.#ask = askAdmin(settings);
    this.#readiness = new Readiness(this.#ask);
  }

  /** A text says why not; then nothing is left running. */
  async start(): Promise<string | null> {
    const { engine, resolver, registry, log } = this.#parts;
    const agent = this.#agent;
    const settings = this.#settings;
    const problem = await agent.start();
    if (problem !== null) {
      agent.stop();
      return problem;
    }
    const status = await startStatus({
      ...{ settings, engine, resolver, registry, log, readiness: this.#readiness, metrics: agent.metrics },
      nameTable: () => agent.nameTable,
      reportHealth: (health) => agent.relay.reportHealth(health),
      onQuit: () => this.end(),
      onDrain: () => void this.#drain(),
    });
    if (typeof status === 'string') {
      agent.stop();
      return status;
    }
    this.#status = status;
    const { xdsSocket, sdsSocket } = agent;
    const path = agent.writeBootstrap(makeBootstrap(settings, { proxy: { kind: 'envoy' }, xdsSocket, sdsSocket }));
    const { envoyPath, variables } = this.#options;
    this.#proxy = new ProxyProcess(
      { path: envoyPath, args: envoyArguments(settings, path), variables },
      { clock: this.#clock, log, onExit: (exit) => this.#exited(exit) },
    );
    this.#proxy.start();
    return null;
  }

  /** Drains the proxy and ends it; when it is asked for again, at once. */
  end(): void {
    if (this.#isEnding) {
      this.#proxy?.stop();
      return;
    }
    this.#isEnding = true;
    if (this.#proxy === null) this.#exited({ code: 0, signal: null });
    else void this.#drain().then(() => this.#proxy?.stop());
  }

  /** For the last moment of the process. */
  kill(): void {
    this.#proxy?.kill();
  }

  #drain(): Promise<void> {
    const { log } = this.#parts;
    this.#readiness.isDraining = true;
    const { proxyPrometheus, proxyStatus } = this.#settings.ports;
    const ownPorts = [proxyPrometheus, proxyStatus];
    const parts = { clock: this.#clock, ask: this.#ask, log, ownPorts, isOver: () => this.#isOver };
    return drainProxy(parts, this.#settings.drain, this.#settings.role === 'sidecar');
  }

  #exited({ code, signal }: ProxyExit): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const how = signal === null ? `with status ${code}` : `by ${signal}`;
    this.#parts.log(this.#isEnding ? 'info' : 'error', `the proxy ended ${how}`);
    this.#status?.close();
    this.#agent.stop();
    this.#options.onOver(this.#isEnding ? 0 : code === null || code === 0 ? 1 : code);
  }
}
