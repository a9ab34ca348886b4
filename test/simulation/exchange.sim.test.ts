// Random exchanges through a whole proxy in memory, from a seed: every request ends once and nothing stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { fuzzLimits } from '../fuzz/proto-mutator.ts';
import { headerValues, isInterim, type Message } from '../support/http1-reader.ts';
import { chunk, type MemoryClient, MemoryProxy, response, type UpstreamPeer } from './memory-proxy.ts';
import { watchTimers, whims } from './whims.ts';

const { seconds, seed } = fuzzLimits(5);

/** Steps of one world; each is one thing that a client, an upstream or time does. */
const STEPS = 300;
const MOST_CLIENTS = 8;
/** Longer than every timeout of the configuration: afterwards nothing may be left. */
const CALM_MS = 100_000;

type World = {
  readonly rig: MemoryProxy;
  readonly random: Random;
  readonly clients: SimClient[];
  /** Requests that the upstream has read and not answered yet. */
  readonly waiting: { peer: UpstreamPeer; message: Message }[];
  /** Log lines so far. */
  logged: string[];
  readonly trace: string[];
};

type SimClient = {
  readonly peer: MemoryClient;
  /** Paths of its requests in order, '' for one that is broken. */
  readonly paths: string[];
  /** Bytes of requests that are still to be sent. */
  outbox: string;
  /** Requests whose head has gone out in full. */
  begun: number;
  isOver: boolean;
};

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

const PROTOCOL = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Fields that a configuration may vary without changing what must hold. */
function makeRig(random: Random): MemoryProxy {
  const retry_policy = {
    retry_on: '5xx,reset',
    num_retries: random.below(3),
    ...(random.below(2) === 0 ? { per_try_timeout: '0.2s' } : {}),
  };
  const sometimes = (value: string): string => (random.below(3) === 0 ? value : '0s');
  return new MemoryProxy({
    seed: random.uint32(),
    nextPieceBytes: random.below(3) === 0 ? () => 65_536 : () => 1 + random.below(40),
    listener: { per_connection_buffer_limit_bytes: pick(random, [512, 4096, 1_048_576]) },
    hcm: {
      stream_idle_timeout: sometimes('3s'),
      request_timeout: sometimes('2s'),
      request_headers_timeout: sometimes('1s'),
      delayed_close_timeout: pick(random, ['0s', '1s']),
      drain_timeout: '1s',
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      http_protocol_options: { accept_http_10: true },
      common_http_protocol_options: {
        idle_timeout: '60s',
        ...(random.below(3) === 0 ? { max_stream_duration: '4s' } : {}),
        ...(random.below(3) === 0 ? { max_connection_duration: '5s' } : {}),
        ...(random.below(3) === 0 ? { max_requests_per_connection: 1 + random.below(4) } : {}),
      },
    },
    route: { timeout: sometimes('2s'), ...(random.below(2) === 0 ? { retry_policy } : {}) },
    cluster: {
      typed_extension_protocol_options: {
        [PROTOCOL]: {
          '@type': `type.googleapis.com/${PROTOCOL}`,
          common_http_protocol_options: { idle_timeout: '30s' },
          explicit_http_config: { http_protocol_options: {} },
        },
      },
      per_connection_buffer_limit_bytes: pick(random, [512, 4096, 1_048_576]),
      circuit_breakers: {
        thresholds: [
          {
            max_connections: pick(random, [1, 2, 1024]),
            max_pending_requests: pick(random, [1, 4, 1024]),
            max_requests: pick(random, [2, 1024]),
          },
        ],
      },
    },
    filters: random.below(2) === 0 ? { whims: whims(random) } : {},
  });
}

