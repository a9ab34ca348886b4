// Random parts of routes for generated configurations: trees, templates, internal redirects, specifiers, rate limits.
import type { Reply } from './case.ts';
import type { Fields } from './config.ts';
import { any } from './config.ts';
import { response } from './messages.ts';
import type { Random } from './random.ts';

const HEADER_INPUT = 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput';
const INPUT_HEADERS = ['x-one', 'x-two', ':path', ':method', 'host'];
const INPUT_VALUES = ['v', 'V', 'value', '/', '/a', '/api', 'GET', 'POST', 'one.example', 'a'];

function extension(type: string, fields: Fields = {}): Fields {
  return { name: type.slice(type.lastIndexOf('.') + 1), typed_config: any(type, fields) };
}

function input(random: Random): Fields {
  return extension(HEADER_INPUT, { header_name: random.pick(INPUT_HEADERS) });
}

function predicate(random: Random, depth: number): Fields {
  const kind = depth > 1 ? 3 : random.below(6);
  if (kind === 0) return { and_matcher: { predicate: [predicate(random, depth + 1), predicate(random, depth + 1)] } };
  if (kind === 1) return { or_matcher: { predicate: [predicate(random, depth + 1), predicate(random, depth + 1)] } };
  if (kind === 2) return { not_matcher: predicate(random, depth + 1) };
  const value = random.pick(INPUT_VALUES);
  const value_match = random.pick<Fields>([
    { exact: value },
    { prefix: value },
    { suffix: value },
    { contains: value, ignore_case: true },
    { safe_regex: { google_re2: {}, regex: random.pick(['.*', '/a.*', '[A-Z]+', 'v?']) } },
  ]);
  return { single_predicate: { input: input(random), value_match } };
}

/** A tree of matchers whose leaves `leaf` makes. */
export function matcherTree(random: Random, leaf: () => Fields, depth = 0): Fields {
  const then = (): Fields =>
    depth < 2 && random.chance(0.25) ? { matcher: matcherTree(random, leaf, depth + 1) } : leaf();
  const otherwise = random.maybe(0.5, () => ({ on_no_match: then() }));
  const map = (): Fields => Object.fromEntries(random.many(1, 3, () => [random.pick(INPUT_VALUES), then()]));
  switch (random.below(3)) {
    case 0:
      return { matcher_tree: { input: input(random), exact_match_map: { map: map() } }, ...otherwise };
    case 1:
      return { matcher_tree: { input: input(random), prefix_match_map: { map: map() } }, ...otherwise };
    default: {
      const matchers = random.many(1, 3, () => ({ predicate: predicate(random, 0), on_match: then() }));
      return { matcher_list: { matchers }, ...otherwise };
    }
  }
}

/** A leaf of routes. */
export function routeLeaf(random: Random, route: () => Fields): Fields {
  if (random.chance(0.5)) return { action: extension('envoy.config.route.v3.Route', route()) };
  return { action: extension('envoy.config.route.v3.RouteList', { routes: random.many(1, 3, route) }) };
}

/** The plugin that names a cluster by a tree. */
export function clusterSpecifier(random: Random): Fields {
  const type = 'envoy.extensions.router.cluster_specifiers.matcher.v3';
  const leaf = (): Fields => ({
    action: extension(`${type}.ClusterAction`, { cluster: random.pick(['a', 'b', 'gone']) }),
  });
  const cluster_matcher = matcherTree(random, leaf, 1);
  return { extension: extension(`${type}.MatcherClusterSpecifier`, { cluster_matcher }) };
}

const TEMPLATES: readonly (readonly [string, readonly string[]])[] = [
  ['/{x}', ['/t/{x}', '/t']],
  ['/{x}/{y}', ['/{y}/{x}', '/{x}']],
  ['/api/{v}/users/{u=**}', ['/{v}/{u}', '/users']],
  ['/**', ['/all']],
  ['/a/*', ['/new']],
  ['/deep/{rest=**}', ['/{rest}/{rest}']],
];

/** How a path is matched by a template, and what may become of it. */
export function pathTemplate(random: Random): { match: Fields; rewrite: Fields } {
  const [path_template, rewrites] = random.pick(TEMPLATES);
  const match = extension('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', { path_template });
  const path_template_rewrite = random.pick(rewrites);
  const type = 'envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig';
  return {
    match: { path_match_policy: match },
    rewrite: { path_rewrite_policy: extension(type, { path_template_rewrite }) },
  };
}

