// Decodes Envoy's matcher messages (strings, headers, query parameters, metadata, fractions) into compiled matchers.
import { CidrSet, type Cidr, makeCidr } from '../../base/ip.ts';
import { bytesOf } from '../../base/matcher-text.ts';
import { compileStringMatch, IntegerRange, type StringMatch, type StringMatcher } from '../../base/matcher.ts';
import { compileRegex, parseSubstitution, type Regex, type Substitution } from '../../base/regex.ts';
import { H, type HeaderKey, headerKey, PSEUDO_LIMIT } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FractionalPercent } from '../http/filter.ts';
import { inlineRequestHeaders } from '../../wire/inline-headers.ts';
import { type FilterStateObject, findFilterState, type StreamInfo } from '../stream-info.ts';

/** Fields that take effect, per message; for the tables of whoever decodes with this file. */
export const STRING_MATCHER_FIELDS = {
  'envoy.type.matcher.v3.RegexMatcher': 'google_re2 regex',
  'envoy.type.matcher.v3.RegexMatcher.GoogleRE2': 'max_program_size',
  'envoy.type.matcher.v3.RegexMatchAndSubstitute': 'pattern substitution',
  'envoy.type.matcher.v3.StringMatcher': 'exact prefix suffix safe_regex contains ignore_case',
  'envoy.type.matcher.v3.ListStringMatcher': 'patterns',
} as const;

export const HEADER_MATCHER_FIELDS = {
  ...STRING_MATCHER_FIELDS,
  'envoy.config.route.v3.HeaderMatcher':
    'name exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match ' +
    'string_match invert_match treat_missing_header_as_empty',
  'envoy.config.route.v3.QueryParameterMatcher': 'name string_match present_match',
  'envoy.config.route.v3.CookieMatcher': 'name string_match invert_match',
  'envoy.type.v3.Int64Range': 'start end',
} as const;

export const FRACTION_FIELDS = {
  'envoy.type.v3.FractionalPercent': 'numerator denominator',
  'envoy.type.v3.Percent': 'value',
  'envoy.config.core.v3.RuntimeFractionalPercent': 'default_value runtime_key',
} as const;

export const METADATA_MATCHER_FIELDS = {
  ...STRING_MATCHER_FIELDS,
  'envoy.type.matcher.v3.DoubleMatcher': 'range exact',
  'envoy.type.v3.DoubleRange': 'start end',
  'envoy.type.matcher.v3.ValueMatcher':
    'null_match double_match string_match bool_match present_match list_match or_match',
  'envoy.type.matcher.v3.ValueMatcher.NullMatch': '',
  'envoy.type.matcher.v3.ListMatcher': 'one_of',
  'envoy.type.matcher.v3.OrMatcher': 'value_matchers',
  'envoy.type.matcher.v3.MetadataMatcher': 'filter path value invert',
  'envoy.type.matcher.v3.MetadataMatcher.PathSegment': 'key',
} as const;

/** All of the above, and addresses, paths and filter state. */
export const MATCHER_FIELDS = {
  ...HEADER_MATCHER_FIELDS,
  ...FRACTION_FIELDS,
  ...METADATA_MATCHER_FIELDS,
  'envoy.config.core.v3.CidrRange': 'address_prefix prefix_len',
  'envoy.type.matcher.v3.PathMatcher': 'path',
  'envoy.type.matcher.v3.AddressMatcher': 'ranges invert_match',
  'envoy.type.matcher.v3.FilterStateMatcher': 'key string_match address_match',
} as const;

