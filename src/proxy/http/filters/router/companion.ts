// What a forwarded request needs besides itself and that outlives it: timers and watermark callbacks, used again.
import type { Clock, Timer } from '../../../../base/clock.ts';
import type { RequestEncoder } from '../../codec.ts';

/** As in statistics and details: which timeout of one attempt was reached. */
export type TryTimeout = 'per_try_timeout' | 'per_try_idle_timeout';

/** The request, as its timers see it. */
export type TimerOwner = {
  onResponseTimeout(): void;
  onTryTimeout(kind: TryTimeout): void;
  onMaxDuration(): void;
  onRetryTimer(): void;
};

const MAX_KEPT = 4096;

/** Timers that are armed for a request; `release` disarms them and gives the object back. */
export class Companion {
  readonly #pool: CompanionPool;
  owner: TimerOwner | null = null;
  /** Where the response comes from now, to be paused when the client is slow. */
  source: RequestEncoder | null = null;
  #isClientFull = false;
  readonly response: Timer;
  #perTry: Timer | null = null;
  #perTryIdle: Timer | null = null;
  #duration: Timer | null = null;
  #retry: Timer | null = null;

  constructor(pool: CompanionPool) {
    this.#pool = pool;
    this.response = pool.clock.timer((self: Companion) => self.owner?.onResponseTimeout(), this);
  }

  get perTry(): Timer {
    this.#perTry ??= this.#pool.clock.timer((self: Companion) => self.owner?.onTryTimeout('per_try_timeout'), this);
    return this.#perTry;
  }

  get perTryIdle(): Timer {
    this.#perTryIdle ??= this.#pool.clock.timer(
      (self: Companion) => self.owner?.onTryTimeout('per_try_idle_timeout'),
      this,
    );
    return this.#perTryIdle;
  }

  get duration(): Timer {
    this.#duration ??= this.#pool.clock.timer((self: Companion) => self.owner?.onMaxDuration(), this);
    return this.#duration;
  }

  get retry(): Timer {
    this.#retry ??= this.#pool.clock.timer((self: Companion) => self.owner?.onRetryTimer(), this);
    return this.#retry;
  }

  setSource(encoder: RequestEncoder): void {
    this.source = encoder;
    if (this.#isClientFull) encoder.pauseReading();
  }

  onAboveWatermark(): void {
    this.#isClientFull = true;
    this.source?.pauseReading();
  }

  onBelowWatermark(): void {
    this.#isClientFull = false;
    this.source?.resumeReading();
  }

  /** Ends the timers of one attempt. */
  attemptEnds(): void {
    this.source = null;
    this.#perTry?.disarm();
    this.#perTryIdle?.disarm();
    this.#duration?.disarm();
  }

  release(): void {
    this.attemptEnds();
    this.response.disarm();
    this.#retry?.disarm();
    this.owner = null;
    this.#isClientFull = false;
    this.#pool.give(this);
  }
}

export class CompanionPool {
  readonly clock: Clock;
  readonly #free: Companion[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  take(owner: TimerOwner): Companion {
    const companion = this.#free.pop() ?? new Companion(this);
    companion.owner = owner;
    return companion;
  }

  give(companion: Companion): void {
    if (this.#free.length < MAX_KEPT) this.#free.push(companion);
  }
}
