// The cors filter (envoy.filters.http.cors): answers preflights and adds access-control headers, as the routes say.
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import { bytesOf } from '../../../base/matcher-text.ts';
import type { StringMatcher } from '../../../base/matcher.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import { FRACTION_FIELDS, STRING_MATCHER_FIELDS, decodeStringMatcher } from '../../config/matcher.ts';
import type { RuntimeFractionalPercentPb, StringMatcherPb } from '../../config/matcher.ts';
import { defineHttpFilter } from '../filter.ts';
import type { FilterContext, FilterStream, HeadersStatus, HttpFilter } from '../filter.ts';
import { decodeRuntimeFraction, holds } from './runtime-fraction.ts';
import type { RuntimeFraction } from './runtime-fraction.ts';

const STATS = { origin_valid: 'counter', origin_invalid: 'counter' } as const;

/** Looked up once: `H` is a large object. */
const ORIGIN = H.origin;

type CorsPolicyPb = {
  allow_origin_string_match?: readonly StringMatcherPb[];
  allow_methods?: string;
  allow_headers?: string;
  expose_headers?: string;
  max_age?: string;
  allow_credentials?: boolean;
  filter_enabled?: RuntimeFractionalPercentPb;
  shadow_enabled?: RuntimeFractionalPercentPb;
  allow_private_network_access?: boolean;
  forward_not_matching_preflights?: boolean;
};

/** One level's policy; what a level does not say ('' or undefined) the next less specific level says. */
type CorsPolicy = {
  readonly origins: readonly StringMatcher[];
  /** Some origin matcher matches '*', which lets every origin in. */
  readonly anyOrigin: boolean;
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean | undefined;
  readonly allowPrivateNetworkAccess: boolean | undefined;
  readonly forwardNotMatchingPreflights: boolean | undefined;
  /** Never inherited. */
  readonly enabled: RuntimeFraction | null;
  readonly shadowEnabled: RuntimeFraction | null;
};

/** A CORS request on its way: the policy that it fell under, and its origin when that is allowed. */
type CorsRequest = { readonly policy: CorsPolicy; readonly origin: string };

function decodePolicy(message: CorsPolicyPb, d: ConfigDecoder): CorsPolicy {
  const origins = (message.allow_origin_string_match ?? []).map((matcher, i) =>
    decodeStringMatcher(matcher, d.at('allow_origin_string_match', i)),
  );
  return Object.freeze({
    origins: Object.freeze(origins),
    anyOrigin: origins.some((matcher) => matcher.matches('*')),
    allowMethods: bytesOf(message.allow_methods ?? ''),
    allowHeaders: bytesOf(message.allow_headers ?? ''),
    exposeHeaders: bytesOf(message.expose_headers ?? ''),
    maxAge: bytesOf(message.max_age ?? ''),
    allowCredentials: message.allow_credentials,
    allowPrivateNetworkAccess: message.allow_private_network_access,
    forwardNotMatchingPreflights: message.forward_not_matching_preflights,
    enabled:
      message.filter_enabled === undefined
        ? null
        : decodeRuntimeFraction(message.filter_enabled, d.at('filter_enabled')),
    shadowEnabled:
      message.shadow_enabled === undefined
        ? null
        : decodeRuntimeFraction(message.shadow_enabled, d.at('shadow_enabled')),
  });
}

/** Merges the levels of a route, the least specific first; made once per list of levels. */
function mergePolicies(levels: readonly CorsPolicy[]): CorsPolicy {
  let merged = levels[0] as CorsPolicy;
  for (let i = 1; i < levels.length; i++) {
    const level = levels[i] as CorsPolicy;
    const origins = level.origins.length > 0 ? level : merged;
    merged = Object.freeze({
      origins: origins.origins,
      anyOrigin: origins.anyOrigin,
      allowMethods: level.allowMethods || merged.allowMethods,
      allowHeaders: level.allowHeaders || merged.allowHeaders,
      exposeHeaders: level.exposeHeaders || merged.exposeHeaders,
      maxAge: level.maxAge || merged.maxAge,
      allowCredentials: level.allowCredentials ?? merged.allowCredentials,
      allowPrivateNetworkAccess: level.allowPrivateNetworkAccess ?? merged.allowPrivateNetworkAccess,
      forwardNotMatchingPreflights: level.forwardNotMatchingPreflights ?? merged.forwardNotMatchingPreflights,
      enabled: level.enabled,
      shadowEnabled: level.shadowEnabled,
    });
  }
  return merged;
}

function isAllowed(policy: CorsPolicy, origin: string): boolean {
  if (policy.anyOrigin) return true;
  for (const matcher of policy.origins) if (matcher.matches(origin)) return true;
  return false;
}

