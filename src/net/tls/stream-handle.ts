// Makes any ByteStream look like a socket handle to the runtime's TLS layer: TLS over memory, tunnels, and other TLS.
import process from 'node:process';
import type { ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import type { Failure } from '../../base/failure.ts';
import { type Handle, handleSurface } from '../handles.ts';
import { QueuedStream } from '../queued-stream.ts';
import type { Turn, TurnStream } from '../turn.ts';
import type { TlsShared, TlsSocket } from './tls-stream.ts';

/** The runtime's handle whose bytes come from JavaScript. */
type JsHandle = Handle & {
  onreadstart: () => number;
  onreadstop: () => number;
  onwrite: (request: unknown, chunks: readonly Buffer[]) => number;
  onshutdown: (request: unknown) => number;
  isClosing: () => boolean;
  readBuffer(chunk: Uint8Array): void;
  emitEOF(): void;
  finishWrite(request: unknown, status: number): void;
  finishShutdown(request: unknown, status: number): void;
};

const CANCELED = -125;

/** Takes the stream over; null where the runtime lacks the handle, or the stream has no turn of an engine. */
export function streamSocket(stream: ByteStream): TlsSocket | null {
  const JsStream = jsStreamClass();
  if (JsStream === null || !(stream instanceof QueuedStream)) return null;
  const shared = sharedOf(stream.engineTurn);
  const made = new StreamHandle(new JsStream(), stream, shared);
  return {
    handle: made.handle,
    shared,
    role: stream.role,
    localAddress: stream.localAddress,
    remoteAddress: stream.remoteAddress,
    onBroken: (told) => {
      made.onBroken = told;
    },
  };
}

type JsStreamClass = new () => JsHandle;
let found: JsStreamClass | null | undefined;

function jsStreamClass(): JsStreamClass | null {
  if (found !== undefined) return found;
  const { binding } = process as unknown as { binding(name: string): { JSStream?: JsStreamClass } };
  const settings = process as { noDeprecation?: boolean };
  const before = settings.noDeprecation;
  settings.noDeprecation = true;
  try {
    found = binding('js_stream').JSStream ?? null;
  } catch {
    found = null;
  } finally {
    if (before === undefined) delete settings.noDeprecation;
    else settings.noDeprecation = before;
  }
  return found;
}

const BUFFER_BYTES = 64 * 1024;
const SHARED = new WeakMap<Turn, TlsShared>();

/** One pair of buffers for all such streams of an engine. */
function sharedOf(turn: Turn): TlsShared {
  let shared = SHARED.get(turn);
  if (shared === undefined) {
    const readBuffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    shared = {
      turn,
      surface: handleSurface(),
      readBuffer,
      scratch: Buffer.allocUnsafeSlow(BUFFER_BYTES),
      openStreams: 0,
    };
    SHARED.set(turn, shared);
  }
  return shared;
}

/**
 * Requests of the layer are answered when a turn ends, never inside the call that made them. The layer has one write
 * under way at a time, so what waits in the stream is bounded by it.
 */
class StreamHandle implements ByteStreamHandler, TurnStream {
  readonly handle: TlsSocket['handle'];
  isDirty = false;
  isNotified = false;
  /** The stream broke. */
  onBroken: (why: Failure) => void = () => undefined;
  readonly #js: JsHandle;
  readonly #base: ByteStream;
  readonly #turn: Turn;
  readonly #output: Buffer;
  #isPaused = false;
  #isClosed = false;
  #write: unknown = null;
  #shutdown: unknown = null;
  #whenClosed: (() => void) | null = null;
  #failure: Failure | null = null;
  #isEnded = false;
  #isEndTold = false;
  /** Bytes that came while the layer did not read. */
  #early: Buffer[] = [];

  constructor(js: JsHandle, base: QueuedStream, shared: TlsShared) {
    const { turn } = shared;
    this.#output = shared.readBuffer;
    this.#js = js;
    this.#base = base;
    this.#turn = turn;
    base.handler = this;
    base.forgetPauses();
    js.onreadstart = () => this.#setPaused(false);
    js.onreadstop = () => this.#setPaused(true);
    js.onwrite = (request, chunks) => this.#written(request, chunks);
    js.onshutdown = (request) => this.#ended(request);
    js.isClosing = () => this.#isClosed;
    this.handle = Object.assign(js, {
      close: (done?: () => void): void => this.#close(false, done),
      reset: (done: () => void): number => {
        this.#close(true, done);
        return 0;
      },
    }) as unknown as TlsSocket['handle'];
    this.#setPaused(true);
  }

  // ─── What the stream says ───────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#isClosed) return;
    const bytes = chunk.subarray(start, end);
    // A stream in memory may have more in hand when it is paused.
    if (this.#isPaused || this.#early.length > 0) this.#early.push(Buffer.from(bytes));
    // TLS inside TLS: what is decrypted goes where these bytes are.
    else this.#js.readBuffer(chunk === this.#output ? Buffer.from(bytes) : bytes);
  }

  onEnd(): void {
    this.#isEnded = true;
    this.#passOn();
  }

  onDrain(): void {
    this.#answer();
  }

  onClose(failure: Failure | null): void {
    if (this.#isClosed) return;
    // After an orderly end on both sides nothing is wrong, and what came before it may still be wanted.
    if (failure === null) this.#isEnded = true;
    else this.#failure = failure;
    this.#passOn();
  }

  /** What was held back, then how it ended. */
  #passOn(): void {
    while (this.#early.length > 0 && !this.#isPaused && !this.#isClosed) {
      this.#js.readBuffer(this.#early.shift() as Buffer);
    }
    if (this.#isClosed) return;
    if (this.#failure !== null) {
      this.#isClosed = true;
      this.#answer();
      this.onBroken(this.#failure);
    } else if (this.#isEnded && !this.#isEndTold && this.#early.length === 0) {
      this.#isEndTold = true;
      this.#js.emitEOF();
    }
    this.#answer();
  }

  // ─── What the layer wants ───────────────────────────────────────────────────────────────────────────────────────

  #setPaused(isPaused: boolean): number {
    if (isPaused === this.#isPaused || this.#isClosed) return 0;
    this.#isPaused = isPaused;
    if (isPaused) this.#base.pause();
    else {
      this.#base.resume();
      if (this.#early.length > 0) this.#later();
    }
    return 0;
  }

  #written(request: unknown, chunks: readonly Buffer[]): number {
    this.#write = request;
    for (const chunk of chunks) this.#base.write(chunk);
    this.#later();
    return 0;
  }

  #ended(request: unknown): number {
    this.#shutdown = request;
    this.#base.end();
    this.#later();
    return 0;
  }

  #close(reset: boolean, done: (() => void) | undefined): void {
    this.#whenClosed = done ?? null;
    if (!this.#isClosed) {
      this.#isClosed = true;
      if (reset) this.#base.destroy(true);
      else this.#base.close();
    }
    this.#later();
  }

  #later(): void {
    if (!this.isNotified) this.#turn.markNotified(this);
  }

  #answer(): void {
    const isDone = this.#isClosed || this.#base.isClosed;
    const write = this.#write;
    if (write !== null && (isDone || !this.#base.isAboveHighWatermark)) {
      this.#write = null;
      this.#js.finishWrite(write, isDone ? CANCELED : 0);
    }
    const shutdown = this.#shutdown;
    if (shutdown !== null) {
      this.#shutdown = null;
      this.#js.finishShutdown(shutdown, 0);
    }
    const whenClosed = this.#whenClosed;
    this.#whenClosed = null;
    whenClosed?.();
  }

  // ─── The turn ───────────────────────────────────────────────────────────────────────────────────────────────────

  settle(): void {}

  deliver(): void {
    this.#passOn();
    this.#answer();
  }

  abandon(): void {
    this.#base.destroy(true);
  }
}