function requestText(random: Random, id: number): string {
  const size = pick(random, [0, 1, 50, 3000]);
  const head = `POST /${id} HTTP/1.1\r\nHost: a\r\n`;
  switch (random.below(9)) {
    case 5:
      return `GET /${id} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes`;
    case 6:
      return `GET /${id} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`;
    case 7:
      return `${head}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`;
    case 0:
      return `GET /${id} HTTP/1.1\r\nHost: a\r\n\r\n`;
    case 1:
      return `${head}Content-Length: ${size}\r\n\r\n${'b'.repeat(size)}`;
    case 2:
      return `${head}Transfer-Encoding: chunked\r\n\r\n${chunk('c'.repeat(size + 1))}${chunk('d')}0\r\n\r\n`;
    case 3:
      return `GET /${id} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    default:
      return random.below(6) === 0 ? 'BROKEN\r\n\r\n' : `HEAD /${id} HTTP/1.1\r\nHost: a\r\n\r\n`;
  }
}

/** Answers, early, late, whole, cut or broken. */
function answer(world: World): void {
  const { random, waiting } = world;
  const at = random.below(waiting.length);
  const [{ peer, message }] = waiting.splice(at, 1) as [World['waiting'][number]];
  if (peer.isGone) return;
  if (headerValues(message.headers, 'upgrade').length > 0) {
    agreeOrNot(random, peer);
    return;
  }
  const isHead = message.startLine.startsWith('HEAD');
  const size = pick(random, [0, 5, 3000, 40_000]);
  const body = 'r'.repeat(size);
  const tag = `X-Id: ${message.startLine.split(' ')[1]}`;
  switch (random.below(10)) {
    case 0:
      return peer.reset();
    case 1:
      return peer.close();
    case 2:
      return peer.send(`HTTP/1.1 200 OK\r\n${tag}\r\nContent-Length: 9\r\n\r\nabc`);
    case 3:
      return peer.send('nonsense\r\n\r\n');
    case 4:
      return peer.send(
        isHead
          ? `HTTP/1.1 200 OK\r\n${tag}\r\n\r\n`
          : `HTTP/1.1 200 OK\r\n${tag}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('x')}0\r\n\r\n`,
      );
    case 5:
      return peer.send(`HTTP/1.1 503 X\r\n${tag}\r\nContent-Length: ${isHead ? 0 : 1}\r\n\r\n${isHead ? '' : 'e'}`);
    case 6:
      peer.send(
        isHead
          ? `HTTP/1.1 200 OK\r\n${tag}\r\nConnection: close\r\n\r\n`
          : `HTTP/1.1 200 OK\r\n${tag}\r\nConnection: close\r\n\r\n${body}`,
      );
      return peer.close();
    default:
      return peer.send(
        isHead ? `HTTP/1.1 200 OK\r\n${tag}\r\nContent-Length: ${size}\r\n\r\n` : response(body, 200, tag),
      );
  }
}

/** Answers to an upgrade: the connection becomes a tunnel, or not. */
function agreeOrNot(random: Random, peer: UpstreamPeer): void {
  switch (random.below(5)) {
    case 0:
      return peer.send(response('no', 403));
    case 1:
      return peer.close();
    case 2:
      return peer.send(response('what?'));
    default:
      peer.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes');
      if (random.below(3) === 0) peer.close();
  }
}

function step(world: World, id: number): void {
  const { random, rig, clients, waiting } = world;
  const what = random.below(20);
  const client = clients.length > 0 ? pick(random, clients) : undefined;
  world.trace.push(`${what}`);
  if (what < 2 || client === undefined) {
    if (clients.length < MOST_CLIENTS)
      clients.push({ peer: rig.connect(), paths: [], outbox: '', begun: 0, isOver: false });
  } else if (what < 6) {
    const text = requestText(random, id);
    client.outbox += text;
    const [method = '', path = ''] = text.split(' ');
    client.peer.methods.push(method);
    client.paths.push(path.startsWith('/') ? path : '');
  } else if (what < 11) sendSome(world, client);
  else if (what < 14) {
    if (waiting.length > 0) answer(world);
  } else if (what === 14)
    rig.run(() => (random.below(2) === 0 ? client.peer.stream.pause() : client.peer.stream.resume()));
  else if (what === 15 && random.below(4) === 0) {
    client.isOver = true;
    if (random.below(2) === 0) client.peer.reset();
    else client.peer.close();
  } else if (what === 16 && random.below(4) === 0) client.peer.end();
  else rig.advance(pick(random, [1, 20, 200, 1_100]));
  for (let i = clients.length - 1; i >= 0; i--) if (clients[i]?.peer.isClosed) clients.splice(i, 1);
}

function sendSome(world: World, client: SimClient): void {
  if (client.outbox === '' || client.peer.isGone) return;
  const { random } = world;
  const length = random.below(2) === 0 ? client.outbox.length : 1 + random.below(client.outbox.length);
  client.peer.send(client.outbox.slice(0, length));
  client.outbox = client.outbox.slice(length);
}

/** What must hold at every time. */
function checkAlways(world: World): void {
  const { rig } = world;
  for (const name of GAUGES) assert.ok(rig.stat(name) >= 0, `${name} is ${rig.stat(name)}`);
  for (const { peer, paths } of world.clients) {
    const finals = peer.responses.filter((message) => !isInterim(message));
    for (const [i, { error, headers, startLine }] of finals.entries()) {
      assert.equal(error, null, 'a client got a broken response');
      const id = headerValues(headers, 'x-id')[0];
      if (id !== undefined) assert.equal(id, paths[i], `answer ${i} (${startLine}) belongs to another request`);
    }
  }
  assert.deepEqual(rig.problems, []);
}

const GAUGES = [
  'http.test.downstream_cx_active',
  'http.test.downstream_cx_upgrades_active',
  'http.test.downstream_rq_active',
  'listener.127.0.0.1_10000.downstream_cx_active',
  'cluster.upstream.upstream_cx_active',
  'cluster.upstream.upstream_rq_active',
  'cluster.upstream.upstream_rq_pending_active',
];

/** What must hold when everybody has gone and all timeouts are over. */
function checkQuiet(world: World, all: readonly SimClient[]): void {
  const { rig } = world;
  for (const name of GAUGES) assert.equal(rig.stat(name), 0, name);
  assert.equal(rig.engine.openStreams, 0, 'streams that are still open');
  world.logged.push(...rig.takeLog());
  assert.equal(world.logged.length, rig.stat('http.test.downstream_rq_total'), 'requests and log lines');
  const answered = all.reduce(
    (sum, { peer }) => sum + peer.responses.filter((message) => !isInterim(message)).length,
    0,
  );
  assert.ok(answered <= world.logged.length, `${answered} answers to ${world.logged.length} requests`);
  assert.equal(rig.stat('cluster.upstream.upstream_cx_total'), rig.stat('cluster.upstream.upstream_cx_destroy'));
  assert.equal(rig.stat('http.test.downstream_cx_total'), rig.stat('http.test.downstream_cx_destroy'));
  assert.deepEqual(rig.problems, []);
}

function simulate(worldSeed: number): number {
  const random = new Random(worldSeed);
  const watch = watchTimers();
  const rig = makeRig(random);
  const world: World = { rig, random, clients: [], waiting: [], logged: [], trace: [] };
  const all: SimClient[] = [];
  // Some answers come before the request is complete.
  const early = new WeakSet<Message>();
  rig.upstream.onHead = (message, peer) => {
    if (headerValues(message.headers, 'upgrade').length > 0) world.waiting.push({ peer, message });
    else if (random.below(12) === 0) {
      early.add(message);
      peer.stream.writeLatin1(response('early', 200, `X-Id: ${message.startLine.split(' ')[1]}`));
    }
  };
  rig.upstream.reply = (message, peer) => {
    if (!early.has(message)) world.waiting.push({ peer, message });
    return '';
  };
  try {
    for (let i = 0; i < STEPS; i++) {
      const before = world.clients.length;
      step(world, i);
      if (world.clients.length > before) all.push(...world.clients.slice(before));
      checkAlways(world);
    }
    for (const { peer } of world.clients) {
      peer.resume();
      if (random.below(2) === 0) peer.close();
    }
    rig.advance(20_000);
    for (const { peer } of all) if (!peer.isClosed) peer.close();
    for (const peer of rig.upstream.connections) if (!peer.isClosed && random.below(2) === 0) peer.close();
    rig.advance(CALM_MS);
    // A client that is held back is not read, and not seen to go: without any timeout its upstream decides.
    for (const peer of rig.upstream.connections) if (!peer.isClosed) peer.close();
    rig.advance(CALM_MS);
    checkQuiet(world, all);
    const left = watch.armed().map((timer) => timer.onFire.name);
    // The statistics' interval goes on, and the access log waits for its own.
    const strange = left.filter((name) => name !== 'flush' && name !== 'onFlushTimer');
    assert.deepEqual(strange, [], 'timers that are still armed');
  } finally {
    watch.restore();
    rig.stop();
  }
  return world.logged.length;
}

test(`random exchanges leave nothing behind, ${seconds} s from seed ${seed}`, (t) => {
  const until = performance.now() + seconds * 1000;
  let worlds = 0;
  let requests = 0;
  for (; performance.now() < until || worlds < 5; worlds++) {
    const worldSeed = seed * 100_003 + worlds;
    try {
      requests += simulate(worldSeed);
    } catch (error) {
      throw new Error(`world ${worldSeed} (--seed=${seed}): ${(error as Error).message}`, { cause: error });
    }
  }
  t.diagnostic(`${worlds} worlds, ${requests} requests`);
  assert.ok(requests > worlds * 3, `only ${requests} requests in ${worlds} worlds`);
});
