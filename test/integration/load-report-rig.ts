// A proxy of either kind that reports its loads, the traffic that it reports, and the reports as they can be compared.
import assert from 'node:assert/strict';
import { createServer, request, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdsServer } from '../support/ads-server.ts';
import { freePort } from '../support/free-ports.ts';
import {
  type ClusterLoadMessage,
  type LoadRequest,
  LoadReportServer,
  type LoadWishes,
} from '../support/load-report-server.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, scratchFolder, until } from './heddle.ts';
import { ADS, ENDPOINTS, put, typed } from './xds-types-rig.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const HTTP2: Json = {
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: typed(HTTP_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }),
  },
};

const socket = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const lb = (port: number, more: Json = {}): Json => ({ endpoint: { address: socket(port) }, ...more });
const grpc = (cluster: string): Json => ({
  ...{ api_type: 'GRPC', transport_api_version: 'V3' },
  grpc_services: [{ envoy_grpc: { cluster_name: cluster } }],
});

/** A locality's endpoints; `where` is 'region/zone/sub_zone'. */
function at(where: string, ports: readonly number[], more: Json = {}): Json {
  const [region = '', zone = '', sub_zone = ''] = where.split('/');
  return { locality: { region, zone, sub_zone }, lb_endpoints: ports.map((port) => lb(port)), ...more };
}

const assigned = (cluster_name: string, ...endpoints: Json[]): Json => ({ cluster_name, endpoints });

const cluster = (name: string, endpoints: readonly Json[], more: Json = {}): Json => ({
  ...{ name, connect_timeout: '1s', load_assignment: assigned(`of-${name}`, ...endpoints), ...more },
});

/** Clusters that '/NAME' goes to. */
const ROUTED = [
  'spread',
  'single',
  'down',
  'empty',
  'full',
  'closed',
  'original',
  'spare',
  'eds',
  'telling',
  'dropping',
];

