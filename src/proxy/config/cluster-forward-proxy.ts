// Decodes envoy.clusters.dynamic_forward_proxy: a cluster whose hosts are the names that requests ask for.
import type { Cluster } from '../../proto/generated/types.d.ts';
import type {
  ClusterConfig,
  DnsDiscoveryConfig,
  ForwardProxyConfig,
  SubClustersConfig,
  UpstreamHttpConfig,
} from '../cluster/cluster-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { type DnsCachePb, decodeDnsCache } from '../dns-cache/decode-dns-cache.ts';
import { isSecureTransport } from '../transport/transport.ts';
import { asSubCluster } from '../dns-cache/sub-cluster-message.ts';

export type ForwardProxyPb = {
  readonly dns_cache_config?: DnsCachePb;
  readonly allow_insecure_cluster_options?: boolean;
  readonly sub_clusters_config?: SubClustersPb;
};

type SubClustersPb = {
  readonly lb_policy?: string | number;
  readonly max_sub_clusters?: number;
  readonly sub_cluster_ttl?: Cluster['connect_timeout'];
};

/** Source: Envoy: transport sockets decide which port a name without one means. */
const SECURE_PORT = 443;
const PLAIN_PORT = 80;
/** Source: Envoy SubClustersConfig. */
const MAX_SUB_CLUSTERS = 1024;
const SUB_CLUSTER_TTL_MS = 300_000;
/** Of sub clusters, those that are known. */
const POLICIES: ReadonlySet<string | number> = new Set(['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM']);
/** Stands where the name will be that is asked for. */
const SOME_NAME = 'name.invalid';

/** `dt` is at the typed configuration. Which port is meant, and what HTTP must say, cluster.ts knows. */
export function decodeForwardProxy(
  message: Cluster,
  config: ForwardProxyPb,
  d: ConfigDecoder,
  dt: ConfigDecoder,
): ForwardProxyConfig {
  if ((message.lb_policy ?? 'ROUND_ROBIN') !== 'CLUSTER_PROVIDED') {
    d.reject(
      'lb_policy',
      `cluster: LB policy ${message.lb_policy ?? 'ROUND_ROBIN'} is not valid for Cluster type ` +
        "envoy.clusters.dynamic_forward_proxy. Only 'CLUSTER_PROVIDED' is allowed with cluster type " +
        "'envoy.clusters.dynamic_forward_proxy'",
    );
  }
  const cache = decodeDnsCache(config.dns_cache_config ?? {}, dt.at('dns_cache_config'));
  const isInsecureAllowed = config.allow_insecure_cluster_options ?? false;
  return Object.freeze({
    ...({ kind: 'FORWARD_PROXY', defaultPort: PLAIN_PORT, isInsecureAllowed, cache } as const),
    subClusters: null,
  });
}

/**
 * How sub clusters are made: as the cluster is, but of one name each. `decode` decodes a cluster, `http` is what the
 * cluster itself makes of its options. Source: Envoy Cluster::createSubClusterConfig.
 */
export function decodeSubClusters(
  message: Cluster,
  http: UpstreamHttpConfig,
  d: ConfigDecoder,
  decode: (message: Cluster) => ClusterConfig | null,
): SubClustersConfig | null {
  const dt = d.at('cluster_type').at('typed_config');
  const config = d.environment.unpack(message.cluster_type?.typed_config, dt)?.message as ForwardProxyPb | undefined;
  const own = config?.sub_clusters_config;
  if (own === undefined) return null;
  const ds = dt.at('sub_clusters_config');
  const policy = own.lb_policy ?? 'ROUND_ROBIN';
  if (!POLICIES.has(policy)) {
    const unsupported = policy === 'CLUSTER_PROVIDED';
    const text = unsupported ? "unsupported lb_policy 'CLUSTER_PROVIDED' in sub_cluster_config" : '';
    ds.reject('lb_policy', text || `${policy} is not supported yet`);
    return null;
  }
  const template = asSubCluster(message, SOME_NAME, 0, policy as NonNullable<Cluster['lb_policy']>);
  const decoded = decode(template);
  if (decoded?.discovery.kind !== 'DNS') return null;
  return Object.freeze({
    maxClusters: own.max_sub_clusters ?? MAX_SUB_CLUSTERS,
    ttlMs: ds.durationMs(own.sub_cluster_ttl, SUB_CLUSTER_TTL_MS),
    lbPolicy: String(policy),
    template: Object.freeze({ ...decoded, http }) as ClusterConfig & { readonly discovery: DnsDiscoveryConfig },
    fingerprint: JSON.stringify(template, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
  });
}

/** What the rest of the cluster says: which port names without one mean. */
export function fitForwardProxy(
  config: ForwardProxyConfig,
  { transport, transportMatches }: Pick<ClusterConfig, 'transport' | 'transportMatches'>,
  subClusters: SubClustersConfig | null,
): ForwardProxyConfig {
  const usual = transportMatches.find(({ labels }) => labels.size === 0)?.transport ?? transport;
  return Object.freeze({ ...config, subClusters, defaultPort: isSecureTransport(usual) ? SECURE_PORT : PLAIN_PORT });
}

/** Without options of their own, these clusters name whom they ask for. Source: Envoy ClusterFactory. */
export function fitHttp(
  { typed_extension_protocol_options: typed = {} }: Cluster,
  http: UpstreamHttpConfig,
  { isInsecureAllowed }: ForwardProxyConfig,
  d: ConfigDecoder,
): UpstreamHttpConfig {
  if (Object.keys(typed).length === 0) {
    return Object.freeze({ ...http, autoNames: Object.freeze({ sni: true, san: true, header: '' }) });
  }
  const names = http.autoNames;
  if (!isInsecureAllowed && (names === null || !names.sni || !names.san)) {
    d.reject(
      'cluster_type',
      'dynamic_forward_proxy cluster must have auto_sni and auto_san_validation true unless ' +
        'allow_insecure_cluster_options is set.',
    );
  }
  return http;
}
