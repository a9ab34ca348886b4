// The bytes of a connection whose network filters read them: each goes through the filters on its way to the owner.
import type { ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import { StreamLayer } from '../../base/stream-layer.ts';
import type { Failure } from '../../base/failure.ts';
import type { NetworkConnection, NetworkFilter } from './filter.ts';

const NO_HANDLER: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
const EMPTY = Buffer.alloc(0);

export class FilteredStream extends StreamLayer implements ByteStreamHandler {
  handler: ByteStreamHandler = NO_HANDLER;
  readonly #connection: NetworkConnection;
  readonly #filters: readonly NetworkFilter[];
  /** The filter that gets the kept bytes when reading continues; -1 while nothing is stopped. */
  #resumeAt = -1;
  #kept = EMPTY;
  #isEndKept = false;

  constructor(socket: ByteStream, connection: NetworkConnection, filters: readonly NetworkFilter[]) {
    super(socket);
    this.#connection = connection;
    this.#filters = filters;
    socket.handler = this;
  }

  // ─── From the socket ────────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#resumeAt >= 0) this.#keep(chunk, start, end);
    else this.#pass(0, chunk, start, end, false);
  }

  onEnd(): void {
    if (this.#resumeAt >= 0) this.#isEndKept = true;
    else this.#pass(0, EMPTY, 0, 0, true);
  }

  onDrain(): void {
    this.handler.onDrain();
  }

  onTurnEnd(): void {
    this.handler.onTurnEnd?.();
  }

  onClose(failure: Failure | null): void {
    const { handler } = this;
    this.handler = NO_HANDLER;
    handler.onClose(failure);
  }

  /** To every filter from `first` on and to the owner; false when a filter stopped it or the connection ended. */
  #pass(first: number, chunk: Buffer, start: number, end: number, endStream: boolean): boolean {
    const filters = this.#filters;
    for (let at = first; at < filters.length; at++) {
      const filter = filters[at] as NetworkFilter;
      if (filter.onData === undefined) continue;
      const status = filter.onData(this.#connection, chunk, start, end, endStream);
      if (this.socket.isClosed) return false;
      if (status === 'stop') {
        this.#resumeAt = at + 1;
        if (end > start) this.#keep(chunk, start, end);
        if (endStream) this.#isEndKept = true;
        this.socket.pause();
        return false;
      }
      if (status === 'continue') continue;
      this.taken += end - start - status.length;
      chunk = status;
      start = 0;
      end = status.length;
      if (end === 0 && !endStream) return true;
    }
    if (end > start) this.handler.onData(chunk, start, end);
    if (endStream && !this.socket.isClosed) this.handler.onEnd();
    return true;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const bytes = Buffer.from(chunk.subarray(start, end));
    this.#kept = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
  }

  /** A filter that stopped lets go on: what was kept goes to the filters behind it. */
  continueReading(): void {
    if (this.#resumeAt < 0 || this.socket.isClosed) return;
    const at = this.#resumeAt;
    const kept = this.#kept;
    const endKept = this.#isEndKept;
    this.#resumeAt = -1;
    this.#kept = EMPTY;
    this.#isEndKept = false;
    this.socket.resume();
    if (kept.length > 0 && !this.#pass(at, kept, 0, kept.length, false)) {
      if (endKept) this.#isEndKept = true;
      return;
    }
    if (endKept && !this.socket.isClosed) this.#pass(kept.length > 0 ? 0 : at, EMPTY, 0, 0, true);
  }

  /** Bytes of a filter's own. */
  writeOwn(bytes: Buffer): void {
    this.own += bytes.length;
    this.socket.write(bytes);
  }
}
