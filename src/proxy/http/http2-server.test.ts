// Messages over downstream HTTP/2 in a whole proxy in memory: whole, cut, refused, upgraded, and slow to leave.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertQuiet,
  connectHttp2,
  type Field,
  http2Cluster,
  Http2MemoryUpstream,
} from '../../../test/simulation/http2-memory.ts';
import { chunk, MemoryProxy, type MemoryProxyOptions, response } from '../../../test/simulation/memory-proxy.ts';
import { CLIENT_START, data, GET, headers, SETTINGS_ACK } from '../../wire/http2/testing/raw.ts';

const HTTP = 'http.test.';

/** Runs `act` on a proxy; in the end no exchange may be left on any side. */
function withProxy(options: MemoryProxyOptions, act: (rig: MemoryProxy, upstream: Http2MemoryUpstream) => void): void {
  const rig = new MemoryProxy({ cluster: http2Cluster(), ...options });
  try {
    const upstream = new Http2MemoryUpstream(rig);
    act(rig, upstream);
    assertQuiet(rig);
    rig.takeLog();
    assert.deepEqual(rig.problems, []);
  } finally {
    rig.stop();
  }
}

/** A client whose streams take so few bytes before it gives credit. */
const NARROW = { initialStreamWindow: 1_000, largestStreamWindow: 1_000 };
const LARGE = 'z'.repeat(50_000);

// ─── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────

test('many streams at once, each with its own answer, in any order', () => {
  withProxy({}, (rig, upstream) => {
    upstream.reply = () => undefined;
    const client = connectHttp2(rig);
    for (let i = 0; i < 200; i++) {
      if (i % 2 === 0) client.request(`/${i}`);
      else client.post(`/${i}`, `body of ${i}`);
    }
    assert.equal(rig.stat(`${HTTP}downstream_rq_active`), 200);
    assert.equal(rig.stat('http2.streams_active'), 200);
    const waiting = upstream.exchanges;
    assert.equal(waiting.length, 200);
    for (let i = 0; i < 200; i++) {
      const exchange = waiting[(i * 77) % 200];
      exchange?.respond(200, `${exchange.head?.path} ${exchange.body}`);
    }
    assert.deepEqual(
      client.texts,
      Array.from({ length: 200 }, (_, i) => `200 /${i} ${i % 2 === 0 ? '' : `body of ${i}`}`),
    );
    assert.equal(rig.stat(`${HTTP}downstream_rq_http2_total`), 200);
    assert.equal(rig.stat(`${HTTP}downstream_rq_2xx`), 200);
    assert.equal(rig.stat(`${HTTP}downstream_cx_total`), 1);
  });
});

test('trailers go both ways, with a body and without', () => {
  withProxy({}, (rig, upstream) => {
    upstream.reply = (exchange) => {
      exchange.sendHead([[':status', '200']]);
      if (exchange.bytes > 0) exchange.send(exchange.body);
      exchange.sendTrailers([['x-back', exchange.trailers?.get('x-forth') ?? 'none']]);
    };
    const client = connectHttp2(rig);
    const withBody = client.post('/', null);
    withBody.send('abc');
    withBody.sendTrailers([['x-forth', '1']]);
    const bare = client.post('/', null);
    bare.sendTrailers([['x-forth', '2']]);
    const none = client.post('/', 'x');
    assert.deepEqual([withBody.text, bare.text, none.text], ['200 abc x-back=1', '200  x-back=2', '200 x x-back=none']);
    assert.equal(rig.stat('http2.trailers'), 2);
  });
});

test('trailers wait behind a body that waits for the client', () => {
  withProxy({}, (rig, upstream) => {
    upstream.reply = (exchange) => {
      exchange.sendHead([[':status', '200']]);
      exchange.send(LARGE);
      exchange.sendTrailers([['x-last', 'yes']]);
    };
    const client = connectHttp2(rig, NARROW);
    const exchange = client.request('/');
    assert.equal(exchange.text, `200 ${LARGE} x-last=yes`);
    client.opensStalled = true;
    const stalled = client.request('/');
    assert.equal(stalled.text, `200 ${LARGE.slice(0, 1_000)}…`);
    stalled.goOn();
    assert.equal(stalled.text, `200 ${LARGE} x-last=yes`);
  });
});

