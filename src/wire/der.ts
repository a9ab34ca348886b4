// Reads DER (X.690), as far as certificates need it: bounded, without copies, and never by exception.

/** An element of `bytes`: its identifier octet, and where its contents are. */
export type DerElement = {
  /** Class, form and number in one octet; numbers above 30 are refused. */
  readonly tag: number;
  /** First octet of the element itself. */
  readonly from: number;
  /** Contents: bytes[start, end). */
  readonly start: number;
  readonly end: number;
};

export const DER_BOOLEAN = 0x01;
export const DER_INTEGER = 0x02;
export const DER_BIT_STRING = 0x03;
export const DER_OCTET_STRING = 0x04;
export const DER_NULL = 0x05;
export const DER_OID = 0x06;
export const DER_ENUMERATED = 0x0a;
export const DER_UTF8_STRING = 0x0c;
export const DER_UTC_TIME = 0x17;
export const DER_GENERALIZED_TIME = 0x18;
export const DER_UNIVERSAL_STRING = 0x1c;
export const DER_BMP_STRING = 0x1e;
export const DER_SEQUENCE = 0x30;
export const DER_SET = 0x31;

/** [number] with contents of its own, as GeneralName has them. */
export function contextTag(number: number, isConstructed: boolean): number {
  return 0x80 | (isConstructed ? 0x20 : 0) | number;
}

/** Elements of one list, which is far above what a certificate holds (a revocation list counts its own). */
const MAX_CHILDREN = 65_536;
/** Octets of one object identifier. */
const MAX_OID_BYTES = 256;

/** The element that begins at `at` and ends at `end` or before; null when there is none or it is not DER. */
export function readDer(bytes: Uint8Array, at: number, end: number): DerElement | null {
  if (at < 0 || at + 2 > end || end > bytes.length) return null;
  const tag = bytes[at] as number;
  if ((tag & 0x1f) === 0x1f) return null;
  const first = bytes[at + 1] as number;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    // 0 would be BER's open length; four octets cover every buffer.
    if (count === 0 || count > 4 || start + count > end) return null;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] as number);
    // The shortest form is the only one.
    if (length < 0x80 || (bytes[start] as number) === 0) return null;
    start += count;
  }
  if (length > end - start) return null;
  return { tag, from: at, start, end: start + length };
}

/** The elements inside `parent`, all of them; null when they do not fill it exactly. */
export function derChildren(bytes: Uint8Array, parent: DerElement): DerElement[] | null {
  const found: DerElement[] = [];
  let at = parent.start;
  while (at < parent.end) {
    const child = readDer(bytes, at, parent.end);
    if (child === null || found.length === MAX_CHILDREN) return null;
    found.push(child);
    at = child.end;
  }
  return found;
}

/** Dotted form; null when it is none. Arcs above 2^53 are refused. */
export function oidText(bytes: Uint8Array, start: number, end: number): string | null {
  if (start >= end || end - start > MAX_OID_BYTES || end > bytes.length) return null;
  let text = '';
  let arc = 0;
  let isFirst = true;
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number;
    if (arc === 0 && octet === 0x80) return null;
    if (arc > 0x3_ffff_ffff_ffff) return null;
    arc = arc * 128 + (octet & 0x7f);
    if (octet >= 0x80) {
      if (i === end - 1) return null;
      continue;
    }
    if (isFirst) {
      const top = arc < 40 ? 0 : arc < 80 ? 1 : 2;
      text = `${top}.${arc - top * 40}`;
      isFirst = false;
    } else text += `.${arc}`;
    arc = 0;
  }
  return text;
}

/** INTEGER or ENUMERATED, two's complement. */
export function derInteger(bytes: Uint8Array, { start, end }: DerElement): bigint | null {
  if (start >= end) return null;
  let hex = '0x';
  for (let i = start; i < end; i++) hex += (bytes[i] as number).toString(16).padStart(2, '0');
  const value = BigInt(hex);
  return (bytes[start] as number) < 0x80 ? value : value - (1n << BigInt((end - start) * 8));
}

/** UTCTime or GeneralizedTime of RFC 5280 (UTC, whole seconds), ms since 1970; null for any other form. */
export function derTimeMs(bytes: Uint8Array, { tag, start, end }: DerElement): number | null {
  if (tag !== DER_UTC_TIME && tag !== DER_GENERALIZED_TIME) return null;
  const text = latin1Of(bytes, start, end);
  const match = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as number[] as Six;
  const isShort = text.length === 13;
  if (isShort !== (tag === DER_UTC_TIME)) return null;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return null;
  const whole = isShort ? (year < 50 ? 2000 + year : 1900 + year) : year;
  return Date.UTC(whole, month - 1, day, hour, minute, second);
}

type Six = [number, number, number, number, number, number];

/** One character for each byte. */
export function latin1Of(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).latin1Slice();
}
