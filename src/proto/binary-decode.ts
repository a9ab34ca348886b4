// Protobuf wire bytes → message objects: one interpreter over field descriptions, never throwing on what it reads.
import { isUtf8 } from 'node:buffer';

import { encodeBinary } from './binary-encode.ts';
import { TYPE } from './message-type.ts';
import type { EnumType, Field, Message, MessageType } from './message-type.ts';
import { keyPath, type Report } from './report.ts';
import { addUnknownField } from './unknown-fields.ts';
import { defaultOf, fromFields, isDefault } from './well-known.ts';

/** Nested messages allowed, as in the C++ runtime. */
export const MAX_DEPTH = 100;
/** Longest message that is decoded at all. */
export const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/** Fields that one message and those in it may have: of two bytes each they would become fifty times as many. */
export const MAX_FIELDS = 1_000_000;
/** Of those that nobody knows: they are kept as they came. */
const MAX_UNKNOWN_FIELDS = 100_000;

/** Thrown inside this file only, so that the loops stay plain; `decodeBinary` turns it into a problem. */
class Malformed {
  readonly reason: string;
  readonly kind: 'malformed' | 'limit';
  constructor(reason: string, kind: 'malformed' | 'limit' = 'malformed') {
    this.reason = reason;
    this.kind = kind;
  }
}

/**
 * Decodes `bytes` as a message of `type`. Unknown fields are kept and reported; the report's paths start with `path`.
 * Owns: the result shares no memory with `bytes`. Fails: undefined when the bytes are malformed (reported as such).
 */
export function decodeBinary<T>(type: MessageType<T>, bytes: Uint8Array, report?: Report, path = ''): T | undefined {
  if (bytes.length > MAX_MESSAGE_BYTES) {
    report?.add(path, 'limit', `message of ${bytes.length} bytes is longer than ${MAX_MESSAGE_BYTES}`);
    return undefined;
  }
  input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  data = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  position = 0;
  depth = 0;
  fields = 0;
  unknownCount = 0;
  activeReport = report ?? null;
  basePath = path;
  try {
    return readBody(type as MessageType, bytes.length, undefined) as T;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    report?.add(pathHere(), error.kind, error.reason);
    return undefined;
  } finally {
    input = EMPTY;
    data = EMPTY;
    activeReport = null;
  }
}

const EMPTY = Buffer.alloc(0);

// State of the decode that is running: module variables are cheaper than a cursor object, and a decode never yields.
let input: Buffer = EMPTY;
let data: Uint8Array = EMPTY;
let position = 0;
let depth = 0;
let fields = 0;
let unknownCount = 0;
let activeReport: Report | null = null;
let basePath = '';
/** The field (and index or map key) entered at each depth; turned into a path only when there is a problem. */
const fieldAt: (Field | null)[] = new Array(MAX_DEPTH + 2).fill(null);
const indexAt: (number | string)[] = new Array(MAX_DEPTH + 2).fill(-1);

function pathHere(): string {
  let path = basePath;
  for (let i = 0; i < depth; i++) {
    const name = (fieldAt[i] as Field).name;
    const index = indexAt[i] as number | string;
    path = path === '' ? name : `${path}.${name}`;
    if (typeof index === 'string') path = keyPath(path, index);
    else if (index >= 0) path += `[${index}]`;
  }
  return path;
}

function readBody(type: MessageType, end: number, previous: unknown): unknown {
  switch (type.wellKnown) {
    case 'none':
    case 'empty':
      return readFields(type, end, (previous as Message | undefined) ?? {});
    case 'any':
      return fromFields(type, readFields(type, end, (previous as Message | undefined) ?? { type_url: '' }));
    default:
      return readWellKnown(type, end, previous);
  }
}

/** Reads the fields of a message into `message` until `end`. */
function readFields(type: MessageType, end: number, message: Message): Message {
  while (position < end) {
    if (++fields > MAX_FIELDS) throw new Malformed(`more than ${MAX_FIELDS} fields`, 'limit');
    const start = position;
    const tag = readUint32('tag');
    const field = type.fieldByNumber(tag >>> 3);
    const wireType = tag & 7;
    if (field === undefined || !readField(field, wireType, message, end)) {
      skipUnknown(type, message, tag, start, end);
    }
  }
  if (position !== end) throw new Malformed('a field runs over the end of its message');
  return message;
}

