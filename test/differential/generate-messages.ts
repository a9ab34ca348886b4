// Random requests and answers for generated configurations, said in HTTP/1 or HTTP/2.
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Http2Action, Http2Field, Http2Reply, Http2Step, Reply } from './case.ts';
import { HEADER_NAMES, HEADER_VALUES, HOSTS, PATHS, QUERIES } from './generate.ts';
import { ENVOY_HEADERS } from './generate-routes.ts';
import { chunk, lastChunk } from './messages.ts';
import type { Random } from './random.ts';

type HeaderLine = readonly [name: string, value: string];

/** What a message says, whatever the protocol. */
export type Message = {
  /** `METHOD path` or a status. */
  readonly start: string;
  readonly headers: readonly HeaderLine[];
  /** Pieces of the body; null for none. */
  readonly body: readonly string[] | null;
  readonly trailers: readonly HeaderLine[];
  readonly framing: 'length' | 'chunked' | 'close';
};

export type Answer = Message | 'fin' | 'rst';

const ODD_PATHS = [
  ...[
    '/a/./b',
    '/a/%2e%2e/b',
    '/a%2fb',
    '/a%5Cb',
    '/a\\b',
    '//a',
    '/a///b',
    '/%41',
    '/a%00b',
    '/a?x=%2F',
    '/?',
    '/a#f',
  ],
  ...[
    '/%',
    '/%zz',
    '/a/..',
    '/../../a',
    '/a;k=v/b',
    '/a%20b',
    '/a+b?c+d',
    '/a?k=v?w',
    '/api/v1/users/42/',
    '/a%2F%2Fb',
  ],
  ...['/a/b?k=v&k=w', '/A', '/a.b-c_d~e', '/a?%41=%42', '/a/b/../c?d=../e', '/*', '/a|b', '/a?x="y"', '/a/%C3%A9'],
];
const ODD_HEADERS: readonly HeaderLine[] = [
  ...(
    ['gzip', 'gzip;q=0.5, br', 'identity', '*', 'br;q=1, gzip;q=0', 'zstd', 'deflate', 'gzip, zstd;q=0.9', ''] as const
  ).map((value): HeaderLine => ['accept-encoding', value]),
  ['cookie', 'a=b; c=d'],
  ['cookie', 'a=x'],
  ['cookie', 'sid=bm90aGluZw=='],
  ['x-session', 'bm90aGluZw=='],
  ['x-session', '!'],
  ['te', 'trailers'],
  ['te', 'gzip'],
  ['x_under', 'score'],
  ['x-forwarded-for', '10.0.0.1, 203.0.113.9'],
  ['x-forwarded-for', 'junk'],
  ['x-forwarded-for', '1.2.3.4,10.1.1.1'],
  ['x-forwarded-proto', 'https'],
  ['x-forwarded-proto', 'odd'],
  ['x-forwarded-host', 'given.example'],
  ['x-forwarded-port', '99'],
  ['via', '1.1 other'],
  ['x-request-id', 'given'],
  ['x-request-id', '11111111-2222-4333-8444-555555555555'],
  ['x-client-trace-id', 'c'],
  ['content-type', 'application/grpc'],
  ['content-type', 'application/grpc-web'],
  ['content-type', 'application/grpc-web-text'],
  ['content-type', 'application/json'],
  ['content-type', 'text/plain'],
  ['content-encoding', 'gzip'],
  ['cache-control', 'no-transform'],
  ['origin', 'https://good.example'],
  ['origin', 'https://one.example'],
  ['origin', 'null'],
  ['referer', 'https://one.example/x'],
  ['access-control-request-method', 'GET'],
  ['x-envoy-fault-abort-request', '429'],
  ['x-envoy-fault-abort-grpc-request', '5'],
  ['expect', 'something'],
  ['x-empty', ''],
  ['x-long', 'l'.repeat(3000)],
  ['x-latin', 'caf\xe9'],
  ['if-none-match', '"tag"'],
  ['range', 'bytes=0-3'],
  ['upgrade-insecure-requests', '1'],
  ['x-cluster', 'a'],
  ['x-cluster', 'gone'],
];
const METHODS = ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND'];
const SIZES = [1, 4, 11, 100, 1000, 5000, 17_000, 40_000, 66_000, 100_000];
/** A frame of gRPC. */
const GRPC = '\x00\x00\x00\x00\x05hello';

