// A downstream connection: takes its bytes through the network filters of its chain until the terminal one owns them.
import type { Address, ByteStream, ByteStreamHandler, TlsFacts } from '../../base/byte-stream.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import type { SocketFacts } from '../listener/socket-facts.ts';
import {
  type ConnectionInfo,
  type FilterStateObject,
  type Metadata,
  StreamInfo,
  type UpstreamSource,
} from '../stream-info.ts';
import type { PendingTransport } from '../transport/transport.ts';
import { type CloseKind, type ConnectionOwner, type NetworkConnection, POLICY_CHANGED } from './filter.ts';
import type { FilterChain } from './filter-chain.ts';
import { FilteredStream } from './filtered-stream.ts';

/** What connections know of their listener. */
export type ConnectionListener = {
  readonly name: string;
  readonly metadata: Metadata | null;
  readonly trafficDirection: 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';
  /** It has access logs of its own. */
  readonly isLogged: boolean;
  readonly clock: Clock;
  onConnectionClosed(connection: DownstreamConnection): void;
  onTransportTimeout(): void;
};

let nextConnectionId = 0;
const NO_SLOTS: unknown[] = [];
/** What Envoy says of a connection that its peer reset under TLS; it is BoringSSL that reads there. */
const TLS_RESET = 'TLS_error:|33554536:system library:OPENSSL_internal:Connection reset by peer:TLS_error_end';
const NO_NAMES: readonly string[] = [];

/**
 * States: starting (filters hear of the connection) → stopped ⇄ starting → started (the terminal filter owns the
 * stream) → closed. It is its own ConnectionInfo, so that an idle connection is one object less.
 */
export class DownstreamConnection implements NetworkConnection, ConnectionInfo, ByteStreamHandler {
  readonly id = nextConnectionId++;
  readonly listener: ConnectionListener;
  readonly chain: FilterChain;
  readonly startMs: number;
  readonly startWallMs: number;
  /** What the terminal filter sees: the transport's stream, or a FilteredStream when some filter reads bytes. */
  stream: ByteStream;
  readonly slot: unknown[];
  terminationDetails = '';
  localCloseReason = '';
  detectedCloseType: 'Normal' | 'LocalReset' | 'RemoteReset' = 'Normal';
  isClosed = false;
  /** The transport's stream once it stands, until then the socket. */
  #socket: ByteStream;
  #handshake: PendingTransport | null = null;
  #timer: Timer | null = null;
  #refused: TlsFacts | null = null;
  /** What listener filters found out; null when there were none. */
  readonly #accepted: SocketFacts | null;
  #info: StreamInfo | null = null;
  /** Filters that have let the connection in. */
  #passed = 0;
  #isAttached = false;
  #isStopped = false;
  isStarted = false;
  owner: ConnectionOwner | null = null;
  /** Its chain was replaced, and there is another one that would take it: it may stay for as long as it lasts. */
  hasSuccessor = false;

  constructor(listener: ConnectionListener, chain: FilterChain, socket: ByteStream, accepted: SocketFacts | null) {
    this.listener = listener;
    this.chain = chain;
    this.startMs = listener.clock.nowMs;
    this.startWallMs = listener.clock.wallMs;
    this.#socket = socket;
    this.#accepted = accepted;
    this.slot = chain.slots > 1 ? new Array(chain.slots).fill(undefined) : NO_SLOTS;
    this.stream = socket;
    chain.connections.add(this);
  }

