// The statistics as text and as JSON, in the form of Envoy.
import { exactInteger } from './exact-integers.ts';
import { type Histogram, type HistogramView, SUPPORTED_QUANTILES } from './histogram.ts';
import type { Stat, StatSource } from './metrics.ts';
import { OrderedStats } from './stats-order.ts';
import { isWanted, type StatsParams } from './stats-params.ts';
import type { StatsConfig } from './stats-config.ts';

/** Text is handed out in pieces of about this many characters. */
const PIECE_LENGTH = 8192;

/**
 * Yields the answer in pieces, '' where nothing is ready yet: between two of them the caller may turn to other work.
 * Order: text readouts, counters and gauges, histograms; each by name.
 */
export function* dumpStats(store: StatSource, config: StatsConfig, params: StatsParams): Generator<string> {
  const ordered = new OrderedStats();
  for (const _ of ordered.prepare(store)) yield '';
  const writer = params.format === 'json' ? new JsonWriter(config, params) : new TextWriter(config, params);
  let text = writer.head;
  for (const phase of PHASES) {
    const kinds = new Set(phase.filter((kind) => params.type === 'All' || params.type === TYPE_OF_KIND[kind]));
    if (kinds.size === 0) continue;
    for (const group of ordered.groups(kinds, (stat) => isWanted(stat, params))) {
      for (const stat of group ?? []) text += writer.write(stat);
      if (text.length >= PIECE_LENGTH || group === undefined) {
        yield text;
        text = '';
      }
    }
    yield text;
    text = '';
  }
  yield writer.tail();
}

const PHASES: readonly (readonly Stat['kind'][])[] = [['text-readout'], ['counter', 'gauge'], ['histogram']];
const TYPE_OF_KIND: Readonly<Record<Stat['kind'], StatsParams['type']>> = {
  counter: 'Counters',
  gauge: 'Gauges',
  histogram: 'Histograms',
  'text-readout': 'TextReadouts',
};

class TextWriter {
  readonly head = '';
  readonly #config: StatsConfig;
  readonly #params: StatsParams;

  constructor(config: StatsConfig, params: StatsParams) {
    this.#config = config;
    this.#params = params;
  }

  write(stat: Stat): string {
    if (stat.kind === 'text-readout') return `${stat.name}: "${escapeText(stat.text)}"\n`;
    if (stat.kind !== 'histogram') return `${stat.name}: ${integer(stat.value)}\n`;
    return `${stat.name}:${this.#histogram(stat.name, stat.histogram)}\n`;
  }

  tail(): string {
    return '';
  }

  #histogram(name: string, histogram: Histogram): string {
    const mode = this.#params.buckets;
    if (!histogram.isUsed) return ' No recorded values';
    const interval = histogram.interval();
    const cumulative = histogram.cumulative();
    if (mode === 'summary') return ` ${quantileText(interval, cumulative)}`;
    if (mode === 'detailed') {
      const bins = (view: HistogramView): string =>
        view.counts.map((count, i) => `${short(view.bounds[i])},${short(view.widths[i])}:${count}`).join(', ');
      const summary = quantileText(interval, cumulative);
      return `\n  totals=${bins(cumulative)}\n  intervals=${bins(interval)}\n  summary=${summary}`;
    }
    let text = '';
    for (const bucket of bucketsOf(this.#config, name, interval, cumulative, mode === 'disjoint')) {
      text += ` B${short(bucket.bound)}(${bucket.interval},${bucket.cumulative})`;
    }
    return text;
  }
}

class JsonWriter {
  readonly head = '{"stats":[';
  readonly #config: StatsConfig;
  readonly #params: StatsParams;
  #isFirst = true;
  #histograms = 0;

  constructor(config: StatsConfig, params: StatsParams) {
    this.#config = config;
    this.#params = params;
  }

  write(stat: Stat): string {
    if (stat.kind === 'histogram') return this.#histogram(stat.name, stat.histogram);
    const value = stat.kind === 'text-readout' ? JSON.stringify(stat.text) : integer(stat.value);
    return `${this.#comma()}{"name":${JSON.stringify(stat.name)},"value":${value}}`;
  }

