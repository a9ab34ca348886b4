// The function string.format.
import { exponentText, generalText } from '../number-text.ts';
import { LuaError, type LuaValue } from '../values.ts';
import type { Vm } from '../vm.ts';
import { anyAt, numberAt, stringAt } from './arguments.ts';
import { textOf } from './base.ts';

const SPECIFICATION = /%([-+ #0]*)(\d*)(?:\.(\d*))?(.?)/gs;
const MAX_WIDTH = 99;

type Flags = {
  readonly isLeft: boolean;
  readonly sign: string;
  readonly isAlternate: boolean;
  readonly pad: string;
  readonly width: number;
  /** -1: none is given. */
  readonly precision: number;
};

export function format(args: LuaValue[], vm: Vm): string {
  const template = stringAt(args, 0);
  let at = 0;
  let result = '';
  let from = 0;
  SPECIFICATION.lastIndex = 0;
  for (;;) {
    SPECIFICATION.lastIndex = from;
    const found = SPECIFICATION.exec(template);
    if (found === null) break;
    result += template.slice(from, found.index);
    from = SPECIFICATION.lastIndex;
    const [all, marks = '', width = '', precision, kind = ''] = found;
    if (all === '%%') {
      result += '%';
      continue;
    }
    if (width.length > 2 || (precision ?? '').length > 2 || kind === '') {
      throw new LuaError(`invalid option '${all}' to 'format'`, true);
    }
    at++;
    const flags: Flags = {
      isLeft: marks.includes('-'),
      sign: marks.includes('+') ? '+' : marks.includes(' ') ? ' ' : '',
      isAlternate: marks.includes('#'),
      pad: marks.includes('0') && !marks.includes('-') ? '0' : ' ',
      width: Math.min(Number(width), MAX_WIDTH),
      precision: precision === undefined ? -1 : Number(precision),
    };
    const piece = convert(vm, kind, flags, args, at, all);
    vm.allocateString(piece.length);
    result += piece;
  }
  vm.allocateString(result.length);
  return result + template.slice(from);
}

function convert(vm: Vm, kind: string, flags: Flags, args: LuaValue[], at: number, all: string): string {
  switch (kind) {
    case 'c':
      return padded(String.fromCharCode(numberAt(args, at) & 255), flags);
    case 'd':
    case 'i':
      return integer(Math.trunc(numberAt(args, at)), flags);
    case 'u':
      return integer(unsigned(numberAt(args, at)), { ...flags, sign: '' });
    case 'o':
      return based(unsigned(numberAt(args, at)), 8, flags.isAlternate ? '0' : '', flags);
    case 'x':
      return based(unsigned(numberAt(args, at)), 16, flags.isAlternate ? '0x' : '', flags);
    case 'X':
      return based(unsigned(numberAt(args, at)), 16, flags.isAlternate ? '0x' : '', flags).toUpperCase();
    case 'e':
    case 'f':
    case 'g':
    case 'a':
      return float(kind, numberAt(args, at), flags);
    case 'E':
    case 'F':
    case 'G':
    case 'A':
      return float(kind.toLowerCase(), numberAt(args, at), flags).toUpperCase();
    case 'q':
      return quoted(stringAt(args, at));
    case 's': {
      const text = textOf(vm, anyAt(args, at));
      return padded(flags.precision < 0 ? text : text.slice(0, flags.precision), { ...flags, pad: ' ' });
    }
    case 'p': {
      const value = anyAt(args, at);
      return padded(typeof value === 'object' ? vm.identity(value) : 'NULL', { ...flags, pad: ' ' });
    }
    default:
      throw new LuaError(`invalid option '${all}' to 'format'`, true);
  }
}

function padded(text: string, { width, isLeft, pad }: Flags): string {
  if (text.length >= width) return text;
  if (isLeft) return text.padEnd(width, ' ');
  if (pad === ' ') return text.padStart(width, ' ');
  const sign = /^[-+ ]?(?:0x)?/.exec(text)?.[0] ?? '';
  return sign + text.slice(sign.length).padStart(width - sign.length, '0');
}

/** As a C integer of 64 bits. */
function unsigned(n: number): bigint {
  return BigInt.asUintN(64, BigInt(Number.isFinite(n) ? Math.trunc(n) : 0));
}

function integer(n: number | bigint, flags: Flags): string {
  const value = typeof n === 'bigint' ? n : Number.isFinite(n) ? BigInt(n) : -(2n ** 63n);
  const digits = (value < 0n ? -value : value).toString().padStart(Math.max(0, flags.precision), '0');
  return padded((value < 0n ? '-' : flags.sign) + digits, flags.precision < 0 ? flags : { ...flags, pad: ' ' });
}

function based(n: bigint, base: number, prefix: string, flags: Flags): string {
  const digits = n.toString(base).padStart(Math.max(0, flags.precision), '0');
  return padded((n === 0n ? '' : prefix) + digits, flags.precision < 0 ? flags : { ...flags, pad: ' ' });
}

function float(kind: string, n: number, flags: Flags): string {
  const isNegative = n < 0 || Object.is(n, -0);
  const sign = isNegative ? '-' : flags.sign;
  if (!Number.isFinite(n))
    return padded((Number.isNaN(n) ? '' : sign) + (Number.isNaN(n) ? 'nan' : 'inf'), { ...flags, pad: ' ' });
  const precision = flags.precision < 0 ? 6 : flags.precision;
  return padded(sign + magnitude(kind, Math.abs(n), precision, flags), flags);
}

function magnitude(kind: string, n: number, precision: number, { isAlternate, precision: given }: Flags): string {
  switch (kind) {
    case 'e': {
      const [mantissa = '', power = ''] = n.toExponential(precision).split('e');
      return `${mantissa}e${exponentText(Number(power))}`;
    }
    case 'f':
      return n < 1e21
        ? n.toFixed(precision)
        : BigInt(n).toString() + (precision > 0 ? `.${'0'.repeat(precision)}` : '');
    case 'g':
      return generalText(n, precision, isAlternate);
    default:
      return hexadecimal(n, given);
  }
}

function hexadecimal(n: number, precision: number): string {
  if (n === 0) return '0x0p+0';
  let exponent = Math.floor(Math.log2(n));
  let mantissa = n / 2 ** exponent;
  if (mantissa >= 2) {
    mantissa /= 2;
    exponent++;
  }
  let digits = '';
  let rest = mantissa - 1;
  const max = precision < 0 ? 13 : precision;
  for (let i = 0; i < max && (rest > 0 || precision >= 0); i++) {
    rest *= 16;
    digits += Math.floor(rest).toString(16);
    rest -= Math.floor(rest);
  }
  return `0x1${digits === '' ? '' : `.${digits}`}p${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`;
}

function quoted(text: string): string {
  let result = '"';
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    const code = text.charCodeAt(i);
    if (c === '"' || c === '\\' || c === '\n') result += `\\${c}`;
    else if (code < 0x20 || code === 0x7f) result += decimalEscape(code, text.charCodeAt(i + 1));
    else result += c;
  }
  return `${result}"`;
}

function decimalEscape(code: number, next: number): string {
  const isDigitNext = next >= 0x30 && next <= 0x39;
  return `\\${isDigitNext ? String(code).padStart(3, '0') : code}`;
}
