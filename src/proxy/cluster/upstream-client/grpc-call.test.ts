// Tests gRPC calls against a fake host: heads, framing, ends of every kind, and streams that are opened again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../base/failure.ts';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type {
  HealthCheckResponse,
  V1_HealthCheckRequest as HealthCheckRequest,
} from '../../../proto/generated/types.d.ts';
import { registry } from '../../../proto/registry.ts';
import { frameMessage } from '../../../wire/grpc/framing.ts';
import { H, headerKey } from '../../../wire/header-names.ts';
import type { GrpcMethod, GrpcTarget } from './grpc-call.ts';
import { GrpcClient } from './grpc-client.ts';
import { LongLivedStream } from './long-lived-stream.ts';
import { FakeUpstream } from './testing/fake-cluster.ts';

const CHECK: GrpcMethod<HealthCheckRequest, HealthCheckResponse> = {
  path: '/grpc.health.v1.Health/Check',
  request: registry.message('grpc.health.v1.HealthCheckRequest'),
  response: registry.message('grpc.health.v1.HealthCheckResponse'),
};
const SERVING = frameMessage(encodeBinary(CHECK.response, { status: 'SERVING' }));

function setUp(change: Partial<GrpcTarget> = {}) {
  const up = new FakeUpstream();
  const target: GrpcTarget = {
    ...{ clusterName: 'up', authority: 'health', timeoutMs: 0, addMetadata: null, callCredentials: null },
    ...{ maxMessageBytes: 1000, skipsEnvoyHeaders: false, retry: null, streamBackOff: null },
    ...{ ownCluster: null, counts: null, ...change },
  };
  const client = new GrpcClient(up.client, target);
  const ends: string[] = [];
  const unary = (): void => {
    client.unary(CHECK, { service: 'a' }, ({ status, message, response }) => {
      ends.push(`${status} ${message} ${response?.status ?? ''}`);
    });
  };
  return { up, client, ends, unary };
}

test('a call whose credentials fail is not sent', () => {
  let failure = 'no token';
  const callCredentials: GrpcTarget['callCredentials'] = (headers) => {
    if (failure === '') headers.add(headerKey('authorization'), 'Bearer t');
    return failure;
  };
  const { up, ends, unary } = setUp({ callCredentials, counts: 's' });
  unary();
  assert.deepEqual(ends, ['16 no token ']);
  assert.equal(up.store.find('grpc.s.streams_closed_16'), 1);
  failure = '';
  unary();
  assert.equal(up.last.headers?.get(headerKey('authorization')), 'Bearer t');
  assert.equal(ends.length, 1);
});

test('a unary call', () => {
  const addMetadata: GrpcTarget['addMetadata'] = (headers) => headers.add(headerKey('x-token'), 't');
  const { up, ends, unary } = setUp({ timeoutMs: 2500, addMetadata });
  unary();
  const stream = up.last;
  const sent: string[] = [];
  stream.headers?.forEach((name, value) => sent.push(`${name}: ${value}`));
  assert.deepEqual(sent, [
    ...[':method: POST', ':path: /grpc.health.v1.Health/Check', ':authority: health', ':scheme: http'],
    ...['te: trailers', 'grpc-timeout: 2500m', 'content-type: application/grpc', 'x-token: t'],
    ...['x-envoy-internal: true', 'x-forwarded-for: 10.0.0.9', 'x-envoy-expected-rq-timeout-ms: 2500'],
  ]);
  assert.deepEqual(decodeBinary(CHECK.request, stream.body.subarray(5)), { service: 'a' });
  assert.ok(stream.isEnded);
  stream.head({ ':status': '200', 'content-type': 'application/grpc' });
  stream.data(SERVING.subarray(0, 3));
  stream.data(SERVING.subarray(3));
  stream.end({ 'grpc-status': '0' });
  assert.deepEqual(ends, ['0  SERVING']);
});

