// Tests the timeouts of a request against the rules of its route and headers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeRoute } from '../../../../../test/support/router-harness.ts';
import { requestHeaders } from '../../../../../test/support/filter-harness.ts';
import type { ForwardAction } from '../../../route/route.ts';
import type { RouterConfig } from './router-config.ts';
import { grpcTimeout, parseGrpcTimeout } from '../../../../wire/grpc/timeout.ts';
import { expectedTimeout, readTimeouts, timeouts } from './timeouts.ts';

const CONFIG: RouterConfig = {
  dynamicStats: true,
  suppressEnvoyHeaders: false,
  respectExpectedTimeout: false,
  suppressGrpcCodeStats: false,
  strictCheckHeaders: [],
  upstreamFilters: null,
  upstreamLog: null,
};

function read(
  lines: readonly string[],
  perTry = 0,
  change: Partial<ForwardAction> = {},
  isGrpc = false,
  config = CONFIG,
) {
  const forward = makeRoute({ forward: change }).forward as ForwardAction;
  const headers = requestHeaders('/', lines);
  readTimeouts(forward, headers, perTry, 0, isGrpc, config);
  return { global: timeouts.global, perTry: timeouts.perTry, left: headers.count };
}

test('headers override the route and are removed', () => {
  assert.deepEqual(read([]), { global: 15_000, perTry: 0, left: 0 });
  assert.deepEqual(read(['x-envoy-upstream-rq-timeout-ms: 100']), { global: 100, perTry: 0, left: 0 });
  assert.deepEqual(read(['x-envoy-upstream-rq-timeout-ms: never']), { global: 15_000, perTry: 0, left: 0 });
  assert.deepEqual(read(['x-envoy-upstream-rq-per-try-timeout-ms: 5'], 7), { global: 15_000, perTry: 5, left: 0 });
});

test('a per-try timeout that is not shorter than the whole is none, unless the whole has none', () => {
  assert.equal(read([], 15_000).perTry, 0);
  assert.equal(read(['x-envoy-upstream-rq-timeout-ms: 0'], 20_000).perTry, 20_000);
  assert.equal(read([], 0, { hasStreamDuration: true }).global, 0);
});

test('respect_expected_rq_timeout', () => {
  const config = { ...CONFIG, respectExpectedTimeout: true };
  const lines = ['x-envoy-expected-rq-timeout-ms: 50', 'x-envoy-upstream-rq-timeout-ms: 100'];
  assert.equal(read(lines, 0, {}, false, config).global, 50);
  assert.equal(read(lines.slice(1), 0, {}, false, config).global, 100);
});

test('max_grpc_timeout', () => {
  const grpc = (lines: readonly string[], change: Partial<ForwardAction>): number =>
    read(lines, 0, change, true).global;
  assert.equal(grpc(['grpc-timeout: 3S'], { maxGrpcTimeoutMs: 0 }), 3000);
  assert.equal(grpc(['grpc-timeout: 3S'], { maxGrpcTimeoutMs: 1000 }), 1000);
  assert.equal(grpc([], { maxGrpcTimeoutMs: 1000 }), 1000);
  assert.equal(grpc(['grpc-timeout: 3S'], { maxGrpcTimeoutMs: 0, grpcTimeoutOffsetMs: 500 }), 2500);
  assert.equal(grpc(['grpc-timeout: 3S'], {}), 15_000);
});

test('what the upstream is told to expect', () => {
  assert.equal(expectedTimeout(1000, 0, 0), 1000);
  assert.equal(expectedTimeout(1000, 200, 0), 200);
  assert.equal(expectedTimeout(1000, 200, 900), 100);
  assert.equal(expectedTimeout(1000, 0, 1000), 1);
  assert.equal(expectedTimeout(0, 200, 5000), 200);
  assert.equal(expectedTimeout(0, 0, 0), 0);
});

test('grpc-timeout', () => {
  const cases: readonly [string, number][] = [
    ['1H', 3_600_000], ['2M', 120_000], ['3S', 3000], ['4m', 4], ['5u', 1], ['6n', 1],
    ['', 0], ['S', 0], ['123456789S', 0], ['1s', 0],
  ]; // biome-ignore format: a table.
  for (const [text, ms] of cases) assert.equal(parseGrpcTimeout(text), ms, text);
  assert.equal(grpcTimeout(1500), '1500m');
  assert.equal(grpcTimeout(1e9), '1000000S');
});
