// XXH64 against published values and a plain implementation with big integers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxHash64 } from './xxhash64.ts';

const MASK = (1n << 64n) - 1n;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

function round(sum: bigint, input: bigint): bigint {
  return (rotate((sum + input * P2) & MASK, 31n) * P1) & MASK;
}

function reference(text: string, seed: bigint): bigint {
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  let hash = (seed + P5) & MASK;
  if (bytes.length >= 32) {
    const sums = [seed + P1 + P2, seed + P2, seed, seed - P1].map((sum) => sum & MASK);
    for (; at + 32 <= bytes.length; at += 32) {
      for (let k = 0; k < 4; k++) sums[k] = round(sums[k] as bigint, bytes.readBigUInt64LE(at + k * 8));
    }
    hash = sums.reduce((total, sum, k) => (total + rotate(sum, [1n, 7n, 12n, 18n][k] as bigint)) & MASK, 0n);
    for (const sum of sums) hash = ((hash ^ round(0n, sum)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = (rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= bytes.length) {
    hash = (rotate(hash ^ ((BigInt(bytes.readUInt32LE(at)) * P1) & MASK), 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++) hash = (rotate(hash ^ ((BigInt(bytes[at] as number) * P5) & MASK), 11n) * P1) & MASK;
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

test('published values', () => {
  assert.equal(xxHash64(''), 0xef46db3751d8e999n);
  assert.equal(xxHash64('foo'), 0x33bf00a859c4ba3fn);
  assert.equal(xxHash64('a'), 0xd24ec4f1a98c6e5bn);
});

test('agrees with the reference for every length and some seeds', () => {
  for (let length = 0; length < 150; length++) {
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode((i * 7 + length * 13) % 256);
    for (const seed of [0n, 1n, 0x9e3779b185ebca87n, MASK]) {
      assert.equal(xxHash64(text, seed), reference(text, seed), `length ${length}, seed ${seed}`);
    }
  }
});
