// Proto-JSON (as parsed from JSON or YAML) → message objects; every problem is reported with its path, none thrown.
import { MAX_DEPTH } from './binary-decode.ts';
import {
  durationFromJson,
  Expected,
  fieldMaskFromJson,
  isDuration,
  isTimestamp,
  scalarFromJson,
  timestampFromJson,
} from './json-scalars.ts';
import type { SecondsNanos } from './json-scalars.ts';
import { TYPE } from './message-type.ts';
import type { EnumType, Field, Message, MessageType } from './message-type.ts';
import { registry } from './registry.ts';
import { joinPath, keyPath, type Report } from './report.ts';
import { typeUrlName } from './type-url.ts';
import { defaultOf, emptyMessage, fromFields, isDefault } from './well-known.ts';

/**
 * Reads `json` as a message of `type`; both proto and lowerCamel names are taken. Beyond the rules of proto3 JSON it
 * takes what Envoy takes: one value where a list is meant, "true" for true, enum names in any case, `{seconds: 5}` for
 * a Duration, `{value: 5}` for a wrapper, null as an empty element.
 * What is wrong is reported and left out, the rest of the message is returned: look at the report before using it.
 * Owns: the result shares nothing with `json` but strings.
 */
export function fromJson<T>(type: MessageType<T>, json: unknown, report: Report, path = ''): T {
  return read(type as MessageType, json, { report, strict: false, depth: 0 }, path) as T;
}

/** As `fromJson`, but only what the rules of proto3 JSON allow: what Go's protojson takes, as in Istio's objects. */
export function fromStrictJson<T>(type: MessageType<T>, json: unknown, report: Report, path = ''): T {
  return read(type as MessageType, json, { report, strict: true, depth: 0 }, path) as T;
}

function read(type: MessageType, json: unknown, context: Context, path: string): unknown {
  const value = readMessage(type, json, context, path);
  return value === INVALID ? emptyMessage(type) : value;
}

interface Context {
  readonly report: Report;
  readonly strict: boolean;
  depth: number;
}

/** Stands for a value that could not be read (and was reported). */
const INVALID: unique symbol = Symbol('invalid');

