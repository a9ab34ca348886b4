// A cluster's configuration at run time: frozen, decoded by config/cluster.ts, complete with defaults.
import type { Address } from '../../base/byte-stream.ts';
import type { DnsCacheConfig } from '../dns-cache/dns-cache-config.ts';
import type { LookupFamily, ResolverSettings } from '../../net/resolver/resolver.ts';
import type { Spelling } from '../../wire/http1/encoder.ts';
import type { Http1Limits } from '../../wire/http1/parser.ts';
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings } from '../codec/http2-settings.ts';
import type { UpstreamChainConfig } from '../http/upstream-chain.ts';
import type { ClusterPolicies } from './cluster.ts';
import type { Metadata } from '../stream-info.ts';
import type { TransportConfig, UpstreamTransport } from '../transport/transport.ts';
import type { ConfigPlace } from '../xds/place.ts';
import type { BreakerLimits } from './circuit-breaker.ts';
import type { ErrorMatcher, OutlierConfig } from './outlier/outlier-config.ts';
import type { DialOptions } from './pool/dialing.ts';
import type { UpstreamFilterConfig } from './upstream-filter.ts';

export type HealthStatus = 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED';

/** As endpoints are configured. */
export type EdsHealth = 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY' | 'DRAINING' | 'TIMEOUT' | 'DEGRADED';

export type Locality = { readonly region: string; readonly zone: string; readonly subZone: string };

/** Of endpoints that do not say where they are. */
export const NOWHERE: Locality = Object.freeze({ region: '', zone: '', subZone: '' });

/** One endpoint as configured; a `Host` is made of it, or lives on with it. */
export type EndpointConfig = {
  readonly address: Address;
  readonly hostname: string;
  /** ip:port or path to health-check at, when it is not `address`; part of a host's identity. */
  readonly healthCheckAddress: string;
  readonly weight: number;
  readonly health: HealthStatus;
  /** health_status as configured, for /clusters. */
  readonly edsHealth: EdsHealth;
  readonly metadata: Metadata | null;
  readonly locality: Locality;
  /** 0 when the locality has none. */
  readonly localityWeight: number;
  readonly priority: number;
  /** What an address stands for apart from itself: endpoints of different groups are different hosts. Absent: 0. */
  readonly group?: number;
  /** Further addresses of the same endpoint, tried when `address` does not answer. */
  readonly additionalAddresses?: readonly Address[];
  /** LocalityLbEndpoints.metadata; absent: none. */
  readonly localityMetadata?: Metadata;
};

/** ClusterLoadAssignment. */
export type EndpointsConfig = {
  readonly endpoints: readonly EndpointConfig[];
  /** In per cent; default 140. */
  readonly overprovisioningFactor: number;
  /** Absent: all requests may go on. */
  readonly dropOverload?: DropOverload;
};

/** policy.drop_overloads: this share of the requests is refused, 0 to 1. */
export type DropOverload = { readonly category: string; readonly ratio: number };

/** Where a cluster's hosts come from. */
export type DiscoveryConfig =
  | { readonly kind: 'STATIC' }
  | DnsDiscoveryConfig
  | OriginalDstConfig
  | EdsConfig
  | ForwardProxyConfig;

/** envoy.clusters.dynamic_forward_proxy. */
export type ForwardProxyConfig = {
  readonly kind: 'FORWARD_PROXY';
  /** allow_insecure_cluster_options: TLS need not be for the name that was asked for. */
  readonly isInsecureAllowed: boolean;
  /** Of names that say none. */
  readonly defaultPort: number;
  readonly cache: DnsCacheConfig;
  /** sub_clusters_config; null: its hosts are those of the cache. */
  readonly subClusters: SubClustersConfig | null;
};

/** How a dynamic forward proxy makes a cluster for each name and port. */
export type SubClustersConfig = {
  readonly maxClusters: number;
  /** One that nobody used for so long goes. */
  readonly ttlMs: number;
  readonly lbPolicy: string;
  /** STRICT_DNS with one name, which is to be replaced, as its own is. */
  readonly template: ClusterConfig & { readonly discovery: DnsDiscoveryConfig };
  /** Equal where the clusters of equal names are. */
  readonly fingerprint: string;
};

