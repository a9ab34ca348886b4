// Sets of bytes for regular expressions: RE2's named classes, case folding, complement, and how V8 spells them.

/** Sorted, disjoint, inclusive: low, high, low, high, … */
export type Ranges = readonly number[];

/** RE2 as Envoy runs it reads patterns and values as Latin-1: every byte is a character. */
export const MAX_POINT = 0xff;

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

/** Adds every character that equals one of the ranges when case is ignored. */
export function foldRanges(ranges: Ranges): number[] {
  const out = [...ranges];
  for (let i = 0; i < ranges.length; i += 2) {
    for (let point = ranges[i] as number; point <= (ranges[i + 1] as number); point++) {
      const other = foldOf(point);
      if (other !== point) out.push(other, other);
    }
  }
  return normalize(out);
}

/** ASCII letters only: Envoy's RE2 folds no others in Latin-1. */
function foldOf(point: number): number {
  const lower = point | 0x20;
  return point < 0x80 && lower >= 0x61 && lower <= 0x7a ? point ^ 0x20 : point;
}

const classes = new Map<string, Ranges | null>();

/** A general category or script by RE2's name ('L', 'Lu', 'Greek', 'Any'), or null. */
export function unicodeClass(name: string): Ranges | null {
  let ranges = classes.get(name);
  if (ranges !== undefined) return ranges;
  ranges = name === 'Any' ? [0, MAX_POINT] : null;
  for (const property of /^[CLMNPSZ][a-z]?$/.test(name) ? [name] : /^[A-Z]/.test(name) ? [`Script=${name}`] : []) {
    try {
      ranges = latin1Of(new RegExp(`\\p{${property}}`, 'u'));
    } catch {
      // V8 knows no such property: the name is not one.
    }
  }
  classes.set(name, ranges);
  return ranges;
}

function latin1Of(property: RegExp): number[] {
  const ranges: number[] = [];
  for (let point = 0; point <= MAX_POINT; point++) {
    if (property.test(String.fromCharCode(point))) ranges.push(point, point);
  }
  return normalize(ranges);
}

/** Renders a class for a JavaScript pattern without flags. */
export function classText(ranges: Ranges): string {
  if (ranges.length === 0) return '[]';
  if (ranges.length === 2 && ranges[0] === ranges[1]) return charText(ranges[0] as number, false);
  // Written as a complement where that is shorter: `[^/]` runs faster than its two ranges.
  const isOpen = ranges[ranges.length - 1] === MAX_POINT;
  const inner = isOpen ? negate(ranges) : ranges;
  if (inner.length === 0) return '[^]';
  let text = isOpen ? '[^' : '[';
  for (let i = 0; i < inner.length; i += 2) {
    const from = inner[i] as number;
    const to = inner[i + 1] as number;
    text += charText(from, true);
    if (to > from) text += (to > from + 1 ? '-' : '') + charText(to, true);
  }
  return `${text}]`;
}

/** One byte as it stands in a JavaScript pattern. */
export function charText(byte: number, inClass: boolean): string {
  const char = String.fromCharCode(byte);
  if (/[0-9A-Za-z_/:;,<>=@!"#%&' ~`]/.test(char)) return char;
  if (inClass ? /[.*+?$(){}|]/.test(char) : char === '-') return char;
  if (byte > 0x20 && byte < 0x7f) return `\\${char}`;
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
