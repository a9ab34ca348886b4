// Which first bytes are taken for HTTP, whole and in single bytes; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HttpGuess, HttpInspection } from './http-inspector.ts';

function guess(text: string): HttpGuess {
  const bytes = Buffer.from(text, 'latin1');
  const whole = new HttpInspection().read(bytes);
  const inspection = new HttpInspection();
  let slow: HttpGuess = 'more';
  for (let end = 1; end <= bytes.length && slow === 'more'; end++) slow = inspection.read(bytes.subarray(0, end));
  assert.equal(slow, whole, JSON.stringify(text));
  return whole;
}

function check(table: readonly (readonly [string, HttpGuess])[]): void {
  for (const [text, expected] of table) assert.equal(guess(text), expected, JSON.stringify(text));
}

test('versions', () => {
  check([
    ['GET / HTTP/1.1\r\n', 'http/1.1'],
    ['GET / HTTP/1.1\nHost: a', 'http/1.1'],
    ['GET / HTTP/1.0\r\n', 'http/1.0'],
    ['GET / HTTP/1.2\r\n', 'http/1.0'],
    ['GET / HTTP/2.7\r\n', 'http/1.0'],
    ['GET /\r\n', 'http/1.0'],
    ['GET / \n', 'http/1.0'],
    ['GET / http/1.1\r\n', 'none'],
    ['GET / HTTP/1.10\r\n', 'none'],
    ['GET / HTTP/11\r\n', 'none'],
    ['GET / HTTP/x.y\r\n', 'none'],
    ['GET / HTTP/1.1 x\r\n', 'none'],
    ['GET / ICAP/1.0\r\n', 'none'],
  ]);
});

test('the preface of HTTP/2, and what only begins like it', () => {
  check([
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2c'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0', 'h2c'],
    ['PRI * HTTP/2.0\r\n\r\nSM', 'more'],
    ['P', 'more'],
    ['PRI * HTTP/2.0\r\nx', 'http/1.0'],
    ['PRI * HTTP/1.1\r\n', 'http/1.1'],
    ['PUT / HTTP/1.1\r\n', 'http/1.1'],
    ['PRI\n', 'none'],
  ]);
});

test('methods are tokens, told before the line ends', () => {
  check([
    ['GET', 'more'],
    ['GET / HTTP/1.1', 'more'],
    ["A!#$%&'*+-.^_`|~09 / HTTP/1.1\r\n", 'http/1.1'],
    ['get / HTTP/1.1\r\n', 'http/1.1'],
    ['\x16', 'none'],
    ['(', 'none'],
    ['GE(', 'none'],
    ['x:', 'none'],
    ['\x80', 'none'],
    ['GET\0/ HTTP/1.1\r\n', 'none'],
    [' GET / HTTP/1.1\r\n', 'none'],
    ['\r\nGET / HTTP/1.1\r\n', 'none'],
    ['GET\r\n', 'none'],
    ['GET \n', 'none'],
    ['hello world\r\n', 'none'],
    ['SSH-2.0-OpenSSH\r\n', 'none'],
    ['{"a":1}\n', 'none'],
  ]);
});

test('any byte up to the blank divides target and version', () => {
  check([
    ['GET  /  HTTP/1.1\r\n', 'http/1.1'],
    ['GET\t/\tHTTP/1.1\r\n', 'http/1.1'],
    ['GET\x0b/ HTTP/1.1\r\n', 'http/1.1'],
    ['GET /\x01 HTTP/1.1\r\n', 'http/1.1'],
    ['GET / \rHTTP/1.1\r\n', 'http/1.1'],
    ['GET / HTTP/1.1\0\r\n', 'http/1.1'],
    ['GET / HTTP/1.1\rx\n', 'none'],
    ['GET /a b HTTP/1.1\r\n', 'none'],
  ]);
});

test('targets', () => {
  check([
    ['OPTIONS * HTTP/1.1\r\n', 'http/1.1'],
    ['GET /"<>#^ HTTP/1.1\r\n', 'http/1.1'],
    ['GET /\x7f HTTP/1.1\r\n', 'none'],
    ['GET /\xff HTTP/1.1\r\n', 'none'],
    ['GET http://a/ HTTP/1.1\r\n', 'http/1.1'],
    ['GET h1+.-://a HTTP/1.1\r\n', 'http/1.1'],
    ['GET h:// HTTP/1.1\r\n', 'http/1.1'],
    ['GET h://a@b@c?d HTTP/1.1\r\n', 'http/1.1'],
    ['GET 1://a HTTP/1.1\r\n', 'none'],
    ['GET h:/a HTTP/1.1\r\n', 'none'],
    ['GET h://a"b/ HTTP/1.1\r\n', 'none'],
    ['GET h://a#b HTTP/1.1\r\n', 'none'],
    ['GET foo HTTP/1.1\r\n', 'none'],
    ['GET ?a HTTP/1.1\r\n', 'none'],
    ['CONNECT a:1 HTTP/1.1\r\n', 'http/1.1'],
    ['CONNECT http://a HTTP/1.1\r\n', 'http/1.1'],
    ['CONNECT a"b HTTP/1.1\r\n', 'none'],
    ['connect a HTTP/1.1\r\n', 'none'],
  ]);
});
