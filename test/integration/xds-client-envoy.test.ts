// What the real Envoy and Heddle's client ask and answer while a server changes its mind: the same, both forms.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../src/xds/client/services.ts';
import { AdsServer, showRequest } from '../support/ads-server.ts';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import { startProxy } from '../support/proxy-process.ts';
import { MiniProxy, XdsClientRig } from '../support/xds-client.ts';

const ADS = { ads: {}, resource_api_version: 'V3' };
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';

const cluster = (name: string): object => ({
  ...{ name, type: 'EDS', connect_timeout: { seconds: 1, nanos: 0 }, eds_cluster_config: { eds_config: ADS } },
});

function endpoints(cluster_name: string, port = 9): object {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  return { cluster_name, endpoints: [{ lb_endpoints: [{ endpoint }] }] };
}

function routes(name: string, to: string, domains = ['*']): object {
  return {
    name,
    virtual_hosts: [{ name: 'v', domains, routes: [{ match: { prefix: '/' }, route: { cluster: to } }] }],
  };
}

function listener(name: string, route: string): object {
  const router = { name: 'router', typed_config: { type_url: `type.googleapis.com/${ROUTER}`, message: {} } };
  const rds = { route_config_name: route, config_source: ADS };
  const message = { stat_prefix: 'in', rds, http_filters: [router] };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'hcm', typed_config: { type_url: `type.googleapis.com/${HCM}`, message } }] }],
    // For the client that decodes no listeners.
    metadata: { filter_metadata: { test: { route } } },
  };
}

type Client = { readonly stop: () => Promise<void>; readonly stats: () => Promise<string[]> };
/** What the server does, step by step. */
const STEPS: readonly ((server: AdsServer) => unknown)[] = [
  (server) => server.put(ENDPOINT_TYPE, 'a', endpoints('a', 10)),
  // Endpoints first: Envoy answers for clusters only once they are warm.
  (server) => server.put(ENDPOINT_TYPE, 'c', endpoints('c')),
  (server) => server.put(CLUSTER_TYPE, 'c', cluster('c')),
  (server) => server.remove(CLUSTER_TYPE, 'b'),
  (server) => server.put(ROUTE_TYPE, 'r', routes('r', 'a', ['*', '*'])),
  (server) => server.put(ROUTE_TYPE, 'r', routes('r', 'c')),
  (server) => server.put(ROUTE_TYPE, 's', routes('s', 'c')),
  (server) => server.put(LISTENER_TYPE, 'm', listener('m', 's')),
  (server) => server.put(LISTENER_TYPE, 'z', { name: 'z' }),
  (server) => server.remove(LISTENER_TYPE, 'z'),
  (server) => server.put(CLUSTER_TYPE, 'x', { name: 'x', type: 'EDS' }),
  (server) => server.remove(CLUSTER_TYPE, 'x'),
  (server) => server.closeStreams(14, 'bye'),
  (server) => server.closeStreams(8, 'too many'),
];

const PREFIXES = /^(control_plane|cluster_manager.cds|listener_manager.lds|cluster.\w|http.in.rds.\w)[.]/;
const NAMES =
  /[.](init_fetch_timeout|update_(attempt|failure|rejected|success)|version|version_text|\w+_state|identifier)/;
/** 'name: value' */
const isCounted = (line: string): boolean =>
  PREFIXES.test(line) && NAMES.test(line) && !/^cluster[.]\w[.](ext_|warm)/.test(line);

/** Requests by step, each type's in order: between types the order is shown where it is certain. */
async function record(
  isDelta: boolean,
  isNodeOnFirstOnly: boolean,
  start: (server: AdsServer) => Promise<Client>,
): Promise<{ readonly steps: string[][]; readonly stats: string[] }> {
  const server = new AdsServer();
  for (const name of ['a', 'b']) {
    server.put(CLUSTER_TYPE, name, cluster(name));
    server.put(ENDPOINT_TYPE, name, endpoints(name));
  }
  server.put(LISTENER_TYPE, 'l', listener('l', 'r'));
  server.put(ROUTE_TYPE, 'r', routes('r', 'a'));
  const client = await start(server);
  try {
    const steps: string[][] = [];
    await server.until(() => server.isAcked(ROUTE_TYPE));
    steps.push(await settled(server, 0));
    for (const step of STEPS) {
      const before = server.requests.length;
      const streams = server.streamCount;
      const mustReconnect = step === STEPS.at(-1) || step === STEPS.at(-2);
      step(server);
      if (mustReconnect) await server.until(() => server.streamCount > streams && server.of(ROUTE_TYPE).length > 0);
      steps.push(await settled(server, before));
    }
    assert.equal(server.requests[0]?.isDelta, isDelta);
    assert.equal(server.requests[1]?.hasNode, !isNodeOnFirstOnly);
    const stats = (await client.stats()).filter(isCounted).sort();
    // The number of a version is as exact as a float.
    return { steps, stats: stats.map((line) => line.replace(/(version: \d{15})\d+/, '$1')) };
  } finally {
    await client.stop();
    server.stop();
  }
}

