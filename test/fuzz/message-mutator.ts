// Seeded mutations of protobuf messages by their types, so that they stay messages: fields removed, doubled and set,
// types swapped, parts of other messages put in, numbers and texts that are awkward. What is in an Any is reached, too.
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { type Field, type Message, type MessageType, TYPE } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { typeUrlName, typeUrlOf } from '../../src/proto/type-url.ts';
import type { MessageMaker } from './proto-oracle.ts';

type Any = { type_url: string; value?: Uint8Array; message?: unknown };

/** Donors kept of each type, and the longest text that is given on. */
const MAX_DONORS = 200;
const LONGEST_TEXT = 300;

const TEXTS: readonly string[] = [
  ...['', 'a', '*', '*.*', '.', '/', '%', '%REQ(', '%REQ(:path)%', '%%', '\u0000', 'a\r\nb: c', 'ü😀', ' ', '-1', '0'],
  ...[
    'x'.repeat(70_000),
    '(',
    '(a+)+$',
    '((((((a{9}){9}){9}){9}){9}){9})',
    '[a-z',
    '\\',
    '\\1',
    '(?=a)',
    'a|'.repeat(500),
  ],
  ...['__proto__', 'constructor', 'toString', '127.0.0.1', '::', '10.0.0.0/8', 'fe80::1%lo', '1.2.3.4.5', '256.0.0.1'],
  ...[
    'host',
    ':authority',
    ':path',
    'x-envoy-original-dst-host',
    'Ä',
    'type.googleapis.com/x',
    'regex:',
    '100%',
    '{}',
    '[0]',
  ],
  ...[
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    '0x10',
    '1e9',
    'NaN',
    '{a=*}',
    '{a=**}/b',
    '/**/**',
  ],
];
const NUMBERS: readonly number[] = [
  0,
  1,
  2,
  3,
  7,
  100,
  101,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  1_000_000,
  2 ** 31 - 1,
];
const SIGNED: readonly number[] = [...NUMBERS, -1, -2, -(2 ** 31)];
const UNSIGNED: readonly number[] = [...NUMBERS, 2 ** 31, 2 ** 32 - 1];
const LONG: readonly (number | bigint)[] = [...UNSIGNED, 2 ** 40, 2 ** 53 - 1, 2n ** 53n, 2n ** 63n - 1n];
const DOUBLES = [
  0,
  1,
  -1,
  0.5,
  1e-300,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  100.1,
];

const ANY = registry.message('google.protobuf.Any') as unknown as MessageType;

export class MessageMutator {
  readonly #maker: MessageMaker;
  readonly #donors = new Map<string, Message[]>();
  readonly #texts: string[] = [];
  readonly #known = new Set<string>();
  #types: string[] = [];

  constructor(maker: MessageMaker) {
    this.#maker = maker;
  }

  /** Remembers parts of a message, to put them into others. */
  learn(type: MessageType, message: unknown): void {
    if (type.wellKnown === 'any') {
      const unpacked = unpack(message as Any);
      if (unpacked !== null) this.learn(unpacked.type, unpacked.message);
    }
    this.#keep(type, message);
    if (type.wellKnown !== 'none') return;
    for (const field of type.fields) {
      const value = (message as Message)[field.name];
      if (value === undefined) continue;
      for (const one of valuesOf(field, value)) {
        const own = field.map?.value ?? field;
        if (own.type === TYPE.message) this.learn(own.message, one);
        else if (typeof one === 'string' && own.type === TYPE.string) this.#keepText(one);
      }
    }
  }

