// Reading the plain JSON of objects that a schema has checked already: a field that is not there gives its empty value.

export type Json = Readonly<Record<string, unknown>>;

const NOTHING: Json = Object.freeze({});

export function textIn(json: Json, field: string): string {
  const value = json[field];
  return typeof value === 'string' ? value : '';
}

export function numberIn(json: Json, field: string): number {
  const value = json[field];
  return typeof value === 'number' ? value : 0;
}

export function partIn(json: Json, field: string): Json {
  const value = json[field];
  return isJson(value) ? value : NOTHING;
}

export function partsIn(json: Json, field: string): readonly Json[] {
  const value = json[field];
  return Array.isArray(value) ? value.filter(isJson) : [];
}

export function textsIn(json: Json, field: string): readonly string[] {
  const value = json[field];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

/** A map of strings, like labels; it has no prototype, as names are anybody's. */
export function namesIn(json: Json, field: string): Readonly<Record<string, string>> {
  const names = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(partIn(json, field))) {
    if (typeof value === 'string') names[name] = value;
  }
  return names;
}

/** A map of numbers, like ports by name. */
export function numbersIn(json: Json, field: string): Readonly<Record<string, number>> {
  const numbers = Object.create(null) as Record<string, number>;
  for (const [name, value] of Object.entries(partIn(json, field))) {
    if (typeof value === 'number') numbers[name] = value;
  }
  return numbers;
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
