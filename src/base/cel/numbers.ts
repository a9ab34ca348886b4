// Arithmetic of expressions: integers of 64 bits with and without a sign, doubles; what overflows is an error.
import {
  canonical,
  CelError,
  double,
  noOverload,
  numberKind,
  type Result,
  Uint,
  type Value,
  type Whole,
} from './values.ts';
import { asNumber } from './values.ts';

export type ArithmeticSign = '+' | '-' | '*' | '/' | '%';

const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
const MAX_UINT = 2n ** 64n - 1n;
const OVERFLOW = new CelError('integer overflow');
const BY_ZERO = new CelError('divide by zero');
const MODULUS_BY_ZERO = new CelError('modulus by zero');

/** Null when an operand is no number. `isLoose`: integers beside doubles count as doubles, as in values from JSON. */
export function calculate(sign: ArithmeticSign, a: Value, b: Value, isLoose: boolean): Result | null {
  const kind = numberKind(a);
  const other = numberKind(b);
  if (kind === null || other === null) return null;
  if (kind !== other) {
    return isLoose && kind !== 'uint' && other !== 'uint'
      ? ofDoubles(sign, asNumber(a), asNumber(b))
      : noOverload(sign, a, b);
  }
  if (kind === 'double') return ofDoubles(sign, asNumber(a), asNumber(b));
  if (kind === 'int') return ofIntegers(sign, a as Whole, b as Whole, MIN_INT, MAX_INT);
  const result = ofIntegers(sign, (a as Uint).value, (b as Uint).value, 0n, MAX_UINT);
  return result instanceof CelError ? result : new Uint(result);
}

function ofDoubles(sign: ArithmeticSign, a: number, b: number): Result {
  switch (sign) {
    case '+':
      return double(a + b);
    case '-':
      return double(a - b);
    case '*':
      return double(a * b);
    case '/':
      return double(a / b);
    default:
      return new CelError('no such overload: %(double, double)');
  }
}

function ofIntegers(sign: ArithmeticSign, a: Whole, b: Whole, min: bigint, max: bigint): Whole | CelError {
  if (sign === '/' && Number(b) === 0) return BY_ZERO;
  if (sign === '%' && Number(b) === 0) return MODULUS_BY_ZERO;
  if (typeof a === 'number' && typeof b === 'number') {
    const quick = ofSmall(sign, a, b);
    if (Number.isSafeInteger(quick) && (quick >= 0 || min < 0n)) return quick + 0;
  }
  const result = ofBig(sign, BigInt(a), BigInt(b));
  // The one remainder that the machine cannot make either.
  if (sign === '%' && BigInt(b) === -1n && BigInt(a) === MIN_INT) return OVERFLOW;
  return result < min || result > max ? OVERFLOW : canonical(result);
}

function ofSmall(sign: ArithmeticSign, a: number, b: number): number {
  switch (sign) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return Math.trunc(a / b);
    default:
      return a % b;
  }
}

function ofBig(sign: ArithmeticSign, a: bigint, b: bigint): bigint {
  switch (sign) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    default:
      return a % b;
  }
}

/** Null when it is no number, or one without a sign. */
export function negate(value: Value): Result | null {
  const kind = numberKind(value);
  if (kind === 'double') return double(-asNumber(value));
  return kind === 'int' ? ofIntegers('-', 0, value as Whole, MIN_INT, MAX_INT) : null;
}

/** An integer of 64 bits with or without a sign; an error when it is beyond. */
export function integer(value: Whole | number, isSigned: boolean): Result {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    if (!Number.isFinite(value)) return OVERFLOW;
    return integer(BigInt(value), isSigned);
  }
  const big = BigInt(value);
  if (isSigned) return big < MIN_INT || big > MAX_INT ? OVERFLOW : canonical(big);
  return big < 0n || big > MAX_UINT ? OVERFLOW : new Uint(canonical(big));
}

/** As C prints it with %g: so many digits, or as many as tell the number from all others. */
export function doubleText(value: number, digits: number | null): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', power = '0'] = value.toExponential(digits === null ? undefined : digits - 1).split('e');
  const exponent = Number(power);
  const trimmed = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  if (exponent < -4 || exponent >= 6) {
    return `${trimmed}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const sign = trimmed.startsWith('-') ? '-' : '';
  const all = trimmed.replace(/[-.]/g, '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${all}`;
  const whole = all.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const rest = all.slice(exponent + 1);
  return `${sign}${whole}${rest === '' ? '' : `.${rest}`}`;
}
