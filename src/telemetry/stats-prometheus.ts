// The text exposition format of Prometheus, with the names and labels of Envoy.
import { type Histogram, type HistogramView, SUPPORTED_QUANTILES } from './histogram.ts';
import type { Stat, StatGroup, StatSource } from './metrics.ts';
import type { TaggedName } from './tagged-name.ts';
import type { StatsConfig } from './stats-config.ts';
import { sortInSteps } from './stats-order.ts';
import { isWanted, type StatsParams } from './stats-params.ts';
import { integer } from './stats-text.ts';

/** Statistics between two chances to pause. */
const STEP = 200;
const PIECE_LENGTH = 8192;

const PHASES: readonly { readonly kind: Stat['kind']; readonly type: StatsParams['type'] }[] = [
  { kind: 'counter', type: 'Counters' },
  { kind: 'gauge', type: 'Gauges' },
  { kind: 'text-readout', type: 'TextReadouts' },
  { kind: 'histogram', type: 'Histograms' },
];

/** One exported metric: all statistics whose names are equal without their tags. */
type Metric = { readonly name: string; readonly key: string; readonly members: Members };
type Value = number | string | Histogram;

/** Yields the answer in pieces, '' where nothing is ready yet; between two of them the caller may do other work. */
export function* dumpPrometheus(store: StatSource, config: StatsConfig, params: StatsParams): Generator<string> {
  let text = '';
  for (const { kind, type } of PHASES) {
    if (params.type !== 'All' && params.type !== type) continue;
    if (kind === 'text-readout' && !params.prometheusTextReadouts) continue;
    const metrics = new Map<string, Metric>();
    yield* collect(store, config, params, kind, metrics);
    for (const metric of yield* quietly(sortInSteps([...metrics.values()], compareMetrics))) {
      const { members } = metric;
      const order = yield* quietly(members.order());
      text += `# TYPE ${metric.name} ${typeText(kind, params)}\n`;
      for (let i = 0; i < order.length; i++) {
        const at = order[i] as number;
        let value = members.values[at] as Value;
        // Two scopes may hold a statistic of the same name; readers see one.
        for (; i + 1 < order.length && members.compare(at, order[i + 1] as number) === 0; i++) {
          value = addUp(value, members.values[order[i + 1] as number] as Value);
        }
        const labels = members.labels[at] as string;
        if (typeof value === 'number') text += `${metric.name}{${labels}} ${integer(value)}\n`;
        else if (typeof value === 'string') text += readout(metric.name, labels, value);
        else text += histogramText(metric.name, labels, members.nameOf(at), value, config, params);
        if (text.length < PIECE_LENGTH) continue;
        yield text;
        text = '';
      }
    }
    yield text;
    text = '';
  }
}

function* collect(
  store: StatSource,
  config: StatsConfig,
  params: StatsParams,
  kind: Stat['kind'],
  metrics: Map<string, Metric>,
): Generator<string> {
  const kinds = new Set([kind]);
  const names = new SharedTexts();
  let steps = 0;
  // In the order of their prefixes, which is nearly that of their names: there is little left to sort.
  for (const scope of yield* quietly(sortInSteps(yield* quietly(scopesOf(store)), comparePrefixes))) {
    // Most statistics of a scope have the same tags.
    let labels = '';
    for (const stat of scope.stats(kinds)) {
      if (++steps % STEP === 0) yield '';
      if (!isWanted(stat, params)) continue;
      const tagged = stat.tagged ?? config.tags.extract(stat.name);
      const text = labelText(tagged);
      if (text !== labels) labels = text;
      const { members } = metricOf(metrics, tagged);
      if (stat.tagged === undefined) members.add(scope.prefix, names.get(stat.name.slice(scope.prefix.length)), labels);
      else members.add('', stat.name, labels);
      members.values.push(valueOf(stat));
    }
  }
}

function* scopesOf(store: StatSource): Generator<void, StatGroup[]> {
  const scopes: StatGroup[] = [];
  for (const scope of store.scopes()) if (scopes.push(scope) % STEP === 0) yield;
  return scopes;
}

function comparePrefixes(a: StatGroup, b: StatGroup): number {
  return a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0;
}

function valueOf(stat: Stat): Value {
  return stat.kind === 'histogram' ? stat.histogram : stat.kind === 'text-readout' ? stat.text : stat.value;
}

/** The sum of two statistics of one name, or the first where there is no sum. */
function addUp(a: Value, b: Value): Value {
  return typeof a === 'number' && typeof b === 'number' ? a + b : a;
}

/** One string for all that are equal. */
class SharedTexts {
  readonly #texts = new Map<string, string>();

  get(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }
}

/**
 * The statistics of a metric, in columns: there may be a million, and an object of each, held until its metric's turn,
 * costs the collector of garbage more than all else. A name is made of its parts where it must be.
 */
class Members {
  readonly #prefixes: string[] = [];
  readonly #owns: string[] = [];
  readonly labels: string[] = [];
  readonly values: Value[] = [];

  /** A value follows in `values`. */
  add(prefix: string, own: string, labels: string): void {
    this.#prefixes.push(prefix);
    this.#owns.push(own);
    this.labels.push(labels);
  }

