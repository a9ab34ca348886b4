// The xDS server of the control plane and clients without a proxy: gRPC's Go and Node libraries. They ask by name, in
// state of the world, and are strict about what comes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { locatePeer } from '../../scripts/peers.ts';
import { freePort } from '../support/free-ports.ts';
import { type Server, startServer } from '../support/run-program.ts';
import { XdsServerRig } from '../support/xds-server-rig.ts';
import { type Json, scratchFolder, until } from './heddle.ts';
import { ADS, CLUSTER, cluster, ENDPOINTS, endpoints, LISTENER, ROUTES, typed } from './xds-types-rig.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';
const TARGET = 'echo.default.svc.cluster.local:7070';
const ROUTE = 'outbound|7070||echo.default.svc.cluster.local';

const serverPeer = locatePeer('grpc-interop-server');
const goPeer = locatePeer('grpc-xds-client');
const skip = 'missing' in serverPeer ? serverPeer.missing : false;
const skipGo = 'missing' in goPeer ? goPeer.missing : false;

const JS_PROGRAM = join(import.meta.dirname, '../support/grpc-js-xds-client.ts');
const CLIENTS = [
  { name: 'grpc-go', skip: skipGo, command: () => [(goPeer as { path: string }).path] },
  { name: 'grpc-js', skip: false as const, command: () => [process.execPath, JS_PROGRAM] },
];

/** What gRPC's clients take as a listener: only the routes and filters matter. */
function apiListener(): Json {
  const manager = typed(HCM, {
    rds: { route_config_name: ROUTE, config_source: ADS },
    http_filters: [{ name: 'router', typed_config: typed(ROUTER) }],
  });
  return { name: TARGET, api_listener: { api_listener: manager } };
}

function routeTo(name: string): Json {
  const routes = [{ match: { prefix: '' }, route: { cluster: name } }];
  return { name: ROUTE, virtual_hosts: [{ name: 'echo', domains: [TARGET, 'echo'], routes }] };
}

/** With locality and weight, which gRPC insists on. */
function endpointsIn(name: string, port: number): Json {
  const [locality] = (endpoints(name, port) as { endpoints: Json[] }).endpoints;
  return {
    cluster_name: name,
    endpoints: [{ ...locality, locality: { region: 'r', zone: 'z' }, load_balancing_weight: 1 }],
  };
}

class Caller {
  readonly #child: ReturnType<typeof spawn>;
  readonly #lines: AsyncIterator<string>;
  stderr = '';

  constructor(command: readonly string[], bootstrap: string) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, [...args, `xds:///${TARGET}`], {
      env: { ...process.env, GRPC_XDS_BOOTSTRAP: bootstrap },
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr = (this.stderr + chunk).slice(-4000)));
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  async call(): Promise<string> {
    this.#child.stdin?.write('\n');
    const { value } = await this.#lines.next();
    return value ?? `nothing: ${this.stderr}`;
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill();
    await exited;
  }
}

describe('xDS clients without a proxy', { skip }, () => {
  const servers: Server[] = [];

  before(async () => {
    for (let i = 0; i < 2; i++) {
      const port = await freePort();
      servers.push(await startServer((serverPeer as { path: string }).path, ['-port', String(port)], port));
    }
  });
  after(async () => {
    for (const server of servers) await server.stop();
  });

  for (const client of CLIENTS) {
    it(`${client.name} calls, and follows routes, clusters and endpoints`, { skip: client.skip }, async () => {
      const [one, two] = servers.map(({ port }) => port) as [number, number];
      const rig = new XdsServerRig();
      rig.change(LISTENER, { [TARGET]: apiListener(), other: { ...apiListener(), name: 'other' } });
      rig.change(ROUTES, { [ROUTE]: routeTo('c1') });
      rig.change(CLUSTER, { c1: cluster('c1'), unused: cluster('unused') });
      rig.change(ENDPOINTS, { c1: endpointsIn('c1', one), unused: endpointsIn('unused', one) });
      const bootstrap = join(scratchFolder(), 'bootstrap.json');
      writeFileSync(
        bootstrap,
        JSON.stringify({
          xds_servers: [
            {
              server_uri: `127.0.0.1:${rig.port}`,
              channel_creds: [{ type: 'insecure' }],
              server_features: ['xds_v3'],
            },
          ],
          node: {
            id: 'sidecar~127.0.0.1~a.default~default',
            cluster: 'a',
            locality: {},
            metadata: { GENERATOR: 'grpc' },
          },
          authorities: {},
          certificate_providers: {},
        }),
      );
      const caller = new Caller(client.command(), bootstrap);
      try {
        assert.match(await caller.call(), new RegExp(`^ok .*:${one}$`));
        rig.change(ENDPOINTS, { c1: endpointsIn('c1', two) });
        rig.push();
        await until('calls go to the new endpoint', async () => (await caller.call()).endsWith(`:${two}`));
        rig.change(CLUSTER, { c2: cluster('c2'), c1: null });
        rig.change(ENDPOINTS, { c2: endpointsIn('c2', one), c1: null });
        rig.change(ROUTES, { [ROUTE]: routeTo('c2') });
        rig.push();
        await until('calls go to the new cluster', async () => {
          const answer = await caller.call();
          assert.match(answer, /^ok /, 'no call fails meanwhile');
          return answer.endsWith(`:${one}`);
        });
        await until('all is acknowledged', () => rig.isSettled);
        assert.deepEqual(rig.refusals, []);
        const [stream] = rig.xds.streams;
        const names = stream?.types.map(({ subscription }) => [...subscription.names].sort().join(' '));
        assert.deepEqual(names, ['c2', 'c2', TARGET, ROUTE]);
      } finally {
        await caller.stop();
        rig.stop();
      }
    });
  }
});
