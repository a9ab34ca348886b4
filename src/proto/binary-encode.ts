// Message objects → protobuf wire bytes: fields by number, map keys sorted, so that equal messages give equal bytes.
import { TYPE } from './message-type.ts';
import type { Field, Message, MessageType } from './message-type.ts';
import { registry } from './registry.ts';
import { typeUrlName } from './type-url.ts';
import { unknownFields } from './unknown-fields.ts';
import { isDefault, toFields } from './well-known.ts';

/**
 * Encodes `message`, unknown fields last. An Any is written from its `value` if it has one, else from its `message`.
 * Owns: the result is the caller's. Fails: a value that its field cannot hold is a bug of the program and throws.
 */
export function encodeBinary<T>(type: MessageType<T>, message: T): Uint8Array {
  const start = position;
  try {
    writeBody(type as MessageType, message);
    return new Uint8Array(buffer.buffer.slice(start, position));
  } finally {
    position = start;
    if (start === 0 && buffer.length > KEEP_BYTES) allocate(INITIAL_BYTES);
  }
}

/** True when two messages of `type` have the same content; costs encoding both. */
export function equals<T>(type: MessageType<T>, a: T, b: T): boolean {
  return a === b || Buffer.compare(encodeBinary(type, a), encodeBinary(type, b)) === 0;
}

const INITIAL_BYTES = 4096;
/** A scratch buffer that grew beyond this is given back. */
const KEEP_BYTES = 65536;

// Scratch space of the encode that is running; a nested encode (of the message of an Any) appends to it.
let buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
let view = new DataView(buffer.buffer);
let position = 0;

function allocate(length: number): void {
  buffer = Buffer.allocUnsafeSlow(length);
  view = new DataView(buffer.buffer);
}

function reserve(count: number): void {
  if (position + count <= buffer.length) return;
  const old = buffer;
  allocate(Math.max(old.length * 2, position + count));
  buffer.set(old.subarray(0, position));
}

function writeBody(type: MessageType, value: unknown): void {
  if (type.wellKnown === 'none') writeFields(type, value as Message);
  else if (type.wellKnown === 'any') writeAny(value as { type_url: string; value?: Uint8Array; message?: unknown });
  else writeFields(type, toFields(type, value));
}

function writeAny(any: { type_url: string; value?: Uint8Array; message?: unknown }): void {
  if (any.type_url !== '') {
    writeVarint32(10);
    writeString(any.type_url);
  }
  let value = any.value;
  if (value === undefined && any.message !== undefined) {
    value = encodeBinary(registry.message(typeUrlName(any.type_url)), any.message as Message);
  }
  if (value !== undefined && value.length > 0) {
    writeVarint32(18);
    writeBytes(value);
  }
  for (const unknown of unknownFields(any)) writeRaw(unknown.bytes);
}

function writeFields(type: MessageType, message: Message): void {
  for (const field of type.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    if (field.map !== null) writeMap(field, field.map, value as Message);
    else if (field.repeated) writeList(field, value as unknown[]);
    else if (field.hasPresence || !isDefault(field, value)) writeSingle(field, value);
  }
  for (const unknown of unknownFields(message)) writeRaw(unknown.bytes);
}

const WIRE_TYPES: readonly number[] = [0, 1, 5, 0, 0, 0, 1, 5, 0, 2, 3, 2, 2, 0, 0, 5, 1, 0, 0];

function writeSingle(field: Field, value: unknown): void {
  writeVarint32(((field.number << 3) | (WIRE_TYPES[field.type] as number)) >>> 0);
  writeValue(field, value);
}

function writeValue(field: Field, value: unknown): void {
  if (field.type === TYPE.message) {
    const start = openLength();
    writeBody(field.message, value);
    closeLength(start);
  } else writeScalar(field, value);
}

function writeList(field: Field, list: readonly unknown[]): void {
  if (list.length === 0) return;
  if (!field.packed) {
    for (const element of list) writeSingle(field, element);
    return;
  }
  writeVarint32(((field.number << 3) | 2) >>> 0);
  const start = openLength();
  for (const element of list) writeScalar(field, element);
  closeLength(start);
}

