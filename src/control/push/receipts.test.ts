// Tests of receipts and of pushing as a whole, with scripted proxies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { MetricRegistry } from '../../telemetry/prometheus.ts';
import { CLUSTER_URL, LIVE_URL, ROUTE_URL } from '../../xds/server/order.ts';
import { encodedResource, type ResourceTable } from '../../xds/server/resource.ts';
import { XdsServer } from '../../xds/server/server.ts';
import { admission, ScriptedClient, TestView, tick } from '../../xds/server/testing/scripted-client.ts';
import { connectionRows } from './connections.ts';
import { PushObserver } from './push-observer.ts';
import { fieldOf, partOf, type ObjectStatus, Receipts, type WaitOutcome } from './receipts.ts';

const OBJECT = 'VirtualService/default/a';

function setUp() {
  const clock = new Clock({ manual: true });
  const view = new TestView();
  const registry = new MetricRegistry();
  const warnings: string[] = [];
  const receipts = new Receipts({ clock, streams: () => server.streams });
  const observer = new PushObserver({
    registry,
    progressed: () => receipts.progressed(),
    warn: (text) => warnings.push(text),
    versionOf: (stream) => stream.node.cluster ?? '',
  });
  const server = new XdsServer<string>({
    clock,
    identifier: 'test',
    authenticate: () => 'somebody',
    admit: (_identity, node) => {
      const isHeddle = node.cluster === 'heddle';
      return admission(view, { label: node.id as string, reportsLive: isHeddle, takesGoodOnes: isHeddle });
    },
    observer,
  });
  const push = { receipts, server, observer };
  const clusters = view.table(CLUSTER_URL);
  const routes = view.table(ROUTE_URL);
  clusters.set([resource(CLUSTER_URL, 'c', '1', ['Service/default/c'])]);
  routes.set([resource(ROUTE_URL, 'r', '1', [OBJECT]), resource(ROUTE_URL, 's', '1', ['VirtualService/default/b'])]);
  const connect = async (id: string, cluster: string, routeNames = ['r', 's']) => {
    const client = new ScriptedClient(push.server);
    client.ask({ node: { id, cluster }, type_url: CLUSTER_URL });
    client.ask({ type_url: ROUTE_URL, resource_names_subscribe: routeNames });
    await answerAll(client);
    return client;
  };
  /** Acknowledges what comes. */
  const answerAll = async (client: ScriptedClient, error: string | null = null) => {
    let nonce = '';
    for (;;) {
      await tick(clock);
      const response = client.next();
      if (response === undefined) return nonce;
      nonce = response.nonce as string;
      client.answer(response, error);
    }
  };
  let generation = 1;
  /** The object changes, and with it the route. */
  const change = (text: string, key = OBJECT) => {
    const names = routes.apply([['r', resource(ROUTE_URL, 'r', text, [OBJECT])]]);
    receipts.commit([{ key, generation: ++generation }], [], [{ table: routes, names }]);
    observer.pushed('config', 0);
    server.push();
  };
  const initial = [OBJECT, 'VirtualService/default/b', 'Service/default/c'].map((key) => ({ key, generation: 1 }));
  receipts.commit(initial, [], []);
  return { clock, push, registry, routes, connect, answerAll, change, warnings };
}

function resource(typeUrl: string, name: string, text: string, causes: string[]) {
  return encodedResource(typeUrl, name, Buffer.from(text), [], causes);
}

function brief(status: ObjectStatus | null): unknown {
  if (status === null) return null;
  const { generation, concerned, accepted, live, waiting } = status;
  return { generation, concerned, accepted, live, waiting };
}

