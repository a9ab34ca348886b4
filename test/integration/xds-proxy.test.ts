// A proxy whose configuration comes from a control plane: first answers, changes under traffic, refusals, and its loss.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { AdsServer } from '../support/ads-server.ts';
import type { ProxyProcess } from '../support/proxy-process.ts';
import { type Json, startUpstream, stat, until } from './heddle.ts';
import {
  answer as version,
  CLUSTER,
  cluster,
  ENDPOINTS,
  endpoints,
  LISTENER,
  listener,
  put,
  ROUTES,
  routes as routesOf,
  startRig as startOn,
} from './xds-types-rig.ts';

const routes = (name: string, header: string, to = 'one'): Json =>
  routesOf(name, {
    routes: [{ match: { prefix: '/' }, route: { cluster: to } }],
    response_headers_to_add: [{ header: { key: 'x-version', value: header } }],
  });

type Rig = { readonly ads: AdsServer; readonly proxy: ProxyProcess; readonly port: number; readonly other: number };

const running = new Set<() => Promise<void>>();
after(async () => {
  for (const stop of running) await stop();
});

/** `other`: the port of an upstream besides the rig's own. */
async function startRig(type: string, ...args: string[]): Promise<Rig> {
  const upstream = await startUpstream();
  const prepare = (ads: AdsServer, port: number): void => {
    put(ads, LISTENER, 'main', listener('main', port));
    put(ads, ROUTES, 'routes', routes('routes', 'first'));
  };
  const rig = await startOn('heddle', type, prepare, {}, args);
  running.add(async () => {
    await rig.stop();
    await upstream.stop();
  });
  return { ads: rig.ads, proxy: rig.proxy, port: rig.port, other: upstream.port };
}

for (const [type, ...args] of [['GRPC'], ['DELTA_GRPC'], ['DELTA_GRPC', '--concurrency', '2']] as const) {
  const how = [type, ...args].join(' ');

  test(`clusters, endpoints, listeners and routes of a server serve, and change (${how})`, async () => {
    const { ads, proxy, port, other } = await startRig(type, ...args);
    await until('the first configuration serves', async () => (await version(port)) === 'first', 10_000);
    assert.deepEqual(ads.nacks, []);

    put(ads, ROUTES, 'routes', routes('routes', 'second'));
    await until('routes change', async () => (await version(port)) === 'second');

    put(ads, ENDPOINTS, 'one', endpoints('one', other));
    await until('endpoints change', async () => (await stat(proxy, 'cluster.one.membership_change')) >= 2);
    assert.equal(await version(port), 'second');

    put(ads, CLUSTER, 'two', cluster('two'));
    put(ads, ENDPOINTS, 'two', endpoints('two', other));
    put(ads, ROUTES, 'routes', routes('routes', 'third', 'two'));
    await until('routes lead to a new cluster', async () => (await version(port)) === 'third');

    ads.remove(CLUSTER, 'one');
    await until('the old cluster is gone', async () => (await stat(proxy, 'cluster_manager.cluster_removed')) > 0);
    assert.equal(await version(port), 'third');

    put(ads, CLUSTER, 'one', cluster('one'));
    put(ads, ROUTES, 'routes', routes('routes', 'fourth'));
    await until('it comes back with the endpoints that it had', async () => (await version(port)) === 'fourth');
    ads.remove(LISTENER, 'main');
    await until('the listener is gone', async () => (await version(port)) === 'unreachable');
    put(ads, LISTENER, 'main', listener('main', port));
    await until('it comes back with the routes that it had', async () => (await version(port)) === 'fourth');
  });

  test(`what is wrong is refused alone, and the last good serves when the server is gone (${how})`, async () => {
    const { ads, proxy, port } = await startRig(type, ...args);
    await until('the first configuration serves', async () => (await version(port)) === 'first', 10_000);
    put(ads, CLUSTER, 'bad', cluster('bad', { lb_policy: 'MAGLEV' }));
    put(ads, ROUTES, 'routes', routes('routes', 'second'));
    await until('a good change comes through beside it', async () => (await version(port)) === 'second');
    await ads.until(() => ads.nacks.length > 0);
    assert.match(ads.nacks[0]?.error ?? '', /bad.*lb_policy/s);
    assert.ok((await stat(proxy, 'cluster_manager.cds.update_rejected')) > 0);

    // At once, so that what is good is not yet looked at when what is bad comes.
    for (const good of ['third', 'fourth']) put(ads, ROUTES, 'routes', routes('routes', good));
    const [wrong] = routes('routes', 'wrong')['virtual_hosts'] as Json[];
    put(ads, ROUTES, 'routes', { name: 'routes', virtual_hosts: [wrong, wrong] });
    await ads.until(() => ads.nacks.some(({ error }) => error?.includes('routes') === true));
    await until('the last good one serves', async () => (await version(port)) === 'fourth');
    const { body } = await proxy.admin('/config_dump?resource=dynamic_route_configs');
    const [active, refused] = body.split('"error_state"');
    assert.deepEqual([active?.includes('wrong'), refused?.includes('wrong')], [false, true]);

    ads.closeStreams();
    assert.equal(await version(port), 'fourth');
    await until('the proxy comes back', () => ads.streams.size > 0, 10_000);
    put(ads, ROUTES, 'routes', routes('routes', 'fifth'));
    await until('and is told again', async () => (await version(port)) === 'fifth', 10_000);
  });
}
