// `heddle get`: the objects of a mesh, where they are written and how far they are live; or what they say.
import type { ListedObject as ToldObject } from '../../control/api/object-types.ts';
import { plainObject } from '../../control/source/object-text.ts';
import type { ConfigObject } from '../../control/source/object.ts';
import type { StatusReport } from '../../control/status.ts';
import { defineCommand } from '../command/command.ts';
import { UsageError } from '../command/parse.ts';
import type { CommandSpec } from '../command/spec.ts';
import { table } from '../command/table.ts';
import { askControl, findControl, MESH_OPTIONS, type MeshValues } from '../control-client.ts';
import { byText } from '../config/dump.ts';
import { yamlOf } from './documents.ts';
import { kindsOf, type NamedKind, titleOf } from './kinds.ts';
import { meshDirectory, placeText, readMeshFiles } from './mesh-files.ts';

const GAP = 3;

const SPEC = {
  verb: 'get',
  about: `Lists objects of a mesh: where each is written, and in how many of the proxies concerned it is live. KIND is
as kubectl takes it (virtualservices, vs, gateways.gateway.networking.k8s.io), several with commas, or all.`,
  usage: ['get KIND [NAME]...', 'get KIND/NAME...'],
  arguments: [
    { name: 'KIND', complete: 'kind' },
    { name: '[NAME]...', complete: 'object', repeats: true },
  ],
  options: {
    namespace: { type: 'string', short: 'n', value: 'NS', complete: 'namespace', help: 'only of that namespace' },
    'all-namespaces': { type: 'boolean', short: 'A', help: 'of all (that is so without -n, too)' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['table', 'yaml', 'json', 'name'],
      default: 'table',
      help: 'table, yaml, json, or names only',
    },
    'no-headers': { type: 'boolean', help: 'a table without its head' },
    ...MESH_OPTIONS,
  },
  examples: [
    ['heddle get virtualservices', 'all of them'],
    ['heddle get dr reviews -n shop -o yaml', 'one, as it is in force'],
  ],
} as const satisfies CommandSpec;

/** As the control plane lists it; without a status where none was asked. */
export type ListedObject = Omit<ToldObject, 'key' | 'status'> & { readonly status: StatusReport | null };

export const get = defineCommand(SPEC, async ({ values, words }) => {
  const asked = askedFor(words);
  const isFull = values.output === 'yaml' || values.output === 'json';
  const all = await listObjects(values, { kinds: asked.map(({ kind }) => kind), isFull });
  const isMeant = (one: ListedObject): boolean =>
    (values.namespace === undefined || one.namespace === values.namespace || one.namespace === '') &&
    asked.some(({ kind, name }) => isOf(one, kind) && (name === null || name === one.name));
  const listed = all.filter(isMeant).sort(compare);
  const found = values.output === 'table' ? await withEffects(values, listed) : listed;
  for (const name of new Set(asked.flatMap(({ name: one }) => one ?? []))) {
    if (found.some((one) => one.name === name)) continue;
    const place = values.namespace === undefined ? '' : ` in namespace ${values.namespace}`;
    process.stderr.write(`heddle: there is no ${words[0]?.split('/')[0]} ${name}${place}\n`);
    process.exitCode = 1;
  }
  const isSingle = found.length === 1 && asked.every(({ name }) => name !== null);
  process.stdout.write(printed(found, values.output, isSingle, values['no-headers']));
});

type Asked = { readonly kind: NamedKind; readonly name: string | null };

function askedFor(words: readonly string[]): Asked[] {
  const [first = '', ...names] = words;
  if (first === '') throw new UsageError('KIND is missing: which objects? heddle get all lists every one');
  if (!first.includes('/')) {
    const kinds = kindsOf(first);
    return names.length === 0
      ? kinds.map((kind) => ({ kind, name: null }))
      : names.flatMap((name) => kinds.map((kind) => ({ kind, name })));
  }
  return words.flatMap((word) => {
    const [kind = '', name = ''] = word.split('/');
    return kindsOf(kind).map((one) => ({ kind: one, name }));
  });
}

const groupOf = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '');

function isOf({ kind, apiVersion }: ListedObject, wanted: NamedKind): boolean {
  return kind === wanted.kind && groupOf(apiVersion) === wanted.group;
}

