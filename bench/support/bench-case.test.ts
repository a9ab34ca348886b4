// The arithmetic of the bench: medians, ratios within rounds, bars and turns.
import assert from 'node:assert/strict';
import test from 'node:test';
import { alternate, judge, median, type Row } from './bench-case.ts';
import { renderTable, replaceBlock } from './table.ts';

const row: Row = {
  name: 'case',
  title: 'a case',
  unit: 'µs CPU',
  bar: { ratio: 0.5 },
  rounds: { envoy: [10, 20, 40], heddle: [5, 9, 22] },
  notCounted: null,
};

test('the median of an even number is between the middle two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('the ratio is the median of the ratios of the rounds', () => {
  assert.deepEqual(judge(row), { medians: { envoy: 20, heddle: 9 }, ratio: 0.5, met: true });
  assert.equal(judge({ ...row, bar: { ratio: 0.49 } }).met, false);
});

test('a surplus passes where the ratio does not', () => {
  assert.equal(judge({ ...row, bar: { ratio: 0.1, surplus: -4 } }).met, true);
});

test('a bar of its own needs no Envoy', () => {
  const own: Row = { ...row, bar: { most: 2.5 }, rounds: { heddle: [2, 3, 2.5] } };
  assert.deepEqual(judge(own), { medians: { heddle: 2.5 }, met: true });
});

test('a row that does not count meets no bar, and one without Heddle has no verdict', () => {
  assert.equal(judge({ ...row, notCounted: 'another body' }).met, false);
  assert.deepEqual(judge({ ...row, rounds: { envoy: [1] } }), { medians: { envoy: 1 } });
});

test('every round begins with another peer', async () => {
  const turns: string[] = [];
  const figures = await alternate({ peers: ['envoy', 'nginx', 'heddle'], rounds: 2 }, async (peer, round) => {
    turns.push(`${round}${peer}`);
    return turns.length;
  });
  assert.deepEqual(turns, ['0envoy', '0nginx', '0heddle', '1nginx', '1heddle', '1envoy']);
  assert.deepEqual(figures, { envoy: [1, 6], nginx: [2, 4], heddle: [3, 5] });
});

test('the table shows figures, bars and reasons, and replaces its block only', () => {
  const table = renderTable([row, { ...row, title: 'another', notCounted: 'status 500, Envoy 200' }], { cores: 2 });
  assert.match(table, /\| a case +\| µs CPU \| 20\.0 .*\| 9\.00 .*\| 0\.50 .*\| ≤ 0\.50 \| met/);
  assert.match(table, /not counted¹/);
  assert.match(table, /¹ another: status 500, Envoy 200$/);
  const text = 'before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter';
  assert.equal(replaceBlock(text, 'new'), 'before\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nafter');
  assert.throws(() => replaceBlock('no marks', 'new'));
});
