// Tests which hosts the load balancers choose: how often, in which order, and which of several priorities.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeRuntime } from '../../../../test/support/filter-harness.ts';
import { clusterConfig, endpoint, RouterHarness } from '../../../../test/support/router-harness.ts';
import { Random } from '../../../base/clock.ts';
import type { LoadBalancerContext } from '../cluster.ts';
import type { ClusterConfig, EndpointConfig, LoadBalancerConfig } from '../cluster-config.ts';
import type { ClusterEntry } from '../cluster-entry.ts';
import type { PriorityLoad } from '../priority-set.ts';
import { EdfScheduler } from './edf.ts';
import { PriorityLoadBalancer } from './load-balancer.ts';

const DRAWS = 10_000;

function setUp(endpoints: readonly EndpointConfig[], change: Partial<ClusterConfig> = {}) {
  const h = new RouterHarness([clusterConfig({ endpoints: { endpoints, overprovisioningFactor: 140 }, ...change })]);
  const cluster = h.clusters.get('up');
  assert.ok(cluster);
  const random = new Random(11);
  const context: LoadBalancerContext = {
    hash: null,
    random,
    requestHeaders: null,
    connection: null,
    info: null,
    hostSelectionMaxAttempts: 0,
    shouldSelectAnother: () => false,
  };
  const pick = (): number => cluster.lb.chooseHost(context)?.address.port ?? 0;
  /** Share of each port in per cent. */
  const shares = (): Record<number, number> => {
    const counts: Record<number, number> = {};
    for (let i = 0; i < DRAWS; i++) {
      const port = pick();
      counts[port] = (counts[port] ?? 0) + 1;
    }
    for (const port of Object.keys(counts)) counts[Number(port)] = (100 * (counts[Number(port)] as number)) / DRAWS;
    return counts;
  };
  return { h, cluster, context, pick, shares };
}

function loadOf(cluster: ClusterEntry): PriorityLoad {
  assert.ok(cluster.lb instanceof PriorityLoadBalancer);
  return cluster.lb.load;
}

function near(actual: number | undefined, expected: number, what: string): void {
  assert.ok(Math.abs((actual ?? 0) - expected) < 2, `${what}: ${actual} is not about ${expected}`);
}

function ports(count: number): EndpointConfig[] {
  return Array.from({ length: count }, (_, i) => endpoint(i + 1));
}

test('round robin takes hosts in turn, wherever it starts', () => {
  const { pick } = setUp(ports(3));
  const first = pick();
  for (let i = 1; i < 9; i++) assert.equal(pick(), ((first - 1 + i) % 3) + 1);
});

