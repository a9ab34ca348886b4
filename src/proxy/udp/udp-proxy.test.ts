// The udp_proxy filter over memory and fake time: sessions begin, last, move and end, and nothing of them stays.
import assert from 'node:assert/strict';
import test from 'node:test';
import { host, hosts, UdpHarness } from '../../../test/support/udp-harness.ts';
import { Random } from '../../base/clock.ts';
import { DEFAULT_LIMITS } from '../cluster/circuit-breaker.ts';

const TO_UP = { cluster: 'up' };

function limits(maxConnections: number) {
  return { breakers: { DEFAULT: { ...DEFAULT_LIMITS, maxConnections }, HIGH: DEFAULT_LIMITS } };
}

test('datagrams go there and back, and silence ends the session', () => {
  const harness = new UdpHarness({ ...TO_UP, idle_timeout: { seconds: 1, nanos: 0 } });
  const backend = harness.peer(7000, 'pong');
  const client = harness.peer();
  harness.say(client, 'ping');
  harness.clock.advance(900);
  harness.say(client, 'again');
  harness.clock.advance(900);
  assert.deepEqual(backend.received, ['ping', 'again']);
  assert.deepEqual(client.received, ['pong', 'pong']);
  assert.equal(new Set(backend.from.map(({ port }) => port)).size, 1);
  assert.equal(harness.listener.sessionCount, 1);
  harness.clock.advance(200);
  assert.equal(harness.listener.sessionCount, 0);
  assert.equal(harness.stat('udp.u.idle_timeout'), 1);
  assert.equal(harness.stat('udp.u.downstream_sess_active'), 0);
  harness.say(client, 'anew');
  assert.equal(new Set(backend.from.map(({ port }) => port)).size, 2);
  assert.equal(harness.stat('udp.u.downstream_sess_total'), 2);
  assert.deepEqual(harness.bugs, []);
});

test('an idle timeout of 0 ends a session with the next tick', () => {
  const harness = new UdpHarness({ ...TO_UP, idle_timeout: { seconds: 0, nanos: 0 } });
  const backend = harness.peer(7000);
  harness.say(harness.peer(), 'x');
  harness.clock.advance(10);
  assert.deepEqual(backend.received, ['x']);
  assert.equal(harness.listener.sessionCount, 0);
});

test('sessions of a host that leaves its cluster end; others stay', () => {
  const harness = new UdpHarness(TO_UP, { endpoints: hosts(host(7000), host(7001)) });
  const backends = [harness.peer(7000, 'a'), harness.peer(7001, 'b')];
  const clients = [harness.peer(), harness.peer(), harness.peer(), harness.peer()];
  for (const client of clients) harness.say(client, '1');
  assert.deepEqual(
    backends.map(({ received }) => received.length),
    [2, 2],
  );
  harness.engine.run(() => harness.cluster.setEndpoints(hosts(host(7001))));
  assert.equal(harness.listener.sessionCount, 2);
  assert.equal(harness.cluster.breakers.DEFAULT.connections.current, 2);
  for (const client of clients) harness.say(client, '2');
  assert.equal(backends[0]?.received.length, 2);
  assert.equal(backends[1]?.received.length, 6);
  // Two clients kept their session, and so its port, and two got another.
  assert.equal(new Set(backends[1]?.from.map(({ port }) => port)).size, 4);
});

test('a cluster that goes takes its sessions along; without it there is no route', () => {
  const harness = new UdpHarness(TO_UP);
  const backend = harness.peer(7000);
  const client = harness.peer();
  harness.say(client, '1');
  harness.engine.run(() => harness.clusters.remove('up'));
  assert.equal(harness.listener.sessionCount, 0);
  harness.say(client, '2');
  assert.deepEqual(backend.received, ['1']);
  assert.equal(harness.stat('udp.u.downstream_sess_no_route'), 1);
});

test('a host that falls ill is left for a better one, and kept while there is none', () => {
  const harness = new UdpHarness(TO_UP, { panicThreshold: 0, endpoints: hosts(host(7000)) });
  const backends = [harness.peer(7000), harness.peer(7001)];
  const client = harness.peer();
  harness.say(client, '1');
  const ill = host(7000, { health: 'UNHEALTHY' });
  harness.cluster.setEndpoints(hosts(ill));
  harness.say(client, '2');
  harness.cluster.setEndpoints(hosts(ill, host(7001)));
  harness.say(client, '3');
  harness.say(client, '4');
  assert.deepEqual(
    backends.map(({ received }) => received),
    [
      ['1', '2'],
      ['3', '4'],
    ],
  );
  assert.equal(harness.listener.sessionCount, 1);
  assert.equal(harness.stat('udp.u.downstream_sess_total'), 2);
});

test('ten thousand clients get as many sessions as the breaker allows', () => {
  const harness = new UdpHarness({ ...TO_UP, idle_timeout: { seconds: 1, nanos: 0 } }, limits(100));
  const backend = harness.peer(7000);
  for (let i = 0; i < 10_000; i++) {
    const client = harness.peer();
    harness.say(client, 'x');
    client.socket.close();
  }
  assert.equal(harness.listener.sessionCount, 100);
  assert.equal(backend.received.length, 100);
  assert.equal(harness.stat('cluster.up.upstream_cx_overflow'), 9900);
  assert.equal(harness.stat('cluster.up.circuit_breakers.default.cx_open'), 1);
  harness.clock.advance(1100);
  assert.equal(harness.listener.sessionCount, 0);
  assert.equal(harness.stat('cluster.up.circuit_breakers.default.cx_open'), 0);
});

