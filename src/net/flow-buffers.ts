// Read buffers of their own for the few flows that move most bytes: larger reads, and partial writes without a copy.
import type { Clock, Timer } from '../base/clock.ts';

/** Bytes of an own buffer; what one read may take at once. */
const FLOW_BUFFER_BYTES = 1024 * 1024;
/** Most own buffers of a process, in use or lent: more of them fall out of the caches and cost more than they save. */
export const MOST_FLOW_BUFFERS = 16;
/** Buffers that nobody uses but the next flow may. */
const MOST_SPARE = 4;
/** A flow that was not read for so long gives its buffer back. */
const IDLE_MS = 2_000;
/** Rests of partial writes up to this size are copied: a whole buffer would be kept for them. */
const COPIED_REST_BYTES = 16 * 1024;

/** Bytes that a writer keeps without a copy, until it says so. */
export type Loan = { giveBackLoan(): void };

/** The stream that reads into an own buffer. */
export type FlowReader = {
  /** Its buffer was lent: it reads into `next` from now on, or into the shared one. Only during its own read. */
  changeFlowBuffer(next: FlowBuffer | null): void;
  /** Gives the buffer back because the flow is idle. Not during its own read. */
  dropFlowBuffer(): void;
};

/** Life: taken by a reader; perhaps lent, when the reader leaves it; spare again when its bytes are written. */
export class FlowBuffer implements Loan {
  readonly pool: FlowBuffers;
  readonly memory = Buffer.allocUnsafeSlow(FLOW_BUFFER_BYTES);
  reader: FlowReader | null = null;
  loans = 0;
  /** Whether it was read into since the last look for idle ones. */
  isActive = true;

  constructor(pool: FlowBuffers) {
    this.pool = pool;
  }

  giveBackLoan(): void {
    if (--this.loans === 0) this.pool.lentBack(this);
  }
}

export class FlowBuffers {
  readonly #limit: number;
  readonly #byMemory = new Map<ArrayBufferLike, FlowBuffer>();
  readonly #sweep: Timer;
  #spare: FlowBuffer[] = [];
  #lent = 0;

  constructor(clock: Clock, limit: number) {
    this.#limit = limit;
    this.#sweep = clock.timer((owner: FlowBuffers) => owner.#dropIdle(), this);
  }

  /** Own buffers in use or lent. */
  get count(): number {
    return this.#byMemory.size;
  }

  /** Null when all are taken: the flow goes on with the shared buffer. */
  take(reader: FlowReader): FlowBuffer | null {
    if (this.#byMemory.size >= this.#limit) return null;
    const buffer = this.#spare.pop() ?? new FlowBuffer(this);
    buffer.reader = reader;
    buffer.isActive = true;
    this.#byMemory.set(buffer.memory.buffer, buffer);
    if (!this.#sweep.isArmed) this.#sweep.arm(IDLE_MS);
    return buffer;
  }

  /** The reader leaves it. */
  giveBack(buffer: FlowBuffer): void {
    buffer.reader = null;
    this.#free(buffer);
  }

  /**
   * Lets a writer keep bytes where they lie; the reader goes on in another buffer, so a writer that stalls holds nobody
   * up. Null when the bytes are to be copied: they are not in an own buffer, or too many of these are lent. `total`: of
   * all that is lent together.
   */
  lend(chunk: Uint8Array, total = chunk.length): Loan | null {
    if (this.#byMemory.size === 0 || total <= COPIED_REST_BYTES) return null;
    const buffer = this.#byMemory.get(chunk.buffer);
    if (buffer === undefined) return null;
    const { reader } = buffer;
    if (reader !== null) {
      if (this.#lent >= this.#limit >> 1) return null;
      this.#lent++;
      buffer.reader = null;
      reader.changeFlowBuffer(this.take(reader));
    }
    buffer.loans++;
    return buffer;
  }

  /** The last writer is done with a buffer that its reader has left. */
  lentBack(buffer: FlowBuffer): void {
    this.#lent--;
    this.#free(buffer);
  }

  #free(buffer: FlowBuffer): void {
    this.#byMemory.delete(buffer.memory.buffer);
    if (this.#spare.length < MOST_SPARE) this.#spare.push(buffer);
  }

  #dropIdle(): void {
    for (const buffer of [...this.#byMemory.values()]) {
      if (!buffer.isActive) buffer.reader?.dropFlowBuffer();
      buffer.isActive = false;
    }
    if (this.#byMemory.size > 0) this.#sweep.arm(IDLE_MS);
    else this.#spare = [];
  }
}
