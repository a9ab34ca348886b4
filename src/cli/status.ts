// `heddle status`: how workloads are, how far each object came among the proxies, and what is wrong with it.
import { parseArgs } from 'node:util';
import { formatFinding, type Finding } from '../control/source/finding.ts';
import type { StatusReport } from '../control/status.ts';
import { askControl, findControl, MESH_HELP, MESH_PARSE_OPTIONS } from './control-client.ts';
import { askMesh, meshLines } from './mesh-status.ts';
import { namedObjects } from './object-names.ts';

const OPTIONS = {
  ...MESH_PARSE_OPTIONS,
  namespace: { type: 'string', short: 'n', default: 'default' },
  all: { type: 'boolean', short: 'a', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const USAGE = `usage: heddle status [FILE | KIND/NAME | KIND/NAMESPACE/NAME]... [OPTIONS]

${MESH_HELP}
  -n, --namespace   of objects that are named without one (default)
  -a, --all         also objects that are live everywhere
  --json            the whole answer
`;

/** Exit code 1 when an object was refused or is broken. */
export async function runStatus(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const place = findControl(values);
  const reports: StatusReport[] = [];
  let findings: readonly Finding[] = [];
  let proxies: number | null = null;
  if (positionals.length === 0) {
    const { body } = await askControl(place, '/api/v1/status');
    const all = body as { proxies: number; objects: StatusReport[]; findings: Finding[] };
    reports.push(...all.objects);
    findings = all.findings;
    proxies = all.proxies;
  }
  for (const { key } of namedObjects(positionals, values.namespace)) {
    const { status, body } = await askControl(place, `/api/v1/status?object=${encodeURIComponent(key)}`);
    if (status === 404) throw new Error(`the control plane has no object ${key}`);
    reports.push(body as StatusReport);
    findings = [...findings, ...(body as StatusReport).findings];
  }
  const mesh = positionals.length === 0 ? await askMesh(place) : null;
  if (mesh !== null && !values.json) process.stdout.write(`${meshLines(place, mesh)}\n`);
  const whole = { proxies, ...(mesh ?? {}), objects: reports, findings };
  if (values.json) process.stdout.write(`${JSON.stringify(whole, null, 2)}\n`);
  else print(reports, findings, proxies, values.all || positionals.length > 0);
  const isBad = findings.some(({ severity }) => severity === 'error') || reports.some((one) => one.refusals.length > 0);
  if (isBad) process.exitCode = 1;
}

function print(
  reports: readonly StatusReport[],
  findings: readonly Finding[],
  proxies: number | null,
  showsAll: boolean,
): void {
  const lines: string[] = [];
  if (proxies !== null) lines.push(`${reports.length} objects, ${proxies} streams of proxies`);
  const isPlain = (one: StatusReport): boolean =>
    one.live >= one.concerned && one.refusals.length === 0 && one.effect === 'in effect';
  const shown = showsAll ? reports : reports.filter((one) => !isPlain(one));
  for (const one of shown) lines.push(...linesOf(one));
  const idle = reports.filter((one) => one.concerned === 0 && !shown.includes(one)).length;
  const live = reports.length - shown.length - idle;
  if (live > 0) lines.push(`${live} are live everywhere (--all shows them)`);
  if (idle > 0) lines.push(`${idle} concern no connected proxy`);
  for (const finding of findings) lines.push(`${finding.severity}: ${formatFinding(finding)}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

export function linesOf(one: StatusReport): string[] {
  const place = one.file === '' ? '' : `  (${one.file}:${one.line})`;
  const { concerned, accepted, live } = one;
  const far =
    concerned === 0
      ? 'concerns no connected proxy'
      : `accepted by ${accepted}, live in ${live} of ${concerned} proxies`;
  const lines = [`${one.key}: ${far}${one.effect === 'in effect' ? '' : `; ${one.effect}`}${place}`];
  for (const { proxy, resource, field, message } of one.refusals) {
    lines.push(`  refused by ${proxy}: ${resource}${field === '' ? '' : ` ${field}`}: ${message}`);
  }
  if (live < concerned && one.refusals.length === 0) lines.push(`  waiting for ${one.waiting.join(', ')}`);
  return lines;
}
