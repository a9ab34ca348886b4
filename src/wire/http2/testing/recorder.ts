// For tests: a sink in memory, and an owner of a connection that writes down what happens.
import type { Failure } from '../../../base/failure.ts';
import { type HeaderKey, headerKey, headerName } from '../../header-names.ts';
import { Headers } from '../../headers.ts';
import type { Http2Connection } from '../connection.ts';
import type { Http2Events } from '../events.ts';
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../options.ts';
import type { Http2Stream } from '../stream.ts';

export class MemorySink {
  readonly chunks: Buffer[] = [];
  bufferedBytes = 0;
  highBytes = Number.POSITIVE_INFINITY;
  writes = 0;
  get isAboveHighWatermark(): boolean {
    return this.bufferedBytes > this.highBytes;
  }
  write(chunk: Uint8Array): void {
    this.writes++;
    this.bufferedBytes += chunk.length;
    this.chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
  }
  writeBorrowed(chunk: Buffer, start: number, end: number): void {
    this.write(Buffer.from(chunk.subarray(start, end)));
  }
  flush(): void {}
  /** Everything written since the last call. */
  take(): Buffer {
    const all = Buffer.concat(this.chunks);
    this.chunks.length = 0;
    this.bufferedBytes = 0;
    return all;
  }
}

export type Exchange = {
  readonly stream: Http2Stream<Exchange>;
  readonly log: string[];
  interim: number[];
  head: Headers | null;
  body: Buffer[];
  trailers: Headers | null;
  ended: boolean;
  reset: string | null;
  closed: boolean;
};

/** An owner that records, and does what `on…` say. Credit is returned at once unless `holdsCredit`. */
export class Recorder implements Http2Events<Exchange> {
  connection: Http2Connection<Exchange> | null = null;
  readonly exchanges: Exchange[] = [];
  readonly counters = new Map<string, number>();
  readonly refused: string[] = [];
  outputs = 0;
  failed: string | null = null;
  goaway: string | null = null;
  pings = 0;
  settings = 0;
  holdsCredit = false;
  /** Keeps no bodies, only their lengths. */
  bodyBytes = 0;
  keepsBodies = true;
  handleHead: (exchange: Exchange, headers: Headers, endStream: boolean) => void = () => {};
  handleData: (exchange: Exchange, buf: Buffer, start: number, end: number, endStream: boolean) => void = () => {};
  handleTrailers: (exchange: Exchange, trailers: Headers) => void = () => {};
  handleOutput: () => void = () => {};

  open(stream: Http2Stream<Exchange>): Exchange {
    const exchange = newExchange(stream);
    stream.user = exchange;
    this.exchanges.push(exchange);
    return exchange;
  }
  onOutput(): void {
    this.outputs++;
    this.handleOutput();
  }
  onHead(stream: Http2Stream<Exchange>, headers: Headers, endStream: boolean): void {
    const exchange = stream.user ?? this.open(stream);
    exchange.head = headers;
    exchange.ended = endStream;
    exchange.log.push('head');
    this.handleHead(exchange, headers, endStream);
  }
  onInterimHead(stream: Http2Stream<Exchange>, headers: Headers): void {
    stream.user?.interim.push(headers.status);
  }
  onData(stream: Http2Stream<Exchange>, buf: Buffer, start: number, end: number, endStream: boolean): void {
    const exchange = stream.user as Exchange;
    this.bodyBytes += end - start;
    if (this.keepsBodies) exchange.body.push(Buffer.from(buf.subarray(start, end)));
    if (endStream) exchange.ended = true;
    this.handleData(exchange, buf, start, end, endStream);
    if (!this.holdsCredit) this.connection?.returnCredit(stream, end - start);
  }
  onTrailers(stream: Http2Stream<Exchange>, trailers: Headers): void {
    const exchange = stream.user as Exchange;
    exchange.trailers = trailers;
    exchange.ended = true;
    this.handleTrailers(exchange, trailers);
  }
  onRefused(stream: Http2Stream<Exchange>, headers: Headers, reason: Failure): void {
    this.refused.push(`${stream.id} ${headers.path} ${reason.detail} ${reason.scope}`);
  }
  onReset(stream: Http2Stream<Exchange>, reason: Failure, code: number): void {
    if (stream.user !== null) stream.user.reset = `${reason.detail} ${code}`;
  }
  onClosed(stream: Http2Stream<Exchange>): void {
    if (stream.user === null) return;
    if (stream.user.closed) throw new Error('closed twice');
    stream.user.closed = true;
  }
  onAboveWatermark(stream: Http2Stream<Exchange>): void {
    stream.user?.log.push('above');
  }
  onBelowWatermark(stream: Http2Stream<Exchange>): void {
    stream.user?.log.push('below');
  }
  onGoaway(lastStreamId: number, code: number, debug: string): void {
    this.goaway = `${lastStreamId} ${code} ${debug}`;
  }
  onPingAck(): void {
    this.pings++;
  }
  onSettings(): void {
    this.settings++;
  }
  onFailed(reason: Failure, code: number): void {
    if (this.failed !== null) throw new Error('failed twice');
    this.failed = `${reason.detail} ${code}`;
  }
  count(counter: string): void {
    this.counters.set(counter, (this.counters.get(counter) ?? 0) + 1);
  }
}

function newExchange(stream: Http2Stream<Exchange>): Exchange {
  return {
    stream,
    log: [],
    interim: [],
    head: null,
    body: [],
    trailers: null,
    ended: false,
    reset: null,
    closed: false,
  };
}

export function options(changes: Partial<Http2Options> = {}): Http2Options {
  return { ...DEFAULT_HTTP2_OPTIONS, ...changes };
}

export type Field = readonly [string, string];

export function makeHead(fields: readonly Field[]): Headers {
  const headers = new Headers();
  for (const [name, value] of fields) headers.add(headerKey(name), value);
  return headers;
}

export function requestHead(path = '/', fields: readonly Field[] = [], method = 'GET'): Headers {
  const pseudo: Field[] = [
    [':method', method],
    [':scheme', 'http'],
    [':authority', 'example.test'],
    [':path', path],
  ];
  return makeHead([...pseudo, ...fields]);
}

export function responseHead(status = 200, fields: readonly Field[] = []): Headers {
  return makeHead([[':status', String(status)], ...fields]);
}

export function fieldsOf(headers: Headers | null): Field[] {
  const fields: Field[] = [];
  const kv = headers?.kv ?? [];
  for (let i = 0; i < kv.length; i += 2) fields.push([headerName(kv[i] as HeaderKey), kv[i + 1] as string]);
  return fields;
}
