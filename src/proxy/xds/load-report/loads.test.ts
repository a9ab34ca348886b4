// Loads of a thread and of all of them: differences, hosts that come and go, sums and their order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodedCluster } from '../../../../test/support/cluster-decoding.ts';
import { Clock, Random } from '../../../base/clock.ts';
import { StatStore } from '../../../telemetry/metrics.ts';
import { headerKey } from '../../../wire/header-names.ts';
import { Headers } from '../../../wire/headers.ts';
import type { ClusterEntry } from '../../cluster/cluster-entry.ts';
import { ClusterTable } from '../../cluster/cluster-manager.ts';
import type { HostEntry } from '../../cluster/host.ts';
import { MeteredHost } from '../../cluster/orca/metered-host.ts';
import { LayeredRuntime } from '../../runtime.ts';
import { LoadSum } from './load-sum.ts';
import { type ClusterLoad, LoadBook, type LoadQuestion } from './loads.ts';

/** 'region/zone' and last bytes of addresses. */
type Place = readonly [where: string, addresses: readonly number[], priority?: number];

const assignment = (places: readonly Place[]): object => ({
  cluster_name: 'one',
  endpoints: places.map(([where, addresses, priority = 0]) => {
    const [region = '', zone = ''] = where.split('/');
    const lb_endpoints = addresses.map((last) => ({
      endpoint: { address: { socket_address: { address: `127.0.0.${last}`, port_value: 80 } } },
    }));
    return { locality: { region, zone }, priority, lb_endpoints };
  }),
});

class Bed {
  readonly table = new ClusterTable({
    ...{
      clock: new Clock({ manual: true }),
      random: new Random(),
      stats: new StatStore(),
      runtime: new LayeredRuntime(),
    },
    dialer: {} as never,
    makeResolver: () => assert.fail('nothing is resolved'),
  });
  readonly book = new LoadBook();

  set(name: string, places: readonly Place[], more: object = {}): ClusterEntry {
    return this.table.set(decodedCluster({ name, load_assignment: assignment(places), ...more }));
  }

  ask(question: Partial<LoadQuestion>): { loads: ClusterLoad[]; begun: string[] } {
    const whole = { tracked: [], isReport: true, begins: [], withHosts: false, ...question };
    const pieces = [...this.book.answer(this.table.all(), whole)];
    return { loads: pieces.flatMap(({ loads }) => loads), begun: pieces.flatMap(({ begun }) => begun) };
  }
}

function hostOf(cluster: ClusterEntry, last: number): HostEntry {
  const host = cluster.hosts.find(({ address }) => address.address === `127.0.0.${last}`);
  assert.ok(host);
  return host;
}

function count(host: HostEntry, success: number, error = 0, active = 0): void {
  host.rqTotal += success + error + active;
  host.rqSuccess += success;
  host.rqError += error;
  host.rqActive += active;
}

const countsOf = (loads: readonly ClusterLoad[]): unknown => loads.map(({ localities }) => localities[0]?.counts ?? 0);

test('what was told is not told again', () => {
  const bed = new Bed();
  const host = hostOf(bed.set('one', [['r/z', [1]]]), 1);
  count(host, 5, 2);
  assert.deepEqual(bed.ask({ isReport: false, begins: ['one', 'none'] }), { loads: [], begun: ['one'] });
  count(host, 1, 1, 2);
  const tracked = ['one', 'none'];
  assert.deepEqual(countsOf(bed.ask({ tracked }).loads), [{ success: 1, error: 1, active: 2, issued: 4 }]);
  assert.deepEqual(countsOf(bed.ask({ tracked }).loads), [{ success: 0, error: 0, active: 2, issued: 0 }]);
  host.rqActive = 0;
  host.rqSuccess += 2;
  assert.deepEqual(countsOf(bed.ask({ tracked }).loads), [{ success: 2, error: 0, active: 0, issued: 0 }]);
  assert.deepEqual(countsOf(bed.ask({ tracked }).loads), [0]);
});

test('all clusters but those that are known begin to count', () => {
  const bed = new Bed();
  for (const name of ['a', 'b', 'c']) count(hostOf(bed.set(name, [['r/z', [1]]]), 1), 1);
  assert.deepEqual(bed.ask({ tracked: ['b'], begins: null }).begun, ['a', 'c']);
  assert.deepEqual(countsOf(bed.ask({ tracked: ['a', 'b', 'c'] }).loads), [0, 0, 0]);
});

test('a host that went takes its counts along, and comes back without any', () => {
  const bed = new Bed();
  const places = (...addresses: number[]) => decodedCluster({ load_assignment: assignment([['r/z', addresses]]) });
  const cluster = bed.set('one', [['r/z', [1, 2]]]);
  bed.ask({ isReport: false, begins: null });
  count(hostOf(cluster, 1), 1);
  count(hostOf(cluster, 2), 10, 0, 3);
  cluster.setEndpoints(places(1).endpoints);
  assert.deepEqual(countsOf(bed.ask({ tracked: ['one'] }).loads), [{ success: 1, error: 0, active: 0, issued: 1 }]);
  cluster.setEndpoints(places(1, 2).endpoints);
  count(hostOf(cluster, 2), 1);
  assert.deepEqual(countsOf(bed.ask({ tracked: ['one'] }).loads), [{ success: 1, error: 0, active: 0, issued: 1 }]);
});

