// What HTTP/2 costs without sockets: heads through HPACK, and requests with answers through both sides of a connection.
import { Http2Client } from '../../../src/wire/http2/client.ts';
import type { Http2Connection } from '../../../src/wire/http2/connection.ts';
import type { Http2Events } from '../../../src/wire/http2/events.ts';
import { HeadDecoder } from '../../../src/wire/http2/head-decoder.ts';
import { HpackEncoder } from '../../../src/wire/http2/hpack/encoder.ts';
import { DEFAULT_HTTP2_OPTIONS } from '../../../src/wire/http2/options.ts';
import { Http2Server } from '../../../src/wire/http2/server.ts';
import type { Http2Stream } from '../../../src/wire/http2/stream.ts';
import { makeHead, requestHead, responseHead } from '../../../src/wire/http2/testing/recorder.ts';
import type { Headers } from '../../../src/wire/headers.ts';

const ROUNDS = 7;

const GRPC = requestHead(
  '/hipstershop.ProductCatalogService/GetProduct',
  [
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['grpc-accept-encoding', 'identity,deflate,gzip'],
    ['user-agent', 'grpc-go/1.71.0'],
    ['grpc-timeout', '1S'],
  ],
  'POST',
);
const BROWSER = requestHead('/productpage?u=normal', [
  ['sec-ch-ua-platform', '"Linux"'],
  [
    'user-agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  ],
  ['accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'],
  ['sec-fetch-site', 'none'],
  ['sec-fetch-mode', 'navigate'],
  ['sec-fetch-dest', 'document'],
  ['accept-encoding', 'gzip, deflate, br, zstd'],
  ['accept-language', 'en-US,en;q=0.9'],
  ['cookie', 'session=eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoibm9ybWFsIn0.9bfZ3cX; theme=dark; seen=1'],
]);
const UNIQUE = Array.from({ length: 1024 }, (_, i) =>
  requestHead('/hipstershop.ProductCatalogService/GetProduct', [
    ['content-type', 'application/grpc'],
    ['user-agent', 'grpc-go/1.71.0'],
    ['x-request-id', `6f1e5c2a-7b3d-4e8f-9a1b-${i.toString(16).padStart(12, '0')}`],
    ['x-forwarded-proto', 'http'],
    ['x-envoy-expected-rq-timeout-ms', '15000'],
  ]),
);

function blocksOf(heads: readonly Headers[], warm: number): { buf: Buffer; ends: number[]; decoder: HeadDecoder } {
  const encoder = new HpackEncoder();
  const decoder = new HeadDecoder(4096, DEFAULT_HTTP2_OPTIONS);
  const buf = Buffer.alloc(1024 * 1024);
  let at = 0;
  for (let i = 0; i < warm; i++) {
    const end = encoder.encode(heads[i % heads.length] as Headers, buf, 0);
    decoder.decode(buf, 0, end, 'request');
  }
  const ends = [0];
  for (const head of heads) {
    at = encoder.encode(head, buf, at);
    ends.push(at);
  }
  return { buf, ends, decoder };
}

function decoding(heads: readonly Headers[]): (times: number) => void {
  const { buf, ends, decoder } = blocksOf(heads, 20);
  return (times) => {
    for (let i = 0, j = 0; i < times; i++) {
      const broken = decoder.decode(buf, ends[j] as number, ends[j + 1] as number, 'request');
      if (broken !== null || decoder.malformed !== '') throw new Error(broken ?? decoder.malformed);
      if (++j === heads.length) j = 0;
    }
  };
}

function encoding(heads: readonly Headers[]): (times: number) => void {
  const encoder = new HpackEncoder();
  const buf = Buffer.alloc(4096);
  return (times) => {
    for (let i = 0, j = 0; i < times; i++) {
      if (encoder.encode(heads[j] as Headers, buf, 0) === 0) throw new Error('nothing was encoded');
      if (++j === heads.length) j = 0;
    }
  };
}

class Sink {
  other: Http2Connection<object> | null = null;
  readonly bufferedBytes = 0;
  readonly isAboveHighWatermark = false;
  chunks: Uint8Array[] = [];
  write(chunk: Uint8Array): void {
    this.chunks.push(chunk);
  }
  writeBorrowed(chunk: Buffer, start: number, end: number): void {
    this.chunks.push(chunk.subarray(start, end));
  }
  flush(): void {}
  /** ns that the other side took to read it. */
  carry(): void {
    const { chunks, other } = this;
    this.chunks = [];
    for (const chunk of chunks) other?.receive(chunk as Buffer, 0, chunk.length, 0);
  }
}

class Owner implements Http2Events<object> {
  connection: Http2Connection<object> | null = null;
  answers: ((stream: Http2Stream<object>) => void) | null = null;
  ended = 0;
  onOutput(): void {}
  onHead(stream: Http2Stream<object>, _headers: Headers, endStream: boolean): void {
    if (endStream) this.#end(stream);
  }
  onInterimHead(): void {}
  onData(stream: Http2Stream<object>, _buf: Buffer, start: number, end: number, endStream: boolean): void {
    this.connection?.returnCredit(stream, end - start);
    if (endStream) this.#end(stream);
  }
  onTrailers(stream: Http2Stream<object>): void {
    this.#end(stream);
  }
  #end(stream: Http2Stream<object>): void {
    this.ended++;
    if (this.answers !== null) this.answers(stream);
  }
  onRefused(): void {}
  onReset(): void {
    throw new Error('reset');
  }
  onClosed(): void {}
  onAboveWatermark(): void {}
  onBelowWatermark(): void {}
  onGoaway(): void {}
  onPingAck(): void {}
  onSettings(): void {}
  onFailed(): void {
    throw new Error('failed');
  }
  count(): void {}
}

