// `heddle delete`: takes objects out of the overlay of a mesh, and waits until they are gone.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectSource } from '../../control/source/config-source.ts';
import { objectKeyOf } from '../../control/source/object.ts';
import { defineCommand } from '../command/command.ts';
import { durationMs, UsageError } from '../command/parse.ts';
import type { CommandSpec } from '../command/spec.ts';
import { askControl, type ControlPlace, findControl, MESH_OPTIONS } from '../control-client.ts';
import { GIVEN_OPTIONS } from './apply.ts';
import { readGiven } from './documents.ts';
import { kindsOf, titleOf } from './kinds.ts';
import { meshDirectory, readMeshFiles } from './mesh-files.ts';
import { removeOverlay, standingOf, writtenText } from './overlay.ts';

const LOOK_MS = 20;

const SPEC = {
  verb: 'delete',
  about: `Takes away objects that heddle apply added, and waits until the control plane has let go of them. An object
that a file of the mesh defines is refused: delete it there. When one is refused, nothing is taken away.`,
  usage: ['delete KIND NAME...', 'delete -f FILE...'],
  arguments: [
    { name: 'KIND', complete: 'kind' },
    { name: 'NAME', complete: 'object', repeats: true },
  ],
  options: {
    ...GIVEN_OPTIONS,
    'ignore-not-found': { type: 'boolean', help: 'an object that is not there is no mistake' },
    wait: { type: 'string', value: 'BOOL', default: 'true', words: ['true', 'false'], help: 'until they are gone' },
    timeout: { type: 'string', value: 'TIME', default: '30s', help: 'how long to wait' },
    ...MESH_OPTIONS,
  },
  examples: [
    ['heddle delete virtualservice reviews -n shop', 'one object'],
    ['heddle delete -f reviews.yaml', 'all objects of a file'],
  ],
} as const satisfies CommandSpec;

type Target = { readonly key: string; readonly title: string };

export const remove = defineCommand(SPEC, async ({ values, words }) => {
  const directory = meshDirectory(values);
  const source = readMeshFiles(directory);
  const targets =
    values.filename.length > 0 ? ofFiles(values, words) : ofNames(source, words, values.namespace ?? 'default');
  const refusals: string[] = [];
  const gone: Target[] = [];
  for (const target of targets) {
    const standing = standingOf(directory, source, target.key);
    if (standing.is === 'applied') gone.push(target);
    else if (standing.is === 'written') refusals.push(`${target.key} ${writtenText(directory, standing.at)}`);
    else if (!values['ignore-not-found']) refusals.push(`there is no ${target.key}`);
  }
  if (refusals.length > 0) throw new Error([...refusals, 'nothing was deleted'].join('\n'));
  for (const { key } of gone) removeOverlay(directory, key);
  const place = findControl(values, true);
  const isAsked = place.mesh !== null || values.control !== undefined;
  const isWaiting = isAsked && values.wait === 'true';
  const endMs = performance.now() + durationMs('timeout', values.timeout);
  for (const { key, title } of gone) {
    const isGone = !isWaiting || (await untilGone(place, key, endMs));
    process.stdout.write(`${title} deleted${isGone ? '' : ': the control plane still has it'}\n`);
    if (!isGone) process.exitCode = 1;
  }
});

type GivenValues = { readonly filename: readonly string[]; readonly namespace: string | undefined };

function ofFiles({ filename, namespace }: GivenValues, words: readonly string[]): Target[] {
  if (words.length > 0) throw new UsageError('name objects, or use -f: one of them');
  const { objects, refusals } = readGiven(filename, namespace);
  if (refusals.length > 0) throw new Error([...refusals, 'nothing was deleted'].join('\n'));
  return objects.map(({ key, title }) => ({ key, title }));
}

/** 'vs reviews ratings' and 'vs/reviews dr/reviews'. */
function ofNames(source: ObjectSource, words: readonly string[], namespace: string): Target[] {
  const [kind = '', ...names] = words;
  const pairs = kind.includes('/')
    ? words.map((word) => word.split('/') as [string, string])
    : names.map((name) => [kind, name] as const);
  if (pairs.length === 0) throw new UsageError('which objects? name a KIND and NAMEs, or use -f FILE');
  return pairs.map(([word, name]) => {
    const keys = kindsOf(word).map((one) => ({
      key: objectKeyOf(one.group, one.kind, one.isNamespaced ? namespace : '', name),
      title: titleOf({ group: one.group, kind: one.kind, name }),
    }));
    const there = keys.filter(({ key }) => source.positionOf(key) !== null);
    if (there.length > 1) {
      const titles = there.map(({ title }) => title).join(' or ');
      throw new UsageError(`${word} ${name} may be ${titles}: name the kind with its group`);
    }
    return (there[0] ?? keys[0]) as Target;
  });
}

async function untilGone(place: ControlPlace, key: string, endMs: number): Promise<boolean> {
  for (;;) {
    const { status } = await askControl(place, `/api/v1/status?object=${encodeURIComponent(key)}`);
    if (status === 404) return true;
    if (performance.now() >= endMs) return false;
    await sleep(LOOK_MS);
  }
}
