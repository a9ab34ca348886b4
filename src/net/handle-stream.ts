// A connected socket on a raw handle: reads into the engine's one buffer, writes with as few system calls as possible.
import assert from 'node:assert/strict';
import { writeSync, writevSync } from 'node:fs';
import * as net from 'node:net';
import type { Address } from '../base/byte-stream.ts';
import { ipAddress, UNKNOWN_ADDRESS, unixAddress } from './address.ts';
import { errnoName, streamFailure } from './errno.ts';
import type { FlowBuffer, FlowBuffers, FlowReader } from './flow-buffers.ts';
import {
  type AddressRecord,
  type Handle,
  type ShutdownRequest,
  type Surface,
  type TcpHandle,
  UV_EOF,
  type WriteRequest,
} from './handles.ts';
import { MAX_TEXT_BYTES, QueuedStream, type StreamRole } from './queued-stream.ts';
import type { Turn } from './turn.ts';

/** Queues up to this size are joined in the scratch buffer; larger ones go out as a vector, uncopied. */
const JOIN_BYTES = 32 * 1024;
/** Full reads in one direction that make a long flow: 4 MiB with the default buffer. */
const FULL_READS = 16;
/** Changes back to the shared buffer; each one costs the runtime some 50 bytes until the stream is closed. */
const MOST_FLOW_DROPS = 1000;
/** Segments of one vector write. */
const MAX_VECTOR = 64;

/** What all streams of one engine share. */
export type HandleShared = {
  readonly turn: Turn;
  readonly surface: Surface;
  readonly readBuffer: Buffer;
  /** Only used within one call: the kernel copies from it, nobody keeps it. */
  readonly scratch: Buffer;
  /** Passed to every write. A write that completes at once does not keep it, so one serves until one does. */
  request: WriteRequest;
  readonly flows: FlowBuffers;
  openStreams: number;
};

export function newWriteRequest(surface: Surface): WriteRequest {
  const request = new surface.WriteRequest();
  request.oncomplete = onWritten;
  request.owner = null;
  request.keep = null;
  return request;
}

export class HandleStream extends QueuedStream implements FlowReader {
  readonly shared: HandleShared;
  readonly handle: Handle;
  /** A read buffer of its own, while it moves much. */
  private flow: FlowBuffer | null = null;
  /** Reads that filled the shared buffer. */
  private fullReads = 0;
  private flowDrops = 0;
  /** What the next read goes into, when that changes. */
  private nextBuffer: Buffer | undefined = undefined;
  private local: Address | null;
  private remote: Address | null;

  constructor(shared: HandleShared, handle: Handle, role: StreamRole, local: Address | null, remote: Address | null) {
    super(shared.turn, role);
    this.shared = shared;
    this.handle = handle;
    this.local = local;
    this.remote = remote;
    shared.openStreams++;
    handle.owner = this;
    handle.onread = onRead;
    handle.useUserBuffer(shared.readBuffer);
    // Reading begins when the turn ends, after the owner has set its handler.
    this.touch();
  }

  /** The descriptor, for socket options by FFI; it stays libuv's. -1 when closed. */
  get fd(): number {
    return this.isClosed ? -1 : this.handle.fd;
  }

  get localAddress(): Address {
    this.local ??= this.askAddress('getsockname');
    return this.local;
  }

  get remoteAddress(): Address {
    this.remote ??= this.askAddress('getpeername');
    return this.remote;
  }

  /** Takes an idle stream out of the engine: its handle is the caller's, and does not read. */
  takeHandle(): { readonly handle: Handle; readonly shared: HandleShared } {
    assert(!this.isClosed && this.bufferedBytes === 0, 'only an idle stream can be detached');
    if (this.isReading) this.handle.readStop();
    if (this.flow !== null) this.dropFlowBuffer();
    this.handle.owner = null;
    this.leaveEngine();
    this.shared.openStreams--;
    return this;
  }

  /** See `detachSocket`. */
  detach(unread: Buffer | null): net.Socket {
    this.takeHandle();
    const options = { handle: this.handle, allowHalfOpen: true, pauseOnCreate: true };
    const socket = new net.Socket(options as unknown as net.SocketConstructorOpts);
    if (unread !== null) socket.unshift(unread);
    return socket;
  }

  /** What a read event reported: bytes in the shared buffer, end of file, or an error. */
  readable(count: number): void {
    if (this.isClosed) return;
    if (count > 0) {
      this.bytesRead += count;
      const { flow, shared } = this;
      if (flow !== null) {
        flow.isActive = true;
        if (!this.isClosing) this.handler.onData(flow.memory, 0, count);
        return;
      }
      if (!this.isClosing) this.handler.onData(shared.readBuffer, 0, count);
      if (count === shared.readBuffer.length) this.filled();
    } else if (count === UV_EOF) {
      this.readEnded();
    } else if (count < 0) {
      this.finish(this.writeFailure ?? streamFailure(this.role, 'read', errnoName(count)), false);
    }
  }

