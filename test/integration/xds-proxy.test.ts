// A proxy whose configuration comes from a control plane: first answers, changes under traffic, refusals, and its loss.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { AdsServer } from '../support/ads-server.ts';
import { freePort } from '../support/free-ports.ts';
import { startProxy, type ProxyProcess } from '../support/proxy-process.ts';
import { type Json, scratchFolder, startUpstream, stat, until, type Upstream } from './heddle.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ENDPOINTS = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
const LISTENER = 'envoy.config.listener.v3.Listener';
const ROUTES = 'envoy.config.route.v3.RouteConfiguration';
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** JSON as configurations are written → a message. */
function message(type: string, json: Json): object {
  const report = new Report();
  const made = fromJson(registry.message(type) as never, json, report);
  assert.deepEqual(report.problems, []);
  return made as object;
}

const ADS: Json = { ads: {}, resource_api_version: 'V3' };
const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });
const socket = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

const cluster = (name: string, more: Json = {}): Json => ({
  name,
  type: 'EDS',
  eds_cluster_config: { eds_config: ADS },
  connect_timeout: '1s',
  ...more,
});

const endpoints = (name: string, ...ports: number[]): Json => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: socket(port) } })) }],
});

const routes = (name: string, header: string, to = 'one'): Json => ({
  name,
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [{ match: { prefix: '/' }, route: { cluster: to } }],
      response_headers_to_add: [{ header: { key: 'x-version', value: header } }],
    },
  ],
});

const listener = (name: string, port: number, more: Json = {}): Json => ({
  name,
  address: socket(port),
  filter_chains: [
    {
      filters: [
        {
          name: 'http',
          typed_config: typed(HCM, {
            stat_prefix: name,
            rds: { route_config_name: 'routes', config_source: ADS },
            http_filters: [{ name: 'router', typed_config: typed(ROUTER) }],
            ...more,
          }),
        },
      ],
    },
  ],
});

function bootstrap(adsPort: number, type: string): Json {
  return {
    node: { id: 'proxy', cluster: 'test' },
    admin: { address: socket(0) },
    dynamic_resources: {
      ads_config: {
        api_type: type,
        transport_api_version: 'V3',
        grpc_services: [
          {
            envoy_grpc: {
              cluster_name: 'control',
              retry_policy: { retry_back_off: { base_interval: '0.05s', max_interval: '0.2s' } },
            },
          },
        ],
      },
      cds_config: ADS,
      lds_config: ADS,
    },
    static_resources: {
      clusters: [
        {
          name: 'control',
          connect_timeout: '1s',
          load_assignment: endpoints('control', adsPort),
          typed_extension_protocol_options: {
            [HTTP_OPTIONS]: typed(HTTP_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }),
          },
        },
      ],
    },
  };
}

type Rig = {
  readonly ads: AdsServer;
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly upstreams: readonly Upstream[];
};

const running = new Set<() => Promise<void>>();
after(async () => {
  for (const stop of running) await stop();
});

function put(ads: AdsServer, type: string, name: string, json: Json): void {
  ads.put(type, name, message(type, json));
}

async function startRig(type: string, ...args: string[]): Promise<Rig> {
  const ads = new AdsServer();
  const upstreams = [await startUpstream(), await startUpstream()];
  const port = await freePort();
  put(ads, CLUSTER, 'one', cluster('one'));
  put(ads, ENDPOINTS, 'one', endpoints('one', upstreams[0]!.port));
  put(ads, LISTENER, 'main', listener('main', port));
  put(ads, ROUTES, 'routes', routes('routes', 'first'));
  const proxy = await startProxy('heddle', JSON.stringify(bootstrap(ads.port, type)), scratchFolder(), args);
  running.add(async () => {
    await proxy.stop();
    ads.stop();
    for (const upstream of upstreams) await upstream.stop();
  });
  return { ads, proxy, port, upstreams };
}

async function version(port: number): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
    await response.text();
    return response.status === 200 ? (response.headers.get('x-version') ?? '') : String(response.status);
  } catch (error) {
    return (error as Error).message;
  }
}

for (const [type, ...args] of [['GRPC'], ['DELTA_GRPC'], ['DELTA_GRPC', '--concurrency', '2']] as const) {
  const how = [type, ...args].join(' ');

  test(`clusters, endpoints, listeners and routes of a server serve, and change (${how})`, async () => {
    const { ads, proxy, port, upstreams } = await startRig(type, ...args);
    await until('the first configuration serves', async () => (await version(port)) === 'first', 10_000);
    assert.deepEqual(ads.nacks, []);

    put(ads, ROUTES, 'routes', routes('routes', 'second'));
    await until('routes change', async () => (await version(port)) === 'second');

    put(ads, ENDPOINTS, 'one', endpoints('one', upstreams[1]!.port));
    await until('endpoints change', async () => (await stat(proxy, 'cluster.one.membership_change')) >= 2);
    assert.equal(await version(port), 'second');

    put(ads, CLUSTER, 'two', cluster('two'));
    put(ads, ENDPOINTS, 'two', endpoints('two', upstreams[0]!.port));
    put(ads, ROUTES, 'routes', routes('routes', 'third', 'two'));
    await until('routes lead to a new cluster', async () => (await version(port)) === 'third');

    ads.remove(CLUSTER, 'one');
    await until('the old cluster is gone', async () => (await stat(proxy, 'cluster_manager.cluster_removed')) > 0);
    assert.equal(await version(port), 'third');

    put(ads, CLUSTER, 'one', cluster('one'));
    put(ads, ROUTES, 'routes', routes('routes', 'fourth'));
    await until('it comes back with the endpoints that it had', async () => (await version(port)) === 'fourth');
    ads.remove(LISTENER, 'main');
    await until('the listener is gone', async () => !/^[a-z0-9]*$/.test(await version(port)));
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
