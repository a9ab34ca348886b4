// Metrics of the control plane and the CA under Istio's names: counters, gauges and histograms with labels, as text.
//
//   const registry = new MetricRegistry();
//   const pushes = registry.counter('pilot_xds_pushes', '…', ['type']);
//   pushes.cell('cds').add(1);          // keep the cell where this is hot
//   registry.gauge('citadel_server_root_cert_expiry_seconds', '…').cell().set(n);
//   registry.histogram('pilot_xds_push_time', '…', [0.01, 0.1, 1], ['type']).cell('cds').observe(0.02);
//   registry.text();                    // what /metrics answers

/** Label sets of one metric; what comes beyond is counted under one set of OTHER_LABEL values. */
export const MAX_CELLS = 2000;
export const OTHER_LABEL = 'other';

type MetricKind = 'counter' | 'gauge' | 'histogram';

interface TextCell {
  write(name: string, labels: string): string;
}

export class CounterCell implements TextCell {
  value = 0;

  add(count = 1): void {
    this.value += count;
  }

  write(name: string, labels: string): string {
    return `${name}${braces(labels)} ${this.value}\n`;
  }
}

export class GaugeCell implements TextCell {
  value = 0;
  #read: (() => number) | null = null;

  set(value: number): void {
    this.value = value;
  }

  add(difference = 1): void {
    this.value += difference;
  }

  /** The value is asked for whenever it is written. */
  from(read: () => number): void {
    this.#read = read;
  }

  write(name: string, labels: string): string {
    return `${name}${braces(labels)} ${number(this.#read === null ? this.value : this.#read())}\n`;
  }
}

export class HistogramCell implements TextCell {
  sum = 0;
  count = 0;
  readonly #bounds: readonly number[];
  /** Values up to each bound and above the bound before; the last are above all bounds. */
  readonly #counts: Float64Array;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    this.sum += value;
    this.count++;
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket++;
    this.#counts[bucket]!++;
  }

  write(name: string, labels: string): string {
    const more = labels === '' ? '' : `${labels},`;
    let text = '';
    let upTo = 0;
    for (let bucket = 0; bucket < this.#bounds.length; bucket++) {
      upTo += this.#counts[bucket] as number;
      text += `${name}_bucket{${more}le="${number(this.#bounds[bucket] as number)}"} ${upTo}\n`;
    }
    text += `${name}_bucket{${more}le="+Inf"} ${this.count}\n`;
    return `${text}${name}_sum${braces(labels)} ${number(this.sum)}\n${name}_count${braces(labels)} ${this.count}\n`;
  }
}

/** One metric with its cells by label values. */
export class Metric<Cell extends TextCell> {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly labels: readonly string[];
  readonly #make: () => Cell;
  readonly #cells = new Map<string, { readonly labels: string; readonly cell: Cell }>();

  constructor(name: string, help: string, kind: MetricKind, labels: readonly string[], make: () => Cell) {
    this.name = name;
    this.help = help;
    this.kind = kind;
    this.labels = labels;
    this.#make = make;
    // A metric without labels is there from the start, with its zero.
    if (labels.length === 0) this.cell();
  }

  /** The cell of these label values, in the order of the label names; the same object each time. */
  cell(...values: readonly string[]): Cell {
    const key = values.join('\0');
    const known = this.#cells.get(key);
    if (known !== undefined) return known.cell;
    const others = this.labels.map(() => OTHER_LABEL);
    if (this.#cells.size >= MAX_CELLS && key !== others.join('\0')) return this.cell(...others);
    const cell = this.#make();
    this.#cells.set(key, { labels: labelText(this.labels, values), cell });
    return cell;
  }

  /** Forgets label values that are no longer there (a version of which no proxy is connected). */
  drop(...values: readonly string[]): void {
    this.#cells.delete(values.join('\0'));
  }

  write(): string {
    let text = `# HELP ${this.name} ${escapeHelp(this.help)}\n# TYPE ${this.name} ${this.kind}\n`;
    for (const key of [...this.#cells.keys()].sort()) {
      const { labels, cell } = this.#cells.get(key) as { labels: string; cell: Cell };
      text += cell.write(this.name, labels);
    }
    return text;
  }
}

export type Counter = Metric<CounterCell>;
export type Gauge = Metric<GaugeCell>;
export type MetricHistogram = Metric<HistogramCell>;

/** All metrics of a process; a name that is asked for again gives the same metric. */
export class MetricRegistry {
  readonly #metrics = new Map<string, Metric<TextCell>>();

  counter(name: string, help: string, labels: readonly string[] = []): Counter {
    return this.#add(name, () => new Metric(name, help, 'counter', labels, () => new CounterCell()));
  }

  gauge(name: string, help: string, labels: readonly string[] = []): Gauge {
    return this.#add(name, () => new Metric(name, help, 'gauge', labels, () => new GaugeCell()));
  }

  /** `bounds` are the upper ends of the buckets, ascending, without infinity. */
  histogram(name: string, help: string, bounds: readonly number[], labels: readonly string[] = []): MetricHistogram {
    return this.#add(name, () => new Metric(name, help, 'histogram', labels, () => new HistogramCell(bounds)));
  }

  #add<Cell extends TextCell>(name: string, make: () => Metric<Cell>): Metric<Cell> {
    const known = this.#metrics.get(name);
    if (known !== undefined) return known as Metric<Cell>;
    const metric = make();
    this.#metrics.set(name, metric as unknown as Metric<TextCell>);
    return metric;
  }

  /** The text exposition format (text/plain; version=0.0.4), metrics by name. */
  text(): string {
    let text = '';
    for (const name of [...this.#metrics.keys()].sort()) text += (this.#metrics.get(name) as Metric<TextCell>).write();
    return text;
  }
}

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escapeLabel(values[index] ?? '')}"`).join(',');
}

function escapeLabel(value: string): string {
  if (!/["\\\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

/** Prometheus writes the special values its own way. */
function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
