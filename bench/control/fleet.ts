// The fleet as the bench commands it: a process with all proxies of one measurement.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { FileChange } from './mesh-files.ts';
import type { ProxyKind } from './sidecar.ts';

export type FleetCommand =
  | {
      readonly do: 'connect';
      readonly port: number;
      readonly kind: ProxyKind;
      readonly count: number;
      readonly services: number;
      readonly timeoutMs: number;
    }
  | {
      readonly do: 'expect';
      readonly text: string;
      readonly types: FileChange['types'];
      readonly kind: ProxyKind;
    }
  | { readonly do: 'settle'; readonly timeoutMs: number }
  | { readonly do: 'disconnect' };

export type FleetState = {
  /** When each proxy acknowledged the last of what it waited for: milliseconds since 1970, with fractions. */
  readonly doneMs: readonly number[];
  /** Proxies that have not got it. */
  readonly missing: number;
  /** Of gRPC messages, since the expectation. */
  readonly bytes: number;
  readonly resources: Readonly<Record<string, number>>;
  /** The least and the most that a proxy holds. */
  readonly holds: Readonly<Record<string, readonly [number, number]>>;
  readonly hosts: readonly [number, number];
  readonly problems: readonly string[];
  readonly distinctBytes: number;
};

export type FleetAnswer = { readonly state: FleetState | null };

export class Fleet {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  /** On one core, so that the server has the other. */
  constructor(core: number) {
    const program = join(import.meta.dirname, 'fleet-program.ts');
    const command = ['-c', String(core), process.execPath, ...process.execArgv, program];
    this.#child = spawn('taskset', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new Error('bench: the fleet ended');
    });
    this.#ended.catch(() => {});
  }

  async ask(command: FleetCommand): Promise<FleetState> {
    const answer = once(this.#child, 'message') as Promise<[FleetAnswer]>;
    this.#child.send(command);
    const [{ state }] = await Promise.race([answer, this.#ended]);
    return state as FleetState;
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill();
    await exited;
  }
}
