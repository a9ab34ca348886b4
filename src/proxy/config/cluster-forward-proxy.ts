// Decodes envoy.clusters.dynamic_forward_proxy: a cluster whose hosts are the names that requests ask for.
import type { Cluster } from '../../proto/generated/types.d.ts';
import type { ClusterConfig, ForwardProxyConfig, UpstreamHttpConfig } from '../cluster/cluster-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { type DnsCachePb, decodeDnsCache } from '../dns-cache/decode-dns-cache.ts';
import { isSecureTransport } from '../transport/transport.ts';

export type ForwardProxyPb = {
  readonly dns_cache_config?: DnsCachePb;
  readonly allow_insecure_cluster_options?: boolean;
};

/** Source: Envoy: transport sockets decide which port a name without one means. */
const SECURE_PORT = 443;
const PLAIN_PORT = 80;

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
  return Object.freeze({ kind: 'FORWARD_PROXY', defaultPort: PLAIN_PORT, isInsecureAllowed, cache });
}

/** What the rest of the cluster says: which port names without one mean. */
export function fitForwardProxy(
  config: ForwardProxyConfig,
  { transport, transportMatches }: Pick<ClusterConfig, 'transport' | 'transportMatches'>,
): ForwardProxyConfig {
  const usual = transportMatches.find(({ labels }) => labels.size === 0)?.transport ?? transport;
  return Object.freeze({ ...config, defaultPort: isSecureTransport(usual) ? SECURE_PORT : PLAIN_PORT });
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
