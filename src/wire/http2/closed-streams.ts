// The streams that closed last, because frames for them may still be on their way (RFC 9113 §5.1).

/** How a stream ended: by our RST_STREAM, which the peer may not have seen, or so that it knows. */
export type Ending = 'unknown' | 'reset' | 'known';

export class ClosedStreams {
  readonly #ids: Int32Array;
  #next = 0;

  constructor(size: number) {
    this.#ids = new Int32Array(size);
  }

  add(id: number, isReset: boolean): void {
    this.#ids[this.#next] = isReset ? -id : id;
    this.#next = this.#next + 1 === this.#ids.length ? 0 : this.#next + 1;
  }

  endingOf(id: number): Ending {
    const ids = this.#ids;
    for (let i = 0; i < ids.length; i++) {
      if (ids[i] === -id) return 'reset';
      if (ids[i] === id) return 'known';
    }
    return 'unknown';
  }
}
