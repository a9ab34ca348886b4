// The figures of the control plane as a table of Markdown, with istiod's and with the bars that Heddle has to meet.
import type { ChangeFigures, Figures } from './measure.ts';

const BEGIN = '<!-- bench-control:begin -->';
const END = '<!-- bench-control:end -->';

/** `bar` by kind of proxy; istiod's figures: delta ADS, 1,000 services × 500 sidecars, the same objects and changes. */
type Line = {
  readonly title: string;
  readonly unit: string;
  readonly istiod: number | null;
  readonly bars: { readonly heddle: number | null; readonly envoy: number | null };
  readonly of: (figures: Figures) => number;
};

const at500: readonly Line[] = [
  line('route change: CPU', 's', 3.07, 0.3, 1.2, (f) => f.changes.route.cpuS),
  line('route change: bytes', 'MB', 254, 5, null, (f) => f.changes.route.mb),
  line('route change: last acknowledgement, p99', 'ms', 5119, 500, 2500, (f) => f.changes.route.lastMs.p99),
  line('connect all: CPU', 's', 32, 8, 12, (f) => f.connect.cpuS),
  line('connect all: bytes', 'MB', 950, null, null, (f) => f.connect.mb),
  line('connect all: until the last one has all', 's', 60.4, null, null, (f) => f.connect.seconds),
  line('endpoint change: CPU', 's', 0.126, 0.08, 0.08, (f) => f.changes.endpoint.cpuS),
  line('endpoint change: last acknowledgement, p99', 'ms', 398, null, null, (f) => f.changes.endpoint.lastMs.p99),
  line('new service: CPU', 's', 4.125, 0.8, 2, (f) => f.changes.service.cpuS),
  line('new service: last acknowledgement, p99', 'ms', 13_344, null, null, (f) => f.changes.service.lastMs.p99),
  line('memory, idle', 'MB', 191, 190, 190, (f) => f.rssMb.idle),
  line('memory, at most', 'MB', 1086, 600, 700, (f) => f.rssMb.peak),
];

/** Change of one file, whichever: the slowest kind. */
const lastOfAll = (f: Figures): number =>
  Math.max(...Object.values(f.changes).map(({ lastMs }: ChangeFigures) => lastMs.p99));

const at100: readonly Line[] = [line('one file: last acknowledgement, p99', 'ms', 2072, 150, 150, lastOfAll)];

function line(
  title: string,
  unit: string,
  istiod: number | null,
  heddle: number | null,
  envoy: number | null,
  of: Line['of'],
): Line {
  return { title, unit, istiod, bars: { heddle, envoy }, of };
}

export function renderControlTable(figures: readonly Figures[], machine: Readonly<Record<string, unknown>>): string {
  const blocks: string[] = [];
  for (const proxies of new Set(figures.map(({ scale }) => scale.proxies))) {
    const own = figures.filter(({ scale }) => scale.proxies === proxies);
    const lines =
      proxies === 100 ? [...at100, ...at500.map((one) => ({ ...one, istiod: null, bars: NO_BARS }))] : at500;
    blocks.push(renderBlock(`${own[0]!.scale.services} services, ${proxies} proxies`, lines, own));
  }
  const problems = figures.flatMap(({ scale, problems: all }) =>
    all.slice(0, 5).map((problem) => `not counted: ${scale.proxies} ${scale.kind}: ${problem}`),
  );
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  return [...blocks, [facts.join(', '), ...problems].join('\n')].join('\n\n');
}

const NO_BARS = { heddle: null, envoy: null };

function renderBlock(title: string, lines: readonly Line[], figures: readonly Figures[]): string {
  const kinds = ['heddle', 'envoy'] as const;
  const head = [title, 'unit', 'istiod', "Heddle's proxies", 'bar', '', 'Envoy-type clients', 'bar', ''];
  const body = lines.map((one) => {
    const cells = kinds.flatMap((kind) => {
      const own = figures.find(({ scale }) => scale.kind === kind);
      const bar = one.bars[kind];
      if (own === undefined) return ['', bar === null ? '' : `≤ ${bar}`, ''];
      const value = one.of(own);
      return [format(value), bar === null ? '' : `≤ ${bar}`, verdict(own, value, bar)];
    });
    return [one.title, one.unit, one.istiod === null ? '' : format(one.istiod), ...cells];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((cells) => cells[column]!.length)));
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [row(head), rule, ...body.map(row)].join('\n');
}

function verdict({ problems }: Figures, value: number, bar: number | null): string {
  if (problems.length > 0) return 'not counted';
  if (bar === null) return '';
  return value <= bar ? 'met' : '**missed**';
}

function format(value: number): string {
  if (Number.isNaN(value)) return '';
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value < 1 ? 3 : 2);
}

/** Replaces what is between the marks; throws when the text has no marks. */
export function replaceControlBlock(text: string, block: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`no block between ${BEGIN} and ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n${block}\n${text.slice(end)}`;
}
