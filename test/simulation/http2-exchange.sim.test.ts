// Random exchanges over HTTP/2 and HTTP/1 through a whole proxy in memory, from a seed: what arrives is what was sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import type { Http2Options } from '../../src/wire/http2/options.ts';
import { fuzzLimits } from '../fuzz/proto-mutator.ts';
import {
  connectHttp2,
  http2Cluster,
  type Http2MemoryClient,
  type Http2MemoryPeer,
  Http2MemoryUpstream,
  assertQuiet,
} from './http2-memory.ts';
import { Attempts, beginHttp1, beginHttp2, makePlan, type Party, type Plan, setPaused } from './http2-parties.ts';
import { type MemoryClient, MemoryProxy } from './memory-proxy.ts';
import { watchTimers, whims } from './whims.ts';

const { seconds, seed } = fuzzLimits(8);

/** Steps of one world; each is one thing that a client, an upstream or time does. */
const STEPS = 250;
const MOST_CLIENTS = 4;
/** Longer than every timeout of the configuration: afterwards nothing may be left. */
const CALM_MS = 100_000;
/** Rounds in which everything that was begun must come to its end when nobody disturbs it. */
const LAST_ROUNDS = 2_000;

type Json = Readonly<Record<string, unknown>>;

type Client =
  | { readonly kind: 'http2'; readonly peer: Http2MemoryClient }
  | { readonly kind: 'http1'; readonly peer: MemoryClient; last: Party | null; requests: number };

type World = {
  readonly rig: MemoryProxy;
  readonly random: Random;
  /** Nobody gives up, fails or is too slow: every exchange must come to its end. */
  readonly isGentle: boolean;
  readonly upstream: Http2MemoryUpstream | null;
  readonly attempts: Attempts;
  readonly plans: Map<number, Plan>;
  clients: Client[];
  readonly everybody: Client[];
  readonly parties: Party[];
  logged: string[];
};

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

const PROTOCOL = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function http2Fields(random: Random): Json {
  return {
    ...(random.below(2) === 0 ? { initial_stream_window_size: pick(random, [65_535, 70_000, 1_048_576]) } : {}),
    ...(random.below(4) === 0 ? { initial_connection_window_size: pick(random, [65_535, 1_048_576]) } : {}),
    ...(random.below(3) === 0 ? { hpack_table_size: pick(random, [0, 100, 65_536]) } : {}),
  };
}

function clusterOf(random: Random, upstream: 'http1' | 'http2', isGentle: boolean): Json {
  const keepalive = { connection_keepalive: { interval: '1s', timeout: '20s' } };
  const http2 = {
    ...http2Fields(random),
    ...(random.below(3) === 0 ? { max_concurrent_streams: 1 + random.below(4) } : {}),
    ...(random.below(3) === 0 ? keepalive : {}),
  };
  const common = {
    idle_timeout: '30s',
    ...(random.below(3) === 0 ? { max_requests_per_connection: 1 + random.below(4) } : {}),
    ...(random.below(4) === 0 ? { max_connection_duration: '5s' } : {}),
  };
  const options = { common_http_protocol_options: common };
  const http1 = {
    typed_extension_protocol_options: {
      [PROTOCOL]: {
        '@type': `type.googleapis.com/${PROTOCOL}`,
        ...options,
        explicit_http_config: { http_protocol_options: { enable_trailers: true } },
      },
    },
  };
  const limit = (): number => (isGentle ? 1_000_000 : pick(random, [1, 3, 1024]));
  return {
    ...(upstream === 'http2' ? http2Cluster(http2, options) : http1),
    connect_timeout: '5s',
    per_connection_buffer_limit_bytes: pick(random, [512, 4096, 1_048_576]),
    circuit_breakers: {
      thresholds: [
        {
          max_connections: isGentle ? 1_000_000 : pick(random, [1, 2, 1024]),
          max_pending_requests: limit(),
          max_requests: limit(),
        },
      ],
    },
  };
}

