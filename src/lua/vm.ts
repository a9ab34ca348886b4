// The machine that runs compiled Lua: one per program. It never runs longer, nor holds more, than its limits say.
import { NAMES_PER_INSTRUCTION } from './compiler.ts';
import { ENTRY_BYTES, FUNCTION_BYTES, measureLive, STRING_BYTES, TABLE_BYTES } from './memory.ts';
import type { Prototype } from './opcodes.ts';
import {
  arithmetic,
  concatenate,
  equals,
  index,
  length,
  lessOrEqual,
  lessThan,
  metamethod,
  modulo,
  power,
  setIndex,
  shown,
  toNumber,
} from './operators.ts';
import {
  ArgumentError,
  Box,
  type Coroutine,
  type Frame,
  LuaError,
  LuaFunction,
  LuaTable,
  NativeFunction,
} from './values.ts';
import type { LuaValue, NativeResult } from './values.ts';

export type Limits = {
  /** Instructions of one run, from one wait to the next. */
  instructions: number;
  /** Bytes that the program may hold, as far as they are known. */
  memoryBytes: number;
};

/** Calls in a row. */
const MAX_FRAMES = 10_000;
/** Native functions that call back, in a row: each is a stack frame of the host's. */
const MAX_NATIVE_DEPTH = 150;
/** Bytes that are copied in the time of one instruction, about. */
const BYTES_PER_INSTRUCTION = 64;

/** What looking at one value costs when memory is measured. */
const INSTRUCTIONS_PER_VISIT = 8;

/** What a native function returns that waits: `vm.yielded` goes to whoever resumes. */
export const YIELD: LuaValue[] = [];

export class Vm {
  /** The machine's own: they may change between runs. */
  readonly limits: Limits;
  readonly globals = new LuaTable();
  stringMetatable: LuaTable | null = null;
  /** Instructions that are left of this run. */
  fuel: number;
  /** Values of the last yield. */
  yielded: LuaValue[] = [];
  current: Coroutine | null = null;
  /** Programs of the host that wait, which hold memory, too. */
  readonly waiting = new Set<Coroutine>();
  /** The host's values that scripts may reach at any time. */
  readonly pinned: unknown[] = [];
  #allocated = 0;
  #measureAt: number;
  #live = 0;
  #nativeDepth = 0;
  #identities: WeakMap<object, number> | null = null;
  #lastIdentity = 0;

  constructor(limits: Limits) {
    this.limits = { ...limits };
    this.fuel = limits.instructions;
    this.#measureAt = limits.memoryBytes / 2;
  }

  /** Bytes in use, about. */
  get memoryBytes(): number {
    return this.#live + this.#allocated;
  }

  /** Accounts for something new. Throws when the program holds too much. */
  allocate(bytes: number): void {
    this.#allocated += bytes;
    if (this.#allocated > this.#measureAt) this.#measure();
  }

  /** The same for a string, before it is made. */
  allocateString(chars: number): void {
    if (chars > this.limits.memoryBytes) this.#failMemory();
    this.fuel -= (chars / BYTES_PER_INSTRUCTION) | 0;
    this.allocate(STRING_BYTES + chars);
  }

  /** Accounts for work of a native function. Throws when the budget is used up. */
  spend(instructions: number): void {
    this.fuel -= instructions;
    if (this.fuel < 0) this.#failFuel();
  }

  #measure(): void {
    const { memoryBytes: limit } = this.limits;
    const roots: unknown[] = [this.globals, this.current, ...this.waiting, ...this.pinned];
    for (const coroutine of this.#resumers) roots.push(coroutine);
    const { bytes, cost } = measureLive(roots);
    this.fuel -= cost * INSTRUCTIONS_PER_VISIT;
    this.#live = bytes;
    this.#allocated = 0;
    if (bytes > limit) this.#failMemory();
    this.#measureAt = Math.max((limit - bytes) / 2, limit / 8);
  }
  readonly #resumers: Coroutine[] = [];

  #failMemory(): never {
    throw new LuaError(`not enough memory (limit is ${this.limits.memoryBytes} bytes)`, true, true);
  }

