// Tests of the incremental form with scripted clients: subscriptions, acknowledgements, order, reconnects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { CLUSTER_URL, ENDPOINT_URL, LISTENER_URL, LIVE_URL, ROUTE_URL, VIRTUAL_HOST_URL } from './order.ts';
import { MAX_REMEMBERED_CHANGES } from './resource.ts';
import { XdsServer } from './server.ts';
import type { XdsStream } from './stream.ts';
import { admission, describe, ScriptedClient, TestView, textResource, tick } from './testing/scripted-client.ts';
import type { XdsAdmission, XdsLimits, XdsRefusalOf } from './types.ts';

type Setup = { admits?: Partial<XdsAdmission>; limits?: Partial<XdsLimits> };

function setUp({ admits = {}, limits = {} }: Setup = {}) {
  const clock = new Clock({ manual: true });
  const view = new TestView();
  const refusals: XdsRefusalOf[] = [];
  const events: string[] = [];
  const server = new XdsServer<string>({
    clock,
    identifier: 'test',
    authenticate: () => 'somebody',
    admit: () => admission(view, admits),
    limits,
    observer: {
      refused: (_stream, refusal) => refusals.push(refusal),
      counted: (event) => events.push(event),
    },
  });
  const connect = () => new ScriptedClient(server);
  const next = async (client: ScriptedClient) => {
    await tick(clock);
    return client.next();
  };
  const stream = () => [...server.streams][0] as XdsStream;
  return { clock, view, server, connect, next, refusals, events, stream };
}

test('a first request without names asks for everything; what changed and went follows, merged', async () => {
  const { view, server, connect, next } = setUp();
  const table = view.table(CLUSTER_URL, 'a', 'b');
  const client = connect();
  client.ask({ node: { id: 'n' }, type_url: CLUSTER_URL });
  const first = await next(client);
  assert.equal(describe(first), 'Cluster a=1 b=1');
  table.apply([['a', textResource(CLUSTER_URL, 'a', '2')]]);
  server.push();
  table.apply([
    ['a', textResource(CLUSTER_URL, 'a', '3')],
    ['b', null],
    ['c', textResource(CLUSTER_URL, 'c', '1')],
  ]);
  server.push();
  assert.equal(await next(client), undefined);
  client.answer(first as never);
  const second = await next(client);
  assert.equal(describe(second), 'Cluster a=3 c=1');
  client.answer(second as never);
  const third = await next(client);
  assert.equal(describe(third), 'Cluster -b');
  client.answer(third as never);
  server.push();
  assert.equal(await next(client), undefined);
});

test('names are subscribed to and unsubscribed from; what does not exist is told', async () => {
  const { view, server, connect, next } = setUp();
  const table = view.table(ENDPOINT_URL, 'a', 'b', 'c');
  const client = connect();
  client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['c', 'a', 'none'] });
  const first = await next(client);
  assert.equal(describe(first), 'ClusterLoadAssignment a=1 c=1 -none');
  client.answer(first as never);
  table.apply([['b', textResource(ENDPOINT_URL, 'b', '2')]]);
  server.push();
  assert.equal(await next(client), undefined);
  client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['b'], resource_names_unsubscribe: ['a'] });
  const second = await next(client);
  assert.equal(describe(second), 'ClusterLoadAssignment b=2');
  client.answer(second as never);
  table.apply([
    ['a', textResource(ENDPOINT_URL, 'a', '2')],
    ['none', textResource(ENDPOINT_URL, 'none', '1')],
  ]);
  server.push();
  const third = await next(client);
  assert.equal(describe(third), 'ClusterLoadAssignment none=1');
  client.answer(third as never);
  client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['c'] });
  assert.equal(describe(await next(client)), 'ClusterLoadAssignment c=1', 'asked again, sent again');
});

test('a client that comes back with what it has is sent nothing that is equal', async () => {
  const { view, connect, next } = setUp();
  const table = view.table(CLUSTER_URL, 'a', 'b');
  const versions = Object.fromEntries(table.all().map(({ name, version }) => [name, version]));
  const same = connect();
  same.ask({ type_url: CLUSTER_URL, initial_resource_versions: versions });
  assert.equal(await next(same), undefined);
  const other = connect();
  other.ask({
    type_url: CLUSTER_URL,
    resource_names_subscribe: ['*'],
    initial_resource_versions: { ...versions, a: 'older', gone: 'x' },
  });
  const first = await next(other);
  assert.equal(describe(first), 'Cluster a=1');
  other.answer(first as never);
  assert.equal(describe(await next(other)), 'Cluster -gone');
  const named = connect();
  named.ask({
    type_url: CLUSTER_URL,
    resource_names_subscribe: ['a', 'gone', 'b'],
    initial_resource_versions: { a: versions['a'] as string, gone: 'x' },
  });
  assert.equal(describe(await next(named)), 'Cluster b=1 -gone');
});

