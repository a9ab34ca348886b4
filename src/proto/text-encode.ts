// Message objects → protobuf text format, as the C++ runtime's DebugString writes it. Well-known types are plain there.
import { type Field, type Message, type MessageType, TYPE } from './message-type.ts';
import { toJson } from './json-encode.ts';

/** Fields in order of their numbers, two spaces for each level. Unknown fields, Anys and maps are not written. */
export function encodeText<T>(type: MessageType<T>, message: T): string {
  const lines: string[] = [];
  writeFields(type as MessageType, message as Message, '', lines);
  return lines.join('');
}

function writeFields(type: MessageType, message: Message, indent: string, lines: string[]): void {
  for (const field of type.fields) {
    const value = message[field.name];
    if (value === undefined || field.map !== null) continue;
    if (field.repeated) for (const each of value as unknown[]) writeField(field, each, indent, lines);
    else writeField(field, value, indent, lines);
  }
}

function writeField(field: Field, value: unknown, indent: string, lines: string[]): void {
  if (field.kind !== 'message') {
    if (!isImplied(field, value)) lines.push(`${indent}${field.name}: ${scalarText(field, value)}\n`);
    return;
  }
  lines.push(`${indent}${field.name} {\n`);
  const type = field.message;
  const inner = `${indent}  `;
  if (type.wellKnown === 'none' || type.wellKnown === 'empty') writeFields(type, value as Message, inner, lines);
  else if (type.wellKnown === 'timestamp' || type.wellKnown === 'duration') {
    const { seconds, nanos } = value as { seconds: number | bigint; nanos: number };
    if (Number(seconds) !== 0) lines.push(`${inner}seconds: ${seconds}\n`);
    if (nanos !== 0) lines.push(`${inner}nanos: ${nanos}\n`);
  } else lines.push(`${inner}value: ${JSON.stringify(toJson(type, value as never))}\n`);
  lines.push(`${indent}}\n`);
}

/** Proto3 does not write what is the default anyway, but for members of a oneof. */
function isImplied(field: Field, value: unknown): boolean {
  if (field.repeated || field.hasPresence || field.oneof !== null) return false;
  if (field.kind === 'enum') return value === 0 || value === field.enum.name(0);
  if (field.type === TYPE.string || field.type === TYPE.bytes) return (value as string | Uint8Array).length === 0;
  return value === false || Number(value) === 0;
}

function scalarText(field: Field, value: unknown): string {
  if (field.type === TYPE.string) return quote(Buffer.from(value as string, 'utf8'));
  if (field.type === TYPE.bytes) return quote(value as Uint8Array);
  return String(value);
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [10, '\\n'],
  [13, '\\r'],
  [9, '\\t'],
  [34, '\\"'],
  [39, "\\'"],
  [92, '\\\\'],
]);

function quote(bytes: Uint8Array): string {
  let text = '"';
  for (const byte of bytes) {
    const escape = ESCAPES.get(byte);
    if (escape !== undefined) text += escape;
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else text += `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return `${text}"`;
}
