// Generates random configurations of the supported set and random requests to them; equal seeds give equal results.
import type { Case, Group, Observation, Reply } from './case.ts';
import type { Fields } from './config.ts';
import { any, bootstrap, cluster, filter, http } from './config.ts';
import {
  clusterSpecifier,
  ENVOY_HEADERS,
  localRateLimit,
  matcherTree,
  pathTemplate,
  rateLimits,
  redirectPolicy,
  redirectReply,
  routeLeaf,
} from './generate-routes.ts';
import { HTTP2, inWay, type Way } from './http2-of-http1.ts';
import { chunked, head, response } from './messages.ts';
import { Random } from './random.ts';

export type Generated = {
  readonly seed: number;
  readonly way: Way;
  readonly listener: Fields;
  readonly cases: readonly Case[];
};

export const PATHS = [
  '/',
  '/a',
  '/a/',
  '/a/b',
  '/A/b',
  '/ab',
  '/api/v1/users',
  '/api/v1/users/42',
  '/api/v2',
  '/x.html',
  '/a//b',
  '/a/../b',
  '/%61/b',
  '/deep/er/path/here',
  '/1',
  '/a;b=c',
];
const PREFIXES = ['/', '/a', '/a/', '/api', '/api/v1/', '/ab', '/x', '/deep', '/A'];
const REGEXES = ['/a.*', '/api/v[0-9]+(/.*)?', '/[a-z]+', '.*/b', '/\\d+', '/(a|x).*'];
export const QUERIES = ['', '', '', '?k=v', '?k=w&x=1', '?x', '?k=', '?k=V&k=v', '?a=b%20c'];
export const DOMAINS = [
  'one.example',
  'two.example',
  '*.wild.example',
  '*-dash.example',
  'three.*',
  'one.example:8080',
  'four.example',
];
export const HOSTS = [
  'one.example',
  'two.example',
  'x.wild.example',
  'x-dash.example',
  'three.org',
  'one.example:8080',
  'nobody.example',
  'ONE.example',
  'four.example',
  'one.example:80',
  'wild.example',
];
export const HEADER_NAMES = ['x-one', 'x-two', 'x-three', 'accept', 'user-agent'];
export const HEADER_VALUES = ['v', 'V', 'value', '5', '-3', '12x', '', 'a,b', 'v v'];

export function stringMatch(random: Random): Fields {
  const ignoreCase = random.maybe(0.3, () => ({ ignore_case: true }));
  switch (random.below(5)) {
    case 0:
      return { exact: random.pick(HEADER_VALUES), ...ignoreCase };
    case 1:
      return { prefix: random.pick(['v', 'V', 'va']), ...ignoreCase };
    case 2:
      return { suffix: random.pick(['e', 'v', 'x']), ...ignoreCase };
    case 3:
      return { contains: random.pick(['a', 'v', ',']), ...ignoreCase };
    default:
      return { safe_regex: { regex: random.pick(['v.*', '[0-9]+', '.*', 'V?v?']) } };
  }
}

export function headerMatcher(random: Random): Fields {
  const name = random.chance(0.15) ? ':method' : random.pick(HEADER_NAMES);
  const around = {
    ...random.maybe(0.25, () => ({ invert_match: true })),
    ...random.maybe(0.2, () => ({ treat_missing_header_as_empty: true })),
  };
  switch (random.below(4)) {
    case 0:
      return { name, present_match: random.chance(0.7), ...around };
    case 1:
      return { name, range_match: { start: -5, end: 6 }, ...around };
    default:
      return { name, string_match: stringMatch(random), ...around };
  }
}

export function matcher(random: Random): Fields {
  const caseSensitive = random.maybe(0.3, () => ({ case_sensitive: false }));
  const path = ((): Fields => {
    switch (random.below(6)) {
      case 0:
        return { path: random.pick(PATHS.slice(0, 10)), ...caseSensitive };
      case 1:
        return { safe_regex: { regex: random.pick(REGEXES) } };
      case 2:
        return { path_separated_prefix: random.pick(['/a', '/api', '/deep', '/api/v1']), ...caseSensitive };
      default:
        return { prefix: random.pick(PREFIXES), ...caseSensitive };
    }
  })();
  return {
    ...path,
    ...random.maybe(0.35, () => ({ headers: random.many(1, 2, () => headerMatcher(random)) })),
    ...random.maybe(0.25, () => ({
      query_parameters: [
        {
          name: random.pick(['k', 'x', 'none']),
          ...(random.chance(0.5) ? { string_match: stringMatch(random) } : { present_match: random.chance(0.7) }),
        },
      ],
    })),
  };
}

