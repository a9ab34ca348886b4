// Differential cases: the HTTP filters cors, fault, header_mutation, and local_ratelimit, with per-route configuration.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, direct, filter, http, route } from '../config.ts';
import { get, post, request, response } from '../messages.ts';

// ── cors ──
const CORS = 'envoy.extensions.filters.http.cors.v3.Cors';
const CORS_POLICY = 'envoy.extensions.filters.http.cors.v3.CorsPolicy';

function corsRoute(prefix: string, policy: Fields): Fields {
  return route(prefix, 'a', {}, { typed_per_filter_config: { 'envoy.filters.http.cors': any(CORS_POLICY, policy) } });
}
const fullPolicy: Fields = {
  allow_origin_string_match: [{ exact: 'https://good.example' }, { suffix: '.trusted.example' }],
  allow_methods: 'GET, POST',
  allow_headers: 'x-one, x-two',
  expose_headers: 'x-exposed',
  max_age: '600',
  allow_credentials: true,
};
const corsListener = http({
  name: 'cors',
  filters: [filter('envoy.filters.http.cors', CORS)],
  routes: [
    corsRoute('/full', fullPolicy),
    corsRoute('/any', { allow_origin_string_match: [{ safe_regex: { regex: '.*' } }] }),
    corsRoute('/none', { ...fullPolicy, allow_origin_string_match: [] }),
    corsRoute('/off', { ...fullPolicy, filter_enabled: { default_value: { numerator: 0 } } }),
    corsRoute('/shadow', {
      ...fullPolicy,
      filter_enabled: { default_value: { numerator: 0 } },
      shadow_enabled: { default_value: { numerator: 100 } },
    }),
    corsRoute('/private', { ...fullPolicy, allow_private_network_access: true }),
    corsRoute('/forward', { ...fullPolicy, forward_not_matching_preflights: true }),
    corsRoute('/no-forward', { ...fullPolicy, forward_not_matching_preflights: false }),
    route('/', 'a'),
  ],
});
function preflight(path: string, origin: string, ...headers: string[]): string {
  return request('OPTIONS', path, [`origin: ${origin}`, 'access-control-request-method: GET', ...headers]);
}
const corsCases: readonly Case[] = [
  ...['/full', '/any', '/none', '/off', '/shadow', '/private', '/forward', '/no-forward', '/plain'].flatMap(
    (path): Case[] => [
      { name: `cors ${path} preflight, good origin`, to: 'cors', send: preflight(path, 'https://good.example') },
      { name: `cors ${path} preflight, bad origin`, to: 'cors', send: preflight(path, 'https://bad.example') },
      { name: `cors ${path} request, good origin`, to: 'cors', send: get(path, 'origin: https://good.example') },
    ],
  ),
  { name: 'cors request, bad origin', to: 'cors', send: get('/full', 'origin: https://bad.example') },
  { name: 'cors request, suffix origin', to: 'cors', send: get('/full', 'origin: https://a.trusted.example') },
  { name: 'cors request without origin', to: 'cors', send: get('/full') },
  {
    name: 'cors options without request method',
    to: 'cors',
    send: request('OPTIONS', '/full', ['origin: https://good.example']),
  },
  { name: 'cors empty origin', to: 'cors', send: get('/full', 'origin:') },
  {
    name: 'cors preflight private network',
    to: 'cors',
    send: preflight('/private', 'https://good.example', 'access-control-request-private-network: true'),
  },
  {
    name: 'cors upstream sets its own',
    to: 'cors',
    send: get('/full', 'origin: https://good.example'),
    upstream: [response(200, 'x', 'access-control-allow-origin: *', 'access-control-expose-headers: own')],
  },
];

