// The hosts that a request was sent to, and their priorities, as its retry policy wants them avoided.
import type { Host } from '../../../cluster/cluster.ts';
import { PreviousPriorities } from '../../../cluster/lb/previous-priorities.ts';
import type { RetryPolicy } from '../../../route/route.ts';

export type { PreviousPriorities };

export class Tried {
  readonly #priorities: PreviousPriorities | null;
  readonly #hosts: Host[] | null;
  readonly #omits: RetryPolicy['omits'];

  constructor({ avoidPreviousHosts, previousPriorities, omits }: RetryPolicy) {
    this.#omits = omits;
    this.#hosts = avoidPreviousHosts ? [] : null;
    this.#priorities = previousPriorities === 0 ? null : new PreviousPriorities(previousPriorities);
  }

  /** Which priorities the next attempt leaves out, if the policy wants that. */
  note(host: Host): PreviousPriorities | null {
    this.#hosts?.push(host);
    this.#priorities?.noteAttempt(host);
    return this.#priorities;
  }

  includes(host: Host): boolean {
    return this.#hosts?.includes(host) === true || this.#omits?.(host) === true;
  }
}
