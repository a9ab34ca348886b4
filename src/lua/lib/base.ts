// The basic functions: pairs, tostring, pcall, load …
import { chunkName, compile } from '../compiler.ts';
import { numberText, parseInBase, parseNumber } from '../number-text.ts';
import { index, isTrue, metamethod, metatableOf } from '../operators.ts';
import {
  ArgumentError,
  isCallable,
  LuaError,
  LuaFunction,
  LuaTable,
  type LuaValue,
  NativeFunction,
  typeName,
  Userdata,
} from '../values.ts';
import type { Vm } from '../vm.ts';
import { anyAt, integerAt, numberAt, optionalStringAt, stringAt, tableAt, wrongType } from './arguments.ts';
import type { Library } from './library.ts';

/** Text of all pieces that load() reads. */
const MAX_SOURCE = 1 << 20;
const MAX_UNPACK = 8000;

export function textOf(vm: Vm, value: LuaValue): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return numberText(value);
    case 'undefined':
      return 'nil';
    case 'boolean':
      return String(value);
    default: {
      const handler = metamethod(vm, value, '__tostring');
      if (handler === undefined) return `${typeName(value)}: ${vm.identity(value)}`;
      const text = vm.call(handler, [value])[0];
      if (typeof text !== 'string') throw new LuaError("'tostring' must return a string to 'print'");
      return text;
    }
  }
}

function next(args: LuaValue[]): LuaValue[] {
  const table = tableAt(args, 0);
  const place = table.nextPlace(args[1]);
  if (place === -2) throw new LuaError("invalid key to 'next'", true);
  return place < 0 ? [undefined] : [table.keyAt(place), table.valueAt(place)];
}
const NEXT = new NativeFunction('next', next);

const IPAIRS_STEP = new NativeFunction('ipairs', (args: LuaValue[], vm: Vm): LuaValue[] => {
  const n = (args[1] as number) + 1;
  const value = args[0] instanceof LuaTable && args[0].metatable === null ? args[0].get(n) : index(vm, args[0], n, -1);
  return value === undefined ? [undefined] : [n, value];
});

/** The function at a level of calls, or an argument that is one. */
function functionAt(vm: Vm, args: LuaValue[]): LuaFunction | null {
  const value = args[0];
  if (value instanceof LuaFunction) return value;
  if (value instanceof NativeFunction) return null;
  const level = value === undefined ? 1 : numberAt(args, 0);
  if (level < 0) throw new ArgumentError(1, 'level must be non-negative');
  const frames = vm.current?.frames ?? [];
  const fn = level === 0 ? null : frames[frames.length - level]?.fn;
  if (fn === undefined) throw new ArgumentError(1, 'invalid level');
  return fn;
}

function load(vm: Vm, source: string, name: string, env: LuaTable): LuaValue[] {
  if (source.startsWith('\x1b')) return [undefined, 'attempt to load chunk with wrong mode'];
  vm.spend(source.length >> 2);
  vm.allocate(source.length * 8);
  try {
    return [new LuaFunction(compile(source, chunkName(name)), [], env)];
  } catch (e) {
    if (e instanceof LuaError) return [undefined, e.value];
    throw e;
  }
}

function sourceOf(vm: Vm, chunk: LuaValue): string {
  if (typeof chunk === 'string') return chunk;
  let source = '';
  for (;;) {
    const piece = vm.call(chunk, [])[0];
    if (piece === undefined || piece === '') return source;
    if (typeof piece !== 'string') throw new LuaError('reader function must return a string');
    source += piece;
    if (source.length > MAX_SOURCE) throw new LuaError('chunk is too long');
  }
}

