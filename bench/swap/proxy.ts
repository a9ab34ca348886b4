// The proxy of the bench 'swap': 1,000 clusters and virtual hosts that are all replaced on SIGUSR2, while it serves.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { DEFAULT_PROXY_OPTIONS } from '../../src/proxy/options.ts';
import { startProxy, startThreadedProxy } from '../../src/proxy/proxy.ts';
import type { ResourceUpdate } from '../../src/proxy/workers/contract.ts';
import { LogRegistry } from '../../src/telemetry/log.ts';
import { SWAP_CLUSTERS } from './shape.ts';

const [port = 0, upstreamPort = 0, concurrency = 1] = process.argv.slice(2).map(Number);

function resource(type: string, name: string, fields: object): ResourceUpdate {
  const report = new Report();
  const messageType = registry.message(type as never);
  const message = fromJson(messageType, { name, ...fields }, report);
  if (!report.isEmpty) throw new Error(report.toString());
  return { typeUrl: `type.googleapis.com/${type}`, name, bytes: encodeBinary(messageType, message as never) };
}

const HCM = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

function listener(): ResourceUpdate {
  const hcm = {
    '@type': HCM,
    stat_prefix: 'ingress',
    rds: { route_config_name: 'mesh', config_source: { ads: {} } },
    http_filters: [{ name: 'router', typed_config: { '@type': ROUTER } }],
  };
  return resource('envoy.config.listener.v3.Listener', 'ingress', {
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [{ name: 'hcm', typed_config: hcm }] }],
  });
}

/** Every resource differs from that of the generation before. */
function mesh(generation: number): ResourceUpdate[] {
  const names = Array.from(
    { length: SWAP_CLUSTERS },
    (_, i) => `outbound|8080||service-${i}.default.svc.cluster.local`,
  );
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: upstreamPort } } };
  const clusters = names.map((name) =>
    resource('envoy.config.cluster.v3.Cluster', name, {
      connect_timeout: `${1 + generation / 1000}s`,
      load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    }),
  );
  const hosts = names.map((cluster, i) => ({
    name: `service-${i}`,
    domains: [`service-${i}`, `service-${i}.default`, `service-${i}.default.svc.cluster.local`],
    routes: [
      { match: { prefix: `/generation-${generation}/` }, redirect: { path_redirect: '/' } },
      { match: { prefix: '/' }, route: { cluster, timeout: '15s', retry_policy: { num_retries: 2 } } },
    ],
  }));
  return [...clusters, resource('envoy.config.route.v3.RouteConfiguration', 'mesh', { virtual_hosts: hosts })];
}

const logs = LogRegistry.open({ level: 'error' });
if (typeof logs === 'string') throw new Error(logs);
const options = { ...DEFAULT_PROXY_OPTIONS, configYaml: '{}', concurrency };
const parts = { options, logs, variables: {}, version: '0.0.0' };
const started = concurrency === 1 ? startProxy(parts) : await startThreadedProxy(parts);
if ('error' in started) throw new Error(started.error);
const { crew, clock } = started;

/** The longest slice of the updates' own work, ms. */
let longestSliceMs = 0;
const defer = clock.defer.bind(clock);
clock.defer = (task) =>
  defer(() => {
    const before = performance.now();
    task();
    longestSliceMs = Math.max(longestSliceMs, performance.now() - before);
  });

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let generation = 1;
/** Made ahead, because in life another process makes the bytes; each differs from the other everywhere. */
const meshes = [mesh(0), mesh(1)];
const meshOf = (number: number): ResourceUpdate[] => meshes[number % meshes.length] ?? [];
crew.update({ generation, resources: [...meshOf(generation), listener()] }, ({ refused }) => {
  if (refused.length > 0) throw new Error(JSON.stringify(refused[0]));
  process.stdout.write('ready\n');
});

process.on('SIGUSR2', () => {
  const quietMs = delay.max / 1e6;
  delay.reset();
  longestSliceMs = 0;
  const before = performance.now();
  crew.update({ generation: ++generation, resources: meshOf(generation) }, ({ refused }) => {
    const tookMs = performance.now() - before;
    const figures = { tookMs, longestDelayMs: delay.max / 1e6, longestSliceMs, quietMs, refused: refused.length };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    delay.reset();
  });
});
process.on('SIGTERM', () => crew.end(() => process.exit(0)));
