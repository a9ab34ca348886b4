// Values against a structural schema: unknown fields, types, limits, alternatives, lists that are maps or sets.
import type { PathPart } from '../source/finding.ts';
import { sameJson } from '../source/same-json.ts';
import { hasFormat, NUMBER_RANGES } from './formats.ts';
import { nearest, Problems, textRemedy, typeNameOf } from './problem.ts';
import type { Schema, SchemaJson } from './structural.ts';

type Path = PathPart[];

/** Fields that no schema knows are errors: most are misspelt, and would have no effect. */
export function findUnknownFields(value: unknown, schema: Schema, path: Path, problems: Problems): void {
  if (typeof value !== 'object' || value === null || problems.isFull) return;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== null) value.forEach((item, at) => findUnknownFields(item, items, [...path, at], problems));
    return;
  }
  // What should be no object at all is told as that.
  if (schema.json.type !== undefined && schema.json.type !== 'object') return;
  for (const [name, inner] of Object.entries(value)) {
    const field = schema.field(name);
    if (field !== null) findUnknownFields(inner, field, [...path, name], problems);
    else if (!schema.keepsUnknown && !isFreeForm(schema)) {
      const meant = nearest(name, schema.properties.keys());
      const remedy = meant === null ? `remove it; known are ${listOf(schema.properties.keys())}` : `write ${meant}`;
      problems.error([...path, name], `unknown field ${JSON.stringify(name)}`, remedy);
    }
  }
}

/** A value of any type ('x-kubernetes-int-or-string' aside), of which nothing is known. */
function isFreeForm({ json }: Schema): boolean {
  return json.type === undefined && json.properties === undefined;
}

const MAX_LISTED = 12;

function listOf(names: Iterable<string>): string {
  const all = [...names].sort();
  if (all.length === 0) return 'none';
  return all.length > MAX_LISTED ? `${all.slice(0, MAX_LISTED).join(', ')} and others` : all.join(', ');
}

export function validate(value: unknown, schema: Schema, path: Path, problems: Problems): void {
  if (problems.isFull) return;
  const { json } = schema;
  if (value === null) {
    if (json.nullable === true || (json.type === undefined && json['x-kubernetes-int-or-string'] !== true)) return;
    problems.error(
      path,
      `must not be null`,
      `give it a value of type ${json.type ?? 'integer or string'}, or remove it`,
    );
    return;
  }
  if (!checkType(value, json, path, problems)) return;
  checkEnum(value, json, path, problems);
  if (typeof value === 'string') checkText(value, schema, path, problems);
  else if (typeof value === 'number') checkNumber(value, json, path, problems);
  else if (Array.isArray(value)) checkList(value, schema, path, problems);
  else if (typeof value === 'object') checkObject(value as Record<string, unknown>, schema, path, problems);
  checkAlternatives(value, schema, path, problems);
}

function isValid(value: unknown, schema: Schema): boolean {
  const problems = new Problems();
  validate(value, schema, [], problems);
  return problems.list.length === 0;
}

function checkType(value: unknown, json: SchemaJson, path: Path, problems: Problems): boolean {
  const actual = typeNameOf(value);
  if (json['x-kubernetes-int-or-string'] === true) {
    if (actual === 'string' || actual === 'integer') return true;
    problems.error(path, `must be an integer or a string, not ${problems.show(value)}`, 'write a number or a text');
    return false;
  }
  if (json.type === undefined || json.type === actual || (json.type === 'number' && actual === 'integer')) return true;
  problems.error(
    path,
    `must be of type ${json.type}: ${problems.show(value)} is of type ${actual}`,
    remedyOf(json.type, value),
  );
  return false;
}

function remedyOf(wanted: string, value: unknown): string {
  if (wanted === 'string') return textRemedy(value);
  if (wanted === 'integer' || wanted === 'number')
    return typeof value === 'string' ? 'write it without quotes' : 'write a number';
  if (wanted === 'boolean') return 'write true or false, without quotes';
  if (wanted === 'array') return 'write a list, each item on a line that begins with "- "';
  return 'write fields with names';
}

function checkEnum(value: unknown, json: SchemaJson, path: Path, problems: Problems): void {
  if (json.enum === undefined || json.enum.some((one) => sameJson(one, value))) return;
  const known = json.enum.filter((one) => one !== '').map((one) => JSON.stringify(one));
  const names = json.enum.filter((one): one is string => typeof one === 'string' && one !== '');
  const meant = typeof value === 'string' ? nearest(value, names) : null;
  const remedy = meant === null ? 'use one of them' : `write ${meant}`;
  problems.error(path, `unsupported value ${problems.show(value)}: supported values: ${known.join(', ')}`, remedy);
}

function checkText(text: string, schema: Schema, path: Path, problems: Problems): void {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern, format } = schema.json;
  const length = lengthOf(text);
  if (length > maxLength) {
    problems.error(path, `too long: may not be more than ${maxLength} characters`, `shorten it, it has ${length}`);
  } else if (length < minLength) {
    const message = `${problems.show(text)} should be at least ${minLength} characters long`;
    problems.error(path, message, minLength === 1 ? 'give it a value, or remove the field' : 'make it longer');
  }
  if (pattern !== undefined && !schema.matchesPattern(text)) {
    problems.error(path, `${problems.show(text)} should match '${pattern}'`, 'write it in that form');
  }
  if (format !== undefined && !hasFormat(text, format)) {
    problems.error(path, `${problems.show(text)} must be of format ${format}`, `write it as ${format}`);
  }
}

