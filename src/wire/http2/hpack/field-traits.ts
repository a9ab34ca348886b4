// What the codec notes of a field's bytes as it decodes them, so that nobody need look at them again.
import { FIELD_BYTE, TOKEN_LOWER } from '../../http1/tables.ts';

/** The value has a byte that no field may hold: NUL, CR, LF, other controls (RFC 9113 §8.2.1). */
export const BAD_VALUE = 1;
/** The value has a blank or control: it is no path, authority or scheme. */
export const HAS_BLANK = 2;
/** The value is no token: no method. */
export const NOT_TOKEN = 4;
/** The value has something else than digits. */
export const NOT_DIGITS = 8;
/** The value has a byte above 7F (obs-text). */
export const HAS_OBS_TEXT = 16;
/** The name is empty, in upper case, no token, or an unknown pseudo-header. */
export const BAD_NAME = 32;

/** The value has a byte that no host and port of a URI have (RFC 3986 §3.2, without userinfo). */
export const NOT_AUTHORITY = 64;

const AUTHORITY_MARKS = new Set("-._~%!$&'()*+,;=:[]");

/** The bits that a byte sets in its value's traits. */
export const VALUE_TRAITS = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
  let traits = 0;
  if (FIELD_BYTE[c] === 0) traits |= BAD_VALUE;
  if (c <= 0x20 || c === 0x7f) traits |= HAS_BLANK;
  if (TOKEN_LOWER[c] === 0) traits |= NOT_TOKEN;
  if (c < 0x30 || c > 0x39) traits |= NOT_DIGITS;
  if (c > 0x7f) traits |= HAS_OBS_TEXT;
  const mark = String.fromCharCode(c);
  if (!/[0-9A-Za-z]/.test(mark) && !AUTHORITY_MARKS.has(mark)) traits |= NOT_AUTHORITY;
  VALUE_TRAITS[c] = traits;
}

/** The traits of a text, for those that do not come off the wire. */
export function valueTraits(text: string): number {
  let traits = 0;
  for (let i = 0; i < text.length; i++) traits |= VALUE_TRAITS[text.charCodeAt(i) & 0xff] as number;
  return traits;
}
