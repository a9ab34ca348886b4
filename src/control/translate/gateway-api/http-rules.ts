// Rules of HTTPRoutes and GRPCRoutes → rules of the model, one for each match, and their precedence among each other.
import { durationMs } from '../../model/duration.ts';
import type { HttpMatch, HttpRule, NamedMatch, PathMatch, RetryRule, WeightedBackend } from '../../model/route.ts';
import type { ComplaintSink } from '../complaint.ts';
import { type BackendContext, backendDestination, weighted } from './backends.ts';
import { routeFilters } from './route-filters.ts';
import type {
  FilteredBackendRef,
  GrpcRouteMatch,
  GrpcRouteRule,
  HttpRouteMatch,
  HttpRouteRule,
  NamedValueMatch,
} from './route-spec.ts';

/** The route that rules come from. */
export type RouteObject = { readonly key: string; readonly namespace: string; readonly name: string };

const UNMATCHED: HttpMatch = {
  ...{ name: '', path: null, ignoreCase: false, method: null, scheme: null, authority: null, headers: [] },
  ...{ queryParams: [], sourceLabels: {}, sourceNamespace: '', port: 0, parents: [], statPrefix: '', isGrpc: false },
};

const DEFAULT_ATTEMPTS = 2;
const RETRY_ON = ['connect-failure', 'refused-stream', 'unavailable', 'cancelled'];

export function httpRules(
  rules: readonly HttpRouteRule[],
  object: RouteObject,
  context: BackendContext,
  complain: ComplaintSink,
): HttpRule[] {
  return rules.flatMap((rule, index) =>
    splitRule(rule, index, (rule.matches ?? []).map(httpMatch), object, context, complain),
  );
}

export function grpcRules(
  rules: readonly GrpcRouteRule[],
  object: RouteObject,
  context: BackendContext,
  complain: ComplaintSink,
): HttpRule[] {
  return rules.flatMap((rule, index) =>
    splitRule(rule, index, (rule.matches ?? []).map(grpcMatch), object, context, complain),
  );
}

/** Exact paths, long prefixes, expressions; then those with a method, more headers, more parameters. Stable. */
export function byPrecedence(a: HttpRule, b: HttpRule): number {
  const [left, right] = [a.matches[0], b.matches[0]];
  if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
  return (
    rankOf(right.path) - rankOf(left.path) ||
    (right.path?.value.length ?? 0) - (left.path?.value.length ?? 0) ||
    Number(right.method !== null) - Number(left.method !== null) ||
    right.headers.length - left.headers.length ||
    right.queryParams.length - left.queryParams.length
  );
}

/** The rules for requests by that port alone; 0: by any. */
export function onPort(rules: readonly HttpRule[], port: number): readonly HttpRule[] {
  if (port === 0) return rules;
  return rules.map((rule) => {
    const matches = rule.matches.length === 0 ? [UNMATCHED] : rule.matches;
    return { ...rule, matches: matches.map((match) => ({ ...match, port })) };
  });
}

function rankOf(path: PathMatch | null): number {
  if (path === null) return -1;
  return { exact: 3, segments: 2, prefix: 2, template: 1, regex: 1 }[path.kind];
}

function splitRule(
  rule: Omit<HttpRouteRule, 'matches'>,
  index: number,
  matches: readonly HttpMatch[],
  object: RouteObject,
  context: BackendContext,
  complain: ComplaintSink,
): HttpRule[] {
  const filters = routeFilters(rule.filters, context);
  const fieldPath = `spec.rules[${index}]`;
  const say = (message: string, remedy: string, severity: 'error' | 'warning', path = fieldPath): void =>
    complain({ objectKey: object.key, fieldPath: path, message, remedy, severity });
  for (const kind of filters.unknown) {
    say(`there is no filter ${kind}: the rule answers 500`, 'Remove the filter.', 'error', `${fieldPath}.filters`);
  }
  if (rule.sessionPersistence !== undefined) {
    const remedy = 'Use consistentHash in a DestinationRule.';
    say('sessions are not kept', remedy, 'warning', `${fieldPath}.sessionPersistence`);
  }
  const backends = weighted(rule.backendRefs).map(({ ref, weight }) => backendOf(ref, weight, context));
  for (const { destination } of backends) {
    if (destination.unresolved === null) continue;
    const remedy = 'Correct the backend, create the Service, or let its namespace grant the reference.';
    say(
      `${destination.unresolved}; its share of requests is answered 500`,
      remedy,
      'warning',
      `${fieldPath}.backendRefs`,
    );
  }
  const made: HttpRule = {
    origin: { key: object.key, index, ...(rule.name !== undefined && { name: rule.name }) },
    name: rule.name ?? `${object.namespace}.${object.name}.${index}`,
    matches: [],
    action: actionOf(filters, backends),
    rewrite: filters.rewrite,
    headers: filters.headers,
    ...timeoutsOf(rule),
    fault: null,
    cors: filters.cors,
    mirrors: filters.mirrors,
    notFoundStatus: 500,
  };
  return matches.length === 0 ? [made] : matches.map((match) => ({ ...made, matches: [match] }));
}

