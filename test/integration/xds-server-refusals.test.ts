// The control plane's xDS server and proxies that refuse: what is good serves, and the bad resource is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { canStartHeddle, type ProxyKind, startProxy } from '../support/proxy-process.ts';
import { XdsServerRig } from '../support/xds-server-rig.ts';
import { type Json, scratchFolder, until } from './heddle.ts';
import { ADS, bootstrap, CLUSTER, LISTENER, listener, ROUTES } from './xds-types-rig.ts';

const skips: Record<ProxyKind, string | false> = {
  envoy: findEnvoy().path === null ? 'Envoy is not installed' : false,
  heddle: canStartHeddle() ? false : 'Heddle cannot start here',
};

const NAMES = ['a', 'b', 'c', 'd', 'e'];

/** Two hosts for everything are one too many. */
function routes(name: string, status: number, isBad = false): Json {
  const answer = [{ match: { prefix: '/' }, direct_response: { status } }];
  return { name, virtual_hosts: [{ name: 'all', domains: isBad ? ['*', '*'] : ['*'], routes: answer }] };
}

for (const kind of ['envoy', 'heddle'] as const) {
  for (const type of ['DELTA_GRPC', 'GRPC'] as const) {
    test(`${kind}, ${type}: of many changed routes and listeners the bad one alone is left out`, {
      skip: skips[kind],
    }, async () => {
      const rig = new XdsServerRig();
      const ports = new Map<string, number>();
      for (const name of NAMES) ports.set(name, await freePort());
      const listen = (name: string): Json => {
        const rds = { route_config_name: name, config_source: ADS };
        return listener(name, ports.get(name) as number, [], { rds });
      };
      const status = async (name: string): Promise<number> =>
        (await fetch(`http://127.0.0.1:${ports.get(name)}/`)).status;
      const each = (make: (name: string) => Json): Record<string, Json> =>
        Object.fromEntries(NAMES.map((name) => [name, make(name)]));
      rig.table(CLUSTER);
      rig.change(LISTENER, each(listen));
      rig.change(
        ROUTES,
        each((name) => routes(name, 201)),
      );
      const config = bootstrap(rig.port, type, { node: { id: 'proxy', cluster: kind } });
      const proxy = await startProxy(kind, JSON.stringify(config), scratchFolder());
      try {
        await until('all is acknowledged', () => rig.isSettled);
        rig.change(
          ROUTES,
          each((name) => routes(name, 202, name === 'c')),
        );
        rig.push();
        await until('the refusal is told', () => rig.refusals.length > 0);
        await until('it is all through', () => rig.isSettled);
        assert.deepEqual(await Promise.all(NAMES.map(status)), [202, 202, 201, 202, 202]);
        assert.deepEqual(
          rig.refusals.map(({ name, message }) => [name, /single wildcard domain/.test(message)]),
          [['c', true]],
        );
        rig.refusals.length = 0;
        // Mended, while a listener is broken.
        rig.change(ROUTES, { c: routes('c', 203) });
        rig.change(LISTENER, { a: { ...listen('a'), filter_chains: [{ filters: [{ name: 'no such filter' }] }] } });
        rig.push();
        await until('the next refusal is told', () => rig.refusals.length > 0);
        await until('it is through, too', () => rig.isSettled);
        assert.deepEqual(await Promise.all(NAMES.map(status)), [202, 202, 203, 202, 202]);
        assert.deepEqual(
          rig.refusals.map(({ name }) => name),
          ['a'],
        );
        const [stream] = rig.xds.streams;
        const refused = (stream?.types ?? []).flatMap((one) => [...(one.refused?.keys() ?? [])]);
        assert.deepEqual(refused, ['a']);
      } finally {
        await proxy.stop();
        rig.stop();
      }
    });
  }
}
