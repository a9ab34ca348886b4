// Sets of code points for regular expressions: RE2's named classes, case folding, complement and their UTF-8 bytes.

/** Sorted, disjoint, inclusive: low, high, low, high, … */
export type Ranges = readonly number[];

const MAX_POINT = 0x10ffff;

const DIGIT: Ranges = [0x30, 0x39];
const SPACE: Ranges = [9, 10, 12, 13, 32, 32];
const WORD: Ranges = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];

// biome-ignore format: a table.
const POSIX: Readonly<Record<string, Ranges>> = {
  alnum: [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a], alpha: [0x41, 0x5a, 0x61, 0x7a], ascii: [0, 0x7f],
  blank: [9, 9, 32, 32], cntrl: [0, 31, 127, 127], digit: DIGIT, graph: [33, 126], lower: [0x61, 0x7a],
  print: [32, 126], punct: [33, 47, 58, 64, 91, 96, 123, 126], space: [9, 13, 32, 32], upper: [0x41, 0x5a],
  word: WORD, xdigit: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66],
};

/** The class of \d, \s, \w and their complements, or null. */
export function charClass(letter: string): Ranges | null {
  // biome-ignore format: a table.
  switch (letter) {
    case 'd': return DIGIT;
    case 's': return SPACE;
    case 'w': return WORD;
    case 'D': return negate(DIGIT);
    case 'S': return negate(SPACE);
    case 'W': return negate(WORD);
    default: return null;
  }
}

/** The class of `[:name:]` or `[:^name:]`, or null. */
export function namedClass(bracketed: string): Ranges | null {
  const match = /^\[:(\^?)([a-z]+):\]$/.exec(bracketed);
  const ranges = match === null ? undefined : POSIX[match[2] as string];
  if (match === null || ranges === undefined) return null;
  return match[1] === '^' ? negate(ranges) : ranges;
}

/** Sorts and merges. */
export function normalize(ranges: Ranges): number[] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i] as number, ranges[i + 1] as number]);
  pairs.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [low, high] of pairs) {
    const last = merged.length - 1;
    if (last > 0 && low <= (merged[last] as number) + 1) merged[last] = Math.max(merged[last] as number, high);
    else merged.push(low, high);
  }
  return merged;
}

export function negate(ranges: Ranges): number[] {
  const out: number[] = [];
  let next = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    if ((ranges[i] as number) > next) out.push(next, (ranges[i] as number) - 1);
    next = (ranges[i + 1] as number) + 1;
  }
  if (next <= MAX_POINT) out.push(next, MAX_POINT);
  return out;
}

/** Adds every code point that equals one of the ranges when case is ignored. */
export function foldRanges(ranges: Ranges): number[] {
  const out = [...ranges];
  for (let i = 0; i < ranges.length; i += 2) {
    const low = ranges[i] as number;
    const high = ranges[i + 1] as number;
    if (low === 0 && high === MAX_POINT) return [0, MAX_POINT];
    if (high < 0x80) {
      for (let point = low; point <= high; point++) foldAscii(point, out);
      continue;
    }
    for (const [point, others] of foldings()) {
      if (point >= low && point <= high) for (const other of others) out.push(other, other);
    }
  }
  return normalize(out);
}

function foldAscii(point: number, out: number[]): void {
  const lower = point | 0x20;
  if (lower < 0x61 || lower > 0x7a) return;
  out.push(point ^ 0x20, point ^ 0x20);
  // KELVIN SIGN and LATIN SMALL LETTER LONG S fold onto ASCII.
  if (lower === 0x6b) out.push(0x212a, 0x212a);
  if (lower === 0x73) out.push(0x17f, 0x17f);
}

let foldTable: ReadonlyMap<number, readonly number[]> | null = null;

/** Code point → the others of its folding orbit; built when a pattern first ignores the case of non-ASCII letters. */
function foldings(): ReadonlyMap<number, readonly number[]> {
  if (foldTable !== null) return foldTable;
  const orbits = new Map<string, number[]>();
  const cased = unicodeScan(/\p{Changes_When_Casemapped}/u);
  for (let i = 0; i < cased.length; i += 2) {
    for (let point = cased[i] as number; point <= (cased[i + 1] as number); point++) {
      const key = simpleFold(point);
      const orbit = orbits.get(key);
      if (orbit === undefined) orbits.set(key, [point]);
      else orbit.push(point);
    }
  }
  const table = new Map<number, readonly number[]>();
  for (const orbit of orbits.values()) {
    if (orbit.length < 2) continue;
    for (const point of orbit)
      table.set(
        point,
        orbit.filter((other) => other !== point),
      );
  }
  foldTable = table;
  return table;
}

/** Upper then lower case of one character where both map to one character; orbits share the result. */
function simpleFold(point: number): string {
  const char = String.fromCodePoint(point);
  // U+0130 and U+0131 fold only to themselves in simple folding.
  if (point === 0x130 || point === 0x131) return char;
  const upper = char.toUpperCase();
  const one = [...upper].length === 1 ? upper : char;
  const lower = one.toLowerCase();
  return [...lower].length === 1 ? lower : one;
}

const classes = new Map<string, Ranges | null>();

/** A general category or script by RE2's name ('L', 'Lu', 'Greek', 'Any'), or null. */
export function unicodeClass(name: string): Ranges | null {
  let ranges = classes.get(name);
  if (ranges !== undefined) return ranges;
  ranges = name === 'Any' ? [0, MAX_POINT] : null;
  for (const property of /^[CLMNPSZ][a-z]?$/.test(name) ? [name] : /^[A-Z]/.test(name) ? [`Script=${name}`] : []) {
    try {
      ranges = unicodeScan(new RegExp(`\\p{${property}}`, 'u'));
    } catch {
      // V8 knows no such property: the name is not one.
    }
  }
  classes.set(name, ranges);
  return ranges;
}

