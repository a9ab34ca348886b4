// Tests pools over transports: handshakes as part of a dial, pools by wishes, and hosts whose transport changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTransport } from '../../../../test/support/fake-transport.ts';
import { makeConnection, requestHeaders } from '../../../../test/support/filter-harness.ts';
import { clusterConfig, endpoint, type FakeSocket, RouterHarness } from '../../../../test/support/router-harness.ts';
import type { Address } from '../../../base/byte-stream.ts';
import type { Failure } from '../../../base/failure.ts';
import type { RequestEncoder, StreamCallbacks } from '../../http/codec.ts';
import type { Metadata } from '../../stream-info.ts';
import type { TransportWishes } from '../../transport/transport.ts';
import type { StreamRequest } from '../cluster.ts';
import type { ClusterConfig, EndpointConfig, TransportMatch } from '../cluster-config.ts';
import { NO_WISHES, wishesOf } from '../wishes.ts';
import type { DialOptions } from './dialing.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

class Wish implements StreamCallbacks {
  encoder: RequestEncoder | null = null;
  failure: Failure | null = null;
  request: StreamRequest | null = null;
  isComplete = false;

  onPoolReady(encoder: RequestEncoder): void {
    this.encoder = encoder;
    encoder.encodeHeaders(requestHeaders('/'), true);
  }
  onPoolFailure(reason: Failure): void {
    this.failure = reason;
  }
  decode1xx(): void {}
  decodeHeaders(): void {
    this.isComplete = true;
  }
  decodeData(): void {}
  decodeTrailers(): void {}
  onReset(): void {}
  onAboveWatermark(): void {}
  onBelowWatermark(): void {}
}

function rig(change: Partial<ClusterConfig> = {}) {
  const transport = new FakeTransport();
  const h = new RouterHarness([clusterConfig({ transport: transport.config, ...change })]);
  const cluster = h.clusters.get('up')!;
  const wish = (wishes: Partial<TransportWishes> | null = null): Wish => {
    const made = new Wish();
    made.request = cluster.hosts[0]!.newStream('DEFAULT', made, wishes === null ? null : { ...NO_WISHES, ...wishes });
    return made;
  };
  const stat = (name: string): number => h.stat(`cluster.up.${name}`);
  return { h, transport, cluster, wish, stat };
}

test('a connection stands when its handshake is over, and says when what was', () => {
  const { h, transport, wish, stat } = rig();
  const made = wish();
  h.clock.advance(10);
  const socket = h.dialer.accept();
  assert.ok(made.encoder === null);
  h.clock.advance(20);
  const target = transport.finish();
  assert.deepEqual([target.address.port, target.fallbackProtocols], [1, ['http/1.1']]);
  const { startMs, endMs } = (made.encoder as unknown as RequestEncoder).times;
  assert.ok(endMs - startMs >= 10 && endMs - startMs < 20, `${endMs - startMs}`);
  socket.feed(OK);
  assert.ok(made.isComplete);
  assert.equal(stat('upstream_cx_total'), 1);
});

test('a failed handshake is a failed connection', () => {
  const { h, transport, wish, stat } = rig();
  const made = wish();
  h.dialer.accept();
  transport.fail('TLS_error:|bad');
  assert.deepEqual([made.failure?.code, made.failure?.detail], ['connect_failed', 'TLS_error:|bad']);
  assert.deepEqual([stat('upstream_cx_connect_fail'), stat('upstream_cx_destroy_remote')], [1, 1]);
});

test('the connect time-out covers the handshake', () => {
  const { h, transport, wish } = rig();
  const made = wish();
  const socket = h.dialer.accept();
  h.clock.advance(1004);
  assert.equal(made.failure?.code, 'connect_timeout');
  assert.equal(transport.cancelled, 1);
  assert.ok(socket.isClosed);
});

test('the next address is tried when a handshake fails', () => {
  const next = { family: 'ipv4', address: '10.0.0.9', port: 1 } as const;
  const endpoints = { endpoints: [endpoint(1, { additionalAddresses: [next] })], overprovisioningFactor: 140 };
  const { h, transport, wish } = rig({ endpoints });
  const made = wish();
  h.dialer.accept();
  transport.fail('no');
  h.dialer.accept();
  assert.equal(transport.finish().address.address, '10.0.0.9');
  assert.ok(made.encoder);
});

