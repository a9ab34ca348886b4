// Random connections through tcp_proxy in memory, from a seed: bytes arrive in order, every end crosses, nothing stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address, ByteStream, ByteStreamHandler } from '../../src/base/byte-stream.ts';
import { Random } from '../../src/base/clock.ts';
import { isListenError } from '../../src/net/engine.ts';
import { fuzzLimits } from '../fuzz/proto-mutator.ts';
import { LISTENER, MemoryProxy } from './memory-proxy.ts';

const { seconds, seed } = fuzzLimits(3);

/** Steps of one world; each is one thing that a client, an upstream or time does. */
const STEPS = 150;
const MOST_CLIENTS = 8;
/** Longer than every timeout of the configuration: afterwards nothing may be left. */
const CALM_MS = 100_000;
const MOST_BYTES = 6000;
const UPSTREAM: Address = { family: 'ipv4', address: '127.0.0.1', port: 10_081 };

/** One end: sends its own number and then bytes that follow from it, and checks what it gets in the same way. */
class Peer implements ByteStreamHandler {
  readonly stream: ByteStream;
  readonly number: number;
  sent = 0;
  received = 0;
  /** Number of who sends to it; -1 until the first byte. */
  from = -1;
  hasEnded = false;
  isEnded = false;
  isPaused = false;
  /** It ended otherwise than by FIN: bytes may be lost. */
  isRude = false;

  constructor(stream: ByteStream, number: number) {
    this.stream = stream;
    this.number = number;
    stream.handler = this;
  }

  send(length: number): void {
    if (this.hasEnded || this.stream.isClosed) return;
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = byteAt(this.number, this.sent + i);
    this.sent += length;
    this.stream.write(bytes);
  }

  end(): void {
    this.hasEnded = true;
    this.stream.end();
  }

  leave(reset: boolean): void {
    this.isRude = true;
    this.stream.destroy(reset);
  }

  toggle(): void {
    this.isPaused = !this.isPaused;
    if (this.isPaused) this.stream.pause();
    else this.stream.resume();
  }

  onData(chunk: Buffer, start: number, end: number): void {
    for (let i = start; i < end; i++) {
      if (this.from < 0) this.from = chunk[i] as number;
      else assert.equal(chunk[i], byteAt(this.from, this.received + i - start), 'bytes arrive in order');
    }
    this.received += end - start;
  }
  onEnd(): void {
    this.isEnded = true;
  }
  onDrain(): void {}
  onClose(): void {}
}

function byteAt(number: number, position: number): number {
  return position === 0 ? number : (number * 31 + position * 7 + (position >>> 8)) & 0xff;
}

type World = {
  readonly rig: MemoryProxy;
  readonly random: Random;
  readonly clients: Peer[];
  readonly upstreams: Peer[];
  readonly hasTimeouts: boolean;
  connections: number;
};

function makeWorld(random: Random): World {
  const pick = <T>(...list: T[]): T => list[random.below(list.length)] as T;
  const hasTimeouts = random.below(2) === 0;
  const type = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
  const proxy = {
    '@type': type,
    stat_prefix: 'relay',
    cluster: 'upstream',
    idle_timeout: hasTimeouts ? '3s' : '0s',
    max_connect_attempts: 1 + random.below(3),
    ...(hasTimeouts && random.below(2) === 0 ? { max_downstream_connection_duration: '9s' } : {}),
    ...(random.below(3) === 0 ? { max_early_data_bytes: pick(0, 100, 5000) } : {}),
    // Whoever ends without a byte then waits for the idle timeout, as in Envoy.
    ...(hasTimeouts && random.below(3) === 0
      ? { upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 64 }
      : {}),
  };
  const endpoint = { address: { socket_address: { address: UPSTREAM.address, port_value: UPSTREAM.port } } };
  const rig = new MemoryProxy({
    seed: random.uint32(),
    nextPieceBytes: random.below(3) === 0 ? () => 65_536 : () => 1 + random.below(300),
    listener: {
      per_connection_buffer_limit_bytes: pick(64, 4096, 1_048_576),
      filter_chains: [{ filters: [{ name: 'tcp', typed_config: proxy }] }],
    },
    cluster: {
      per_connection_buffer_limit_bytes: pick(64, 4096, 1_048_576),
      load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
      circuit_breakers: { thresholds: [{ max_connections: pick(2, 1000) }] },
    },
  });
  const world: World = { rig, random, clients: [], upstreams: [], hasTimeouts, connections: 0 };
  const listening = rig.engine.listen(UPSTREAM, {}, (stream) => {
    world.upstreams.push(new Peer(stream, 128 + (world.upstreams.length % 128)));
  });
  assert.ok(!isListenError(listening));
  return world;
}

