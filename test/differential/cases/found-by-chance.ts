// Differential cases: what random configurations found that no table had.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, type Fields, filter, http, route } from '../config.ts';
import { HTTP2 } from '../http2-of-http1.ts';
import { chunked, get, head, post, request, response } from '../messages.ts';

const MUTATION = 'envoy.extensions.filters.http.header_mutation.v3';
const LUA = 'envoy.extensions.filters.http.lua.v3.Lua';

const answerWith = (key: string, value: string): Fields => ({
  mutations: { response_mutations: [{ append: { header: { key, value } } }] },
});
const lua = (code: string): Fields => filter('lua', LUA, { default_source_code: { inline_string: code } });

// What is answered before routes are asked has no route, for filters either.
const early = (name: string, hcm: Fields): Fields =>
  http({
    name,
    filters: [
      filter('mutation', `${MUTATION}.HeaderMutation`, answerWith('x-chain', '%ROUTE_NAME% %REQ(:AUTHORITY)%')),
    ],
    routes: [
      {
        ...route('/', 'a'),
        name: 'all',
        typed_per_filter_config: { mutation: any(`${MUTATION}.HeaderMutationPerRoute`, answerWith('x-route', 'yes')) },
      },
    ],
    hcm: { strip_any_host_port: true, ...hcm },
  });
