// One client over TCP: queries with their lengths before them, any number in a row, answered as the answers come.
import type { ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import type { Failure } from '../../base/failure.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { DnsDesk } from './desk.ts';

/** A client that asks nothing is sent away. RFC 7766 §6.2.3: a few seconds, more than a round trip. */
const IDLE_MS = 10_000;
/** Queries of one client that wait for upstream servers; more are read when some have been answered. */
const MAX_PENDING = 64;
const LENGTH_BYTES = 2;
const OUTPUT_BYTES = 128 * 1024;
const NOTHING = Buffer.alloc(0);

export class TcpSession implements ByteStreamHandler {
  readonly #stream: ByteStream;
  readonly #desk: DnsDesk;
  readonly #timer: Timer;
  readonly #onClosed: (session: TcpSession) => void;
  /** The beginning of a message that has not come in full. */
  #partial: Buffer = NOTHING;
  #pending = 0;
  #isPaused = false;
  #hasEnded = false;

  constructor(stream: ByteStream, desk: DnsDesk, clock: Clock, onClosed: (session: TcpSession) => void) {
    this.#stream = stream;
    this.#desk = desk;
    this.#onClosed = onClosed;
    this.#timer = clock.timer(idle, this);
    this.#timer.arm(IDLE_MS);
    stream.setWatermarks(OUTPUT_BYTES);
    stream.handler = this;
  }

  close(): void {
    this.#stream.destroy();
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#partial.length > 0) {
      this.#partial = Buffer.concat([this.#partial, chunk.subarray(start, end)]);
      this.#read(this.#partial, 0, this.#partial.length);
    } else this.#read(chunk, start, end);
  }

  #read(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at + LENGTH_BYTES <= end && !this.#isPaused) {
      const message = at + LENGTH_BYTES;
      const next = message + bytes.readUInt16BE(at);
      if (next > end) break;
      at = next;
      // What ends here is heard of; a client that sends byte by byte is not.
      this.#timer.arm(IDLE_MS);
      this.#take(bytes, message, next);
      if (this.#stream.isClosed) return;
    }
    this.#partial = at === end ? NOTHING : Buffer.from(bytes.subarray(at, end));
  }

  #take(bytes: Buffer, start: number, end: number): void {
    const desk = this.#desk;
    const verdict = desk.take(bytes, start, end, true);
    if (verdict === 'reply') this.#send(desk.reply.bytes, desk.reply.length);
    else if (verdict === 'none') this.#stream.close();
    else {
      this.#pending++;
      desk.forward((reply, length) => {
        this.#pending--;
        if (this.#stream.isClosed) return;
        this.#send(reply, length);
        this.#goOn();
      });
    }
    if (this.#pending >= MAX_PENDING || this.#stream.isAboveHighWatermark) this.#pause();
  }

  #send(reply: Buffer, length: number): void {
    const message = Buffer.allocUnsafe(LENGTH_BYTES + length);
    message.writeUInt16BE(length);
    reply.copy(message, LENGTH_BYTES, 0, length);
    this.#stream.write(message);
    this.#timer.arm(IDLE_MS);
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#stream.pause();
  }

  #goOn(): void {
    if (this.#isPaused && this.#pending < MAX_PENDING && !this.#stream.isAboveHighWatermark) {
      this.#isPaused = false;
      this.#stream.resume();
      const { length } = this.#partial;
      if (length > 0) this.#read(this.#partial, 0, length);
    }
    if (this.#hasEnded && this.#pending === 0 && !this.#isPaused) this.#stream.close();
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#goOn();
  }

  onDrain(): void {
    this.#goOn();
  }

  onClose(_failure: Failure | null): void {
    this.#timer.disarm();
    this.#partial = NOTHING;
    this.#onClosed(this);
  }

  /** For the timer. Who waits for an answer is not idle: the forwarder has its own deadline. */
  onIdle(): void {
    if (this.#pending > 0) this.#timer.arm(IDLE_MS);
    else this.#stream.destroy();
  }
}

function idle(session: TcpSession): void {
  session.onIdle();
}
