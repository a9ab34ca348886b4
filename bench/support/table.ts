// Prints the rows of the bench as a table of Markdown, which the README quotes between two marks.
import { judge, type Row } from './bench-case.ts';
import { PEER_NAMES } from './proxies.ts';

const LABELS = { envoy: 'Envoy', nginx: 'nginx', haproxy: 'HAProxy', heddle: 'Heddle' } as const;
/** Other programs' share of the proxy's core from which a figure is not to be trusted. */
export const MOST_FOREIGN_SHARE = 0.15;
const BEGIN = '<!-- bench:begin -->';
const END = '<!-- bench:end -->';

export function renderTable(rows: readonly Row[], machine: Readonly<Record<string, unknown>>): string {
  const head = ['case', 'unit', ...PEER_NAMES.map((name) => LABELS[name]), 'Heddle / Envoy', 'bar', ''];
  const body = rows.map((row) => {
    const { medians, ratio, met } = judge(row);
    const figures = PEER_NAMES.map((name) => formatFigure(medians[name]));
    const verdict = row.notCounted !== null ? 'not counted¹' : met === undefined ? '' : met ? 'met' : '**missed**';
    return [
      row.title,
      row.unit,
      ...figures,
      ratio === undefined || row.bar.to !== undefined ? '' : ratio.toFixed(2),
      formatBar(row),
      verdict,
    ];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((cells) => cells[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const notes = rows.flatMap((row) => (row.notCounted === null ? [] : [`¹ ${row.title}: ${row.notCounted}`]));
  const noisy = rows.filter((row) => Number(row.extra?.foreignShare) > MOST_FOREIGN_SHARE).map((row) => row.title);
  if (noisy.length > 0) notes.push(`The machine was not quiet, and figures are too high, in: ${noisy.join('; ')}`);
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  return [line(head), rule, ...body.map(line), '', facts.join(', '), ...notes].join('\n');
}

function formatFigure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '';
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function formatBar({ bar, unit }: Row): string {
  const parts = [
    bar.ratio === undefined ? '' : `≤ ${bar.ratio.toFixed(2)}${bar.to === undefined ? '' : ` of ${LABELS[bar.to]}`}`,
    bar.surplus === undefined ? '' : `+ ${bar.surplus} ${unit.split(' ')[0]}`,
    bar.most === undefined ? '' : `≤ ${bar.most} ${unit.split(' ')[0]}`,
  ];
  return parts.filter(Boolean).join(' or ');
}

/** Replaces what is between the marks; throws when the text has no marks. */
export function replaceBlock(text: string, block: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`no block between ${BEGIN} and ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n${block}\n${text.slice(end)}`;
}
