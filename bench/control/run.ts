// What the control plane costs: real gRPC clients in another process, and the CPU time, bytes, waits and memory of it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { packHeddle } from '../support/pack-heddle.ts';
import { chooseCores } from '../support/process.ts';
import { Fleet } from './fleet.ts';
import { type Figures, measure, type Scale } from './measure.ts';
import { caLine, measureCa } from './measure-ca.ts';
import { renderControlTable, replaceControlBlock } from './control-table.ts';

const ROOT = dirname(dirname(import.meta.dirname));
const RESULTS = join(ROOT, 'bench/results/control.json');
const MOST_ROUNDS = 50;
const SERVICES = 1000;

const SCALES: readonly Scale[] = [
  { services: SERVICES, proxies: 500, kind: 'heddle' },
  { services: SERVICES, proxies: 500, kind: 'envoy' },
  { services: SERVICES, proxies: 100, kind: 'heddle' },
  { services: SERVICES, proxies: 100, kind: 'envoy' },
];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      /** 'heddle:500,ca': what to measure of all, or at another scale. */
      only: { type: 'string' },
      services: { type: 'string', default: String(SERVICES) },
      rounds: { type: 'string', default: '8' },
      /** Runs the sources as they are, without a build. */
      source: { type: 'boolean', default: false },
      'update-readme': { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MOST_ROUNDS)
    throw new Error(`bench: --rounds ${values.rounds}`);
  const cores = chooseCores();
  const scratch = mkdtempSync(join(tmpdir(), 'heddle-bench-control-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const command = values.source
    ? [join(ROOT, 'bin/heddle-node'), join(ROOT, 'src/main.ts'), 'control']
    : [await packHeddle(scratch), 'control'];
  const place = {
    ...{ command, scratch, rounds, core: cores.proxy },
    say: (text: string): void => void process.stderr.write(`${text}\n`),
  };
  const figures: Figures[] = [];
  for (const scale of chosen(values.only, Number(values.services))) {
    const fleet = new Fleet(cores.load);
    try {
      figures.push(await measure(scale, fleet, place));
    } catch (error) {
      place.say(`failed: ${(error as Error).message}\n${tail(join(scratch, 'control.log'))}`);
      process.exitCode = 1;
    }
    await fleet.stop();
  }
  const ca = values.only === undefined || values.only.includes('ca') ? await measureCa(cores, scratch) : [];
  const machine = {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version,
    rounds,
  };
  const table = [renderControlTable(figures, machine), ...ca.map(caLine)].join('\n');
  console.log(table);
  mkdirSync(dirname(RESULTS), { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify({ machine, figures, ca }, null, 2)}\n`);
  if (values['update-readme']) {
    const path = join(ROOT, 'README.md');
    writeFileSync(path, replaceControlBlock(readFileSync(path, 'utf8'), table));
  }
}

function chosen(only: string | undefined, services: number): readonly Scale[] {
  const scales = SCALES.map((scale) => ({ ...scale, services }));
  if (only === undefined) return scales;
  const words = only.split(',').filter((word) => word !== 'ca');
  return words.map((word) => {
    const [kind, proxies] = word.split(':');
    if (kind !== 'heddle' && kind !== 'envoy') throw new Error(`bench: --only ${word}: heddle:500 or envoy:500`);
    return { services, proxies: Number(proxies ?? 500), kind };
  });
}

function tail(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(-20).join('\n');
  } catch {
    return '';
  }
}

await main();