/** In characters, not in JavaScript's units. */
function lengthOf(text: string): number {
  let length = text.length;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xd800) length--;
  return length;
}

function checkNumber(value: number, json: SchemaJson, path: Path, problems: Problems): void {
  const { minimum, maximum, multipleOf } = json;
  const [least, most] = NUMBER_RANGES.get(json.format ?? '') ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (minimum !== undefined && (json.exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    const than = json.exclusiveMinimum === true ? 'greater than' : 'greater than or equal to';
    problems.error(path, `${value} should be ${than} ${minimum}`, `use ${minimum} or more`);
  }
  if (maximum !== undefined && (json.exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    const than = json.exclusiveMaximum === true ? 'less than' : 'less than or equal to';
    problems.error(path, `${value} should be ${than} ${maximum}`, `use ${maximum} or less`);
  }
  if (value < least || value > most) {
    problems.error(path, `${value} does not fit ${json.format}`, `use ${least} to ${most}`);
  }
  if (multipleOf !== undefined && value % multipleOf !== 0) {
    problems.error(path, `${value} should be a multiple of ${multipleOf}`, 'round it');
  }
}

function checkList(list: readonly unknown[], schema: Schema, path: Path, problems: Problems): void {
  const { json, items } = schema;
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = json;
  if (list.length > maxItems) {
    problems.error(path, `too many: must have at most ${maxItems} items`, `remove some, there are ${list.length}`);
    return;
  }
  if (list.length < minItems) {
    problems.error(path, `should have at least ${minItems} items`, `add some, there are ${list.length}`);
  }
  if (items !== null) list.forEach((item, at) => validate(item, items, [...path, at], problems));
  const listType = json['x-kubernetes-list-type'];
  if (listType === undefined || listType === 'atomic') return;
  const keys = json['x-kubernetes-list-map-keys'] ?? [];
  const seen = new Set<string>();
  list.forEach((item, at) => {
    const own = listType === 'set' ? item : keys.map((key) => (item as Record<string, unknown> | null)?.[key] ?? null);
    const text = JSON.stringify(own);
    if (seen.has(text)) {
      const what =
        listType === 'set'
          ? problems.show(item)
          : keys.map((key, i) => `${key} ${problems.show((own as unknown[])[i])}`).join(', ');
      problems.error([...path, at], `duplicate value: ${what} is there already`, 'remove one of the two');
    }
    seen.add(text);
  });
}

function checkObject(object: Readonly<Record<string, unknown>>, schema: Schema, path: Path, problems: Problems): void {
  const { json } = schema;
  const names = Object.keys(object);
  const { minProperties = 0, maxProperties = Number.POSITIVE_INFINITY } = json;
  if (names.length > maxProperties) {
    problems.error(path, `too many: must have at most ${maxProperties} entries`, `remove some of ${names.length}`);
    return;
  }
  if (names.length < minProperties) {
    problems.error(path, `should have at least ${minProperties} entries`, `add some, there are ${names.length}`);
  }
  for (const name of json.required ?? []) {
    if (!Object.hasOwn(object, name)) problems.error([...path, name], 'required value', `add ${name}`);
  }
  for (const name of names) {
    const field = schema.field(name);
    if (field !== null) validate(object[name], field, [...path, name], problems);
  }
}

function checkAlternatives(value: unknown, schema: Schema, path: Path, problems: Problems): void {
  for (const one of schema.allOf) validate(value, one, path, problems);
  if (schema.anyOf.length > 0 && !schema.anyOf.some((one) => isValid(value, one))) {
    const only = schema.anyOf.length === 1 ? schema.anyOf[0] : undefined;
    if (only !== undefined) validate(value, only, path, problems);
    else problems.error(path, `must validate at least one of: ${schema.anyOf.map(describe).join('; ')}`, 'choose one');
  }
  if (schema.oneOf.length > 0 && schema.oneOf.filter((one) => isValid(value, one)).length !== 1) {
    const choices = [...new Set(schema.oneOf.flatMap(requiredIn))];
    const present = presentOf(value, choices);
    const list = choices.join(', ');
    if (present.length > 1) {
      problems.error(path, `only one of ${list} may be set, not ${present.join(' and ')}`, 'remove all but one');
    } else problems.error(path, `exactly one of ${list} must be set`, 'set one of them');
  }
  if (schema.not !== null && isValid(value, schema.not)) {
    problems.error(path, `must not be: ${describe(schema.not)}`, 'change it');
  }
}

function presentOf(value: unknown, names: readonly string[]): string[] {
  return names.filter((name) => typeof value === 'object' && value !== null && Object.hasOwn(value, name));
}

function requiredIn({ json, anyOf, allOf, not }: Schema): string[] {
  const inner = [...anyOf, ...allOf, ...(not === null ? [] : [not])];
  return [...(json.required ?? []), ...inner.flatMap(requiredIn)];
}

function describe(schema: Schema): string {
  const { json } = schema;
  if (json.format !== undefined) return `format ${json.format}`;
  if (json.type !== undefined) return json.type;
  if (json.required !== undefined) return `${json.required.join(', ')} set`;
  if (json.pattern !== undefined) return `matching '${json.pattern}'`;
  return JSON.stringify(json).slice(0, 100);
}
