// Tests names of identities.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSpiffeId, parseSpiffeId, spiffeId } from './spiffe.ts';

test('accounts go there and back', () => {
  const one = { trustDomain: 'cluster.local', namespace: 'bookinfo', account: 'bookinfo-productpage.v1' };
  const text = 'spiffe://cluster.local/ns/bookinfo/sa/bookinfo-productpage.v1';
  assert.equal(spiffeId(one), text);
  assert.deepEqual(parseSpiffeId(text), one);
});

test('whatever is not exactly an account is none', () => {
  const bad = [
    '',
    'spiffe://',
    'spiffe://a',
    'spiffe://a/',
    'spiffe://a/ns/b',
    'spiffe://a/ns/b/sa/',
    'spiffe://a/ns//sa/c',
    'spiffe://a/ns/b/sa/c/',
    'spiffe://a/ns/b/sa/c/d',
    'spiffe://a/sa/c/ns/b',
    'spiffe://A/ns/b/sa/c',
    'spiffe://a:1/ns/b/sa/c',
    'spiffe://u@a/ns/b/sa/c',
    'spiffe://a/ns/b/sa/c?x',
    'spiffe://a/ns/b/sa/c#x',
    'spiffe://a/ns/%62/sa/c',
    'spiffe://a/ns/b/sa/c\0',
    'spiffe://a/ns/b\0/sa/c',
    'spiffe://a/ns/../sa/c',
    'spiffe://a/ns/B/sa/c',
    'SPIFFE://a/ns/b/sa/c',
    'https://a/ns/b/sa/c',
    `spiffe://a/ns/b/sa/${'c'.repeat(300)}`,
    `spiffe://a/ns/${'b'.repeat(64)}/sa/c`,
  ];
  for (const text of bad) assert.equal(parseSpiffeId(text), null, text);
});

test('other SPIFFE IDs', () => {
  for (const good of ['spiffe://a', 'spiffe://a/b', 'spiffe://a/B/c_d.e']) assert.ok(isSpiffeId(good), good);
  for (const bad of ['spiffe://a/', 'spiffe://a/../b', 'spiffe://a/b//c', 'spiffe:///b'])
    assert.ok(!isSpiffeId(bad), bad);
});
