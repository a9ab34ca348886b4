// Metadata and Lua values: JSON with text in Unicode there, bytes here.
import { utf8Bytes } from '../../../formatter/byte-text.ts';
import { toText } from '../../../lua/text.ts';
import { LuaError, LuaTable, type LuaValue, typeName } from '../../../../lua/values.ts';
import type { Vm } from '../../../../lua/vm.ts';

/** Tables in tables. */
const MAX_DEPTH = 100;

export function toLua(vm: Vm, value: unknown): LuaValue {
  switch (typeof value) {
    case 'boolean':
    case 'number':
      return value;
    case 'bigint':
      return Number(value);
    case 'string': {
      const bytes = utf8Bytes(value);
      vm.allocateString(bytes.length);
      return bytes;
    }
    case 'object':
      if (value === null) return undefined;
      return Array.isArray(value) ? listToLua(vm, value) : tableToLua(vm, value as Record<string, unknown>);
    default:
      return undefined;
  }
}

function listToLua(vm: Vm, list: readonly unknown[]): LuaTable {
  const table = vm.newTable();
  vm.fill(
    table,
    1,
    list.map((value) => toLua(vm, value)),
  );
  return table;
}

export function tableToLua(vm: Vm, fields: Readonly<Record<string, unknown>>): LuaTable {
  const table = vm.newTable();
  for (const [key, value] of Object.entries(fields)) vm.setRaw(table, utf8Bytes(key), toLua(vm, value));
  return table;
}

export function fromLua(vm: Vm, value: LuaValue, depth = 0): unknown {
  if (depth > MAX_DEPTH) throw new LuaError('tables in dynamicMetadata are nested too deeply', true);
  vm.spend(1);
  switch (typeof value) {
    case 'undefined':
      return null;
    case 'number':
    case 'boolean':
      return value;
    case 'string':
      return toText(value.split('\0', 1)[0] as string);
    default:
      if (value instanceof LuaTable) return fromTable(vm, value, depth);
      throw new LuaError(`unexpected type '${typeName(value)}' in dynamicMetadata`, true);
  }
}

function fromTable(vm: Vm, table: LuaTable, depth: number): unknown {
  const length = listLength(vm, table);
  if (length > 0) {
    const list: unknown[] = [];
    for (let i = 1; i <= length; i++) list.push(fromLua(vm, table.get(i), depth + 1));
    return list;
  }
  const fields: Record<string, unknown> = {};
  for (let place = table.nextPlace(undefined); place >= 0; ) {
    const key = table.keyAt(place);
    if (typeof key !== 'string') {
      throw new LuaError(`unexpected type ${typeName(key)} in table key (only string keys are supported)`, true);
    }
    Object.defineProperty(fields, toText(key), {
      value: fromLua(vm, table.valueAt(place), depth + 1),
      enumerable: true,
      writable: true,
      configurable: true,
    });
    place = table.nextPlace(key);
  }
  return fields;
}

/** How long a table is that has whole numbers for keys alone, -1 for any other. */
function listLength(vm: Vm, table: LuaTable): number {
  let max = 0;
  for (let place = table.nextPlace(undefined); place >= 0; ) {
    const key = table.keyAt(place);
    if (typeof key !== 'number' || !Number.isInteger(key) || key < 1) return -1;
    max = Math.max(max, key);
    place = table.nextPlace(key);
  }
  // A list of gaps is as long as its last entry says, and paid for.
  vm.spend(max);
  return max;
}
