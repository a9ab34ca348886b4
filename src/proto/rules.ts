// Checks messages against the `validate.rules` of their descriptors, as protoc-gen-validate does inside Envoy.
import { unpackAny } from './any.ts';
import type { Any } from './any.ts';
import { decodeBinary, MAX_DEPTH } from './binary-decode.ts';
import { TYPE } from './message-type.ts';
import type { Field, Message, MessageType, Oneof } from './message-type.ts';
import { registry } from './registry.ts';
import { joinPath, keyPath, Report } from './report.ts';
import {
  anyChecks,
  boolChecks,
  bytesChecks,
  type Check,
  durationChecks,
  enumChecks,
  numberChecks,
  stringChecks,
  timestampChecks,
} from './rule-values.ts';
import { defaultOf } from './well-known.ts';

/**
 * Checks `message` and every message in it, those inside Anys too, and reports each broken rule (kind 'invalid') with
 * Envoy's words. Envoy stops at the first one; all are wanted here. Anys that cannot be unpacked are reported as such.
 * Messages in typed metadata are left alone, as in Envoy: they are data, and checked by whoever reads them. So are
 * those of tracers.
 */
export function validateRules<T>(type: MessageType<T>, message: T, report: Report, path = ''): void {
  const problems = new Report();
  if (holds(type as MessageType, message, problems, 0) && problems.isEmpty) return;
  checkMessage(type as MessageType, message, report, path, 0);
}

/** The rules of one field, ready to run. */
interface FieldRules {
  readonly field: Field;
  /** Reason when the field is unset and must not be. */
  readonly required: string | undefined;
  /** Checks of the value, or of each element or map value. */
  readonly each: readonly Check[];
  readonly keys: readonly Check[];
  /** Checks of a list or map as a whole; they get the number of its elements. */
  readonly count: readonly Check[];
  readonly unique: boolean;
  /** List or map rules do not apply to an empty one. */
  readonly ignoreEmpty: boolean;
  /** The messages in this field are not checked. */
  readonly skip: boolean;
}

interface TypeRules {
  /** Only fields with rules and fields that hold messages, in order. */
  readonly fields: readonly FieldRules[];
  readonly byName: ReadonlyMap<string, FieldRules>;
  /** Names of fields that break a rule when they are unset. */
  readonly needed: readonly string[];
  readonly neededOneofs: readonly Oneof[];
}

const compiled = new WeakMap<MessageType, TypeRules>();

/** Envoy reads these without asking their rules: trust_bundles may stand in for trust_domains, which says min_items. */
const UNCHECKED: ReadonlySet<string> = new Set(['envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig']);

/** The field of a message in which whoever decodes it looks for himself: metadata, and tracers of any kind. */
const OPAQUE: Readonly<Record<string, string>> = {
  'envoy.config.core.v3.Metadata': 'typed_filter_metadata',
  'envoy.config.trace.v3.Tracing.Http': 'typed_config',
};

function rulesOf(type: MessageType): TypeRules {
  let rules = compiled.get(type);
  if (rules === undefined) {
    const checked = type.fields.filter((field) => field.rulesEnd > 0 || holdsMessages(field));
    const fields =
      type.rulesDisabled || UNCHECKED.has(type.fullName)
        ? []
        : checked.filter((field) => !isOpaque(type, field)).map(compile);
    rules = {
      fields,
      byName: new Map(fields.map((one) => [one.field.name, one])),
      needed: fields.filter(isNeeded).map(({ field }) => field.name),
      neededOneofs: type.rulesDisabled ? [] : type.oneofs.filter(({ required }) => required),
    };
    compiled.set(type, rules);
  }
  return rules;
}

/** Whether `checkField` says something when the field is unset. */
function isNeeded({ field, required, each, count, ignoreEmpty }: FieldRules): boolean {
  if (field.repeated || field.map !== null) return !ignoreEmpty && !passes(count, 0);
  if (required !== undefined && field.oneof === null) return true;
  return !field.hasPresence && !passes(each, defaultOf(field));
}

function isOpaque(type: MessageType, field: Field): boolean {
  return field.name === OPAQUE[type.fullName];
}

function holdsMessages(field: Field): boolean {
  const value = field.map === null ? field : field.map.value;
  return value.type === TYPE.message && (value.message.wellKnown === 'none' || value.message.wellKnown === 'any');
}

const NONE: Message = {};

