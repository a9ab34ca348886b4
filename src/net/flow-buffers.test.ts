// Own read buffers of long flows: who gets one, how they are lent and come back, and that no byte is lost or changed.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as net from 'node:net';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address, ByteStream, ByteStreamHandler } from '../base/byte-stream.ts';
import { Clock, Random } from '../base/clock.ts';
import type { Failure } from '../base/failure.ts';
import { createEngine, type Engine, isListenError, type Listener } from './engine.ts';
import { type FlowBuffer, FlowBuffers, type FlowReader, MOST_FLOW_BUFFERS } from './flow-buffers.ts';
import type { HandleStream } from './handle-stream.ts';

const LOOPBACK: Address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
const MIB = 1024 * 1024;

class Reader implements FlowReader {
  flow: FlowBuffer | null = null;
  drops = 0;
  changeFlowBuffer(next: FlowBuffer | null): void {
    this.flow = next;
  }
  dropFlowBuffer(): void {
    this.drops++;
    this.flow = null;
  }
}

test('a buffer is taken, lent to two writers, and spare again when both are done', () => {
  const pool = new FlowBuffers(new Clock({ manual: true }), 4);
  const reader = new Reader();
  const first = pool.take(reader) as FlowBuffer;
  reader.flow = first;
  assert.equal(pool.lend(first.memory.subarray(0, 100)), null, 'small rests are copied');
  assert.equal(pool.lend(Buffer.alloc(MIB)), null, 'foreign memory is copied');
  const loans = [pool.lend(first.memory.subarray(5)), pool.lend(first.memory.subarray(0, MIB / 2))];
  assert.ok(reader.flow !== null && reader.flow !== first, 'the reader goes on elsewhere');
  assert.equal(pool.count, 2);
  loans[0]?.giveBackLoan();
  assert.equal(pool.count, 2);
  loans[1]?.giveBackLoan();
  assert.equal(pool.count, 1);
  assert.equal(pool.take(new Reader()), first, 'a spare one is used again');
});

test('there are never more than the limit, and half of them at most are lent', () => {
  const pool = new FlowBuffers(new Clock({ manual: true }), 4);
  const readers = Array.from({ length: 3 }, () => new Reader());
  for (const reader of readers) reader.flow = pool.take(reader);
  const [one, two, three] = readers as [Reader, Reader, Reader];
  const lend = (reader: Reader): unknown => pool.lend((reader.flow as FlowBuffer).memory);
  assert.notEqual(lend(one), null);
  assert.notEqual(one.flow, null);
  assert.equal(pool.take(new Reader()), null);
  assert.notEqual(lend(two), null);
  assert.equal(two.flow, null, 'none is left: back to the shared buffer');
  assert.equal(lend(three), null);
  assert.equal(pool.count, 4);
});

test('idle flows give their buffers back', () => {
  const clock = new Clock({ manual: true });
  const pool = new FlowBuffers(clock, 4);
  const [busy, idle] = [new Reader(), new Reader()];
  for (const reader of [busy, idle]) reader.flow = pool.take(reader);
  for (let i = 0; i < 3; i++) {
    (busy.flow as FlowBuffer).isActive = true;
    clock.advance(2100);
  }
  assert.deepEqual([busy.drops, idle.drops > 0], [0, true]);
});

const bugs: unknown[] = [];
function makeEngine(clock = new Clock()): Engine {
  return createEngine({ clock, onBug: (error) => bugs.push(error), engine: 'handles' });
}

function poolOf(stream: ByteStream): FlowBuffers {
  return (stream as HandleStream).shared.flows;
}

/** A relay with back pressure to `port`, as tcp_proxy does it; `mirror` gets a copy of everything without any. */
function relay(engine: Engine, port: number, mirror: ByteStream | null = null): [Listener, ByteStream[]] {
  const streams: ByteStream[] = [];
  const listener = engine.listen(LOOPBACK, {}, (down) => {
    down.pause();
    engine.connect({ ...LOOPBACK, port }, {}, (stream) => {
      const up = stream as ByteStream;
      streams.push(down, up);
      const [left, right] = [new Half(down, mirror), new Half(up, null)];
      left.peer = right;
      right.peer = left;
      down.resume();
    });
  });
  if (isListenError(listener)) assert.fail(listener.detail);
  return [listener, streams];
}

class Half implements ByteStreamHandler {
  readonly stream: ByteStream;
  readonly mirror: ByteStream | null;
  peer!: Half;
  isPaused = false;

