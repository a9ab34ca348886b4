// Tests the HTTP/1 pool and its connections by hosts of a cluster: which connection serves, and when one ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestHeaders } from '../../../../test/support/filter-harness.ts';
import { clusterConfig, type FakeSocket, RouterHarness } from '../../../../test/support/router-harness.ts';
import type { Failure } from '../../../base/failure.ts';
import { headerKey } from '../../../wire/header-names.ts';
import { Headers } from '../../../wire/headers.ts';
import type { RequestEncoder, StreamCallbacks } from '../../http/codec.ts';
import { DEFAULT_LIMITS } from '../circuit-breaker.ts';
import { type ClusterConfig, DEFAULT_HTTP_CONFIG, type UpstreamHttpConfig } from '../cluster-config.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** Sends a GET as soon as it has a connection, and notes what comes. */
class Exchange implements StreamCallbacks {
  encoder: RequestEncoder | null = null;
  failure: Failure | null = null;
  resetBy: Failure | null = null;
  status = 0;
  body = '';
  trailers: Headers | null = null;
  isComplete = false;
  readonly headers: Headers;
  onEnd: (() => void) | null = null;

  constructor(headers = requestHeaders('/')) {
    this.headers = headers;
  }
  onPoolReady(encoder: RequestEncoder): void {
    this.encoder = encoder;
    encoder.encodeHeaders(this.headers, true);
  }
  onPoolFailure(reason: Failure): void {
    this.failure = reason;
  }
  decode1xx(): void {}
  decodeHeaders(headers: Headers, endStream: boolean): void {
    this.status = headers.status;
    if (endStream) this.#end();
  }
  decodeData(data: { buffer: Buffer; start: number; end: number }, endStream: boolean): void {
    this.body += data.buffer.latin1Slice(data.start, data.end);
    if (endStream) this.#end();
  }
  decodeTrailers(trailers: Headers): void {
    this.trailers = trailers;
    this.#end();
  }
  #end(): void {
    this.isComplete = true;
    this.onEnd?.();
  }
  onReset(reason: Failure): void {
    this.resetBy = reason;
  }
  onAboveWatermark(): void {}
  onBelowWatermark(): void {}
}

function setUp(http: Partial<UpstreamHttpConfig> = {}, change: Partial<ClusterConfig> = {}) {
  const h = new RouterHarness([clusterConfig({ http: { ...DEFAULT_HTTP_CONFIG, ...http }, ...change })]);
  const host = h.clusters.get('up')?.hosts[0];
  assert.ok(host);
  const stat = (name: string): number => h.stat(`cluster.up.${name}`);
  const start = (exchange = new Exchange()): Exchange => {
    host.newStream('DEFAULT', exchange);
    return exchange;
  };
  return { h, host, stat, start };
}

test('the connection used last serves first', () => {
  const { h, start } = setUp();
  start();
  start();
  const [a, b] = [h.dialer.accept(), h.dialer.accept()] as [FakeSocket, FakeSocket];
  a.feed(OK);
  b.feed(OK);
  a.take();
  b.take();
  start();
  assert.notEqual(b.take(), '');
  assert.equal(a.take(), '');
});

test('the oldest waiting request gets the connection that comes free', () => {
  const { h, start, stat } = setUp({}, { maxConnectionsPerHost: 1 });
  const first = start();
  const second = start();
  const third = start();
  assert.equal(stat('upstream_cx_overflow'), 2);
  const socket = h.dialer.accept();
  assert.ok(first.encoder);
  assert.equal(second.encoder, null);
  socket.feed(OK);
  assert.ok(second.encoder);
  assert.equal(third.encoder, null);
  socket.feed(OK);
  assert.ok(third.encoder);
  assert.equal(stat('upstream_cx_total'), 1);
  assert.equal(stat('upstream_rq_pending_active'), 0);
});

test('connections ahead of wishes, in proportion to what is in use', () => {
  const { h, start, stat } = setUp({}, { preconnectRatio: 1.5 });
  start();
  assert.equal(h.dialer.dials.length, 2);
  const [first] = [h.dialer.accept(), h.dialer.accept()];
  assert.equal(h.dialer.dials.length, 0, 'one in use, one ready: enough for 1.5');
  start();
  assert.equal(h.dialer.dials.length, 1, 'two in use: three are wanted');
  first?.feed(OK);
  assert.equal(stat('upstream_cx_total'), 3);
  h.dialer.refuse();
  assert.equal(h.dialer.dials.length, 0, 'what was dialled ahead and failed is not dialled again at once');
});

test('one connection is made even when the circuit breaker is open, or nothing would ever be served', () => {
  const limits = { ...DEFAULT_LIMITS, maxConnections: 0 };
  const { h, start, stat } = setUp({}, { breakers: { DEFAULT: limits, HIGH: limits } });
  const exchange = start();
  assert.equal(stat('upstream_cx_overflow'), 1);
  h.dialer.accept().feed(OK);
  assert.ok(exchange.isComplete);
});

