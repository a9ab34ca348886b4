// Two linked ByteStreams in memory, with the semantics of a socket: for tests, simulation and internal listeners.
import type { Address } from '../base/byte-stream.ts';
import { unixAddress } from './address.ts';
import { streamFailure } from './errno.ts';
import { QueuedStream, type StreamRole } from './queued-stream.ts';
import type { Turn } from './turn.ts';

export type MemoryPairOptions = {
  readonly clientAddress?: Address;
  readonly serverAddress?: Address;
  /** Sizes of the pieces in which bytes arrive; default: as they were sent. For tests of parsers. */
  readonly nextPieceBytes?: () => number;
};

/** The dialling end and the accepting end. */
export function memoryPair(turn: Turn, options: MemoryPairOptions = {}): [MemoryStream, MemoryStream] {
  const client = options.clientAddress ?? unixAddress('@memory-client');
  const server = options.serverAddress ?? unixAddress('@memory-server');
  const dialled = new MemoryStream(turn, 'dialled', client, server, options.nextPieceBytes);
  const accepted = new MemoryStream(turn, 'accepted', server, client, options.nextPieceBytes);
  dialled.link(accepted);
  accepted.link(dialled);
  return [dialled, accepted];
}

export class MemoryStream extends QueuedStream {
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  /** Bytes on their way to this end; they count as buffered by the other one until this one reads. */
  private inbox: Buffer[] = [];
  private isFinArrived = false;
  private resetBy: 'ECONNRESET' | 'EPIPE' | null = null;
  private peer: MemoryStream | null = null;
  private readonly nextPieceBytes: (() => number) | undefined;

  constructor(turn: Turn, role: StreamRole, local: Address, remote: Address, nextPieceBytes?: () => number) {
    super(turn, role);
    this.localAddress = local;
    this.remoteAddress = remote;
    this.nextPieceBytes = nextPieceBytes;
    this.touch();
  }

  link(peer: MemoryStream): void {
    this.peer = peer;
  }

  override deliver(): void {
    if (!this.isClosed && this.resetBy !== null) {
      this.finish(streamFailure(this.role, this.resetBy === 'EPIPE' ? 'write' : 'read', this.resetBy), false);
    }
    this.deliverUnread();
    while (!this.isClosed && this.pauses === 0 && this.inbox.length > 0) this.receive(this.inbox.shift() as Buffer);
    if (!this.isClosed && this.pauses === 0 && this.isFinArrived && this.inbox.length === 0) this.readEnded();
    // A close that arose here is told in a call of its own.
    if (!this.isNotified) super.deliver();
  }

  protected pump(): void {
    this.pushText();
    const { parts, peer } = this;
    const waiting = this.bufferedBytes - this.pendingBytes;
    if (peer === null || waiting === 0) return;
    if (peer.isClosed) {
      this.writeFailed(streamFailure(this.role, 'write', 'EPIPE'));
      return;
    }
    this.keepBorrowed();
    for (const part of parts) {
      if (typeof part === 'string') peer.inbox.push(Buffer.from(part, 'latin1'));
      else peer.inbox.push(Buffer.from(part.buffer, part.byteOffset, part.length));
    }
    this.parts = [];
    this.pendingBytes += waiting;
    peer.wake();
  }

  protected startReading(): void {
    this.wake();
  }

  protected stopReading(): void {}

  protected sendFin(): void {
    if (this.peer !== null) {
      this.peer.isFinArrived = true;
      this.peer.wake();
    }
    this.finSent();
  }

  protected release(reset: boolean): void {
    const { peer } = this;
    const unread = this.inbox.length > 0;
    this.inbox = [];
    if (peer === null || peer.isClosed) return;
    // As in the kernel: closing with unread bytes resets.
    if (reset || unread) peer.resetBy = 'ECONNRESET';
    else peer.isFinArrived = true;
    peer.wake();
  }

  private wake(): void {
    if (!this.isNotified && !this.isClosed) this.turn.markNotified(this);
  }

  private receive(chunk: Buffer): void {
    const size = Math.max(1, Math.min(this.nextPieceBytes?.() ?? chunk.length, chunk.length));
    if (size < chunk.length) this.inbox.unshift(chunk.subarray(size));
    this.bytesRead += size;
    this.peer?.taken(size);
    if (!this.isClosing) this.handler.onData(chunk, 0, size);
  }

  /** The other end read `count` bytes of ours. */
  private taken(count: number): void {
    if (this.isClosed) return;
    this.pendingBytes -= count;
    this.sent(count);
    this.touch();
  }
}
