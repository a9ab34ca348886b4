// Differential cases: tracing without a tracer, as a mesh configures it: what is sampled, and who names the operation.
import type { Case, Group } from '../case.ts';
import { bootstrap, cluster, direct, type Fields, http, route, STANDARD_LOG, textLog } from '../config.ts';
import { get, response } from '../messages.ts';

const ALWAYS: Fields = { client_sampling: { value: 100 }, random_sampling: { value: 100 } };
const NEVER: Fields = { client_sampling: { value: 100 }, random_sampling: { value: 0 } };
const UUID = 'type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig';
const zero = { numerator: 0 };
/** Only requests of trusted clients may force a trace. */
const EVERYWHERE = { cidr_ranges: [{ address_prefix: '0.0.0.0', prefix_len: 0 }] };

/** Connection managers by listener. */
const MANAGERS: Readonly<Record<string, readonly [direction: string, tracing: Fields, id?: Fields]>> = {
  out: ['OUTBOUND', ALWAYS, { use_request_id_for_trace_sampling: true }],
  in: ['INBOUND', ALWAYS, { use_request_id_for_trace_sampling: true }],
  undirected: ['UNSPECIFIED', ALWAYS],
  never: ['OUTBOUND', NEVER],
  'client-half': ['INBOUND', { client_sampling: { value: 0 }, random_sampling: { value: 0.5 } }],
  overall: ['OUTBOUND', { ...ALWAYS, overall_sampling: { value: 50 } }],
  unpacked: ['OUTBOUND', ALWAYS, { pack_trace_reason: false }],
  'without-id': ['OUTBOUND', NEVER, { use_request_id_for_trace_sampling: false }],
  defaults: ['OUTBOUND', {}],
  off: ['OUTBOUND', {}],
  tags: ['INBOUND', { ...ALWAYS, verbose: true, custom_tags: [{ tag: 'a', literal: { value: 'b' } }] }],
};

const ROUTES: readonly Fields[] = [
  route('/quiet', 'a', {}, { decorator: { operation: 'quiet', propagate: false } }),
  route('/plain', 'a'),
  route('/never', 'a', {}, { tracing: { random_sampling: zero }, decorator: { operation: 'never' } }),
  route('/cut', 'a', {}, { tracing: { overall_sampling: zero } }),
  route('/unasked', 'a', {}, { tracing: { client_sampling: zero, random_sampling: zero } }),
  direct({ prefix: '/direct' }, 200, 'hi', { decorator: { operation: 'direct.svc:80/*' } }),
  { match: { prefix: '/redirect' }, redirect: { path_redirect: '/' }, decorator: { operation: 'redirect' } },
  route('/gone', 'no-such-cluster', {}, { decorator: { operation: 'gone' } }),
  route('/', 'a', {}, { decorator: { operation: 'svc.ns.svc.cluster.local:80/*' } }),
];

const config = bootstrap({
  listeners: Object.entries(MANAGERS).map(([name, [direction, tracing, id]]) =>
    http({
      name,
      virtualHosts: [{ name: 'some', domains: ['*.example'], routes: ROUTES }],
      routeConfig: { validate_clusters: false },
      listener: { traffic_direction: direction },
      log: [
        textLog(`trace=%TRACE_ID% span=%SPAN_ID% ${STANDARD_LOG}`),
        { ...textLog('traceable %REQ(:PATH)%\n'), filter: { traceable_filter: {} } },
      ],
      hcm: {
        ...(name === 'off' ? {} : { tracing }),
        ...(id === undefined ? {} : { request_id_extension: { typed_config: { '@type': UUID, ...id } } }),
        ...(name === 'in' ? { use_remote_address: true, internal_address_config: EVERYWHERE } : {}),
      },
    }),
  ),
  clusters: [cluster('a')],
});

const id = (digit: string, head = '01234567'): string => `x-request-id: ${head}-89ab-${digit}def-8123-456789abcdef`;
const NAME = 'x-envoy-decorator-operation';

/** Request lines by what they are about: path, header lines. */
const REQUESTS: Readonly<Record<string, readonly [path: string, ...headers: string[]]>> = {
  'a request': ['/'],
  'a route without decorator': ['/plain'],
  'a decorator that does not propagate': ['/quiet'],
  'a direct response': ['/direct'],
  'a redirect': ['/redirect'],
  'no such cluster': ['/gone'],
  'a route that samples nothing': ['/never'],
  'a route that cuts all': ['/cut'],
  'a route that cuts all, traced before': ['/cut', id('9')],
  'a client that asks': ['/unasked', 'x-client-trace-id: 1'],
  'a client that asks elsewhere': ['/', 'x-client-trace-id: 1'],
  'a client with an empty trace id': ['/', 'x-client-trace-id:'],
  'a forced trace': ['/never', 'x-envoy-force-trace: true'],
  'an id, not traced': ['/', id('4')],
  'an id, traced before': ['/never', id('9')],
  'an id, forced before': ['/never', id('a')],
  'an id, asked before': ['/never', id('b')],
  'an id with an odd digit': ['/', id('c')],
  'an id in upper case': ['/', 'x-request-id: 01234567-89AB-ADEF-8123-456789ABCDEF'],
  'an id that is too short': ['/', 'x-request-id: 01234567-89ab-4def-8123-456789abcde'],
  'an id of eight digits': ['/', 'x-request-id: 01234567'],
  'an id of seven digits': ['/', 'x-request-id: 0123456'],
  'an id that is none': ['/', 'x-request-id: zz234567-89ab-4def-8123-456789abcdef'],
  'an empty id': ['/', 'x-request-id:'],
  'an id below the half': ['/', id('4', '00000031')],
  'an id above the half': ['/', id('4', '00000032')],
  'an operation from the client': ['/', `${NAME}: mine`],
  'an operation from the client, no decorator': ['/plain', `${NAME}: mine`],
  'an empty operation from the client': ['/', `${NAME}:`],
  'no virtual host': ['/', 'host: other'],
  'a refused upgrade': ['/', 'connection: upgrade', 'upgrade: websocket'],
};

function casesOf(listener: string): Case[] {
  const requests = Object.entries(REQUESTS).filter(([what]) => listener !== 'overall' || what.startsWith('an id'));
  return requests.map(([what, [path, ...headers]]) => ({
    name: `${what} (${listener})`,
    to: listener,
    send: get(path, ...headers),
    upstream: [response(200, 'ok')],
    stats: ['\\.tracing\\.'],
  }));
}

const ends: readonly Case[] = ['out', 'in'].flatMap((to) => [
  { name: `no host (${to})`, to, send: 'GET / HTTP/1.1\r\n\r\n', stats: ['\\.tracing\\.'] },
  { name: `no HTTP (${to})`, to, send: 'GARBAGE\r\n\r\n', stats: ['\\.tracing\\.'] },
  {
    name: `a client that leaves (${to})`,
    to,
    send: [get('/'), { wait: 100 }, 'close'],
    upstream: [[{ wait: 300 }, response(200, 'late')]],
    stats: ['\\.tracing\\.'],
    settleMs: 50,
  },
]);

const answers: readonly Case[] = ['out', 'in', 'undirected'].flatMap((to) =>
  ['theirs', ''].map((operation) => ({
    name: `an operation from the upstream: ${operation || 'empty'} (${to})`,
    to,
    send: get('/plain'),
    upstream: [response(200, 'ok', `${NAME}: ${operation}`)],
  })),
);

export const tracingGroups: readonly Group[] = [
  { name: 'tracing', config, cases: [...Object.keys(MANAGERS).flatMap(casesOf), ...answers, ...ends] },
];
