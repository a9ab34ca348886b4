// An upstream that means harm: what it sends ends its connection or its stream before it costs much.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestHeaders } from '../../../../test/support/filter-harness.ts';
import { clusterConfig, type FakeSocket, RouterHarness } from '../../../../test/support/router-harness.ts';
import type { Failure } from '../../../base/failure.ts';
import type { Headers } from '../../../wire/headers.ts';
import { FRAME } from '../../../wire/http2/frames/constants.ts';
import { options } from '../../../wire/http2/testing/recorder.ts';
import * as raw from '../../../wire/http2/testing/raw.ts';
import type { RequestEncoder, StreamCallbacks } from '../../http/codec.ts';
import type { BodyData } from '../../http/filter.ts';
import { DEFAULT_HTTP_CONFIG } from '../cluster-config.ts';

const END_HEADERS = 4;
const END_STREAM = 1;
/** More than this nobody may send before it is found out. */
const MOST_PIECES = 20_000;
const MOST_BYTES = 4 << 20;

class Exchange implements StreamCallbacks {
  encoder: RequestEncoder | null = null;
  resetBy: Failure | null = null;
  head: Headers | null = null;
  interim = 0;
  bodyBytes = 0;

  onPoolReady(encoder: RequestEncoder): void {
    this.encoder = encoder;
    encoder.encodeHeaders(requestHeaders('/'), true);
  }
  onPoolFailure(reason: Failure): void {
    this.resetBy = reason;
  }
  decode1xx(): void {
    this.interim++;
  }
  decodeHeaders(headers: Headers): void {
    this.head = headers;
  }
  decodeData(data: BodyData): void {
    this.bodyBytes += data.length;
  }
  decodeTrailers(): void {}
  onReset(reason: Failure): void {
    this.resetBy = reason;
  }
  onAboveWatermark(): void {}
  onBelowWatermark(): void {}
}

function setUp() {
  const http = { ...DEFAULT_HTTP_CONFIG, protocol: 'http2' as const, http2: { wire: options(), keepalive: null } };
  const h = new RouterHarness([clusterConfig({ http })]);
  const host = h.clusters.get('up')?.hosts[0];
  assert.ok(host);
  const stat = (name: string): number => h.stat(`cluster.up.${name}`);
  const exchange = new Exchange();
  host.newStream('DEFAULT', exchange);
  const socket = h.dialer.accept();
  socket.handler.onTurnEnd?.();
  feed(socket, raw.settings());
  return { h, host, stat, exchange, socket };
}

function feed(socket: FakeSocket, bytes: Buffer): void {
  socket.handler.onData(bytes, 0, bytes.length);
  socket.handler.onTurnEnd?.();
}

/** Sends `piece` until the connection is closed; returns how often that was. */
function flood(socket: FakeSocket, piece: (index: number) => Buffer, isDeaf = false): number {
  for (let i = 0; i < MOST_PIECES; i++) {
    // A peer that does not read leaves everything with this side.
    if (isDeaf) socket.bufferedBytes = socket.sent.length;
    feed(socket, piece(i));
    if (socket.isClosed) return i + 1;
    assert.ok(socket.sent.length < MOST_BYTES, 'too much waits for it');
  }
  return Number.POSITIVE_INFINITY;
}

const PING = raw.frame(FRAME.ping, 0, 0, Buffer.alloc(8));
const HEAD = raw.headers(1, [[':status', '200']], END_HEADERS);

const floods: readonly [string, string, () => (index: number) => Buffer, boolean][] = [
  ['PING that is not read', 'outbound_control_flood', () => () => PING, true],
  ['SETTINGS that is not read', 'outbound_control_flood', () => () => raw.settings(4, 65_535), true],
  ['empty DATA', 'inbound_empty_frames_flood', () => (i) => (i === 0 ? HEAD : raw.data(1, '')), false],
  [
    'empty HEADERS and CONTINUATION',
    'inbound_empty_frames_flood',
    () => (i) => raw.frame(i === 0 ? FRAME.headers : FRAME.continuation, 0, 1),
    false,
  ],
  ['WINDOW_UPDATE', 'inbound_window_update_frames_flood', () => () => raw.windowUpdate(0, 1), false],
  ['PRIORITY', 'inbound_priority_frames_flood', () => () => raw.frame(FRAME.priority, 0, 1, Buffer.alloc(5, 2)), false],
];

