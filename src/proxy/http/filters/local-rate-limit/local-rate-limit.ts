// The local_ratelimit filter (envoy.filters.http.local_ratelimit): a token per request, or the answer 429.
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { MATCHER_FIELDS } from '../../../config/matcher.ts';
import type { RuntimeFractionalPercentPb } from '../../../config/matcher.ts';
import { decodeBucket } from '../../../rate-limit/decode-bucket.ts';
import type { TokenBucketPb } from '../../../rate-limit/decode-bucket.ts';
import type { TokenBucket } from '../../../rate-limit/token-bucket.ts';
import type { ConnectionInfo } from '../../../stream-info.ts';
import { Flag } from '../../../stream-info.ts';
import type { Scope } from '../../../../telemetry/metrics.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { FilterContext, FilterStream, HeadersStatus, HttpFilter, LocalReply } from '../../filter.ts';
import { HEADER_VALUE_FIELDS, applyValueOptions, decodeValueOption } from '../header-mutation/field-mutations.ts';
import type { FieldMutation, HeaderValueOptionPb } from '../header-mutation/field-mutations.ts';
import type { MessageSide } from '../header-mutation/inline-headers.ts';
import { decodeRuntimeFraction, holds } from '../runtime-fraction.ts';
import type { RuntimeFraction } from '../runtime-fraction.ts';
import { bucketsAt } from '../../../rate-limit/shared-token-bucket.ts';
import { Limiter, decodeDescriptors } from './limiter.ts';
import type { LimiterSettings, LocalDescriptorPb } from './limiter.ts';
import { RATE_LIMIT_FIELDS, addDescriptor, decodeRateLimits, describe, refuseChoices } from './rate-limit-actions.ts';
import type { DescriptorSource, RateLimitPb, RequestDescriptor } from './rate-limit-actions.ts';

const TYPE = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';

/** Below `<stat_prefix>.http_local_rate_limit.` */
const STATS = {
  enabled: 'counter',
  enforced: 'counter',
  ok: 'counter',
  rate_limited: 'counter',
  shadow_mode: 'counter',
} as const;

/** Buckets that one wildcard descriptor keeps at a time (Envoy's default). */
const DEFAULT_MAX_DYNAMIC = 20;
const TOO_MANY_REQUESTS = 429;
const GRPC_RESOURCE_EXHAUSTED = 8;

type LocalRateLimitPb = {
  stat_prefix?: string;
  status?: { code?: string | number };
  token_bucket?: TokenBucketPb;
  filter_enabled?: RuntimeFractionalPercentPb;
  filter_enforced?: RuntimeFractionalPercentPb;
  request_headers_to_add_when_not_enforced?: readonly HeaderValueOptionPb[];
  response_headers_to_add?: readonly HeaderValueOptionPb[];
  descriptors?: readonly LocalDescriptorPb[];
  rate_limits?: readonly RateLimitPb[];
  always_consume_default_token_bucket?: boolean;
  max_dynamic_descriptors?: number;
  stage?: number;
  vh_rate_limits?: string;
  local_cluster_rate_limit?: object;
  local_rate_limit_per_downstream_connection?: boolean;
  enable_x_ratelimit_headers?: string;
  rate_limited_as_resource_exhausted?: boolean;
  enable_retry_after_header?: boolean;
};

type LocalRateLimitConfig = {
  readonly statPrefix: string;
  readonly status: number;
  readonly limits: LimiterSettings;
  /** The limiter of all connections; null when each connection has its own. */
  readonly limiter: Limiter | null;
  /** Of the filter itself; where there are such, those of routes do not count. */
  readonly sources: readonly DescriptorSource[];
  readonly hasDescriptors: boolean;
  /** Which of the routes' limits count. */
  readonly stage: number;
  /** When those of the virtual host count too: where the route has none, always, never. */
  readonly virtualHostLimits: 'override' | 'include' | 'ignore';
  readonly enabled: RuntimeFraction | null;
  readonly enforced: RuntimeFraction | null;
  readonly requestHeaders: readonly FieldMutation[];
  readonly responseHeaders: readonly FieldMutation[];
  readonly hasRateLimitHeaders: boolean;
  readonly hasRetryAfter: boolean;
  readonly grpcStatus: number | undefined;
};

