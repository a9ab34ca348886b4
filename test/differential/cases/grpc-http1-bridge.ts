// Differential cases: the filter grpc_http1_bridge, over HTTP/1.1.
import type { Case, Group, Reply } from '../case.ts';
import { bootstrap, cluster, direct, type Fields, filter, http, match, route, textLog } from '../config.ts';
import { chunk, chunked, get, head, lastChunk, request, response } from '../messages.ts';
import { answer, call, message, ok, trailersOnly, typed } from './grpc-messages.ts';
import { trailersDownstream, trailersUpstream } from './grpc-stats.ts';

const LOG =
  'grpc=%GRPC_STATUS% code=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% flags=%RESPONSE_FLAGS% ' +
  'rx=%BYTES_RECEIVED% tx=%BYTES_SENT% type=%REQ(CONTENT-TYPE)% path=%REQ(:PATH)% route=%ROUTE_NAME%\n';

function listener(name: string, fields: Fields, around: Fields = {}, hcm: Fields = trailersDownstream): Fields {
  return http({
    name,
    filters: [
      filter(
        'envoy.filters.http.grpc_http1_bridge',
        'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config',
        fields,
      ),
    ],
    routes: [
      direct({ prefix: '/local' }, 403, 'no\n'),
      match({ prefix: '/only/', grpc: {} }, 'a', {}, { name: 'grpc' }),
      route('/retry/', 'a', { retry_policy: { retry_on: 'unavailable', num_retries: 2 } }),
      route('/', 'a', {}, { name: 'all' }),
    ],
    hcm,
    log: [textLog(LOG)],
    listener: around,
  });
}

const config = bootstrap({
  listeners: [
    listener('bridge', {}),
    listener('plain', {}, {}, {}),
    listener('upgrade', { upgrade_protobuf_to_grpc: true }),
    listener('query', { ignore_query_parameters: true, upgrade_protobuf_to_grpc: true }),
    listener('small', { upgrade_protobuf_to_grpc: true }, { per_connection_buffer_limit_bytes: 100 }),
  ],
  clusters: [cluster('a', ['a'], trailersUpstream)],
});

const PATH = '/pkg.Service/Method';
const PROTOBUF = 'application/x-protobuf';
const PING = message('ping');
const PONG = ok(message('pong'));

function seen(
  to: string,
  name: string,
  send: Case['send'],
  upstream: readonly Reply[] = [PONG],
  more: Partial<Case> = {},
): Case {
  const sent = send === undefined ? {} : { send };
  return {
    name: `${to}: ${name}`,
    to,
    ...sent,
    upstream,
    stats: ['^cluster\\.[^.]+\\.grpc'],
    probeMs: 5,
    timeoutMs: 1500,
    ...more,
  };
}

const calls: readonly Case[] = ['bridge', 'plain', 'upgrade'].flatMap((to) => [
  seen(to, 'a call', call(PATH, PING)),
  seen(to, 'a failed call', call(PATH, PING), [answer([], ['grpc-status: 5', 'grpc-message: not%20here'])]),
  seen(to, 'a failed call with a message', call(PATH, PING), [
    answer([message('x')], ['grpc-status: 13', 'x-more: 1']),
  ]),
  seen(to, 'a status that is none', call(PATH, PING), [answer([message('x')], ['grpc-status: abc'])]),
  seen(to, 'a status of two zeros', call(PATH, PING), [answer([message('x')], ['grpc-status: 00'])]),
  seen(to, 'a status with blanks', call(PATH, PING), [answer([message('x')], ['grpc-status: +0'])]),
  seen(to, 'an empty status', call(PATH, PING), [answer([message('x')], ['grpc-status:'])]),
  seen(to, 'trailers without status', call(PATH, PING), [answer([message('x')], ['x-t: 1'])]),
  seen(to, 'no trailers', call(PATH, PING), [response(200, message('x'), 'content-type: application/grpc')]),
  seen(to, 'trailers only', call(PATH, PING), [trailersOnly(16, 'grpc-message: who')]),
  seen(to, 'messages in pieces', call(PATH, PING), [
    ok(message('a'), message('b'), message('cc').slice(0, 3), message('cc').slice(3)),
  ]),
  seen(to, 'an HTTP failure', call(PATH, PING), [response(503, 'down')]),
  seen(to, 'an HTTP failure with trailers', call(PATH, PING), [
    head(500, 'transfer-encoding: chunked') + chunk('x') + lastChunk(['grpc-status: 0']),
  ]),
  seen(to, 'a reset in the response', call(PATH, PING), [
    [head(200, 'content-type: application/grpc', 'transfer-encoding: chunked') + chunk('abc'), { wait: 40 }, 'rst'],
  ]),
  seen(to, 'a call of another type', typed('application/json', PATH, '{}')),
  seen(to, 'an own reply', call('/local', PING)),
  seen(
    to,
    'HTTP/1.0',
    request('POST', PATH, ['content-type: application/grpc', `content-length: ${PING.length}`], PING).replace(
      'HTTP/1.1',
      'HTTP/1.0',
    ),
  ),
  seen(to, 'query', call(`${PATH}?a=b`, PING)),
]);

