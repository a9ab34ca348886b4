// A case that measures the CPU time per request of one proxy or of several behind one another, under any load.
import { alternate, type Bar, type BenchContext, median, type Row } from './bench-case.ts';
import { type Answer, compareAnswers } from './exchange.ts';
import { coreBusyMs, cpuMs } from './process.ts';
import type { PeerName, Proxy } from './proxies.ts';
import { MOST_FOREIGN_SHARE } from './table.ts';

/** The proxies whose CPU time counts; clients speak to the first. */
export type Chain = readonly [Proxy, ...Proxy[]];

export type ChainLoad = { readonly requests: number; readonly perSecond: number };

export type ChainCase = {
  readonly name: string;
  readonly title: string;
  readonly unit?: string;
  readonly bar: Bar;
  readonly peers: readonly PeerName[];
  readonly warmUpSeconds: number;
  readonly start: (peer: PeerName) => Promise<Chain>;
  /** One exchange, to be compared. */
  readonly exchange: (port: number) => Promise<Answer>;
  readonly load: (port: number, seconds: number) => Promise<ChainLoad>;
  readonly afterRound?: (peer: PeerName, chain: Chain, totalRequests: number) => Promise<void>;
};

export async function runChainCase(options: ChainCase, context: BenchContext): Promise<Row> {
  const { name, title, unit = 'µs CPU', bar, warmUpSeconds, start, afterRound } = options;
  const peers = context.peers.filter((peer) => options.peers.includes(peer));
  const chains = new Map<PeerName, Chain>();
  const totals = new Map<PeerName, number>();
  const rates: Partial<Record<PeerName, number[]>> = {};
  const foreignShares: number[] = [];
  try {
    for (const peer of peers) chains.set(peer, await start(peer));
    const notCounted = await compareChains(chains, options.exchange);
    const load = async (peer: PeerName, seconds: number): Promise<ChainLoad> => {
      const result = await options.load(chains.get(peer)![0].port, seconds);
      if (!(result.requests > 0)) throw new Error(`${peer}: not one request`);
      totals.set(peer, (totals.get(peer) ?? 0) + result.requests);
      return result;
    };
    for (const peer of peers) await load(peer, warmUpSeconds);
    const rounds = await alternate({ peers, rounds: context.rounds }, async (peer, round) => {
      const chain = chains.get(peer)!;
      const before = usedMs(chain);
      const busyBefore = coreBusyMs(context.proxyPlace.core);
      const { requests, perSecond } = await load(peer, context.seconds);
      const used = usedMs(chain) - before;
      const foreign = (coreBusyMs(context.proxyPlace.core) - busyBefore) / used - 1;
      foreignShares.push(foreign);
      (rates[peer] ??= []).push(perSecond);
      const microseconds = (used * 1000) / requests;
      await afterRound?.(peer, chain, totals.get(peer)!);
      const figures = `${microseconds.toFixed(1)} µs, ${perSecond.toFixed(0)}/s${noiseNote(foreign)}`;
      context.say(`${name} round ${round + 1} ${peer}: ${figures}`);
      return microseconds;
    });
    const perSecond = Object.fromEntries(Object.entries(rates).map(([peer, values]) => [peer, median(values)]));
    const extra = { perSecond, foreignShare: median(foreignShares) };
    return { name, title, unit, bar, rounds, notCounted, extra };
  } finally {
    for (const chain of chains.values()) for (const proxy of chain) await proxy.stop();
  }
}

function usedMs(chain: Chain): number {
  return chain.reduce((sum, { program }) => sum + cpuMs(program.pid), 0);
}

/** The core is the proxy's alone, or the figure is of both. */
export function noiseNote(foreign: number): string {
  if (foreign <= MOST_FOREIGN_SHARE) return '';
  return ` (others used the core too: ${(100 * foreign).toFixed(0)} % of the proxy's time)`;
}

/** Sends one request through Envoy and Heddle and returns how the answers differ, or null. */
async function compareChains(
  chains: ReadonlyMap<PeerName, Chain>,
  exchange: (port: number) => Promise<Answer>,
): Promise<string | null> {
  const envoy = chains.get('envoy');
  const heddle = chains.get('heddle');
  if (envoy === undefined || heddle === undefined) return null;
  return compareAnswers(await exchange(envoy[0].port), await exchange(heddle[0].port));
}
