// Durations in Go's form.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseGoDuration } from './go-duration.ts';

it('reads what Go reads', () => {
  const cases: [string, number | null][] = [
    ['10s', 10_000],
    ['1h2m3.5s', 3_723_500],
    ['250ms', 250],
    ['-1.5h', -5_400_000],
    ['0', 0],
    ['1µs', 0.001],
    ['.5s', 500],
    ['', null],
    ['10', null],
    ['s', null],
    ['1d', null],
    ['1s ', null],
  ];
  for (const [text, ms] of cases) assert.equal(parseGoDuration(text), ms, text);
});
