// Tests the HTTP/2 pool and its connections by hosts of a cluster, against the codec's own server in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestHeaders } from '../../../../test/support/filter-harness.ts';
import { clusterConfig, type FakeSocket, RouterHarness } from '../../../../test/support/router-harness.ts';
import type { Failure } from '../../../base/failure.ts';
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import { ERROR } from '../../../wire/http2/frames/constants.ts';
import type { Http2Options } from '../../../wire/http2/options.ts';
import { Http2Server } from '../../../wire/http2/server.ts';
import {
  type Exchange as Served,
  MemorySink,
  options,
  Recorder,
  responseHead,
} from '../../../wire/http2/testing/recorder.ts';
import type { KeepaliveConfig } from '../../codec/http2-keepalive.ts';
import type { RequestEncoder, StreamCallbacks } from '../../http/codec.ts';
import { BodyData } from '../../http/filter.ts';
import { DEFAULT_LIMITS } from '../circuit-breaker.ts';
import { type ClusterConfig, DEFAULT_HTTP_CONFIG, type UpstreamHttpConfig } from '../cluster-config.ts';
import { REMOTE_REFUSED, REMOTE_RESET, TERMINATION } from '../failures.ts';

/** The other end of a connection. */
class Peer {
  readonly events = new Recorder();
  readonly server: Http2Server<Served>;
  readonly #sink = new MemorySink();
  readonly #socket: FakeSocket;

