// WebSockets through the whole proxy, in every combination of HTTP/1 upgrades and extended CONNECT of HTTP/2.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { OPCODE } from '../support/websocket-frames.ts';
import type { WebSocketPeer } from '../support/websocket-peer.ts';
import { echo, type Version, WebSocketRig } from './websocket-rig.ts';

const TIMEOUT = { timeout: 60_000 };
const LARGE_BYTES = 8 << 20;
const FLOOD = 5_000;
const MANY = 60;

let rig: WebSocketRig;

before(async () => {
  rig = await WebSocketRig.start();
});
after(async () => {
  await rig.stop();
});

/** A client and the server's end behind the proxy; `onServed` says what that end does. */
async function pair(
  from: Version,
  to: Version,
  onServed: (peer: WebSocketPeer) => void = echo,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ client: WebSocketPeer; server: WebSocketPeer }> {
  rig.onServed = onServed;
  const count = rig.served.length;
  const client = await rig.open(from, to, headers);
  for (let i = 0; rig.served.length <= count && i < 500; i++) await sleep(10);
  const server = rig.served[count];
  assert.ok(server !== undefined, 'a server was asked');
  return { client, server };
}

/** Ends in order, and what both ends have to say of the other. */
async function finish(client: WebSocketPeer, server: WebSocketPeer): Promise<void> {
  client.close(1000);
  await client.until('close', () => client.ended.code !== 0 && client.ended.stream !== '');
  await server.until('close', () => server.ended.code !== 0);
  assert.equal(client.ended.code, 1000);
  assert.deepEqual([client.errors, server.errors], [[], []]);
  client.stream.destroy();
}

const digest = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

function frameCases(from: Version, to: Version): void {
  it('messages of every length that has its own form', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 200_000];
    for (const length of lengths) client.send(randomBytes(length));
    for (const length of lengths) client.send('x'.repeat(length));
    await client.until('echoes', () => client.messages.length === 2 * lengths.length);
    assert.deepEqual(
      client.messages.map(({ isText, data }) => [isText, data.length]),
      [false, true].flatMap((isText) => lengths.map((length) => [isText, length])),
    );
    await finish(client, server);
  });

  it('fragments, with a ping between them', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    client.sendPieces(['Grü', '', 'ße, ', '世界'], () => client.frame(OPCODE.ping, 'between'));
    await client.until('echo', () => client.messages.length === 1 && client.pongs.length === 1);
    assert.equal(client.messages[0]?.data.toString(), 'Grüße, 世界');
    assert.deepEqual(server.frames, [
      'text 4 more',
      'ping 7',
      'continuation 0 more',
      'continuation 5 more',
      'continuation 6',
    ]);
    assert.deepEqual(client.pongs, ['between']);
    await finish(client, server);
  });

  it('pings of either side', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    server.frame(OPCODE.ping, 'from the server');
    client.frame(OPCODE.ping, '');
    client.frame(OPCODE.ping, 'p'.repeat(125));
    await client.until('pongs', () => client.pongs.length === 2);
    await server.until('pong', () => server.pongs.length === 1);
    assert.deepEqual(server.pongs, ['from the server']);
    assert.deepEqual(server.pings, ['', 'p'.repeat(125)]);
    await finish(client, server);
  });

  it('reserved bits and compressed messages pass as they are', TIMEOUT, async () => {
    const offer = { 'sec-websocket-extensions': 'permessage-deflate; client_no_context_takeover' };
    const { client, server } = await pair(from, to, echo, offer);
    const text = 'again and again '.repeat(1000);
    const compressed = deflateRawSync(Buffer.from(text), { finishFlush: 2 });
    client.send(compressed.subarray(0, compressed.length - 4), 4);
    await client.until('echo', () => client.messages.length === 1);
    const { reserved, data } = client.messages[0]!;
    assert.equal(reserved, 4);
    const restored = inflateRawSync(Buffer.concat([data, Buffer.from([0, 0, 0xff, 0xff])]), { finishFlush: 2 });
    assert.equal(restored.toString(), text);
    await finish(client, server);
  });
}

