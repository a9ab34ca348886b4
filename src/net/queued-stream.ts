// What every ByteStream of this room shares: the write queue, watermarks, counted pauses, and the order of its events.
import type { Address, ByteStream, ByteStreamHandler, TlsFacts } from '../base/byte-stream.ts';
import { type Failure, failure } from '../base/failure.ts';
import { errnoName, streamFailure } from './errno.ts';
import type { Loan } from './flow-buffers.ts';
import type { Turn, TurnStream } from './turn.ts';

/** Who opened the stream; decides the side in its failures. */
export type StreamRole = 'accepted' | 'dialled';

/** Bytes; what Envoy takes when per_connection_buffer_limit_bytes is not set. */
const DEFAULT_HIGH_WATERMARK = 1024 * 1024;
/** Text up to this length leaves in one system call from a copy on the stack (Node's own limit). */
export const MAX_TEXT_BYTES = 16 * 1024;
/** Borrowed bytes up to this size join the text: copying them costs less than a second buffer in the call. */
export const INLINE_BYTES = 4 * 1024;

const LOCAL_CLOSE = failure('local_close', 'local', 'connection', 'closed locally');
const BUG_CLOSE = failure('bug', 'local', 'connection', 'closed because of an internal error');

const NOTICE_DRAIN = 1;
const NOTICE_CLOSE = 2;
const NOTICE_UNREAD = 4;

/** Stands in until the owner has set its own; a stream without an owner drops what it hears. */
const NO_HANDLER: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

let nextId = 1;

/**
 * States of each direction:
 *
 *   writing --end()--> ending --queue empty--> fin sent        reading --FIN--> read ended
 *   any --close()--> closing --queue empty--> closed           any --destroy(), error--> closed
 *   fin sent + read ended --> closed (null)
 */
export abstract class QueuedStream implements ByteStream, TurnStream {
  handler: ByteStreamHandler = NO_HANDLER;
  readonly id = nextId++;
  readonly role: StreamRole;
  isDirty = false;
  isNotified = false;
  isClosed = false;
  isAboveHighWatermark = false;
  private hasTurnEnd = false;
  bytesRead = 0;
  bufferedBytes = 0;

  protected readonly turn: Turn;
  /** Segments in front of `text`, in order. */
  protected parts: (string | Uint8Array)[] = [];
  /** The end of the queue, where small writes collect. */
  protected text = '';
  /** Those of `parts` whose memory is not ours. */
  protected borrowed: Uint8Array[] | null = null;
  /** Read buffers whose bytes are in the queue uncopied; they go back when it is empty. */
  protected loans: Loan[] | null = null;
  /** Bytes handed to the system that it has not taken yet. */
  protected pendingBytes = 0;
  protected pauses = 0;
  protected isReading = false;
  protected isEnding = false;
  protected isClosing = false;
  protected isFinStarted = false;
  protected isFinSent = false;
  protected isReadEnded = false;
  /** Writing failed while bytes may still wait to be read: they are delivered first. */
  protected writeFailure: Failure | null = null;
  private acceptedBytes = 0;
  private highBytes = DEFAULT_HIGH_WATERMARK;
  private lowBytes = DEFAULT_HIGH_WATERMARK / 2;
  private notices = 0;
  protected unreadBytes: Buffer | null = null;
  private closeFailure: Failure | null = null;

  constructor(turn: Turn, role: StreamRole) {
    this.turn = turn;
    this.role = role;
  }

  abstract readonly localAddress: Address;
  abstract readonly remoteAddress: Address;
  /** Gives the queue to the system, as far as it takes it; leaves nothing borrowed behind. */
  protected abstract pump(): void;
  protected abstract startReading(): void;
  protected abstract stopReading(): void;
  /** Sends FIN; `finSent` is called when it left. */
  protected abstract sendFin(): void;
  /** Gives the descriptor back, with RST when `reset`. */
  protected abstract release(reset: boolean): void;

  /** For what is built upon this stream: its events belong to the same turns. */
  get engineTurn(): Turn {
    return this.turn;
  }

  get tls(): TlsFacts | null {
    return null;
  }

  get bytesWritten(): number {
    return this.acceptedBytes - this.bufferedBytes;
  }

  /** True when writes are of no use any more. */
  get isWriteClosed(): boolean {
    return this.isClosed || this.isEnding || this.isClosing || this.writeFailure !== null;
  }

  writeLatin1(text: string): void {
    if (this.isWriteClosed) return;
    this.text = this.text === '' ? text : this.text + text;
    this.queued(text.length);
  }

