// Events out of chunks that end anywhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventReader } from './event-reader.ts';

test('events are the same however the bytes were cut', () => {
  const texts = fc.array(fc.record({ event: fc.constantFrom('traffic', 'change'), data: fc.jsonValue() }));
  fc.assert(
    fc.property(texts, fc.array(fc.nat(30)), (events, cuts) => {
      const wire = events.map(({ event, data }) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join('');
      const reader = new EventReader();
      const read = [];
      let at = 0;
      for (const cut of cuts) {
        read.push(...reader.take(wire.slice(at, at + cut)));
        at += cut;
      }
      read.push(...reader.take(wire.slice(at)));
      assert.deepEqual(read, JSON.parse(JSON.stringify(events)));
    }),
  );
});
