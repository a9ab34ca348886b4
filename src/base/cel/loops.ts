// Macros that go over lists and the keys of maps.
import { type Eval, type Run, STEPS_EXCEEDED } from './run.ts';
import { type CelError, isError, isMap, keysOf, noOverload, type Result, type Value } from './values.ts';

/** `slot`: of the variable; `bodies`: what is said of each item, and for `map` with a condition what is made of it. */
export function loop(name: string, of: Eval, slot: number, bodies: readonly Eval[], maxItems: number): Eval {
  const [body, more] = bodies as [Eval, Eval?];
  const each = (run: Run, visit: (value: Result, item: Value) => Result | undefined): Result | undefined => {
    const range = of(run);
    if (isError(range)) return range;
    const items = itemsOf(range);
    if (items === null) return noOverload(name, range);
    for (let i = 0; i < items.length; i++) {
      if (i >= maxItems || --run.steps < 0) return STEPS_EXCEEDED;
      const item = items[i] as Value;
      run.slots[slot] = item;
      const stop = visit(body(run), item);
      if (stop !== undefined) return stop;
    }
    return undefined;
  };
  const noBoolean = (value: Result): CelError => (isError(value) ? value : noOverload(name, value));
  switch (name) {
    case 'all':
    case 'exists': {
      const decides = name === 'exists';
      return (run) => {
        // As '&&' and '||' over all items: an error counts only when no item decides.
        let error: CelError | null = null;
        const end = each(run, (value) => {
          if (value === decides) return decides;
          if (typeof value !== 'boolean') error ??= noBoolean(value);
          return undefined;
        });
        return end ?? error ?? !decides;
      };
    }
    case 'exists_one':
      return (run) => {
        let count = 0;
        const end = each(run, (value) => {
          if (typeof value !== 'boolean') return noBoolean(value);
          if (value) count++;
          return undefined;
        });
        return end ?? count === 1;
      };
    case 'filter':
      return (run) => {
        const kept: Value[] = [];
        const end = each(run, (value, item) => {
          if (typeof value !== 'boolean') return noBoolean(value);
          if (value) kept.push(item);
          return undefined;
        });
        return end ?? kept;
      };
    default:
      return (run) => {
        const made: Value[] = [];
        const end = each(run, (value) => {
          if (more !== undefined && typeof value !== 'boolean') return noBoolean(value);
          if (more !== undefined && value === false) return undefined;
          const result = more === undefined ? value : more(run);
          if (isError(result)) return result;
          made.push(result);
          return undefined;
        });
        return end ?? made;
      };
  }
}

function itemsOf(range: Value): readonly Value[] | null {
  if (Array.isArray(range)) return range as readonly Value[];
  return isMap(range) ? keysOf(range) : null;
}
