// The integration test of go-control-plane, with a proxy where Envoy stands: the server, the upstream, the bootstraps.
import { locatePeer } from '../../scripts/peers.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, startProxy } from '../support/proxy-process.ts';
import { runProgram, startServer } from '../support/run-program.ts';
import { type Json, scratchFolder } from './heddle.ts';

/** How the proxy asks, as the program names it. */
export type Mode = 'ads' | 'delta-ads' | 'xds' | 'delta' | 'rest';

export type Scenario = {
  readonly mode: Mode;
  readonly flags: readonly string[];
};

export type Outcome = {
  readonly code: number;
  readonly output: string;
  /** One per batch of requests, a list per snapshot. */
  readonly failed: readonly (readonly number[])[];
  /** `update_rejected` of every source, by the proxy's statistics. */
  readonly rejected: readonly string[];
};

const MESSAGE = 'Hi, there!\n';
/** As in the program's script: old listeners must not stay for long. */
const DRAIN = ['--drain-time-s', '1'];

/** Where the program listens, and where the proxy does: from `base` on. */
export type Ports = { readonly xds: number; readonly gateway: number; readonly als: number; readonly base: number };

export const missing = ['go-control-plane-test', 'go-control-plane-upstream']
  .map(locatePeer)
  .find((state) => 'missing' in state)?.missing;

function pathOf(name: string): string {
  const state = locatePeer(name);
  if ('missing' in state) throw new Error(state.missing);
  return state.path;
}

export type GoUpstream = { readonly port: number; stop(): Promise<void> };

export async function startGoUpstream(): Promise<GoUpstream> {
  const port = await freePort();
  return startServer(pathOf('go-control-plane-upstream'), ['-upstream', String(port), `-message=${MESSAGE}`], port);
}

/** Ports for one run. Listeners' follow one another, so nothing else may ask for ports meanwhile. */
export async function scenarioPorts(listeners: number): Promise<Ports> {
  const ports = { xds: await freePort(), gateway: await freePort(), als: await freePort() };
  let base = await freePort();
  for (let last = base; last - base < listeners - 1; ) {
    const next = await freePort();
    if (next !== last + 1) base = next;
    last = next;
  }
  return { ...ports, base };
}

/** Runs the program to its end with a proxy of that kind. */
export async function runScenario(
  kind: ProxyKind,
  scenario: Scenario,
  ports: Ports,
  upstreamPort: number,
): Promise<Outcome> {
  const running = runProgram(pathOf('go-control-plane-test'), [
    ...[`-xds=${scenario.mode}`, `-port=${ports.xds}`, `-gateway=${ports.gateway}`, `-als=${ports.als}`],
    ...[`-upstream=${upstreamPort}`, `-base=${ports.base}`, `-message=${MESSAGE}`],
    ...scenario.flags,
  ]);
  const config = JSON.stringify(bootstrap(scenario.mode, ports));
  const proxy = await startProxy(kind, config, scratchFolder(), DRAIN);
  try {
    const { code, output } = await running;
    const { body } = await proxy.admin('/stats?usedonly&filter=update_rejected');
    const rejected = body.split('\n').filter((line) => line !== '' && !line.endsWith(': 0'));
    return { code, output: `${output}\n${proxy.output}`, failed: failures(output), rejected };
  } finally {
    await proxy.stop();
  }
}

/** Counts of failed requests by snapshot and batch. */
function failures(output: string): number[][] {
  const snapshots: number[][] = [];
  for (const line of output.split('\n')) {
    const batch = /request batch \d+, ok \d+, failed (\d+)/.exec(line);
    if (line.includes('update snapshot')) snapshots.push([]);
    else if (batch !== null) snapshots.at(-1)?.push(Number(batch[1]));
  }
  return snapshots;
}

// ─── Bootstraps, field for field those of the program's `sample` folder ─────────────────────────────────────────────

const socket = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const ADS: Json = { resource_api_version: 'V3', ads: {} };
const GRPC_SERVICE: Json = { envoy_grpc: { cluster_name: 'xds_cluster' } };

function cluster(name: string, port: number, isHttp2: boolean): Json {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: socket(port) } }] }];
  return {
    name,
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints },
    ...(isHttp2 ? { http2_protocol_options: {} } : {}),
  };
}

/** A source that is not the aggregated stream. */
function separate(mode: 'xds' | 'delta' | 'rest', more: Json): Json {
  const common = { transport_api_version: 'V3' };
  const api =
    mode === 'rest'
      ? { api_type: 'REST', ...common, refresh_delay: '0.5s', cluster_names: ['xds_cluster'] }
      : { api_type: mode === 'delta' ? 'DELTA_GRPC' : 'GRPC', ...common, grpc_services: [GRPC_SERVICE], ...more };
  return { resource_api_version: 'V3', api_config_source: api };
}

function bootstrap(mode: Mode, ports: Ports): Json {
  const isAds = mode === 'ads' || mode === 'delta-ads';
  const isRest = mode === 'rest';
  const source = isAds ? ADS : separate(mode, { set_node_on_first_message_only: true });
  const ads = {
    ads_config: {
      api_type: mode === 'ads' ? 'GRPC' : 'DELTA_GRPC',
      transport_api_version: 'V3',
      grpc_services: [GRPC_SERVICE],
      set_node_on_first_message_only: true,
    },
  };
  const runtime = isAds
    ? {}
    : { name: 'runtime-0', rtds_layer: { rtds_config: separate(mode, {}), name: 'runtime-0' } };
  return {
    node: { cluster: 'test-cluster', id: 'test-id' },
    admin: { access_log_path: '/dev/null', address: socket(0) },
    dynamic_resources: { ...(isAds ? ads : {}), cds_config: source, lds_config: source },
    static_resources: {
      clusters: [
        cluster('xds_cluster', isRest ? ports.gateway : ports.xds, !isRest),
        cluster('als_cluster', ports.als, !isRest),
      ],
    },
    ...(isAds ? {} : { layered_runtime: { layers: [runtime] } }),
  };
}
