// Tests DNS clusters over a fake resolver: hosts that come, stay and go, refresh rates, and when a cluster is ready.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig, endpoint, RouterHarness } from '../../../../test/support/router-harness.ts';
import { DEFAULT_RESOLVER } from '../../../net/resolver/resolver.ts';
import type { ClusterConfig, DnsDiscoveryConfig, DnsName } from '../cluster-config.ts';

function name(text: string, change: Partial<DnsName['endpoint']> = {}): DnsName {
  const { address: _address, ...rest } = endpoint(0, { hostname: text, ...change });
  return { name: text, port: 80, endpoint: rest };
}

function dns(change: Partial<DnsDiscoveryConfig> = {}, cluster: Partial<ClusterConfig> = {}): ClusterConfig {
  return clusterConfig({
    endpoints: { endpoints: [], overprovisioningFactor: 140 },
    discovery: {
      kind: 'DNS',
      isLogical: false,
      names: [name('a.test')],
      family: 'V4_ONLY',
      refreshMs: 5000,
      failureBaseMs: 0,
      failureMaxMs: 0,
      respectTtl: false,
      minRefreshMs: 0,
      jitterMs: 0,
      waitsForFirst: true,
      resolver: DEFAULT_RESOLVER,
      ...change,
    },
    ...cluster,
  });
}

function setUp(config: ClusterConfig) {
  const h = new RouterHarness([config]);
  const hosts = (): string[] => h.clusters.get('up')?.hosts.map((host) => host.name) ?? [];
  const stat = (stat: string): number => h.stat(`cluster.up.${stat}`);
  return { h, hosts, stat, resolver: h.resolver };
}

test('the addresses of a name are hosts, and those that stay are the same hosts', () => {
  const { h, hosts, stat, resolver } = setUp(dns());
  assert.deepEqual(hosts(), []);
  resolver.answer(['10.0.0.1', '10.0.0.2', '10.0.0.1']);
  assert.deepEqual(hosts(), ['10.0.0.1:80', '10.0.0.2:80']);
  const kept = h.clusters.get('up')?.hosts[1];
  assert.equal(kept?.hostname, 'a.test');
  h.clock.advance(4990);
  assert.equal(resolver.asked.length, 0);
  h.clock.advance(20);
  resolver.answer(['10.0.0.3', '10.0.0.2']);
  assert.deepEqual(hosts(), ['10.0.0.3:80', '10.0.0.2:80']);
  assert.equal(h.clusters.get('up')?.hosts[1], kept);
  h.clock.advance(5004);
  resolver.answer(['10.0.0.2', '10.0.0.3']);
  assert.deepEqual(hosts(), ['10.0.0.3:80', '10.0.0.2:80'], 'another order changes nothing');
  assert.equal(stat('update_attempt'), 3);
  assert.equal(stat('update_success'), 3);
  assert.equal(stat('update_no_rebuild'), 1);
  assert.equal(stat('membership_change'), 2);
  assert.equal(stat('membership_total'), 2);
  assert.equal(stat('default.total_match_count'), 6);
});

test('a failure keeps the hosts, an empty answer takes them', () => {
  const { h, hosts, stat, resolver } = setUp(dns());
  resolver.answer(['10.0.0.1']);
  h.clock.advance(5004);
  resolver.answer(null);
  assert.deepEqual(hosts(), ['10.0.0.1:80']);
  h.clock.advance(5004);
  resolver.answer([]);
  assert.deepEqual(hosts(), []);
  assert.equal(stat('update_failure'), 1);
  assert.equal(stat('update_empty'), 0);
  assert.equal(stat('membership_total'), 0);
});

test('failures back off below a bound that doubles, until a success', () => {
  const { h, resolver } = setUp(dns({ failureBaseMs: 100, failureMaxMs: 400 }));
  const delays: number[] = [];
  for (let i = 0; i < 40; i++) {
    resolver.answer(null);
    let waitedMs = 0;
    for (; resolver.asked.length === 0; waitedMs += 4) h.clock.advance(4);
    delays.push(waitedMs);
  }
  assert.ok((delays[0] as number) <= 104);
  assert.ok((delays[1] as number) <= 204);
  assert.ok(Math.max(...delays) <= 404);
  assert.ok(Math.max(...delays) > 204);
  assert.ok(new Set(delays).size > 10, 'they are drawn');
});

test('the TTL may decide when to ask again, within a minimum and with jitter', () => {
  const asksAfter = (change: Partial<DnsDiscoveryConfig>, ttlS: number): number => {
    const { h, resolver } = setUp(dns({ respectTtl: true, ...change }));
    resolver.answer(['10.0.0.1'], ttlS);
    let waitedMs = 0;
    for (; resolver.asked.length === 0; waitedMs += 4) h.clock.advance(4);
    return waitedMs;
  };
  assert.equal(asksAfter({}, 2), 2000);
  assert.equal(asksAfter({}, 0), 5000, 'a TTL of 0 says nothing');
  assert.equal(asksAfter({ minRefreshMs: 3000 }, 2), 3000);
  assert.equal(asksAfter({ respectTtl: false }, 2), 5000);
  const jittered = asksAfter({ jitterMs: 1000 }, 2);
  assert.ok(jittered > 2000 && jittered <= 3004);
});

