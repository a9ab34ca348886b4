// Differential cases: exchanges between every two versions of HTTP, over plain connections and TLS.
import type { Case, Group, Http2Field } from '../case.ts';
import { bootstrap, cluster, type Fields, route } from '../config.ts';
import {
  anyVersion,
  answers,
  asks,
  http1Cluster,
  http2Cluster,
  protocolOptions,
  type Request,
  type Response,
  type Version,
} from './http2-exchange.ts';

type Exchange = {
  readonly name: string;
  readonly request?: Request;
  readonly response?: Response;
  readonly around?: Partial<Case>;
  /** Absent: all three. */
  readonly ways?: readonly Way[];
};

type Way = 'h1 to h2' | 'h2 to h1' | 'h2 to h2';
const WAYS: readonly Way[] = ['h1 to h2', 'h2 to h1', 'h2 to h2'];

const OK: Response = { body: ['ok'], isMeasured: true };
const TRAILERS: readonly Http2Field[] = [
  ['x-end', 'over'],
  ['x-sum', '1'],
  ['x-sum', '2'],
];
const MEBIBYTE = 1 << 20;

const bodies: readonly Exchange[] = [
  { name: 'GET, small answer', response: OK },
  { name: 'GET, no body in the answer', response: {} },
  { name: 'GET, empty DATA ends the answer', response: { endsEmpty: true }, ways: ['h1 to h2', 'h2 to h2'] },
  { name: 'POST with a length', request: { method: 'POST', body: ['hello'], isMeasured: true } },
  { name: 'POST without a length', request: { method: 'POST', body: ['hello'] } },
  { name: 'POST in pieces', request: { method: 'POST', body: ['a', 'bc', 'def', 100] } },
  { name: 'POST with length 0', request: { method: 'POST', body: [], isMeasured: true, endsEmpty: true } },
  { name: 'POST ended by empty DATA', request: { method: 'POST', body: ['x'], endsEmpty: true } },
  { name: 'POST without any body', request: { method: 'POST' } },
  { name: 'GET with a body', request: { body: ['hello'], isMeasured: true } },
  { name: 'POST of 1 MiB', request: { method: 'POST', body: [MEBIBYTE], isMeasured: true } },
  { name: 'POST of 1 MiB in pieces', request: { method: 'POST', body: Array.from({ length: 16 }, () => 65_536) } },
  { name: 'answer in pieces', response: { body: ['a', 'bc', 'def', 100] } },
  { name: 'answer of 1 MiB', response: { body: [MEBIBYTE], isMeasured: true } },
  { name: 'answer of 1 MiB in pieces', response: { body: Array.from({ length: 16 }, () => 65_536) } },
  {
    name: 'long both ways',
    request: { method: 'PUT', body: [200_000] },
    response: { body: [300_000], endsEmpty: true },
  },
];

const trailers: readonly Exchange[] = [
  { name: 'trailers of a request', request: { method: 'POST', body: ['x'], trailers: TRAILERS }, response: OK },
  { name: 'trailers of a request without body', request: { method: 'POST', trailers: TRAILERS }, response: OK },
  { name: 'trailers of an answer', response: { body: ['x'], trailers: TRAILERS } },
  { name: 'trailers of an answer without body', response: { trailers: TRAILERS } },
  {
    name: 'trailers both ways',
    request: { method: 'POST', body: ['x', 'y'], trailers: TRAILERS },
    response: { headers: [['trailer', 'x-end']], body: ['x', 'y'], trailers: TRAILERS },
  },
  {
    name: 'te: trailers',
    request: { headers: [['te', 'trailers']] },
    response: { body: ['x'], trailers: TRAILERS },
  },
];

