// Decodes which redirects of upstreams the proxy follows itself.
import type { InternalRedirectPolicy as PolicyPb } from '../../proto/generated/types.d.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import {
  allowListedRoutes,
  type InternalRedirectPolicy,
  previousRoutes,
  type RedirectPredicate,
  redirectEnabledBy,
  SAFE_CROSS_SCHEME,
} from '../route/internal-redirect.ts';

const PREDICATES = 'envoy.extensions.internal_redirect';
const ALLOW_LISTED = `${PREDICATES}.allow_listed_routes.v3.AllowListedRoutesConfig`;
const PREVIOUS = `${PREDICATES}.previous_routes.v3.PreviousRoutesConfig`;
const SAFE = `${PREDICATES}.safe_cross_scheme.v3.SafeCrossSchemeConfig`;
const FILTER_STATE = `${PREDICATES}.filter_state.v3.FilterStateConfig`;

export const INTERNAL_REDIRECT_FIELDS = {
  'envoy.config.route.v3.InternalRedirectPolicy':
    'max_internal_redirects redirect_response_codes predicates allow_cross_scheme_redirect response_headers_to_copy',
  [ALLOW_LISTED]: 'allowed_route_names',
  [PREVIOUS]: '',
  [SAFE]: '',
  [FILTER_STATE]: 'redirect_enabled_key redirect_if_absent',
} as const;

const DEFAULT_STATUSES: readonly number[] = [302];
/** Envoy passes over other codes in the list. */
const POSSIBLE_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function decodeInternalRedirects(
  message: PolicyPb | undefined,
  routeName: string,
  d: ConfigDecoder,
): InternalRedirectPolicy | null {
  if (message === undefined) return null;
  const codes = message.redirect_response_codes ?? [];
  const names = message.response_headers_to_copy ?? [];
  for (const [i, name] of names.entries()) {
    if (name.startsWith(':') || name.toLowerCase() === 'host') {
      d.at('response_headers_to_copy', i).reject('', ':-prefixed headers or Hosts may not be specified here.');
    }
  }
  return Object.freeze({
    statuses: codes.length === 0 ? DEFAULT_STATUSES : codes.filter((code) => POSSIBLE_STATUSES.has(code)),
    maxRedirects: message.max_internal_redirects ?? 1,
    allowsCrossScheme: message.allow_cross_scheme_redirect === true,
    headersToCopy: names.map(headerKey),
    predicates: (message.predicates ?? []).flatMap((each, i) => {
      const at = d.at('predicates', i).at('typed_config');
      const unpacked = d.environment.unpack(each.typed_config, at);
      return unpacked === null ? [] : (decodePredicate(unpacked.type, unpacked.message, routeName, at) ?? []);
    }),
  });
}

function decodePredicate(
  type: string,
  message: object,
  routeName: string,
  d: ConfigDecoder,
): RedirectPredicate | undefined {
  switch (type) {
    case ALLOW_LISTED:
      return allowListedRoutes((message as { allowed_route_names?: string[] }).allowed_route_names ?? []);
    case PREVIOUS:
      return previousRoutes(routeName);
    case SAFE:
      return SAFE_CROSS_SCHEME;
    case FILTER_STATE: {
      const { redirect_enabled_key: key = '', redirect_if_absent: ifAbsent } = message as {
        redirect_enabled_key?: string;
        redirect_if_absent?: boolean;
      };
      return redirectEnabledBy(key, ifAbsent === true);
    }
    default:
      d.reject('', `${type} is no predicate of internal redirects`);
      return undefined;
  }
}
