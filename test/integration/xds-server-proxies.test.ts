// The control plane's xDS server with real proxies, Envoy and Heddle, in both forms: clusters come and go under their
// routes while requests go on, and none may fail; a server that comes back has nothing to say.
import assert from 'node:assert/strict';
import * as http from 'node:http';
import { test } from 'node:test';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { canStartHeddle, type ProxyKind, startProxy } from '../support/proxy-process.ts';
import { XdsServerRig } from '../support/xds-server-rig.ts';
import { scratchFolder, startUpstream, until } from './heddle.ts';
import {
  bootstrap,
  CLUSTER,
  cluster,
  ENDPOINTS,
  endpoints,
  LISTENER,
  listener,
  ROUTES,
  routes,
} from './xds-types-rig.ts';

const CHANGES = 40;
const CLIENTS = 3;

const skips: Record<ProxyKind, string | false> = {
  envoy: findEnvoy().path === null ? 'Envoy is not installed' : false,
  heddle: canStartHeddle() ? false : 'Heddle cannot start here',
};

for (const kind of ['envoy', 'heddle'] as const) {
  for (const type of ['DELTA_GRPC', 'GRPC'] as const) {
    test(`${kind}, ${type}: no request fails while clusters change`, { skip: skips[kind] }, async () => {
      const upstreams = [await startUpstream(), await startUpstream()];
      const port = await freePort();
      let rig = new XdsServerRig();
      const config = bootstrap(rig.port, type, { node: { id: 'proxy', cluster: kind } });
      let number = 0;
      /** Another cluster takes the place of the one before, and routes name it from now on. */
      const change = (): void => {
        const before = `c${number}`;
        const name = `c${++number}`;
        const upstream = upstreams[number % 2]?.port as number;
        rig.change(CLUSTER, { ...(number > 1 ? { [before]: null } : {}), [name]: cluster(name) });
        rig.change(ENDPOINTS, { ...(number > 1 ? { [before]: null } : {}), [name]: endpoints(name, upstream) });
        const match = { prefix: '/' };
        rig.change(ROUTES, { routes: routes('routes', { routes: [{ match, route: { cluster: name } }] }) });
        // Now and then the listener changes, too.
        if (number % 7 === 0) rig.change(LISTENER, { main: listener('main', port, [], { stat_prefix: `s${number}` }) });
        rig.push();
      };
      rig.change(LISTENER, { main: listener('main', port) });
      change();
      const proxy = await startProxy(kind, JSON.stringify(config), scratchFolder(), ['--drain-time-s', '1']);
      const failures: string[] = [];
      let isOver = false;
      let requests = 0;
      const ask = async (): Promise<void> => {
        while (!isOver) {
          const { status, body } = await get(port);
          requests++;
          if (status !== 200) failures.push(`${status} ${body} in change ${number}`);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      };
      try {
        await until('it serves', async () => (await get(port)).status === 200, 10_000);
        await until('all is acknowledged', () => rig.isSettled);
        const clients = Array.from({ length: CLIENTS }, ask);
        for (let i = 0; i < CHANGES; i++) {
          change();
          if (i % 5 === 0) {
            // The cluster itself changes, and warms anew.
            rig.change(CLUSTER, { [`c${number}`]: cluster(`c${number}`, { connect_timeout: `${2 + i}s` }) });
            rig.push();
          }
          // Sometimes the next one comes before all is through.
          if (i % 4 !== 0) await until(`change ${number} is acknowledged`, () => rig.isSettled, 10_000);
        }
        await until('the last change is acknowledged', () => rig.isSettled, 10_000);
        const { port: serverPort, tables } = rig;
        assert.deepEqual(rig.refusals, []);
        rig.stop();
        rig = new XdsServerRig(serverPort, tables);
        await until('it is back', () => rig.xds.streams.size > 0, 10_000);
        await until('all is acknowledged again', () => rig.isSettled, 10_000);
        if (type === 'DELTA_GRPC') assert.deepEqual(rig.sent, [], 'nothing is new');
        change();
        await until('a change after that is acknowledged', () => rig.isSettled, 10_000);
        isOver = true;
        await Promise.all(clients);
        assert.deepEqual(failures, []);
        assert.deepEqual(rig.refusals, []);
        assert.ok(requests > CHANGES, `${requests} requests`);
        const stream = [...rig.xds.streams][0];
        await until('it is live', () => {
          const types = stream?.types ?? [];
          return types.every((one) => one.tables.every((table) => one.liveOf(table) === table.seq));
        });
      } catch (error) {
        throw new Error(
          `${(error as Error).message}\n${proxy.output.slice(-2000)}\n${rig.sent.slice(-20).join(', ')}`,
          {
            cause: error,
          },
        );
      } finally {
        isOver = true;
        await proxy.stop();
        rig.stop();
        await Promise.all(upstreams.map((upstream) => upstream.stop()));
      }
    });
  }
}

// A connection each: Envoy ends those of a listener that drains.
const agent = new http.Agent({ keepAlive: false });

function get(port: number): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/x', agent }, async (response) => {
      let body = '';
      for await (const piece of response) body += String(piece);
      resolve({
        status: response.statusCode ?? 0,
        body: `${body} ${response.headers['x-envoy-upstream-service-time']}`,
      });
    });
    request.on('error', (error) => resolve({ status: 0, body: error.message }));
  });
}