/** What a cluster was made for by a dynamic forward proxy. */
export type SubClusterOrigin = {
  readonly parent: string;
  readonly host: string;
  readonly port: number;
  readonly lbPolicy: string;
  readonly fingerprint: string;
  /** When, ms since 1970. */
  readonly wallMs: number;
};

export type EdsConfig = {
  readonly kind: 'EDS';
  /** service_name, else the cluster's. */
  readonly serviceName: string;
  /** service_name; '' for none. */
  readonly statedName: string;
  readonly place: ConfigPlace;
};

/** STRICT_DNS, LOGICAL_DNS and envoy.cluster.dns; times in ms. */
export type DnsDiscoveryConfig = {
  readonly kind: 'DNS';
  /** All addresses of the one name are one host. */
  readonly isLogical: boolean;
  readonly names: readonly DnsName[];
  readonly family: LookupFamily;
  readonly refreshMs: number;
  /** After failures: drawn below a bound that doubles from base to max; 0: `refreshMs`. */
  readonly failureBaseMs: number;
  readonly failureMaxMs: number;
  readonly respectTtl: boolean;
  readonly minRefreshMs: number;
  readonly jitterMs: number;
  /** wait_for_warm_on_init: the cluster is not ready before its first answer. */
  readonly waitsForFirst: boolean;
  readonly resolver: ResolverSettings;
};

/** One endpoint of a DNS cluster: what its hosts are besides their addresses. */
export type DnsName = {
  readonly name: string;
  readonly port: number;
  readonly endpoint: Omit<EndpointConfig, 'address'>;
};

export type OriginalDstConfig = {
  readonly kind: 'ORIGINAL_DST';
  /** Lower case; '' for none. */
  readonly headerName: string;
  readonly metadataKey: { readonly namespace: string; readonly path: readonly string[] } | null;
  /** 0 for none. */
  readonly portOverride: number;
  readonly cleanupIntervalMs: number;
};

export type SlowStartConfig = {
  readonly windowMs: number;
  /** Above 1 the load grows faster at first, below 1 later. */
  readonly aggression: number;
  readonly aggressionRuntimeKey: string;
  /** What a host has at least, 0 to 1. */
  readonly minWeight: number;
};

export type LoadBalancerConfig =
  | { readonly kind: 'cluster-provided' }
  | { readonly kind: 'round-robin'; readonly slowStart?: SlowStartConfig }
  | { readonly kind: 'random' }
  | {
      readonly kind: 'least-request';
      readonly choiceCount: number;
      /** selection_method FULL_SCAN: all hosts are compared instead of `choiceCount`. */
      readonly isFullScan: boolean;
      readonly activeRequestBias: number;
      /** '' for none. */
      readonly biasRuntimeKey: string;
      readonly slowStart?: SlowStartConfig;
    };

/**
 * Which protocol connections to a cluster speak: 'auto' is what TLS agrees on, 'downstream' what the request came in.
 */
export type UpstreamProtocol = 'http1' | 'http2' | 'auto' | 'downstream';

/** How connections to a cluster speak HTTP; times in ms, 0 = none. */
export type UpstreamHttpConfig = {
  readonly protocol: UpstreamProtocol;
  readonly http2: Http2Settings;
  readonly spelling: Spelling;
  /** HTTP/1 requests name their target in absolute form. */
  readonly sendsFullUrl: boolean;
  readonly limits: Http1Limits;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  /** Per cent that a connection may last longer than that. */
  readonly durationJitterPercent: number;
  readonly maxStreamDurationMs: number;
  /** 0 = unlimited. */
  readonly maxRequestsPerConnection: number;
  /** upstream_http_protocol_options; null for none. */
  readonly autoNames: AutoNames | null;
  /** Instead of those of routes; null: there are none. */
  readonly policies: ClusterPolicies | null;
  /** HTTP filters of its own, behind the router; null: none. */
  readonly filters: UpstreamChainConfig | null;
  /** outlier_detection.error_matcher: which answers are errors; absent: their codes say so. */
  readonly errorMatcher?: ErrorMatcher;
};

/** Names that a request gives to its TLS connection. */
export type AutoNames = {
  /** auto_sni: SNI is the request's authority. */
  readonly sni: boolean;
  /** auto_san_validation: the certificate must be of that name. */
  readonly san: boolean;
  /** override_auto_sni_header, lower case: the name comes from there where the request has it; '' for none. */
  readonly header: string;
};

