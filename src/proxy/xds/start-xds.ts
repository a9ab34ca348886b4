// Joins the controller with what it stands on: the proxy's clusters, its node, its statistics and log.
import type { Clock, Timer } from '../../base/clock.ts';
import { FileWatch } from '../../net/file-watch.ts';
import type { LogLevel } from '../../telemetry/log.ts';
import { ScopeStreamCounts, ScopeUpdateCounts } from '../../xds/client/counts.ts';
import type { XdsSource } from '../../xds/client/types.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import type { Core, CoreParts, Decoded } from '../core.ts';
import { capturesDns, type DnsService } from '../dns/start-dns.ts';
import { xxHash64 } from '../route/xxhash64.ts';
import { type ControlledCrew, XdsController } from './controller.ts';
import type { RuntimeKeeper } from '../runtime-keeper.ts';
import { ADS_KEY, type ConfigPlace, type PlaceSource } from './place.ts';
import { SecretStore } from '../../identity/secret-store.ts';
import { certificateClient } from './sources/certificate-signer.ts';
import { type Gate, grpcSource } from './sources/grpc-source.ts';
import { OwnSecrets } from './sources/own-secrets.ts';
import { pathSource } from './sources/path-source.ts';
import { restSource } from './sources/rest-source.ts';
import { NAME_TABLE_TYPE, PROXY_CONFIG_TYPE, RUNTIME_TYPE } from './types.ts';

/** Name of the agent's cluster in Istio's configurations. */
const DEFAULT_SDS_CLUSTER = 'sds-grpc';

/** Of all workers together: what was taken on and does not serve yet. */
const WARMING_STATS = ['cluster_manager.warming_clusters', 'listener_manager.total_listeners_warming'];

/** `server.state` of a proxy whose clusters and listeners are not all there yet, and greater. */
const INITIALIZING = 2;

export type XdsParts = {
  readonly parts: CoreParts;
  readonly keeper: RuntimeKeeper;
  readonly core: Core;
  readonly decoded: Decoded;
  readonly crew: ControlledCrew & { readonly stats: { find(fullName: string): number | undefined } };
  /** Answers by the name table; null: there is nobody who would. */
  readonly dns: Pick<DnsService, 'takeTable'> | null;
};

/** Whether anything of the configuration comes from elsewhere. */
export function isDynamic({ config, environment }: Decoded): boolean {
  const { ads, clusters, listeners } = config.dynamic;
  const hasSources = ads !== null || clusters !== null || listeners !== null;
  return hasSources || config.runtimeLayers.some(({ kind }) => kind === 'fetched') || environment.usesPlaces();
}

