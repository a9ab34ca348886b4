// What the local_ratelimit filter lets through and how it refuses; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, linesOf, makeConnection, reasonsOf } from '../../../../../test/support/filter-harness.ts';
import type { FakeStream } from '../../../../../test/support/filter-harness.ts';
import { Flag } from '../../../stream-info.ts';
import { headerKey } from '../../../../wire/header-names.ts';
import { localRateLimit } from './local-rate-limit.ts';
import { LocalTokenBucket } from '../../../rate-limit/token-bucket.ts';

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
    token_bucket: bucket(1, 1, 1500),
    enable_retry_after_header: true,
    response_headers_to_add: [
      option('x-1', '%REQ(:path)%'),
      option('x-2', '%RESP(x-1)%'),
      option('x-1', 'b', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      option('retry-after', '7'),
      option('content-type', 'text/foo', 'OVERWRITE_IF_EXISTS'),
    ],
  });
  send(harness);
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
  const descriptor = { entries: [{ key: 'a', value: 'b' }], token_bucket: bucket(1, 1, 10) };
  assert.deepEqual(decode({ descriptors: [descriptor, descriptor], local_cluster_rate_limit: {} }), [
    'local_cluster_rate_limit: not supported',
    'descriptors[0].token_bucket.fill_interval: must be at least 50 ms',
    'descriptors[1].entries: are those of another descriptor',
    'descriptors[1].token_bucket.fill_interval: must be at least 50 ms',
  ]);
  assert.deepEqual(decode({ rate_limits: [{ stage: 1, disable_key: 'x', actions: [{ extension: {} }] }] }), [
    'rate_limits[0].actions[0]: not supported: extension',
    'rate_limits[0].stage: not supported here',
    'rate_limits[0].disable_key: not supported here',
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
  for (let now = 0; now < 100_000; now += 7) if (tokens.take(now, 1)) taken++;
  assert.equal(taken, 3 + Math.floor((100_000 - 7) / 100));
});

/** Sends requests with the given headers; '200 limit/remaining/reset' of each. */
function run(config: object, requests: readonly (string | readonly [string, ...string[]])[]): string[] {
  const harness = new FilterHarness(localRateLimit, {
    ...BASE,
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    token_bucket: bucket(10, 1, 100_000),
    ...config,
  });
  return requests.map((request) => {
    const [path, ...lines] = typeof request === 'string' ? [request] : request;
    const stream = harness.request(path, lines);
    stream.decodeHeaders();
    const headers = stream.replyHeaders ?? stream.encodeHeaders();
    const told = ['limit', 'remaining', 'reset'].map((name) => headers.get(headerKey(`x-ratelimit-${name}`)));
    return `${headers.status} ${told.join('/')}`;
  });
}
const descriptor = (tokens: number, entries: readonly (readonly [string, string])[], more: object = {}) => ({
  entries: entries.map(([key, value]) => ({ key, value })),
  token_bucket: bucket(tokens, 1, 100_000),
  ...more,
});
const limit = (action: object, more: object = {}) => ({ actions: [action], ...more });
const GENERIC = { generic_key: { descriptor_value: 'v' } };
const USER = { request_headers: { header_name: 'x-u', descriptor_key: 'u' } };
const A = ['/', 'x-u: a'] as const;
const B = ['/', 'x-u: b'] as const;
const C = ['/', 'x-u: c'] as const;

test('a descriptor has a bucket of its own, beside the default one', () => {
  const config = { descriptors: [descriptor(5, [['generic_key', 'v']])], rate_limits: [limit(GENERIC)] };
  const both = run({ ...config, token_bucket: bucket(2, 1, 100_000) }, ['/', '/', '/']);
  assert.deepEqual(both, ['200 5/4/0', '200 5/3/0', '429 2/0/100']);
  const alone = { ...config, token_bucket: bucket(1, 1, 100_000), always_consume_default_token_bucket: false };
  assert.deepEqual(run(alone, ['/', '/']), ['200 5/4/0', '200 5/3/0']);
});

test('the slowest of several descriptors is asked first', () => {
  const slow = { entries: [{ key: 'p', value: 'b' }], token_bucket: bucket(2, 1, 1_000_000) };
  const config = {
    descriptors: [descriptor(5, [['u', 'a']]), slow],
    rate_limits: [limit(USER), limit({ generic_key: { descriptor_key: 'p', descriptor_value: 'b' } })],
  };
  assert.deepEqual(run(config, [A, A, A, '/']), ['200 2/1/0', '200 2/0/1000', '429 2/0/1000', '429 2/0/1000']);
});

test('entries must be the same in the same order', () => {
  const config = {
    descriptors: [
      descriptor(1, [
        ['u', 'a'],
        ['generic_key', 'v'],
      ]),
      descriptor(2, [
        ['generic_key', 'v'],
        ['u', 'a'],
      ]),
    ],
    rate_limits: [{ actions: [{ request_headers: { ...USER.request_headers, skip_if_absent: true } }, GENERIC] }],
  };
  assert.deepEqual(run(config, [A, A, '/', '/']), ['200 1/0/100', '429 1/0/100', '200 10/8/0', '200 10/7/0']);
});

