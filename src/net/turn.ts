// One turn of the event loop: contains bugs, sends each changed stream's writes once, and delivers what was put off.
import type { Clock } from '../base/clock.ts';

/** What a turn does with a stream at its end. */
export type TurnStream = {
  isDirty: boolean;
  isNotified: boolean;
  /** Sends queued bytes and applies pause, resume, end and close. */
  settle(): void;
  /** Delivers events that could not be delivered when they arose, because the stream's handler was on the stack. */
  deliver(): void;
  /** A bug was thrown while this stream's event was handled: it goes at once. */
  abandon(): void;
};

export type OnBug = (error: unknown, where: string) => void;

/** In-memory streams can answer each other without end; after so many rounds the kernel gets its turn. */
const MAX_ROUNDS = 64;

export class Turn {
  readonly clock: Clock;
  readonly onBug: OnBug;
  /** Depth of nested entries; 0 outside. */
  depth = 0;
  /** Number of the present flush; a stream in memory hands over once in each. */
  flushes = 0;
  /** Flushes within flushes: who is handed bytes inside one may need another to go on (TLS, record by record). */
  flushDepth = 0;
  private dirty: (TurnStream | null)[] = [];
  private dirtyCount = 0;
  /** Those of `dirty` before it are settled. */
  private settledCount = 0;
  private notified: TurnStream[] = [];
  private isScheduled = false;
  private readonly settleLate = (): void => {
    this.isScheduled = false;
    this.enter();
    this.leave();
  };

  constructor(clock: Clock, onBug: OnBug) {
    this.clock = clock;
    this.onBug = onBug;
  }

  /** Begins an entry from the event loop; always paired with `leave`. */
  enter(): void {
    if (this.depth++ === 0) this.clock.update();
  }

  /** Ends an entry; the outermost one settles everything that was touched. */
  leave(): void {
    if (this.depth === 1 && (this.dirtyCount !== 0 || this.notified.length !== 0)) this.settleAll();
    this.depth--;
  }

  /** Runs `fn` as an entry of its own (timers, admin): writes leave when it returns, bugs are contained. */
  run(fn: () => void): void {
    this.enter();
    try {
      fn();
    } catch (error) {
      this.onBug(error, 'run');
    }
    this.leave();
  }

  /** Reports a bug that was thrown while `stream` was served, and ends that stream. */
  contain(stream: TurnStream, error: unknown, where: string): void {
    try {
      stream.abandon();
    } catch (second) {
      this.onBug(second, 'abandon');
    }
    this.onBug(error, where);
  }

  markDirty(stream: TurnStream): void {
    stream.isDirty = true;
    this.dirty[this.dirtyCount++] = stream;
    // Touched outside any entry (a promise, a bare timer): settle as soon as that code has run.
    if (this.depth === 0) this.schedule();
  }

  markNotified(stream: TurnStream): void {
    stream.isNotified = true;
    this.notified.push(stream);
    if (this.depth === 0) this.schedule();
  }

  /** Sends everything queued now. On return no stream holds borrowed bytes: they were sent or copied. */
  flush(): void {
    if (this.flushDepth++ === 0) this.flushes++;
    const dirty = this.dirty;
    while (this.settledCount < this.dirtyCount) {
      const stream = dirty[this.settledCount] as TurnStream;
      dirty[this.settledCount++] = null;
      stream.isDirty = false;
      try {
        stream.settle();
      } catch (error) {
        this.contain(stream, error, 'flush');
      }
    }
    this.dirtyCount = 0;
    this.settledCount = 0;
    this.flushDepth--;
  }

  private settleAll(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.flush();
      if (this.notified.length === 0) return;
      const batch = this.notified;
      this.notified = [];
      for (const stream of batch) {
        stream.isNotified = false;
        try {
          stream.deliver();
        } catch (error) {
          this.contain(stream, error, 'event');
        }
      }
      if (this.dirtyCount === 0 && this.notified.length === 0) return;
    }
    this.flush();
    if (!this.isScheduled) {
      this.isScheduled = true;
      setImmediate(this.settleLate);
    }
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    queueMicrotask(this.settleLate);
  }
}
