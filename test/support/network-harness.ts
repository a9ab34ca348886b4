// A filter chain over connections in memory: drives network filters in a test the way a listener does.
import type { ByteStreamHandler, TlsFacts } from '../../src/base/byte-stream.ts';
import { Clock, Random } from '../../src/base/clock.ts';
import { LocalCells } from '../../src/base/local-cells.ts';
import type { SharedCells } from '../../src/base/shared-cells.ts';
import { createMemoryEngine } from '../../src/net/memory-engine.ts';
import { ConfigDecoder } from '../../src/proxy/config-decoder.ts';
import type { DecodeEnvironment, Reason } from '../../src/proxy/config-decoder.ts';
import type { FormatEnvironment } from '../../src/proxy/formatter/operator.ts';
import type { SocketFacts } from '../../src/proxy/listener/socket-facts.ts';
import { DownstreamConnection } from '../../src/proxy/network/connection.ts';
import { FilterChain } from '../../src/proxy/network/filter-chain.ts';
import { defineNetworkFilter } from '../../src/proxy/network/filter.ts';
import type { NetworkConnection, NetworkFilterFactory } from '../../src/proxy/network/filter.ts';
import { StatStore } from '../../src/telemetry/metrics.ts';
import { FakeRuntime } from './filter-harness.ts';

export type FilterUse = readonly [factory: NetworkFilterFactory, message: object];

/** In tests an Any is the pair that unpacking it would give. */
const ENVIRONMENT: DecodeEnvironment & FormatEnvironment = {
  unpack: (any) => (any as { type: string; message: object } | undefined) ?? null,
  clock: { nowMs: 0, wallMs: 1_700_000_000_000 },
  hostname: 'test',
  variables: { GREETING: 'from the environment' },
} as DecodeEnvironment & FormatEnvironment;

/** Why a filter refuses a configuration. */
export function networkReasons(factory: NetworkFilterFactory, message: object): readonly Reason[] {
  const d = new ConfigDecoder(ENVIRONMENT);
  factory.decode(message as never, d, { bufferLimitBytes: 1024 * 1024 });
  return d.reasons;
}

/** What the client and the chain saw of one connection. */
export type Talk = {
  readonly connection: DownstreamConnection;
  /** On the proxy's side. */
  readonly isClosed: boolean;
  /** Bytes that came to the client, with '|' where the server ended. */
  received: string;
  /** By the client. */
  send(text: string): void;
  end(): void;
  close(): void;
};

export class NetworkHarness {
  readonly clock = new Clock({ manual: true });
  readonly stats = new StatStore();
  readonly runtime = new FakeRuntime();
  readonly chain: FilterChain;
  /** A listener with an access log: filters complete what it will tell. */
  isLogged = false;
  /** Connections that the last filter got. */
  readonly started: NetworkConnection[] = [];
  readonly #engine = createMemoryEngine({
    clock: this.clock,
    onBug: (error) => {
      throw error;
    },
  });

  /** Without a terminal filter of its own a chain ends with one that answers '<…>' to what it reads. */
  constructor(uses: readonly FilterUse[], options: { shared?: SharedCells; chainName?: string } = {}) {
    const { started } = this;
    const last = uses.at(-1)?.[0];
    const all: FilterUse[] = last?.isTerminal === true ? [...uses] : [...uses, [answering(started), {}]];
    const filters = all.map(([factory, message]) => {
      const d = new ConfigDecoder(ENVIRONMENT);
      const config = factory.decode(message as never, d, { bufferLimitBytes: 1024 * 1024 });
      if (d.reasons.length > 0) throw new Error(JSON.stringify(d.reasons));
      return { name: factory.name, factory, config };
    });
    const { chainName = 'chain' } = options;
    const context = {
      stats: this.stats,
      listenerPrefix: 'listener.test.',
      listenerName: 'test',
      clock: this.clock,
      random: new Random(1),
      runtime: this.runtime,
      bufferLimitBytes: 1024 * 1024,
      dateText: () => '',
      shared: options.shared ?? new LocalCells(),
    };
    const config = {
      name: chainName,
      fingerprint: chainName,
      metadata: null,
      transport: null,
      transportTimeoutMs: 0,
      filters,
    };
    const drain = { isDraining: false, shouldDrainClose: () => false };
    this.chain = new FilterChain(config as never, context as never, drain, null);
  }

  /** Opens a connection; `facts` is what listener filters would have found. */
  connect(facts: Partial<SocketFacts> & { readonly tls?: TlsFacts } = {}): Talk {
    const [client, server] = this.#engine.pair({
      clientAddress: { family: 'ipv4', address: '10.0.0.1', port: 1234 },
      serverAddress: { family: 'ipv4', address: '10.0.0.2', port: 80 },
    });
    const { tls, ...rest } = facts;
    if (tls !== undefined) Object.defineProperty(server, 'tls', { value: tls });
    const accepted = {
      localAddress: server.localAddress,
      remoteAddress: server.remoteAddress,
      directLocalAddress: server.localAddress,
      directRemoteAddress: server.remoteAddress,
      isLocalAddressRestored: false,
      transportProtocol: '',
      serverName: '',
      applicationProtocols: [],
      ja3Hash: '',
      ja4Hash: '',
      dynamicMetadata: null,
      filterState: null,
      upstreamSource: null,
      ...rest,
    } as unknown as SocketFacts;
    const listener = {
      name: 'test',
      metadata: null,
      trafficDirection: 'UNSPECIFIED' as const,
      isLogged: this.isLogged,
      clock: this.clock,
      onConnectionClosed: (): void => {},
      onTransportTimeout: (): void => {},
    };
    const connection = new DownstreamConnection(listener, this.chain, server, accepted);
    const run = (step: () => void): void => this.#engine.run(step);
    const talk: Talk = {
      connection,
      received: '',
      get isClosed() {
        return connection.isClosed;
      },
      send: (text) => run(() => client.writeLatin1(text)),
      end: () => run(() => client.end()),
      close: () => run(() => client.close()),
    };
    const handler: ByteStreamHandler = {
      onData: (chunk, start, end) => {
        talk.received += chunk.latin1Slice(start, end);
      },
      onEnd: () => {
        talk.received += '|';
      },
      onDrain: () => {},
      onClose: () => {},
    };
    client.handler = handler;
    run(() => connection.begin(Buffer.alloc(0)));
    return talk;
  }

  advance(ms: number): void {
    this.#engine.run(() => this.clock.advance(ms));
  }

  stat(name: string): number {
    return this.stats.find(name) ?? 0;
  }
}

function answering(started: NetworkConnection[]): NetworkFilterFactory {
  return defineNetworkFilter({
    name: 'test.answer',
    configType: 'test.Answer',
    fields: {},
    isTerminal: true,
    decode: () => null,
    create: () => ({
      start(connection: NetworkConnection): void {
        started.push(connection);
        const { stream } = connection;
        stream.handler = {
          onData: (chunk, start, end) => stream.writeLatin1(`<${chunk.latin1Slice(start, end)}>`),
          onEnd: () => connection.close('flush', ''),
          onDrain: () => {},
          onClose: (failure) => connection.closed(failure),
        };
      },
    }),
  });
}
