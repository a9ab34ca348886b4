// Statistics: schemas of names declared once per kind, scopes of numeric cells, full names made only when dumped.
import { Histogram } from './histogram.ts';
import type { StatJournal } from './stat-journal.ts';
import { nameWithTags, type Tag, type TaggedName, type TagList, tagsOf } from './tagged-name.ts';

/** What every worker counts alike, as the members of a cluster, is of a kind '…-once': it is shown once, not summed. */
export type StatKind =
  | 'counter'
  | 'counter-once'
  | 'gauge'
  | 'gauge-once'
  | 'histogram'
  | 'histogram-percent'
  | 'text-readout';
export type StatSchema = Readonly<Record<string, StatKind>>;

/** One statistic as dumps see it. `tagged`: of one that was given its tags; those of others are found in the name. */
export type Stat = { readonly name: string; readonly isUsed: boolean; readonly tagged?: TaggedName } & (
  | { readonly kind: 'counter' | 'gauge'; readonly value: number }
  | { readonly kind: 'text-readout'; readonly text: string }
  | { readonly kind: 'histogram'; readonly histogram: Histogram }
);

/** Statistics under one prefix, as dumps read them. */
export type StatGroup = { readonly prefix: string; stats(kinds?: StatKinds): Iterable<Stat> };

/** Where dumps read: the store of one thread, or the sum of several. */
export type StatSource = { scopes(): Iterable<StatGroup> };

/** Says whether a statistic is wanted at all (stats_matcher); asked once per statistic when its scope is made. */
export type StatFilter = (fullName: string) => boolean;

/**
 * Cells of a store: one growable shared memory, so that a cell's number is good for all of it however it grows.
 * Reserved address space only; pages are touched as cells are handed out.
 */
const MAX_CELLS = 8 * 1024 * 1024;
const FIRST_CELLS = 4096;
/** What a cell holds before anybody wrote to it; `0` after a write, so "used" needs no flag of its own. */
const UNUSED = -0;
const NO_CELLS = new Float64Array(0);

/** A schema with the number of each name; made once per schema object. */
export type CompiledSchema = {
  readonly source: StatSchema;
  readonly i: Readonly<Record<string, number>>;
  /** Counters and gauges in order of their cells. */
  readonly cellNames: readonly string[];
  readonly isGauge: readonly boolean[];
  readonly isOnce: readonly boolean[];
  readonly histogramNames: readonly string[];
  readonly isPercent: readonly boolean[];
  readonly textNames: readonly string[];
};
const compiledSchemas = new WeakMap<StatSchema, CompiledSchema>();

/** The cells of one schema under one prefix. `i` maps a stat's name to its cell's number, resolved at config time. */
export class Scope implements StatGroup {
  /** Of this store, never used again. */
  readonly id: number;
  /** With its final dot; '' for the root. */
  readonly prefix: string;
  /** What all its statistics are tagged with; null: their tags are found in their names. */
  readonly tags: readonly Tag[] | null;
  /** For the store only: by what it finds the scope. */
  readonly key: string;
  readonly i: Readonly<Record<string, number>>;
  readonly store: StatStore;
  /** For the store only. */
  readonly schema: CompiledSchema;
  cells: Float64Array;
  base: number;
  references = 1;
  histograms: (Histogram | undefined)[] | null = null;
  texts: string[] | null = null;
  /** Statistics outside the schema. */
  extra: Extra | null = null;
  /** Names that the stats matcher rejected; null when none. */
  rejected: Set<string> | null = null;

  constructor(
    store: StatStore,
    id: number,
    name: ScopeName,
    schema: CompiledSchema,
    cells: Float64Array,
    base: number,
  ) {
    this.id = id;
    this.store = store;
    this.prefix = name.prefix;
    this.tags = name.tags === null ? null : tagsOf(name.tags);
    this.key = name.key;
    this.schema = schema;
    this.i = schema.i;
    this.cells = cells;
    this.base = base;
  }

  inc(cell: number): void {
    this.cells[this.base + cell]! += 1;
  }

  dec(cell: number): void {
    this.cells[this.base + cell]! -= 1;
  }

  add(cell: number, n: number): void {
    this.cells[this.base + cell]! += n;
  }

  set(cell: number, value: number): void {
    this.cells[this.base + cell] = value;
  }

  value(cell: number): number {
    return (this.cells[this.base + cell] ?? 0) + 0;
  }

