// Heads that come again: recognized wherever they lie in whatever buffer, and by their last byte too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadMemory } from './head-memory.ts';

for (const length of [42, 43, 80, 250, 251]) {
  test(`a head of ${length} bytes`, () => {
    const head = Buffer.from(Array.from({ length }, (_, i) => 33 + (i % 90)));
    const memory = new HeadMemory();
    memory.keepBytes(Buffer.concat([Buffer.alloc(3), head]), 3, 3 + length);
    const [first, second] = [Buffer.allocUnsafeSlow(1024), Buffer.allocUnsafeSlow(1024)];
    // The same buffers again and again, as engines read into them; and a piece of another, which begins at no word.
    const third = Buffer.allocUnsafeSlow(1024).subarray(1);
    for (let round = 0; round < 3; round++) {
      for (const buf of [first, second, third]) {
        for (const pos of [0, 1, 4, 7]) {
          buf.fill(0);
          head.copy(buf, pos);
          assert.equal(memory.matchHead(buf, pos, buf.length), true);
          assert.equal(memory.matchHead(buf, pos, pos + length - 1), false);
          for (const at of [0, 5, length - 2, length - 1]) {
            buf[pos + at] = 1;
            assert.equal(memory.matchHead(buf, pos, buf.length), false, `${round} ${pos} ${at}`);
            buf[pos + at] = head[at] as number;
          }
        }
      }
    }
  });
}
