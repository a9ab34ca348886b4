// The values of expressions: numbers of three kinds, text, bytes, lists, maps, times, and errors, which are values too.

/** What an expression could not find out; '&&' and '||' forgive it when the other side decides. */
export class CelError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** What is thrown where errors as values would be a burden: by libraries, and to whoever asks for a value. */
export class EvaluationError extends Error {}

/** Integers are numbers where those are exact, and bigints beyond. */
export type Whole = number | bigint;

/** An unsigned integer. */
export class Uint {
  readonly value: Whole;
  constructor(value: Whole) {
    this.value = value;
  }
}

/** A double that is a whole number; any other double is a plain number. */
export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class Duration {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

/** A point in time: ns since 1970. */
export class Timestamp {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

export class Optional {
  /** Undefined: nothing. */
  readonly value: Value | undefined;
  constructor(value?: Value) {
    this.value = value;
  }
}
export const NONE = new Optional();

/** A type as a value: what `type(x)` gives. */
export class TypeName {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Values of libraries: they are compared by `key`. */
export class Opaque {
  readonly type: string;
  readonly key: string;
  readonly content: unknown;
  constructor(type: string, key: string, content: unknown) {
    this.type = type;
    this.key = key;
    this.content = content;
  }
}

/** Maps that are no plain objects: of other keys than text, or made up as they are read. */
export abstract class CelMap {
  /** Undefined: there is no such key. */
  abstract get(key: Value): Value | undefined;
  abstract keys(): readonly Value[];
  has(key: Value): boolean {
    return this.get(key) !== undefined;
  }
  get size(): number {
    return this.keys().length;
  }
  /** Whether it is a message: its fields are not keys, and its text is its own. */
  get isMessage(): boolean {
    return false;
  }
}

export type ValueMap = { readonly [key: string]: Value };

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | ValueMap
  | Uint
  | Double
  | Duration
  | Timestamp
  | Optional
  | TypeName
  | Opaque
  | CelMap;

export type Result = Value | CelError;

export function isError(value: Result): value is CelError {
  return value instanceof CelError;
}

export type NumberKind = 'int' | 'uint' | 'double';

/** Null: it is no number. */
export function numberKind(value: Value): NumberKind | null {
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'double';
  if (typeof value === 'bigint') return 'int';
  return value instanceof Double ? 'double' : value instanceof Uint ? 'uint' : null;
}

export function typeOf(value: Value): string {
  if (value === null) return 'null_type';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'number':
    case 'bigint':
      return numberKind(value) as string;
    case 'string':
      return 'string';
  }
  if (Array.isArray(value)) return 'list';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Uint) return 'uint';
  if (value instanceof Double) return 'double';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Optional) return 'optional_type';
  if (value instanceof TypeName) return 'type';
  if (value instanceof Opaque) return value.type;
  return 'map';
}

export function isMap(value: Value): value is ValueMap | CelMap {
  return typeof value === 'object' && value !== null && typeOf(value) === 'map';
}

/** Undefined: there is no such key. Numbers find keys that equal them, whatever their kinds. */
export function memberOf(map: ValueMap | CelMap, key: Value): Value | undefined {
  if (map instanceof CelMap) return map.get(key);
  return typeof key === 'string' && Object.hasOwn(map, key) ? map[key] : undefined;
}

export function keysOf(map: ValueMap | CelMap): readonly Value[] {
  return map instanceof CelMap ? map.keys() : Object.keys(map);
}

export function sizeOfMap(map: ValueMap | CelMap): number {
  return map instanceof CelMap ? map.size : Object.keys(map).length;
}

/** A map as it is written in an expression. */
export class LiteralMap extends CelMap {
  readonly #entries: ReadonlyMap<string, readonly [key: Value, value: Value]>;

