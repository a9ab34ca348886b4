// Message, field, oneof and enum descriptions as the runtime uses them; compiled one type at a time by registry.ts.

/** A decoded protobuf message: proto field names, unset fields absent. */
export type Message = { [field: string]: unknown };

/** Scalar and other types by their number in FieldDescriptorProto.Type. */
export const TYPE = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  group: 10,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
} as const;

/** How a message is represented when it is not a plain object of fields. */
export type WellKnown =
  | 'none'
  | 'wrapper'
  | 'duration'
  | 'timestamp'
  | 'struct'
  | 'value'
  | 'list'
  | 'any'
  | 'empty'
  | 'field-mask';

const WELL_KNOWN = new Map<string, WellKnown>([
  ['google.protobuf.Any', 'any'],
  ['google.protobuf.Duration', 'duration'],
  ['google.protobuf.Timestamp', 'timestamp'],
  ['google.protobuf.Struct', 'struct'],
  ['google.protobuf.Value', 'value'],
  ['google.protobuf.ListValue', 'list'],
  ['google.protobuf.Empty', 'empty'],
  ['google.protobuf.FieldMask', 'field-mask'],
]);
for (const name of ['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes']) {
  WELL_KNOWN.set(`google.protobuf.${name}Value`, 'wrapper');
}

/** Looks up the types that fields refer to. */
export interface TypeResolver {
  message(name: string): MessageType;
  enum(name: string): EnumType;
}

/** Everything about a field but its links; what the descriptor parser hands over. */
export interface FieldInit {
  name: string;
  jsonName: string;
  number: number;
  type: number;
  repeated: boolean;
  packed: boolean;
  /** True when unset and default value are told apart. */
  hasPresence: boolean;
  required: boolean;
  checksUtf8: boolean;
  typeName: string;
  deprecated: boolean;
  deprecatedAtMinorVersion: string;
  disallowedByDefault: boolean;
  rulesStart: number;
  rulesEnd: number;
}

export class Field implements Deprecation {
  readonly name: string;
  readonly jsonName: string;
  readonly number: number;
  /** FieldDescriptorProto.Type; of a map field, `TYPE.message`. */
  readonly type: number;
  readonly repeated: boolean;
  readonly packed: boolean;
  readonly hasPresence: boolean;
  readonly required: boolean;
  /** A proto3 string must be valid UTF-8. */
  readonly checksUtf8: boolean;
  readonly deprecated: boolean;
  /** `envoy.annotations.deprecated_at_minor_version`, '' when absent. */
  readonly deprecatedAtMinorVersion: string;
  /** `envoy.annotations.disallowed_by_default`. */
  readonly disallowedByDefault: boolean;
  readonly typeName: string;
  /** Where `validate.rules` stands in the descriptor set; 0 when there is none. */
  readonly rulesStart: number;
  readonly rulesEnd: number;
  /** Key and value of a map field, else null. */
  readonly map: { readonly key: Field; readonly value: Field } | null;
  /** The oneof that this field is a member of (synthetic ones of `optional` do not count), else null. */
  oneof: Oneof | null = null;

  readonly #resolver: TypeResolver;
  #message: MessageType | null = null;
  #enum: EnumType | null = null;

  constructor(init: FieldInit, resolver: TypeResolver, map: { key: Field; value: Field } | null) {
    this.name = init.name;
    this.jsonName = init.jsonName;
    this.number = init.number;
    this.type = init.type;
    this.repeated = init.repeated && map === null;
    this.packed = init.packed;
    this.hasPresence = init.hasPresence;
    this.required = init.required;
    this.checksUtf8 = init.checksUtf8;
    this.deprecated = init.deprecated;
    this.deprecatedAtMinorVersion = init.deprecatedAtMinorVersion;
    this.disallowedByDefault = init.disallowedByDefault;
    this.typeName = init.typeName;
    this.rulesStart = init.rulesStart;
    this.rulesEnd = init.rulesEnd;
    this.map = map;
    this.#resolver = resolver;
  }

  get kind(): 'scalar' | 'enum' | 'message' | 'map' {
    if (this.map !== null) return 'map';
    return this.type === TYPE.message || this.type === TYPE.group
      ? 'message'
      : this.type === TYPE.enum
        ? 'enum'
        : 'scalar';
  }

  /** The message type of a message field; compiled on first use. */
  get message(): MessageType {
    this.#message ??= this.#resolver.message(this.typeName);
    return this.#message;
  }

  /** The enum type of an enum field; compiled on first use. */
  get enum(): EnumType {
    this.#enum ??= this.#resolver.enum(this.typeName);
    return this.#enum;
  }
}

