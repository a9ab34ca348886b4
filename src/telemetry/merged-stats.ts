// The statistics of all threads as one: counters and gauges summed from shared memory, histograms merged as they come.
import { Histogram } from './histogram.ts';
import { type CompiledSchema, compileSchema, named, type Stat, type StatFilter, type StatGroup } from './metrics.ts';
import type { StatKinds, StatSchema, StatSource, StatStore } from './metrics.ts';
import type { StatChange, StatReport } from './stat-journal.ts';
import { type Tag, type TagList, tagsOf } from './tagged-name.ts';

/** What a cell holds before anybody wrote to it. */
const UNUSED = -0;

/** One thread's share of a group: where its cells begin, -1 when it had no room for them. */
type Part = { readonly cells: Float64Array; readonly base: number };

/** A statistic outside the schema. */
type Extra = { readonly isGauge: boolean; readonly isOnce: boolean; readonly at: Map<Part, number>; kept: number };

/** All scopes of one prefix and schema, whichever thread they are in. */
class MergedGroup implements StatGroup {
  readonly prefix: string;
  readonly tags: readonly Tag[] | null;
  /** By what the groups find it. */
  readonly key: string;
  readonly schema: CompiledSchema;
  readonly parts = new Set<Part>();
  readonly extra = new Map<string, Extra>();
  readonly histograms = new Map<string, Histogram>();
  readonly texts: string[] = [];
  readonly #isWanted: (name: string) => boolean;
  /** What counters of threads that are gone had reached. */
  #kept: Float64Array | null = null;

  constructor(prefix: string, tags: TagList | null, key: string, schema: CompiledSchema, filter: StatFilter | null) {
    this.prefix = prefix;
    this.tags = tags === null ? null : tagsOf(tags);
    this.key = key;
    this.schema = schema;
    this.#isWanted = filter === null ? () => true : (name) => filter(named(this, name).name);
  }

  *stats(kinds: StatKinds = ALL_KINDS): Generator<Stat> {
    const { schema } = this;
    if (kinds.has('counter') || kinds.has('gauge')) {
      for (const [index, name] of schema.cellNames.entries()) {
        const kind = schema.isGauge[index] === true ? 'gauge' : 'counter';
        if (!kinds.has(kind) || !this.#isWanted(name)) continue;
        const value = this.#cell(index);
        yield { kind, ...named(this, name), value: value + 0, isUsed: !Object.is(value, UNUSED) };
      }
      for (const [name, extra] of this.extra) {
        const kind = extra.isGauge ? 'gauge' : 'counter';
        if (!kinds.has(kind) || !this.#isWanted(name)) continue;
        const value = this.#extra(extra);
        yield { kind, ...named(this, name), value: value + 0, isUsed: !Object.is(value, UNUSED) };
      }
    }
    if (kinds.has('text-readout')) yield* this.#textStats();
    if (kinds.has('histogram')) yield* this.#histogramStats();
  }

  histogram(name: string): Histogram {
    let histogram = this.histograms.get(name);
    if (histogram === undefined) {
      const isPercent = this.schema.isPercent[this.schema.histogramNames.indexOf(name)] ?? false;
      histogram = new Histogram(name, isPercent);
      this.histograms.set(name, histogram);
    }
    return histogram;
  }

  /** A thread's share is over; what its counters had reached stays as long as the group does. */
  remove(part: Part): void {
    this.parts.delete(part);
    const { isGauge, isOnce } = this.schema;
    for (let index = 0; index < isGauge.length; index++) {
      const value = valueOf(part, index);
      if (isGauge[index] === true || Object.is(value, UNUSED)) continue;
      this.#kept ??= new Float64Array(isGauge.length).fill(UNUSED);
      this.#kept[index] = join(this.#kept[index] as number, value, isOnce[index] === true);
    }
    for (const extra of this.extra.values()) {
      const at = extra.at.get(part);
      if (at === undefined) continue;
      extra.at.delete(part);
      if (!extra.isGauge) extra.kept = join(extra.kept, part.cells[at] ?? UNUSED, extra.isOnce);
    }
  }

  forgetCounters(): void {
    this.#kept = null;
    for (const extra of this.extra.values()) extra.kept = UNUSED;
  }

  #cell(index: number): number {
    const isOnce = this.schema.isOnce[index] === true;
    let value = this.#kept?.[index] ?? UNUSED;
    for (const part of this.parts) value = join(value, valueOf(part, index), isOnce);
    return value;
  }

  #extra(extra: Extra): number {
    let value = extra.kept;
    for (const [{ cells }, at] of extra.at) value = join(value, cells[at] ?? UNUSED, extra.isOnce);
    return value;
  }

