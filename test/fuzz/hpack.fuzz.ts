// Fuzzes HPACK: heads there and back through our tables and nghttp2's, and blocks of random and mutated bytes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { test } from 'node:test';
import { failure } from '../../src/base/failure.ts';
import { Random } from '../../src/base/clock.ts';
import { type HeaderKey, headerName, knownHeaderNames } from '../../src/wire/header-names.ts';
import type { Headers } from '../../src/wire/headers.ts';
import { Http2Client } from '../../src/wire/http2/client.ts';
import type { Http2Connection } from '../../src/wire/http2/connection.ts';
import { HpackDecoder } from '../../src/wire/http2/hpack/decoder.ts';
import { HpackEncoder } from '../../src/wire/http2/hpack/encoder.ts';
import { Http2Server } from '../../src/wire/http2/server.ts';
import {
  type Exchange,
  type Field,
  fieldsOf,
  makeHead,
  options,
  Recorder,
  requestHead,
  responseHead,
} from '../../src/wire/http2/testing/recorder.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(4);

/** Names that HTTP/1 connections own, or that heads treat in a way of their own. */
const SPECIAL = new Set([
  ...['host', 'connection', 'transfer-encoding', 'upgrade', 'keep-alive', 'proxy-connection', 'http2-settings', 'te'],
  ...['content-length', 'cookie', 'expect', 'date', 'server', 'trailer'],
]);
const NAMES = knownHeaderNames.filter((name) => !name.startsWith(':') && !SPECIAL.has(name));

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

function randomText(random: Random, most: number, alphabet: string): string {
  return Array.from({ length: random.below(most + 1) }, () => alphabet[random.below(alphabet.length)]).join('');
}

const VISIBLE = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join('');
const ALL = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');

/** Values come from a small set at times, so that tables are of use. */
function randomFields(random: Random, name: () => string, alphabet: string): Field[] {
  return Array.from({ length: random.below(12) }, () => {
    const kind = random.below(10);
    if (kind < 5) return [name(), `v${random.below(3)}`];
    if (kind < 9) return [name(), randomText(random, 40, alphabet)];
    return [name(), randomText(random, 3000, alphabet)];
  });
}

class Fields {
  readonly list: Field[] = [];
  isFull = false;
  field(key: HeaderKey, value: string, size: number): void {
    assert.equal(size, headerName(key).length + value.length);
    this.list.push([headerName(key), value]);
  }
}

test(`heads survive our own tables, ${seconds / 4} s from seed ${seed}`, (t) => {
  const random = new Random(seed);
  const until = performance.now() + (seconds * 1000) / 4;
  let heads = 0;
  while (performance.now() < until) {
    const encoder = new HpackEncoder(pick(random, [4096, 65_536, 100, 0]), random.below(4) > 0);
    const decoder = new HpackDecoder(65_536);
    let former: Headers | null = null;
    for (let i = 0; i < 60; i++) {
      if (random.below(15) === 0) encoder.setLimit(pick(random, [0, 40, 100, 4096, 65_536]));
      const name = (): string => (random.below(3) > 0 ? pick(random, NAMES) : `x-${random.below(30)}`);
      const headers: Headers =
        former !== null && random.below(3) === 0 ? former : makeHead(randomFields(random, name, ALL));
      former = headers;
      const out = Buffer.alloc(encoder.bound(headers) + 8, 0xaa);
      const end = encoder.encode(headers, out, 4);
      assert.ok(end <= out.length - 4, 'more than its bound');
      const fields = new Fields();
      assert.equal(decoder.decode(out, 4, end, fields), null);
      assert.deepEqual(fields.list, fieldsOf(headers));
      assert.equal(decoder.tableBytes, encoder.tableBytes);
      heads++;
    }
  }
  t.diagnostic(`${heads} heads`);
});

test(`no block breaks the decoder, ${seconds / 4} s from seed ${seed}`, (t) => {
  const random = new Random(seed + 1);
  const until = performance.now() + (seconds * 1000) / 4;
  let blocks = 0;
  let broken = 0;
  while (performance.now() < until) {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(4096);
    for (let i = 0; i < 30; i++) {
      let bytes = Buffer.from(Array.from({ length: random.below(60) }, () => random.below(256)));
      if (random.below(3) > 0) {
        const headers = makeHead(randomFields(random, () => pick(random, NAMES), VISIBLE));
        const out = Buffer.alloc(encoder.bound(headers));
        bytes = out.subarray(0, encoder.encode(headers, out, 0));
        for (let j = random.below(4); j > 0 && bytes.length > 0; j--)
          bytes[random.below(bytes.length)] = random.below(256);
        if (random.below(4) === 0) bytes = bytes.subarray(0, random.below(bytes.length + 1));
      }
      // What lies around a block must not matter.
      const results = [0, 0xff].map((poison) => {
        const twin = poison === 0 ? decoder : new HpackDecoder(4096);
        if (poison !== 0 && i > 0) return null;
        const around = Buffer.alloc(bytes.length + 64, poison);
        bytes.copy(around, 32);
        const fields = new Fields();
        return [twin.decode(around, 32, 32 + bytes.length, fields), fields.list] as const;
      });
      if (results[1] !== null) assert.deepEqual(results[0], results[1]);
      assert.ok(decoder.tableBytes <= 4096);
      blocks++;
      if (results[0]?.[0] === null) continue;
      broken++;
      break;
    }
  }
  t.diagnostic(`${blocks} blocks, ${broken} broken`);
  assert.ok(blocks > 500 && broken > 50);
});

