// Decodes the bootstrap: everything a static configuration says, or every reason why it cannot be served.
import type { Address } from '../../base/byte-stream.ts';
import { addressText, isSameAddress } from '../../net/address.ts';
import type { ApiConfigSource, Bootstrap, RuntimeLayer_DiskLayer as DiskLayer } from '../../proto/generated/types.d.ts';
import { packAny } from '../../proto/any.ts';
import { registry } from '../../proto/registry.ts';
import { type Problem, Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';
import { decodeAccessLogs } from '../access-log/decode.ts';
import type { AdminConfig } from '../admin/admin-listener.ts';
import { ACCESS_LOG_FIELDS } from '../access-log/decode.ts';
import { STATS_CONFIG_FIELDS } from '../../telemetry/stats-config.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import type { GrpcTarget } from '../cluster/upstream-client/grpc-call.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Extensions } from '../extensions.ts';
import type { ListenerConfig } from '../listener/listener-config.ts';
import type { RuntimeLayerConfig } from '../runtime.ts';
import { flattenLayer } from '../runtime-values.ts';
import { SECRET_FIELDS } from '../tls/tls-fields.ts';
import { CHAIN_MATCHER_FIELDS } from '../listener/chain-matcher.ts';
import { FILTER_PREDICATE_FIELDS } from '../listener/filter-predicate.ts';
import { ADDRESS_FIELDS, decodeAddress } from './address.ts';
import { BOOTSTRAP_EXTENSION_FIELDS } from './bootstrap-extensions.ts';
import { CLUSTER_FIELDS, decodeCluster } from './cluster.ts';
import { CONFIG_SOURCE_FIELDS, decodeApiSource, decodeConfigSource } from './config-source.ts';
import { FILTER_CHAIN_MATCH_FIELDS } from './filter-chain-match.ts';
import { HTTP_CONNECTION_MANAGER_FIELDS } from './http-connection-manager.ts';
import { decodeListener, LISTENER_FIELDS, type ListenerEnvironment } from './listener.ts';
import { LOCAL_REPLY_FIELDS } from './local-reply.ts';
import { decodeStringMatcher, MATCHER_FIELDS, type StringMatcherPb } from './matcher.ts';
import { routeEnvironment } from './route-environment.ts';
import { decodeEventLog, type EventLogFile } from './outlier-detection.ts';
import { ROUTE_FIELDS } from './route-fields.ts';
import { decodeSocketOptions, SOCKET_OPTION_FIELDS } from './socket-options.ts';
import type { ConfigPlace, PlaceSource } from '../xds/place.ts';
import { findUnsupported, mergeSupport, type SupportTable } from './support.ts';
import { UDP_LISTENER_FIELDS } from './udp-listener.ts';

/** Source: bootstrap.proto, stats_flush_interval. */
const STATS_FLUSH_INTERVAL_MS = 5_000;

/** Source: bootstrap.proto, Admin.profile_path. */
const PROFILE_PATH = '/var/log/envoy/envoy.prof';

export const BOOTSTRAP_FIELDS = {
  'envoy.config.bootstrap.v3.Bootstrap': `
    node static_resources admin layered_runtime stats_config stats_flush_interval stats_server_version_override
    stats_eviction_interval
    bootstrap_extensions dynamic_resources cluster_manager`,
  'envoy.config.bootstrap.v3.ClusterManager': 'load_stats_config upstream_bind_config outlier_detection',
  'envoy.config.bootstrap.v3.ClusterManager.OutlierDetection': 'event_log_path',
  'envoy.config.bootstrap.v3.Bootstrap.DynamicResources': 'lds_config cds_config ads_config',
  'envoy.config.bootstrap.v3.Bootstrap.StaticResources': 'listeners clusters secrets',
  'envoy.config.bootstrap.v3.Admin': `
    address access_log access_log_path profile_path socket_options ignore_global_conn_limit allow_paths`,
  'envoy.config.bootstrap.v3.LayeredRuntime': 'layers',
  'envoy.config.bootstrap.v3.RuntimeLayer': 'name static_layer disk_layer admin_layer rtds_layer',
  'envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer': 'symlink_root subdirectory append_service_cluster',
  'envoy.config.bootstrap.v3.RuntimeLayer.RtdsLayer': 'name rtds_config',
  'envoy.service.runtime.v3.Runtime': 'name layer',
  'envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer': '',
  'envoy.config.core.v3.Node': '*',
  'envoy.config.core.v3.Locality': '*',
  'envoy.config.core.v3.BuildVersion': '*',
  'envoy.type.v3.SemanticVersion': '*',
  'envoy.config.core.v3.Extension': '*',
} as const;

