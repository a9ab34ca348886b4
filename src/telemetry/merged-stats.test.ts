// Statistics of several stores shown as one, through the reports that workers send.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MergedStats, WorkerStats } from './merged-stats.ts';
import { StatStore } from './metrics.ts';
import { StatJournal } from './stat-journal.ts';
import { decodeStatsConfig, type StatsDecoder } from './stats-config.ts';
import { parseStatsParams } from './stats-params.ts';
import { dumpPrometheus } from './stats-prometheus.ts';
import { dumpStats } from './stats-text.ts';

const SCHEMA = {
  rq_total: 'counter', membership_change: 'counter-once', rq_active: 'gauge', membership_total: 'gauge-once',
  time: 'histogram', state: 'text-readout',
} as const; // biome-ignore format: a table.

class TestWorker {
  readonly journal = new StatJournal();
  readonly store = new StatStore({ journal: this.journal });
  readonly mirror: WorkerStats;

  constructor(merged: MergedStats) {
    this.mirror = new WorkerStats(this.store.memory, merged);
  }

  report(withHistograms = true): void {
    // As messages do it: nothing but copies crosses.
    for (const piece of this.journal.report(this.store, withHistograms)) this.mirror.take(structuredClone(piece));
  }

  scope(prefix = 'cluster.a.') {
    return this.store.scope(prefix, SCHEMA);
  }
}

function rig(workers = 2) {
  const own = new StatStore();
  const merged = new MergedStats(own, null);
  return { own, merged, workers: Array.from({ length: workers }, () => new TestWorker(merged)) };
}

function text(merged: MergedStats, query = ''): string {
  const decoder: StatsDecoder = { at: () => decoder, reject: (_field, reason) => assert.fail(reason) };
  const settings = decodeStatsConfig(undefined, decoder, []);
  const params = parseStatsParams(new URLSearchParams(query));
  assert.ok(typeof params === 'object');
  const dump = params.format === 'prometheus' ? dumpPrometheus : dumpStats;
  return [...dump(merged, settings, params)].join('');
}

test('counters and gauges are summed, what all count alike is shown once', () => {
  const { own, merged, workers } = rig(3);
  own.scope('server.', { live: 'gauge' }).set(0, 1);
  for (const [index, worker] of workers.entries()) {
    const scope = worker.scope();
    scope.add(scope.i.rq_total, index + 1);
    scope.inc(scope.i.rq_active);
    scope.set(scope.i.membership_total, 5);
    scope.inc(scope.i.membership_change);
    scope.inc(scope.dynamicCounter('rq_200'));
    scope.set(scope.dynamicGaugeOnce('open'), 1);
    worker.report();
  }
  workers[0]?.scope().inc(0);
  assert.equal(
    text(merged, 'type=Counters') + text(merged, 'type=Gauges'),
    'cluster.a.membership_change: 1\ncluster.a.rq_200: 3\ncluster.a.rq_total: 7\n' +
      'cluster.a.membership_total: 5\ncluster.a.open: 1\ncluster.a.rq_active: 3\nserver.live: 1\n',
  );
});

test('what nobody wrote to is unused', () => {
  const { merged, workers } = rig();
  for (const worker of workers) {
    worker.scope().set(worker.scope().i.rq_active, 0);
    worker.report();
  }
  assert.equal(text(merged, 'usedonly'), 'cluster.a.rq_active: 0\n');
});