// ── fault ──
const FAULT = 'envoy.extensions.filters.http.fault.v3.HTTPFault';
const ALL: Fields = { numerator: 100, denominator: 'HUNDRED' };
const NONE: Fields = { numerator: 0, denominator: 'HUNDRED' };
function faultRoute(prefix: string, fields: Fields): Fields {
  return route(prefix, 'a', {}, { typed_per_filter_config: { 'envoy.filters.http.fault': any(FAULT, fields) } });
}
const faultListeners = [
  http({
    name: 'fault',
    filters: [filter('envoy.filters.http.fault', FAULT)],
    routes: [
      faultRoute('/abort-0', { abort: { http_status: 503, percentage: NONE } }),
      faultRoute('/abort', { abort: { http_status: 503, percentage: ALL } }),
      faultRoute('/grpc-abort', { abort: { grpc_status: 7, percentage: ALL } }),
      faultRoute('/delay-0', { delay: { fixed_delay: '5s', percentage: NONE } }),
      faultRoute('/delay-abort', {
        delay: { fixed_delay: '0.25s', percentage: ALL },
        abort: { http_status: 418, percentage: ALL },
      }),
      faultRoute('/delay', { delay: { fixed_delay: '0.25s', percentage: ALL } }),
      faultRoute('/header-abort', { abort: { header_abort: {}, percentage: ALL } }),
      faultRoute('/header-delay', { delay: { header_delay: {}, percentage: ALL } }),
      faultRoute('/matched', {
        abort: { http_status: 503, percentage: ALL },
        headers: [{ name: 'x-fault', string_match: { exact: 'yes' } }],
      }),
      faultRoute('/cluster', { abort: { http_status: 503, percentage: ALL }, upstream_cluster: 'other' }),
      faultRoute('/max', { abort: { http_status: 503, percentage: ALL }, max_active_faults: 0 }),
      faultRoute('/nodes', { abort: { http_status: 503, percentage: ALL }, downstream_nodes: ['n1'] }),
      faultRoute('/rate', { response_rate_limit: { fixed_limit: { limit_kbps: 64 }, percentage: ALL } }),
      faultRoute('/no-stats', { abort: { http_status: 503, percentage: ALL }, disable_downstream_cluster_stats: true }),
      route('/', 'a'),
    ],
  }),
  http({
    name: 'fault-listener',
    filters: [filter('envoy.filters.http.fault', FAULT, { abort: { http_status: 429, percentage: ALL } })],
    routes: [
      faultRoute('/over', {}),
      {
        ...route('/off', 'a'),
        typed_per_filter_config: {
          'envoy.filters.http.fault': any('envoy.config.route.v3.FilterConfig', { disabled: true, config: {} }),
        },
      },
      route('/', 'a'),
    ],
  }),
];
const faultCases: readonly Case[] = [
  ...['/abort', '/abort-0', '/grpc-abort', '/delay-0', '/cluster', '/max', '/nodes', '/no-stats', '/plain'].map(
    (path): Case => ({ name: `fault ${path}`, to: 'fault', send: get(path) }),
  ),
  { name: 'fault abort of a post', to: 'fault', send: post('/abort', 'x') },
  { name: 'fault abort of a grpc request', to: 'fault', send: post('/abort', '', 'content-type: application/grpc') },
  {
    name: 'fault grpc abort of a grpc request',
    to: 'fault',
    send: post('/grpc-abort', '', 'content-type: application/grpc'),
  },
  { name: 'fault delay', to: 'fault', send: get('/delay'), elapsedToleranceMs: 180 },
  { name: 'fault delay then abort', to: 'fault', send: get('/delay-abort'), elapsedToleranceMs: 180 },
  { name: 'fault delay of a post', to: 'fault', send: post('/delay', 'body') },
  {
    name: 'fault client leaves during the delay',
    to: 'fault',
    send: [get('/delay'), { wait: 40 }, 'close', { wait: 60 }],
  },
  { name: 'fault header abort, no header', to: 'fault', send: get('/header-abort') },
  { name: 'fault header abort', to: 'fault', send: get('/header-abort', 'x-envoy-fault-abort-request: 404') },
  { name: 'fault header abort, bad code', to: 'fault', send: get('/header-abort', 'x-envoy-fault-abort-request: 99') },
  {
    name: 'fault header abort, percentage 0',
    to: 'fault',
    send: get('/header-abort', 'x-envoy-fault-abort-request: 404', 'x-envoy-fault-abort-request-percentage: 0'),
  },
  { name: 'fault header abort, grpc', to: 'fault', send: get('/header-abort', 'x-envoy-fault-abort-grpc-request: 5') },
  {
    name: 'fault header delay',
    to: 'fault',
    send: get('/header-delay', 'x-envoy-fault-delay-request: 250'),
    elapsedToleranceMs: 180,
  },
  { name: 'fault header delay, none', to: 'fault', send: get('/header-delay') },
  { name: 'fault match', to: 'fault', send: get('/matched', 'x-fault: yes') },
  { name: 'fault no match', to: 'fault', send: get('/matched', 'x-fault: no') },
  { name: 'fault nodes match', to: 'fault', send: get('/nodes', 'x-envoy-downstream-service-node: n1') },
  {
    name: 'fault downstream cluster statistics',
    to: 'fault',
    send: get('/abort', 'x-envoy-downstream-service-cluster: caller'),
  },
  {
    name: 'fault rate limit',
    to: 'fault',
    send: get('/rate'),
    upstream: [response(200, 'y'.repeat(8192))],
    elapsedToleranceMs: 180,
  },
  { name: 'fault of the listener', to: 'fault-listener', send: get('/x') },
  { name: 'fault of the listener overridden empty', to: 'fault-listener', send: get('/over') },
  { name: 'fault of the listener disabled by FilterConfig', to: 'fault-listener', send: get('/off') },
];

