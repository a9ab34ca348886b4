// The xDS protocol over one stream: types share it, responses are taken on one at a time, and requests go in order.
import type { Clock, Timer } from '../../base/clock.ts';
import { failure } from '../../base/failure.ts';
import type { Node } from '../../proto/generated/types.d.ts';
import { typeUrlName, typeUrlOf } from '../../proto/type-url.ts';
import type { LogLevel } from '../../telemetry/log.ts';
import type { XdsChannel, XdsChannelHandler } from './channel.ts';
import { CloseLog } from './close-log.ts';
import { DeltaState } from './delta-state.ts';
import { LiveReports } from './live-reports.ts';
import { type RateLimit, RequestRate } from './request-rate.ts';
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  LISTENER_TYPE,
  LOCALITY_ENDPOINT_TYPE,
  ROUTE_TYPE,
  SCOPED_ROUTE_TYPE,
  SECRET_TYPE,
  VIRTUAL_HOST_TYPE,
} from './services.ts';
import { SotwState } from './sotw-state.ts';
import { type MuxHost, MuxType } from './mux-type.ts';
import type { StreamCounts, UpdateCounts, XdsListener, XdsSource, XdsSubscription } from './types.ts';

export type MuxParts = {
  readonly clock: Clock;
  readonly log: (level: LogLevel, text: string) => void;
  /** What requests say of this client; asked for each. */
  readonly node: () => Node;
  /** Everything that was taken on serves; absent: nobody is told of that. */
  readonly isWarm?: () => boolean;
};

export type MuxOptions = {
  readonly isDelta: boolean;
  readonly setsNodeOnFirstOnly: boolean;
  /** Null: as many requests as there are. */
  readonly rateLimit: RateLimit | null;
  /** For the log: the method's name and the cluster. */
  readonly method: string;
  readonly destination: string;
  /** Null where the stream is counted with the questions that it carries. */
  readonly counts: StreamCounts | null;
};

/**
 * While a response of the one is taken on, requests for the others wait: its clusters' endpoints are asked for at once.
 * Source: Envoy CdsApiHelper::onConfigUpdate, LdsApiImpl::onConfigUpdate.
 */
const DEPENDENTS: ReadonlyMap<string, readonly string[]> = new Map([
  [CLUSTER_TYPE, [ENDPOINT_TYPE, LOCALITY_ENDPOINT_TYPE, SECRET_TYPE]],
  [LISTENER_TYPE, [ROUTE_TYPE, SCOPED_ROUTE_TYPE, SECRET_TYPE]],
  [SCOPED_ROUTE_TYPE, [ROUTE_TYPE]],
  [ROUTE_TYPE, [VIRTUAL_HOST_TYPE]],
]);

/** Beyond it responses that wait for their listeners stop the stream. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Beyond it answers that a server does not take stop the stream, too: in delta each response has one of its own. */
const MAX_ANSWERS = 1000;
/** Messages of one stream that are warned of though nobody waits for them. */
const MAX_IGNORED_LINES = 100;
/** Types on one stream. */
const MAX_TYPES = 1000;

export class XdsMux implements XdsSource, XdsChannelHandler, MuxHost {
  readonly clock: Clock;
  readonly countsOutcomes = true;
  readonly #parts: MuxParts;
  readonly #options: MuxOptions;
  readonly #channel: XdsChannel;
  /** In order of their first subscriptions, in which a new stream asks for them. */
  readonly #types = new Map<string, MuxType>();
  /** Pauses of types that nobody has subscribed to yet. */
  readonly #paused = new Map<string, number>();
  readonly #closeLog: CloseLog;
  readonly #rate: RequestRate | null;
  readonly #rateTimer: Timer;
  readonly #live: LiveReports | null;
  #queue: MuxType[] = [];
  #isFlushDue = false;
  #isStarted = false;
  #isFirstRequest = true;
  #hasFailed = false;
  #isConnected = false;
  #waitingBytes = 0;
  #isReadingPaused = false;
  /** Messages of this stream that nobody waits for. */
  #ignored = 0;
  #isClosed = false;
  /** Numbers the streams. */
  stream = 0;

