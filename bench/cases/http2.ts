// HTTP/2: the price of a multiplexed request, of bytes in one stream, of an HTTP/1.1 call that crosses as HTTP/2, and
// of an idle connection.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { alternate, type BenchCase, type BenchContext } from '../support/bench-case.ts';
import { runChainCase } from '../support/chain-case.ts';
import { exchange } from '../support/exchange.ts';
import { http2Exchange } from '../support/http2-exchange.ts';
import { holdIdleHttp2 } from '../support/http2-idle.ts';
import { oneHop, twoHops, withHttp2Upstream } from '../support/http2-start.ts';
import { closedLoad, http2Load } from '../support/load.ts';
import { runLoadProgram } from '../support/load-program.ts';
import { cpuMs, rssKb } from '../support/process.ts';
import { type PeerName, type Proxy, startProxy } from '../support/proxies.ts';
import { PATHS } from '../support/upstream.ts';

const WARM_UP_SECONDS = 3;
const SETTLE_MS = 2_000;
const IDLE_CONNECTIONS = 4_000;
const FIRST_CONNECTIONS = 50;
const DOWNLOAD = join(import.meta.dirname, '../support/http2-download.ts');
const DOWNLOAD_BYTES = 1e9;

export const http2Minimal: BenchCase = {
  name: 'http2-minimal',
  title: 'HTTP/2, 4 connections × 16 streams, 1 KiB',
  run: (context) =>
    withHttp2Upstream(context, ['answer'], async (upstreamPort) => {
      const { name, title } = http2Minimal;
      const row = await runChainCase(
        {
          ...{ name, title, bar: { ratio: 0.45 }, peers: ['envoy', 'nginx', 'haproxy', 'heddle'] },
          warmUpSeconds: WARM_UP_SECONDS,
          start: (peer) => oneHop(peer, context, upstreamPort),
          exchange: (port) => http2Exchange(port, { path: PATHS.small }),
          load: (port, seconds) =>
            http2Load(context.loadPlace, { port, seconds, path: PATHS.small, connections: 4, streams: 16 }),
        },
        context,
      );
      return [row];
    }),
};

/** An application's HTTP/1.1 call that leaves as HTTP/2 over mutual TLS and arrives as HTTP/1.1. */
export const http1ThroughHttp2: BenchCase = {
  name: 'http1-mtls-h2-http1',
  title: 'two hops HTTP/1.1 → mTLS HTTP/2 → HTTP/1.1, 1 KiB',
  run: async (context) => {
    const { name, title } = http1ThroughHttp2;
    const path = PATHS.small;
    const row = await runChainCase(
      {
        ...{ name, title, bar: { ratio: 0.65 }, peers: ['envoy', 'heddle'], warmUpSeconds: WARM_UP_SECONDS },
        start: (peer) => twoHops(peer, context, 'http2IngressTo1'),
        exchange: (port) => exchange(port, { path }),
        load: (port, seconds) => closedLoad(context.loadPlace, { port, seconds, connections: 32, path }),
      },
      context,
    );
    return [row];
  },
};

export const http2Download: BenchCase = {
  name: 'http2-download',
  title: 'one HTTP/2 stream, 1 GB',
  run: (context) =>
    withHttp2Upstream(context, ['download', String(DOWNLOAD_BYTES)], async (upstreamPort) => {
      const { name, title } = http2Download;
      const peers = context.peers.filter((peer) => peer !== 'nginx');
      const proxies = new Map<PeerName, Proxy>();
      try {
        for (const peer of peers) proxies.set(peer, (await oneHop(peer, context, upstreamPort))[0]);
        for (const peer of peers) await downloadOnce(proxies.get(peer)!, -1, context);
        const rounds = await alternate({ peers, rounds: context.rounds }, (peer, round) =>
          downloadOnce(proxies.get(peer)!, round, context),
        );
        return [{ name, title, unit: 'ms CPU/GB', bar: { ratio: 1 }, rounds, notCounted: null }];
      } finally {
        for (const proxy of proxies.values()) await proxy.stop();
      }
    }),
};

async function downloadOnce({ name, program, port }: Proxy, round: number, context: BenchContext): Promise<number> {
  const before = cpuMs(program.pid);
  const { ms } = await runLoadProgram(context.loadPlace.core, DOWNLOAD, [port, DOWNLOAD_BYTES]);
  const used = cpuMs(program.pid) - before;
  const label = round < 0 ? 'warm-up' : `round ${round + 1}`;
  context.say(`http2-download ${label} ${name}: ${used} ms, took ${Number(ms).toFixed(0)} ms`);
  return used;
}

export const http2Idle: BenchCase = {
  name: 'http2-idle',
  title: 'RSS per 1,000 idle HTTP/2 connections',
  run: (context) =>
    withHttp2Upstream(context, ['answer'], async (upstreamPort) => {
      const { name, title } = http2Idle;
      const place = { ...context.proxyPlace, upstreamPort };
      const rounds = await alternate(context, async (peer, round) => {
        const proxy = await startProxy(peer, 'http2', place);
        try {
          const figure = await growthByConnections(proxy);
          context.say(`${name} round ${round + 1} ${peer}: ${figure.toFixed(1)} MB`);
          return figure;
        } finally {
          await proxy.stop();
        }
      });
      return [{ name, title, unit: 'MB', bar: { ratio: 1 }, rounds, notCounted: null }];
    }),
};

/** A few connections come first, so that what any first request loads is not counted as theirs. */
async function growthByConnections({ name, port, program }: Proxy): Promise<number> {
  const first = await holdIdleHttp2(port, FIRST_CONNECTIONS);
  await sleep(SETTLE_MS);
  const before = rssKb(program.pid);
  const held = await holdIdleHttp2(port, IDLE_CONNECTIONS);
  await sleep(SETTLE_MS);
  const growth = rssKb(program.pid) - before;
  const open = held.open();
  held.close();
  first.close();
  if (open !== IDLE_CONNECTIONS) throw new Error(`${name} closed ${IDLE_CONNECTIONS - open} idle connections`);
  return growth / 1024 / (IDLE_CONNECTIONS / 1000);
}
