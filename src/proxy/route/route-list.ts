// Routes in their order, compiled: the first that matches a request.
import { type StringTest, unionOf } from '../../base/regex.ts';
import type { Condition, MatchView } from './match-view.ts';
import type { PathMatch } from './path-match.ts';
import type { Route } from './route.ts';
import type { RouteChoice } from './weighted-clusters.ts';

/** One route of a virtual host: requirements and what it leads to. */
export type RouteEntry = {
  readonly path: PathMatch;
  readonly conditions: readonly Condition[] | null;
  readonly choice: RouteChoice;
};

/** From this many exact paths in a row a hash table takes the place of comparing one by one. */
const MIN_EXACT_RUN = 8;

/** From this many regexes in a row, and for at most so many, one test tells first whether any of them can match. */
const MIN_REGEX_RUN = 4;
const MAX_REGEX_RUN = 32;

/** A run of routes: exact paths by hash, regexes behind a common test, or anything one by one. */
type Segment = {
  readonly exact: ReadonlyMap<string, readonly RouteEntry[]> | null;
  readonly entries: readonly RouteEntry[];
  readonly filter: StringTest | null;
};

export class RouteList {
  readonly #segments: readonly Segment[];

  constructor(entries: readonly RouteEntry[]) {
    this.#segments = segmentsOf(entries);
  }

  match(view: MatchView): Route | null {
    const segments = this.#segments;
    for (let s = 0; s < segments.length; s++) {
      const segment = segments[s] as Segment;
      if (segment.filter !== null && !segment.filter.matches(view.bare)) continue;
      const entries = segment.exact === null ? segment.entries : segment.exact.get(view.bare);
      if (entries === undefined) continue;
      for (let i = 0; i < entries.length; i++) {
        const { path, conditions, choice } = entries[i] as RouteEntry;
        if (!path.matches(view)) continue;
        if (conditions !== null && !allHold(conditions, view)) continue;
        const route = choice.pick(view.headers, view.context);
        if (route !== null) return route;
      }
    }
    return null;
  }
}

function allHold(conditions: readonly Condition[], view: MatchView): boolean {
  for (let i = 0; i < conditions.length; i++) if (!(conditions[i] as Condition).holds(view)) return false;
  return true;
}

type RunKind = 'exact' | 'regex' | 'other';

function kindOf({ path }: RouteEntry): RunKind {
  if (path.kind === 'path' && path.caseSensitive) return 'exact';
  return path.kind === 'regex' ? 'regex' : 'other';
}

/** Cuts the routes into runs of one kind, in order; runs too short for a short cut go with their neighbours. */
function segmentsOf(entries: readonly RouteEntry[]): Segment[] {
  const segments: Segment[] = [];
  let plain: RouteEntry[] = [];
  const flush = (): void => {
    if (plain.length > 0) segments.push({ exact: null, filter: null, entries: plain });
    plain = [];
  };
  for (let at = 0; at < entries.length; ) {
    const kind = kindOf(entries[at] as RouteEntry);
    let end = at + 1;
    while (end < entries.length && kindOf(entries[end] as RouteEntry) === kind) end++;
    const run = entries.slice(at, end);
    at = end;
    if (kind === 'exact' && run.length >= MIN_EXACT_RUN) {
      flush();
      segments.push({ exact: exactTable(run), filter: null, entries: [] });
    } else if (kind === 'regex' && run.length >= MIN_REGEX_RUN) {
      flush();
      for (let from = 0; from < run.length; from += MAX_REGEX_RUN) {
        const some = run.slice(from, from + MAX_REGEX_RUN);
        const regexes = some.map(({ path }) => path.regex).filter((regex) => regex !== null);
        segments.push({ exact: null, filter: unionOf(regexes), entries: some });
      }
    } else plain.push(...run);
  }
  flush();
  return segments;
}

function exactTable(run: readonly RouteEntry[]): Map<string, RouteEntry[]> {
  const exact = new Map<string, RouteEntry[]>();
  for (const entry of run) {
    const same = exact.get(entry.path.literal);
    if (same === undefined) exact.set(entry.path.literal, [entry]);
    else same.push(entry);
  }
  return exact;
}
