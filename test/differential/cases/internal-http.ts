// Differential cases: HTTP over internal connections — pools by what is passed on, retries, TLS inside, what logs tell.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, type Fields, http, route, textLog } from '../config.ts';
import {
  httpState,
  inner,
  innerHttp,
  INTERNAL_EXTENSION,
  listenerFilter,
  passing,
  RESTORE,
  routeState,
  type Shared,
  tcpProxy,
  toInternal,
} from './internal-config.ts';
import { downstreamTls, trusted } from './tls-fixtures.ts';

const DESTINATION = 'envoy.filters.listener.original_dst';
const LOCAL = `${DESTINATION}.local_ip`;
const REMOTE = `${DESTINATION}.remote_ip`;
const ORIGINAL = 'envoy.network.transport_socket.original_dst_address';

const STATS = [
  '^cluster\\.(?!barrier)[^.]+\\.(internal_upstream\\..*|upstream_(cx|rq)_.*|circuit_breakers\\..*)$',
  '^listener\\.(?!admin|barrier)[^.]+\\.downstream_(cx|pre)_',
  '^http\\.inner[^.]*\\.downstream_(cx|rq)_',
];

const HTTP_LOG =
  '%LISTENER_NAME% %PROTOCOL% %RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% ' +
  'local=%DOWNSTREAM_LOCAL_ADDRESS%|%DOWNSTREAM_DIRECT_LOCAL_ADDRESS% ' +
  'id=%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%|%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID% ' +
  'remote=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% ' +
  'host=%UPSTREAM_HOST%|%UPSTREAM_REMOTE_ADDRESS%|%UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID% ' +
  'once=%FILTER_STATE(s.once:PLAIN)% further=%FILTER_STATE(s.further:PLAIN)% hash=%FILTER_STATE(s.hash:PLAIN)% ' +
  'own=%FILTER_STATE(s.own:PLAIN)% host=%DYNAMIC_METADATA(of.host)% failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  'attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% sni=%REQUESTED_SERVER_NAME% tls=%DOWNSTREAM_TLS_VERSION% ' +
  '%REQ(:METHOD)% %REQ(:PATH)% xff=%REQ(X-FORWARDED-FOR)% sent=%REQ(X-SENT)%\n';
const log = [textLog(HTTP_LOG)];

/** From headers: those that a request has not are not written. */
const OBJECTS: readonly Shared[] = [
  ['s.once', 'envoy.string', '%REQ(x-once)%', 'ONCE'],
  ['s.further', 'envoy.string', '%REQ(x-further)%', 'TRANSITIVE'],
  ['s.hash', 'envoy.hashable_string', '%REQ(x-hash)%', 'ONCE'],
  ['s.ip', 'envoy.network.ip', '%REQ(x-ip)%', 'ONCE'],
  ['s.own', 'envoy.hashable_string', '%REQ(x-own)%'],
  [LOCAL, LOCAL, '%REQ(x-local)%', 'ONCE'],
  [REMOTE, REMOTE, '%REQ(x-remote)%', 'ONCE'],
  [ORIGINAL, ORIGINAL, '%REQ(x-original)%', 'ONCE'],
];

const routes: readonly Fields[] = [
  route('/plain', 'plain'),
  route('/raw', 'a'),
  route('/relay', 'to-relay'),
  route('/http', 'to-http'),
  route('/missing', 'to-nobody'),
  route('/retry', 'to-nobody', { retry_policy: { retry_on: 'connect-failure', num_retries: 2 } }),
  route('/reset', 'to-reset'),
  route('/retry-reset', 'to-reset', { retry_policy: { retry_on: 'reset', num_retries: 1 } }),
  route('/tls', 'to-tls'),
  route('/wrong-tls', 'to-wrong-tls'),
  route('/no-tls', 'to-no-tls'),
  route('/twice', 'to-twice'),
  route('/metadata', 'to-metadata'),
  route('/original', 'to-original'),
  route('/route-state', 'to-http', {}, routeState([['s.hash', 'envoy.hashable_string', 'of the route', 'ONCE']])),
  {
    ...route('/rerouted', 'a', {}, { name: 'by state' }),
    match: {
      prefix: '/rerouted',
      filter_state: [{ key: 's.own', string_match: { exact: 'elsewhere' } }],
    },
  },
  route('/rerouted', 'to-http', {}, { name: 'without state' }),
];

const relayTo = (name: string, to: string): Fields => tcpProxy(name, to, { access_log: log });

/** Trusts only a server of that name. */
function clientSide(name: string): Fields {
  const match_typed_subject_alt_names = [{ san_type: 'DNS', matcher: { exact: name } }];
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      sni: name,
      common_tls_context: { validation_context: { ...trusted, match_typed_subject_alt_names } },
    }),
  };
}
const speaksTls: Fields = { ...downstreamTls({ validation: null }) };

const listeners: readonly Fields[] = [
  http({ name: 'main', routes, filters: [httpState(OBJECTS, { clear_route_cache: true })], log }),
  inner('inner-plain', [relayTo('inner-plain', 'a')]),
  inner('inner-relay', [relayTo('inner-relay', 'a')], RESTORE),
  innerHttp({
    name: 'inner-http',
    log,
    hcm: { use_remote_address: true },
    routes: [route('/', 'a')],
    listener: RESTORE,
  }),
  inner('inner-reset', [relayTo('inner-reset', 'full')]),
  innerTls(),
  innerHttp({ name: 'inner-second', log, routes: [route('/', 'to-http')], filters: [] }),
  inner('inner-original', [relayTo('inner-original', 'original')], RESTORE),
];