/** HTTP statuses by the names of envoy.type.v3.StatusCode. */
// biome-ignore format: a table.
const STATUS_CODES: Readonly<Record<string, number>> = {
  Continue: 100, OK: 200, Created: 201, Accepted: 202, NonAuthoritativeInformation: 203, NoContent: 204,
  ResetContent: 205, PartialContent: 206, MultiStatus: 207, AlreadyReported: 208, IMUsed: 226, MultipleChoices: 300,
  MovedPermanently: 301, Found: 302, SeeOther: 303, NotModified: 304, UseProxy: 305, TemporaryRedirect: 307,
  PermanentRedirect: 308, BadRequest: 400, Unauthorized: 401, PaymentRequired: 402, Forbidden: 403, NotFound: 404,
  MethodNotAllowed: 405, NotAcceptable: 406, ProxyAuthenticationRequired: 407, RequestTimeout: 408, Conflict: 409,
  Gone: 410, LengthRequired: 411, PreconditionFailed: 412, PayloadTooLarge: 413, URITooLong: 414,
  UnsupportedMediaType: 415, RangeNotSatisfiable: 416, ExpectationFailed: 417, MisdirectedRequest: 421,
  UnprocessableEntity: 422, Locked: 423, FailedDependency: 424, UpgradeRequired: 426, PreconditionRequired: 428,
  TooManyRequests: 429, RequestHeaderFieldsTooLarge: 431, InternalServerError: 500, NotImplemented: 501,
  BadGateway: 502, ServiceUnavailable: 503, GatewayTimeout: 504, HTTPVersionNotSupported: 505,
  VariantAlsoNegotiates: 506, InsufficientStorage: 507, LoopDetected: 508, NotExtended: 510,
  NetworkAuthenticationRequired: 511,
};

function decode(message: LocalRateLimitPb, d: ConfigDecoder): LocalRateLimitConfig {
  if (message.local_cluster_rate_limit !== undefined) d.reject('local_cluster_rate_limit', 'not supported');
  // What counts when an exchange is over is never asked for here, as in Envoy.
  const sources = decodeRateLimits(message.rate_limits, d).filter(
    (_, i) => message.rate_limits?.[i]?.apply_on_stream_done !== true,
  );
  refuseChoices(message.rate_limits, d);
  const descriptors = decodeDescriptors(message.descriptors, d);
  const limits = Object.freeze({
    bucket: message.token_bucket === undefined ? null : decodeBucket(message.token_bucket, d.at('token_bucket')),
    descriptors,
    alwaysTakesDefault: message.always_consume_default_token_bucket ?? true,
    maxDynamic: message.max_dynamic_descriptors ?? DEFAULT_MAX_DYNAMIC,
  });
  const perConnection = message.local_rate_limit_per_downstream_connection ?? false;
  const code = message.status?.code ?? 0;
  const status = typeof code === 'number' ? code : (STATUS_CODES[code] ?? 0);
  return Object.freeze({
    statPrefix: message.stat_prefix ?? '',
    // Envoy answers 429 when the status is no error.
    status: status >= 400 ? status : TOO_MANY_REQUESTS,
    limits,
    limiter: perConnection ? null : new Limiter(limits, bucketsAt(d)),
    sources,
    hasDescriptors: descriptors.length > 0,
    stage: message.stage ?? 0,
    virtualHostLimits: virtualHostLimitsOf(message.vh_rate_limits),
    enabled: decodeFraction(message.filter_enabled, d, 'filter_enabled'),
    enforced: decodeFraction(message.filter_enforced, d, 'filter_enforced'),
    requestHeaders: decodeOptions(message, 'request_headers_to_add_when_not_enforced', 'request', d),
    responseHeaders: decodeOptions(message, 'response_headers_to_add', 'response', d),
    hasRateLimitHeaders: message.enable_x_ratelimit_headers === 'DRAFT_VERSION_03',
    hasRetryAfter: message.enable_retry_after_header ?? false,
    grpcStatus: message.rate_limited_as_resource_exhausted === true ? GRPC_RESOURCE_EXHAUSTED : undefined,
  });
}

