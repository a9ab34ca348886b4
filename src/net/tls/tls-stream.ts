// A TLS session on a raw socket handle, as a ByteStream: the runtime's TLS layer without its streams.
import type { Address, TlsFacts } from '../../base/byte-stream.ts';
import { type Failure, failure } from '../../base/failure.ts';
import { errnoName, streamFailure } from '../errno.ts';
import { type Handle, type ShutdownRequest, type Surface, UV_EOF, type WriteRequest } from '../handles.ts';
import { copyOf, QueuedStream, type StreamRole } from '../queued-stream.ts';
import type { Turn } from '../turn.ts';
import type { HandshakeCallback, TlsHandshake } from './handshake.ts';
import { SessionFacts } from './session-facts.ts';
import { type TlsError, type TlsHandle, wrapHandle } from './surface.ts';
import { alpnWire, socketReason, tlsReason } from './wording.ts';

/** Bytes given to OpenSSL at once; what it makes of them waits in memory until the kernel takes it. */
const MAX_WRITE_BYTES = 256 * 1024;

/** Sessions that a server may send before its certificate is judged (TLS 1.2 sends one, TLS 1.3 two later). */
const MAX_EARLY_SESSIONS = 4;
/** An alert with its record's head: all that a server sent which refused the ClientHello. */
const ALERT_BYTES = 7;
/** How long a peer that reads nothing may keep a socket that only has to say that it is closed. */
const FAREWELL_MS = 1000;

/** What the streams of one engine share, as far as TLS needs it. */
export type TlsShared = {
  readonly turn: Turn;
  readonly surface: Surface;
  readonly readBuffer: Buffer;
  readonly scratch: Buffer;
  openStreams: number;
};

/** What TLS runs over: a socket's handle, or something that behaves as one. It does not read yet. */
export type TlsSocket = {
  readonly handle: Handle & {
    /** As far as the socket has read. */
    readonly bytesRead: number;
    /** Bytes that the kernel has not taken. */
    readonly writeQueueSize?: number;
    close(done: () => void): void;
    reset?(done: () => void): number;
  };
  readonly shared: TlsShared;
  readonly role: StreamRole;
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  /** Told once when what is below broke. */
  readonly onBroken: ((told: (why: Failure) => void) => void) | null;
};

/**
 * States: handshaking → open → closed. Before `open` nobody has the stream, no byte passes, and the handshake's own
 * check of the peer has the last word.
 */
export class TlsStream extends QueuedStream {
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  readonly shared: TlsShared;
  readonly handle: TlsSocket['handle'];
  readonly #wrap: TlsHandle;
  readonly #handshake: TlsHandshake;
  #callback: HandshakeCallback | null;
  #facts: SessionFacts | null = null;
  #earlySessions: Buffer[] = [];
  /** Calls of the layer into this stream that have not returned. */
  callDepth = 0;
  /** The end was read while bytes before it are held back. */
  #isEndHeld = false;

