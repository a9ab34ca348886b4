// What the local_ratelimit filter lets through and how it refuses; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, linesOf, makeConnection, reasonsOf } from '../../../../../test/support/filter-harness.ts';
import type { FakeStream } from '../../../../../test/support/filter-harness.ts';
import { Flag } from '../../../stream-info.ts';
import { localRateLimit } from './local-rate-limit.ts';
import { LocalTokenBucket } from './token-bucket.ts';

const FULL = { default_value: { numerator: 100 } };
const bucket = (max_tokens: number, tokens_per_fill: number, ms: number) => ({
  max_tokens,
  tokens_per_fill,
  fill_interval: { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 },
});
const BASE = { stat_prefix: 'rl', filter_enabled: FULL, filter_enforced: FULL };
const option = (key: string, value: string, append_action?: string) => ({ header: { key, value }, append_action });

function send(harness: FilterHarness, levels: unknown[] = [], lines: string[] = []): FakeStream {
  const stream = harness.request('/h', lines, levels);
  stream.decodeHeaders();
  return stream;
}

test('tokens go, then 429', () => {
  const harness = new FilterHarness(localRateLimit, { ...BASE, token_bucket: bucket(1, 1, 10_000) });
  assert.equal(send(harness).reply, null);
  const { reply, info } = send(harness);
  assert.equal(reply?.status, 429);
  assert.equal(reply?.body, 'local_rate_limited');
  assert.equal(reply?.details, 'local_rate_limited');
  assert.equal(info.flags, Flag.RL);
  const stat = (name: string) => harness.stat(`rl.http_local_rate_limit.${name}`);
  assert.deepEqual(['enabled', 'ok', 'rate_limited', 'enforced', 'shadow_mode'].map(stat), [2, 1, 1, 1, 0]);
});

test('the bucket fills all the time, not by the interval', () => {
  const harness = new FilterHarness(localRateLimit, { ...BASE, token_bucket: bucket(4, 2, 400) });
  const passed: boolean[] = [];
  for (let i = 0; i < 14; i++) {
    passed.push(send(harness).reply === null);
    harness.clock.advance(64);
  }
  const marks = passed.map((each) => (each ? '+' : '-')).join('');
  // 4 at once, then one each 200 ms.
  assert.equal(marks, '+++++--+--+--+');
});

test('x-ratelimit and retry-after headers tell when to come again', () => {
  const harness = new FilterHarness(localRateLimit, {
    ...BASE,
    token_bucket: bucket(2, 1, 10_000),
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    enable_retry_after_header: true,
  });
  const lines = (limit: number, remaining: number, reset: number) => [
    `x-ratelimit-limit: ${limit}`,
    `x-ratelimit-remaining: ${remaining}`,
    `x-ratelimit-reset: ${reset}`,
  ];
  assert.deepEqual(linesOf(send(harness).encodeHeaders()).slice(1), lines(2, 1, 0));
  assert.deepEqual(linesOf(send(harness).encodeHeaders()).slice(1), lines(2, 0, 10));
  assert.deepEqual(linesOf(send(harness).replyHeaders!).slice(1), ['retry-after: 10', ...lines(2, 0, 10)]);
});

