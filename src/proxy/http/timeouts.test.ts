// Every timeout of the HTTP path in a whole proxy in memory, by a clock that the test moves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chunk,
  get,
  MemoryProxy,
  type MemoryProxyOptions,
  post,
  response,
} from '../../../test/simulation/memory-proxy.ts';

const HTTP = 'http.test.';

/** Runs `act` on a proxy and checks that nothing was reported and nothing stays behind once the client is gone. */
function withProxy(options: MemoryProxyOptions, act: (rig: MemoryProxy) => void): void {
  const rig = new MemoryProxy(options);
  try {
    act(rig);
    assert.deepEqual(rig.problems, []);
  } finally {
    rig.stop();
  }
}

/** A proxy whose upstream never answers. */
function withSilentUpstream(options: MemoryProxyOptions, act: (rig: MemoryProxy) => void): void {
  withProxy(options, (rig) => {
    rig.upstream.reply = () => '';
    act(rig);
  });
}

test('stream_idle_timeout answers 408 while the request is incomplete', () => {
  withProxy({ hcm: { stream_idle_timeout: '10s' } }, (rig) => {
    const client = rig.exchange('POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc');
    rig.advance(9_000);
    client.send('def');
    rig.advance(9_900);
    assert.deepEqual(client.answers, []);
    rig.advance(200);
    assert.deepEqual(client.answers, ['408 stream timeout']);
    assert.equal(rig.stat(`${HTTP}downstream_rq_idle_timeout`), 1);
    assert.deepEqual(rig.takeLog(), ['POST /up 408 SI stream_idle_timeout']);
    assert.equal(rig.upstream.last.isGone, true);
  });
});

test('stream_idle_timeout answers 504 once the request is complete, and a route overrides it', () => {
  const routes = [
    { match: { prefix: '/short' }, route: { cluster: 'upstream', idle_timeout: '2s', timeout: '0s' } },
    { match: { prefix: '/never' }, route: { cluster: 'upstream', idle_timeout: '0s', timeout: '0s' } },
    { match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '0s' } },
  ];
  withSilentUpstream({ routes, hcm: { stream_idle_timeout: '10s' } }, (rig) => {
    const short = rig.exchange(get('/short'));
    const never = rig.exchange(get('/never'));
    const usual = rig.exchange(get('/'));
    rig.advance(1_990);
    assert.deepEqual(short.answers, []);
    rig.advance(20);
    assert.deepEqual(short.answers, ['504 stream timeout']);
    assert.deepEqual(usual.answers, []);
    rig.advance(8_000);
    assert.deepEqual(usual.answers, ['504 stream timeout']);
    rig.advance(100_000);
    assert.deepEqual(never.answers, []);
    const log = ['GET /short 504 SI stream_idle_timeout', 'GET / 504 SI stream_idle_timeout'];
    assert.deepEqual(rig.takeLog(), log);
  });
});

test('stream_idle_timeout ends a response that has started, every byte postpones it', () => {
  withSilentUpstream({ hcm: { stream_idle_timeout: '10s' }, route: { timeout: '0s' } }, (rig) => {
    const client = rig.exchange(get('/'));
    rig.upstream.last.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab');
    for (let i = 0; i < 4; i++) {
      rig.advance(9_000);
      rig.upstream.last.send('c');
    }
    assert.deepEqual(client.answers, ['200 abcccc…']);
    rig.advance(10_100);
    assert.equal(client.isGone, true);
    assert.deepEqual(rig.takeLog(), ['GET / 200 SI stream_idle_timeout']);
    assert.equal(rig.upstream.last.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_rq_active`), 0);
  });
});

test('request_timeout counts until the request is complete', () => {
  withSilentUpstream({ hcm: { request_timeout: '5s' }, route: { timeout: '0s' } }, (rig) => {
    const slow = rig.exchange('POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc');
    const whole = rig.exchange(post('/whole', 'abc'));
    rig.advance(4_000);
    slow.send('def');
    rig.advance(900);
    assert.deepEqual(slow.answers, []);
    rig.advance(200);
    assert.deepEqual(slow.answers, ['408 request timeout']);
    assert.deepEqual(whole.answers, []);
    assert.equal(rig.stat(`${HTTP}downstream_rq_timeout`), 1);
    assert.deepEqual(rig.takeLog(), ['POST /slow 408 - request_overall_timeout']);
  });
});

test('request_headers_timeout counts from the first byte of a head to its end', () => {
  withProxy({ hcm: { request_headers_timeout: '3s' } }, (rig) => {
    const client = rig.connect();
    rig.advance(60_000);
    client.send('GET / HT');
    rig.advance(2_000);
    client.send('TP/1.1\r\n');
    rig.advance(900);
    client.send('Host: a\r\n');
    assert.deepEqual(client.answers, []);
    rig.advance(200);
    assert.deepEqual(client.answers, ['408 request header timeout']);
    assert.equal(rig.stat(`${HTTP}downstream_rq_header_timeout`), 1);
    assert.deepEqual(rig.takeLog(), ['- - 408 - request_header_timeout']);

    const quick = rig.connect();
    quick.send('GET /quick HT');
    rig.advance(2_900);
    quick.send('TP/1.1\r\nHost: a\r\n\r\n');
    rig.advance(10_000);
    assert.deepEqual(quick.answers, ['200 ok']);
  });
});

test('idle_timeout closes a connection without requests, not one that works', () => {
  const hcm = { common_http_protocol_options: { idle_timeout: '7s' }, stream_idle_timeout: '0s', drain_timeout: '1s' };
  withSilentUpstream({ hcm, route: { timeout: '0s' } }, (rig) => {
    const unused = rig.connect();
    const busy = rig.exchange(get('/'));
    rig.advance(6_900);
    assert.equal(unused.isGone, false);
    rig.advance(200);
    assert.equal(unused.isGone, true);
    rig.advance(20_000);
    rig.upstream.last.send(response('late'));
    assert.deepEqual(busy.answers, ['200 late']);
    rig.advance(6_900);
    assert.equal(busy.isGone, false);
    rig.advance(1_300);
    assert.equal(busy.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_cx_idle_timeout`), 2);
    assert.equal(rig.stat(`${HTTP}downstream_cx_active`), 0);
  });
});

