// Runs Envoy, nginx, HAProxy and Heddle side by side and prints what each costs, with the bars that Heddle has to meet.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { locatePeer } from '../scripts/peers.ts';
import { gzip10k, responses100k, uploads100k } from './cases/bodies.ts';
import { engine } from './cases/engine.ts';
import { http1AllFeatures } from './cases/http1-all-features.ts';
import { http1Minimal } from './cases/http1-minimal.ts';
import { grpcBidi, grpcUnary } from './cases/grpc.ts';
import { http2Floods, http2SlowAttacks } from './cases/http2-floods.ts';
import { http1ThroughHttp2, http2Download, http2Idle, http2Minimal } from './cases/http2.ts';
import { latency } from './cases/latency.ts';
import { memoryClusters, memoryConnections, memoryIdle, memoryQuiet, memoryTcp } from './cases/memory.ts';
import { tcpBulk, tcpBulkMany } from './cases/tcp-bulk.ts';
import { tcpConnect, tcpRoundtrip } from './cases/tcp-roundtrip.ts';
import { swap } from './cases/swap.ts';
import { http1Mtls, tlsBulk, tlsHandshake, tlsIdle, twoHops } from './cases/tls.ts';
import { workers } from './cases/workers.ts';
import { xdsEndpoint, xdsFirst, xdsMesh } from './cases/xds.ts';
import type { BenchCase, BenchContext, Row } from './support/bench-case.ts';
import { packHeddle } from './support/pack-heddle.ts';
import { chooseCores, coreBusyMs, runProgram, stopProgram } from './support/process.ts';
import { PEER_NAMES, type PeerName } from './support/proxies.ts';
import { renderTable, replaceBlock } from './support/table.ts';
import { writeTlsFiles } from './support/tls-files.ts';
import { startUpstream } from './support/upstream.ts';

const ROOT = dirname(import.meta.dirname);
const RESULTS = join(ROOT, 'bench/results/latest.json');
const MOST_ROUNDS = 50;
const MOST_SECONDS = 60;
const WATCH_MS = 2_000;

const CASES: readonly BenchCase[] = [
  http1Minimal,
  http1AllFeatures,
  responses100k,
  uploads100k,
  gzip10k,
  tcpRoundtrip,
  tcpConnect,
  tcpBulk,
  tcpBulkMany,
  http1Mtls,
  twoHops,
  tlsHandshake,
  tlsBulk,
  tlsIdle,
  http2Minimal,
  http2Download,
  http1ThroughHttp2,
  grpcUnary,
  grpcBidi,
  http2Floods,
  http2SlowAttacks,
  latency,
  memoryIdle,
  memoryQuiet,
  memoryClusters,
  memoryConnections,
  memoryTcp,
  http2Idle,
  engine,
  workers,
  swap,
  xdsFirst,
  xdsMesh,
  xdsEndpoint,
];

type Options = {
  readonly cases: readonly BenchCase[];
  readonly peers: readonly PeerName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly updateReadme: boolean;
};

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      case: { type: 'string', multiple: true },
      peers: { type: 'string', default: PEER_NAMES.join(',') },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      'update-readme': { type: 'boolean', default: false },
    },
  });
  const names = values.case?.flatMap((list) => list.split(','));
  const unknown = names?.filter((name) => !CASES.some((one) => one.name === name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`bench: no case ${unknown.join(', ')}; there are ${CASES.map((one) => one.name).join(', ')}`);
  }
  const peers = PEER_NAMES.filter((name) => values.peers.split(',').includes(name));
  return {
    cases: CASES.filter((one) => names === undefined || names.includes(one.name)),
    peers,
    rounds: within(values.rounds, MOST_ROUNDS),
    seconds: within(values.seconds, MOST_SECONDS),
    updateReadme: values['update-readme'],
  };
}

function within(text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`bench: ${text} is not in 1..${most}`);
  return value;
}

function need(name: string): string {
  const state = locatePeer(name);
  if ('path' in state) return state.path;
  throw new Error(`bench: ${name}: ${state.missing.replace('run peers', 'run peers -- --bench')}`);
}

async function describeMachine(peers: readonly PeerName[], core: number): Promise<Record<string, unknown>> {
  const version = async (name: string, flag: string): Promise<string> =>
    /\d+\.\d+(?:\.\d+)?(?=\/|[^\d.]|$)/.exec(
      (await runProgram(core, [need(name), flag])).replace(/[0-9a-f]{40}/, ''),
    )?.[0] ?? 'unknown';
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version,
    envoy: await version('envoy', '--version'),
    ...(peers.includes('nginx') ? { nginx: await version('nginx', '-v') } : {}),
    ...(peers.includes('haproxy') ? { haproxy: await version('haproxy', '-v') } : {}),
  };
}

/** Watches the proxy's core before anything of ours runs on it: figures tell on what machine they were taken. */
async function foreignBusy(core: number): Promise<string> {
  const before = coreBusyMs(core);
  await sleep(WATCH_MS);
  return `${Math.min(100, (100 * (coreBusyMs(core) - before)) / WATCH_MS).toFixed(0)} %`;
}

async function runCases(options: Options, context: BenchContext): Promise<Row[]> {
  const rows: Row[] = [];
  for (const one of options.cases) {
    try {
      rows.push(...(await one.run(context)));
    } catch (error) {
      const notCounted = error instanceof Error ? error.message : String(error);
      context.say(`${one.name} failed: ${notCounted}`);
      rows.push({ name: one.name, title: one.title, unit: '', bar: {}, rounds: {}, notCounted });
    }
  }
  return rows;
}

async function main(): Promise<void> {
  const options = readOptions();
  const { peers, rounds, seconds } = options;
  const cores = chooseCores();
  const scratch = mkdtempSync(join(tmpdir(), 'heddle-bench-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const programs = {
    envoy: need('envoy'),
    nginx: need('nginx'),
    haproxy: peers.includes('haproxy') ? need('haproxy') : '',
    heddle: peers.includes('heddle') ? await packHeddle(scratch) : '',
  };
  const tls = writeTlsFiles(scratch);
  const upstream = await startUpstream(programs.nginx, cores.load, scratch, tls);
  const context: BenchContext = {
    peers,
    rounds,
    seconds,
    proxyPlace: {
      ...{ core: cores.proxy, scratch, programs, tls },
      upstreamPort: upstream.port,
      tlsUpstreamPort: upstream.tlsPort,
    },
    loadPlace: { core: cores.load, scratch, wrk: need('wrk'), vegeta: need('vegeta'), h2load: need('h2load') },
    say: (text) => process.stderr.write(`${text}\n`),
  };
  const machine = { ...(await describeMachine(peers, cores.load)), 'busy before': await foreignBusy(cores.proxy) };
  const rows = await runCases(options, context);
  await stopProgram(upstream);
  const table = renderTable(rows, { ...machine, rounds, seconds });
  console.log(table);
  mkdirSync(dirname(RESULTS), { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify({ machine, rounds, seconds, rows }, null, 2)}\n`);
  if (options.updateReadme) {
    const path = join(ROOT, 'README.md');
    writeFileSync(path, replaceBlock(readFileSync(path, 'utf8'), table));
  }
}

await main();