  /** See `FlowReader`. */
  changeFlowBuffer(next: FlowBuffer | null): void {
    this.flow = next;
    this.nextBuffer = (next ?? { memory: this.shared.readBuffer }).memory;
  }

  /** See `FlowReader`. */
  dropFlowBuffer(): void {
    const { flow, handle, shared } = this;
    if (flow === null) return;
    this.flow = null;
    this.flowDrops++;
    this.fullReads = 0;
    handle.useUserBuffer(shared.readBuffer);
    shared.flows.giveBack(flow);
  }

  /** The buffer for the next reads where it is not that of the last one. */
  takeNextBuffer(): Buffer | undefined {
    const next = this.nextBuffer;
    if (next !== undefined) this.nextBuffer = undefined;
    return next;
  }

  protected pump(): void {
    if (this.pendingBytes !== 0) {
      if (this.borrowed !== null) this.keepBorrowed();
      return;
    }
    if (this.parts.length === 0 && this.text.length <= MAX_TEXT_BYTES) {
      const text = this.text;
      if (text === '') return;
      this.text = '';
      this.sendText(text);
      return;
    }
    this.pushText();
    this.sendParts();
  }

  protected startReading(): void {
    const status = this.handle.readStart();
    if (status < 0) this.finish(streamFailure(this.role, 'read', errnoName(status)), false);
  }

  protected stopReading(): void {
    this.handle.readStop();
  }

  protected sendFin(): void {
    const request = new this.shared.surface.ShutdownRequest();
    request.oncomplete = onShutdown;
    request.owner = this;
    const status = this.handle.shutdown(request);
    if (status < 0) this.finished(status);
  }

  protected release(reset: boolean): void {
    this.shared.openStreams--;
    this.handle.owner = null;
    if (this.flow !== null) this.shared.flows.giveBack(this.flow);
    this.flow = null;
    // RST is refused while a FIN is under way, and unix sockets know none.
    const tcp = this.handle as TcpHandle;
    if (reset && typeof tcp.reset === 'function' && tcp.reset() === 0) return;
    tcp.close();
  }

  protected override keep(part: Uint8Array, total: number): Uint8Array {
    const loan = this.shared.flows.lend(part, total);
    if (loan === null) return super.keep(part, total);
    if (this.loans === null) this.loans = [loan];
    else this.loans.push(loan);
    return part;
  }

  /** A read filled the shared buffer: after some of them this is a long flow. */
  private filled(): void {
    if (++this.fullReads < FULL_READS || this.flowDrops >= MOST_FLOW_DROPS || this.isClosed) return;
    this.fullReads = 0;
    this.flow = this.shared.flows.take(this);
    if (this.flow !== null) this.nextBuffer = this.flow.memory;
  }

  /** The whole queue is a short text: one call, which copies what the kernel does not take. */
  private sendText(text: string): void {
    const { shared } = this;
    const { request, surface } = shared;
    const status = this.handle.writeLatin1String(request, text);
    if (status !== 0) {
      shared.request = newWriteRequest(surface);
      this.writeFailed(streamFailure(this.role, 'write', errnoName(status)));
    } else if (surface.state[surface.asyncIndex] !== 0) {
      this.wait(text.length, null);
    } else {
      this.sent(text.length);
    }
  }

  private sendParts(): void {
    while (this.parts.length > 0) {
      const wanted = this.bufferedBytes <= JOIN_BYTES ? this.bufferedBytes : this.vectorBytes();
      const count = this.bufferedBytes <= JOIN_BYTES ? this.sendJoined() : this.sendVector();
      if (count < 0) return;
      this.drop(count);
      this.sent(count);
      if (count < wanted) {
        this.keepBorrowed();
        this.handOver();
        return;
      }
    }
    this.borrowed = null;
  }

  /** Copies the queue into the scratch buffer and offers it to the kernel. Returns the bytes taken, -1 on failure. */
  private sendJoined(): number {
    const { scratch } = this.shared;
    let at = 0;
    for (const part of this.parts) {
      if (typeof part === 'string') scratch.latin1Write(part, at, part.length);
      else scratch.set(part, at);
      at += part.length;
    }
    return this.offer(() => writeSync(this.handle.fd, scratch, 0, at));
  }

  /** Offers the first segments to the kernel from where they lie. Returns the bytes taken, -1 on failure. */
  private sendVector(): number {
    const chunks = this.firstChunks();
    const only = chunks[0] as Uint8Array;
    const { fd } = this.handle;
    return this.offer(() => (chunks.length === 1 ? writeSync(fd, only, 0, only.length) : writevSync(fd, chunks)));
  }

