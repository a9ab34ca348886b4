// The csrf filter (envoy.filters.http.csrf): refuses requests that change something and come from another site's page.
import type { StringMatcher } from '../../../base/matcher.ts';
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import { decodeStringMatcher, FRACTION_FIELDS, STRING_MATCHER_FIELDS } from '../../config/matcher.ts';
import type { RuntimeFractionalPercentPb, StringMatcherPb } from '../../config/matcher.ts';
import { defineHttpFilter } from '../filter.ts';
import type { FilterContext, FilterStream, HeadersStatus, HttpFilter } from '../filter.ts';
import { decodeRuntimeFraction, holds, type RuntimeFraction } from './runtime-fraction.ts';

const TYPE = 'envoy.extensions.filters.http.csrf.v3.CsrfPolicy';
const STATS = { missing_source_origin: 'counter', request_invalid: 'counter', request_valid: 'counter' } as const;
const CHANGING_METHODS: ReadonlySet<string> = new Set(['POST', 'PUT', 'DELETE', 'PATCH']);

type CsrfPb = {
  filter_enabled?: RuntimeFractionalPercentPb;
  shadow_enabled?: RuntimeFractionalPercentPb;
  additional_origins?: readonly StringMatcherPb[];
};
type CsrfPolicy = {
  readonly enabled: RuntimeFraction;
  readonly shadowEnabled: RuntimeFraction | null;
  readonly additionalOrigins: readonly StringMatcher[];
};

function decode(message: CsrfPb, d: ConfigDecoder): CsrfPolicy {
  const shadow = message.shadow_enabled;
  const origins = (message.additional_origins ?? []).map((matcher, i) =>
    decodeStringMatcher(matcher, d.at('additional_origins', i)),
  );
  return Object.freeze({
    enabled: decodeRuntimeFraction(message.filter_enabled ?? {}, d.at('filter_enabled')),
    shadowEnabled: shadow === undefined ? null : decodeRuntimeFraction(shadow, d.at('shadow_enabled')),
    additionalOrigins: Object.freeze(origins),
  });
}

class CsrfFilter implements HttpFilter {
  readonly #policy: CsrfPolicy;
  readonly #context: FilterContext;
  readonly #stats;

  constructor(policy: CsrfPolicy, context: FilterContext) {
    this.#policy = policy;
    this.#context = context;
    this.#stats = context.stats.scope(`${context.statPrefix}csrf.`, STATS);
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    if (!CHANGING_METHODS.has(headers.method)) return 'continue';
    const { slot, runtime, random } = this.#context;
    const policy = (stream.routeConfig(slot) as CsrfPolicy | null) ?? this.#policy;
    const isEnabled = holds(policy.enabled, runtime, random);
    if (!isEnabled && (policy.shadowEnabled === null || !holds(policy.shadowEnabled, runtime, random))) {
      return 'continue';
    }
    const stats = this.#stats;
    const source = sourceOf(headers);
    if (source === '') stats.inc(stats.i.missing_source_origin);
    else if (source === headers.authority || policy.additionalOrigins.some((one) => one.matches(source))) {
      stats.inc(stats.i.request_valid);
      return 'continue';
    } else stats.inc(stats.i.request_invalid);
    if (!isEnabled) return 'continue';
    stream.sendLocalReply({ status: 403, body: 'Invalid origin', details: 'csrf_origin_mismatch' });
    return 'stop';
  }
}

/** Host and port of the page that the request comes from; what is no URL counts as it is. */
function sourceOf(headers: Headers): string {
  const origin = headers.getAll(H.origin) ?? '';
  return hostAndPort(origin === 'null' || origin === '' ? (headers.getAll(H.referer) ?? '') : origin);
}

function hostAndPort(url: string): string {
  const found = /^[a-z][a-z\d+.-]*:\/\/(?:[^/?#@]*@)?([^/?#]+)/i.exec(url);
  return found === null ? url : (found[1] as string);
}

export const csrf = defineHttpFilter<CsrfPolicy, CsrfPolicy, CsrfPb, CsrfPb>({
  name: 'envoy.filters.http.csrf',
  configType: TYPE,
  fields: {
    [TYPE]: 'filter_enabled shadow_enabled additional_origins',
    ...STRING_MATCHER_FIELDS,
    ...FRACTION_FIELDS,
  },
  decode,
  decodeRoute: decode,
  create: (config, context) => new CsrfFilter(config, context),
});
