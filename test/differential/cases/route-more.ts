// Differential cases: path templates of routes, actions that lead nowhere, headers of copies, hosts that retries avoid.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { address, any, bootstrap, cluster, http, match } from '../config.ts';
import { get, post, response } from '../messages.ts';

// ── path templates ──
function template(path_template: string): Fields {
  const type = 'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig';
  return { path_match_policy: { name: 'envoy.path.match.uri_template', typed_config: any(type, { path_template }) } };
}
function rewrite(path_template_rewrite: string): Fields {
  const type = 'envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig';
  const typed_config = any(type, { path_template_rewrite });
  return { path_rewrite_policy: { name: 'envoy.path.rewrite.uri_template', typed_config } };
}

const TEMPLATES: readonly (readonly [string, string | null])[] = [
  ['/users/{user}/items/{item}', '/items/{item}/of/{user}'],
  ['/media/{path=**}.{format}', null],
  ['/files/{path=**}', '/f/{path}'],
  ['/one/*/two', '/two'],
  ['/two/**', '/{none-of-them}'.replace('{none-of-them}', 'rest')],
  ['/lang/{lang=*}/x', '/x-{lang}-{lang}/'],
  ['/pair/{both=a/*}/end', '/{both}'],
  ['/plain', '/rewritten'],
  ['/odd/{v}', "/!$&'()*+,;:@=._~%-/{v}"],
];
const valid = TEMPLATES.filter(([text]) => !text.includes('.{'));
const templateRoutes = valid.map(([text, to], i) =>
  match(template(text), 'a', to === null ? {} : rewrite(to), { name: `t${i}` }),
);
const TEMPLATE_PATHS = [
  '/users/u1/items/i2', '/users/u1/items/i2?q=/users/x', '/users/u1/items/', '/users//items/i', '/users/a%2Fb/items/~x',
  '/files/a/b/c', '/files/', '/files', '/files/?q', '/one/x/two', '/one/x/y/two', '/two/', '/two/a/b', '/lang/de/x',
  '/lang/de/x?y=1#z', '/odd/$1', '/pair/a/b/end', '/pair/c/b/end', '/plain', '/plain/', '/PLAIN', '/odd/v',
  '/odd/v;p=1',
]; // biome-ignore format: a table.

const templateRedirects = [
  { match: template('/r/{a}/{b}'), redirect: { path_redirect: '/fixed' }, name: 'fixed' },
  {
    match: template('/rx/{a}'),
    redirect: { regex_rewrite: { pattern: { regex: '^/rx/(.*)$' }, substitution: '/y/\\1' } },
  },
  { match: template('/case/{a}'), direct_response: { status: 200, body: { inline_string: 'case' } } },
  { match: { ...template('/insensitive/{a}'), case_sensitive: false }, direct_response: { status: 200 } },
];

// ── actions that lead nowhere, or that are old ──
const oddRoutes: readonly Fields[] = [
  {
    match: { prefix: '/non-forwarding' },
    non_forwarding_action: {},
    name: 'non-forwarding',
    response_headers_to_add: [{ header: { key: 'x-a', value: 'b' } }],
  },
  {
    match: { prefix: '/filter-action' },
    filter_action: { action: any('envoy.config.route.v3.FilterAction') },
    name: 'filter-action',
  },
  { match: { prefix: '/filter-empty' }, filter_action: {}, name: 'filter-empty' },
  match({ prefix: '/old-redirect' }, 'a', { internal_redirect_action: 'HANDLE_INTERNAL_REDIRECT' }, { name: 'old' }),
  match({ prefix: '/old-through' }, 'a', {
    internal_redirect_action: 'PASS_THROUGH_INTERNAL_REDIRECT',
    max_internal_redirects: 3,
  }),
  match(
    { prefix: '/old-twice' },
    'a',
    { internal_redirect_action: 'HANDLE_INTERNAL_REDIRECT', max_internal_redirects: 2 },
    { name: 'twice' },
  ),
  match({ prefix: '/old-max' }, 'a', { max_internal_redirects: 2 }),
  match({ prefix: '/old-both' }, 'a', {
    internal_redirect_action: 'HANDLE_INTERNAL_REDIRECT',
    max_internal_redirects: 5,
    internal_redirect_policy: { max_internal_redirects: 1 },
  }),
  match({ prefix: '/early' }, 'a', {
    early_data_policy: { name: 'default', typed_config: any('envoy.extensions.early_data.v3.DefaultEarlyDataPolicy') },
  }),
];

function location(to: string): string {
  return response(302, 'moved', `location: http://h${to}`);
}
const oddCases: readonly Case[] = [
  ...['/non-forwarding', '/filter-action', '/filter-empty', '/early'].map(
    (path): Case => ({ name: path, to: 'odd', send: get(path) }),
  ),
  ...['/old-redirect', '/old-through', '/old-twice', '/old-max', '/old-both'].map(
    (path): Case => ({
      name: path,
      to: 'odd',
      send: get(path),
      upstream: { a: [location(`${path}/1`), location(`${path}/2`), location(`${path}/3`)] },
      stats: ['internal_redirect'],
    }),
  ),
];