export const FORMATS = [
  'plain',
  '%REQ(:PATH)%',
  '%REQ(X-ONE)%',
  '%PROTOCOL%',
  '%RESPONSE_CODE%',
  '%UPSTREAM_CLUSTER%',
  '<%REQ(X-TWO?X-ONE)%>',
  '100%%',
  '%REQ(:AUTHORITY):5%',
  '%ROUTE_NAME%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
];

function headerToAdd(random: Random): Fields {
  return {
    header: { key: random.pick(['x-one', 'x-two', 'x-added', 'x-more', 'user-agent']), value: random.pick(FORMATS) },
    ...random.maybe(0.6, () => ({
      append_action: random.pick([
        'APPEND_IF_EXISTS_OR_ADD',
        'ADD_IF_ABSENT',
        'OVERWRITE_IF_EXISTS_OR_ADD',
        'OVERWRITE_IF_EXISTS',
      ]),
    })),
    ...random.maybe(0.2, () => ({ keep_empty_value: true })),
  };
}

export function headerChanges(random: Random, probability: number): Fields {
  return {
    ...random.maybe(probability, () => ({ request_headers_to_add: random.many(1, 3, () => headerToAdd(random)) })),
    ...random.maybe(probability, () => ({ response_headers_to_add: random.many(1, 3, () => headerToAdd(random)) })),
    ...random.maybe(probability / 2, () => ({ request_headers_to_remove: [random.pick(HEADER_NAMES)] })),
    ...random.maybe(probability / 2, () => ({
      response_headers_to_remove: [random.pick(['x-up', 'x-backend', 'x-one'])],
    })),
  };
}

export function retryPolicy(random: Random): Fields {
  return {
    retry_on: random.pick([
      '5xx',
      'gateway-error',
      'reset',
      'retriable-4xx',
      'retriable-status-codes',
      '5xx,retriable-4xx',
      'connect-failure',
    ]),
    num_retries: random.below(3),
    retriable_status_codes: [418, 404],
    retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
  };
}

export function pathRewrite(random: Random, entry: Fields): Fields {
  const isWhole = 'safe_regex' in entry;
  switch (random.below(4)) {
    case 0:
      return isWhole ? {} : { prefix_rewrite: random.pick(['/', '/new', '/new/', '/a']) };
    case 1:
      return {
        regex_rewrite: {
          pattern: { regex: random.pick(['^/([^/]*)', '/a', '[aeiou]', '^/api/(v\\d)/(.*)$']) },
          substitution: random.pick(['/s', '/\\0', 'z']),
        },
      };
    default:
      return {};
  }
}

export function hostRewrite(random: Random): Fields {
  switch (random.below(5)) {
    case 0:
      return {
        host_rewrite_literal: 'rewritten.example',
        ...random.maybe(0.5, () => ({ append_x_forwarded_host: true })),
      };
    case 1:
      return { host_rewrite_header: 'x-one' };
    case 2:
      return {
        host_rewrite_path_regex: { pattern: { regex: '^/([a-z]+).*$' }, substitution: '\\1.example' },
      };
    default:
      return {};
  }
}

function target(random: Random): Fields {
  switch (random.below(9)) {
    case 3:
      return { inline_cluster_specifier_plugin: clusterSpecifier(random) };
    case 0:
      return {
        weighted_clusters: {
          clusters: [
            { name: 'a', weight: 0 },
            { name: 'b', weight: 100, ...headerChanges(random, 0.3), ...random.maybe(0.3, () => perFilter(random)) },
          ],
        },
      };
    case 1:
      return { cluster_header: 'x-cluster' };
    case 2:
      return { cluster: random.pick(['empty', 'refused']) };
    default:
      return { cluster: random.pick(['a', 'b']) };
  }
}

