// The functions and operators of expressions: those of the language; the libraries of Kubernetes come from beside.
import { bytesOf } from '../../../base/matcher-text.ts';
import { compileRegex, type Regex } from '../../../base/regex.ts';
import { KUBERNETES_FUNCTIONS } from './kubernetes.ts';
import {
  areEqual,
  compare,
  Duration,
  fail,
  isMap,
  NONE,
  noOverload,
  Optional,
  parseDuration,
  pointsOf,
  Timestamp,
  TypeName,
  typeOf,
  type Value,
} from './values.ts';

/** Methods have a dot before their name and get what they are called on first. */
export type Apply = (...args: Value[]) => Value;

type Table = Readonly<Record<string, Apply>>;

const MAX_INT = 2 ** 63;

function whole(value: number): number {
  return value >= MAX_INT || value < -MAX_INT ? fail('integer overflow') : value;
}

const OPERATORS: Table = {
  '==': (a = null, b = null) => areEqual(a, b),
  '!=': (a = null, b = null) => !areEqual(a, b),
  '<': (a = null, b = null) => compare(a, b) < 0,
  '<=': (a = null, b = null) => compare(a, b) <= 0,
  '>': (a = null, b = null) => compare(a, b) > 0,
  '>=': (a = null, b = null) => compare(a, b) >= 0,
  '!': (a = null) => (typeof a === 'boolean' ? !a : noOverload('!', a)),
  negate: (a = null) => (typeof a === 'number' ? -a : a instanceof Duration ? new Duration(-a.ns) : noOverload('-', a)),
  in: (item = null, range = null) => {
    if (Array.isArray(range)) return (range as readonly Value[]).some((one) => areEqual(one, item));
    return isMap(range) ? Object.hasOwn(range, String(item)) : noOverload('in', item, range);
  },
  '+': (a = null, b = null) => {
    if (typeof a === 'number' && typeof b === 'number') return whole(a + b);
    if (typeof a === 'string' && typeof b === 'string') return a + b;
    if (Array.isArray(a) && Array.isArray(b)) return [...(a as Value[]), ...(b as Value[])];
    if (a instanceof Duration && b instanceof Duration) return new Duration(a.ns + b.ns);
    if (a instanceof Timestamp && b instanceof Duration) return new Timestamp(a.ms + b.ns / 1e6);
    if (a instanceof Duration && b instanceof Timestamp) return new Timestamp(b.ms + a.ns / 1e6);
    return noOverload('+', a, b);
  },
  '-': (a = null, b = null) => {
    if (typeof a === 'number' && typeof b === 'number') return whole(a - b);
    if (a instanceof Duration && b instanceof Duration) return new Duration(a.ns - b.ns);
    if (a instanceof Timestamp && b instanceof Duration) return new Timestamp(a.ms - b.ns / 1e6);
    if (a instanceof Timestamp && b instanceof Timestamp) return new Duration((a.ms - b.ms) * 1e6);
    return noOverload('-', a, b);
  },
  '*': (a = null, b = null) => (typeof a === 'number' && typeof b === 'number' ? whole(a * b) : noOverload('*', a, b)),
  '/': (a = null, b = null) => {
    if (typeof a !== 'number' || typeof b !== 'number') return noOverload('/', a, b);
    if (!Number.isInteger(a) || !Number.isInteger(b)) return a / b;
    return b === 0 ? fail('division by zero') : Math.trunc(a / b);
  },
  '%': (a = null, b = null) => {
    if (typeof a !== 'number' || typeof b !== 'number') return noOverload('%', a, b);
    return b === 0 ? fail('modulus by zero') : a % b;
  },
};

function sizeOf(value: Value = null): Value {
  if (typeof value === 'string') return pointsOf(value).length;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return isMap(value) ? Object.keys(value).length : noOverload('size', value);
}

