// What every thread of a proxy stands on: time, sockets, statistics, logs; and the decoding of its bootstrap.
import { hostname } from 'node:os';
import { enableLinearRegex } from '../base/regex.ts';
import { Clock, Random } from '../base/clock.ts';
import { createEngine, type Engine, type EngineOptions } from '../net/engine.ts';
import { FileWatch } from '../net/file-watch.ts';
import { MOST_FLOW_BUFFERS } from '../net/flow-buffers.ts';
import { createResolver, type ResolverSettings } from '../net/resolver/resolver.ts';
import type { Bootstrap, Node } from '../proto/generated/types.d.ts';
import { registry } from '../proto/registry.ts';
import type { Problem } from '../proto/report.ts';
import { AccessLogFiles } from '../telemetry/access-log-file.ts';
import { StatStore } from '../telemetry/metrics.ts';
import type { StatJournal } from '../telemetry/stat-journal.ts';
import { decodeStatsConfig, type StatsConfig } from '../telemetry/stats-config.ts';
import type { LogRegistry } from '../telemetry/log.ts';
import type { ClusterConfig } from './cluster/cluster-config.ts';
import { HttpClient } from './cluster/upstream-client/http-client.ts';
import { LogServices, type LocalInfo } from './access-log/service/log-services.ts';
import { ClusterTable } from './cluster/cluster-manager.ts';
import type { OutlierParts } from './cluster/outlier/detector.ts';
import { FileEventLog } from './cluster/outlier/event-log.ts';
import { DnsCaches } from './dns-cache/dns-caches.ts';
import { type BootstrapConfig, decodeBootstrap, decodeRuntime, evictionMs } from './config/bootstrap.ts';
import { type BootstrapExtensions, decodeBootstrapExtensions } from './config/bootstrap-extensions.ts';
import { OnDemandClusters } from './xds/on-demand-clusters.ts';
import { ConfigDecoder, type Reason } from './config-decoder.ts';
import { makeDecodeEnvironment, type ProxyDecodeEnvironment, unpackExtension } from './config/environment.ts';
import { makeHttpConnectionManager } from './config/http-manager-filter.ts';
import { findLocalAddress } from './config/http-connection-manager.ts';
import type { ListenerEnvironment } from './config/listener.ts';
import { dropNested, findUnsupported, mergeSupport } from './config/support.ts';
import { UnknownFields } from './config/unknown-fields.ts';
import {
  type Extensions,
  downstreamTransports,
  httpFilters,
  listenerFilters,
  networkFilters,
  upstreamFilters,
  upstreamTransports,
} from './extensions.ts';
import { FileContents } from './formatter/file-contents.ts';
import { AdminTaps } from './http/admin-taps.ts';
import type { HttpFilterFactory } from './http/filter.ts';
import { localNode } from './istio/node.ts';
import type { ProxyOptions } from './options.ts';
import { followListenerFilters } from './listener/filter-discovery.ts';
import { makeDiscoveredFilter } from './network/filter-discovery.ts';
import { LayeredRuntime } from './runtime.ts';
import { SERVER_STATS, type ServerScope } from './server-stats.ts';
import { SECRET_TYPE } from './tls/secret-files.ts';
import { Secrets } from './tls/secret-store.ts';
import { StaticSecrets } from './tls/static-secrets.ts';
import { SECRET_FIELDS } from './tls/tls-fields.ts';
import type { TransportServices } from './transport/transport.ts';
import type { WorkerSeams } from './workers/contract.ts';
import type { SecretStore } from '../identity/secret-store.ts';
import { makeHolders, type WorkerHolders } from './xds/worker-holders.ts';
import { singleWorker } from './workers/single.ts';
import { userAgent } from './user-agent.ts';

export type CoreParts = {
  readonly options: ProxyOptions;
  readonly logs: LogRegistry;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Instead of real sockets: tests, simulation, benches. */
  readonly makeEngine?: (options: EngineOptions) => Engine;
  /** Instead of the machine's time and randomness, and filters besides those of extensions.ts: tests, simulation. */
  readonly clock?: Clock;
  readonly random?: Random;
  readonly extraHttpFilters?: readonly HttpFilterFactory[];
  /** Of a worker thread, whose statistics the supervisor shows. */
  readonly journal?: StatJournal;
  /** Absent: the only worker. */
  readonly seams?: WorkerSeams;
  /** Who has secrets of the cluster sds-grpc, as `default` and `ROOTCA`; absent: as the bootstrap says. */
  readonly identity?: (core: Core) => SecretStore;
};

