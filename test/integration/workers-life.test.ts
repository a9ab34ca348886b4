// The life of worker threads: one that dies under load, and configuration that changes under all of them.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import { resource, startThreaded, type ThreadedProxy } from '../support/threaded-proxy.ts';
import { bootstrap, get, type Json, openDescriptors, RawConnection, startUpstream, until } from './heddle.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const LISTENER = 'envoy.config.listener.v3.Listener';
const ROUTES = 'envoy.config.route.v3.RouteConfiguration';
const EXACT = { connection_balance_config: { exact_balance: {} } };

function withListener(base: Json, fields: Json): Json {
  const { listeners, clusters } = base['static_resources'] as { listeners: Json[]; clusters: Json[] };
  const changed = listeners.map((listener) => ({ ...listener, ...fields }));
  return { ...base, static_resources: { listeners: changed, clusters } };
}

/** Sends requests one after another on its connection, and on a new one when that ends. */
class Load {
  readonly #port: number;
  answered = 0;
  /** Connections that ended before their answer. */
  broken = 0;
  #client: RawConnection;
  #stopped = false;

  constructor(port: number) {
    this.#port = port;
    this.#client = new RawConnection(port);
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      const client = this.#client;
      const before = client.text.length;
      client.send(get('/load'));
      for (let i = 0; i < 1_000 && !client.isClosed && client.text.length === before; i++) await sleep(1);
      if (client.text.length > before) this.answered++;
      else this.broken++;
      if (this.answered % 10 === 0) await sleep(1);
      // Now and then a new connection, which finds the worker that was started again.
      if (this.answered % 50 === 0) client.reset();
      if (this.answered % 50 === 0 || client.isClosed) this.#client = new RawConnection(this.#port);
    }
    this.#client.reset();
  }

  stop(): void {
    this.#stopped = true;
  }
}

test('a worker that dies under load takes only its own connections along', { timeout: 60_000 }, async () => {
  const upstream = await startUpstream();
  const port = await freePort();
  const config = withListener(bootstrap({ listener: port, upstream: upstream.port }), EXACT);
  const threaded = await startThreaded(config, 3);
  const { crew, stat, log } = threaded;
  const loads = Array.from({ length: 12 }, () => new Load(port));
  const running = loads.map((load) => load.run());
  await until('some load', () => loads.every((load) => load.answered > 20), 20_000);
  const before = await stat('http.test.downstream_rq_total');
  crew.kill(1);
  await until('the restart', async () => (await stat('heddle.worker_restarts')) === 1);
  await until('the third worker', async () => (await stat(workerStat(port, 1, 'downstream_cx_active'))) > 0, 20_000);
  const answered = loads.map((load) => load.answered);
  await until('more load', () => loads.every((load, i) => load.answered > (answered[i] ?? 0) + 20), 20_000);
  // Four of the twelve connections were the dead worker's.
  const broken = loads.reduce((sum, load) => sum + load.broken, 0);
  assert.ok(broken <= 5, `${broken} requests were lost`);
  const after = await stat('http.test.downstream_rq_total');
  assert.ok(after >= before, 'what it had counted stays');
  assert.match(log.join(''), /worker 1 died and is started again now/);
  for (const load of loads) load.stop();
  await Promise.all(running);
  await until('the end of all', async () => (await stat('http.test.downstream_cx_active')) === 0);
  assert.equal(await stat('cluster.up.upstream_rq_active'), 0);
  assert.equal(crew.connectionCount, 0);
  await threaded.stop();
  await upstream.stop();
});

function workerStat(port: number, index: number, name: string): string {
  return `listener.127.0.0.1_${port}.worker_${index}.${name}`;
}

test('connections of a dead worker’s socket wait for the next one', { timeout: 30_000 }, async () => {
  const upstream = await startUpstream();
  const port = await freePort();
  const threaded = await startThreaded(bootstrap({ listener: port, upstream: upstream.port }), 2);
  threaded.crew.kill(0);
  threaded.crew.kill(1);
  await until('both deaths', () => threaded.log.length === 2);
  const clients = Array.from({ length: 20 }, () => new RawConnection(port));
  for (const client of clients) client.send(get('/late'));
  await until('all answers', () => clients.every((client) => client.text.endsWith('/late')), 20_000);
  for (const client of clients) client.reset();
  await threaded.stop();
  await upstream.stop();
});

