// Tests an attempt's way through its filters: what waits for a connection, back-pressure, ends, bugs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock, Random } from '../../../../../base/clock.ts';
import { Headers } from '../../../../../wire/headers.ts';
import type { StreamInfo } from '../../../../stream-info.ts';
import type { RequestEncoder } from '../../../codec.ts';
import { BodyData, type FilterContext, type HttpFilter, type LocalReply } from '../../../filter.ts';
import { compileFilterChain } from '../../../filter-chain.ts';
import { upstreamCodec } from './upstream-codec.ts';
import { type AttemptEnds, UpstreamStream } from './upstream-stream.ts';

const codec = upstreamCodec.create(null as never, {} as FilterContext) as HttpFilter;

function setUp(filter: HttpFilter = {}, method = 'POST') {
  const seen: string[] = [];
  const encoder = {
    encodeHeaders: (_: Headers, end: boolean) => seen.push(`head${end ? '.' : ''}`),
    encodeData: (data: BodyData, end: boolean) => seen.push(`data ${data.copy().toString()}${end ? '.' : ''}`),
    encodeTrailers: () => seen.push('trailers'),
  } as Partial<RequestEncoder> as RequestEncoder;
  const ends: { -readonly [Key in keyof AttemptEnds]: AttemptEnds[Key] } = {
    encoder: null,
    receiveHeaders: () => seen.push('answer'),
    receiveData: () => {},
    receiveTrailers: () => {},
    countSent: (bytes) => seen.push(`counted ${bytes}`),
    answer: (reply: LocalReply) => seen.push(`reply ${reply.status} ${reply.details}`),
  };
  const exchange = {
    ...{ info: {} as StreamInfo, requestTrailers: null, route: null, clock: new Clock(), random: new Random() },
    ...{ isGrpc: false, bufferLimitBytes: 8 },
    pauseRequest: () => seen.push('pause'),
    resumeRequest: () => seen.push('resume'),
    resetStream: (details: string) => seen.push(`reset ${details}`),
  };
  const headers = new Headers();
  headers.method = method;
  headers.path = '/';
  headers.authority = 'a';
  const chain = compileFilterChain([
    { name: 'filter', filter, disabled: false },
    { name: 'codec', filter: codec, disabled: false },
  ]);
  const stream = new UpstreamStream(chain, exchange, headers, ends);
  const connect = (): void => {
    ends.encoder = encoder;
    stream.release();
  };
  const send = (text: string, end: boolean): void => stream.decodeData(new BodyData().set(Buffer.from(text)), end);
  return { seen, stream, headers, connect, send };
}

test('what comes before the connection waits behind the filters, in its order', () => {
  const { seen, stream, connect, send } = setUp({
    decodeHeaders: () => {
      seen.push('filter');
      return 'continue';
    },
  });
  stream.start(false);
  send('one', false);
  assert.deepEqual(seen, ['filter']);
  connect();
  send('two', true);
  assert.deepEqual(seen, ['filter', 'head', 'counted 3', 'data one', 'counted 3', 'data two.']);
});

test('a bare request, and one whose end waits', () => {
  const bare = setUp();
  bare.stream.start(true);
  bare.connect();
  assert.deepEqual(bare.seen, ['head.']);
  const ended = setUp();
  ended.stream.start(false);
  ended.send('', true);
  ended.connect();
  assert.deepEqual(ended.seen, ['head', 'counted 0', 'data .']);
});

test('more than the limit pauses the client until there is a connection, or the attempt is over', () => {
  for (const end of ['connect', 'destroy'] as const) {
    const { seen, stream, connect, send } = setUp();
    stream.start(false);
    send('12345678', false);
    assert.deepEqual(seen, []);
    send('9', false);
    send('0', false);
    assert.deepEqual(seen, ['pause']);
    if (end === 'connect') connect();
    else stream.destroy();
    assert.equal(seen[1], 'resume');
    stream.destroy();
    assert.equal(seen.filter((one) => one === 'resume').length, 1);
  }
});

test('a head without its path is not written', () => {
  const { seen, stream, headers, connect } = setUp();
  headers.path = '';
  stream.start(true);
  connect();
  assert.deepEqual(seen, ['reply 503 filter_removed_required_request_headers{missing_required_header:_:path}']);
});

test('a bug in a filter ends the exchange; filters are destroyed once', () => {
  let destroyed = 0;
  const { seen, stream } = setUp({
    decodeHeaders() {
      throw new Error('bug');
    },
    onDestroy: () => void destroyed++,
  });
  assert.throws(() => stream.start(true), /bug/);
  assert.deepEqual(seen, ['reset internal_error']);
  stream.destroy();
  stream.destroy();
  assert.equal(destroyed, 1);
});

test('a filter that looks at hosts may answer before anything else', () => {
  const { seen, stream } = setUp({
    hostSelected: (each) => each.sendLocalReply({ status: 403, body: '', details: 'denied' }),
  });
  stream.announceHost();
  assert.deepEqual(seen, ['reply 403 denied']);
});