  *#textStats(): Generator<Stat> {
    for (const [index, name] of this.schema.textNames.entries()) {
      if (!this.#isWanted(name)) continue;
      const text = this.texts[index];
      yield { kind: 'text-readout', ...named(this, name), text: text ?? '', isUsed: text !== undefined };
    }
  }

  *#histogramStats(): Generator<Stat> {
    const { schema } = this;
    for (const [index, name] of schema.histogramNames.entries()) {
      if (!this.#isWanted(name)) continue;
      const empty = schema.isPercent[index] === true ? NEVER_RECORDED_PERCENT : NEVER_RECORDED;
      const histogram = this.histograms.get(name) ?? empty;
      yield { kind: 'histogram', ...named(this, name), histogram, isUsed: histogram.isUsed };
    }
    for (const [name, histogram] of this.histograms) {
      if (schema.histogramNames.includes(name) || !this.#isWanted(name)) continue;
      yield { kind: 'histogram', ...named(this, name), histogram, isUsed: histogram.isUsed };
    }
  }
}

const ALL_KINDS: StatKinds = new Set(['counter', 'gauge', 'histogram', 'text-readout']);
const NEVER_RECORDED = new Histogram('', false);
const NEVER_RECORDED_PERCENT = new Histogram('', true);

function valueOf({ cells, base }: Part, index: number): number {
  return base < 0 ? UNUSED : (cells[base + index] ?? UNUSED);
}

/** The sum, or what all threads say alike; a cell that was written to is used, whatever it holds. */
function join(a: number, b: number, isOnce: boolean): number {
  if (Object.is(b, UNUSED)) return a;
  if (Object.is(a, UNUSED)) return b;
  return isOnce ? Math.max(a, b) : a + b;
}

/** A scope of a worker, as its reports speak of it. */
type Mirror = {
  readonly group: MergedGroup;
  readonly part: Part;
  /** Histograms outside the schema by their number. */
  readonly histogramNames: Map<number, string>;
};

/** What one worker has; lives as long as the worker's thread. */
export class WorkerStats {
  readonly #cells: Float64Array;
  readonly #merged: MergedStats;
  readonly #schemas: CompiledSchema[] = [];
  readonly #scopes = new Map<number, Mirror>();

  /** `memory` is the store's of that worker; the view follows it as it grows. */
  constructor(memory: SharedArrayBuffer, merged: MergedStats) {
    this.#cells = new Float64Array(memory);
    this.#merged = merged;
  }

  /** Takes a report on. */
  take(report: StatReport): void {
    for (const change of report.changes) this.#change(change);
    const { histograms, texts } = report;
    for (let at = 0; at < histograms.length; ) {
      const mirror = this.#scopes.get(histograms[at] as number);
      const name = mirror === undefined ? undefined : nameOf(mirror, histograms[at + 1] as number);
      const bins = histograms[at + 2] as number;
      at += 3;
      const histogram = name === undefined ? undefined : mirror?.group.histogram(name);
      for (let bin = 0; bin < bins; bin++, at += 2) {
        histogram?.merge(histograms[at] as number, histograms[at + 1] as number);
      }
    }
    for (let at = 0; at < texts.length; at += 3) {
      const mirror = this.#scopes.get(texts[at] as number);
      if (mirror !== undefined) mirror.group.texts[texts[at + 1] as number] = texts[at + 2] as string;
    }
  }

