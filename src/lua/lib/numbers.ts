// The libraries math and bit.
import { modulo } from '../operators.ts';
import type { LuaValue } from '../values.ts';
import { integerAt, numberAt } from './arguments.ts';
import type { Library } from './library.ts';

const one =
  (fn: (x: number) => number) =>
  (args: LuaValue[]): number =>
    fn(numberAt(args, 0));

/** `random`: a number in [0, 1). */
export function makeMath(random: () => number): Library {
  return {
    abs: one(Math.abs),
    acos: one(Math.acos),
    asin: one(Math.asin),
    atan: one(Math.atan),
    atan2: (args) => Math.atan2(numberAt(args, 0), numberAt(args, 1)),
    ceil: one(Math.ceil),
    cos: one(Math.cos),
    cosh: one(Math.cosh),
    deg: one((x) => (x * 180) / Math.PI),
    exp: one(Math.exp),
    floor: one(Math.floor),
    fmod: (args) => numberAt(args, 0) % numberAt(args, 1),
    frexp: (args) => frexp(numberAt(args, 0)),
    ldexp: (args) => numberAt(args, 0) * 2 ** integerAt(args, 1),
    log: (args) => {
      const x = numberAt(args, 0);
      if (args[1] === undefined) return Math.log(x);
      const base = numberAt(args, 1);
      if (base === 2) return Math.log2(x);
      return base === 10 ? Math.log10(x) : Math.log(x) / Math.log(base);
    },
    log10: one(Math.log10),
    max: (args) => args.reduce<number>((best, _, i) => Math.max(best, numberAt(args, i)), numberAt(args, 0)),
    min: (args) => args.reduce<number>((best, _, i) => Math.min(best, numberAt(args, i)), numberAt(args, 0)),
    modf: (args) => {
      const x = numberAt(args, 0);
      const whole = Math.trunc(x);
      return [whole, Number.isFinite(x) ? x - whole : 0];
    },
    pow: (args) => numberAt(args, 0) ** numberAt(args, 1),
    rad: one((x) => (x * Math.PI) / 180),
    random: (args) => {
      const r = random();
      if (args.length === 0) return r;
      const low = args.length === 1 ? 1 : Math.floor(numberAt(args, 0));
      const high = Math.floor(numberAt(args, args.length === 1 ? 0 : 1));
      return Math.floor(r * (high - low + 1)) + low;
    },
    // The host's randomness has no seed that a script could set.
    randomseed: () => undefined,
    sin: one(Math.sin),
    sinh: one(Math.sinh),
    sqrt: one(Math.sqrt),
    tan: one(Math.tan),
    tanh: one(Math.tanh),
  };
}

function frexp(x: number): number[] {
  if (x === 0 || !Number.isFinite(x)) return [x, 0];
  let exponent = Math.max(-1023, Math.floor(Math.log2(Math.abs(x))) + 1);
  let mantissa = x * 2 ** -exponent;
  while (Math.abs(mantissa) < 0.5) {
    mantissa *= 2;
    exponent--;
  }
  while (Math.abs(mantissa) >= 1) {
    mantissa /= 2;
    exponent++;
  }
  return [mantissa, exponent];
}

/** A number as LuaJIT's bit library takes it: the lowest 32 bits. */
function bits(args: LuaValue[], at: number): number {
  const n = numberAt(args, at);
  return Number.isFinite(n) ? Math.round(modulo(n, 2 ** 32)) | 0 : 0;
}

const fold =
  (fn: (a: number, b: number) => number) =>
  (args: LuaValue[]): number => {
    let result = bits(args, 0);
    for (let i = 1; i < args.length; i++) result = fn(result, bits(args, i));
    return result;
  };

export const bit: Library = {
  arshift: (args) => bits(args, 0) >> (bits(args, 1) & 31),
  band: fold((a, b) => a & b),
  bnot: (args) => ~bits(args, 0),
  bor: fold((a, b) => a | b),
  bswap: (args) => {
    const n = bits(args, 0);
    return (n >>> 24) | ((n >>> 8) & 0xff00) | ((n << 8) & 0xff0000) | (n << 24);
  },
  bxor: fold((a, b) => a ^ b),
  lshift: (args) => bits(args, 0) << (bits(args, 1) & 31),
  rol: (args) => {
    const n = bits(args, 1) & 31;
    return n === 0 ? bits(args, 0) : (bits(args, 0) << n) | (bits(args, 0) >>> (32 - n));
  },
  ror: (args) => {
    const n = bits(args, 1) & 31;
    return n === 0 ? bits(args, 0) : (bits(args, 0) >>> n) | (bits(args, 0) << (32 - n));
  },
  rshift: (args) => (bits(args, 0) >>> (bits(args, 1) & 31)) | 0,
  tobit: (args) => bits(args, 0),
  tohex: (args) => {
    const digits = args[1] === undefined ? 8 : integerAt(args, 1);
    const text = (bits(args, 0) >>> 0)
      .toString(16)
      .padStart(8, '0')
      .slice(-Math.min(8, Math.abs(digits)));
    return digits < 0 ? text.toUpperCase() : text;
  },
};
