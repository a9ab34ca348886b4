// A place among the workers: the thread in it is replaced when it dies, behind the same sockets.
import { SHARE_ENV, Worker as Thread } from 'node:worker_threads';
import type { Clock, Timer } from '../../base/clock.ts';
import type { WorkerStats } from '../../telemetry/merged-stats.ts';
import type { FromWorker, HandOver, SocketGrant, ToWorker, WorkerStart } from './messages.ts';

/** A worker that lived so long was well: the next death is the first one again. */
const HEALTHY_MS = 60_000;
/** The first restart is immediate; then this, doubling. Its connections wait in the kernel meanwhile. */
const FIRST_BACK_OFF_MS = 250;
const MAX_BACK_OFF_MS = 8_000;

export type SeatOwner = {
  readonly clock: Clock;
  /** What the next thread is started with. */
  startOf(seat: Seat): WorkerStart;
  take(seat: Seat, message: FromWorker): void;
  /** Its thread is gone; says whether there shall be another. */
  died(seat: Seat, why: string): boolean;
};

/** From source, or beside the bundle's other files. */
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './heddle-worker.js', import.meta.url);

export class Seat {
  readonly index: number;
  /** What the thread's statistics look like; null before its first message. */
  stats: WorkerStats | null = null;
  /** It has said that it serves, and lives. */
  isServing = false;
  /** Listening sockets that it was given and may not have taken over yet. */
  grants: readonly SocketGrant[] = [];
  /** Accepted sockets that are on their way to it. */
  readonly handOvers = new Map<number, { readonly key: string; readonly handover: HandOver }>();
  readonly #owner: SeatOwner;
  readonly #restart: Timer;
  #thread: Thread | null = null;
  #startedMs = 0;
  #deaths = 0;
  /** When it starts again, for messages. */
  backOffMs = 0;

  constructor(index: number, owner: SeatOwner) {
    this.index = index;
    this.#owner = owner;
    this.#restart = owner.clock.timer(startAgain, this);
  }

  get hasThread(): boolean {
    return this.#thread !== null;
  }

  start(): void {
    const start = this.#owner.startOf(this);
    this.grants = start.sockets;
    const thread = new Thread(ENTRY, { workerData: start, env: SHARE_ENV });
    this.#thread = thread;
    this.#startedMs = this.#owner.clock.nowMs;
    let why = '';
    thread.on('message', (message: FromWorker) => this.#owner.take(this, message));
    thread.on('error', (error) => {
      why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    thread.on('exit', (code) => {
      if (this.#thread === thread) this.#exited(why === '' ? `exit code ${code}` : why);
    });
  }

  post(message: ToWorker): void {
    this.#thread?.postMessage(message);
  }

  /** Ends the thread as its death would. */
  kill(): void {
    this.#thread?.terminate().catch(() => undefined);
  }

  /** Ends the thread for good. */
  terminate(): void {
    this.#restart.disarm();
    const thread = this.#thread;
    this.#thread = null;
    this.isServing = false;
    // It fails only for a thread that is gone already.
    thread?.terminate().catch(() => undefined);
  }

  #exited(why: string): void {
    const { clock } = this.#owner;
    this.#thread = null;
    this.isServing = false;
    clock.update();
    if (clock.nowMs - this.#startedMs > HEALTHY_MS) this.#deaths = 0;
    this.#deaths++;
    this.backOffMs = this.#deaths === 1 ? 0 : Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (this.#deaths - 2));
    if (this.#owner.died(this, why)) this.#restart.arm(this.backOffMs);
  }
}

function startAgain(seat: Seat): void {
  seat.start();
}
