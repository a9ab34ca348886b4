// Back-pressure through a whole proxy in memory: a fast side waits for a slow one, with bounded memory, both ways.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chunk,
  get,
  type MemoryClient,
  MemoryProxy,
  type MemoryProxyOptions,
  response,
  type UpstreamPeer,
} from '../../../test/simulation/memory-proxy.ts';
import type { FilterStream } from './filter.ts';

const LIMIT = 32 * 1024;
const PIECE = 'x'.repeat(8 * 1024);
const TOTAL = 4 * 1024 * 1024;
/** A limit, half of it that was on the way when it was reached, and a piece on each side. */
const MOST_BUFFERED = 4 * LIMIT + 4 * PIECE.length;

const LIMITED: MemoryProxyOptions = {
  listener: { per_connection_buffer_limit_bytes: LIMIT },
  cluster: { per_connection_buffer_limit_bytes: LIMIT },
  route: { timeout: '0s' },
  hcm: { stream_idle_timeout: '0s' },
};

/** Sends `TOTAL` bytes in pieces as long as the peer takes them; returns how much the proxy was given ahead at most. */
function pump(rig: MemoryProxy, from: MemoryClient | UpstreamPeer, wrap: (piece: string) => string): () => number {
  let sent = 0;
  return () => {
    while (sent < TOTAL && from.stream.bufferedBytes < PIECE.length) {
      from.send(wrap(PIECE));
      sent += PIECE.length;
    }
    rig.run();
    return sent;
  };
}

test('a slow client holds a fast upstream back', () => {
  const rig = new MemoryProxy(LIMITED);
  rig.upstream.reply = () => '';
  const client = rig.exchange(get('/big'));
  client.keepsText = false;
  client.pause();
  const upstream = rig.upstream.last;
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${TOTAL}\r\n\r\n`);
  const more = pump(rig, upstream, (piece) => piece);
  const ahead = more();
  assert.ok(ahead < MOST_BUFFERED, `${ahead} bytes were taken from the upstream while the client read nothing`);
  assert.ok(rig.stat('cluster.upstream.upstream_flow_control_paused_reading_total') >= 1);
  assert.equal(rig.stat('cluster.upstream.upstream_flow_control_resumed_reading_total'), 0);
  let most = 0;
  for (let turn = 0; client.bytes < TOTAL && turn < 5000; turn++) {
    client.resume();
    client.pause();
    const sent = more();
    most = Math.max(most, sent - client.bytes);
  }
  assert.ok(client.bytes > TOTAL, `only ${client.bytes} bytes arrived`);
  assert.ok(most < MOST_BUFFERED, `${most} bytes were on the way`);
  const paused = rig.stat('cluster.upstream.upstream_flow_control_paused_reading_total');
  assert.equal(paused, rig.stat('cluster.upstream.upstream_flow_control_resumed_reading_total'));
  assert.equal(rig.stat('http.test.downstream_rq_active'), 0);
  rig.stop();
});

test('a slow upstream holds a fast client back', () => {
  for (const isChunked of [false, true]) {
    const rig = new MemoryProxy(LIMITED);
    rig.upstream.onConnection = (peer) => {
      peer.keepsText = false;
      peer.stream.pause();
    };
    const client = rig.connect();
    const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${TOTAL}`;
    client.send(`POST /big HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
    const upstream = rig.upstream.last;
    const more = pump(rig, client, isChunked ? chunk : (piece) => piece);
    const ahead = more();
    assert.ok(ahead < MOST_BUFFERED, `${ahead} bytes were taken from the client while the upstream read nothing`);
    assert.ok(rig.stat('http.test.downstream_flow_control_paused_reading_total') >= 1);
    assert.ok(rig.stat('cluster.upstream.upstream_flow_control_backed_up_total') >= 1);
    let most = 0;
    for (let turn = 0; upstream.bytes < TOTAL && turn < 5000; turn++) {
      upstream.resume();
      upstream.pause();
      most = Math.max(most, more() - upstream.bytes);
    }
    assert.ok(upstream.bytes > TOTAL, `only ${upstream.bytes} bytes arrived`);
    assert.ok(most < MOST_BUFFERED, `${most} bytes were on the way`);
    if (isChunked) client.send('0\r\n\r\n');
    upstream.resume();
    upstream.send(response('done'));
    assert.deepEqual(client.answers, ['200 done']);
    const paused = rig.stat('http.test.downstream_flow_control_paused_reading_total');
    assert.equal(paused, rig.stat('http.test.downstream_flow_control_resumed_reading_total'));
    const backedUp = rig.stat('cluster.upstream.upstream_flow_control_backed_up_total');
    assert.equal(backedUp, rig.stat('cluster.upstream.upstream_flow_control_drained_total'));
    rig.stop();
  }
});

test('a body that waits for a connection is bounded too', () => {
  const rig = new MemoryProxy({ ...LIMITED, cluster: { ...LIMITED.cluster, connect_timeout: '10s' } });
  rig.holdsDials = true;
  const client = rig.connect();
  client.send(`POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: ${TOTAL}\r\n\r\n`);
  const ahead = pump(rig, client, (piece) => piece)();
  assert.ok(ahead < MOST_BUFFERED, `${ahead} bytes were taken while there was no connection`);
  rig.advance(11_000);
  assert.match(client.answers[0] ?? '', /^503 .*connection timeout/);
  assert.equal(rig.stat('http.test.downstream_rq_active'), 0);
  rig.stop();
});

test('stop-and-watermark lets the limit through, then waits', () => {
  for (const direction of ['decode', 'encode'] as const) {
    let stream: FilterStream | null = null;
    let isOpen = false;
    const hold = (it: FilterStream): 'continue' | 'stop-and-watermark' => {
      stream = it;
      return isOpen ? 'continue' : 'stop-and-watermark';
    };
    const filter = direction === 'decode' ? { decodeData: hold } : { encodeData: hold };
    const rig = new MemoryProxy({ ...LIMITED, filters: { filter } });
    rig.upstream.reply = direction === 'decode' ? () => response('ok') : () => '';
    const client = rig.connect();
    const head = `Host: a\r\nContent-Length: ${TOTAL}\r\n\r\n`;
    client.send(direction === 'decode' ? `POST / HTTP/1.1\r\n${head}` : get('/'));
    if (direction === 'encode') rig.upstream.last.send(`HTTP/1.1 200 OK\r\n${head}`);
    client.keepsText = direction === 'decode';
    const more = pump(rig, direction === 'decode' ? client : rig.upstream.last, (piece) => piece);
    const ahead = more();
    assert.ok(ahead >= LIMIT, `${direction}: the filter got only ${ahead} bytes to look at`);
    assert.ok(ahead < MOST_BUFFERED, `${direction}: ${ahead} bytes were taken for a filter that waits`);
    isOpen = true;
    rig.run(() => (direction === 'decode' ? stream?.continueDecoding(0) : stream?.continueEncoding(0)));
    for (let turn = 0; more() < TOTAL && turn < 5000; turn++) rig.run();
    if (direction === 'decode') assert.deepEqual(client.answers, ['200 ok']);
    else assert.ok(client.bytes > TOTAL);
    assert.equal(rig.stat('http.test.downstream_rq_active'), 0);
    rig.stop();
  }
});

test('stop-and-buffer over the limit is 413 for a request, 500 for a response, a reset when it has started', () => {
  const big = 'y'.repeat(LIMIT + 1);
  const decode = new MemoryProxy({ ...LIMITED, filters: { f: { decodeData: () => 'stop-and-buffer' } } });
  const client = decode.exchange(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${big.length + 1}\r\n\r\n${big}`);
  assert.deepEqual(client.answers, ['413 Payload Too Large']);
  assert.deepEqual(decode.takeLog(), ['POST / 413 - request_payload_too_large']);
  assert.equal(decode.stat('http.test.downstream_rq_too_large'), 1);
  decode.stop();

  for (const [status, answer] of [
    ['stop', '500 Internal Server Error'],
    ['continue', '200 …'],
  ] as const) {
    const filters = { f: { encodeHeaders: () => status, encodeData: () => 'stop-and-buffer' as const } };
    const encode = new MemoryProxy({ ...LIMITED, filters });
    encode.upstream.reply = () => response(big);
    const reader = encode.exchange(get('/'));
    assert.deepEqual(reader.answers, [answer]);
    assert.equal(encode.stat('http.test.rs_too_large'), 1);
    assert.equal(encode.takeLog()[0]?.split(' ').at(-1), 'response_payload_too_large');
    assert.equal(encode.stat('http.test.downstream_rq_active'), 0);
    assert.equal(encode.stat('cluster.upstream.upstream_rq_active'), 0);
    if (status === 'continue') assert.equal(reader.isGone, true);
    encode.stop();
  }
});

