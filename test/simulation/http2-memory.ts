// HTTP/2 clients and upstreams for the proxy in memory: either end of a connection, and what its exchanges are.
import assert from 'node:assert/strict';
import type { Address, ByteStream } from '../../src/base/byte-stream.ts';
import { type Failure, failure } from '../../src/base/failure.ts';
import { isListenError } from '../../src/net/engine.ts';
import { headerKey } from '../../src/wire/header-names.ts';
import { Headers } from '../../src/wire/headers.ts';
import { Http2Client } from '../../src/wire/http2/client.ts';
import type { Http2Connection } from '../../src/wire/http2/connection.ts';
import type { Http2Events } from '../../src/wire/http2/events.ts';
import { ERROR, MAX_STREAM_ID, MAX_WINDOW, SETTING } from '../../src/wire/http2/frames/constants.ts';
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../src/wire/http2/options.ts';
import { Http2Server } from '../../src/wire/http2/server.ts';
import type { Http2Stream } from '../../src/wire/http2/stream.ts';
import { settings, windowUpdate } from '../../src/wire/http2/testing/raw.ts';
import { LISTENER, MemoryPeer, type MemoryProxy } from './memory-proxy.ts';

export type Field = readonly [name: string, value: string];

export const HTTP2_UPSTREAM: Address = { family: 'ipv4', address: '127.0.0.1', port: 10_082 };

/** Bodies are kept up to this size; of larger ones only how long they are, and what `onData` makes of them. */
const MOST_KEPT = 100_000;

const PROTOCOL = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Fields of a cluster that speaks HTTP/2 with `Http2MemoryUpstream`. */
export function http2Cluster(
  http2: Readonly<Record<string, unknown>> = {},
  options: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const { address, port } = HTTP2_UPSTREAM;
  const endpoint = { address: { socket_address: { address, port_value: port } } };
  return {
    load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    typed_extension_protocol_options: {
      [PROTOCOL]: {
        '@type': `type.googleapis.com/${PROTOCOL}`,
        explicit_http_config: { http2_protocol_options: http2 },
        ...options,
      },
    },
  };
}

/** One exchange as one end of its connection sees it. */
export class Http2MemoryExchange {
  readonly peer: Http2MemoryPeer;
  readonly wire: Http2Stream<Http2MemoryExchange>;
  readonly interims: number[] = [];
  head: Headers | null = null;
  body = '';
  bytes = 0;
  trailers: Headers | null = null;
  /** The other side's END_STREAM came. */
  isEnded = false;
  /** The code of its RST_STREAM, or how the connection ended; '' for neither. */
  resetBy = '';
  isClosed = false;
  /** Gives no credit back while it is true. */
  isStalled = false;
  #owed = 0;
  /** Sees each piece; the body is not kept then. */
  onData: ((chunk: Buffer, start: number, end: number) => void) | null = null;

  constructor(peer: Http2MemoryPeer, wire: Http2Stream<Http2MemoryExchange>) {
    this.peer = peer;
    this.wire = wire;
  }

  received(chunk: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    if (this.onData !== null) this.onData(chunk, start, end);
    else if (this.bytes <= MOST_KEPT) this.body += chunk.latin1Slice(start, end);
    if (this.isStalled) this.#owed += end - start;
    else this.peer.http2.returnCredit(this.wire, end - start);
  }

