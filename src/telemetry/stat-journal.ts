// What a worker tells the supervisor of its statistics: which cells have which names, and what histograms got.
//
// The values themselves lie in shared memory, where the supervisor reads them; only names and histograms travel.
import type { Scope, StatSchema, StatStore } from './metrics.ts';
import type { TagList } from './tagged-name.ts';

/** One message holds about this many entries: neither side stalls over it. */
const PIECE = 500;

export type StatChange =
  | { readonly op: 'schema'; readonly schema: number; readonly source: StatSchema }
  | {
      readonly op: 'scope';
      readonly scope: number;
      readonly prefix: string;
      /** Absent: the statistics were given no tags. */
      readonly tags?: TagList;
      readonly schema: number;
      /** Its first cell; -1 when there was no room. */
      readonly base: number;
    }
  | {
      readonly op: 'cell';
      readonly scope: number;
      readonly name: string;
      readonly at: number;
      readonly isGauge: boolean;
      readonly isOnce: boolean;
    }
  | { readonly op: 'histogram'; readonly scope: number; readonly name: string; readonly number: number }
  | { readonly op: 'release'; readonly scope: number };

export type StatReport = {
  readonly changes: readonly StatChange[];
  /** scope, number, count of bins, bin, count, …, and the next histogram. */
  readonly histograms: readonly number[];
  /** Texts that differ from those last told: scope, number, text, …. */
  readonly texts: readonly (number | string)[];
  /** The last one of its request. */
  readonly isLast: boolean;
};

/** Kept by a store whose statistics another thread shows. */
export class StatJournal {
  #changes: StatChange[] = [];
  /** Called with the first change after a report. */
  onChange: (() => void) | null = null;
  readonly #schemas = new Map<StatSchema, number>();
  /** Cells freed since the last report, and before it: a reader may be in the middle of a dump. */
  #freed: [number, number][] = [];
  #freedBefore: [number, number][] = [];
  readonly #texts = new Map<Scope, string[]>();

  scopeMade(scope: Scope, base: number, tags: TagList | null): void {
    const { source } = scope.schema;
    let schema = this.#schemas.get(source);
    if (schema === undefined) {
      schema = this.#schemas.size;
      this.#schemas.set(source, schema);
      this.#add({ op: 'schema', schema, source });
    }
    const made = { op: 'scope', scope: scope.id, prefix: scope.prefix, schema, base } as const;
    this.#add(tags === null ? made : { ...made, tags });
  }

  cellMade(scope: Scope, name: string, at: number, isGauge: boolean, isOnce: boolean): void {
    this.#add({ op: 'cell', scope: scope.id, name, at, isGauge, isOnce });
  }

  histogramNamed(scope: Scope, name: string, number: number): void {
    this.#add({ op: 'histogram', scope: scope.id, name, number });
  }

  scopeReleased(scope: Scope): void {
    this.#texts.delete(scope);
    this.#add({ op: 'release', scope: scope.id });
  }

  #add(change: StatChange): void {
    if (this.#changes.push(change) === 1) this.onChange?.();
  }

  cellsFreed(at: number, length: number): void {
    this.#freed.push([at, length]);
  }

  /**
   * What happened since the last report, a piece at a time; `withHistograms` also takes what histograms recorded.
   * Cells that were freed before the last report may be used again afterwards, unless nobody asked for this one.
   */
  *report(store: StatStore, withHistograms: boolean, isAsked = true): Generator<StatReport> {
    if (isAsked) {
      store.reuse(this.#freedBefore);
      this.#freedBefore = this.#freed;
      this.#freed = [];
    }
    while (this.#changes.length > PIECE) {
      yield { changes: this.#changes.splice(0, PIECE), histograms: [], texts: [], isLast: false };
    }
    let histograms: number[] = [];
    if (withHistograms) {
      let visited = 0;
      for (const scope of [...store.scopes()]) {
        takeHistograms(scope, histograms);
        if (++visited % PIECE !== 0 && histograms.length < PIECE * 8) continue;
        // Traffic goes on between two pieces: what is new comes before what was recorded in it.
        yield { changes: this.#takeChanges(), histograms, texts: [], isLast: false };
        histograms = [];
      }
    }
    const texts = this.#changedTexts(store);
    yield { changes: this.#takeChanges(), histograms, texts, isLast: true };
  }

  #takeChanges(): StatChange[] {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  #changedTexts(store: StatStore): (number | string)[] {
    const changed: (number | string)[] = [];
    for (const scope of store.scopes()) {
      if (scope.texts === null) continue;
      const told = this.#texts.get(scope) ?? [];
      for (let number = 0; number < scope.texts.length; number++) {
        const text = scope.texts[number];
        if (text === undefined || text === told[number]) continue;
        told[number] = text;
        changed.push(scope.id, number, text);
      }
      this.#texts.set(scope, told);
    }
    return changed;
  }
}

function takeHistograms(scope: Scope, into: number[]): void {
  const { histograms } = scope;
  if (histograms === null || scope.references === 0) return;
  for (let number = 0; number < histograms.length; number++) {
    const bins = histograms[number]?.take() ?? null;
    if (bins !== null) into.push(scope.id, number, bins.length / 2, ...bins);
  }
}
