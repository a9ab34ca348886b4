// Statistics: scopes, sharing, release, matching, growth of the arena.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatStore, statsOf } from './metrics.ts';

const SCHEMA = {
  a_total: 'counter',
  b_active: 'gauge',
  c_time: 'histogram',
  d_text: 'text-readout',
} as const;

function names(store: StatStore): string[] {
  return [...store.scopes()].flatMap((scope) => [...statsOf(scope)].map((stat) => stat.name));
}

test('counts, sets, records', () => {
  const store = new StatStore();
  const scope = store.scope('cluster.c1.', SCHEMA);
  scope.inc(scope.i.a_total);
  scope.add(scope.i.a_total, 4);
  scope.set(scope.i.b_active, 7);
  scope.dec(scope.i.b_active);
  scope.record(scope.i.c_time, 12.9);
  scope.setText(scope.i.d_text, 'v1');
  store.flush();
  assert.equal(store.find('cluster.c1.a_total'), 5);
  assert.equal(scope.value(scope.i.b_active), 6);
  assert.equal(scope.text(scope.i.d_text), 'v1');
  assert.deepEqual(store.findHistogram('cluster.c1.c_time')?.cumulative().bounds, [12]);
});

test('prefixes are cleaned as Envoy cleans them', () => {
  const store = new StatStore();
  store.scope('listener.[::1]:80', { x: 'counter' });
  store.scope('.cluster.http://a:1.', { x: 'counter' });
  store.scope('', { y: 'counter' });
  assert.deepEqual(names(store), ['listener.[__1]_80.x', 'cluster.http_a_1.x', 'y']);
});

test('one prefix and schema are one set of cells until everybody gave it back', () => {
  const store = new StatStore();
  const first = store.scope('http.a', SCHEMA);
  const second = store.scope('http.a.', SCHEMA);
  first.inc(first.i.a_total);
  second.inc(second.i.a_total);
  assert.equal(store.find('http.a.a_total'), 2);
  first.release();
  assert.equal(store.find('http.a.a_total'), 2);
  second.release();
  assert.equal(store.find('http.a.a_total'), undefined);
  // A stream that outlived its scope does not count into the cells' next owner.
  const other = store.scope('http.b', SCHEMA);
  first.inc(first.i.a_total);
  first.record(first.i.c_time, 1);
  assert.equal(first.value(first.i.a_total), 0);
  assert.equal(store.find('http.b.a_total'), 0);
  assert.equal(other.value(other.i.a_total), 0);
});

test('cells are used again', () => {
  const store = new StatStore();
  for (let i = 0; i < 1000; i++) {
    const scope = store.scope(`cluster.c${i}`, SCHEMA);
    scope.inc(scope.dynamicCounter('upstream_rq_200'));
    scope.release();
  }
  assert.equal(store.cellBytes, 3 * 8);
});

test('what was never written is unused, what was written is used', () => {
  const store = new StatStore();
  const scope = store.scope('x', { never: 'gauge', back: 'gauge', zero: 'gauge', count: 'counter', still: 'counter' });
  scope.inc(scope.i.back);
  scope.dec(scope.i.back);
  scope.set(scope.i.zero, 0);
  scope.inc(scope.i.count);
  store.resetCounters();
  const used = [...statsOf(scope)].filter((stat) => stat.isUsed).map((stat) => stat.name);
  assert.deepEqual(used, ['x.back', 'x.zero', 'x.count']);
  assert.equal(store.find('x.count'), 0);
  assert.equal(Object.is(scope.value(scope.i.never), 0), true);
});

test('statistics outside the schema, also past the growth of the arena', () => {
  const store = new StatStore();
  const scope = store.scope('c', SCHEMA);
  const early = scope.dynamicCounter('rq_200');
  for (let i = 0; i < 10_000; i++) store.scope(`other.${i}`, SCHEMA);
  const late = scope.dynamicCounter('rq_503');
  scope.inc(early);
  scope.inc(late);
  scope.inc(scope.dynamicCounter('rq_503'));
  scope.inc(scope.i.a_total);
  scope.record(scope.dynamicHistogram('t'), 3);
  store.flush();
  assert.deepEqual(
    ['c.rq_200', 'c.rq_503', 'c.a_total'].map((name) => store.find(name)),
    [1, 2, 1],
  );
  assert.equal(store.findHistogram('c.t')?.cumulative().total, 1);
});

test('rejected statistics do not show', () => {
  const store = new StatStore({ filter: (name) => !name.includes('rq_') && name !== 'c.c_time' });
  const scope = store.scope('c', SCHEMA);
  scope.inc(scope.dynamicCounter('rq_200'));
  scope.record(scope.i.c_time, 3);
  store.flush();
  assert.deepEqual(names(store), ['c.a_total', 'c.b_active', 'c.d_text']);
});

test('an arena without room counts it and goes on', () => {
  const store = new StatStore({ maxCells: 4 });
  const scopes = [1, 2, 3].map((i) => store.scope(`c${i}`, SCHEMA));
  for (const scope of scopes) scope.inc(scope.i.a_total);
  assert.equal(store.overflows, 1);
  assert.deepEqual(
    ['c1.a_total', 'c2.a_total', 'c3.a_total'].map((name) => store.find(name)),
    [1, 1, 0],
  );
});