  constructor(parts: MuxParts, options: MuxOptions, connect: (handler: XdsChannelHandler) => XdsChannel) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.#options = options;
    this.#closeLog = new CloseLog(options.method, options.destination);
    this.#rate = options.rateLimit === null ? null : new RequestRate(options.rateLimit, parts.clock.nowMs);
    this.#rateTimer = parts.clock.timer(flush, this as XdsMux);
    this.#channel = connect(this);
    const { clock, isWarm } = parts;
    const send = (request: unknown): boolean => this.#channel.isOpen && this.#channel.send(request);
    this.#live = isWarm === undefined || !options.isDelta ? null : new LiveReports({ clock, isWarm, send });
  }

  subscribe(
    type: string,
    isWildcard: boolean,
    initialFetchTimeoutMs: number,
    listener: XdsListener,
    counts: UpdateCounts | null = null,
  ): XdsSubscription {
    const entry = this.#entry(type);
    entry.subscribe(isWildcard, initialFetchTimeoutMs, listener, counts);
    if (!this.#isStarted) {
      this.#isStarted = true;
      // All that is subscribed to in this turn travels with the first requests.
      this.clock.defer(() => {
        if (!this.#isClosed) this.#channel.start();
      });
    }
    return entry.subscription;
  }

  #entry(type: string): MuxType {
    let entry = this.#types.get(type);
    if (entry === undefined) {
      if (this.#types.size >= MAX_TYPES) throw new Error(`more than ${MAX_TYPES} types on one xDS stream`);
      const state = this.#options.isDelta ? new DeltaState(type) : new SotwState(type);
      entry = new MuxType(this, state, this.#paused.get(type) ?? 0);
      this.#types.set(type, entry);
    }
    return entry;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue = [];
    this.#rateTimer.disarm();
    this.#live?.onClose();
    this.#channel.stop();
    this.#setConnected(false);
    for (const entry of this.#types.values()) entry.close();
    this.#options.counts?.release();
  }

  // ─── Requests ───────────────────────────────────────────────────────────────────────────────────────────────────

  queue(entry: MuxType): void {
    // A new stream says everything.
    if (this.#isClosed || entry.isQueued || !this.#channel.isOpen || !entry.maySpeak) return;
    entry.isQueued = true;
    this.#queue.push(entry);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.clock.defer(() => this.flush());
  }

  /** Sends what is queued, as far as the rate allows. */
  flush(): void {
    this.#isFlushDue = false;
    const rate = this.#rate;
    // A server that does not read is told later: of each type only what is so then.
    while (this.#queue.length > 0 && this.#channel.isOpen && !this.#channel.isAboveWatermark) {
      const entry = this.#queue[0] as MuxType;
      const isHeld = !entry.maySpeak;
      if (!isHeld && rate !== null && !rate.take(this.clock.nowMs)) {
        this.#countStream((counts) => counts.rateLimited());
        this.#rateTimer.arm(rate.waitMs);
        break;
      }
      this.#queue.shift();
      entry.isQueued = false;
      if (!isHeld) this.#send(entry);
    }
    this.#countStream((counts) => counts.pending(this.#queue.length));
    this.#holdBack();
  }

  onDrain(): void {
    if (!this.#isClosed) this.#flushSoon();
  }

  #send(entry: MuxType): void {
    const withNode = this.#isFirstRequest || !this.#options.setsNodeOnFirstOnly;
    this.#isFirstRequest = false;
    const request = entry.state.request(withNode ? this.#parts.node() : null);
    this.#channel.send(request);
    this.#live?.answered((request as { response_nonce?: string }).response_nonce ?? '');
    // Delta: each response is answered by a request of its own.
    if (entry.state.isRequestDue) {
      entry.isQueued = true;
      this.#queue.push(entry);
    }
  }

  pause(entry: MuxType): void {
    for (const type of this.#held(entry)) {
      this.#paused.set(type, (this.#paused.get(type) ?? 0) + 1);
      const other = this.#types.get(type);
      if (other !== undefined) other.pauses++;
    }
  }

  resume(entry: MuxType): void {
    for (const type of this.#held(entry)) {
      this.#paused.set(type, (this.#paused.get(type) ?? 0) - 1);
      const other = this.#types.get(type);
      if (other === undefined) continue;
      other.pauses--;
      this.queue(other);
    }
  }

  #held({ type, state }: MuxType): readonly string[] {
    const dependents = DEPENDENTS.get(type) ?? [];
    return state.isHeldWhileApplying ? [...dependents, type] : dependents;
  }

  // ─── The stream ─────────────────────────────────────────────────────────────────────────────────────────────────

  onOpen(): void {
    if (this.#isClosed) return;
    this.stream++;
    this.#isFirstRequest = true;
    this.#isReadingPaused = false;
    this.#ignored = 0;
    this.#setConnected(true);
    for (const entry of this.#queue) entry.isQueued = false;
    this.#queue = [];
    this.#rateTimer.disarm();
    for (const entry of this.#types.values()) {
      entry.state.onStream();
      this.queue(entry);
    }
    this.#live?.onStream();
    this.#holdBack();
  }

  onMessage(message: unknown): void {
    if (this.#isClosed) return;
    this.#closeLog.clear();
    this.#stands();
    const {
      type_url = '',
      nonce = '',
      control_plane,
    } = message as { type_url?: string; nonce?: string; control_plane?: { identifier?: string } };
    const entry = this.#types.get(typeUrlName(type_url));
    if (entry === undefined) {
      // Source: Envoy GrpcMuxImpl::onDiscoveryResponse.
      const level = ++this.#ignored <= MAX_IGNORED_LINES ? 'warning' : 'debug';
      this.log(level, `Ignoring the message for type URL ${type_url} as it has no current subscribers.`);
      return;
    }
    const { identifier } = control_plane ?? {};
    this.#live?.received(nonce, identifier ?? '');
    if (identifier !== undefined) this.#countStream((counts) => counts.identifier(identifier));
    entry.receive(message);
    this.#holdBack();
  }

  #stands(): void {
    if (!this.#hasFailed) return;
    this.#hasFailed = false;
    for (const entry of this.#types.values()) entry.listener?.onConnection(null);
  }

  onClose(status: number, message: string): void {
    if (this.#isClosed) return;
    const { level, text } = this.#closeLog.closed(status, message, this.clock.nowMs);
    this.log(level, text);
    this.#setConnected(false);
    this.#live?.onClose();
    this.#hasFailed = true;
    const reason = failure('upstream_closed', 'control', 'stream', text);
    for (const entry of [...this.#types.values()]) entry.failed(reason);
  }

  #setConnected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    this.#countStream((counts) => counts.connected(isConnected));
  }

  #countStream(count: (counts: StreamCounts) => void): void {
    const { counts } = this.#options;
    if (counts !== null) count(counts);
    else for (const entry of this.#types.values()) entry.eachStreamCounts(count);
  }

  tellStream({ stream }: UpdateCounts): void {
    if (this.#options.counts === null) stream?.connected(this.#isConnected);
  }

  addWaiting(bytes: number): void {
    this.#waitingBytes += bytes;
    this.#holdBack();
  }

  #holdBack(): void {
    const isTooMuch = this.#waitingBytes > MAX_WAITING_BYTES || this.#answersDue > MAX_ANSWERS;
    if (isTooMuch === this.#isReadingPaused || !this.#channel.isOpen) return;
    this.#isReadingPaused = isTooMuch;
    if (isTooMuch) this.#channel.pauseReading();
    else this.#channel.resumeReading();
  }

  get #answersDue(): number {
    let due = 0;
    for (const { state } of this.#types.values()) due += state.answersDue;
    return due;
  }

  log(level: LogLevel, text: string): void {
    this.#parts.log(level, text);
  }

  refusedText(type: string, reason: string): string {
    return `gRPC config for ${typeUrlOf(type)} rejected: ${reason}`;
  }

  timedOutText(type: string): string {
    return `gRPC config: initial fetch timed out for ${typeUrlOf(type)}`;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }
}

function flush(mux: XdsMux): void {
  mux.flush();
}
