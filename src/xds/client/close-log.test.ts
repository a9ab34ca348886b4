// Which ends of streams are told loudly, how many requests may go, and names with deadlines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { CloseLog } from './close-log.ts';
import { Deadlines } from './deadlines.ts';
import { RequestRate } from './request-rate.ts';

test('ends of streams: what may pass is quiet for half a minute', () => {
  const log = new CloseLog('StreamX', 'up');
  const what = 'StreamX gRPC config stream to up closed';
  const cases: readonly (readonly [number, string, number, string])[] = [
    [0, '', 0, `debug ${what}: 0, `],
    [13, 'bad', 0, `warning ${what}: 13, bad`],
    [14, 'gone', 0, `debug ${what}: 14, gone`],
    [14, 'gone too', 30_000, `debug ${what}: 14, gone too`],
    [14, 'still', 31_000, `warning ${what} since 31s ago: 14, still`],
    [8, 'too many', 32_000, `warning ${what}: 8, too many (previously 14, still since 32s ago)`],
    [8, 'too many', 33_000, `debug ${what}: 8, too many`],
    [4, 'late', 34_000, `warning ${what}: 4, late (previously 8, too many since 2s ago)`],
  ];
  for (const [status, message, nowMs, line] of cases) {
    const { level, text } = log.closed(status, message, nowMs);
    assert.equal(`${level} ${text}`, line);
  }
  log.clear();
  assert.equal(log.closed(8, 'again', 90_000).level, 'debug');
});

test('requests: so many at once, so many a second', () => {
  const rate = new RequestRate({ maxTokens: 2, fillRate: 4 }, 0);
  assert.deepEqual([rate.take(0), rate.take(0), rate.take(0)], [true, true, false]);
  assert.equal(rate.waitMs, 250);
  assert.deepEqual([rate.take(100), rate.waitMs], [false, 150]);
  assert.deepEqual([rate.take(250), rate.take(250)], [true, false]);
  assert.deepEqual([rate.take(99_000), rate.take(99_000), rate.take(99_000)], [true, true, false]);
});

test('deadlines: one timer for many names', () => {
  const clock = new Clock({ manual: true });
  const over: string[] = [];
  const deadlines = new Deadlines(clock, (names) => over.push(names.join(' ')));
  deadlines.set('late', 1000);
  deadlines.set('early', 100);
  deadlines.set('cleared', 50);
  deadlines.set('too', 100);
  deadlines.clear('cleared');
  clock.advance(200);
  assert.deepEqual(over, ['early too']);
  deadlines.set('late', 1000);
  clock.advance(900);
  assert.deepEqual(over, ['early too'], 'its time began anew');
  clock.advance(200);
  assert.deepEqual([over, deadlines.size], [['early too', 'late'], 0]);
});
