// The tap that the admin interface has attached, as the supervisor keeps it: told to all workers, heard from each.
import type { FromWorker } from './messages.ts';
import type { Questions } from './questions.ts';
import type { Seat } from './seat.ts';
import type { TapAnswer, TapAttachment, TookTrace } from './taps.ts';

/** Workers that hang are not waited for longer. */
const ATTACH_MS = 10_000;

export class CrewTaps {
  readonly #questions: Questions;
  readonly #seats: readonly Seat[];
  #tap: { readonly attachment: TapAttachment; readonly took: TookTrace; readonly answers: TapAnswer[] } | null = null;

  constructor(questions: Questions, seats: readonly Seat[]) {
    this.#questions = questions;
    this.#seats = seats;
  }

  /** For workers that start now. */
  get attachment(): TapAttachment | null {
    return this.#tap?.attachment ?? null;
  }

  attach(attachment: TapAttachment, took: TookTrace, done: (answers: readonly TapAnswer[]) => void): void {
    const answers: TapAnswer[] = [];
    this.#tap = { attachment, took, answers };
    const attach = (seat: Seat, id: number): void => seat.post({ kind: 'attach-tap', id, attachment });
    const serving = this.#seats.filter((seat) => seat.isServing);
    this.#questions.ask(serving, attach, () => done(answers), ATTACH_MS);
    // Those that are still starting find it in their mail.
    for (const seat of this.#seats) if (!seat.isServing) attach(seat, 0);
  }

  attached(seat: Seat, { id, answer }: Extract<FromWorker, { kind: 'tap-attached' }>): void {
    this.#tap?.answers.push(answer);
    this.#questions.answered(id, seat);
  }

  traced(seat: Seat, { number, piece }: Extract<FromWorker, { kind: 'trace' }>): void {
    const taken = (): void => seat.post({ kind: 'tap-taken', number, bytes: piece.length });
    if (this.#tap?.attachment.number === number) this.#tap.took(piece, taken);
  }

  detach(): void {
    this.#tap = null;
    for (const seat of this.#seats) seat.post({ kind: 'detach-tap' });
  }
}
