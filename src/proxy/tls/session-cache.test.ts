// Tests which session a target gets: the newest, once where the protocol says so, and never another target's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionCache } from './session-cache.ts';

const NOW = 1_700_000_000_000;
const END = NOW + 60_000;

/** The beginning of OpenSSL's form of a session: version 1, protocol version. */
function session(version: number, id: number): Buffer {
  return Buffer.from([0x30, 0x82, 0x01, 0x00, 0x02, 0x01, 0x01, 0x02, 0x02, 0x03, version, 0x04, id]);
}

test('the newest session is offered; those of TLS 1.3 only once', () => {
  const cache = new SessionCache(2);
  const [a, b, c] = [session(4, 1), session(4, 2), session(4, 3)] as const;
  for (const one of [a, b, c]) cache.put('t', one, END);
  assert.equal(cache.take('t', NOW), c);
  assert.equal(cache.take('t', NOW), b);
  assert.equal(cache.take('t', NOW), null);
  const old = session(3, 1);
  cache.put('t', old, END);
  assert.equal(cache.take('t', NOW), old);
  assert.equal(cache.take('t', NOW), old);
});

test('targets have sessions of their own, and so many', () => {
  const cache = new SessionCache(1);
  for (let i = 0; i < 1025; i++) cache.put(`t${i}`, session(4, 1), END);
  assert.equal(cache.take('t0', NOW), null);
  assert.notEqual(cache.take('t1', NOW), null);
  assert.equal(cache.take('other', NOW), null);
  cache.put('big', Buffer.alloc(70_000), END);
  assert.equal(cache.take('big', NOW), null);
});

test('nothing is kept where nothing may be resumed', () => {
  const cache = new SessionCache(0);
  assert.equal(cache.isOff, true);
  cache.put('t', session(4, 1), END);
  assert.equal(cache.take('t', NOW), null);
});

test('a session goes a while before the certificate that it stands for', () => {
  for (const version of [3, 4]) {
    const cache = new SessionCache(2);
    const [a, b] = [session(version, 1), session(version, 2)];
    cache.put('t', a, END);
    cache.put('t', b, END);
    assert.equal(cache.take('t', END - 6000), b);
    assert.equal(cache.take('t', END - 5000), null);
    assert.equal(cache.take('t', NOW), null);
  }
});
