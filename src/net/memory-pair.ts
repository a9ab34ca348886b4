// Two linked ByteStreams in memory, with the semantics of a socket: for internal listeners, tests and simulation.
import type { Address, ByteStream } from '../base/byte-stream.ts';
import { unixAddress } from './address.ts';
import { streamFailure } from './errno.ts';
import { copyOf, QueuedStream, type StreamRole } from './queued-stream.ts';
import type { Turn } from './turn.ts';

export type MemoryPairOptions = {
  readonly clientAddress?: Address;
  readonly serverAddress?: Address;
  /** Sizes of the pieces in which bytes arrive; default: as they were sent. For tests of parsers. */
  readonly nextPieceBytes?: () => number;
  /**
   * Bytes that may wait for a reader in either direction before they count as buffered by the writer, as a kernel's
   * socket buffers do. Default 0: a writer's bytes are its own until they are read.
   */
  readonly capacityBytes?: number;
  /**
   * As between Envoy's internal connections: whoever closes while nobody has sent FIN resets, and what was written
   * before a reset is read first. Default: as between the kernel's sockets.
   */
  readonly closeResets?: boolean;
  /** Counts the ends that are open. */
  readonly count?: { openStreams: number };
};

/** The dialling end and the accepting end. */
export function memoryPair(turn: Turn, options: MemoryPairOptions = {}): [MemoryStream, MemoryStream] {
  const client = options.clientAddress ?? unixAddress('@memory-client');
  const server = options.serverAddress ?? unixAddress('@memory-server');
  const dialled = new MemoryStream(turn, 'dialled', client, server, options);
  const accepted = new MemoryStream(turn, 'accepted', server, client, options);
  dialled.link(accepted);
  accepted.link(dialled);
  return [dialled, accepted];
}

/** Leaves `value` for whoever accepts the other end, before it is accepted. False for a stream with a socket. */
export function leaveForPeer(stream: ByteStream, value: unknown): boolean {
  if (!(stream instanceof MemoryStream)) return false;
  stream.leaveForPeer(value);
  return true;
}

/** What the dialling end left, once; undefined for nothing. */
export function takeLeft(stream: ByteStream): unknown {
  return stream instanceof MemoryStream ? stream.takeLeft() : undefined;
}

/**
 * How bytes go over: when one end sends what was queued, and the other reads and has nothing before it, they are
 * handed over at once, borrowed bytes uncopied: their owner waits until the turn is over. Otherwise they are kept, and
 * the other end is told in a call of its own. At most one handover for each end and flush, so that two ends that answer
 * each other take turns with everybody else; and never in a call of `flush`, where a handler is on the stack: so there
 * is no recursion between the ends.
 */
export class MemoryStream extends QueuedStream {
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  /** Bytes on their way to this end. */
  private inbox: Buffer[] = [];
  /** Those before it were read. */
  private inboxAt = 0;
  private inboxBytes = 0;
  private isFinArrived = false;
  private isResetArrived = false;
  private peer: MemoryStream | null = null;
  private left: unknown = undefined;
  /** The flush in which bytes were handed over last. */
  private handoverFlush = -1;
  private isTaking = false;
  private isSending = false;
  private readonly options: MemoryPairOptions;
  private readonly capacityBytes: number;

  constructor(turn: Turn, role: StreamRole, local: Address, remote: Address, options: MemoryPairOptions) {
    super(turn, role);
    this.localAddress = local;
    this.remoteAddress = remote;
    this.options = options;
    this.capacityBytes = options.capacityBytes ?? 0;
    if (options.count !== undefined) options.count.openStreams++;
    this.touch();
  }

  link(peer: MemoryStream): void {
    this.peer = peer;
  }

  leaveForPeer(value: unknown): void {
    if (this.peer !== null) this.peer.left = value;
  }

  /** Bytes wait to be read. */
  get hasInbox(): boolean {
    return this.inboxBytes > 0;
  }

  takeLeft(): unknown {
    const { left } = this;
    this.left = undefined;
    return left;
  }

  // ─── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────

  override deliver(): void {
    const isAfterBytes = this.options.closeResets === true;
    if (!isAfterBytes) this.checkReset();
    this.deliverUnread();
    while (this.takesBytes && this.inboxBytes > 0) this.receive();
    if (isAfterBytes && this.inboxBytes === 0) this.checkReset();
    if (this.takesBytes && this.isFinArrived) this.readEnded();
    // A close that arose here is told in a call of its own.
    if (!this.isNotified) super.deliver();
  }

  private checkReset(): void {
    if (!this.isClosed && this.isResetArrived) this.finish(streamFailure(this.role, 'read', 'ECONNRESET'), false);
  }

  private get takesBytes(): boolean {
    return !this.isClosed && this.pauses === 0 && this.unreadBytes === null;
  }