/** A masked text frame. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

function loadCases(from: Version, to: Version): void {
  it('a byte at a time', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    const whole = Buffer.concat([frameOf('slow'), frameOf('slower')]);
    for (const byte of whole) {
      client.stream.write(Buffer.from([byte]));
      await sleep(1);
    }
    await client.until('echoes', () => client.messages.length === 2);
    assert.deepEqual(
      client.messages.map(({ data }) => data.toString()),
      ['slow', 'slower'],
    );
    await finish(client, server);
  });

  it('a large message in one frame, both ways', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    const data = randomBytes(LARGE_BYTES);
    client.send(data);
    await client.until('echo', () => client.messages.length === 1, 30_000);
    assert.equal(digest(client.messages[0]!.data), digest(data));
    await finish(client, server);
  });

  it('a client that reads late', TIMEOUT, async () => {
    const { client, server } = await pair(from, to, () => undefined);
    client.stream.pause();
    const data = randomBytes(1 << 20);
    let isHeldBack = false;
    for (let i = 0; i < 24; i++) {
      server.send(data);
      await sleep(2);
      isHeldBack ||= server.stream.writableNeedDrain;
    }
    assert.ok(isHeldBack, 'the server was held back');
    client.stream.resume();
    await client.until('messages', () => client.messages.length === 24, 30_000);
    assert.ok(client.messages.every((message) => message.data.equals(data)));
    await finish(client, server);
  });
}

function crowdCases(from: Version, to: Version): void {
  it('a flood of pings', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    for (let i = 0; i < FLOOD; i++) client.frame(OPCODE.ping, String(i));
    client.send('last');
    await client.until('pongs', () => client.pongs.length === FLOOD && client.messages.length === 1, 30_000);
    assert.equal(client.pongs.at(-1), String(FLOOD - 1));
    await finish(client, server);
  });

  it('many at once', TIMEOUT, async () => {
    rig.onServed = echo;
    const clients = await Promise.all(Array.from({ length: MANY }, () => rig.open(from, to)));
    for (let round = 0; round < 20; round++) {
      for (const [i, client] of clients.entries()) client.send(`${i} says ${round}`);
      if (round % 5 === 0) await sleep(1);
    }
    await Promise.all(clients.map((client) => client.until('echoes', () => client.messages.length === 20)));
    for (const [i, { messages }] of clients.entries()) {
      assert.deepEqual(
        messages.map(({ data }) => data.toString()),
        Array.from({ length: 20 }, (_, round) => `${i} says ${round}`),
      );
    }
    for (const client of clients) {
      client.close(1000);
      await client.until('close', () => client.ended.code === 1000);
      client.stream.destroy();
    }
  });
}

function endCases(from: Version, to: Version): void {
  it('close codes and reasons of either side', TIMEOUT, async () => {
    for (const [code, reason] of [
      [1000, ''],
      [1001, 'going away'],
      [3000, 'mine'],
      [4999, 'ü'.repeat(61)],
    ] as const) {
      const { client, server } = await pair(from, to);
      client.close(code, reason);
      await client.until('close', () => client.ended.code !== 0 && client.ended.stream !== '');
      assert.deepEqual([server.ended.code, server.ended.reason], [code, reason]);
      assert.deepEqual([client.ended.code, client.ended.reason], [code, reason]);
      const second = await pair(from, to);
      second.server.close(code, reason);
      await second.client.until('close', () => second.client.ended.code !== 0);
      assert.deepEqual([second.client.ended.code, second.client.ended.reason], [code, reason]);
      for (const peer of [client, second.client]) peer.stream.destroy();
    }
  });

  it('a close frame without a code', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    client.close();
    await client.until('close', () => client.ended.code !== 0);
    assert.equal(server.ended.code, 1005);
    client.stream.destroy();
  });

  it('a client that goes without a word', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    client.send('hello');
    await client.until('echo', () => client.messages.length === 1);
    client.stream.destroy();
    await server.until('end', () => server.ended.stream !== '');
    assert.equal(server.ended.code, 0);
  });

  it('a server that goes without a word', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    server.send('bye');
    await client.until('message', () => client.messages.length === 1);
    server.stream.destroy();
    await client.until('end', () => client.ended.stream !== '');
    assert.equal(client.ended.code, 0);
    client.stream.destroy();
  });

  it('a server that ends its side only', TIMEOUT, async () => {
    const { client, server } = await pair(from, to);
    server.send('bye');
    server.stream.end();
    await client.until('end', () => client.ended.stream !== '');
    assert.equal(client.messages[0]?.data.toString(), 'bye');
    client.stream.destroy();
    await server.until('end', () => server.ended.stream !== '');
  });
}

for (const from of ['h1', 'h2'] as const) {
  for (const to of ['h1', 'h2'] as const) {
    describe(`WebSocket, ${from} to ${to}`, () => {
      frameCases(from, to);
      loadCases(from, to);
      crowdCases(from, to);
      endCases(from, to);
    });
  }
}

it('no exchange is left over', async () => {
  await sleep(100);
  const { body } = await rig.proxy.admin('/stats?filter=(upgrades_active|rq_active|cx_active)$');
  const active = body.split('\n').filter((line) => / [1-9]/.test(line) && !line.includes('admin'));
  // Connections of HTTP/2 stay, and those of the test's own session.
  assert.deepEqual(
    active.filter((line) => !line.includes('cx_active') || line.includes('cluster.h1.')),
    [],
  );
});
