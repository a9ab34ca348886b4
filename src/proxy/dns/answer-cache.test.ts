// Tests the cache of upstream answers: how long they stay, and which go when there is no room.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatStore } from '../../telemetry/metrics.ts';
import type { AnswerLayout } from '../../wire/dns/answer-layout.ts';
import { AnswerCache, MAX_BYTES, MAX_ENTRIES, type UpstreamAnswer } from './answer-cache.ts';
import { dnsStats } from './dns-stats.ts';

function make(): { cache: AnswerCache; stats: StatStore } {
  const stats = new StatStore();
  return { cache: new AnswerCache(dnsStats(stats).own), stats };
}

function answer(lifetimeS: number, length = 100, receivedMs = 0): UpstreamAnswer {
  return { bytes: Buffer.alloc(length), layout: { lifetimeS } as AnswerLayout, receivedMs };
}

test('an answer stays as long as it is good, and one that is never good not at all', () => {
  const { cache, stats } = make();
  cache.put('a', answer(10));
  cache.put('b', answer(0));
  assert.notEqual(cache.get('a', 9_999), null);
  assert.equal(cache.get('b', 0), null);
  assert.equal(cache.get('a', 10_000), null);
  assert.deepEqual([cache.size, cache.bytes, stats.find('dns.server.cache_entries')], [0, 0, 0]);
});

test('a newer answer takes the place of an older one', () => {
  const { cache } = make();
  cache.put('a', answer(10, 1000));
  const { bytes } = cache;
  cache.put('a', answer(10, 100, 5_000));
  assert.equal(cache.size, 1);
  assert.equal(cache.bytes, bytes - 900);
  assert.notEqual(cache.get('a', 14_999), null);
});

test('without room the one goes that was asked for longest ago', () => {
  const { cache, stats } = make();
  for (let i = 0; i < MAX_ENTRIES; i++) cache.put(`n${i}`, answer(10));
  assert.notEqual(cache.get('n0', 0), null);
  cache.put('one more', answer(10));
  assert.equal(cache.size, MAX_ENTRIES);
  assert.notEqual(cache.get('n0', 0), null);
  assert.equal(cache.get('n1', 0), null);
  assert.equal(stats.find('dns.server.cache_evictions'), 1);
});

test('bytes are bounded too', () => {
  const { cache } = make();
  for (let i = 0; i < 1000; i++) cache.put(`n${i}`, answer(10, 60_000));
  assert.ok(cache.bytes <= MAX_BYTES);
  assert.ok(cache.size > 200);
  cache.clear();
  assert.equal(cache.bytes, 0);
});