  write(chunk: Uint8Array): void {
    if (this.isWriteClosed || chunk.length === 0) return;
    this.pushText();
    this.parts.push(chunk);
    this.queued(chunk.length);
  }

  writeBorrowed(chunk: Buffer, start: number, end: number): void {
    const length = end - start;
    if (this.isWriteClosed || length <= 0) return;
    if (length <= INLINE_BYTES) {
      const slice = chunk.latin1Slice(start, end);
      this.text = this.text === '' ? slice : this.text + slice;
    } else if (this.turn.depth === 0) {
      // No turn ends before the memory goes back to its owner.
      this.pushText();
      this.parts.push(copyOf(chunk, start, end));
    } else {
      this.pushText();
      const view = chunk.subarray(start, end);
      this.parts.push(view);
      if (this.borrowed === null) this.borrowed = [view];
      else this.borrowed.push(view);
    }
    this.queued(length);
  }

  flush(): void {
    if (!this.isClosed) this.pump();
  }

  announceTurnEnd(): void {
    this.hasTurnEnd = true;
    this.touch();
  }

  pause(): void {
    if (this.pauses++ === 0) this.touch();
  }

  resume(): void {
    if (this.pauses > 0 && --this.pauses === 0) this.touch();
  }

  /** A new owner takes over, and pauses for reasons of its own. */
  forgetPauses(): void {
    if (this.pauses === 0) return;
    this.pauses = 0;
    this.touch();
  }

  unread(bytes: Buffer): void {
    if (this.isClosed || bytes.length === 0) return;
    this.unreadBytes = this.unreadBytes === null ? bytes : Buffer.concat([bytes, this.unreadBytes]);
    this.touch();
  }

  end(): void {
    if (this.isWriteClosed) return;
    this.isEnding = true;
    this.touch();
  }

  close(): void {
    if (this.isClosed || this.isClosing) return;
    this.isClosing = true;
    this.touch();
  }

  destroy(reset = false): void {
    this.finish(LOCAL_CLOSE, reset);
  }

  abandon(): void {
    this.finish(BUG_CLOSE, true);
  }

  setWatermarks(highBytes: number): void {
    this.highBytes = highBytes;
    this.lowBytes = highBytes >>> 1;
    if (!this.isAboveHighWatermark && this.bufferedBytes > highBytes) this.isAboveHighWatermark = true;
    else this.drained();
  }

  settle(): void {
    if (this.isClosed) return;
    if (this.hasTurnEnd) this.endTurn();
    if (this.bufferedBytes !== this.pendingBytes || this.borrowed !== null) this.pump();
    if (this.isClosed) return;
    if (this.bufferedBytes === 0 && (this.isClosing || this.isEnding)) this.advance();
    if (this.isClosed) return;
    const isOpen = this.pauses === 0 && !this.isClosing;
    // What was given back comes before what the socket still has.
    if (this.unreadBytes !== null && isOpen) this.notify(NOTICE_UNREAD);
    const wanted = isOpen && !this.isReadEnded && this.unreadBytes === null;
    if (wanted !== this.isReading) {
      this.isReading = wanted;
      if (wanted) this.startReading();
      else this.stopReading();
    }
  }

  private endTurn(): void {
    this.hasTurnEnd = false;
    // What the handler writes leaves with this settling, and is no reason for another.
    this.isDirty = true;
    this.handler.onTurnEnd?.();
    this.isDirty = false;
  }

  deliver(): void {
    const notices = this.notices;
    this.notices = 0;
    if ((notices & NOTICE_CLOSE) !== 0) {
      const { handler, closeFailure } = this;
      this.handler = NO_HANDLER;
      handler.onClose(closeFailure);
      return;
    }
    if ((notices & NOTICE_DRAIN) !== 0) this.handler.onDrain();
    if ((notices & NOTICE_UNREAD) !== 0) this.deliverUnread();
  }

  protected deliverUnread(): void {
    const bytes = this.unreadBytes;
    if (bytes === null || this.isClosed || this.isClosing || this.pauses > 0) return;
    this.unreadBytes = null;
    this.handler.onData(bytes, 0, bytes.length);
    this.touch();
  }

  /** Closes at once and tells the handler once its own call has returned. */
  protected finish(why: Failure | null, reset: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closeFailure = why;
    this.dropQueue();
    this.release(reset);
    this.notify(NOTICE_CLOSE);
  }

  /** Somebody else owns the socket from now on: no event follows, not even onClose. */
  protected leaveEngine(): void {
    this.isClosed = true;
    this.handler = NO_HANDLER;
  }

