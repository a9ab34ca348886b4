// The listener filters that decide when a socket is accepted: original_src, original_dst, local_ratelimit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address } from '../../../base/byte-stream.ts';
import { addressText, internalAddress, parseAddress } from '../../../net/address.ts';
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

test('original_dst restores on internal connections what the dialling side tells', () => {
  const NAMESPACE = 'envoy.filters.listener.original_dst';
  const restored = (local: unknown, state: Record<string, string>) => {
    const socket = makeSocket(internalAddress('internal_client_address'), internalAddress('in'));
    socket.dynamicMetadata = local === undefined ? null : new Map([[NAMESPACE, { local }]]);
    socket.filterState = new Map(
      Object.entries(state).map(([key, text]) => {
        const address = parseAddress(text) as Address;
        return [
          `${NAMESPACE}.${key}`,
          { value: text, typed: null, isReadOnly: false, lifeSpan: 'connection', address },
        ];
      }),
    );
    new ListenerFilterHarness(originalDst).run([], socket);
    const { localAddress, remoteAddress, isLocalAddressRestored } = socket;
    return [isLocalAddressRestored, addressText(localAddress), addressText(remoteAddress)];
  };
  const CLIENT = 'envoy://internal_client_address/';
  assert.deepEqual(restored(undefined, {}), [false, 'envoy://in/', CLIENT]);
  assert.deepEqual(restored('1.2.3.4:5', {}), [true, '1.2.3.4:5', CLIENT]);
  assert.deepEqual(restored('[::1]:5', { local_ip: '6.6.6.6:6' }), [true, '[::1]:5', CLIENT]);
  assert.deepEqual(restored('nonsense', { local_ip: '6.6.6.6:6' }), [false, 'envoy://in/', CLIENT]);
  assert.deepEqual(restored(7, { local_ip: '6.6.6.6:6' }), [true, '6.6.6.6:6', CLIENT]);
  assert.deepEqual(restored(undefined, { remote_ip: '7.7.7.7:7' }), [false, 'envoy://in/', '7.7.7.7:7']);
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