test('response headers overwrite first and then add, and their retry-after stays', () => {
  const harness = new FilterHarness(localRateLimit, {
    ...BASE,
    token_bucket: bucket(0, 1, 1500),
    enable_retry_after_header: true,
    response_headers_to_add: [
      option('x-1', '%REQ(:path)%'),
      option('x-2', '%RESP(x-1)%'),
      option('x-1', 'b', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      option('retry-after', '7'),
      option('content-type', 'text/foo', 'OVERWRITE_IF_EXISTS'),
    ],
  });
  assert.deepEqual(linesOf(send(harness).replyHeaders!).slice(1), ['x-1: b', 'x-1: /h', 'retry-after: 7']);
});

test('the status may be another error, and gRPC may hear RESOURCE_EXHAUSTED', () => {
  const config = { ...BASE, token_bucket: bucket(0, 1, 1000), rate_limited_as_resource_exhausted: true };
  const reply = (more: object) => send(new FilterHarness(localRateLimit, { ...config, ...more })).reply;
  const unavailable = reply({ status: { code: 'ServiceUnavailable' }, enable_retry_after_header: true });
  assert.equal(unavailable?.status, 503);
  assert.equal(unavailable?.grpcStatus, 8);
  assert.equal(reply({ status: { code: 'OK' } })?.status, 429);
});

test('what is not enforced passes with extra headers', () => {
  const harness = new FilterHarness(localRateLimit, {
    stat_prefix: 'rl',
    token_bucket: bucket(0, 1, 1000),
    filter_enabled: FULL,
    request_headers_to_add_when_not_enforced: [option('x-ne', '1')],
  });
  const stream = send(harness);
  assert.equal(stream.reply, null);
  assert.equal(stream.requestHeaders.get('x-ne'), '1');
  assert.equal(harness.stat('rl.http_local_rate_limit.enforced'), 0);
});

test('disabled it does nothing; without a bucket it limits nothing', () => {
  const off = new FilterHarness(localRateLimit, { stat_prefix: 'rl', token_bucket: bucket(0, 1, 1000) });
  assert.equal(send(off).reply, null);
  assert.equal(off.stat('rl.http_local_rate_limit.enabled'), 0);
  const unlimited = new FilterHarness(localRateLimit, BASE);
  assert.equal(send(unlimited).reply, null);
  assert.equal(unlimited.stat('rl.http_local_rate_limit.ok'), 1);
});

test('a connection has one bucket, made by whichever route comes first', () => {
  const harness = new FilterHarness(localRateLimit, { stat_prefix: 'glob' });
  const perConnection = { ...BASE, local_rate_limit_per_downstream_connection: true };
  const one = harness.route({ ...perConnection, token_bucket: bucket(1, 1, 10_000) });
  const three = harness.route({ ...perConnection, token_bucket: bucket(3, 1, 10_000) });
  const statuses = [three, one, one, three].map((level) => send(harness, [level]).reply?.status ?? 200);
  assert.deepEqual(statuses, [200, 200, 200, 429]);
  harness.connection = makeConnection();
  assert.deepEqual(
    [one, one].map((level) => send(harness, [level]).reply?.status ?? 200),
    [200, 429],
  );
  assert.equal(harness.stat('rl.http_local_rate_limit.enabled'), 6);
  assert.equal(harness.stat('glob.http_local_rate_limit.enabled'), 0);
});

test('what cannot take effect is refused', () => {
  const decode = (message: object) => reasonsOf((d) => localRateLimit.decode(message as never, d));
  assert.deepEqual(decode({ token_bucket: bucket(1, 1, 10) }), ['token_bucket.fill_interval: must be at least 50 ms']);
  assert.deepEqual(decode({ descriptors: [{}], rate_limits: [{}], local_cluster_rate_limit: {} }), [
    'descriptors: not supported: only the default token bucket is',
    'rate_limits: not supported: only the default token bucket is',
    'local_cluster_rate_limit: not supported',
  ]);
  assert.deepEqual(decode({ response_headers_to_add: [option(':status', '1')] }), [
    'response_headers_to_add[0].header.key: :-prefixed or host headers may not be modified',
  ]);
  const route = reasonsOf((d) => localRateLimit.decodeRoute?.({ stat_prefix: 'x' } as never, d));
  assert.deepEqual(route, ['token_bucket: must be set in per-route configuration']);
});

test('a bucket never holds more than it may, nor loses tokens to rounding', () => {
  const tokens = new LocalTokenBucket({ maxTokens: 3, tokensPerFill: 1, fillIntervalMs: 100 });
  assert.equal(tokens.remaining(1e9), 3);
  let taken = 0;
  for (let now = 0; now < 100_000; now += 7) if (tokens.take(now)) taken++;
  assert.equal(taken, 3 + Math.floor((100_000 - 7) / 100));
});
