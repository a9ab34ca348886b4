// A document → the object that it defines, or why it is refused.
import type { Problem } from './finding.ts';
import { findKind, type Kind, splitApiVersion } from './kinds.ts';
import { type ConfigObject, objectKeyOf } from './object.ts';
import { isMap, type Json } from './read-documents.ts';

export type MadeObject = {
  /** '' where the document does not say which object it is. */
  readonly key: string;
  /** Null where it is refused, or of a kind that is not read. */
  readonly object: ConfigObject | null;
  readonly problems: readonly Problem[];
};

/**
 * `previous` gives what is live under the key: rules may compare with it.
 * Owns: the object takes over what is in `raw`, and may add defaults there.
 */
export function makeObject(raw: Json, _previous: (key: string) => ConfigObject | null): MadeObject {
  const { group, version } = splitApiVersion(String(raw['apiVersion']));
  const kind = String(raw['kind']);
  const known = findKind(group, kind);
  const metadata = isMap(raw['metadata']) ? raw['metadata'] : {};
  const name = metadata['name'];
  if (typeof name !== 'string' || name === '') return { key: '', object: null, problems: [NO_NAME] };
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : '';
  if (known === undefined) {
    const remedy = 'nothing; Heddle reads no objects of this kind';
    const message = `${kind} of ${raw['apiVersion']} is not read`;
    const key = objectKeyOf(group, `${group}:${kind}`, namespace, name);
    return { key, object: null, problems: [{ severity: 'information', path: ['kind'], message, remedy }] };
  }
  const object = objectOf(raw, known, version, metadata);
  return { key: objectKeyOf(group, kind, object.namespace, name), object, problems: [] };
}

const NO_NAME: Problem = {
  severity: 'error',
  path: ['metadata', 'name'],
  message: 'the object has no name',
  remedy: 'add metadata.name',
};

const OWN_FIELDS = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);

function objectOf(raw: Json, kind: Kind, version: string, metadata: Json): ConfigObject {
  const created = metadata['creationTimestamp'];
  const creationMs = typeof created === 'string' ? Date.parse(created) : Number.NaN;
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : '';
  return {
    group: kind.group,
    version,
    kind: kind.kind,
    namespace: kind.isNamespaced ? namespace || 'default' : '',
    name: String(metadata['name']),
    labels: stringsOf(metadata['labels']),
    annotations: stringsOf(metadata['annotations']),
    creationMs: Number.isNaN(creationMs) ? 0 : creationMs,
    generation: typeof metadata['generation'] === 'number' ? metadata['generation'] : 0,
    uid: typeof metadata['uid'] === 'string' ? metadata['uid'] : '',
    spec: isMap(raw['spec']) ? raw['spec'] : {},
    data: Object.fromEntries(Object.entries(raw).filter(([field]) => !OWN_FIELDS.has(field))),
    status: isMap(raw['status']) ? raw['status'] : {},
  };
}

const NOTHING: Readonly<Record<string, string>> = {};

function stringsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isMap(value)) return NOTHING;
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return entries.length === 0 ? NOTHING : Object.fromEntries(entries);
}
