// Differential cases: rewrites, redirects, direct responses, header changes, targets and mirrors.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { bootstrap, cluster, direct, http, match, route } from '../config.ts';
import { get, post, request, response } from '../messages.ts';

// ── rewrites ──
const rewriteRoutes = [
  route('/prefix/', 'a', { prefix_rewrite: '/new/' }),
  route('/strip', 'a', { prefix_rewrite: '/' }),
  match({ path: '/whole' }, 'a', { prefix_rewrite: '/replaced' }),
  match({ path_separated_prefix: '/sep' }, 'a', { prefix_rewrite: '/s' }),
  match({ safe_regex: { regex: '/sr/.*' } }, 'a', { prefix_rewrite: '/all' }),
  route('/CI/', 'a', { prefix_rewrite: '/lower/' }, { match: { prefix: '/ci/', case_sensitive: false } }),
  route('/rx/', 'a', { regex_rewrite: { pattern: { regex: '/rx/([^/]+)/([^/]+)' }, substitution: '/\\2/\\1' } }),
  route('/rxall/', 'a', { regex_rewrite: { pattern: { regex: 'a' }, substitution: 'bb' } }),
  route('/rxslash/', 'a', { regex_rewrite: { pattern: { regex: '^/rxslash/(.*)$' }, substitution: '/x\\\\\\1\\0' } }),
  route('/host-literal-append', 'a', { host_rewrite_literal: 'literal.example', append_x_forwarded_host: true }),
  route('/host-literal', 'a', { host_rewrite_literal: 'literal.example' }),
  route('/host-header', 'a', { host_rewrite_header: 'x-new-host' }),
  route('/host-path', 'a', {
    host_rewrite_path_regex: { pattern: { regex: '^/host-path/(.+)$' }, substitution: '\\1' },
  }),
  route('/host-auto', 'named', { auto_host_rewrite: true }),
];
const rewriteCases: readonly Case[] = [
  ...[
    '/prefix/x?y=1',
    '/prefix/',
    '/strip/x',
    '/strip',
    '/stripped',
    '/whole?q=1',
    '/sep',
    '/sep/x',
    '/sep?q',
    '/sr/any?q=1',
  ],
  ...[
    '/ci/x',
    '/Ci/x',
    '/rx/one/two',
    '/rx/one/two/three?a=/rx/q/r',
    '/rx/none',
    '/rxall/banana?a=a',
    '/rxslash/abc',
    '/host-literal',
  ],
  ...['/host-literal-append', '/host-path/made.example?q=1', '/host-path/', '/host-auto'],
]
  .map((path): Case => ({ name: `rewrite ${path}`, to: 'rewrites', send: get(path) }))
  .concat([
    { name: 'rewrite /host-header with header', to: 'rewrites', send: get('/host-header', 'x-new-host: from.header') },
    { name: 'rewrite /host-header without header', to: 'rewrites', send: get('/host-header') },
    {
      name: 'rewrite when the client sends x-envoy-original-path',
      to: 'rewrites',
      send: get('/prefix/x', 'x-envoy-original-path: /fake'),
    },
    { name: 'rewrite of a post with body', to: 'rewrites', send: post('/prefix/x', 'body') },
  ]);

// ── redirects ──
const redirects: readonly (readonly [string, Fields])[] = [
  ['/r-host', { host_redirect: 'new.example' }],
  ['/r-host-port', { host_redirect: 'new.example', port_redirect: 8443 }],
  ['/r-port', { port_redirect: 8080 }],
  ['/r-path', { path_redirect: '/elsewhere' }],
  ['/r-path-query', { path_redirect: '/elsewhere?fixed=1' }],
  ['/r-path-strip', { path_redirect: '/elsewhere', strip_query: true }],
  ['/r-strip', { host_redirect: 'new.example', strip_query: true }],
  ['/r-prefix', { prefix_rewrite: '/other' }],
  ['/r-regex', { regex_rewrite: { pattern: { regex: '^/r-regex/(.*)$' }, substitution: '/moved/\\1' } }],
  ['/r-https', { https_redirect: true }],
  ['/r-scheme', { scheme_redirect: 'ftp' }],
  ['/r-https-port', { https_redirect: true, port_redirect: 443 }],
  ['/r-302', { path_redirect: '/x', response_code: 'FOUND' }],
  ['/r-303', { path_redirect: '/x', response_code: 'SEE_OTHER' }],
  ['/r-307', { path_redirect: '/x', response_code: 'TEMPORARY_REDIRECT' }],
  ['/r-308', { path_redirect: '/x', response_code: 'PERMANENT_REDIRECT' }],
  ['/r-all', { https_redirect: true, host_redirect: 'all.example', port_redirect: 1234, path_redirect: '/p' }],
  ['/r-empty', {}],
];
const redirectRoutes = redirects
  .toSorted(([a], [b]) => b.length - a.length)
  .map(([prefix, redirect]) => ({ match: { prefix }, redirect }));
