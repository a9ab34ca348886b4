// Writes DER (X.690), as far as certificates and requests for them need it.
import {
  contextTag,
  DER_BIT_STRING,
  DER_BOOLEAN,
  DER_GENERALIZED_TIME,
  DER_INTEGER,
  DER_NULL,
  DER_OCTET_STRING,
  DER_OID,
  DER_SEQUENCE,
  DER_SET,
  DER_UTC_TIME,
  DER_UTF8_STRING,
} from './der.ts';

/** One element: identifier octet, length, contents. */
export function writeDer(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthOctets(body.length)]), body]);
}

export function derSequence(...contents: readonly Uint8Array[]): Buffer {
  return writeDer(DER_SEQUENCE, ...contents);
}

/** The caller sorts the elements, as DER has it. */
export function derSet(...contents: readonly Uint8Array[]): Buffer {
  return writeDer(DER_SET, ...contents);
}

export function derOctets(contents: Uint8Array): Buffer {
  return writeDer(DER_OCTET_STRING, contents);
}

/** Whole octets. */
export function derBits(contents: Uint8Array): Buffer {
  return writeDer(DER_BIT_STRING, Buffer.from([0]), contents);
}

/** Of 0 to 127. */
export function derSmallInteger(value: number): Buffer {
  return writeDer(DER_INTEGER, Buffer.from([value]));
}

/** A positive number, big-endian and as short as can be: the first octet is neither 0 nor above 127. */
export function derInteger(octets: Uint8Array): Buffer {
  return writeDer(DER_INTEGER, octets);
}

export function derBoolean(value: boolean): Buffer {
  return writeDer(DER_BOOLEAN, Buffer.from([value ? 0xff : 0]));
}

export function derNull(): Buffer {
  return writeDer(DER_NULL);
}

export function derUtf8(text: string): Buffer {
  return writeDer(DER_UTF8_STRING, Buffer.from(text, 'utf8'));
}

/** Named bits of one octet, the first one in front; what is 0 behind the last one is left out. */
export function derNamedBits(octet: number): Buffer {
  if (octet === 0) return writeDer(DER_BIT_STRING, Buffer.from([0]));
  const unused = 31 - Math.clz32(octet & -octet);
  return writeDer(DER_BIT_STRING, Buffer.from([unused, octet]));
}

/** Whole seconds of UTC, in the form of RFC 5280 §4.1.2.5: UTCTime until 2049. */
export function derTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-T:]/g, '').slice(0, 14);
  const isShort = digits < '2050';
  return writeDer(isShort ? DER_UTC_TIME : DER_GENERALIZED_TIME, Buffer.from(`${digits.slice(isShort ? 2 : 0)}Z`));
}

/** [number], constructed: contents that are elements themselves. */
export function derContext(number: number, ...contents: readonly Uint8Array[]): Buffer {
  return writeDer(contextTag(number, true), ...contents);
}

/** [number] IMPLICIT IA5String, as GeneralName has its texts. */
export function derContextText(number: number, text: string): Buffer {
  return writeDer(contextTag(number, false), Buffer.from(text, 'latin1'));
}

/** Of '1.2.840…'. */
export function derOid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return writeDer(DER_OID, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(value: number): number[] {
  const octets = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) octets.unshift((left % 128) + 128);
  return octets;
}

/** The shortest form. */
function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256);
  return [0x80 + octets.length, ...octets];
}
