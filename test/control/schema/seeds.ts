// Valid objects of every kind that the source reads, from which documents with mistakes are made.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { findKind, splitApiVersion } from '../../../src/control/source/kinds.ts';
import { captureInput, captureInputNames } from '../capture-inputs.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Objects of testdata/seeds.yaml, and those that the captures' istiods were given. */
export function seeds(): Json[] {
  const own = loadAll(readFileSync(join(import.meta.dirname, 'testdata/seeds.yaml'), 'utf8')) as Json[];
  const captured = captureInputNames().flatMap(
    (name) => loadAll(captureInput(name).files['config.yaml'] ?? '') as (Json | null)[],
  );
  return [...own, ...captured].filter((object): object is Json => {
    if (object === null || object === undefined) return false;
    const { group } = splitApiVersion(String(object['apiVersion']));
    return findKind(group, String(object['kind']))?.schema === 'crd';
  });
}

/** Of each of Kubernetes' own kinds the first two of the captures' inputs. */
export function coreSeeds(): Json[] {
  const shared = loadAll(captureInput('01-plain-sidecar').files['base.yaml'] ?? '') as Json[];
  const more = loadAll(readFileSync(join(import.meta.dirname, 'testdata/core-seeds.yaml'), 'utf8')) as Json[];
  const kinds = new Map<string, Json[]>();
  for (const object of [...more, ...shared]) {
    const { group } = splitApiVersion(String(object['apiVersion']));
    const kind = String(object['kind']);
    if (findKind(group, kind)?.schema !== 'core') continue;
    const list = kinds.get(kind) ?? [];
    if (list.length < 2) kinds.set(kind, [...list, object]);
  }
  return [...kinds.values()].flat();
}