class SocketSink {
  readonly isAboveHighWatermark = false;
  readonly #socket: net.Socket;
  constructor(socket: net.Socket) {
    this.#socket = socket;
  }
  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }
  write(chunk: Uint8Array): void {
    this.#socket.write(chunk);
  }
  writeBorrowed(chunk: Buffer, start: number, end: number): void {
    this.#socket.write(Buffer.from(chunk.subarray(start, end)));
  }
  flush(): void {}
}

function drive(socket: net.Socket, connection: Http2Connection<Exchange>, recorder: Recorder): void {
  socket.setNoDelay(true);
  recorder.connection = connection;
  recorder.handleOutput = () => setImmediate(() => connection.flush());
  recorder.handleOutput();
  socket.on('data', (chunk: Buffer) => connection.receive(chunk, 0, chunk.length, 0));
  socket.on('close', () => connection.close(failure('downstream_closed', 'downstream', 'connection', 'gone')));
  socket.on('error', () => {});
}

/** Fields that node:http2 neither merges nor refuses, each name once. */
function plainFields(random: Random): Field[] {
  const name = (): string => `x-${random.below(40)}`;
  const fields = new Map<string, string>(randomFields(random, name, VISIBLE) as Field[]);
  return [...fields].slice(0, 10);
}

const isOwn = ([name]: Field): boolean => name.startsWith('x-');

test(`nghttp2 reads what we write and writes what we read, ${seconds / 2} s from seed ${seed}`, async (t) => {
  const random = new Random(seed + 2);
  const settings = { headerTableSize: pick(random, [0, 200, 4096, 16_384]), maxHeaderListSize: 100_000 };
  const echo = http2.createServer({ settings }, (request, response) => {
    for (const [name, value] of Object.entries(request.headers)) {
      if (name.startsWith('x-')) response.setHeader(name, value as string);
    }
    response.end();
  });
  const recorder = new Recorder();
  let server: Http2Server<Exchange> | null = null;
  recorder.handleHead = ({ stream }, headers) => {
    server?.sendHead(stream, responseHead(200, fieldsOf(headers).filter(isOwn)), true);
  };
  const own = net.createServer((socket) => {
    server = new Http2Server(new SocketSink(socket), options({ hpackTableBytes: settings.headerTableSize }), recorder);
    drive(socket, server, recorder);
  });
  for (const listener of [echo, own]) {
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
  }
  const portOf = (listener: net.Server): number => (listener.address() as net.AddressInfo).port;
  const socket = net.connect(portOf(echo), '127.0.0.1');
  await once(socket, 'connect');
  const seen = new Recorder();
  const client = new Http2Client<Exchange>(new SocketSink(socket), options({ maxHeadBytes: 100_000 }), seen);
  drive(socket, client, seen);
  const session = http2.connect(`http://127.0.0.1:${portOf(own)}`, { settings });
  const until = performance.now() + (seconds * 1000) / 2;
  let heads = 0;
  let former: Field[] = [];
  while (performance.now() < until) {
    const fields = random.below(3) === 0 ? former : plainFields(random);
    former = fields;
    const expected = fields.map(([name, value]) => [name, value]);
    const stream = client.openStream({} as Exchange, requestHead(`/${random.below(5)}`, fields), true);
    assert.ok(stream !== null, seen.failed ?? 'no stream');
    const exchange = seen.open(stream);
    const request = session.request({ ':path': `/${random.below(5)}`, ...Object.fromEntries(fields) });
    const [head] = (await once(request, 'response')) as [http2.IncomingHttpHeaders];
    request.resume();
    assert.deepEqual(
      Object.entries(head).filter(([name]) => name.startsWith('x-')),
      expected,
    );
    while (!exchange.closed) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(fieldsOf(exchange.head).filter(isOwn), expected);
    seen.exchanges.length = recorder.exchanges.length = 0;
    heads += 4;
  }
  session.destroy();
  socket.destroy();
  echo.close();
  own.close();
  t.diagnostic(`${heads} heads with a table of ${settings.headerTableSize} bytes`);
  assert.ok(heads > 40);
});