  nameOf(at: number): string {
    return (this.#prefixes[at] as string) + (this.#owns[at] as string);
  }

  /** By name. */
  compare(a: number, b: number): number {
    const [first, second] = [this.#prefixes[a] as string, this.#prefixes[b] as string];
    if (first === second) return compareTexts(this.#owns[a] as string, this.#owns[b] as string);
    // Prefixes of which neither begins with the other order the names.
    if (!first.startsWith(second) && !second.startsWith(first)) return first < second ? -1 : 1;
    return compareTexts(this.nameOf(a), this.nameOf(b));
  }

  /** Their numbers, sorted by name. */
  *order(): Generator<void, readonly number[]> {
    const numbers: number[] = [];
    let isSorted = true;
    for (let at = 0; at < this.values.length; at++) {
      if (at > 0 && this.compare(at - 1, at) > 0) isSorted = false;
      if (numbers.push(at) % STEP === 0) yield;
    }
    return isSorted ? numbers : yield* sortInSteps(numbers, (a, b) => this.compare(a, b));
  }
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function metricOf(metrics: Map<string, Metric>, tagged: TaggedName): Metric {
  const known = metrics.get(tagged.name);
  if (known !== undefined) return known;
  // Names are compared token by token, so the dot sorts before everything.
  const metric: Metric = {
    name: exportedName(tagged.name),
    key: tagged.name.replaceAll('.', '\0'),
    members: new Members(),
  };
  metrics.set(tagged.name, metric);
  return metric;
}

/** Source: Envoy PrometheusStatsFormatter::metricName, CustomStatNamespaces. */
function exportedName(name: string): string {
  const isCustom = name.startsWith(CUSTOM_NAMESPACE);
  const clean = (isCustom ? name.slice(CUSTOM_NAMESPACE.length) : name).replace(/[^A-Za-z0-9_]/g, '_');
  return isCustom ? clean : `envoy_${clean}`;
}
/** Of Istio's metrics, which have names of their own. */
const CUSTOM_NAMESPACE = 'istiocustom.';

function compareMetrics(a: Metric, b: Metric): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

/** Runs a sort inside a generator of texts. */
function* quietly<T>(sorting: Generator<void, T>): Generator<string, T> {
  for (let step = sorting.next(); ; step = sorting.next()) {
    if (step.done === true) return step.value;
    yield '';
  }
}

function labelText(tagged: TaggedName): string {
  let text = '';
  for (const tag of tagged.tags) {
    const name = tag.name.replace(/[^A-Za-z0-9_]/g, '_');
    text += `${text === '' ? '' : ','}${name}="${escapeValue(tag.value)}"`;
  }
  return text;
}

function escapeValue(value: string): string {
  if (!/["\\\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function typeText(kind: Stat['kind'], params: StatsParams): string {
  if (kind === 'text-readout') return 'gauge';
  return kind === 'histogram' && params.buckets === 'summary' ? 'summary' : kind;
}

function readout(name: string, labels: string, text: string): string {
  return `${name}{${labels}${labels === '' ? '' : ','}text_value="${escapeValue(text)}"} 0\n`;
}

function histogramText(
  name: string,
  labels: string,
  statName: string,
  histogram: Histogram,
  config: StatsConfig,
  params: StatsParams,
): string {
  const more = labels === '' ? '' : `${labels},`;
  let text = '';
  if (params.buckets === 'summary') {
    const view = histogram.interval();
    view.quantiles().forEach((value, i) => {
      text += `${name}{${more}quantile="${SUPPORTED_QUANTILES[i]}"} ${Number.isNaN(value) ? 'nan' : long(value)}\n`;
    });
    return text + totals(name, labels, view);
  }
  const view = histogram.cumulative();
  const bounds = config.bucketsOf(statName);
  const texts = boundTexts(bounds);
  for (let i = 0; i < bounds.length; i++) {
    text += `${name}_bucket{${more}le="${texts[i]}"} ${view.countUpTo(bounds[i] as number)}\n`;
  }
  return `${text}${name}_bucket{${more}le="+Inf"} ${view.total}\n${totals(name, labels, view)}`;
}

/** Bounds are few and printed often. */
const knownBounds = new WeakMap<readonly number[], readonly string[]>();

function boundTexts(bounds: readonly number[]): readonly string[] {
  let texts = knownBounds.get(bounds);
  if (texts === undefined) {
    texts = bounds.map(long);
    knownBounds.set(bounds, texts);
  }
  return texts;
}

function totals(name: string, labels: string, view: HistogramView): string {
  return `${name}_sum{${labels}} ${long(view.sum())}\n${name}_count{${labels}} ${view.total}\n`;
}

/** 32 significant digits, as printf's %.32g. */
function long(value: number): string {
  if (value === 0) return '0';
  const text = value.toPrecision(32);
  if (!text.includes('.')) return text;
  const [mantissa = '', power] = text.split('e');
  const trimmed = mantissa.replace(/\.?0+$/, '');
  return power === undefined ? trimmed : `${trimmed}e${power}`;
}