test('a wildcard makes a bucket for each value, and forgets the least recently used', () => {
  const config = { descriptors: [descriptor(1, [['u', '']])], rate_limits: [limit(USER)], max_dynamic_descriptors: 2 };
  const statuses = run({ ...config, token_bucket: bucket(100, 1, 100_000) }, [A, A, B, C, A, B, '/']);
  assert.deepEqual(statuses, [
    ...['200 1/0/100', '429 1/0/100', '200 1/0/100', '200 1/0/100', '200 1/0/100', '200 1/0/100'],
    '200 100/94/0',
  ]);
});

test('hits may be several, negative or, as in Envoy, a refusal at 0', () => {
  const hits = (addend: object) => ({
    descriptors: [descriptor(5, [['generic_key', 'v']])],
    rate_limits: [limit(GENERIC, { hits_addend: addend })],
  });
  assert.deepEqual(run(hits({ number: 2 }), ['/', '/', '/']), ['200 5/3/0', '200 5/1/0', '429 5/1/0']);
  assert.deepEqual(run(hits({ number: 0 }), ['/']), ['429 5/5/0']);
  assert.deepEqual(run(hits({ number: 2, is_negative_hits: true }), ['/', '/']), ['200 5/5/0', '200 5/5/0']);
});

test('a shadow descriptor refuses nobody', () => {
  const config = {
    descriptors: [descriptor(1, [['generic_key', 'v']], { shadow_mode: true })],
    rate_limits: [limit(GENERIC, { x_ratelimit_option: 'OFF' })],
  };
  assert.deepEqual(run(config, ['/', '/', '/']), ['200 //', '200 //', '200 //']);
});

test('a bucket without tokens denies; the default one tells nothing of itself', () => {
  assert.deepEqual(run({ token_bucket: bucket(0, 1, 1000) }, ['/']), ['429 //']);
  const none = { entries: [{ key: 'generic_key', value: 'v' }], token_bucket: bucket(0, 1, 1000) };
  assert.deepEqual(run({ descriptors: [none], rate_limits: [limit(GENERIC)] }, ['/']), ['429 0/0/1']);
});

test('descriptors come from headers, queries, addresses, routes and metadata', () => {
  const limitsBy = (action: object, key: string, value: string, request: string | readonly [string, ...string[]]) => {
    const told = run({ descriptors: [descriptor(1, [[key, value]])], rate_limits: [limit(action)] }, [request]);
    return told[0] === '200 1/0/100';
  };
  const present = { name: 'x-m', present_match: true };
  const byHeader = { header_value_match: { descriptor_value: 'm', headers: [present] } };
  assert.equal(limitsBy(byHeader, 'header_match', 'm', ['/', 'x-m: 1']), true);
  assert.equal(limitsBy(byHeader, 'header_match', 'm', '/'), false);
  const unless = { header_value_match: { ...byHeader.header_value_match, expect_match: false } };
  assert.equal(limitsBy(unless, 'header_match', 'm', '/'), true);
  const byQuery = { query_parameter_value_match: { descriptor_value: 'q', query_parameters: [{ name: 'q' }] } };
  assert.equal(limitsBy(byQuery, 'query_match', 'q', '/?q=1'), true);
  const parameter = { query_parameters: { query_parameter_name: 'p', descriptor_key: 'qp' } };
  assert.equal(limitsBy(parameter, 'qp', 'a b', '/?p=a%20b&p=z'), true);
  assert.equal(limitsBy(parameter, 'qp', 'a b', '/?p=z&p=a%20b'), false);
  assert.equal(limitsBy({ remote_address: {} }, 'remote_address', '10.0.0.2', '/'), true);
  const masked = { masked_remote_address: { v4_prefix_mask_len: 8 } };
  assert.equal(limitsBy(masked, 'masked_remote_address', '10.0.0.0/8', '/'), true);
  assert.equal(limitsBy({ destination_cluster: {} }, 'destination_cluster', 'up', '/'), true);
  const ranges = [{ address_prefix: '10.0.0.0', prefix_len: 8 }];
  const local = { remote_address_match: { descriptor_value: '%REQ(:method)%', address_matcher: { ranges } } };
  assert.equal(limitsBy(local, 'remote_address_match', 'GET', '/'), true);
  const byMetadata = { metadata: { descriptor_key: 'mk', metadata_key: { key: 'f', path: [{ key: 'k' }] } } };
  assert.equal(limitsBy(byMetadata, 'mk', 'x', '/'), false);
  assert.equal(limitsBy({ metadata: { ...byMetadata.metadata, default_value: 'x' } }, 'mk', 'x', '/'), true);
});