function makeRig(random: Random, upstream: 'http1' | 'http2', isGentle: boolean): MemoryProxy {
  const sometimes = (value: string): string => (!isGentle && random.below(3) === 0 ? value : '0s');
  const retry_policy = {
    retry_on: '5xx,reset,refused-stream',
    num_retries: random.below(3),
    ...(random.below(2) === 0 ? { per_try_timeout: '0.4s' } : {}),
  };
  const drains = !isGentle && random.below(3) === 0;
  return new MemoryProxy({
    seed: random.uint32(),
    ...(random.below(2) === 0 ? {} : { nextPieceBytes: () => pieceBytes(random) }),
    listener: { per_connection_buffer_limit_bytes: pick(random, [512, 4096, 1_048_576]) },
    hcm: {
      stream_idle_timeout: sometimes('3s'),
      request_timeout: sometimes('2s'),
      request_headers_timeout: sometimes('1s'),
      delayed_close_timeout: pick(random, ['0s', '1s']),
      drain_timeout: '1s',
      http_protocol_options: { enable_trailers: true },
      http2_protocol_options: {
        ...http2Fields(random),
        ...(random.below(3) === 0 ? { connection_keepalive: { interval: '1s', timeout: '20s' } } : {}),
      },
      common_http_protocol_options: {
        idle_timeout: '60s',
        ...(!isGentle && random.below(3) === 0 ? { max_stream_duration: '4s' } : {}),
        ...(drains ? { max_connection_duration: '5s', max_requests_per_connection: 1 + random.below(20) } : {}),
      },
    },
    route: { timeout: sometimes('2s'), ...(!isGentle && random.below(2) === 0 ? { retry_policy } : {}) },
    cluster: clusterOf(random, upstream, isGentle),
    filters: random.below(2) === 0 ? { whims: whims(random, isGentle) } : {},
  });
}

/** Mostly large, because every piece costs time. */
function pieceBytes(random: Random): number {
  return random.below(4) === 0 ? 1 + random.below(40) : 1 + random.below(20_000);
}

function peerOptions(random: Random): Partial<Http2Options> {
  const window = pick(random, [1_000, 65_535, 1_048_576]);
  return {
    initialStreamWindow: window,
    largestStreamWindow: window * (1 + random.below(4)),
    initialConnectionWindow: pick(random, [65_535, 16_777_216]),
    hpackTableBytes: pick(random, [0, 4096]),
    useHuffman: random.below(2) === 0,
  };
}

// ─── Steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

function addClient(world: World): void {
  const { rig, random, clients, everybody } = world;
  if (clients.length >= MOST_CLIENTS) return;
  const client: Client =
    random.below(3) > 0
      ? { kind: 'http2', peer: connectHttp2(rig, peerOptions(random)) }
      : { kind: 'http1', peer: rig.connect(), last: null, requests: 0 };
  clients.push(client);
  everybody.push(client);
}

function begin(world: World, client: Client): void {
  const { random, plans, parties, isGentle } = world;
  if (client.peer.isGone) return;
  const plan = makePlan(random, plans.size + 1, !isGentle);
  if (client.kind === 'http2') {
    if (client.peer.client.freeStreams === 0) return;
    plans.set(plan.id, plan);
    parties.push(beginHttp2(client.peer, plan));
    return;
  }
  if (client.last !== null && !(client.last.isOver() && client.last.sender?.isDone === true)) return;
  plans.set(plan.id, plan);
  client.last = beginHttp1(client.peer, plan, client.requests++);
  parties.push(client.last);
}

function sendSome(random: Random, { sender }: Party): void {
  sender?.send(pick(random, [1, 100, 5_000, 100_000]), random.below(2) === 0);
}

/** Open ends of exchanges, of clients and of the upstream. */
function openParties(world: World): Party[] {
  const upstream = world.attempts.all.map(({ party }) => party);
  return [...world.parties, ...upstream].filter((party) => !party.isOver());
}

function answerOne(world: World): void {
  const { random, attempts, isGentle } = world;
  const waiting = attempts.all.filter(({ party }) => party.sender === null && !party.isOver());
  if (waiting.length === 0) return;
  const { party, answer } = pick(random, waiting);
  party.look();
  // An early answer may cost the rest of the request.
  if ((isGentle || random.below(4) > 0) && !party.incoming.isComplete) return;
  answer();
  sendSome(random, party);
}

