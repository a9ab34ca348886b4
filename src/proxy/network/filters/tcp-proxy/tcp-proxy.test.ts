// Tests tcp_proxy by a client in memory and upstream sockets that the test feeds: what crosses, waits and ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nobodyOnDemand } from '../../../../../test/support/nobody-on-demand.ts';
import { NetworkHarness, networkReasons, type Talk } from '../../../../../test/support/network-harness.ts';
import {
  clusterConfig,
  endpoint,
  FakeDialer,
  FakeResolver,
  type FakeSocket,
} from '../../../../../test/support/router-harness.ts';
import { Random } from '../../../../base/clock.ts';
import { failure } from '../../../../base/failure.ts';
import { DEFAULT_LIMITS } from '../../../cluster/circuit-breaker.ts';
import type { ClusterConfig } from '../../../cluster/cluster-config.ts';
import { ClusterTable } from '../../../cluster/cluster-manager.ts';
import type { NetworkFilterFactory } from '../../filter.ts';
import { responseFlagsText } from '../../../stream-info.ts';
import { makeTcpProxy } from './tcp-proxy.ts';

const RESET = failure('upstream_reset', 'upstream', 'connection', 'read: Connection reset by peer (ECONNRESET)');

const seconds = (value: number): object => ({ seconds: Math.floor(value), nanos: (value % 1) * 1e9 });

/** Clusters whose dials wait for the test; the filter is made before the harness that it counts in. */
class Rig {
  readonly dialer = new FakeDialer();
  readonly harness: NetworkHarness;
  readonly clusters: ClusterTable;

  constructor(message: object = {}, cluster: Partial<ClusterConfig> = {}) {
    const late = { get: (name: string) => this.clusters.get(name) };
    const factory: NetworkFilterFactory = makeTcpProxy({ clusters: late, onDemandClusters: nobodyOnDemand });
    this.harness = new NetworkHarness([[factory, { stat_prefix: 'p', cluster: 'up', ...message }]]);
    this.harness.isLogged = true;
    const { clock, stats, runtime } = this.harness;
    const resolver = new FakeResolver();
    const { dialer } = this;
    const random = new Random(7);
    this.clusters = new ClusterTable({ dialer, clock, random, stats, runtime, makeResolver: () => resolver });
    this.clusters.set(clusterConfig(cluster));
  }

  /** A client whose upstream stands. */
  join(): { client: Talk; upstream: FakeSocket } {
    const client = this.harness.connect();
    const upstream = this.dialer.accept();
    this.settle();
    return { client, upstream };
  }

  /** Lets what sockets were fed reach the client. */
  settle(): void {
    this.harness.advance(0);
  }

  stat(name: string): number {
    return this.harness.stat(name);
  }

  flags({ connection }: Talk): string {
    return responseFlagsText(connection.info.flags, false, true);
  }
}

test('bytes cross both ways, and FIN of one side does not end the other', () => {
  const rig = new Rig();
  const { client, upstream } = rig.join();
  client.send('question');
  client.end();
  assert.equal(upstream.take(), 'question');
  assert.equal(upstream.isEnded, true);
  upstream.feed('answer');
  rig.settle();
  assert.equal(client.received, 'answer');
  upstream.fin();
  rig.settle();
  assert.equal(client.received, 'answer|');
  assert.equal(client.isClosed, true);
});

test('nothing is read before the upstream stands, and a server may speak first', () => {
  const rig = new Rig();
  const client = rig.harness.connect();
  client.send('early');
  assert.equal(client.connection.stream.bytesRead, 0);
  const upstream = rig.dialer.accept();
  upstream.feed('220 ready');
  rig.settle();
  assert.equal(client.received, '220 ready');
  assert.equal(upstream.take(), 'early');
});

test('a reset of the upstream resets the client; a mere close flushes it', () => {
  const rig = new Rig();
  const first = rig.join();
  first.upstream.handler.onClose(RESET);
  rig.settle();
  assert.equal(first.client.connection.detectedCloseType, 'LocalReset');
  assert.equal(rig.flags(first.client), 'UR');
  assert.equal(first.client.connection.info.upstreamDetectedCloseType, 'RemoteReset');
  const second = rig.join();
  second.upstream.feed('bye');
  second.upstream.handler.onClose(null);
  rig.settle();
  assert.equal(second.client.received, 'bye|');
  assert.equal(second.client.connection.detectedCloseType, 'Normal');
  assert.equal(rig.stat('cluster.up.upstream_cx_destroy_remote_with_active_rq'), 2);
});

