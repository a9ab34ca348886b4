// Tests the router with the pools below it: what goes to the upstream, what comes back, and what is counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterConfig,
  endpoint,
  FakeRequest,
  makeRoute,
  RouterHarness,
} from '../../../../../test/support/router-harness.ts';
import { requestHeaders } from '../../../../../test/support/filter-harness.ts';
import { DEFAULT_LIMITS } from '../../../cluster/circuit-breaker.ts';
import { DEFAULT_HTTP_CONFIG } from '../../../cluster/cluster-config.ts';
import { responseFlagsText } from '../../../stream-info.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

function flags(request: FakeRequest): string {
  return responseFlagsText(request.info.flags);
}

test('a request goes out and its response comes back; the next one takes the same connection', () => {
  const h = new RouterHarness();
  const first = h.request('/a', ['accept: */*']);
  const socket = h.dialer.accept();
  assert.equal(
    socket.take(),
    'GET /a HTTP/1.1\r\nhost: example.com\r\naccept: */*\r\nx-envoy-expected-rq-timeout-ms: 15000\r\n\r\n',
  );
  h.clock.advance(12);
  socket.feed(OK);
  assert.equal(first.status, 200);
  assert.equal(first.body, 'ok');
  assert.ok(first.isComplete);
  assert.deepEqual(first.lines, [':status: 200', 'content-length: 2', 'x-envoy-upstream-service-time: 12']);
  assert.equal(first.info.responseCodeDetails, 'via_upstream');
  assert.equal(first.info.upstream?.address.port, 1);
  assert.equal(first.info.upstreamWireBytesReceived, OK.length);
  assert.equal(first.info.attemptCount, 1);

  const second = h.request('/b');
  assert.match(socket.take(), /^GET \/b /);
  socket.feed(OK);
  assert.ok(second.isComplete);
  assert.equal(h.stat('cluster.up.upstream_cx_total'), 1);
  assert.equal(h.stat('cluster.up.upstream_rq_total'), 2);
  assert.equal(h.stat('cluster.up.upstream_rq_active'), 0);
  assert.equal(h.stat('cluster.up.upstream_rq_200'), 2);
  assert.equal(h.stat('cluster.up.external.upstream_rq_2xx'), 2);
  assert.equal(h.stat('cluster.up.upstream_rq_pending_total'), 1);
  assert.equal(h.clusters.get('up')?.hosts[0]?.rqSuccess, 2);
  h.stats.flush();
  assert.equal(h.stats.findHistogram('cluster.up.upstream_rq_time')?.isUsed, true);
});

test('bodies: chunked when their length is unknown, plain with a length, content-length: 0 where Envoy adds it', () => {
  const h = new RouterHarness();
  h.request('POST /x', [], { body: true }).send('abc', false);
  const socket = h.dialer.accept();
  assert.match(socket.take(), /\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n$/);
  h.request('POST /x', ['content-length: 3'], { body: true }).send('abc', true);
  assert.match(h.dialer.accept().take(), /content-length: 3\r\n.*\r\n\r\nabc$/s);
  h.request('POST /x');
  assert.match(h.dialer.accept().take(), /\r\ncontent-length: 0\r\n\r\n$/);
  for (const method of ['DELETE', 'TRACE', 'HEAD', 'GET']) {
    h.request(`${method} /x`);
    assert.doesNotMatch(h.dialer.accept().take(), /content-length/, method);
  }
});

test('a body that ends before the connection stands is sent in one go', () => {
  const h = new RouterHarness();
  const request = h.request('POST /x', [], { body: true });
  request.send('ab', false);
  request.send('cd', true);
  const sent = h.dialer.accept().take();
  assert.match(sent, /2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n$/);
});

