// Traces as JSON: scalars are written even where they are what they would be anyway.
import { toJson } from '../../../../proto/json-encode.ts';
import { type Field, type Message, type MessageType, TYPE } from '../../../../proto/message-type.ts';

/** With the names of the protobuf message. Source: Envoy getJsonStringFromMessage, always_print_primitive_fields. */
export function traceJson(type: MessageType, message: Message): string {
  return `${JSON.stringify(writeMessage(type, message), null, 1)}\n`;
}

function writeMessage(type: MessageType, message: Message): unknown {
  if (type.wellKnown !== 'none' && type.wellKnown !== 'empty') return toJson(type, message);
  const written: Message = {};
  for (const field of type.fields) {
    const value = message[field.name];
    if (value === undefined && (field.hasPresence || field.oneof !== null)) continue;
    if (field.repeated) written[field.name] = ((value ?? []) as unknown[]).map((each) => writeValue(field, each));
    else if (value !== undefined) written[field.name] = writeValue(field, value);
    else if (field.kind === 'scalar' || field.kind === 'enum') written[field.name] = defaultOf(field);
  }
  return written;
}

function writeValue(field: Field, value: unknown): unknown {
  if (field.kind === 'message') return writeMessage(field.message, value as Message);
  if (field.type === TYPE.bytes) return Buffer.from(value as Uint8Array).toString('base64');
  return typeof value === 'bigint' ? String(value) : value;
}

function defaultOf(field: Field): unknown {
  if (field.kind === 'enum') return field.enum.name(0);
  if (field.type === TYPE.bool) return false;
  if (field.type === TYPE.string || field.type === TYPE.bytes) return '';
  const isWide = field.type === TYPE.uint64 || field.type === TYPE.int64;
  return isWide ? '0' : 0;
}
