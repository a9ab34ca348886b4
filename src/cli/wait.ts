// `heddle wait`: returns when all proxies concerned have what files or objects say, or tells who refused it and why.
import { formatFinding, type Finding } from '../control/source/finding.ts';
import type { StatusReport } from '../control/status.ts';
import { defineCommand } from './command/command.ts';
import { durationMs, UsageError } from './command/parse.ts';
import type { CommandSpec } from './command/spec.ts';
import { askControl, type ControlPlace, findControl, MESH_OPTIONS } from './control-client.ts';
import { namedObjects } from './object-names.ts';
import { linesOf } from './status.ts';

const SPEC = {
  verb: 'wait',
  about: `Returns when all proxies concerned have what files or objects say, or tells who refused it and why.
Exit code 1 when it was refused or the time is over.`,
  usage: ['wait [--for live|accepted] FILE | KIND/NAME | KIND/NAMESPACE/NAME ...'],
  arguments: [{ name: 'FILE | KIND/NAME', complete: 'object', repeats: true }],
  options: {
    for: {
      type: 'string',
      value: 'GOAL',
      words: ['live', 'accepted'],
      default: 'live',
      help: 'live: it is in effect there; accepted: all have acknowledged it',
    },
    namespace: {
      type: 'string',
      short: 'n',
      value: 'NS',
      complete: 'namespace',
      default: 'default',
      help: 'of objects that are named without one',
    },
    timeout: { type: 'string', value: 'TIME', default: '30s', help: 'how long to wait' },
    ...MESH_OPTIONS,
  },
  examples: [
    ['heddle wait mesh/reviews.yaml', 'until all proxies concerned have what that file says'],
    ['heddle wait --for accepted vs/reviews --timeout 5s', 'until they have acknowledged an object'],
  ],
} as const satisfies CommandSpec;

export type WaitAnswer = {
  readonly isReached: boolean;
  readonly isRead?: boolean;
  readonly object: StatusReport | null;
  readonly findings?: readonly Finding[];
  readonly error?: string;
};

export const wait = defineCommand(SPEC, async ({ values, words }) => {
  if (words.length === 0) throw new UsageError('nothing is named to wait for');
  const endMs = performance.now() + durationMs('timeout', values.timeout);
  const place = findControl(values);
  const named = namedObjects(words, values.namespace);
  if (named.length === 0) process.stdout.write(`no objects in ${words.join(', ')}: nothing to wait for\n`);
  for (const { key, digest } of named) {
    report(key, values.for, await askWait(place, { key, digest, goal: values.for, endMs }));
  }
});

export type Goal = {
  readonly key: string;
  /** What the object must say; null: whatever it says. */
  readonly digest: string | null;
  readonly goal: string;
  /** Of performance.now(). */
  readonly endMs: number;
};

export async function askWait(place: ControlPlace, { key, digest, goal, endMs }: Goal): Promise<WaitAnswer> {
  const query = new URLSearchParams({ object: key, for: goal });
  query.set('timeout', String(Math.max(0, Math.ceil(endMs - performance.now()))));
  if (digest !== null) query.set('digest', digest);
  const { body } = await askControl(place, `/api/v1/wait?${query}`);
  return body as WaitAnswer;
}

function report(key: string, goal: string, answer: WaitAnswer): void {
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
