// Who may ask the admin interface.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address } from '../../base/byte-stream.ts';
import { headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { refusedOrigin } from './admin-guard.ts';

const LOOPBACK: Address = { family: 'ipv4', address: '127.0.0.1', port: 9901 };

function asked(host: string, more: Readonly<Record<string, string>> = {}, changes = true, address = LOOPBACK): boolean {
  const headers = new Headers();
  headers.authority = host;
  for (const [name, value] of Object.entries(more)) headers.set(headerKey(name), value);
  return refusedOrigin(headers, changes, address) === null;
}

test('names of elsewhere do not lead to the loopback address', () => {
  const own = [
    '',
    'localhost',
    'localhost:9901',
    'LOCALHOST:1',
    'a.localhost',
    '127.0.0.1',
    '127.0.0.1:80',
    '[::1]:9901',
  ];
  for (const host of [...own, 'envoy', '10.1.2.3:15000']) assert.ok(asked(host, {}, false), host);
  for (const host of [
    'evil.example',
    'localhost.evil.example:9901',
    'evil.example.',
    '127.0.0.1.evil.example',
    'a:b:c',
  ])
    assert.ok(!asked(host, {}, false), host);
});

test('elsewhere than on loopback, any name will do', () => {
  assert.ok(asked('proxy.example', {}, true, { family: 'ipv4', address: '0.0.0.0', port: 9901 }));
  assert.ok(asked('proxy.example', {}, true, { family: 'unix', address: '/run/admin.sock', port: 0 }));
});

test('a page of another origin changes nothing', () => {
  const host = '127.0.0.1:9901';
  assert.ok(asked(host));
  assert.ok(asked(host, { origin: 'http://127.0.0.1:9901', 'sec-fetch-site': 'same-origin' }));
  assert.ok(asked(host, { 'sec-fetch-site': 'none' }));
  assert.ok(!asked(host, { origin: 'http://evil.example' }));
  assert.ok(!asked(host, { origin: 'http://127.0.0.1:8080' }));
  assert.ok(!asked(host, { origin: 'null' }));
  assert.ok(!asked(host, { 'sec-fetch-site': 'cross-site' }));
  assert.ok(!asked(host, { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:9901' }));
  assert.ok(asked(host, { origin: 'http://evil.example' }, false), 'reading: the browser keeps the answer from it');
});