  /** Takes the socket over; `unread` are bytes of it that were read already. */
  constructor(socket: TlsSocket, handshake: TlsHandshake, unread: Buffer | null, callback: HandshakeCallback) {
    const { handle, shared } = socket;
    super(shared.turn, socket.role);
    this.localAddress = socket.localAddress;
    this.remoteAddress = socket.remoteAddress;
    this.shared = shared;
    this.handle = handle;
    this.#handshake = handshake;
    this.#callback = callback;
    shared.openStreams++;
    const wrap = wrapHandle(handle, handshake.context, handshake.isServer);
    this.#wrap = wrap;
    wrap.owner = this;
    // The runtime holds the socket's handle, and nobody else this stream before the handshake is done.
    handle.owner = this;
    wrap.onread = onRead as never;
    wrap.onerror = onError as never;
    wrap.onhandshakestart = ignore;
    wrap.onhandshakedone = onDone as never;
    wrap.useUserBuffer(shared.readBuffer);
    socket.onBroken?.((why) => this.#broken(why));
    this.#prepare(wrap, handshake);
    this.isReading = true;
    const status = wrap.readStart();
    if (status < 0) this.#refuse(streamFailure(this.role, 'read', errnoName(status)));
    else if (unread !== null && unread.length > 0) wrap.receive(unread);
    if (!handshake.isServer && !this.isClosed) wrap.start();
  }

  #prepare(wrap: TlsHandle, handshake: TlsHandshake): void {
    const { alpn, session, onSession, onKeylog, ocspResponse } = handshake;
    if (handshake.isServer) wrap.setVerifyMode(handshake.requestsCertificate, handshake.requiresCertificate);
    // The chain is checked by OpenSSL and judged by `verify`: here a handshake never fails because of it.
    else wrap.setVerifyMode(true, false);
    if (alpn.length > 0) wrap.setALPNProtocols(alpnWire(alpn));
    if (ocspResponse !== null) wrap.setOCSPResponse(ocspResponse);
    if (onKeylog !== null) {
      wrap.onkeylog = onKeylog;
      wrap.enableKeylogCallback();
    }
    if (handshake.isServer) return;
    if (handshake.serverName !== '') wrap.setServername(handshake.serverName);
    if (session !== null) wrap.setSession(session);
    if (onSession !== null) {
      wrap.onnewsession = (_id, made) => this.entered(() => this.#session(made));
      wrap.enableSessionCallbacks();
    }
  }

  override get tls(): TlsFacts | null {
    return this.#facts;
  }
  get fd(): number {
    return this.isClosed ? -1 : this.handle.fd;
  }

  /** Gives up a handshake: its callback will not be called. */
  cancel(): void {
    if (this.#callback === null) return;
    this.#callback = null;
    this.destroy();
  }

  // ─── The handshake ──────────────────────────────────────────────────────────────────────────────────────────────

  established(): void {
    if (this.#callback === null || this.isClosed) return;
    const facts = new SessionFacts(this.#wrap, this.#handshake);
    const problem = this.#handshake.verify(facts);
    if (problem !== null) {
      facts.keep();
      this.#refuse(failure('tls_failed', this.#side, 'connection', problem));
      return;
    }
    this.#facts = facts;
    const callback = this.#callback;
    this.#callback = null;
    for (const session of this.#earlySessions) this.#handshake.onSession?.(session);
    this.#earlySessions = [];
    callback(this, null);
  }

  /** Only sessions of a peer that was accepted are told of: who resumes one relies on that. */
  #session(made: Buffer): void {
    if (this.#facts !== null) this.#handshake.onSession?.(made);
    else if (this.#earlySessions.length < MAX_EARLY_SESSIONS) this.#earlySessions.push(made);
  }

  failed(error: TlsError): void {
    if (this.isClosed) return;
    const isFirstAnswer = !this.#handshake.isServer && this.handle.bytesRead <= ALERT_BYTES;
    const why = failure('tls_failed', this.#side, 'connection', tlsReason(error, isFirstAnswer));
    if (this.#callback !== null) this.#refuse(why);
    else this.finish(why, false);
  }

  #broken(why: Failure): void {
    if (this.isClosed) return;
    if (this.#callback !== null) this.#refuse(why);
    else this.finish(why, false);
  }

  /** The socket ended before the handshake did. */
  #cutOff(detail: string): Failure {
    const code = this.role === 'accepted' ? 'downstream_closed' : 'connect_failed';
    return failure(code, this.#side, 'connection', detail);
  }

  get #side(): Failure['side'] {
    return this.role === 'accepted' ? 'downstream' : 'upstream';
  }

  #refuse(why: Failure): void {
    const callback = this.#callback;
    this.#callback = null;
    this.finish(why, false);
    callback?.(null, why);
  }

  /** Whoever waits for the handshake hears of every end, also of one that a bug made. */
  protected override finish(why: Failure | null, reset: boolean): void {
    super.finish(why, reset);
    const callback = this.#callback;
    this.#callback = null;
    callback?.(null, why ?? this.#cutOff(''));
  }

  /** Runs an event of the layer as one of the engine's. */
  entered(act: () => unknown): void {
    const { turn } = this.shared;
    this.callDepth++;
    turn.enter();
    try {
      act();
    } catch (error) {
      turn.contain(this, error, 'tls');
    }
    turn.leave();
    this.callDepth--;
  }

  // ─── Bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  readable(count: number): void {
    if (this.isClosed || count === 0) return;
    if (count > 0) {
      this.bytesRead += count;
      if (this.isClosing) return;
      // The layer goes on with what it has decrypted although it was told to stop.
      if (this.pauses > 0 || this.unreadBytes !== null) this.#hold(count);
      else this.handler.onData(this.shared.readBuffer, 0, count);
      return;
    }
    if (this.#callback !== null) {
      const name = errnoName(count);
      this.#refuse(this.#cutOff(count === UV_EOF ? '' : socketReason(name, -count)));
    } else if (count !== UV_EOF) {
      this.finish(this.writeFailure ?? streamFailure(this.role, 'read', errnoName(count)), false);
    } else if (this.unreadBytes !== null) this.#isEndHeld = true;
    else this.readEnded();
  }

  /** At most what one read of the socket brought. */
  #hold(count: number): void {
    const more = copyOf(this.shared.readBuffer, 0, count);
    this.unreadBytes = this.unreadBytes === null ? more : Buffer.concat([this.unreadBytes, more]);
    this.touch();
  }

  protected override deliverUnread(): void {
    super.deliverUnread();
    if (!this.#isEndHeld || this.unreadBytes !== null || this.isClosed) return;
    this.#isEndHeld = false;
    this.readEnded();
  }

  /** OpenSSL copies what it takes, so nothing stays borrowed; the layer tells of the end of a write one turn later. */
  protected pump(): void {
    if (this.pendingBytes !== 0) {
      if (this.borrowed !== null) this.keepBorrowed();
      return;
    }
    const { scratch, surface } = this.shared;
    const request = new surface.WriteRequest() as TlsWrite;
    request.oncomplete = onWritten as never;
    request.stream = this;
    let status: number;
    if (this.parts.length === 0) {
      const { text } = this;
      if (text === '') return;
      this.text = '';
      this.pendingBytes = text.length;
      status = this.#wrap.writeLatin1String(request, text);
    } else {
      this.pushText();
      const chunk = this.#take(scratch);
      this.pendingBytes = chunk.length;
      status = this.#wrap.writeBuffer(request, chunk);
    }
    if (this.borrowed !== null) this.keepBorrowed();
    if (status !== 0) {
      this.pendingBytes = 0;
      this.writeFailed(streamFailure(this.role, 'write', errnoName(status)));
    } else if (surface.state[surface.asyncIndex] === 0) this.written(0);
  }

  /** The next bytes of the queue in one piece: small parts joined, or a large one as it is. */
  #take(scratch: Buffer): Uint8Array {
    const { parts } = this;
    const first = parts[0] as string | Uint8Array;
    if (typeof first !== 'string' && first.length >= scratch.length) {
      if (first.length <= MAX_WRITE_BYTES) {
        parts.shift();
        return first;
      }
      parts[0] = first.subarray(MAX_WRITE_BYTES);
      const at = this.borrowed?.indexOf(first) ?? -1;
      if (at >= 0) (this.borrowed as Uint8Array[])[at] = parts[0];
      return first.subarray(0, MAX_WRITE_BYTES);
    }
    let size = 0;
    let used = 0;
    for (const part of parts) {
      if (size + part.length > scratch.length) break;
      if (typeof part === 'string') scratch.latin1Write(part, size, part.length);
      else scratch.set(part, size);
      size += part.length;
      used++;
    }
    if (used === 0) {
      // A text that is longer than the scratch buffer.
      parts.shift();
      return Buffer.from(first as string, 'latin1');
    }
    parts.splice(0, used);
    return scratch.subarray(0, size);
  }

  protected startReading(): void {
    this.#wrap.readStart();
  }

  protected stopReading(): void {
    this.#wrap.readStop();
  }

  /**
   * close_notify, then FIN. OpenSSL looks for the peer's own close_notify then, and throws away a record that the layer
   * has not decrypted yet: so not while the layer is decrypting.
   */
  protected sendFin(): void {
    if (this.callDepth === 0) this.#sayEnd();
    else setImmediate(() => this.entered(() => this.isClosed || this.#sayEnd()));
  }

  #sayEnd(): void {
    const request = this.#shutdownRequest((status) => this.finished(status));
    const status = this.#wrap.shutdown(request);
    if (status < 0) this.finished(status);
  }

  protected release(reset: boolean): void {
    this.shared.openStreams--;
    const wrap = this.#wrap;
    wrap.owner = null;
    this.handle.owner = null;
    this.#facts?.keep();
    const { handle } = this;
    const destroy = (): void => wrap.destroySSL();
    if (reset && handle.reset?.(destroy) === 0) return;
    if (!reset && this.#facts !== null && !this.isFinStarted && this.pendingBytes === 0) this.#farewell(destroy);
    else handle.close(destroy);
  }

  /** The peer learns that this is the end and not a cut. */
  #farewell(destroy: () => void): void {
    const { handle } = this;
    let timer: NodeJS.Timeout | null = null;
    const close = (): void => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      handle.close(destroy);
    };
    const request = this.#shutdownRequest(() => {
      if (timer !== null) close();
    });
    const status = this.#wrap.shutdown(request);
    // The kernel has it already, as a rule; else it gets a moment.
    if (status < 0 || handle.writeQueueSize === 0) close();
    else timer = setTimeout(close, FAREWELL_MS);
  }

  #shutdownRequest(done: (status: number) => void): ShutdownRequest {
    const request = new this.shared.surface.ShutdownRequest();
    request.owner = this;
    request.oncomplete = (status) => this.entered(() => done(status));
    return request;
  }
}

type TlsWrite = WriteRequest & { stream: TlsStream };

function ignore(): void {}

function onDone(this: { owner: TlsStream | null }): void {
  const stream = this.owner;
  stream?.entered(() => stream.established());
}

function onError(this: { owner: TlsStream | null }, error: TlsError): void {
  const stream = this.owner;
  stream?.entered(() => stream.failed(error));
}

function onRead(this: { owner: TlsStream | null }): undefined {
  const stream = this.owner;
  if (stream === null) return;
  const { turn, surface } = stream.shared;
  const count = surface.state[surface.readIndex] as number;
  stream.callDepth++;
  turn.enter();
  try {
    stream.readable(count);
  } catch (error) {
    turn.contain(stream, error, 'read');
  }
  // The layer goes on with the next record at once, in the same memory, and inside another stream's turn nothing was
  // sent or copied yet.
  if (turn.depth > 1) turn.flush();
  turn.leave();
  stream.callDepth--;
}

function onWritten(this: TlsWrite, status: number): void {
  const { stream } = this;
  if (stream.isClosed) return;
  const { turn } = stream.shared;
  turn.enter();
  try {
    stream.written(status);
  } catch (error) {
    turn.contain(stream, error, 'write');
  }
  turn.leave();
}
