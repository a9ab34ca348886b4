// Lua patterns. Every step is paid for, so a pattern that would take for ever ends with the budget.
import { LuaError } from '../values.ts';
import type { Vm } from '../vm.ts';

const MAX_CAPTURES = 32;
const MAX_DEPTH = 200;
const OPEN = -1;
const POSITION = -2;

const PERCENT = 0x25;
const DIGIT = 1;
const LOWER = 2;
const UPPER = 4;
const SPACE = 8;
const CONTROL = 16;
const PUNCTUATION = 32;
const HEXADECIMAL = 64;

const CLASSES = new Uint8Array(256);
for (let c = 0; c < 128; c++) {
  const char = String.fromCharCode(c);
  let bits = 0;
  if (/[0-9]/.test(char)) bits |= DIGIT;
  if (/[a-z]/.test(char)) bits |= LOWER;
  if (/[A-Z]/.test(char)) bits |= UPPER;
  if (/[\t-\r ]/.test(char)) bits |= SPACE;
  if (c < 0x20 || c === 0x7f) bits |= CONTROL;
  if (/[!-/:-@[-`{-~]/.test(char)) bits |= PUNCTUATION;
  if (/[0-9a-fA-F]/.test(char)) bits |= HEXADECIMAL;
  CLASSES[c] = bits;
}

/** One attempt after the other on the same text with the same pattern. */
export class Matcher {
  readonly #vm: Vm;
  readonly #text: string;
  readonly #pattern: string;
  /** Captures: beginnings, and lengths or OPEN or POSITION. */
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  level = 0;
  #depth = 0;

  constructor(vm: Vm, text: string, pattern: string) {
    this.#vm = vm;
    this.#text = text;
    this.#pattern = pattern;
  }

  /** Where a match that begins at `from` ends, -1 for none. `at`: where the pattern begins. */
  match(from: number, at: number): number {
    this.level = 0;
    this.#depth = 0;
    return this.#match(from, at);
  }

  /** A capture, or the whole match where there are none. */
  capture(i: number, from: number, to: number): string | number {
    if (i >= this.level) {
      if (i === 0) return this.#slice(from, to);
      throw new LuaError('invalid capture index', true);
    }
    const length = this.#lengths[i] as number;
    const start = this.#starts[i] as number;
    if (length === POSITION) return start + 1;
    if (length === OPEN) throw new LuaError('unfinished capture', true);
    return this.#slice(start, start + length);
  }

  /** All captures, or the whole match. */
  captures(from: number, to: number): (string | number)[] {
    const count = this.level === 0 ? 1 : this.level;
    const values: (string | number)[] = [];
    for (let i = 0; i < count; i++) values.push(this.capture(i, from, to));
    return values;
  }

  #slice(from: number, to: number): string {
    this.#vm.allocateString(to - from);
    return this.#text.slice(from, to);
  }

  #match(from: number, at: number): number {
    if (++this.#depth > MAX_DEPTH) throw new LuaError('pattern too complex', true);
    const result = this.#step(from, at);
    this.#depth--;
    return result;
  }

  #step(from: number, at: number): number {
    const pattern = this.#pattern;
    const text = this.#text;
    let s = from;
    let p = at;
    for (;;) {
      this.#vm.spend(1);
      if (p === pattern.length) return s;
      switch (pattern.charCodeAt(p)) {
        case 0x28: // (
          return pattern.charCodeAt(p + 1) === 0x29 ? this.#open(s, p + 2, POSITION) : this.#open(s, p + 1, OPEN);
        case 0x29: // )
          return this.#close(s, p + 1);
        case 0x24: // $
          if (p + 1 === pattern.length) return s === text.length ? s : -1;
          break;
        case PERCENT: {
          const c = pattern.charCodeAt(p + 1);
          if (c === 0x62) {
            s = this.#balance(s, p + 2);
            if (s < 0) return -1;
            p += 4;
            continue;
          }
          if (c === 0x66) {
            p += 2;
            if (pattern.charCodeAt(p) !== 0x5b) throw new LuaError("missing '[' after '%f' in pattern", true);
            const end = this.#classEnd(p);
            const before = s === 0 ? 0 : text.charCodeAt(s - 1);
            const here = s < text.length ? text.charCodeAt(s) : 0;
            if (this.#inSet(before, p, end - 1) || !this.#inSet(here, p, end - 1)) return -1;
            p = end;
            continue;
          }
          if (c >= 0x30 && c <= 0x39) {
            s = this.#backReference(s, c);
            if (s < 0) return -1;
            p += 2;
            continue;
          }
          break;
        }
        default:
      }
      const end = this.#classEnd(p);
      const suffix = pattern.charCodeAt(end);
      if (suffix === 0x3f) {
        if (s < text.length && this.#isSingle(s, p, end)) {
          const result = this.#match(s + 1, end + 1);
          if (result >= 0) return result;
        }
        p = end + 1;
      } else if (suffix === 0x2b) {
        return s < text.length && this.#isSingle(s, p, end) ? this.#greedy(s + 1, p, end) : -1;
      } else if (suffix === 0x2a) {
        return this.#greedy(s, p, end);
      } else if (suffix === 0x2d) {
        return this.#lazy(s, p, end);
      } else {
        if (s >= text.length || !this.#isSingle(s, p, end)) return -1;
        s++;
        p = end;
      }
    }
  }

  #open(s: number, p: number, length: number): number {
    if (this.level >= MAX_CAPTURES) throw new LuaError('too many captures', true);
    this.#starts[this.level] = s;
    this.#lengths[this.level] = length;
    this.level++;
    const result = this.#match(s, p);
    if (result < 0) this.level--;
    return result;
  }

  #close(s: number, p: number): number {
    let i = this.level - 1;
    while (i >= 0 && this.#lengths[i] !== OPEN) i--;
    if (i < 0) throw new LuaError('invalid pattern capture', true);
    this.#lengths[i] = s - (this.#starts[i] as number);
    const result = this.#match(s, p);
    if (result < 0) this.#lengths[i] = OPEN;
    return result;
  }

  #balance(s: number, p: number): number {
    const pattern = this.#pattern;
    if (p + 1 >= pattern.length) throw new LuaError('unbalanced pattern', true);
    const text = this.#text;
    if (s >= text.length || text.charCodeAt(s) !== pattern.charCodeAt(p)) return -1;
    const open = pattern.charCodeAt(p);
    const close = pattern.charCodeAt(p + 1);
    let depth = 1;
    for (let i = s + 1; i < text.length; i++) {
      this.#vm.spend(1);
      const c = text.charCodeAt(i);
      if (c === close) {
        if (--depth === 0) return i + 1;
      } else if (c === open) {
        depth++;
      }
    }
    return -1;
  }

  #backReference(s: number, digit: number): number {
    const i = digit - 0x31;
    const length = this.#lengths[i] as number;
    if (i < 0 || i >= this.level || length === OPEN) throw new LuaError(`invalid capture index`, true);
    const start = this.#starts[i] as number;
    const wanted = this.#text.slice(start, start + Math.max(0, length));
    this.#vm.spend(wanted.length >> 4);
    return this.#text.startsWith(wanted, s) ? s + wanted.length : -1;
  }

  #greedy(s: number, p: number, end: number): number {
    const text = this.#text;
    let count = 0;
    while (s + count < text.length && this.#isSingle(s + count, p, end)) count++;
    this.#vm.spend(count);
    for (; count >= 0; count--) {
      const result = this.#match(s + count, end + 1);
      if (result >= 0) return result;
    }
    return -1;
  }

  #lazy(from: number, p: number, end: number): number {
    for (let s = from; ; s++) {
      const result = this.#match(s, end + 1);
      if (result >= 0) return result;
      if (s >= this.#text.length || !this.#isSingle(s, p, end)) return -1;
    }
  }

  /** The end of the class that begins at `p`. */
  #classEnd(p: number): number {
    const pattern = this.#pattern;
    const c = pattern.charCodeAt(p);
    if (c === PERCENT) {
      if (p + 1 >= pattern.length) throw new LuaError("malformed pattern (ends with '%')", true);
      return p + 2;
    }
    if (c !== 0x5b) return p + 1;
    let i = p + 1;
    if (pattern.charCodeAt(i) === 0x5e) i++;
    do {
      if (i >= pattern.length) throw new LuaError("malformed pattern (missing ']')", true);
      if (pattern.charCodeAt(i) === PERCENT) i++;
      i++;
    } while (pattern.charCodeAt(i) !== 0x5d);
    return i + 1;
  }

  #isSingle(s: number, p: number, end: number): boolean {
    const c = this.#text.charCodeAt(s);
    switch (this.#pattern.charCodeAt(p)) {
      case 0x2e:
        return true;
      case PERCENT:
        return inClass(c, this.#pattern.charCodeAt(p + 1));
      case 0x5b:
        return this.#inSet(c, p, end - 1);
      default:
        return this.#pattern.charCodeAt(p) === c;
    }
  }

  /** `p` is the bracket that opens the set, `last` the one that closes it. */
  #inSet(c: number, p: number, last: number): boolean {
    const pattern = this.#pattern;
    let i = p + 1;
    const isNegated = pattern.charCodeAt(i) === 0x5e;
    if (isNegated) i++;
    this.#vm.spend((last - i) >> 2);
    for (; i < last; i++) {
      const at = pattern.charCodeAt(i);
      if (at === PERCENT) {
        i++;
        if (inClass(c, pattern.charCodeAt(i))) return !isNegated;
      } else if (pattern.charCodeAt(i + 1) === 0x2d && i + 2 < last) {
        if (at <= c && c <= pattern.charCodeAt(i + 2)) return !isNegated;
        i += 2;
      } else if (at === c) {
        return !isNegated;
      }
    }
    return isNegated;
  }
}

function inClass(c: number, kind: number): boolean {
  const bits = CLASSES[c] as number;
  let isIn: boolean;
  switch (kind | 0x20) {
    case 0x61: // a
      isIn = (bits & (LOWER | UPPER)) !== 0;
      break;
    case 0x63: // c
      isIn = (bits & CONTROL) !== 0;
      break;
    case 0x64: // d
      isIn = (bits & DIGIT) !== 0;
      break;
    case 0x67: // g
      isIn = (bits & (LOWER | UPPER | DIGIT | PUNCTUATION)) !== 0;
      break;
    case 0x6c: // l
      isIn = (bits & LOWER) !== 0;
      break;
    case 0x70: // p
      isIn = (bits & PUNCTUATION) !== 0;
      break;
    case 0x73: // s
      isIn = (bits & SPACE) !== 0;
      break;
    case 0x75: // u
      isIn = (bits & UPPER) !== 0;
      break;
    case 0x77: // w
      isIn = (bits & (LOWER | UPPER | DIGIT)) !== 0;
      break;
    case 0x78: // x
      isIn = (bits & HEXADECIMAL) !== 0;
      break;
    case 0x7a: // z
      isIn = c === 0;
      break;
    default:
      return kind === c;
  }
  const isUpper = kind >= 0x41 && kind <= 0x5a;
  const isLetter = isUpper || (kind >= 0x61 && kind <= 0x7a);
  if (!isLetter) return kind === c;
  return isUpper ? !isIn : isIn;
}
