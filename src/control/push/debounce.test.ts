// Tests of when changes take effect.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { Debounce, type DebouncedRun } from './debounce.ts';

function setUp() {
  const clock = new Clock({ manual: true });
  const runs: string[] = [];
  const debounce = new Debounce(clock, ({ reasons, changes, sinceMs }: DebouncedRun) => {
    runs.push(`${clock.nowMs}: ${reasons.join(' ')} ×${changes} since ${sinceMs}`);
  });
  const turn = () => new Promise<void>((resolve) => clock.defer(resolve));
  return { clock, debounce, runs, turn };
}

test('the first change after quiet goes at once, with what its turn brings', async () => {
  const { clock, debounce, runs, turn } = setUp();
  debounce.change('a');
  debounce.change('b');
  debounce.change('a');
  await turn();
  assert.deepEqual(runs, ['0: a b ×3 since 0']);
  clock.advance(200);
  debounce.change('c');
  await turn();
  assert.deepEqual(runs.slice(1), ['200: c ×1 since 200']);
});

test('followers wait until they pause', async () => {
  const { clock, debounce, runs, turn } = setUp();
  debounce.change('a');
  await turn();
  clock.advance(40);
  debounce.change('b');
  clock.advance(60);
  debounce.change('c');
  await turn();
  assert.equal(runs.length, 1);
  clock.advance(100);
  assert.deepEqual(runs.slice(1), ['200: b c ×2 since 40']);
});

test('followers that never pause go after ten seconds', async () => {
  const { clock, debounce, runs, turn } = setUp();
  debounce.change('a');
  await turn();
  for (let i = 0; i < 260; i++) {
    clock.advance(40);
    debounce.change('b');
  }
  assert.deepEqual(runs.slice(1), ['10040: b ×250 since 40']);
});