  /** Records into the histogram whose number the schema gave. Units by name: *_ms and *_time ms, *_size bytes. */
  record(histogram: number, value: number): void {
    const made = this.histograms?.[histogram];
    if (made !== undefined) made.record(value);
    else this.store.makeHistogram(this, histogram).record(value);
  }

  setText(text: number, value: string): void {
    this.texts ??= [];
    this.texts[text] = value;
  }

  text(text: number): string {
    return this.texts?.[text] ?? '';
  }

  /** A counter outside the schema, made at first use ('upstream_rq_200'); returns its cell. */
  dynamicCounter(name: string): number {
    return this.extra?.cells.get(name) ?? this.store.makeCell(this, name, false);
  }

  dynamicGauge(name: string): number {
    return this.extra?.cells.get(name) ?? this.store.makeCell(this, name, true);
  }

  /** A gauge that all workers set alike. */
  dynamicGaugeOnce(name: string): number {
    return this.extra?.cells.get(name) ?? this.store.makeCell(this, name, true, true);
  }

  dynamicHistogram(name: string): number {
    return this.extra?.histograms.get(name) ?? this.store.nameHistogram(this, name);
  }

  stats(kinds?: StatKinds): Iterable<Stat> {
    return statsOf(this, kinds);
  }

  /** Gives the cells back; the stats disappear from dumps. A scope that was asked for twice is released twice. */
  release(): void {
    this.store.releaseScope(this);
  }
}

type ScopeName = { readonly prefix: string; readonly tags: TagList | null; readonly key: string };

/** The scope of a schema: `i` has the number of each of its names. */
export type ScopeOf<S extends StatSchema> = Scope & { readonly i: { readonly [name in keyof S]: number } };

/** What a scope has beyond its schema. */
type Extra = {
  readonly cells: Map<string, number>;
  readonly gauges: Set<string>;
  readonly histograms: Map<string, number>;
};

export class StatStore implements StatSource {
  /** The cells, for other threads to read. */
  readonly memory: SharedArrayBuffer;
  #cells: Float64Array;
  #next = 0;
  /** Free ranges by their length. */
  readonly #freeRanges = new Map<number, number[]>();
  readonly #scopes = new Map<string, Map<CompiledSchema, Scope>>();
  readonly #histograms = new Set<Histogram>();
  #filter: StatFilter | null = null;
  #overflows = 0;
  #nextId = 0;
  /** Tells another thread what there is; null where nobody else reads. */
  readonly #journal: StatJournal | null;

  constructor(options: { filter?: StatFilter; maxCells?: number; journal?: StatJournal } = {}) {
    this.#journal = options.journal ?? null;
    const maxCells = options.maxCells ?? MAX_CELLS;
    const cells = Math.min(FIRST_CELLS, maxCells);
    this.memory = new SharedArrayBuffer(cells * 8, { maxByteLength: maxCells * 8 });
    this.#cells = new Float64Array(this.memory, 0, cells);
    this.#filter = options.filter ?? null;
  }

  /** Sets the stats matcher, also for what exists already. */
  setFilter(filter: StatFilter | null): void {
    this.#filter = filter;
    for (const scope of this.scopes()) scope.rejected = filter === null ? null : rejectedNames(scope, filter);
  }

  /**
   * Returns the scope of a schema under a prefix. Asking again for the same pair gives the same cells: listeners of one
   * stat_prefix count together, and a new version of a cluster goes on counting where the old one was.
   */
  scope<S extends StatSchema>(prefix: string, schema: S): ScopeOf<S> {
    const clean = sanitizePrefix(prefix);
    return this.#scope({ prefix: clean, tags: null, key: clean }, schema);
  }

  /**
   * As `scope`, of statistics that all have these tags: name, value, name, value, … in the order in which they are
   * shown. The tags follow the names.
   */
  taggedScope<S extends StatSchema>(prefix: string, tags: TagList, schema: S): ScopeOf<S> {
    return this.#scope({ prefix, tags, key: `${prefix}\0${tags.join('\0')}` }, schema);
  }

