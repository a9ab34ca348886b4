// How long health_check remembers an answer, and what it makes of the hosts of clusters.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, reasonsOf, responseHeaders } from '../../../../test/support/filter-harness.ts';
import { H } from '../../../wire/header-names.ts';
import type { ClusterManager } from '../../cluster/cluster.ts';
import { makeHealthCheck } from './health-check.ts';

type Hosts = readonly { readonly isHealthy: boolean }[];
const HEADERS = [{ name: ':path', string_match: { exact: '/healthz' } }];

function make(message: object, hosts: Readonly<Record<string, Hosts>> = {}): FilterHarness {
  const found = (name: string): unknown => (hosts[name] === undefined ? null : { hosts: hosts[name] });
  const clusters = { get: found } as unknown as ClusterManager;
  const factory = makeHealthCheck({ clusters, node: { cluster: 'here' } });
  return new FilterHarness(factory, { headers: HEADERS, ...message });
}

/** 'passed', or the details of the filter's own reply with its status. */
function check(harness: FilterHarness, status = 200, ...lines: string[]): string {
  const stream = harness.request('/healthz');
  if (stream.decodeHeaders() === 'continue') {
    stream.encodeHeaders(responseHeaders(status, lines));
    return 'passed';
  }
  const isDegraded = stream.replyHeaders?.has(H['x-envoy-degraded']) === true;
  return `${stream.reply?.status} ${stream.reply?.details}${isDegraded ? ' degraded' : ''}`;
}

test('an answer is remembered until its period ends; periods begin with the filter', () => {
  const harness = make({ pass_through_mode: true, cache_time: { seconds: 1, nanos: 0 } });
  harness.clock.advance(900);
  assert.equal(check(harness), 'passed');
  harness.clock.advance(99);
  assert.equal(check(harness), '200 health_check_cached');
  harness.clock.advance(1);
  assert.equal(check(harness, 404), 'passed');
  assert.equal(check(harness), '404 health_check_cached');
  harness.clock.advance(1000);
  assert.equal(check(harness), 'passed');
});

test('what is answered from memory does not live longer by it', () => {
  const harness = make({ pass_through_mode: true, cache_time: { seconds: 1, nanos: 0 } });
  assert.equal(check(harness), 'passed');
  for (let i = 0; i < 4; i++) {
    harness.clock.advance(240);
    assert.equal(check(harness), '200 health_check_cached');
  }
  harness.clock.advance(40);
  assert.equal(check(harness), 'passed');
});

test('what was degraded is so from memory, too', () => {
  const harness = make({ pass_through_mode: true, cache_time: { seconds: 1, nanos: 0 } });
  assert.equal(check(harness, 200, 'x-envoy-degraded: why'), 'passed');
  assert.equal(check(harness), '200 health_check_cached degraded');
  assert.equal(check(harness), '200 health_check_cached degraded');
});

test('each filter remembers for itself', () => {
  const config = { pass_through_mode: true, cache_time: { seconds: 1, nanos: 0 } };
  const [one, other] = [make(config), make(config)];
  assert.equal(check(one, 503), 'passed');
  assert.equal(check(other), 'passed');
  assert.equal(check(one), '503 health_check_cached');
  assert.equal(check(other), '200 health_check_cached');
});

test('other requests neither ask nor fill the memory', () => {
  const harness = make({ pass_through_mode: true, cache_time: { seconds: 1, nanos: 0 } });
  const stream = harness.request('/other');
  assert.equal(stream.decodeHeaders(), 'continue');
  const headers = stream.encodeHeaders(responseHeaders(500));
  assert.equal(headers.status, 500);
  assert.equal(check(harness), 'passed');
});

test('the share of healthy hosts, at its bound', () => {
  const hosts = (healthy: number, all: number): Hosts =>
    Array.from({ length: all }, (_, i) => ({ isHealthy: i < healthy }));
  const judge = (percent: number, of: Hosts): string =>
    check(make({ cluster_min_healthy_percentages: { c: { value: percent } } }, { c: of }));
  assert.equal(judge(50, hosts(1, 2)), '200 health_check_ok_cluster_healthy');
  assert.equal(judge(50.1, hosts(1, 2)), '503 health_check_failed_cluster_unhealthy');
  assert.equal(judge(33, hosts(1, 3)), '200 health_check_ok_cluster_healthy');
  assert.equal(judge(34, hosts(1, 3)), '503 health_check_failed_cluster_unhealthy');
  assert.equal(judge(0, hosts(0, 3)), '200 health_check_ok_cluster_healthy');
  assert.equal(judge(0, []), '200 health_check_ok_cluster_healthy');
  assert.equal(judge(1, []), '503 health_check_failed_cluster_empty');
  const none = make({ cluster_min_healthy_percentages: { gone: { value: 0 } } });
  assert.equal(check(none), '503 health_check_failed_no_cluster_found');
});

test('a cache needs somebody who fills it', () => {
  const { factory } = make({});
  const reasons = (message: object): string[] => reasonsOf((d) => factory.decode(message as never, d));
  const time = (seconds: number, nanos: number): object => ({ cache_time: { seconds, nanos } });
  assert.equal(reasons(time(1, 0)).length, 1);
  assert.deepEqual(reasons(time(0, 999_999)), []);
  assert.deepEqual(reasons({ pass_through_mode: true, ...time(-1, 0) }), ['cache_time: must not be negative']);
});
