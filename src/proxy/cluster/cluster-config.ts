// A cluster's configuration at run time: frozen, decoded by config/cluster.ts, complete with defaults.
import type { Address } from '../../base/byte-stream.ts';
import type { Spelling } from '../../wire/http1/encoder.ts';
import type { Http1Limits } from '../../wire/http1/parser.ts';
import type { Metadata } from '../stream-info.ts';
import type { BreakerLimits } from './circuit-breaker.ts';

export type HealthStatus = 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED';

export type Locality = { readonly region: string; readonly zone: string; readonly subZone: string };

/** One endpoint as configured; a `Host` is made of it, or lives on with it. */
export type EndpointConfig = {
  readonly address: Address;
  readonly hostname: string;
  /** ip:port or path to health-check at, when it is not `address`; part of a host's identity. */
  readonly healthCheckAddress: string;
  readonly weight: number;
  readonly health: HealthStatus;
  /** health_status as configured, for /clusters. */
  readonly edsHealth: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY' | 'DRAINING' | 'TIMEOUT' | 'DEGRADED';
  readonly metadata: Metadata | null;
  readonly locality: Locality;
  /** 0 when the locality has none. */
  readonly localityWeight: number;
  readonly priority: number;
};

/** ClusterLoadAssignment. */
export type EndpointsConfig = {
  readonly endpoints: readonly EndpointConfig[];
  /** In per cent; default 140. */
  readonly overprovisioningFactor: number;
};

export type LoadBalancerConfig =
  | { readonly kind: 'round-robin' }
  | { readonly kind: 'random' }
  | {
      readonly kind: 'least-request';
      readonly choiceCount: number;
      readonly activeRequestBias: number;
      /** '' for none. */
      readonly biasRuntimeKey: string;
    };

/** How connections to a cluster speak HTTP/1; times in ms, 0 = none. */
export type UpstreamHttpConfig = {
  readonly spelling: Spelling;
  readonly limits: Http1Limits;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  /** 0 = unlimited. */
  readonly maxRequestsPerConnection: number;
};

export type ClusterConfig = {
  readonly name: string;
  /** alt_stat_name or name. */
  readonly statName: string;
  readonly discovery: 'STATIC';
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
  readonly http: UpstreamHttpConfig;
  readonly endpoints: EndpointsConfig;
  readonly localAddress: Address | null;
  /** Seconds of silence before the first TCP keep-alive probe; 0 = off. */
  readonly keepAliveS: number;
  readonly metadata: Metadata | null;
  readonly addedViaApi: boolean;
};

/** Source: Envoy Cluster.per_connection_buffer_limit_bytes. */
export const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;
/** Source: Envoy Cluster.connect_timeout. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 5000;
/** Source: Envoy HttpProtocolOptions.idle_timeout. */
export const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;

export const DEFAULT_HTTP_CONFIG: UpstreamHttpConfig = Object.freeze({
  spelling: 'lower',
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
  maxStreamDurationMs: 0,
  maxRequestsPerConnection: 0,
});
