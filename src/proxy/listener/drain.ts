// Draining: tells connections when to end, all at once or more and more of them over the drain time.
import type { Clock, Random } from '../../base/clock.ts';

export type DrainStrategy = 'gradual' | 'immediate';

/** One per process, and one per listener below it. Source: Envoy DrainManagerImpl. */
export class DrainManager {
  readonly #parent: DrainManager | null;
  /** Of the process: knows of `/healthcheck/fail`, whatever follows its drain. */
  readonly #root: DrainManager;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #strategy: DrainStrategy;
  readonly #drainTimeMs: number;
  #startedMs = -1;
  #failedHealthCheck = false;

  constructor(
    clock: Clock,
    random: Random,
    strategy: DrainStrategy,
    drainTimeMs: number,
    parent: DrainManager | null = null,
    root: DrainManager | null = null,
  ) {
    this.#parent = parent;
    this.#root = root ?? this;
    this.#clock = clock;
    this.#random = random;
    this.#strategy = strategy;
    this.#drainTimeMs = drainTimeMs;
  }

  get isDraining(): boolean {
    return this.#startedMs >= 0 || this.#failedHealthCheck || this.#parent?.isDraining === true;
  }

  get drainTimeMs(): number {
    return this.#drainTimeMs;
  }

  /** A drain of its own below this one: `child.start()` drains a listener. */
  child(followsParent: boolean): DrainManager {
    const parent = followsParent ? this : null;
    return new DrainManager(this.#clock, this.#random, this.#strategy, this.#drainTimeMs, parent, this.#root);
  }

  /** `/healthcheck/fail`: connections end after their next answer. */
  set healthCheckFailed(failed: boolean) {
    this.#failedHealthCheck = failed;
  }

  get healthCheckFailed(): boolean {
    return this.#root.#failedHealthCheck;
  }

  start(): void {
    if (this.#startedMs < 0) this.#startedMs = this.#clock.nowMs;
  }

  /** Whether the answer being written should be its connection's last. */
  shouldDrainClose(): boolean {
    if (this.#failedHealthCheck || this.#parent?.shouldDrainClose() === true) return true;
    if (this.#startedMs < 0) return false;
    if (this.#strategy === 'immediate' || this.#drainTimeMs === 0) return true;
    const elapsed = this.#clock.nowMs - this.#startedMs;
    return elapsed >= this.#drainTimeMs || this.#random.below(this.#drainTimeMs) < elapsed;
  }
}
