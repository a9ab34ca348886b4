// One script: its machine, and the functions in it that the proxy calls. One per worker and place in a configuration.
import { chunkName, compile } from '../../lua/compiler.ts';
import { openStandard, type StandardParts } from '../../lua/lib/standard.ts';
import { Coroutine, LuaError, LuaFunction, type LuaValue, NativeFunction, tableOf } from '../../lua/values.ts';
import { type Limits, Vm } from '../../lua/vm.ts';

/** Instructions of one run, from one wait to the next. */
export const DEFAULT_MAX_INSTRUCTIONS = 1_000_000;
/** Bytes that the machine of one script may hold. */
export const DEFAULT_MAX_MEMORY_BYTES = 32 * 1024 * 1024;

export type ScriptParts = StandardParts & {
  /** Writes what holds now. */
  readonly readLimits: (limits: Limits) => void;
};

/** What a script's error says in the log. */
export function errorText(error: LuaError): string {
  const { value } = error;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : 'unspecified lua error';
}

export class Script {
  readonly #source: string;
  readonly #parts: ScriptParts;
  vm: Vm;
  /** Null where the script does not have it. */
  onRequest: LuaValue;
  onResponse: LuaValue;
  onRoute: LuaValue;

  /** Runs the script's text. Throws a LuaError. */
  constructor(source: Buffer, parts: ScriptParts) {
    this.#source = source.toString('latin1');
    this.#parts = parts;
    this.vm = this.#load();
  }

  #load(): Vm {
    const vm = new Vm({ instructions: DEFAULT_MAX_INSTRUCTIONS, memoryBytes: DEFAULT_MAX_MEMORY_BYTES });
    this.#parts.readLimits(vm.limits);
    vm.fuel = vm.limits.instructions;
    openStandard(vm, this.#parts);
    vm.globals.set('EnvoyTimestampResolution', tableOf({ MILLISECOND: 0, MICROSECOND: 1 }));
    const main = new LuaFunction(compile(this.#source, chunkName(this.#source)), [], vm.globals);
    const coroutine = new Coroutine(main);
    vm.resume(coroutine, []);
    if (coroutine.status !== 'dead') throw new LuaError('attempt to yield from outside a coroutine');
    this.onRequest = functionOf(vm, 'envoy_on_request');
    this.onResponse = functionOf(vm, 'envoy_on_response');
    this.onRoute = functionOf(vm, 'envoy_on_route');
    return vm;
  }

  /** Goes on with a run, with a new budget. Throws a LuaError. */
  resume(vm: Vm, coroutine: Coroutine, values: LuaValue[]): LuaValue[] {
    // A run may begin within another one: an answer that a script makes goes through its own response function.
    const outer = vm.current === null ? null : vm.fuel;
    this.#parts.readLimits(vm.limits);
    vm.fuel = vm.limits.instructions;
    try {
      return vm.resume(coroutine, values);
    } catch (e) {
      // What filled the memory may be in a global: the machine would never be of use again.
      if (e instanceof LuaError && e.isFinal && vm === this.vm && vm.memoryBytes > vm.limits.memoryBytes / 2) {
        this.#renew();
      }
      throw e;
    } finally {
      if (outer !== null) vm.fuel = outer;
    }
  }

  #renew(): void {
    try {
      this.vm = this.#load();
    } catch {
      // It had been loaded before: the old machine stays, and fails again.
    }
  }
}

function functionOf(vm: Vm, name: string): LuaValue {
  const value = vm.globals.get(name);
  return value instanceof LuaFunction || value instanceof NativeFunction ? value : undefined;
}
