// Runs a foreign program to its end, or as a server until the test stops it.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Ended = { readonly code: number; readonly output: string };

const START_TIMEOUT_MS = 30_000;
const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

/** Returns exit code and all that was printed; a program that runs into the timeout has a code too. */
export function runProgram(path: string, args: readonly string[], timeoutMs = 60_000): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, maxBuffer: 1 << 24 };
    execFile(path, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

export type Server = { readonly port: number; stop(): Promise<void> };

/** Starts a server and waits until it listens on `port`. */
export async function startServer(path: string, args: readonly string[], port: number): Promise<Server> {
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  live.add(child);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (errors.length < 1 << 16) errors += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    live.delete(child);
  };
  for (const deadline = performance.now() + START_TIMEOUT_MS; performance.now() < deadline; await sleep(20)) {
    if (child.exitCode !== null) break;
    if (await canConnect(port)) return { port, stop };
  }
  await stop();
  throw new Error(`${path} does not listen: ${errors}`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
