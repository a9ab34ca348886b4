// State of the world over a channel that the test holds in its hands: who is asked for what, and what is answered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from './services.ts';
import { FakeStreamCounts, FakeUpdateCounts, Listener, MuxRig, named, tick, wrapped } from './testing/mux-rig.ts';

const cluster = (name: string) => named(CLUSTER_TYPE, name);
const endpoints = (name: string) => named(ENDPOINT_TYPE, name, 'cluster_name');

async function opened(type: string, isWildcard: boolean, timeoutMs = 0) {
  const rig = new MuxRig(false);
  const listener = new Listener();
  const counts = new FakeUpdateCounts();
  const subscription = rig.mux.subscribe(type, isWildcard, timeoutMs, listener, counts);
  await tick();
  rig.channel.open();
  await tick();
  return { rig, listener, subscription, counts };
}

test('asks, takes on, acknowledges', async () => {
  const { rig, listener, counts } = await opened(CLUSTER_TYPE, true);
  assert.deepEqual(rig.sent(), ['Cluster node']);
  rig.sotw(CLUSTER_TYPE, '1', 'n1', [cluster('a'), cluster('b')]);
  assert.deepEqual(listener.log, ['1 all of [a b]']);
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster v1 n1']);
  rig.sotw(CLUSTER_TYPE, '2', 'n2', [cluster('a')]);
  rig.sotw(CLUSTER_TYPE, '3', 'n3', []);
  await tick();
  assert.deepEqual(listener.log.slice(1), ['2 all of [a]', '3 all of []']);
  assert.deepEqual(rig.sent(), ['Cluster v3 n3'], 'answers of one turn travel together');
  const once = (version: string): string[] => ['attempt', `success ${version} 0`];
  assert.deepEqual(counts.log, ['attempt', ...once('1'), ...once('2'), ...once('3')]);
});

test('refuses with all reasons, and keeps the version that was taken on', async () => {
  const { rig, listener, counts } = await opened(CLUSTER_TYPE, true);
  rig.sotw(CLUSTER_TYPE, '1', 'n1', [cluster('a')]);
  await tick();
  rig.sent();
  listener.refuse = [
    { name: 'a', reason: 'is bad' },
    { name: 'b', reason: 'is worse' },
  ];
  rig.sotw(CLUSTER_TYPE, '2', 'n2', [cluster('a'), cluster('b')]);
  await tick();
  const text = 'Error adding/updating cluster(s) a: is bad, b: is worse';
  assert.deepEqual(rig.sent(), [`Cluster v1 n2 NACK 13 ${text}`]);
  assert.deepEqual(rig.lines, [`warning: gRPC config for ${typeUrlOf(CLUSTER_TYPE)} rejected: ${text}`]);
  assert.deepEqual(counts.log.slice(-2), ['attempt', 'rejected']);
  listener.refuse = [];
  rig.sotw(CLUSTER_TYPE, '3', 'n3', [cluster('a')]);
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster v3 n3']);
});

test('names: one request for the changes of a turn, and only what is wanted arrives', async () => {
  const { rig, listener, subscription } = await opened(ENDPOINT_TYPE, false);
  assert.deepEqual(rig.sent(), [], 'nothing is wanted yet');
  const counts = new FakeUpdateCounts();
  subscription.add('a', counts);
  subscription.add('b');
  subscription.add('c');
  subscription.remove('b');
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment [a c] node']);
  rig.sotw(ENDPOINT_TYPE, '1', 'n1', [endpoints('a'), endpoints('stranger')]);
  await tick();
  assert.deepEqual(listener.log, ['1 [a]']);
  assert.deepEqual(counts.log, ['attempt', 'attempt', 'success 1 0']);
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment v1 n1 [a c]']);
  rig.sotw(ENDPOINT_TYPE, '2', 'n2', [endpoints('stranger')]);
  await tick();
  assert.equal(listener.log.length, 1, 'what is absent is not gone, and nothing came');
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment v2 n2 [a c]']);
  subscription.add('a');
  await tick();
  const again = ['ClusterLoadAssignment v2 n2 [c]', 'ClusterLoadAssignment v2 n2 [a c]'];
  assert.deepEqual(rig.sent(), again, 'asked for again');
  const later = new FakeUpdateCounts();
  subscription.add('c', later);
  subscription.remove('a');
  subscription.remove('c');
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment v2 n2']);
  assert.deepEqual([counts.log.at(-1), later.log], ['released', ['attempt', 'released']]);
});

