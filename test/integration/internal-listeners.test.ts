// Internal listeners of a whole proxy: on every worker, changed and removed under traffic, and with much data through.
import assert from 'node:assert/strict';
import { createHash, type Hash, randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { resource, startThreaded, type ThreadedProxy } from '../support/threaded-proxy.ts';
import { type Json, RawConnection, until } from './heddle.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const LISTENER = 'envoy.config.listener.v3.Listener';
const GENERATION = { next: 1 };

const running = new Set<() => Promise<void>>();
after(async () => {
  for (const stop of running) await stop();
});

const any = (type: string, fields: Json = {}): Json => ({
  '@type': `type.googleapis.com/envoy.extensions.${type}`,
  ...fields,
});

const INTERNAL = {
  bootstrap_extensions: [
    {
      name: 'envoy.bootstrap.internal_listener',
      typed_config: any('bootstrap.internal_listener.v3.InternalListener', { buffer_size_kb: 64 }),
    },
  ],
};

function relayTo(cluster: string, transport?: Json): Json {
  const typed_config = any('filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: cluster, cluster });
  return {
    filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config }],
    ...(transport === undefined ? {} : { transport_socket: transport }),
  };
}

const socketAddress = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const internalAddress = (name: string): Json => ({ envoy_internal_address: { server_listener_name: name } });

function clusterTo(address: Json, transport?: Json): Json {
  return {
    connect_timeout: '1s',
    load_assignment: { cluster_name: 'x', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    ...(transport === undefined ? {} : { transport_socket: transport }),
  };
}

const innerTo = (cluster: string, around: Json = {}): Json => ({
  internal_listener: {},
  filter_chains: [relayTo(cluster)],
  ...around,
});

/** Tells each client its name, and sends back what comes. */
async function startEcho(name: string): Promise<{ port: number; server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.write(name);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  running.add(async () => void server.close());
  return { port: (server.address() as { port: number }).port, server };
}

type Rig = ThreadedProxy & {
  readonly port: number;
  change(...resources: [string, string, Json | null][]): Promise<void>;
};

/** A socket in front of the internal listener 'inner', which goes to the cluster 'a'. */
async function start(concurrency: number, a: number): Promise<Rig> {
  const port = await freePort();
  const threaded = await startThreaded(INTERNAL, concurrency, { drainTimeMs: 1000 });
  running.add(() => threaded.stop());
  const change = async (...resources: [string, string, Json | null][]): Promise<void> => {
    const generation = GENERATION.next++;
    const list = resources.map(([type, name, fields]) => resource(type, name, fields));
    assert.deepEqual(await threaded.update(generation, list), { generation, refused: [] });
  };
  await change(
    [LISTENER, 'outer', { address: socketAddress(port), filter_chains: [relayTo('to-inner')] }],
    [LISTENER, 'inner', innerTo('a')],
    [CLUSTER, 'to-inner', clusterTo(internalAddress('inner'))],
    [CLUSTER, 'a', clusterTo(socketAddress(a))],
  );
  return { ...threaded, port, change };
}

async function greeted(port: number): Promise<RawConnection> {
  const client = new RawConnection(port);
  await until('a greeting or an end', () => client.text !== '' || client.isClosed);
  return client;
}

test('every worker has the internal listener', { timeout: 30_000 }, async () => {
  const { port: a } = await startEcho('a');
  const rig = await start(3, a);
  const clients = await Promise.all(Array.from({ length: 24 }, () => greeted(rig.port)));
  assert.deepEqual(new Set(clients.map((client) => client.text)), new Set(['a']));
  assert.equal(await rig.stat('listener.envoy_internal_inner.downstream_cx_total'), 24);
  assert.equal(await rig.stat('listener.envoy_internal_inner.downstream_cx_active'), 24);
  assert.deepEqual(
    rig.crew.listeners().map(({ name, addresses }) => [name, addresses[0]?.address]),
    [
      ['outer', '127.0.0.1'],
      ['inner', 'envoy://inner/'],
    ],
  );
  for (const client of clients) client.reset();
  await until(
    'the end of all',
    async () => (await rig.stat('listener.envoy_internal_inner.downstream_cx_active')) === 0,
  );
});

test('it is changed, replaced, removed and added again under traffic', { timeout: 30_000 }, async () => {
  const { port: a } = await startEcho('a');
  const { port: b } = await startEcho('b');
  const rig = await start(2, a);
  const first = await greeted(rig.port);
  assert.equal(first.text, 'a');
  await rig.change([CLUSTER, 'b', clusterTo(socketAddress(b))], [LISTENER, 'inner', innerTo('b')]);
  assert.equal((await greeted(rig.port)).text, 'b');
  assert.equal(await rig.stat('listener_manager.listener_in_place_updated'), 1);
  first.send('still there');
  await until('an echo', () => first.text === 'astill there');

  await rig.change([LISTENER, 'inner', innerTo('a', { stat_prefix: 'replaced' })]);
  const second = await greeted(rig.port);
  assert.equal(second.text, 'a');
  assert.equal(await rig.stat('listener.replaced.downstream_cx_active'), 1);
  // Another version takes what they would be now: neither is cut for the change's sake.
  first.send(' and there');
  await until('an echo', () => first.text === 'astill there and there');
  second.send('lives on');
  await until('an echo', () => second.text === 'alives on');

  await rig.change([LISTENER, 'inner', null]);
  const refused = await greeted(rig.port);
  assert.equal(refused.text, '');
  assert.ok((await rig.stat('cluster.to-inner.upstream_cx_connect_fail')) > 0);
  await until('the end of the last version', () => first.isClosed && second.isClosed);

  await rig.change([LISTENER, 'inner', innerTo('b')]);
  assert.equal((await greeted(rig.port)).text, 'b');
});

test('new connections during changes always find one version or the other', { timeout: 30_000 }, async () => {
  const { port: a } = await startEcho('a');
  const rig = await start(2, a);
  let isOver = false;
  let answered = 0;
  const load = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const client = await greeted(rig.port);
        assert.equal(client.text, 'a', 'a connection was turned away');
        client.reset();
        answered++;
      }
    }),
  );
  for (let i = 0; i < 10; i++) {
    await rig.change([LISTENER, 'inner', innerTo('a', { stat_prefix: `version-${i}` })]);
    await sleep(20);
  }
  isOver = true;
  await load;
  assert.ok(answered > 10);
});