test('a wildcard ends with its unsubscription, and a name out of it is told again', async () => {
  const { view, server, connect, next } = setUp();
  const table = view.table(CLUSTER_URL, 'a', 'b');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL, resource_names_subscribe: ['*', 'a'] });
  const first = await next(client);
  assert.equal(describe(first), 'Cluster b=1 a=1');
  client.answer(first as never);
  client.ask({ type_url: CLUSTER_URL, resource_names_unsubscribe: ['a'] });
  const second = await next(client);
  assert.equal(describe(second), 'Cluster a=1');
  client.answer(second as never);
  client.ask({ type_url: CLUSTER_URL, resource_names_subscribe: ['b'], resource_names_unsubscribe: ['*'] });
  const third = await next(client);
  client.answer(third as never);
  table.apply([
    ['a', textResource(CLUSTER_URL, 'a', '2')],
    ['b', textResource(CLUSTER_URL, 'b', '2')],
  ]);
  server.push();
  assert.equal(describe(await next(client)), 'Cluster b=2');
});

test('types go in order, each when the one before is acknowledged, or after a second', async () => {
  const { clock, view, connect, next, server } = setUp();
  const tables = [ROUTE_URL, LISTENER_URL, CLUSTER_URL].map((type) => view.table(type, 'x'));
  const client = connect();
  client.ask({ type_url: LISTENER_URL });
  client.ask({ type_url: ROUTE_URL, resource_names_subscribe: ['x'] });
  client.ask({ type_url: CLUSTER_URL });
  for (const type of ['Cluster', 'Listener', 'RouteConfiguration']) {
    const response = await next(client);
    assert.equal(describe(response), `${type} x=1`);
    assert.equal(await next(client), undefined);
    client.answer(response as never);
  }
  for (const table of tables) table.apply([['x', textResource(table.typeUrl, 'x', '2')]]);
  server.push();
  assert.equal(describe(await next(client)), 'Cluster x=2');
  clock.advance(900);
  assert.equal(await next(client), undefined);
  clock.advance(200);
  assert.equal(describe(await next(client)), 'Listener x=2');
});

test('routes to a new cluster wait for its endpoints; a changed cluster gets its endpoints again', async () => {
  const { view, connect, next, server } = setUp();
  const clusters = view.table(CLUSTER_URL, 'a');
  const endpoints = view.table(ENDPOINT_URL, 'a');
  const routes = view.table(ROUTE_URL, 'r');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  client.answer((await next(client)) as never);
  client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['a'] });
  client.answer((await next(client)) as never);
  client.ask({ type_url: ROUTE_URL, resource_names_subscribe: ['r'] });
  client.answer((await next(client)) as never);
  clusters.apply([
    ['a', textResource(CLUSTER_URL, 'a', '2')],
    ['b', textResource(CLUSTER_URL, 'b', '1')],
  ]);
  endpoints.apply([['b', textResource(ENDPOINT_URL, 'b', '1')]]);
  routes.apply([['r', textResource(ROUTE_URL, 'r', '2')]]);
  server.push();
  const first = await next(client);
  assert.equal(describe(first), 'Cluster a=2 b=1');
  client.answer(first as never);
  const second = await next(client);
  assert.equal(describe(second), 'ClusterLoadAssignment a=1');
  client.answer(second as never);
  assert.equal(await next(client), undefined);
  client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['b'] });
  const third = await next(client);
  assert.equal(describe(third), 'ClusterLoadAssignment b=1');
  assert.equal(await next(client), undefined);
  client.answer(third as never);
  assert.equal(describe(await next(client)), 'RouteConfiguration r=2');
});