export type RegexMatcherPb = { regex?: string; google_re2?: { max_program_size?: number } };
export type StringMatcherPb = {
  exact?: string;
  prefix?: string;
  suffix?: string;
  contains?: string;
  safe_regex?: RegexMatcherPb;
  custom?: unknown;
  ignore_case?: boolean;
};
export type HeaderMatcherPb = {
  name?: string;
  exact_match?: string;
  safe_regex_match?: RegexMatcherPb;
  range_match?: { start?: number | bigint; end?: number | bigint };
  present_match?: boolean;
  prefix_match?: string;
  suffix_match?: string;
  contains_match?: string;
  string_match?: StringMatcherPb;
  invert_match?: boolean;
  treat_missing_header_as_empty?: boolean;
};
export type QueryParameterMatcherPb = { name?: string; string_match?: StringMatcherPb; present_match?: boolean };
export type CidrRangePb = { address_prefix?: string; prefix_len?: number };
export type ValueMatcherPb = {
  null_match?: object;
  double_match?: { range?: { start?: number; end?: number }; exact?: number };
  string_match?: StringMatcherPb;
  bool_match?: boolean;
  present_match?: boolean;
  list_match?: { one_of?: ValueMatcherPb };
  or_match?: { value_matchers?: ValueMatcherPb[] };
};
export type MetadataMatcherPb = {
  filter?: string;
  path?: { key?: string }[];
  value?: ValueMatcherPb;
  invert?: boolean;
};
export type FilterStateMatcherPb = {
  key?: string;
  string_match?: StringMatcherPb;
  address_match?: { ranges?: CidrRangePb[]; invert_match?: boolean };
};
export type FractionalPercentPb = { numerator?: number; denominator?: string | number };
export type RuntimeFractionalPercentPb = { default_value?: FractionalPercentPb; runtime_key?: string };

/** Runtime key and default: how large RE2's program of a pattern may be that sets no limit of its own. */
const MAX_SIZE_KEY = 're2.max_program_size.error_level';
const MAX_SIZE = 100;

/** What stands in for a matcher that was rejected. */
const NEVER: StringMatcher = { matches: () => false };

export function decodeRegex(message: RegexMatcherPb | undefined, d: ConfigDecoder): Regex | null {
  const compiled = compileRegex(message?.regex ?? '');
  if ('error' in compiled) {
    d.reject('regex', compiled.error);
    return null;
  }
  const own = message?.google_re2?.max_program_size;
  const { runtime } = d.environment;
  const limit = own ?? runtime?.number(MAX_SIZE_KEY, MAX_SIZE) ?? MAX_SIZE;
  const size = compiled.programSize();
  if (size <= limit) return compiled;
  const advice = own === undefined ? `; raise the runtime value ${MAX_SIZE_KEY} if it must be` : '';
  d.reject('regex', `RE2 program size of ${size} > max program size of ${limit}${advice}`);
  return null;
}

export type RegexRewrite = { readonly regex: Regex; readonly substitution: Substitution };

/** Decodes a RegexMatchAndSubstitute; null after rejecting it. */
export function decodeRegexRewrite(
  message: { pattern?: RegexMatcherPb; substitution?: string },
  d: ConfigDecoder,
): RegexRewrite | null {
  const regex = decodeRegex(message.pattern, d.at('pattern'));
  if (regex === null) return null;
  const substitution = parseSubstitution(bytesOf(message.substitution ?? ''), regex.groups);
  if (!('error' in substitution)) return { regex, substitution };
  d.reject('substitution', substitution.error);
  return null;
}

export function decodeStringMatcher(message: StringMatcherPb | undefined, d: ConfigDecoder): StringMatcher {
  if (message === undefined) {
    d.reject('', 'is required');
    return NEVER;
  }
  const ignoreCase = message.ignore_case === true;
  if (message.exact !== undefined) return compile({ kind: 'exact', value: message.exact, ignoreCase }, d);
  if (message.prefix !== undefined) return compile({ kind: 'prefix', value: message.prefix, ignoreCase }, d);
  if (message.suffix !== undefined) return compile({ kind: 'suffix', value: message.suffix, ignoreCase }, d);
  if (message.contains !== undefined) return compile({ kind: 'contains', value: message.contains, ignoreCase }, d);
  if (message.safe_regex !== undefined) {
    if (ignoreCase) d.reject('ignore_case', 'has no effect for safe_regex');
    return decodeRegex(message.safe_regex, d.at('safe_regex')) ?? NEVER;
  }
  d.reject('', message.custom === undefined ? 'match_pattern is required' : 'custom matchers are not supported');
  return NEVER;
}

function compile(match: StringMatch, d: ConfigDecoder): StringMatcher {
  const compiled = compileStringMatch(match);
  if (!('error' in compiled)) return compiled;
  d.reject('', compiled.error);
  return NEVER;
}

