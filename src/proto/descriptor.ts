// Compiles one DescriptorProto or EnumDescriptorProto, straight from its bytes, into a MessageType or EnumType.
import { EnumType, Field, MessageType, Oneof, TYPE } from './message-type.ts';
import type { Deprecation, EnumValue, FieldInit, TypeResolver } from './message-type.ts';
import { FieldCursor } from './wire-reader.ts';

/** Extension numbers: protoc-gen-validate on fields, oneofs and messages; Envoy's on fields. */
const PGV = 1071;
const PGV_IGNORED = 1072;
const DEPRECATED_AT_MINOR_VERSION = 157299826;
const DISALLOWED_BY_DEFAULT = 189503207;
const DISALLOWED_BY_DEFAULT_ENUM = 70100853;
const DEPRECATED_AT_MINOR_VERSION_ENUM = 181198657;

const LABEL_REQUIRED = 2;
const LABEL_REPEATED = 3;

/** What a type is compiled from. `fileOffset` is where `bytes` begin in the descriptor set. */
export interface DescriptorSource {
  readonly fullName: string;
  readonly bytes: Uint8Array;
  readonly fileOffset: number;
  readonly isProto3: boolean;
}

interface RawField extends FieldInit {
  label: number;
  oneofIndex: number;
  proto3Optional: boolean;
  packedOption: boolean | undefined;
}

/** Compiles a message type; the types of its fields stay names until somebody asks. */
export function compileMessage(source: DescriptorSource, resolver: TypeResolver): MessageType {
  const raw: RawField[] = [];
  const oneofs: { name: string; required: boolean }[] = [];
  const entries = new Map<string, RawField[]>();
  let rulesDisabled = false;
  let deprecated = false;
  const cursor = new FieldCursor(source.bytes);
  while (cursor.next()) {
    switch (cursor.number) {
      case 2:
        raw.push(parseField(cursor.sub(), source));
        break;
      case 3: {
        const entry = parseMapEntry(cursor.sub(), source);
        if (entry !== null) entries.set(`${source.fullName}.${entry.name}`, entry.fields);
        break;
      }
      case 7: {
        const options = cursor.sub();
        while (options.next()) {
          if (options.number === PGV || options.number === PGV_IGNORED) rulesDisabled ||= options.uint32() === 1;
          if (options.number === 3) deprecated = options.uint32() === 1;
        }
        break;
      }
      case 8:
        oneofs.push(parseOneof(cursor.sub()));
        break;
    }
  }
  const fields = raw.map((init) => {
    const entry = init.type === TYPE.message ? entries.get(init.typeName) : undefined;
    return new Field(init, resolver, entry === undefined ? null : mapOf(entry, resolver));
  });
  return new MessageType({
    fullName: source.fullName,
    fields,
    oneofs: linkOneofs(oneofs, raw, fields),
    rulesDisabled,
    deprecated,
  });
}

function mapOf(entry: readonly RawField[], resolver: TypeResolver): { key: Field; value: Field } {
  const key = entry.find((field) => field.number === 1) as RawField;
  const value = entry.find((field) => field.number === 2) as RawField;
  return { key: new Field(key, resolver, null), value: new Field(value, resolver, null) };
}

function linkOneofs(
  oneofs: readonly { name: string; required: boolean }[],
  raw: readonly RawField[],
  fields: readonly Field[],
): Oneof[] {
  const linked: Oneof[] = [];
  oneofs.forEach(({ name, required }, index) => {
    const members = fields.filter((_, i) => raw[i]?.oneofIndex === index && raw[i]?.proto3Optional === false);
    if (members.length === 0) return;
    const oneof = new Oneof(name, required, members);
    for (const member of members) member.oneof = oneof;
    linked.push(oneof);
  });
  return linked;
}

/** Parses a nested DescriptorProto if it is a map entry, else null. */
function parseMapEntry(cursor: FieldCursor, source: DescriptorSource): { name: string; fields: RawField[] } | null {
  let name = '';
  let isMapEntry = false;
  const fields: FieldCursor[] = [];
  while (cursor.next()) {
    if (cursor.number === 1) name = cursor.text();
    else if (cursor.number === 2) fields.push(cursor.sub());
    else if (cursor.number === 7) {
      const options = cursor.sub();
      while (options.next()) if (options.number === 7) isMapEntry = options.uint32() === 1;
    }
  }
  return isMapEntry ? { name, fields: fields.map((field) => parseField(field, source)) } : null;
}

