// Tests both sides of a connection against each other in memory: exchanges, windows, queues, GOAWAY, PING.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../base/failure.ts';
import { Http2Client } from './client.ts';
import type { Http2Options } from './options.ts';
import { Http2Server } from './server.ts';
import { describe } from './testing/raw.ts';
import {
  type Exchange,
  fieldsOf,
  MemorySink,
  options,
  Recorder,
  requestHead,
  responseHead,
} from './testing/recorder.ts';

class Pair {
  readonly serverSink = new MemorySink();
  readonly clientSink = new MemorySink();
  readonly serverEvents = new Recorder();
  readonly clientEvents = new Recorder();
  readonly server: Http2Server<Exchange>;
  readonly client: Http2Client<Exchange>;
  /** Bytes of each piece that is fed; 0: everything at once. */
  pieceBytes = 0;
  nowMs = 0;

  constructor(serverOptions: Partial<Http2Options> = {}, clientOptions: Partial<Http2Options> = {}) {
    this.server = new Http2Server(this.serverSink, options(serverOptions), this.serverEvents);
    this.client = new Http2Client(this.clientSink, options(clientOptions), this.clientEvents);
    this.serverEvents.connection = this.server;
    this.clientEvents.connection = this.client;
  }

  /** Carries bytes to and fro until nobody has anything to say. */
  run(): void {
    for (let i = 0; i < 10_000; i++) {
      this.client.flush();
      const up = this.clientSink.take();
      this.client.onDrain();
      this.#feed(this.server, up);
      this.server.flush();
      const down = this.serverSink.take();
      this.server.onDrain();
      this.#feed(this.client, down);
      if (up.length + down.length === 0) return;
    }
    assert.fail('they never stop');
  }

  #feed(to: Http2Server<Exchange> | Http2Client<Exchange>, bytes: Buffer): void {
    const step = this.pieceBytes === 0 ? Math.max(1, bytes.length) : this.pieceBytes;
    for (let at = 0; at < bytes.length; at += step) {
      // A copy that is broken afterwards: nothing may be kept of what is borrowed.
      const piece = Buffer.from(bytes.subarray(at, at + step));
      to.receive(piece, 0, piece.length, this.nowMs);
      piece.fill(0xee);
    }
  }

  request(head = requestHead(), body: Buffer | null = null): Exchange {
    const exchange = {} as Exchange;
    const stream = this.client.openStream(exchange, head, body === null);
    assert.ok(stream !== null);
    const opened = this.clientEvents.open(stream);
    if (body !== null) this.client.sendData(stream, body, 0, body.length, true, true);
    return opened;
  }

  answer(body: Buffer): void {
    this.serverEvents.handleHead = ({ stream }) => {
      this.server.sendHead(stream, responseHead(200, [['x-a', 'b']]), body.length === 0);
      if (body.length > 0) this.server.sendData(stream, body, 0, body.length, false, true);
    };
  }
}

const text = (exchange: Exchange): string => Buffer.concat(exchange.body).toString('latin1');

for (const pieceBytes of [0, 1, 7]) {
  test(`requests and answers in pieces of ${pieceBytes || 'all'} bytes`, () => {
    const pair = new Pair();
    pair.pieceBytes = pieceBytes;
    pair.answer(Buffer.from('hello'));
    const exchanges = ['/a', '/b', '/c', '/a'].map((path) => pair.request(requestHead(path, [['x-q', path]])));
    exchanges.push(pair.request(requestHead('/post', [], 'POST'), Buffer.from('body')));
    pair.run();
    for (const exchange of exchanges) {
      assert.equal(exchange.head?.status, 200);
      assert.deepEqual(fieldsOf(exchange.head), [['x-a', 'b']]);
      assert.equal(text(exchange), 'hello');
      assert.ok(exchange.ended && exchange.closed && exchange.reset === null);
    }
    const seen = pair.serverEvents.exchanges;
    assert.deepEqual(
      seen.map(({ head }) => head?.path),
      ['/a', '/b', '/c', '/a', '/post'],
    );
    assert.equal(text(seen[4] as Exchange), 'body');
    assert.ok(seen.every((exchange) => exchange.closed && exchange.ended));
    assert.equal(pair.server.activeStreams + pair.client.activeStreams, 0);
    assert.equal(pair.server.heldBytes + pair.client.heldBytes, 0);
    assert.equal(pair.clientEvents.settings + pair.serverEvents.settings, 2);
  });
}