// ── header_mutation ──
const MUTATION = 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation';
const MUTATION_ROUTE = 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute';
function append(key: string, value: string, action = 'APPEND_IF_EXISTS_OR_ADD'): Fields {
  return { append: { header: { key, value }, append_action: action } };
}
function mutationRoute(prefix: string, mutations: Fields): Fields {
  return route(
    prefix,
    'a',
    {},
    { typed_per_filter_config: { 'envoy.filters.http.header_mutation': any(MUTATION_ROUTE, { mutations }) } },
  );
}
const mutationListener = http({
  name: 'mutation',
  filters: [
    filter('envoy.filters.http.header_mutation', MUTATION, {
      mutations: {
        request_mutations: [append('x-listener', 'l'), { remove: 'x-gone' }, append('x-level', 'listener')],
        response_mutations: [
          append('x-listener', 'l'),
          { remove: 'x-resp-gone' },
          append('x-status', '%RESPONSE_CODE%'),
        ],
      },
    }),
  ],
  routes: [
    mutationRoute('/route', {
      request_mutations: [append('x-level', 'route'), append('x-path', '%REQ(:PATH)%'), { remove: 'x-listener' }],
      response_mutations: [append('x-level', 'route')],
    }),
    mutationRoute('/overwrite', {
      request_mutations: [
        append('x-level', 'over', 'OVERWRITE_IF_EXISTS_OR_ADD'),
        append('x-new', 'n', 'OVERWRITE_IF_EXISTS'),
        append('x-absent', 'a', 'ADD_IF_ABSENT'),
      ],
    }),
    mutationRoute('/query', {
      query_parameter_mutations: [{ append: { record: { key: 'added', value: 'v' } } }, { remove: 'gone' }],
    }),
    mutationRoute('/remove-many', { request_mutations: [{ remove_on_match: { key_matcher: { prefix: 'x-many-' } } }] }),
    direct({ prefix: '/direct' }, 200, 'd'),
    route('/', 'a'),
  ],
});
const mutationCases: readonly Case[] = [
  '/plain',
  '/route',
  '/overwrite',
  '/query?gone=1&kept=2',
  '/query',
  '/remove-many',
  '/direct',
].map(
  (path): Case => ({
    name: `mutation ${path}`,
    to: 'mutation',
    send: get(path, 'x-gone: 1', 'x-level: client', 'x-many-a: 1', 'x-many-b: 2'),
    upstream: [response(200, 'x', 'x-resp-gone: 1')],
  }),
);

