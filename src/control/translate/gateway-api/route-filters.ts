// Filters of routes and of their backends.
import type { Fraction, HeaderChanges, HeaderRules, HttpRule, Mirror, Redirect, Rewrite } from '../../model/route.ts';
import { type BackendContext, backendDestination } from './backends.ts';
import type { HeaderModifier, PathModifier, RouteFilter } from './route-spec.ts';

export type Filters = {
  readonly headers: HeaderRules | null;
  readonly redirect: Redirect | null;
  readonly rewrite: Rewrite | null;
  readonly mirrors: readonly Mirror[];
  readonly cors: HttpRule['cors'];
  /** Kinds of filters that there are not: what they guard cannot be passed on without them. */
  readonly unknown: readonly string[];
};

const NO_CHANGES: HeaderChanges = { set: [], add: [], remove: [] };

export function routeFilters(filters: readonly RouteFilter[] | undefined, context: BackendContext): Filters {
  let request: HeaderChanges | null = null;
  let response: HeaderChanges | null = null;
  let redirect: Redirect | null = null;
  let rewrite: Rewrite | null = null;
  let cors: HttpRule['cors'] = null;
  const mirrors: Mirror[] = [];
  const unknown: string[] = [];
  for (const filter of filters ?? []) {
    if (filter.requestHeaderModifier !== undefined) request = headerChanges(filter.requestHeaderModifier);
    else if (filter.responseHeaderModifier !== undefined) response = headerChanges(filter.responseHeaderModifier);
    else if (filter.requestRedirect !== undefined) redirect = redirectOf(filter.requestRedirect);
    else if (filter.urlRewrite !== undefined) rewrite = rewriteOf(filter.urlRewrite);
    else if (filter.requestMirror !== undefined) mirrors.push(...mirrorOf(filter.requestMirror, context));
    else if (filter.cors !== undefined) cors = corsOf(filter.cors);
    else unknown.push(filter.type ?? 'a filter without a type');
  }
  const headers = (request ?? response) ? { request: request ?? NO_CHANGES, response: response ?? NO_CHANGES } : null;
  return { headers, redirect, rewrite, mirrors, cors, unknown };
}

/** Of several entries of one header the first counts. */
function headerChanges({ set = [], add = [], remove = [] }: HeaderModifier): HeaderChanges {
  return { set: firstOfEach(set), add: firstOfEach(add), remove };
}

function firstOfEach(list: readonly { name: string; value: string }[]): (readonly [string, string])[] {
  const first = new Map<string, string>();
  for (const { name, value } of list) if (!first.has(name.toLowerCase())) first.set(name.toLowerCase(), value);
  return [...first];
}

/** Without a port it is that of the request, or with a scheme that scheme's own. */
function redirectOf(redirect: NonNullable<RouteFilter['requestRedirect']>): Redirect {
  const { scheme = '', hostname = '', port, statusCode = 302, path } = redirect;
  const derived = scheme === '' ? 'FROM_REQUEST_PORT' : 'FROM_PROTOCOL_DEFAULT';
  return { scheme, authority: hostname, path: pathOf(path), port: port ?? derived, code: statusCode };
}

function pathOf(path: PathModifier | undefined): Redirect['path'] {
  if (path?.type === 'ReplaceFullPath') return { kind: 'full', value: path.replaceFullPath ?? '/' };
  if (path?.type === 'ReplacePrefixMatch') return { kind: 'prefix', value: path.replacePrefixMatch ?? '' };
  return null;
}

/** A slash at the end of what replaces a prefix is not part of it. */
function rewriteOf({ hostname = '', path }: NonNullable<RouteFilter['urlRewrite']>): Rewrite | null {
  const replaced = pathOf(path);
  if (hostname === '' && replaced === null) return null;
  const isPrefix = replaced?.kind === 'prefix';
  const value = isPrefix ? replaced.value.replace(/\/$/, '') || '/' : (replaced?.value ?? '');
  return { authority: hostname, path: replaced === null ? null : { kind: replaced.kind, value }, regex: null };
}

/** None where nothing is to be copied, or where it cannot go: the requests themselves go their way. */
function mirrorOf(mirror: NonNullable<RouteFilter['requestMirror']>, context: BackendContext): Mirror[] {
  const destination = backendDestination(mirror.backendRef ?? {}, context);
  const fraction = fractionOf(mirror);
  return destination.unresolved !== null || fraction.numerator === 0 ? [] : [{ destination, fraction }];
}

function fractionOf({ percent, fraction }: NonNullable<RouteFilter['requestMirror']>): Fraction {
  if (fraction !== undefined) {
    const share = (100 * (fraction.numerator ?? 0)) / (fraction.denominator ?? 100);
    return { numerator: Math.trunc(share * 10_000), denominator: 'MILLION' };
  }
  if (percent === undefined) return { numerator: 100, denominator: 'HUNDRED' };
  return { numerator: percent * 10_000, denominator: 'MILLION' };
}

/** In the shape of Istio's CorsPolicy, which the model has. */
function corsOf(cors: NonNullable<RouteFilter['cors']>): HttpRule['cors'] {
  const origins = (cors.allowOrigins ?? []).filter((origin) => origin !== '');
  const list = (field: 'allowMethods' | 'allowHeaders' | 'exposeHeaders'): object =>
    cors[field] === undefined ? {} : { [field]: cors[field] };
  return {
    allowOrigins: origins.map((origin) =>
      origin.includes('*') ? { regex: wildcardRegex(origin) } : { exact: origin },
    ),
    ...list('allowMethods'),
    ...list('allowHeaders'),
    ...list('exposeHeaders'),
    ...(cors.allowCredentials === true && { allowCredentials: true }),
    ...(cors.maxAge !== undefined && cors.maxAge > 0 && { maxAge: `${cors.maxAge}s` }),
    unmatchedPreflights: 'IGNORE',
  };
}

function wildcardRegex(origin: string): string {
  return origin
    .split('*')
    .map((part) => part.replace(/[\\.+?()|[\]{}^$]/g, '\\$&'))
    .join('.*');
}
