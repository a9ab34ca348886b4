// Mutual TLS: the price of a request to an upstream and over two hops, of a handshake, of bytes, and of idling.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { alternate, type Bar, type BenchCase, type BenchContext, type Row } from '../support/bench-case.ts';
import type { EnvoyConfigName } from '../support/envoy-config.ts';
import { exchange } from '../support/exchange.ts';
import { type Chain, runChainCase } from '../support/chain-case.ts';
import { holdIdleConnections } from '../support/idle-connections.ts';
import { closedLoad } from '../support/load.ts';
import { cpuMs, rssKb, runProgram } from '../support/process.ts';
import { type PeerName, type Proxy, startProxy } from '../support/proxies.ts';
import type { TlsFiles } from '../support/tls-files.ts';
import { PATHS } from '../support/upstream.ts';

const PEERS: readonly PeerName[] = ['envoy', 'nginx', 'heddle'];
const CONNECTIONS = 32;
const WARM_UP_SECONDS = 3;
const SETTLE_MS = 2_000;
const IDLE_CONNECTIONS = 2_000;
const FIRST_CONNECTIONS = 50;
const LARGE_BYTES = 100 * 1024;
const BYTES_PER_GB = 1e9;

export const http1Mtls: BenchCase = {
  name: 'http1-mtls',
  title: 'HTTP/1.1 → mTLS HTTP/1.1, 1 KiB',
  run: async (context) => {
    const start = async (peer: PeerName): Promise<Chain> => [await startProxy(peer, 'mtls', context.proxyPlace)];
    const handshakes: Partial<Record<PeerName, number[]>> = {};
    const row = await loadCase(http1Mtls, { ratio: 0.6 }, context, start, PATHS.small, async (peer, [proxy], total) => {
      const count = await statistic(proxy, 'cluster.upstream.ssl.handshake');
      if (count !== null) (handshakes[peer] ??= []).push((1000 * count) / total);
    });
    const name = 'http1-mtls-handshakes';
    const title = 'upstream handshakes, HTTP/1.1 → mTLS';
    return [row, { name, title, unit: 'per 1,000 requests', bar: { ratio: 1 }, rounds: handshakes, notCounted: null }];
  },
};

export const twoHops: BenchCase = {
  name: 'two-hops',
  title: 'two hops HTTP/1.1 → mTLS → HTTP/1.1, 1 KiB',
  run: async (context) => {
    const start = async (peer: PeerName): Promise<Chain> => {
      const inner = await startProxy(peer, 'mtlsIngress', context.proxyPlace);
      const place = { ...context.proxyPlace, tlsUpstreamPort: inner.port };
      return [await startProxy(peer, 'mtls', place), inner];
    };
    return [await loadCase(twoHops, { ratio: 0.7 }, context, start, PATHS.small)];
  },
};

/** Bytes of the upstream are decrypted and go on in plain. */
export const tlsBulk: BenchCase = {
  name: 'tls-bulk',
  title: 'mTLS bulk from the upstream, 100 KiB answers',
  run: async (context) => {
    const start = async (peer: PeerName): Promise<Chain> => [await startProxy(peer, 'mtls', context.proxyPlace)];
    const row = await loadCase(tlsBulk, { ratio: 1.2 }, context, start, PATHS.large);
    // Microseconds per request of so many bytes, as milliseconds per GB.
    const scale = BYTES_PER_GB / LARGE_BYTES / 1000;
    const rounds = Object.fromEntries(
      Object.entries(row.rounds).map(([peer, values]) => [peer, values.map((value) => value * scale)]),
    );
    return [{ ...row, unit: 'ms CPU/GB', rounds }];
  },
};

function loadCase(
  { name, title }: BenchCase,
  bar: Bar,
  context: BenchContext,
  start: (peer: PeerName) => Promise<Chain>,
  path: string,
  afterRound: (peer: PeerName, chain: Chain, totalRequests: number) => Promise<void> = async () => {},
): Promise<Row> {
  return runChainCase(
    {
      ...{ name, title, bar, peers: PEERS, warmUpSeconds: WARM_UP_SECONDS, start, afterRound },
      exchange: (port) => exchange(port, { path }),
      load: (port, seconds) => closedLoad(context.loadPlace, { port, seconds, connections: CONNECTIONS, path }),
    },
    context,
  );
}

