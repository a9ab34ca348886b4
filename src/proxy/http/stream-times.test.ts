// Every timeout and drain of downstream HTTP/2 in a whole proxy in memory, by a clock that the test moves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertQuiet,
  connectHttp2,
  http2Cluster,
  type Http2MemoryClient,
  Http2MemoryUpstream,
} from '../../../test/simulation/http2-memory.ts';
import { get, MemoryProxy, type MemoryProxyOptions } from '../../../test/simulation/memory-proxy.ts';
import { CLIENT_START, block, frame, GET } from '../../wire/http2/testing/raw.ts';

const HTTP = 'http.test.';
const CONTINUATION = 9;
const HEADERS = 1;

/** Runs `act` on a proxy; in the end no exchange may be left on any side. */
function withProxy(options: MemoryProxyOptions, act: (rig: MemoryProxy, upstream: Http2MemoryUpstream) => void): void {
  const rig = new MemoryProxy({ cluster: http2Cluster(), ...options });
  try {
    const upstream = new Http2MemoryUpstream(rig);
    act(rig, upstream);
    assertQuiet(rig);
    assert.deepEqual(rig.problems, []);
  } finally {
    rig.stop();
  }
}

/** A proxy whose upstream never answers by itself. */
function withSilentUpstream(
  options: MemoryProxyOptions,
  act: (rig: MemoryProxy, upstream: Http2MemoryUpstream) => void,
): void {
  withProxy(options, (rig, upstream) => {
    upstream.reply = () => undefined;
    act(rig, upstream);
  });
}

const detailsOf = (rig: MemoryProxy): (string | undefined)[] => rig.takeLog().map((line) => line.split(' ').at(-1));

test('stream_idle_timeout is each stream’s own', () => {
  withSilentUpstream({ hcm: { stream_idle_timeout: '10s' }, route: { timeout: '0s' } }, (rig, upstream) => {
    const client = connectHttp2(rig);
    const upload = client.post('/upload', null);
    const waiting = client.request('/waiting');
    const started = client.request('/started');
    upstream.lastExchange.sendHead([[':status', '200']]);
    for (let i = 0; i < 3; i++) {
      rig.advance(9_000);
      if (i === 0) assert.deepEqual(client.texts, ['', '', '200 …']);
      upload.send('x');
      upstream.lastExchange.send('y');
    }
    assert.equal(waiting.text, '504 stream timeout');
    assert.equal(upload.text, '');
    rig.advance(10_100);
    // Envoy gives up what has begun; what has not is answered.
    assert.equal(upload.text, '408 stream timeout reset noError');
    assert.match(started.text, /^200 yyy… reset /);
    assert.equal(rig.stat(`${HTTP}downstream_rq_idle_timeout`), 3);
    assert.deepEqual(
      detailsOf(rig),
      Array.from({ length: 3 }, () => 'stream_idle_timeout'),
    );
    assert.equal(client.isGone, false);
    assert.deepEqual(
      upstream.exchanges.map(({ isClosed }) => isClosed),
      [true, true, true],
    );
    upstream.reply = (exchange) => exchange.respond(200, 'again');
    assert.equal(client.request('/').text, '200 again');
  });
});

test('a route has its own idle timeout, longer, shorter or none', () => {
  const routes = [
    { match: { prefix: '/short' }, route: { cluster: 'upstream', idle_timeout: '2s', timeout: '0s' } },
    { match: { prefix: '/long' }, route: { cluster: 'upstream', idle_timeout: '30s', timeout: '0s' } },
    { match: { prefix: '/never' }, route: { cluster: 'upstream', idle_timeout: '0s', timeout: '0s' } },
    { match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '0s' } },
  ];
  withSilentUpstream({ routes, hcm: { stream_idle_timeout: '10s' } }, (rig) => {
    const client = connectHttp2(rig);
    for (const path of ['/short', '/long', '/never', '/']) client.request(path);
    const timeout = '504 stream timeout';
    rig.advance(1_990);
    assert.deepEqual(client.texts, ['', '', '', '']);
    rig.advance(20);
    assert.deepEqual(client.texts, [timeout, '', '', '']);
    rig.advance(8_000);
    assert.deepEqual(client.texts, [timeout, '', '', timeout]);
    rig.advance(20_000);
    assert.deepEqual(client.texts, [timeout, timeout, '', timeout]);
    rig.advance(1_000_000);
    assert.equal(client.exchanges[2]?.text, '');
    client.exchanges[2]?.reset();
    rig.takeLog();
  });
});

