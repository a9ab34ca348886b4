// Statistics in order of their names, a piece at a time: no step takes longer than a caller can afford.
import type { Stat, StatGroup, StatKinds, StatSource } from './metrics.ts';

/** Comparisons, or statistics, between two chances to pause. */
const STEP = 500;

/** Sorts a copy by merging; yields between steps and returns the result. */
export function* sortInSteps<T>(items: readonly T[], compare: (a: T, b: T) => number): Generator<void, T[]> {
  let from = items.slice();
  let steps = 0;
  // Short runs are sorted whole.
  const run = 32;
  for (let at = 0; at < from.length; at += run) {
    const part = from.slice(at, at + run).sort(compare);
    for (let i = 0; i < part.length; i++) from[at + i] = part[i] as T;
    if ((steps += run * 4) >= STEP) {
      steps = 0;
      yield;
    }
  }
  for (let width = run; width < from.length; width *= 2) {
    const to: T[] = [];
    for (let start = 0; start < from.length; start += 2 * width) {
      const middle = Math.min(start + width, from.length);
      const end = Math.min(start + 2 * width, from.length);
      let a = start;
      let b = middle;
      while (a < middle || b < end) {
        if (b >= end || (a < middle && compare(from[a] as T, from[b] as T) <= 0)) to.push(from[a++] as T);
        else to.push(from[b++] as T);
        if (++steps >= STEP) {
          steps = 0;
          yield;
        }
      }
    }
    from = to;
  }
  return from;
}

export function compareNames(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

type Block = { readonly prefix: string; readonly scope: StatGroup; readonly only: string | null };

/**
 * The statistics of a store in groups whose names follow each other; inside a group they are sorted too. Scopes are
 * ordered by prefix, and one group holds a scope with those below it ('cluster.a.', 'cluster.a.b.').
 */
export class OrderedStats {
  #blocks: readonly Block[] = [];

  /** Call it once, to the end, before `groups`. */
  *prepare(store: StatSource): Generator<void> {
    const blocks: Block[] = [];
    let steps = 0;
    for (const scope of store.scopes()) {
      if (++steps % STEP === 0) yield;
      if (scope.prefix !== '') blocks.push({ prefix: scope.prefix, scope, only: null });
      // Names of the root lie anywhere among the others.
      else for (const stat of scope.stats()) blocks.push({ prefix: stat.name, scope, only: stat.name });
    }
    const byPrefix = (a: Block, b: Block): number => (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0);
    this.#blocks = yield* sortInSteps(blocks, byPrefix);
  }

  /** Yields undefined where a pause is possible, else a group; statistics of one name are one, with summed values. */
  *groups(kinds: StatKinds, wanted: (stat: Stat) => boolean): Generator<readonly Stat[] | undefined> {
    const blocks = this.#blocks;
    for (let i = 0; i < blocks.length; ) {
      const { prefix } = blocks[i] as Block;
      const found: Stat[] = [];
      for (; i < blocks.length && (blocks[i] as Block).prefix.startsWith(prefix); i++) {
        const { scope, only } = blocks[i] as Block;
        let count = 0;
        for (const stat of scope.stats(kinds)) {
          if ((only === null || stat.name === only) && wanted(stat)) found.push(stat);
          if (++count % STEP === 0) yield undefined;
        }
      }
      if (found.length > 1) yield merged(yield* sortInSteps0(found));
      else yield found;
    }
  }
}

/** sortInSteps in a generator that yields groups. */
function* sortInSteps0(stats: Stat[]): Generator<undefined, Stat[]> {
  const sorting = sortInSteps(stats, compareNames);
  for (let step = sorting.next(); ; step = sorting.next()) {
    if (step.done === true) return step.value;
    yield undefined;
  }
}

/** Two scopes may hold a statistic of the same name; readers see one. */
function merged(stats: Stat[]): Stat[] {
  let to = 0;
  for (let i = 1; i < stats.length; i++) {
    const last = stats[to] as Stat;
    const stat = stats[i] as Stat;
    if (last.name !== stat.name || last.kind !== stat.kind) {
      stats[++to] = stat;
    } else if ((last.kind === 'counter' || last.kind === 'gauge') && 'value' in stat) {
      stats[to] = { ...last, value: last.value + stat.value, isUsed: last.isUsed || stat.isUsed };
    }
  }
  stats.length = to + 1;
  return stats;
}
