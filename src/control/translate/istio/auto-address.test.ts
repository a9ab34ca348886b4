// Addresses that are made up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressesAt, assignPlaces } from './auto-address.ts';

test('a place follows from the key, and others keep theirs', () => {
  const keys = Array.from({ length: 2000 }, (_, index) => `ns/host-${index}.example.com`);
  const all = assignPlaces(keys);
  assert.equal(new Set(all.values()).size, keys.length);
  assert.deepEqual(assignPlaces([...keys].reverse()), all);
  const fewer = assignPlaces(keys.filter((_, index) => index % 10 !== 0));
  const moved = [...fewer].filter(([key, place]) => all.get(key) !== place);
  assert.ok(moved.length < 40, `${moved.length} moved`);
});

test('places are addresses of the range, neither first nor last of their last octet', () => {
  assert.deepEqual(addressesAt(0), { v4: '240.240.0.1', v6: '2001:2::f0f0:1' });
  assert.deepEqual(addressesAt(253), { v4: '240.240.0.254', v6: '2001:2::f0f0:fe' });
  assert.deepEqual(addressesAt(254), { v4: '240.240.1.1', v6: '2001:2::f0f0:101' });
  assert.deepEqual(addressesAt(255 * 254 - 1), { v4: '240.240.254.254', v6: '2001:2::f0f0:fefe' });
});

test('more hosts than places leave the last without', () => {
  const keys = Array.from({ length: 65_000 }, (_, index) => `${index}`);
  assert.equal(assignPlaces(keys).size, 255 * 254);
});
