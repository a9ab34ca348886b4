// Hostile and careless clients on real sockets: the proxy stays up, answers others, and keeps nothing of them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/base/clock.ts';
import { get, openDescriptors, RawConnection, type Running, startHeddle, stat, stopHeddle, until } from './heddle.ts';

const IDLE_CONNECTIONS = 1_000;

let running: Running;
let descriptorsAtRest = 0;

before(async () => {
  running = await startHeddle({
    request_headers_timeout: '1s',
    stream_idle_timeout: '2s',
    delayed_close_timeout: '0.2s',
    common_http_protocol_options: { idle_timeout: '3s' },
    drain_timeout: '0.1s',
  });
  await answersAll(1);
  descriptorsAtRest = openDescriptors(running.proxy.pid);
});

after(async () => {
  await stopHeddle(running);
});

/** Other clients are served as ever. */
async function answersAll(count: number): Promise<void> {
  const clients = Array.from({ length: count }, () => new RawConnection(running.port));
  for (const [i, client] of clients.entries()) client.send(get(`/good/${i}`, 'Connection: close'));
  await until('the answers to good clients', () => clients.every((client, i) => client.text.endsWith(`/good/${i}`)));
  for (const client of clients) client.socket.destroy();
}

/** Nothing of the bad ones is left: neither in statistics nor in descriptors. */
async function checkAtRest(what: string): Promise<void> {
  const { proxy } = running;
  for (const name of [
    'http.test.downstream_cx_active',
    'http.test.downstream_rq_active',
    'cluster.up.upstream_rq_active',
  ]) {
    await until(`${what}: ${name} to be 0`, async () => (await stat(proxy, name)) === 0, 60_000);
  }
  assert.equal(await stat(proxy, 'cluster.up.upstream_rq_pending_active'), 0, what);
  assert.equal(
    await stat(proxy, 'http.test.downstream_cx_total'),
    await stat(proxy, 'http.test.downstream_cx_destroy'),
    what,
  );
  // Idle upstream connections may be kept: as many as were busy at the same time.
  const kept = await stat(proxy, 'cluster.up.upstream_cx_active');
  await until(`${what}: descriptors to be closed`, () => openDescriptors(proxy.pid) <= descriptorsAtRest + kept, 5_000);
  assert.equal(await bugs(), 0, `${what}: bugs`);
  assert.equal(proxy.hasExited, false);
}

async function bugs(): Promise<number> {
  return stat(running.proxy, 'server.envoy_bug_failures').catch(() => 0);
}

test('slow heads are answered 408 in time, slow bodies too', async () => {
  const heads = Array.from({ length: 100 }, () => new RawConnection(running.port));
  const bodies = Array.from({ length: 50 }, () => new RawConnection(running.port));
  for (const body of bodies) body.send('POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx');
  const started = performance.now();
  const text = get('/slow-head');
  for (let i = 0; i < text.length && heads.some((client) => client.text === ''); i++) {
    for (const head of heads) head.send(text[i] as string);
    if (i === 5) await answersAll(20);
    await sleep(50);
  }
  assert.ok(performance.now() - started < 3_000, 'a head a byte at a time was waited for');
  await until('408 for all', () => [...heads, ...bodies].every((client) => client.text.startsWith('HTTP/1.1 408 ')));
  await until('their ends', () => [...heads, ...bodies].every((client) => client.isClosed));
  await checkAtRest('slowloris');
});

test(`${IDLE_CONNECTIONS} idle connections cost nobody else anything`, async () => {
  const idle: RawConnection[] = [];
  for (let i = 0; i < IDLE_CONNECTIONS; i++) {
    idle.push(new RawConnection(running.port));
    if (i % 100 === 99) await sleep(20);
  }
  await until(
    'all to be accepted',
    async () => (await stat(running.proxy, 'http.test.downstream_cx_active')) >= IDLE_CONNECTIONS,
  );
  await answersAll(50);
  for (const [i, client] of idle.entries()) {
    if (i % 2 === 0) client.reset();
    else client.socket.end();
  }
  await checkAtRest('idle connections');
  for (const client of idle) client.socket.destroy();
});

test('garbage of every kind is refused or closed', async () => {
  const random = new Random(1);
  const garbage = (): string => {
    const length = 1 + random.below(5_000);
    switch (random.below(4)) {
      case 0:
        return Buffer.from(Array.from({ length }, () => random.below(256))).latin1Slice();
      case 1:
        return '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(length, '\0');
      case 2:
        return 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
      default:
        return `GET /${'a'.repeat(length * 20)} HTTP/1.1\r\nHost: a\r\n\r\n`;
    }
  };
  for (let round = 0; round < 10; round++) {
    const clients = Array.from({ length: 30 }, () => new RawConnection(running.port));
    for (const client of clients) client.send(garbage());
    await sleep(20);
    for (const client of clients) client.socket.end();
    await sleep(20);
    for (const client of clients) client.socket.destroy();
  }
  await answersAll(20);
  await checkAtRest('garbage');
});

test('a storm of resets, at every point of an exchange', async () => {
  const random = new Random(2);
  const request = `POST /storm HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n${'x'.repeat(5_000)}`;
  for (let round = 0; round < 20; round++) {
    const clients = Array.from({ length: 50 }, () => new RawConnection(running.port));
    for (const client of clients)
      client.send(random.below(2) === 0 ? request.slice(0, random.below(request.length)) : get('/slow'));
    await sleep(random.below(30));
    for (const client of clients) client.reset();
  }
  await answersAll(20);
  await checkAtRest('resets');
});

test('clients that never read are given up', async () => {
  const big = 'y'.repeat(50_000);
  const before = await stat(running.proxy, 'http.test.downstream_rq_total');
  const deaf = Array.from({ length: 3 }, () => new RawConnection(running.port));
  for (const client of deaf) {
    client.socket.pause();
    // Each answer repeats the path: more than the sockets hold waits for somebody who does not read.
    for (let i = 0; i < 300; i++) client.send(get(`/${big}`));
  }
  await answersAll(20);
  const { proxy } = running;
  assert.equal(await stat(proxy, 'http.test.downstream_cx_active'), 3);
  const waiting = 3 * 300 + 20 - ((await stat(proxy, 'http.test.downstream_rq_total')) - before);
  assert.ok(waiting > 0, 'requests were answered that nobody read');
  await checkAtRest('deaf clients');
  for (const client of deaf) client.socket.destroy();
});
