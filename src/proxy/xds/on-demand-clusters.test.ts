// Clusters on demand: one question, all who wait are told, and clients that invent names do not fill the memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import type { ClusterAsker, ClusterWaiter } from '../cluster/cluster.ts';
import { OnDemandClusters } from './on-demand-clusters.ts';
import { ADS_PLACE, type ConfigPlace } from './place.ts';

const OWN: ConfigPlace = { ...ADS_PLACE, key: 'own' };

function started() {
  const log: string[] = [];
  const clock = new Clock({ manual: true });
  const waiters = new Map<string, ClusterWaiter>();
  const there = new Set<string>();
  const sink = {
    want: ({ name, place }: { name: string; place: ConfigPlace }) => void log.push(`want ${place.key} ${name}`),
    unwant: ({ name, place }: { name: string; place: ConfigPlace }) => void log.push(`unwant ${place.key} ${name}`),
  };
  const all = new OnDemandClusters(sink, clock, {
    get: (name) => (there.has(name) ? {} : null),
    awaitCluster: (name, waiter) => void waiters.set(name, waiter),
    giveUp: (name) => void waiters.delete(name),
  });
  const told: string[] = [];
  const asker = (label: string): ClusterAsker => ({
    onClusterOutcome: (outcome) => void told.push(`${label} ${outcome}`),
  });
  return { all, log, clock, waiters, there, told, asker };
}

test('a cluster is asked for once, and all who wait for it are told', () => {
  const { all, log, clock, waiters, told, asker } = started();
  const demand = { place: ADS_PLACE, timeoutMs: 100 };
  const left = asker('c');
  assert.equal(all.ask('x', demand, asker('a')), true);
  all.ask('x', { place: OWN, timeoutMs: 1 }, asker('b'));
  all.ask('x', demand, left);
  all.giveUp('x', left);
  assert.deepEqual(log, ['want ads x']);
  waiters.get('x')?.onCluster();
  assert.deepEqual(told, ['a available', 'b available']);
  assert.equal(waiters.size, 0);
  // It is gone again: the server would tell of another.
  all.ask('x', demand, asker('d'));
  clock.advance(99);
  all.ask('x', demand, asker('e'));
  assert.equal(told.length, 2);
  clock.advance(1);
  assert.deepEqual(told.slice(2), ['d timeout', 'e timeout']);
  all.ask('x', demand, asker('f'));
  all.missing('x');
  all.missing('x');
  assert.deepEqual(told.slice(4), ['f missing']);
  assert.equal(log.length, 1);
});

test('places other than ADS are announced; only the first answers of ADS are waited for', () => {
  const { all, log, told, asker } = started();
  const demand = { place: OWN, timeoutMs: 100 };
  all.announce(demand);
  all.announce(demand);
  all.announce({ place: ADS_PLACE, timeoutMs: 1 });
  all.ask('x', demand, asker('a'));
  assert.deepEqual(log, ['want own ', 'want own x']);
  all.ask('x', demand, asker('with a'));
  all.fetchTimedOut('x', OWN.key);
  assert.deepEqual(told, []);
  all.fetchTimedOut('x', ADS_PLACE.key);
  assert.deepEqual(told, ['a missing', 'with a missing']);
  all.ask('x', demand, asker('c'));
  assert.deepEqual(log.slice(2), ['want own x'], 'it is counted');
  assert.equal(all.ask('*', demand, asker('b')), false, 'that would be all there are');
});

test('clients that invent names do not fill the memory', () => {
  const { all, log, there, asker } = started();
  const demand = { place: ADS_PLACE, timeoutMs: 100 };
  there.add('n1');
  for (let i = 0; i < 10_000; i++) {
    assert.equal(all.ask(`n${i}`, demand, asker('a')), true);
    if (i < 5_000) all.missing(`n${i}`);
  }
  log.length = 0;
  assert.equal(all.ask('more', demand, asker('a')), true);
  all.ask('others', demand, asker('a'));
  assert.deepEqual(log, ['unwant ads n0', 'want ads more', 'unwant ads n2', 'want ads others']);
  for (let i = 0; i < 4_997; i++) all.ask(`m${i}`, demand, asker('a'));
  assert.equal(all.ask('too many', demand, asker('a')), false, 'all others are waited for, or there');
});