test('one response at a time; what comes meanwhile is made one', async () => {
  const { rig, listener, subscription } = await opened(ENDPOINT_TYPE, false);
  for (const name of ['a', 'b', 'c']) subscription.add(name);
  await tick();
  rig.sent();
  listener.isSlow = true;
  rig.sotw(ENDPOINT_TYPE, '1', 'n1', [endpoints('a')]);
  rig.sotw(ENDPOINT_TYPE, '2', 'n2', [endpoints('a'), endpoints('b')]);
  rig.sotw(ENDPOINT_TYPE, '3', 'n3', [endpoints('c'), endpoints('a')]);
  subscription.remove('b');
  await tick();
  assert.deepEqual(listener.log, ['1 [a]']);
  assert.deepEqual(rig.sent(), [], 'requests of the type wait, too');
  listener.done[0]?.([]);
  await tick();
  assert.deepEqual(listener.log, ['1 [a]', '3 [c a]']);
  assert.deepEqual(rig.sent(), [], 'still');
  listener.done[0]?.([{ name: 'a', reason: 'twice' }]);
  listener.done[1]?.([{ name: 'c', reason: 'bad' }]);
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment v1 n3 [a c] NACK 13 c: bad']);

  const complete = await opened(LISTENER_TYPE, true);
  complete.listener.isSlow = true;
  complete.rig.sotw(LISTENER_TYPE, '1', 'n1', []);
  complete.rig.sotw(LISTENER_TYPE, '2', 'n2', [named(LISTENER_TYPE, 'gone')]);
  complete.rig.sotw(LISTENER_TYPE, '3', 'n3', [named(LISTENER_TYPE, 'here')]);
  complete.listener.done[0]?.([]);
  assert.deepEqual(complete.listener.log, ['1 all of []', '3 all of [here]']);
});

test('endpoints wait for clusters and routes for listeners, and go before the answer', async () => {
  const rig = new MuxRig(false);
  const clusters = new Listener();
  const routes = new Listener();
  clusters.isSlow = true;
  rig.mux.subscribe(CLUSTER_TYPE, true, 0, clusters);
  const endpointNames = rig.mux.subscribe(ENDPOINT_TYPE, false, 0, new Listener());
  const routeNames = rig.mux.subscribe(ROUTE_TYPE, false, 0, routes);
  await tick();
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster node']);
  rig.sotw(CLUSTER_TYPE, '1', 'n1', [cluster('a'), cluster('b')]);
  endpointNames.add('a');
  routeNames.add('r');
  await tick();
  endpointNames.add('b');
  await tick();
  assert.deepEqual(rig.sent(), ['RouteConfiguration [r]']);
  clusters.done[0]?.([]);
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment [a b]', 'Cluster v1 n1']);
  // A type that is subscribed to while it is held is held, too.
  const listeners = new Listener();
  rig.mux.subscribe(LISTENER_TYPE, true, 0, listeners);
  await tick();
  rig.sent();
  listeners.isSlow = true;
  rig.sotw(LISTENER_TYPE, '1', 'n1', []);
  const secrets = rig.mux.subscribe('envoy.extensions.transport_sockets.tls.v3.Secret', false, 0, new Listener());
  secrets.add('s');
  routeNames.add('r2');
  await tick();
  assert.deepEqual(rig.sent(), []);
  listeners.done[0]?.([]);
  await tick();
  assert.deepEqual(rig.sent(), ['RouteConfiguration [r r2]', 'Secret [s]', 'Listener v1 n1']);
});

test('a new stream says everything again, in order, with the versions that were taken on and no nonce', async () => {
  const { rig, listener, counts } = await opened(CLUSTER_TYPE, true);
  const names = rig.mux.subscribe(ENDPOINT_TYPE, false, 0, new Listener());
  const none = new Listener();
  rig.mux.subscribe(ROUTE_TYPE, false, 0, none);
  names.add('a');
  rig.sotw(CLUSTER_TYPE, '1', 'n1', [cluster('a')]);
  await tick();
  rig.sent();
  listener.isSlow = true;
  rig.sotw(CLUSTER_TYPE, '2', 'n2', []);
  rig.channel.close(14, 'gone');
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), [], 'endpoints and clusters are still held');
  listener.done[0]?.([]);
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment [a] node', 'Cluster v2']);
  assert.deepEqual(listener.log.slice(2), ['failed: Stream gRPC config stream to xds closed: 14, gone']);
  assert.ok(counts.log.join().includes('failure,attempt'));
  rig.sotw(ENDPOINT_TYPE, '1', 'm1', []);
  assert.deepEqual(listener.log.slice(3), ['stands']);
  assert.deepEqual(none.log.slice(1), ['stands']);
});

