// Which filters an attached tap reaches, and how much of what they say is on its way at most.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdminTaps, TraceLink, type TapTarget, type TraceSink } from './admin-taps.ts';

class Target implements TapTarget {
  sink: TraceSink | null = null;
  readonly #problem: string | null;

  constructor(problem: string | null = null) {
    this.#problem = problem;
  }

  attach(_config: object, sink: TraceSink): string | null {
    if (this.#problem === null) this.sink = sink;
    return this.#problem;
  }

  detach(): void {
    this.sink = null;
  }
}

const nothing = (): void => undefined;
const link = (): TraceLink => new TraceLink(nothing);

test('a tap reaches all filters with its id, those that come later too, until it is gone', () => {
  const taps = new AdminTaps();
  const [one, two, other, later] = [new Target(), new Target(), new Target(), new Target()];
  taps.register('a', one);
  taps.register('a', two);
  taps.register('b', other);
  assert.equal(taps.attach('a', {}, link()), null);
  taps.register('a', later);
  assert.deepEqual(
    [one, two, other, later].map(({ sink }) => sink !== null),
    [true, true, false, true],
  );
  taps.detach();
  for (const target of [one, two, other, later]) assert.equal(target.sink, null);
});

test('an id is known for as long as a filter has it', () => {
  const taps = new AdminTaps();
  const leaveFirst = taps.register('a', new Target());
  const leaveSecond = taps.register('a', new Target());
  leaveFirst();
  assert.equal(taps.has('a'), true);
  leaveSecond();
  assert.equal(taps.has('a'), false);
});

test('what one filter refuses is attached to none', () => {
  const taps = new AdminTaps();
  const good = new Target();
  const later = new Target();
  taps.register('a', good);
  taps.register('a', new Target('no'));
  assert.equal(taps.attach('a', {}, link()), 'no');
  taps.register('a', later);
  assert.deepEqual([good.sink, later.sink], [null, null]);
});

test('pieces that nobody takes are lost after a while, and those of before are not told to who comes next', () => {
  const taps = new AdminTaps();
  const target = new Target();
  taps.register('a', target);
  let sent = 0;
  let lost = 0;
  const first = new TraceLink(() => sent++);
  taps.attach('a', {}, first);
  const piece = Buffer.alloc(1024 * 1024);
  const write = (sink: TraceSink | null, bytes: Buffer): void => sink?.write(bytes, () => lost++);
  for (let i = 0; i < 6; i++) write(target.sink, piece);
  assert.deepEqual([sent, lost], [4, 2]);
  taps.taken(piece.length);
  write(target.sink, piece);
  assert.deepEqual([sent, lost], [5, 2]);
  taps.attach('a', {}, link());
  write(first, piece);
  assert.deepEqual([sent, lost], [5, 2]);
  // One piece always goes: none is larger than the configuration lets it be.
  const second = new TraceLink(() => sent++);
  write(second, Buffer.alloc(5 * 1024 * 1024));
  assert.deepEqual([sent, lost], [6, 2]);
});
