// Histograms against numbers that Envoy 1.40 printed for the same values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from './histogram.ts';

function recorded(values: readonly number[], isPercent = false): Histogram {
  const histogram = new Histogram('h', isPercent);
  for (const value of values) histogram.record(value);
  histogram.flush();
  return histogram;
}

test('quantiles lie inside their bins as in Envoy', () => {
  const ones = recorded(new Array<number>(11).fill(1));
  assert.deepEqual(
    ones.cumulative().quantiles(),
    [
      1.0083333333333333, 1.025, 1.05, 1.075, 1.0833333333333333, 1.0916666666666668, 1.0916666666666668,
      1.0916666666666668, 1.0916666666666668, 1.0916666666666668,
    ],
  );
  const times = recorded([2, 42, 42, 43, 45, 45, 48, 65, 94, 144]);
  assert.deepEqual(
    times.cumulative().quantiles(),
    [2.05, 42.666666666666664, 45.333333333333336, 65.5, 94.5, 145, 145, 145, 145, 145],
  );
});

test('the interval ends with a flush, the sum of all stays', () => {
  const histogram = recorded([5, 7]);
  assert.equal(histogram.isUsed, true);
  assert.equal(histogram.interval().total, 2);
  histogram.record(100_000);
  assert.equal(histogram.interval().total, 2);
  histogram.flush();
  assert.deepEqual(histogram.interval().bounds, [100_000]);
  assert.deepEqual(histogram.cumulative().bounds, [5, 7, 100_000]);
  histogram.flush();
  assert.equal(histogram.interval().total, 0);
  assert.deepEqual(histogram.interval().quantiles([0.5]), [Number.NaN]);
  assert.equal(histogram.cumulative().total, 3);
});

test('bins', () => {
  const { bounds, widths } = recorded([0, 1, 9, 10, 99, 100, 109, 110, 1023, 1024, 123_456, 2 ** 63, 3.7]).cumulative();
  assert.deepEqual(bounds, [0, 1, 3, 9, 10, 99, 100, 110, 1000, 120_000, 9.2e18]);
  assert.deepEqual(widths, [0, 0.1, 0.1, 0.1, 1, 1, 10, 10, 100, 10_000, 1e17]);
});

test('buckets count the bin of their bound, sums take the middle of bins', () => {
  const view = recorded([0, 50, 51, 100, 100, 250]).cumulative();
  assert.deepEqual(
    [0.5, 25, 50, 100, 250].map((bound) => view.countUpTo(bound)),
    [1, 1, 2, 5, 6],
  );
  assert.equal(recorded([10]).cumulative().sum(), 10.476190476190476);
});

test('percentages are millionths', () => {
  assert.deepEqual(recorded([500_000], true).cumulative().quantiles([0]), [0.505]);
});

test('values that are no numbers do no harm', () => {
  assert.equal(recorded([Number.NaN, -1]).cumulative().counts.length <= 1, true);
});
