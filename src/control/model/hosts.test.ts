// Wildcards, visibility and age.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { byAge, hostsMeet, isHostWithin, isVisible } from './hosts.ts';

it('compares hosts with wildcards', () => {
  const within: [string, string, boolean][] = [
    ['a.example.com', '*', true],
    ['a.example.com', '*.example.com', true],
    ['example.com', '*.example.com', false],
    ['*.a.example.com', '*.example.com', true],
    ['*.example.com', '*.a.example.com', false],
    ['a', 'a', true],
    ['a', 'b', false],
    ['*', '*.example.com', false],
    ['.example.com', '*.example.com', false],
  ];
  for (const [host, pattern, is] of within) assert.equal(isHostWithin(host, pattern), is, `${host} in ${pattern}`);
  assert.ok(hostsMeet('*.example.com', 'a.example.com'));
  assert.ok(!hostsMeet('*.example.com', '*.example.org'));
});

it('knows who sees what', () => {
  assert.ok(isVisible(new Set(['*']), 'a', 'b'));
  assert.ok(isVisible(new Set(['.']), 'a', 'a'));
  assert.ok(!isVisible(new Set(['.']), 'a', 'b'));
  assert.ok(isVisible(new Set(['b']), 'a', 'b'));
  assert.ok(!isVisible(new Set(['~', '*']), 'a', 'b'));
  assert.ok(!isVisible(new Set(), 'a', 'a'));
});

it('orders by age, then by name', () => {
  const one = (creationMs: number, name: string, namespace: string) => ({ creationMs, name, namespace });
  const sorted = [one(2, 'a', 'a'), one(1, 'z', 'z'), one(1, 'b', 'b'), one(1, 'b', 'a')].sort(byAge);
  assert.deepEqual(sorted, [one(1, 'b', 'a'), one(1, 'b', 'b'), one(1, 'z', 'z'), one(2, 'a', 'a')]);
});
