// Decodes what a request must look like for a route to take it.
import type { TlsFacts } from '../../base/byte-stream.ts';
import { bytesOf } from '../../base/matcher-text.ts';
import { H } from '../../wire/header-names.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Condition } from '../route/match-view.ts';
import { PathMatch } from '../route/path-match.ts';
import {
  decodeCookieMatcher,
  decodeFilterStateMatcher,
  decodeHeaderMatcher,
  decodeMetadataMatcher,
  decodeQueryParameterMatcher,
  decodeRegex,
  decodeRuntimeFraction,
  parseCookies,
  parseQuery,
} from './matcher.ts';
import type { RouteMatchPb } from './route-messages.ts';
import { decodeTemplateMatch } from './route-template.ts';

export type DecodedMatch = { readonly path: PathMatch; readonly conditions: readonly Condition[] | null };

export function decodeRouteMatch(message: RouteMatchPb | undefined, d: ConfigDecoder): DecodedMatch {
  if (message === undefined) {
    d.reject('', 'is required');
    return { path: new PathMatch('prefix', ''), conditions: null };
  }
  const conditions = decodeConditions(message, d);
  return { path: decodePath(message, d), conditions: conditions.length === 0 ? null : conditions };
}

function decodePath(message: RouteMatchPb, d: ConfigDecoder): PathMatch {
  const caseSensitive = message.case_sensitive ?? true;
  if (message.prefix !== undefined) return new PathMatch('prefix', bytesOf(message.prefix), caseSensitive);
  if (message.path !== undefined) return new PathMatch('path', bytesOf(message.path), caseSensitive);
  if (message.path_separated_prefix !== undefined) {
    return new PathMatch('separated', bytesOf(message.path_separated_prefix), caseSensitive);
  }
  if (message.safe_regex !== undefined) {
    const regex = decodeRegex(message.safe_regex, d.at('safe_regex'));
    if (regex !== null) return new PathMatch('regex', regex.literalPrefix, true, regex);
  } else if (message.path_match_policy !== undefined) {
    return decodeTemplateMatch(message.path_match_policy, d.at('path_match_policy'));
  } else if (message.connect_matcher !== undefined) return new PathMatch('connect', '');
  else d.reject('', 'path_specifier is required');
  return new PathMatch('prefix', '');
}

/** Conditions in the order of their cost. */
function decodeConditions(message: RouteMatchPb, d: ConfigDecoder): Condition[] {
  const conditions: Condition[] = [];
  if (message.grpc !== undefined) conditions.push({ holds: ({ headers }) => isGrpc(headers.get(H['content-type'])) });
  if (message.tls_context !== undefined) conditions.push(...tlsConditions(message.tls_context));
  for (const [i, each] of (message.headers ?? []).entries()) {
    const matcher = decodeHeaderMatcher(each, d.at('headers', i));
    conditions.push({ holds: ({ headers }) => matcher.matches(headers) });
  }
  for (const [i, each] of (message.query_parameters ?? []).entries()) {
    const matcher = decodeQueryParameterMatcher(each, d.at('query_parameters', i));
    conditions.push({ holds: (view) => matcher.matches(view.query(parseQuery)) });
  }
  for (const [i, each] of (message.cookies ?? []).entries()) {
    const matcher = decodeCookieMatcher(each, d.at('cookies', i));
    conditions.push({ holds: (view) => matcher.matches(view.cookies(parseCookies)) });
  }
  for (const [i, each] of (message.dynamic_metadata ?? []).entries()) {
    const matcher = decodeMetadataMatcher(each, d.at('dynamic_metadata', i));
    conditions.push({ holds: ({ context }) => matcher.matches(context.format.info.dynamicMetadata) });
  }
  for (const [i, each] of (message.filter_state ?? []).entries()) {
    const matcher = decodeFilterStateMatcher(each, d.at('filter_state', i));
    conditions.push({ holds: ({ context }) => matcher.matches(context.format.info) });
  }
  if (message.runtime_fraction !== undefined) {
    const { fraction, runtimeKey } = decodeRuntimeFraction(message.runtime_fraction, d.at('runtime_fraction'));
    conditions.push({
      holds: ({ context: { runtime, random } }) =>
        runtimeKey === ''
          ? random.below(fraction.denominator) < fraction.numerator
          : runtime.featureEnabled(runtimeKey, fraction, random),
    });
  }
  return conditions;
}

/** Source: Envoy RouteEntryImplBase::matchRoute: a client on plain text presents nothing, and is not validated. */
function tlsConditions({ presented, validated }: NonNullable<RouteMatchPb['tls_context']>): Condition[] {
  const conditions: Condition[] = [];
  if (presented !== undefined) {
    const hasCertificate = (tls: TlsFacts | null): boolean => tls !== null && tls.peerCertificate !== null;
    conditions.push({ holds: ({ context }) => hasCertificate(context.format.info.connection.tls) === presented });
  }
  if (validated !== undefined) {
    conditions.push({
      holds: ({ context }) => (context.format.info.connection.tls?.isPeerVerified ?? false) === validated,
    });
  }
  return conditions;
}

/** application/grpc, alone or with a suffix: application/grpc+proto. */
function isGrpc(contentType: string | undefined): boolean {
  if (contentType === undefined || !contentType.startsWith('application/grpc')) return false;
  return contentType.length === 16 || contentType[16] === '+';
}
