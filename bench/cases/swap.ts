// Replacing 1,000 clusters and 1,000 virtual hosts at half load: how long anything waits for it.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchCase, BenchContext, Row } from '../support/bench-case.ts';
import { closedLoad, openLoad } from '../support/load.ts';
import { freePort, type Program, startProgram, stopProgram, waitForPort } from '../support/process.ts';
import { PATHS } from '../support/upstream.ts';
import { SWAP_BUSY } from '../swap/shape.ts';

const SCRIPT = join(dirname(import.meta.dirname), 'swap/proxy.ts');
const FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];
const WARM_UP_SECONDS = 5;
const WARM_UP_SWAPS = 3;
/** Into each run with a swap. */
const SWAP_AFTER_MS = 1_000;
const SETTLE_MS = 1_500;
/** What the generator keeps up with beside the upstream on its core, also when others use it. */
const MOST_RATE = 6_000;
const MOST_RATIO = 2;
const MOST_STALL_MS = 5;

export const swap: BenchCase = { name: 'swap', title: 'p99 with a swap to p99 without', run: runSwap };

type Figures = { readonly tookMs: number; readonly longestDelayMs: number; readonly longestSliceMs: number };

async function runSwap(context: BenchContext): Promise<readonly Row[]> {
  if (!context.peers.includes('heddle')) return [];
  const { proxyPlace, loadPlace, say } = context;
  const port = await freePort();
  const command = [process.execPath, ...FLAGS, SCRIPT, String(port), String(proxyPlace.upstreamPort), '1'];
  const program = startProgram(proxyPlace.core, command, join(proxyPlace.scratch, 'swap.log'));
  const hosts = Array.from({ length: SWAP_BUSY }, (_, i) => `service-${i}`);
  const ratios: number[] = [];
  const stalls: number[] = [];
  const took: number[] = [];
  try {
    await waitForPort(program, port);
    const warm = { port, path: PATHS.small, connections: 32, headers: [`Host: ${hosts[0]}`] };
    const { perSecond } = await closedLoad(loadPlace, { ...warm, seconds: WARM_UP_SECONDS });
    for (let i = 0; i < WARM_UP_SWAPS; i++) await runOneSwap(program);
    const rate = Math.min(perSecond / 2, MOST_RATE);
    say(`swap: ${rate.toFixed(0)} requests per second`);
    const measure = () => openLoad(loadPlace, { port, path: PATHS.small, seconds: context.seconds, rate, hosts });
    for (let tries = 0; ratios.length < context.rounds && tries < 3 * context.rounds; tries++) {
      try {
        const quiet = await measure();
        const [busy, figures] = await Promise.all([measure(), sleep(SWAP_AFTER_MS).then(() => runOneSwap(program))]);
        ratios.push(busy.p99Ms / quiet.p99Ms);
        stalls.push(figures.longestSliceMs);
        took.push(figures.tookMs);
        const p99 = `p99 ${quiet.p99Ms.toFixed(2)} → ${busy.p99Ms.toFixed(2)} ms`;
        const [slice, delay] = [figures.longestSliceMs.toFixed(2), figures.longestDelayMs.toFixed(2)];
        const longest = `longest slice ${slice} ms, delay ${delay} ms`;
        say(`swap round ${ratios.length}: ${p99}, ${longest}, took ${figures.tookMs.toFixed(0)} ms`);
      } catch (error) {
        // A generator that others kept from its rate says nothing of the proxy; a failed request does.
        if (!(error instanceof Error) || !error.message.includes('reached')) throw error;
        say(`swap: ${error.message}: once more`);
        await sleep(SETTLE_MS);
      }
    }
    if (ratios.length === 0) throw new Error('the generator never kept its rate');
  } finally {
    await stopProgram(program);
  }
  const common = { notCounted: null, extra: { tookMs: took } };
  const what = 'swap of 1,000 clusters and virtual hosts';
  return [
    {
      ...common,
      name: 'swap',
      title: `${what}: ${swap.title}`,
      unit: 'times',
      bar: { most: MOST_RATIO },
      rounds: { heddle: ratios },
    },
    {
      ...common,
      name: 'swap-stall',
      title: `${what}: longest stall`,
      unit: 'ms',
      bar: { most: MOST_STALL_MS },
      rounds: { heddle: stalls },
    },
  ];
}

/** Has everything replaced, and waits until the proxy has made the next one ready. */
async function runOneSwap(program: Program): Promise<Figures> {
  const lines = (): string[] => readFileSync(program.logPath, 'utf8').trim().split('\n');
  const before = lines().length;
  process.kill(program.pid, 'SIGUSR2');
  for (let tries = 0; tries < 500; tries++) {
    await sleep(20);
    const line = lines()[before];
    if (line === undefined) continue;
    await sleep(SETTLE_MS);
    return JSON.parse(line) as Figures;
  }
  throw new Error('the swap did not end');
}
