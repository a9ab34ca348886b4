// The live table of a terminal: one row a workload, written over in place.
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import { LATENCY_BOUNDS_MS, type MeshReport } from '../../telemetry/mesh-report.ts';

const HEADS = ['WORKLOAD', 'READY', 'REQ/S', 'SUCCESS', 'P50', 'P99', 'MTLS'];

type Row = readonly string[];

const SHOWN_REPORTS = 5;

export class LiveTable {
  readonly #out: WriteStream;
  #lines: readonly string[] = [];
  /** Proxies bring their histograms up to date every five seconds only. */
  #reports: MeshReport[] = [];
  #isShown = false;
  #isStarted = false;

  constructor(out: WriteStream) {
    this.#out = out;
  }

  start(): void {
    this.#isStarted = true;
  }

  update(report: MeshReport): void {
    if (!this.#isStarted) return;
    this.hide();
    this.#reports = [...this.#reports, report].slice(-SHOWN_REPORTS);
    this.#lines = format(rowsOf(this.#reports), this.#out.columns ?? 80, (this.#out.rows ?? 24) - 2);
    this.show();
  }

  hide(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#out.write(`\x1b[${this.#lines.length}A\x1b[J`);
  }

  show(): void {
    if (this.#lines.length === 0 || !this.#isStarted) return;
    this.#isShown = true;
    this.#out.write(`${this.#lines.join('\n')}\n`);
  }
}

/** What each workload was asked for, as its callers counted. */
export function rowsOf(reports: readonly MeshReport[]): Row[] {
  const edges = reports.flatMap((report) => report.edges);
  const intervalMs = sum(reports.map((report) => report.intervalMs));
  return (reports.at(-1)?.workloads ?? []).map(({ name, workload, kind, state, reason }) => {
    const called = edges.filter(({ destination }) => destination.workload === workload);
    const count = sum(called.map((edge) => edge.count));
    const errors = sum(called.map((edge) => edge.errors));
    const latency = LATENCY_BOUNDS_MS.map((_, index) => sum(called.map((edge) => edge.latency[index] ?? 0)));
    const mtls = called.filter(({ isMutualTls }) => isMutualTls !== null);
    return [
      name,
      state === 'ready' ? 'yes' : `${state}${reason === '' ? '' : `: ${reason}`}`,
      count === 0 ? '-' : (count / (intervalMs / 1000)).toFixed(1),
      count === 0 ? '-' : `${(100 * (1 - errors / count)).toFixed(1)}%`,
      quantile(latency, 0.5),
      quantile(latency, 0.99),
      mtls.length === 0 || kind === 'external' ? '-' : mtls.every(({ isMutualTls }) => isMutualTls) ? 'yes' : 'no',
    ];
  });
}

/** The bound of the bucket in which it lies. */
function quantile(counts: readonly number[], part: number): string {
  const all = sum(counts);
  if (all === 0) return '-';
  let left = all * part;
  for (const [index, one] of counts.entries()) {
    left -= one;
    if (left <= 0) return `${LATENCY_BOUNDS_MS[index]} ms`;
  }
  return '-';
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function format(rows: readonly Row[], columns: number, height: number): string[] {
  const shown = rows.slice(0, Math.max(1, height - 1));
  const widths = HEADS.map((head, index) =>
    Math.max(head.length, ...shown.map((row) => Math.min(28, (row[index] ?? '').length))),
  );
  const line = (cells: Row): string =>
    cells
      .map((cell, index) => cell.slice(0, 28).padEnd(widths[index] ?? 0))
      .join('  ')
      .slice(0, columns);
  return [styleText('dim', line(HEADS)), ...shown.map(line)];
}
