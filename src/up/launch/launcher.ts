// The outer process of a mesh: it has this machine's network and the terminal, starts the inner one, and lets nothing
// outlive either of them.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeLocation, stateDirectory, writeLocation } from '../location.ts';
import { findFreePorts, loopbackProblem } from '../../net/free-ports.ts';
import { forwardDirectly, forwardPort, serveRelay } from '../../net/relay.ts';
import type { HostPort } from '../../net/relay.ts';
import type { CaptureKind } from '../place/placement.ts';
import { killGroup, type RunningProgram, spawnProgram } from '../process/spawn.ts';
import { startOf } from '../../net/process-identity.ts';
import { usageOfGroups } from '../process/usage.ts';
import { type Capability, chooseCapture, findProgram, systemPath } from './capability.ts';
import { claimDirectory } from './claim.ts';
import type { InnerStart, ToInner, ToOuter, UpOptions } from './messages.ts';

export type LaunchOptions = UpOptions & {
  readonly capture: CaptureKind | 'auto';
  readonly pagePort: number;
  readonly version: string;
};

export type LaunchEvents = {
  /** Every workload is ready, or (false) the control plane answers. */
  up(isReady: boolean): void;
  /** The mesh is over, with the status of the process; words for the operator, if any. */
  over(status: number, lines: readonly string[]): void;
};

const INNER_SOCKET = 'inside.sock';
const OUTER_SOCKET = 'outside.sock';
/** More are asked for than a mesh of ordinary size needs. */
const FREE_PORTS = 400;
/** A socket's path has 104 bytes on some systems, and agents/NAME-NUMBER/socket in a directory of the mesh takes 73. */
const LONGEST_TEMPORARY = 30;
/** A mesh that does not end by itself is killed. */
const STOP_MS = 20_000;

export class Launcher {
  readonly #options: LaunchOptions;
  readonly #events: LaunchEvents;
  readonly #programs = new Map<number, RunningProgram>();
  readonly #servers: Server[] = [];
  readonly #targets = new Set<string>();
  #inner: ChildProcess | null = null;
  #groups: readonly number[] = [];
  #runtime = '';
  #capability: Capability | null = null;
  #isStopping = false;
  #isOver = false;
  #failure: readonly string[] = [];
  #release: () => void = () => undefined;
  readonly #token = randomBytes(24).toString('base64url');
  readonly #startedMs = Date.now();

