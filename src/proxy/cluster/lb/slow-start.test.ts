// Tests how much load a host gets that has just come: by its age, aggression and least weight.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig, endpoint, RouterHarness } from '../../../../test/support/router-harness.ts';
import { Random } from '../../../base/clock.ts';
import type { LoadBalancerContext } from '../cluster.ts';
import type { EndpointConfig, SlowStartConfig } from '../cluster-config.ts';

const DRAWS = 1100;
const WINDOW: SlowStartConfig = { windowMs: 10_000, aggression: 1, aggressionRuntimeKey: '', minWeight: 0.1 };

type Kind = 'round-robin' | 'least-request';

function setUp(slowStart: SlowStartConfig, endpoints: readonly EndpointConfig[], kind: Kind = 'round-robin') {
  const least = { choiceCount: 2, isFullScan: false, activeRequestBias: 1, biasRuntimeKey: '' };
  const lb = kind === 'round-robin' ? { kind, slowStart } : { kind, ...least, slowStart };
  const h = new RouterHarness([clusterConfig({ endpoints: { endpoints, overprovisioningFactor: 140 }, lb })]);
  const cluster = h.clusters.get('up');
  assert.ok(cluster);
  const context: LoadBalancerContext = {
    ...{ hash: null, random: new Random(3), requestHeaders: null, connection: null, info: null },
    ...{ hostSelectionMaxAttempts: 0, shouldSelectAnother: () => false },
  };
  return {
    h,
    setEndpoints: (...now: readonly EndpointConfig[]) =>
      cluster.setEndpoints({ endpoints: now, overprovisioningFactor: 140 }),
    /** How many of DRAWS requests the host of this port gets. */
    countOf(port: number): number {
      let count = 0;
      for (let i = 0; i < DRAWS; i++) if (cluster.lb.chooseHost(context)?.address.port === port) count++;
      return count;
    },
  };
}

/** The share of the second of two hosts of equal weights, which has so much of its own. */
function expected(factor: number): number {
  return (DRAWS * factor) / (1 + factor);
}

function near(actual: number, factor: number, what: string): void {
  assert.ok(Math.abs(actual - expected(factor)) <= 3, `${what}: ${actual} is not about ${expected(factor)}`);
}

for (const kind of ['round-robin', 'least-request'] as const) {
  test(`${kind}: a host that comes later gets more and more`, () => {
    const { h, setEndpoints, countOf } = setUp(WINDOW, [endpoint(1)], kind);
    h.clock.advance(20_000);
    setEndpoints(endpoint(1), endpoint(2));
    near(countOf(2), 0.1, 'at first');
    h.clock.advance(500);
    near(countOf(2), 0.1, 'below the least');
    h.clock.advance(4500);
    // The scheduler still holds one turn of the weight before.
    near(countOf(2), 0.5, 'half of the window');
    h.clock.advance(5000);
    near(countOf(2), 1, 'after the window');
  });
}

test('hosts that start together share as they would without', () => {
  const { countOf } = setUp(WINDOW, [endpoint(1), endpoint(2)]);
  near(countOf(2), 1, 'both of them new');
});

test('aggression bends the way up, and weights are scaled', () => {
  const { h, setEndpoints, countOf } = setUp({ ...WINDOW, aggression: 2, minWeight: 0 }, [endpoint(1, { weight: 2 })]);
  h.clock.advance(20_000);
  setEndpoints(endpoint(1, { weight: 2 }), endpoint(2, { weight: 2 }));
  h.clock.advance(2500);
  countOf(2);
  near(countOf(2), 0.5, 'a quarter of the window');
});

test('a host that stays does not start again; one that is not healthy has not started yet', () => {
  const { h, setEndpoints, countOf } = setUp(WINDOW, [endpoint(1), endpoint(2, { health: 'UNHEALTHY' })]);
  h.clock.advance(20_000);
  setEndpoints(endpoint(1), endpoint(2));
  near(countOf(2), 0.1, 'healthy now');
  h.clock.advance(20_000);
  setEndpoints(endpoint(1, { weight: 3 }), endpoint(2, { weight: 3 }));
  near(countOf(2), 1, 'changed alone');
});