  #scope<S extends StatSchema>(name: ScopeName, schema: S): ScopeOf<S> {
    const compiled = compileSchema(schema);
    let bySchema = this.#scopes.get(name.key);
    if (bySchema === undefined) {
      bySchema = new Map();
      this.#scopes.set(name.key, bySchema);
    }
    let scope = bySchema.get(compiled);
    if (scope === undefined) {
      const base = this.#allocate(compiled.cellNames.length);
      scope = new Scope(this, this.#nextId++, name, compiled, base < 0 ? NO_CELLS : this.#cells, Math.max(base, 0));
      this.#journal?.scopeMade(scope, base, name.tags);
      if (this.#filter !== null) scope.rejected = rejectedNames(scope, this.#filter);
      bySchema.set(compiled, scope);
    } else {
      scope.references++;
    }
    return scope as ScopeOf<S>;
  }

  /** Ends the interval of all histograms; the supervisor calls it every stats_flush_interval. */
  flush(): void {
    for (const histogram of this.#histograms) histogram.flush();
  }

  resetCounters(): void {
    for (const scope of this.scopes()) {
      const { isGauge } = scope.schema;
      for (let cell = 0; cell < isGauge.length; cell++) if (!isGauge[cell]) this.#reset(scope, cell);
      const extra = scope.extra;
      if (extra !== null) for (const [name, cell] of extra.cells) if (!extra.gauges.has(name)) this.#reset(scope, cell);
    }
  }

  /** How often the arena had no room: those statistics are not kept. */
  get overflows(): number {
    return this.#overflows;
  }

  /** Bytes of cells in use or free for reuse. */
  get cellBytes(): number {
    return this.#next * 8;
  }

  *scopes(): Generator<Scope> {
    for (const bySchema of this.#scopes.values()) yield* bySchema.values();
  }

  /** The value of a counter or gauge by its full name; sums scopes that share it. For tests and rare readers. */
  find(fullName: string): number | undefined {
    let sum: number | undefined;
    for (const stat of this.#named(fullName)) {
      if (stat.kind === 'counter' || stat.kind === 'gauge') sum = (sum ?? 0) + stat.value;
    }
    return sum;
  }

  findHistogram(fullName: string): Histogram | undefined {
    for (const stat of this.#named(fullName)) if (stat.kind === 'histogram') return stat.histogram;
    return undefined;
  }

  *#named(fullName: string): Generator<Stat> {
    for (const scope of this.scopes()) {
      if (!fullName.startsWith(scope.prefix)) continue;
      for (const stat of statsOf(scope)) if (stat.name === fullName) yield stat;
    }
  }

  /** For Scope: makes the histogram with that number. */
  makeHistogram(scope: Scope, index: number): Histogram {
    const { histogramNames, isPercent } = scope.schema;
    let name = histogramNames[index];
    if (name === undefined && scope.extra !== null) {
      for (const [extraName, number] of scope.extra.histograms) if (number === index) name = extraName;
    }
    const histogram = new Histogram(name ?? '', isPercent[index] ?? false);
    if (scope.references === 0) return histogram;
    scope.histograms ??= [];
    while (scope.histograms.length < index) scope.histograms.push(undefined);
    scope.histograms[index] = histogram;
    if (name !== undefined && scope.rejected?.has(name) !== true) this.#histograms.add(histogram);
    return histogram;
  }

  /** For Scope: gives a name outside the schema a cell. */
  makeCell(scope: Scope, name: string, isGauge: boolean, isOnce = false): number {
    const known = scope.i[name];
    if (known !== undefined && scope.schema.cellNames[known] === name) return known;
    const at = scope.references === 0 ? -1 : this.#allocate(1);
    if (at < 0) return MAX_CELLS;
    scope.cells = this.#cells;
    scope.extra ??= { cells: new Map(), gauges: new Set(), histograms: new Map() };
    scope.extra.cells.set(name, at - scope.base);
    if (isGauge) scope.extra.gauges.add(name);
    this.#journal?.cellMade(scope, name, at, isGauge, isOnce);
    if (this.#filter !== null && !this.#filter(fullName(scope, name))) {
      scope.rejected ??= new Set();
      scope.rejected.add(name);
    }
    return at - scope.base;
  }

  /** For Scope: gives a histogram outside the schema a number. */
  nameHistogram(scope: Scope, name: string): number {
    const known = scope.schema.histogramNames.indexOf(name);
    if (known >= 0) return known;
    scope.extra ??= { cells: new Map(), gauges: new Set(), histograms: new Map() };
    const number = scope.schema.histogramNames.length + scope.extra.histograms.size;
    scope.extra.histograms.set(name, number);
    this.#journal?.histogramNamed(scope, name, number);
    if (this.#filter !== null && !this.#filter(fullName(scope, name))) {
      scope.rejected ??= new Set();
      scope.rejected.add(name);
    }
    return number;
  }

  /** For Scope. */
  releaseScope(scope: Scope): void {
    if (scope.references === 0) return;
    scope.references--;
    if (scope.references > 0) return;
    this.#journal?.scopeReleased(scope);
    const bySchema = this.#scopes.get(scope.key);
    bySchema?.delete(scope.schema);
    if (bySchema?.size === 0) this.#scopes.delete(scope.key);
    if (scope.cells !== NO_CELLS) {
      this.#giveBack(scope.base, scope.schema.cellNames.length);
      if (scope.extra !== null) for (const cell of scope.extra.cells.values()) this.#giveBack(scope.base + cell, 1);
    }
    for (const histogram of scope.histograms ?? []) if (histogram !== undefined) this.#histograms.delete(histogram);
    // Streams that outlive their cluster or listener may still count: into nothing, not into the cells' next owner.
    scope.cells = NO_CELLS;
    scope.extra = null;
  }

  #reset(scope: Scope, cell: number): void {
    const at = scope.base + cell;
    if (!Object.is(scope.cells[at], UNUSED)) scope.cells[at] = 0;
  }

  /** Returns the first of `length` cells, or -1 when there is no room. */
  #allocate(length: number): number {
    if (length === 0) return 0;
    const freed = this.#freeRanges.get(length)?.pop();
    let at = freed ?? this.#next;
    if (freed === undefined) {
      const end = this.#next + length;
      if (end > this.#cells.length) {
        const room = this.memory.maxByteLength / 8;
        if (end > room) {
          this.#overflows++;
          return -1;
        }
        const cells = Math.min(room, Math.max(end, this.#cells.length * 2));
        this.memory.grow(cells * 8);
        this.#cells = new Float64Array(this.memory, 0, cells);
      }
      at = this.#next;
      this.#next = end;
    }
    this.#cells.fill(UNUSED, at, at + length);
    return at;
  }

  /** Readers of other threads have been told of these: the cells may be used again. */
  reuse(ranges: readonly (readonly [number, number])[]): void {
    for (const [at, length] of ranges) this.#free(at, length);
  }

  #giveBack(at: number, length: number): void {
    if (length === 0) return;
    if (this.#journal === null) this.#free(at, length);
    else this.#journal.cellsFreed(at, length);
  }

  #free(at: number, length: number): void {
    const ranges = this.#freeRanges.get(length);
    if (ranges === undefined) this.#freeRanges.set(length, [at]);
    else ranges.push(at);
  }
}

/** Which kinds of statistics a reader wants. */
export type StatKinds = ReadonlySet<Stat['kind']>;
const ALL_KINDS: StatKinds = new Set(['counter', 'gauge', 'histogram', 'text-readout']);

/** The statistics of one scope, in the order of its schema; rejected ones are left out. */
export function* statsOf(scope: Scope, kinds: StatKinds = ALL_KINDS): Generator<Stat> {
  if (kinds.has('counter') || kinds.has('gauge')) yield* cellStats(scope, kinds.has('counter'), kinds.has('gauge'));
  if (kinds.has('text-readout')) yield* textStats(scope);
  if (kinds.has('histogram')) yield* histogramStats(scope);
}

function* cellStats(scope: Scope, counters: boolean, gauges: boolean): Generator<Stat> {
  const { schema, rejected, extra } = scope;
  for (let cell = 0; cell < schema.cellNames.length; cell++) {
    const isGauge = schema.isGauge[cell] as boolean;
    if (!(isGauge ? gauges : counters)) continue;
    const name = schema.cellNames[cell] as string;
    if (rejected?.has(name) !== true) yield cellStat(scope, name, cell, isGauge);
  }
  if (extra === null) return;
  for (const [name, cell] of extra.cells) {
    const isGauge = extra.gauges.has(name);
    if ((isGauge ? gauges : counters) && rejected?.has(name) !== true) yield cellStat(scope, name, cell, isGauge);
  }
}

function* textStats(scope: Scope): Generator<Stat> {
  const { schema, rejected, texts } = scope;
  for (let text = 0; text < schema.textNames.length; text++) {
    const name = schema.textNames[text] as string;
    if (rejected?.has(name) === true) continue;
    const value = texts?.[text];
    yield { kind: 'text-readout', ...named(scope, name), text: value ?? '', isUsed: value !== undefined };
  }
}

function* histogramStats(scope: Scope): Generator<Stat> {
  const { schema, rejected, extra } = scope;
  for (let index = 0; index < schema.histogramNames.length; index++) {
    const name = schema.histogramNames[index] as string;
    if (rejected?.has(name) === true) continue;
    const histogram = scope.histograms?.[index] ?? (schema.isPercent[index] ? NEVER_RECORDED_PERCENT : NEVER_RECORDED);
    yield { kind: 'histogram', ...named(scope, name), histogram, isUsed: histogram.isUsed };
  }
  if (extra === null) return;
  for (const [name, index] of extra.histograms) {
    if (rejected?.has(name) === true) continue;
    const histogram = scope.histograms?.[index] ?? NEVER_RECORDED;
    yield { kind: 'histogram', ...named(scope, name), histogram, isUsed: histogram.isUsed };
  }
}
const NEVER_RECORDED = new Histogram('', false);
const NEVER_RECORDED_PERCENT = new Histogram('', true);

function cellStat(scope: Scope, name: string, cell: number, isGauge: boolean): Stat {
  const value = scope.cells[scope.base + cell] ?? UNUSED;
  const kind = isGauge ? 'gauge' : 'counter';
  const isUsed = !Object.is(value, UNUSED);
  if (scope.tags === null) return { kind, name: scope.prefix + name, value: value + 0, isUsed };
  return { kind, ...named(scope, name), value: value + 0, isUsed };
}

/** What a scope calls one of its statistics. */
export function named(
  { prefix, tags }: { readonly prefix: string; readonly tags: readonly Tag[] | null },
  name: string,
): { readonly name: string; readonly tagged?: TaggedName } {
  const own = prefix + name;
  return tags === null ? { name: own } : { name: nameWithTags(own, tags), tagged: { name: own, tags } };
}

function fullName(scope: Scope, name: string): string {
  return named(scope, name).name;
}

/** Which names of a scope the filter does not want; null for none. */
function rejectedNames(scope: Scope, filter: StatFilter): Set<string> | null {
  let rejected: Set<string> | null = null;
  const { cellNames, histogramNames, textNames } = scope.schema;
  const extraNames = scope.extra === null ? [] : [...scope.extra.cells.keys(), ...scope.extra.histograms.keys()];
  for (const names of [cellNames, histogramNames, textNames, extraNames]) {
    for (const name of names) {
      if (filter(fullName(scope, name))) continue;
      rejected ??= new Set();
      rejected.add(name);
    }
  }
  return rejected;
}

export function compileSchema(schema: StatSchema): CompiledSchema {
  const known = compiledSchemas.get(schema);
  if (known !== undefined) return known;
  const numbers: [string, number][] = [];
  const compiled = {
    cellNames: [] as string[],
    isGauge: [] as boolean[],
    isOnce: [] as boolean[],
    histogramNames: [] as string[],
    isPercent: [] as boolean[],
    textNames: [] as string[],
  };
  for (const [name, kind] of Object.entries(schema)) {
    if (kind.startsWith('counter') || kind.startsWith('gauge')) {
      numbers.push([name, compiled.cellNames.push(name) - 1]);
      compiled.isGauge.push(kind.startsWith('gauge'));
      compiled.isOnce.push(kind.endsWith('-once'));
    } else if (kind === 'text-readout') {
      numbers.push([name, compiled.textNames.push(name) - 1]);
    } else {
      numbers.push([name, compiled.histogramNames.push(name) - 1]);
      compiled.isPercent.push(kind === 'histogram-percent');
    }
  }
  // Made at once: an object that grows name by name ends as a hash table, and every `scope.i.name` as a look-up in it.
  const whole = { source: schema, ...compiled, i: Object.fromEntries(numbers) };
  compiledSchemas.set(schema, whole);
  return whole;
}

/** Names are Envoy's: no dots at the ends, and what separates addresses becomes '_'. Adds the final dot. */
function sanitizePrefix(prefix: string): string {
  let clean = prefix;
  if (clean.endsWith('.')) clean = clean.slice(0, -1);
  if (clean.startsWith('.')) clean = clean.slice(1);
  if (clean.includes(':') || clean.includes('\0')) clean = clean.replace(/:\/\/|:\/|:|\0/g, '_');
  return clean === '' ? '' : `${clean}.`;
}