function describe(json: unknown): string {
  if (json === null) return 'null';
  if (Array.isArray(json)) return 'a list';
  if (typeof json === 'object') return 'an object';
  const text = typeof json === 'string' ? JSON.stringify(json) : String(json);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function wrong(context: Context, path: string, expected: string, json: unknown): typeof INVALID {
  context.report.add(path, 'wrong-type', `expected ${expected}, got ${describe(json)}`);
  return INVALID;
}

/** Plain objects only: a Date of a YAML reader, say, is none. */
function isObject(json: unknown): json is Message {
  if (typeof json !== 'object' || json === null) return false;
  const prototype: unknown = Object.getPrototypeOf(json);
  return prototype === Object.prototype || prototype === null;
}

/** Reads a message that is not in a field of its own; `null` is handled by the caller where it means unset. */
function readMessage(type: MessageType, json: unknown, context: Context, path: string): unknown {
  if (context.depth >= MAX_DEPTH) {
    context.report.add(path, 'limit', `nested deeper than ${MAX_DEPTH} messages`);
    return INVALID;
  }
  context.depth++;
  const value =
    type.wellKnown === 'none' ? readFields(type, json, context, path) : readWellKnown(type, json, context, path);
  context.depth--;
  return value;
}

function readWellKnown(type: MessageType, json: unknown, context: Context, path: string): unknown {
  if (!context.strict && isObject(json) && TAKES_FIELDS.has(type.wellKnown)) {
    return readAsFields(type, json, context, path);
  }
  switch (type.wellKnown) {
    case 'any':
      return readAny(json, context, path);
    case 'wrapper':
      return readScalar(type.fields[0] as Field, json, context, path);
    case 'duration':
      return check(durationFromJson(json), json, context, path);
    case 'timestamp':
      return check(timestampFromJson(json), json, context, path);
    case 'field-mask':
      return check(fieldMaskFromJson(json, context.strict), json, context, path);
    case 'struct':
      return isObject(json) ? readPlain(json, context, path) : wrong(context, path, 'an object', json);
    case 'list':
      return Array.isArray(json) ? readPlain(json, context, path) : wrong(context, path, 'a list', json);
    case 'value':
      return readPlain(json, context, path);
    default:
      return readFields(type, json, context, path);
  }
}

function readAsFields(type: MessageType, json: Message, context: Context, path: string): unknown {
  const value = fromFields(type, readFields(type, json, context, path) as Message);
  if (type.wellKnown === 'duration' && !isDuration(value as SecondsNanos)) {
    return wrong(context, path, 'a duration of at most 315576000000 s', json);
  }
  if (type.wellKnown === 'timestamp' && !isTimestamp(value as SecondsNanos)) {
    return wrong(context, path, 'a time in the years 1 to 9999', json);
  }
  return value;
}

/** Envoy takes these in the form of their fields too. */
const TAKES_FIELDS: ReadonlySet<string> = new Set(['wrapper', 'duration', 'timestamp', 'field-mask']);

function check(value: unknown, json: unknown, context: Context, path: string): unknown {
  return value instanceof Expected ? wrong(context, path, value.what, json) : value;
}

/** Copies a JSON value for Struct, Value and ListValue. */
function readPlain(json: unknown, context: Context, path: string): unknown {
  switch (typeof json) {
    case 'string':
      return json.isWellFormed() ? json : wrong(context, path, 'a string', json);
    case 'boolean':
      return json;
    case 'number':
      return Number.isFinite(json) ? json : wrong(context, path, 'a finite number', json);
    case 'bigint':
      return Number(json);
    case 'object':
      break;
    default:
      return wrong(context, path, 'a JSON value', json);
  }
  if (json === null) return null;
  if (!Array.isArray(json) && !isObject(json)) return wrong(context, path, 'a JSON value', json);
  if (context.depth >= MAX_DEPTH) {
    context.report.add(path, 'limit', `nested deeper than ${MAX_DEPTH} messages`);
    return INVALID;
  }
  context.depth++;
  const copy = Array.isArray(json) ? readPlainList(json, context, path) : readPlainObject(json, context, path);
  context.depth--;
  return copy;
}

function readPlainList(json: readonly unknown[], context: Context, path: string): unknown[] {
  const list: unknown[] = [];
  json.forEach((element, i) => {
    const value = readPlain(element, context, `${path}[${i}]`);
    if (value !== INVALID) list.push(value);
  });
  return list;
}

function readPlainObject(json: object, context: Context, path: string): Message {
  const copy = Object.create(null) as Message;
  for (const key of Object.keys(json)) {
    const value = readPlain((json as Message)[key], context, joinPath(path, key));
    if (!key.isWellFormed()) wrong(context, path, 'a key that is a string', key);
    else if (value !== INVALID) copy[key] = value;
  }
  return copy;
}

function readFields(type: MessageType, json: unknown, context: Context, path: string, skip?: string): unknown {
  if (!isObject(json)) return wrong(context, path, 'an object', json);
  const message: Message = {};
  for (const key of Object.keys(json)) {
    if (key === skip) continue;
    const field = type.fieldByName(key);
    if (field === undefined) {
      context.report.add(joinPath(path, key), 'unknown-field', `no such field: '${key}' in ${type.fullName}`);
      continue;
    }
    readField(field, key, json, message, context, path);
  }
  return message;
}

function readField(field: Field, key: string, json: Message, message: Message, context: Context, path: string): void {
  const value = json[key];
  const fieldPath = joinPath(path, field.name);
  if (value === undefined || (value === null && !takesNull(field))) return;
  if (key !== field.name && (json[field.name] ?? null) !== null) {
    context.report.add(fieldPath, 'duplicate', `given twice, as '${field.name}' and as '${field.jsonName}'`);
    return;
  }
  const other = field.oneof?.fields.find((member) => member !== field && message[member.name] !== undefined);
  if (other !== undefined) {
    const reason = `'${other.name}' and '${field.name}' are both set, but only one of ${field.oneof?.name} may be`;
    context.report.add(fieldPath, 'oneof', reason);
    return;
  }
  const read = readFieldValue(field, value, context, fieldPath);
  if (read !== INVALID) message[field.name] = read;
}

/** null means unset, but for the two types that have it as a value. */
function takesNull(field: Field): boolean {
  return !field.repeated && field.map === null && acceptsNull(field);
}

function acceptsNull(field: Field): boolean {
  if (field.type === TYPE.message) return field.typeName === 'google.protobuf.Value';
  return field.type === TYPE.enum && field.typeName === 'google.protobuf.NullValue';
}

/** Reads a field; INVALID also stands for "same as unset". */
function readFieldValue(field: Field, json: unknown, context: Context, path: string): unknown {
  if (field.map !== null) return readMap(field.map, json, context, path);
  if (field.repeated) return readList(field, json, context, path);
  const value = readSingle(field, json, context, path);
  return value === INVALID || field.hasPresence || !isDefault(field, value) ? value : INVALID;
}

function readSingle(field: Field, json: unknown, context: Context, path: string): unknown {
  return field.type === TYPE.message
    ? readMessage(field.message, json, context, path)
    : readScalar(field, json, context, path);
}

function readScalar(field: Field, json: unknown, context: Context, path: string): unknown {
  if (field.type !== TYPE.enum) return check(scalarFromJson(field.type, json, context.strict), json, context, path);
  const type = field.enum;
  if (json === null && type.fullName === 'google.protobuf.NullValue') return 'NULL_VALUE';
  const number = enumNumber(type, json, context.strict);
  if (number !== undefined) {
    const name = type.name(number);
    if (name !== undefined || !type.isClosed) return name ?? number;
  }
  const names = type.names;
  const listed = names.length <= 20 ? `one of ${names.join(', ')}` : `a value of ${type.fullName}`;
  return wrong(context, path, listed, json);
}

function enumNumber(type: EnumType, json: unknown, strict: boolean): number | undefined {
  if (typeof json === 'number') return (json | 0) === json ? json : undefined;
  if (typeof json !== 'string') return undefined;
  const exact = type.number(json);
  if (exact !== undefined || strict) return exact;
  if (/^-?\d{1,10}$/.test(json)) return (Number(json) | 0) === Number(json) ? Number(json) : undefined;
  const wanted = json.toUpperCase();
  const found = type.names.find((name) => name.toUpperCase() === wanted);
  return found === undefined ? undefined : type.number(found);
}

/** An element of a list or a value of a map. */
function readElement(field: Field, json: unknown, context: Context, path: string): unknown {
  if (json === null && !context.strict && !acceptsNull(field)) return defaultOf(field);
  return readSingle(field, json, context, path);
}

function readList(field: Field, json: unknown, context: Context, path: string): unknown {
  if (!Array.isArray(json)) {
    if (context.strict) return wrong(context, path, 'a list', json);
    const value = readSingle(field, json, context, path);
    return value === INVALID ? INVALID : [value];
  }
  const list: unknown[] = [];
  json.forEach((element, i) => {
    const value = readElement(field, element, context, `${path}[${i}]`);
    if (value !== INVALID) list.push(value);
  });
  return list.length === 0 ? INVALID : list;
}

function readMap(map: NonNullable<Field['map']>, json: unknown, context: Context, path: string): unknown {
  if (!isObject(json)) return wrong(context, path, 'an object', json);
  const entries = Object.create(null) as Message;
  let count = 0;
  for (const key of Object.keys(json)) {
    const entryPath = keyPath(path, key);
    const name = readKey(map.key, key, context, entryPath);
    const value = readElement(map.value, json[key], context, entryPath);
    if (name === INVALID || value === INVALID) continue;
    if (entries[name] !== undefined) context.report.add(entryPath, 'duplicate', 'the same key is given twice');
    entries[name] = value;
    count++;
  }
  return count === 0 ? INVALID : entries;
}

function readKey(field: Field, key: string, context: Context, path: string): string | typeof INVALID {
  if (field.type === TYPE.string) return key.isWellFormed() ? key : wrong(context, path, 'a key that is a string', key);
  if (field.type === TYPE.bool) {
    return key === 'true' || key === 'false' ? key : wrong(context, path, 'a key true or false', key);
  }
  const value = scalarFromJson(field.type, key);
  return value instanceof Expected ? wrong(context, path, `as key ${value.what}`, key) : String(value);
}

function readAny(json: unknown, context: Context, path: string): unknown {
  if (!isObject(json)) return wrong(context, path, "an object with '@type'", json);
  const typeUrl = json['@type'];
  if (typeUrl === undefined) {
    const keys = Object.keys(json);
    if (keys.length === 0) return { type_url: '' };
    context.report.add(path, 'wrong-type', "'@type' is missing");
    return INVALID;
  }
  if (typeof typeUrl !== 'string') return wrong(context, joinPath(path, '@type'), 'a type URL', typeUrl);
  if (typeUrl.indexOf('/') < 1) return wrong(context, joinPath(path, '@type'), 'a type URL with a slash', typeUrl);
  const type = registry.find(typeUrlName(typeUrl));
  if (type === undefined) {
    context.report.add(path, 'unknown-type', `unknown message type '${typeUrl}'`);
    return { type_url: typeUrl };
  }
  const message = readAnyContent(type, json, context, path);
  return message === INVALID ? { type_url: typeUrl } : { type_url: typeUrl, message };
}

function readAnyContent(type: MessageType, json: Message, context: Context, path: string): unknown {
  if (type.wellKnown === 'none' || type.wellKnown === 'empty') return readNested(type, json, context, path);
  for (const key of Object.keys(json)) {
    if (key !== '@type' && key !== 'value') {
      context.report.add(joinPath(path, key), 'unknown-field', `no such field: '${key}' beside a ${type.fullName}`);
    }
  }
  const value = json['value'];
  if (value === undefined || (value === null && type.wellKnown !== 'value')) {
    if (!context.strict) return emptyMessage(type);
    context.report.add(path, 'wrong-type', `'value' with the ${type.fullName} is missing`);
    return INVALID;
  }
  return readMessage(type, value, context, joinPath(path, 'value'));
}

function readNested(type: MessageType, json: Message, context: Context, path: string): unknown {
  if (context.depth >= MAX_DEPTH) {
    context.report.add(path, 'limit', `nested deeper than ${MAX_DEPTH} messages`);
    return INVALID;
  }
  context.depth++;
  const message = readFields(type, json, context, path, '@type');
  context.depth--;
  return message;
}