test('100 Continue comes from the proxy, or from the upstream when it is to be passed on', () => {
  withProxy({}, (rig, upstream) => {
    const exchange = connectHttp2(rig).post('/', null, ['expect', '100-continue']);
    assert.equal(exchange.text, '100 ');
    assert.equal(upstream.lastExchange.field('expect'), undefined);
    exchange.send('abc', true);
    assert.equal(exchange.text, '100 200 ok');
  });
  withProxy({ hcm: { proxy_100_continue: true } }, (rig, upstream) => {
    const exchange = connectHttp2(rig).post('/', null, ['expect', '100-continue']);
    assert.equal(exchange.text, '');
    assert.equal(upstream.lastExchange.field('expect'), '100-continue');
    upstream.lastExchange.sendInterim([[':status', '100']]);
    assert.equal(exchange.text, '100 ');
    exchange.send('abc', true);
    assert.equal(exchange.text, '100 200 ok');
  });
});

test('HEAD has no body, whatever its content-length says', () => {
  withProxy({}, (rig, upstream) => {
    upstream.reply = (exchange) =>
      exchange.sendHead(
        [
          [':status', '200'],
          ['content-length', '5000'],
        ],
        true,
      );
    const client = connectHttp2(rig);
    const head = client.open(
      [
        [':method', 'HEAD'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/'],
      ],
      true,
    );
    assert.equal(head.text, '200 ');
    assert.equal(head.field('content-length'), '5000');
  });
});

const PROTOCOL = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP1_WITH_TRAILERS = {
  typed_extension_protocol_options: {
    [PROTOCOL]: {
      '@type': `type.googleapis.com/${PROTOCOL}`,
      explicit_http_config: { http_protocol_options: { enable_trailers: true } },
    },
  },
};

test('HTTP/1 upstreams serve HTTP/2 clients', () => {
  withProxy({ cluster: HTTP1_WITH_TRAILERS }, (rig) => {
    rig.upstream.reply = ({ body }) => {
      const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n';
      return `${head}${chunk(body)}0\r\nx-sum: ${body.length}\r\n\r\n`;
    };
    const client = connectHttp2(rig);
    const exchange = client.post('/', null);
    exchange.send('abc');
    exchange.send('def', true);
    assert.equal(exchange.text, '200 abcdef x-sum=6');
    assert.equal(exchange.field('transfer-encoding'), undefined);
    rig.upstream.reply = () => response('plain', 200, 'Connection: keep-alive', 'Keep-Alive: timeout=5');
    const plain = client.request('/');
    assert.equal(plain.text, '200 plain');
    assert.deepEqual([plain.field('connection'), plain.field('keep-alive')], [undefined, undefined]);
  });
});

// ─── Ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a complete answer to an incomplete request asks the client to stop, once it has left', () => {
  withProxy({}, (rig, upstream) => {
    upstream.onHead = (exchange) => exchange.respond(200, LARGE);
    upstream.reply = () => undefined;
    const client = connectHttp2(rig, NARROW);
    assert.equal(client.post('/quick', null).text, `200 ${LARGE} reset noError`);
    client.opensStalled = true;
    const stalled = client.post('/stalled', null);
    assert.equal(stalled.text, `200 ${LARGE.slice(0, 1_000)}…`);
    // It is over above, and not on the wire; what the client sends on it goes nowhere.
    assert.equal(rig.stat(`${HTTP}downstream_rq_active`), 0);
    assert.equal(rig.stat('http2.streams_active'), 1);
    assert.equal(rig.stat('http2.pending_send_bytes'), LARGE.length - 1_000);
    for (let i = 0; i < 100; i++) stalled.send(LARGE);
    assert.equal(client.pendingBytes, 0, 'the client may go on sending');
    assert.equal(stalled.isClosed, false);
    stalled.goOn();
    assert.equal(stalled.text, `200 ${LARGE} reset noError`);
    assert.equal(rig.stat(`${HTTP}downstream_rq_response_before_rq_complete`), 2);
    assert.equal(client.isGone, false);
    assert.deepEqual(
      upstream.exchanges.map(({ isClosed }) => isClosed),
      [true, true],
    );
  });
});