test('a full queue stops the other side until it drains', () => {
  const rig = new Rig();
  const { client, upstream } = rig.join();
  upstream.isAboveHighWatermark = true;
  client.send('one');
  client.send('two');
  assert.equal(upstream.take(), 'one');
  assert.equal(rig.stat('tcp.p.downstream_flow_control_paused_reading_total'), 1);
  upstream.isAboveHighWatermark = false;
  upstream.handler.onDrain();
  rig.settle();
  assert.equal(upstream.take(), 'two');
  assert.equal(rig.stat('tcp.p.downstream_flow_control_resumed_reading_total'), 1);
});

test('an idle connection ends one timeout after its last byte', () => {
  const rig = new Rig({ idle_timeout: seconds(1) });
  const { client, upstream } = rig.join();
  rig.harness.advance(700);
  client.send('x');
  rig.harness.advance(700);
  upstream.feed('y');
  rig.settle();
  rig.harness.advance(980);
  assert.equal(client.isClosed, false);
  rig.harness.advance(30);
  assert.equal(client.isClosed, true);
  assert.equal(client.connection.localCloseReason, 'tcp_session_idle_timeout');
  assert.equal(upstream.isClosed, true);
  assert.equal(rig.stat('tcp.p.idle_timeout'), 1);
});

test('what a slow reader takes keeps a connection from idling', () => {
  const rig = new Rig({ idle_timeout: seconds(1) });
  const { client, upstream } = rig.join();
  upstream.bufferedBytes = 1000;
  for (let i = 0; i < 4; i++) {
    upstream.bytesWritten += 100;
    rig.harness.advance(900);
  }
  assert.equal(client.isClosed, false);
  rig.harness.advance(2100);
  assert.equal(client.isClosed, true);
});

test('the longest duration ends a busy connection', () => {
  const rig = new Rig({ max_downstream_connection_duration: seconds(2) });
  const { client } = rig.join();
  for (let i = 0; i < 20; i++) {
    client.send('x');
    rig.harness.advance(99);
  }
  assert.equal(client.isClosed, false);
  rig.harness.advance(40);
  assert.equal(client.isClosed, true);
  assert.equal(rig.flags(client), 'DT');
});

test('failed dials are repeated, with back-off, as often as is allowed', () => {
  const backOff = { base_interval: seconds(0.1), max_interval: seconds(0.2) };
  const endpoints = { endpoints: [endpoint(1), endpoint(2)], overprovisioningFactor: 140 };
  const rig = new Rig({ max_connect_attempts: 3, backoff_options: backOff }, { endpoints });
  const client = rig.harness.connect();
  const ports: number[] = [];
  for (let i = 0; i < 3; i++) {
    ports.push(rig.dialer.dials[0]?.address.port ?? 0);
    rig.dialer.refuse();
    rig.harness.advance(210);
  }
  assert.equal(new Set(ports).size, 2);
  assert.equal(client.isClosed, true);
  assert.equal(rig.flags(client), 'UF,URX');
  assert.equal(client.connection.info.attemptCount, 3);
  assert.equal(client.connection.localCloseReason, 'tcp_initializion_failure:0');
  assert.equal(rig.stat('cluster.up.upstream_cx_connect_fail'), 3);
  assert.equal(rig.stat('cluster.up.upstream_cx_connect_attempts_exceeded'), 1);
});

test('a client that is still there is served by the second attempt', () => {
  const rig = new Rig({ max_connect_attempts: 2 });
  const client = rig.harness.connect();
  rig.dialer.refuse();
  rig.harness.advance(10);
  const upstream = rig.dialer.accept();
  rig.settle();
  client.send('x');
  assert.equal(upstream.take(), 'x');
  assert.equal(rig.flags(client), 'UF');
  assert.equal(client.connection.info.earlierUpstreams?.length, 1);
});