test('connections of different wishes are not shared', () => {
  const { h, transport, wish, stat } = rig();
  const sockets: FakeSocket[] = [];
  for (const wishes of [null, { serverName: 'a.test' }, { serverName: 'b.test' }]) {
    const made = wish(wishes);
    sockets.push(h.dialer.accept());
    assert.equal(transport.finish().serverName, wishes?.serverName ?? '');
    sockets.at(-1)!.feed(OK);
    assert.ok(made.isComplete);
  }
  wish({ serverName: 'a.test' });
  wish();
  assert.equal(stat('upstream_cx_total'), 3);
  assert.match(sockets[1]!.take(), /^GET \/.*GET \/ HTTP/s);
  sockets[1]!.reset();
  wish({ serverName: 'a.test' });
  assert.equal(stat('upstream_cx_total'), 4);
});

test('a pool of special wishes counts against the limit of pools, and goes when it is empty', () => {
  const limits = { ...clusterConfig().breakers.DEFAULT, maxConnectionPools: 1 };
  const { h, transport, wish, stat } = rig({ breakers: { DEFAULT: limits, HIGH: limits } });
  const connection = makeConnection();
  const first = wish({ connection });
  assert.equal(wish({ serverName: 'b.test' }).failure?.code, 'no_healthy_upstream');
  h.dialer.accept();
  transport.fail('no');
  assert.ok(first.failure);
  assert.equal(wish({ serverName: 'b.test' }).failure, null);
  assert.equal(stat('upstream_cx_pool_overflow'), 1);
});

test('a host that leaves ends the connections of all its pools', () => {
  const { h, transport, wish, cluster, stat } = rig();
  const busy = wish({ serverName: 'a.test' });
  const idle = wish();
  const [a, b] = [h.dialer.accept(), h.dialer.accept()];
  transport.finish();
  transport.finish();
  b.feed(OK);
  assert.ok(idle.isComplete);
  cluster.setEndpoints({ endpoints: [], overprovisioningFactor: 140 });
  assert.deepEqual([a.isClosed, b.isClosed], [false, true]);
  a.feed(OK);
  assert.ok(busy.isComplete);
  assert.equal(a.isClosed, true);
  h.clusters.remove('up');
  assert.equal(transport.isClosed, true);
  assert.equal(stat('upstream_cx_active'), 0);
});

// ─── transport_socket_matches ───────────────────────────────────────────────────────────────────────────────────────

function labelled(labels: Record<string, unknown>): Metadata {
  return new Map([['envoy.transport_socket_match', labels]]);
}

function matching(name: string, labels: Record<string, unknown>, transport: FakeTransport | null): TransportMatch {
  return { name, labels: new Map(Object.entries(labels)), transport: transport?.config ?? null };
}

test('metadata of the endpoint, then of the locality, chooses the transport; what matches is counted', () => {
  const [mesh, zone] = [new FakeTransport(), new FakeTransport()];
  const one = (port: number, change: Partial<EndpointConfig>): EndpointConfig => endpoint(port, change);
  const endpoints = [
    one(1, { metadata: labelled({ tls: 'mesh', more: 1 }), localityMetadata: labelled({ zone: 'a' }) }),
    one(2, { localityMetadata: labelled({ zone: 'a' }) }),
    one(3, { metadata: labelled({ tls: 'off' }), localityMetadata: labelled({ zone: 'b' }) }),
    one(4, { metadata: labelled({ raw: { deep: [1] } }) }),
  ];
  const { h, transport, cluster, stat } = rig({
    endpoints: { endpoints, overprovisioningFactor: 140 },
    transportMatches: [
      matching('mesh', { tls: 'mesh' }, mesh),
      matching('zone', { zone: 'a' }, zone),
      matching('raw', { raw: { deep: [1] } }, null),
    ],
  });
  const counts = ['mesh', 'zone', 'raw', 'default'].map((name) => stat(`${name}.total_match_count`));
  assert.deepEqual(counts, [1, 1, 1, 1]);
  for (const host of cluster.hosts) {
    host.newStream('DEFAULT', new Wish());
    h.dialer.accept();
  }
  assert.deepEqual(
    [mesh, zone, transport].map(({ handshakes }) => handshakes.map(({ target }) => target.address.port)),
    [[1], [2], [3]],
  );
});