test('an answer that does not leave is given up after the idle time, one that leaves slowly is not', () => {
  withProxy({ hcm: { stream_idle_timeout: '10s' }, route: { timeout: '0s' } }, (rig, upstream) => {
    upstream.reply = (exchange) => exchange.respond(200, LARGE);
    const client = connectHttp2(rig, NARROW);
    client.opensStalled = true;
    const dead = client.request('/dead');
    const slow = client.request('/slow');
    rig.advance(9_900);
    const young = client.request('/young');
    slow.goOn(700);
    rig.advance(200);
    assert.equal(dead.resetBy, 'internal');
    assert.equal(rig.stat('http2.tx_flush_timeout'), 1);
    assert.deepEqual([slow.resetBy, young.resetBy], ['', ''], 'each has the whole time');
    for (let i = 0; i < 10; i++) {
      slow.goOn(700);
      young.goOn(700);
      rig.advance(9_000);
    }
    assert.equal(rig.stat('http2.tx_flush_timeout'), 1);
    slow.goOn();
    assert.equal(slow.text, `200 ${LARGE}`);
    rig.advance(10_100);
    assert.equal(young.resetBy, 'internal');
    assert.equal(rig.stat('http2.tx_flush_timeout'), 2);
  });
});

test('a client that gives a stream up ends its request upstream, and no other', () => {
  withProxy({}, (rig, upstream) => {
    upstream.reply = () => undefined;
    const client = connectHttp2(rig);
    const [waiting, upload, started, stays] = [
      client.request('/waiting'),
      client.post('/upload', null),
      client.request('/started'),
      client.request('/stays'),
    ];
    upload.send('x');
    upstream.exchanges[2]?.sendHead([[':status', '200']]);
    for (const exchange of [waiting, upload, started]) exchange.reset();
    assert.deepEqual(
      upstream.exchanges.map(({ isClosed }) => isClosed),
      [true, true, true, false],
    );
    assert.equal(rig.stat('http2.rx_reset'), 3);
    assert.equal(rig.stat(`${HTTP}downstream_rq_rx_reset`), 3);
    assert.equal(rig.stat('cluster.upstream.upstream_rq_tx_reset'), 3);
    upstream.lastExchange.respond(200, 'ok');
    assert.equal(stays.text, '200 ok');
    assert.deepEqual(rig.takeLog(), [
      'GET /waiting 0 DR http2.remote_reset',
      'POST /upload 0 DR http2.remote_reset',
      'GET /started 200 DR http2.remote_reset',
      'GET /stays 200 - via_upstream',
    ]);
  });
});

test('an upstream that gives a stream up ends its own exchange, and no other', () => {
  withProxy({}, (rig, upstream) => {
    upstream.reply = () => undefined;
    const client = connectHttp2(rig);
    const waiting = client.request('/waiting');
    const started = client.request('/started');
    const stays = client.request('/stays');
    upstream.exchanges[1]?.sendHead([[':status', '200']]);
    upstream.exchanges[1]?.send('abc');
    upstream.exchanges[0]?.reset('internal');
    upstream.exchanges[1]?.reset('internal');
    assert.match(waiting.text, /^503 upstream connect error/);
    assert.match(started.text, /^200 abc… reset /);
    assert.equal(stays.text, '');
    upstream.lastExchange.respond(200, 'ok');
    assert.equal(stays.text, '200 ok');
    assert.equal(rig.stat('cluster.upstream.upstream_rq_rx_reset'), 2);
    assert.equal(upstream.connections.length, 1);
  });
});

test('a client that leaves ends all its exchanges', () => {
  for (const how of ['end', 'close', 'reset'] as const) {
    withProxy({}, (rig, upstream) => {
      upstream.reply = () => undefined;
      const client = connectHttp2(rig);
      client.request('/waiting');
      client.post('/upload', null).send(LARGE);
      client.request('/started');
      upstream.lastExchange.respond(200);
      client[how]();
      assert.deepEqual(
        upstream.exchanges.map(({ isClosed }) => isClosed),
        [true, true, true],
        how,
      );
      assert.equal(rig.stat(`${HTTP}downstream_cx_destroy_remote_active_rq`), 1);
      assert.equal(rig.stat('cluster.upstream.upstream_cx_active'), 1, 'the upstream connection stays');
      const log = rig.takeLog().sort();
      const gone = '0 DC downstream_remote_disconnect';
      assert.deepEqual(log, [`GET /started 200 - via_upstream`, `GET /waiting ${gone}`, `POST /upload ${gone}`], how);
      assertQuiet(rig, false);
    });
  }
});