function perFilter(random: Random): Fields {
  const configs: Record<string, Fields> = {};
  if (random.chance(0.15)) {
    configs['envoy.filters.http.fault'] = any('envoy.extensions.filters.http.fault.v3.HTTPFault', {
      abort: { http_status: random.pick([400, 503, 418]), percentage: { numerator: random.pick([0, 100]) } },
      headers: [headerMatcher(random)],
    });
  }
  if (random.chance(0.15)) {
    configs['envoy.filters.http.cors'] = any('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
      allow_origin_string_match: [{ prefix: 'https://good' }],
      allow_methods: 'GET',
      ...random.maybe(0.5, () => ({ allow_credentials: true })),
      ...random.maybe(0.5, () => ({ max_age: '5' })),
    });
  }
  if (random.chance(0.2)) {
    configs['envoy.filters.http.header_mutation'] = any(
      'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
      {
        mutations: {
          request_mutations: [
            { append: { header: { key: 'x-mut', value: random.pick(FORMATS) } } },
            { remove: random.pick(HEADER_NAMES) },
          ],
        },
      },
    );
  }
  if (random.chance(0.2)) configs['envoy.filters.http.local_ratelimit'] = localRateLimit(random);
  if (random.chance(0.1)) {
    const disabled = random.pick(['envoy.filters.http.rbac', 'envoy.filters.http.fault', 'envoy.filters.http.cors']);
    configs[disabled] = any('envoy.config.route.v3.FilterConfig', { disabled: true });
  }
  if (random.chance(0.2)) {
    configs['envoy.filters.http.rbac'] = random.chance(0.3)
      ? any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute')
      : any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', {
          rbac: {
            rules: {
              action: random.pick(['ALLOW', 'DENY']),
              policies: {
                p: {
                  permissions: [
                    random.pick([
                      { any: true },
                      { header: headerMatcher(random) },
                      { not_rule: { header: headerMatcher(random) } },
                    ]),
                  ],
                  principals: [random.pick([{ any: true }, { header: headerMatcher(random) }])],
                },
              },
            },
          },
        });
  }
  return Object.keys(configs).length === 0 ? {} : { typed_per_filter_config: configs };
}

function routeEntry(random: Random, index: number): Fields {
  const template = random.chance(0.12) ? pathTemplate(random) : null;
  const entry = template === null ? matcher(random) : { ...template.match };
  const around = { name: `r${index}`, ...headerChanges(random, 0.25), ...perFilter(random) };
  const kind = random.next();
  if (kind > 0.98) return { match: entry, non_forwarding_action: {}, ...around };
  if (kind < 0.15) {
    return {
      match: entry,
      direct_response: {
        status: random.pick([200, 204, 301, 404, 503]),
        ...random.maybe(0.7, () => ({ body: { inline_string: 'direct body' } })),
      },
      ...around,
    };
  }
  if (kind < 0.3) {
    const rewrite =
      random.below(3) === 0 && !('safe_regex' in entry) && template === null
        ? { prefix_rewrite: '/moved' }
        : random.chance(0.5)
          ? { path_redirect: random.pick(['/p', '/p?z=1']) }
          : {};
    return {
      match: entry,
      redirect: {
        ...rewrite,
        ...random.maybe(0.4, () => ({ host_redirect: 'to.example' })),
        ...random.maybe(0.3, () => ({ https_redirect: true })),
        ...random.maybe(0.3, () => ({ port_redirect: random.pick([80, 443, 8443]) })),
        ...random.maybe(0.3, () => ({ strip_query: true })),
        ...random.maybe(0.3, () => ({
          response_code: random.pick(['FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT']),
        })),
      },
      ...around,
    };
  }
  return {
    match: entry,
    route: {
      ...target(random),
      ...(template === null ? pathRewrite(random, entry) : random.maybe(0.6, () => template.rewrite)),
      ...random.maybe(0.3, () => redirectPolicy(random)),
      ...random.maybe(0.2, () => rateLimits(random)),
      ...hostRewrite(random),
      ...random.maybe(0.3, () => ({ retry_policy: retryPolicy(random) })),
      ...random.maybe(0.2, () => ({ timeout: random.pick(['0s', '3s']) })),
    },
    ...around,
  };
}

