// Tests the framing of gRPC messages: pieces of any size, limits, and what is held.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameMessage, GrpcMessageCounter, GrpcMessageReader } from './framing.ts';

const MESSAGES = ['', 'a', 'hello', 'x'.repeat(5000), '', 'end'];
const BODY = Buffer.concat(MESSAGES.map((text, i) => frameMessage(Buffer.from(text), i === 2 ? 1 : 0)));

/** Reads `body` in pieces of `step` bytes, each gone after the call. */
function read(reader: GrpcMessageReader, body: Buffer, step: number): boolean {
  let isFine = true;
  for (let at = 0; at < body.length; at += step) {
    const piece = Buffer.from(body.subarray(at, at + step));
    isFine = reader.read(piece, 0, piece.length);
    piece.fill(0xee);
  }
  return isFine;
}

for (const step of [1, 2, 3, 7, 100, 4096, BODY.length]) {
  test(`messages in pieces of ${step} bytes`, () => {
    const seen: string[] = [];
    const flags: number[] = [];
    const reader = new GrpcMessageReader(5000, {
      onMessage(flag, buf, start, end) {
        seen.push(buf.latin1Slice(start, end));
        flags.push(flag);
      },
    });
    assert.equal(read(reader, BODY, step), true);
    assert.deepEqual(seen, MESSAGES);
    assert.deepEqual(flags, [0, 0, 1, 0, 0, 0]);
    assert.equal(reader.messages, MESSAGES.length);
    assert.ok(reader.isBetweenMessages && reader.heldBytes === 0);
    const counter = new GrpcMessageCounter();
    for (let at = 0; at < BODY.length; at += step) counter.count(BODY, at, Math.min(BODY.length, at + step));
    assert.deepEqual([counter.started, counter.completed], [MESSAGES.length, MESSAGES.length]);
  });
}

test('a message that is cut off, or larger than allowed', () => {
  const reader = new GrpcMessageReader(10, { onMessage: () => assert.fail('no message is whole') });
  assert.equal(read(reader, frameMessage(Buffer.alloc(10)).subarray(0, 3), 1), true);
  assert.equal(reader.isBetweenMessages, false);
  assert.equal(read(reader, frameMessage(Buffer.alloc(10)).subarray(3, 14), 2), true);
  assert.equal(reader.isBetweenMessages, false);
  assert.equal(reader.heldBytes, 9);
  const large = new GrpcMessageReader(10, { onMessage: () => {} });
  assert.equal(read(large, frameMessage(Buffer.alloc(11)), 16), false);
  assert.equal(large.isTooLarge, true);
  assert.equal(large.heldBytes, 0);
  // A promise of 4 GiB takes no memory.
  const promise = new GrpcMessageReader(2 ** 32, { onMessage: () => {} });
  assert.equal(read(promise, Buffer.from([0, 255, 255, 255, 255, 1, 2]), 7), true);
  assert.equal(promise.heldBytes, 2);
});
