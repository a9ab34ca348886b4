// Reads and writes strings in HPACK's Huffman code.
import { EMITS, FAILS, HUFFMAN_BITS, HUFFMAN_CODES, HUFFMAN_MAY_END, HUFFMAN_READ } from './huffman-code.ts';

/** The shortest code has five bits: a decoded string is at most this many times as long as its code. */
export const HUFFMAN_MOST_GROWTH = 8 / 5;

/** Decodes buf[start, end) into `out`, which must be long enough. Returns the number of bytes, -1 for a broken code. */
export function decodeHuffman(buf: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let state = 0;
  let at = 0;
  for (let pos = start; pos < end; pos++) {
    const byte = buf[pos] as number;
    const high = HUFFMAN_READ[(state << 4) | (byte >>> 4)] as number;
    if (high >= EMITS) {
      if (high >= FAILS) return -1;
      out[at++] = high;
    }
    const low = HUFFMAN_READ[((high >>> 4) & 0xff0) | (byte & 0x0f)] as number;
    if (low >= EMITS) {
      if (low >= FAILS) return -1;
      out[at++] = low;
    }
    state = (low >>> 8) & 0xff;
  }
  return HUFFMAN_MAY_END[state] === 1 ? at : -1;
}

/** Bytes that bytes[0, length) take in Huffman code. */
export function huffmanLength(bytes: Uint8Array, length: number): number {
  let bits = 0;
  for (let i = 0; i < length; i++) bits += HUFFMAN_BITS[bytes[i] as number] as number;
  return (bits + 7) >>> 3;
}

/** Writes bytes[0, length) in Huffman code at out[at, …); returns the position behind it. */
export function encodeHuffman(bytes: Uint8Array, length: number, out: Uint8Array, at: number): number {
  // Only the lowest `pending` bits of `bits` count; fewer than eight of them wait between two symbols.
  let bits = 0;
  let pending = 0;
  for (let i = 0; i < length; i++) {
    const symbol = bytes[i] as number;
    let code = HUFFMAN_CODES[symbol] as number;
    let codeBits = HUFFMAN_BITS[symbol] as number;
    if (codeBits > 24) {
      // 7 + 30 bits would not fit: the first ones go ahead.
      codeBits -= 16;
      bits = (bits << codeBits) | (code >>> 16);
      pending += codeBits;
      while (pending >= 8) {
        pending -= 8;
        out[at++] = bits >>> pending;
      }
      code &= 0xffff;
      codeBits = 16;
    }
    bits = (bits << codeBits) | code;
    pending += codeBits;
    while (pending >= 8) {
      pending -= 8;
      out[at++] = bits >>> pending;
    }
  }
  if (pending > 0) out[at++] = (bits << (8 - pending)) | (0xff >>> pending);
  return at;
}
