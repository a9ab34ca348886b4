// Tests the queue of a stream: bytes come out in their order, small pieces cost no more than their bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/clock.ts';
import { SendQueue } from './send-queue.ts';

test('pieces of any size, owned and borrowed, come out as they went in', () => {
  const random = new Random(7);
  for (let round = 0; round < 200; round++) {
    const queue = new SendQueue();
    const sent: Buffer[] = [];
    const taken: Buffer[] = [];
    let bytes = 0;
    for (let i = 0; i < 60; i++) {
      if (random.below(2) === 0) {
        const chunk = Buffer.alloc(random.below(random.below(3) === 0 ? 20_000 : 50), random.below(256));
        const start = random.below(chunk.length + 1);
        sent.push(Buffer.from(chunk.subarray(start)));
        bytes += chunk.length - start;
        const isOwned = random.below(2) === 0;
        queue.push(chunk, start, chunk.length, isOwned);
        if (!isOwned) chunk.fill(0xee);
      } else if (queue.bytes > 0) {
        queue.peek(1 + random.below(17_000));
        assert.ok(queue.end > queue.start);
        taken.push(Buffer.from(queue.chunk.subarray(queue.start, queue.end)));
        bytes -= queue.end - queue.start;
        queue.drop();
      }
      assert.equal(queue.bytes, bytes);
    }
    while (queue.bytes > 0) {
      queue.peek(16_384);
      taken.push(Buffer.from(queue.chunk.subarray(queue.start, queue.end)));
      queue.drop();
    }
    assert.ok(Buffer.concat(taken).equals(Buffer.concat(sent)));
    assert.ok(queue.isEmpty);
  }
});

test('a piece that was taken stays as it is while more comes', () => {
  const queue = new SendQueue();
  queue.push(Buffer.from('abc'), 0, 3, false);
  queue.peek(2);
  const taken = queue.chunk.subarray(queue.start, queue.end);
  queue.drop();
  queue.push(Buffer.alloc(1000, 'x'), 0, 1000, false);
  assert.equal(taken.toString(), 'ab');
  queue.peek(5);
  assert.equal(queue.chunk.toString('latin1', queue.start, queue.end), 'cxxxx');
});

test('a million pieces of one byte take about a million bytes', () => {
  const queue = new SendQueue();
  const before = process.memoryUsage();
  const byte = Buffer.from('x');
  for (let i = 0; i < 1_000_000; i++) queue.push(byte, 0, 1, true);
  const after = process.memoryUsage();
  assert.equal(queue.bytes, 1_000_000);
  assert.ok(after.arrayBuffers - before.arrayBuffers < 2_000_000);
});
