// Tests the end of tunnels: CONNECT and POST requests whose upstream is a raw connection that the test plays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestHeaders } from '../../../../../test/support/filter-harness.ts';
import { FakeRequest, type FakeSocket, makeRoute, RouterHarness } from '../../../../../test/support/router-harness.ts';
import { type ConnectConfig, RETRY_ON, type RetryPolicy } from '../../../route/route.ts';

const PLAIN: ConnectConfig = { proxyHeader: 0, allowPost: false };

type Asked = { readonly harness: RouterHarness; readonly request: FakeRequest };

/** A request of that method, on a route that ends tunnels. */
function ask(method = 'CONNECT', connect = PLAIN, retry: RetryPolicy | null = null, endStream = false): Asked {
  const harness = new RouterHarness();
  const route = makeRoute({ forward: { connect, retry } });
  const request = new FakeRequest(harness, requestHeaders(`${method} /`), route);
  request.isUpgrade = method === 'CONNECT';
  request.start(endStream);
  return { harness, request };
}

function open(...how: Parameters<typeof ask>): Asked & { readonly socket: FakeSocket } {
  const asked = ask(...how);
  return { ...asked, socket: asked.harness.dialer.accept() };
}

test('CONNECT is answered when the connection stands, and bytes cross as they are', () => {
  const { harness, request, socket } = open();
  assert.equal(request.status, 200);
  assert.equal(socket.take(), '');
  request.send('question', false);
  assert.equal(socket.take(), 'question');
  socket.feed('answer');
  assert.equal(request.body, 'answer');
  assert.equal(request.isComplete, false);
  request.destroy();
  assert.equal(socket.isClosed, true);
  assert.equal(request.info.upstreamProtocol, '');
  assert.deepEqual([request.info.upstreamWireBytesSent, request.info.upstreamWireBytesReceived], [8, 6]);
  assert.equal(harness.stat('cluster.up.upstream_rq_200'), 1);
  assert.equal(harness.stat('cluster.up.upstream_cx_http1_total'), 0);
});

test('what came before the connection stood goes first', () => {
  const { harness, request } = ask();
  request.send('early', false);
  const socket = harness.dialer.accept();
  assert.equal(socket.take(), 'early');
  assert.equal(request.status, 200);
  request.send('late', true);
  assert.equal(socket.take(), 'late');
  assert.equal(socket.isEnded, true);
});

test('the server that ends first ends the exchange; after the client it only completes it', () => {
  const first = open();
  first.socket.feed('bye');
  first.socket.fin();
  assert.deepEqual([first.request.body, first.request.isComplete], ['bye', true]);
  assert.equal(first.socket.isClosed, true);
  first.socket.handler.onClose(null);
  assert.equal(first.harness.stat('cluster.up.upstream_cx_destroy_local_with_active_rq'), 1);
  const second = open();
  second.request.send('', true);
  second.socket.fin();
  assert.equal(second.request.isComplete, true);
  second.socket.handler.onClose(null);
  assert.equal(second.harness.stat('cluster.up.upstream_cx_destroy_remote'), 1);
  assert.equal(second.harness.stat('cluster.up.upstream_cx_destroy_with_active_rq'), 0);
});

test('a reset of the server is the stream’s', () => {
  const { harness, request, socket } = open();
  socket.reset();
  assert.equal(request.resetDetails, 'upstream_reset_after_response_started{connection_termination}');
  assert.equal(harness.stat('cluster.up.upstream_cx_destroy_remote_with_active_rq'), 1);
});

test('a connection that cannot be had is answered, and tried again', () => {
  const { harness, request } = ask();
  harness.dialer.refuse();
  assert.equal(request.status, 503);
  assert.match(
    request.info.responseCodeDetails ?? '',
    /^upstream_reset_before_response_started\{remote_connection_failure/,
  );
  const again = ask('CONNECT', PLAIN, RETRY);
  again.harness.dialer.refuse();
  again.harness.clock.advance(50);
  again.harness.dialer.accept();
  assert.equal(again.request.status, 200);
  assert.equal(again.harness.stat('cluster.up.upstream_rq_retry_success'), 1);
});

const RETRY: RetryPolicy = {
  on: RETRY_ON['connect-failure'],
  numRetries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  retriableStatusCodes: [],
  retriableHeaders: [],
  retriableRequestHeaders: [],
  baseIntervalMs: 25,
  maxIntervalMs: 250,
  avoidPreviousHosts: false,
  previousPriorities: 0,
  hostSelectionMaxAttempts: 1,
  omits: null,
  refreshesCluster: false,
  rateLimitedBackOff: null,
};

test('a PROXY header comes first', () => {
  const { request, socket } = open('CONNECT', { proxyHeader: 1, allowPost: false });
  request.send('x', false);
  assert.match(socket.take(), /^PROXY TCP4 \S+ \S+ \d+ \d+\r\nx$/);
  const { socket: second } = open('CONNECT', { proxyHeader: 2, allowPost: false });
  assert.ok(second.take().startsWith('\r\n\r\n\0\r\nQUIT\n\x21\x11'));
});

test('POST ends here where it may, and is a request like any other where it may not', () => {
  const { request, socket } = open('POST', { proxyHeader: 0, allowPost: true });
  request.send('body', true);
  assert.equal(socket.take(), 'body');
  socket.feed('answer');
  socket.fin();
  assert.deepEqual([request.status, request.body, request.isComplete], [200, 'answer', true]);
  const bare = open('POST', { proxyHeader: 0, allowPost: true }, null, true);
  assert.equal(bare.socket.isEnded, true);
  assert.match(open('POST').socket.take(), /^POST \/ HTTP\/1.1\r\n/);
});

test('a full server holds the client back, a slow client the server', () => {
  const { harness, request, socket } = open();
  socket.isAboveHighWatermark = true;
  request.send('much', false);
  assert.equal(request.requestPauses, 1);
  socket.isAboveHighWatermark = false;
  socket.handler.onDrain();
  assert.equal(request.requestPauses, 0);
  request.responseWatermarks?.onAboveWatermark();
  assert.equal(socket.pauses, 1);
  request.responseWatermarks?.onBelowWatermark();
  assert.equal(socket.pauses, 0);
  assert.equal(harness.stat('cluster.up.upstream_flow_control_paused_reading_total'), 1);
});
