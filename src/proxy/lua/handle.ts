// Objects of the proxy in the hands of scripts: each is good for the run that made it, and until that run waits.
import { LuaError, LuaTable, type LuaValue, Userdata } from '../../lua/values.ts';
import { fillTable, type Library } from '../../lua/lib/library.ts';
import { stringAt, wrongType } from '../../lua/lib/arguments.ts';
import type { Vm } from '../../lua/vm.ts';

/** What handles know of their run. */
export type Owner = {
  readonly vm: Vm;
  /** False between two parts of a run: whoever kept an object may not use it then. */
  readonly isLive: boolean;
  /** Grows each time the run waits. */
  readonly epoch: number;
  /** For the log of the proxy. */
  log(level: ScriptLogLevel, text: string): void;
};

export type ScriptLogLevel = 'trace' | 'debug' | 'info' | 'warning' | 'error' | 'critical';

/** A kind of handle: its name in messages and its methods; `pairs` is what pairs(handle) gives. */
export type HandleKind = { readonly name: string; readonly methods: Library };

export class Handle extends Userdata {
  readonly owner: Owner;
  readonly #epoch: number;

  constructor(kind: HandleKind, owner: Owner) {
    super(kind.name, metatableOf(owner.vm, kind));
    this.owner = owner;
    this.#epoch = owner.epoch;
  }

  get isLive(): boolean {
    return this.owner.isLive && this.owner.epoch === this.#epoch;
  }
}

const tables = new WeakMap<Vm, Map<HandleKind, LuaTable>>();

/** One per machine: scripts may change it, and shall change their own only. */
function metatableOf(vm: Vm, kind: HandleKind): LuaTable {
  let known = tables.get(vm);
  if (known === undefined) {
    known = new Map();
    tables.set(vm, known);
  }
  let table = known.get(kind);
  if (table === undefined) {
    table = fillTable(new LuaTable(), kind.methods);
    fillTable(table, LOG_METHODS);
    table.set('__index', table);
    known.set(kind, table);
    vm.pinned.push(table);
  }
  return table;
}

type HandleClass<T> = { new (...args: never[]): T; readonly kind: HandleKind };

/** The object that a method was called on. Throws when it is another one, or its time is over. */
export function selfOf<T extends Handle>(args: LuaValue[], type: HandleClass<T>): T {
  const [handle] = args;
  if (!(handle instanceof type)) return wrongType(args, 0, type.kind.name);
  if (!handle.isLive) throw new LuaError('object used outside of proper scope', true);
  return handle;
}

function logger(level: ScriptLogLevel): Library[string] {
  return (args) => {
    const [handle] = args;
    if (!(handle instanceof Handle)) return wrongType(args, 0, 'handle');
    if (!handle.isLive) throw new LuaError('object used outside of proper scope', true);
    handle.owner.log(level, stringAt(args, 1));
    return [];
  };
}

const LOG_METHODS: Library = {
  logTrace: logger('trace'),
  logDebug: logger('debug'),
  logInfo: logger('info'),
  logWarn: logger('warning'),
  logErr: logger('error'),
  logCritical: logger('critical'),
};

/** A C string ends at the first NUL, and so does what Envoy takes of these arguments. */
export function cStringAt(args: LuaValue[], at: number): string {
  const text = stringAt(args, at);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
