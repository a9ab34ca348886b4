// Hostile and careless peers below HTTP: silence, floods, half-open ends, clients that never read, single bytes.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket, connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/base/clock.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, openDescriptors, RawConnection, scratchFolder, stat, until } from './heddle.ts';

const LIMIT = 1_000;
const FLOOD = 50_000;
const SLICE = 250;
const SESSIONS = 50;
/** What a flood may cost in memory: one read may go beyond a buffer's limit, and heaps grow before they shrink. */
const MEMORY_BYTES = 96 * 1024 * 1024;

const NAMES = ['plain', 'impatient', 'inspected', 'continued', 'prefixed', 'echo', 'datagrams'] as const;
type Name = (typeof NAMES)[number];

let proxy: ProxyProcess;
let backend: Server;
const accepted = new Set<Socket>();
const ports = new Map<Name, number>();
let descriptorsAtRest = 0;

before(async () => {
  // Says back what it hears, and ends when it is told to.
  backend = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => accepted.delete(socket));
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => backend.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  for (const name of NAMES) ports.set(name, await freePort());
  proxy = await startProxy('heddle', JSON.stringify(config()), scratchFolder());
  await checkService();
  descriptorsAtRest = openDescriptors(proxy.pid);
});

after(async () => {
  await proxy.stop();
  for (const socket of accepted) socket.destroy();
  await new Promise((resolve) => backend.close(resolve));
});

function typed(type: string, fields: Json = {}): Json {
  return { '@type': `type.googleapis.com/envoy.extensions.filters.${type}`, ...fields };
}

function config(): Json {
  const { port: backendPort } = backend.address() as { port: number };
  const address = (port: number, protocol = 'TCP'): Json => ({
    socket_address: { protocol, address: '127.0.0.1', port_value: port },
  });
  const tcpProxy = (idle: string): Json =>
    typed('network.tcp_proxy.v3.TcpProxy', { stat_prefix: 'tcp', cluster: 'up', idle_timeout: idle });
  const listener = (name: Name, fields: Json, filter: Json = tcpProxy('60s')): Json => ({
    name,
    stat_prefix: name,
    address: address(ports.get(name) ?? 0),
    per_connection_buffer_limit_bytes: 65_536,
    filter_chains: [{ filters: [{ name: 'last', typed_config: filter }] }],
    ...fields,
  });
  const tls = [{ name: 'tls', typed_config: typed('listener.tls_inspector.v3.TlsInspector') }];
  const prefix = [{ name: 'proxy', typed_config: typed('listener.proxy_protocol.v3.ProxyProtocol') }];
  const udp = typed('udp.udp_proxy.v3.UdpProxyConfig', {
    stat_prefix: 'udp',
    cluster: 'datagrams',
    idle_timeout: '1s',
  });
  const cluster = (name: string, port: number, connections: number): Json => ({
    name,
    connect_timeout: '10s',
    per_connection_buffer_limit_bytes: 65_536,
    circuit_breakers: { thresholds: [{ max_connections: connections, max_pending_requests: 100_000 }] },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
    },
  });
  return {
    admin: { address: address(0) },
    layered_runtime: {
      layers: [{ name: 'limits', static_layer: { 'envoy.resource_limits.listener.plain.connection_limit': LIMIT } }],
    },
    static_resources: {
      listeners: [
        listener('plain', {}),
        listener('impatient', {}, tcpProxy('1s')),
        listener('inspected', { listener_filters: tls, listener_filters_timeout: '0.4s' }),
        listener('continued', {
          listener_filters: tls,
          listener_filters_timeout: '0.2s',
          continue_on_listener_filters_timeout: true,
        }),
        listener('prefixed', { listener_filters: prefix, listener_filters_timeout: '1s' }),
        listener('echo', {}, typed('network.echo.v3.Echo')),
        {
          name: 'datagrams',
          stat_prefix: 'datagrams',
          address: address(ports.get('datagrams') ?? 0, 'UDP'),
          listener_filters: [{ name: 'udp', typed_config: udp }],
        },
      ],
      // Datagrams go to a port where nobody is: what a flood costs is the proxy's alone.
      clusters: [cluster('up', backendPort, 10_000), cluster('datagrams', 9, SESSIONS)],
    },
  };
}

function open(name: Name, localAddress?: string): RawConnection {
  return new RawConnection(ports.get(name) ?? 0, localAddress);
}

async function hears(name: Name, text: string, first = ''): Promise<void> {
  const client = open(name);
  client.send(first + text);
  await until(`${name} to answer`, () => client.text === text);
  client.socket.destroy();
}

