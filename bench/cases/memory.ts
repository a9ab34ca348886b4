// Resident memory: a proxy that has just started, an idle one, and what 1,000 idle keep-alive connections add.
import { setTimeout as sleep } from 'node:timers/promises';
import { alternate, type Bar, type BenchCase, type BenchContext, type Row } from '../support/bench-case.ts';
import { holdIdleConnections } from '../support/idle-connections.ts';
import { rssKb } from '../support/process.ts';
import { type PeerName, type Proxy, startProxy } from '../support/proxies.ts';
import type { EnvoyConfigName } from '../support/envoy-config.ts';
import { PATHS } from '../support/upstream.ts';

const SETTLE_MS = 2_000;
/** Heddle gives back what only starting needed within 40 s of quiet. */
const QUIET_MS = 45_000;
const QUIET_ROUNDS = 2;
const CONNECTIONS = 4_000;
const FIRST_CONNECTIONS = 50;

export const memoryIdle: BenchCase = {
  name: 'memory-idle',
  title: 'RSS idle, 1 cluster',
  run: (context) => measureMemory(context, memoryIdle, 'MB', residentMb),
};

export const memoryQuiet: BenchCase = {
  name: 'memory-quiet',
  title: 'RSS idle for 45 s, 1 cluster',
  run: (context) =>
    measureMemory({ ...context, rounds: Math.min(context.rounds, QUIET_ROUNDS) }, memoryQuiet, 'MB', quietMb),
};

export const memoryClusters: BenchCase = {
  name: 'memory-clusters',
  title: 'RSS idle, 1,000 clusters and 1,000 routes',
  run: (context) => {
    const peers = context.peers.filter((peer) => peer === 'envoy' || peer === 'heddle');
    return measureMemory({ ...context, peers }, memoryClusters, 'MB', residentMb, { ratio: 0.8 }, 'clusters');
  },
};

export const memoryConnections: BenchCase = {
  name: 'memory-connections',
  title: 'RSS per 1,000 idle connections',
  run: (context) => measureMemory(context, memoryConnections, 'MB', growthByConnections),
};

export const memoryTcp: BenchCase = {
  name: 'memory-tcp',
  title: 'RSS per 1,000 idle TCP connections',
  run: (context) => {
    const peers = context.peers.filter((peer) => peer !== 'nginx');
    return measureMemory({ ...context, peers }, memoryTcp, 'MB', growthByConnections, { ratio: 1 }, 'tcp');
  },
};

async function residentMb(proxy: Proxy): Promise<number> {
  return rssKb(proxy.program.pid) / 1024;
}

async function quietMb(proxy: Proxy): Promise<number> {
  await sleep(QUIET_MS);
  return residentMb(proxy);
}

/** A few connections come first, so that what any first request loads is not counted as theirs. */
async function growthByConnections(proxy: Proxy): Promise<number> {
  const first = await holdIdleConnections(proxy.port, PATHS.small, FIRST_CONNECTIONS);
  await sleep(SETTLE_MS);
  const before = rssKb(proxy.program.pid);
  const held = await holdIdleConnections(proxy.port, PATHS.small, CONNECTIONS);
  await sleep(SETTLE_MS);
  const growth = rssKb(proxy.program.pid) - before;
  const open = held.open();
  held.close();
  first.close();
  if (open !== CONNECTIONS) throw new Error(`${proxy.name} closed ${CONNECTIONS - open} idle connections`);
  return growth / 1024 / (CONNECTIONS / 1000);
}

async function measureMemory(
  context: BenchContext,
  { name, title }: BenchCase,
  unit: string,
  measure: (proxy: Proxy) => Promise<number>,
  bar: Bar = { ratio: 1 },
  config: EnvoyConfigName = 'minimal',
): Promise<readonly Row[]> {
  const rounds = await alternate(context, async (peer: PeerName, round) => {
    const proxy = await startProxy(peer, config, context.proxyPlace);
    try {
      await sleep(SETTLE_MS);
      const figure = await measure(proxy);
      context.say(`${name} round ${round + 1} ${peer}: ${figure.toFixed(1)} ${unit}`);
      return figure;
    } finally {
      await proxy.stop();
    }
  });
  return [{ name, title, unit, bar, rounds, notCounted: null }];
}
