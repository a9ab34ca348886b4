// The values of expressions: JSON as it is, and the few types that JSON has not.

/** What an expression could not find out; '&&' and '||' forgive it when the other side decides. */
export class EvaluationError extends Error {}

/** Nanoseconds, exact up to some 100 days, which is enough to compare durations that people write. */
export class Duration {
  readonly ns: number;
  constructor(ns: number) {
    this.ns = ns;
  }
}

export class Timestamp {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
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

/** Integers and doubles are both numbers: a whole number is an integer. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value }
  | Duration
  | Timestamp
  | Optional
  | TypeName
  | Opaque;

export type ValueMap = { readonly [key: string]: Value };

export function typeOf(value: Value): string {
  if (value === null) return 'null_type';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isInteger(value) ? 'int' : 'double';
    case 'string':
      return 'string';
  }
  if (Array.isArray(value)) return 'list';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Optional) return 'optional_type';
  if (value instanceof TypeName) return 'type';
  if (value instanceof Opaque) return value.type;
  return 'map';
}

export function isMap(value: Value): value is ValueMap {
  return typeOf(value) === 'map';
}

export function fail(message: string): never {
  throw new EvaluationError(message);
}

export function noOverload(name: string, ...args: readonly Value[]): never {
  fail(`no such overload: ${name}(${args.map(typeOf).join(', ')})`);
}

export function areEqual(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, at) => areEqual(item as Value, b[at] as Value));
  }
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (a instanceof Duration) return b instanceof Duration && a.ns === b.ns;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.ms === b.ms;
  if (a instanceof TypeName) return b instanceof TypeName && a.name === b.name;
  if (a instanceof Opaque) return b instanceof Opaque && a.type === b.type && a.key === b.key;
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    return a.value === undefined || b.value === undefined ? a.value === b.value : areEqual(a.value, b.value);
  }
  if (!isMap(a as Value) || !isMap(b as Value)) return false;
  const [left, right] = [a as ValueMap, b as ValueMap];
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && areEqual(left[key] as Value, right[key] as Value));
}

/** Below, at or above 0, as sorting has it. */
export function compare(a: Value, b: Value): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return comparePoints(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Duration && b instanceof Duration) return a.ns - b.ns;
  if (a instanceof Timestamp && b instanceof Timestamp) return a.ms - b.ms;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  return noOverload('<', a, b);
}

/** By code points; JavaScript's order of text is another one beyond the basic plane. */
function comparePoints(a: string, b: string): number {
  if (a === b) return 0;
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

/** Characters, which are no units of UTF-16. */
export function pointsOf(text: string): string[] {
  return [...text];
}

const UNIT_NS: Readonly<Record<string, number>> = {
  ...{ ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 },
};
const MAX_NS = 2 ** 63;

/** Go's time.ParseDuration; null for what is none. */
export function parseDuration(text: string): Duration | null {
  const sign = text.startsWith('-') ? -1 : 1;
  const rest = text.replace(/^[-+]/, '');
  if (rest === '0') return new Duration(0);
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return null;
  let ns = 0;
  for (const [, amount = '', unit = ''] of rest.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    ns += Math.trunc(Number(amount) * (UNIT_NS[unit] as number));
  }
  return ns >= MAX_NS ? null : new Duration(sign * ns);
}
