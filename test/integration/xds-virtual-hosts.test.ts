// Virtual hosts that come by themselves (VHDS), at first and on demand: the same requests through Envoy and Heddle.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { type Json, until } from './heddle.ts';
import { ASK_MS, answering, ask, counts, HostServer, ON_DEMAND, VIRTUAL_HOST } from './on-demand-rig.ts';
import { ADS, LISTENER, listener, put, ROUTES, type Rig, startRig } from './xds-types-rig.ts';

const ENVOY_GRPC: Json = { envoy_grpc: { cluster_name: 'control' } };
const VHDS: Json = { config_source: { ...ADS, initial_fetch_timeout: '0.5s' } };
const routesOf = (name: string, more: Json = { vhds: VHDS }): Json => ({
  name,
  virtual_hosts: [answering('own', ['own.test'], 211)],
  ...more,
});

const ANSWERS = {
  'routes/asked.test': {
    name: 'routes/second',
    host: answering('routes/second', ['asked.test', '*.asked.test'], 213),
  },
  'routes/wrong.test': { name: 'routes/third', host: answering('routes/third', ['other.test'], 214) },
  'routes/port.test:8080': { name: 'routes/fifth', host: answering('routes/fifth', ['port.test:8080'], 216) },
  'routes/body.test': { name: 'routes/sixth', host: answering('routes/sixth', ['body.test'], 217) },
  'routes/mute.test': 'nothing',
} as const;

/** Long enough to see that nothing comes. */
const NO_ANSWER_MS = 700;

type Session = {
  readonly rig: Rig;
  readonly hosts: HostServer;
  readonly answered: string[];
  readonly counted: Readonly<Record<string, string>>;
};

/** Requests, and what the server does between them; all is noted. */
async function session(kind: ProxyKind, port2: number, args: readonly string[] = []): Promise<Session> {
  let hosts: HostServer | undefined;
  const prepare: Parameters<typeof startRig>[2] = (ads, port) => {
    hosts = new HostServer(ads, [answering('routes/first', ['first.test'], 212)], ANSWERS);
    put(ads, LISTENER, 'main', listener('main', port, [ON_DEMAND]));
    put(ads, ROUTES, 'routes', routesOf('routes'));
  };
  const rig = await startRig(kind, 'DELTA_GRPC', prepare, {}, args);
  assert.ok(hosts !== undefined);
  const { port, ads } = rig;
  const answered: string[] = [];
  let isMuteKnown = false;
  const say = async (host: string, ...body: string[]): Promise<void> => {
    const limitMs = host === 'mute.test' && !isMuteKnown ? NO_ANSWER_MS : ASK_MS;
    answered.push(`${host} ${await ask(port, { host }, body, limitMs)}`);
  };
  await until('the listener is there', async () => (await ask(port, { host: 'own.test' })) !== 'none', 10_000);
  const asked = ['asked.test', 'x.asked.test', 'ASKED.test', 'unknown.test', 'unknown.test', 'UNKNOWN.test'];
  for (const host of ['own.test', 'first.test', ...asked, 'wrong.test', 'wrong.test', 'port.test:8080'])
    await say(host);
  await say('body.test', 'some', ' more');
  await say('mute.test');
  hosts.push([
    answering('routes/mute.test', ['mute.test'], 218),
    answering('routes/unknown.test', ['unknown.test'], 219),
  ]);
  await until('a host is pushed', async () => (await ask(port, { host: 'unknown.test' })) === '219');
  isMuteKnown = true;
  await say('mute.test');
  hosts.push([], ['routes/first', 'routes/unknown.test']);
  await until('a host is removed', async () => (await ask(port, { host: 'first.test' })) === '404');
  await say('unknown.test');
  const counted = await counts(rig.proxy, /^http\.main\.rds\.vhds\.routes\.|\.rds\.routes\.config_reload/);
  // Those that did come are there still, whatever the route configuration says besides.
  put(ads, ROUTES, 'routes', routesOf('routes', { vhds: VHDS, virtual_hosts: [answering('own', ['own.test'], 221)] }));
  await until('the routes change', async () => (await ask(port, { host: 'own.test' })) === '221');
  for (const host of ['asked.test', 'port.test:8080']) await say(host);
  put(ads, ROUTES, 'routes', routesOf('routes', { virtual_hosts: [answering('own', ['own.test'], 222)] }));
  await until('no hosts come any more', async () => (await ask(port, { host: 'own.test' })) === '222');
  for (const host of ['asked.test', 'new.test']) await say(host);
  put(ads, ROUTES, 'routes', routesOf('routes'));
  await until('they come again', async () => (await ask(port, { host: 'own.test' })) === '211');
  for (const host of ['asked.test', 'new.test']) await say(host);
  // Without the filter nothing is asked for.
  put(ads, LISTENER, 'second', listener('second', port2));
  await until('another listener is there', async () => (await ask(port2, { host: 'own.test' })) === '211');
  for (const host of ['asked.test', 'more.test']) answered.push(`second ${host} ${await ask(port2, { host })}`);
  return { rig, hosts, answered, counted };
}

