// Endless heads, chunk lines and trailers: refused at their limit, however they arrive, with bounded memory and time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Http1Limits, Http1Parser } from './parser.ts';

const LIMITS: Http1Limits = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  allowChunkedLength: false,
  keepSpelling: false,
  allowCustomMethods: false,
  enableTrailers: true,
};

type Fed = { failure: string | null; taken: number; bodyBytes: number; heads: number };

/** Feeds `start` and then `unit` again and again, until the parser refuses or `most` bytes went in. */
function feed(start: string, unit: string, pieceBytes: number, most: number): Fed {
  const fed: Fed = { failure: null, taken: 0, bodyBytes: 0, heads: 0 };
  const parser = new Http1Parser('request', LIMITS, {
    onHead: () => void fed.heads++,
    onBody: (_, from, to) => {
      fed.bodyBytes += to - from;
    },
    onTrailers: () => undefined,
    onComplete: () => undefined,
  });
  const execute = (text: string): void => {
    const bytes = Buffer.from(text, 'latin1');
    let pos = 0;
    while (pos < bytes.length && parser.failure === null) pos = parser.execute(bytes, pos, bytes.length);
    fed.taken += bytes.length;
  };
  execute(start);
  const piece = unit.repeat(Math.max(1, Math.floor(pieceBytes / unit.length)));
  while (parser.failure === null && fed.taken < most) execute(piece);
  fed.failure = parser.failure?.detail ?? null;
  return fed;
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const CHUNKED = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`;
const ENDLESS: readonly (readonly [name: string, start: string, unit: string, failure: string])[] = [
  ['target', 'GET /', 'a', 'http1.headers_too_large'],
  ['method', '', 'A', 'http1.headers_too_large'],
  ['value', `${GET}x: `, 'a', 'http1.headers_too_large'],
  ['name', GET, 'a', 'http1.headers_too_large'],
  ['fold', `${GET}x: a`, '\r\n ', 'http1.headers_too_large'],
  ['blanks', `${GET}x:`, ' ', 'http1.headers_too_large'],
  ['fields', GET, 'a: b\r\n', 'http1.headers_too_large'],
  ['chunk size', CHUNKED, '0', 'http1.codec_error'],
  ['chunk extension', `${CHUNKED}5;`, 'a', 'http1.codec_error'],
  ['trailers', `${CHUNKED}0\r\n`, 'a: b\r\n', 'http1.headers_too_large'],
  ['trailer value', `${CHUNKED}0\r\na: `, 'b', 'http1.headers_too_large'],
];

test('endless parts of a message are refused near their limit', () => {
  for (const [name, start, unit, failure] of ENDLESS) {
    for (const pieceBytes of [1, 1000, 200_000]) {
      const fed = feed(start, unit, pieceBytes, 2_000_000);
      // Many fields in one piece may be counted before they are measured.
      const reasons = [failure, 'http1.too_many_headers', 'http1.too_many_trailers'];
      assert.ok(reasons.includes(fed.failure ?? ''), `${name} in pieces of ${pieceBytes}: ${fed.failure}`);
      assert.ok(
        fed.taken <= 62_000 + pieceBytes + start.length,
        `${name} in pieces of ${pieceBytes}: ${fed.taken} bytes`,
      );
    }
  }
});

test('what never ends by right costs no memory', () => {
  const before = process.memoryUsage();
  const body = feed(
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9007199254740991\r\n\r\n`,
    'x',
    100_000,
    100_000_000,
  );
  assert.deepEqual([body.failure, body.bodyBytes > 99_000_000], [null, true]);
  const chunks = feed(CHUNKED, '3;x=y\r\nabc\r\n', 60_000, 30_000_000);
  assert.deepEqual([chunks.failure, chunks.bodyBytes > 7_000_000], [null, true]);
  const emptyLines = feed('', '\r\n', 60_000, 30_000_000);
  assert.deepEqual([emptyLines.failure, emptyLines.heads], [null, 0]);
  const requests = feed('', `${GET}\r\n`, 60_000, 10_000_000);
  assert.equal(requests.failure, null);
  const after = process.memoryUsage();
  assert.ok(
    after.arrayBuffers - before.arrayBuffers < 32_000_000,
    `${after.arrayBuffers - before.arrayBuffers} bytes are kept`,
  );
});

test('a head that comes byte by byte takes linear time', () => {
  const started = performance.now();
  for (let i = 0; i < 5; i++) {
    const fed = feed(`${GET}x: `, 'a', 1, 60_000);
    assert.equal(fed.failure, null);
  }
  // About 10 ms; with the whole head searched again for each byte it would take many seconds.
  assert.ok(performance.now() - started < 3000, `${performance.now() - started} ms`);
});
