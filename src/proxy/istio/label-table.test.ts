// Label sets: equal facts find the same one, new metadata of a cluster another, and the limits hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import type { Metadata } from '../stream-info.ts';
import { LabelTable, MAX_LABEL_SETS, MAX_SERIES, type SeenFacts } from './label-table.ts';
import { MetricFamily } from './metric-family.ts';
import { NO_NODE } from './node.ts';
import { peerOfEndpoint } from './peer.ts';
import { localLabels } from './telemetry-labels.ts';

const FACTS: SeenFacts = {
  reporter: 'source',
  clusterName: 'c',
  routeName: '',
  host: '',
  peer: null,
  endpoint: null,
  peerPrincipal: '',
  localPrincipal: '',
};
const HITS = new MetricFamily([{ name: 'hits', kind: 'counter', tags: { overrides: new Map(), additions: [] } }]);
const metadataOf = (name: string): Metadata =>
  new Map([['istio', { services: [{ host: `${name}.local`, name, namespace: 'ns' }] }]]);

function rig() {
  const store = new StatStore();
  const clock = new Clock({ manual: true });
  const table = new LabelTable(store, localLabels(NO_NODE), clock, 0);
  return { store, table };
}

test('equal facts find the same labels', () => {
  const { table } = rig();
  const metadata = metadataOf('a');
  const set = table.find({ ...FACTS }, metadata);
  assert.equal(table.find({ ...FACTS, routeName: 'x' }, metadata), set);
  assert.equal(table.find({ ...FACTS, host: 'other' }, metadata), set);
  assert.notEqual(table.find({ ...FACTS, routeName: 'block_all' }, metadata), set);
  assert.notEqual(table.find({ ...FACTS, localPrincipal: 'x' }, metadata), set);
  const peer = peerOfEndpoint('w;n;s;v;c');
  const met = table.find({ ...FACTS, peer }, metadata);
  assert.notEqual(met, set);
  assert.equal(table.find({ ...FACTS, peer: peerOfEndpoint('w;n;s;v;c') }, metadata), met);
  assert.equal(table.find({ ...FACTS }, metadata), set);
});

test('a cluster whose metadata change is another service', () => {
  const { table } = rig();
  const before = table.find({ ...FACTS }, metadataOf('a'));
  const after = table.find({ ...FACTS }, metadataOf('b'));
  assert.ok(before.labels.includes('a.local') && after.labels.includes('b.local'));
  assert.equal(table.find({ ...FACTS }, metadataOf('a')), before);
});

test('more facts than are remembered still find their labels', () => {
  const { table } = rig();
  const sets = Array.from({ length: 50 }, (_, i) => table.find({ ...FACTS, host: `h${i}` }, null));
  for (const [i, set] of sets.entries()) assert.equal(table.find({ ...FACTS, host: `h${i}` }, null), set);
  assert.equal(table.size, 50);
});

test('the limits hold, and what they take is counted', () => {
  const { store, table } = rig();
  const first = table.find({ ...FACTS, host: 'first' }, null);
  first.open(HITS, 0, store, [], []);
  for (let i = 0; i < MAX_LABEL_SETS; i++) table.find({ ...FACTS, host: `h${i}` }, null);
  assert.equal(table.size, MAX_LABEL_SETS);
  assert.equal(first.isForgotten, true);
  assert.equal(store.find('istio_stats.label_sets_dropped'), 1);
  assert.notEqual(table.find({ ...FACTS, host: 'first' }, null), first);
  const set = table.find({ ...FACTS, host: 'many' }, null);
  for (let i = 0; i <= MAX_SERIES; i++) set.open(HITS, i, store, ['n', String(i)], []);
  assert.equal(set.get(HITS, 0), undefined);
  assert.notEqual(set.get(HITS, 1), undefined);
  assert.equal(store.find('istio_stats.series_dropped'), 1);
});
