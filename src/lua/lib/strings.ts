// The library string.
import { numberText } from '../number-text.ts';
import { index } from '../operators.ts';
import { ArgumentError, isCallable, LuaError, LuaTable, type LuaValue, NativeFunction, typeName } from '../values.ts';
import type { Vm } from '../vm.ts';
import { integerAt, optionalIntegerAt, optionalStringAt, stringAt, wrongType } from './arguments.ts';
import { format } from './format.ts';
import type { Library } from './library.ts';
import { Matcher } from './pattern.ts';

const MAX_BYTES_RETURNED = 8000;
const SPECIALS = /[\^$*+?.([%-]/;

/** Positions count from 1, negative ones from the end. */
function start(position: number, length: number): number {
  if (position >= 0) return position;
  return Math.max(0, length + position + 1);
}

function find(vm: Vm, args: LuaValue[], wantsPlace: boolean): LuaValue[] {
  const text = stringAt(args, 0);
  const pattern = stringAt(args, 1);
  let from = start(optionalIntegerAt(args, 2, 1), text.length) - 1;
  if (from < 0) from = 0;
  if (from > text.length) return [undefined];
  const isPlain = args[3] !== undefined && args[3] !== false;
  if (wantsPlace && (isPlain || !SPECIALS.test(pattern))) {
    vm.spend((text.length - from) >> 4);
    const at = text.indexOf(pattern, from);
    return at < 0 ? [undefined] : [at + 1, at + pattern.length];
  }
  const isAnchored = pattern.startsWith('^');
  const matcher = new Matcher(vm, text, pattern);
  for (let s = from; s <= text.length; s++) {
    const end = matcher.match(s, isAnchored ? 1 : 0);
    if (end >= 0) {
      if (!wantsPlace) return matcher.captures(s, end);
      return matcher.level === 0 ? [s + 1, end] : [s + 1, end, ...matcher.captures(s, end)];
    }
    if (isAnchored) break;
  }
  return [undefined];
}

function gmatch(args: LuaValue[], vm: Vm): LuaValue {
  const text = stringAt(args, 0);
  const pattern = stringAt(args, 1);
  let s = 0;
  vm.allocate(200);
  return new NativeFunction('gmatch_iterator', (_args: LuaValue[], running: Vm) => {
    const matcher = new Matcher(running, text, pattern);
    for (; s <= text.length; s++) {
      const end = matcher.match(s, 0);
      if (end < 0) continue;
      const captures = matcher.captures(s, end);
      s = end === s ? end + 1 : end;
      return captures;
    }
    return [undefined];
  });
}

function gsub(args: LuaValue[], vm: Vm): LuaValue[] {
  const text = stringAt(args, 0);
  const pattern = stringAt(args, 1);
  const [, , given] = args;
  const replacement = typeof given === 'number' ? numberText(given) : given;
  if (typeof replacement !== 'string' && !(replacement instanceof LuaTable) && !isCallable(replacement)) {
    return wrongType(args, 2, 'string/function/table');
  }
  const max = args[3] === undefined ? text.length + 1 : integerAt(args, 3);
  const isAnchored = pattern.startsWith('^');
  const matcher = new Matcher(vm, text, pattern);
  let result = '';
  let s = 0;
  let count = 0;
  while (count < max) {
    const end = matcher.match(s, isAnchored ? 1 : 0);
    if (end >= 0) {
      count++;
      const piece = replace(vm, matcher, replacement, text, s, end);
      vm.allocateString(piece.length);
      result += piece;
      if (result.length > vm.limits.memoryBytes) vm.allocateString(result.length);
    }
    if (end > s) s = end;
    else if (s < text.length) result += text[s++];
    else break;
    if (isAnchored) break;
  }
  vm.allocateString(result.length);
  return [result + text.slice(s), count];
}

function replace(vm: Vm, matcher: Matcher, replacement: LuaValue, text: string, from: number, to: number): string {
  let value: LuaValue;
  if (typeof replacement === 'string') {
    if (!replacement.includes('%')) return replacement;
    return expand(matcher, replacement, text, from, to);
  }
  if (replacement instanceof LuaTable) value = index(vm, replacement, matcher.capture(0, from, to), -1);
  else value = vm.call(replacement, matcher.captures(from, to))[0];
  if (value === undefined || value === false) return text.slice(from, to);
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  throw new LuaError(`invalid replacement value (a ${typeName(value)})`, true);
}

function expand(matcher: Matcher, replacement: string, text: string, from: number, to: number): string {
  let result = '';
  for (let i = 0; i < replacement.length; i++) {
    const c = replacement[i] as string;
    if (c !== '%') {
      result += c;
      continue;
    }
    const next = replacement[++i] ?? '';
    if (next === '0') result += text.slice(from, to);
    else if (next >= '1' && next <= '9') result += String(matcher.capture(Number(next) - 1, from, to));
    else result += next;
  }
  return result;
}

function rep(args: LuaValue[], vm: Vm): string {
  const text = stringAt(args, 0);
  const n = integerAt(args, 1);
  const separator = optionalStringAt(args, 2) ?? '';
  if (n <= 0) return '';
  const total = (text.length + separator.length) * n;
  vm.allocateString(total);
  return separator === '' ? text.repeat(n) : (text + separator).repeat(n - 1) + text;
}

function sub(args: LuaValue[], vm: Vm): string {
  const text = stringAt(args, 0);
  const from = Math.max(1, start(integerAt(args, 1), text.length));
  const to = Math.min(text.length, start(optionalIntegerAt(args, 2, -1), text.length));
  if (from > to) return '';
  vm.allocateString(to - from + 1);
  return text.slice(from - 1, to);
}

function byte(args: LuaValue[]): LuaValue[] {
  const text = stringAt(args, 0);
  const first = optionalIntegerAt(args, 1, 1);
  const from = Math.max(1, start(first, text.length));
  const to = Math.min(text.length, start(optionalIntegerAt(args, 2, start(first, text.length)), text.length));
  if (to - from >= MAX_BYTES_RETURNED) throw new LuaError('string slice too long', true);
  const bytes: number[] = [];
  for (let i = from; i <= to; i++) bytes.push(text.charCodeAt(i - 1));
  return bytes;
}

function char(args: LuaValue[], vm: Vm): string {
  vm.allocateString(args.length);
  let text = '';
  for (let i = 0; i < args.length; i++) {
    const code = integerAt(args, i);
    if (code < 0 || code > 255) throw new ArgumentError(i + 1, 'invalid value');
    text += String.fromCharCode(code);
  }
  return text;
}

const LOWER = /[A-Z]+/g;
const UPPER = /[a-z]+/g;

/** ASCII only, as in the C locale; the bytes above stay. */
export function lower(text: string): string {
  return text.replace(LOWER, (letters) => letters.toLowerCase());
}

function upper(text: string): string {
  return text.replace(UPPER, (letters) => letters.toUpperCase());
}

export const strings: Library = {
  byte,
  char,
  find: (args, vm) => find(vm, args, true),
  format,
  gmatch,
  gsub,
  len: (args) => stringAt(args, 0).length,
  lower: (args, vm) => {
    const text = stringAt(args, 0);
    vm.allocateString(text.length);
    return lower(text);
  },
  match: (args, vm) => find(vm, args, false),
  rep,
  reverse: (args, vm) => {
    const text = stringAt(args, 0);
    vm.allocateString(text.length);
    vm.spend(text.length >> 2);
    return text.split('').reverse().join('');
  },
  sub,
  upper: (args, vm) => {
    const text = stringAt(args, 0);
    vm.allocateString(text.length);
    return upper(text);
  },
  dump: () => {
    throw new LuaError('string.dump is not available: functions have no bytecode here', true);
  },
};