  /** Reads on after `isStalled`; at most so many bytes, when that is given. */
  goOn(most = Number.POSITIVE_INFINITY): void {
    const bytes = Math.min(most, this.#owed);
    this.#owed -= bytes;
    if (most === Number.POSITIVE_INFINITY) this.isStalled = false;
    this.peer.run(() => this.peer.http2.returnCredit(this.wire, bytes));
  }

  /** 'STATUS BODY', then trailers, '…' when it is incomplete and how it was reset. */
  get text(): string {
    const { head, trailers, body, bytes } = this;
    const interim = this.interims.map((status) => `${status} `).join('');
    if (head === null) return `${interim}${this.resetBy === '' ? '' : `reset ${this.resetBy}`}`;
    const status = head.method === '' ? head.status : head.method;
    const shown = bytes <= MOST_KEPT && this.onData === null ? body : `${bytes} bytes`;
    const fields: string[] = [];
    trailers?.forEach((name, value) => fields.push(` ${name}=${value}`));
    const end = this.isEnded ? '' : '…';
    return `${interim}${status} ${shown}${fields.join('')}${end}${this.resetBy === '' ? '' : ` reset ${this.resetBy}`}`;
  }

  /** The value of a field of the head. */
  field(name: string): string | undefined {
    return this.head?.get(headerKey(name));
  }

  sendHead(fields: readonly Field[], end = false): void {
    this.peer.run(() => this.peer.http2.sendHead(this.wire, headersOf(fields), end));
  }
  /** 1xx, of an upstream. */
  sendInterim(fields: readonly Field[]): void {
    const { http2 } = this.peer;
    this.peer.run(() => {
      if (http2 instanceof Http2Server) http2.sendInterimHead(this.wire, headersOf(fields));
    });
  }
  respond(status: number, body: string | Buffer = '', ...fields: Field[]): void {
    this.peer.run(() => {
      this.peer.http2.sendHead(this.wire, headersOf([[':status', String(status)], ...fields]), body.length === 0);
      if (body.length > 0) this.#data(body, true);
    });
  }
  send(body: string | Buffer, end = false): void {
    this.peer.run(() => this.#data(body, end));
  }
  #data(body: string | Buffer, end: boolean): void {
    const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
    this.peer.http2.sendData(this.wire, bytes, 0, bytes.length, true, end);
  }
  sendTrailers(fields: readonly Field[]): void {
    this.peer.run(() => this.peer.http2.sendTrailers(this.wire, headersOf(fields)));
  }
  reset(code: keyof typeof ERROR = 'cancel'): void {
    this.peer.run(() => this.peer.http2.resetStream(this.wire, ERROR[code]));
  }
}

/** One end of an HTTP/2 connection that the test holds. */
export class Http2MemoryPeer extends MemoryPeer {
  readonly http2: Http2Connection<Http2MemoryExchange>;
  readonly exchanges: Http2MemoryExchange[] = [];
  /** 'LAST CODE TEXT' of each. */
  readonly goaways: string[] = [];
  /** What the other side broke, as this one sees it. */
  failed = '';
  pongs = 0;
  settings = 0;
  onRequest: (exchange: Http2MemoryExchange) => void = () => undefined;
  /** The other side has said all that it will say of the exchange. */
  onComplete: (exchange: Http2MemoryExchange) => void = () => undefined;
  onOver: (exchange: Http2MemoryExchange) => void = () => undefined;
  /** Since `changeWindow`: what new streams begin with. */
  window = -1;
  readonly #rig: MemoryProxy;

  constructor(
    rig: MemoryProxy,
    stream: ByteStream,
    make: (events: Http2Events<Http2MemoryExchange>) => Http2Connection<Http2MemoryExchange>,
  ) {
    super(rig, stream);
    this.#rig = rig;
    this.keepsText = false;
    this.http2 = make(new PeerEvents(this));
  }

  run(act: () => void): void {
    this.#rig.run(act);
  }

  /** Bytes of its own that the other side's windows hold back. */
  get pendingBytes(): number {
    return this.http2.pendingBytes;
  }

  /** Says another SETTINGS_INITIAL_WINDOW_SIZE, and does not watch from now on whether it is kept: it may cross. */
  changeWindow(bytes: number): void {
    this.window = bytes;
    this.run(() => {
      for (const { wire } of this.exchanges) {
        this.adoptWindow(wire);
        // What was too little to be told of may be too much by now.
        if (wire.returned > 0 && !wire.isClosed) this.stream.write(windowUpdate(wire.id, wire.returned));
        wire.returned = 0;
      }
      this.stream.write(settings(SETTING.initialWindowSize, bytes));
    });
  }
  adoptWindow(wire: Http2Stream<Http2MemoryExchange>): void {
    if (this.window < 0) return;
    wire.windowBytes = this.window;
    wire.receiveWindow = MAX_WINDOW;
  }

