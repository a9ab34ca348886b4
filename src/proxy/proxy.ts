// The proxy's composition root: bootstrap → decoded configuration → worker and supervisor.
import { hostname } from 'node:os';
import { enableLinearRegex } from '../base/regex.ts';
import { Clock, Random } from '../base/clock.ts';
import { createEngine, type Engine, type EngineOptions } from '../net/engine.ts';
import { findDeprecatedUses } from '../proto/deprecations.ts';
import type { Bootstrap } from '../proto/generated/types.d.ts';
import { registry } from '../proto/registry.ts';
import { AccessLogFiles } from '../telemetry/access-log-file.ts';
import { StatStore } from '../telemetry/metrics.ts';
import { decodeStatsConfig, type StatsConfig } from '../telemetry/stats-config.ts';
import type { LogRegistry } from '../telemetry/log.ts';
import { ClusterTable } from './cluster/cluster-manager.ts';
import { type BootstrapConfig, decodeBootstrap } from './config/bootstrap.ts';
import { ConfigDecoder, type Reason } from './config-decoder.ts';
import { makeDecodeEnvironment } from './config/environment.ts';
import { makeHttpConnectionManager } from './config/http-manager-filter.ts';
import { findLocalAddress } from './config/http-connection-manager.ts';
import type { ListenerEnvironment } from './config/listener.ts';
import { loadBootstrap } from './config/load.ts';
import { dropNested } from './config/support.ts';
import { type Extensions, httpFilters, listenerFilters, networkFilters } from './extensions.ts';
import type { HttpFilterFactory } from './http/filter.ts';
import { DrainManager } from './listener/drain.ts';
import { inertFilters } from './listener/listener-manager.ts';
import type { ProxyOptions } from './options.ts';
import { LayeredRuntime } from './runtime.ts';
import { RUNTIME_STATS, SERVER_STATS, type ServerScope } from './server-stats.ts';
import { Supervisor } from './supervisor.ts';
import { Worker } from './worker.ts';
import { singleWorker } from './workers/single.ts';

export type ProxyParts = {
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
};

/** Everything that runs; what the admin interface and signals act on. */
export type Proxy = {
  readonly parts: ProxyParts;
  readonly bootstrap: Bootstrap;
  readonly config: BootstrapConfig;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly random: Random;
  /** When it was started, ms since 1970. */
  readonly startedWallMs: number;
  readonly stats: StatStore;
  readonly serverStats: ServerScope;
  readonly statsSettings: StatsConfig;
  readonly runtime: LayeredRuntime;
  readonly accessLogs: AccessLogFiles;
  readonly drain: DrainManager;
  readonly worker: Worker;
  readonly supervisor: Supervisor;
};

/** Starts a proxy, or says in full why not: then nothing is left running or bound. */
export function startProxy(parts: ProxyParts): Proxy | { readonly error: string } {
  const { options } = parts;
  const loaded = loadBootstrap({
    path: options.configPath,
    yaml: options.configYaml,
    allowUnknownFields: options.allowUnknownStaticFields,
  });
  if ('error' in loaded) return loaded;
  const { bootstrap } = loaded;
  const core = makeCore(parts);
  const decoded = decode(parts, core, bootstrap);
  if ('error' in decoded) return decoded;
  const { config, statsSettings, clusters } = decoded;
  const { clock, random, engine, stats, runtime } = core;
  runtime.load(config.runtimeLayers);
  const runtimeStats = stats.scope('runtime.', RUNTIME_STATS);
  runtimeStats.inc(runtimeStats.i.load_success);
  runtimeStats.set(runtimeStats.i.num_layers, runtime.layers.length);
  runtimeStats.set(runtimeStats.i.num_keys, runtime.entries.size);
  core.serverStats.add(core.serverStats.i.static_unknown_fields, loaded.warnings.length);
  const override = bootstrap.stats_server_version_override;
  core.serverStats.set(core.serverStats.i.version, Number(override ?? versionNumber(parts.version)));
  warnOfFields(parts, bootstrap, loaded.warnings);
  for (const listener of config.listeners) {
    for (const name of new Set(inertFilters(listener))) {
      parts.logs
        .logger('config')
        .warn(`listener ${JSON.stringify(listener.name)}: ${name} is accepted but does nothing`);
    }
  }
  const drain = new DrainManager(clock, random, options.drainStrategy, options.drainTimeMs);
  const seams = singleWorker();
  const worker = new Worker({ engine, clock, random, stats, runtime, drain, seams }, clusters);
  const proxy: Omit<Proxy, 'supervisor'> = {
    ...core,
    parts,
    bootstrap,
    config,
    startedWallMs: clock.wallMs,
    statsSettings,
    drain,
    worker,
  };
  const supervisor = new Supervisor(proxy);
  if (options.mode !== 'validate') {
    const problem = worker.start(config) ?? supervisor.start();
    if (problem !== null) {
      worker.listeners.stopAccepting();
      supervisor.stop();
      return { error: problem };
    }
  }
  return { ...proxy, supervisor };
}

