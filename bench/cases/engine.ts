// The engine without sockets: codec, route and filters in process, so that a change of theirs shows on any machine.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BenchCase, BenchContext, Row } from '../support/bench-case.ts';
import { runProgram } from '../support/process.ts';

const SCRIPT = join(dirname(import.meta.dirname), 'engine.bench.ts');
const MOST_MICROSECONDS = 2.5;

export const engine: BenchCase = { name: 'engine', title: 'engine without sockets, minimal', run: runEngine };

/** The script prints JSON such as `{"engineMicrosPerRequest":2.31}`; the engine itself has the bar. */
async function runEngine(context: BenchContext): Promise<readonly Row[]> {
  if (!existsSync(SCRIPT) || !context.peers.includes('heddle')) return [];
  const figures: Record<string, number[]> = {};
  for (let round = 0; round < context.rounds; round++) {
    const output = await runProgram(context.proxyPlace.core, [process.execPath, SCRIPT]);
    for (const [, name = '', figure] of output.matchAll(/"(\w+)MicrosPerRequest"\s*:\s*([\d.]+)/g)) {
      (figures[name] ??= []).push(Number(figure));
    }
    context.say(`engine round ${round + 1}: ${output.trim().replace(/\s*\n\s*/g, ', ')}`);
  }
  if (Object.keys(figures).length === 0) throw new Error('engine.bench.ts printed no figure');
  return Object.entries(figures).map(([name, values]) => ({
    name: name === 'engine' ? name : `engine-${name}`,
    title: name === 'engine' ? engine.title : `engine without sockets, ${name}`,
    unit: 'µs CPU',
    bar: name === 'engine' ? { most: MOST_MICROSECONDS } : {},
    rounds: { heddle: values },
    notCounted: null,
  }));
}