class CorsFilter implements HttpFilter {
  readonly #context: FilterContext;
  readonly #slot: number;
  readonly #stats;
  readonly #merged = new WeakMap<readonly unknown[], CorsPolicy>();

  constructor(context: FilterContext) {
    this.#context = context;
    this.#slot = context.slot;
    this.#stats = context.stats.scope(`${context.statPrefix}cors.`, STATS);
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    if (!headers.mayHave(ORIGIN)) return 'continue';
    const origin = headers.getAll(ORIGIN);
    if (origin === undefined || origin === '' || !stream.route?.forward) return 'continue';
    const policy = this.#policy(stream.routeConfigs(this.#slot));
    if (policy === null) return 'continue';
    const { runtime, random } = this.#context;
    const isEnabled = policy.enabled === null || holds(policy.enabled, runtime, random);
    if (!isEnabled && (policy.shadowEnabled === null || !holds(policy.shadowEnabled, runtime, random))) {
      return 'continue';
    }
    const allowed = isAllowed(policy, origin);
    this.#stats.inc(allowed ? this.#stats.i.origin_valid : this.#stats.i.origin_invalid);
    if (!isEnabled) return 'continue';

    const request: CorsRequest = { policy, origin: allowed ? origin : '' };
    stream.slot[this.#slot] = request;
    if (headers.method !== 'OPTIONS') return 'continue';
    const method = headers.getAll(H['access-control-request-method']) ?? '';
    if (method === '' || (!allowed && policy.forwardNotMatchingPreflights !== false)) return 'continue';
    stream.sendLocalReply({
      status: 200,
      body: '',
      details: 'cors_response',
      isHeadersOnly: true,
      modifyHeaders: (response) => answerPreflight(request, headers, method, response),
    });
    return 'stop';
  }

  encodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const request = stream.slot[this.#slot] as CorsRequest | undefined;
    if (request === undefined || request.origin === '') return 'continue';
    headers.set(H['access-control-allow-origin'], request.origin);
    const { allowCredentials, exposeHeaders } = request.policy;
    if (allowCredentials === true) headers.set(H['access-control-allow-credentials'], 'true');
    if (exposeHeaders !== '') headers.set(H['access-control-expose-headers'], exposeHeaders);
    return 'continue';
  }

  #policy(levels: readonly unknown[]): CorsPolicy | null {
    if (levels.length < 2) return (levels[0] as CorsPolicy | undefined) ?? null;
    let merged = this.#merged.get(levels);
    if (merged === undefined) {
      merged = mergePolicies(levels as readonly CorsPolicy[]);
      this.#merged.set(levels, merged);
    }
    return merged;
  }
}

function answerPreflight(request: CorsRequest, headers: Headers, method: string, response: Headers): void {
  const { policy, origin } = request;
  if (origin !== '') response.set(H['access-control-allow-origin'], origin);
  if (policy.allowCredentials === true) response.set(H['access-control-allow-credentials'], 'true');
  if (policy.allowMethods !== '') {
    response.set(H['access-control-allow-methods'], policy.allowMethods === '*' ? method : policy.allowMethods);
  }
  if (policy.allowHeaders !== '') {
    const asked = policy.allowHeaders === '*' ? headers.getAll(H['access-control-request-headers']) : undefined;
    response.set(H['access-control-allow-headers'], policy.allowHeaders === '*' ? (asked ?? '') : policy.allowHeaders);
  }
  if (policy.maxAge !== '') response.set(H['access-control-max-age'], policy.maxAge);
  if (
    policy.allowPrivateNetworkAccess === true &&
    headers.getAll(H['access-control-request-private-network']) === 'true'
  ) {
    response.set(H['access-control-allow-private-network'], 'true');
  }
}

export const cors = defineHttpFilter({
  name: 'envoy.filters.http.cors',
  configType: 'envoy.extensions.filters.http.cors.v3.Cors',
  routeConfigType: 'envoy.extensions.filters.http.cors.v3.CorsPolicy',
  fields: {
    'envoy.extensions.filters.http.cors.v3.Cors': '',
    'envoy.extensions.filters.http.cors.v3.CorsPolicy':
      'allow_origin_string_match allow_methods allow_headers expose_headers max_age allow_credentials filter_enabled ' +
      'shadow_enabled allow_private_network_access forward_not_matching_preflights',
    ...STRING_MATCHER_FIELDS,
    ...FRACTION_FIELDS,
  },
  decode: () => Object.freeze({}),
  decodeRoute: decodePolicy,
  create: (_config, context) => new CorsFilter(context),
});
