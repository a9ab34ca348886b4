// A program that is kept running: started again when it ends, later each time, until it is told to stop.
import type { RunningProgram, SpawnEvents } from './spawn.ts';

/** How one more run is begun; null when it could not even start, which `events.exit` has told. */
export type StartRun = (events: SpawnEvents) => Promise<RunningProgram | null> | RunningProgram | null;

export type SupervisedEvents = {
  line(text: string): void;
  /** It runs anew. */
  started(program: RunningProgram): void;
  /** It ended by itself; the words say how, and when it is started again. */
  ended(how: string): void;
};

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 30_000;
/** Who runs so long has come up well. */
const STEADY_MS = 20_000;
const GRACE_MS = 5000;

export class Supervised {
  readonly name: string;
  readonly #start: StartRun;
  readonly #events: SupervisedEvents;
  #program: RunningProgram | null = null;
  #starting: Promise<RunningProgram | null> = Promise.resolve(null);
  #timer: NodeJS.Timeout | null = null;
  #waitMs = FIRST_WAIT_MS;
  #startedMs = 0;
  #isStopping = false;
  #onGone: (() => void)[] = [];
  restarts = 0;
  /** Why it does not run; '' while it does. */
  trouble = '';

  constructor(name: string, start: StartRun, events: SupervisedEvents) {
    this.name = name;
    this.#start = start;
    this.#events = events;
  }

  get pid(): number | null {
    return this.#program?.pid ?? null;
  }

  async start(): Promise<void> {
    if (this.#isStopping) return;
    this.#startedMs = Date.now();
    let isOver = false;
    this.#starting = Promise.resolve(
      this.#start({
        line: (text) => this.#events.line(text),
        exit: (code, signal, reason) => {
          isOver = true;
          this.#exited(code, signal, reason);
        },
      }),
    );
    const program = await this.#starting;
    if (program === null || isOver) return;
    this.#program = program;
    this.trouble = '';
    this.#events.started(program);
    if (this.#isStopping) program.kill('SIGTERM');
  }

  /** Resolves when it is gone; what does not go by itself is killed. */
  async stop(graceMs = GRACE_MS): Promise<void> {
    this.#isStopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    // One that is being started on this machine's own network is not known yet.
    await this.#starting;
    const program = this.#program;
    if (program === null) return;
    const gone = new Promise<void>((resolve) => this.#onGone.push(resolve));
    program.kill('SIGTERM');
    const timer = setTimeout(() => program.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(timer);
  }

  #exited(code: number | null, signal: string | null, reason: string | null): void {
    this.#program = null;
    for (const gone of this.#onGone.splice(0)) gone();
    if (this.#isStopping) return;
    if (Date.now() - this.#startedMs > STEADY_MS) this.#waitMs = FIRST_WAIT_MS;
    const waitMs = this.#waitMs;
    const how = reason ?? (signal === null ? `ended with status ${code}` : `was ended by ${signal}`);
    this.trouble = how;
    this.restarts++;
    this.#waitMs = Math.min(Math.max(waitMs, FIRST_WAIT_MS) * 2, LONGEST_WAIT_MS);
    this.#events.ended(
      `${how}; it is started again ${waitMs < 1000 ? 'at once' : `in ${Math.round(waitMs / 1000)} s`}`,
    );
    this.#timer = setTimeout(() => void this.start(), waitMs);
  }
}