test('another version of a cluster begins anew', () => {
  const bed = new Bed();
  const before = bed.set('one', [['r/z', [1]]]);
  before.codes.dropped = 7;
  count(hostOf(before, 1), 9);
  bed.ask({ isReport: false, begins: null });
  const after = bed.set('one', [['r/z', [1]]], { connect_timeout: '2s' });
  count(hostOf(after, 1), 2);
  after.codes.dropped = 1;
  const [load] = bed.ask({ tracked: ['one'] }).loads;
  assert.deepEqual(countsOf(load === undefined ? [] : [load]), [{ success: 2, error: 0, active: 0, issued: 2 }]);
  assert.equal(load?.dropped, 1);
  assert.equal(bed.ask({ tracked: ['one'] }).loads[0]?.dropped, 0);
});

test('requests that a policy refuses are told apart, by its last category', () => {
  const bed = new Bed();
  const policy = { drop_overloads: [{ category: 'rain', drop_percentage: { numerator: 10 } }] };
  const cluster = bed.set('one', [], { load_assignment: { cluster_name: 'one', policy } });
  assert.equal(cluster.dropRatio, 0.1);
  bed.ask({ isReport: false, begins: null });
  cluster.codes.dropped = 5;
  cluster.codes.droppedByPolicy = 2;
  cluster.setEndpoints({ endpoints: [], overprovisioningFactor: 140 });
  assert.equal(cluster.dropRatio, 0);
  const sum = new LoadSum();
  for (const load of bed.ask({ tracked: ['one'] }).loads) sum.add(load, false);
  const { total_dropped_requests, dropped_requests } = sum.statsOf('one', 1, null) ?? {};
  assert.equal(total_dropped_requests, 5);
  assert.deepEqual(dropped_requests, [{ category: 'rain', dropped_count: 2 }]);
});

test('many clusters come in pieces', () => {
  const bed = new Bed();
  const names = Array.from({ length: 450 }, (_, i) => `c${i}`);
  for (const name of names) bed.set(name, []);
  const whole = { tracked: names, isReport: true, begins: [], withHosts: false };
  const sizes = [...bed.book.answer(bed.table.all(), whole)].map(({ loads }) => loads.length);
  assert.deepEqual(sizes, [200, 200, 50]);
});

test('what endpoints say of themselves is told once, also from before', () => {
  const bed = new Bed();
  const names = ['cpu_utilization', 'named_metrics.*', 'named_metrics.a', 'nothing'];
  const host = hostOf(bed.set('one', [['r/z', [1]]], { lrs_report_endpoint_metrics: names }), 1);
  assert.ok(host instanceof MeteredHost);
  const say = (text: string, of: object): void => {
    const headers = new Headers();
    headers.add(headerKey('endpoint-load-metrics'), text);
    host.hear(headers, of as never);
  };
  const request = {};
  say('TEXT nonsense', request);
  say('TEXT named_metrics.a=1, named_metrics.b=2', request);
  // The next try of the same request.
  say('TEXT named_metrics.a=100', request);
  say('TEXT cpu_utilization=0.5', {});
  bed.ask({ isReport: false, begins: null });
  const [load] = bed.ask({ tracked: ['one'], withHosts: true }).loads;
  const metrics = [
    { name: 'cpu_utilization', count: 2, total: 0.5 },
    { name: 'named_metrics.a', count: 2, total: 2 },
    { name: 'named_metrics.b', count: 1, total: 2 },
  ];
  assert.deepEqual(load?.localities[0]?.metrics, metrics);
  assert.deepEqual(load?.localities[0]?.hosts[0]?.metrics, metrics);
  assert.deepEqual(bed.ask({ tracked: ['one'] }).loads[0]?.localities, []);
  for (let i = 0; i < 2000; i++) say(`TEXT named_metrics.${i}=1`, {});
  assert.equal(bed.ask({ tracked: ['one'] }).loads[0]?.localities[0]?.metrics.length, 1000);
});

test('threads are added up; the own locality comes first', () => {
  const places: Place[] = [
    ['z/1', [1]],
    ['m/2', [2]],
    ['m/1', [3]],
    ['a/1', [4], 1],
  ];
  const sum = new LoadSum();
  for (const isLate of [false, true]) {
    const bed = new Bed();
    const cluster = bed.set('one', places);
    bed.ask({ isReport: false, begins: null });
    for (const [i, last] of [1, 2, 3, 4].entries()) count(hostOf(cluster, last), i + 1, 0, 1);
    cluster.codes.dropped = 3;
    for (const load of bed.ask({ tracked: ['one'], withHosts: true }).loads) sum.add(load, isLate);
  }
  const stats = sum.statsOf('one', 1234.5678, { region: 'm', zone: '2', subZone: '' });
  const counts = (success: number) => ({
    ...{ total_successful_requests: success, total_error_requests: 0 },
    ...{ total_requests_in_progress: 1, total_issued_requests: success + 2 },
  });
  const place = (region: string, zone: string, last: number, success: number, priority = 0) => ({
    ...{ locality: { region, zone }, priority, ...counts(success) },
    upstream_endpoint_stats: [
      { address: { socket_address: { address: `127.0.0.${last}`, port_value: 80 } }, ...counts(success) },
    ],
  });
  assert.deepEqual(stats, {
    cluster_name: 'one',
    upstream_locality_stats: [
      place('m', '2', 2, 4),
      place('m', '1', 3, 6),
      place('z', '1', 1, 2),
      place('a', '1', 4, 8, 1),
    ],
    total_dropped_requests: 6,
    load_report_interval: { seconds: 1, nanos: 234_568_000 },
  });
  assert.equal(sum.statsOf('two', 1, null), null);
});
