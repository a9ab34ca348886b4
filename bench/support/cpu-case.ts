// A case that measures CPU time of the proxy process per request under closed-loop load.
import { truncateSync } from 'node:fs';
import { alternate, type Bar, type BenchCase, type BenchContext, median, type Row } from './bench-case.ts';
import { noiseNote } from './chain-case.ts';
import type { EnvoyConfigName } from './envoy-config.ts';
import { compareAnswers, type Exchange, exchange } from './exchange.ts';
import { closedLoad } from './load.ts';
import { coreBusyMs, cpuMs } from './process.ts';
import { type PeerName, type Proxy, startProxy } from './proxies.ts';

const WARM_UP_SECONDS = 3;

export type CpuCase = {
  readonly name: string;
  readonly title: string;
  readonly bar: Bar;
  readonly config: EnvoyConfigName;
  readonly peers: readonly PeerName[];
  readonly request: Exchange;
  readonly connections: number;
};

export function cpuCase(options: CpuCase): BenchCase {
  return { name: options.name, title: options.title, run: (context) => runCpuCase(options, context) };
}

async function runCpuCase(options: CpuCase, context: BenchContext): Promise<readonly Row[]> {
  const { name, title, bar, request, connections } = options;
  const peers = context.peers.filter((peer) => options.peers.includes(peer));
  const proxies = new Map<PeerName, Proxy>();
  try {
    for (const peer of peers) proxies.set(peer, await startProxy(peer, options.config, context.proxyPlace));
    const notCounted = await compareProxies(proxies, request);
    const foreignShares: number[] = [];
    const rates: Partial<Record<PeerName, number[]>> = {};
    const load = (peer: PeerName, seconds: number) =>
      closedLoad(context.loadPlace, { port: proxies.get(peer)!.port, seconds, connections, ...request });
    for (const peer of peers) await load(peer, WARM_UP_SECONDS);
    const rounds = await alternate({ peers, rounds: context.rounds }, async (peer, round) => {
      const proxy = proxies.get(peer)!;
      const before = cpuMs(proxy.program.pid);
      const busyBefore = coreBusyMs(context.proxyPlace.core);
      const { requests, perSecond } = await load(peer, context.seconds);
      const used = cpuMs(proxy.program.pid) - before;
      const foreign = (coreBusyMs(context.proxyPlace.core) - busyBefore) / used - 1;
      const microseconds = (used * 1000) / requests;
      foreignShares.push(foreign);
      // Not measured, but a disk full of access logs would be.
      if (options.config === 'allFeatures') truncateSync(proxy.accessLogPath);
      (rates[peer] ??= []).push(perSecond);
      const figures = `${microseconds.toFixed(1)} µs, ${perSecond.toFixed(0)}/s`;
      context.say(`${name} round ${round + 1} ${peer}: ${figures}${noiseNote(foreign)}`);
      return microseconds;
    });
    const perSecond = Object.fromEntries(Object.entries(rates).map(([peer, values]) => [peer, median(values)]));
    return [
      {
        name,
        title,
        unit: 'µs CPU',
        bar,
        rounds,
        notCounted,
        extra: { perSecond, foreignShare: median(foreignShares) },
      },
    ];
  } finally {
    for (const proxy of proxies.values()) await proxy.stop();
  }
}

/** Sends one request through Envoy and Heddle and returns how the answers differ, or null. */
export async function compareProxies(proxies: ReadonlyMap<PeerName, Proxy>, request: Exchange): Promise<string | null> {
  const envoy = proxies.get('envoy');
  const heddle = proxies.get('heddle');
  if (envoy === undefined || heddle === undefined) return null;
  return compareAnswers(await exchange(envoy.port, request), await exchange(heddle.port, request));
}
