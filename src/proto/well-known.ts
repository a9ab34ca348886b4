// The messages of google.protobuf that are not represented as objects of fields, and default values of all types.
import { TYPE } from './message-type.ts';
import type { Field, Message, MessageType } from './message-type.ts';

/** The value of an unset field; also of an absent key or value of a map entry. */
export function defaultOf(field: Field): unknown {
  switch (field.type) {
    case TYPE.string:
      return '';
    case TYPE.bytes:
      return new Uint8Array(0);
    case TYPE.bool:
      return false;
    case TYPE.enum:
      return field.enum.name(field.enum.defaultNumber) ?? field.enum.defaultNumber;
    case TYPE.message:
      return emptyMessage(field.message);
    default:
      return 0;
  }
}

/** True when a field without presence is left out for this value. */
export function isDefault(field: Field, value: unknown): boolean {
  switch (typeof value) {
    case 'number':
      return value === 0 && !Object.is(value, -0);
    case 'string':
      return value === '' || (field.type === TYPE.enum && field.enum.number(value) === 0);
    case 'boolean':
      return !value;
    case 'bigint':
      return value === 0n;
    default:
      return value instanceof Uint8Array && value.length === 0;
  }
}

/** The representation of a message with no field set. */
export function emptyMessage(type: MessageType): unknown {
  return fromFields(type, {});
}

/** The representation of a message whose fields are these; takes `fields` over. */
export function fromFields(type: MessageType, fields: Message): unknown {
  switch (type.wellKnown) {
    case 'none':
    case 'empty':
      return fields;
    case 'any':
      fields['type_url'] ??= '';
      return fields;
    case 'wrapper':
      return fields['value'] ?? defaultOf(type.fields[0] as Field);
    case 'duration':
    case 'timestamp':
      return { seconds: fields['seconds'] ?? 0, nanos: fields['nanos'] ?? 0 };
    case 'struct':
      return fields['fields'] ?? Object.create(null);
    case 'list':
      return fields['values'] ?? [];
    case 'field-mask':
      return fields['paths'] ?? [];
    case 'value':
      return plainValue(fields);
  }
}

/** A google.protobuf.Value with nothing in it has no JSON form and is taken as null. */
function plainValue(fields: Message): unknown {
  for (const name of ['number_value', 'string_value', 'bool_value', 'struct_value', 'list_value']) {
    if (fields[name] !== undefined) return fields[name];
  }
  return null;
}

/** The fields of a represented message: the inverse of `fromFields`. */
export function toFields(type: MessageType, value: unknown): Message {
  switch (type.wellKnown) {
    case 'wrapper':
      return { value };
    case 'struct':
      return { fields: value };
    case 'list':
      return { values: value };
    case 'field-mask':
      return { paths: value };
    case 'value':
      return valueFields(value);
    default:
      return value as Message;
  }
}

function valueFields(value: unknown): Message {
  switch (typeof value) {
    case 'number':
      return { number_value: value };
    case 'string':
      return { string_value: value };
    case 'boolean':
      return { bool_value: value };
    default:
      if (value === null || value === undefined) return { null_value: 'NULL_VALUE' };
      return Array.isArray(value) ? { list_value: value } : { struct_value: value };
  }
}
