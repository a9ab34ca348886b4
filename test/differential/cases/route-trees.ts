// Differential cases: trees of matchers that choose routes, and clusters.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, filter, http, match, route } from '../config.ts';
import { get, post, response } from '../messages.ts';

const HEADER = 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput';
const STATE = 'envoy.extensions.matching.common_inputs.network.v3.FilterStateInput';

function input(type: string, fields: Fields = {}): Fields {
  return { name: 'input', typed_config: any(type, fields) };
}
const header = (name: string): Fields => input(HEADER, { header_name: name });

/** An action: one route. */
function one(entry: Fields): Fields {
  return { action: { name: 'route', typed_config: any('envoy.config.route.v3.Route', entry) } };
}
/** An action: several routes. */
function list(...routes: readonly Fields[]): Fields {
  return { action: { name: 'routes', typed_config: any('envoy.config.route.v3.RouteList', { routes }) } };
}
function to(name: string, prefix = '/', around: Fields = {}): Fields {
  return route(prefix, 'a', {}, { name, ...around });
}

function single(of: Fields, value: Fields): Fields {
  return { single_predicate: { input: of, value_match: value } };
}
function entry(predicate: Fields, then: Fields): Fields {
  return { predicate, on_match: then };
}

type Tree = { readonly matcher: Fields; readonly requests: readonly string[] };

const trees: Readonly<Record<string, Tree>> = {
  exact: {
    matcher: {
      matcher_tree: {
        input: header('x-tree'),
        exact_match_map: { map: { one: one(to('one')), two: list(to('two-a', '/a'), to('two-b', '/b')) } },
      },
    },
    requests: [
      get('/', 'x-tree: one'), get('/a', 'x-tree: two'), get('/b', 'x-tree: two'), get('/c', 'x-tree: two'), get('/'),
      get('/', 'x-tree: none'), get('/', 'x-tree: one', 'x-tree: two'), get('/', 'x-tree: '), get('/', 'x-tree: ONE'),
    ], // biome-ignore format: a table.
  },
  prefix: {
    matcher: {
      matcher_tree: {
        input: header(':path'),
        prefix_match_map: {
          map: {
            '/': one(to('root')),
            '/api': one(to('api')),
            '/api/v1': list(to('v1', '/api/v1/x')),
            '/exact': one(match({ path: '/exact' }, 'a', {}, { name: 'exact' })),
          },
        },
      },
      on_no_match: one(to('otherwise')),
    },
    requests: [get('/'), get('/api'), get('/api/v1/x'), get('/api/v1/y'), get('/exact'), get('/exact/x'), get('/apix')],
  },
  list: {
    matcher: {
      matcher_list: {
        matchers: [
          entry(single(header('x-a'), { exact: 'v' }), one(to('exact'))),
          entry(single(header('x-a'), { prefix: 'pre', ignore_case: true }), one(to('prefix'))),
          entry(single(header('x-a'), { suffix: 'fix' }), one(to('suffix'))),
          entry(single(header('x-a'), { contains: 'mid' }), one(to('contains'))),
          entry(single(header('x-a'), { safe_regex: { google_re2: {}, regex: '[0-9]+' } }), one(to('regex'))),
          entry(
            {
              and_matcher: {
                predicate: [single(header('x-b'), { exact: '1' }), single(header('x-c'), { exact: '1' })],
              },
            },
            one(to('and')),
          ),
          entry(
            {
              or_matcher: { predicate: [single(header('x-d'), { exact: '1' }), single(header('x-e'), { exact: '1' })] },
            },
            one(to('or')),
          ),
          entry({ not_matcher: single(header('x-f'), { exact: '1' }) }, one(to('not'))),
        ],
      },
      on_no_match: list(to('otherwise')),
    },
    requests: [
      get('/', 'x-a: v'), get('/', 'x-a: PREx'), get('/', 'x-a: xfix'), get('/', 'x-a: amidb'), get('/', 'x-a: 42'),
      get('/', 'x-b: 1'), get('/', 'x-b: 1', 'x-c: 1'), get('/', 'x-d: 1'), get('/', 'x-e: 1'), get('/', 'x-f: 1'),
      get('/'),
    ], // biome-ignore format: a table.
  },
  nested: {
    matcher: {
      matcher_list: {
        matchers: [
          entry(single(header('x-a'), { exact: '1' }), {
            matcher: {
              matcher_tree: { input: header('x-b'), exact_match_map: { map: { '1': one(to('both')) } } },
              on_no_match: one(to('inner otherwise')),
            },
          }),
          entry(single(header('x-a'), { prefix: '2' }), {
            matcher: { matcher_tree: { input: header('x-b'), exact_match_map: { map: { '1': one(to('second')) } } } },
          }),
          entry(single(header('x-a'), { safe_regex: { google_re2: {}, regex: '.*' } }), one(to('last'))),
        ],
      },
    },
    requests: [
      get('/', 'x-a: 1', 'x-b: 1'),
      get('/', 'x-a: 1'),
      get('/', 'x-a: 2', 'x-b: 1'),
      get('/', 'x-a: 2'),
      get('/'),
    ],
  },
  refined: {
    matcher: {
      matcher_tree: {
        input: header('x-tree'),
        exact_match_map: {
          map: {
            route: one(
              match(
                { prefix: '/', headers: [{ name: 'x-h', string_match: { exact: 'y' } }] },
                'a',
                {},
                { name: 'route' },
              ),
            ),
            list: list(
              match(
                { prefix: '/', query_parameters: [{ name: 'q', present_match: true }] },
                'a',
                {},
                { name: 'query' },
              ),
              { match: { prefix: '/r' }, redirect: { path_redirect: '/to' }, name: 'redirect' },
              {
                match: { prefix: '/d' },
                direct_response: { status: 200, body: { inline_string: 'direct' } },
                name: 'direct',
              },
              { match: { safe_regex: { regex: '/x[0-9]+' } }, route: { cluster: 'b' }, name: 'regex' },
              {
                match: { prefix: '/w' },
                route: {
                  weighted_clusters: {
                    clusters: [
                      { name: 'a', weight: 0 },
                      { name: 'b', weight: 1 },
                    ],
                  },
                },
                name: 'weighted',
              },
            ),
            empty: list(),
          },
        },
      },
    },
    requests: [
      get('/', 'x-tree: route', 'x-h: y'), get('/', 'x-tree: route'), get('/?q', 'x-tree: list'),
      get('/r', 'x-tree: list'),
      get('/d', 'x-tree: list'), get('/x1', 'x-tree: list'), get('/w', 'x-tree: list'), get('/', 'x-tree: list'),
      get('/', 'x-tree: empty'),
    ], // biome-ignore format: a table.
  },
  pseudo: {
    matcher: {
      matcher_list: {
        matchers: [
          entry(single(header(':method'), { exact: 'POST' }), one(to('post'))),
          entry(single(header(':authority'), { exact: 'other.example' }), one(to('authority'))),
          entry(single(header('host'), { exact: 'third.example' }), one(to('host'))),
          entry(single(header(':scheme'), { exact: 'http' }), one(to('scheme'))),
        ],
      },
    },
    requests: [post('/', ''), get('/', 'host: other.example'), get('/', 'host: third.example'), get('/')],
  },
  state: {
    matcher: {
      matcher_list: {
        matchers: [
          entry(
            single(input(STATE, { key: 'text' }), { exact: 'written' }),
            one(match({ path: '/text' }, 'a', {}, { name: 'text' })),
          ),
          entry(single(input(STATE, { key: 'address', field: 'port' }), { exact: '99' }), one(to('port', '/port'))),
          entry(
            single(input(STATE, { key: 'none' }), { safe_regex: { google_re2: {}, regex: '.*' } }),
            one(to('none')),
          ),
        ],
      },
    },
    requests: [get('/text'), get('/port'), get('/')],
  },
};

