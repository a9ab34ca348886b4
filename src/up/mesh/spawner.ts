// Where the programs of a mesh are started: here, or by the outer process on this machine's own network.
import type { ToInner, ToOuter } from '../launch/messages.ts';
import { type RunningProgram, type SpawnEvents, spawnProgram, type SpawnSpec } from '../process/spawn.ts';
import { type Usage, usageOfGroups } from '../process/usage.ts';

export type OuterLink = {
  send(message: ToOuter): void;
  onMessage(take: (message: ToInner) => void): void;
};

export type Where = { readonly network: number | null; readonly isOutside: boolean };

export class Spawner {
  readonly #link: OuterLink;
  readonly #outside = new Map<number, SpawnEvents & { started(program: RunningProgram | null): void }>();
  readonly #pids = new Set<number>();
  #outsideUsage = new Map<number, Usage>();
  #next = 0;

  constructor(link: OuterLink) {
    this.#link = link;
    link.onMessage((message) => this.#take(message));
  }

  start(spec: SpawnSpec, { network, isOutside }: Where, events: SpawnEvents): Promise<RunningProgram | null> {
    if (isOutside) return this.#startOutside(spec, events);
    let pid = 0;
    const program = spawnProgram(
      spec,
      { network },
      {
        line: events.line,
        exit: (code, signal, reason) => {
          if (this.#pids.delete(pid)) this.#tellGroups();
          events.exit(code, signal, reason);
        },
      },
    );
    if (program !== null) {
      pid = program.pid;
      this.#pids.add(pid);
      this.#tellGroups();
    }
    return Promise.resolve(program);
  }

  /** The last thing that this process does. */
  killAll(): void {
    for (const pid of this.#pids) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // It is gone.
      }
    }
  }

  /** By pid; what is outside is as it was told last. */
  usage(): ReadonlyMap<number, Usage> {
    this.#link.send({ kind: 'usage' });
    return new Map([...usageOfGroups(), ...[...this.#outsideUsage].map(([pid, usage]) => [-pid, usage] as const)]);
  }

  #tellGroups(): void {
    this.#link.send({ kind: 'groups', pids: [...this.#pids] });
  }

  #startOutside(spec: SpawnSpec, events: SpawnEvents): Promise<RunningProgram | null> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#outside.set(id, { ...events, started: resolve });
      this.#link.send({ kind: 'spawn', id, spec });
    });
  }

  #take(message: ToInner): void {
    if (message.kind === 'usage') {
      this.#outsideUsage = new Map(message.groups);
      return;
    }
    if (message.kind !== 'line' && message.kind !== 'exit' && message.kind !== 'started') return;
    const { id } = message;
    const program = this.#outside.get(id);
    if (program === undefined) return;
    if (message.kind === 'line') program.line(message.text);
    else if (message.kind === 'exit') {
      this.#outside.delete(id);
      program.started(null);
      program.exit(message.code, message.signal, message.reason);
    } else {
      const send = (more: { kind: 'kill'; signal: NodeJS.Signals } | { kind: 'tell'; secret: string }): void =>
        this.#link.send({ id, ...more });
      program.started(
        message.pid === null
          ? null
          : {
              // Its number is one of another numbering.
              pid: -message.pid,
              socket: null,
              kill: (signal) => send({ kind: 'kill', signal }),
              tell: (secret) => send({ kind: 'tell', secret }),
            },
      );
    }
  }
}
