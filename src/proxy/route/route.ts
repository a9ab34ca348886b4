// The routes of a route configuration as frozen runtime objects: what a request matched and what follows from it.
import type { Random } from '../../base/clock.ts';
import type { HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import type { FractionalPercent, RouteRateLimits, Runtime } from '../http/filter.ts';
import type { FieldMutation } from '../http/filters/header-mutation/field-mutations.ts';
import type { ClusterSpecifier } from './cluster-specifier.ts';
import type { InternalRedirectPolicy } from './internal-redirect.ts';
import type { OpenTable } from './open-table.ts';

/** Metadata of a configuration object: filter name → values. */
export type RouteMetadata = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

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
  /**
   * The first route that matches, weighted cluster already chosen; null → 404. Sets nothing on the headers.
   * Where require_tls asks for it, this is a redirect to https.
   */
  match(headers: Headers, context: MatchContext): Route | null;
  /** ignore_port_in_host_matching, most_specific_header_mutations_wins and the like are compiled in. */
  readonly internalOnlyHeaders: readonly string[];
  /** Where routes may come from that are not here yet; absent or null: all there are are here. */
  readonly onDemand?: OnDemandRoutes | null;
  /** Some of its virtual hosts come from elsewhere; absent or null: none. */
  readonly open?: OpenTable | null;
};

export type OnDemandRoutes = {
  /**
   * Asks for what would route a request that has no route. `told` is called once, later, with whether there are routes
   * for it now; the function that is returned gives up. Null: there is nothing to ask, or they are there already.
   */
  ask(headers: Headers, told: (isThere: boolean) => void): (() => void) | null;
};

export type VirtualHost = {
  readonly name: string;
  readonly domains: readonly string[];
  readonly requireTls: 'NONE' | 'EXTERNAL_ONLY' | 'ALL';
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly retry: RetryPolicy | null;
  readonly metadata: RouteMetadata | null;
  /** Name of the first virtual cluster that matches, for statistics, or null when the host has none. */
  virtualCluster(headers: Headers): string | null;
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
  /** '' for redirects and direct responses. */
  readonly clusterName: string;
  /** Per-filter configuration by filter name, least specific first; null entries where a level has none. */
  readonly filterConfigs: ReadonlyMap<string, RouteFilterConfig>;
  readonly metadata: RouteMetadata | null;
  readonly decorator: { readonly operation: string; readonly propagate: boolean } | null;
  /** What is traced of its requests; null: as the connection manager says. */
  readonly tracing: RouteTracing | null;
  /** What its requests are counted under by local_ratelimit, or null. */
  readonly rateLimits: RouteRateLimits | null;
  /** request_body_buffer_limit, or per_request_buffer_limit_bytes (cut to the connection's limit); else undefined. */
  readonly requestBufferLimitBytes: number | undefined;
  readonly requestBufferLimitIsCapped: boolean;
  /**
   * finalizeRequestHeaders: applies header mutations level by level (they see the original path and host), then
   * rewrites host and path. `insertOriginalPath` adds x-envoy-original-path and -host (not suppress_envoy_headers).
   */
  finalizeRequest(headers: Headers, format: FormatContext, insertOriginalPath: boolean): void;
  /** finalizeResponseHeaders: header mutations of route, virtual host and route configuration. */
  finalizeResponse(headers: Headers, format: FormatContext): void;
  readonly hasRequestMutations: boolean;
  readonly hasResponseMutations: boolean;
};

export type RouteTracing = {
  readonly client: FractionalPercent;
  readonly random: FractionalPercent;
  readonly overall: FractionalPercent;
};

export type RouteFilterConfig = {
  /** Decoded configurations, least specific first. */
  readonly all: readonly unknown[];
  /** Full names of the messages that each of them was. */
  readonly types: readonly string[];
  readonly mostSpecific: unknown;
  /** Undefined: as the chain says. */
  readonly disabled: boolean | undefined;
};

