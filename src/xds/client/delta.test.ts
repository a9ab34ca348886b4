// Delta over a channel that the test holds in its hands: subscriptions, versions, and an answer to each response.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../../proto/generated/types.d.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE } from './services.ts';
import { FakeUpdateCounts, Listener, MuxRig, named, tick } from './testing/mux-rig.ts';

function cluster(name: string, version = '1'): Resource {
  return { name, version, resource: named(CLUSTER_TYPE, name) };
}
function endpoints(name: string, version = '1'): Resource {
  return { name, version, resource: named(ENDPOINT_TYPE, name, 'cluster_name') };
}

async function opened(type: string, isWildcard: boolean) {
  const rig = new MuxRig(true);
  const listener = new Listener();
  const counts = new FakeUpdateCounts();
  const subscription = rig.mux.subscribe(type, isWildcard, 0, listener, counts);
  await tick();
  rig.channel.open();
  await tick();
  return { rig, listener, subscription, counts };
}

test('all there are: the first request names nothing, and a later stream says what is here', async () => {
  const { rig, listener } = await opened(CLUSTER_TYPE, true);
  assert.deepEqual(rig.sent(), ['Cluster node']);
  rig.delta(CLUSTER_TYPE, 'n1', []);
  rig.delta(CLUSTER_TYPE, 'n2', [cluster('a'), cluster('b', '2')]);
  rig.delta(CLUSTER_TYPE, 'n3', [cluster('b', '3')], { removed_resources: ['a', 'never'] });
  await tick();
  assert.deepEqual(listener.log, ['sn1 []', 'sn2 [a b]', 'sn3 [b] without [a never]']);
  assert.deepEqual(rig.sent(), ['Cluster n1', 'Cluster n2', 'Cluster n3'], 'an answer to each');
  rig.channel.close(14, '');
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster has [b=3] node']);
});

test('names: changes of a turn in one request, and what is not wanted is left out', async () => {
  const { rig, listener, subscription } = await opened(ENDPOINT_TYPE, false);
  assert.deepEqual(rig.sent(), []);
  for (const name of ['c', 'a', 'b']) subscription.add(name);
  subscription.remove('b');
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment +[a c] node']);
  rig.delta(ENDPOINT_TYPE, 'n1', [endpoints('a'), endpoints('stranger')]);
  rig.delta(ENDPOINT_TYPE, 'n2', [endpoints('stranger', '2')], { removed_resources: ['other'] });
  await tick();
  assert.deepEqual(listener.log, ['sn1 [a]']);
  subscription.add('d');
  subscription.remove('c');
  subscription.add('e');
  subscription.remove('e');
  await tick();
  assert.deepEqual(rig.sent(), [
    ...['ClusterLoadAssignment n1', 'ClusterLoadAssignment n2'],
    'ClusterLoadAssignment +[d] -[c]',
  ]);
  subscription.remove('a');
  subscription.add('a');
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment +[a]'], 'who forgot it is to be reminded');
  subscription.add('a');
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment +[a]'], 'asked for again');
  rig.delta(ENDPOINT_TYPE, 'n3', [endpoints('a', '7')]);
  rig.channel.close(14, '');
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment +[a d] has [a=7] node']);
});

test('all there are and names besides', async () => {
  const { rig, subscription } = await opened(CLUSTER_TYPE, true);
  subscription.add('on-demand');
  await tick();
  rig.delta(CLUSTER_TYPE, 'n1', [cluster('on-demand'), cluster('a')]);
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster node', 'Cluster +[on-demand]', 'Cluster n1']);
  rig.channel.close(14, '');
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster +[* on-demand] has [on-demand=1 a=1] node']);
  subscription.close();
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster -[* on-demand]']);
});

test('each response is refused for its own, and what was refused is not here', async () => {
  const { rig, listener, subscription } = await opened(ENDPOINT_TYPE, false);
  const counts = new FakeUpdateCounts();
  const good = new FakeUpdateCounts();
  subscription.add('a', counts);
  subscription.add('b', good);
  subscription.add('c');
  await tick();
  rig.sent();
  listener.isSlow = true;
  rig.delta(ENDPOINT_TYPE, 'n1', [endpoints('c', '0')]);
  // These wait for the first one, and become one.
  rig.delta(ENDPOINT_TYPE, 'n2', [endpoints('a', '1'), endpoints('b', '1')]);
  rig.delta(ENDPOINT_TYPE, 'n3', [endpoints('a', '2')]);
  rig.delta(ENDPOINT_TYPE, 'n4', [], { removed_resources: ['c'] });
  listener.done[0]?.([]);
  await tick();
  assert.deepEqual(listener.log, ['sn1 [c]', 'sn4 [b a] without [c]']);
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment n1']);
  listener.done[1]?.([{ name: 'a', reason: 'is bad' }]);
  await tick();
  const acks = ['ClusterLoadAssignment n2', 'ClusterLoadAssignment n3 NACK 13 a: is bad', 'ClusterLoadAssignment n4'];
  assert.deepEqual(rig.sent(), acks);
  assert.deepEqual(counts.log.slice(-3), ['attempt', 'attempt', 'rejected']);
  assert.deepEqual(good.log.slice(-2), ['attempt', 'success sn4 0']);
  rig.channel.close(14, '');
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment +[a b c] has [b=1] node']);
});