/** Sends random bytes through and hashes what comes back. */
async function exchange(port: number, bytes: number): Promise<[string, string]> {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [sent, got]: [Hash, Hash] = [createHash('sha1'), createHash('sha1')];
  let toSkip = 1;
  socket.on('data', (chunk: Buffer) => {
    const skipped = Math.min(toSkip, chunk.length);
    toSkip -= skipped;
    got.update(chunk.subarray(skipped));
    // A slow reader now and then.
    if (chunk.length % 7 === 0) {
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    }
  });
  const ended = new Promise((resolve, reject) => socket.on('end', resolve).on('error', reject));
  for (let left = bytes; left > 0; ) {
    const chunk = randomBytes(Math.min(left, 1 + (left % 97_003)));
    left -= chunk.length;
    sent.update(chunk);
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end();
  await ended;
  return [sent.digest('hex'), got.digest('hex')];
}

test('much data goes through two internal listeners, TLS inside the second', { timeout: 60_000 }, async () => {
  const { port: a } = await startEcho('a');
  const rig = await start(1, a);
  const ca = makeCa('root');
  const server = makeCertificate({ issuer: ca, subject: [['CN', 'inner']], sans: [{ dns: 'inner.example' }] });
  const trusted_ca = { inline_string: ca.pem };
  const inline = {
    certificate_chain: { inline_string: server.chainPem },
    private_key: { inline_string: server.keyPem },
  };
  const downstream = any('transport_sockets.tls.v3.DownstreamTlsContext', {
    common_tls_context: { tls_certificates: [inline] },
  });
  const upstream = any('transport_sockets.tls.v3.UpstreamTlsContext', {
    sni: 'inner.example',
    common_tls_context: { validation_context: { trusted_ca } },
  });
  const passing = any('transport_sockets.internal_upstream.v3.InternalUpstreamTransport', {
    transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: upstream },
  });
  await rig.change(
    [LISTENER, 'inner', innerTo('to-second')],
    [
      LISTENER,
      'second',
      {
        internal_listener: {},
        filter_chains: [relayTo('a', { name: 'envoy.transport_sockets.tls', typed_config: downstream })],
      },
    ],
    [
      CLUSTER,
      'to-second',
      clusterTo(internalAddress('second'), {
        name: 'envoy.transport_sockets.internal_upstream',
        typed_config: passing,
      }),
    ],
  );
  const results = await Promise.all([1, 40_000, 900_000, 4_000_000].map((bytes) => exchange(rig.port, bytes)));
  for (const [sent, got] of results) assert.equal(got, sent);
  await until(
    'the end of all',
    async () => (await rig.stat('listener.envoy_internal_second.downstream_cx_active')) === 0,
  );
  assert.equal(await rig.stat('listener.envoy_internal_second.downstream_cx_total'), 4);
});
