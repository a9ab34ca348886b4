// What grpc_web makes of requests and responses, whatever the pieces they come in; seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answer,
  base64,
  call,
  fieldsOf,
  grpcFilter,
  grpcProxy,
  message,
  onlyResponse,
} from '../../../../../test/support/grpc-rig.ts';
import type { Message } from '../../../../../test/support/http1-reader.ts';
import { chunk, response } from '../../../../../test/simulation/memory-proxy.ts';

const WEB = 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb';
const BINARY = 'application/grpc-web+proto';
const TEXT = 'application/grpc-web-text+proto';

type Exchange = { readonly sent: Message | undefined; readonly got: Message; readonly stat: (name: string) => number };

function run(request: string, reply: string, pieceBytes = 65_536): Exchange {
  const proxy = grpcProxy([grpcFilter(WEB)], { nextPieceBytes: () => pieceBytes });
  proxy.upstream.reply = () => reply;
  const got = onlyResponse(proxy.exchange(request));
  assert.ok(got.complete);
  const { stats } = proxy.proxy;
  const sent = proxy.upstream.requests[0];
  proxy.stop();
  return { sent, got, stat: (name) => stats.find(`cluster.upstream.grpc-web.pkg.Service.Method.${name}`) ?? 0 };
}

const TRAILERS = 'grpc-status:0\r\nx-more:a b\r\n';
const REPLY = answer([message('one'), message('') + message('two')], ['grpc-status: 0', 'X-More: a b']);

for (const pieceBytes of [1, 2, 5, 1000]) {
  test(`binary in pieces of ${pieceBytes} bytes`, () => {
    const { sent, got, stat } = run(call(BINARY, message('ping')), REPLY, pieceBytes);
    const request = fieldsOf(sent?.headers ?? []);
    assert.equal(request['content-type'], 'application/grpc');
    assert.equal(request['te'], 'trailers');
    assert.equal(request['grpc-accept-encoding'], 'identity');
    assert.equal(request['content-length'], undefined);
    assert.equal(sent?.body, message('ping'));
    assert.equal(fieldsOf(got.headers)['content-type'], BINARY);
    assert.equal(got.body, message('one') + message('') + message('two') + message(TRAILERS, 0x80));
    assert.deepEqual(got.trailers, []);
    assert.deepEqual([stat('0'), stat('success'), stat('total')], [1, 1, 1]);
  });

  test(`text in pieces of ${pieceBytes} bytes`, () => {
    const body = base64(message('ping') + message('p'));
    const { sent, got } = run(call(TEXT, body, `accept: ${TEXT}`), REPLY, pieceBytes);
    assert.equal(sent?.body, message('ping') + message('p'));
    assert.equal(fieldsOf(got.headers)['content-type'], TEXT);
    const parts = [message('one'), message(''), message('two'), message(TRAILERS, 0x80)];
    assert.equal(got.body, parts.map(base64).join(''));
  });

  test(`a body that is no gRPC, in pieces of ${pieceBytes} bytes`, () => {
    const { got } = run(call(BINARY, ''), response('down & ~out\n', 503), pieceBytes);
    const headers = fieldsOf(got.headers);
    assert.equal(got.startLine, 'HTTP/1.1 503 Service Unavailable');
    assert.equal(headers['grpc-status'], '14');
    assert.equal(headers['grpc-message'], 'down & %7Eout%0A');
    assert.equal(headers['content-length'], '0');
    assert.equal(got.body, '');
  });
}

test('a message of no gRPC has an end', () => {
  const chunks = chunk('a'.repeat(10_000)) + chunk('b'.repeat(10_000)) + chunk('c');
  const reply = `HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\nx-t: 1\r\n\r\n`;
  const { got } = run(call(BINARY, ''), reply);
  assert.equal(fieldsOf(got.headers)['grpc-message'], 'a'.repeat(10_000) + 'b'.repeat(6384));
});

test('a response that is its status alone', () => {
  const { got, stat } = run(call(TEXT, ''), response('', 200, 'grpc-status: 5'));
  const headers = fieldsOf(got.headers);
  assert.deepEqual([headers['grpc-status'], headers['content-type'], got.body], ['5', BINARY, '']);
  assert.deepEqual([stat('5'), stat('failure'), stat('total')], [1, 1, 1]);
});

test('a text response without trailers ends, and one that is cut off keeps its bytes', () => {
  const grpc = 'content-type: application/grpc';
  const whole = run(call(TEXT, '', `accept: ${TEXT}`), response(message('a'), 200, grpc));
  assert.equal(whole.got.body, base64(message('a')));
  const cut = run(call(TEXT, '', `accept: ${TEXT}`), response(message('abc').slice(0, 7), 200, grpc));
  assert.equal(cut.got.body, base64(message('abc').slice(0, 7)));
});

test('an upstream that speaks gRPC-Web passes', () => {
  const body = message('a') + message('grpc-status:0\r\n', 0x80);
  const reply = response(body, 200, 'content-type: Application/grpc-web+proto; charset=utf-8');
  assert.equal(run(call(BINARY, ''), reply).got.body, body);
  assert.equal(run(call(BINARY, ''), response(body, 200, 'content-type: text/plain')).got.body, '');
});

test('text that is no base64 is refused', () => {
  for (const body of ['AAA', 'AAA*', '====', 'AA A', 'AAAAAAA']) {
    const { got } = run(call(TEXT, body), REPLY);
    assert.equal(got.startLine, 'HTTP/1.1 400 Bad Request', body);
    assert.equal(fieldsOf(got.headers)['grpc-status'], '13');
    assert.equal(fieldsOf(got.headers)['grpc-message'], 'Bad gRPC-web request, invalid base64 data.');
  }
});

test('other requests are left alone', () => {
  for (const type of ['application/grpc', 'application/grpc-web+json', 'application/grpc-web;a=b', 'text/plain']) {
    const { sent, got } = run(call(type, 'body'), REPLY);
    assert.equal(fieldsOf(sent?.headers ?? [])['content-type'], type);
    assert.equal(fieldsOf(got.headers)['content-type'], 'application/grpc');
    assert.equal(got.trailers.length, 2);
  }
});

test('trailers behind digits that make no byte end the request', () => {
  const lines = ['POST /pkg.Service/Method HTTP/1.1', 'host: a', `content-type: ${TEXT}`, 'transfer-encoding: chunked'];
  const head = [...lines, '', ''].join('\r\n');
  const { sent } = run(`${head}${chunk(base64(message('a')))}${chunk('AA')}0\r\nx-t: 1\r\n\r\n`, REPLY);
  assert.equal(sent?.complete, true);
  assert.equal(sent?.body, message('a'));
});