  constructor(options: LaunchOptions, events: LaunchEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** A text says why nothing was started. */
  async start(): Promise<string | null> {
    const claimed = claimDirectory(this.#options.directory);
    if (typeof claimed === 'string') return claimed;
    this.#release = claimed;
    let problem: string | null;
    try {
      problem = await this.#begin();
    } catch (error) {
      problem = (error as Error).message;
    }
    if (this.#isStopping && this.#inner === null) {
      this.#clean();
      this.#events.over(0, []);
    } else if (problem !== null) this.#clean();
    return problem;
  }

  async #begin(): Promise<string | null> {
    const { directory, capture } = this.#options;
    const capability = await chooseCapture(capture, directory);
    if (typeof capability === 'string') return capability;
    if (capability.capture === 'explicit') {
      const problem = await loopbackProblem();
      if (problem !== null) return problem;
    }
    this.#capability = capability;
    this.#runtime = mkdtempSync(join(shortTemporary(), 'heddle-'));
    // Workloads have their homes in it.
    chmodSync(this.#runtime, capability.hasUsers ? 0o711 : 0o700);
    mkdirSync(join(stateDirectory(directory), 'logs'), { recursive: true, mode: 0o700 });
    this.#servers.push(await serveRelay(join(this.#runtime, OUTER_SOCKET), (to) => this.#targets.has(keyOf(to))));
    const freePorts = await findFreePorts(FREE_PORTS);
    if (this.#isStopping) return null;
    this.#startInner(capability, freePorts);
    return null;
  }

  /** Ends the mesh in order; the second time at once. */
  stop(): void {
    if (this.#isStopping) {
      this.#kill();
      return;
    }
    this.#isStopping = true;
    this.#tell({ kind: 'stop' });
    setTimeout(() => this.#kill(), STOP_MS).unref();
  }

  #startInner(capability: Capability, freePorts: readonly number[]): void {
    const { unshare, capture } = capability;
    const self = [process.execPath, ...process.execArgv, process.argv[1] as string, 'up', '--inner'];
    const [program = '', ...args] =
      unshare.length === 0 ? self : [findProgram('unshare') as string, ...unshare, ...self];
    const inner = spawn(program, args, {
      env: { ...process.env, PATH: systemPath() },
      // Of its own group, so that a terminal's signals come to this process alone.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#inner = inner;
    inner.on('message', (message) => void this.#take(message as ToOuter));
    inner.on('error', (error) => this.#ended(1, [`the mesh cannot be started: ${error.message}`]));
    inner.on('exit', (code, signal) => {
      const lines = this.#isStopping || code !== null ? this.#failure : [`the mesh was ended by ${signal}`];
      this.#ended(this.#isStopping && code === 0 ? 0 : (code ?? 1), lines);
    });
    const { directory, proxy, envoyPath, without, showsTable, verbose, certificateLife, patienceMs } = this.#options;
    const options: InnerStart = {
      ...{ directory, proxy, envoyPath, without, showsTable, verbose, certificateLife, patienceMs },
      capture,
      freePorts,
      captureText: capability.text,
      hasLoopbackRange: capability.hasLoopbackRange,
      hasUsers: capability.hasUsers,
      user: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      isUserNamespace: capability.isUserNamespace,
      runtime: this.#runtime,
      token: this.#token,
      pagePort: this.#options.pagePort,
      version: this.#options.version,
    };
    this.#tell({ kind: 'start', options });
  }

  #tell(message: ToInner): void {
    if (this.#inner?.connected === true) this.#inner.send(message);
  }

  async #take(message: ToOuter): Promise<void> {
    switch (message.kind) {
      case 'forward':
        await this.#forward(message);
        break;
      case 'open':
        for (const target of message.targets) this.#targets.add(keyOf(target));
        break;
      case 'spawn':
        this.#spawn(message.id, message.spec);
        break;
      case 'kill':
        this.#programs.get(message.id)?.kill(message.signal);
        break;
      case 'tell':
        this.#programs.get(message.id)?.tell(message.secret);
        break;
      case 'groups':
        this.#groups = message.pids;
        break;
      case 'usage': {
        const all = usageOfGroups();
        const groups = [...this.#programs.values()].flatMap(({ pid }) => {
          const usage = all.get(pid);
          return usage === undefined ? [] : [[pid, usage] as const];
        });
        this.#tell({ kind: 'usage', groups });
        break;
      }
      case 'up':
        this.#up(message.pagePort, message.isReady);
        break;
      case 'unheard':
        if (!this.#isStopping) this.stop();
        break;
      case 'failed':
        this.#failure = message.lines;
        break;
    }
  }

  #up(pagePort: number, isReady: boolean): void {
    writeLocation({
      pid: process.pid,
      directory: this.#options.directory,
      control: `http://127.0.0.1:${pagePort}`,
      token: this.#token,
      runtime: this.#runtime,
      startedMs: this.#startedMs,
      processStart: startOf(process.pid),
    });
    this.#events.up(isReady);
  }

  async #forward({ id, port, isExact, to }: Extract<ToOuter, { kind: 'forward' }>): Promise<void> {
    const open = (at: number): Promise<Server> =>
      this.#capability?.capture === 'namespaces'
        ? forwardPort({ address: '127.0.0.1', port: at }, join(this.#runtime, INNER_SOCKET), to)
        : forwardDirectly({ address: '127.0.0.1', port: at }, to);
    let server: Server;
    let problem: string | null = null;
    try {
      server = await open(port);
    } catch (error) {
      problem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      if (isExact) {
        this.#tell({ kind: 'forwarded', id, problem, port });
        return;
      }
      server = await open(0);
    }
    this.#servers.push(server);
    this.#tell({ kind: 'forwarded', id, problem, port: (server.address() as { port: number }).port });
  }

  #spawn(id: number, spec: Parameters<typeof spawnProgram>[0]): void {
    const program = spawnProgram(
      spec,
      { network: null },
      {
        line: (text) => this.#tell({ kind: 'line', id, text }),
        exit: (code, signal, reason) => {
          this.#programs.delete(id);
          this.#tell({ kind: 'exit', id, code, signal, reason });
        },
      },
    );
    if (program !== null) this.#programs.set(id, program);
    this.#tell({ kind: 'started', id, pid: program?.pid ?? null });
  }

  #kill(): void {
    this.#inner?.kill('SIGKILL');
  }

  #ended(status: number, lines: readonly string[]): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { pid } of this.#programs.values()) killGroup(pid, 'SIGKILL');
    // With namespaces the kernel has ended them, and their numbers mean nothing here.
    if (this.#capability?.capture === 'explicit') for (const pid of this.#groups) killGroup(pid, 'SIGKILL');
    this.#clean();
    this.#events.over(status, lines);
  }

  #clean(): void {
    for (const server of this.#servers) server.close();
    if (this.#runtime !== '') rmSync(this.#runtime, { recursive: true, force: true });
    removeLocation(this.#options.directory);
    this.#release();
  }
}

/** Names of sockets are short: what the user's own directory for such things is called may leave no room. */
function shortTemporary(): string {
  const own = tmpdir();
  return own.length > LONGEST_TEMPORARY && existsSync('/tmp') ? '/tmp' : own;
}

function keyOf({ address, port }: HostPort): string {
  return `${address} ${port}`;
}
