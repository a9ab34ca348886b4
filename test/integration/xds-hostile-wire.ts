// What a hostile control plane does with HTTP/2 and gRPC, as attacks on a proxy that goes on serving.
import { randomBytes } from 'node:crypto';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { frameMessage } from '../../src/wire/grpc/framing.ts';
import type { Attack, HostileCall, HostileConnection } from '../support/hostile-xds.ts';
import { FLAG, FRAME, frame, goawayFrame, settingsFrame, windowUpdateFrame, word } from '../support/http2-frames.ts';
import type { Http2Field } from '../support/http2-hpack.ts';

export type WireAttack = {
  readonly name: string;
  readonly attack: Attack;
  /** Connections and calls that are waited for; how long it goes on then. */
  readonly calls?: number;
  readonly whileMs?: number;
};

const EMPTY = encodeBinary(registry.message('envoy.service.discovery.v3.DiscoveryResponse'), {
  type_url: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
} as never);

function onConnection(name: string, act: (connection: HostileConnection) => void, more: Partial<WireAttack> = {}) {
  const attack = {
    onConnection: (connection: HostileConnection) => {
      act(connection);
      return true;
    },
  };
  return { name, attack, ...more };
}

function onCall(name: string, act: (call: HostileCall) => void, more: Partial<WireAttack> = {}): WireAttack {
  return { name, attack: { onCall: act }, calls: 3, ...more };
}

/** Frames that come with each call, so many times. */
function flood(name: string, made: (id: number) => Buffer, times: number): WireAttack {
  const act = (call: HostileCall): void => {
    const one = made(call.id);
    call.connection.raw(Buffer.concat(Array.from({ length: times }, () => one)));
  };
  return onCall(name, act, { calls: 2, whileMs: 150 });
}

const STATUSES = [...Array.from({ length: 17 }, (_, i) => String(i)), '99', '-1', 'a', '', '4294967296'];

function eachStatus(hasHead: boolean): WireAttack {
  let next = 0;
  const act = (call: HostileCall): void => {
    if (hasHead) call.head();
    call.trailers([
      ['grpc-status', STATUSES[next++ % STATUSES.length] as string],
      ['grpc-message', '%zz%F0%9F'],
    ]);
  };
  const how = hasHead ? 'behind a head' : 'as the whole answer';
  return onCall(`every gRPC status ${how}`, act, { calls: 8 });
}

function httpStatus(status: string): WireAttack {
  const act = (call: HostileCall): void => {
    const fields: Http2Field[] = [
      [':status', status],
      ['content-type', 'text/html'],
    ];
    call.connection.peer.sendHead(call.id, fields, false);
    call.connection.peer.sendData(call.id, Buffer.from('<html>'), true);
  };
  return onCall(`HTTP ${status} and a page`, act);
}

/** Bytes of the body, and then an end of the kind. */
function cut(name: string, bytes: Buffer, end: 'fin' | 'reset' | 'stream' | 'end'): WireAttack {
  const act = (call: HostileCall): void => {
    call.data(bytes, end === 'end');
    setTimeout(() => {
      if (end === 'fin') call.connection.socket.end();
      else if (end === 'reset') call.connection.socket.resetAndDestroy();
      else if (end === 'stream') call.reset('INTERNAL_ERROR');
    }, 10);
  };
  return onCall(`${name}, then ${end}`, act);
}

const HALF = Buffer.concat([Buffer.of(0, 0, 0, 4, 0), Buffer.alloc(500)]);

/** Sends all the time, a piece each few milliseconds. */
function endless(name: string, piece: Buffer, whileMs: number): WireAttack {
  return onCall(name, (call) => sendAllTheTime(call, piece), { calls: 2, whileMs });
}

function sendAllTheTime(call: HostileCall, piece: Buffer): void {
  call.head();
  const timer = setInterval(() => {
    if (call.connection.socket.destroyed) clearInterval(timer);
    else call.data(piece);
  }, 5);
  timer.unref();
}

/** An unknown type in each message. */
const UNKNOWN = Buffer.concat(Array.from({ length: 100 }, () => Buffer.from('\0\0\0\0\x06\x22\x04a/bc', 'latin1')));

/** Takes no requests, and sends what is to be answered all the time. */
function nothingToSendOn(): WireAttack {
  const peer = { settings: { INITIAL_WINDOW_SIZE: 0 }, returnsCredit: false, connectionCredit: 0 };
  const piece = Buffer.concat(Array.from({ length: 100 }, () => frameMessage(EMPTY)));
  const attack = { peer, onCall: (call: HostileCall) => sendAllTheTime(call, piece) };
  return { name: 'no window for requests', attack, calls: 2, whileMs: 400 };
}