test('an object is accepted once all proxies concerned have acknowledged, and live once they say so', async () => {
  const { push, connect, answerAll, change } = setUp();
  const envoy = await connect('envoy', 'envoy');
  const heddle = await connect('heddle', 'heddle');
  const other = await connect('other', 'envoy', ['s']);
  heddle.ask({ type_url: LIVE_URL, response_nonce: '2' });
  assert.deepEqual(brief(push.receipts.statusOf(OBJECT)), {
    ...{ generation: 1, concerned: 2, accepted: 2, live: 2, waiting: [] },
  });
  change('2');
  assert.deepEqual(brief(push.receipts.statusOf(OBJECT)), {
    ...{ generation: 2, concerned: 2, accepted: 0, live: 0, waiting: ['envoy', 'heddle'] },
  });
  await answerAll(envoy);
  assert.deepEqual(brief(push.receipts.statusOf(OBJECT)), {
    ...{ generation: 2, concerned: 2, accepted: 1, live: 1, waiting: ['heddle'] },
  });
  const nonce = await answerAll(heddle);
  assert.deepEqual(brief(push.receipts.statusOf(OBJECT)), {
    ...{ generation: 2, concerned: 2, accepted: 2, live: 1, waiting: ['heddle'] },
  });
  heddle.ask({ type_url: LIVE_URL, response_nonce: nonce });
  assert.deepEqual(brief(push.receipts.statusOf(OBJECT)), {
    ...{ generation: 2, concerned: 2, accepted: 2, live: 2, waiting: [] },
  });
  assert.equal(other.responses.length, 0);
  assert.equal(push.receipts.statusOf('VirtualService/default/none'), null);
  assert.equal([...push.receipts.statuses()].length, 3);
});

test('a refusal is told with proxy, resource and field, and forgotten once mended', async () => {
  const { push, connect, answerAll, change, warnings, registry } = setUp();
  const proxy = await connect('p', 'heddle');
  change('bad');
  await answerAll(proxy, 'r: virtual_hosts[0].routes[1].match: is missing');
  assert.deepEqual(push.receipts.statusOf(OBJECT)?.refusals, [
    {
      proxy: 'p',
      typeUrl: ROUTE_URL,
      resource: 'r',
      field: 'virtual_hosts[0].routes[1].match',
      message: 'r: virtual_hosts[0].routes[1].match: is missing',
    },
  ]);
  assert.equal(push.receipts.statusOf(OBJECT)?.accepted, 0);
  assert.deepEqual(push.receipts.statusOf('VirtualService/default/b')?.refusals, []);
  assert.deepEqual(warnings, ['p refused rds "r": virtual_hosts[0].routes[1].match: is missing']);
  assert.match(registry.text(), /pilot_total_xds_rejects\{type="rds"\} 1/);
  assert.match(registry.text(), /pilot_xds_rds_reject\{node="p",err="Internal"\} 1/);
  change('good');
  assert.deepEqual(push.receipts.statusOf(OBJECT)?.refusals, [], 'of what is no longer served');
  await answerAll(proxy);
  assert.equal(push.receipts.statusOf(OBJECT)?.accepted, 1);
});

test('who waits is called back when the goal is reached, when somebody refuses, and when time is over', async () => {
  const { clock, push, connect, answerAll, change } = setUp();
  const proxy = await connect('p', 'envoy');
  const outcomes: WaitOutcome[] = [];
  const wait = (key = OBJECT) => push.receipts.waitFor(key, 'live', 1000, (outcome) => outcomes.push(outcome));
  wait();
  assert.equal(outcomes.pop()?.isReached, true);
  change('2');
  wait();
  assert.equal(outcomes.length, 0);
  await answerAll(proxy);
  clock.advance(100);
  assert.equal(outcomes.pop()?.isReached, true);
  change('3');
  wait();
  await answerAll(proxy, 'no');
  clock.advance(100);
  const refused = outcomes.pop();
  assert.deepEqual([refused?.isReached, refused?.status?.refusals[0]?.proxy], [false, 'p']);
  change('4');
  wait();
  const giveUp = wait();
  giveUp();
  clock.advance(2000);
  assert.deepEqual(
    outcomes.map(({ isReached, status }) => [isReached, status?.waiting]),
    [[false, ['p']]],
  );
  outcomes.length = 0;
  wait('VirtualService/default/none');
  clock.advance(2000);
  assert.deepEqual(outcomes, [{ isReached: false, status: null }]);
});

