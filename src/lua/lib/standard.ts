// The libraries that programs have: those of Lua 5.1 and LuaJIT without files, processes, modules and native code.
import { LuaError, LuaTable, type LuaValue, NativeFunction } from '../values.ts';
import type { Vm } from '../vm.ts';
import { base, textOf } from './base.ts';
import { coroutines, debug } from './coroutines.ts';
import { fillTable, libraryTable } from './library.ts';
import { bit, makeMath } from './numbers.ts';
import { makeOs, type OsParts } from './os.ts';
import { strings } from './strings.ts';
import { tables } from './tables.ts';

export type StandardParts = OsParts & {
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly print: (text: string) => void;
};

/** What Envoy's machine has and this one does not: who calls it is told why. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  '': 'dofile loadfile module newproxy require',
  io: 'close flush input lines open output popen read tmpfile type write',
  os: 'execute exit remove rename setlocale tmpname',
  package: 'loadlib searchpath seeall',
  debug:
    'debug getfenv gethook getlocal getmetatable getregistry getupvalue getuservalue setfenv sethook setlocal ' +
    'setmetatable setupvalue setuservalue upvalueid upvaluejoin',
};

export function openStandard(vm: Vm, parts: StandardParts): void {
  const { globals } = vm;
  fillTable(globals, base);
  for (const name of ['pcall', 'xpcall']) globals.set(name, new NativeFunction(name, () => undefined, true));
  fillTable(globals, {
    print: (args: LuaValue[], running: Vm) => {
      parts.print(args.map((value) => textOf(running, value)).join('\t'));
      return undefined;
    },
  });
  globals.set('_G', globals);
  globals.set('_VERSION', 'Lua 5.1');
  const math = libraryTable(makeMath(parts.random));
  math.set('pi', Math.PI);
  math.set('huge', Number.POSITIVE_INFINITY);
  const string = libraryTable(strings);
  const libraries: Readonly<Record<string, LuaTable>> = {
    bit: libraryTable(bit),
    coroutine: libraryTable(coroutines),
    debug: libraryTable(debug),
    io: new LuaTable(),
    math,
    os: libraryTable(makeOs(parts)),
    package: new LuaTable(),
    string,
    table: libraryTable(tables),
  };
  for (const [name, table] of Object.entries(libraries)) globals.set(name, table);
  for (const [library, names] of Object.entries(FORBIDDEN)) {
    const table = library === '' ? globals : (libraries[library] as LuaTable);
    for (const name of names.split(' ')) table.set(name, forbidden(library === '' ? name : `${library}.${name}`));
  }
  vm.stringMetatable = new LuaTable();
  vm.stringMetatable.set('__index', string);
}

function forbidden(name: string): NativeFunction {
  return new NativeFunction(name, () => {
    throw new LuaError(`${name} is not available: scripts reach no files, processes, modules or host memory`, true);
  });
}