test('a request started by the end of another takes the connection that just came free', () => {
  const { h, start, stat } = setUp();
  const first = start();
  const second = new Exchange();
  first.onEnd = () => start(second);
  const socket = h.dialer.accept();
  socket.feed(OK);
  assert.ok(second.encoder);
  assert.equal(stat('upstream_cx_total'), 1);
});

test('a response in any pieces', () => {
  for (let size = 1; size < 8; size++) {
    const { h, start } = setUp();
    const exchange = start();
    const socket = h.dialer.accept();
    const text = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n';
    for (let i = 0; i < text.length; i += size) socket.feed(text.slice(i, i + size));
    assert.equal(exchange.body, 'abcde');
    assert.ok(exchange.isComplete);
    assert.ok(!socket.isClosed);
  }
});

test('bytes behind the response end the connection', () => {
  const { h, start, stat } = setUp();
  const exchange = start();
  const socket = h.dialer.accept();
  socket.feed(`${OK}XXXX`);
  assert.ok(exchange.isComplete);
  assert.ok(socket.isClosed);
  assert.equal(stat('upstream_cx_protocol_error'), 1);
  assert.equal(stat('upstream_cx_destroy_local'), 1);
  assert.equal(stat('upstream_cx_destroy_with_active_rq'), 0);
});

test('bytes on an idle connection end it; a 408 is no error', () => {
  const { h, start, stat } = setUp();
  start();
  const socket = h.dialer.accept();
  socket.feed(OK);
  socket.feed('HTTP/1.1 408 Request Timeout\r\n\r\n');
  assert.ok(socket.isClosed);
  assert.equal(stat('upstream_cx_protocol_error'), 0);
  start();
  const other = h.dialer.accept();
  other.feed(OK);
  other.feed('boo');
  assert.ok(other.isClosed);
  assert.equal(stat('upstream_cx_protocol_error'), 1);
});

