// Regular expressions with RE2's syntax and meaning, run by V8's engines in linear time on latin1 strings of bytes.
import { setFlagsFromString } from 'node:v8';
import { bytesOf } from './matcher-text.ts';
import { classText } from './regex-class.ts';
import { programSize } from './regex-size.ts';
import { parseRegex, type RegexError, type RegexNode } from './regex-syntax.ts';

/** Longest JavaScript pattern that a regex may become once counted repeats are written out. */
const MAX_TRANSLATED_LENGTH = 512 * 1024;

/**
 * Lets V8 change to its linear engine as soon as a pattern backtracks too much, so that no input can stall the process.
 * The composition root calls this once, before any regex runs.
 */
export function enableLinearRegex(): void {
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
}

/**
 * A compiled pattern. Patterns and values are read as Latin-1 as Envoy has RE2 read them: `.` is one byte, and a letter
 * beyond ASCII in the pattern stands for its UTF-8 bytes.
 */
export class Regex {
  readonly source: string;
  /** Text with which every full match begins; '' when there is none for certain. */
  readonly literalPrefix: string;
  /** Number of capturing groups. */
  readonly groups: number;
  readonly #root: RegexNode;
  readonly #full: RegExp;
  #searcher: Searcher | null = null;
  #fullSearcher: Searcher | null = null;

  constructor(source: string, root: RegexNode, groups: number, full: RegExp) {
    this.source = source;
    this.groups = groups;
    this.literalPrefix = literalPrefix(root);
    this.#root = root;
    this.#full = full;
  }

  /** Whether the whole value matches (RE2::FullMatch). */
  matches(value: string): boolean {
    return this.#full.test(value);
  }