test('virtual hosts come by themselves and on demand, as in Envoy', async (t) => {
  const sessions: Session[] = [];
  const port2 = await freePort();
  try {
    const ours = await session('heddle', port2);
    sessions.push(ours);
    assert.deepEqual(ours.rig.ads.nacks, []);
    assert.equal(ours.hosts.asked.length, new Set(ours.hosts.asked).size, 'each host is asked for once');
    assert.ok(ours.answered.includes('asked.test 213'), ours.answered.join('\n'));
    const threads = await session('heddle', await freePort(), ['--concurrency', '2']);
    sessions.push(threads);
    assert.deepEqual(threads.answered, ours.answered);
    if (findEnvoy().path === null) {
      t.diagnostic('compared with nothing: there is no Envoy');
      return;
    }
    const theirs = await session('envoy', await freePort());
    sessions.push(theirs);
    assert.deepEqual(ours.answered, theirs.answered);
    assert.deepEqual(ours.hosts.asked, theirs.hosts.asked);
    assert.deepEqual(ours.counted, theirs.counted);
  } finally {
    for (const { rig } of sessions) await rig.stop();
  }
});

test('whoever waits for a host goes on when the server has none, or none that can be', async () => {
  let hosts: HostServer | undefined;
  const rig = await startRig('heddle', 'DELTA_GRPC', (ads, port) => {
    hosts = new HostServer(ads, [], {
      'routes/removed.test': 'removed',
      'routes/twice.test': { name: 'routes/twice', host: answering('routes/twice', ['twice.test', 'own.test'], 215) },
      'routes/good.test': { name: 'routes/good', host: answering('routes/good', ['good.test'], 216) },
    });
    put(ads, LISTENER, 'main', listener('main', port, [ON_DEMAND]));
    put(ads, ROUTES, 'routes', routesOf('routes', { vhds: { config_source: ADS } }));
  });
  try {
    const { port, ads, proxy } = rig;
    // The server has no hosts at first, and says so.
    await until('the listener is there', async () => (await ask(port, { host: 'own.test' })) === '211');
    assert.equal(await ask(port, { host: 'removed.test' }), '404');
    assert.equal(await ask(port, { host: 'twice.test' }), '404');
    await ads.until(() => ads.nacks.length > 0);
    const reason = 'Only unique values for domains are permitted. Duplicate entry of domain own.test in route routes';
    assert.deepEqual(
      ads.nacks.map(({ error }) => error),
      [`routes/twice: ${reason}`],
    );
    assert.equal(await ask(port, { host: 'good.test' }), '216');
    const { body } = await proxy.admin('/config_dump?resource=dynamic_route_configs');
    assert.match(body, /"name": "routes\/good"/);
    assert.ok(!body.includes('twice.test'));
    assert.ok(hosts !== undefined);
    assert.deepEqual(hosts.asked, ['routes/removed.test', 'routes/twice.test', 'routes/good.test']);
    // A new stream asks for all there is and for what was asked for.
    ads.closeStreams();
    await ads.until(() => ads.of(VIRTUAL_HOST).some(({ subscribe }) => subscribe.includes('*')));
    const again = ads.of(VIRTUAL_HOST).find(({ subscribe }) => subscribe.includes('*'));
    assert.deepEqual(again?.subscribe, ['*', 'routes/good.test', 'routes/removed.test', 'routes/twice.test']);
  } finally {
    await rig.stop();
  }
});

test('a route configuration in place has them, too; what cannot be asked for is refused', async () => {
  const rig = await startRig('heddle', 'DELTA_GRPC', (ads, port) => {
    new HostServer(ads, [answering('inline/first', ['first.test'], 212)], {
      'inline/asked.test': { name: 'inline/asked', host: answering('inline/asked', ['asked.test'], 213) },
    });
    const route_config = routesOf('inline', { vhds: { config_source: ADS } });
    put(ads, LISTENER, 'main', listener('main', port, [ON_DEMAND], { rds: undefined, route_config }));
  });
  try {
    const { port, ads, proxy } = rig;
    await until('the listener is there', async () => (await ask(port, { host: 'own.test' })) === '211');
    assert.equal(await ask(port, { host: 'first.test' }), '212');
    assert.equal(await ask(port, { host: 'asked.test' }), '213');
    assert.deepEqual(await counts(proxy, /vhds\..*(reload|success)/), {
      'vhds.inline.config_reload': '2',
      'vhds.inline.update_success': '2',
    });
    const { body } = await proxy.admin('/config_dump?resource=static_route_configs');
    assert.match(body, /"name": "inline\/asked"/);
    const source = {
      api_config_source: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [ENVOY_GRPC] },
    };
    const config_source = { resource_api_version: 'V3', ...source };
    put(
      ads,
      LISTENER,
      'other',
      listener('other', await freePort(), [], {
        rds: undefined,
        route_config: routesOf('x', { vhds: { config_source } }),
      }),
    );
    await ads.until(() => ads.nacks.length > 0);
    assert.match(String(ads.nacks[0]?.error), /vhds: only 'DELTA_GRPC' or 'ADS' \(which uses Delta xDS\) is supported/);
  } finally {
    await rig.stop();
  }
});
