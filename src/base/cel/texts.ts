// The library of texts (strings.*): pieces, places, case, and formats.
import type { Apply, Functions, Overload, TextForm } from './dialect.ts';
import { limited, textOf } from './functions.ts';
import { CelError, isError, noOverload, numberKind, asNumber, type Result, type Value, wholeOf } from './values.ts';

const OUT_OF_RANGE = new CelError('index out of range');

export function textFunctions(text: TextForm): Functions {
  return { ...cases(text), ...pieces(text), ...places(text), ...FORMATS(text) };
}

function ofText(name: string, apply: (value: string) => Result): Overload {
  return [1, 1, (value = null) => (typeof value === 'string' ? apply(value) : noOverload(name, value))];
}

/** An argument that counts; null when it is no integer that a text could have. */
function count(value: Value): number | null {
  return numberKind(value) === 'int' && typeof value === 'number' ? value : null;
}

const SPACES = /^[\s\x85]+|[\s\x85]+$/g;

function cases(text: TextForm): Functions {
  return {
    '.lowerAscii': ofText('lowerAscii', (value) => value.replace(/[A-Z]+/g, (part) => part.toLowerCase())),
    '.upperAscii': ofText('upperAscii', (value) => value.replace(/[a-z]+/g, (part) => part.toUpperCase())),
    '.trim': ofText('trim', (value) =>
      text.literal(Buffer.from(text.toBytes(value)).toString('utf8').replace(SPACES, '')),
    ),
    '.reverse': ofText('reverse', (value) => [...text.points(value)].reverse().join('')),
    'strings.quote': ofText(
      'strings.quote',
      (value) => `"${value.replace(/["\\\x07-\x0d]/g, (char) => QUOTED[char] ?? char)}"`,
    ),
  };
}
const QUOTED: Readonly<Record<string, string>> = {
  ...{ '\x07': '\\a', '\b': '\\b', '\t': '\\t', '\n': '\\n', '\v': '\\v', '\f': '\\f', '\r': '\\r' },
  ...{ '"': '\\"', '\\': '\\\\' },
};

function pieces(text: TextForm): Functions {
  return {
    '.charAt': [
      2,
      2,
      (value = null, at = null) => {
        const index = count(at);
        if (typeof value !== 'string' || index === null) return noOverload('charAt', value, at);
        const points = text.points(value);
        return index < 0 || index > points.length ? OUT_OF_RANGE : (points[index] ?? '');
      },
    ],
    '.substring': [
      2,
      3,
      (value = null, from = null, to) => {
        const start = count(from);
        if (typeof value !== 'string' || start === null) return noOverload('substring', value, from);
        const points = text.points(value);
        const end = to === undefined ? points.length : count(to);
        if (end === null) return noOverload('substring', value, from, to as Value);
        if (start < 0 || end > points.length || start > end) return OUT_OF_RANGE;
        return points.slice(start, end).join('');
      },
    ],
    '.replace': [3, 4, (value = null, from = null, to = null, most = -1) => replace(value, from, to, most, text)],
    '.split': [2, 3, (value = null, separator = null, most = -1) => split(value, separator, most, text)],
    '.join': [1, 2, join],
  };
}

function replace(value: Value, from: Value, to: Value, most: Value, text: TextForm): Result {
  const limit = count(most);
  if (typeof value !== 'string' || typeof from !== 'string' || typeof to !== 'string' || limit === null) {
    return noOverload('replace', value, from, to, most);
  }
  if (limit === 0) return value;
  const parts = from === '' ? ['', ...text.points(value), ''] : value.split(from);
  const kept = limit < 0 ? parts.length - 1 : Math.min(limit, parts.length - 1);
  if (value.length + kept * to.length > 1 << 20) return limited(' '.repeat((1 << 20) + 1));
  let made = parts[0] as string;
  for (let i = 1; i < parts.length; i++) made += (i <= kept ? to : from) + (parts[i] as string);
  return made;
}

function split(value: Value, separator: Value, most: Value, text: TextForm): Result {
  const limit = count(most);
  if (typeof value !== 'string' || typeof separator !== 'string' || limit === null) {
    return noOverload('split', value, separator, most);
  }
  if (limit === 0) return [];
  const parts = separator === '' ? [...text.points(value)] : value.split(separator);
  if (limit < 0 || parts.length <= limit) return parts;
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
}