/** Requests since, once no more come. */
async function settled(server: AdsServer, since: number): Promise<string[]> {
  for (let count = -1; count !== server.requests.length; ) {
    count = server.requests.length;
    await sleep(250);
  }
  const lines = server.requests.slice(since).map((request) =>
    showRequest({
      ...request,
      names: [...request.names].sort(),
      subscribe: [...request.subscribe].sort(),
      // Each has words of its own for what is wrong; which resource it is must be said.
      error: request.error === null ? null : (/[(]s[)] (\w+):/.exec(request.error)?.[1] ?? 'refused'),
    }),
  );
  // Envoy asks once for each name that it wants or no longer wants, where one request says it all.
  return lines.filter((line, i) => line !== lines[i - 1]);
}

const folder = mkdtempSync(join(tmpdir(), 'heddle-xds-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function startEnvoy(server: AdsServer, isDelta: boolean, isFirstOnly: boolean): Promise<Client> {
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: server.port } } };
  const config = {
    node: { id: 'n1', cluster: 'c1' },
    dynamic_resources: {
      ads_config: {
        ...{ api_type: isDelta ? 'DELTA_GRPC' : 'GRPC', transport_api_version: 'V3' },
        ...{ set_node_on_first_message_only: isFirstOnly, grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] },
      },
      cds_config: ADS,
      lds_config: ADS,
    },
    static_resources: {
      clusters: [
        {
          ...{ name: 'xds', type: 'STATIC', connect_timeout: '1s' },
          load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
          typed_extension_protocol_options: {
            [options]: {
              '@type': `type.googleapis.com/${options}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
  };
  const envoy = await startProxy('envoy', JSON.stringify(config), folder, ['--use-dynamic-base-id']);
  const stats = async (): Promise<string[]> => (await envoy.admin('/stats')).body.split('\n');
  return { stop: () => envoy.stop(), stats };
}

function startClient(server: AdsServer, isDelta: boolean, setsNodeOnFirstOnly: boolean): Client {
  const rig = new XdsClientRig(server.port);
  const proxy = new MiniProxy(rig.grpc({ isDelta, setsNodeOnFirstOnly }), (prefix) => rig.sharedCounts(prefix));
  const refuse = (bad: string) => (name: string, bytes: Uint8Array) =>
    Buffer.from(bytes).includes(bad) ? `${name} is bad` : null;
  proxy.routes.check = refuse('\u0012\u0001*\u0012\u0001*');
  proxy.listeners.check = (name) => (name === 'z' ? 'is bad' : null);
  proxy.clusters.check = (name) => (name === 'x' ? 'is bad' : null);
  return {
    stop: async () => {
      rig.close();
    },
    stats: async () => rig.statLines(),
  };
}

const { path, ...missing } = findEnvoy();
const skip = path === null && !arePeersRequired() ? ('reason' in missing ? missing.reason : true) : false;

for (const [isDelta, isFirstOnly] of [
  [false, false],
  [true, true],
] as const) {
  test(`asks and answers as Envoy does: ${isDelta ? 'delta' : 'state of the world'}`, { skip }, async () => {
    const [ours, theirs] = await Promise.all([
      record(isDelta, isFirstOnly, async (server) => startClient(server, isDelta, isFirstOnly)),
      record(isDelta, isFirstOnly, (server) => startEnvoy(server, isDelta, isFirstOnly)),
    ]);
    assert.deepEqual(ours, theirs);
    assert.ok(ours.steps.flat().some((line) => line.endsWith('NACK: z')));
  });
}
