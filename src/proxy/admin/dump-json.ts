// What is done to the JSON of a configuration dump: field masks, and secrets made unreadable.
import type { MessageType } from '../../proto/message-type.ts';
import { registry } from '../../proto/registry.ts';
import { typeUrlName } from '../../proto/type-url.ts';
import { JsonTree } from './json-writer.ts';

export type JsonObject = { [key: string]: unknown };

/** Fields that the API calls sensitive, wherever they are. Source: udpa.annotations.sensitive. */
const SENSITIVE: ReadonlySet<string> = new Set([
  'private_key',
  'private_key_provider',
  'pkcs12',
  'password',
  'session_ticket_keys',
  'generic_secret',
]);
const REDACTED = '[redacted]';
const REDACTED_BYTES = Buffer.from(REDACTED).toString('base64');

/** Overwrites what nobody may read. Source: Envoy MessageUtil::redact. */
export function redact(value: unknown, isSensitive = false): void {
  if (typeof value !== 'object' || value === null) return;
  const entries = value as JsonObject;
  for (const [key, inner] of Object.entries(entries)) {
    const hides = isSensitive || SENSITIVE.has(key);
    if (typeof inner !== 'string') redact(inner, hides);
    else if (hides && key !== '@type') entries[key] = key === 'inline_bytes' ? REDACTED_BYTES : REDACTED;
  }
}

/** The paths of a mask; empty when there is none. */
export function parseMask(mask: string | null): readonly string[] {
  return mask === null ? [] : mask.split(',').filter((path) => path !== '');
}

/**
 * Keeps the paths of a message and nothing else; null when one of them is no path of the type. Paths go through Anys,
 * not through lists. Source: Envoy, checkFieldMaskAndTrimMessage.
 */
export function applyMask(typeName: string, json: JsonTree, paths: readonly string[]): JsonTree | null {
  const kept: JsonObject = {};
  if ('@type' in json.fields) kept['@type'] = json.fields['@type'];
  for (const path of paths) if (!keep(typeName, json.fields, kept, path.split('.'))) return null;
  return new JsonTree(kept);
}

function keep(typeName: string, from: JsonObject, into: JsonObject, steps: readonly string[]): boolean {
  const [name = '', ...rest] = steps;
  const field = (registry.find(typeName) as MessageType | undefined)?.fieldByName(name);
  if (field === undefined) return false;
  const value = from[field.name];
  if (rest.length === 0) {
    if (value !== undefined) into[field.name] = value;
    return true;
  }
  if (field.repeated || field.kind !== 'message') return false;
  const isAny = field.message.wellKnown === 'any';
  if (value === undefined) return isAny || isPath(field.message, rest);
  const inner = fieldsOf(value) as JsonObject;
  const innerType = isAny ? typeUrlName(String(inner['@type'] ?? '')) : field.message.fullName;
  const known = fieldsOf(into[field.name]);
  const target: JsonObject = known ?? (isAny ? { '@type': inner['@type'] } : {});
  if (!keep(innerType, inner, target, rest)) return false;
  into[field.name] = new JsonTree(target);
  return true;
}

/** Of a tree or an object; undefined for none. */
function fieldsOf(value: unknown): JsonObject | undefined {
  return (value instanceof JsonTree ? { ...value.fields } : value) as JsonObject | undefined;
}

/** Whether the type has such a field, set or not. */
function isPath(type: MessageType, [name = '', ...rest]: readonly string[]): boolean {
  const field = type.fieldByName(name);
  if (field === undefined) return false;
  if (rest.length === 0) return true;
  if (field.repeated || field.kind !== 'message') return false;
  return field.message.wellKnown === 'any' || isPath(field.message, rest);
}
