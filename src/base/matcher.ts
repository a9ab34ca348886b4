// Compiled matchers on strings and numbers; what they get is a latin1 string of bytes, as header values are.
import { asciiLower, bytesOf } from './matcher-text.ts';
import { compileRegex } from './regex.ts';
import type { RegexError } from './regex-syntax.ts';

export type StringMatcher = { matches(value: string): boolean };

export type StringMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'regex'; readonly value: string };

/** Compiles a match on a string; `value` is text as the configuration has it (UTF-16). */
export function compileStringMatch(match: StringMatch): StringMatcher | RegexError {
  if (match.kind === 'regex') return compileRegex(match.value);
  const bytes = bytesOf(match.value);
  const value = match.ignoreCase ? asciiLower(bytes) : bytes;
  switch (match.kind) {
    case 'exact':
      return match.ignoreCase ? new ExactIgnoreCase(value) : new Exact(value);
    case 'prefix':
      return match.ignoreCase ? new PrefixIgnoreCase(value) : new Prefix(value);
    case 'suffix':
      return match.ignoreCase ? new SuffixIgnoreCase(value) : new Suffix(value);
    case 'contains':
      return match.ignoreCase ? new ContainsIgnoreCase(value) : new Contains(value);
  }
}

class Exact implements StringMatcher {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
  matches(value: string): boolean {
    return value === this.value;
  }
}

class Prefix implements StringMatcher {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
  matches(value: string): boolean {
    return value.startsWith(this.value);
  }
}

class Suffix implements StringMatcher {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
  matches(value: string): boolean {
    return value.endsWith(this.value);
  }
}

class Contains implements StringMatcher {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
  matches(value: string): boolean {
    return value.includes(this.value);
  }
}

class ExactIgnoreCase implements StringMatcher {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
  matches(value: string): boolean {
    return value.length === this.value.length && (value === this.value || asciiLower(value) === this.value);
  }
}

class PrefixIgnoreCase implements StringMatcher {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
  matches(value: string): boolean {
    return startsWithIgnoreCase(value, this.value);
  }
}

class SuffixIgnoreCase implements StringMatcher {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
  matches(value: string): boolean {
    const at = value.length - this.value.length;
    return at >= 0 && asciiLower(value.slice(at)) === this.value;
  }
}

class ContainsIgnoreCase implements StringMatcher {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
  matches(value: string): boolean {
    return value.length >= this.value.length && asciiLower(value).includes(this.value);
  }
}

/** `lowerPrefix` must be in lower case already. */
export function startsWithIgnoreCase(value: string, lowerPrefix: string): boolean {
  if (value.length < lowerPrefix.length) return false;
  for (let i = 0; i < lowerPrefix.length; i++) {
    let code = value.charCodeAt(i);
    if (code >= 65 && code <= 90) code += 32;
    if (code !== lowerPrefix.charCodeAt(i)) return false;
  }
  return true;
}

/** Parses a decimal integer of 64 bits as Envoy does (absl::SimpleAtoi): sign and surrounding blanks allowed. */
export function parseInteger(text: string): number | bigint | null {
  const match = /^[ \t\n\v\f\r]*([+-]?\d+)[ \t\n\v\f\r]*$/.exec(text);
  if (match === null) return null;
  const digits = match[1] as string;
  if (digits.length <= 15) return Number(digits);
  const value = BigInt(digits.startsWith('+') ? digits.slice(1) : digits);
  if (value > 0x7fff_ffff_ffff_ffffn || value < -0x8000_0000_0000_0000n) return null;
  return value;
}

/** start ≤ value < end. */
export class IntegerRange implements StringMatcher {
  readonly start: number | bigint;
  readonly end: number | bigint;
  constructor(start: number | bigint, end: number | bigint) {
    this.start = start;
    this.end = end;
  }
  matches(value: string): boolean {
    const number = parseInteger(value);
    return number !== null && number >= this.start && number < this.end;
  }
}