test('clusters go after the routes that named them were taken on', async () => {
  const { clock, view, connect, next, server } = setUp();
  const clusters = view.table(CLUSTER_URL, 'a', 'b');
  const listeners = view.table(LISTENER_URL, 'l');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  client.answer((await next(client)) as never);
  client.ask({ type_url: LISTENER_URL });
  client.answer((await next(client)) as never);
  clusters.apply([['a', null]]);
  listeners.apply([['l', textResource(LISTENER_URL, 'l', '2')]]);
  server.push();
  const first = await next(client);
  assert.equal(describe(first), 'Listener l=2');
  client.answer(first as never, 'no');
  clock.advance(5000);
  assert.equal(await next(client), undefined, 'the old listener still names it');
  listeners.apply([['l', textResource(LISTENER_URL, 'l', '3')]]);
  server.push();
  client.answer((await next(client)) as never);
  assert.equal(await next(client), undefined, 'routes may be asked for');
  clock.advance(400);
  assert.equal(describe(await next(client)), 'Cluster -a');
});

test('a cluster that comes back before it was removed stays', async () => {
  const { clock, view, connect, next, server } = setUp();
  const clusters = view.table(CLUSTER_URL, 'a', 'b');
  const routes = view.table(ROUTE_URL, 'r');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  client.answer((await next(client)) as never);
  client.ask({ type_url: ROUTE_URL, resource_names_subscribe: ['r'] });
  client.answer((await next(client)) as never);
  clusters.apply([['a', null]]);
  routes.apply([['r', textResource(ROUTE_URL, 'r', '2')]]);
  server.push();
  const route = await next(client);
  assert.equal(describe(route), 'RouteConfiguration r=2');
  clusters.apply([['a', textResource(CLUSTER_URL, 'a', '1')]]);
  server.push();
  client.answer(route as never);
  const last = await next(client);
  assert.equal(describe(last), 'Cluster a=1');
  client.answer(last as never);
  clock.advance(5000);
  assert.equal(await next(client), undefined);
});

test('of a refused response the bad resource is found, and the others are taken on', async () => {
  const { view, connect, next, server, refusals, stream } = setUp();
  const routes = view.table(ROUTE_URL, 'a', 'b', 'c', 'd');
  const client = connect();
  client.ask({ type_url: ROUTE_URL, resource_names_subscribe: ['a', 'b', 'c', 'd'] });
  const seen: string[] = [];
  for (;;) {
    const response = await next(client);
    if (response === undefined) break;
    const isBad = (response.resources ?? []).some(({ name }) => name === 'c');
    seen.push(`${describe(response)}${isBad ? ' no' : ''}`);
    client.answer(response as never, isBad ? 'something is wrong' : null);
  }
  assert.deepEqual(seen, [
    'RouteConfiguration a=1 b=1 c=1 d=1 no',
    'RouteConfiguration a=1 b=1',
    'RouteConfiguration c=1 d=1 no',
    'RouteConfiguration c=1 no',
    'RouteConfiguration d=1',
  ]);
  assert.deepEqual(
    refusals.map(({ name, message }) => [name, message]),
    [['c', 'something is wrong']],
  );
  assert.deepEqual([...(stream().type(ROUTE_URL)?.refused?.keys() ?? [])], ['c']);
  routes.apply([['c', textResource(ROUTE_URL, 'c', '2')]]);
  server.push();
  client.answer((await next(client)) as never);
  assert.equal(stream().type(ROUTE_URL)?.refused, null);
});

test('a client that takes on what is good is believed what it names', async () => {
  const { view, connect, next, refusals } = setUp({ admits: { takesGoodOnes: true } });
  view.table(ROUTE_URL, 'a.b', 'b', 'x|b');
  const client = connect();
  client.ask({ type_url: ROUTE_URL, resource_names_subscribe: ['a.b', 'b', 'x|b'] });
  client.answer((await next(client)) as never, 'b: virtual_hosts[0]: no');
  assert.equal(await next(client), undefined);
  assert.deepEqual(
    refusals.map(({ name }) => name),
    ['b'],
  );
});

test('virtual hosts come by route configuration, and one that nobody has is answered', async () => {
  const { view, connect, next, server } = setUp();
  const hosts = view.table(VIRTUAL_HOST_URL, '80/a', '80/b', '81/a');
  hosts.apply([['80/c', textResource(VIRTUAL_HOST_URL, '80/c', '1', ['80/c.example'])]]);
  const client = connect();
  client.ask({ type_url: VIRTUAL_HOST_URL, resource_names_subscribe: ['80/'] });
  const first = await next(client);
  assert.equal(describe(first), 'VirtualHost 80/a=1 80/b=1 80/c=1');
  client.answer(first as never);
  client.ask({ type_url: VIRTUAL_HOST_URL, resource_names_subscribe: ['82/'] });
  const second = await next(client);
  assert.equal(describe(second), 'VirtualHost');
  client.answer(second as never);
  client.ask({ type_url: VIRTUAL_HOST_URL, resource_names_subscribe: ['80/c.example', '80/no.example'] });
  const third = await next(client);
  assert.equal(describe(third), 'VirtualHost 80/no.example= 80/c=1');
  client.answer(third as never);
  hosts.apply([
    ['80/b', null],
    ['81/a', textResource(VIRTUAL_HOST_URL, '81/a', '2')],
    ['82/a', textResource(VIRTUAL_HOST_URL, '82/a', '1')],
  ]);
  server.push();
  assert.equal(describe(await next(client)), 'VirtualHost 82/a=1 -80/b');
});