  private receive(): void {
    const chunk = this.inbox[this.inboxAt] as Buffer;
    const { nextPieceBytes } = this.options;
    const size = nextPieceBytes === undefined ? chunk.length : Math.max(1, Math.min(nextPieceBytes(), chunk.length));
    if (size < chunk.length) this.inbox[this.inboxAt] = chunk.subarray(size);
    else if (++this.inboxAt === this.inbox.length) {
      this.inbox = [];
      this.inboxAt = 0;
    }
    this.inboxBytes -= size;
    this.peer?.taken();
    this.take(chunk, size);
  }

  private take(chunk: Buffer, size: number): void {
    this.bytesRead += size;
    if (this.isClosing) return;
    this.isTaking = true;
    this.handler.onData(chunk, 0, size);
    this.isTaking = false;
  }

  private wake(): void {
    if (!this.isNotified && !this.isClosed) this.turn.markNotified(this);
  }

  override settle(): void {
    super.settle();
    const isThere = this.inboxBytes > 0 || this.isResetArrived || (this.isFinArrived && !this.isReadEnded);
    if (isThere && this.isReading) this.wake();
  }

  protected startReading(): void {}

  protected stopReading(): void {}

  // ─── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────

  override flush(): void {
    if (!this.isClosed) this.send(false);
  }

  protected pump(): void {
    this.send(true);
  }

  private send(mayHandOver: boolean): void {
    this.pushText();
    if (this.isSending) {
      // Whoever is handed bytes made this side write more: that goes behind what is on its way.
      this.keepBorrowed();
      return;
    }
    this.isSending = true;
    this.sendQueue(mayHandOver);
    this.isSending = false;
    if (this.parts.length > 0) this.touch();
  }

  private sendQueue(mayHandOver: boolean): void {
    const { peer } = this;
    if (peer === null || this.bufferedBytes === this.pendingBytes) return;
    if (peer.isClosed) {
      this.writeFailed(streamFailure(this.role, 'write', 'EPIPE'));
      return;
    }
    const { parts } = this;
    this.parts = [];
    this.borrowed = null;
    let at = 0;
    if (mayHandOver && peer.canTake()) {
      while (at < parts.length && peer.takesBytes && peer.inboxBytes === 0) {
        this.handOver(parts[at++] as string | Uint8Array, peer);
        if (this.isClosed) return;
      }
    }
    if (at < parts.length && peer.isClosed) {
      this.writeFailed(streamFailure(this.role, 'write', 'EPIPE'));
      return;
    }
    for (; at < parts.length; at++) this.keepFor(peer, parts[at] as string | Uint8Array);
    this.taken();
    if (peer.inboxBytes > 0) peer.wake();
  }

  /** Once for each flush, and not while it reads already. */
  private canTake(): boolean {
    const { flushes, flushDepth } = this.turn;
    const isFree = this.isReading && !this.isTaking && this.inboxBytes === 0;
    if (!isFree || flushDepth > 1 || this.handoverFlush === flushes) return false;
    if (this.options.nextPieceBytes !== undefined) return false;
    this.handoverFlush = flushes;
    return true;
  }

  private handOver(part: string | Uint8Array, peer: MemoryStream): void {
    const chunk = bufferOf(part);
    try {
      peer.take(chunk, chunk.length);
    } catch (error) {
      this.turn.contain(peer, error, 'event');
    }
    // Only now: who lent us its memory uses it again as soon as nothing is buffered.
    if (!this.isClosed) this.sent(chunk.length);
  }

  /** Always a copy: what is not buffered any more may be written over, and the reader may come much later. */
  private keepFor(peer: MemoryStream, part: string | Uint8Array): void {
    const chunk = typeof part === 'string' ? bufferOf(part) : copyOf(part, 0, part.length);
    peer.inbox.push(chunk);
    peer.inboxBytes += chunk.length;
    this.pendingBytes += chunk.length;
  }

  /** The other end has read: what is within the capacity is not ours any more. */
  private taken(): void {
    if (this.isClosed || this.peer === null) return;
    const ours = Math.max(0, this.peer.inboxBytes - this.capacityBytes);
    const count = this.pendingBytes - ours;
    if (count > 0) {
      this.pendingBytes = ours;
      this.sent(count);
    }
    if (this.bufferedBytes === 0 && (this.isEnding || this.isClosing)) this.touch();
  }

  // ─── The end ────────────────────────────────────────────────────────────────────────────────────────────────────

  protected sendFin(): void {
    if (this.peer !== null) {
      this.peer.isFinArrived = true;
      this.peer.wake();
    }
    this.finSent();
  }

  protected release(reset: boolean): void {
    const { peer, options } = this;
    if (options.count !== undefined) options.count.openStreams--;
    const unread = this.inboxBytes > 0;
    this.inbox = [];
    this.inboxAt = 0;
    this.inboxBytes = 0;
    if (peer === null || peer.isClosed) return;
    // As in the kernel: closing with unread bytes resets.
    const isAbrupt = options.closeResets === true ? !this.isFinSent && !this.isFinArrived : unread;
    if (reset || isAbrupt) peer.isResetArrived = true;
    else peer.isFinArrived = true;
    peer.wake();
  }
}

function bufferOf(part: string | Uint8Array): Buffer {
  return typeof part === 'string'
    ? Buffer.from(part, 'latin1')
    : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}
