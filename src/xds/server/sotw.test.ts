// Tests of the state-of-the-world form with scripted clients.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { CLUSTER_URL, ENDPOINT_URL, LISTENER_URL, ROUTE_URL } from './order.ts';
import { XdsServer } from './server.ts';
import type { XdsStream } from './stream.ts';
import { admission, describe, ScriptedClient, TestView, textResource, tick } from './testing/scripted-client.ts';
import type { XdsRefusalOf } from './types.ts';

function setUp() {
  const clock = new Clock({ manual: true });
  const view = new TestView();
  const refusals: XdsRefusalOf[] = [];
  const server = new XdsServer<string>({
    clock,
    identifier: 'test',
    authenticate: () => 'somebody',
    admit: () => admission(view),
    observer: { refused: (_stream, refusal) => refusals.push(refusal) },
  });
  const connect = () => new ScriptedClient(server, false);
  const next = async (client: ScriptedClient) => {
    await tick(clock);
    return client.next();
  };
  const stream = () => [...server.streams][0] as XdsStream;
  return { clock, view, server, connect, next, refusals, stream };
}

test('clusters come as a whole each time, endpoints only where they changed', async () => {
  const { view, server, connect, next } = setUp();
  const clusters = view.table(CLUSTER_URL, 'a', 'b');
  const endpoints = view.table(ENDPOINT_URL, 'a', 'b', 'c');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  const first = await next(client);
  assert.equal(describe(first), 'Cluster 1 1');
  client.answer(first as never);
  client.ask({ type_url: ENDPOINT_URL, resource_names: ['a', 'b'] });
  const second = await next(client);
  assert.equal(describe(second), 'ClusterLoadAssignment 1 1');
  client.answer(second as never, null, ['a', 'b']);
  endpoints.apply([['b', textResource(ENDPOINT_URL, 'b', '2')]]);
  endpoints.apply([['c', textResource(ENDPOINT_URL, 'c', '2')]]);
  server.push();
  const third = await next(client);
  assert.equal(describe(third), 'ClusterLoadAssignment 2');
  client.answer(third as never, null, ['a', 'b', 'c']);
  const fourth = await next(client);
  assert.equal(describe(fourth), 'ClusterLoadAssignment 2', 'the name that came');
  client.answer(fourth as never, null, ['a', 'b', 'c']);
  assert.equal(await next(client), undefined);
  clusters.apply([['b', textResource(CLUSTER_URL, 'b', '2')]]);
  server.push();
  assert.equal(describe(await next(client)), 'Cluster 1 2');
});

test('a client that asks again with the nonce it has answered is told again', async () => {
  const { view, connect, next } = setUp();
  view.table(ENDPOINT_URL, 'a');
  const client = connect();
  client.ask({ type_url: ENDPOINT_URL, resource_names: ['a'] });
  const first = await next(client);
  client.answer(first as never, null, ['a']);
  assert.equal(await next(client), undefined);
  client.answer(first as never, null, ['a']);
  const second = await next(client);
  assert.equal(describe(second), 'ClusterLoadAssignment 1');
  client.ask({ type_url: ENDPOINT_URL, resource_names: [], response_nonce: second?.nonce as string });
  assert.equal(await next(client), undefined, 'it asks for none');
});

test('an old nonce means nothing, not even its names', async () => {
  const { view, connect, next } = setUp();
  view.table(ENDPOINT_URL, 'a', 'b');
  const client = connect();
  client.ask({ type_url: ENDPOINT_URL, resource_names: ['a'] });
  await next(client);
  client.ask({ type_url: ENDPOINT_URL, resource_names: ['a', 'b'], response_nonce: '99' });
  assert.equal(await next(client), undefined);
});

test('what routes named stays among the clusters until the routes were taken on', async () => {
  const { clock, view, connect, next, server } = setUp();
  const clusters = view.table(CLUSTER_URL, 'a', 'b');
  const routes = view.table(ROUTE_URL, 'r');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  client.answer((await next(client)) as never);
  client.ask({ type_url: ROUTE_URL, resource_names: ['r'] });
  client.answer((await next(client)) as never, null, ['r']);
  clusters.apply([
    ['a', null],
    ['c', textResource(CLUSTER_URL, 'c', 'new')],
  ]);
  routes.apply([['r', textResource(ROUTE_URL, 'r', '2')]]);
  server.push();
  const first = await next(client);
  assert.equal(describe(first), 'Cluster 1 new 1');
  client.answer(first as never);
  const second = await next(client);
  assert.equal(describe(second), 'RouteConfiguration 2');
  client.answer(second as never, null, ['r']);
  const third = await next(client);
  assert.equal(describe(third), 'Cluster 1 new');
  assert.notEqual(third?.version_info, first?.version_info);
  client.answer(third as never);
  clock.advance(5000);
  assert.equal(await next(client), undefined);
});

test('a client that comes back with the version that is here is sent nothing', async () => {
  const { view, connect, next, server, stream } = setUp();
  const table = view.table(LISTENER_URL, 'a');
  const first = connect();
  first.ask({ type_url: LISTENER_URL });
  const version = (await next(first))?.version_info as string;
  first.gone();
  const same = connect();
  same.ask({ type_url: LISTENER_URL, version_info: version });
  assert.equal(await next(same), undefined);
  assert.equal(stream().type(LISTENER_URL)?.ackedOf(table), table.seq);
  table.apply([['b', textResource(LISTENER_URL, 'b', '1')]]);
  server.push();
  assert.equal(describe(await next(same)), 'Listener 1 1');
  const other = connect();
  other.ask({ type_url: LISTENER_URL, version_info: version });
  assert.equal(describe(await next(other)), 'Listener 1 1');
});

test('a refusal is told with the resources that its text names', async () => {
  const { view, connect, next, server, refusals } = setUp();
  const table = view.table(CLUSTER_URL, 'good', 'bad');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL });
  client.answer((await next(client)) as never, 'Error adding/updating cluster(s) bad: no such thing');
  assert.equal(await next(client), undefined);
  assert.deepEqual(
    refusals.map(({ typeUrl, name }) => [typeUrl, name]),
    [[CLUSTER_URL, 'bad']],
  );
  table.apply([['bad', textResource(CLUSTER_URL, 'bad', '2')]]);
  server.push();
  assert.equal(describe(await next(client)), 'Cluster 1 2');
});

test('clusters by name, as proxyless clients ask for them', async () => {
  const { view, connect, next, server } = setUp();
  const table = view.table(CLUSTER_URL, 'a', 'b');
  const client = connect();
  client.ask({ type_url: CLUSTER_URL, resource_names: ['b', 'none'] });
  const first = await next(client);
  assert.equal(describe(first), 'Cluster 1');
  client.answer(first as never, null, ['b', 'none']);
  table.apply([['a', textResource(CLUSTER_URL, 'a', '2')]]);
  server.push();
  assert.equal(await next(client), undefined);
  table.apply([['none', textResource(CLUSTER_URL, 'none', 'now')]]);
  server.push();
  assert.equal(describe(await next(client)), 'Cluster 1 now');
});
