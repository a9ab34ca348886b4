// Long work in small steps between turns of the event loop.
import type { Clock } from './clock.ts';

/** Milliseconds of one slice: what is on its way meanwhile is so much later. One step may take longer. */
const SLICE_MS = 0.3;

/** Runs a generator to its end, a slice at a time, from the next turn of the event loop on. */
export function runInSlices<T>(
  { clock }: { readonly clock: Clock },
  work: Generator<void, T>,
  done: (result: T) => void,
): void {
  const slice = (): void => {
    const until = clock.update() + SLICE_MS;
    do {
      const step = work.next();
      if (step.done !== true) continue;
      done(step.value);
      return;
    } while (clock.update() < until);
    clock.defer(slice);
  };
  clock.defer(slice);
}