function compile(field: Field): FieldRules {
  const all = field.rulesEnd > 0 ? readRules(field) : NONE;
  const message = (all['message'] as Message | undefined) ?? NONE;
  const repeated = all['repeated'] as Message | undefined;
  const map = all['map'] as Message | undefined;
  const container = repeated ?? map ?? NONE;
  const values = field.map === null ? (repeated?.['items'] ?? NONE) : (map?.['values'] ?? NONE);
  const isSingle = !field.repeated && field.map === null;
  const valueRules = (isSingle ? all : values) as Message;
  const valueMessage = (valueRules['message'] as Message | undefined) ?? NONE;
  return {
    field,
    required: isSingle ? requiredReason(field, all, message) : undefined,
    each: valueChecks(field.map === null ? field : field.map.value, valueRules),
    keys: field.map === null ? [] : valueChecks(field.map.key, (map?.['keys'] as Message | undefined) ?? NONE),
    count: countChecks(repeated, map),
    unique: container['unique'] === true,
    ignoreEmpty: container['ignore_empty'] === true,
    skip: valueMessage['skip'] === true || message['skip'] === true,
  };
}

function readRules(field: Field): Message {
  const bytes = registry.read(field.rulesStart, field.rulesEnd);
  return decodeBinary(registry.message('validate.FieldRules' as string), bytes) ?? NONE;
}

function requiredReason(field: Field, rules: Message, message: Message): string | undefined {
  if (field.type !== TYPE.message) return undefined;
  if (field.message.wellKnown === 'wrapper' && message['required'] === true) {
    return Object.keys(rules).length > 1 ? 'value is required and must not be nil.' : 'value is required';
  }
  const special = ['any', 'duration', 'timestamp'].some(
    (name) => (rules[name] as Message | undefined)?.['required'] === true,
  );
  return special || message['required'] === true ? 'value is required' : undefined;
}

const NUMERIC = [
  ...['float', 'double', 'int32', 'int64', 'uint32', 'uint64', 'sint32', 'sint64'],
  ...['fixed32', 'fixed64', 'sfixed32', 'sfixed64'],
];

function valueChecks(field: Field, rules: Message): Check[] {
  for (const name of Object.keys(rules)) {
    const own = rules[name] as Message;
    if (NUMERIC.includes(name)) return numberChecks(own);
    switch (name) {
      case 'bool':
        return boolChecks(own);
      case 'string':
        return stringChecks(own);
      case 'bytes':
        return bytesChecks(own);
      case 'enum':
        return enumChecks(own, field.enum);
      case 'any':
        return anyChecks(own);
      case 'duration':
        return durationChecks(own);
      case 'timestamp':
        return timestampChecks(own);
    }
  }
  return [];
}

function countChecks(repeated: Message | undefined, map: Message | undefined): Check[] {
  const [rules, noun] = repeated === undefined ? [map ?? NONE, 'pair'] : [repeated, 'item'];
  const min = rules[`min_${noun}s`] as number | undefined;
  const max = rules[`max_${noun}s`] as number | undefined;
  let reason: string;
  if (min !== undefined && min > 0) {
    if (min === max) reason = `value must contain exactly ${min} ${noun}(s)`;
    else if (max === undefined) reason = `value must contain at least ${min} ${noun}(s)`;
    else reason = `value must contain between ${min} and ${max} ${noun}s, inclusive`;
  } else if (max !== undefined) reason = `value must contain no more than ${max} ${noun}(s)`;
  else return [];
  return [(count) => ((count as number) < (min ?? 0) || (count as number) > (max ?? Infinity) ? reason : undefined)];
}

// ─── Whether any rule is broken, without the paths that only reasons need ───────────────────────────────────────────

/** False, or a problem: `checkMessage` tells what it is. */
function holds(type: MessageType, value: unknown, problems: Report, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  if (type.wellKnown === 'any') {
    const any = value as Any;
    if (any.type_url === '' && any.message === undefined) return true;
    const unpacked = unpackAny(any, problems);
    return unpacked !== undefined && holds(unpacked.type, unpacked.message, problems, depth + 1);
  }
  if (type.wellKnown !== 'none') return true;
  const { byName, needed, neededOneofs } = rulesOf(type);
  const message = value as Message;
  // Loops by index, because this runs a few times for each kind of message and is never optimised: others make objects.
  for (let i = 0; i < needed.length; i++) if (message[needed[i] as string] === undefined) return false;
  for (let i = 0; i < neededOneofs.length; i++) if (!isSet(neededOneofs[i] as Oneof, message)) return false;
  if (byName.size === 0) return true;
  for (const name in message) {
    const set = message[name];
    const rules = set === undefined ? undefined : byName.get(name);
    if (rules !== undefined && !fieldHolds(rules, set, problems, depth + 1)) return false;
  }
  return true;
}

function isSet({ fields }: Oneof, message: Message): boolean {
  for (let i = 0; i < fields.length; i++) if (message[(fields[i] as Field).name] !== undefined) return true;
  return false;
}

