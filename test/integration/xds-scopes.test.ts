// Scopes that come by themselves (SRDS), at first and on demand: the same requests through Envoy and Heddle.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdsServer } from '../support/ads-server.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { startThreaded } from '../support/threaded-proxy.ts';
import { type Json, until } from './heddle.ts';
import { answering, ask, counts, HostServer, ON_DEMAND, SCOPE } from './on-demand-rig.ts';
import { ADS, bootstrap, CLUSTER, LISTENER, listener, put, ROUTES, type Rig, startRig } from './xds-types-rig.ts';

const QUICK: Json = { ...ADS, initial_fetch_timeout: '0.5s' };
const scopedRoutes = (more: Json = {}): Json => ({
  name: 'scopes',
  scope_key_builder: {
    fragments: [{ header_value_extractor: { name: 'x-scope', element_separator: ';', index: 0 } }],
  },
  rds_config_source: QUICK,
  scoped_rds: { scoped_rds_config_source: QUICK },
  ...more,
});
const keyOf = (key: string): Json => ({ key: { fragments: [{ string_key: key }] } });
const scope = (name: string, key: string, routes: string, more: Json = {}): Json => ({
  ...{ name, route_configuration_name: routes, ...keyOf(key), ...more },
});
const routesOf = (name: string, status: number): Json => ({ name, virtual_hosts: [answering('all', ['*'], status)] });

type Session = {
  readonly rig: Rig;
  readonly answered: string[];
  readonly counted: Readonly<Record<string, string>>[];
  readonly dumps: string[];
};

async function session(kind: ProxyKind, type: string, args: readonly string[] = []): Promise<Session> {
  const prepare: Parameters<typeof startRig>[2] = (ads, port) => {
    put(ads, LISTENER, 'main', listener('main', port, [ON_DEMAND], { rds: undefined, scoped_routes: scopedRoutes() }));
    for (const [name, status] of [
      ['a', 211],
      ['b', 222],
      ['d', 233],
    ] as const)
      put(ads, ROUTES, name, routesOf(name, status));
    put(ads, SCOPE, 'sa', scope('sa', 'a', 'a'));
    put(ads, SCOPE, 'sb', scope('sb', 'b', 'b'));
    put(ads, SCOPE, 'sd', scope('sd', 'd', 'd', { on_demand: true }));
    put(ads, SCOPE, 'own', { name: 'own', ...keyOf('own'), route_configuration: routesOf('inline', 244) });
  };
  const rig = await startRig(kind, type, prepare, {}, args);
  const { ads, port, proxy } = rig;
  const answered: string[] = [];
  const counted: Record<string, string>[] = [];
  const dumps: string[] = [];
  const find = (key: string): Promise<string> => ask(port, { host: 'any.test', 'x-scope': key });
  const say = async (...keys: string[]): Promise<void> => {
    for (const key of keys) answered.push(`${key} ${await find(key)}`);
  };
  const look = async (): Promise<void> => {
    counted.push(await counts(proxy, /^http\.main\.scoped_rds\.scopes\..*(scopes|reload|attempt|success|rejected)$/));
    const { body } = await proxy.admin('/config_dump?resource=dynamic_scoped_route_configs');
    dumps.push(body.replace(/"last_updated": ".*?"/g, '"last_updated": "a time"'));
  };
  const settled = async (key: string, status: string): Promise<void> =>
    until(`${key} is ${status}`, async () => (await find(key)) === status);
  await until('the listener is there', async () => (await find('a')) === '211', 10_000);
  await say('a', 'b', 'own', 'c', '', 'a;b');
  await look();
  await say('d', 'd');
  await look();
  put(ads, SCOPE, 'sb', scope('sb', 'bb', 'b'));
  await settled('bb', '222');
  await say('b', 'bb');
  put(ads, SCOPE, 'sa', scope('sa', 'a', 'd'));
  await settled('a', '233');
  // One wants the other's key.
  put(ads, SCOPE, 'sc', scope('sc', 'bb', 'a'));
  await ads.until(() => ads.nacks.length > 0);
  await say('bb', 'a', 'd');
  await look();
  ads.remove(SCOPE, 'sc');
  await ads.until(() => ads.isAcked(SCOPE));
  put(ads, SCOPE, 'nothing', { name: 'nothing', ...keyOf('nothing') });
  await ads.until(() => ads.nacks.length > 1);
  ads.remove(SCOPE, 'nothing');
  await ads.until(() => ads.isAcked(SCOPE));
  ads.remove(SCOPE, 'own');
  await settled('own', '404');
  put(ads, ROUTES, 'b', routesOf('b', 255));
  await settled('bb', '255');
  await say('a', 'bb', 'own', 'nothing');
  ads.set(SCOPE, {});
  await settled('bb', '404');
  await say('a', 'bb', 'd');
  await look();
  return { rig, answered, counted, dumps };
}

