// Names with a deadline each, and one timer for all of them: first fetches that are waited for, resources that expire.
import type { Clock, Timer } from '../../base/clock.ts';

export class Deadlines {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #onOver: (names: readonly string[]) => void;
  /** Monotonic ms by name. */
  readonly #due = new Map<string, number>();

  constructor(clock: Clock, onOver: (names: readonly string[]) => void) {
    this.#clock = clock;
    this.#onOver = onOver;
    this.#timer = clock.timer(fire, this as Deadlines);
  }

  get size(): number {
    return this.#due.size;
  }

  set(name: string, delayMs: number): void {
    const dueMs = this.#clock.nowMs + delayMs;
    this.#due.set(name, dueMs);
    if (!this.#timer.isArmed || this.#clock.remainingMs(this.#timer) > delayMs) this.#timer.arm(delayMs);
  }

  /** A timer that fires for nothing is cheaper than a search for the next deadline. */
  clear(name: string): void {
    if (this.#due.delete(name) && this.#due.size === 0) this.#timer.disarm();
  }

  clearAll(): void {
    this.#due.clear();
    this.#timer.disarm();
  }

  /** For the timer. */
  fire(): void {
    const { nowMs } = this.#clock;
    const over: string[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [name, dueMs] of this.#due) {
      if (dueMs <= nowMs) over.push(name);
      else nextMs = Math.min(nextMs, dueMs);
    }
    for (const name of over) this.#due.delete(name);
    if (nextMs < Number.POSITIVE_INFINITY) this.#timer.arm(nextMs - nowMs);
    if (over.length > 0) this.#onOver(over);
  }
}

function fire(deadlines: Deadlines): void {
  deadlines.fire();
}
