// Clusters for Heddle's own proxy.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withinHeddle } from './heddle.ts';
import type { NamedCluster } from './outbound.ts';

const base: NamedCluster = { name: 'a', type: 'EDS', connect_timeout: { seconds: 1, nanos: 0 } };

it('leaves out what the proxy would refuse', () => {
  const ring = { ...base, lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 1024 } };
  assert.deepEqual(withinHeddle(ring as NamedCluster), { ...base, lb_policy: 'LEAST_REQUEST' });
});

it('leaves others as they are', () => {
  const cluster = { ...base, lb_policy: 'RANDOM', least_request_lb_config: { choice_count: 3 } } as NamedCluster;
  assert.deepEqual(withinHeddle(cluster), cluster);
  const slow = { ...base, lb_policy: 'ROUND_ROBIN', round_robin_lb_config: { slow_start_config: {} } } as NamedCluster;
  assert.deepEqual(withinHeddle(slow), slow);
  const outliers = { ...base, outlier_detection: { consecutive_5xx: 3 } } as NamedCluster;
  assert.deepEqual(withinHeddle(outliers), outliers);
});
