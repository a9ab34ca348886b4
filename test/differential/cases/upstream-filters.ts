// Differential cases: HTTP filters behind the router, of clusters and of the router itself.
import type { Case, Group, Observation } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, filter, http, match, routerFilter, STANDARD_LOG, textLog } from '../config.ts';
import { chunk, chunked, get, lastChunk, post, request, response } from '../messages.ts';
import { unfolded } from '../unfolded.ts';

const FILTERS = 'envoy.extensions.filters.http';
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP1: Fields = { explicit_http_config: { http_protocol_options: { enable_trailers: true } } };
const HTTP2: Fields = { explicit_http_config: { http2_protocol_options: {} } };

const codec = filter('codec', `${FILTERS}.upstream_codec.v3.UpstreamCodec`);

/** A cluster whose attempts go through these filters. */
export function filtered(
  name: string,
  filters: readonly Fields[],
  options: Fields = HTTP1,
  endpoints: readonly string[] = ['a'],
  fields: Fields = {},
): Fields {
  const http_filters = filters.length === 0 ? {} : { http_filters: [...filters, codec] };
  return cluster(name, endpoints, {
    typed_extension_protocol_options: { [OPTIONS]: any(OPTIONS, { ...options, ...http_filters }) },
    ...fields,
  });
}

const lua = (code: string, more: Fields = {}, around: Fields = {}): Fields =>
  filter('lua', `${FILTERS}.lua.v3.Lua`, { default_source_code: { inline_string: code }, ...more }, around);

type Pairs = Readonly<Record<string, string>>;
const append = (fields: Pairs): Fields[] =>
  Object.entries(fields).map(([key, value]) => ({ append: { header: { key, value } } }));

function mutation(request: Pairs, response: Pairs = {}, around: Fields = {}, more: Fields = {}): Fields {
  const mutations = { request_mutations: append(request), response_mutations: append(response), ...more };
  return filter('mutation', `${FILTERS}.header_mutation.v3.HeaderMutation`, { mutations }, around);
}

const perRoute = (request: Pairs): Fields =>
  any(`${FILTERS}.header_mutation.v3.HeaderMutationPerRoute`, { mutations: { request_mutations: append(request) } });

