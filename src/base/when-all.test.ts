// Several callbacks become one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whenAll } from './when-all.ts';

test('done is called once: at once without items, else when the last has called back, whenever that is', () => {
  let calls = 0;
  const done = (): void => void calls++;
  whenAll([], () => assert.fail(), done);
  assert.equal(calls, 1);
  whenAll([1, 2], (_item, called) => called(), done);
  assert.equal(calls, 2);
  const later: (() => void)[] = [];
  whenAll([1, 2, 3], (item, called) => (item === 2 ? called() : void later.push(called)), done);
  later[0]?.();
  assert.equal(calls, 2);
  later[1]?.();
  assert.equal(calls, 3);
});
