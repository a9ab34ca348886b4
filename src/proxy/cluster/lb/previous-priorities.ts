// Retries leave the priorities that were tried: what envoy.retry_priorities.previous_priorities does for one request.
import type { Host } from '../cluster.ts';
import type { PriorityAvailability, PriorityLoad } from '../priority-set.ts';

type Shares = Pick<PriorityLoad, 'healthy' | 'degraded'>;

/** Source: Envoy PreviousPrioritiesRetryPriority. */
export class PreviousPriorities {
  readonly #updateFrequency: number;
  #attempted: Host[] = [];
  #excluded: boolean[] = [];
  #shares: Shares | null = null;

  /** After so many attempts, and after as many more, what was tried is left out. */
  constructor(updateFrequency: number) {
    this.#updateFrequency = updateFrequency;
  }

  noteAttempt(host: Host): void {
    this.#attempted.push(host);
  }

  adjust(availability: PriorityAvailability, original: Shares): Shares {
    const count = this.#attempted.length;
    if (count < this.#updateFrequency) return original;
    if (count % this.#updateFrequency === 0) {
      for (const { priority } of this.#attempted) if (priority !== undefined) this.#excluded[priority] = true;
      const shares = this.#share(availability);
      if (shares === null) return original;
      this.#shares = shares;
    }
    return this.#shares ?? original;
  }

  /** Null when nothing is available at all. */
  #share(availability: PriorityAvailability): Shares | null {
    let left = this.#remaining(availability);
    if (left.total === 0) {
      // All have been tried: from the beginning.
      this.#excluded = [];
      this.#attempted = [];
      left = this.#remaining(availability);
    }
    return left.total === 0 ? null : distribute(left);
  }

  #remaining({ healthy, degraded }: PriorityAvailability): Remaining {
    const keep = (share: number, i: number): number => (this.#excluded[i] === true ? 0 : share);
    const left = { healthy: healthy.map(keep), degraded: degraded.map(keep) };
    const sum = [...left.healthy, ...left.degraded].reduce((a, b) => a + b, 0);
    return { ...left, total: Math.min(100, sum) };
  }
}

type Remaining = PriorityAvailability & { readonly total: number };

/** Each takes what it can, the first first; again for what rounding leaves. */
function distribute({ healthy, degraded, total }: Remaining): Shares {
  const shares = { healthy: healthy.map(() => 0), degraded: degraded.map(() => 0) };
  let load = 100;
  const give = (available: readonly number[], to: number[]): void => {
    for (const [i, share] of available.entries()) {
      const delta = Math.min(load, Math.floor((share * 100) / total));
      to[i] = (to[i] as number) + delta;
      load -= delta;
    }
  };
  while (load > 0) {
    give(healthy, shares.healthy);
    give(degraded, shares.degraded);
  }
  return shares;
}