const CONVERSIONS: Table = {
  size: sizeOf,
  '.size': sizeOf,
  type: (value = null) => new TypeName(typeOf(value)),
  dyn: (value = null) => value,
  int: (value = null) => {
    if (typeof value === 'number') return whole(Math.trunc(value));
    if (value instanceof Timestamp) return Math.floor(value.ms / 1000);
    if (typeof value !== 'string') return noOverload('int', value);
    return /^[-+]?\d+$/.test(value) ? whole(Number(value)) : fail(`cannot convert ${JSON.stringify(value)} to int`);
  },
  uint: (value = null) => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    return typeof number === 'number' && number >= 0 ? Math.trunc(number) : fail('cannot convert to uint');
  },
  double: (value = null) => {
    if (typeof value === 'number') return value;
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
    return Number.isNaN(number) ? fail('cannot convert to double') : number;
  },
  bool: (value = null) => {
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'string') return noOverload('bool', value);
    if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
    return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value) ? false : fail('cannot convert to bool');
  },
  string: (value = null) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
    if (value instanceof Duration) return `${value.ns / 1e9}s`;
    if (value instanceof Timestamp) return new Date(value.ms).toISOString().replace('.000Z', 'Z');
    return noOverload('string', value);
  },
  bytes: (value = null) => {
    if (typeof value === 'string') return Buffer.from(value, 'utf8');
    return value instanceof Uint8Array ? value : noOverload('bytes', value);
  },
  duration: (value = null) => {
    if (value instanceof Duration) return value;
    if (typeof value !== 'string') return noOverload('duration', value);
    return parseDuration(value) ?? fail(`invalid duration ${JSON.stringify(value)}`);
  },
  timestamp: (value = null) => {
    if (value instanceof Timestamp) return value;
    if (typeof value === 'number') return new Timestamp(value * 1000);
    const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
    return Number.isNaN(ms) ? fail('invalid timestamp') : new Timestamp(ms);
  },
};

/** A method of texts with parameters that are texts. */
function textMethod(name: string, apply: (text: string, ...args: string[]) => Value): Apply {
  return (text = null, ...args) => {
    if (typeof text !== 'string' || args.some((arg) => typeof arg !== 'string')) return noOverload(name, text, ...args);
    return apply(text, ...(args as string[]));
  };
}

const MAX_PATTERNS = 1_000;
const patterns = new Map<string, Regex>();

/** Patterns are of the rules, so there are few; those that values bring are forgotten after a while. */
export function patternOf(source: string): Regex {
  const known = patterns.get(source);
  if (known !== undefined) return known;
  const compiled = compileRegex(source);
  if ('error' in compiled) return fail(compiled.error);
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  patterns.set(source, compiled);
  return compiled;
}

const matches = textMethod('matches', (text, pattern) => patternOf(pattern).search(bytesOf(text)));

/** Where a text is found, in characters; -1 where it is not. */
function pointIndex(text: string, unit: number): number {
  return unit < 0 ? -1 : pointsOf(text.slice(0, unit)).length;
}

