// Numbers as Lua reads and writes them.

/** As '%.14g' prints it. */
export function numberText(n: number): string {
  if (Number.isInteger(n) && n < 1e14 && n > -1e14) return n === 0 && Object.is(n, -0) ? '-0' : String(n);
  if (Number.isNaN(n)) return 'nan';
  if (n === Number.POSITIVE_INFINITY) return 'inf';
  if (n === Number.NEGATIVE_INFINITY) return '-inf';
  return generalText(n, 14, false);
}

/** C's %g of a finite number; `keepsZeros` is the flag '#'. */
export function generalText(n: number, precision: number, keepsZeros: boolean): string {
  const digits = precision === 0 ? 1 : precision;
  if (n === 0) return (Object.is(n, -0) ? '-0' : '0') + (keepsZeros && digits > 1 ? `.${'0'.repeat(digits - 1)}` : '');
  const [mantissa = '', power = ''] = n.toExponential(digits - 1).split('e');
  const exponent = Number(power);
  if (exponent < -4 || exponent >= digits) {
    return `${keepsZeros ? mantissa : trimZeros(mantissa)}e${exponentText(exponent)}`;
  }
  const fixed = n.toFixed(Math.max(0, Math.min(100, digits - 1 - exponent)));
  return keepsZeros ? fixed : trimZeros(fixed);
}

export function exponentText(exponent: number): string {
  const sign = exponent < 0 ? '-' : '+';
  return sign + String(Math.abs(exponent)).padStart(2, '0');
}

function trimZeros(text: string): string {
  if (!text.includes('.')) return text;
  let end = text.length;
  while (text.charCodeAt(end - 1) === 0x30) end--;
  if (text.charCodeAt(end - 1) === 0x2e) end--;
  return text.slice(0, end);
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const HEXADECIMAL = /^([+-]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)(?:[pP]([+-]?\d+))?$/;
const SPACE_AROUND = /^[ \f\n\r\t\v]+|[ \f\n\r\t\v]+$/g;
/** Longer texts are no numbers that anybody writes. */
const MAX_NUMBER_TEXT = 400;

/** The number that a text stands for, or undefined. */
export function parseNumber(text: string): number | undefined {
  if (text.length === 0 || text.length > MAX_NUMBER_TEXT) return undefined;
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(text.length - 1);
  const trimmed = first <= 0x20 || last <= 0x20 ? text.replace(SPACE_AROUND, '') : text;
  if (DECIMAL.test(trimmed)) return Number(trimmed);
  const hex = HEXADECIMAL.exec(trimmed);
  if (hex !== null) return parseHexadecimal(hex[1] ?? '', hex[2] ?? '', hex[3] ?? '', hex[4]);
  switch (trimmed.toLowerCase()) {
    case 'inf':
    case '+inf':
    case 'infinity':
      return Number.POSITIVE_INFINITY;
    case '-inf':
    case '-infinity':
      return Number.NEGATIVE_INFINITY;
    case 'nan':
    case '+nan':
    case '-nan':
      return Number.NaN;
    default:
      return undefined;
  }
}

function parseHexadecimal(sign: string, whole: string, part: string, power: string | undefined): number | undefined {
  if (whole.length + part.length === 0) return undefined;
  let n = 0;
  for (const digit of whole + part) n = n * 16 + Number.parseInt(digit, 16);
  n *= 2 ** (Number(power ?? '0') - 4 * part.length);
  return sign === '-' ? -n : n;
}

/** tonumber(text, base). */
export function parseInBase(text: string, base: number): number | undefined {
  const digits = text.trim().toLowerCase();
  const negative = digits.startsWith('-');
  let n = 0;
  let from = negative || digits.startsWith('+') ? 1 : 0;
  if (base === 16 && digits.startsWith('0x', from)) from += 2;
  if (from >= digits.length) return undefined;
  for (let i = from; i < digits.length; i++) {
    const code = digits.charCodeAt(i);
    const digit = code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x7a ? code - 0x57 : 99;
    if (digit >= base) return undefined;
    n = n * base + digit;
  }
  return negative ? -n : n;
}