test('responses that are refused whole', async () => {
  const { rig, listener, counts } = await opened(CLUSTER_TYPE, true);
  rig.sent();
  rig.delta(CLUSTER_TYPE, 'n1', [cluster('a'), cluster('a', '2')]);
  rig.delta(CLUSTER_TYPE, 'n2', [cluster('a')], { removed_resources: ['a'] });
  await tick();
  const error = 'Error adding/updating cluster(s) duplicate name a found';
  assert.deepEqual(rig.sent(), [
    `Cluster n1 NACK 13 ${error} among added/updated resources`,
    `Cluster n2 NACK 13 ${error} in the union of added+removed resources`,
  ]);
  assert.deepEqual(listener.log, ['timeout of *'], 'nobody waits for what came and is of no use');
  assert.deepEqual(counts.log, ['attempt', 'rejected', 'attempt', 'rejected', 'attempt']);
});

test('what is broken is refused by name, the rest is taken on', async () => {
  const { rig, listener } = await opened(CLUSTER_TYPE, true);
  rig.sent();
  const wrong = { name: 'w', version: '1', resource: named(LISTENER_TYPE, 'w') };
  const half = { name: 'h', version: '1', resource: { type_url: typeUrlOf(CLUSTER_TYPE), value: Buffer.of(10, 9) } };
  rig.delta(CLUSTER_TYPE, 'n1', [wrong, half, { name: 'm', version: '1' }, cluster('a')]);
  await tick();
  assert.deepEqual(listener.log, ['sn1 [a]']);
  const [nack = ''] = rig.sent();
  assert.match(
    nack,
    /^Cluster n1 NACK 13 .*\(s\) w: type URL .*, h: Unable to unpack as .*, m: the resource is missing$/,
  );
  rig.channel.close(14, '');
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster has [a=1] node']);
});

test('heartbeats keep resources alive', async () => {
  const { rig, listener, subscription } = await opened(ENDPOINT_TYPE, false);
  subscription.add('a');
  const ttl = { seconds: 1, nanos: 500_000_000 };
  rig.delta(ENDPOINT_TYPE, 'n1', [{ ...endpoints('a'), ttl }]);
  rig.clock.advance(1400);
  rig.delta(ENDPOINT_TYPE, 'n2', [{ name: 'a', version: '1', ttl }]);
  rig.clock.advance(1400);
  assert.deepEqual(listener.log, ['sn1 [a]']);
  rig.clock.advance(200);
  assert.deepEqual(listener.log, ['sn1 [a]', ' [] without [a]']);
  await tick();
  rig.sent();
  rig.channel.close(14, '');
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['ClusterLoadAssignment +[a] node']);
});

test('aliases: what was asked for by another name, found or not', async () => {
  const { rig, listener, subscription } = await opened(VIRTUAL_HOST_TYPE, false);
  subscription.add('r/one.example');
  subscription.add('r/two.example');
  const vhost = { name: 'r/v', version: '1', aliases: ['r/one.example'], resource: named(VIRTUAL_HOST_TYPE, 'v') };
  rig.delta(VIRTUAL_HOST_TYPE, 'n1', [vhost, { name: 'r/two.example', version: '', aliases: ['r/two.example'] }]);
  const [response] = listener.responses;
  assert.deepEqual(
    response?.resources.map(({ name, aliases, bytes }) => [name, aliases, bytes.length > 0]),
    [
      ['r/v', ['r/one.example'], true],
      ['r/two.example', ['r/two.example'], false],
    ],
  );
});

test('routes are held while listeners are applied, answers for clusters are not', async () => {
  const rig = new MuxRig(true);
  const listeners = new Listener();
  const clusters = new Listener();
  rig.mux.subscribe(LISTENER_TYPE, true, 0, listeners);
  rig.mux.subscribe(CLUSTER_TYPE, true, 0, clusters);
  const routes = rig.mux.subscribe(ROUTE_TYPE, false, 0, new Listener());
  await tick();
  rig.channel.open();
  await tick();
  rig.sent();
  listeners.isSlow = true;
  rig.delta(LISTENER_TYPE, 'n1', []);
  rig.delta(CLUSTER_TYPE, 'n2', []);
  routes.add('a');
  routes.add('b');
  await tick();
  assert.deepEqual(rig.sent(), ['Cluster n2']);
  listeners.done[0]?.([]);
  await tick();
  assert.deepEqual(rig.sent(), ['RouteConfiguration +[a b]', 'Listener n1']);
});

test('a server that takes no answers is not read any more in the end', async () => {
  const rig = new MuxRig(true);
  rig.mux.subscribe(CLUSTER_TYPE, true, 0, new Listener());
  await tick();
  rig.channel.open();
  await tick();
  rig.channel.isAboveWatermark = true;
  const pauses: number[] = [];
  for (let i = 0; i < 1100; i++) {
    rig.delta(CLUSTER_TYPE, `n${i}`, []);
    pauses.push(rig.channel.pauses);
  }
  await tick();
  assert.deepEqual([pauses[900], pauses.at(-1)], [0, 1]);
  assert.equal(rig.sent().length, 1);
  rig.channel.isAboveWatermark = false;
  rig.channel.handler.onDrain();
  await tick();
  assert.equal(rig.sent().length, 1100);
  assert.equal(rig.channel.pauses, 0);
});