  constructor(socket: FakeSocket, changes: Partial<Http2Options> = {}) {
    this.#socket = socket;
    this.server = new Http2Server(this.#sink, options(changes), this.events);
    this.events.connection = this.server;
  }

  /** Carries bytes to and fro until nobody has anything to say. */
  run(): void {
    for (let i = 0; i < 1000; i++) {
      this.#socket.handler.onTurnEnd?.();
      const up = Buffer.from(this.#socket.take(), 'latin1');
      if (up.length > 0) this.server.receive(up, 0, up.length, 0);
      this.server.flush();
      const down = this.#sink.take();
      this.server.onDrain();
      if (up.length + down.length === 0) return;
      if (down.length > 0) this.#socket.handler.onData(down, 0, down.length);
    }
    assert.fail('they never stop');
  }

  get requests(): readonly Served[] {
    return this.events.exchanges;
  }

  answer(at: number, body = 'ok'): void {
    const { stream } = this.requests[at] as Served;
    this.server.sendHead(stream, responseHead(200), false);
    this.send(at, Buffer.from(body), true);
  }

  send(at: number, bytes: Buffer, endStream = false): void {
    this.server.sendData((this.requests[at] as Served).stream, bytes, 0, bytes.length, true, endStream);
    this.run();
  }

  reset(at: number, code: number): void {
    this.server.resetStream((this.requests[at] as Served).stream, code);
    this.run();
  }
}

/** Sends a request as soon as it has a stream, and notes what comes. */
class Exchange implements StreamCallbacks {
  encoder: RequestEncoder | null = null;
  failure: Failure | null = null;
  resetBy: Failure | null = null;
  interim: number[] = [];
  head: Headers | null = null;
  body = '';
  trailers: Headers | null = null;
  isComplete = false;
  readonly headers: Headers;
  readonly #endsAtOnce: boolean;
  readonly log: string[] = [];
  onEnd: (() => void) | null = null;

  constructor(headers = requestHeaders('/'), endsAtOnce = true) {
    this.headers = headers;
    this.#endsAtOnce = endsAtOnce;
  }
  onPoolReady(encoder: RequestEncoder): void {
    this.encoder = encoder;
    encoder.encodeHeaders(this.headers, this.#endsAtOnce);
  }
  onPoolFailure(reason: Failure): void {
    this.failure = reason;
  }
  decode1xx(headers: Headers): void {
    this.interim.push(headers.status);
  }
  decodeHeaders(headers: Headers, endStream: boolean): void {
    this.head = headers;
    if (endStream) this.#end();
  }
  decodeData(data: BodyData, endStream: boolean): void {
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
  onAboveWatermark(): void {
    this.log.push('above');
  }
  onBelowWatermark(): void {
    this.log.push('below');
  }
}

function post(): Headers {
  const headers = requestHeaders('/');
  headers.method = 'POST';
  return headers;
}

type Change = { readonly wire?: Partial<Http2Options>; readonly keepalive?: KeepaliveConfig } & Partial<
  Omit<UpstreamHttpConfig, 'http2'>
>;

function setUp({ wire, keepalive, ...http }: Change = {}, change: Partial<ClusterConfig> = {}) {
  const http2 = { wire: options(wire), keepalive: keepalive ?? null };
  const config = { ...DEFAULT_HTTP_CONFIG, protocol: 'http2' as const, http2, ...http };
  const h = new RouterHarness([clusterConfig({ http: config, ...change })]);
  const host = h.clusters.get('up')?.hosts[0];
  assert.ok(host);
  const stat = (name: string): number => h.stat(`cluster.up.${name}`);
  const start = (exchange = new Exchange()): Exchange => {
    host.newStream('DEFAULT', exchange);
    return exchange;
  };
  const accept = (changes: Partial<Http2Options> = {}): [Peer, FakeSocket] => {
    const socket = h.dialer.accept();
    const peer = new Peer(socket, changes);
    peer.run();
    return [peer, socket];
  };
  return { h, host, stat, start, accept };
}

const text = (served: Served | undefined): string => Buffer.concat(served?.body ?? []).toString('latin1');

test('many exchanges share one connection', () => {
  const { start, accept, stat } = setUp();
  const waiting = [start(), start(), start()];
  assert.equal(stat('upstream_rq_pending_active'), 3);
  const [peer] = accept();
  const late = start();
  peer.run();
  assert.equal(peer.requests.length, 4);
  peer.answer(2, 'third');
  peer.answer(0, 'first');
  assert.deepEqual(
    waiting.map(({ body }) => body),
    ['first', '', 'third'],
  );
  peer.answer(1);
  peer.answer(3);
  assert.ok([...waiting, late].every(({ isComplete }) => isComplete));
  assert.equal(stat('upstream_cx_http2_total'), 1);
  assert.equal(stat('upstream_cx_http1_total'), 0);
  assert.equal(stat('upstream_rq_total'), 4);
  assert.equal(stat('upstream_rq_active'), 0);
  assert.equal(stat('http2.streams_active'), 0);
  assert.equal(stat('http2.nghttp2_upstream_connections'), 1);
});

test('a request with body and trailers, an answer with 103 and trailers', () => {
  const { start, accept } = setUp();
  const exchange = start(new Exchange(post(), false));
  const [peer] = accept();
  const { encoder } = exchange;
  assert.ok(encoder);
  encoder.encodeData(new BodyData().set(Buffer.from('hello')), false);
  encoder.encodeTrailers(responseTrailers('x-t', '1'));
  peer.run();
  const served = peer.requests[0] as Served;
  assert.equal(served.head?.method, 'POST');
  assert.equal(text(served), 'hello');
  assert.equal(served.trailers?.get('x-t'), '1');
  peer.server.sendInterimHead(served.stream, responseHead(103));
  peer.server.sendHead(served.stream, responseHead(200), false);
  peer.server.sendTrailers(served.stream, responseTrailers('x-u', '2'));
  peer.run();
  assert.deepEqual(exchange.interim, [103]);
  assert.equal(exchange.trailers?.get('x-u'), '2');
  assert.ok(exchange.isComplete);
  assert.ok(encoder.wireBytesSent > encoder.headerBytesSent && encoder.headerBytesReceived > 0);
});

function responseTrailers(name: string, value: string): Headers {
  const trailers = responseHead(0, [[name, value]]);
  trailers.status = 0;
  return trailers;
}

test('a peer that takes one stream at a time gets one; further requests make further connections', () => {
  const { start, accept, stat } = setUp();
  const first = start();
  const [peer] = accept({ maxConcurrentStreams: 1 });
  assert.equal(peer.requests.length, 1);
  const second = start();
  assert.equal(stat('upstream_rq_pending_active'), 1);
  peer.answer(0);
  assert.ok(first.isComplete);
  peer.run();
  assert.equal(peer.requests.length, 2, 'whoever waits gets the stream that came free');
  const [other] = accept({ maxConcurrentStreams: 1 });
  const third = start();
  other.run();
  assert.equal(other.requests.length, 1, 'the connection that was dialled serves the next');
  peer.answer(1);
  other.answer(0);
  assert.ok(second.isComplete && third.isComplete);
  assert.equal(stat('upstream_cx_total'), 2);
});

test('before the peer has said how many streams it takes, no more than a hundred are opened', () => {
  const { h, start, stat } = setUp();
  const exchanges = Array.from({ length: 120 }, () => start());
  const socket = h.dialer.accept();
  assert.equal(stat('upstream_rq_active'), 100);
  assert.equal(stat('upstream_cx_total'), 1, 'it is expected to take them all');
  const peer = new Peer(socket);
  peer.run();
  assert.equal(peer.requests.length, 120);
  peer.requests.forEach((_, at) => void peer.answer(at));
  assert.ok(exchanges.every(({ isComplete }) => isComplete));
});

test('what a host said of streams counts for its next connections until they say more', () => {
  const { h, start, accept, stat } = setUp();
  start();
  const [peer] = accept({ maxConcurrentStreams: 1 });
  start();
  start();
  assert.equal(h.dialer.dials.length, 2, 'a connection for each');
  const [more] = accept({ maxConcurrentStreams: 5 });
  assert.equal(more.requests.length, 2, 'as soon as it is known that there is room');
  peer.answer(0);
  assert.equal(stat('upstream_rq_pending_active'), 0);
});

test('max_concurrent_streams of the configuration', () => {
  const { start, accept, stat } = setUp({ wire: { maxConcurrentStreams: 2 } });
  start();
  start();
  start();
  assert.equal(stat('upstream_cx_total'), 2);
  const [a] = accept();
  const [b] = accept();
  assert.deepEqual([a.requests.length, b.requests.length], [2, 1]);
});

test('max_requests_per_connection', () => {
  const { start, accept, stat } = setUp({ maxRequestsPerConnection: 2 });
  start();
  const [peer, socket] = accept();
  start();
  peer.run();
  assert.equal(stat('upstream_cx_max_requests'), 1);
  start();
  assert.equal(stat('upstream_cx_total'), 2);
  peer.answer(0);
  assert.ok(!socket.isClosed);
  peer.answer(1);
  assert.ok(socket.isClosed);
});

test('GOAWAY: streams that it covers go on, those above are refused, new ones go elsewhere', () => {
  const { h, host, start, accept, stat } = setUp();
  const first = start();
  const [peer, socket] = accept();
  peer.server.shutdown();
  const late = start();
  peer.run();
  assert.equal(late.resetBy, REMOTE_REFUSED);
  assert.equal(stat('upstream_cx_close_notify'), 1);
  start();
  assert.equal(h.dialer.dials.length, 1);
  peer.answer(0);
  assert.ok(first.isComplete && socket.isClosed);
  assert.equal(host.rqSuccess, 0);
});

test('GOAWAY to a connection without exchanges closes it', () => {
  const { start, accept } = setUp();
  start();
  const [peer, socket] = accept();
  peer.answer(0);
  peer.server.shutdown();
  peer.run();
  assert.ok(socket.isClosed);
});

test('resets by the peer', () => {
  const { start, accept, stat } = setUp();
  const exchanges = [start(), start(), start(), start()];
  const [peer, socket] = accept();
  peer.reset(0, ERROR.cancel);
  peer.reset(1, ERROR.refusedStream);
  peer.reset(2, ERROR.connect);
  peer.reset(3, ERROR.protocol);
  assert.deepEqual(
    exchanges.map(({ resetBy }) => resetBy?.code),
    ['upstream_reset', 'upstream_refused', 'upstream_connect_refused', 'upstream_protocol'],
  );
  assert.equal(exchanges[0]?.resetBy, REMOTE_RESET);
  assert.ok(!socket.isClosed);
  assert.equal(stat('upstream_rq_rx_reset'), 1);
  assert.equal(stat('upstream_rq_tx_reset'), 1);
  assert.equal(stat('http2.rx_reset'), 4);
  assert.equal(stat('upstream_rq_active'), 0);
});

test('resets by this side', () => {
  const { start, accept, stat } = setUp();
  const exchange = start();
  const [peer] = accept();
  exchange.encoder?.resetStream();
  exchange.encoder?.resetStream();
  peer.run();
  assert.equal(peer.requests[0]?.reset, `http2.remote_reset ${ERROR.internal}`);
  assert.equal(exchange.resetBy, null);
  assert.equal(stat('upstream_rq_tx_reset'), 1);
  assert.equal(stat('http2.streams_active'), 0);
});

test('the connection ends: everybody hears of it, and a new request dials', () => {
  const { h, start, accept, stat } = setUp();
  const exchanges = [start(), start()];
  const [, socket] = accept();
  socket.reset();
  assert.ok(exchanges.every(({ resetBy }) => resetBy === TERMINATION));
  assert.equal(stat('upstream_cx_destroy_remote_with_active_rq'), 1);
  assert.equal(stat('upstream_rq_pending_failure_eject'), 2);
  assert.equal(stat('upstream_cx_active'), 0);
  assert.equal(stat('http2.streams_active'), 0);
  start();
  assert.equal(h.dialer.dials.length, 1);
});

test('an answer that is complete before its request ends the stream', () => {
  const { start, accept, stat } = setUp();
  const exchange = start(new Exchange(post(), false));
  const [peer, socket] = accept();
  exchange.encoder?.encodeData(new BodyData().set(Buffer.from('part')), false);
  peer.run();
  peer.answer(0, 'early');
  assert.ok(exchange.isComplete);
  assert.equal(peer.requests[0]?.reset, `http2.remote_reset ${ERROR.internal}`);
  assert.equal(stat('upstream_rq_tx_reset'), 1);
  assert.ok(!socket.isClosed);
  exchange.encoder?.encodeData(new BodyData().set(Buffer.from('rest')), true);
  peer.run();
  assert.equal(text(peer.requests[0]), 'part');
});

test('a reader that stalls stalls nobody else, and what it is sent is limited', () => {
  const { start, accept } = setUp();
  const stalled = [start(), start(), start()];
  const [peer] = accept();
  for (const { encoder } of stalled) encoder?.pauseReading();
  const body = Buffer.alloc(1 << 20, 'x');
  peer.requests.forEach(({ stream }, at) => {
    peer.server.sendHead(stream, responseHead(200), false);
    for (let i = 0; i < 20; i++) peer.send(at, body);
  });
  for (const { body: got } of stalled) assert.equal(got.length, 256 * 1024);
  const free = start();
  peer.run();
  const { stream } = peer.requests[3] as Served;
  peer.server.sendHead(stream, responseHead(200), false);
  for (let i = 0; i < 40; i++) peer.send(3, body, i === 39);
  assert.equal(free.body.length, 40 << 20);
  assert.ok(free.isComplete);
  stalled[0]?.encoder?.resumeReading();
  peer.run();
  assert.equal(stalled[0]?.body.length, 20 << 20);
});

test('a request that the peer does not read asks its source to pause', () => {
  const { start, accept, stat } = setUp({ wire: { streamBufferBytes: 100_000 } });
  const exchange = start(new Exchange(post(), false));
  const [peer] = accept({ initialStreamWindow: 65_535, largestStreamWindow: 65_535 });
  peer.events.holdsCredit = true;
  exchange.encoder?.encodeData(new BodyData().set(Buffer.alloc(300_000, 'x')), true);
  peer.run();
  assert.deepEqual(exchange.log, ['above']);
  assert.equal(stat('upstream_flow_control_backed_up_total'), 1);
  const served = peer.requests[0] as Served;
  for (let i = 0; i < 10; i++) {
    peer.server.returnCredit(served.stream, served.stream.unreturned);
    peer.run();
  }
  assert.deepEqual(exchange.log, ['above', 'below']);
  assert.equal(text(served).length, 300_000);
});

test('upgrades become extended CONNECT and come back as 101', () => {
  const { start, accept } = setUp();
  const headers = requestHeaders('/chat', ['connection: Upgrade', 'upgrade: websocket']);
  const exchange = start(new Exchange(headers, false));
  const [peer] = accept({ allowConnect: true });
  const served = peer.requests[0] as Served;
  assert.deepEqual(
    [served.head?.method, served.head?.protocol, served.head?.path, served.head?.has(H.upgrade)],
    ['CONNECT', 'websocket', '/chat', false],
  );
  assert.equal(headers.method, 'GET', 'another attempt needs it as it was');
  peer.server.sendHead(served.stream, responseHead(200), false);
  peer.run();
  assert.equal(exchange.head?.status, 101);
  assert.equal(exchange.head?.get(H.upgrade), 'websocket');
  peer.send(0, Buffer.from('bye'), true);
  assert.equal(exchange.body, 'bye');
});

test('CONNECT has neither scheme nor path', () => {
  const { start, accept } = setUp();
  const connect = requestHeaders('/');
  connect.method = 'CONNECT';
  connect.authority = 'a:80';
  start(new Exchange(connect, false));
  const [peer] = accept();
  const head = peer.requests[0]?.head;
  assert.deepEqual([head?.method, head?.authority, head?.path, head?.scheme], ['CONNECT', 'a:80', '', '']);
});

test('keepalive: an answer keeps the connection, none ends it', () => {
  const keepalive = { intervalMs: 1000, timeoutMs: 100, jitterPercent: 0, idleIntervalMs: 0 };
  const { h, start, accept, stat } = setUp({ keepalive });
  const exchange = start();
  const [peer, socket] = accept();
  h.clock.advance(1050);
  peer.run();
  h.clock.advance(900);
  assert.ok(!socket.isClosed);
  h.clock.advance(300);
  assert.ok(socket.isClosed);
  assert.equal(exchange.resetBy, TERMINATION);
  assert.equal(stat('http2.keepalive_timeout'), 1);
  assert.equal(stat('upstream_cx_destroy_local'), 1);
});

test('a connection that was silent for long is asked before the next stream', () => {
  const keepalive = { intervalMs: 0, timeoutMs: 100, jitterPercent: 0, idleIntervalMs: 1000 };
  const { h, start, accept } = setUp({ keepalive });
  start();
  const [peer, socket] = accept();
  peer.answer(0);
  h.clock.advance(900);
  start();
  peer.run();
  h.clock.advance(500);
  assert.ok(!socket.isClosed);
  h.clock.advance(1000);
  start();
  h.clock.advance(200);
  assert.ok(socket.isClosed);
});

test('idle timeout, and duration of a connection', () => {
  const { h, start, accept, stat } = setUp({ idleTimeoutMs: 1000, maxConnectionDurationMs: 5000 });
  start();
  const [peer, socket] = accept();
  peer.answer(0);
  h.clock.advance(800);
  start();
  peer.run();
  h.clock.advance(800);
  assert.ok(!socket.isClosed, 'it is not idle');
  peer.answer(1);
  h.clock.advance(800);
  assert.ok(!socket.isClosed);
  h.clock.advance(300);
  assert.ok(socket.isClosed);
  assert.equal(stat('upstream_cx_idle_timeout'), 1);
  const long = start();
  const [second, longSocket] = accept();
  h.clock.advance(5100);
  assert.equal(stat('upstream_cx_max_duration_reached'), 1);
  start();
  assert.equal(h.dialer.dials.length, 1, 'it takes no further exchange');
  second.answer(0);
  assert.ok(long.isComplete && longSocket.isClosed);
});

test('circuit breakers', () => {
  const limits = { ...DEFAULT_LIMITS, maxRequests: 1, maxConnections: 1 };
  const { start, accept, stat } = setUp(
    { wire: { maxConcurrentStreams: 1 } },
    { breakers: { DEFAULT: limits, HIGH: limits } },
  );
  start();
  const [peer] = accept();
  const waits = start();
  assert.equal(stat('upstream_cx_overflow'), 1);
  assert.equal(waits.failure, null);
  peer.answer(0);
  peer.run();
  assert.ok(waits.encoder);
});

test('too many requests at once', () => {
  const limits = { ...DEFAULT_LIMITS, maxRequests: 1 };
  const { start, accept, stat } = setUp({}, { breakers: { DEFAULT: limits, HIGH: limits } });
  start();
  accept();
  assert.equal(start().failure?.code, 'upstream_overflow');
  assert.equal(stat('upstream_rq_active_overflow'), 1);
});

test('a host that leaves ends its connections with their exchanges, and still serves who waits', () => {
  const { h, host, start, accept } = setUp();
  const first = start();
  let isDrained = false;
  const entry = host as unknown as { drain(drained: () => void): void };
  entry.drain(() => {
    isDrained = true;
  });
  const [peer, socket] = accept();
  assert.ok(first.encoder);
  peer.answer(0);
  assert.ok(first.isComplete && socket.isClosed && isDrained);
  assert.equal(h.dialer.dials.length, 0);
});

test('an exchange that begins another one at its end', () => {
  const { start, accept, stat } = setUp({ wire: { maxConcurrentStreams: 1 } });
  const first = start();
  const second = new Exchange();
  first.onEnd = () => start(second);
  const [peer] = accept();
  peer.answer(0);
  peer.run();
  assert.equal(peer.requests.length, 2);
  peer.answer(1);
  assert.ok(second.isComplete);
  assert.equal(stat('upstream_rq_active'), 0);
});

test('a broken answer ends the connection, with everything on it', () => {
  const { start, accept, stat } = setUp();
  const exchanges = [start(), start()];
  const [peer, socket] = accept();
  socket.feed('\0\0\x04\x08\0\0\0\0\x01\0\0\0\0');
  peer.run();
  assert.ok(exchanges.every(({ resetBy }) => resetBy?.code === 'upstream_protocol'));
  assert.ok(socket.isClosed);
  assert.equal(stat('upstream_cx_protocol_error'), 1);
  assert.equal(stat('upstream_rq_tx_reset'), 2);
  assert.equal(stat('upstream_cx_destroy_local'), 1);
});