  /** Begins with the transport, if the chain has one; `unread` are bytes of the socket that were looked at. */
  begin(unread: Buffer): void {
    const { transport, config } = this.chain;
    if (transport === null) {
      if (unread.length > 0) this.#socket.unread(unread);
      this.#attach(this.#socket);
      return;
    }
    if (config.transportTimeoutMs > 0) {
      this.#timer = this.listener.clock.timer(onTransportTimeout, this);
      this.#timer.arm(config.transportTimeoutMs);
    }
    const pending = transport.accept(this.#socket, unread, (stream, failure, refused) =>
      this.#shaken(stream, failure, refused ?? null),
    );
    if (!this.isClosed && !this.#isAttached) this.#handshake = pending;
  }

  #shaken(stream: ByteStream | null, failure: Failure | null, refused: TlsFacts | null): void {
    this.#handshake = null;
    this.#timer?.disarm();
    if (this.isClosed) {
      stream?.destroy();
      return;
    }
    if (stream !== null) {
      this.#socket = stream;
      this.#attach(stream);
      return;
    }
    this.#refused = refused;
    this.info.downstreamTransportFailureReason = failure?.detail ?? '';
    this.closed(failure);
  }

  /** For the timer. */
  onTransportTimeout(): void {
    this.listener.onTransportTimeout();
    this.close('no-flush', 'transport_socket_timeout');
  }