test('max_connection_duration drains: the answer in progress is the last', () => {
  const hcm = { common_http_protocol_options: { max_connection_duration: '5s' }, drain_timeout: '1s' };
  withSilentUpstream({ hcm, route: { timeout: '0s' } }, (rig) => {
    const idle = rig.connect();
    const busy = rig.exchange(get('/'));
    rig.advance(5_100);
    assert.equal(idle.isGone, true);
    assert.equal(busy.isGone, false);
    rig.upstream.last.send(response('ok'));
    assert.deepEqual(busy.answers, ['200 ok']);
    assert.match(busy.text, /\r\nconnection: close\r\n/);
    rig.advance(1_100);
    assert.equal(busy.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_cx_max_duration_reached`), 2);
  });
});

test('max_stream_duration ends an exchange whatever moves', () => {
  const hcm = { common_http_protocol_options: { max_stream_duration: '5s' } };
  withSilentUpstream({ hcm, route: { timeout: '0s' } }, (rig) => {
    const waiting = rig.exchange(get('/waiting'));
    const started = rig.exchange(get('/started'));
    rig.upstream.last.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let i = 0; i < 4; i++) {
      rig.advance(1_000);
      rig.upstream.last.send(chunk('x'));
    }
    assert.deepEqual([waiting.answers, started.answers], [[], ['200 xxxx…']]);
    rig.advance(1_100);
    assert.deepEqual(waiting.answers, ['504 downstream duration timeout']);
    assert.equal(started.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_rq_max_duration_reached`), 2);
    assert.deepEqual(
      rig.takeLog().map((line) => line.split(' ').at(-1)),
      ['max_duration_timeout', 'max_duration_timeout'],
    );
  });
});

