// Base64 that arrives and leaves in pieces, as the text bodies of gRPC-Web are. Source: RFC 4648 §4.

/** -1: no digit of base64. */
const DIGITS = new Int8Array(256).fill(-1);
for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  DIGITS[digit.charCodeAt(0)] = value;
}
const PAD = 0x3d;
const EMPTY = Buffer.alloc(0);

/**
 * Reads quads of digits. Padding ends what is read at once, so that segments which were encoded one by one may follow
 * each other where they come one by one. Source: Envoy's grpc_web filter, which decodes what has come as one text.
 */
export class Base64Reader {
  readonly #quad = new Uint8Array(4);
  #quadLength = 0;

  /** Digits held because their quad is not complete. */
  get heldBytes(): number {
    return this.#quadLength;
  }

  /** The bytes that buf[start, end) completes, in memory of their own; null when it is no base64. */
  read(buf: Buffer, start: number, end: number): Buffer | null {
    const quads = (this.#quadLength + end - start) >>> 2;
    const out = quads === 0 ? EMPTY : Buffer.allocUnsafe(quads * 3);
    let written = 0;
    let pos = start;
    while (this.#quadLength > 0 && pos < end) {
      this.#quad[this.#quadLength++] = buf[pos++] as number;
      if (this.#quadLength < 4) continue;
      this.#quadLength = 0;
      const bytes = decodeQuad(this.#quad, 0, out, written);
      if (bytes === 0 || (bytes < 3 && end - pos >= 4)) return null;
      written += bytes;
    }
    for (; end - pos >= 4; pos += 4) {
      const bytes = decodeQuad(buf, pos, out, written);
      if (bytes === 0 || (bytes < 3 && end - pos >= 8)) return null;
      written += bytes;
    }
    while (pos < end) this.#quad[this.#quadLength++] = buf[pos++] as number;
    return out.subarray(0, written);
  }
}

/** Writes the one to three bytes of a quad and returns their number; 0 when it is none. */
function decodeQuad(from: Uint8Array, at: number, out: Buffer, to: number): number {
  const a = DIGITS[from[at] as number] as number;
  const b = DIGITS[from[at + 1] as number] as number;
  const third = from[at + 2] as number;
  const fourth = from[at + 3] as number;
  if ((a | b) < 0) return 0;
  out[to] = (a << 2) | (b >> 4);
  // The bits of the last digit that belong to no byte must be 0.
  if (third === PAD) return fourth === PAD && (b & 15) === 0 ? 1 : 0;
  const c = DIGITS[third] as number;
  if (c < 0) return 0;
  out[to + 1] = ((b & 15) << 4) | (c >> 2);
  if (fourth === PAD) return (c & 3) === 0 ? 2 : 0;
  const d = DIGITS[fourth] as number;
  if (d < 0) return 0;
  out[to + 2] = ((c & 3) << 6) | d;
  return 3;
}

/** Writes digits for bytes; up to two bytes wait for those that follow. */
export class Base64Writer {
  readonly #held = Buffer.alloc(3);
  #heldLength = 0;

  /** The digits that buf[start, end) completes; `isLast` pads the rest, and a new segment may follow. */
  write(buf: Buffer, start: number, end: number, isLast: boolean): string {
    let text = '';
    let pos = start;
    if (this.#heldLength > 0) {
      while (this.#heldLength < 3 && pos < end) this.#held[this.#heldLength++] = buf[pos++] as number;
      if (this.#heldLength < 3 && !isLast) return '';
      text = this.#held.toString('base64', 0, this.#heldLength);
      this.#heldLength = 0;
    }
    const whole = isLast ? end : end - ((end - pos) % 3);
    text += buf.toString('base64', pos, whole);
    for (pos = whole; pos < end; pos++) this.#held[this.#heldLength++] = buf[pos] as number;
    return text;
  }
}
