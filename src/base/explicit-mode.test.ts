// What nodes may say of explicit mode, and what is refused by name of the field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExplicit } from './explicit-mode.ts';

const place = (port: number) => ({ address: '127.0.0.1', port });

test('what is not said is empty, and entries are sorted', () => {
  assert.deepEqual(parseExplicit({}), { bind: '', httpProxy: null, inbound: {}, outbound: {} });
  const said = parseExplicit({
    httpProxy: place(40_001),
    inbound: { 9090: place(2), 80: place(1) },
    outbound: { 'redis.shop:6379': place(4), 'db.shop.svc.cluster.local:5432': place(3) },
  });
  assert.deepEqual(said, {
    bind: '',
    httpProxy: place(40_001),
    inbound: { 80: place(1), 9090: place(2) },
    outbound: { 'db.shop.svc.cluster.local:5432': place(3), 'redis.shop:6379': place(4) },
  });
  assert(typeof said !== 'string');
  assert.deepEqual(Object.keys(said.outbound), ['db.shop.svc.cluster.local:5432', 'redis.shop:6379']);
});

test('what is wrong is said by its field', () => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    ['{}', /^EXPLICIT is no object/],
    [{ outgoing: {} }, /unknown field "outgoing"/],
    [{ httpProxy: { address: 'localhost', port: 1 } }, /^EXPLICIT\.httpProxy\.address is no IP address/],
    [{ httpProxy: { address: '127.0.0.1', port: '80' } }, /^EXPLICIT\.httpProxy\.port is no port/],
    [{ inbound: { http: place(1) } }, /^EXPLICIT\.inbound\["http"\]: the name is no port/],
    [{ inbound: { 70000: place(1) } }, /the name is no port/],
    [{ inbound: { 80: place(0) } }, /^EXPLICIT\.inbound\["80"\]\.port is no port/],
    [{ outbound: { redis: place(1) } }, /^EXPLICIT\.outbound\["redis"\]: the name is not HOST:PORT/],
    [{ outbound: { 'a|b:1': place(1) } }, /the name is not HOST:PORT/],
    [
      { outbound: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`h:${i + 1}`, place(1)])) },
      /more than 256 entries/,
    ],
  ];
  for (const [value, expected] of cases) assert.match(String(parseExplicit(value)), expected);
});