/** '1.2.3' as the number 10203, for server.version. */
function versionNumber(version: string): number {
  const [major, minor, patch] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return (major ?? 0) * 10_000 + (minor ?? 0) * 100 + (patch ?? 0);
}

/** Unknown fields that were let through, and deprecated ones. */
function warnOfFields(parts: ProxyParts, bootstrap: Bootstrap, unknown: readonly Reason[]): void {
  const log = parts.logs.logger('config');
  for (const { path, reason } of unknown) log.warn(`${path}: ${reason}`);
  if (parts.options.skipDeprecatedLogs) return;
  const type = registry.message('envoy.config.bootstrap.v3.Bootstrap');
  for (const use of findDeprecatedUses(type, bootstrap)) {
    // Enum values are in capitals; a deprecated default is nobody's choice.
    if (/\.[a-z0-9_]+$/.test(use.name))
      log.warn(`${use.path}: this field is deprecated and will go in a later version`);
  }
}

/** What everything else stands on: time, sockets, statistics, logs. */
function makeCore(parts: ProxyParts) {
  enableLinearRegex();
  const clock = parts.clock ?? new Clock();
  const random = parts.random ?? new Random();
  const log = parts.logs.logger('main');
  const stats = new StatStore();
  const serverStats = stats.scope('server.', SERVER_STATS);
  const onBug = (error: unknown, where: string): void => {
    serverStats.inc(serverStats.i.envoy_bug_failures);
    log.error(`bug in ${where}: ${error instanceof Error ? error.stack : String(error)}`);
  };
  const engine = (parts.makeEngine ?? createEngine)({ clock, onBug });
  clock.wrap = (run) => engine.run(run);
  // One timer's bug must not keep the others of that moment from firing.
  clock.onError = (error) => onBug(error, 'timer');
  const { fileFlushIntervalMs, fileFlushMinSizeKb } = parts.options;
  const accessLogs = new AccessLogFiles({
    clock,
    store: stats,
    flushIntervalMs: fileFlushIntervalMs,
    flushBytes: fileFlushMinSizeKb * 1024,
  });
  return { clock, random, engine, stats, serverStats, accessLogs, runtime: new LayeredRuntime() };
}

type Decoded = {
  readonly config: BootstrapConfig;
  readonly statsSettings: StatsConfig;
  readonly clusters: ClusterTable;
};

/** The bootstrap as runtime objects, or every reason why not. */
function decode(
  parts: ProxyParts,
  core: ReturnType<typeof makeCore>,
  bootstrap: Bootstrap,
): Decoded | { readonly error: string } {
  const { options } = parts;
  const { clock, random, engine, stats, runtime, accessLogs } = core;
  const clusters = new ClusterTable({ dialer: engine, clock, random, stats, runtime });
  const localAddress = findLocalAddress(options.localAddressIpVersion);
  const extensionParts = {
    clusters,
    zone: options.serviceZone || (bootstrap.node?.locality?.zone ?? ''),
    localAddress,
  };
  const off = new Map<string, string>();
  const enabled = <Factory extends { readonly name: string; readonly configType: string }>(
    factories: readonly Factory[],
  ): Factory[] =>
    factories.filter(({ name, configType }) => {
      if (!options.disabledExtensions.includes(name)) return true;
      off.set(configType, `${name} is off (--disable-extensions)`);
      return false;
    });
  const filters = enabled([...(parts.extraHttpFilters ?? []), ...httpFilters(extensionParts)]);
  const names = new Set((bootstrap.static_resources?.clusters ?? []).map((cluster) => cluster.name ?? ''));
  const environment = makeDecodeEnvironment({
    clock,
    hostname: hostname(),
    variables: parts.variables,
    accessLogFiles: accessLogs,
    httpFilters: filters,
    runtime,
    random,
    hasCluster: (name) => names.has(name),
  });
  const reasons: Reason[] = [];
  const d = new ConfigDecoder(environment, '', reasons);
  const statsSettings = decodeStatsConfig(bootstrap.stats_config as never, d.at('stats_config'), options.statsTags);
  stats.setFilter(statsSettings.filter);
  const manager = makeHttpConnectionManager({
    filterFactory: environment.filterFactory,
    serviceCluster: options.serviceCluster || (bootstrap.node?.cluster ?? ''),
    nodeId: options.serviceNode || (bootstrap.node?.id ?? ''),
    localAddress,
  });
  const extensions: Extensions = {
    httpFilters: filters,
    networkFilters: enabled([manager, ...networkFilters(extensionParts)]),
    listenerFilters: enabled(listenerFilters()),
  };
  const config = decodeBootstrap(bootstrap, d, extensions, factoriesByType(extensions), off);
  if (reasons.length > 0) return { error: describeReasons(dropNested(reasons), options, bootstrap) };
  return { config, statsSettings, clusters };
}

function factoriesByType({ networkFilters, listenerFilters }: Extensions): ListenerEnvironment {
  const network = new Map(networkFilters.map((factory) => [factory.configType, factory]));
  const listener = new Map(listenerFilters.map((factory) => [factory.configType, factory]));
  return {
    networkFilterFactory: (type) => network.get(type) ?? null,
    listenerFilterFactory: (type) => listener.get(type) ?? null,
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