/** Reads one field; false when the wire type does not fit, or when a closed enum does not know the number. */
function readField(field: Field, wireType: number, message: Message, end: number): boolean {
  const name = field.name;
  if (field.type === TYPE.message) {
    if (wireType !== 2) return false;
    readMessageField(field, message, end);
    return true;
  }
  if (field.repeated) return readRepeated(field, wireType, message, end);
  if (wireType !== WIRE_TYPES[field.type]) return false;
  if (field.type === TYPE.enum) {
    const number = readVarint32() | 0;
    if (!field.hasPresence && number === 0) {
      if (message[name] !== undefined) delete message[name];
    } else {
      const value = enumValue(field.enum, number);
      if (value === undefined) return false;
      if (field.oneof !== null) clearOneof(field, message);
      message[name] = value;
    }
    return true;
  }
  const value = readScalar(field.type, end, field);
  if (field.oneof !== null) clearOneof(field, message);
  if (field.hasPresence || !isDefault(field, value)) message[name] = value;
  else if (message[name] !== undefined) delete message[name];
  return true;
}

function enumValue(type: EnumType, number: number): string | number | undefined {
  return type.name(number) ?? (type.isClosed ? undefined : number);
}

/** In binary form the last member of a oneof wins. */
function clearOneof(field: Field, message: Message): void {
  const { fields } = field.oneof as NonNullable<Field['oneof']>;
  for (let i = 0; i < fields.length; i++) {
    const member = fields[i] as Field;
    if (member !== field && message[member.name] !== undefined) delete message[member.name];
  }
}

function readRepeated(field: Field, wireType: number, message: Message, end: number): boolean {
  const packed = wireType === 2 && WIRE_TYPES[field.type] !== 2;
  if (!packed && wireType !== WIRE_TYPES[field.type]) return false;
  const known = message[field.name] as unknown[] | undefined;
  const list = known ?? [];
  let ok = true;
  if (packed) {
    const stop = readEnd(end);
    while (position < stop) readElement(field, list, stop, message);
    if (position !== stop) throw new Malformed('a packed field is cut inside an element');
  } else ok = readElement(field, list, end, null);
  if (known === undefined && list.length > 0) message[field.name] = list;
  return ok;
}

/** `holder` takes numbers that a closed enum does not know when they come packed; else they are left to the caller. */
function readElement(field: Field, list: unknown[], end: number, holder: Message | null): boolean {
  if (field.type !== TYPE.enum) {
    list.push(readScalar(field.type, end, field));
    return true;
  }
  const start = position;
  const value = enumValue(field.enum, readVarint32() | 0);
  if (value !== undefined) list.push(value);
  else if (holder === null) return false;
  else {
    const bytes = Uint8Array.from([...tagBytes(field.number << 3), ...data.subarray(start, position)]);
    addUnknownField(holder, { number: field.number, wireType: 0, bytes });
  }
  return true;
}

function tagBytes(tag: number): number[] {
  const bytes: number[] = [];
  let rest = tag >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}

function readMessageField(field: Field, message: Message, end: number): void {
  const stop = readEnd(end);
  const name = field.name;
  enter(field);
  if (field.map !== null) {
    readMapEntry(field.map, message, name, stop);
  } else if (field.repeated) {
    let list = message[name] as unknown[] | undefined;
    if (list === undefined) {
      list = [];
      message[name] = list;
    }
    indexAt[depth - 1] = list.length;
    list.push(readBody(field.message, stop, undefined));
  } else {
    if (field.oneof !== null) clearOneof(field, message);
    message[name] = readBody(field.message, stop, message[name]);
  }
  depth--;
}

function enter(field: Field): void {
  if (depth >= MAX_DEPTH) throw new Malformed(`nested deeper than ${MAX_DEPTH} messages`, 'limit');
  fieldAt[depth] = field;
  indexAt[depth] = -1;
  depth++;
}

