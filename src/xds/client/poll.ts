// A source that is asked and does not speak by itself: a REST server from time to time, a file when it changes.
import type { Clock, Timer } from '../../base/clock.ts';
import { failure } from '../../base/failure.ts';
import type { DiscoveryRequest, DiscoveryResponse, Node } from '../../proto/generated/types.d.ts';
import type { LogLevel } from '../../telemetry/log.ts';
import { type MuxHost, MuxType } from './mux-type.ts';
import { PollState } from './poll-state.ts';
import type { UpdateCounts, XdsListener, XdsSource, XdsSubscription } from './types.ts';

export type PollResult =
  | { readonly kind: 'response'; readonly message: DiscoveryResponse }
  /** As it was. */
  | { readonly kind: 'unchanged' }
  /** Nothing could be fetched; `isFinal`: nor will it soon, so nobody goes on waiting. */
  | { readonly kind: 'failed'; readonly text: string; readonly isFinal: boolean }
  /** What was fetched is no response. */
  | { readonly kind: 'rejected'; readonly text: string };

/** How it is asked, and in which words that is told. */
export type Poller = {
  /** Calls back once, perhaps during the call; the function that it returns gives up. */
  fetch(type: string, request: DiscoveryRequest, onResult: (result: PollResult) => void): () => void;
  /** Until it is asked again; null: only when it changed (`refresh`). */
  nextMs(): number | null;
  /** What comes is all there is: wanted names that are not in it do not exist. Null: it need not be. */
  readonly absentText: ((name: string) => string) | null;
  refusedText(type: string, reason: string): string;
  timedOutText(type: string): string;
  close(): void;
};

export type PollParts = {
  readonly clock: Clock;
  readonly log: (level: LogLevel, text: string) => void;
  readonly node: () => Node;
};

/** One type: asked at once when somebody wants something new, and then from time to time. */
type Task = {
  readonly entry: MuxType;
  readonly timer: Timer;
  cancel: (() => void) | null;
  isDue: boolean;
  hasFailed: boolean;
};

export class PollSource implements XdsSource, MuxHost {
  readonly clock: Clock;
  readonly stream = 1;
  readonly countsOutcomes = false;
  isClosed = false;
  readonly #parts: PollParts;
  readonly #poller: Poller;
  readonly #tasks = new Map<string, Task>();

  constructor(parts: PollParts, makePoller: (refresh: () => void) => Poller) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.#poller = makePoller(() => this.#refreshAll());
  }

  subscribe(
    type: string,
    isWildcard: boolean,
    initialFetchTimeoutMs: number,
    listener: XdsListener,
    counts: UpdateCounts | null = null,
  ): XdsSubscription {
    let task = this.#tasks.get(type);
    if (task === undefined) {
      const entry = new MuxType(this, new PollState(type), 0);
      const own: Task = { entry, timer: this.clock.timer(() => this.#fetch(own), null), ...IDLE };
      task = own;
      this.#tasks.set(type, task);
    }
    task.entry.subscribe(isWildcard, initialFetchTimeoutMs, listener, counts);
    return task.entry.subscription;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const task of this.#tasks.values()) {
      task.cancel?.();
      task.timer.disarm();
      task.entry.close();
    }
    this.#poller.close();
  }

  // ─── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────

  queue(entry: MuxType): void {
    const task = this.#tasks.get(entry.type);
    if (this.isClosed || task === undefined || !entry.state.isRequestDue || task.isDue) return;
    task.isDue = true;
    if (task.cancel === null) this.#fetchSoon(task);
  }

  /** What is wanted in one turn is asked for with one request. */
  #fetchSoon(task: Task): void {
    this.clock.defer(() => this.#fetch(task));
  }

  #refreshAll(): void {
    for (const task of this.#tasks.values()) {
      if (task.cancel === null) this.#fetch(task);
      else task.isDue = true;
    }
  }

  #fetch(task: Task): void {
    const { entry, timer } = task;
    if (this.isClosed || task.cancel !== null) return;
    task.isDue = false;
    timer.disarm();
    if (entry.listener === null || !entry.state.wantsAnything) return;
    entry.eachCounts((counts) => counts.attempted());
    let isOver = false;
    const request = entry.state.request(this.#parts.node()) as DiscoveryRequest;
    const cancel = this.#poller.fetch(entry.type, request, (result) => {
      if (isOver || this.isClosed) return;
      isOver = true;
      task.cancel = null;
      this.#take(task, result);
      if (task.isDue) this.#fetchSoon(task);
      else {
        const nextMs = this.#poller.nextMs();
        if (nextMs !== null) timer.arm(nextMs);
      }
    });
    if (!isOver) task.cancel = cancel;
  }

  #take(task: Task, result: PollResult): void {
    const { entry } = task;
    const { absentText } = this.#poller;
    if (result.kind === 'failed') {
      this.log('warning', result.text);
      task.hasFailed = true;
      entry.failed(failure('upstream_closed', 'control', 'stream', result.text));
      if (result.isFinal) entry.giveUpAll();
      return;
    }
    if (task.hasFailed) entry.listener?.onConnection(null);
    task.hasFailed = false;
    if (result.kind === 'rejected') entry.refused(result.text);
    else if (result.kind === 'response') {
      entry.receive(result.message);
      if (absentText !== null) entry.settleAbsent(absentText);
    }
  }

  // ─── What a stream has and this has not ─────────────────────────────────────────────────────────────────────────

  pause(): void {}
  resume(): void {}
  tellStream(): void {}
  addWaiting(): void {}

  log(level: LogLevel, text: string): void {
    this.#parts.log(level, text);
  }

  refusedText(type: string, reason: string): string {
    return this.#poller.refusedText(type, reason);
  }

  timedOutText(type: string): string {
    return this.#poller.timedOutText(type);
  }
}

const IDLE = { cancel: null, isDue: false, hasFailed: false };
