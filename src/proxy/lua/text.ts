// Text of scripts as the configuration writes it: Unicode, where scripts have bytes.
import { asBytes } from '../formatter/byte-text.ts';

/** Bytes as text of metadata; what is no UTF-8 stays as it is, one char per byte. */
export function toText(bytes: string): string {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes.charCodeAt(i) < 0x80) continue;
    const text = Buffer.from(bytes, 'latin1').toString('utf8');
    return text.includes('\ufffd') ? asBytes(bytes) : text;
  }
  return bytes;
}
