// The operators and functions of the language itself.
import { compileRegex, type Regex } from '../regex.ts';
import type { Apply, Functions, Overload, TextForm } from './dialect.ts';
import { asCharacters } from './text-forms.ts';
import { calculate, type ArithmeticSign, doubleText, integer, negate } from './numbers.ts';
import {
  durationJson,
  durationPart,
  inRange,
  NS_PER_S,
  parseDuration,
  parseTimestamp,
  type TimePart,
  timestampJson,
  timestampOf,
  timestampPart,
} from './times.ts';
import {
  areEqual,
  asNumber,
  CelError,
  compareNumbers,
  double,
  Double,
  Duration,
  isMap,
  memberOf,
  noOverload,
  numberKind,
  type Result,
  sizeOfMap,
  Timestamp,
  TypeName,
  typeOf,
  Uint,
  type Value,
} from './values.ts';

export type LanguageOptions = {
  /** Integers beside doubles count as doubles: values from JSON do not tell which they are. */
  readonly hasLooseNumbers: boolean;
  /** '+' joins texts and bytes, or lists. */
  readonly joinsText: boolean;
  readonly joinsLists: boolean;
  readonly hasStringConversion: boolean;
  /** `getMilliseconds` of a duration is the whole of it, as in CEL for Go; else what is beyond its seconds. */
  readonly hasWholeMilliseconds: boolean;
};

export function languageFunctions(text: TextForm, options: LanguageOptions): Functions {
  return {
    ...operators(options),
    ...sizes(text),
    ...conversions(text, options),
    ...tests(text),
    ...timeParts(options.hasWholeMilliseconds),
  };
}

const cannot = (what: string): CelError => new CelError(`cannot convert to ${what}`);

function operators(options: LanguageOptions): Functions {
  const compared = (sign: string, holds: (order: number) => boolean): Overload => [
    2,
    2,
    (a = null, b = null) => {
      const order = compare(a, b);
      return order === null ? noOverload(sign, a, b) : holds(order);
    },
  ];
  const calculated = (sign: ArithmeticSign, other: (a: Value, b: Value) => Result): Overload => [
    2,
    2,
    (a = null, b = null) => calculate(sign, a, b, options.hasLooseNumbers) ?? other(a, b),
  ];
  return {
    '==': [2, 2, (a = null, b = null) => areEqual(a, b)],
    '!=': [2, 2, (a = null, b = null) => !areEqual(a, b)],
    '<': compared('<', (order) => order < 0),
    '<=': compared('<=', (order) => order <= 0),
    '>': compared('>', (order) => order > 0),
    '>=': compared('>=', (order) => order >= 0),
    '!': [1, 1, (a = null) => (typeof a === 'boolean' ? !a : noOverload('!', a))],
    negate: [1, 1, (a = null) => (a instanceof Duration ? new Duration(-a.ns) : (negate(a) ?? noOverload('-', a)))],
    in: [2, 2, isIn],
    '+': calculated('+', (a, b) => sum(a, b, options)),
    '-': calculated('-', difference),
    '*': calculated('*', (a, b) => noOverload('*', a, b)),
    '/': calculated('/', (a, b) => noOverload('/', a, b)),
    '%': calculated('%', (a, b) => noOverload('%', a, b)),
  };
}

const isIn: Apply = (item = null, range = null) => {
  if (Array.isArray(range)) return (range as readonly Value[]).some((one) => areEqual(one, item));
  if (!isMap(range)) return noOverload('in', item, range);
  return memberOf(range, item) !== undefined;
};

