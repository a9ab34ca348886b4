// The library table.
import { numberText } from '../number-text.ts';
import { isTrue, lessThan } from '../operators.ts';
import { ArgumentError, isCallable, LuaError, type LuaValue, typeName } from '../values.ts';
import type { Vm } from '../vm.ts';
import { unpack } from './base.ts';
import { integerAt, optionalIntegerAt, optionalStringAt, tableAt, wrongType } from './arguments.ts';
import type { Library } from './library.ts';

function concat(args: LuaValue[], vm: Vm): string {
  const table = tableAt(args, 0);
  const separator = optionalStringAt(args, 1) ?? '';
  const from = optionalIntegerAt(args, 2, 1);
  const to = optionalIntegerAt(args, 3, table.length);
  let result = '';
  for (let i = from; i <= to; i++) {
    vm.spend(1);
    const value = table.get(i);
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new LuaError(`invalid value (${typeName(value)}) at index ${i} in table for 'concat'`, true);
    }
    const piece = typeof value === 'string' ? value : numberText(value);
    if (result.length + piece.length > vm.limits.memoryBytes) vm.allocateString(result.length + piece.length);
    result += i < to ? piece + separator : piece;
  }
  vm.allocateString(result.length);
  return result;
}

function insert(args: LuaValue[], vm: Vm): undefined {
  const table = tableAt(args, 0);
  const end = table.length + 1;
  if (args.length === 2) {
    vm.setRaw(table, end, args[1]);
    return;
  }
  if (args.length !== 3) throw new LuaError("wrong number of arguments to 'insert'", true);
  const at = integerAt(args, 1);
  vm.spend(Math.max(0, end - at));
  for (let i = end; i > at; i--) vm.setRaw(table, i, table.get(i - 1));
  vm.setRaw(table, at, args[2]);
}

function remove(args: LuaValue[], vm: Vm): LuaValue | LuaValue[] {
  const table = tableAt(args, 0);
  const size = table.length;
  const at = optionalIntegerAt(args, 1, size);
  if (!(at >= 1 && at <= size)) return [];
  const value = table.get(at);
  vm.spend(size - at);
  for (let i = at; i < size; i++) table.set(i, table.get(i + 1));
  table.set(size, undefined);
  return value;
}

function sort(args: LuaValue[], vm: Vm): undefined {
  const table = tableAt(args, 0);
  const compare = args[1];
  if (compare !== undefined && !isCallable(compare)) wrongType(args, 1, 'function');
  const size = table.length;
  const values: LuaValue[] = [];
  for (let i = 1; i <= size; i++) values.push(table.get(i));
  const isLess = (a: LuaValue, b: LuaValue): boolean => {
    vm.spend(1);
    return compare === undefined ? lessThan(vm, a, b) : isTrue(vm.call(compare, [a, b])[0]);
  };
  values.sort((a, b) => (isLess(a, b) ? -1 : isLess(b, a) ? 1 : 0));
  for (let i = 0; i < size; i++) table.set(i + 1, values[i]);
}

export const tables: Library = {
  concat,
  foreach: (args, vm) => {
    const table = tableAt(args, 0);
    for (let place = table.nextPlace(undefined); place >= 0; ) {
      const key = table.keyAt(place);
      const [result] = vm.call(args[1], [key, table.valueAt(place)]);
      if (result !== undefined) return result;
      place = table.nextPlace(key);
    }
    return undefined;
  },
  foreachi: (args, vm) => {
    const table = tableAt(args, 0);
    const size = table.length;
    for (let i = 1; i <= size; i++) {
      const [result] = vm.call(args[1], [i, table.get(i)]);
      if (result !== undefined) return result;
    }
    return undefined;
  },
  getn: (args) => tableAt(args, 0).length,
  insert,
  maxn: (args, vm) => {
    const table = tableAt(args, 0);
    let max = 0;
    for (let place = table.nextPlace(undefined); place >= 0; ) {
      vm.spend(1);
      const key = table.keyAt(place);
      if (typeof key === 'number' && key > max) max = key;
      place = table.nextPlace(key);
    }
    return max;
  },
  move: (args, vm) => {
    const source = tableAt(args, 0);
    const [from, to, at] = [integerAt(args, 1), integerAt(args, 2), integerAt(args, 3)];
    const target = args[4] === undefined ? source : tableAt(args, 4);
    if (to < from) return target;
    if (to - from > vm.limits.memoryBytes) throw new ArgumentError(3, 'too many elements to move');
    vm.spend(to - from);
    if (at > from) for (let i = to - from; i >= 0; i--) vm.setRaw(target, at + i, source.get(from + i));
    else for (let i = 0; i <= to - from; i++) vm.setRaw(target, at + i, source.get(from + i));
    return target;
  },
  pack: (args, vm) => {
    const table = vm.newTable();
    vm.fill(table, 1, args);
    vm.setRaw(table, 'n', args.length);
    return table;
  },
  remove,
  sort,
  unpack,
};