  override onData(chunk: Buffer, start: number, end: number): void {
    super.onData(chunk, start, end);
    this.http2.receive(chunk, start, end, this.#rig.clock.nowMs);
  }
  onTurnEnd(): void {
    this.http2.flush();
  }
  override onDrain(): void {
    this.http2.onDrain();
  }
  override onEnd(): void {
    super.onEnd();
    this.http2.close(GONE);
  }
  override onClose(reason: Failure | null): void {
    super.onClose(reason);
    this.http2.close(GONE);
  }
}

const CODES = Object.keys(ERROR);
const GONE = failure('local_close', 'downstream', 'connection', 'gone');

class PeerEvents implements Http2Events<Http2MemoryExchange> {
  readonly #peer: Http2MemoryPeer;

  constructor(peer: Http2MemoryPeer) {
    this.#peer = peer;
  }

  onOutput(): void {
    this.#peer.stream.announceTurnEnd();
  }
  onHead(wire: Http2Stream<Http2MemoryExchange>, headers: Headers, endStream: boolean): void {
    const peer = this.#peer;
    const isRequest = wire.user === null;
    const exchange = wire.user ?? new Http2MemoryExchange(peer, wire);
    if (isRequest) {
      wire.user = exchange;
      peer.adoptWindow(wire);
      peer.exchanges.push(exchange);
    }
    exchange.head = headers;
    exchange.isEnded = endStream;
    if (isRequest) peer.onRequest(exchange);
    if (endStream) peer.onComplete(exchange);
  }
  onInterimHead({ user }: Http2Stream<Http2MemoryExchange>, headers: Headers): void {
    user?.interims.push(headers.status);
  }
  onRefused(): void {}
  onData({ user }: Http2Stream<Http2MemoryExchange>, buf: Buffer, start: number, end: number, isLast: boolean): void {
    if (user === null) return;
    if (isLast) user.isEnded = true;
    user.received(buf, start, end);
    if (isLast) this.#peer.onComplete(user);
  }
  onTrailers({ user }: Http2Stream<Http2MemoryExchange>, trailers: Headers): void {
    if (user === null) return;
    user.trailers = trailers;
    user.isEnded = true;
    this.#peer.onComplete(user);
  }
  onReset({ user }: Http2Stream<Http2MemoryExchange>, reason: Failure, code: number): void {
    if (user === null) return;
    user.resetBy = reason === GONE ? 'gone' : (CODES[code] ?? String(code));
    const isTheirs = reason === GONE || reason.code === 'downstream_reset' || reason.code === 'upstream_reset';
    if (!isTheirs) this.#peer.failed ||= `${user.wire.id}: ${reason.detail}`;
  }
  onClosed({ user }: Http2Stream<Http2MemoryExchange>): void {
    if (user === null) return;
    if (user.isClosed) throw new Error('closed twice');
    user.isClosed = true;
    this.#peer.onOver(user);
  }
  onAboveWatermark(): void {}
  onBelowWatermark(): void {}
  onGoaway(last: number, code: number, debug: string): void {
    this.#peer.goaways.push(`${last === MAX_STREAM_ID ? 'all' : last} ${CODES[code]} ${debug}`.trimEnd());
  }
  onSettings(): void {
    this.#peer.settings++;
  }
  onPingAck(): void {
    this.#peer.pongs++;
  }
  onFailed(reason: Failure): void {
    this.#peer.failed = reason.detail;
  }
  count(): void {}
}

/** A client of the proxy. */
export class Http2MemoryClient extends Http2MemoryPeer {
  readonly client: Http2Client<Http2MemoryExchange>;
  /** Exchanges begin with `isStalled`. */
  opensStalled = false;

  constructor(rig: MemoryProxy, stream: ByteStream, options: Partial<Http2Options>) {
    let made: Http2Client<Http2MemoryExchange> | null = null;
    super(rig, stream, (events) => {
      made = new Http2Client(stream, { ...DEFAULT_HTTP2_OPTIONS, ...options }, events);
      return made;
    });
    this.client = made as unknown as Http2Client<Http2MemoryExchange>;
  }

  /** A request; its body, when it is given, is all of it. */
  request(path = '/', ...fields: Field[]): Http2MemoryExchange {
    return this.open([[':method', 'GET'], [':scheme', 'http'], [':authority', 'a'], [':path', path], ...fields], true);
  }

