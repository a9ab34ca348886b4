// Strings of the data path hold bytes (one per char code); this is where text from configuration joins them, and JSON.

/** Returns text as its UTF-8 bytes, one per char code. */
export function utf8Bytes(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

/** Returns a string of bytes as it is; only one that cannot be bytes (a code above 0xff) is encoded. */
export function asBytes(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

/** What cannot stand in a JSON string as it is, or needs a look. */
const NEEDS_CARE = /[\0-\x1f"\\\x80-\uffff]/;
const MUST_ESCAPE = /[\0-\x1f"\\]/;
const MUST_ESCAPE_ALL = /[\0-\x1f"\\]/g;
const NOT_PRINTABLE_ALL = /[\0-\x1f"\\\x7f-\xff]/g;
const HIGH = /[\x80-\xff]/;
const SHORT: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
};

/**
 * Returns bytes as the inside of a JSON string. Valid UTF-8 stays; in anything else every byte that is not printable
 * ASCII becomes \u00xx, as Envoy does.
 */
export function jsonEscape(bytes: string): string {
  if (!NEEDS_CARE.test(bytes)) return bytes;
  if (HIGH.test(bytes) && !isUtf8(bytes)) return bytes.replace(NOT_PRINTABLE_ALL, unicodeEscape);
  return MUST_ESCAPE.test(bytes) ? bytes.replace(MUST_ESCAPE_ALL, (char) => SHORT[char] ?? unicodeEscape(char)) : bytes;
}

function unicodeEscape(char: string): string {
  return `\\u00${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

function isUtf8(bytes: string): boolean {
  for (let i = 0; i < bytes.length; i++) {
    const first = bytes.charCodeAt(i);
    if (first < 0x80) continue;
    const more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 ? 1 : 0;
    if (more === 0 || first >= 0xf5) return false;
    const second = bytes.charCodeAt(i + 1);
    if (first === 0xe0 && second < 0xa0) return false;
    if (first === 0xed && second > 0x9f) return false;
    if (first === 0xf0 && second < 0x90) return false;
    if (first === 0xf4 && second > 0x8f) return false;
    for (let k = 1; k <= more; k++) if ((bytes.charCodeAt(i + k) & 0xc0) !== 0x80) return false;
    i += more;
  }
  return true;
}

/**
 * Returns a JSON value in bytes, with the keys of objects sorted; undefined and functions are null. `encode`: text of
 * configurations is unicode, other text is bytes already.
 */
export function jsonText(value: unknown, encode: (text: string) => string = asBytes): string {
  if (typeof value === 'string') return `"${jsonEscape(encode(value))}"`;
  if (typeof value === 'number') return jsonNumber(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => jsonText(item, encode)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return 'null';
  const members = value as Record<string, unknown>;
  const keys = Object.keys(members).sort(compareBytes);
  return `{${keys.map((key) => `"${jsonEscape(encode(key))}":${jsonText(members[key], encode)}`).join(',')}}`;
}

/**
 * A number as Envoy writes it: with or without an exponent, whichever is shorter. What JSON has no number for is text,
 * or null; Envoy writes `inf`, which is no JSON.
 */
export function jsonNumber(value: number): string {
  if (Number.isInteger(value)) {
    if (value > -100_000 && value < 100_000) return Object.is(value, -0) ? '-0' : String(value);
    // Only what ends in zeros is shorter with an exponent.
    if (value % 1000 !== 0 && Math.abs(value) < 1e15) return String(value);
  } else if (!Number.isFinite(value)) return Number.isNaN(value) ? 'null' : `"${value}"`;
  const [digits = '', power = '0'] = value.toExponential().split('e');
  const exponent = Math.abs(Number(power));
  const short = `${digits}e${power.startsWith('-') ? '-' : '+'}${exponent < 10 ? '0' : ''}${exponent}`;
  const long = Number.isInteger(value) ? String(BigInt(value)) : String(value);
  return long.includes('e') || short.length < long.length ? short : long;
}

/** Orders strings as their UTF-8 bytes would be. */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