test('streams above max_concurrent_streams are refused, and cost the others nothing', () => {
  withProxy({ hcm: { http2_protocol_options: { max_concurrent_streams: 3 } } }, (rig, upstream) => {
    upstream.reply = () => undefined;
    const client = connectHttp2(rig);
    assert.equal(client.http2.peer.maxConcurrentStreams, 3);
    client.http2.peer.maxConcurrentStreams = 100;
    for (let i = 0; i < 5; i++) client.request(`/${i}`);
    assert.deepEqual(client.texts, ['', '', '', 'reset refusedStream', 'reset refusedStream']);
    for (const exchange of upstream.exchanges) exchange.respond(200, 'ok');
    assert.deepEqual(client.texts.slice(0, 3), ['200 ok', '200 ok', '200 ok']);
    assert.equal(rig.stat('http2.stream_refused_errors'), 2);
    upstream.reply = (exchange) => exchange.respond(200, 'more');
    assert.equal(client.request('/').text, '200 more');
  });
});

test('a window smaller than the usual one binds whoever knows of it', () => {
  const custom_settings_parameters = [{ identifier: 4, value: 1_000 }];
  withProxy({ hcm: { http2_protocol_options: { custom_settings_parameters } } }, (rig, upstream) => {
    upstream.reply = (exchange) => exchange.respond(200, String(exchange.bytes));
    const head = headers(1, [...GET.slice(1), [':method', 'POST']], 4);
    const body = [0, 1, 2, 3].map((i) => data(1, 'x'.repeat(16_000), i === 3 ? 1 : 0));
    const raw = rig.connect();
    raw.send(Buffer.concat([CLIENT_START, head, ...body]).toString('latin1'));
    assert.equal(upstream.lastExchange.bytes, 64_000);
    assert.match(raw.text, /64000$/);
    const ours = headers(3, [...GET.slice(1), [':method', 'POST']], 4);
    raw.send(Buffer.concat([SETTINGS_ACK, ours, data(3, 'x'.repeat(1_001))]).toString('latin1'));
    assert.equal(rig.stat('http2.tx_reset'), 1);
  });
});

// ─── Policies ─────────────────────────────────────────────────────────────────────────────────────────────────────

test('fields with underscores are allowed, dropped, or end their stream', () => {
  const policy = (action: string): MemoryProxyOptions => ({
    hcm: { common_http_protocol_options: { headers_with_underscores_action: action } },
  });
  withProxy(policy('ALLOW'), (rig, upstream) => {
    connectHttp2(rig).request('/', ['x_y', '1']);
    assert.equal(upstream.lastExchange.field('x_y'), '1');
  });
  withProxy(policy('DROP_HEADER'), (rig, upstream) => {
    assert.equal(connectHttp2(rig).request('/', ['x_y', '1'], ['x-y', '2']).text, '200 ok');
    assert.deepEqual([upstream.lastExchange.field('x_y'), upstream.lastExchange.field('x-y')], [undefined, '2']);
    assert.equal(rig.stat('http2.dropped_headers_with_underscores'), 1);
  });
  withProxy(policy('REJECT_REQUEST'), (rig, upstream) => {
    const client = connectHttp2(rig);
    assert.equal(client.request('/', ['x_y', '1']).text, 'reset internal');
    assert.equal(client.post('/', 'body', ['x_y', '1']).text, 'reset internal');
    assert.equal(client.request('/').text, '200 ok');
    assert.equal(upstream.exchanges.length, 1);
    assert.equal(rig.stat('http2.requests_rejected_with_underscores_in_headers'), 2);
    assert.equal(rig.stat(`${HTTP}downstream_rq_total`), 3);
    assert.equal(rig.takeLog()[0]?.split(' ').at(-1), 'http2.unexpected_underscore');
  });
});

test('a client that does not answer PING is left, one that does is not', () => {
  const connection_keepalive = { interval: '10s', timeout: '2s', interval_jitter: { value: 0 } };
  withProxy(
    { hcm: { http2_protocol_options: { connection_keepalive } }, route: { timeout: '0s' } },
    (rig, upstream) => {
      upstream.reply = () => undefined;
      const client = connectHttp2(rig);
      const dead = connectHttp2(rig);
      client.request('/');
      const lost = dead.request('/');
      dead.pause();
      for (let i = 0; i < 3; i++) rig.advance(9_000);
      assert.equal(client.isGone, false);
      assert.equal(rig.stat('http2.keepalive_timeout'), 1);
      // As Envoy counts it.
      assert.equal(rig.stat(`${HTTP}downstream_cx_destroy_remote_active_rq`), 1);
      dead.resume();
      assert.equal(dead.isGone, true);
      assert.equal(lost.resetBy, 'gone');
      for (let i = 0; i < 20; i++) rig.advance(3_000);
      assert.equal(rig.stat('http2.keepalive_timeout'), 1);
      upstream.exchanges[0]?.respond(200, 'ok');
      assert.deepEqual(client.texts, ['200 ok']);
      client.close();
      rig.advance(30_000);
    },
  );
});