  protected touch(): void {
    if (!this.isDirty && !this.isClosed) this.turn.markDirty(this);
  }

  protected received(count: number): void {
    this.bytesRead += count;
  }

  /** The peer's FIN was read. */
  protected readEnded(): void {
    if (this.isReadEnded) return;
    this.isReadEnded = true;
    this.isReading = false;
    if (this.writeFailure !== null) {
      this.finish(this.writeFailure, false);
      return;
    }
    if (!this.isClosing) this.handler.onEnd();
    if (this.isFinSent) this.finish(null, false);
  }

  protected finSent(): void {
    this.isFinSent = true;
    if (this.isReadEnded) this.finish(null, false);
  }

  /** The system tells of a write that had to wait: `pendingBytes` left, or it failed. */
  written(status: number): void {
    if (this.isClosed) return;
    const count = this.pendingBytes;
    this.pendingBytes = 0;
    if (status < 0) {
      this.writeFailed(streamFailure(this.role, 'write', errnoName(status)));
      return;
    }
    this.sent(count);
    this.touch();
  }

  /** The system tells of a FIN. */
  finished(status: number): void {
    if (this.isClosed) return;
    if (status < 0) this.writeFailed(streamFailure(this.role, 'shutdown', errnoName(status)));
    else this.finSent();
  }

  /** Bytes left for good: lowers what is buffered and tells who waits for it. */
  protected sent(count: number): void {
    this.bufferedBytes -= count;
    if (this.loans !== null && this.bufferedBytes === 0) this.endLoans();
    if (this.isAboveHighWatermark) this.drained();
  }

  /**
   * Writing failed. What the peer sent before it went (an early answer) may still be in the receive queue, so a stream
   * that reads goes on until that is delivered; the system reports the end there.
   */
  protected writeFailed(why: Failure): void {
    if (this.isClosed || this.writeFailure !== null) return;
    if (!this.isReading || this.isReadEnded || this.isClosing || this.pauses > 0) {
      this.finish(why, false);
      return;
    }
    this.writeFailure = why;
    this.dropQueue();
  }

  /** Moves collected text into `parts`, so that something may be queued behind it. */
  protected pushText(): void {
    if (this.text === '') return;
    this.parts.push(this.text);
    this.text = '';
  }

  /**
   * Bytes that stay valid until they are sent: a copy, unless the owner of the memory can wait (`loans`). `total` is
   * what the call is about in all.
   */
  protected keep(part: Uint8Array, _total: number): Uint8Array {
    return copyOf(part, 0, part.length);
  }

  /** Keeps what is still borrowed: its owner takes the memory back when this turn ends. */
  protected keepBorrowed(): void {
    const { borrowed, parts } = this;
    if (borrowed === null) return;
    this.borrowed = null;
    let total = 0;
    for (const part of borrowed) total += part.length;
    // Both lists are in the same order, but one has sent parts that the other has lost.
    let at = 0;
    for (let i = 0; i < parts.length && at < borrowed.length; i++) {
      const part = parts[i] as string | Uint8Array;
      if (typeof part === 'string') continue;
      const found = borrowed.indexOf(part, at);
      if (found < 0) continue;
      at = found + 1;
      parts[i] = this.keep(part, total);
    }
  }

  private dropQueue(): void {
    // What was dropped was not written.
    this.acceptedBytes -= this.bufferedBytes;
    this.bufferedBytes = 0;
    this.pendingBytes = 0;
    this.parts = [];
    this.text = '';
    this.borrowed = null;
    if (this.loans !== null) this.endLoans();
    this.isAboveHighWatermark = false;
  }

  private endLoans(): void {
    const { loans } = this;
    this.loans = null;
    for (const loan of loans ?? []) loan.giveBackLoan();
  }

  private queued(count: number): void {
    this.acceptedBytes += count;
    this.bufferedBytes += count;
    if (this.bufferedBytes > this.highBytes) this.isAboveHighWatermark = true;
    if (!this.isDirty) this.turn.markDirty(this);
  }

  private drained(): void {
    if (!this.isAboveHighWatermark || this.bufferedBytes > this.lowBytes) return;
    this.isAboveHighWatermark = false;
    this.notify(NOTICE_DRAIN);
  }

  private advance(): void {
    if (this.isClosing) {
      this.finish(null, false);
    } else if (!this.isFinStarted) {
      this.isFinStarted = true;
      this.sendFin();
    }
  }

  private notify(notice: number): void {
    this.notices |= notice;
    if (!this.isNotified) this.turn.markNotified(this);
  }
}

export function copyOf(chunk: Uint8Array, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  copy.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
  return copy;
}
