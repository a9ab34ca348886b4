// Tests retries through the router: when there is one, what it sends again, and when there is none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterConfig,
  endpoint,
  type FakeRequest,
  makeRoute,
  RouterHarness,
  retryPolicy,
} from '../../../../../test/support/router-harness.ts';
import { requestHeaders, responseHeaders } from '../../../../../test/support/filter-harness.ts';
import { Random } from '../../../../base/clock.ts';
import { failure, type FailureCode } from '../../../../base/failure.ts';
import { DEFAULT_LIMITS } from '../../../cluster/circuit-breaker.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { RETRY_ON } from '../../../route/route.ts';
import { LayeredRuntime } from '../../../runtime.ts';
import { responseFlagsText } from '../../../stream-info.ts';
import { resetReason } from './reset-reason.ts';
import { parseRetryGrpcOn, parseRetryOn, RetryState } from './retry.ts';

const NO_VALUES = new LayeredRuntime();
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const NO = 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n';

function flags(request: FakeRequest): string {
  return responseFlagsText(request.info.flags);
}

function retrying(on: number, change: object = {}, numRetries = 2) {
  return makeRoute({
    forward: { retry: retryPolicy({ on, numRetries, ...change }) },
    virtualHost: {
      includeRequestAttemptCount: true,
      includeAttemptCountInResponse: true,
      includeIsTimeoutRetryHeader: true,
    },
  });
}

test('a retry after a bad response, with the body again', () => {
  const h = new RouterHarness();
  const request = h.request('POST /', [], { body: true, route: retrying(RETRY_ON['5xx']) });
  request.send('ab', false);
  const socket = h.dialer.accept();
  request.send('cd', true);
  assert.match(socket.take(), /x-envoy-attempt-count: 1\r\n.*2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n$/s);
  socket.feed(NO);
  assert.equal(request.status, 0);
  assert.equal(h.stat('cluster.up.circuit_breakers.default.rq_retry_open'), 0);
  h.clock.advance(28);
  const again = socket.take();
  assert.match(again, /x-envoy-attempt-count: 2\r\n/);
  assert.match(again, /x-envoy-is-timeout-retry: false\r\n/);
  assert.match(again, /2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n$/);
  socket.feed(OK);
  assert.equal(request.status, 200);
  assert.ok(request.lines.includes('x-envoy-attempt-count: 2'));
  assert.equal(h.stat('cluster.up.upstream_rq_retry'), 1);
  assert.equal(h.stat('cluster.up.upstream_rq_retry_success'), 1);
  assert.equal(h.stat('cluster.up.upstream_rq_retry_backoff_exponential'), 1);
  assert.equal(h.stat('cluster.up.retry.upstream_rq_503'), 1);
  assert.equal(h.stat('cluster.up.upstream_rq_503'), 0);
  assert.equal(h.stat('cluster.up.upstream_rq_200'), 1);
});

test('retries run out', () => {
  const h = new RouterHarness();
  const request = h.request('/', [], { route: retrying(RETRY_ON['connect-failure']) });
  for (let i = 0; i < 3; i++) {
    h.dialer.refuse();
    h.clock.advance(60);
  }
  assert.equal(request.status, 503);
  assert.equal(
    request.body,
    'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ' +
      'remote connection failure',
  );
  assert.equal(h.stat('cluster.up.upstream_rq_retry_limit_exceeded'), 1);
  assert.equal(h.stat('cluster.up.upstream_rq_retry'), 2);
  assert.deepEqual(flags(request).split(',').sort(), ['UF', 'URX']);
  assert.ok(request.lines.includes('x-envoy-attempt-count: 3'));
});

test('the last bad response is passed on when retries run out, and the connection of thrown away ones survives', () => {
  const h = new RouterHarness();
  const request = h.request('/', [], { route: retrying(RETRY_ON['5xx']) });
  const socket = h.dialer.accept();
  for (let i = 0; i < 3; i++) {
    socket.feed(NO);
    h.clock.advance(60);
  }
  assert.equal(request.status, 503);
  assert.equal(request.info.responseCodeDetails, 'via_upstream');
  assert.equal(flags(request), 'URX');
  assert.equal(h.stat('cluster.up.upstream_cx_total'), 1);
});

test('no retry without a free unit of the circuit breaker', () => {
  const none = { ...DEFAULT_LIMITS, maxRetries: 0 };
  const h = new RouterHarness([clusterConfig({ breakers: { DEFAULT: none, HIGH: none } })]);
  const request = h.request('/', [], { route: retrying(RETRY_ON['5xx']) });
  h.dialer.accept().feed(NO);
  assert.equal(request.status, 503);
  assert.equal(flags(request), 'UO');
  assert.equal(h.stat('cluster.up.upstream_rq_retry_overflow'), 1);
});

