// The HTTP/1 parser against tables: what it takes, what it refuses, however the bytes are cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { H, headerKey } from '../header-names.ts';
import type { Headers } from '../headers.ts';
import { type Http1Limits, Http1Parser } from './parser.ts';

const LIMITS: Http1Limits = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  allowChunkedLength: false,
  keepSpelling: false,
  allowCustomMethods: false,
  enableTrailers: true,
};

type Seen = {
  heads: Headers[];
  body: string;
  trailers: Headers[];
  complete: number;
  failure: string | null;
  rest: string;
};

function parse(kind: 'request' | 'response', pieces: readonly string[], limits = LIMITS, method = 'GET'): Seen {
  const seen: Seen = { heads: [], body: '', trailers: [], complete: 0, failure: null, rest: '' };
  const parser = new Http1Parser(kind, limits, {
    onHead: (headers) => void seen.heads.push(headers),
    onBody: (chunk, start, end) => {
      seen.body += chunk.latin1Slice(start, end);
    },
    onTrailers: (trailers) => void seen.trailers.push(trailers),
    onComplete: () => void seen.complete++,
  });
  parser.requestMethod = method;
  for (const piece of pieces) {
    // The bytes stand in the middle of other memory, as in the shared read buffer.
    const buf = Buffer.from(`~~${piece}~~`, 'latin1');
    let pos = 2;
    const end = buf.length - 2;
    while (pos < end && parser.failure === null) pos = parser.execute(buf, pos, end);
    buf.fill(0x21);
  }
  seen.failure = parser.failure?.detail ?? null;
  return seen;
}

function everyCut(text: string): string[][] {
  const cuts = [[text], [...text]];
  for (let at = 1; at < text.length; at++) cuts.push([text.slice(0, at), text.slice(at)]);
  return cuts;
}

test('a request is the same however it is cut', () => {
  const text =
    'POST /a?b HTTP/1.1\r\nHost: x\r\nX-A:  1 \r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n' +
    '4;e=1\r\nabcd\r\n1\r\ne\r\n0\r\nT: 1\r\n\r\n';
  for (const pieces of everyCut(text)) {
    const seen = parse('request', pieces);
    assert.equal(seen.failure, null);
    assert.equal(seen.body, 'abcde');
    assert.equal(seen.complete, 1);
    const head = seen.heads[0] as Headers;
    assert.deepEqual([head.method, head.path, head.authority], ['POST', '/a?b', 'x']);
    assert.equal(head.getAll(headerKey('X-A')), '1,2');
    assert.equal(seen.trailers[0]?.get(headerKey('t')), '1');
  }
});

test('pipelined requests come one by one', () => {
  const text =
    'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi' +
    'GET /3 HTTP/1.1\r\n\r\n';
  for (const pieces of everyCut(text)) {
    const seen = parse('request', pieces);
    assert.deepEqual(
      seen.heads.map((head) => head.path),
      ['/1', '/2', '/3'],
    );
    assert.equal(seen.body, 'hi');
    assert.equal(seen.complete, 3);
  }
});

