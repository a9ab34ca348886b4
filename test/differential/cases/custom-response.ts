// Differential cases: custom_response with policies of both kinds, by every input, for routes, in odd places.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, direct, filter, http, route } from '../config.ts';
import { chunked, get, post, request, response } from '../messages.ts';

const CUSTOM = 'envoy.extensions.filters.http.custom_response.v3.CustomResponse';
const POLICY = 'envoy.extensions.http.custom_response';
const INPUT = 'envoy.type.matcher.v3';

const local = (fields: Fields = {}): Fields => ({
  name: 'local',
  typed_config: any(`${POLICY}.local_response_policy.v3.LocalResponsePolicy`, fields),
});
const redirect = (fields: Fields): Fields => ({
  name: 'redirect',
  typed_config: any(`${POLICY}.redirect_policy.v3.RedirectPolicy`, fields),
});
const text = (inline_string: string): Fields => ({ inline_string });
const format = (inline_string: string): Fields => ({ text_format_source: { inline_string } });
const header = (key: string, value: string, more: Fields = {}): Fields => ({ header: { key, value }, ...more });

const by = (type: string, map: Record<string, Fields>, fields: Fields = {}): Fields => ({
  matcher_tree: {
    input: { name: 'input', typed_config: any(`${INPUT}.Http${type}MatchInput`, fields) },
    exact_match_map: { map: Object.fromEntries(Object.entries(map).map(([key, action]) => [key, { action }])) },
  },
});
const custom = (matcher: Fields | null): Fields =>
  filter('custom', CUSTOM, matcher === null ? {} : { custom_response_matcher: matcher });
const perRoute = (matcher: Fields): Fields => ({
  typed_per_filter_config: { custom: any(CUSTOM, { custom_response_matcher: matcher }) },
});
const on503 = (policy: Fields): Fields => by('ResponseStatusCode', { 503: policy });

