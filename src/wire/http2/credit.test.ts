// Tests how windows grow, and that a reader which stalls takes nothing from others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Http2Client } from './client.ts';
import type { Http2Options } from './options.ts';
import { Http2Server } from './server.ts';
import { type Exchange, MemorySink, options, Recorder, requestHead, responseHead } from './testing/recorder.ts';

const KIB = 1024;

/** A client that reads as the test says, and a server that sends without end. */
class Download {
  readonly #serverSink = new MemorySink();
  readonly #clientSink = new MemorySink();
  readonly #serverEvents = new Recorder();
  readonly events = new Recorder();
  readonly #server: Http2Server<Exchange>;
  readonly client: Http2Client<Exchange>;

  constructor(clientOptions: Partial<Http2Options> = {}) {
    this.#server = new Http2Server(this.#serverSink, options(), this.#serverEvents);
    this.client = new Http2Client(this.#clientSink, options(clientOptions), this.events);
    this.events.connection = this.client;
    this.events.keepsBodies = this.#serverEvents.keepsBodies = false;
    const body = Buffer.alloc(64 << 20);
    this.#serverEvents.handleHead = ({ stream }) => {
      this.#server.sendHead(stream, responseHead(200), false);
      this.#server.sendData(stream, body, 0, body.length, true, false);
    };
  }

  open(): Exchange {
    const stream = this.client.openStream({} as Exchange, requestHead(), true);
    assert.ok(stream !== null);
    return this.events.open(stream);
  }

  /** Carries bytes once in each direction; returns how much of a body came. */
  turn(): number {
    const before = this.events.bodyBytes;
    this.client.flush();
    const up = this.#clientSink.take();
    this.#server.receive(up, 0, up.length, 0);
    this.#server.flush();
    const down = this.#serverSink.take();
    this.client.receive(down, 0, down.length, 0);
    return this.events.bodyBytes - before;
  }

  returnAll({ stream }: Exchange): void {
    this.client.returnCredit(stream, stream.unreturned);
  }
}

test('the window of a reader that keeps up doubles, to the configured limit', () => {
  const download = new Download({ largestStreamWindow: 4096 * KIB });
  download.events.holdsCredit = true;
  const exchange = download.open();
  const came: number[] = [];
  for (let i = 0; i < 7; i++) {
    came.push(download.turn() / KIB);
    download.returnAll(exchange);
  }
  assert.deepEqual(came, [256, 512, 1024, 2048, 4096, 4096, 4096]);
});

test('the window of a reader that had to pause does not grow', () => {
  const download = new Download();
  download.events.holdsCredit = true;
  const exchange = download.open();
  for (let i = 0; i < 5; i++) {
    assert.equal(download.turn(), 256 * KIB);
    exchange.stream.wasSlow = true;
    download.returnAll(exchange);
  }
  assert.equal(download.turn(), 256 * KIB);
  download.returnAll(exchange);
  assert.equal(download.turn(), 512 * KIB);
});

test('an initial window that is the limit never grows', () => {
  const download = new Download({ initialStreamWindow: 100_000, largestStreamWindow: 100_000 });
  download.events.holdsCredit = true;
  const exchange = download.open();
  for (let i = 0; i < 4; i++) {
    assert.equal(download.turn(), 100_000);
    download.returnAll(exchange);
  }
});

test('streams whose readers stall leave the connection to others', () => {
  const download = new Download({ initialConnectionWindow: 300 * KIB });
  download.events.holdsCredit = true;
  for (let i = 0; i < 5; i++) download.open();
  let bytes = 0;
  for (let i = 0; i < 10; i++) bytes += download.turn();
  assert.equal(bytes, 5 * 256 * KIB);
  download.open();
  bytes = 0;
  for (let i = 0; i < 10; i++) bytes += download.turn();
  assert.equal(bytes, 256 * KIB);
});

test('without early credit the connection is what it is configured to be', () => {
  const download = new Download({ initialConnectionWindow: 300 * KIB, returnsConnectionCreditEarly: false });
  download.events.holdsCredit = true;
  const exchanges = [download.open(), download.open()];
  let bytes = 0;
  for (let i = 0; i < 10; i++) bytes += download.turn();
  assert.equal(bytes, 300 * KIB);
  // What a stream still owes at its end comes back by itself.
  download.client.resetStream((exchanges[0] as Exchange).stream, 8);
  bytes = 0;
  for (let i = 0; i < 10; i++) bytes += download.turn();
  assert.ok(bytes > 0);
});

test('data on streams that were reset does not shrink the connection', () => {
  const download = new Download({ initialConnectionWindow: 300 * KIB });
  download.events.holdsCredit = true;
  let bytes = 0;
  for (let i = 0; i < 50; i++) {
    const exchange = download.open();
    for (let turn = 0; turn < 5; turn++) bytes += download.turn();
    download.client.resetStream(exchange.stream, 8);
  }
  assert.equal(bytes, 50 * 256 * KIB);
});
