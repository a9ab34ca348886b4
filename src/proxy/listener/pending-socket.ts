// A socket between accept and its filter chain: takes it through the listener filters, keeping the bytes they look at.
import type { ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import type { Timer } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import type { ListenerFilter, ListenerFilterStatus } from './filter.ts';
import type { SocketFacts } from './socket-facts.ts';

/** Why a socket never became a connection. */
export type PendingEnd = 'filter-close' | 'remote-close' | 'error' | 'timeout' | 'removed';

/** The listener, as its pending sockets see it. */
export type PendingOwner = {
  readonly filterCount: number;
  /** The next filter for this socket; null when it is left out. */
  makeFilter(index: number, facts: SocketFacts): ListenerFilter | null;
  readonly filtersTimeoutMs: number;
  readonly continuesOnTimeout: boolean;
  timer(pending: PendingSocket): Timer;
  /** All filters are done. `unread` are bytes that were read and that no filter consumed. */
  onFiltersDone(pending: PendingSocket, facts: SocketFacts, unread: Buffer): void;
  onPendingEnd(pending: PendingSocket, facts: SocketFacts, why: PendingEnd): void;
  onFiltersTimeout(): void;
};

const NO_BYTES = Buffer.alloc(0);

export class PendingSocket implements ByteStreamHandler {
  readonly #owner: PendingOwner;
  readonly #facts: SocketFacts;
  readonly #stream: ByteStream;
  #bytes: Buffer;
  #at = 0;
  #filter: ListenerFilter | null = null;
  /** What the current filter waits for. */
  #waits: 'nothing' | 'bytes' | 'resume' = 'nothing';
  #timer: Timer | null = null;
  #isOver = false;

  /** `unread`: bytes that another listener's filters read before they handed the socket over. */
  constructor(owner: PendingOwner, facts: SocketFacts, unread: Buffer = NO_BYTES) {
    this.#owner = owner;
    this.#facts = facts;
    this.#stream = facts.stream;
    this.#bytes = unread;
    this.#stream.handler = this;
  }

  /** Goes through the filters as far as they let. */
  start(): void {
    this.#next();
    if (this.#isOver || this.#owner.filtersTimeoutMs === 0) return;
    this.#timer = this.#owner.timer(this);
    this.#timer.arm(this.#owner.filtersTimeoutMs);
  }

  /** The listener goes away. */
  abort(): void {
    this.#end('removed');
  }

  // ─── The filters ────────────────────────────────────────────────────────────────────────────────────────────────

  #next(): void {
    const owner = this.#owner;
    while (this.#at < owner.filterCount) {
      const filter = owner.makeFilter(this.#at++, this.#facts);
      if (filter === null) continue;
      this.#filter = filter;
      let status = filter.onAccept(this.#facts, (isAccepted) => this.#resumed(filter, isAccepted));
      if (status === 'more') {
        if (this.#bytes.length === 0) {
          this.#wait('bytes');
          return;
        }
        status = this.#offer(filter);
      }
      if (!this.#apply(status)) return;
    }
    this.#done();
  }

  /** Shows the current filter what there is. */
  #offer(filter: ListenerFilter): ListenerFilterStatus {
    const result = filter.onData?.(this.#facts, this.#bytes) ?? 'continue';
    if (typeof result === 'string') return result;
    this.#bytes = this.#bytes.subarray(result.consumed);
    return 'continue';
  }

  /** True when the filter is done with the socket. */
  #apply(status: ListenerFilterStatus): boolean {
    if (this.#isOver || this.#stream.isClosed) return false;
    if (status === 'continue') {
      this.#filter = null;
      return true;
    }
    if (status === 'close') this.#end('filter-close');
    else this.#wait(status === 'more' ? 'bytes' : 'resume');
    return false;
  }

  #wait(what: 'bytes' | 'resume'): void {
    if (this.#waits === 'nothing' && what === 'resume') this.#stream.pause();
    this.#waits = what;
  }

  #resumed(filter: ListenerFilter, isAccepted: boolean): void {
    if (this.#isOver || this.#filter !== filter || this.#waits !== 'resume') return;
    this.#waits = 'nothing';
    this.#stream.resume();
    if (this.#apply(isAccepted ? 'continue' : 'close')) this.#next();
  }

  // ─── The stream ─────────────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    const bytes = chunk.subarray(start, end);
    this.#bytes = this.#bytes.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#bytes, bytes]);
    const filter = this.#filter;
    if (filter === null || this.#waits !== 'bytes') return;
    this.#waits = 'nothing';
    let status = this.#offer(filter);
    // A filter that has seen as much as it may must have come to a decision.
    if (status === 'more' && this.#bytes.length >= filter.maxReadBytes) status = 'close';
    if (this.#apply(status)) this.#next();
  }

  onEnd(): void {
    this.#incomplete('remote-close');
    this.#end('remote-close');
  }

  onDrain(): void {}

  onClose(failure: Failure | null): void {
    if (this.#isOver) return;
    this.#incomplete('remote-close');
    this.#end(failure === null ? 'remote-close' : 'error');
  }

  /** For the timer. */
  onTimeout(): void {
    if (this.#isOver) return;
    this.#owner.onFiltersTimeout();
    this.#incomplete('timeout');
    if (!this.#owner.continuesOnTimeout) {
      this.#end('timeout');
      return;
    }
    if (this.#waits === 'resume') this.#stream.resume();
    this.#done();
  }

  #incomplete(why: 'remote-close' | 'timeout'): void {
    this.#filter?.onIncomplete?.(this.#facts, why);
  }

  #done(): void {
    this.#isOver = true;
    this.#timer?.disarm();
    this.#owner.onFiltersDone(this, this.#facts, this.#bytes);
  }

  #end(why: PendingEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.disarm();
    this.#owner.onPendingEnd(this, this.#facts, why);
    // Envoy leaves the bytes in the socket while filters look at them, so the kernel resets when it closes.
    this.#stream.destroy(this.#bytes.length > 0);
  }
}
