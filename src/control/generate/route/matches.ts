// Conditions of rules as Envoy's matchers.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import type { HttpMatch, NamedMatch, PathMatch, StringMatch } from '../../model/route.ts';

type RouteMatch = MessageTypes['envoy.config.route.v3.RouteMatch'];
type HeaderMatcher = MessageTypes['envoy.config.route.v3.HeaderMatcher'];
type QueryParameterMatcher = MessageTypes['envoy.config.route.v3.QueryParameterMatcher'];
type MetadataMatcher = MessageTypes['envoy.type.matcher.v3.MetadataMatcher'];
export type StringMatcher = MessageTypes['envoy.type.matcher.v3.StringMatcher'];

/** Names of headers with this prefix stand for claims of the token that the request was authenticated with. */
const CLAIMS = '@request.auth.claims';

export function routeMatch(match: HttpMatch | null): RouteMatch {
  if (match === null) return { prefix: '/' };
  const plain = match.headers.filter((header) => claimsOf(header.name) === null);
  const headers = [
    ...plain.map(headerMatcher).sort((a, b) => (a.name! < b.name! ? -1 : a.name! > b.name! ? 1 : 0)),
    ...pseudoHeader(':method', match.method),
    ...pseudoHeader(':authority', match.authority),
    ...pseudoHeader(':scheme', match.scheme),
  ];
  const claims = match.headers.flatMap(metadataMatcher);
  const queryParams = match.queryParams.map(queryMatcher).sort((a, b) => (a.name! < b.name! ? -1 : 1));
  return {
    ...pathSpecifier(match.path),
    case_sensitive: !match.ignoreCase,
    ...(headers.length > 0 && { headers }),
    ...(queryParams.length > 0 && { query_parameters: queryParams }),
    ...(claims.length > 0 && { dynamic_metadata: claims }),
  };
}

/** Takes every request: nothing behind it is ever asked. */
export function takesAll(match: RouteMatch): boolean {
  const hasOther = match.headers ?? match.query_parameters ?? match.dynamic_metadata;
  const path = match.prefix ?? match.path_separated_prefix;
  return hasOther === undefined && (path === '/' || match.safe_regex?.regex === '.*');
}

export function stringMatcher(match: Exclude<StringMatch, { kind: 'present' }>): StringMatcher {
  if (match.kind === 'regex') return { safe_regex: { regex: match.value } };
  return { [match.kind]: match.value };
}

function pathSpecifier(path: PathMatch | null): RouteMatch {
  switch (path?.kind) {
    case undefined:
      return { prefix: '/' };
    case 'exact':
      return { path: path.value };
    case 'prefix':
      return { prefix: path.value };
    case 'regex':
      return { safe_regex: { regex: path.value } };
    case 'segments': {
      const value = path.value.endsWith('/') ? path.value.slice(0, -1) : path.value;
      return value === '' ? { prefix: '/' } : { path_separated_prefix: value };
    }
    case 'template': {
      const typeUrl = 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig';
      const typed_config = { type_url: typeUrl, message: { path_template: path.value } };
      return { path_match_policy: { name: 'envoy.path.match.uri_template.uri_template_matcher', typed_config } };
    }
  }
}

function headerMatcher({ name, match, isInverted }: NamedMatch): HeaderMatcher {
  const inversion = isInverted ? { invert_match: true } : {};
  if (match.kind === 'present') return { name, present_match: true, ...inversion };
  const missing = isInverted ? { treat_missing_header_as_empty: true } : {};
  return { name, string_match: stringMatcher(match), ...inversion, ...missing };
}

function pseudoHeader(name: string, match: StringMatch | null): HeaderMatcher[] {
  return match === null ? [] : [headerMatcher({ name, match, isInverted: false })];
}

function queryMatcher({ name, match }: NamedMatch): QueryParameterMatcher {
  return match.kind === 'present' ? { name, present_match: true } : { name, string_match: stringMatcher(match) };
}

/** The claim that '@request.auth.claims.a.b' or '@request.auth.claims[a][b]' names; null: it is a header. */
function claimsOf(name: string): string[] | null {
  if (!name.startsWith(CLAIMS)) return null;
  const rest = name.slice(CLAIMS.length);
  if (rest.startsWith('.') && rest.length > 1) return rest.slice(1).split('.');
  const keys = [...rest.matchAll(/\[([^\]]+)\]/g)].map((key) => key[1]!);
  return keys.length > 0 && keys.reduce((length, key) => length + key.length + 2, 0) === rest.length ? keys : null;
}

/** A claim is one text or a list of them. */
function metadataMatcher({ name, match, isInverted }: NamedMatch): MetadataMatcher[] {
  const claims = claimsOf(name);
  if (claims === null) return [];
  const path = ['payload', ...claims].map((key) => ({ key }));
  const inversion = isInverted ? { invert: true } : {};
  const filter = 'envoy.filters.http.jwt_authn';
  if (match.kind === 'present') return [{ filter, path, value: { present_match: true }, ...inversion }];
  const text = { string_match: stringMatcher(match) };
  const value = { or_match: { value_matchers: [text, { list_match: { one_of: text } }] } };
  return [{ filter, path, value, ...inversion }];
}