test('delayed_close_timeout gives the client time to read an error', () => {
  withProxy({ hcm: { delayed_close_timeout: '2s' } }, (rig) => {
    const client = rig.exchange('BAD\r\n\r\n');
    assert.deepEqual(client.answers, ['400 Bad Request']);
    assert.equal(client.isGone, false);
    client.send('more of it');
    rig.advance(1_900);
    assert.equal(client.isGone, false);
    rig.advance(200);
    assert.equal(client.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_cx_delayed_close_timeout`), 1);
    const polite = rig.exchange('BAD\r\n\r\n');
    polite.end();
    assert.equal(polite.isClosed, true);
    assert.equal(rig.stat(`${HTTP}downstream_cx_delayed_close_timeout`), 1);
  });
  withProxy({ hcm: { delayed_close_timeout: '0s' } }, (rig) => {
    assert.equal(rig.exchange('BAD\r\n\r\n').isGone, true);
  });
});

test('a client that never reads its last answer does not keep the connection, one that reads slowly does', () => {
  for (const [delayed_close_timeout, limitMs] of [
    ['2s', 2_000],
    ['0s', 60_000],
  ] as const) {
    const hcm = { delayed_close_timeout, common_http_protocol_options: { idle_timeout: '60s' } };
    withProxy({ hcm, nextPieceBytes: () => 10_000 }, (rig) => {
      rig.upstream.reply = () => response('x'.repeat(100_000));
      const dead = rig.connect();
      const slow = rig.connect();
      const { onData } = slow;
      // Takes one piece whenever it is resumed.
      slow.onData = (chunk, start, end) => {
        onData.call(slow, chunk, start, end);
        slow.stream.pause();
      };
      for (const client of [dead, slow]) {
        client.pause();
        client.send(get('/', 'Connection: close'));
      }
      assert.equal(rig.stat(`${HTTP}downstream_rq_active`), 0);
      rig.advance(limitMs - 100);
      assert.equal(dead.stream.isClosed || rig.stat(`${HTTP}downstream_cx_active`) < 2, false, delayed_close_timeout);
      for (let i = 0; i < 20; i++) {
        slow.resume();
        rig.advance(limitMs / 4);
      }
      assert.deepEqual(
        slow.answers.map((answer) => answer.length),
        [100_004],
        delayed_close_timeout,
      );
      assert.equal(rig.stat(`${HTTP}downstream_cx_active`), 0);
      dead.resume();
      assert.equal(dead.isGone, true);
      assert.equal(rig.stat(`${HTTP}downstream_cx_delayed_close_timeout`), 1);
    });
  }
});

test('the route timeout starts with the end of the request', () => {
  withSilentUpstream({ route: { timeout: '3s' } }, (rig) => {
    const client = rig.exchange('POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab');
    rig.advance(10_000);
    client.send('cd');
    rig.advance(2_900);
    assert.deepEqual(client.answers, []);
    rig.advance(200);
    assert.deepEqual(client.answers, ['504 upstream request timeout']);
    assert.deepEqual(rig.takeLog(), ['POST /t 504 UT response_timeout']);
    assert.equal(rig.stat('cluster.upstream.upstream_rq_timeout'), 1);
    assert.equal(rig.upstream.last.isGone, true);
    assert.equal(client.isGone, false);
    rig.upstream.reply = () => response('again');
    client.send(get('/'));
    assert.deepEqual(client.answers, ['504 upstream request timeout', '200 again']);
  });
});

test('the route timeout after the head cuts the response off', () => {
  withSilentUpstream({ route: { timeout: '3s' } }, (rig) => {
    const client = rig.exchange(get('/t'));
    rig.upstream.last.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab');
    rig.advance(3_100);
    assert.deepEqual(client.answers, ['200 ab…']);
    assert.equal(client.isGone, true);
    assert.match(rig.takeLog()[0] ?? '', /^GET \/t 200 UT /);
  });
});

test('per_try_timeout is retried, and the last try answers 504', () => {
  const retry_policy = {
    retry_on: '5xx',
    num_retries: 2,
    per_try_timeout: '1s',
    retry_back_off: { base_interval: '0.004s' },
  };
  withSilentUpstream({ route: { timeout: '60s', retry_policy } }, (rig) => {
    const client = rig.exchange(get('/'));
    for (let i = 0; i < 2; i++) rig.advance(1_050);
    assert.deepEqual(client.answers, []);
    rig.advance(1_200);
    assert.deepEqual(client.answers, ['504 upstream request timeout']);
    assert.equal(rig.upstream.requests.length, 3);
    assert.equal(rig.stat('cluster.upstream.upstream_rq_per_try_timeout'), 3);
    assert.match(rig.takeLog()[0] ?? '', /^GET \/ 504 (URX,UT|UT,URX) upstream_per_try_timeout$/);
    assert.deepEqual(
      rig.upstream.connections.map((peer) => peer.isGone),
      [true, true, true],
    );
  });
});

test('a connection that cannot be made in time is given up', () => {
  withProxy({ cluster: { connect_timeout: '0.5s' } }, (rig) => {
    rig.holdsDials = true;
    const client = rig.exchange(get('/'));
    rig.advance(480);
    assert.deepEqual(client.answers, []);
    rig.advance(40);
    const body = 'upstream connect error or disconnect/reset before headers. reset reason: connection timeout';
    assert.deepEqual(client.answers, [`503 ${body}`]);
    assert.equal(rig.stat('cluster.upstream.upstream_cx_connect_timeout'), 1);
    assert.equal(rig.stat('cluster.upstream.upstream_cx_active'), 0);
    assert.equal(rig.stat('cluster.upstream.upstream_rq_pending_active'), 0);
    assert.equal(rig.cancelledDials, 1);
  });
});

test('a request whose client leaves while it waits for a connection waits no more', () => {
  withProxy({}, (rig) => {
    rig.holdsDials = true;
    const client = rig.exchange(get('/gone'));
    assert.equal(rig.stat('cluster.upstream.upstream_rq_pending_active'), 1);
    client.close();
    assert.equal(rig.stat('cluster.upstream.upstream_rq_pending_active'), 0);
    assert.equal(rig.stat(`${HTTP}downstream_rq_active`), 0);
    assert.deepEqual(rig.takeLog(), ['GET /gone 0 DC downstream_remote_disconnect']);
    rig.advance(2_000);
    assert.equal(rig.stat('cluster.upstream.upstream_cx_active'), 0);
  });
});

test('idle upstream connections are closed', () => {
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const options = {
    '@type': `type.googleapis.com/${type}`,
    common_http_protocol_options: { idle_timeout: '4s' },
    explicit_http_config: { http_protocol_options: {} },
  };
  withProxy({ cluster: { typed_extension_protocol_options: { [type]: options } } }, (rig) => {
    const client = rig.exchange(get('/'));
    rig.advance(3_000);
    client.send(get('/'));
    assert.equal(rig.upstream.connections.length, 1);
    rig.advance(3_900);
    assert.equal(rig.upstream.last.isGone, false);
    rig.advance(200);
    assert.equal(rig.upstream.last.isGone, true);
    assert.equal(rig.stat('cluster.upstream.upstream_cx_idle_timeout'), 1);
    assert.equal(rig.stat('cluster.upstream.upstream_cx_active'), 0);
  });
});
