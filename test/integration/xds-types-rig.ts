// A proxy of either kind on a control plane of the test's own, for the types besides clusters, listeners and routes.
import assert from 'node:assert/strict';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { AdsServer } from '../support/ads-server.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, scratchFolder, startUpstream } from './heddle.ts';

export const CLUSTER = 'envoy.config.cluster.v3.Cluster';
export const ENDPOINTS = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
export const EXTENSION = 'envoy.config.core.v3.TypedExtensionConfig';
export const LISTENER = 'envoy.config.listener.v3.Listener';
export const ROUTES = 'envoy.config.route.v3.RouteConfiguration';
export const RUNTIME = 'envoy.service.runtime.v3.Runtime';
export const NAME_TABLE = 'istio.networking.nds.v1.NameTable';
export const PROXY_CONFIG = 'istio.mesh.v1alpha1.ProxyConfig';
export const HEADER_MUTATION = 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation';
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export const ADS: Json = { ads: {}, resource_api_version: 'V3' };
export const typed = (type: string, fields: Json = {}): Json => ({
  '@type': `type.googleapis.com/${type}`,
  ...fields,
});
const socket = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

export function put(ads: AdsServer, type: string, name: string, json: Json): void {
  const report = new Report();
  const made = fromJson(registry.message(type) as never, json, report);
  assert.deepEqual(report.problems, []);
  ads.put(type, name, made as object);
}

export const cluster = (name: string, more: Json = {}): Json => ({
  name,
  type: 'EDS',
  eds_cluster_config: { eds_config: ADS },
  connect_timeout: '1s',
  ...more,
});

export const endpoints = (name: string, ...ports: number[]): Json => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: socket(port) } })) }],
});

export const routes = (name: string, more: Json = {}): Json => ({
  name,
  virtual_hosts: [
    { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'one' } }], ...more },
  ],
});

export const listener = (name: string, port: number, filters: readonly Json[] = [], more: Json = {}): Json => ({
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
            http_filters: [...filters, { name: 'router', typed_config: typed(ROUTER) }],
            ...more,
          }),
        },
      ],
    },
  ],
});

/** A header that the filter adds to answers. */
export const mutation = (name: string, value: string): Json => ({
  name,
  typed_config: typed(HEADER_MUTATION, {
    mutations: { response_mutations: [{ append: { header: { key: 'x-version', value } } }] },
  }),
});

export const discovered = (name: string, more: Json = {}): Json => ({
  name,
  config_discovery: { config_source: ADS, type_urls: [`type.googleapis.com/${HEADER_MUTATION}`], ...more },
});

export function bootstrap(adsPort: number, type: string, more: Json): Json {
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
    ...more,
  };
}

export type Rig = {
  readonly ads: AdsServer;
  readonly proxy: ProxyProcess;
  /** Of the listener 'main', if the test puts one there. */
  readonly port: number;
  stop(): Promise<void>;
};

/**
 * `prepare` puts what the server has besides the cluster 'one', its endpoint and routes to it; `change` makes the
 * bootstrap another one.
 */
export async function startRig(
  kind: ProxyKind,
  type: string,
  prepare: (ads: AdsServer, port: number) => void,
  more: Json = {},
  args: readonly string[] = [],
  change: (made: Json) => Json = (made) => made,
): Promise<Rig> {
  const ads = new AdsServer();
  const upstream = await startUpstream();
  const port = await freePort();
  put(ads, CLUSTER, 'one', cluster('one'));
  put(ads, ENDPOINTS, 'one', endpoints('one', upstream.port));
  put(ads, ROUTES, 'routes', routes('routes'));
  prepare(ads, port);
  const proxy = await startProxy(kind, JSON.stringify(change(bootstrap(ads.port, type, more))), scratchFolder(), args);
  const stop = async (): Promise<void> => {
    await proxy.stop();
    ads.stop();
    await upstream.stop();
  };
  return { ads, proxy, port, stop };
}

/** The header x-version of an answer, its status when it is not 200, or why there is none. */
export async function answer(port: number): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
    await response.text();
    return response.status === 200 ? (response.headers.get('x-version') ?? 'none') : String(response.status);
  } catch {
    return 'unreachable';
  }
}
