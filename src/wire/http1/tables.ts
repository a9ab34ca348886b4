// Byte classes and name look-up for HTTP/1 heads.
import { knownHeaderNames, PSEUDO_LIMIT } from '../header-names.ts';

/** Token characters (RFC 9110 §5.6.2) → their lower-case byte; 0 for all others. */
export const TOKEN_LOWER = new Uint8Array(256);
for (let c = 0x21; c < 0x7f; c++) {
  if ('"(),/:;<=>?@[\\]{}'.includes(String.fromCharCode(c))) continue;
  TOKEN_LOWER[c] = c >= 0x41 && c <= 0x5a ? c | 0x20 : c;
}

/** 1 for bytes that a field value may hold: HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5). */
export const FIELD_BYTE = new Uint8Array(256);
FIELD_BYTE[9] = 1;
for (let c = 0x20; c < 256; c++) if (c !== 0x7f) FIELD_BYTE[c] = 1;

/** 1 for bytes that a request target may hold: visible ASCII. */
export const TARGET_BYTE = new Uint8Array(256);
for (let c = 0x21; c < 0x7f; c++) TARGET_BYTE[c] = 1;

/** Value of a hexadecimal digit, 255 for other bytes. */
export const HEX_VALUE = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) HEX_VALUE[0x30 + i] = i;
for (let i = 0; i < 6; i++) {
  HEX_VALUE[0x41 + i] = 10 + i;
  HEX_VALUE[0x61 + i] = 10 + i;
}

/** Slots of the hash table of known names: a power of two, sparse enough that most names sit alone. */
const TABLE_SIZE = 2048;
const tableIds = new Int16Array(TABLE_SIZE).fill(-1);
const knownBytes: Uint8Array[] = knownHeaderNames.map((name) => Buffer.from(name, 'latin1'));

/** The hash that the head scanner computes while it validates a name. */
export function nameHash(name: Uint8Array): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + (TOKEN_LOWER[name[i] as number] as number)) | 0;
  return hash;
}
for (let id = PSEUDO_LIMIT; id < knownBytes.length; id++) {
  let slot = nameHash(knownBytes[id] as Uint8Array) & (TABLE_SIZE - 1);
  while (tableIds[slot] !== -1) slot = (slot + 1) & (TABLE_SIZE - 1);
  tableIds[slot] = id;
}

/** Returns the id of the known name in buf[start, end), whose hash the scanner has computed; -1 for other names. */
export function lookupKnown(buf: Uint8Array, start: number, end: number, hash: number): number {
  let slot = hash & (TABLE_SIZE - 1);
  const length = end - start;
  for (;;) {
    const id = tableIds[slot] as number;
    if (id === -1) return -1;
    const known = knownBytes[id] as Uint8Array;
    if (known.length === length) {
      let i = 0;
      while (i < length && (TOKEN_LOWER[buf[start + i] as number] as number) === known[i]) i++;
      if (i === length) return id;
    }
    slot = (slot + 1) & (TABLE_SIZE - 1);
  }
}

/** Takes the blanks around a value or list member away (RFC 9110 §5.6.3: OWS); `trim` would take the byte A0 too. */
export function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}
