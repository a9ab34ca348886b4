// Bytes through tcp_proxy arrive whole and in order, over every kind of socket, with FIN sent before the answer comes.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, openDescriptors, scratchFolder, stat, until } from './heddle.ts';

const CONNECTIONS = 200;
const AT_ONCE = 20;
/** Slices of it are what is sent. */
const NOISE = randomBytes(5 * 1024 * 1024);
const HASH_BYTES = 20;
const SMALL_LIMIT_BYTES = 4096;
const LONGEST_MS = 10_000;

type Variant = {
  readonly name: string;
  readonly from: 'tcp' | 'unix';
  /** 'large': by TCP, and most answers fill every buffer on the way. */
  readonly to: 'tcp' | 'unix' | 'large';
  readonly limitBytes?: number;
  /** The client rests so long after each of its first reads; the kernel keeps little for unix sockets. */
  readonly restMs?: number;
};

const VARIANTS: readonly Variant[] = [
  { name: 'tcp-tcp', from: 'tcp', to: 'tcp' },
  { name: 'unix-tcp', from: 'unix', to: 'tcp' },
  { name: 'tcp-unix', from: 'tcp', to: 'unix' },
  { name: 'unix-unix', from: 'unix', to: 'unix' },
  { name: 'small-buffers', from: 'tcp', to: 'tcp', limitBytes: SMALL_LIMIT_BYTES },
  { name: 'slow-reader', from: 'unix', to: 'large', restMs: 5 },
  { name: 'slow-small', from: 'unix', to: 'large', limitBytes: SMALL_LIMIT_BYTES, restMs: 5 },
];
const RESTS = 10;
/** Sizes are up to two to this power; they go higher for one connection in ten. */
const USUAL_BITS = 18;
const LARGE_BITS = 22;

const folder = scratchFolder();
const servers: Server[] = [];
const ports = new Map<string, number>();
let proxy: ProxyProcess;

const pipe = (name: string): Json => ({ pipe: { path: join(folder, name) } });
const socket = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

before(async () => {
  const listen = async (bits: number, where: object): Promise<Server> => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (peer) => answer(peer, bits));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(where, resolve));
    return server;
  };
  const port = (server: Server): number => (server.address() as { port: number }).port;
  await listen(USUAL_BITS, { path: join(folder, 'upstream') });
  const upstreams = {
    tcp: socket(port(await listen(USUAL_BITS, { port: 0, host: '127.0.0.1' }))),
    large: socket(port(await listen(LARGE_BITS, { port: 0, host: '127.0.0.1' }))),
    unix: pipe('upstream'),
  };
  for (const { name } of VARIANTS) ports.set(name, await freePort());
  const config = {
    admin: { address: socket(0) },
    static_resources: { listeners: VARIANTS.map(listener), clusters: VARIANTS.map((one) => cluster(one, upstreams)) },
  };
  proxy = await startProxy('heddle', JSON.stringify(config), scratchFolder());
});

after(async () => {
  await proxy?.stop();
  for (const server of servers) server.close();
});

function limits({ limitBytes }: Variant): Json {
  return limitBytes === undefined ? {} : { per_connection_buffer_limit_bytes: limitBytes };
}

function listener(variant: Variant): Json {
  const { name, from } = variant;
  const type = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
  return {
    name,
    address: from === 'unix' ? pipe(name) : socket(ports.get(name)!),
    ...limits(variant),
    filter_chains: [{ filters: [{ name, typed_config: { '@type': type, stat_prefix: name, cluster: name } }] }],
  };
}

function cluster(variant: Variant, upstreams: Record<Variant['to'], Json>): Json {
  const { name, to } = variant;
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: upstreams[to] } }] }];
  return { name, connect_timeout: '2s', ...limits(variant), load_assignment: { cluster_name: name, endpoints } };
}

/** As likely between 10 and 20 bytes as between 100,000 and 200,000, and sometimes none. */
function drawSlice(bits = USUAL_BITS): Buffer {
  const power = Math.random() * (Math.random() < 0.1 ? LARGE_BITS : bits);
  const size = Math.random() < 0.05 ? 0 : Math.floor(2 ** power);
  const start = Math.floor(Math.random() * (NOISE.length - size));
  return NOISE.subarray(start, start + size);
}

const sha1 = (bytes: Uint8Array): Buffer => createHash('sha1').update(bytes).digest();

/** Sends bytes before, while or after it reads, then a hash of them and a hash of what it read. */
function answer(peer: Socket, bits: number): void {
  const received = createHash('sha1');
  const body = drawSlice(bits);
  const isLate = Math.random() < 0.5;
  peer.on('error', () => peer.destroy());
  if (!isLate) peer.write(body);
  peer.on('data', (chunk) => received.update(chunk));
  peer.on('end', () => {
    if (isLate) peer.write(body);
    peer.end(Buffer.concat([sha1(body), received.digest()]));
  });
}

/** Sends bytes and FIN; returns what is wrong with what comes back, or null. */
async function exchange(where: NetConnectOpts, restMs: number): Promise<string | null> {
  const sent = drawSlice();
  const chunks: Buffer[] = [];
  const client = connect({ ...where, allowHalfOpen: true });
  const ended = Promise.withResolvers<string | null>();
  const timer = setTimeout(() => ended.resolve('took too long'), LONGEST_MS);
  client.on('error', (error) => ended.resolve(error.message));
  client.on('end', () => ended.resolve(null));
  client.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (restMs === 0 || chunks.length > RESTS) return;
    client.pause();
    void sleep(restMs).then(() => client.resume());
  });
  const middle = Math.floor(Math.random() * sent.length);
  client.write(sent.subarray(0, middle));
  if (Math.random() < 0.5) await sleep(1);
  client.end(sent.subarray(middle));
  const problem = await ended.promise;
  clearTimeout(timer);
  client.destroy();
  if (problem !== null) return problem;
  const bytes = Buffer.concat(chunks);
  const body = bytes.subarray(0, -2 * HASH_BYTES);
  if (!sha1(body).equals(bytes.subarray(-2 * HASH_BYTES, -HASH_BYTES))) return `wrong answer (${bytes.length} bytes)`;
  return sha1(sent).equals(bytes.subarray(-HASH_BYTES)) ? null : `wrong bytes arrived (${sent.length} sent)`;
}

for (const variant of VARIANTS) {
  test(`${CONNECTIONS} connections of random size over ${variant.name}`, async () => {
    const { name, from, restMs = 0 } = variant;
    const where = from === 'unix' ? { path: join(folder, name) } : { port: ports.get(name)!, host: '127.0.0.1' };
    const problems: string[] = [];
    let left = CONNECTIONS;
    const run = async (): Promise<void> => {
      while (left-- > 0) {
        const problem = await exchange(where, restMs);
        if (problem !== null) problems.push(problem);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, run));
    assert.deepEqual(problems, []);
    await until('all are closed', async () => (await stat(proxy, `cluster.${name}.upstream_cx_active`)) === 0);
    assert.equal(await stat(proxy, `cluster.${name}.upstream_cx_total`), CONNECTIONS);
    if (restMs > 0) {
      const pauses = await stat(proxy, `cluster.${name}.upstream_flow_control_paused_reading_total`);
      assert.ok(pauses > 0, 'a slow reader stops the reading of its upstream');
      assert.equal(await stat(proxy, `cluster.${name}.upstream_flow_control_resumed_reading_total`), pauses);
    }
  });
}

test('no descriptor is left behind', async () => {
  const expected = 60;
  await until('descriptors are closed', () => openDescriptors(proxy.pid) < expected);
});