  /** The thread is gone: its counters stay, its gauges go. */
  end(): void {
    for (const { group, part } of this.#scopes.values()) group.remove(part);
    this.#scopes.clear();
  }

  #change(change: StatChange): void {
    if (change.op === 'schema') {
      this.#schemas[change.schema] = this.#merged.schema(change.source);
      return;
    }
    if (change.op === 'scope') {
      const { prefix, base, tags = null } = change;
      const group = this.#merged.group(prefix, tags, this.#schemas[change.schema] as CompiledSchema);
      const part = { cells: this.#cells, base };
      group.parts.add(part);
      this.#scopes.set(change.scope, { group, part, histogramNames: new Map() });
      return;
    }
    const mirror = this.#scopes.get(change.scope);
    if (mirror === undefined) return;
    if (change.op === 'histogram') mirror.histogramNames.set(change.number, change.name);
    else if (change.op === 'cell') this.#addCell(mirror, change);
    else {
      this.#scopes.delete(change.scope);
      mirror.group.remove(mirror.part);
      this.#merged.drop(mirror.group);
    }
  }

  #addCell({ group, part }: Mirror, change: Extract<StatChange, { op: 'cell' }>): void {
    const { name, at, isGauge, isOnce } = change;
    let extra = group.extra.get(name);
    if (extra === undefined) {
      extra = { isGauge, isOnce, at: new Map(), kept: UNUSED };
      group.extra.set(name, extra);
    }
    extra.at.set(part, at);
  }
}

function nameOf({ group, histogramNames }: Mirror, number: number): string | undefined {
  return group.schema.histogramNames[number] ?? histogramNames.get(number);
}

/** The statistics of the supervisor itself and of all workers. */
export class MergedStats implements StatSource {
  readonly #own: StatStore;
  readonly #filter: StatFilter | null;
  readonly #groups = new Map<string, Map<CompiledSchema, MergedGroup>>();
  /** Schemas of workers by their content: copies of one in several messages are one. */
  readonly #schemas = new Map<string, CompiledSchema>();

  /** `filter`: stats_matcher, as in the stores. */
  constructor(own: StatStore, filter: StatFilter | null) {
    this.#own = own;
    this.#filter = filter;
  }

  *scopes(): Generator<StatGroup> {
    yield* this.#own.scopes();
    for (const bySchema of this.#groups.values()) yield* bySchema.values();
  }

  /** Ends the interval of all histograms, once all workers have reported theirs. */
  flush(): void {
    this.#own.flush();
    for (const bySchema of this.#groups.values()) {
      for (const group of bySchema.values()) for (const histogram of group.histograms.values()) histogram.flush();
    }
  }

  /** The value of a counter or gauge by its full name, summed over all that have it. */
  find(fullName: string): number | undefined {
    let sum: number | undefined;
    for (const group of this.scopes()) {
      if (!fullName.startsWith(group.prefix)) continue;
      for (const stat of group.stats()) if (stat.name === fullName && 'value' in stat) sum = (sum ?? 0) + stat.value;
    }
    return sum;
  }

  /** What dead threads had counted; the counters of those that live are reset by themselves. */
  resetCounters(): void {
    this.#own.resetCounters();
    for (const bySchema of this.#groups.values()) for (const group of bySchema.values()) group.forgetCounters();
  }

  /** Forgets what no worker has any more, as after a restart. */
  dropUnused(): void {
    for (const bySchema of [...this.#groups.values()]) for (const group of [...bySchema.values()]) this.drop(group);
  }

  // ─── For WorkerStats ────────────────────────────────────────────────────────────────────────────────────────────

  schema(source: StatSchema): CompiledSchema {
    const key = JSON.stringify(source);
    let schema = this.#schemas.get(key);
    if (schema === undefined) {
      schema = compileSchema(source);
      this.#schemas.set(key, schema);
    }
    return schema;
  }

  group(prefix: string, tags: TagList | null, schema: CompiledSchema): MergedGroup {
    const key = tags === null ? prefix : `${prefix}\0${tags.join('\0')}`;
    let bySchema = this.#groups.get(key);
    if (bySchema === undefined) {
      bySchema = new Map();
      this.#groups.set(key, bySchema);
    }
    let group = bySchema.get(schema);
    if (group === undefined) {
      group = new MergedGroup(prefix, tags, key, schema, this.#filter);
      bySchema.set(schema, group);
    }
    return group;
  }

  /** Removes a group that has no part left. */
  drop(group: MergedGroup): void {
    if (group.parts.size > 0) return;
    const bySchema = this.#groups.get(group.key);
    bySchema?.delete(group.schema);
    if (bySchema?.size === 0) this.#groups.delete(group.key);
  }
}
