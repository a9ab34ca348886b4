// Protobuf text format → message objects, for files that hold it; the first problem ends the reading.
import { MAX_DEPTH } from './binary-decode.ts';
import { Expected, scalarFromJson } from './json-scalars.ts';
import { TYPE } from './message-type.ts';
import type { Field, Message, MessageType } from './message-type.ts';
import { registry } from './registry.ts';
import type { Report } from './report.ts';
import { typeUrlName } from './type-url.ts';
import { defaultOf, fromFields, isDefault } from './well-known.ts';

/** Fails: undefined after reporting what is wrong, and where. Source: "Text Format Language Specification". */
export function decodeText<T>(type: MessageType<T>, text: string, report: Report): T | undefined {
  const reader = new TextReader(text);
  try {
    return reader.read(type as MessageType) as T;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    report.add('', 'malformed', `${reader.place}: ${error.reason}`);
    return undefined;
  }
}

/** Thrown inside this file only. */
class Malformed {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

const SPACE = /(?:\s|#[^\n]*)*/.source;
const NAME = /[A-Za-z_]\w*/.source;
const NUMBER = /0[xX][\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?/.source;
const STRING = /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'/.source;
const SIGN = /[{}<>[\]:;,/.-]/.source;
/** White space and comments; then one of those, or the end. */
const TOKEN = new RegExp(`${SPACE}(?:(${NAME})|(${NUMBER})|(${STRING})|(${SIGN})|$)`, 'y');

class TextReader {
  readonly #text: string;
  #start = 0;
  #end = 0;
  #depth = 0;
  /** The token that is next: '' at the end. */
  #token = '';
  #kind: 'name' | 'number' | 'string' | 'sign' | 'end' = 'end';

  constructor(text: string) {
    this.#text = text;
  }

  read(type: MessageType): unknown {
    this.#next();
    return this.message(type, '');
  }

  /** 'line:column' of the token that is next. */
  get place(): string {
    const before = this.#text.slice(0, this.#start).split('\n');
    return `${before.length}:${(before.at(-1) ?? '').length + 1}`;
  }

  #next(): string {
    const before = this.#token;
    TOKEN.lastIndex = this.#end;
    const match = TOKEN.exec(this.#text);
    if (match === null) {
      this.#start = this.#end;
      throw new Malformed('a character that begins nothing');
    }
    const [, name, number, string, sign] = match;
    this.#token = name ?? number ?? string ?? sign ?? '';
    this.#end = TOKEN.lastIndex;
    this.#start = this.#end - this.#token.length;
    if (name !== undefined) this.#kind = 'name';
    else if (number !== undefined) this.#kind = 'number';
    else if (string !== undefined) this.#kind = 'string';
    else this.#kind = sign === undefined ? 'end' : 'sign';
    return before;
  }

  #takes(sign: string): boolean {
    if (this.#kind !== 'sign' || this.#token !== sign) return false;
    this.#next();
    return true;
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw new Malformed(`expected '${sign}', got ${this.#shown}`);
  }

  get #shown(): string {
    return this.#kind === 'end' ? 'the end' : `'${this.#token.slice(0, 40)}'`;
  }

  /** Fields up to `close`: '' is the end of the text. */
  message(type: MessageType, close: string): unknown {
    if (++this.#depth > MAX_DEPTH) throw new Malformed(`nested deeper than ${MAX_DEPTH} messages`);
    const fields: Message = {};
    while (close === '' ? this.#kind !== 'end' : !this.#takes(close)) {
      if (this.#kind === 'sign' && this.#token === '[') this.#any(type, fields);
      else this.#field(type, fields);
      if (!this.#takes(',')) this.#takes(';');
    }
    this.#depth--;
    return fromFields(type, fields);
  }

  /** `[type.googleapis.com/a.b.C] { … }` */
  #any(type: MessageType, fields: Message): void {
    this.#expect('[');
    let url = '';
    while (!this.#takes(']')) {
      if (this.#kind === 'end' || this.#kind === 'string') throw new Malformed(`expected a type, got ${this.#shown}`);
      url += this.#next();
    }
    const content = registry.find(typeUrlName(url));
    if (type.wellKnown !== 'any' || content === undefined) throw new Malformed(`unknown message type '${url}'`);
    this.#takes(':');
    fields['type_url'] = url;
    fields['message'] = this.#submessage(content);
  }

  #submessage(type: MessageType): unknown {
    if (this.#takes('<')) return this.message(type, '>');
    this.#expect('{');
    return this.message(type, '}');
  }

  #field(type: MessageType, fields: Message): void {
    if (this.#kind !== 'name') throw new Malformed(`expected a field, got ${this.#shown}`);
    const name = this.#token;
    const field = type.fieldByName(name);
    if (field === undefined) throw new Malformed(`no field ${name} in ${type.fullName}`);
    this.#next();
    const hasColon = this.#takes(':');
    if (!hasColon && field.type !== TYPE.message) throw new Malformed(`expected ':' after ${name}`);
    if (!this.#takes('[')) {
      this.#put(type, field, fields);
      return;
    }
    if (!field.repeated && field.map === null) throw new Malformed(`${name} is not a list`);
    while (!this.#takes(']')) {
      this.#put(type, field, fields);
      if (!this.#takes(',') && this.#token !== ']') throw new Malformed(`expected ',' or ']', got ${this.#shown}`);
    }
  }

  /** Reads one value into its field. */
  #put(type: MessageType, field: Field, fields: Message): void {
    const { name, map } = field;
    if (map !== null) {
      const entry = this.#entry(map);
      const entries = (fields[name] as Message | undefined) ?? (Object.create(null) as Message);
      entries[String(entry.key)] = entry.value;
      fields[name] = entries;
      return;
    }
    const value = this.#value(field);
    if (field.repeated) {
      const list = (fields[name] as unknown[] | undefined) ?? [];
      list.push(value);
      fields[name] = list;
      return;
    }
    if (fields[name] !== undefined) throw new Malformed(`${name} is set twice`);
    const other = field.oneof?.fields.find((member) => fields[member.name] !== undefined);
    if (other !== undefined) throw new Malformed(`${other.name} and ${name} are both set in ${type.fullName}`);
    if (field.hasPresence || !isDefault(field, value)) fields[name] = value;
  }

  #entry(map: NonNullable<Field['map']>): { readonly key: unknown; readonly value: unknown } {
    const close = this.#takes('<') ? '>' : '}';
    if (close === '}') this.#expect('{');
    let key: unknown;
    let value: unknown;
    while (!this.#takes(close)) {
      const name = this.#next();
      const hasColon = this.#takes(':');
      if (name === 'key' && hasColon) key = this.#value(map.key);
      else if (name === 'value' && (hasColon || map.value.type === TYPE.message)) value = this.#value(map.value);
      else throw new Malformed(`expected key or value, got '${name}'`);
      if (!this.#takes(',')) this.#takes(';');
    }
    return { key: key ?? defaultOf(map.key), value: value ?? defaultOf(map.value) };
  }

  #value(field: Field): unknown {
    switch (field.type) {
      case TYPE.message:
        return this.#submessage(field.message);
      case TYPE.string:
        return this.#strings().toString('utf8');
      case TYPE.bytes:
        return new Uint8Array(this.#strings());
      case TYPE.enum:
        return this.#enumValue(field);
      default:
        return this.#scalar(field);
    }
  }

  #enumValue(field: Field): unknown {
    if (this.#kind === 'name') {
      const name = this.#next();
      if (field.enum.number(name) === undefined) throw new Malformed(`no value ${name} in ${field.enum.fullName}`);
      return name;
    }
    const number = this.#scalar(field, TYPE.int32) as number;
    return field.enum.name(number) ?? number;
  }

  #scalar(field: Field, type: number = field.type): unknown {
    const minus = this.#takes('-') ? '-' : '';
    if (this.#kind !== 'name' && this.#kind !== 'number') throw new Malformed(`expected a value, got ${this.#shown}`);
    const isNumber = this.#kind === 'number';
    const token = this.#next();
    const isFloat = type === TYPE.double || type === TYPE.float;
    const text = minus + (isNumber && !isFloat ? wholeNumber(token) : token.replace(/(?<=[\d.])f$/i, ''));
    const value = scalarFromJson(type, text);
    if (value instanceof Expected) throw new Malformed(`${field.name}: expected ${value.what}, got '${minus}${token}'`);
    return value;
  }

  /** Strings that stand side by side are one. */
  #strings(): Buffer {
    if (this.#kind !== 'string') throw new Malformed(`expected a string, got ${this.#shown}`);
    const parts: Buffer[] = [];
    while (this.#kind === 'string') parts.push(unescape(this.#next()));
    return Buffer.concat(parts);
  }
}

/** Digits of a 64-bit number, however it is written. */
const MAX_DIGITS = 32;

/** Hexadecimal and octal numbers in digits of ten. */
function wholeNumber(token: string): string {
  if (token.length > MAX_DIGITS) return token;
  if (/^0[xX]/.test(token)) return BigInt(token).toString();
  return /^0[0-7]+$/.test(token) ? BigInt(`0o${token.slice(1)}`).toString() : token;
}

const ESCAPES: Readonly<Record<string, number>> = {
  ...{ a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, "'": 39, '?': 63, '\\': 92 },
};

function unescape(quoted: string): Buffer {
  const text = quoted.slice(1, -1);
  if (!text.includes('\\')) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  const piece = /\\(?:([0-7]{1,3})|[xX]([\da-fA-F]{1,2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))|[^\\]+/gsu;
  for (const match of text.matchAll(piece)) {
    const [whole, octal, hex, short, long, other] = match;
    if (octal !== undefined) parts.push(Buffer.of(Number.parseInt(octal, 8) & 0xff));
    else if (hex !== undefined) parts.push(Buffer.of(Number.parseInt(hex, 16)));
    else if (short !== undefined || long !== undefined) parts.push(codePoint(short ?? long ?? ''));
    else if (other === undefined) parts.push(Buffer.from(whole, 'utf8'));
    else {
      const byte = ESCAPES[other];
      if (byte === undefined) throw new Malformed(`unknown escape \\${other}`);
      parts.push(Buffer.of(byte));
    }
  }
  return Buffer.concat(parts);
}

function codePoint(hex: string): Buffer {
  const point = Number.parseInt(hex, 16);
  if (point > 0x10ffff) throw new Malformed(`no character U+${hex}`);
  return Buffer.from(String.fromCodePoint(point), 'utf8');
}