/** Without what was refused, which Envoy does not tell. */
function asInEnvoy(dump: string): unknown {
  return JSON.parse(dump, (key, value: unknown) => (key === 'error_state' ? undefined : value));
}

for (const type of ['DELTA_GRPC', 'GRPC']) {
  test(`scopes come by themselves, and their routes on demand, as in Envoy (${type})`, async (t) => {
    const sessions: Session[] = [];
    try {
      const ours = await session('heddle', type);
      sessions.push(ours);
      assert.ok(ours.answered.includes('d 233'), ours.answered.join('\n'));
      const errors = ours.rig.ads.nacks.map(({ error }) => error);
      const conflict = "scope key conflict found, first scope is 'sb', second scope is 'sc'";
      assert.deepEqual(errors, [
        `sc: Error adding/updating scoped route(s): ${conflict}`,
        'nothing: route_configuration_name is empty.',
      ]);
      if (type === 'DELTA_GRPC') {
        const threads = await session('heddle', type, ['--concurrency', '2']);
        sessions.push(threads);
        assert.deepEqual(threads.answered, ours.answered);
      }
      if (findEnvoy().path === null) {
        t.diagnostic('compared with nothing: there is no Envoy');
        return;
      }
      const theirs = await session('envoy', type);
      sessions.push(theirs);
      assert.deepEqual(ours.answered, theirs.answered);
      assert.deepEqual(ours.counted, theirs.counted);
      assert.deepEqual(ours.dumps.map(asInEnvoy), theirs.dumps.map(asInEnvoy));
    } finally {
      for (const { rig } of sessions) await rig.stop();
    }
  });
}

test('each worker hears of routes that another one asked for just before', { timeout: 120_000 }, async () => {
  const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
  const prepare: Parameters<typeof startRig>[2] = (ads, port) => {
    put(ads, LISTENER, 'main', listener('main', port, [ON_DEMAND], { rds: undefined, scoped_routes: scopedRoutes() }));
    put(ads, SCOPE, 'sa', scope('sa', 'a', 'a'));
    put(ads, ROUTES, 'a', routesOf('a', 211));
    for (const [i, key] of keys.entries()) {
      put(ads, SCOPE, key, scope(key, key, key, { on_demand: true }));
      put(ads, ROUTES, key, routesOf(key, 300 + i));
    }
  };
  const rig = await startRig('heddle', 'DELTA_GRPC', prepare, {}, ['--concurrency', '2']);
  const find = (key: string): Promise<string> => ask(rig.port, { host: 'any.test', 'x-scope': key });
  try {
    await until('the listener is there', async () => (await find('a')) === '211', 10_000);
    const answered = await Promise.all(
      keys.map(async (key) => {
        const own: string[] = [];
        for (let i = 0; i < 6; i++) own.push(await find(key));
        return own;
      }),
    );
    assert.deepEqual(
      answered,
      keys.map((_, i) => Array.from({ length: 6 }, () => String(300 + i))),
    );
  } finally {
    await rig.stop();
  }
});

