// HTTP filters that guard access and are not built: whoever configured one gets 403 for every request that it would
// have judged, never a request let in unjudged. Those that fail open by configuration let everything pass.
import type { StreamInfo } from '../../../stream-info.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import {
  decodeMetadataMatcher,
  type MetadataMatcher,
  type MetadataMatcherPb,
  type RuntimeFractionalPercentPb,
} from '../../../config/matcher.ts';
import type {
  AskedRequest,
  FilterContext,
  FilterStream,
  HeadersStatus,
  HttpFilter,
  HttpFilterFactory,
} from '../../filter.ts';
import { decodeRuntimeFraction, holds, type RuntimeFraction } from '../runtime-fraction.ts';

const PACKAGE = 'envoy.extensions.filters.http';

export type Guard = {
  readonly effect: 'deny' | 'inert';
  /** Only requests of which this holds would have been judged; null: all. */
  readonly metadata: MetadataMatcher | null;
  readonly share: RuntimeFraction | null;
};

/** A route's own configuration. */
type RouteGuard = { readonly isOff: boolean };

const DENIES: Guard = Object.freeze({ effect: 'deny', metadata: null, share: null });
const INERT: Guard = Object.freeze({ effect: 'inert', metadata: null, share: null });

type Kind = {
  readonly name: string;
  readonly type: string;
  readonly routeType?: string;
  readonly stands?: 'anywhere';
  decode(message: never, d: ConfigDecoder): Guard;
};

type ExtAuthzPb = {
  filter_enabled?: RuntimeFractionalPercentPb;
  filter_enabled_metadata?: MetadataMatcherPb;
  deny_at_disable?: object;
};
export type WasmPb = { config?: { fail_open?: boolean; failure_policy?: string | number } };
type JwtPb = { rules?: readonly object[]; filter_state_rules?: object };

const KINDS: readonly Kind[] = [
  {
    name: 'envoy.filters.http.jwt_authn',
    type: `${PACKAGE}.jwt_authn.v3.JwtAuthentication`,
    routeType: `${PACKAGE}.jwt_authn.v3.PerRouteConfig`,
    // Without rules nothing is required of anybody.
    decode: ({ rules = [], filter_state_rules: byState }: JwtPb) =>
      rules.length === 0 && byState === undefined ? INERT : DENIES,
  },
  {
    name: 'envoy.filters.http.ext_authz',
    type: `${PACKAGE}.ext_authz.v3.ExtAuthz`,
    routeType: `${PACKAGE}.ext_authz.v3.ExtAuthzPerRoute`,
    decode: decodeExtAuthz,
  },
  {
    name: 'envoy.filters.http.ratelimit',
    type: `${PACKAGE}.ratelimit.v3.RateLimit`,
    routeType: `${PACKAGE}.ratelimit.v3.RateLimitPerRoute`,
    decode: (message: { failure_mode_deny?: boolean }) => (message.failure_mode_deny === true ? DENIES : INERT),
  },
  {
    name: 'envoy.filters.http.wasm',
    type: `${PACKAGE}.wasm.v3.Wasm`,
    stands: 'anywhere',
    decode: (message: WasmPb) => (failsOpen(message) ? INERT : DENIES),
  },
];

/** Source: Envoy PluginConfig of Wasm: without a policy it fails closed. */
export function failsOpen({ config = {} }: WasmPb): boolean {
  const { failure_policy: policy = 'UNSPECIFIED' } = config;
  return policy === 'UNSPECIFIED' ? config.fail_open === true : policy === 'FAIL_OPEN';
}

/** As far as it says which requests are to be judged; with deny_at_disable the others are denied, too. */
function decodeExtAuthz(message: ExtAuthzPb, d: ConfigDecoder): Guard {
  if (message.deny_at_disable !== undefined) return DENIES;
  const { filter_enabled: share, filter_enabled_metadata: metadata } = message;
  return {
    effect: 'deny',
    metadata: metadata === undefined ? null : decodeMetadataMatcher(metadata, d.at('filter_enabled_metadata')),
    share: share === undefined ? null : decodeRuntimeFraction(share, d.at('filter_enabled')),
  };
}

class GuardFilter implements HttpFilter {
  readonly #guard: Guard;
  readonly #context: FilterContext;
  readonly #details: string;

  constructor(name: string, guard: Guard, context: FilterContext) {
    this.#guard = guard;
    this.#context = context;
    this.#details = detailsOf(name);
  }

  denies(stream: Pick<AskedRequest, 'info' | 'routeConfig'>): boolean {
    const { slot, runtime, random } = this.#context;
    const { share } = this.#guard;
    if ((stream.routeConfig(slot) as RouteGuard | null)?.isOff === true) return false;
    if (share !== null && !holds(share, runtime, random)) return false;
    return wouldJudge(this.#guard, stream.info);
  }

  decodeHeaders(stream: FilterStream): HeadersStatus {
    if (!this.denies(stream)) return 'continue';
    stream.sendLocalReply({ status: 403, body: '', details: this.#details });
    return 'stop';
  }
}

export function wouldJudge({ metadata }: Pick<Guard, 'metadata'>, info: StreamInfo): boolean {
  return metadata === null || metadata.matches(info.dynamicMetadata);
}

/** What logs say of whoever was turned away by a filter that there is not. */
export function detailsOf(name: string): string {
  return `unsupported_filter{${name}}`;
}

function makeGuard({ name, type, routeType, stands, decode }: Kind): HttpFilterFactory {
  return {
    name,
    configType: type,
    ...(routeType === undefined ? {} : { routeConfigType: routeType }),
    ...(stands === undefined ? {} : { stands }),
    fields: { [type]: '**', ...(routeType === undefined ? {} : { [routeType]: '**' }) },
    decode,
    decodeRoute: (message: { disabled?: boolean }): RouteGuard => ({ isOff: message.disabled === true }),
    standsIn: (guard: Guard) => guard.effect,
    create: (guard: Guard, context) => (guard.effect === 'inert' ? null : new GuardFilter(name, guard, context)),
  };
}

export const unsupportedGuards: readonly HttpFilterFactory[] = KINDS.map(makeGuard);
