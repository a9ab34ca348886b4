// Tests tunnels of tcp_proxy over HTTP/1 by a client in memory and a proxy that the test plays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nobodyOnDemand } from '../../../../../test/support/nobody-on-demand.ts';
import { NetworkHarness, networkReasons, type Talk } from '../../../../../test/support/network-harness.ts';
import {
  clusterConfig,
  FakeDialer,
  FakeResolver,
  type FakeSocket,
} from '../../../../../test/support/router-harness.ts';
import { Random } from '../../../../base/clock.ts';
import { ClusterTable } from '../../../cluster/cluster-manager.ts';
import { findFilterState, responseFlagsText } from '../../../stream-info.ts';
import { makeTcpProxy } from './tcp-proxy.ts';

const ASKED = 'CONNECT one.example:443 HTTP/1.1\r\nhost: one.example:443\r\n\r\n';
const YES = 'HTTP/1.1 200 OK\r\n\r\n';
const seconds = (value: number): object => ({ seconds: Math.floor(value), nanos: (value % 1) * 1e9 });

/** Clusters whose dials wait for the test. */
class Rig {
  readonly dialer = new FakeDialer();
  readonly harness: NetworkHarness;
  readonly clusters: ClusterTable;

  constructor(tunneling: object = {}, message: object = {}) {
    const late = { get: (name: string) => this.clusters.get(name) };
    const tunneling_config = { hostname: 'one.example:443', ...tunneling };
    const use = { stat_prefix: 'p', cluster: 'up', tunneling_config, ...message };
    this.harness = new NetworkHarness([[makeTcpProxy({ clusters: late, onDemandClusters: nobodyOnDemand }), use]]);
    this.harness.isLogged = true;
    const { clock, stats, runtime } = this.harness;
    const resolver = new FakeResolver();
    const { dialer } = this;
    const random = new Random(7);
    this.clusters = new ClusterTable({ dialer, clock, random, stats, runtime, makeResolver: () => resolver });
    this.clusters.set(clusterConfig({}));
  }

