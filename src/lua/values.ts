// What a Lua program computes with: nil is undefined, strings hold one byte per char code, tables are LuaTable.
import type { Prototype } from './opcodes.ts';

export type LuaValue =
  | undefined
  | boolean
  | number
  | string
  | LuaTable
  | LuaFunction
  | NativeFunction
  | Coroutine
  | Userdata;

/** What a native function gives back: nothing, one value, or several in an array. */
export type NativeResult = LuaValue | LuaValue[];

/** Its results, when it is called, are those of `fn`; `vm` is typed by the machine that calls it. */
export class NativeFunction {
  readonly name: string;
  readonly fn: (args: LuaValue[], vm: never) => NativeResult;
  /** The machine itself does what it stands for. */
  readonly isProtectedCall: boolean;

  constructor(name: string, fn: (args: LuaValue[], vm: never) => NativeResult, isProtectedCall = false) {
    this.name = name;
    this.fn = fn;
    this.isProtectedCall = isProtectedCall;
  }
}

/** A local variable that inner functions share. */
export class Box {
  value: LuaValue;

  constructor(value: LuaValue) {
    this.value = value;
  }
}

export class LuaFunction {
  readonly proto: Prototype;
  readonly upvalues: readonly Box[];
  /** Where its globals are (setfenv). */
  env: LuaTable;

  constructor(proto: Prototype, upvalues: readonly Box[], env: LuaTable) {
    this.proto = proto;
    this.upvalues = upvalues;
    this.env = env;
  }
}

/** An object of the host; `kind` is what messages call its type. */
export class Userdata {
  readonly kind: string;
  readonly metatable: LuaTable;

  constructor(kind: string, metatable: LuaTable) {
    this.kind = kind;
    this.metatable = metatable;
  }
}

/** One activation of a function, or the place of a pcall whose function is being run (`proto` null). */
export type Frame = {
  readonly fn: LuaFunction | null;
  readonly proto: Prototype | null;
  readonly registers: (LuaValue | Box)[];
  pc: number;
  readonly varargs: readonly LuaValue[] | null;
  /** Values of the last call or '...' with an open number of results, which the next instruction takes. */
  open: LuaValue[] | null;
  /** Of the call that is going on in it: where the results go and how many, -1 for all. */
  resultAt: number;
  resultCount: number;
  /** Of a pcall's place. */
  readonly handler: LuaValue;
  /** Called by the host: its results are those of the host's call. */
  readonly isEntry: boolean;
};

export type CoroutineStatus = 'suspended' | 'running' | 'normal' | 'dead';

export class Coroutine {
  readonly frames: Frame[] = [];
  status: CoroutineStatus = 'suspended';
  /** What it starts with; null once it was started. */
  start: LuaValue;
  /** Native calls that are going on in it: they cannot be left and come back to. */
  nativeDepth = 0;

  constructor(start: LuaValue) {
    this.start = start;
  }
}

/** What error() raises and what goes wrong: any value. It is thrown, and has no stack of the host. */
export class LuaError {
  value: LuaValue;
  /** Nobody in the script may catch it: the budget or the memory is used up. */
  readonly isFinal: boolean;
  /** A native function raised it: the place of the call is to be put in front. */
  needsPlace: boolean;

  constructor(value: LuaValue, needsPlace = false, isFinal = false) {
    this.value = value;
    this.needsPlace = needsPlace;
    this.isFinal = isFinal;
  }
}

/** A wrong argument; the machine words it, because it knows how the function was called. */
export class ArgumentError {
  readonly index: number;
  readonly reason: string;

  constructor(index: number, reason: string) {
    this.index = index;
    this.reason = reason;
  }
}

export function typeName(value: LuaValue): string {
  switch (typeof value) {
    case 'undefined':
      return 'nil';
    case 'object':
      if (value instanceof LuaTable) return 'table';
      if (value instanceof Coroutine) return 'thread';
      return value instanceof Userdata ? 'userdata' : 'function';
    default:
      return typeof value;
  }
}

export function isCallable(value: LuaValue): value is LuaFunction | NativeFunction {
  return value instanceof LuaFunction || value instanceof NativeFunction;
}

/** Keys removed since the hash was built stay in it, so that next() goes on; so many, and it is built anew. */
const MAX_DEAD_KEYS = 16;

export class LuaTable {
  /** Values of 1, 2, …; the last is never nil. */
  readonly list: LuaValue[] = [];
  /** Longest that `list` was: next() may come with a key that was in it. */
  #listHigh = 0;
  /** Key → place in the two arrays below; null while there are none. */
  #places: Map<LuaValue, number> | null = null;
  #keys: LuaValue[] = [];
  #values: LuaValue[] = [];
  #dead = 0;
  metatable: LuaTable | null = null;

