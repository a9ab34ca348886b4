// What a library is: native functions by name, in a table of a machine.
import { LuaTable, type LuaValue, NativeFunction, type NativeResult } from '../values.ts';
import type { Vm } from '../vm.ts';

export type NativeBody = (args: LuaValue[], vm: Vm) => NativeResult;
export type Library = Readonly<Record<string, NativeBody>>;

export function fillTable(table: LuaTable, library: Library): LuaTable {
  for (const [name, body] of Object.entries(library)) table.set(name, new NativeFunction(name, body));
  return table;
}

export function libraryTable(library: Library): LuaTable {
  return fillTable(new LuaTable(), library);
}