/** What a thread has before it has a configuration. */
export type Core = {
  readonly clock: Clock;
  readonly random: Random;
  readonly engine: Engine;
  readonly stats: StatStore;
  readonly serverStats: ServerScope;
  readonly accessLogs: AccessLogFiles;
  readonly runtime: LayeredRuntime;
  readonly seams: WorkerSeams;
};

export function makeCore(parts: CoreParts): Core {
  enableLinearRegex();
  const seams = parts.seams ?? singleWorker();
  const clock = parts.clock ?? new Clock();
  const random = parts.random ?? new Random();
  const log = parts.logs.logger('main');
  const stats = new StatStore(parts.journal === undefined ? {} : { journal: parts.journal });
  const serverStats = stats.scope('server.', SERVER_STATS);
  const onBug = (error: unknown, where: string): void => {
    serverStats.inc(serverStats.i.envoy_bug_failures);
    log.error(`bug in ${where}: ${error instanceof Error ? error.stack : String(error)}`);
  };
  const mostFlowBuffers = Math.ceil(MOST_FLOW_BUFFERS / seams.concurrency);
  const engine = (parts.makeEngine ?? createEngine)({ clock, onBug, mostFlowBuffers });
  clock.wrap = (run) => engine.run(run);
  // One timer's bug must not keep the others of that moment from firing.
  clock.onError = (error) => onBug(error, 'timer');
  const { fileFlushIntervalMs, fileFlushMinSizeKb } = parts.options;
  const accessLogs = new AccessLogFiles({
    clock,
    store: stats,
    flushIntervalMs: fileFlushIntervalMs,
    flushBytes: fileFlushMinSizeKb * 1024,
    shared: seams.shared,
  });
  return { clock, random, engine, stats, serverStats, accessLogs, runtime: new LayeredRuntime(), seams };
}

export type Decoded = {
  readonly config: BootstrapConfig;
  readonly statsSettings: StatsConfig;
  readonly clusters: ClusterTable;
  readonly onDemandClusters: OnDemandClusters;
  readonly environment: ProxyDecodeEnvironment;
  readonly extensions: Extensions;
  readonly listenerEnvironment: ListenerEnvironment;
  /** Who this proxy is, as servers are told. */
  readonly node: Node;
  /** What is used by name and fetched from elsewhere. */
  readonly holders: WorkerHolders;
  /** What transport sockets of listeners and clusters share. */
  readonly transports: TransportServices;
  readonly bootstrapExtensions: BootstrapExtensions;
  /** In what comes from elsewhere. */
  readonly unknownFields: UnknownFields;
};

