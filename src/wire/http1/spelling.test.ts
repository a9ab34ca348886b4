// How names and reasons are written: those that came as they came, others as the side that reads or writes says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { H, headerKey } from '../header-names.ts';
import type { Headers } from '../headers.ts';
import { encodeRequestHead, encodeResponseHead } from './encoder.ts';
import { type Http1Limits, Http1Parser } from './parser.ts';

const LIMITS: Http1Limits = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  allowChunkedLength: false,
  keepSpelling: true,
  allowCustomMethods: false,
  enableTrailers: true,
};

function read(kind: 'request' | 'response', text: string, limits: Partial<Http1Limits> = {}): [Headers, Http1Parser] {
  let head: Headers | null = null;
  const parser = new Http1Parser(
    kind,
    { ...LIMITS, ...limits },
    {
      onHead: (headers) => {
        head = headers;
      },
      onBody: () => {},
      onTrailers: () => {},
      onComplete: () => {},
    },
  );
  const bytes = Buffer.from(text, 'latin1');
  parser.execute(bytes, 0, bytes.length);
  assert.notEqual(head, null, parser.failure?.detail);
  return [head as unknown as Headers, parser];
}

test('names that came with a message stay as they were, whoever writes it', () => {
  const [headers] = read(
    'request',
    'GET / HTTP/1.1\r\nHOST: h\r\nX-CamelCase: 1\r\nx-camelcase: 2\r\nACCEPT: a\r\n\r\n',
  );
  headers.add(headerKey('x-added'), '3');
  headers.remove(H.accept);
  headers.add(H.accept, 'b');
  const expected = 'GET / HTTP/1.1\r\nHOST: h\r\nX-CamelCase: 1\r\nX-CamelCase: 2\r\nx-added: 3\r\nACCEPT: b\r\n\r\n';
  assert.equal(encodeRequestHead(headers, 'lower', ''), expected);
  assert.equal(encodeRequestHead(headers.clone(), 'proper-case', '').replace('Host', 'HOST'), expected);
});

test('names that are added may be written in proper case', () => {
  const [headers] = read('response', 'HTTP/1.1 200 OK\r\nx-own: 1\r\n\r\n', { spellsAddedProperly: true });
  headers.add(headerKey('x-added'), '2');
  assert.equal(encodeResponseHead(headers, 1, 'lower', ''), 'HTTP/1.1 200 OK\r\nx-own: 1\r\nX-Added: 2\r\n\r\n');
});

test('a reason is passed on where that is asked for', () => {
  const text = 'HTTP/1.1 299 Strange And Long \r\n\r\n';
  const line = (headers: Headers): string => encodeResponseHead(headers, 1, 'lower', '').slice(0, -4);
  assert.equal(line(read('response', text, { keepReason: true })[0]), 'HTTP/1.1 299 Strange And Long');
  assert.equal(line(read('response', text)[0]), 'HTTP/1.1 299 Unknown');
  assert.equal(line(read('response', 'HTTP/1.1 200\r\n\r\n', { keepReason: true })[0]), 'HTTP/1.1 200 OK');
});

test('a target in absolute form', () => {
  const [headers] = read('request', 'GET /a?b HTTP/1.1\r\nhost: h:1\r\n\r\n');
  headers.scheme = 'https';
  assert.ok(encodeRequestHead(headers, 'lower', '', true).startsWith('GET https://h:1/a?b HTTP/1.1\r\n'));
});

test('upgrades that are ignored are not there', () => {
  const ignoredUpgrades = { matches: (name: string) => name.startsWith('TLS/') };
  const upgrade = (list: string): [string | undefined, boolean] => {
    const text = `GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: ${list}\r\n\r\n`;
    const [headers, parser] = read('request', text, { ignoredUpgrades });
    return [headers.get(H.upgrade), parser.isUpgrade];
  };
  assert.deepEqual(upgrade('TLS/1.2'), [undefined, false]);
  assert.deepEqual(upgrade('TLS/1.2, websocket'), ['websocket', true]);
  assert.deepEqual(upgrade('a, b'), ['a, b', true]);
  assert.deepEqual(upgrade('tls/1.2'), ['tls/1.2', true]);
});
