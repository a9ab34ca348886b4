// What a person at the terminal sees: a few lines at the start, then a live table or plain lines.
import { styleText } from 'node:util';
import type { InnerStart } from '../launch/messages.ts';
import type { Mesh, Narrator } from '../mesh/mesh.ts';
import { LiveTable } from './table.ts';

const COLOURS = ['cyan', 'green', 'yellow', 'magenta', 'blue'] as const;
/** The same words again within this time are said once. */
const SAME_MS = 10_000;
/** Bytes that wait for whoever reads the output. */
const MAX_UNREAD = 4 * 1024 * 1024;

export function makeNarrator(options: InnerStart): Narrator {
  const hasColours = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    hasColours ? styleText(format, text) : text;
  const table = options.showsTable ? new LiveTable(process.stdout) : null;
  const print = (text: string): void => {
    table?.hide();
    process.stdout.write(`${text}\n`);
    table?.show();
  };
  const names = new Map<string, (typeof COLOURS)[number]>();
  const prefix = (who: string): string => {
    let colour = names.get(who);
    if (colour === undefined) {
      colour = COLOURS[names.size % COLOURS.length] as (typeof COLOURS)[number];
      names.set(who, colour);
    }
    return style(colour, `${who.padEnd(14)} |`);
  };
  const said = new Map<string, number>();
  let dropped = 0;
  process.stdout.on('drain', () => {
    if (dropped > 0) print(`${prefix('heddle')} ${dropped} lines are left out here: heddle logs has them`);
    dropped = 0;
  });
  return {
    tell(who, text) {
      const nowMs = Date.now();
      if (nowMs - (said.get(`${who} ${text}`) ?? 0) < SAME_MS) return;
      said.set(`${who} ${text}`, nowMs);
      print(`${prefix(who)} ${style('yellow', text)}`);
    },
    say(who, text) {
      print(`${prefix(who)} ${style('yellow', text)}`);
    },
    line(who, text) {
      if (table !== null && !options.verbose) return;
      // Whoever reads slowly, or not at all (a pager), does not fill the memory: the log has every line.
      if (process.stdout.writableLength > MAX_UNREAD) dropped++;
      else print(`${prefix(who)} ${text}`);
    },
    ready(mesh) {
      for (const line of summary(mesh, style)) print(line);
      table?.start();
    },
    report(report) {
      table?.update(report);
    },
  };
}

type Style = (format: Parameters<typeof styleText>[0], text: string) => string;

/** At most twelve lines: where to look, how traffic is caught and why, and what to try. */
function summary(mesh: Mesh, style: Style): string[] {
  const { manifest, placement, options, beside } = mesh;
  const workloads = placement.workloads.length;
  const gateways = placement.gateways.length;
  const seconds = mesh.secondsSinceStart.toFixed(1);
  const counts = `${count(workloads, 'workload')} and ${count(gateways, 'gateway')}`;
  const head = `${manifest.name} is up: ${counts} in ${seconds} s`;
  const rows: (readonly [string, string])[] = [];
  const urls = mesh.ports.open.map(
    ({ port, protocol }) => `${protocol === 'https' ? 'https' : 'http'}://localhost:${port}/`,
  );
  urls.sort((a, b) => Number(b.startsWith('https')) - Number(a.startsWith('https')));
  const [first, ...others] = urls;
  if (first !== undefined) {
    rows.push(['application', style('cyan', first) + (others.length > 0 ? `  (and ${others.join(', ')})` : '')]);
  }
  rows.push(['mesh', style('cyan', `http://127.0.0.1:${mesh.pagePort}/#token=${options.token}`)]);
  rows.push(['caught by', options.captureText]);
  if (options.proxy === 'envoy') rows.push(['proxies', 'Envoy, with heddle agent']);
  if (beside.notRun.length > 0) rows.push(['not run here', beside.notRun.slice(0, 5).join(', ')]);
  const hints = manifest.hints.length > 0 ? manifest.hints : defaultHints(mesh);
  for (const [index, hint] of hints.slice(0, 3).entries()) rows.push([index === 0 ? 'try' : '', hint]);
  return [style('bold', head), ...rows.map(([name, text]) => `  ${name.padEnd(13)} ${text}`)];
}

function defaultHints({ placement }: Mesh): string[] {
  const [name = ''] = placement.workloads.map((place) => place.name);
  return ['heddle status', `heddle logs ${name}`, `heddle config routes ${name}`];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