function virtualHostLimitsOf(option: string | undefined): LocalRateLimitConfig['virtualHostLimits'] {
  if (option === 'INCLUDE') return 'include';
  return option === 'IGNORE' ? 'ignore' : 'override';
}

function decodeRoute(message: LocalRateLimitPb, d: ConfigDecoder): LocalRateLimitConfig {
  if (message.token_bucket === undefined) d.reject('token_bucket', 'must be set in per-route configuration');
  return decode(message, d);
}

function decodeFraction(
  message: RuntimeFractionalPercentPb | undefined,
  d: ConfigDecoder,
  field: string,
): RuntimeFraction | null {
  return message === undefined ? null : decodeRuntimeFraction(message, d.at(field));
}

function decodeOptions(
  message: LocalRateLimitPb,
  field: 'request_headers_to_add_when_not_enforced' | 'response_headers_to_add',
  side: MessageSide,
  d: ConfigDecoder,
): readonly FieldMutation[] {
  return Object.freeze((message[field] ?? []).map((option, i) => decodeValueOption(option, side, d.at(field, i))));
}

/** Limiters of connections. One connection has one, whichever configuration asked first: so it is in Envoy. */
const connectionLimiters = new WeakMap<ConnectionInfo, Limiter>();

function connectionLimiter(connection: ConnectionInfo, limits: LimiterSettings): Limiter {
  let limiter = connectionLimiters.get(connection);
  if (limiter === undefined) {
    limiter = new Limiter(limits);
    connectionLimiters.set(connection, limiter);
  }
  return limiter;
}

class LocalRateLimitFilter implements HttpFilter {
  readonly #config: LocalRateLimitConfig;
  readonly #context: FilterContext;
  readonly #slot: number;
  readonly #scope: Scope;
  /** Statistics of the routes' own configurations, by configuration; made when first needed. */
  readonly #routeScopes = new WeakMap<LocalRateLimitConfig, Scope>();
  readonly #cells;