const join: Apply = (list = null, separator = '') => {
  if (!Array.isArray(list) || typeof separator !== 'string') return noOverload('join', list, separator);
  let made = '';
  for (const [i, item] of (list as readonly Value[]).entries()) {
    if (typeof item !== 'string') return noOverload('join', list, separator);
    made += i === 0 ? item : separator + item;
    if (made.length > 1 << 20) return limited(made);
  }
  return made;
};

function places(text: TextForm): Functions {
  const place = (isLast: boolean): Overload => {
    const name = isLast ? 'lastIndexOf' : 'indexOf';
    return [
      2,
      3,
      (value = null, part = null, from) => {
        if (typeof value !== 'string' || typeof part !== 'string') return noOverload(name, value, part);
        const start = from === undefined ? null : count(from);
        if (from !== undefined && start === null) return noOverload(name, value, part, from);
        const points = text.points(value);
        if (start !== null && (start < 0 || start > points.length)) return OUT_OF_RANGE;
        const before = start === null ? undefined : points.slice(0, start).join('').length;
        const unit = isLast ? value.lastIndexOf(part, before) : value.indexOf(part, before);
        return unit < 0 ? -1 : text.points(value.slice(0, unit)).length;
      },
    ];
  };
  return { '.indexOf': place(false), '.lastIndexOf': place(true) };
}

const FORMATS = (text: TextForm): Functions => ({
  '.format': [
    2,
    2,
    (value = null, args = null) => {
      if (typeof value !== 'string' || !Array.isArray(args)) return noOverload('format', value, args);
      return format(value, args as readonly Value[], text);
    },
  ],
});

const CLAUSE = /%(?:%|(?:\.(\d{1,3}))?([sdfexXob])|)/g;

/** '%s', '%d', '%.2f', '%e', '%x', '%X', '%o', '%b'. */
function format(value: string, args: readonly Value[], text: TextForm): Result {
  let made = '';
  let at = 0;
  let next = 0;
  for (const match of value.matchAll(CLAUSE)) {
    made += value.slice(at, match.index);
    at = match.index + match[0].length;
    if (match[0] === '%%') {
      made += '%';
      continue;
    }
    const [, precision, verb] = match;
    const arg = args[next++];
    if (verb === undefined || arg === undefined) return new CelError('wrong format');
    const shown = clause(verb, precision === undefined ? 6 : Number(precision), arg, text);
    if (shown === null || isError(shown)) return shown ?? noOverload(`format(%${verb})`, arg);
    made += shown;
  }
  return limited(made + value.slice(at));
}

function clause(verb: string, precision: number, arg: Value, text: TextForm): string | CelError | null {
  const number = numberKind(arg);
  switch (verb) {
    case 's':
      return shownText(arg, text, 0);
    case 'd':
      return number === 'int' || number === 'uint' ? String(wholeOf(arg)) : null;
    case 'f':
      return number === null || precision > 100 ? null : asNumber(arg).toFixed(precision);
    case 'e':
      if (number === null || precision > 100) return null;
      return asNumber(arg)
        .toExponential(precision)
        .replace(/e([-+])(\d)$/, 'e$10$2');
  }
  const base = verb === 'o' ? 8 : verb === 'b' ? 2 : 16;
  if (verb === 'b' && typeof arg === 'boolean') return arg ? '1' : '0';
  if (number === 'int' || number === 'uint') {
    const digits = (wholeOf(arg) as number).toString(base);
    return verb === 'X' ? digits.toUpperCase() : digits;
  }
  if (base !== 16 || (typeof arg !== 'string' && !(arg instanceof Uint8Array))) return null;
  const hex = Buffer.from(typeof arg === 'string' ? text.toBytes(arg) : arg).toString('hex');
  return verb === 'X' ? hex.toUpperCase() : hex;
}

function shownText(value: Value, text: TextForm, depth: number): string | CelError | null {
  if (value === null) return 'null';
  if (!Array.isArray(value)) return textOf(value, text) as string | CelError;
  if (depth > 20) return null;
  const shown: string[] = [];
  for (const item of value as readonly Value[]) {
    const one = shownText(item, text, depth + 1);
    if (one === null || isError(one)) return one;
    shown.push(one);
  }
  return `[${shown.join(', ')}]`;
}