test('a host that refuses is counted, and heard once it is back', () => {
  const harness = new UdpHarness(TO_UP);
  const client = harness.peer();
  harness.say(client, '1');
  harness.say(client, '2');
  assert.equal(harness.stat('cluster.up.udp.sess_rx_errors'), 2);
  harness.peer(7000, 'pong');
  harness.say(client, '3');
  assert.deepEqual(client.received, ['pong']);
  assert.equal(harness.stat('udp.u.downstream_sess_total'), 1);
});

test('per packet a client has a session with each host', () => {
  const harness = new UdpHarness(
    { ...TO_UP, use_per_packet_load_balancing: true },
    { endpoints: hosts(host(7000), host(7001)) },
  );
  const backends = [harness.peer(7000, 'a'), harness.peer(7001, 'b')];
  const client = harness.peer();
  for (let i = 0; i < 6; i++) harness.say(client, `${i}`);
  assert.deepEqual(
    backends.map(({ received }) => received.length),
    [3, 3],
  );
  assert.deepEqual(client.received.toSorted(), ['a', 'a', 'a', 'b', 'b', 'b']);
  assert.equal(harness.listener.sessionCount, 2);
});

test('only the peer of a session is heard on its socket', () => {
  const harness = new UdpHarness(TO_UP);
  const backend = harness.peer(7000);
  const client = harness.peer();
  harness.say(client, 'x');
  const [session] = backend.from;
  assert.ok(session !== undefined);
  const stranger = harness.peer();
  harness.engine.run(() => {
    stranger.send('spoof', session);
    backend.send('true', session);
  });
  assert.deepEqual(client.received, ['true']);
});

test('a stopped listener leaves no session, socket or statistic, and starts again', () => {
  const harness = new UdpHarness(TO_UP);
  harness.peer(7000);
  const client = harness.peer();
  harness.say(client, 'x');
  harness.listener.stop();
  harness.listener.stop();
  assert.equal(harness.cluster.breakers.DEFAULT.connections.current, 0);
  assert.equal(harness.stats.find('udp.u.downstream_sess_total'), undefined);
  assert.equal(harness.stats.find('listener.127.0.0.1_5353.udp.downstream_rx_datagram_dropped'), undefined);
  harness.say(client, 'lost');
  assert.equal(harness.listener.isListening, false);
  assert.equal(harness.listener.start(), null);
  harness.say(client, 'y');
  assert.equal(harness.listener.sessionCount, 1);
  assert.equal(harness.stat('udp.u.downstream_sess_total'), 1);
});

test('a taken port is said, and nothing is bound', () => {
  const harness = new UdpHarness(TO_UP);
  harness.listener.stop();
  const other = harness.peer(5353);
  assert.equal(harness.listener.start(), "cannot bind '127.0.0.1:5353': Address already in use");
  other.socket.close();
  assert.equal(harness.listener.start(), null);
});

test('whatever happens in any order, counts agree and all comes to an end', () => {
  for (let seed = 1; seed <= 40; seed++) runAtRandom(seed);
});

function runAtRandom(seed: number): void {
  const random = new Random(seed);
  const harness = new UdpHarness(
    { ...TO_UP, idle_timeout: { seconds: 0, nanos: 200e6 }, use_per_packet_load_balancing: seed % 2 === 0 },
    { ...limits(6), panicThreshold: 0, endpoints: hosts(host(7000), host(7001), host(7002)) },
  );
  const backends = [7000, 7001].map((port) => harness.peer(port, random.below(2) === 0 ? 'pong' : null));
  const clients = Array.from({ length: 10 }, () => harness.peer());
  const steps: (() => void)[] = [
    () => harness.say(clients[random.below(clients.length)] ?? assert.fail(), 'x'.repeat(random.below(1600))),
    () => harness.clock.advance(random.below(120)),
    () => {
      const all = [7000, 7001, 7002].filter(() => random.below(4) > 0);
      const health = () => (random.below(3) === 0 ? 'UNHEALTHY' : 'HEALTHY');
      harness.engine.run(() =>
        harness.cluster.setEndpoints(hosts(...all.map((port) => host(port, { health: health() })))),
      );
    },
    () => {
      const backend = backends[random.below(backends.length)];
      const to = backend?.from[random.below(backend.from.length)];
      if (to !== undefined) harness.engine.run(() => backend?.send('late', to));
    },
  ];
  for (let i = 0; i < 300; i++) {
    (steps[Math.min(random.below(8), steps.length - 1)] ?? assert.fail())();
    const { sessionCount } = harness.listener;
    assert.ok(sessionCount <= 6, `seed ${seed}`);
    assert.equal(harness.stat('udp.u.downstream_sess_active'), sessionCount, `seed ${seed}`);
    assert.equal(harness.cluster.breakers.DEFAULT.connections.current, sessionCount, `seed ${seed}`);
  }
  harness.clock.advance(500);
  assert.equal(harness.listener.sessionCount, 0);
  assert.deepEqual(harness.bugs, [], `seed ${seed}`);
}
