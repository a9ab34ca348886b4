// Slow start: hosts that have just come get less of the load, and more of it as they stay.
import type { Clock } from '../../../base/clock.ts';
import type { Runtime } from '../../http/filter.ts';
import type { SlowStartConfig } from '../cluster-config.ts';
import type { HostEntry } from '../host.ts';

/**
 * Of the hosts of one cluster. Once all have stayed as long as the window is, nothing is scaled any more.
 * Source: Envoy EdfLoadBalancerBase::applySlowStartFactor, recalculateHostsInSlowStart.
 */
export class SlowStart {
  readonly #config: SlowStartConfig;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #runtime: Runtime;
  #latestMs = Number.NEGATIVE_INFINITY;

  constructor(config: SlowStartConfig, clock: Pick<Clock, 'nowMs'>, runtime: Runtime) {
    this.#config = config;
    this.#clock = clock;
    this.#runtime = runtime;
  }

  /** Some host is still starting. */
  get isOn(): boolean {
    return this.#clock.nowMs - this.#latestMs <= this.#config.windowMs;
  }

  /** Healthy hosts start when they are seen first. */
  see(hosts: readonly HostEntry[]): void {
    const now = this.#clock.nowMs;
    for (const host of hosts) {
      if (host.health !== 'HEALTHY') continue;
      host.healthySinceMs ??= now;
      const since = host.healthySinceMs;
      if (since > this.#latestMs && now - since <= this.#config.windowMs) this.#latestMs = since;
    }
  }

  /** How much of its weight a host has now, 0 to 1. */
  factorOf(host: HostEntry): number {
    const { windowMs, aggression, aggressionRuntimeKey, minWeight } = this.#config;
    const since = host.healthySinceMs;
    if (since === null || host.health !== 'HEALTHY') return 1;
    const age = this.#clock.nowMs - since;
    if (age >= windowMs) return 1;
    const share = Math.max(1, age) / windowMs;
    const power = this.#runtime.double(aggressionRuntimeKey, aggression);
    return Math.max(minWeight, power === 1 ? share : share ** (1 / power));
  }
}
