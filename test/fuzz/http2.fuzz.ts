// Fuzzes HTTP/2 connections: frames right and wrong, mutated, cut anywhere, before owners that do odd things.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { Http2Client } from '../../src/wire/http2/client.ts';
import type { Http2Connection } from '../../src/wire/http2/connection.ts';
import { Http2Server } from '../../src/wire/http2/server.ts';
import * as raw from '../../src/wire/http2/testing/raw.ts';
import {
  type Exchange,
  type Field,
  fieldsOf,
  makeHead,
  MemorySink,
  options,
  Recorder,
  requestHead,
  responseHead,
} from '../../src/wire/http2/testing/recorder.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(4);

const OPTIONS = options({
  maxConcurrentStreams: 8,
  initialStreamWindow: 65_535,
  initialConnectionWindow: 100_000,
  streamBufferBytes: 20_000,
  streamErrorOnInvalidMessage: true,
  streamResetBurst: 20,
  maxHeadBytes: 4000,
  allowConnect: true,
});
/** A frame that is not whole and a block that is not: what a connection may hold of its input. */
const MOST_HELD = 3 * 16_384 + 64;

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

const FIELDS: readonly Field[] = [
  ...([
    [':method', 'GET'],
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', 'a'],
    [':path', '/'],
  ] as Field[]),
  ...([
    ['content-length', '5'],
    ['te', 'trailers'],
    ['connection', 'close'],
    ['x-a', 'b'],
    ['cookie', 'c=d'],
  ] as Field[]),
  ...([
    ['X', 'y'],
    ['x', 'y\n'],
    ['grpc-status', '0'],
    [':status', '200'],
    ['x-long', 'v'.repeat(3000)],
  ] as Field[]),
];

function randomBlock(random: Random, isServer: boolean): Buffer {
  const kind = random.below(30);
  if (kind === 0) return Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)));
  if (kind === 1) return raw.block(Array.from({ length: random.below(6) }, () => pick(random, FIELDS)));
  if (kind === 2) return raw.block([['grpc-status', '0']]);
  const start: Field[] = isServer ? [...raw.GET] : [[':status', pick(random, ['200', '103', '204', '304', '101'])]];
  const more = Array.from({ length: random.below(3) }, () => pick(random, FIELDS.slice(5)));
  return raw.block([...start, ...(random.below(3) === 0 ? more : [])]);
}

/** The number that the next stream gets; frames mostly speak of streams that there are. */
type Numbers = { next: number };

function randomHeaders(random: Random, isServer: boolean, numbers: Numbers): Buffer {
  let streamId = numbers.next;
  if (isServer && random.below(5) > 0) numbers.next += 2;
  else streamId = Math.max(1, streamId - 2 * (1 + random.below(3)));
  const block = randomBlock(random, isServer);
  const kind = random.below(10);
  const endStream = random.below(2);
  if (kind === 0) {
    const padded = Buffer.concat([Buffer.from([3]), block, Buffer.alloc(3)]);
    return raw.frame(1, 0x0c | endStream, streamId, padded);
  }
  if (kind === 1) {
    return raw.frame(1, 0x24 | endStream, streamId, Buffer.concat([raw.uint32(0), Buffer.from([9]), block]));
  }
  if (kind === 2) {
    const cut = random.below(block.length + 1);
    const rest = raw.frame(9, 4, streamId, block.subarray(cut));
    return Buffer.concat([raw.frame(1, endStream, streamId, block.subarray(0, cut)), rest]);
  }
  return raw.frame(1, 4 | endStream, streamId, block);
}

function randomFrame(random: Random, isServer: boolean, numbers: Numbers): Buffer {
  const streamId = Math.max(1, numbers.next - 2 * (1 + random.below(4)));
  const bytes = (most: number): Buffer => Buffer.alloc(random.below(most), 'd');
  if (random.below(60) === 0) return raw.frame(random.below(16), random.below(256), random.below(20), bytes(20));
  const type = random.below(20);
  if (type < 6) return randomHeaders(random, isServer, numbers);
  if (type < 12) {
    if (random.below(8) === 0) return raw.frame(0, 8, streamId, Buffer.from([2, 1, 2, 0, 0]));
    return raw.frame(0, random.below(3) === 0 ? 1 : 0, streamId, bytes(pick(random, [10, 10, 5000, 16_384])));
  }
  if (type === 12) return raw.frame(2, 0, streamId, Buffer.from([0, 0, 0, 0, random.below(9)]));
  if (type === 13) return raw.rst(streamId, random.below(14));
  if (type === 14) return raw.settings(4, pick(random, [0, 1, 10, 65_535, 70_000]), 1, pick(random, [0, 50, 4096]));
  if (type === 15) return raw.frame(6, random.below(2), 0, Buffer.alloc(8));
  if (type === 16 && random.below(4) === 0) return raw.frame(7, 0, 0, raw.uint32(random.below(20), random.below(14)));
  if (type < 19) return raw.windowUpdate(pick(random, [0, streamId]), pick(random, [1, 10, 1000, 70_000]));
  return random.below(2) === 0 ? raw.SETTINGS_ACK : raw.frame(0x40, 0, streamId, bytes(20));
}