test('no route, no cluster, direct response, redirect', () => {
  const h = new RouterHarness();
  const lost = h.request('/', [], { route: null });
  assert.equal(lost.status, 404);
  assert.equal(lost.info.responseCodeDetails, 'route_not_found');
  assert.equal(flags(lost), 'NR');
  const unknown = h.request('/', [], { route: makeRoute({ forward: { clusterName: 'nope' } }) });
  assert.equal(unknown.status, 503);
  assert.equal(unknown.info.responseCodeDetails, 'cluster_not_found');
  assert.equal(flags(unknown), 'NC');
  const direct = h.request('/', [], {
    route: makeRoute({
      route: { forward: null, direct: { status: 200, body: 'hello', format: null, location: () => '' } },
    }),
  });
  assert.equal(direct.body, 'hello');
  assert.equal(direct.info.responseCodeDetails, 'direct_response');
  const moved = h.request('/', [], {
    route: makeRoute({ route: { forward: null, redirect: { status: 301, location: () => 'http://example.com/x' } } }),
  });
  assert.equal(moved.status, 301);
  assert.ok(moved.lines.includes('location: http://example.com/x'));
  assert.equal(h.stat('http.test.rq_total'), 4);
  assert.equal(h.stat('http.test.no_route'), 1);
  assert.equal(h.stat('http.test.no_cluster'), 1);
  assert.equal(h.stat('http.test.rq_direct_response'), 2);
});

test('no host, or only unhealthy ones', () => {
  const unhealthy = { endpoints: [endpoint(1, { health: 'UNHEALTHY' })], overprovisioningFactor: 140 };
  const h = new RouterHarness([clusterConfig({ panicThreshold: 0, endpoints: unhealthy })]);
  const request = h.request();
  assert.equal(request.status, 503);
  assert.equal(request.body, 'no healthy upstream');
  assert.equal(request.info.responseCodeDetails, 'no_healthy_upstream');
  assert.equal(flags(request), 'UH');
  assert.equal(h.stat('cluster.up.upstream_cx_none_healthy'), 1);
  assert.equal(h.stat('cluster.up.upstream_rq_503'), 1);
  assert.equal(h.stat('cluster.up.lb_healthy_panic'), 0);
  const panicking = new RouterHarness([clusterConfig({ endpoints: unhealthy })]);
  panicking.request();
  assert.equal(panicking.dialer.dials.length, 1);
  assert.equal(panicking.stat('cluster.up.lb_healthy_panic'), 1);
});

test('upstream failures answer in Envoy’s words', async (t) => {
  const cases: readonly [string, (h: RouterHarness) => void, number, string, string, string][] = [
    ['refused', (h) => h.dialer.refuse(), 503, 'remote connection failure', 'UF',
      'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}'],
    ['no answer to the dial', (h) => h.clock.advance(1004), 503, 'connection timeout', 'UF',
      'upstream_reset_before_response_started{connection_timeout}'],
    ['closed', (h) => h.dialer.accept().fin(), 503, 'connection termination', 'UC',
      'upstream_reset_before_response_started{connection_termination}'],
    ['reset', (h) => h.dialer.accept().reset(), 503, 'connection termination', 'UC',
      'upstream_reset_before_response_started{connection_termination}'],
    ['garbage', (h) => h.dialer.accept().feed('garbage\r\n\r\n'), 502, 'protocol error', 'UPE',
      'upstream_reset_before_response_started{protocol_error}'],
    ['cut in the head', (h) => { const s = h.dialer.accept(); s.feed('HTTP/1.1 200 OK\r\nx'); s.fin(); }, 502,
      'protocol error', 'UPE', 'upstream_reset_before_response_started{protocol_error}'],
  ]; // biome-ignore format: a table.
  for (const [name, act, status, reason, flag, details] of cases) {
    await t.test(name, () => {
      const h = new RouterHarness();
      const request = h.request();
      act(h);
      assert.equal(request.status, status);
      assert.equal(request.body, `upstream connect error or disconnect/reset before headers. reset reason: ${reason}`);
      assert.equal(flags(request), flag);
      assert.equal(request.info.responseCodeDetails, details);
      assert.equal(h.stat(`cluster.up.upstream_rq_${status}`), 1);
      assert.equal(h.stat('cluster.up.upstream_cx_active'), 0);
      assert.equal(h.stat('cluster.up.upstream_rq_active'), 0);
      assert.equal(h.stat('cluster.up.upstream_rq_pending_active'), 0);
      assert.equal(h.clusters.get('up')?.hosts[0]?.rqError, 1);
    });
  }
});

