// Tests dialling an endpoint of several addresses: their order, who is tried when, and who wins.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig, FakeDialer } from '../../../../test/support/router-harness.ts';
import type { Address, ByteStream } from '../../../base/byte-stream.ts';
import { Clock, Random } from '../../../base/clock.ts';
import { StatStore } from '../../../telemetry/metrics.ts';
import { DEFAULT_DIAL, type DialConfig } from '../cluster-config.ts';
import { HostCounts } from '../host.ts';
import { http2StatsOf } from '../../codec/http2-stats.ts';
import { CLUSTER_STATS } from '../stats.ts';
import { LayeredRuntime } from '../../runtime.ts';
import type { DialOptions, PoolContext } from './dialing.ts';
import { dialHost, sortAddresses } from './happy-eyeballs.ts';

const a = (address: string): Address => ({ family: address.includes(':') ? 'ipv6' : 'ipv4', address, port: 80 });

function setUp(dial: DialConfig = DEFAULT_DIAL, source: DialOptions | null = null) {
  const dialer = new FakeDialer();
  const clock = new Clock({ manual: true });
  const stats = new StatStore().scope('cluster.up.', CLUSTER_STATS);
  const context: PoolContext = {
    runtime: new LayeredRuntime(),
    config: clusterConfig({ dial }),
    dialer,
    clock,
    random: new Random(1),
    stats,
    http2Stats: () => http2StatsOf(stats),
  };
  const host = new HostCounts();
  host.furtherAddresses = [a('10.0.0.2'), a('fd00::1')];
  const outcomes: string[] = [];
  const cancel = dialHost(context, a('10.0.0.1'), host, source, (stream, failure) => {
    outcomes.push((stream as ByteStream | null)?.remoteAddress.address ?? failure?.detail ?? '');
  });
  return { dialer, clock, outcomes, cancel, host, dialled: () => dialer.dials.map((one) => one.address.address) };
}

test('families take turns', () => {
  const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1', 'fd00::2'].map(a);
  const sorted = (change: Partial<DialConfig>): string[] =>
    sortAddresses(addresses, { ...DEFAULT_DIAL, ...change }).map((one) => one.address);
  assert.deepEqual(sorted({}), ['10.0.0.1', 'fd00::1', '10.0.0.2', 'fd00::2', '10.0.0.3']);
  assert.deepEqual(sorted({ firstFamily: 'V6' }), ['fd00::1', '10.0.0.1', 'fd00::2', '10.0.0.2', '10.0.0.3']);
  assert.deepEqual(sorted({ firstFamilyCount: 2 }), ['10.0.0.1', '10.0.0.2', 'fd00::1', '10.0.0.3', 'fd00::2']);
});

test('the next address is tried when one fails, or is silent for too long', () => {
  const { dialer, clock, outcomes, host, dialled } = setUp();
  assert.deepEqual(dialled(), ['10.0.0.1']);
  dialer.refuse();
  assert.deepEqual(dialled(), ['fd00::1']);
  clock.advance(304);
  assert.deepEqual(dialled(), ['fd00::1', '10.0.0.2']);
  clock.advance(1000);
  assert.equal(dialer.dials.length, 2, 'there is no other');
  assert.equal(host.cxTotal, 2, 'beside the first, which the pool counts');
  dialer.refuse();
  assert.deepEqual(outcomes, []);
  dialer.refuse();
  assert.equal(outcomes.length, 1);
});

test('the first that connects wins, and the others are given up', () => {
  const { dialer, clock, outcomes } = setUp();
  clock.advance(304);
  dialer.accept();
  assert.deepEqual(outcomes, ['10.0.0.1']);
  assert.equal(dialer.cancelled, 1);
  clock.advance(1000);
  assert.equal(dialer.dials.length, 1);
});

test('giving up gives all attempts up', () => {
  const { dialer, clock, cancel, outcomes } = setUp();
  clock.advance(304);
  cancel.cancel();
  assert.equal(dialer.cancelled, 2);
  clock.advance(1000);
  assert.equal(dialer.dials.length, 2);
  assert.deepEqual(outcomes, []);
});