function connect(world: World): void {
  const { rig, clients } = world;
  if (clients.filter(({ stream }) => !stream.isClosed).length >= MOST_CLIENTS) return;
  world.connections++;
  rig.engine.connect(LISTENER, {}, (stream) => {
    if (stream !== null) clients.push(new Peer(stream, clients.length % 128));
  });
}

function step(world: World): void {
  const { rig, random, clients, upstreams } = world;
  const draw = random.below(100);
  if (draw < 10) return rig.run(() => connect(world));
  if (draw < 13) {
    rig.holdsDials = !rig.holdsDials;
    return;
  }
  if (draw < 25) return rig.advance(random.below(draw < 15 ? 4000 : 200));
  const side = random.below(2) === 0 ? clients : upstreams;
  const open = side.filter(({ stream }) => !stream.isClosed);
  const peer = open[random.below(Math.max(1, open.length))];
  if (peer === undefined) return;
  rig.run(() => {
    if (draw < 75) peer.send(1 + random.below(MOST_BYTES));
    else if (draw < 85) peer.toggle();
    else if (draw < 93) peer.end();
    else if (draw < 95) peer.leave(true);
    else if (draw < 97) peer.leave(false);
    else peer.send(0);
  });
}

/** Lets everything that was begun end in good order, as far as it can. */
function calmDown(world: World): void {
  const { rig, clients, upstreams } = world;
  rig.holdsDials = false;
  for (const peer of [...clients, ...upstreams]) {
    rig.run(() => {
      if (peer.isPaused) peer.toggle();
      peer.end();
    });
  }
  for (let round = 0; round < 20; round++) {
    rig.advance(500);
    // Upstreams that were reached meanwhile.
    for (const peer of upstreams) if (!peer.hasEnded) rig.run(() => peer.end());
  }
}

function checkDelivery(world: World): void {
  if (world.hasTimeouts) return;
  const byNumber = (peers: readonly Peer[], number: number): Peer | undefined => peers.find((p) => p.number === number);
  for (const client of world.clients) {
    if (client.from < 0 || client.isRude || world.clients.length > 128) continue;
    const upstream = byNumber(world.upstreams, client.from);
    if (upstream === undefined || upstream.isRude) continue;
    assert.equal(client.received, upstream.sent, 'all bytes of the upstream arrive');
    assert.ok(client.isEnded, 'and then its end');
    if (upstream.from === client.number) assert.equal(upstream.received, client.sent, 'all bytes of the client arrive');
  }
}

function checkNothingStays(world: World): void {
  const { rig } = world;
  for (const peer of [...world.clients, ...world.upstreams]) rig.run(() => peer.stream.destroy());
  rig.advance(CALM_MS);
  const gauges = [
    'tcp.relay.downstream_cx_tx_bytes_buffered',
    'tcp.relay.upstream_flush_active',
    'cluster.upstream.upstream_cx_active',
    'cluster.upstream.upstream_rq_active',
    'cluster.upstream.upstream_rq_pending_active',
  ];
  for (const name of gauges) assert.equal(rig.stat(name), 0, name);
  assert.equal(rig.stat('tcp.relay.downstream_cx_total'), world.connections);
  assert.equal(rig.stat('cluster.upstream.upstream_cx_destroy'), rig.stat('cluster.upstream.upstream_cx_total'));
  assert.equal(rig.engine.openStreams, 0, 'open streams');
  assert.deepEqual(rig.problems, []);
}

function runWorld(worldSeed: number): void {
  const world = makeWorld(new Random(worldSeed));
  try {
    for (let i = 0; i < STEPS; i++) step(world);
    calmDown(world);
    checkDelivery(world);
    checkNothingStays(world);
  } catch (error) {
    throw new Error(`seed ${worldSeed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    world.rig.stop();
  }
}

test('random relays end as they must', () => {
  const until = performance.now() + seconds * 1000;
  let worlds = 0;
  for (let next = seed; performance.now() < until; next++, worlds++) runWorld(next);
  assert.ok(worlds > 0);
});