// ── local_ratelimit ──
const LIMIT = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const enabled: Fields = {
  filter_enabled: { default_value: ALL, runtime_key: 'e' },
  filter_enforced: { default_value: ALL, runtime_key: 'f' },
};
function bucket(maxTokens: number, fill = '600s', perFill?: number): Fields {
  return {
    token_bucket: {
      max_tokens: maxTokens,
      fill_interval: fill,
      ...(perFill === undefined ? {} : { tokens_per_fill: perFill }),
    },
  };
}
function limitRoute(prefix: string, fields: Fields): Fields {
  return route(
    prefix,
    'a',
    {},
    { typed_per_filter_config: { 'envoy.filters.http.local_ratelimit': any(LIMIT, fields) } },
  );
}
const limitListener = http({
  name: 'limit',
  filters: [filter('envoy.filters.http.local_ratelimit', LIMIT, { stat_prefix: 'listener_limit' })],
  routes: [
    limitRoute('/two', { stat_prefix: 'two', ...bucket(2), ...enabled }),
    limitRoute('/headers', {
      stat_prefix: 'headers',
      ...bucket(1),
      ...enabled,
      response_headers_to_add: [{ header: { key: 'x-limited', value: 'yes' } }],
      request_headers_to_add_when_not_enforced: [{ header: { key: 'x-not-enforced', value: 'yes' } }],
      enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    }),
    limitRoute('/status', { stat_prefix: 'status', ...bucket(1), ...enabled, status: { code: 503 } }),
    limitRoute('/disabled', {
      stat_prefix: 'disabled',
      ...bucket(1),
      filter_enabled: { default_value: NONE, runtime_key: 'e' },
      filter_enforced: { default_value: ALL, runtime_key: 'f' },
    }),
    limitRoute('/shadow', {
      stat_prefix: 'shadow',
      ...bucket(1),
      filter_enabled: { default_value: ALL, runtime_key: 'e' },
      filter_enforced: { default_value: NONE, runtime_key: 'f' },
      request_headers_to_add_when_not_enforced: [{ header: { key: 'x-not-enforced', value: 'yes' } }],
    }),
    limitRoute('/descriptor', {
      stat_prefix: 'descriptor',
      ...bucket(100),
      ...enabled,
      descriptors: [{ entries: [{ key: 'user', value: 'mallory' }], ...bucket(1) }],
      rate_limits: [{ actions: [{ request_headers: { header_name: 'x-user', descriptor_key: 'user' } }] }],
    }),
    limitRoute('/grpc', {
      stat_prefix: 'grpc',
      ...bucket(0 + 1),
      ...enabled,
      rate_limited_as_resource_exhausted: true,
    }),
    limitRoute('/refill', { stat_prefix: 'refill', ...bucket(1, '0.1s'), ...enabled }),
    route('/', 'a'),
  ],
});
const LIMIT_STATS = ['http_local_rate_limit'];
function limited(name: string, texts: readonly string[]): Case {
  return {
    name: `limit ${name}`,
    to: 'limit',
    send: texts.flatMap((text, i) => [text, { read: i + 1 }]),
    stats: LIMIT_STATS,
  };
}
const limitCases: readonly Case[] = [
  limited('three requests, two tokens', [get('/two'), get('/two'), get('/two')]),
  limited('headers', [get('/headers'), get('/headers')]),
  limited('own status', [get('/status'), get('/status')]),
  limited('disabled', [get('/disabled'), get('/disabled')]),
  limited('not enforced', [get('/shadow'), get('/shadow')]),
  limited('descriptor', [
    get('/descriptor', 'x-user: mallory'),
    get('/descriptor', 'x-user: mallory'),
    get('/descriptor', 'x-user: alice'),
    get('/descriptor'),
  ]),
  limited('grpc', [
    post('/grpc', '', 'content-type: application/grpc'),
    post('/grpc', '', 'content-type: application/grpc'),
  ]),
  limited('route without', [get('/plain')]),
  {
    name: 'limit refill',
    to: 'limit',
    send: [get('/refill'), { read: 1 }, get('/refill'), { read: 2 }, { wait: 180 }, get('/refill'), { read: 3 }],
    stats: LIMIT_STATS,
  },
];

// ── chains, disabling, direct responses ──
const chainListener = http({
  name: 'chain',
  filters: [
    filter('first', MUTATION, {
      mutations: { request_mutations: [append('x-order', 'first')], response_mutations: [append('x-order', 'first')] },
    }),
    filter(
      'off-by-default',
      MUTATION,
      { mutations: { request_mutations: [append('x-order', 'off')] } },
      { disabled: true },
    ),
    filter('second', MUTATION, {
      mutations: {
        request_mutations: [append('x-order', 'second')],
        response_mutations: [append('x-order', 'second')],
      },
    }),
  ],
  virtualHosts: [
    {
      name: 'all',
      domains: ['*'],
      typed_per_filter_config: {
        first: any(MUTATION_ROUTE, { mutations: { request_mutations: [append('x-vhost', 'v')] } }),
      },
      routes: [
        route(
          '/disable',
          'a',
          {},
          {
            typed_per_filter_config: {
              second: any('envoy.config.route.v3.FilterConfig', { disabled: true, config: {} }),
            },
          },
        ),
        route(
          '/enable',
          'a',
          {},
          {
            typed_per_filter_config: {
              'off-by-default': any('envoy.config.route.v3.FilterConfig', {
                config: any(MUTATION_ROUTE, { mutations: {} }),
              }),
            },
          },
        ),
        route(
          '/both',
          'a',
          {},
          {
            typed_per_filter_config: {
              first: any(MUTATION_ROUTE, { mutations: { request_mutations: [append('x-route', 'r')] } }),
            },
          },
        ),
        route('/', 'a'),
      ],
    },
  ],
});
const chainCases: readonly Case[] = ['/disable', '/enable', '/both', '/plain'].map(
  (path): Case => ({ name: `chain ${path}`, to: 'chain', send: get(path) }),
);

function quick(cases: readonly Case[]): readonly Case[] {
  return cases.map((test): Case => ({ probeMs: 5, ...test }));
}

const config = bootstrap({
  listeners: [
    corsListener,
    ...faultListeners,
    mutationListener,
    limitListener,

    chainListener,
  ],
  clusters: [cluster('a')],
});

export const filterGroups: readonly Group[] = [
  { name: 'filter cors', config, cases: quick(corsCases) },
  { name: 'filter fault', config, cases: quick(faultCases) },
  { name: 'filter mutation and limit', config, cases: quick([...mutationCases, ...limitCases, ...chainCases]) },
];