test('a proxy that asks for virtual hosts without names gets all there are', async () => {
  const { view, connect, next } = setUp();
  view.table(VIRTUAL_HOST_URL, '80/a', '81/a');
  const client = connect();
  client.ask({ type_url: VIRTUAL_HOST_URL });
  const first = await next(client);
  assert.equal(describe(first), 'VirtualHost 80/a=1 81/a=1');
  client.answer(first as never);
  client.ask({ type_url: VIRTUAL_HOST_URL, resource_names_subscribe: ['80/none.example'] });
  assert.equal(describe(await next(client)), 'VirtualHost 80/none.example=');
});

test('other tables serve a client: it is told the difference', async () => {
  const { view, connect, next, server } = setUp();
  const shared = view.table(CLUSTER_URL, 'a', 'b');
  const own = view.table(CLUSTER_URL, 'mine');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  const first = await next(client);
  assert.equal(describe(first), 'Cluster a=1 b=1 mine=1');
  client.answer(first as never);
  view.byType.delete(CLUSTER_URL);
  const other = view.table(CLUSTER_URL, 'b', 'c');
  view.byType.set(CLUSTER_URL, [other, own]);
  shared.apply([['b', textResource(CLUSTER_URL, 'b', 'changed in a table that no longer counts')]]);
  server.push();
  const second = await next(client);
  assert.equal(describe(second), 'Cluster b=1 c=1');
  client.answer(second as never);
  assert.equal(describe(await next(client)), 'Cluster -a');
});

test('of one name the last table wins', async () => {
  const { view, connect, next, server } = setUp();
  const shared = view.table(CLUSTER_URL, 'a', 'b');
  const own = view.table(CLUSTER_URL);
  own.apply([['a', textResource(CLUSTER_URL, 'a', 'mine')]]);
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  const first = await next(client);
  assert.equal(describe(first), 'Cluster b=1 a=mine');
  client.answer(first as never);
  shared.apply([['a', textResource(CLUSTER_URL, 'a', '2')]]);
  server.push();
  assert.equal(await next(client), undefined);
  own.apply([['a', null]]);
  server.push();
  assert.equal(describe(await next(client)), 'Cluster a=2');
});

test('nothing there is an answer, too; a type that nobody serves has none', async () => {
  const { view, connect, next, events } = setUp();
  view.table(CLUSTER_URL);
  const client = connect();
  client.ask({ type_url: 'type.googleapis.com/istio.what.Ever' });
  client.ask({ type_url: CLUSTER_URL });
  assert.equal(describe(await next(client)), 'Cluster');
  assert.equal(await next(client), undefined);
  assert.deepEqual(events, ['unknown-type']);
});

test('an answer to another response than the last is counted and means nothing', async () => {
  const { view, connect, next, events, stream } = setUp();
  view.table(CLUSTER_URL, 'a');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  await next(client);
  client.ask({ type_url: CLUSTER_URL, response_nonce: '77' });
  assert.deepEqual(events, ['expired-nonce']);
  assert.equal(stream().type(CLUSTER_URL)?.isAwaiting, true);
});

