// A whole proxy in memory for tests: configuration as an object, fake time, clients and upstreams without sockets.
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address, ByteStream, ByteStreamHandler } from '../../src/base/byte-stream.ts';
import { Clock, Random } from '../../src/base/clock.ts';
import type { Failure } from '../../src/base/failure.ts';
import { isListenError } from '../../src/net/engine.ts';
import { createMemoryEngine, type MemoryEngine } from '../../src/net/memory-engine.ts';
import { type HttpFilter, type HttpFilterFactory, defineHttpFilter } from '../../src/proxy/http/filter.ts';
import { DEFAULT_PROXY_OPTIONS, type ProxyOptions } from '../../src/proxy/options.ts';
import { type Proxy, startProxy } from '../../src/proxy/proxy.ts';
import { LogRegistry } from '../../src/telemetry/log.ts';
import { Http1Reader, type Message } from '../support/http1-reader.ts';

export const LISTENER: Address = { family: 'ipv4', address: '127.0.0.1', port: 10_000 };
export const UPSTREAM: Address = { family: 'ipv4', address: '127.0.0.1', port: 10_080 };

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';
const TEST_FILTER = 'google.protobuf.Struct';

/** Rounds of settling before a test may look: a round ends when nothing in memory has anything to deliver. */
const SETTLE_ROUNDS = 40;

type Json = Readonly<Record<string, unknown>>;

export type MemoryProxyOptions = {
  /** Fields of the connection manager, the listener, the route's action and the cluster, over the defaults. */
  readonly hcm?: Json;
  readonly listener?: Json;
  readonly route?: Json;
  /** All routes instead of the one to the cluster. */
  readonly routes?: readonly Json[];
  readonly cluster?: Json;
  readonly bootstrap?: Json;
  /** Filters in front of the router, by name. */
  readonly filters?: Readonly<Record<string, HttpFilter>>;
  /** Configurations of built-in filters in front of those. */
  readonly httpFilters?: readonly Json[];
  readonly options?: Partial<ProxyOptions>;
  readonly seed?: number;
  readonly nextPieceBytes?: () => number;
};

