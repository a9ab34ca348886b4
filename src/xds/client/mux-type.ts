// One type on a stream: its subscription, the response that is being taken on, and what waits behind it.
import type { Failure } from '../../base/failure.ts';
import type { Clock } from '../../base/clock.ts';
import type { LogLevel } from '../../telemetry/log.ts';
import { Batch } from './batch.ts';
import { Deadlines } from './deadlines.ts';
import { WILDCARD } from './delta-state.ts';
import type { CutResource, Received } from './received.ts';
import { refusalText } from './refusals.ts';
import { isWhole, spaceOf } from './services.ts';
import type { TypeState } from './type-state.ts';
import type { StreamCounts, UpdateCounts, XdsListener, XdsRefusal, XdsSubscription } from './types.ts';

/** What a type stands on: a stream, or something that is asked again and again. */
export type MuxHost = {
  readonly clock: Clock;
  /** Numbers the streams. */
  readonly stream: number;
  readonly isClosed: boolean;
  /** Each outcome counts as an attempt; otherwise the host counts them. */
  readonly countsOutcomes: boolean;
  /** There may be something to say. */
  queue(entry: MuxType): void;
  /** Holds requests for what depends on the type, and for the type itself. */
  pause(entry: MuxType): void;
  /** What was held goes before what the caller queues then. */
  resume(entry: MuxType): void;
  /** Counts of a question that came later know of the stream, too. */
  tellStream(counts: UpdateCounts): void;
  /** So many bytes more (or less) wait for a listener. */
  addWaiting(bytes: number): void;
  log(level: LogLevel, text: string): void;
  refusedText(type: string, reason: string): string;
  timedOutText(type: string): string;
};

//        ┌── waits (one batch) ◄── response ── the listener is busy
// idle ──┴── response ──► listener ── done ──► answered ──► idle
export class MuxType {
  readonly type: string;
  readonly state: TypeState;
  listener: XdsListener | null = null;
  isQueued = false;
  /** Responses that are being taken on elsewhere, and hold requests of this type. */
  pauses: number;
  readonly #mux: MuxHost;
  readonly #fetches: Deadlines;
  readonly #lives: Deadlines;
  #fetchTimeoutMs = 0;
  /** Names that stand for many: while there are any, and from then on, all there is is asked for. */
  readonly #wholes = new Set<string>();
  #hasCome = false;
  /** Names of which nothing came yet. */
  readonly #unanswered = new Set<string>();
  /** Of the question for all resources; and by name. */
  #counts: UpdateCounts | null = null;
  readonly #nameCounts = new Map<string, UpdateCounts>();
  #waiting: Batch | null = null;
  #isBusy = false;
  /** Names that were asked for while the listener is busy. */
  #anew = new Set<string>();
  /** Numbers the subscriptions: answers for an older one are not for this one. */
  #generation = 0;

  constructor(mux: MuxHost, state: TypeState, pauses: number) {
    this.#mux = mux;
    this.state = state;
    this.type = state.type;
    this.pauses = pauses;
    this.#fetches = new Deadlines(mux.clock, (names) => this.#fetchTimedOut(names));
    this.#lives = new Deadlines(mux.clock, (names) => this.#expired(names));
  }

  /** There is something to say, and nothing holds it. */
  get maySpeak(): boolean {
    const { state } = this;
    return state.isRequestDue && this.pauses === 0 && !(state.isFirst && this.#isBusy);
  }

  // ─── The subscription ───────────────────────────────────────────────────────────────────────────────────────────

  subscribe(isWildcard: boolean, fetchTimeoutMs: number, listener: XdsListener, counts: UpdateCounts | null): void {
    if (this.listener !== null) throw new Error(`${this.type} is subscribed to already`);
    this.#generation++;
    this.listener = listener;
    this.#fetchTimeoutMs = fetchTimeoutMs;
    this.#counts = counts;
    if (counts !== null) this.#mux.tellStream(counts);
    if (!isWildcard) return;
    this.state.setWildcard(true);
    this.#attempt(counts);
    this.#awaits(WILDCARD, fetchTimeoutMs);
    this.#mux.queue(this);
  }

  get subscription(): XdsSubscription {
    const generation = this.#generation;
    const isOver = (): boolean => generation !== this.#generation || this.listener === null;
    return {
      add: (name, counts = null, fetchTimeoutMs = this.#fetchTimeoutMs) => {
        if (!isOver()) this.#add(name, counts, fetchTimeoutMs);
      },
      remove: (name) => {
        if (!isOver()) this.#remove(name);
      },
      close: () => {
        if (!isOver()) this.#unsubscribe();
      },
    };
  }

  #add(name: string, counts: UpdateCounts | null, fetchTimeoutMs: number): void {
    if (counts !== null) {
      const before = this.#nameCounts.get(name);
      this.#nameCounts.set(name, counts);
      // Only now: what both count is not begun anew.
      before?.release();
      this.#mux.tellStream(counts);
    }
    // A name of a space is counted with it.
    this.#attempt(this.#nameCounts.get(name) ?? this.#nameCounts.get(spaceOf(name)));
    if (isWhole(this.type, name)) {
      if (this.#wholes.has(name)) return;
      this.#wholes.add(name);
      // Those of another space came with all that has come.
      if (!this.#hasCome) this.#awaits(name, fetchTimeoutMs);
      this.state.setWildcard(true);
    } else {
      this.#awaits(name, fetchTimeoutMs);
      if (this.#isBusy) this.#anew.add(name);
      this.state.add(name);
    }
    this.#mux.queue(this);
  }

  #attempt(counts: UpdateCounts | null | undefined): void {
    if (this.#mux.countsOutcomes) counts?.attempted();
  }

  #awaits(name: string, fetchTimeoutMs: number): void {
    this.#unanswered.add(name);
    if (fetchTimeoutMs > 0) this.#fetches.set(name, fetchTimeoutMs);
  }

  #arrived(name: string): void {
    if (this.#unanswered.delete(name)) this.#fetches.clear(name);
  }

  #remove(name: string): void {
    this.#nameCounts.get(name)?.release();
    this.#nameCounts.delete(name);
    this.#arrived(name);
    // As Envoy, which goes on asking for all there is: whoever uses it again has it at once.
    if (this.#wholes.delete(name)) return;
    if (!this.state.isWildcard) {
      this.#lives.clear(name);
      this.#dropWaiting(name);
    }
    this.state.remove(name);
    this.#mux.queue(this);
  }

  #dropWaiting(name: string): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    const before = waiting.bytes;
    waiting.drop(name);
    this.#mux.addWaiting(waiting.bytes - before);
  }

  #unsubscribe(): void {
    this.close();
    for (const name of [...this.state.names]) this.state.remove(name);
    this.state.setWildcard(false);
    this.#mux.queue(this);
  }

