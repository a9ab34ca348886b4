// Clusters on demand (ODCDS), over the ADS stream and one of their own: the same requests through Envoy and Heddle.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AdsServer } from '../support/ads-server.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { type Json, RawConnection, scratchFolder, startUpstream, until } from './heddle.ts';
import { ask, counts } from './on-demand-rig.ts';
import {
  ADS,
  CLUSTER,
  ENDPOINTS,
  LISTENER,
  ROUTES,
  cluster,
  endpoints,
  listener,
  put,
  type Rig,
  startRig,
  typed,
} from './xds-types-rig.ts';

const ON_DEMAND = 'envoy.extensions.filters.http.on_demand.v3';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const FILE_LOG = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

const OWN: Json = {
  api_config_source: {
    api_type: 'DELTA_GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'second' } }],
  },
  resource_api_version: 'V3',
};

type Place = 'ads' | 'own';

const fixed = (name: string, port: number, more: Json = {}): Json => ({
  ...{ name, type: 'STATIC', connect_timeout: '5s', load_assignment: endpoints(name, port), ...more },
});

function log(path: string): Json {
  const inline_string = '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER%\n';
  return {
    name: 'log',
    typed_config: typed(FILE_LOG, { path, log_format: { text_format_source: { inline_string } } }),
  };
}

function tcpListener(name: string, port: number, source: Json, path: string, timeout = '30s'): Json {
  const on_demand = { odcds_config: source, timeout };
  const fields = { stat_prefix: name, cluster: name, on_demand, access_log: [log(path)] };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [{ name: 'tcp', typed_config: typed(TCP_PROXY, fields) }] }],
  };
}

/** What an HTTP request over a TCP listener gets: 'served', or 'closed'. */
async function overTcp(port: number): Promise<string> {
  const connection = new RawConnection(port);
  connection.send('GET /tcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  await until('it is over', () => connection.isClosed, 20_000);
  return connection.text.includes('200 OK') ? 'served' : 'closed';
}

type Session = {
  readonly answered: readonly string[];
  readonly counted: readonly Readonly<Record<string, string>>[];
  readonly logged: readonly string[];
  readonly dumped: readonly string[];
};

/** Without `cds_config`, so that what comes comes on demand alone; and with a second server. */
const withoutClusters =
  (port: number) =>
  (made: Json): Json => {
    const { cds_config: _, ...others } = made['dynamic_resources'] as Json;
    const { clusters } = made['static_resources'] as { clusters: Json[] };
    const options = { [HTTP_OPTIONS]: typed(HTTP_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }) };
    const second = fixed('second', port, { typed_extension_protocol_options: options });
    return { ...made, dynamic_resources: others, static_resources: { clusters: [...clusters, second] } };
  };

type Parts = {
  readonly rig: Rig;
  /** Has the clusters. */
  readonly server: AdsServer;
  readonly upstream: number;
  readonly tcp: Readonly<Record<'found' | 'absent' | 'silent', number>>;
  readonly path: string;
  stop(): Promise<void>;
};

async function start(kind: ProxyKind, from: Place, args: readonly string[]): Promise<Parts> {
  const own = new AdsServer();
  const upstream = await startUpstream();
  const tcp = { found: await freePort(), absent: await freePort(), silent: await freePort() };
  const source = from === 'own' ? OWN : ADS;
  const path = join(scratchFolder(), 'log');
  const odcds = (timeout: string): Json => ({ odcds: { source, timeout } });
  const prepare: Parameters<typeof startRig>[2] = (ads, port) => {
    const filter = { name: 'on_demand', typed_config: typed(`${ON_DEMAND}.OnDemand`, odcds('30s')) };
    put(ads, LISTENER, 'main', listener('main', port, [filter], { access_log: [log(path)] }));
    put(ads, LISTENER, 'found', tcpListener('found', tcp.found, source, `${path}.found`));
    put(ads, LISTENER, 'absent', tcpListener('absent', tcp.absent, source, `${path}.absent`));
    put(ads, LISTENER, 'silent', tcpListener('silent', tcp.silent, source, `${path}.silent`, '0.3s'));
    const route = { cluster_header: 'x-cluster' };
    const by = (value: string, config: Json): Json => ({
      match: { prefix: '/', headers: [{ name: 'x-how', string_match: { exact: value } }] },
      route,
      typed_per_filter_config: { on_demand: typed(`${ON_DEMAND}.PerRouteConfig`, config) },
    });
    const all = [by('quick', odcds('0.3s')), by('off', {}), { match: { prefix: '/' }, route }];
    put(ads, ROUTES, 'routes', { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes: all }] });
  };
  const rig = await startRig(kind, 'DELTA_GRPC', prepare, {}, args, withoutClusters(own.port));
  const stop = async (): Promise<void> => {
    await rig.stop();
    own.stop();
    await upstream.stop();
  };
  return { rig, server: from === 'own' ? own : rig.ads, upstream: upstream.port, tcp, path, stop };
}