export type BootstrapConfig = {
  readonly clusters: readonly ClusterConfig[];
  readonly listeners: readonly ListenerConfig[];
  readonly admin: AdminConfig | null;
  readonly runtimeLayers: readonly RuntimeLayerConfig[];
  readonly statsFlushIntervalMs: number;
  readonly dynamic: DynamicConfig;
  /** Who is told of the loads of clusters; null: nobody. */
  readonly loadReports: GrpcTarget | null;
  /** cluster_manager.outlier_detection.event_log_path, opened; null for none. */
  readonly outlierLog: EventLogFile | null;
};

/** dynamic_resources; null where nothing comes from there. */
export type DynamicConfig = {
  readonly ads: PlaceSource | null;
  readonly clusters: ConfigPlace | null;
  readonly listeners: ConfigPlace | null;
};

/** The table of everything that takes effect, filters included, and `more`. */
export function supportedFields(
  extensions: Extensions,
  more: SupportTable = {},
): Map<string, ReadonlySet<string> | '*'> {
  const { httpFilters, networkFilters, listenerFilters, downstreamTransports, upstreamTransports } = extensions;
  const filters = [...httpFilters, ...networkFilters, ...listenerFilters, ...extensions.upstreamFilters];
  const transports = [...downstreamTransports, ...upstreamTransports];
  return mergeSupport(
    BOOTSTRAP_FIELDS,
    BOOTSTRAP_EXTENSION_FIELDS,
    CONFIG_SOURCE_FIELDS,
    STATS_CONFIG_FIELDS,
    ADDRESS_FIELDS,
    SOCKET_OPTION_FIELDS,
    LISTENER_FIELDS,
    UDP_LISTENER_FIELDS,
    FILTER_CHAIN_MATCH_FIELDS,
    CHAIN_MATCHER_FIELDS,
    FILTER_PREDICATE_FIELDS,
    HTTP_CONNECTION_MANAGER_FIELDS,
    LOCAL_REPLY_FIELDS,
    ACCESS_LOG_FIELDS,
    MATCHER_FIELDS,
    ROUTE_FIELDS,
    CLUSTER_FIELDS,
    SECRET_FIELDS,
    more,
    ...[...filters, ...transports].map((extension) => extension.fields as SupportTable),
  );
}

/**
 * Checks rules and support of the whole message, then decodes it; with reasons in `d` the result is not whole.
 * `unknown` takes fields of typed configurations that nobody knows; null: they are refused.
 */
