// RE2's regular-expression syntax: pattern text → tree, or the reason in RE2's words why it is none.
import {
  charClass,
  foldRanges,
  MAX_POINT,
  namedClass,
  negate,
  normalize,
  type Ranges,
  unicodeClass,
} from './regex-class.ts';

export type RegexNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'class'; readonly ranges: Ranges }
  | { readonly kind: 'seq' | 'alt'; readonly items: RegexNode[] }
  /** `max` is -1 for no limit. */
  | {
      readonly kind: 'repeat';
      readonly node: RegexNode;
      readonly min: number;
      readonly max: number;
      readonly greedy: boolean;
    }
  | { readonly kind: 'group'; readonly node: RegexNode; readonly index: number }
  | { readonly kind: 'assert'; readonly what: 'bol' | 'eol' | 'begin' | 'end' | 'word' | 'not-word' };

export type ParsedRegex = { readonly root: RegexNode; readonly groups: number };
export type RegexError = { readonly error: string };

/** RE2: kMaxRepeat. */
const MAX_REPEAT = 1000;
/** Nesting of groups beyond which a pattern is refused (RE2's own limit is the depth of its walkers). */
const MAX_DEPTH = 1000;

const FOLD = 1;
const MULTILINE = 2;
const DOT_NL = 4;
const SWAP_GREED = 8;

const EMPTY: RegexNode = { kind: 'empty' };

/**
 * Parses a pattern (a latin1 string of bytes) with RE2's default, Perl-like options and Latin-1 encoding.
 * Source: RE2 `parse.cc`, `syntax.txt`.
 */
export function parseRegex(pattern: string): ParsedRegex | RegexError {
  const parser = new Parser(pattern);
  try {
    return { root: parser.parse(), groups: parser.groups };
  } catch (error) {
    if (error instanceof SyntaxStop) return { error: error.text };
    throw error;
  }
}

/** Leaves the recursive descent at the first mistake; never escapes `parseRegex`. */
class SyntaxStop {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

class Parser {
  groups = 0;
  readonly #text: string;
  #at = 0;
  #flags = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): RegexNode {
    const root = this.#alternatives();
    if (this.#at < this.#text.length) this.#fail('unexpected )', this.#text);

    return root;
  }

  #fail(what: string, argument: string): never {
    throw new SyntaxStop(argument === '' ? what : `${what}: ${argument}`);
  }