const redirectCases: readonly Case[] = redirects
  .map(
    ([prefix]): Case => ({
      name: `redirect ${prefix}`,
      to: 'redirects',
      send: get(`${prefix}/more?q=1`, 'host: old.example:8000'),
    }),
  )
  .concat([
    { name: 'redirect keeps default ports away', to: 'redirects', send: get('/r-https', 'host: old.example:80') },
    { name: 'redirect https without port', to: 'redirects', send: get('/r-https', 'host: old.example') },
    { name: 'redirect https with port 443', to: 'redirects', send: get('/r-https', 'host: old.example:443') },
    { name: 'redirect IPv6 host', to: 'redirects', send: get('/r-https', 'host: [::1]:80') },
    { name: 'redirect port of IPv6 host', to: 'redirects', send: get('/r-port', 'host: [::1]') },
    { name: 'redirect of a post', to: 'redirects', send: post('/r-307', 'body') },
    { name: 'redirect of head', to: 'redirects', send: request('HEAD', '/r-host') },
    {
      name: 'redirect with x-forwarded-proto https',
      to: 'redirects',
      send: get('/r-https', 'x-forwarded-proto: https'),
    },
    { name: 'require_tls all', to: 'require-tls', send: get('/x?y=1', 'host: tls.example:8080') },
    {
      name: 'require_tls all with x-forwarded-proto https',
      to: 'require-tls',
      send: get('/x', 'host: tls.example', 'x-forwarded-proto: https'),
    },
    { name: 'require_tls external only', to: 'require-tls', send: get('/x', 'host: external.example') },
    { name: 'require_tls with a default port', to: 'require-tls', send: get('/x', 'host: tls.example:80') },
  ]);