test('weighted round robin is exact over one cycle and mixes well', () => {
  const { pick, shares } = setUp([endpoint(1, { weight: 3 }), endpoint(2, { weight: 1 })]);
  let longest = 0;
  let run = 0;
  for (let i = 0; i < 40; i++) {
    run = pick() === 1 ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  assert.ok(longest <= 4, `${longest} in a row`);
  assert.deepEqual(shares(), { 1: 75, 2: 25 });
});

test('random is even', () => {
  const { shares } = setUp(ports(4), { lb: { kind: 'random' } });
  const result = shares();
  for (const port of [1, 2, 3, 4]) near(result[port], 25, String(port));
});

const LEAST = {
  kind: 'least-request',
  choiceCount: 2,
  isFullScan: false,
  activeRequestBias: 1,
  biasRuntimeKey: '',
} as const satisfies LoadBalancerConfig;

test('least request takes the less busy of two', () => {
  const { cluster, shares } = setUp(ports(2), { lb: LEAST });
  const busy = cluster.hosts[0];
  assert.ok(busy);
  busy.rqActive = 5;
  // The busy one is chosen only when it was drawn twice.
  near(shares()[1], 25, 'busy host');
});

test('a full scan takes the least busy of all, and any of equals', () => {
  const { cluster, pick, shares } = setUp([endpoint(1), endpoint(2), endpoint(3), endpoint(4)], {
    lb: { ...LEAST, isFullScan: true },
  });
  for (const host of cluster.hosts) host.rqActive = host.address.port === 3 ? 1 : 2;
  for (let i = 0; i < 100; i++) assert.equal(pick(), 3);
  for (const host of cluster.hosts) host.rqActive = host.address.port > 2 ? 5 : 7;
  near(shares()[3], 50, 'one of two equals');
});

test('least request with weights divides them by active requests', () => {
  const { cluster, shares } = setUp([endpoint(1, { weight: 2 }), endpoint(2, { weight: 1 })], { lb: LEAST });
  near(shares()[1], 66.7, 'idle');
  const first = cluster.hosts[0];
  assert.ok(first);
  first.rqActive = 3;
  near(shares()[1], 33.3, 'busy');
});

test('unhealthy hosts are left out until too few are healthy', () => {
  const health = { health: 'UNHEALTHY' } as const;
  const { h, shares } = setUp([...ports(2), endpoint(3, health)]);
  assert.deepEqual(Object.keys(shares()), ['1', '2']);
  const panic = setUp([endpoint(1), endpoint(2, health), endpoint(3, health)]);
  assert.deepEqual(Object.keys(panic.shares()), ['1', '2', '3']);
  assert.equal(panic.h.stat('cluster.up.lb_healthy_panic'), DRAWS);
  assert.equal(h.stat('cluster.up.lb_healthy_panic'), 0);
  const failing = setUp([endpoint(1), endpoint(2, health), endpoint(3, health)], { failTrafficOnPanic: true });
  assert.equal(failing.pick(), 0);
});

test('priorities: load spills over when a priority cannot bear it', async (t) => {
  /** Healthy of all hosts per priority → expected share per priority. Source: Envoy "Priority levels". */
  const cases: readonly [readonly [number, number][], readonly number[]][] = [
    [[[10, 10], [10, 10]], [100, 0]],
    [[[7, 10], [10, 10]], [98, 2]],
    [[[5, 10], [10, 10]], [70, 30]],
    [[[0, 10], [10, 10]], [0, 100]],
    [[[2, 10], [2, 10]], [50, 50]],
    [[[0, 10], [0, 10]], [50, 50]],
  ]; // biome-ignore format: a table.
  for (const [levels, expected] of cases) {
    await t.test(JSON.stringify(levels), () => {
      const endpoints = levels.flatMap(([healthy, total], priority) =>
        Array.from({ length: total }, (_, i) =>
          endpoint(100 * priority + i + 1, { priority, health: i < healthy ? 'HEALTHY' : 'UNHEALTHY' }),
        ),
      );
      const { cluster, shares } = setUp(endpoints);
      assert.deepEqual(loadOf(cluster).healthy, expected);
      const perPriority = [0, 0];
      for (const [port, share] of Object.entries(shares())) {
        perPriority[Number(port) > 100 ? 1 : 0]! += share;
      }
      for (const [i, share] of expected.entries()) near(perPriority[i], share, `priority ${i}`);
    });
  }
});

test('degraded hosts serve when the healthy ones cannot bear the load', () => {
  const { cluster, shares } = setUp([endpoint(1), endpoint(2, { health: 'DEGRADED' })]);
  assert.deepEqual(loadOf(cluster).healthy, [70]);
  assert.deepEqual(loadOf(cluster).degraded, [30]);
  near(shares()[2], 30, 'degraded');
});

test('localities by weight', () => {
  const at = (zone: string, localityWeight: number): Partial<EndpointConfig> => ({
    locality: { region: 'r', zone, subZone: '' },
    localityWeight,
  });
  const endpoints = [endpoint(1, at('a', 1)), endpoint(2, at('b', 3)), endpoint(3, at('b', 3))];
  const { shares } = setUp(endpoints, { localityWeighted: true });
  const result = shares();
  near(result[1], 25, 'a');
  near(result[2], 37.5, 'b');
  near(result[3], 37.5, 'b');
});

test('a host that is not wanted is passed over, as often as allowed', () => {
  const { cluster, context } = setUp(ports(2));
  const choose = (attempts: number): number | undefined =>
    cluster.lb.chooseHost({
      ...context,
      hostSelectionMaxAttempts: attempts,
      shouldSelectAnother: (host) => host.address.port === 1,
    })?.address.port;
  for (let i = 0; i < 6; i++) assert.equal(choose(1), 2);
});

test('hosts keep their counts over an update of endpoints', () => {
  const { cluster, h } = setUp(ports(2));
  const kept = cluster.hosts[1];
  assert.ok(kept);
  kept.rqTotal = 9;
  cluster.setEndpoints({ endpoints: [endpoint(2, { weight: 5 }), endpoint(3)], overprovisioningFactor: 140 });
  assert.equal(cluster.hosts[0], kept);
  assert.equal(kept.weight, 5);
  assert.equal(h.stat('cluster.up.membership_total'), 2);
  assert.equal(h.stat('cluster.up.membership_change'), 2);
  cluster.setEndpoints({ endpoints: [endpoint(2), endpoint(3)], overprovisioningFactor: 140 });
  assert.equal(h.stat('cluster.up.membership_change'), 2);
});

test('maintenance mode is drawn from runtime', () => {
  const { cluster, h } = setUp(ports(1));
  assert.ok(!cluster.isInMaintenance());
  (h.runtime as FakeRuntime).values.set('upstream.maintenance_mode.up', 100);
  assert.ok(cluster.isInMaintenance());
});

test('earliest deadline first keeps the order of insertion among equals', () => {
  const edf = new EdfScheduler<string>();
  for (const item of ['a', 'b', 'c']) edf.add(1, item);
  const picked = Array.from({ length: 6 }, () => edf.pick(() => 1));
  assert.deepEqual(picked, ['a', 'b', 'c', 'a', 'b', 'c']);
  assert.equal(
    new EdfScheduler<string>().pick(() => 1),
    null,
  );
});
