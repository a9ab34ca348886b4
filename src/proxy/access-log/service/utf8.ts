// Bytes of messages as the text that protobuf wants.
import { isUtf8 } from 'node:buffer';

const HIGH = /[\x80-\xff]/;

/** `bytes` has one per char code; what is not UTF-8 becomes '!'. Source: Envoy MessageUtil::sanitizeUtf8String. */
export function textOf(bytes: string): string {
  if (!HIGH.test(bytes)) return bytes;
  const buffer = Buffer.from(bytes, 'latin1');
  if (isUtf8(buffer)) return buffer.toString('utf8');
  let text = '';
  let at = 0;
  while (at < buffer.length) {
    const length = validLength(buffer, at);
    text += length === 0 ? '!' : buffer.toString('utf8', at, at + length);
    at += Math.max(1, length);
  }
  return text;
}

/** Bytes of the character at `at`; 0 where there is none. */
function validLength(buffer: Buffer, at: number): number {
  const first = buffer[at] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  return at + length <= buffer.length && isUtf8(buffer.subarray(at, at + length)) ? length : 0;
}