test('a client that does not read is sent nothing, holds back nobody, and is ended in the end', async () => {
  const { clock, view, connect, next, server, events } = setUp({ limits: { stallMs: 20_000 } });
  const table = view.table(CLUSTER_URL, 'a');
  const slow = connect();
  const other = connect();
  for (const client of [slow, other]) {
    client.ask({ type_url: CLUSTER_URL });
    client.answer((await next(client)) as never);
  }
  slow.isAboveWatermark = true;
  for (let i = 0; i < 100; i++) {
    table.apply([['a', textResource(CLUSTER_URL, 'a', `${i + 2}`)]]);
    server.push();
    await tick(clock);
  }
  assert.equal(slow.responses.length, 0);
  other.answer(other.next() as never);
  assert.equal(describe(await next(other)), 'Cluster a=101');
  clock.advance(10_000);
  slow.drain();
  assert.equal(describe(await next(slow)), 'Cluster a=101');
  slow.isAboveWatermark = true;
  for (slow.bufferedBytes = 1000; slow.bufferedBytes > 0; slow.bufferedBytes -= 100) clock.advance(10_000);
  assert.equal(slow.status, null, 'slow, but it reads');
  clock.advance(30_000);
  assert.equal((slow.status as { code: number } | null)?.code, 14);
  assert.deepEqual(events, ['stalled']);
  assert.equal(server.streams.size, 1);
});

test('whoever asks too much is ended', async () => {
  const limits = { requestBurst: 10, requestRate: 1, maxNames: 5, maxTypes: 2 };
  const { view, connect, server, clock } = setUp({ limits });
  view.table(ENDPOINT_URL, 'a');
  const names = connect();
  names.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['1', '2', '3', '4', '5', '6'] });
  const types = connect();
  for (const type of ['a', 'b', 'c']) types.ask({ type_url: type });
  const fast = connect();
  for (let i = 0; i < 11; i++) fast.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['1'] });
  await tick(clock);
  fast.ask({ type_url: ENDPOINT_URL });
  const none = connect();
  none.ask({});
  await tick(clock);
  assert.deepEqual(
    [names, types, fast, none].map(({ status }) => status?.code),
    [8, 8, 8, 3],
  );
  assert.equal(server.streams.size, 0);
});

test('a client further behind than tables remember is asked to connect again', async () => {
  const { view, connect, next, server } = setUp();
  const table = view.table(CLUSTER_URL, 'a');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  const first = await next(client);
  for (let i = 0; i <= MAX_REMEMBERED_CHANGES; i++) table.apply([['a', textResource(CLUSTER_URL, 'a', `${i + 2}`)]]);
  server.push();
  client.answer(first as never);
  assert.equal(await next(client), undefined);
  assert.equal(client.status?.code, 10);
});

test('what a client reports as live is told apart from what it acknowledged', async () => {
  const { view, connect, next, server, stream } = setUp({ admits: { reportsLive: true } });
  const table = view.table(CLUSTER_URL, 'a');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  const first = await next(client);
  client.answer(first as never);
  const type = () => stream().type(CLUSTER_URL);
  assert.deepEqual([type()?.ackedOf(table), type()?.liveOf(table)], [1, 0]);
  client.ask({ type_url: LIVE_URL, response_nonce: first?.nonce as string });
  assert.equal(type()?.liveOf(table), 1);
  table.apply([['a', textResource(CLUSTER_URL, 'a', '2')]]);
  server.push();
  const second = await next(client);
  client.answer(second as never);
  client.ask({ type_url: LIVE_URL, response_nonce: first?.nonce as string });
  assert.deepEqual([type()?.ackedOf(table), type()?.liveOf(table)], [2, 1]);
  client.ask({ type_url: LIVE_URL, response_nonce: '99' });
  assert.equal(type()?.liveOf(table), 1);
});

test('a reconnected client that reports lives with what it had', async () => {
  const { view, connect, next, stream } = setUp({ admits: { reportsLive: true } });
  const table = view.table(CLUSTER_URL, 'a');
  const client = connect();
  const versions = { a: table.get('a')?.version as string };
  client.ask({ type_url: CLUSTER_URL, initial_resource_versions: versions });
  assert.equal(await next(client), undefined);
  assert.equal(stream().type(CLUSTER_URL)?.liveOf(table), 0);
  client.ask({ type_url: LIVE_URL });
  assert.equal(stream().type(CLUSTER_URL)?.liveOf(table), 1);
});

test('who may not connect is told so, also later', async () => {
  const clock = new Clock({ manual: true });
  const refuse = { code: 7, message: 'no' };
  for (const parts of [
    { authenticate: () => refuse, admit: () => refuse },
    { authenticate: () => Promise.resolve(refuse), admit: () => refuse },
    { authenticate: () => 'x', admit: () => refuse },
    { authenticate: () => Promise.resolve('x'), admit: () => Promise.resolve(refuse) },
  ]) {
    const server = new XdsServer<string>({ clock, identifier: '', ...parts });
    const client = new ScriptedClient(server);
    client.ask({ type_url: CLUSTER_URL });
    await tick(clock, 5);
    assert.equal(client.status?.code, 7);
    server.close();
  }
});

