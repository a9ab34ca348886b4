// Protocols of ports, as Istio finds them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Protocol } from '../../model/service.ts';
import { parseProtocol } from '../../model/protocol.ts';
import { protocolOfPort } from './protocol.ts';

test('the protocol of a port', () => {
  const rows: readonly (readonly [number, string, string, string | null, Protocol])[] = [
    [80, 'http', 'TCP', null, 'HTTP'],
    [80, 'http-web', 'TCP', null, 'HTTP'],
    [80, 'HTTP2-x', 'TCP', null, 'HTTP2'],
    [80, 'httpx', 'TCP', null, 'UNSUPPORTED'],
    [80, 'grpc', 'TCP', null, 'GRPC'],
    [80, 'grpc-web', 'TCP', null, 'GRPC-Web'],
    [80, 'GRPC-Web-x', 'TCP', null, 'GRPC-Web'],
    [80, 'grpc-other', 'TCP', null, 'GRPC'],
    [80, 'http_proxy', 'TCP', null, 'HTTP_PROXY'],
    [80, 'tls-x', 'TCP', null, 'TLS'],
    [80, 'https', 'TCP', null, 'HTTPS'],
    [80, 'mongo-x', 'TCP', null, 'MONGO'],
    [80, 'redis', 'TCP', null, 'REDIS'],
    [80, 'mysql', 'TCP', null, 'MYSQL'],
    [80, 'udp', 'TCP', null, 'UDP'],
    [80, 'http', 'UDP', null, 'UDP'],
    [80, '', 'TCP', null, 'UNSUPPORTED'],
    [25, '', 'TCP', null, 'TCP'],
    [53, 'foo', 'TCP', null, 'TCP'],
    [3306, 'db', 'TCP', null, 'TCP'],
    [27017, 'db', 'TCP', null, 'TCP'],
    [3306, 'http', 'TCP', null, 'HTTP'],
    [80, 'http', 'TCP', 'grpc', 'GRPC'],
    [80, 'http', 'TCP', 'kubernetes.io/h2c', 'HTTP2'],
    [80, 'tcp', 'TCP', 'kubernetes.io/ws', 'HTTP'],
    [80, 'tcp', 'TCP', 'kubernetes.io/wss', 'HTTPS'],
    [80, 'kubernetes.io/wss', 'TCP', null, 'UNSUPPORTED'],
    [80, 'http', 'TCP', 'example.com/own', 'UNSUPPORTED'],
    [80, 'http', 'TCP', '', 'UNSUPPORTED'],
  ];
  for (const [number, name, transport, appProtocol, expected] of rows) {
    assert.equal(protocolOfPort(number, name, transport, appProtocol), expected, `${name} ${appProtocol}`);
  }
  assert.equal(parseProtocol('Mongo'), 'MONGO');
  assert.equal(parseProtocol('constructor'), 'UNSUPPORTED');
});