function disturb(world: World): void {
  const { random, rig, upstream, clients } = world;
  const open = openParties(world);
  const what = random.below(12);
  const client = clients.length > 0 ? pick(random, clients) : undefined;
  const connections = (upstream?.connections ?? []).filter((peer) => !peer.isGone);
  const connection = connections.length > 0 ? pick(random, connections) : undefined;
  if (what < 4) {
    if (open.length > 0) pick(random, open).giveUp(random);
  } else if (what === 4) {
    if (client !== undefined)
      pick(random, [() => client.peer.close(), () => client.peer.reset(), () => client.peer.end()])();
  } else if (what === 5) connection?.close();
  else if (what === 6) connection?.reset();
  else if (what === 7) rig.run(() => connection?.http2.shutdown());
  else if (what === 8) rig.run(() => connection?.http2.announceShutdown());
  else if (what === 9 && client?.kind === 'http2') rig.run(() => client.peer.http2.shutdown());
  else if (what === 10) rig.holdsDials = !rig.holdsDials;
  else rig.advance(pick(random, [500, 1_100, 2_100]));
}

/** What nobody may mind. */
function fidget(world: World): void {
  const { random, rig, upstream, clients } = world;
  const http2: Http2MemoryPeer[] = [...(upstream?.connections ?? [])];
  for (const client of clients) if (client.kind === 'http2') http2.push(client.peer);
  const peers = http2.filter((peer) => !peer.isGone);
  if (peers.length === 0) return;
  const peer = pick(random, peers);
  const what = random.below(5);
  if (what === 0) rig.run(() => peer.http2.ping(Buffer.from('12345678')));
  else if (what === 1) peer.changeWindow(pick(random, [0, 1, 1_000, 65_535, 1_048_576]));
  else if (what === 2) setPaused(peer, true);
  else if (what === 3) setPaused(peer, false);
  else rig.run(() => peer.http2.ping(Buffer.from('abcdefgh')));
}

function step(world: World): void {
  const { random, rig, clients, isGentle } = world;
  const what = random.below(40);
  const open = openParties(world);
  if (what < 2 || clients.length === 0) addClient(world);
  else if (what < 8) begin(world, pick(random, clients));
  else if (what < 20) {
    if (open.length > 0) sendSome(random, pick(random, open));
  } else if (what < 26) answerOne(world);
  else if (what < 32) {
    if (open.length > 0) {
      const party = pick(random, open);
      if (random.below(2) === 0) party.stall();
      else party.goOn(pick(random, [1, 5_000, undefined]));
    }
  } else if (what < 34) fidget(world);
  else if (what === 34 && !isGentle) disturb(world);
  else rig.advance(pick(random, [1, 20, 200]));
  world.clients = clients.filter(({ peer }) => !peer.isGone);
}

// ─── Checks ───────────────────────────────────────────────────────────────────────────────────────────────────────

function checkParty({ plan, incoming }: Party, side: 'request' | 'response'): void {
  const { checker } = incoming;
  const name = `${side} ${plan.id}`;
  const { bytes, hasTrailers } = plan[side];
  // Answers of the proxy have bodies of their own.
  if (side === 'response' && incoming.status !== plan.status) return;
  if (side === 'response' && incoming.status === 503) return;
  assert.equal(checker.wrongAt, -1, `${name}: wrong bytes at ${checker.wrongAt}`);
  assert.ok(checker.bytes <= bytes, `${name}: ${checker.bytes} bytes of ${bytes}`);
  if (!incoming.isComplete) return;
  assert.equal(checker.bytes, bytes, `${name} is complete without all its bytes`);
  if (!hasTrailers) assert.equal(incoming.hasTrailers, false, `${name} has trailers`);
}

/** What must hold at every time. */
function checkAlways(world: World): void {
  const { rig, parties, attempts, upstream, clients } = world;
  for (const party of parties) {
    party.look();
    checkParty(party, 'response');
  }
  for (const { party } of attempts.all) {
    party.look();
    checkParty(party, 'request');
  }
  for (const peer of upstream?.connections ?? [])
    assert.equal(peer.failed, '', 'the proxy broke the protocol upstream');
  for (const { kind, peer } of clients)
    if (kind === 'http2') assert.equal(peer.failed, '', 'the proxy broke the protocol');
  assert.deepEqual(rig.problems, []);
}

