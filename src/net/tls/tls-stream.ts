// A TLS session on a raw socket handle, as a ByteStream: the runtime's TLS layer without its streams.
import type { Address, TlsFacts } from '../../base/byte-stream.ts';
import { type Failure, failure } from '../../base/failure.ts';
import { errnoName, streamFailure } from '../errno.ts';
import type { HandleShared, HandleStream } from '../handle-stream.ts';
import { type Handle, type ShutdownRequest, UV_EOF, type WriteRequest } from '../handles.ts';
import { QueuedStream } from '../queued-stream.ts';
import type { HandshakeCallback, TlsHandshake } from './handshake.ts';
import { SessionFacts } from './session-facts.ts';
import { type TlsError, type TlsHandle, wrapHandle } from './surface.ts';
import { alpnWire, tlsReason } from './wording.ts';

/** Bytes given to OpenSSL at once; what it makes of them waits in memory until the kernel takes it. */
const MAX_WRITE_BYTES = 256 * 1024;

/**
 * States: handshaking → open → closed. Before `open` nobody has the stream, no byte passes, and the handshake's own
 * check of the peer has the last word.
 */
export class TlsStream extends QueuedStream {
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  readonly shared: HandleShared;
  readonly handle: Handle;
  readonly #wrap: TlsHandle;
  readonly #handshake: TlsHandshake;
  #callback: HandshakeCallback | null;
  #facts: SessionFacts | null = null;