const heads: readonly Exchange[] = [
  {
    name: 'HEAD',
    request: { method: 'HEAD' },
    response: { headers: [['content-length', '5']] },
    ways: ['h1 to h2', 'h2 to h2'],
  },
  { name: 'HEAD, answer with a body', request: { method: 'HEAD' }, response: OK, ways: ['h2 to h1', 'h2 to h2'] },
  { name: '204', response: { status: 204 } },
  {
    name: '204 with a body',
    response: { status: 204, body: ['no'], isMeasured: true },
    ways: ['h1 to h2', 'h2 to h2'],
  },
  {
    name: '204 with DATA',
    response: { status: 204, body: ['no'] },
    around: { probeMs: 150 },
    ways: ['h1 to h2', 'h2 to h2'],
  },
  { name: '204 with length 0', response: { status: 204, headers: [['content-length', '0']] } },
  { name: '204 ended by empty DATA', response: { status: 204, endsEmpty: true }, ways: ['h1 to h2', 'h2 to h2'] },
  {
    name: '304 with DATA',
    response: { status: 304, body: ['no'] },
    around: { probeMs: 150 },
    ways: ['h1 to h2', 'h2 to h2'],
  },
  { name: '304', response: { status: 304, headers: [['etag', '"a"']] } },
  { name: '304 with a length', response: { status: 304, headers: [['content-length', '5']] } },
  { name: '205', response: { status: 205 } },
  { name: '404', response: { status: 404, body: ['no'] } },
  { name: '500 with trailers', response: { status: 500, body: ['no'], trailers: TRAILERS } },
  { name: 'status 299', response: { status: 299, body: ['x'] } },
  { name: 'status 600', response: { status: 600, body: ['x'] } },
  {
    name: '103',
    response: { ...OK, interims: [{ status: 103, headers: [['link', '</a.css>']] }] },
  },
  {
    name: '100 and 103 twice',
    response: {
      ...OK,
      interims: [{ status: 100 }, { status: 103, headers: [['link', '1']] }, { status: 103, headers: [['link', '2']] }],
    },
  },
  { name: '102', response: { ...OK, interims: [{ status: 102 }] } },
  {
    name: 'expect: 100-continue',
    request: { method: 'POST', headers: [['expect', '100-continue']], body: ['hello'], isMeasured: true },
  },
  {
    name: 'expect: something else',
    request: { method: 'POST', headers: [['expect', 'tea']], body: ['hello'], isMeasured: true },
  },
  {
    name: 'repeated and empty fields',
    request: {
      headers: [
        ['x-a', '1'],
        ['x-a', '2'],
        ['x-empty', ''],
        ['x-b', 'a,b'],
        ['x-latin', 'caf\xe9'],
      ],
    },
    response: {
      ...OK,
      headers: [
        ['x-a', '1'],
        ['x-a', '2'],
        ['x-empty', ''],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ],
    },
  },
  { name: 'one cookie', request: { headers: [['cookie', 'a=1; b=2']] } },
  {
    name: 'cookies in crumbs',
    request: {
      headers: [
        ['cookie', 'a=1'],
        ['x-between', '1'],
        ['cookie', 'b=2'],
        ['cookie', 'c=3; d=4'],
      ],
    },
  },
  {
    name: 'forwarding fields',
    request: {
      headers: [
        ['x-forwarded-for', '1.2.3.4'],
        ['x-forwarded-proto', 'https'],
        ['via', '2 edge'],
      ],
    },
  },
  {
    name: 'alt-svc and server',
    response: {
      ...OK,
      headers: [
        ['alt-svc', 'h3=":443"'],
        ['server', 'mine'],
        ['date', 'x'],
      ],
    },
  },
  {
    name: 'gRPC, trailers only',
    request: {
      method: 'POST',
      headers: [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
      ],
      body: ['\0\0\0\0\0'],
    },
    response: {
      headers: [
        ['content-type', 'application/grpc'],
        ['grpc-status', '5'],
        ['grpc-message', 'gone'],
      ],
    },
  },
  {
    name: 'gRPC',
    request: {
      method: 'POST',
      headers: [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
      ],
      body: ['\0\0\0\0\0'],
    },
    response: {
      headers: [['content-type', 'application/grpc']],
      body: ['\0\0\0\0\x01a'],
      trailers: [
        ['grpc-status', '0'],
        ['grpc-message', ''],
      ],
    },
  },
];