  #alternatives(): RegexNode {
    const items = [this.#sequence()];
    while (this.#text[this.#at] === '|') {
      this.#at++;
      items.push(this.#sequence());
    }
    return items.length === 1 ? (items[0] as RegexNode) : { kind: 'alt', items };
  }

  #sequence(): RegexNode {
    const items: RegexNode[] = [];
    let lastRepeat = '';
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] as string;
      if (char === '|' || char === ')') break;
      const start = this.#at;
      const bounds = this.#quantifier(char);
      if (bounds !== null) {
        const greedy = !this.#take('?');
        const operator = this.#text.slice(start, this.#at);
        if (lastRepeat !== '') this.#fail('bad repetition operator', lastRepeat + operator);
        const node = items.pop();
        if (node === undefined) this.#fail('no argument for repetition operator', operator);
        if (bounds.max > MAX_REPEAT || bounds.min > MAX_REPEAT || (bounds.max >= 0 && bounds.max < bounds.min)) {
          this.#fail('invalid repetition size', operator);
        }
        const swap = (this.#flags & SWAP_GREED) !== 0;
        const repeat: RegexNode = { kind: 'repeat', node, min: bounds.min, max: bounds.max, greedy: greedy !== swap };
        if (bounds.max > 1 || bounds.min > 1) {
          if (repeatBudget(repeat, MAX_REPEAT) < 1) this.#fail('invalid repetition size', operator);
        }
        items.push(repeat);
        lastRepeat = operator;
        continue;
      }
      lastRepeat = '';
      const before = items.length;
      this.#atom(items);
      // A pure flag group `(?i)` adds nothing and cannot be repeated either.
      if (items.length === before) continue;
    }
    return items.length === 0 ? EMPTY : items.length === 1 ? (items[0] as RegexNode) : { kind: 'seq', items };
  }

  /** Reads a repetition operator if there is one; `{` that starts none is a literal. */
  #quantifier(char: string): { min: number; max: number } | null {
    if (char === '*' || char === '+' || char === '?') {
      this.#at++;
      return { min: char === '+' ? 1 : 0, max: char === '?' ? 1 : -1 };
    }
    if (char !== '{') return null;
    const match = /^\{(0|[1-9]\d*)(?:(,)(0|[1-9]\d*)?)?\}/.exec(this.#text.slice(this.#at, this.#at + 32));
    if (match === null) return null;
    this.#at += match[0].length;
    const min = Number(match[1]);
    return { min, max: match[3] !== undefined ? Number(match[3]) : match[2] === undefined ? min : -1 };
  }

  #atom(items: RegexNode[]): void {
    const char = this.#text[this.#at] as string;
    switch (char) {
      case '(':
        this.#group(items);
        return;
      case '[':
        items.push({ kind: 'class', ranges: this.#bracket() });
        return;
      case '.':
        this.#at++;
        items.push({ kind: 'class', ranges: (this.#flags & DOT_NL) !== 0 ? [0, MAX_POINT] : [0, 9, 11, MAX_POINT] });
        return;
      case '^':
        this.#at++;
        items.push({ kind: 'assert', what: (this.#flags & MULTILINE) !== 0 ? 'bol' : 'begin' });
        return;
      case '$':
        this.#at++;
        items.push({ kind: 'assert', what: (this.#flags & MULTILINE) !== 0 ? 'eol' : 'end' });
        return;
      case '\\':
        this.#escape(items);
        return;
      default:
        items.push(this.#literal(this.#char()));
    }
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #literal(point: number): RegexNode {
    const ranges = [point, point];
    return { kind: 'class', ranges: (this.#flags & FOLD) !== 0 ? foldRanges(ranges) : ranges };
  }

  #char(): number {
    return this.#text.charCodeAt(this.#at++);
  }

  #group(items: RegexNode[]): void {
    const flags = this.#flags;
    const open = this.#at;
    let index = 0;
    if (this.#text.startsWith('(?', open)) {
      const opened = this.#perlGroup(open);
      if (opened === 'flags') return;
      index = opened === 'named' ? ++this.groups : 0;
    } else {
      this.#at++;
      index = ++this.groups;
    }
    if (++this.#depth > MAX_DEPTH) this.#fail('pattern too large - compile failed', '');
    // For `(?i:…)` the flags inside differ from those behind; #perlGroup has set them.
    const node = this.#alternatives();
    this.#depth--;
    if (this.#text[this.#at] !== ')') this.#fail('missing )', this.#text);
    this.#at++;
    this.#flags = flags;
    items.push(index === 0 ? { kind: 'seq', items: [node] } : { kind: 'group', node, index });
  }

  /** Reads what stands behind `(?`. */
  #perlGroup(open: number): 'named' | 'plain' | 'flags' {
    const rest = this.#text.slice(open);
    const look = /^\(\?<?[=!]/.exec(rest);
    if (look !== null) this.#fail('invalid perl operator', look[0]);
    if (rest.startsWith('(?P<') || rest.startsWith('(?<')) {
      const end = rest.indexOf('>');
      if (end < 0) this.#fail('invalid named capture group', rest);
      const capture = rest.slice(0, end + 1);
      const name = capture.slice(capture.indexOf('<') + 1, -1);
      if (!/^\w+$/.test(name)) {
        this.#fail('invalid named capture group', capture);
      }
      this.#at = open + capture.length;
      return 'named';
    }
    this.#at = open + 2;
    let flags = this.#flags;
    let isNegated = false;
    let sawFlag = false;
    for (;;) {
      const char = this.#text[this.#at];
      if (char !== undefined) this.#char();
      const bit =
        char === 'i' ? FOLD : char === 'm' ? MULTILINE : char === 's' ? DOT_NL : char === 'U' ? SWAP_GREED : 0;
      if (bit !== 0) {
        sawFlag = true;
        flags = isNegated ? flags & ~bit : flags | bit;
      } else if (char === '-' && !isNegated) {
        isNegated = true;
        sawFlag = false;
      } else if ((char === ':' || char === ')') && !(isNegated && !sawFlag)) {
        this.#flags = flags;
        return char === ':' ? 'plain' : 'flags';
      } else {
        this.#fail('invalid perl operator', this.#text.slice(open, this.#at));
      }
    }
  }

  #escape(items: RegexNode[]): void {
    const next = this.#text[this.#at + 1];
    const simple = next === undefined ? undefined : ASSERTIONS[next];
    if (simple !== undefined) {
      this.#at += 2;
      items.push({ kind: 'assert', what: simple });
    } else if (next === 'C') {
      this.#at += 2;
      items.push({ kind: 'class', ranges: [0, MAX_POINT] });
    } else if (next === 'Q') {
      this.#at += 2;
      const end = this.#text.indexOf('\\E', this.#at);
      const stop = end < 0 ? this.#text.length : end;
      while (this.#at < stop) items.push(this.#literal(this.#char()));
      if (end >= 0) this.#at += 2;
    } else {
      const ranges = this.#classEscape();
      if (ranges !== null) items.push({ kind: 'class', ranges });
      else items.push(this.#literal(this.#escapedPoint()));
    }
  }

  /** \d \D \s \S \w \W \pN \p{Name} \P…, or null. */
  #classEscape(): Ranges | null {
    const letter = this.#text[this.#at + 1];
    if (letter === undefined) return null;
    const perl = charClass(letter);
    if (perl !== null) {
      this.#at += 2;
      // Folding adds to \w what folds onto ASCII letters, before a negation.
      if ((this.#flags & FOLD) === 0) return perl;
      const isNegative = letter < 'a';
      const positive = isNegative ? (charClass(letter.toLowerCase()) as Ranges) : perl;
      return letter === 'w' || letter === 'W'
        ? isNegative
          ? negate(foldRanges(positive))
          : foldRanges(positive)
        : perl;
    }
    if (letter !== 'p' && letter !== 'P') return null;
    const start = this.#at;
    this.#at += 2;
    let name: string;
    if (this.#text[this.#at] === '{') {
      const end = this.#text.indexOf('}', this.#at);
      if (end < 0) this.#fail('invalid character class range', this.#text.slice(start));
      name = this.#text.slice(this.#at + 1, end);
      this.#at = end + 1;
    } else {
      if (this.#at >= this.#text.length) this.#fail('invalid character class range', this.#text.slice(start));
      name = String.fromCharCode(this.#char());
    }
    const isInverse = name.startsWith('^');
    const found = unicodeClass(isInverse ? name.slice(1) : name);
    if (found === null) this.#fail('invalid character class range', this.#text.slice(start, this.#at));
    const folded = (this.#flags & FOLD) !== 0 ? foldRanges(found) : found;
    return (letter === 'P') !== isInverse ? negate(folded) : folded;
  }

  /** A single escaped character: `\n`, `\x41`, `\x{263a}`, octal, or punctuation. */
  #escapedPoint(): number {
    const start = this.#at++;
    if (this.#at >= this.#text.length) this.#fail('trailing \\', '');
    const bad = (): never => this.#fail('invalid escape sequence', this.#text.slice(start, this.#at));
    const char = String.fromCharCode(this.#char());
    if (char >= '0' && char <= '7') {
      if (char !== '0' && !/[0-7]/.test(this.#text[this.#at] ?? '')) return bad();
      let value = Number(char);
      for (let n = 0; n < 2 && /[0-7]/.test(this.#text[this.#at] ?? ''); n++)
        value = value * 8 + Number(this.#text[this.#at++]);
      return value;
    }
    if (char === 'x') {
      const hex = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\})/.exec(this.#text.slice(this.#at));
      if (hex === null) {
        this.#at = Math.min(this.#at + 2, this.#text.length);
        return bad();
      }
      this.#at += hex[0].length;
      const value = Number.parseInt((hex[1] ?? hex[2]) as string, 16);
      return value > MAX_POINT ? bad() : value;
    }
    const control = 'nrtafv'.indexOf(char);
    if (control >= 0) return [10, 13, 9, 7, 12, 11][control] as number;
    if (char < '\x80' && !/[0-9A-Za-z]/.test(char)) return char.charCodeAt(0);
    return bad();
  }

  #bracket(): Ranges {
    const open = this.#at++;
    const missing = (): never => this.#fail('missing ]', this.#text.slice(open));
    const isNegated = this.#take('^');
    const ranges: number[] = [];
    const fold = (this.#flags & FOLD) !== 0;
    for (let isFirst = true; ; isFirst = false) {
      const char = this.#text[this.#at];
      if (char === undefined) missing();
      if (char === ']' && !isFirst) break;
      if (this.#text.startsWith('[:', this.#at)) {
        const end = this.#text.indexOf(':]', this.#at + 2);
        if (end >= 0) {
          const name = this.#text.slice(this.#at, end + 2);
          const named = namedClass(name);
          if (named === null) this.#fail('invalid character class range', name);
          ranges.push(...(fold ? foldRanges(named) : named));
          this.#at = end + 2;
          continue;
        }
      }
      const escaped = char === '\\' ? this.#classEscape() : null;
      if (escaped !== null) {
        for (const point of escaped) ranges.push(point);
        continue;
      }
      const start = this.#at;
      const low = this.#bracketPoint(missing);
      let high = low;
      if (this.#text[this.#at] === '-' && this.#at + 1 < this.#text.length && this.#text[this.#at + 1] !== ']') {
        this.#at++;
        high = this.#bracketPoint(missing);
        if (high < low) this.#fail('invalid character class range', this.#text.slice(start, this.#at));
      }
      const range = [low, high];
      ranges.push(...(fold ? foldRanges(range) : range));
    }
    this.#at++;
    const all = normalize(ranges);
    return isNegated ? negate(all) : all;
  }

  #bracketPoint(missing: () => never): number {
    if (this.#at >= this.#text.length) missing();
    return this.#text[this.#at] === '\\' ? this.#escapedPoint() : this.#char();
  }
}

// biome-ignore format: a table.
const ASSERTIONS: Readonly<Record<string, 'begin' | 'end' | 'word' | 'not-word'>> = {
  A: 'begin', z: 'end', b: 'word', B: 'not-word',
};

/** What is left of MAX_REPEAT after dividing by every nested repeat; 0 means that a pattern repeats too much. */
function repeatBudget(node: RegexNode, budget: number): number {
  switch (node.kind) {
    case 'seq':
    case 'alt': {
      let least = budget;
      for (const item of node.items) least = Math.min(least, repeatBudget(item, budget));
      return least;
    }
    case 'group':
      return repeatBudget(node.node, budget);
    case 'repeat': {
      // `*`, `+` and `?` are no counted repeats.
      const count = node.max < 0 ? node.min : node.max;
      return repeatBudget(node.node, count > 1 ? Math.floor(budget / count) : budget);
    }
    default:
      return budget;
  }
}