test('limits that a dead worker had used up are free again', { timeout: 30_000 }, async () => {
  const upstream = await startUpstream();
  const port = await freePort();
  const base = withListener(bootstrap({ listener: port, upstream: upstream.port }), EXACT);
  const layers = [{ name: 'static', static_layer: { 'envoy.resource_limits.listener.front.connection_limit': 4 } }];
  const threaded = await startThreaded({ ...base, layered_runtime: { layers } }, 2);
  const clients = Array.from({ length: 4 }, () => new RawConnection(port));
  for (const client of clients) client.send(get('/'));
  await until('answers', () => clients.every((client) => client.text !== ''));
  assert.equal(threaded.crew.connectionCount, 4);
  threaded.crew.kill(0);
  await until('the death', () => clients.filter((client) => client.isClosed).length === 2);
  await until('free places', () => threaded.crew.connectionCount === 2);
  const more = Array.from({ length: 2 }, () => new RawConnection(port));
  for (const client of more) client.send(get('/more'));
  await until('answers', () => more.every((client) => client.text.endsWith('/more')), 10_000);
  for (const client of [...clients, ...more]) client.reset();
  await threaded.stop();
  await upstream.stop();
});

test('deaths and updates leave no descriptor behind', { timeout: 60_000 }, async () => {
  const upstream = await startUpstream();
  const rig = await dynamicRig(upstream.port, 2);
  const count = (): number => openDescriptors(process.pid);
  const settled = async (): Promise<number> => {
    for (let last = -1; last !== count(); ) {
      last = count();
      await sleep(100);
    }
    return count();
  };
  const before = await settled();
  for (let death = 1; death <= 3; death++) {
    rig.crew.kill(death % 2);
    await until('the restart', async () => (await rig.stat('heddle.worker_restarts')) === death);
    // Its sockets are taken over again: also one that comes in the middle.
    const { refused } = await rig.update(death + 1, [resource(CLUSTER, `c${death}`, clusterTo(upstream.port))]);
    assert.deepEqual(refused, []);
  }
  await until('as many as before', async () => (await settled()) <= before, 10_000);
  await rig.stop();
  await upstream.stop();
});

// ─── Configuration ────────────────────────────────────────────────────────────────────────────────────────────────

type DynamicRig = ThreadedProxy & { readonly port: number };

/** Clusters, routes and a listener that follows the routes of a name. */
function routesTo(cluster: string): object {
  const routes = [{ match: { prefix: '/' }, route: { cluster } }];
  return { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] };
}

function listenerOn(port: number): object {
  const hcm = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'test',
    rds: { route_config_name: 'local', config_source: { ads: {} } },
    http_filters: [
      {
        name: 'router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  };
  return {
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [{ name: 'hcm', typed_config: hcm }] }],
  };
}

function clusterTo(port: number): object {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return {
    connect_timeout: '1s',
    load_assignment: { cluster_name: 'x', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}

async function dynamicRig(upstreamPort: number, concurrency: number): Promise<DynamicRig> {
  const port = await freePort();
  const threaded = await startThreaded({}, concurrency);
  const outcome = await threaded.update(1, [
    resource(LISTENER, 'front', listenerOn(port)),
    resource(ROUTES, 'local', routesTo('a')),
    resource(CLUSTER, 'a', clusterTo(upstreamPort)),
  ]);
  assert.deepEqual(outcome, { generation: 1, refused: [] });
  return { ...threaded, port };
}

async function answer(port: number, path = '/x'): Promise<string> {
  const client = new RawConnection(port);
  client.send(get(path));
  await until('an answer', () => client.text.includes('\r\n\r\n') || client.isClosed);
  client.reset();
  return client.text;
}

test('updates reach all workers, equal bytes change nothing, and removals come last', { timeout: 30_000 }, async () => {
  const upstream = await startUpstream();
  const rig = await dynamicRig(upstream.port, 2);
  const { port, update, stat } = rig;
  for (let i = 0; i < 8; i++) assert.match(await answer(port), /^HTTP\/1\.1 200/);
  await update(2, [resource(CLUSTER, 'a', clusterTo(upstream.port)), resource(ROUTES, 'local', routesTo('a'))]);
  assert.equal(await stat('cluster_manager.cluster_modified'), 0);
  await update(3, [resource(CLUSTER, 'b', clusterTo(upstream.port)), resource(ROUTES, 'local', routesTo('b'))]);
  for (let i = 0; i < 8; i++) assert.match(await answer(port), /^HTTP\/1\.1 200/);
  assert.equal(await stat('cluster.b.upstream_rq_total'), 8);
  await update(4, [resource(CLUSTER, 'a', null), resource(ROUTES, 'local', null)]);
  assert.ok(Number.isNaN(await stat('cluster.a.upstream_rq_total')));
  assert.match(await answer(port), /^HTTP\/1\.1 404/);
  assert.deepEqual(rig.crew.listeners(), [
    { name: 'front', addresses: [{ family: 'ipv4', address: '127.0.0.1', port }] },
  ]);
  await update(5, [resource(LISTENER, 'front', null)]);
  await until('refusal', () => isRefused(port));
  await rig.stop();
  await upstream.stop();
});

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });
}