// ── direct responses, header changes ──
const directRoutes = [
  direct({ path: '/204' }, 204),
  direct({ path: '/200-empty' }, 200),
  direct({ path: '/503' }, 503, 'unavailable'),
  direct({ path: '/599' }, 599, 'odd'),
  direct({ path: '/html' }, 200, '<b>x</b>', {
    response_headers_to_add: [
      { header: { key: 'content-type', value: 'text/html' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
    ],
  }),
  direct({ path: '/304' }, 304, 'body'),
  direct({ path: '/long' }, 200, 'x'.repeat(3000)),
  {
    match: { path: '/format' },
    direct_response: {
      status: 200,
      body_format: { text_format_source: { inline_string: 'host=%REQ(:AUTHORITY)% path=%REQ(:PATH)%' } },
    },
  },
  {
    match: { path: '/base64' },
    direct_response: { status: 200, body: { inline_bytes: Buffer.from('bytes').toString('base64') } },
  },
];
const directCases: readonly Case[] = [
  '/204',
  '/200-empty',
  '/503',
  '/599',
  '/html',
  '/304',
  '/long',
  '/format',
  '/base64',
  '/none',
]
  .map((path): Case => ({ name: `direct ${path}`, to: 'direct', send: get(path) }))
  .concat([
    { name: 'direct head', to: 'direct', send: request('HEAD', '/503') },
    { name: 'direct head no route', to: 'direct', send: request('HEAD', '/none') },
  ]);

function add(key: string, value: string, action?: string, keepEmpty?: boolean): Fields {
  return {
    header: { key, value },
    ...(action === undefined ? {} : { append_action: action }),
    ...(keepEmpty === undefined ? {} : { keep_empty_value: keepEmpty }),
  };
}

const OPERATORS = [
  ...[
    'PROTOCOL',
    'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
    'DOWNSTREAM_LOCAL_ADDRESS',
    'DOWNSTREAM_LOCAL_PORT',
    'REQ(:PATH)',
  ],
  ...[
    'REQ(X-MISSING)',
    'REQ(X-MISSING?:METHOD)',
    'REQ(X-LONG):3',
    'RESP(X-MISSING)',
    'ROUTE_NAME',
    'VIRTUAL_CLUSTER_NAME',
  ],
  ...[
    'UPSTREAM_CLUSTER',
    'UPSTREAM_HOST',
    'RESPONSE_CODE',
    'RESPONSE_FLAGS',
    'RESPONSE_CODE_DETAILS',
    'REQUESTED_SERVER_NAME',
  ],
  ...[
    'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT',
    'UPSTREAM_REMOTE_ADDRESS',
    'FILTER_CHAIN_NAME',
    'BYTES_RECEIVED',
  ],
  ...[
    'DYNAMIC_METADATA(com.test:key)',
    'CLUSTER_METADATA(com.test:key)',
    'FILTER_STATE(none)',
    'ENVIRONMENT(HEDDLE_UNSET)',
  ],
];

const headerChangeConfig: Fields = {
  request_headers_to_add: [add('x-level', 'config'), add('x-config', 'c')],
  response_headers_to_add: [add('x-level', 'config')],
  request_headers_to_remove: ['x-remove-config'],
  response_headers_to_remove: ['x-resp-remove'],
};
const headerChangeHosts = [
  {
    name: 'changes',
    domains: ['*'],
    request_headers_to_add: [add('x-level', 'vhost')],
    request_headers_to_remove: ['x-remove-vhost'],
    response_headers_to_add: [add('x-level', 'vhost')],
    routes: [
      route(
        '/append',
        'a',
        {},
        {
          request_headers_to_add: [add('x-level', 'route'), add('x-sent', 'added')],
          response_headers_to_add: [add('x-level', 'route'), add('x-resp', 'added')],
        },
      ),
      route(
        '/if-absent',
        'a',
        {},
        {
          request_headers_to_add: [add('x-sent', 'added', 'ADD_IF_ABSENT'), add('x-new', 'new', 'ADD_IF_ABSENT')],
          response_headers_to_add: [add('x-resp', 'added', 'ADD_IF_ABSENT')],
        },
      ),
      route(
        '/overwrite-or-add',
        'a',
        {},
        {
          request_headers_to_add: [
            add('x-sent', 'added', 'OVERWRITE_IF_EXISTS_OR_ADD'),
            add('x-new', 'new', 'OVERWRITE_IF_EXISTS_OR_ADD'),
          ],
          response_headers_to_add: [add('x-resp', 'added', 'OVERWRITE_IF_EXISTS_OR_ADD')],
        },
      ),
      route(
        '/overwrite',
        'a',
        {},
        {
          request_headers_to_add: [
            add('x-sent', 'added', 'OVERWRITE_IF_EXISTS'),
            add('x-new', 'new', 'OVERWRITE_IF_EXISTS'),
          ],
          response_headers_to_add: [add('x-resp', 'added', 'OVERWRITE_IF_EXISTS')],
        },
      ),
      route(
        '/remove',
        'a',
        {},
        {
          request_headers_to_remove: ['x-sent', 'user-agent', 'x-level'],
          response_headers_to_remove: ['x-resp', 'x-backend'],
        },
      ),
      route(
        '/operators',
        'a',
        {},
        {
          name: 'operators-route',
          request_headers_to_add: OPERATORS.map((name, i) => add(`x-op-${i}`, `<%${name}%>`)),
          response_headers_to_add: OPERATORS.map((name, i) => add(`x-op-${i}`, `<%${name}%>`)),
        },
      ),
      route(
        '/empty',
        'a',
        {},
        {
          request_headers_to_add: [
            add('x-empty', '', undefined, true),
            add('x-dropped', ''),
            add('x-op', '%REQ(X-MISSING)%'),
            add('x-kept', '%REQ(X-MISSING)%', undefined, true),
          ],
        },
      ),
      route('/percent', 'a', {}, { request_headers_to_add: [add('x-percent', '100%% sure')] }),
      route(
        '/special',
        'a',
        {},
        {
          request_headers_to_add: [
            add('user-agent', 'ua', 'OVERWRITE_IF_EXISTS_OR_ADD'),
            add('cookie', 'c=3'),
            add('x-forwarded-for', '9.9.9.9'),
            add('x-request-id', 'own', 'OVERWRITE_IF_EXISTS_OR_ADD'),
          ],
          response_headers_to_add: [
            add('server', 'mine', 'OVERWRITE_IF_EXISTS_OR_ADD'),
            add('content-type', 'x/y'),
            add('date', 'never', 'OVERWRITE_IF_EXISTS_OR_ADD'),
            add('set-cookie', 's=1'),
          ],
        },
      ),
      route(
        '/no-host',
        'empty',
        { host_rewrite_literal: 'rewritten.example', prefix_rewrite: '/rewritten' },
        { request_headers_to_add: [add('user-agent', 'added')], response_headers_to_add: [add('x-resp', 'added')] },
      ),
      route('/refused', 'refused', {}, { response_headers_to_add: [add('x-resp', '%UPSTREAM_CLUSTER%')] }),
      direct({ prefix: '/direct' }, 200, 'direct', {
        response_headers_to_add: [add('x-resp', 'added')],
        response_headers_to_remove: ['content-type'],
      }),
      {
        match: { prefix: '/redirect' },
        redirect: { path_redirect: '/x' },
        response_headers_to_add: [add('x-resp', '%REQ(:PATH)%')],
      },
      route(
        '/weighted',
        'ignored',
        {},
        {
          route: {
            weighted_clusters: {
              clusters: [
                {
                  name: 'a',
                  weight: 100,
                  request_headers_to_add: [add('x-weighted', 'a')],
                  response_headers_to_add: [add('x-weighted', 'a')],
                  request_headers_to_remove: ['x-sent'],
                  host_rewrite_literal: 'weighted.example',
                },
                { name: 'b', weight: 0 },
              ],
            },
          },
        },
      ),
    ],
  },
];

const changeCases: readonly Case[] = [
  '/append',
  '/if-absent',
  '/overwrite-or-add',
  '/overwrite',
  '/remove',
  '/empty',
  '/percent',
  '/special',
  '/direct',
  '/redirect',
  '/weighted',
  '/no-host',
  '/refused',
  '/no-route',
]
  .map(
    (path): Case => ({
      name: `header changes ${path}`,
      to: 'changes',
      send: get(
        path,
        'x-sent: client',
        'x-remove-config: 1',
        'x-remove-vhost: 1',
        'user-agent: u',
        'cookie: a=1',
        'x-level: client',
      ),
      upstream: [
        response(200, 'x', 'x-resp: upstream', 'x-resp-remove: 1', 'x-level: upstream', 'content-type: text/plain'),
      ],
    }),
  )
  .concat([
    {
      name: 'header changes operators',
      to: 'changes',
      send: get('/operators?q=1', 'x-long: abcdef'),
      upstream: [response(200, 'x')],
    },
    {
      name: 'header changes most specific wins',
      to: 'changes-specific',
      send: get('/append', 'x-level: client'),
      upstream: [response(200, 'x', 'x-level: upstream')],
    },
  ]);

// ── clusters, weights, mirrors, the rest ──
const targetRoutes = [
  route('/a', 'a'),
  route(
    '/zero',
    'a',
    {},
    {
      route: {
        weighted_clusters: {
          clusters: [
            { name: 'a', weight: 0 },
            { name: 'b', weight: 100 },
          ],
        },
      },
    },
  ),
  route('/by-header', 'a', {}, { route: { cluster_header: 'x-cluster' } }),
  route(
    '/unknown-500',
    'a',
    {},
    { route: { cluster_header: 'x-cluster', cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' } },
  ),
  route('/unknown', 'a', {}, { route: { cluster_header: 'x-cluster', cluster_not_found_response_code: 'NOT_FOUND' } }),
  route('/mirror-100', 'a', {
    request_mirror_policies: [{ cluster: 'b', runtime_fraction: { default_value: { numerator: 100 } } }],
  }),
  route('/mirror-0', 'a', {
    request_mirror_policies: [{ cluster: 'b', runtime_fraction: { default_value: { numerator: 0 } } }],
  }),
  route('/mirror-two', 'a', {
    request_mirror_policies: [{ cluster: 'b' }, { cluster: 'c', disable_shadow_host_suffix_append: true }],
  }),
  route('/mirror-none', 'a', { request_mirror_policies: [{ cluster: 'empty' }] }),
  route('/mirror', 'a', { request_mirror_policies: [{ cluster: 'b' }] }),
  match({ prefix: '/fraction-100', runtime_fraction: { default_value: { numerator: 100 }, runtime_key: 'f' } }, 'b'),
  match({ prefix: '/fraction-0', runtime_fraction: { default_value: { numerator: 0 }, runtime_key: 'f' } }, 'b'),
  { match: { prefix: '/grpc', grpc: {} }, route: { cluster: 'b' } },
  route('/timeout-header', 'a', { timeout: '1s' }),
  route('/', 'a'),
];
const targetCases: readonly Case[] = [
  { name: 'weights 0 and 100', to: 'targets', send: get('/zero') },
  { name: 'cluster_header', to: 'targets', send: get('/by-header', 'x-cluster: b') },
  { name: 'cluster_header missing', to: 'targets', send: get('/by-header') },
  { name: 'cluster_header unknown cluster', to: 'targets', send: get('/by-header', 'x-cluster: nowhere') },
  { name: 'cluster_header unknown cluster, 404', to: 'targets', send: get('/unknown', 'x-cluster: nowhere') },
  { name: 'cluster_header unknown cluster, 500', to: 'targets', send: get('/unknown-500', 'x-cluster: nowhere') },
  { name: 'mirror', to: 'targets', send: get('/mirror', 'x-a: 1'), awaitRequests: 2 },
  { name: 'mirror post', to: 'targets', send: post('/mirror', 'body'), awaitRequests: 2 },
  { name: 'mirror with port in host', to: 'targets', send: get('/mirror', 'host: m.example:8080'), awaitRequests: 2 },
  { name: 'mirror fraction 100', to: 'targets', send: get('/mirror-100'), awaitRequests: 2 },
  { name: 'mirror fraction 0', to: 'targets', send: get('/mirror-0'), settleMs: 30 },
  { name: 'mirror to two', to: 'targets', send: get('/mirror-two'), awaitRequests: 3 },
  { name: 'mirror to an empty cluster', to: 'targets', send: get('/mirror-none'), settleMs: 20 },
  { name: 'runtime_fraction 100', to: 'targets', send: get('/fraction-100') },
  { name: 'runtime_fraction 0', to: 'targets', send: get('/fraction-0') },
  { name: 'grpc route, grpc request', to: 'targets', send: post('/grpc', 'x', 'content-type: application/grpc') },
  { name: 'grpc route, other request', to: 'targets', send: post('/grpc', 'x', 'content-type: text/plain') },
  { name: 'grpc request to no route', to: 'direct', send: post('/none', '', 'content-type: application/grpc') },
  {
    name: 'grpc request to a direct response',
    to: 'direct',
    send: post('/503', '', 'content-type: application/grpc+proto'),
  },
  { name: 'virtual cluster statistics', to: 'targets', send: get('/vc/x', 'host: vc.example') },
  { name: 'virtual cluster other', to: 'targets', send: get('/other', 'host: vc.example') },
  { name: 'validate_clusters off at load', to: 'targets', send: get('/lost', 'host: lost.example') },
  { name: 'attempt count headers', to: 'targets', send: get('/', 'host: attempts.example') },
  { name: 'route with metadata and decorator', to: 'targets', send: get('/', 'host: decor.example') },
];
const targetHosts = [
  {
    name: 'vc',
    domains: ['vc.example'],
    virtual_clusters: [{ name: 'vcx', headers: [{ name: ':path', string_match: { prefix: '/vc/' } }] }],
    routes: [route('/', 'a')],
  },
  { name: 'lost', domains: ['lost.example'], routes: [route('/', 'not-there')] },
  {
    name: 'attempts',
    domains: ['attempts.example'],
    include_request_attempt_count: true,
    include_attempt_count_in_response: true,
    routes: [route('/', 'a')],
  },
  {
    name: 'decor',
    domains: ['decor.example'],
    routes: [route('/', 'a', {}, { decorator: { operation: 'op' }, metadata: { filter_metadata: { x: { y: 'z' } } } })],
  },
  { name: 'all', domains: ['*'], routes: targetRoutes },
];

export const routeActionGroups: readonly Group[] = [
  {
    name: 'routing changes',
    config: bootstrap({
      listeners: [
        http({ name: 'rewrites', routes: rewriteRoutes }),
        http({ name: 'redirects', routes: redirectRoutes }),
        http({
          name: 'require-tls',
          virtualHosts: [
            { name: 'tls', domains: ['tls.example'], require_tls: 'ALL', routes: [route('/', 'a')] },
            {
              name: 'external',
              domains: ['external.example'],
              require_tls: 'EXTERNAL_ONLY',
              routes: [route('/', 'a')],
            },
          ],
        }),
        http({ name: 'direct', routes: directRoutes }),
        http({ name: 'changes', virtualHosts: headerChangeHosts, routeConfig: headerChangeConfig }),
        http({
          name: 'changes-specific',
          virtualHosts: headerChangeHosts,
          routeConfig: { ...headerChangeConfig, most_specific_header_mutations_wins: true },
        }),
        http({ name: 'targets', virtualHosts: targetHosts, routeConfig: { validate_clusters: false } }),
      ],
      clusters: [
        cluster('a'),
        cluster('b'),
        cluster('c'),
        cluster('empty', []),
        cluster('refused', ['free.refused']),
        {
          ...cluster('named'),
          load_assignment: {
            cluster_name: 'named',
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: {
                      hostname: 'endpoint.name',
                      address: { socket_address: { address: '127.0.0.1', port_value: '{{backend.a}}' } },
                    },
                  },
                ],
              },
            ],
          },
        },
      ],
    }),
    cases: [...rewriteCases, ...redirectCases, ...directCases, ...changeCases, ...targetCases].map(
      (test): Case => ({ probeMs: 5, ...test }),
    ),
  },
];