function parseOneof(cursor: FieldCursor): { name: string; required: boolean } {
  let name = '';
  let required = false;
  while (cursor.next()) {
    if (cursor.number === 1) name = cursor.text();
    else if (cursor.number === 2) {
      const options = cursor.sub();
      while (options.next()) if (options.number === PGV) required = options.uint32() === 1;
    }
  }
  return { name, required };
}

function parseField(cursor: FieldCursor, source: DescriptorSource): RawField {
  const field: RawField = {
    ...{ name: '', jsonName: '', number: 0, type: 0, repeated: false, packed: false, hasPresence: false },
    ...{
      required: false,
      checksUtf8: source.isProto3,
      typeName: '',
      deprecated: false,
      deprecatedAtMinorVersion: '',
      disallowedByDefault: false,
    },
    ...{ rulesStart: 0, rulesEnd: 0, label: 1, oneofIndex: -1, proto3Optional: false, packedOption: undefined },
  };
  while (cursor.next()) {
    switch (cursor.number) {
      case 1:
        field.name = cursor.text();
        break;
      case 3:
        field.number = cursor.uint32();
        break;
      case 4:
        field.label = cursor.uint32();
        break;
      case 5:
        field.type = cursor.uint32();
        break;
      case 6:
        field.typeName = cursor.text().slice(1);
        break;
      case 8:
        parseFieldOptions(cursor.sub(), field, source);
        break;
      case 9:
        field.oneofIndex = cursor.uint32();
        break;
      case 10:
        field.jsonName = cursor.text();
        break;
      case 17:
        field.proto3Optional = cursor.uint32() === 1;
        break;
    }
  }
  field.jsonName ||= lowerCamel(field.name);
  field.repeated = field.label === LABEL_REPEATED;
  field.required = field.label === LABEL_REQUIRED;
  field.packed = field.repeated && isPackable(field.type) && (field.packedOption ?? source.isProto3);
  field.hasPresence =
    !field.repeated &&
    (!source.isProto3 || field.proto3Optional || field.oneofIndex >= 0 || field.type === TYPE.message);
  return field;
}

function parseFieldOptions(options: FieldCursor, field: RawField, source: DescriptorSource): void {
  while (options.next()) {
    switch (options.number) {
      case 2:
        field.packedOption = options.uint32() === 1;
        break;
      case 3:
        field.deprecated = options.uint32() === 1;
        break;
      case PGV:
        field.rulesStart = source.fileOffset + options.valueStart;
        field.rulesEnd = source.fileOffset + options.valueEnd;
        break;
      case DEPRECATED_AT_MINOR_VERSION:
        field.deprecatedAtMinorVersion = options.text();
        break;
      case DISALLOWED_BY_DEFAULT:
        field.disallowedByDefault = options.uint32() === 1;
        break;
    }
  }
}

function isPackable(type: number): boolean {
  return type !== TYPE.string && type !== TYPE.bytes && type !== TYPE.message && type !== TYPE.group;
}

/** The JSON name that protoc derives from a proto name. */
export function lowerCamel(name: string): string {
  return name.replace(/_+(.)?/g, (_, letter: string | undefined) => (letter ?? '').toUpperCase());
}

export function compileEnum(source: DescriptorSource): EnumType {
  const values: EnumValue[] = [];
  const cursor = new FieldCursor(source.bytes);
  while (cursor.next()) if (cursor.number === 2) values.push(parseEnumValue(cursor.sub()));
  return new EnumType(source.fullName, !source.isProto3, values);
}

function parseEnumValue(cursor: FieldCursor): EnumValue {
  let name = '';
  let number = 0;
  let deprecation: Deprecation | null = null;
  while (cursor.next()) {
    if (cursor.number === 1) name = cursor.text();
    else if (cursor.number === 2) number = cursor.uint32() | 0;
    else if (cursor.number === 3) deprecation = parseEnumOptions(cursor.sub());
  }
  return { name, number, deprecation };
}

function parseEnumOptions(options: FieldCursor): Deprecation | null {
  let deprecated = false;
  let deprecatedAtMinorVersion = '';
  let disallowedByDefault = false;
  while (options.next()) {
    if (options.number === 1) deprecated = options.uint32() === 1;
    else if (options.number === DISALLOWED_BY_DEFAULT_ENUM) disallowedByDefault = options.uint32() === 1;
    else if (options.number === DEPRECATED_AT_MINOR_VERSION_ENUM) deprecatedAtMinorVersion = options.text();
  }
  const isPlain = !deprecated && !disallowedByDefault && deprecatedAtMinorVersion === '';
  return isPlain ? null : { deprecated, deprecatedAtMinorVersion, disallowedByDefault };
}