function text(size: number): string {
  return 'The quick brown fox. '.repeat(Math.ceil(size / 21)).slice(0, size);
}

const pack = (kind: string, body: string): string => {
  const bytes = Buffer.from(body, 'latin1');
  const packed =
    kind === 'gzip' ? gzipSync(bytes) : kind === 'br' ? brotliCompressSync(bytes) : zstdCompressSync(bytes);
  return packed.toString('latin1');
};

/** Cut in up to three. */
function pieces(random: Random, body: string): string[] {
  const cuts = random.many(0, 2, () => random.below(body.length)).toSorted((a, b) => a - b);
  return [...cuts, body.length]
    .map((end, i) => body.slice(i === 0 ? 0 : cuts[i - 1], end))
    .filter((piece) => piece !== '');
}

function bodyOf(random: Random, headers: HeaderLine[], largest: number): string[] {
  const kind = random.next();
  const isGrpc = headers.some(([name, value]) => name === 'content-type' && value.startsWith('application/grpc'));
  if (isGrpc && kind < 0.8) return pieces(random, GRPC.repeat(1 + random.below(3)));
  const plain = text(random.pick(SIZES.filter((size) => size <= largest)));
  if (kind < 0.15) {
    const coding = random.pick(['gzip', 'br', 'zstd']);
    headers.push(['content-encoding', coding]);
    return pieces(random, pack(coding, plain));
  }
  return pieces(random, plain);
}

export function randomRequest(random: Random): Message {
  const method = random.pick(METHODS);
  const path = random.chance(0.25) ? random.pick(ODD_PATHS) : random.pick(PATHS) + random.pick(QUERIES);
  const headers: HeaderLine[] = [
    ['host', random.pick(HOSTS)],
    // Chooses among weighted clusters; without it chance does.
    ['x-weight', String(random.below(100))],
    ...random.many(0, 3, (): HeaderLine => [random.pick(HEADER_NAMES), random.pick(HEADER_VALUES)]),
    ...random.many(0, 2, () => random.pick(ODD_HEADERS)),
    ...(random.chance(0.2) ? [headerLine(random.pick(ENVOY_HEADERS))] : []),
  ];
  const takesBody = method === 'POST' || method === 'PUT' || method === 'PATCH' || random.chance(0.04);
  const body = takesBody && random.chance(0.9) ? bodyOf(random, headers, 100_000) : null;
  const framing = body !== null && random.chance(0.5) ? 'chunked' : 'length';
  const trailers: HeaderLine[] = framing === 'chunked' && random.chance(0.35) ? [['x-trail', 't']] : [];
  return { start: `${method} ${path}`, headers, body, trailers, framing };
}

