// One HTTP route of a VirtualService → one rule of the model. Names of hosts and gateways are in full already.
import { durationMs } from '../../model/duration.ts';
import type { Origin } from '../../model/origin.ts';
import type {
  Destination,
  Fraction,
  HeaderChanges,
  HeaderRules,
  HttpMatch,
  HttpRule,
  Mirror,
  NamedMatch,
  PathMatch,
  Redirect,
  Rewrite,
  StringMatch,
  WeightedBackend,
} from '../../model/route.ts';
import type {
  DestinationSpec,
  HeaderOperationsSpec,
  HeadersSpec,
  HttpMatchSpec,
  HttpRouteSpec,
  PercentSpec,
  RedirectSpec,
  RewriteSpec,
  RouteDestinationSpec,
  StringMatchSpec,
} from './virtual-service-spec.ts';

/** Says of a destination (whose host is in full) why it cannot be used; null if it can. */
export type DestinationCheck = (host: string, subset: string, port: number) => string | null;

export function httpRule(spec: HttpRouteSpec, origin: Origin, check: DestinationCheck): HttpRule {
  return {
    origin: spec.name === undefined || spec.name === '' ? origin : { ...origin, name: spec.name },
    name: spec.name ?? '',
    matches: (spec.match ?? []).map(httpMatch),
    action: actionOf(spec, check),
    rewrite: spec.rewrite === undefined ? null : rewriteOf(spec.rewrite),
    headers: headerRules(spec.headers),
    timeoutMs: spec.timeout === undefined ? null : durationMs(spec.timeout),
    backendTimeoutMs: null,
    retries: spec.retries ?? null,
    fault: spec.fault ?? null,
    cors: spec.corsPolicy ?? null,
    mirrors: mirrorsOf(spec, check),
    notFoundStatus: 503,
  };
}

function actionOf(spec: HttpRouteSpec, check: DestinationCheck): HttpRule['action'] {
  if (spec.redirect !== undefined) return { kind: 'redirect', redirect: redirectOf(spec.redirect) };
  if (spec.directResponse !== undefined) {
    const { status = 0, body } = spec.directResponse;
    return { kind: 'direct', response: { status, body: body === undefined ? null : bodyOf(body) } };
  }
  return { kind: 'forward', backends: (spec.route ?? []).map((route) => backendOf(route, check)) };
}

function bodyOf(body: { string?: string; bytes?: string }): { text: string } | { bytes: string } {
  return body.bytes === undefined ? { text: body.string ?? '' } : { bytes: body.bytes };
}

export function backendOf(spec: RouteDestinationSpec, check: DestinationCheck): WeightedBackend {
  return {
    destination: destinationOf(spec.destination, check),
    weight: spec.weight ?? 0,
    headers: headerRules(spec.headers),
    filters: null,
  };
}

/** Even one that cannot be used keeps its name, as in Istio: a proxy that does not know the cluster answers itself. */
function destinationOf(spec: DestinationSpec | undefined, check: DestinationCheck): Destination {
  const host = spec?.host ?? '';
  const subset = spec?.subset ?? '';
  const port = spec?.port?.number ?? 0;
  return { host, subset, port, unresolved: check(host, subset, port) };
}

function httpMatch(spec: HttpMatchSpec): HttpMatch {
  return {
    name: spec.name ?? '',
    path: pathMatch(spec.uri),
    ignoreCase: spec.ignoreUriCase ?? false,
    method: spec.method === undefined ? null : stringMatch(spec.method),
    scheme: spec.scheme === undefined ? null : stringMatch(spec.scheme),
    authority: spec.authority === undefined ? null : stringMatch(spec.authority),
    headers: [...namedMatches(spec.headers, false), ...namedMatches(spec.withoutHeaders, true)],
    queryParams: namedMatches(spec.queryParams, false),
    sourceLabels: spec.sourceLabels ?? {},
    sourceNamespace: spec.sourceNamespace ?? '',
    port: spec.port ?? 0,
    parents: spec.gateways ?? [],
    statPrefix: spec.statPrefix ?? '',
    isGrpc: false,
  };
}

function namedMatches(specs: Record<string, StringMatchSpec> | undefined, isInverted: boolean): NamedMatch[] {
  return Object.entries(specs ?? {}).map(([name, spec]) => ({ name, match: stringMatch(spec), isInverted }));
}

/** '*' is no expression: Istio takes it as "is there". */
function stringMatch(spec: StringMatchSpec | null): StringMatch {
  if (spec?.exact !== undefined) return { kind: 'exact', value: spec.exact };
  if (spec?.prefix !== undefined) return { kind: 'prefix', value: spec.prefix };
  if (spec?.regex === undefined || spec.regex === '*') return { kind: 'present' };
  return { kind: 'regex', value: spec.regex };
}

function pathMatch(spec: StringMatchSpec | undefined): PathMatch | null {
  if (spec?.exact !== undefined) return { kind: 'exact', value: spec.exact };
  if (spec?.prefix !== undefined) return { kind: 'prefix', value: spec.prefix };
  return spec?.regex === undefined ? null : { kind: 'regex', value: spec.regex };
}

function headerRules(spec: HeadersSpec | undefined): HeaderRules | null {
  if (spec === undefined) return null;
  return { request: headerChanges(spec.request), response: headerChanges(spec.response) };
}

function headerChanges(spec: HeaderOperationsSpec | undefined): HeaderChanges {
  const { set = {}, add = {}, remove = [] } = spec ?? {};
  return { set: Object.entries(set), add: Object.entries(add), remove };
}

function rewriteOf({ uri, authority = '', uriRegexRewrite }: RewriteSpec): Rewrite {
  const { match = '', rewrite = '' } = uriRegexRewrite ?? {};
  return {
    authority,
    path: uri === undefined || uri === '' ? null : { kind: 'prefix', value: uri },
    regex: uriRegexRewrite === undefined ? null : { match, rewrite },
  };
}

function redirectOf(spec: RedirectSpec): Redirect {
  return {
    scheme: spec.scheme ?? '',
    authority: spec.authority ?? '',
    path: spec.uri === undefined || spec.uri === '' ? null : { kind: 'full', value: spec.uri },
    port: spec.port ?? spec.derivePort ?? null,
    code: spec.redirectCode === undefined || spec.redirectCode === 0 ? 301 : spec.redirectCode,
  };
}

function mirrorsOf(spec: HttpRouteSpec, check: DestinationCheck): Mirror[] {
  const mirrors: Mirror[] = [];
  const add = (destination: DestinationSpec | undefined, fraction: Fraction): void => {
    if (destination === undefined || fraction.numerator === 0) return;
    mirrors.push({ destination: destinationOf(destination, check), fraction });
  };
  if (spec.mirrorPercentage === undefined && spec.mirrorPercent !== undefined) {
    add(spec.mirror, { numerator: spec.mirrorPercent, denominator: 'HUNDRED' });
  } else add(spec.mirror, fractionOf(spec.mirrorPercentage));
  for (const { destination, percentage } of spec.mirrors ?? []) add(destination, fractionOf(percentage));
  return mirrors;
}

/** Everything without a percentage. */
function fractionOf(percent: PercentSpec | undefined): Fraction {
  if (percent === undefined) return { numerator: 100, denominator: 'HUNDRED' };
  return { numerator: Math.trunc((percent.value ?? 0) * 10_000), denominator: 'MILLION' };
}