test('an upstream that does not answer PING is left, and its exchanges fail', () => {
  const connection_keepalive = { interval: '10s', timeout: '2s', interval_jitter: { value: 0 } };
  withProxy({ cluster: http2Cluster({ connection_keepalive }), route: { timeout: '0s' } }, (rig, upstream) => {
    upstream.reply = () => undefined;
    const client = connectHttp2(rig);
    client.request('/');
    for (let i = 0; i < 10; i++) rig.advance(5_000);
    assert.deepEqual(client.texts, ['']);
    upstream.last.pause();
    rig.advance(10_000);
    rig.advance(2_100);
    assert.match(client.texts[0] ?? '', /^503 /);
    assert.equal(rig.stat('cluster.upstream.http2.keepalive_timeout'), 1);
    assert.equal(rig.stat('cluster.upstream.upstream_cx_active'), 0);
  });
});

test('local replies and direct responses are answers like others', () => {
  const routes = [
    { match: { path: '/direct' }, direct_response: { status: 418, body: { inline_string: 'teapot' } } },
    { match: { path: '/redirect' }, redirect: { path_redirect: '/there' } },
    { match: { prefix: '/up' }, route: { cluster: 'upstream' } },
  ];
  withProxy({ routes, cluster: http2Cluster() }, (rig) => {
    const client = connectHttp2(rig);
    for (const path of ['/direct', '/redirect', '/nowhere', '/up']) client.request(path);
    assert.deepEqual(client.texts, ['418 teapot', '301 ', '404 ', '200 ok']);
    assert.equal(client.exchanges[0]?.field('content-length'), '6');
    assert.equal(client.exchanges[0]?.field('connection'), undefined);
    const upload = client.post('/direct', null);
    assert.equal(upload.text, '418 teapot reset noError');
    const head = client.open(
      [
        [':method', 'HEAD'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/direct'],
      ],
      true,
    );
    assert.equal(head.text, '418 ');
    assert.equal(client.isGone, false);
  });
});

test('a request starts over with recreateStream, body and trailers too', () => {
  const seen: string[] = [];
  let times = 0;
  const again = {
    decodeHeaders: () => (times > 0 ? ('continue' as const) : ('stop' as const)),
    decodeData: () => (times > 0 ? ('continue' as const) : ('stop-and-buffer' as const)),
    decodeTrailers: (stream: { recreateStream(): boolean }) => {
      if (times++ > 0) return 'continue' as const;
      seen.push(String(stream.recreateStream()));
      return 'stop' as const;
    },
  };
  const hcm = { common_http_protocol_options: { max_stream_duration: '5s' } };
  withProxy({ filters: { again }, hcm, route: { timeout: '0s' } }, (rig, upstream) => {
    upstream.reply = () => undefined;
    const client = connectHttp2(rig);
    const exchange = client.post('/', null);
    exchange.send('abc');
    rig.advance(4_000);
    exchange.sendTrailers([['x-t', '1']]);
    assert.deepEqual(seen, ['true']);
    assert.equal(upstream.lastExchange.text, 'POST abc x-t=1');
    assert.equal(rig.stat(`${HTTP}downstream_rq_total`), 1, 'it is one and the same, as in Envoy');
    assert.equal(rig.stat(`${HTTP}downstream_rq_http2_total`), 1);
    assert.equal(rig.stat(`${HTTP}downstream_rq_active`), 1);
    assert.equal(rig.stat('http2.streams_active'), 1);
    rig.advance(900);
    assert.equal(exchange.text, '');
    rig.advance(200);
    assert.equal(exchange.text, '504 downstream duration timeout', 'the time goes on');
    times = 0;
    upstream.reply = (request) => request.respond(200, request.body);
    const quick = client.post('/', null);
    quick.send('def');
    quick.sendTrailers([]);
    assert.equal(quick.text, '200 def');
  });
});

// ─── Upgrades ─────────────────────────────────────────────────────────────────────────────────────────────────────

const WEBSOCKET: readonly Field[] = [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':path', '/chat'],
  ['sec-websocket-version', '13'],
];