for (const [name, counter, script, isDeaf] of floods) {
  test(`a flood of ${name}`, () => {
    const { socket, exchange, stat } = setUp();
    assert.ok(flood(socket, script(), isDeaf) < 5000);
    assert.equal(stat(`http2.${counter}`), 1);
    assert.equal(exchange.resetBy?.code, 'upstream_protocol');
    assert.equal(stat('upstream_cx_active'), 0);
    assert.equal(stat('upstream_rq_active'), 0);
  });
}

test('pings that are read cost nothing that lasts', () => {
  const { socket } = setUp();
  for (let i = 0; i < 5000; i++) {
    feed(socket, PING);
    socket.take();
  }
  assert.ok(!socket.isClosed);
});

test('a head without end', () => {
  const { socket, exchange } = setUp();
  const piece = raw.block([['x-a', 'a'.repeat(1000)]]);
  const pieces = flood(socket, (i) => raw.frame(i === 0 ? FRAME.headers : FRAME.continuation, 0, 1, piece));
  assert.ok(pieces < 600, `${pieces} pieces`);
  assert.equal(exchange.resetBy?.code, 'upstream_protocol');
});

test('a head that is too large ends its stream alone', () => {
  const { socket, exchange, stat, host } = setUp();
  const half = raw.block([['x-a', 'a'.repeat(16_000)]]);
  for (let i = 0; i < 6; i++) {
    const head = i === 0 ? Buffer.concat([Buffer.from([0x88]), half]) : half;
    feed(socket, raw.frame(i === 0 ? FRAME.headers : FRAME.continuation, i === 5 ? END_HEADERS : 0, 1, head));
  }
  assert.equal(exchange.resetBy?.code, 'upstream_reset');
  assert.equal(stat('http2.header_list_size_too_large'), 1);
  assert.ok(!socket.isClosed);
  const next = new Exchange();
  host.newStream('DEFAULT', next);
  feed(socket, raw.headers(3, [[':status', '200']], END_HEADERS | END_STREAM));
  assert.equal(next.head?.status, 200);
});

test('a small block that becomes a large head', () => {
  const { socket, exchange, stat } = setUp();
  // One entry of 4,000 bytes in the table, then named again and again by one byte.
  const entry = Buffer.concat([Buffer.from([0x88, 0x40]), raw.block([['x', 'a'.repeat(4000)]]).subarray(1)]);
  const bomb = Buffer.concat([entry, Buffer.alloc(8000, 0xbe)]);
  feed(socket, raw.frame(FRAME.headers, END_HEADERS, 1, bomb));
  assert.equal(exchange.resetBy?.code, 'upstream_reset');
  assert.equal(stat('http2.header_overflow') + stat('http2.header_list_size_too_large'), 1);
});

test('a body beyond the window of a reader that stalls', () => {
  const { socket, exchange, stat } = setUp();
  feed(socket, HEAD);
  exchange.encoder?.pauseReading();
  const body = raw.data(1, 'x'.repeat(16_384));
  for (let i = 0; i < 100 && exchange.resetBy === null; i++) feed(socket, body);
  assert.ok(exchange.bodyBytes <= 256 * 1024);
  assert.notEqual(exchange.resetBy, null);
  assert.equal(stat('upstream_rq_active'), 0);
});

test('PUSH_PROMISE, frames of streams that never were, and no HTTP/2 at all', () => {
  const wrong = [
    raw.frame(FRAME.pushPromise, END_HEADERS, 1, Buffer.from([0, 0, 0, 2])),
    raw.headers(7, [[':status', '200']]),
    raw.data(9, 'x'),
    raw.headers(2, [[':status', '200']]),
    Buffer.from('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n'),
  ];
  for (const bytes of wrong) {
    const { socket, exchange, stat } = setUp();
    feed(socket, bytes);
    assert.ok(socket.isClosed);
    assert.equal(exchange.resetBy?.code, 'upstream_protocol');
    assert.equal(stat('upstream_cx_protocol_error'), 1);
  }
});

test('an upstream that takes no streams any more, or none at all', () => {
  const { h, host, socket } = setUp();
  feed(socket, raw.settings(3, 0));
  const next = new Exchange();
  host.newStream('DEFAULT', next);
  assert.equal(next.encoder, null);
  assert.equal(h.dialer.dials.length, 1);
  const other = h.dialer.accept();
  assert.ok(next.encoder !== null, 'on a new connection one stream is tried');
  feed(other, raw.settings(3, 0));
  assert.ok(!other.isClosed);
});

test('interim heads without end hold nothing', () => {
  const { socket, exchange } = setUp();
  const interim = raw.headers(1, [[':status', '103']], END_HEADERS);
  for (let i = 0; i < 5000; i++) feed(socket, interim);
  assert.equal(exchange.interim, 5000);
  assert.ok(!socket.isClosed);
});
