// Shared cells: the same name is the same cell, names that go give their room back, and the dead count no longer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { LocalCells } from './local-cells.ts';
import type { SharedCells } from './shared-cells.ts';
import { allocateSharedMemory, hash64, SharedMemory } from './shared-memory.ts';

const OWNERS = 4;
const ROUNDS = 20_000;

function pairOfViews(cells?: number): [SharedMemory, SharedMemory] {
  const buffer = allocateSharedMemory(OWNERS, cells);
  return [new SharedMemory(buffer, 1, OWNERS), new SharedMemory(buffer, 2, OWNERS)];
}

/** What a thread of the race does: counts up and down under changing names, and takes tokens from one pair. */
function race(memory: SharedMemory, owner: number): void {
  const steady = memory.counter('steady');
  const pair = memory.pair('tokens');
  for (let i = 0; i < ROUNDS; i++) {
    steady.inc();
    let old = pair.load();
    while (!pair.replace(old, old + 1n)) old = pair.load();
    if (i % 10 !== 0) continue;
    const passing = memory.counter(`passing ${(i + owner) % 50}`);
    passing.inc();
    passing.dec();
    passing.release();
  }
}

if (!isMainThread) {
  const { buffer, owner } = workerData as { buffer: SharedArrayBuffer; owner: number };
  race(new SharedMemory(buffer, owner, OWNERS), owner);
} else {
  test('a name is one cell for all who ask, and another for another name', () => {
    const views = pairOfViews();
    for (const [a, b] of [views, [new LocalCells(), null]] as [SharedCells, SharedCells | null][]) {
      const one = a.counter('x');
      const other = (b ?? a).counter('x');
      assert.equal(one.inc(), 1);
      assert.equal(other.inc(), 2);
      assert.equal(one.value, 2);
      assert.equal(a.counter('y').value, 0);
      assert.equal(other.dec(), 1);
    }
  });

  test('a pair is replaced only from the value that was read', () => {
    const [a, b] = pairOfViews();
    for (const [one, other] of [[a.pair('p'), b.pair('p')] as const, localPairs()]) {
      const seen = one.load();
      assert.equal(other.replace(seen, -5n), true);
      assert.equal(one.replace(seen, 7n), false);
      assert.equal(one.load(), -5n);
      assert.equal(one.replace(-5n, 7n), true);
      assert.equal(other.load(), 7n);
    }
  });

  test('a name that nobody uses any more begins anew', () => {
    const [a, b] = pairOfViews();
    for (const [first, second] of [[a, b] as const, localTwice()]) {
      const one = first.counter('x');
      const two = second.counter('x');
      one.inc();
      one.release();
      assert.equal(second.counter('x').value, 1, 'still in use');
      two.release();
    }
    const again = new LocalCells();
    again.counter('x').inc();
    again.counter('x').release();
    assert.equal(again.size, 1);
  });

  test('names come and go for ever without filling the table', () => {
    const [a, b] = pairOfViews(64);
    const kept = a.counter('kept');
    kept.inc();
    for (let i = 0; i < 5_000; i++) {
      const names = Array.from({ length: 20 }, (_, n) => `${i} ${n}`);
      const held = names.map((name, n) => (n % 2 === 0 ? a : b).counter(name));
      for (const counter of held) {
        assert.equal(counter.inc(), 1);
        counter.dec();
        counter.release();
      }
    }
    assert.equal(a.overflows, 0);
    assert.equal(a.size, 1);
    assert.equal(b.counter('kept').value, 1);
  });

  test('names beyond the limit are counted by each worker, and that is told', () => {
    const [a, b] = pairOfViews(8);
    const held = Array.from({ length: 10 }, (_, n) => a.counter(`name ${n}`));
    assert.equal(a.overflows, 2);
    for (const counter of held) assert.equal(counter.inc(), 1);
    assert.equal(b.counter('name 0').value, 1);
    assert.equal(b.counter('name 9').value, 0);
    for (const counter of held) counter.release();
    assert.equal(a.size, 1);
  });

  test('what a dead worker counted and held is taken back', () => {
    const [a, b] = pairOfViews();
    const mine = a.counter('connections');
    const theirs = b.counter('connections');
    const only = b.counter('only theirs');
    mine.inc();
    for (let i = 0; i < 3; i++) theirs.inc();
    theirs.dec();
    only.inc();
    assert.equal(mine.value, 3);
    a.forget(2);
    assert.equal(mine.value, 1);
    assert.equal(a.size, 1);
    assert.equal(a.counter('only theirs').value, 0);
  });

  test('threads lose no count, and a killed one leaves no lock', { timeout: 20_000 }, async () => {
    const buffer = allocateSharedMemory(OWNERS, 256);
    const memory = new SharedMemory(buffer, 0, OWNERS);
    const threads = [1, 2].map(
      (owner) => new Worker(new URL(import.meta.url), { workerData: { buffer, owner }, execArgv: [] }),
    );
    await Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve))));
    assert.equal(memory.counter('steady').value, 2 * ROUNDS);
    assert.equal(memory.pair('tokens').load(), BigInt(2 * ROUNDS));
    const doomed = new Worker(new URL(import.meta.url), { workerData: { buffer, owner: 3 }, execArgv: [] });
    const steady = memory.counter('steady');
    while (steady.value === 2 * ROUNDS) await new Promise((resolve) => setTimeout(resolve, 1));
    await doomed.terminate();
    memory.forget(3);
    assert.ok(Math.abs(steady.value - 2 * ROUNDS) <= 1);
    memory.counter('after').release();
    assert.equal(memory.overflows, 0);
  });

  test('hashes of names differ', () => {
    const hashes = new Set<bigint>();
    for (let i = 0; i < 50_000; i++) hashes.add(hash64(`cluster outbound|${i}||svc.default breaker`));
    assert.equal(hashes.size, 50_000);
  });
}

function localPairs() {
  const cells = new LocalCells();
  return [cells.pair('p'), cells.pair('p')] as const;
}

function localTwice() {
  const cells = new LocalCells();
  return [cells, cells] as const;
}