/** Other clients are served as ever. */
async function checkService(): Promise<void> {
  await hears('plain', 'a good client');
  await hears('echo', 'a good client');
  await hears('prefixed', 'a good client', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n');
}

/** Nothing of the bad ones is left: neither in statistics nor in descriptors. */
async function checkAtRest(what: string): Promise<void> {
  assert.equal(proxy.hasExited, false, proxy.output);
  for (const name of NAMES.slice(0, -1)) {
    for (const gauge of ['downstream_cx_active', 'downstream_pre_cx_active']) {
      const full = `listener.${name}.${gauge}`;
      await until(`${what}: ${full} to be 0`, async () => (await stat(proxy, full)) === 0, 10_000);
    }
  }
  await until(`${what}: upstream ends`, async () => (await stat(proxy, 'cluster.up.upstream_cx_active')) === 0, 10_000);
  await until(`${what}: no sessions`, async () => (await stat(proxy, 'udp.udp.downstream_sess_active')) === 0);
  await until(`${what}: descriptors to be closed`, () => openDescriptors(proxy.pid) <= descriptorsAtRest, 10_000);
  assert.equal(await stat(proxy, 'server.envoy_bug_failures').catch(() => 0), 0, what);
}

function residentBytes(): number {
  const pages = Number(readFileSync(`/proc/${proxy.pid}/statm`, 'latin1').split(' ')[1]);
  return pages * 4096;
}

test('connections that say nothing are closed in time, or served when that is wanted', async () => {
  const silent = Array.from({ length: 300 }, () => open('inspected'));
  const patient = Array.from({ length: 100 }, () => open('continued'));
  await sleep(100);
  await checkService();
  await until('all silent ones to be closed', () => silent.every((client) => client.isClosed));
  assert.equal(await stat(proxy, 'listener.inspected.downstream_pre_cx_timeout'), 300);
  for (const client of patient) client.send('late');
  await until('the patient ones to be served', () => patient.every((client) => client.text === 'late'));
  for (const client of patient) client.socket.destroy();
  await checkAtRest('silence');
});

test(`${FLOOD} connections at a limit of ${LIMIT}`, { timeout: 120_000 }, async () => {
  const held: RawConnection[] = [];
  while (held.length < LIMIT) {
    for (let i = 0; i < SLICE; i++) held.push(open('plain', source(held.length)));
    for (const client of held.slice(-SLICE)) client.send('!');
    await until('those inside to be served', () => held.every((client) => client.text === '!'));
  }
  const isFull = async (): Promise<boolean> => (await stat(proxy, 'listener.plain.downstream_cx_active')) === LIMIT;
  await until('the limit to be reached', isFull, 10_000);
  const [first] = held;
  assert.ok(first !== undefined);
  const before = residentBytes();
  const descriptors = openDescriptors(proxy.pid);
  let slowestMs = 0;
  for (let sent = LIMIT; sent < FLOOD; sent += SLICE) {
    const slice = Array.from({ length: SLICE }, (_, i) => open('plain', source(sent + i)));
    const startedMs = performance.now();
    const heard = first.text.length;
    first.send('?');
    await until('one of those inside to be answered', () => first.text.length > heard);
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    await until('a slice to be closed', () => slice.every((client) => client.isClosed), 10_000);
    assert.ok(openDescriptors(proxy.pid) <= descriptors + SLICE);
  }
  assert.ok(slowestMs < 2_000, `one answer took ${slowestMs} ms`);
  assert.equal(await stat(proxy, 'listener.plain.downstream_cx_overflow'), FLOOD - LIMIT);
  assert.ok(held.every((client) => !client.isClosed));
  const growth = residentBytes() - before;
  assert.ok(growth < MEMORY_BYTES, `${growth} bytes more than before`);
  for (const client of held) client.reset();
  await checkAtRest('flood');
  await checkService();
});

/** One address has fewer ports than the flood has connections; other runs have other addresses. */
function source(n: number): string {
  return `127.${1 + (process.pid % 250)}.${process.pid % 256}.${1 + (n % 20)}`;
}

test('ends that are half open go with the idle timeout', async () => {
  const clients = Array.from({ length: 400 }, () =>
    connect({ port: ports.get('impatient') ?? 0, host: '127.0.0.1', allowHalfOpen: true }),
  );
  let ended = 0;
  for (const [i, client] of clients.entries()) {
    client.on('error', () => undefined);
    client.on('end', () => ended++);
    client.resume();
    // The backend answers an end with its own; those that keep their side open wait for the idle timeout.
    if (i % 2 === 0) client.end(i % 4 === 0 ? 'x' : '');
  }
  await sleep(200);
  await checkService();
  await until('all to be told the end', () => ended === clients.length, 10_000);
  await checkAtRest('half-open');
  for (const client of clients) client.destroy();
});

test('clients that never read hold no more than the buffers', async () => {
  const before = residentBytes();
  const chunk = Buffer.alloc(65_536, 'x');
  const deaf = Array.from({ length: 50 }, (_, i) => {
    const socket = connect({ port: ports.get(i % 2 === 0 ? 'plain' : 'echo') ?? 0, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.pause();
    const fill = (): void => {
      for (let n = 0; n < 100 && socket.writable && socket.write(chunk); n++);
    };
    socket.on('connect', fill);
    socket.on('drain', fill);
    return socket;
  });
  await sleep(1_000);
  await checkService();
  const growth = residentBytes() - before;
  assert.ok(growth < MEMORY_BYTES, `${growth} bytes more than before`);
  for (const [i, socket] of deaf.entries()) {
    if (i % 3 === 0) socket.resetAndDestroy();
    else socket.destroy();
  }
  await checkAtRest('deaf');
});

/** PROXY protocol 2: 1.2.3.4:1 to 5.6.7.8:2. */
const PREFIX_2 = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c', 'latin1'),
  Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2]),
]).latin1Slice();