test('the first fetch is waited for so long, name by name', async () => {
  const { rig, listener, subscription } = await opened(ENDPOINT_TYPE, false, 1000);
  const counts = new FakeUpdateCounts();
  subscription.add('a', counts);
  subscription.add('b');
  subscription.add('gone');
  rig.clock.advance(600);
  subscription.add('c');
  subscription.remove('gone');
  rig.sotw(ENDPOINT_TYPE, '1', 'n1', [endpoints('b')]);
  rig.clock.advance(600);
  assert.deepEqual(listener.log, ['1 [b]', 'timeout of a']);
  assert.deepEqual(counts.log, ['attempt', 'timeout', 'attempt']);
  rig.clock.advance(600);
  assert.deepEqual(listener.log.slice(2), ['timeout of c']);
  assert.deepEqual(rig.lines.length, 2);

  const all = await opened(CLUSTER_TYPE, true, 1000);
  all.rig.clock.advance(1100);
  assert.deepEqual(all.listener.log, ['timeout of *']);
});

test('resources with a time to live end by themselves unless they are said to stand', async () => {
  const { rig, listener, subscription } = await opened(ENDPOINT_TYPE, false);
  subscription.add('a');
  subscription.add('b');
  const ttl = { seconds: 1, nanos: 0 };
  const full = (name: string) => wrapped({ name, version: '1', ttl, resource: endpoints(name) });
  rig.sotw(ENDPOINT_TYPE, '1', 'n1', [full('a'), full('b')]);
  rig.clock.advance(800);
  rig.sotw(ENDPOINT_TYPE, '1', 'n2', [wrapped({ name: 'a', version: '1', ttl })]);
  assert.deepEqual(listener.log, ['1 [a b]'], 'a heartbeat is no update');
  rig.clock.advance(400);
  assert.deepEqual(listener.log.slice(1), [' [] without [b]']);
  rig.clock.advance(2000);
  assert.deepEqual(listener.log.slice(2), [' [] without [a]']);
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment v1 n2 [a b] node']);
});

test('what is broken is refused by name, and nothing is gone because of it', async () => {
  const { rig, listener } = await opened(CLUSTER_TYPE, true);
  const wrong = named(LISTENER_TYPE, 'l');
  const garbage = { type_url: typeUrlOf(CLUSTER_TYPE), value: Uint8Array.of(0x0a, 0x7f, 0x41) };
  const halfWrapper = { type_url: typeUrlOf('envoy.service.discovery.v3.Resource'), value: Uint8Array.of(0x0a, 0x7f) };
  const missing = wrapped({ name: 'm', version: '7' });
  rig.sotw(CLUSTER_TYPE, '1', 'n1', [cluster('a'), wrong, cluster('a'), garbage, halfWrapper, missing]);
  await tick();
  assert.deepEqual(listener.log, ['1 [a]']);
  const [, nack = ''] = rig.sent();
  const url = typeUrlOf(CLUSTER_TYPE);
  assert.equal(
    nack,
    'Cluster n1 NACK 13 Error adding/updating cluster(s) ' +
      `type URL ${typeUrlOf(LISTENER_TYPE)} embedded in an individual Any does not match the message-wide type URL ` +
      `${url} in DiscoveryResponse, a: duplicate cluster a found, Unable to unpack as ${CLUSTER_TYPE}, ` +
      'Unable to unpack as envoy.service.discovery.v3.Resource, m: the resource is missing',
  );
});

test('responses of types that nobody asked for, or asks for no more', async () => {
  const { rig, subscription, listener } = await opened(ENDPOINT_TYPE, false);
  rig.sotw(ROUTE_TYPE, '1', 'n1', [named(ROUTE_TYPE, 'r')]);
  rig.channel.handler.onMessage({});
  await tick();
  const ignored = (url: string): string =>
    `warning: Ignoring the message for type URL ${url} as it has no current subscribers.`;
  assert.deepEqual(rig.lines, [ignored(typeUrlOf(ROUTE_TYPE)), ignored('')]);
  assert.deepEqual(rig.sent(), []);
  subscription.add('a');
  await tick();
  subscription.close();
  subscription.add('b');
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment [a] node', 'ClusterLoadAssignment']);
  rig.sotw(ENDPOINT_TYPE, '1', 'n1', [endpoints('a')]);
  rig.sotw(ENDPOINT_TYPE, '2', 'n2', []);
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment v2 n2']);
  assert.deepEqual(listener.log, []);
  const again = new Listener();
  rig.mux.subscribe(ENDPOINT_TYPE, false, 0, again).add('c');
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment v2 n2 [c]']);
});