test('a listener waits for its scopes and their routes, and goes on without them', async () => {
  const rig = await startRig('heddle', 'DELTA_GRPC', (ads, port) => {
    put(ads, LISTENER, 'main', listener('main', port));
    put(ads, SCOPE, 'sa', scope('sa', 'a', 'a'));
    put(ads, SCOPE, 'sd', scope('sd', 'd', 'd', { on_demand: true }));
    put(ads, ROUTES, 'd', { name: 'd', vhds: { config_source: ADS } });
    new HostServer(ads, [], { 'd/any.test': { name: 'd/any', host: answering('d/any', ['any.test'], 266) } });
  });
  try {
    const { ads, proxy } = rig;
    const port = await freePort();
    ads.drops.set(ROUTES, 1);
    const slow = scopedRoutes({ rds_config_source: { ...ADS, initial_fetch_timeout: '4s' } });
    const second = listener('second', port, [ON_DEMAND], { rds: undefined, scoped_routes: slow });
    put(ads, LISTENER, 'second', second);
    await ads.until(() => ads.of(ROUTES).some(({ subscribe }) => subscribe.includes('a')));
    assert.match((await proxy.admin('/init_dump')).body, /shared target RdsRouteConfigSubscription RDS init a"/);
    assert.equal(await ask(port, { host: 'any.test', 'x-scope': 'a' }, [], 500), 'none');
    const goesOn = async (): Promise<boolean> => (await ask(port, { host: 'any.test', 'x-scope': 'a' })) === '404';
    await until('it goes on without', goesOn, 20_000);
    put(ads, ROUTES, 'a', routesOf('a', 211));
    await until('they come', async () => (await ask(port, { host: 'any.test', 'x-scope': 'a' })) === '211');
    // Routes and then the virtual host, both on demand.
    assert.equal(await ask(port, { host: 'any.test', 'x-scope': 'd' }), '266');
    const more = { rds: undefined, scoped_routes: scopedRoutes({ rds_config_source: undefined }) };
    put(ads, LISTENER, 'third', listener('third', await freePort(), [], more));
    await ads.until(() => ads.nacks.length > 0);
    assert.match(String(ads.nacks[0]?.error), /scoped_routes\.rds_config_source: is required/);
  } finally {
    await rig.stop();
  }
});

test('workers that take dead ones’ places know scopes, routes and hosts that came before', {
  timeout: 30_000,
}, async () => {
  const ads = new AdsServer();
  const port = await freePort();
  new HostServer(ads, [answering('a/first', ['first.test'], 212)], {
    'a/asked.test': { name: 'a/asked', host: answering('a/asked', ['asked.test'], 213) },
  });
  ads.set(CLUSTER, {});
  put(ads, LISTENER, 'main', listener('main', port, [ON_DEMAND], { rds: undefined, scoped_routes: scopedRoutes() }));
  put(ads, SCOPE, 'sa', scope('sa', 'a', 'a'));
  put(ads, SCOPE, 'sd', scope('sd', 'd', 'd', { on_demand: true }));
  put(ads, ROUTES, 'a', { name: 'a', vhds: { config_source: ADS } });
  put(ads, ROUTES, 'd', routesOf('d', 233));
  const rig = await startThreaded(bootstrap(ads.port, 'DELTA_GRPC', {}), 2);
  const find = (host: string, key: string): Promise<string> => ask(port, { host, 'x-scope': key });
  const check = async (): Promise<void> => {
    for (let i = 0; i < 6; i++) {
      const asked = [find('first.test', 'a'), find('asked.test', 'a'), find('none.test', 'a'), find('x.test', 'd')];
      assert.deepEqual(await Promise.all(asked), ['212', '213', '404', '233']);
    }
  };
  try {
    await until('the listener is there', async () => (await find('first.test', 'a')) === '212', 10_000);
    await check();
    rig.crew.kill(0);
    rig.crew.kill(1);
    await until('others take their places', async () => (await rig.stat('heddle.worker_restarts')) === 2);
    await until('they serve', async () => (await find('first.test', 'a')) === '212', 10_000);
    await check();
  } finally {
    await rig.stop();
    ads.stop();
  }
});