test('without cluster, host or place there is no connection', () => {
  const cases = [
    [new Rig({ cluster: 'other' }), 'NC', 3],
    [new Rig({}, { endpoints: { endpoints: [], overprovisioningFactor: 140 } }), 'UH', 1],
    [new Rig({}, { breakers: { DEFAULT: { ...DEFAULT_LIMITS, maxConnections: 0 }, HIGH: DEFAULT_LIMITS } }), 'UO', 2],
  ] as const;
  for (const [rig, flags, reason] of cases) {
    const client = rig.harness.connect();
    assert.equal(client.isClosed, true);
    assert.equal(rig.flags(client), flags);
    assert.equal(client.connection.localCloseReason, `tcp_initializion_failure:${reason}`);
    assert.equal(rig.dialer.dials.length, 0);
  }
});

test('a client that leaves takes its dial along', () => {
  const rig = new Rig({ max_early_data_bytes: 100 });
  const client = rig.harness.connect();
  rig.harness.advance(0);
  client.connection.close('no-flush', 'test');
  rig.settle();
  assert.equal(rig.dialer.cancelled, 1);
  assert.equal(rig.stat('cluster.up.upstream_rq_cancelled'), 1);
  assert.equal(rig.stat('cluster.up.upstream_cx_active'), 0);
});

test('early bytes wait within their limit and leave first', () => {
  const rig = new Rig({ upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 4 });
  const client = rig.harness.connect();
  rig.harness.advance(500);
  assert.equal(rig.dialer.dials.length, 0);
  client.send('abcdef');
  client.send('later');
  assert.equal(client.connection.stream.bytesRead, 6);
  const upstream = rig.dialer.accept();
  rig.settle();
  assert.equal(upstream.take(), 'abcdeflater');
  assert.equal(rig.stat('tcp.p.early_data_received_count_total'), 1);
});

test('counters take on what an open connection carries', () => {
  const rig = new Rig();
  const { client, upstream } = rig.join();
  client.send('12345');
  upstream.feed('123');
  rig.settle();
  rig.harness.advance(1010);
  assert.equal(rig.stat('tcp.p.downstream_cx_rx_bytes_total'), 5);
  assert.equal(rig.stat('tcp.p.downstream_cx_tx_bytes_total'), 3);
  assert.equal(rig.stat('cluster.up.upstream_cx_tx_bytes_total'), 5);
});

test('weights share connections out, and filter state names a cluster', () => {
  const weights = [
    { name: 'up', weight: 1 },
    { name: 'other', weight: 3 },
  ];
  const rig = new Rig({ cluster: undefined, weighted_clusters: { clusters: weights } });
  rig.clusters.set(clusterConfig({ name: 'other' }));
  for (let i = 0; i < 200; i++) rig.harness.connect();
  assert.ok(Math.abs(rig.stat('cluster.other.upstream_cx_total') - 150) < 30);
  const named = new Rig({ cluster: 'nobody' });
  const filterState = new Map([
    ['envoy.tcp_proxy.cluster', { value: 'up', typed: null, isReadOnly: true, lifeSpan: 'connection' } as const],
  ]);
  named.harness.connect({ filterState });
  assert.equal(named.stat('cluster.up.upstream_cx_total'), 1);
});

test('contradictions are refused', () => {
  const factory = makeTcpProxy({ clusters: { get: () => null }, onDemandClusters: nobodyOnDemand });
  const paths = (message: object): string[] =>
    networkReasons(factory, { stat_prefix: 'p', cluster: 'c', ...message }).map(({ path }) => path);
  assert.deepEqual(paths({}), []);
  assert.deepEqual(paths({ upstream_connect_mode: 'ON_DOWNSTREAM_DATA' }), ['max_early_data_bytes']);
  const backOff = { base_interval: seconds(2), max_interval: seconds(1) };
  assert.deepEqual(paths({ backoff_options: backOff }), ['backoff_options.max_interval']);
  const options = { access_log_options: {}, access_log_flush_interval: seconds(1) };
  assert.deepEqual(paths(options), ['access_log_flush_interval']);
});
