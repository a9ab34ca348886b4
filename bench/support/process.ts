// Programs under measurement: started on one core, their CPU time and memory read from /proc, ended by their pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Linux counts CPU time in hundredths of a second for user programs on every architecture. */
const MS_PER_TICK = 10;
const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 3_000;

export type Program = { readonly pid: number; readonly child: ChildProcess; readonly logPath: string };

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Returns the core for the proxy and the core for load and upstream: the last and the first that we may use. */
export function chooseCores(): { proxy: number; load: number } {
  const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const cores = list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  if (cores.length < 2) throw new Error('bench: needs two cores: one for the proxy, one for load and upstream');
  return { proxy: cores.at(-1)!, load: cores[0]! };
}

/**
 * Starts a program on a core, or on several ('0,1'). `taskset` becomes the program by exec, so the child's pid is the
 * program's.
 */
export function startProgram(core: number | string, command: readonly string[], logPath: string, env = {}): Program {
  const log = openSync(logPath, 'a');
  const child = spawn('taskset', ['-c', String(core), ...command], {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env },
  });
  closeSync(log);
  if (child.pid === undefined) throw new Error(`bench: cannot start ${command[0]}`);
  running.add(child);
  child.on('exit', () => running.delete(child));
  return { pid: child.pid, child, logPath };
}

export async function stopProgram({ child }: Program): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

/** Returns the CPU time that all threads of the process have used. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The program's name is in parentheses and may hold spaces; utime and stime are the 12th and 13th field after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** The same from the scheduler, whose clock is finer; threads that ended are not in it. */
export function exactCpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const [nanoseconds = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return sum + Number(nanoseconds) / 1e6;
  }, 0);
}

/** Returns how long the core was busy with anyone's work since it started. */
export function coreBusyMs(core: number): number {
  const fields = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1]?.split(' ') ?? [];
  // user, nice, system, (idle, iowait left out,) irq, softirq, steal.
  return [0, 1, 2, 5, 6, 7].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0) * MS_PER_TICK;
}

export function rssKb(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** The most that the process had since it started, or since `resetPeakRss`. */
export function peakRssKb(pid: number): number {
  return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

export function resetPeakRss(pid: number): void {
  // 5 is the word for it (Linux, Documentation/filesystems/proc.rst).
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Below the range from which the kernel gives ports to connections, where one may be taken before it is bound. */
const FIRST_PORT = 21_000;
const PORTS = 10_000;
let nextPort = Math.floor(Math.random() * PORTS);

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORTS; attempt++) {
    const port = FIRST_PORT + (nextPort++ % PORTS);
    if (await canListen(port)) return port;
  }
  throw new Error('bench: no free port');
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Waits until the program listens on its port; throws with the end of its log when it ends or stays silent. */
export async function waitForPort(program: Program, port: number): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await canConnect(port))) {
    const ended = program.child.exitCode !== null || program.child.signalCode !== null;
    if (ended || performance.now() > deadline) {
      const log = readFileSync(program.logPath, 'utf8').trim().split('\n').slice(-5).join('\n');
      throw new Error(`${ended ? 'ended at once' : 'does not listen'}:\n${log}`);
    }
    await sleep(20);
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Runs a program of the load's side to its end and returns what it printed. */
export async function runProgram(core: number, command: readonly string[]): Promise<string> {
  const child = spawn('taskset', ['-c', String(core), ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  running.delete(child);
  if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${output.trim().slice(-500)}`);
  return output;
}
