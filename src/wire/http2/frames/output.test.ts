// Tests where frames are written: blocks are used again, but never while their bytes are on their way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../../base/clock.ts';
import { MemorySink } from '../testing/recorder.ts';
import { Http2Output } from './output.ts';

const LIMITS = { maxOutboundFrames: 1e9, maxOutboundControlFrames: 1e9 };
const OWNER = { onOutput: () => {}, onOutboundFlood: () => {} };

test('bytes of many connections do not mix while they wait', () => {
  const random = new Random(3);
  const all = Array.from({ length: 20 }, (_, i) => {
    const sink = new MemorySink();
    return { sink, output: new Http2Output(sink, LIMITS, OWNER), expected: [] as Buffer[], letter: 65 + i };
  });
  for (let i = 0; i < 20_000; i++) {
    const one = all[random.below(all.length)]!;
    const deed = random.below(6);
    if (deed < 4) {
      const length = random.below(random.below(10) === 0 ? 12_000 : 300);
      const chunk = Buffer.alloc(length, one.letter);
      one.output.data(one.letter, chunk, 0, length, false, false);
      const head = Buffer.alloc(9);
      head.writeUIntBE(length, 0, 3);
      head[8] = one.letter;
      one.expected.push(head, chunk);
    } else if (deed === 4) one.output.flush();
    else {
      one.output.flush();
      assert.ok(one.sink.take().equals(Buffer.concat(one.expected)));
      one.expected.length = 0;
    }
  }
});

test('a connection that is read at once needs no new memory', () => {
  const sink = new MemorySink();
  const output = new Http2Output(sink, LIMITS, OWNER);
  const chunk = Buffer.alloc(1024);
  const memory = new Set<ArrayBufferLike>();
  for (let i = 0; i < 1000; i++) {
    for (let j = 0; j < 10; j++) output.data(1, chunk, 0, 1024, false, false);
    output.flush();
    for (const written of sink.chunks) memory.add(written.buffer);
    sink.take();
  }
  assert.ok(memory.size < 8, String(memory.size));
});
