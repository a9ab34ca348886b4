// Expressions as configurations of metrics have them: values, errors, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CelError } from '../../base/cel/values.ts';
import { makeConnection, requestHeaders, responseHeaders } from '../../../test/support/filter-harness.ts';
import { StreamInfo } from '../stream-info.ts';
import type { AttributeSource } from '../cel/attributes.ts';
import { amountOf, compileExpression, textOf } from './expression.ts';
import { localNode } from './node.ts';
import { peerOfMetadata } from './peer.ts';
import { peerObjects, setPeer } from './peer-state.ts';

const NODE = localNode({ id: 'n', metadata: { LABELS: { version: 'v1' } } }, '', '');

function source(): AttributeSource {
  const connection = makeConnection({ requestedServerName: 'sni.example', trafficDirection: 'INBOUND' });
  const info = new StreamInfo(connection, 0, 0);
  info.protocol = 'HTTP/2';
  info.responseCode = 404;
  info.clusterName = 'outbound|80||a.b';
  info.clusterMetadata = new Map([['istio', { services: [{ host: 'a.b' }] }]]);
  info.setMetadata('ns', { key: 'value' });
  const peer = peerOfMetadata({ WORKLOAD_NAME: 'w', LABELS: { app: 'a', role: 'r' } }, new Set(['role']));
  setPeer(info, 'downstream_peer', peerObjects(peer, 'filter-chain'));
  const object = { value: 'GetMethod', typed: null, isReadOnly: true, lifeSpan: 'request' } as const;
  info.filterState?.set('wasm.istio_operationId', object);
  return {
    info,
    requestHeaders: requestHeaders('POST /a/b?c=d', ['x-a: 1', 'user-agent: test']),
    responseHeaders: responseHeaders(404, ['x-b: 2', 'grpc-status: 5']),
    responseTrailers: null,
  };
}

function shown(text: string): string {
  const compiled = compileExpression(text, NODE);
  assert.notEqual(typeof compiled, 'string', String(compiled));
  return textOf((compiled as Exclude<typeof compiled, string>).evaluate(source()));
}

const VALUES: readonly (readonly [text: string, value: string])[] = [
  ["'constant'", 'constant'],
  ['"a\\"b"', 'a"b'],
  ['200', '200'],
  ['true', 'true'],
  ['null', 'NULL'],
  ['request.method', 'POST'],
  ['request.path', '/a/b?c=d'],
  ['request.url_path', '/a/b'],
  ['request.query', 'c=d'],
  ['request.host', 'example.com'],
  ['request["host"]', 'example.com'],
  ['request.scheme', 'http'],
  ['request.protocol', 'HTTP/2'],
  ['request.useragent', 'test'],
  ["request.headers['x-a']", '1'],
  ["request.headers['X-A']", '1'],
  ["request.headers['none']", 'unknown'],
  ['request.referer', 'unknown'],
  ['response.code', '404'],
  ["response.headers['x-b']", '2'],
  ['response.grpc_status', '5'],
  ['source.address', '10.0.0.2:40000'],
  ['string(destination.port)', '8080'],
  ['connection.mtls', 'false'],
  ['connection.requested_server_name', 'sni.example'],
  ['upstream.address', 'unknown'],
  ['xds.cluster_name', 'outbound|80||a.b'],
  ["xds.cluster_metadata.filter_metadata['istio']['services'][0].host", 'a.b'],
  ['xds.listener_direction', '1'],
  ["metadata.filter_metadata['ns'].key", 'value'],
  ["filter_state['wasm.istio_operationId']", 'GetMethod'],
  ["filter_state.downstream_peer.labels['role']", 'r'],
  ['filter_state.downstream_peer.workload', 'w'],
  ['filter_state.upstream_peer.workload', 'unknown'],
  ['node.metadata.LABELS.version', 'v1'],
  ['node.metadata.LABELS', 'unknown'],
  ["request.method + ' ' + request.url_path", 'POST /a/b'],
  ["request.url_path == '/' ? 'yes' : 'no'", 'no'],
  ["request.url_path.startsWith('/a') ? 'yes' : 'no'", 'yes'],
  ["has(request.referer) ? request.referer : 'none'", 'none'],
  ["!(response.code >= 500) && request.method != 'GET' ? 'fine' : 'not'", 'fine'],
  ['request.referer == "" || true', 'true'],
  ['request.referer == "" && true', 'unknown'],
  ["int('7') + 1", '8'],
  ["size('abc')", '3'],
  ['-1 < 0', 'true'],
  ["'a' < 1", 'unknown'],
  ['request', 'unknown'],
  ['request.nope', 'unknown'],
  ['nobody.knows', 'unknown'],
  ["request.path.matches('^/a')", 'true'],
  ['[1, 2].exists(x, x == 1)', 'true'],
];

test('values, and unknown where there is none', () => {
  for (const [text, value] of VALUES) assert.equal(shown(text), value, text);
});

test('without headers the attributes of requests are not there', () => {
  const compiled = compileExpression('request.method', NODE);
  assert.notEqual(typeof compiled, 'string');
  const bare = { ...source(), requestHeaders: null };
  assert.equal(textOf((compiled as Exclude<typeof compiled, string>).evaluate(bare)), 'unknown');
});

test('what is not supported is refused with its reason', () => {
  const REFUSED: readonly (readonly [text: string, reason: RegExp])[] = [
    ['', /a value is missing/],
    ['1 +', /a value is missing/],
    ["'open", /has no end/],
    ['1 2', /"2" is not expected/],
    ['nothing(request.id)', /no overload found .* nothing/],
    ['('.repeat(500), /nested too deep/],
    [`'${'x'.repeat(2000)}'`, /1000 characters/],
  ];
  for (const [text, reason] of REFUSED) {
    const compiled = compileExpression(text, NODE);
    assert.equal(typeof compiled, 'string', text);
    assert.match(compiled as string, reason, text);
  }
});

test('amounts are whole numbers', () => {
  assert.deepEqual([1, '42', 'x', 1.5, new CelError('no'), true, -1].map(amountOf), [1, 42, 0, 0, 0, 0, 0]);
});