export function decodeBootstrap(
  message: Bootstrap,
  d: ConfigDecoder,
  extensions: Extensions,
  environment: ListenerEnvironment,
  because: ReadonlyMap<string, string>,
  unknown: ((problem: Problem) => void) | null = null,
): BootstrapConfig {
  const type = registry.message('envoy.config.bootstrap.v3.Bootstrap');
  const rules = new Report();
  validateRules(type, message, rules);
  for (const { kind, path, reason } of rules.problems) if (kind !== 'unknown-field') d.reject(path, reason);
  if (d.reasons.length === 0) {
    d.reasons.push(...findUnsupported(type as never, message, supportedFields(extensions), because, rules));
  }
  for (const problem of rules.problems) {
    if (problem.kind !== 'unknown-field') continue;
    if (unknown === null) d.reject(problem.path, problem.reason);
    else unknown(problem);
  }
  const statics = message.static_resources ?? {};
  d.environment.clusterBind = message.cluster_manager?.upstream_bind_config;
  const ds = d.at('static_resources');
  // Before those who name them.
  for (const [i, secret] of (statics.secrets ?? []).entries())
    d.environment.staticSecrets?.add(secret, ds.at('secrets', i));
  const clusters: ClusterConfig[] = [];
  const names = new Set<string>();
  for (const [i, cluster] of (statics.clusters ?? []).entries()) {
    const dc = ds.at('clusters', i);
    const config = decodeCluster(cluster as never, dc);
    if (names.has(cluster.name ?? '')) dc.reject('name', `duplicate cluster ${JSON.stringify(cluster.name)}`);
    names.add(cluster.name ?? '');
    if (config !== null) clusters.push(config);
  }
  const listeners: ListenerConfig[] = [];
  const listenerNames = new Set<string>();
  for (const [i, listener] of (statics.listeners ?? []).entries()) {
    const dl = ds.at('listeners', i);
    const config = decodeListener(listener, dl, environment);
    if (config === null) continue;
    if (listenerNames.has(config.name)) dl.reject('name', `duplicate listener ${JSON.stringify(config.name)}`);
    listenerNames.add(config.name);
    for (const { address } of config.addresses) {
      const taken = listeners.find((other) => sharesSocket(other, config, address));
      if (taken === undefined) continue;
      dl.reject('address', `duplicate address ${JSON.stringify(addressText(address))} of listener ${taken.name}`);
    }
    listeners.push(config);
  }
  const statsFlushIntervalMs = d.durationMs(message.stats_flush_interval, STATS_FLUSH_INTERVAL_MS);
  if (evictionMs(message) % statsFlushIntervalMs !== 0) {
    d.reject('stats_eviction_interval', 'must be a multiple of stats_flush_interval');
  }
  return {
    clusters,
    listeners,
    admin: decodeAdmin(message, d),
    runtimeLayers: decodeRuntime(message, d),
    statsFlushIntervalMs,
    dynamic: decodeDynamic(message, d.at('dynamic_resources')),
    loadReports: decodeLoadReports(message, d.at('cluster_manager').at('load_stats_config')),
    outlierLog: decodeEventLog(message, d.at('cluster_manager').at('outlier_detection')),
  };
}

/** How long metrics may be unused before they are forgotten; 0: for ever. */
export function evictionMs({ stats_eviction_interval: interval }: Bootstrap): number {
  return interval === undefined ? 0 : Number(interval.seconds) * 1000 + interval.nanos / 1e6;
}

function decodeDynamic(message: Bootstrap, d: ConfigDecoder): DynamicConfig {
  const { ads_config, cds_config, lds_config } = message.dynamic_resources ?? {};
  return {
    ads: ads_config === undefined ? null : decodeAds(ads_config, d.at('ads_config')),
    clusters: cds_config === undefined ? null : decodeConfigSource(cds_config, d.at('cds_config')),
    listeners: lds_config === undefined ? null : decodeConfigSource(lds_config, d.at('lds_config')),
  };
}

/** Source: Envoy, which takes neither REST nor streams of single types for it. */
function decodeAds(message: ApiConfigSource, d: ConfigDecoder): PlaceSource | null {
  const source = decodeApiSource(message, d);
  if (source === null || (source.kind === 'grpc' && !source.isAggregated)) return source;
  d.reject('api_type', 'must be of non-aggregated gRPC: GRPC or DELTA_GRPC, which are one stream for all types here');
  return null;
}

function decodeLoadReports(message: Bootstrap, d: ConfigDecoder): GrpcTarget | null {
  const config = message.cluster_manager?.load_stats_config;
  const source = config === undefined ? null : decodeApiSource(config, d);
  if (source === null) return null;
  if (source.kind !== 'grpc' || source.isAggregated) {
    d.reject('api_type', 'must be GRPC or DELTA_GRPC: load reports have a stream of their own');
    return null;
  }
  const { target } = source;
  if (target.ownCluster === null && routeEnvironment(d).hasCluster?.(target.clusterName) === false) {
    d.reject('grpc_services', `Unknown gRPC client cluster '${target.clusterName}'`);
  }
  return target;
}