export const WIRE_ATTACKS: readonly WireAttack[] = [
  onConnection('a connection and nothing else', () => {}, { calls: 1, whileMs: 250 }),
  onConnection('a connection that is reset', ({ socket }) => void socket.resetAndDestroy(), { calls: 6 }),
  onConnection('HTTP/1.1', (connection) => connection.raw('HTTP/1.1 400 Bad Request\r\n\r\n')),
  onConnection('noise', (connection) => connection.raw(randomBytes(20_000))),
  onConnection('SETTINGS and noise', (connection) => {
    connection.raw(Buffer.concat([settingsFrame({}), randomBytes(20_000)]));
  }),
  onCall('no answer', () => {}, { calls: 2, whileMs: 250 }),
  onCall('a head and nothing else', (call) => call.head(), { calls: 2, whileMs: 100 }),
  onCall('a head and a reset', (call) => {
    call.head();
    call.reset('CANCEL');
  }),
  onCall('a head that is the end', (call) => call.connection.peer.sendHead(call.id, [[':status', '200']], true)),
  onCall('a head without a status', (call) => call.connection.peer.sendHead(call.id, [['a', 'b']], false)),
  eachStatus(false),
  eachStatus(true),
  httpStatus('404'),
  httpStatus('200'),
  httpStatus('503'),
  onCall('messages that are said to be compressed', (call) => call.sendBytes(EMPTY, 1)),
  onCall('an empty message that is said to be compressed', (call) => call.sendBytes(Buffer.alloc(0), 1), {
    calls: 2,
    whileMs: 50,
  }),
  onCall('flags that nobody knows', (call) => call.sendBytes(EMPTY, 0xfe)),
  onCall('a message of 4 GB', (call) => call.data(Buffer.of(0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3))),
  onCall('noise as a body', (call) => call.data(Buffer.alloc(5_000, 0xab))),
  onCall('DATA before a head', (call) => call.connection.raw(frame(FRAME.data, 0, call.id, Buffer.alloc(10)))),
  onCall('DATA of a stream that is none', (call) => call.connection.raw(frame(FRAME.data, 0, 99, Buffer.alloc(10)))),
  cut('half a message', HALF, 'fin'),
  cut('half a message', HALF, 'reset'),
  cut('half a message', HALF, 'stream'),
  cut('half a message', HALF, 'end'),
  cut('a message', Buffer.concat([Buffer.of(0, 0, 0, 0, EMPTY.length), EMPTY]), 'end'),
  onCall('GOAWAY for the last stream', (call) => call.connection.peer.goaway(call.id, 'NO_ERROR'), {
    calls: 2,
    whileMs: 50,
  }),
  onCall('GOAWAY for none', (call) => call.connection.peer.goaway(0, 'ENHANCE_YOUR_CALM'), { calls: 4 }),
  flood('GOAWAY without end', (id) => goawayFrame(id, 'NO_ERROR'), 5_000),
  flood('SETTINGS without end', () => settingsFrame({ HEADER_TABLE_SIZE: 4096 }), 20_000),
  flood('PING without end', () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)), 20_000),
  flood('RST_STREAM without end', (id) => frame(FRAME.rstStream, 0, id, word(8)), 20_000),
  flood('credit without end', () => windowUpdateFrame(0, 0x7fff_ffff), 10),
  flood('PUSH_PROMISE', (id) => frame(FRAME.pushPromise, FLAG.endHeaders, id, Buffer.of(0, 0, 0, 2)), 10),
  flood('empty DATA without end', (id) => frame(FRAME.data, 0, id), 20_000),
  flood('frames that nobody knows', () => frame(200, 0, 0, Buffer.alloc(4)), 20_000),
  onCall('a head without end', (call) => {
    const part = frame(FRAME.continuation, 0, call.id, Buffer.alloc(1_000, 0x82));
    call.connection.raw(frame(FRAME.headers, 0, call.id));
    call.connection.raw(Buffer.concat(Array.from({ length: 3_000 }, () => part)));
  }),
  onCall('a head of 2 MB', (call) => call.head([['x', 'y'.repeat(2_000_000)]])),
  onCall(
    '103 without end',
    (call) => {
      for (let i = 0; i < 2_000; i++) call.connection.peer.sendHead(call.id, [[':status', '103']], false);
    },
    { calls: 2, whileMs: 100 },
  ),
  onCall('each stream refused at once', (call) => call.reset('REFUSED_STREAM'), { calls: 2, whileMs: 400 }),
  endless('empty messages without end', Buffer.alloc(5 * 500), 400),
  endless('messages of unknown types without end', UNKNOWN, 400),
  endless('a message of which a byte comes now and then', Buffer.of(1), 200),
  nothingToSendOn(),
];