  #failFuel(): never {
    const { instructions } = this.limits;
    throw new LuaError(`script ran for too long (limit is ${instructions} instructions)`, true, true);
  }

  /** A name for an object that tells it from others. */
  identity(object: object): string {
    this.#identities ??= new WeakMap();
    let id = this.#identities.get(object);
    if (id === undefined) {
      id = ++this.#lastIdentity;
      this.#identities.set(object, id);
    }
    return `0x${(0x7f0000000000 + id * 40).toString(16)}`;
  }

  setRaw(table: LuaTable, key: LuaValue, value: LuaValue): void {
    if (key === undefined) throw new LuaError('table index is nil', true);
    if (Number.isNaN(key)) throw new LuaError('table index is NaN', true);
    if (table.set(key, value)) this.allocate(ENTRY_BYTES);
  }

  /** Sets a row of values; gaps stay part of the list where it goes on behind them. */
  fill(table: LuaTable, from: number, values: readonly LuaValue[]): void {
    this.allocate(values.length * ENTRY_BYTES);
    table.fill(from, values);
  }

  newTable(): LuaTable {
    this.allocate(TABLE_BYTES);
    return new LuaTable();
  }

  /** Calls from native code: it cannot be yielded across. Throws LuaError. */
  call(callee: LuaValue, args: LuaValue[]): LuaValue[] {
    const coroutine = this.current;
    if (coroutine === null) throw new Error('no program is running');
    const floor = coroutine.frames.length;
    this.#enterNative();
    coroutine.nativeDepth++;
    try {
      const results = this.#begin(coroutine, callee, args, floor) ?? this.#execute(coroutine, floor);
      if (results === YIELD) throw new LuaError('attempt to yield across C-call boundary', true);
      return results;
    } finally {
      coroutine.nativeDepth--;
      this.#nativeDepth--;
      coroutine.frames.length = Math.min(coroutine.frames.length, floor);
    }
  }

  #enterNative(): void {
    if (++this.#nativeDepth > MAX_NATIVE_DEPTH) {
      this.#nativeDepth--;
      throw new LuaError('C stack overflow', true);
    }
  }

  /**
   * Starts or goes on with a coroutine: what it yields or returns (`coroutine.status` says which).
   * Throws a LuaError when it fails, which ends it.
   */
  resume(coroutine: Coroutine, values: LuaValue[]): LuaValue[] {
    const resumer = this.current;
    this.#enterNative();
    if (resumer !== null) {
      resumer.status = 'normal';
      this.#resumers.push(resumer);
    }
    coroutine.status = 'running';
    this.current = coroutine;
    let isOver = true;
    try {
      let results: LuaValue[] | null;
      if (coroutine.start !== undefined) {
        const { start } = coroutine;
        coroutine.start = undefined;
        results = this.#begin(coroutine, start, values, 0);
      } else {
        results = this.#finish(coroutine, 0, values);
      }
      results ??= this.#execute(coroutine, 0);
      if (results !== YIELD) return results;
      isOver = false;
      return this.yielded;
    } catch (e) {
      throw this.#worded(e);
    } finally {
      this.#nativeDepth--;
      coroutine.status = isOver ? 'dead' : 'suspended';
      if (isOver) coroutine.frames.length = 0;
      this.current = resumer;
      if (resumer !== null) {
        resumer.status = 'running';
        this.#resumers.pop();
      }
    }
  }

  /** Pushes the callee's frame, or runs a native function: its results then, unless they go to a pcall. */
  #begin(coroutine: Coroutine, callee: LuaValue, args: LuaValue[], floor: number): LuaValue[] | null {
    let fn = callee;
    for (let step = 0; !(fn instanceof LuaFunction) && !(fn instanceof NativeFunction); step++) {
      const handler = metamethod(this, fn, '__call');
      if (handler === undefined || step > 10) throw new LuaError(`attempt to call ${shown(callee)}`, true);
      args.unshift(fn);
      fn = handler;
    }
    if (fn instanceof LuaFunction) {
      coroutine.frames.push(this.#frameOf(coroutine, fn, args));
      return null;
    }
    if (fn.isProtectedCall) {
      const isExtended = fn.name === 'xpcall';
      if (args.length < (isExtended ? 2 : 1)) throw new ArgumentError(args.length + 1, 'value expected');
      coroutine.frames.push(pcallPlace(isExtended ? args[1] : undefined));
      const callArgs = args.slice(isExtended ? 2 : 1);
      try {
        return this.#begin(coroutine, args[0], callArgs, floor);
      } catch (e) {
        return this.#recover(coroutine, floor, e);
      }
    }
    const results = fn.fn(args, this as never);
    if (results === YIELD) {
      if (coroutine.nativeDepth > 0) throw new LuaError('attempt to yield across C-call boundary', true);
      return YIELD;
    }
    return this.#finish(coroutine, floor, Array.isArray(results) ? results : results === undefined ? [] : [results]);
  }

  #frameOf(coroutine: Coroutine, fn: LuaFunction, args: LuaValue[]): Frame {
    if (coroutine.frames.length >= MAX_FRAMES) throw new LuaError('stack overflow', true);
    const { proto } = fn;
    const registers: (LuaValue | Box)[] = new Array(proto.registers);
    const { parameters } = proto;
    for (let i = 0; i < parameters; i++) registers[i] = args[i];
    return makeFrame(fn, proto, registers, proto.isVararg ? args.slice(parameters) : null);
  }

  /** Results go to whoever called; the host's own when nobody is left above `floor`, else null. */
  #finish(coroutine: Coroutine, floor: number, values: LuaValue[]): LuaValue[] | null {
    const { frames } = coroutine;
    let results = values;
    for (;;) {
      if (frames.length === floor) return results;
      const frame = frames[frames.length - 1] as Frame;
      if (frame.proto !== null) {
        put(frame, results);
        return null;
      }
      frames.pop();
      results = [true, ...results];
    }
  }

  #execute(coroutine: Coroutine, floor: number): LuaValue[] {
    for (;;) {
      try {
        return this.#run(coroutine, floor);
      } catch (e) {
        const results = this.#recover(coroutine, floor, e);
        if (results !== null) return results;
      }
    }
  }

  /** Goes back to the last pcall above `floor`. Throws the error when there is none. */
  #recover(coroutine: Coroutine, floor: number, e: unknown): LuaValue[] | null {
    const error = this.#worded(e);
    const { frames } = coroutine;
    let at = frames.length - 1;
    while (at >= floor && (frames[at] as Frame).proto !== null) at--;
    if (error.isFinal || at < floor) throw error;
    let { value } = error;
    const { handler } = frames[at] as Frame;
    if (handler !== undefined) {
      try {
        value = this.call(handler, [value])[0];
      } catch (second) {
        const worded = this.#worded(second);
        if (worded.isFinal) throw worded;
        value = 'error in error handling';
      }
    }
    frames.length = at;
    return this.#finish(coroutine, floor, [false, value]);
  }

  /** Any exception as a LuaError with its place. */
  #worded(e: unknown): LuaError {
    let error: LuaError;
    if (e instanceof LuaError) error = e;
    else if (e instanceof ArgumentError) error = new LuaError(this.#argumentText(e), true);
    else if (e instanceof RangeError) error = new LuaError('stack overflow', true);
    else throw e;
    if (error.needsPlace && typeof error.value === 'string') error.value = this.place(1) + error.value;
    error.needsPlace = false;
    return error;
  }

  #argumentText({ index: at, reason }: ArgumentError): string {
    const frame = this.#top();
    const name = frame === null ? undefined : this.#nameOf(frame, 0);
    const [, kind, text] = /^(\w+) '(.*)'$/.exec(name ?? '') ?? [];
    if (kind === 'method') {
      if (at === 1) return `calling '${text}' on bad self`;
      return `bad argument #${at - 1} to '${text}' (${reason})`;
    }
    return `bad argument #${at} to '${text ?? '?'}' (${reason})`;
  }

  #top(): Frame | null {
    const frame = this.current?.frames.at(-1);
    return frame === undefined || frame.proto === null ? null : frame;
  }

  /** 'chunk:line: ' of the function `level` calls up, '' when it is none of Lua. */
  place(level: number): string {
    const frames = this.current?.frames ?? [];
    const frame = frames[frames.length - level];
    if (frame === undefined || frame.proto === null) return '';
    return `${frame.proto.chunk}:${lineOf(frame)}: `;
  }

  #nameOf(frame: Frame, operand: number): string | undefined {
    return frame.proto?.names.get((frame.pc / 4 - 1) * NAMES_PER_INSTRUCTION + operand);
  }

  /** "local 'x' (a nil value)" of an operand of the present instruction, or without a name. */
  described(operand: number, value: LuaValue): string {
    const frame = this.#top();
    const name = frame === null ? undefined : this.#nameOf(frame, operand);
    return name === undefined ? shown(value) : `${name} (${shown(value)})`;
  }

  /** A call instruction: true when a frame was pushed or results are put, the host's results, or YIELD. */
  #callFrom(coroutine: Coroutine, frame: Frame, callee: LuaValue, args: LuaValue[], floor: number): LuaValue[] | null {
    if (!(callee instanceof LuaFunction) && !(callee instanceof NativeFunction)) {
      if (metamethod(this, callee, '__call') === undefined) {
        throw new LuaError(`attempt to call ${this.described(0, callee)}`, true);
      }
    }
    if (callee instanceof NativeFunction && !callee.isProtectedCall) {
      const results: NativeResult = callee.fn(args, this as never);
      if (results === YIELD) {
        if (coroutine.nativeDepth > 0) throw new LuaError('attempt to yield across C-call boundary', true);
        return YIELD;
      }
      if (frame.resultCount === 1) {
        frame.registers[frame.resultAt] = Array.isArray(results) ? results[0] : results;
      } else {
        put(frame, Array.isArray(results) ? results : results === undefined ? [] : [results]);
      }
      return null;
    }
    return this.#begin(coroutine, callee, args, floor);
  }

  #run(coroutine: Coroutine, floor: number): LuaValue[] {
    const { frames } = coroutine;
    for (;;) {
      const frame = frames[frames.length - 1] as Frame;
      const result = this.#runFrame(coroutine, frame, floor);
      if (result !== null) return result;
    }
  }

  /** Runs until the frame on top changes (null), or there is something for the host. */
  #runFrame(coroutine: Coroutine, frame: Frame, floor: number): LuaValue[] | null {
    const { frames } = coroutine;
    const fn = frame.fn as LuaFunction;
    const { code, constants: k } = frame.proto as Prototype;
    const r = frame.registers as LuaValue[];
    let pc = frame.pc;
    if (pc === 0) for (const n of (frame.proto as Prototype).boxedParameters) boxes(r)[n] = new Box(r[n]);
    for (;;) {
      const op = code[pc] as number;
      const a = code[pc + 1] as number;
      const b = code[pc + 2] as number;
      const c = code[pc + 3] as number;
      pc += 4;
      frame.pc = pc;
      if (--this.fuel < 0) this.#failFuel();
      // Numbers as literals: only then the engine makes a table of jumps. They are those of `Op`.
      switch (op) {
        case 0 /* MOVE */:
          r[a] = r[b];
          break;
        case 1 /* LOADK */:
          r[a] = k[~b];
          break;
        case 2 /* LOADNIL */:
          for (let i = a; i <= b; i++) r[i] = undefined;
          break;
        case 3 /* LOADBOOL */:
          r[a] = b === 1;
          break;
        case 4 /* GETUPVAL */:
          r[a] = (fn.upvalues[b] as Box).value;
          break;
        case 5 /* SETUPVAL */:
          (fn.upvalues[b] as Box).value = a < 0 ? k[~a] : r[a];
          break;
        case 6 /* GETGLOBAL */:
          {
            const value = fn.env.get(k[~b]);
            r[a] = value === undefined && fn.env.metatable !== null ? index(this, fn.env, k[~b], -1) : value;
            break;
          }
        case 7 /* SETGLOBAL */:
          setIndex(this, fn.env, k[~b], a < 0 ? k[~a] : r[a], -1);
          break;
        case 8 /* GETTABLE */:
          {
            const object = r[b];
            const key = c < 0 ? k[~c] : r[c];
            if (object instanceof LuaTable) {
              const value = object.get(key);
              if (value !== undefined || object.metatable === null) {
                r[a] = value;
                break;
              }
            }
            r[a] = index(this, object, key, 1);
            break;
          }
        case 9 /* SETTABLE */:
          {
            const object = r[a];
            const key = b < 0 ? k[~b] : r[b];
            const value = c < 0 ? k[~c] : r[c];
            if (object instanceof LuaTable && object.metatable === null) this.setRaw(object, key, value);
            else setIndex(this, object, key, value, 0);
            break;
          }
        case 10 /* NEWTABLE */:
          r[a] = this.newTable();
          break;
        case 11 /* SELF */:
          {
            const object = r[b];
            r[a + 1] = object;
            r[a] = index(this, object, k[~c], 1);
            break;
          }
        case 12 /* ADD */:
          {
            const x = b < 0 ? k[~b] : r[b];
            const y = c < 0 ? k[~c] : r[c];
            r[a] = typeof x === 'number' && typeof y === 'number' ? x + y : this.#arithmetic(0, x, y);
            break;
          }
        case 13 /* SUB */:
          {
            const x = b < 0 ? k[~b] : r[b];
            const y = c < 0 ? k[~c] : r[c];
            r[a] = typeof x === 'number' && typeof y === 'number' ? x - y : this.#arithmetic(1, x, y);
            break;
          }
        case 14 /* MUL */:
          {
            const x = b < 0 ? k[~b] : r[b];
            const y = c < 0 ? k[~c] : r[c];
            r[a] = typeof x === 'number' && typeof y === 'number' ? x * y : this.#arithmetic(2, x, y);
            break;
          }
        case 15 /* DIV */:
          {
            const x = b < 0 ? k[~b] : r[b];
            const y = c < 0 ? k[~c] : r[c];
            r[a] = typeof x === 'number' && typeof y === 'number' ? x / y : this.#arithmetic(3, x, y);
            break;
          }
        case 16 /* MOD */:
          {
            const x = b < 0 ? k[~b] : r[b];
            const y = c < 0 ? k[~c] : r[c];
            r[a] = typeof x === 'number' && typeof y === 'number' ? modulo(x, y) : this.#arithmetic(4, x, y);
            break;
          }
        case 17 /* POW */:
          {
            const x = b < 0 ? k[~b] : r[b];
            const y = c < 0 ? k[~c] : r[c];
            r[a] = typeof x === 'number' && typeof y === 'number' ? power(x, y) : this.#arithmetic(5, x, y);
            break;
          }
        case 18 /* UNM */:
          {
            const x = r[b];
            r[a] = typeof x === 'number' ? -x : arithmetic(this, 6, x, x);
            break;
          }
        case 19 /* NOT */:
          {
            const x = r[b];
            r[a] = x === undefined || x === false;
            break;
          }
        case 20 /* LEN */:
          {
            const x = r[b];
            r[a] = length(this, x, 1);
            break;
          }
        case 21 /* CONCAT */:
          {
            r[a] = concatenate(this, r.slice(b, c + 1));
            break;
          }
        case 22 /* JMP */:
          pc = a * 4;
          break;
        case 23 /* JMPIF */:
          {
            const x = r[a];
            if (x !== undefined && x !== false) pc = b * 4;
            break;
          }
        case 24 /* JMPIFNOT */:
          {
            const x = r[a];
            if (x === undefined || x === false) pc = b * 4;
            break;
          }
        case 25 /* JEQ */:
          if (equals(this, a < 0 ? k[~a] : r[a], b < 0 ? k[~b] : r[b])) pc = c * 4;
          break;
        case 26 /* JNE */:
          if (!equals(this, a < 0 ? k[~a] : r[a], b < 0 ? k[~b] : r[b])) pc = c * 4;
          break;
        case 27 /* JLT */:
          if (lessThan(this, a < 0 ? k[~a] : r[a], b < 0 ? k[~b] : r[b])) pc = c * 4;
          break;
        case 28 /* JNLT */:
          if (!lessThan(this, a < 0 ? k[~a] : r[a], b < 0 ? k[~b] : r[b])) pc = c * 4;
          break;
        case 29 /* JLE */:
          if (lessOrEqual(this, a < 0 ? k[~a] : r[a], b < 0 ? k[~b] : r[b])) pc = c * 4;
          break;
        case 30 /* JNLE */:
          if (!lessOrEqual(this, a < 0 ? k[~a] : r[a], b < 0 ? k[~b] : r[b])) pc = c * 4;
          break;
        case 31 /* CALL */:
          {
            const args = valuesAt(frame, a + 1, b);
            frame.resultAt = a;
            frame.resultCount = c;
            const results = this.#callFrom(coroutine, frame, r[a], args, floor);
            if (results !== null) return results;
            if (frames[frames.length - 1] !== frame) return null;
            break;
          }
        case 32 /* TAILCALL */:
          {
            const args = valuesAt(frame, a + 1, b);
            const callee = r[a];
            if (callee instanceof LuaFunction) {
              frames.pop();
              frames.push(this.#frameOf(coroutine, callee, args));
              return null;
            }
            if (callee instanceof NativeFunction) {
              // Its caller is gone: errors are told of whoever called that one.
              frames.pop();
              return this.#begin(coroutine, callee, args, floor);
            }
            frame.resultAt = a;
            frame.resultCount = -1;
            const results = this.#callFrom(coroutine, frame, callee, args, floor);
            if (results !== null) return results;
            if (frames[frames.length - 1] !== frame) return null;
            break;
          }
        case 33 /* RETURN */:
          {
            frames.pop();
            if (frames.length > floor && b === 1) {
              const caller = frames[frames.length - 1] as Frame;
              if (caller.resultCount === 1 && caller.proto !== null) {
                caller.registers[caller.resultAt] = r[a];
                return null;
              }
            }
            return this.#finish(coroutine, floor, valuesAt(frame, a, b));
          }
        case 34 /* FORPREP */:
          prepareFor(r, a);
          pc = b * 4;
          // The first step adds it again.
          r[a] = (r[a] as number) - (r[a + 2] as number);
          break;
        case 35 /* FORLOOP */:
          {
            const step = r[a + 2] as number;
            const i = (r[a] as number) + step;
            if (step >= 0 ? i <= (r[a + 1] as number) : i >= (r[a + 1] as number)) {
              r[a] = i;
              r[a + 3] = i;
              pc = b * 4;
            }
            break;
          }
        case 36 /* TFORCALL */:
          {
            frame.resultAt = a + 3;
            frame.resultCount = c;
            const results = this.#callFrom(coroutine, frame, r[a], [r[a + 1], r[a + 2]], floor);
            if (results !== null) return results;
            if (frames[frames.length - 1] !== frame) return null;
            break;
          }
        case 37 /* TFORLOOP */:
          if (r[a + 3] !== undefined) {
            r[a + 2] = r[a + 3];
            pc = b * 4;
          }
          break;
        case 38 /* SETLIST */:
          {
            const table = r[a] as LuaTable;
            const values = valuesAt(frame, a + 1, b);
            this.fill(table, c, values);
            break;
          }
        case 39 /* CLOSURE */:
          {
            const proto = (frame.proto as Prototype).prototypes[b] as Prototype;
            this.allocate(FUNCTION_BYTES);
            const upvalues = proto.upvalues.map((at) => (at < 0 ? (fn.upvalues[~at] as Box) : (boxes(r)[at] as Box)));
            r[a] = new LuaFunction(proto, upvalues, fn.env);
            break;
          }
        case 40 /* VARARG */:
          {
            const { varargs } = frame;
            if (b < 0) frame.open = varargs === null ? [] : [...varargs];
            else for (let i = 0; i < b; i++) r[a + i] = varargs?.[i];
            break;
          }
        case 41 /* NEWBOX */:
          boxes(r)[a] = new Box(r[b]);
          break;
        case 42 /* GETBOX */:
          r[a] = (boxes(r)[b] as Box).value;
          break;
        case 43 /* SETBOX */:
          (boxes(r)[a] as Box).value = b < 0 ? k[~b] : r[b];
          break;
        default:
          throw new Error(`unknown instruction ${op}`);
      }
    }
  }

  #arithmetic(operation: number, x: LuaValue, y: LuaValue): LuaValue {
    return arithmetic(this, operation, x, y);
  }
}