test('interim heads, trailers on both sides, and an answer before the end of the request', () => {
  const pair = new Pair();
  const opened = pair.client.openStream({} as Exchange, requestHead('/', [['te', 'trailers']], 'POST'), false);
  assert.ok(opened !== null);
  const exchange = pair.clientEvents.open(opened);
  pair.serverEvents.handleHead = ({ stream }) => {
    pair.server.sendInterimHead(stream, responseHead(103, [['link', '</x>']]));
    pair.server.sendHead(stream, responseHead(200), false);
    pair.server.sendTrailers(stream, responseTrailers());
  };
  pair.run();
  assert.deepEqual(exchange.interim, [103]);
  assert.deepEqual(fieldsOf(exchange.trailers), [['grpc-status', '0']]);
  assert.ok(exchange.ended && !exchange.closed);
  assert.equal(pair.server.activeStreams, 1);
  pair.client.sendData(opened, Buffer.from('abc'), 0, 3, true, false);
  pair.client.sendTrailers(opened, responseTrailers());
  pair.run();
  assert.ok(exchange.closed);
  assert.deepEqual(fieldsOf(pair.serverEvents.exchanges[0]?.trailers ?? null), [['grpc-status', '0']]);
  assert.equal(pair.server.activeStreams, 0);
});

function responseTrailers() {
  const trailers = responseHead(0, [['grpc-status', '0']]);
  trailers.status = 0;
  return trailers;
}

test('windows hold a body back until credit returns, and watermarks say so', () => {
  const pair = new Pair(
    { streamBufferBytes: 100_000 },
    { initialStreamWindow: 65_535, initialConnectionWindow: 65_535 },
  );
  const body = Buffer.alloc(400_000, 'x');
  pair.clientEvents.holdsCredit = true;
  pair.answer(body);
  const exchange = pair.request();
  pair.run();
  assert.equal(text(exchange).length, 65_535);
  const served = pair.serverEvents.exchanges[0] as Exchange;
  assert.deepEqual(served.log, ['head', 'above']);
  assert.equal(served.stream.bufferedBytes, 400_000 - 65_535);
  assert.equal(pair.server.pendingBytes, 400_000 - 65_535);
  pair.client.returnCredit(exchange.stream, 30_000);
  pair.run();
  assert.equal(text(exchange).length, 65_535, 'less than half a window is not worth a frame');
  for (let i = 0; i < 50 && !exchange.ended; i++) {
    pair.client.returnCredit(exchange.stream, 40_000);
    pair.run();
  }
  assert.deepEqual(Buffer.concat(exchange.body), body);
  assert.deepEqual(served.log, ['head', 'above', 'below']);
  assert.equal(pair.server.pendingBytes, 0);
  assert.ok(exchange.closed && served.closed);
});

test('a stream that nobody reads does not hold up others, nor does a stream that ends there', () => {
  const pair = new Pair({}, { initialStreamWindow: 65_535, initialConnectionWindow: 1_000_000 });
  pair.clientEvents.holdsCredit = true;
  pair.answer(Buffer.alloc(200_000, 'x'));
  const stalled = Array.from({ length: 5 }, () => pair.request());
  pair.run();
  pair.clientEvents.holdsCredit = false;
  const free = pair.request();
  pair.run();
  assert.equal(text(free).length, 200_000);
  for (const exchange of stalled) assert.equal(text(exchange).length, 65_535);
  // What a reset stream still owes comes back, so that the connection's window does not shrink.
  assert.equal(pair.server.pendingBytes, 5 * (200_000 - 65_535));
  for (const exchange of stalled) pair.client.resetStream(exchange.stream, 8);
  for (let i = 0; i < 20; i++) {
    const more = pair.request();
    pair.run();
    assert.equal(text(more).length, 200_000);
  }
  assert.equal(pair.server.activeStreams + pair.server.pendingBytes, 0);
});