function randomInput(random: Random, isServer: boolean): Buffer {
  const numbers = { next: isServer ? 1 : 11 };
  const frames = Array.from({ length: 1 + random.below(30) }, () => randomFrame(random, isServer, numbers));
  const bytes = Buffer.concat([isServer ? raw.CLIENT_START : raw.settings(), ...frames]);
  if (random.below(3) === 0) {
    const start = isServer ? 33 : 9;
    for (let i = random.below(4); i > 0 && bytes.length > start; i--) {
      bytes[start + random.below(bytes.length - start)] = random.below(256);
    }
  }
  return bytes;
}

/** The owner of a connection: answers by what the head says, so that it does the same however the input is cut. */
function behave(connection: Http2Connection<Exchange>, recorder: Recorder, whim: number): void {
  recorder.connection = connection;
  // Not piece by piece, because the pieces are not the same each time.
  recorder.holdsCredit = true;
  recorder.handleData = ({ stream }, _buf, _start, _end, endStream) => {
    if (endStream && whim % 3 > 0) connection.returnCredit(stream, stream.unreturned);
  };
  recorder.handleHead = ({ stream }) => {
    const deed = (stream.id + whim) % 7;
    if (deed === 6) connection.resetStream(stream, 8);
    if (deed > 4) return;
    if (connection instanceof Http2Server) {
      if (deed === 4) connection.sendInterimHead(stream, responseHead(103));
      connection.sendHead(stream, responseHead(200, [['x-id', String(stream.id)]]), deed === 0);
    }
    connection.sendData(stream, Buffer.alloc(30_000, 'a'), 0, 30_000, deed === 1, deed === 2);
    if (deed === 3) connection.sendTrailers(stream, makeHead([['x-end', 'y']]));
  };
  recorder.handleTrailers = ({ stream }) => connection.sendData(stream, Buffer.alloc(9), 0, 9, false, true);
}

type Outcome = { readonly shown: unknown; readonly recorder: Recorder; readonly held: number };

/** Feeds the input in pieces between bytes that must not matter, and tells all that happened. */
function run(input: Buffer, cuts: readonly number[], poison: number, isServer: boolean, whim: number): Outcome {
  const sink = new MemorySink();
  const recorder = new Recorder();
  const connection = isServer
    ? new Http2Server<Exchange>(sink, OPTIONS, recorder)
    : new Http2Client<Exchange>(sink, OPTIONS, recorder);
  behave(connection, recorder, whim);
  if (connection instanceof Http2Client) {
    for (let i = 0; i < 5; i++) {
      const stream = connection.openStream({} as Exchange, requestHead(`/${i}`), i % 2 === 0);
      if (stream !== null) recorder.open(stream);
    }
  }
  let held = 0;
  let from = 0;
  for (const to of [...cuts, input.length]) {
    const around = Buffer.alloc(to - from + 64, poison);
    input.copy(around, 32, from, to);
    connection.receive(around, 32, 32 + to - from, 0);
    around.fill(poison);
    held = Math.max(held, connection.heldBytes);
    assert.ok(connection.activeStreams <= 8);
    from = to;
  }
  connection.flush();
  const shown = {
    exchanges: recorder.exchanges.map((one) => ({
      id: one.stream.id,
      head: fieldsOf(one.head),
      body: Buffer.concat(one.body).length,
      trailers: fieldsOf(one.trailers),
      state: [one.interim, one.ended, one.reset, one.closed, one.log, one.stream.bufferedBytes],
    })),
    events: [recorder.failed, recorder.goaway, recorder.pings, recorder.refused, [...recorder.counters]],
    output: sink.take().toString('hex'),
  };
  for (const { stream, closed, reset } of recorder.exchanges) {
    assert.equal(closed, stream.isClosed);
    if (closed) assert.ok(stream.list === null && stream.queue === null);
    if (reset !== null || recorder.failed !== null) assert.ok(closed);
    if (stream.isReset) assert.equal(stream.unreturned, 0);
  }
  return { shown, recorder, held };
}

for (const isServer of [true, false]) {
  const side = isServer ? 'server' : 'client';
  test(`a ${side} takes anything, in any pieces, ${seconds / 2} s from seed ${seed}`, (t) => {
    const random = new Random(seed * 2 + (isServer ? 0 : 1));
    const until = performance.now() + (seconds * 1000) / 2;
    let inputs = 0;
    let alive = 0;
    let heads = 0;
    while (performance.now() < until) {
      const input = randomInput(random, isServer);
      const whim = random.below(21);
      const text = `seed ${seed}, ${side}, input ${++inputs}, whim ${whim}: ${input.toString('hex').slice(0, 4000)}`;
      try {
        const whole = run(input, [], 0, isServer, whim);
        const few = input.length > 4000 ? 40 : 400;
        const cuts = new Set(Array.from({ length: random.below(few) }, () => random.below(input.length)));
        const pieces = run(
          input,
          [...cuts].sort((a, b) => a - b),
          0xff,
          isServer,
          whim,
        );
        assert.deepEqual(pieces.shown, whole.shown);
        assert.ok(pieces.held <= MOST_HELD, `held ${pieces.held}`);
        if (whole.recorder.failed === null) alive++;
        heads += whole.recorder.exchanges.filter((exchange) => exchange.head !== null).length;
      } catch (error) {
        throw new Error(`${text}\n${(error as Error).message}`, { cause: error });
      }
    }
    t.diagnostic(`${inputs} inputs, ${alive} without a failure, ${heads} heads`);
    assert.ok(inputs > 100 && alive > inputs / 20 && heads > inputs / 4);
  });
}
