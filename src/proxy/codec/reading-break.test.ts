// The break ends by itself, and does not begin again before somebody has read on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteStream } from '../../base/byte-stream.ts';
import { Clock } from '../../base/clock.ts';
import { ReadingBreak } from './reading-break.ts';

test('a break lasts until somebody reads on, and a moment at most', () => {
  const clock = new Clock({ manual: true });
  let pauses = 0;
  const socket = { pause: () => pauses++, resume: () => pauses-- } as unknown as ByteStream;
  const reading = new ReadingBreak(socket, clock);
  reading.begin();
  reading.begin();
  assert.equal(pauses, 1);
  reading.end();
  assert.equal(pauses, 0);
  reading.begin();
  clock.advance(1000);
  assert.equal(pauses, 0, 'PING has to be heard');
  reading.begin();
  assert.equal(pauses, 0, 'nobody has read on since');
  reading.end();
  reading.begin();
  assert.equal(pauses, 1);
});