  /**
   * A plain write(2) on the non-blocking descriptor, not libuv's write: that one would keep pointing into the memory
   * after a partial write, and ours is borrowed.
   */
  private offer(write: () => number): number {
    try {
      return write();
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === 'EAGAIN') return 0;
      // Only system errors have a code in capitals; anything else is a bug of ours.
      if (typeof code !== 'string' || code.startsWith('ERR_')) throw error;
      this.writeFailed(streamFailure(this.role, 'write', code));
      return -1;
    }
  }

  private vectorBytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.parts.length && i < MAX_VECTOR; i++) bytes += (this.parts[i] as Uint8Array).length;
    return bytes;
  }

  private firstChunks(): Uint8Array[] {
    const { parts } = this;
    const chunks: Uint8Array[] = [];
    for (let i = 0; i < parts.length && i < MAX_VECTOR; i++) {
      let part = parts[i] as string | Uint8Array;
      if (typeof part === 'string') {
        part = Buffer.from(part, 'latin1');
        parts[i] = part;
      }
      chunks.push(part);
    }
    return chunks;
  }

  /** Removes the first `count` bytes of the queue. */
  private drop(count: number): void {
    const { parts } = this;
    let whole = 0;
    let left = count;
    while (whole < parts.length && left >= (parts[whole] as Uint8Array).length) {
      left -= (parts[whole] as Uint8Array).length;
      whole++;
    }
    if (whole === parts.length) {
      this.parts = [];
      return;
    }
    if (whole > 0) parts.splice(0, whole);
    if (left === 0) return;
    const first = parts[0] as string | Uint8Array;
    if (typeof first === 'string') {
      parts[0] = first.slice(left);
      return;
    }
    const rest = first.subarray(left);
    parts[0] = rest;
    const at = this.borrowed?.indexOf(first) ?? -1;
    if (at >= 0) (this.borrowed as Uint8Array[])[at] = rest;
  }

  /** The kernel is full: libuv waits for room and then sends these segments, which are ours now. */
  private handOver(): void {
    const { shared } = this;
    const chunks = this.firstChunks();
    const bytes = this.vectorBytes();
    this.parts.splice(0, chunks.length);
    const { request, surface } = shared;
    const status =
      chunks.length === 1
        ? this.handle.writeBuffer(request, chunks[0] as Uint8Array)
        : this.handle.writev(request, chunks, true);
    if (status !== 0) {
      shared.request = newWriteRequest(surface);
      this.writeFailed(streamFailure(this.role, 'write', errnoName(status)));
    } else if (surface.state[surface.asyncIndex] !== 0) {
      this.wait(bytes, chunks);
    } else {
      // Room came up between the two calls.
      this.sent(bytes);
      this.touch();
    }
  }

  private wait(bytes: number, keep: unknown): void {
    const { shared } = this;
    const { request } = shared;
    request.owner = this;
    request.keep = keep;
    this.pendingBytes = bytes;
    shared.request = newWriteRequest(shared.surface);
  }

  private askAddress(call: 'getsockname' | 'getpeername'): Address {
    const tcp = this.handle as TcpHandle;
    if (typeof tcp.getsockname !== 'function') return unixAddress('');
    const out: AddressRecord = {};
    if (this.isClosed || tcp[call](out) !== 0 || out.address === undefined) return UNKNOWN_ADDRESS;
    return ipAddress(out.address, out.port ?? 0);
  }
}

function onRead(this: Handle): Buffer | undefined {
  const stream = this.owner as HandleStream | null;
  if (stream === null) return undefined;
  const { shared } = stream as unknown as { shared: HandleShared };
  const { turn, surface } = shared;
  const count = surface.state[surface.readIndex] as number;
  turn.enter();
  try {
    stream.readable(count);
  } catch (error) {
    turn.contain(stream, error, 'read');
  }
  turn.leave();
  return stream.takeNextBuffer();
}

function onWritten(this: WriteRequest, status: number): void {
  const stream = this.owner as HandleStream;
  this.owner = null;
  this.keep = null;
  complete(stream, status, false);
}

function onShutdown(this: ShutdownRequest, status: number): void {
  complete(this.owner as HandleStream, status, true);
}

function complete(stream: HandleStream, status: number, isShutdown: boolean): void {
  if (stream.isClosed) return;
  const { turn } = (stream as unknown as { shared: HandleShared }).shared;
  turn.enter();
  try {
    if (isShutdown) stream.finished(status);
    else stream.written(status);
  } catch (error) {
    turn.contain(stream, error, 'write');
  }
  turn.leave();
}
