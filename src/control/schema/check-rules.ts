// The rules of a schema against a value that its structure allows, and against what was there before.
import { type PathPart, parsePath } from '../source/finding.ts';
import type { Value } from '../../base/cel/values.ts';
import type { Problems } from './problem.ts';
import type { Schema } from './structural.ts';

/** `old` is undefined when nothing was there; what cannot be told to be the same thing as before is new. */
export function checkRules(
  value: unknown,
  old: unknown,
  schema: Schema,
  path: readonly PathPart[],
  problems: Problems,
): void {
  if (!schema.hasRules || value === null || problems.isFull) return;
  for (const rule of schema.rules) {
    const message = rule.check(valueOf(value, schema), old === undefined ? undefined : valueOf(old, schema));
    if (message === null) continue;
    const { fieldPath } = rule.source;
    const place = fieldPath === undefined ? path : [...path, ...parsePath(fieldPath.replace(/^\./, ''))];
    const remedy = rule.usesOld
      ? 'delete the object and create it anew, or leave the value'
      : 'change it so that this holds';
    problems.error(place, message, remedy);
  }
  if (Array.isArray(value)) checkItems(value, old, schema, path, problems);
  else if (typeof value === 'object') checkFields(value as Fields, old, schema, path, problems);
}

type Fields = Readonly<Record<string, unknown>>;

function checkFields(value: Fields, old: unknown, schema: Schema, path: readonly PathPart[], problems: Problems): void {
  const before = isFields(old) ? old : {};
  for (const [name, inner] of Object.entries(value)) {
    const field = schema.field(name);
    if (field === null || !field.hasRules) continue;
    checkRules(inner, Object.hasOwn(before, name) ? before[name] : undefined, field, [...path, name], problems);
  }
}

function checkItems(
  value: readonly unknown[],
  old: unknown,
  schema: Schema,
  path: readonly PathPart[],
  problems: Problems,
): void {
  const { items, json } = schema;
  if (items === null || !items.hasRules) return;
  const keys = json['x-kubernetes-list-type'] === 'map' ? (json['x-kubernetes-list-map-keys'] ?? []) : null;
  const keyOf = (item: unknown): string => JSON.stringify(keys?.map((key) => (isFields(item) ? item[key] : null)));
  const before = new Map(keys !== null && Array.isArray(old) ? old.map((item) => [keyOf(item), item as unknown]) : []);
  value.forEach((item, at) => {
    const same = before.size === 0 ? undefined : before.get(keyOf(item));
    checkRules(item, same, items, [...path, at], problems);
  });
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON as rules see it: as it is, but for texts that stand for bytes. */
function valueOf(value: unknown, { json }: Schema): Value {
  if (typeof value === 'string' && json.format === 'byte') return Buffer.from(value, 'base64');
  return value as Value;
}
