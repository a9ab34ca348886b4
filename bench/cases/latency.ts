// The 99th percentile at half of Envoy's maximum rate, open loop: what users feel while there is room.
import { alternate, type BenchCase, type BenchContext, type Row } from '../support/bench-case.ts';
import { compareProxies } from '../support/cpu-case.ts';
import { closedLoad, openLoad } from '../support/load.ts';
import { type PeerName, type Proxy, startProxy } from '../support/proxies.ts';
import { PATHS } from '../support/upstream.ts';

const PEERS: readonly PeerName[] = ['envoy', 'heddle'];
const WARM_UP_SECONDS = 3;

export const latency: BenchCase = {
  name: 'latency',
  title: "p99 at half of Envoy's maximum rate",
  run: runLatency,
};

async function runLatency(context: BenchContext): Promise<readonly Row[]> {
  const peers = context.peers.filter((peer) => PEERS.includes(peer));
  const proxies = new Map<PeerName, Proxy>();
  try {
    for (const peer of peers) proxies.set(peer, await startProxy(peer, 'minimal', context.proxyPlace));
    const notCounted = await compareProxies(proxies, { path: PATHS.small });
    const warm = (peer: PeerName, seconds: number) =>
      closedLoad(context.loadPlace, { port: proxies.get(peer)!.port, path: PATHS.small, seconds, connections: 32 });
    for (const peer of peers) await warm(peer, WARM_UP_SECONDS);
    const maximum = await warm(proxies.has('envoy') ? 'envoy' : peers[0]!, context.seconds);
    const rate = maximum.perSecond / 2;
    context.say(`latency: ${rate.toFixed(0)} requests per second`);
    const rounds = await alternate({ peers, rounds: context.rounds }, async (peer, round) => {
      const load = { port: proxies.get(peer)!.port, path: PATHS.small, seconds: context.seconds, rate };
      const { p50Ms, p99Ms } = await openLoad(context.loadPlace, load);
      context.say(`latency round ${round + 1} ${peer}: p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`);
      return p99Ms;
    });
    const bar = { ratio: 1.2, surplus: 0.5 };
    return [{ name: 'latency', title: latency.title, unit: 'ms p99', bar, rounds, notCounted, extra: { rate } }];
  } finally {
    for (const proxy of proxies.values()) await proxy.stop();
  }
}