/** Policies for the status 503, one listener each. */
const policies: Readonly<Record<string, Fields>> = {
  'local-nothing': local(),
  'local-body': local({ body: text('sorry') }),
  'local-status': local({ status_code: 200 }),
  'local-both': local({ body: text('sorry'), status_code: 418 }),
  'local-format': local({
    body: text('sorry'),
    body_format: format('%LOCAL_REPLY_BODY% %RESPONSE_CODE% %REQ(:PATH)%'),
  }),
  'local-format-alone': local({ body_format: format('<%LOCAL_REPLY_BODY%> %RESP(X-UP)%') }),
  'local-json': local({
    body: text('sorry'),
    body_format: { json_format: { why: '%LOCAL_REPLY_BODY%', code: '%RESPONSE_CODE%' } },
  }),
  'local-content-type': local({
    body: text('<p>'),
    body_format: { ...format('%LOCAL_REPLY_BODY%'), content_type: 'text/html' },
  }),
  'local-headers': local({
    body: text('sorry'),
    response_headers_to_add: [
      header('x-a', '%RESPONSE_CODE%'),
      header('content-type', 'text/html', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
      header('x-up', 'mine'),
    ],
  }),
  'local-details': local({ body: text('sorry'), response_code_details: 'my_details' }),
  'local-keeps-details': local({ body: text('sorry'), preserve_response_code_details: true }),
  'redirect-uri': redirect({ uri: 'http://other.example/fine?x=y#part' }),
  'redirect-https': redirect({ uri: 'https://other.example:8443/fine' }),
  'redirect-status': redirect({ uri: 'http://other.example/fine', status_code: 299 }),
  'redirect-headers': redirect({
    uri: 'http://other.example/fine',
    request_headers_to_add: [header('x-asked', '%REQ(:PATH)%'), header('x-b', 'c')],
    response_headers_to_add: [header('x-answered', '%RESPONSE_CODE%')],
  }),
  'redirect-action': redirect({ redirect_action: { host_redirect: 'third.example', path_redirect: '/fine?new=1' } }),
  'redirect-action-path': redirect({ redirect_action: { path_redirect: '/fine', strip_query: true } }),
  'redirect-action-host': redirect({
    redirect_action: { host_redirect: 'third.example', https_redirect: true, port_redirect: 8443 },
  }),
  'redirect-failing': redirect({ uri: 'http://other.example/failing' }),
  'redirect-moved': redirect({ uri: 'http://other.example/moved' }),
  'redirect-loop': redirect({ uri: 'http://other.example/' }),
  'redirect-no-route': redirect({ uri: 'http://none.example/' }),
  'redirect-cluster': redirect({ uri: 'http://other.example/from-cluster' }),
};
const virtualHosts: readonly Fields[] = [
  {
    name: 'main',
    domains: ['test.example', 'other.example', 'other.example:8443', 'third.example', 'third.example:8443'],
    routes: [
      direct({ prefix: '/fine' }, 200, 'from the other route'),
      direct({ prefix: '/failing' }, 500, 'failing'),
      direct({ prefix: '/moved' }, 302, 'moved'),
      direct({ prefix: '/direct' }, 503, 'unavailable'),
      route('/from-cluster', 'b'),
      route('/reset', 'full'),
      route('/added', 'a', {}, { response_headers_to_add: [header('x-route', 'yes')] }),
      route('/', 'a'),
    ],
  },
];
const stats = ['custom_response', 'cluster\\.\\w+\\.upstream_rq'];
const unavailable = { a: [[response(503, 'up says no', 'x-up: yes', 'content-type: text/x')]] };
const ways = (to: string): Case[] => [
  { name: `${to}: other status`, to, send: get('/'), stats },
  { name: `${to}: from the upstream`, to, send: get('/x?q=1'), upstream: unavailable, stats },
  {
    name: `${to}: HEAD`,
    to,
    send: request('HEAD', '/x'),
    upstream: { a: [['HTTP/1.1 503 No\r\nx-up: yes\r\n\r\n']] },
    stats,
  },
  { name: `${to}: local reply`, to, send: get('/direct'), stats },
  { name: `${to}: connection refused`, to, send: get('/reset'), stats },
  { name: `${to}: headers of the route`, to, send: get('/added'), upstream: unavailable, stats },
  { name: `${to}: with a body`, to, send: post('/x', 'hello'), upstream: unavailable, stats },
  {
    name: `${to}: with trailers`,
    to,
    send: chunked('/x', ['hello'], ['trailer: x-t'], ['x-t: yes']),
    upstream: unavailable,
    stats,
  },
];

const matchers: Readonly<Record<string, Fields>> = {
  class: by('ResponseStatusCodeClass', {
    '5xx': local({ body: text('five') }),
    '4xx': local({ status_code: 200, body: text('four') }),
  }),
  'local-reply': by('ResponseLocalReply', {
    true: local({ body: text('of the proxy') }),
    false: local({ body: text('of the upstream') }),
  }),
  header: by('ResponseHeader', { yes: local({ body: text('by header') }) }, { header_name: 'x-up' }),
  list: {
    matcher_list: {
      matchers: [
        {
          predicate: {
            and_matcher: {
              predicate: [
                {
                  single_predicate: {
                    input: { name: 'i', typed_config: any(`${INPUT}.HttpResponseStatusCodeMatchInput`) },
                    value_match: { safe_regex: { regex: '50[0-3]', google_re2: {} } },
                  },
                },
                {
                  single_predicate: {
                    input: { name: 'i', typed_config: any(`${INPUT}.HttpResponseLocalReplyMatchInput`) },
                    value_match: { exact: 'true' },
                  },
                },
              ],
            },
          },
          on_match: { action: local({ body: text('listed') }) },
        },
      ],
    },
    on_no_match: { action: local({ status_code: 299 }) },
  },
};
const matcherCases = Object.keys(matchers).flatMap((to): Case[] => [
  { name: `by ${to}: 503 of the upstream`, to, send: get('/'), upstream: unavailable, stats },
  { name: `by ${to}: 404 of the upstream`, to, send: get('/'), upstream: { a: [[response(404, 'none')]] }, stats },
  { name: `by ${to}: 200 of the upstream`, to, send: get('/'), stats },
  { name: `by ${to}: direct response`, to, send: get('/direct'), stats },
  { name: `by ${to}: refused`, to, send: get('/reset'), stats },
  { name: `by ${to}: no route`, to, send: get('/', 'host: none.example'), stats },
]);

const levels: readonly Fields[] = [
  {
    name: 'levels',
    domains: ['*'],
    routes: [
      route('/own', 'a', {}, perRoute(on503(local({ body: text('of the route') })))),
      route('/elsewhere', 'a', {}, perRoute(by('ResponseStatusCode', { 404: local({ body: text('of the route') }) }))),
      route('/none', 'a'),
      route(
        '/off',
        'a',
        {},
        { typed_per_filter_config: { custom: any('envoy.config.route.v3.FilterConfig', { disabled: true }) } },
      ),
      route('/around', 'a', {}, perRoute(on503(redirect({ uri: 'http://x/none' })))),
    ],
    ...perRoute(
      by('ResponseStatusCode', {
        503: local({ body: text('of the host') }),
        404: local({ body: text('of the host') }),
      }),
    ),
  },
];
const levelCases = ['/own', '/elsewhere', '/none', '/off', '/around'].flatMap((path): Case[] =>
  [503, 404, 500].flatMap((status) =>
    ['levels', 'bare'].map((to) => ({
      name: `${to} ${path}: ${status}`,
      to,
      send: get(path),
      upstream: { a: [[response(status, 'up')], [response(status, 'up')]] },
      stats,
    })),
  ),
);
const grpc: readonly Case[] = ['local-both', 'redirect-uri'].flatMap((to) => [
  {
    name: `${to}: gRPC`,
    to,
    send: post('/x', '', 'content-type: application/grpc', 'te: trailers'),
    upstream: unavailable,
    stats,
  },
  { name: `${to}: two requests`, to, send: [get('/direct'), { read: 1 }, get('/direct'), { read: 2 }], stats },
]);

/** A filter before answers, so that the request is never seen. */
const abort = filter('fault', 'envoy.extensions.filters.http.fault.v3.HTTPFault', {
  abort: { http_status: 503, percentage: { numerator: 100 } },
});
const early = ['local-both', 'redirect-uri'].map((name) =>
  http({ name: `early-${name}`, filters: [abort, custom(on503(policies[name] as Fields))], virtualHosts }),
);
const late = http({
  name: 'late',
  filters: [custom(on503(policies['redirect-uri'] as Fields)), abort],
  virtualHosts,
});
const mapped = http({
  name: 'mapped',
  filters: [custom(on503(local({ body: text('sorry') })))],
  virtualHosts,
  hcm: {
    local_reply_config: {
      mappers: [
        {
          filter: { status_code_filter: { comparison: { op: 'EQ', value: { default_value: 503, runtime_key: 'x' } } } },
          status_code: 510,
          body: text('mapped'),
        },
      ],
      body_format: format('[%LOCAL_REPLY_BODY%]'),
    },
  },
});
const placeCases: readonly Case[] = ['early-local-both', 'early-redirect-uri', 'late', 'mapped'].flatMap((to) => [
  { name: `${to}: request`, to, send: get('/x'), upstream: unavailable, stats },
  { name: `${to}: direct`, to, send: get('/direct'), stats },
]);

export const customResponseGroups: readonly Group[] = [
  {
    name: 'custom response',
    config: bootstrap({
      listeners: [
        ...Object.entries(policies).map(([name, policy]) =>
          http({ name, filters: [custom(on503(policy))], virtualHosts }),
        ),
        ...Object.entries(matchers).map(([name, matcher]) => http({ name, filters: [custom(matcher)], virtualHosts })),
        http({ name: 'levels', filters: [custom(on503(local({ body: text('of the chain') })))], virtualHosts: levels }),
        http({ name: 'bare', filters: [custom(null)], virtualHosts: levels }),
        ...early,
        late,
        mapped,
      ],
      clusters: [cluster('a'), cluster('b'), cluster('full', ['free.nobody'])],
    }),
    cases: [...Object.keys(policies).flatMap(ways), ...matcherCases, ...levelCases, ...grpc, ...placeCases],
  },
];