test('each name has endpoints of its own, with their priority, weight and locality', () => {
  const { h, resolver } = setUp(
    dns({ names: [name('a.test', { weight: 3 }), name('b.test', { priority: 1 }), name('c.test')] }),
  );
  resolver.answer(['10.0.0.1']);
  resolver.answer(['10.0.0.1', '10.0.0.2']);
  resolver.answer(['10.0.0.1']);
  const hosts = h.clusters.get('up')?.hosts.map((host) => [host.name, host.hostname, host.weight, host.priority]);
  assert.deepEqual(hosts, [
    ['10.0.0.1:80', 'a.test', 3, 0],
    ['10.0.0.1:80', 'b.test', 1, 1],
    ['10.0.0.2:80', 'b.test', 1, 1],
    ['10.0.0.1:80', 'c.test', 1, 0],
  ]);
});

test('a logical host has all addresses, and is a new host when they change', () => {
  const { h, hosts, stat, resolver } = setUp(dns({ isLogical: true }));
  resolver.answer(['10.0.0.1', '10.0.0.2']);
  const first = h.clusters.get('up')?.hosts[0];
  assert.deepEqual(hosts(), ['10.0.0.1:80']);
  assert.deepEqual(
    first?.furtherAddresses?.map((address) => address.address),
    ['10.0.0.2'],
  );
  for (const failure of [null, []]) {
    h.clock.advance(5004);
    resolver.answer(failure);
    assert.equal(h.clusters.get('up')?.hosts[0], first, 'nothing new is no reason to lose it');
  }
  h.clock.advance(5004);
  resolver.answer(['10.0.0.1']);
  assert.deepEqual(hosts(), ['10.0.0.1:80']);
  assert.notEqual(h.clusters.get('up')?.hosts[0], first);
  assert.equal(stat('update_failure'), 2);
  assert.equal(stat('membership_change'), 2);
  assert.equal(stat('default.total_match_count'), 2);
});

test('the table is initialised with the first answer of every cluster, whatever it is', () => {
  const a = dns({}, { name: 'a', statName: 'a' });
  const b = dns({ names: [name('b.test'), name('c.test')] }, { name: 'b', statName: 'b' });
  const lazy = dns({ waitsForFirst: false }, { name: 'c', statName: 'c' });
  const h = new RouterHarness([a, b, lazy, clusterConfig({ name: 's' })]);
  let initialized = 0;
  h.clusters.whenInitialized(() => initialized++);
  h.resolver.answer(null);
  assert.equal(initialized, 0);
  h.resolver.answer(['10.0.0.1']);
  assert.equal(initialized, 1);
  h.clusters.whenInitialized(() => initialized++);
  assert.equal(initialized, 2);
  assert.equal(h.stat('cluster_manager.cluster_updated'), 0);
  h.resolver.answer(['10.0.0.2']);
  assert.equal(h.stat('cluster_manager.cluster_updated'), 1);
});

test('after the start a new version warms beside the old one', () => {
  const { h, hosts, resolver } = setUp(dns());
  h.clusters.whenInitialized(() => {});
  resolver.answer(['10.0.0.1']);
  h.clusters.set(dns({ names: [name('b.test')] }));
  assert.equal(h.stat('cluster_manager.warming_clusters'), 1);
  assert.equal(h.stat('cluster.up.warming_state'), 1);
  assert.deepEqual(hosts(), ['10.0.0.1:80']);
  resolver.answer(['10.0.0.2']);
  assert.deepEqual(hosts(), ['10.0.0.2:80']);
  assert.equal(h.stat('cluster_manager.warming_clusters'), 0);
  h.clock.advance(20_000);
  assert.deepEqual(
    resolver.asked.map((asked) => asked.name),
    ['b.test'],
    'nobody asks for the old name any more',
  );
});

test('the last cluster of a resolver closes it', () => {
  const h = new RouterHarness([dns({}, { name: 'a' }), dns({}, { name: 'b' })]);
  h.clusters.remove('a');
  assert.equal(h.resolver.isClosed, false);
  h.clusters.remove('b');
  assert.equal(h.resolver.isClosed, true);
});

test('a cluster that goes cancels its question', () => {
  const { h, resolver } = setUp(dns());
  h.clusters.remove('up');
  assert.equal(resolver.asked[0]?.isCancelled, true);
  h.clock.advance(20_000);
  assert.equal(resolver.asked.length, 1);
});