  constructor(stream: ByteStream, mirror: ByteStream | null) {
    this.stream = stream;
    this.mirror = mirror;
    stream.handler = this;
  }
  onData(chunk: Buffer, start: number, end: number): void {
    const to = this.peer.stream;
    to.writeBorrowed(chunk, start, end);
    this.mirror?.writeBorrowed(chunk, start, end);
    if (this.isPaused || !to.isAboveHighWatermark) return;
    this.isPaused = true;
    this.stream.pause();
  }
  onEnd(): void {
    this.peer.stream.end();
  }
  onDrain(): void {
    if (!this.peer.isPaused) return;
    this.peer.isPaused = false;
    this.peer.stream.resume();
  }
  onClose(failure: Failure | null): void {
    if (failure === null) this.peer.stream.close();
    else this.peer.stream.destroy(true);
  }
}

function server(onSocket: (socket: net.Socket) => void): Promise<net.Server> {
  const made = net.createServer({ allowHalfOpen: true }, onSocket);
  return new Promise((resolve) => made.listen(0, '127.0.0.1', () => resolve(made)));
}

function portOf(made: net.Server): number {
  return (made.address() as net.AddressInfo).port;
}

test('long flows arrive whole at readers of every speed, and all buffers come back', async () => {
  const engine = makeEngine();
  const random = new Random(11);
  const far = await server((socket) => {
    const hash = createHash('sha1');
    let naps = 0;
    socket.on('data', (chunk) => {
      hash.update(chunk);
      // A reader that stops now and then fills the relay, so that writes are partial.
      if (naps++ % 16 !== 0) return;
      socket.pause();
      setTimeout(() => socket.resume(), random.uint32() % 3);
    });
    socket.on('end', () => socket.end(hash.digest('hex')));
  });
  const [listener, streams] = relay(engine, portOf(far));
  let most = 0;
  const send = async (): Promise<void> => {
    const socket = net.connect({ port: listener.address.port, host: '127.0.0.1', allowHalfOpen: true });
    const hash = createHash('sha1');
    const answer = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString())).on('end', () => resolve(text));
    });
    for (let sent = 0; sent < 24 * MIB; ) {
      const chunk = Buffer.alloc(256 * 1024 + (random.uint32() % MIB), random.uint32().toString(36));
      chunk.writeUInt32LE(sent, 0);
      hash.update(chunk);
      sent += chunk.length;
      if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
      most = Math.max(most, streams.length > 0 ? poolOf(streams[0] as ByteStream).count : 0);
    }
    socket.end();
    assert.equal(await answer, hash.digest('hex'));
  };
  await Promise.all(Array.from({ length: 6 }, send));
  for (let i = 0; i < 100 && engine.openStreams > 0; i++) await sleep(10);
  assert.ok(most > 0, 'no flow got a buffer of its own');
  assert.equal(poolOf(streams[0] as ByteStream).count, 0);
  assert.deepEqual(bugs, []);
  listener.close();
  far.close();
});

test('a mirror that never reads holds nobody up, and lent buffers come back when it is closed', async () => {
  const engine = makeEngine();
  const stalled = await server((socket) => socket.pause());
  const mirror = await new Promise<ByteStream>((resolve) => {
    engine.connect({ ...LOOPBACK, port: portOf(stalled) }, {}, (stream) => resolve(stream as ByteStream));
  });
  let received = 0;
  const far = await server((socket) => {
    socket.on('data', (chunk) => (received += chunk.length)).on('end', () => socket.end());
  });
  const [listener, streams] = relay(engine, portOf(far), mirror);
  const total = 48 * MIB;
  const client = net.connect(listener.address.port, '127.0.0.1', () => client.end(Buffer.alloc(total, 'm')));
  for (let i = 0; i < 500 && received < total; i++) await sleep(10);
  assert.equal(received, total);
  const pool = poolOf(mirror);
  assert.ok(pool.count > 0 && pool.count <= MOST_FLOW_BUFFERS, `${pool.count} lent`);
  mirror.destroy();
  for (let i = 0; i < 100 && engine.openStreams > 0; i++) await sleep(10);
  assert.equal(pool.count, 0);
  assert.deepEqual(bugs, []);
  for (const stream of streams) stream.destroy();
  client.destroy();
  listener.close();
  far.close();
  stalled.close();
});
