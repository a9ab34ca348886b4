// A case that measures CPU time of the proxy process per gigabyte of a few connections that never pause.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { alternate, type Bar, type BenchCase, type BenchContext, median, type Row } from './bench-case.ts';
import { cpuMs, freePort } from './process.ts';
import { type PeerName, type Proxy, startProxy } from './proxies.ts';

export type BulkCase = {
  readonly name: string;
  readonly title: string;
  readonly bar: Bar;
  readonly peers: readonly PeerName[];
  readonly streams: number;
};

type Target = { readonly proxy: Proxy; readonly upstreamPort: number };

const BULK_LOAD = join(import.meta.dirname, 'bulk-load.ts');
const BYTES_PER_GB = 1e9;

export function bulkCase(options: BulkCase): BenchCase {
  return { name: options.name, title: options.title, run: (context) => runBulkCase(options, context) };
}

async function runBulkCase(options: BulkCase, context: BenchContext): Promise<readonly Row[]> {
  const { name, title, bar, streams } = options;
  const peers = context.peers.filter((peer) => options.peers.includes(peer));
  const targets = new Map<PeerName, Target>();
  try {
    for (const peer of peers) {
      const upstreamPort = await freePort();
      const place = { ...context.proxyPlace, upstreamPort };
      targets.set(peer, { proxy: await startProxy(peer, 'tcp', place), upstreamPort });
    }
    const gbPerSecond: Partial<Record<PeerName, number[]>> = {};
    const rounds = await alternate({ peers, rounds: context.rounds }, async (peer, round) => {
      const { perGb, rate } = await measure(targets.get(peer)!, streams, context);
      (gbPerSecond[peer] ??= []).push(rate);
      context.say(`${name} round ${round + 1} ${peer}: ${perGb.toFixed(0)} ms/GB, ${rate.toFixed(2)} GB/s`);
      return perGb;
    });
    const rates = Object.fromEntries(Object.entries(gbPerSecond).map(([peer, values]) => [peer, median(values)]));
    return [{ name, title, unit: 'ms CPU/GB', bar, rounds, notCounted: null, extra: { gbPerSecond: rates } }];
  } finally {
    for (const { proxy } of targets.values()) await proxy.stop();
  }
}

/** Takes the CPU time between the load's two lines: from when its connections run to when it has counted. */
async function measure(
  { proxy, upstreamPort }: Target,
  streams: number,
  { seconds, loadPlace }: BenchContext,
): Promise<{ perGb: number; rate: number }> {
  const script = [BULK_LOAD, proxy.port, upstreamPort, seconds, streams].map(String);
  const child = spawn('taskset', ['-c', String(loadPlace.core), process.execPath, ...script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let before = Number.NaN;
  let used = Number.NaN;
  let result = { bytes: 0, ms: 0 };
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'started') before = cpuMs(proxy.program.pid);
    else {
      used = cpuMs(proxy.program.pid) - before;
      result = JSON.parse(line);
    }
  }
  await exited;
  if (!(result.bytes > 0)) throw new Error('no byte came through');
  return { perGb: (used * BYTES_PER_GB) / result.bytes, rate: result.bytes / BYTES_PER_GB / (result.ms / 1000) };
}