  /** Number of instructions that RE2 would need, for limits on it. */
  programSize(): number {
    return programSize(this.#root);
  }

  /** The pattern in JavaScript's syntax, without groups that capture. */
  translated(): string {
    return translate(this.#root, null);
  }

  /** Whether some part of the value matches (RE2::PartialMatch). */
  search(value: string): boolean {
    const { pattern } = this.#search();
    pattern.lastIndex = 0;
    return pattern.test(value);
  }

  /**
   * Replaces every match, left to right, as RE2::GlobalReplace. One difference: of a group inside `(?:(a)|(b))*` RE2
   * keeps the last text it ever had, JavaScript what it had in the last round.
   */
  replaceAll(value: string, substitution: Substitution): string {
    const { pattern, groups } = this.#search();
    let out = '';
    let copied = 0;
    let lastEnd = -1;
    let from = 0;
    while (from <= value.length) {
      pattern.lastIndex = from;
      const match = pattern.exec(value);
      if (match === null) break;
      const end = match.index + match[0].length;
      if (match[0] === '' && match.index === lastEnd) {
        // RE2 takes no empty match right behind the last one.
        from = end + 1;
        continue;
      }
      out += value.slice(copied, match.index) + substitution.expand(match, groups);
      copied = end;
      lastEnd = end;
      from = match[0] === '' ? end + 1 : end;
    }
    return lastEnd < 0 ? value : out + value.slice(copied);
  }

  /** What the groups caught, the whole match first, '' for nothing; null when it does not match (as a whole). */
  captures(value: string, isFull: boolean): string[] | null {
    const { pattern, groups } = isFull ? this.#fullSearch() : this.#search();
    pattern.lastIndex = 0;
    const match = pattern.exec(value);
    if (match === null) return null;
    const found: string[] = [match[0]];
    for (let group = 1; group <= this.groups; group++) {
      let text = '';
      for (const number of groups[group] ?? []) text = match[number] ?? text;
      found.push(text);
    }
    return found;
  }

  #fullSearch(): Searcher {
    if (this.#fullSearcher !== null) return this.#fullSearcher;
    const groups: GroupMap = [[0]];
    this.#fullSearcher = { pattern: new RegExp(`^(?:${translate(this.#root, groups)})$`), groups };
    return this.#fullSearcher;
  }

  #search(): Searcher {
    if (this.#searcher !== null) return this.#searcher;
    const groups: GroupMap = [[0]];
    this.#searcher = { pattern: new RegExp(translate(this.#root, groups), 'g'), groups };
    return this.#searcher;
  }
}

type Searcher = { readonly pattern: RegExp; readonly groups: GroupMap };

/**
 * A test that holds when at least one of the patterns matches the whole value; null when together they are too large.
 * One call for many patterns costs a fraction of as many calls.
 */
export function unionOf(regexes: readonly Regex[]): StringTest | null {
  try {
    const full = new RegExp(`^(?:${regexes.map((regex) => `(?:${regex.translated()})`).join('|')})$`);
    return { matches: (value) => full.test(value) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null;
    throw error;
  }
}

export type StringTest = { matches(value: string): boolean };

/** Compiles a pattern, or says in RE2's words why it cannot be. */
export function compileRegex(source: string): Regex | RegexError {
  const parsed = parseRegex(bytesOf(source));
  if ('error' in parsed) return parsed;
  try {
    const text = translate(parsed.root, null);
    return new Regex(source, parsed.root, parsed.groups, new RegExp(`^(?:${text})$`));
  } catch (error) {
    // V8 has its own limits ("Regular expression too large", stack depth).
    if (error instanceof SyntaxError || error instanceof RangeError) return TOO_LARGE;
    throw error;
  }
}

const TOO_LARGE: RegexError = { error: 'pattern too large - compile failed' };

/** A replacement text with `\0` … `\9`, checked against a pattern. */
export class Substitution {
  readonly source: string;
  /** Literal texts and group numbers, in order. */
  readonly #parts: readonly (string | number)[];

  constructor(source: string, parts: readonly (string | number)[]) {
    this.source = source;
    this.#parts = parts;
  }

  /** With what groups caught (`Regex.captures`). */
  fill(captures: readonly string[]): string {
    return this.#parts.map((part) => (typeof part === 'string' ? part : (captures[part] ?? ''))).join('');
  }

  expand(match: RegExpExecArray, groups: GroupMap): string {
    let out = '';
    for (const part of this.#parts) {
      if (typeof part === 'string') {
        out += part;
        continue;
      }
      const numbers = groups[part] ?? [];
      for (let i = numbers.length - 1; i >= 0; i--) {
        const text = match[numbers[i] as number];
        if (text === undefined) continue;
        out += text;
        break;
      }
    }
    return out;
  }
}

/** Parses a replacement text for a regex with that many groups; errors in RE2's words (RE2::CheckRewriteString). */
export function parseSubstitution(text: string, groups: number): Substitution | RegexError {
  const parts: (string | number)[] = [];
  let literal = '';
  let highest = -1;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char !== '\\') {
      literal += char;
      continue;
    }
    const next = text[++i];
    if (next === undefined) return { error: "Rewrite schema error: '\\' not allowed at end." };
    if (next === '\\') {
      literal += '\\';
    } else if (next >= '0' && next <= '9') {
      if (literal !== '') parts.push(literal);
      literal = '';
      parts.push(Number(next));
      highest = Math.max(highest, Number(next));
    } else {
      return { error: "Rewrite schema error: '\\' must be followed by a digit or '\\'." };
    }
  }
  if (highest > groups) {
    return {
      error:
        `Rewrite schema requests ${highest} matches, ` +
        `but the regexp only has ${groups} parenthesized subexpressions.`,
    };
  }
  if (literal !== '') parts.push(literal);
  return new Substitution(text, parts);
}

/** RE2 group number → numbers of the JavaScript groups that stand for it (copies of a repeated group), in order. */
type GroupMap = number[][];

/**
 * Writes the tree as a JavaScript pattern without flags. Groups capture only when `groups` is given, and are noted
 * there. Counted repeats are written out: V8's linear engine refuses more than 16 repetitions, and its other engines
 * run loops with counters more slowly.
 */
function translate(root: RegexNode, groups: GroupMap | null): string {
  let captured = 0;
  let budget = MAX_TRANSLATED_LENGTH;
  const write = (node: RegexNode): string => {
    const text = writeNode(node);
    if (--budget < 0 || text.length > MAX_TRANSLATED_LENGTH) throw new RangeError('pattern too large');
    return text;
  };
  const writeNode = (node: RegexNode): string => {
    switch (node.kind) {
      case 'empty':
        return '(?:)';
      case 'class':
        return classText(node.ranges);
      case 'assert':
        return ASSERTION_TEXT[node.what];
      case 'seq':
        if (node.items.length === 1) return `(?:${write(node.items[0] as RegexNode)})`;
        return node.items.map((item) => (item.kind === 'alt' ? `(?:${write(item)})` : write(item))).join('');
      case 'alt':
        return node.items.map(write).join('|');
      case 'group':
        if (groups === null) return `(?:${write(node.node)})`;
        (groups[node.index] ??= []).push(++captured);
        return `(${write(node.node)})`;
      case 'repeat':
        return writeRepeat(node);
    }
  };
  const copies = (node: RegexNode, count: number): string => {
    let text = '';
    for (let n = 0; n < count; n++) {
      text += `(?:${write(node)})`;
      if (text.length > MAX_TRANSLATED_LENGTH) throw new RangeError('pattern too large');
    }
    return text;
  };
  const writeRepeat = (node: RegexNode & { kind: 'repeat' }): string => {
    const lazy = node.greedy ? '' : '?';
    const { min, max } = node;
    if (max === 0) return '(?:)';
    if (max < 0) return `${copies(node.node, Math.max(min, 1))}${min === 0 ? '*' : '+'}${lazy}`;
    // x{2,4} is xx(?:x(?:x)?)?: the nested form has one way to match each count.
    let text = copies(node.node, min);
    for (let n = min; n < max; n++) text += `(?:${copies(node.node, 1)}`;
    for (let n = min; n < max; n++) text += `)?${lazy}`;
    if (text.length > MAX_TRANSLATED_LENGTH) throw new RangeError('pattern too large');
    return text;
  };
  return write(root);
}

/** The characters that a pattern begins with before anything varies. */
function literalPrefix(root: RegexNode): string {
  let node = root;
  while (node.kind === 'group' || (node.kind === 'seq' && node.items.length === 1)) {
    node = node.kind === 'group' ? node.node : (node.items[0] as RegexNode);
  }
  let text = '';
  for (const item of node.kind === 'seq' ? node.items : [node]) {
    if (item.kind === 'assert' && item.what === 'begin' && text === '') continue;
    if (item.kind !== 'class' || item.ranges.length !== 2 || item.ranges[0] !== item.ranges[1]) break;
    text += String.fromCharCode(item.ranges[0] as number);
  }
  return text;
}

const ASSERTION_TEXT = {
  bol: '(?<![^\\n])',
  eol: '(?![^\\n])',
  begin: '^',
  end: '$',
  word: '\\b',
  'not-word': '\\B',
} as const;