const TEXTS: Table = {
  '.contains': textMethod('contains', (text, part) => text.includes(part)),
  '.startsWith': textMethod('startsWith', (text, part) => text.startsWith(part)),
  '.endsWith': textMethod('endsWith', (text, part) => text.endsWith(part)),
  '.matches': matches,
  matches,
  '.lowerAscii': textMethod('lowerAscii', (text) => text.replace(/[A-Z]+/g, (part) => part.toLowerCase())),
  '.upperAscii': textMethod('upperAscii', (text) => text.replace(/[a-z]+/g, (part) => part.toUpperCase())),
  '.trim': textMethod('trim', (text) => text.trim()),
  '.charAt': (text = null, at = null) => {
    if (typeof text !== 'string' || typeof at !== 'number') return noOverload('charAt', text, at);
    const points = pointsOf(text);
    return at < 0 || at > points.length ? fail(`index out of range: ${at}`) : (points[at] ?? '');
  },
  '.substring': (text = null, from = null, to) => {
    if (typeof text !== 'string' || typeof from !== 'number') return noOverload('substring', text, from);
    const points = pointsOf(text);
    const end = to === undefined ? points.length : to;
    if (typeof end !== 'number') return noOverload('substring', text, from, end);
    if (from < 0 || from > points.length || end < 0 || end > points.length) fail(`index out of range: ${from}, ${end}`);
    return from > end ? fail(`invalid substring range: ${from}, ${end}`) : points.slice(from, end).join('');
  },
  '.replace': (text = null, from = null, to = null, count = -1) => {
    if (typeof text !== 'string' || typeof from !== 'string' || typeof to !== 'string' || typeof count !== 'number') {
      return noOverload('replace', text, from, to, count);
    }
    if (count < 0) return text.replaceAll(from, () => to);
    let rest = text;
    let made = '';
    for (let left = count; left > 0; left--) {
      const at = rest.indexOf(from);
      if (at < 0) break;
      made += rest.slice(0, at) + to;
      rest = rest.slice(at + from.length);
    }
    return made + rest;
  },
  '.split': (text = null, separator = null, limit = -1) => {
    if (typeof text !== 'string' || typeof separator !== 'string' || typeof limit !== 'number') {
      return noOverload('split', text, separator, limit);
    }
    const parts = text.split(separator);
    if (limit < 0 || parts.length <= limit) return parts;
    return limit === 0 ? [] : [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
  },
  '.join': (list = null, separator = '') => {
    if (!Array.isArray(list) || typeof separator !== 'string') return noOverload('join', list, separator);
    return (list as Value[]).every((item) => typeof item === 'string')
      ? list.join(separator)
      : noOverload('join', list, separator);
  },
  '.indexOf': indexOf(false),
  '.lastIndexOf': indexOf(true),
};

function indexOf(isLast: boolean): Apply {
  const name = isLast ? 'lastIndexOf' : 'indexOf';
  return (of = null, item = null) => {
    if (typeof of === 'string' && typeof item === 'string') {
      return pointIndex(of, isLast ? of.lastIndexOf(item) : of.indexOf(item));
    }
    if (!Array.isArray(of)) return noOverload(name, of, item);
    const list = of as readonly Value[];
    return isLast ? list.findLastIndex((one) => areEqual(one, item)) : list.findIndex((one) => areEqual(one, item));
  };
}

function optional(name: string, apply: (value: Optional, arg: Value) => Value): Apply {
  return (value = null, arg = null) => (value instanceof Optional ? apply(value, arg) : noOverload(name, value));
}

const OPTIONALS: Table = {
  'optional.none': () => NONE,
  'optional.of': (value = null) => new Optional(value),
  'optional.ofNonZeroValue': (value = null) => (isZero(value) ? NONE : new Optional(value)),
  '.hasValue': optional('hasValue', ({ value }) => value !== undefined),
  '.value': optional('value', ({ value }) => (value === undefined ? fail('optional.none() dereference') : value)),
  '.orValue': optional('orValue', ({ value }, other) => (value === undefined ? other : value)),
  '.or': optional('or', (value, other) => (value.value === undefined ? other : value)),
};

function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === '') return true;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  return isMap(value) && Object.keys(value).length === 0;
}

const DURATIONS: Table = {
  '.getHours': durationPart(3600e9),
  '.getMinutes': durationPart(60e9),
  '.getSeconds': durationPart(1e9),
  '.getMilliseconds': durationPart(1e6),
};

function durationPart(unit: number): Apply {
  return (value = null) => (value instanceof Duration ? Math.trunc(value.ns / unit) : noOverload('duration', value));
}

const TABLES: readonly Table[] = [OPERATORS, CONVERSIONS, TEXTS, OPTIONALS, DURATIONS, KUBERNETES_FUNCTIONS];

export const FUNCTIONS: ReadonlyMap<string, Apply> = new Map(TABLES.flatMap((table) => Object.entries(table)));