  /** Null when a key is there twice, or can be none. */
  static of(entries: readonly (readonly [Value, Value])[]): LiteralMap | null {
    const map = new Map<string, readonly [Value, Value]>();
    for (const entry of entries) {
      const [key] = entry;
      const kind = numberKind(key);
      if (typeof key !== 'string' && typeof key !== 'boolean' && (kind === null || kind === 'double')) return null;
      const text = `${kind ?? ''}${indexOfKey(key)}`;
      if (map.has(text)) return null;
      map.set(text, entry);
    }
    const merged = new Map<string, readonly [Value, Value]>();
    for (const entry of map.values()) merged.set(indexOfKey(entry[0]) as string, entry);
    return new LiteralMap(merged);
  }

  private constructor(entries: ReadonlyMap<string, readonly [Value, Value]>) {
    super();
    this.#entries = entries;
  }
  override get(key: Value): Value | undefined {
    const text = indexOfKey(key);
    return text === null ? undefined : this.#entries.get(text)?.[1];
  }
  override keys(): readonly Value[] {
    return Array.from(this.#entries.values(), ([key]) => key);
  }
}

/** Keys that are equal have one text; null: it can be no key. */
function indexOfKey(key: Value): string | null {
  if (typeof key === 'string') return `s${key}`;
  if (typeof key === 'boolean') return `b${key}`;
  const whole = wholeOf(key);
  return whole === null ? null : `n${whole}`;
}

/** The integer that a number of any kind is; null for what is none. */
export function wholeOf(value: Value): Whole | null {
  if (typeof value === 'bigint') return value;
  if (value instanceof Uint) return value.value;
  const number = value instanceof Double ? value.value : value;
  if (typeof number !== 'number' || !Number.isInteger(number)) return null;
  return Number.isSafeInteger(number) ? number : canonical(BigInt(number));
}

export function canonical(value: bigint): Whole {
  return value >= MIN_SAFE && value <= MAX_SAFE ? Number(value) : value;
}
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const MIN_SAFE = -MAX_SAFE;

/** A double as a value. */
export function double(value: number): Value {
  return Number.isInteger(value) ? new Double(value) : value;
}

export function noOverload(name: string, ...args: readonly Value[]): CelError {
  return new CelError(`no such overload: ${name}(${args.map(typeOf).join(', ')})`);
}

export function areEqual(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a === 'string' || typeof b === 'string' || a === null || b === null) return false;
  if (numberKind(a) !== null) return numberKind(b) !== null && compareNumbers(a, b) === 0;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, at) => areEqual(item as Value, b[at] as Value));
  }
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (a instanceof Duration) return b instanceof Duration && a.ns === b.ns;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.ns === b.ns;
  if (a instanceof TypeName) return b instanceof TypeName && a.name === b.name;
  if (a instanceof Opaque) return b instanceof Opaque && a.type === b.type && a.key === b.key;
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    return a.value === undefined || b.value === undefined ? a.value === b.value : areEqual(a.value, b.value);
  }
  if (!isMap(a as Value) || !isMap(b as Value)) return false;
  return areMapsEqual(a as ValueMap | CelMap, b as ValueMap | CelMap);
}

function areMapsEqual(a: ValueMap | CelMap, b: ValueMap | CelMap): boolean {
  const keys = keysOf(a);
  if (keys.length !== sizeOfMap(b)) return false;
  for (const key of keys) {
    const [left, right] = [memberOf(a, key), memberOf(b, key)];
    if (left === undefined || right === undefined || !areEqual(left, right)) return false;
  }
  return true;
}

/** Below, at or above 0, as sorting has it; NaN when one is not a number, whatever their kinds. */
export function compareNumbers(a: Value, b: Value): number {
  if (typeof a === 'number' && typeof b === 'number') return a === b ? 0 : a < b ? -1 : a > b ? 1 : Number.NaN;
  const left = plainNumber(a);
  const right = plainNumber(b);
  // A double beside an integer that it cannot tell from its neighbours equals it, as in CEL for C++.
  if (numberKind(a) === 'double' || numberKind(b) === 'double') return compareNumbers(Number(left), Number(right));
  return left === right ? 0 : left < right ? -1 : 1;
}

function plainNumber(value: Value): Whole {
  if (value instanceof Uint || value instanceof Double) return value.value;
  return value as Whole;
}
export const asNumber = (value: Value): number => Number(plainNumber(value));
