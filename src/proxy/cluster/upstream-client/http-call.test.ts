// Tests the proxy's own HTTP exchanges against a fake host: what is sent, counted, tried again and given up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../base/failure.ts';
import { H, headerKey } from '../../../wire/header-names.ts';
import { Headers } from '../../../wire/headers.ts';
import type { BodyData } from '../../http/filter.ts';
import { CONNECT_TIMEOUT, TERMINATION } from '../failures.ts';
import { type BufferedResponse, sendRequest } from './buffered-request.ts';
import type { CallFailure } from './call-failure.ts';
import type { CallHandler, CallOptions, HttpCall } from './http-call.ts';
import { FakeUpstream } from './testing/fake-cluster.ts';

class Recorder implements CallHandler {
  readonly seen: string[] = [];
  failure: CallFailure | null = null;
  onHeaders(headers: Headers, endStream: boolean): void {
    this.seen.push(`${headers.status}${endStream ? ' end' : ''}`);
  }
  onData(data: BodyData, endStream: boolean): void {
    this.seen.push(`${data.copy().toString()}${endStream ? ' end' : ''}`);
  }
  onTrailers(trailers: Headers): void {
    this.seen.push(`trailers ${trailers.get(headerKey('x'))}`);
  }
  onFailure(reason: CallFailure): void {
    this.failure = reason;
    this.seen.push('failed');
  }
  onAboveWatermark(): void {
    this.seen.push('above');
  }
  onBelowWatermark(): void {
    this.seen.push('below');
  }
}

function request(): Headers {
  const headers = new Headers();
  headers.method = 'POST';
  headers.path = '/';
  headers.authority = 'up';
  return headers;
}

function begin(up: FakeUpstream, options: Partial<CallOptions> = {}, endStream = false, cluster = 'up') {
  const seen = new Recorder();
  const call: HttpCall = up.client.prepare(cluster, request(), seen, { timeoutMs: 0, ...options });
  call.start(endStream);
  return { call, seen };
}

test('a request with a body and its answer with trailers, counted as internal', () => {
  const up = new FakeUpstream('z1');
  const { call, seen } = begin(up);
  call.sendData(Buffer.from('hello'), false);
  call.sendData(Buffer.from('!'), true);
  up.clock.advance(20);
  const stream = up.last;
  assert.equal(stream.headers?.get(H['x-envoy-internal']), 'true');
  assert.equal(stream.headers?.get(H['x-forwarded-for']), '10.0.0.9');
  assert.equal(stream.body.toString(), 'hello!');
  assert.ok(stream.isEnded);
  stream.head({ ':status': '200' });
  stream.data(Buffer.from('ok'));
  stream.end({ x: '1' });
  assert.deepEqual(seen.seen, ['200', 'ok', 'trailers 1']);
  assert.ok(call.isOver && !stream.isReset);
  assert.equal(up.stat('internal.upstream_rq_200'), 1);
  assert.equal(up.stat('upstream_rq_completed'), 1);
  assert.equal(up.stat('zone.z1.z2.upstream_rq_200'), 1);
  assert.equal(up.store.find('http.async-client.rq_total'), 1);
  up.store.flush();
  assert.equal(up.store.findHistogram('cluster.up.internal.upstream_rq_time')?.isUsed, true);
  assert.equal(up.host.rqSuccess, 1);
});

test('without the headers that say it is internal', () => {
  const up = new FakeUpstream();
  begin(up, { skipsEnvoyHeaders: true }, true);
  assert.equal(up.last.headers?.count, 0);
  up.last.head({ ':status': '503' }, true);
  assert.equal(up.stat('external.upstream_rq_503'), 1);
  assert.equal(up.host.rqError, 1);
});

test('no cluster, no host, no connection, and a reset in the answer', () => {
  const up = new FakeUpstream();
  assert.deepEqual(begin(up, {}, true, 'other').seen.failure?.text, 'Cluster not available');
  up.hasHost = false;
  assert.deepEqual(begin(up, {}, true).seen.failure, { status: 503, text: 'no healthy upstream', isAfterStart: false });
  assert.equal(up.stat('upstream_cx_none_healthy'), 1);
  assert.equal(up.stat('internal.upstream_rq_503'), 1);
  up.hasHost = true;
  up.isReady = false;
  const waiting = begin(up, {}, true);
  up.last.callbacks.onPoolFailure(CONNECT_TIMEOUT);
  assert.match(waiting.seen.failure?.text ?? '', /reset before headers\. reset reason: connection timeout$/);
  up.isReady = true;
  const cut = begin(up, {}, true);
  up.last.head({ ':status': '200' });
  up.last.fail(TERMINATION);
  assert.equal(cut.seen.failure?.isAfterStart, true);
  assert.equal(up.store.find('http.async-client.rq_reset_after_downstream_response_started'), 1);
});

