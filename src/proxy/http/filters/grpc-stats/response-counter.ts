// Counts the messages of a streamed response, and reads the message with which the Connect protocol ends one.

/** Flag of the last message of a Connect stream: its content is JSON that says how the call ended. */
const END_OF_STREAM = 2;
const HEAD_BYTES = 5;
/** An end-of-stream message that is longer is not read: such a call counts as failed. */
const MAX_END_BYTES = 64 * 1024;

/** gRPC has no flag of that value, so that its responses are counted by this too. */
export class ResponseCounter {
  /** Messages of which a byte has come. */
  started = 0;
  #headRead = 0;
  #remaining = 0;
  #isEnd = false;
  #endChunks: Buffer[] = [];
  #isEndComplete = false;

  count(buf: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end && !this.#isEndComplete) {
      if (this.#headRead < HEAD_BYTES) this.#readHead(buf[pos++] as number);
      else {
        const bytes = Math.min(this.#remaining, end - pos);
        if (this.#isEnd) this.#keep(buf, pos, pos + bytes);
        this.#remaining -= bytes;
        pos += bytes;
      }
      if (this.#headRead === HEAD_BYTES && this.#remaining === 0) this.#messageEnds();
    }
  }

  /** The stream ended with a message that tells of no error. */
  get isSuccess(): boolean {
    if (!this.#isEndComplete) return false;
    try {
      const end: unknown = JSON.parse(Buffer.concat(this.#endChunks).toString('utf8'));
      return typeof end === 'object' && end !== null && !Array.isArray(end) && !Object.hasOwn(end, 'error');
    } catch {
      return false;
    }
  }

  #readHead(byte: number): void {
    if (this.#headRead === 0) {
      this.#remaining = 0;
      this.#isEnd = (byte & END_OF_STREAM) !== 0;
      if (!this.#isEnd) this.started++;
    } else this.#remaining = this.#remaining * 256 + byte;
    this.#headRead++;
  }

  #keep(buf: Buffer, start: number, end: number): void {
    if (this.#remaining > MAX_END_BYTES) return;
    this.#endChunks.push(Buffer.from(buf.subarray(start, end)));
  }

  #messageEnds(): void {
    this.#headRead = 0;
    if (this.#isEnd) this.#isEndComplete = true;
  }
}