  /** Entries, for accounts. */
  get size(): number {
    return this.list.length + this.#keys.length;
  }

  get(key: LuaValue): LuaValue {
    if (typeof key === 'number' && key > 0 && key <= this.list.length && Number.isInteger(key)) {
      return this.list[key - 1];
    }
    if (this.#places === null) return undefined;
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#values[place];
  }

  /** The key is neither nil nor NaN. Returns whether the table has grown. */
  set(key: LuaValue, value: LuaValue): boolean {
    if (typeof key === 'number' && key > 0 && key <= this.list.length + 1 && Number.isInteger(key)) {
      return this.#setListed(key, value);
    }
    const place = this.#places?.get(key);
    if (place !== undefined) {
      if (value === undefined && this.#values[place] !== undefined) this.#dead++;
      else if (value !== undefined && this.#values[place] === undefined) this.#dead--;
      this.#values[place] = value;
      return false;
    }
    if (value === undefined) return false;
    if (this.#dead > MAX_DEAD_KEYS && this.#dead > this.#keys.length / 2) this.#rebuild();
    this.#places ??= new Map();
    this.#places.set(key, this.#keys.length);
    this.#keys.push(key);
    this.#values.push(value);
    return true;
  }

  fill(from: number, values: readonly LuaValue[]): void {
    const { list } = this;
    if (from !== list.length + 1 || this.#places !== null) {
      for (const [i, value] of values.entries()) this.set(from + i, value);
      return;
    }
    for (const value of values) list.push(value);
    while (list.length > 0 && list[list.length - 1] === undefined) list.pop();
    if (list.length > this.#listHigh) this.#listHigh = list.length;
  }

  #setListed(key: number, value: LuaValue): boolean {
    const { list } = this;
    if (key <= list.length) {
      list[key - 1] = value;
      if (value === undefined && key === list.length) {
        while (list.length > 0 && list[list.length - 1] === undefined) list.pop();
      }
      return false;
    }
    if (value === undefined) {
      this.#remove(key);
      return false;
    }
    this.#remove(key);
    list.push(value);
    // What waited behind the gap.
    while (this.#places !== null && this.#places.size > 0) {
      const next = this.#places.get(list.length + 1);
      if (next === undefined || this.#values[next] === undefined) break;
      list.push(this.#values[next]);
      this.#remove(list.length);
    }
    if (list.length > this.#listHigh) this.#listHigh = list.length;
    return true;
  }

  #remove(key: number): void {
    const place = this.#places?.get(key);
    if (place === undefined || this.#values[place] === undefined) return;
    this.#values[place] = undefined;
    this.#dead++;
  }

  #rebuild(): void {
    const keys: LuaValue[] = [];
    const values: LuaValue[] = [];
    const places = new Map<LuaValue, number>();
    for (let i = 0; i < this.#keys.length; i++) {
      if (this.#values[i] === undefined) continue;
      places.set(this.#keys[i], keys.length);
      keys.push(this.#keys[i]);
      values.push(this.#values[i]);
    }
    this.#places = places;
    this.#keys = keys;
    this.#values = values;
    this.#dead = 0;
  }

  /** A border, as '#' gives it. */
  get length(): number {
    if (this.list.length > 0 || this.#places === null) return this.list.length;
    let n = 0;
    while (this.get(n + 1) !== undefined) n++;
    return n;
  }

  /** The place of the entry behind `key` (nil: the first): -1 at the end, -2 for a key that is not there. */
  nextPlace(key: LuaValue): number {
    let at = 0;
    if (key !== undefined) {
      const isListed = typeof key === 'number' && key > 0 && Number.isInteger(key);
      const place = this.#places?.get(key);
      if (isListed && key <= this.list.length) at = key;
      else if (place !== undefined) at = this.list.length + place + 1;
      else if (isListed && key <= this.#listHigh) at = this.list.length;
      else return -2;
    }
    for (; at < this.list.length; at++) if (this.list[at] !== undefined) return at;
    for (let i = at - this.list.length; i < this.#values.length; i++) {
      if (this.#values[i] !== undefined) return this.list.length + i;
    }
    return -1;
  }

  keyAt(place: number): LuaValue {
    return place < this.list.length ? place + 1 : this.#keys[place - this.list.length];
  }

  valueAt(place: number): LuaValue {
    return place < this.list.length ? this.list[place] : this.#values[place - this.list.length];
  }
}

/** A table of names and values. */
export function tableOf(entries: Readonly<Record<string, LuaValue>>): LuaTable {
  const table = new LuaTable();
  for (const [name, value] of Object.entries(entries)) table.set(name, value);
  return table;
}
