// What a client of /tap is sent, and when it is over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import type { LiveOutput } from './admin-handler.ts';
import { TapSession, type TraceBuffer } from './tap-session.ts';

function setUp(buffer: TraceBuffer | null) {
  const clock = new Clock({ manual: true });
  const log: string[] = [];
  const session = new TapSession(buffer, {
    clock,
    warn: (text) => log.push(text),
    detach: () => log.push('detach'),
    over: () => log.push('over'),
  });
  const client = { isSlow: false };
  const output: LiveOutput = {
    write: (piece) => {
      log.push(piece.length > 99 ? 'much' : Buffer.from(piece as Uint8Array).toString());
      return !client.isSlow;
    },
    end: () => log.push('end'),
    onDrain: () => undefined,
  };
  const take = (text: string): void => session.take(Buffer.from(text), () => log.push(`${text} taken`));
  const told = (): string[] => log.splice(0);
  return { clock, session, client, output, take, told };
}

test('a slow client gets the rest when it has caught up, and nothing more is taken until then', () => {
  const { session, client, output, take, told } = setUp(null);
  take('a');
  assert.deepEqual(told(), []);
  session.start(output);
  assert.deepEqual(told(), ['a', 'a taken']);
  client.isSlow = true;
  for (const text of ['b', 'c', 'd']) take(text);
  assert.deepEqual(told(), ['b', 'b taken']);
  client.isSlow = false;
  output.onDrain();
  assert.deepEqual(told(), ['c', 'c taken', 'd', 'd taken']);
  session.stop();
  take('e');
  session.stop();
  assert.deepEqual(told(), ['detach', 'over']);
});

test('a client that goes before the start leaves nothing behind', () => {
  const { session, told } = setUp({ mostTraces: 1, timeoutMs: 10 });
  session.stop();
  assert.deepEqual(told(), ['detach', 'over']);
});

test('traces are kept until there are enough, and go as fast as they are read', () => {
  const { session, client, output, take, told, clock } = setUp({ mostTraces: 3, timeoutMs: 1000 });
  session.start(output);
  for (const text of ['a', 'b']) take(text);
  assert.deepEqual(told(), ['a taken', 'b taken']);
  client.isSlow = true;
  take('c');
  take('d');
  assert.deepEqual(told(), ['c taken', 'detach', 'a']);
  client.isSlow = false;
  output.onDrain();
  assert.deepEqual(told(), ['b', 'c', 'over', 'end']);
  clock.advance(2000);
  assert.deepEqual(told(), []);
});

test('time sends what there is', () => {
  const { session, output, take, told, clock } = setUp({ mostTraces: 3, timeoutMs: 1000 });
  session.start(output);
  take('a');
  clock.advance(900);
  assert.deepEqual(told(), ['a taken']);
  clock.advance(200);
  assert.deepEqual(told(), ['detach', 'a', 'over', 'end']);
});

test('so does memory', () => {
  const { session, output, told } = setUp({ mostTraces: 1000, timeoutMs: 0 });
  session.start(output);
  const piece = Buffer.alloc(3 * 1024 * 1024);
  for (let i = 0; i < 6; i++) session.take(piece, () => undefined);
  const [warning, ...rest] = told();
  assert.match(warning ?? '', /^\/tap: 6 traces of \d+ bytes are sent before max_traces is reached$/);
  assert.deepEqual(rest, ['detach', ...Array(6).fill('much'), 'over', 'end']);
});