function readMapEntry(map: NonNullable<Field['map']>, message: Message, name: string, end: number): void {
  let key: unknown;
  let value: unknown;
  const isMessage = map.value.type === TYPE.message;
  while (position < end) {
    const tag = readUint32('tag');
    const wireType = tag & 7;
    if (tag >>> 3 === 1 && wireType === WIRE_TYPES[map.key.type]) {
      key = readScalar(map.key.type, end, map.key);
      indexAt[depth - 1] = String(key);
    } else if (tag >>> 3 === 2 && isMessage && wireType === 2) {
      value = readBody(map.value.message, readEnd(end), value);
    } else if (tag >>> 3 === 2 && !isMessage && wireType === WIRE_TYPES[map.value.type]) {
      if (map.value.type === TYPE.enum) value = enumValue(map.value.enum, readVarint32() | 0);
      else value = readScalar(map.value.type, end, map.value);
    } else {
      skip(tag, end);
      activeReport?.add(pathHere(), 'unknown-field', `unknown field number ${tag >>> 3} in a map entry`);
    }
  }
  if (position !== end) throw new Malformed('a map entry runs over its end');
  let entries = message[name] as Message | undefined;
  if (entries === undefined) {
    entries = Object.create(null) as Message;
    message[name] = entries;
  }
  entries[String(key ?? defaultOf(map.key))] = value ?? defaultOf(map.value);
}

/** Messages with a representation of their own. A second occurrence merges, by way of the bytes of the first. */
function readWellKnown(type: MessageType, end: number, previous: unknown): unknown {
  if (previous !== undefined) {
    const outer = { input, data };
    const joined = Buffer.concat([encodeBinary(type, previous), data.subarray(position, end)]);
    input = joined;
    data = new Uint8Array(joined.buffer, joined.byteOffset, joined.length);
    position = 0;
    const merged = readWellKnown(type, joined.length, undefined);
    ({ input, data } = outer);
    position = end;
    return merged;
  }
  return fromFields(type, readFields(type, end, {}));
}

/** The wire type of each type; groups are not supported and so never fit. */
const WIRE_TYPES: readonly number[] = [-1, 1, 5, 0, 0, 0, 1, 5, 0, 2, -1, 2, 2, 0, 0, 5, 1, 0, 0];

function readScalar(type: number, end: number, field: Field): unknown {
  switch (type) {
    case TYPE.string:
      return readString(readEnd(end), field);
    case TYPE.uint32:
      return readVarint32();
    case TYPE.int32:
      return readVarint32() | 0;
    case TYPE.bool:
      return readBool();
    case TYPE.bytes: {
      const stop = readEnd(end);
      const bytes = data.slice(position, stop);
      position = stop;
      return bytes;
    }
    case TYPE.double: {
      need(8, end);
      const value = input.readDoubleLE(position);
      position += 8;
      return value;
    }
    case TYPE.float: {
      need(4, end);
      const value = input.readFloatLE(position);
      position += 4;
      return value;
    }
    case TYPE.int64:
      readVarint64();
      return signed64();
    case TYPE.uint64:
      readVarint64();
      return unsigned64();
    case TYPE.sint32: {
      const value = readVarint32();
      return (value >>> 1) ^ -(value & 1);
    }
    case TYPE.sint64:
      readVarint64();
      return zigzag64();
    case TYPE.fixed32:
      return readFixed32(end);
    case TYPE.sfixed32:
      return readFixed32(end) | 0;
    case TYPE.fixed64:
      low = readFixed32(end);
      high = readFixed32(end);
      return unsigned64();
    default:
      low = readFixed32(end);
      high = readFixed32(end);
      return signed64();
  }
}

function need(count: number, end: number): void {
  if (position + count > end) throw new Malformed('cut inside a value');
}

/** Reads the length of a length-delimited value and returns where it ends. */
function readEnd(end: number): number {
  const length = readUint32('length');
  const stop = position + length;
  if (stop > end) throw new Malformed(`a value of ${length} bytes runs over the end of its message`);
  return stop;
}

