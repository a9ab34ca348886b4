// The control plane under measurement: a process on a core of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  exactCpuMs,
  freePort,
  peakRssKb,
  type Program,
  rssKb,
  startProgram,
  stopProgram,
  waitForPort,
} from '../support/process.ts';

const IDLE_WINDOW_MS = 500;
/** CPU time within the window under which the server counts as idle. */
const IDLE_CPU_MS = 10;
const IDLE_TIMEOUT_MS = 60_000;

export class ControlServer {
  readonly port: number;
  readonly #program: Program;

  private constructor(program: Program, port: number) {
    this.#program = program;
    this.port = port;
  }

  /** `command` is what comes before the flags: the program, and its verb. */
  static async start(
    command: readonly string[],
    folder: string,
    core: number,
    logPath: string,
  ): Promise<ControlServer> {
    const port = await freePort();
    // Proxies come without credentials; doors that nobody comes through are at ports that the system chooses.
    const flags = ['--config', folder, '--grpc-address', `127.0.0.1:${port}`, '--trust-loopback'];
    flags.push('--secure-address', '127.0.0.1:0', '--http-address', '127.0.0.1:0');
    flags.push('--state-dir', `${folder}.state`, '--log-level', 'warning');
    const program = startProgram(core, [...command, ...flags], logPath);
    await waitForPort(program, port);
    return new ControlServer(program, port);
  }

  get cpuMs(): number {
    return exactCpuMs(this.#program.pid);
  }

  get rssMb(): number {
    return rssKb(this.#program.pid) / 1024;
  }

  get peakMb(): number {
    return peakRssKb(this.#program.pid) / 1024;
  }

  async untilIdle(): Promise<void> {
    const deadline = performance.now() + IDLE_TIMEOUT_MS;
    for (let before = this.cpuMs; performance.now() < deadline; ) {
      await sleep(IDLE_WINDOW_MS);
      const now = this.cpuMs;
      if (now - before < IDLE_CPU_MS) return;
      before = now;
    }
    throw new Error(`bench: the control plane does not come to rest; see ${this.#program.logPath}`);
  }

  async stop(): Promise<void> {
    await stopProgram(this.#program);
  }
}