test('per-try timeout', () => {
  const h = new RouterHarness();
  const route = retrying(RETRY_ON['gateway-error'], { perTryTimeoutMs: 200 }, 1);
  const request = h.request('/', [], { route });
  const socket = h.dialer.accept();
  assert.match(socket.take(), /x-envoy-expected-rq-timeout-ms: 200\r\n/);
  h.clock.advance(204);
  assert.ok(socket.isClosed);
  h.clock.advance(60);
  const second = h.dialer.accept();
  assert.match(second.take(), /x-envoy-is-timeout-retry: true\r\n/);
  h.clock.advance(204);
  assert.equal(request.status, 504);
  assert.equal(request.info.responseCodeDetails, 'upstream_per_try_timeout');
  assert.equal(h.stat('cluster.up.upstream_rq_per_try_timeout'), 2);
  assert.equal(h.clusters.get('up')?.hosts[0]?.rqTimeout, 2);
});

test('per-try idle timeout starts again with every event', () => {
  const h = new RouterHarness();
  const route = retrying(0, { perTryIdleTimeoutMs: 100 });
  const request = h.request('/', [], { route });
  const socket = h.dialer.accept();
  h.clock.advance(80);
  socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na');
  h.clock.advance(80);
  socket.feed('b');
  h.clock.advance(80);
  assert.equal(request.resetDetails, '');
  h.clock.advance(40);
  assert.equal(request.resetDetails, 'upstream_per_try_idle_timeout');
  assert.equal(h.stat('cluster.up.upstream_rq_per_try_idle_timeout'), 1);
});

test('retries avoid hosts that were tried', () => {
  const endpoints = { endpoints: [endpoint(1), endpoint(2)], overprovisioningFactor: 140 };
  const h = new RouterHarness([clusterConfig({ endpoints })]);
  const route = retrying(RETRY_ON['5xx'], { avoidPreviousHosts: true, hostSelectionMaxAttempts: 5 });
  h.request('/', [], { route });
  const first = h.dialer.accept();
  h.request('/other');
  const other = h.dialer.accept();
  assert.notEqual(first.remoteAddress.port, other.remoteAddress.port);
  first.feed(NO);
  h.clock.advance(28);
  assert.equal(h.dialer.accept().remoteAddress.port, other.remoteAddress.port);
});

/** Ports that one request with six attempts goes to; the port is 1 + the priority. */
function portsTried(previousPriorities: number): number[] {
  const endpoints = [1, 2, 3].map((port) => ({ ...endpoint(port), priority: port - 1 }));
  const h = new RouterHarness([clusterConfig({ endpoints: { endpoints, overprovisioningFactor: 140 } })]);
  const route = retrying(RETRY_ON['5xx'], { previousPriorities, numRetries: 5 });
  h.request('/', [], { route });
  const tried: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    const socket = h.dialer.accept();
    tried.push(socket.remoteAddress.port);
    socket.feed('HTTP/1.1 503 N\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    h.clock.advance(1000);
  }
  return tried;
}

