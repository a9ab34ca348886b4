// A token bucket of two workers: what one takes the other does not have, and time fills it for both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocateSharedMemory, SharedMemory } from '../../base/shared-memory.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { bucketsAt, SharedTokenBucket } from './shared-token-bucket.ts';
import { LocalTokenBucket } from './token-bucket.ts';

const SETTINGS = { maxTokens: 5, tokensPerFill: 1, fillIntervalMs: 100 };

function views(): [SharedMemory, SharedMemory] {
  const buffer = allocateSharedMemory(3);
  return [new SharedMemory(buffer, 1, 3), new SharedMemory(buffer, 2, 3)];
}

test('workers take from one bucket', () => {
  const [one, two] = views().map((shared) => new SharedTokenBucket(SETTINGS, shared, 'a')) as [
    SharedTokenBucket,
    SharedTokenBucket,
  ];
  assert.equal(one.remaining(1000), 5);
  for (let i = 0; i < 5; i++) assert.equal((i % 2 === 0 ? one : two).take(1000, 1), true);
  assert.equal(one.take(1000, 1), false);
  assert.equal(two.take(1000, 1), false);
  assert.equal(two.secondsToNext(1000), 1);
  assert.equal(two.take(1100, 1), true);
  assert.equal(one.take(1100, 1), false);
  two.refill(1100, 3);
  assert.equal(one.remaining(1100), 3);
});

test('it gives what a local bucket gives', () => {
  const [memory] = views();
  const shared = new SharedTokenBucket(SETTINGS, memory, 'b');
  const local = new LocalTokenBucket(SETTINGS);
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let nowMs = 1, i = 0; i < 5_000; i++, nowMs += random(130)) {
    const count = random(4);
    if (random(20) === 0) {
      shared.refill(nowMs, count);
      local.refill(nowMs, count);
    }
    assert.equal(shared.take(nowMs, count), local.take(nowMs, count), `step ${i}`);
    assert.equal(shared.remaining(nowMs), local.remaining(nowMs));
    assert.equal(shared.secondsToNext(nowMs), local.secondsToNext(nowMs));
  }
});

test('the place in the configuration and its version name the bucket', () => {
  const [one, two] = views();
  const at = (shared: SharedMemory, version: string, path: string) =>
    bucketsAt(new ConfigDecoder({ unpack: () => null, shared, version }, path))(SETTINGS, '');
  const first = at(one, '1', 'filters[0]');
  first.take(0, 5);
  assert.equal(at(two, '1', 'filters[0]').remaining(0), 0);
  assert.equal(at(two, '1', 'filters[1]').remaining(0), 5);
  assert.equal(at(two, '2', 'filters[0]').remaining(0), 5);
});