function readString(end: number, field: Field): string {
  const start = position;
  position = end;
  for (let i = start; i < end; i++) {
    if ((data[i] as number) > 0x7f) {
      if (field.checksUtf8 && !isUtf8(data.subarray(start, end))) {
        throw new Malformed(`string field ${field.name} is not valid UTF-8`);
      }
      return input.utf8Slice(start, end);
    }
  }
  return input.latin1Slice(start, end);
}

/** Reads a tag or a length: more than 32 bits are malformed there, not cut off. */
function readUint32(what: string): number {
  const start = position;
  const value = readVarint32();
  if (position - start >= 5 && (position - start > 5 || (data[start + 4] as number) > 0x0f)) {
    throw new Malformed(`a ${what} is longer than 32 bits`);
  }
  return value;
}

function readVarint32(): number {
  let byte = data[position++] as number;
  if (byte < 0x80) return byte;
  let value = byte & 0x7f;
  for (let shift = 7; shift < 70; shift += 7) {
    if (position >= data.length) break;
    byte = data[position++] as number;
    if (shift < 32) value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value >>> 0;
  }
  throw new Malformed('malformed varint');
}

function readBool(): boolean {
  readVarint64();
  return low !== 0 || high !== 0;
}

function readFixed32(end: number): number {
  need(4, end);
  const value = input.readUInt32LE(position);
  position += 4;
  return value;
}

// Halves of the 64-bit value read last.
let low = 0;
let high = 0;

function readVarint64(): void {
  low = 0;
  high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    if (position >= data.length) break;
    const byte = data[position++] as number;
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high |= bits >>> 4;
    } else if (shift < 63) high |= bits << (shift - 32);
    else high |= (bits & 1) << 31;
    if (byte < 0x80) {
      low >>>= 0;
      high >>>= 0;
      return;
    }
  }
  throw new Malformed('malformed varint');
}

function unsigned64(): number | bigint {
  return high <= 0x1fffff ? high * 0x100000000 + low : (BigInt(high) << 32n) | BigInt(low);
}

function signed64(): number | bigint {
  if (high <= 0x1fffff) return high * 0x100000000 + low;
  const value = BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
  return value >= -9007199254740991n && value < 0n ? Number(value) : value;
}

function zigzag64(): number | bigint {
  const raw = (BigInt(high) << 32n) | BigInt(low);
  const value = (raw >> 1n) ^ -(raw & 1n);
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}

/** Keeps and reports a field that the type does not know. */
function skipUnknown(type: MessageType, message: Message, tag: number, start: number, end: number): void {
  position = start;
  readUint32('tag');
  skip(tag, end);
  const number = tag >>> 3;
  if (++unknownCount > MAX_UNKNOWN_FIELDS)
    throw new Malformed(`more than ${MAX_UNKNOWN_FIELDS} unknown fields`, 'limit');
  addUnknownField(message, { number, wireType: tag & 7, bytes: data.slice(start, position) });
  activeReport?.add(pathHere(), 'unknown-field', `unknown field number ${number} in ${type.fullName}`);
}

function skip(tag: number, end: number): void {
  if (tag >>> 3 === 0) throw new Malformed('field number 0');
  switch (tag & 7) {
    case 0:
      readVarint64();
      break;
    case 1:
      need(8, end);
      position += 8;
      break;
    case 2:
      position = readEnd(end);
      break;
    case 3:
      skipGroup(tag >>> 3, end);
      break;
    case 5:
      need(4, end);
      position += 4;
      break;
    default:
      throw new Malformed(`wire type ${tag & 7} is not expected here`);
  }
  if (position > end) throw new Malformed('cut inside a value');
}

/** Skips to the matching end tag; open groups are counted on a list instead of the call stack. */
function skipGroup(number: number, end: number): void {
  const open = [number];
  while (open.length > 0) {
    if (position >= end) throw new Malformed('a group is not closed');
    const tag = readUint32('tag');
    if ((tag & 7) === 3) {
      if (open.length >= MAX_DEPTH) throw new Malformed(`nested deeper than ${MAX_DEPTH} groups`, 'limit');
      open.push(tag >>> 3);
    } else if ((tag & 7) === 4) {
      if (open.pop() !== tag >>> 3) throw new Malformed('a group ends that was not open');
    } else skip(tag, end);
  }
}
