// The metadata exchange on connections to the hosts of a cluster: a stream in front of the connection's own.
import type { ByteStream, ByteStreamHandler } from '../../../../base/byte-stream.ts';
import type { Failure } from '../../../../base/failure.ts';
import type { UpstreamFilter, UpstreamState } from '../../../cluster/upstream-filter.ts';
import { KnownPeers, PeerReader } from '../../../istio/peer-exchange.ts';
import { peerStates, UPSTREAM_PEER } from '../../../istio/peer-state.ts';
import { StreamLayer } from '../../../../base/stream-layer.ts';
import { countOutcome, type ExchangeScope } from './exchange-config.ts';

const NO_HANDLER: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
const NO_LABELS: ReadonlySet<string> = new Set();

export class UpstreamExchange implements UpstreamFilter {
  readonly #protocol: string;
  readonly #bytes: Buffer;
  readonly #stats: ExchangeScope;
  readonly #known = new KnownPeers(NO_LABELS);

  /** `bytes`: what this proxy says of itself. */
  constructor(protocol: string, bytes: Buffer, stats: ExchangeScope) {
    this.#protocol = protocol;
    this.#bytes = bytes;
    this.#stats = stats;
  }

  onConnected(stream: ByteStream, state: UpstreamState): ByteStream {
    const stats = this.#stats;
    if (stream.tls?.alpn !== this.#protocol) {
      stats.inc(stats.i.alpn_protocol_not_found);
      for (const [key, object] of peerStates(UPSTREAM_PEER, null)) state.set(key, object);
      return stream;
    }
    stats.inc(stats.i.alpn_protocol_found);
    stats.inc(stats.i.metadata_added);
    return new ExchangingStream(stream, this.#bytes, new PeerReader(this.#known), state, stats);
  }
}

/** Once the peer has said who it is, bytes go to the owner without a detour. */
class ExchangingStream extends StreamLayer implements ByteStreamHandler {
  readonly #state: UpstreamState;
  readonly #stats: ExchangeScope;
  /** Null once the exchange is over. */
  #reader: PeerReader | null;
  #owner: ByteStreamHandler = NO_HANDLER;

  constructor(socket: ByteStream, bytes: Buffer, reader: PeerReader, state: UpstreamState, stats: ExchangeScope) {
    super(socket);
    this.#reader = reader;
    this.#state = state;
    this.#stats = stats;
    this.own = bytes.length;
    socket.handler = this;
    socket.write(bytes);
  }

  // ─── From the socket, until the peer has spoken ─────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    const reader = this.#reader;
    if (reader === null) {
      this.#owner.onData(chunk, start, end);
      return;
    }
    const rest = reader.read(chunk, start, end);
    this.taken += end - start - rest.length;
    countOutcome(this.#stats, reader);
    if (reader.outcome === 'more') return;
    this.#over(reader);
    if (reader.outcome === 'too-long') this.socket.destroy();
    else if (rest.length > 0) this.#owner.onData(rest, 0, rest.length);
  }

  onEnd(): void {
    const reader = this.#reader;
    if (reader !== null) {
      const rest = reader.end();
      this.taken -= rest.length;
      this.#over(reader);
      if (rest.length > 0) this.#owner.onData(rest, 0, rest.length);
      if (this.socket.isClosed) return;
    }
    this.#owner.onEnd();
  }

  onDrain(): void {
    this.#owner.onDrain();
  }
  onTurnEnd(): void {
    this.#owner.onTurnEnd?.();
  }
  onClose(failure: Failure | null): void {
    const owner = this.#owner;
    this.#owner = NO_HANDLER;
    owner.onClose(failure);
  }

  #over({ outcome, peer }: PeerReader): void {
    this.#reader = null;
    if (outcome !== 'found' || peer !== null) {
      for (const [key, object] of peerStates(UPSTREAM_PEER, peer)) this.#state.set(key, object);
    }
    if (this.#owner !== NO_HANDLER) this.socket.handler = this.#owner;
  }

  // ─── For the owner ──────────────────────────────────────────────────────────────────────────────────────────────

  get handler(): ByteStreamHandler {
    return this.#owner;
  }
  set handler(handler: ByteStreamHandler) {
    this.#owner = handler;
    if (this.#reader === null) this.socket.handler = handler;
  }
}
