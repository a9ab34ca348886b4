// `heddle logs`: what workloads, proxies and the control plane of a mesh printed, and (-f) what they print.
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nearest } from '../control/schema/problem.ts';
import { logFile } from '../up/location.ts';
import { defineCommand } from './command/command.ts';
import { UsageError } from './command/parse.ts';
import type { CommandSpec } from './command/spec.ts';
import { MESH_OPTIONS } from './control-client.ts';
import { meshDirectory } from './objects/mesh-files.ts';

const SPEC = {
  verb: 'logs',
  about: 'Prints what a workload printed; of its proxy with --proxy, which has a line for each request.',
  arguments: [{ name: '[NAME]...', complete: 'workload', repeats: true }],
  options: {
    proxy: { type: 'boolean', short: 'p', help: 'of the proxy beside it' },
    follow: { type: 'boolean', short: 'f', help: 'go on as more is printed' },
    tail: { type: 'string', value: 'LINES', default: '200', help: 'only the last lines; 0 for all' },
    ...MESH_OPTIONS,
  },
  notes: ['NAME is a process (reviews-v1-1), a workload (reviews-v1), control, or heddle; without one all are listed.'],
  examples: [
    ['heddle logs reviews-v1', 'what it printed'],
    ['heddle logs -f -p shop', 'requests of its proxy, as they come'],
  ],
} as const satisfies CommandSpec;

const POLL_MS = 100;
const CHUNK = 64 * 1024;

export const logs = defineCommand(SPEC, async ({ values, words }) => {
  const directory = meshDirectory(values);
  const folder = dirname(logFile(directory, 'x'));
  const all = existsSync(folder) ? readdirSync(folder).flatMap((file) => /^(.*)\.log$/.exec(file)?.[1] ?? []) : [];
  if (words.length === 0) {
    process.stdout.write(all.length === 0 ? `there are no logs in ${folder}\n` : `${all.sort().join('\n')}\n`);
    return;
  }
  const names = words.flatMap((name) => filesOf(name, values.proxy === true, all));
  const lines = Number(values.tail);
  if (!Number.isInteger(lines) || lines < 0) throw new UsageError(`--tail ${values.tail}: a number of lines`);
  const prefix = (name: string): string => (names.length > 1 ? `${name.padEnd(16)} | ` : '');
  const tails = names.map((name) => new Tail(join(folder, `${name}.log`), prefix(name)));
  for (const tail of tails) tail.printLast(lines);
  while (values.follow === true) {
    await sleep(POLL_MS);
    for (const tail of tails) tail.printNew();
  }
});

/** A process, or all of a workload. */
function filesOf(name: string, isProxy: boolean, all: readonly string[]): string[] {
  const suffix = isProxy ? '.proxy' : '';
  const exact = all.filter((one) => one === `${name}${suffix}`);
  const replicas = all.filter(
    (one) =>
      one.startsWith(`${name}-`) &&
      /^-\d+$/.test(one.slice(name.length, one.length - suffix.length || undefined)) &&
      one.endsWith(suffix),
  );
  const found = exact.length > 0 ? exact : replicas;
  // A gateway is nothing but its proxy.
  if (found.length === 0 && !isProxy && all.includes(`${name}.proxy`)) return [`${name}.proxy`];
  if (found.length > 0) return found;
  const bare = all.map((one) => one.replace(/\.proxy$/, ''));
  const meant = nearest(name, bare);
  const known = [...new Set(bare)].sort().join(', ');
  throw new Error(`there is no log of ${name}${meant === null ? `; there are ${known}` : `: is ${meant} meant?`}`);
}

class Tail {
  readonly #path: string;
  readonly #prefix: string;
  #at = 0;
  #rest = '';

  constructor(path: string, prefix: string) {
    this.#path = path;
    this.#prefix = prefix;
  }

  printLast(lines: number): void {
    const text = this.#read();
    const all = text.split('\n');
    this.#rest = all.pop() ?? '';
    for (const line of lines === 0 ? all : all.slice(-lines)) process.stdout.write(`${this.#prefix}${line}\n`);
  }

  printNew(): void {
    const all = (this.#rest + this.#read()).split('\n');
    this.#rest = all.pop() ?? '';
    for (const line of all) process.stdout.write(`${this.#prefix}${line}\n`);
  }

  /** What was added; a file that is smaller than it was is a new one. */
  #read(): string {
    let fd: number;
    try {
      fd = openSync(this.#path, 'r');
    } catch {
      return '';
    }
    try {
      const { size } = fstatSync(fd);
      if (size < this.#at) this.#at = 0;
      const chunks: Buffer[] = [];
      while (this.#at < size) {
        const chunk = Buffer.alloc(Math.min(CHUNK, size - this.#at));
        const count = readSync(fd, chunk, 0, chunk.length, this.#at);
        if (count === 0) break;
        this.#at += count;
        chunks.push(chunk.subarray(0, count));
      }
      return Buffer.concat(chunks).toString();
    } finally {
      closeSync(fd);
    }
  }
}