  post(path: string, body: string | Buffer | null, ...fields: Field[]): Http2MemoryExchange {
    const head: Field[] = [[':method', 'POST'], [':scheme', 'http'], [':authority', 'a'], [':path', path], ...fields];
    const exchange = this.open(head, false);
    if (body !== null) exchange.send(body, true);
    return exchange;
  }

  open(fields: readonly Field[], end: boolean): Http2MemoryExchange {
    let exchange: Http2MemoryExchange | null = null;
    this.run(() => {
      // Opened with a placeholder, because the exchange wants its stream.
      const wire = this.client.openStream(null as unknown as Http2MemoryExchange, headersOf(fields), end);
      if (wire === null) throw new Error('no stream is free');
      exchange = new Http2MemoryExchange(this, wire);
      wire.user = exchange;
      this.adoptWindow(wire);
      exchange.isStalled = this.opensStalled;
      this.exchanges.push(exchange);
    });
    return exchange as unknown as Http2MemoryExchange;
  }

  /** What became of all exchanges, in their order. */
  get texts(): string[] {
    return this.exchanges.map((exchange) => exchange.text);
  }
}

export function connectHttp2(rig: MemoryProxy, options: Partial<Http2Options> = {}): Http2MemoryClient {
  let client: Http2MemoryClient | null = null;
  rig.run(() => {
    rig.engine.connect(LISTENER, {}, (dialled) => {
      if (dialled !== null) client = new Http2MemoryClient(rig, dialled, options);
    });
  });
  if (client === null) throw new Error('the proxy does not listen');
  return client;
}

/** An upstream that answers complete requests with `reply`. */
export class Http2MemoryUpstream {
  readonly connections: Http2MemoryPeer[] = [];
  reply: (exchange: Http2MemoryExchange) => void = (exchange) => exchange.respond(200, 'ok');
  /** Told of heads too; for early answers. */
  onHead: (exchange: Http2MemoryExchange) => void = () => undefined;

  constructor(rig: MemoryProxy, options: Partial<Http2Options> = {}, address: Address = HTTP2_UPSTREAM) {
    const settings = { ...DEFAULT_HTTP2_OPTIONS, allowConnect: true, ...options };
    const listener = rig.engine.listen(address, {}, (stream) => {
      const peer = new Http2MemoryPeer(rig, stream, (events) => new Http2Server(stream, settings, events));
      peer.onRequest = (exchange) => this.onHead(exchange);
      peer.onComplete = (exchange) => this.reply(exchange);
      this.connections.push(peer);
    });
    if (isListenError(listener)) throw new Error(listener.detail);
  }

  get exchanges(): Http2MemoryExchange[] {
    return this.connections.flatMap(({ exchanges }) => exchanges);
  }

  /** The latest connection, and the latest request. */
  get last(): Http2MemoryPeer {
    const peer = this.connections.at(-1);
    if (peer === undefined) throw new Error('nobody connected');
    return peer;
  }
  get lastExchange(): Http2MemoryExchange {
    const exchange = this.exchanges.at(-1);
    if (exchange === undefined) throw new Error('no request came');
    return exchange;
  }
}

/** No exchange is in progress on any side of the proxy; with `hasClients` false, no client is there either. */
export function assertQuiet(rig: MemoryProxy, hasClients = true): void {
  const gauges = [
    'http.test.downstream_rq_active',
    'http2.streams_active',
    'http2.pending_send_bytes',
    'cluster.upstream.upstream_rq_active',
    'cluster.upstream.upstream_rq_pending_active',
    'cluster.upstream.http2.streams_active',
    'cluster.upstream.http2.pending_send_bytes',
  ];
  if (!hasClients) {
    for (const name of ['', 'http1_', 'http2_', 'upgrades_']) gauges.push(`http.test.downstream_cx_${name}active`);
  }
  // Those of a codec are there since its first connection.
  for (const name of gauges) assert.equal(rig.proxy.stats.find(name) ?? 0, 0, name);
}

export function headersOf(fields: readonly Field[]): Headers {
  const headers = new Headers();
  for (const [name, value] of fields) headers.add(headerKey(name), value);
  return headers;
}