export function redirectPolicy(random: Random): Fields {
  const predicates = 'envoy.extensions.internal_redirect';
  const redirects = random.pick([
    extension(`${predicates}.allow_listed_routes.v3.AllowListedRoutesConfig`, {
      allowed_route_names: ['r0', 'r1', 'r2'],
    }),
    extension(`${predicates}.previous_routes.v3.PreviousRoutesConfig`),
    extension(`${predicates}.safe_cross_scheme.v3.SafeCrossSchemeConfig`),
  ]);
  return {
    internal_redirect_policy: {
      ...random.maybe(0.6, () => ({ max_internal_redirects: random.below(4) })),
      ...random.maybe(0.5, () => ({ redirect_response_codes: [301, 302, 303, 307] })),
      ...random.maybe(0.3, () => ({ allow_cross_scheme_redirect: true })),
      ...random.maybe(0.3, () => ({ response_headers_to_copy: ['x-up', 'x-one'] })),
      ...random.maybe(0.4, () => ({ predicates: [redirects] })),
    },
  };
}

/** An answer that sends the request elsewhere. */
export function redirectReply(random: Random): Reply {
  const host = random.pick(['one.example', 'two.example', 'x.wild.example', 'nobody.example:81']);
  const path = random.pick(['/', '/a', '/api/v1/users?k=v', '/deep/x#f', '', '/%zz', '?q=1']);
  const location = random.chance(0.1)
    ? random.pick(['/relative', '', 'nonsense', 'http://'])
    : `${random.pick(['http', 'http', 'http', 'https'])}://${host}${path}`;
  return response(random.pick([301, 302, 302, 302, 303, 307, 308]), 'moved', `location: ${location}`, 'x-up: moved');
}

const RATE_LIMIT = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const FULL: Fields = { default_value: { numerator: 100, denominator: 'HUNDRED' } };

export function rateLimits(random: Random): Fields {
  const action = (): Fields =>
    random.pick<Fields>([
      { generic_key: { descriptor_value: 'k' } },
      { destination_cluster: {} },
      { source_cluster: {} },
      { request_headers: { header_name: 'x-one', descriptor_key: 'one', skip_if_absent: random.chance(0.5) } },
      { header_value_match: { descriptor_value: 'm', headers: [{ name: 'x-two', present_match: true }] } },
    ]);
  return {
    rate_limits: random.many(1, 2, () => ({
      actions: random.many(1, 2, action),
      ...random.maybe(0.2, () => ({ stage: 1 })),
    })),
  };
}

/** The filter's configuration for a route; its default bucket is never empty, those of descriptors may be. */
export function localRateLimit(random: Random): Fields {
  const slow = (max_tokens: number): Fields => ({
    token_bucket: { max_tokens, tokens_per_fill: 1, fill_interval: '6000s' },
  });
  const entries = random.pick([
    [{ key: 'generic_key', value: 'k' }],
    [{ key: 'destination_cluster', value: 'a' }],
    [{ key: 'one', value: 'v' }],
    [
      { key: 'generic_key', value: 'k' },
      { key: 'header_match', value: 'm' },
    ],
  ]);
  return any(RATE_LIMIT, {
    stat_prefix: 'own',
    filter_enabled: FULL,
    filter_enforced: FULL,
    ...slow(100_000),
    descriptors: [{ entries, ...slow(random.pick([1, 3, 1000])) }],
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    ...random.maybe(0.3, () => ({ vh_rate_limits: random.pick(['INCLUDE', 'IGNORE']) })),
    ...random.maybe(0.2, () => ({ stage: 1 })),
  });
}

/** x-envoy request headers: some count only from inside. */
export const ENVOY_HEADERS: readonly string[] = [
  'x-envoy-retry-on: 5xx', 'x-envoy-retry-on: gateway-error,retriable-4xx', 'x-envoy-retry-grpc-on: cancelled',
  'x-envoy-max-retries: 2', 'x-envoy-max-retries: x', 'x-envoy-retriable-status-codes: 418,404',
  'x-envoy-retriable-header-names: x-up', 'x-envoy-hedge-on-per-try-timeout: true',
  'x-envoy-upstream-rq-timeout-ms: 2500', 'x-envoy-upstream-rq-per-try-timeout-ms: 2000',
  'x-envoy-upstream-rq-timeout-alt-response: 1', 'x-envoy-expected-rq-timeout-ms: 1234',
  'x-envoy-original-path: /given', 'x-envoy-original-host: given', 'x-envoy-original-url: http://given/',
  'x-envoy-decorator-operation: given', 'x-envoy-is-timeout-retry: true', 'x-envoy-internal: true',
  'x-envoy-attempt-count: 7', 'x-envoy-upstream-alt-stat-name: alt', 'x-envoy-ip-tags: a', 'x-envoy-force-trace: 1',
  'x-envoy-downstream-service-cluster: c', 'x-envoy-downstream-service-node: n', 'x-envoy-external-address: 9.9.9.9',
]; // biome-ignore format: a table.