/** Counts of what was asked for, and which clusters there are. */
async function look({ rig: { proxy } }: Parts): Promise<{ counted: Readonly<Record<string, string>>; dumped: string }> {
  const names =
    /^(cluster_manager\.(odcds\.|cds|active|cluster_removed)|tcp\.\w+\.on_demand|tcp\.\w+\.downstream_cx_no)/;
  const { body } = await proxy.admin('/config_dump?resource=dynamic_active_clusters');
  const { configs = [] } = JSON.parse(body) as {
    configs?: { readonly cluster?: { readonly name: string }; readonly version_info?: string }[];
  };
  // What was refused Envoy does not tell.
  const good = configs.flatMap(({ cluster: one, version_info }) =>
    one === undefined ? [] : `${one.name} ${version_info}`,
  );
  return { counted: await counts(proxy, names), dumped: good.sort().join(', ') };
}

async function session(kind: ProxyKind, from: Place, args: readonly string[] = []): Promise<Session> {
  const parts = await start(kind, from, args);
  const { rig, server, path, tcp } = parts;
  const answered: string[] = [];
  const looks: Awaited<ReturnType<typeof look>>[] = [];
  const find = (name: string, how = '', body: readonly string[] = []): Promise<string> =>
    ask(rig.port, { host: 'any.test', 'x-cluster': name, 'x-how': how }, body);
  const say = async (name: string, how = '', body: readonly string[] = []): Promise<void> => {
    answered.push(`${name} ${how} ${await find(name, how, body)}`);
  };
  const putFixed = (name: string): void => put(server, CLUSTER, name, fixed(name, parts.upstream));
  const becomes = (name: string, status: string): Promise<void> =>
    until(`${name} is ${status}`, async () => (await find(name, 'off')) === status, 20_000);
  try {
    await becomes('', '503');
    looks.push(await look(parts));
    for (const name of ['two', 'posted', 'found']) putFixed(name);
    put(rig.ads, ENDPOINTS, 'late', endpoints('late', parts.upstream));
    put(server, CLUSTER, 'late', cluster('late'));
    put(server, CLUSTER, 'bad', { name: 'bad', type: 'EDS', connect_timeout: '1s' });
    await say('two', 'off');
    for (const name of ['two', 'two', 'late', 'missing', '']) await say(name);
    await say('posted', '', ['a ', 'body']);
    looks.push(await look(parts));
    // What was missing once is not asked for again. (Envoy has a stream of its own for each filter's server.)
    if (from === 'ads') await say('missing', 'quick');
    server.drops.set(CLUSTER, 1);
    await say('mute', 'quick');
    putFixed('mute');
    await becomes('mute', '200');
    for (const name of ['mute', 'mute']) await say(name);
    server.remove(CLUSTER, 'two');
    await becomes('two', '503');
    if (from === 'ads') await say('two', 'quick');
    putFixed('two');
    await becomes('two', '200');
    answered.push(`tcp found ${await overTcp(tcp.found)}`, `again ${await overTcp(tcp.found)}`);
    server.drops.set(CLUSTER, 1);
    answered.push(`tcp silent ${await overTcp(tcp.silent)}`);
    answered.push(`tcp absent ${await overTcp(tcp.absent)}`);
    looks.push(await look(parts));
    await say('bad', 'quick');
    // Many wait for one.
    const many = Array.from({ length: 20 }, () => find('crowd'));
    putFixed('crowd');
    answered.push((await Promise.all(many)).join(' '));
  } finally {
    await parts.stop();
  }
  const tcpLogs = ['found', 'absent', 'silent'].flatMap((name) => logLines(`${path}.${name}`));
  const logged = [...new Set(logLines(path)), ...tcpLogs];
  return { answered, counted: looks.map((one) => one.counted), logged, dumped: looks.map((one) => one.dumped) };
}

/** None where nothing was logged. */
function logLines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
}

for (const from of ['ads', 'own'] as const) {
  test(`clusters come on demand, as in Envoy (${from})`, { timeout: 300_000 }, async (t) => {
    const ours = await session('heddle', from);
    assert.ok(ours.answered.includes('late  200'), ours.answered.join('\n'));
    assert.ok(ours.answered.includes('missing  503'));
    const threads = await session('heddle', from, ['--concurrency', '2']);
    assert.deepEqual(threads.answered, ours.answered);
    assert.deepEqual(threads.dumped, ours.dumped);
    if (findEnvoy().path === null) {
      t.diagnostic('compared with nothing: there is no Envoy');
      return;
    }
    const theirs = await session('envoy', from);
    assert.deepEqual(ours.answered, theirs.answered);
    assert.deepEqual(ours.counted, theirs.counted);
    assert.deepEqual(ours.logged, theirs.logged);
    assert.deepEqual(ours.dumped, theirs.dumped);
  });
}