/** The bootstrap as runtime objects, or every reason why not. */
export function decodeProxy(parts: CoreParts, core: Core, bootstrap: Bootstrap): Decoded | { readonly error: string } {
  const { options } = parts;
  const { clock, random, stats, runtime, accessLogs, seams } = core;
  const { shared } = seams;
  const staticSecrets = new StaticSecrets();
  const holders = makeHolders(() => clock.wallMs, stats);
  holders.record.leaving.drainTimeMs = options.drainTimeMs;
  const unknownFields = makeUnknownFields(parts, core);
  const transports = makeTransportServices(parts, core, staticSecrets, holders, unknownFields);
  const { clusters, dnsCaches, outliers, onDemandClusters } = makeClusters(core, holders, transports);
  const localAddress = findLocalAddress(options.localAddressIpVersion);
  const zone = options.serviceZone || (bootstrap.node?.locality?.zone ?? '');
  const node = localNode(bootstrap.node, options.serviceNode, options.serviceZone);
  const own = { luaLog: parts.logs.logger('lua'), metricExpiryMs: evictionMs(bootstrap) };
  const extensionParts = { clusters, onDemandClusters, dnsCaches, zone, localAddress, node, ...own };
  const addCluster = (own: ClusterConfig): void => void clusters.set(own);
  const httpClient = new HttpClient({ clusters, clock, random, stats, zone, localAddress, addCluster });
  const { off, enabled } = switches(options);
  const filters = enabled([...(parts.extraHttpFilters ?? []), ...httpFilters(extensionParts)]);
  const names = new Set((bootstrap.static_resources?.clusters ?? []).map((cluster) => cluster.name ?? ''));
  const transportFactories = enabled(upstreamTransports());
  const clusterFilters = enabled(upstreamFilters(extensionParts));
  const local = localInfo(parts, bootstrap, zone);
  const environment = makeDecodeEnvironment({
    clock,
    hostname: hostname(),
    variables: parts.variables,
    ...{ accessLogFiles: accessLogs, fileContents: new FileContents(new FileWatch()) },
    httpFilters: filters,
    extensions: holders.extensions,
    upstreamTransports: transportFactories,
    upstreamFilters: clusterFilters,
    ...{ runtime, random, stats, shared, version: 'bootstrap', staticSecrets, httpClient, dnsCaches },
    logServices: new LogServices(httpClient, stats, local),
    ...{ localNode: node, serviceCluster: local.clusterName, scriptLog: own.luaLog },
    hasAds: bootstrap.dynamic_resources?.ads_config !== undefined,
    isAdsDelta: bootstrap.dynamic_resources?.ads_config?.api_type === 'DELTA_GRPC',
    taps: bootstrap.admin?.address === undefined ? null : new AdminTaps(),
    hasCluster: (name) => names.has(name) || clusters.knows(name),
  });
  const reasons: Reason[] = [];
  const d = new ConfigDecoder(environment, '', reasons);
  const statsSettings = decodeStatsConfig(bootstrap.stats_config as never, d.at('stats_config'), options.statsTags);
  stats.setFilter(statsSettings.filter);
  const manager = makeHttpConnectionManager({
    ...{ scopes: holders.scopes, virtualHosts: holders.virtualHosts },
    ...{ routes: holders.routes, extensions: holders.extensions, filterFactory: environment.filterFactory },
    ...{ serviceCluster: local.clusterName, nodeId: local.nodeName, localAddress },
    hasCluster: (name) => clusters.knows(name),
  });
  const extensions: Extensions = {
    httpFilters: filters,
    networkFilters: enabled([manager, ...networkFilters(extensionParts)]),
    listenerFilters: enabled(listenerFilters()),
    downstreamTransports: enabled(downstreamTransports()),
    upstreamTransports: transportFactories,
    upstreamFilters: clusterFilters,
  };
  const bootstrapExtensions = decodeBootstrapExtensions(bootstrap, d);
  const listenerEnvironment = factoriesByType(extensions, bootstrapExtensions, holders);
  const unknown = options.allowUnknownStaticFields ? noteStatic(core, transports) : null;
  runtime.load(decodeRuntime(bootstrap, new ConfigDecoder(environment)));
  const config = decodeBootstrap(bootstrap, d, extensions, listenerEnvironment, off, unknown);
  if (reasons.length > 0) return { error: describeReasons(dropNested(reasons), options, bootstrap) };
  if (config.outlierLog !== null) outliers.eventLog = new FileEventLog(config.outlierLog, clock);
  return {
    ...{ config, statsSettings, clusters, environment, extensions, listenerEnvironment, holders, transports },
    ...{ bootstrapExtensions, node: local.node, unknownFields, onDemandClusters },
  };
}

/** The clusters, and what they resolve names with. */
function makeClusters(core: Core, { endpoints, wants }: WorkerHolders, transports: TransportServices) {
  const { clock, random, engine, stats, runtime, seams } = core;
  const { shared } = seams;
  const resolverParts = { engine, clock, random, stats };
  const makeResolver = (settings: ResolverSettings) => createResolver(settings, resolverParts);
  const dnsCaches = new DnsCaches({ clock, random, stats, shared }, makeResolver);
  const outliers: OutlierParts = {
    records: seams.records,
    worker: seams.index,
    workers: seams.concurrency,
    tellOthers: (cluster) => seams.healthChanged(cluster),
    eventLog: null,
  };
  const parts = {
    dialer: engine,
    clock,
    random,
    stats,
    runtime,
    shared,
    transports,
    dnsCaches,
    makeResolver,
    outliers,
  };
  const clusters = new ClusterTable({ endpoints, ...parts });
  runtime.onChange = () => clusters.readRuntime();
  const onDemandClusters = new OnDemandClusters(wants, clock, clusters);
  return { clusters, dnsCaches, outliers, onDemandClusters };
}

/** Extensions that are on, and why the others are not: by the types of their configurations. */
function switches({ disabledExtensions }: ProxyOptions): {
  readonly off: ReadonlyMap<string, string>;
  readonly enabled: <F extends { readonly name: string; readonly configType: string }>(factories: readonly F[]) => F[];
} {
  const off = new Map<string, string>();
  return {
    off,
    enabled: (factories) =>
      factories.filter(({ name, configType }) => {
        if (!disabledExtensions.includes(name)) return true;
        off.set(configType, `${name} is off (--disable-extensions)`);
        return false;
      }),
  };
}

