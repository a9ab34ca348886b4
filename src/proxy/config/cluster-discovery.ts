// Decodes where a cluster's hosts come from: its type, names and resolvers, original destinations.
import type { Cluster, Cluster_RefreshRate, TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import { DEFAULT_RESOLVER, type LookupFamily, type ResolverSettings } from '../../net/resolver/resolver.ts';
import {
  DEFAULT_CLEANUP_INTERVAL_MS,
  DEFAULT_DNS_REFRESH_MS,
  type DiscoveryConfig,
  type DnsDiscoveryConfig,
  type EdsConfig,
  type OriginalDstConfig,
} from '../cluster/cluster-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { DNS_CACHE_FIELDS } from '../dns-cache/decode-dns-cache.ts';
import { type CaresFields, decodeTypedResolver, makeCares, RESOLVER_FIELDS } from '../dns-cache/decode-resolver.ts';
import { decodeForwardProxy, type ForwardProxyPb } from './cluster-forward-proxy.ts';
import { decodeDnsNames } from './endpoint.ts';

const DNS_CLUSTER = 'envoy.extensions.clusters.dns.v3.DnsCluster';
const FORWARD_PROXY = 'envoy.extensions.clusters.dynamic_forward_proxy.v3';

/** Fields of Cluster that only clusters of one type read. */
const LEGACY_DNS_FIELDS = [
  'dns_refresh_rate',
  'dns_failure_refresh_rate',
  'respect_dns_ttl',
  'dns_jitter',
  'typed_dns_resolver_config',
  'dns_resolution_config',
  'dns_resolvers',
  'use_tcp_for_dns_lookups',
] as const;
const ORIGINAL_DST_FIELDS = ['original_dst_lb_config', 'cleanup_interval'] as const;

/** Fields of Cluster that are decoded here. */
export const CLUSTER_DISCOVERY = `type cluster_type eds_cluster_config dns_lookup_family wait_for_warm_on_init
  ${LEGACY_DNS_FIELDS.join(' ')} ${ORIGINAL_DST_FIELDS.join(' ')}`;

export const DISCOVERY_FIELDS = {
  'envoy.config.cluster.v3.Cluster.CustomClusterType': 'name typed_config',
  'envoy.config.cluster.v3.Cluster.EdsClusterConfig': 'eds_config service_name',
  'envoy.config.cluster.v3.Cluster.OriginalDstLbConfig':
    'use_http_header http_header_name upstream_port_override metadata_key',
  'envoy.type.metadata.v3.MetadataKey': 'key path',
  'envoy.type.metadata.v3.MetadataKey.PathSegment': 'key',
  [DNS_CLUSTER]: `dns_refresh_rate dns_failure_refresh_rate respect_dns_ttl dns_jitter typed_dns_resolver_config
    dns_lookup_family all_addresses_in_single_endpoint dns_min_refresh_rate`,
  [`${DNS_CLUSTER}.RefreshRate`]: 'base_interval max_interval',
  [`${FORWARD_PROXY}.ClusterConfig`]: 'dns_cache_config allow_insecure_cluster_options sub_clusters_config',
  [`${FORWARD_PROXY}.SubClustersConfig`]: 'lb_policy max_sub_clusters sub_cluster_ttl',
  ...RESOLVER_FIELDS,
  ...DNS_CACHE_FIELDS,
} as const;

/** Cluster types by the names that cluster_type gives them. */
const TYPES: Readonly<Record<string, string>> = {
  'envoy.cluster.static': 'STATIC',
  'envoy.cluster.strict_dns': 'STRICT_DNS',
  'envoy.cluster.logical_dns': 'LOGICAL_DNS',
  'envoy.cluster.original_dst': 'ORIGINAL_DST',
  'envoy.cluster.eds': 'EDS',
};
/** Source: Envoy Cluster.RefreshRate.max_interval, in base intervals. */
const MAX_FAILURE_INTERVALS = 10;
/** Source: Envoy Http::Headers::EnvoyOriginalDstHost. */
const DEFAULT_HEADER = 'x-envoy-original-dst-host';

type DurationPb = Cluster['dns_refresh_rate'];

/** What both the fields of Cluster and DnsCluster say; DnsCluster is not among the generated types. */
type DnsFields = {
  readonly dns_refresh_rate?: DurationPb;
  readonly dns_failure_refresh_rate?: Cluster_RefreshRate | undefined;
  readonly respect_dns_ttl?: boolean | undefined;
  readonly dns_jitter?: DurationPb;
  readonly dns_lookup_family?: string | number | undefined;
  readonly dns_min_refresh_rate?: DurationPb;
  readonly typed_dns_resolver_config?: TypedExtensionConfig | undefined;
  readonly all_addresses_in_single_endpoint?: boolean | undefined;
};

/** Null after rejecting a type that there is not. */
export function decodeDiscovery(message: Cluster, d: ConfigDecoder): DiscoveryConfig | null {
  const custom = message.cluster_type;
  if (custom?.typed_config !== undefined) {
    const dt = d.at('cluster_type').at('typed_config');
    const unpacked = d.environment.unpack(custom.typed_config, dt);
    if (unpacked === null) return null;
    if (unpacked.type === DNS_CLUSTER) {
      refuseFields(message, [...LEGACY_DNS_FIELDS, ...ORIGINAL_DST_FIELDS], `takes no effect beside ${DNS_CLUSTER}`, d);
      const fields = unpacked.message as DnsFields;
      const isLogical = fields.all_addresses_in_single_endpoint ?? false;
      return decodeDns(message, fields, isLogical, d, dt);
    }
    if (unpacked.type === `${FORWARD_PROXY}.ClusterConfig`) {
      const fields = unpacked.message as ForwardProxyPb;
      const useless = [...ORIGINAL_DST_FIELDS, 'eds_cluster_config', 'load_assignment'] as const;
      refuseFields(message, useless, 'takes no effect: the names are those of requests', d);
      if (fields.sub_clusters_config === undefined) {
        refuseFields(
          message,
          LEGACY_DNS_FIELDS,
          'takes no effect without sub_clusters_config: the cache has its own',
          d,
        );
      }
      return decodeForwardProxy(message, fields, d, dt);
    }
    dt.reject('', `${unpacked.type} is not supported yet`);
    return null;
  }
  const type = custom === undefined ? (message.type ?? 'STATIC') : TYPES[custom.name ?? ''];
  const isDns = type === 'STRICT_DNS' || type === 'LOGICAL_DNS';
  if (!isDns) refuseFields(message, LEGACY_DNS_FIELDS, 'takes no effect: only DNS clusters resolve names', d);
  if (type !== 'ORIGINAL_DST')
    refuseFields(message, ORIGINAL_DST_FIELDS, 'takes no effect: the type is no ORIGINAL_DST', d);
  if (type !== 'EDS') refuseFields(message, ['eds_cluster_config'], 'takes no effect: the type is not EDS', d);
  if (isDns) return decodeDns(message, message, type === 'LOGICAL_DNS', d, d);
  switch (type) {
    case 'EDS':
      return decodeEds(message, d);
    case 'STATIC':
      return STATIC;
    case 'ORIGINAL_DST':
      return decodeOriginalDst(message, d);
    default:
      if (custom !== undefined) d.at('cluster_type').reject('name', `${custom.name} is not supported yet`);
      else d.reject('type', `${type} is not supported yet`);
      return null;
  }
}

const STATIC = Object.freeze({ kind: 'STATIC' } as const);

function decodeEds(message: Cluster, d: ConfigDecoder): EdsConfig | null {
  const eds = message.eds_cluster_config;
  if (eds === undefined) {
    d.reject('eds_cluster_config', 'cannot create an EDS cluster without an EDS config');
    return null;
  }
  if (message.load_assignment !== undefined) d.reject('load_assignment', 'takes no effect: the type is EDS');
  const { configPlace } = d.environment;
  const place = configPlace?.(eds.eds_config, d.at('eds_cluster_config').at('eds_config')) ?? null;
  const statedName = eds.service_name ?? '';
  const serviceName = statedName || (message.name ?? '');
  return place === null ? null : Object.freeze({ kind: 'EDS', serviceName, statedName, place });
}

function refuseFields(message: Cluster, fields: readonly (keyof Cluster)[], reason: string, d: ConfigDecoder): void {
  for (const field of fields) {
    const value = message[field];
    // A false or empty value is what the field is without being set.
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue;
    d.reject(field, reason);
  }
}

// ─── DNS ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `fields` are those of DnsCluster, or the older ones of Cluster; `df` is where they are. */
function decodeDns(
  message: Cluster,
  fields: DnsFields,
  isLogical: boolean,
  d: ConfigDecoder,
  df: ConfigDecoder,
): DnsDiscoveryConfig {
  const kind = isLogical ? 'LOGICAL_DNS' : 'STRICT_DNS';
  const names = decodeDnsNames(message.load_assignment ?? {}, kind, d.at('load_assignment'));
  const localities = message.load_assignment?.endpoints ?? [];
  if (isLogical && (localities.length !== 1 || localities[0]?.lb_endpoints?.length !== 1)) {
    d.reject(
      'load_assignment',
      message.load_assignment === undefined
        ? 'LOGICAL_DNS clusters must have a single host'
        : 'LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint',
    );
  }
  const refreshMs = df.durationMs(fields.dns_refresh_rate, DEFAULT_DNS_REFRESH_MS);
  const failure = fields.dns_failure_refresh_rate;
  const failureBaseMs = df.durationMs(failure?.base_interval, 0);
  const failureMaxMs = df.durationMs(failure?.max_interval, failureBaseMs * MAX_FAILURE_INTERVALS);
  if (failureMaxMs < failureBaseMs) {
    df.reject(
      'dns_failure_refresh_rate',
      'dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval',
    );
  }
  return Object.freeze({
    kind: 'DNS',
    isLogical,
    // Source: Envoy: the one host of a logical cluster is always of priority 0.
    names: isLogical ? names.map((name) => ({ ...name, endpoint: { ...name.endpoint, priority: 0 } })) : names,
    family: (fields.dns_lookup_family ?? 'AUTO') as LookupFamily,
    refreshMs,
    failureBaseMs,
    failureMaxMs,
    respectTtl: fields.respect_dns_ttl ?? false,
    minRefreshMs: df.durationMs(fields.dns_min_refresh_rate, 0),
    jitterMs: df.durationMs(fields.dns_jitter, 0),
    waitsForFirst: message.wait_for_warm_on_init ?? true,
    resolver: decodeResolver(message, fields, d, df),
  });
}

function decodeResolver(message: Cluster, fields: DnsFields, d: ConfigDecoder, df: ConfigDecoder): ResolverSettings {
  const typed = fields.typed_dns_resolver_config;
  const older = message.dns_resolution_config;
  if (typed !== undefined) {
    const legacy = ['dns_resolution_config', 'dns_resolvers', 'use_tcp_for_dns_lookups'] as const;
    refuseFields(message, legacy, 'takes no effect beside typed_dns_resolver_config', d);
    return decodeTypedResolver(typed, df.at('typed_dns_resolver_config'));
  }
  if (older !== undefined) {
    const oldest = ['dns_resolvers', 'use_tcp_for_dns_lookups'] as const;
    refuseFields(message, oldest, 'takes no effect beside dns_resolution_config', d);
    return makeCares(older as CaresFields, d.at('dns_resolution_config'), 'resolvers');
  }
  if ((message.dns_resolvers ?? []).length === 0 && message.use_tcp_for_dns_lookups !== true) return DEFAULT_RESOLVER;
  const options = { use_tcp_for_dns_lookups: message.use_tcp_for_dns_lookups };
  return makeCares({ resolvers: message.dns_resolvers ?? [], dns_resolver_options: options }, d, 'dns_resolvers');
}

// ─── Original destination ─────────────────────────────────────────────────────────────────────────────────────────

function decodeOriginalDst(message: Cluster, d: ConfigDecoder): OriginalDstConfig {
  if ((message.lb_policy ?? 'ROUND_ROBIN') !== 'CLUSTER_PROVIDED') {
    d.reject(
      'lb_policy',
      `cluster: LB policy ${message.lb_policy ?? 'ROUND_ROBIN'} is not valid for Cluster type ORIGINAL_DST. ` +
        "Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'",
    );
  }
  if (message.load_assignment !== undefined) {
    d.reject('load_assignment', 'ORIGINAL_DST clusters must have no load assignment configured');
  }
  const config = message.original_dst_lb_config;
  const header = config?.http_header_name ?? '';
  const usesHeader = config?.use_http_header ?? false;
  if (!usesHeader && header !== '') {
    d.at('original_dst_lb_config').reject(
      'http_header_name',
      `ORIGINAL_DST cluster: invalid config http_header_name=${header} and use_http_header is false. ` +
        'Set use_http_header to true if http_header_name is desired.',
    );
  }
  const key = config?.metadata_key;
  return Object.freeze({
    kind: 'ORIGINAL_DST',
    headerName: usesHeader ? (header || DEFAULT_HEADER).toLowerCase() : '',
    metadataKey:
      key === undefined
        ? null
        : Object.freeze({ namespace: key.key ?? '', path: (key.path ?? []).map((step) => step.key ?? '') }),
    portOverride: config?.upstream_port_override ?? 0,
    cleanupIntervalMs: d.durationMs(message.cleanup_interval, DEFAULT_CLEANUP_INTERVAL_MS),
  });
}