export class MemoryProxy {
  readonly clock = new Clock({ manual: true });
  readonly engine: MemoryEngine;
  readonly proxy: Proxy;
  readonly upstream: MemoryUpstream;
  /** Lines of the process log from warnings on. */
  readonly problems: string[] = [];
  /** Dials to the upstream that come neither to an end nor to a connection. */
  holdsDials = false;
  cancelledDials = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), 'heddle-memory-'));

  constructor(options: MemoryProxyOptions = {}) {
    const logs = LogRegistry.open({
      level: 'warning',
      clock: this.clock,
      write: (line) => void this.problems.push(line),
    });
    if (typeof logs === 'string') throw new Error(logs);
    let engine: MemoryEngine | undefined;
    const pieces = options.nextPieceBytes === undefined ? {} : { nextPieceBytes: options.nextPieceBytes };
    const started = startProxy({
      options: {
        ...DEFAULT_PROXY_OPTIONS,
        configYaml: JSON.stringify(bootstrapOf(options, this.#logPath)),
        fileFlushIntervalMs: 1_000_000_000,
        ...options.options,
      },
      logs,
      variables: {},
      version: 'test',
      clock: this.clock,
      random: new Random(options.seed ?? 1),
      extraHttpFilters: [testFilterFactory(options.filters ?? {})],
      makeEngine: (engineOptions) => {
        engine = createMemoryEngine({ ...engineOptions, ...pieces });
        const { connect } = engine;
        engine.connect = (address, connectOptions, callback) =>
          this.holdsDials && address.port !== LISTENER.port
            ? { cancel: () => void this.cancelledDials++ }
            : connect(address, connectOptions, callback);
        return engine;
      },
    });
    if ('error' in started) throw new Error(started.error);
    this.proxy = started;
    this.engine = engine as MemoryEngine;
    this.upstream = new MemoryUpstream(this, UPSTREAM);
  }

  get #logPath(): string {
    return join(this.#folder, 'access.log');
  }

  /** Runs `act` as the event loop would, and everything that follows from it in memory. */
  run(act: () => void = () => undefined): void {
    this.engine.run(act);
    for (let i = 0; i < SETTLE_ROUNDS; i++) this.engine.run(() => undefined);
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.run();
  }

  /** A client whose connection has been accepted. */
  connect(): MemoryClient {
    let client: MemoryClient | null = null;
    this.run(() => {
      this.engine.connect(LISTENER, {}, (dialled) => {
        if (dialled !== null) client = new MemoryClient(this, dialled);
      });
    });
    if (client === null) throw new Error('the proxy does not listen');
    return client;
  }

  /** One request on a connection of its own. */
  exchange(text: string): MemoryClient {
    const client = this.connect();
    client.send(text);
    return client;
  }

  stat(name: string): number {
    const value = this.proxy.stats.find(name);
    if (value === undefined) throw new Error(`no statistic ${name}`);
    return value;
  }

  /** Access-log lines since the last call. */
  takeLog(): string[] {
    this.proxy.accessLogs.flushSync();
    const lines = readFileSync(this.#logPath, 'latin1').split('\n').slice(0, -1);
    truncateSync(this.#logPath);
    return lines;
  }

  /** Lets connections end and checks nothing; call it at the end of each test. */
  stop(): void {
    this.run(() => this.proxy.worker.listeners.stopAccepting());
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function bootstrapOf(options: MemoryProxyOptions, logPath: string): Json {
  const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });
  const filters = Object.keys(options.filters ?? {}).map((name) => ({
    name,
    typed_config: typed(TEST_FILTER, { value: { name } }),
  }));
  const routes = options.routes ?? [{ match: { prefix: '/' }, route: { cluster: 'upstream', ...options.route } }];
  const hcm = {
    stat_prefix: 'test',
    generate_request_id: false,
    route_config: { name: 'local', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [...(options.httpFilters ?? []), ...filters, { name: 'router', typed_config: typed(ROUTER) }],
    access_log: [
      {
        name: 'file',
        typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
          path: logPath,
          log_format: {
            text_format_source: {
              inline_string: '%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n',
            },
          },
        }),
      },
    ],
    ...options.hcm,
  };
  const listener = {
    name: 'test',
    address: socketAddress(LISTENER),
    filter_chains: [{ filters: [{ name: 'hcm', typed_config: typed(HCM, hcm) }] }],
    ...options.listener,
  };
  const cluster = {
    name: 'upstream',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: 'upstream',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(UPSTREAM) } }] }],
    },
    ...options.cluster,
  };
  return { static_resources: { listeners: [listener], clusters: [cluster] }, ...options.bootstrap };
}

function socketAddress(address: Address): Json {
  return { socket_address: { address: address.address, port_value: address.port } };
}

/** One kind of filter whose configuration names the object that a test made. */
function testFilterFactory(filters: Readonly<Record<string, HttpFilter>>): HttpFilterFactory {
  return defineHttpFilter<string, unknown, Json>({
    name: 'test.filter',
    configType: TEST_FILTER,
    fields: { [TEST_FILTER]: '*' },
    decode: (message) => String(message['name']),
    create: (name) => filters[name] ?? null,
  });
}

/** One end of a connection that the test holds. */
export class MemoryPeer implements ByteStreamHandler {
  readonly stream: ByteStream;
  readonly #rig: MemoryProxy;
  /** Everything received, latin1; only kept while `keepsText`. */
  text = '';
  bytes = 0;
  keepsText = true;
  hasEnded = false;
  isClosed = false;
  failure: Failure | null = null;

  constructor(rig: MemoryProxy, stream: ByteStream) {
    this.#rig = rig;
    this.stream = stream;
    stream.handler = this;
  }

