// Tests of reports of what is in effect: when they go, what they say, and to whom.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { LiveReports } from './live-reports.ts';

function setUp() {
  const clock = new Clock({ manual: true });
  const sent: string[] = [];
  const state = { isWarm: true, isOpen: true };
  const reports = new LiveReports({
    clock,
    isWarm: () => state.isWarm,
    send: ({ response_nonce: nonce = '' }) => {
      if (state.isOpen) sent.push(nonce);
      return state.isOpen;
    },
  });
  reports.onStream();
  return { clock, sent, state, reports };
}

test('what is answered and warm is reported, up to the first response that is still open', () => {
  const { clock, sent, state, reports } = setUp();
  for (const nonce of ['1', '2', '3']) reports.received(nonce, 'heddle-1');
  reports.answered('2');
  clock.advance(50);
  assert.deepEqual(sent, ['']);
  reports.answered('1');
  state.isWarm = false;
  clock.advance(500);
  assert.deepEqual(sent, ['']);
  state.isWarm = true;
  clock.advance(50);
  assert.deepEqual(sent, ['', '2']);
  reports.answered('3');
  clock.advance(50);
  assert.deepEqual(sent, ['', '2', '3']);
  clock.advance(500);
  assert.equal(sent.length, 3);
});

test('other control planes are told nothing', () => {
  const { clock, sent, reports } = setUp();
  reports.received('1', 'istiod-1');
  reports.answered('1');
  clock.advance(500);
  assert.deepEqual(sent, []);
});

test('a new stream is told that what was here is in effect', () => {
  const { clock, sent, reports } = setUp();
  reports.received('1', 'heddle-1');
  reports.answered('1');
  clock.advance(50);
  reports.onClose();
  reports.onStream();
  clock.advance(50);
  assert.deepEqual(sent, ['1', '']);
  reports.received('1', '');
  reports.answered('1');
  clock.advance(50);
  assert.deepEqual(sent, ['1', '', '1']);
});

test('a report that cannot be sent is not made', () => {
  const { clock, sent, state, reports } = setUp();
  reports.received('1', 'heddle-1');
  reports.answered('1');
  state.isOpen = false;
  clock.advance(50);
  state.isOpen = true;
  reports.onStream();
  clock.advance(50);
  assert.deepEqual(sent, ['']);
});
