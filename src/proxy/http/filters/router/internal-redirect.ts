// Follows a redirect of the upstream: the request starts over with another host and path.
import { parseAbsoluteUrl } from '../../../../wire/absolute-url.ts';
import { H, type HeaderKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { type InternalRedirectPolicy, redirectCount, setRedirectCount } from '../../../route/internal-redirect.ts';
import type { Router, RouterStream } from './router.ts';

type Redirected = { readonly router: Router; readonly stream: RouterStream; readonly headers: Headers };

/** Below `http.STAT_PREFIX.passthrough_internal_redirect_`: why a redirect went to the client. */
export const PASSED_ON = ['bad_location', 'no_route', 'predicate', 'too_many_redirects', 'unsafe_scheme'] as const;
export type PassedOn = (typeof PASSED_ON)[number];

const SEE_OTHER = 303;

/**
 * True: the request is another one now, to be started over; its route has been chosen. Otherwise it is as before, but
 * for the route that was looked for, which logs tell of. Source: Envoy convertRequestHeadersForInternalRedirect.
 */
export function turnRequest(request: Redirected, policy: InternalRedirectPolicy, response: Headers): boolean {
  const { router, stream, headers } = request;
  const location = response.getAll(H.location);
  if (location === undefined || headers.path === '') return false;
  const passOn = (why: PassedOn): false => {
    router.stats.inc(router.passedOn[why]);
    return false;
  };
  const url = parseAbsoluteUrl(location);
  if (url === null) return passOn('bad_location');
  const isHttp = isHttpScheme(headers.scheme) || stream.info.connection.tls === null;
  const isToHttp = isHttpScheme(url.scheme);
  if (!policy.allowsCrossScheme && isHttp !== isToHttp) return passOn('unsafe_scheme');
  const { info } = stream;
  const count = redirectCount(info);
  if (count >= policy.maxRedirects) return passOn('too_many_redirects');
  const saved = headers.clone();
  for (const key of policy.headersToCopy) copyField(key, response, headers);
  headers.scheme = url.scheme;
  headers.authority = url.hostAndPort;
  const fragment = url.path.indexOf('#');
  headers.path = fragment < 0 ? url.path : url.path.slice(0, fragment);
  const why = refusal(policy, stream, isHttp, isToHttp);
  if (why !== null) {
    restore(headers, saved);
    return passOn(why);
  }
  if (response.status === SEE_OTHER && headers.method !== 'GET' && headers.method !== 'HEAD') {
    headers.method = 'GET';
    headers.remove(H['content-length']);
  }
  setRedirectCount(info, count + 1);
  headers.set(H['x-envoy-original-url'], `${isHttp ? 'http' : 'https'}://${saved.authority}${saved.path}`);
  return true;
}

/** Why the route that the request has now may not be taken. */
function refusal(
  policy: InternalRedirectPolicy,
  stream: RouterStream,
  isHttp: boolean,
  isToHttp: boolean,
): PassedOn | null {
  stream.clearRouteCache();
  const { route, info } = stream;
  if (route === null) return 'no_route';
  const target = { info, routeName: route.name, isFromHttps: !isHttp, isToHttps: !isToHttp };
  for (const predicate of policy.predicates) if (!predicate.accepts(target)) return 'predicate';
  return null;
}

function isHttpScheme(scheme: string): boolean {
  return scheme === 'http' || scheme.toLowerCase() === 'http';
}

function copyField(key: HeaderKey, from: Headers, to: Headers): void {
  to.remove(key);
  const { kv } = from;
  for (let i = 0; i < kv.length; i += 2) if (kv[i] === key) to.add(key, kv[i + 1] as string);
}

function restore(headers: Headers, saved: Headers): void {
  headers.removeIf(() => true);
  headers.scheme = saved.scheme;
  headers.authority = saved.authority;
  headers.path = saved.path;
  const { kv } = saved;
  for (let i = 0; i < kv.length; i += 2) headers.add(kv[i] as HeaderKey, kv[i + 1] as string);
}
