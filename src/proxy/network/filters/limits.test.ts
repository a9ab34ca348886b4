// Limits of connections, in number and in rate.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetworkHarness, networkReasons } from '../../../../test/support/network-harness.ts';
import { LocalCells } from '../../../base/local-cells.ts';
import { Flag } from '../../stream-info.ts';
import { connectionLimit } from './connection-limit.ts';
import { networkLocalRateLimit } from './local-rate-limit.ts';

const limit = (message: object = {}) =>
  [connectionLimit, { stat_prefix: 'p', max_connections: 1, ...message }] as const;
const minute = { seconds: 60, nanos: 0 };
const rate = (message: object = {}) =>
  [
    networkLocalRateLimit,
    { stat_prefix: 'p', token_bucket: { max_tokens: 2, fill_interval: minute }, ...message },
  ] as const;

test('one connection too many is closed at once, and its place is free for the next', () => {
  const harness = new NetworkHarness([limit()]);
  const first = harness.connect();
  const second = harness.connect();
  assert.equal(first.isClosed, false);
  assert.equal(second.received, '|');
  assert.equal(second.connection.localCloseReason, 'over_connection_limit');
  assert.equal(second.connection.terminationDetails, '');
  assert.equal(harness.stat('connection_limit.p.active_connections'), 1);
  assert.equal(harness.stat('connection_limit.p.limited_connections'), 1);
  assert.equal(harness.started.length, 1);
  first.close();
  assert.equal(harness.stat('connection_limit.p.active_connections'), 0);
  assert.equal(harness.connect().isClosed, false);
});

test('a delay keeps who is too many waiting; it counts as active meanwhile', () => {
  const harness = new NetworkHarness([limit({ delay: { seconds: 0, nanos: 300_000_000 } })]);
  harness.connect();
  const second = harness.connect();
  second.send('hello');
  assert.equal(harness.stat('connection_limit.p.active_connections'), 2);
  harness.advance(290);
  assert.equal(second.isClosed, false);
  harness.advance(20);
  assert.equal(second.isClosed, true);
  assert.equal(harness.stat('connection_limit.p.active_connections'), 1);
});

test('the runtime can switch a limit off; connections from then stay uncounted to their end', () => {
  const harness = new NetworkHarness([limit({ runtime_enabled: { default_value: true, runtime_key: 'on' } })]);
  harness.runtime.values.set('on', false);
  const first = harness.connect();
  const second = harness.connect();
  assert.equal(second.isClosed, false);
  assert.equal(harness.stat('connection_limit.p.active_connections'), 0);
  harness.runtime.values.set('on', true);
  assert.equal(harness.connect().isClosed, false);
  first.close();
  second.close();
  assert.equal(harness.connect().isClosed, true);
});

test('chains of one process count for themselves, workers of one chain together', () => {
  const shared = new LocalCells();
  const chain = (chainName: string) => new NetworkHarness([limit()], { shared, chainName });
  const [one, again, other] = [chain('one'), chain('one'), chain('other')];
  one.connect();
  assert.equal(again.connect().isClosed, true);
  assert.equal(other.connect().isClosed, false);
});

test('2000 connections at a limit of 100', () => {
  const harness = new NetworkHarness([limit({ max_connections: 100 })]);
  let closed = 0;
  for (let i = 0; i < 2000; i++) if (harness.connect().isClosed) closed++;
  assert.equal(closed, 1900);
  assert.equal(harness.stat('connection_limit.p.limited_connections'), 1900);
  assert.equal(harness.stat('connection_limit.p.active_connections'), 100);
  assert.equal(harness.chain.connections.size, 100);
});

test('without a token a connection is closed, with the flag that Envoy gives it', () => {
  const harness = new NetworkHarness([rate()]);
  const closed = [1, 2, 3].map(() => harness.connect().isClosed);
  assert.deepEqual(closed, [false, false, true]);
  const { connection } = harness.connect();
  assert.equal(connection.localCloseReason, 'local_ratelimit_close_over_limit');
  assert.equal(connection.info.flags, Flag.URX);
  assert.equal(harness.stat('local_rate_limit.p.rate_limited'), 2);
  harness.advance(60_010);
  assert.equal(harness.connect().isClosed, false);
});

test('filters with one share key and one bucket have one bucket', () => {
  const counted = (uses: readonly ReturnType<typeof rate>[]): number => {
    const harness = new NetworkHarness(uses);
    return [1, 2, 3, 4].filter(() => !harness.connect().isClosed).length;
  };
  assert.equal(counted([rate(), rate()]), 2);
  assert.equal(counted([rate({ share_key: 'k' }), rate({ share_key: 'k' })]), 1);
  const larger = { token_bucket: { max_tokens: 5, fill_interval: minute } };
  assert.equal(counted([rate({ share_key: 'k' }), rate({ share_key: 'k', ...larger })]), 2);
});

test('a bucket that would fill too often is refused', () => {
  const token_bucket = { max_tokens: 1, fill_interval: { seconds: 0, nanos: 10_000_000 } };
  assert.match(networkReasons(networkLocalRateLimit, { token_bucket })[0]?.reason ?? '', /50 ?ms/);
});
