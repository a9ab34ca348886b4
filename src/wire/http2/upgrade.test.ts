// Upgrades and extended CONNECT: there, back, and what is neither.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { H } from '../header-names.ts';
import { Headers } from '../headers.ts';
import {
  isExtendedConnect,
  isUpgrade,
  requestFromConnect,
  requestToConnect,
  responseFromConnect,
  responseToConnect,
} from './upgrade.ts';

function request(fields: Record<string, string>): Headers {
  const headers = new Headers();
  headers.method = 'GET';
  headers.path = '/chat';
  headers.authority = 'a.example';
  headers.scheme = 'http';
  for (const [name, value] of Object.entries(fields)) headers.add(name in H ? H[name as 'upgrade'] : name, value);
  return headers;
}

test('an upgrade needs both fields, and upgrade among the tokens of connection', () => {
  assert.ok(isUpgrade(request({ connection: 'Upgrade', upgrade: 'websocket' })));
  assert.ok(isUpgrade(request({ connection: 'keep-alive, UPGRADE', upgrade: 'websocket' })));
  assert.ok(!isUpgrade(request({ connection: 'upgraded', upgrade: 'websocket' })));
  assert.ok(!isUpgrade(request({ connection: 'upgrade' })));
  assert.ok(!isUpgrade(request({ upgrade: 'websocket' })));
});

test('a request goes to CONNECT and comes back', () => {
  const headers = request({
    connection: 'Upgrade',
    upgrade: 'WebSocket',
    'content-length': '0',
    'sec-websocket-key': 'k',
  });
  assert.equal(requestToConnect(headers), 'WebSocket');
  assert.equal(headers.method, 'CONNECT');
  assert.equal(headers.protocol, 'WebSocket');
  assert.equal(headers.path, '/chat');
  assert.equal(headers.has(H.connection), false);
  assert.equal(headers.has(H.upgrade), false);
  assert.equal(headers.has(H['content-length']), false);
  assert.ok(isExtendedConnect(headers));
  assert.equal(requestFromConnect(headers), 'WebSocket');
  assert.equal(headers.method, 'GET');
  assert.equal(headers.protocol, '');
  assert.equal(headers.get(H.upgrade), 'WebSocket');
  assert.equal(headers.get(H.connection), 'upgrade');
  assert.ok(isUpgrade(headers));
});

test('a content-length that says something stays', () => {
  const headers = request({ connection: 'upgrade', upgrade: 'h', 'content-length': '5' });
  requestToConnect(headers);
  assert.equal(headers.get(H['content-length']), '5');
});

test('an answer goes to 200 and comes back as 101', () => {
  const headers = new Headers();
  headers.status = 101;
  headers.add(H.connection, 'upgrade');
  headers.add(H.upgrade, 'websocket');
  responseToConnect(headers);
  assert.equal(headers.status, 200);
  assert.equal(headers.count, 0);
  responseFromConnect(headers, 'websocket');
  assert.equal(headers.status, 101);
  assert.equal(headers.get(H.upgrade), 'websocket');
  assert.equal(headers.get(H.connection), 'upgrade');
});

test('a refusal stays a refusal', () => {
  const headers = new Headers();
  headers.status = 403;
  headers.add(H['content-length'], '12');
  responseFromConnect(headers, 'websocket');
  assert.equal(headers.status, 403);
  responseToConnect(headers);
  assert.equal(headers.status, 403);
  assert.equal(headers.get(H['content-length']), '12');
});

test('plain CONNECT and CONNECT of a byte stream are no upgrades', () => {
  const headers = new Headers();
  headers.method = 'CONNECT';
  assert.ok(!isExtendedConnect(headers));
  headers.protocol = 'bytestream';
  assert.ok(!isExtendedConnect(headers));
  headers.protocol = 'connect-udp';
  assert.ok(isExtendedConnect(headers));
});
