// The schemas of custom resources, out of the file that scripts/generate.ts packs; each is read when it is needed.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Schema, type SchemaJson } from './structural.ts';

/** Beside this module in development, beside the bundle for users. */
const PLACES = ['./generated/crds.txt', './crds.txt'];

let lines: ReadonlyMap<string, string> | null = null;
const schemas = new Map<string, Schema>();

function open(): ReadonlyMap<string, string> {
  if (lines !== null) return lines;
  const places = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const file = places.find((place) => existsSync(place));
  if (file === undefined) throw new Error('crds.txt is not there: the installation is broken');
  const all = readFileSync(file, 'utf8').split('\n');
  lines = new Map(
    all
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split('\t', 2) as [name: string, json: string]),
  );
  return lines;
}

/** 'GROUP/VERSION/KIND' of all that are there. */
export function crdNames(): string[] {
  return [...open().keys()];
}

/** The schema of a whole object; null when that version of the kind has none. */
export function crdSchema(group: string, version: string, kind: string): Schema | null {
  const name = `${group}/${version}/${kind}`;
  const known = schemas.get(name);
  if (known !== undefined) return known;
  const json = open().get(name);
  if (json === undefined) return null;
  // A version that says what another one says names it.
  const [otherGroup = '', otherVersion = '', otherKind = ''] = json.slice(1).split('/');
  const schema = json.startsWith('=')
    ? (crdSchema(otherGroup, otherVersion, otherKind) as Schema)
    : new Schema(JSON.parse(json) as SchemaJson);
  schemas.set(name, schema);
  return schema;
}