test('requests keep to their rate', async () => {
  const counts = new FakeStreamCounts();
  const rig = new MuxRig(false, { rateLimit: { maxTokens: 2, fillRate: 10 }, counts });
  const names = rig.mux.subscribe(ENDPOINT_TYPE, false, 0, new Listener());
  const routes = rig.mux.subscribe(ROUTE_TYPE, false, 0, new Listener());
  await tick();
  rig.channel.open();
  for (const name of ['a', 'b', 'c']) {
    names.add(name);
    routes.add(name);
    await tick();
  }
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment [a] node', 'RouteConfiguration [a]']);
  assert.deepEqual(counts.log.slice(0, 3), ['connected true', 'rate limited', 'pending 2']);
  rig.clock.advance(104);
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment [a b c]']);
  rig.clock.advance(104);
  assert.deepEqual(rig.sent(), ['RouteConfiguration [a b c]']);
});

test('a stream for one question is counted with it', async () => {
  const rig = new MuxRig(false);
  const counts = new FakeUpdateCounts(new FakeStreamCounts());
  rig.mux.subscribe(CLUSTER_TYPE, true, 0, new Listener(), counts);
  await tick();
  rig.channel.open();
  rig.sotw(CLUSTER_TYPE, '1', 'n1', [], { control_plane: { identifier: 'me' } });
  rig.channel.close(0, '');
  rig.mux.close();
  assert.deepEqual(counts.stream?.log, [
    ...['connected false', 'connected true', 'from me', 'connected false', 'connected false', 'released'],
  ]);
});

test('too much that waits stops the stream', async () => {
  const { rig, listener, subscription } = await opened(ENDPOINT_TYPE, false);
  listener.isSlow = true;
  for (let i = 0; i < 4; i++) subscription.add(`e${i}`);
  // The name, and an unknown field of 30 MiB.
  const head = encodeBinary(registry.message(ENDPOINT_TYPE), { cluster_name: 'c' });
  const bytes = Buffer.concat([head, Uint8Array.of(0xf2, 0x3f, 0x80, 0x80, 0x80, 0x0f), Buffer.alloc(30 << 20)]);
  const big = (name: string) =>
    wrapped({ name, version: '1', resource: { type_url: typeUrlOf(ENDPOINT_TYPE), value: bytes } });
  rig.sotw(ENDPOINT_TYPE, '1', 'n1', [endpoints('e0')]);
  for (let i = 1; i < 4; i++) rig.sotw(ENDPOINT_TYPE, '1', `n${i}`, [big(`e${i}`)]);
  assert.equal(rig.channel.pauses, 1);
  subscription.remove('e1');
  assert.equal(rig.channel.pauses, 0);
  subscription.add('e1');
  rig.sotw(ENDPOINT_TYPE, '1', 'n5', [big('e1')]);
  assert.equal(rig.channel.pauses, 1);
  listener.done[0]?.([]);
  assert.equal(rig.channel.pauses, 0);
});

test('nothing is heard after the end', async () => {
  const { rig, listener, subscription } = await opened(CLUSTER_TYPE, true, 1000);
  listener.isSlow = true;
  rig.sotw(CLUSTER_TYPE, '1', 'n1', []);
  rig.sotw(CLUSTER_TYPE, '2', 'n2', []);
  rig.mux.close();
  listener.done[0]?.([]);
  rig.channel.handler.onMessage({});
  rig.channel.handler.onClose(1, '');
  subscription.close();
  rig.clock.advance(5000);
  await tick();
  assert.deepEqual(listener.log, ['1 all of []']);
  assert.deepEqual(rig.sent(), ['Cluster node']);
});

test('a server that takes no requests is told later what is so then', async () => {
  const rig = new MuxRig(false);
  rig.mux.subscribe(CLUSTER_TYPE, true, 0, new Listener());
  await tick();
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster node']);
  rig.channel.isAboveWatermark = true;
  for (let i = 0; i < 50; i++) {
    rig.sotw(CLUSTER_TYPE, `${i}`, `n${i}`, []);
    await tick(1);
  }
  await tick();
  assert.deepEqual(rig.sent(), []);
  rig.channel.isAboveWatermark = false;
  rig.channel.handler.onDrain();
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster v49 n49']);
  assert.equal(rig.channel.pauses, 0);
});