function fieldHolds(rules: FieldRules, value: unknown, problems: Report, depth: number): boolean {
  const { field } = rules;
  if (field.repeated) {
    const list = value as readonly unknown[];
    if (rules.ignoreEmpty && list.length === 0) return true;
    if (!passes(rules.count, list.length)) return false;
    if (rules.unique && list.length > 1 && new Set(list).size < list.length) return false;
    for (let i = 0; i < list.length; i++) if (!valueHolds(rules, field, list[i], problems, depth)) return false;
    return true;
  }
  if (field.map === null) return valueHolds(rules, field, value, problems, depth);
  const entries = value as Message;
  const keys = Object.keys(entries);
  if (rules.ignoreEmpty && keys.length === 0) return true;
  if (!passes(rules.count, keys.length)) return false;
  const valueField = field.map.value;
  return keys.every(
    (key) => passes(rules.keys, mapKeyOf(field, key)) && valueHolds(rules, valueField, entries[key], problems, depth),
  );
}

function valueHolds(rules: FieldRules, field: Field, value: unknown, problems: Report, depth: number): boolean {
  if (!passes(rules.each, value)) return false;
  return field.type !== TYPE.message || rules.skip || holds(field.message, value, problems, depth);
}

function passes(checks: readonly Check[], value: unknown): boolean {
  for (let i = 0; i < checks.length; i++) if ((checks[i] as Check)(value) !== undefined) return false;
  return true;
}

// ─── Which ones, and why ────────────────────────────────────────────────────────────────────────────────────────────

function checkMessage(type: MessageType, value: unknown, report: Report, path: string, depth: number): void {
  if (depth > MAX_DEPTH) {
    report.add(path, 'limit', `nested deeper than ${MAX_DEPTH} messages`);
    return;
  }
  if (type.wellKnown === 'any') {
    const any = value as Any;
    if (any.type_url === '' && any.message === undefined) return;
    const unpacked = unpackAny(any, report, path);
    if (unpacked === undefined) return;
    const inner = unpacked.subPath === '' ? path : joinPath(path, unpacked.subPath);
    checkMessage(unpacked.type, unpacked.message, report, inner, depth + 1);
    return;
  }
  if (type.wellKnown !== 'none') return;
  const message = value as Message;
  for (const rules of rulesOf(type).fields) checkField(rules, message, report, path, depth + 1);
  if (type.rulesDisabled) return;
  for (const oneof of type.oneofs) {
    if (oneof.required && !oneof.fields.some((field) => message[field.name] !== undefined)) {
      const names = oneof.fields.map(({ name }) => name).join(', ');
      report.add(joinPath(path, oneof.name), 'invalid', `is required: one of ${names}`);
    }
  }
}

function checkField(rules: FieldRules, message: Message, report: Report, path: string, depth: number): void {
  const { field } = rules;
  const value = message[field.name];
  const fieldPath = joinPath(path, field.name);
  if (field.repeated) checkList(rules, (value ?? []) as unknown[], report, fieldPath, depth);
  else if (field.map !== null) checkMap(rules, field.map.value, (value ?? NONE) as Message, report, fieldPath, depth);
  else if (value !== undefined) checkValue(rules, field, value, report, fieldPath, depth);
  else if (rules.required !== undefined && field.oneof === null) report.add(fieldPath, 'invalid', rules.required);
  else if (!field.hasPresence) run(rules.each, defaultOf(field), report, fieldPath, '');
}

/** Runs checks until one fails. */
function run(checks: readonly Check[], value: unknown, report: Report, path: string, prefix: string): void {
  for (const check of checks) {
    const reason = check(value);
    if (reason !== undefined) {
      report.add(path, 'invalid', prefix + reason);
      return;
    }
  }
}

function checkValue(
  rules: FieldRules,
  field: Field,
  value: unknown,
  report: Report,
  path: string,
  depth: number,
): void {
  run(rules.each, value, report, path, '');
  if (field.type === TYPE.message && !rules.skip) checkMessage(field.message, value, report, path, depth);
}

function checkList(rules: FieldRules, list: readonly unknown[], report: Report, path: string, depth: number): void {
  if (rules.ignoreEmpty && list.length === 0) return;
  run(rules.count, list.length, report, path, '');
  const seen = rules.unique ? new Set<unknown>() : null;
  for (const [i, element] of list.entries()) {
    const elementPath = `${path}[${i}]`;
    if (seen?.has(element)) report.add(elementPath, 'invalid', 'repeated value must contain unique items');
    seen?.add(element);
    checkValue(rules, rules.field, element, report, elementPath, depth);
  }
}

function checkMap(
  rules: FieldRules,
  valueField: Field,
  entries: Message,
  report: Report,
  path: string,
  depth: number,
): void {
  const keys = Object.keys(entries);
  if (rules.ignoreEmpty && keys.length === 0) return;
  run(rules.count, keys.length, report, path, '');
  for (const key of keys) {
    const entryPath = keyPath(path, key);
    run(rules.keys, mapKeyOf(rules.field, key), report, entryPath, 'invalid key: ');
    checkValue(rules, valueField, entries[key], report, entryPath, depth);
  }
}

function mapKeyOf(field: Field, key: string): unknown {
  const type = field.map?.key.type;
  if (type === TYPE.string) return key;
  return type === TYPE.bool ? key === 'true' : Number(key);
}