const CODEC = 'http1.codec_error';
const CHARS = 'http1.invalid_characters';
const REFUSED: readonly [string, string, string][] = [
  ['space before colon', 'GET / HTTP/1.1\r\nX : a\r\n\r\n', CODEC],
  ['no colon', 'GET / HTTP/1.1\r\nXfoo\r\n\r\n', CODEC],
  ['empty name', 'GET / HTTP/1.1\r\n: x\r\n\r\n', CODEC],
  ['NUL in a value', 'GET / HTTP/1.1\r\nX: a\0b\r\n\r\n', CHARS],
  ['DEL in a value', 'GET / HTTP/1.1\r\nX: a\x7fb\r\n\r\n', CHARS],
  ['bare CR in a value', 'GET / HTTP/1.1\r\nX: a\rb\r\n\r\n', CODEC],
  ['bad method', 'G@T / HTTP/1.1\r\n\r\n', CODEC],
  ['lower-case method', 'get / HTTP/1.1\r\n\r\n', CODEC],
  ['space in the target', 'GET /a b HTTP/1.1\r\n\r\n', CODEC],
  ['control character in the target', 'GET /a\x01b HTTP/1.1\r\n\r\n', CHARS],
  ['bad protocol', 'GET / HTTX/1.1\r\n\r\n', CODEC],
  [
    'both lengths',
    'POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'http1.content_length_and_chunked_not_allowed',
  ],
  ['two equal lengths', 'POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n', CODEC],
  ['a list of lengths', 'POST / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\n', CODEC],
  ['signed length', 'POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n', CODEC],
  ['negative length', 'POST / HTTP/1.1\r\nContent-Length: -2\r\n\r\n', CODEC],
  ['hexadecimal length', 'POST / HTTP/1.1\r\nContent-Length: 0x2\r\n\r\n', CODEC],
  ['empty length', 'POST / HTTP/1.1\r\nContent-Length:\r\n\r\n', CODEC],
  ['huge length', 'POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n', CODEC],
  ['gzip', 'POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n', 'http1.invalid_transfer_encoding'],
  ['gzip, chunked', 'POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'http1.invalid_transfer_encoding'],
  [
    'chunked twice',
    'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
    'http1.invalid_transfer_encoding',
  ],
];
const CHUNK_HEAD = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n';
const BAD_CHUNKS = [
  '1\na\n0\n\n',
  'zz\r\n',
  '0x1\r\n',
  '1;a\nb\r\n',
  '1\r\nab\r\n',
  'ffffffffffffffffff\r\n',
  '1\r\na\r\n0\r\nX y\r\n\r\n',
  '\r\n',
  '-1\r\n',
  '1;\x00\r\n',
];

test('broken framing is refused however it is cut', () => {
  for (const [name, text, detail] of REFUSED) {
    for (const pieces of everyCut(text)) assert.equal(parse('request', pieces).failure, detail, name);
  }
  for (const chunk of BAD_CHUNKS) {
    for (const pieces of everyCut(CHUNK_HEAD + chunk)) {
      assert.notEqual(parse('request', pieces).failure, null, JSON.stringify([chunk, pieces]));
    }
  }
});

test('what Envoy takes is taken', () => {
  assert.equal(parse('request', ['GET / HTTP/1.1\nHost: a\n\n']).heads.length, 1);
  assert.equal(parse('request', ['\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n']).heads.length, 1);
  const folded = parse('request', ['GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n']).heads[0];
  assert.equal(folded?.get(headerKey('x')), 'a b');
  const merged = parse('request', ['GET / HTTP/1.1\r\nAccept: a\r\nAccept: b\r\nCookie: a\r\nCookie: b\r\n\r\n'])
    .heads[0];
  assert.equal(merged?.get(H.accept), 'a,b');
  assert.equal(merged?.count, 3);
  assert.equal(parse('request', ['GET / HTTP/1.1\r\nX: a\xffb\r\n\r\n']).heads[0]?.get(headerKey('x')), 'a\xffb');
});

test('limits of heads and trailers', () => {
  const many = `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(101)}\r\n`;
  assert.equal(parse('request', [many]).failure, 'http1.too_many_headers');
  const big = `GET / HTTP/1.1\r\nx: ${'a'.repeat(62_000)}\r\n\r\n`;
  assert.equal(parse('request', [big]).failure, 'http1.headers_too_large');
  assert.equal(parse('request', [big.slice(0, 30_000), big.slice(30_000)]).failure, 'http1.headers_too_large');
  const endless = parse('request', ['GET / HTTP/1.1\r\nx: ', ...new Array(70).fill('a'.repeat(1000))]);
  assert.equal(endless.failure, 'http1.headers_too_large');
  const trailers = parse('request', [`${CHUNK_HEAD}0\r\n`, ...new Array(70).fill(`x: ${'a'.repeat(1000)}\r\n`)]);
  assert.equal(trailers.failure, 'http1.headers_too_large');
});

test('responses end as RFC 9112 section 6.3 says', () => {
  const ends = (text: string, method = 'GET'): [number, string] => {
    const seen = parse('response', [text], LIMITS, method);
    return [seen.complete, seen.body];
  };
  assert.deepEqual(ends('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'), [1, 'hi']);
  assert.deepEqual(ends('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', 'HEAD'), [1, '']);
  assert.deepEqual(ends('HTTP/1.1 204 No Content\r\n\r\n'), [1, '']);
  assert.deepEqual(ends('HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n'), [1, '']);
  assert.deepEqual(ends('HTTP/1.1 200 OK\r\n\r\nuntil the end'), [0, 'until the end']);
  assert.deepEqual(ends('HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'), [1, '']);
  assert.deepEqual(
    ends('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'),
    [2, 'a'],
  );
  for (const bad of [
    'HTTP/2.0 200 OK\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'nonsense\r\n\r\n',
  ]) {
    assert.equal(parse('response', [bad]).failure, CODEC, bad);
  }
});

test('an upgrade turns what follows into raw bytes', () => {
  const text = 'GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\n\r\n';
  const seen = parse('request', [text]);
  assert.equal(seen.heads.length, 1);
  assert.equal(seen.body, 'GET / HTTP/1.1\r\n\r\n');
  const h2c = parse('request', [
    'GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
  ]);
  assert.equal(h2c.complete, 1);
  assert.equal(h2c.heads[0]?.has(H.upgrade), false);
});

test('heads that resemble the one before are read alike', () => {
  const variants = [
    'GET /a HTTP/1.1\r\nHost: x\r\nAccept: a\r\nX-One: 1\r\n\r\n',
    'GET /a HTTP/1.1\r\nHost: x\r\nAccept: a\r\nX-One: 1\r\n\r\n',
    'GET /a HTTP/1.1\r\nHost: x\r\nAccept: a\r\nX-One: 2\r\n\r\n',
    'GET /b HTTP/1.1\r\nHost: x\r\nAccept: a\r\nX-One: 2\r\n\r\n',
    'GET /b HTTP/1.1\r\nHost: x\r\nAccept: a\r\nX-One: 2\r\n folded\r\n\r\n',
    'GET /b HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\nX-One: 2\r\n\r\n',
    'GET /b HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\n\r\n',
    'GET /b HTTP/1.1\r\nAccept: a\r\nHost: x\r\n\r\n',
    'GET /b HTTP/1.1\nAccept: a\nHost: x\n\n',
    'POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz',
    'POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  ];
  const alone = variants.map((text) => parse('request', [text]).heads[0] as Headers);
  let seed = 7;
  for (let round = 0; round < 300; round++) {
    const order: number[] = [];
    for (let i = 0; i < 8; i++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      // Repeats are as frequent as changes.
      const pick = (seed >>> 16) % (variants.length * 2);
      order.push(pick < variants.length ? pick : (order.at(-1) ?? 0));
    }
    const text = order.map((i) => variants[i]).join('');
    const cut = (seed >>> 8) % text.length;
    for (const pieces of [[text], [text.slice(0, cut), text.slice(cut)]]) {
      const seen = parse('request', pieces);
      assert.equal(seen.failure, null);
      assert.deepEqual(
        seen.heads,
        order.map((i) => alone[i]),
      );
    }
  }
});
