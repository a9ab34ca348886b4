// The part of docs/differences.md that is made from the differential rig's table of intended differences.
import { INTENDED_DIFFERENCES } from '../../test/differential/intended.ts';

const BEGIN = '<!-- intended:begin (made by scripts/supported-fields.ts) -->';
const END = '<!-- intended:end -->';

/** The first that matches the expression of the cases takes the entry. */
const GROUPS: readonly (readonly [RegExp, string])[] = [
  [/later/, 'Not built yet'],
  [/\badmin\b.*\badmin\b|mirror/, 'Envoy’s own process and machine'],
  [/smuggling|http1/, 'HTTP/1.1 messages'],
  [/\btls\b/, 'TLS'],
  [/network|tcp_proxy|cluster options|\budp\b|listener/, 'Connections and their filters'],
  [/^/, 'Requests'],
];

/** Returns the page with its block made anew; throws when the marks are missing. */
export function withIntended(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`no block between ${BEGIN} and ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n${renderBlock()}\n${page.slice(end)}`;
}

function renderBlock(): string {
  const groups = new Map<string, string[]>(GROUPS.map(([, title]) => [title, []]));
  for (const { cases, reason } of INTENDED_DIFFERENCES) {
    const [, title] = GROUPS.find(([pattern]) => pattern.test(cases.source))!;
    const names = cases.source.replace(/^\^|\$$/g, '').replace(/\\(.)/g, '$1');
    groups.get(title)!.push(`| ${escaped(reason)} | ${escaped(names)} |`);
  }
  return [...groups]
    .reverse()
    .filter(([, rows]) => rows.length > 0)
    .map(([title, rows]) => [`### ${title}`, '', '| what, and why | cases |', '|---|---|', ...rows, ''].join('\n'))
    .join('\n');
}

/** Text for a cell: a bar would end it. */
function escaped(text: string): string {
  return text.replace(/[|<>*_]/g, (mark) => (mark === '|' ? '\\|' : mark === '<' ? '&lt;' : `\\${mark}`));
}
