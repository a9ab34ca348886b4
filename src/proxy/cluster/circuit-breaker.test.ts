// Circuit breakers: limits and gauges of one worker, and of two that count together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocateSharedMemory, SharedMemory } from '../../base/shared-memory.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { LayeredRuntime } from '../runtime.ts';
import { flattenLayer, type RuntimeEntries } from '../runtime-values.ts';
import { Breaker, type BreakerCells, type BreakerLimits, DEFAULT_LIMITS } from './circuit-breaker.ts';

const PREFIX = 'cluster.a.';

function rig(limits: Partial<BreakerLimits>, cells: BreakerCells | null = null) {
  const stats = new StatStore();
  const breaker = new Breaker({ ...DEFAULT_LIMITS, ...limits }, 'DEFAULT', stats.scope(PREFIX, {}), cells);
  const stat = (name: string): number | undefined => stats.find(`${PREFIX}circuit_breakers.default.${name}`);
  return { breaker, stat };
}

/** Two workers of one process. */
function pairOfRigs(limits: Partial<BreakerLimits>) {
  const buffer = allocateSharedMemory(3);
  const worker = (owner: number) =>
    rig(limits, { shared: new SharedMemory(buffer, owner, 3), name: 'cluster a 0 breaker' });
  return { one: worker(1), two: worker(2), supervisor: new SharedMemory(buffer, 0, 3) };
}

test('a resource is open while it is used up, and the rest is shown where it is tracked', () => {
  const { breaker, stat } = rig({ maxConnections: 2, trackRemaining: true });
  assert.equal(stat('remaining_cx'), 2);
  breaker.connections.inc();
  assert.equal(breaker.connections.canCreate, true);
  breaker.connections.inc();
  assert.equal(breaker.connections.canCreate, false);
  assert.deepEqual([stat('cx_open'), stat('remaining_cx')], [1, 0]);
  breaker.connections.dec();
  assert.deepEqual([stat('cx_open'), stat('remaining_cx')], [0, 1]);
});

test('workers share a limit, and each shows the same gauges once it has refreshed them', () => {
  const { one, two } = pairOfRigs({ maxRequests: 3, trackRemaining: true });
  one.breaker.requests.inc();
  one.breaker.requests.inc();
  two.breaker.requests.inc();
  assert.equal(one.breaker.requests.canCreate, false);
  assert.equal(two.stat('rq_open'), 1);
  one.breaker.refresh();
  assert.deepEqual([one.stat('rq_open'), one.stat('remaining_rq')], [1, 0]);
  one.breaker.requests.dec();
  two.breaker.refresh();
  assert.deepEqual([two.stat('rq_open'), two.stat('remaining_rq')], [0, 1]);
  assert.equal(two.breaker.requests.canCreate, true);
});

test('a retry budget is a share of what all workers do', () => {
  const { one, two } = pairOfRigs({ retryBudget: { percent: 50, minConcurrency: 1 } });
  for (let i = 0; i < 3; i++) one.breaker.requests.inc();
  two.breaker.requests.inc();
  assert.equal(two.breaker.tryRetry(), true);
  assert.equal(one.breaker.tryRetry(), true);
  assert.equal(two.breaker.tryRetry(), false);
  one.breaker.releaseRetry();
  assert.equal(two.breaker.tryRetry(), true);
});

test('a released breaker counts into nothing, and its names are free', () => {
  const { one, two, supervisor } = pairOfRigs({ maxRetries: 1 });
  assert.equal(one.breaker.tryRetry(), true);
  assert.equal(two.breaker.tryRetry(), false);
  one.breaker.release();
  two.breaker.release();
  assert.equal(supervisor.size, 0);
  one.breaker.releaseRetry();
  assert.equal(supervisor.counter('cluster a 0 breaker.DEFAULT.rq_retry_open').value, 0);
});

test('a dead worker no longer uses up what all may have', () => {
  const { one, two, supervisor } = pairOfRigs({ maxConnections: 2 });
  one.breaker.connections.inc();
  one.breaker.connections.inc();
  assert.equal(two.breaker.connections.canCreate, false);
  supervisor.forget(1);
  assert.equal(two.breaker.connections.canCreate, true);
});

test('runtime values change limits, and their end gives the configured ones back', () => {
  const { breaker, stat } = rig({ maxRequests: 5, trackRemaining: true });
  const runtime = new LayeredRuntime();
  runtime.load([{ name: 'admin', kind: 'admin' }]);
  runtime.onChange = () => breaker.readRuntime(runtime, 'circuit_breakers.a.default.');
  const set = (key: string, value: number | null): void => {
    const entry = value === null ? null : (flattenLayer({ v: value }) as RuntimeEntries).get('v');
    runtime.modify(new Map([[`circuit_breakers.a.default.${key}`, entry ?? null]]));
  };
  breaker.requests.inc();
  set('max_requests', 1);
  assert.ok(!breaker.requests.canCreate);
  assert.equal(stat('rq_open'), 0);
  breaker.requests.inc();
  assert.equal(stat('rq_open'), 1);
  set('max_requests', null);
  assert.ok(breaker.requests.canCreate);
  breaker.requests.dec();
  assert.equal(stat('rq_open'), 0);
  assert.equal(stat('remaining_rq'), 4);
  set('retry_budget.min_retry_concurrency', 0);
  assert.ok(!breaker.tryRetry());
  assert.equal(stat('remaining_retries'), 0);
  set('retry_budget.budget_percent', 100);
  assert.ok(breaker.tryRetry());
  assert.ok(!breaker.tryRetry());
  set('retry_budget.min_retry_concurrency', null);
  assert.equal(breaker.maxRetries, 3);
  set('retry_budget.budget_percent', null);
  breaker.releaseRetry();
  assert.equal(stat('remaining_retries'), 3);
});