test('histograms are merged at the end of an interval, texts come once', () => {
  const { merged, workers } = rig();
  for (const [index, worker] of workers.entries()) {
    const scope = worker.scope();
    for (let i = 0; i < 10; i++) scope.record(scope.i.time, index * 100);
    scope.record(scope.dynamicHistogram('other'), 7);
    scope.setText(scope.i.state, 'ready');
    worker.report();
  }
  assert.match(text(merged), /cluster\.a\.time: No recorded values/);
  merged.flush();
  assert.match(text(merged), /cluster\.a\.time: P0\(0,0\) P25\(0,0\).*P100\(10[0-9.]*,/);
  assert.match(text(merged), /cluster\.a\.other: P0\(7/);
  assert.match(text(merged), /cluster\.a\.state: "ready"/);
  assert.match(text(merged, 'format=prometheus'), /envoy_cluster_time_count\{envoy_cluster_name="a"\} 20\n/);
  for (const worker of workers) worker.report();
  merged.flush();
  assert.match(text(merged), /cluster\.a\.time: P0\(nan,0\)/);
  assert.match(text(merged, 'format=prometheus'), /envoy_cluster_time_count\{envoy_cluster_name="a"\} 20\n/);
});

test('a dead worker leaves its counters and takes its gauges along', () => {
  const { merged, workers } = rig();
  for (const worker of workers) {
    const scope = worker.scope();
    scope.add(scope.i.rq_total, 10);
    scope.add(scope.i.rq_active, 3);
    scope.add(scope.dynamicCounter('rq_200'), 4);
    scope.set(scope.i.membership_total, 2);
    scope.inc(scope.i.membership_change);
    worker.report();
  }
  workers[1]?.mirror.end();
  const next = new TestWorker(merged);
  const scope = next.scope();
  scope.add(scope.i.rq_total, 1);
  scope.inc(scope.i.membership_change);
  next.report();
  const found = ['rq_total', 'rq_active', 'rq_200', 'membership_total', 'membership_change'].map((name) =>
    merged.find(`cluster.a.${name}`),
  );
  assert.deepEqual(found, [21, 3, 8, 2, 1]);
  merged.resetCounters();
  assert.equal(merged.find('cluster.a.rq_total'), 11);
});

test('a scope is gone when the last worker has released it, and its cells are used again after two reports', () => {
  const { merged, workers } = rig();
  for (const worker of workers) {
    worker.scope().inc(0);
    worker.report();
  }
  const [one, two] = workers as [TestWorker, TestWorker];
  const { base } = one.scope();
  for (let i = 0; i < 2; i++) one.scope().release();
  one.store.scope('cluster.a.', SCHEMA).release();
  for (let i = 0; i < 2; i++) one.scope().release();
  releaseAll(one);
  one.report();
  assert.equal(merged.find('cluster.a.rq_total'), 2, 'counters do not go back while somebody counts');
  releaseAll(two);
  two.report();
  assert.equal(merged.find('cluster.a.rq_total'), undefined);
  assert.notEqual(one.scope('cluster.b.').base, base);
  one.report();
  one.report();
  assert.equal(one.scope('cluster.c.').base, base);
});

test('many names travel in pieces, and a store may grow', () => {
  const { merged, workers } = rig(1);
  const [worker] = workers as [TestWorker];
  for (let i = 0; i < 2_000; i++) {
    const scope = worker.scope(`cluster.${i}.`);
    scope.add(scope.i.rq_total, i);
    scope.record(scope.i.time, 1);
  }
  const pieces = [...worker.journal.report(worker.store, true)];
  assert.ok(pieces.length >= 4);
  for (const piece of pieces) {
    assert.ok(piece.changes.length <= 500);
    worker.mirror.take(piece);
  }
  merged.flush();
  assert.equal(merged.find('cluster.1999.rq_total'), 1999);
  assert.equal([...merged.scopes()].length, 2_000);
  assert.match(text(merged, 'filter=cluster.1999.time&type=Histograms'), /P100\(1\.?/);
});

function releaseAll(worker: TestWorker): void {
  const scopes = [...worker.store.scopes()];
  for (const scope of scopes) while (scope.references > 0) scope.release();
}

test('statistics with tags of their own are summed by name and tags', () => {
  const { merged, workers } = rig();
  const schema = { hits: 'counter', size: 'histogram' } as const;
  for (const [i, { store }] of workers.entries()) {
    for (const to of ['a', `own${i}`]) {
      const scope = store.taggedScope('istiocustom.', ['to', to], schema);
      scope.inc(scope.i.hits);
      scope.record(scope.i.size, 5);
    }
  }
  for (const worker of workers) worker.report();
  merged.flush();
  const shown = text(merged, 'format=prometheus');
  assert.match(shown, /^hits\{to="a"\} 2\nhits\{to="own0"\} 1\nhits\{to="own1"\} 1$/m);
  assert.match(shown, /^size_count\{to="a"\} 2$/m);
  const released = workers[1]!.store.taggedScope('istiocustom.', ['to', 'own1'], schema);
  released.release();
  released.release();
  for (const worker of workers) worker.report();
  assert.doesNotMatch(text(merged, 'format=prometheus'), /own1/);
});