  tail(): string {
    if (this.#histograms === 0) return ']}';
    const mode = this.#params.buckets;
    return mode === 'summary' || mode === 'detailed' ? ']}}]}' : ']}]}';
  }

  #comma(): string {
    if (!this.#isFirst) return ',';
    this.#isFirst = false;
    return '';
  }

  #histogram(name: string, histogram: Histogram): string {
    const mode = this.#params.buckets;
    let text = this.#histograms++ === 0 ? this.#comma() + histogramsHead(mode) : ',';
    text += `{"name":${JSON.stringify(name)},`;
    const interval = histogram.interval();
    const cumulative = histogram.cumulative();
    if (mode === 'summary') return `${text}"values":${quantileJson(interval, cumulative)}}`;
    if (mode === 'detailed') {
      const bins = (view: HistogramView): string =>
        view.counts
          .map(
            (n, i) =>
              `{"lower_bound":${jsonNumber(view.bounds[i])},"width":${jsonNumber(view.widths[i])},"count":${n}}`,
          )
          .join(',');
      text += `"totals":[${bins(cumulative)}],"intervals":[${bins(interval)}],`;
      return `${text}"percentiles":${quantileJson(interval, cumulative)}}`;
    }
    const buckets = bucketsOf(this.#config, name, interval, cumulative, mode === 'disjoint').map(
      (b) => `{"upper_bound":${jsonNumber(b.bound)},"interval":${b.interval},"cumulative":${b.cumulative}}`,
    );
    return `${text}"buckets":[${buckets.join(',')}]}`;
  }
}

function histogramsHead(mode: StatsParams['buckets']): string {
  const percents = SUPPORTED_QUANTILES.map((quantile) => jsonNumber(percent(quantile))).join(',');
  if (mode === 'summary') return `{"histograms":{"supported_quantiles":[${percents}],"computed_quantiles":[`;
  if (mode === 'detailed') return `{"histograms":{"supported_percentiles":[${percents}],"details":[`;
  return '{"histograms":[';
}

type Bucket = { readonly bound: number; readonly interval: number; readonly cumulative: number };

function bucketsOf(
  config: StatsConfig,
  name: string,
  interval: HistogramView,
  cumulative: HistogramView,
  isDisjoint: boolean,
): Bucket[] {
  let intervalBelow = 0;
  let cumulativeBelow = 0;
  return config.bucketsOf(name).map((bound) => {
    const bucket = { bound, interval: interval.countUpTo(bound), cumulative: cumulative.countUpTo(bound) };
    if (!isDisjoint) return bucket;
    const part = {
      bound,
      interval: bucket.interval - intervalBelow,
      cumulative: bucket.cumulative - cumulativeBelow,
    };
    intervalBelow = bucket.interval;
    cumulativeBelow = bucket.cumulative;
    return part;
  });
}

function percent(quantile: number): number {
  return Number((quantile * 100).toPrecision(12));
}

function quantileText(interval: HistogramView, cumulative: HistogramView): string {
  const a = interval.quantiles();
  const b = cumulative.quantiles();
  return SUPPORTED_QUANTILES.map((quantile, i) => `P${percent(quantile)}(${plain(a[i])},${plain(b[i])})`).join(' ');
}

function quantileJson(interval: HistogramView, cumulative: HistogramView): string {
  const a = interval.quantiles();
  const b = cumulative.quantiles();
  const values = a.map((value, i) => `{"cumulative":${jsonNumber(b[i])},"interval":${jsonNumber(value)}}`);
  return `[${values.join(',')}]`;
}

/** A counter or gauge as an integer. */
export function integer(value: number): string {
  // A number cannot hold the largest of 64 or 63 bits; what is meant is "no limit", or "never".
  if (value === 2 ** 64) return '18446744073709551615';
  if (value === 2 ** 63) return '9223372036854775807';
  return Number.isSafeInteger(value) ? String(value) : exactInteger(value).toString();
}

function plain(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? 'nan' : String(value);
}

/** Six significant digits, as printf's %g. */
function short(value: number | undefined): string {
  const number = value ?? 0;
  if (number === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(Number(number.toPrecision(6)))));
  if (exponent >= -5 && exponent < 6) return String(Number(number.toPrecision(6)));
  const [mantissa = '', power = ''] = number.toExponential(5).split('e');
  const digits = Math.abs(Number(power));
  return `${String(Number(mantissa))}e${power.startsWith('-') ? '-' : '+'}${digits < 10 ? '0' : ''}${digits}`;
}

/** The shortest form of a number; where the form with an exponent is shorter it is taken, as Envoy does. */
function jsonNumber(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return 'null';
  const fixed = String(value);
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const digits = Math.abs(Number(power));
  const exponential = `${mantissa}e${power.startsWith('-') ? '-' : '+'}${digits < 10 ? '0' : ''}${digits}`;
  return exponential.length < fixed.length ? exponential : fixed;
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char] as string);
}
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