function bootstrap(ports: Ports): Json {
  const { a, b, c } = ports;
  const routes = ROUTED.map((name) => ({ match: { prefix: `/${name}` }, route: { cluster: name, timeout: '20s' } }));
  const manager = typed(HCM, {
    stat_prefix: 'in',
    route_config: { name: 'local', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [{ name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router') }],
  });
  return {
    node: { id: 'proxy', cluster: 'test', locality: { region: 'here', zone: 'two' }, client_features: ['own'] },
    admin: { address: socket(0) },
    cluster_manager: { load_stats_config: grpc('reports') },
    dynamic_resources: { ads_config: grpc('control') },
    layered_runtime: { layers: [{ name: 'static', static_layer: { 'upstream.maintenance_mode.closed': 100 } }] },
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: socket(ports.in),
          filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
        },
      ],
      clusters: [
        cluster('reports', [{ lb_endpoints: [lb(ports.reports)] }], HTTP2),
        cluster('control', [{ lb_endpoints: [lb(ports.control)] }], HTTP2),
        cluster('spread', [at('here/one', [a]), at('here/two', [b]), at('away', [c])]),
        cluster('single', [at('here/two/deep', [a])], { lrs_server: { self: {} } }),
        cluster('telling', [at('here/one', [a])], {
          lrs_report_endpoint_metrics: ['cpu_utilization', 'eps', 'named_metrics.*', 'request_cost.b'],
        }),
        {
          ...cluster('dropping', []),
          load_assignment: {
            ...assigned('dropping', at('here/one', [a])),
            policy: { drop_overloads: [{ category: 'rain', drop_percentage: { numerator: 100 } }] },
          },
        },
        cluster('down', [at('here/two', [ports.nobody])]),
        cluster('empty', []),
        cluster('full', [at('here/two', [a])], { circuit_breakers: { thresholds: [{ max_requests: 0 }] } }),
        cluster('closed', [at('here/two', [a])]),
        {
          ...{ name: 'original', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s' },
          original_dst_lb_config: { use_http_header: true },
        },
        cluster('spare', [
          { ...at('here/two', []), lb_endpoints: [lb(a, { health_status: 'UNHEALTHY' })] },
          at('here/two', [b], { priority: 1 }),
        ]),
        {
          ...{ name: 'eds', type: 'EDS', connect_timeout: '1s' },
          eds_cluster_config: { service_name: 'service', eds_config: ADS },
        },
      ],
    },
  };
}

/** Counts by what they are of. */
export type Clusters = Record<string, Record<string, Record<string, number | string>>>;

const COUNTS = ['successful', 'error', 'issued'].map((kind) => `total_${kind}_requests`);
const ACTIVE = 'total_requests_in_progress';

type Message = Readonly<Record<string, unknown>>;

function addCluster(
  clusters: Clusters,
  message: ClusterLoadMessage,
  names: ReadonlyMap<number, string>,
  isLast: boolean,
): void {
  const name = String(message['cluster_name']);
  const known = (clusters[name] ??= {});
  const { seconds = 0, nanos = 0 } = message['load_report_interval'] as { seconds?: number; nanos?: number };
  assert.ok(Number(seconds) > 0 || nanos > 0, `${name} was reported without a time`);
  const own = (known['cluster'] ??= {});
  if (message['cluster_service_name'] !== undefined) own['service'] = String(message['cluster_service_name']);
  add(own, message, ['total_dropped_requests']);
  for (const one of (message['dropped_requests'] ?? []) as Message[]) {
    add((known[`dropped ${String(one['category'])}`] ??= {}), one, ['dropped_count']);
  }
  let last = '';
  for (const one of (message['upstream_locality_stats'] ?? []) as Message[]) {
    const { region = '', zone = '', sub_zone = '' } = (one['locality'] ?? {}) as Record<string, string>;
    const place = [region, zone, sub_zone].join('/');
    const order = `${Number(one['priority'] ?? 0)} ${place === HERE ? '' : place}`;
    assert.ok(order > last, `${place} of ${name} is out of order`);
    last = order;
    const where = `priority ${Number(one['priority'] ?? 0)} of ${place}`;
    addCounts((known[where] ??= {}), one, isLast);
    for (const endpoint of (one['upstream_endpoint_stats'] ?? []) as Message[]) {
      const { socket_address } = endpoint['address'] as { socket_address: { address: string; port_value: number } };
      const at = `${socket_address.address}:${names.get(socket_address.port_value) ?? '?'}`;
      addCounts((known[`${where}, ${at}`] ??= {}), endpoint, isLast);
    }
  }
}

function addCounts(sums: Record<string, number | string>, message: Message, isLast: boolean): void {
  add(sums, message, COUNTS);
  if (isLast && message[ACTIVE] !== undefined) sums[ACTIVE] = Number(message[ACTIVE]);
  for (const metric of (message['load_metric_stats'] ?? []) as Message[]) {
    const name = String(metric['metric_name']);
    sums[`${name} count`] =
      Number(sums[`${name} count`] ?? 0) + Number(metric['num_requests_finished_with_metric'] ?? 0);
    sums[`${name} total`] = Number(sums[`${name} total`] ?? 0) + Number(metric['total_metric_value'] ?? 0);
  }
}

/** A field that is not there is no field with 0. */
function add(sums: Record<string, number | string>, message: Message, fields: readonly string[]): void {
  for (const field of fields) {
    if (message[field] !== undefined) sums[field] = Number(sums[field] ?? 0) + Number(message[field]);
  }
}

/** The proxy's own locality, which is told first. */
const HERE = 'here/two/';

type Ports = Readonly<Record<'in' | 'reports' | 'control' | 'a' | 'b' | 'c' | 'nobody', number>>;

/** What a proxy told, in the order in which the test asked. */
export type Told = {
  readonly node: unknown;
  /** By step: clusters by name. */
  readonly steps: Readonly<Record<string, unknown>>;
  readonly stats: Readonly<Record<string, string>>;
  /** Of the stream's end and the next one's begin, ms. */
  readonly pauseMs: number;
};

export class LoadRig {
  readonly #ports: Ports;
  readonly #upstreams: readonly Server[];
  readonly #ads: AdsServer;
  readonly proxy: ProxyProcess;
  readonly reports: LoadReportServer;

  private constructor(
    ports: Ports,
    upstreams: readonly Server[],
    ads: AdsServer,
    proxy: ProxyProcess,
    reports: LoadReportServer,
  ) {
    this.#ports = ports;
    this.#upstreams = upstreams;
    this.#ads = ads;
    this.proxy = proxy;
    this.reports = reports;
  }

  static async start(kind: ProxyKind, args: readonly string[] = []): Promise<LoadRig> {
    const reports = new LoadReportServer();
    const ads = new AdsServer();
    const upstreams = await Promise.all([startUpstream(), startUpstream(), startUpstream()]);
    const [a = 0, b = 0, c = 0] = upstreams.map((one) => (one.address() as { port: number }).port);
    const ports = {
      ...{ in: await freePort(), nobody: await freePort(), reports: reports.port, control: ads.port },
      ...{ a, b, c },
    };
    put(ads, ENDPOINTS, 'service', assigned('service', at('here/one', [a]), at('here/two', [b])));
    const proxy = await startProxy(kind, JSON.stringify(bootstrap(ports)), scratchFolder(), args);
    const rig = new LoadRig(ports, upstreams, ads, proxy, reports);
    await until('a stream', () => reports.requests.length > 0);
    return rig;
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    this.reports.stop();
    this.#ads.stop();
    for (const one of this.#upstreams) {
      one.closeAllConnections();
      one.close();
    }
  }

  /** The endpoint in here/two goes, another one comes. */
  async moveEndpoint(): Promise<void> {
    const { a, c } = this.#ports;
    const moved = assigned('service', at('here/one', [a]), at('away', [c]));
    put(this.#ads, ENDPOINTS, 'service', moved);
    await until('the new endpoint', async () => {
      const { body } = await this.proxy.admin('/clusters?filter=^eds$');
      return body.includes(`eds::127.0.0.1:${c}::`);
    });
  }

  /** '/NAME' is answered by that cluster; '?status=503' says how, '?hang' never. Resolves with the status. */
  get(path: string): Promise<number> {
    return new Promise((resolve) => {
      const headers = { 'x-envoy-original-dst-host': `127.0.0.1:${this.#ports.a}` };
      const message = request({ host: '127.0.0.1', port: this.#ports.in, path, agent: false, headers }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      });
      message.on('error', () => resolve(0));
      message.end();
      this.#hanging.add(() => message.destroy());
    });
  }

  readonly #hanging = new Set<() => void>();
  #wishes = 0;

  /** Ends requests that hang. */
  giveUp(): void {
    for (const end of this.#hanging) end();
    this.#hanging.clear();
  }

  /** Everything that was reported since `from` (a length of `requests`), once a report came that has it all. */
  async told(from: number): Promise<Clusters> {
    const { requests } = this.reports;
    const count = requests.length;
    // The next report may have been made up before the last request was over.
    await until('two reports', () => requests.length > count + 1, 8_000);
    return this.#sum(requests.slice(from));
  }

  /** Comparable: ports by their names, counts of all reports together, what is on its way from the last. */
  #sum(reports: readonly LoadRequest[]): Clusters {
    const names = new Map(Object.entries(this.#ports).map(([name, port]) => [port, name]));
    const clusters: Clusters = {};
    for (const [i, { cluster_stats: all = [] }] of reports.entries()) {
      for (const message of all) addCluster(clusters, message, names, i === reports.length - 1);
    }
    return clusters;
  }

  /** Tells what is to be reported, and gives the proxy the time to hear it. */
  async wish(wishes: LoadWishes): Promise<void> {
    this.reports.wish(wishes);
    const heard = `load_reporter.requests: ${++this.#wishes}`;
    await until('the wish was heard', async () => (await this.stats()).includes(heard));
    // Workers hear of it a moment later.
    await sleep(50);
  }

  /** How many reports there were depends on the time. */
  async stats(): Promise<string> {
    const { body } = await this.proxy.admin('/stats?filter=^load_reporter');
    return body.trim().replace(/(?<=responses: )[1-9]\d*/, 'some');
  }
}

const LOAD = 'endpoint-load-metrics';
/** What endpoints say of themselves; the first is void. */
const LOADS = ['TEXT mem', 'TEXT cpu_utilization=0.5, named_metrics.a=3', 'JSON {"request_cost":{"a":1,"b":2}}'];

async function startUpstream(): Promise<Server> {
  const server = createServer((message, response) => {
    message.resume();
    message.on('end', () => {
      const { searchParams } = new URL(message.url ?? '/', 'http://x');
      if (searchParams.has('hang')) return;
      const load = searchParams.get('load');
      response.writeHead(Number(searchParams.get('status') ?? 200), load === null ? {} : { [LOAD]: load });
      response.end('x');
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const interval = (ms: number): { seconds: number; nanos: number } => ({
  seconds: Math.floor(ms / 1000),
  nanos: (ms % 1000) * 1e6,
});

/** Traffic and wishes, step by step. */
export async function tell(rig: LoadRig): Promise<Told> {
  const { reports } = rig;
  const steps: Record<string, unknown> = {};
  const stats: Record<string, string> = {};
  const [first] = reports.requests;
  steps['before any wish'] = first?.cluster_stats ?? 'no clusters';
  await rig.get('/spread');
  await rig.wish({ send_all_clusters: true, load_reporting_interval: interval(200) });
  let from = reports.requests.length;
  for (let i = 0; i < 6; i++) await rig.get('/spread');
  for (const status of [200, 404, 500, 503]) await rig.get(`/single?status=${status}`);
  for (const name of ['down', 'empty', 'full', 'closed', 'closed', 'dropping', 'original', 'spare', 'eds', 'eds']) {
    await rig.get(`/${name}`);
  }
  for (const load of LOADS) await rig.get(`/telling?status=500&load=${encodeURIComponent(load)}`);
  void rig.get('/single?hang');
  steps['all clusters'] = await rig.told(from);
  rig.giveUp();
  await sleep(20);
  from = reports.requests.length + 1;
  steps['a hanging request ended'] = await rig.told(from);
  // One of each endpoint; one of the two is gone before the report, and takes its count along.
  await rig.wish({ send_all_clusters: true, load_reporting_interval: interval(60_000) });
  from = reports.requests.length;
  for (let i = 0; i < 2; i++) await rig.get('/eds');
  await rig.moveEndpoint();
  await rig.wish({
    ...{ clusters: ['spread', 'eds', 'full', 'nowhere', 'telling'], report_endpoint_granularity: true },
    load_reporting_interval: interval(200),
  });
  steps['an endpoint moved'] = await rig.told(from);
  from = reports.requests.length;
  for (let i = 0; i < 3; i++) await rig.get('/spread');
  for (const name of ['eds', 'eds', 'full', 'single']) await rig.get(`/${name}`);
  for (const load of LOADS) await rig.get(`/telling?load=${encodeURIComponent(load)}`);
  steps['some clusters, by endpoint'] = await rig.told(from);
  return { ...(await tellOfLoss(rig, steps, stats)), node: nodeOf(first) };
}

async function tellOfLoss(
  rig: LoadRig,
  steps: Record<string, unknown>,
  stats: Record<string, string>,
): Promise<Omit<Told, 'node'>> {
  const { reports } = rig;
  stats['before the loss'] = await rig.stats();
  const since = performance.now();
  reports.stream?.call.end({ code: 14, message: 'gone' });
  for (let i = 0; i < 3; i++) await rig.get('/spread');
  await until('another stream', () => reports.streams.length === 2 && reports.requests.length > 0, 8_000);
  const pauseMs = performance.now() - since;
  // Without a new wish.
  await rig.get('/full');
  steps['another stream'] = await rig.told(0);
  stats['after the loss'] = await rig.stats();
  return { steps, stats, pauseMs };
}

function nodeOf(message: LoadRequest | undefined): unknown {
  const { id, cluster: group, locality, client_features } = (message?.node ?? {}) as Record<string, unknown>;
  return { id, group, locality, client_features };
}
