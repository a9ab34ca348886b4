// Names that stand for many: all there are of a type, and those of a space, asked for together and counted apart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCOPED_ROUTE_TYPE, VIRTUAL_HOST_TYPE } from './services.ts';
import { FakeUpdateCounts, Listener, MuxRig, named, tick } from './testing/mux-rig.ts';

const host = (name: string, aliases: string[] = []) => ({
  ...{ name, version: '1', aliases, resource: named(VIRTUAL_HOST_TYPE, name) },
});

async function opened(isDelta: boolean, type: string, timeoutMs = 0) {
  const rig = new MuxRig(isDelta);
  const listener = new Listener();
  const subscription = rig.mux.subscribe(type, false, timeoutMs, listener);
  await tick();
  rig.channel.open();
  await tick();
  return { rig, listener, subscription };
}

test('spaces are asked for as all there is, hosts by their names', async () => {
  const { rig, listener, subscription } = await opened(true, VIRTUAL_HOST_TYPE);
  assert.deepEqual(rig.sent(), [], 'nobody wants anything');
  const [a, b] = [new FakeUpdateCounts(), new FakeUpdateCounts()];
  subscription.add('a/', a);
  subscription.add('b/', b);
  await tick();
  assert.deepEqual(rig.sent(), ['VirtualHost node']);
  rig.delta(VIRTUAL_HOST_TYPE, 'n1', [host('a/1'), host('c/1')]);
  await tick();
  assert.deepEqual(listener.log, ['sn1 [a/1 c/1]']);
  assert.deepEqual(rig.sent(), ['VirtualHost n1']);
  subscription.add('b/x.test');
  await tick();
  assert.deepEqual(rig.sent(), ['VirtualHost +[b/x.test]']);
  rig.delta(VIRTUAL_HOST_TYPE, 'n2', [host('b/2', ['b/x.test'])], { removed_resources: ['a/1'] });
  await tick();
  const once = (nonce: string): string[] => ['attempt', `success s${nonce} 0`];
  assert.deepEqual(a.log, ['attempt', ...once('n1'), ...once('n2')]);
  assert.deepEqual(b.log, ['attempt', 'attempt', ...once('n2')], 'a host is counted with its space');
  rig.sent();
  subscription.remove('b/x.test');
  subscription.remove('a/');
  subscription.remove('b/');
  await tick();
  assert.deepEqual(rig.sent(), ['VirtualHost -[b/x.test]'], 'all there is goes on coming');
  assert.deepEqual(a.log.at(-1), 'released');
  subscription.add('a/');
  await tick();
  assert.deepEqual(rig.sent(), []);
  rig.channel.close(14, 'gone');
  rig.channel.open();
  await tick();
  assert.deepEqual(rig.sent(), ['VirtualHost has [c/1=1 b/2=1] node']);
});

test('whoever waits for all there is waits once, as long as its own configuration says', async () => {
  const { rig, listener, subscription } = await opened(true, VIRTUAL_HOST_TYPE, 15_000);
  const counts = new FakeUpdateCounts();
  subscription.add('a/', counts, 100);
  await tick();
  rig.clock.advance(99);
  assert.deepEqual(listener.log, []);
  rig.clock.advance(1);
  assert.deepEqual(listener.log, ['timeout of a/']);
  assert.ok(counts.log.includes('timeout'));
  subscription.add('b/', null, 100);
  rig.delta(VIRTUAL_HOST_TYPE, 'n1', []);
  await tick();
  subscription.add('c/', null, 100);
  rig.clock.advance(1_000);
  assert.deepEqual(listener.log, ['timeout of a/', 'sn1 []'], 'any answer ends the wait');
});

test('scopes are all there are in state of the world', async () => {
  const { rig, listener, subscription } = await opened(false, SCOPED_ROUTE_TYPE);
  const counts = new FakeUpdateCounts();
  subscription.add('*', counts);
  await tick();
  assert.deepEqual(rig.sent(), ['ScopedRouteConfiguration node']);
  rig.sotw(SCOPED_ROUTE_TYPE, '1', 'n1', [named(SCOPED_ROUTE_TYPE, 'a')]);
  await tick();
  assert.deepEqual(listener.log, ['1 all of [a]']);
  assert.deepEqual(rig.sent(), ['ScopedRouteConfiguration v1 n1']);
  assert.deepEqual(counts.log, ['attempt', 'attempt', 'success 1 0']);
  subscription.remove('*');
  await tick();
  assert.deepEqual(rig.sent(), [], 'a request without names would ask for all');
});