export const base: Library = {
  assert: (args) => {
    if (isTrue(anyAt(args, 0))) return args;
    throw new LuaError(args.length < 2 ? 'assertion failed!' : args[1]);
  },
  collectgarbage: (args, vm) => {
    const option = optionalStringAt(args, 0) ?? 'collect';
    switch (option) {
      case 'count':
        return vm.memoryBytes / 1024;
      case 'step':
        return true;
      case 'collect':
      case 'stop':
      case 'restart':
      case 'setpause':
      case 'setstepmul':
        return 0;
      case 'isrunning':
        return true;
      default:
        throw new ArgumentError(1, `invalid option '${option}'`);
    }
  },
  error: (args, vm) => {
    const level = args[1] === undefined ? 1 : integerAt(args, 1);
    const [value] = args;
    throw new LuaError(typeof value === 'string' && level > 0 ? vm.place(level) + value : value);
  },
  gcinfo: (_, vm) => Math.floor(vm.memoryBytes / 1024),
  getfenv: (args, vm) => functionAt(vm, args)?.env ?? vm.globals,
  getmetatable: (args, vm) => {
    anyAt(args, 0);
    const protectedBy = metamethod(vm, args[0], '__metatable');
    return [protectedBy ?? metatableOf(vm, args[0]) ?? undefined];
  },
  ipairs: (args, vm) => {
    const handler = metamethod(vm, args[0], '__ipairs');
    if (handler !== undefined) return vm.call(handler, [args[0]]).slice(0, 3);
    return [IPAIRS_STEP, tableAt(args, 0), 0];
  },
  next,
  load: (args, vm) => {
    const [chunk, , mode, env] = args;
    if (typeof chunk !== 'string' && !isCallable(chunk)) return wrongType(args, 0, 'function');
    if (typeof mode === 'string' && !mode.includes('t')) return [undefined, 'attempt to load chunk with wrong mode'];
    const name = optionalStringAt(args, 1) ?? (typeof chunk === 'string' ? chunk : '=(load)');
    return load(vm, sourceOf(vm, chunk), name, env instanceof LuaTable ? env : vm.globals);
  },
  loadstring: (args, vm) => {
    const source = stringAt(args, 0);
    return load(vm, source, optionalStringAt(args, 1) ?? source, vm.globals);
  },
  pairs: (args, vm) => {
    const handler = metamethod(vm, args[0], '__pairs');
    if (handler !== undefined) return vm.call(handler, [args[0]]).slice(0, 3);
    return [NEXT, tableAt(args, 0), undefined];
  },
  rawequal: (args) => anyAt(args, 0) === anyAt(args, 1),
  rawget: (args) => [tableAt(args, 0).get(anyAt(args, 1))],
  rawlen: (args) => (typeof args[0] === 'string' ? args[0].length : tableAt(args, 0).length),
  rawset: (args, vm) => {
    const table = tableAt(args, 0);
    vm.setRaw(table, anyAt(args, 1), anyAt(args, 2));
    return table;
  },
  select: (args) => {
    if (args[0] === '#') return args.length - 1;
    const at = integerAt(args, 0);
    if (at === 0 || at < 1 - args.length) throw new ArgumentError(1, 'index out of range');
    return at < 0 ? args.slice(at) : args.slice(at);
  },
  setfenv: (args, vm) => {
    const env = tableAt(args, 1);
    if (args[0] === 0) throw new LuaError("'setfenv' cannot change the environment of a thread", true);
    const fn = functionAt(vm, args);
    if (fn === null) throw new LuaError("'setfenv' cannot change environment of given object", true);
    fn.env = env;
    return fn;
  },
  setmetatable: (args, vm) => {
    const table = tableAt(args, 0);
    const metatable = args[1];
    if (args.length < 2 || (metatable !== undefined && !(metatable instanceof LuaTable))) {
      throw new ArgumentError(2, 'nil or table expected');
    }
    if (metamethod(vm, table, '__metatable') !== undefined)
      throw new LuaError('cannot change a protected metatable', true);
    table.metatable = metatable ?? null;
    return table;
  },
  tonumber: (args) => {
    const base = args[1] === undefined ? 10 : integerAt(args, 1);
    if (base === 10) {
      const value = anyAt(args, 0);
      return [typeof value === 'number' ? value : typeof value === 'string' ? parseNumber(value) : undefined];
    }
    if (base < 2 || base > 36) throw new ArgumentError(2, 'base out of range');
    return [parseInBase(stringAt(args, 0), base)];
  },
  tostring: (args, vm) => textOf(vm, anyAt(args, 0)),
  type: (args) => typeName(anyAt(args, 0)),
  unpack: (args, vm) => unpack(args, vm),
};

export function unpack(args: LuaValue[], vm: Vm): LuaValue[] {
  const from = args[1] === undefined ? 1 : integerAt(args, 1);
  const table = args[0] instanceof Userdata ? wrongType(args, 0, 'table') : tableAt(args, 0);
  const to = args[2] === undefined ? table.length : integerAt(args, 2);
  if (from > to) return [];
  if (to - from >= MAX_UNPACK) throw new LuaError('too many results to unpack', true);
  const values: LuaValue[] = [];
  for (let i = from; i <= to; i++) values.push(table.get(i));
  vm.spend(values.length >> 2);
  return values;
}