  /** A client whose proxy was asked; `answer` is what it says. */
  ask(answer = ''): { client: Talk; proxy: FakeSocket } {
    const client = this.harness.connect();
    const proxy = this.dialer.accept();
    this.settle();
    assert.equal(proxy.take(), ASKED);
    if (answer !== '') proxy.feed(answer);
    this.settle();
    return { client, proxy };
  }

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

test('bytes cross once the proxy has agreed, and not before', () => {
  const rig = new Rig();
  const { client, proxy } = rig.ask();
  client.send('early');
  assert.equal(proxy.take(), '');
  proxy.feed(`${YES}hello`);
  rig.settle();
  assert.equal(proxy.take(), 'early');
  assert.equal(client.received, 'hello');
  client.send('more');
  assert.equal(proxy.take(), 'more');
});

test('the end of either side ends the tunnel, as HTTP/1 has no other way', () => {
  const rig = new Rig();
  const first = rig.ask(YES);
  first.client.send('bye');
  first.client.end();
  rig.settle();
  assert.equal(first.proxy.take(), 'bye');
  assert.equal(first.proxy.isClosed, true);
  first.proxy.handler.onClose(null);
  rig.settle();
  assert.equal(first.client.received, '|');
  const second = rig.ask(`${YES}last`);
  second.proxy.fin();
  rig.settle();
  assert.equal(second.client.received, 'last|');
  assert.equal(rig.flags(second.client), '-');
  assert.equal(rig.stat('cluster.up.upstream_rq_active'), 0);
});

test('a refusal is a failed attempt, and another one may succeed', () => {
  const rig = new Rig({}, { max_connect_attempts: 2 });
  const { client } = rig.ask('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
  assert.equal(client.connection.info.upstreamTransportFailureReason, 'tunnel_response:403');
  rig.harness.advance(10);
  const proxy = rig.dialer.accept();
  rig.settle();
  assert.equal(proxy.take(), ASKED);
  proxy.feed(`${YES}hello`);
  rig.settle();
  assert.equal(client.received, 'hello');
  const refused = new Rig();
  const { client: lost } = refused.ask('HTTP/1.1 503 Nope\r\ncontent-length: 0\r\n\r\n');
  assert.equal(lost.isClosed, true);
  assert.equal(refused.flags(lost), 'UF,URX');
});

test('a client that leaves takes the wish with it', () => {
  const rig = new Rig({}, { idle_timeout: seconds(0.2) });
  const waiting = rig.ask();
  rig.harness.advance(300);
  assert.equal(waiting.proxy.isClosed, true);
  assert.equal(rig.flags(waiting.client), 'UF');
  const dialling = rig.harness.connect();
  rig.harness.advance(300);
  assert.equal(dialling.isClosed, true);
  assert.equal(rig.stat('cluster.up.upstream_rq_active'), 0);
  assert.equal(rig.stat('cluster.up.upstream_rq_pending_active'), 0);
});

test('a full proxy stops the client, and a slow client the proxy', () => {
  const rig = new Rig();
  const { client, proxy } = rig.ask(YES);
  proxy.isAboveHighWatermark = true;
  client.send('one');
  client.send('two');
  assert.equal(proxy.take(), 'one');
  assert.equal(rig.stat('tcp.p.downstream_flow_control_paused_reading_total'), 1);
  proxy.isAboveHighWatermark = false;
  proxy.handler.onDrain();
  rig.settle();
  assert.equal(proxy.take(), 'two');
});

test('POST has chunks, and headers come from formats', () => {
  const headers = [{ header: { key: 'x-client', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } }];
  const rig = new Rig({ use_post: true, post_path: '/t', headers_to_add: headers });
  const client = rig.harness.connect();
  const proxy = rig.dialer.accept();
  rig.settle();
  const expected =
    'POST /t HTTP/1.1\r\nhost: one.example:443\r\nx-client: 10.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n';
  assert.equal(proxy.take(), expected);
  proxy.feed('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n');
  rig.settle();
  client.send('word');
  assert.equal(proxy.take(), '4\r\nword\r\n');
  assert.equal(client.received, 'hello');
  // The answer is over: so is the tunnel.
  proxy.feed('0\r\n\r\n');
  rig.settle();
  assert.equal(client.received, 'hello|');
});

test('what the proxy says becomes filter state, where that is wanted', () => {
  const rig = new Rig({ propagate_response_headers: true });
  const { client } = rig.ask('HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\n');
  const object = findFilterState(client.connection.info, 'envoy.tcp_proxy.propagate_response_headers');
  assert.deepEqual(object?.typed, {
    headers: [
      { key: ':status', value: '200' },
      { key: 'x-a', value: '1' },
    ],
  });
  const silent = new Rig();
  assert.equal(silent.ask(YES).client.connection.info.filterState, null);
});

test('contradictions are refused', () => {
  const factory = makeTcpProxy({ clusters: { get: () => null }, onDemandClusters: nobodyOnDemand });
  const reasons = (tunneling: object): string[] => {
    const tunneling_config = { hostname: 'a:1', ...tunneling };
    const found = networkReasons(factory, { stat_prefix: 'p', cluster: 'c', tunneling_config });
    return found.map(({ path, reason }) => `${path}: ${reason}`);
  };
  assert.deepEqual(reasons({}), []);
  assert.deepEqual(reasons({ post_path: '/x' }), [
    "tunneling_config.post_path: Can't set a post path when POST method isn't used",
  ]);
  assert.match(reasons({ headers_to_add: [{ header: { key: 'host', value: 'x' } }] })[0] ?? '', /may not be modified/);
  assert.match(reasons({ hostname: '%NOTHING%' })[0] ?? '', /tunneling_config.hostname/);
});