const UPGRADES: MemoryProxyOptions = {
  hcm: {
    upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'CONNECT' }],
    http2_protocol_options: { allow_connect: true },
  },
  route: { timeout: '0s' },
};

test('an extended CONNECT is an upgrade, through to an upstream of either protocol', () => {
  const cluster = http2Cluster({ allow_connect: true });
  withProxy({ ...UPGRADES, cluster }, (rig, upstream) => {
    upstream.onHead = (exchange) => exchange.sendHead([[':status', '200']]);
    upstream.reply = (exchange) => exchange.send('', true);
    const client = connectHttp2(rig);
    const exchange = client.open(WEBSOCKET, false);
    assert.equal(exchange.text, '200 …');
    const { head } = upstream.lastExchange;
    assert.deepEqual([head?.method, head?.protocol, head?.path], ['CONNECT', 'websocket', '/chat']);
    exchange.send('forth');
    upstream.lastExchange.send('back');
    assert.deepEqual([exchange.text, upstream.lastExchange.body], ['200 back…', 'forth']);
    assert.equal(rig.stat(`${HTTP}downstream_cx_upgrades_active`), 1);
    exchange.send('', true);
    assert.equal(exchange.text, '200 back');
    assert.equal(rig.stat(`${HTTP}downstream_cx_upgrades_active`), 0);
    assert.deepEqual(rig.takeLog(), ['GET /chat 101 - via_upstream']);
  });
  withProxy({ ...UPGRADES, cluster: {} }, (rig) => {
    const agreed = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello';
    rig.upstream.reply = () => '';
    rig.upstream.onHead = (_request, peer) => peer.stream.writeLatin1(agreed);
    const exchange = connectHttp2(rig).open(WEBSOCKET, false);
    assert.equal(exchange.text, '200 hello…');
    assert.equal(exchange.field('upgrade'), undefined);
    exchange.send('forth');
    assert.match(rig.upstream.last.text, /^GET \/chat HTTP\/1.1\r\n.*upgrade: websocket\r\n.*\r\n\r\nforth$/s);
    rig.upstream.last.close();
    assert.equal(exchange.isClosed, true);
  });
});

test('an upgrade that is not allowed, or refused, is answered', () => {
  withProxy({ hcm: { http2_protocol_options: { allow_connect: true } } }, (rig) => {
    const client = connectHttp2(rig);
    assert.equal(client.open(WEBSOCKET, false).text, '403  reset noError');
    assert.equal(rig.stat(`${HTTP}downstream_rq_ws_on_non_ws_route`), 1);
    // What follows on that connection is not trusted for long.
    assert.match(client.goaways[0] ?? '', /noError/);
    assert.equal(connectHttp2(rig).request('/').text, '200 ok');
  });
  withProxy({ ...UPGRADES, cluster: http2Cluster({ allow_connect: true }) }, (rig, upstream) => {
    upstream.onHead = (exchange) => exchange.respond(404, 'no chat');
    const exchange = connectHttp2(rig).open(WEBSOCKET, false);
    assert.equal(exchange.text, '404 no chat reset noError');
  });
  withProxy({}, (rig) => {
    const client = connectHttp2(rig);
    // Nobody announced it.
    client.open(WEBSOCKET, false);
    assert.match(client.goaways[0] ?? '', /^1 protocol/);
    client.close();
  });
});

test('CONNECT is a tunnel through streams on both sides', () => {
  const routes = [
    {
      match: { connect_matcher: {} },
      route: { cluster: 'upstream', timeout: '0s', upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
    },
  ];
  withProxy({ ...UPGRADES, routes, cluster: http2Cluster({ allow_connect: true }) }, (rig, upstream) => {
    upstream.onHead = (exchange) => exchange.sendHead([[':status', '200']]);
    upstream.reply = (exchange) => exchange.send('', true);
    const exchange = connectHttp2(rig).open(
      [
        [':method', 'CONNECT'],
        [':authority', 'b.example:443'],
      ],
      false,
    );
    assert.equal(exchange.text, '200 …');
    assert.deepEqual([upstream.lastExchange.head?.authority, upstream.lastExchange.head?.path], ['b.example:443', '']);
    exchange.send('hello');
    upstream.lastExchange.send('hi');
    assert.deepEqual([exchange.text, upstream.lastExchange.body], ['200 hi…', 'hello']);
    exchange.send('', true);
    assert.equal(exchange.text, '200 hi');
  });
});
