// A document → the object that it defines, or why it is refused.
import { validateObject } from '../schema/validate-object.ts';
import type { Problem } from './finding.ts';
import { findKind, splitApiVersion } from './kinds.ts';
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
 * `previous` gives what is live under the key: rules may compare with it. `ownNamespace`: of objects that say none.
 * Owns: the object takes over what is in `raw`, and may add defaults there.
 */
export function makeObject(
  raw: Json,
  previous: (key: string) => ConfigObject | null,
  ownNamespace = DEFAULT_NAMESPACE,
): MadeObject {
  const { group } = splitApiVersion(String(raw['apiVersion']));
  const kind = String(raw['kind']);
  const known = findKind(group, kind);
  const metadata = isMap(raw['metadata']) ? raw['metadata'] : {};
  const { name, namespace } = metadata;
  if (known === undefined) {
    const message = `${kind} of ${String(raw['apiVersion'])} is not read`;
    const remedy = 'nothing is to be done: Heddle has no use for objects of this kind';
    return { key: '', object: null, problems: [{ severity: 'information', path: ['kind'], message, remedy }] };
  }
  if (typeof name !== 'string' || name === '') return { key: '', object: null, problems: [NO_NAME] };
  const isSaid = typeof namespace === 'string' && namespace !== '';
  if (known.isNamespaced && !isSaid && ownNamespace !== DEFAULT_NAMESPACE) {
    (raw as Record<string, unknown>)['metadata'] = { ...metadata, namespace: ownNamespace };
  }
  const place = known.isNamespaced ? (isSaid ? namespace : ownNamespace) : '';
  const key = objectKeyOf(group, kind, place, name);
  const validated = validateObject(raw, previous(key));
  if (validated === null) return { key, object: null, problems: [] };
  if ('errors' in validated) return { key, object: null, problems: validated.errors };
  return { key, object: validated.object, problems: validated.warnings };
}

/** Kubernetes' own. */
const DEFAULT_NAMESPACE = 'default';

const NO_NAME: Problem = {
  severity: 'error',
  path: ['metadata', 'name'],
  message: 'the object has no name',
  remedy: 'add metadata.name',
};
