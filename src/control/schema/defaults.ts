// Defaults and nulls, as the API server treats them before it validates: in place.
import type { Schema } from './structural.ts';

/** Fills in what is missing or null, and drops nulls where nothing may be null and no default is there. */
export function applyDefaults(value: unknown, schema: Schema): void {
  fill(value, schema);
  dropNulls(value, schema);
}

function isNonNullableNull(value: unknown, schema: Schema): boolean {
  return value === null && schema.json.nullable !== true;
}

function fill(value: unknown, schema: Schema): void {
  if (!schema.hasDefaults || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === null) return;
    value.forEach((item, at) => {
      if (isNonNullableNull(item, items) && items.json.default !== undefined) value[at] = copy(items.json.default);
      fill(value[at], items);
    });
    return;
  }
  const object = value as Record<string, unknown>;
  for (const [name, property] of schema.properties) {
    if (property.json.default === undefined) continue;
    if (!Object.hasOwn(object, name) || isNonNullableNull(object[name], property)) {
      object[name] = copy(property.json.default);
    }
  }
  for (const name of Object.keys(object)) {
    const property = schema.field(name);
    if (property === null) continue;
    if (property === schema.additional && isNonNullableNull(object[name], property)) {
      object[name] = copy(property.json.default ?? null);
    }
    fill(object[name], property);
  }
}

function dropNulls(value: unknown, schema: Schema): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    if (schema.items !== null) for (const item of value) dropNulls(item, schema.items);
    return;
  }
  const object = value as Record<string, unknown>;
  for (const name of Object.keys(object)) {
    const property = schema.field(name);
    if (property === null) continue;
    if (isNonNullableNull(object[name], property)) delete object[name];
    else dropNulls(object[name], property);
  }
}

function copy(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? structuredClone(value) : value;
}
