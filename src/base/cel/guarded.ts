// Libraries that throw what they cannot find out, for an engine in which errors are values.
import type { Functions, Overload } from './dialect.ts';
import { CelError, EvaluationError } from './values.ts';

/** Turns EvaluationErrors that the functions throw into values. */
export function guardedFunctions(functions: Functions): Functions {
  return Object.fromEntries(
    Object.entries(functions).map(([name, [min, max, apply]]): [string, Overload] => [
      name,
      [
        min,
        max,
        (...args) => {
          try {
            return apply(...args);
          } catch (error) {
            if (error instanceof EvaluationError) return new CelError(error.message);
            throw error;
          }
        },
      ],
    ]),
  );
}