function setState(key: string, factory_key: string, text: string): Fields {
  return { object_key: key, factory_key, format_string: { text_format_source: { inline_string: text } } };
}
const networkState = {
  name: 'envoy.filters.network.set_filter_state',
  typed_config: any('envoy.extensions.filters.network.set_filter_state.v3.Config', {
    on_new_connection: [
      setState('text', 'envoy.string', 'written'),
      setState('address', 'envoy.network.transport_socket.original_dst_address', '1.2.3.4:99'),
    ],
  }),
};

function treeListener(name: string, matcher: Fields): Fields {
  const listener = http({ name, virtualHosts: [{ name, domains: ['*'], matcher }] });
  if (name !== 'state') return listener;
  const [chain] = listener['filter_chains'] as { filters: Fields[] }[];
  return { ...listener, filter_chains: [{ filters: [networkState, ...chain!.filters] }] };
}

/** Which cluster a request goes to. Envoy 1.40 ends its process when a specifier asks for a query parameter. */
function action(cluster: string): Fields {
  const type = 'envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction';
  return { action: { name: 'cluster', typed_config: any(type, { cluster }) } };
}
function specifier(cluster_matcher: Fields, name = 'by-matcher', more: Fields = {}): Fields {
  const type = 'envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier';
  return { extension: { name, typed_config: any(type, { cluster_matcher }) }, ...more };
}
const absent: Fields = {
  extension: { name: 'absent', typed_config: any('envoy.config.route.v3.FilterAction') },
  is_optional: true,
};