test('a response that breaks off resets the client', () => {
  const h = new RouterHarness();
  const request = h.request();
  const socket = h.dialer.accept();
  socket.feed('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
  assert.equal(request.body, 'abc');
  socket.fin();
  assert.equal(request.resetDetails, 'upstream_reset_after_response_started{protocol_error}');
  assert.equal(flags(request), 'UPE');
  assert.ok(!request.isComplete);
});

test('a body until close ends with the connection', () => {
  const h = new RouterHarness();
  const request = h.request();
  const socket = h.dialer.accept();
  socket.feed('HTTP/1.1 200 OK\r\n\r\nabc');
  socket.fin();
  assert.ok(request.isComplete);
  assert.equal(request.body, 'abc');
  assert.equal(h.stat('cluster.up.upstream_cx_destroy_remote'), 1);
  assert.equal(h.stat('cluster.up.upstream_cx_close_notify'), 0);
});

test('route timeout', () => {
  const h = new RouterHarness();
  const request = h.request('/', ['x-envoy-upstream-rq-timeout-ms: 100']);
  const socket = h.dialer.accept();
  assert.match(socket.take(), /x-envoy-expected-rq-timeout-ms: 100\r\n/);
  h.clock.advance(96);
  assert.equal(request.status, 0);
  h.clock.advance(8);
  assert.equal(request.status, 504);
  assert.equal(request.body, 'upstream request timeout');
  assert.equal(request.info.responseCodeDetails, 'response_timeout');
  assert.equal(flags(request), 'UT');
  assert.ok(socket.isClosed);
  assert.equal(h.stat('cluster.up.upstream_rq_timeout'), 1);
  assert.equal(h.stat('cluster.up.upstream_cx_destroy_local_with_active_rq'), 1);
  const alternative = h.request('/', [
    'x-envoy-upstream-rq-timeout-ms: 100',
    'x-envoy-upstream-rq-timeout-alt-response: 1',
  ]);
  h.dialer.accept();
  h.clock.advance(104);
  assert.equal(alternative.status, 204);
  assert.equal(alternative.body, '');
});

test('the route timeout starts when the request is complete', () => {
  const h = new RouterHarness();
  const request = h.request('POST /', ['x-envoy-upstream-rq-timeout-ms: 100'], { body: true });
  h.dialer.accept();
  h.clock.advance(500);
  assert.equal(request.status, 0);
  request.send('x', true);
  h.clock.advance(104);
  assert.equal(request.status, 504);
});

test('max_stream_duration of the cluster', () => {
  const http = { ...DEFAULT_HTTP_CONFIG, maxStreamDurationMs: 200 };
  const h = new RouterHarness([clusterConfig({ http })]);
  const complete = h.request();
  h.dialer.accept();
  h.clock.advance(204);
  assert.equal(complete.status, 504);
  assert.equal(complete.body, 'upstream max stream duration reached');
  assert.equal(flags(complete), 'UMSDR');
  const open = h.request('POST /', [], { body: true });
  h.dialer.accept();
  h.clock.advance(204);
  assert.equal(open.status, 408);
});

test('circuit breakers: pending requests, requests, connections', () => {
  const limits = { ...DEFAULT_LIMITS, maxPendingRequests: 1, maxRequests: 1 };
  const h = new RouterHarness([clusterConfig({ breakers: { DEFAULT: limits, HIGH: DEFAULT_LIMITS } })]);
  const first = h.request();
  assert.equal(h.stat('cluster.up.circuit_breakers.default.rq_pending_open'), 1);
  const second = h.request();
  assert.equal(second.status, 503);
  assert.match(second.body, /reset reason: overflow$/);
  assert.ok(second.lines.includes('x-envoy-overloaded: true'));
  assert.equal(flags(second), 'UO');
  assert.equal(second.info.upstream, null);
  assert.equal(h.stat('cluster.up.upstream_rq_pending_overflow'), 1);
  h.dialer.accept();
  assert.equal(h.stat('cluster.up.circuit_breakers.default.rq_open'), 1);
  const third = h.request();
  h.dialer.accept();
  assert.match(third.body, /reset reason: overflow$/);
  assert.equal(h.stat('cluster.up.upstream_rq_active_overflow'), 1);
  const important = h.request('/', [], { route: makeRoute({ forward: { priority: 'HIGH' } }) });
  h.dialer.accept();
  assert.equal(important.status, 0);
  assert.equal(first.status, 0);
});

test('the client goes away: connection closed, or the wish for one withdrawn', () => {
  const h = new RouterHarness();
  const waiting = h.request();
  waiting.destroy();
  assert.equal(h.stat('cluster.up.upstream_rq_cancelled'), 1);
  const socket = h.dialer.accept();
  assert.equal(h.stat('cluster.up.upstream_cx_active'), 1);
  const running = h.request();
  assert.notEqual(socket.take(), '');
  running.destroy();
  assert.ok(socket.isClosed);
  assert.equal(h.stat('cluster.up.upstream_rq_active'), 0);
  assert.equal(h.stat('cluster.up.upstream_cx_destroy_local_with_active_rq'), 1);
  h.clock.advance(20_000);
  assert.equal(running.status, 0);
});

test('back-pressure both ways', () => {
  const h = new RouterHarness();
  const request = h.request('POST /', ['content-length: 100'], { body: true });
  const socket = h.dialer.accept();
  socket.isAboveHighWatermark = true;
  request.send('x', false);
  assert.equal(request.requestPauses, 1);
  socket.isAboveHighWatermark = false;
  socket.handler.onDrain();
  assert.equal(request.requestPauses, 0);
  request.responseWatermarks?.onAboveWatermark();
  assert.equal(socket.pauses, 1);
  assert.equal(h.stat('cluster.up.upstream_flow_control_paused_reading_total'), 1);
  request.responseWatermarks?.onBelowWatermark();
  assert.equal(socket.pauses, 0);
  assert.equal(h.stat('cluster.up.upstream_flow_control_backed_up_total'), 1);
  assert.equal(h.stat('cluster.up.upstream_flow_control_drained_total'), 1);
});

test('a body without a connection to go to pauses its sender at the limit', () => {
  const h = new RouterHarness();
  const request = new FakeRequest(h, requestHeaders('POST /', []), makeRoute());
  request.bufferLimitBytes = 4;
  request.start(false);
  request.send('abcde', false);
  assert.equal(request.requestPauses, 1);
  assert.match(h.dialer.accept().take(), /5\r\nabcde\r\n$/);
  assert.equal(request.requestPauses, 0);
});

test('an upgrade: the body waits for 101, then bytes go both ways', () => {
  const h = new RouterHarness();
  const start = (): FakeRequest => {
    const request = new FakeRequest(
      h,
      requestHeaders('/ws', ['connection: upgrade', 'upgrade: websocket']),
      makeRoute(),
    );
    request.isUpgrade = true;
    request.start(false);
    request.send('early', false);
    return request;
  };
  const request = start();
  const socket = h.dialer.accept();
  assert.match(socket.take(), /upgrade: websocket\r\n.*\r\n\r\n$/s);
  socket.feed('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello');
  assert.equal(request.status, 101);
  assert.equal(request.body, 'hello');
  assert.equal(socket.take(), 'early');
  request.send('more', false);
  assert.equal(socket.take(), 'more');
  socket.fin();
  assert.equal(request.resetDetails, 'upstream_reset_after_response_started{connection_termination}');

  const declined = start();
  h.dialer.accept().feed(OK);
  assert.equal(declined.status, 200);
  assert.equal(declined.body, '');
  assert.equal(declined.info.responseCodeDetails, 'websocket_handshake_unsuccessful');
  const refused = start();
  h.dialer.accept().feed('HTTP/1.1 403 F\r\ncontent-length: 2\r\n\r\nno');
  assert.equal(refused.status, 403);
  assert.equal(refused.body, 'no');
});

test('1xx: 100 goes on, others do not', () => {
  const h = new RouterHarness();
  const request = h.request();
  h.dialer.accept().feed(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n${OK}`);
  assert.deepEqual(request.interim, [100]);
  assert.equal(request.status, 200);
  assert.equal(h.stat('cluster.up.upstream_rq_100'), 1);
});

test('a response before the request is complete ends the connection', () => {
  const h = new RouterHarness();
  const request = h.request('POST /', ['content-length: 10'], { body: true });
  const socket = h.dialer.accept();
  socket.feed(OK);
  assert.ok(request.isComplete);
  assert.ok(socket.isClosed);
  assert.ok(!request.lines.some((line) => line.startsWith('x-envoy-upstream-service-time')));
  assert.equal(h.stat('cluster.up.upstream_cx_destroy_local_with_active_rq'), 1);
});

test('a mirrored request gets a copy, and its answer is dropped', () => {
  const h = new RouterHarness([clusterConfig(), clusterConfig({ name: 'shadow' })]);
  const mirror = {
    clusterName: () => 'shadow',
    fraction: { numerator: 100, denominator: 100 },
    runtimeKey: '',
    disableShadowHostSuffix: false,
    hostRewriteLiteral: '',
    mutations: [],
  } as const;
  const route = makeRoute({ forward: { mirrors: [mirror] } });
  const request = h.request('POST /', ['content-length: 4'], { body: true, route });
  request.send('ab', false);
  const copy = h.dialer.accept();
  const main = h.dialer.accept();
  request.send('cd', true);
  const sent = copy.take();
  assert.match(sent, /^POST \/ HTTP\/1.1\r\nhost: example.com-shadow\r\n/);
  assert.match(sent, /x-envoy-internal: true\r\nx-forwarded-for: 192.0.2.2\r\n\r\nabcd$/);
  assert.match(main.take(), /abcd$/);
  main.feed(OK);
  copy.feed(OK);
  assert.equal(request.status, 200);
  assert.equal(h.stat('cluster.shadow.internal.upstream_rq_200'), 1);
  assert.equal(h.stat('cluster.up.external.upstream_rq_200'), 1);
});

test('configured: suppressed headers, strict checks, no counters per code', () => {
  const h = new RouterHarness([clusterConfig()], {
    suppress_envoy_headers: true,
    dynamic_stats: false,
    strict_check_headers: ['X-Envoy-Retry-On', 'x-envoy-upstream-rq-timeout-ms'],
  });
  const request = h.request();
  const socket = h.dialer.accept();
  assert.doesNotMatch(socket.take(), /x-envoy/);
  socket.feed(OK);
  assert.deepEqual(request.lines, [':status: 200', 'content-length: 2']);
  assert.equal(h.stat('cluster.up.upstream_rq_200'), 0);
  const bad = h.request('/', ['x-envoy-upstream-rq-timeout-ms: soon']);
  assert.equal(bad.status, 400);
  assert.equal(bad.body, "invalid header 'x-envoy-upstream-rq-timeout-ms' with value 'soon'");
  assert.equal(bad.info.responseCodeDetails, 'request_headers_failed_strict_check{x-envoy-upstream-rq-timeout-ms}');
});

test('statistics of virtual clusters, routes, canaries and zones', () => {
  const canary = endpoint(1, {
    metadata: new Map([['envoy.lb', { canary: true }]]),
    locality: { region: 'r', zone: 'b', subZone: '' },
  });
  const h = new RouterHarness([clusterConfig({ endpoints: { endpoints: [canary], overprovisioningFactor: 140 } })]);
  const route = makeRoute({ virtualHost: { virtualCluster: () => 'vc' }, route: { statPrefix: 'pre' } });
  h.request('/', ['x-envoy-internal: true', 'x-envoy-upstream-alt-stat-name: alt'], { route });
  const socket = h.dialer.accept();
  assert.doesNotMatch(socket.take(), /alt-stat/);
  socket.feed(OK);
  for (const name of [
    'cluster.up.canary.upstream_rq_200',
    'cluster.up.internal.upstream_rq_200',
    'cluster.up.alt.upstream_rq_200',
    'cluster.up.alt.internal.upstream_rq_2xx',
    'vhost.host.vcluster.vc.upstream_rq_200',
    'vhost.host.vcluster.vc.upstream_rq_total',
    'vhost.host.route.pre.upstream_rq_completed',
  ]) {
    assert.equal(h.stat(name), 1, name);
  }
});

test('auto_host_rewrite takes the endpoint’s name', () => {
  const named = { endpoints: [endpoint(1, { hostname: 'backend.test' })], overprovisioningFactor: 140 };
  const h = new RouterHarness([clusterConfig({ endpoints: named })]);
  const route = makeRoute({ forward: { autoHostRewrite: true, appendXForwardedHost: true } });
  h.request('/', [], { route });
  const sent = h.dialer.accept().take();
  assert.match(sent, /\r\nhost: backend.test\r\n/);
  assert.match(sent, /x-forwarded-host: example.com\r\nx-envoy-original-host: example.com\r\n/);
});

test('gRPC: success and failure by grpc-status', () => {
  const h = new RouterHarness();
  const send = (response: string): void => {
    const request = new FakeRequest(h, requestHeaders('POST /s/m', ['content-type: application/grpc']), makeRoute());
    request.start(true);
    const socket = h.dialer.dials.length > 0 ? h.dialer.accept() : h.dialer.sockets[0];
    socket?.feed(response);
  };
  send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\ngrpc-status: 0\r\n\r\n');
  send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\ngrpc-status: 14\r\n\r\n');
  const host = h.clusters.get('up')?.hosts[0];
  assert.equal(host?.rqSuccess, 1);
  assert.equal(host?.rqError, 1);
});
