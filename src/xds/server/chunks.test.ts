// Tests of framed resources that are kept: equal lists share memory, and what is kept is bounded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkCache, MAX_KEPT_BYTES } from './chunks.ts';
import { encodedResource } from './resource.ts';

const TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

function resource(name: string, bytes = 10) {
  return encodedResource(TYPE, name, Buffer.alloc(bytes, name));
}

test('the same list, and an equal one, give the same memory', () => {
  const cache = new ChunkCache(true);
  const [a, b, c] = [resource('a'), resource('b'), resource('c')];
  const list = [a, b, c];
  const chunk = cache.get(list);
  assert.equal(cache.get(list), chunk);
  assert.equal(cache.get([a, b, c]), chunk);
  assert.notEqual(cache.get([a, resource('d'), c]).bytes, chunk.bytes);
  assert.equal(cache.get([a, b, c]), chunk);
  assert.deepEqual([cache.hits, cache.misses], [3, 2]);
});

test('what is kept is bounded in bytes, and the longest unused goes first', () => {
  const cache = new ChunkCache(false);
  const first = [resource('first', 1000)];
  const used = [resource('used', 1000)];
  const firstChunk = cache.get(first);
  const usedChunk = cache.get(used);
  for (let i = 0; i < 12; i++) {
    cache.get([resource(`large-${i}`, MAX_KEPT_BYTES / 8)]);
    cache.get(used);
    assert.ok(cache.bytes <= MAX_KEPT_BYTES * 1.2);
  }
  assert.equal(cache.get(used), usedChunk);
  assert.notEqual(cache.get(first), firstChunk);
  cache.clear();
  assert.equal(cache.bytes, 0);
  assert.notEqual(cache.get(used), usedChunk);
});

test('lists that look alike are told apart, and not all of them are kept', () => {
  const cache = new ChunkCache(true);
  const [first, last] = [resource('first'), resource('last')];
  const lists = Array.from({ length: 50 }, (_, i) => [first, resource(`middle-${i}`), last]);
  const size = cache.get(lists[0] as never).bytes.length;
  for (const list of lists) assert.ok(cache.get(list).bytes.includes(list[1]?.name as string));
  assert.ok(cache.bytes < 15 * size, `${cache.bytes} bytes`);
});
