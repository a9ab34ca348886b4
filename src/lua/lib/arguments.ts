// How native functions read their arguments. They are counted from 1 in messages, from 0 here.
import { numberText } from '../number-text.ts';
import { toNumber } from '../operators.ts';
import { ArgumentError, LuaTable, type LuaValue, typeName } from '../values.ts';

export function wrongType(args: LuaValue[], at: number, wanted: string): never {
  const got = at >= args.length ? 'no value' : typeName(args[at]);
  throw new ArgumentError(at + 1, `${wanted} expected, got ${got}`);
}

export function stringAt(args: LuaValue[], at: number): string {
  const value = args[at];
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  return wrongType(args, at, 'string');
}

export function optionalStringAt(args: LuaValue[], at: number): string | undefined {
  return args[at] === undefined ? undefined : stringAt(args, at);
}

export function numberAt(args: LuaValue[], at: number): number {
  const n = toNumber(args[at]);
  return n === undefined ? wrongType(args, at, 'number') : n;
}

export function integerAt(args: LuaValue[], at: number): number {
  const n = Math.trunc(numberAt(args, at));
  return Number.isNaN(n) ? 0 : n;
}

export function optionalIntegerAt(args: LuaValue[], at: number, fallback: number): number {
  return args[at] === undefined ? fallback : integerAt(args, at);
}

export function tableAt(args: LuaValue[], at: number): LuaTable {
  const value = args[at];
  return value instanceof LuaTable ? value : wrongType(args, at, 'table');
}

export function anyAt(args: LuaValue[], at: number): LuaValue {
  if (at >= args.length) throw new ArgumentError(at + 1, 'value expected');
  return args[at];
}
