// The streams that closed last, because frames for them may still be on their way (RFC 9113 §5.1).

/** How a stream ended: by our RST_STREAM, which the peer may not have seen, or so that it knows. */
export type Ending = 'unknown' | 'reset' | 'known';

export class ClosedStreams {
  /** Grows up to `#size`, and is a ring from then on. */
  readonly #ids: number[] = [];
  readonly #size: number;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(id: number, isReset: boolean): void {
    const entry = isReset ? -id : id;
    if (this.#ids.length < this.#size) this.#ids.push(entry);
    else {
      this.#ids[this.#next] = entry;
      this.#next = this.#next + 1 === this.#size ? 0 : this.#next + 1;
    }
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