/** `times` exchanges, 16 in a turn. Returns the ns that the server and the client took. */
function exchanges(heads: readonly Headers[], body: Buffer, trailers: boolean): (times: number) => [number, number] {
  const up = new Sink();
  const down = new Sink();
  const serverOwner = new Owner();
  const clientOwner = new Owner();
  const server = new Http2Server<object>(down, DEFAULT_HTTP2_OPTIONS, serverOwner);
  const client = new Http2Client<object>(up, DEFAULT_HTTP2_OPTIONS, clientOwner);
  up.other = server;
  down.other = client;
  serverOwner.connection = server;
  clientOwner.connection = client;
  const answer = responseHead(200, [
    ['content-type', 'application/grpc'],
    ['server', 'envoy'],
    ['date', 'Sat, 21 Nov 2026 17:00:00 GMT'],
    ['x-envoy-upstream-service-time', '3'],
  ]);
  const end = makeHead([
    ['grpc-status', '0'],
    ['grpc-message', ''],
  ]);
  serverOwner.answers = (stream) => {
    server.sendHead(stream, answer, false);
    server.sendData(stream, body, 0, body.length, false, !trailers);
    if (trailers) server.sendTrailers(stream, end);
  };
  const user = {};
  return (times) => {
    let serverNs = 0n;
    let clientNs = 0n;
    const { ended } = clientOwner;
    for (let i = 0, j = 0; i < times; i += 16) {
      const t0 = process.hrtime.bigint();
      for (let k = 0; k < 16; k++) {
        client.openStream(user, heads[j] as Headers, true);
        if (++j === heads.length) j = 0;
      }
      client.flush();
      const t1 = process.hrtime.bigint();
      up.carry();
      server.flush();
      const t2 = process.hrtime.bigint();
      down.carry();
      const t3 = process.hrtime.bigint();
      serverNs += t2 - t1;
      clientNs += t1 - t0 + t3 - t2;
    }
    if (clientOwner.ended - ended !== times) throw new Error(`${clientOwner.ended - ended} of ${times} answers`);
    return [Number(serverNs), Number(clientNs)];
  };
}

let failed = false;

function report(name: string, ns: number, budgetNs: number, more = ''): void {
  if (ns > budgetNs) failed = true;
  const verdict = ns <= budgetNs ? 'met' : 'MISSED';
  console.log(`${name.padEnd(46)} ${ns.toFixed(0).padStart(6)} ns   budget ${budgetNs} ns   ${verdict}${more}`);
}

function heapBytes(run: () => void): number {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  run();
  return process.memoryUsage().heapUsed - before;
}

const TIMES = 100_000;
for (const [name, budgetNs, run] of [
  ['decode a gRPC head that repeats', 250, decoding([GRPC])],
  ['decode a browser head, cookie as it is', 1500, decoding([BROWSER])],
  ['decode a head with an own request id', 1000, decoding(UNIQUE)],
  ['encode a gRPC head that repeats', 150, encoding([GRPC])],
  ['encode a browser head, cookie as it is', 1500, encoding([BROWSER])],
  ['encode a head with an own request id', 1000, encoding(UNIQUE)],
] as const) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.hrtime.bigint();
    run(TIMES);
    best = Math.min(best, Number(process.hrtime.bigint() - started) / TIMES);
  }
  report(name, best, budgetNs);
}

const EXCHANGES = 16_000;
for (const [name, heads, bytes, trailers] of [
  ['gRPC exchange, 100 bytes', [GRPC], 100, true],
  ['exchange of 1 KiB', [GRPC], 1024, false],
  ['exchange of 1 KiB with own request ids', UNIQUE, 1024, false],
] as const) {
  const run = exchanges(heads, Buffer.alloc(bytes), trailers);
  let server = Number.POSITIVE_INFINITY;
  let client = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const [serverNs, clientNs] = run(EXCHANGES);
    server = Math.min(server, serverNs / EXCHANGES);
    client = Math.min(client, clientNs / EXCHANGES);
  }
  const heap = heapBytes(() => run(1600)) / 1600;
  report(`server, ${name}`, server, 2000);
  report(`client, ${name}`, client, 2000, `   ${heap.toFixed(0)} heap bytes on both sides`);
}
if (failed) process.exitCode = 1;