export type ForwardAction = {
  readonly clusterName: string;
  /** What names the cluster again for a retry (refresh_cluster_on_retry), or null. */
  readonly specifier: ClusterSpecifier | null;
  readonly clusterNotFoundCode: number;
  /** ms; 0 = none. Default 15,000. */
  readonly timeoutMs: number;
  /** Undefined: the connection manager's stream_idle_timeout. 0 = none. */
  readonly idleTimeoutMs: number | undefined;
  /** max_stream_duration is set, whatever is in it: the route's timeouts do not count. */
  readonly hasStreamDuration: boolean;
  readonly maxStreamDurationMs: number | undefined;
  readonly grpcTimeoutHeaderMaxMs: number | undefined;
  readonly grpcTimeoutHeaderOffsetMs: number;
  /** The deprecated max_grpc_timeout: undefined when not set, 0 for no limit. */
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly grpcTimeoutOffsetMs: number;
  readonly flushTimeoutMs: number | undefined;
  readonly priority: 'DEFAULT' | 'HIGH';
  readonly retry: RetryPolicy | null;
  readonly mirrors: readonly MirrorPolicy[];
  /** auto_host_rewrite: the upstream's hostname replaces the authority. */
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
  /** Upgrade type (lower case) → enabled; overrides the connection manager's. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  /** Redirects of the upstream that are followed here; null for none. */
  readonly redirects: InternalRedirectPolicy | null;
  /** hedge_on_per_try_timeout: an attempt that takes long gets company instead of being given up. */
  readonly hedges: boolean;
  /** CONNECT ends here; null: it goes on as CONNECT. */
  readonly connect: ConnectConfig | null;
  /** The upper 53 bits of `hash64`: ordered as it, so a ring may be searched with it. */
  hash(headers: Headers, context: MatchContext): number | null;
  /**
   * Envoy's 64-bit hash for consistent load balancers, or null when no policy yields one. A cookie policy with a ttl
   * that finds no cookie makes one and hands its set-cookie value to `setCookie`.
   */
  hash64(headers: Headers, context: MatchContext, setCookie?: (setCookieValue: string) => void): bigint | null;
  readonly metadataMatch: Readonly<Record<string, unknown>> | null;
};

/** How a tunnel ends: what the upstream connection begins with, and what asks for one. */
export type ConnectConfig = {
  /** Version of the PROXY header; 0 for none. */
  readonly proxyHeader: 0 | 1 | 2;
  /** POST asks for a tunnel too. */
  readonly allowPost: boolean;
};

export type RedirectAction = {
  /** 301, 302, 303, 307 or 308. */
  readonly status: number;
  /**
   * The location header's value. Rewrites the path of `headers` first (prefix_rewrite, regex_rewrite, path_rewrite), as
   * Envoy does, so the access log shows both paths: call it once.
   */
  location(headers: Headers, format?: FormatContext, insertOriginalPath?: boolean): string;
};

export type DirectResponseAction = {
  readonly status: number;
  /** A latin1 string of bytes. */
  readonly body: string;
  /** body_format: renders the body (`localReplyBody` of the context is `body`) and names its content type. */
  readonly format: { readonly text: { format(ctx: FormatContext): string }; readonly contentType: string } | null;
  /** Envoy adds a location to 201 and 3xx: the request's own URL; '' for other statuses. */
  location(headers: Headers): string;
};

export type MirrorPolicy = {
  clusterName(headers: Headers): string;
  readonly fraction: FractionalPercent;
  readonly runtimeKey: string;
  readonly disableShadowHostSuffix: boolean;
  /** Replaces the authority (then without suffix); '' for none. */
  readonly hostRewriteLiteral: string;
  /** Changes of the copy's headers. */
  readonly mutations: readonly FieldMutation[];
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

/** What a retry policy may know a host by. */
export type HostTraits = { readonly isCanary: boolean; readonly metadata: RouteMetadata | null };

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
  /** Back-off, ms; both 0: as runtime values say, and by default 25 and 250. */
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  /** previous_hosts predicate configured. */
  readonly avoidPreviousHosts: boolean;
  readonly hostSelectionMaxAttempts: number;
  /** Hosts that are left out besides, or null. */
  readonly omits: ((host: HostTraits) => boolean) | null;
  /** A plugin that named the cluster is asked again. */
  readonly refreshesCluster: boolean;
  /** update_frequency of previous_priorities; 0: priorities are left to load. */
  readonly previousPriorities: number;
  readonly rateLimitedBackOff: {
    readonly resetHeaders: readonly {
      readonly name: string;
      readonly key: HeaderKey;
      readonly format: 'SECONDS' | 'UNIX_TIMESTAMP';
    }[];
    readonly maxIntervalMs: number;
  } | null;
};
