// One workload, gateway or program outside: its proxy, its program, and how both are.
import type { WorkloadHealth, WorkloadState } from '../../telemetry/mesh-report.ts';
import type { RunningProgram } from '../process/spawn.ts';
import type { Supervised } from '../process/supervised.ts';
import type { Usage } from '../process/usage.ts';
import { askSocket } from './probe.ts';
import type { Program, ProgramEvents } from './programs.ts';

export type UnitFacts = Pick<
  WorkloadHealth,
  'name' | 'workload' | 'namespace' | 'service' | 'version' | 'kind' | 'proxy'
>;

const SOON_MS = 50;
const LATER_MS = 2000;
/** So many failures in a row make a program that was ready not ready. */
const FAILURES = 3;

/** What a unit runs; it is told who hears of the runs. */
export type MakeProgram = (events: ProgramEvents) => Program;

export class Unit {
  readonly facts: UnitFacts;
  /** Null for programs outside of the mesh. */
  readonly proxy: Supervised | null;
  readonly #adminSocket: string;
  readonly #changed: () => void;
  /** Null for gateways, which are nothing but a proxy. */
  #program: Program | null;
  #isProxyReady = false;
  #isAppReady = false;
  #appReason = 'it was not asked yet';
  #failures = 0;
  #hasStarted = false;
  #isLeaving = false;
  #isOver = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    facts: UnitFacts,
    parts: { proxy: Supervised | null; program: MakeProgram | null; adminSocket: string; changed: () => void },
  ) {
    this.facts = facts;
    this.proxy = parts.proxy;
    this.#adminSocket = parts.adminSocket;
    this.#changed = parts.changed;
    this.#program = parts.program === null ? null : this.#make(parts.program);
  }

  get app(): Supervised | null {
    return this.#program?.app ?? null;
  }

  get isReady(): boolean {
    if (this.#isLeaving) return false;
    return (this.proxy === null || this.#isProxyReady) && (this.app === null || this.#isAppReady);
  }

  get isProxyReady(): boolean {
    return this.#isProxyReady;
  }

  get adminSocket(): string {
    return this.#adminSocket;
  }

  /** The program is started once its proxy is ready. */
  start(): void {
    void this.proxy?.start();
    if (this.proxy === null) this.#startApp();
    this.#look();
  }

  /** A run of either ended: what is asked next decides. */
  ended(which: 'proxy' | 'app'): void {
    if (which === 'proxy') this.#isProxyReady = false;
    else this.#isAppReady = false;
    this.#changed();
    this.#again(SOON_MS);
  }

  started(_program: RunningProgram): void {
    this.#again(SOON_MS);
  }

  health(usage: ReadonlyMap<number, Usage>): WorkloadHealth {
    const of = (one: Supervised | null): Usage => {
      const pid = one?.pid ?? null;
      return (pid === null ? undefined : usage.get(pid)) ?? { rssMb: 0, cpuSeconds: 0 };
    };
    const [app, proxy] = [of(this.app), of(this.proxy)];
    return {
      ...this.facts,
      state: this.#state(),
      reason: this.reason(),
      restarts: (this.app?.restarts ?? 0) + (this.proxy?.restarts ?? 0),
      isProxyReady: this.#isProxyReady,
      rssMb: app.rssMb,
      cpuSeconds: app.cpuSeconds,
      proxyRssMb: proxy.rssMb,
      proxyCpuSeconds: proxy.cpuSeconds,
    };
  }

  /** '' when it is ready. */
  reason(): string {
    if (this.isReady) return '';
    if (this.proxy !== null && !this.#isProxyReady)
      return `its proxy: ${this.proxy.trouble || 'it has no configuration yet'}`;
    return this.app?.trouble || this.#appReason;
  }

  /** Nobody is to be sent to it any more: what it has begun it ends. */
  leave(): void {
    this.#isLeaving = true;
    this.#changed();
  }

  /** Another program in the place of this one, beside the same proxy. */
  async replace(make: MakeProgram): Promise<void> {
    await this.#program?.app.stop();
    this.#program = this.#make(make);
    this.#isAppReady = false;
    this.#isLeaving = false;
    this.#failures = 0;
    this.#appReason = 'it was not asked yet';
    if (this.#isOver) return;
    if (this.#hasStarted) void this.#program.app.start();
    this.#changed();
    this.#again(SOON_MS);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    // Together: a program that waits for its connections to end would wait for the proxy, which drains.
    await Promise.all([this.app?.stop(), this.proxy?.stop()]);
  }

  #state(): WorkloadState {
    if (this.#isOver) return 'stopped';
    if (this.isReady) return 'ready';
    if ((this.app?.trouble ?? '') !== '' || (this.proxy?.trouble ?? '') !== '') return 'restarting';
    return this.#isAppReady || this.#failures > 0 ? 'not ready' : 'starting';
  }

  #make(make: MakeProgram): Program {
    return make({ started: (program) => this.started(program), ended: () => this.ended('app') });
  }

  #startApp(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    void this.app?.start();
  }

  #again(ms: number): void {
    if (this.#isOver) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), ms);
  }

  async #look(): Promise<void> {
    const wasReady = this.isReady;
    if (this.proxy?.pid != null) await this.#lookAtProxy();
    if (this.app?.pid != null) await this.#lookAtApp();
    if (this.#isOver) return;
    if (this.isReady !== wasReady) this.#changed();
    this.#again(this.isReady ? LATER_MS : SOON_MS);
  }

  async #lookAtProxy(): Promise<void> {
    const { status } = await askSocket(this.#adminSocket, '/ready');
    // Once it was ready it is so while it runs: one late answer is none.
    if (status === 0 && this.#isProxyReady) return;
    this.#isProxyReady = status === 200;
    if (this.#isProxyReady) this.#startApp();
  }

  async #lookAtApp(): Promise<void> {
    const program = this.#program;
    const reason = (await program?.probe()) ?? '';
    // What was asked may be another one by now.
    if (program !== this.#program) return;
    this.#appReason = reason;
    if (reason === '') {
      this.#failures = 0;
      this.#isAppReady = this.app?.pid != null;
    } else if (++this.#failures >= FAILURES) this.#isAppReady = false;
  }
}