const ends: Readonly<Record<string, { answer(up: FakeUpstream): void; end: string }>> = {
  'trailers-only': {
    answer: (up) => up.last.head({ ':status': '200', 'grpc-status': '5', 'grpc-message': 'no%20such%c3%a9' }, true),
    end: '5 no such\u00e9 ',
  },
  'no status': {
    answer: (up) => {
      up.last.head({ ':status': '200' });
      up.last.data(SERVING);
      up.last.end({});
    },
    end: '2  ',
  },
  'a status that is none': {
    answer: (up) => up.last.head({ ':status': '200', 'grpc-status': '17' }, true),
    end: '-1  ',
  },
  'no trailers': {
    answer: (up) => {
      up.last.head({ ':status': '200' });
      up.last.data(SERVING, true);
    },
    end: '2  ',
  },
  'OK without a message': {
    answer: (up) => up.last.head({ ':status': '200', 'grpc-status': '0' }, true),
    end: '13  ',
  },
  'an HTTP error with a body': { answer: (up) => up.last.head({ ':status': '404' }), end: '1  ' },
  'an HTTP error alone': { answer: (up) => up.last.head({ ':status': '404' }, true), end: '12  ' },
  'a compressed message': {
    answer: (up) => {
      up.last.head({ ':status': '200' });
      up.last.data(frameMessage(Buffer.from('x'), 1));
    },
    end: '13  ',
  },
  'a malformed message': {
    answer: (up) => {
      up.last.head({ ':status': '200' });
      up.last.data(frameMessage(Buffer.from([0x08])));
    },
    end: '13  ',
  },
  'a message that is too large': {
    answer: (up) => {
      up.last.head({ ':status': '200' });
      up.last.data(frameMessage(Buffer.alloc(1001)));
    },
    end: '8  ',
  },
  'a reset in the answer': {
    answer: (up) => {
      up.last.head({ ':status': '200' });
      up.last.fail(failure('upstream_reset', 'upstream', 'stream', 'http2.remote_reset'));
    },
    end: '13  ',
  },
  'a reset before the answer': {
    answer: (up) => up.last.fail(failure('upstream_reset', 'upstream', 'stream', 'http2.remote_reset')),
    end: '14 upstream connect error or disconnect/reset before headers. reset reason: remote reset ',
  },
};
for (const [name, { answer, end }] of Object.entries(ends)) {
  test(`a call that ends by ${name}`, () => {
    const { up, ends: seen, unary } = setUp();
    unary();
    answer(up);
    assert.deepEqual(seen, [end]);
  });
}

test('no host and no cluster: unavailable, told during the call', () => {
  const gone = setUp({ clusterName: 'gone' });
  gone.unary();
  assert.deepEqual(gone.ends, ['14 Cluster not available ']);
  const { up, ends: seen, unary } = setUp();
  up.hasHost = false;
  unary();
  assert.deepEqual(seen, ['14 no healthy upstream ']);
});

test('a timeout is unavailable, as Envoy has it', () => {
  const { up, ends: seen, unary } = setUp({ timeoutMs: 100 });
  unary();
  up.clock.advance(200);
  assert.deepEqual(seen, ['14 upstream request timeout ']);
  assert.ok(up.last.isReset);
});

test('messages both ways, back-pressure, and a cancel', () => {
  const { up, client } = setUp();
  const seen: string[] = [];
  const call = client.stream(CHECK, {
    onHeaders: () => seen.push('head'),
    onMessage: ({ status }) => seen.push(String(status)),
    onClose: (status) => seen.push(`closed ${status}`),
    onDrain: () => seen.push('drain'),
  });
  assert.equal(up.last.headers?.has(H['grpc-timeout']), false);
  call.send({ service: 'a' });
  call.send({ service: 'b' });
  assert.equal(up.last.isEnded, false);
  up.last.callbacks.onAboveWatermark();
  assert.ok(call.isAboveWatermark);
  up.last.callbacks.onBelowWatermark();
  up.last.head({ ':status': '200' });
  up.last.data(Buffer.concat([SERVING, SERVING]));
  call.end();
  assert.ok(up.last.isEnded);
  call.cancel();
  assert.ok(up.last.isReset);
  assert.deepEqual(seen, ['drain', 'head', 'SERVING', 'SERVING']);
});

test('a handler that cancels on the first of two messages hears nothing more', () => {
  const { up, client } = setUp();
  let count = 0;
  const call = client.stream(CHECK, {
    onMessage() {
      count++;
      call.cancel();
    },
    onClose: () => assert.fail('it was cancelled'),
  });
  up.last.head({ ':status': '200' });
  up.last.data(Buffer.concat([SERVING, SERVING]));
  assert.equal(count, 1);
});

test('a long-lived stream is opened again, later and later, and at once after a message', () => {
  const { up, client } = setUp();
  const seen: string[] = [];
  const waits: number[] = [];
  const stream = new LongLivedStream(client, CHECK, {
    onOpen: () => seen.push('open'),
    onMessage: () => seen.push('message'),
    onClose: (status, _message, retryMs) => {
      seen.push(`closed ${status}`);
      waits.push(retryMs);
    },
  });
  assert.equal(stream.send({}), false);
  up.hasHost = false;
  stream.start();
  for (let i = 0; i < 8; i++) up.clock.advance((waits[waits.length - 1] ?? 0) + 8);
  assert.equal(waits.length, 9);
  assert.ok(
    waits.every((ms, i) => ms < Math.min(30_000, 500 * 2 ** i)),
    String(waits),
  );
  assert.ok(Math.max(...waits) > 1000, String(waits));
  up.hasHost = true;
  up.clock.advance(30_000);
  assert.ok(stream.isOpen && stream.send({ service: 'x' }));
  up.last.head({ ':status': '200' });
  up.last.data(SERVING);
  up.last.end({ 'grpc-status': '0' });
  assert.deepEqual(seen.slice(-3), ['open', 'message', 'closed 0']);
  assert.ok((waits[waits.length - 1] as number) < 500);
  up.clock.advance(500);
  assert.ok(stream.isOpen);
  const { last } = up;
  stream.stop();
  assert.ok(last.isReset && !stream.isOpen);
  up.clock.advance(60_000);
  assert.equal(up.last, last);
});