/** Null for a peer without an admin interface. */
async function statistic({ adminPort }: Proxy, name: string): Promise<number | null> {
  if (adminPort === 0) return null;
  const text = await new Promise<string>((resolve, reject) => {
    const asked = request({ port: adminPort, host: '127.0.0.1', path: `/stats?filter=${name}$` }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve(body));
    });
    asked.on('error', reject);
    asked.end();
  });
  return Number(text.split(': ')[1]);
}

// ─── Handshakes ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Envoy's library is several times faster than the one that nginx and Node share, so nginx is the measure. */
export const tlsHandshake: BenchCase = {
  name: 'tls-handshake',
  title: 'full mutual handshake, ECDSA P-256',
  run: async (context) => {
    const peers = context.peers.filter((peer) => PEERS.includes(peer));
    const proxies = await startAll(peers, 'mtlsIngress', context);
    try {
      for (const peer of peers) await shakeHands(proxies.get(peer)!, 1, context);
      const rounds = await alternate({ peers, rounds: context.rounds }, async (peer, round) => {
        const { program } = proxies.get(peer)!;
        const before = cpuMs(program.pid);
        const count = await shakeHands(proxies.get(peer)!, context.seconds, context);
        const microseconds = ((cpuMs(program.pid) - before) * 1000) / count;
        context.say(`tls-handshake round ${round + 1} ${peer}: ${microseconds.toFixed(0)} µs of ${count}`);
        return microseconds;
      });
      const { name, title } = tlsHandshake;
      return [{ name, title, unit: 'µs CPU', bar: { ratio: 1, to: 'nginx' }, rounds, notCounted: null }];
    } finally {
      for (const proxy of proxies.values()) await proxy.stop();
    }
  },
};

/** One after the other, each without a session; returns how many there were. */
async function shakeHands({ port }: Proxy, seconds: number, context: BenchContext): Promise<number> {
  const { client } = context.proxyPlace.tls;
  const flags = ['-new', '-time', String(seconds), '-cert', client.chain, '-key', client.key];
  const command = ['openssl', 's_time', '-connect', `127.0.0.1:${port}`, ...flags];
  const output = await runProgram(context.loadPlace.core, command);
  const count = Number(/^(\d+) connections in \d+ real seconds/m.exec(output)?.[1]);
  if (!(count > 0)) throw new Error(`openssl s_time: ${output.slice(-300)}`);
  return count;
}

async function startAll(
  peers: readonly PeerName[],
  config: EnvoyConfigName,
  context: BenchContext,
): Promise<Map<PeerName, Proxy>> {
  const proxies = new Map<PeerName, Proxy>();
  for (const peer of peers) proxies.set(peer, await startProxy(peer, config, context.proxyPlace));
  return proxies;
}

// ─── Memory ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export const tlsIdle: BenchCase = {
  name: 'tls-idle',
  title: 'RSS per 1,000 idle TLS connections',
  run: async (context) => {
    const peers = context.peers.filter((peer) => PEERS.includes(peer));
    const clientContext = makeClientContext(context.proxyPlace.tls);
    const rounds = await alternate({ peers, rounds: context.rounds }, async (peer, round) => {
      const proxy = await startProxy(peer, 'mtlsIngress', context.proxyPlace);
      try {
        const figure = await growth(proxy, clientContext);
        context.say(`tls-idle round ${round + 1} ${peer}: ${figure.toFixed(1)} MB`);
        return figure;
      } finally {
        await proxy.stop();
      }
    });
    const { name, title } = tlsIdle;
    return [{ name, title, unit: 'MB', bar: {}, rounds, notCounted: null }];
  },
};

function makeClientContext({ ca, client }: TlsFiles): SecureContext {
  const [caPem, cert, key] = [ca, client.chain, client.key].map((path) => readFileSync(path)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  return createSecureContext({ ca: caPem, cert, key });
}

async function growth(proxy: Proxy, context: SecureContext): Promise<number> {
  const first = await holdIdleConnections(proxy.port, PATHS.small, FIRST_CONNECTIONS, context);
  await sleep(SETTLE_MS);
  const before = rssKb(proxy.program.pid);
  const held = await holdIdleConnections(proxy.port, PATHS.small, IDLE_CONNECTIONS, context);
  await sleep(SETTLE_MS);
  const grown = rssKb(proxy.program.pid) - before;
  const open = held.open();
  held.close();
  first.close();
  if (open !== IDLE_CONNECTIONS) throw new Error(`${proxy.name} closed ${IDLE_CONNECTIONS - open} idle connections`);
  return grown / 1024 / (IDLE_CONNECTIONS / 1000);
}
