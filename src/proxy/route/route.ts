// The routes of a route configuration as frozen runtime objects: what a request matched and what follows from it.
import type { Random } from '../../base/clock.ts';
import type { Headers } from '../../wire/headers.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import type { FractionalPercent, Runtime } from '../http/filter.ts';

/** What matching may look at besides the headers. */
export type MatchContext = {
  readonly random: Random;
  readonly runtime: Runtime;
  /** Stream info, for matchers on metadata, filter state, TLS. */
  readonly format: FormatContext;
};

export type RouteTable = {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHost[];
  /** The virtual host for the authority, or null (→ 404 route_not_found). */
  virtualHost(headers: Headers): VirtualHost | null;
  /** The first route that matches, weighted cluster already chosen; null → 404. Sets nothing on the headers. */
  match(headers: Headers, context: MatchContext): Route | null;
  /** ignore_port_in_host_matching, most_specific_header_mutations_wins and the like are compiled in. */
  readonly internalOnlyHeaders: readonly string[];
};

export type VirtualHost = {
  readonly name: string;
  readonly domains: readonly string[];
  readonly requireTls: 'NONE' | 'EXTERNAL_ONLY' | 'ALL';
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly retry: RetryPolicy | null;
};

/** One leaf: a route, or one weighted cluster of a route. */
export type Route = {
  readonly name: string;
  readonly virtualHost: VirtualHost;
  readonly virtualHostName: string;
  /** Index in the virtual host and where it came from, for provenance. */
  readonly index: number;
  readonly forward: ForwardAction | null;
  readonly redirect: RedirectAction | null;
  readonly direct: DirectResponseAction | null;
  /** A route with non_forwarding_action, or of an unusable kind. */
  readonly statPrefix: string;
  /** Name of the cluster when it is known before the request, else ''. */
  readonly clusterName: string;
  /** Per-filter configuration by filter name, least specific first; null entries where a level has none. */
  readonly filterConfigs: ReadonlyMap<string, RouteFilterConfig>;
  /** finalizeRequestHeaders: rewrites path and host, then applies header mutations, most specific level first. */
  finalizeRequest(headers: Headers, format: FormatContext, insertOriginalPath: boolean): void;
  /** finalizeResponseHeaders: header mutations of route, virtual host and route configuration. */
  finalizeResponse(headers: Headers, format: FormatContext): void;
  readonly hasRequestMutations: boolean;
  readonly hasResponseMutations: boolean;
};

export type RouteFilterConfig = {
  /** Decoded configurations, least specific first. */
  readonly all: readonly unknown[];
  readonly mostSpecific: unknown;
  /** Undefined: as the chain says. */
  readonly disabled: boolean | undefined;
};

export type ForwardAction = {
  /** Cluster for this request: fixed, or from cluster_header ('' when the header is missing). */
  clusterName(headers: Headers): string;
  readonly clusterNotFoundCode: number;
  /** ms; 0 = none. Default 15,000. */
  readonly timeoutMs: number;
  /** Undefined: the connection manager's stream_idle_timeout. 0 = none. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDurationMs: number | undefined;
  readonly grpcTimeoutHeaderMaxMs: number | undefined;
  readonly grpcTimeoutHeaderOffsetMs: number;
  readonly priority: 'DEFAULT' | 'HIGH';
  readonly retry: RetryPolicy | null;
  readonly mirrors: readonly MirrorPolicy[];
  /** auto_host_rewrite: the upstream's hostname replaces the authority. */
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
  /** Upgrade type (lower case) → enabled; overrides the connection manager's. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  /** Hash for consistent load balancers, or null when no policy yields one. */
  hash(headers: Headers, context: MatchContext): number | null;
  readonly metadataMatch: Readonly<Record<string, unknown>> | null;
};

export type RedirectAction = {
  /** 301, 302, 303, 307 or 308. */
  readonly status: number;
  location(headers: Headers): string;
};

export type DirectResponseAction = { readonly status: number; readonly body: string };

export type MirrorPolicy = {
  clusterName(headers: Headers): string;
  readonly fraction: FractionalPercent;
  readonly runtimeKey: string;
  readonly disableShadowHostSuffix: boolean;
};

/** Bits of retry_on; names as in `x-envoy-retry-on` and `x-envoy-retry-grpc-on`. */
export const RETRY_ON = {
  '5xx': 1,
  'gateway-error': 2,
  'connect-failure': 4,
  'envoy-ratelimited': 8,
  'retriable-4xx': 16,
  'refused-stream': 32,
  'retriable-status-codes': 64,
  'retriable-headers': 128,
  reset: 256,
  'reset-before-request': 512,
  'http3-post-connect-failure': 1024,
  cancelled: 2048,
  'deadline-exceeded': 4096,
  internal: 8192,
  'resource-exhausted': 16384,
  unavailable: 32768,
} as const;

export type RetryPolicy = {
  /** RETRY_ON bits. */
  readonly on: number;
  readonly numRetries: number;
  /** 0 = none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly { matches(headers: Headers): boolean }[];
  readonly retriableRequestHeaders: readonly { matches(headers: Headers): boolean }[];
  /** Back-off, ms; defaults 25 and 250. */
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  /** previous_hosts predicate configured. */
  readonly avoidPreviousHosts: boolean;
  readonly hostSelectionMaxAttempts: number;
  readonly rateLimitedBackOff: {
    readonly resetHeaders: readonly { readonly name: string; readonly format: 'SECONDS' | 'UNIX_TIMESTAMP' }[];
    readonly maxIntervalMs: number;
  } | null;
};