  /** Nobody listens any more. */
  close(): void {
    this.#generation++;
    this.listener = null;
    this.#counts?.release();
    this.#counts = null;
    for (const counts of this.#nameCounts.values()) counts.release();
    this.#nameCounts.clear();
    this.#wholes.clear();
    this.#hasCome = false;
    this.#unanswered.clear();
    this.#fetches.clearAll();
    this.#lives.clearAll();
    if (this.#waiting !== null) this.#mux.addWaiting(-this.#waiting.bytes);
    this.#waiting = null;
  }

  #fetchTimedOut(names: readonly string[]): void {
    for (const name of names) {
      this.#unanswered.delete(name);
      const counts = name === WILDCARD ? this.#counts : this.#nameCounts.get(name);
      counts?.timedOut();
      this.#attempt(counts);
    }
    this.#mux.log('warning', this.#mux.timedOutText(this.type));
    this.listener?.onFetchTimeout(names);
  }

  /** What came is of no use: nobody goes on waiting. */
  #giveUp(names: readonly string[]): void {
    const waiting = names.filter((name) => this.#unanswered.has(name));
    for (const name of waiting) this.#arrived(name);
    if (waiting.length > 0) this.listener?.onFetchTimeout(waiting);
  }

  // ─── Responses ──────────────────────────────────────────────────────────────────────────────────────────────────

  receive(message: unknown): void {
    const { state } = this;
    const received = state.read(message);
    if (typeof received === 'string') {
      state.refuseWhole(message, received);
      this.refused(received);
    } else if (this.listener === null) state.unwanted(received);
    else {
      this.#noteArrival(received);
      this.#take(received);
      if (received.broken.length > 0) this.#giveUpBroken(received);
      return;
    }
    this.#mux.queue(this);
  }

  /** All that came is of no use. */
  refused(reason: string): void {
    this.#logRefusal(reason);
    this.eachCounts((counts) => {
      counts.rejected();
      this.#attempt(counts);
    });
    this.giveUpAll();
  }

  /** Nobody goes on waiting for what has not come. */
  giveUpAll(): void {
    this.#giveUp([...this.#unanswered]);
  }

  #giveUpBroken({ broken }: Received): void {
    const isUnnamed = broken.some(({ name }) => name === '');
    this.#giveUp(isUnnamed ? [...this.#unanswered] : broken.map(({ name }) => name));
  }

  /** Names that are wanted and of which nothing came, though all there is was sent. */
  settleAbsent(reasonOf: (name: string) => string): void {
    const absent = [...this.#unanswered].filter((name) => name !== WILDCARD);
    for (const name of absent) {
      this.#logRefusal(reasonOf(name));
      this.#nameCounts.get(name)?.rejected();
    }
    this.#giveUp(absent);
  }

  #logRefusal(text: string): void {
    this.#mux.log('warning', this.#mux.refusedText(this.type, text));
  }

