// Starts one program: in a network of its own if it has one, with its output as lines, and what it inherits.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { delimiter, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { readPipe } from '../../net/dial-in.ts';
import { makePipe } from '../../net/native.ts';
import { inNamespace } from '../../net/namespace.ts';

export type SpawnSpec = {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  /** Numbers; null: as this process. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  /** On descriptor 3: a secret that it is told once, or a socket; and then 4 ends when this process is gone. */
  readonly inherits: 'nothing' | 'secret' | 'socket';
};

/** Where it runs: the descriptor of a network namespace, or this process's own. */
export type SpawnPlace = { readonly network: number | null };

export type SpawnEvents = {
  line(text: string): void;
  /** Once; a code, or the signal that ended it. `reason` where it never ran. */
  exit(code: number | null, signal: string | null, reason: string | null): void;
};

export type RunningProgram = {
  readonly pid: number;
  /** To the whole group of processes. */
  kill(signal: NodeJS.Signals): void;
  /** What a program of ours waits for on its descriptor 3. */
  tell(secret: string): void;
  /** The other end of its descriptor 3. */
  readonly socket: Socket | null;
};

/** Longer lines are cut in pieces. */
const MAX_LINE = 64 * 1024;
export const SECRET_FD = 3;
export const PARENT_FD = 4;

let parentPipe: { readonly read: number; readonly write: number } | null = null;

/** A pipe whose other end this process holds until it ends, however that happens. */
function parentEnd(): number | null {
  if (parentPipe === null) {
    const made = makePipe();
    if (typeof made === 'string') return null;
    parentPipe = made;
  }
  return parentPipe.read;
}

export function spawnProgram(spec: SpawnSpec, place: SpawnPlace, events: SpawnEvents): RunningProgram | null {
  const output = openPipe();
  const secret = spec.inherits === 'secret' ? openPipe() : null;
  const isOurs = spec.inherits !== 'nothing';
  const parent = isOurs ? parentEnd() : null;
  const [program = '', ...args] = spec.command;
  const start = (): ChildProcess =>
    spawn(program, args, {
      cwd: spec.directory,
      env: spec.environment,
      detached: true,
      ...(spec.user ?? {}),
      stdio: [
        'ignore',
        output?.write ?? 'pipe',
        output?.write ?? 'pipe',
        ...(isOurs ? ([secret?.read ?? 'pipe', parent ?? 'pipe'] as const) : []),
      ],
    });
  let child: ChildProcess;
  try {
    child = place.network === null ? start() : inNamespace(place.network, start);
  } catch (error) {
    for (const pipe of [output, secret]) if (pipe !== null) closeBoth(pipe);
    events.exit(null, null, reasonOf(error as NodeJS.ErrnoException, spec));
    return null;
  }
  if (output !== null) closeSync(output.write);
  if (secret !== null) closeSync(secret.read);
  const streams: Readable[] =
    output === null ? [child.stdout as Readable, child.stderr as Readable] : [readPipe(output.read)];
  for (const stream of streams) readLines(stream, events.line);
  follow(child, spec, events);
  const { pid } = child;
  if (pid === undefined) return null;
  return {
    pid,
    socket: spec.inherits === 'socket' ? (child.stdio[SECRET_FD] as unknown as Socket) : null,
    kill: (signal) => killGroup(pid, signal),
    tell: (text) => {
      if (secret === null) (child.stdio[SECRET_FD] as unknown as Socket | null)?.end(text);
      else {
        writeSync(secret.write, text);
        closeSync(secret.write);
      }
    },
  };
}

type Pipe = { readonly read: number; readonly write: number };

function openPipe(): Pipe | null {
  const made = makePipe();
  return typeof made === 'string' ? null : made;
}

function closeBoth(pipe: Pipe): void {
  closeSync(pipe.read);
  closeSync(pipe.write);
}

function follow(child: ChildProcess, spec: SpawnSpec, events: SpawnEvents): void {
  let isOver = false;
  const end = (code: number | null, signal: string | null, reason: string | null): void => {
    if (isOver) return;
    isOver = true;
    events.exit(code, signal, reason);
  };
  child.on('error', (error: NodeJS.ErrnoException) => end(null, null, reasonOf(error, spec)));
  child.on('exit', (code, signal) => {
    // What it left behind in its group goes with it.
    if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
    end(code, signal, null);
  });
}

function reasonOf({ code, message }: NodeJS.ErrnoException, { command, directory, environment }: SpawnSpec): string {
  const program = command[0] ?? '';
  if (code !== 'ENOENT' && code !== 'EACCES') return message;
  // The system has the same word for a directory that is missing, and for any on PATH that may not be entered.
  if (!existsSync(directory)) return `there is no directory ${directory} to run ${program} in`;
  const path = program.includes('/') ? [''] : (environment['PATH'] ?? '').split(delimiter);
  const found = path.map((one) => resolve(directory, one, program)).find((file) => existsSync(file));
  if (found === undefined) return `there is no program ${program} (on PATH, seen from ${directory})`;
  if (code === 'ENOENT') return `${found} needs an interpreter that is not there`;
  return `${found} may not be run by its user, or ${directory} may not be entered`;
}

export function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone.
  }
}

function readLines(stream: Readable, line: (text: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const one of lines) line(one);
    if (rest.length <= MAX_LINE) return;
    line(rest);
    rest = '';
  });
  stream.on('end', () => {
    if (rest !== '') line(rest);
  });
  stream.on('error', () => undefined);
}
