// Draining: tells connections when to end, all at once or more and more of them over the drain time.
import type { Clock, Random } from '../../base/clock.ts';

export type DrainStrategy = 'gradual' | 'immediate';

/** One per process (and later per listener). Source: Envoy DrainManagerImpl. */
export class DrainManager {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #strategy: DrainStrategy;
  readonly #drainTimeMs: number;
  #startedMs = -1;
  #failedHealthCheck = false;

  constructor(clock: Clock, random: Random, strategy: DrainStrategy, drainTimeMs: number) {
    this.#clock = clock;
    this.#random = random;
    this.#strategy = strategy;
    this.#drainTimeMs = drainTimeMs;
  }

  get isDraining(): boolean {
    return this.#startedMs >= 0 || this.#failedHealthCheck;
  }

  /** `/healthcheck/fail`: connections end after their next answer. */
  set healthCheckFailed(failed: boolean) {
    this.#failedHealthCheck = failed;
  }

  get healthCheckFailed(): boolean {
    return this.#failedHealthCheck;
  }

  start(): void {
    if (this.#startedMs < 0) this.#startedMs = this.#clock.nowMs;
  }

  /** Whether the answer being written should be its connection's last. */
  shouldDrainClose(): boolean {
    if (this.#failedHealthCheck) return true;
    if (this.#startedMs < 0) return false;
    if (this.#strategy === 'immediate' || this.#drainTimeMs === 0) return true;
    const elapsed = this.#clock.nowMs - this.#startedMs;
    return elapsed >= this.#drainTimeMs || this.#random.below(this.#drainTimeMs) < elapsed;
  }
}
