// The published attacks on HTTP/2: what each costs the proxy in CPU time, and how much memory it takes at most.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Attack, attacks } from '../../test/support/http2-attacks.ts';
import { alternate, type BenchCase, type BenchContext, type Row } from '../support/bench-case.ts';
import { exchange } from '../support/exchange.ts';
import { http2Load } from '../support/load.ts';
import { runLoadProgram } from '../support/load-program.ts';
import { exactCpuMs, peakRssKb, resetPeakRss, rssKb } from '../support/process.ts';
import { type PeerName, type Proxy, startProxy } from '../support/proxies.ts';
import { PATHS } from '../support/upstream.ts';

const LOAD = join(import.meta.dirname, '../support/flood-load.ts');
const PEERS: readonly PeerName[] = ['envoy', 'heddle'];
/** Connections of a round. */
const CONNECTIONS = 200;
const HEAVY_CONNECTIONS = 8;
const WARM_UP_SECONDS = 1;
const RECOVERY_MS = 5_000;
/** Each attack waits for more than it computes; more rounds would only take longer. */
const MOST_ROUNDS = 3;

type Measured = { readonly cpuMs: number; readonly growthMb: number };

export const http2Floods: BenchCase = {
  name: 'http2-floods',
  title: 'attacks on HTTP/2 that are found out at once',
  run: (context) => measureAttacks(false, context),
};

export const http2SlowAttacks: BenchCase = {
  name: 'http2-slow-attacks',
  title: 'attacks on HTTP/2 that make work',
  run: (context) => measureAttacks(true, context),
};

async function measureAttacks(isHeavy: boolean, context: BenchContext): Promise<readonly Row[]> {
  const peers = context.peers.filter((peer) => PEERS.includes(peer));
  const rounds = Math.min(context.rounds, MOST_ROUNDS);
  const rows: Row[] = [];
  for (const attack of attacks({ small: PATHS.small, large: PATHS.large })) {
    if (attack.options !== undefined) continue;
    if ((attack.isHeavy === true) === isHeavy)
      rows.push(...(await measureAttack(attack, { ...context, peers, rounds })));
  }
  return rows;
}

/** With a proxy of its own for each attack, so that none pays for what another one left. */
async function measureAttack({ name, isHeavy }: Attack, context: BenchContext): Promise<Row[]> {
  const connections = isHeavy ? HEAVY_CONNECTIONS : CONNECTIONS;
  const proxies = new Map<PeerName, Proxy>();
  const growth: Partial<Record<PeerName, number[]>> = {};
  try {
    for (const peer of context.peers) {
      const proxy = await startProxy(peer, 'minimal', context.proxyPlace);
      proxies.set(peer, proxy);
      // A proxy that is attacked has seen traffic, and attacks before this one.
      const { port } = proxy;
      const traffic = { port, seconds: WARM_UP_SECONDS, path: PATHS.small, connections: 4, streams: 16 };
      await http2Load(context.loadPlace, traffic);
      await attackOnce(proxy, name, connections, context);
    }
    const rounds = await alternate(context, async (peer, round) => {
      const { cpuMs, growthMb } = await attackOnce(proxies.get(peer)!, name, connections, context);
      (growth[peer] ??= []).push(growthMb);
      context.say(`${name} round ${round + 1} ${peer}: ${cpuMs.toFixed(1)} ms, + ${growthMb.toFixed(1)} MB`);
      return cpuMs;
    });
    let notCounted: string | null = null;
    for (const [peer, { port }] of proxies) {
      if (!(await recovers(port))) notCounted = `${peer} did not recover`;
    }
    const shared = { name: `flood-${name}`, notCounted };
    return [
      {
        ...shared,
        title: `${name}, ${connections} connections`,
        unit: 'ms CPU',
        bar: { ratio: 1, surplus: 5 },
        rounds,
      },
      { ...shared, title: `${name}, most memory`, unit: 'MB more', bar: { ratio: 1, surplus: 8 }, rounds: growth },
    ];
  } finally {
    for (const proxy of proxies.values()) await proxy.stop();
  }
}

/** What the attack left in queues may still be going. */
async function recovers(port: number): Promise<boolean> {
  for (const deadline = performance.now() + RECOVERY_MS; performance.now() < deadline; await sleep(100)) {
    if ((await exchange(port, { path: PATHS.small })).status === 200) return true;
  }
  return false;
}

async function attackOnce(
  { program, port }: Proxy,
  name: string,
  connections: number,
  context: BenchContext,
): Promise<Measured> {
  const args = [port, name, connections, PATHS.small, PATHS.large];
  resetPeakRss(program.pid);
  const before = rssKb(program.pid);
  const cpuBefore = exactCpuMs(program.pid);
  await runLoadProgram(context.loadPlace.core, LOAD, args);
  const cpuMs = exactCpuMs(program.pid) - cpuBefore;
  return { cpuMs, growthMb: Math.max(0, peakRssKb(program.pid) - before) / 1024 };
}