const connectionFields: readonly Exchange[] = [
  {
    name: 'connection fields of an HTTP/1 request',
    request: {
      headers: [
        ['connection', 'keep-alive, x-drop'],
        ['keep-alive', 'timeout=5'],
        ['x-drop', '1'],
        ['proxy-connection', 'keep-alive'],
        ['te', 'gzip, trailers'],
        ['upgrade-insecure-requests', '1'],
      ],
    },
    ways: ['h1 to h2'],
  },
  {
    name: 'connection fields of an HTTP/1 answer',
    response: {
      ...OK,
      headers: [
        ['connection', 'keep-alive'],
        ['keep-alive', 'timeout=5'],
        ['proxy-connection', 'keep-alive'],
      ],
    },
    ways: ['h2 to h1'],
  },
  {
    name: 'connection: close of an HTTP/1 answer',
    response: { ...OK, headers: [['connection', 'close']] },
    ways: ['h2 to h1'],
  },
  {
    name: 'connection: close of an HTTP/1 request',
    request: { headers: [['connection', 'close']] },
    ways: ['h1 to h2'],
  },
  { name: 'upper case fields', request: { headers: [['X-Mixed-Case', 'Yes']] }, ways: ['h1 to h2'] },
  {
    name: 'upper case fields in the answer',
    response: { ...OK, headers: [['X-Mixed-Case', 'Yes']] },
    ways: ['h2 to h1'],
  },
  {
    name: 'host beside the authority',
    request: { headers: [['host', 'other.example']] },
    ways: ['h2 to h1', 'h2 to h2'],
  },
];

function versions(way: Way): readonly [Version, Version] {
  return [way.slice(0, 2) as Version, way.slice(-2) as Version];
}

function exchangeCases(exchanges: readonly Exchange[], to = 'main'): Case[] {
  return exchanges.flatMap((exchange) =>
    (exchange.ways ?? WAYS).map((way): Case => {
      const [from, upstream] = versions(way);
      const { response = OK, around } = exchange;
      const request = { ...exchange.request, path: `/${upstream}` };
      return { name: `${exchange.name}, ${way}`, to, ...asks(from, request), upstream: answers(response), ...around };
    }),
  );
}

const routes: readonly Fields[] = [route('/h1', 'h1'), route('/h2', 'h2'), route('/down', 'down')];
const down = cluster(
  'down',
  ['a'],
  protocolOptions({ use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} } }),
);

const downstreamProtocolCases: readonly Case[] = (['h1', 'h2'] as const).flatMap((from): Case[] => [
  { name: `use_downstream_protocol, ${from}`, ...asks(from, { path: '/down' }), upstream: answers(OK) },
  {
    name: `use_downstream_protocol, ${from}, POST with trailers`,
    ...asks(from, { method: 'POST', path: '/down', body: ['x'], trailers: TRAILERS }),
    upstream: answers({ body: ['y'], trailers: TRAILERS }),
  },
]);

const noTrailers: readonly Case[] = [
  {
    name: 'trailers of an answer to HTTP/1 without enable_trailers',
    to: 'no-trailers',
    ...asks('h1', { path: '/h2' }),
    upstream: answers({ body: ['x'], trailers: TRAILERS }),
  },
  {
    name: 'trailers of an HTTP/1 request without enable_trailers',
    to: 'no-trailers',
    ...asks('h1', { method: 'POST', path: '/h2', body: ['x'], trailers: TRAILERS }),
    upstream: answers(OK),
  },
  {
    name: 'trailers to an HTTP/1 upstream without enable_trailers',
    to: 'no-trailers',
    ...asks('h2', { method: 'POST', path: '/plain', body: ['x'], trailers: TRAILERS }),
    upstream: answers({ body: ['x'], trailers: TRAILERS }),
  },
];

export const http2MatrixGroups: readonly Group[] = [
  {
    name: 'http2 exchange',
    config: bootstrap({
      listeners: [
        anyVersion({ name: 'main', routes }),
        anyVersion({
          name: 'no-trailers',
          routes: [route('/h2', 'h2'), route('/plain', 'plain')],
          hcm: { http_protocol_options: {} },
        }),
      ],
      clusters: [http1Cluster('h1'), http2Cluster('h2'), down, cluster('plain', ['a'])],
    }),
    cases: [
      ...exchangeCases(bodies),
      ...exchangeCases(trailers),
      ...exchangeCases(heads),
      ...exchangeCases(connectionFields),
      ...downstreamProtocolCases,
      ...noTrailers,
    ],
  },
];
