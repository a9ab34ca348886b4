// A gRPC server: services behind sockets, plain or over TLS, for the control plane and for tests.
import type { Address, ByteStream } from '../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../base/clock.ts';
import { type Engine, isListenError, type ListenError, type Listener, type ListenOptions } from '../net/engine.ts';
import { type PendingHandshake, startTls } from '../net/tls/start-tls.ts';
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../wire/http2/options.ts';
import { type ConnectionOwner, GrpcConnection } from './connection.ts';
import { DEFAULT_GRPC_OPTIONS, type GrpcServerOptions, type GrpcServerTls } from './options.ts';
import type { AnyServerMethod } from './service.ts';

export type GrpcServerParts = { readonly engine: Engine; readonly random: Random };

/** How far connections' ages differ, so that not all clients come back at once: a tenth more or less. */
const AGE_JITTER = 0.1;

export class GrpcServer implements ConnectionOwner {
  readonly clock: Clock;
  readonly options: GrpcServerOptions;
  readonly #engine: Engine;
  readonly #random: Random;
  readonly #http2: Http2Options;
  readonly #methods = new Map<string, AnyServerMethod>();
  readonly #listeners = new Set<Listener>();
  readonly #connections = new Set<GrpcConnection>();
  readonly #handshakes = new Set<PendingHandshake>();
  #isDraining = false;
  #onDrained: (() => void)[] = [];
  /** Calls so far, connections that were turned away because there are too many, and handshakes that failed. */
  calls = 0;
  refusedConnections = 0;
  failedHandshakes = 0;

  constructor(parts: GrpcServerParts, options: Partial<GrpcServerOptions> = {}) {
    this.#engine = parts.engine;
    this.clock = parts.engine.clock;
    this.#random = parts.random;
    this.options = { ...DEFAULT_GRPC_OPTIONS, ...options };
    this.#http2 = http2Options(this.options);
  }

  /** A method of the same path is replaced, for calls that begin from now on. */
  add(...methods: readonly AnyServerMethod[]): void {
    for (const method of methods) this.#methods.set(method.path, method);
  }

  method(path: string): AnyServerMethod | null {
    return this.#methods.get(path) ?? null;
  }

  listen(address: Address, options: ListenOptions = {}): Listener | ListenError {
    const listener = this.#engine.listen(address, options, (stream) => this.accept(stream));
    if (!isListenError(listener)) this.#listeners.add(listener);
    return listener;
  }

  get activeConnections(): number {
    return this.#connections.size;
  }

  /** Serves a stream that was accepted, here or elsewhere. */
  accept(stream: ByteStream): void {
    if (this.#isDraining || this.#connections.size + this.#handshakes.size >= this.options.maxConnections) {
      this.refusedConnections++;
      stream.destroy();
      return;
    }
    const { tls } = this.options;
    if (tls === null) this.#serve(stream);
    else this.#shakeHands(stream, tls);
  }

  #shakeHands(stream: ByteStream, tls: GrpcServerTls): void {
    const { requestsCertificate, requiresCertificate, verify } = tls;
    let pending: PendingHandshake | null = null;
    let isOver = false;
    const handshake = {
      ...{ context: tls.context(), isServer: true, requestsCertificate, requiresCertificate, alpn: ['h2'] },
      ...{ serverName: '', session: null, onSession: null, onKeylog: null, ocspResponse: null, verify },
    };
    const timer: Timer = this.clock.timer(() => {
      pending?.cancel();
      end();
      this.failedHandshakes++;
    }, null);
    const end = (): void => {
      isOver = true;
      timer.disarm();
      if (pending !== null) this.#handshakes.delete(pending);
    };
    timer.arm(this.options.handshakeTimeoutMs);
    pending = startTls(stream, handshake, null, (secured) => {
      end();
      if (secured === null) this.failedHandshakes++;
      else if (this.#isDraining) secured.destroy();
      else this.#serve(secured);
    });
    if (!isOver) this.#handshakes.add(pending);
  }

  #serve(stream: ByteStream): void {
    const connection = new GrpcConnection(stream, this, this.#http2);
    this.#connections.add(connection);
    const { maxConnectionAgeMs, maxConnectionAgeGraceMs } = this.options;
    if (maxConnectionAgeMs === 0) return;
    const spread = 1 - AGE_JITTER + (this.#random.below(1000) / 1000) * 2 * AGE_JITTER;
    connection.limitAge(maxConnectionAgeMs * spread, maxConnectionAgeGraceMs);
  }

  onCallStarted(): void {
    this.calls++;
  }

  onConnectionClosed(connection: GrpcConnection): void {
    this.#connections.delete(connection);
    this.#checkDrained();
  }

  /** Takes no more connections and calls; calls back once the last one is over, after `graceMs` at the latest. */
  drain(graceMs: number, onDrained: () => void): void {
    this.#isDraining = true;
    this.#onDrained.push(onDrained);
    for (const listener of this.#listeners) listener.close();
    this.#listeners.clear();
    for (const pending of this.#handshakes) pending.cancel();
    this.#handshakes.clear();
    for (const connection of [...this.#connections]) connection.drain(graceMs);
    this.#checkDrained();
  }

  /** Ends everything at once. */
  stop(): void {
    this.drain(0, () => {});
    for (const connection of [...this.#connections]) connection.destroy();
  }

  #checkDrained(): void {
    if (!this.#isDraining || this.#connections.size > 0) return;
    const told = this.#onDrained;
    this.#onDrained = [];
    for (const onDrained of told) onDrained();
  }
}

function http2Options(options: GrpcServerOptions): Http2Options {
  return {
    ...DEFAULT_HTTP2_OPTIONS,
    maxConcurrentStreams: options.maxConcurrentStreams,
    initialStreamWindow: options.streamWindowBytes,
    initialConnectionWindow: options.connectionWindowBytes,
    maxHeadBytes: options.maxMetadataBytes,
    streamBufferBytes: options.callBufferBytes,
    // A client's mistake in one call is not the end of its others.
    streamErrorOnInvalidMessage: true,
  };
}