/** An entry of transport_socket_matches. */
export type TransportMatch = {
  readonly name: string;
  /** Values that the metadata must have; none: it always matches. */
  readonly labels: ReadonlyMap<string, unknown>;
  /** Null: raw_buffer. */
  readonly transport: TransportConfig<UpstreamTransport> | null;
};

export type DialConfig = {
  readonly ipv4: DialOptions;
  readonly ipv6: DialOptions;
  readonly unix: DialOptions;
  readonly internal: DialOptions;
  /** In which order further addresses of an endpoint are tried. Source: Envoy HappyEyeballsConfig. */
  readonly firstFamily: 'DEFAULT' | 'V4' | 'V6';
  readonly firstFamilyCount: number;
};

const NO_OPTIONS: DialOptions = Object.freeze({});
export const DEFAULT_DIAL: DialConfig = Object.freeze({
  ipv4: NO_OPTIONS,
  ipv6: NO_OPTIONS,
  unix: NO_OPTIONS,
  internal: NO_OPTIONS,
  firstFamily: 'DEFAULT',
  firstFamilyCount: 1,
});

export type ClusterConfig = {
  readonly name: string;
  /** alt_stat_name or name. */
  readonly statName: string;
  readonly discovery: DiscoveryConfig;
  readonly connectTimeoutMs: number;
  readonly bufferLimitBytes: number;
  readonly lb: LoadBalancerConfig;
  /** healthy_panic_threshold, per cent. */
  readonly panicThreshold: number;
  readonly failTrafficOnPanic: boolean;
  readonly localityWeighted: boolean;
  readonly breakers: { readonly DEFAULT: BreakerLimits; readonly HIGH: BreakerLimits };
  /** per_host_thresholds. */
  readonly maxConnectionsPerHost: number;
  /** per_upstream_preconnect_ratio: 1 dials only for who waits. */
  readonly preconnectRatio: number;
  readonly http: UpstreamHttpConfig;
  readonly endpoints: EndpointsConfig;
  /** How sockets leave, by family of where they go. */
  readonly dial: DialConfig;
  /** What their bytes are made of; null: nothing is done to them (raw_buffer). */
  readonly transport: TransportConfig<UpstreamTransport> | null;
  /** For hosts whose metadata matches, instead of `transport`; the first one counts. */
  readonly transportMatches: readonly TransportMatch[];
  /** What looks at every connection, the first one next to the socket; absent: nothing. */
  readonly filters?: readonly UpstreamFilterConfig[];
  /** lrs_report_endpoint_metrics; absent: none. */
  readonly loadMetrics?: readonly string[];
  /** Absent: none. */
  readonly outliers?: OutlierConfig;
  readonly metadata: Metadata | null;
  /** Hosts that exchanges may ask for by their addresses; absent: WISHED_HEALTH. */
  readonly wishedHealth?: ReadonlySet<EdsHealth>;
  readonly addedViaApi: boolean;
  /** Absent: it is configured. */
  readonly origin?: SubClusterOrigin;
};

/** Source: Envoy Cluster.per_connection_buffer_limit_bytes. */
export const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;
/** Source: Envoy Cluster.connect_timeout. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 5000;
/** Source: Envoy Cluster.dns_refresh_rate. */
export const DEFAULT_DNS_REFRESH_MS = 5000;
/** Source: Envoy Cluster.cleanup_interval. */
export const DEFAULT_CLEANUP_INTERVAL_MS = 5000;
/** Source: Envoy HttpProtocolOptions.idle_timeout. */
export const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;

export const DEFAULT_HTTP_CONFIG: UpstreamHttpConfig = Object.freeze({
  protocol: 'http1',
  http2: DEFAULT_HTTP2_SETTINGS,
  spelling: 'lower',
  sendsFullUrl: false,
  limits: Object.freeze({
    // Source: Envoy HttpProtocolOptions.max_response_headers_kb.
    maxHeadBytes: 80 * 1024,
    maxHeaders: 100,
    allowChunkedLength: false,
    keepSpelling: false,
    allowCustomMethods: false,
    enableTrailers: false,
  }),
  idleTimeoutMs: DEFAULT_IDLE_TIMEOUT_MS,
  maxConnectionDurationMs: 0,
  durationJitterPercent: 0,
  maxStreamDurationMs: 0,
  maxRequestsPerConnection: 0,
  autoNames: null,
  policies: null,
  filters: null,
});