/** Who this proxy is, for the services that it tells. */
function localInfo({ options, version }: CoreParts, { node = {} }: Bootstrap, zoneName: string): LocalInfo {
  const nodeName = options.serviceNode || (node.id ?? '');
  const clusterName = options.serviceCluster || (node.cluster ?? '');
  return {
    ...{ nodeName, clusterName, zoneName, version },
    node: { ...node, id: nodeName, cluster: clusterName, ...userAgent(version) },
  };
}

/** Of the bootstrap, where they are let through. */
function noteStatic({ serverStats }: Core, { warn }: TransportServices): (problem: Problem) => void {
  return ({ path, reason }) => {
    serverStats.inc(serverStats.i.static_unknown_fields);
    warn(`Unknown field: ${reason} (${path})`);
  };
}

function makeUnknownFields({ options, logs }: CoreParts, { serverStats, seams }: Core): UnknownFields {
  const log = logs.logger('config');
  const { rejectUnknownDynamicFields: rejects, ignoreUnknownDynamicFields: ignores } = options;
  return new UnknownFields({
    policy: rejects ? 'reject' : ignores ? 'ignore' : 'warn',
    tell(text) {
      // All workers meet the same fields: one tells of them.
      if (seams.index !== 0) return;
      serverStats.inc(serverStats.i.dynamic_unknown_fields);
      log.warn(text);
    },
  });
}

function makeTransportServices(
  parts: CoreParts,
  core: Core,
  statics: StaticSecrets,
  holders: WorkerHolders,
  unknownFields: UnknownFields,
): TransportServices {
  const { clock, random, stats, runtime, accessLogs, seams } = core;
  const log = parts.logs.logger('config');
  // All workers read the same files: one tells of them.
  const warn = (text: string): void => {
    if (seams.index === 0) log.warn(text);
  };
  const support = mergeSupport(SECRET_FIELDS);
  const secrets = new Secrets({
    ...{ clock, stats, statics, warn },
    holders: holders.secrets,
    watcher: new FileWatch(),
    environment: { unpack: unpackExtension, ...{ variables: parts.variables } },
    judgeUnknown: unknownFields.judge,
    findUnsupported: (secret) => findUnsupported(registry.message(SECRET_TYPE) as never, secret, support),
  });
  return { stats, clock, random, runtime, shared: seams.shared, secrets, keyLogFiles: accessLogs, warn };
}

function factoriesByType(
  { networkFilters, listenerFilters, downstreamTransports }: Extensions,
  { internalBufferBytes }: BootstrapExtensions,
  { networkExtensions, listenerExtensions }: WorkerHolders,
): ListenerEnvironment {
  const network = new Map(networkFilters.map((factory) => [factory.configType, factory]));
  const listener = new Map(listenerFilters.map((factory) => [factory.configType, factory]));
  const downstream = new Map(downstreamTransports.map((factory) => [factory.configType, factory]));
  return {
    networkFilterFactory: (type) => network.get(type) ?? null,
    discoveredTerminal: makeDiscoveredFilter(networkExtensions, true),
    discoveredFilter: makeDiscoveredFilter(networkExtensions, false),
    followListenerFilter: followListenerFilters(listenerExtensions),
    listenerFilterFactory: (type) => listener.get(type) ?? null,
    downstreamTransportFactory: (type) => downstream.get(type) ?? null,
    internalBufferBytes,
  };
}

/** One line per reason: file, resource, field path, reason. */
function describeReasons(reasons: readonly Reason[], options: ProxyOptions, bootstrap: Bootstrap): string {
  const origin = options.configPath || '--config-yaml';
  return reasons
    .map(({ path, reason }) => {
      const resource = resourceOf(path, bootstrap);
      return `${origin}: ${resource}${path === '' ? '' : `${path}: `}${reason}`;
    })
    .join('\n');
}

/** 'listener "ingress": ' for a path inside it; '' elsewhere. */
function resourceOf(path: string, bootstrap: Bootstrap): string {
  const match = /^static_resources\.(listeners|clusters)\[(\d+)\]/.exec(path);
  if (match === null) return '';
  const index = Number(match[2]);
  const kind = match[1] === 'listeners' ? 'listener' : 'cluster';
  const name = (
    match[1] === 'listeners' ? bootstrap.static_resources?.listeners : bootstrap.static_resources?.clusters
  )?.[index]?.name;
  return name === undefined ? '' : `${kind} ${JSON.stringify(name)}: `;
}
