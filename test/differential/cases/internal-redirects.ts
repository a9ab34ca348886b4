// Differential cases: redirects that the proxy follows itself.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, filter, http, match, route, STANDARD_LOG, textLog } from '../config.ts';
import { chunked, get, head, post, request, response } from '../messages.ts';

const STATS = ['internal_redirect', 'downstream_rq_\\d', 'downstream_rq_(total|completed)', 'rq_total', 'retry'];

const PREDICATES = 'envoy.extensions.internal_redirect';

function predicate(name: string, fields: Fields = {}): Fields {
  return {
    name: `envoy.internal_redirect_predicates.${name}`,
    typed_config: any(`${PREDICATES}.${name}.v3.${TYPES[name]}`, fields),
  };
}

const TYPES: Readonly<Record<string, string>> = {
  allow_listed_routes: 'AllowListedRoutesConfig',
  previous_routes: 'PreviousRoutesConfig',
  safe_cross_scheme: 'SafeCrossSchemeConfig',
  filter_state: 'FilterStateConfig',
};

function follows(path: string, policy: Fields, action: Fields = {}, around: Fields = {}): Fields {
  return match(
    { path_separated_prefix: path },
    'a',
    { internal_redirect_policy: policy, ...action },
    { name: path.slice(1), ...around },
  );
}

function setState(key: string, factory: string, text: string): Fields {
  return filter('envoy.filters.http.set_filter_state', 'envoy.extensions.filters.http.set_filter_state.v3.Config', {
    on_request_headers: [
      {
        object_key: key,
        factory_key: factory,
        format_string: { text_format_source: { inline_string: text } },
        shared_with_upstream: 'NONE',
      },
    ],
  });
}

const LOG =
  `${STANDARD_LOG.trimEnd()} url=%REQ(X-ENVOY-ORIGINAL-URL)% path=%REQ(:PATH)% ` +
  'count=%FILTER_STATE(num_internal_redirects)% to=%RESP(LOCATION)% first=%REQ(X-FIRST)%\n';