test('endpoints are sent to a client that acknowledges clusters when they are warm', async () => {
  const { view, connect, next, server } = setUp();
  const clusters = view.table(CLUSTER_URL, 'a');
  const endpoints = view.table(ENDPOINT_URL, 'a');
  const routes = view.table(ROUTE_URL, 'r');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  client.answer((await next(client)) as never);
  client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['a'] });
  client.answer((await next(client)) as never);
  client.ask({ type_url: ROUTE_URL, resource_names_subscribe: ['r'] });
  client.answer((await next(client)) as never);
  clusters.apply([
    ['a', textResource(CLUSTER_URL, 'a', '2')],
    ['b', textResource(CLUSTER_URL, 'b', '1')],
  ]);
  endpoints.apply([['b', textResource(ENDPOINT_URL, 'b', '1')]]);
  routes.apply([['r', textResource(ROUTE_URL, 'r', '2')]]);
  server.push();
  const warming = await next(client);
  assert.equal(describe(warming), 'Cluster a=2 b=1');
  const again = await next(client);
  assert.equal(describe(again), 'ClusterLoadAssignment a=1', 'it does not ask for those that it had');
  client.answer(again as never);
  client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['b'] });
  const added = await next(client);
  assert.equal(describe(added), 'ClusterLoadAssignment b=1');
  client.answer(added as never);
  assert.equal(await next(client), undefined, 'not warm yet');
  client.answer(warming as never);
  assert.equal(describe(await next(client)), 'RouteConfiguration r=2');
});

test('a cluster that changes gets its endpoints again, also when other tables serve the client now', async () => {
  const { view, connect, next, server } = setUp();
  view.table(CLUSTER_URL, 'a');
  view.table(ENDPOINT_URL, 'a');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  client.answer((await next(client)) as never);
  client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['a'] });
  client.answer((await next(client)) as never);
  view.byType.delete(CLUSTER_URL);
  view.byType.delete(ENDPOINT_URL);
  view.table(CLUSTER_URL).apply([['a', textResource(CLUSTER_URL, 'a', '2')]]);
  view.table(ENDPOINT_URL, 'a');
  server.push();
  const warming = await next(client);
  assert.equal(describe(warming), 'Cluster a=2');
  assert.equal(describe(await next(client)), 'ClusterLoadAssignment a=1');
});

test('a client that comes back gets the endpoints of clusters that changed meanwhile, and no others', async () => {
  for (const asksLate of [false, true]) {
    const { view, connect, next } = setUp();
    const clusters = view.table(CLUSTER_URL, 'a', 'b');
    const endpoints = view.table(ENDPOINT_URL, 'a', 'b');
    const client = connect();
    const before = { a: 'another', b: clusters.get('b')?.version ?? '' };
    client.ask({ type_url: CLUSTER_URL, initial_resource_versions: before });
    const early = asksLate ? await next(client) : undefined;
    const had = { a: endpoints.get('a')?.version ?? '', b: endpoints.get('b')?.version ?? '' };
    const names = ['a', 'b'];
    client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: names, initial_resource_versions: had });
    assert.equal(describe(early ?? (await next(client))), 'Cluster a=1');
    assert.equal(describe(await next(client)), 'ClusterLoadAssignment a=1', String(asksLate));
  }
});

test('a route is not sent before its cluster was, however long that takes', async () => {
  const { clock, view, connect, next, server } = setUp();
  const clusters = view.table(CLUSTER_URL, 'a');
  const routes = view.table(ROUTE_URL, 'r');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  client.answer((await next(client)) as never);
  client.ask({ type_url: ROUTE_URL, resource_names_subscribe: ['r'] });
  client.answer((await next(client)) as never);
  clusters.apply([['b', textResource(CLUSTER_URL, 'b', 'never warm')]]);
  server.push();
  assert.equal(describe(await next(client)), 'Cluster b=never warm');
  clusters.apply([['c', textResource(CLUSTER_URL, 'c', '1')]]);
  routes.apply([['r', textResource(ROUTE_URL, 'r', 'to c')]]);
  server.push();
  clock.advance(5000);
  assert.equal(await next(client), undefined);
  clock.advance(6000);
  assert.equal(describe(await next(client)), 'Cluster c=1');
  clock.advance(2000);
  assert.equal(describe(await next(client)), 'RouteConfiguration r=to c');
});
