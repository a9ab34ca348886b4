// What the buffer filter asks of a stream: how much may wait, and when; over the limit and in pieces, against Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakeStream, FilterHarness } from '../../../../test/support/filter-harness.ts';
import { chunk, MemoryProxy, response } from '../../../../test/simulation/memory-proxy.ts';
import { H } from '../../../wire/header-names.ts';
import { BodyData } from '../filter.ts';
import { buffer } from './buffer.ts';

const TYPE = 'envoy.extensions.filters.http.buffer.v3.Buffer';
const body = (text: string): BodyData => new BodyData().set(Buffer.from(text));

const lengthOf = ({ requestHeaders }: FakeStream): string | undefined => requestHeaders.get(H['content-length']);

function limitsOf(harness: FilterHarness, levels: readonly object[], endStream = false): readonly unknown[] {
  const routes = levels.map((level) => harness.route(level));
  const stream = harness.request('POST /', [], routes);
  const limits: unknown[] = [];
  stream.limitBuffer = (...asked: readonly unknown[]): void => void limits.push(...asked);
  return [stream.decodeHeaders(endStream), ...limits];
}

test('the most specific limit counts, and being off asks for none', () => {
  const harness = new FilterHarness(buffer, { max_request_bytes: 20 });
  assert.deepEqual(limitsOf(harness, []), ['stop', 20]);
  assert.deepEqual(limitsOf(harness, [], true), ['continue']);
  assert.deepEqual(limitsOf(harness, [{ buffer: { max_request_bytes: 5 } }]), ['stop', 5]);
  assert.deepEqual(limitsOf(harness, [{ buffer: { max_request_bytes: 5 } }, { disabled: true }]), ['continue']);
  assert.deepEqual(limitsOf(harness, [{ disabled: true }, { buffer: { max_request_bytes: 99 } }]), ['stop', 99]);
});

test('the length is told once, when all is there', () => {
  const harness = new FilterHarness(buffer, { max_request_bytes: 20 });
  const stream = harness.request('POST /');
  stream.decodeHeaders(false);
  const { filter } = harness;
  assert.equal(filter.decodeData?.(stream, body('ab'), false), 'stop-and-buffer');
  assert.equal(lengthOf(stream), undefined);
  assert.equal(filter.decodeData?.(stream, body('cde'), true), 'continue');
  assert.equal(lengthOf(stream), '5');
});

test('trailers end a body too, and off is off for all of it', () => {
  const harness = new FilterHarness(buffer, { max_request_bytes: 20 });
  const stream = harness.request('POST /');
  stream.decodeHeaders(false);
  harness.filter.decodeData?.(stream, body('abc'), false);
  assert.equal(harness.filter.decodeTrailers?.(stream, stream.addDecodedTrailers()), 'continue');
  assert.equal(lengthOf(stream), '3');
  const off = harness.request('POST /', [], [harness.route({ disabled: true })]);
  off.decodeHeaders(false);
  assert.equal(harness.filter.decodeData?.(off, body('abc'), false), 'continue');
  assert.equal(harness.filter.decodeTrailers?.(off, off.addDecodedTrailers()), 'continue');
  assert.equal(lengthOf(off), undefined);
});

test('nothing reaches an upstream before the end, in whatever pieces it comes', () => {
  for (const pieceBytes of [1, 7, 1000]) {
    const proxy = new MemoryProxy({
      httpFilters: [
        { name: 'buffer', typed_config: { '@type': `type.googleapis.com/${TYPE}`, max_request_bytes: 100 } },
      ],
      nextPieceBytes: () => pieceBytes,
    });
    proxy.upstream.reply = () => response('ok');
    const client = proxy.connect();
    client.send('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n');
    for (let i = 0; i < 10; i++) client.send(chunk('0123456789'));
    assert.equal(proxy.upstream.connections.length, 0);
    client.send('0\r\n\r\n');
    assert.deepEqual(client.answers, ['200 ok']);
    assert.equal(proxy.upstream.last.requests[0]?.body.length, 100);
    proxy.stop();
  }
});
