// Whether the application is well, as ProxyConfig's readinessProbe asks it; the control plane is told of changes.
import type { Clock, Timer } from '../../base/clock.ts';
import type { Health } from '../relay/own-types.ts';
import { type ProbeJson, readProbe } from './app-probers.ts';
import { type Probe, type ProbeParts, runProbe } from './probe.ts';

export type WorkloadHealthConfig = {
  readonly probe: Probe;
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successes: number;
  readonly failures: number;
};

/** Source: istio pkg/istio-agent/health, fillInDefaults. */
export function readWorkloadHealth(json: Readonly<Record<string, unknown>>): WorkloadHealthConfig | string {
  const probe = readProbe(json as ProbeJson);
  if (typeof probe === 'string') return `readinessProbe: ${probe}`;
  const number = (name: string, otherwise: number): number => Number(json[name] ?? 0) || otherwise;
  return {
    probe: 'host' in probe && probe.host === '' ? { ...probe, host: 'localhost' } : probe,
    initialDelayMs: number('initialDelaySeconds', 0) * 1000,
    periodMs: number('periodSeconds', 10) * 1000,
    timeoutMs: number('timeoutSeconds', 1) * 1000,
    successes: number('successThreshold', 1),
    failures: number('failureThreshold', 1),
  };
}

export type WorkloadHealthParts = ProbeParts & {
  readonly clock: Clock;
  /** Null: the proxy is ready, without which the application counts for nothing. */
  readonly proxyProblem: () => Promise<string | null>;
  readonly report: (health: Health) => void;
};

/** Told at first when it is well, then with each change. */
export class WorkloadHealth {
  readonly #config: WorkloadHealthConfig;
  readonly #parts: WorkloadHealthParts;
  readonly #timer: Timer;
  #isHealthy = false;
  #successes = 0;
  #failures = 0;
  #isClosed = false;

  constructor(config: WorkloadHealthConfig, parts: WorkloadHealthParts) {
    this.#config = config;
    this.#parts = parts;
    this.#timer = parts.clock.timer((health: WorkloadHealth) => void health.#check(), this);
    parts.clock.update();
    this.#timer.arm(config.initialDelayMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.disarm();
  }

  async #check(): Promise<void> {
    const { probe, timeoutMs, periodMs } = this.#config;
    let problem = await this.#parts.proxyProblem();
    if (problem === null) {
      const { status, reason } = await runProbe(probe, this.#parts, timeoutMs);
      problem = status >= 200 && status < 400 ? null : reason;
    }
    if (this.#isClosed) return;
    this.#note(problem);
    this.#parts.clock.update();
    this.#timer.arm(periodMs);
  }

  #note(problem: string | null): void {
    const { successes, failures } = this.#config;
    this.#successes = problem === null ? this.#successes + 1 : 0;
    this.#failures = problem === null ? 0 : this.#failures + 1;
    const turned = this.#isHealthy ? this.#failures === failures : this.#successes === successes;
    if (!turned) return;
    this.#isHealthy = !this.#isHealthy;
    const health = { isHealthy: this.#isHealthy, message: problem ?? '' };
    this.#parts.engine.run(() => this.#parts.report(health));
  }
}