test('request_timeout counts until each request is complete', () => {
  withSilentUpstream({ hcm: { request_timeout: '5s' }, route: { timeout: '0s' } }, (rig, upstream) => {
    const client = connectHttp2(rig);
    const slow = client.post('/slow', null);
    const whole = client.post('/whole', 'abc');
    rig.advance(4_000);
    slow.send('def');
    const later = client.post('/later', null);
    rig.advance(1_100);
    assert.deepEqual(client.texts, ['408 request timeout reset noError', '', '']);
    assert.equal(later.text, '');
    rig.advance(4_000);
    assert.equal(later.text, '408 request timeout reset noError');
    assert.equal(rig.stat(`${HTTP}downstream_rq_timeout`), 2);
    assert.deepEqual(detailsOf(rig), ['request_overall_timeout', 'request_overall_timeout']);
    rig.advance(100_000);
    for (const exchange of upstream.exchanges) exchange.respond(200, 'late');
    assert.equal(whole.text, '200 late');
  });
});

test('max_stream_duration ends exchanges whatever moves, and not their neighbours', () => {
  const hcm = { common_http_protocol_options: { max_stream_duration: '5s' } };
  const routes = [
    {
      match: { prefix: '/more' },
      route: { cluster: 'upstream', timeout: '0s', max_stream_duration: { max_stream_duration: '9s' } },
    },
    { match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '0s' } },
  ];
  withSilentUpstream({ hcm, routes }, (rig, upstream) => {
    const client = connectHttp2(rig);
    client.request('/more');
    client.request('/waiting');
    client.post('/upload', null);
    client.request('/started');
    upstream.lastExchange.sendHead([[':status', '200']]);
    for (let i = 0; i < 4; i++) {
      rig.advance(1_000);
      upstream.lastExchange.send('x');
    }
    const young = client.request('/young');
    rig.advance(1_100);
    const text = 'downstream duration timeout';
    assert.deepEqual(client.texts.slice(0, 3), ['', `504 ${text}`, `408 ${text} reset noError`]);
    assert.match(client.texts[3] ?? '', /^200 xxxx… reset /);
    assert.equal(young.text, '');
    rig.advance(4_000);
    assert.equal(young.text, `504 ${text}`);
    assert.equal(client.texts[0], `504 ${text}`);
    assert.equal(rig.stat(`${HTTP}downstream_rq_max_duration_reached`), 5);
    assert.deepEqual(new Set(detailsOf(rig)), new Set(['max_duration_timeout']));
    assert.equal(client.isGone, false);
  });
});

test('the route timeout starts with the end of each request', () => {
  withSilentUpstream({ route: { timeout: '3s' } }, (rig, upstream) => {
    const client = connectHttp2(rig);
    const slow = client.post('/slow', null);
    const quick = client.request('/quick');
    rig.advance(3_100);
    assert.equal(quick.text, '504 upstream request timeout');
    assert.equal(upstream.exchanges[1]?.isClosed, true);
    slow.send('', true);
    rig.advance(2_900);
    assert.equal(slow.text, '');
    rig.advance(200);
    assert.equal(slow.text, '504 upstream request timeout');
    assert.equal(rig.stat('cluster.upstream.upstream_rq_timeout'), 2);
    assert.equal(upstream.connections.length, 1);
  });
});