function writeMap(field: Field, map: NonNullable<Field['map']>, entries: Message): void {
  for (const key of Object.keys(entries).sort()) {
    writeVarint32(((field.number << 3) | 2) >>> 0);
    const start = openLength();
    writeSingle(map.key, mapKey(map.key, key));
    writeSingle(map.value, entries[key]);
    closeLength(start);
  }
}

function mapKey(field: Field, key: string): unknown {
  if (field.type === TYPE.string) return key;
  if (field.type === TYPE.bool) return key === 'true';
  const number = Number(key);
  return Number.isSafeInteger(number) ? number : BigInt(key);
}

/** Leaves one byte for the length of what follows. */
function openLength(): number {
  reserve(1);
  return ++position;
}

/** Writes the length in front of what was written since `start`, moving it when one byte is not enough. */
function closeLength(start: number): void {
  const length = position - start;
  if (length < 0x80) {
    buffer[start - 1] = length;
    return;
  }
  const extra = length < 0x4000 ? 1 : length < 0x200000 ? 2 : length < 0x10000000 ? 3 : 4;
  reserve(extra);
  buffer.copyWithin(start + extra, start, position);
  const end = position + extra;
  position = start - 1;
  writeVarint32(length);
  position = end;
}

function writeScalar(field: Field, value: unknown): void {
  switch (field.type) {
    case TYPE.string:
      writeString(value as string);
      break;
    case TYPE.bytes:
      writeBytes(value as Uint8Array);
      break;
    case TYPE.bool:
      reserve(1);
      buffer[position++] = value === true ? 1 : 0;
      break;
    case TYPE.enum:
      writeInt32(typeof value === 'string' ? enumNumber(field, value) : (value as number));
      break;
    case TYPE.int32:
      writeInt32(value as number);
      break;
    case TYPE.uint32:
      writeVarint32(integer(field, value));
      break;
    case TYPE.sint32: {
      const number = value as number;
      writeVarint32(((number << 1) ^ (number >> 31)) >>> 0);
      break;
    }
    case TYPE.int64:
    case TYPE.uint64:
      writeVarint64(big(field, value));
      break;
    case TYPE.sint64: {
      const number = big(field, value);
      writeVarint64((number << 1n) ^ (number >> 63n));
      break;
    }
    default:
      writeFixed(field, value);
  }
}

function writeFixed(field: Field, value: unknown): void {
  reserve(8);
  switch (field.type) {
    case TYPE.double:
      view.setFloat64(position, value as number, true);
      position += 8;
      break;
    case TYPE.float:
      view.setFloat32(position, value as number, true);
      position += 4;
      break;
    case TYPE.fixed32:
    case TYPE.sfixed32:
      view.setUint32(position, value as number, true);
      position += 4;
      break;
    default:
      view.setBigUint64(position, BigInt.asUintN(64, big(field, value)), true);
      position += 8;
  }
}

function enumNumber(field: Field, name: string): number {
  const number = field.enum.number(name);
  if (number === undefined) throw new TypeError(`${field.name}: no value ${name} in ${field.enum.fullName}`);
  return number;
}

function integer(field: Field, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${field.name}: expected a number`);
  return value >>> 0;
}

function big(field: Field, value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'number') throw new TypeError(`${field.name}: expected a number or a bigint`);
  return BigInt(value);
}

function writeInt32(value: number): void {
  if (value >= 0) writeVarint32(value);
  else writeVarint64(BigInt(value));
}

function writeVarint32(value: number): void {
  reserve(5);
  let rest = value;
  while (rest > 0x7f) {
    buffer[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[position++] = rest;
}

function writeVarint64(value: bigint): void {
  reserve(10);
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    buffer[position++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  buffer[position++] = Number(rest);
}

function writeString(value: string): void {
  if (typeof value !== 'string') throw new TypeError(`expected a string, got ${typeof value}`);
  const start = openLength();
  reserve(value.length * 3);
  position += buffer.utf8Write(value, position);
  closeLength(start);
}

function writeBytes(value: Uint8Array): void {
  writeVarint32(value.length);
  writeRaw(value);
}

function writeRaw(bytes: Uint8Array): void {
  reserve(bytes.length);
  buffer.set(bytes, position);
  position += bytes.length;
}
