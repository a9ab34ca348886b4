// What a proxy would refuse of a route set: one such route and it refuses the whole table, with everybody's hosts.
import { compileRegex, parseSubstitution } from '../../../base/regex.ts';
import { registry } from '../../../proto/registry.ts';
import { Report } from '../../../proto/report.ts';
import { validateRules } from '../../../proto/rules.ts';
import { formatProblem } from './format-commands.ts';
import type { RouteContext } from './route-context.ts';
import { MAX_DIRECT_RESPONSE_BYTES } from './tables.ts';
import { buildRoutes, type Route, type RoutedRules } from './routes.ts';

/** What the weights of one route's backends may be together. */
const MAX_WEIGHTS = 2 ** 32 - 1;

export type RouteProblem = { readonly objectKey: string; readonly ruleIndex: number; readonly message: string };

/** Empty: proxies take it. */
export function routeProblems(set: RoutedRules): RouteProblem[] {
  return set.http.flatMap((rule) => {
    const matches = rule.matches.length === 0 ? [null] : rule.matches;
    const messages = new Set(
      matches.flatMap((match) => {
        // Every match by itself, for whomever it is.
        const open = match === null ? [] : [{ ...match, port: 0, parents: [], sourceLabels: {}, sourceNamespace: '' }];
        const routes = buildRoutes({ ...set, http: [{ ...rule, matches: open }] }, ANY_CONTEXT);
        return routes.flatMap(problemsOf);
      }),
    );
    const { key, index = 0 } = rule.origin;
    return [...messages].map((message) => ({ objectKey: key, ruleIndex: index, message }));
  });
}

const ANY_CONTEXT: RouteContext = {
  ...{
    mesh: { raw: {} },
    port: 80,
    parents: new Set<string>(),
    isTls: false,
    isLibrary: false,
    caller: { namespace: '', labels: {} },
  },
  serviceOf: () => undefined,
  hashOf: () => null,
};

function problemsOf(route: Route): string[] {
  const report = new Report();
  validateRules(registry.message('envoy.config.route.v3.Route'), route, report);
  const problems = report.problems.map(({ path, reason }) => `${path}: ${reason}`);
  const rewrite = route.route?.regex_rewrite;
  return [
    ...problems,
    ...badRegexes(route),
    ...(rewrite === undefined ? [] : badSubstitution(rewrite.pattern?.regex ?? '', rewrite.substitution ?? '')),
    ...badHeaders(route),
    ...badSizes(route),
  ];
}

function badRegexes(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(badRegexes);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([field, inner]) => {
    if (field !== 'regex' || typeof inner !== 'string') return badRegexes(inner);
    const compiled = compileRegex(inner);
    return 'error' in compiled ? [`'${inner}' is no regular expression: ${compiled.error}`] : [];
  });
}

function badSubstitution(pattern: string, substitution: string): string[] {
  const compiled = compileRegex(pattern);
  if ('error' in compiled) return [];
  const parsed = parseSubstitution(substitution, compiled.groups);
  return 'error' in parsed ? [`'${substitution}' is no substitution for '${pattern}': ${parsed.error}`] : [];
}

function badHeaders(route: Route): string[] {
  const weights = route.route?.weighted_clusters?.clusters ?? [];
  const headers = [route, ...weights].flatMap((place) => [
    ...(place.request_headers_to_add ?? []),
    ...(place.response_headers_to_add ?? []),
  ]);
  return headers.flatMap(({ header }) => {
    const problem = formatProblem(header?.value ?? '');
    return problem === null ? [] : [`header ${header?.key}: '${header?.value}': ${problem}`];
  });
}

function badSizes(route: Route): string[] {
  const body = route.direct_response?.body;
  const length = body?.inline_bytes?.length ?? Buffer.byteLength(body?.inline_string ?? '');
  const weights = (route.route?.weighted_clusters?.clusters ?? []).map(({ weight = 0 }) => weight);
  return [
    ...(length > MAX_DIRECT_RESPONSE_BYTES ? [`the body has more than ${MAX_DIRECT_RESPONSE_BYTES} bytes`] : []),
    ...(weights.reduce((sum, weight) => sum + weight, 0) > MAX_WEIGHTS ? [`weights are more than ${MAX_WEIGHTS}`] : []),
  ];
}
