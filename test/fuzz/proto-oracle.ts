// Seeded random messages of any type, and the same operations by @bufbuild/protobuf to compare with.
import { readFileSync } from 'node:fs';
import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

import { type Field, type Message, type MessageType, TYPE } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { defaultOf } from '../../src/proto/well-known.ts';

let files: FileRegistry | null = null;

function oracleFiles(): FileRegistry {
  if (files === null) {
    const path = new URL('../../src/proto/generated/descriptors.bin', import.meta.url);
    files = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)));
  }
  return files;
}

/** What the other implementation makes of a message. */
export interface Oracle {
  /** Binary → binary; throws on malformed input. */
  recode(bytes: Uint8Array): Uint8Array;
  binaryToJson(bytes: Uint8Array): JsonValue;
  /** JSON → binary; throws on wrong input. */
  jsonToBinary(json: unknown): Uint8Array;
}

export function oracleOf(type: MessageType): Oracle {
  const registry = oracleFiles();
  const schema = registry.getMessage(type.fullName) as DescMessage;
  return {
    recode: (bytes) => toBinary(schema, fromBinary(schema, bytes)),
    binaryToJson: (bytes) => toJson(schema, fromBinary(schema, bytes), { registry }),
    jsonToBinary: (json) => toBinary(schema, fromJson(schema, json as JsonValue, { registry })),
  };
}

/** A small seeded generator (mulberry32): 0 ≤ next() < 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Types that go into generated Anys. */
const ANY_TYPES = [
  'google.protobuf.Duration',
  'google.protobuf.StringValue',
  'google.protobuf.Struct',
  'google.protobuf.Empty',
  'envoy.config.core.v3.SocketAddress',
  'envoy.type.v3.FractionalPercent',
];

/** Makes random messages; `budget` bounds the number of fields that one message tree sets. */
export class MessageMaker {
  readonly #random: () => number;
  #budget = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** A message of `type` in our representation, with up to `budget` fields in all. */
  make(type: MessageType, budget: number): unknown {
    this.#budget = budget;
    return this.#message(type, 0);
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  #message(type: MessageType, depth: number): unknown {
    switch (type.wellKnown) {
      case 'wrapper':
        return this.#scalar(type.fields[0] as Field);
      case 'duration': {
        const sign = this.pick([1, -1]);
        return this.#time(this.below(315_576_000_000) * sign, sign);
      }
      case 'timestamp':
        return this.#time(this.below(200_000_000_000) - 50_000_000_000, 1);
      case 'field-mask':
        return Array.from({ length: this.below(3) }, () => this.pick(['a', 'foo_bar', 'foo.bar_baz', 'x.y.z_w']));
      case 'value':
        return this.#plain(depth);
      case 'list':
        return Array.from({ length: this.below(3) }, () => this.#plain(depth));
      case 'struct':
        return this.#struct(depth);
      case 'any':
        return this.#any(depth);
      default:
        return this.#fields(type, depth);
    }
  }

  #time(seconds: number, sign: number): Message {
    const nanos = this.pick([0, 0, 5e8, 25e7, 123_000_000, 123_456_000, 123_456_789, 1]);
    return { seconds: seconds + 0, nanos: nanos * sign + 0 };
  }

  #any(depth: number): Message {
    if (depth > 2) return { type_url: '' };
    const name = this.pick(ANY_TYPES);
    return { type_url: `type.googleapis.com/${name}`, message: this.#message(registry.message(name), depth + 1) };
  }

  #plain(depth: number): unknown {
    const kind = this.below(depth > 3 ? 4 : 6);
    if (kind === 0) return null;
    if (kind === 1) return this.pick([0, 1, -2.5, 1e21, 1e-7]);
    if (kind === 2) return this.#text();
    if (kind === 3) return this.below(2) === 0;
    if (kind === 4) return Array.from({ length: this.below(3) }, () => this.#plain(depth + 1));
    return this.#struct(depth);
  }

  #struct(depth: number): Message {
    const struct = Object.create(null) as Message;
    for (let i = this.below(3); i > 0; i--)
      struct[this.pick(['a', 'b', '', '7', 'ü', 'constructor'])] = this.#plain(depth + 1);
    return struct;
  }

  #fields(type: MessageType, depth: number): Message {
    const message: Message = {};
    const share = depth === 0 ? 0.7 : 0.4 / depth;
    for (const field of type.fields) {
      const wanted = field.required || (this.#budget > 0 && this.#random() < share);
      const taken = field.oneof?.fields.some((member) => message[member.name] !== undefined) === true;
      if (!wanted || taken || (depth > 6 && !field.required)) continue;
      this.#budget--;
      const value = this.#field(field, depth);
      if (value !== undefined) message[field.name] = value;
    }
    return message;
  }

  /** A value of the field; undefined when it would be the same as unset. */
  #field(field: Field, depth: number): unknown {
    if (field.map !== null) return this.#map(field.map, depth);
    if (field.repeated) return Array.from({ length: 1 + this.below(2) }, () => this.#single(field, depth));
    const value = this.#single(field, depth);
    return field.hasPresence || !isSame(value, defaultOf(field)) ? value : undefined;
  }

  #map(map: NonNullable<Field['map']>, depth: number): Message {
    const entries = Object.create(null) as Message;
    for (let i = 1 + this.below(2); i > 0; i--) {
      const key = map.key.type === TYPE.string ? this.#text() : String(this.#scalar(map.key));
      entries[key] = this.#single(map.value, depth);
    }
    return entries;
  }

  #single(field: Field, depth: number): unknown {
    return field.type === TYPE.message ? this.#message(field.message, depth + 1) : this.#scalar(field);
  }

  #text(): string {
    return this.pick([
      '',
      'a',
      'hello',
      '127.0.0.1',
      'ünïcödé',
      '😀',
      'x'.repeat(200),
      '"\\\n\u0000',
      'type.googleapis.com/x',
    ]);
  }

  #scalar(field: Field): unknown {
    switch (field.type) {
      case TYPE.string:
        return this.#text();
      case TYPE.bool:
        return this.below(2) === 0;
      case TYPE.bytes:
        return new Uint8Array(Array.from({ length: this.below(5) }, () => this.below(256)));
      case TYPE.enum:
        if (field.typeName !== 'google.protobuf.NullValue' && !field.enum.isClosed && this.below(10) === 0)
          return 987_654;
        return field.enum.name(field.enum.number(this.pick(field.enum.names)) as number);
      case TYPE.double:
        return this.pick([0, 1, -1.5, 3.14, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 5e-324]);
      case TYPE.float:
        return Math.fround(this.pick([0, 1, -1.5, 0.1, 3.4e38, Number.NaN, Number.NEGATIVE_INFINITY, 1e-45]));
      case TYPE.uint32:
      case TYPE.fixed32:
        return this.pick([0, 1, 127, 128, 16384, 4294967295, this.below(4294967296)]);
      case TYPE.uint64:
      case TYPE.fixed64:
        return this.pick([0, 1, 300, 2 ** 40, Number.MAX_SAFE_INTEGER, 2n ** 53n, 2n ** 64n - 1n]);
      case TYPE.int64:
      case TYPE.sint64:
      case TYPE.sfixed64:
        return this.pick([0, 1, -1, 2 ** 40, Number.MIN_SAFE_INTEGER, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n]);
      default:
        return this.pick([0, 1, -1, 127, -129, 2147483647, -2147483648]);
    }
  }
}

function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array) return a.length === 0;
  return Object.is(a, b);
}
