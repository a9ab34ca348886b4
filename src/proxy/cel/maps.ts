// Maps that expressions read while an exchange goes on: headers, metadata, filter state, messages.
import { CelMap, double, type Value, type ValueMap } from '../../base/cel/values.ts';
import { H, headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import { asBytes, utf8Bytes } from '../formatter/byte-text.ts';
import type { FilterStateObject, Metadata } from '../stream-info.ts';

/** Headers by their names, in any case; several of one name are joined with commas. */
export class HeaderMap extends CelMap {
  readonly #headers: Headers | null;
  readonly #isRequest: boolean;

  constructor(headers: Headers | null, isRequest: boolean) {
    super();
    this.#headers = headers;
    this.#isRequest = isRequest;
  }

  override get(name: Value): string | undefined {
    if (typeof name !== 'string' || name === '') return undefined;
    const key = headerKey(name.toLowerCase());
    return this.#headers?.getAll(this.#isRequest && key === H.host ? H[':authority'] : key);
  }

  override keys(): readonly string[] {
    const names = new Set<string>();
    this.#headers?.forEach((name) => void names.add(name));
    return [...names];
  }

  /** Every field counts, also those of one name. */
  override get size(): number {
    let count = 0;
    this.#headers?.forEach(() => void count++);
    return count;
  }
}

/** Names that are looked up one by one: nobody can tell how many there are. */
export class OpenMap extends CelMap {
  readonly #find: (name: string) => Value | undefined;
  /** Whether it shows as an empty object in JSON, and not as null. */
  readonly hasJson: boolean;

  constructor(find: (name: string) => Value | undefined, hasJson = false) {
    super();
    this.#find = find;
    this.hasJson = hasJson;
  }

  override get(name: Value): Value | undefined {
    return typeof name === 'string' ? this.#find(name) : undefined;
  }

  override keys(): readonly Value[] {
    return [];
  }
}

/** Text of a configuration is unicode, that of messages is bytes already. */
type Encode = (text: string) => string;

/** A JSON object, as google.protobuf.Struct is seen: its numbers are doubles, its text is bytes. */
export class StructMap extends CelMap {
  readonly json: Readonly<Record<string, unknown>>;
  readonly encode: Encode;

  constructor(json: Readonly<Record<string, unknown>>, encode: Encode) {
    super();
    this.json = json;
    this.encode = encode;
  }

  override get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined;
    const name = Object.hasOwn(this.json, key) ? key : unicode(key);
    return Object.hasOwn(this.json, name) ? ofJson(this.json[name], this.encode) : undefined;
  }

  override keys(): readonly string[] {
    return Object.keys(this.json).map(this.encode);
  }
}

/** Names in configurations are text; in expressions they are bytes. */
function unicode(bytes: string): string {
  return /[\x80-\xff]/.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

export function ofJson(json: unknown, encode: Encode): Value {
  if (typeof json === 'string') return encode(json);
  if (typeof json === 'number') return double(json);
  if (typeof json === 'boolean' || json === null) return json;
  if (Array.isArray(json)) return json.map((item) => ofJson(item, encode));
  return typeof json === 'object' ? new StructMap(json as Record<string, unknown>, encode) : null;
}

/** The namespaces of metadata. */
class NamespaceMap extends CelMap {
  readonly metadata: Metadata;
  readonly #encode: Encode;

  constructor(metadata: Metadata, encode: Encode) {
    super();
    this.metadata = metadata;
    this.#encode = encode;
  }

  override get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined;
    const json = this.metadata.get(key) ?? this.metadata.get(unicode(key));
    return json === undefined ? undefined : new StructMap(json, this.#encode);
  }

  override keys(): readonly string[] {
    return Array.from(this.metadata.keys(), this.#encode);
  }
}

/** A message: fields, not keys. Fields that are maps are there even if they are empty. */
export class MessageMap extends CelMap {
  readonly fields: ValueMap;

  constructor(fields: ValueMap) {
    super();
    this.fields = fields;
  }

  override get(field: Value): Value | undefined {
    return typeof field === 'string' && Object.hasOwn(this.fields, field) ? this.fields[field] : undefined;
  }

  override keys(): readonly string[] {
    return Object.keys(this.fields);
  }

  override get isMessage(): boolean {
    return true;
  }
}

const NO_METADATA: Metadata = new Map();
const NO_KEYS = new OpenMap(() => undefined);

/** As envoy.config.core.v3.Metadata; typed metadata is not kept, so there is none. */
export function metadataMessage(metadata: Metadata | null | undefined, isConfiguration: boolean): MessageMap {
  const namespaces = new NamespaceMap(metadata ?? NO_METADATA, isConfiguration ? utf8Bytes : asBytes);
  return new MessageMap({ filter_metadata: namespaces, typed_filter_metadata: NO_KEYS });
}

/** Objects of filter state: those with fields are maps of them, others the bytes of their text. */
export function stateMap(find: (key: string) => FilterStateObject | undefined): OpenMap {
  return new OpenMap((key) => {
    const object = find(key);
    if (object === undefined) return undefined;
    if (object.struct !== undefined) return new StructMap(object.struct, utf8Bytes);
    if (object.isOpaque === true) return undefined;
    const { fields } = object;
    if (fields === undefined) return Buffer.from(object.value, 'latin1');
    return new OpenMap((name) => {
      const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
      return typeof value === 'string' ? asBytes(value) : value;
    }, true);
  });
}

/** What a message is in protobuf's text form on one line. */
export function shortText(message: MessageMap): string {
  let text = '';
  for (const [name, value] of Object.entries(message.fields)) text += fieldText(name, value);
  return text;
}

function fieldText(name: string, value: Value): string {
  if (value instanceof MessageMap) return `${name} { ${shortText(value)}} `;
  if (value instanceof StructMap) return structText(name, value.json, value.encode);
  if (value instanceof NamespaceMap) {
    return value
      .keys()
      .toSorted()
      .map((key) => {
        const { json, encode } = value.get(key) as StructMap;
        return `${name} { key: ${quoted(key)} ${structText('value', json, encode)}} `;
      })
      .join('');
  }
  return typeof value === 'string' && value !== '' ? `${name}: ${quoted(value)} ` : '';
}

function structText(name: string, json: Readonly<Record<string, unknown>>, encode: Encode): string {
  const fields = Object.keys(json)
    .toSorted()
    .map((key) => `fields { key: ${quoted(encode(key))} value { ${valueText(json[key], encode)}} } `);
  return `${name} { ${fields.join('')}} `;
}

function valueText(json: unknown, encode: Encode): string {
  if (typeof json === 'string') return `string_value: ${quoted(encode(json))} `;
  if (typeof json === 'number') return `number_value: ${json} `;
  if (typeof json === 'boolean') return `bool_value: ${json} `;
  if (Array.isArray(json))
    return `list_value { ${json.map((one) => `values { ${valueText(one, encode)}} `).join('')}} `;
  if (typeof json !== 'object' || json === null) return 'null_value: NULL_VALUE ';
  return structText('struct_value', json as Record<string, unknown>, encode);
}

function quoted(bytes: string): string {
  const escaped = bytes.replace(/[\x00-\x1f"'\\\x7f-\xff]/g, (char) => {
    return SHORT[char] ?? `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`;
  });
  return `"${escaped}"`;
}
const SHORT: Readonly<Record<string, string>> = {
  ...{ '\n': '\\n', '\r': '\\r', '\t': '\\t', '"': '\\"', "'": "\\'", '\\': '\\\\' },
};