test('request_headers_timeout ends a connection whose head comes drop by drop', () => {
  withProxy({ hcm: { request_headers_timeout: '3s' } }, (rig) => {
    const client = connectHttp2(rig);
    assert.equal(client.request('/').text, '200 ok');
    const raw = rig.connect();
    raw.keepsText = true;
    rig.advance(60_000);
    const fields = block([...GET, ['x-long', 'y'.repeat(100)]]);
    const send = (bytes: Buffer): void => raw.send(bytes.toString('latin1'));
    send(CLIENT_START);
    rig.advance(60_000);
    send(frame(HEADERS, 1, 1, fields.subarray(0, 10)));
    for (let at = 10; at < 40; at += 10) {
      rig.advance(900);
      assert.equal(rig.stat(`${HTTP}downstream_rq_header_timeout`), 0);
      send(frame(CONTINUATION, 0, 1, fields.subarray(at, at + 10)));
    }
    rig.advance(400);
    assert.equal(rig.stat(`${HTTP}downstream_rq_header_timeout`), 1);
    assert.match(raw.text, /request header timeout/);
    rig.advance(1_100);
    assert.equal(raw.isGone, true);
    // The other connection never noticed.
    assert.equal(client.request('/').text, '200 ok');

    const quick = rig.connect();
    quick.send(CLIENT_START.toString('latin1'));
    quick.send(frame(HEADERS, 1, 1, fields.subarray(0, 10)).toString('latin1'));
    rig.advance(2_900);
    quick.send(frame(CONTINUATION, 4, 1, fields.subarray(10)).toString('latin1'));
    rig.advance(10_000);
    assert.equal(rig.stat(`${HTTP}downstream_rq_header_timeout`), 1);
    assert.equal(quick.isGone, false);
    rig.takeLog();
  });
});

