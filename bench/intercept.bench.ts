// What capture costs: `heddle intercept apply`, apart from the start of the program, and the proxy’s finding out
// where a connection was going, once for each.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address, ByteStream } from '../src/base/byte-stream.ts';
import { Clock } from '../src/base/clock.ts';
import { createEngine, type Engine, isListenError } from '../src/net/engine.ts';
import { originalDestinationOf } from '../src/net/original-destination.ts';
import { listenerTransparent } from '../src/net/socket-options.ts';
import { Lab } from '../test/namespaces/lab.ts';
import { INBOUND_PORT, loadRules, TRANSPARENT_PORT } from '../test/namespaces/rules.ts';

const HEDDLE = join(import.meta.dirname, '../bin/heddle');
const STARTS = 20;
/** Issue 8. */
const APPLY_BUDGET_MS = 150;
const DESTINATION_BUDGET_NS = 5000;
const CONNECTIONS = 200;
const ROUNDS = 25;
const PASSES = 50;
/** Of /proc/self/stat, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

let failed = false;

function tell(name: string, value: number, unit: string, budget: number, more = ''): void {
  if (value > budget) failed = true;
  const verdict = value <= budget ? 'met' : 'MISSED';
  console.log(
    `${name.padEnd(36)} ${value.toFixed(0).padStart(6)} ${unit}   budget ${budget} ${unit}   ${verdict}${more}`,
  );
}

// ─── The command ──────────────────────────────────────────────────────────────────────────────────────────────────

type Cost = { readonly cpuMs: number; readonly wallMs: number };

/** CPU time of children that have ended, and of theirs. */
function childrenCpuMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return ((Number(fields[13]) + Number(fields[14])) * 1000) / TICKS_PER_SECOND;
}

/** Of one run: CPU time on average, wall time of the least disturbed. */
function costOf(args: readonly string[], between: () => void): Cost {
  let wallMs = Number.POSITIVE_INFINITY;
  let cpuMs = 0;
  for (let i = 0; i < STARTS; i++) {
    between();
    const [cpuBefore, started] = [childrenCpuMs(), process.hrtime.bigint()];
    const { status, stderr } = spawnSync(HEDDLE, args, { encoding: 'utf8' });
    wallMs = Math.min(wallMs, Number(process.hrtime.bigint() - started) / 1e6);
    cpuMs += (childrenCpuMs() - cpuBefore) / STARTS;
    if (status !== 0) throw new Error(stderr);
  }
  return { cpuMs, wallMs };
}

function measureCommand(): void {
  const start = costOf(['--version'], () => undefined);
  console.log(`start of the program: ${start.wallMs.toFixed(0)} ms, CPU ${start.cpuMs.toFixed(0)} ms`);
  const clean = (): void => void spawnSync(HEDDLE, ['intercept', 'clean']);
  for (const backend of ['nft', 'iptables']) {
    const { wallMs, cpuMs } = costOf(['intercept', 'apply', '--backend', backend, '--redirect-dns'], clean);
    const [own, whole] = [cpuMs - start.cpuMs, `${wallMs.toFixed(0)} and ${cpuMs.toFixed(0)} ms`];
    const more = `, CPU ${own.toFixed(0)} ms; with the start ${whole}`;
    tell(`apply, ${backend}`, wallMs - start.wallMs, 'ms', APPLY_BUDGET_MS, more);
  }
  clean();
}

// ─── The original destination ─────────────────────────────────────────────────────────────────────────────────────

async function accept(lab: Lab, engine: Engine, to: Address): Promise<{ streams: ByteStream[]; sockets: Socket[] }> {
  const isTransparent = to.port >= 9000;
  const streams: ByteStream[] = [];
  const address = { family: 'ipv6', address: '::', port: isTransparent ? TRANSPARENT_PORT : INBOUND_PORT } as const;
  const socketOptions = isTransparent ? listenerTransparent('ipv6', true) : [];
  const listener = engine.listen(address, { ipv4Compat: true, socketOptions }, (stream) => streams.push(stream));
  if (isListenError(listener)) throw new Error(listener.detail);
  const sockets = Array.from({ length: CONNECTIONS }, () => lab.far.connect(to));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (let tries = 0; tries < 500 && streams.length < CONNECTIONS; tries++) await sleep(10);
  listener.close();
  if (streams.length < CONNECTIONS) throw new Error(`${streams.length} connections were accepted`);
  return { streams, sockets };
}

/** ns of one call. */
function measure(streams: readonly ByteStream[], to: Address, passes: number): number {
  const started = process.hrtime.bigint();
  for (let i = 0; i < passes; i++) {
    for (const stream of streams) {
      const found = originalDestinationOf(stream);
      if (found?.port !== to.port || found.address !== to.address) throw new Error(`found ${found?.address}`);
    }
  }
  return Number(process.hrtime.bigint() - started) / passes / streams.length;
}

/** The least disturbed of some rounds: the first call of new connections, which counts, and further ones. */
async function measureRounds(lab: Lab, engine: Engine, to: Address): Promise<{ firstNs: number; againNs: number }> {
  let [firstNs, againNs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < ROUNDS; round++) {
    const { streams, sockets } = await accept(lab, engine, to);
    firstNs = Math.min(firstNs, measure(streams, to, 1));
    againNs = Math.min(againNs, measure(streams, to, PASSES));
    for (const socket of sockets) socket.destroy();
    for (const stream of streams) stream.destroy();
  }
  return { firstNs, againNs };
}

async function measureDestinations(lab: Lab): Promise<void> {
  loadRules(lab);
  const clock = new Clock();
  const onBug = (error: unknown): never => {
    throw error;
  };
  const engine = createEngine({ clock, onBug });
  for (const [name, port] of [
    ['REDIRECT', 8001],
    ['TPROXY', 9001],
  ] as const) {
    for (const [family, address] of [
      ['ipv4', '10.99.0.1'],
      ['ipv6', 'fd99::1'],
    ] as const) {
      const { firstNs, againNs } = await measureRounds(lab, engine, { family, address, port });
      const again = `, again ${againNs.toFixed(0)} ns`;
      tell(`original destination, ${name} ${family}`, firstNs, 'ns', DESTINATION_BUDGET_NS, again);
    }
  }
}

const lab = Lab.make();
if (typeof lab === 'string') throw new Error(`namespaces are refused: ${lab}`);
measureCommand();
await measureDestinations(lab);
lab.close();
if (failed) process.exitCode = 1;
