// What operators do beyond the usual types: coercions, metamethods, and the words for what cannot be done.
import { parseNumber } from './number-text.ts';
import { numberText } from './number-text.ts';
import { isCallable, LuaError, LuaTable, type LuaValue, typeName, Userdata } from './values.ts';
import type { Vm } from './vm.ts';

const MAX_META_STEPS = 100;

export function metatableOf(vm: Vm, value: LuaValue): LuaTable | null {
  if (value instanceof LuaTable || value instanceof Userdata) return value.metatable;
  return typeof value === 'string' ? vm.stringMetatable : null;
}

export function metamethod(vm: Vm, value: LuaValue, event: string): LuaValue {
  return metatableOf(vm, value)?.get(event);
}

/** `operand`: which one of the present instruction the object is, for messages. */
export function index(vm: Vm, object: LuaValue, key: LuaValue, operand: number): LuaValue {
  let at = object;
  for (let step = 0; step < MAX_META_STEPS; step++) {
    let handler: LuaValue;
    if (at instanceof LuaTable) {
      const value = at.get(key);
      if (value !== undefined || at.metatable === null) return value;
      handler = at.metatable.get('__index');
      if (handler === undefined) return undefined;
    } else {
      handler = metamethod(vm, at, '__index');
      if (handler === undefined)
        throw new LuaError(`attempt to index ${step === 0 ? vm.described(operand, at) : shown(at)}`, true);
    }
    if (isCallable(handler)) return vm.call(handler, [at, key])[0];
    at = handler;
  }
  throw new LuaError('loop in gettable', true);
}

export function setIndex(vm: Vm, object: LuaValue, key: LuaValue, value: LuaValue, operand: number): void {
  let at = object;
  for (let step = 0; step < MAX_META_STEPS; step++) {
    let handler: LuaValue;
    if (at instanceof LuaTable) {
      const { metatable } = at;
      handler = metatable === null || at.get(key) !== undefined ? undefined : metatable.get('__newindex');
      if (handler === undefined) {
        vm.setRaw(at, key, value);
        return;
      }
    } else {
      handler = metamethod(vm, at, '__newindex');
      if (handler === undefined)
        throw new LuaError(`attempt to index ${step === 0 ? vm.described(operand, at) : shown(at)}`, true);
    }
    if (isCallable(handler)) {
      vm.call(handler, [at, key, value]);
      return;
    }
    at = handler;
  }
  throw new LuaError('loop in settable', true);
}

export function shown(value: LuaValue): string {
  return `a ${typeName(value)} value`;
}

/** A number, or a text that stands for one. */
export function toNumber(value: LuaValue): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? parseNumber(value) : undefined;
}

export const ARITHMETIC_EVENTS = ['__add', '__sub', '__mul', '__div', '__mod', '__pow', '__unm'] as const;

/** `operation`: the place in ARITHMETIC_EVENTS. */
export function arithmetic(vm: Vm, operation: number, left: LuaValue, right: LuaValue): LuaValue {
  const a = toNumber(left);
  const b = toNumber(right);
  if (a !== undefined && b !== undefined) return compute(operation, a, b);
  const event = ARITHMETIC_EVENTS[operation] as string;
  const handler = metamethod(vm, left, event) ?? metamethod(vm, right, event);
  if (handler !== undefined) return vm.call(handler, [left, right])[0];
  throw new LuaError(
    `attempt to perform arithmetic on ${a === undefined ? vm.described(1, left) : vm.described(2, right)}`,
    true,
  );
}

function compute(operation: number, a: number, b: number): number {
  switch (operation) {
    case 0:
      return a + b;
    case 1:
      return a - b;
    case 2:
      return a * b;
    case 3:
      return a / b;
    case 4:
      return modulo(a, b);
    case 5:
      return power(a, b);
    default:
      return -a;
  }
}

export function modulo(a: number, b: number): number {
  if (b === Number.POSITIVE_INFINITY || b === Number.NEGATIVE_INFINITY) return a - Math.floor(a / b) * b;
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
}

/** As C does: 1 to anything is 1. */
export function power(a: number, b: number): number {
  return a === 1 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b)) ? 1 : a ** b;
}

export function equals(vm: Vm, a: LuaValue, b: LuaValue): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (!((a instanceof LuaTable && b instanceof LuaTable) || (a instanceof Userdata && b instanceof Userdata))) {
    return false;
  }
  const handler = metamethod(vm, a, '__eq');
  if (handler === undefined || handler !== metamethod(vm, b, '__eq')) return false;
  return isTrue(vm.call(handler, [a, b])[0]);
}

export function isTrue(value: LuaValue): boolean {
  return value !== undefined && value !== false;
}

export function lessThan(vm: Vm, a: LuaValue, b: LuaValue): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a < b;
  if (typeof a === 'string' && typeof b === 'string') return a < b;
  const handler = metamethod(vm, a, '__lt') ?? metamethod(vm, b, '__lt');
  if (handler === undefined) return failComparison(a, b);
  return isTrue(vm.call(handler, [a, b])[0]);
}

export function lessOrEqual(vm: Vm, a: LuaValue, b: LuaValue): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a <= b;
  if (typeof a === 'string' && typeof b === 'string') return a <= b;
  const handler = metamethod(vm, a, '__le') ?? metamethod(vm, b, '__le');
  if (handler !== undefined) return isTrue(vm.call(handler, [a, b])[0]);
  const less = metamethod(vm, b, '__lt') ?? metamethod(vm, a, '__lt');
  if (less === undefined) return failComparison(a, b);
  return !isTrue(vm.call(less, [b, a])[0]);
}

function failComparison(a: LuaValue, b: LuaValue): never {
  const [left, right] = [typeName(a), typeName(b)];
  const what = left === right ? `two ${left} values` : `${left} with ${right}`;
  throw new LuaError(`attempt to compare ${what}`, true);
}

export function length(vm: Vm, value: LuaValue, operand: number): LuaValue {
  if (typeof value === 'string') return value.length;
  const handler = metamethod(vm, value, '__len');
  if (handler !== undefined) return vm.call(handler, [value])[0];
  if (value instanceof LuaTable) return value.length;
  throw new LuaError(`attempt to get length of ${vm.described(operand, value)}`, true);
}

export function concatenate(vm: Vm, parts: LuaValue[]): LuaValue {
  let right = parts[parts.length - 1];
  for (let i = parts.length - 2; i >= 0; i--) {
    const left = parts[i];
    const a = piece(left);
    const b = piece(right);
    if (a !== undefined && b !== undefined) {
      vm.allocateString(a.length + b.length);
      right = a + b;
      continue;
    }
    const handler = metamethod(vm, left, '__concat') ?? metamethod(vm, right, '__concat');
    if (handler === undefined) {
      throw new LuaError(
        `attempt to concatenate ${b === undefined ? vm.described(i + 2, right) : vm.described(i + 1, left)}`,
        true,
      );
    }
    right = vm.call(handler, [left, right])[0];
  }
  return right;
}

function piece(value: LuaValue): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? numberText(value) : undefined;
}