const routes: readonly Fields[] = [
  follows('/default', {}),
  follows('/codes', { redirect_response_codes: [301, 303, 307, 308, 200] }),
  follows('/two', { max_internal_redirects: 2 }),
  follows('/many', { max_internal_redirects: 20 }),
  follows('/none', { max_internal_redirects: 0 }),
  follows('/cross', { allow_cross_scheme_redirect: true }),
  follows('/cross-safe', { allow_cross_scheme_redirect: true, predicates: [predicate('safe_cross_scheme')] }),
  follows('/allowed', {
    predicates: [predicate('allow_listed_routes', { allowed_route_names: ['target', 'default'] })],
  }),
  follows('/allowed-none', { predicates: [predicate('allow_listed_routes')] }),
  follows('/previous', { max_internal_redirects: 5, predicates: [predicate('previous_routes')] }),
  follows('/copy', { response_headers_to_copy: ['x-copied', 'x-first', 'x-absent'] }),
  follows(
    '/headers',
    {},
    {},
    {
      request_headers_to_add: [{ header: { key: 'x-added', value: '%REQ(:PATH)%' } }],
      request_headers_to_remove: ['x-removed'],
    },
  ),
  follows('/rewrite', {}, { prefix_rewrite: '/rewritten', host_rewrite_literal: 'rewritten.example' }),
  follows(
    '/retried',
    {},
    { retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' } } },
  ),
  follows('/limited', {}, {}, { request_body_buffer_limit: 8 }),
  follows('/state', { predicates: [predicate('filter_state', { redirect_enabled_key: 'yes' })] }),
  follows('/state-no', { predicates: [predicate('filter_state', { redirect_enabled_key: 'no' })] }),
  follows('/state-text', { predicates: [predicate('filter_state', { redirect_enabled_key: 'text' })] }),
  follows('/state-absent', { predicates: [predicate('filter_state', { redirect_enabled_key: 'absent' })] }),
  follows('/state-absent-yes', {
    predicates: [predicate('filter_state', { redirect_enabled_key: 'absent', redirect_if_absent: true })],
  }),
  match({ path_separated_prefix: '/runtime' }, 'a', { internal_redirect_policy: {} }, { name: 'runtime' }),
  {
    match: { path_separated_prefix: '/direct' },
    direct_response: { status: 200, body: { inline_string: 'direct' } },
    name: 'direct',
  },
  { match: { path_separated_prefix: '/away' }, redirect: { host_redirect: 'away.example' }, name: 'away' },
  route('/target', 'b', {}, { name: 'target' }),
  route('/plain', 'b', {}, { name: 'plain' }),
  match({ path: '/' }, 'b', {}, { name: 'root' }),
];

const config = bootstrap({
  listeners: [
    http({
      name: 'main',
      virtualHosts: [{ name: 'all', domains: ['*'], routes, include_request_attempt_count: true }],
      log: [textLog(LOG)],
      filters: [
        setState('yes', 'envoy.bool', 'true'),
        setState('no', 'envoy.bool', 'false'),
        setState('text', 'envoy.string', 'true'),
      ],
    }),
    http({ name: 'remote', routes, hcm: { use_remote_address: true }, log: [textLog(LOG)] }),
  ],
  clusters: [cluster('a'), cluster('b')],
});

/** A redirect as an upstream answers. */
function to(location: string, status = 302, ...lines: string[]): string {
  return response(status, 'moved', `location: ${location}`, ...lines);
}

function one(name: string, send: string, replies: readonly string[], more: Partial<Case> = {}): Case {
  return {
    name,
    send,
    upstream: { a: replies, b: [response(200, 'from b', 'x-up: b')] },
    stats: STATS,
    ...more,
  };
}

const T = 'http://h.example/target?q=1';

// biome-ignore format: a table.
const LOCATIONS = [
  '', '/target', 'target', '//h.example/target', 'h.example/target', 'http://', 'http:///target',
  'http://h.example', 'http://h.example?q', 'http://h.example/target#part', 'http://h.example/target?q#part',
  'http://h.example:8080/target', 'http://[::1]/target', 'http://[::1]:81/target', 'HTTP://H.example/target',
  'http://user:pw@h.example/target', 'http://h.example/target/../plain', 'http://h.example//target',
  'http://h.example/ta rget', 'http://h.example/target\\x', 'http://h.example/t%0d%0ax',
  'https://h.example/target', 'ftp://h.example/target', 'http://h.example/nowhere', 'http://h.example/direct',
  'http://h.example/away', 'http:/target', 'http:target', '?q=1', '#x', 'http://h.example:x/target',
  'http://h.example:99999/target', 'http://h example/target', 'http://h.example/\u00e9', 'mailto:a@b',
  'http://h.example:/target', 'http://h.example/target http://x', '*', 'http://*/target',
  'http://h_1.example/target', 'http://%61.example/target',
];

const cases: readonly Case[] = [
  ...LOCATIONS.map((location) => one(`location ${location}`, get('/default'), [to(location)])),
  ...[200, 201, 300, 301, 302, 303, 304, 305, 307, 308, 404].map((status) =>
    one(`status ${status} by default`, get('/default'), [status === 304 ? head(304, `location: ${T}`) : to(T, status)]),
  ),
  ...[200, 301, 302, 303, 307, 308].map((status) => one(`status ${status} of a list`, get('/codes'), [to(T, status)])),
  one('without location', get('/default'), [response(302, 'moved')]),
  one('two locations', get('/default'), [to(T, 302, 'location: http://x.example/plain')]),
  one('no redirects allowed', get('/none'), [to(T)]),
  one('a loop ends', get('/two'), [
    to('http://h/two/1'),
    to('http://h/two/2'),
    to('http://h/two/3'),
    to('http://h/two/4'),
  ]),
  one(
    'a long way',
    get('/many'),
    Array.from({ length: 9 }, (_, i) => to(i < 8 ? `http://h${i}/many/${i}` : T)),
  ),
  one('to a route with another limit', get('/many'), [to('http://h/default/1'), to('http://h/default/2')]),
  one('post without body', request('POST', '/default', ['content-length: 0']), [to(T)]),
  one('post with body', post('/default', 'the body'), [to(T)]),
  one('post with chunked body', chunked('/default', ['some ', 'body']), [to(T)]),
  ...[301, 303, 307, 308].map((status) => one(`post, ${status}`, post('/codes', 'the body'), [to(T, status)])),
  one('chunked post, 303', chunked('/codes', ['some ', 'body']), [to(T, 303)]),
  one('put, 303', post('/codes', 'x').replace('POST', 'PUT'), [to(T, 303)]),
  one('head, 303', request('HEAD', '/codes'), [head(303, `location: ${T}`)], {
    upstream: { a: [head(303, `location: ${T}`, 'content-length: 3')], b: [head(200, 'content-length: 3')] },
  }),
  one('body beyond the limit', post('/limited', 'more than eight'), [to(T)]),
  one('body within the limit', post('/limited', 'eight'), [to(T)]),
  {
    name: 'answer before the request is complete',
    send: ['POST /default HTTP/1.1\r\nhost: h\r\ncontent-length: 8\r\n\r\nhalf', { read: 1 }],
    upstream: { a: [{ on: 'head', actions: [to(T)] }] },
    stats: STATS,
  },
  one('cross scheme, refused', get('/default'), [to('https://h/target')]),
  one('cross scheme, allowed', get('/cross'), [to('https://h/target')]),
  one('cross scheme, unsafe', get('/cross-safe'), [to('https://h/target')]),
  one('cross scheme down, safe', get('/cross-safe', 'x-forwarded-proto: https'), [to('http://h/target')]),
  one('same scheme, https', get('/default', 'x-forwarded-proto: https'), [to('https://h/target')]),
  one('same scheme, safe', get('/cross-safe'), [to('http://h/target')]),
  one('a route on the list', get('/allowed'), [to(T)]),
  one('a route off the list', get('/allowed'), [to('http://h/plain')]),
  one('an empty list', get('/allowed-none'), [to(T)]),
  one('a route never taken', get('/previous'), [to(T)]),
  one('the same route twice', get('/previous'), [to('http://h/previous/1'), to('http://h/previous/2')]),
  one('there and back', get('/previous'), [
    to('http://h/many/1'),
    to('http://h/previous/2'),
    to('http://h/many/3'),
    to(T),
  ]),
  one('copied headers', get('/copy', 'x-first: sent', 'x-absent: sent'), [
    to(T, 302, 'x-copied: 1', 'x-copied: 2', 'x-first: got'),
  ]),
  one('copied headers of which there are none', get('/copy', 'x-first: sent'), [to(T)]),
  one('copied headers of a redirect that fails', get('/copy', 'x-first: sent'), [
    to('http://h/nowhere', 302, 'x-first: got'),
  ]),
  one('request headers of both routes', get('/headers', 'x-removed: 1'), [to(T)]),
  one('rewritten', get('/rewrite/x?y'), [to(T)]),
  one('rewritten, refused', get('/rewrite/x?y'), [to('http://h/nowhere')]),
  one('retried and then redirected', get('/retried'), [response(503, ''), to(T)]),
  one('retried, then redirected to be retried', get('/retried'), [
    response(503, ''),
    to('http://h/retried/2'),
    response(503, ''),
    response(200, 'ok'),
  ]),
  one(
    'with x-envoy headers',
    get('/default', 'x-envoy-max-retries: 2', 'x-envoy-upstream-rq-timeout-ms: 500', 'x-envoy-original-url: fake'),
    [to(T)],
  ),
  one('request id stays', get('/default', 'x-request-id: given'), [to(T)]),
  one('seen from outside', get('/default', 'x-forwarded-for: 1.2.3.4', 'x-envoy-original-url: fake'), [to(T)], {
    to: 'remote',
  }),
  one('to a host that is another virtual host', get('/default'), [to('http://other.example/target')]),
  ...['/state', '/state-no', '/state-text', '/state-absent', '/state-absent-yes'].map((path) =>
    one(`by filter state: ${path}`, get(path), [to(T)]),
  ),
  one('gRPC', request('POST', '/default', ['content-type: application/grpc', 'content-length: 0']), [to(T)]),
  one('chunked answer that goes on', get('/default'), [
    `HTTP/1.1 302 Found\r\nlocation: ${T}\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`,
  ]),
  one('content-length of the first', get('/default', 'content-length: 0'), [to(T)]),
];

export const internalRedirectGroups: readonly Group[] = [{ name: 'internal redirects', config, cases }];
