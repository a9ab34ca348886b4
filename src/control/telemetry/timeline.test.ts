// What changed: difference, receipt, and how the mesh did before and after.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgeOf, reportOf } from '../../../test/support/mesh-reports.ts';
import { Clock } from '../../base/clock.ts';
import type { ObjectStatus } from '../push/receipts.ts';
import { MemorySource } from '../source/config-source.ts';
import type { TimelineEntry } from './page-types.ts';
import { Timeline } from './timeline.ts';
import { TrafficBook } from './traffic-book.ts';

const KEY = 'VirtualService/shop/reviews';
const route = (weight: number, name = 'reviews'): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: ${weight}}
    - {destination: {host: reviews, subset: v2}, weight: ${100 - weight}}
`;

function rig(files: Readonly<Record<string, string>> = { 'a.yaml': route(80) }) {
  const clock = new Clock({ manual: true });
  const source = new MemorySource(files);
  source.start();
  const traffic = new TrafficBook();
  const generations = new Map<string, number>([[KEY, 1]]);
  let tell: (status: ObjectStatus) => void = () => {};
  const receipts = {
    subscribe: (listener: (status: ObjectStatus) => void) => {
      tell = listener;
      return () => {};
    },
  };
  const updates = { generationOf: (key: string) => generations.get(key) ?? 0 };
  const timeline = new Timeline({ clock, source, receipts, updates, traffic });
  const told: TimelineEntry[] = [];
  timeline.subscribe((entry) => told.push(entry));
  const status = (generation: number, live: number, key = KEY): void =>
    tell({ key, generation, concerned: 3, accepted: 3, live, waiting: [], refusals: [] });
  const report = (errors: number): void => {
    clock.advance(2000);
    traffic.take(reportOf({ edges: [edgeOf('a', 'b', { count: 10, errors })] }), clock.wallMs);
    timeline.reported();
  };
  return { clock, source, timeline, told, status, report };
}

test('what is there at the start did not change', () => {
  assert.deepEqual(rig().timeline.entries(), []);
});

test('a changed weight: difference and cause at once, then the receipt, then how the mesh did', () => {
  const { clock, source, timeline, told, status, report } = rig();
  for (let at = 0; at < 20; at++) report(0);
  source.write({ 'a.yaml': route(50) });
  const [entry] = told;
  assert.deepEqual([entry?.action, entry?.key, entry?.file, entry?.line], ['changed', KEY, 'a.yaml', 1]);
  assert.match(entry?.diff ?? '', /^-.*weight: 80$/m);
  assert.match(entry?.diff ?? '', /^\+.*weight: 50$/m);
  assert.deepEqual([entry?.before?.errorShare, entry?.after, entry?.receipt], [0, null, null]);
  // Of what was before: not about this change.
  status(1, 3);
  assert.equal(timeline.entries()[0]?.receipt, null);
  clock.advance(100);
  status(2, 1);
  clock.advance(100);
  status(2, 3);
  const live = timeline.entries()[0];
  assert.deepEqual([live?.acceptedMs, live?.liveMs, live?.receipt?.live], [100, 200, 3]);
  // The first report is of the time before, too.
  for (let at = 0; at < 30; at++) report(5);
  const after = timeline.entries()[0];
  assert.equal(after?.after?.errorShare, 0.5);
  assert.ok((after?.afterS ?? 0) > 20 && (after?.afterS ?? 0) <= 30);
  assert.equal(after?.before?.errorShare, 0);
});

test('objects that come and go, and one that changes before it is live', () => {
  const { source, timeline, status } = rig();
  source.write({ 'b.yaml': route(10, 'other') });
  source.write({ 'a.yaml': route(70) });
  source.write({ 'a.yaml': route(60) });
  status(2, 3);
  source.write({ 'b.yaml': null });
  status(0, 3, 'VirtualService/shop/other');
  const entries = timeline.entries();
  const facts = entries.map(({ action, name, isSuperseded, liveMs }) => [action, name, isSuperseded, liveMs !== null]);
  assert.deepEqual(facts, [
    ['added', 'other', true, false],
    ['changed', 'reviews', true, false],
    ['changed', 'reviews', false, true],
    ['removed', 'other', false, true],
  ]);
  assert.equal(entries[3]?.file, 'b.yaml');
});

test('a file that breaks is told once, with its place', () => {
  const { source, told } = rig();
  source.write({ 'a.yaml': `${route(50)}  oops: [` });
  source.write({ 'a.yaml': `${route(50)}  oops: [` });
  assert.equal(told.length, 1);
  assert.deepEqual([told[0]?.action, told[0]?.file], ['rejected', 'a.yaml']);
  assert.match(told[0]?.message ?? '', /is no YAML.*stays/);
  source.write({ 'a.yaml': route(50) });
  assert.equal(told.at(-1)?.action, 'changed');
});

test('a Secret changes without its content', () => {
  const secret = (value: string): string =>
    `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: ${value}}\n`;
  const { source, timeline } = rig({ 's.yaml': secret('hunter2') });
  source.write({ 's.yaml': secret('correct-horse') });
  const text = JSON.stringify(timeline.entries());
  assert.match(text, /the content of a Secret is not shown/);
  for (const value of ['hunter2', 'correct-horse']) {
    assert.ok(!text.includes(value) && !text.includes(Buffer.from(value).toString('base64').slice(0, 8)));
  }
});

test('endpoints do not drive out what was configured, and both are bounded', () => {
  const { source, timeline } = rig();
  source.write({ 'a.yaml': route(50) });
  const pod = (ip: number): string =>
    `apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a}]}\nstatus: {podIP: 10.0.0.${ip}}\n`;
  for (let at = 0; at < 250; at++) source.write({ 'p.yaml': pod(at) });
  const entries = timeline.entries(1000);
  assert.equal(entries.filter(({ isOfWorkloads }) => isOfWorkloads).length, 200);
  assert.equal(entries[0]?.key, KEY);
});