test('body waits for the connection up to a limit', () => {
  const up = new FakeUpstream();
  up.isReady = false;
  const { call, seen } = begin(up, { bufferLimitBytes: 8 });
  call.sendData(Buffer.from('12345678'), false);
  assert.equal(call.isAboveWatermark, false);
  call.sendData(Buffer.from('9'), false);
  assert.equal(call.isAboveWatermark, true);
  up.last.ready();
  assert.equal(call.isAboveWatermark, false);
  assert.deepEqual(seen.seen, ['above', 'below']);
  assert.equal(up.last.body.toString(), '123456789');
});

test('the timeout runs from the end of the request', () => {
  const up = new FakeUpstream();
  const { call, seen } = begin(up, { timeoutMs: 100 });
  up.clock.advance(500);
  assert.equal(seen.failure, null);
  call.sendData(Buffer.alloc(0), true);
  up.clock.advance(90);
  assert.equal(seen.failure, null);
  up.clock.advance(20);
  assert.deepEqual(seen.failure, { status: 504, text: 'upstream request timeout', isAfterStart: false });
  assert.ok(up.last.isReset);
  assert.equal(up.stat('upstream_rq_timeout'), 1);
  assert.equal(up.stat('internal.upstream_rq_504'), 1);
});

test('an answer that comes before the request is complete ends both', () => {
  const up = new FakeUpstream();
  const { call, seen } = begin(up);
  up.last.head({ ':status': '200' }, true);
  assert.deepEqual(seen.seen, ['200 end']);
  assert.ok(up.last.isReset && call.isOver);
  call.sendData(Buffer.from('late'), true);
  assert.equal(up.last.body.length, 0);
});

test('cancelled while it waits, and while it is answered', () => {
  const up = new FakeUpstream();
  up.isReady = false;
  const waiting = begin(up, {}, true);
  waiting.call.cancel();
  assert.ok(up.last.isCancelled);
  up.isReady = true;
  const other = begin(up, { timeoutMs: 10 }, true);
  other.call.cancel();
  up.clock.advance(50);
  assert.ok(up.last.isReset);
  assert.deepEqual([...waiting.seen.seen, ...other.seen.seen], []);
});

test('tries again what failed to connect, with the body, as often as allowed', () => {
  const up = new FakeUpstream();
  up.isReady = false;
  const retry = { on: new Set(['connect-failure']), numRetries: 1, backOff: { baseMs: 25, maxMs: 250 } };
  const { call, seen } = begin(up, { retry });
  call.sendData(Buffer.from('body'), true);
  const refused = failure('connect_failed', 'upstream', 'connection', 'refused');
  up.last.callbacks.onPoolFailure(refused);
  assert.equal(up.streams.length, 1);
  up.clock.advance(30);
  assert.equal(up.streams.length, 2);
  up.last.ready();
  assert.equal(up.last.body.toString(), 'body');
  assert.ok(up.last.isEnded);
  assert.equal(up.stat('upstream_rq_retry'), 1);
  up.last.head({ ':status': '200' }, true);
  assert.deepEqual(seen.seen, ['200 end']);
  assert.equal(up.stat('upstream_rq_retry_success'), 1);
  const again = begin(up, { retry }, true);
  up.last.callbacks.onPoolFailure(refused);
  up.clock.advance(30);
  up.last.callbacks.onPoolFailure(refused);
  assert.match(again.seen.failure?.text ?? '', /retried and the latest reset reason: remote connection failure/);
  assert.equal(up.stat('upstream_rq_retry_limit_exceeded'), 1);
});

test('reading is paused on the stream, also before there is one', () => {
  const up = new FakeUpstream();
  up.isReady = false;
  const { call } = begin(up, {}, true);
  call.pauseReading();
  up.last.ready();
  assert.equal(up.last.pauses, 1);
  call.resumeReading();
  call.resumeReading();
  assert.equal(up.last.pauses, 0);
});

test('a whole answer, and one that is too large', () => {
  const up = new FakeUpstream();
  const answers: (BufferedResponse | null)[] = [];
  const failures: (string | undefined)[] = [];
  const ask = (): void => {
    sendRequest(up.client, 'up', request(), Buffer.from('ask'), { timeoutMs: 0 }, (response, reason) => {
      answers.push(response);
      failures.push(reason?.text);
    });
  };
  ask();
  up.last.head({ ':status': '200' });
  up.last.data(Buffer.from('an'));
  up.last.data(Buffer.from('swer'), true);
  assert.equal(answers[0]?.body.toString(), 'answer');
  ask();
  up.last.head({ ':status': '200' });
  const large = Buffer.alloc(16 * 1024 * 1024);
  up.last.data(large);
  up.last.data(large);
  up.last.data(Buffer.alloc(1));
  assert.deepEqual(failures, [undefined, 'the response is too large']);
  assert.ok(up.last.isReset);
});