/** Tests every code point that may be assigned, and one for each of the empty planes. */
function unicodeScan(property: RegExp): number[] {
  const ranges: number[] = [];
  const add = (low: number, high: number): void => {
    if (!property.test(String.fromCodePoint(low))) return;
    if (ranges.length > 0 && (ranges[ranges.length - 1] as number) === low - 1) ranges[ranges.length - 1] = high;
    else ranges.push(low, high);
  };
  const each = (low: number, high: number): void => {
    for (let point = low; point <= high; point++) add(point, point);
  };
  each(0, 0x3ffff);
  add(0x40000, 0xdffff);
  each(0xe0000, 0xe0fff);
  add(0xe1000, 0xeffff);
  each(0xf0000, 0xf0000);
  add(0xf0001, 0xffffd);
  each(0xffffe, 0x100000);
  add(0x100001, 0x10fffd);
  each(0x10fffe, 0x10ffff);
  return ranges;
}

/** Renders the ASCII part of a class for a JavaScript pattern; null when it is empty. */
export function asciiClassText(ranges: Ranges): string | null {
  const low: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i] as number;
    if (from > 0x7f) break;
    low.push(from, Math.min(ranges[i + 1] as number, 0x7f));
  }
  if (low.length === 0) return null;
  if (low.length === 2 && low[0] === low[1]) return charText(low[0] as number, false);
  // Written as a complement where that is shorter: `[^/]` runs faster than its two ranges.
  // Only where the class goes on beyond ASCII: then values with such bytes take the exact pattern.
  const isOpen = low[low.length - 1] === 0x7f && (ranges[ranges.length - 1] as number) > 0x7f;
  const inner = isOpen ? negate(low).slice(0, -2) : low;
  if (isOpen && inner.length === 0) return '[^]';
  let text = isOpen ? '[^' : '[';
  for (let i = 0; i < inner.length; i += 2) {
    const from = inner[i] as number;
    const to = inner[i + 1] as number;
    text += charText(from, true);
    if (to > from) text += (to > from + 1 ? '-' : '') + charText(to, true);
  }
  return `${text}]`;
}

/** Renders a class as the UTF-8 byte sequences of its code points, one latin1 character per byte. */
export function utf8ClassText(ranges: Ranges): string {
  const choices: string[] = [];
  const singles = utf8Singles(ranges);
  if (singles !== null) choices.push(singles);
  for (let i = 0; i < ranges.length; i += 2) addUtf8(ranges[i] as number, ranges[i + 1] as number, choices);
  if (choices.length === 0) return '[]';
  return choices.length === 1 ? (choices[0] as string) : `(?:${choices.join('|')})`;
}

/** The one-byte part: as `asciiClassText`, but a complement must not admit bytes from 0x80 on. */
function utf8Singles(ranges: Ranges): string | null {
  const text = asciiClassText(ranges);
  if (text === null || !text.startsWith('[^')) return text;
  return text === '[^]' ? '[\\x00-\\x7f]' : `${text.slice(0, -1)}\\x80-\\xff]`;
}

const UTF8_LIMITS = [0x80, 0x800, 0x10000, 0x110000];

function addUtf8(from: number, to: number, choices: string[]): void {
  for (let size = 1; size < 4; size++) {
    const low = Math.max(from, UTF8_LIMITS[size - 1] as number);
    const high = Math.min(to, (UTF8_LIMITS[size] as number) - 1);
    if (low > high) continue;
    if (size !== 2) {
      splitUtf8(low, high, size, choices);
      continue;
    }
    // Surrogates have no UTF-8 form.
    if (low < 0xd800) splitUtf8(low, Math.min(high, 0xd7ff), size, choices);
    if (high > 0xdfff) splitUtf8(Math.max(low, 0xe000), high, size, choices);
  }
}

/** Splits a range until its continuation bytes vary freely; `size` is the number of continuation bytes. */
function splitUtf8(from: number, to: number, size: number, choices: string[]): void {
  for (let k = 1; k <= size; k++) {
    const mask = (1 << (6 * k)) - 1;
    if (from >> (6 * k) === to >> (6 * k)) continue;
    if ((from & mask) !== 0) {
      splitUtf8(from, from | mask, size, choices);
      splitUtf8((from | mask) + 1, to, size, choices);
      return;
    }
    if ((to & mask) !== mask) {
      splitUtf8(from, (to & ~mask) - 1, size, choices);
      splitUtf8(to & ~mask, to, size, choices);
      return;
    }
  }
  let text = '';
  const lead = [0, 0xc0, 0xe0, 0xf0][size] as number;
  for (let k = size; k >= 0; k--) {
    const tag = k === size ? lead : 0x80;
    const bits = k === size ? 0xff : 0x3f;
    const low = tag | ((from >> (6 * k)) & bits);
    const high = tag | ((to >> (6 * k)) & bits);
    text += low === high ? charText(low, false) : `[${charText(low, true)}-${charText(high, true)}]`;
  }
  choices.push(text);
}

/** One byte as it stands in a JavaScript pattern. */
export function charText(byte: number, inClass: boolean): string {
  const char = String.fromCharCode(byte);
  if (/[0-9A-Za-z_/:;,<>=@!"#%&' ~`]/.test(char)) return char;
  if (inClass ? /[.*+?$(){}|]/.test(char) : char === '-') return char;
  if (byte > 0x20 && byte < 0x7f) return `\\${char}`;
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
