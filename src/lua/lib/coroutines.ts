// The library coroutine, and the little of debug that tells where a program is.
import {
  ArgumentError,
  Coroutine,
  isCallable,
  LuaError,
  LuaFunction,
  type LuaValue,
  NativeFunction,
} from '../values.ts';
import { lineOf, type Vm, YIELD } from '../vm.ts';
import { optionalStringAt, stringAt, wrongType } from './arguments.ts';
import type { Library } from './library.ts';

const COROUTINE_BYTES = 240;
const MAX_TRACE = 20;

function create(args: LuaValue[], vm: Vm): Coroutine {
  const [body] = args;
  if (!isCallable(body)) return wrongType(args, 0, 'function');
  vm.allocate(COROUTINE_BYTES);
  return new Coroutine(body);
}

function coroutineAt(args: LuaValue[]): Coroutine {
  const [coroutine] = args;
  if (!(coroutine instanceof Coroutine)) throw new ArgumentError(1, 'coroutine expected');
  return coroutine;
}

export const coroutines: Library = {
  create,
  isyieldable: (_, vm) => vm.current?.nativeDepth === 0,
  resume: (args, vm) => {
    const coroutine = coroutineAt(args);
    if (coroutine.status !== 'suspended') return [false, cannotResume(coroutine)];
    try {
      return [true, ...vm.resume(coroutine, args.slice(1))];
    } catch (e) {
      if (e instanceof LuaError && !e.isFinal) return [false, e.value];
      throw e;
    }
  },
  running: (_, vm) => [vm.current ?? undefined, false],
  status: (args) => coroutineAt(args).status,
  wrap: (args, vm) => {
    const coroutine = create(args, vm);
    return new NativeFunction('wrap', (values: LuaValue[], running: Vm) => {
      if (coroutine.status !== 'suspended') throw new LuaError(cannotResume(coroutine), true);
      return running.resume(coroutine, values);
    });
  },
  yield: (args, vm) => {
    vm.yielded = args;
    return YIELD;
  },
};

function cannotResume({ status }: Coroutine): string {
  return status === 'dead' ? 'cannot resume dead coroutine' : 'cannot resume non-suspended coroutine';
}

export const debug: Library = {
  getinfo: (args, vm) => {
    const [what] = args;
    const frames = vm.current?.frames ?? [];
    const frame = typeof what === 'number' ? frames[frames.length - what] : undefined;
    const fn = what instanceof LuaFunction ? what : frame?.fn;
    if (frame === undefined && !(what instanceof LuaFunction) && !(what instanceof NativeFunction)) return undefined;
    const table = vm.newTable();
    const proto = fn?.proto;
    vm.setRaw(table, 'what', proto === undefined ? 'C' : proto.line === 0 ? 'main' : 'Lua');
    vm.setRaw(table, 'source', proto === undefined ? '=[C]' : `=${proto.chunk}`);
    vm.setRaw(table, 'short_src', proto?.chunk ?? '[C]');
    vm.setRaw(table, 'linedefined', proto?.line ?? -1);
    vm.setRaw(table, 'currentline', frame === undefined ? -1 : lineOf(frame));
    if (fn !== null && fn !== undefined) vm.setRaw(table, 'func', fn);
    return table;
  },
  traceback: (args, vm) => {
    if (args[0] !== undefined && typeof args[0] !== 'string' && typeof args[0] !== 'number') return args[0];
    const message = optionalStringAt(args, 0);
    const lines = [message === undefined ? 'stack traceback:' : `${stringAt(args, 0)}\nstack traceback:`];
    const frames = [...(vm.current?.frames ?? [])].reverse().slice(0, MAX_TRACE);
    for (const frame of frames) {
      const { proto } = frame;
      if (proto === null) continue;
      const where = proto.line === 0 ? 'in main chunk' : `in function <${proto.chunk}:${proto.line}>`;
      lines.push(`\t${proto.chunk}:${lineOf(frame)}: ${where}`);
    }
    const text = lines.join('\n');
    vm.allocateString(text.length);
    return text;
  },
};