test('streams share the connection frame by frame', () => {
  const pair = new Pair({}, { initialConnectionWindow: 65_535, initialStreamWindow: 1_000_000 });
  pair.clientEvents.holdsCredit = true;
  pair.answer(Buffer.alloc(300_000, 'x'));
  const exchanges = [pair.request(), pair.request(), pair.request()];
  pair.run();
  for (let i = 0; i < 200; i++) {
    for (const exchange of exchanges) pair.client.returnCredit(exchange.stream, exchange.stream.unreturned);
    pair.run();
    const lengths = exchanges.map((exchange) => text(exchange).length);
    // The first took the whole window before the others had anything to say.
    assert.ok(Math.abs((lengths[1] as number) - (lengths[2] as number)) <= 2 * 16_384, String(lengths));
    if (exchanges.every((exchange) => exchange.ended)) break;
  }
  assert.ok(exchanges.every((exchange) => exchange.ended));
});

test('a sink that is full makes streams wait, and one write carries all small frames of a turn', () => {
  const pair = new Pair({ streamBufferBytes: 20_000 });
  pair.serverSink.highBytes = 50_000;
  pair.answer(Buffer.alloc(500_000, 'x'));
  const exchange = pair.request();
  pair.client.flush();
  const up = pair.clientSink.take();
  pair.server.receive(up, 0, up.length, 0);
  pair.server.flush();
  assert.ok(pair.serverSink.bufferedBytes < 50_000 + 3 * 16_393, String(pair.serverSink.bufferedBytes));
  pair.run();
  assert.equal(text(exchange).length, 500_000);

  pair.answer(Buffer.from('small'));
  const before = pair.clientSink.writes;
  for (let i = 0; i < 20; i++) pair.request();
  pair.client.flush();
  assert.equal(pair.clientSink.writes, before + 1);
  const more = pair.clientSink.take();
  const { writes } = pair.serverSink;
  const { outputs } = pair.serverEvents;
  pair.server.receive(more, 0, more.length, 0);
  assert.equal(pair.serverSink.writes, writes);
  pair.server.flush();
  assert.equal(pair.serverSink.writes, writes + 1);
  assert.equal(pair.serverEvents.outputs, outputs + 1);
});

test('a sink that is full pauses who writes to it, and lets it go on when there is room', () => {
  const pair = new Pair({ streamBufferBytes: 50_000 });
  pair.serverSink.highBytes = 50_000;
  const told: boolean[] = [];
  pair.serverEvents.onAboveWatermark = () => told.push(true);
  pair.serverEvents.onBelowWatermark = () => told.push(false);
  pair.serverEvents.handleHead = ({ stream }) => {
    pair.server.sendHead(stream, responseHead(), false);
    pair.server.sendData(stream, Buffer.alloc(60_000), 0, 60_000, true, false);
  };
  pair.request();
  pair.client.flush();
  const up = pair.clientSink.take();
  pair.server.receive(up, 0, up.length, 0);
  pair.server.flush();
  // More than the watermark, yet nothing waits in the stream: it goes on without a copy.
  assert.ok(pair.serverSink.bufferedBytes > 60_000);
  assert.equal(pair.server.pendingBytes, 0);
  assert.deepEqual(told, [true]);
  pair.serverSink.take();
  pair.server.onDrain();
  assert.deepEqual(told, [true, false]);
});

test('resets reach the other side with their code, and frames on their way are ignored', () => {
  const pair = new Pair();
  pair.answer(Buffer.from('late'));
  const exchange = pair.request(requestHead('/', [], 'POST'), Buffer.alloc(100));
  pair.client.resetStream(exchange.stream, 8);
  pair.run();
  assert.equal(exchange.reset, null);
  assert.ok(exchange.closed);
  // The answer had been complete before the reset came.
  assert.ok(pair.serverEvents.exchanges[0]?.closed);

  pair.serverEvents.handleHead = ({ stream }) => pair.server.resetStream(stream, 7);
  const refused = pair.request(requestHead('/', [], 'POST'), Buffer.alloc(100));
  pair.run();
  assert.equal(refused.reset, 'http2.remote_refuse 7');
  pair.serverEvents.handleHead = ({ stream }) => {
    pair.server.sendHead(stream, responseHead(), false);
    pair.server.resetStream(stream, 2);
  };
  const broken = pair.request();
  pair.run();
  assert.equal(broken.reset, 'http2.remote_reset 2');
  assert.equal(broken.head?.status, 200);
  assert.equal(pair.clientEvents.failed, null);
  assert.equal(pair.clientEvents.counters.get('rx_reset'), 2);
});

