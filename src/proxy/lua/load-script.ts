// Loads scripts that a configuration brings, with the limits that hold for all of them.
import { Clock, Random } from '../../base/clock.ts';
import { LuaError } from '../../lua/values.ts';
import type { Limits } from '../../lua/vm.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Runtime } from '../http/filter.ts';
import { printable } from './printable.ts';
import { DEFAULT_MAX_INSTRUCTIONS, DEFAULT_MAX_MEMORY_BYTES, errorText, Script } from './script.ts';

const MAX_INSTRUCTIONS_KEY = 'lua.max_instructions';
const MAX_MEMORY_KEY = 'lua.max_memory_bytes';

type Environment = {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly runtime?: Runtime;
  readonly variables?: Readonly<Record<string, string | undefined>>;
};

/** Null after rejecting it at `d`. */
export function loadScript(source: Buffer, d: ConfigDecoder, log: Logger | null): Script | null {
  const { runtime, variables = {}, clock = new Clock(), random = new Random() } = d.environment as Environment;
  const readLimits = (limits: Limits): void => {
    limits.instructions = runtime?.number(MAX_INSTRUCTIONS_KEY, DEFAULT_MAX_INSTRUCTIONS) ?? DEFAULT_MAX_INSTRUCTIONS;
    limits.memoryBytes = runtime?.number(MAX_MEMORY_KEY, DEFAULT_MAX_MEMORY_BYTES) ?? DEFAULT_MAX_MEMORY_BYTES;
  };
  try {
    return new Script(source, {
      readLimits,
      getenv: (name) => variables[name],
      nowMs: () => clock.wallMs,
      cpuSeconds: () => process.cpuUsage().user / 1e6,
      random: () => random.below(2 ** 32) / 2 ** 32,
      print: (text) => log?.info(`script print: ${printable(text)}`),
    });
  } catch (e) {
    if (!(e instanceof LuaError)) throw e;
    d.reject('', `script load error: ${errorText(e)}`);
    return null;
  }
}
