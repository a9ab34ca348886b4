// UDP sockets: the same behaviour of every engine, and that the system's answers arrive.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Address } from '../base/byte-stream.ts';
import { Clock } from '../base/clock.ts';
import {
  createEngine,
  type Engine,
  isListenError,
  type UdpHandler,
  type UdpOptions,
  type UdpSocket,
} from './engine.ts';
import { createMemoryEngine } from './memory-engine.ts';

const LOOPBACK: Address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
const LOOPBACK6: Address = { family: 'ipv6', address: '::1', port: 0 };
const quiet: UdpHandler = { onDatagram() {}, onError() {} };
const bugs: unknown[] = [];
const onBug = (error: unknown): void => void bugs.push(error);

const ENGINES: [string, () => Engine][] = [
  ['handles', () => createEngine({ clock: new Clock(), onBug, engine: 'handles' })],
  ['streams', () => createEngine({ clock: new Clock(), onBug, engine: 'streams' })],
  ['memory', () => createMemoryEngine({ clock: new Clock({ manual: true }), onBug })],
];

function bind(engine: Engine, address: Address, options: UdpOptions, handler: UdpHandler = quiet): UdpSocket {
  const socket = engine.bindUdp(address, options, handler);
  if (isListenError(socket)) return assert.fail(socket.detail);
  return socket;
}

async function until(reached: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!reached()) {
    assert.ok(Date.now() < end, 'nothing happened');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

for (const [name, make] of ENGINES) {
  test(`${name}: datagrams keep their borders, empty and largest ones too`, async () => {
    const engine = make();
    const got: string[] = [];
    let sender: Address | null = null;
    const server = bind(
      engine,
      LOOPBACK,
      {},
      {
        onDatagram(chunk, start, end, from, to) {
          assert.equal(to.port, server.address.port);
          got.push(end - start > 10 ? String(end - start) : chunk.latin1Slice(start, end));
          sender = from;
          server.send(chunk, start + 1, end, from);
        },
        onError: assert.fail,
      },
    );
    const echoed: number[] = [];
    const client = bind(
      engine,
      LOOPBACK,
      { connectTo: server.address },
      {
        onDatagram: (_chunk, start, end) => void echoed.push(end - start),
        onError: assert.fail,
      },
    );
    assert.ok(client.fd >= 0);
    for (const size of [3, 1, 65_507]) {
      const reused = Buffer.alloc(size, 'a');
      assert.ok(client.send(reused, 0, size, null));
      reused.fill('b');
      await until(() => echoed.length > 0);
      assert.equal(echoed.pop(), size - 1);
    }
    assert.ok(client.send(Buffer.from('xyz'), 1, 1, null));
    await until(() => got.length === 4);
    assert.deepEqual(got, ['aaa', 'a', '65507', '']);
    assert.deepEqual(sender, client.address);
    assert.equal(client.send(Buffer.alloc(65_508), 0, 65_508, null), name === 'streams');
    client.close();
    client.close();
    assert.ok((client.isClosed && client.fd === -1) || name === 'memory');
    assert.equal(client.send(Buffer.from('x'), 0, 1, null), false);
    server.close();
  });

  test(`${name}: a connected socket hears its peer only, and its refusal`, async () => {
    const engine = make();
    const got: string[] = [];
    const server = bind(engine, LOOPBACK, {});
    const stranger = bind(engine, LOOPBACK, {});
    const client = bind(
      engine,
      LOOPBACK,
      { connectTo: server.address },
      {
        onDatagram: (chunk, start, end) => void got.push(chunk.latin1Slice(start, end)),
        onError: (errno) => void got.push(errno),
      },
    );
    stranger.send(Buffer.from('stranger'), 0, 8, client.address);
    server.send(Buffer.from('peer'), 0, 4, client.address);
    await until(() => got.length > 0);
    assert.deepEqual(got, ['peer']);
    server.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.send(Buffer.from('x'), 0, 1, null);
    await until(() => got.length > 1);
    assert.deepEqual(got, ['peer', 'ECONNREFUSED']);
    assert.ok(!client.isClosed);
    for (const socket of [client, stranger]) socket.close();
  });

  test(`${name}: a taken port is refused in Envoy's words`, () => {
    const engine = make();
    const first = bind(engine, LOOPBACK, {});
    const second = engine.bindUdp(first.address, { reusePort: true }, quiet);
    assert.deepEqual(second, {
      errno: 'EADDRINUSE',
      detail: `cannot bind '127.0.0.1:${first.address.port}': Address already in use`,
    });
    first.close();
    const unix = engine.bindUdp({ family: 'unix', address: '/x', port: 0 }, {}, quiet);
    assert.ok(isListenError(unix) && unix.errno === 'EAFNOSUPPORT');
  });

  test(`${name}: a bug in a handler is contained`, async () => {
    const engine = make();
    bugs.length = 0;
    let second = false;
    const server = bind(
      engine,
      LOOPBACK,
      {},
      {
        onDatagram(chunk) {
          if (chunk.latin1Slice(0, 1) === '1') throw new Error('struck');
          second = true;
        },
        onError: assert.fail,
      },
    );
    const client = bind(engine, LOOPBACK, { connectTo: server.address });
    client.send(Buffer.from('1'), 0, 1, null);
    client.send(Buffer.from('2'), 0, 1, null);
    await until(() => second);
    assert.deepEqual(bugs.map(String), ['Error: struck']);
    for (const socket of [client, server]) socket.close();
  });

  test(`${name}: a bound IPv6 socket answers`, async () => {
    const engine = make();
    let got: Address | null = null;
    const server = bind(
      engine,
      LOOPBACK6,
      {},
      { onDatagram: (_c, _s, _e, from) => (got = from), onError: assert.fail },
    );
    const client = bind(engine, LOOPBACK6, {});
    client.send(Buffer.from('x'), 0, 1, server.address);
    await until(() => got !== null);
    assert.deepEqual(got, client.address);
    for (const socket of [client, server]) socket.close();
  });
}

for (const [name, make] of ENGINES.slice(0, 2)) {
  test(`${name}: siblings join a port, and IPv4 clients reach a dual socket`, async () => {
    const engine = make();
    const first = bind(engine, LOOPBACK, { reusePort: true, receiveBufferBytes: 1 << 16 });
    const second = bind(engine, first.address, { reusePort: true, joinExisting: true });
    let from: Address | null = null;
    const dual = bind(
      engine,
      { family: 'ipv6', address: '::', port: 0 },
      { ipv4Compat: true },
      {
        onDatagram(chunk, start, end, sender) {
          from = sender;
          dual.send(chunk, start, end, sender);
        },
        onError: assert.fail,
      },
    );
    let echoed = 0;
    const client = bind(
      engine,
      LOOPBACK,
      { connectTo: { ...LOOPBACK, port: dual.address.port } },
      {
        onDatagram: () => void echoed++,
        onError: assert.fail,
      },
    );
    client.send(Buffer.from('x'), 0, 1, null);
    await until(() => echoed > 0);
    assert.deepEqual(from, client.address);
    for (const socket of [first, second, dual, client]) socket.close();
  });
}
