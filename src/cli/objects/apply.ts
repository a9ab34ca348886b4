// `heddle apply`: puts objects into the overlay of a mesh, and waits until they are live.
import { objectDigest } from '../../control/source/digest.ts';
import { formatFinding } from '../../control/source/finding.ts';
import type { ObjectSource } from '../../control/source/config-source.ts';
import { defineCommand } from '../command/command.ts';
import { durationMs, UsageError } from '../command/parse.ts';
import type { CommandSpec } from '../command/spec.ts';
import { type ControlPlace, findControl, MESH_OPTIONS } from '../control-client.ts';
import { linesOf } from '../status.ts';
import { askWait } from '../wait.ts';
import { type GivenObject, readGiven } from './documents.ts';
import { meshDirectory, readMeshFiles } from './mesh-files.ts';
import { standingOf, writeOverlay, writtenText } from './overlay.ts';

export const GIVEN_OPTIONS = {
  filename: {
    type: 'string',
    short: 'f',
    multiple: true,
    value: 'FILE',
    complete: 'file',
    help: 'file or directory with objects, or - for stdin; repeatable',
  },
  namespace: { type: 'string', short: 'n', value: 'NS', complete: 'namespace', help: 'of objects that say none' },
} as const;

const SPEC = {
  verb: 'apply',
  about: `Adds objects to a mesh, or changes those that were added so before, and waits until they are live. They are
kept in DIR/.heddle/objects. An object that a file of the mesh defines is refused: edit that file. When one is
refused, nothing is written. Works while no mesh runs, too, with --dir.`,
  usage: ['apply -f FILE...'],
  options: {
    ...GIVEN_OPTIONS,
    wait: { type: 'string', value: 'BOOL', default: 'true', words: ['true', 'false'], help: 'until they are live' },
    timeout: { type: 'string', value: 'TIME', default: '30s', help: 'how long to wait' },
    ...MESH_OPTIONS,
  },
  examples: [
    ['heddle apply -f reviews.yaml', 'of a file'],
    ['kubectl get vs -o yaml | heddle apply -f - --dir examples/bookshop', 'of another program, into that mesh'],
  ],
} as const satisfies CommandSpec;

export const apply = defineCommand(SPEC, async ({ values }) => {
  if (values.filename.length === 0) throw new UsageError('-f FILE is missing: which objects?');
  const timeoutMs = durationMs('timeout', values.timeout);
  const directory = meshDirectory(values);
  const { objects, refusals, notes } = readGiven(values.filename, values.namespace);
  const source = readMeshFiles(directory);
  const all = [...refusals, ...objects.flatMap((one) => conflictOf(directory, source, one) ?? [])];
  if (all.length > 0) throw new Error([...all, 'nothing was applied'].join('\n'));
  if (objects.length === 0) throw new Error(`no objects in ${values.filename.join(', ')}: nothing to apply`);
  for (const note of notes) process.stderr.write(`${note}\n`);
  const results = objects.map((one) => ({ one, result: write(directory, source, one) }));
  const place = findControl(values, true);
  const isAsked = place.mesh !== null || values.control !== undefined;
  const isWaiting = isAsked && values.wait === 'true';
  const endMs = performance.now() + timeoutMs;
  for (const { one, result } of results) {
    const more = isWaiting ? await untilLive(place, one, endMs) : '';
    process.stdout.write(`${one.title} ${result}${more}\n`);
  }
  if (!isAsked) tellFindings(directory, objects);
});

function conflictOf(directory: string, source: ObjectSource, { key, place }: GivenObject): string | null {
  const standing = standingOf(directory, source, key);
  if (standing.is !== 'written') return null;
  return `${place}: ${key} ${writtenText(directory, standing.at)}`;
}

function write(directory: string, source: ObjectSource, { key, digest, text }: GivenObject): string {
  const before = source.objects().get(key);
  if (before !== undefined && objectDigest(before) === digest) return 'unchanged';
  writeOverlay(directory, key, text);
  return before === undefined ? 'created' : 'configured';
}

/** What is to be said after 'created'. */
async function untilLive(place: ControlPlace, { key, digest }: GivenObject, endMs: number): Promise<string> {
  const answer = await askWait(place, { key, digest, goal: 'live', endMs });
  if (answer.error !== undefined) throw new Error(answer.error);
  const [first = '', ...more] = answer.object === null ? [] : linesOf(answer.object);
  const findings = answer.object?.findings ?? answer.findings ?? [];
  const told = findings.map((finding) => `\n  ${finding.severity}: ${formatFinding(finding)}`).join('');
  if (answer.isReached) return `: ${first.slice(key.length + 2).replace(/ {2}\(.*\)$/, '')}${told}`;
  process.exitCode = 1;
  const why = answer.isRead === false ? 'the control plane has not read it' : 'not live';
  return `: ${why}\n  ${[first, ...more].join('\n  ')}${told}`;
}

/** Without a control plane: what it would say of them. */
function tellFindings(directory: string, objects: readonly GivenObject[]): void {
  const keys = new Set(objects.map(({ key }) => key));
  for (const finding of readMeshFiles(directory).findings()) {
    if (keys.has(finding.key)) process.stderr.write(`${finding.severity}: ${formatFinding(finding)}\n`);
  }
}