const upgrades: readonly Case[] = ['upgrade', 'query', 'bridge'].flatMap((to) => [
  seen(to, 'protobuf', typed(PROTOBUF, PATH, 'ping')),
  seen(to, 'protobuf with a query', typed(PROTOBUF, `${PATH}?a=b`, 'ping')),
  seen(to, 'protobuf with a parameter', typed(`${PROTOBUF}; proto=x`, PATH, 'ping')),
  seen(to, 'protobuf in pieces', chunked(PATH, ['pi', 'n', 'g'], [`content-type: ${PROTOBUF}`])),
  seen(to, 'protobuf with trailers', chunked(PATH, ['pi', 'ng'], [`content-type: ${PROTOBUF}`], ['x-t: 1'])),
  seen(to, 'protobuf without body', request('POST', PATH, [`content-type: ${PROTOBUF}`])),
  seen(to, 'protobuf of no bytes', chunked(PATH, [], [`content-type: ${PROTOBUF}`])),
  seen(to, 'protobuf to a gRPC route', typed(PROTOBUF, '/only/Method', 'ping')),
  seen(to, 'protobuf, a failed call', typed(PROTOBUF, PATH, 'ping'), [
    answer([], ['grpc-status: 5', 'grpc-message: no']),
  ]),
  seen(to, 'protobuf, two messages back', typed(PROTOBUF, PATH, 'ping'), [ok(message('a'), message('b'))]),
  seen(to, 'protobuf, an empty message back', typed(PROTOBUF, PATH, 'ping'), [ok(message(''))]),
  seen(to, 'protobuf, no trailers back', typed(PROTOBUF, PATH, 'ping'), [
    response(200, message('x'), 'content-type: application/grpc'),
  ]),
  seen(to, 'protobuf, trailers only', typed(PROTOBUF, PATH, 'ping'), [trailersOnly(7)]),
  seen(to, 'protobuf, HTTP failure', typed(PROTOBUF, PATH, 'ping'), [response(503, 'down and out')]),
  seen(to, 'protobuf, an own reply', typed(PROTOBUF, '/local', 'ping')),
  seen(to, 'gRPC with a query', call(`${PATH}?a=b?c`, PING)),
  seen(to, 'another request with a query', get('/plain?a=b')),
  seen(to, 'protobuf, retried', typed(PROTOBUF, '/retry/Method', 'ping'), [trailersOnly(14), PONG]),
]);

const limits: readonly Case[] = [
  seen('small', 'a body within the limit', typed(PROTOBUF, PATH, 'x'.repeat(90))),
  seen('small', 'a body beyond the limit', typed(PROTOBUF, PATH, 'x'.repeat(400))),
  seen(
    'small',
    'a body beyond the limit in pieces',
    chunked(PATH, ['x'.repeat(80), 'x'.repeat(80), 'x'.repeat(80)], [`content-type: ${PROTOBUF}`]),
  ),
  seen('small', 'an answer beyond the limit', call(PATH, PING), [ok(message('y'.repeat(150)))]),
  seen('small', 'an answer beyond the limit to protobuf', typed(PROTOBUF, PATH, 'x'), [ok(message('y'.repeat(150)))]),
];

export const grpcBridgeGroups: readonly Group[] = [
  { name: 'grpc bridge', config, cases: [...calls, ...upgrades, ...limits] },
];