// ── copies ──
function mirror(path: string, policy: Fields): Fields {
  return match(
    { prefix: path },
    'a',
    { request_mirror_policies: [{ cluster: 'b', ...policy }] },
    { request_headers_to_add: [{ header: { key: 'x-route', value: 'r' } }] },
  );
}
function append(key: string, value: string, append_action?: string): Fields {
  return { append: { header: { key, value }, ...(append_action === undefined ? {} : { append_action }) } };
}
const mirrorRoutes: readonly Fields[] = [
  mirror('/append', {
    request_headers_mutations: [
      append('x-copy', 'yes'),
      append('x-sent', 'more'),
      append('x-format', '%REQ(:PATH)% %REQ(X-SENT)%'),
    ],
  }),
  mirror('/overwrite', {
    request_headers_mutations: [
      append('x-sent', 'other', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      append('x-route', 'new', 'OVERWRITE_IF_EXISTS'),
    ],
  }),
  mirror('/remove', {
    request_headers_mutations: [{ remove: 'x-sent' }, { remove: 'x-route' }, { remove: 'x-request-id' }],
  }),
  mirror('/match', { request_headers_mutations: [{ remove_on_match: { key_matcher: { prefix: 'x-s' } } }] }),
  mirror('/host', {
    host_rewrite_literal: 'copy.example',
    request_headers_mutations: [append('x-host', '%REQ(:AUTHORITY)%')],
  }),
  mirror('/suffix', {
    request_headers_mutations: [append('x-host', '%REQ(:AUTHORITY)%'), append('x-cluster', '%UPSTREAM_CLUSTER%')],
  }),
  mirror('/xff', {
    request_headers_mutations: [
      append('x-forwarded-for', '9.9.9.9'),
      append('x-envoy-internal', 'false', 'OVERWRITE_IF_EXISTS_OR_ADD'),
    ],
  }),
];
const mirrorCases: readonly Case[] = ['/append', '/overwrite', '/remove', '/match', '/host', '/suffix', '/xff'].flatMap(
  (path): Case[] => [
    { name: `copy ${path}`, to: 'mirrors', send: get(path, 'x-sent: 1'), awaitRequests: 2 },
    { name: `copy ${path} with body`, to: 'mirrors', send: post(path, 'body'), awaitRequests: 2 },
  ],
);

// ── hosts left out of retries ──
function endpoint(backend: string, values: Fields): Fields {
  return {
    endpoint: { address: address(`backend.${backend}`) },
    metadata: { filter_metadata: { 'envoy.lb': values } },
  };
}
const marked = cluster('marked', [], {
  load_assignment: {
    cluster_name: 'marked',
    endpoints: [{ lb_endpoints: [endpoint('a', { canary: true, v: 'one' }), endpoint('b', { v: 'two', n: 2 })] }],
  },
});
function omit(name: string, type: string, fields: Fields = {}): Fields {
  const typed_config = any(`envoy.extensions.retry.host.${name}.v3.${type}`, fields);
  return {
    retry_policy: {
      retry_on: '5xx',
      num_retries: 3,
      retry_back_off: { base_interval: '0.001s' },
      retry_host_predicate: [{ name: `envoy.retry_host_predicates.${name}`, typed_config }],
      host_selection_retry_max_attempts: 20,
    },
  };
}
const by = (values: Fields): Fields => ({ metadata_match: { filter_metadata: { 'envoy.lb': values } } });
const retryRoutes: readonly Fields[] = [
  match({ prefix: '/canary' }, 'marked', omit('omit_canary_hosts', 'OmitCanaryHostsPredicate')),
  match({ prefix: '/one' }, 'marked', omit('omit_host_metadata', 'OmitHostMetadataConfig', by({ v: 'one' }))),
  match({ prefix: '/number' }, 'marked', omit('omit_host_metadata', 'OmitHostMetadataConfig', by({ v: 'two', n: 2 }))),
  match({ prefix: '/half' }, 'marked', omit('omit_host_metadata', 'OmitHostMetadataConfig', by({ v: 'one', n: 2 }))),
  match({ prefix: '/none' }, 'marked', omit('omit_host_metadata', 'OmitHostMetadataConfig')),
];
const BAD = Array.from({ length: 4 }, () => response(503, 'bad'));
const retryCases: readonly Case[] = ['/canary', '/one', '/number'].map((path) => ({
  name: `hosts left out: ${path}`,
  to: 'retries',
  send: get(path),
  upstream: { a: BAD, b: BAD },
  standardStats: false,
  // The first attempt goes anywhere; all others to the one host that is left.
  view: ({ upstream }) => [(upstream['a'] ?? []).length <= 1, (upstream['b'] ?? []).length <= 1],
}));

export const routeMoreGroups: readonly Group[] = [
  {
    name: 'route templates',
    config: bootstrap({
      listeners: [
        http({ name: 'main', routes: templateRoutes }),
        http({ name: 'redirects', routes: templateRedirects }),
      ],
      clusters: [cluster('a')],
    }),
    cases: [
      ...TEMPLATE_PATHS.map((path): Case => ({ name: path, to: 'main', send: get(path) })),
      ...['/r/x/y', '/rx/z?q', '/case/A', '/insensitive/x', '/INSENSITIVE/x'].map(
        (path): Case => ({ name: path, to: 'redirects', send: get(path) }),
      ),
    ],
  },
  {
    name: 'route odds',
    config: bootstrap({
      listeners: [
        http({ name: 'odd', routes: oddRoutes }),
        http({ name: 'mirrors', routes: mirrorRoutes }),
        http({ name: 'retries', routes: retryRoutes }),
      ],
      clusters: [cluster('a'), cluster('b'), marked],
    }),
    cases: [...oddCases, ...mirrorCases, ...retryCases],
  },
];