const earlyListeners = [
  early('early', { normalize_path: true }),
  early('early-redirect', { path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' }),
  http({
    name: 'early-bare',
    routes: [{ ...route('/', 'a'), name: 'all' }],
    hcm: { path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' },
  }),
  early('early-reject', { path_with_escaped_slashes_action: 'REJECT_REQUEST' }),
];
const GRPC = 'content-type: application/grpc';
const earlyCases: readonly Case[] = ['early', 'early-redirect', 'early-bare', 'early-reject'].flatMap((to): Case[] => [
  { name: `${to}: a fragment`, to, send: get('/a#f', 'host: one.example:80') },
  { name: `${to}: a NUL`, to, send: get('/a%00', 'host: one.example:80') },
  { name: `${to}: a slash`, to, send: get('/a%2fb', 'host: one.example:80') },
  { name: `${to}: a slash, gRPC`, to, send: post('/a%2fb', '', 'host: one.example:80', GRPC) },
  { name: `${to}: a slash, then one more`, to, send: post('/a%2fb#f', '', GRPC) },
  { name: `${to}: a slash, a body`, to, send: post('/a%2fb', 'hello', 'host: one.example:80') },
  { name: `${to}: a slash, chunks`, to, send: chunked('/a%2fb', ['hello'], ['host: one.example:80']) },
  { name: `${to}: a slash, DELETE`, to, send: request('DELETE', '/a%2fb', ['host: one.example:80']) },
  { name: `${to}: a fragment, a body`, to, send: post('/a#f', 'hello', 'host: one.example:80') },
  { name: `${to}: a fragment, forwarded`, to, send: get('/a#f', 'host: one.example:80', 'x-forwarded-proto: https') },
  { name: `${to}: an asterisk, forwarded`, to, send: request('OPTIONS', '*', ['x-forwarded-proto: http']) },
  { name: `${to}: no host, forwarded`, to, send: 'GET / HTTP/1.0\r\nx-forwarded-proto: http\r\n\r\n' },
  { name: `${to}: an asterisk`, to, send: request('OPTIONS', '*', ['host: one.example:80']) },
  { name: `${to}: no host`, to, send: 'GET / HTTP/1.0\r\n\r\n' },
  { name: `${to}: fine`, to, send: get('/a', 'host: one.example:80') },
]);

// A request that starts over.
const moved = head(302, 'location: http://test.example/there', 'content-length: 0');
const again = (name: string, filters: readonly Fields[], target: string, around: Fields = {}): Fields =>
  http({
    name,
    filters,
    routes: [route('/', target, { internal_redirect_policy: {} }, around)],
    hcm: { http_protocol_options: { enable_trailers: true } },
  });
const counting = lua(`function envoy_on_request(h)
  h:headers():add('x-length', h:body(true):length())
  local t = h:trailers()
  h:headers():get('x-length')
  if t then t:add('x-lua', 'saw') end
end`);
const againListeners = [
  again('again', [], 'a'),
  again('again-http2', [], 'h2'),
  again('again-lua', [counting], 'a'),
  again('again-lua-http2', [counting], 'h2'),
];
const movedHttp2 = [
  [
    {
      head: [
        [':status', '302'],
        ['location', 'http://test.example/there'],
      ] as const,
      end: true,
    },
  ],
];
const againCases: readonly Case[] = ['again', 'again-http2', 'again-lua', 'again-lua-http2'].flatMap((to): Case[] => {
  const upstream = { a: [moved], h2: { replies: [], http2: { replies: movedHttp2 } } };
  return [
    { name: `${to}: GET`, to, send: get('/here'), upstream },
    { name: `${to}: HEAD`, to, send: request('HEAD', '/here'), upstream },
    { name: `${to}: a body`, to, send: chunked('/here', ['hello']), upstream },
    { name: `${to}: trailers`, to, send: chunked('/here', ['hello'], [], ['x-t: yes']), upstream },
    { name: `${to}: trailers alone`, to, send: chunked('/here', [], [], ['x-t: yes']), upstream },
  ];
});

// Routes match no request without x-forwarded-proto.
const unforwarded = http({
  name: 'unforwarded',
  filters: [lua("function envoy_on_request(h) h:headers():remove('x-forwarded-proto') h:clearRouteCache() end")],
});
const unforwardedCase: Case = {
  name: 'x-forwarded-proto gone when routes are asked again',
  to: 'unforwarded',
  send: get('/'),
};

// A reply to a request whose path a filter has changed.
const added = (value: string): Fields => ({
  name: value,
  response_headers_to_add: [{ header: { key: 'x-route', value } }],
});
const changing = (name: string, code: string): Fields =>
  http({
    name,
    filters: [lua(`function envoy_on_request(h) h:headers():replace(':path', '/other') ${code} end`)],
    routes: [route('/other', 'a', {}, added('other')), route('/', 'a', {}, added('first'))],
  });
const changingListeners = [
  changing('cleared', "h:clearRouteCache() h:respond({[':status'] = '418'}, 'no')"),
  changing('not-cleared', "h:respond({[':status'] = '418'}, 'no')"),
];
const changingCases: readonly Case[] = [
  { name: 'answered with the routes to be asked again', to: 'cleared', send: get('/') },
  { name: 'answered with the route as it was', to: 'not-cleared', send: get('/') },
];

// A custom response from a route that fails, too, has the headers of its policy: of each filter that sees it.
const CUSTOM = 'envoy.extensions.filters.http.custom_response.v3.CustomResponse';
const POLICY = 'envoy.extensions.http.custom_response.redirect_policy.v3.RedirectPolicy';
const elsewhere = any(POLICY, {
  uri: 'http://test.example/elsewhere',
  status_code: 299,
  response_headers_to_add: [{ header: { key: 'x-custom', value: '%RESPONSE_CODE%' } }],
});
const custom = (name: string): Fields =>
  filter(name, CUSTOM, {
    custom_response_matcher: {
      matcher_tree: {
        input: {
          name: 'input',
          typed_config: any('envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput'),
        },
        exact_match_map: { map: { 503: { action: { name: 'elsewhere', typed_config: elsewhere } } } },
      },
    },
  });
const customListeners = [
  http({ name: 'custom', filters: [custom('one')] }),
  http({ name: 'custom-twice', filters: [custom('one'), custom('two')] }),
  http({
    name: 'custom-early',
    filters: [custom('one')],
    routes: [{ match: { prefix: '/' }, direct_response: { status: 503, body: { inline_string: 'no' } } }],
  }),
];
const customCases: readonly Case[] = [
  ...['custom', 'custom-twice'].flatMap((to): Case[] =>
    [200, 302, 404, 502].map((status) => ({
      name: `${to}: ${status} elsewhere`,
      to,
      send: get('/'),
      upstream: [response(503, 'no'), response(status, 'elsewhere')],
    })),
  ),
  // What is still on its way cannot start over.
  ...(['content-length: 4', 'transfer-encoding: chunked'] as const).map((framing): Case => {
    const [first, rest] = framing.endsWith('4') ? ['ab', 'cd'] : ['2\r\nab\r\n', '2\r\ncd\r\n0\r\n\r\n'];
    return {
      name: `half a request, ${framing}`,
      to: 'custom-early',
      send: [request('POST', '/', ['host: one.example', framing], first), { wait: 50 }, rest, { read: 1 }],
    };
  }),
];

// Whose User-Agent is empty has none.
const agentListener = http({ name: 'agent', hcm: { add_user_agent: true } });
const agentCases: readonly Case[] = [
  { name: 'an empty user agent', to: 'agent', send: get('/', 'user-agent:') },
  { name: 'no user agent', to: 'agent', send: get('/') },
  { name: 'two user agents, the first empty', to: 'agent', send: get('/', 'user-agent:', 'user-agent: v') },
];

// Which filters a route leaves out is settled with the first route.
const OFF = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true };
const settledListeners = [false, true].map((disabled) =>
  http({
    name: disabled ? 'settled-off' : 'settled',
    filters: [
      lua(`function envoy_on_request(h) h:headers():replace(':path', h:headers():get('x-to')) end`),
      {
        ...filter('mutation', `${MUTATION}.HeaderMutation`, answerWith('x-chain', 'yes')),
        ...(disabled ? { disabled } : {}),
      },
    ],
    routes: [
      { ...route('/off', 'a'), typed_per_filter_config: { mutation: OFF } },
      {
        ...route('/own', 'a'),
        typed_per_filter_config: { mutation: any(`${MUTATION}.HeaderMutationPerRoute`, answerWith('x-route', 'yes')) },
      },
      route('/', 'a'),
    ],
  }),
);
const settledCases: readonly Case[] = ['settled', 'settled-off'].flatMap((to) =>
  ['/off', '/own', '/plain'].flatMap((from) =>
    ['/off', '/own', '/plain'].map(
      (then): Case => ({
        name: `${to}: ${from}, then ${then}`,
        to,
        send: get(from, `x-to: ${then}`),
      }),
    ),
  ),
);

export const foundByChanceGroups: readonly Group[] = [
  {
    name: 'found by chance',
    config: bootstrap({
      listeners: [
        ...earlyListeners,
        ...againListeners,
        unforwarded,
        ...changingListeners,
        ...customListeners,
        agentListener,
        ...settledListeners,
      ],
      clusters: [cluster('a'), cluster('h2', ['h2'], HTTP2)],
    }),
    cases: [
      ...earlyCases,
      ...againCases,
      unforwardedCase,
      ...changingCases,
      ...customCases,
      ...agentCases,
      ...settledCases,
    ],
  },
];