const rbac = filter('rbac', `${FILTERS}.rbac.v3.RBAC`, {
  rules_stat_prefix: 'own_',
  track_per_rule_stats: true,
  rules: {
    action: 'DENY',
    policies: {
      denied: { permissions: [{ header: { name: 'x-deny', present_match: true } }], principals: [{ any: true }] },
    },
  },
});
const buffer = filter('buffer', `${FILTERS}.buffer.v3.Buffer`, { max_request_bytes: 10 });
const compressor = filter('compressor', `${FILTERS}.compressor.v3.Compressor`, {
  compressor_library: { name: 'gz', typed_config: any('envoy.extensions.compression.gzip.compressor.v3.Gzip') },
  response_direction_config: { common_config: { min_content_length: 30 } },
});
const INPUT = any('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: 'x-pick' });
const pick = (typed_config: Fields): Fields => ({
  matcher_list: {
    matchers: [
      {
        predicate: { single_predicate: { input: { name: 'i', typed_config: INPUT }, value_match: { exact: 'yes' } } },
        on_match: { action: { name: 'act', typed_config } },
      },
    ],
  },
});
const DELEGATE = 'envoy.extensions.common.matching.v3.ExtensionWithMatcher';
const SKIP = any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter');
const delegate = filter('delegate', DELEGATE, {
  extension_config: mutation({ 'x-delegated': '1' }, { 'x-delegated': '1' }),
  xds_matcher: pick(SKIP),
});
const COMPOSITE = `${FILTERS}.composite.v3`;
const composite = filter('composite', DELEGATE, {
  extension_config: { name: 'composite', typed_config: any(`${COMPOSITE}.Composite`) },
  xds_matcher: pick(any(`${COMPOSITE}.ExecuteFilterAction`, { typed_config: mutation({ 'x-composed': '1' }) })),
});

const SEES =
  'up=%UPSTREAM_HOST% to=%UPSTREAM_CLUSTER% route=%ROUTE_NAME% try=%UPSTREAM_REQUEST_ATTEMPT_COUNT% ' +
  'auth=%REQ(:authority)% path=%REQ(:path)%';
const TRAILERS: Fields = {
  request_trailers_mutations: append({ 'x-rq-trailer': 'changed' }),
  response_trailers_mutations: append({ 'x-rs-trailer': 'changed' }),
};

const SCRIPTS: Readonly<Record<string, string>> = {
  both: `
    function envoy_on_request(h)
      h:headers():add("x-lua", "request")
      h:streamInfo():dynamicMetadata():set("lua", "seen", "yes")
    end
    function envoy_on_response(h)
      h:headers():add("x-lua", "response " .. h:headers():get(":status"))
    end`,
  respond: `
    function envoy_on_request(h)
      h:respond({[":status"] = h:headers():get("x-status") or "418", ["x-own"] = "1"}, "from the script")
    end`,
  body: `
    function envoy_on_request(h)
      local body = h:body()
      h:headers():add("x-length", tostring(body and body:length() or -1))
      if body then body:setBytes("changed " .. body:getBytes(0, body:length())) end
    end
    function envoy_on_response(h)
      local body = h:body()
      if body then body:setBytes("<" .. body:getBytes(0, body:length()) .. ">") end
    end`,
  late: `
    function envoy_on_request(h)
      local body = h:body()
      if body and body:getBytes(0, body:length()) == "refuse" then h:respond({[":status"] = "400"}, "refused") end
    end`,
  noPath: `
    function envoy_on_request(h)
      h:headers():remove(h:headers():get("x-remove"))
    end`,
  trailers: `
    function envoy_on_request(h)
      for chunk in h:bodyChunks() do end
      local t = h:trailers()
      if t then t:add("x-added", "1") end
    end
    function envoy_on_response(h)
      for chunk in h:bodyChunks() do end
      local t = h:trailers()
      if t then t:add("x-added", "1") end
    end`,
  fails: `
    function envoy_on_request(h) error("oh") end
    function envoy_on_response(h) h:headers():add("x-still", "1") end`,
};

const RETRY: Fields = {
  retry_policy: {
    retry_on: '5xx,connect-failure,refused-stream',
    num_retries: 2,
    retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
  },
};

const clusters: readonly Fields[] = [
  cluster('a'),
  cluster('b'),
  filtered('mutation', [mutation({ 'x-sees': SEES }, { 'x-answer': '%RESPONSE_CODE% %UPSTREAM_HOST%' }, {}, TRAILERS)]),
  filtered('two', [
    mutation({ 'x-order': 'first' }, { 'x-order': 'first' }),
    mutation({ 'x-order': 'second' }, { 'x-order': 'second' }, {}),
  ]),
  filtered('named', [{ ...mutation({ 'x-own': 'own' }), name: 'by-route' }]),
  filtered('off', [{ ...mutation({ 'x-own': 'own' }), name: 'by-route', disabled: true }]),
  filtered('rbac', [rbac]),
  filtered('rbac-behind', [mutation({ 'x-deny': '1' }), rbac]),
  filtered('rbac-skipped', [filter('delegate', DELEGATE, { extension_config: rbac, xds_matcher: pick(SKIP) })]),
  filtered('rbac-inside', [
    filter('composite', DELEGATE, {
      extension_config: { name: 'composite', typed_config: any(`${COMPOSITE}.Composite`) },
      xds_matcher: pick(any(`${COMPOSITE}.ExecuteFilterAction`, { typed_config: rbac })),
    }),
  ]),
  filtered('rbac-off', [{ ...rbac, disabled: true }]),
  filtered('copies', [mutation({ 'x-sees': SEES })], HTTP1, ['b']),
  filtered('rbac-gone', [rbac], HTTP1, ['free.x']),
  filtered('buffer', [buffer]),
  filtered('compressor', [compressor]),
  filtered('delegate', [delegate]),
  filtered('composite', [composite]),
  filtered('codec', [mutation({})]),
  filtered('none', []),
  filtered('http2', [mutation({ 'x-sees': SEES }, { 'x-answer': '1' }, {}, TRAILERS)], HTTP2),
  filtered('alt', [lua(SCRIPTS['both'] ?? '')], HTTP1, ['a'], { alt_stat_name: 'other' }),
  filtered('gone', [lua(SCRIPTS['both'] ?? '')], HTTP1, ['free.x']),
  filtered('respond-gone', [lua(SCRIPTS['respond'] ?? '')], HTTP1, ['free.x']),
  filtered('empty', [lua(SCRIPTS['respond'] ?? '')], HTTP1, []),
  ...Object.entries(SCRIPTS).map(([name, code]) => filtered(`lua-${name}`, [lua(code)])),
];

const LOG =
  `${STANDARD_LOG.trimEnd()} dm=%DYNAMIC_METADATA(lua:seen)% rq=%REQ(X-LUA)% rs=%RESP(X-LUA)% ` +
  'order=%REQ(X-ORDER)% %RESP(X-ORDER)%\n';
const UPSTREAM_LOG =
  'up %ACCESS_LOG_TYPE% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ' +
  'host=%UPSTREAM_HOST% cluster=%UPSTREAM_CLUSTER% order=%REQ(X-ORDER)% %RESP(X-ORDER)% lua=%RESP(X-LUA)%\n';

const CHANGED: Fields = { typed_per_filter_config: { 'by-route': perRoute({ 'x-route': 'route' }) } };
const SWITCHED: Fields = {
  typed_per_filter_config: { 'by-route': any('envoy.config.route.v3.FilterConfig', { disabled: true }) },
};

const routes: readonly Fields[] = [
  match(
    { prefix: '/mutation/rewrite' },
    'mutation',
    { host_rewrite_literal: 'rewritten.example' },
    { name: 'rewrite' },
  ),
  match({ path_separated_prefix: '/mutation/retry' }, 'mutation', RETRY, { name: 'retry' }),
  match({ path_separated_prefix: '/two/retry' }, 'two', RETRY),
  match({ path_separated_prefix: '/named/route' }, 'named', {}, CHANGED),
  match({ path_separated_prefix: '/off/route' }, 'off', {}, CHANGED),
  match({ path_separated_prefix: '/named/off' }, 'named', {}, SWITCHED),
  match({ path_separated_prefix: '/rbac/retry' }, 'rbac', RETRY),
  match({ path_separated_prefix: '/gone/retry' }, 'gone', RETRY),
  match({ path_separated_prefix: '/respond/retry' }, 'lua-respond', RETRY),
  match({ path_separated_prefix: '/mirror/plain' }, 'a', { request_mirror_policies: [{ cluster: 'copies' }] }),
  match({ path_separated_prefix: '/mirror/both' }, 'named', { request_mirror_policies: [{ cluster: 'copies' }] }),
  match({ path_separated_prefix: '/mirror/denied' }, 'b', { request_mirror_policies: [{ cluster: 'lua-respond' }] }),
  match({ path_separated_prefix: '/mirror/body' }, 'b', { request_mirror_policies: [{ cluster: 'lua-body' }] }),
  match({ path_separated_prefix: '/mirror/gone' }, 'b', { request_mirror_policies: [{ cluster: 'respond-gone' }] }),
  ...clusters.map(({ name }) => match({ path_separated_prefix: `/${String(name)}` }, String(name))),
];

const CODEC_LAST = [mutation({ 'x-router': SEES }, { 'x-router': '1' }), lua(SCRIPTS['both'] ?? ''), codec];

const config = bootstrap({
  listeners: [
    http({ name: 'main', routes, log: [textLog(LOG)], hcm: { http_protocol_options: { enable_trailers: true } } }),
    http({
      name: 'logged',
      routes,
      log: [textLog(LOG)],
      router: { upstream_log: [textLog(UPSTREAM_LOG)] },
      hcm: { http_protocol_options: { enable_trailers: true } },
    }),
    http({
      name: 'router',
      virtualHosts: [
        { name: 'all', domains: ['*'], routes, include_request_attempt_count: true },
        { name: 'counted', domains: ['counted.example'], routes, include_attempt_count_in_response: true },
      ],
      log: [textLog(LOG)],
      router: { upstream_http_filters: CODEC_LAST, upstream_log: [textLog(UPSTREAM_LOG)] },
    }),
    http({
      name: 'same-names',
      routes,
      log: [textLog(LOG)],
      filters: [{ ...mutation({ 'x-downstream': '1' }), name: 'by-route' }, routerFilter].slice(0, 1),
    }),
  ],
  clusters,
});

const STATS = [
  '(lua|rbac|compressor)\\.',
  'upstream_rq_(retry|total|completed|cancelled|tx_reset|rx_reset|pending_total|[2345]xx)',
  'upstream_cx_(total|destroy|connect_fail)',
  'mainlua',
  'routerlua',
  'downstream_rq_',
  'rq_(error|success|timeout)',
];

/** What is packed is as long as its compressor makes it. */
const withoutSizes = (observation: Observation): unknown => ({ ...(unfolded(observation) as object), log: [] });

const OK = response(200, 'fine');
const BAD = response(503, 'bad');
const LONG = response(200, 'x'.repeat(200), 'content-type: text/plain');
const WITH_TRAILERS =
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n' + chunk('body') + lastChunk(['x-t: 1']);

type More = Partial<Case>;
const one = (name: string, send: NonNullable<Case['send']>, more: More = {}): Case => ({
  ...{ name, send, stats: STATS, upstream: [OK] },
  ...more,
});
/** Through every way that they may differ in. */
const ways = (name: string, send: string, more: More = {}): Case[] => [
  one(name, send, more),
  one(`${name}, attempts logged`, send, { ...more, to: 'logged' }),
  one(`${name}, filters of the router too`, send, { ...more, to: 'router' }),
];
/** A second request on the connections that the first one left. */
const twice = (send: string): NonNullable<Case['send']> => [send, { read: 1 }, send, { read: 2 }];

const cases: readonly Case[] = [
  ...ways('no filters', get('/a')),
  ...ways('an empty list', get('/none')),
  ...ways('nothing but the codec', get('/codec')),
  ...ways('heads are changed', get('/mutation')),
  ...ways('two filters, in their order there and back', get('/two')),
  ...ways('a retry goes through them again', get('/two/retry'), { upstream: [BAD, BAD, OK] }),
  one('what they see of a retry', get('/mutation/retry'), { upstream: [BAD, OK] }),
  one('what they see of a rewritten host', get('/mutation/rewrite')),
  one('a second request on the same connection', twice(get('/mutation/rewrite'))),
  one('trailers', chunked('/mutation', ['body'], [], ['x-t: 1']), { upstream: [WITH_TRAILERS] }),
  one('a route configures a filter', get('/named/route')),
  one('a route turns a filter off', get('/named/off')),
  one('a filter that is off', get('/off')),
  one('a route turns a filter on', get('/off/route')),
  one('a filter of the same name in front of the router', get('/named/route'), { to: 'same-names' }),
  one('a route turns both of a name off', get('/named/off'), { to: 'same-names' }),
  ...ways('rbac lets in', get('/rbac')),
  ...ways('rbac denies', get('/rbac', 'x-deny: 1')),
  ...ways('rbac denies, and nothing is tried again', get('/rbac/retry', 'x-deny: 1')),
  one('rbac denies on a connection that stands', [
    get('/rbac'),
    { read: 1 },
    get('/rbac', 'x-deny: 1'),
    { read: 2 },
    get('/rbac'),
    { read: 3 },
  ]),
  one('rbac does not see what filters before it change', get('/rbac-behind')),
  one('rbac inside match_delegate', get('/rbac-skipped', 'x-deny: 1')),
  one('rbac inside match_delegate is asked all the same', get('/rbac-skipped', 'x-deny: 1', 'x-pick: yes')),
  one('rbac inside composite', get('/rbac-inside', 'x-deny: 1', 'x-pick: yes')),
  one('rbac inside composite, not chosen', get('/rbac-inside', 'x-deny: 1')),
  one('rbac that is off', get('/rbac-off', 'x-deny: 1')),
  one('rbac denies before there is a connection', get('/rbac-gone', 'x-deny: 1')),
  one('no connection', get('/gone')),
  ...ways('no connection, three times', get('/gone/retry')),
  one('a reply before there is a connection', get('/respond-gone')),
  one('no host: no filter is asked', get('/empty')),
  ...ways('a script on both ways', get('/lua-both')),
  ...ways('a script answers', get('/lua-respond')),
  ...ways('a script answers with what would be tried again', get('/respond/retry', 'x-status: 503')),
  one('a script answers a HEAD request', request('HEAD', '/lua-respond')),
  one('a script answers twice', twice(get('/lua-respond'))),
  one('a script that fails', get('/lua-fails')),
  ...ways('a script changes bodies', post('/lua-body', 'hello')),
  one('a script changes a body of many parts', chunked('/lua-body', ['one', 'two', 'three'])),
  one('a script changes no body', get('/lua-body')),
  one('a script changes bodies that come late', [
    request('POST', '/lua-body', ['transfer-encoding: chunked']),
    { awaitUpstream: 0 },
    { wait: 50 },
    chunk('late'),
    { wait: 50 },
    lastChunk(),
    { read: 1 },
  ]),
  ...ways('a script answers once it has seen the body', post('/lua-late', 'refuse')),
  one('a script lets a body through', post('/lua-late', 'let it be')),
  one('a script adds trailers', chunked('/lua-trailers', ['body'], [], ['x-t: 1']), { upstream: [WITH_TRAILERS] }),
  ...ways('a script removes the path', get('/lua-noPath', 'x-remove: :path')),
  one('a script removes the method', get('/lua-noPath', 'x-remove: :method')),
  one('buffer: a bare request', get('/buffer')),
  one('buffer: a body that fits', chunked('/buffer', ['12', '34'])),
  one('buffer: a body that fits, with trailers', chunked('/buffer', ['12', '34'], [], ['x-t: 1'])),
  ...ways('buffer: a body that is too large', post('/buffer', 'x'.repeat(11))),
  one('buffer: a body that is too large, in parts', chunked('/buffer', ['12345', '678901'])),
  one('buffer: a body that comes slowly', [
    request('POST', '/buffer', ['content-length: 8']),
    { wait: 60 },
    '1234',
    { wait: 60 },
    '5678',
    { read: 1 },
  ]),
  one('compressor: the client takes gzip', get('/compressor', 'accept-encoding: gzip'), {
    upstream: [LONG],
    view: withoutSizes,
  }),
  one('compressor: it does not', get('/compressor'), { upstream: [LONG] }),
  one('match_delegate: not skipped', get('/delegate')),
  one('match_delegate: skipped', get('/delegate', 'x-pick: yes')),
  one('composite: nothing', get('/composite')),
  one('composite: a filter', get('/composite', 'x-pick: yes')),
  one('alt_stat_name', get('/alt')),
  one('filters of the router see attempts', get('/a/x'), { to: 'router' }),
  one(
    'filters of the router: a reply of the cluster’s, with counts of attempts',
    get('/rbac', 'x-deny: 1', 'host: counted.example'),
    {
      to: 'router',
    },
  ),
  one('filters of the router: counts of attempts', get('/a', 'host: counted.example'), { to: 'router' }),
  one('an answer of the upstream that ends early', post('/mutation', 'body'), {
    upstream: [{ on: 'head', actions: [OK] }],
  }),
  one('a reset of the upstream', get('/two'), { upstream: [['rst']] }),
  one('a reset in the answer', get('/lua-both'), {
    upstream: [['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', { wait: 50 }, 'rst']],
  }),
  one('100 Continue', [
    request('POST', '/two', ['expect: 100-continue', 'content-length: 4']),
    { readInterim: 1 },
    'body',
    { read: 1 },
  ]),
  one('a client that leaves', [get('/lua-both'), { awaitUpstream: 1 }, 'reset'], {
    upstream: [[{ wait: 300 }, OK]],
    settleMs: 100,
  }),
  one('a mirror has filters', get('/mirror/plain'), { awaitRequests: 2 }),
  one('a mirror has filters, and the request others', get('/mirror/both'), { awaitRequests: 2 }),
  one('a mirror is denied', get('/mirror/denied'), { settleMs: 100 }),
  one('a mirror is denied before there is a connection', get('/mirror/gone'), { settleMs: 100 }),
  one('a mirror’s body is changed', post('/mirror/body', 'hello'), { awaitRequests: 2 }),
  one('to HTTP/2', get('/http2'), { upstream: { a: { replies: [], http2: {} } } }),
];

export const upstreamFilterGroups: readonly Group[] = [{ name: 'upstream-filters', config, cases }];