test('a host whose metadata match another transport dials anew with it', () => {
  const mesh = new FakeTransport();
  const { h, transport, cluster, wish } = rig({ transportMatches: [matching('mesh', { tls: 'mesh' }, mesh)] });
  const before = wish();
  const old = h.dialer.accept();
  transport.finish();
  const endpoints = [endpoint(1, { metadata: labelled({ tls: 'mesh' }) })];
  cluster.setEndpoints({ endpoints, overprovisioningFactor: 140 });
  const after = wish();
  h.dialer.accept();
  mesh.finish();
  assert.ok(after.encoder);
  assert.equal(old.isClosed, false);
  old.feed(OK);
  assert.ok(before.isComplete);
  assert.equal(old.isClosed, true);
});

test('a cluster is initialised once its transports have their secrets', () => {
  const transport = new FakeTransport();
  transport.isReady = false;
  const h = new RouterHarness([clusterConfig({ transport: transport.config })]);
  let isInitialized = false;
  h.clusters.whenInitialized(() => {
    isInitialized = true;
  });
  assert.equal(isInitialized, false);
  transport.becomeReady();
  assert.equal(isInitialized, true);
});

function shared(value: string, isHashable: boolean): Partial<TransportWishes> {
  const object = { value, typed: null, isReadOnly: false, lifeSpan: 'request', sharing: 'once', isHashable } as const;
  return { sharedState: new Map([['key', object]]) };
}

test('hashable objects that go along keep connections apart, others only where the other end sees them', () => {
  const isShared = (passesState: boolean, ...both: (Partial<TransportWishes> | null)[]): boolean => {
    const { h, transport, wish, stat } = rig();
    Object.assign(transport, { passesState });
    wish(both[0]);
    const socket = h.dialer.accept();
    transport.finish();
    socket.feed(OK);
    wish(both[1]);
    return stat('upstream_cx_total') === 1;
  };
  for (const passesState of [false, true]) {
    assert.equal(isShared(passesState, shared('a', true), shared('b', true)), false);
    assert.equal(isShared(passesState, shared('a', true), shared('a', true)), true);
    assert.equal(isShared(passesState, shared('a', true), null), false);
    assert.equal(isShared(passesState, shared('a', false), shared('b', false)), true);
    assert.equal(isShared(passesState, null, shared('a', false)), !passesState);
  }
});

test('a connection of layer 4 that passes state on is nobody else’s', () => {
  const { h, transport, cluster } = rig();
  Object.assign(transport, { passesState: true });
  const seen: unknown[] = [];
  for (const value of ['first', 'second']) {
    const wishes = { ...NO_WISHES, ...shared(value, false) };
    cluster.hosts[0]?.newConnection(
      'DEFAULT',
      { source: null, wishes },
      {
        onConnected: () => undefined,
        onConnectFailed: () => undefined,
      },
    );
    h.dialer.accept();
    seen.push(transport.finish().sharedState?.get('key')?.value);
  }
  assert.deepEqual(seen, ['first', 'second']);
});

test('requests that leave with clients’ addresses share connections with those of the same client only', () => {
  const { h, wish, transport } = rig();
  const dialled: (readonly [string | undefined, number | undefined])[] = [];
  const connect = h.dialer.connect.bind(h.dialer);
  h.dialer.connect = (address, options: DialOptions, callback) => {
    dialled.push([options.localAddress?.address, options.socketOptions?.length]);
    return connect(address, options, callback);
  };
  const request = (address: string | null): void => {
    const from: Address | null = address === null ? null : { family: 'ipv4', address, port: 0 };
    const made = wish({ source: from === null ? null : { address: from, mark: 7, isTransparent: true } });
    if (made.encoder === null) {
      h.dialer.accept();
      transport.finish();
    }
    h.dialer.sockets.at(-1)?.feed(OK);
  };
  for (const address of ['10.0.0.1', '10.0.0.1', '10.0.0.2', null]) request(address);
  const [first, second, plain, ...more] = dialled;
  assert.deepEqual([first?.[0], second?.[0], plain?.[0], more.length], ['10.0.0.1', '10.0.0.2', undefined, 0]);
  assert.deepEqual([first?.[1], plain?.[1]], [2, undefined]);
});

test('an exchange wishes to leave from where its connection says, with names or without', () => {
  const source = { address: { family: 'ipv4', address: '10.0.0.1', port: 0 }, mark: 0, isTransparent: true } as const;
  const connection = makeConnection({ upstreamSource: source });
  const state = { filterState: null, connection };
  assert.equal(wishesOf(state, null)?.source, source);
  assert.equal(wishesOf(state, { needsConnection: false, autoNames: null })?.source, source);
  assert.equal(wishesOf({ filterState: null, connection: makeConnection({}) }, null), null);
});
