// What tls_inspector tells of a socket and counts; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientHelloOptions, clientHello } from '../../../../../test/support/client-hello.ts';
import { ListenerFilterHarness, makeSocket, singleBytes } from '../../../../../test/support/listener-filter-harness.ts';
import { tlsInspector } from './tls-inspector.ts';

const NAME = 'envoy.filters.listener.tls_inspector';
const HELLO = clientHello({ serverName: 'A.b', alpn: ['h2', 'http/1.1'] });

const failureOf = (socket: { dynamicMetadata: Map<string, unknown> | null }): unknown =>
  (socket.dynamicMetadata?.get(NAME) as { failure_reason?: string } | undefined)?.failure_reason;

test('a hello gives transport protocol, server name and application protocols', () => {
  for (const pieces of [[HELLO], singleBytes(HELLO), [HELLO.subarray(0, 7), HELLO.subarray(7)]]) {
    const harness = new ListenerFilterHarness(tlsInspector);
    const { status, consumed, socket } = harness.run(pieces);
    assert.deepEqual([status, consumed], ['continue', 0]);
    assert.equal(socket.transportProtocol, 'tls');
    assert.equal(socket.serverName, 'a.b');
    assert.deepEqual(socket.applicationProtocols, ['h2', 'http/1.1']);
    assert.deepEqual([socket.ja3Hash, socket.ja4Hash, socket.dynamicMetadata], ['', '', null]);
    const { counts } = harness;
    assert.deepEqual(counts, {
      'tls_inspector.alpn_found': 1,
      'tls_inspector.sni_found': 1,
      'tls_inspector.tls_found': 1,
    });
    harness.stats.flush();
    const histogram = harness.stats.findHistogram('tls_inspector.bytes_processed');
    assert.equal(histogram?.isUsed, true);
  }
});

test('fingerprints are those of Envoy', () => {
  const harness = new ListenerFilterHarness(tlsInspector, {
    enable_ja3_fingerprinting: true,
    enable_ja4_fingerprinting: true,
  });
  const GREASE: ClientHelloOptions = {
    ciphers: [0x0a0a, 0x1302, 0x1301],
    groups: [0x1a1a, 29],
    versions: [0x2a2a, 0x304],
    alpn: ['\x02x\xff'],
    extensions: [[0x3a3a, Buffer.alloc(0)]],
  };
  const many = Array.from({ length: 120 }, (_, i) => i + 1);
  const table: [ClientHelloOptions, string, string][] = [
    [
      { serverName: 'a.b', alpn: ['h2', 'http/1.1'] },
      '73d0a956f1325fba8545be460dbdcdc9',
      't13d0506h2_e133e205ac38_724796723175',
    ],
    [{}, '5201b8c0ffd7ab1ea2f21b4d58d148a0', 't13i050400_e133e205ac38_724796723175'],
    [{ versions: [] }, 'c5768769c65358ecde3774a9b0cb19ef', 't12i050300_e133e205ac38_e29762d6ed17'],
    [GREASE, '7aa316f595cdbfd3ef3b5756540fd58a', 't13i02050f_62ed6f6ca7ad_724796723175'],
    [
      { legacyVersion: 0x0301, versions: [], ciphers: [0x2f] },
      '92c35022b5713a4b8a840baa26e803ea',
      't10i010300_ba72b8082249_e29762d6ed17',
    ],
    [{ versions: [0x0305] }, '5201b8c0ffd7ab1ea2f21b4d58d148a0', 't00i050400_e133e205ac38_724796723175'],
    [{ alpn: [] }, '62b61fff879e7623749b0db0c3f8211e', 't13i050500_e133e205ac38_724796723175'],
    [{ ciphers: many }, '202cdbe629dbcd14fb486538316f3306', 't13i990400_0f8860b09f90_724796723175'],
  ];
  for (const [options, ja3, ja4] of table) {
    const { socket } = harness.run([clientHello(options)]);
    assert.deepEqual([socket.ja3Hash, socket.ja4Hash], [ja3, ja4]);
  }
});

test('plain text goes on, with the reason', () => {
  const harness = new ListenerFilterHarness(tlsInspector);
  const { status, seen, socket } = harness.run(singleBytes(Buffer.from('GET / HTTP/1.1\r\n')));
  assert.deepEqual([status, seen, socket.transportProtocol], ['continue', 5, '']);
  assert.equal(failureOf(socket), 'ClientHelloNotDetected');
  const error = 'error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST';
  assert.equal(socket.transportFailureReason, `TLS_error|${error}:TLS_error_end`);
  assert.deepEqual(harness.counts, { 'tls_inspector.tls_not_found': 1 });
});

test('a version that nobody speaks closes, after its names were counted', () => {
  const harness = new ListenerFilterHarness(tlsInspector);
  const { status, socket } = harness.run([clientHello({ serverName: 'a', legacyVersion: 0x0300 })]);
  assert.deepEqual([status, socket.serverName, failureOf(socket)], ['close', 'a', 'ClientHelloInvalidTlsVersion']);
  assert.match(socket.transportFailureReason, /CONNECTION_REJECTED/);
  assert.deepEqual(harness.counts, { 'tls_inspector.sni_found': 1, 'tls_inspector.tls_not_found': 1 });
});

test('a goodbye instead of a hello closes and counts nothing', () => {
  const harness = new ListenerFilterHarness(tlsInspector);
  assert.equal(harness.run(['\x15\x03\x01\0\x02\x01\0']).status, 'close');
  assert.deepEqual(harness.counts, {});
});

test('a hello has a maximum', () => {
  const big = clientHello({ extensions: [[21, Buffer.alloc(400)]] });
  const limit = { max_client_hello_size: 300 };
  for (const pieces of [[big], singleBytes(big)]) {
    const harness = new ListenerFilterHarness(tlsInspector, limit);
    const { status, socket } = harness.run(pieces);
    assert.deepEqual([status, failureOf(socket)], ['close', 'ClientHelloTooLarge']);
    assert.deepEqual(harness.counts, { 'tls_inspector.client_hello_too_large': 1 });
  }
  const harness = new ListenerFilterHarness(tlsInspector, limit);
  assert.equal(harness.run([`GET / HTTP/1.1\r\n${'x'.repeat(400)}`]).status, 'continue');
  assert.equal(harness.run([HELLO]).status, 'continue');
});

test('plain text may be refused', () => {
  const strict = { close_connection_on_client_hello_parsing_errors: true, max_client_hello_size: 300 };
  const short = new ListenerFilterHarness(tlsInspector, strict);
  const { status, socket } = short.run(['GET / HTTP/1.1\r\n']);
  assert.deepEqual([status, failureOf(socket)], ['close', 'ClientHelloNotDetected']);
  assert.deepEqual(short.counts, { 'tls_inspector.tls_not_found': 1 });
  const long = new ListenerFilterHarness(tlsInspector, strict);
  assert.equal(failureOf(long.run(['x'.repeat(400)]).socket), 'ClientHelloTooLarge');
  assert.deepEqual(long.counts, { 'tls_inspector.client_hello_too_large': 1 });
});

test('a connection that sends nothing waits', () => {
  const harness = new ListenerFilterHarness(tlsInspector);
  assert.equal(harness.run([], makeSocket()).status, 'more');
  assert.equal(harness.run(['\x16\x03\x01\x02']).status, 'more');
});
