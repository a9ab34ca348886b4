// `heddle wait`: returns when all proxies concerned have what files or objects say, or tells who refused it and why.
import { parseArgs } from 'node:util';
import { formatFinding, type Finding } from '../control/source/finding.ts';
import type { StatusReport } from '../control/status.ts';
import { askControl, CONTROL_HELP, CONTROL_OPTION } from './control-client.ts';
import { namedObjects } from './object-names.ts';
import { linesOf } from './status.ts';

const OPTIONS = {
  ...CONTROL_OPTION,
  for: { type: 'string', default: 'live' },
  namespace: { type: 'string', short: 'n', default: 'default' },
  timeout: { type: 'string', default: '30s' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const USAGE = `usage: heddle wait [--for=live|accepted] FILE | KIND/NAME | KIND/NAMESPACE/NAME ...

${CONTROL_HELP}
  --for GOAL        accepted: every proxy concerned has acknowledged it; live: it is in effect there (live)
  --timeout TIME    how long to wait (30s)
  -n, --namespace   of objects that are named without one (default)
`;

type Answer = {
  readonly isReached: boolean;
  readonly isRead?: boolean;
  readonly object: StatusReport | null;
  readonly findings?: readonly Finding[];
  readonly error?: string;
};

/** Exit code 1 when it was refused or the time is over. */
export async function runWait(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  if (values.help || positionals.length === 0) {
    process.stdout.write(USAGE);
    if (!values.help) process.exitCode = 1;
    return;
  }
  const timeoutMs = durationMs(values.timeout);
  if (timeoutMs === null) throw new Error(`--timeout ${values.timeout}: expected a time such as 30s or 2m`);
  const endMs = performance.now() + timeoutMs;
  const named = namedObjects(positionals, values.namespace);
  if (named.length === 0) process.stdout.write(`no objects in ${positionals.join(', ')}: nothing to wait for\n`);
  for (const { key, digest } of named) {
    const query = new URLSearchParams({ object: key, for: values.for });
    query.set('timeout', String(Math.max(0, Math.ceil(endMs - performance.now()))));
    if (digest !== null) query.set('digest', digest);
    const { body } = await askControl(values.control, `/api/v1/wait?${query}`);
    report(key, values.for, body as Answer);
  }
}

function report(key: string, goal: string, answer: Answer): void {
  if (answer.error !== undefined) throw new Error(answer.error);
  const lines = answer.object === null ? [`${key}: not there`] : linesOf(answer.object);
  if (answer.isReached) {
    process.stdout.write(`${lines[0]}\n`);
    return;
  }
  process.exitCode = 1;
  if (answer.isRead === false) {
    lines.unshift(`${key}: the control plane has not read what the file says`);
    lines.push(...(answer.findings ?? []).map((finding) => `  ${formatFinding(finding)}`));
  } else lines.unshift(`${key}: not ${goal}`);
  process.stderr.write(`${lines.join('\n')}\n`);
}

function durationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text);
  if (match === null) return null;
  return Number(match[1]) * ({ ms: 1, s: 1000, m: 60_000 }[match[2] ?? 's'] as number);
}
