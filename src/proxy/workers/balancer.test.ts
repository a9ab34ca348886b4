// Exact balance: who gets a connection, and what is counted when one moves, stays or is lost on the way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocateSharedMemory, SharedMemory } from '../../base/shared-memory.ts';
import { balanceName, ExactBalancer } from './balancer.ts';
import { singleWorker } from './single.ts';

const KEY = 'ipv4 127.0.0.1 80';
/** No socket: it cannot be handed over, so it stays. */
const NO_SOCKET = { localAddress: { family: 'ipv4' }, destroy: () => undefined } as never;

function rig(workers: number) {
  const memory = allocateSharedMemory(workers + 1);
  const sent: number[] = [];
  const balancers = Array.from(
    { length: workers },
    (_, i) =>
      new ExactBalancer(i, workers, new SharedMemory(memory, i + 1, workers + 1), (to) => {
        sent.push(to);
      }),
  );
  const supervisor = new SharedMemory(memory, 0, workers + 1);
  const counts = (): number[] => balancers.map((_, i) => supervisor.counter(balanceName(i, KEY)).value);
  return { balancers, supervisor, counts, sent };
}

test('between equals the worker that accepted keeps it', () => {
  const { balancers, counts } = rig(3);
  assert.equal(balancers[2]?.giveAway(KEY, NO_SOCKET), false);
  assert.deepEqual(counts(), [0, 0, 1]);
  balancers[2]?.closed(KEY);
  assert.deepEqual(counts(), [0, 0, 0]);
});

test('what cannot be handed over stays, and is counted where it is', () => {
  const { balancers, counts, sent } = rig(2);
  for (let i = 0; i < 3; i++) assert.equal(balancers[0]?.giveAway(KEY, NO_SOCKET), false);
  assert.deepEqual(counts(), [3, 0]);
  assert.deepEqual(sent, []);
});

test('connections that moved are the new worker’s, should either die', () => {
  for (const dead of [0, 1]) {
    const { supervisor, counts } = rig(2);
    const [one, two] = [supervisor, supervisor];
    // As a worker that hands over, and the one that takes.
    const given = one.counter(balanceName(1, KEY));
    given.inc();
    given.giveUp();
    two.counter(balanceName(1, KEY)).takeOver();
    assert.deepEqual(counts(), [0, 1]);
    supervisor.forget(dead + 1);
    assert.deepEqual(counts(), [0, 1], 'the supervisor took it, and lives');
  }
});

test('one worker balances nothing', () => {
  const { balancer, sockets, shared } = singleWorker();
  assert.equal(balancer.giveAway(KEY, NO_SOCKET), false);
  assert.equal(sockets.take({ family: 'ipv4', address: '127.0.0.1', port: 80 }), -1);
  assert.equal(shared.isLocal, true);
});