/** Everybody goes on until all is done. */
function finishAll(world: World): void {
  const { rig, random, attempts, upstream, everybody } = world;
  rig.holdsDials = false;
  for (const client of everybody) {
    setPaused(client.peer, false);
    if (client.kind === 'http2' && client.peer.window >= 0 && !client.peer.isGone) client.peer.changeWindow(65_535);
  }
  for (let round = 0; round < LAST_ROUNDS; round++) {
    for (const peer of upstream?.connections ?? []) {
      setPaused(peer, false);
      if (peer.window >= 0 && peer.window < 1000 && !peer.isGone) peer.changeWindow(65_535);
    }
    const open = openParties(world);
    if (open.length === 0 && attempts.all.every(({ party }) => party.isOver() || party.sender?.isDone === true)) break;
    for (const party of open) {
      party.goOn();
      party.look();
    }
    for (const { party, answer } of attempts.all) {
      if (party.sender === null && party.incoming.isComplete && !party.isOver()) answer();
    }
    for (const party of open) party.sender?.send(50_000, random.below(2) === 0);
    if (round > 5) rig.advance(100);
  }
  checkAlways(world);
}

/** In a gentle world everything arrives. */
function checkDelivery(world: World): void {
  const { parties, attempts } = world;
  for (const client of parties) {
    const { plan, incoming } = client;
    const name = `exchange ${plan.id}`;
    assert.equal(incoming.status, 200, name);
    assert.ok(incoming.isComplete, `${name}: ${incoming.checker.bytes} bytes of ${plan.response.bytes}`);
    const upstream = attempts.all.find(({ party }) => party.plan === plan)?.party as Party;
    assert.ok(upstream.incoming.isComplete, `${name}: the request is not complete`);
    checkTrailers(client, upstream, 'request');
    checkTrailers(upstream, client, 'response');
  }
}

/** Trailers arrive where both ends have a place for them: HTTP/1 only behind chunks. */
function checkTrailers(from: Party, to: Party, side: 'request' | 'response'): void {
  const { hasTrailers, hasLength } = from.plan[side];
  const isSent = hasTrailers && (from.protocol === 'http2' || !hasLength);
  const isCarried = to.protocol === 'http2' || !to.incoming.losesTrailers;
  assert.equal(to.incoming.hasTrailers, isSent && isCarried, `${side} ${from.plan.id}: trailers`);
}

/** What must hold when everybody has gone and all timeouts are over. */
function checkQuiet(world: World): void {
  const { rig } = world;
  assertQuiet(rig, false);
  for (const name of ['listener.127.0.0.1_10000.downstream_cx_active', 'cluster.upstream.upstream_cx_active']) {
    assert.equal(rig.stat(name), 0, name);
  }
  assert.equal(rig.engine.openStreams, 0, 'streams that are still open');
  world.logged.push(...rig.takeLog());
  assert.equal(world.logged.length, rig.stat('http.test.downstream_rq_total'), 'requests and log lines');
  const { exchanges = [] } = world.upstream ?? {};
  for (const exchange of exchanges) assert.ok(exchange.isClosed, 'an exchange of the upstream is open');
  assert.equal(rig.stat('cluster.upstream.upstream_cx_total'), rig.stat('cluster.upstream.upstream_cx_destroy'));
  assert.equal(rig.stat('http.test.downstream_cx_total'), rig.stat('http.test.downstream_cx_destroy'));
  assert.deepEqual(rig.problems, []);
}

function simulate(worldSeed: number): number {
  const random = new Random(worldSeed);
  const watch = watchTimers();
  const isGentle = random.below(3) === 0;
  const spoken = random.below(3) > 0 ? 'http2' : 'http1';
  const rig = makeRig(random, spoken, isGentle);
  const upstream = spoken === 'http2' ? new Http2MemoryUpstream(rig, peerOptions(random)) : null;
  const plans = new Map<number, Plan>();
  const attempts = new Attempts(rig, upstream, plans);
  const world: World = {
    ...{ rig, random, isGentle, upstream, attempts, plans },
    ...{ clients: [], everybody: [], parties: [], logged: [] },
  };
  try {
    for (let i = 0; i < STEPS; i++) {
      step(world);
      if (i % 10 === 0) checkAlways(world);
    }
    finishAll(world);
    if (isGentle) checkDelivery(world);
    rig.advance(20_000);
    for (const { peer } of world.everybody) if (!peer.isClosed) peer.close();
    rig.advance(CALM_MS);
    for (const peer of [...rig.upstream.connections, ...(upstream?.connections ?? [])]) {
      if (!peer.isClosed) peer.close();
    }
    rig.advance(CALM_MS);
    checkQuiet(world);
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

test(`random exchanges over HTTP/2 arrive and leave nothing behind, ${seconds} s from seed ${seed}`, (t) => {
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
