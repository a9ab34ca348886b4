// What the bridge makes of calls over HTTP/1, whatever the pieces they come in; seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answer,
  call,
  fieldsOf,
  grpcFilter,
  grpcProxy,
  message,
  onlyResponse,
  PATH,
} from '../../../../../test/support/grpc-rig.ts';
import type { Message } from '../../../../../test/support/http1-reader.ts';
import { chunk, get, post, response } from '../../../../../test/simulation/memory-proxy.ts';

const BRIDGE = 'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config';
const PROTOBUF = 'application/x-protobuf';
const GRPC = 'application/grpc';
const UPGRADE = { upgrade_protobuf_to_grpc: true };

type Exchange = { readonly sent: Message | undefined; readonly got: Message };

function run(config: object, request: string, reply: string, pieceBytes = 65_536, limitBytes = 1_000_000): Exchange {
  const proxy = grpcProxy([grpcFilter(BRIDGE, config)], {
    nextPieceBytes: () => pieceBytes,
    listener: { per_connection_buffer_limit_bytes: limitBytes },
  });
  proxy.upstream.reply = () => reply;
  const got = onlyResponse(proxy.exchange(request));
  assert.ok(got.complete);
  const sent = proxy.upstream.requests[0];
  proxy.stop();
  return { sent, got };
}

for (const pieceBytes of [1, 4, 1000]) {
  test(`a call in pieces of ${pieceBytes} bytes`, () => {
    const { sent, got } = run(
      {},
      call(GRPC, message('ping')),
      answer([message('pong')], ['grpc-status: 0']),
      pieceBytes,
    );
    assert.equal(sent?.body, message('ping'));
    assert.equal(got.startLine, 'HTTP/1.1 200 OK');
    assert.equal(got.body, message('pong'));
    const headers = fieldsOf(got.headers);
    assert.deepEqual([headers['grpc-status'], headers['content-length']], ['0', String(message('pong').length)]);
  });

  test(`protobuf in pieces of ${pieceBytes} bytes`, () => {
    const reply = answer([message('pong')], ['grpc-status: 0']);
    const { sent, got } = run(UPGRADE, call(PROTOBUF, 'ping'), reply, pieceBytes);
    assert.equal(fieldsOf(sent?.headers ?? [])['content-type'], GRPC);
    assert.equal(sent?.body, message('ping'));
    assert.equal(got.body, 'pong');
    assert.equal(fieldsOf(got.headers)['content-length'], '4');
  });

  test(`protobuf that ends with trailers, in pieces of ${pieceBytes} bytes`, () => {
    const head = `POST ${PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: ${PROTOBUF}\r\ntransfer-encoding: chunked\r\n\r\n`;
    const request = `${head}${chunk('pi')}${chunk('ng')}0\r\nx-t: 1\r\n\r\n`;
    const { sent } = run(UPGRADE, request, answer([], ['grpc-status: 0']), pieceBytes);
    assert.equal(sent?.body, message('ping'));
    assert.deepEqual(sent?.trailers, [['x-t', '1']]);
  });
}

test('a call that failed', () => {
  const { got } = run({}, call(GRPC, ''), answer([], ['grpc-status: 5', 'grpc-message: not%20here']));
  const headers = fieldsOf(got.headers);
  assert.equal(got.startLine, 'HTTP/1.1 503 Service Unavailable');
  assert.deepEqual([headers['grpc-status'], headers['grpc-message']], ['5', 'not%20here']);
  const nonsense = run({}, call(GRPC, ''), answer([], ['grpc-status: x'])).got;
  assert.equal(nonsense.startLine, 'HTTP/1.1 503 Service Unavailable');
});

test('an answer to protobuf without trailers loses its head too, another one nothing', () => {
  const { got } = run(UPGRADE, call(PROTOBUF, 'x'), response(message('pong'), 200, `content-type: ${GRPC}`));
  assert.equal(got.body, 'pong');
  const failed = run(UPGRADE, call(PROTOBUF, 'x'), response('down and out', 503)).got;
  assert.equal(failed.body, 'down and out');
});

test('queries go when they shall', () => {
  const ignores = { ignore_query_parameters: true };
  const target = (config: object, request: string): string | undefined =>
    run(config, request, response('x')).sent?.startLine.split(' ')[1];
  const withQuery = post(`${PATH}?a=b`, message(''), `content-type: ${GRPC}`);
  assert.equal(target(ignores, withQuery), PATH);
  assert.equal(target({}, withQuery), `${PATH}?a=b`);
  assert.equal(target(ignores, get('/plain?a=b')), '/plain?a=b');
});

test('bodies beyond the buffer limit', () => {
  const large = run(UPGRADE, call(PROTOBUF, 'x'.repeat(3000)), '', 100, 1000).got;
  assert.equal(large.startLine, 'HTTP/1.1 413 Payload Too Large');
  const tooLarge = run({}, call(GRPC, ''), answer([message('y'.repeat(3000))], ['grpc-status: 0']), 100, 1000).got;
  const headers = fieldsOf(tooLarge.headers);
  assert.deepEqual([tooLarge.startLine, headers['grpc-status']], ['HTTP/1.1 200 OK', '2']);
});