/** Any of the patterns; null when there are none. */
export function decodeStringMatchers(
  messages: readonly StringMatcherPb[] | undefined,
  d: ConfigDecoder,
  field: string,
): StringMatcher | null {
  if (messages === undefined || messages.length === 0) return null;
  const matchers = messages.map((message, i) => decodeStringMatcher(message, d.at(field, i)));
  return matchers.length === 1 ? (matchers[0] as StringMatcher) : new AnyString(matchers);
}

class AnyString implements StringMatcher {
  readonly #matchers: readonly StringMatcher[];
  constructor(matchers: readonly StringMatcher[]) {
    this.#matchers = matchers;
  }
  matches(value: string): boolean {
    for (const matcher of this.#matchers) if (matcher.matches(value)) return true;
    return false;
  }
}

export type HeaderMatcher = { matches(headers: Headers): boolean };

/** The key under which a configured header name is looked up; `host` is the authority, as in Envoy's header map. */
export function matchedHeaderKey(name: string): HeaderKey {
  const key = headerKey(name);
  return key === H.host ? H[':authority'] : key;
}

export function decodeHeaderMatcher(message: HeaderMatcherPb, d: ConfigDecoder): HeaderMatcher {
  const key = matchedHeaderKey(message.name ?? '');
  const invert = message.invert_match === true;
  const missingIsEmpty = message.treat_missing_header_as_empty === true;
  const value = headerValueMatcher(message, d);
  if (value === null) return new HeaderPresence(key, (message.present_match ?? true) !== invert, missingIsEmpty);
  return new HeaderValue(key, value, invert, missingIsEmpty);
}

function headerValueMatcher(message: HeaderMatcherPb, d: ConfigDecoder): StringMatcher | null {
  const of = (kind: 'exact' | 'prefix' | 'suffix' | 'contains', value: string): StringMatcher =>
    compile({ kind, value, ignoreCase: false }, d);
  // The deprecated exact_match with an empty value matches any value.
  if (message.exact_match !== undefined)
    return message.exact_match === '' ? of('prefix', '') : of('exact', message.exact_match);
  if (message.prefix_match !== undefined) return of('prefix', message.prefix_match);
  if (message.suffix_match !== undefined) return of('suffix', message.suffix_match);
  if (message.contains_match !== undefined) return of('contains', message.contains_match);
  if (message.string_match !== undefined) return decodeStringMatcher(message.string_match, d.at('string_match'));
  if (message.safe_regex_match !== undefined)
    return decodeRegex(message.safe_regex_match, d.at('safe_regex_match')) ?? NEVER;
  if (message.range_match !== undefined)
    return new IntegerRange(message.range_match.start ?? 0, message.range_match.end ?? 0);
  return null;
}

class HeaderPresence implements HeaderMatcher {
  readonly #key: HeaderKey;
  readonly #wanted: boolean;
  readonly #missingIsEmpty: boolean;
  constructor(key: HeaderKey, wanted: boolean, missingIsEmpty: boolean) {
    this.#key = key;
    this.#wanted = wanted;
    this.#missingIsEmpty = missingIsEmpty;
  }
  matches(headers: Headers): boolean {
    return (this.#missingIsEmpty || headers.get(this.#key) !== undefined) === this.#wanted;
  }
}

/** Matches when any of the header's values does, each taken alone; a header of one value by nature is joined first. */
class HeaderValue implements HeaderMatcher {
  readonly #key: HeaderKey;
  readonly #value: StringMatcher;
  readonly #invert: boolean;
  readonly #missingIsEmpty: boolean;
  readonly #isJoined: boolean;
  constructor(key: HeaderKey, value: StringMatcher, invert: boolean, missingIsEmpty: boolean) {
    this.#key = key;
    this.#value = value;
    this.#invert = invert;
    this.#missingIsEmpty = missingIsEmpty;
    this.#isJoined = (typeof key === 'number' && key < PSEUDO_LIMIT) || inlineRequestHeaders.has(key);
  }
  matches(headers: Headers): boolean {
    if (this.#isJoined) {
      const value = headers.getAll(this.#key);
      if (value !== undefined) return this.#value.matches(value) !== this.#invert;
    } else if (typeof this.#key === 'string' || headers.mayHave(this.#key)) {
      const { kv } = headers;
      let isPresent = false;
      for (let i = 0; i < kv.length; i += 2) {
        if (kv[i] !== this.#key) continue;
        if (this.#value.matches(kv[i + 1] as string)) return !this.#invert;
        isPresent = true;
      }
      if (isPresent) return this.#invert;
    }
    // A missing header matches nothing, inverted or not.
    return this.#missingIsEmpty && this.#value.matches('') !== this.#invert;
  }
}

export function decodeHeaderMatchers(
  messages: readonly HeaderMatcherPb[] | undefined,
  d: ConfigDecoder,
  field: string,
): HeaderMatcher[] {
  return (messages ?? []).map((message, i) => decodeHeaderMatcher(message, d.at(field, i)));
}

/** The parameters of a query string, not decoded; of several with one name the first. */
export type QueryParameters = ReadonlyMap<string, string>;

/** Parses what follows '?' in a path. Source: Envoy QueryParamsMulti::parseQueryString. */
export function parseQuery(path: string): QueryParameters {
  const start = path.indexOf('?');
  const parameters = new Map<string, string>();
  if (start < 0) return parameters;
  const query = path.slice(start + 1);
  for (let at = 0; at < query.length; ) {
    let end = query.indexOf('&', at);
    if (end < 0) end = query.length;
    const equals = query.indexOf('=', at);
    const hasValue = equals >= 0 && equals < end;
    const name = query.slice(at, hasValue ? equals : end);
    if (!parameters.has(name)) parameters.set(name, hasValue ? query.slice(equals + 1, end) : '');
    at = end + 1;
  }
  return parameters;
}

export type QueryParameterMatcher = { matches(parameters: QueryParameters): boolean };

export function decodeQueryParameterMatcher(message: QueryParameterMatcherPb, d: ConfigDecoder): QueryParameterMatcher {
  const name = bytesOf(message.name ?? '');
  if (message.string_match !== undefined) {
    const value = decodeStringMatcher(message.string_match, d.at('string_match'));
    return {
      matches(parameters) {
        const found = parameters.get(name);
        return found !== undefined && value.matches(found);
      },
    };
  }
  const wanted = message.present_match ?? true;
  return { matches: (parameters) => parameters.has(name) === wanted };
}

export type CookieMatcherPb = { name?: string; string_match?: StringMatcherPb; invert_match?: boolean };
export type CookieMatcher = { matches(cookies: ReadonlyMap<string, string>): boolean };

export function decodeCookieMatcher(message: CookieMatcherPb, d: ConfigDecoder): CookieMatcher {
  const name = bytesOf(message.name ?? '');
  const value = decodeStringMatcher(message.string_match, d.at('string_match'));
  const invert = message.invert_match === true;
  return {
    matches(cookies) {
      const found = cookies.get(name);
      return (found !== undefined && value.matches(found)) !== invert;
    },
  };
}

/** The request's cookies; of several with one name the first. Source: Envoy Utility::parseCookies. */
export function parseCookies(headers: Headers): Map<string, string> {
  const cookies = new Map<string, string>();
  const { kv } = headers;
  for (let i = 0; i < kv.length; i += 2) {
    if (kv[i] !== H.cookie) continue;
    for (const part of (kv[i + 1] as string).split(';')) {
      const equals = part.indexOf('=');
      if (equals < 0) continue;
      let start = 0;
      while (part[start] === ' ') start++;
      const name = part.slice(start, equals);
      if (cookies.has(name)) continue;
      const value = part.slice(equals + 1);
      const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
      cookies.set(name, isQuoted ? value.slice(1, -1) : value);
    }
  }
  return cookies;
}

export function decodeCidrs(messages: readonly CidrRangePb[] | undefined, d: ConfigDecoder, field: string): Cidr[] {
  const cidrs: Cidr[] = [];
  for (const [i, message] of (messages ?? []).entries()) {
    const cidr = makeCidr(message.address_prefix ?? '', message.prefix_len ?? 0);
    if (cidr === null) d.at(field, i).reject('address_prefix', `"${message.address_prefix ?? ''}" is no IP address`);
    else cidrs.push(cidr);
  }
  return cidrs;
}

/** Matches JSON values: those of dynamic metadata and of Struct. */
export type ValueMatcher = { matches(value: unknown): boolean };

export function decodeValueMatcher(message: ValueMatcherPb | undefined, d: ConfigDecoder): ValueMatcher {
  if (message?.null_match !== undefined) return { matches: (value) => value === null };
  if (message?.double_match !== undefined) {
    const { range, exact } = message.double_match;
    if (range === undefined) return { matches: (value) => value === (exact ?? 0) };
    const { start = 0, end = 0 } = range;
    return { matches: (value) => typeof value === 'number' && value >= start && value < end };
  }
  if (message?.string_match !== undefined) {
    const matcher = decodeStringMatcher(message.string_match, d.at('string_match'));
    return { matches: (value) => typeof value === 'string' && matcher.matches(bytesOf(value)) };
  }
  if (message?.bool_match !== undefined) {
    const wanted = message.bool_match;
    return { matches: (value) => value === wanted };
  }
  if (message?.present_match !== undefined) {
    const wanted = message.present_match;
    // What is absent matches neither, as in Envoy.
    return { matches: (value) => wanted && value !== undefined };
  }
  if (message?.list_match !== undefined) {
    const element = decodeValueMatcher(message.list_match.one_of, d.at('list_match').at('one_of'));
    return { matches: (value) => Array.isArray(value) && value.some((each) => element.matches(each)) };
  }
  if (message?.or_match !== undefined) {
    const at = d.at('or_match');
    const matchers = (message.or_match.value_matchers ?? []).map((each, i) =>
      decodeValueMatcher(each, at.at('value_matchers', i)),
    );
    return { matches: (value) => matchers.some((matcher) => matcher.matches(value)) };
  }
  d.reject('', 'match_pattern is required');
  return NEVER as ValueMatcher;
}

/** Metadata as stream info and configuration keep it: namespace → JSON object. */
export type Metadata = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

export type MetadataMatcher = {
  matches(metadata: Metadata | null): boolean;
};

export function decodeMetadataMatcher(message: MetadataMatcherPb, d: ConfigDecoder): MetadataMatcher {
  const filter = message.filter ?? '';
  const path = (message.path ?? []).map((segment) => segment.key ?? '');
  const value = decodeValueMatcher(message.value, d.at('value'));
  const invert = message.invert === true;
  return {
    matches(metadata) {
      return value.matches(metadataValue(metadata, filter, path)) !== invert;
    },
  };
}

/** Undefined where there is none. */
export function metadataValue(metadata: Metadata | null, namespace: string, path: readonly string[]): unknown {
  let found: unknown = metadata?.get(namespace);
  for (const key of path) found = propertyOf(found, key);
  return found;
}

function propertyOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
    return undefined;
  return (value as Record<string, unknown>)[key];
}

export type FilterStateMatcher = { matches(info: StreamInfo): boolean };

export function decodeFilterStateMatcher(message: FilterStateMatcherPb, d: ConfigDecoder): FilterStateMatcher {
  const key = message.key ?? '';
  const value = filterStateValue(message, d);
  return {
    matches(info) {
      const object = findFilterState(info, key);
      return object !== undefined && value(object);
    },
  };
}

function filterStateValue(message: FilterStateMatcherPb, d: ConfigDecoder): (object: FilterStateObject) => boolean {
  if (message.address_match === undefined) {
    const matcher = decodeStringMatcher(message.string_match, d.at('string_match'));
    return (object) => object.isOpaque !== true && matcher.matches(object.value);
  }
  const set = new CidrSet(decodeCidrs(message.address_match.ranges, d.at('address_match'), 'ranges'));
  const invert = message.address_match.invert_match === true;
  return ({ address, value }) => set.contains(address?.address ?? value) !== invert;
}

export type RuntimeFraction = { readonly fraction: FractionalPercent; readonly runtimeKey: string };

/** Decodes a RuntimeFractionalPercent; an absent one is `fallbackPercent`. */
export function decodeRuntimeFraction(
  message: RuntimeFractionalPercentPb | undefined,
  d: ConfigDecoder,
  fallbackPercent = 100,
): RuntimeFraction {
  if (message === undefined) return { fraction: { numerator: fallbackPercent, denominator: 100 }, runtimeKey: '' };
  return { fraction: d.fraction(message.default_value), runtimeKey: message.runtime_key ?? '' };
}
