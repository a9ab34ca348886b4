// When changes take effect: the first after quiet at once, followers once they pause, and never later than a limit.
import type { Clock, Timer } from '../../base/clock.ts';

export type DebounceTimes = {
  /** Followers wait until nothing has come for so long. Source: istiod, PILOT_DEBOUNCE_AFTER. */
  readonly quietMs: number;
  /** … but no longer than this. Source: istiod, PILOT_DEBOUNCE_MAX. */
  readonly mostMs: number;
};

export const DEFAULT_DEBOUNCE: DebounceTimes = Object.freeze({ quietMs: 100, mostMs: 10_000 });

/** Reasons of one run that are kept by name; more are counted only. */
const MAX_REASONS = 1000;

export type DebouncedRun = {
  readonly reasons: readonly string[];
  readonly changes: number;
  /** When the first of them came. */
  readonly sinceMs: number;
};

//  quiet ──change──► run at once ──► busy ──change──► waiting ──quiet for quietMs, or mostMs over──► run ──► busy
//    ▲                                │ quietMs without a change                                              │
//    └────────────────────────────────┴───────────────────────────────────────────────────────────────────────┘
export class Debounce {
  readonly #clock: Clock;
  readonly #times: DebounceTimes;
  readonly #run: (run: DebouncedRun) => void;
  readonly #timer: Timer;
  #reasons = new Set<string>();
  #changes = 0;
  #sinceMs = 0;
  #lastRunMs = Number.NEGATIVE_INFINITY;
  #isRunSoon = false;

  constructor(clock: Clock, run: (run: DebouncedRun) => void, times: DebounceTimes = DEFAULT_DEBOUNCE) {
    this.#clock = clock;
    this.#run = run;
    this.#times = times;
    this.#timer = clock.timer(fire, this as Debounce);
  }

  /** Something has changed; `reason` is for people (the object's key). */
  change(reason: string): void {
    const { nowMs } = this.#clock;
    const isFirst = this.#changes++ === 0;
    if (isFirst) this.#sinceMs = nowMs;
    if (this.#reasons.size < MAX_REASONS) this.#reasons.add(reason);
    if (this.#isRunSoon) return;
    const { quietMs, mostMs } = this.#times;
    if (isFirst && nowMs - this.#lastRunMs >= quietMs) {
      // What else this turn brings belongs to it.
      this.#isRunSoon = true;
      this.#clock.defer(() => this.fire());
      return;
    }
    this.#timer.arm(Math.max(0, Math.min(quietMs, this.#sinceMs + mostMs - nowMs)));
  }

  /** For the timer: runs with what has come. */
  fire(): void {
    this.#isRunSoon = false;
    this.#timer.disarm();
    if (this.#changes === 0) return;
    const run = { reasons: [...this.#reasons], changes: this.#changes, sinceMs: this.#sinceMs };
    this.#reasons = new Set();
    this.#changes = 0;
    this.#lastRunMs = this.#clock.nowMs;
    this.#run(run);
  }

  stop(): void {
    this.#timer.disarm();
    this.#changes = 0;
  }
}

function fire(debounce: Debounce): void {
  debounce.fire();
}