function connectionManager(random: Random): Fields {
  return {
    ...random.maybe(0.3, () => ({ normalize_path: true })),
    ...random.maybe(0.3, () => ({ merge_slashes: true })),
    ...random.maybe(0.3, () => ({ strip_any_host_port: true })),
    ...random.maybe(0.3, () => ({ use_remote_address: true })),
    ...random.maybe(0.2, () => ({ xff_num_trusted_hops: 1 })),
    ...random.maybe(0.2, () => ({ skip_xff_append: true })),
    ...random.maybe(0.2, () => ({ server_header_transformation: random.pick(['APPEND_IF_ABSENT', 'PASS_THROUGH']) })),
    ...random.maybe(0.2, () => ({ via: 'gen' })),
    ...random.maybe(0.2, () => ({ generate_request_id: false })),
    ...random.maybe(0.2, () => ({ always_set_request_id_in_response: true })),
    ...random.maybe(0.2, () => ({
      local_reply_config: {
        body_format: { text_format_source: { inline_string: '%RESPONSE_CODE% %LOCAL_REPLY_BODY%' } },
      },
    })),
  };
}

/** What a virtual host says for all of its routes. */
function perHost(random: Random): Fields {
  return {
    ...random.maybe(0.2, () => rateLimits(random)),
    ...random.maybe(0.2, () => perFilter(random)),
    ...random.maybe(0.1, () => ({ retry_policy: retryPolicy(random) })),
    ...random.maybe(0.05, () => ({ require_tls: random.pick(['ALL', 'EXTERNAL_ONLY']) })),
    ...random.maybe(0.1, () => ({ include_is_timeout_retry_header: true })),
  };
}

function virtualHosts(random: Random): Fields[] {
  const left = [...DOMAINS];
  const hosts = random.many(1, 4, (index) => {
    const domains = random
      .many(1, 2, () => left.splice(random.below(left.length), 1)[0]!)
      .filter((domain) => domain !== undefined);
    return {
      name: `v${index}`,
      domains: domains.length > 0 ? domains : [`v${index}.example`],
      ...headerChanges(random, 0.15),
      ...perHost(random),
      ...random.maybe(0.2, () => ({ include_request_attempt_count: true })),
      ...random.maybe(0.2, () => ({ include_attempt_count_in_response: true })),
      ...(random.chance(0.2)
        ? { matcher: matcherTree(random, () => routeLeaf(random, () => routeEntry(random, random.below(6)))) }
        : { routes: random.many(1, 6, (route) => routeEntry(random, route)) }),
    };
  });
  if (random.chance(0.7)) (hosts[0]!['domains'] as string[]).push('*');
  return hosts;
}

function randomReply(random: Random): Reply {
  switch (random.below(11)) {
    case 5:
    case 6:
      return redirectReply(random);
    case 0:
      return response(random.pick([500, 502, 503, 404, 409, 418]), 'failed', 'x-up: 1');
    case 1:
      return [random.pick(['fin', 'rst'])];
    case 2:
      return [head(200, 'transfer-encoding: chunked', 'x-up: 2'), '3\r\nabc\r\n0\r\n\r\n'];
    case 3:
      return head(random.pick([204, 304]), 'x-up: 3');
    case 4:
      return response(200, 'x'.repeat(random.below(3000)), 'x-one: up', 'set-cookie: a', 'set-cookie: b');
    default:
      return response(200, 'ok', 'x-up: 4', 'x-backend: scripted');
  }
}

