// Message objects → proto-JSON values, as the C++ runtime prints them for `/config_dump`.
import { unpackAnyContent } from './any.ts';
import type { Any } from './any.ts';
import { MAX_DEPTH } from './binary-decode.ts';
import { durationToJson, fieldMaskToJson, scalarToJson, timestampToJson } from './json-scalars.ts';
import type { SecondsNanos } from './json-scalars.ts';
import { TYPE } from './message-type.ts';
import type { Field, Message, MessageType } from './message-type.ts';

export interface JsonOptions {
  /** Proto names (`stat_prefix`) instead of lowerCamel ones (`statPrefix`). */
  readonly preserveProtoFieldNames?: boolean;
}

/**
 * Writes `message` as a JSON value. Unknown fields have no JSON form and are left out; an Any whose type is unknown or
 * whose bytes are malformed is written with its bytes in base64 under 'value'.
 */
export function toJson<T>(type: MessageType<T>, message: T, options: JsonOptions = {}): unknown {
  return writeMessage(type as MessageType, message, options.preserveProtoFieldNames === true);
}

function writeMessage(type: MessageType, value: unknown, protoNames: boolean): unknown {
  switch (type.wellKnown) {
    case 'none':
    case 'empty':
      return writeFields(type, value as Message, {}, protoNames);
    case 'any':
      return writeAny(value as Any, protoNames);
    case 'wrapper':
      return writeSingle(type.fields[0] as Field, value, protoNames);
    case 'duration':
      return durationToJson(value as SecondsNanos);
    case 'timestamp':
      return timestampToJson(value as SecondsNanos);
    case 'field-mask':
      return fieldMaskToJson(value as string[]);
    default:
      return writePlain(value);
  }
}

/** Struct, Value and ListValue; a number that JSON does not have is written as text. */
function writePlain(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(writePlain);
  const copy: Message = {};
  for (const key of Object.keys(value)) define(copy, key, writePlain((value as Message)[key]));
  return copy;
}

/** Sets a key that comes from outside: `__proto__` becomes a plain key. */
function define(target: Message, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  } else target[key] = value;
}

function writeFields(type: MessageType, message: Message, into: Message, protoNames: boolean): Message {
  for (const field of type.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    const name = protoNames ? field.name : field.jsonName;
    if (field.map !== null) into[name] = writeMap(field.map.value, value as Message, protoNames);
    else if (field.repeated)
      into[name] = (value as unknown[]).map((element) => writeSingle(field, element, protoNames));
    else into[name] = writeSingle(field, value, protoNames);
  }
  return into;
}

function writeMap(field: Field, entries: Message, protoNames: boolean): Message {
  const copy: Message = {};
  for (const key of Object.keys(entries)) define(copy, key, writeSingle(field, entries[key], protoNames));
  return copy;
}

function writeSingle(field: Field, value: unknown, protoNames: boolean): unknown {
  if (field.type === TYPE.message) return writeMessage(field.message, value, protoNames);
  if (field.type !== TYPE.enum) return scalarToJson(field.type, value);
  return value === 'NULL_VALUE' && field.typeName === 'google.protobuf.NullValue' ? null : value;
}

/** Anys that are being written, one in the other: each is decoded by itself, so that nothing else bounds them. */
let anyDepth = 0;

function writeAny(any: Any, protoNames: boolean): unknown {
  anyDepth++;
  try {
    return writeContent(any, protoNames);
  } finally {
    anyDepth--;
  }
}

function writeContent(any: Any, protoNames: boolean): unknown {
  if (any.type_url === '' && any.message === undefined) return {};
  const content = anyDepth < MAX_DEPTH ? unpackAnyContent(any) : undefined;
  if (content === undefined) {
    return { '@type': any.type_url, value: Buffer.from(any.value ?? []).toString('base64') };
  }
  const { type, message } = content;
  if (type.wellKnown !== 'none' && type.wellKnown !== 'empty') {
    return { '@type': any.type_url, value: writeMessage(type, message, protoNames) };
  }
  return writeFields(type, message as Message, { '@type': any.type_url }, protoNames);
}
