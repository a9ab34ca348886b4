// The text exposition format of Prometheus, with the names and labels of Envoy.
import { type HistogramView, SUPPORTED_QUANTILES } from './histogram.ts';
import type { Stat, StatSource } from './metrics.ts';
import type { TaggedName } from './tagged-name.ts';
import type { StatsConfig } from './stats-config.ts';
import { compareNames, sortInSteps } from './stats-order.ts';
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
type Metric = { readonly name: string; readonly key: string; readonly members: Member[] };
type Member = { readonly stat: Stat; readonly name: string; readonly labels: string };

/** Yields the answer in pieces, '' where nothing is ready yet; between two of them the caller may do other work. */
export function* dumpPrometheus(store: StatSource, config: StatsConfig, params: StatsParams): Generator<string> {
  let text = '';
  for (const { kind, type } of PHASES) {
    if (params.type !== 'All' && params.type !== type) continue;
    if (kind === 'text-readout' && !params.prometheusTextReadouts) continue;
    const metrics = new Map<string, Metric>();
    yield* collect(store, config, params, kind, metrics);
    for (const metric of yield* quietly(sortInSteps([...metrics.values()], compareMetrics))) {
      const members = yield* quietly(sortInSteps(metric.members, compareNames));
      text += `# TYPE ${metric.name} ${typeText(kind, params)}\n`;
      for (let i = 0; i < members.length; i++) {
        let member = members[i] as Member;
        // Two scopes may hold a statistic of the same name; readers see one.
        for (; members[i + 1]?.name === member.name; i++) member = addUp(member, members[i + 1] as Member);
        text += render(metric.name, member, config, params);
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
  let steps = 0;
  for (const scope of store.scopes()) {
    for (const stat of scope.stats(kinds)) {
      if (++steps % STEP === 0) yield '';
      if (!isWanted(stat, params)) continue;
      const tagged = stat.tagged ?? config.tags.extract(stat.name);
      metricOf(metrics, tagged).members.push({ stat, name: stat.name, labels: labelText(tagged) });
    }
  }
}

function addUp(a: Member, b: Member): Member {
  if (!('value' in a.stat) || !('value' in b.stat)) return a;
  return { ...a, stat: { ...a.stat, value: a.stat.value + b.stat.value } };
}

function metricOf(metrics: Map<string, Metric>, tagged: TaggedName): Metric {
  const known = metrics.get(tagged.name);
  if (known !== undefined) return known;
  // Names are compared token by token, so the dot sorts before everything.
  const metric: Metric = {
    name: exportedName(tagged.name),
    key: tagged.name.replaceAll('.', '\0'),
    members: [],
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

function render(name: string, { stat, labels }: Member, config: StatsConfig, params: StatsParams): string {
  if (stat.kind === 'text-readout') {
    return `${name}{${labels}${labels === '' ? '' : ','}text_value="${escapeValue(stat.text)}"} 0\n`;
  }
  if (stat.kind !== 'histogram') return `${name}{${labels}} ${integer(stat.value)}\n`;
  const more = labels === '' ? '' : `${labels},`;
  let text = '';
  if (params.buckets === 'summary') {
    const view = stat.histogram.interval();
    view.quantiles().forEach((value, i) => {
      text += `${name}{${more}quantile="${SUPPORTED_QUANTILES[i]}"} ${Number.isNaN(value) ? 'nan' : long(value)}\n`;
    });
    return text + totals(name, labels, view);
  }
  const view = stat.histogram.cumulative();
  const bounds = config.bucketsOf(stat.name);
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
