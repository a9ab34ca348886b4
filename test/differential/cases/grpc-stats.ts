// Differential cases: the filter grpc_stats, over HTTP/1.1.
import type { Case, Group, Reply } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter, http, route, textLog } from '../config.ts';
import { chunked, get, post, request, response } from '../messages.ts';
import { answer, call, message, ok, trailersOnly, typed } from './grpc-messages.ts';

const TYPE = 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig';
const NAME = 'envoy.filters.http.grpc_stats';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export const trailersUpstream: Fields = {
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: any(HTTP_OPTIONS, {
      explicit_http_config: { http_protocol_options: { enable_trailers: true } },
    }),
  },
};
export const trailersDownstream: Fields = { http_protocol_options: { enable_trailers: true } };

const LOG =
  'grpc=%GRPC_STATUS% number=%GRPC_STATUS_NUMBER% snake=%GRPC_STATUS(SNAKE_STRING)% code=%RESPONSE_CODE% ' +
  `details=%RESPONSE_CODE_DETAILS% plain=%FILTER_STATE(${NAME}:PLAIN)% typed=%FILTER_STATE(${NAME}:TYPED)% ` +
  `field=%FILTER_STATE(${NAME}:FIELD:request_message_count)%\n`;

function listener(name: string, fields: Fields, main = 'a'): Fields {
  return http({
    name,
    filters: [filter(NAME, TYPE, fields)],
    routes: [
      direct({ prefix: '/local' }, 403, 'no'),
      { match: { prefix: '/header/' }, route: { cluster_header: 'x-cluster' } },
      route('/refused/', 'refused'),
      route('/b/', 'b'),
      route('/', main),
    ],
    hcm: trailersDownstream,
    log: [textLog(LOG)],
  });
}

const LIST: Fields = {
  services: [
    { name: 'pkg.Service', method_names: ['Known', 'Also'] },
    { name: 'Plain', method_names: ['Known'] },
  ],
};

const config = bootstrap({
  listeners: [
    listener('all', { stats_for_all_methods: true, emit_filter_state: true, enable_upstream_stats: true }),
    listener('none', { emit_filter_state: true }),
    listener('off', { stats_for_all_methods: false }),
    listener('dots', { stats_for_all_methods: true, replace_dots_in_grpc_service_name: true }),
    // Envoy counts a name of the list and the same name of a path in two counters: their clusters must differ.
    listener('list', { individual_method_stats_allowlist: LIST, replace_dots_in_grpc_service_name: true }, 'listed'),
  ],
  clusters: [
    cluster('a', ['a'], { ...trailersUpstream, alt_stat_name: 'alt' }),
    cluster('b', ['b'], trailersUpstream),
    cluster('listed', ['a'], trailersUpstream),
    cluster('refused', ['free.refused'], trailersUpstream),
  ],
});

const STATS = ['^cluster\\.[^.]+\\.grpc'];
const ANSWER = ok(message('pong'));

function counted(name: string, to: string, send: Case['send'], ...upstream: Reply[]): Case {
  return { name: `${to}: ${name}`, to, ...(send === undefined ? {} : { send }), upstream, stats: STATS, probeMs: 5 };
}

const PATH = '/pkg.Service/Known';
const PING = call(PATH, message('ping'));

const everywhere: readonly Case[] = ['all', 'none', 'off', 'dots', 'list'].flatMap((to) => [
  counted('a call', to, PING, ANSWER),
  counted('another method', to, call('/pkg.Service/Other', message('ping')), ANSWER),
  counted('a failed call', to, PING, answer([], ['grpc-status: 7', 'grpc-message: no'])),
  counted('trailers only', to, PING, trailersOnly(12)),
  counted('a path with a query', to, call(`${PATH}?a=b/c`, message('ping')), ANSWER),
  counted('a path of one segment', to, call('/pkg.Service', message('ping')), ANSWER),
]);

const paths: readonly Case[] = [
  counted('a path of three segments', 'all', call('/a/b/c', message('ping')), ANSWER),
  counted('a path with empty segments', 'all', call('//pkg.Service//Known/', message('ping')), ANSWER),
  counted('a service without dots', 'all', call('/Plain/Known', message('ping')), ANSWER),
  counted('odd characters', 'all', call('/a:b%20c/d=e', message('ping')), ANSWER),
  counted('a service of the list without dots', 'list', call('/Plain/Known', message('ping')), ANSWER),
  counted('the second method', 'list', call('/pkg.Service/Also', message('ping')), ANSWER),
  counted('a method of another service', 'list', call('/Plain/Also', message('ping')), ANSWER),
  counted('another cluster', 'all', call('/b/Known', message('ping')), []),
  counted('cluster by header', 'all', call('/header/Known', message('ping'), 'x-cluster: a'), ANSWER),
  counted('cluster by header that is absent', 'all', call('/header/Known', message('ping'))),
  counted('an unknown cluster', 'all', call('/header/Known', message('ping'), 'x-cluster: nowhere')),
  counted('a cluster that refuses', 'all', call('/refused/Known', message('ping'))),
  counted('a direct response', 'all', call('/local/Known', message('ping'))),
];

const types: readonly Case[] = [
  'application/grpc+proto',
  'application/grpc+json',
  'application/grpc;charset=utf-8',
  'application/grpc-web',
  'Application/Grpc',
  'application/grpcx',
  'application/json',
].map((type) => counted(`request of ${type}`, 'all', typed(type, PATH, message('ping')), ANSWER));