test('single bytes are as good as whole heads', async () => {
  const heads = ['PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n', 'PROXY UNKNOWN\r\n', PREFIX_2];
  const clients = heads.map((head) => ({ head, client: open('prefixed') }));
  for (let i = 0; i < Math.max(...heads.map((head) => head.length)); i++) {
    for (const { head, client } of clients) if (i < head.length) client.send(head[i] as string);
    await sleep(3);
  }
  for (const { client } of clients) for (const byte of 'payload') client.send(byte);
  await until('all to be served', () => clients.every(({ client }) => client.text === 'payload'));
  const hello = open('inspected');
  for (const byte of 'not a hello') {
    hello.send(byte);
    await sleep(2);
  }
  await until('what is no TLS to be served', () => hello.text === 'not a hello');
  for (const { client } of clients) client.socket.destroy();
  hello.socket.destroy();
  await checkAtRest('single bytes');
});

test('garbage in front of connections ends them', async () => {
  const random = new Random(3);
  const garbage = (): string => {
    const length = 1 + random.below(3_000);
    const noise = Buffer.from(Array.from({ length }, () => random.below(256))).latin1Slice();
    switch (random.below(5)) {
      case 0:
        return `PROXY TCP4 ${noise}`;
      case 1:
        return `PROXY ${'T'.repeat(length)}\r\n`;
      case 2:
        return PREFIX_2.slice(0, 12) + noise;
      case 3:
        return `\x16\x03\x01${noise}`;
      default:
        return noise;
    }
  };
  for (let round = 0; round < 20; round++) {
    const clients = Array.from({ length: 20 }, (_, i) => open(i % 2 === 0 ? 'prefixed' : 'inspected'));
    for (const client of clients) client.send(garbage());
    await sleep(10);
    for (const client of clients) client.socket.end();
    await sleep(5);
    for (const client of clients) client.socket.destroy();
  }
  await checkService();
  await checkAtRest('garbage');
});

test('datagrams from everywhere get as many sessions as the breaker allows', async () => {
  const port = ports.get('datagrams') ?? 0;
  const before = residentBytes();
  for (let round = 0; round < 10; round++) {
    const clients = await Promise.all(Array.from({ length: 100 }, () => bindDatagrams()));
    for (let i = 0; i < 20; i++)
      for (const client of clients) client.send(Buffer.alloc(i * 75, 'x'), port, '127.0.0.1');
    await sleep(20);
    assert.ok(openDescriptors(proxy.pid) <= descriptorsAtRest + SESSIONS);
    for (const client of clients) client.close();
  }
  await checkService();
  assert.ok((await stat(proxy, 'cluster.datagrams.upstream_cx_overflow')) > 0);
  const growth = residentBytes() - before;
  assert.ok(growth < MEMORY_BYTES, `${growth} bytes more than before`);
  await checkAtRest('datagrams');
});

function bindDatagrams(): Promise<ReturnType<typeof createSocket>> {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.bind(0, '127.0.0.1', () => resolve(socket)));
}