function actionOf(filters: ReturnType<typeof routeFilters>, backends: readonly WeightedBackend[]): HttpRule['action'] {
  if (filters.unknown.length > 0) return { kind: 'direct', response: { status: 500, body: null } };
  if (filters.redirect !== null) return { kind: 'redirect', redirect: filters.redirect };
  if (backends.length === 0) return { kind: 'direct', response: { status: 500, body: null } };
  return { kind: 'forward', backends };
}

/** A filter that there is not makes the backend's share fail. */
function backendOf(ref: FilteredBackendRef, weight: number, context: BackendContext): WeightedBackend {
  const { headers, unknown, mirrors, redirect, rewrite } = routeFilters(ref.filters, context);
  const kinds = [
    ...unknown,
    ...(mirrors.length > 0 || redirect !== null || rewrite !== null ? ['besides headers'] : []),
  ];
  const destination = backendDestination(ref, context);
  if (kinds.length === 0) return { destination, weight, headers, filters: null };
  const unresolved = `a backend has no filter ${kinds.join(', ')}`;
  return { destination: { host: '', subset: '', port: 0, unresolved }, weight, headers: null, filters: null };
}

/** A backend's own time is that of a try; without retries there is one try. */
function timeoutsOf(
  rule: Pick<HttpRouteRule, 'timeouts' | 'retry'>,
): Pick<HttpRule, 'timeoutMs' | 'backendTimeoutMs' | 'retries'> {
  const requestMs = limitMs(rule.timeouts?.request);
  const backendTimeoutMs = limitMs(rule.timeouts?.backendRequest);
  if (rule.retry === undefined) return { timeoutMs: backendTimeoutMs ?? requestMs, backendTimeoutMs, retries: null };
  const { attempts = DEFAULT_ATTEMPTS, codes = [], backoff } = rule.retry;
  const retries: RetryRule = {
    attempts,
    ...(attempts > 0 && { retryOn: [...RETRY_ON, ...codes].join(',') }),
    ...(backoff !== undefined && { backoff }),
    ...(backendTimeoutMs !== null && { perTryTimeout: rule.timeouts?.backendRequest }),
  };
  return { timeoutMs: requestMs, backendTimeoutMs, retries };
}

/** Null: none; 0 is none too. */
function limitMs(text: string | undefined): number | null {
  const ms = text === undefined ? null : durationMs(text);
  return ms === 0 ? null : ms;
}

function httpMatch(match: HttpRouteMatch): HttpMatch {
  const { type = 'PathPrefix', value = '/' } = match.path ?? {};
  return {
    ...UNMATCHED,
    path: pathMatch(type, value),
    method: match.method === undefined ? null : { kind: 'exact', value: match.method },
    headers: namedMatches(match.headers, true),
    queryParams: namedMatches(match.queryParams, false),
  };
}

function pathMatch(type: NonNullable<NonNullable<HttpRouteMatch['path']>['type']>, value: string): PathMatch {
  if (type === 'Exact') return { kind: 'exact', value };
  if (type === 'RegularExpression') return { kind: 'regex', value };
  return { kind: 'segments', value: value === '/' ? value : value.replace(/\/$/, '') };
}

function grpcMatch(match: GrpcRouteMatch): HttpMatch {
  const path = match.method === undefined ? null : grpcPath(match.method);
  return { ...UNMATCHED, path, headers: namedMatches(match.headers, true), isGrpc: true };
}

/** gRPC asks for '/SERVICE/METHOD'. */
function grpcPath({ type = 'Exact', service, method }: NonNullable<GrpcRouteMatch['method']>): PathMatch {
  const isRegex = type === 'RegularExpression';
  if (method === undefined || method === '') {
    return isRegex ? { kind: 'regex', value: `/${service}/.+` } : { kind: 'segments', value: `/${service}/` };
  }
  if (service === undefined || service === '') return { kind: 'regex', value: `/[^/]+/${method}` };
  return { kind: isRegex ? 'regex' : 'exact', value: `/${service}/${method}` };
}

/** Of several entries of one name (of headers: ignoring case) the first counts. */
function namedMatches(list: readonly NamedValueMatch[] | undefined, ignoresCase: boolean): NamedMatch[] {
  const first = new Map<string, NamedMatch>();
  for (const { type = 'Exact', name, value = '' } of list ?? []) {
    const id = ignoresCase ? name.toLowerCase() : name;
    if (first.has(id)) continue;
    const match = { kind: type === 'Exact' ? ('exact' as const) : ('regex' as const), value };
    first.set(id, { name, match, isInverted: false });
  }
  return [...first.values()];
}