function randomRequest(random: Random): string {
  const lines = [
    `host: ${random.pick(HOSTS)}`,
    ...random.many(0, 3, () => `${random.pick(HEADER_NAMES)}: ${random.pick(HEADER_VALUES)}`),
    ...(random.chance(0.15) ? [`origin: ${random.pick(['https://good.example', 'https://bad.example'])}`] : []),
    ...(random.chance(0.2) ? [`x-cluster: ${random.pick(['a', 'b', 'gone'])}`] : []),
    ...(random.chance(0.15)
      ? [
          random.pick([
            'x-forwarded-for: 203.0.113.1',
            'x-forwarded-proto: https',
            'x-envoy-retry-on: 5xx',
            'x-request-id: given',
            'te: trailers',
            'cookie: a=b',
          ]),
        ]
      : []),
    ...(random.chance(0.05) ? ['access-control-request-method: GET'] : []),
    ...(random.chance(0.2) ? ['x-forwarded-for: 10.0.0.1'] : []),
    ...(random.chance(0.3) ? random.many(1, 2, () => random.pick(ENVOY_HEADERS)) : []),
  ];
  const path = random.pick(PATHS) + random.pick(QUERIES);
  if (random.chance(0.1)) return chunked(path, ['some ', 'body'], lines);
  const method = random.pick(['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']);
  const body = method === 'POST' || method === 'PUT' ? 'body' : '';
  const length = body === '' ? [] : [`content-length: ${body.length}`];
  return `${[`${method} ${path} HTTP/1.1`, ...lines, ...length].join('\r\n')}\r\n\r\n${body}`;
}

/** Up to so many requests behind each other on one connection; one with a body may end it, so it comes last. */
function inTurn(random: Random, most: number): string[] {
  const requests: string[] = [];
  while (requests.length < most) {
    const request = randomRequest(random);
    requests.push(request);
    if (!request.endsWith('\r\n\r\n') || request.includes('transfer-encoding')) break;
  }
  return requests;
}

export function withoutFates({ clients, ...rest }: Observation): unknown {
  return { ...rest, clients: clients.map(({ fate: _, ...client }) => client) };
}

/** One listener called `name` with its requests; the way changes how they are said, and nothing else. */
export function generate(seed: number, requestCount: number, way: Way = 'h1 to h1', perConnection = 1): Generated {
  const random = new Random(seed);
  const name = `g${seed}`;
  const listener = http({
    name,
    virtualHosts: virtualHosts(random),
    routeConfig: {
      validate_clusters: false,
      ...headerChanges(random, 0.15),
      ...random.maybe(0.3, () => ({ most_specific_header_mutations_wins: true })),
    },
    filters: [
      filter('envoy.filters.http.cors', 'envoy.extensions.filters.http.cors.v3.Cors'),
      filter('envoy.filters.http.fault', 'envoy.extensions.filters.http.fault.v3.HTTPFault'),
      filter('envoy.filters.http.rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC'),
      filter('envoy.filters.http.local_ratelimit', 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', {
        stat_prefix: 'none',
      }),
      filter('envoy.filters.http.header_mutation', 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
        mutations: {},
      }),
    ],
    router: random.maybe(0.2, () => ({ suppress_envoy_headers: true })),
    hcm: connectionManager(random),
  });
  const cases: Case[] = [];
  for (let made = 0; made < requestCount; ) {
    const requests = inTurn(random, perConnection);
    const replies = random.many(0, 3 * requests.length, () => randomReply(random));
    const test: Case = {
      name: `seed ${seed} request ${made}`,
      to: name,
      send: requests.length === 1 ? (requests[0] as string) : requests.flatMap((each, n) => [each, { read: n + 1 }]),
      upstream: { a: replies, b: replies },
      probeMs: 2,
      timeoutMs: 3000,
      // A client that goes on writing while its connection is closed may hear of it by a reset.
      ...(requests.length === 1 ? {} : { view: withoutFates }),
    };
    cases.push(inWay(test, way));
    made += requests.length;
  }
  return { seed, way, listener, cases };
}

/** Of one way to the upstreams. */
export function groupOf(generated: readonly Generated[]): Group {
  const speaks = generated.some(({ way }) => way.endsWith('h2')) ? HTTP2 : {};
  return {
    name: `generated ${generated.map(({ seed }) => seed).join(',')}`,
    config: bootstrap({
      listeners: generated.map(({ listener }) => listener),
      clusters: [
        cluster('a', ['a'], speaks),
        cluster('b', ['b'], speaks),
        cluster('empty', [], speaks),
        cluster('refused', ['free.refused'], speaks),
      ],
    }),
    cases: generated.flatMap(({ cases }) => cases),
  };
}
