// What http_inspector tells of a socket and counts; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListenerFilterHarness, makeSocket, singleBytes } from '../../../../test/support/listener-filter-harness.ts';
import { httpInspector } from './http-inspector.ts';

test('each version has its protocol and its counter', () => {
  const table: [string, readonly string[], string][] = [
    ['GET / HTTP/1.1\r\n', ['http/1.1'], 'http11_found'],
    ['GET / HTTP/1.0\r\n', ['http/1.0'], 'http10_found'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', ['h2c'], 'http2_found'],
    ['hello\r\n', [], 'http_not_found'],
  ];
  for (const [text, protocols, counter] of table) {
    for (const pieces of [[text], singleBytes(Buffer.from(text))]) {
      const harness = new ListenerFilterHarness(httpInspector);
      const { status, socket } = harness.run(pieces);
      assert.equal(status, 'continue');
      assert.deepEqual(socket.applicationProtocols, protocols);
      assert.deepEqual(harness.counts, { [`http_inspector.${counter}`]: 1 });
    }
  }
});

test('TLS is not looked at', () => {
  const harness = new ListenerFilterHarness(httpInspector);
  const socket = makeSocket();
  socket.transportProtocol = 'tls';
  socket.applicationProtocols = ['h2'];
  assert.equal(harness.run(['\x16'], socket).status, 'continue');
  assert.deepEqual([socket.applicationProtocols, harness.counts], [['h2'], {}]);
});

test('a line without end closes at 64 KiB', () => {
  const harness = new ListenerFilterHarness(httpInspector);
  const line = `GET /${'x'.repeat(65_535)}`;
  assert.equal(harness.run([line.slice(0, 65_535)]).status, 'more');
  assert.equal(harness.run([line.slice(0, 65_536)]).status, 'close');
  assert.equal(harness.run([`${line} HTTP/1.1\r\n`]).status, 'close');
  assert.deepEqual(harness.counts, { 'http_inspector.read_error': 2 });
});