test('idle_timeout says GOAWAY, once more when drain_timeout is over, and closes', () => {
  const hcm = {
    common_http_protocol_options: { idle_timeout: '7s' },
    stream_idle_timeout: '0s',
    drain_timeout: '2s',
    delayed_close_timeout: '1s',
  };
  withSilentUpstream({ hcm, route: { timeout: '0s' } }, (rig, upstream) => {
    const unused = connectHttp2(rig);
    const busy = connectHttp2(rig);
    const exchange = busy.request('/');
    rig.advance(6_900);
    assert.deepEqual(unused.goaways, []);
    rig.advance(200);
    assert.deepEqual(unused.goaways, ['all noError']);
    assert.equal(unused.isGone, false);
    rig.advance(2_000);
    assert.deepEqual(unused.goaways, ['all noError', '0 noError']);
    assert.equal(unused.isGone, false, 'the client has time to read it');
    rig.advance(1_100);
    assert.equal(unused.isGone, true);
    rig.advance(20_000);
    assert.deepEqual(busy.goaways, []);
    upstream.lastExchange.respond(200, 'late');
    assert.equal(exchange.text, '200 late');
    rig.advance(6_900);
    assert.deepEqual(busy.goaways, []);
    rig.advance(200);
    assert.deepEqual(busy.goaways, ['all noError']);
    rig.advance(3_200);
    assert.equal(busy.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_cx_idle_timeout`), 2);
    assert.equal(rig.stat(`${HTTP}downstream_cx_active`), 0);
    assert.equal(rig.stat(`${HTTP}downstream_cx_http2_active`), 0);
  });
});

/** What a connection that drains does with what is open and with what comes. */
function checkDrain(rig: MemoryProxy, upstream: Http2MemoryUpstream, client: Http2MemoryClient): void {
  assert.deepEqual(client.goaways, ['all noError']);
  // Until the second GOAWAY the client may not know yet.
  const late = client.exchanges.at(-1);
  rig.advance(2_100);
  assert.deepEqual(client.goaways, ['all noError', `${late?.wire.id} noError`]);
  assert.equal(client.isGone, false);
  for (const exchange of upstream.exchanges) if (!exchange.isClosed) exchange.respond(200, 'last');
  assert.deepEqual(new Set(client.texts), new Set(['200 last']));
  rig.advance(1_100);
  assert.equal(client.isGone, true);
}

test('max_connection_duration drains: streams that are open go on', () => {
  const hcm = {
    common_http_protocol_options: { max_connection_duration: '5s' },
    drain_timeout: '2s',
    delayed_close_timeout: '1s',
  };
  withSilentUpstream({ hcm, route: { timeout: '0s' } }, (rig, upstream) => {
    const client = connectHttp2(rig);
    client.request('/a');
    client.post('/b', null).send('', true);
    rig.advance(5_100);
    assert.equal(rig.stat(`${HTTP}downstream_cx_max_duration_reached`), 1);
    checkDrain(rig, upstream, client);
  });
});

test('max_requests_per_connection drains with the last one', () => {
  const hcm = {
    common_http_protocol_options: { max_requests_per_connection: 2 },
    drain_timeout: '2s',
    delayed_close_timeout: '1s',
  };
  withSilentUpstream({ hcm, route: { timeout: '0s' } }, (rig, upstream) => {
    const client = connectHttp2(rig);
    client.request('/a');
    assert.deepEqual(client.goaways, []);
    client.request('/b');
    assert.equal(rig.stat(`${HTTP}downstream_cx_max_requests_reached`), 1);
    checkDrain(rig, upstream, client);
  });
});

test('a listener or process that drains tells clients with an answer, and ends those that stay', () => {
  const drains: Record<string, (rig: MemoryProxy) => void> = {
    'a listener': (rig) => void rig.proxy.worker.listeners.remove('test'),
    'the process': (rig) => rig.proxy.drain.start(),
    'a failed health check': (rig) => {
      rig.proxy.drain.healthCheckFailed = true;
    },
  };
  for (const [who, drain] of Object.entries(drains)) {
    const hcm = { drain_timeout: '2s', delayed_close_timeout: '1s' };
    withProxy({ hcm, options: { drainStrategy: 'immediate', drainTimeMs: 60_000 } }, (rig, upstream) => {
      const client = connectHttp2(rig);
      const quiet = connectHttp2(rig);
      assert.equal(quiet.request('/').text, '200 ok');
      assert.equal(client.request('/before').text, '200 ok');
      assert.deepEqual(client.goaways, []);
      rig.run(() => drain(rig));
      upstream.reply = () => undefined;
      const slow = client.request('/slow');
      upstream.reply = (exchange) => exchange.respond(200, 'ok');
      assert.equal(client.request('/during').text, '200 ok', who);
      assert.deepEqual(client.goaways, ['all noError'], who);
      assert.equal(rig.stat(`${HTTP}downstream_cx_drain_close`), 1, who);
      rig.advance(2_100);
      assert.deepEqual(client.goaways, ['all noError', '5 noError'], who);
      assert.equal(client.isGone, false);
      upstream.exchanges.find(({ isClosed }) => !isClosed)?.respond(200, 'slow');
      assert.equal(slow.text, '200 slow', who);
      rig.advance(1_100);
      assert.equal(client.isGone, true, who);
      assert.deepEqual(quiet.goaways, [], who);
      rig.advance(57_000);
      assert.equal(quiet.isGone, who === 'a listener', who);
      rig.takeLog();
    });
  }
});

test('delayed_close_timeout gives a client that broke the protocol time to read why', () => {
  withProxy({ hcm: { delayed_close_timeout: '2s' } }, (rig) => {
    const raw = rig.connect();
    raw.send(CLIENT_START.toString('latin1'));
    raw.send(frame(0, 0, 1, Buffer.from('DATA without a stream')).toString('latin1'));
    assert.match(raw.text, /DATA: stream in idle/);
    raw.send('anything');
    rig.advance(1_900);
    assert.equal(raw.isGone, false);
    rig.advance(200);
    assert.equal(raw.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_cx_delayed_close_timeout`), 1);
    assert.equal(rig.stat(`${HTTP}downstream_cx_protocol_error`), 1);
    assert.equal(rig.stat(`${HTTP}downstream_cx_destroy_local`), 1);
  });
});

test('HTTP/1 beside it keeps its times', () => {
  withProxy({ hcm: { stream_idle_timeout: '2s' }, route: { timeout: '0s' } }, (rig, upstream) => {
    upstream.reply = () => undefined;
    const old = rig.exchange(get('/'));
    const client = connectHttp2(rig);
    const exchange = client.request('/');
    rig.advance(2_100);
    assert.deepEqual(old.answers, ['504 stream timeout']);
    assert.equal(exchange.text, '504 stream timeout');
    rig.takeLog();
  });
});