export class Oneof {
  readonly name: string;
  /** `validate.required`. */
  readonly required: boolean;
  readonly fields: readonly Field[];

  constructor(name: string, required: boolean, fields: readonly Field[]) {
    this.name = name;
    this.required = required;
    this.fields = fields;
  }
}

/** Field numbers below this are found by array index. */
const DENSE_NUMBERS = 256;

/** One message type; `T` is the shape of its messages, for type checking only. */
export class MessageType<T = Message> {
  readonly fullName: string;
  readonly wellKnown: WellKnown;
  /** In order of field number. */
  readonly fields: readonly Field[];
  readonly oneofs: readonly Oneof[];
  /** `validate.disabled` or `validate.ignored`. */
  readonly rulesDisabled: boolean;
  readonly deprecated: boolean;
  /** Carries `T`; never set. */
  declare readonly shape?: T;

  readonly #dense: (Field | undefined)[] = [];
  #sparse: Map<number, Field> | null = null;
  #byName: Map<string, Field> | null = null;

  constructor(init: {
    fullName: string;
    fields: Field[];
    oneofs: Oneof[];
    rulesDisabled: boolean;
    deprecated: boolean;
  }) {
    this.fullName = init.fullName;
    this.wellKnown = WELL_KNOWN.get(init.fullName) ?? 'none';
    this.fields = init.fields.sort((a, b) => a.number - b.number);
    this.oneofs = init.oneofs;
    this.rulesDisabled = init.rulesDisabled;
    this.deprecated = init.deprecated;
    for (const field of this.fields) {
      if (field.number < DENSE_NUMBERS) {
        while (this.#dense.length <= field.number) this.#dense.push(undefined);
        this.#dense[field.number] = field;
      } else {
        this.#sparse ??= new Map();
        this.#sparse.set(field.number, field);
      }
    }
  }

  fieldByNumber(number: number): Field | undefined {
    return number < this.#dense.length ? this.#dense[number] : this.#sparse?.get(number);
  }

  /** Finds a field by its proto name or its JSON (lowerCamel) name. */
  fieldByName(name: string): Field | undefined {
    if (this.#byName === null) {
      this.#byName = new Map();
      for (const field of this.fields) this.#byName.set(field.jsonName, field);
      for (const field of this.fields) this.#byName.set(field.name, field);
    }
    return this.#byName.get(name);
  }

  oneof(name: string): Oneof | undefined {
    return this.oneofs.find((oneof) => oneof.name === name);
  }
}

/** What is said against using a field or an enum value. */
export interface Deprecation {
  readonly deprecated: boolean;
  /** `envoy.annotations.deprecated_at_minor_version` (or its twin for enum values), '' when absent. */
  readonly deprecatedAtMinorVersion: string;
  /** `envoy.annotations.disallowed_by_default` (or its twin): refused unless a runtime key allows it. */
  readonly disallowedByDefault: boolean;
}

export interface EnumValue {
  readonly name: string;
  readonly number: number;
  readonly deprecation: Deprecation | null;
}

export class EnumType {
  readonly fullName: string;
  /** proto2 enums are closed: unknown numbers become unknown fields. */
  readonly isClosed: boolean;
  /** The number of the first value: the default. */
  readonly defaultNumber: number;

  readonly #names = new Map<number, string>();
  readonly #numbers = new Map<string, number>();
  #deprecations: Map<string, Deprecation> | null = null;

  constructor(fullName: string, isClosed: boolean, values: readonly EnumValue[]) {
    this.fullName = fullName;
    this.isClosed = isClosed;
    this.defaultNumber = values[0]?.number ?? 0;
    for (const { name, number, deprecation } of values) {
      this.#numbers.set(name, number);
      if (!this.#names.has(number)) this.#names.set(number, name);
      if (deprecation === null) continue;
      this.#deprecations ??= new Map();
      this.#deprecations.set(name, deprecation);
    }
  }

  /** What is said against the value of that name, or null. */
  deprecation(name: string): Deprecation | null {
    return this.#deprecations?.get(name) ?? null;
  }

  name(number: number): string | undefined {
    return this.#names.get(number);
  }

  number(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  get names(): readonly string[] {
    return [...this.#numbers.keys()];
  }
}

/** The member of `oneofName` that is set in `message`, or undefined. */
export function oneofCase(type: MessageType<unknown>, message: object, oneofName: string): string | undefined {
  const members = type.oneof(oneofName)?.fields ?? [];
  return members.find((field) => (message as Message)[field.name] !== undefined)?.name;
}

/** True when one member of `oneofName` is set. */
export function hasOneof(type: MessageType<unknown>, message: object, oneofName: string): boolean {
  return oneofCase(type, message, oneofName) !== undefined;
}
