// The keepalive of HTTP/2 connections: when it asks, how long it waits, and what stops it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock, Random } from '../../base/clock.ts';
import { Http2Keepalive, type KeepaliveConfig } from './http2-keepalive.ts';

function setUp(change: Partial<KeepaliveConfig> = {}) {
  const clock = new Clock({ manual: true });
  const log: string[] = [];
  const config = { intervalMs: 1000, timeoutMs: 100, jitterPercent: 0, idleIntervalMs: 0, ...change };
  const keepalive = new Http2Keepalive(config, clock, new Random(1), {
    sendPing: (payload) => log.push(`ping ${Buffer.from(payload).readBigUInt64BE()}`),
    onKeepaliveTimeout: () => log.push('timeout'),
  });
  return { clock, log, keepalive };
}

test('asks at intervals, from the last answer on', () => {
  const { clock, log, keepalive } = setUp();
  clock.advance(990);
  assert.deepEqual(log, []);
  clock.advance(20);
  assert.equal(log.length, 1);
  assert.match(log[0] ?? '', /^ping 17\d{11}$/, 'the payload is the time');
  clock.advance(80);
  keepalive.onAck();
  clock.advance(990);
  assert.equal(log.length, 1);
  clock.advance(20);
  assert.equal(log.length, 2);
});

test('gives up once, when no answer comes in time', () => {
  const { clock, log } = setUp();
  clock.advance(1200);
  assert.deepEqual(log.slice(1), ['timeout']);
  clock.advance(5000);
  assert.equal(log.length, 2);
});

test('intervals are drawn longer by up to the jitter', () => {
  const seen = new Set<number>();
  for (let i = 0; i < 30; i++) {
    const clock = new Clock({ manual: true });
    let at = 0;
    const config = { intervalMs: 1000, timeoutMs: 100, jitterPercent: 50, idleIntervalMs: 0 };
    new Http2Keepalive(config, clock, new Random(i), {
      sendPing: () => {
        at = clock.nowMs;
      },
      onKeepaliveTimeout: () => undefined,
    });
    clock.advance(1600);
    assert.ok(at >= 1000 && at <= 1504, String(at));
    seen.add(Math.floor(at / 50));
  }
  assert.ok(seen.size > 4);
});

test('only before streams, where there is no interval', () => {
  const { clock, log, keepalive } = setUp({ intervalMs: 0, idleIntervalMs: 500 });
  clock.advance(10_000);
  assert.deepEqual(log, []);
  keepalive.beforeStream(9600);
  assert.deepEqual(log, []);
  keepalive.beforeStream(9000);
  assert.equal(log.length, 1);
  keepalive.onAck();
  clock.advance(1000);
  assert.equal(log.length, 1);
});

test('an answer that nobody asked for, and the end', () => {
  const { clock, log, keepalive } = setUp();
  keepalive.onAck();
  keepalive.stop();
  clock.advance(5000);
  assert.deepEqual(log, []);
});