function sum(a: Value, b: Value, { joinsText, joinsLists }: LanguageOptions): Result {
  if (joinsText && typeof a === 'string' && typeof b === 'string') return limited(a + b);
  if (joinsText && a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.concat([a, b]);
  if (joinsLists && Array.isArray(a) && Array.isArray(b)) return [...(a as Value[]), ...(b as Value[])];
  if (a instanceof Duration && b instanceof Duration) return inRange(new Duration(a.ns + b.ns));
  if (a instanceof Timestamp && b instanceof Duration) return inRange(new Timestamp(a.ns + b.ns));
  if (a instanceof Duration && b instanceof Timestamp) return inRange(new Timestamp(a.ns + b.ns));
  return noOverload('+', a, b);
}

/** Longer texts than this are an error: expressions could make texts that double with every step. */
const MAX_TEXT = 1 << 20;
const TOO_LONG = new CelError('the text is too long');

export function limited(text: string): Result {
  return text.length > MAX_TEXT ? TOO_LONG : text;
}

function difference(a: Value, b: Value): Result {
  if (a instanceof Duration && b instanceof Duration) return inRange(new Duration(a.ns - b.ns));
  if (a instanceof Timestamp && b instanceof Duration) return inRange(new Timestamp(a.ns - b.ns));
  if (a instanceof Timestamp && b instanceof Timestamp) return inRange(new Duration(a.ns - b.ns));
  return noOverload('-', a, b);
}

/** Below, at or above 0, as sorting has it; NaN when nothing holds, null when they are not to be compared. */
export function compare(a: Value, b: Value): number | null {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  if (numberKind(a) !== null && numberKind(b) !== null) return compareNumbers(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Duration && b instanceof Duration) return a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0;
  if (a instanceof Timestamp && b instanceof Timestamp) return a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  return null;
}

const SURROGATE = /[\ud800-\udfff]/;

/** By code points; JavaScript's order of text is another one beyond the basic plane. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
  return a < b ? -1 : 1;
}

function sizes(text: TextForm): Functions {
  const size: Overload = [
    1,
    1,
    (value = null) => {
      if (typeof value === 'string') return text.points(value).length;
      if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
      return isMap(value) ? sizeOfMap(value) : noOverload('size', value);
    },
  ];
  return { size, '.size': size };
}

function conversions(text: TextForm, { hasStringConversion }: LanguageOptions): Functions {
  return {
    type: [1, 1, (value = null) => new TypeName(typeOf(value))],
    dyn: [1, 1, (value = null) => value],
    int: [1, 1, (value = null) => toInteger(value, true)],
    uint: [1, 1, (value = null) => toInteger(value, false)],
    double: [
      1,
      1,
      (value = null) => {
        if (numberKind(value) !== null) return double(asNumber(value));
        if (typeof value !== 'string') return noOverload('double', value);
        const trimmed = value.trim();
        return DECIMAL.test(trimmed)
          ? double(Number(trimmed))
          : (SPECIAL.get(trimmed.toLowerCase()) ?? cannot('double'));
      },
    ],
    bool: [
      1,
      1,
      (value = null) => {
        if (typeof value === 'boolean') return value;
        if (typeof value !== 'string') return noOverload('bool', value);
        if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
        return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value) ? false : cannot('bool');
      },
    ],
    ...(hasStringConversion ? { string: [1, 1, (value: Value = null) => textOf(value, text)] as const } : {}),
    bytes: [
      1,
      1,
      (value = null) => {
        if (typeof value === 'string') return text.toBytes(value);
        return value instanceof Uint8Array ? value : noOverload('bytes', value);
      },
    ],
    duration: [
      1,
      1,
      (value = null) => {
        if (value instanceof Duration) return value;
        if (typeof value !== 'string') return noOverload('duration', value);
        return parseDuration(value) ?? new CelError(`invalid duration ${JSON.stringify(value)}`);
      },
    ],
    timestamp: [
      1,
      1,
      (value = null) => {
        if (value instanceof Timestamp) return value;
        if (numberKind(value) === 'int') return timestampOf(BigInt(value as number) * NS_PER_S) ?? cannot('timestamp');
        return (typeof value === 'string' ? parseTimestamp(value) : null) ?? new CelError('invalid timestamp');
      },
    ],
  };
}

const DECIMAL = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ['nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
]);

function toInteger(value: Value, isSigned: boolean): Result {
  if (value instanceof Uint) return isSigned ? integer(value.value, true) : value;
  if (value instanceof Double) return integer(value.value, isSigned);
  if (typeof value === 'bigint') return integer(value, isSigned);
  if (typeof value === 'number') return Number.isNaN(value) ? cannot('int') : integer(Math.trunc(value), isSigned);
  if (value instanceof Timestamp && isSigned) {
    const seconds = value.ns / NS_PER_S;
    return Number(value.ns % NS_PER_S < 0n ? seconds - 1n : seconds);
  }
  if (typeof value !== 'string') return noOverload(isSigned ? 'int' : 'uint', value);
  const trimmed = value.trim();
  return trimmed.length < 64 && (isSigned ? /^[-+]?\d+$/ : /^\+?\d+$/).test(trimmed)
    ? integer(BigInt(trimmed.replace(/^\+/, '')), isSigned)
    : cannot(isSigned ? 'int' : 'uint');
}

/** As `string()` has it. */
export function textOf(value: Value, text: TextForm): Result {
  if (typeof value === 'string') return value;
  switch (numberKind(value)) {
    case 'double':
      return doubleText(asNumber(value), null);
    case 'uint':
      return String((value as Uint).value);
    case 'int':
      return String(value as number);
  }
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (value instanceof Uint8Array) return text.fromBytes(value) ?? new CelError('invalid UTF-8 bytes value');
  if (value instanceof Duration) return durationJson(value);
  return value instanceof Timestamp ? timestampJson(value) : noOverload('string', value);
}

/** A method of texts with parameters that are texts. */
function textTest(name: string, apply: (value: string, part: string) => Result): Overload {
  return [
    2,
    2,
    (value = null, part = null) =>
      typeof value === 'string' && typeof part === 'string' ? apply(value, part) : noOverload(name, value, part),
  ];
}

const MAX_PATTERNS = 1_000;
const patterns = new Map<string, Regex | CelError>();

/** Patterns of expressions are few; those that values bring are forgotten after a while. Bytes, one per char code. */
export function patternOf(source: string): Regex | CelError {
  const known = patterns.get(source);
  if (known !== undefined) return known;
  const compiled = compileRegex(Buffer.from(source, 'latin1').toString('utf8'));
  const result = 'error' in compiled ? new CelError(`invalid regular expression: ${compiled.error}`) : compiled;
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  patterns.set(source, result);
  return result;
}

function tests(text: TextForm): Functions {
  const matches = textTest('matches', (value, source) => {
    const bytes = text.searched(source);
    const pattern = patternOf(bytes);
    return pattern instanceof CelError ? pattern : pattern.search(asCharacters(text.searched(value), bytes));
  });
  return {
    '.contains': textTest('contains', (value, part) => value.includes(part)),
    '.startsWith': textTest('startsWith', (value, part) => value.startsWith(part)),
    '.endsWith': textTest('endsWith', (value, part) => value.endsWith(part)),
    '.matches': matches,
    matches,
  };
}

const TIME_PARTS: readonly TimePart[] = [
  ...(['FullYear', 'Month', 'Date', 'DayOfMonth', 'DayOfWeek', 'DayOfYear'] as const),
  ...(['Hours', 'Minutes', 'Seconds', 'Milliseconds'] as const),
];

function timeParts(hasWholeMilliseconds: boolean): Functions {
  return Object.fromEntries(
    TIME_PARTS.map((part) => {
      const name = `get${part}`;
      const apply: Apply = (value = null, zone) => {
        if (value instanceof Duration && zone === undefined) {
          return durationPart(value, part, hasWholeMilliseconds) ?? noOverload(name, value);
        }
        if (!(value instanceof Timestamp) || (zone !== undefined && typeof zone !== 'string')) {
          return noOverload(name, value);
        }
        return timestampPart(value, part, zone ?? null) ?? new CelError(`invalid timezone: ${zone}`);
      };
      return [`.${name}`, [1, 2, apply] as const];
    }),
  );
}
