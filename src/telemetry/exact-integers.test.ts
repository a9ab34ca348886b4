// Gauges of more than 53 bits show all their digits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noteInteger } from './exact-integers.ts';
import { integer } from './stats-text.ts';

test('what was noted is shown with all its digits, what was not as the cell has it', () => {
  const hash = 13_237_225_503_670_494_420n;
  assert.equal(integer(noteInteger(hash)), String(hash));
  assert.equal(integer(noteInteger(7n)), '7');
  assert.equal(integer(2 ** 60), String(2n ** 60n));
  assert.equal(integer(1_795_302_896_165), '1795302896165');
  assert.equal(integer(2 ** 64), '18446744073709551615');
});

test('the oldest are forgotten', () => {
  const first = noteInteger(2n ** 63n + 5n);
  for (let i = 0n; i < 5000n; i++) noteInteger(2n ** 60n + 4096n * i + 1n);
  assert.equal(integer(first), '9223372036854775807', 'which stands for "never"');
  const latest = 2n ** 60n + 4096n * 4999n + 1n;
  assert.equal(integer(noteInteger(latest)), String(latest));
});