test('what is wrong is refused with its reason, and the rest serves', { timeout: 30_000 }, async () => {
  const upstream = await startUpstream();
  const rig = await dynamicRig(upstream.port, 2);
  const { port, update } = rig;
  const taken = await freePort();
  const blocker = new (await import('node:net')).Server();
  await new Promise<void>((resolve) => blocker.listen(taken, '127.0.0.1', resolve));
  const { refused } = await update(2, [
    resource(CLUSTER, 'bad', { connect_timeout: '1s', lb_policy: 'MAGLEV' }),
    resource(CLUSTER, 'good', clusterTo(upstream.port)),
    resource(ROUTES, 'local', routesTo('good')),
    resource(LISTENER, 'blocked', listenerOn(taken)),
    { typeUrl: 'type.googleapis.com/google.protobuf.Duration', name: 'x', bytes: new Uint8Array() },
  ]);
  const reasons = new Map(refused.map(({ name, reason }) => [name, reason]));
  assert.deepEqual([...reasons.keys()].sort(), ['bad', 'blocked', 'x']);
  assert.match(reasons.get('bad') ?? '', /^lb_policy: /);
  assert.match(reasons.get('blocked') ?? '', /Address already in use/);
  assert.match(reasons.get('x') ?? '', /google\.protobuf\.Duration are not supported/);
  assert.match(await answer(port), /^HTTP\/1\.1 200/);
  assert.equal(await rig.stat('cluster.good.upstream_rq_total'), 1);
  blocker.close();
  await rig.stop();
  await upstream.stop();
});

test('static configuration is left alone by updates', { timeout: 30_000 }, async () => {
  const upstream = await startUpstream();
  const port = await freePort();
  const rig = await startThreaded(bootstrap({ listener: port, upstream: upstream.port }), 2);
  const { refused } = await rig.update(1, [resource(CLUSTER, 'up', clusterTo(1)), resource(LISTENER, 'front', null)]);
  assert.equal(refused.length, 2);
  for (const { reason } of refused) assert.match(reason, /is static configuration/);
  assert.match(await answer(port), /^HTTP\/1\.1 200/);
  await rig.stop();
  await upstream.stop();
});

test('a worker that takes a dead one’s place has the configuration of the others', { timeout: 30_000 }, async () => {
  const upstream = await startUpstream();
  const rig = await dynamicRig(upstream.port, 2);
  const { port, update, stat } = rig;
  await update(2, [resource(CLUSTER, 'b', clusterTo(upstream.port)), resource(ROUTES, 'local', routesTo('b'))]);
  rig.crew.kill(0);
  rig.crew.kill(1);
  await until('both deaths', () => rig.log.length === 2);
  // It comes while nobody serves.
  const third = update(3, [resource(CLUSTER, 'c', clusterTo(upstream.port)), resource(ROUTES, 'local', routesTo('c'))]);
  for (let i = 0; i < 12; i++) assert.match(await answer(port), /^HTTP\/1\.1 200/);
  assert.deepEqual((await third).refused, []);
  for (let i = 0; i < 12; i++) assert.match(await answer(port), /^HTTP\/1\.1 200/);
  assert.ok((await stat('cluster.c.upstream_rq_total')) >= 12);
  assert.equal(await stat('cluster_manager.active_clusters'), 3);
  await rig.stop();
  await upstream.stop();
});
