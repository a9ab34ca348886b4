// What hosts are called in a DNS cache.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostKeys, hostKeyOf, splitHost } from './host-key.ts';

test('a name without a port gets the default one', () => {
  const rows: [string, string, string, number][] = [
    ['a.test', 'a.test:443', 'a.test', 443],
    ['a.test:8080', 'a.test:8080', 'a.test', 8080],
    ['A.Test', 'A.Test:443', 'A.Test', 443],
    ['[::1]', '[::1]:443', '::1', 443],
    ['[::1]:80', '[::1]:80', '::1', 80],
    ['10.0.0.1', '10.0.0.1:443', '10.0.0.1', 443],
    // What is no port belongs to a name that nobody has.
    ['a.test:99999', 'a.test:99999', 'a.test:99999', 443],
    ['a.test:', 'a.test:', 'a.test:', 443],
    ['a.test:x', 'a.test:x', 'a.test:x', 443],
    ['[a.test]:80', '[a.test]:80', '[a.test]', 80],
  ];
  for (const [authority, key, host, port] of rows) {
    assert.equal(hostKeyOf(authority, 443), key);
    assert.deepEqual(splitHost(key, 443), { host, port }, authority);
  }
  assert.equal(hostKeyOf('', 443), '');
});

test('keys are remembered, and not without end', () => {
  const keys = new HostKeys(80);
  for (let i = 0; i < 10_000; i++) assert.equal(keys.of(`h${i}`), `h${i}:80`);
  assert.equal(keys.of('h1'), 'h1:80');
});