test('an object on its way is told of as it gets on', async () => {
  const { clock, push, connect, answerAll, change } = setUp();
  const proxies = [await connect('p', 'envoy'), await connect('q', 'envoy')];
  const told: unknown[] = [];
  const end = push.receipts.subscribe(({ key, generation, accepted, concerned }) => {
    told.push(`${key} ${generation} ${accepted}/${concerned}`);
  });
  change('2');
  for (const proxy of proxies) {
    clock.advance(60);
    await answerAll(proxy);
  }
  clock.advance(60);
  clock.advance(60);
  assert.deepEqual(told, [`${OBJECT} 2 0/2`, `${OBJECT} 2 1/2`, `${OBJECT} 2 2/2`]);
  end();
});

test('an object that is gone is followed until its resources are', async () => {
  const { push, connect, answerAll, routes } = setUp();
  const proxy = await connect('p', 'envoy');
  const names = routes.apply([['r', null]]);
  push.receipts.commit([], [OBJECT], [{ table: routes as ResourceTable, names }]);
  push.server.push();
  assert.deepEqual(brief(push.receipts.statusOf(OBJECT)), {
    ...{ generation: 0, concerned: 1, accepted: 0, live: 0, waiting: ['p'] },
  });
  await answerAll(proxy);
  assert.equal(push.receipts.statusOf(OBJECT)?.accepted, 1);
});

test('a change that nothing explains is put down to what changed with it', async () => {
  const { push, connect, answerAll, change } = setUp();
  const proxy = await connect('p', 'envoy');
  change('2', 'Sidecar/default/x');
  assert.equal(push.receipts.statusOf('Sidecar/default/x')?.accepted, 0);
  await answerAll(proxy);
  const { concerned, accepted } = push.receipts.statusOf('Sidecar/default/x') as ObjectStatus;
  assert.deepEqual([concerned, accepted], [1, 1]);
});

test('connections and pushes are listed, and proxies counted by version', async () => {
  const { clock, push, connect, change, answerAll, registry } = setUp();
  const proxy = await connect('p', 'v1');
  await connect('q', 'v2');
  assert.match(registry.text(), /pilot_xds\{version="v1"\} 1\npilot_xds\{version="v2"\} 1/);
  clock.advance(10);
  push.observer.takeCounts();
  change('2');
  const rows = () => connectionRows(push.server.streams, clock.nowMs);
  const [row] = rows();
  assert.equal(row?.proxy, 'p');
  assert.deepEqual(
    row?.types.map(({ type, status, names }) => [type, status, names]),
    [
      ['cds', 'SYNCED', -1],
      ['rds', 'STALE', 2],
    ],
  );
  await answerAll(proxy);
  assert.equal(rows()[0]?.types[1]?.status, 'SYNCED');
  const { responses, refusals } = push.observer.takeCounts();
  assert.deepEqual([responses, refusals], [2, 0]);
  proxy.gone();
  assert.doesNotMatch(registry.text(), /version="v1"/);
  assert.match(registry.text(), /pilot_xds_pushes\{type="rds"\} 4/);
});

test('a path is found in a refusal only where there is one', () => {
  assert.equal(fieldOf('a: virtual_hosts[0]: no', 'a'), 'virtual_hosts[0]');
  assert.equal(
    fieldOf('Error adding/updating listener(s) a: filter_chains[1].filters: no', 'a'),
    'filter_chains[1].filters',
  );
  assert.equal(fieldOf('everything is wrong', 'a'), '');
  assert.equal(partOf('Error adding/updating listener(s) a: no\nb: never', 'a'), 'no');
  assert.equal(partOf(`a: ${'x'.repeat(1000)}`, 'a').length, 302);
});