/** Registers of captured variables hold boxes. */
function boxes(registers: LuaValue[]): (LuaValue | Box)[] {
  return registers as (LuaValue | Box)[];
}

function makeFrame(
  fn: LuaFunction | null,
  proto: Prototype | null,
  registers: (LuaValue | Box)[],
  varargs: LuaValue[] | null,
  handler: LuaValue = undefined,
): Frame {
  return { fn, proto, registers, pc: 0, varargs, open: null, resultAt: 0, resultCount: 0, handler, isEntry: false };
}

function pcallPlace(handler: LuaValue): Frame {
  return makeFrame(null, null, [], null, handler);
}

export function lineOf(frame: Frame): number {
  return frame.proto?.lines[Math.max(0, frame.pc / 4 - 1)] ?? 0;
}

function put(frame: Frame, results: LuaValue[]): void {
  const { registers, resultAt, resultCount } = frame;
  if (resultCount < 0) frame.open = results;
  else for (let i = 0; i < resultCount; i++) registers[resultAt + i] = results[i];
}

/** `count` values from a register on, or -1 - n: n of them and those that are open. */
function valuesAt(frame: Frame, first: number, count: number): LuaValue[] {
  const registers = frame.registers as LuaValue[];
  if (count >= 0) {
    const values: LuaValue[] = new Array(count);
    for (let i = 0; i < count; i++) values[i] = registers[first + i];
    return values;
  }
  const fixed = -1 - count;
  const open = frame.open as LuaValue[];
  frame.open = null;
  if (fixed === 0) return open;
  return [...registers.slice(first, first + fixed), ...open];
}

function prepareFor(r: LuaValue[], a: number): void {
  for (const [i, what] of ['initial value', 'limit', 'step'].entries()) {
    const value = r[a + i];
    const n = toNumber(value);
    if (n === undefined) throw new LuaError(`'for' ${what} must be a number`, true);
    r[a + i] = n;
  }
}
