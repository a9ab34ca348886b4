// Positions behind a composite filter: one after another in an action, and of one kind each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InnerFilter } from './execute-action.ts';
import { Layout, MOST_OF_ROUTE, routePlaces } from './layout.ts';

const inner = (configType: string, size = 1): InnerFilter => ({
  name: configType,
  factory: { configType, positions: () => size } as never,
  config: null,
});

test('filters of an action stand behind each other, and share positions with the same kind only', () => {
  const layout = new Layout();
  const first = layout.placesOf([inner('a'), inner('b')]);
  const second = layout.placesOf([inner('b'), inner('a')]);
  const third = layout.placesOf([inner('a', 2)]);
  assert.deepEqual(first, [
    { at: MOST_OF_ROUTE, size: 1 },
    { at: MOST_OF_ROUTE + 1, size: 1 },
  ]);
  assert.deepEqual(second, [
    { at: MOST_OF_ROUTE + 1, size: 1 },
    { at: MOST_OF_ROUTE + 2, size: 1 },
  ]);
  assert.deepEqual(third, [{ at: MOST_OF_ROUTE + 2, size: 2 }]);
  assert.equal(layout.size, MOST_OF_ROUTE + 4);
});

test('filters of a route stand at the first positions, which are for any', () => {
  assert.deepEqual(routePlaces([inner('a', 2), inner('b')]), [
    { at: 0, size: 2 },
    { at: 2, size: 1 },
  ]);
});
