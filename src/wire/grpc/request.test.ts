// Tests what counts as gRPC, which method a path names, and the texts of timeouts and statuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { responseHeaders } from '../../../test/support/filter-harness.ts';
import { isGrpcContentType, isGrpcResponse, methodOfPath } from './request.ts';
import { decodeGrpcMessage, encodeGrpcMessage, encodeGrpcMessageBytes, parseGrpcStatus } from './status.ts';
import { grpcTimeout, readGrpcTimeout } from './timeout.ts';

test('content types', () => {
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc+']) {
    assert.ok(isGrpcContentType(type), type);
  }
  for (const type of ['application/grpc-web', 'application/grpc;a=b', 'Application/grpc', 'application/grpcx', '']) {
    assert.ok(!isGrpcContentType(type), type);
  }
});

test('responses', () => {
  const type = 'content-type: application/grpc';
  assert.ok(isGrpcResponse(responseHeaders(200, [type]), false));
  assert.ok(!isGrpcResponse(responseHeaders(201, [type]), false));
  assert.ok(!isGrpcResponse(responseHeaders(200), false));
  assert.ok(!isGrpcResponse(responseHeaders(200, [type]), true));
  assert.ok(isGrpcResponse(responseHeaders(503, ['grpc-status: 0']), true));
});

test('methods', () => {
  const method = { service: 'a.B', method: 'C' };
  for (const path of ['/a.B/C', '/a.B/C?x=/y', '//a.B//C/', 'a.B/C'])
    assert.deepEqual(methodOfPath(path), method, path);
  for (const path of ['', '/', '/a', '/a/b/c', '?a/b', '/a?b/c']) assert.equal(methodOfPath(path), null, path);
});

test('timeouts', () => {
  assert.deepEqual(['1H', '0m', '1500u', '1n', '', '1', '1x', '123456789m', '-1m'].map(readGrpcTimeout), [
    ...[3_600_000, 0, 2, 1],
    ...[null, null, null, null, null],
  ]);
  assert.deepEqual([0, 99_999_999, 1e8, 1e12, 1e15].map(grpcTimeout), [
    ...['0m', '99999999m', '100000S', '16666666M', '99999999H'],
  ]);
});

test('statuses and their messages', () => {
  assert.deepEqual([undefined, '', '0', '014', '+5', '17', '-1', 'x'].map(parseGrpcStatus), [
    ...[null, null, 0, 14, 5, -1, -1, -1],
  ]);
  const text = 'a ~ 100% \n \u00e9\u{1f600}';
  const encoded = 'a %7E 100%25 %0A %C3%A9%F0%9F%98%80';
  assert.equal(encodeGrpcMessage(text), encoded);
  assert.equal(decodeGrpcMessage(encoded), text);
  assert.equal(encodeGrpcMessageBytes(Buffer.from([0xe9, 0x41])), '%E9A');
});