  onData(chunk: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    if (this.keepsText) this.received(chunk.latin1Slice(start, end));
  }
  onEnd(): void {
    this.hasEnded = true;
    this.stream.end();
  }
  onDrain(): void {}
  onClose(failure: Failure | null): void {
    this.isClosed = true;
    this.failure = failure;
  }
  protected received(text: string): void {
    this.text += text;
  }

  /** Whether the proxy has closed, in whatever way. */
  get isGone(): boolean {
    return this.hasEnded || this.isClosed;
  }
  get wasReset(): boolean {
    return this.failure?.code === 'downstream_reset' || this.failure?.code === 'upstream_reset';
  }

  send(text: string): void {
    this.#rig.run(() => this.stream.writeLatin1(text));
  }
  end(): void {
    this.#rig.run(() => this.stream.end());
  }
  close(): void {
    this.#rig.run(() => this.stream.close());
  }
  reset(): void {
    this.#rig.run(() => this.stream.destroy(true));
  }
  pause(): void {
    this.#rig.run(() => this.stream.pause());
  }
  resume(): void {
    this.#rig.run(() => this.stream.resume());
  }
}

export class MemoryClient extends MemoryPeer {
  /** Methods of the requests in their order, where they are not all of the kind that gets a body. */
  readonly methods: string[] = [];
  readonly #reader = new Http1Reader('response', this.methods);

  protected override received(text: string): void {
    super.received(text);
    this.#reader.feed(text);
  }

  get responses(): readonly Message[] {
    return this.#reader.messages;
  }

  /** 'STATUS BODY' of each response, with '…' when it is incomplete. */
  get answers(): string[] {
    return this.responses.map(
      ({ startLine, body, complete }) => `${startLine.split(' ')[1]} ${body}${complete ? '' : '…'}`,
    );
  }
}

export class UpstreamPeer extends MemoryPeer {
  readonly reader: Http1Reader;

  constructor(rig: MemoryProxy, stream: ByteStream, owner: MemoryUpstream) {
    super(rig, stream);
    this.reader = new Http1Reader('request', [], (message, event) => owner.onEvent(this, message, event));
  }

  protected override received(text: string): void {
    super.received(text);
    this.reader.feed(text);
  }

  get requests(): readonly Message[] {
    return this.reader.messages;
  }
}

/** An upstream that answers complete requests with `reply`; a reply of '' leaves it to the test. */
export class MemoryUpstream {
  readonly connections: UpstreamPeer[] = [];
  reply: (request: Message, peer: UpstreamPeer) => string = () => response('ok');
  /** Told of heads too; for early answers. */
  onHead: (request: Message, peer: UpstreamPeer) => void = () => undefined;
  onConnection: (peer: UpstreamPeer) => void = () => undefined;

  constructor(rig: MemoryProxy, address: Address) {
    const listener = rig.engine.listen(address, {}, (stream) => {
      const peer = new UpstreamPeer(rig, stream, this);
      this.connections.push(peer);
      this.onConnection(peer);
    });
    if (isListenError(listener)) throw new Error(listener.detail);
  }

  onEvent(peer: UpstreamPeer, message: Message, event: 'head' | 'complete'): void {
    if (event === 'head') this.onHead(message, peer);
    else {
      const text = this.reply(message, peer);
      if (text !== '') peer.stream.writeLatin1(text);
    }
  }

  /** The latest connection. */
  get last(): UpstreamPeer {
    const peer = this.connections.at(-1);
    if (peer === undefined) throw new Error('nobody connected');
    return peer;
  }

  /** All requests that arrived, in the order of their connections. */
  get requests(): Message[] {
    return this.connections.flatMap((peer) => peer.requests);
  }
}

/** 'GET /path HTTP/1.1' with a Host and more lines. */
export function get(path: string, ...lines: string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n');
}

export function post(path: string, body: string, ...lines: string[]): string {
  return [`POST ${path} HTTP/1.1`, 'Host: a', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n');
}

export function response(body: string, status = 200, ...lines: string[]): string {
  return [`HTTP/1.1 ${status} X`, `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n');
}

export function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}
