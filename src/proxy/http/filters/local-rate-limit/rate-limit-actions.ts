// Turns a request into rate limit descriptors: the `rate_limits` of a configuration, compiled.
import { CidrSet, formatCidr, hasIp, makeCidr } from '../../../../base/ip.ts';
import { bytesOf } from '../../../../base/matcher-text.ts';
import type { HeaderKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import {
  decodeCidrs,
  decodeHeaderMatchers,
  decodeQueryParameterMatcher,
  matchedHeaderKey,
} from '../../../config/matcher.ts';
import type {
  CidrRangePb,
  HeaderMatcher,
  HeaderMatcherPb,
  QueryParameterMatcher,
  QueryParameterMatcherPb,
} from '../../../config/matcher.ts';
import { compileFormat } from '../../../formatter/text-formatter.ts';
import type { Formatter } from '../../../formatter/text-formatter.ts';
import type { FilterStream } from '../../filter.ts';
import { MISSING_IS_EMPTY } from '../header-mutation/field-mutations.ts';
import { isInline } from '../header-mutation/inline-headers.ts';
import { parseQuery } from '../header-mutation/query-mutations.ts';

type MetadataKeyPb = { key?: string; path?: readonly { key?: string }[] };

type ActionPb = {
  generic_key?: { descriptor_value?: string; descriptor_key?: string };
  source_cluster?: object;
  dynamic_metadata?: { descriptor_key?: string; metadata_key?: MetadataKeyPb; default_value?: string };
  request_headers?: { header_name?: string; descriptor_key?: string; skip_if_absent?: boolean };
  query_parameters?: { query_parameter_name?: string; descriptor_key?: string; skip_if_absent?: boolean };
  remote_address?: object;
  masked_remote_address?: { v4_prefix_mask_len?: number; v6_prefix_mask_len?: number };
  destination_cluster?: object;
  header_value_match?: {
    descriptor_value?: string;
    descriptor_key?: string;
    expect_match?: boolean;
    headers?: readonly HeaderMatcherPb[];
  };
  query_parameter_value_match?: {
    descriptor_value?: string;
    descriptor_key?: string;
    expect_match?: boolean;
    query_parameters?: readonly QueryParameterMatcherPb[];
  };
  remote_address_match?: {
    descriptor_value?: string;
    descriptor_key?: string;
    default_value?: string;
    address_matcher?: { ranges?: CidrRangePb[]; invert_match?: boolean };
  };
  metadata?: {
    descriptor_key?: string;
    metadata_key?: MetadataKeyPb;
    default_value?: string;
    source?: string;
    skip_if_absent?: boolean;
  };
};

export type RateLimitPb = {
  stage?: number;
  disable_key?: string;
  actions?: readonly ActionPb[];
  hits_addend?: { number?: number | bigint; format?: string; is_negative_hits?: boolean };
  apply_on_stream_done?: boolean;
  x_ratelimit_option?: string;
};

const ACTION = 'envoy.config.route.v3.RateLimit.Action';

/** Left out, and so refused: extensions. */
export const RATE_LIMIT_FIELDS = {
  'envoy.config.route.v3.RateLimit': 'actions stage disable_key hits_addend x_ratelimit_option apply_on_stream_done',
  'envoy.config.route.v3.RateLimit.HitsAddend': 'number format is_negative_hits',
  [ACTION]:
    'generic_key request_headers query_parameters remote_address masked_remote_address destination_cluster ' +
    'header_value_match query_parameter_value_match remote_address_match metadata source_cluster dynamic_metadata',
  [`${ACTION}.SourceCluster`]: '',
  [`${ACTION}.DynamicMetaData`]: 'descriptor_key metadata_key default_value',
  [`${ACTION}.GenericKey`]: 'descriptor_value descriptor_key',
  [`${ACTION}.RequestHeaders`]: 'header_name descriptor_key skip_if_absent',
  [`${ACTION}.QueryParameters`]: 'query_parameter_name descriptor_key skip_if_absent',
  [`${ACTION}.RemoteAddress`]: '',
  [`${ACTION}.MaskedRemoteAddress`]: 'v4_prefix_mask_len v6_prefix_mask_len',
  [`${ACTION}.DestinationCluster`]: '',
  [`${ACTION}.HeaderValueMatch`]: 'descriptor_value descriptor_key expect_match headers',
  [`${ACTION}.QueryParameterValueMatch`]: 'descriptor_value descriptor_key expect_match query_parameters',
  [`${ACTION}.RemoteAddressMatch`]: 'descriptor_value descriptor_key default_value address_matcher',
  [`${ACTION}.MetaData`]: 'descriptor_key metadata_key default_value source skip_if_absent',
  'xds.core.v3.CidrRange': 'address_prefix prefix_len',
  'envoy.type.metadata.v3.MetadataKey': 'key path',
  'envoy.type.metadata.v3.MetadataKey.PathSegment': 'key',
} as const;

/** Adds `key, value` to the entries; false when the request has no descriptor of this kind at all. */
type Action = { append(entries: string[], stream: FilterStream, headers: Headers): boolean };

/** What a request is counted under: key, value, key, value, … */
export type RequestDescriptor = {
  readonly entries: readonly string[];
  readonly hits: number;
  /** Gives tokens back instead of taking them. */
  readonly isRefill: boolean;
  /** Whether x-ratelimit headers tell of it; null: as the filter says. */
  readonly hasHeaders: boolean | null;
};

/** One RateLimit message. */
export type DescriptorSource = {
  readonly actions: readonly Action[];
  readonly stage: number;
  readonly hasDisableKey: boolean;
  readonly hits: number;
  /** What tells the hits of each request, or null. */
  readonly hitsFormat: Formatter | null;
  readonly isRefill: boolean;
  readonly hasHeaders: boolean | null;
};

export function decodeRateLimits(
  messages: readonly RateLimitPb[] | undefined,
  d: ConfigDecoder,
): readonly DescriptorSource[] {
  return Object.freeze((messages ?? []).map((message, i) => decodeRateLimit(message, d.at('rate_limits', i))));
}

/** Of the filter itself: there is nothing to choose among. */
export function refuseChoices(messages: readonly RateLimitPb[] | undefined, d: ConfigDecoder): void {
  for (const [i, message] of (messages ?? []).entries()) {
    const at = d.at('rate_limits', i);
    if (message.stage !== undefined) at.reject('stage', 'not supported here');
    if (message.disable_key !== undefined && message.disable_key !== '') at.reject('disable_key', 'not supported here');
  }
}

function decodeRateLimit(message: RateLimitPb, d: ConfigDecoder): DescriptorSource {
  const { hits_addend: addend, x_ratelimit_option: option } = message;
  const format = addend?.format ?? '';
  return Object.freeze({
    actions: Object.freeze((message.actions ?? []).map((action, i) => decodeAction(action, d.at('actions', i)))),
    stage: message.stage ?? 0,
    hasDisableKey: (message.disable_key ?? '') !== '',
    hits: Number(addend?.number ?? 1),
    hitsFormat: format === '' ? null : compileFormat(format, d.at('hits_addend').at('format'), MISSING_IS_EMPTY),
    isRefill: addend?.is_negative_hits === true,
    hasHeaders: option === 'OFF' ? false : option === 'DRAFT_VERSION_03' ? true : null,
  });
}

/** The descriptors of a request; an action that finds nothing to say drops its whole descriptor. */
export function describe(
  sources: readonly DescriptorSource[],
  stream: FilterStream,
  headers: Headers,
): RequestDescriptor[] {
  const descriptors: RequestDescriptor[] = [];
  for (const source of sources) addDescriptor(descriptors, source, stream, headers);
  return descriptors;
}

/** `countsOnce`: of a route, whose hits_addend Envoy does not look at here. */
export function addDescriptor(
  descriptors: RequestDescriptor[],
  { actions, hits, hitsFormat, isRefill, hasHeaders }: DescriptorSource,
  stream: FilterStream,
  headers: Headers,
  countsOnce = false,
): void {
  const entries: string[] = [];
  for (let i = 0; i < actions.length; i++) if (!(actions[i] as Action).append(entries, stream, headers)) return;
  if (countsOnce) {
    descriptors.push({ entries, hits: 1, isRefill: false, hasHeaders });
    return;
  }
  const told = hitsFormat === null ? hits : hitsOf(hitsFormat.format(stream));
  if (told !== null) descriptors.push({ entries, hits: told, isRefill, hasHeaders });
}

/** Null when the text is no number: then there is no descriptor. */
function hitsOf(text: string): number | null {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : null;
}

function decodeAction(message: ActionPb, d: ConfigDecoder): Action {
  if (message.generic_key !== undefined) {
    const { descriptor_key: key, descriptor_value: value } = message.generic_key;
    return new GenericKey(bytesOf(key || 'generic_key'), bytesOf(value ?? ''));
  }
  if (message.request_headers !== undefined) {
    const { header_name: name = '', descriptor_key: key = '', skip_if_absent: skip = false } = message.request_headers;
    return new RequestHeader(matchedHeaderKey(name), bytesOf(key), skip);
  }
  if (message.query_parameters !== undefined) {
    const { query_parameter_name: name = '', descriptor_key: key = '', skip_if_absent } = message.query_parameters;
    return new QueryParameter(bytesOf(name), bytesOf(key), skip_if_absent ?? false);
  }
  if (message.remote_address !== undefined) return REMOTE_ADDRESS;
  if (message.masked_remote_address !== undefined) {
    const { v4_prefix_mask_len: v4 = 32, v6_prefix_mask_len: v6 = 128 } = message.masked_remote_address;
    return new MaskedRemoteAddress(v4, v6);
  }
  if (message.destination_cluster !== undefined) return DESTINATION_CLUSTER;
  if (message.source_cluster !== undefined) {
    const { serviceCluster = '' } = d.environment as { readonly serviceCluster?: string };
    return new SourceCluster(bytesOf(serviceCluster));
  }
  if (message.metadata !== undefined) return new MetadataValue(message.metadata);
  if (message.dynamic_metadata !== undefined) return new MetadataValue(message.dynamic_metadata);
  const matching = decodeMatchingAction(message, d);
  if (matching === null) d.reject('', `not supported: ${Object.keys(message)[0] ?? 'empty action'}`);
  return matching ?? REMOTE_ADDRESS;
}

function decodeMatchingAction(message: ActionPb, d: ConfigDecoder): Action | null {
  if (message.header_value_match !== undefined) {
    const { descriptor_key: key, descriptor_value: value, expect_match, headers } = message.header_value_match;
    const matchers = decodeHeaderMatchers(headers, d.at('header_value_match'), 'headers');
    return new HeaderValueMatch(bytesOf(key || 'header_match'), bytesOf(value ?? ''), expect_match ?? true, matchers);
  }
  if (message.query_parameter_value_match !== undefined) {
    const { descriptor_key: key, descriptor_value: value, expect_match } = message.query_parameter_value_match;
    const at = d.at('query_parameter_value_match');
    const matchers = (message.query_parameter_value_match.query_parameters ?? []).map((each, i) =>
      decodeQueryParameterMatcher(each, at.at('query_parameters', i)),
    );
    return new QueryValueMatch(bytesOf(key || 'query_match'), bytesOf(value ?? ''), expect_match ?? true, matchers);
  }
  if (message.remote_address_match === undefined) return null;
  const { descriptor_key: key, default_value: fallback = '', address_matcher: matcher } = message.remote_address_match;
  const at = d.at('remote_address_match');
  const value = message.remote_address_match.descriptor_value ?? '';
  return new RemoteAddressMatch(
    bytesOf(key || 'remote_address_match'),
    compileFormat(value, at.at('descriptor_value'), MISSING_IS_EMPTY),
    bytesOf(fallback),
    new CidrSet(decodeCidrs(matcher?.ranges, at.at('address_matcher'), 'ranges')),
    matcher?.invert_match === true,
  );
}

class SourceCluster implements Action {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  append(entries: string[]): boolean {
    entries.push('source_cluster', this.#name);
    return true;
  }
}

class GenericKey implements Action {
  readonly #key: string;
  readonly #value: string;

  constructor(key: string, value: string) {
    this.#key = key;
    this.#value = value;
  }

  append(entries: string[]): boolean {
    entries.push(this.#key, this.#value);
    return true;
  }
}

class RequestHeader implements Action {
  readonly #name: HeaderKey;
  readonly #isInline: boolean;
  readonly #key: string;
  readonly #skipIfAbsent: boolean;

  constructor(name: HeaderKey, key: string, skipIfAbsent: boolean) {
    this.#name = name;
    this.#isInline = isInline(name, 'request');
    this.#key = key;
    this.#skipIfAbsent = skipIfAbsent;
  }

  append(entries: string[], _stream: FilterStream, headers: Headers): boolean {
    // The first value; of a header that has one value by nature all that came for it.
    const value = this.#isInline ? headers.getAll(this.#name) : headers.get(this.#name);
    if (value === undefined) return this.#skipIfAbsent;
    entries.push(this.#key, value);
    return true;
  }
}

class QueryParameter implements Action {
  readonly #name: string;
  readonly #key: string;
  readonly #skipIfAbsent: boolean;

  constructor(name: string, key: string, skipIfAbsent: boolean) {
    this.#name = name;
    this.#key = key;
    this.#skipIfAbsent = skipIfAbsent;
  }

  append(entries: string[], _stream: FilterStream, headers: Headers): boolean {
    const value = parseQuery(headers.path).get(this.#name)?.[0];
    if (value === undefined) return this.#skipIfAbsent;
    entries.push(this.#key, value);
    return true;
  }
}

const REMOTE_ADDRESS: Action = {
  append(entries, stream) {
    const { remoteAddress } = stream.info;
    if (!hasIp(remoteAddress)) return false;
    entries.push('remote_address', remoteAddress.address);
    return true;
  },
};

const DESTINATION_CLUSTER: Action = {
  append(entries, stream) {
    if (!stream.route?.forward) return false;
    entries.push('destination_cluster', bytesOf(stream.route.clusterName));
    return true;
  },
};

class MaskedRemoteAddress implements Action {
  readonly #v4Length: number;
  readonly #v6Length: number;

  constructor(v4Length: number, v6Length: number) {
    this.#v4Length = v4Length;
    this.#v6Length = v6Length;
  }

  append(entries: string[], stream: FilterStream): boolean {
    const { remoteAddress } = stream.info;
    if (!hasIp(remoteAddress)) return false;
    const { family, address } = remoteAddress;
    const cidr = makeCidr(address, family === 'ipv4' ? this.#v4Length : this.#v6Length);
    if (cidr === null) return false;
    entries.push('masked_remote_address', formatCidr(cidr));
    return true;
  }
}

class HeaderValueMatch implements Action {
  readonly #key: string;
  readonly #value: string;
  readonly #expected: boolean;
  readonly #matchers: readonly HeaderMatcher[];

  constructor(key: string, value: string, expected: boolean, matchers: readonly HeaderMatcher[]) {
    this.#key = key;
    this.#value = value;
    this.#expected = expected;
    this.#matchers = matchers;
  }

  append(entries: string[], _stream: FilterStream, headers: Headers): boolean {
    if (this.#matchers.every((matcher) => matcher.matches(headers)) !== this.#expected) return false;
    entries.push(this.#key, this.#value);
    return true;
  }
}

class QueryValueMatch implements Action {
  readonly #key: string;
  readonly #value: string;
  readonly #expected: boolean;
  readonly #matchers: readonly QueryParameterMatcher[];

  constructor(key: string, value: string, expected: boolean, matchers: readonly QueryParameterMatcher[]) {
    this.#key = key;
    this.#value = value;
    this.#expected = expected;
    this.#matchers = matchers;
  }

  append(entries: string[], _stream: FilterStream, headers: Headers): boolean {
    const first = new Map<string, string>();
    for (const [name, values] of parseQuery(headers.path)) first.set(name, values[0] as string);
    if (this.#matchers.every((matcher) => matcher.matches(first)) !== this.#expected) return false;
    entries.push(this.#key, this.#value);
    return true;
  }
}

class RemoteAddressMatch implements Action {
  readonly #key: string;
  readonly #format: Formatter;
  readonly #fallback: string;
  readonly #ranges: CidrSet;
  readonly #isInverted: boolean;

  constructor(key: string, format: Formatter, fallback: string, ranges: CidrSet, isInverted: boolean) {
    this.#key = key;
    this.#format = format;
    this.#fallback = fallback;
    this.#ranges = ranges;
    this.#isInverted = isInverted;
  }

  append(entries: string[], stream: FilterStream): boolean {
    const { remoteAddress } = stream.info;
    if (!hasIp(remoteAddress) || this.#ranges.contains(remoteAddress.address) === this.#isInverted) return false;
    const value = this.#format.format(stream) || this.#fallback;
    if (value === '') return false;
    entries.push(this.#key, value);
    return true;
  }
}

class MetadataValue implements Action {
  readonly #namespace: string;
  readonly #path: readonly string[];
  readonly #key: string;
  readonly #fallback: string;
  readonly #fromRoute: boolean;
  readonly #skipIfAbsent: boolean;

  constructor(message: NonNullable<ActionPb['metadata']>) {
    this.#namespace = message.metadata_key?.key ?? '';
    this.#path = (message.metadata_key?.path ?? []).map((segment) => segment.key ?? '');
    this.#key = bytesOf(message.descriptor_key ?? '');
    this.#fallback = bytesOf(message.default_value ?? '');
    this.#fromRoute = message.source === 'ROUTE_ENTRY';
    this.#skipIfAbsent = message.skip_if_absent === true;
  }

  append(entries: string[], stream: FilterStream): boolean {
    const all = this.#fromRoute ? stream.route?.metadata : stream.info.dynamicMetadata;
    let found: unknown = all?.get(this.#namespace);
    for (const key of this.#path) {
      const isObject = typeof found === 'object' && found !== null && Object.hasOwn(found, key);
      found = isObject ? (found as Record<string, unknown>)[key] : undefined;
    }
    const value = typeof found === 'string' && found !== '' ? bytesOf(found) : this.#fallback;
    if (value === '') return this.#skipIfAbsent;
    entries.push(this.#key, value);
    return true;
  }
}
