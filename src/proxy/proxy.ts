// The proxy's composition root: bootstrap → decoded configuration → workers and supervisor.
import { findDeprecatedUses } from '../proto/deprecations.ts';
import type { Bootstrap, Node } from '../proto/generated/types.d.ts';
import { registry } from '../proto/registry.ts';
import type { StatsConfig } from '../telemetry/stats-config.ts';
import type { BootstrapConfig } from './config/bootstrap.ts';
import type { Reason } from './config-decoder.ts';
import { loadBootstrap } from './config/load.ts';
import { type Core, type CoreParts, type Decoded, decodeProxy, makeCore } from './core.ts';
import { DrainManager } from './listener/drain.ts';
import { standInWarnings } from './listener/stand-ins.ts';
import { RuntimeKeeper } from './runtime-keeper.ts';
import { Supervisor } from './supervisor.ts';
import { Worker } from './worker.ts';
import type { Crew } from './workers/crew.ts';
import { LocalCrew } from './workers/local-crew.ts';
import type { ConfigRecord } from './xds/config-record.ts';
import { type LoadReportParts, startLoadReports } from './xds/load-report/start-load-reports.ts';
import { isDynamic, startXds, type XdsParts } from './xds/start-xds.ts';

export type ProxyParts = Omit<CoreParts, 'journal' | 'seams'>;

/** Everything that the supervisor's thread has; what the admin interface and signals act on. */
export type SupervisedProxy = Core & {
  readonly parts: ProxyParts;
  readonly bootstrap: Bootstrap;
  readonly config: BootstrapConfig;
  /** Who this proxy is, as servers are told. */
  readonly node: Node;
  /** When it was started, ms since 1970. */
  readonly startedWallMs: number;
  readonly statsSettings: StatsConfig;
  readonly drain: DrainManager;
  readonly crew: Crew;
  /** Of runtime values. */
  readonly keeper: RuntimeKeeper;
  /** What has come from control planes. */
  readonly record: ConfigRecord;
  /** Whether a configuration has named a tap of the admin interface. */
  readonly hasTaps: () => boolean;
};

export type RunningProxy = SupervisedProxy & { readonly supervisor: Supervisor };

/** A proxy whose only worker is this thread. */
export type Proxy = RunningProxy & { readonly worker: Worker };

type Failed = { readonly error: string };

/** Starts a proxy with one worker, or says in full why not: then nothing is left running or bound. */
export function startProxy(parts: ProxyParts): Proxy | Failed {
  const prepared = prepare(parts);
  if ('error' in prepared) return prepared;
  const { core, config, clusters, transports, keeper } = prepared;
  const { clock, random, engine, stats, runtime, seams } = core;
  const drain = makeDrain(parts, core);
  const worker = new Worker({ engine, clock, random, stats, runtime, drain, seams, transports }, clusters);
  const crew = new LocalCrew(core, worker, prepared);
  const proxy = { ...supervised(parts, prepared, crew, drain), worker };
  const supervisor = new Supervisor(proxy);
  if (parts.options.mode !== 'validate') {
    const problem = worker.start(config) ?? supervisor.start();
    if (problem === null) startControl({ parts, core, decoded: prepared, keeper, crew, dns: supervisor.dns });
    if (problem !== null) {
      worker.listeners.stopAccepting();
      supervisor.stop();
      return { error: problem };
    }
  }
  return { ...proxy, supervisor };
}

/** Starts a proxy with a thread for each of several workers; otherwise as `startProxy`. */
export async function startThreadedProxy(parts: ProxyParts): Promise<RunningProxy | Failed> {
  const prepared = prepare(parts);
  if ('error' in prepared) return prepared;
  const { core, bootstrap, statsSettings, keeper } = prepared;
  const drain = makeDrain(parts, core);
  const { logs, options, variables, version } = parts;
  const settings = { logs, options, variables, version, bootstrap, decoded: prepared };
  const { startThreadCrew } = await import('./workers/thread-crew.ts');
  const crew = await startThreadCrew(core, { ...settings, filter: statsSettings.filter });
  if ('error' in crew) return crew;
  const proxy = supervised(parts, prepared, crew, drain);
  const supervisor = new Supervisor(proxy);
  const problem = supervisor.start();
  if (problem === null) {
    if (usesServers(prepared)) {
      // Servers are asked, and told, over clusters of this thread.
      for (const cluster of prepared.config.clusters) prepared.clusters.set(cluster);
      startControl({ parts, core, decoded: prepared, keeper, crew, dns: supervisor.dns });
    }
    return { ...proxy, supervisor };
  }
  supervisor.stop();
  await new Promise<void>((resolve) => crew.end(resolve));
  return { error: problem };
}

/** Whether the supervisor has something to ask of servers, or to tell them. */
function usesServers(decoded: Decoded): boolean {
  return isDynamic(decoded) || decoded.config.loadReports !== null;
}

function startControl(parts: XdsParts & LoadReportParts): void {
  if (isDynamic(parts.decoded)) startXds(parts);
  startLoadReports(parts);
}

type Prepared = Decoded & { readonly core: Core; readonly bootstrap: Bootstrap; readonly keeper: RuntimeKeeper };

/** Reads and decodes the bootstrap, and makes what this thread stands on. */
function prepare(parts: ProxyParts): Prepared | Failed {
  const { options } = parts;
  const loaded = loadBootstrap({
    path: options.configPath,
    yaml: options.configYaml,
    allowUnknownFields: options.allowUnknownStaticFields,
  });
  if ('error' in loaded) return loaded;
  const { bootstrap } = loaded;
  const core = makeCore(parts);
  const decoded = decodeProxy(parts, core, bootstrap);
  if ('error' in decoded) return decoded;
  const { config } = decoded;
  const { clock, stats, runtime, serverStats } = core;
  const keeper = new RuntimeKeeper({
    ...{ runtime, stats, clock, log: parts.logs.logger('runtime') },
    serviceCluster: decoded.node.cluster ?? '',
  });
  const problem = keeper.start(config.runtimeLayers, options.mode !== 'validate');
  if (problem !== null) return { error: problem };
  serverStats.add(serverStats.i.static_unknown_fields, loaded.warnings.length);
  const override = bootstrap.stats_server_version_override;
  serverStats.set(serverStats.i.version, Number(override ?? versionNumber(parts.version)));
  warnOfFields(parts, bootstrap, loaded.warnings);
  for (const listener of config.listeners) {
    for (const text of standInWarnings(listener)) parts.logs.logger('config').warn(text);
  }
  return { ...decoded, core, bootstrap, keeper };
}

function makeDrain({ options }: ProxyParts, { clock, random }: Core): DrainManager {
  return new DrainManager(clock, random, options.drainStrategy, options.drainTimeMs);
}

function supervised(parts: ProxyParts, prepared: Prepared, crew: Crew, drain: DrainManager): SupervisedProxy {
  const { core, bootstrap, config, node, statsSettings, holders, keeper, environment } = prepared;
  keeper.serve(crew);
  const { record } = holders;
  return {
    ...core,
    parts,
    bootstrap,
    config,
    node,
    startedWallMs: core.clock.wallMs,
    statsSettings,
    drain,
    crew,
    keeper,
    record,
    hasTaps: () => environment.taps?.isUsed === true,
  };
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