function headerLine(line: string): HeaderLine {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

const ANSWER_HEADERS: readonly HeaderLine[] = [
  ['content-type', 'text/plain'],
  ['content-type', 'application/json'],
  ['content-type', 'application/grpc'],
  ['etag', '"tag"'],
  ['etag', 'W/"tag"'],
  ['vary', 'accept'],
  ['vary', 'Accept-Encoding'],
  ['cache-control', 'no-transform'],
  ['server', 'other'],
  ['via', '1.1 up'],
  ['date', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ['set-cookie', 'a=b'],
  ['set-cookie', 'c=d; path=/'],
  ['grpc-status', '0'],
  ['grpc-status', '14'],
  ['grpc-message', 'up%20says'],
  ['x-envoy-upstream-service-time', '7'],
  ['x-envoy-ratelimited', 'true'],
  ['x-envoy-overloaded', 'true'],
  ['x-envoy-decorator-operation', 'op'],
  ['x-envoy-upstream-canary', 'true'],
  ['access-control-allow-origin', 'up'],
  ['location', 'http://two.example/a'],
  ['retry-after', '1'],
  ['x-empty', ''],
  ['x-one', 'up'],
  ['x_under', 'up'],
  ['proxy-status', 'up; error=x'],
  ['accept-ranges', 'bytes'],
];
const STATUSES = [
  ...[200, 200, 200, 200, 201, 204, 206, 304, 301, 302, 307, 400, 403, 404, 409, 418, 429],
  ...[500, 502, 503, 504, 599],
];

export function randomAnswer(random: Random): Answer {
  if (random.chance(0.08)) return random.pick(['fin', 'rst']);
  const status = random.pick(STATUSES);
  const headers: HeaderLine[] = [
    ['x-up', String(random.below(6))],
    ...random.many(0, 3, () => random.pick(ANSWER_HEADERS)),
    ...(status === 301 || status === 302 || status === 307
      ? [['location', random.pick(['http://one.example/a', '/deep/er', 'https://two.example/', '/a?k=v', ''])] as const]
      : []),
  ];
  if (status === 204 || status === 304)
    return { start: String(status), headers, body: null, trailers: [], framing: 'length' };
  const body = random.chance(0.9) ? bodyOf(random, headers, 100_000) : [];
  const framing = random.pick(['length', 'length', 'chunked', 'chunked', 'close'] as const);
  const trailers: HeaderLine[] =
    framing === 'chunked' && random.chance(0.3)
      ? [
          random.pick<HeaderLine>([
            ['x-trail', 'a'],
            ['grpc-status', '0'],
            ['grpc-status', '13'],
          ]),
        ]
      : [];
  return { start: String(status), headers, body, trailers, framing };
}

const lines = (headers: readonly HeaderLine[]): string =>
  headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');

function http1(startLine: string, { headers, body, trailers, framing }: Message): string {
  if (body === null) return `${startLine}\r\n${lines(headers)}\r\n`;
  const whole = body.join('');
  if (framing === 'length') return `${startLine}\r\n${lines(headers)}content-length: ${whole.length}\r\n\r\n${whole}`;
  if (framing === 'close') return `${startLine}\r\n${lines(headers)}connection: close\r\n\r\n${whole}`;
  const chunks = body.map(chunk).join('') + lastChunk(trailers.map(([name, value]) => `${name}: ${value}`));
  return `${startLine}\r\n${lines(headers)}transfer-encoding: chunked\r\n\r\n${chunks}`;
}

export function http1Request(message: Message): string {
  return http1(`${message.start} HTTP/1.1`, message);
}

function http2(head: readonly Http2Field[], message: Message, hasBody: boolean): Http2Action[] {
  const { headers, body, trailers, framing } = message;
  const pieces = hasBody ? (body ?? []).filter((piece) => piece !== '') : [];
  const length = body?.join('').length ?? 0;
  const fields: Http2Field[] = headers.filter(([name]) => name !== 'host').map(([name, value]) => [name, value]);
  if (body !== null && framing === 'length') fields.push(['content-length', String(length)]);
  const hasTrailers = hasBody && trailers.length > 0;
  const isBare = pieces.length === 0 && !hasTrailers;
  return [
    { head: [...head, ...fields], end: isBare },
    ...pieces.map((data, i): Http2Action => ({ data, end: !hasTrailers && i === pieces.length - 1 })),
    ...(hasTrailers ? [{ trailers: trailers.map(([name, value]): Http2Field => [name, value]) }] : []),
  ];
}

export function http2Request(message: Message): Http2Step[] {
  const [method = '', path = ''] = message.start.split(' ');
  const host = message.headers.find(([name]) => name === 'host')?.[1] ?? '';
  const head: Http2Field[] = [
    [':method', method],
    [':scheme', 'http'],
    [':path', path],
    [':authority', host],
  ];
  return [...(http2(head, message, true) as Http2Step[]), { until: 'end' }];
}

export function http1Reply(answer: Answer): Reply {
  if (typeof answer === 'string') return [answer];
  const text = http1(`HTTP/1.1 ${answer.start} Whatever`, answer);
  return answer.body !== null && answer.framing === 'close' ? [text, 'fin'] : text;
}

/** An answer to HEAD has no body, which would break its stream. */
export function http2Reply(answer: Answer, isHead: boolean): Http2Reply {
  if (typeof answer === 'string') return [answer === 'rst' ? 'reset-connection' : 'fin'];
  return http2([[':status', answer.start]], answer, !isHead);
}
