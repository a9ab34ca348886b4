// The listener filters that decide when a socket is accepted: original_src, original_dst, local_ratelimit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonsOf } from '../../../../test/support/filter-harness.ts';
import { ListenerFilterHarness, makeSocket } from '../../../../test/support/listener-filter-harness.ts';
import { listenerLocalRateLimit } from './local-rate-limit.ts';
import { originalDst } from './original-dst.ts';
import { originalSrc } from './original-src.ts';

test('original_src makes upstream connections leave with the client’s address', () => {
  const { status, socket } = new ListenerFilterHarness(originalSrc, { mark: 1337 }).run([]);
  assert.equal(status, 'continue');
  assert.deepEqual(socket.upstreamSource, {
    address: { family: 'ipv4', address: '10.0.0.2', port: 0 },
    mark: 1337,
    isTransparent: true,
  });
  const unix = makeSocket({ family: 'unix', address: '@x', port: 0 });
  assert.equal(new ListenerFilterHarness(originalSrc).run([], unix).socket.upstreamSource, null);
  const bound = { bind_port: true };
  assert.equal(reasonsOf((d) => originalSrc.decode(bound as never, d)).length, 1);
});

test('original_dst leaves a connection alone of which the system knows nothing', () => {
  const { status, socket } = new ListenerFilterHarness(originalDst).run([]);
  assert.deepEqual([status, socket.isLocalAddressRestored], ['continue', false]);
});

const BUCKET = { max_tokens: 2, fill_interval: { seconds: 1, nanos: 0 } };
const LIMITED = 'listener_local_ratelimit.rl.rate_limited';

test('local_ratelimit closes what has no token', () => {
  const harness = new ListenerFilterHarness(listenerLocalRateLimit, { stat_prefix: 'rl', token_bucket: BUCKET });
  const run = (): string => harness.run([]).status;
  assert.deepEqual([run(), run(), run()], ['continue', 'continue', 'close']);
  harness.clock.advance(1000);
  assert.deepEqual([run(), run()], ['continue', 'close']);
  assert.deepEqual(harness.counts, { [LIMITED]: 2 });
});

test('local_ratelimit may be switched off, also at run time', () => {
  const empty = { max_tokens: 0, fill_interval: { seconds: 1, nanos: 0 } };
  const off = { stat_prefix: 'rl.', token_bucket: empty, runtime_enabled: { default_value: false, runtime_key: 'k' } };
  const harness = new ListenerFilterHarness(listenerLocalRateLimit, off);
  assert.equal(harness.run([]).status, 'continue');
  harness.runtime.values.set('k', true);
  assert.equal(harness.run([]).status, 'close');
  assert.deepEqual(harness.counts, { [LIMITED]: 1 });
});
