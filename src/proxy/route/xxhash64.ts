// XXH64, the hash behind Envoy's consistent load balancing, on bytes given as a latin1 string.

// 64-bit numbers are kept as two halves: BigInt arithmetic would cost microseconds per header.
let high = 0;
let low = 0;

const P1H = 0x9e3779b1;
const P1L = 0x85ebca87;
const P2H = 0xc2b2ae3d;
const P2L = 0x27d4eb4f;
const P3H = 0x165667b1;
const P3L = 0x9e3779f9;
const P4H = 0x85ebca77;
const P4L = 0xc2b2ae63;
const P5H = 0x27d4eb2f;
const P5L = 0x165667c5;

/** Upper half of the product of two unsigned 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const carry = (middle & 0xffff) + a0 * b1;
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/** (high, low) *= (h, l). */
function multiply(h: number, l: number): void {
  const upper = (mulHigh(low, l) + Math.imul(high, l) + Math.imul(low, h)) >>> 0;
  low = Math.imul(low, l) >>> 0;
  high = upper;
}

function add(h: number, l: number): void {
  const sum = low + l;
  high = (high + h + (sum > 0xffffffff ? 1 : 0)) >>> 0;
  low = sum >>> 0;
}

/** Rotates left by 0 < bits < 32. */
function rotate(bits: number): void {
  const h = ((high << bits) | (low >>> (32 - bits))) >>> 0;
  low = ((low << bits) | (high >>> (32 - bits))) >>> 0;
  high = h;
}

/** (high, low) ^= (high, low) >> bits. */
function foldRight(bits: number): void {
  if (bits >= 32) {
    low = (low ^ (high >>> (bits - 32))) >>> 0;
    return;
  }
  low = (low ^ (((low >>> bits) | (high << (32 - bits))) >>> 0)) >>> 0;
  high = (high ^ (high >>> bits)) >>> 0;
}

function word(text: string, at: number): number {
  return (
    (text.charCodeAt(at) |
      (text.charCodeAt(at + 1) << 8) |
      (text.charCodeAt(at + 2) << 16) |
      (text.charCodeAt(at + 3) << 24)) >>>
    0
  );
}

/** One round on the accumulator in (high, low) with the 8 bytes at `at`. */
function round(text: string, at: number): void {
  const h = high;
  const l = low;
  low = word(text, at);
  high = word(text, at + 4);
  multiply(P2H, P2L);
  add(h, l);
  // Rotation by 31 is one by 32 (a swap) and one back by 1.
  const swapped = high;
  high = low;
  low = swapped;
  const h1 = ((high >>> 1) | (low << 31)) >>> 0;
  low = ((low >>> 1) | (high << 31)) >>> 0;
  high = h1;
  multiply(P1H, P1L);
}

/** Computes the hash into `hashHigh()` and `hashLow()`; seed 0 unless given as halves. */
function run(text: string, seedHigh: number, seedLow: number): void {
  const length = text.length;
  let at = 0;
  if (length >= 32) {
    at = stripes(text, seedHigh, seedLow);
  } else {
    high = seedHigh;
    low = seedLow;
    add(P5H, P5L);
  }
  add(0, length);
  for (; at + 8 <= length; at += 8) {
    const h = high;
    const l = low;
    high = 0;
    low = 0;
    round(text, at);
    high = (high ^ h) >>> 0;
    low = (low ^ l) >>> 0;
    rotate(27);
    multiply(P1H, P1L);
    add(P4H, P4L);
  }
  if (at + 4 <= length) {
    const h = high;
    const l = low;
    high = 0;
    low = word(text, at);
    multiply(P1H, P1L);
    high = (high ^ h) >>> 0;
    low = (low ^ l) >>> 0;
    rotate(23);
    multiply(P2H, P2L);
    add(P3H, P3L);
    at += 4;
  }
  for (; at < length; at++) {
    const h = high;
    const l = low;
    high = 0;
    low = text.charCodeAt(at);
    multiply(P5H, P5L);
    high = (high ^ h) >>> 0;
    low = (low ^ l) >>> 0;
    rotate(11);
    multiply(P1H, P1L);
  }
  foldRight(33);
  multiply(P2H, P2L);
  foldRight(29);
  multiply(P3H, P3L);
  foldRight(32);
}

const lanes = new Uint32Array(8);

/** The part for 32 bytes and more; returns where it stopped. */
function stripes(text: string, seedHigh: number, seedLow: number): number {
  const start = (lane: number, h: number, l: number): void => {
    high = seedHigh;
    low = seedLow;
    add(h, l);
    lanes[lane * 2] = high;
    lanes[lane * 2 + 1] = low;
  };
  high = P1H;
  low = P1L;
  add(P2H, P2L);
  start(0, high, low);
  start(1, P2H, P2L);
  start(2, 0, 0);
  // Minus P1.
  start(3, ~P1H >>> 0, (~P1L + 1) >>> 0);
  let at = 0;
  for (; at + 32 <= text.length; at += 32) {
    for (let lane = 0; lane < 4; lane++) {
      high = lanes[lane * 2] as number;
      low = lanes[lane * 2 + 1] as number;
      round(text, at + lane * 8);
      lanes[lane * 2] = high;
      lanes[lane * 2 + 1] = low;
    }
  }
  let sumHigh = 0;
  let sumLow = 0;
  for (const [lane, bits] of [1, 7, 12, 18].entries()) {
    high = lanes[lane * 2] as number;
    low = lanes[lane * 2 + 1] as number;
    rotate(bits);
    add(sumHigh, sumLow);
    sumHigh = high;
    sumLow = low;
  }
  for (let lane = 0; lane < 4; lane++) {
    high = lanes[lane * 2] as number;
    low = lanes[lane * 2 + 1] as number;
    multiply(P2H, P2L);
    const h31 = ((low >>> 1) | (high << 31)) >>> 0;
    low = ((high >>> 1) | (low << 31)) >>> 0;
    high = h31;
    multiply(P1H, P1L);
    high = (high ^ sumHigh) >>> 0;
    low = (low ^ sumLow) >>> 0;
    multiply(P1H, P1L);
    add(P4H, P4L);
    sumHigh = high;
    sumLow = low;
  }
  return at;
}

/** The hash of the bytes of `text`. */
export function xxHash64(text: string, seed = 0n): bigint {
  run(text, Number((seed >> 32n) & 0xffffffffn), Number(seed & 0xffffffffn));
  return (BigInt(high) << 32n) | BigInt(low);
}