  #attach(stream: ByteStream): void {
    this.#isAttached = true;
    const { chain } = this;
    this.stream = chain.readsData ? new FilteredStream(stream, this, chain.filters) : stream;
    this.start();
  }

  /** Lets the filters hear of the connection, then the terminal one take it. */
  start(): void {
    const { filters } = this.chain;
    if (filters.length > 0) this.stream.handler = this;
    while (this.#passed < filters.length) {
      const filter = filters[this.#passed++];
      if (filter?.onNewConnection?.(this) === 'stop') {
        if (!this.isClosed) this.#stop();
        return;
      }
      if (this.isClosed || this.#socket.isClosed) return;
    }
    this.isStarted = true;
    this.chain.terminal.start?.(this);
    this.chain.succession?.(this);
  }

  #stop(): void {
    this.#isStopped = true;
    this.#socket.pause();
  }

  continueReading(): void {
    if (this.isClosed || this.#socket.isClosed) return;
    if (this.isStarted) {
      if (this.stream instanceof FilteredStream) this.stream.continueReading();
      return;
    }
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#socket.resume();
    this.start();
  }

  writeOwn(bytes: Buffer): void {
    if (this.stream instanceof FilteredStream) this.stream.writeOwn(bytes);
    else this.stream.write(bytes);
  }

  close(kind: CloseKind, reason: string, details = ''): void {
    if (this.isClosed) return;
    if (this.localCloseReason === '') this.localCloseReason = reason;
    if (details !== '') this.terminationDetails = details;
    if (!this.#isAttached) {
      this.#handshake?.cancel();
      this.#handshake = null;
      this.closed(null);
      return;
    }
    if (kind === 'reset') this.detectedCloseType = 'LocalReset';
    if (kind === 'flush') this.#socket.close();
    else this.#socket.destroy(kind === 'reset');
  }

  /** A policy that came after it turns it away. */
  deny(): void {
    if (this.terminationDetails === '') this.terminationDetails = POLICY_CHANGED;
    if (this.owner === null) this.close('no-flush', POLICY_CHANGED);
    else this.owner.closeAtOnce(POLICY_CHANGED);
  }

  closed(failure: Failure | null): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (failure?.code === 'downstream_reset') {
      this.detectedCloseType = 'RemoteReset';
      if (this.chain.transport !== null && this.isLogged) this.info.downstreamTransportFailureReason ||= TLS_RESET;
    }
    const info = this.#info;
    if (info !== null && info.endMs === 0) this.#finishInfo(info);
    // The listener's line comes before what filters log when they end, as in Envoy.
    this.listener.onConnectionClosed(this);
    const { filters, terminal } = this.chain;
    const passed = this.isStarted ? filters.length : this.#passed;
    for (let i = 0; i < passed; i++) filters[i]?.onDestroy?.(this);
    terminal.onDestroy?.(this);
    this.chain.forget(this);
  }

  #finishInfo(info: StreamInfo): void {
    info.endMs = this.listener.clock.nowMs;
    info.bytesReceived = this.#socket.bytesRead;
    info.bytesSent = this.#socket.bytesWritten;
  }

  /** Asks the socket for its addresses, which it remembers: once closed it cannot find them out any more. */
  keepAddresses(): void {
    void this.#socket.localAddress;
    void this.#socket.remoteAddress;
  }

  // ─── As the stream's handler, until the terminal filter takes over ──────────────────────────────────────────────

  onData(): void {}
  onEnd(): void {
    // Nothing will be said, and nobody is there yet to answer.
    if (!this.isStarted) this.#socket.close();
  }
  onDrain(): void {}
  onClose(failure: Failure | null): void {
    this.closed(failure);
  }

  // ─── Facts ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get connection(): ConnectionInfo {
    return this;
  }
  get isLogged(): boolean {
    return this.listener.isLogged || this.chain.readsInfo;
  }

  get info(): StreamInfo {
    if (this.#info === null) {
      this.#info = new StreamInfo(this, this.startMs, this.startWallMs);
      this.keepAddresses();
      this.#info.dynamicMetadata = this.#accepted?.dynamicMetadata ?? null;
      this.#info.filterState = this.#accepted?.filterState ?? null;
      this.#info.downstreamTransportFailureReason = this.#accepted?.transportFailureReason ?? '';
    }
    return this.#info;
  }

  /** For the listener's access log: `info` with what only the end tells. */
  finishedInfo(): StreamInfo {
    const { info } = this;
    if (info.endMs === 0) this.#finishInfo(info);
    return info;
  }
  get balanceKey(): string {
    return this.#accepted?.balanceKey ?? '';
  }
  get listenerName(): string {
    return this.listener.name;
  }
  get listenerMetadata(): Metadata | null {
    return this.listener.metadata;
  }
  get trafficDirection(): ConnectionListener['trafficDirection'] {
    return this.listener.trafficDirection;
  }
  get filterChainName(): string {
    return this.chain.config.name;
  }
  get filterChainMetadata(): Metadata | null {
    return this.chain.config.metadata;
  }
  get localAddress(): Address {
    return this.#accepted?.localAddress ?? this.#socket.localAddress;
  }
  get isLocalAddressRestored(): boolean {
    return this.#accepted?.isLocalAddressRestored ?? false;
  }
  get directLocalAddress(): Address {
    return this.#accepted?.directLocalAddress ?? this.#socket.localAddress;
  }
  get remoteAddress(): Address {
    return this.#accepted?.remoteAddress ?? this.#socket.remoteAddress;
  }
  get directRemoteAddress(): Address {
    return this.#accepted?.directRemoteAddress ?? this.#socket.remoteAddress;
  }
  get tls(): TlsFacts | null {
    return this.#socket.tls ?? this.#refused;
  }
  get requestedServerName(): string {
    return this.#accepted?.serverName ?? '';
  }
  get transportProtocol(): string {
    return this.#accepted?.transportProtocol ?? '';
  }
  get applicationProtocols(): readonly string[] {
    return this.#accepted?.applicationProtocols ?? NO_NAMES;
  }
  get ja3Hash(): string {
    return this.#accepted?.ja3Hash ?? '';
  }
  get ja4Hash(): string {
    return this.#accepted?.ja4Hash ?? '';
  }
  get upstreamSource(): UpstreamSource | null {
    return this.#accepted?.upstreamSource ?? null;
  }
  get filterState(): ReadonlyMap<string, FilterStateObject> | null {
    return this.#info === null ? (this.#accepted?.filterState ?? null) : this.#info.filterState;
  }
  get dynamicMetadata(): ReadonlyMap<string, Record<string, unknown>> | null {
    return this.#info === null ? (this.#accepted?.dynamicMetadata ?? null) : this.#info.dynamicMetadata;
  }
}

function onTransportTimeout(connection: DownstreamConnection): void {
  connection.onTransportTimeout();
}