  /** Takes the socket of `base`, which must be idle; `unread` are bytes of it that were read already. */
  constructor(base: HandleStream, handshake: TlsHandshake, unread: Buffer | null, callback: HandshakeCallback) {
    const { localAddress, remoteAddress } = base;
    const { handle, shared } = base.takeHandle();
    super(shared.turn, base.role);
    // Next to a handshake two questions to the kernel cost nothing, and a closed socket answers none.
    this.localAddress = localAddress;
    this.remoteAddress = remoteAddress;
    this.shared = shared;
    this.handle = handle;
    this.#handshake = handshake;
    this.#callback = callback;
    shared.openStreams++;
    const wrap = wrapHandle(handle, handshake.context, handshake.isServer);
    this.#wrap = wrap;
    wrap.owner = this;
    wrap.onread = onRead as never;
    wrap.onerror = (error) => this.#entered(() => this.#failed(error));
    wrap.onhandshakestart = () => undefined;
    wrap.onhandshakedone = () => this.#entered(() => this.#done());
    wrap.useUserBuffer(shared.readBuffer);
    this.#prepare(wrap, handshake);
    this.isReading = true;
    const status = wrap.readStart();
    if (unread !== null && unread.length > 0) wrap.receive(unread);
    if (!handshake.isServer) wrap.start();
    if (status < 0 && !this.isClosed) this.finish(streamFailure(this.role, 'read', errnoName(status)), false);
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
      wrap.onnewsession = (_id, made) => onSession(made);
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

  #done(): void {
    if (this.#callback === null || this.isClosed) return;
    const facts = new SessionFacts(this.#wrap, this.#handshake);
    const problem = this.#handshake.verify(facts);
    if (problem !== null) {
      this.#refuse(failure('tls_failed', this.#side, 'connection', problem));
      return;
    }
    this.#facts = facts;
    const callback = this.#callback;
    this.#callback = null;
    callback(this, null);
  }

  #failed(error: TlsError): void {
    if (this.isClosed) return;
    const reason = tlsReason(error);
    if (this.#callback !== null) this.#refuse(failure('tls_failed', this.#side, 'connection', reason));
    else this.finish(failure('tls_failed', this.#side, 'connection', reason), false);
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

  /** The socket ended before the handshake did. */
  #brokenOff(why: Failure): void {
    this.#refuse(why);
  }

  #entered(act: () => void): void {
    const { turn } = this.shared;
    turn.enter();
    try {
      act();
    } catch (error) {
      turn.contain(this, error, 'tls');
    }
    turn.leave();
  }

  // ─── Bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  readable(count: number): void {
    if (this.isClosed) return;
    if (count > 0) {
      this.bytesRead += count;
      if (!this.isClosing) this.handler.onData(this.shared.readBuffer, 0, count);
      return;
    }
    if (count === 0) return;
    if (this.#callback !== null) {
      const detail = count === UV_EOF ? '' : `read: ${errnoName(count)}`;
      const code = this.role === 'accepted' ? 'downstream_closed' : 'connect_failed';
      this.#brokenOff(failure(code, this.#side, 'connection', detail));
    } else if (count === UV_EOF) this.readEnded();
    else this.finish(this.writeFailure ?? streamFailure(this.role, 'read', errnoName(count)), false);
  }

  written(count: number, status: number): void {
    if (this.isClosed) return;
    this.pendingBytes = 0;
    if (status < 0) {
      this.writeFailed(streamFailure(this.role, 'write', errnoName(status)));
      return;
    }
    this.sent(count);
    this.touch();
  }

  finished(status: number): void {
    if (this.isClosed) return;
    if (status < 0) this.writeFailed(streamFailure(this.role, 'shutdown', errnoName(status)));
    else this.finSent();
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
      request.count = text.length;
      this.pendingBytes = text.length;
      status = this.#wrap.writeLatin1String(request, text);
    } else {
      this.pushText();
      const chunk = this.#take(scratch);
      request.count = chunk.length;
      this.pendingBytes = chunk.length;
      status = this.#wrap.writeBuffer(request, chunk);
    }
    if (this.borrowed !== null) this.keepBorrowed();
    if (status !== 0) {
      this.pendingBytes = 0;
      this.writeFailed(streamFailure(this.role, 'write', errnoName(status)));
    } else if (surface.state[surface.asyncIndex] === 0) this.written(request.count, 0);
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

  /** close_notify, then FIN. */
  protected sendFin(): void {
    const request = this.#shutdownRequest((status) => this.finished(status));
    const status = this.#wrap.shutdown(request);
    if (status < 0) this.finished(status);
  }

  protected release(reset: boolean): void {
    this.shared.openStreams--;
    const wrap = this.#wrap;
    wrap.owner = null;
    this.#facts?.keep();
    const tcp = this.handle as unknown as Closable;
    const destroy = (): void => wrap.destroySSL();
    if (reset && typeof tcp.reset === 'function' && tcp.reset(destroy) === 0) return;
    if (!reset && this.#facts !== null && !this.isFinStarted && this.pendingBytes === 0) {
      // The peer learns that this is the end and not a cut.
      const request = this.#shutdownRequest(() => tcp.close(destroy));
      if (wrap.shutdown(request) >= 0) return;
    }
    tcp.close(destroy);
  }

  #shutdownRequest(done: (status: number) => void): ShutdownRequest {
    const request = new this.shared.surface.ShutdownRequest();
    request.owner = this;
    request.oncomplete = (status) => this.#entered(() => done(status));
    return request;
  }
}

type TlsWrite = WriteRequest & { stream: TlsStream; count: number };
type Closable = { close(done: () => void): void; reset?(done: () => void): number };

function onRead(this: { owner: TlsStream | null }): undefined {
  const stream = this.owner;
  if (stream === null) return;
  const { turn, surface } = stream.shared;
  const count = surface.state[surface.readIndex] as number;
  turn.enter();
  try {
    stream.readable(count);
  } catch (error) {
    turn.contain(stream, error, 'read');
  }
  turn.leave();
}

function onWritten(this: TlsWrite, status: number): void {
  const { stream } = this;
  if (stream.isClosed) return;
  const { turn } = stream.shared;
  turn.enter();
  try {
    stream.written(this.count, status);
  } catch (error) {
    turn.contain(stream, error, 'write');
  }
  turn.leave();
}