  constructor(config: LocalRateLimitConfig, context: FilterContext) {
    this.#config = config;
    this.#context = context;
    this.#slot = context.slot;
    const scope = context.stats.scope(statPrefix(config), STATS);
    this.#scope = scope;
    this.#cells = scope.i;
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const config = (stream.routeConfig(this.#slot) ?? this.#config) as LocalRateLimitConfig;
    const { runtime, random } = this.#context;
    if (config.enabled === null || !holds(config.enabled, runtime, random)) return 'continue';
    const scope = config === this.#config ? this.#scope : this.#routeScope(config);
    const cells = this.#cells;
    scope.inc(cells.enabled);

    const limiter = config.limiter ?? connectionLimiter(stream.info.connection, config.limits);
    const descriptors = config.hasDescriptors ? this.#describe(config, stream, headers) : null;
    const { isAllowed, isShadow, bucket, hasHeaders } = limiter.check(descriptors, stream.clock.nowMs);
    if (bucket !== null && (hasHeaders ?? config.hasRateLimitHeaders)) stream.slot[this.#slot] = bucket;
    if (isAllowed) {
      scope.inc(cells.ok);
      return 'continue';
    }
    scope.inc(cells.rate_limited);
    if (isShadow) {
      scope.inc(cells.shadow_mode);
      return 'continue';
    }
    if (config.enforced === null || !holds(config.enforced, runtime, random)) {
      applyValueOptions(config.requestHeaders, headers, stream);
      return 'continue';
    }
    scope.inc(cells.enforced);
    stream.sendLocalReply(replyOf(config, bucket, stream));
    return 'stop';
  }

  /** By the filter's own rate limits, else by those of the route and its virtual host. */
  #describe(config: LocalRateLimitConfig, stream: FilterStream, headers: Headers): RequestDescriptor[] {
    if (config.sources.length > 0) return describe(config.sources, stream, headers);
    const descriptors: RequestDescriptor[] = [];
    const limits = stream.route?.rateLimits ?? null;
    if (limits === null) return descriptors;
    this.#add(descriptors, limits.own, config, stream, headers);
    const { virtualHostLimits: option } = config;
    const isIncluded = limits.includesVirtualHost || option === 'include';
    const isOnlyOne = option === 'override' && limits.own.length === 0;
    if (isIncluded || isOnlyOne) this.#add(descriptors, limits.virtualHost, config, stream, headers);
    return descriptors;
  }

  #add(
    descriptors: RequestDescriptor[],
    sources: readonly DescriptorSource[],
    { stage }: LocalRateLimitConfig,
    stream: FilterStream,
    headers: Headers,
  ): void {
    for (const source of sources) {
      // Envoy 1.40: one with a disable_key is off, whatever the runtime says.
      if (source.stage === stage && !source.hasDisableKey) addDescriptor(descriptors, source, stream, headers, true);
    }
  }

  encodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const bucket = stream.slot[this.#slot] as TokenBucket | undefined;
    if (bucket === undefined) return 'continue';
    const nowMs = stream.clock.nowMs;
    headers.add(H['x-ratelimit-limit'], String(bucket.maxTokens));
    headers.add(H['x-ratelimit-remaining'], String(bucket.remaining(nowMs)));
    headers.add(H['x-ratelimit-reset'], String(bucket.secondsToNext(nowMs)));
    return 'continue';
  }

  #routeScope(config: LocalRateLimitConfig): Scope {
    let scope = this.#routeScopes.get(config);
    if (scope === undefined) {
      scope = this.#context.stats.scope(statPrefix(config), STATS);
      this.#routeScopes.set(config, scope);
    }
    return scope;
  }
}

function statPrefix(config: LocalRateLimitConfig): string {
  return `${config.statPrefix}.http_local_rate_limit.`;
}

function replyOf(config: LocalRateLimitConfig, bucket: TokenBucket | null, stream: FilterStream): LocalReply {
  return {
    status: config.status,
    body: 'local_rate_limited',
    details: 'local_rate_limited',
    flags: Flag.RL,
    ...(config.grpcStatus === undefined ? undefined : { grpcStatus: config.grpcStatus }),
    modifyHeaders(headers) {
      applyValueOptions(config.responseHeaders, headers, stream);
      if (!config.hasRetryAfter || bucket === null || config.status !== TOO_MANY_REQUESTS) return;
      if (!headers.has(H['retry-after'])) {
        headers.add(H['retry-after'], String(Math.max(1, bucket.secondsToNext(stream.clock.nowMs))));
      }
    },
  };
}

export const localRateLimit = defineHttpFilter({
  name: 'envoy.filters.http.local_ratelimit',
  configType: TYPE,
  fields: {
    [TYPE]:
      'stat_prefix status token_bucket filter_enabled filter_enforced request_headers_to_add_when_not_enforced ' +
      'response_headers_to_add descriptors rate_limits ' +
      'local_rate_limit_per_downstream_connection enable_x_ratelimit_headers rate_limited_as_resource_exhausted ' +
      'enable_retry_after_header stage vh_rate_limits always_consume_default_token_bucket max_dynamic_descriptors',
    'envoy.type.v3.TokenBucket': 'max_tokens tokens_per_fill fill_interval',
    'envoy.type.v3.HttpStatus': 'code',
    'envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor': 'entries token_bucket shadow_mode',
    'envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry': 'key value',
    ...RATE_LIMIT_FIELDS,
    ...MATCHER_FIELDS,
    ...HEADER_VALUE_FIELDS,
  },
  decode,
  decodeRoute,
  create: (config, context) => new LocalRateLimitFilter(config, context),
});