test('retries leave the priorities that were tried, and begin again when all were', () => {
  assert.deepEqual(portsTried(0), [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(portsTried(1), [1, 2, 3, 1, 2, 3]);
  assert.deepEqual(portsTried(2), [1, 1, 2, 2, 3, 3]);
});

test('a body too large to be kept ends retries', () => {
  const h = new RouterHarness();
  const route = makeRoute({
    forward: { retry: retryPolicy({ on: RETRY_ON['5xx'] }) },
    route: { requestBufferLimitBytes: 4, requestBufferLimitIsCapped: true },
  });
  const request = h.request('POST /', ['content-length: 6'], { body: true, route });
  const socket = h.dialer.accept();
  request.send('abc', false);
  request.send('def', true);
  assert.match(socket.take(), /abcdef$/);
  assert.equal(h.stat('cluster.up.retry_or_shadow_abandoned'), 1);
  socket.feed(NO);
  assert.equal(request.status, 503);

  const waiting = h.request('POST /', ['content-length: 6'], { body: true, route });
  socket.feed(NO);
  waiting.send('abcdef', true);
  assert.equal(waiting.status, 507);
  assert.equal(waiting.body, 'exceeded request buffer limit while retrying upstream');
});

test('x-envoy-retry-* headers of the request ask for retries and go no further', () => {
  const h = new RouterHarness();
  const request = h.request('/', ['x-envoy-retry-on: retriable-status-codes', 'x-envoy-retriable-status-codes: 404']);
  const socket = h.dialer.accept();
  assert.doesNotMatch(socket.take(), /retr/);
  socket.feed('HTTP/1.1 404 N\r\ncontent-length: 0\r\n\r\n');
  h.clock.advance(28);
  socket.feed(OK);
  assert.equal(request.status, 200);
});

type On = keyof typeof RETRY_ON;

function state(on: readonly On[], lines: readonly string[] = [], change: object = {}): RetryState {
  const bits = on.reduce((all, name) => all | RETRY_ON[name], 0);
  return new RetryState(retryPolicy({ on: bits, ...change }), requestHeaders('/', lines));
}

const AGAIN = { matches: (headers: Headers): boolean => headers.has('x-again') };

test('which responses are tried again', () => {
  const cases: readonly [readonly On[], number, readonly string[], boolean, object?][] = [
    [['5xx'], 500, [], true],
    [['5xx'], 599, [], true],
    [['5xx'], 499, [], false],
    [['gateway-error'], 500, [], false],
    [['gateway-error'], 502, [], true],
    [['gateway-error'], 504, [], true],
    [['gateway-error'], 505, [], false],
    [['retriable-4xx'], 409, [], true],
    [['retriable-4xx'], 404, [], false],
    [['retriable-status-codes'], 418, [], true, { retriableStatusCodes: [418] }],
    [['retriable-status-codes'], 419, [], false, { retriableStatusCodes: [418] }],
    [['connect-failure', 'reset', 'refused-stream'], 503, [], false],
    [['5xx'], 503, ['x-envoy-ratelimited: true'], false],
    [['envoy-ratelimited'], 429, ['x-envoy-ratelimited: true'], true],
    [['retriable-headers'], 200, ['x-again: 1'], true, { retriableHeaders: [AGAIN] }],
    [['unavailable'], 200, ['grpc-status: 14'], true],
    [['unavailable'], 200, ['grpc-status: 13'], false],
    [['internal'], 200, ['grpc-status: 13'], true],
    [['cancelled'], 200, ['grpc-status: 1'], true],
    [['deadline-exceeded'], 200, ['grpc-status: 4'], true],
    [['resource-exhausted'], 200, ['grpc-status: 8'], true],
  ]; // biome-ignore format: a table.
  for (const [on, status, lines, expected, change] of cases) {
    const wants = state(on, [], change).wantsRetry(responseHeaders(status, lines));
    assert.equal(wants, expected, `${on} ${status} ${lines}`);
  }
});

test('which failures are tried again', () => {
  const cases: readonly [readonly On[], FailureCode, boolean, boolean][] = [
    [['connect-failure'], 'connect_failed', false, true],
    [['connect-failure'], 'connect_timeout', false, true],
    [['connect-failure'], 'upstream_closed', true, false],
    [['reset'], 'upstream_closed', true, true],
    [['reset'], 'connect_failed', false, true],
    [['reset-before-request'], 'upstream_closed', true, false],
    [['reset-before-request'], 'connect_failed', false, true],
    [['5xx'], 'upstream_closed', true, true],
    [['gateway-error'], 'connect_failed', false, true],
    [['retriable-4xx', 'refused-stream'], 'upstream_closed', true, false],
    [['5xx', 'reset', 'connect-failure'], 'upstream_overflow', false, false],
  ];
  for (const [on, code, wasSent, expected] of cases) {
    const reason = resetReason(failure(code, 'upstream', 'connection', ''));
    assert.equal(state(on).wantsRetryAfterReset(reason, wasSent), expected, `${on} ${code}`);
  }
});

test('the request’s headers change the policy', () => {
  assert.equal(state([], ['x-envoy-retry-on: 5xx, reset']).on, RETRY_ON['5xx'] | RETRY_ON.reset);
  assert.equal(state([], ['x-envoy-retry-grpc-on: unavailable']).on, RETRY_ON.unavailable);
  assert.equal(state(['5xx'], ['x-envoy-max-retries: 7']).remaining, 7);
  const named = state([], ['x-envoy-retry-on: retriable-headers', 'x-envoy-retriable-header-names: x-a, X-B']);
  assert.ok(named.wantsRetry(responseHeaders(200, ['x-b: 1'])));
  assert.ok(!named.wantsRetry(responseHeaders(200, ['x-c: 1'])));
  const only = { retriableRequestHeaders: [{ matches: () => false }] };
  assert.ok(!state(['5xx'], [], only).isEnabled);
  assert.deepEqual(parseRetryOn('5xx,nonsense'), { bits: RETRY_ON['5xx'], isValid: false });
  assert.deepEqual(parseRetryOn('unavailable'), { bits: 0, isValid: false });
  assert.deepEqual(parseRetryGrpcOn(' unavailable , internal'), {
    bits: RETRY_ON.unavailable | RETRY_ON.internal,
    isValid: true,
  });
});

test('back-off doubles up to its limit and is fully jittered; a rate-limited response names its own', () => {
  const random = new Random(3);
  const retry = state(['5xx'], [], { baseIntervalMs: 100, maxIntervalMs: 300 });
  for (const limit of [100, 200, 300, 300]) {
    const ms = retry.nextDelayMs(random, NO_VALUES);
    assert.ok(ms >= 1 && ms < limit, `${ms} < ${limit}`);
  }
  const backOff = { resetHeaders: [{ name: 'x-reset', format: 'SECONDS' as const }], maxIntervalMs: 60_000 };
  const limited = state(['5xx'], [], { rateLimitedBackOff: backOff });
  limited.noteResetHeaders(responseHeaders(503, ['x-reset: 2']), 0);
  assert.ok(limited.isRateLimited);
  const ms = limited.nextDelayMs(random, NO_VALUES);
  assert.ok(ms >= 2000 && ms < 3000);
  assert.ok(!limited.isRateLimited);
  limited.noteResetHeaders(responseHeaders(503, ['x-reset: 61']), 0);
  assert.ok(!limited.isRateLimited);
});
