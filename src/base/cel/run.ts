// One evaluation, as the compiled parts of an expression pass it on.
import { CelError, type Result, type Value } from './values.ts';

/** Variables in their slots, what is left of the budget, and what attributes are read from. */
export type Run = {
  readonly slots: Value[];
  steps: number;
  source: unknown;
};

export type Eval = (run: Run) => Result;

/** Ends an evaluation whatever else is in it: the budget is checked once more at the end. */
export const STEPS_EXCEEDED = new CelError('operation cancelled: actual cost limit exceeded');