  #isWanted(name: string): boolean {
    return this.state.isWildcard || this.state.names.has(name);
  }

  #noteArrival({ resources, heartbeats, removed }: Received): void {
    this.#hasCome = true;
    if (this.#unanswered.size > 0) {
      this.#arrived(WILDCARD);
      for (const whole of this.#wholes) this.#arrived(whole);
      for (const { name, aliases } of resources) {
        this.#arrived(name);
        for (const alias of aliases) this.#arrived(alias);
      }
      for (const name of removed) this.#arrived(name);
    }
    for (const { name, ttlMs } of heartbeats) this.#setLife(name, ttlMs);
    for (const { name, ttlMs } of resources) this.#setLife(name, ttlMs);
    if (this.#lives.size > 0) for (const name of removed) this.#lives.clear(name);
  }

  #setLife(name: string, ttlMs: number): void {
    if (ttlMs > 0 && this.#isWanted(name)) this.#lives.set(name, ttlMs);
    else if (this.#lives.size > 0) this.#lives.clear(name);
  }

  #take(received: Received): void {
    const isWanted = ({ name, aliases }: CutResource): boolean =>
      this.#isWanted(name) || aliases.some((alias) => this.#isWanted(alias));
    const batch = this.#waiting ?? new Batch(this.type);
    const before = batch.bytes;
    batch.take(received, this.#mux.stream, isWanted);
    for (const name of received.removed) if (this.#isWanted(name)) batch.remove(name);
    this.#deliverOrKeep(batch, before);
  }

  /** Time to live is over: as if the server had said that they are gone. */
  #expired(names: readonly string[]): void {
    this.state.forget(names);
    const batch = this.#waiting ?? new Batch(this.type);
    const before = batch.bytes;
    for (const name of names) batch.remove(name);
    this.#deliverOrKeep(batch, before);
  }

  #deliverOrKeep(batch: Batch, before: number): void {
    if (this.#isBusy) {
      this.#mux.addWaiting(batch.bytes - (this.#waiting === null ? 0 : before));
      this.#waiting = batch;
    } else this.#deliver(batch);
  }

  #deliver(batch: Batch): void {
    const { listener } = this;
    if (listener === null) return;
    const { broken } = batch;
    const mux = this.#mux;
    // Whoever has all there are hears of an empty response, too: it may be the first.
    if (batch.isEmpty && !this.state.isWildcard && broken.every(({ name }) => !this.#isWanted(name))) {
      this.#finish(batch, broken, 0);
      return;
    }
    const generation = this.#generation;
    const startMs = mux.clock.nowMs;
    let isDone = false;
    this.#isBusy = true;
    mux.pause(this);
    listener.onResponse(batch.response, (refused) => {
      if (isDone) return;
      isDone = true;
      this.#isBusy = false;
      mux.resume(this);
      if (mux.isClosed) return;
      const all = broken.length === 0 ? refused : [...broken, ...refused];
      const durationMs = mux.clock.nowMs - startMs;
      if (generation === this.#generation) this.#finish(batch, all, durationMs);
      else this.#answer(batch, all);
      this.#next();
    });
  }

  #next(): void {
    const waiting = this.#waiting;
    if (waiting === null || this.#isBusy) return;
    this.#waiting = null;
    this.#mux.addWaiting(-waiting.bytes);
    this.#deliver(waiting);
  }

  #finish(batch: Batch, refused: readonly XdsRefusal[], durationMs: number): void {
    if (refused.length > 0) this.#logRefusal(refusalText(this.type, refused));
    this.#count(batch, refused, durationMs);
    this.#answer(batch, refused);
  }

  #answer(batch: Batch, refused: readonly XdsRefusal[]): void {
    this.state.finish(batch, refused, this.#mux.stream, this.#anew);
    if (this.#anew.size > 0) this.#anew = new Set();
    this.#mux.queue(this);
  }

  #count(batch: Batch, refused: readonly XdsRefusal[], durationMs: number): void {
    const { version } = batch;
    const count = (counts: UpdateCounts | null | undefined, isRefused: boolean): void => {
      if (counts === null || counts === undefined) return;
      for (let i = isRefused ? this.state.refusalAttempts : 1; i > 0; i--) this.#attempt(counts);
      if (isRefused) counts.rejected();
      else counts.succeeded(version, durationMs);
    };
    if (this.state.isWildcard) count(this.#counts, refused.length > 0);
    if (this.#nameCounts.size === 0) return;
    const names = new Set(refused.map(({ name }) => name));
    for (const name of batch.resources.keys()) count(this.#nameCounts.get(name), names.has(name));
    for (const name of batch.removed) count(this.#nameCounts.get(name), false);
    for (const whole of this.#wholes) {
      const isIn = (name: string): boolean => whole === WILDCARD || spaceOf(name) === whole;
      const isTold = whole === WILDCARD || [...batch.resources.keys(), ...batch.removed].some(isIn);
      if (isTold) count(this.#nameCounts.get(whole), [...names].some(isIn));
    }
  }

  // ─── The stream ─────────────────────────────────────────────────────────────────────────────────────────────────

  failed(reason: Failure): void {
    if (this.listener === null) return;
    this.eachCounts((counts) => {
      counts.failed();
      this.#attempt(counts);
    });
    this.listener.onConnection(reason);
  }

  eachCounts(count: (counts: UpdateCounts) => void): void {
    if (this.state.isWildcard && this.#counts !== null) count(this.#counts);
    for (const counts of this.#nameCounts.values()) count(counts);
  }

  eachStreamCounts(count: (counts: StreamCounts) => void): void {
    this.eachCounts(({ stream }) => {
      if (stream !== null) count(stream);
    });
  }
}