const compare = (a: ListedObject, b: ListedObject): number =>
  byText(groupOf(a.apiVersion), groupOf(b.apiVersion)) ||
  byText(a.kind, b.kind) ||
  byText(a.namespace, b.namespace) ||
  byText(a.name, b.name);

/** A control plane finds out in time whom an object concerns, and at once when it is asked for one. */
const MOST_ASKED = 200;

async function withEffects(values: MeshValues, found: readonly ListedObject[]): Promise<readonly ListedObject[]> {
  const isOpen = ({ status }: ListedObject): boolean => status !== null && status.concerned === 0;
  if (!found.some(isOpen) || found.length > MOST_ASKED) return found;
  const place = findControl(values, true);
  const asked: ListedObject[] = [];
  for (const one of found) {
    const path = `/api/v1/status?object=${encodeURIComponent(one.status?.key ?? '')}`;
    const { status, body } = isOpen(one) ? await askControl(place, path) : { status: 0, body: null };
    asked.push(status === 200 ? { ...one, status: body as StatusReport } : one);
  }
  return asked;
}

/** Of the control plane; where no mesh runs, of the files of its directory. */
export async function listObjects(
  values: MeshValues,
  { kinds, isFull }: { readonly kinds: readonly NamedKind[]; readonly isFull: boolean },
): Promise<readonly ListedObject[]> {
  const place = findControl(values, true);
  if (place.mesh === null && values.control === undefined && values.dir !== undefined) {
    process.stderr.write(`heddle: ${place.missing}; this is what its files say\n`);
    return listFiles(meshDirectory(values));
  }
  const query = new URLSearchParams({ kind: [...new Set(kinds.map(({ kind }) => kind))].join(',') });
  if (isFull) query.set('full', '1');
  const { body } = await askControl(place, `/api/v1/objects?${query}`);
  return (body as { objects: ListedObject[] }).objects;
}

function listFiles(directory: string): ListedObject[] {
  const source = readMeshFiles(directory);
  return [...source.objects()].map(([key, object]) => {
    const { file = '', line = 0 } = source.positionOf(key) ?? {};
    return { ...namesOf(object), file, line, object: plainObject(object), status: null };
  });
}

function namesOf({ kind, group, version, namespace, name }: ConfigObject) {
  return { kind, apiVersion: group === '' ? version : `${group}/${version}`, namespace, name };
}

function printed(found: readonly ListedObject[], output: string, isSingle: boolean, isBare: boolean): string {
  const titles = found.map((one) => titleOf({ ...one, group: groupOf(one.apiVersion) }));
  if (output === 'name') return titles.map((title) => `${title}\n`).join('');
  if (output === 'table') return tableOf(found, titles, isBare);
  const objects = found.map(({ object }) => object ?? {});
  const whole = isSingle ? objects[0] : { apiVersion: 'v1', kind: 'List', items: objects };
  return output === 'json' ? `${JSON.stringify(whole, null, 4)}\n` : yamlOf(whole);
}

function tableOf(found: readonly ListedObject[], titles: readonly string[], isBare: boolean): string {
  if (found.length === 0) return process.exitCode === 1 ? '' : 'no objects\n';
  const isMixed = new Set(found.map(({ kind, apiVersion }) => `${kind} ${groupOf(apiVersion)}`)).size > 1;
  const rows = found.map((one, at) => [
    one.namespace === '' ? '-' : one.namespace,
    isMixed ? (titles[at] ?? '') : one.name,
    liveText(one.status),
    one.file === '' ? '-' : placeText(one.file, one.line),
  ]);
  return table([...(isBare ? [] : [['NAMESPACE', 'NAME', 'LIVE', 'WRITTEN IN']]), ...rows], GAP);
}

/** '7/7', '3/7', 'refused by 1', 'no effect', '-' for what concerns no proxy; heddle status tells why. */
function liveText(status: StatusReport | null): string {
  if (status === null) return '-';
  const { concerned, live, refusals, effect } = status;
  if (refusals.length > 0) return `refused by ${refusals.length}`;
  if (effect !== 'in effect') return 'no effect';
  return concerned === 0 ? '-' : `${live}/${concerned}`;
}
