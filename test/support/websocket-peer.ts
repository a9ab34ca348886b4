// One end of a WebSocket for tests, over any duplex stream: sends frames of every kind and collects what comes.
import { createHash, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { OPCODE, type WebSocketFrame, WebSocketReader, writeFrame } from './websocket-frames.ts';

export type WebSocketMessage = { readonly isText: boolean; readonly data: Buffer; readonly reserved: number };

/** How a WebSocket ended: by which close frame, and by what of the stream below. */
export type WebSocketEnd = { code: number; reason: string; stream: '' | 'end' | 'error' };

export class WebSocketPeer {
  readonly stream: Duplex;
  readonly messages: WebSocketMessage[] = [];
  /** Payloads of pings and pongs that came, in order. */
  readonly pings: string[] = [];
  readonly pongs: string[] = [];
  /** Every frame in order, as `text 5`, `continuation 3 end`. */
  readonly frames: string[] = [];
  readonly ended: WebSocketEnd = { code: 0, reason: '', stream: '' };
  /** What the other side may not do. */
  readonly errors: string[] = [];
  onMessage: (message: WebSocketMessage) => void = () => undefined;
  answersPings = true;
  readonly #isClient: boolean;
  readonly #waiters = new Set<() => void>();
  #fragments: Buffer[] = [];
  #opened: WebSocketFrame | null = null;
  #hasClosed = false;

  constructor(stream: Duplex, isClient: boolean, early: Buffer = Buffer.alloc(0)) {
    this.stream = stream;
    this.#isClient = isClient;
    const reader = new WebSocketReader((frame) => this.#take(frame));
    stream.on('data', (chunk: Buffer) => reader.feed(chunk));
    stream.on('end', () => this.#end('end'));
    stream.on('error', () => this.#end('error'));
    stream.on('close', () => this.#end(this.ended.stream === '' ? 'error' : this.ended.stream));
    if (early.length > 0) reader.feed(early);
  }

  // ─── Out ────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(data: string | Buffer, reserved = 0): void {
    this.frame(typeof data === 'string' ? OPCODE.text : OPCODE.binary, data, true, reserved);
  }

  /** One message in frames of their own; what `between` does happens after the first. */
  sendPieces(pieces: readonly string[], between: () => void = () => undefined): void {
    for (const [i, piece] of pieces.entries()) {
      this.frame(i === 0 ? OPCODE.text : OPCODE.continuation, piece, i === pieces.length - 1);
      if (i === 0) between();
    }
  }

  frame(opcode: number, data: string | Buffer, isFinal = true, reserved = 0): void {
    const payload = typeof data === 'string' ? Buffer.from(data) : data;
    const mask = this.#isClient ? randomBytes(4) : null;
    this.stream.write(writeFrame(opcode, payload, { isFinal, reserved, mask }));
  }

  close(code?: number, reason = ''): void {
    if (this.#hasClosed) return;
    this.#hasClosed = true;
    const payload = code === undefined ? Buffer.alloc(0) : Buffer.alloc(2 + Buffer.byteLength(reason));
    if (code !== undefined) {
      payload.writeUInt16BE(code, 0);
      payload.write(reason, 2);
    }
    this.frame(OPCODE.close, payload);
  }

  // ─── In ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #take(frame: WebSocketFrame): void {
    const { opcode, payload, isFinal, reserved } = frame;
    const name = Object.entries(OPCODE).find(([, code]) => code === opcode)?.[0] ?? `opcode ${opcode}`;
    this.frames.push(`${name} ${payload.length}${isFinal ? '' : ' more'}`);
    if (frame.isMasked === this.#isClient) this.errors.push(`mask of ${name}`);
    if (opcode >= OPCODE.close) this.#control(opcode, payload, isFinal);
    else {
      if ((opcode === OPCODE.continuation) !== (this.#opened !== null)) this.errors.push(`order of ${name}`);
      this.#opened ??= frame;
      this.#fragments.push(payload);
      if (isFinal) this.#complete(this.#opened.opcode === OPCODE.text, this.#opened.reserved);
    }
    if (reserved !== 0 && opcode >= OPCODE.close) this.errors.push(`reserved bits of ${name}`);
    this.#wake();
  }

  #complete(isText: boolean, reserved: number): void {
    const message = { isText, data: Buffer.concat(this.#fragments), reserved };
    this.#fragments = [];
    this.#opened = null;
    this.messages.push(message);
    this.onMessage(message);
  }

  #control(opcode: number, payload: Buffer, isFinal: boolean): void {
    if (!isFinal || payload.length > 125) this.errors.push('a long or fragmented control frame');
    if (opcode === OPCODE.ping) {
      this.pings.push(payload.toString('latin1'));
      if (this.answersPings) this.frame(OPCODE.pong, payload);
    } else if (opcode === OPCODE.pong) this.pongs.push(payload.toString('latin1'));
    else if (opcode === OPCODE.close) {
      this.ended.code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.ended.reason = payload.subarray(2).toString();
      this.close(payload.length >= 2 ? this.ended.code : undefined, this.ended.reason);
      if (!this.#isClient) this.stream.end();
    }
  }

  #end(how: 'end' | 'error'): void {
    if (this.ended.stream === '') this.ended.stream = how;
    this.#wake();
  }

  /** Waits for what the messages so far do not show; rejects when it does not come in time. */
  async until(what: string, condition: () => boolean, timeoutMs = 30_000): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`no ${what}: ${this.describe()}`)), timeoutMs);
    const waiter = (): void => {
      if (condition()) resolve();
    };
    this.#waiters.add(waiter);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    }
  }

  describe(): string {
    const { code, stream } = this.ended;
    return `${this.frames.slice(-5).join(', ')}; close ${code}, stream ${stream}; ${this.errors.join(', ')}`;
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}

/** What a server answers a key with. Source: RFC 6455 §4.2.2. */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