function sharesSocket(other: ListenerConfig, config: ListenerConfig, address: Address): boolean {
  if ((other.udp === null) !== (config.udp === null)) return false;
  // Port 0 gets a free one for each.
  if (address.family !== 'unix' && address.port === 0) return false;
  return other.addresses.some((one) => isSameAddress(one.address, address));
}

function decodeAdmin(message: Bootstrap, d: ConfigDecoder): BootstrapConfig['admin'] {
  if (message.admin?.address === undefined) return null;
  const address = decodeAddress(message.admin.address, d.at('admin').at('address'));
  if (address === null) return null;
  const logs = message.admin.access_log ?? [];
  const path = message.admin.access_log_path ?? '';
  if (path !== '') {
    const file = registry.message('envoy.extensions.access_loggers.file.v3.FileAccessLog');
    logs.push({ name: 'envoy.access_loggers.file', typed_config: packAny(file, { path }) });
  }
  const pipeMode = message.admin.address.pipe?.mode ?? 0;
  const { family } = address;
  const da = d.at('admin');
  return {
    address,
    pipeMode,
    accessLogs: decodeAccessLogs(logs, da.at('access_log')),
    socketOptions: decodeSocketOptions(
      message.admin.socket_options,
      { family, type: 'stream' },
      da.at('socket_options'),
    ),
    ignoresGlobalLimit: message.admin.ignore_global_conn_limit === true,
    allowPaths: (message.admin.allow_paths ?? []).map((one, i) =>
      decodeStringMatcher(one as StringMatcherPb, da.at('allow_paths', i)),
    ),
    profilePath: message.admin.profile_path || PROFILE_PATH,
  };
}

/** The link is watched in the directory that it lies in, so it has to be named. Source: Envoy LoaderImpl. */
function decodeDisk(
  { symlink_root: root = '', subdirectory = '', append_service_cluster: appendsCluster = false }: DiskLayer,
  d: ConfigDecoder,
): { readonly root: string; readonly subdirectory: string; readonly appendsCluster: boolean } {
  if (!root.includes('/')) d.reject('symlink_root', `invalid file path ${root}`);
  return { root, subdirectory, appendsCluster };
}

/** Layers in their order; what comes from elsewhere is empty until then. Read before listeners, which use values. */
export function decodeRuntime(message: Bootstrap, d: ConfigDecoder): RuntimeLayerConfig[] {
  const layers: RuntimeLayerConfig[] = [];
  const names = new Set<string>();
  for (const [i, layer] of (message.layered_runtime?.layers ?? []).entries()) {
    const dl = d.at('layered_runtime').at('layers', i);
    const name = layer.name ?? '';
    if (names.has(name)) dl.reject('name', `duplicate layer name ${JSON.stringify(name)}`);
    names.add(name);
    if (layer.admin_layer !== undefined) {
      if (layers.some(({ kind }) => kind === 'admin')) dl.reject('admin_layer', 'there may be only one admin layer');
      layers.push({ name, kind: 'admin' });
    } else if (layer.rtds_layer !== undefined) {
      const { name: resource = '', rtds_config } = layer.rtds_layer;
      const place = decodeConfigSource(rtds_config, dl.at('rtds_layer').at('rtds_config'));
      if (place !== null) layers.push({ name, kind: 'fetched', resource, place });
    } else if (layer.disk_layer !== undefined) {
      layers.push({ name, kind: 'disk', ...decodeDisk(layer.disk_layer, dl.at('disk_layer')) });
    } else {
      const entries = flattenLayer((layer.static_layer ?? {}) as Record<string, unknown>);
      if (typeof entries === 'string') dl.reject('static_layer', entries);
      else layers.push({ name, kind: 'static', entries });
    }
  }
  return layers;
}