const statuses: readonly Case[] = [
  ...['0', '00', '5', '16', '17', '999', '-1', 'abc', '', '0 '].map((status) =>
    counted(`status '${status}'`, 'all', PING, answer([], [`grpc-status: ${status}`])),
  ),
  counted('no status', 'all', PING, answer([message('x')], [])),
  counted('no trailers', 'all', PING, response(200, message('x'), 'content-type: application/grpc')),
  counted(
    'status in the headers of a body',
    'all',
    PING,
    response(200, message('x'), 'content-type: application/grpc', 'grpc-status: 0'),
  ),
  counted('status in headers and trailers', 'all', PING, answer([message('x')], ['grpc-status: 3'], 'grpc-status: 0')),
  counted('status twice', 'all', PING, answer([], ['grpc-status: 0', 'grpc-status: 3'])),
  counted('an HTTP failure', 'all', PING, response(503, 'down')),
  counted('an HTTP failure without body', 'all', PING, response(404)),
  counted('a body that is no gRPC', 'all', PING, response(200, message('x'), 'content-type: text/plain')),
  counted('a response of another code', 'all', PING, response(201, message('x'), 'content-type: application/grpc')),
];

const messages: readonly Case[] = [
  counted('no message', 'all', call(PATH, ''), ok()),
  counted('a request without body', 'all', request('POST', PATH, ['content-type: application/grpc']), ok()),
  counted('a GET', 'all', get(PATH, 'content-type: application/grpc'), ANSWER),
  counted(
    'three messages each way',
    'all',
    call(PATH, message('a') + message('') + message('ccc')),
    ok(message('x'), message('y') + message('z')),
  ),
  counted(
    'messages in pieces',
    'all',
    chunked(PATH, ['\0', '\0\0\0', '\x03a', 'bc\0', '\0\0\0\0'], ['content-type: application/grpc']),
    ok('\0\0', '\0\0\x02', 'x', 'y\0\0', '\0\0\0'),
  ),
  counted('a message that is cut off', 'all', call(PATH, message('abc').slice(0, 6)), ok(message('abc').slice(0, 2))),
  counted('a compressed message', 'all', call(PATH, message('abc', 1)), ok(message('abc', 1))),
  counted(
    'messages with odd flags',
    'all',
    call(PATH, message('abc', 2) + message('d')),
    ok(message('e', 4), message('abc', 2), message('d')),
  ),
  counted(
    'a chunked request with trailers',
    'all',
    chunked(PATH, [message('a')], ['content-type: application/grpc'], ['x-t: 1']),
    ANSWER,
  ),
  counted('two calls on a connection', 'all', [PING, { read: 1 }, PING, { read: 2 }], ANSWER, trailersOnly(0)),
];

const CONNECT = 'connect-protocol-version: 1';
const connect: readonly Case[] = [
  counted(
    'connect unary',
    'all',
    typed('application/proto', PATH, 'ping', CONNECT),
    response(200, 'pong', 'content-type: application/proto'),
  ),
  counted(
    'connect unary that fails',
    'all',
    typed('application/proto', PATH, 'ping', CONNECT),
    response(404, '{"code":"not_found"}', 'content-type: application/json'),
  ),
  counted('connect unary without body', 'all', post(PATH, '', CONNECT), response(200)),
  counted(
    'connect unary of another version',
    'all',
    typed('application/json', PATH, '{}', 'connect-protocol-version: 2'),
    response(200, '{}'),
  ),
  counted(
    'connect unary',
    'none',
    typed('application/proto', PATH, 'ping', CONNECT),
    response(200, 'pong', 'content-type: application/proto'),
  ),
  ...(
    [
      ['success', '{}'],
      ['an error', '{"error":{"code":"internal"}}'],
      ['an error without code', '{"error":{}}'],
      ['metadata', '{"metadata":{"a":["b"]}}'],
      ['no JSON', 'nonsense'],
      ['no object', '[]'],
      ['nothing', ''],
    ] as const
  ).map(([what, end]) =>
    counted(
      `connect stream that ends with ${what}`,
      'all',
      typed('application/connect+proto', PATH, message('a') + message('b')),
      response(200, message('x') + message('y') + message(end, 2), 'content-type: application/connect+proto'),
    ),
  ),
  counted(
    'connect stream without an end',
    'all',
    typed('application/connect+proto', PATH, message('a')),
    response(200, message('x'), 'content-type: application/connect+proto'),
  ),
  counted(
    'connect stream that fails',
    'all',
    typed('application/connect+proto', PATH, message('a')),
    response(503, 'no'),
  ),
  counted(
    'connect stream',
    'none',
    typed('application/connect+json', PATH, message('{}')),
    response(200, message('{}') + message('{}', 2), 'content-type: application/connect+json'),
  ),
];

/** How the counters are exported, with their tags. */
const exported: readonly Case[] = [
  {
    ...counted('as Prometheus has it', 'dots', call('/pkg.Tagged/Method', message('ping')), ANSWER),
    admin: ['GET /stats/prometheus?filter=grpc.*total', 'GET /stats?filter=grpc.*success'],
    view: ({ admin }) => admin,
  },
  {
    ...counted('a service without dots as Prometheus has it', 'list', call('/Plain/Known', message('ping')), ANSWER),
    // Not the times, which are the machine's.
    admin: ['total', 'success', 'count'].map((what) => `GET /stats/prometheus?filter=grpc.Plain.*${what}`),
    view: ({ admin }) => admin,
  },
];

export const grpcStatsGroups: readonly Group[] = [
  {
    name: 'grpc stats',
    config,
    cases: [...everywhere, ...paths, ...types, ...statuses, ...messages, ...connect, ...exported],
  },
];