test('pipelined requests that nobody reads wait in bounded memory', () => {
  const rig = new MemoryProxy(LIMITED);
  rig.upstream.reply = () => '';
  const client = rig.exchange(get('/first'));
  let sent = 0;
  while (sent < 2_000_000 && client.stream.bufferedBytes < 64 * 1024) {
    client.send(get('/next').repeat(100));
    sent += get('/next').length * 100;
  }
  assert.ok(sent < 300_000, `${sent} bytes of requests were taken behind one that waits`);
  assert.equal(rig.upstream.requests.length, 1);
  const requests = sent / get('/next').length;
  rig.upstream.reply = () => response('.');
  rig.upstream.last.send(response('.'));
  for (let i = 0; i < 50; i++) rig.run();
  assert.equal(client.answers.length, requests + 1);
  rig.stop();
});

test('answers that nobody reads are not made without end', () => {
  const body = 'z'.repeat(4096);
  const direct = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }];
  for (const routes of [direct, [{ match: { prefix: '/' }, route: { cluster: 'upstream' } }]]) {
    const rig = new MemoryProxy({ listener: LIMITED.listener ?? {}, routes });
    rig.upstream.reply = () => response(body);
    const client = rig.connect();
    client.pause();
    client.send(get('/').repeat(1_000));
    for (let i = 0; i < 50; i++) rig.run();
    const made = rig.stat('http.test.downstream_rq_completed');
    assert.ok(made * body.length < MOST_BUFFERED, `${made} answers were made for a client that reads none`);
    for (let i = 0; i < 400 && client.answers.length < 1_000; i++) {
      client.resume();
      client.pause();
    }
    assert.equal(client.answers.length, 1_000);
    assert.ok(client.answers.every((answer) => answer.length === body.length + 4));
    rig.stop();
  }
});