  #keep(type: MessageType, message: unknown): void {
    let donors = this.#donors.get(type.fullName);
    if (donors === undefined) {
      donors = [];
      this.#donors.set(type.fullName, donors);
      this.#types = [...this.#donors.keys()];
    }
    if (donors.length < MAX_DONORS) donors.push(message as Message);
  }

  #keepText(text: string): void {
    if (text.length > LONGEST_TEXT || this.#known.has(text) || this.#texts.length > 5000) return;
    this.#known.add(text);
    this.#texts.push(text);
  }

  /** A copy with one to three edits; shares with the original what is the same in both. */
  mutate(type: MessageType, message: unknown): unknown {
    let copy = message;
    for (let edits = 1 + this.#maker.below(3); edits > 0; edits--) copy = this.#mutate(type, copy, 0);
    return copy;
  }

  #mutate(type: MessageType, message: unknown, depth: number): unknown {
    const maker = this.#maker;
    if (type.wellKnown === 'any') return this.#mutateAny(message as Any, depth);
    if (type.wellKnown !== 'none' || maker.below(30) === 0) return this.#other(type);
    const copy = { ...(message as Message) };
    const isSet = (field: Field): boolean => copy[field.name] !== undefined;
    const set = type.fields.filter(isSet);
    if (set.length === 0 || maker.below(6) === 0) {
      if (type.fields.length > 0) this.#put(copy, maker.pick(type.fields));
      return copy;
    }
    const field = maker.pick(set);
    const value = copy[field.name];
    if (maker.below(8) === 0) delete copy[field.name];
    else if (field.map !== null) copy[field.name] = this.#mutateMap(field.map, value as Message, depth);
    else if (field.repeated) copy[field.name] = this.#mutateList(field, value as unknown[], depth);
    else copy[field.name] = this.#mutateValue(field, value, depth);
    return copy;
  }

  #mutateValue(field: Field, value: unknown, depth: number): unknown {
    return field.type === TYPE.message ? this.#mutate(field.message, value, depth + 1) : this.#scalar(field);
  }

  #mutateList(field: Field, list: readonly unknown[], depth: number): unknown[] {
    const maker = this.#maker;
    if (list.length === 0) return [this.#value(field)];
    const copy = [...list];
    const at = maker.below(copy.length);
    switch (maker.below(8)) {
      case 0:
        copy.splice(at, 1);
        break;
      case 1:
        copy.splice(at, 0, copy[at]);
        break;
      case 2:
        copy.reverse();
        break;
      case 3:
        copy.push(this.#value(field));
        break;
      case 4:
        if (maker.below(10) === 0) for (let i = 0; i < 300; i++) copy.push(copy[at]);
        break;
      default:
        copy[at] = this.#mutateValue(field, copy[at], depth);
    }
    return copy;
  }

  #mutateMap(map: NonNullable<Field['map']>, entries: Message, depth: number): Message {
    const maker = this.#maker;
    const copy = Object.assign(Object.create(null) as Message, entries);
    const keys = Object.keys(copy);
    const key = keys.length > 0 ? maker.pick(keys) : '';
    if (maker.below(3) === 0) delete copy[key];
    if (maker.below(3) === 0) copy[map.key.type === TYPE.string ? this.#text() : '1'] = this.#value(map.value);
    else if (copy[key] !== undefined) copy[key] = this.#mutateValue(map.value, copy[key], depth);
    return copy;
  }

  #mutateAny(any: Any, depth: number): unknown {
    const maker = this.#maker;
    const unpacked = unpack(any);
    switch (maker.below(12)) {
      case 0:
        return { ...any, type_url: typeUrlOf(maker.pick(this.#types)) };
      case 1:
        return this.#other(ANY);
      case 2:
        return this.#nested(any);
      default:
        if (unpacked === null) return this.#other(ANY);
        return packed(unpacked.type, this.#mutate(unpacked.type, unpacked.message, depth + 1));
    }
  }

  /** An Any in Anys. */
  #nested(any: Any): Any {
    let inner = any;
    for (let levels = this.#maker.pick([1, 2, 90, 200]); levels > 0; levels--) {
      inner = packed(ANY, inner);
    }
    return inner;
  }

  #put(message: Message, field: Field): void {
    for (const member of field.oneof?.fields ?? []) delete message[member.name];
    if (field.map !== null) {
      message[field.name] = Object.assign(Object.create(null), { a: this.#value(field.map.value) });
    } else message[field.name] = field.repeated ? [this.#value(field)] : this.#value(field);
  }

  #value(field: Field): unknown {
    return field.type === TYPE.message ? this.#other(field.message) : this.#scalar(field);
  }

  /** Another message of the type: one that was seen, or one of chance. */
  #other(type: MessageType): unknown {
    const maker = this.#maker;
    const donors = this.#donors.get(type.fullName) ?? [];
    if (type.wellKnown === 'wrapper') return this.#scalar(type.fields[0] as Field);
    if (type.wellKnown === 'duration') return { seconds: maker.pick(SIGNED), nanos: maker.pick([0, 1, 999_999_999]) };
    if (donors.length > 0 && maker.below(4) > 0) return maker.pick(donors);
    return maker.make(type, 1 + maker.below(12));
  }

  #text(): string {
    const maker = this.#maker;
    return this.#texts.length > 0 && maker.below(2) === 0 ? maker.pick(this.#texts) : maker.pick(TEXTS);
  }

  #scalar(field: Field): unknown {
    const maker = this.#maker;
    switch (field.type) {
      case TYPE.string:
        return this.#text();
      case TYPE.bytes:
        return Buffer.from(this.#text());
      case TYPE.bool:
        return maker.below(2) === 0;
      case TYPE.enum:
        if (!field.enum.isClosed && maker.below(4) === 0) return maker.pick([99, -1, 987_654]);
        return field.enum.name(field.enum.number(maker.pick(field.enum.names)) as number);
      case TYPE.double:
        return maker.pick(DOUBLES);
      case TYPE.float:
        return Math.fround(maker.pick(DOUBLES));
      case TYPE.uint32:
      case TYPE.fixed32:
        return maker.pick(UNSIGNED);
      case TYPE.uint64:
      case TYPE.fixed64:
        return maker.pick(LONG);
      case TYPE.int64:
      case TYPE.sint64:
      case TYPE.sfixed64:
        return maker.pick([...LONG, ...SIGNED]);
      default:
        return maker.pick(SIGNED);
    }
  }
}

function valuesOf(field: Field, value: unknown): readonly unknown[] {
  if (field.map !== null) return Object.values(value as Message);
  return field.repeated ? (value as unknown[]) : [value];
}

function unpack(any: Any): { readonly type: MessageType; readonly message: unknown } | null {
  const type = registry.find(typeUrlName(any.type_url));
  if (type === undefined) return null;
  const message = any.message ?? decodeBinary(type, any.value ?? new Uint8Array(0));
  return message === undefined ? null : { type, message };
}

function packed(type: MessageType, message: unknown): Any {
  return { type_url: typeUrlOf(type.fullName), value: encodeBinary(type, message as never) };
}