test('GOAWAY in two steps lets open streams end and refuses later ones', () => {
  const pair = new Pair();
  pair.run();
  const first = pair.request();
  pair.run();
  pair.server.announceShutdown();
  pair.run();
  assert.equal(pair.clientEvents.goaway, '2147483647 0 ');
  assert.equal(pair.client.freeStreams, 0);
  assert.equal(first.reset, null);
  pair.server.shutdown();
  pair.server.shutdown();
  pair.run();
  assert.equal(pair.clientEvents.goaway, '1 0 ');
  pair.server.sendHead(pair.serverEvents.exchanges[0]!.stream, responseHead(), true);
  pair.run();
  assert.ok(first.closed && first.reset === null);
  assert.equal(pair.serverEvents.counters.get('goaway_sent'), 1);

  const late = new Pair();
  late.run();
  const kept = late.request();
  late.run();
  late.server.shutdown();
  const unseen = late.request();
  late.run();
  assert.equal(unseen.reset, 'http2.remote_refuse 7');
  assert.equal(kept.reset, null);
  assert.equal(late.serverEvents.exchanges.length, 1);
});

test('PING comes back, and a closed socket fails what is open', () => {
  const pair = new Pair();
  pair.request();
  pair.run();
  pair.client.ping(Buffer.from('12345678'));
  pair.run();
  assert.equal(pair.clientEvents.pings, 1);
  pair.client.close(failure('upstream_closed', 'upstream', 'connection', 'gone'));
  assert.equal(pair.clientEvents.exchanges[0]?.reset, 'gone 8');
  assert.equal(pair.clientEvents.exchanges[0]?.closed, true);
  assert.equal(pair.client.openStream({} as Exchange, requestHead(), true), null);
  pair.client.flush();
  assert.equal(pair.clientSink.take().length, 0);
});

test('the client keeps to the streams that the server allows', () => {
  const pair = new Pair({ maxConcurrentStreams: 3 });
  pair.run();
  assert.equal(pair.client.freeStreams, 3);
  const exchanges = [1, 2, 3].map(() => pair.request());
  assert.equal(pair.client.freeStreams, 0);
  assert.equal(pair.client.openStream({} as Exchange, requestHead(), true), null);
  pair.run();
  for (const { stream } of pair.serverEvents.exchanges) pair.server.sendHead(stream, responseHead(), true);
  pair.run();
  assert.ok(exchanges.every((exchange) => exchange.closed));
  assert.equal(pair.client.freeStreams, 3);
});

test('a head that is larger than a frame goes on in CONTINUATION frames', () => {
  const pair = new Pair({ maxHeadBytes: 200_000 });
  const value = 'v'.repeat(45_000);
  pair.request(requestHead('/', [['x-large', value]]));
  pair.client.flush();
  const bytes = pair.clientSink.take();
  const frames = describe(bytes.subarray(24)).filter((name) => /^(?:headers|continuation)/.test(name));
  assert.deepEqual(frames, ['headers#1/1', 'continuation#1/0', 'continuation#1/4']);
  for (const byte of bytes) pair.server.receive(Buffer.from([byte]), 0, 1, 0);
  assert.equal(pair.serverEvents.exchanges[0]?.head?.get('x-large'), value);
});

test('extended CONNECT and plain CONNECT', () => {
  const pair = new Pair({ allowConnect: true });
  pair.run();
  assert.equal(pair.client.peer.allowsConnect, true);
  const head = requestHead('/chat', [], 'CONNECT');
  head.protocol = 'websocket';
  pair.request(head, Buffer.from('abc'));
  const plain = requestHead('', [], 'CONNECT');
  plain.scheme = '';
  pair.request(plain, Buffer.from('abc'));
  pair.run();
  const [websocket, tunnel] = pair.serverEvents.exchanges;
  assert.equal(websocket?.head?.protocol, 'websocket');
  assert.equal(tunnel?.head?.authority, 'example.test');
  const closed = new Pair({ allowConnect: false, streamErrorOnInvalidMessage: true });
  closed.run();
  assert.equal(closed.client.peer.allowsConnect, false);
  const refused = closed.request(head);
  closed.run();
  assert.equal(refused.reset, 'http2.remote_reset 1');
});