const byHeader: Fields = {
  matcher_tree: {
    input: header('x-to'),
    exact_match_map: { map: { a: action('a'), b: action('b'), gone: action('gone') } },
  },
};
const byAttempt: Fields = {
  matcher_tree: {
    input: header('x-envoy-attempt-count'),
    exact_match_map: { map: { '1': action('a'), '2': action('b') } },
  },
  on_no_match: action('a'),
};
const retry: Fields = { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.001s' } };

const specifierListener = http({
  name: 'specified',
  virtualHosts: [
    {
      name: 'specified',
      domains: ['*'],
      include_request_attempt_count: true,
      routes: [
        {
          match: { prefix: '/inline' },
          route: { inline_cluster_specifier_plugin: specifier(byHeader) },
          name: 'inline',
        },
        { match: { prefix: '/named' }, route: { cluster_specifier_plugin: 'named' }, name: 'named' },
        { match: { prefix: '/absent' }, route: { cluster_specifier_plugin: 'absent' }, name: 'absent' },
        { match: { prefix: '/optional-next' }, route: { inline_cluster_specifier_plugin: absent } },
        { match: { prefix: '/optional-next' }, route: { cluster: 'b' } },
        { match: { prefix: '/optional' }, route: { inline_cluster_specifier_plugin: absent }, name: 'optional' },
        {
          match: { prefix: '/refreshed' },
          route: {
            inline_cluster_specifier_plugin: specifier(byAttempt),
            retry_policy: { ...retry, refresh_cluster_on_retry: true },
          },
        },
        {
          match: { prefix: '/retried' },
          route: { inline_cluster_specifier_plugin: specifier(byAttempt), retry_policy: retry },
        },
        {
          match: { prefix: '/not-found' },
          route: { inline_cluster_specifier_plugin: specifier(byHeader), cluster_not_found_response_code: 'NOT_FOUND' },
        },
        {
          match: { prefix: '/mutated' },
          route: { cluster_header: 'x-to' },
          typed_per_filter_config: {
            'envoy.filters.http.header_mutation': any(
              'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
              {
                mutations: {
                  request_mutations: [
                    { append: { header: { key: 'x-to', value: 'b' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' } },
                  ],
                },
              },
            ),
          },
        },
        { match: { prefix: '/header' }, route: { cluster_header: 'x-to' } },
        {
          match: { prefix: '/weighted' },
          route: {
            weighted_clusters: {
              clusters: [
                { cluster_header: 'x-to', weight: 1 },
                { name: 'a', weight: 0 },
              ],
            },
          },
        },
      ],
    },
  ],
  routeConfig: { cluster_specifier_plugins: [specifier(byHeader, 'named'), absent] },
  filters: [
    filter('envoy.filters.http.header_mutation', 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
      mutations: {},
    }),
  ],
});

const BAD = response(503, 'bad');
const specifierCases: readonly Case[] = [
  ...['/inline', '/named', '/not-found', '/header', '/weighted', '/mutated'].flatMap((path) =>
    [['x-to: a'], ['x-to: b'], ['x-to: gone'], ['x-to: unknown'], []].map(
      (lines): Case => ({ name: `specified ${path} ${lines.join('')}`, to: 'specified', send: get(path, ...lines) }),
    ),
  ),
  { name: 'specified by an absent plugin', to: 'specified', send: get('/absent') },
  { name: 'specified by an optional plugin', to: 'specified', send: get('/optional') },
  { name: 'specified by an optional plugin, another route', to: 'specified', send: get('/optional-next') },
  {
    name: 'specified again for a retry',
    to: 'specified',
    send: get('/refreshed'),
    upstream: { a: [BAD, BAD, BAD], b: [BAD, BAD] },
    stats: ['retry'],
  },
  {
    name: 'specified once',
    to: 'specified',
    send: get('/retried'),
    upstream: { a: [BAD, BAD], b: [BAD, BAD] },
    stats: ['retry'],
  },
];

const treeCases: readonly Case[] = Object.entries(trees).flatMap(([name, { requests }]) =>
  requests.map((send, i): Case => ({ name: `tree ${name} ${i}`, to: name, send })),
);

const clusters = [cluster('a'), cluster('b')];

export const routeTreeGroups: readonly Group[] = [
  {
    name: 'route trees',
    config: bootstrap({
      listeners: Object.entries(trees).map(([name, { matcher }]) => treeListener(name, matcher)),
      clusters,
    }),
    cases: treeCases,
  },
  {
    name: 'cluster specifiers',
    config: bootstrap({ listeners: [specifierListener], clusters }),
    cases: specifierCases,
  },
];
