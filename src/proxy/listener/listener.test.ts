// A listener's limits, its drain, and its names in statistics, in a whole proxy in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, MemoryProxy, type MemoryProxyOptions, response } from '../../../test/simulation/memory-proxy.ts';
import { statAddress } from './stats.ts';

const LISTENER = 'listener.127.0.0.1_10000.';

function limitedBy(values: Record<string, unknown>): MemoryProxyOptions {
  return { bootstrap: { layered_runtime: { layers: [{ name: 'static', static_layer: values }] } } };
}

test('connections over a limit are closed and counted, and the limit frees itself', () => {
  const limits: readonly (readonly [string, string])[] = [
    ['envoy.resource_limits.listener.test.connection_limit', 'downstream_cx_overflow'],
    ['overload.global_downstream_max_connections', 'downstream_global_cx_overflow'],
  ];
  for (const [key, counter] of limits) {
    const rig = new MemoryProxy(limitedBy({ [key]: 2 }));
    const first = rig.connect();
    const second = rig.connect();
    const third = rig.connect();
    assert.deepEqual([first.isGone, second.isGone, third.isGone], [false, false, true], key);
    assert.equal(rig.stat(`${LISTENER}${counter}`), 1, key);
    assert.equal(rig.stat(`${LISTENER}downstream_cx_active`), 2, key);
    first.close();
    const fourth = rig.exchange(get('/'));
    assert.deepEqual(fourth.answers, ['200 ok'], key);
    assert.equal(rig.stat(`${LISTENER}${counter}`), 1, key);
    rig.stop();
  }
});

test('draining ends idle connections now, busy ones with their answer; accepting goes on until it is stopped', () => {
  const rig = new MemoryProxy();
  rig.upstream.reply = () => '';
  const idle = rig.connect();
  const busy = rig.exchange(get('/'));
  const { listeners } = rig.proxy.worker;
  rig.run(() => listeners.drainConnections());
  assert.equal(idle.isGone, true);
  assert.equal(busy.isGone, false);
  rig.upstream.last.send(response('ok'));
  assert.match(busy.text, /\r\nconnection: close\r\n/);
  rig.advance(2_000);
  assert.equal(busy.isGone, true);
  assert.equal(rig.connect().isGone, false);
  rig.run(() => listeners.stopAccepting());
  assert.throws(() => rig.connect(), /does not listen/);
  assert.equal(rig.stat('listener_manager.listener_stopped'), 1);
  rig.stop();
});

test('what a connection was is counted when it ends', () => {
  const rig = new MemoryProxy();
  const client = rig.exchange(get('/'));
  rig.advance(1_000);
  client.close();
  assert.equal(rig.stat(`${LISTENER}downstream_cx_total`), 1);
  assert.equal(rig.stat(`${LISTENER}downstream_cx_destroy`), 1);
  assert.equal(rig.stat(`${LISTENER}downstream_cx_active`), 0);
  assert.equal(rig.stat(`${LISTENER}http.test.downstream_rq_2xx`), 1);
  const { bytesRead, bytesWritten } = client.stream;
  assert.equal(rig.stat('http.test.downstream_cx_rx_bytes_total'), bytesWritten);
  assert.equal(rig.stat('http.test.downstream_cx_tx_bytes_total'), bytesRead);
  assert.equal(rig.stat('http.test.downstream_cx_destroy_remote'), 1);
  rig.stop();
});

test('addresses as parts of names', () => {
  assert.equal(statAddress({ family: 'ipv4', address: '127.0.0.1', port: 80 }), '127.0.0.1_80');
  assert.equal(statAddress({ family: 'ipv6', address: '::1', port: 80 }), '[__1]_80');
  assert.equal(statAddress({ family: 'unix', address: '/run/a:b', port: 0 }), '/run/a_b');
});