test('responses that end the connection: connection: close, HTTP/1.0, FIN while idle', () => {
  const { h, start, stat } = setUp();
  start();
  const a = h.dialer.accept();
  a.feed('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  assert.ok(a.isClosed);
  start();
  const b = h.dialer.accept();
  b.feed('HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n');
  assert.ok(b.isClosed);
  assert.equal(stat('upstream_cx_close_notify'), 2);
  start();
  const c = h.dialer.accept();
  c.feed(OK);
  c.fin();
  assert.ok(c.isClosed);
  assert.equal(stat('upstream_cx_destroy_remote'), 1);
  assert.equal(stat('upstream_cx_active'), 0);
});

test('responses without a body by rule: HEAD, 204, 304', () => {
  const { h, start } = setUp();
  const head = start(new Exchange(requestHeaders('HEAD /')));
  const socket = h.dialer.accept();
  socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n');
  assert.ok(head.isComplete);
  for (const status of [204, 304]) {
    const exchange = start();
    socket.feed(`HTTP/1.1 ${status} X\r\n\r\n`);
    assert.ok(exchange.isComplete, String(status));
  }
  assert.ok(!socket.isClosed);
});

test('an announced upgrade that is no 101 keeps its framing', () => {
  const { h, start } = setUp();
  const exchange = start();
  const socket = h.dialer.accept();
  socket.feed('HTTP/1.1 200 OK\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nok');
  assert.ok(exchange.isComplete);
  assert.ok(!socket.isClosed);
});

test('idle time-out', () => {
  const { h, start, stat } = setUp({ idleTimeoutMs: 1000 });
  start();
  start();
  const [a, b] = [h.dialer.accept(), h.dialer.accept()] as [FakeSocket, FakeSocket];
  a.feed(OK);
  b.feed(OK);
  h.clock.advance(900);
  start();
  b.feed(OK);
  h.clock.advance(200);
  assert.ok(a.isClosed);
  assert.ok(!b.isClosed);
  assert.equal(stat('upstream_cx_idle_timeout'), 1);
  h.clock.advance(800);
  assert.ok(b.isClosed);
  assert.equal(stat('upstream_cx_active'), 0);
});

test('max_requests_per_connection', () => {
  const { h, start, stat } = setUp({ maxRequestsPerConnection: 2 });
  start();
  const socket = h.dialer.accept();
  socket.feed(OK);
  start();
  socket.feed(OK);
  assert.ok(socket.isClosed);
  assert.equal(stat('upstream_cx_max_requests'), 1);
});

test('max_connection_duration ends an idle connection at once and a busy one after its response', () => {
  const { h, start, stat } = setUp({ maxConnectionDurationMs: 1000 });
  start();
  start();
  const [a, b] = [h.dialer.accept(), h.dialer.accept()] as [FakeSocket, FakeSocket];
  a.feed(OK);
  h.clock.advance(1004);
  assert.ok(a.isClosed);
  assert.ok(!b.isClosed);
  b.feed(OK);
  assert.ok(b.isClosed);
  assert.equal(stat('upstream_cx_max_duration_reached'), 2);
});

test('connect time-out cancels the dial and fails what waits', () => {
  const { h, start, stat } = setUp();
  const exchange = start();
  h.clock.advance(1004);
  assert.equal(exchange.failure?.code, 'connect_timeout');
  assert.equal(h.dialer.cancelled, 1);
  assert.equal(stat('upstream_cx_connect_timeout'), 1);
  assert.equal(stat('upstream_cx_connect_fail'), 1);
  assert.equal(stat('upstream_cx_destroy_local'), 1);
});

test('a failed dial fails all that wait; what they start again waits for the next one', () => {
  const { h, start, stat } = setUp();
  const first = start();
  const second = start();
  const again = new Exchange();
  first.onPoolFailure = () => start(again);
  h.dialer.refuse();
  assert.equal(second.failure?.code, 'connect_failed');
  assert.equal(again.failure, null);
  assert.equal(stat('upstream_rq_pending_failure_eject'), 2);
  h.dialer.accept().feed(OK);
  assert.ok(again.isComplete);
});

test('how names are spelled, and trailers', () => {
  const headers = requestHeaders('POST /', ['x-my-header: 1']);
  const { h, start } = setUp({
    spelling: 'proper-case',
    limits: { ...DEFAULT_HTTP_CONFIG.limits, enableTrailers: true },
  });
  const exchange = new Exchange(headers);
  const trailers = new Headers();
  trailers.add(headerKey('x-end'), 'y');
  exchange.onPoolReady = (encoder) => {
    encoder.encodeHeaders(headers, false);
    encoder.encodeTrailers(trailers);
  };
  start(exchange);
  const socket = h.dialer.accept();
  assert.match(socket.take(), /^POST \/ HTTP\/1.1\r\nHost: example.com\r\nX-My-Header: 1\r\n.*0\r\nX-End: y\r\n\r\n$/s);
  socket.feed('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-t: 1\r\n\r\n');
  assert.equal(exchange.trailers?.get(headerKey('x-t')), '1');
});

test('CONNECT names the authority as its target', () => {
  const { h, start } = setUp();
  const headers = requestHeaders('CONNECT /');
  const exchange = new Exchange(headers);
  let encoder: RequestEncoder | undefined;
  exchange.onPoolReady = (ready) => {
    encoder = ready;
    ready.encodeHeaders(headers, false);
  };
  start(exchange);
  const socket = h.dialer.accept();
  const sent = socket.take();
  assert.match(sent, /^CONNECT example.com HTTP\/1.1\r\nhost: example.com\r\n\r\n$/);
  assert.equal(encoder?.headerBytesSent, sent.length - sent.indexOf('\n') - 3);
  socket.feed('HTTP/1.1 200 OK\r\n\r\nraw');
  assert.equal(exchange.body, 'raw');
});

test('a host that leaves its cluster ends idle connections at once, others after their response', () => {
  const { h, start, stat } = setUp();
  start();
  const busy = start();
  const [a, b] = [h.dialer.accept(), h.dialer.accept()] as [FakeSocket, FakeSocket];
  a.feed(OK);
  h.clusters.get('up')?.setEndpoints({ endpoints: [], overprovisioningFactor: 140 });
  assert.ok(a.isClosed);
  assert.ok(!b.isClosed);
  b.feed(OK);
  assert.ok(busy.isComplete);
  assert.ok(b.isClosed);
  assert.equal(stat('membership_total'), 0);
  assert.equal(stat('membership_change'), 2);
});

test('a removed cluster gives its statistics back once its last connection is gone', () => {
  const { h, start, stat } = setUp();
  const exchange = start();
  const socket = h.dialer.accept();
  h.clusters.remove('up');
  assert.equal(stat('upstream_cx_active'), 1);
  socket.feed(OK);
  assert.ok(exchange.isComplete);
  assert.equal(h.stats.find('cluster.up.upstream_cx_active'), undefined);
});

test('the retry budget follows the number of requests', () => {
  const limits = { ...DEFAULT_LIMITS, retryBudget: { percent: 50, minConcurrency: 1 } };
  const { h, start } = setUp({}, { breakers: { DEFAULT: limits, HIGH: limits } });
  const breaker = h.clusters.get('up')?.circuitBreaker('DEFAULT');
  assert.ok(breaker);
  assert.ok(breaker.tryRetry());
  assert.ok(!breaker.tryRetry());
  for (let i = 0; i < 4; i++) start();
  assert.ok(breaker.tryRetry());
  assert.ok(!breaker.tryRetry());
  breaker.releaseRetry();
  assert.ok(breaker.tryRetry());
});

test('remaining resources are counted when asked for', () => {
  const limits = { ...DEFAULT_LIMITS, trackRemaining: true };
  const { h, start, stat } = setUp({}, { breakers: { DEFAULT: limits, HIGH: DEFAULT_LIMITS } });
  start();
  assert.equal(stat('circuit_breakers.default.remaining_pending'), 1023);
  h.dialer.accept();
  assert.equal(stat('circuit_breakers.default.remaining_pending'), 1024);
  assert.equal(stat('circuit_breakers.default.remaining_rq'), 1023);
  assert.equal(stat('circuit_breakers.default.remaining_cx'), 1023);
  assert.equal(h.stats.find('cluster.up.circuit_breakers.high.remaining_rq'), undefined);
});