/** HTTP over TLS on a listener without a socket. */
function innerTls(): Fields {
  const listener = innerHttp({ name: 'inner-tls', log, routes: [route('/', 'a')] });
  const chains = listener['filter_chains'] as readonly Fields[];
  return {
    ...listener,
    listener_filters: [listenerFilter('tls_inspector', 'TlsInspector')],
    filter_chains: chains.map((chain) => ({ ...chain, transport_socket: speaksTls })),
  };
}

const clusters: readonly Fields[] = [
  cluster('a'),
  cluster('full', ['full.f'], { connect_timeout: '0.2s' }),
  { name: 'original', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s' },
  toInternal('plain', 'inner-plain'),
  toInternal('to-relay', 'inner-relay', passing()),
  toInternal('to-http', 'inner-http', passing()),
  toInternal('to-nobody', 'nobody', passing()),
  toInternal('to-reset', 'inner-reset'),
  toInternal('to-tls', 'inner-tls', passing([], clientSide('test.example'))),
  toInternal('to-wrong-tls', 'inner-tls', passing([], clientSide('wrong.example'))),
  toInternal('to-no-tls', 'inner-http', passing([], clientSide('test.example'))),
  toInternal('to-twice', 'inner-second', passing()),
  toInternal('to-original', 'inner-original', passing()),
  toInternal('to-metadata', 'inner-http', passing(['host.of.host']), {
    metadata: { filter_metadata: { 'of.host': { name: 'h' } } },
    endpoint_id: 'an id',
  }),
];

const config = bootstrap({ listeners, clusters, around: INTERNAL_EXTENSION });

function get(path: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\nhost: x.example\r\n${lines.join('')}\r\n`;
}

/** Requests of one connection, one after the other. */
const requests = (...list: string[]): NonNullable<Case['send']> =>
  list.flatMap((request, i) => [request, { read: i + 1 }]);
const calm = { stats: STATS, settleMs: 30 } as const;
const internal = (name: string, ...list: string[]): Case => ({ name, send: requests(...list), ...calm });

const cases: readonly Case[] = [
  internal('a request through a relay', get('/plain')),
  internal('two requests through one connection', get('/plain'), get('/plain')),
  internal('a request through two connection managers', get('/http', { 'x-forwarded-for': '1.2.3.4' })),
  internal('through three', get('/twice', { 'x-further': 'far', 'x-once': 'near' })),
  internal('a string is not what connections differ in', get('/http', { 'x-hash': 'h', 'x-once': '1' })),
  internal('a hashable string is', get('/relay', { 'x-hash': 'a' }), get('/relay', { 'x-hash': 'b' })),
  internal('equal ones share a connection', get('/relay', { 'x-hash': 'c' }), get('/relay', { 'x-hash': 'c' })),
  internal('addresses are too', get('/relay', { 'x-local': '1.1.1.1:1' }), get('/relay', { 'x-local': '1.1.1.1:2' })),
  internal('an address without a port is not', get('/raw', { 'x-ip': '1.1.1.1' }), get('/raw', { 'x-ip': '1.1.1.2' })),
  internal('what is not shared is not', get('/relay', { 'x-own': '1' }), get('/relay', { 'x-own': '2' })),
  internal('on sockets too', get('/raw', { 'x-hash': 'a' }), get('/raw', { 'x-hash': 'b' }), get('/raw')),
  internal('a remote address', get('/http', { 'x-remote': '10.2.3.4:99' })),
  internal('to where the header says', get('/original', { 'x-local': '127.0.0.1:{{backend.a}}' })),
  internal('nobody is there', get('/missing')),
  internal('nobody is there, three times', get('/retry')),
  internal('TLS inside', get('/tls'), get('/tls')),
  internal('TLS inside for the wrong name', get('/wrong-tls')),
  {
    ...internal('TLS to whom does not speak it', get('/no-tls')),
    // What is wrong with a ClientHello as HTTP/1 depends on its random bytes.
    view: ({ clients, log: lines }) => ({ clients, log: lines.filter((line) => line.startsWith('main')) }),
  },
  internal('metadata of the host', get('/metadata')),
  internal('state of a route', get('/route-state')),
  internal('a route by state', get('/rerouted', { 'x-own': 'elsewhere' }), get('/rerouted')),
  internal('a connection that fails later', get('/reset')),
  internal('such a one is tried again', get('/retry-reset')),
  {
    name: 'a body both ways',
    send: [`POST /http HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n${'b'.repeat(200_000)}`, { read: 1 }],
    upstream: [`HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n${'r'.repeat(300_000)}`],
    ...calm,
  },
  {
    name: 'the client leaves',
    send: [get('/relay', { 'x-hash': 'leaves' }), { awaitUpstream: 1 }, 'close'],
    upstream: [[{ wait: 200 }]],
    ...calm,
  },
  {
    name: 'the upstream leaves within its answer',
    send: [get('/http'), { read: 1 }],
    upstream: [['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', 'fin']],
    ...calm,
  },
  {
    name: 'an answer that ends with its connection',
    send: [get('/relay'), { read: 1 }],
    upstream: [['HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end', 'fin']],
    ...calm,
  },
];

export const internalHttpGroups: readonly Group[] = [{ name: 'internal http', config, cases }];
