// The text form of a gRPC response: each message, head and all, is base64 of its own with its own padding.
import { Base64Writer } from '../../../../wire/grpc/base64.ts';
import { MESSAGE_HEAD_BYTES } from '../../../../wire/grpc/framing.ts';

/** Encodes messages as they arrive; nothing waits but the one or two bytes that make no digits yet. */
export class TextResponse {
  readonly #writer = new Base64Writer();
  #headRead = 0;
  #remaining = 0;

  /** The digits of buf[start, end); `endStream` pads a message that is cut off. */
  encode(buf: Buffer, start: number, end: number, endStream: boolean): Buffer {
    let text = '';
    let pos = start;
    while (pos < end) {
      const from = pos;
      while (pos < end && this.#headRead < MESSAGE_HEAD_BYTES) this.#readHead(buf[pos++] as number);
      if (this.#headRead === MESSAGE_HEAD_BYTES) {
        const bytes = Math.min(this.#remaining, end - pos);
        this.#remaining -= bytes;
        pos += bytes;
      }
      const isComplete = this.#headRead === MESSAGE_HEAD_BYTES && this.#remaining === 0;
      if (isComplete) this.#headRead = 0;
      text += this.#writer.write(buf, from, pos, isComplete);
    }
    if (endStream && this.#headRead > 0) text += this.#writer.write(buf, end, end, true);
    return Buffer.from(text, 'latin1');
  }

  #readHead(byte: number): void {
    this.#remaining = this.#headRead < 2 ? (this.#headRead === 0 ? 0 : byte) : this.#remaining * 256 + byte;
    this.#headRead++;
  }
}
