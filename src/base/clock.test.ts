// The timer wheel against a plain list of timers, on a manual clock; the real driver; and the seeded random numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock, Random, type Timer } from './clock.ts';

/** Milliseconds by which a timer may be late: one step of the wheel. */
const TICK_MS = 4;

test('timers fire once, in order of time, at most a tick late', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const clock = new Clock({ manual: true });
    const due = new Map<number, number>();
    const timers: Timer[] = [];
    let fired = 0;
    for (let id = 0; id < 60; id++) {
      timers.push(
        clock.timer((own: number) => {
          const wanted = due.get(own) as number;
          assert.ok(clock.nowMs >= wanted, `seed ${seed}: timer ${own} is ${wanted - clock.nowMs} ms early`);
          assert.ok(
            clock.nowMs < wanted + 2 * TICK_MS,
            `seed ${seed}: timer ${own} is ${clock.nowMs - wanted} ms late`,
          );
          due.delete(own);
          fired++;
          // Some arm themselves or disarm another one from inside.
          if (random.below(3) === 0) arm(own);
          const other = random.below(60);
          if (random.below(4) === 0) disarm(other);
        }, id),
      );
    }
    const arm = (id: number): void => {
      const delayMs = [0, 1, 3, 4, 50, 4_095, 4_096, 4_100, 20_000, 600_000][random.below(10)] as number;
      (timers[id] as Timer).arm(delayMs);
      due.set(id, clock.nowMs + delayMs);
    };
    const disarm = (id: number): void => {
      (timers[id] as Timer).disarm();
      due.delete(id);
    };
    for (let step = 0; step < 300; step++) {
      if (random.below(3) > 0) arm(random.below(60));
      if (random.below(5) === 0) disarm(random.below(60));
      clock.advance([1, 5, 30, 1_000, 5_000][random.below(5)] as number);
      for (const [id, wanted] of due) {
        assert.ok(wanted > clock.nowMs - 2 * TICK_MS, `seed ${seed}: timer ${id} has been forgotten`);
      }
      for (const [id, timer] of timers.entries()) assert.equal(timer.isArmed, due.has(id), `seed ${seed}: timer ${id}`);
    }
    assert.ok(fired > 100);
  }
});

test('after a long stall everything that was due fires in one go', async () => {
  const clock = new Clock();
  const fired: number[] = [];
  for (const delayMs of [1, 20, 60]) {
    const timer = clock.timer(() => void fired.push(delayMs), null);
    timer.arm(delayMs);
  }
  const later = clock.timer(() => void fired.push(1_000_000), null);
  later.arm(1_000_000);
  const until = performance.now() + 150;
  while (performance.now() < until);
  await sleep(20);
  assert.deepEqual(fired, [1, 20, 60]);
  assert.ok(later.isArmed);
  later.disarm();
});

test('the driver fires real timers in time and is set again for earlier ones', async () => {
  const clock = new Clock();
  const started = performance.now();
  const delays: number[] = [];
  const note = (): void => void delays.push(Math.round(performance.now() - started));
  const late = clock.timer(note, null);
  const early = clock.timer(note, null);
  late.arm(120);
  early.arm(30);
  while (delays.length < 2 && performance.now() - started < 5_000) await sleep(5);
  assert.equal(delays.length, 2);
  assert.ok((delays[0] as number) >= 29 && (delays[1] as number) >= 119, `fired after ${delays}`);
});

test('a bug in one timer leaves the others of its moment alone', () => {
  const clock = new Clock({ manual: true });
  const errors: unknown[] = [];
  clock.onError = (error) => void errors.push(error);
  let fired = 0;
  for (let i = 0; i < 5; i++) {
    clock
      .timer(() => {
        if (i === 2) throw new Error('bug');
        fired++;
      }, null)
      .arm(10);
  }
  clock.advance(20);
  assert.deepEqual([fired, errors.length], [4, 1]);
});

test('neighbouring seeds give different, uniform numbers; a seed gives the same again', () => {
  const firsts = new Set<number>();
  const buckets = new Array<number>(16).fill(0);
  for (let seed = 0; seed < 4_096; seed++) {
    const first = new Random(seed).uint32();
    firsts.add(first);
    buckets[first >>> 28] = (buckets[first >>> 28] as number) + 1;
  }
  assert.equal(firsts.size, 4_096);
  assert.ok(
    buckets.every((count) => count > 180 && count < 340),
    String(buckets),
  );
  const a = new Random(5);
  const b = new Random(5);
  for (let i = 0; i < 100; i++) assert.equal(a.uint32(), b.uint32());
  for (let i = 0; i < 1000; i++) assert.ok(a.below(7) < 7);
});

test('ids are version 4 UUIDs and never the same', () => {
  const random = new Random(1);
  const ids = Array.from({ length: 1_000 }, () => random.uuid());
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(ids).size, 1_000);
});
