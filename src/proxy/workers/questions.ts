// Questions to all workers: answered when everyone has, or when time is up, because a worker may hang or die.
import type { Clock, Timer } from '../../base/clock.ts';
import type { Seat } from './seat.ts';

/** How long an answer is waited for. */
const ANSWER_MS = 1_000;

type Question = { readonly waiting: Set<Seat>; readonly timer: Timer; readonly done: () => void };

export class Questions {
  readonly #clock: Clock;
  readonly #open = new Map<number, Question>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asks `seats` and returns; `done` is called once, later. `ask` sends the question under its number. */
  ask(
    seats: readonly Seat[],
    ask: (seat: Seat, id: number) => void,
    done: () => void,
    withinMs: number = ANSWER_MS,
  ): void {
    const id = this.#nextId++;
    const timer = this.#clock.timer(() => this.#close(id), null);
    timer.arm(withinMs);
    this.#open.set(id, { waiting: new Set(seats), timer, done });
    for (const seat of seats) ask(seat, id);
    if (seats.length === 0) this.#clock.defer(() => this.#close(id));
  }

  answered(id: number, seat: Seat): void {
    const question = this.#open.get(id);
    question?.waiting.delete(seat);
    if (question?.waiting.size === 0) this.#close(id);
  }

  /** A worker that is gone answers nothing any more. */
  gone(seat: Seat): void {
    for (const id of [...this.#open.keys()]) this.answered(id, seat);
  }

  #close(id: number): void {
    const question = this.#open.get(id);
    if (question === undefined) return;
    this.#open.delete(id);
    question.timer.disarm();
    question.done();
  }
}