export function startXds({ parts, core, decoded, keeper, crew, dns }: XdsParts): XdsController {
  const { clock, stats } = core;
  const { dynamic } = decoded.config;
  const logger = parts.logs.logger('config');
  const http = decoded.environment.httpClient;
  if (http === undefined) throw new Error('xds: the proxy has no client of its own');
  const { node } = decoded;
  const common = {
    ...{ clock, http, node: () => node, watcher: new FileWatch(), judgeUnknown: decoded.unknownFields.judge },
    log: (level: LogLevel, text: string) => logger.write(level, text),
    isWarm: () => {
      const value = (name: string): number => crew.stats.find(name) ?? 0;
      return value('server.state') < INITIALIZING && WARMING_STATS.every((name) => value(name) === 0);
    },
  };
  const { certificateClient: ownConfig } = decoded.bootstrapExtensions;
  const ownParts = { clock, random: core.random, stats, log: common.log };
  const store =
    parts.identity?.(core) ??
    (ownConfig && new SecretStore({ client: certificateClient(ownParts, http, ownConfig), files: null }));
  const own = store && { clusterName: ownConfig?.sdsClusterName ?? DEFAULT_SDS_CLUSTER, store };
  // A control plane lets nobody in without one: the first attempt would only fail, and the next one come later.
  const gate = parts.identity === undefined ? null : new CertifiedGate(clock);
  const open = (source: PlaceSource, isAds: boolean): XdsSource => {
    switch (source.kind) {
      case 'grpc': {
        const place = isAds ? { ...source, isAggregated: true } : source;
        const openServer = (): XdsSource =>
          grpcSource(common, place, place.isAggregated ? new ScopeStreamCounts(stats, '') : null, gate?.pass);
        if (own === null || isAds || source.target.clusterName !== own.clusterName) return openServer();
        return new OwnSecrets({ clock, store: own.store, openServer, onCertified: () => gate?.open() });
      }
      case 'rest':
        return restSource(common, source);
      case 'path':
        return pathSource(common, source.path, source.watchedDirectory);
      default:
        if (dynamic.ads === null || dynamic.ads.kind === 'ads') throw new Error('xds: there is no ADS server');
        return open(dynamic.ads, true);
    }
  };
  const countParts = { stats, clock, hash: lastKept(xxHash64) };
  const countsFor = (prefix: string, place: ConfigPlace): ScopeUpdateCounts => {
    const hasOwnStream = place.key !== ADS_KEY && place.source.kind === 'grpc' && !place.source.isAggregated;
    return new ScopeUpdateCounts(countParts, prefix, hasOwnStream ? new ScopeStreamCounts(stats, prefix) : null);
  };
  const controller = new XdsController({
    ...{ clock: core.clock, crew, dynamic, countsFor, record: decoded.holders.record },
    runtimeLayers: decoded.config.runtimeLayers.flatMap((layer) =>
      layer.kind === 'fetched' ? [{ name: layer.resource, place: layer.place }] : [],
    ),
    keptTypes: dynamic.ads === null ? [] : keptTypes(node.metadata, dns !== null, parts.identity !== undefined),
    tookKept: (type, bytes, done) => {
      if (type === NAME_TABLE_TYPE && dns !== null) dns.takeTable(bytes, done);
      else if (type === PROXY_CONFIG_TYPE && store !== null) done(store.takeProxyConfig(bytes));
      else done(null);
    },
    tookRuntime: (name, bytes) => takeRuntime(core, keeper, name, bytes),
    openSource: (place) => open(place.source, false),
    warn: (text) => logger.warn(text),
  });
  controller.start();
  return controller;
}

/** Without a certificate after this time the failure is to be seen. */
const LONGEST_GATE_MS = 10_000;

/** Opens once, when it is told to, or when the time is over. */
class CertifiedGate {
  readonly #timer: Timer;
  readonly #waiting: (() => void)[] = [];
  #isOpen = false;

  constructor(clock: Clock) {
    this.#timer = clock.timer((gate: CertifiedGate) => gate.open(), this as CertifiedGate);
    this.#timer.arm(LONGEST_GATE_MS);
  }

  readonly pass: Gate = (go) => {
    if (this.#isOpen) go();
    else this.#waiting.push(go);
  };

  readonly open = (): void => {
    this.#isOpen = true;
    this.#timer.disarm();
    for (const go of this.#waiting.splice(0)) go();
  };
}

/** Remembers the last result: a thousand questions are answered in one version. */
function lastKept(hash: (text: string) => bigint): (text: string) => bigint {
  let last = '';
  let result = hash(last);
  return (text) => {
    if (text !== last) {
      last = text;
      result = hash(text);
    }
    return result;
  };
}

/** Istio's own types, for which its agents ask when the node's metadata says so. */
function keptTypes(metadata: unknown, hasDns: boolean, isAgent: boolean): string[] {
  const values = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  const isOn = (name: string): boolean => values[name] === true || values[name] === 'true';
  return [
    ...(hasDns || capturesDns(metadata) ? [NAME_TABLE_TYPE] : []),
    ...(isAgent || isOn('PROXY_CONFIG_XDS_AGENT') ? [PROXY_CONFIG_TYPE] : []),
  ];
}

/** The supervisor's own values; workers have theirs already. */
function takeRuntime({ runtime }: Core, keeper: RuntimeKeeper, name: string, bytes: Uint8Array | null): void {
  const report = new Report();
  const message = bytes === null ? {} : decodeBinary(registry.message(RUNTIME_TYPE), bytes, report);
  if (message === undefined) return;
  runtime.setLayer(name, (message as { layer?: Record<string, unknown> }).layer ?? {});
  keeper.loaded();
}
