// Documents with mistakes: valid objects, changed at one or two places that their schemas say something of.
import { Random } from '../../../src/base/clock.ts';
import { coreSchema } from '../../../src/control/schema/core-kinds.ts';
import { crdSchema } from '../../../src/control/schema/crds.ts';
import type { Schema } from '../../../src/control/schema/structural.ts';
import { splitApiVersion } from '../../../src/control/source/kinds.ts';
import { coreSeeds, type Json, seeds } from './seeds.ts';

type Container = Record<string, unknown> | unknown[];
/** A value of an object, with what is said of it. */
type Place = { readonly container: Container; readonly key: string | number; readonly schema: Schema };

/** Valid and changed objects, the same ones for the same seed. */
export function generateDocuments(perSeed: number, seed: number): Json[] {
  const random = new Random(seed);
  return seeds().flatMap((seedObject) => {
    // In one namespace, so that whoever is asked needs no others.
    const metadata = { ...(seedObject['metadata'] as Json), namespace: 'default' };
    const valid = { ...seedObject, metadata };
    const versions = [valid, ...otherVersions(valid)];
    const changed = Array.from({ length: perSeed }, () => mutate(pick(versions, random), random));
    return [...versions, ...changed];
  });
}

/** Objects of Kubernetes' own kinds, of which only some fields are looked at. */
export function generateCoreDocuments(perSeed: number, seed: number): Json[] {
  const random = new Random(seed);
  return coreSeeds().flatMap((seedObject) => {
    const valid = { ...seedObject, metadata: { ...(seedObject['metadata'] as Json), namespace: 'default' } };
    return [valid, ...Array.from({ length: perSeed }, () => mutateCore(valid, random))];
  });
}

function mutateCore(valid: Json, random: Random): Json {
  const object = structuredClone(valid) as Record<string, unknown>;
  const places: Place[] = [];
  for (const [name, field] of coreSchema(String(valid['kind'])).properties) {
    if (Object.hasOwn(object, name)) collect(object, name, field, places);
  }
  if (places.length > 0) change(pick(places, random), random);
  return object;
}

const VERSIONS = ['v1', 'v1beta1', 'v1alpha3', 'v1alpha2', 'v1alpha1'];

function otherVersions(object: Json): Json[] {
  const { group, version } = splitApiVersion(String(object['apiVersion']));
  const others = VERSIONS.filter((one) => one !== version && crdSchema(group, one, String(object['kind'])) !== null);
  return others.map((one) => ({ ...structuredClone(object), apiVersion: `${group}/${one}` }));
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[random.below(list.length)] as T;
}

function mutate(valid: Json, random: Random): Json {
  const object = structuredClone(valid) as Record<string, unknown>;
  const { group, version } = splitApiVersion(String(object['apiVersion']));
  const schema = crdSchema(group, version, String(object['kind'])) as Schema;
  for (let changes = 1 + random.below(2); changes > 0; changes--) {
    const places: Place[] = [];
    collect(object, 'spec', schema.properties.get('spec') as Schema, places);
    change(pick(places, random), random);
  }
  return object;
}

function collect(container: Container, key: string | number, schema: Schema, places: Place[]): void {
  places.push({ container, key, schema });
  const value = (container as Record<string | number, unknown>)[key];
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== null) value.forEach((_, at) => collect(value, at, items, places));
    return;
  }
  for (const name of Object.keys(value)) {
    const field = schema.field(name);
    if (field !== null) collect(value as Container, name, field, places);
  }
}

const TEXTS = [
  '',
  'a',
  'A_b',
  '*',
  '*.example.com',
  '/a',
  'a//b',
  '0s',
  '1ms',
  '500us',
  '1h',
  '5',
  'x'.repeat(300),
  '10.0.0.1',
  'é',
];
const NUMBERS = [-1, 0, 1, 1.5, 64, 65535, 65536, 2147483648, 4294967296];
const ANYTHING: readonly unknown[] = [null, {}, [], true, 'text', 7, [null], { a: 'b' }];

function change({ container, key, schema }: Place, random: Random): void {
  const target = container as Record<string | number, unknown>;
  const value = target[key];
  const choice = random.below(10);
  if (choice === 0) target[key] = pick(ANYTHING, random);
  else if (choice === 1) remove(container, key);
  else if (choice === 2 && isFields(value)) value['unknown'] = 1;
  else if (choice <= 5 && isFields(value) && schema.properties.size > 0) {
    const [name, field] = pick([...schema.properties], random);
    value[name] = sample(field, random, 0);
  } else if (choice <= 5 && isFields(value)) value[pick(TEXTS, random)] = pick(TEXTS, random);
  else if (choice <= 7 && Array.isArray(value)) changeList(value, schema, random);
  else if (typeof value === 'string') target[key] = pick([...(schema.json.enum ?? []), ...TEXTS], random);
  else if (typeof value === 'number') target[key] = pick(NUMBERS, random);
  else target[key] = sample(schema, random, 0);
}

function changeList(list: unknown[], { items }: Schema, random: Random): void {
  const choice = random.below(4);
  if (choice === 0 && list.length > 0) list.push(structuredClone(pick(list, random)));
  else if (choice === 1) list.length = 0;
  else if (choice === 2 && list.length > 0) while (list.length < 70) list.push(structuredClone(list[0]));
  else if (items !== null) list.push(sample(items, random, 0));
}

function remove(container: Container, key: string | number): void {
  if (Array.isArray(container)) container.splice(Number(key), 1);
  else delete container[key];
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const MAX_DEPTH = 4;

/** Something of the right type, that may still break a rule. */
function sample(schema: Schema, random: Random, depth: number): unknown {
  const { json } = schema;
  if (json.enum !== undefined) return pick(json.enum, random);
  if (json['x-kubernetes-int-or-string'] === true) return pick([1, '1', 'a', 70000], random);
  switch (json.type) {
    case 'string':
      return pick(TEXTS, random);
    case 'integer':
      return pick([json.minimum ?? 1, json.maximum ?? 2, 1, 80, 65536], random);
    case 'number':
      return pick([0, 0.5, 100, 101], random);
    case 'boolean':
      return random.below(2) === 0;
    case 'array':
      return schema.items === null || depth >= MAX_DEPTH ? [] : [sample(schema.items, random, depth + 1)];
  }
  const made: Record<string, unknown> = {};
  for (const name of json.required ?? []) {
    const field = schema.properties.get(name);
    if (field !== undefined) made[name] = sample(field, random, depth + 1);
  }
  if (depth < MAX_DEPTH && schema.properties.size > 0 && random.below(2) === 0) {
    const [name, field] = pick([...schema.properties], random);
    made[name] = sample(field, random, depth + 1);
  }
  if (schema.additional !== null)
    made[pick(['a', '80', 'a.b/c', 'x*'], random)] = sample(schema.additional, random, depth + 1);
  return made;
}
